"""The numbers of a stop list: their records, and the interface of the place that keeps them.

Rules of this file: a number is stored as an integer of 8 bytes, and numbers are looked up in
batches, so a list of a million needs no memory. All methods are synchronous, for one thread at a
time.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from .arguments import check_place, on_server

__all__ = [
    "STOPPED",
    "StopEntry",
    "StopLedger",
    "Stops",
    "check_reason",
    "place_to_keep",
    "places_of",
    "places_text",
    "without_place",
]

STOPPED = "on the stop list"
"""The reason of a recipient that is not sent to."""
_LONGEST_REASON = 200
_BATCH = 10_000
"""Numbers that are added or looked up at a time."""


@dataclass(frozen=True, slots=True)
class StopEntry:
    """One number of a stop list.

    Attributes:
        number: the number, `+` and digits.
        added_at: when it was added, in seconds since 1970.
        reason: why, if that was given.
    """

    number: str = field(repr=False)
    added_at: float
    reason: str = ""


class StopLedger(ABC):
    """The numbers of one stop list. Every number is `+` and digits."""

    name: str
    """The path or the name of the list, for errors. Without user and password."""

    @abstractmethod
    def _add(self, rows: Sequence[tuple[int, float, str]]) -> int:
        """Add numbers that are not listed, in one transaction. Returns how many were new."""

    @abstractmethod
    def _remove(self, numbers: Sequence[int]) -> int:
        """Remove numbers. Returns how many were listed."""

    @abstractmethod
    def _listed(self, numbers: Sequence[int]) -> list[int]:
        """Return those of the numbers that are listed."""

    @abstractmethod
    def _rows(self, after: int, most: int) -> list[tuple[int, float, str]]:
        """Return entries in the order of their numbers, beginning after a number."""

    @abstractmethod
    def count(self) -> int:
        """Return how many numbers are listed."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def add(self, numbers: Iterable[str], reason: str = "") -> tuple[int, int]:
        """Add numbers. Returns how many were added, and how many were listed already."""
        added = given = 0
        now = time.time()
        left = iter(numbers)
        while piece := [(_integer(number), now, reason) for number in islice(left, _BATCH)]:
            added += self._add(piece)
            given += len(piece)
        return added, given - added

    def remove(self, numbers: Sequence[str]) -> int:
        """Remove numbers. Returns how many were listed."""
        return self._remove([_integer(number) for number in numbers])

    def listed(self, numbers: Sequence[str]) -> set[str]:
        """Return those of the numbers that are listed."""
        found = set[str]()
        for start in range(0, len(numbers), _BATCH):
            asked = [_integer(number) for number in numbers[start : start + _BATCH]]
            found.update(f"+{number}" for number in self._listed(asked))
        return found

    def entries(self) -> Iterator[StopEntry]:
        """Yield all entries, in the order of their numbers."""
        last = 0
        while rows := self._rows(last, _BATCH):
            for number, added_at, reason in rows:
                yield StopEntry(f"+{number}", added_at, reason)
            last = rows[-1][0]


def check_reason(name: str, reason: str) -> None:
    """Raise `ValueError` if a reason is too long or cannot be printed."""
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise ValueError(f"{name}: must have at most {_LONGEST_REASON} printable characters")


def _integer(number: str) -> int:
    return int(number.removeprefix("+"))


def place_to_keep(place: str, folder: Path | None) -> str:
    """Return the place of a stop list as a campaign keeps it.

    A path in the folder of the campaign's file is relative to it, so both can move together.

    Args:
        place: the path or the address.
        folder: the folder of the campaign's file; None for a campaign in a database.

    Raises:
        ValueError: the address holds a password, or is not one of PostgreSQL.
    """
    check_place("stop list", place)
    if on_server(place):
        if _has_password(place):
            raise ValueError(
                "stop list: the campaign remembers the address, so it must have no password: put"
                " the password into ~/.pgpass"
            )
        return place
    path = Path(place).absolute()
    beside = folder is not None and path.is_relative_to(folder.absolute())
    return str(path.relative_to(folder.absolute()) if folder and beside else path)


def _has_password(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return True
    return parts.password is not None or "password=" in parts.query


def places_text(places: Iterable[str], folder: Path | None = None) -> str:
    """Return the places of stop lists as a campaign stores them. Raises `ValueError`."""
    return json.dumps([*dict.fromkeys(place_to_keep(place, folder) for place in places)])


def places_of(text: str, folder: Path | None = None) -> tuple[str, ...]:
    """Return the places of stored stop lists."""
    return tuple(
        place if folder is None or on_server(place) else str(folder.absolute() / place)
        for place in json.loads(text)
    )


def without_place(places: Sequence[str], place: str, folder: Path | None = None) -> list[str]:
    """Return the places of stop lists without one of them. Raises `ValueError` if it is missing."""
    dropped = place_to_keep(place, folder)
    left = [one for one in places if place_to_keep(one, folder) != dropped]
    if len(left) == len(places):
        raise ValueError(
            "stop list: the campaign does not have this one; it has "
            + (", ".join(map(repr, places)) or "none")
        )
    return left


class Stops:
    """The stop lists of a run, and how many recipients they have stopped.

    Args:
        lists: the open lists.
    """

    def __init__(self, lists: Sequence[StopLedger] = ()) -> None:
        self._lists = lists
        self._stopped = 0

    def listed(self, numbers: Sequence[str]) -> set[str]:
        """Return those of the numbers that are on a list. Raises `LedgerError`."""
        return {number for one in self._lists for number in one.listed(numbers)}

    def count(self, stopped: int) -> None:
        """Count recipients that were stopped. A ledger calls this after its commit."""
        self._stopped += stopped

    def taken(self) -> int:
        """Return how many recipients were stopped since the last call."""
        stopped, self._stopped = self._stopped, 0
        return stopped
