"""The country of a phone number: by its numbering plan (extra `phone`), or by its calling code.

Rule of this file: it never guesses. A calling code that several countries share stays a calling
code unless the extra tells them apart.
"""

from __future__ import annotations

import re

from ..extras import MissingExtra

__all__ = ["calling_code", "country_name", "country_of"]

_TWO_DIGITS = re.compile("2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
"""The calling codes of two digits. Those of one digit are 1 and 7, and all others have three."""

_COUNTRIES = {
    "+30": ("GR", "Greece"),
    "+31": ("NL", "Netherlands"),
    "+32": ("BE", "Belgium"),
    "+33": ("FR", "France"),
    "+34": ("ES", "Spain"),
    "+351": ("PT", "Portugal"),
    "+353": ("IE", "Ireland"),
    "+357": ("CY", "Cyprus"),
    "+359": ("BG", "Bulgaria"),
    "+36": ("HU", "Hungary"),
    "+370": ("LT", "Lithuania"),
    "+371": ("LV", "Latvia"),
    "+372": ("EE", "Estonia"),
    "+373": ("MD", "Moldova"),
    "+374": ("AM", "Armenia"),
    "+375": ("BY", "Belarus"),
    "+380": ("UA", "Ukraine"),
    "+385": ("HR", "Croatia"),
    "+386": ("SI", "Slovenia"),
    "+40": ("RO", "Romania"),
    "+41": ("CH", "Switzerland"),
    "+420": ("CZ", "Czechia"),
    "+421": ("SK", "Slovakia"),
    "+43": ("AT", "Austria"),
    "+45": ("DK", "Denmark"),
    "+46": ("SE", "Sweden"),
    "+48": ("PL", "Poland"),
    "+49": ("DE", "Germany"),
    "+90": ("TR", "Turkey"),
    "+972": ("IL", "Israel"),
    "+994": ("AZ", "Azerbaijan"),
    "+995": ("GE", "Georgia"),
}
"""Calling codes of one country each."""

_SHARED_CODES = {
    "CA": "Canada",
    "FI": "Finland",
    "GB": "United Kingdom",
    "IT": "Italy",
    "KZ": "Kazakhstan",
    "NO": "Norway",
    "US": "United States",
}
"""Countries that share their calling code. Only the extra `phone` tells them apart."""

_NAMES = {**dict(_COUNTRIES.values()), **_SHARED_CODES}
# phonenumbers has all names, but loading them takes seconds, with the towns of all countries.


def calling_code(number: str) -> str:
    """Return the calling code of a number, such as `+380`.

    Args:
        number: `+` and digits.
    """
    if number[1:2] in {"1", "7"}:
        return number[:2]
    return number[:3] if _TWO_DIGITS.match(number, 1) else number[:4]


def country_of(number: str) -> str:
    """Return the two-letter code of a number's country, or its calling code if that is all known.

    Args:
        number: `+` and digits.
    """
    code = calling_code(number)
    if code in _COUNTRIES:
        return _COUNTRIES[code][0]
    try:
        from ..phone import region  # noqa: PLC0415 - an optional extra
    except MissingExtra:
        return code
    return region(number) or code


def country_name(country: str) -> str:
    """Return the name of a two-letter code, "" if it is not in the table or a calling code."""
    return _NAMES.get(country, "")
