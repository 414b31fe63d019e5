"""The stop list: people who opted out are skipped by a new campaign and again at each claim.

Campaigns and stop lists are in SQLite files and in PostgreSQL, in each combination. A real sandbox
says who was sent to.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
import stop_list_child
from databases import OUTBOXES, database_of
from forks import in_child, start_server
from outbox_child import QuickOutbox
from test_campaign_ledgers import Places, numbers, settle

import smsgate
from smsgate import NotSent, Reason
from smsgate.campaign import (
    Campaign,
    Event,
    Exclusion,
    RecipientState,
    Runner,
    RunOutcome,
    StopLedger,
    StopListError,
    excluded_campaign,
    excluded_file,
    file_source,
    rows_source,
)
from smsgate.campaign.stopping import open_stop_list
from smsgate.ledger.postgres.postgres_journal import PostgresJournal
from smsgate.ledger.sqlite import sqlite_stop_list
from smsgate.sandbox import Sandbox
from smsgate.stop_list import StopList

S = RecipientState
NUMBER = "+380501234567"
LISTED = "on the stop list"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class Lists(Places):
    """Where a campaign is, and the stop list that it honours."""

    def __init__(self, folder: Path, database: str | None, place: str, *, own: bool) -> None:
        super().__init__(folder, database)
        self.stop_list = place
        self.options: dict[str, Any] = {} if own else {"stop_list": place}

    def create(self, name: str, rows: Any, **options: Any) -> Campaign:
        return super().create(name, rows, **{**self.options, **options})

    def stops(self, *listed: str, reason: str = "") -> None:
        with closing(open_stop_list(self.stop_list, writing=True)) as opened:
            opened.add(listed, reason)

    def unstops(self, *listed: str) -> None:
        with closing(open_stop_list(self.stop_list, writing=True)) as opened:
            opened.remove(listed)


KINDS = ("file, file", "file, server", "server, file", "server, own")


@pytest.fixture(params=KINDS)
def lists(request: pytest.FixtureRequest, tmp_path: Path) -> Lists:
    """Return the places of a campaign and of its stop list, which is empty."""
    campaign, kept = request.param.split(", ")
    stop_list, database = str(tmp_path / "stop.db"), None
    if request.param != "file, file":
        address = database_of(request)
        database = address if campaign == "server" else None
        stop_list = stop_list if kept == "file" else address
    found = Lists(tmp_path, database, stop_list, own=kept == "own")
    found.stops("+380509999999")
    return found


def session(sandbox: Sandbox, **options: Any) -> smsgate.AsyncSession:
    return smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=sandbox.url, **options)


def received(sandbox: Sandbox) -> list[str]:
    return sorted(message.destination for message in sandbox.messages)


async def ran(campaign: Campaign, sandbox: Sandbox, **options: Any) -> Any:
    async with session(sandbox) as opened:
        return await campaign.run(opened, **options)


# --- campaigns ------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_listed_number_is_left_out_of_a_new_campaign(lists: Lists, sandbox: Sandbox):
    lists.stops(numbers(5)[1])
    with lists.create("a", [*numbers(5), numbers(5)[1]]) as campaign:
        assert campaign.added is not None
        assert (campaign.added.pending, dict(campaign.added.skipped)) == (4, {LISTED: 2})
        assert campaign.plan().pending == 4
        assert campaign.preview is not None
        assert numbers(5)[1] not in {sample.number for sample in campaign.preview.samples}
        assert [(one.line, one.reason) for one in campaign.skipped()] == [(2, LISTED), (6, LISTED)]
        await ran(campaign, sandbox)
    assert received(sandbox) == [numbers(5)[0], *numbers(5)[2:]]


@pytest.mark.anyio
async def test_number_added_before_the_run_is_not_sent_to(lists: Lists, sandbox: Sandbox):
    lists.create("a", numbers(9)).close()
    lists.stops(*numbers(9)[3:6], numbers(9)[8])
    with lists.open("a") as campaign:
        result = await ran(campaign, sandbox, batch=5)
        assert result.states == {S.ACCEPTED: 5, S.ABANDONED: 4}
        assert result.outcome is RunOutcome.FINISHED
    assert received(sandbox) == [*numbers(9)[:3], *numbers(9)[6:8]]


@pytest.mark.anyio
async def test_number_added_during_the_run_is_not_sent_to(lists: Lists, sandbox: Sandbox):
    """After each request, the next one's first recipient says no."""
    waiting = numbers(12)

    def say_no(_: Any) -> None:
        sent = len(sandbox.messages)
        if 0 < sent < 12 and sent % 2 == 0:
            lists.stops(waiting[sent])
            said.add(waiting[sent])

    said = set[str]()
    with lists.create("a", waiting) as campaign:
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", url=sandbox.url, concurrency=1
        ) as opened:
            result = await campaign.runner(opened, batch=2, on_progress=say_no).run()
        states = {one.number: one.state for one in campaign.recipients()}
    assert said
    stopped = {number for number, state in states.items() if state is S.ABANDONED}
    assert stopped
    assert stopped <= said
    assert received(sandbox) == [number for number in waiting if number not in stopped]
    assert sum(result.states.values()) == 12


