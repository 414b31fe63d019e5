"""Reads the rows of a CSV file as a stream. The one importer of csv.

Rule of this file: what is wrong with one row is told with that row. Only where a quote may have swallowed other rows, so that
it cannot be told who is missing, it is an error of the whole list.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from typing import BinaryIO

from .columns import is_number
from .encodings import errors_of

__all__ = ["delimited_rows", "delimiter_of"]

_DELIMITERS = ",;\t|"
_SAMPLE = 1 << 16
_LONGEST = 1 << 20
"""Characters of one line that are read; the rest of a longer one is passed over, so that memory stays flat."""
_EXCEL_DELIMITER = re.compile(r"sep=([^\r\n])\r?\n")
"""A line before the header, by which Excel is told the delimiter."""
_QUOTED = re.compile(r'"[^"]*"')
_FEW = 3
"""Lines with a number that one cell of a list with one column may have; more of them are rows that a quote has swallowed."""
_TOO_LONG = "field larger"


def delimiter_of(opened: BinaryIO, encoding: str) -> tuple[str, bool]:
    """Return the delimiter of a file, and whether its first line does nothing but tell it."""
    opened.seek(0)
    head = opened.read(_SAMPLE).decode(encoding, "replace").lstrip("\ufeff")
    if told := _EXCEL_DELIMITER.match(head):
        return told[1], True
    header = _QUOTED.sub("", next((line for line in head.splitlines() if line.strip()), ""))
    return max(_DELIMITERS, key=header.count), False


def delimited_rows(opened: BinaryIO, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield the number of the line, the cells and a complaint for each row, and close the file. Raises `ValueError`."""
    opened.seek(0)
    with TextIOWrapper(opened, encoding, errors=errors_of(encoding), newline="") as text:
        reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
        width = 0
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except UnicodeError:
                raise ValueError(f"line {line}: the file ends in the middle of a character; is it whole?") from None
            except csv.Error as error:
                if reader.line_num > line:
                    # What the reader has swallowed may be any number of rows, so no row can be named that is to blame.
                    raise ValueError(f"line {line}: no CSV from here on ({error}); is a quote missing?") from None
                yield line, [], "a cell is too long" if str(error).startswith(_TOO_LONG) else "quotes that cannot be read"
                continue
            width = width or len(cells)
            if reader.line_num > line and _holds_rows(cells, delimiter, width):
                raise ValueError(f"line {line}: a cell goes on over other rows; a quote is missing, or there is one too many")
            yield line, cells, ""


def _lines(text: TextIOWrapper) -> Iterator[str]:
    while piece := text.readline(_LONGEST):
        more = piece
        while len(more) == _LONGEST and more[-1] not in "\r\n":
            more = text.readline(_LONGEST)
        yield piece


def _holds_rows(cells: Sequence[str], delimiter: str, width: int) -> bool:
    """Return whether lines inside of a cell look like rows of their own: as wide as the others, with a number in them."""
    lines = [line for cell in cells if "\n" in cell or "\r" in cell for line in cell.splitlines()[1:]]
    rows = [parts for line in lines if len(parts := line.split(delimiter)) == width and any(map(_has_number, parts))]
    return len(rows) > (0 if width > 1 else _FEW - 1)


def _has_number(part: str) -> bool:
    return is_number(part.strip(' "'))
