"""Count the SMS parts of a text, and find the characters that force UCS-2 (GSM 03.38, GSM 03.40).

A text in the GSM alphabet is counted in septets: 160 in a single part, 153 in each of several
parts. With any other character, the whole text is UCS-2: 70 UTF-16 units in a single part, 67 in
each of several. These numbers are those of GSM; the gateway probably charges by them, but does not
document it (docs: wire format, "Texts").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from ..privacy import sealed
from .characters import complaint, normalise_lines

__all__ = ["Alphabet", "Segments", "part_count", "segments"]

# GSM 03.38, section 6.2.1, without the escape character, and without CR, which no text contains.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Section 6.2.1.1: each needs the escape character, so it takes two septets.
_EXTENSION = frozenset("^{}\\[~]|€")
_GSM = _BASIC | _EXTENSION
_NOT_GSM = re.compile(f"[^{re.escape(''.join(sorted(_GSM)))}]")
_TWO_SEPTETS = re.compile(f"[{re.escape(''.join(sorted(_EXTENSION)))}]")
_TWO_UNITS = re.compile("[\U00010000-\U0010ffff]")


class Alphabet(StrEnum):
    """The encoding of a text."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_CAPACITY = {Alphabet.GSM_7: (160, 153), Alphabet.UCS_2: (70, 67)}


@dataclass(frozen=True, slots=True)
class Segments:
    """The SMS parts of a text.

    Attributes:
        alphabet: the encoding of the text.
        units: length of the text, in septets or UTF-16 units.
        free: units left in the last part.
        forced_by: the characters that force UCS-2, each once.
        texts: the text of each part, in order.
    """

    alphabet: Alphabet
    units: int
    free: int
    forced_by: tuple[str, ...] = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)

    @property
    def parts(self) -> int:
        """The number of SMS that are charged."""
        return len(self.texts)


@sealed
def segments(text: str) -> Segments:
    """Count the SMS parts of a text.

        counted = segments("Ваше замовлення готове")
        print(counted.parts, counted.alphabet)

    CR LF counts as one line feed, because it is sent as one.

    Args:
        text: the text to count.

    Returns:
        The number of parts, the text of each part, and the characters that force UCS-2.

    Raises:
        ValueError: the text is empty, or has a character that cannot be sent.
    """
    found = complaint(text, cr_lf=True) if text else "is empty"
    if found:
        raise ValueError(f"text: {found}")
    text = normalise_lines(text)
    forced_by = tuple(dict.fromkeys(_NOT_GSM.findall(text)))
    alphabet = Alphabet.UCS_2 if forced_by else Alphabet.GSM_7
    single, several = _CAPACITY[alphabet]
    units = _units(text, alphabet)
    if units <= single:
        return Segments(alphabet, units, single - units, forced_by, (text,))
    if units == len(text):
        pieces = tuple(text[start : start + several] for start in range(0, units, several))
        return Segments(alphabet, units, several - len(pieces[-1]), forced_by, pieces)
    # NUL, which no text contains, stands for the second unit of a character.
    spaced = (_TWO_UNITS if forced_by else _TWO_SEPTETS).sub("\\g<0>\0", text)
    filled: list[str] = []
    start = 0
    while start < len(spaced):
        # A character of two units is not split, so a part may end one unit early.
        end = start + several - (spaced[start + several : start + several + 1] == "\0")
        filled.append(spaced[start:end])
        start = end
    texts = tuple(one.replace("\0", "") for one in filled)
    return Segments(alphabet, units, several - len(filled[-1]), forced_by, texts)


def part_count(text: str) -> int:
    """Return the number of parts of a text that can be sent. Faster than `segments`."""
    alphabet = Alphabet.UCS_2 if _NOT_GSM.search(text) else Alphabet.GSM_7
    single, several = _CAPACITY[alphabet]
    units = _units(text, alphabet)
    if units <= single:
        return 1
    return -(-units // several) if units == len(text) else segments(text).parts


def _units(text: str, alphabet: Alphabet) -> int:
    """Return the length of a text in septets or UTF-16 units."""
    if alphabet is Alphabet.UCS_2:
        return len(text) + len(_TWO_UNITS.findall(text))
    return len(text) + len(_TWO_SEPTETS.findall(text))
