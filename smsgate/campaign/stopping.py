"""Who is left out of a campaign: those on a stop list, and those in other lists and campaigns.

Rules of this file: numbers are looked up in batches, in SQLite or PostgreSQL, so lists of a million
need no memory. A list that cannot be read is an error, and nothing is sent without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from ..ledger.arguments import check_place, on_server
from ..ledger.records import Entry, RecipientRecord
from ..ledger.stop_numbers import STOPPED, StopLedger, Stops
from ..privacy import mask_numbers
from .given_numbers import UnreadableRow, international_in
from .sources import ListOptions, Row, file_source

if TYPE_CHECKING:
    from . import Campaign

__all__ = [
    "Exclusion",
    "LeavingOut",
    "LeftOut",
    "excluded_campaign",
    "excluded_file",
    "numbers_of",
    "open_stop_list",
    "opened_stops",
]

_BATCH = 1_000
"""Rows of a new campaign that are looked up at a time."""
_LINES = 5


def open_stop_list(place: str | PathLike[str], *, writing: bool = False) -> StopLedger:
    """Open a stop list: a PostgreSQL address, or the path of an SQLite file.

    Args:
        place: the address or the path.
        writing: open a file to change it, and create it if it is missing.

    Raises:
        ValueError: `place` is an address, but not one of PostgreSQL.
        StopListError: the list cannot be used.
    """
    check_place("stop list", fspath(place))
    if on_server(fspath(place)):
        from ..ledger.postgres.postgres_stop_list import (  # noqa: PLC0415 - an extra
            PostgresStopList,
        )

        return PostgresStopList(fspath(place))
    from ..ledger.sqlite.sqlite_stop_list import SqliteStopList  # noqa: PLC0415 - loads sqlite3

    return SqliteStopList(Path(place), writing=writing)


@contextmanager
def opened_stops(places: Sequence[str]) -> Iterator[Stops]:
    """Open the stop lists of a campaign. Raises `StopListError`."""
    with ExitStack() as held:
        yield Stops([held.enter_context(closing(open_stop_list(place))) for place in places])


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Numbers that a new campaign leaves out, from a list or from another campaign.

    Make one with `excluded_file` or `excluded_campaign`, or from any rows.

    Attributes:
        name: what it is, for the reason of a recipient that is left out.
        rows: the rows with the numbers, read once.
    """

    name: str
    rows: Iterable[Row] = field(repr=False)


def excluded_file(path: Path, **options: Unpack[ListOptions]) -> Exclusion:
    """Return the numbers of a CSV file, a spreadsheet, or a text file with one number a line.

    Args:
        path: the file.
        options: see `ListOptions`.

    Raises:
        OSError, ValueError, MissingExtra: as `file_source`.
    """
    return Exclusion(mask_numbers(path.name), file_source(path, **options).rows)


def excluded_campaign(place: str | PathLike[str], *, database: str | None = None) -> Exclusion:
    """Return all numbers of another campaign, whatever became of its recipients.

    Args:
        place: the file of the campaign; with `database`, its name.
        database: a `postgresql://` URL.

    Raises:
        FileNotFoundError: there is no such campaign.
        ValueError: its numbers were deleted.
        LedgerError: the campaign cannot be read.
    """
    from . import Campaign  # noqa: PLC0415 - it imports this module

    name = mask_numbers(Path(place).name if database is None else fspath(place))
    opened = Campaign.open(place, database=database, writing=False)
    with ExitStack() as held:
        held.callback(opened.close)
        if opened.figures().purged:
            raise ValueError(f"{name}: the numbers of this campaign were deleted by a purge")
        held.pop_all()
    return Exclusion(f"the campaign {name}", _rows_of(opened))


def _rows_of(campaign: Campaign) -> Iterator[Row]:
    with closing(campaign):
        for one in campaign.recipients():
            if row := _row_of(one):
                yield row


def _row_of(one: RecipientRecord) -> Row | None:
    row = Row(one.line, one.number or "", {})
    try:
        international_in(row, None)
    except UnreadableRow:
        return None  # a row that the campaign itself has skipped
    return row


@dataclass(slots=True)
class LeftOut:
    """What a list has left out of a new campaign.

    Attributes:
        name: the list.
        numbers: how many numbers it has.
        invalid: how many of its rows have no valid number. They exclude nobody.
        invalid_lines: the first lines of such rows.
    """

    name: str
    numbers: int = 0
    invalid: int = 0
    invalid_lines: list[int] = field(default_factory=list)


class LeavingOut:
    """Leaves recipients out of a new campaign.

    Args:
        stop_lists: paths and addresses of stop lists.
        exclude: lists and campaigns whose numbers are left out.
        country: the country of local numbers in `exclude`.

    Raises:
        StopListError: a stop list cannot be read.
        OSError, ValueError, LedgerError: a list or a campaign cannot be read.
    """

    def __init__(
        self,
        stop_lists: Sequence[str | PathLike[str]],
        exclude: Iterable[Exclusion],
        *,
        country: str | None,
    ) -> None:
        self.lists: list[LeftOut] = []
        self._reasons: list[tuple[StopLedger, str]] = []
        self._held = ExitStack()
        with ExitStack() as held:
            for place in stop_lists:
                opened = held.enter_context(closing(open_stop_list(place)))
                if opened.count():
                    self._reasons.append((opened, STOPPED))
            for one in exclude:
                self._reasons.append((self._kept(held, one, country), f"excluded: in {one.name}"))
            self._held = held.pop_all()

    def _kept(self, held: ExitStack, one: Exclusion, country: str | None) -> StopLedger:
        from ..ledger.sqlite.sqlite_stop_list import (  # noqa: PLC0415 - loads sqlite3
            SqliteStopList,
        )

        made = held.enter_context(closing(SqliteStopList.temporary(one.name)))
        told = LeftOut(one.name)
        told.numbers, _ = made.add(numbers_of(one.rows, country, told))
        self.lists.append(told)
        return made

    def __enter__(self) -> LeavingOut:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def __call__(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield the entries, those that are left out without a text and with the reason."""
        if not self._reasons:
            yield from entries
            return
        while piece := list(islice(entries, _BATCH)):
            numbers = [entry.number for entry in piece if entry.text is not None]
            # The first list that has a number gives the reason.
            found = {
                number: reason
                for opened, reason in reversed(self._reasons)
                for number in opened.listed(numbers)
            }
            for entry in piece:
                reason = found.get(entry.number) if entry.text is not None else None
                yield replace(entry, text=None, reason=reason) if reason else entry


def numbers_of(rows: Iterable[Row], country: str | None, told: LeftOut) -> Iterator[str]:
    """Yield the numbers of rows, and count those that have none."""
    for row in rows:
        try:
            yield international_in(row, country)
        except UnreadableRow:
            told.invalid += 1
            if len(told.invalid_lines) < _LINES:
                told.invalid_lines.append(row.line)
