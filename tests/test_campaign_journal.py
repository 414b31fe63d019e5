"""The journal in a file: who may read it, one run at a time, versions, and what is written when.

The reasons are in the docs: how it is tested, "SQLite".
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import campaign_child
import pytest
from forks import in_child
from stepped import stepped

from smsgate.campaign import (
    Campaign,
    Event,
    Evidence,
    JournalError,
    RecipientState,
    SqliteJournal,
    rows_source,
)
from smsgate.ledger.records import Claim, Entry, RecipientOutcome, RequestEnd, Seen, Text
from smsgate.ledger.sqlite.journal import ENDED_EARLY
from smsgate.ledger.sqlite.statements import SCHEMA_VERSION, schema
from smsgate.protocol.answers import DeliveryState

S = RecipientState
ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"


def make(path: Path, count: int = 5, **options: bool) -> None:
    rows = rows_source(
        {"phone": f"+38050111111{number}", "name": f"Олена{number % 2}"} for number in range(count)
    )
    Campaign.create(path, rows, sender="Shop", text="Вітаємо, {name}", **options).close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "spring.sms"
    make(made)
    return made


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal.open(path)) as opened:
        yield opened


def test_journal_without_a_plan_stores_nothing_of_the_numbers(tmp_path: Path):
    entry = Entry(1, "+380501234567", Text("Shop", "Hello", None))
    with closing(SqliteJournal.create(tmp_path / "plain.sms")) as journal:
        assert journal.add([entry], name="plain", forget_texts=False).pending == 1
        assert journal.planned_numbers() == ""


def settle_all(journal: SqliteJournal, claim: Claim, event: Event) -> None:
    journal.settle(
        claim,
        [
            RecipientOutcome(key, event, ID if event is Event.ACCEPTED else None)
            for key, _ in claim.recipients
        ],
        RequestEnd(),
    )


# The file


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_all_campaign_files_are_private_to_their_owner(umask: int, tmp_path: Path):
    before = os.umask(umask)
    try:
        path = tmp_path / "a.sms"
        make(path)
        with closing(SqliteJournal.open(path)) as journal:
            journal.claim(journal.start_run(), 1)
            modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(
        ("a.sms", "a.sms-wal", "a.sms-shm", "a.sms-lock", "a.sms-lock-journal"), "0o600"
    )


def test_existing_file_link_and_shared_folder_are_refused(path: Path, tmp_path: Path):
    with pytest.raises(FileExistsError):
        make(path)
    link = tmp_path / "link.sms"
    link.symlink_to(path)
    with pytest.raises(JournalError, match="this is a symbolic link"):
        SqliteJournal.open(link)
    with pytest.raises(FileExistsError):
        make(link)
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(JournalError, match="every user can write to this folder"):
        make(folder / "a.sms")


def test_one_process_may_write_and_others_may_read(path: Path, journal: SqliteJournal):
    for writing in (True, False):
        assert in_child(campaign_child.open_it, str(path), writing) == int(writing)
    with pytest.raises(JournalError, match="the campaign is in use by another run"):
        SqliteJournal.open(path)
    journal.claim(journal.start_run(), 2)
    with Campaign.open(path, writing=False) as seen:
        assert seen.figures().count(S.IN_FLIGHT) == 2


@pytest.mark.parametrize("writing", [True, False])
@pytest.mark.parametrize(
    ("statements", "complaint"),
    [
        (
            ["PRAGMA user_version = 99"],
            "the file has version 99, and this smsgate supports versions up to 4",
        ),
        (["PRAGMA application_id = 5"], "the file is not a campaign"),
        (["DELETE FROM setting"], "the campaign is incomplete, as its creation was interrupted"),
        (["DROP TABLE setting"], "the file is not a campaign, or damaged"),
    ],
)
def test_unusable_file_is_refused_with_the_reason(
    statements: list[str], complaint: str, writing: bool, path: Path
):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    with pytest.raises(JournalError, match=complaint):
        SqliteJournal.open(path, writing=writing)
    with pytest.raises(JournalError, match=complaint):
        SqliteJournal.open(path, writing=writing)  # and it does not stay locked


def test_older_file_is_migrated_when_opened_for_writing(tmp_path: Path):
    path = tmp_path / "old.sms"
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "PRAGMA application_id = 0x534D5347"
        )  # version 0: a file before its first table
        connection.commit()
    for writing in (False, True):
        with pytest.raises(JournalError, match="the campaign is incomplete"):
            SqliteJournal.open(path, writing=writing)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT count(*) FROM recipient").fetchone() == (0,)


def test_campaign_of_the_first_version_is_continued(tmp_path: Path):
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
            INSERT INTO decision (at, who, event, note, batch, recipients) VALUES
                (4.0, 'olena', 'resend', '', 1, 1);
        """)
    with Campaign.open(path) as campaign:
        assert campaign.figures().states == {S.PENDING: 1, S.IN_DOUBT: 1}
        (decision,) = campaign.figures().decisions
        assert (decision.request, decision.line) == (1, None)
        claim = campaign.journal.claim(campaign.journal.start_run(), 10, Seen(Decimal("7.5"), 5.0))
        assert claim
        assert campaign.journal.around(claim.request, 6.0).seen == Seen(Decimal("7.5"), 5.0)
        assert campaign.journal.around(1, 6.0).seen is None


