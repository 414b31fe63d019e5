"""Write Ukrainian and Russian texts in Latin letters, by the official tables.

Ukrainian: the table of the Cabinet of Ministers of Ukraine, resolution 55 of 27 January 2010.
Russian: the table of ICAO Doc 9303, part 3, section 6, which passports use. Rules of this file:

- At the start of a word, the Ukrainian letters Є, Ї, Й, Ю, Я have other equivalents, зг is zgh, and
  the soft sign and an apostrophe inside a word are left out.
- A capital that becomes several letters is written in capitals if a neighbour in its word is a
  capital: Щука, ЩУКА.
- Letters that a table lacks stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal, TypeAlias

from ..privacy import sealed

__all__ = ["APOSTROPHES", "LETTERS", "Language", "language_of", "latin_of", "transliterate"]

Language: TypeAlias = Literal["uk", "ru"]
"""The language of a text, which decides the table: Ukrainian or Russian."""

_UKRAINIAN = {
    "а": "a", "б": "b", "в": "v", "г": "h", "ґ": "g", "д": "d", "е": "e", "є": "ie", "ж": "zh",
    "з": "z", "и": "y", "і": "i", "ї": "i", "й": "i", "к": "k", "л": "l", "м": "m", "н": "n",
    "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts",
    "ч": "ch", "ш": "sh", "щ": "shch", "ь": "", "ю": "iu", "я": "ia",
}  # fmt: skip
_FIRST = {"є": "ye", "ї": "yi", "й": "y", "ю": "yu", "я": "ya"}
_RUSSIAN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z",
    "и": "i", "й": "i", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh",
    "щ": "shch", "ъ": "ie", "ы": "y", "ь": "", "э": "e", "ю": "iu", "я": "ia",
}  # fmt: skip
_LETTER, _MARK = r"[^\W\d_]", "[\u0300-\u036f]"
"""A letter, and a mark on the letter before it, such as an accent."""
APOSTROPHES: frozenset[str] = frozenset("’ʼ‘`´")
"""The characters that stand for an apostrophe, besides that of a typewriter."""
_APOSTROPHE = re.compile("[" + "".join(APOSTROPHES) + "'](?<=[А-яЄІЇҐєіїґ].)(?=[А-яЄІЇҐєіїґ])")
_MARKS = "\u0306", "\u0308"
"""The marks of Й, Ї and Ё, which some systems write as characters of their own."""
_ONLY_RUSSIAN = re.compile("[ЁЪЫЭёъыэ]")
_ONLY_UKRAINIAN = re.compile("[ЄІЇҐєіїґ]")


class _Table:
    """One table: letters that are replaced alike everywhere, and those that are not."""

    def __init__(self, letters: dict[str, str], first: dict[str, str], special: str = "") -> None:
        self._letters, self._first = letters, first
        several = "".join(one.upper() for one, latin in letters.items() if len(latin) > 1)
        self._plain = str.maketrans(
            letters
            | {one.upper(): latin.upper() for one, latin in letters.items() if len(latin) < 2}
        )
        at_start = "".join(first)
        # A character class first, and only then the look at the letter before: it is faster.
        self._special = re.compile(
            (f"[{at_start}{at_start.upper()}](?<!{_LETTER}.)(?<!{_MARK}.)|" if first else "")
            + f"{special}[{several}]",
            re.DOTALL,
        )

    def apply(self, text: str) -> str:
        """Return the text in Latin letters."""
        return self._special.sub(self._replaced, text).translate(self._plain)

    def _replaced(self, found: re.Match[str]) -> str:
        source, text = found[0], found.string
        before = text[found.start() - 1 : found.start()]
        after = text[found.end() : found.end() + 1]
        if len(source) > 1:  # зг
            latin = "zgh"
        elif source.lower() in self._first and not _is_letter(before):
            latin = self._first[source.lower()]
        else:
            latin = self._letters[source.lower()]
        if not source[0].isupper():
            return latin if not source[-1].isupper() else latin[0] + latin[1:].upper()
        following = source[1:] or after
        capitals = following.isupper() or (before.isupper() and not _is_letter(following))
        return latin.upper() if capitals else latin.capitalize()


def _is_letter(character: str) -> bool:
    return character.isalpha() or "\u0300" <= character <= "\u036f"


_TABLES: dict[str, _Table] = {
    "uk": _Table(_UKRAINIAN, _FIRST, special="[Зз][Гг]|"),
    "ru": _Table(_RUSSIAN, {}),
}

LETTERS: dict[str, frozenset[str]] = {
    language: frozenset("".join(table) + "".join(table).upper())
    for language, table in (("uk", _UKRAINIAN), ("ru", _RUSSIAN))
}
"""The letters of each table."""


@sealed
def transliterate(text: str, language: Language) -> str:
    """Write a text in Latin letters, so that it may need fewer SMS parts.

        transliterate("Ваше замовлення готове", "uk")  # "Vashe zamovlennia hotove"

    Args:
        text: the text. What is not Cyrillic stays as it is.
        language: `"uk"` for the Ukrainian table (Cabinet of Ministers, resolution 55 of 2010),
            `"ru"` for the Russian one (ICAO Doc 9303).

    Returns:
        The text with every letter of the table replaced.

    Raises:
        ValueError: the language is neither `"uk"` nor `"ru"`.
    """
    if language not in _TABLES:
        raise ValueError("language: must be uk or ru")
    return latin_of(text, language)


def latin_of(text: str, language: Language) -> str:
    """Return what `transliterate` does, for a language that is checked already."""
    if any(mark in text for mark in _MARKS):
        text = unicodedata.normalize("NFC", text)
    # Every rule is about one word, and the texts of a campaign share most of their words.
    return " ".join([_latin_word(word, language) for word in text.split(" ")])


@lru_cache(maxsize=4_096)
def _latin_word(word: str, language: Language) -> str:
    if language == "uk":
        word = _APOSTROPHE.sub("", word)
    return _TABLES[language].apply(word)


def language_of(text: str) -> Language:
    """Return the language whose table fits a text: Russian only if its letters leave no other."""
    return "ru" if _ONLY_RUSSIAN.search(text) and not _ONLY_UKRAINIAN.search(text) else "uk"
