"""Runs the steps of a journal from async code: directly, or in a thread if it is shared.

Rule of this file: a step that has begun is waited for, whatever is cancelled, also by asyncio
itself. A step of a file is a plain call, so nothing can be cancelled in it at all.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from .._client.spawn import finish_in_thread
from ..ledger.contract import Journal

__all__ = ["JournalSteps"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class JournalSteps:
    """Calls methods of one journal, one at a time."""

    def __init__(self, journal: Journal) -> None:
        # Its thread ends when nothing refers to it any more.
        self._thread = (
            ThreadPoolExecutor(1, thread_name_prefix="smsgate journal") if journal.shared else None
        )

    async def __call__(self, step: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        """Call a method of the journal and return its result."""
        if self._thread is None:
            return step(*arguments, **named)
        return await finish_in_thread(self._thread, partial(step, *arguments, **named), keep=False)

    async def kept(self, step: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        """Call a method whose result holds something that must be given back, such as a claim.

        If this is cancelled, the result is returned, and the next await raises the cancellation.
        """
        if self._thread is None:
            return step(*arguments, **named)
        return await finish_in_thread(self._thread, partial(step, *arguments, **named), keep=True)