@pytest.mark.parametrize("writing", [True, False])
def test_states_of_the_second_version_are_translated(writing: bool, tmp_path: Path):
    path = tmp_path / "old.sms"
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema(1) + schema(2))
        connection.executescript("""
            PRAGMA application_id = 0x534D5347;
            PRAGMA user_version = 2;
            INSERT INTO setting VALUES
                ('name', 'old'), ('created_at', '1.0'), ('forget_texts', '0');
            INSERT INTO text VALUES (1, x'00', 'Shop', 'Hi', NULL, 1, 'GSM-7', '');
            INSERT INTO recipient (id, line, number, text, state, reason, batch) VALUES
                (1, 2, '+380501111111', 1, 'rejected', 'no such number', 1),
                (2, 3, '+380501111112', 1, 'unknown', 'the connection broke', 2),
                (3, 4, '+380501111113', 1, 'abandoned', 'call off by olena', NULL);
            INSERT INTO run VALUES (1, 2.0, 5.0, 'paused: no credits');
            INSERT INTO batch (id, run, text, size, claimed_at, settled_at, rejected, lost) VALUES
                (1, 1, 1, 1, 3.0, 4.0, 1, 0), (2, 1, 1, 1, 3.0, 4.0, 0, 1);
            INSERT INTO decision (at, who, event, note, recipients) VALUES
                (6.0, 'olena', 'call off', '', 1);
        """)
    with Campaign.open(path, writing=writing) as campaign:
        figures = campaign.figures()
        assert figures.states == {S.REFUSED: 1, S.IN_DOUBT: 1, S.ABANDONED: 1}
        assert (figures.refused, figures.in_doubt) == (
            {"no such number": 1},
            {"the connection broke": 1},
        )
        assert (figures.last_outcome, figures.decisions[0].event) == (
            "paused: no credits",
            Event.CANCEL,
        )
        assert [one.request for one in campaign.recipients()] == [1, 2, None]
        (request,) = campaign.in_doubt()
        assert (request.id, request.reason) == (2, "")
        (slot,) = [slot for slot in campaign.timeline(4) if slot.refused or slot.in_doubt]
        assert (slot.refused, slot.in_doubt) == (1, 1)
        if writing:
            assert campaign.resolve(Event.ASSUME_SENT, who="me", request=2) == 1


