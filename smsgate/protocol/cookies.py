"""From Set-Cookie headers to the Cookie header (RFC 6265). Pure: the time is an argument.

Rule of this file: a value is sent back exactly as it was received, including quotes; a deleted
cookie is not sent. Domain and path are ignored, because a session uses one URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

__all__ = ["cookie_header", "seconds_of"]

_PAIR_LIMIT = 4096
"""Maximum characters of a name and its value: what every client must support (RFC 6265, 6.1)."""
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_SECONDS = re.compile(r"-?[0-9]+")
_WHITE_SPACE = " \t"

_DELIMITERS = re.compile(r"[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def cookie_header(set_cookie: Iterable[str], *, now: float, held: str | None = None) -> str | None:
    """Return the Cookie header to send after these Set-Cookie headers, None without cookies.

    The last value of a name counts. A cookie is deleted by a `Max-Age` of 0 or less, by an
    `Expires` that is not after `now`, or by an empty value.

    Args:
        set_cookie: the Set-Cookie headers of a response.
        now: the current time, in seconds since 1970.
        held: the Cookie header of the request.
    """
    pairs = dict(pair.split("=", 1) for pair in held.split("; ")) if held else {}
    for name, value, deleted in _cookies(set_cookie, now):
        pairs.pop(name, None)
        if not deleted:
            pairs[name] = value
    return "; ".join(f"{name}={value}" for name, value in pairs.items()) or None


def _cookies(set_cookie: Iterable[str], now: float) -> Iterator[tuple[str, str, bool]]:
    for line in set_cookie:
        pair, *attributes = line.split(";")
        name, equals, value = (part.strip(_WHITE_SPACE) for part in pair.partition("="))
        if not equals or not _NAME.fullmatch(name) or len(name) + len(value) > _PAIR_LIMIT:
            continue
        if not value or _VALUE.fullmatch(value):
            yield name, value, not value or _is_past(attributes, now)


def _is_past(attributes: Iterable[str], now: float) -> bool:
    """Return whether the attributes of a cookie delete it.

    `Max-Age` wins over `Expires`; an attribute that cannot be parsed is ignored.
    """
    age: int | None = None
    expires: float | None = None
    for attribute in attributes:
        name, _, value = (part.strip(_WHITE_SPACE) for part in attribute.partition("="))
        value = value.strip('"')
        if name.lower() == "max-age" and _SECONDS.fullmatch(value):
            age = -1 if value.startswith("-") or not value.strip("0") else 1
        elif name.lower() == "expires" and (read := seconds_of(value)) is not None:
            expires = read
    return age <= 0 if age is not None else expires is not None and expires <= now


def seconds_of(text: str) -> float | None:
    """Return a date of a header as seconds since 1970, None if it cannot be parsed.

    All formats that servers use are accepted. A year of two digits is between 1970 and 2069 (RFC
    6265, section 5.1.1).
    """
    time: re.Match[str] | None = None
    day = month = year = None
    for token in _DELIMITERS.split(text):
        if time is None and (found := _TIME.match(token)):
            time = found
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if time is None or day is None or month is None or year is None:
        return None
    year += 0 if year > 99 else 1900 if year > 69 else 2000
    try:
        return datetime(
            year, month, day, int(time[1]), int(time[2]), int(time[3]), tzinfo=UTC
        ).timestamp()
    except ValueError:
        return None
