"""The messages of an outbox in both databases: one suite for SQLite and for PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import sqlalchemy.ext.asyncio as sqlalchemy_async
import sqlalchemy.orm
from databases import OUTBOXES, Outboxes
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from smsgate.campaign import Campaign, rows_source
from smsgate.errors import (
    InDoubt,
    KeyReused,
    NotEnoughCredits,
    NotSent,
    Reason,
    SenderForbidden,
    SmsGateError,
)
from smsgate.ledger.messages import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    ClaimLost,
    MessageAnswer,
    MessageClaim,
    MessageLedger,
    NewMessage,
    OutboxMessage,
)
from smsgate.ledger.records import JournalError, LedgerError
from smsgate.ledger.sql_files import placeholders
from smsgate.ledger.sqlite.sqlite_messages import MESSAGES_VERSION, SqliteMessages
from smsgate.ledger.states import OPERATOR_EVENTS, TRANSITIONS, Event, RecipientState
from smsgate.ledger.stored_errors import error_from, stored
from smsgate.outbox import open_ledger

S = RecipientState
TEXT = "Ваш код: 4815"
LEASE = 600.0
LOST = InDoubt("the answer was lost", reason=Reason.CONNECTION_LOST)
ACCEPTED = MessageAnswer(Event.ACCEPTED, "c9482a41-27d1-44f8-bd5c-d34104ca5ba9")
REFUSED = MessageAnswer(
    Event.REFUSED, error=SenderForbidden("no", answer="sender_forbidden", text="Отказано")
)
NOT_SENT = MessageAnswer(Event.NOT_SENT, error=NotSent("no connection"))
IN_DOUBT = MessageAnswer(Event.IN_DOUBT, error=LOST)


def new(key: str = "order:17", **changes: Any) -> NewMessage:
    message = NewMessage(
        key=key,
        destination="+380501234567",
        sender="Shop",
        text=TEXT,
        wappush=None,
        not_after=None,
        queued=True,
        forget_text=False,
    )
    return replace(message, **changes)


@pytest.fixture(params=OUTBOXES)
def outboxes(request: pytest.FixtureRequest) -> Iterator[Outboxes]:
    with OUTBOXES[request.param](request) as opened:
        yield opened


@pytest.fixture
def ledger(outboxes: Outboxes) -> MessageLedger:
    return outboxes.ledger()


def claimed(ledger: MessageLedger, message: int, token: str = "a", lease: float = LEASE) -> Any:
    claim = ledger.claim(message, token, lease)
    assert claim is not None
    return claim


# --- opening --------------------------------------------------------------------------------------


def test_processes_that_start_together_make_the_tables_once(outboxes: Outboxes):
    together, opened, failed = threading.Barrier(4), [], []

    def start() -> None:
        together.wait()
        try:
            with closing(open_ledger(outboxes.place)) as one:
                opened.append(one.states())
        except LedgerError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (opened, failed) == ([{}] * 4, [])


# --- adding ---------------------------------------------------------------------------------------


def test_same_key_returns_the_same_message(ledger: MessageLedger):
    first = ledger.add(new())
    assert ledger.add(new(not_after=5.0)) == first
    assert (first.state, first.destination, first.attempts) == (S.PENDING, "+380501234567", 0)
    assert ledger.by_key("order:17") == ledger.by_id(first.id) == first
    assert ledger.by_key("order:18") is None


@pytest.mark.parametrize(
    "change",
    [
        {"destination": "+380501234568"},
        {"sender": "Bank"},
        {"text": "Ваш код: 4816"},
        {"text": None, "wappush": "https://example.com/"},
    ],
    ids=str,
)
@pytest.mark.parametrize("forget", [False, True])
def test_same_key_for_another_message_is_an_error(
    ledger: MessageLedger, change: dict[str, Any], forget: bool
):
    message = ledger.add(new(forget_text=forget))
    ledger.settle(claimed(ledger, message.id), ACCEPTED)
    with pytest.raises(KeyReused, match="Use a new key for each message") as caught:
        ledger.add(new(**change))
    assert TEXT not in str(caught.value)
    assert ledger.add(new()).state is S.ACCEPTED


def test_message_that_does_not_exist_is_a_lookup_error(ledger: MessageLedger):
    with pytest.raises(LookupError, match="no message 99"):
        ledger.by_id(99)


# --- claiming and settling ------------------------------------------------------------------------


def test_claim_is_made_once_and_may_be_repeated_with_its_token(ledger: MessageLedger):
    message = ledger.add(new())
    claim = claimed(ledger, message.id)
    assert (claim.destination, claim.sender, claim.text) == (
        "+380501234567",
        "Shop",
        TEXT,
    )
    assert 0 < claim.first_byte_in <= LEASE
    assert ledger.claim(message.id, "b", LEASE) is None
    assert claimed(ledger, message.id).token == "a"
    row = ledger.by_id(message.id)
    assert (row.state, row.attempts) == (S.IN_FLIGHT, 1)


def test_message_is_added_and_claimed_in_one_step(ledger: MessageLedger):
    added, claim = ledger.add_and_claim(new(), "a", LEASE)
    assert claim is not None
    assert added.id == claim.id
    assert ledger.add_and_claim(new(), "a", LEASE)[1] == replace(
        claim, first_byte_in=pytest.approx(LEASE, abs=60)
    )
    assert ledger.add_and_claim(new(), "b", LEASE)[1] is None


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (ACCEPTED, S.ACCEPTED),
        (REFUSED, S.REFUSED),
        (IN_DOUBT, S.IN_DOUBT),
        (NOT_SENT, S.PENDING),
    ],
    ids=str,
)
def test_outcome_is_recorded_and_may_be_recorded_again(
    outboxes: Outboxes, answer: MessageAnswer, state: S
):
    ledger = outboxes.ledger()
    claim = claimed(ledger, ledger.add(new()).id)
    for _ in range(2):
        assert ledger.settle(claim, answer).state is state
    row = outboxes.ledger().by_id(claim.id)  # another process
    assert (row.state, row.message_id) == (state, answer.message_id)
    assert row.settled_at is not None
    assert (type(row.error), str(row.error)) == (type(answer.error), str(answer.error))
    if isinstance(answer.error, SenderForbidden):
        assert isinstance(row.error, SenderForbidden)
        assert (row.error.answer, row.error.text) == ("sender_forbidden", "Отказано")


def test_message_that_was_not_sent_can_be_claimed_again(ledger: MessageLedger):
    claim = claimed(ledger, ledger.add(new()).id)
    ledger.settle(claim, NOT_SENT)
    assert claimed(ledger, claim.id, "b").token == "b"
    assert ledger.by_id(claim.id).attempts == 2


def test_lost_claim_is_given_back(ledger: MessageLedger):
    claim = claimed(ledger, ledger.add(new()).id)
    ledger.release("another")
    assert ledger.by_id(claim.id).state is S.IN_FLIGHT
    ledger.release(claim.token)
    row = ledger.by_id(claim.id)
    assert (row.state, row.attempts) == (S.PENDING, 0)


def test_only_the_lease_makes_a_message_in_flight_in_doubt(ledger: MessageLedger):
    kept, lost = (ledger.add(new(key)).id for key in ("a", "b"))
    claimed(ledger, kept)
    claimed(ledger, lost, lease=-1.0)
    assert ledger.sweep() == 1
    assert ledger.sweep() == 0
    assert ledger.by_id(kept).state is S.IN_FLIGHT
    row = ledger.by_id(lost)
    assert row.state is S.IN_DOUBT
    assert isinstance(row.error, InDoubt)
    assert row.error.reason is Reason.PROCESS_ENDED


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (ACCEPTED, S.ACCEPTED),
        (REFUSED, S.REFUSED),
        (IN_DOUBT, S.IN_DOUBT),
        (NOT_SENT, S.IN_DOUBT),
    ],
    ids=str,
)
def test_late_answer_decides_and_nothing_is_sent_again(
    ledger: MessageLedger, answer: MessageAnswer, state: S
):
    claim = claimed(ledger, ledger.add(new()).id, lease=-1.0)
    ledger.sweep()
    assert ledger.settle(claim, answer).state is state


@pytest.mark.parametrize("answer", [ACCEPTED, REFUSED, IN_DOUBT], ids=str)
def test_answer_to_a_claim_that_is_gone_changes_nothing(
    ledger: MessageLedger, answer: MessageAnswer
):
    late = claimed(ledger, ledger.add(new()).id, lease=-1.0)
    ledger.sweep()
    ledger.resolve(Event.RESEND, late.id, who="Olha", note="", message_id=None)
    for lease in (None, LEASE):
        if lease is not None:
            claimed(ledger, late.id, "b", lease)
        expected = ledger.by_id(late.id)
        with pytest.raises(ClaimLost, match="another process or an operator has decided"):
            ledger.settle(late, answer)
        assert ledger.by_id(late.id) == expected


def test_one_of_many_processes_claims_a_message(outboxes: Outboxes):
    message = outboxes.ledger().add(new()).id
    ledgers = [outboxes.ledger() for _ in range(6)]
    start, won = threading.Barrier(len(ledgers)), list[str]()

    def claim(number: int, own: MessageLedger) -> None:
        start.wait()
        if own.claim(message, str(number), LEASE) is not None:
            won.append(str(number))

    threads = [threading.Thread(target=claim, args=one) for one in enumerate(ledgers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


# --- time, texts, purge ---------------------------------------------------------------------------


def test_message_whose_time_is_up_is_never_claimed(ledger: MessageLedger):
    message = ledger.add(new(not_after=0.01))
    time.sleep(0.05)
    assert ledger.claim(message.id, "a", LEASE) is None
    row = ledger.by_id(message.id)
    assert (row.state, row.attempts) == (S.SKIPPED, 0)
    assert isinstance(row.error, NotSent)
    assert row.error.reason is Reason.TOO_LATE


def test_message_that_was_not_sent_in_time_is_skipped(ledger: MessageLedger):
    claim = claimed(ledger, ledger.add(new(not_after=0.5)).id)
    time.sleep(0.6)
    assert ledger.settle(claim, NOT_SENT).state is S.SKIPPED


def test_first_byte_leaves_within_lease_and_not_after(ledger: MessageLedger):
    claim = claimed(ledger, ledger.add(new(not_after=60.0)).id)
    assert 50 < claim.first_byte_in <= 60


@pytest.mark.parametrize(
    ("answer", "kept"),
    [(ACCEPTED, False), (REFUSED, False), (IN_DOUBT, True), (NOT_SENT, True)],
    ids=str,
)
def test_text_is_forgotten_once_the_outcome_is_final(
    outboxes: Outboxes, answer: MessageAnswer, kept: bool
):
    ledger = outboxes.ledger()
    claim = claimed(ledger, ledger.add(new(forget_text=True)).id)
    assert (ledger.settle(claim, answer).text is not None) == kept
    assert (TEXT in outboxes.content()) == kept


@pytest.mark.parametrize("event", [Event.GIVE_UP, Event.ASSUME_SENT])
def test_text_is_forgotten_once_an_operator_has_decided(outboxes: Outboxes, event: Event):
    ledger = outboxes.ledger()
    ledger.settle(claimed(ledger, ledger.add(new(forget_text=True)).id), IN_DOUBT)
    assert ledger.resolve(event, 1, who="Olha", note="", message_id=None).text is None
    assert TEXT not in outboxes.content()


def test_purge_deletes_only_what_was_final_for_long(ledger: MessageLedger):
    for key, answer in [("a", ACCEPTED), ("b", REFUSED), ("c", IN_DOUBT), ("d", NOT_SENT)]:
        ledger.settle(claimed(ledger, ledger.add(new(key)).id, key), answer)
    claimed(ledger, ledger.add(new("e")).id, "e")
    assert ledger.purge(3600.0) == 0
    assert ledger.purge(-1.0) == 2
    assert ledger.states() == {S.IN_DOUBT: 1, S.PENDING: 1, S.IN_FLIGHT: 1}
    assert ledger.by_key("a") is None


def test_messages_are_listed_by_state(ledger: MessageLedger):
    for key in "abc":
        ledger.add(new(key))
    ledger.settle(claimed(ledger, 2), ACCEPTED)
    assert [one.key for one in ledger.in_states([S.PENDING], 10)] == ["a", "c"]
    assert [one.key for one in ledger.in_states(list(S), 2)] == ["a", "b"]
    assert [one.key for one in ledger.in_states(list(S), 2, after_id=1)] == ["b", "c"]


def test_worker_sees_only_what_is_queued(ledger: MessageLedger):
    ledger.add(new("a", queued=False))
    queued = [ledger.add(new(key)).id for key in "bc"]
    assert ledger.due(10) == queued
    assert ledger.due(1) == queued[:1]


def test_message_that_was_not_sent_is_due_behind_newer_ones(outboxes: Outboxes):
    ledger = outboxes.ledger()
    failed, waiting = (ledger.add(new(key)).id for key in "ab")
    ledger.settle(claimed(ledger, failed), NOT_SENT)
    newer = ledger.add(new("c")).id
    assert ledger.due(10) == [waiting, newer]
    outboxes.execute("UPDATE {message} SET due_at = due_at - 1000")
    assert ledger.due(10) == [waiting, newer, failed]


def test_pause_doubles_with_each_attempt(outboxes: Outboxes):
    ledger = outboxes.ledger()
    message, pauses = ledger.add(new()).id, list[float]()
    for token in range(12):
        settled = ledger.settle(claimed(ledger, message, str(token)), NOT_SENT).settled_at
        with closing(outboxes.connect()) as connection:
            sql = f"SELECT due_at FROM {outboxes.table}"
            (due,) = connection.execute(sql).fetchone()
        assert settled is not None
        pauses.append(due - settled)
    expected = [FIRST_PAUSE * 2**n for n in range(9)] + [LONGEST_PAUSE] * 3
    assert pauses == pytest.approx(expected, abs=0.5)


def test_lost_claim_is_due_at_once(ledger: MessageLedger):
    claim = claimed(ledger, ledger.add(new()).id)
    assert ledger.due(10) == []
    ledger.release(claim.token)
    assert ledger.due(10) == [claim.id]


def test_tables_without_due_times_are_migrated(outboxes: Outboxes):
    ledger = outboxes.ledger()
    message = ledger.add(new()).id
    ledger.close()
    before = MESSAGES_VERSION - 1
    if outboxes.table != "smsgate_message":
        before = 2
        outboxes.execute("DROP TABLE smsgate.stopped, smsgate.stop_list")
        outboxes.execute(
            "ALTER TABLE smsgate.campaign DROP COLUMN stop_lists, DROP COLUMN sending_window,"
            " DROP COLUMN kept_columns, DROP COLUMN number_groups"
        )
        outboxes.execute("ALTER TABLE smsgate.recipient DROP COLUMN kept")
    outboxes.execute("DROP INDEX {message}_due")
    outboxes.execute("ALTER TABLE {message} DROP COLUMN due_at")
    outboxes.execute(f"UPDATE {{setting}} SET value = '{before}' WHERE name = 'version'")
    assert outboxes.ledger().due(10) == [message]


# --- an operator decides --------------------------------------------------------------------------


@pytest.mark.parametrize("event", OPERATOR_EVENTS)
def test_operator_decides_about_one_message_in_the_right_state(ledger: MessageLedger, event: Event):
    states = {S.PENDING: NOT_SENT, S.IN_DOUBT: IN_DOUBT, S.ACCEPTED: ACCEPTED}
    messages = dict[S, int]()
    for key, (state, answer) in enumerate(states.items()):
        messages[state] = ledger.add(new(str(key))).id
        ledger.settle(claimed(ledger, messages[state], str(key)), answer)
    found = "11111111-27d1-44f8-bd5c-d34104ca5ba9" if event is Event.FOUND else None
    decide = partial(ledger.resolve, event, who="Olha", note="asked", message_id=found)
    row = next(one for one in TRANSITIONS if one.event is event)
    for state, message in messages.items():
        if state is row.source:
            assert decide(message).state is row.target
            assert ledger.by_id(message).message_id == found
        else:
            with pytest.raises(ValueError, match=f"message {message} is {state}"):
                decide(message)


def decisions(ledger: MessageLedger, message: int) -> list[tuple[Any, ...]]:
    return ledger._step(lambda: ledger._run("decisions", id=message))


@pytest.mark.parametrize("event", OPERATOR_EVENTS)
def test_same_decision_of_the_same_operator_is_recorded_once(ledger: MessageLedger, event: Event):
    message = ledger.add(new()).id
    ledger.settle(claimed(ledger, message), NOT_SENT if event is Event.CANCEL else IN_DOUBT)
    found = ACCEPTED.message_id if event is Event.FOUND else None
    first = ledger.resolve(event, message, who="Olha", note="asked", message_id=found)
    assert ledger.resolve(event, message, who="Olha", note="asked", message_id=found) == first
    assert len(decisions(ledger, message)) == 1
    for another, who, given in [
        (event, "Taras", found),
        (Event.FOUND, "Olha", "11111111-27d1-44f8-bd5c-d34104ca5ba9"),
    ]:
        with pytest.raises(ValueError, match=rf"is {first.state}.* Olha decided '{event}' on 2"):
            ledger.resolve(another, message, who=who, note="", message_id=given)
    assert ledger.by_id(message) == first


def test_message_that_was_sent_again_is_not_sent_again_by_the_same_decision(ledger: MessageLedger):
    message = ledger.add(new()).id
    resend = partial(ledger.resolve, Event.RESEND, message, who="Olha", note="", message_id=None)
    ledger.settle(claimed(ledger, message), IN_DOUBT)
    resend()
    sent = ledger.settle(claimed(ledger, message, "b"), ACCEPTED)
    assert resend() == sent


def test_decision_whose_commit_was_lost_resends_once(outboxes: Outboxes):
    ledger, others = outboxes.ledger(), outboxes.ledger()
    message = ledger.add(new()).id
    ledger.settle(claimed(ledger, message), IN_DOUBT)
    step, answered = ledger._step, list[OutboxMessage]()

    def lost(work: Callable[[], Any]) -> Any:
        """Commit, and do the work again as after a lost connection. Others send in between."""
        ledger._step = step  # type: ignore[method-assign]
        step(work)
        answered.append(others.settle(claimed(others, message, "b"), IN_DOUBT))
        return step(work)

    ledger._step = lost  # type: ignore[method-assign]  # the fault under test
    decided = ledger.resolve(Event.RESEND, message, who="Olha", note="", message_id=None)
    assert [decided] == answered
    assert ledger.by_id(message).state is S.IN_DOUBT


def test_message_that_is_due_again_by_a_decision_has_no_pause(ledger: MessageLedger):
    message = ledger.add(new()).id
    for token in "abc":
        ledger.settle(claimed(ledger, message, token), NOT_SENT)
    ledger.settle(claimed(ledger, message, "d"), IN_DOUBT)
    ledger.resolve(Event.RESEND, message, who="Olha", note="", message_id=None)
    assert ledger.due(10) == [message]


def test_id_of_the_gateway_belongs_to_one_message(ledger: MessageLedger):
    ledger.settle(claimed(ledger, ledger.add(new("a")).id, "a"), ACCEPTED)
    ledger.settle(claimed(ledger, ledger.add(new("b")).id, "b"), IN_DOUBT)
    with pytest.raises(ValueError, match="message_id: message 1 has this id already"):
        ledger.resolve(Event.FOUND, 2, who="Olha", note="", message_id=ACCEPTED.message_id)
    assert ledger.by_id(2).state is S.IN_DOUBT


def test_machine_event_is_no_decision(ledger: MessageLedger):
    with pytest.raises(ValueError, match="event: one of"):
        ledger.resolve(Event.ACCEPTED, 1, who="Olha", note="", message_id=None)


def test_given_up_message_stays_in_doubt_for_its_caller(ledger: MessageLedger):
    ledger.settle(claimed(ledger, ledger.add(new()).id), IN_DOUBT)
    row = ledger.resolve(Event.GIVE_UP, 1, who="Olha", note="", message_id=None)
    assert isinstance(row.error, InDoubt)
    assert row.reason == "give up by Olha"


# --- in the caller's own transaction --------------------------------------------------------------

Open = Callable[[Outboxes], Any]


@asynccontextmanager
async def sync_connection(opened: Any) -> AsyncIterator[Any]:
    with closing(opened):
        yield opened


@asynccontextmanager
async def engine_connection(outboxes: Outboxes) -> AsyncIterator[Any]:
    engine = sqlalchemy.create_engine(outboxes.sqlalchemy_address(False))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@asynccontextmanager
async def engine_session(outboxes: Outboxes) -> AsyncIterator[Any]:
    engine = sqlalchemy.create_engine(outboxes.sqlalchemy_address(False))
    with sqlalchemy.orm.Session(engine) as session:
        yield session
    engine.dispose()


@asynccontextmanager
async def async_engine_connection(outboxes: Outboxes) -> AsyncIterator[Any]:
    engine = sqlalchemy_async.create_async_engine(outboxes.sqlalchemy_address(True))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@asynccontextmanager
async def async_engine_session(outboxes: Outboxes) -> AsyncIterator[Any]:
    engine = sqlalchemy_async.create_async_engine(outboxes.sqlalchemy_address(True))
    async with sqlalchemy_async.AsyncSession(engine) as session:
        yield session
    await engine.dispose()


CONNECTIONS: dict[str, Open] = {
    "driver": lambda outboxes: sync_connection(outboxes.connect()),
    "async driver": lambda outboxes: outboxes.connect_async(),
    "SQLAlchemy connection": engine_connection,
    "SQLAlchemy session": engine_session,
    "SQLAlchemy async connection": async_engine_connection,
    "SQLAlchemy async session": async_engine_session,
}


async def finished(done: Any) -> None:
    if done is not None:
        await done


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", CONNECTIONS)
async def test_message_exists_if_the_caller_commits(outboxes: Outboxes, kind: str):
    ledger = outboxes.ledger()
    async with CONNECTIONS[kind](outboxes) as connection:
        await ledger.add_on(connection, new("rolled back"))
        await finished(connection.rollback())
        first = await ledger.add_on(connection, new())
        assert await ledger.add_on(connection, new()) == first
        with pytest.raises(KeyReused):
            await ledger.add_on(connection, new(text="another"))
        await finished(connection.commit())
    assert ledger.by_key("rolled back") is None
    assert ledger.by_key("order:17") == first
    assert ledger.states() == {S.PENDING: 1}


@pytest.mark.anyio
async def test_connection_to_another_database_is_an_error(
    outboxes: Outboxes, request: pytest.FixtureRequest
):
    kind = "sqlite" if "sqlite" in request.node.name else "postgres"
    with OUTBOXES[kind](request) as others, closing(others.connect()) as connection:
        others.ledger()
        with pytest.raises(ValueError, match="connection: it is to another database"):
            await outboxes.ledger().add_on(connection, new())


@pytest.mark.anyio
async def test_unknown_connection_is_an_error(ledger: MessageLedger):
    with pytest.raises(TypeError, match=r"connection: must be one of sqlite3.Connection"):
        await ledger.add_on(object(), new())


# --- the file and the server ----------------------------------------------------------------------


def test_newer_tables_are_refused(outboxes: Outboxes):
    outboxes.ledger()
    outboxes.execute("UPDATE {setting} SET value = '99' WHERE name = 'version'")
    with pytest.raises(LedgerError, match=r"ha(s|ve) version 99"):
        outboxes.ledger()


def test_new_file_is_for_its_owner_only(tmp_path: Path):
    path = tmp_path / "sms.db"
    with closing(SqliteMessages(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_database_of_an_application_keeps_its_tables_and_its_journal(tmp_path: Path):
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        shop.commit()
    with closing(SqliteMessages(path)) as ledger:
        ledger.add(new())
    with closing(sqlite3.connect(path)) as shop:
        assert shop.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert shop.execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "sms.db"
    path.write_text("Привіт" * 1000, "utf-8")
    with pytest.raises(JournalError, match="the file is not an outbox"):
        SqliteMessages(path)


def test_new_file_that_another_process_reads_is_waited_for(tmp_path: Path):
    path = tmp_path / "sms.db"
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM sqlite_master").fetchall()
        released = threading.Timer(0.3, other.rollback)
        released.start()
        with closing(SqliteMessages(path)) as ledger:
            assert ledger.states() == {}
        released.join()


def test_campaign_is_no_outbox(tmp_path: Path):
    path = tmp_path / "spring.sms"
    Campaign.create(path, rows_source([]), sender="Shop", text="a").close()
    with pytest.raises(JournalError, match="the file is a campaign"):
        SqliteMessages(path)


@pytest.mark.parametrize(
    "error",
    [
        NotEnoughCredits("no", answer="a", text="b", reasons=("c",), missing=Decimal("2.5")),
        NotSent("no", reason=Reason.TOO_LATE),
        LOST,
    ],
    ids=str,
)
def test_error_is_stored_with_all_its_attributes(error: SmsGateError):
    found = error_from(stored(error))
    assert type(found) is type(error)
    assert (str(found), vars(found)) == (str(error), vars(error))


def test_error_of_a_newer_version_keeps_its_words():
    known = json.loads(stored(LOST))
    assert str(error_from(json.dumps(known | {"reason": "of a newer version"}))) == str(LOST)
    unknown = error_from(json.dumps(known | {"error": "Unheard", "reason": "new"}))
    assert (type(unknown), str(unknown)) == (SmsGateError, str(LOST))


# --- any order of steps ---------------------------------------------------------------------------


AFTER = {
    Event.ACCEPTED: S.ACCEPTED,
    Event.REFUSED: S.REFUSED,
    Event.NOT_SENT: S.PENDING,
    Event.IN_DOUBT: S.IN_DOUBT,
}


# A final state ends the story, so answers that leave a message open are more frequent.
MOSTLY_OPEN = [NOT_SENT] * 4 + [IN_DOUBT] * 2 + [ACCEPTED, REFUSED]


class AnyOrder(RuleBasedStateMachine):
    """Processes that claim, answer, stop, are swept and resolved, in any order.

    `state` and `token` are what the message must have after the steps so far. A message that can be
    claimed when it must not be is a message that is sent twice.
    """

    ledger: MessageLedger
    state: RecipientState
    token: str
    lapsed: bool
    claims = Bundle("claims")

    @initialize()
    def add(self) -> None:
        self.message = self.ledger.add(new(str(time.time_ns()))).id
        self.state, self.token, self.lapsed = S.PENDING, "", False

    @rule(target=claims, lapsed=st.sampled_from([True, True, False]))
    def claim(self, lapsed: bool) -> Any:
        message, token = self.message, str(time.time_ns())
        claim = self.ledger.claim(message, token, -1.0 if lapsed else LEASE)
        assert (claim is not None) == (self.state is S.PENDING), "sent twice, or never"
        if claim is None:
            return multiple()
        self.state, self.token, self.lapsed = S.IN_FLIGHT, token, lapsed
        return claim

    @rule(claim=claims, answer=st.sampled_from(MOSTLY_OPEN))
    def answer(self, claim: MessageClaim, answer: MessageAnswer) -> None:
        if self.token == claim.token and (
            self.state is S.IN_FLIGHT
            or (self.state is S.IN_DOUBT and answer in (ACCEPTED, REFUSED))
        ):
            self.state = AFTER[answer.event]
        with suppress(ClaimLost):
            self.ledger.settle(claim, answer)

    @rule()
    def sweep(self) -> None:
        self.ledger.sweep()
        if self.state is S.IN_FLIGHT and self.lapsed:
            self.state = S.IN_DOUBT

    @rule()
    def resend(self) -> None:
        self.sweep()
        if self.state is S.IN_DOUBT:
            self.ledger.resolve(Event.RESEND, self.message, who="Olha", note="", message_id=None)
            self.state, self.token = S.PENDING, ""

    @invariant()
    def the_message_is_where_it_must_be(self) -> None:
        state = self.ledger.by_id(self.message).state
        assert state is self.state, "another state than it must have"


def fault_of(machine: type[RuleBasedStateMachine], examples: int) -> str:
    """Return what the machine finds wrong, '' if nothing."""
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                phases=[Phase.generate],
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except AssertionError as error:
        return str(error)
    return ""


BUGS = {
    "settle without the token": ("settle", "AND token = :token"),
    "claim in any state": ("claim", "AND state = 'pending'"),
}


def plant(ledger: MessageLedger, name: str, sql: str) -> None:
    """Give one ledger another statement."""
    ledger.sql = ledger.sql | {name: sql}
    if not isinstance(ledger, SqliteMessages):
        tables = ledger._tables  # type: ignore[attr-defined]
        tables._sql = tables._sql | {name: placeholders(sql)}


@pytest.mark.parametrize("bug", ["", *BUGS])
def test_no_order_of_steps_sends_twice(outboxes: Outboxes, bug: str):
    ledger = outboxes.ledger()
    if bug:
        name, part = BUGS[bug]
        assert part in ledger.sql[name]
        plant(ledger, name, ledger.sql[name].replace(part, ""))
    machine = type("Machine", (AnyOrder,), {"ledger": ledger})
    assert bool(fault_of(machine, 1000 if bug else 60)) == bool(bug)
