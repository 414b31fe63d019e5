"""Formats a cell of a spreadsheet as the sheet shows it: dates, percentages, leading zeros.

Rules of this file: no I/O. What depends on the language of the spreadsheet program is fixed: a
point separates decimals, a space separates thousands, and the short date is day, month, year. The
name of a month or a day cannot be known, so it is an error of that cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

__all__ = ["BUILT_IN", "GENERAL", "shown"]

GENERAL = "General"
_SHORT_DATE = "dd.mm.yyyy"

BUILT_IN: dict[int, str] = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 14: _SHORT_DATE,
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: f"{_SHORT_DATE} h:mm",
    37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss",
}  # fmt: skip
"""The built-in formats, which a file refers to by number."""

_SECTION = re.compile(r'(?:[^;"\\\[]|"[^"]*"|\\.|\[[^\]]*\])*', re.DOTALL)
_CONDITION = re.compile(r"\[(<>|<=|>=|<|>|=)(-?[0-9.]+)\]")
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    "=": eq,
    "<>": ne,
}
_LITERAL = (
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$(?P<currency>[^\]-]*)[^\]]*\]'
    r"|(?P<nothing>[_*].|\[(?!h+\]|m+\]|s+\])[^\]]*\])"
)
_NUMBER_TOKEN = re.compile(
    rf"{_LITERAL}|(?P<digit>[0#?])|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<other>.)",
    re.DOTALL | re.IGNORECASE,
)
_DATE_TOKEN = re.compile(
    rf"{_LITERAL}|(?P<span>\[(?:h+|m+|s+)\])|(?P<half>AM/PM|A/P)"
    r"|(?P<field>y+|m+|d+|h+|s+)|(?P<other>.)",
    re.DOTALL | re.IGNORECASE,
)
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_DEFAULT_FORMATS: tuple[tuple[type, str], ...] = (
    (datetime, f"{_SHORT_DATE} hh:mm"),
    (date, _SHORT_DATE),
    (object, "[h]:mm"),
)
"""The format of a date or a time in a cell without one, by its type: the first that fits."""
_NOT_SHOWN = re.compile(r"[Ee/@A-Za-z]")
"""Scientific notation, fractions and unquoted words: such a number is shown unformatted."""


def shown(value: Any, code: str = GENERAL) -> str:
    """Return what the sheet shows for a value in this format.

    Raises `ValueError` if the result depends on the language of the spreadsheet program.
    """
    if isinstance(value, str):
        return _words(value, code)
    if value is None:
        return ""
    if isinstance(value, bool):
        return _words(str(value).upper(), code)
    if isinstance(value, (int, float)):
        return _number(value, code)
    if isinstance(value, (date, time, timedelta)):
        return _moment(value, code)
    return _words(str(value), code)


@lru_cache(maxsize=256)
def _sections(code: str) -> tuple[tuple[str, ...], str]:
    """Return the sections of a format for numbers, empty ones of which hide them, and for texts."""
    found, at = list[str](), 0
    while at <= len(code):
        section = _SECTION.match(code, at)
        found.append(section[0] if section else "")
        at += len(found[-1]) + 1
    if len(found) > 3:
        return tuple(found[:3]), found[3]
    if "@" in re.sub(r'"[^"]*"|\\.', "", found[-1]):
        return tuple(found[:-1]), found[-1]
    return tuple(found), "@"


def _words(value: str, code: str) -> str:
    """Return what the sheet shows for a text: the text, unless its format has a text section."""
    if code == GENERAL or ("@" not in code and code.count(";") < 3):
        return value
    tokens = [
        (token.lastgroup or "", token[token.lastgroup or 0])
        for token in _NUMBER_TOKEN.finditer(_sections(code)[1])
    ]
    return "".join(
        value if (kind, text) == ("other", "@") else text
        for kind, text in tokens
        if kind != "nothing"
    )


def _general(value: float) -> str:
    if not isinstance(value, int) and not value.is_integer():
        short = f"{value:.11g}"  # 0.1 + 0.2 is 0.3 in a sheet
        return repr(value) if "e" in short else short
    return str(int(value))


def _number(value: float, code: str) -> str:
    sections, _ = _sections(code)
    if code == GENERAL or not sections:
        return _general(value)
    place = _place(value, sections)
    if sections[place].lower() == GENERAL.lower():
        return _general(value)
    tokens = [
        (token.lastgroup or "", token[token.lastgroup or 0])
        for token in _NUMBER_TOKEN.finditer(sections[place])
    ]
    plain = "".join(text for kind, text in tokens if kind == "other")
    digits = [at for at, (kind, _) in enumerate(tokens) if kind == "digit"]
    if not digits and not _NOT_SHOWN.search(plain):
        return "".join(text for kind, text in tokens if kind != "nothing").strip()
    if (
        not digits
        or _NOT_SHOWN.search(plain)
        or tokens[digits[-1] + 1 : digits[-1] + 2] == [("comma", ",")]
    ):
        return _general(value)
    filled = _filled(Decimal(repr(value)), tokens, digits)
    return f"-{filled}" if value < 0 and (place == 0 or _CONDITION.search(code)) else filled


def _place(value: float, sections: Sequence[str]) -> int:
    """Return the index of the section of a format for this number."""
    conditions = [_CONDITION.search(section) for section in sections[:2]]
    if any(conditions):
        for place, found in enumerate(conditions):
            if found and _COMPARED[found[1]](value, float(found[2])):
                return place
        return min(2 if all(conditions) else 1, len(sections) - 1)
    return 2 if value == 0 and len(sections) > 2 else 1 if value < 0 and len(sections) > 1 else 0


def _filled(value: Decimal, tokens: list[tuple[str, str]], digits: list[int]) -> str:
    """Fill the digit places of a format with a number's digits, from the point to both sides."""
    kinds = [kind for kind, _ in tokens]
    point = kinds.index("point") if "point" in kinds else len(tokens)
    whole = [(at, tokens[at][1]) for at in digits if at < point]
    fraction = [(at, tokens[at][1]) for at in digits if at > point]
    scaled = abs(value).scaleb(2 * kinds.count("percent"))
    rounded = scaled.quantize(Decimal(1).scaleb(-len(fraction)), ROUND_HALF_UP)
    before, _, after = f"{rounded:f}".partition(".")
    placed = {
        at: text
        for at, (kind, text) in enumerate(tokens)
        if kind not in ("digit", "comma", "nothing")
    }
    grouped = bool(whole) and "comma" in kinds[whole[0][0] : whole[-1][0]]
    placed |= _whole(before.lstrip("0"), whole, grouped=grouped)
    shown_fraction = _fraction(after, fraction)
    if fraction and not any(shown_fraction.values()):
        placed.pop(point)
    return "".join(text for _, text in sorted((placed | shown_fraction).items())).strip()