@pytest.mark.anyio
async def test_everybody_on_the_list_is_stopped_without_a_request(lists: Lists, sandbox: Sandbox):
    lists.create("a", numbers(30), forget_texts=True).close()
    lists.stops(*numbers(30))
    with lists.open("a") as campaign:
        result = await ran(campaign, sandbox, batch=4)
        assert (result.outcome, result.states) == (RunOutcome.FINISHED, {S.ABANDONED: 30})
        assert campaign.figures().example is None, "the text is forgotten"
        assert sum(slot.stopped for slot in campaign.timeline()) == 30
    assert sandbox.calls["SendSMS"] == 0


@pytest.mark.anyio
async def test_number_taken_off_the_list_is_sent_to(lists: Lists, sandbox: Sandbox):
    lists.create("a", numbers(3)).close()
    lists.stops(*numbers(2))
    lists.unstops(numbers(2)[0])
    with lists.open("a") as campaign:
        assert (await ran(campaign, sandbox)).states == {S.ACCEPTED: 2, S.ABANDONED: 1}
    assert received(sandbox) == [numbers(3)[0], numbers(3)[2]]


@pytest.mark.anyio
async def test_resend_does_not_reach_who_said_no_since(lists: Lists, sandbox: Sandbox):
    with lists.create("a", numbers(4)) as campaign:
        claim = campaign.journal.claim(campaign.journal.start_run(), 4)
        assert claim is not None
        settle(campaign.journal, claim, Event.IN_DOUBT)
        lists.stops(numbers(4)[2])
        assert campaign.resolve(Event.RESEND, who="Olha") == 4
        assert (await ran(campaign, sandbox)).states == {S.ACCEPTED: 3, S.ABANDONED: 1}
    assert received(sandbox) == [*numbers(4)[:2], numbers(4)[3]]


@pytest.mark.anyio
async def test_what_shows_a_campaign_tells_the_reason(
    lists: Lists, sandbox: Sandbox, tmp_path: Path
):
    lists.stops(numbers(6)[0])
    lists.create("a", numbers(6)).close()
    lists.stops(*numbers(6)[1:3])
    with lists.open("a") as campaign:
        await ran(campaign, sandbox)
        figures = campaign.figures()
        assert (dict(figures.skipped), dict(figures.abandoned)) == ({LISTED: 1}, {LISTED: 2})
        assert figures.states == {S.SKIPPED: 1, S.ABANDONED: 2, S.ACCEPTED: 3}
        assert (sum(figures.states.values()), figures.recipients) == (6, 6)
        slots = campaign.timeline()
        assert sum(slot.stopped for slot in slots) == 2
        assert sum(slot.accepted for slot in slots) == 3
        campaign.export(tmp_path / "a.csv")
        campaign.write_report(tmp_path / "a.html")
        campaign.purge()
        assert dict(campaign.figures().abandoned) == {LISTED: 2}
    exported = (tmp_path / "a.csv").read_text("utf-8-sig").splitlines()
    assert [line for line in exported if LISTED in line] == [
        "1,380500000000,skipped,on the stop list,,,,,0,",
        "2,380500000001,abandoned,on the stop list,,,1,,0,Shop",
        "3,380500000002,abandoned,on the stop list,,,1,,0,Shop",
    ]
    report = (tmp_path / "a.html").read_text("utf-8")
    assert "Why recipients were abandoned" in report
    assert report.count(LISTED) >= 2


