"""Several workers at once that end together, and fail with one error and not with a group of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

__all__ = ["side_by_side"]


async def side_by_side(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run so many workers and wait for all. If one raises, the others are cancelled, and the first error alone is raised."""
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
