"""Recipients from a CSV file, a spreadsheet or any iterable, read as a stream.

Rule of this file: what is wrong with the whole (no such file, no phone column) is an error before anything is read on; what is
wrong with one row is that row's affair and never stops the others. The one importer of csv and of python-calamine.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..extras import missing

__all__ = ["Row", "Source", "csv_source", "file_source", "rows_source", "table_source"]

PHONE_COLUMNS = (
    "phone", "number", "tel", "telephone", "mobile", "msisdn", "phone number", "destination", "recipient",
    "телефон", "номер", "номер телефону", "мобільний", "тел", "номер телефона", "мобильный", "получатель", "отримувач",
)  # fmt: skip
"""Headers under which the phone column is looked for, in this order, in any case."""

_DELIMITERS = ",;\t|"
_SAMPLE = 64 * 1024
_SAMPLED_ROWS = 50
_LOOKS_LIKE_NUMBER = re.compile(r"\+?[0-9][0-9 ()\-\u00a0]{7,19}\Z")
_EXCEL_DELIMITER = re.compile(r"sep=([^\r\n])\r?\n")
"""A line before the header, by which Excel is told the delimiter."""
_QUOTED = re.compile(r'"[^"]*"')
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ENCODINGS = ("utf-8", "cp1251")
"""Tried in this order on the beginning of a file without a byte order mark. Excel in Ukraine writes the second."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient as it was given: the line of the file (the header is line 1) or the place in the iterable, and the values."""

    line: int
    number: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    complaint: str = ""
    """What is wrong with the row itself, so that it cannot be read."""


@dataclass(frozen=True, slots=True)
class Source:
    """Recipients to be read once, and what is known of them before: the columns, and how the file was understood."""

    rows: Iterator[Row]
    columns: tuple[str, ...]
    phone_column: str
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""


