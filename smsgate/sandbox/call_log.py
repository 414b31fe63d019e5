"""The newest calls of the sandbox, also those that it refused, with request and reply.

Rules of this file: the oldest call is deleted first. No clock and no lock; the gateway has both.
It masks passwords before it adds a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from .exchanges import Exchanges, RawExchange

__all__ = ["CallLog", "CallOutcome", "CallPage", "Judged", "SandboxCall", "call_document"]

_RAW_TOTAL = 16 * 1024 * 1024
"""Maximum bytes of all stored requests and replies; the oldest are deleted first."""


class CallOutcome(StrEnum):
    """What became of a call."""

    DONE = "done"
    IN_PART = "done in part"
    """Some recipients were accepted and others refused."""
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    """The request is not a SOAP envelope, or names no operation of the gateway."""
    NOT_DONE = "not done"
    """A fault prevented the work."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of a call, and what the gateway said."""

    outcome: CallOutcome
    answer: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxCall:
    """One call to the sandbox.

    Attributes:
        number: counts the calls from 1, also after `clear`.
        at: when the gateway answered, by the sandbox's clock.
        operation: the operation; None if the request is unreadable or was turned away.
        session: the key of the session, as `GET /sandbox/state` shows it; empty without one.
        outcome: what became of it.
        answer: what the gateway said, before a fault changed it: a sentence, a balance, a count.
        fault: the fault that applied.
        messages: the sequences of the messages that it accepted.
    """

    number: int
    at: float
    operation: str | None
    session: str
    outcome: CallOutcome
    answer: str = field(repr=False)
    fault: str | None = None
    messages: range = range(0)


@dataclass(frozen=True, slots=True)
class CallPage:
    """A part of the matching calls, newest first, and how many match."""

    total: int
    calls: tuple[SandboxCall, ...]


def call_document(call: SandboxCall) -> dict[str, object]:
    """Return a call as the JSON API and `smsgate sandbox --json` show it, without its raw pair."""
    return {
        "number": call.number,
        "at": call.at,
        "operation": call.operation,
        "session": call.session,
        "outcome": call.outcome,
        "answer": call.answer,
        "fault": call.fault,
        "accepted": len(call.messages),
    }


class CallLog:
    """The newest `keep` calls."""

    def __init__(self, keep: int) -> None:
        self._calls: deque[SandboxCall] = deque(maxlen=keep)
        self._exchanges = Exchanges(_RAW_TOTAL)
        self.last: int = 0
        """The number of the newest call. It is not reset, so that a reader misses no call."""

    def __iter__(self) -> Iterator[SandboxCall]:
        return iter(self._calls)

    def add(self, call: SandboxCall, exchange: RawExchange | None) -> None:
        """Add a call, which must have the next number; delete the oldest above the limit."""
        if len(self._calls) == self._calls.maxlen:
            self._exchanges.remove(self._calls[0].number)
        self._calls.append(call)
        self.last = call.number
        if exchange is not None:
            self.add_exchange(call.number, exchange)

    def add_exchange(self, number: int, exchange: RawExchange) -> None:
        """Store request and reply of a stored call, which must be newer than the last one."""
        self._exchanges.add(number, exchange)

    def forget_before(self, moment: float) -> bool:
        """Delete the calls answered before a time, and return whether there was one."""
        count = len(self._calls)
        while self._calls and self._calls[0].at < moment:
            self._exchanges.remove(self._calls.popleft().number)
        return len(self._calls) < count

    @property
    def first(self) -> int:
        """The number of the oldest stored call, or the next one if there is none."""
        return self._calls[0].number if self._calls else self.last + 1

    @property
    def first_exchange(self) -> int | None:
        """The number of the oldest call whose request and reply are stored, None without one."""
        return self._exchanges.first

    def clear(self) -> None:
        """Delete all calls."""
        self._calls.clear()
        self._exchanges = Exchanges(_RAW_TOTAL)

    def get(self, number: int) -> tuple[SandboxCall, RawExchange | None]:
        """Return a call, and its request and reply if they are still stored.

        Raises:
            LookupError: there is no such call.
        """
        first = self._calls[0].number if self._calls else 0
        if not self._calls or not first <= number <= self.last:
            raise LookupError("number: no call has this number")
        return self._calls[number - first], self._exchanges.get(number)

    def page(
        self, *, outcome: str | None, operation: str | None, after: int, limit: int
    ) -> CallPage:
        """Return the newest `limit` calls that match.

        Args:
            outcome: only calls with this outcome; None for all.
            operation: only calls of this operation; None for all.
            after: only calls with a larger number.
            limit: maximum number of calls.
        """
        if outcome is None and operation is None:
            total = max(0, min(len(self._calls), self.last - after))
            return CallPage(total, tuple(islice(reversed(self._calls), min(limit, total))))
        found = [
            call
            for call in reversed(self._calls)
            if call.number > after
            and outcome in (None, call.outcome)
            and operation in (None, call.operation)
        ]
        return CallPage(len(found), tuple(found[:limit]))
