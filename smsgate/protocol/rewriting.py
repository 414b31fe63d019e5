"""Texts that need fewer SMS parts: plain quotes, dashes and spaces, and Latin letters.

Rule of this file: nothing is rewritten unless a caller asks for it. Typographic characters are
replaced only in a text that becomes GSM-7 or needs fewer parts then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..privacy import sealed
from .segments import Alphabet, Segments, part_count, segments
from .transliteration import APOSTROPHES, LETTERS, Language, language_of, latin_of, transliterate

__all__ = ["Rewriting", "Savings", "Typographic", "replace_typography", "savings", "savings_of"]

Typographic: TypeAlias = Literal["replace"]
"""What to do with typographic characters; None keeps them."""

_REPLACED: dict[str, str] = {
    **dict.fromkeys("«»“”„‟″", '"'),
    **dict.fromkeys("‘’‚‛‹›′ʼ`´", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00a0\u202f\u205f\u3000", " "),
    **{chr(space): " " for space in range(0x2000, 0x200B)},
    # Not U+200D, which joins emoji.
    **dict.fromkeys("\u00ad\u200b\u200c\u200e\u200f\u2060\ufeff", ""),
    "…": "...",
}
_TYPOGRAPHIC = re.compile(f"[{''.join(_REPLACED)}]")
_TYPOGRAPHIC_ONES = frozenset(_REPLACED)
_REMOVED = frozenset(one for one, plain in _REPLACED.items() if not plain)


def _plain(text: str) -> str:
    """Return the text with every typographic character replaced."""
    return _TYPOGRAPHIC.sub(lambda found: _REPLACED[found[0]], text)


@dataclass(frozen=True, slots=True)
class Savings:
    """How many parts a text would save, or the texts of a campaign together.

    Attributes:
        typographic: with typographic characters replaced.
        transliterated: in Latin letters.
        both: with both.
        language: the table of the transliteration.
    """

    typographic: int = 0
    transliterated: int = 0
    both: int = 0
    language: Language = "uk"

    def __add__(self, other: Savings) -> Savings:
        """Return what both save together, with the language of the last one that saves parts."""
        return Savings(
            self.typographic + other.typographic,
            self.transliterated + other.transliterated,
            self.both + other.both,
            other.language if other else self.language,
        )

    def __bool__(self) -> bool:
        """Return whether anything saves a part."""
        return bool(self.typographic or self.transliterated or self.both)


@sealed
def replace_typography(text: str) -> str:
    """Replace typographic quotes, dashes, spaces and the ellipsis by those of a typewriter.

        replace_typography("“Summer” — 50 %")  # '"Summer" - 50 %'

    Zero-width characters are removed. A text that would neither become GSM-7 nor need fewer parts
    stays as it is.

    Args:
        text: the text.

    Returns:
        The text with the replacements, or the same text.
    """
    replaced = _plain(text)
    if not replaced or replaced == text:
        return text
    was, now = segments(text), segments(replaced)
    becomes_gsm = now.alphabet is not was.alphabet and now.alphabet is Alphabet.GSM_7
    return replaced if becomes_gsm or now.parts < was.parts else text


@sealed
def savings(text: str, language: Language | None = None) -> Savings:
    """Count the parts that a text would save if it was rewritten.

        saved = savings("Ваше замовлення готове")
        print(saved.transliterated)

    A text is not counted as transliterated if other letters or symbols keep it in UCS-2.

    Args:
        text: the text.
        language: the table of the transliteration, `"uk"` or `"ru"`. By default the letters of the
            text decide.

    Raises:
        ValueError: the text is empty or cannot be sent, or the language is unknown.
    """
    if language is None:
        language = language_of(text)
    counted = segments(text)
    return savings_of(text, counted, language)


def savings_of(text: str, counted: Segments, language: Language) -> Savings:
    """Return what `savings` does for a text that is counted already.

    A campaign calls this for each text, so the distinct characters decide first what can help.
    """
    parts, forced = counted.parts, frozenset(counted.forced_by)
    if parts == 1 or not forced:
        return Savings(language=language)
    others = forced - LETTERS[language]
    typographic = transliterated = both = 0
    if forced & _TYPOGRAPHIC_ONES and (forced <= _TYPOGRAPHIC_ONES or forced & _REMOVED):
        plain = _plain(text)
        typographic = both = max(parts - part_count(plain), 0) if plain else 0
    if others <= _TYPOGRAPHIC_ONES and others != forced:
        latin = latin_of(text, language)
        if others <= APOSTROPHES:
            transliterated = max(parts - part_count(latin), 0)
        both = max(both, parts - part_count(_plain(latin)))
    return Savings(typographic, transliterated, both, language)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What to rewrite in texts: nothing by default. Called with a text, it returns the new one."""

    typographic: Typographic | None = None
    transliterate: Language | None = None

    def __post_init__(self) -> None:
        if self.typographic not in (None, "replace"):
            raise ValueError("typographic: must be replace, or None to keep the characters")
        if self.transliterate not in (None, "uk", "ru"):
            raise ValueError("transliterate: must be uk or ru, or None to keep the letters")

    def __call__(self, text: str) -> str:
        """Return the text as it is sent."""
        if self.transliterate is not None:
            text = transliterate(text, self.transliterate) or text
        return text if self.typographic is None else replace_typography(text)