def test_failed_migration_leaves_the_file_unchanged(tmp_path: Path):
    path = tmp_path / "old.sms"
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 0x534D5347")
        connection.execute(
            "CREATE TABLE run (mine)"
        )  # in the way of a table that the migration makes late
        connection.commit()
    with pytest.raises(JournalError, match="damaged"):
        SqliteJournal.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["run"]


def test_claim_is_synced_as_the_connection_settings_say(journal: SqliteJournal):
    settings = [
        journal._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    ]
    assert settings == ["wal", 2]


# Moving


def test_request_takes_recipients_of_one_text_only(journal: SqliteJournal):
    run = journal.start_run()
    claims = [journal.claim(run, 2) for _ in range(4)]
    assert [claim and (claim.text.text, len(claim.recipients)) for claim in claims] == [
        ("Вітаємо, Олена0", 2),
        ("Вітаємо, Олена0", 1),
        ("Вітаємо, Олена1", 2),
        None,
    ]


def test_recipient_not_in_flight_in_this_request_cannot_be_settled(journal: SqliteJournal):
    run = journal.start_run()
    first = journal.claim(run, 1)
    second = journal.claim(run, 1)
    assert first
    assert second
    settle_all(journal, first, Event.ACCEPTED)
    for claim in (first, Claim(first.request, first.text, 0, second.recipients)):
        with pytest.raises(JournalError, match="not in the state that was expected of them"):
            settle_all(journal, claim, Event.NOT_SENT)
    assert journal.states() == {S.ACCEPTED: 1, S.IN_FLIGHT: 1, S.PENDING: 3}
    with pytest.raises(ValueError, match="one for each recipient"):
        journal.settle(second, [], RequestEnd())


def test_in_flight_is_in_doubt_after_a_crash_and_never_pending(path: Path):
    with closing(SqliteJournal.open(path)) as journal:
        journal.claim(journal.start_run(), 2)
    with closing(SqliteJournal.open(path)) as journal:
        assert journal.sweep() == 2
        assert journal.sweep() == 0
        (request,) = journal.in_doubt()
        assert (request.in_doubt, request.size, request.reason, request.evidence) == (
            2,
            2,
            ENDED_EARLY,
            None,
        )
        assert [one.line for one in journal.recipients_in_doubt(request.id)] == [1, 3]


def test_evidence_and_the_raw_reply_are_kept_with_a_request(journal: SqliteJournal):
    claim = journal.claim(journal.start_run(), 2)
    assert claim
    lost = [
        RecipientOutcome(key, Event.IN_DOUBT, reason="HTTP status: 502")
        for key, _ in claim.recipients
    ]
    journal.settle(claim, lost, RequestEnd("HTTP status: 502", 502, b"<html>"))
    evidence = Evidence(Decimal("10.5"), 1.0, 2, Decimal(8), 2.0, 3, (ID,), 1, ("x",))
    journal.add_evidence(claim.request, evidence)
    (request,) = journal.in_doubt()
    assert (request.evidence, request.status, request.reply_size, request.cost) == (
        evidence,
        502,
        6,
        2,
    )
    assert journal.reply(claim.request) == b"<html>"
    assert journal.unrecorded_ids([ID, "y"]) == [ID, "y"]


def test_recorded_ids_are_left_out_of_the_evidence(journal: SqliteJournal):
    claim = journal.claim(journal.start_run(), 1)
    assert claim
    settle_all(journal, claim, Event.ACCEPTED)
    assert journal.unrecorded_ids([ID, "y"]) == ["y"]


