"""Reads the rows of one sheet as a user sees them. The one importer of calamine.

Rule of this file: calamine reads the values. Hidden rows and columns and number formats, which
calamine does not report, are read from the XLSX file with expat; a DOCTYPE is refused. Other kinds
of files do not show hidden rows, and an error says so.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from ..extras import missing
from .cellformats import BUILT_IN, GENERAL, shown

__all__ = ["Cells", "HiddenRows", "Sheet", "check_columns", "is_spreadsheet", "open_sheet"]

HiddenRows = Literal["include", "skip"]
"""What to do with rows and columns that are hidden, by a filter or by hand."""

_SIGNATURES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""The first bytes of a zip archive, and of the container of older programs."""
_PIECE = 1 << 16
_NAMED = 5
_HIDDEN_CHOICE = "use --hidden skip to leave them out, or --hidden include to send to them too"

Cells = tuple[int, list[str], dict[int, str], bool]
"""A row: its number, its cells, errors of single cells by index, and whether it is hidden."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its name for people, its rows (to be read once), its height and hidden columns."""

    name: str
    rows: Iterator[Cells]
    height: int
    hidden_columns: Mapping[int, str] = field(default_factory=dict)
    """The letters of each hidden column, by index."""


def is_spreadsheet(beginning: bytes) -> bool:
    """Return whether a file with this beginning is a spreadsheet, whatever its name."""
    return beginning.startswith(_SIGNATURES)


def open_sheet(opened: BinaryIO, *, name: str | None, hidden: HiddenRows | None) -> Sheet:
    """Return the sheet of this name, or the first visible one. Needs the extra `tables`.

    Raises `ValueError` if the file cannot be read, if it has no such sheet, or if rows are hidden
    and `hidden` is None.
    """
    try:
        from python_calamine import (  # noqa: PLC0415 - an extra
            CalamineError,
            PasswordError,
            SheetTypeEnum,
            SheetVisibleEnum,
            load_workbook,
        )
    except ModuleNotFoundError as error:
        raise missing(error, "a spreadsheet") from None
    try:
        book = load_workbook(opened)
        visible = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ is SheetTypeEnum.WorkSheet and sheet.visible is SheetVisibleEnum.Visible
        ]
        chosen = _chosen(name, book.sheet_names, visible)
        sheet = book.get_sheet_by_name(chosen)
        layout = _layout_of(opened, chosen)
    except PasswordError:
        raise ValueError("the file is protected by a password; save it without one") from None
    except (CalamineError, BadZipFile, expat.ExpatError, LookupError) as error:
        raise ValueError(
            f"the file is not a readable spreadsheet ({type(error).__name__})"
        ) from None
    _check_hidden(layout, chosen, hidden)
    layout = layout or _Layout()
    first = (sheet.start or (0, 0))[1]
    hidden_columns = {
        place: _letters(first + place)
        for place in range(sheet.width)
        if layout.hides_column(first + place)
    }
    return Sheet(
        chosen if name else f"{chosen}{_of_several(book.sheet_names, visible)}",
        _rows(sheet.iter_rows(), first, layout),
        sheet.total_height,
        hidden_columns,
    )


def _chosen(name: str | None, sheets: Sequence[str], visible: Sequence[str]) -> str:
    if name is not None and name not in sheets:
        raise ValueError(f"sheet: no sheet has this name; the sheets are {', '.join(sheets)}")
    if name is None and not visible:
        raise ValueError(
            f"sheet: all sheets are hidden; name one with --sheet: {', '.join(sheets)}"
        )
    return visible[0] if name is None else name


def _of_several(sheets: Sequence[str], visible: Sequence[str]) -> str:
    kind = "visible " if len(visible) < len(sheets) else ""
    return f", the first {kind}of {len(sheets)}" if len(sheets) > 1 else ""