@pytest.mark.anyio
async def test_session_with_a_list_stops_recipients_of_a_campaign(sandbox: Sandbox, tmp_path: Path):
    """The campaign has no list of its own, so the session refuses the request."""
    async with StopList(tmp_path / "stop.db") as stop_list:
        await stop_list.add(numbers(4)[1])
        source = rows_source(numbers(4))
        with Campaign.create(tmp_path / "a", source, sender="Shop", text="Hello") as campaign:
            async with session(sandbox, stop_list=stop_list) as opened:
                result = await campaign.run(opened)
            assert result.states == {S.ACCEPTED: 3, S.REFUSED: 1}
            (reason,) = campaign.figures().refused
    assert LISTED in reason
    assert numbers(4)[1] not in received(sandbox)


# --- which list -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_unreadable_list_lets_nothing_leave(sandbox: Sandbox, tmp_path: Path):
    lists = Lists(tmp_path, None, str(tmp_path / "stop.db"), own=False)
    lists.stops(NUMBER)
    lists.create("a", numbers(3)).close()
    (tmp_path / "stop.db").rename(tmp_path / "gone.db")
    with lists.open("a") as campaign:
        with pytest.raises(StopListError, match=r"stop\.db: there is no such file"):
            await ran(campaign, sandbox)
        assert campaign.journal.states() == {S.PENDING: 3}
    for content in (b"", b"not a database, but long enough to be one" * 50):
        (tmp_path / "stop.db").write_bytes(content)
        with lists.open("a") as campaign, pytest.raises(StopListError, match=r"stop\.db: "):
            await ran(campaign, sandbox)
    assert not sandbox.messages


@pytest.mark.anyio
async def test_list_that_goes_during_a_run_ends_the_run(sandbox: Sandbox, tmp_path: Path):
    lists = Lists(tmp_path, None, str(tmp_path / "stop.db"), own=False)
    lists.stops(NUMBER)

    def remove(_: Any) -> None:
        if sandbox.messages:
            (tmp_path / "stop.db").unlink(missing_ok=True)

    with lists.create("a", numbers(9)) as campaign:
        async with session(sandbox, concurrency=1) as opened:
            with pytest.raises(StopListError, match=r"stop\.db: there is no such file"):
                await campaign.runner(opened, batch=3, on_progress=remove).run()
        assert campaign.journal.states() == {S.ACCEPTED: 3, S.PENDING: 6}


@pytest.mark.parametrize("given", [True, "stop.db", [], object()])
def test_what_is_no_stop_list_is_refused_at_once(given: Any):
    options: dict[str, Any] = {"url": "http://127.0.0.1:9/"}
    said = r"^stop_list: must be an object with `async def listed"
    with pytest.raises(ValueError, match=said):
        smsgate.AsyncSession("sandbox", "sandbox", **options, stop_list=given)
    with pytest.raises(ValueError, match=said):
        QuickOutbox(smsgate.AsyncSession("a", "b", **options), "sms.db", stop_list=given)


@pytest.mark.anyio
async def test_folder_is_no_stop_list(tmp_path: Path):
    for place in (tmp_path, ""):
        with pytest.raises(StopListError, match="this is a folder: give the path of a file"):
            async with StopList(place, writing=False):
                pass


@pytest.mark.anyio
async def test_locked_list_ends_the_run_and_the_next_one_sends(
    places: Places, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sqlite_stop_list, "_WAIT_TO_READ", 0.05)
    stops = tmp_path / "stop.db"
    with closing(open_stop_list(stops, writing=True)) as opened:
        opened.add([numbers(3)[0]])
    with places.create("a", numbers(3), stop_list=stops) as campaign:
        async with smsgate.AsyncSession("sandbox", "sandbox", url=sandbox.url) as session:
            # The application whose database this is does not use a write-ahead log.
            with closing(sqlite3.connect(stops, isolation_level=None)) as application:
                application.execute("PRAGMA journal_mode = DELETE")
                application.execute("BEGIN EXCLUSIVE")
                with pytest.raises(StopListError, match=r"stop\.db: .*locked"):
                    await campaign.run(session)
                application.execute("ROLLBACK")
            assert not sandbox.messages
            result = await campaign.run(session)
    assert result.states == {S.ACCEPTED: 2, S.SKIPPED: 1}


