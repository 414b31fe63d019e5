"""Recipients from a CSV file, a spreadsheet or any iterable, read as a stream.

Rules of this file: a file is opened once, so that a pipe loses nothing. An error of the whole list
(no such file, no phone column) is raised before the rows are read. An error in one row makes this
row skipped, and never stops the others.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, NamedTuple, TypedDict, Unpack

from .columns import Columns, columns_of, is_number
from .delimited import delimited_rows, delimiter_of
from .encodings import encoding_of, errors_of, is_one_byte, is_rather_unicode
from .spreadsheets import HiddenRows, check_columns, is_spreadsheet, open_sheet

__all__ = [
    "ListOptions",
    "Row",
    "Source",
    "csv_source",
    "file_source",
    "rows_source",
    "table_source",
]

_TABLES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_SAMPLED_ROWS = 200
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNREADABLE = "bytes that are invalid in the encoding of the file"
_ERRORS = {
    "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#Н/Д", "#ССЫЛКА!",
    "#ЗНАЧ!", "#ДЕЛ/0!", "#ИМЯ?", "#ПУСТО!", "#ЧИСЛО!", "#ПОСИЛАННЯ!", "#ДІЛ/0!", "#ІМ'Я?",
    "#ЗНАЧЕННЯ!",
}  # fmt: skip
"""The values of a cell whose formula has failed, in a spreadsheet or a CSV file from Excel."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient as the list has it.

    `line` is the line of the file (a header is line 1) or the position in the iterable, from 1.
    """

    line: int
    number: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    complaint: str = ""
    """Why the row cannot be read; "" if it can."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with single cells, by column. It matters only if a text needs the cell."""


def _unknown_part() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Source:
    """Recipients that can be read once, the columns, and how the file is read."""

    rows: Iterator[Row]
    columns: tuple[str, ...]
    phone_column: str
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    headed: bool = True
    """Whether the list has a header. Without one, the columns are named "1", "2" and so on."""
    repeated: tuple[str, ...] = ()
    """Names that several columns share, so that a text cannot use them."""
    part: Callable[[], float] = _unknown_part
    """Returns the part of the file read so far, from 0 to 1; 0 if it is not known."""


class ListOptions(TypedDict, total=False):
    """How to read a list. An option that is absent or None is detected."""

    phone_column: str | None
    """The name of the column with the numbers; without a header its position, from `"1"`."""
    header: bool | None
    """Whether the first line has the names of the columns."""
    encoding: str | None
    """The encoding of a CSV file."""
    delimiter: str | None
    """The delimiter of a CSV file: one character."""
    sheet: str | None
    """The sheet of a spreadsheet; by default the first visible one."""
    hidden: HiddenRows | None
    """`"include"` or `"skip"` hidden rows of a spreadsheet, and hidden columns with numbers. By
    default they are an error."""


class _Line(NamedTuple):
    number: int
    cells: list[str]
    complaint: str = ""
    faults: Mapping[int, str] = {}


def file_source(path: Path, **options: Unpack[ListOptions]) -> Source:
    """Return the recipients of a CSV file or of one sheet of a spreadsheet.

    The file's name, or else its first bytes, decide between the two. The file is opened once, so it
    may be a pipe.

    Args:
        path: the file; `Path("-")` is standard input.
        options: see `ListOptions`.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is unreadable, or its encoding, delimiter or phone column is ambiguous
            or missing. The iteration over the rows raises it too, at the end, if all rows together
            point to another phone column than the first 200.
        MissingExtra: a spreadsheet needs the extra `tables`.
    """
    return _opened_source(path, None, options)


def csv_source(path: Path, **options: Unpack[ListOptions]) -> Source:
    """Return the recipients of a CSV file, whatever its name.

    Args:
        path: the file; `Path("-")` is standard input.
        options: see `ListOptions`.

    Raises:
        OSError, ValueError: as `file_source`.
    """
    return _opened_source(path, False, options)


