"""Calls into threads: they are waited for, whatever is cancelled in the meantime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from threading import Event
from typing import Any

import anyio
import pytest

from smsgate._client.spawn import finish_in_thread


class Work:
    """Work in a thread that ends when it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.began, self.may_end, self.ended = Event(), Event(), False

    def __call__(self) -> str:
        self.began.set()
        assert self.may_end.wait(60)
        self.ended = True
        if self.fails:
            raise LookupError("the work failed")
        return "done"


async def cancelled_during(
    work: Work, waiting: Callable[[Executor], Coroutine[Any, Any, object]], *, times: int = 1
) -> None:
    """Cancel a task of asyncio while it waits for the work, which ends afterwards."""
    with ThreadPoolExecutor(1) as executor:
        task = asyncio.create_task(waiting(executor))
        await anyio.to_thread.run_sync(work.began.wait, 60)
        for _ in range(times):
            task.cancel("enough")
            await asyncio.sleep(0.01)
        assert not task.done(), "the work has not ended"
        work.may_end.set()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_cancelled_work_in_a_thread_is_waited_for(keep: bool, fails: bool):
    work = Work(fails=fails)

    async def waiting(executor: Executor) -> None:
        await finish_in_thread(executor, work, keep=keep)
        await asyncio.sleep(0)

    asyncio.run(cancelled_during(work, waiting, times=2))
    assert work.ended


@pytest.mark.parametrize("keep", [True, False])
def test_failure_of_cancelled_work_is_the_cause_of_the_cancellation(keep: bool):
    work, caught = Work(fails=True), list[BaseException | None]()

    async def waiting(executor: Executor) -> None:
        try:
            await finish_in_thread(executor, work, keep=keep)
        except asyncio.CancelledError as error:
            caught.append(error.__cause__)
            raise

    asyncio.run(cancelled_during(work, waiting))
    assert [type(error) for error in caught] == [LookupError]


def test_result_of_cancelled_work_is_kept_until_the_next_await():
    work, kept = Work(), list[str]()

    async def waiting(executor: Executor) -> None:
        kept.append(await finish_in_thread(executor, work, keep=True))
        await asyncio.sleep(0)
        kept.append("never reached")

    asyncio.run(cancelled_during(work, waiting))
    assert kept == ["done"]
