"""Detects the encoding of a list, from all of its bytes and in flat memory.

Rules of this file: a list in UTF-8 may have a few other lines, and a list in a one-byte encoding a
few lines in UTF-8; these lines are skipped later. A one-byte encoding is chosen only if the words
make sense in it and in no other; otherwise an error asks for the encoding. The only I/O is reading.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log
from typing import BinaryIO

__all__ = ["encoding_of", "errors_of", "is_one_byte", "is_rather_unicode"]

_CHUNK = 1 << 16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = ("cp1251", "cp866", "cp1125", "koi8_u", "mac_cyrillic", "iso8859_5")
"""One-byte encodings of Cyrillic. If two of them decode the list equally, the first is reported."""
_ASK = (
    "name it with --encoding, such as utf-8, cp1251 (Windows), cp1125 (DOS), koi8-u,"
    " mac-cyrillic or cp1252 (Western Europe)"
)

_ASCII = bytes(range(128))
_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_STRANGE = re.compile("[\u0180-\u02bb\u02bd-\u02ff\u0370-\u03ff\u0500-\u07ff]")
"""Letters of other scripts: two Cyrillic bytes, such as "Ні", may be one in UTF-8 by chance.

U+02BC is left out: it is the Ukrainian apostrophe.
"""
_UNICODE_BEGINS = re.compile(rb"[\x00-\x7f]*[\xc2-\xf4][\x80-\xbf]")
_WORDS = 50_000
"""The maximum number of different words that are examined."""

_FREQUENT = {
    **dict.fromkeys("оа", 0.085), **dict.fromkeys("нитер", 0.055), **dict.fromkeys("івслк", 0.042),
    **dict.fromkeys("мдуп", 0.028), **dict.fromkeys("язьбйг", 0.016),
    **dict.fromkeys("чхшюжцї", 0.009), **dict.fromkeys("єщф", 0.004), "ґ": 0.001,
    **dict.fromkeys("ы", 0.008), **dict.fromkeys("эъё", 0.002),
}  # fmt: skip
"""The approximate frequency of letters in Ukrainian and Russian names, cities and headers."""
_LETTERS = {letter: log(share) for letter, share in _FREQUENT.items()}
_FOREIGN = log(1e-5)
_PUNCTUATION = "«»„“”‘’–—…\u00a0"
_SYMBOLS = "№₴€°"
"""Symbols that never occur next to a letter."""
_LATIN_I = str.maketrans("iI", "іІ")
"""Writers without a Ukrainian keyboard type the Latin letter."""
_HEADERS = {
    "телефон", "номер", "мобільний", "мобильный", "получатель", "отримувач", "тел", "ім", "я",
    "імя", "прізвище", "фамилия", "имя", "місто", "город", "клієнт", "клиент", "адреса", "адрес",
    "дата", "сума", "сумма", "знижка", "скидка", "текст", "країна", "страна", "область",
    "замовлення", "заказ",
}  # fmt: skip
"""Words that are usual names of columns."""
_FAMILIAR = 8.0
_IMPLAUSIBLE = -6.0
_UNUSUAL = -1.0
"""The penalty of every encoding but Windows-1251, which is by far the most frequent."""
_MARGIN = 4.0
_MOSTLY = 0.7
_SEPARATED = -1.5
_DOUBT = 1.0
"""How much more likely than UTF-8 the one-byte encoding of a cell must be."""


def errors_of(encoding: str) -> str:
    """Return the error handler that keeps undecodable bytes, so that their row can be reported.

    Raises `ValueError` if there is no such encoding.
    """
    try:
        # `bytes.decode` of an empty string accepts any name, so look the name up.
        name = codecs.lookup(encoding).name
        b"1".decode(encoding, "replace")
    except (LookupError, ValueError):
        raise ValueError("encoding: this encoding is unknown") from None
    return "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"


def is_one_byte(encoding: str) -> bool:
    """Return whether each byte is one character in this encoding."""
    alone = sum(
        "\ufffd" not in bytes([octet]).decode(encoding, "replace") for octet in range(128, 256)
    )
    return alone > 64  # in multi-byte encodings, most of these bytes are not a character


def is_rather_unicode(cell: str, encoding: str) -> bool:
    """Return whether the words of a cell make more sense in UTF-8 than in this one-byte encoding.

    Short words of another encoding may be valid UTF-8 by chance, such as "Ні" in Windows-1251.
    """
    if cell.isascii():
        return False
    octets = cell.encode(encoding, "surrogateescape")
    if not _UNICODE_BEGINS.match(octets) or not _is_unicode(octets):
        return False
    if _STRANGE.search(octets.decode("utf-8", "replace")):
        return False
    words = _WORD.findall(octets)
    read, unicode = (
        sum(_worth_of_a_cell(word.decode(one, "replace")) for word in words)
        for one in (encoding, "utf-8")
    )
    return unicode > read - _DOUBT


def _worth_of_a_cell(word: str) -> float:
    """Return how likely a word is. Dashes and quotes inside it are a sign of UTF-8 read wrongly."""
    return _worth(word) + _SEPARATED * sum(map(word.count, _PUNCTUATION))


def encoding_of(opened: BinaryIO) -> str:
    """Return the encoding of a file, read from its position to its end.

    Raises `ValueError` if the encoding cannot be determined.
    """
    first = opened.read(_CHUNK)
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return encoding
    if encoding := _without_a_mark(first[: 1 << 16]):
        return encoding
    seen = _Seen()
    for chunk in _by_lines(first, opened):
        seen.add(chunk)
    # A line in a one-byte encoding is valid UTF-8 only by chance; a UTF-8 line is invalid only if
    # it is damaged.
    if not seen.other or seen.unicode >= seen.other:
        return "utf-8"
    if seen.unicode * 50 >= seen.other:
        raise ValueError(
            f"encoding: {seen.unicode:,} lines are UTF-8 and {seen.other:,} are not; save the"
            f" list in one encoding, or {_ASK}"
        )
    return _one_byte_encoding(seen)


@dataclass(slots=True)
class _Seen:
    """Counts of the lines beyond ASCII in UTF-8 and not in UTF-8; words and bytes of the latter."""

    unicode: int = 0
    other: int = 0
    words: set[bytes] = field(default_factory=set)
    octets: set[int] = field(default_factory=set)

    def add(self, chunk: bytes) -> None:
        if chunk.isascii():
            return
        lines = [line for line in chunk.splitlines() if not line.isascii()]
        if _is_unicode(chunk) and not _STRANGE.search(chunk.decode()):
            self.unicode += len(lines)
            return
        others = [line for line in lines if not _is_unicode(line) or _is_unicode_by_chance(line)]
        self.unicode += len(lines) - len(others)
        self.other += len(others)
        text = b"\n".join(others)
        self.octets.update(text.translate(None, _ASCII))
        if len(self.words) < _WORDS:
            self.words.update(_WORD.findall(text))


def _is_unicode(some: bytes) -> bool:
    try:
        some.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_unicode_by_chance(line: bytes) -> bool:
    """Return whether a UTF-8 line has strange letters, but plausible words in Windows-1251."""
    if not _STRANGE.search(line.decode()):
        return False
    return all(
        _worth_of_a_cell(word.decode("cp1251", "replace")) > 0 for word in _WORD.findall(line)
    )


def _by_lines(first: bytes, opened: BinaryIO) -> Iterator[bytes]:
    """Yield the file in chunks that end with a line or, in a very long line, with a character."""
    rest = first
    while more := opened.read(_CHUNK):
        chunk = rest + more
        cut = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if not cut:
            cut = len(chunk) - 4
            while cut and chunk[cut] & 0xC0 == 0x80 and cut > len(chunk) - 8:
                cut -= 1
        yield chunk[:cut]
        rest = chunk[cut:]
    yield rest


def _without_a_mark(sample: bytes) -> str:
    """Return UTF-16 if every other byte is a high byte of Latin, Cyrillic or signs; else ""."""
    sample = sample[: len(sample) & ~1]
    if b"\0" not in sample:
        return ""
    low, high = (
        sum(map(sample[at::2].count, (0x00, 0x04, 0x20, 0x21))) * 2 / len(sample) > 0.9
        for at in (1, 0)
    )
    return {(True, False): "utf-16-le", (False, True): "utf-16-be"}.get((low, high), "")


def _one_byte_encoding(seen: _Seen) -> str:
    words = sorted(seen.words)
    marks = {encoding: _mark_of(words, encoding) for encoding in _CANDIDATES}
    octets = bytes(sorted(seen.octets))
    best, *others = sorted(_CANDIDATES, key=lambda encoding: -marks[encoding][0])
    read = octets.decode(best, "replace")
    rivals = [
        one
        for one in others
        if octets.decode(one, "replace") != read and marks[best][0] - marks[one][0] < _MARGIN
    ]
    if marks[best][1] < _MOSTLY * len(words) or not words:
        raise ValueError(
            "encoding: the list is not in UTF-8, and its words make no sense in any Cyrillic"
            f" encoding; {_ASK}"
        )
    if rivals:
        names = " or ".join([best, *rivals])
        raise ValueError(
            f"encoding: the list is not in UTF-8, and too short to tell whether it is {names};"
            f" {_ASK}"
        )
    return min(
        (one for one in _CANDIDATES if octets.decode(one, "replace") == read), key=_CANDIDATES.index
    )


def _mark_of(words: list[bytes], encoding: str) -> tuple[float, int]:
    """Return how likely these words are in an encoding (a logarithm), and how many are words."""
    mark, fine = 0.0 if encoding == _CANDIDATES[0] else _UNUSUAL, 0
    for word in words:
        worth = _worth(word.decode(encoding, "replace"))
        mark += worth
        fine += worth > _IMPLAUSIBLE * 2
    return mark, fine


def _worth(word: str) -> float:
    """Return how likely a word is (a logarithm), compared with equally frequent letters."""
    worth = 0.0
    if not word.strip(_SYMBOLS):
        return worth
    for mark in _PUNCTUATION:
        word = word.replace(mark, " ")
    for part in word.translate(_LATIN_I).split():
        lower = part.lower()
        worth += sum(_LETTERS.get(letter, _FOREIGN) - log(1 / 33) for letter in lower)
        worth += _FAMILIAR if len(part) > 1 and lower in _HEADERS else 0.0
        worth += 0.0 if part in (lower, lower.upper(), lower.title()) else _IMPLAUSIBLE
    return worth
