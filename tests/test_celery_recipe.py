"""The Celery tasks of the documentation, with a real broker, and workers that are killed.

The sandbox counts what was sent, and must agree with the outbox. A task that sends directly must
fail the same trial (docs: celery).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from celery.signals import task_prerun
from databases import OUTBOXES
from examples import example
from ports import refusing_port
from redis_server import redis_server
from soak import count as times

import smsgate
from smsgate.ledger.states import RecipientState
from smsgate.outbox import Outbox, open_ledger
from smsgate.sandbox import Sandbox

pytestmark = [pytest.mark.unmeasured, pytest.mark.usefixtures("smsgate_environment")]

S = RecipientState
TEXT = "Ваше замовлення готове"
PATIENCE = 90.0
"""Seconds within which everything must have happened, on a busy machine too."""


def number_of(order: int) -> str:
    return f"+38050{order:07}"


class Worker:
    """A Celery worker with two processes, in a process group of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._options = options
        self._folder = folder
        self._begun = folder / "begun"
        self._begun.touch()
        self._log = folder / "worker.log"
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        here = str(Path(__file__).parent)
        options = ["--concurrency", "2", "--without-gossip", "--without-mingle", *self._options]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "celery_child", "worker", *options],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": here, "TASKS_BEGUN": str(self._begun)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it with all its processes."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """Start it again, after a kill if it is running."""
        if self._process.poll() is None:
            self.kill()
        self._process = self._started()

    def begun_again(self) -> int:
        """Return how many tasks began more than once."""
        again = Counter(self._begun.read_text("ascii").split())
        return sum(number > 1 for number in again.values())

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            assert self._process.poll() is None, self._log.read_text("utf-8")
            assert time.monotonic() < until, self._log.read_text("utf-8")
            time.sleep(0.01)


