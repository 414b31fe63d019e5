"""The database file of the sandbox: what survives a restart and a kill, and files it refuses."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import needles
import pytest
from test_cli import start
from test_sandbox import GOOD, OTHER, Clock, User
from test_sandbox_api import call, got

from smsgate.protocol.answers import DeliveryState
from smsgate.sandbox import AccountState, OtherAccount, Sandbox, Settings
from smsgate.sandbox.database import SandboxDatabase


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.db"


def kept(sandbox: Sandbox) -> dict[str, Any]:
    """Return everything that a restart must not change, through the JSON API."""
    state = got(sandbox, "/sandbox/state")
    messages = got(sandbox, "/sandbox/messages")["messages"]
    calls = got(sandbox, "/sandbox/calls")["calls"]
    return {
        **{
            name: state[name]
            for name in ("accounts", "accepted", "messages", "calls", "sessions", "faults")
        },
        "messages": [got(sandbox, f"/sandbox/messages/{one['id']}") for one in messages],
        "calls": [got(sandbox, f"/sandbox/calls/{one['number']}") for one in calls],
    }


def fill(sandbox: Sandbox) -> User:
    """Leave one of everything."""
    user = User(sandbox)
    user.send(f"{GOOD},{OTHER}", f"It’s {'a' * 80}")
    user.call("SendSMS", sender="Shop", destination=GOOD, wappush="https://shop.example")
    user.send("+9873000")
    User(sandbox, login=False).post(b"<no soap>")
    sandbox.set_status(sandbox.messages[1].id, DeliveryState.EXPIRED)
    got(sandbox, "/sandbox/faults", "POST", {"kind": "slow", "operation": "Auth", "seconds": 0.5})
    return user


def test_restart_keeps_everything_that_can_be_seen(file: Path):
    settings = Settings(delivery_seconds=0)
    with Sandbox(settings, database=file) as sandbox:
        user = fill(sandbox)
        before = kept(sandbox)
    with Sandbox(settings, database=file) as sandbox:
        assert kept(sandbox) == before
        # The cookie is still logged in, and the sequence goes on.
        user.url = sandbox.url
        (_, id_) = user.send().slots
        assert (sandbox.messages[-1].id, sandbox.messages[-1].sequence) == (id_, 4)
        assert user.call("GetCreditBalance").result == str(10_000 - 5 - 1)


def test_restart_keeps_state_and_balance_of_each_account(file: Path):
    settings = Settings(other_accounts=(OtherAccount("promo", "secret", 500),))
    with Sandbox(settings, database=file) as sandbox:
        sandbox.set_account("promo", state=AccountState.BLOCKED, balance=Decimal("7.25"))
        sandbox.balance = 3
        before = sandbox.accounts
    with Sandbox(settings, database=file) as sandbox:
        assert sandbox.accounts == before
        sandbox.reset()
    with Sandbox(settings, database=file) as sandbox:
        assert [(row.state, row.balance) for row in sandbox.accounts] == [
            (AccountState.ACTIVE, 10_000),
            (AccountState.ACTIVE, 500),
        ]


def test_schedule_of_deliveries_goes_on_after_a_restart(file: Path):
    clock, settings = Clock(), Settings(delivery_seconds=100)
    with Sandbox(settings, database=file, clock=clock) as sandbox:
        (_, id_) = User(sandbox).send().slots
        clock.now += 50
        before = sandbox.messages[0].state
    with Sandbox(settings, database=file, clock=clock) as sandbox:
        assert sandbox.messages[0].state == before != DeliveryState.DELIVERED
        clock.now += 60
        assert sandbox.messages[0].state is DeliveryState.DELIVERED
        assert User(sandbox).status(str(id_)) == "Сообщение доставлено получателю"


CHANGES: dict[str, Any] = {
    "delete one": lambda sandbox: got(
        sandbox, f"/sandbox/messages/{sandbox.messages[0].id}", "DELETE"
    ),
    "delete found": lambda sandbox: sandbox.delete("to:0501234567"),
    "clear": lambda sandbox: sandbox.clear(),
    "reset": lambda sandbox: sandbox.reset(),
    "end all sessions": lambda sandbox: sandbox.drop_sessions(),
    "end one session": lambda sandbox: got(
        sandbox,
        f"/sandbox/sessions/{got(sandbox, '/sandbox/state')['sessions'][0]['key']}",
        "DELETE",
    ),
    "block": lambda sandbox: setattr(sandbox, "account", AccountState.BLOCKED),
    "block and clear": lambda sandbox: (
        setattr(sandbox, "account", AccountState.BLOCKED),
        sandbox.clear(),
    ),
    "remove the fault": lambda sandbox: sandbox.faults.clear(),
    "resume the schedule": lambda sandbox: sandbox.set_status(sandbox.messages[1].id, None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_restart_does_not_undo_a_change(change: str, file: Path):
    settings = Settings(delivery_seconds=0)
    with Sandbox(settings, database=file) as sandbox:
        fill(sandbox)
        untouched = kept(sandbox)
        CHANGES[change](sandbox)
        before = kept(sandbox)
        assert before != untouched
    with Sandbox(settings, database=file) as sandbox:
        assert kept(sandbox) == before


def test_session_lost_by_a_fault_stays_lost(file: Path):
    with Sandbox(database=file) as sandbox:
        user = User(sandbox)
        sandbox.faults.add("session loss", times=1)
        user.call("GetCreditBalance")
    with Sandbox(database=file) as sandbox:
        user.url = sandbox.url
        assert user.call("GetCreditBalance").result == "Вы не авторизованы"


def test_fault_with_a_number_of_times_goes_on_counting(file: Path):
    with Sandbox(database=file) as sandbox:
        got(sandbox, "/sandbox/faults", "POST", {"kind": "html", "times": 3})
        sandbox.faults.add("empty", operation="SendSMS")
        User(sandbox, login=False).call("GetCreditBalance")
    with Sandbox(database=file) as sandbox:
        # What a program has added, it adds again.
        (rule,) = sandbox.faults.rules
        assert (rule.kind, rule.times, rule.struck) == ("html", 2, 1)
        assert sandbox.faults.add("empty").id > rule.id


def test_limits_delete_also_from_the_file(file: Path):
    settings = Settings(keep_messages=10, keep_calls=5)
    with Sandbox(settings, database=file) as sandbox:
        user = User(sandbox)
        for count in range(30):
            user.send(GOOD, f"text {count}")
    with closing(sqlite3.connect(file)) as connection:
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("messages", "calls", "exchanges")
        }
    assert counts == {"messages": 10, "calls": 5, "exchanges": 10}
    # A smaller limit applies to what is already there.
    with Sandbox(Settings(keep_messages=3), database=file) as sandbox:
        assert [message.text for message in sandbox.messages] == ["text 27", "text 28", "text 29"]
        assert (sandbox.accepted, got(sandbox, "/sandbox/state")["forgotten"]) == (30, 27)


def test_old_messages_and_calls_are_deleted_by_age(file: Path):
    clock, settings = Clock(), Settings(keep_seconds=60)
    with Sandbox(settings, database=file, clock=clock) as sandbox:
        User(sandbox).send(GOOD, "old")
        clock.now += 40
        User(sandbox).send(GOOD, "new")
        clock.now += 30
        revision = got(sandbox, "/sandbox/state")["revision"]
        assert [message.text for message in sandbox.messages] == ["new"]
        assert [one.operation for one in sandbox.call_log] == ["Auth", "SendSMS"]
        assert got(sandbox, "/sandbox/conversations")["conversations"][0]["messages"] == 1
        clock.now += 60
        # A page that listens is told without a call.
        assert got(sandbox, "/sandbox/messages")["revision"] > revision
        assert (sandbox.messages, sandbox.call_log) == ((), ())
    with Sandbox(settings, database=file, clock=clock) as sandbox:
        assert (sandbox.messages, sandbox.accepted) == ((), 2)


def test_ids_stay_unique_with_a_seed(file: Path):
    seen: list[str] = []
    for _ in range(3):
        with Sandbox(Settings(seed=7), database=file) as sandbox:
            seen += [str(id_) for id_ in User(sandbox).send(f"{GOOD},{OTHER}").slots[1:]]
            assert [message.id for message in sandbox.messages] == seen
            assert len(got(sandbox, "/sandbox/state")["sessions"]) == len(seen) / 2
    assert len(set(seen)) == 6


def test_passwords_are_not_in_the_file(file: Path):
    others = (OtherAccount("promo", needles.PASSWORD),)
    settings = Settings(password=needles.WRONG_PASSWORD, other_accounts=others)
    with Sandbox(settings, database=file) as sandbox:
        user = User(sandbox, login=False)
        user.call("Auth", login="promo", password=needles.PASSWORD)
        user.call("Auth", login="sandbox", password=needles.WRONG_PASSWORD)
        user.send(GOOD, needles.WORD)
    content = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert needles.PASSWORD.encode() not in content
    assert needles.WRONG_PASSWORD.encode() not in content


def test_only_its_owner_may_read_the_file(file: Path):
    with Sandbox(database=file) as sandbox:
        User(sandbox).send()
        assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}


def test_sandbox_without_a_database_writes_no_file(tmp_path: Path):
    before = set(tmp_path.iterdir())
    with Sandbox() as sandbox:
        User(sandbox).send()
    assert set(tmp_path.iterdir()) == before


# A process that ends


def serve(file: Path, *more: str, **variables: str) -> tuple[Any, Any]:
    child = start(
        "sandbox", "--json", "--port", "0", "--database", str(file), *more, cwd=file.parent,
        **variables,
    )  # fmt: skip
    assert child.stdout
    line = child.stdout.readline()
    assert line, child.communicate(timeout=30)
    return child, SimpleNamespace(**json.loads(line))


@pytest.mark.heavy
@pytest.mark.parametrize("killed_after", [1, 37, 150])
def test_killed_sandbox_has_every_message_that_it_accepted(killed_after: int, file: Path):
    child, running = serve(file)
    accepted: list[str] = []
    user = User(running)  # type: ignore[arg-type] - only its address is used
    killer = threading.Event()

    def kill() -> None:
        killer.wait()
        os.kill(child.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        while True:
            accepted += [str(id_) for id_ in user.send(f"{GOOD},{OTHER}").slots[1:]]
            if len(accepted) >= 2 * killed_after:
                killer.set()
    except (OSError, HTTPException):  # also if the answer ends in the middle
        pass
    thread.join()
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    child, running = serve(file)
    try:
        stored = {
            one["id"]
            for one in got(
                SimpleNamespace(url=running.url),  # type: ignore[arg-type]
                "/sandbox/messages?limit=10000",
            )["messages"]
        }
        assert stored >= set(accepted)
        # At most the one call that was not answered is there too.
        assert len(stored - set(accepted)) <= 2
        user.url = running.url
        assert user.call("GetCreditBalance").result == str(10_000 - len(stored))
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)


def test_restarted_command_does_not_print_earlier_calls_and_adds_its_faults_once(file: Path):
    for _ in range(2):
        child = start(
            "sandbox", "--json", "--port", "0", "--database", str(file), "--fault", "html,Auth",
            cwd=file.parent,
        )  # fmt: skip
        assert child.stdout
        running = SimpleNamespace(**json.loads(child.stdout.readline()))
        User(running, login=False).call("GetCreditBalance")  # type: ignore[arg-type]
        found = got(running, "/sandbox/state")["faults"]  # type: ignore[arg-type]
        assert [fault["kind"] for fault in found] == ["html"]
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=30)
        assert [json.loads(line)["operation"] for line in out.splitlines()] == ["GetCreditBalance"]


# Files that cannot be used


def not_sqlite(file: Path) -> None:
    file.write_text("name,phone\n" * 1_000)


def other_program(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")


def other_application(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA application_id = 7")


def newer(file: Path) -> None:
    with Sandbox(database=file):
        pass
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


def damaged(file: Path) -> None:
    with Sandbox(database=file) as sandbox:
        for _ in range(30):
            User(sandbox).send()
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * 8192)


def odd_value(file: Path) -> None:
    with Sandbox(database=file) as sandbox:
        User(sandbox).send()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE messages SET state = 'eaten'")
        connection.commit()


BAD_FILES = {
    "not SQLite": (not_sqlite, "it is not the database of a sandbox; choose another file"),
    "of another program": (other_program, "it is not the database of a sandbox"),
    "of another application": (other_application, "it is not the database of a sandbox"),
    "newer": (newer, "a newer version of smsgate has written this file; install that version"),
    "damaged": (damaged, "the file is damaged; delete it or choose another file"),
    "odd value": (odd_value, "the file is damaged; delete it or choose another file"),
    "folder": (Path.mkdir, "it is a folder; name a file, such as sandbox.db"),
    "no file": (os.mkfifo, "it is not a file; name a file, such as sandbox.db"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_is_an_error_that_says_what_to_do_and_stays_as_it_is(case: str, file: Path):
    make, why = BAD_FILES[case]
    make(file)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(ValueError, match=f"^database: {why}"):
        Sandbox(database=file)
    assert (file.read_bytes() if file.is_file() else None) == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere/sandbox.db", "its folder does not exist; create the folder first"),
        ("/proc/sandbox.db", "it cannot be written; check the permissions of the file and of its"),
    ],
)
def test_impossible_place_is_a_usage_error_in_one_line(path: str, why: str, tmp_path: Path):
    child = start("sandbox", "--port", "0", cwd=tmp_path, SMSGATE_SANDBOX_DATABASE=path)
    out, said = child.communicate(timeout=30)
    assert (child.returncode, out) == (2, "")
    (line,) = said.strip().splitlines()
    assert line.startswith(f"error: database: {why}")


def test_file_of_a_running_sandbox_is_refused(file: Path):
    child, _ = serve(file)
    try:
        with pytest.raises(ValueError, match=r"^database: another sandbox uses it; stop that one"):
            Sandbox(database=file)
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)
    with Sandbox(database=file), pytest.raises(ValueError, match="another sandbox uses it"):
        Sandbox(database=file)
    Sandbox(database=file).__exit__(None, None, None)


def test_empty_file_is_used(file: Path):
    file.touch()
    with Sandbox(database=file) as sandbox:
        User(sandbox).send()
    with Sandbox(database=file) as sandbox:
        assert sandbox.accepted == 1


def test_sandbox_that_has_closed_its_database_does_not_start_again(file: Path):
    sandbox = Sandbox(database=file)
    with sandbox:
        User(sandbox).send()
    assert len(sandbox.messages) == 1
    with pytest.raises(RuntimeError, match="make a new Sandbox"), sandbox:
        pass


def unwritable(sandbox: Sandbox) -> None:
    """Make each write fail: the pages of the file are used up."""
    database: Any = sandbox._gateway._database
    assert isinstance(database, SandboxDatabase)
    (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_call_that_could_not_be_written_is_not_answered_as_accepted(file: Path):
    with Sandbox(database=file) as sandbox:
        user = User(sandbox)
        unwritable(sandbox)
        answered = user.send(GOOD, "a" * 60_000)
        assert (answered.status, answered.text) == (
            500,
            "database: the disk is full; free some space",
        )
        # The API says the same, and reading works.
        status, document = call(
            sandbox, "/sandbox/faults", "POST", {"kind": "slow", "operation": "Auth"}
        )
        assert status in (200, 500)
        assert got(sandbox, "/healthz")["status"] == "ok"
        del document
