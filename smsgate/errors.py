"""The tree of errors. It is cut by what the caller may do next, and every class says whether the message was sent.

    SmsGateError                     .sent: False = certainly not, None = unknown
    ├── NotSent                False nothing left this process, or the session is closed: safe to try again
    ├── Refused                False the gateway understood and said no; .answer, .text (its own words)
    │   ├── NotAuthorised            the cookie is dead and one re-authentication did not help
    │   ├── BadCredentials           wrong login or password, or SOAP is not enabled in the account's settings
    │   ├── AccountSuspended         not activated, blocked, or switched off
    │   ├── MissingParameters        the gateway misses a parameter
    │   ├── BadSender                malformed signature
    │   ├── SenderForbidden          signature not allowed by the administrator
    │   ├── NotEnoughCredits         .missing: Decimal
    │   ├── BadDestination           no number was recognised, or its country is not served
    │   ├── GatewayFailure           the gateway could not send the message
    │   └── MessageNotFound          unknown message id
    └── InDoubt                None  the request left and no readable answer came, or the answer does not say

`OUTCOMES` at the end is the one table of what each error means and what to do about it. The command, FastAPI, campaigns, the
doctor and observers read it. A new error is one class and one row.

Rule of this file: it imports nothing of the package, and no error carries a password, a cookie, a phone number or a text
in its message, its arguments or its pickle. What the gateway quoted is masked before it gets here.

For operations other than SendSMS `sent` has no meaning; the same classes are used.
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
    "MessageNotFound",
    "MissingParameters",
    "NotAuthorised",
    "NotEnoughCredits",
    "NotSent",
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
    """What became of a recipient or of a call, in the words of the promise."""

    ACCEPTED = "accepted"
    """The gateway took the message and gave an id."""
    REFUSED = "refused"
    """The gateway said no, in its own words. Nothing was sent."""
    NOT_SENT = "not sent"
    """Proven: no byte of the request left, or the gateway did nothing."""
    IN_DOUBT = "in doubt"
    """The request left, and no readable answer tells whether the message was sent."""

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends this way."""
        return _EXIT_CODES[self]


_EXIT_CODES = {Outcome.ACCEPTED: 0, Outcome.REFUSED: 3, Outcome.NOT_SENT: 4, Outcome.IN_DOUBT: 5}


class Reason(StrEnum):
    """Why a call ended as `NotSent` or `InDoubt`: a fixed word that a program can compare, a person can read."""

    # NotSent
    NO_CONNECTION = "no connection"
    NO_FREE_CONNECTION = "no free connection"
    PROXY_REFUSED = "proxy refused"
    NOT_OPEN = "session not open"
    OTHER_EVENT_LOOP = "other event loop"
    BAD_REQUEST = "request could not be made"
    # NotSent or InDoubt: what counts is whether a byte had left
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
    SLOTS = "wrong number of slots"
    CONTRADICTION = "answer contradicts itself"
    OUTCOME_UNKNOWN = "gateway does not know"
    NOT_SAVED = "gateway could not save"

    @property
    def ends_session(self) -> bool:
        """No later call of this session will work either."""
        return REASONS[self].ends_session

    @property
    def passing(self) -> bool:
        """It may be over the next moment, so what is harmless to repeat is repeated."""
        return REASONS[self].passing


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """What a `Reason` means: which `setting` may be wrong, and what to do; see `Reason` for the other two."""

    setting: str
    advice: str
    passing: bool = False
    ends_session: bool = False


_SLOW = (
    "timeouts",
    "Check the connection. If the gateway is that slow, set longer ones: timeouts=Timeouts(...).",
)
_STRANGER = (
    "SMSGATE_URL",
    "What answers there is not the gateway, or it is out of order: check the address, or try again later.",
)
_BROKEN = (
    "the connection",
    "Try again. If it stays so, check what stands between this machine and the gateway.",
)
_PROGRAM = ReasonRow(
    "the program",
    "Open the session with 'async with', and use it inside the block, on the same event loop.",
    ends_session=True,
)
_PUZZLING = (
    "the gateway",
    "Check in the account whether the message is there. If it happens again, ask the provider.",
)

