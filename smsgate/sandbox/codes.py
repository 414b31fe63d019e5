"""Find the one-time code in a text, such as `4815` in `Ваш код: 4815`.

Rule of this file: a text without a word for a code has none, and a link, a price, a date or a phone
number is no code. If in doubt, there is none.
"""

from __future__ import annotations

import re

__all__ = ["code_of"]

_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_SPEAKS_OF_CODE = re.compile(r"код|парол|code|password|otp|\bpin\b|пін", re.IGNORECASE)
_CODE = re.compile(
    r"(?<![0-9.,+:/-])(?:[0-9]{4,8}|[0-9]{3}[ -][0-9]{3})(?![0-9.,:/-]*[0-9])", re.ASCII
)


def code_of(text: str | None) -> str | None:
    """Return the digits of the first code in a text, None without one."""
    if not text or not _SPEAKS_OF_CODE.search(text):
        return None
    found = _CODE.search(_LINK.sub(" ", text))
    return re.sub(r"[ -]", "", found[0]) if found else None
