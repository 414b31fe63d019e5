"""Detects whether the first line of a list is a header, and which column has the numbers. No I/O.

Rule of this file: the cells decide first, then the name of the column. If two columns fit, an error
asks for the name of the right one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..privacy import mask_numbers
from ..protocol.numbers import is_ukrainian, is_written_as_ukrainian

__all__ = [
    "SHORTENED",
    "Columns",
    "columns_of",
    "given_number",
    "has_several_numbers",
    "holds_number",
    "is_number",
    "may_be_two_numbers",
]

PHONE_COLUMNS = (
    "phone", "number", "tel", "telephone", "mobile", "msisdn", "phone number", "destination",
    "recipient", "телефон", "номер", "номер телефону", "мобільний", "тел", "номер телефона",
    "мобильный", "получатель", "отримувач",
)  # fmt: skip
"""Names of the phone column in order of preference, in any case, used if several columns fit."""

SHORTENED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]{1,2}\Z")
"""A long number that Excel shortened in a narrow column and wrote into a CSV file."""
_FORMULA = re.compile(r'="(.*)"\Z', re.DOTALL)
"""A number that a CSV file marks as text for Excel."""
_DECIMALS = re.compile(r"\A(\+?[0-9]{7,15})[.,]0{1,2}\Z")
"""A number with the decimals that spreadsheets and pandas add."""
_APOSTROPHES = "'’`"
_SPACED = re.compile(
    r"[\s()\[\]\-\u00ad\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_BREAKS = re.compile(r"[,;|/\r\n]+|(?<=[0-9])\s*(?=\+)")
_FEWEST = 8
_PLAIN = re.compile(r"\+?[0-9]{8,15}\Z")
_NUMBER_ALONE = re.compile(
    r"(?:(?:тел|моб|т|tel|mob|phone|ph|viber|whatsapp)[.:]*\s*)?"
    r"(\+?[\s()./\-\u2010-\u2015]*[0-9][0-9\s()./\-\u2010-\u2015]*)\Z",
    re.IGNORECASE,
)
"""A number alone or after a word for phone. The number may contain points."""
_FEWEST_ALONE = 7
_COORDINATE = re.compile(r"-?[0-9]{1,3}\.[0-9]{4,}\Z")
_DATES = re.compile(
    r"(?<![0-9+])(?:(?:19|20)[0-9]{2}[-./][0-9]{2}[-./][0-9]{2}"
    r"|[0-9]{1,2}[-./][0-9]{1,2}[-./](?:19|20)[0-9]{2})"
    r"(?:[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?(?![-./]?[0-9])"
)
_DATE = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{4})\b")
_INTERNATIONAL, _LIKELY, _PERHAPS, _NO = 3, 2, 1, 0
_LISTED = 8
_DIGITS = 9
"""A first line that has a cell with this many digits is a recipient, not a header."""
_SHORT = 5
"""The number of digits of the shortest local number."""
_SPARSE = 10
"""A column with fewer than one tenth of another column's numbers is not considered."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a list in order, "" for an unusable one, and the index of the phone column."""

    names: tuple[str, ...]
    phone: int
    headed: bool
    repeated: tuple[str, ...] = ()
    """Names that several columns share, so that a text cannot use them."""
    judged: Cells | None = field(default=None, repr=False, compare=False)
    """Counts for a check of the choice after the last row; None if the user named the column."""

    def check(self) -> None:
        """Raise `ValueError` if all rows together point to another column than the first rows."""
        if self.judged is None:
            return
        try:
            found = self.judged.phone()
        except ValueError:
            if _known(self.names[self.phone]) is not None:
                return  # another column was filled later, but this one has a known name
            raise
        if found != self.phone:
            first, all_ = (mask_numbers(self.judged.names[place]) for place in (self.phone, found))
            raise ValueError(
                f"phone column: the first rows point to {first!r}, but all rows together to"
                f" {all_!r}; name the right one"
            )