REASONS: Mapping[Reason, ReasonRow] = {
    Reason.NO_CONNECTION: ReasonRow(
        "SMSGATE_URL",
        "Check the connection of this machine and the address of the gateway.",
        passing=True,
    ),
    Reason.NO_FREE_CONNECTION: ReasonRow(
        "http_client",
        "Give the http_client at least as many connections as `concurrency`. If it has them, replace the client.",
        passing=True,
    ),
    Reason.PROXY_REFUSED: ReasonRow(
        "SMSGATE_PROXY",
        "Check the user and the password in its address, and whether it lets this machine through to the gateway.",
    ),
    Reason.NOT_OPEN: _PROGRAM,
    Reason.OTHER_EVENT_LOOP: _PROGRAM,
    Reason.CLOSED: _PROGRAM,
    Reason.BAD_REQUEST: ReasonRow(
        "SMSGATE_URL", "No request can be made with this address or with this proxy: correct them."
    ),
    Reason.TIMED_OUT: ReasonRow(*_SLOW, passing=True),
    Reason.CONNECTION_LOST: ReasonRow(*_BROKEN, passing=True),
    Reason.CLIENT_FAILED: ReasonRow(
        "http_client",
        "A hook of the client, or a tool that replaces its transport, has failed: try without it.",
        passing=True,
    ),
    Reason.HTTP_STATUS: ReasonRow(*_STRANGER, passing=True),
    Reason.UNREADABLE: ReasonRow(*_STRANGER),
    Reason.FAULT: ReasonRow(*_STRANGER),
    Reason.ENCODED: ReasonRow(*_STRANGER),
    Reason.TOO_LARGE: ReasonRow(*_STRANGER),
    Reason.UNRECOGNISED: ReasonRow(
        "", "Update smsgate. If the newest does not know the sentence either, please report it."
    ),
    Reason.SLOTS: ReasonRow(*_PUZZLING),
    Reason.CONTRADICTION: ReasonRow(*_PUZZLING),
    Reason.OUTCOME_UNKNOWN: ReasonRow(*_PUZZLING),
    Reason.NOT_SAVED: ReasonRow(*_PUZZLING),
}
"""One row for each reason."""


@dataclass(frozen=True, slots=True)
class ReplyEvidence:
    """What is known of a reply that does not decide. It is evidence, not proof.

    `status` is the HTTP status or None if none came, `size` the bytes of the body that were read, `ids` the message ids that
    stand in it, in order. `reply` is the body itself, at most 256 KiB of it; it may quote numbers and texts, so it shows in
    no `repr` and no pickle.
    """

    status: int | None = None
    size: int = 0
    ids: tuple[str, ...] = ()
    reply: bytes = field(default=b"", repr=False, compare=False)

    LIMIT: ClassVar[int] = 256 * 1024

    def __reduce__(self) -> tuple[type[ReplyEvidence], tuple[int | None, int, tuple[str, ...]]]:
        return ReplyEvidence, (self.status, self.size, self.ids)


class SmsGateError(Exception):
    """Anything that a call of this package raises about the gateway. `sent` says whether the message went out."""

    sent: ClassVar[bool | None] = None


class NotSent(SmsGateError):
    """No byte of the request left this process, so trying again cannot send twice. `reason` says what stood in the way."""

    sent: ClassVar[bool | None] = False

    def __init__(
        self, message: str = "nothing was sent", *, reason: Reason = Reason.NO_CONNECTION
    ) -> None:
        super().__init__(message)
        self.reason = reason


