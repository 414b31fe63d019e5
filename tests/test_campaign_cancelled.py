"""A campaign that is cancelled: at each await in turn, and thousands of times at random.

The outcome of each recipient is recorded, no transaction and no lock is left, and no connection is
lost (docs: how it is tested, "Cancelled writes").
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import anyio
import httpx
import pytest
import trio
import trio.testing
from connections import each_own
from simulated_gateway import URL, SimulatedGateway
from soak import count
from stepped import stepped

import smsgate
from smsgate.campaign import (
    Campaign,
    Event,
    RecipientState,
    Runner,
    RunOutcome,
    SqliteJournal,
    rows_source,
)
from smsgate.sandbox import Sandbox, Settings

S = RecipientState
CHUNKS = count(short=1, full=4)
TIMES = count(short=250, full=5_000)
"""For each event loop."""


def make(path: Path, recipients: int, first: int = 0) -> None:
    rows = rows_source(f"+38050{count:07}" for count in range(first, first + recipients))
    Campaign.create(path, rows, sender="Shop", text="Вітаємо!").close()


def check(journal: SqliteJournal, ledger: Counter[str]) -> Counter[RecipientState]:
    """Hold the journal against what the gateway has accepted, and return where everybody stands."""
    assert not journal._connection.in_transaction
    states = Counter[RecipientState]()
    for one in journal.recipients():
        assert one.number
        states[one.state] += 1
        taken = ledger[one.number]
        assert one.state is not S.IN_FLIGHT
        assert taken <= 1
        if one.state in {S.PENDING, S.ACCEPTED}:
            assert taken == (one.state is S.ACCEPTED)
    return states


@pytest.fixture
def quiet() -> Iterator[None]:
    """Nothing is logged, as each send that is cut off warns."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope just before the n-th step of any task that runs inside it."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.scope = scope
        self.left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - of the contract
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


async def cancelled_at(step: int, path: Path) -> bool:
    """Run a campaign of five that is cancelled at this step, and return whether it ended before."""
    make(path, 5)
    # Ids that are final at once, as those that no answer has told are looked up in a thread, which
    # has no clock of ours.
    gateway = SimulatedGateway(
        Random(step), Settings(seed=step, delivery_seconds=0), 0.0, lambda _: None
    )
    client = httpx.AsyncClient(transport=gateway, trust_env=False)
    with closing(stepped(SqliteJournal, clock=trio.current_time).open(path)) as journal:
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", url=URL, http_client=client, concurrency=2
        ) as session:
            with trio.CancelScope() as scope:
                instrument = CancelAtStep(scope, step)
                trio.lowlevel.add_instrument(instrument)
                try:
                    await Runner(journal, session, batch=2).run()
                finally:
                    trio.lowlevel.remove_instrument(instrument)
            states = check(
                journal, Counter(message.destination for message in gateway.gateway.messages)
            )
            assert all(request.reason for request in journal.in_doubt())
            left = b"".join(gateway.left)
            for one in journal.recipients():
                assert one.state is not S.IN_DOUBT or (one.number or "").encode() in left, (
                    "nothing of it had left"
                )
            with trio.fail_after(60):
                assert (await Runner(journal, session).run()).outcome is RunOutcome.FINISHED
        assert set(
            check(journal, Counter(message.destination for message in gateway.gateway.messages))
        ) <= {
            S.ACCEPTED,
            S.IN_DOUBT,
        }
    return not scope.cancelled_caught and states == {S.ACCEPTED: 5}


def test_run_survives_cancellation_at_each_await(tmp_path: Path):
    for step in range(1, 1_000):
        clock = trio.testing.MockClock(autojump_threshold=0)
        if trio.run(cancelled_at, step, tmp_path / f"{step}.sms", clock=clock):
            break
    assert 20 < step < 999


@each_own
@pytest.mark.heavy
@pytest.mark.usefixtures("anyio_backend", "quiet")
@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_run_survives_thousands_of_random_cancellations(
    chunk: int, tmp_path: Path, own: dict[str, Any]
):
    times = TIMES // CHUNKS
    make(tmp_path / "a.sms", 4 * times)
    random = Random(chunk)
    limit, taken = 0.01, 0
    sockets = open_sockets()
    ends = Counter[str]()
    with (
        Sandbox(Settings(seed=chunk, keep_alive_seconds=600)) as sandbox,
        closing(SqliteJournal.open(tmp_path / "a.sms")) as journal,
    ):
        sandbox.balance = 10**6
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", url=sandbox.url, concurrency=2, **own
        ) as session:
            for _ in range(times):
                ends[
                    await cut_off(
                        Runner(journal, session, batch=random.randint(1, 5)),
                        random.uniform(0, limit),
                    )
                ] += 1
                # However fast the machine is, some runs must get somewhere and some must not.
                limit *= 1.05 if sandbox.accepted == taken else 0.97
                taken = sandbox.accepted
                assert not journal._connection.in_transaction
                assert (
                    journal._connection.execute(
                        "SELECT 1 FROM request WHERE settled_at IS NULL"
                    ).fetchone()
                    is None
                )
            states = check(journal, Counter(message.destination for message in sandbox.messages))
            assert all(request.reason for request in journal.in_doubt())
            journal.resolve(
                Event.GIVE_UP, who="me", note="", request=None, line=None, message_id=None
            )
            # Every login still works, side by side.
            with anyio.fail_after(60):
                assert (
                    await Runner(journal, session, batch=1_000).run()
                ).outcome is RunOutcome.FINISHED
                async with anyio.create_task_group() as tasks:
                    for number in ("+380671111111", "+380672222222"):
                        tasks.start_soon(partial(session.send_sms, number, "Ще тут", sender="Shop"))
    gc.collect()
    assert open_sockets() == sockets
    # Both kinds must have been met, or the moments were drawn from the wrong range.
    assert min(ends["cancelled"], states[S.IN_DOUBT], states[S.ACCEPTED]) > times / 100


async def cut_off(runner: Runner, seconds: float) -> str:
    with anyio.move_on_after(seconds):
        return str((await runner.run()).outcome)
    return "cancelled"


def open_sockets() -> int:
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found += str(descriptor.readlink()).startswith("socket:")
    return found


@each_own
@pytest.mark.parametrize("twice", [False, True])
def test_run_survives_native_cancel_at_each_loop_iteration(
    twice: bool, tmp_path: Path, own: dict[str, Any]
):
    async def one(turns: int, sandbox: Sandbox) -> bool:
        path = tmp_path / f"{turns}.sms"
        # Numbers of its own: the gateway may still be at work on what was cut off before.
        make(path, 4, first=4 * turns)
        with closing(SqliteJournal.open(path)) as journal:
            async with smsgate.AsyncSession(
                "sandbox", "sandbox", url=sandbox.url, concurrency=2, **own
            ) as session:
                task = asyncio.create_task(Runner(journal, session, batch=2).run())
                for _ in range(turns):
                    await asyncio.sleep(0)
                ended = task.done()
                for _ in range(1 + twice):
                    task.cancel()
                    await asyncio.sleep(0)
                with (
                    pytest.raises(asyncio.CancelledError)
                    if not task.done() or task.cancelled()
                    else anyio.CancelScope()
                ):
                    await task
                check(journal, Counter(message.destination for message in sandbox.messages))
        return ended

    async def main() -> int:
        with Sandbox() as sandbox:
            for turns in range(100_000):
                if await one(turns * (turns + 3) // 4, sandbox):
                    return turns
        return 0

    assert asyncio.run(main()) > 10