def check_columns(hidden: Collection[str]) -> None:
    """Raise `ValueError` if there are hidden columns with numbers."""
    if hidden:
        are = "columns with numbers are" if len(hidden) > 1 else "a column with numbers is"
        raise ValueError(f"{are} hidden in the sheet ({', '.join(hidden)}); {_HIDDEN_CHOICE}")


def _check_hidden(layout: _Layout | None, sheet: str, hidden: HiddenRows | None) -> None:
    if layout is None and hidden != "include":
        raise ValueError(
            "hidden rows and columns cannot be detected in a file of this kind: save it as XLSX,"
            " or use --hidden include if none is hidden"
        )
    if layout is None or hidden is not None:
        return
    if rows := layout.hidden_rows:
        named = ", ".join(map(str, rows[:_NAMED])) + (", ..." if len(rows) > _NAMED else "")
        many = (
            f"{len(rows):,} rows of the sheet {sheet!r} are hidden"
            if len(rows) > 1
            else f"a row of the sheet {sheet!r} is hidden"
        )
        raise ValueError(f"{many} (by a filter or by hand: {named}); {_HIDDEN_CHOICE}")


def _rows(given: Iterator[list[Any]], first: int, layout: _Layout) -> Iterator[Cells]:
    for line, values in enumerate(given, start=1):
        hidden, formats = layout.of(line)
        cells, faults = [], {}
        for place, value in enumerate(values):
            try:
                cells.append(shown(value, formats.get(first + place, GENERAL)))
            except ValueError as error:
                cells.append("")
                faults[place] = str(error)
        yield line, cells, faults, hidden


# The layout of an XLSX file


_Kind = tuple[bool, Mapping[int, str]]


@dataclass(slots=True)
class _Layout:
    """Whether each row is hidden, and the formats of its cells by column.

    Most rows are alike, so each row has the index of a kind.
    """

    kinds: list[_Kind] = field(default_factory=lambda: [(False, {})])
    rows: array[int] = field(default_factory=lambda: array("I"))
    hidden_rows: list[int] = field(default_factory=list)
    """Hidden rows that are not empty."""
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    """The first and the last column of each hidden range, from 0."""

    def hides_column(self, column: int) -> bool:
        return any(first <= column <= last for first, last in self.hidden_columns)

    def of(self, line: int) -> _Kind:
        return self.kinds[self.rows[line] if line < len(self.rows) else 0]


def _layout_of(opened: BinaryIO, sheet: str) -> _Layout | None:
    """Return the layout of a sheet of an XLSX file, None for another kind of file.

    Raises the errors of zipfile and expat, and `ValueError`.
    """
    opened.seek(0)
    if not opened.read(4).startswith(_SIGNATURES[0]):
        return None
    with ZipFile(opened) as archive:
        targets = _targets(archive, "")
        book = next((target for kind, target in targets.values() if kind == "officeDocument"), "")
        if not book.endswith(".xml") or "mimetype" in archive.namelist():
            return None
        parts = _targets(archive, book)
        key = _sheet_keys(archive, book)[sheet]
        styles = next((target for kind, target in parts.values() if kind == "styles"), "")
        reader = _SheetReader(_formats(archive, styles) if styles else [])
        _parse(archive, parts[key][1], reader.start, reader.end)
        return reader.layout


