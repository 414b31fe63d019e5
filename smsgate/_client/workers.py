"""An async iterator that works on several items at a time and yields results as they finish.

Rules of this file:
- The source is read only as fast as the work is done and the results are taken.
- An item that was read is worked on, and work that has begun is never cancelled. Leaving the loop
  early stops the reading; the work under way finishes on its own.
- The source is never cancelled, since it may hold an item. If it is waiting, it goes on waiting.
- A result stays in its queue until `__anext__` returns it, so that no cancellation can lose it.
- An error that the work raises gets a note that names the item.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from warnings import warn

import anyio
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

from .spawn import call_soon, spawn

__all__ = ["Pace", "Parallel", "side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_HANDING_OVER = 1.0
"""Seconds that `aclose` waits for a source that is being read to yield an item that it may hold."""


class Pace(Generic[Item]):
    """Limits the work to `rate` units per second, evenly. `units` returns those of an item."""

    def __init__(self, rate: float, units: Callable[[Item], int]) -> None:
        self._rate = rate
        self._units = units
        self._next = 0.0

    async def due(self) -> None:
        """Wait until the next item may be read. Waiting before the read means that none is lost."""
        await anyio.sleep(max(self._next - anyio.current_time(), 0.0))

    def charge(self, item: Item) -> None:
        """Delay the next item by the time that this item uses up."""
        self._next = max(self._next, anyio.current_time()) + self._units(item) / self._rate


@dataclass(slots=True, eq=False)
class _Finished(Generic[Result]):
    result: Result
    taken: anyio.Event = field(default_factory=anyio.Event)


class _Workers(Generic[Item, Result]):
    """What the tasks share. It holds no reference to the iterator, which can so be collected."""

    def __init__(
        self,
        source: Iterable[Item] | AsyncIterable[Item],
        work: Callable[[Item], Awaitable[Result | None]],
        *,
        pace: Pace[Item] | None,
        unclaimed: Callable[[Result], None],
        named: Callable[[Item], str],
        stop: Callable[[], None],
    ) -> None:
        # `iter` is called once: what a second call on the same iterator does is not defined here.
        self._source: Any = aiter(source) if isinstance(source, AsyncIterable) else iter(source)
        self._awaits = isinstance(source, AsyncIterable)
        # An iterator from the caller stays open, for reading on; one created here is closed here.
        self._made_here = self._source is not source
        self._work = work
        self._pace = pace
        self._unclaimed = unclaimed
        self._named = named
        self._stop_source = stop
        self._reading = anyio.Lock()
        self._pausing = anyio.CancelScope()
        self._finished: deque[_Finished[Result]] = deque()
        self._changed = anyio.Event()
        self._running = self._at_work = 0
        self._in_source = self._stopped = self._abandoned = False
        self._error: BaseException | None = None
        self.ended = anyio.Event()

    def start(self, width: int) -> None:
        self._running = width
        for number in range(width):
            spawn(self._worker, f"smsgate worker {number + 1}")

    @property
    def _over(self) -> bool:
        """Whether no work is under way and no more will start, except for an item being read."""
        return self.ended.is_set() or (self._stopped and self._in_source and not self._at_work)

    async def take(self) -> Result:
        """Return the next result. At the end raise the error once, then `StopAsyncIteration`."""
        await checkpoint()
        while not self._finished and not self._over:
            await self._changed.wait()
        if self._finished:
            # No await between here and the caller, so no cancellation can lose the result.
            finished = self._finished.popleft()
            finished.taken.set()
            return finished.result
        self.abandon_results()
        error, self._error = self._error, None
        raise error or StopAsyncIteration

    def leave(self) -> None:
        """Stop reading: results are not taken any more."""
        self._stop()
        for finished in self._finished:
            finished.taken.set()
        self.abandon_results()

    async def finish(self) -> None:
        """Leave, and wait for the work under way, but not for a source that is waiting."""
        self.leave()
        await self._until_over()
        with anyio.move_on_after(_HANDING_OVER):
            await self.ended.wait()
        await self._until_over()

    async def _until_over(self) -> None:
        while not self._over:
            await self._changed.wait()

    def abandon_results(self) -> None:
        """Report all results that are not taken, now and from now on."""
        self._abandoned = True
        while self._finished:
            self._unclaimed(self._finished.popleft().result)

    def _stop(self) -> None:
        self._stopped = True
        self._pausing.cancel()
        self._stop_source()
        self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _worker(self) -> None:
        try:
            while items := await self._next():
                self._at_work += 1
                try:
                    result = await self._work_on(items[0])
                    if result is not None:
                        await self._hand_over(result)
                finally:
                    self._at_work -= 1
                    self._announce()
        except Exception as error:
            self._error = self._error or error
            self._stop()
        except BaseException as error:
            # A source may also raise a cancellation of its own, which is not the end of the items.
            self._error = self._error or error
            self._stopped = True
            raise
        finally:
            # The last worker closes the source before the iterator ends.
            self._running -= 1
            if not self._running:
                # Results are left only if the event loop ends and cancels the workers' wait.
                self.abandon_results()
                await self._end()

    async def _work_on(self, item: Item) -> Result | None:
        try:
            return await self._work(item)
        except Exception as error:
            with suppress(Exception):  # the original error is the one to raise
                error.add_note(self._named(item))
            raise

    async def _hand_over(self, result: Result) -> None:
        """Wait until the result is taken. Its worker reads nothing in the meantime."""
        if self._abandoned:
            self._unclaimed(result)
            return
        finished = _Finished(result)
        self._finished.append(finished)
        self._announce()
        await finished.taken.wait()

    async def _next(self) -> list[Item]:
        """Return a list with the next item, or an empty list at the end."""
        async with self._reading:
            if self._stopped:
                return []
            if self._pace is not None:
                with anyio.CancelScope() as self._pausing:
                    await self._pace.due()
                if self._stopped:
                    return []
            items = await self._read()
            if items and self._pace is not None:
                self._pace.charge(items[0])
            self._stopped |= not items
            return items

    async def _read(self) -> list[Item]:
        try:
            if not self._awaits:
                return [next(self._source)]
            self._in_source = True
            return [await anext(self._source)]
        except (StopIteration, StopAsyncIteration):
            return []
        finally:
            self._in_source = False

    async def _end(self) -> None:
        try:
            for name in ("close", "aclose") if self._made_here else ():
                closed = getattr(self._source, name, lambda: None)()
                if isinstance(closed, Awaitable):
                    await closed
        except Exception as error:
            self._error = self._error or error
        finally:
            self.ended.set()
            self._announce()


class Parallel(AsyncIterator[Result], Generic[Item, Result]):
    """An async iterator over results, for one `async for`. Leaving the loop early stops it.

    Leaving an `async with` block, or `aclose`, stops it too, and waits for the work under way.
    """

    _workers: _Workers[Item, Result] | None = None
    _token: EventLoopToken
    _unused = ""
    _closed = False

    def __init__(
        self,
        source: Iterable[Item] | AsyncIterable[Item],
        work: Callable[[Item], Awaitable[Result | None]],
        *,
        width: int,
        pace: Pace[Item] | None = None,
        unclaimed: Callable[[Result], None],
        named: Callable[[Item], str] = str,
        stop: Callable[[], None] = lambda: None,
        unused: str = "",
    ) -> None:
        # Created with the first step, on the event loop that runs it.
        self._begin = partial(
            _Workers[Item, Result],
            source,
            work,
            pace=pace,
            unclaimed=unclaimed,
            named=named,
            stop=stop,
        )
        self._width = width
        self._unused = unused

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result:
        if self._workers is None:
            if self._closed:
                raise StopAsyncIteration
            self._workers, self._token = self._begin(), current_token()
            self._workers.start(self._width)
        return await self._workers.take()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._warn_if_unused()
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading, and wait for the work under way."""
        self._closed = True
        if self._workers is not None:
            await self._workers.finish()

    def _warn_if_unused(self) -> None:
        if self._workers is None and not self._closed and self._unused:
            self._closed = True
            # As Python warns about a coroutine that was never awaited.
            warn(f"{self._unused}: use 'async for'", RuntimeWarning, stacklevel=3, source=self)

    def __del__(self) -> None:
        self._warn_if_unused()
        if self._workers is None or self._workers.ended.is_set():
            return
        # The garbage collector may call this in any thread, and after the event loop has ended.
        try:
            call_soon(self._token, self._workers.leave)
        except RuntimeError:
            self._workers.abandon_results()


async def side_by_side(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run `count` workers and wait for all of them.

    If one raises, the others are cancelled, and only the first error is raised.
    """
    failures: list[Exception] = []

    async def guarded() -> None:
        try:
            await work()
        except Exception as error:
            failures.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(guarded)
    if failures:
        raise failures[0]
