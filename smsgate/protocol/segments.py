"""How many SMS parts a text needs, and which characters make it dear. Pure arithmetic of GSM 03.38 and GSM 03.40.

A text whose characters all stand in the GSM alphabet is counted in septets: 160 in one part, 153 in each of several. One
other character, and the whole text is UCS-2: 70 UTF-16 units in one part, 67 in each of several. The 153 and 67 are the rule
of GSM; that the gateway charges by it is likely, not documented (docs: wire format, "Texts").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ..privacy import sealed
from .characters import complaint, normalise_lines

__all__ = ["Alphabet", "Segments", "segments"]

# GSM 03.38, section 6.2.1, without the escape and without carriage return, which no text of ours contains.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Section 6.2.1.1: reached through the escape character, so each takes two septets.
_EXTENSION = frozenset("^{}\\[~]|€")


class Alphabet(StrEnum):
    """In which alphabet a text travels."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_CAPACITY = {Alphabet.GSM_7: (160, 153), Alphabet.UCS_2: (70, 67)}


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text costs. `units` are septets or UTF-16 units; `forced_by` are the characters that made it UCS-2, each once.

    `texts` is the text of each part, in order; the texts of all parts together are the text. `free` is how many units are
    left in the last part.
    """

    alphabet: Alphabet
    units: int
    free: int
    forced_by: tuple[str, ...] = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)

    @property
    def parts(self) -> int:
        """How many SMS are charged."""
        return len(self.texts)


@sealed
def segments(text: str) -> Segments:
    """Count the SMS parts of a text, before it is sent.

    CR LF counts as one line feed, as it is sent. Raises `ValueError` for an empty text and for a character that cannot be sent.
    """
    found = complaint(text, cr_lf=True) if text else "is empty"
    if found:
        raise ValueError(f"text: {found}")
    text = normalise_lines(text)
    forced_by = tuple(
        dict.fromkeys(
            character
            for character in text
            if character not in _BASIC and character not in _EXTENSION
        )
    )
    alphabet = Alphabet.UCS_2 if forced_by else Alphabet.GSM_7
    weigh = _utf16_units if forced_by else _septets
    single, several = _CAPACITY[alphabet]
    weights = [weigh(character) for character in text]
    units = sum(weights)
    if units <= single:
        return Segments(alphabet, units, single - units, forced_by, (text,))
    texts: list[str] = []
    start = filled = 0
    for position, weight in enumerate(weights):
        # A character of two units is never cut in half, so a part may end one unit early.
        if filled + weight > several:
            texts.append(text[start:position])
            start, filled = position, 0
        filled += weight
    return Segments(alphabet, units, several - filled, forced_by, (*texts, text[start:]))


def _septets(character: str) -> int:
    return 2 if character in _EXTENSION else 1


def _utf16_units(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1
