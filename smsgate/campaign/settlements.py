"""Records the outcomes of requests, in one transaction for all that wait to be recorded.

Rules of this file: an outcome is recorded in the frame that knows it, by a step that no
cancellation can prevent, before that frame goes on. While one transaction is under way, later
outcomes wait and share the next one. If a transaction fails, each of its outcomes gets one of its
own, so that no request suffers from another (docs: architecture, "What one request writes").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from anyio.lowlevel import cancel_shielded_checkpoint

from ..ledger.contract import Journal
from ..ledger.records import LedgerError, Settlement
from .journal_steps import JournalSteps

__all__ = ["Settlements"]


_PASSES = 8
"""Passes of the event loop in which an answer that has arrived is read and understood."""


@dataclass(slots=True, eq=False)
class _Waiting:
    settlement: Settlement
    recorded: bool = False
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.recorded or self.error is not None


class Settlements:
    """The outcomes that wait to be recorded.

    Args:
        journal: the journal of the campaign.
        steps: calls its methods.
        on_recorded: called with the settlements of each transaction, in the order of the outcomes.
    """

    def __init__(
        self,
        journal: Journal,
        steps: JournalSteps,
        on_recorded: Callable[[Sequence[Settlement]], None],
    ) -> None:
        self._journal = journal
        self._steps = steps
        self._on_recorded = on_recorded
        self._waiting = deque[_Waiting]()
        self._one_at_a_time = Lock()

    async def record(self, *settlements: Settlement, alone: bool) -> None:
        """Record outcomes. When this returns, or is cancelled, they are on the disk.

        Args:
            settlements: the outcomes.
            alone: no other request is in flight, so no other outcome can come.

        Raises:
            LedgerError: one of them could not be recorded.
        """
        own = [_Waiting(one) for one in settlements]
        self._waiting.extend(own)
        try:
            # Answers that have arrived already are read now, and share the transaction. This waits
            # for no answer: it only lets the event loop do what it would do next.
            for _ in range(0 if alone else _PASSES):
                if own[-1].done:
                    break
                await cancel_shielded_checkpoint()
        finally:
            recorded = await self._steps(self._record_all)
        self._on_recorded(recorded)
        for one in own:
            if one.error is not None:
                raise one.error

    def _record_all(self) -> list[Settlement]:
        """Record all outcomes that wait, and return those that were recorded.

        On PostgreSQL this runs in a thread. If another call has taken the caller's outcomes, they
        are recorded when that call gives up the lock.
        """
        with self._one_at_a_time:
            taken: list[_Waiting] = []
            while self._waiting:
                taken.append(self._waiting.popleft())
            if taken:
                self._record(taken)
            return [one.settlement for one in taken if one.recorded]

    def _record(self, taken: Sequence[_Waiting]) -> None:
        try:
            self._journal.settle([one.settlement for one in taken])
        except Exception as error:
            # A database that cannot be reached was waited for already, and not for each in turn.
            if len(taken) == 1 or type(error) is LedgerError:
                self._fail(taken, error)
                return
            for one in taken:
                self._record([one])
        except BaseException as error:
            self._fail(taken, error)
        else:
            for one in taken:
                one.recorded = True

    @staticmethod
    def _fail(taken: Sequence[_Waiting], error: BaseException) -> None:
        for one in taken:
            one.error = error
