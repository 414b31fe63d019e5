"""When a campaign may send: hours of the day, in several time zones, over changes of the clock."""

from __future__ import annotations

from datetime import datetime, time
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate.campaign.window import SendingWindow, hours_in, moment_in, zone_named

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
        ((None, time(9), None, (KYIV,)), "between: must have a first and a last time"),
        ((None, *DAY, ()), "timezone: must be given"),
        ((None, *DAY, ("Europe/Nowhere",)), "timezone: must be a name of the IANA database"),
        ((None, *DAY, ("../etc",)), "timezone: must be a name of the IANA database"),
        ((None, time(9), time(12), (KYIV, NEW_YORK)), "no minute in common in Europe/Kyiv, Amer"),
    ],
)
def test_window_that_cannot_be_is_refused(arguments: tuple[object, ...], rule: str):
    with pytest.raises(ValueError, match=rule):
        SendingWindow(*arguments)  # type: ignore[arg-type]


def test_window_is_stored_and_read():
    for window in (
        SendingWindow(),
        SendingWindow(1.5),
        SendingWindow(at("2026-12-01 21:00"), time(9, 30), time(20), (KYIV, WARSAW)),
    ):
        assert SendingWindow.from_stored(window.stored()) == window


def test_hours_are_read():
    assert hours_in(" 9:00 - 20:30 ") == (time(9), time(20, 30))
    for text in ("9-20", "09:00", "24:00-25:00", "09:60-10:00", "", "a:b-c:d"):
        with pytest.raises(ValueError, match="between: must be two times of day"):
            hours_in(text)


def test_moment_is_read_in_its_zone():
    assert moment_in("2026-12-01 09:00", zone_named(KYIV)) == at("2026-12-01 07:00")
    assert moment_in("2026-12-01T09:00+01:00", zone_named(KYIV)) == at("2026-12-01 08:00")
    with pytest.raises(ValueError, match="not_before: must be a date and a time"):
        moment_in("tomorrow", None)
