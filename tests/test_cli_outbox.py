"""`smsgate outbox` and `smsgate database` in child processes, on messages of a real outbox."""

from __future__ import annotations

import getpass
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import anyio
import psycopg
import pytest
from commands import run_command
from json_documents import kinds_of
from postgres_cluster import Cluster, programs
from test_cli import Finished, Smsgate, clean_environment

import smsgate
from smsgate.cli.exits import Exit
from smsgate.outbox import Event, Outbox, OutboxMessage, RecipientState
from smsgate.sandbox import Sandbox

NUMBER, OTHER, NOT_RECOGNISED = "+380501234567", "+380671112233", "+380000000001"
SECRET = "needle-of-a-password"
ID = "ae9b95c4-5a59-435d-8a32-17136f12fb99"
NO_POSTGRES = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
S = RecipientState


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def run(tmp_path: Path) -> Smsgate:
    """The command without an account, in an empty folder."""

    def run(*arguments: str, stdin: str = "", **variables: str) -> Finished:
        done = run_command(
            arguments,
            stdin=stdin.encode(),
            environment=clean_environment(**variables),
            folder=tmp_path,
        )
        return Finished(done.code, done.out.decode(), done.err.decode())

    return run


async def fill(sandbox: Sandbox, place: str | Path) -> None:
    """Make four messages: 1 accepted, 2 refused, 3 in doubt, 4 pending."""
    async with (
        smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=sandbox.url) as session,
        Outbox(session, place) as outbox,
    ):
        await outbox.send(NUMBER, "Ваш код: 4815", key="login:1")
        with suppress(smsgate.BadDestination):
            await outbox.send(NOT_RECOGNISED, "hello", key="login:2")
        sandbox.faults.add("drop after", operation="SendSMS", times=1)
        with suppress(smsgate.InDoubt):
            await outbox.send(OTHER, "hello", key=f"code:{OTHER}")
        await outbox.add(NUMBER, "later", key="order:4")


def states_of(sandbox: Sandbox, place: str | Path) -> dict[int, OutboxMessage]:
    async def read() -> dict[int, OutboxMessage]:
        async with (
            smsgate.AsyncSession("sandbox", "sandbox", url=sandbox.url) as session,
            Outbox(session, place) as outbox,
        ):
            return {message.id: message for message in await outbox.messages()}

    return anyio.run(read)


@pytest.fixture
def filled(sandbox: Sandbox, tmp_path: Path) -> Path:
    anyio.run(fill, sandbox, tmp_path / "sms.db")
    return tmp_path / "sms.db"


@pytest.fixture
def outbox(run: Smsgate, filled: Path) -> Smsgate:
    """The command `smsgate outbox` with a filled database."""

    def on_file(*arguments: str, stdin: str = "", **variables: str) -> Finished:
        return run("outbox", *arguments, "--database", str(filled), stdin=stdin, **variables)

    return on_file


# --- list -----------------------------------------------------------------------------------------


def test_list_shows_each_message_with_a_masked_number(outbox: Smsgate):
    done = outbox("list", COLUMNS="160")
    assert (done.code, done.err) == (0, "")
    rows = re.findall(
        r"^ *(\d) +. ([a-z ]+?) +(\+\S+) +Shop +\S+ \S+ +(\S+)", done.out, re.MULTILINE
    )
    assert rows == [
        ("1", "accepted", "+380*****4567", "login:1"),
        ("2", "refused", "+380*****0001", "login:2"),
        ("3", "in doubt", "+380*****2233", "code:+380*****2233"),
        ("4", "pending", "+380*****4567", "order:4"),
    ]
    assert "Не удалось распознать номер получателя" in done.out
    assert "connection lost" in done.out
    assert "later" not in done.out, "no text is shown"


@pytest.mark.parametrize("columns", ["80", "100"])
def test_list_fits_a_narrow_terminal_in_columns(outbox: Smsgate, columns: str):
    lines = outbox("list", COLUMNS=columns).out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert len({line.index("+380*") for line in lines if re.match(r" *\d ", line)}) == 1


