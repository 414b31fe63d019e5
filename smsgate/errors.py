"""The tree of errors. Each branch shows what the caller may do and whether the message was sent.

    SmsGateError                     .sent: False = certainly not, None = in doubt
    ├── NotSent                False certainly not sent: sending again is safe
    ├── Refused                False the gateway refused; .answer, .text (what the gateway said)
    │   ├── NotAuthorised            the cookie is not valid and one new login did not help
    │   ├── BadCredentials           wrong login or password, or SOAP is not enabled in the account
    │   ├── AccountSuspended         blocked, disabled, or not activated
    │   ├── MissingParameters        the gateway says that a parameter is missing
    │   ├── BadSender                malformed sender
    │   ├── SenderForbidden          sender not approved for this account
    │   ├── NotEnoughCredits         .missing: Decimal
    │   ├── BadDestination           the number was not recognised, or its country is not served
    │   ├── GatewayFailure           the gateway could not send the message
    │   └── MessageNotFound          unknown message id
    ├── InDoubt                None  the request went out; the answer was lost or is unclear
    ├── InFlight               None  another call is sending the message with this key
    ├── KeyReused              False the key belongs to another message
    ├── OnStopList             False a number is on the stop list; .listed
    └── NotAllowed             False a number is not allowed in this test environment; .barred

`OUTCOMES` at the end says what each error means and what to do about it. The command line, FastAPI,
campaigns, the doctor and observers all read this table. To add an error, add one class and one row.

Rules of this file:
- It imports nothing from the package.
- No error holds a password, a cookie, a phone number or a text in its message, its arguments or
  its pickle. Text from the gateway is masked before it is put into an error.

Operations other than SendSMS raise the same classes; ignore `sent` for these operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

__all__ = [
    "OUTCOMES",
    "REASONS",
    "AccountSuspended",
    "BadCredentials",
    "BadDestination",
    "BadSender",
    "ErrorRow",
    "GatewayFailure",
    "InDoubt",
    "InFlight",
    "KeyReused",
    "MessageNotFound",
    "MissingParameters",
    "NotAllowed",
    "NotAuthorised",
    "NotEnoughCredits",
    "NotSent",
    "OnStopList",
    "Outcome",
    "PlainHttpWarning",
    "Reason",
    "ReasonRow",
    "Refused",
    "ReplyEvidence",
    "SenderForbidden",
    "SmsGateError",
    "outcome_of",
]


class Outcome(StrEnum):
    """The outcome of a recipient or a call."""

    ACCEPTED = "accepted"
    """The gateway accepted the message and returned an id."""
    REFUSED = "refused"
    """The gateway refused and gave a reason. Nothing was sent."""
    NOT_SENT = "not sent"
    """Certainly not sent: no byte of the message went out, or the gateway did not process it."""
    IN_DOUBT = "in doubt"
    """The request went out. Its answer was lost, or does not say whether the message was sent."""

    @property
    def exit_code(self) -> int:
        """The exit code of a command with this outcome."""
        return _EXIT_CODES[self]


_EXIT_CODES = {Outcome.ACCEPTED: 0, Outcome.REFUSED: 3, Outcome.NOT_SENT: 4, Outcome.IN_DOUBT: 5}


class Reason(StrEnum):
    """Why a call raised `NotSent` or `InDoubt`. Programs can compare the values."""

    # NotSent
    NO_CONNECTION = "no connection"
    NO_FREE_CONNECTION = "no free connection"
    PROXY_REFUSED = "proxy refused"
    NOT_OPEN = "session not open"
    OTHER_EVENT_LOOP = "other event loop"
    BAD_REQUEST = "request could not be made"
    TOO_LATE = "too late"
    CANCELLED = "cancelled by an operator"
    # NotSent or InDoubt, depending on whether a byte of the request had left the process
    CLOSED = "session closed"
    TIMED_OUT = "timed out"
    # InDoubt
    CONNECTION_LOST = "connection lost"
    CLIENT_FAILED = "HTTP client failed"
    HTTP_STATUS = "HTTP status"
    TOO_LARGE = "reply too large"
    ENCODED = "reply encoded"
    UNREADABLE = "reply unreadable"
    FAULT = "SOAP fault"
    UNRECOGNISED = "answer not recognised"
    SLOTS = "wrong number of results"
    CONTRADICTION = "answer contradicts itself"
    OUTCOME_UNKNOWN = "gateway does not know the outcome"
    NOT_SAVED = "gateway could not save the message"
    PROCESS_ENDED = "process ended"
    FAILED_OVER = "database failed over"

    @property
    def ends_session(self) -> bool:
        """Whether every later call of this session fails for the same reason."""
        return REASONS[self].ends_session

    @property
    def transient(self) -> bool:
        """Whether the cause is transient, so that a retry within seconds makes sense."""
        return REASONS[self].transient


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """What a `Reason` means.

    Attributes:
        setting: what to check: an environment variable, an argument, or for example the network.
        advice: what to do next. After a send in doubt, use the advice of `OUTCOMES[InDoubt]`
            instead.
        transient: see `Reason.transient`.
        ends_session: see `Reason.ends_session`.
    """

    setting: str
    advice: str
    transient: bool = False
    ends_session: bool = False


_SLOW = (
    "timeouts",
    "Check the connection. If the gateway is slow, set longer deadlines: timeouts=Timeouts(...).",
)
_STRANGER = (
    "SMSGATE_URL",
    "Another server answers at this address, or the gateway is down. Check the address or wait.",
)
_BROKEN = (
    "the connection",
    "Check the network to the gateway. Repeat the call only if the call sends nothing.",
)
_PROGRAM = ReasonRow(
    "the program",
    "Open the session with 'async with', and use it inside the block, on the same event loop.",
    ends_session=True,
)
_PUZZLING = (
    "the gateway",
    (
        "Check on the provider's website whether the message was sent. If this happens again, ask"
        " the provider."
    ),
)
_DECIDE = (
    "Check on the provider's website whether the message is there, then decide with 'smsgate outbox"
    " resolve'."
)

REASONS: Mapping[Reason, ReasonRow] = {
    Reason.NO_CONNECTION: ReasonRow(
        "SMSGATE_URL",
        "Check the connection of this machine and the address of the gateway.",
        transient=True,
    ),
    Reason.NO_FREE_CONNECTION: ReasonRow(
        "http_client",
        "Set the connection limit of http_client to at least `concurrency`. If the limit is already"
        " that high, the client has lost connections: create a new client and a new session.",
        transient=True,
    ),
    Reason.PROXY_REFUSED: ReasonRow(
        "SMSGATE_PROXY",
        "Check the user and the password in the proxy's address, and whether the proxy allows"
        " this machine to reach the gateway.",
    ),
    Reason.NOT_OPEN: _PROGRAM,
    Reason.OTHER_EVENT_LOOP: _PROGRAM,
    Reason.CLOSED: _PROGRAM,
    Reason.BAD_REQUEST: ReasonRow(
        "SMSGATE_URL", "Correct the address of the gateway or of the proxy: it is not usable."
    ),
    Reason.TOO_LATE: ReasonRow(
        "not_after",
        "If the message is still useful, send it again; in an outbox, with a new key. If this"
        " happens often, use a longer not_after.",
    ),
    Reason.CANCELLED: ReasonRow(
        "the outbox", "If the message is wanted after all, send it with a new key."
    ),
    Reason.TIMED_OUT: ReasonRow(*_SLOW, transient=True),
    Reason.CONNECTION_LOST: ReasonRow(*_BROKEN, transient=True),
    Reason.CLIENT_FAILED: ReasonRow(
        "http_client",
        "An event hook of the client failed, or a tool that replaces the client's transport failed."
        " Remove the hook or the tool.",
        transient=True,
    ),
    Reason.HTTP_STATUS: ReasonRow(*_STRANGER, transient=True),
    Reason.UNREADABLE: ReasonRow(*_STRANGER),
    Reason.FAULT: ReasonRow(*_STRANGER),
    Reason.ENCODED: ReasonRow(*_STRANGER),
    Reason.TOO_LARGE: ReasonRow(*_STRANGER),
    Reason.UNRECOGNISED: ReasonRow(
        "",
        "Update smsgate. If the newest version does not know the answer either, please report it.",
    ),
    Reason.SLOTS: ReasonRow(*_PUZZLING),
    Reason.CONTRADICTION: ReasonRow(*_PUZZLING),
    Reason.OUTCOME_UNKNOWN: ReasonRow(*_PUZZLING),
    Reason.NOT_SAVED: ReasonRow(*_PUZZLING),
    Reason.PROCESS_ENDED: ReasonRow("the program", _DECIDE),
    Reason.FAILED_OVER: ReasonRow("the database", _DECIDE),
}
"""One row for each reason."""


@dataclass(frozen=True, slots=True)
class ReplyEvidence:
    """The part of an unclear reply that was received. This is evidence, not proof.

    Attributes:
        status: the HTTP status, None if no reply came.
        size: how many bytes of the body were read.
        ids: the message ids found in the body, in order.
        reply: the body, at most the first 256 KiB. It may quote numbers and texts, so no `repr` and
            no pickle contains it.
    """

    status: int | None = None
    size: int = 0
    ids: tuple[str, ...] = ()
    reply: bytes = field(default=b"", repr=False, compare=False)

    LIMIT: ClassVar[int] = 256 * 1024

    def __reduce__(self) -> tuple[type[ReplyEvidence], tuple[int | None, int, tuple[str, ...]]]:
        return ReplyEvidence, (self.status, self.size, self.ids)


class SmsGateError(Exception):
    """The base class of all errors of a call. `sent` says whether the message was sent."""

    sent: ClassVar[bool | None] = None


class NotSent(SmsGateError):
    """The message was certainly not sent, so you can safely send it again.

    Either no byte of the request left this process, or the gateway refused the cookie and the new
    login did not succeed in time. The gateway does not process a message if it refuses the cookie.

    Attributes:
        reason: what prevented the request.
    """

    sent: ClassVar[bool | None] = False

    def __init__(
        self, message: str = "nothing was sent", *, reason: Reason = Reason.NO_CONNECTION
    ) -> None:
        super().__init__(message)
        self.reason = reason


class Refused(SmsGateError):
    """The gateway understood the request and refused it. Fix the cause given in `text`, then retry.

    Attributes:
        answer: the meaning of the gateway's sentence (a `smsgate.Answer`).
        text: the gateway's answer as text, with numbers masked.
        reasons: the gateway's sentence about each recipient, in the order of the recipients. Empty
            if the gateway did not give a sentence for each recipient.
    """

    sent: ClassVar[bool | None] = False

    def __init__(
        self,
        message: str = "the gateway refused the request",
        *,
        answer: str = "",
        text: str = "",
        reasons: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.answer = answer
        self.text = text
        self.reasons = reasons


class NotAuthorised(Refused):
    """The cookie is not valid and a new login did not help.

    Check whether another program logs in to this account at the same time.
    """


class BadCredentials(Refused):
    """Wrong login or password, or SOAP is not enabled in the account. Correct the settings."""


class AccountSuspended(Refused):
    """The account is blocked, disabled or not activated. Contact the provider."""


class MissingParameters(Refused):
    """The gateway says that a parameter is missing. This is a bug in smsgate: please report it."""


class BadSender(Refused):
    """The gateway says that the sender is malformed.

    Use a sender that is listed on the provider's website.
    """


class SenderForbidden(Refused):
    """The sender is not approved for this account. Ask for approval, or use another sender."""


class NotEnoughCredits(Refused):
    """The balance is too small.

    Attributes:
        missing: how many credits are missing, as the gateway counts them.
    """

    def __init__(
        self,
        message: str = "not enough credits",
        *,
        answer: str = "",
        text: str = "",
        reasons: tuple[str, ...] = (),
        missing: Decimal = Decimal(0),
    ) -> None:
        super().__init__(message, answer=answer, text=text, reasons=reasons)
        self.missing = missing


class BadDestination(Refused):
    """The number was not recognised, or its country is not served. Correct the number."""


class GatewayFailure(Refused):
    """The gateway reports that it could not send the message. Nothing was sent; try again later."""


class MessageNotFound(Refused):
    """The gateway does not know this message id: the id is wrong, or the message is too old."""


class InDoubt(SmsGateError):
    """The request went out. Its answer was lost, or does not say whether the message was sent.

    Before you send the message again, check on the provider's website whether it was sent: the
    gateway continues to process a request after the connection is lost.

    Attributes:
        reason: what happened.
        evidence: what was received.
    """

    sent: ClassVar[bool | None] = None

    def __init__(
        self,
        message: str = "it is not known whether the message was sent",
        *,
        reason: Reason = Reason.CONNECTION_LOST,
        evidence: ReplyEvidence = ReplyEvidence(),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.evidence = evidence


class InFlight(SmsGateError):
    """Another call is sending the message with this key. Ask for its outcome later."""

    def __init__(self, message: str = "another call is sending the message with this key") -> None:
        super().__init__(message)


class KeyReused(SmsGateError, ValueError):
    """The key belongs to a message with another number, sender or text. Nothing was sent."""

    sent: ClassVar[bool | None] = False

    def __init__(self, message: str = "the key belongs to another message") -> None:
        super().__init__(message)


class OnStopList(SmsGateError):
    """A number is on the stop list. Nothing was sent, not even to the other numbers of the call.

    Attributes:
        listed: how many numbers of the call are on the stop list.
        positions: their positions in the call, from 0.
    """

    sent: ClassVar[bool | None] = False

    def __init__(
        self,
        message: str = "the number is on the stop list; nothing was sent",
        *,
        listed: int = 1,
        positions: tuple[int, ...] = (0,),
    ) -> None:
        super().__init__(message)
        self.listed = listed
        self.positions = positions


class NotAllowed(SmsGateError):
    """A number is not among the `allowed_numbers` of the session. Nothing was sent.

    Attributes:
        barred: how many numbers of the call are not allowed.
        positions: their positions in the call, from 0.
    """

    sent: ClassVar[bool | None] = False

    def __init__(
        self,
        message: str = "the number is not allowed; nothing was sent",
        *,
        barred: int = 1,
        positions: tuple[int, ...] = (0,),
    ) -> None:
        super().__init__(message)
        self.barred = barred
        self.positions = positions


class PlainHttpWarning(UserWarning):
    """The gateway's address is plain http, so login, password and texts are not encrypted."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What one class of error means and what to do about it.

    Attributes:
        outcome: the outcome of the recipients.
        meaning: what happened, as part of a sentence.
        advice: what the operator of the account should do next.
        http_status: the HTTP status that a web application returns to its client.
        http_detail: the sentence for this client, without details of the account or the message.
        advice_if_nothing_sent: what to do after an operation that sends nothing, such as a request
            for the balance, if it differs from `advice`.
        setting: what may be wrong: an environment variable, an argument, or the account.
        account: True if the error affects the whole account. The next request would fail the same
            way, so a campaign pauses.
        transient: True if the cause may disappear by itself, so a campaign waits and retries.
    """

    outcome: Outcome
    meaning: str
    advice: str
    http_status: int = 503
    http_detail: str = "The SMS gateway refused this service's request. Nothing was sent."
    advice_if_nothing_sent: str = ""
    setting: str = ""
    account: bool = False
    transient: bool = False

    def next_step(self, *, sends: bool) -> str:
        """Return what to do next, after a send or after another operation."""
        if not sends:
            return self.advice_if_nothing_sent or self.advice
        return (
            f"{self.advice} Nothing was sent." if self.outcome is Outcome.REFUSED else self.advice
        )


OUTCOMES: dict[type[BaseException], ErrorRow] = {
    NotAuthorised: ErrorRow(
        Outcome.REFUSED,
        "the gateway ends each new session immediately",
        "Check whether another program logs in to this account at the same time.",
        setting="the account",
        account=True,
    ),
    BadCredentials: ErrorRow(
        Outcome.REFUSED,
        "the gateway refuses the login or the password",
        "Use the login and the password of the gateway, not those of the website, and enable SOAP"
        " in the settings of the account.",
        setting="SMSGATE_LOGIN, SMSGATE_PASSWORD",
        account=True,
    ),
    AccountSuspended: ErrorRow(
        Outcome.REFUSED,
        "the account is not active",
        "Contact the provider.",
        setting="the account",
        account=True,
    ),
    MissingParameters: ErrorRow(
        Outcome.REFUSED,
        "the gateway says that a parameter is missing",
        "Please report it: smsgate should have refused this message itself.",
        account=True,
    ),
    BadSender: ErrorRow(
        Outcome.REFUSED,
        "the gateway says that the sender is malformed",
        "Use a sender that is listed on the provider's website. The sender of a campaign cannot be"
        " changed: create a new campaign.",
        account=True,
    ),
    SenderForbidden: ErrorRow(
        Outcome.REFUSED,
        "the sender is not approved for this account",
        "Ask for approval of the sender on the provider's website, or use another sender.",
        account=True,
    ),
    NotEnoughCredits: ErrorRow(
        Outcome.REFUSED,
        "the account does not have enough credits",
        "Top up the account.",
        setting="the account",
        account=True,
    ),
    BadDestination: ErrorRow(
        Outcome.REFUSED,
        "the gateway does not send to this number",
        "Write the number in international format, such as +380501234567.",
        422,
        "The gateway does not send to this number.",
    ),
    GatewayFailure: ErrorRow(
        Outcome.REFUSED,
        "the gateway could not send the message",
        "Try again later.",
        502,
        "The SMS gateway could not send the message. Nothing was sent; try again later.",
        transient=True,
    ),
    MessageNotFound: ErrorRow(
        Outcome.REFUSED,
        "the gateway does not know this message id",
        "Check the id. If the id is right, the message may be too old.",
        404,
        "There is no such message.",
    ),
    Refused: ErrorRow(
        Outcome.REFUSED,
        "the gateway refused the request",
        "Fix the cause that the gateway gives, then try again.",
    ),
    NotSent: ErrorRow(
        Outcome.NOT_SENT,
        "nothing was sent",
        "Check the connection and the address of the gateway. Sending again is safe.",
        503,
        "The SMS gateway cannot be reached. Nothing was sent; try again.",
        advice_if_nothing_sent=(
            "Check the connection and the address of the gateway, then try again."
        ),
        transient=True,
    ),
    InDoubt: ErrorRow(
        Outcome.IN_DOUBT,
        "it is not known whether the message was sent",
        "The message may have been sent. Before you send it again, check on the provider's website"
        " whether it was sent: the gateway continues to process a request after the connection is"
        " lost.",
        504,
        "The SMS gateway's answer was lost. If you asked for a message, it may still arrive.",
        advice_if_nothing_sent="It is safe to repeat this call.",
        transient=True,
    ),
    InFlight: ErrorRow(
        Outcome.IN_DOUBT,
        "another call is sending the message with this key",
        "Wait, then ask the outbox for the outcome of the key.",
        409,
        "This message is being sent. Ask again in a moment.",
        transient=True,
    ),
    KeyReused: ErrorRow(
        Outcome.REFUSED,
        "the key belongs to another message",
        "Use a new key for each message.",
        422,
        "This idempotency key was used for another message. Nothing was sent.",
        setting="key",
    ),
    OnStopList: ErrorRow(
        Outcome.REFUSED,
        "a number is on the stop list",
        "Leave the number out. If its owner wants messages again, take it off the list:"
        " 'smsgate stoplist remove NUMBER'.",
        422,
        "This number receives no messages from this service. Nothing was sent.",
        setting="stop_list",
    ),
    NotAllowed: ErrorRow(
        Outcome.REFUSED,
        "a number is not among the allowed numbers",
        "Add the number to SMSGATE_ALLOWED_NUMBERS. In production, unset this variable.",
        422,
        "This test environment does not send to this number. Nothing was sent.",
        setting="SMSGATE_ALLOWED_NUMBERS",
    ),
    SmsGateError: ErrorRow(
        Outcome.IN_DOUBT,
        "the call to the gateway failed",
        "Check on the provider's website whether the message was sent.",
        500,
        "The call to the SMS gateway failed.",
    ),
}
"""One row for each class of error. A class without a row uses the row of its base class."""


def outcome_of(error: SmsGateError) -> ErrorRow:
    """Return the row of an error: its own, or that of the nearest base class."""
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)
