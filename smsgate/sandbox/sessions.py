"""Sessions as PHP keeps them: an id in a cookie, forgotten when idle (protocol, section 3).

Rule of this file: a session id that we did not give out, or have forgotten, is never taken over; its bearer gets a new one.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["PhpSession", "PhpSessions"]

_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 26


@dataclass(slots=True)
class PhpSession:
    """One session: its id, whether Auth succeeded in it, and when it was last used."""

    id: str = field(repr=False)
    used_at: float
    authorised: bool = False


class PhpSessions:
    """The sessions that are alive, by id."""

    def __init__(self, idle_seconds: float, clock: Callable[[], float]) -> None:
        self._idle_seconds = idle_seconds
        self._clock = clock
        # Least recently used first, so that forgetting looks only at those that are forgotten.
        self._sessions: dict[str, PhpSession] = {}

    def open(self, session_id: str | None) -> PhpSession:
        """Return the session with this id, or a new one with a new id."""
        now = self._clock()
        self._forget_idle(now)
        session = self._sessions.pop(session_id or "", None) or PhpSession(_new_id(), now)
        session.used_at = now
        self._sessions[session.id] = session
        return session

    def drop(self) -> None:
        """Forget all sessions at once."""
        self._sessions.clear()

    def _forget_idle(self, now: float) -> None:
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if now - oldest.used_at < self._idle_seconds:
                return
            del self._sessions[oldest.id]


def _new_id() -> str:
    # One draw and 26 divisions: `secrets.choice` 26 times would cost more than the rest of a request.
    number = secrets.randbelow(len(_ALPHABET) ** _LENGTH)
    letters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return "".join(letters)
