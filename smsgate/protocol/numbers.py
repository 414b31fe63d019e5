"""Phone numbers as people write them -> `+` and digits. Of numbering plans it knows one: that of Ukraine.

Rule of this file: it never guesses. What is only decoration (spaces, dashes, brackets, invisible characters) is dropped; a number
that may belong to somebody else is refused; and no complaint quotes the number.
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
# Unicode's category Pd and these four are its property Dash.
_DASHES_BESIDE_PD = frozenset("\u2053\u207b\u208b\u2212")
_DECORATION = frozenset({"Zs", "Pd", "Cf"})
"""Unicode categories of spaces, dashes and invisible format characters."""

_NO_NUMBER = "is not a phone number in the international format"
_LENGTH = "+ and 8 to 15 digits, country code first"
_HELP = "write + and the country code, or set a country"

# The first row that matches decides. Excel drops a leading zero, and a number without it belongs to somebody abroad.
_COMPLAINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\+?\Z"), f"it has no digits; {_LENGTH}"),
    (re.compile(r"00"), "it begins with 00; write + in place of 00"),
    (re.compile(r"0"), f"it begins with 0, as a local number does; {_HELP}"),
    (re.compile(r"\+0"), f"no country code begins with 0; {_LENGTH}"),
    (
        re.compile(r"80[0-9]{9}\Z"),
        f"80 and nine digits is the old way to dial another town; {_HELP}",
    ),
    # No number of 11 digits begins so: +83 and +89 are no country codes, and a number of +870 or +878 is longer.
    (
        re.compile(r"8[379][0-9]{9}\Z"),
        f"8 and ten digits is how one dials within Kazakhstan or Russia; {_HELP}",
    ),
    (re.compile(r"[0-9]{1,10}\Z"), f"without a + it needs at least 11 digits; {_HELP}"),
)

# Calling codes of the countries that dial 0 before a number at home, and in which no number begins with 0.
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
"""How people set the code of the operator apart: `38 (067)`, `380 (67)`, `38067 `."""


def is_international(number: str) -> bool:
    """Return whether this is `+` and 8 to 15 digits, and nothing else."""
    return bool(_INTERNATIONAL.fullmatch(number))


def bare_number(written: str, *, also: str = "") -> str:
    """Return the digits of a written number, with the `+` before them if there is one.

    Dropped are spaces, dashes, brackets, invisible format characters, line breaks at the ends, and the characters of `also`.

    Raises `ValueError` that goes on after "the number": which character (position counted from 0, code point) is not allowed.
    """
    if _BARE.fullmatch(written):
        return written
    bare = ""
    broken: int | None = None
    for position, character in enumerate(written):
        if character in _DIGITS_AND_PLUS and broken is not None:
            # Two short numbers, one below the other in a cell, could make one number of a third person.
            raise ValueError(f"has a line break {_at(written, broken)}; separate numbers by commas")
        if character in _DIGITS_AND_PLUS and (character != "+" or not bare):
            bare += character
        elif character in _LINE_BREAKS:
            broken = position if bare and broken is None else broken
        elif not _is_decoration(character) and character not in also:
            raise ValueError(
                f"is not a phone number: the character {_at(written, position)} cannot be part of one"
            )
    return bare


def international_number(written: str) -> str:
    """Return `+` and 8 to 15 digits, from a number with its country code.

    Raises `ValueError` that goes on after "the number": what is wrong with it. Without a `+` it must have 11 digits at least and
    must not begin with 0, nor be as it is dialled at home after an 8 (`80671234567`, `87011234567`), since it would be a number
    of another country then.
    """
    bare = bare_number(written)
    complaint = next((said for pattern, said in _COMPLAINTS if pattern.match(bare)), None)
    number = "+" + bare.removeprefix("+")
    if complaint is None and is_international(number):
        return number
    raise ValueError(f"{_NO_NUMBER}: {complaint or _LENGTH}")


def has_trunk_zero(number: str) -> bool:
    """Return whether a number in the international format has the 0 after its country code that is dialled only at home.

    Such a number reaches nobody, or somebody else. Nothing is said of countries in which a number may begin with 0.
    """
    return bool(_TRUNK_ZERO.match(number))


def is_ukrainian(number: str) -> bool:
    """Return whether this is a whole number of Ukraine in the international format: +380 and nine digits."""
    return number.startswith(_UKRAINE) and wrong_length(number) is None


def is_written_as_ukrainian(written: str) -> bool:
    """Return whether this is a whole number of Ukraine without a `+`, in which the code of the operator is set apart."""
    return bool(_WRITTEN_AS_UKRAINIAN.match(written)) and is_ukrainian(
        "+" + "".join(filter(str.isdigit, written))
    )


def wrong_length(number: str) -> str | None:
    """Return what is wrong with the length of a number in the international format; None if nothing is.

    It is known of Ukraine alone.
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
