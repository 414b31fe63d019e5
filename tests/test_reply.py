"""Replies of the gateway:

found by namespace and local name, and what each decides (docs: wire format, "Replies" and "Slots").
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from replies import ID, NIL, OTHER_ID, array_reply, envelope, sent, string_reply
from shown import outcome_of, raised_by, shown_by

from smsgate import errors
from smsgate.errors import InDoubt, Outcome, Reason, Refused, ReplyEvidence
from smsgate.protocol.answers import ANSWERS, Answer, DeliveryState
from smsgate.protocol.limits import (
    MAX_ELEMENTS,
    MOST_RECIPIENTS,
    REPLY_LIMIT,
    REPLY_LIMIT_MOST,
    SLOT_LIMIT,
    reply_limit,
)
from smsgate.protocol.models import Message, RecipientResult, SendResult
from smsgate.protocol.operation import Operation
from smsgate.protocol.operations import (
    AUTH,
    GET_CREDIT_BALANCE,
    GET_MESSAGE_STATUS,
    GET_NEW_MESSAGES,
    OPERATIONS,
    SEND_SMS,
)
from smsgate.protocol.reply import (
    Reply,
    read_auth,
    read_balance,
    read_new_messages,
    read_reply,
    read_send,
    read_status,
    unrecognised,
)

NUMBERS = ("+380501234567", "+380671234568", "+12025550123", "+12025550124", "+12025550125")
ONE, TWO, THREE = (
    Message(destinations=NUMBERS[:count], text="Ваш код: 4815") for count in (1, 2, 3)
)

SENT = "Сообщения успешно отправлены"
PARTLY = "Не удалось отправить сообщение на некоторые номера"
POOR = "Не хватает 2.56 кредитов для отправки SMS"
BAD_NUMBER = "Не удалось распознать номер получателя"
NO_COUNTRY = "Страна не поддерживается"
NOT_AUTHORISED = ("Вы не авторизованы", "Вы не авторизированы")
NOT_SAVED = "Не удалось сохранить данные сообщения, свяжитесь с администрацией"
DONT_KNOW = (
    "Не удалось распознать статус отправки сообщения, свяжитесь с администрацией, указав тип "
    "подключения, время отправки и"
    " данные отправляемого сообщения"
)
NEW = "Новая фраза"


def items_of(operation: str, body: bytes | str) -> tuple[str | None, ...]:
    """Return what stands in the reply to the operation."""
    return read_reply(
        OPERATIONS[operation], body if isinstance(body, bytes) else body.encode()
    ).items


def doubt(call: Callable[[], object]) -> InDoubt:
    """Return the doubt that the call raises."""
    error = raised_by(call)
    assert type(error) is InDoubt
    return error


# The shape

AUTH_INSIDE = (
    "<{0}AuthResponse{1}><{0}AuthResult>Вы успешно авторизировались</{0}AuthResult>"
    "</{0}AuthResponse>"
)
TURBO = "http://turbosms.in.ua/api/Turbo"


@pytest.mark.parametrize(
    "body",
    [
        string_reply("Auth", "Вы успешно авторизировались").decode(),
        '<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body>'
        + AUTH_INSIDE.format("n:", f' xmlns:n="{TURBO}"')
        + "</env:Body></env:Envelope>",
        (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">\n  <s:Header/>\n'
            "  <s:Body>\n"
        )
        + AUTH_INSIDE.format("", f' xmlns="{TURBO}"')
        + "\n  </s:Body>\n</s:Envelope>",
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        + AUTH_INSIDE.format("soapy:", f' xmlns:soapy="{TURBO}"')
        + "</soap:Body></soap:Envelope>",
        (
            f'<ns1:Auth xmlns:ns1="{TURBO}">'
            "<ns1:AuthResult>Вы успешно авторизировались</ns1:AuthResult></ns1:Auth>"
        ),
        f'<AuthResult xmlns="{TURBO}">Вы успешно авторизировались</AuthResult>',
        (
            f'<a><b><c><AuthResult xmlns="{TURBO}"><![CDATA[Вы успешно авторизировались]]>'
            "</AuthResult></c></b><d/></a>"
        ),
    ],
)
def test_answer_is_found_with_any_prefix_and_any_wrapper(body: str):
    reply = read_reply(AUTH, body.encode())
    assert reply.items == ("Вы успешно авторизировались",)
    assert read_auth(reply) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "<AuthResult>Вы успешно авторизировались</AuthResult>",
            "0 elements AuthResult where one is expected",
        ),
        (
            f'<AuthResult xmlns="{TURBO}/">Вы успешно авторизировались</AuthResult>',
            "0 elements AuthResult where one is expected",
        ),
        (
            f'<ns1:AuthResult xmlns:ns1="urn:else" xmlns:ns2="{TURBO}">x</ns1:AuthResult>',
            "0 elements AuthResult where one is expected",
        ),
        (f'<AuthResponse xmlns="{TURBO}"/>', "0 elements AuthResult where one is expected"),
        (
            string_reply("GetCreditBalance", "5").decode(),
            "0 elements AuthResult where one is expected",
        ),
        (
            f'<a xmlns="{TURBO}"><AuthResult>1</AuthResult><AuthResult>2</AuthResult></a>',
            "2 elements AuthResult where one is expected",
        ),
        (
            (
                f'<a xmlns="{TURBO}"><b><AuthResult>1</AuthResult></b><c><AuthResult>2</AuthResult>'
                "</c></a>"
            ),
            "2 elements AuthResult where one is expected",
        ),
        (f'<AuthResult xmlns="{TURBO}"><b>1</b></AuthResult>', "elements where text is expected"),
        (
            "<html><body>502 Bad Gateway</body></html>",
            "0 elements AuthResult where one is expected",
        ),
    ],
)
def test_document_without_one_answer_to_this_call_is_in_doubt(body: str, said: str):
    error = doubt(lambda: read_reply(AUTH, body.encode()))
    assert (error.reason, str(error)) == (Reason.UNREADABLE, f"reply unreadable: {said}")
    assert error.evidence.reply == body.encode()


@pytest.mark.parametrize(
    "fault",
    [
        (
            "<SOAP-ENV:Fault><faultcode>SOAP-ENV:Server</faultcode>"
            "<faultstring>Procedure 'X'</faultstring></SOAP-ENV:Fault>"
        ),
        '<e:Fault xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Code><e:Value>rpc:x</e:Value></e:Code></e:Fault>',
        "<SOAP-ENV:Fault/><ns1:AuthResult>Вы успешно авторизировались</ns1:AuthResult>",
    ],
)
def test_fault_is_in_doubt_even_beside_an_answer(fault: str):
    error = doubt(lambda: read_reply(AUTH, envelope(fault)))
    assert (error.reason, str(error)) == (
        Reason.FAULT,
        "SOAP fault: the gateway answered with a fault",
    )


def test_element_that_is_only_named_fault_is_no_fault():
    assert items_of("Auth", envelope("<Fault/><ns1:AuthResult>x</ns1:AuthResult>")) == ("x",)


@pytest.mark.parametrize(
    "status", [100, 199, 300, 302, 304, 400, 401, 403, 404, 429, 500, 502, 503, 504, 0, 999]
)
def test_status_other_than_2xx_is_in_doubt_whatever_the_body(status: int):
    error = doubt(lambda: read_reply(SEND_SMS, array_reply("SendSMS", SENT, ID), status))
    assert (error.reason, str(error)) == (Reason.HTTP_STATUS, f"HTTP status: {status}")
    assert (error.evidence.status, error.evidence.ids) == (status, (ID,))


@pytest.mark.parametrize("status", [200, 202, 299])
def test_status_2xx_is_read(status: int):
    reply = read_reply(SEND_SMS, array_reply("SendSMS", SENT, ID), status)
    assert reply.evidence.status == status


def test_evidence_has_size_ids_and_beginning_of_the_reply():
    body = (
        array_reply("SendSMS", SENT, OTHER_ID.upper(), ID)
        + b"<!--"
        + b"x" * ReplyEvidence.LIMIT
        + ID.encode()
        + b"-->"
    )
    evidence = read_reply(SEND_SMS, body).evidence
    assert (evidence.status, evidence.size, evidence.ids) == (
        200,
        len(body),
        (OTHER_ID.upper(), ID),
    )
    assert evidence.reply == body[: ReplyEvidence.LIMIT]


# One element, many, empty


@pytest.mark.parametrize(
    ("slots", "items"),
    [
        ("<ns1:ResultArray>a</ns1:ResultArray>", ("a",)),
        ("<ns1:ResultArray>a</ns1:ResultArray><ns1:ResultArray>b</ns1:ResultArray>", ("a", "b")),
        ("<ns1:ResultArray></ns1:ResultArray><ns1:ResultArray/>", (None, None)),
        (NIL, (None,)),
        (
            f"<ns1:ResultArray>a</ns1:ResultArray>{NIL}<ns1:ResultArray>b</ns1:ResultArray>",
            ("a", None, "b"),
        ),
        (
            "\n  <ns1:ResultArray>a\nb</ns1:ResultArray>\n  <ns1:ResultArray> </ns1:ResultArray>\n",
            ("a\nb", " "),
        ),
        ("", ()),
        ("\n", ()),
        (" a bare string\n", ("a bare string",)),
    ],
)
def test_array_is_its_elements_in_order_and_a_bare_string_is_one(
    slots: str, items: tuple[str | None, ...]
):
    body = envelope(
        f"<ns1:SendSMSResponse><ns1:SendSMSResult>{slots}</ns1:SendSMSResult></ns1:SendSMSResponse>"
    )
    assert items_of("SendSMS", body) == items


@pytest.mark.parametrize("operation", ["SendSMS", "GetNewMessages"])
def test_null_instead_of_an_array_is_an_empty_one(operation: str):
    assert items_of(operation, envelope(f"<ns1:{operation}Response/>")) == ()
    assert (
        items_of(
            operation,
            envelope(
                f'<ns1:{operation}Response><ns1:{operation}Result xsi:nil="true"/>'
                f"</ns1:{operation}Response>"
            ),
        )
        == ()
    )


def test_array_without_a_response_is_no_answer():
    assert (
        doubt(lambda: items_of("GetNewMessages", envelope("<ns1:GetNewMessages/>"))).reason
        is Reason.UNREADABLE
    )


@pytest.mark.parametrize(
    "slots",
    [
        "<ResultArray>a</ResultArray>",
        '<x:ResultArray xmlns:x="urn:else">a</x:ResultArray>',
        "<ns1:Other>a</ns1:Other>",
        "<ns1:ResultArray><ns1:string>a</ns1:string></ns1:ResultArray>",
    ],
)
def test_array_of_something_else_is_in_doubt(slots: str):
    body = envelope(
        f"<ns1:SendSMSResponse><ns1:SendSMSResult>{slots}</ns1:SendSMSResult></ns1:SendSMSResponse>"
    )
    assert doubt(lambda: items_of("SendSMS", body)).reason is Reason.UNREADABLE


# Auth

CLASSES = {
    "Не достаточно параметров для выполнения функции": errors.MissingParameters,
    "Неверный логин или пароль": errors.BadCredentials,
    "Ваша учётная запись не активирована, свяжитесь с администрацией": errors.AccountSuspended,
    (
        "Ваша учётная запись заблокирована за нарушения, свяжитесь с администрацией"
    ): errors.AccountSuspended,
    "Ваша учётная запись отключена, свяжитесь с администрацией": errors.AccountSuspended,
    "Вы не авторизованы": errors.NotAuthorised,
    "Вы не авторизированы": errors.NotAuthorised,
}


def auth(text: str) -> None:
    read_auth(read_reply(AUTH, string_reply("Auth", text)))


@pytest.mark.parametrize("text", ["Вы успешно авторизировались", " вы успешно\nавторизировались "])
def test_successful_login_says_so(text: str):
    assert auth(text) is None


@pytest.mark.parametrize("text", CLASSES)
def test_refused_login_raises_what_the_gateway_says(text: str):
    error = raised_by(lambda: auth(text))
    assert type(error) is CLASSES[text]
    assert error.text == text  # type: ignore[attr-defined]
    assert text in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        NEW,
        "Вы успешно авторизировались | Неверный логин или пароль",
        "Вы успешно авторизировались | " + NEW,
        SENT,
        "|",
        "27",
    ],
)
def test_login_with_any_other_answer_is_in_doubt(text: str):
    error = doubt(lambda: auth(text))
    assert (error.reason, str(error)) == (
        Reason.UNRECOGNISED,
        "answer not recognised: the answer is not one of a login",
    )


# GetCreditBalance


def balance(text: str) -> Decimal:
    return read_balance(read_reply(GET_CREDIT_BALANCE, string_reply("GetCreditBalance", text)))


@pytest.mark.parametrize(
    ("text", "credits_"),
    [
        ("2500.75", "2500.75"),
        ("1337", "1337"),
        ("1.01", "1.01"),
        ("0", "0"),
        ("-3.5", "-3.5"),
        ("+7", "7"),
        (" 12,50\n", "12.50"),
        ("0.10", "0.10"),
        ("123456789012345678901234567890.01", "123456789012345678901234567890.01"),
    ],
)
def test_balance_is_a_decimal_with_a_dot_or_a_comma(text: str, credits_: str):
    assert balance(text) == Decimal(credits_)
    assert str(balance(text)) == credits_


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1,234.56",
        "1 234",
        "1.2.3",
        ".5",
        "5.",
        "٢٥٠٠",
        "1e3",
        "NaN",
        "Infinity",
        "0x10",
        "12 кредитов",
        "1_000",
        "--1",
        NEW,
    ],
)
def test_balance_that_is_no_plain_number_is_in_doubt(text: str):
    error = doubt(lambda: balance(text))
    assert (error.reason, str(error)) == (
        Reason.UNRECOGNISED,
        "answer not recognised: the answer is not a number of credits",
    )


@pytest.mark.parametrize("text", NOT_AUTHORISED)
def test_balance_without_a_session_means_a_dead_cookie(text: str):
    assert type(raised_by(lambda: balance(text))) is errors.NotAuthorised


def test_nil_balance_is_in_doubt():
    body = envelope(
        '<ns1:GetCreditBalanceResponse><ns1:GetCreditBalanceResult xsi:nil="true"/>'
        "</ns1:GetCreditBalanceResponse>"
    )
    assert (
        doubt(lambda: read_balance(read_reply(GET_CREDIT_BALANCE, body))).reason
        is Reason.UNRECOGNISED
    )


# GetNewMessages


def new_messages(*items: str | None) -> list[str]:
    return read_new_messages(read_reply(GET_NEW_MESSAGES, array_reply("GetNewMessages", *items)))


@pytest.mark.parametrize(
    ("items", "ids"),
    [
        ((), []),
        ((ID,), [ID]),
        ((ID, OTHER_ID), [ID, OTHER_ID]),
        ((OTHER_ID, None, "", f" {{{ID}}}\n"), [OTHER_ID, ID]),
        (("",), []),
    ],
)
def test_new_messages_are_ids_in_order_without_empty_ones(
    items: tuple[str | None, ...], ids: list[str]
):
    assert new_messages(*items) == ids


def test_missing_array_means_no_new_messages():
    assert (
        read_new_messages(read_reply(GET_NEW_MESSAGES, envelope("<ns1:GetNewMessagesResponse/>")))
        == []
    )


@pytest.mark.parametrize("text", NOT_AUTHORISED)
@pytest.mark.parametrize(
    "items",
    [
        ("{}",),
        ("", "{}"),
        (ID, "{}"),
        ("{}", ID),
        ("{}", "Не достаточно параметров для выполнения функции"),
    ],
)
def test_new_messages_without_a_session_mean_a_dead_cookie(items: tuple[str, ...], text: str):
    """Wherever the sentence stands."""
    assert (
        type(raised_by(lambda: new_messages(*(item.format(text) for item in items))))
        is errors.NotAuthorised
    )


@pytest.mark.parametrize("text", NOT_AUTHORISED)
def test_bare_string_in_place_of_an_array_is_read_as_a_sentence(text: str):
    body = envelope(
        f"<ns1:GetNewMessagesResponse><ns1:GetNewMessagesResult>{text}</ns1:GetNewMessagesResult></ns1:GetNewMessagesResponse>"
    )
    assert (
        type(raised_by(lambda: read_new_messages(read_reply(GET_NEW_MESSAGES, body))))
        is errors.NotAuthorised
    )


@pytest.mark.parametrize("items", [(NEW,), (ID, NEW), (SENT,), (ID[:-1],), ("|",)])
def test_new_messages_with_an_unknown_sentence_are_in_doubt(items: tuple[str, ...]):
    error = doubt(lambda: new_messages(*items))
    assert (error.reason, str(error)) == (
        Reason.UNRECOGNISED,
        "answer not recognised: the answer is not a list of message ids",
    )


# GetMessageStatus


def status(text: str):
    return read_status(read_reply(GET_MESSAGE_STATUS, string_reply("GetMessageStatus", text)), ID)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Сообщение доставлено получателю", DeliveryState.DELIVERED),
        (" В очереди\n", DeliveryState.QUEUED),
        ("Не доставлено", DeliveryState.NOT_DELIVERED),
        (NEW, DeliveryState.UNRECOGNISED),
        (SENT, DeliveryState.UNRECOGNISED),
        ("|", DeliveryState.UNRECOGNISED),
    ],
)
def test_status_has_its_state_its_text_and_the_requested_id(text: str, state: DeliveryState):
    found = status(text)
    assert (found.message_id, found.state, found.text) == (ID, state, text.strip())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"Сообщение с ID {OTHER_ID} не найдено", errors.MessageNotFound),
        ("Не достаточно параметров для выполнения функции", errors.MissingParameters),
        ("Вы не авторизованы", errors.NotAuthorised),
        ("Вы не авторизированы", errors.NotAuthorised),
    ],
)
def test_status_that_is_an_error_raises_it(text: str, kind: type[Refused]):
    assert type(raised_by(lambda: status(text))) is kind


@pytest.mark.parametrize("text", ["", " \n"])
def test_empty_status_is_in_doubt(text: str):
    error = doubt(lambda: status(text))
    assert (error.reason, str(error)) == (
        Reason.UNRECOGNISED,
        "answer not recognised: the status is empty",
    )


# SendSMS: what became of each destination

A, R, U = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.IN_DOUBT


def outcomes(result: SendResult) -> list[tuple[Outcome, str | None, Answer | None, str]]:
    return [(row.outcome, row.message_id, row.answer, row.reason) for row in result.recipients]


def test_success_for_one_number_is_a_sentence_and_an_id():
    result = read_send(sent(SENT, ID), ONE)
    assert result.recipients == (
        RecipientResult(
            destination=NUMBERS[0], message_id=ID, outcome=Outcome.ACCEPTED, answer=Answer.SENT
        ),
    )
    assert (result.text, [answer.answer for answer in result.answers]) == (SENT, [Answer.SENT])


def test_ids_are_in_the_order_of_the_destinations():
    result = read_send(sent(SENT, OTHER_ID, ID), TWO)
    assert [(row.destination, row.message_id) for row in result.recipients] == [
        (NUMBERS[0], OTHER_ID),
        (NUMBERS[1], ID),
    ]


@pytest.mark.parametrize("written", [ID.upper(), f"{{{ID}}}", f" {ID}\n"])
def test_id_may_have_capitals_braces_or_white_space(written: str):
    assert read_send(sent(SENT, written), ONE).message_ids == (written.strip(" \n{}"),)


@pytest.mark.parametrize(
    ("head", "slots", "expected"),
    [
        (SENT, ["", ID], [(R, None, None, ""), (A, ID, Answer.SENT, "")]),
        (SENT, [None, ID], [(R, None, None, ""), (A, ID, Answer.SENT, "")]),
        (SENT, [ID, "  \n"], [(A, ID, Answer.SENT, ""), (R, None, None, "")]),
        (PARTLY, ["", ID], [(R, None, None, ""), (A, ID, Answer.SENT, "")]),
        (f"{PARTLY} | {SENT}", [ID, ""], [(A, ID, Answer.SENT, ""), (R, None, None, "")]),
        (
            f"{BAD_NUMBER} | {SENT}",
            ["", ID],
            [(R, None, Answer.BAD_DESTINATION, BAD_NUMBER), (A, ID, Answer.SENT, "")],
        ),
        (POOR, ["", ID], [(R, None, Answer.NOT_ENOUGH_CREDITS, POOR), (A, ID, Answer.SENT, "")]),
        (
            SENT,
            [f'{BAD_NUMBER} "+9873"', ID],
            [(R, None, Answer.BAD_DESTINATION, f'{BAD_NUMBER} "+9873"'), (A, ID, Answer.SENT, "")],
        ),
        (
            BAD_NUMBER,
            [NO_COUNTRY, ID],
            [(R, None, Answer.COUNTRY_NOT_SERVED, NO_COUNTRY), (A, ID, Answer.SENT, "")],
        ),
        (
            SENT,
            [ID, "Вы не авторизованы"],
            [(A, ID, Answer.SENT, ""), (R, None, Answer.NOT_AUTHORISED, "Вы не авторизованы")],
        ),
        (SENT, [NEW, ID], [(U, None, Answer.UNRECOGNISED, NEW), (A, ID, Answer.SENT, "")]),
        (
            SENT,
            [f"{NO_COUNTRY} | {NEW}", ID],
            [(U, None, Answer.UNRECOGNISED, NEW), (A, ID, Answer.SENT, "")],
        ),
        (SENT, [SENT, ID], [(U, None, Answer.SENT, SENT), (A, ID, Answer.SENT, "")]),
        (
            SENT,
            [DONT_KNOW, ID],
            [(U, None, Answer.OUTCOME_UNKNOWN, DONT_KNOW), (A, ID, Answer.SENT, "")],
        ),
        (SENT, [NOT_SAVED, ID], [(U, None, Answer.NOT_SAVED, NOT_SAVED), (A, ID, Answer.SENT, "")]),
        (DONT_KNOW, ["", ID], [(U, None, None, ""), (A, ID, Answer.SENT, "")]),
        (NOT_SAVED, ["", ID], [(U, None, None, ""), (A, ID, Answer.SENT, "")]),
        (NEW, ["", ID], [(U, None, None, ""), (A, ID, Answer.SENT, "")]),
        ("", ["", ID], [(U, None, None, ""), (A, ID, Answer.SENT, "")]),
        (None, [None, ID], [(U, None, None, ""), (A, ID, Answer.SENT, "")]),
        (
            NEW,
            [NO_COUNTRY, ID],
            [(R, None, Answer.COUNTRY_NOT_SERVED, NO_COUNTRY), (A, ID, Answer.SENT, "")],
        ),
        (
            "Вы не авторизованы",
            ["", ID],
            [(R, None, Answer.NOT_AUTHORISED, "Вы не авторизованы"), (A, ID, Answer.SENT, "")],
        ),
    ],
)
def test_slot_is_an_id_a_sentence_or_empty(
    head: str | None,
    slots: list[str | None],
    expected: list[tuple[Outcome, str | None, Answer | None, str]],
):
    """For an empty slot the sentence before the slots counts."""
    assert outcomes(read_send(sent(head, *slots), TWO)) == expected


def test_id_outweighs_any_complaint_before_it():
    result = read_send(sent(f"{POOR} | {SENT}", ID), ONE)
    assert [answer.answer for answer in result.answers] == [Answer.NOT_ENOUGH_CREDITS, Answer.SENT]
    assert result.answers[0].missing == Decimal("2.56")
    assert result.text == f"{POOR} | {SENT}"
    assert result.accepted == result.recipients


@pytest.mark.parametrize("head", [None, "", NEW, DONT_KNOW, POOR, BAD_NUMBER, "Вы не авторизованы"])
def test_ids_for_all_mean_acceptance_whatever_the_sentence(head: str | None):
    assert read_send(sent(head, ID, OTHER_ID), TWO).message_ids == (ID, OTHER_ID)


REFUSED = {
    "Не достаточно параметров для выполнения функции": errors.MissingParameters,
    "Вы не авторизованы": errors.NotAuthorised,
    "Вы не авторизированы": errors.NotAuthorised,
    "Неправильная подпись.\nПодпись отправителя не должна быть длиннее 11 символов и может "
    "содержать буквы латинского алфавита,"
    " цифры, а также знаки: .-&": errors.BadSender,
    "Данная подпись запрещена администратором": errors.SenderForbidden,
    POOR: errors.NotEnoughCredits,
    BAD_NUMBER: errors.BadDestination,
    "Невозможно отправить SMS": errors.GatewayFailure,
}


@pytest.mark.parametrize("message", [ONE, THREE])
@pytest.mark.parametrize("text", REFUSED)
def test_single_sentence_answers_the_whole_request(text: str, message: Message):
    """However many numbers the request had."""
    error = raised_by(lambda: read_send(sent(text), message))
    assert isinstance(error, Refused)
    assert type(error) is REFUSED[text]
    assert (error.text, error.sent, error.reasons) == (text, False, ())
    assert "\n" not in str(error)


@pytest.mark.parametrize("text", REFUSED)
def test_bare_string_in_place_of_slots_answers_the_whole_request(text: str):
    body = envelope(
        "<ns1:SendSMSResponse>"
        f"<ns1:SendSMSResult>{text.replace('&', '&amp;')}</ns1:SendSMSResult>"
        "</ns1:SendSMSResponse>"
    )
    assert type(raised_by(lambda: read_send(read_reply(SEND_SMS, body), TWO))) is REFUSED[text]


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("slots", [("", ""), (None, None), ("", None)])
def test_sentence_with_empty_slots_refuses_all(text: str, slots: tuple[str | None, ...]):
    error = raised_by(lambda: read_send(sent(text, *slots), TWO))
    assert type(error) is REFUSED[text]
    assert error.reasons == (text, text)  # type: ignore[attr-defined]


def test_missing_credits_are_reported():
    error = raised_by(lambda: read_send(sent(POOR), ONE))
    assert isinstance(error, errors.NotEnoughCredits)
    assert (error.missing, error.answer) == (Decimal("2.56"), Answer.NOT_ENOUGH_CREDITS)


@pytest.mark.parametrize("head", ["", None, BAD_NUMBER, SENT])
def test_refusal_of_each_number_lists_the_reasons_in_order(head: str | None):
    error = raised_by(lambda: read_send(sent(head, f'{BAD_NUMBER} "+9873"', NO_COUNTRY), TWO))
    assert type(error) is errors.BadDestination
    assert error.reasons == (f'{BAD_NUMBER} "+9873"', NO_COUNTRY)


@pytest.mark.parametrize("text", NOT_AUTHORISED)
@pytest.mark.parametrize(
    "items",
    [
        ("{}",),
        ("{}", "", ""),
        ("", "{}", "{}"),
        (POOR, "{}", ""),
        (POOR, "", "{}"),
        (f"{POOR} | {{}}", "", ""),
        (f"{POOR} | {{}}",),
    ],
)
def test_dead_cookie_comes_first_wherever_its_sentence_stands(items: tuple[str, ...], text: str):
    assert (
        type(raised_by(lambda: read_send(sent(*(item.format(text) for item in items)), TWO)))
        is errors.NotAuthorised
    )


@pytest.mark.parametrize(
    ("items", "reason", "said"),
    [
        ((), Reason.SLOTS, "the answer is empty"),
        ((SENT, ID), Reason.SLOTS, "1 for 2 destinations"),
        ((POOR, ""), Reason.SLOTS, "1 for 2 destinations"),
        ((SENT, ID, OTHER_ID, ""), Reason.SLOTS, "3 for 2 destinations"),
        ((ID, OTHER_ID), Reason.SLOTS, "1 for 2 destinations"),
        ((ID, OTHER_ID, ""), Reason.CONTRADICTION, "a message id where a sentence is expected"),
        (
            (SENT, "Вы не авторизованы", "Вы не авторизованы"),
            Reason.CONTRADICTION,
            "success without a message id",
        ),
        ((SENT, ID, ID), Reason.CONTRADICTION, "one message id for two destinations"),
        ((SENT, ID, ID.upper()), Reason.CONTRADICTION, "one message id for two destinations"),
        ((SENT, ID, f"{{{ID}}}"), Reason.CONTRADICTION, "one message id for two destinations"),
        ((SENT,), Reason.CONTRADICTION, "success without a message id"),
        ((PARTLY,), Reason.CONTRADICTION, "success without a message id"),
        ((f"{POOR} | {SENT}",), Reason.CONTRADICTION, "success without a message id"),
        ((SENT, "", ""), Reason.CONTRADICTION, "success without a message id"),
        ((SENT, None, NO_COUNTRY), Reason.CONTRADICTION, "success without a message id"),
        ((PARTLY, "", ""), Reason.CONTRADICTION, "success without a message id"),
        ((f"{BAD_NUMBER} | {SENT}", "", ""), Reason.CONTRADICTION, "success without a message id"),
        ((POOR, SENT, ""), Reason.CONTRADICTION, "success without a message id"),
        (
            (DONT_KNOW,),
            Reason.OUTCOME_UNKNOWN,
            "the answer does not say which destinations were sent",
        ),
        (
            (DONT_KNOW, "", ""),
            Reason.OUTCOME_UNKNOWN,
            "the answer does not say which destinations were sent",
        ),
        (
            (f"{POOR} | {DONT_KNOW}",),
            Reason.OUTCOME_UNKNOWN,
            "the answer does not say which destinations were sent",
        ),
        (
            (SENT, DONT_KNOW, ""),
            Reason.OUTCOME_UNKNOWN,
            "the answer does not say which destinations were sent",
        ),
        (
            (POOR, DONT_KNOW, ""),
            Reason.OUTCOME_UNKNOWN,
            "the answer does not say which destinations were sent",
        ),
        ((NOT_SAVED,), Reason.NOT_SAVED, "the answer does not say which destinations were sent"),
        (
            (NOT_SAVED, "", ""),
            Reason.NOT_SAVED,
            "the answer does not say which destinations were sent",
        ),
        (
            (f"{POOR} | {NOT_SAVED}",),
            Reason.NOT_SAVED,
            "the answer does not say which destinations were sent",
        ),
        (
            (SENT, NOT_SAVED, ""),
            Reason.NOT_SAVED,
            "the answer does not say which destinations were sent",
        ),
        ((NEW,), Reason.UNRECOGNISED, "the answer does not say which destinations were sent"),
        (
            (NEW, "", ""),
            Reason.UNRECOGNISED,
            "the answer does not say which destinations were sent",
        ),
        (
            (f"{POOR} | {NEW}", "", ""),
            Reason.UNRECOGNISED,
            "the answer does not say which destinations were sent",
        ),
        (
            (POOR, NEW, ""),
            Reason.UNRECOGNISED,
            "the answer does not say which destinations were sent",
        ),
        (
            (NO_COUNTRY, "", NEW),
            Reason.UNRECOGNISED,
            "the answer does not say which destinations were sent",
        ),
        ((ID,), Reason.CONTRADICTION, "a message id where a sentence is expected"),
        (("",), Reason.UNRECOGNISED, "the answer does not say which destinations were sent"),
        ((None,), Reason.UNRECOGNISED, "the answer does not say which destinations were sent"),
        (("", "", ""), Reason.UNRECOGNISED, "the answer does not say which destinations were sent"),
    ],
)
def test_neither_acceptance_nor_refusal_is_in_doubt(
    items: tuple[str | None, ...], reason: Reason, said: str
):
    reply = sent(*items)
    error = doubt(lambda: read_send(reply, TWO))
    assert (error.reason, str(error)) == (reason, f"{reason}: {said}")
    assert (error.evidence, error.evidence.reply) == (reply.evidence, reply.evidence.reply)


IDS = tuple(f"{number:08x}-57f5-f84a-1033-6075af2bcc6e" for number in range(4))
REFUSING = (POOR, BAD_NUMBER, f'{BAD_NUMBER} "+380501234567"', NO_COUNTRY, *NOT_AUTHORISED)
UNDECIDED = (SENT, PARTLY, DONT_KNOW, NEW, f"{NO_COUNTRY} | {SENT}")
slot = st.one_of(
    st.sampled_from(IDS),
    st.sampled_from(["", " ", None]),
    st.sampled_from(REFUSING),
    st.sampled_from(UNDECIDED),
)
heads = st.lists(st.sampled_from(REFUSING + UNDECIDED + ("",)), max_size=3).map(" | ".join)


@given(head=heads, slots=st.lists(slot, max_size=5), off=st.sampled_from([0] * 8 + [1, -1]))
def test_no_combination_of_slots_loses_or_invents_an_outcome(
    head: str, slots: list[str | None], off: int
):
    numbers = NUMBERS[: max(1, len(slots) + off)]
    ids = [text for text in slots if text in IDS]
    filled = [text for text in slots if text and text.strip()]
    plausible = len(slots) == len(numbers) and len(set(ids)) == len(ids)
    outcome = outcome_of(
        lambda: read_send(sent(head, *slots), Message(destinations=numbers, text="t"))
    )
    if isinstance(outcome, SendResult):
        assert plausible
        assert ids
        assert [row.destination for row in outcome.recipients] == list(numbers)
        assert [row.message_id for row in outcome.recipients] == [
            text if text in IDS else None for text in slots
        ]
        assert [row.outcome is Outcome.ACCEPTED for row in outcome.recipients] == [
            text in IDS for text in slots
        ]
        answered = {text: row.outcome for row, text in zip(outcome.recipients, slots, strict=True)}
        assert {answered[text] for text in UNDECIDED if text in answered} <= {Outcome.IN_DOUBT}
        assert {answered[text] for text in REFUSING if text in answered} <= {Outcome.REFUSED}
        assert set(outcome.accepted) | set(outcome.refused) | set(outcome.in_doubt) == set(
            outcome.recipients
        )
    elif isinstance(outcome, Refused):
        # Certainly not sent: no id, and every sentence that speaks for a number refuses it.
        assert outcome.sent is False
        assert not ids
        assert len(slots) in (0, len(numbers))
        assert set(filled) <= set(REFUSING)
        assert (filled and len(filled) == len(slots)) or set(head.split(" | ")) - {""} <= set(
            REFUSING
        )
    else:
        assert type(outcome) is InDoubt
        assert outcome.sent is None
        assert not (plausible and ids)
        assert outcome.evidence.ids == tuple(ids)


# New sentences are told


@pytest.mark.parametrize(
    ("operation", "items", "found"),
    [
        (SEND_SMS, (SENT, ID), []),
        (SEND_SMS, (NEW, ID), [NEW]),
        (SEND_SMS, (f"{SENT} | {NEW}", "", f"{NO_COUNTRY}|{NEW} 2"), [NEW, f"{NEW} 2"]),
        (SEND_SMS, (None, "", " "), []),
        (GET_CREDIT_BALANCE, ("2500.75",), []),
        (GET_NEW_MESSAGES, (ID, "2500.75"), ["2500.75"]),
        (GET_MESSAGE_STATUS, ("Отправлено",), []),
        (GET_MESSAGE_STATUS, ("Сообщение доставлено получателю", NEW), [NEW]),
    ],
)
def test_unknown_sentence_is_found_so_that_it_can_become_a_row(
    operation: Operation[object], items: tuple[str | None, ...], found: list[str]
):
    assert unrecognised(operation, sent(*items)) == found


# Privacy

QUOTED = "5012345"
LINE = f'{BAD_NUMBER} "+380{QUOTED}67"'
MASKED = f'{BAD_NUMBER} "+380*****4567"'


def test_refusal_quotes_the_gateway_with_numbers_masked():
    error = raised_by(lambda: read_send(sent("", LINE), ONE))
    assert isinstance(error, Refused)
    assert (error.text, error.reasons) == (MASKED, (MASKED,))
    assert str(error) == f"the gateway refused (bad destination): {MASKED}"


def test_repr_of_a_reply_counts_its_strings_and_shows_none():
    reply = sent(LINE, ID)
    assert repr(reply) == f"Reply(2 items, {reply.evidence!r})"
    assert QUOTED not in repr(reply)


SECRET_REPLIES: dict[str, Callable[[], object]] = {
    "whole request": lambda: read_send(sent(LINE), ONE),
    "slot": lambda: read_send(sent("", LINE), ONE),
    "unknown slot": lambda: read_send(sent(LINE, f"{NEW} {QUOTED}"), ONE),
    "too many slots": lambda: read_send(sent(LINE, LINE, LINE), ONE),
    "one id twice": lambda: read_send(sent(LINE, ID, ID), TWO),
    "success without an id": lambda: read_send(sent(f"{SENT} | {LINE}", ""), ONE),
    "unknown sentence": lambda: read_send(sent(f"{NEW} {QUOTED}"), ONE),
    "HTTP status": lambda: read_reply(SEND_SMS, array_reply("SendSMS", LINE), 500),
    "fault": lambda: read_reply(
        SEND_SMS, envelope(f"<SOAP-ENV:Fault><faultstring>{LINE}</faultstring></SOAP-ENV:Fault>")
    ),
    "no answer": lambda: read_reply(SEND_SMS, envelope(f"<a>{LINE}</a>")),
    "elements in a slot": lambda: read_reply(
        SEND_SMS,
        envelope(
            f"<ns1:SendSMSResult><ns1:ResultArray><a>{LINE}</a></ns1:ResultArray></ns1:SendSMSResult>"
        ),
    ),
    "cut": lambda: read_reply(SEND_SMS, array_reply("SendSMS", LINE)[:-20]),
    "doctype": lambda: read_reply(
        SEND_SMS, f"<!DOCTYPE a [<!-- {LINE} -->]><a>{LINE}</a>".encode()
    ),
    "login": lambda: read_auth(read_reply(AUTH, string_reply("Auth", f"{NEW} {QUOTED}"))),
    "balance": lambda: read_balance(
        read_reply(GET_CREDIT_BALANCE, string_reply("GetCreditBalance", f"{NEW} {QUOTED}"))
    ),
    "new messages": lambda: read_new_messages(
        read_reply(GET_NEW_MESSAGES, array_reply("GetNewMessages", f"{NEW} {QUOTED}"))
    ),
    "status": lambda: read_status(
        read_reply(GET_MESSAGE_STATUS, string_reply("GetMessageStatus", f"{LINE}")), ID
    ),
}


@pytest.mark.parametrize("case", SECRET_REPLIES)
def test_no_error_shows_a_number_quoted_by_the_gateway(
    case: str,
):
    """Not even in a traceback with local variables."""
    error = raised_by(SECRET_REPLIES[case])
    assert isinstance(error, (InDoubt, Refused))
    assert QUOTED not in shown_by(error)
    assert (error.__cause__, error.__context__) == (None, None)


def test_only_the_evidence_has_the_reply():
    error = doubt(SECRET_REPLIES["no answer"])
    assert LINE.encode() in error.evidence.reply
    assert QUOTED not in "".join(traceback.format_exception(error))


def test_reply_is_immutable():
    reply: Any = sent(SENT, ID)
    with pytest.raises(AttributeError):
        reply.items = ()
    assert isinstance(reply, Reply)
    assert re.fullmatch(
        r"Reply\(2 items, ReplyEvidence\(status=200, size=\d+, ids=\('" + ID + r"',\)\)\)",
        repr(reply),
    )


@pytest.mark.parametrize("sentence", ["Вы не авторизованы", "Вы не авторизированы"])
def test_dead_cookie_counts_for_a_read_operation_in_any_company(sentence: str):
    """Whatever other sentence stands beside it."""
    text = f"Что-то новое | {sentence}"
    with pytest.raises(errors.NotAuthorised):
        read_balance(read_reply(GET_CREDIT_BALANCE, string_reply("GetCreditBalance", text)))
    with pytest.raises(errors.NotAuthorised):
        read_status(read_reply(GET_MESSAGE_STATUS, string_reply("GetMessageStatus", text)), ID)
    with pytest.raises(errors.NotAuthorised):
        read_new_messages(read_reply(GET_NEW_MESSAGES, array_reply("GetNewMessages", text)))


# Slots whose text may stand elsewhere, and replies to calls with many recipients

HREF = '<ns1:ResultArray href="#id1"/>'


def slots(operation: str, *written: str) -> Reply:
    body = envelope(
        f"<ns1:{operation}Response><ns1:{operation}Result>{''.join(written)}</ns1:{operation}Result></ns1:{operation}Response>"
    )
    return read_reply(OPERATIONS[operation], body)


def slot(text: str) -> str:
    return f"<ns1:ResultArray>{text}</ns1:ResultArray>"


@pytest.mark.parametrize(
    "pointing",
    [
        HREF,
        '<ns1:ResultArray id="id1"> </ns1:ResultArray>',
        f'<ns1:ResultArray xsi:nil="true">{ID}</ns1:ResultArray>',
    ],
)
@pytest.mark.parametrize("head", [SENT, PARTLY, BAD_NUMBER, POOR])
def test_slot_with_undecided_text_is_in_doubt_alone(pointing: str, head: str):
    """Its attributes, such as href, leave the text open."""
    result = read_send(
        slots("SendSMS", slot(head), slot(OTHER_ID), pointing, "<ns1:ResultArray/>"), THREE
    )
    assert [recipient.outcome for recipient in result.recipients] == [
        "accepted",
        "in doubt",
        "refused",
    ]
    assert result.in_doubt[0].destination == NUMBERS[1]


def test_slots_that_are_all_references_are_in_doubt():
    """Whatever the sentence before them says."""
    for head in (SENT, BAD_NUMBER, *NOT_AUTHORISED):
        assert (
            doubt(lambda head=head: read_send(slots("SendSMS", slot(head), HREF, HREF), TWO)).sent
            is None
        )


@pytest.mark.parametrize("written", [(HREF,), (slot(ID), HREF), (HREF, slot(ID))])
def test_id_list_with_references_is_in_doubt_and_not_shortened(
    written: tuple[str, ...],
):
    assert (
        doubt(lambda: read_new_messages(slots("GetNewMessages", *written))).reason
        is Reason.UNREADABLE
    )


@pytest.mark.parametrize(
    "operation", ["GetCreditBalance", "GetMessageStatus", "GetNewMessages", "SendSMS", "Auth"]
)
def test_result_that_is_a_reference_is_in_doubt(operation: str):
    body = envelope(
        f'<ns1:{operation}Response><ns1:{operation}Result href="#id1"/></ns1:{operation}Response>'
    )
    assert doubt(lambda: read_reply(OPERATIONS[operation], body)).reason is Reason.UNREADABLE


def references(form: str, text: str) -> str:
    return "".join(
        character if character.isascii() else form.format(ord(character)) for character in text
    )


@pytest.mark.parametrize(
    "form",
    ["raw", "&#{};", "&#x{:04x};"],
    ids=["UTF-8", "decimal references", "hexadecimal references"],
)
def test_reply_to_the_largest_call_is_readable_with_any_slots(form: str):
    longest = max((row.sentence for row in ANSWERS), key=lambda sentence: len(sentence.encode()))
    number = NUMBERS[0]
    said = f'{longest.replace("{number}", number)} "{number}"'
    written = escape(said, {'"': "&quot;"})
    if form != "raw":
        written = references(form, written)
    slot = f'<ns1:ResultArray xsi:type="xsd:string">{written}</ns1:ResultArray>'
    assert len(slot.encode()) <= SLOT_LIMIT
    body = array_reply("SendSMS", SENT).replace(
        b"</ns1:SendSMSResult>", slot.encode() * MOST_RECIPIENTS + b"</ns1:SendSMSResult>"
    )
    assert (
        len(body)
        <= reply_limit(MOST_RECIPIENTS)
        == REPLY_LIMIT_MOST - (REPLY_LIMIT_MOST - REPLY_LIMIT) % SLOT_LIMIT
    )
    items = read_reply(SEND_SMS, body).items
    assert len(items) == MOST_RECIPIENTS + 1 < MAX_ELEMENTS
    assert set(items[1:]) == {said}


def test_one_recipient_too_many_is_refused_even_if_endless():
    """The rest of an endless iterable is not read."""
    taken = count(380_500_000_000)
    numbers = (str(number) for number in taken)
    with pytest.raises(ValidationError) as caught:
        Message(destinations=numbers, text="t")
    (row,) = caught.value.errors()
    assert row["type"] == "destinations_too_many"
    assert row["msg"].startswith(f"at most {MOST_RECIPIENTS} destinations in one message")
    assert next(taken) == 380_500_000_000 + MOST_RECIPIENTS + 1, "the rest is not read"
    many = [f"+{380_500_000_000 + number}" for number in range(MOST_RECIPIENTS + 1)]
    assert len(Message(destinations=many[1:], text="t").destinations) == MOST_RECIPIENTS
    for too_many in (",".join(many), [",".join(many)], many):
        with pytest.raises(ValidationError, match="at most"):
            Message(destinations=too_many, text="t")
