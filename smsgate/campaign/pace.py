"""Keeps to the rate: when the next request may leave, and how many recipients it may have.

Rule of this file: who waits holds no claim. On several machines the time is reserved in the
database, so that all of them together keep to one rate.
"""

from __future__ import annotations

import anyio

from ..ledger.contract import SharedJournal
from .journal_steps import JournalSteps

__all__ = ["OwnPace", "SharedPace"]


class OwnPace:
    """The pace of a run that is alone on its campaign.

    Args:
        batch: the most recipients in one request.
        rate: the most recipients per second; None for no limit.
    """

    def __init__(self, batch: int, rate: float | None) -> None:
        self._most = batch if rate is None else min(batch, max(int(rate), 1))
        self._rate = rate
        self._due = 0.0

    async def next(self) -> tuple[int, float]:
        """Return the most recipients of the next request, and the seconds to wait before it."""
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
        """Return the most recipients of the next request, and the seconds to wait before it."""
        return await self._steps(self._journal.reserve, self._batch)

    def claimed(self, recipients: int) -> None:
        """Do nothing, since the time is reserved already."""