class Cells:
    """Counts how many cells of each column look like phone numbers."""

    def __init__(self, names: Sequence[str], *, headed: bool) -> None:
        self.names: Sequence[str] = names
        self._headed = headed
        self._counts = [[0] * (_INTERNATIONAL + 1) for _ in names]

    def add(self, row: Sequence[str]) -> None:
        """Count the cells of a row."""
        for counts, cell in zip(self._counts, row, strict=False):
            if cell:
                counts[_likelihood_of_first(cell)] += 1

    def phone(self) -> int:
        """Return the index of the phone column. Raises `ValueError` if it cannot be determined."""
        return _phone(self.names, [_fit(counts) for counts in self._counts], headed=self._headed)


def given_number(cell: str) -> str:
    """Return a number without the marks that spreadsheets and address books add."""
    cell = cell.strip()
    if found := _FORMULA.match(cell):
        cell = found[1]
    cell = cell.strip(_APOSTROPHES + " ")
    if cell[:4].lower() == "tel:":
        cell = cell[4:].strip()
    return _DECIMALS.sub(r"\1", cell)


def is_number(cell: str) -> bool:
    """Return whether a cell looks like a phone number."""
    return _likelihood(cell) > _NO


def has_several_numbers(cell: str) -> bool:
    """Return whether a cell has more than one phone number."""
    return sum(map(is_number, _BREAKS.split(cell))) > 1


def may_be_two_numbers(cell: str) -> bool:
    """Return whether a cell without a + may be two short numbers separated by white space."""
    if "+" in cell or is_written_as_ukrainian(cell):
        return False
    return sum(sum(map(str.isdigit, group)) >= _SHORT for group in cell.split()) > 1


def holds_number(text: str) -> bool:
    """Return whether a part of a line may be a phone number, perhaps with a typing error."""
    text = text.strip(' "')
    if is_number(text) or (text.startswith("+") and sum(map(str.isdigit, text)) >= _FEWEST):
        return True
    found = None if _COORDINATE.match(text) else _NUMBER_ALONE.match(_DATES.sub("", text))
    return found is not None and sum(map(str.isdigit, found[1])) >= _FEWEST_ALONE


def columns_of(
    first: Sequence[str], sample: Sequence[Sequence[str]], *, asked: str | None, header: bool | None
) -> Columns:
    """Detect the columns from the first line and the lines that follow.

    `asked` is the name of the phone column, `header` whether the first line is a header; None means
    that they are detected. Raises `ValueError` if the phone column cannot be determined, or if no
    column has the name that is asked for.
    """
    headed = not _is_data(first) if header is None else header
    if headed:
        counts = Counter(filter(None, first))
        repeated = tuple(name for name, count in counts.items() if count > 1)
        names = list(first)
    else:
        repeated, sample = (), [first, *sample]
        names = [str(place) for place in range(1, max(map(len, sample)) + 1)]
    judged = None
    if asked is not None:
        phone = _asked(names, asked)
    else:
        judged = Cells(names, headed=headed)
        for row in sample:
            judged.add(row)
        phone = judged.phone()
    kept = tuple(
        "" if name in repeated and place != phone else name for place, name in enumerate(names)
    )
    return Columns(kept, phone, headed, repeated, judged)


def _is_data(first: Sequence[str]) -> bool:
    """Return whether the first line is a recipient, not a header.

    It is if a cell has as many digits as a number, or if the line has digits and no letter.
    """
    if any(is_number(cell) or sum(map(str.isdigit, cell)) >= _DIGITS for cell in first):
        return True
    together = "".join(first)
    return any(map(str.isdigit, together)) and not any(map(str.isalpha, together))


def _asked(names: Sequence[str], asked: str) -> int:
    places = [place for place, name in enumerate(names) if name == asked]
    if not places:
        raise ValueError(f"phone column: no column has this name; the columns are {_names(names)}")
    if len(places) > 1:
        raise ValueError(f"phone column: {len(places)} columns have this name; rename one of them")
    return places[0]


