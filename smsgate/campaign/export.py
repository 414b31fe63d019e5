"""All recipients as CSV, in the order of the list, one row at a time.

Rule of this file: no cell is a formula. Phone numbers are written as digits, and a cell that a
spreadsheet might evaluate starts with an apostrophe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Protocol, TextIO

from ..ledger.records import RecipientRecord
from ..ledger.states import RecipientState
from ..privacy import mask_number, mask_numbers
from .atomic_file import write_whole

__all__ = ["COLUMNS", "Exportable", "csv_rows", "export_csv"]

COLUMNS = (
    "line", "number", "state", "reason", "message_id", "delivery", "parts", "request", "attempts",
    "sender",
)  # fmt: skip

_DELIMITERS = ",;\t|"
_EVERY = 1_000
_DIGITS = re.compile(r"\+?([0-9]+)\Z")
_FORMULA = re.compile(r"(^|[,;|\t\r\n])(?=[\s\0\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n])")
"""Places where a spreadsheet may see a formula: at the start, and after a possible cell end."""
_BYTE_ORDER_MARK = "\ufeff"


class Exportable(Protocol):
    """What an export needs of a campaign or its journal."""

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield all recipients, in the order of the list."""
        ...

    def kept_columns(self) -> tuple[str, ...]:
        """Return the columns of the list that the campaign has kept."""
        ...


def export_csv(
    journal: Exportable,
    target: str | PathLike[str] | TextIO,
    *,
    overwrite: bool = False,
    show_numbers: bool = True,
    delimiter: str = ",",
    byte_order_mark: bool = True,
    states: Collection[RecipientState] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write all recipients to a CSV file that only its owner can read, or to an open text stream.

    The write of a file is atomic. The columns are line, number, state, reason, message_id,
    delivery, parts, request (the number that `Campaign.resolve` takes), attempts and sender, and
    then the columns of the list that the campaign has kept. A kept column with one of these names
    is called `number (list)`, for example.

    Args:
        journal: the campaign or its journal.
        target: the path of the file, or a text stream open for writing.
        overwrite: replace an existing file.
        show_numbers: write numbers in full; False masks their middle.
        delimiter: a comma, a semicolon, a tab or a bar. Excel needs a semicolon where the comma
            separates decimals.
        states: write only recipients in these states; None for all.
        byte_order_mark: begin with a byte order mark, which Excel needs for Cyrillic.
        on_progress: called every thousand recipients with the number written so far.

    Raises:
        ValueError: the delimiter is not one of the four.
        FileExistsError: the file exists, unless `overwrite`, or it is a database.
        OSError: the file cannot be written.
    """
    if len(delimiter) != 1 or delimiter not in _DELIMITERS:
        raise ValueError("delimiter: must be a comma, a semicolon, a tab or a bar")
    recipients = (
        journal.recipients() if on_progress is None else _counted(journal.recipients(), on_progress)
    )
    if states is not None:
        chosen = frozenset(states)
        recipients = (one for one in recipients if one.state in chosen)
    lines = csv_rows(
        recipients,
        show_numbers=show_numbers,
        delimiter=delimiter,
        kept_columns=journal.kept_columns(),
    )
    pieces = _marked(lines) if byte_order_mark else lines
    if isinstance(target, (str, PathLike)):
        write_whole(Path(target), pieces, overwrite=overwrite)
    else:
        target.writelines(pieces)


def _counted(
    recipients: Iterable[RecipientRecord], on_progress: Callable[[int], None]
) -> Iterator[RecipientRecord]:
    for count, one in enumerate(recipients, start=1):
        if count % _EVERY == 0:
            on_progress(count)
        yield one


def csv_rows(
    recipients: Iterable[RecipientRecord],
    *,
    show_numbers: bool,
    delimiter: str,
    kept_columns: tuple[str, ...] = (),
) -> Iterator[str]:
    """Yield the lines: the header, then one line per recipient."""
    names = [f"{name} (list)" if name in COLUMNS else name for name in kept_columns]
    if not show_numbers:
        names = [mask_numbers(name) for name in names]
    header = [*COLUMNS, *(_cell(name, delimiter) for name in names)]
    yield delimiter.join(header) + "\r\n"
    for one in recipients:
        number, reason, sender = one.number or "", one.reason or "", one.sender or ""
        kept = one.kept or ("",) * len(names)
        if not show_numbers:
            number, reason, sender = _masked(number), mask_numbers(reason), mask_numbers(sender)
            kept = tuple(mask_numbers(cell) for cell in kept)
        cells = (
            one.line, number, one.state, reason, one.message_id, one.delivery, one.parts,
            one.request, one.attempts, sender, *kept,
        )  # fmt: skip
        yield delimiter.join(_cell(cell, delimiter) for cell in cells) + "\r\n"


def _masked(number: str) -> str:
    return mask_number(number) if _DIGITS.match(number) else mask_numbers(number)


def _marked(lines: Iterator[str]) -> Iterator[str]:
    yield _BYTE_ORDER_MARK
    yield from lines


def _cell(value: int | str | None, delimiter: str) -> str:
    text = "" if value is None else str(value)
    if found := _DIGITS.match(text):
        return found[1]
    text = _FORMULA.sub(lambda place: f"{place[1] or ''}'", text)
    if text.startswith("'") or any(character in text for character in f'{delimiter}"\r\n\t'):
        text = '"' + text.replace('"', '""') + '"'
    return text
