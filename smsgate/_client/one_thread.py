"""Calls functions that block, such as the steps of a ledger, in threads, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import anyio

from .spawn import finish_in_thread

__all__ = ["OneThread"]

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """Calls functions one at a time. A call that has begun is waited for, whatever is cancelled.

    Create it on the event loop that uses it.
    """

    def __init__(self) -> None:
        self._turn = anyio.CapacityLimiter(1)
        # On trio, `surely` may use another thread than the call whose turn it is.
        self._alone = threading.Lock()
        # Its thread ends when nothing refers to it any more.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="smsgate ledger")

    async def __call__(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function and return its result, unless this is cancelled before its turn."""
        async with self._turn:
            return await self.surely(step, *arguments, **named)

    async def surely(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function that must be called, whatever is cancelled.

        If asyncio itself cancels this, the function is called first. Then the cancellation is
        raised. A scope of anyio cancels the next await.
        """

        def alone() -> T:
            with self._alone:
                return step(*arguments, **named)

        return await finish_in_thread(self._thread, alone, keep=False)
