"""Wait until a message arrives, for end-to-end tests.

Rule of this file: one `Wait` looks, and whoever waits decides how it sleeps. It looks again only if
something has changed, or a delivery status may have.
"""

from __future__ import annotations

from time import monotonic

from ..protocol.numbers import bare_number, is_international
from .call_log import CallOutcome
from .gateway import Gateway
from .search import Search
from .store import SandboxMessage

__all__ = ["STEP", "Wait", "number_of"]

STEP = 0.02
"""Seconds between two looks."""
_MOVING_SECONDS = 0.25
"""Seconds between two searches while only delivery statuses change."""


def number_of(written: str | None) -> str | None:
    """Return `+` and the digits of a number, however it is written; None for None.

    Raises:
        ValueError: it is not a phone number. The message begins with `to`.
    """
    if written is None:
        return None
    try:
        # In a URL, a plus that is not written as %2B means a space.
        bare = f"+{bare_number(written.strip()).removeprefix('+')}"
    except ValueError:
        bare = ""
    if not is_international(bare):
        raise ValueError("to: a phone number with its calling code, such as +380501234567")
    return bare


class Wait:
    """One wait for the newest message that matches.

    Args:
        gateway: where messages arrive.
        number: only messages to this number; None for all.
        search: only messages that it finds.
        after: only messages with a larger sequence.
        seconds: how long to wait.
    """

    def __init__(
        self,
        gateway: Gateway,
        number: str | None,
        search: Search,
        after: int,
        seconds: float,
    ) -> None:
        self._gateway = gateway
        self._number = number
        self._search = search
        self._after = after
        self._seconds = seconds
        self._until = monotonic() + seconds
        self._revision: int | None = None
        self._looked_at = 0.0
        log = gateway.call_log
        self._last_call = log[-1].number if log else 0

    def look(self) -> SandboxMessage | None:
        """Return the newest message that matches, None if there is none."""
        revision, now = self._gateway.revision, monotonic()
        moved = now - self._looked_at >= _MOVING_SECONDS
        if revision == self._revision and not moved:
            return None
        self._revision, self._looked_at = revision, now
        page = self._gateway.page(
            number=self._number, search=self._search, before=None, after=None, limit=1
        )
        newest = page.messages[-1] if page.messages else None
        return newest if newest and newest.sequence > self._after else None

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return monotonic() >= self._until

    def timed_out(self) -> TimeoutError:
        """Return the error that says what happened in place of an arrival."""
        made = self._gateway.call_page(
            outcome=None, operation="SendSMS", after=self._last_call, limit=10**6
        ).calls
        refused = sum(call.outcome is CallOutcome.REFUSED for call in made)
        return TimeoutError(
            f"no message that matches arrived within {self._seconds:g} s; calls of SendSMS in this"
            f" time: {len(made)}, refused: {refused} (see Sandbox.call_log)"
        )
