"""The tree of errors. Each branch shows what the caller may do and whether the message was sent.

    SmsGateError                     .sent: False = certainly not, None = in doubt
    ├── NotSent                False nothing left this process: sending again is safe
    ├── Refused                False the gateway said no; .answer, .text (its own words)
    │   ├── NotAuthorised            the cookie is not valid and one new login did not help
    │   ├── BadCredentials           wrong login or password, or SOAP is not enabled in the account
    │   ├── AccountSuspended         not activated, blocked, or switched off
    │   ├── MissingParameters        the gateway says that a parameter is missing
    │   ├── BadSender                malformed signature
    │   ├── SenderForbidden          signature not allowed by the administrator
    │   ├── NotEnoughCredits         .missing: Decimal
    │   ├── BadDestination           no number was recognised, or its country is not served
    │   ├── GatewayFailure           the gateway could not send the message
    │   └── MessageNotFound          unknown message id
    └── InDoubt                None  the request left, and no answer shows whether it was sent

`OUTCOMES` at the end says what each error means and what to do about it. The command, FastAPI,
campaigns, the doctor and observers all read this table. A new error is one class and one row.

Rules of this file:
- It imports nothing from the package.
- No error holds a password, a cookie, a phone number or a text in its message, its arguments or
  its pickle. Words of the gateway are masked before they reach an error.

Other operations than SendSMS raise the same classes; `sent` has no meaning there.
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
    """What became of a recipient or of a call."""

    ACCEPTED = "accepted"
    """The gateway took the message and gave an id."""
    REFUSED = "refused"
    """The gateway said no and gave its reason. Nothing was sent."""
    NOT_SENT = "not sent"
    """Proven: no byte of the request left, or the gateway did nothing."""
    IN_DOUBT = "in doubt"
    """The request left, and no readable answer shows whether the message was sent."""

    @property
    def exit_code(self) -> int:
        """The exit code of a command with this outcome."""
        return _EXIT_CODES[self]


_EXIT_CODES = {Outcome.ACCEPTED: 0, Outcome.REFUSED: 3, Outcome.NOT_SENT: 4, Outcome.IN_DOUBT: 5}


class Reason(StrEnum):
    """Why a call raised `NotSent` or `InDoubt`: fixed words that a program can compare."""

    # NotSent
    NO_CONNECTION = "no connection"
    NO_FREE_CONNECTION = "no free connection"
    PROXY_REFUSED = "proxy refused"
    NOT_OPEN = "session not open"
    OTHER_EVENT_LOOP = "other event loop"
    BAD_REQUEST = "request could not be made"
    TOO_LATE = "too late"
    # NotSent or InDoubt, depending on whether a byte had left
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
        """Whether every later call of this session fails for the same reason."""
        return REASONS[self].ends_session

    @property
    def passing(self) -> bool:
        """Whether the cause may pass within moments, so that a retry makes sense."""
        return REASONS[self].passing


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """What a `Reason` means.

    Attributes:
        setting: the setting that may be wrong: a variable, an argument, or another place to look.
        advice: what to do next.
        passing: see `Reason.passing`.
        ends_session: see `Reason.ends_session`.
    """

    setting: str
    advice: str
    passing: bool = False
    ends_session: bool = False


_SLOW = (
    "timeouts",
    "Check the connection. If the gateway is slow, set longer deadlines: timeouts=Timeouts(...).",
)
_STRANGER = (
    "SMSGATE_URL",
    "Another server answers there, or the gateway is out of order: check the address or try later.",
)
_BROKEN = (
    "the connection",
    "Try again. If it happens again, check the network between this machine and the gateway.",
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
        "Give the http_client at least as many connections as `concurrency`. If it has them,"
        " replace the client.",
        passing=True,
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
        "SMSGATE_URL", "Correct the address or the proxy: no request can be made with them."
    ),
    Reason.TOO_LATE: ReasonRow(
        "not_after", "Send a new message if it is still wanted, or allow more time with not_after."
    ),
    Reason.TIMED_OUT: ReasonRow(*_SLOW, passing=True),
    Reason.CONNECTION_LOST: ReasonRow(*_BROKEN, passing=True),
    Reason.CLIENT_FAILED: ReasonRow(
        "http_client",
        "A hook of the client, or a tool that replaces its transport, failed: try without it.",
        passing=True,
    ),
    Reason.HTTP_STATUS: ReasonRow(*_STRANGER, passing=True),
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
}
"""One row for each reason."""


@dataclass(frozen=True, slots=True)
class ReplyEvidence:
    """What was received of a reply that leaves the outcome in doubt. It is evidence, not proof.

    Attributes:
        status: the HTTP status, None if none came.
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
    """The base of every error about the gateway. `sent` says whether the message was sent."""

    sent: ClassVar[bool | None] = None


