"""Sessions like those of PHP: an id in a cookie, and expiry when idle.

See docs: wire format, "Cookies". Rule of this file: an unknown or expired session id is never
adopted; the client gets a new id.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

__all__ = ["PhpSession", "PhpSessions"]

_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 26


@dataclass(slots=True)
class PhpSession:
    """One session: its id, its times of opening and last use, its calls, and its login.

    `login` is the account that it is logged in to, None if it is not logged in.
    """

    id: str = field(repr=False)
    opened_at: float
    used_at: float
    calls: int = 0
    login: str | None = None

    @property
    def authorised(self) -> bool:
        """Whether it is logged in."""
        return self.login is not None

    @property
    def key(self) -> str:
        """A public name for the session. It does not reveal the cookie."""
        return sha256(self.id.encode()).hexdigest()[:8]


class PhpSessions:
    """The live sessions, by id."""

    def __init__(
        self,
        idle_seconds: float,
        most_calls: int | None,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._idle_seconds = idle_seconds
        self._most_calls = most_calls
        self._clock = clock
        self._random = random
        # Least recently used first, so that expiry checks only the oldest sessions.
        self._sessions: dict[str, PhpSession] = {}

    def open(self, session_id: str | None) -> PhpSession:
        """Return the session with this id, or a new one with a new id."""
        now = self._clock()
        self._forget_idle(now)
        session = self._sessions.pop(session_id or "", None)
        if session is None or session.calls == self._most_calls:
            session = PhpSession(self._new_id(), now, now)
        session.used_at = now
        session.calls += 1
        self._sessions[session.id] = session
        return session

    def __iter__(self) -> Iterator[PhpSession]:
        """Yield the live sessions, most recently used first."""
        self._forget_idle(self._clock())
        return reversed(self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: PhpSession) -> None:
        """Add a session of an earlier run, in the order of last use."""
        self._sessions[session.id] = session

    def drop(self, login: str | None = None) -> None:
        """End all sessions, or those of an account and those that are not logged in."""
        self._sessions = {
            id_: session
            for id_, session in self._sessions.items()
            if login is not None and session.login not in (login, None)
        }

    def drop_one(self, session: PhpSession) -> None:
        """End this session, if it is alive."""
        self._sessions.pop(session.id, None)

    def _forget_idle(self, now: float) -> None:
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if now - oldest.used_at < self._idle_seconds:
                return
            del self._sessions[oldest.id]

    def _new_id(self) -> str:
        # With a seed, a kept session may have the same id.
        while (made := self._random_id()) in self._sessions:
            pass
        return made

    def _random_id(self) -> str:
        # One random number and 26 divisions; 26 random numbers would be too slow.
        number = self._random.randrange(len(_ALPHABET) ** _LENGTH)
        letters = []
        for _ in range(_LENGTH):
            number, digit = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[digit])
        return "".join(letters)