def table_source(path: Path, **options: Unpack[ListOptions]) -> Source:
    """Return the recipients of one sheet of a spreadsheet, whatever the name of the file.

    Needs the extra `tables`.

    Args:
        path: the file; `Path("-")` is standard input.
        options: see `ListOptions`.

    Raises:
        OSError, ValueError, MissingExtra: as `file_source`.
    """
    return _opened_source(path, True, options)


def rows_source(
    rows: Iterable[str | Mapping[str, Any]], *, phone_column: str | None = None
) -> Source:
    """Return recipients from an iterable of numbers or mappings.

    Args:
        rows: numbers, or mappings from column to value. The first mapping defines the columns.
        phone_column: the key of the number in a mapping; by default a usual name, such as `phone`.

    Raises:
        ValueError: no key of the first mapping is the phone column.
    """
    given = iter(rows)
    first = list(islice(given, 1))
    columns = tuple(map(str, first[0])) if first and isinstance(first[0], Mapping) else ("phone",)
    column = columns[columns_of(columns, [], asked=phone_column, header=True).phone]
    return Source(
        (_row(line, one, column) for line, one in enumerate(chain(first, given), start=1)),
        columns,
        column,
    )


def _row(line: int, given: Any, column: str) -> Row:
    if isinstance(given, str):
        return Row(line, given, {column: given})
    if not isinstance(given, Mapping):
        return Row(line, "", {}, "neither a number nor a mapping")
    values = {str(name): _text(value) for name, value in given.items()}
    return Row(line, values.get(column, ""), values)


