"""Keeps to the limits: when the next request may leave, and how many recipients it may have.

Rule of this file: who waits holds no claim. On several machines the time is reserved in the
database, so that all of them together keep to one rate, and each request has a slot there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from ..config import positive
from ..ledger.contract import SharedJournal
from ..protocol.limits import MOST_RECIPIENTS
from .journal_steps import JournalSteps

__all__ = ["MOST_IN_REQUEST", "AccountSlots", "OwnPace", "SharedPace", "check_pace"]

MOST_IN_REQUEST = min(1_000, MOST_RECIPIENTS)
"""The largest `batch`: this many recipients are in doubt together if an answer is lost."""

_AGAIN = 0.1
"""Seconds between two attempts to get a slot of the account."""


def check_pace(batch: int, rate: float | None) -> None:
    """Raise `ValueError` if a run cannot have this pace."""
    if type(batch) is not int or not 1 <= batch <= MOST_IN_REQUEST:
        raise ValueError(f"batch: must be a whole number from 1 to {MOST_IN_REQUEST}")
    if rate is not None and not positive(rate):
        raise ValueError("rate: must be more than 0 recipients per second")


class OwnPace:
    """The pace of a run that is alone on its campaign.

    Args:
        batch: the maximum number of recipients in one request.
        rate: the maximum number of recipients per second; None for no limit.
    """

    def __init__(self, batch: int, rate: float | None) -> None:
        self._most = batch if rate is None else min(batch, max(int(rate), 1))
        self._rate = rate
        self._due = 0.0

    async def next(self) -> tuple[int, float]:
        """Return the maximum size of the next request, and the seconds to wait before it."""
        return self._most, self._due - anyio.current_time()

    def claimed(self, recipients: int) -> None:
        """Count the recipients of a request that is about to leave."""
        if self._rate is not None:
            self._due = max(self._due, anyio.current_time()) + recipients / self._rate


class SharedPace:
    """The pace of one of several runs. Each request reserves its time before it is claimed."""

    def __init__(self, journal: SharedJournal, steps: JournalSteps, batch: int) -> None:
        self._journal = journal
        self._steps = steps
        self._batch = batch

    async def next(self) -> tuple[int, float]:
        """Return the maximum size of the next request, and the seconds to wait before it."""
        return await self._steps(self._journal.reserve, self._batch)

    def claimed(self, recipients: int) -> None:
        """Do nothing, because the time is reserved already."""


class AccountSlots:
    """The requests that all machines together may have in flight with one account.

    Args:
        journal: the journal, None if it is not shared.
        steps: calls its methods.
        account: the number of the account.
        most: the number of slots, None for no limit.
    """

    def __init__(
        self, journal: SharedJournal | None, steps: JournalSteps, account: int, most: int | None
    ) -> None:
        self._journal = None if most is None else journal
        self._steps = steps
        self._account = account
        self._most = most or 0
        self._held: list[object] = []

    async def take(self, sleep: Callable[[float], Awaitable[None]]) -> bool:
        """Take a slot. If none is free, sleep a little and return False."""
        if self._journal is None:
            return True
        slot = await self._steps.kept(self._journal.take_slot, self._account, self._most)
        if slot is None:
            await sleep(_AGAIN)
            return False
        self._held.append(slot)
        return True

    async def free(self) -> None:
        """Free one of the slots of this run. It may be that of another request: all are alike."""
        if self._journal is not None and self._held:
            await self._steps(self._journal.free_slot, self._held.pop(0))
