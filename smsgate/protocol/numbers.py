"""Convert written phone numbers to `+` and digits. It knows only the numbering plan of Ukraine.

Rule of this file: it never guesses. Spaces, dashes, brackets and invisible characters are dropped.
A number that may belong to somebody else is invalid. No error quotes the number.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = [
    "bare_number",
    "has_trunk_zero",
    "international_number",
    "is_international",
    "is_ukrainian",
    "is_written_as_ukrainian",
    "wrong_length",
]

_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{7,14}")
_BARE = re.compile(r"\+?[0-9]+")
_DIGITS_AND_PLUS = frozenset("+0123456789")
_BRACKETS_AND_TAB = frozenset("()\t")
_LINE_BREAKS = frozenset("\n\r\v\f\x85\u2028\u2029")
# Unicode's property Dash is the category Pd and these four characters.
_DASHES_BESIDE_PD = frozenset("\u2053\u207b\u208b\u2212")
_DECORATION = frozenset({"Zs", "Pd", "Cf"})
"""Unicode categories of spaces, dashes and invisible format characters."""

_NO_NUMBER = "is not a phone number in the international format"
_LENGTH = "+ and 8 to 15 digits, calling code first"
_HELP = "write + and the calling code, or set a country"

# The first matching row applies. Excel drops a leading zero; the rest may be a foreign number.
_COMPLAINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\+?\Z"), f"it has no digits; {_LENGTH}"),
    (re.compile(r"00"), "it begins with 00; write + in place of 00"),
    (re.compile(r"0"), f"it begins with 0, as a local number does; {_HELP}"),
    (re.compile(r"\+0"), f"no calling code begins with 0; {_LENGTH}"),
    (
        re.compile(r"80[0-9]{9}\Z"),
        f"80 and nine digits is the old long-distance format; {_HELP}",
    ),
    # Never valid: +83 and +89 are not calling codes, and numbers of +870 and +878 are longer.
    (
        re.compile(r"8[379][0-9]{9}\Z"),
        f"8 and ten digits is the domestic format of Kazakhstan and Russia; {_HELP}",
    ),
    (re.compile(r"[0-9]{1,10}\Z"), f"without a + it needs at least 11 digits; {_HELP}"),
)

# Calling codes with the trunk prefix 0, in which no international number has a 0 after the code.
_WITH_TRUNK_ZERO = (
    "20 27 31 32 33 40 41 43 44 46 49 51 53 54 55 57 58 60 61 63 64 66 84 86 90 91 92 93 94 95 98 "
    "211 212 213 218 231 232 233 234 243 249 251 252 254 255 256 260 261 262 263 264 265 291 "
    "353 355 358 359 370 373 374 377 380 381 382 383 385 386 387 389 421 423 "
    "508 590 591 593 594 595 596 686 850 855 856 880 886 "
    "961 962 963 964 966 967 970 971 972 976 977 994 995 996"
)  # fmt: skip
_TRUNK_ZERO = re.compile(rf"\+(?:{'|'.join(_WITH_TRUNK_ZERO.split())})0[1-9]")

_UKRAINE, _UKRAINIAN_DIGITS = "+380", 9
_WRITTEN_AS_UKRAINIAN = re.compile(r"38\s*\(0[0-9]{2}\)|380\s*\([0-9]{2}\)|380[0-9]{2}\s")
"""How people separate the operator's code: `38 (067)`, `380 (67)`, `38067 `."""


def is_international(number: str) -> bool:
    """Return whether the text is exactly `+` and 8 to 15 digits."""
    return bool(_INTERNATIONAL.fullmatch(number))


def bare_number(written: str, *, also: str = "") -> str:
    """Return the digits of a written number, with the `+` if there is one.

    Spaces, dashes, brackets, invisible characters, and line breaks at the ends are dropped.

    Args:
        written: the number as written.
        also: more characters to drop.

    Raises:
        ValueError: a character is not allowed. The message is the predicate of a sentence that
            begins with "the number"; it has the position (counted from 0) and the code point.
    """
    if _BARE.fullmatch(written):
        return written
    bare = ""
    broken: int | None = None
    for position, character in enumerate(written):
        if character in _DIGITS_AND_PLUS and broken is not None:
            # Two short numbers in the lines of one cell could form somebody else's number.
            raise ValueError(f"has a line break {_at(written, broken)}; separate numbers by commas")
        if character in _DIGITS_AND_PLUS and (character != "+" or not bare):
            bare += character
        elif character in _LINE_BREAKS:
            broken = position if bare and broken is None else broken
        elif not _is_decoration(character) and character not in also:
            place = _at(written, position)
            raise ValueError(f"is not a phone number: the character {place} is not allowed")
    return bare


def international_number(written: str) -> str:
    """Return `+` and 8 to 15 digits, from a written number with a calling code.

    A number without `+` needs at least 11 digits and must not begin with 0. Domestic formats that
    begin with 8 (`80671234567`, `87011234567`) are invalid: they could be numbers of another
    country.

    Raises:
        ValueError: the number is invalid. The message is the predicate of a sentence that begins
            with "the number".
    """
    if _INTERNATIONAL.fullmatch(written):
        return written  # no complaint applies to it
    bare = bare_number(written)
    complaint = next((said for pattern, said in _COMPLAINTS if pattern.match(bare)), None)
    number = "+" + bare.removeprefix("+")
    if complaint is None and is_international(number):
        return number
    raise ValueError(f"{_NO_NUMBER}: {complaint or _LENGTH}")


def has_trunk_zero(number: str) -> bool:
    """Return whether a number in the international format has a trunk 0 after its calling code.

    The 0 is dialled only within the country, so the number is wrong. Returns False for countries
    in which a number may begin with 0.
    """
    return bool(_TRUNK_ZERO.match(number))


def is_ukrainian(number: str) -> bool:
    """Return whether this is a complete Ukrainian number: +380 and nine digits."""
    return number.startswith(_UKRAINE) and wrong_length(number) is None


def is_written_as_ukrainian(written: str) -> bool:
    """Return whether this is a complete Ukrainian number without `+`, but with separators."""
    return bool(_WRITTEN_AS_UKRAINIAN.match(written)) and is_ukrainian(
        "+" + "".join(filter(str.isdigit, written))
    )


def wrong_length(number: str) -> str | None:
    """Return the error if a Ukrainian number has a wrong length; None otherwise.

    The number is in the international format. Lengths in other countries are not checked.
    """
    digits = len(number.removeprefix(_UKRAINE))
    if not number.startswith(_UKRAINE) or digits == _UKRAINIAN_DIGITS:
        return None
    return (
        f"not a number of Ukraine: it has {digits} digits after {_UKRAINE}, not {_UKRAINIAN_DIGITS}"
    )


def _is_decoration(character: str) -> bool:
    return (
        character in _BRACKETS_AND_TAB
        or character in _DASHES_BESIDE_PD
        or unicodedata.category(character) in _DECORATION
    )


def _at(written: str, position: int) -> str:
    return f"at position {position} (U+{ord(written[position]):04X})"