@pytest.mark.anyio
async def test_list_that_is_replaced_is_read_anew(sandbox: Sandbox, tmp_path: Path):
    lists = Lists(tmp_path, None, str(tmp_path / "stop.db"), own=False)
    lists.stops(NUMBER)
    other = Lists(tmp_path, None, str(tmp_path / "new.db"), own=False)
    other.stops(*numbers(9)[3:])

    def replace(_: Any) -> None:
        if sandbox.messages and (tmp_path / "new.db").exists():
            (tmp_path / "new.db").replace(tmp_path / "stop.db")

    with lists.create("a", numbers(9)) as campaign:
        async with session(sandbox, concurrency=1) as opened:
            await campaign.runner(opened, batch=3, on_progress=replace).run()
        assert campaign.journal.states() == {S.ACCEPTED: 3, S.ABANDONED: 6}


@pytest.mark.anyio
async def test_campaign_and_list_of_one_folder_move_together(sandbox: Sandbox, tmp_path: Path):
    folder = tmp_path / "spring"
    folder.mkdir()
    lists = Lists(folder, None, str(folder / "stop.db"), own=False)
    lists.stops(NUMBER)
    lists.create("a", numbers(2)).close()
    shutil.move(folder, tmp_path / "moved")
    with Campaign.open(tmp_path / "moved" / "a") as campaign:
        assert campaign.stop_lists == (str(tmp_path / "moved" / "stop.db"),)
        assert (await ran(campaign, sandbox)).states == {S.ACCEPTED: 2}


@pytest.mark.anyio
async def test_list_can_be_added_later_and_is_remembered(places: Places, sandbox: Sandbox):
    stop_list = places.folder / "later.db"
    places.create("a", numbers(3)).close()
    with places.open("a") as campaign, pytest.raises(StopListError):
        campaign.add_stop_list(stop_list)
    async with StopList(stop_list) as opened:
        await opened.add(numbers(3)[0])
    for _ in range(2):
        with places.open("a") as campaign:
            campaign.add_stop_list(stop_list)
            assert campaign.stop_lists == (str(stop_list),)
    with places.open("a") as campaign:
        assert (await ran(campaign, sandbox)).states == {S.ACCEPTED: 2, S.ABANDONED: 1}


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    if request.param == "sqlite":
        return Places(tmp_path, None)
    return Places(tmp_path, database_of(request))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("postgresql://me:secret@db/shop", "must have no password"),
        ("postgresql://db/shop?password=secret", "must have no password"),
        ("postgresql://[db", "must have no password"),
        ("mysql://db/shop", "must be a path, or a postgresql:// URL"),
    ],
)
def test_place_of_a_list_has_no_password(place: str, said: str, tmp_path: Path):
    with Campaign.create(tmp_path / "a", rows_source([]), sender="Shop", text="x") as campaign:
        with pytest.raises(ValueError, match=said) as caught:
            campaign.journal.add_stop_list(place)
        assert "secret" not in str(caught.value)
        assert campaign.stop_lists == ()


@pytest.mark.parametrize("content", ["campaign", "other"])
def test_other_file_is_no_stop_list(content: str, tmp_path: Path):
    path = tmp_path / "a.db"
    if content == "campaign":
        Campaign.create(path, rows_source([]), sender="Shop", text="x").close()
    else:
        path.write_bytes(b"something else" * 100)
    for writing in (False, True):
        with pytest.raises(StopListError, match=r"a\.db: the file is"):
            open_stop_list(path, writing=writing)


# --- other lists and campaigns --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["no.txt", "no.csv", "no.xlsx"])
def test_numbers_of_another_list_are_left_out(name: str, places: Places):
    path = places.folder / name
    if name == "no.xlsx":
        import openpyxl  # noqa: PLC0415

        book = openpyxl.Workbook()
        assert book.active
        book.active.append(["Телефон"])
        for cell in (*numbers(2), "nobody"):
            book.active.append([cell])
        book.save(path)
    else:
        head = "name;phone\n" if name == "no.csv" else ""
        rows = "".join(f"{'x;' if head else ''}{cell}\n" for cell in (*numbers(2), "nobody"))
        path.write_text(head + rows, "utf-8")
    with places.create("a", numbers(4), exclude=[excluded_file(path)]) as campaign:
        assert campaign.added is not None
        assert dict(campaign.added.skipped) == {f"excluded: in {name}": 2}
        (told,) = campaign.left_out
        line = 3 if name == "no.txt" else 4
        assert (told.name, told.numbers, told.invalid, told.invalid_lines) == (name, 2, 1, [line])


