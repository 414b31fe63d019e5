"""How a command ends: one table from error to exit code and to what the user does next.

Rule of this file: the first row that fits decides, so a class stands above its bases. A new error is a new row.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import ValidationError
from typer import BadParameter

from ..campaign import JournalError, JournalLost
from ..errors import (
    AccountSuspended,
    BadCredentials,
    BadDestination,
    BadSender,
    GatewayFailure,
    InDoubt,
    MessageNotFound,
    NotAuthorised,
    NotEnoughCredits,
    NotSent,
    Reason,
    Refused,
    SenderForbidden,
)
from ..protocol.answers import DeliveryState
from ..protocol.models import DeliveryStatus, SendResult
from ..session import GATEWAY_URL
from .signals import SIGNALS

__all__ = [
    "ENDINGS",
    "Ending",
    "Exit",
    "Interrupted",
    "NobodyReads",
    "RunInterrupted",
    "SendInterrupted",
    "UsageError",
    "ending_of",
    "exit_of_send",
    "exit_of_statuses",
    "hint_of",
]

UsageError: type[Exception] = BadParameter.__mro__[1]
"""What a command line that cannot be parsed raises. typer has its own copy of click, and gives only its subclass a name."""


class Exit(IntEnum):
    """The exit codes of the command."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    NOT_SENT = 4
    IN_DOUBT = 5
    IN_PART = 6
    # 128 and the number of the signal, as a shell tells it.
    HUNG_UP = 129
    INTERRUPTED = 130
    UNREAD = 141
    TERMINATED = 143


class Interrupted(Exception):
    """A signal, when no send was under way."""

    sent: ClassVar[bool | None] = False

    def __init__(self, where: str = "") -> None:
        super().__init__(SIGNALS.said + where)
        self.code: Exit = Exit(SIGNALS.code)


class SendInterrupted(Interrupted):
    """A signal, when the request of a send may have left."""

    sent: ClassVar[bool | None] = None

    def __init__(self, where: str = " while the message was on its way, so its result is in doubt") -> None:
        super().__init__(where)


class RunInterrupted(SendInterrupted):
    """A signal that broke out of the run of a campaign. `file` is its file, quoted for a shell."""

    def __init__(self, file: str) -> None:
        super().__init__(f" during the run, so recipients may be in doubt: 'smsgate campaign in-doubt {file}' lists them")


class NobodyReads(Exception):
    """Standard output cannot be written to. `closed`: its reader has gone, as `head` does when it has seen enough."""

    def __init__(self, error: OSError) -> None:
        self.closed: bool = error.errno in (errno.EPIPE, errno.EIO)
        self.code = Exit.UNREAD if self.closed else Exit.FAULT
        super().__init__(f"standard output: {error.strerror}, so what was printed is not complete")


@dataclass(frozen=True, slots=True)
class Ending:
    """One way to end: the error, the exit code, a word for programs, and what to do next.

    `advice` is for a send. `reading` is for the other operations, where it is another one.
    """

    error: type[BaseException]
    code: Exit
    word: str
    advice: str = ""
    reading: str | None = None

    def code_of(self, error: BaseException) -> Exit:
        """Return the exit code, which a signal decides itself."""
        return error.code if isinstance(error, (Interrupted, NobodyReads)) else self.code

    def next_step(self, *, sends: bool) -> str:
        """Return what the user does next."""
        return self.advice if sends or self.reading is None else self.reading


_DO_NOT_REPEAT = "It may have been sent. Do not send it again before you have looked: the gateway works on what it received."
_REACH = "Look at the connection and at the address of the gateway (--url)"