class NotSent(SmsGateError):
    """No byte of the request left this process, so sending again cannot send twice.

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
    """The gateway understood the request and refused it. Fix what `text` names, then try again.

    Attributes:
        answer: the meaning of the gateway's sentence (a `smsgate.Answer`).
        text: the gateway's own words, with numbers masked.
        reasons: one sentence for each destination, in order, if the gateway answered for each of
            them; otherwise empty.
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
    """The cookie is not valid and one new login did not help. Check what else uses the account."""


class BadCredentials(Refused):
    """Wrong login or password, or «SOAP» is not ticked in the account. Correct the settings."""


class AccountSuspended(Refused):
    """The account is not activated, or blocked, or switched off. Contact the provider."""


class MissingParameters(Refused):
    """The gateway says that a parameter is missing. Please report it: smsgate checks for this."""


class BadSender(Refused):
    """The gateway calls the sender malformed. Use a signature that the account lists."""


class SenderForbidden(Refused):
    """The sender is not approved for this account. Have it approved, or use another."""


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
    """No number was recognised, or its country is not served. Correct the number."""


class GatewayFailure(Refused):
    """The gateway reports that it could not send the message. Nothing was sent; try again later."""


class MessageNotFound(Refused):
    """The gateway does not know this message id: it is wrong, or too old."""


class InDoubt(SmsGateError):
    """The request left, and no answer shows whether the message was sent.

    Do not send it again before you have checked: the gateway goes on working on a request after the
    connection is lost.

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


class PlainHttpWarning(UserWarning):
    """The gateway's address is plain http, so login, password and texts are not encrypted."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What one class of error means and what to do about it.

    Attributes:
        outcome: what became of the recipients.
        meaning: what happened, as part of a sentence.
        advice: what the operator of the account should do next.
        http_status: the HTTP status that a web application returns to its own caller.
        http_detail: the sentence for that caller, without details of the account or the message.
        reading: what to do after an operation that sends nothing, if it differs from `advice`.
        setting: what may be set wrong: an environment variable, an argument, or the account.
        account: True if the whole account is concerned. The next request would fail the same way,
            so a campaign pauses.
        passing: True if the cause may pass without a change, so a campaign waits and retries.
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
        "Correct login and password. They are the gateway's, not the website's, and «SOAP» must"
        " be ticked in the settings there.",
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
        "the gateway calls the sender malformed",
        "Use a sender that the account lists. A campaign has to be planned again with that sender.",
        account=True,
    ),
    SenderForbidden: ErrorRow(
        Outcome.REFUSED,
        "the sender is not approved for this account",
        "Have the sender approved in the account, or use another sender.",
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
        "The gateway does not send to this number.",
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
        "Correct what the gateway names, then try again.",
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
        "It may have been sent. Do not send it again before you have checked: the gateway goes on"
        " working on a request after the connection is lost.",
        504,
        "The SMS gateway's answer was lost. If this was a send, the message may be on its way.",
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
"""One row for each class of error. A class without a row uses the row of its base class."""


def outcome_of(error: SmsGateError) -> ErrorRow:
    """Return the row of an error: its own, or that of the nearest base class."""
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)
