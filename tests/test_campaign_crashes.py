"""Campaigns under `kill -9`, compared with the ledger of the gateway.

The process that sends is killed at random moments, or at each step in turn; the sandbox that keeps
the ledger goes on. Whatever happens, nobody is sent to twice, nobody is lost, and each recipient in
doubt is listed. Planted bugs must fail these tests (docs: how it is tested, "Crashes").
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import campaign_child
import pytest
from forks import FORKS, in_child, start_server
from soak import count as times

from smsgate.campaign import Campaign, RecipientState, rows_source
from smsgate.sandbox import FAULTS, FaultKind, Sandbox, Settings

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> None:
    start_server()


SIGNALS = (*[signal.SIGKILL] * 4, signal.SIGTERM, signal.SIGHUP)
"""What a run gets.

After another one than SIGKILL it is killed a moment later, perhaps while it waits for its last
answers.
"""
LOOKS = ("", "", "in-doubt", "status", "resolve")
"""What the operator does before the next run, in a process of its own."""
SHARE = 0.15
"""How many requests meet a fault."""
RARE = {FaultKind.SILENT_BEFORE, FaultKind.SILENT_AFTER}


def misbehave(sandbox: Sandbox) -> None:
    """Put every fault in force, so that `SHARE` of the requests meet one.

    Silence costs time, so there is less of it.
    """
    for kind, row in FAULTS.items():
        share = 0.002 if kind in RARE else (SHARE - 0.002 * len(RARE)) / (len(FAULTS) - len(RARE))
        sandbox.faults.add(kind, probability=share, seconds=0.01 if row.seconds else None)


def make(path: Path, recipients: int) -> None:
    rows = rows_source(f"+38050{count:07}" for count in range(recipients))
    Campaign.create(path, rows, sender="Shop", text="Вітаємо! Знижка 20%").close()


def start(path: Path, sandbox: Sandbox, told: Connection, **arguments: Any) -> Any:
    options = {"batch": 10, **arguments.pop("options", {})}
    process = FORKS.Process(
        target=campaign_child.run,
        args=(str(path), sandbox.url, told, options),
        kwargs=arguments,
        daemon=True,
    )
    process.start()
    return process


def heard(pipe: Connection) -> list[str]:
    """Return every step that was told. Call it when the process has ended."""
    said = []
    try:
        while True:
            said.append(pipe.recv())
    except (EOFError, ConnectionResetError):
        return said


def in_flight(path: Path) -> int:
    # Read-only, or SQLite would merge the log, which a journal then misses.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return int(
            connection.execute("SELECT count(*) FROM request WHERE settled_at IS NULL").fetchone()[
                0
            ]
        )


def looked_at(path: Path, kind: str) -> None:
    """Let the operator look at the file, or decide about those in doubt."""
    code = in_child(campaign_child.look, str(path), kind)
    expected = {"status": {0}, "in-doubt": {0, 5}, "resolve": {0, 2}}[kind]  # 2: nobody is in doubt
    assert code in expected, f"{kind} ended with {code}"


def killed_at_random(path: Path, sandbox: Sandbox, kills: int, seed: int, **arguments: Any) -> int:
    """Start runs and kill `kills` of them, and read the file in between.

    Returns how many were killed with a request in flight. Runs that are asked to end, and killed
    while they do, are not counted in `kills`.
    """
    random = Random(seed)
    caught = killed = 0
    while killed < kills:
        pipe, told = FORKS.Pipe(duplex=False)
        process = start(path, sandbox, told, **arguments)
        told.close()
        # Killing during start-up would test nothing, so it is some steps after the first claim.
        # Steps and not seconds, or a fast machine would have sent to everybody before the last
        # kill; and a moment more, or it would always be between two of them.
        steps, moment = random.randrange(40), random.uniform(0, 0.02)
        try:
            while pipe.poll(60) and pipe.recv() != "claimed":
                pass
            for _ in range(steps):
                pipe.recv()
            deadline = time.monotonic() + moment
            while (left := deadline - time.monotonic()) > 0 and pipe.poll(left):
                pipe.recv()  # or the process would wait for us to listen
        except EOFError:
            # It has paused by itself, as it must if a session is lost twice in a row.
            process.join()
            assert process.exitcode == 0
        if (asked := random.choice(SIGNALS)) is not signal.SIGKILL:
            with suppress(ProcessLookupError):
                os.kill(process.pid, asked)
            deadline = time.monotonic() + random.uniform(0, 0.05)
            with suppress(EOFError, ConnectionResetError):
                while (left := deadline - time.monotonic()) > 0 and pipe.poll(left):
                    pipe.recv()
        process.kill()
        process.join()
        pipe.close()
        if asked is signal.SIGKILL:
            killed += 1
            caught += in_flight(path) > 0
        if kind := random.choice(LOOKS):
            looked_at(path, kind)
            assert not in_flight(path), "who was in flight is in doubt as soon as somebody looks"
    return caught


def finished(path: Path, sandbox: Sandbox, **arguments: Any) -> None:
    pipe, told = FORKS.Pipe(duplex=False)
    process = start(path, sandbox, told, **arguments)
    told.close()
    steps = heard(pipe)
    process.join()
    pipe.close()
    assert steps[-1] == "finished"


def broken_promises(path: Path, sandbox: Sandbox, recipients: int) -> Counter[str]:
    """Hold the journal against the ledger, and return what was promised and not kept."""
    ledger: dict[str, list[str]] = {}
    for message in sandbox.messages:
        ledger.setdefault(message.destination, []).append(message.id)
    found: Counter[str] = Counter()
    seen = set()
    with Campaign.open(path, writing=False) as campaign:
        for one in campaign.recipients():
            assert one.number
            seen.add(one.number)
            ids = ledger.get(one.number, [])
            found["sent twice"] += len(ids) > 1
            if one.state is RecipientState.ACCEPTED:
                found["another id"] += one.message_id not in ids
            elif one.state is RecipientState.ASSUMED_SENT:
                continue
            elif one.state is RecipientState.IN_DOUBT:
                found["in doubt without a reason or a request"] += not (one.reason and one.request)
            elif one.state in (RecipientState.PENDING, RecipientState.REFUSED):
                found["paid and not listed"] += bool(ids)
            else:
                found[f"left {one.state}"] += 1
        listed = sum(request.in_doubt for request in campaign.in_doubt())
        found["in doubt and not listed"] += (
            campaign.figures().count(RecipientState.IN_DOUBT) - listed
        )
    found["lost"] += recipients - len(seen)
    found["paid and never asked for"] += len(ledger.keys() - seen)
    with closing(sqlite3.connect(path)) as connection:
        found["damaged"] += connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
    return +found


@pytest.mark.longest
def test_random_kills_send_nobody_twice_and_lose_nobody(tmp_path: Path):
    recipients, kills = times(6_000, 40_000), times(16, 200)
    path = tmp_path / "spring.sms"
    make(path, recipients)
    with Sandbox(Settings(credits=10**6, delivery_seconds=0, seed=21)) as sandbox:
        misbehave(sandbox)
        caught = killed_at_random(path, sandbox, kills, seed=21)
        with Campaign.open(path, writing=False) as campaign:
            pending = campaign.figures().count(RecipientState.PENDING)
        for _ in range(10):
            finished(path, sandbox, options={"batch": 100})
            with Campaign.open(path, writing=False) as campaign:
                if not campaign.figures().count(RecipientState.PENDING):
                    break
        assert broken_promises(path, sandbox, recipients) == {}
        if kills == 200:
            assert len(sandbox.faults.struck) >= len(FAULTS) - len(RARE), (
                "every fault has struck, but perhaps the rare ones"
            )
    with Campaign.open(path, writing=False) as campaign:
        states = campaign.figures().states
    print(
        f"\n{kills} kills, {caught} with a request in flight; {pending} were pending after "
        f"them; in the end {states}"
    )
    assert caught >= kills / 2, "so that it is no empty test"
    assert pending > 0, "no kill came after the end"
    assert RecipientState.PENDING not in states


def test_crash_at_each_step_sends_nobody_twice_and_loses_nobody(tmp_path: Path):
    recipients, names, crash_at = times(6, 12), set[str](), 0
    options = {"batch": 3, "concurrency": times(1, 2)}
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        while True:
            crash_at += 1
            path = tmp_path / f"{crash_at}.sms"
            make(path, recipients)
            sandbox.reset()
            sandbox.faults.add("drop after", operation="SendSMS", times=1)
            pipe, told = FORKS.Pipe(duplex=False)
            process = start(path, sandbox, told, options=dict(options), crash_at=crash_at)
            told.close()
            steps = heard(pipe)
            process.join()
            pipe.close()
            names.update(steps)
            if steps[-1] == "finished":
                break
            assert len(steps) == crash_at
            if kind := LOOKS[crash_at % len(LOOKS)]:
                looked_at(path, kind)
            finished(path, sandbox, options=dict(options))
            assert broken_promises(path, sandbox, recipients) == {}, steps
    print(f"\ncrashed at each of {crash_at - 1} steps")
    assert crash_at > times(15, 30)
    assert names == {
        "swept",
        "claiming",
        "claimed",
        "sending",
        "answered",
        "settling",
        "settled, not committed",
        "settled",
        "evidence",
        "ended",
        "finished",
    }


@pytest.mark.parametrize("bug", [bug for bug in campaign_child.BUGS if bug])
def test_planted_bug_is_found(bug: str, tmp_path: Path):
    recipients, kills = times(2_000, 4_000), times(8, 15)
    path = tmp_path / "spring.sms"
    make(path, recipients)
    with Sandbox(Settings(credits=10**6, delivery_seconds=0, seed=3)) as sandbox:
        misbehave(sandbox)
        killed_at_random(path, sandbox, kills, seed=3, bug=bug)
        finished(path, sandbox, bug=bug)
        found = broken_promises(path, sandbox, recipients)
    print(f"\n{bug}: {dict(found)}")
    assert found["sent twice"] > 0


def give_up(reason: str) -> None:
    """Say that nothing can be traced; where all is expected to be installed, that is a failure."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(
        f"the order of writing is not tested: {reason}"
    )