ENDINGS: tuple[Ending, ...] = (
    Ending(
        NotAuthorised,
        Exit.REFUSED,
        "refused",
        "Another program may log this account out: look which ones use it.",
    ),
    Ending(
        BadCredentials,
        Exit.REFUSED,
        "refused",
        "Correct login and password: they are the gateway's, not the website's, and «SOAP» must be ticked in the account's"
        " settings.",
    ),
    Ending(AccountSuspended, Exit.REFUSED, "refused", "Talk to the provider."),
    Ending(BadSender, Exit.REFUSED, "refused", "Use a sender that the account lists."),
    Ending(SenderForbidden, Exit.REFUSED, "refused", "Have the sender approved in the account, or use another."),
    Ending(NotEnoughCredits, Exit.REFUSED, "refused", "Top up the account. Nothing was sent."),
    Ending(BadDestination, Exit.REFUSED, "refused", "Correct the number: + and the country code first. Nothing was sent."),
    Ending(GatewayFailure, Exit.REFUSED, "refused", "Try again later. Nothing was sent."),
    Ending(MessageNotFound, Exit.REFUSED, "refused", "The id is wrong, or too old."),
    Ending(Refused, Exit.REFUSED, "refused", "Mend what the gateway complains of, then try again."),
    Ending(NotSent, Exit.NOT_SENT, "not sent", f"{_REACH}. Sending again is safe.", f"{_REACH}, then try again."),
    Ending(InDoubt, Exit.IN_DOUBT, "in doubt", _DO_NOT_REPEAT, "Asking again is harmless."),
    Ending(TimeoutError, Exit.IN_PART, "timed out", "Ask again later, or give a longer --timeout."),
    Ending(
        RunInterrupted,
        Exit.INTERRUPTED,
        "interrupted",
        "Run the campaign again to go on: nobody who is in doubt is sent to again by itself.",
    ),
    Ending(SendInterrupted, Exit.INTERRUPTED, "interrupted", _DO_NOT_REPEAT),
    Ending(Interrupted, Exit.INTERRUPTED, "interrupted"),
    Ending(
        NobodyReads,
        Exit.FAULT,
        "output lost",
        "The message was handed to the gateway all the same. Do not send it again to see the result.",
        "Make room, or write to another place.",
    ),
    Ending(
        JournalLost,
        Exit.IN_DOUBT,
        "in doubt",
        "Correct that first. Then 'smsgate campaign in-doubt FILE' lists who is in doubt. Nobody is sent to again by itself.",
    ),
    Ending(JournalError, Exit.USAGE, "usage"),
    Ending(ValidationError, Exit.USAGE, "usage"),
    Ending(ValueError, Exit.USAGE, "usage"),
    Ending(OSError, Exit.USAGE, "usage"),
    Ending(UsageError, Exit.USAGE, "usage"),
    Ending(
        BaseException,
        Exit.FAULT,
        "fault",
        "This is a fault of smsgate. Please report it; -v shows where it happened.",
    ),
)


def ending_of(error: BaseException) -> Ending:
    """Return the row of an error."""
    return next(row for row in ENDINGS if isinstance(error, row.error))


def hint_of(error: BaseException) -> str:
    """Return what the error itself hints at, beside what its class advises."""
    if getattr(error, "reason", None) is Reason.HTTP_STATUS and str(error).endswith((" 404", " 405")):
        return f"The address of the gateway needs its path: --url http://...{urlsplit(GATEWAY_URL).path}"
    return ""


def exit_of_send(result: SendResult) -> Exit:
    """Return the exit code of a send of which at least one recipient was accepted."""
    return Exit.IN_PART if result.refused or result.in_doubt else Exit.DONE


def exit_of_statuses(statuses: Iterable[DeliveryStatus]) -> Exit:
    """Return the exit code of delivery statuses. Raises `MessageNotFound` if the gateway knows none of the messages."""
    missing = [status.state is DeliveryState.NOT_FOUND for status in statuses]
    if missing and all(missing):
        raise MessageNotFound(f"the gateway knows none of these message ids ({len(missing)})", answer="message not found")
    return Exit.IN_PART if any(missing) else Exit.DONE
