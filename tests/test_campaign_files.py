"""The file of a campaign after a killed run, on a full disk, with a damaged page, or removed.

The commands are called in this process; the killed run was a real one, made once and copied.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import campaign_child
import pytest
from forks import in_child

from smsgate import AsyncSession
from smsgate.campaign import (
    Campaign,
    Event,
    JournalError,
    JournalLost,
    Progress,
    RecipientState,
    SqliteJournal,
    rows_source,
)
from smsgate.cli.app import run
from smsgate.cli.exits import Exit
from smsgate.ledger.records import JournalBusy, JournalInUse, RecipientOutcome, RequestEnd
from smsgate.ledger.sqlite.journal import ENDED_EARLY
from smsgate.ledger.sqlite.statements import schema
from smsgate.sandbox import Sandbox, Settings

S = RecipientState
ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"
NUMBERS = [f"+38050111{number:04}" for number in range(10)]
PASSWORD = "swordfish-of-the-tests"


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a killed run left it:

    of ten recipients two are accepted, two are in doubt, and two are in flight.
    """
    folder = tmp_path_factory.mktemp("killed")
    path = make(folder / "spring.sms")
    assert (
        in_child(campaign_child.die_in_flight, str(path), (Event.ACCEPTED, Event.IN_DOUBT), ID)
        == -9
    )
    assert (folder / "spring.sms-wal").stat().st_size
    return folder


@pytest.fixture
def killed(killed_run: Path, tmp_path: Path) -> Path:
    return copied(killed_run, tmp_path / "copy")


def copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to / "spring.sms"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(Settings(login="shop", password=PASSWORD, delivery_seconds=0)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    running.reset()
    monkeypatch.chdir(tmp_path)  # so that no .env file of the developer is read
    for name, value in {"LOGIN": "shop", "PASSWORD": PASSWORD, "URL": running.url}.items():
        monkeypatch.setenv(f"SMSGATE_{name}", value)
    return running


def make(path: Path, count: int = 10) -> Path:
    Campaign.create(
        path, rows_source(f"+38050111{n:04}" for n in range(count)), sender="Shop", text="Вітаємо!"
    ).close()
    return path


def edit(path: Path, *statements: str) -> None:
    """Change the file behind the journal's back."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def lose(journal: SqliteJournal, count: int) -> None:
    claim = journal.claim(journal.start_run(), count)
    assert claim
    journal.settle(
        claim,
        [RecipientOutcome(key, Event.IN_DOUBT, None, "lost") for key, _ in claim.recipients],
        RequestEnd(),
    )


# A killed run


COMMANDS: dict[str, list[str]] = {
    "status": ["status", "FILE"],
    "in-doubt": ["in-doubt", "FILE"],
    "resolve": ["resolve", "FILE", "--sent"],
    "resolve nobody": ["resolve", "FILE", "--sent", "--request", "99"],
    "poll": ["poll", "FILE", "--timeout", "0.1"],
    "run": ["run", "FILE", "--yes"],
    "run not agreed": ["run", "FILE"],
    "run with a wrong password": ["run", "FILE", "--yes"],
    "purge": ["purge", "FILE", "--yes"],
    "report": ["report", "FILE"],
    "export": ["export", "FILE", "out.csv", "--overwrite"],
    "skipped": ["skipped", "FILE"],
}


def forget_to_close(path: Path) -> None:
    journal = SqliteJournal.open(path)
    journal.sweep()
    del journal
    gc.collect()


def does(command: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    if command == "not closed":
        forget_to_close(path)
        return 0
    with monkeypatch.context() as patch:
        if "password" in command:
            patch.setenv("SMSGATE_PASSWORD", "wrong")
        return run(
            ["campaign", *(str(path) if word == "FILE" else word for word in COMMANDS[command])]
        )


@pytest.mark.parametrize("first", [*COMMANDS, "not closed"])
def test_file_is_intact_for_any_two_commands_after_a_kill(
    first: str,
    killed: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def do(command: str, path: Path) -> None:
        assert does(command, path, monkeypatch) != Exit.FAULT
        assert "is missing" not in capsys.readouterr().err, command

    do(first, killed)
    for second in [*COMMANDS, "not closed"]:
        path = copied(killed.parent, killed.parent.with_name("again"))
        do(second, path)
        with Campaign.open(path) as campaign:
            states = campaign.journal.states()
        doubted = states.get(S.IN_DOUBT, 0) + states.get(S.ASSUMED_SENT, 0)
        assert (doubted, states.get(S.IN_FLIGHT)) == (4, None), second
        assert states[S.ACCEPTED] + states.get(S.PENDING, 0) == 6
    assert {message.destination for message in sandbox.messages} <= set(NUMBERS[6:]), (
        "who was claimed is not sent to again"
    )


def test_file_that_cannot_be_opened_keeps_its_log(killed: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr("smsgate.ledger.sqlite.statements.SCHEMA_VERSION", 1)  # an older release
        with pytest.raises(JournalError, match="install a newer smsgate"):
            SqliteJournal.open(killed)
    with Campaign.open(killed) as campaign:
        assert campaign.figures().count(S.IN_DOUBT) == 4


def test_reader_of_a_killed_run_sees_in_flight_as_in_doubt(killed: Path):
    before = {
        file.name: file.read_bytes()
        for file in killed.parent.iterdir()
        if not file.name.endswith("-shm")
    }
    with Campaign.open(killed, writing=False) as campaign:
        assert campaign.figures().states == {S.ACCEPTED: 2, S.IN_DOUBT: 4, S.PENDING: 4}
        assert [request.reason for request in campaign.in_doubt()][-1] == ENDED_EARLY
    assert before == {
        file.name: file.read_bytes()
        for file in killed.parent.iterdir()
        if not file.name.endswith("-shm")
    }


def test_reader_of_a_live_run_sees_who_is_in_flight(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    with closing(SqliteJournal.open(path)) as journal:
        journal.claim(journal.start_run(), 3)
        with Campaign.open(path, writing=False) as campaign:
            assert campaign.figures().states == {S.IN_FLIGHT: 3, S.PENDING: 7}


# A file that is removed or replaced while a run is at it


def gone(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_name("other"))
    path.with_name("other").replace(path)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-lock"])
@pytest.mark.parametrize("happens", [gone, replaced])
def test_no_claim_is_made_once_a_file_is_removed_or_replaced(
    happens: Callable[[Path], None], suffix: str, tmp_path: Path
):
    path = make(tmp_path / "a.sms")
    with closing(SqliteJournal.open(path)) as journal:
        number = journal.start_run()
        claim = journal.claim(number, 2)
        assert claim
        happens(path.with_name(f"a.sms{suffix}"))
        with pytest.raises(
            JournalLost,
            match=f"a.sms{suffix} was removed or replaced while a run was using it. Nothing more",
        ):
            journal.claim(number, 2)
        # What was in flight may still be written down.
        journal.settle(
            claim,
            [RecipientOutcome(key, Event.ACCEPTED, ID) for key, _ in claim.recipients],
            RequestEnd(),
        )
    (kept,) = [path] if suffix else tmp_path.glob("a.sms.saved-*[0-9a-f]")
    assert oct(kept.stat().st_mode & 0o777) == "0o600"
    with Campaign.open(kept) as campaign:
        assert campaign.figures().states == {S.ACCEPTED: 2, S.PENDING: 8}


def test_file_replaced_before_the_run_begins_is_noticed(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    with closing(SqliteJournal.open(path)) as journal:
        replaced(path)
        with pytest.raises(JournalLost, match=r"a\.sms was removed or replaced"):
            journal.start_run()


def test_journal_that_cannot_be_saved_says_so_and_unlocks(tmp_path: Path):
    folder = tmp_path / "gone"
    folder.mkdir()
    path = make(folder / "a.sms")
    journal = SqliteJournal.open(path)
    journal.start_run()
    shutil.rmtree(folder)
    with pytest.raises(JournalError, match="its data could not be saved"):
        journal.close()
    journal.close()


# A full disk


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_close_releases_the_lock_on_a_full_disk(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    journal = SqliteJournal.open(path)
    journal.claim(journal.start_run(), 3)
    with full_disk(0):
        with pytest.raises(JournalError, match="the disk cannot be read or written, or it is full"):
            journal.claim(1, 3)
        journal.close()
    with Campaign.open(path) as campaign:
        assert campaign.figures().states == {S.IN_DOUBT: 3, S.PENDING: 7}


def test_full_disk_hides_nobody_in_doubt_after_a_kill(
    killed: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
):
    with full_disk(killed.with_name("spring.sms-wal").stat().st_size):
        assert run(["campaign", "in-doubt", str(killed), "--json"]) == Exit.IN_DOUBT
        assert sum(one["in_doubt"] for one in json.loads(capsys.readouterr().out)["requests"]) == 4
        assert run(["campaign", "status", str(killed), "--json"]) == Exit.DONE
        assert json.loads(capsys.readouterr().out)["states"] == {
            "accepted": 2,
            "in doubt": 4,
            "pending": 4,
        }
        assert run(["campaign", "run", str(killed), "--yes"]) == Exit.USAGE
        assert "or it is full" in capsys.readouterr().err
    with full_disk(0):
        for command in ("in-doubt", "status"):
            assert run(["campaign", command, str(killed)]) == Exit.USAGE
            said = capsys.readouterr()
            assert ("or it is full" in said.err, said.out) == (True, "")
    assert sandbox.messages == ()
    with Campaign.open(killed) as campaign:
        assert campaign.figures().count(S.IN_DOUBT) == 4


def test_disk_that_fills_up_during_a_run_ends_in_doubt_if_needed(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The run ends as in doubt if any recipient is."""
    template, codes = make(tmp_path / "template.sms", 60), set()
    for room in range(56, 96, 4):
        path = tmp_path / f"{room}.sms"
        shutil.copy(template, path)
        sandbox.reset()
        with full_disk(room * 1024):
            code = run(
                ["campaign", "run", str(path), "--yes", "--batch", "5", "--concurrency", "1"]
            )
        said = " ".join(capsys.readouterr().err.split())
        with Campaign.open(path) as campaign:
            states = campaign.journal.states()
            settled = {one.number for one in campaign.recipients() if one.state is not S.PENDING}
        assert code == (Exit.IN_DOUBT if states.get(S.IN_DOUBT) else Exit.USAGE), said
        assert "or it is full" in said
        assert "no campaign" not in said
        assert ("5 recipients could not be recorded: they are in doubt" in said) == (
            code == Exit.IN_DOUBT
        )
        assert {message.destination for message in sandbox.messages} <= settled
        codes.add(code)
    assert codes == {Exit.IN_DOUBT, Exit.USAGE}, "it filled up at a claim and at an answer"


# A place that cannot be used


def test_new_leaves_no_file_where_another_run_has_the_lock(tmp_path: Path):
    path = tmp_path / "a.sms"
    with closing(sqlite3.connect(tmp_path / "a.sms-lock", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalInUse):
            make(path)
        assert not path.exists()
    make(path)


def test_new_leaves_no_file_on_a_full_disk(tmp_path: Path):
    with full_disk(0), pytest.raises(JournalError, match="full"):
        make(tmp_path / "a.sms")
    assert not (tmp_path / "a.sms").exists()
    make(tmp_path / "a.sms")


def test_new_does_not_take_the_log_of_another_campaign(killed: Path):
    moved = killed.rename(killed.with_name("moved.sms"))
    with pytest.raises(
        JournalError, match=r"spring\.sms-wal exists already: it is the log of another campaign"
    ):
        make(killed)
    killed.with_name("spring.sms-wal").rename(killed.with_name("moved.sms-wal"))
    with Campaign.open(moved) as campaign:
        assert campaign.figures().count(S.IN_DOUBT) == 4


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Let this process read a folder and its files, and write nothing there."""
    if os.geteuid():
        folder.chmod(0o500)
    else:
        for file in folder.iterdir():
            os.chown(file, 65534, 65534)
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o755)


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_campaign_in_use_is_not_asked_to_give_its_log_away(tmp_path: Path):
    path = tmp_path / "spring.sms"
    with Campaign.create(path, rows_source(["+380501234567"]), sender="Shop", text="Hello"):
        assert path.with_name("spring.sms-wal").exists()
        with pytest.raises(FileExistsError, match="the file exists already"):
            Campaign.create(path, rows_source(["+380501234567"]), sender="Shop", text="Hello")


def test_campaign_on_a_read_only_medium_can_be_read(
    shelf: Path, capsys: pytest.CaptureFixture[str]
):
    path = make(shelf / "a.sms")
    with closing(SqliteJournal.open(path)) as journal:
        lose(journal, 3)
    for file in ("a.sms-lock", "a.sms-lock-journal"):
        (shelf / file).unlink(missing_ok=True)
    with unwritable(shelf):
        assert run(["campaign", "in-doubt", str(path), "--json"]) == Exit.IN_DOUBT
        assert json.loads(capsys.readouterr().out)["requests"][0]["in_doubt"] == 3
        assert run(["campaign", "status", str(path), "--json"]) == Exit.DONE
        assert json.loads(capsys.readouterr().out)["states"] == {"pending": 7, "in doubt": 3}
        assert run(["campaign", "resolve", str(path), "--sent"]) == Exit.USAGE
        assert "the lock file a.sms-lock cannot be written (Permission denied)" in " ".join(
            capsys.readouterr().err.split()
        )


def test_killed_run_on_a_read_only_medium_is_an_error(
    killed_run: Path, shelf: Path, capsys: pytest.CaptureFixture[str]
):
    """The commands never say that no recipient is in doubt."""
    path = copied(killed_run, shelf / "copy")
    path.parent.chmod(0o755)
    path.with_name("spring.sms-shm").unlink()
    with unwritable(path.parent):
        for command in ("in-doubt", "status"):
            assert run(["campaign", command, str(path)]) == Exit.USAGE
            said = capsys.readouterr()
            assert "the file, or its log in the same folder, cannot be opened" in " ".join(
                said.err.split()
            )
            assert not said.out


def test_older_file_is_shown_without_being_changed(tmp_path: Path):
    path = tmp_path / "old.sms"
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema(1))
        connection.executescript("""
            PRAGMA application_id = 0x534D5347;
            PRAGMA user_version = 1;
            INSERT INTO setting VALUES
                ('name', 'old'), ('created_at', '1.0'), ('forget_texts', '0');
            INSERT INTO text VALUES (1, x'00', 'Shop', 'Hi', NULL, 1, 'GSM-7', '');
            INSERT INTO recipient (id, line, number, text, state, batch) VALUES
                (1, 2, '+380501111111', 1, 'pending', NULL),
                (2, 3, '+380501111112', 1, 'in flight', 1);
            INSERT INTO run VALUES (1, 2.0, NULL, NULL);
            INSERT INTO batch (id, run, text, size, claimed_at) VALUES (1, 1, 1, 1, 3.0);
        """)
    before = path.read_bytes()
    with Campaign.open(path, writing=False) as campaign:
        assert campaign.figures().states == {S.PENDING: 1, S.IN_DOUBT: 1}
    assert path.read_bytes() == before


def test_foreign_database_is_not_changed(tmp_path: Path):
    path = tmp_path / "mine.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (number)")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="the file is not a campaign"):
        SqliteJournal.open(path)
    assert path.read_bytes() == before


# What cannot be read


def zeros(_: Random) -> bytes:
    return bytes(4096)


def noise(random: Random) -> bytes:
    return random.randbytes(4096)


@pytest.mark.parametrize("damage", [zeros, noise])
def test_damaged_page_hides_nobody_in_doubt(
    damage: Callable[[Random], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path, random, hurt = make(tmp_path / "whole.sms", 400), Random(5), 0
    with closing(SqliteJournal.open(path)) as journal:
        for _ in range(3):
            lose(journal, 50)
    whole = path.read_bytes()
    for page in range(len(whole) // 4096):
        broken = tmp_path / "a.sms"
        broken.write_bytes(whole[: page * 4096] + damage(random) + whole[(page + 1) * 4096 :])
        answers: dict[str, Any] = {}
        for command in ("in-doubt", "status"):
            code = run(["campaign", command, str(broken), "--json"])
            said = json.loads(capsys.readouterr().out)
            answers[command] = said.get("states", {}).get("in doubt") or sum(
                one["in_doubt"] for one in said.get("requests", ())
            )
            if code == Exit.USAGE:
                answers[command] = None
                assert said["error"]["class"] == "JournalError"
                hurt += 1
        assert set(answers.values()) <= {150, None}, (page, answers)
    assert hurt > 10


def test_unreadable_text_is_reported_as_damage_and_not_quoted(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    edit(
        path,
        "UPDATE recipient SET number = CAST(x'2b333830353031313131ff' AS TEXT) WHERE id = 1",
        "UPDATE recipient SET state = 'sent' WHERE id = 2",
    )
    with Campaign.open(path, writing=False) as campaign:
        for read in (campaign.figures, campaign.in_doubt, lambda: list(campaign.recipients())):
            with pytest.raises(
                JournalError, match=r"^the file is damaged: restore it from a backup"
            ) as caught:
                read()
            assert "380501111" not in str(caught.value)


def test_missing_recipient_is_reported_as_damage(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    with closing(SqliteJournal.open(path)) as journal:
        lose(journal, 2)
    edit(path, "DELETE FROM recipient WHERE id = 1")
    with Campaign.open(path, writing=False) as campaign:
        for read in (campaign.figures, campaign.in_doubt):
            with pytest.raises(JournalError, match="the file is damaged"):
                read()


def test_broken_journal_before_the_first_request_sends_nothing(killed: Path, sandbox: Sandbox):
    def hurt(_: Progress) -> None:
        edit(killed, "ALTER TABLE request RENAME TO lost")

    async def run() -> None:
        with Campaign.open(killed) as campaign:
            async with AsyncSession("shop", PASSWORD, url=sandbox.url) as session:
                await campaign.run(session, on_progress=hurt)

    with pytest.raises(JournalError, match="no such table: request"):
        anyio.run(run)
    assert sandbox.calls["SendSMS"] == 0


def test_partly_written_claim_does_not_count(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    edit(
        path,
        (
            "CREATE TRIGGER hold BEFORE UPDATE ON recipient WHEN old.id = 2 BEGIN SELECT "
            "RAISE(IGNORE); END"
        ),
    )
    with closing(SqliteJournal.open(path)) as journal:
        with pytest.raises(
            JournalError, match="the claimed recipients are not the ones that were read"
        ):
            journal.claim(journal.start_run(), 3)
        assert journal.states() == {S.PENDING: 10}


def test_missing_request_hides_nobody_in_doubt(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    with closing(SqliteJournal.open(path)) as journal:
        lose(journal, 2)
    edit(path, "DELETE FROM request")
    with (
        Campaign.open(path, writing=False) as campaign,
        pytest.raises(JournalError, match="the file is damaged"),
    ):
        campaign.in_doubt()


def test_lock_that_is_not_a_regular_file_is_reported(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    (tmp_path / "a.sms-lock").unlink(missing_ok=True)
    (tmp_path / "a.sms-lock").mkdir()
    with pytest.raises(IsADirectoryError):
        Campaign.open(path)


# Others at the file


def test_purge_is_not_reported_while_another_program_reads(tmp_path: Path):
    with (
        Campaign.open(make(tmp_path / "a.sms")) as campaign,
        closing(sqlite3.connect(tmp_path / "a.sms")) as reader,
    ):
        campaign.resolve(Event.CANCEL, who="operator")
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM recipient").fetchone() == (10,)
        with pytest.raises(
            JournalError, match="its log still holds the deleted data: purge the campaign again"
        ):
            campaign.purge()
        reader.rollback()
        campaign.purge()


def test_file_whose_log_was_switched_off_is_not_opened_while_read(
    tmp_path: Path,
):
    """Another program has switched it off, and still reads."""
    path = make(tmp_path / "a.sms")
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM recipient").fetchone()
        with pytest.raises(JournalBusy):
            SqliteJournal.open(path)
        reader.rollback()
    SqliteJournal.open(path).close()


def test_journal_belongs_to_one_thread(tmp_path: Path):
    with (
        closing(SqliteJournal.open(make(tmp_path / "a.sms"))) as journal,
        ThreadPoolExecutor(1) as pool,
    ):
        with pytest.raises(sqlite3.ProgrammingError, match="thread"):
            pool.submit(journal.states).result()
        assert journal.unrecorded_ids([]) == []


def test_misuse_of_sqlite_is_not_reported_as_damage(tmp_path: Path):
    with (
        closing(SqliteJournal.open(make(tmp_path / "a.sms"))) as journal,
        pytest.raises(sqlite3.ProgrammingError, match="bindings"),
    ):
        journal._connection.execute("SELECT ?")


def test_run_blocked_by_a_reader_says_so_and_begins_later(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    with (
        closing(SqliteJournal.open(path)) as journal,
        Campaign.open(path, writing=False) as campaign,
    ):
        reading = campaign.recipients()
        next(reading)
        with pytest.raises(JournalBusy, match="another program reads the campaign file"):
            journal.start_run()
        reading.close()
        assert journal.start_run() == 1
        # From now on readers are in nobody's way.
        reading = campaign.recipients()
        next(reading)
        assert journal.claim(journal.start_run(), 3)
        reading.close()


def test_run_waits_for_the_lock_of_a_reading_command(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    for _ in range(20):
        with Campaign.open(path, writing=False):
            SqliteJournal.open(path).close()


# The operator's word


def test_decision_about_nobody_lists_who_is_in_doubt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = make(tmp_path / "a.sms")
    with closing(SqliteJournal.open(path)) as journal:
        lose(journal, 2)
        lose(journal, 2)

    def said(*words: str) -> str:
        assert run(["campaign", "resolve", str(path), *words, "--yes"]) == Exit.USAGE
        return " ".join(capsys.readouterr().err.split())

    assert (
        "no recipient of request 7 is in doubt; recipients in doubt are in request 1, 2: check with"
        in said("--sent", "--request", "7")
    )
    assert "no recipient of line 9 is in doubt; recipients in doubt are in request 1, 2" in said(
        "--sent", "--line", "9"
    )
    assert "no recipient of line 1 of request 2 is in doubt" in said(
        "--sent", "--line", "1", "--request", "2"
    )
    assert "no recipient of line 7-9 is in doubt" in said("--sent", "--line", "7-9")
    for odd in ("x", "0", "5-2", "2-", "2-x"):
        assert "--line: must be a line of the list, or a range such as 2-5000" in said(
            "--sent", "--line", odd
        )
    assert "no recipient of request 1 is pending: check with" in said("--cancel", "--request", "1")
    assert run(["campaign", "resolve", str(path), "--sent"]) == Exit.DONE
    assert "no recipient of this campaign is in doubt" in said("--sent", "--request", "1")


def test_id_of_another_recipient_is_refused(tmp_path: Path):
    path = make(tmp_path / "a.sms")
    with Campaign.open(path) as campaign:
        lose(campaign.journal, 2)
        assert campaign.resolve(Event.FOUND, who="me", line=1, message_id=ID) == 1
        with pytest.raises(ValueError, match="message_id: line 1 has this id already"):
            campaign.resolve(Event.FOUND, who="me", line=2, message_id=ID)
        assert campaign.figures().states == {S.ACCEPTED: 1, S.IN_DOUBT: 1, S.PENDING: 8}
