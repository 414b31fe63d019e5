"""The options --exclude and --stop-list of the campaign commands.

Rule of this file: an address with a password is never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..campaign import Exclusion, HiddenRows, LeftOut, excluded_campaign, excluded_file
from ..languages import plural, say, spoken
from .credentials import stop_list_of
from .output import Output

__all__ = [
    "AlsoStopList",
    "DropStopList",
    "LeaveOut",
    "OutboxStopList",
    "StopListPlace",
    "invalid_rows",
    "warn_of_invalid",
]

StopListPlace = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|URL",
        help=(
            "The stop list: the path of a file, or a postgresql:// URL. The campaign remembers it."
            " Default: SMSGATE_STOP_LIST."
        ),
    ),
]


def _also_stop_list(*, of_outbox: bool) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        "--stop-list",
        metavar="PATH|URL",
        help=(
            "Do not send to the numbers on this stop list: the path of a file, or a postgresql://"
            " URL. Only campaigns read SMSGATE_STOP_LIST, because one-time codes must also reach"
            " people who opted out."
            + (
                " Applies to outbox messages; campaigns have stop lists of their own."
                if of_outbox
                else ""
            )
        ),
    )
    return option


AlsoStopList = Annotated[str | None, _also_stop_list(of_outbox=False)]

OutboxStopList = Annotated[str | None, _also_stop_list(of_outbox=True)]

DropStopList = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|URL",
        help=("Remove this stop list from the campaign. To replace it, also give --stop-list."),
    ),
]

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Who is left out of a new campaign."""

    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help=(
                "Leave out the numbers of a CSV file, a spreadsheet, a text file with one number"
                " per line, or another campaign (with --database, also its name). May be repeated."
            ),
        ),
    ] = None
    exclude_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The column with the numbers in the files of --exclude. Default: detected.",
        ),
    ] = None
    stop_list: StopListPlace = None

    def place(self) -> str | None:
        """Return the stop list, None without one."""
        return stop_list_of(self.stop_list)

    def exclusions(self, database: str | None, *, hidden: HiddenRows | None) -> list[Exclusion]:
        """Open the lists and the campaigns to leave out. Raises `ValueError` or `OSError`."""
        return list(self._opened(database, hidden))

    def _opened(self, database: str | None, hidden: HiddenRows | None) -> Iterator[Exclusion]:
        for given in self.exclude or ():
            path = Path(given)
            if not path.exists() and database is not None:
                yield excluded_campaign(given, database=database)
            elif path.is_file() and _begins(path) == _SQLITE:
                yield excluded_campaign(path)
            else:
                yield excluded_file(path, phone_column=self.exclude_column, hidden=hidden)


def _begins(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(len(_SQLITE))


def warn_of_invalid(output: Output, lists: Sequence[LeftOut]) -> None:
    """Warn of rows of excluded lists that exclude nobody, because they have no valid number."""
    for one in lists:
        if one.invalid:
            output.warn(
                say(
                    "{list}: {rows}, so nobody is left out because of them",
                    list=one.name,
                    rows=invalid_rows(one.invalid, one.invalid_lines),
                )
            )


def invalid_rows(invalid: int, lines: Sequence[int]) -> str:
    """Return how many rows have no valid number, and which lines these are."""
    first = ", ".join(map(spoken().count, lines))
    return plural(
        "{number} row has no valid number (line {lines})",
        "{number} rows have no valid number (lines {lines})",
        invalid,
        lines=say("{lines} and more", lines=first) if invalid > len(lines) else first,
    )
