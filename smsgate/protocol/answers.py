"""The gateway's sentences as one table: sentence -> meaning -> error or value.

The sentences are listed in the docs: wire format, "Answers" and "Delivery statuses".

Rule of this file: a new sentence is one new row; one with a new meaning is also a member of
`Answer`. Whole sentences
are compared, never parts («Ошибка, сообщение не отправлено» contains «отправлено»). Before that,
white space is trimmed and collapsed, case is folded and ё becomes е. `{name}` in a sentence is a
placeholder for a value that the gateway fills in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache

from ..errors import (
    AccountSuspended,
    BadCredentials,
    BadDestination,
    BadSender,
    GatewayFailure,
    MessageNotFound,
    MissingParameters,
    NotAuthorised,
    NotEnoughCredits,
    Refused,
    SenderForbidden,
)

__all__ = [
    "ANSWERS",
    "STATUSES",
    "Answer",
    "AnswerRow",
    "ClassifiedAnswer",
    "DeliveryState",
    "StatusRow",
    "classify",
    "delivery_state",
]


class Answer(StrEnum):
    """What a sentence of the gateway means."""

    AUTHORISED = "authorised"
    SENT = "sent"
    NOT_AUTHORISED = "not authorised"
    BAD_CREDENTIALS = "bad credentials"
    NOT_ACTIVATED = "account not activated"
    BLOCKED = "account blocked"
    DISABLED = "account disabled"
    MISSING_PARAMETERS = "missing parameters"
    BAD_SENDER = "bad sender"
    SENDER_FORBIDDEN = "sender forbidden"
    NOT_ENOUGH_CREDITS = "not enough credits"
    BAD_DESTINATION = "bad destination"
    COUNTRY_NOT_SERVED = "country not served"
    CANNOT_SEND = "cannot send"
    NOT_SAVED = "not saved"
    PARTLY_SENT = "sent in part"
    OUTCOME_UNKNOWN = "outcome unknown"
    MESSAGE_NOT_FOUND = "message not found"
    UNRECOGNISED = "unrecognised"


class DeliveryState(StrEnum):
    """The delivery status of a message, one member for each documented sentence."""

    SENT = "sent"
    QUEUED = "queued"
    ON_SERVER = "on server"
    IN_NETWORK = "in network"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    DELETED_BY_OPERATOR = "deleted by operator"
    NOT_DELIVERED = "not delivered"
    REJECTED_BY_OPERATOR = "rejected by operator"
    UNKNOWN = "unknown"
    FAILED = "failed"
    NOT_ENOUGH_CREDITS = "not enough credits"
    CANCELLED = "cancelled"
    SUSPENDED = "suspended"
    DELETED_BY_USER = "deleted by user"
    NOT_FOUND = "not found"
    """The gateway does not know the message id. `get_message_status` raises `MessageNotFound`."""
    UNRECOGNISED = "unrecognised"
    """The sentence is not in the table."""

    @property
    def final(self) -> bool:
        """Whether the status can no longer change. False for `UNRECOGNISED`."""
        return self in _FINAL

    @property
    def delivered(self) -> bool:
        """Whether the message reached the phone."""
        return self is DeliveryState.DELIVERED


# Patterns of the placeholders. They are strict: a sentence with any other value is unrecognised.
_ID = r"[0-9a-f{}\-]*"
_NUMBER = r"-?[0-9]+(?:[.,][0-9]+)?"
_QUOTED = r"[0-9+ ()\-]*"


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One sentence, its meaning, and the error that it raises (None if it is not a refusal)."""

    sentence: str
    meaning: Answer
    error: type[Refused] | None
    note: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of the sentence in the form that is compared."""
        return _pattern(self.sentence)


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One delivery status: the sentence, the state, and whether the state is final."""

    sentence: str
    state: DeliveryState
    final: bool
    note: str = ""


def normalise(sentence: str) -> str:
    """Return the sentence in the form that is compared; the head of this file describes it."""
    return " ".join(sentence.split()).casefold().replace("ё", "е")


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    places = {"{missing}": f"(?P<missing>{_NUMBER})", "{id}": _ID, "{number}": _QUOTED}
    pattern = re.escape(normalise(sentence))
    for place, expression in places.items():
        pattern = pattern.replace(re.escape(place), expression)
    return re.compile(pattern)


_SIGNATURE = (
    "Неправильная подпись.\nПодпись отправителя не должна быть длиннее 11 символов"
    " и может содержать буквы латинского алфавита, цифры, а также знаки: .-&"
)
_SIGNATURE_HEAD, _SIGNATURE_TAIL = _SIGNATURE.split("\n")
_LINK_BROKEN = (
    "При отправке SMS возникли ошибки. Если ошибка будет повторяться, сообщите об этом в службу"
    " поддержки, указав свой логин, время отправки, подпись отправителя и текст сообщения."
)
_CONTACT = "свяжитесь с администрацией"