def test_decision_is_recorded_with_operator_time_and_reason(path: Path):
    with closing(SqliteJournal.open(path)) as journal:
        run = journal.start_run()
        for _ in range(3):
            claim = journal.claim(run, 1)
            assert claim
            settle_all(journal, claim, Event.IN_DOUBT)
    with Campaign.open(path) as campaign:
        first, second, _ = campaign.in_doubt()
        assert campaign.resolve(Event.GIVE_UP, who="me", note="why", request=first.id) == 1
        assert campaign.resolve(Event.FOUND, who="me", request=second.id, message_id=ID) == 1
        assert campaign.resolve(Event.RESEND, who="you", line=5) == 1
        assert campaign.resolve(Event.RESEND, who="you") == 0
        decisions = campaign.figures().decisions
        assert [
            (one.who, one.event, one.note, one.request, one.line, one.recipients)
            for one in decisions
        ] == [
            ("me", Event.GIVE_UP, "why", first.id, None, 1),
            ("me", Event.FOUND, "", second.id, None, 1),
            ("you", Event.RESEND, "", None, 5, 1),
        ]
        assert campaign.figures().states == {S.ABANDONED: 1, S.ACCEPTED: 1, S.PENDING: 3}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            {"event": Event.CLAIMED, "who": "me"},
            "event: one of resend, found, assume sent, give up, cancel",
        ),
        ({"event": Event.RESEND, "who": " "}, "who: must not be blank"),
        (
            {"event": Event.FOUND, "who": "me"},
            "message_id: Event.FOUND needs the id that the gateway gave",
        ),
        (
            {"event": Event.RESEND, "who": "me", "message_id": ID},
            "message_id: Event.FOUND needs the id that the gateway gave",
        ),
    ],
)
def test_impossible_decision_is_refused_by_name(
    arguments: dict[str, str], complaint: str, path: Path
):
    with Campaign.open(path) as campaign, pytest.raises(ValueError, match=complaint):
        campaign.resolve(**arguments)  # type: ignore[arg-type]


def test_cancelled_recipient_is_not_sent_to_and_blocks_nobody(path: Path):
    with Campaign.open(path) as campaign:
        claim = campaign.journal.claim(campaign.journal.start_run(), 2)
        assert claim
        settle_all(campaign.journal, claim, Event.ACCEPTED)
        with pytest.raises(
            ValueError,
            match="3 recipients are pending or in doubt; send, resolve or cancel them first",
        ):
            campaign.purge()
        assert campaign.resolve(Event.CANCEL, who="me", line=5) == 1
        assert campaign.resolve(Event.CANCEL, who="me") == 2
        assert campaign.journal.claim(campaign.journal.start_run(), 2) is None
        figures = campaign.figures()
        assert figures.states == {S.ACCEPTED: 2, S.ABANDONED: 3}
        assert (
            figures.cost(S.ACCEPTED),
            figures.cost(S.PENDING, S.IN_DOUBT),
            figures.cost(S.ABANDONED),
        ) == (2, 0, 3)
        campaign.purge()


def test_evidence_around_a_request_comes_from_the_journal(path: Path):
    moments = [0.0]
    with closing(stepped(SqliteJournal, clock=lambda: moments[0]).open(path)) as journal:
        run = journal.start_run()

        def at(moment: float, event: Event | None = None, claim: Claim | None = None) -> Claim:
            moments[0] = moment
            if event and claim:
                settle_all(journal, claim, event)
                return claim
            made = journal.claim(run, 1, Seen(Decimal(100), 1.0))
            assert made
            return made

        before_it = at(2)
        at(3, Event.ACCEPTED, before_it)
        beside, lost = at(4), at(5)
        at(6, Event.ACCEPTED, beside)
        at(7, Event.IN_DOUBT, lost)
        later = at(8)
        at(9, Event.ACCEPTED, later)
        around = journal.around(lost.request, 8.5)
        assert (around.seen, around.spent, around.others) == (Seen(Decimal(100), 1.0), 2, 1)
        assert journal.without_evidence() == [lost.request]
        journal.add_evidence(lost.request, Evidence())
        assert journal.without_evidence() == []