@contextmanager
def worker_on(
    broker: str, place: str, folder: Path, *options: str, visible_after: float
) -> Iterator[Worker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", broker)
        patch.setenv("SMSGATE_DATABASE", place)
        patch.setenv("VISIBLE_AFTER", str(visible_after))
        worker = Worker(folder, *options)
        try:
            yield worker
        finally:
            worker.kill()


async def add(recipe: Any, place: str, orders: range) -> None:
    """Add messages and their tasks, as a web process does."""
    async with smsgate.AsyncSession.from_env() as session, Outbox(session, place) as outbox:
        for order in orders:
            await recipe.notify(outbox, number_of(order), TEXT, f"order:{order}")


async def add_without_tasks(place: str, orders: range) -> None:
    """Add messages whose tasks the broker has lost."""
    async with smsgate.AsyncSession.from_env() as session, Outbox(session, place) as outbox:
        for order in orders:
            await outbox.add(number_of(order), TEXT, key=f"order:{order}")


@contextmanager
def celery_tasks(broker: str) -> Iterator[Any]:
    """Import the file of the documentation, as a web process does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", broker)
        recipe = example("celery_tasks")
        with closing(recipe.app):
            yield recipe


@pytest.mark.heavy
@pytest.mark.parametrize("database", OUTBOXES)
def test_killed_workers_send_each_message_at_most_once(
    database: str, request: pytest.FixtureRequest, smsgate_server: Sandbox, tmp_path: Path
):
    random, kills = Random(7), times(4, 12)
    messages, lost = times(40, 200), 4
    smsgate_server.faults.add("slow", operation="SendSMS", seconds=0.15)
    with (
        redis_server() as broker,
        OUTBOXES[database](request) as outboxes,
        celery_tasks(broker.address) as recipe,
        worker_on(broker.address, outboxes.place, tmp_path, "--beat", visible_after=1.0) as worker,
        closing(outboxes.ledger()) as ledger,
    ):
        anyio.run(add, recipe, outboxes.place, range(messages))
        anyio.run(add_without_tasks, outboxes.place, range(messages, messages + lost))
        for kill in range(kills):
            # The sandbox has taken a message, and its answer is still to come.
            struck = max(smsgate_server.accepted, kill * messages // kills) + 1
            worker.wait_for(lambda struck=struck: smsgate_server.accepted >= struck)
            time.sleep(random.uniform(0, 0.1))
            worker.restart()
        worker.wait_for(lambda: ledger.states().keys() <= {S.ACCEPTED, S.IN_DOUBT})
        worker.wait_for(lambda: worker.begun_again() > 0)
        rows = ledger.in_states(list(S), 10_000)
    sent = [message.destination for message in smsgate_server.messages]
    assert len(sent) == len(set(sent)), "sent twice"
    assert {row.destination for row in rows} == {number_of(n) for n in range(messages + lost)}
    ids = {message.destination: message.id for message in smsgate_server.messages}
    accepted = {row.destination: row.message_id for row in rows if row.state is S.ACCEPTED}
    in_doubt = {row.destination for row in rows if row.state is S.IN_DOUBT}
    assert accepted.items() <= ids.items()
    assert ids.keys() <= accepted.keys() | in_doubt, "sent, and neither accepted nor in doubt"
    assert accepted
    assert in_doubt, "no kill struck a request in flight"


@pytest.mark.heavy
def test_task_that_sends_directly_sends_twice(smsgate_server: Sandbox, tmp_path: Path):
    # A task takes less time than Redis waits for it, so it is the kill that runs it again.
    smsgate_server.faults.add("slow", operation="SendSMS", seconds=1.0)
    with (
        redis_server() as broker,
        celery_tasks(broker.address) as recipe,
        worker_on(broker.address, "unused", tmp_path, visible_after=2.0) as worker,
    ):
        for order in range(2):
            recipe.app.send_task("directly", (number_of(order), TEXT))
        worker.wait_for(lambda: smsgate_server.accepted > 0)
        worker.kill()
        in_flight = {message.destination for message in smsgate_server.messages}
        time.sleep(2.0)
        worker.restart()

        def sent_twice() -> bool:
            sent = Counter(message.destination for message in smsgate_server.messages)
            return all(sent[number] > 1 for number in in_flight)

        worker.wait_for(sent_twice)
    assert in_flight


def test_message_is_added_even_if_there_is_no_broker(tmp_path: Path, smsgate_server: Sandbox):
    place = str(tmp_path / "sms.db")
    with celery_tasks(f"redis://127.0.0.1:{refusing_port()}/0") as recipe:
        recipe.DATABASE = place
        anyio.run(add, recipe, place, range(1))
        with closing(open_ledger(place)) as ledger:
            (row,) = ledger.in_states([S.PENDING], 10)
            recipe.deliver_due()
            recipe.deliver(row.id)
            assert ledger.states() == {S.ACCEPTED: 1}
    assert smsgate_server.accepted == 1


@pytest.mark.parametrize(
    ("case", "runs", "state", "error"),
    [
        ("no connection", 6, S.PENDING, smsgate.NotSent),
        ("too late", 1, S.SKIPPED, smsgate.NotSent),
        ("no credits", 1, S.PENDING, smsgate.NotEnoughCredits),
        ("bad number", 1, S.REFUSED, smsgate.BadDestination),
        ("answer lost", 1, S.IN_DOUBT, smsgate.InDoubt),
        ("no such message", 1, None, LookupError),
    ],
)
def test_task_retries_only_what_was_not_sent_for_now(
    *,
    case: str,
    runs: int,
    state: S | None,
    error: type[Exception],
    tmp_path: Path,
    smsgate_server: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
):
    with celery_tasks(f"redis://127.0.0.1:{refusing_port()}/0") as recipe:
        recipe.DATABASE = str(tmp_path / "sms.db")
        recipe.USEFUL_SECONDS = 1e-6 if case == "too late" else 3600.0
        orders = {"bad number": ["+380000000001"], "no such message": []}.get(case, [number_of(1)])
        anyio.run(add_to, recipe, orders)
        if case == "no connection":
            recipe.PATIENCE = smsgate.Timeouts(send=0.1)
            monkeypatch.setenv("SMSGATE_URL", f"http://127.0.0.1:{refusing_port()}/")
        elif case == "no credits":
            smsgate_server.balance = 0
        elif case == "answer lost":
            smsgate_server.faults.add("drop after", operation="SendSMS")
        begun = list[str]()

        def note(task_id: str, **_: Any) -> None:
            begun.append(task_id)

        task_prerun.connect(note)
        ended = recipe.deliver.apply((1,))
        assert (len(begun), type(ended.result)) == (runs, error)
        with closing(open_ledger(recipe.DATABASE)) as ledger:
            assert ledger.states() == ({state: 1} if state else {})


async def add_to(recipe: Any, numbers: list[str]) -> None:
    async with recipe.opened() as outbox:
        for number in numbers:
            await recipe.notify(outbox, number, TEXT, number)
