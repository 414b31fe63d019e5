"""The language of the reader: sentences from a catalogue, and numbers and dates as usual in it.

Rules of this file: the English sentence is the key of its translation, so it stands in the code
where it is said. The sentences of the gateway are never translated. Catalogues are read with the
standard library's `gettext`, from `locale/<language>/LC_MESSAGES/smsgate.mo`. What programs and
logs read is English: a command chooses the language once, with `speaking`, and only what it shows
to people uses `say`, `plural` and `spoken`.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import cache
from pathlib import Path

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "MONTHS",
    "Language",
    "language_called",
    "language_from",
    "language_written",
    "plural",
    "say",
    "speaking",
    "spoken",
    "translatable",
    "translatable_plural",
]

_LOCALE = Path(__file__).parent / "locale"
_SEPARATORS = {"en": (",", "."), "uk": ("\u00a0", ",")}
"""The separators of thousands and of decimals."""

LANGUAGES: tuple[str, ...] = tuple(_SEPARATORS)
"""The languages that there are, English first."""


def translatable(sentence: str) -> str:
    """Return the sentence unchanged, and mark it for the catalogue: it is translated later."""
    return sentence


def translatable_plural(one: str, many: str) -> tuple[str, str]:
    """Return a sentence for one and one for many, and mark both for the catalogue."""
    return one, many


MONTHS: tuple[str, ...] = (
    translatable("January"), translatable("February"), translatable("March"),
    translatable("April"), translatable("May"), translatable("June"),
    translatable("July"), translatable("August"), translatable("September"),
    translatable("October"), translatable("November"), translatable("December"),
)  # fmt: skip
"""The names of the months in English, from the first."""
_SHORT_MONTHS = (
    translatable("Jan"), translatable("Feb"), translatable("Mar"),
    translatable("Apr"), translatable("May"), translatable("Jun"),
    translatable("Jul"), translatable("Aug"), translatable("Sep"),
    translatable("Oct"), translatable("Nov"), translatable("Dec"),
)  # fmt: skip


class Language:
    """One language: how it says sentences, numbers and months.

    Args:
        code: one of `LANGUAGES`.
        catalogue: the translations.
    """

    def __init__(self, code: str, catalogue: gettext.NullTranslations) -> None:
        self.code: str = code
        self._catalogue = catalogue
        self._thousands, self._point = _SEPARATORS[code]

    def say(self, sentence: str, /, **values: object) -> str:
        """Return a sentence in this language.

        Args:
            sentence: the sentence in English, with fields such as `{name}`.
            values: the values of the fields, in this language already.
        """
        return self._catalogue.gettext(sentence).format(**values)

    def plural(self, one: str, many: str, number: int, /, **values: object) -> str:
        """Return a sentence that agrees with a number, in this language.

        Args:
            one: the sentence in English for one. The field `{number}` is the number, written.
            many: the sentence in English for any other number.
            number: the number.
            values: the values of further fields, in this language already.
        """
        chosen = self._catalogue.ngettext(one, many, number)
        return chosen.format(number=self.count(number), **values)

    def count(self, number: int | Decimal) -> str:
        """Return a number with separated thousands and a real minus sign."""
        return self.figure(format(number, "," if isinstance(number, int) else ",f"))

    def figure(self, written: str) -> str:
        """Return a number that is written as in Python, such as `-1,234.5`, as usual here."""
        usual = {",": self._thousands, ".": self._point, "-": "\u2212"}
        return "".join(usual.get(character, character) for character in written)

    def month(self, number: int) -> str:
        """Return the name of a month in a date. Its number is from 1 to 12."""
        return self.say(MONTHS[number - 1])

    def short_month(self, number: int) -> str:
        """Return the name of a month where there is little room. Its number is from 1 to 12."""
        return self.say(_SHORT_MONTHS[number - 1])


@cache
def language_called(code: str) -> Language:
    """Return a language.

    Args:
        code: one of `LANGUAGES`.

    Raises:
        ValueError: there is no such language.
    """
    if code not in LANGUAGES:
        raise ValueError(f"language: must be one of {', '.join(LANGUAGES)}")
    if code == "en":
        return ENGLISH
    return Language(code, gettext.translation("smsgate", str(_LOCALE), [code]))


def language_from(environment: Mapping[str, str]) -> str:
    """Return the language that the environment asks for, in the order of GNU gettext.

    The locale is the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set. `LANGUAGE` is a list
    of languages that wins over it, unless the locale is `C`. Any other language is English.

    Args:
        environment: the environment variables.
    """
    locale = next((environment[name] for name in _LOCALES if environment.get(name)), "")
    if _code_of(locale) in ("C", "POSIX"):
        return "en"
    asked = [*environment.get("LANGUAGE", "").split(":"), locale]
    return next((code for code in map(_code_of, asked) if code in LANGUAGES), "en")


def language_written(code: str, encoding: str) -> str:
    """Return a language, or English if an encoding does not have the letters of that language.

    Args:
        code: one of `LANGUAGES`.
        encoding: the encoding in which the text is written, such as that of standard output.
    """
    try:
        _LETTERS[code].encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "en"
    return code


_LETTERS = {"en": "", "uk": "Єєіїжщ"}
"""Letters that the encodings of other languages lack."""
_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")


def _code_of(locale: str) -> str:
    """Return the language of a locale: `uk` for `uk_UA.UTF-8`."""
    return re.split(r"[_.@]", locale, maxsplit=1)[0]


ENGLISH: Language = Language("en", gettext.NullTranslations())
"""English, which needs no catalogue."""

_SPOKEN = ContextVar("smsgate_language", default=ENGLISH)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language while the block runs, also in the tasks that it starts.

    Args:
        code: one of `LANGUAGES`.

    Raises:
        ValueError: there is no such language.
    """
    token = _SPOKEN.set(language_called(code))
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def spoken() -> Language:
    """Return the language that is spoken: that of `speaking`, English outside of it."""
    return _SPOKEN.get()


def say(sentence: str, /, **values: object) -> str:
    """Return a sentence in the language that is spoken. See `Language.say`."""
    return spoken().say(sentence, **values)


def plural(one: str, many: str, number: int, /, **values: object) -> str:
    """Return a sentence that agrees with a number, in the language that is spoken.

    See `Language.plural`.
    """
    return spoken().plural(one, many, number, **values)
