"""Stores an error of a send as JSON, and makes the same error from it again. No I/O.

An error holds no number, text or password in its message, so neither does the JSON.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from .. import errors
from ..errors import (
    InDoubt,
    NotEnoughCredits,
    NotSent,
    OnStopList,
    Reason,
    Refused,
    SmsGateError,
)

__all__ = ["error_from", "stored"]


def stored(error: SmsGateError) -> str:
    """Return the class, the message and the attributes of an error as JSON."""
    held: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, NotSent | InDoubt):
        held["reason"] = error.reason
    if isinstance(error, Refused):
        held |= {"answer": error.answer, "text": error.text, "reasons": error.reasons}
    if isinstance(error, OnStopList):
        held["listed"] = error.listed
    if isinstance(error, NotEnoughCredits):
        held["missing"] = str(error.missing)
    return json.dumps(held, ensure_ascii=False)


def error_from(text: str) -> SmsGateError:
    """Return the stored error. An unknown class, of a newer version, becomes `SmsGateError`."""
    held = json.loads(text)
    kind: Any = getattr(errors, held.pop("error"), SmsGateError)
    message = held.pop("message")
    if held.get("reason") in set(Reason):
        held["reason"] = Reason(held["reason"])
    else:
        held.pop("reason", None)  # of a newer version
    if "reasons" in held:
        held["reasons"] = tuple(held["reasons"])
    if "missing" in held:
        held["missing"] = Decimal(held["missing"])
    made: SmsGateError = SmsGateError(message) if kind is SmsGateError else kind(message, **held)
    return made