def test_json_lines_have_one_message_each(outbox: Smsgate):
    lines = outbox("list", "--json").lines
    assert [line["id"] for line in lines] == [1, 2, 3, 4]
    assert (lines[0]["state"], lines[0]["destination"]) == ("accepted", "+380*****4567")
    assert re.fullmatch("[0-9a-f-]{36}", lines[0]["message_id"])
    assert lines[3] == lines[3] | {"reason": None, "attempts": 0, "claimed_at": None}


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_full_numbers_are_shown_only_on_request(outbox: Smsgate, more: tuple[str, ...]):
    assert OTHER not in outbox("list", *more).out
    assert outbox("list", "--show-numbers", *more).out.count(OTHER) == 2
    assert OTHER not in outbox("in-doubt", *more).out
    assert OTHER in outbox("in-doubt", "--show-numbers", *more).out


def test_list_is_limited_to_states(outbox: Smsgate):
    done = outbox("list", "--json", "--state", "in-doubt", "--state", "pending")
    assert [line["id"] for line in done.lines] == [3, 4]
    assert outbox("list", "--state", "skipped").out == "There are no such messages.\n"
    assert [line["id"] for line in outbox("list", "--json", "--state", "in doubt").lines] == [3]


def test_long_list_says_how_to_continue(outbox: Smsgate):
    done = outbox("list", "--json", "--limit", "3")
    assert [line["id"] for line in done.lines] == [1, 2, 3]
    assert "--after 3 continues the list" in done.err
    done = outbox("list", "--json", "--limit", "3", "--after", "3")
    assert ([line["id"] for line in done.lines], done.err) == ([4], "")


# --- in doubt, resolve ----------------------------------------------------------------------------


def test_in_doubt_shows_reason_age_and_the_next_step(outbox: Smsgate, filled: Path):
    done = outbox("in-doubt", COLUMNS="200")
    assert done.code == Exit.IN_DOUBT
    said = " ".join(done.out.split())
    assert "1 message is in doubt. ? message 3 for " in said
    assert "reason: connection lost" in said
    assert "for: +380*****2233, from Shop" in said
    assert f"To decide: smsgate outbox resolve ID --database {filled} DECISION" in said
    assert "--resend may deliver a second copy" in said


def test_json_of_those_in_doubt_has_their_age(outbox: Smsgate):
    document = outbox("in-doubt", "--json").document
    assert document["in_doubt"] == 1
    (one,) = document["messages"]
    assert (one["id"], one["state"]) == (3, "in doubt")
    assert 0 <= one["seconds"] < 60


def test_lapsed_lease_is_in_doubt_when_the_command_looks(outbox: Smsgate, filled: Path):
    with closing(sqlite3.connect(filled)) as database, database:
        database.execute(
            "UPDATE smsgate_message SET state = 'in flight', lease_until = 1 WHERE id = 4"
        )
    (line,) = outbox("list", "--json", "--state", "in-doubt", "--after", "3").lines
    assert "the process that was sending ended" in line["reason"]