def test_claim_is_on_disk_before_the_first_byte_of_the_request(tmp_path: Path):
    if shutil.which("strace") is None:
        give_up("strace is not on this machine")
    path, log = tmp_path / "spring.sms", tmp_path / "calls"
    make(path, 30)
    code = (
        "import sys, multiprocessing, campaign_child\n"
        "_, told = multiprocessing.Pipe()\n"
        "campaign_child.run(sys.argv[1], sys.argv[2], told, {'batch': 10, 'concurrency': 1})\n"
    )
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        traced = [
            "strace",
            "-f",
            "-s",
            "2000",
            "-e",
            "trace=fsync,fdatasync,pwrite64,write,sendto,sendmsg",
            "-o",
            str(log),
        ]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
        }
        command = [*traced, sys.executable, "-c", code, str(path), sandbox.url]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment, check=False
        )
        if "ptrace" in done.stderr and "not permitted" in done.stderr:
            give_up("strace is not allowed on this machine")
        assert done.returncode == 0, done.stderr
        assert sandbox.accepted == 30
    # Names of calls, and for those that write the bytes of a request, which operation it is.
    written = re.finditer(
        r"\b(fsync|fdatasync|pwrite64|write|sendto|sendmsg)\((.*)",
        log.read_text("utf-8", "replace"),
    )
    calls = ["SendSMS" if "<ns1:SendSMS>" in call[2] else call[1] for call in written]
    sends = [place for place, call in enumerate(calls) if call == "SendSMS"]
    assert len(sends) == 3
    previous = 0
    for send in sends:
        between = calls[previous:send]
        journal = [call for call in between if call in ("pwrite64", "fsync", "fdatasync")]
        assert journal, "something was written between two requests"
        assert journal[-1] in ("fsync", "fdatasync"), "what was written was synced last"
        previous = send + 1
