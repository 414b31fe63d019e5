"""Mask phone numbers, strip values from errors, and hide cookies in the HTTP libraries' debug logs.

Rule of this file: everything it returns can be pasted into a public issue.

Why errors are sealed: an exception keeps the frames that it passed through, its cause and its
context. Their locals and attributes hold the number, the text, the password and the cookie. A
traceback with locals, a crash reporter or a pickle would show them. So a function that handles
such values is `sealed`: its errors are raised again from a frame without values, and only the
caller's own frames are added.
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
# The value is either quoted, as `repr` writes it, or goes on to the end of the line.
_COOKIE = re.compile(
    r"""(?i) (?P<name> cookie \\* ['"]? [ \t]* [,:] [ \t]* )
        (?: (?P<quote> b? (?P<mark> ['"] )) (?: (?! (?P=mark)) [^\\\r\n] | \\. )* (?P=mark)
          | [^\r\n]+ )""",
    re.VERBOSE,
)


def mask_number(number: str) -> str:
    """Return the phone number with its middle hidden: `+380501234567` becomes `+380*****4567`.

    A number with fewer than 7 digits is hidden completely.
    """
    plus, digits = ("+", number[1:]) if number.startswith("+") else ("", number)
    head, tail = (3, 4) if len(digits) >= 11 else (2, 2) if len(digits) >= 7 else (0, 0)
    return f"{plus}{digits[:head]}{'*' * (len(digits) - head - tail)}{digits[len(digits) - tail :]}"


def mask_numbers(text: str) -> str:
    """Return the text with each possible phone number (seven digits or more) masked."""
    return _DIGITS.sub(lambda found: mask_number(re.sub(r"[^0-9+]", "", found[0])), text)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with the secrets replaced by `***` and phone numbers masked.

    The gateway may quote what it received, so its text is redacted before it is shown.
    """
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return mask_numbers(text)


def seal(error: Error) -> Error:
    """Return the error without its frames, cause and context.

    Raise it outside the `except` block, from a frame without values: its traceback starts there.
    """
    error.__cause__ = error.__context__ = None
    # Assigning the cause has set it; the error that the caller is handling should stay visible.
    error.__suppress_context__ = False
    return error.with_traceback(None)


def sealed(function: Function) -> Function:
    """Decorate a function so that every error it raises is sealed. Use it below `classmethod`.

    A coroutine function also seals its cancellation, because its arguments stay in the frame while
    it waits. An ordinary function does not seal `KeyboardInterrupt` and `SystemExit`.
    """

    def plain(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except Exception as error:
            kept = [seal(error)]
        del given, named
        # A local variable would make a reference cycle: error, traceback, frame, error.
        raise kept.pop()

    async def coroutine(*given: Any, **named: Any) -> Any:
        try:
            return await function(*given, **named)
        except BaseException as error:
            kept = [seal(error)]
        del given, named
        raise kept.pop()

    call: Any = coroutine if iscoroutinefunction(function) else plain
    # The traceback starts in the frame of `call`, so that frame gets the name of the function.
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
    """Hide cookie values in the debug logs of httpx, httpcore, httpx2 and httpcore2.

        logging.basicConfig(level=logging.DEBUG)
        redact_http_logs()

    At DEBUG level these libraries log all response headers, including the session cookie (measured
    with httpcore 1.0.9). Call this once, where logging is set up. It adds one filter to each of
    their loggers; further calls have no effect.
    """
    for name in _HTTP_LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