def test_message_id_belongs_to_one_recipient(journal: SqliteJournal):
    claim = journal.claim(journal.start_run(), 2)
    assert claim
    settle_all(journal, claim, Event.IN_DOUBT)
    with pytest.raises(
        ValueError, match="message_id: an id belongs to one recipient; give the recipient's line"
    ):
        journal.resolve(
            Event.FOUND, who="me", note="", request=claim.request, line=None, message_id=ID
        )
    assert journal.states()[S.IN_DOUBT] == 2
    assert (
        journal.resolve(
            Event.FOUND, who="me", note="", request=claim.request, line=3, message_id=ID
        )
        == 1
    )


def test_oldest_delivery_check_comes_first_and_final_ones_stop(path: Path):
    clock = iter(range(1_000)).__next__
    with closing(stepped(SqliteJournal, clock=clock).open(path)) as journal:
        run = journal.start_run()
        while (claim := journal.claim(run, 1)) is not None:
            settle_all(journal, claim, Event.ACCEPTED)
        asked = [key for key, _ in journal.to_ask(0, 3)]
        for key in asked:
            journal.set_delivery(key, DeliveryState.SENT)
        journal.set_delivery(asked[1], DeliveryState.DELIVERED)
        left = [key for key, _ in journal.to_ask(0, 10)]
        assert left[2:] == [asked[0], asked[2]]
        assert not set(left[:2]) & set(asked)
        assert journal.next_ask()[0] == 4
        assert journal.to_ask(10**9, 10) == [(key, ID) for key in left[:2]]


# Forgetting


def in_files(path: Path, needle: bytes) -> bool:
    return any(needle in file.read_bytes() for file in path.parent.glob(path.name + "*"))


def test_purge_keeps_figures_and_no_personal_data(path: Path):
    with Campaign.open(path) as campaign:
        journal = campaign.journal
        with pytest.raises(ValueError, match="purge: 5 recipients are pending or in doubt"):
            campaign.purge()
        run = journal.start_run()
        while (claim := journal.claim(run, 5)) is not None:
            settle_all(journal, claim, Event.ACCEPTED)
        assert in_files(path, b"+380501111111")
        campaign.purge()
        figures = campaign.figures()
        for needle in (b"38050111111", "Олена".encode(), ID.encode()):
            assert not in_files(path, needle)
    assert (figures.states, figures.purged, figures.cost(S.ACCEPTED), figures.example) == (
        {S.ACCEPTED: 5},
        True,
        5,
        None,
    )


def test_texts_are_deleted_once_no_recipient_needs_them(tmp_path: Path):
    path = tmp_path / "b.sms"
    make(path, forget_texts=True)
    with closing(SqliteJournal.open(path)) as journal:
        run = journal.start_run()
        claim = journal.claim(run, 2)
        assert claim
        settle_all(journal, claim, Event.ACCEPTED)
        example = journal.figures().example
        assert example
        assert example.text == "Вітаємо, Олена0", "one more is pending"
        claim = journal.claim(run, 2)
        assert claim
        settle_all(journal, claim, Event.IN_DOUBT)
        assert journal.figures().example == example, "one is in doubt"
        journal.resolve(Event.GIVE_UP, who="me", note="", request=None, line=None, message_id=None)
        claim = journal.claim(run, 2)
        assert claim
        settle_all(journal, claim, Event.ACCEPTED)
        assert journal.figures().texts == 2


def test_timeline_adds_up(path: Path):
    clock = iter(range(0, 10_000, 10)).__next__
    with closing(stepped(SqliteJournal, clock=clock).open(path)) as journal:
        assert journal.timeline(10) == []
        run = journal.start_run()
        for event in (
            Event.ACCEPTED,
            Event.REFUSED,
            Event.IN_DOUBT,
            Event.ACCEPTED,
            Event.NOT_SENT,
        ):
            claim = journal.claim(run, 1)
            assert claim
            settle_all(journal, claim, event)
        slots = journal.timeline(4)
    assert len(slots) <= 4
    assert [
        sum(getattr(slot, name) for slot in slots) for name in ("accepted", "refused", "in_doubt")
    ] == [2, 1, 1]
    assert [slot.start for slot in slots] == sorted(slot.start for slot in slots)