def _targets(archive: ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Return the references of a part of the archive: kind and name of the target, by id."""
    path = PurePosixPath(part)
    found: dict[str, tuple[str, str]] = {}

    def start(name: str, given: dict[str, str]) -> None:
        if name == "Relationship" and given.get("TargetMode") != "External":
            target = given["Target"]
            absolute = target.lstrip("/") if target.startswith("/") else str(path.parent / target)
            found[given["Id"]] = (given["Type"].rpartition("/")[2], absolute)

    relations = str(path.parent / "_rels" / f"{path.name}.rels")
    if relations in archive.namelist():
        _parse(archive, relations, start)
    return found


def _sheet_keys(archive: ZipFile, book: str) -> dict[str, str]:
    found: dict[str, str] = {}

    def start(name: str, given: dict[str, str]) -> None:
        if name == "sheet":
            found[given["name"]] = next(
                value for key, value in given.items() if key.endswith(":id")
            )

    _parse(archive, book, start)
    return found


def _formats(archive: ZipFile, part: str) -> list[str]:
    """Return the number format of each cell style."""
    codes, styles, inside = dict(BUILT_IN), list[str](), False

    def start(name: str, given: dict[str, str]) -> None:
        nonlocal inside
        if name == "numFmt":
            codes[int(given["numFmtId"])] = given["formatCode"]
        elif name in ("cellXfs", "cellStyleXfs", "dxfs"):
            inside = name == "cellXfs"
        elif name == "xf" and inside:
            styles.append(codes.get(int(given.get("numFmtId", "0")), GENERAL))

    _parse(archive, part, start)
    return styles


class _SheetReader:
    """Reads the layout from a sheet's XML."""

    def __init__(self, formats: list[str]) -> None:
        self.layout = _Layout()
        self._formats = formats
        self._known: dict[tuple[bool, tuple[tuple[int, str], ...]], int] = {(False, ()): 0}
        self._row = self._column = 0
        self._hidden = self._filled = False
        self._cells: list[tuple[int, str]] = []

    def start(self, name: str, given: dict[str, str]) -> None:
        if name == "c":
            place = given.get("r")
            self._column = _column(place) if place else self._column + 1
            style = int(given.get("s", "0"))
            if style < len(self._formats) and self._formats[style] != GENERAL:
                self._cells.append((self._column, self._formats[style]))
        elif name in ("v", "is"):
            self._filled = True
        elif name == "row":
            self._row = int(given.get("r", self._row + 1))
            self._column, self._hidden, self._filled = -1, _is_hidden(given, "ht"), False
            self._cells = []
        elif name == "col" and "min" in given and _is_hidden(given, "width"):
            self.layout.hidden_columns.append(
                (int(given["min"]) - 1, int(given.get("max", given["min"])) - 1)
            )

    def end(self, name: str) -> None:
        if name != "row" or not 0 < self._row <= 1 << 20:
            return
        kind = (self._hidden, tuple(self._cells))
        if kind not in self._known:
            self._known[kind] = len(self.layout.kinds)
            self.layout.kinds.append((self._hidden, dict(self._cells)))
        rows = self.layout.rows
        rows.extend([0] * (self._row + 1 - len(rows)))
        rows[self._row] = self._known[kind]
        if self._hidden and self._filled:
            self.layout.hidden_rows.append(self._row)


def _is_hidden(given: Mapping[str, str], size: str) -> bool:
    """Return whether a row or a column is hidden, or has size 0, which looks the same."""
    return given.get("hidden") in ("1", "true") or float(given.get(size, "1")) <= 0


def _letters(column: int) -> str:
    """Return the letters of a column, such as `AB`, from its index, which starts at 0."""
    name, left = "", column + 1
    while left:
        left, letter = divmod(left - 1, 26)
        name = chr(65 + letter) + name
    return name


def _column(place: str) -> int:
    """Return the column index of a cell such as `AB12`, from 0."""
    column = 0
    for letter in place.rstrip("0123456789"):
        column = column * 26 + ord(letter) - 64
    return column - 1


def _parse(
    archive: ZipFile,
    part: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
) -> None:
    """Parse a part of the archive, and call `start` and `end` with local names of elements."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = lambda name, given: start(name.rpartition(":")[2], given)
    if end is not None:
        parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    with archive.open(part) as opened:
        while piece := opened.read(_PIECE):
            parser.Parse(piece, False)
    parser.Parse(b"", True)


def _refuse_doctype(*_given: object) -> None:
    raise ValueError("the file is not a readable spreadsheet (it has a DOCTYPE)")
