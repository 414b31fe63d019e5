"""When a campaign may send: not before a moment, and only at certain hours of the day. No I/O.

Rule of this file: at a change of the clock, the shorter of two readings counts. An hour that occurs
twice opens the window at its second time and closes it at its first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from math import inf
from typing import Self
from zoneinfo import ZoneInfo

__all__ = [
    "ANY_TIME",
    "SendingWindow",
    "check_window",
    "hours_in",
    "moment_in",
    "night_reached",
    "seconds_of",
    "zone_named",
]

_HOURS = re.compile(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*")
_YEARS = 2000, 2999
_DAYS = 8
"""Days to look ahead for an open window. No zone lacks an hour of the day for so long."""

_DAY = time(8), time(21)
"""The hours of the day at which a message wakes nobody."""

_Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class SendingWindow:
    """When a campaign may send.

    Attributes:
        not_before: the first moment, in seconds since 1970; None for no limit.
        opens: the time of day from which messages may be sent; None for the whole day.
        closes: the time of day from which no more are sent; later than `opens`.
        zones: the time zones whose clocks count for the hours, by their names in the IANA database.
            The window is open while it is open by the clock of each of them.
        recipient_zones: the time zones of the recipients; empty if some are not known.
    """

    not_before: float | None = None
    opens: time | None = None
    closes: time | None = None
    zones: tuple[str, ...] = ()
    recipient_zones: tuple[str, ...] = ()

    @property
    def zone(self) -> tzinfo | None:
        """The zone in which times are shown and read; None for that of this machine."""
        zones = self.zones or self.recipient_zones
        return zone_named(zones[0]) if len(zones) == 1 else None

    def wait(self, now: float) -> float:
        """Return the seconds from `now` until the window is open, 0 if it is.

        They are infinite if the zones have no open minute in common in the next days.

        Args:
            now: the time in seconds since 1970.
        """
        start, _ = self._next(now)
        return max(start - now, 0.0)

    def left(self, now: float) -> float:
        """Return the seconds from `now` for which the window stays open, 0 if it is closed.

        Args:
            now: the time in seconds since 1970.
        """
        start, end = self._next(now)
        return end - now if start <= now else 0.0

    def _next(self, now: float) -> tuple[float, float]:
        """Return when the window opens next, or did if it is open, and when it closes."""
        earliest = max(now, self.not_before or 0.0)
        if self.opens is None or self.closes is None:
            return (self.not_before or 0.0), inf
        for start, end in _spans(self, datetime.fromtimestamp(earliest, UTC).date()):
            if end.timestamp() > earliest:
                return max(start.timestamp(), self.not_before or 0.0), end.timestamp()
        return inf, inf

    def stored(self) -> str:
        """Return the window as text, for a journal."""
        return json.dumps(asdict(self), default=lambda at: at.isoformat("minutes"))

    @classmethod
    def from_stored(cls, text: str) -> Self:
        """Return the window that `stored` wrote."""
        held = json.loads(text)
        opens, closes = (
            None if held[name] is None else time.fromisoformat(held[name])
            for name in ("opens", "closes")
        )
        return cls(
            held["not_before"],
            opens,
            closes,
            tuple(held["zones"]),
            tuple(held["recipient_zones"]),
        )


ANY_TIME = SendingWindow()


@lru_cache(64)  # each request asks twice
def _spans(window: SendingWindow, day: date) -> list[_Span]:
    """Return the spans in which all clocks are within the hours, from the day before on."""
    days = [day + timedelta(days) for days in range(-1, _DAYS)]
    first, *others = (_spans_in(window, ZoneInfo(zone), days) for zone in window.zones)
    for spans in others:
        first = [
            (start, end)
            for one in first
            for other in spans
            if (start := max(one[0], other[0])) < (end := min(one[1], other[1]))
        ]
    return first


def _spans_in(window: SendingWindow, zone: tzinfo, days: Iterable[date]) -> list[_Span]:
    spans = []
    for day in days:
        start, end = (
            [datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
            for at in (window.opens or time.min, window.closes or time.max)
        )
        if max(start) < min(end):
            spans.append((max(start), min(end)))
    return spans


def check_window(window: SendingWindow) -> None:
    """Raise `ValueError` for a window that is invalid, or that is never open. It names the value.

    A stored window is not checked again: a change of the clock may close it for some months.
    """
    opens, closes = window.opens, window.closes
    if opens is None or closes is None:
        return
    if any(at.second or at.microsecond or at.tzinfo for at in (opens, closes)):
        raise ValueError("between: must be hours and minutes, without seconds or a time zone")
    if opens >= closes:
        raise ValueError("between: must end later on the same day than it begins")
    if not window.zones:
        raise ValueError("timezone: must be given with the hours, such as Europe/Kyiv")
    for zone in window.zones:
        zone_named(zone)
    if window.wait(datetime.now(UTC).timestamp()) == inf:
        raise ValueError(
            f"between: the hours have no minute in common in {', '.join(window.zones)}. Give the"
            " time zone whose clock counts, or make one campaign for each country"
        )


def night_reached(window: SendingWindow, now: float, seconds: float) -> tuple[str, float] | None:
    """Return where and when it becomes night for recipients during a run without hours.

    Args:
        window: when the campaign may send.
        now: the time in seconds since 1970.
        seconds: how long the run sends.

    Returns:
        The time zone and the moment, `now` if it is night there already. None if it does not become
        night, if the campaign sends at certain hours only, or if no time zone is known.
    """
    if window.opens is not None:
        return None
    begin = max(now, window.not_before or 0.0)
    days = [
        (zone, SendingWindow(None, *_DAY, (zone,)).left(begin)) for zone in window.recipient_zones
    ]
    zone, left = min(days, key=lambda day: day[1], default=("", inf))
    return (zone, begin + left) if left < seconds else None


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database.

    Raises:
        ValueError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # the name of a folder, a bad name, an unknown name
        raise ValueError(
            "timezone: must be a name of the IANA database, such as Europe/Kyiv. If the name is"
            " right, this machine has no such database: install the package 'tzdata'"
        ) from None


def hours_in(text: str) -> tuple[time, time]:
    """Return the two times of day in a text such as `09:00-20:00`.

    Raises:
        ValueError: these are not two times of day.
    """
    rule = "between: must be two times of day, such as 09:00-20:00"
    if (found := _HOURS.fullmatch(text)) is None:
        raise ValueError(rule)
    first, second = (int(found[1]), int(found[2])), (int(found[3]), int(found[4]))
    try:
        return time(*first), time(*second)
    except ValueError:
        raise ValueError(rule) from None


def moment_in(text: str) -> datetime:
    """Return the moment of a text such as `2026-12-01 09:00`, without a time zone if it has none.

    Raises:
        ValueError: this is not a date and a time of ISO 8601.
    """
    rule = "not_before: must be a date and a time, such as '2026-12-01 09:00'"
    if ":" not in text:
        raise ValueError(rule)
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(rule) from None


def seconds_of(moment: datetime) -> float:
    """Return a moment in seconds since 1970. Raises `ValueError` if its year is absurd."""
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"not_before: must be in the years {_YEARS[0]} to {_YEARS[1]}")
    return moment.timestamp()
