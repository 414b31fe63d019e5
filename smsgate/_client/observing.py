"""What an observer of a session is told: that a call begins, and how it ended. Nothing personal, and nothing secret.

Rule of this file: what an observer does wrong is logged and changes nothing, since the message may be on its way already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from ..errors import SmsGateError, outcome_of
from ..protocol.models import Message, SendResult
from ..protocol.operation import Operation
from ..protocol.operations import SEND_SMS
from ..protocol.segments import segments

__all__ = ["CallEnd", "CallStart", "Observation", "Observer", "end_of", "end_of_error"]

_log = logging.getLogger("smsgate")


@dataclass(frozen=True, slots=True)
class CallStart:
    """A call that begins: the name of its operation, and where the gateway is."""

    operation: str
    server_address: str
    server_port: int


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended, with its repeats and logins.

    `outcome` is "answered", "accepted", "accepted in part", "refused", "not sent", "in doubt", "cancelled" or "failed". `error`
    is the class of the error, or the reason of one that has one. `recipients` counts them by "accepted", "refused", "not sent"
    and "in doubt". `parts` is how many SMS parts were accepted, in all. `balance` is in credits, where it was asked for.
    """

    outcome: str
    error: str | None = None
    recipients: Mapping[str, int] = field(default_factory=dict)
    parts: int = 0
    balance: Decimal | None = None


class Observer(Protocol):
    """Hears of every call of a session, in the task that makes it."""

    def begin(self, call: CallStart) -> Callable[[CallEnd], object]:
        """Take note that a call begins, and return what is to be called when it has ended."""
        ...


class Observation:
    """One call, as its observer sees it."""

    def __init__(self, observer: Observer | None, call: CallStart) -> None:
        self._end: Callable[[CallEnd], object] | None = None
        try:
            if observer is not None:
                self._end = observer.begin(call)
        except Exception:
            _log.warning("the observer of a session failed", exc_info=True)

    def ended(self, end: CallEnd) -> None:
        """Tell the observer how the call ended."""
        try:
            if self._end is not None:
                self._end(end)
        except Exception:
            _log.warning("the observer of a session failed", exc_info=True)


def end_of(result: object, message: Message | None) -> CallEnd:
    """Return the end of a call that was answered."""
    if isinstance(result, SendResult) and message is not None:
        counts = {
            "accepted": len(result.accepted),
            "refused": len(result.refused),
            "in doubt": len(result.in_doubt),
        }
        parts = segments(message.text).parts if message.text else 1
        complete = counts["accepted"] == len(result.recipients)
        return CallEnd(
            "accepted" if complete else "accepted in part",
            recipients={name: count for name, count in counts.items() if count},
            parts=parts * counts["accepted"],
        )
    return CallEnd("answered", balance=result if isinstance(result, Decimal) else None)


def end_of_error(
    error: BaseException, operation: Operation[object], message: Message | None, *, left: bool
) -> CallEnd:
    """Return the end of a call that raised. `left` says that its request may have left."""
    if isinstance(error, SmsGateError):
        outcome: str = outcome_of(error).outcome
    else:
        outcome = "failed" if isinstance(error, Exception) else "cancelled"
    lost = outcome == "cancelled" and operation is SEND_SMS and left
    reason = getattr(error, "reason", None)
    name = str(reason) if reason else type(error).__name__
    word = "in doubt" if lost else "not sent" if outcome == "cancelled" else outcome
    return CallEnd(outcome, name, {word: len(message.destinations)} if message is not None else {})
