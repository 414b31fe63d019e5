"""The ledger of campaigns: what SQLite and PostgreSQL do alike, and what no order of steps may do.

Every test of this file runs on both databases (docs: several machines).
"""

from __future__ import annotations

import html
import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from databases import database_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from soak import count
from test_campaign_machine import NUMBERS, WORDS, JournalMachine

import smsgate
from smsgate.campaign import (
    Campaign,
    Event,
    Evidence,
    Journal,
    JournalLost,
    RecipientState,
    Row,
    RunOutcome,
    Source,
    rows_source,
)
from smsgate.campaign.command_words import place_in_words
from smsgate.ledger.postgres.postgres_journal import PostgresJournal
from smsgate.ledger.records import Claim, LedgerError, RecipientOutcome, RequestEnd, Seen
from smsgate.ledger.sql_files import placeholders
from smsgate.ledger.states import LATE
from smsgate.protocol.answers import DeliveryState
from smsgate.sandbox import Sandbox, Settings

S = RecipientState
ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"
_NAMES = itertools.count()


class Places:
    """Where campaigns of one kind of ledger are: in a folder or in a database."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.folder, self.database = folder, database

    def place(self, name: str) -> str:
        return str(self.folder / name) if self.database is None else name

    def create(self, name: str, rows: Any, **options: Any) -> Campaign:
        options = {"sender": "Shop", "text": "Hello"} | options
        place = self.place(name)
        source = rows if isinstance(rows, Source) else rows_source(rows)
        return Campaign.create(place, source, database=self.database, **options)

    def open(self, name: str) -> Campaign:
        return Campaign.open(self.place(name), database=self.database)


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    return places_of(request, tmp_path)


def places_of(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """Return the places of a fixture whose parameter is "sqlite" or "postgres"."""
    if request.param == "sqlite":
        return Places(tmp_path, None)
    return Places(tmp_path, database_of(request))


def numbers(count: int) -> list[str]:
    return [f"+38050{number:07}" for number in range(count)]


def settle(journal: Journal, claim: Claim, *events: Event, **named: Any) -> None:
    chosen = events * (len(claim.recipients) if len(events) == 1 else 1)
    outcomes = [
        RecipientOutcome(key, event, ID if event is Event.ACCEPTED else None, **named)
        for (key, _), event in zip(claim.recipients, chosen, strict=True)
    ]
    journal.settle(claim, outcomes, RequestEnd("why", 200, b"<broken>"))


def claimed(journal: Journal, most: int = 100, seen: Seen | None = None) -> Claim:
    claim = journal.claim(journal.start_run(), most, seen)
    assert claim is not None
    return claim


# The list


def test_numbers_that_repeat_and_bad_rows_are_skipped(places: Places):
    rows = [*numbers(3), "nobody", numbers(1)[0]]
    with places.create("a", rows) as campaign:
        assert campaign.added is not None
        assert (campaign.added.pending, sum(campaign.added.skipped.values())) == (3, 2)
        found = [(one.line, one.state, one.reason) for one in campaign.recipients()]
        assert [line for line, *_ in found] == [1, 2, 3, 4, 5]
        assert found[4] == (5, S.SKIPPED, "repeats line 1")
        assert campaign.figures().skipped["repeats another line"] == 1
        assert campaign.figures().example_number in numbers(3)


def test_equal_texts_of_a_mixed_list_go_together(places: Places):
    rows = [{"phone": number, "name": "АБ"[place % 2]} for place, number in enumerate(numbers(6))]
    with places.create("a", rows, text="Вітаємо, {name}") as campaign:
        seen = []
        run = campaign.journal.start_run()
        while claim := campaign.journal.claim(run, 100):
            seen.append((claim.text.text, [number for _, number in claim.recipients]))
            settle(campaign.journal, claim, Event.ACCEPTED)
        assert sorted(seen) == [
            ("Вітаємо, А", numbers(6)[::2]),
            ("Вітаємо, Б", numbers(6)[1::2]),
        ]
        assert campaign.figures().ucs2 == 6


def test_failed_list_leaves_no_campaign(places: Places):
    def rows() -> Iterator[str]:
        yield from numbers(3)
        raise RuntimeError("the list ends early")

    with pytest.raises(RuntimeError):
        places.create("a", rows())
    with pytest.raises(FileNotFoundError):
        places.open("a")
    places.create("a", numbers(1)).close()
    with pytest.raises(FileExistsError):
        places.create("a", numbers(1))


# Sending


def test_claim_takes_no_more_than_it_may(places: Places):
    with places.create("a", numbers(250)) as campaign:
        run, sizes = campaign.journal.start_run(), []
        while claim := campaign.journal.claim(run, 100):
            sizes.append(len(claim.recipients))
            assert campaign.journal.states()[S.IN_FLIGHT] == sizes[-1]
            settle(campaign.journal, claim, Event.ACCEPTED)
        assert sizes == [100, 100, 50]
        assert campaign.journal.states() == {S.ACCEPTED: 250}


def test_each_outcome_is_recorded_with_its_recipient(places: Places):
    with places.create("a", numbers(4)) as campaign:
        claim = claimed(campaign.journal)
        events = (Event.ACCEPTED, Event.REFUSED, Event.IN_DOUBT, Event.NOT_SENT)
        settle(campaign.journal, claim, *events)
        found = list(campaign.recipients())
        assert [one.state for one in found] == [S.ACCEPTED, S.REFUSED, S.IN_DOUBT, S.PENDING]
        assert [one.attempts for one in found] == [1] * 4
        assert {one.request for one in found} == {claim.request}
        assert found[0].message_id == ID
        (doubt,) = campaign.in_doubt()
        assert (doubt.id, doubt.in_doubt, doubt.cost, doubt.status) == (claim.request, 1, 1, 200)
        assert campaign.journal.reply(doubt.id) == b"<broken>"
        again = claimed(campaign.journal)
        assert [number for _, number in again.recipients] == numbers(4)[3:]
        assert again.alone == 0


def test_refused_request_is_tried_again_one_by_one(places: Places):
    with places.create("a", numbers(3)) as campaign:
        settle(campaign.journal, claimed(campaign.journal), Event.NOT_SENT, alone=True)
        again = claimed(campaign.journal)
        assert (len(again.recipients), again.alone) == (1, 1)
        settle(campaign.journal, again, Event.NOT_SENT)
        assert campaign.journal.states() == {S.PENDING: 3}


def test_evidence_is_stored_with_its_request(places: Places):
    with places.create("a", numbers(3)) as campaign:
        journal = campaign.journal
        first = claimed(journal, 1, Seen(Decimal("10.50"), journal.now()))
        second = claimed(journal, 1)
        settle(journal, second, Event.ACCEPTED)
        settle(journal, first, Event.IN_DOUBT)
        assert journal.without_evidence() == [first.request]
        around = journal.around(first.request, journal.now() + 1)
        assert around.seen is not None
        assert (around.seen.balance, around.spent, around.others) == (Decimal("10.50"), 1, 1)
        evidence = Evidence(Decimal("10.50"), 1.0, 1, Decimal("8.50"), 2.0, 1, (ID,), 1)
        journal.add_evidence(first.request, evidence)
        assert campaign.in_doubt()[0].evidence == evidence
        assert journal.without_evidence() == []
        other = "00000000-0000-4000-8000-000000000000"
        assert journal.unrecorded_ids([ID, other]) == [other]


def test_evidence_counts_other_requests_in_doubt(places: Places):
    with places.create("a", numbers(4)) as campaign:
        journal = campaign.journal
        before = Seen(Decimal("10.50"), journal.now())
        first = claimed(journal, 1, before)
        settle(journal, first, Event.IN_DOUBT)
        settle(journal, claimed(journal, 1), Event.ACCEPTED)
        around = journal.around(first.request, journal.now() + 1)
        assert (around.spent, around.others) == (1, 0)
        later = journal.now() + 1
        settle(journal, claimed(journal, 1), Event.IN_DOUBT)
        assert journal.around(first.request, later + 1).others == 1
        assert journal.around(first.request, before.at).others == 0, "claimed after the balance"


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"batch": 0}, "batch: must be a whole number from 1 to 1000"),
        ({"rate": 0}, "rate: must be more than 0"),
        ({"concurrency": 0}, "concurrency: must be a whole number, 1 or more"),
    ],
)
def test_plan_refuses_limits_out_of_range(named: dict[str, Any], field: str, places: Places):
    with places.create("a", numbers(1)) as campaign, pytest.raises(ValueError, match=field):
        campaign.plan(**named)


# Deciding


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Event.RESEND, S.PENDING),
        (Event.ASSUME_SENT, S.ASSUMED_SENT),
        (Event.GIVE_UP, S.ABANDONED),
    ],
)
def test_decision_concerns_one_line_or_all(event: Event, state: RecipientState, places: Places):
    with places.create("a", numbers(3)) as campaign:
        settle(campaign.journal, claimed(campaign.journal), Event.IN_DOUBT)
        assert campaign.resolve(event, who="olha", line=2) == 1
        assert [one.state for one in campaign.recipients()] == [S.IN_DOUBT, state, S.IN_DOUBT]
        assert campaign.resolve(event, who="olha", request=99) == 0
        assert campaign.resolve(event, who="olha", note="all") == 2
        assert campaign.journal.states() == {state: 3}
        assert [one.recipients for one in campaign.figures().decisions] == [1, 2]
        if state is S.PENDING:
            assert len(claimed(campaign.journal).recipients) == 1, "each is sent to alone"


@pytest.mark.anyio
async def test_run_that_would_cost_too_much_sends_nothing(places: Places):
    with places.create("a", numbers(3), text="я" * 71) as campaign, Sandbox() as gateway:
        async with smsgate.AsyncSession("sandbox", "sandbox", url=gateway.url) as session:
            with pytest.raises(ValueError, match="max_cost: must be a whole number of credits"):
                await campaign.run(session, max_cost=-1)
            result = await campaign.run(session, max_cost=5)
            assert result.outcome is RunOutcome.PAUSED
            assert "would cost about 6 credits, and the most allowed is 5" in result.why
            assert campaign.journal.states() == {S.PENDING: 3}
            assert gateway.calls["SendSMS"] == 0
            result = await campaign.run(session, max_cost=6)
            assert result.outcome is RunOutcome.FINISHED
        assert gateway.accepted == 3


def test_decision_concerns_a_range_of_lines(places: Places):
    with places.create("a", numbers(30)) as campaign:
        settle(campaign.journal, claimed(campaign.journal, 10), Event.IN_DOUBT)
        settle(campaign.journal, claimed(campaign.journal, 10), Event.IN_DOUBT)
        assert campaign.resolve(Event.ASSUME_SENT, who="olha", line=(8, 13)) == 6
        assert campaign.resolve(Event.CANCEL, who="olha", line=(18, 24), note="closed") == 4
        assert campaign.resolve(Event.CANCEL, who="olha", line=(29, 99)) == 2
        states = [one.state for one in campaign.recipients()]
        assert states == (
            [S.IN_DOUBT] * 7 + [S.ASSUMED_SENT] * 6 + [S.IN_DOUBT] * 7
            + [S.ABANDONED] * 4 + [S.PENDING] * 4 + [S.ABANDONED] * 2
        )  # fmt: skip
        assert [(one.line, one.note) for one in campaign.figures().decisions] == [
            (None, "lines 8 to 13"),
            (None, "lines 18 to 24: closed"),
            (None, "lines 29 to 99"),
        ]
        settle(campaign.journal, claimed(campaign.journal, 10), Event.ACCEPTED)
        assert campaign.journal.states()[S.ACCEPTED] == 4


def test_decision_about_lines_concerns_several_texts(places: Places):
    rows = [{"phone": number, "name": "АБВ"[place % 3]} for place, number in enumerate(numbers(12))]
    with places.create("a", rows, text="Вітаємо, {name}") as campaign:
        for _ in range(2):
            settle(campaign.journal, claimed(campaign.journal), Event.IN_DOUBT)
        assert campaign.resolve(Event.RESEND, who="olha", line=(3, 6)) == 2
        assert campaign.resolve(Event.CANCEL, who="olha", line=(3, 6)) == 4
        assert campaign.resolve(Event.GIVE_UP, who="olha", line=(12, 99)) == 0, "not in doubt"
        states = [one.state for one in campaign.recipients()]
        doubt = [S.IN_DOUBT, S.IN_DOUBT, S.PENDING]
        assert states == doubt[:2] + [S.ABANDONED] * 4 + doubt * 2
        assert campaign.journal.states() == {S.IN_DOUBT: 6, S.PENDING: 2, S.ABANDONED: 4}


def test_decision_concerns_lines_in_whatever_order_they_are(places: Places):
    order = [1, 9, 2, 8, 3, 7, 4, 6, 5, 10]
    rows = [Row(line, number, {}) for line, number in zip(order, numbers(10), strict=True)]
    for event, then in ((Event.CANCEL, S.ABANDONED), (Event.ASSUME_SENT, S.ASSUMED_SENT)):
        with places.create(event, Source(iter(rows), ("phone",), "phone")) as campaign:
            journal = campaign.journal
            before = S.PENDING
            if event is Event.ASSUME_SENT:
                settle(journal, claimed(journal), Event.IN_DOUBT)
                before = S.IN_DOUBT
            assert campaign.resolve(event, who="olha", line=(1, 3)) == 3
            assert campaign.resolve(event, who="olha", line=(7, 8)) == 2
            found = {one.line for one in campaign.recipients() if one.state is then}
            assert found == {1, 2, 3, 7, 8}
            assert campaign.figures().states == {then: 5, before: 5}
            if event is Event.CANCEL:
                settle(journal, claimed(journal), Event.ACCEPTED)
                while claim := journal.claim(1, 100, None):
                    settle(journal, claim, Event.ACCEPTED)
                assert campaign.figures().states == {then: 5, S.ACCEPTED: 5}


def test_decision_whose_commit_was_lost_is_made_once(places: Places):
    with places.create("a", numbers(4)) as campaign:
        journal = campaign.journal
        settle(journal, claimed(journal, 2), Event.IN_DOUBT)
        if not isinstance(journal, PostgresJournal):  # a commit to a file has no answer to lose
            assert campaign.resolve(Event.RESEND, who="olha", line=(1, 2)) == 2
            return
        tables, sent = journal._tables, list[Claim]()
        step = tables.step

        def lost(work: Callable[[], Any]) -> Any:
            """Commit, and do the work again as after a lost connection. Others send in between."""
            tables.step = step  # type: ignore[method-assign]
            step(work)
            with places.open("a") as others:
                for _ in range(2):
                    sent.append(claimed(others.journal, 2))
                    settle(others.journal, sent[-1], Event.IN_DOUBT)
            return step(work)

        tables.step = lost  # type: ignore[method-assign]  # the fault under test
        assert campaign.resolve(Event.RESEND, who="olha", line=(1, 2)) == 2
        assert journal.states() == {S.IN_DOUBT: 3, S.PENDING: 1}
        assert [one.recipients for one in campaign.figures().decisions] == [2]


@pytest.mark.parametrize("line", [0, -1, True, (3, 2), (0, 4), (1.0, 2), "7"])
def test_odd_lines_of_a_decision_are_refused(line: Any, places: Places):
    with (
        places.create("a", numbers(3)) as campaign,
        pytest.raises(ValueError, match=r"^line: must be a line from 1, or a first and a last"),
    ):
        campaign.resolve(Event.CANCEL, who="olha", line=line)


def test_pending_recipients_are_cancelled_one_by_one_or_all(places: Places):
    with places.create("a", numbers(5)) as campaign:
        assert campaign.resolve(Event.CANCEL, who="olha", line=3) == 1
        assert campaign.resolve(Event.CANCEL, who="olha", line=3) == 0
        claim = claimed(campaign.journal, 1)
        assert campaign.resolve(Event.CANCEL, who="olha") == 3
        settle(campaign.journal, claim, Event.ACCEPTED)
        assert campaign.journal.states() == {S.ACCEPTED: 1, S.ABANDONED: 4}
        assert campaign.journal.claim(1, 100) is None


def test_found_id_belongs_to_one_recipient(places: Places):
    with places.create("a", numbers(2)) as campaign:
        settle(campaign.journal, claimed(campaign.journal), Event.IN_DOUBT)
        with pytest.raises(ValueError, match="an id belongs to one recipient"):
            campaign.resolve(Event.FOUND, who="olha", message_id=ID)
        assert campaign.resolve(Event.FOUND, who="olha", message_id=ID, line=1) == 1
        with pytest.raises(ValueError, match="line 1 has this id already"):
            campaign.resolve(Event.FOUND, who="olha", message_id=ID, line=2)
        assert campaign.journal.states() == {S.ACCEPTED: 1, S.IN_DOUBT: 1}


# Delivery and figures


def test_messages_are_asked_about_until_their_status_is_final(places: Places):
    with places.create("a", numbers(3)) as campaign:
        journal = campaign.journal
        settle(journal, claimed(journal), Event.ACCEPTED)
        due = journal.to_ask(60, 10)
        assert len(due) == journal.next_ask()[0] == 3
        journal.set_delivery(due[0][0], DeliveryState.DELIVERED)
        journal.note_asked(due[1][0])
        assert journal.to_ask(60, 10) == due[2:]
        assert journal.next_ask()[0] == 2
        deliveries = campaign.figures().deliveries
        assert deliveries == {"": 2, str(DeliveryState.DELIVERED): 1}


def test_purge_keeps_the_figures_and_nothing_personal(places: Places):
    with places.create("a", [*numbers(4), "nobody"], text="Привіт") as campaign:
        settle(campaign.journal, claimed(campaign.journal, 2), Event.ACCEPTED, Event.REFUSED)
        with pytest.raises(ValueError, match="2 recipients are pending"):
            campaign.purge()
        campaign.resolve(Event.CANCEL, who="olha", note="about Петро")
        before, slots = campaign.figures(), campaign.timeline()
        campaign.purge()
        campaign.purge()
        now = campaign.figures()
        assert now.purged
        kept = replace(before, purged=True, example=None, example_number=None)
        no_notes = tuple(replace(one, note="") for one in before.decisions)
        same = replace(now, example=None, example_number=None, forced_by=before.forced_by)
        assert same == replace(kept, decisions=no_notes)
        assert [slot.accepted for slot in campaign.timeline()] == [slot.accepted for slot in slots]
        assert not any(one.number for one in campaign.recipients())


def test_texts_are_forgotten_once_nobody_needs_them(places: Places):
    with places.create("a", numbers(2), forget_texts=True) as campaign:
        settle(campaign.journal, claimed(campaign.journal, 1), Event.ACCEPTED)
        assert campaign.figures().example is not None
        settle(campaign.journal, claimed(campaign.journal, 1), Event.IN_DOUBT)
        assert campaign.figures().example is not None
        campaign.resolve(Event.GIVE_UP, who="olha")
        assert campaign.figures().example is None


# No order of steps sends twice


class PostgresMachine(JournalMachine):
    """The same campaign in PostgreSQL, where a late answer may still be recorded."""

    address: str
    planted: tuple[str, str, str] | None = None

    def close(self) -> None:
        self.teardown()

    def created(self, rows: list[dict[str, str]]) -> Journal:
        self.name = f"machine {next(_NAMES)}"
        self.swept: dict[str, set[int]] = {}
        source = rows_source(rows)
        Campaign.create(
            self.name, source, database=self.address, sender="Shop", text="Вітаємо, {name}"
        ).close()
        return self.opened()

    def opened(self) -> Journal:
        journal = PostgresJournal.open(self.address, self.name)
        if self.planted is not None:
            name, part, instead = self.planted
            tables = journal._tables
            sql, part = tables._sql[name], placeholders(part)
            assert part in sql
            tables._sql = tables._sql | {name: sql.replace(part, placeholders(instead))}
        return journal

    def opened_again(self) -> Journal:
        """Let the leases of the process that ended pass."""
        for claim in self.under_way.values():
            self.swept[claim.token] = set(self.lines_of(claim))
        with psycopg.connect(self.address) as connection:
            connection.execute("UPDATE smsgate.request SET lease_until = 0 WHERE lease_until > 0")
        return self.opened()

    def key_of(self, line: int) -> int:
        odd = [*range(1, 9, 2), *range(2, 9, 2), 9, 10]  # ids follow the texts, then the skipped
        return odd.index(line) + 1

    @rule(claim=JournalMachine.claims, event=st.sampled_from(WORDS))
    def decide_about_a_claim(self, claim: Claim, event: Event) -> None:
        """Decide about somebody whose answer may still come."""
        self.decide(event, self.lines_of(claim)[0])

    def move(self, recipient: int, event: Event) -> None:
        super().move(recipient, event)
        for lines in self.swept.values():
            if event is not Event.IN_DOUBT:
                lines.discard(recipient)

    def settle_again(self, claim: Claim, outcomes: list[RecipientOutcome]) -> None:
        mine = self.swept.get(claim.token)
        if mine is None:  # settled before with this token: the answer of the database was lost
            self.journal.settle(claim, outcomes, RequestEnd())
            return
        late = [
            (line, LATE[one.event])
            for line, one in zip(self.lines_of(claim), outcomes, strict=True)
            if one.event in LATE
        ]
        moved = [(line, event) for line, event in late if line in mine]
        try:
            self.journal.settle(claim, outcomes, RequestEnd("late"))
        except JournalLost:
            assert len(moved) < len(late), "each outcome could be recorded"
        for line, event in moved:
            self.move(line, event)


BUGS = {
    "in flight put back to pending": (
        "sweep_requests",
        "SET state = 'in doubt', settled_at",
        "SET state = 'pending', settled_at",
    ),
    "settle without the fence": (
        "settle_late",
        "AND one.state = 'in doubt'\nAND one.request = :request",
        "",
    ),
    "in doubt claimed": (
        "claim",
        "WHERE campaign = :campaign AND state = 'pending'",
        "WHERE campaign = :campaign AND state IN ('pending', 'in doubt')",
    ),
    "one who is in flight is cancelled": (
        "lock_pending",
        "AND state = 'pending'",
        "AND state IN ('pending', 'in flight')",
    ),
}
EFFORT = settings(max_examples=count(short=8, full=60), stateful_step_count=30)


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Callable[..., type[PostgresMachine]]:
    address = database_of(request)
    return lambda **more: type("Machine", (PostgresMachine,), {"address": address, **more})


def test_no_order_of_steps_leaves_the_table(machine: Callable[..., type[PostgresMachine]]):
    run_state_machine_as_test(machine(), settings=EFFORT)


def in_some_order(machine: PostgresMachine) -> None:
    """Do the steps that show the bugs. The machine checks each of them."""
    machine.claim(2)
    (claim,) = machine.under_way.values()
    machine.decide(Event.CANCEL, machine.lines_of(claim)[0])
    machine.end_and_begin_again()
    machine.everybody_is_where_the_table_says()
    machine.decide(Event.ASSUME_SENT, machine.lines_of(claim)[0])
    machine.settle_again(
        claim, [RecipientOutcome(key, Event.ACCEPTED, ID) for key, _ in claim.recipients]
    )
    machine.everybody_is_where_the_table_says()
    for _ in NUMBERS:
        machine.claim(4)


@pytest.mark.parametrize("bug", ["", *BUGS])
def test_planted_bug_is_found(bug: str, machine: Callable[..., type[PostgresMachine]]):
    with closing(machine(planted=BUGS.get(bug))()) as steps:
        try:
            in_some_order(steps)
        except (AssertionError, KeyError, LedgerError):
            assert bug, "there is no bug"
        else:
            assert not bug, "the bug was not found"


# The report


async def run_and_poll(campaign: Campaign, sandbox: Sandbox, *, poll: bool) -> None:
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=sandbox.url
    ) as session:
        if poll:
            await campaign.poll(session, rate=None, again=0.05, timeout=20)
        else:
            await campaign.run(session)


def test_report_says_not_asked_yet_and_then_who_got_it(places: Places):
    with (
        Sandbox(Settings(delivery_seconds=0.05)) as sandbox,
        places.create("spring", [*numbers(4), "n/a"]) as campaign,
    ):
        anyio.run(partial(run_and_poll, campaign, sandbox, poll=False))
        before = {language: campaign.report(language=language) for language in ("en", "uk")}
        anyio.run(partial(run_and_poll, campaign, sandbox, poll=True))
        after = {language: campaign.report(language=language) for language in ("en", "uk")}
    asked = "<dt>{}</dt><dd>{}<small>{}</small>"
    assert asked.format("Delivered", "Not asked yet", "see what to do next") in before["en"]
    assert asked.format("Доставлено", "Ще не перевіряли", "див. «Що робити далі»") in before["uk"]
    assert not re.search(r"(?<![\d.,])0%", before["en"].partition("<main>")[2])
    assert not re.search(r"(?<![\d.,])0%", before["uk"].partition("<main>")[2])
    assert asked.format("Delivered", "4", "100% of those accepted") in after["en"]
    assert asked.format("Доставлено", "4", "100% від прийнятих") in after["uk"]
    assert not any(number[4:] in page for page in after.values() for number in numbers(4))


def test_report_names_the_campaign_in_its_commands(places: Places, tmp_path: Path):
    with places.create("spring", numbers(1)) as campaign:
        campaign.write_report(tmp_path / "a.html", language="uk")
        page = html.unescape((tmp_path / "a.html").read_text("utf-8"))
    place = shlex.quote(places.place("spring"))
    where = "" if places.database is None else f" --database {shlex.quote(places.database)}"
    assert f"<code>smsgate campaign run {place}{where}</code>" in page
    with places.open("spring") as campaign:
        assert f"campaign run {place}" in html.unescape(campaign.report())


def test_unknown_language_of_a_report_is_refused(places: Places, tmp_path: Path):
    with places.create("spring", numbers(1)) as campaign:
        with pytest.raises(ValueError, match="language: must be one of en, uk"):
            campaign.report(language="de")
        with pytest.raises(ValueError, match="language: must be one of en, uk"):
            campaign.write_report(tmp_path / "a.html", language="de")
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    "address",
    ["postgresql://me:secret@db.example/shop", "postgresql://db/shop?password=secret", "http://["],
)
def test_command_to_copy_never_has_a_password(address: str):
    assert place_in_words("a b", address) == "'a b' --database URL"