def _phone(names: Sequence[str], fits: Sequence[tuple[int, int]], *, headed: bool) -> int:
    if len(names) == 1 and not headed:
        return 0
    best = max((level for level, _ in fits), default=_NO)
    most = max((count for level, count in fits if level == best), default=0)
    fitting = [
        place
        for place, (level, count) in enumerate(fits)
        if level == best and names[place] and count * _SPARSE > most
    ]
    known = sorted(
        (place for place in range(len(names)) if _known(names[place]) is not None),
        key=lambda at: _known(names[at]) or 0,
    )
    candidates = fitting if best > _NO else known[:1]
    if best in (_PERHAPS, _LIKELY) and len(candidates) > 1:
        # Two columns of digits, one of which may hold order numbers: the name decides.
        candidates = [place for place in fitting if place in known] or candidates
    elif best == _PERHAPS and known and not set(known) & set(fitting):
        candidates = [*known, *fitting]
    if candidates:
        candidates = [*candidates, *_overlooked(candidates, known, fits)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        fit = _names([names[place] for place in candidates[:_LISTED]]) + (
            ", ..." if len(candidates) > _LISTED else ""
        )
        raise ValueError(
            "phone column: it cannot be determined, as several columns may have the numbers"
            f" ({fit}); name the right one"
        )
    raise ValueError(
        f"phone column: it cannot be determined; name it. The columns are {_names(names)}"
    )


def _overlooked(
    candidates: Sequence[int], known: Sequence[int], fits: Sequence[tuple[int, int]]
) -> list[int]:
    """Return columns that may be the right one although the candidates' cells look better.

    These are filled columns with a known name, unless a candidate has one too and they have no
    numbers; and, if the candidates are filled in few rows only, columns with numbers in most rows.
    """
    is_named = any(place in known for place in candidates)
    most = max(fits[place][1] for place in candidates)
    return [
        place
        for place, (level, filled) in enumerate(fits)
        if place not in candidates
        and (
            (
                place in known
                and filled
                and (level > _NO or not is_named)
                and filled * _SPARSE > most
            )
            or (level > _NO and filled > most * 2)
        )
    ]


def _names(names: Sequence[str]) -> str:
    """Return names of columns for an error, masked: a supposed name may be a phone number."""
    return ", ".join(dict.fromkeys(mask_numbers(name) for name in names if name))


def _known(name: str) -> int | None:
    folded = name.casefold()
    return PHONE_COLUMNS.index(folded) if folded in PHONE_COLUMNS else None


def _fit(counts: Sequence[int]) -> tuple[int, int]:
    """Return the level that most cells of a column reach, and the number of its cells.

    `counts` holds the number of cells on each level.
    """
    filled = sum(counts)
    above = 0
    for level in range(len(counts) - 1, _NO, -1):
        above += counts[level]
        if above > filled // 2:
            return level, filled
    return _NO, filled


def _likelihood_of_first(cell: str) -> int:
    """Return the level of a cell that may have several numbers."""
    level = _likelihood(cell)
    if (
        level < _LIKELY
        and not cell[:1].isalpha()
        and len(parts := _BREAKS.split(cell, maxsplit=1)) > 1
    ):
        return max(level, _likelihood(parts[0]))
    return level


def _likelihood(cell: str) -> int:
    if ((first := cell[:1]).isalpha() and first not in "tT") or (
        len(cell) < _FEWEST and "e" not in cell.lower()
    ):
        return _NO
    if not _PLAIN.match(cell):
        cell = given_number(cell)
    if SHORTENED.match(cell):
        return _LIKELY
    found = _PLAIN.match(cell) or (
        None if _DATE.match(cell) else _PLAIN.match(_SPACED.sub("", cell))
    )
    if not found:
        return _NO
    digits = found[0]
    if digits.startswith("+") or is_ukrainian(f"+{digits}"):
        return _INTERNATIONAL
    return (
        _LIKELY if len(digits) >= 11 or (len(digits) == 10 and digits.startswith("0")) else _PERHAPS
    )
