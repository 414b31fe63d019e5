"""Maps each error to the exit code of the command and to the user's next step.

Rule of this file: it has rows only for errors of the command itself. Errors of the package have
their rows in `errors.OUTCOMES`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar
from urllib.parse import urlsplit

from ..campaign import JournalLost
from ..errors import OUTCOMES, InDoubt, MessageNotFound, Outcome, Reason, SmsGateError, outcome_of
from ..ledger.records import CampaignPaused, LedgerError
from ..protocol.answers import DeliveryState
from ..protocol.models import DeliveryStatus, SendResult
from ..session import GATEWAY_URL
from .help import UsageError
from .signals import SIGNALS

__all__ = [
    "OWN",
    "Exit",
    "ExitRow",
    "Interrupted",
    "NobodyReads",
    "RunInterrupted",
    "SendInterrupted",
    "exit_of",
    "exit_of_send",
    "exit_of_statuses",
    "hint_of",
]


class Exit(IntEnum):
    """The exit codes of the command."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    NOT_SENT = 4
    IN_DOUBT = 5
    IN_PART = 6
    # 128 plus the number of the signal, as a shell reports it.
    HUNG_UP = 129
    INTERRUPTED = 130
    UNREAD = 141
    TERMINATED = 143


class Interrupted(Exception):
    """A signal ended the command, and no send was in flight."""

    sent: ClassVar[bool | None] = False

    def __init__(self, where: str = "") -> None:
        super().__init__(SIGNALS.said + where)
        self.code: Exit = Exit(SIGNALS.code)


class SendInterrupted(Interrupted):
    """A signal ended the command, and the request of a send may have left."""

    sent: ClassVar[bool | None] = None

    def __init__(
        self, where: str = " while the message was being sent, so its outcome is in doubt"
    ) -> None:
        super().__init__(where)


class RunInterrupted(SendInterrupted):
    """A signal ended the run of a campaign immediately. `file` is its file, quoted for a shell."""

    def __init__(self, file: str) -> None:
        super().__init__(
            f" during the run, so recipients may be in doubt: 'smsgate campaign in-doubt {file}'"
            " lists them"
        )


class NobodyReads(Exception):
    """Standard output cannot be written. `closed`: its reader has ended, as `head` does."""

    def __init__(self, error: OSError) -> None:
        self.closed: bool = error.errno in (errno.EPIPE, errno.EIO)
        self.code = Exit.UNREAD if self.closed else Exit.FAULT
        super().__init__(f"standard output: {error.strerror}, so the output is incomplete")


@dataclass(frozen=True, slots=True)
class ExitRow:
    """How the command ends after an error: the exit code, a word for programs, and the next step.

    `advice` is the next step after a send, and `reading` after other operations, if it differs.
    """

    code: Exit
    word: str
    advice: str = ""
    reading: str | None = None

    def next_step(self, *, sends: bool) -> str:
        """Return the user's next step."""
        return self.advice if sends or self.reading is None else self.reading


_DO_NOT_REPEAT = OUTCOMES[InDoubt].advice

OWN: dict[type[BaseException], ExitRow] = {
    TimeoutError: ExitRow(Exit.IN_PART, "timed out", "Try again later, or use a longer --timeout."),
    RunInterrupted: ExitRow(
        Exit.INTERRUPTED,
        "interrupted",
        "To continue, run the campaign again. smsgate does not send to recipients in doubt again.",
    ),
    SendInterrupted: ExitRow(Exit.INTERRUPTED, "interrupted", _DO_NOT_REPEAT),
    Interrupted: ExitRow(Exit.INTERRUPTED, "interrupted"),
    NobodyReads: ExitRow(
        Exit.FAULT,
        "output lost",
        "The message was sent to the gateway anyway. Do not send it again to see the result.",
        "Free some space, or write to another place.",
    ),
    JournalLost: ExitRow(
        Exit.IN_DOUBT,
        Outcome.IN_DOUBT,
        "Fix this first. Then list the recipients in doubt with 'smsgate campaign in-doubt FILE'."
        " smsgate never sends to them again automatically.",
    ),
    CampaignPaused: ExitRow(Exit.REFUSED, "paused"),
    LedgerError: ExitRow(Exit.USAGE, "usage"),
    ValueError: ExitRow(Exit.USAGE, "usage"),
    OSError: ExitRow(Exit.USAGE, "usage"),
    UsageError: ExitRow(Exit.USAGE, "usage"),
    BaseException: ExitRow(
        Exit.FAULT,
        "fault",
        "This is a bug in smsgate. Please report it; -v shows where it happened.",
    ),
}
"""Errors of the command itself. `errors.OUTCOMES` has those of the gateway and the session."""


def exit_of(error: BaseException) -> ExitRow:
    """Return how the command ends after this error."""
    if isinstance(error, SmsGateError):
        of = outcome_of(error)
        return ExitRow(
            Exit(of.outcome.exit_code),
            of.outcome,
            of.next_step(sends=True),
            of.next_step(sends=False),
        )
    row = next(OWN[kind] for kind in type(error).__mro__ if kind in OWN)
    # The signal determines the exit code.
    return replace(row, code=error.code) if isinstance(error, (Interrupted, NobodyReads)) else row


def hint_of(error: BaseException) -> str:
    """Return a hint for this very error, in addition to the advice for its class."""
    if getattr(error, "reason", None) is Reason.HTTP_STATUS and str(error).endswith(
        (" 404", " 405")
    ):
        path = urlsplit(GATEWAY_URL).path
        return f"The address of the gateway needs its path: --url http://...{path}"
    return ""


def exit_of_send(result: SendResult) -> Exit:
    """Return the exit code of a send with at least one accepted recipient."""
    return Exit.IN_PART if result.refused or result.in_doubt else Exit.DONE


def exit_of_statuses(statuses: Iterable[DeliveryStatus]) -> Exit:
    """Return the exit code for delivery statuses.

    Raises `MessageNotFound` if the gateway knows none of the messages.
    """
    missing = [status.state is DeliveryState.NOT_FOUND for status in statuses]
    if missing and all(missing):
        raise MessageNotFound(
            f"the gateway knows none of these message ids ({len(missing)})",
            answer="message not found",
        )
    return Exit.IN_PART if any(missing) else Exit.DONE
