"""The commands `smsgate stoplist ...`: the numbers of people who opted out.

Rule of this file: a command opens the list, does one step, and shows the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ..campaign import HiddenRows, LeftOut, Row, excluded_file
from ..campaign.given_numbers import UnreadableRow, international_in
from ..campaign.stopping import numbers_of, open_stop_list
from ..campaign.wording import moment
from ..config import variable
from ..languages import plural, say, spoken
from ..ledger.arguments import on_server
from ..ledger.stop_numbers import StopEntry, StopLedger, check_reason
from ..privacy import mask_number, mask_numbers
from .credentials import country_of, stop_list_of
from .databases import shown_place
from .help import SpeakingGroup
from .output import Output
from .progress import working
from .shared_options import Country, ShowNumbers, command
from .stop_options import invalid_rows
from .views import VIEWS, View, printable, table

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    name="stoplist",
    cls=SpeakingGroup,
    help="Manage the numbers of people who opted out. Campaigns do not send to them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_MOST = 10_000_000
"""The largest number of entries that one command lists."""

Numbers = Annotated[
    list[str],
    typer.Argument(metavar="NUMBER", help="Phone numbers in international format: +380..."),
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, at most 200 characters.")]


@dataclass(frozen=True, slots=True)
class ListPlace:
    """Where the stop list is kept."""

    file: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help=(
                "The stop list: the path of a file, or a postgresql:// URL."
                " Default: SMSGATE_STOP_LIST."
            ),
        ),
    ] = None

    def place(self) -> str:
        """Return the path or the address, which may hold a password. Raises `ValueError`."""
        found = stop_list_of(self.file)
        if not found:
            raise ValueError(f"no stop list: use --file, or set {variable('stop_list')}")
        return found

    def shown(self) -> str:
        """Return the path, or the address without user, password and parameters."""
        return shown_place(self.place())

    @contextmanager
    def open(self, *, writing: bool) -> Iterator[StopLedger]:
        """Open the list. Raises `LedgerError` or `ValueError`."""
        with closing(open_stop_list(self.place(), writing=writing)) as opened:
            yield opened


@dataclass(frozen=True, slots=True)
class NumbersAdded:
    """What was added. `invalid` counts rows without a valid number."""

    place: str
    added: int
    known: int
    numbers: int
    invalid: int = 0
    invalid_lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NumbersRemoved:
    """What was removed."""

    place: str
    removed: int
    unknown: int
    numbers: int


@dataclass(frozen=True, slots=True)
class ListedNumber:
    """One entry, for machines."""

    entry: StopEntry
    show_numbers: bool


@dataclass(frozen=True, slots=True)
class ListedNumbers:
    """The entries that are shown, and how many there are."""

    place: str
    entries: Iterator[ListedNumber]
    numbers: int


@command(app, changes=True, speaks=True)
def add(
    output: Output, numbers: Numbers, where: ListPlace, *, reason: Why = "", country: Country = None
) -> None:
    """Add numbers. Campaigns send nothing to them from now on, even if they are running.

    Example: smsgate stoplist add +380501234567 --file stop.db --reason "wrote STOP"
    """
    check_reason("--reason", reason)
    checked = _checked(numbers, country)
    with where.open(writing=True) as opened:
        added, known = opened.add(checked, reason)
        output.show(NumbersAdded(where.shown(), added, known, opened.count()))


@command(app, changes=True, speaks=True)
def remove(output: Output, numbers: Numbers, where: ListPlace, *, country: Country = None) -> None:
    """Remove numbers of people who want messages again.

    Example: smsgate stoplist remove +380501234567 --file stop.db
    """
    checked = _checked(numbers, country)
    if not on_server(where.place()):
        open_stop_list(where.place()).close()  # do not create a file to remove from
    with where.open(writing=True) as opened:
        removed = opened.remove(checked)
        left = len(set(checked)) - removed
        output.show(NumbersRemoved(where.shown(), removed, left, opened.count()))


@command(app, name="list", speaks=True)
def list_(
    output: Output,
    where: ListPlace,
    *,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_MOST, help="The maximum number of entries.")
    ] = 100,
    show_numbers: ShowNumbers = False,
) -> None:
    """List the numbers: since when, and why.

    Example: smsgate stoplist list --file stop.db --show-numbers
    """
    with where.open(writing=False) as opened:
        total = opened.count()
        entries = (ListedNumber(one, show_numbers) for one in islice(opened.entries(), limit))
        output.listing(ListedNumbers(where.shown(), entries, total), entries)
    if total > limit:
        output.note(
            plural(
                "There is {number} more: give a larger --limit.",
                "There are {number} more: give a larger --limit.",
                total - limit,
            )
        )


@command(app, name="import", changes=True, speaks=True)
def import_(
    output: Output,
    contacts: Annotated[
        Path,
        typer.Argument(
            metavar="LIST",
            help=(
                "A CSV file, a spreadsheet, or a text file with one number a line; - reads"
                " standard input."
            ),
        ),
    ],
    where: ListPlace,
    *,
    reason: Why = "",
    phone_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column with the numbers. Default: detected."),
    ] = None,
    hidden: Annotated[
        HiddenRows | None,
        typer.Option(
            help="Include or skip hidden rows of a spreadsheet. Default: an error if any are."
        ),
    ] = None,
    country: Country = None,
) -> None:
    """Add all numbers of a list. Importing it again changes nothing.

    Example: smsgate stoplist import stop.csv --file stop.db --reason "old list"
    """
    check_reason("--reason", reason)
    told = LeftOut(contacts.name)
    with working(output, say("Reading the list")) as tell:
        rows = excluded_file(contacts, phone_column=phone_column, hidden=hidden).rows
        numbers = numbers_of(rows, country or country_of(None), told)
        with where.open(writing=True) as opened:
            added, known = opened.add(_counted(numbers, tell), reason)
            count = opened.count()
    output.show(
        NumbersAdded(where.shown(), added, known, count, told.invalid, tuple(told.invalid_lines))
    )


def _counted(numbers: Iterator[str], tell: Any) -> Iterator[str]:
    for count, number in enumerate(numbers, start=1):
        if count % 1_000 == 0:
            tell(0.0, plural("{number} row", "{number} rows", count))
        yield number


def _checked(numbers: list[str], country: str | None) -> list[str]:
    """Return the numbers as `+` and digits. Raises `ValueError` without quoting one."""
    found = list[str]()
    for place, number in enumerate(numbers, start=1):
        try:
            found.append(international_in(Row(place, number, {}), country or country_of(None)))
        except UnreadableRow as error:
            raise ValueError(f"NUMBER {place}: {error}") from None
    return found


# --- views ----------------------------------------------------------------------------------------


def _added_screen(added: NumbersAdded) -> RenderableType:
    said = plural(
        "{list}: {number} number added, {known} already there. {size}",
        "{list}: {number} numbers added, {known} already there. {size}",
        added.added,
        list=printable(added.place),
        known=spoken().count(added.known),
        size=_size(added.numbers),
    )
    if not added.invalid:
        return Text(said)
    bad = invalid_rows(added.invalid, added.invalid_lines)
    return Group(Text(said), Text(say("Not added: {rows}.", rows=bad), "yellow"))


def _size(numbers: int) -> str:
    return plural("The list has {number} number.", "The list has {number} numbers.", numbers)


def _added_document(added: NumbersAdded) -> dict[str, Any]:
    return {
        "stop_list": added.place,
        "added": added.added,
        "known": added.known,
        "invalid": added.invalid,
        "invalid_lines": [*added.invalid_lines],
        "numbers": added.numbers,
    }


def _removed_screen(removed: NumbersRemoved) -> RenderableType:
    unknown = say(", {number} not on the list", number=spoken().count(removed.unknown))
    said = plural(
        "{list}: {number} number removed{unknown}. {size}",
        "{list}: {number} numbers removed{unknown}. {size}",
        removed.removed,
        list=printable(removed.place),
        unknown=unknown if removed.unknown else "",
        size=_size(removed.numbers),
    )
    return Text(said)


def _removed_document(removed: NumbersRemoved) -> dict[str, Any]:
    return {
        "stop_list": removed.place,
        "removed": removed.removed,
        "unknown": removed.unknown,
        "numbers": removed.numbers,
    }


def _number(one: ListedNumber) -> str:
    return one.entry.number if one.show_numbers else mask_number(one.entry.number)


def _reason(one: ListedNumber) -> str:
    return one.entry.reason if one.show_numbers else mask_numbers(one.entry.reason)


def _listed_screen(listed: ListedNumbers) -> RenderableType:
    if not listed.numbers:
        return Text(say("{list}: the list is empty.", list=printable(listed.place)))
    rows = table(say("number"), say("since"), say("reason"))
    for one in listed.entries:
        since = moment(one.entry.added_at, None, spoken())
        rows.add_row(_number(one), since, printable(_reason(one)))
    return rows


def _listed_document(one: ListedNumber) -> dict[str, Any]:
    return {
        "number": _number(one),
        "added_at": one.entry.added_at,
        "reason": _reason(one) or None,
    }


VIEWS[NumbersAdded] = View(_added_screen, _added_document)
VIEWS[NumbersRemoved] = View(_removed_screen, _removed_document)
VIEWS[ListedNumbers] = View(_listed_screen, lambda listed: {"numbers": listed.numbers})
VIEWS[ListedNumber] = View(lambda one: Text(_number(one)), _listed_document)
