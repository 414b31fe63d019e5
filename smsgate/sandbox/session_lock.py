"""A lock for each cookie, like PHP's session files: one request at a time.

See docs: wire format, "Cookies". Rule of this file: requests that hold or want a cookie are
counted even if the lock is disabled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

__all__ = ["CookieLocks"]


@dataclass(slots=True)
class _Queue:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    length: int = 0


class CookieLocks:
    """The locks of all cookies. Use it on one event loop at a time; any thread may read `most`."""

    def __init__(self, *, locked: bool) -> None:
        self.most: int = 0
        """The maximum number of simultaneous requests with one cookie."""
        self._locked = locked
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def hold(self, cookie: str | None) -> AsyncIterator[None]:
        """Hold the lock of the cookie while the block runs. Without a cookie there is no lock."""
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
