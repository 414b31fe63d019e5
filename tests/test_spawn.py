"""Calls into threads: they are waited for, whatever is cancelled in the meantime."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event

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


async def cancelled_during(work: Work, *, keep: bool) -> asyncio.Task[str]:
    """Cancel a task of asyncio twice while it waits for the work, and return the ended task."""
    with ThreadPoolExecutor(1) as executor:

        async def waiting() -> str:
            found = await finish_in_thread(executor, work, keep=keep)
            await asyncio.sleep(0)
            return found

        task = asyncio.create_task(waiting())
        await anyio.to_thread.run_sync(work.began.wait, 60)
        for _ in range(2):
            task.cancel("enough")
            await asyncio.sleep(0.01)
        assert not task.done(), "the work has not ended"
        work.may_end.set()
        await asyncio.wait([task])
    return task


@pytest.mark.parametrize("keep", [True, False])
def test_cancelled_work_in_a_thread_is_waited_for(keep: bool):
    work = Work()
    task = asyncio.run(cancelled_during(work, keep=keep))
    assert work.ended
    assert task.cancelled()


@pytest.mark.parametrize("keep", [True, False])
def test_failure_of_cancelled_work_is_the_cause_of_the_cancellation(keep: bool):
    caught = list[BaseException | None]()

    async def look() -> None:
        work = Work(fails=True)
        with ThreadPoolExecutor(1) as executor:

            async def waiting() -> None:
                try:
                    await finish_in_thread(executor, work, keep=keep)
                except asyncio.CancelledError as error:
                    caught.append(error.__cause__)
                    raise

            task = asyncio.create_task(waiting())
            await anyio.to_thread.run_sync(work.began.wait, 60)
            task.cancel()
            await asyncio.sleep(0.01)
            work.may_end.set()
            await asyncio.wait([task])
            assert task.cancelled()

    asyncio.run(look())
    assert [type(error) for error in caught] == [LookupError]


def test_result_of_cancelled_work_is_kept_until_the_next_await():
    kept = list[str]()

    async def look() -> None:
        work = Work()
        with ThreadPoolExecutor(1) as executor:

            async def waiting() -> None:
                kept.append(await finish_in_thread(executor, work, keep=True))
                await asyncio.sleep(0)
                kept.append("never reached")

            task = asyncio.create_task(waiting())
            await anyio.to_thread.run_sync(work.began.wait, 60)
            task.cancel()
            await asyncio.sleep(0.01)
            work.may_end.set()
            await asyncio.wait([task])
            assert task.cancelled()

    asyncio.run(look())
    assert kept == ["done"]
