"""Calls functions that block, such as the steps of a ledger, in threads, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from .spawn import finish_in_thread

__all__ = ["OneThread"]

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """Calls functions one at a time, in the order in which they were given.

    Create it on the event loop that uses it, and end it with `last`.
    """

    def __init__(self) -> None:
        self._turn = anyio.CapacityLimiter(1)
        # Not anyio's default limiter: the application may use all of its threads.
        self._threads = anyio.CapacityLimiter(1)
        # A step that was abandoned may still be running when the next one has its turn.
        self._alone = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="smsgate ledger")

    async def __call__(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function and return its result.

        Before its turn, this can be cancelled. Later, asyncio's own cancellation ends the wait, and
        a scope of anyio waits for the end.
        """
        async with self._turn:
            return await anyio.to_thread.run_sync(
                partial(self._call, partial(step, *arguments, **named)), limiter=self._threads
            )

    async def whole(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function whose end is waited for, whatever is cancelled once it has begun."""
        async with self._turn:
            return await self.surely(step, *arguments, **named)

    async def surely(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function that must be called, whatever is cancelled. It does not wait for a turn.

        If asyncio itself cancels this, the function is called first. Then the cancellation is
        raised. A scope of anyio cancels the next await.
        """
        call = partial(self._call, partial(step, *arguments, **named))
        return await finish_in_thread(self._thread, call, keep=False)

    async def last(self, step: Callable[[], T]) -> T:
        """Call a function after all that wait for their turn, and end the thread."""
        with anyio.CancelScope(shield=True):
            await self._turn.acquire()
        try:
            return await self.surely(step)
        finally:
            self._turn.release()
            self._thread.shutdown(wait=False)

    def _call(self, step: Callable[[], T]) -> T:
        with self._alone:
            return step()
