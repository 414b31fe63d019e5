"""The sentences of the gateway (docs: wire format, "Answers" and "Delivery statuses").

They are typed here from that page and not from the table that is tested.

A row that is lost, or whose meaning, error or finality changes, turns a line of this file red.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate import errors
from smsgate.protocol.answers import (
    ANSWERS,
    STATUSES,
    Answer,
    ClassifiedAnswer,
    DeliveryState,
    classify,
    delivery_state,
)

LONG_SIGNATURE = (
    "Неправильная подпись.\nПодпись отправителя не должна быть длиннее 11 символов и может "
    "содержать буквы латинского алфавита,"
    " цифры, а также знаки: .-&"
)
LONG_SIGNATURE_END = (
    "Подпись отправителя не должна быть длиннее 11 символов и может содержать буквы латинского "
    "алфавита, цифры, а также знаки:"
    " .-&"
)
LONG_FAILURE = (
    "При отправке SMS возникли ошибки. Если ошибка будет повторяться, сообщите об этом в службу "
    "поддержки, указав свой логин,"
    " время отправки, подпись отправителя и текст сообщения."
)
OUTCOME_UNKNOWN = (
    "Не удалось распознать статус отправки сообщения, свяжитесь с администрацией, указав тип "
    "подключения, время отправки и"
    " данные отправляемого сообщения"
)

# sentence, meaning, error that a call raises (None: the sentence is no refusal)
SENTENCES: tuple[tuple[str, Answer, type[errors.Refused] | None], ...] = (
    # 4.1
    ("Вы успешно авторизировались", Answer.AUTHORISED, None),
    (
        "Не достаточно параметров для выполнения функции",
        Answer.MISSING_PARAMETERS,
        errors.MissingParameters,
    ),
    ("Неверный логин или пароль", Answer.BAD_CREDENTIALS, errors.BadCredentials),
    (
        "Ваша учётная запись не активирована, свяжитесь с администрацией",
        Answer.NOT_ACTIVATED,
        errors.AccountSuspended,
    ),
    (
        "Ваша учётная запись заблокирована за нарушения, свяжитесь с администрацией",
        Answer.BLOCKED,
        errors.AccountSuspended,
    ),
    (
        "Ваша учётная запись отключена, свяжитесь с администрацией",
        Answer.DISABLED,
        errors.AccountSuspended,
    ),
    (
        "Ваша учётная запись заблокирована за нарушения, свяжитесь с отделом поддержки",
        Answer.BLOCKED,
        errors.AccountSuspended,
    ),
    # 4.3
    ("Вы не авторизованы", Answer.NOT_AUTHORISED, errors.NotAuthorised),
    ("Вы не авторизированы", Answer.NOT_AUTHORISED, errors.NotAuthorised),
    # 4.4
    ("Сообщения успешно отправлены", Answer.SENT, None),
    (LONG_SIGNATURE, Answer.BAD_SENDER, errors.BadSender),
    ("Неправильная подпись.", Answer.BAD_SENDER, errors.BadSender),
    (LONG_SIGNATURE_END, Answer.BAD_SENDER, errors.BadSender),
    (
        (
            "Подпись отправителя может содержать только буквы латинского алфавита, цифры, пробел, "
            "а также знаки: ._-&"
        ),
        Answer.BAD_SENDER,
        errors.BadSender,
    ),
    ("Данная подпись запрещена администратором", Answer.SENDER_FORBIDDEN, errors.SenderForbidden),
    (
        "Не хватает 2.56 кредитов для отправки SMS",
        Answer.NOT_ENOUGH_CREDITS,
        errors.NotEnoughCredits,
    ),
    ("Не удалось распознать номер получателя", Answer.BAD_DESTINATION, errors.BadDestination),
    (
        'Не удалось распознать номер получателя "+9873"',
        Answer.BAD_DESTINATION,
        errors.BadDestination,
    ),
    ("Страна не поддерживается", Answer.COUNTRY_NOT_SERVED, errors.BadDestination),
    ("Невозможно отправить SMS", Answer.CANNOT_SEND, errors.GatewayFailure),
    (LONG_FAILURE, Answer.CANNOT_SEND, errors.GatewayFailure),
    (f"Невозможно отправить SMS {LONG_FAILURE}", Answer.CANNOT_SEND, errors.GatewayFailure),
    (f"Невозможно отправить SMS. {LONG_FAILURE}", Answer.CANNOT_SEND, errors.GatewayFailure),
    ("Не удалось отправить сообщение на некоторые номера", Answer.PARTLY_SENT, None),
    ("Не удалось сохранить данные сообщения, свяжитесь с администрацией", Answer.NOT_SAVED, None),
    (OUTCOME_UNKNOWN, Answer.OUTCOME_UNKNOWN, None),
    # 5
    (
        "Сообщение с ID c9482a41-27d1-44f8-bd5c-d34104ca5ba9 не найдено",
        Answer.MESSAGE_NOT_FOUND,
        errors.MessageNotFound,
    ),
)

# sentence, state, final, delivered
DELIVERIES: tuple[tuple[str, DeliveryState, bool, bool], ...] = (
    ("Отправлено", DeliveryState.SENT, False, False),
    ("В очереди", DeliveryState.QUEUED, False, False),
    ("Сообщение доставлено на сервер", DeliveryState.ON_SERVER, False, False),
    ("Сообщение передано в мобильную сеть", DeliveryState.IN_NETWORK, False, False),
    ("Сообщение доставлено получателю", DeliveryState.DELIVERED, True, True),
    ("Истек срок сообщения", DeliveryState.EXPIRED, True, False),
    ("Удалено оператором", DeliveryState.DELETED_BY_OPERATOR, True, False),
    ("Не доставлено", DeliveryState.NOT_DELIVERED, True, False),
    ("Отклонено оператором", DeliveryState.REJECTED_BY_OPERATOR, True, False),
    ("Неизвестный статус", DeliveryState.UNKNOWN, True, False),
    ("Ошибка, сообщение не отправлено", DeliveryState.FAILED, True, False),
    ("Не достаточно кредитов на счете", DeliveryState.NOT_ENOUGH_CREDITS, False, False),
    ("Отправка отменена", DeliveryState.CANCELLED, True, False),
    ("Отправка приостановлена", DeliveryState.SUSPENDED, False, False),
    ("Удалено пользователем", DeliveryState.DELETED_BY_USER, True, False),
    # the firm's other interfaces
    ("Сообщение ещё не обработано", DeliveryState.QUEUED, False, False),
    ("Сообщение принято в обработку", DeliveryState.ON_SERVER, False, False),
    ("Сообщение отправлено в мобильную сеть", DeliveryState.IN_NETWORK, False, False),
    ("Сообщение отклонено", DeliveryState.REJECTED_BY_OPERATOR, True, False),
)


def only(text: str) -> ClassifiedAnswer:
    """Return the one sentence that is found in the text."""
    (answer,) = classify(text)
    return answer


@pytest.mark.parametrize(("sentence", "meaning", "error"), SENTENCES)
def test_each_known_sentence_has_its_meaning_and_error(
    sentence: str, meaning: Answer, error: type[errors.Refused] | None
):
    answer = only(sentence)
    assert (answer.answer, answer.error, answer.refusal) == (meaning, error, error is not None)
    assert answer.text == sentence


@pytest.mark.parametrize(("sentence", "state", "final", "delivered"), DELIVERIES)
def test_each_delivery_sentence_has_its_state_and_flags(
    sentence: str, state: DeliveryState, final: bool, delivered: bool
):
    assert delivery_state(sentence) is state
    assert (state.final, state.delivered) == (final, delivered)


def test_tables_hold_exactly_these_sentences():
    assert len(ANSWERS) == len(SENTENCES)
    assert len(STATUSES) == len(DELIVERIES)
    for row in ANSWERS:
        assert (
            sum(
                row.pattern.fullmatch(" ".join(sentence.split()).casefold().replace("ё", "е"))
                is not None
                for sentence, *_ in SENTENCES
            )
            == 1
        )
    assert [row.sentence for row in STATUSES] == [sentence for sentence, *_ in DELIVERIES]
    assert [(row.state, row.final) for row in STATUSES] == [
        (state, final) for _, state, final, _ in DELIVERIES
    ]


def test_each_meaning_has_one_error_and_each_state_one_finality():
    assert len({(row.meaning, row.error) for row in ANSWERS}) == len(
        {row.meaning for row in ANSWERS}
    )
    assert len({(row.state, row.final) for row in STATUSES}) == len({row.state for row in STATUSES})


def test_each_meaning_and_each_state_has_a_sentence():
    assert {row.meaning for row in ANSWERS} == set(Answer) - {Answer.UNRECOGNISED}
    assert {row.state for row in STATUSES} == set(DeliveryState) - {
        DeliveryState.NOT_FOUND,
        DeliveryState.UNRECOGNISED,
    }


def test_not_found_is_final_and_unrecognised_is_not():
    assert (DeliveryState.NOT_FOUND.final, DeliveryState.NOT_FOUND.delivered) == (True, False)
    assert (DeliveryState.UNRECOGNISED.final, DeliveryState.UNRECOGNISED.delivered) == (
        False,
        False,
    )


@st.composite
def written_otherwise(draw: st.DrawFn, sentences: list[str]) -> tuple[str, str]:
    """Draw a sentence, and the same one in other letters: case, white space, ё and е."""
    sentence = draw(st.sampled_from(sentences))
    spaces = st.text(" \t\n\r\u00a0", min_size=1, max_size=3)
    words = []
    for word in sentence.split():
        letters = (draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in word)
        swapped = (
            draw(st.sampled_from("её"))
            if letter in "её"
            else draw(st.sampled_from("ЕЁ"))
            if letter in "ЕЁ"
            else letter
            for letter in letters
        )
        words.append("".join(swapped))
    other = words[0] + "".join(draw(spaces) + word for word in words[1:])
    return sentence, draw(st.text(" \n", max_size=2)) + other + draw(st.text(" \n", max_size=2))


@given(pair=written_otherwise([sentence for sentence, *_ in SENTENCES]))
def test_case_white_space_and_yo_do_not_change_a_meaning(pair: tuple[str, str]):
    sentence, other = pair
    assert (only(other).answer, only(other).missing) == (
        only(sentence).answer,
        only(sentence).missing,
    )
    assert only(other).answer is not Answer.UNRECOGNISED
    assert only(other).text == other.strip()


@given(pair=written_otherwise([sentence for sentence, *_ in DELIVERIES]))
def test_case_white_space_and_yo_do_not_change_a_state(pair: tuple[str, str]):
    sentence, other = pair
    assert delivery_state(other) is delivery_state(sentence) is not DeliveryState.UNRECOGNISED


@given(
    sentence=st.sampled_from([sentence for sentence, *_ in SENTENCES + DELIVERIES]),
    before=st.sampled_from(["", "Не ", "1", "о"]),
    after=st.sampled_from(["", " сегодня", "!", " №1", "о"]),
)
def test_partial_or_extended_sentence_is_not_recognised(sentence: str, before: str, after: str):
    if before or after:
        assert only(before + sentence + after).answer is Answer.UNRECOGNISED
        assert delivery_state(before + sentence + after) is DeliveryState.UNRECOGNISED
    for part in (sentence[:-1].strip(), sentence[1:].strip()):
        known = {text for text, *_ in SENTENCES + DELIVERIES}
        if part not in known and f"{part}." not in known:
            assert only(part).answer is Answer.UNRECOGNISED
            assert delivery_state(part) is DeliveryState.UNRECOGNISED


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Ошибка, сообщение не отправлено", DeliveryState.FAILED),
        ("отправлено", DeliveryState.SENT),
        ("Сообщение отправлено", DeliveryState.UNRECOGNISED),
        ("Не доставлено", DeliveryState.NOT_DELIVERED),
        ("Не доставлено на сервер", DeliveryState.UNRECOGNISED),
        ("Доставлено", DeliveryState.UNRECOGNISED),
        ("Сообщение не доставлено получателю", DeliveryState.UNRECOGNISED),
        ("Сообщение доставлено на сервер получателю", DeliveryState.UNRECOGNISED),
        ("Отправлено | Отправлено", DeliveryState.UNRECOGNISED),
        ("Истёк срок сообщения", DeliveryState.EXPIRED),
        ("Не достаточно кредитов на счёте", DeliveryState.NOT_ENOUGH_CREDITS),
        ("", DeliveryState.UNRECOGNISED),
        ("Вы не авторизованы", DeliveryState.UNRECOGNISED),
    ],
)
def test_each_whole_sentence_gives_its_state(text: str, state: DeliveryState):
    assert delivery_state(text) is state


@pytest.mark.parametrize(
    "text",
    [
        "Сообщения успешно отправлено",
        "Сообщение успешно отправлено",
        "Сообщения успешно отправлены.",
        "Вы не авторизованы, свяжитесь с администрацией",
        "Вы авторизованы",
        "Вы успешно авторизованы",
        "Недостаточно параметров для выполнения функции",
        "Не хватает кредитов для отправки SMS",
        "Не хватает X кредитов для отправки SMS",
        "Не хватает ٢٫٥ кредитов для отправки SMS",
        "Не хватает 1 000 кредитов для отправки SMS",
        "Не хватает 1.5.6 кредитов для отправки SMS",
        'Не удалось распознать номер получателя "login"',
        'Не удалось распознать номер получателя "+380501234567',
        "Сообщение с ID secret не найдено",
        "0c306f85-57f5-f84a-1033-6075af2bcc6e",
        "2500.75",
    ],
)
def test_unknown_sentence_is_unrecognised_and_no_refusal(text: str):
    answer = only(text)
    assert (answer.answer, answer.error, answer.refusal, answer.missing) == (
        Answer.UNRECOGNISED,
        None,
        False,
        None,
    )


@pytest.mark.parametrize(
    ("written", "missing"),
    [
        ("2.56", "2.56"),
        ("2,56", "2.56"),
        ("12", "12"),
        ("0.5", "0.5"),
        ("-1", "-1"),
        ("100000.01", "100000.01"),
    ],
)
def test_missing_credits_are_a_decimal_with_a_dot_or_a_comma(written: str, missing: str):
    assert only(f"Не хватает {written} кредитов для отправки SMS").missing == Decimal(missing)


@pytest.mark.parametrize(
    "quoted", ['"+380501234567"', '"380 50 123-45-67"', '"+38 (050) 1234567"', '""', '"+9873"']
)
def test_quoted_number_in_a_slot_may_have_any_form(quoted: str):
    assert only(f"Не удалось распознать номер получателя {quoted}").answer is Answer.BAD_DESTINATION


@pytest.mark.parametrize(
    "quoted",
    [
        "c9482a41-27d1-44f8-bd5c-d34104ca5ba9",
        "C9482A41-27D1-44F8-BD5C-D34104CA5BA9",
        "{c9482a41}",
        "1",
    ],
)
def test_quoted_id_that_is_not_found_may_have_any_form(quoted: str):
    assert only(f"Сообщение с ID {quoted} не найдено").answer is Answer.MESSAGE_NOT_FOUND


def test_captured_combined_answer_is_a_complaint_and_a_success():
    complaint, success = classify(
        "Не хватает 2.56 кредитов для отправки SMS | Сообщения успешно отправлены"
    )
    assert (complaint.answer, complaint.missing, complaint.refusal) == (
        Answer.NOT_ENOUGH_CREDITS,
        Decimal("2.56"),
        True,
    )
    assert (success.answer, success.missing, success.refusal) == (Answer.SENT, None, False)


@given(
    st.lists(st.sampled_from(SENTENCES), max_size=4),
    st.sampled_from(["|", " | ", "\n|\n", " || ", "| |"]),
)
def test_sentences_joined_by_a_bar_are_classified_separately(
    rows: list[tuple[str, Answer, object]], bar: str
):
    """Empty sentences are left out."""
    joined = bar + bar.join(sentence for sentence, *_ in rows) + bar
    assert [answer.answer for answer in classify(joined)] == [meaning for _, meaning, _ in rows]


def test_line_feed_does_not_split_sentences():
    assert [
        answer.answer for answer in classify("Вы не авторизованы\nСообщения успешно отправлены")
    ] == [Answer.UNRECOGNISED]


@pytest.mark.parametrize("text", ["", " ", "|", " | \n| "])
def test_empty_answer_has_no_sentences(text: str):
    assert list(classify(text)) == []


def test_repr_of_a_classified_answer_hides_quoted_numbers():
    answer = only('Не удалось распознать номер получателя "+380501234567"')
    assert (
        repr(answer)
        == "ClassifiedAnswer(answer=<Answer.BAD_DESTINATION: 'bad destination'>, missing=None)"
    )


def test_rows_and_classified_answers_are_immutable():
    for value, name in (
        (ANSWERS[0], "error"),
        (STATUSES[0], "final"),
        (only("Вы не авторизованы"), "answer"),
    ):
        with pytest.raises(AttributeError):
            setattr(value, name, None)


@pytest.mark.parametrize(
    "text", ["Сообщения успешно отправлены|" * 17, "Сообщения успешно отправлены" + " " * 4096]
)
def test_overlong_answer_is_not_classified(text: str):
    (only,) = classify(text)
    assert only.answer is Answer.UNRECOGNISED
    assert len(only.text) <= 4096
