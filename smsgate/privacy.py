"""How a number looks in a log, and a filter that keeps the HTTP library's debug lines from printing the cookie.

Rule of this file: what it returns can be pasted into a public issue.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

__all__ = ["mask_number", "mask_numbers", "redact", "redact_http_logs"]

_PARTS = ("", ".connection", ".http11", ".http2", ".proxy", ".socks")
_HTTP_LOGGERS = ("httpx", "httpx2", *(f"httpcore{part}" for part in _PARTS), *(f"httpcore2{part}" for part in _PARTS))

_DIGITS = re.compile(r"\+?[0-9](?:[ \-()\u00a0]{0,2}[0-9]){6,}", re.ASCII)
# A value in quotes as `repr` writes them, which may hold the other kind of quote; in any other place the rest of the line.
_COOKIE = re.compile(
    r"""(?i) (?P<name> cookie \\* ['"]? [ \t]* [,:] [ \t]* )
        (?: (?P<quote> b? (?P<mark> ['"] )) (?: (?! (?P=mark)) [^\\\r\n] | \\. )* (?P=mark)
          | [^\r\n]+ )""",
    re.VERBOSE,
)


def mask_number(number: str) -> str:
    """Return the phone number with its middle hidden: `+380501234567` becomes `+380*****4567`. A short one is hidden whole."""
    plus, digits = ("+", number[1:]) if number.startswith("+") else ("", number)
    head, tail = (3, 4) if len(digits) >= 11 else (2, 2) if len(digits) >= 7 else (0, 0)
    return f"{plus}{digits[:head]}{'*' * (len(digits) - head - tail)}{digits[len(digits) - tail :]}"


def mask_numbers(text: str) -> str:
    """Return the text with everything in it that may be a phone number (seven digits or more) masked."""
    return _DIGITS.sub(lambda found: mask_number(re.sub(r"[^0-9+]", "", found[0])), text)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text without the given secrets and with numbers masked: for a gateway that quotes what it was sent."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return mask_numbers(text)


def _hide(found: re.Match[str]) -> str:
    return f"{found['name']}{found['quote'] or ''}***{found['mark'] or ''}"


class _CookieFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "cookie" in message.lower():
            record.msg, record.args = _COOKIE.sub(_hide, message), None
        return True


_FILTER = _CookieFilter()


def redact_http_logs() -> None:
    """Hide the values of cookies in the debug lines of httpx, httpcore and their continuations.

    At DEBUG those libraries log the headers of each response, the session cookie among them (measured with httpcore 1.0.9).
    Call this once, where logging is set up; calling it again changes nothing. It adds one filter to their loggers.
    """
    for name in _HTTP_LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
