"""Processes that share an outbox and are killed: each key is sent at most once.

Each key is asked for by three processes. A process that was killed starts again and asks for the
keys of which it has no outcome yet. The sandbox counts what was sent, and must agree with the
outbox and with what each caller was told. Planted bugs must fail this test (docs: how it is tested,
"Killed callers of an outbox").
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from random import Random
from typing import Any

import anyio
import outbox_child
import pytest
from databases import OUTBOXES
from forks import FORKS, start_server
from outbox_child import number_of
from soak import count as times

import smsgate
from smsgate.ledger.states import RecipientState
from smsgate.outbox import Outbox, OutboxMessage, open_ledger
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.unmeasured

S = RecipientState
CALLERS = 3
"""How many processes ask for a key."""


@dataclass
class Caller:
    """A process, and what it has told, over all of its lives."""

    keys: list[str]
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    sending: set[str] = field(default_factory=set)
    began: bool = False
    """Whether the process has begun to send, and was not killed since."""
    finished: bool = False
    process: Any = None
    pipe: Connection[Any, Any] | None = None

    def hear(self) -> bool:
        """Note what the process has told. Return whether it may tell more."""
        assert self.pipe is not None
        try:
            while self.pipe.poll():
                what, said, more = self.pipe.recv()
                if what == "sends":
                    self.began = self.process.is_alive()
                    self.sending.add(said)
                elif what == "has sent":
                    self.sending.discard(said)
                elif what == "finished":
                    self.finished = True
                else:
                    assert what not in self.told, "a key was asked for twice"
                    self.told[what] = (said, more)
        except (EOFError, ConnectionResetError):
            return False
        return True


class Trial:
    """Processes that ask for the same keys, and are killed."""

    def __init__(
        self, place: str, sandbox: Sandbox, *, processes: int, each: int, seed: int, bug: str = ""
    ) -> None:
        self.place, self.sandbox, self.bug = place, sandbox, bug
        self.random = Random(seed)
        self.kills = Counter[str]()
        self.callers = [Caller([]) for _ in range(processes)]
        for key in range(processes * each // CALLERS):
            for caller in self.random.sample(self.callers, CALLERS):
                caller.keys.append(str(key))
        for caller in self.callers[::2]:  # the others meet at the same key
            self.random.shuffle(caller.keys)
        self.keys = {key for caller in self.callers for key in caller.keys}

    def start(self, caller: Caller) -> None:
        left = [key for key in caller.keys if key not in caller.told]
        caller.sending.clear()
        caller.pipe, sender = FORKS.Pipe(duplex=False)
        caller.process = FORKS.Process(
            target=outbox_child.run,
            args=(self.place, self.sandbox.url, left, sender, self.bug),
            daemon=True,
        )
        caller.process.start()
        sender.close()

    def run(self, kills: dict[str, int]) -> None:
        """Let all processes work and kill some of them, until each has an outcome of each key."""
        open_ledger(self.place).close()
        for caller in self.callers:
            self.start(caller)
        planned = [name for name, count in kills.items() for _ in range(count)]
        self.random.shuffle(planned)
        third = sum(len(one.keys) for one in self.callers) / 3
        end = time.monotonic() + 300
        while working := {one.pipe: one for one in self.callers if not one.finished}:
            assert time.monotonic() < end, "the callers never finished"
            for pipe in wait(list(working), timeout=0.02):
                caller = working[pipe]
                if not caller.hear():
                    caller.process.join()
                    assert caller.finished or caller.process.exitcode == -9, "a caller has failed"
                    if not caller.finished:
                        self.start(caller)
            # The kills are spread over the first third of the work.
            told = sum(len(one.told) for one in self.callers)
            while planned and told >= self.kills.total() * third / sum(kills.values()):
                if not self.kill(planned[-1]):
                    break
                self.kills[planned.pop()] += 1

    def kill(self, when: str) -> bool:
        """Kill a process that works, and return whether there was one."""
        working = [one for one in self.callers if one.began and not one.finished]
        if when == "with a request in flight":
            # The gateway has the message, and the process has not told what became of it.
            sent = {message.destination for message in self.sandbox.messages}
            working = [one for one in working if one.sending & sent]
        if not working:
            return False
        caller = self.random.choice(working)
        caller.process.kill()
        caller.began = False
        return True

    def close(self) -> None:
        for caller in self.callers:
            if caller.process is not None:
                caller.process.kill()
                caller.process.join()
            if caller.pipe is not None:
                caller.pipe.close()

    def broken_promises(self) -> Counter[str]:
        """Compare gateway, outbox and callers, and return what was promised and not kept."""
        sent: dict[str, list[str]] = {}
        for message in self.sandbox.messages:
            sent.setdefault(message.destination, []).append(message.id)
        rows, listed = anyio.run(self.messages)
        found = Counter[str]()
        for row in rows.values():
            number, told = number_of(row.key), self.told(row.key)
            ids = sent.get(number, [])
            found["sent twice"] += len(ids) > 1
            final = (row.state.value, row.message_id or "")
            late = row.settled_at and row.lease_until and row.settled_at > row.lease_until
            # An answer that comes after the lease decides a message in doubt.
            if told != {final} and not (late and told <= {final, (S.IN_DOUBT.value, "")}):
                found["callers of one key were told different outcomes"] += 1
                print(f"key {row.key}: {final}, told: {told}, late: {late}")
            if row.state is S.ACCEPTED:
                found["another id"] += ids != [row.message_id]
            elif row.state is S.IN_DOUBT:
                found["in doubt and not listed"] += row.key not in listed
                found["in doubt without a reason"] += not row.reason
            else:
                found[f"left {row.state}"] += row.state is not S.REFUSED
                found["sent and not listed"] += bool(ids)
        found["lost"] += len(self.keys - rows.keys())
        found["sent and never asked for"] += len(sent.keys() - {number_of(one) for one in rows})
        found["a caller without an outcome"] += sum(
            len(set(caller.keys) - caller.told.keys()) for caller in self.callers
        )
        return +found

    def told(self, key: str) -> set[tuple[str, str]]:
        return {caller.told[key] for caller in self.callers if key in caller.told}

    async def messages(self) -> tuple[dict[str, OutboxMessage], set[str]]:
        """Return all messages by their key, and the keys of those in doubt."""
        session = smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=self.sandbox.url)
        async with session, Outbox(session, self.place) as outbox:
            with anyio.fail_after(60):
                while (await outbox.states()).get(S.IN_FLIGHT):  # noqa: ASYNC110 - of processes
                    await anyio.sleep(0.1)
            rows = {one.key: one for one in await outbox.messages(most=len(self.keys) + 1)}
            return rows, {one.key for one in await outbox.in_doubt(most=len(self.keys) + 1)}


def gateway() -> Sandbox:
    """Return a gateway whose answers are often lost, after it has accepted the message or not."""
    sandbox = Sandbox(Settings(seed=1, hold_seconds=0.2))
    for fault, probability in (
        ("silent after", 0.1),
        ("drop after", 0.03),
        ("drop before", 0.03),
        ("session loss", 0.05),
    ):
        sandbox.faults.add(fault, operation="SendSMS", probability=probability)
    return sandbox


@pytest.mark.heavy
@pytest.mark.parametrize("database", OUTBOXES)
def test_killed_callers_send_each_key_once_and_learn_one_outcome(
    database: str, request: pytest.FixtureRequest
):
    start_server()
    kills = times(
        short={"at any moment": 2, "with a request in flight": 4},
        full={"at any moment": 8, "with a request in flight": 16},
    )
    with (
        OUTBOXES[database](request) as outboxes,
        gateway() as sandbox,
        closing(
            Trial(
                outboxes.place,
                sandbox,
                processes=times(short=8, full=50),
                each=times(short=24, full=12),
                seed=7,
            )
        ) as trial,
    ):
        trial.run(kills)
        assert trial.broken_promises() == Counter()
        assert trial.kills == kills, "the callers finished before all kills had happened"
        outcomes = Counter(state for one in trial.callers for state, _ in one.told.values())
        assert outcomes.keys() == {S.ACCEPTED, S.REFUSED, S.IN_DOUBT}
        changed = sum(len(trial.told(key)) > 1 for key in trial.keys)
        print(f"{len(trial.keys)} keys, {dict(outcomes)}, told again after a lease: {changed}")


BUGS = {
    "pending again": "sent twice",
    "claimed in any state": "sent twice",
    "sent before claimed": "sent twice",
    "not told in doubt": "sent and not listed",
}


@pytest.mark.heavy
@pytest.mark.parametrize("database", OUTBOXES)
@pytest.mark.parametrize("bug", BUGS)
def test_planted_bug_breaks_a_promise(bug: str, database: str, request: pytest.FixtureRequest):
    start_server()
    with (
        OUTBOXES[database](request) as outboxes,
        gateway() as sandbox,
        closing(Trial(outboxes.place, sandbox, processes=6, each=16, seed=7, bug=bug)) as trial,
    ):
        trial.run({"with a request in flight": 4})
        assert trial.broken_promises()[BUGS[bug]] > 0, "the planted bug was not found"
