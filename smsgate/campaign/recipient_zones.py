"""The time zones of a new campaign's recipients, by the countries of their numbers.

Rule of this file: it never guesses. A number whose country is not known counts as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, tzinfo
from typing import TypedDict

from ..extras import MissingExtra
from ..ledger.records import Entry
from .window import SendingWindow, check_window, seconds_of, zone_named

__all__ = ["RecipientZones", "WindowOptions", "changed_window"]

_UKRAINE = "+380", frozenset({"Europe/Kyiv"})


class WindowOptions(TypedDict, total=False):
    """When a campaign may send. By default there is no limit.

    Attributes:
        not_before: the first moment at which anything is sent. A moment without a time zone is one
            of `timezone`, or of the only time zone of the recipients, or of this machine.
        between: the first and the last time of day, such as `(time(9), time(20))`. Nothing is sent
            at other times, on any day.
        timezone: the time zone of `not_before` and of `between`, such as `"Europe/Kyiv"`. With
            `not_before` alone, it does not change the clock of `between`. By default the clock of
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
        changed_window(SendingWindow(recipient_zones=("UTC",)), options)  # fails early

    def __call__(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield the entries."""
        for entry in entries:
            if entry.text is not None:
                zones = _zones_of(entry.number)
                if not zones <= self._zones:
                    self._zones |= zones
                self._unknown += not zones
            yield entry

    def window(self) -> SendingWindow:
        """Return the window of all recipients. Raises `ValueError` if an option is invalid."""
        known = SendingWindow(recipient_zones=() if self._unknown else tuple(sorted(self._zones)))
        if self._unknown and self._options.get("between") and not self._options.get("timezone"):
            raise ValueError(
                f"timezone: the time zones of {self._unknown} recipients are not known. Give the"
                " time zone whose clock counts, or install smsgate with the extra 'phone', which"
                " knows the zones of all countries"
            )
        return changed_window(known, self._options)


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
    """Return a window with what the options give. Raises `ValueError` if one is invalid.

    A time zone that is given for `not_before` alone does not change whose clock counts for the
    hours.
    """
    between, not_before = options.get("between"), options.get("not_before")
    timezone = options.get("timezone")
    clock: tzinfo | None = known.zone if timezone is None else zone_named(timezone)
    given = (timezone,) if timezone is not None else known.recipient_zones
    window = known
    if not_before is not None:
        moment = not_before if not_before.tzinfo else not_before.replace(tzinfo=clock)
        window = replace(window, not_before=seconds_of(moment))
    if between is not None:
        opens, closes = between
        window = replace(window, opens=opens, closes=closes, zones=given)
    elif timezone is not None and not_before is None:
        if known.opens is None:
            raise ValueError("timezone: is the clock of between and not_before; give one of them")
        window = replace(window, zones=given)
    check_window(window)
    return window
