"""All recipients as CSV, in the order of the list, one row at a time.

Rule of this file: no cell is a formula. Phone numbers are written as digits, and a cell that a
spreadsheet might evaluate starts with an apostrophe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Protocol, TextIO

from ..ledger.records import RecipientRecord
from ..privacy import mask_number, mask_numbers
from .atomic_file import write_whole

__all__ = ["COLUMNS", "Exportable", "csv_rows", "export_csv"]

COLUMNS = (
    "line", "number", "state", "reason", "message_id", "delivery", "parts", "request", "attempts",
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


def export_csv(
    journal: Exportable,
    target: str | PathLike[str] | TextIO,
    *,
    overwrite: bool = False,
    show_numbers: bool = True,
    delimiter: str = ",",
    byte_order_mark: bool = True,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write all recipients to a CSV file that only its owner can read, or to an open text stream.

    The write of a file is atomic. The columns are line, number, state, reason, message_id,
    delivery, parts, request (the number that `Campaign.resolve` takes) and attempts.

    Args:
        journal: the campaign or its journal.
        target: the path of the file, or a text stream open for writing.
        overwrite: replace an existing file.
        show_numbers: write numbers in full; False masks their middle.
        delimiter: a comma, a semicolon, a tab or a bar. Excel needs a semicolon where the comma
            separates decimals.
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
    lines = csv_rows(recipients, show_numbers=show_numbers, delimiter=delimiter)
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
    recipients: Iterable[RecipientRecord], *, show_numbers: bool, delimiter: str
) -> Iterator[str]:
    """Yield the lines: the header, then one line per recipient."""
    yield delimiter.join(COLUMNS) + "\r\n"
    for one in recipients:
        number, reason = one.number or "", one.reason or ""
        if not show_numbers:
            number, reason = _masked(number), mask_numbers(reason)
        cells = (
            one.line, number, one.state, reason, one.message_id, one.delivery, one.parts,
            one.request, one.attempts,
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
