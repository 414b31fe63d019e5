"""Masked numbers, errors without values, and a filter that hides the cookie in the debug lines of the HTTP libraries.

Rule of this file: what it returns can be pasted into a public issue.

Why errors are sealed: an error keeps alive the frames that it passed through, its cause and its context. The locals of those
frames and the attributes of those exceptions are the number, the text, the password and the cookie. A traceback with locals,
a crash reporter and a pickle would show them. So a function that handles such values is `sealed`: what it raises starts anew
in a frame without values, and the caller's own frames are added as usual.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

__all__ = ["mask_number", "mask_numbers", "redact", "redact_http_logs", "seal", "sealed"]

Error = TypeVar("Error", bound=BaseException)
Function = TypeVar("Function", bound=Callable[..., Any])

_PARTS = ("", ".connection", ".http11", ".http2", ".proxy", ".socks")
_HTTP_LOGGERS = (
    "httpx",
    "httpx2",
    *(f"httpcore{part}" for part in _PARTS),
    *(f"httpcore2{part}" for part in _PARTS),
)

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


def seal(error: Error) -> Error:
    """Return the error without frames, cause and context.

    Raise it outside of the `except` block and from a frame without values: that frame is the first that it keeps.
    """
    error.__cause__ = error.__context__ = None
    error.__suppress_context__ = (
        False  # set along with the cause; what the caller was handling is the caller's to see
    )
    return error.with_traceback(None)


def sealed(function: Function) -> Function:
    """Seal every error that the function raises. Use it below `classmethod`.

    A coroutine function also seals its cancellation, since its arguments are alive while it waits. An ordinary one lets
    `KeyboardInterrupt` and the like pass as they are.
    """

    def plain(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except Exception as error:
            kept = [seal(error)]
        del given, named
        raise kept.pop()  # a variable that holds the error would make a cycle: error, traceback, frame, error

    async def coroutine(*given: Any, **named: Any) -> Any:
        try:
            return await function(*given, **named)
        except BaseException as error:
            kept = [seal(error)]
        del given, named
        raise kept.pop()

    call: Any = coroutine if iscoroutinefunction(function) else plain
    # The first frame that the error keeps is that of `call`, and a traceback shows it by the name of the function.
    call.__code__ = call.__code__.replace(
        co_name=function.__name__, co_qualname=function.__qualname__
    )
    return cast("Function", wraps(function)(call))


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
