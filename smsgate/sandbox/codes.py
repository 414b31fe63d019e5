"""Find the one-time code in a text, such as `4815` in `Ваш код: 4815`.

Rule of this file: the code is the first number after a word for a code, otherwise the last one
before it in the same sentence. A link, a price, a date, a phone or order number is no code. If in
doubt, there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["code_of"]

_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_WORD = re.compile(
    # Such as `промо-код` and `zip code`, which are no one-time codes.
    r"(?<!\w)(?<!promo.)(?<!промо.)(?<!discount.)(?<!zip.)(?<!post.)(?<!bar.)(?<!qr.)(?<!штрих.)"
    r"(?:код(?:у|ом|и|а|ы|і|е)?|парол(?:ь|я|ю|ем|і|и|е)|(?:pass)?codes?|passwords?|otp|pin|пін)(?!\w)"
    # Such as `код міста`.
    r"(?!\s+(?:міста|города|країни|страны|області|товар|знижк|скидк|купон))[ \t]*[-–—:=]?",
    re.IGNORECASE,
)
_CODE = re.compile(
    # `:` and `=` may stand directly before it, and one letter with `-`, as in `G-123456`.
    r"(?<![\w.,+/])(?:(?<!-)|(?<=\b[^\W\d_]-))(?<![0-9]:)(?<![0-9]\ )"
    r"(?P<digits>[0-9]{4,8}|[0-9]{3}[ -][0-9]{3}|[0-9]{2}(?:[ -][0-9]{2}){2})"
    r"(?!\w|[.,:/-]*[0-9]|\ [0-9])"
    # A price, a share or a time.
    r"(?!\s?(?:грн|uah|₴|\$|€|usd|eur|руб|хв|сек|год|min|sec|hour|дн|days?\b|бал|бонус|%))",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"(?:\b(?:тел\w*|phone|tel|замовлення|заказ\w*|order|рахун\w*|счет\w*|invoice|рок[уи])|№)"
    r"[\s.:№#]*$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]\s")


def code_of(text: str | None) -> str | None:
    """Return the digits of the code in a text, None without one."""
    plain = _LINK.sub(" ", text or "")
    words = list(_WORD.finditer(plain))
    if not words:
        return None
    found = next(_codes(plain[words[0].end() :]), None)
    for word in () if found else reversed(words):
        *_, sentence = _SENTENCE_END.split(plain[: word.start()])
        *_, found = None, *_codes(sentence)
        if found:
            break
    return found


def _codes(text: str) -> Iterator[str]:
    for found in _CODE.finditer(text):
        if not _OTHER_NUMBER.search(text[: found.start()]):
            yield re.sub(r"[ -]", "", found["digits"])