@pytest.mark.parametrize(
    ("message", "options", "state"),
    [
        (3, ["--sent"], S.ASSUMED_SENT),
        (3, ["--give-up"], S.ABANDONED),
        (3, ["--found", ID], S.ACCEPTED),
        (3, ["--resend", "--yes"], S.PENDING),
        (4, ["--cancel", "--yes"], S.ABANDONED),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_decision_is_recorded_with_who_and_why(
    outbox: Smsgate, filled: Path, message: int, options: list[str], state: S
):
    done = outbox("resolve", str(message), *options, "--note", "seen by the provider", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document["state"] == state
    assert done.document["left"] == (0 if message == 3 else 1)
    (kept,) = outbox("list", "--json", "--after", str(message - 1), "--limit", "1").lines
    assert kept["state"] == state
    assert kept["message_id"] == (ID if state is S.ACCEPTED else None)
    with closing(sqlite3.connect(filled)) as database:
        rows = database.execute("SELECT message, who, event, note FROM smsgate_decision").fetchall()
    assert rows == [(message, getpass.getuser(), done.document["event"], "seen by the provider")]
    assert done.document["event"] in set(Event)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["3"], "give exactly one of"),
        (["3", "--sent", "--give-up"], "give exactly one of"),
        (["3", "--found", "17"], "must be a message id of the gateway"),
        (["4", "--sent"], "message 4 is pending; this decision is for one that is in doubt"),
        (["3", "--cancel", "--yes"], "message 3 is in doubt"),
        (["99", "--sent"], "the outbox has no message 99"),
        (["three", "--sent"], "must be the id of a message"),
        (["3", "--resend"], "use --yes"),
        (["4", "--cancel"], "use --yes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_decision_changes_nothing(
    outbox: Smsgate, sandbox: Sandbox, filled: Path, arguments: list[str], said: str
):
    before = states_of(sandbox, filled)
    done = outbox("resolve", *arguments)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert said in done.err
    assert states_of(sandbox, filled) == before


# --- purge ----------------------------------------------------------------------------------------


def test_purge_deletes_only_old_final_messages(outbox: Smsgate, sandbox: Sandbox, filled: Path):
    done = outbox("purge", "--older-than", "1h", "--yes", "--json")
    assert (done.code, done.document) == (0, {"deleted": 0})
    with closing(sqlite3.connect(filled)) as database, database:
        database.execute("UPDATE smsgate_message SET settled_at = settled_at - 86410")
    assert outbox("purge", "--older-than", "2d", "--yes").out == "0 messages deleted.\n"
    assert outbox("purge", "--older-than", "24h", "--yes").out == "2 messages deleted.\n"
    assert set(states_of(sandbox, filled)) == {3, 4}


def test_purge_asks_and_accepts_only_a_duration(outbox: Smsgate, sandbox: Sandbox, filled: Path):
    assert "use --yes" in outbox("purge", "--older-than", "0s").err
    for wrong in ("30", "-1d", "1 year", "1.5h", ""):
        done = outbox("purge", f"--older-than={wrong}", "--yes")
        assert (done.code, "must be a number with a unit" in done.err) == (Exit.USAGE, True), wrong
    assert len(states_of(sandbox, filled)) == 4


# --- the database ---------------------------------------------------------------------------------


def test_environment_and_env_file_name_the_database(run: Smsgate, filled: Path, tmp_path: Path):
    assert len(run("outbox", "list", "--json", SMSGATE_DATABASE=str(filled)).lines) == 4
    (tmp_path / ".env").write_text(f"SMSGATE_DATABASE={filled}\n", "utf-8")
    assert len(run("outbox", "list", "--json").lines) == 4
    assert run("outbox", "list", "--database", "other.db").code == Exit.USAGE
    done = run("outbox", "in-doubt", COLUMNS="200")
    assert "smsgate outbox resolve ID DECISION" in done.out, "the same environment has the place"


def test_without_a_database_the_error_says_what_to_set(run: Smsgate):
    done = run("outbox", "list")
    assert done.code == Exit.USAGE
    assert done.err == "error: no database: use --database, or set SMSGATE_DATABASE\n"


def other_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE mine (id)")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "there is no such file"),
        (other_file, "To create it: smsgate database migrate --database mine.db"),
        (lambda path: path.write_bytes(b"no database at all" * 100), "file is not a database"),
    ],
    ids=["no file", "another database", "no database"],
)
@pytest.mark.parametrize(
    "command",
    [
        ["outbox", "list"],
        ["outbox", "in-doubt"],
        ["outbox", "resolve", "3", "--sent"],
        ["outbox", "purge", "--older-than", "1d", "--yes"],
    ],
    ids=lambda words: words[1],
)
def test_command_creates_no_outbox_where_there_is_none(
    run: Smsgate, tmp_path: Path, command: list[str], make: Callable[[Path], None], said: str
):
    path = tmp_path / "mine.db"
    make(path)
    before = path.read_bytes() if path.exists() else None
    done = run(*command, "--database", "mine.db")
    assert (done.code, done.out, done.err.count("\n")) == (Exit.USAGE, "", 1)
    assert said in done.err
    assert (path.read_bytes() if path.exists() else None) == before