ANSWERS: tuple[AnswerRow, ...] = (
    # Auth
    AnswerRow("Вы успешно авторизировались", Answer.AUTHORISED, None),
    AnswerRow(
        "Неверный логин или пароль",
        Answer.BAD_CREDENTIALS,
        BadCredentials,
        "also when SOAP is not enabled in the account",
    ),
    AnswerRow(
        f"Ваша учётная запись не активирована, {_CONTACT}", Answer.NOT_ACTIVATED, AccountSuspended
    ),
    AnswerRow(
        f"Ваша учётная запись заблокирована за нарушения, {_CONTACT}",
        Answer.BLOCKED,
        AccountSuspended,
    ),
    AnswerRow(
        "Ваша учётная запись заблокирована за нарушения, свяжитесь с отделом поддержки",
        Answer.BLOCKED,
        AccountSuspended,
        "the wording of the firm's other gateways",
    ),
    AnswerRow(f"Ваша учётная запись отключена, {_CONTACT}", Answer.DISABLED, AccountSuspended),
    # Any operation
    AnswerRow(
        "Вы не авторизованы", Answer.NOT_AUTHORISED, NotAuthorised, "the documented spelling"
    ),
    AnswerRow(
        "Вы не авторизированы",
        Answer.NOT_AUTHORISED,
        NotAuthorised,
        "the spelling in captured answers",
    ),
    AnswerRow(
        "Не достаточно параметров для выполнения функции",
        Answer.MISSING_PARAMETERS,
        MissingParameters,
    ),
    # SendSMS
    AnswerRow("Сообщения успешно отправлены", Answer.SENT, None),
    AnswerRow(_SIGNATURE, Answer.BAD_SENDER, BadSender, "contains a line feed"),
    AnswerRow(_SIGNATURE_HEAD, Answer.BAD_SENDER, BadSender, "its first line alone"),
    AnswerRow(_SIGNATURE_TAIL, Answer.BAD_SENDER, BadSender, "its second line alone"),
    AnswerRow(
        "Подпись отправителя может содержать только буквы латинского алфавита, цифры, пробел,"
        " а также знаки: ._-&",
        Answer.BAD_SENDER,
        BadSender,
        "a wording of 2017",
    ),
    AnswerRow("Данная подпись запрещена администратором", Answer.SENDER_FORBIDDEN, SenderForbidden),
    AnswerRow(
        "Не хватает {missing} кредитов для отправки SMS",
        Answer.NOT_ENOUGH_CREDITS,
        NotEnoughCredits,
    ),
    AnswerRow("Не удалось распознать номер получателя", Answer.BAD_DESTINATION, BadDestination),
    AnswerRow(
        'Не удалось распознать номер получателя "{number}"',
        Answer.BAD_DESTINATION,
        BadDestination,
        "in the slot of a number",
    ),
    AnswerRow("Страна не поддерживается", Answer.COUNTRY_NOT_SERVED, BadDestination),
    AnswerRow("Невозможно отправить SMS", Answer.CANNOT_SEND, GatewayFailure),
    AnswerRow(_LINK_BROKEN, Answer.CANNOT_SEND, GatewayFailure),
    AnswerRow(
        f"Невозможно отправить SMS {_LINK_BROKEN}",
        Answer.CANNOT_SEND,
        GatewayFailure,
        "both in one; the separator is unknown",
    ),
    AnswerRow(
        f"Невозможно отправить SMS. {_LINK_BROKEN}",
        Answer.CANNOT_SEND,
        GatewayFailure,
        "both in one; the separator is unknown",
    ),
    AnswerRow(
        f"Не удалось сохранить данные сообщения, {_CONTACT}",
        Answer.NOT_SAVED,
        None,
        "does not say that nothing was sent",
    ),
    AnswerRow(
        "Не удалось отправить сообщение на некоторые номера",
        Answer.PARTLY_SENT,
        None,
        "some numbers were sent",
    ),
    AnswerRow(
        f"Не удалось распознать статус отправки сообщения, {_CONTACT}, указав тип подключения,"
        " время отправки и данные отправляемого сообщения",
        Answer.OUTCOME_UNKNOWN,
        None,
        "the gateway itself does not know",
    ),
    # GetMessageStatus
    AnswerRow("Сообщение с ID {id} не найдено", Answer.MESSAGE_NOT_FOUND, MessageNotFound),
)