def _whole(number: str, places: list[tuple[int, str]], *, grouped: bool) -> dict[int, str]:
    """Return what stands in the places before the point. The first place takes all that is left."""
    placed = dict[int, str]()
    for at, digit in reversed(places):
        placed[at] = number[-1:] or digit.replace("#", "").replace("?", "")
        number = number[:-1]
    if places:
        placed[places[0][0]] = number + placed[places[0][0]]
    if not grouped:
        return placed
    together = "".join(text for _, text in sorted(placed.items()))
    return {places[0][0]: f"{int(together):,}".replace(",", " ") if together else ""}


def _fraction(number: str, places: list[tuple[int, str]]) -> dict[int, str]:
    """Return what stands in the places after the point: only a 0 in the format shows a last 0."""
    return {
        at: number[place] if digit == "0" or number[place:].strip("0") else ""
        for place, (at, digit) in enumerate(places)
    }


def _moment(value: date | time | timedelta, code: str) -> str:
    if code == GENERAL:
        code = next(format_ for kind, format_ in _DEFAULT_FORMATS if isinstance(value, kind))
    moment, seconds = _parts_of(value)
    tokens = [
        (token.lastgroup or "", token[token.lastgroup or 0])
        for token in _DATE_TOKEN.finditer((_SECTION.findall(code) or [""])[0])
    ]
    halves = any(kind == "half" for kind, _ in tokens)
    fields = [text.strip("[]")[:1].lower() for kind, text in tokens if kind in ("field", "span")]
    written, place = list[str](), -1
    for kind, text in tokens:
        if kind in ("field", "span"):
            place += 1
        if kind == "span":
            written.append(_padded(seconds // _SECONDS[fields[place]], len(text) - 2))
        elif kind == "half":
            written.append(("AM" if moment.hour < 12 else "PM")[: len(text) // 2])
        elif kind == "field":
            minutes = "h" in fields[place - 1 : place][:1] or "s" in fields[place + 1 : place + 2]
            written.append(_field(moment, text.lower(), minutes=minutes, halves=halves))
        elif kind != "nothing":
            written.append(text)
    return "".join(written).strip()


def _field(moment: datetime, field: str, *, minutes: bool, halves: bool) -> str:
    if field[0] in "md" and len(field) > 2:
        raise ValueError(
            "a date with the name of a month or a day, which depends on the language of the"
            " spreadsheet program: write the date as text"
        )
    if field[0] == "y":
        return f"{moment.year:04}" if len(field) > 2 else f"{moment.year % 100:02}"
    hour = (moment.hour % 12 or 12) if halves else moment.hour
    values = {
        "m": moment.minute if minutes else moment.month,
        "d": moment.day,
        "h": hour,
        "s": moment.second,
    }
    return _padded(values[field[0]], len(field))


def _padded(number: int, width: int) -> str:
    return f"{number:0{width}}"


def _parts_of(value: date | time | timedelta) -> tuple[datetime, int]:
    """Return the moment that fields such as `h` show, and the seconds that spans such as `[h]` do.

    A time or a duration counts from the first day of the calendar. A date has no seconds.
    """
    if isinstance(value, datetime):
        return value, value.hour * 3600 + value.minute * 60 + value.second
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day), 0  # noqa: DTZ001 - a cell has no zone
    seconds = (
        round(value.total_seconds())
        if isinstance(value, timedelta)
        else value.hour * 3600 + value.minute * 60 + value.second
    )
    return datetime(1900, 1, 1) + timedelta(seconds=seconds), seconds  # noqa: DTZ001 - as above
