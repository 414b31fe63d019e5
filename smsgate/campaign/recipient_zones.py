"""The time zones of a new campaign's recipients, by the countries of their numbers.

Rule of this file: it never guesses. A number whose country is not known counts as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, time, tzinfo
from typing import TypedDict

from ..extras import MissingExtra
from ..ledger.records import Entry
from .window import SendingWindow, zone_named

__all__ = ["RecipientZones", "WindowOptions", "changed_window"]

_UKRAINE = "+380", frozenset({"Europe/Kyiv"})


class WindowOptions(TypedDict, total=False):
    """When a campaign may send. By default there is no limit.

    Attributes:
        not_before: the first moment at which anything is sent. A moment without a time zone is one
            of `timezone`, or of this machine.
        between: the first and the last time of day, such as `(time(9), time(20))`. Nothing is sent
            at other times, on any day.
        timezone: the time zone whose clock counts, such as `"Europe/Kyiv"`. By default the clock of
            each recipient's country counts (extra `phone`, unless all numbers are Ukrainian): the
            campaign sends while it is within the hours in all of these countries.
    """

    not_before: datetime | None
    between: tuple[time, time] | None
    timezone: str | None


class RecipientZones:
    """Collects the time zones of recipients, and makes the window of their campaign."""

    def __init__(self, options: WindowOptions) -> None:
        self._options = options
        self._zones = set[str]()
        self._unknown = 0
        _window_of(options, ["UTC"])  # an option that is invalid for every list fails early

    def __call__(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield the entries."""
        for entry in entries:
            if entry.text is not None:
                zones = _zones_of(entry.number)
                self._zones |= zones
                self._unknown += not zones
            yield entry

    def window(self) -> SendingWindow:
        """Return the window of all recipients. Raises `ValueError` if an option is invalid."""
        if not self._unknown or self._options.get("timezone"):
            return _window_of(self._options, self._zones)
        if self._options.get("between"):
            raise ValueError(
                f"timezone: the time zones of {self._unknown} recipients are not known. Give the"
                " time zone whose clock counts, or install smsgate with the extra 'phone', which"
                " knows the zones of all countries"
            )
        return _window_of(self._options, ())


def _zones_of(number: str) -> frozenset[str]:
    beginning, zones = _UKRAINE
    if number.startswith(beginning):
        return zones
    try:
        from ..phone import time_zones  # noqa: PLC0415 - an optional extra
    except MissingExtra:
        return frozenset()
    return time_zones(number)


def changed_window(known: SendingWindow, options: WindowOptions) -> SendingWindow:
    """Return the window with what the options give. Raises `ValueError` if one is invalid."""
    given = _window_of(options, known.zones)
    if options.get("between") is None:
        given = replace(given, opens=known.opens, closes=known.closes)
    if options.get("not_before") is None:
        given = replace(given, not_before=known.not_before)
    return given


def _window_of(options: WindowOptions, zones: Iterable[str]) -> SendingWindow:
    """Return the window of these options; `zones` is for hours without a time zone."""
    timezone = options.get("timezone")
    clock: tzinfo | None = None if timezone is None else zone_named(timezone)
    not_before, between = options.get("not_before"), options.get("between")
    if not_before is not None and not_before.tzinfo is None:
        not_before = not_before.replace(tzinfo=clock)
    opens, closes = between or (None, None)
    return SendingWindow(
        None if not_before is None else not_before.timestamp(),
        opens,
        closes,
        tuple(sorted(zones)) if timezone is None else (timezone,),
    )
