"""When a campaign may send: hours of the day, in several time zones, over changes of the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, time
from math import inf
from pathlib import Path
from time import time as time_now
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_campaign_ledgers import Places, numbers, places_of

import smsgate
from smsgate.campaign import Campaign, JournalError, Progress, RecipientState, Runner, RunOutcome
from smsgate.campaign.window import (
    SendingWindow,
    check_window,
    hours_in,
    moment_in,
    night_reached,
    seconds_of,
)
from smsgate.sandbox import Sandbox

KYIV, WARSAW, NEW_YORK = "Europe/Kyiv", "Europe/Warsaw", "America/New_York"
DAY = time(9), time(20)


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def local(moment: float, zone: str) -> time:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).time()


@pytest.mark.parametrize(
    ("now", "wait", "left"),
    [
        ("2026-11-27 08:59", 60, 0),
        ("2026-11-27 09:00", 0, 11 * 3600),
        ("2026-11-27 19:59", 0, 60),
        ("2026-11-27 20:00", 13 * 3600, 0),
        ("2026-11-27 03:00", 6 * 3600, 0),
        # The clock goes forward in the night to 29 March, and back in the night to 25 October.
        ("2026-03-28 20:00", 12 * 3600, 0),
        ("2026-10-24 20:00", 14 * 3600, 0),
    ],
)
def test_window_is_open_at_its_hours(now: str, wait: float, left: float):
    window = SendingWindow(None, *DAY, (KYIV,))
    assert (window.wait(at(now, KYIV)), window.left(at(now, KYIV))) == (wait, left)


def test_hour_that_occurs_twice_opens_late_and_closes_early():
    opens = SendingWindow(None, time(3, 30), time(20), (KYIV,))
    assert opens.wait(at("2026-10-25 03:45", KYIV, fold=0)) == 45 * 60
    assert opens.wait(at("2026-10-25 03:30", KYIV, fold=1)) == 0
    closes = SendingWindow(None, time(1), time(3, 30), (KYIV,))
    assert closes.left(at("2026-10-25 03:29", KYIV, fold=0)) == 60
    assert closes.left(at("2026-10-25 03:15", KYIV, fold=1)) == 0


def test_hour_that_does_not_occur_neither_opens_nor_closes_wrongly():
    opens = SendingWindow(None, time(3, 30), time(20), (KYIV,))
    assert opens.wait(at("2026-03-29 02:59", KYIV)) > 0
    assert opens.wait(at("2026-03-29 04:30", KYIV)) == 0
    closes = SendingWindow(None, time(1), time(3, 30), (KYIV,))
    assert closes.left(at("2026-03-29 04:00", KYIV)) == 0
    only = SendingWindow(None, time(3, 10), time(3, 40), (KYIV,))
    assert only.wait(at("2026-03-29 02:00", KYIV)) == at("2026-03-30 03:10", KYIV) - at(
        "2026-03-29 02:00", KYIV
    ), "the hours do not occur on this day"


def test_window_is_open_if_it_is_open_in_every_zone():
    window = SendingWindow(None, *DAY, (KYIV, WARSAW))
    assert window.wait(at("2026-11-27 09:30", KYIV)) == 30 * 60
    assert window.left(at("2026-11-27 19:30", KYIV)) == 30 * 60
    far = SendingWindow(None, *DAY, (KYIV, NEW_YORK))
    assert far.wait(at("2026-11-27 12:00", KYIV)) == 4 * 3600


@pytest.mark.parametrize("zones", [(KYIV,), (NEW_YORK,), (KYIV, WARSAW), (KYIV, NEW_YORK)])
@given(
    now=st.floats(at("2026-03-01 00:00"), at("2027-04-30 00:00")),
    opens=st.times(time(0), time(11)),
    closes=st.times(time(21), time(23, 59)),
)
def test_nothing_is_sent_outside_of_the_hours_anywhere(
    now: float, opens: time, closes: time, zones: tuple[str, ...]
):
    opens, closes = opens.replace(second=0, microsecond=0), closes.replace(second=0, microsecond=0)
    window = SendingWindow(None, opens, closes, zones)
    begin = now + window.wait(now)
    left = window.left(begin)
    assert left > 0
    for moment in (begin, begin + left / 2, begin + left - 0.001):
        assert all(opens <= local(moment, zone) < closes for zone in zones)


def test_nothing_is_sent_before_the_moment():
    window = SendingWindow(at("2026-12-01 21:00", KYIV))
    assert window.wait(at("2026-12-01 20:59", KYIV)) == 60
    assert (window.wait(at("2026-12-01 21:00", KYIV)), window.left(0.0)) == (0, 0)
    assert window.left(at("2026-12-01 21:00", KYIV)) == inf
    both = SendingWindow(at("2026-12-01 21:00", KYIV), *DAY, (KYIV,))
    assert both.wait(at("2026-12-01 12:00", KYIV)) == 21 * 3600
    noon = SendingWindow(at("2026-12-01 12:00", KYIV), *DAY, (KYIV,))
    assert noon.wait(at("2026-12-01 09:00", KYIV)) == 3 * 3600


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((None, time(20), time(9), (KYIV,)), "between: must end later on the same day"),
        ((None, time(9, 0, 10), time(20), (KYIV,)), "between: must be hours and minutes, without"),
        ((None, time(9, tzinfo=UTC), time(20, tzinfo=UTC), (KYIV,)), "without seconds or a time"),
        ((None, *DAY, ()), "timezone: must be given"),
        ((None, *DAY, ("Europe/Nowhere",)), "timezone: must be a name of the IANA database"),
        ((None, *DAY, ("../etc",)), "timezone: must be a name of the IANA database"),
        ((None, time(9), time(12), (KYIV, NEW_YORK)), "no minute in common in Europe/Kyiv, Amer"),
    ],
)
def test_window_that_cannot_be_is_refused(arguments: tuple[object, ...], rule: str):
    with pytest.raises(ValueError, match=rule):
        check_window(SendingWindow(*arguments))  # type: ignore[arg-type]  # odd values


def test_window_is_stored_and_read():
    for window in (
        SendingWindow(),
        SendingWindow(1.5),
        SendingWindow(at("2026-12-01 21:00"), time(9, 30), time(20), (KYIV, WARSAW), (KYIV,)),
    ):
        assert SendingWindow.from_stored(window.stored()) == window


def test_hours_are_read():
    assert hours_in(" 9:00 - 20:30 ") == (time(9), time(20, 30))
    for text in ("9-20", "09:00", "24:00-25:00", "09:60-10:00", "", "a:b-c:d"):
        with pytest.raises(ValueError, match="between: must be two times of day"):
            hours_in(text)


def test_moment_is_read():
    assert moment_in(" 2026-12-01 09:00 ") == datetime.fromisoformat("2026-12-01 09:00")
    assert moment_in("2026-12-01T09:00+01:00").timestamp() == at("2026-12-01 08:00")
    for text in ("tomorrow", "2026-12-01", "09:00"):
        with pytest.raises(ValueError, match="not_before: must be a date and a time"):
            moment_in(text)


@pytest.mark.parametrize("year", [1, 1999, 9999])
def test_absurd_year_is_refused(year: int):
    with pytest.raises(ValueError, match="not_before: must be in the years 2000 to 2999"):
        seconds_of(datetime(year, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "zones", "seconds", "expected"),
    [
        ("2026-11-27 12:00", (KYIV,), 3600, None),
        ("2026-11-27 20:30", (KYIV,), 3600, (KYIV, "2026-11-27 21:00")),
        ("2026-11-27 23:00", (KYIV,), 1, (KYIV, "2026-11-27 23:00")),
        ("2026-11-27 12:00", (KYIV, NEW_YORK), 1, (NEW_YORK, "2026-11-27 12:00")),
        ("2026-11-27 23:00", (), 1, None),
    ],
)
def test_run_that_reaches_into_the_night_is_noticed(
    now: str, zones: tuple[str, ...], seconds: float, expected: tuple[str, str] | None
):
    found = night_reached(SendingWindow(recipient_zones=zones), at(now, KYIV), seconds)
    assert found == (expected and (expected[0], at(expected[1], KYIV)))
    hours = SendingWindow(None, *DAY, (KYIV,))
    assert night_reached(hours, at(now, KYIV), seconds) is None, "it sends by day only"


def test_night_begins_after_the_first_moment():
    window = SendingWindow(at("2026-11-28 09:00", KYIV), recipient_zones=(KYIV,))
    assert night_reached(window, at("2026-11-27 23:00", KYIV), 3600) is None


# Runs


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    return places_of(request, tmp_path)


class ClockedRunner(Runner):
    """A run with a clock of the test, whose waits are short."""

    def __init__(self, campaign: Campaign, session: smsgate.AsyncSession, **options: Any) -> None:
        super().__init__(campaign.journal, session, **options)
        self.clock: Callable[[], float] = lambda: at("2026-11-27 03:00", KYIV)
        self._time = self._now

    def _now(self) -> float:
        return self.clock()


@asynccontextmanager
async def session_of(sandbox: Sandbox) -> AsyncIterator[smsgate.AsyncSession]:
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", url=sandbox.url, concurrency=1
    ) as session:
        yield session


@pytest.mark.anyio
async def test_run_waits_until_the_hours_begin(places: Places):
    with places.create("a", numbers(3), between=DAY) as campaign, Sandbox() as sandbox:
        async with session_of(sandbox) as session:
            said = set[str]()

            def watch(progress: Progress) -> None:
                said.add(progress.waiting)
                assert not (progress.waiting and sandbox.calls["SendSMS"])

            runner = ClockedRunner(campaign, session, on_progress=watch)
            opening = at("2026-11-27 09:00", KYIV) - time_now() - 1.0
            runner.clock = lambda: time_now() + opening
            assert (await runner.run()).outcome is RunOutcome.FINISHED
    until = "it is not the time to send; waiting until 27 November 2026, 09:00:00 (UTC+02:00)"
    assert until in said


@pytest.mark.anyio
async def test_run_that_waits_can_be_stopped(places: Places):
    with places.create("a", numbers(3), between=DAY) as campaign, Sandbox() as sandbox:
        async with session_of(sandbox) as session:
            runner = ClockedRunner(campaign, session)
            runner._on_progress = lambda progress: runner.stop() if progress.waiting else None
            assert (await runner.run()).outcome is RunOutcome.STOPPED
        assert campaign.journal.states() == {RecipientState.PENDING: 3}
        assert sandbox.calls["SendSMS"] == 0


@pytest.mark.anyio
async def test_run_pauses_when_the_hours_end(places: Places):
    with places.create("a", numbers(40), between=DAY) as campaign, Sandbox() as sandbox:
        async with session_of(sandbox) as session:
            runner = ClockedRunner(campaign, session, batch=10)
            day, night = at("2026-11-27 19:59", KYIV), at("2026-11-27 20:00", KYIV)
            runner.clock = lambda: day if sandbox.accepted < 20 else night
            runner._on_progress = lambda progress: runner.stop() if progress.waiting else None
            assert (await runner.run()).outcome is RunOutcome.STOPPED
        assert sandbox.accepted == 20
        assert campaign.journal.states() == {
            RecipientState.ACCEPTED: 20,
            RecipientState.PENDING: 20,
        }


@pytest.mark.anyio
async def test_request_that_comes_too_late_does_not_leave(places: Places):
    with places.create("a", numbers(3), between=DAY) as campaign, Sandbox() as sandbox:
        async with session_of(sandbox) as session:
            runner = ClockedRunner(campaign, session)
            day, night = at("2026-11-27 19:59", KYIV), at("2026-11-27 20:00", KYIV)
            runner.clock = lambda: day

            def hook(step: str) -> None:
                if step == "sending":
                    runner.clock = lambda: night

            runner._hook = hook  # type: ignore[method-assign]  # the moment under test
            runner._on_progress = lambda progress: runner.stop() if progress.waiting else None
            assert (await runner.run()).outcome is RunOutcome.STOPPED
        assert campaign.journal.states() == {RecipientState.PENDING: 3}
        assert sandbox.calls["SendSMS"] == 0


@pytest.mark.anyio
async def test_campaign_without_pending_recipients_waits_for_nothing(places: Places):
    with places.create("a", [], between=DAY, timezone=KYIV) as campaign, Sandbox() as sandbox:
        async with session_of(sandbox) as session:
            result = await ClockedRunner(campaign, session).run()
            assert result.outcome is RunOutcome.FINISHED


# What a campaign remembers


def test_campaign_remembers_when_it_may_send(places: Places):
    moment = datetime(2026, 12, 1, 9, tzinfo=ZoneInfo(KYIV))
    places.create("a", numbers(1), between=DAY, not_before=moment).close()
    with places.open("a") as campaign:
        window = SendingWindow(moment.timestamp(), *DAY, (KYIV,), (KYIV,))
        assert campaign.sending_window == window
        campaign.set_sending_window(between=(time(10), time(12)), timezone=WARSAW)
        changed = SendingWindow(moment.timestamp(), time(10), time(12), (WARSAW,), (KYIV,))
        assert campaign.sending_window == changed
        campaign.set_sending_window(timezone=KYIV)
        assert campaign.sending_window == replace(changed, zones=(KYIV,))
        campaign.remove_sending_window()
        assert campaign.sending_window == SendingWindow(recipient_zones=(KYIV,))
        campaign.set_sending_window(between=DAY)
        assert campaign.sending_window == SendingWindow(None, *DAY, (KYIV,), (KYIV,))


def test_zone_of_a_moment_leaves_the_clock_of_the_hours(places: Places):
    tomorrow = datetime(2026, 12, 2, 9)  # noqa: DTZ001 - the zone is under test
    with places.create("a", [*numbers(1), "+48512345678"], between=DAY) as campaign:
        campaign.set_sending_window(not_before=tomorrow, timezone=NEW_YORK)
        begin = at("2026-12-02 09:00", NEW_YORK)
        both = (KYIV, WARSAW)
        assert campaign.sending_window == SendingWindow(begin, *DAY, both, both)
    with places.create("b", numbers(1), not_before=tomorrow, timezone=NEW_YORK) as campaign:
        assert campaign.sending_window == SendingWindow(begin, recipient_zones=(KYIV,))
        campaign.set_sending_window(between=DAY)
        assert campaign.sending_window.zones == (KYIV,)
        campaign.set_sending_window(not_before=tomorrow)
        assert campaign.sending_window.not_before == at("2026-12-02 09:00", KYIV)


def test_zone_without_hours_and_moment_is_refused(places: Places):
    rule = "timezone: is the clock of between and not_before; give one of them"
    with pytest.raises(ValueError, match=rule):
        places.create("a", numbers(1), timezone=KYIV)
    with (
        places.create("b", numbers(1)) as campaign,
        pytest.raises(ValueError, match=rule),
    ):
        campaign.set_sending_window(timezone=KYIV)


def test_clock_of_each_recipients_country_counts(places: Places):
    with places.create("a", [*numbers(2), "+48512345678"], between=DAY) as campaign:
        assert campaign.sending_window.zones == (KYIV, WARSAW)
    with places.create("b", [*numbers(2), "+48512345678"], between=DAY, timezone=KYIV) as campaign:
        assert campaign.sending_window.zones == (KYIV,)
    with places.create("c", [*numbers(2), "+48512345678"]) as campaign:
        assert campaign.sending_window == SendingWindow(recipient_zones=(KYIV, WARSAW))


@pytest.mark.anyio
async def test_window_that_this_machine_cannot_read_stops_the_run(places: Places):
    with places.create("a", numbers(2), between=DAY) as campaign, Sandbox() as sandbox:
        strange = replace(campaign.sending_window, zones=("Europe/Nowhere",))
        campaign.journal.change_sending_window(lambda _: strange.stored())
        async with session_of(sandbox) as session:
            with pytest.raises(JournalError, match="must be a name of the IANA database"):
                await campaign.run(session)
        assert sandbox.calls["SendSMS"] == 0


@pytest.mark.anyio
async def test_hours_that_no_clock_has_in_common_are_waited_for(places: Places):
    with places.create("a", numbers(2), between=DAY) as campaign, Sandbox() as sandbox:
        never = replace(campaign.sending_window, closes=time(12), zones=(KYIV, NEW_YORK))
        campaign.journal.change_sending_window(lambda _: never.stored())
        async with session_of(sandbox) as session:
            said = set[str]()
            runner = campaign.runner(session)

            def watch(progress: Progress) -> None:
                if progress.waiting:
                    said.add(progress.waiting)
                    runner.stop()

            runner._on_progress = watch
            assert (await runner.run()).outcome is RunOutcome.STOPPED
        until = "waiting until the hours have a minute in common in all time zones"
        assert said == {f"it is not the time to send; {until}"}
        assert sandbox.calls["SendSMS"] == 0


def test_hours_of_an_unknown_country_need_a_zone(places: Places):
    unknown = "+979123456789"
    with pytest.raises(ValueError, match="timezone: the time zones of 1 recipients are not known"):
        places.create("a", [*numbers(1), unknown], between=DAY)
    with pytest.raises(FileNotFoundError):
        places.open("a")
    with places.create("a", [*numbers(1), unknown]) as campaign:
        assert campaign.sending_window == SendingWindow()
        with pytest.raises(ValueError, match="timezone: must be given with the hours"):
            campaign.set_sending_window(between=DAY)


@pytest.mark.parametrize(
    ("named", "rule"),
    [
        ({"between": (time(20), time(9))}, "between: must end later"),
        ({"timezone": "Kyiv"}, "timezone: must be a name of the IANA database"),
        ({"between": (time(9), time(10))}, "between: the hours have no minute in common"),
    ],
)
def test_campaign_without_a_possible_window_is_not_created(
    named: dict[str, Any], rule: str, places: Places
):
    with pytest.raises(ValueError, match=rule):
        places.create("a", [*numbers(1), "+12125551234"], **named)
    with pytest.raises(FileNotFoundError):
        places.open("a")
