"""Everybody as CSV, in the order of the file, one row at a time.

Rule of this file: no cell is a formula. Numbers are digits, and a cell that a spreadsheet might compute gets an apostrophe.
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

COLUMNS = ("line", "number", "state", "reason", "message_id", "delivery", "parts", "request", "attempts")

_DELIMITERS = ",;\t|"
_EVERY = 1_000
_DIGITS = re.compile(r"\+?([0-9]+)\Z")
_FORMULA = re.compile(r"(^|[,;|\t\r\n])(?=[\s\0\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n])")
"""Where a spreadsheet may see a formula begin: at the start, and after what it may take for the end of a cell."""
_BYTE_ORDER_MARK = "\ufeff"


class Exportable(Protocol):
    """What an export needs of a campaign or its journal."""

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield everybody, in the order of the file."""
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
    """Write everybody to a file of its owner's alone, or to an open text stream. The columns are those of `COLUMNS`.

    `request` is the number by which recipients in doubt are resolved. Excel needs the byte order mark, and `delimiter=";"`
    where the comma separates decimals. With `show_numbers=False` their middle is hidden. A file is written whole or not at all.
    `on_progress` is called with the number of recipients written so far, every thousand of them. Raises `ValueError`,
    `FileExistsError` unless it may `overwrite`, or another `OSError`.
    """
    if len(delimiter) != 1 or delimiter not in _DELIMITERS:
        raise ValueError("delimiter: a comma, a semicolon, a tab or a bar")
    recipients = journal.recipients() if on_progress is None else _counted(journal.recipients(), on_progress)
    lines = csv_rows(recipients, show_numbers=show_numbers, delimiter=delimiter)
    pieces = _marked(lines) if byte_order_mark else lines
    if isinstance(target, (str, PathLike)):
        write_whole(Path(target), pieces, overwrite=overwrite)
    else:
        target.writelines(pieces)


def _counted(recipients: Iterable[RecipientRecord], on_progress: Callable[[int], None]) -> Iterator[RecipientRecord]:
    for count, one in enumerate(recipients, start=1):
        if count % _EVERY == 0:
            on_progress(count)
        yield one


def csv_rows(recipients: Iterable[RecipientRecord], *, show_numbers: bool, delimiter: str) -> Iterator[str]:
    """Yield the lines: the header, then one for each recipient."""
    yield delimiter.join(COLUMNS) + "\r\n"
    for one in recipients:
        number, reason = one.number or "", one.reason or ""
        if not show_numbers:
            number, reason = _masked(number), mask_numbers(reason)
        cells = (one.line, number, one.state, reason, one.message_id, one.delivery, one.parts, one.request, one.attempts)
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
