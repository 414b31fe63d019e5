"""The schedule of status requests for `wait_for_delivery`: each message at growing intervals."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Iterable

import anyio

from ..protocol.answers import DeliveryState
from ..protocol.models import DeliveryStatus

__all__ = ["Following"]

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.5, 30.0, 1.6
"""The pause between two requests for one message: first and longest, in seconds, and its growth."""


class Following(AsyncIterator[str]):
    """Yields each message id when its next request is due, until all statuses are final.

    Raises:
        TimeoutError: `timeout` seconds are over and some statuses are not final.
    """

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
        """Yield no more ids, and end the wait for the next one."""
        self._stopped = True
        self._answered.set()

    def time_left(self) -> float:
        """Return the remaining seconds, at least 0. The clock starts with the first request."""
        now = anyio.current_time()
        if self._deadline is None:
            self._deadline = now + self._timeout
        return max(self._deadline - now, 0.0)

    async def __anext__(self) -> str:
        while self._pending and not self._stopped:
            left = self.time_left()
            if not left:
                raise TimeoutError(
                    f"{len(self._pending)} of {self._total} messages have no final delivery"
                    f" status after {self._timeout:g} s"
                )
            pause = self._due[0][0] - anyio.current_time() if self._due else left
            if pause <= 0:
                return heapq.heappop(self._due)[2]
            self._answered = anyio.Event()
            with anyio.move_on_after(min(pause, left)):
                await self._answered.wait()
        raise StopAsyncIteration

    def answered(self, asked: str, status: DeliveryStatus | None) -> DeliveryStatus | None:
        """Record the answer for a message id; `status` is None if no answer came.

        Returns:
            The status if its state has changed, otherwise None.
        """
        before, pause = self._pending.pop(asked)
        state = before if status is None else status.state
        if status is None or not status.final:
            self._pending[asked] = state, min(pause * _GROWTH, _LONGEST_PAUSE)
            self._turn += 1
            heapq.heappush(self._due, (anyio.current_time() + pause, self._turn, asked))
        self._answered.set()
        return status if state is not before else None
