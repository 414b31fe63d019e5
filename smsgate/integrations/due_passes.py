"""Delivers the pending messages of an outbox, with pauses while nothing can be sent.

Rule of this file: it needs no library of an extra, because a worker on an SQLite file has none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

import anyio

from ..errors import (
    AccountSuspended,
    BadCredentials,
    NotAuthorised,
    NotEnoughCredits,
    Outcome,
    SmsGateError,
    outcome_of,
)
from ..ledger.records import LedgerError
from ..ledger.states import RecipientState
from ..outbox import Outbox, OutboxMessage
from ..privacy import mask_numbers

__all__ = ["DuePasses"]

_log = logging.getLogger("smsgate")
_MOST = 100
"""The number of messages in one step of a pass."""
_OF_ALL = (BadCredentials, AccountSuspended, NotAuthorised, NotEnoughCredits)
"""Refusals that concern all messages, also those of other senders."""
_INTERVAL = 1.0
"""Seconds between two passes of `run`."""
_FIRST_PAUSE = 1.0
_LONGEST_LEDGER_PAUSE, _LONGEST_GATEWAY_PAUSE = 30.0, 300.0
"""Seconds between two tries at most, if the database fails and if no message can be sent."""
_LONGEST_REFUSED_PAUSE = 5.0
"""The same if the gateway refused these messages and may take the next ones."""


class DuePasses:
    """Passes over the pending messages, one at a time in this process.

    Args:
        outbox: returns the open outbox.
        stop: once it returns True, no further message is begun.
    """

    def __init__(self, outbox: Callable[[], Outbox], stop: Callable[[], bool]) -> None:
        self._outbox = outbox
        self._stop = stop
        self._running = False
        self._pause = 0.0
        self._not_before = 0.0

    async def run(self, stop: anyio.Event) -> None:
        """Deliver what is due, every second, until `stop` is set."""
        while not stop.is_set():
            await self.once()
            with anyio.move_on_after(_INTERVAL):
                await stop.wait()

    async def once(self) -> None:
        """Deliver what is due, unless a pass is running or a pause is not over. Then return."""
        if self._running or monotonic() < self._not_before:
            return
        self._running = True
        try:
            while not self._stop():
                found = await self._outbox().deliver_due(_MOST, stop=self._stop)
                if not self._moved(found) or len(found) < _MOST:
                    return
        except LedgerError as error:
            self._wait(_LONGEST_LEDGER_PAUSE)
            _log.warning(
                "the database of the outbox failed; trying again in %g s: %s",
                self._pause,
                str(error),
            )
        finally:
            self._running = False

    def _moved(self, found: list[OutboxMessage]) -> bool:
        """Return whether a message has left pending. If none has, the next pass waits longer."""
        if not found:  # the others are not due yet
            return False
        pending = [one for one in found if one.state is RecipientState.PENDING]
        if len(pending) < len(found):
            self._pause = self._not_before = 0.0
            return True
        if not self._stop():
            alone = any(_refused_alone(one.error) for one in pending)
            self._wait(_LONGEST_REFUSED_PAUSE if alone else _LONGEST_GATEWAY_PAUSE)
            reason = next((one.reason for one in pending if one.reason), "no reason is known")
            _log.warning(
                "no message could be sent, %d or more are pending; trying again in %g s: %s",
                len(pending),
                self._pause,
                mask_numbers(reason),
            )
        return False

    def _wait(self, longest: float) -> None:
        if monotonic() > self._not_before + 2 * self._pause:  # the last failure was long ago
            self._pause = 0.0
        self._pause = min(self._pause * 2 or _FIRST_PAUSE, longest)
        self._not_before = monotonic() + self._pause


def _refused_alone(error: SmsGateError | None) -> bool:
    """Return whether the gateway refused a message for a reason that others may not have."""
    return (
        error is not None
        and outcome_of(error).outcome is Outcome.REFUSED
        and not isinstance(error, _OF_ALL)
    )
