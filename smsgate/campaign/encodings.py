"""Finds out in which encoding a list is written, from all of its bytes and in flat memory.

Rules of this file: UTF-8 stays UTF-8 although a few lines are not, and a one-byte encoding although a few lines are UTF-8;
those lines are skipped later, one by one. A one-byte encoding is taken only if the words make sense in it and in no other; else
the error asks for the encoding. Pure but for reading.
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
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = ("cp1251", "cp866", "cp1125", "koi8_u", "mac_cyrillic", "iso8859_5")
"""One-byte encodings of Cyrillic. If two of them read the list the same, the first one is named."""
_ASK = "name it with --encoding, such as utf-8, cp1251 (Windows), cp1125 (DOS), koi8-u, mac-cyrillic or cp1252 (Western Europe)"

_ASCII = bytes(range(128))
_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_STRANGE = re.compile("[\u0180-\u02bb\u02bd-\u02ff\u0370-\u03ff\u0500-\u07ff]")
"""Letters of other scripts, which two bytes of Cyrillic text are by chance, such as "Ні". U+02BC is the Ukrainian apostrophe."""
_UNICODE_BEGINS = re.compile(rb"[\x00-\x7f]*[\xc2-\xf4][\x80-\xbf]")
_WORDS = 50_000
"""Different words that are judged at most."""

_FREQUENT = {
    **dict.fromkeys("оа", 0.085), **dict.fromkeys("нитер", 0.055), **dict.fromkeys("івслк", 0.042),
    **dict.fromkeys("мдуп", 0.028),
    **dict.fromkeys("язьбйг", 0.016), **dict.fromkeys("чхшюжцї", 0.009), **dict.fromkeys("єщф", 0.004), "ґ": 0.001,
    **dict.fromkeys("ы", 0.008), **dict.fromkeys("эъё", 0.002),
}  # fmt: skip
"""Roughly how frequent a letter is in Ukrainian and Russian names, cities and headers."""
_LETTERS = {letter: log(share) for letter, share in _FREQUENT.items()}
_FOREIGN = log(1e-5)
_PUNCTUATION = "«»„“”‘’–—…\u00a0"
_SYMBOLS = "№₴€°"
"""These stand alone, never beside a letter."""
_LATIN_I = str.maketrans("iI", "іІ")
"""Who has no Ukrainian letter on the keyboard types the Latin one."""
_HEADERS = {
    "телефон", "номер", "мобільний", "мобильный", "получатель", "отримувач", "тел", "ім", "я", "імя", "прізвище",
    "фамилия", "имя", "місто", "город", "клієнт", "клиент", "адреса", "адрес", "дата", "сума", "сумма", "знижка",
    "скидка", "текст", "країна", "страна", "область", "замовлення", "заказ",
}  # fmt: skip
"""Words that stand over the columns of lists."""
_FAMILIAR = 8.0
_IMPLAUSIBLE = -6.0
_UNUSUAL = -1.0
"""Any encoding but Windows-1251, which is by far the most frequent one."""
_MARGIN = 4.0
_MOSTLY = 0.7
_SEPARATED = -1.5
_DOUBT = 1.0
"""How much more likely a cell must be in a one-byte encoding than in UTF-8 to be read so."""


def errors_of(encoding: str) -> str:
    """Return how bytes that are not of the encoding are kept, so that their row can be told. Raises `ValueError`."""
    try:
        # Not `bytes.decode`, which takes any name for the encoding of nothing.
        name = codecs.lookup(encoding).name
        b"1".decode(encoding, "replace")
    except (LookupError, ValueError):
        raise ValueError("encoding: there is no such encoding") from None
    return "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"


def is_one_byte(encoding: str) -> bool:
    """Return whether each byte is one character in this encoding."""
    alone = sum("\ufffd" not in bytes([octet]).decode(encoding, "replace") for octet in range(128, 256))
    return alone > 64  # the others leave more of them to the longer characters


def is_rather_unicode(cell: str, encoding: str) -> bool:
    """Return whether a cell that was read in a one-byte encoding is UTF-8, in which its words make more sense.

    Short words of another encoding may be UTF-8 by chance, such as "Ні" in Windows-1251.
    """
    if cell.isascii():
        return False
    octets = cell.encode(encoding, "surrogateescape")
    if not _UNICODE_BEGINS.match(octets) or not _is_unicode(octets):
        return False
    if _STRANGE.search(octets.decode("utf-8", "replace")):
        return False
    words = _WORD.findall(octets)
    read, unicode = (sum(_worth_of_a_cell(word.decode(one, "replace")) for word in words) for one in (encoding, "utf-8"))
    return unicode > read - _DOUBT


def _worth_of_a_cell(word: str) -> float:
    """Return how likely a word is. Dashes and quotes inside of it are not: UTF-8 looks so in Mac Cyrillic."""
    return _worth(word) + _SEPARATED * sum(map(word.count, _PUNCTUATION))


def encoding_of(opened: BinaryIO) -> str:
    """Return the encoding of a file, read from where it stands to its end. Raises `ValueError` if it cannot be told."""
    first = opened.read(_CHUNK)
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return encoding
    if encoding := _without_a_mark(first[: 1 << 16]):
        return encoding
    seen = _Seen()
    for chunk in _by_lines(first, opened):
        seen.look_at(chunk)
    # A line of a one-byte encoding is UTF-8 only by chance, and a line of UTF-8 is another only if it is damaged.
    if not seen.other or seen.unicode >= seen.other:
        return "utf-8"
    if seen.unicode * 50 >= seen.other:
        raise ValueError(
            f"encoding: {seen.unicode:,} lines are UTF-8 and {seen.other:,} are not; save the list in one, or {_ASK}"
        )
    return _one_byte_encoding(seen)


@dataclass(slots=True)
class _Seen:
    """What was seen of a file: lines beyond ASCII that are UTF-8, those that are not, and words and bytes of the latter."""

    unicode: int = 0
    other: int = 0
    words: set[bytes] = field(default_factory=set)
    octets: set[int] = field(default_factory=set)

    def look_at(self, chunk: bytes) -> None:
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
    """Return whether a line that can be UTF-8 has letters of other scripts then, and nothing but words in Windows-1251."""
    if not _STRANGE.search(line.decode()):
        return False
    return all(_worth_of_a_cell(word.decode("cp1251", "replace")) > 0 for word in _WORD.findall(line))


def _by_lines(first: bytes, opened: BinaryIO) -> Iterator[bytes]:
    """Yield the file in chunks that end where a line ends, or, in an endless line, at least where a character does."""
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
    """Return UTF-16 if every other byte is one that stands first in Latin, Cyrillic and punctuation; "" if not."""
    sample = sample[: len(sample) & ~1]
    if b"\0" not in sample:
        return ""
    low, high = (sum(map(sample[at::2].count, (0x00, 0x04, 0x20, 0x21))) * 2 / len(sample) > 0.9 for at in (1, 0))
    return {(True, False): "utf-16-le", (False, True): "utf-16-be"}.get((low, high), "")


def _one_byte_encoding(seen: _Seen) -> str:
    words = sorted(seen.words)
    marks = {encoding: _mark_of(words, encoding) for encoding in _CANDIDATES}
    octets = bytes(sorted(seen.octets))
    best, *others = sorted(_CANDIDATES, key=lambda encoding: -marks[encoding][0])
    read = octets.decode(best, "replace")
    rivals = [one for one in others if octets.decode(one, "replace") != read and marks[best][0] - marks[one][0] < _MARGIN]
    if marks[best][1] < _MOSTLY * len(words) or not words:
        raise ValueError(f"encoding: the list is not in UTF-8, and in no encoding of Cyrillic do its words make sense; {_ASK}")
    if rivals:
        names = " or ".join([best, *rivals])
        raise ValueError(f"encoding: the list is not in UTF-8, and too short to tell whether it is {names}; {_ASK}")
    return min((one for one in _CANDIDATES if octets.decode(one, "replace") == read), key=_CANDIDATES.index)


def _mark_of(words: list[bytes], encoding: str) -> tuple[float, int]:
    """Return how likely these words are in an encoding (a logarithm), and how many of them are words at all."""
    mark, fine = 0.0 if encoding == _CANDIDATES[0] else _UNUSUAL, 0
    for word in words:
        worth = _worth(word.decode(encoding, "replace"))
        mark += worth
        fine += worth > _IMPLAUSIBLE * 2
    return mark, fine


def _worth(word: str) -> float:
    """Return how likely a word is, as a logarithm, less what an even spread of letters would give."""
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
