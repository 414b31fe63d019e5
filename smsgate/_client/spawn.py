"""Start tasks that outlive the call that started them, and call into an event loop from any thread.

A task group must be left by the task that entered it. An iterator that a caller may drop in the
middle of a loop cannot guarantee this, and neither can a session that a test fixture opens in one
task and closes in another. So these tasks belong to the event loop. A caller of `spawn` makes sure
that its task ends and raises nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

from anyio.lowlevel import EventLoopToken, current_token

__all__ = ["call_soon", "spawn"]

# asyncio keeps only weak references to its tasks.
_TASKS: set[asyncio.Task[Any]] = set()


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


async def _coroutine(function: Callable[[], Awaitable[None]]) -> None:
    await function()
