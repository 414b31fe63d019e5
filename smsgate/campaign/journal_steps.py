"""Runs the steps of a journal from async code: directly, or in a thread if it is shared.

Rule of this file: a step that has begun is waited for, whatever is cancelled. A step of a file is a
plain call, so nothing can be cancelled in it at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from ..ledger.contract import Journal

__all__ = ["JournalSteps"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class JournalSteps:
    """Calls methods of one journal, one at a time."""

    def __init__(self, journal: Journal) -> None:
        self._in_thread = journal.shared

    async def __call__(self, step: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        """Call a method of the journal and return its result."""
        if not self._in_thread:
            return step(*arguments, **named)
        done = list[_T]()
        with anyio.CancelScope(shield=True):
            done.append(await anyio.to_thread.run_sync(partial(step, *arguments, **named)))
        return done[0]
