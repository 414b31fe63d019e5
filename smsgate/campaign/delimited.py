"""Reads the rows of a CSV file as a stream. The one importer of csv.

Rule of this file: an error in one row is reported with that row. It is an error of the whole list
only where a quote may have swallowed other rows, so that the missing recipients are not known.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import BinaryIO

from .columns import has_several_numbers, holds_number, is_number
from .encodings import errors_of

__all__ = ["DELIMITER_NAMES", "delimited_rows", "delimiter_of"]

DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_DELIMITERS = "".join(DELIMITER_NAMES)
_SAMPLE = 1 << 16
_LONGEST = 1 << 20
"""Characters of the longest row. A longer row is skipped, so that memory use stays flat."""
_LONGEST_CELL = 1 << 17
"""Characters of the longest cell: the default limit of csv, which other code may change."""
_EXCEL_DELIMITER = re.compile(r"sep=([^\r\n])\r?\n")
"""A line before the header that gives Excel the delimiter."""
_QUOTED = re.compile(r'"[^"]*"')
_MOST_NUMBERS = 3
"""Lines with a number alone that one cell may have. More are rows that a quote has swallowed."""
_TOO_LONG = "field larger"
_CELL_TOO_LONG = "a cell is too long"


def delimiter_of(opened: BinaryIO, encoding: str, *, asked: str | None) -> tuple[str, bool]:
    """Return the delimiter of a file, and whether the first line only names the delimiter.

    Raises `ValueError` if two delimiters fit equally well, or if `asked` cannot be a delimiter.
    """
    if asked is not None and (len(asked) != 1 or asked in '"\r\n'):
        raise ValueError("delimiter: must be one character, not a quote and not a line break")
    opened.seek(0)
    octets = opened.read(_SAMPLE)
    head = octets.decode(encoding, "replace").lstrip("\ufeff")
    named = _EXCEL_DELIMITER.match(head)
    if asked or named:
        return asked or (named[1] if named else ""), bool(named)
    lines = head.splitlines(keepends=True)
    return _likely_delimiter(
        lines[:-1] if len(octets) == _SAMPLE and len(lines) > 1 else lines
    ), False


def _likely_delimiter(lines: list[str]) -> str:
    """Return the delimiter that finds numbers in most rows, then equal numbers of cells in most."""
    header = _QUOTED.sub("", next((line for line in lines if line.strip()), ""))
    fits = {delimiter: fit for delimiter in _DELIMITERS if (fit := _fit(lines, delimiter))}
    best = max(fits.values(), default=(0, 0))
    likely = [delimiter for delimiter, fit in fits.items() if fit == best]
    if best[0] and len(likely) > 1:
        names = " or ".join(DELIMITER_NAMES[delimiter] for delimiter in likely)
        raise ValueError(f"delimiter: it may be the {names}; name the right one with --delimiter")
    return max(likely or _DELIMITERS, key=header.count)


def _fit(lines: list[str], delimiter: str) -> tuple[int, int] | None:
    """Return how many rows have a number, and how many the usual number of cells.

    Returns None if no row has several cells.
    """
    rows = list[list[str]]()
    with suppress(csv.Error):
        rows.extend(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " "))
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return None
    numbers = sum(
        any(is_number(cell.strip()) or has_several_numbers(cell) for cell in row) for row in rows
    )
    return numbers, max(widths.values())


def delimited_rows(
    opened: BinaryIO, encoding: str, delimiter: str
) -> Iterator[tuple[int, list[str], str]]:
    """Yield the line number, the cells and a complaint for each row, and close the file.

    Raises `ValueError` if the rest of the file cannot be read.
    """
    opened.seek(0)
    with TextIOWrapper(opened, encoding, errors=errors_of(encoding), newline="") as text:
        lines = _Lines(text)
        reader = csv.reader(
            lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter != " "
        )
        while True:
            line = reader.line_num + 1
            lines.begin_row()
            cells, complaint = [], ""
            try:
                cells = next(reader)
            except StopIteration:
                return
            except UnicodeError:
                raise ValueError(
                    f"line {line}: the file ends in the middle of a character; is it complete?"
                ) from None
            except csv.Error as error:
                complaint = (
                    _CELL_TOO_LONG if str(error).startswith(_TOO_LONG) else "misplaced quotes"
                )
                # csv forgets the open quote here and would read the rest of the cell as rows.
                if reader.line_num > line or (lines.may_stay_open(delimiter) and lines.has_more()):
                    raise ValueError(
                        f"line {line}: unreadable from here on ({complaint}); is a quote missing?"
                    ) from None
                cells = _read_alone(lines.line, delimiter)
                complaint = "" if cells else complaint
            if lines.overlong:
                complaint = "the line is too long"
                if reader.line_num > line or lines.quotes % 2:
                    raise ValueError(
                        f"line {line}: unreadable from here on ({complaint}); is a quote missing?"
                    )
            if reader.line_num > line and _holds_rows(cells, delimiter):
                raise ValueError(
                    f"line {line}: a cell continues over other rows; a quote is missing, or there"
                    " is one too many. If the cell is right, write it on one line"
                )
            if any(len(cell) > _LONGEST_CELL for cell in cells):
                cells, complaint = [], _CELL_TOO_LONG
            yield line, cells, complaint


def _read_alone(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line, with a quote after a space as text; [] if it stays unreadable."""
    with suppress(csv.Error):
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    return []


