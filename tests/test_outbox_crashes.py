"""Processes that share an outbox and are killed: each key is sent at most once.

The sandbox counts what was sent, and must agree with the outbox. Planted bugs must fail this test
(docs: how it is tested, "Crashes").
"""

from __future__ import annotations

import time
from contextlib import closing
from random import Random
from typing import Any

import anyio
import outbox_child
import pytest
from databases import OUTBOXES
from forks import FORKS, start_server
from soak import count as times

from smsgate.ledger.messages import MessageLedger
from smsgate.ledger.states import RecipientState
from smsgate.outbox import open_ledger
from smsgate.sandbox import Sandbox, Settings

S = RecipientState


def trial(place: str, sandbox: Sandbox, *, keys: int, processes: int, kills: int, bug: str) -> Any:
    """Let processes send to the same keys, kill them at random, and return what they told."""
    random, told = Random(7), dict[str, set[tuple[str, str]]]()
    names = [str(number) for number in range(keys)]
    open_ledger(place).close()
    running = list[tuple[Any, Any]]()
    killed = heard = 0

    def start() -> None:
        # Each key is asked for by three processes, if all live.
        mine = random.sample(names, keys * 3 // processes)
        pipe, sender = FORKS.Pipe(duplex=False)
        process = FORKS.Process(
            target=outbox_child.run,
            args=(place, sandbox.url, mine, sender, bug),
            daemon=True,
        )
        process.start()
        sender.close()
        running.append((process, pipe))

    def hear(pipe: Any, wait: float) -> bool:
        """Listen for a while, and return whether the process goes on."""
        nonlocal heard
        heard, until = 0, time.monotonic() + wait
        try:
            while pipe.poll(max(0.0, until - time.monotonic())):
                key, state, message_id = pipe.recv()
                if key == "finished":
                    return False
                told.setdefault(key, set()).add((state, message_id))
                heard += 1
        except (EOFError, ConnectionResetError):
            return False
        return True

    while killed < kills or running:
        while len(running) < processes and killed < kills:
            start()
        process, pipe = running.pop(random.randrange(len(running)))
        goes_on = hear(pipe, random.uniform(0, 0.2))
        if goes_on and heard and killed < kills and random.random() < 0.5:
            process.kill()
            killed += 1
            goes_on = False
            hear(pipe, 0.0)
        if goes_on:
            running.append((process, pipe))
        else:
            process.join()
            pipe.close()
    return told


@pytest.mark.heavy
@pytest.mark.parametrize("database", OUTBOXES)
@pytest.mark.parametrize("bug", outbox_child.BUGS)
def test_killed_processes_send_each_key_at_most_once(
    bug: str, database: str, request: pytest.FixtureRequest
):
    start_server()
    with OUTBOXES[database](request) as outboxes, Sandbox(Settings(seed=1)) as sandbox:
        # Accepted, and no answer comes: a process that is killed then has sent and not recorded it.
        sandbox.faults.add("silent after", operation="SendSMS", probability=0.3)
        place = outboxes.place
        told = trial(
            place,
            sandbox,
            keys=240 if bug else times(240, 480),
            processes=4 if bug else times(4, 8),
            kills=12 if bug else times(12, 40),
            bug=bug,
        )
        sent = [message.destination for message in sandbox.messages]
        doubled = len(sent) - len(set(sent))
        if bug:
            assert doubled > 0, "the planted bug was not found"
            return
        assert doubled == 0
        with closing(open_ledger(place)) as ledger:
            anyio.run(swept, ledger)
            rows = ledger.in_states(list(S), 10_000)
    by_number = {message.destination: message.id for message in sandbox.messages}
    for row in rows:
        if row.state is S.ACCEPTED:
            assert row.message_id == by_number[row.destination]
        elif row.destination in by_number:
            assert row.state is S.IN_DOUBT, "sent, and neither accepted nor in doubt"
        accepted = {said for said in told.get(row.key, set()) if said[0] == S.ACCEPTED}
        assert accepted <= {(S.ACCEPTED.value, row.message_id)}


async def swept(ledger: MessageLedger) -> None:
    """Wait until nothing is in flight any more."""
    with anyio.fail_after(60):
        while ledger.states().get(S.IN_FLIGHT):
            await anyio.sleep(0.1)
            ledger.sweep()