_ERRORS = {row.meaning: row.error for row in ANSWERS}
# A sentence without a placeholder is looked up, which is faster than trying each pattern.
_WITH_PLACEHOLDERS = tuple(row for row in ANSWERS if "{" in row.sentence)
_ANSWER_OF = {
    normalise(row.sentence): row.meaning for row in ANSWERS if row not in _WITH_PLACEHOLDERS
}

_OTHER = "seen in the firm's other interfaces"
STATUSES: tuple[StatusRow, ...] = (
    StatusRow("Отправлено", DeliveryState.SENT, False),
    StatusRow("В очереди", DeliveryState.QUEUED, False),
    StatusRow("Сообщение доставлено на сервер", DeliveryState.ON_SERVER, False),
    StatusRow("Сообщение передано в мобильную сеть", DeliveryState.IN_NETWORK, False),
    StatusRow("Сообщение доставлено получателю", DeliveryState.DELIVERED, True),
    StatusRow("Истек срок сообщения", DeliveryState.EXPIRED, True),
    StatusRow("Удалено оператором", DeliveryState.DELETED_BY_OPERATOR, True),
    StatusRow("Не доставлено", DeliveryState.NOT_DELIVERED, True),
    StatusRow("Отклонено оператором", DeliveryState.REJECTED_BY_OPERATOR, True),
    StatusRow(
        "Неизвестный статус",
        DeliveryState.UNKNOWN,
        True,
        "only the provider's support can say more",
    ),
    StatusRow("Ошибка, сообщение не отправлено", DeliveryState.FAILED, True),
    StatusRow(
        "Не достаточно кредитов на счете",
        DeliveryState.NOT_ENOUGH_CREDITS,
        False,
        "may be sent after a top-up",
    ),
    StatusRow("Отправка отменена", DeliveryState.CANCELLED, True),
    StatusRow("Отправка приостановлена", DeliveryState.SUSPENDED, False, "may continue"),
    StatusRow("Удалено пользователем", DeliveryState.DELETED_BY_USER, True),
    StatusRow("Сообщение ещё не обработано", DeliveryState.QUEUED, False, _OTHER),
    StatusRow("Сообщение принято в обработку", DeliveryState.ON_SERVER, False, _OTHER),
    StatusRow("Сообщение отправлено в мобильную сеть", DeliveryState.IN_NETWORK, False, _OTHER),
    StatusRow("Сообщение отклонено", DeliveryState.REJECTED_BY_OPERATOR, True, _OTHER),
)
_STATE_OF = {normalise(row.sentence): row.state for row in STATUSES}
_FINAL = frozenset(row.state for row in STATUSES if row.final) | {DeliveryState.NOT_FOUND}


@dataclass(frozen=True, slots=True)
class ClassifiedAnswer:
    """One sentence of the gateway and its meaning.

    Attributes:
        answer: the meaning.
        text: the sentence as the gateway wrote it.
        missing: how many more credits are needed, if the sentence says so.
    """

    answer: Answer
    text: str = field(repr=False)
    missing: Decimal | None = None

    @property
    def error(self) -> type[Refused] | None:
        """The error that this answer raises, None if it is not a refusal."""
        return _ERRORS.get(self.answer)

    @property
    def refusal(self) -> bool:
        """Whether the sentence says that the gateway did not process the request."""
        return self.error is not None


_LONGEST, _MOST_JOINED = 4096, 16
"""Maximum characters and bars of an answer; the longest known one has about 400 and one."""


def classify(text: str) -> Iterator[ClassifiedAnswer]:
    """Yield the meaning of each sentence of an answer.

    The gateway joins sentences by ` | ` (docs: wire format, "Joined sentences").
    """
    if len(text) > _LONGEST or text.count("|") > _MOST_JOINED:
        # Not an answer of the gateway; classifying it could take long.
        yield ClassifiedAnswer(Answer.UNRECOGNISED, text[:_LONGEST])
        return
    for part in text.split("|"):
        if sentence := part.strip():
            yield _classified(sentence)


def _classified(sentence: str) -> ClassifiedAnswer:
    compared = normalise(sentence)
    if same := _ANSWER_OF.get(compared):
        return ClassifiedAnswer(same, sentence)
    for row in _WITH_PLACEHOLDERS:
        if found := row.pattern.fullmatch(compared):
            missing = found.groupdict().get("missing")
            return ClassifiedAnswer(
                row.meaning, sentence, Decimal(missing.replace(",", ".")) if missing else None
            )
    return ClassifiedAnswer(Answer.UNRECOGNISED, sentence)


def delivery_state(text: str) -> DeliveryState:
    """Return the state for the gateway's sentence, `UNRECOGNISED` if it is not in the table."""
    return _STATE_OF.get(normalise(text), DeliveryState.UNRECOGNISED)