def test_migrate_creates_the_tables_once(run: Smsgate, tmp_path: Path):
    done = run("database", "migrate", "--database", "new.db")
    assert (done.code, done.out) == (0, "new.db: tables of version 2 created.\n")
    assert (tmp_path / "new.db").stat().st_mode & 0o077 == 0
    done = run("database", "migrate", "--database", "new.db")
    assert done.out == "new.db: the tables have version 2 already.\n"
    other_file(tmp_path / "mine.db")
    document = run("database", "migrate", "--database", "mine.db", "--json").document
    assert document == {"database": "mine.db", "version": 2, "before": None}
    assert run("outbox", "list", "--database", "mine.db").code == 0


def checks(done: Finished) -> dict[str, str]:
    return {row["check"]: row["mark"] for row in done.document["checks"]}


def test_check_of_a_good_file_finds_no_problem(run: Smsgate, filled: Path):
    done = run("database", "check", "--database", str(filled), "--json")
    assert done.code == 0
    assert done.document["problems"] == 0
    assert checks(done) == dict.fromkeys(("tables", "SQLite", "journal mode", "synchronous"), "ok")
    assert "Nothing needs to change." in run("database", "check", "--database", str(filled)).out


def test_check_finds_missing_tables_and_changes_nothing(run: Smsgate, tmp_path: Path):
    other_file(tmp_path / "mine.db")
    before = (tmp_path / "mine.db").read_bytes()
    done = run("database", "check", "--database", "mine.db", "--json")
    assert done.code == Exit.REFUSED
    assert checks(done) == {
        "tables": "problem",
        "SQLite": "ok",
        "journal mode": "note",
        "synchronous": "ok",
    }
    assert "smsgate database migrate --database mine.db" in str(done.document["changes"])
    assert (tmp_path / "mine.db").read_bytes() == before


def test_tables_of_a_newer_version_are_left_alone(run: Smsgate, filled: Path):
    with closing(sqlite3.connect(filled)) as database, database:
        database.execute("UPDATE smsgate_setting SET value = '99' WHERE name = 'version'")
    done = run("database", "check", "--database", str(filled))
    assert done.code == Exit.REFUSED
    assert "Install a newer smsgate." in done.out
    done = run("outbox", "list", "--database", str(filled))
    assert (done.code, done.err.count("\n")) == (Exit.USAGE, 1)
    assert "version 99" in done.err


@pytest.mark.parametrize("arguments", [["--help"], ["outbox", "list", "--database", "sms.db"]])
def test_command_without_a_server_loads_no_engine(filled: Path, arguments: list[str]):
    absent = {"psycopg", "procrastinate"} | ({"sqlite3"} if arguments == ["--help"] else set())
    code = (
        # What measures coverage may have loaded some of them already.
        "import sys\nbefore = {*sys.modules}\nfrom smsgate.cli import main\n"
        f"sys.argv = ['smsgate', *{arguments!r}]\ncode = main()\n"
        f"print({absent!r} & {{*sys.modules}} - before, code)"
    )
    out = subprocess.check_output(
        [sys.executable, "-c", code], text=True, env=clean_environment(), cwd=filled.parent
    )
    assert out.splitlines()[-1] == "set() 0"


# --- PostgreSQL -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/sms?password={SECRET}",
        f"postgresql+psycopg://me:{SECRET}@127.0.0.1/sms",
        f"mysql://me:{SECRET}@127.0.0.1/sms",
        f"postgresql://me:{SECRET}@[::1/sms",
        f"host=127.0.0.1 password={SECRET}",
    ],
)
@pytest.mark.parametrize(
    "command",
    [["outbox", "list", "-v"], ["database", "check", "--json"], ["database", "migrate"]],
    ids=lambda words: words[1],
)
def test_password_of_an_address_is_never_shown(
    run: Smsgate, tmp_path: Path, command: list[str], address: str
):
    done = run(*command, SMSGATE_DATABASE=address)
    assert done.code == Exit.USAGE
    assert SECRET not in done.out + done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_file_does_not_fail_over(run: Smsgate, filled: Path):
    done = run("database", "accept-failover", "--database", str(filled), "--yes")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "an SQLite file does not fail over" in done.err


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(synced=True) as running:
        yield running