class Refused(SmsGateError):
    """The gateway understood the request and did not do it. Mend what `text` complains of, then try again.

    `answer` is the meaning of the sentence (a `smsgate.Answer`), `text` the gateway's own words with numbers masked.
    `reasons` holds one sentence for each destination, in order, where the gateway answered for each; else it is empty.
    """

    sent: ClassVar[bool | None] = False

    def __init__(
        self,
        message: str = "the gateway refused",
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
    """The cookie is dead and one new login did not help. Look whether something else logs this account out."""


class BadCredentials(Refused):
    """Wrong login or password, or the box «SOAP» is not ticked in the account's settings. Correct the settings."""


class AccountSuspended(Refused):
    """The account is not activated, blocked or switched off. Talk to the provider."""


class MissingParameters(Refused):
    """The gateway misses a parameter. The models refuse such a message beforehand, so please report this one."""


class BadSender(Refused):
    """The gateway calls the sender malformed. Use a signature that the account lists."""


class SenderForbidden(Refused):
    """The sender is not approved for this account. Have it approved, or use another."""


class NotEnoughCredits(Refused):
    """The balance is too small. `missing` is how many credits are lacking, as the gateway counts them."""

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
    """No number was recognised, or its country is not served. Correct the number."""


class GatewayFailure(Refused):
    """The gateway could not send the message and says so. Try again later; nothing was sent."""


class MessageNotFound(Refused):
    """The gateway does not know this message id: it is wrong, or too old."""


class InDoubt(SmsGateError):
    """The request left and no readable answer came, or the answer does not say. The message may or may not have been sent.

    Do not send it again by yourself: the gateway works on what it received even after the connection is gone. `reason` says
    what happened, `evidence` what was received.
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


class PlainHttpWarning(UserWarning):
    """Login, password and texts travel in clear, since the address of the gateway is plain http."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What one class of error means to whoever has to act on it.

    Attributes:
        outcome: what became of the recipients.
        meaning: what happened, as a part of a sentence.
        advice: what to do next, for the operator of the account.
        http_status: the status with which a web application answers its own caller.
        http_detail: the sentence for that caller. Nothing of the account and nothing of the message is in it.
        reading: what to do after an operation that sends nothing, where it differs.
        setting: what may be set wrong: a variable of the environment, an argument, or the account.
        account: it concerns the whole account. The next request would meet the same, so a campaign pauses.
        passing: it may pass by itself, so a campaign waits and tries again.
    """

    outcome: Outcome
    meaning: str
    advice: str
    http_status: int = 503
    http_detail: str = "The SMS gateway refuses to send for this service. Nothing was sent."
    reading: str = ""
    setting: str = ""
    account: bool = False
    passing: bool = False

    def next_step(self, *, sends: bool) -> str:
        """Return what to do next, after a send or after another operation."""
        if not sends:
            return self.reading or self.advice
        return (
            f"{self.advice} Nothing was sent." if self.outcome is Outcome.REFUSED else self.advice
        )


OUTCOMES: dict[type[BaseException], ErrorRow] = {
    NotAuthorised: ErrorRow(
        Outcome.REFUSED,
        "the gateway ends every session at once",
        "Check whether another program logs this account out.",
        setting="the account",
        account=True,
    ),
    BadCredentials: ErrorRow(
        Outcome.REFUSED,
        "the gateway refuses login or password",
        "Correct login and password. They are the gateway's, not the website's, and «SOAP» must be ticked in the settings there.",
        setting="SMSGATE_LOGIN, SMSGATE_PASSWORD",
        account=True,
    ),
    AccountSuspended: ErrorRow(
        Outcome.REFUSED,
        "the account is not active",
        "Talk to the provider.",
        setting="the account",
        account=True,
    ),
    MissingParameters: ErrorRow(
        Outcome.REFUSED,
        "the gateway misses a parameter",
        "Please report it: smsgate should have refused this message itself.",
        account=True,
    ),
    BadSender: ErrorRow(
        Outcome.REFUSED,
        "the gateway calls the sender malformed",
        "Use a sender that the account lists. A campaign is made anew with it.",
        account=True,
    ),
    SenderForbidden: ErrorRow(
        Outcome.REFUSED,
        "the sender is not approved for this account",
        "Have the sender approved in the account, or use another.",
        account=True,
    ),
    NotEnoughCredits: ErrorRow(
        Outcome.REFUSED,
        "the account has not enough credits",
        "Top up the account.",
        setting="the account",
        account=True,
    ),
    BadDestination: ErrorRow(
        Outcome.REFUSED,
        "the gateway does not send to this number",
        "Correct the number: + and the country code first.",
        422,
        "This number cannot be sent to.",
    ),
    GatewayFailure: ErrorRow(
        Outcome.REFUSED,
        "the gateway could not send the message",
        "Try again later.",
        502,
        "The SMS gateway could not send the message. Nothing was sent; try again later.",
        passing=True,
    ),
    MessageNotFound: ErrorRow(
        Outcome.REFUSED,
        "the gateway does not know this message id",
        "The id is wrong, or too old.",
        404,
        "There is no such message.",
    ),
    Refused: ErrorRow(
        Outcome.REFUSED,
        "the gateway refused",
        "Correct what the gateway complains of, then try again.",
    ),
    NotSent: ErrorRow(
        Outcome.NOT_SENT,
        "nothing was sent",
        "Check the connection and the address of the gateway. Sending again is safe.",
        503,
        "The SMS gateway cannot be reached. Nothing was sent; try again.",
        reading="Check the connection and the address of the gateway, then try again.",
        passing=True,
    ),
    InDoubt: ErrorRow(
        Outcome.IN_DOUBT,
        "it is not known whether the message was sent",
        "It may have been sent. Do not send it again before you have checked: the gateway works on what it received.",
        504,
        "The SMS gateway's answer was lost. If it was to send, the message may be on its way.",
        reading="Asking again is harmless.",
        passing=True,
    ),
    SmsGateError: ErrorRow(
        Outcome.IN_DOUBT,
        "the gateway did not do what was asked",
        "Check in the account what became of it.",
        500,
        "The SMS gateway did not do what was asked.",
    ),
}
"""One row for each class of error. A class without one has that of its base."""


def outcome_of(error: SmsGateError) -> ErrorRow:
    """Return the row of an error."""
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)