def test_recipients_of_another_campaign_are_left_out(places: Places):
    places.create("first", [*numbers(2), "nobody"]).close()
    for exclude in ("first",):
        other = excluded_campaign(places.place(exclude), database=places.database)
        with places.create("second", numbers(4), exclude=[other]) as campaign:
            assert campaign.figures().skipped == {"excluded: in the campaign first": 2}
            assert campaign.added is not None
            assert campaign.added.pending == 2


def test_purged_campaign_cannot_be_excluded(places: Places):
    with places.create("first", numbers(1)) as campaign:
        campaign.resolve(Event.CANCEL, who="me")
        campaign.purge()
    with pytest.raises(ValueError, match="first: the numbers of this campaign were deleted"):
        excluded_campaign(places.place("first"), database=places.database)


def test_first_list_that_has_a_number_gives_the_reason(places: Places):
    rows = [Exclusion(name, rows_source(numbers(1)).rows) for name in ("one", "two")]
    with places.create("a", numbers(2), exclude=rows) as campaign:
        assert dict(campaign.figures().skipped) == {"excluded: in one": 1}


# --- crashes and machines -------------------------------------------------------------------------


class Unchecked(PostgresJournal):
    """The stop list is never read at the claim."""

    def _stop(self, *_: Any) -> set[int]:
        return set()


@pytest.mark.parametrize("bug", stop_list_child.BUGS)
def test_claim_that_was_killed_has_nobody_of_the_list(bug: str, tmp_path: Path):
    lists = Lists(tmp_path, None, str(tmp_path / "stop.db"), own=False)
    lists.stops(NUMBER)
    lists.create("a", numbers(6)).close()
    lists.stops(*numbers(3))
    start_server()
    code = in_child(
        stop_list_child.die_in_flight, str(tmp_path / "a"), str(tmp_path / "stop.db"), bug
    )
    assert code == -9
    with lists.open("a") as campaign:
        states = [one.state for one in campaign.recipients()]
    kept = [S.ABANDONED] * 3 + [S.IN_DOUBT] * 3
    assert (states == kept) is (not bug)


@pytest.mark.anyio
@pytest.mark.parametrize("bug", [None, Unchecked])
async def test_two_machines_honour_the_list_of_the_database(
    bug: type[PostgresJournal] | None, request: pytest.FixtureRequest, sandbox: Sandbox
):
    address = database_of(request)
    source = rows_source(numbers(60))
    Campaign.create("a", source, database=address, sender="Shop", text="x").close()
    said_no = numbers(60)[::3]
    async with StopList(address) as stop_list:
        await stop_list.add(*said_no)

    async def machine() -> None:
        journal = (bug or PostgresJournal).open(address, "a")
        with closing(journal):
            async with session(sandbox, concurrency=2) as opened:
                await Runner(journal, opened, batch=7).run()

    async with anyio.create_task_group() as machines:
        machines.start_soon(machine)
        machines.start_soon(machine)
    with Campaign.open("a", database=address) as campaign:
        figures = campaign.figures()
    if bug:
        assert len(received(sandbox)) == 60
        return
    assert received(sandbox) == sorted(set(numbers(60)) - set(said_no))
    assert figures.states == {S.ACCEPTED: 40, S.ABANDONED: 20}


def test_claim_whose_answer_was_lost_is_given_back_without_the_listed(
    request: pytest.FixtureRequest,
):
    """Its request has gaps where the listed ones were."""
    address = database_of(request)
    source = rows_source(numbers(9))
    Campaign.create("a", source, database=address, sender="Shop", text="x").close()
    with closing(open_stop_list(address)) as opened:
        opened.add([numbers(9)[2], numbers(9)[5]])
    with closing(PostgresJournal.open(address, "a")) as journal:
        run = journal.start_run()
        claim = journal.claim(run, 7)
        assert claim is not None
        journal._abandoned.append(claim.token)
        journal._give_back()
        assert journal.states() == {S.PENDING: 7, S.ABANDONED: 2}
        seen = []
        while claim := journal.claim(run, 2):
            seen += [number for _, number in claim.recipients]
            settle(journal, claim, Event.ACCEPTED)
        assert sorted(seen) == [n for n in numbers(9) if n not in (numbers(9)[2], numbers(9)[5])]
        assert journal.figures().states == {S.ACCEPTED: 7, S.ABANDONED: 2}