@pytest.fixture
def server(cluster: Cluster) -> Cluster:
    """A server without an outbox."""
    with psycopg.connect(cluster.address, autocommit=True) as database:
        database.execute("DROP SCHEMA IF EXISTS smsgate CASCADE")
    return cluster


@NO_POSTGRES
def test_outbox_commands_work_on_a_server(run: Smsgate, sandbox: Sandbox, server: Cluster):
    place = server.address
    done = run("outbox", "list", "--database", place)
    assert done.code == Exit.USAGE
    shown = f"postgresql://127.0.0.1:{server.port}/sms"
    assert done.err == (
        f"error: {shown}: there is no outbox in this database. To create it: smsgate database"
        " migrate --database URL\n"
    )
    done = run("database", "migrate", "--database", place)
    assert done.out == f"{shown}: tables of version 4 created.\n"
    anyio.run(fill, sandbox, place)
    assert [
        line["state"] for line in run("outbox", "list", "--json", "--database", place).lines
    ] == ["accepted", "refused", "in doubt", "pending"]
    assert run("outbox", "in-doubt", "--database", place).code == Exit.IN_DOUBT
    done = run("outbox", "resolve", "3", "--found", ID, "--json", SMSGATE_DATABASE=place)
    assert (done.code, done.document["state"]) == (0, "accepted")
    assert run("outbox", "purge", "--older-than", "0s", "--yes", SMSGATE_DATABASE=place).out == (
        "3 messages deleted.\n"
    )
    assert [
        line["id"] for line in run("outbox", "list", "--json", SMSGATE_DATABASE=place).lines
    ] == [4]


@NO_POSTGRES
def test_check_of_a_server_finds_what_is_unsafe(run: Smsgate, server: Cluster):
    place = server.address
    done = run("database", "check", "--database", place, "--json")
    assert done.code == Exit.REFUSED
    assert checks(done)["tables"] == "problem"
    run("database", "migrate", "--database", place)
    with psycopg.connect(place, autocommit=True) as database:
        database.execute("ALTER ROLE tester SET synchronous_commit = off")
        ((fsync,),) = database.execute("SHOW fsync")
    done = run("database", "check", "--database", place, "--json")
    marks = checks(done)
    assert marks == {
        "tables": "ok",
        "server": "ok",
        "commits": "ok",
        "disk": "ok" if fsync == "on" else "problem",
        "timeline": "ok",
        "standby": "note",
    }, "a connection of the outbox raises synchronous_commit itself"
    assert done.code == (Exit.DONE if fsync == "on" else Exit.REFUSED)


@NO_POSTGRES
def test_failover_is_found_and_accepted(run: Smsgate, sandbox: Sandbox):
    with Cluster(synced=True) as server:
        place = server.address
        anyio.run(fill, sandbox, place)
        done = run("database", "accept-failover", "--database", place, "--yes")
        assert (done.code, done.out) == (Exit.USAGE, "")
        assert "has not failed over" in done.err
        # The server itself becomes a standby and takes over, which begins a new timeline.
        server.stop()
        (server.data / "standby.signal").touch()
        server.start()
        assert checks(run("database", "check", "--database", place, "--json")) == {
            "tables": "ok",
            "server": "problem",
            "commits": "ok",
            "disk": "ok",
            "timeline": "skipped",
            "standby": "note",
        }
        server.run("pg_ctl", "-D", str(server.data), "-w", "promote")
        done = run("database", "check", "--database", place, COLUMNS="200")
        assert done.code == Exit.REFUSED
        assert "00000002 in place of 00000001: a standby took over" in done.out
        assert "smsgate database accept-failover --database URL" in done.out
        assert "use --yes" in run("database", "accept-failover", "--database", place).err
        done = run("database", "accept-failover", "--database", place, "--yes", "--json")
        assert (done.code, done.document["moved"], done.document["in_doubt"]) == (0, 1, 2)
        assert kinds_of("database accept-failover", done.out) == ["FailoverAccepted"]
        kept = states_of(sandbox, place)
        assert {kept[3].state, kept[4].state} == {S.IN_DOUBT}
        assert run("database", "check", "--database", place).code == 0
