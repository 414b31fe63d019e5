"""An async iterator that does one piece of work for each item, several at a time, and yields the results as they end.

Rules of this file: the source is read only as fast as the work is done and the results are taken. Work that has begun is
never cut off: who leaves the loop early stops the reading, and what is under way ends by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from .spawn import call_soon, spawn

__all__ = ["Pace", "Parallel"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pace:
    """Spreads work evenly: `rate` units a second, None for as fast as it goes."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = 0.0

    async def wait(self, units: int) -> None:
        """Wait until the next piece of work of so many units is due."""
        if self._rate is None:
            return
        now = anyio.current_time()
        due = max(self._next, now)
        self._next = due + units / self._rate
        await anyio.sleep(due - now)


class _Workers(Generic[Item, Result]):
    """What the tasks share. It knows nothing of the iterator, so that the iterator is collected when its loop is left."""

    def __init__(
        self,
        source: Iterable[Item] | AsyncIterable[Item],
        work: Callable[[Item], Awaitable[Result | None]],
        before: Callable[[Item], Awaitable[None]] | None,
        unclaimed: Callable[[Result], None] | None,
    ) -> None:
        self._source: Iterator[Item] | AsyncIterator[Item] = aiter(source) if isinstance(source, AsyncIterable) else iter(source)
        self._work = work
        self._before = before
        self._unclaimed = unclaimed
        self._reading = anyio.Lock()
        self._scope: anyio.CancelScope | None = None
        self._running = 0
        self._stopped = False
        self.ended = anyio.Event()
        self.error: Exception | None = None

    def start(self, width: int, results: MemoryObjectSendStream[Result]) -> None:
        self._running = width
        for number in range(width):
            out = results.clone()
            spawn(partial(self._worker, out), f"smsgate worker {number + 1}")
        results.close()

    def stop(self) -> None:
        """Read no further. Only waiting is cut off: for the source, or for the next turn of the pace."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    async def _worker(self, results: MemoryObjectSendStream[Result]) -> None:
        try:
            while not self._stopped:
                items = await self._next()
                if not items:
                    break
                result = await self._work(items[0])
                if result is None:
                    continue
                try:
                    await results.send(result)
                except anyio.BrokenResourceError:
                    self._left(result)
                except BaseException:  # the event loop ends while nobody takes it
                    self._left(result)
                    raise
        except Exception as error:
            self.error = self.error or error
            self.stop()
        finally:
            # The last one out closes the source, before the iterator learns of the end.
            self._running -= 1
            try:
                if not self._running:
                    await self._end()
            finally:
                results.close()

    def _left(self, result: Result) -> None:
        if self._unclaimed is not None:
            self._unclaimed(result)

    async def _next(self) -> list[Item]:
        """Return the next item in a list, an empty one at the end."""
        async with self._reading:
            if self._stopped:
                return []
            with anyio.CancelScope() as self._scope:
                items = await self._read()
                if items and self._before is not None:
                    await self._before(items[0])
                self._stopped |= not items
                return items
            return []

    async def _read(self) -> list[Item]:
        if isinstance(self._source, AsyncIterator):
            async for item in self._source:
                return [item]
            return []
        return list(islice(self._source, 1))

    async def _end(self) -> None:
        try:
            for name in ("close", "aclose"):
                closed = getattr(self._source, name, lambda: None)()
                if isinstance(closed, Awaitable):
                    await closed
        except Exception as error:
            self.error = self.error or error
        finally:
            self.ended.set()


class Parallel(AsyncIterator[Result], Generic[Item, Result]):
    """Iterate over it once. Leaving the loop early, or `aclose`, stops it; `aclose` also waits for what is under way."""

    def __init__(
        self,
        source: Iterable[Item] | AsyncIterable[Item],
        work: Callable[[Item], Awaitable[Result | None]],
        *,
        width: int,
        before: Callable[[Item], Awaitable[None]] | None = None,
        unclaimed: Callable[[Result], None] | None = None,
    ) -> None:
        self._workers = _Workers(source, work, before, unclaimed)
        self._width = width
        self._results: MemoryObjectReceiveStream[Result] | None = None
        self._token: EventLoopToken

    def __aiter__(self) -> Parallel[Item, Result]:
        return self

    async def __anext__(self) -> Result:
        if self._results is None:
            send, self._results = anyio.create_memory_object_stream[Result]()
            self._token = current_token()
            self._workers.start(self._width, send)
        try:
            return await self._results.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            pass
        error, self._workers.error = self._workers.error, None
        if error is not None:
            raise error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop, and wait for what is under way."""
        if self._results is None:
            self._workers.stop()
            return
        _leave(self._workers, self._results)
        await self._workers.ended.wait()

    def __del__(self) -> None:
        if self._results is None:
            return
        if self._workers.ended.is_set():
            self._results.close()
            return
        # The garbage collector may call from any thread, and after the event loop has ended: then nothing is left to stop.
        try:
            call_soon(self._token, partial(_leave, self._workers, self._results))
        except RuntimeError:
            with suppress(RuntimeError):
                self._results.close()


def _leave(workers: _Workers[Any, Any], results: MemoryObjectReceiveStream[Any]) -> None:
    workers.stop()
    results.close()
