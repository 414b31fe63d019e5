"""Start tasks that outlive the call that started them, and call into threads and event loops.

A task group must be left by the task that entered it. An iterator that a caller may drop in the
middle of a loop cannot guarantee this, and neither can a session that a test fixture opens in one
task and closes in another. So these tasks belong to the event loop. A caller of `spawn` makes sure
that its task ends and raises nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import EventLoopToken, checkpoint, checkpoint_if_cancelled, current_token

__all__ = ["call_soon", "end_if_cancelled", "finish_in_thread", "on_asyncio", "spawn"]

_T = TypeVar("_T")

# asyncio keeps only weak references to its tasks.
_TASKS: set[asyncio.Task[Any]] = set()


def on_asyncio() -> bool:
    """Return whether the event loop that runs this is one of asyncio."""
    return isinstance(current_token().native_token, asyncio.AbstractEventLoop)


def spawn(function: Callable[[], Awaitable[None]], name: str) -> None:
    """Run the function in a new task, on asyncio or on trio."""
    loop = current_token().native_token
    if isinstance(loop, asyncio.AbstractEventLoop):
        task: asyncio.Task[Any] = loop.create_task(_coroutine(function), name=name)
        _TASKS.add(task)
        task.add_done_callback(_TASKS.discard)
    else:
        import trio.lowlevel  # noqa: PLC0415 - not a dependency: imported only if it runs

        # asyncio copies the context automatically. With it, spans of the task have their parent.
        trio.lowlevel.spawn_system_task(function, name=name, context=copy_context())


def call_soon(token: EventLoopToken, function: Callable[[], None]) -> None:
    """Schedule the function on the event loop, from any thread.

    Raises:
        RuntimeError: the event loop has ended.
    """
    loop: Any = token.native_token
    if isinstance(loop, asyncio.AbstractEventLoop):
        loop.call_soon_threadsafe(function)
    else:
        loop.run_sync_soon(function)


async def end_if_cancelled() -> None:
    """Raise a cancellation that this task has not seen yet, and do not wait otherwise.

    A checkpoint would also let other tasks run, which costs time. `checkpoint_if_cancelled` alone
    does not see a task that asyncio cancels.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None  # this is trio
    if task is not None and task.cancelling():
        await checkpoint()
    await checkpoint_if_cancelled()


async def finish_in_thread(executor: Executor, work: Callable[[], _T], *, keep: bool) -> _T:
    """Call `work` in a thread and wait until it has ended, whatever is cancelled in the meantime.

    A scope of anyio cancels the next await. The same holds for asyncio's own cancellation with
    `keep`, so that the result is not lost; without it, the cancellation is raised here.

    Args:
        executor: gives the thread on asyncio.
        work: the function.
        keep: whether the caller needs the result even if it is cancelled. It must await something
            else afterwards.
    """
    loop = current_token().native_token
    if not isinstance(loop, asyncio.AbstractEventLoop):
        done = list[_T]()
        with anyio.CancelScope(shield=True):
            # Not anyio's default limiter: the application may use all of its threads.
            done.append(await anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1)))
        return done[0]
    future = loop.run_in_executor(executor, partial(copy_context().run, work))
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is None:
        return future.result()
    failure = future.exception()
    if failure is not None or not keep:
        raise cancelled from failure
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of asyncio runs in a task
    task.uncancel()  # the count of cancellations stays what it was
    task.cancel(*cancelled.args)
    return future.result()


async def _coroutine(function: Callable[[], Awaitable[None]]) -> None:
    await function()
