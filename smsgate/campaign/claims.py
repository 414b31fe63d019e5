"""Claims requests for the workers that are free, and hands them out.

Rules of this file: no request is claimed for later. A group has as many requests as there are
workers that can send one at once, so that a killed process leaves no other recipients in doubt than
those whose request was about to leave. What no worker has taken when the run ends is given back
(docs: architecture, "What one request writes").
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .._client.call import machine_seconds
from ..ledger.contract import Journal
from ..ledger.records import Claim, Seen
from ..ledger.stop_numbers import Stops
from .journal_steps import JournalSteps

__all__ = ["Claimed", "Claims"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that is about to leave. `began` is the machine's time before it was claimed."""

    claim: Claim
    began: float


class Claims:
    """The requests that are claimed and that no worker has taken yet.

    Args:
        journal: the journal of the campaign.
        steps: calls its methods.
        lease: seconds of each lease.
    """

    def __init__(self, journal: Journal, steps: JournalSteps, lease: float) -> None:
        self._journal = journal
        self._steps = steps
        self._lease = lease
        self._waiting = deque[Claimed]()

    def __len__(self) -> int:
        """Return how many requests are claimed and not taken."""
        return len(self._waiting)

    async def add(
        self, run: int, most: int, workers: int, seen: Seen | None, stops: Stops
    ) -> list[Claim]:
        """Claim a request for each of the free workers, in one transaction.

        Args:
            run: the number of the run.
            most: the most recipients in all of them.
            workers: how many workers can send a request at once.
            seen: the last known balance.
            stops: the stop lists.

        Raises:
            LedgerError: nothing was claimed.
        """
        began = machine_seconds()
        claims = await self._steps.kept(
            self._journal.claim,
            run,
            most,
            seen,
            requests=workers,
            lease=self._lease,
            stops=stops,
        )
        self._waiting.extend(Claimed(claim, began) for claim in claims)
        return claims

    def take(self) -> Claimed | None:
        """Take the oldest claim, None if there is none."""
        return self._waiting.popleft() if self._waiting else None