def file_source(
    path: Path, *, phone_column: str | None = None, encoding: str | None = None, delimiter: str | None = None
) -> Source:
    """Return the recipients of a CSV file, or of the first sheet of an XLSX file, by its name.

    Raises `OSError` if it cannot be read, `ValueError` if it has no header, no phone column, or other columns than asked for.
    """
    if path.suffix.lower() in (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"):
        return table_source(path, phone_column=phone_column)
    return csv_source(path, phone_column=phone_column, encoding=encoding, delimiter=delimiter)


def csv_source(
    path: Path, *, phone_column: str | None = None, encoding: str | None = None, delimiter: str | None = None
) -> Source:
    """Return the recipients of a CSV file with a header. What is not given is found. Raises as `file_source` does."""
    with path.open("rb") as opened:
        sample = opened.read(_SAMPLE)
    encoding = encoding or _encoding_of(sample)
    try:
        head = sample.decode(encoding, "replace").lstrip("\ufeff")
    except LookupError:
        raise ValueError("encoding: there is no such encoding") from None
    told = _EXCEL_DELIMITER.match(head)
    delimiter = delimiter or (str(told[1]) if told else _delimiter_of(head))
    if len(delimiter) != 1:
        raise ValueError("delimiter: one character")
    lines = _csv_rows(path, encoding, delimiter)
    if told:
        next(lines)
    return _source(lines, phone_column, encoding, delimiter)


def table_source(path: Path, *, phone_column: str | None = None) -> Source:
    """Return the recipients of the first sheet of a spreadsheet with a header. Needs the extra `tables`."""
    try:
        from python_calamine import CalamineError, load_workbook  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise missing(error, "a spreadsheet") from None
    with path.open("rb") as opened:
        try:
            book = load_workbook(opened)
            sheet = book.get_sheet_by_index(0)
        except (CalamineError, IndexError) as error:
            raise ValueError(f"the file is no spreadsheet that can be read ({type(error).__name__})") from None
    rows = ((line, [_cell(value) for value in row]) for line, row in enumerate(sheet.iter_rows(), start=1))
    others = len(book.sheet_names) - 1
    return _source(rows, phone_column, sheet=f"{sheet.name}, the first of {others + 1}" if others else sheet.name)


def rows_source(rows: Iterable[str | Mapping[str, Any]], *, phone_column: str | None = None) -> Source:
    """Return recipients from an iterable of numbers, or of mappings that have the phone column, `phone` unless told otherwise.

    The columns are those of the first mapping.
    """
    given = iter(rows)
    first = list(islice(given, 1))
    columns = tuple(map(str, first[0])) if first and isinstance(first[0], Mapping) else ("phone",)
    column = _phone_column(columns, phone_column, [])
    return Source((_row(line, one, column) for line, one in enumerate(chain(first, given), start=1)), columns, column)


def _row(line: int, given: Any, column: str) -> Row:
    if isinstance(given, str):
        return Row(line, given, {column: given})
    if not isinstance(given, Mapping):
        return Row(line, "", {}, "neither a number nor a mapping of columns")
    values = {str(name): _cell(value) for name, value in given.items()}
    return Row(line, values.get(column, ""), values)


def _cell(value: Any) -> str:
    """Return what stands in a cell as text: a number that a spreadsheet made of a phone number becomes its digits again."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _csv_rows(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    with path.open("rb") as opened, TextIOWrapper(opened, encoding, errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except UnicodeError:
                raise ValueError(f"line {line}: the file ends in the middle of a character; is it whole?") from None
            except csv.Error as error:
                # What the reader has swallowed may be any number of rows, so no row can be named that is to blame.
                raise ValueError(f"line {line}: no CSV from here on ({error}); is a quote missing?") from None
            if reader.line_num > line and _holds_rows(cells, delimiter):
                raise ValueError(f"line {line}: a cell goes on over other rows; a quote is missing, or there is one too many")
            yield line, cells


def _holds_rows(cells: Sequence[str], delimiter: str) -> bool:
    """Return whether a line inside of a cell looks like a row of its own, with a number in it."""
    lines = [line for cell in cells if "\n" in cell or "\r" in cell for line in cell.splitlines()[1:]]
    return any(_LOOKS_LIKE_NUMBER.match(part.strip(' "')) for line in lines for part in line.split(delimiter))


def _source(
    lines: Iterator[tuple[int, list[str]]],
    phone_column: str | None,
    encoding: str = "",
    delimiter: str = "",
    sheet: str = "",
) -> Source:
    filled = (cells for _, cells in lines if any(cell.strip("\ufeff \t") for cell in cells))
    header = [name.strip().lstrip("\ufeff") for name in next(filled, [])]
    if not header:
        raise ValueError("the file is empty: a header with the names of the columns is needed")
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise ValueError(f"the header names a column twice: {', '.join(named)}")
    sampled = list(islice(lines, _SAMPLED_ROWS))
    column = _phone_column(header, phone_column, [cells for _, cells in sampled])
    place = header.index(column)
    if _LOOKS_LIKE_NUMBER.match(column):
        raise ValueError("the first line has a number where the name of a column should be: a header is needed")
    rows = (_read(line, cells, header, place) for line, cells in chain(sampled, lines) if any(cell.strip() for cell in cells))
    return Source(rows, tuple(named), column, encoding, delimiter, sheet)


def _read(line: int, cells: Sequence[str], header: Sequence[str], place: int) -> Row:
    if any("\ud800" <= character <= "\udfff" for cell in cells for character in cell):
        return Row(line, "", {}, "bytes that are not of the encoding of the file")
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
    complaint = "more cells than the header has" if len(cells) > len(header) and any(cells[len(header) :]) else ""
    return Row(line, cells[place].strip() if place < len(cells) else "", values, complaint)


def _phone_column(header: Sequence[str], asked: str | None, sample: Sequence[Sequence[str]]) -> str:
    """Return the column with the numbers: the one that was asked for, one of a known name, or the only one that looks so."""
    names = ", ".join(name for name in header if name)
    if asked is not None:
        if asked not in header:
            raise ValueError(f"phone column: there is none of this name; the columns are {names}")
        return asked
    looking = [name for place, name in enumerate(header) if name and _all_numbers([row[place : place + 1] for row in sample])]
    by_name = {name.casefold(): name for name in header}
    known = [by_name[name] for name in PHONE_COLUMNS if name in by_name]
    # A column «номер» beside «мобільний» may well have the numbers of orders.
    for candidates in ([name for name in known if name in looking], known):
        if candidates:
            return candidates[0]
    if len(looking) == 1:
        return looking[0]
    raise ValueError(f"phone column: it cannot be told which one it is; name it. The columns are {names}")


def _all_numbers(cells: Sequence[Sequence[str]]) -> bool:
    return bool(cells) and sum(bool(cell) and bool(_LOOKS_LIKE_NUMBER.match(cell[0].strip())) for cell in cells) * 2 > len(cells)


def _encoding_of(sample: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    # The sample may end in the middle of a character.
    whole = sample if len(sample) < _SAMPLE else sample[: sample.rfind(b"\n") + 1] or sample[:-4]
    for encoding in _ENCODINGS:
        try:
            whole.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return _ENCODINGS[0]


def _delimiter_of(head: str) -> str:
    header = next((line for line in head.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=_QUOTED.sub("", header).count)