def test_recipients_of_a_dead_machine_do_not_include_the_listed(request: pytest.FixtureRequest):
    address = database_of(request)
    source = rows_source(numbers(6))
    Campaign.create("a", source, database=address, sender="Shop", text="x").close()
    with closing(open_stop_list(address)) as opened:
        opened.add(numbers(6)[1:3])
    with closing(PostgresJournal.open(address, "a")) as journal:
        claim = journal.claim(journal.start_run(), 6, lease=-1.0)
        assert claim is not None
        assert journal.figures().states == {S.IN_FLIGHT: 4, S.ABANDONED: 2}
        assert journal.sweep() == 4
        assert journal.figures().states == {S.IN_DOUBT: 4, S.ABANDONED: 2}


# --- the list itself ------------------------------------------------------------------------------


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return str(tmp_path / "stop.db")
    return database_of(request)


@pytest.mark.anyio
async def test_entries_are_kept_with_time_and_reason(place: str):
    async with StopList(place) as stop_list:
        assert await stop_list.add(*numbers(3), reason="wrote STOP") == 3
        assert await stop_list.add("+38 (050) 000-00-00", numbers(4)[3], reason="later") == 1
        assert await stop_list.contains("+38 050 000 00 01")
        assert not await stop_list.contains(NUMBER)
    async with StopList(place, writing=False) as stop_list:
        found = [one async for one in stop_list]
        assert [one.number for one in found] == numbers(4)
        assert [one.reason for one in found] == ["wrote STOP"] * 3 + ["later"]
        assert found[0].added_at <= found[3].added_at
        assert numbers(4)[0] not in repr(found[0])
        assert await stop_list.count() == 4
    async with StopList(place) as stop_list:
        assert await stop_list.remove(numbers(4)[0], NUMBER) == 1
        assert await stop_list.count() == 3


@pytest.mark.anyio
async def test_import_is_idempotent_and_tells_what_is_invalid(place: str, tmp_path: Path):
    path = tmp_path / "no.csv"
    path.write_text("phone\n" + "\n".join([*numbers(3), "nobody", numbers(3)[0]]) + "\n", "utf-8")
    async with StopList(place) as stop_list:
        first = await stop_list.import_rows(file_source(path).rows, reason="old")
        assert (first.added, first.known, first.invalid, first.invalid_lines) == (3, 1, 1, (5,))
        again = await stop_list.import_rows(file_source(path).rows)
        assert (again.added, again.known) == (0, 4)
        assert [one.reason async for one in stop_list] == ["old"] * 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"not_after": 0.2}, Reason.TOO_LATE),
        ({"timeout": 0.2}, Reason.TIMED_OUT),
        ({"timeout": 0.2, "not_after": 9.0}, Reason.TIMED_OUT),
    ],
)
async def test_slow_look_up_counts_for_the_limits_of_a_send(
    limits: dict[str, float], reason: Reason, sandbox: Sandbox
):
    class Slow:
        async def listed(self, _numbers: Sequence[str]) -> list[str]:
            await anyio.sleep(5)
            return []

    async with session(sandbox, stop_list=Slow()) as opened:
        with pytest.raises(NotSent, match="the look-up in the stop list") as caught:
            await opened.send_sms(NUMBER, "Hi", sender="Shop", **limits)
    assert caught.value.reason is reason
    assert sandbox.calls["SendSMS"] == 0


@pytest.mark.anyio
async def test_one_listed_number_does_not_split_a_request(sandbox: Sandbox, tmp_path: Path):
    place = str(tmp_path / "stop.db")
    async with StopList(place) as stop_list:
        await stop_list.add(numbers(50)[7])
        source = rows_source(numbers(50))
        with Campaign.create(tmp_path / "a", source, sender="Shop", text="x") as campaign:
            async with session(sandbox, stop_list=stop_list) as opened:
                await campaign.run(opened)
            found = campaign.recipients()
            refused = [(one.line, one.reason) for one in found if one.state is S.REFUSED]
            assert refused == [(8, "on the stop list")]
            assert campaign.journal.states() == {S.ACCEPTED: 49, S.REFUSED: 1}
    assert sandbox.calls["SendSMS"] == 1


