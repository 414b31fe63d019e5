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

Rule of this file: it imports nothing of the package, and no error carries a password, a cookie, a phone number or a text
in its message, its arguments or its pickle. What the gateway quoted is masked before it gets here.

For operations other than SendSMS `sent` has no meaning; the same classes are used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

__all__ = [
    "AccountSuspended",
    "BadCredentials",
    "BadDestination",
    "BadSender",
    "Evidence",
    "GatewayFailure",
    "InDoubt",
    "MessageNotFound",
    "MissingParameters",
    "NotAuthorised",
    "NotEnoughCredits",
    "NotSent",
    "PlainHttpWarning",
    "Reason",
    "Refused",
    "SenderForbidden",
    "SmsGateError",
]


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
        return self in _ENDS_SESSION


_ENDS_SESSION = frozenset({Reason.NOT_OPEN, Reason.CLOSED, Reason.OTHER_EVENT_LOOP})


@dataclass(frozen=True, slots=True)
class Evidence:
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

    def __reduce__(self) -> tuple[type[Evidence], tuple[int | None, int, tuple[str, ...]]]:
        return Evidence, (self.status, self.size, self.ids)


class SmsGateError(Exception):
    """Anything that a call of this package raises about the gateway. `sent` says whether the message went out."""

    sent: ClassVar[bool | None] = None


class NotSent(SmsGateError):
    """No byte of the request left this process, so trying again cannot send twice. `reason` says what stood in the way."""

    sent: ClassVar[bool | None] = False

    def __init__(self, message: str = "nothing was sent", *, reason: Reason = Reason.NO_CONNECTION) -> None:
        super().__init__(message)
        self.reason = reason


class Refused(SmsGateError):
    """The gateway understood the request and did not do it. Mend what `text` complains of, then try again.

    `answer` is the meaning of the sentence (a `smsgate.Answer`), `text` the gateway's own words with numbers masked.
    `reasons` holds one sentence for each destination, in order, where the gateway answered for each; else it is empty.
    """

    sent: ClassVar[bool | None] = False

    def __init__(
        self, message: str = "the gateway refused", *, answer: str = "", text: str = "", reasons: tuple[str, ...] = ()
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
        evidence: Evidence = Evidence(),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.evidence = evidence


class PlainHttpWarning(UserWarning):
    """Login, password and texts travel in clear, since the address of the gateway is plain http."""