# What could make a file forget whom it has sent to


def killed_in_flight(path: Path) -> None:
    """Leave the file as a process does that is killed with a request in flight."""
    assert in_child(campaign_child.die_in_flight, str(path)) == -9


def test_file_without_the_log_of_its_last_run_is_refused(path: Path, tmp_path: Path):
    killed_in_flight(path)
    moved = path.rename(tmp_path / "moved.sms")
    for writing in (True, False):
        with pytest.raises(
            JournalError, match=r"moved.sms-wal is missing\. It records what the last run did"
        ):
            Campaign.open(moved, writing=writing)
    path.with_name("spring.sms-wal").rename(tmp_path / "moved.sms-wal")
    with Campaign.open(moved) as campaign:
        assert campaign.figures().states == {S.IN_DOUBT: 2, S.PENDING: 3}


def test_file_whose_log_was_deleted_is_refused(path: Path):
    killed_in_flight(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    with pytest.raises(JournalError, match=r"spring.sms-wal is missing"):
        Campaign.open(path)


def test_file_closed_by_its_run_is_complete_and_may_be_moved(path: Path, tmp_path: Path):
    with closing(SqliteJournal.open(path)) as journal:
        claim = journal.claim(journal.start_run(), 2)
        assert claim
        settle_all(journal, claim, Event.ACCEPTED)
    assert not path.with_name("spring.sms-wal").exists()
    moved = path.rename(tmp_path / "moved.sms")
    with Campaign.open(moved) as campaign:
        assert campaign.figures().states == {S.ACCEPTED: 2, S.PENDING: 3}


def test_file_with_two_names_is_refused(path: Path, tmp_path: Path):
    (tmp_path / "second.sms").hardlink_to(path)
    with pytest.raises(JournalError, match="the file has a second name"):
        Campaign.open(path)


def test_opening_turns_in_flight_into_in_doubt(path: Path):
    killed_in_flight(path)
    with Campaign.open(path) as campaign:
        (request,) = campaign.in_doubt()
        assert (request.in_doubt, request.reason) == (2, ENDED_EARLY)
        assert campaign.resolve(Event.GIVE_UP, who="me") == 2


def test_text_without_recipients_is_not_kept(tmp_path: Path):
    rows = rows_source(
        [
            {"phone": "+380501111111", "name": "А"},
            {"phone": "+380501111111", "name": "Б, якого немає"},
        ]
    )
    with Campaign.create(
        tmp_path / "a.sms", rows, sender="Shop", text="Вітаємо, {name}"
    ) as campaign:
        figures = campaign.figures()
    assert (figures.texts, figures.example and figures.example.text) == (1, "Вітаємо, А")


def test_purge_deletes_notes_too(path: Path):
    with Campaign.open(path) as campaign:
        run = campaign.journal.start_run()
        while (claim := campaign.journal.claim(run, 5)) is not None:
            settle_all(campaign.journal, claim, Event.IN_DOUBT)
        campaign.resolve(Event.ASSUME_SENT, who="me", note="Іван Петренко, +380671112233")
        campaign.purge()
        assert [decision.note for decision in campaign.figures().decisions] == [""]
    assert not in_files(path, "Петренко".encode())


def test_text_is_deleted_after_the_operators_decision(tmp_path: Path):
    path = tmp_path / "c.sms"
    make(path, 1, forget_texts=True)
    with Campaign.open(path) as campaign:
        claim = campaign.journal.claim(campaign.journal.start_run(), 1)
        assert claim
        settle_all(campaign.journal, claim, Event.IN_DOUBT)
        assert campaign.figures().example
        campaign.resolve(Event.ASSUME_SENT, who="me")
        assert campaign.figures().example is None