def _text(value: Any) -> str:
    """Return a value as text. A float that was a phone number becomes its digits again."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _opened_source(path: Path, table: bool | None, options: ListOptions) -> Source:
    name = "standard input" if str(path) == "-" else path.name
    with ExitStack() as held, _naming(name):
        opened = held.enter_context(_opened(path))
        if table is None:
            table = path.suffix.lower() in _TABLES or is_spreadsheet(opened.read(8))
            opened.seek(0)
        source = _table(opened, options) if table else _csv(opened, options)
        if not table:
            held.pop_all()  # the iterator over the rows closes the file
        return replace(source, rows=_named(source.rows, name))


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Add the name of the list to a `ValueError`."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _named(rows: Iterator[Row], name: str) -> Iterator[Row]:
    with _naming(name):
        yield from rows


def _opened(path: Path) -> BinaryIO:
    """Open a file. The data of a pipe goes into a temporary file, as the file is read twice."""
    if str(path) == "-":
        return _spooled(sys.stdin.buffer)
    opened = path.open("rb")
    if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        return opened
    with opened:
        return _spooled(opened)


def _spooled(pipe: BinaryIO) -> BinaryIO:
    spool = TemporaryFile()  # noqa: SIM115 - closed with the source
    try:
        shutil.copyfileobj(pipe, spool, 1 << 20)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool


def _csv(opened: BinaryIO, options: ListOptions) -> Source:
    encoding = options.get("encoding") or encoding_of(opened)
    errors_of(encoding)
    size = max(os.fstat(opened.fileno()).st_size, 1)
    delimiter, named = delimiter_of(opened, encoding, asked=options.get("delimiter"))
    rows = (
        _Line(line, cells, complaint)
        for line, cells, complaint in delimited_rows(opened, encoding, delimiter)
    )
    if named:
        next(rows)
    return _source(
        rows,
        options,
        encoding=encoding,
        delimiter=delimiter,
        part=lambda: 1.0 if opened.closed else opened.tell() / size,
    )


def _table(opened: BinaryIO, options: ListOptions) -> Source:
    hidden = options.get("hidden")
    if hidden not in (None, "include", "skip"):
        raise ValueError("hidden: must be include or skip")
    sheet = open_sheet(opened, name=options.get("sheet"), hidden=hidden)
    omitted = sheet.hidden_columns if hidden == "skip" else {}
    reached = 0

    def rows() -> Iterator[_Line]:
        nonlocal reached
        for line, cells, faults, is_hidden in sheet.rows:
            reached = line
            left = (
                ["" if place in omitted else cell for place, cell in enumerate(cells)]
                if omitted
                else cells
            )
            yield _Line(
                line,
                left,
                "the row is hidden in the sheet" if is_hidden and hidden == "skip" else "",
                faults,
            )

    unasked = {} if hidden else sheet.hidden_columns
    return _source(
        rows(), options, unasked, sheet=sheet.name, part=lambda: reached / max(sheet.height, 1)
    )


def _source(
    lines: Iterator[_Line],
    options: ListOptions,
    hidden_columns: Mapping[int, str] = {},
    **found: Any,
) -> Source:
    filled = (
        line for line in lines if line.complaint or "".join(line.cells).strip("\ufeff \t\r\n")
    )
    first = next(filled, None)
    if first is None:
        raise ValueError("the file is empty")
    if not first.cells:
        raise ValueError(
            f"line {first.number}: {first.complaint}, and this line may be the header; correct"
            " or remove the line"
        )
    sampled = list(islice(filled, _SAMPLED_ROWS))
    header = [cell.strip().lstrip("\ufeff") for cell in first.cells]
    encoding: str = found.get("encoding", "")
    one_byte = encoding if encoding and is_one_byte(encoding) else ""
    if fault := _fault_of(header, one_byte):
        raise ValueError(
            f"line {first.number}: {fault}; name another encoding with --encoding, or correct"
            " the line"
        )
    sample = [[cell.strip() for cell in line.cells] for line in sampled if not line.complaint]
    asked = options.get("phone_column")
    if asked is None:
        filled_columns = zip_longest(header, *sample, fillvalue="")
        check_columns(
            [
                hidden_columns[at]
                for at, cells in enumerate(filled_columns)
                if at in hidden_columns and any(map(is_number, cells))
            ]
        )
    columns = columns_of(header, sample, asked=asked, header=options.get("header"))
    check_columns([letters for place, letters in hidden_columns.items() if place == columns.phone])
    if not columns.headed:
        sampled.insert(0, first._replace(cells=header))
    rows = (_read(line, columns, one_byte) for line in chain(sampled, _judged(filled, columns)))
    if len(columns.names) == 1:
        found["delimiter"] = ""
    names = tuple(filter(None, columns.names))
    return Source(
        rows,
        names,
        columns.names[columns.phone],
        headed=columns.headed,
        repeated=columns.repeated,
        **found,
    )


def _judged(lines: Iterator[_Line], columns: Columns) -> Iterator[_Line]:
    """Yield the lines after the sample, and check at the end that the phone column still fits."""
    for line in lines:
        if columns.judged and not line.complaint:
            columns.judged.add([cell.strip() for cell in line.cells])
        yield line
    columns.check()


def _fault_of(cells: Sequence[str], one_byte: str) -> str:
    """Return what is wrong with the bytes of a row, or "". `one_byte` is an encoding or ""."""
    together = "".join(cells)
    if together.isascii():
        return ""
    if _SURROGATE.search(together):
        return _UNREADABLE
    if one_byte and any(is_rather_unicode(cell, one_byte) for cell in cells):
        return f"bytes in UTF-8, but the list is read as {one_byte}"
    return ""


def _read(line: _Line, columns: Columns, one_byte: str) -> Row:
    cells = line.cells
    if fault := _fault_of(cells, one_byte):
        return Row(line.number, "", {}, fault)
    together = "".join(cells)
    number = cells[columns.phone].strip() if columns.phone < len(cells) else ""
    if line.complaint:
        return Row(line.number, number, {}, line.complaint)
    values = {name: cell.strip() for name, cell in zip(columns.names, cells, strict=False) if name}
    if len(cells) > len(columns.names) and any(cells[len(columns.names) :]):
        return Row(
            line.number,
            number,
            values,
            "more cells than the header" if columns.headed else "more cells than other rows",
        )
    faults = _faults(line, columns.names) if line.faults or "#" in together else {}
    return Row(line.number, number, values, faults=faults)


def _faults(line: _Line, names: Sequence[str]) -> dict[str, str]:
    failed = {
        place: "a failed formula"
        for place, cell in enumerate(line.cells)
        if cell.strip() in _ERRORS
    }
    return {
        names[place]: fault
        for place, fault in {**failed, **line.faults}.items()
        if place < len(names) and names[place]
    }
