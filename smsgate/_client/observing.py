"""The start and end of each call as an observer receives them, without personal data.

Rule of this file: an error of an observer is logged and changes nothing else, since the message may
already be on its way.
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
    """The start of a call.

    Attributes:
        operation: the name of the operation, such as "SendSMS".
        server_address: the host of the gateway.
        server_port: the port of the gateway.
    """

    operation: str
    server_address: str
    server_port: int


@dataclass(frozen=True, slots=True)
class CallEnd:
    """The end of a call, after all of its logins and retries.

    Attributes:
        outcome: "answered", "accepted", "accepted in part", "refused", "not sent", "in doubt",
            "cancelled" or "failed".
        error: the reason of the error if it has one, otherwise its class; None without an error.
        recipients: the number of recipients by "accepted", "refused", "not sent" and "in doubt".
        parts: how many SMS parts were accepted for all recipients together.
        balance: the balance in credits, if the call asked for it.
    """

    outcome: str
    error: str | None = None
    recipients: Mapping[str, int] = field(default_factory=dict)
    parts: int = 0
    balance: Decimal | None = None


class Observer(Protocol):
    """Receives the start and the end of every call, in the task that makes the call."""

    def begin(self, call: CallStart) -> Callable[[CallEnd], object]:
        """Note the start of a call, and return the function to call with its end."""
        ...


class Observation:
    """Reports one call to the observer."""

    def __init__(self, observer: Observer | None, call: CallStart) -> None:
        self._end: Callable[[CallEnd], object] | None = None
        try:
            if observer is not None:
                self._end = observer.begin(call)
        except Exception:
            _log.warning("the observer of a session failed", exc_info=True)

    # The end is worked out only if somebody hears it: counting the parts of a text takes time.

    def answered(self, result: object, message: Message | None) -> None:
        """Report that the call was answered."""
        if self._end is not None:
            self._report(self._end, end_of(result, message))

    def failed(
        self,
        error: BaseException,
        operation: Operation[object],
        message: Message | None,
        *,
        left: bool,
    ) -> None:
        """Report that the call raised. `left` says whether its request may have left."""
        if self._end is not None:
            self._report(self._end, end_of_error(error, operation, message, left=left))

    @staticmethod
    def _report(hear: Callable[[CallEnd], object], end: CallEnd) -> None:
        try:
            hear(end)
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
    """Return the end of a call that raised. `left`: its request may have left."""
    if isinstance(error, SmsGateError):
        outcome: str = outcome_of(error).outcome
    else:
        outcome = "failed" if isinstance(error, Exception) else "cancelled"
    lost = outcome == "cancelled" and operation is SEND_SMS and left
    reason = getattr(error, "reason", None)
    name = str(reason) if reason else type(error).__name__
    word = "in doubt" if lost else "not sent" if outcome == "cancelled" else outcome
    return CallEnd(outcome, name, {word: len(message.destinations)} if message is not None else {})
