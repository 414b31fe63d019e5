"""Which message is asked for its delivery status next, and when: seldom asked is first, and less and less often."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Iterable

import anyio

from ..protocol.answers import DeliveryState
from ..protocol.models import DeliveryStatus

__all__ = ["Following"]

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.5, 30.0, 1.6
"""Seconds between two questions for one message: at first, at most, and by which factor they grow."""


class Following(AsyncIterator[str]):
    """Yields the id to ask for next, waiting until it is due, until all are final. Raises `TimeoutError` when time is up."""

    def __init__(self, ids: Iterable[str], timeout: float) -> None:
        self._pending: dict[str, tuple[DeliveryState | None, float]] = dict.fromkeys(
            ids, (None, _FIRST_PAUSE)
        )
        self._total = len(self._pending)
        self._timeout = timeout
        self._deadline: float | None = None
        self._due: list[tuple[float, int, str]] = [
            (0.0, place, one) for place, one in enumerate(self._pending)
        ]
        self._turn = self._total
        self._answered = anyio.Event()
        self._stopped = False

    def stop(self) -> None:
        """Give no further id, and end a waiting for the next one."""
        self._stopped = True
        self._answered.set()

    def time_left(self) -> float:
        """Return how many seconds are left, 0 if none are. The clock starts with the first question."""
        now = anyio.current_time()
        if self._deadline is None:
            self._deadline = now + self._timeout
        return max(self._deadline - now, 0.0)

    async def __anext__(self) -> str:
        while self._pending and not self._stopped:
            left = self.time_left()
            if not left:
                raise TimeoutError(
                    f"{len(self._pending)} of {self._total} messages have no final delivery status after {self._timeout:g} s"
                )
            pause = self._due[0][0] - anyio.current_time() if self._due else left
            if pause <= 0:
                return heapq.heappop(self._due)[2]
            self._answered = anyio.Event()
            with anyio.move_on_after(min(pause, left)):
                await self._answered.wait()
        raise StopAsyncIteration

    def answered(self, asked: str, status: DeliveryStatus | None) -> DeliveryStatus | None:
        """Take the answer to a question, None for none. Returns the status if it is another than before."""
        before, pause = self._pending.pop(asked)
        state = before if status is None else status.state
        if status is None or not status.final:
            self._pending[asked] = state, min(pause * _GROWTH, _LONGEST_PAUSE)
            self._turn += 1
            heapq.heappush(self._due, (anyio.current_time() + pause, self._turn, asked))
        self._answered.set()
        return status if state is not before else None
