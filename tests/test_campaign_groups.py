"""Requests that are claimed and settled in groups, on both ledgers.

A group is as large as the number of workers that are free to send. What has not begun when the run
ends is given back, and each outcome is recorded with its own request. Planted bugs must fail these
tests (docs: how it is tested, "Groups of requests").
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import psycopg
import pytest
from stepped import stepped
from test_campaign_ledgers import Places, places_of

import smsgate
from smsgate.campaign import (
    Campaign,
    Event,
    JournalError,
    JournalLost,
    Progress,
    RecipientState,
    Runner,
    RunOutcome,
    Settlement,
    rows_source,
)
from smsgate.campaign.claims import Claimed
from smsgate.ledger.records import RecipientOutcome, RequestEnd
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.anyio

S = RecipientState
WORKERS = 3
NUMBERS = [f"+38050{number:07}" for number in range(14)]
REFUSED = "+380000000001"
KYIV = ZoneInfo("Europe/Kyiv")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    return places_of(request, tmp_path)


@pytest.fixture
def campaign(places: Places) -> Any:
    rows = rows_source({"phone": number, "code": number[3:]} for number in [*NUMBERS, REFUSED])
    with Campaign.create(
        places.place("a"), rows, sender="Shop", text="Код {code}", database=places.database
    ) as made:
        yield made


def session_of(sandbox: Sandbox) -> smsgate.AsyncSession:
    return smsgate.AsyncSession("sandbox", "sandbox", url=sandbox.url, concurrency=WORKERS)


def group_sizes(campaign: Campaign) -> Counter[tuple[str, int]]:
    """Return counts that will be filled with the sizes of the groups that the journal gets."""
    sizes = Counter[tuple[str, int]]()
    journal: Any = campaign.journal
    claim, settle = journal.claim, journal.settle

    def claimed(*given: Any, **named: Any) -> Any:
        claims = claim(*given, **named)
        sizes["claim", len(claims)] += 1
        return claims

    def settled(settlements: Sequence[Settlement]) -> None:
        sizes["settle", len(settlements)] += 1
        settle(settlements)

    journal.claim, journal.settle = claimed, settled
    return sizes


def broken(campaign: Campaign, sandbox: Sandbox) -> Counter[str]:
    """Compare the journal with what the gateway accepted."""
    sent: dict[str, list[str]] = {}
    for message in sandbox.messages:
        sent.setdefault(message.destination, []).append(message.id)
    found = Counter[str]()
    for one in campaign.recipients():
        ids = sent.get(one.number or "", [])
        found["sent twice"] += len(ids) > 1
        if one.state is S.ACCEPTED:
            found["another id"] += [one.message_id] != ids
        elif one.state is S.IN_DOUBT:
            found["in doubt without need"] += 1
        elif one.state is S.REFUSED:
            found["wrongly refused"] += one.number != REFUSED
        else:
            found["sent and not recorded"] += bool(ids)
            found["in flight for ever"] += one.state is S.IN_FLIGHT
    return +found


# Claims


async def test_free_workers_get_their_requests_by_one_claim(campaign: Campaign, places: Places):
    """A claim is committed before its request leaves, and there are no more than workers."""
    in_flight: list[int] = []

    def look(step: str) -> None:
        if step == "sending":
            with Campaign.open(
                places.place("a"), database=places.database, writing=False
            ) as opened:
                in_flight.append(opened.journal.states().get(S.IN_FLIGHT, 0))

    sizes = group_sizes(campaign)
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        async with session_of(sandbox) as session:
            result = await stepped(Runner, hook=look)(campaign.journal, session).run()
        assert broken(campaign, sandbox) == Counter()
    assert result.states == {S.ACCEPTED: len(NUMBERS), S.REFUSED: 1}
    assert min(in_flight) >= 1
    assert max(in_flight) <= WORKERS
    assert max(size for what, size in sizes if what == "claim") == WORKERS


async def test_one_worker_claims_one_request_at_a_time(campaign: Campaign):
    sizes = group_sizes(campaign)
    with Sandbox() as sandbox:
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", url=sandbox.url, concurrency=1
        ) as session:
            await Runner(campaign.journal, session).run()
    assert {size for what, size in sizes if what == "claim"} == {0, 1}
    assert {size for what, size in sizes if what == "settle"} == {1}


@pytest.mark.parametrize("places", ["sqlite"], indirect=True)
async def test_low_rate_claims_one_request_at_a_time(campaign: Campaign):
    sizes = group_sizes(campaign)
    with Sandbox() as sandbox:
        async with session_of(sandbox) as session:
            await Runner(campaign.journal, session, rate=30).run()
    assert {size for what, size in sizes if what == "claim"} == {0, 1}


# What has not begun


class KeepsClaims(Runner):
    """What no worker has taken is not given back."""

    async def _give_back(self) -> None:
        self._claims._waiting.clear()


class SendsAfterTheEnd(Runner):
    """What was claimed is sent, although the run has ended since."""

    async def _send(self, claimed: Claimed) -> None:
        outcome, self._outcome = self._outcome, None
        await super()._send(claimed)
        self._outcome = outcome


async def interrupted(
    campaign: Campaign, sandbox: Sandbox, how: str, runner_class: type[Runner]
) -> None:
    """Start a run that is interrupted as soon as it has claimed its first group."""
    over = False
    opens = datetime(2026, 3, 2, 9, 59, 59, tzinfo=KYIV).timestamp()

    def interrupt(now: Progress) -> None:
        nonlocal over
        if now.closed:
            runner.stop()
        if now.under_way and not over:
            over = True
            assert now.under_way == WORKERS
            if how == "stop":
                runner.stop()
            elif how == "cancel":
                scope.cancel()
            elif how == "error":
                raise KeyError

    with anyio.CancelScope() as scope:
        async with session_of(sandbox) as session:
            clock = {"_time": staticmethod(lambda: opens + 2 * over)}
            runner = type("Ended", (runner_class,), clock if how == "closing time" else {})(
                campaign.journal, session, on_progress=interrupt
            )
            with suppress(KeyError):
                await runner.run()
    assert over


WAYS = ["stop", "cancel", "error", "closing time"]


@pytest.mark.parametrize("how", WAYS)
async def test_what_has_not_begun_is_given_back(campaign: Campaign, how: str):
    if how == "closing time":
        campaign.set_sending_window(between=(time(9), time(10)), timezone="Europe/Kyiv")
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        await interrupted(campaign, sandbox, how, Runner)
        assert sandbox.accepted == 0
        assert campaign.journal.states() == {S.PENDING: len(NUMBERS) + 1}
        if how == "closing time":
            campaign.set_sending_window(between=(time(0), time(23, 59)))
        async with session_of(sandbox) as session:
            result = await type("Open", (Runner,), {"_time": staticmethod(lambda: 1e9)})(
                campaign.journal, session
            ).run()
        assert result.outcome is RunOutcome.FINISHED
        assert broken(campaign, sandbox) == Counter()
        assert sandbox.accepted == len(NUMBERS)


@pytest.mark.parametrize(
    ("bug", "how"), [(KeepsClaims, "cancel"), (KeepsClaims, "error"), (SendsAfterTheEnd, "stop")]
)
async def test_planted_bug_in_the_end_of_a_run_is_found(
    campaign: Campaign, bug: type[Runner], how: str
):
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        await interrupted(campaign, sandbox, how, bug)
        left = campaign.journal.states() != {S.PENDING: len(NUMBERS) + 1}
        assert left or sandbox.accepted


# Settlements


def dropped(settlements: Sequence[Settlement]) -> Sequence[Settlement]:
    """Leave one of a group out."""
    return settlements[:-1] if len(settlements) > 1 else settlements


def exchanged(settlements: Sequence[Settlement]) -> Sequence[Settlement]:
    """Record the outcomes of a group with the wrong requests."""
    outcomes = [one.outcomes for one in settlements]
    return [
        Settlement(
            one.claim,
            [
                RecipientOutcome(key, other.event, other.message_id, other.reason, other.alone)
                for (key, _), other in zip(one.claim.recipients, others, strict=True)
            ],
            one.end,
        )
        for one, others in zip(settlements, outcomes[1:] + outcomes[:1], strict=True)
    ]


async def run_with(
    campaign: Campaign, planted: Callable[[Sequence[Settlement]], Sequence[Settlement]] | None
) -> Counter[str]:
    journal: Any = campaign.journal
    settle = journal.settle
    if planted is not None:
        journal.settle = lambda settlements: settle(planted(settlements))
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        async with session_of(sandbox) as session:
            await Runner(campaign.journal, session).run()
        return broken(campaign, sandbox)


async def test_each_outcome_is_recorded_with_its_request(campaign: Campaign):
    sizes = group_sizes(campaign)
    assert await run_with(campaign, None) == Counter()
    assert max(size for what, size in sizes if what == "settle") > 1
    assert sum(size * count for (what, size), count in sizes.items() if what == "settle") == 15
    assert campaign.journal.states() == {S.ACCEPTED: len(NUMBERS), S.REFUSED: 1}


@pytest.mark.parametrize("bug", [dropped, exchanged])
async def test_planted_bug_in_a_group_is_found(
    campaign: Campaign, bug: Callable[[Sequence[Settlement]], Sequence[Settlement]]
):
    assert await run_with(campaign, bug)


def damage(places: Places) -> None:
    """Let another program change the recipient on line 2."""
    if places.database is None:
        with closing(sqlite3.connect(places.place("a"))) as connection, connection:
            connection.execute("UPDATE recipient SET state = 'abandoned' WHERE line = 2")
        return
    with psycopg.connect(places.database) as server:
        server.execute("UPDATE smsgate.recipient SET state = 'abandoned' WHERE line = 2")


async def test_outcome_that_cannot_be_recorded_costs_no_other(campaign: Campaign, places: Places):
    """Each outcome of a group that fails is recorded by itself."""
    damaged = False

    def step(name: str) -> None:
        nonlocal damaged
        if name == "sending" and not damaged:
            damaged = True
            damage(places)

    sizes = group_sizes(campaign)
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        async with session_of(sandbox) as session:
            with pytest.raises(JournalError, match="The outcomes of 1 recipients could not be"):
                await stepped(Runner, hook=step)(campaign.journal, session).run()
        states = Counter(one.state for one in campaign.recipients())
        assert states[S.ABANDONED] == 1
        assert states[S.ACCEPTED] == sandbox.accepted - 1 > 0
        assert states[S.IN_FLIGHT] == 0
    assert max(size for what, size in sizes if what == "settle") > 1


@pytest.mark.parametrize("places", ["postgres"], indirect=True)
def test_late_outcome_that_is_decided_costs_no_other(campaign: Campaign):
    """The answers of a group come after the lease, and an operator has decided about one."""
    journal = campaign.journal
    claims = journal.claim(journal.start_run(), 10, requests=3, lease=-1.0)
    assert len(claims) == 3
    assert journal.sweep() == 3
    journal.resolve(
        Event.GIVE_UP, who="me", note="", request=claims[1].request, line=None, message_id=None
    )
    given = [
        Settlement(
            claim,
            [RecipientOutcome(claim.recipients[0][0], Event.ACCEPTED, f"id of {place}")],
            RequestEnd(None, 200),
        )
        for place, claim in enumerate(claims)
    ]
    for _ in range(2):  # a step may be repeated
        with pytest.raises(JournalLost, match=f"request {claims[1].request}: the outcomes of 1 "):
            journal.settle(given)
        found = {one.message_id for one in journal.recipients()}
        assert found == {None, "id of 0", "id of 2"}
    assert journal.states() == {S.ACCEPTED: 2, S.ABANDONED: 1, S.PENDING: len(NUMBERS) - 2}
