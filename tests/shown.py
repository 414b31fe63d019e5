"""Everything that an error or a value shows of itself, as one string to look for secrets in."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pydantic
from pydantic import ValidationError


class Hidden(str):
    """A value that our own frames may hold, since its repr shows nothing.

    What is made of it shows again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


def outcome_of(call: Callable[[], object]) -> object:
    """Return what the call returns, or the error that it raises."""
    try:
        return call()
    except Exception as error:
        return error


def raised_by(call: Callable[[], object]) -> Exception:
    """Return the error that the call raises."""
    outcome = outcome_of(call)
    assert isinstance(outcome, Exception), (
        f"nothing was raised, and {type(outcome).__name__} returned"
    )
    return outcome


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames that an error keeps alive, the outermost first."""
    trace = error.__traceback__
    while trace:
        yield trace.tb_frame
        trace = trace.tb_next


PYDANTIC_UNPICKLES = tuple(map(int, pydantic.VERSION.split(".")[:2])) >= (2, 14)
"""Older ones write a complaint of our own into a pickle and cannot read it."""


def shown_by(error: BaseException) -> str:
    """Return all that a log, a tracker of errors or another process gets to see of an error."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    views: list[Any] = [
        str(error),
        repr(error),
        repr(error.args),
        repr(vars(error)),
        *trace.format(),
    ]
    if isinstance(error, ValidationError):
        views += [
            repr(error.errors()),
            error.json(),
            json.dumps(error.errors(), default=repr, ensure_ascii=False),
        ]
    dumped = pickle.dumps(error)
    views.append(dumped.decode("utf-8", "replace"))
    if not isinstance(error, ValidationError) or PYDANTIC_UNPICKLES:
        again = pickle.loads(dumped)
        views += [repr(again), str(again), repr(again.args)]
    return "\n".join(views)