class _Lines:
    """The lines of a text for csv. It also knows whether a quoted cell may continue on the next."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text
        self.line = ""
        """The last line."""
        self._next = ""
        self._read = 0
        self.quotes = 0
        """The number of quotes in the last line."""
        self.overlong = False
        """Whether the row is longer than the limit."""

    def begin_row(self) -> None:
        """Start a new row."""
        self._read = 0
        self.overlong = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        piece = self._next or self._text.readline(_LONGEST)
        self._next = ""
        if not piece:
            raise StopIteration
        self.quotes = piece.count('"')
        self._read += len(piece)
        self.line = piece
        if self._read < _LONGEST:
            return piece
        self.overlong = True
        while len(piece) == _LONGEST and piece[-1] not in "\r\n":
            piece = self._text.readline(_LONGEST)
            self.quotes += piece.count('"')
        return ""

    def has_more(self) -> bool:
        """Return whether there is another line."""
        with suppress(UnicodeError):
            self._next = self._next or self._text.readline(_LONGEST)
            return bool(self._next)
        return True

    def may_stay_open(self, delimiter: str) -> bool:
        """Return whether a cell of the last line, which has misplaced quotes, may continue."""
        return bool(self.quotes % 2) or _stays_open(self.line, delimiter)


def _stays_open(line: str, delimiter: str) -> bool:
    """Return whether the line ends inside quotes, if text after a closing quote is in the cell."""
    at = 0
    while True:
        while line[at : at + 1] == " ":
            at += 1
        if line[at : at + 1] == '"':
            at = _closing(line, at + 1)
            if at < 0:
                return True
        at = line.find(delimiter, at) + 1
        if not at:
            return False


def _closing(line: str, at: int) -> int:
    """Return the index of the closing quote from this index on, -1 if there is none."""
    while (at := line.find('"', at)) >= 0 and line[at + 1 : at + 2] == '"':
        at += 2
    return at


def _holds_rows(cells: Sequence[str], delimiter: str) -> bool:
    """Return whether lines inside a cell look like rows of their own, or parts of rows.

    One line with a number and a delimiter is enough, or several lines with a number alone.
    """
    lines = [line for cell in cells if "\n" in cell or "\r" in cell for line in cell.splitlines()]
    numbers = [line for line in lines if any(map(holds_number, line.split(delimiter)))]
    return len(numbers) > _MOST_NUMBERS or any(delimiter in line for line in numbers)
