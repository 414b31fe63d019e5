"""Calls into threads: they are waited for, whatever is cancelled in the meantime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from smsgate._client.one_thread import OneThread
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


@pytest.mark.anyio
async def test_steps_need_none_of_the_threads_of_the_application():
    default = anyio.to_thread.current_default_thread_limiter()
    steps = OneThread()
    done = list[str]()

    def in_a_thread() -> None:
        done.append(anyio.from_thread.run(steps, str, "step"))
        done.append(anyio.from_thread.run(steps.surely, str, "step"))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(int(default.total_tokens)):
                tasks.start_soon(anyio.to_thread.run_sync, in_a_thread)
    assert done == ["step"] * 2 * int(default.total_tokens)


@pytest.mark.anyio
async def test_last_step_comes_after_those_that_wait():
    steps, order = OneThread(), list[str]()
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(steps, order.append, str(number))
        await anyio.wait_all_tasks_blocked()
        await steps.last(partial(order.append, "last"))
    assert sorted(order[:5]) == list("01234")
    assert order[5:] == ["last"]


def test_step_that_asyncio_cancels_is_abandoned_or_waited_for():
    async def work() -> None:
        for method, ended in (("__call__", False), ("whole", True), ("surely", True)):
            steps, step = OneThread(), Work()
            task = asyncio.create_task(getattr(steps, method)(step))
            await anyio.to_thread.run_sync(step.began.wait, 60)
            task.cancel()
            await asyncio.sleep(0.01)
            assert task.done() is not ended
            step.may_end.set()
            await asyncio.wait([task])
            assert task.cancelled()
            # The next step waits for the abandoned one.
            assert await steps(lambda step=step: step.ended)
            await steps.last(lambda: None)

    asyncio.run(work())
