"""Which characters XML and an SMS can carry, and what to say of one that they cannot.

XML 1.0 section 2.2 allows tab, line feed, carriage return and everything from U+0020 save surrogates, U+FFFE and U+FFFF. Of
these an SMS has no use for the other control characters and the noncharacters (Unicode 23.7), and a parser turns a
carriage return into a line feed (XML 1.0 section 2.11), so none of them would arrive as it was given.
"""

from __future__ import annotations

import re

__all__ = ["complaint", "normalise_lines", "unsendable"]

_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_FORBIDDEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_NONCHARACTERS}]")


def normalise_lines(text: str) -> str:
    """Return the text with each CR LF as one LF. A lone CR is left alone: `complaint` refuses it."""
    return text.replace("\r\n", "\n")


def complaint(text: str, *, cr_lf: bool = False) -> str | None:
    """Say which character of the text cannot be sent and where (counted from 0), or None. Never quotes the text.

    `cr_lf` lets CR LF pass, for a text that `normalise_lines` is to mend afterwards; so positions are those of the text as given.
    """
    place = unsendable(text.replace("\r\n", "\n\n") if cr_lf else text)
    return place and f"the character at {place} cannot be sent in an SMS"


def unsendable(text: str) -> str | None:
    """Return position (counted from 0) and code point of the first character that no request can carry, None if there is none."""
    found = _FORBIDDEN.search(text)
    return found and f"position {found.start()} (U+{ord(found[0]):04X})"