@pytest.mark.anyio
async def test_list_that_has_moved_is_replaced(lists: Lists, sandbox: Sandbox, tmp_path: Path):
    places = [str(tmp_path / name) for name in ("old.db", "new.db")]
    for place in places:
        async with StopList(place) as stop_list:
            await stop_list.add(numbers(6)[0])
    lists.create("a", numbers(6)).close()
    with lists.open("a") as campaign:
        campaign.add_stop_list(places[0])
        await anyio.Path(places[0]).unlink()
        async with session(sandbox) as opened:
            with pytest.raises(StopListError, match="there is no such file"):
                await campaign.run(opened)
            campaign.add_stop_list(places[1])
            campaign.remove_stop_list(places[0])
            assert places[0] not in campaign.stop_lists
            with pytest.raises(ValueError, match="stop list: the campaign does not have this one"):
                campaign.remove_stop_list(places[0])
            await campaign.run(opened)
        assert campaign.journal.states() == {S.ABANDONED: 1, S.ACCEPTED: 5}


@pytest.mark.anyio
async def test_bad_number_or_reason_changes_nothing(place: str):
    async with StopList(place) as stop_list:
        for call in (stop_list.add, stop_list.remove):
            with pytest.raises(ValueError, match="number 2: not a phone number") as caught:
                await call(NUMBER, "quokka")
            assert "quokka" not in str(caught.value)
        with pytest.raises(ValueError, match="reason: must have at most 200"):
            await stop_list.add(NUMBER, reason="x" * 201)
        assert await stop_list.count() == 0


@pytest.mark.anyio
async def test_local_numbers_need_a_country(tmp_path: Path):
    async with StopList(tmp_path / "stop.db", country="UA") as stop_list:
        await stop_list.add("0501234567")
        assert await stop_list.contains(NUMBER)
    async with StopList(tmp_path / "stop.db") as stop_list:
        with pytest.raises(ValueError, match=r"number 1: .*it begins with 0"):
            await stop_list.contains("0501234567")
    with pytest.raises(RuntimeError, match="the stop list is not open"):
        await stop_list.count()


def test_new_file_is_for_its_owner_only(tmp_path: Path):
    open_stop_list(tmp_path / "stop.db", writing=True).close()
    assert (tmp_path / "stop.db").stat().st_mode & 0o777 == 0o600


def test_list_on_a_server_that_is_gone_is_named_without_password():
    with pytest.raises(StopListError) as caught:
        open_stop_list("postgresql://me:secret@127.0.0.1:1/shop")
    assert "postgresql://127.0.0.1:1/shop" in str(caught.value)
    assert "secret" not in str(caught.value)


# --- session and outbox ---------------------------------------------------------------------------


@pytest.mark.anyio
async def test_session_sends_to_nobody_if_one_is_listed(sandbox: Sandbox, place: str):
    async with StopList(place) as stop_list, session(sandbox, stop_list=stop_list) as opened:
        await stop_list.add(*numbers(2))
        with pytest.raises(smsgate.OnStopList, match="the number is on the stop list") as caught:
            await opened.send_sms(numbers(1)[0], "Hello")
        assert (caught.value.sent, caught.value.listed) == (False, 1)
        with pytest.raises(smsgate.OnStopList, match="2 of 3 numbers are on the stop") as caught:
            await opened.send_sms(numbers(3), "Hello")
        assert numbers(3)[0][1:] not in str(caught.value)
        assert sandbox.calls["SendSMS"] == 0
        await opened.send_sms(numbers(3)[2], "Hello")
        message = smsgate.Message(destinations=numbers(1), text="Hello")
        async with opened.send_many([message]) as outcomes:
            assert [type(one.error) async for one in outcomes] == [smsgate.OnStopList]
    assert received(sandbox) == [numbers(3)[2]]


