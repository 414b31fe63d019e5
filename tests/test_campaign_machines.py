"""Several machines that send one campaign, while processes and the database are killed.

Each machine is a process. Processes are killed and stopped, their network loses everything, and
PostgreSQL restarts and crashes. The sandbox counts what was sent, and must agree with the database:
nobody is sent to twice, nobody is lost, and each recipient in doubt is listed. A planted bug must
fail this test (docs: how it is tested, "Several machines").
"""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import machines_child
import psycopg
import pytest
from databases import cluster_of, new_database
from forks import FORKS, start_server
from postgres_cluster import Cluster, programs
from soak import count as times
from test_outbox_postgres import Network

from smsgate.campaign import Campaign, RecipientState, Source, rows_source
from smsgate.sandbox import Sandbox, Settings

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed"),
]
S = RecipientState
MACHINES = 3
BATCH = 10
TIME = 0.2
"""Seconds that the gateway takes for a request.

So long that what happens at random hits requests in flight, and that few of them fill the time.
"""


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> None:
    start_server()


class Trial(ABC):
    """Processes that send one campaign, and the faults that happen to them."""

    def __init__(self, sandbox: Sandbox, *, recipients: int, seed: int, bug: str = "") -> None:
        self.sandbox, self.bug = sandbox, bug
        self.recipients, self.random = recipients, Random(seed)
        rows = rows_source(f"+38050{number:07}" for number in range(recipients))
        self.create(rows, sender="Shop", text="Вітаємо!").close()
        self.processes: list[Any] = [None] * MACHINES
        self.happened = Counter[str]()

    @abstractmethod
    def create(self, rows: Source, **message: str) -> Campaign:
        """Create the campaign."""

    @abstractmethod
    def opened(self) -> Campaign:
        """Open the campaign for reading."""

    @abstractmethod
    def place_for(self, process: int) -> str | Path:
        """Return where a process finds the campaign."""

    @abstractmethod
    def busy(self) -> list[Any]:
        """Return the processes that have requests in flight."""

    def start(self, place: int) -> None:
        process = FORKS.Process(
            target=machines_child.run,
            args=(self.place_for(place), self.sandbox.url, self.bug, {"batch": BATCH}),
            daemon=True,
        )
        process.start()
        self.processes[place] = process

    def kill(self) -> None:
        """Kill a process that has requests in flight: at its start, a kill would test nothing."""
        while not (busy := self.busy()) and self.left():
            self.settle_down()
            time.sleep(0.02)
        # Those of a process that has just started wait for its login, so nothing was sent yet.
        time.sleep(self.random.uniform(0, 3 * TIME))
        self.random.choice(busy or self.processes).kill()

    def settle_down(self, *, everything: bool = False) -> None:  # noqa: ARG002 - of other trials
        """Start processes that have ended."""
        for place, process in enumerate(self.processes):
            if process is None or not process.is_alive():
                self.start(place)

    def run(self, faults: dict[str, int]) -> None:
        events = [name for name, count in faults.items() for _ in range(count)]
        self.random.shuffle(events)
        self.settle_down()
        time.sleep(0.5)
        while events and self.left():
            self.settle_down()
            name = events.pop()
            getattr(self, name)()
            self.happened[name] += 1
            time.sleep(self.random.uniform(0.05, 0.3))
        self.settle_down(everything=True)
        # A busy machine may send for long, but it goes on.
        least, end = math.inf, math.inf
        while left := self.left():
            if left < least:
                least, end = left, time.monotonic() + 120
            self.settle_down(everything=True)
            assert time.monotonic() < end, f"never finished: {self.states()}"
            time.sleep(0.2)

    def states(self) -> dict[RecipientState, int]:
        with self.opened() as campaign:
            return campaign.journal.states()

    def left(self) -> int:
        states = self.states()
        return states.get(S.PENDING, 0) + states.get(S.IN_FLIGHT, 0)

    def close(self) -> None:
        for process in self.processes:
            if process is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                process.join()

    def broken_promises(self) -> Counter[str]:
        """Hold the database against the gateway, and return what was promised and not kept."""
        sent: dict[str, list[str]] = {}
        for message in self.sandbox.messages:
            sent.setdefault(message.destination, []).append(message.id)
        found = Counter[str]()
        seen = set()
        with self.opened() as campaign:
            for one in campaign.recipients():
                assert one.number
                seen.add(one.number)
                ids = sent.get(one.number, [])
                found["sent twice"] += len(ids) > 1
                if one.state is S.ACCEPTED:
                    found["another id"] += one.message_id not in ids
                elif one.state is S.IN_DOUBT:
                    found["in doubt without a reason or a request"] += not (
                        one.reason and one.request
                    )
                else:
                    found["sent and not listed"] += bool(ids)
                    found[f"left {one.state}"] += 1
            listed = sum(request.in_doubt for request in campaign.in_doubt())
            figures = campaign.figures()  # compares requests and recipients
            found["in doubt and not listed"] += figures.count(S.IN_DOUBT) - listed
        found["lost"] += self.recipients - len(seen)
        found["sent and never asked for"] += len(sent.keys() - seen)
        return +found


