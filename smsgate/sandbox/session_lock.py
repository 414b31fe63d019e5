"""One request at a time for each cookie, as PHP's file sessions have it (docs: wire format, "Cookies").

Rule of this file: it counts the requests that hold a cookie or wait for it, whether it makes them wait or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

__all__ = ["Turns"]


@dataclass(slots=True)
class _Queue:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    length: int = 0


class Turns:
    """Who may work on which cookie. Used on one event loop at a time; `most` may be read from anywhere."""

    def __init__(self, *, locked: bool) -> None:
        self.most: int = 0
        """The most requests that were ever at one cookie at the same time."""
        self._locked = locked
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def taken(self, cookie: str | None) -> AsyncIterator[None]:
        """Hold the cookie while the block runs. A request without one waits for nobody."""
        if cookie is None:
            yield
            return
        queue = self._queues.setdefault(cookie, _Queue())
        queue.length += 1
        self.most = max(self.most, queue.length)
        try:
            if self._locked:
                async with queue.lock:
                    yield
            else:
                yield
        finally:
            queue.length -= 1
            if not queue.length:
                del self._queues[cookie]