@asynccontextmanager
async def outbox_at(sandbox: Sandbox, place: str, folder: Path) -> AsyncIterator[Any]:
    async with (
        StopList(folder / "no.db") as stop_list,
        session(sandbox) as opened,
        QuickOutbox(opened, place, stop_list=stop_list) as outbox,
    ):
        yield outbox, stop_list


@pytest.fixture(params=OUTBOXES)
def outbox_place(request: pytest.FixtureRequest) -> Iterator[str]:
    with OUTBOXES[request.param](request) as outboxes:
        yield outboxes.place


@pytest.mark.anyio
async def test_outbox_adds_and_sends_nothing_to_the_listed(
    sandbox: Sandbox, outbox_place: str, tmp_path: Path
):
    async with outbox_at(sandbox, outbox_place, tmp_path) as (outbox, stop_list):
        await stop_list.add(NUMBER)
        for call in (outbox.send, outbox.add):
            with pytest.raises(smsgate.OnStopList):
                await call(NUMBER, "Hello", key="a")
        assert await outbox.states() == {}
        await stop_list.remove(NUMBER)
        assert (await outbox.send(NUMBER, "Hello", key="a")).state is S.ACCEPTED
        await stop_list.add(NUMBER)
        again = await outbox.send(NUMBER, "Hello", key="a")
        assert again.state is S.ACCEPTED, "it was sent before the number was listed"
    assert len(sandbox.messages) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["deliver", "due", "send"])
async def test_message_added_before_is_abandoned_when_its_turn_comes(
    sandbox: Sandbox, outbox_place: str, tmp_path: Path, how: str
):
    async with outbox_at(sandbox, outbox_place, tmp_path) as (outbox, stop_list):
        added = await outbox.add(NUMBER, "Hello", key="a")
        other = await outbox.add(numbers(1)[0], "Hello", key="b")
        await stop_list.add(NUMBER)
        calls: dict[str, Callable[[], Any]] = {
            "deliver": lambda: outbox.deliver(added.id),
            "send": lambda: outbox.send(NUMBER, "Hello", key="a"),
        }
        if how == "due":
            await outbox.deliver_due()
        else:
            with pytest.raises(smsgate.OnStopList):
                await calls[how]()
            await outbox.deliver(other.id)
        found = await outbox.outcome("a")
        assert found.state is S.ABANDONED
        assert isinstance(found.error, smsgate.OnStopList)
        await stop_list.remove(NUMBER)
        with pytest.raises(smsgate.OnStopList):
            await outbox.send(NUMBER, "Hello", key="a")
    assert received(sandbox) == numbers(1)


@pytest.mark.anyio
async def test_reused_key_of_a_listed_number_is_told_first(
    sandbox: Sandbox, outbox_place: str, tmp_path: Path
):
    async with outbox_at(sandbox, outbox_place, tmp_path) as (outbox, stop_list):
        await outbox.add(numbers(1)[0], "Hello", key="a")
        await stop_list.add(NUMBER)
        with pytest.raises(smsgate.KeyReused):
            await outbox.add(NUMBER, "Hello", key="a")


@pytest.mark.anyio
async def test_outbox_without_a_list_records_what_the_session_refuses(
    sandbox: Sandbox, outbox_place: str, tmp_path: Path
):
    async with StopList(tmp_path / "no.db") as stop_list:
        await stop_list.add(NUMBER)
        async with (
            session(sandbox, stop_list=stop_list) as opened,
            QuickOutbox(opened, outbox_place) as outbox,
        ):
            with pytest.raises(smsgate.OnStopList):
                await outbox.send(NUMBER, "Hello", key="a")
            found = await outbox.outcome("a")
            assert found is not None
            assert found.state is S.REFUSED
    assert not sandbox.messages


def test_every_ledger_of_a_list_keeps_one_contract(place: str):
    with closing(open_stop_list(place, writing=True)) as opened:
        assert isinstance(opened, StopLedger)
        assert opened.add(numbers(25_000)) == (25_000, 0)
        assert opened.add([*numbers(3), *numbers(3), NUMBER, NUMBER]) == (1, 7)
        assert opened.listed([NUMBER, *numbers(12_000), "+380671111111"]) == {
            NUMBER,
            *numbers(12_000),
        }
        assert [one.number for one in opened.entries()] == sorted([*numbers(25_000), NUMBER])
        assert opened.listed([]) == set()