class ServerTrial(Trial):
    """A campaign in PostgreSQL: all processes send at once, each behind a network of its own."""

    def __init__(self, cluster: Cluster, sandbox: Sandbox, **options: Any) -> None:
        self.cluster, self.address = cluster, cluster.address_of(new_database(cluster))
        self.networks = [Network(cluster.port) for _ in range(MACHINES)]
        self.stopped: list[tuple[float, int]] = []
        self.cut: list[tuple[float, Network]] = []
        super().__init__(sandbox, **options)

    def create(self, rows: Source, **message: str) -> Campaign:
        return Campaign.create("trial", rows, database=self.address, **message)

    def opened(self) -> Campaign:
        return Campaign.open("trial", database=self.address, writing=False)  # does not sweep

    def place_for(self, process: int) -> str:
        return self.address.replace(f":{self.cluster.port}/", f":{self.networks[process].port}/")

    def busy(self) -> list[Any]:
        with psycopg.connect(self.address) as connection:
            rows = connection.execute(
                "SELECT DISTINCT machine FROM smsgate.run JOIN smsgate.request"
                " ON request.run = run.id AND request.campaign = run.campaign"
                " WHERE request.state = 'in flight'"
            ).fetchall()
        machines = {machine for (machine,) in rows}
        return [
            process
            for process in self.processes
            if process.is_alive() and f"{socket.gethostname()}, process {process.pid}" in machines
        ]

    def stop(self) -> None:
        """Stop a process for longer than its lease."""
        process = self.random.choice(self.processes)
        os.kill(process.pid, signal.SIGSTOP)
        self.stopped.append((time.monotonic() + machines_child.LEASE + 1.0, process.pid))

    def partition(self) -> None:
        """Let a network lose everything for longer than a lease."""
        network = self.random.choice(self.networks)
        network.works.clear()
        self.cut.append((time.monotonic() + machines_child.LEASE + 2.0, network))

    def restart(self) -> None:
        self.cluster.stop("fast")
        self.cluster.start()

    def crash(self) -> None:
        self.cluster.stop("immediate")
        self.cluster.start()

    def settle_down(self, *, everything: bool = False) -> None:
        """Let stopped processes and networks go on, too."""
        now = time.monotonic()
        for until, pid in tuple(self.stopped):
            if everything or now > until:
                self.stopped.remove((until, pid))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        for until, network in tuple(self.cut):
            if everything or now > until:
                self.cut.remove((until, network))
                if network not in [one for _, one in self.cut]:
                    network.works.set()
        super().settle_down(everything=everything)

    def close(self) -> None:
        super().close()
        for network in self.networks:
            network.close()


class FileTrial(Trial):
    """A campaign in a file: one process sends at a time, and the others wait for the file."""

    def __init__(self, file: Path, sandbox: Sandbox, **options: Any) -> None:
        self.file = file
        super().__init__(sandbox, **options)

    def create(self, rows: Source, **message: str) -> Campaign:
        return Campaign.create(self.file, rows, **message)

    def opened(self) -> Campaign:
        return Campaign.open(self.file, writing=False)

    def place_for(self, process: int) -> Path:  # noqa: ARG002 - of other trials
        return self.file

    def busy(self) -> list[Any]:
        with suppress(FileNotFoundError, ValueError):
            pid = int(machines_child.holder(self.file).read_text())
            states = self.states()  # of a file whose holder was killed, none is in flight
            if states.get(S.IN_FLIGHT):
                return [one for one in self.processes if one.pid == pid and one.is_alive()]
        return []


SEEDS = range(times(short=1, full=5))


@pytest.mark.longest
@pytest.mark.parametrize("seed", SEEDS)
def test_faults_of_machines_and_database_double_nobody(seed: int):
    faults = times(
        short={"kill": 10, "stop": 2, "partition": 1, "restart": 1, "crash": 1},
        full={"kill": 100, "stop": 10, "partition": 5, "restart": 3, "crash": 3},
    )
    with (
        Cluster() as cluster,
        Sandbox(Settings(credits=10**6, hold_seconds=TIME)) as sandbox,
        closing(
            ServerTrial(cluster, sandbox, recipients=times(short=5_000, full=25_000), seed=seed)
        ) as trial,
    ):
        trial.run(faults)
        assert trial.happened == faults, "the campaign ended before all faults had happened"
        assert trial.broken_promises() == Counter()
        in_doubt = trial.states().get(S.IN_DOUBT, 0)
        # A restart and a crash strike every machine.
        struck = trial.happened.total() + MACHINES * sum(
            trial.happened[name] for name in ("restart", "crash")
        )
        assert in_doubt <= struck * 3 * BATCH
        print(f"seed {seed}: {dict(trial.happened)}, in doubt: {in_doubt}")


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_of_several_processes_on_one_file_double_nobody(seed: int, tmp_path: Path):
    kills, recipients = times(short=10, full=100), times(short=1_500, full=10_000)
    with (
        Sandbox(Settings(credits=10**6, hold_seconds=TIME)) as sandbox,
        closing(
            FileTrial(tmp_path / "trial.sms", sandbox, recipients=recipients, seed=seed)
        ) as trial,
    ):
        trial.run({"kill": kills})
        assert trial.happened["kill"] == kills, "the campaign ended before all kills"
        assert trial.broken_promises() == Counter()
        in_doubt = trial.states().get(S.IN_DOUBT, 0)
        assert in_doubt <= kills * 3 * BATCH
        print(f"seed {seed}: {kills} kills, in doubt: {in_doubt}")


@pytest.mark.parametrize("ledger", ["server", "file"])
def test_planted_bug_sends_twice(ledger: str, request: pytest.FixtureRequest, tmp_path: Path):
    options: dict[str, Any] = {
        "recipients": 3_000 if ledger == "server" else 1_500,
        "seed": 1,
        "bug": "in flight put back to pending",
    }
    with (
        Sandbox(Settings(credits=10**6, hold_seconds=TIME)) as sandbox,
        closing(
            FileTrial(tmp_path / "trial.sms", sandbox, **options)
            if ledger == "file"
            else ServerTrial(cluster_of(request), sandbox, **options)
        ) as trial,
    ):
        trial.run({"kill": 8})
        found = trial.broken_promises()
        print(f"{ledger}: {found}")
        assert found["sent twice"] > 0
