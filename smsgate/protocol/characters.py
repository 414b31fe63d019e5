"""Which characters can be sent, and the error text for one that cannot.

XML 1.0 section 2.2 allows tab, line feed, carriage return and everything from U+0020 except
surrogates, U+FFFE and U+FFFF. Other control characters and the noncharacters (Unicode 23.7) mean
nothing in an SMS, and an XML parser turns a carriage return into a line feed (XML 1.0 section
2.11). None of them would arrive unchanged, so they are not allowed either.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["complaint", "normalise_lines", "unsendable"]

_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)


@cache
def _forbidden() -> re.Pattern[str]:
    # Compiled when it is first used, which is not when the package is imported.
    return re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_NONCHARACTERS}]")


def normalise_lines(text: str) -> str:
    """Return the text with CR LF replaced by LF. A lone CR stays; `complaint` reports it."""
    return text.replace("\r\n", "\n")


def complaint(text: str, *, cr_lf: bool = False) -> str | None:
    """Return which character of the text cannot be sent and where, None if there is none.

    Args:
        text: the text. The returned message does not quote it; positions are counted from 0.
        cr_lf: whether CR LF is allowed, because `normalise_lines` replaces it afterwards.
    """
    place = unsendable(text.replace("\r\n", "\n\n") if cr_lf else text)
    return place and f"the character at {place} cannot be sent in an SMS"


def unsendable(text: str) -> str | None:
    """Return position (from 0) and code point of the first character not allowed, or None."""
    if text.isascii() and text.isprintable():
        return None
    found = _forbidden().search(text)
    return found and f"position {found.start()} (U+{ord(found[0]):04X})"
