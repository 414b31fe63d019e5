"""The gateway without I/O: the account and its sessions, behind one lock.

Rule of this file: every public method takes the lock, so a test can read the state while the server
works.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from threading import Lock

from ..protocol.answers import Answer, DeliveryState
from ..protocol.operation import Operation
from .account import SandboxAccount
from .account_settings import AccountState, Settings
from .call_log import CallLog, CallPage, Judged, SandboxCall
from .exchanges import RawExchange
from .handlers import HANDLERS, Result, judged_refusal
from .request_masking import masked
from .search import Search
from .sessions import PhpSession, PhpSessions
from .store import Finds, SandboxMessage

__all__ = ["Answered", "Gateway", "Overview", "Page", "Thread"]


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of an operation, its outcome, and the sequences of the messages accepted."""

    result: Result
    judged: Judged
    accepted: range


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the matching messages, in order. `older` and `newer`: whether there are more."""

    total: int
    messages: tuple[SandboxMessage, ...]
    older: bool
    newer: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """The messages to one number: their count and the newest one."""

    number: str
    messages: int
    last: SandboxMessage


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the gateway.

    `revision` grows with each change, but not when a delivery status changes by the schedule.
    """

    revision: int
    account: AccountState
    balance: Decimal
    kept: int
    accepted: int
    conversations: int
    moving: bool
    """Whether a delivery status may still change by the schedule."""
    calls: Counter[str]
    sessions: tuple[PhpSession, ...]
    """At most `SHOWN_SESSIONS`, most recently used first."""
    session_count: int
    now: float


class Gateway:
    """One account and its state. Thread-safe."""

    SHOWN_SESSIONS = 50

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._lock = Lock()
        self._account = SandboxAccount(settings, clock)
        self._sessions = PhpSessions(
            settings.session_idle_seconds, settings.session_calls, clock, self._account.random
        )
        self._call_log = CallLog(settings.keep_calls)
        self._revision = 0

    @property
    def settings(self) -> Settings:
        """The settings, which do not change."""
        return self._account.settings

    # For the server

    def open_session(self, session_id: str | None) -> PhpSession:
        """Return the session of this cookie, or a new session with another id."""
        with self._lock:
            self._revision += 1
            return self._sessions.open(session_id)

    def lose_session(self, session: PhpSession) -> PhpSession:
        """End a session during its request, and return a new session for the same request."""
        with self._lock:
            self._sessions.drop_one(session)
            return self._sessions.open(None)

    def call(
        self, session: PhpSession, operation: Operation[object], arguments: Mapping[str, str]
    ) -> Answered:
        """Return the answer of an operation. A missing argument counts as empty."""
        handler = HANDLERS[operation.name]
        with self._lock:
            self._account.calls[operation.name] += 1
            before = self._account.store.last
            if handler.needs_login and not session.authorised:
                sentence = self.settings.sentences.get(
                    Answer.NOT_AUTHORISED, self.settings.unauthorised
                )
                result: Result = (sentence,) if operation.array else sentence
                judged = judged_refusal(result)
            else:
                result = handler.answers(self._account, session, arguments)
                judged = handler.judges(self._account, result, self._account.store.last - before)
            return Answered(result, judged, range(before + 1, self._account.store.last + 1))

    def record(
        self,
        operation: str | None,
        session: str,
        judged: Judged,
        exchange: RawExchange,
        accepted: range = range(0),
    ) -> None:
        """Add a call to the list of calls, and its request and answer to the accepted messages.

        A password is never stored, whoever sent it and however wrong it was.
        """
        exchange = replace(exchange, request=masked(operation, exchange.request))
        with self._lock:
            if accepted:
                self._account.store.add_exchange(accepted, exchange)
            call = SandboxCall(
                number=self._call_log.last + 1,
                at=self._account.clock(),
                operation=operation,
                session=session,
                outcome=judged.outcome,
                answer=judged.answer,
                fault=exchange.fault,
                messages=accepted,
            )
            self._call_log.add(call, exchange)
            self._revision += 1

    # For tests and the inbox page

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """All stored messages with their current states, oldest first."""
        with self._lock:
            return self._account.seen(self._account.store)

    def page(
        self,
        *,
        number: str | None,
        search: Search,
        before: int | None,
        after: int | None,
        limit: int,
    ) -> Page:
        """Return at most `limit` matching messages: the oldest after `after`, else the newest.

        Args:
            number: only messages to this number; None for all.
            search: only messages that it finds.
            before: only messages with a smaller sequence.
            after: only messages with a larger sequence.
            limit: maximum number of messages.
        """
        with self._lock:
            found = list(self._account.store.found(self._finds(search), number))
            low = 0 if after is None else bisect_right(found, after)
            high = len(found) if before is None else bisect_left(found, before)
            start, stop = (
                (max(low, high - limit), high) if after is None else (low, min(high, low + limit))
            )
            return Page(
                len(found),
                self._account.seen(self._account.store.at(found[start:stop])),
                start > 0,
                stop < len(found),
            )

    def threads(self, search: Search, offset: int, limit: int) -> tuple[int, tuple[Thread, ...]]:
        """Return the number of matching conversations, and `limit` of them, newest first."""
        with self._lock:
            rows = self._account.store.threads(self._finds(search))
            shown = rows[offset : offset + limit]
            latest = self._account.seen(self._account.store.at(last for _, _, last in shown))
            return len(rows), tuple(
                Thread(row[0], row[1], last) for row, last in zip(shown, latest, strict=True)
            )

    def _finds(self, search: Search) -> Finds | None:
        if not search:
            return None
        now = self._account.clock()

        def state_of(message: SandboxMessage) -> DeliveryState:
            return self._account.state_of(message, now)

        return lambda message, searched: search.finds(message, searched, state_of)

    def message(self, message_id: str) -> tuple[SandboxMessage, RawExchange | None]:
        """Return a message, and its raw request and answer if they are still stored.

        Raises:
            LookupError: there is no message with this id.
        """
        with self._lock:
            message = self._account.known(message_id)
            return self._account.seen([message])[0], self._account.store.exchange_of(message)

    def set_status(self, message_id: str, state: DeliveryState | None) -> SandboxMessage:
        """Set the state of a message from now on; None returns to the schedule.

        Raises:
            LookupError: there is no message with this id.
        """
        with self._lock:
            message = self._account.known(message_id)
            changed = replace(message, forced=state is not None, state=state or DeliveryState.SENT)
            self._account.store.replace(changed)
            self._account.unfinished[message_id] = None
            self._revision += 1
            return self._account.seen([changed])[0]

    @property
    def call_log(self) -> tuple[SandboxCall, ...]:
        """All stored calls, oldest first."""
        with self._lock:
            return tuple(self._call_log)

    def messages_of(self, call: SandboxCall) -> tuple[SandboxMessage, ...]:
        """Return the messages that this call accepted, oldest first, if they are still stored."""
        with self._lock:
            return self._account.seen(self._account.store.at(call.messages))

    def call_page(
        self, *, outcome: str | None, operation: str | None, after: int, limit: int
    ) -> CallPage:
        """Return the newest `limit` calls with this outcome and operation, newest first."""
        with self._lock:
            return self._call_log.page(
                outcome=outcome, operation=operation, after=after, limit=limit
            )

    def one_call(self, number: int) -> tuple[SandboxCall, RawExchange | None]:
        """Return a call, and its request and reply if they are still stored.

        Raises:
            LookupError: there is no call with this number.
        """
        with self._lock:
            return self._call_log.get(number)

    @property
    def balance(self) -> Decimal:
        """The balance in credits."""
        with self._lock:
            return self._account.credits

    @balance.setter
    def balance(self, value: Decimal) -> None:
        with self._lock:
            self._account.credits = value
            self._revision += 1

    @property
    def account(self) -> AccountState:
        """Whether the account may log in. A change ends all gateway sessions and applies now."""
        with self._lock:
            return self._account.state

    @account.setter
    def account(self, value: AccountState) -> None:
        with self._lock:
            self._account.state = value
            self._sessions.drop()
            self._revision += 1

    @property
    def calls(self) -> Counter[str]:
        """The number of calls of each operation, including refused ones."""
        with self._lock:
            return self._account.calls.copy()

    @property
    def overview(self) -> Overview:
        """The state, with counters."""
        with self._lock:
            now = self._account.clock()
            sessions = tuple(
                replace(session) for session in islice(self._sessions, self.SHOWN_SESSIONS)
            )
            return Overview(
                revision=self._revision,
                account=self._account.state,
                balance=self._account.credits,
                kept=len(self._account.store),
                accepted=self._account.store.last,
                conversations=self._account.store.conversations,
                moving=now < self._account.settled_at,
                calls=self._account.calls.copy(),
                sessions=sessions,
                session_count=len(self._sessions),
                now=now,
            )

    @property
    def revision(self) -> int:
        """A number that grows with each change, but not with the delivery schedule."""
        return self._revision

    def touch(self) -> None:
        """Increase the revision, because something else that the inbox shows has changed."""
        with self._lock:
            self._revision += 1

    def drop_sessions(self) -> None:
        """End all sessions: every cookie becomes invalid."""
        with self._lock:
            self._sessions.drop()
            self._revision += 1

    def drop_session(self, key: str) -> None:
        """End the session with this key. Raises `LookupError` if there is none."""
        with self._lock:
            session = next((session for session in self._sessions if session.key == key), None)
            if session is None:
                raise LookupError("key: no session has this key")
            self._sessions.drop_one(session)
            self._revision += 1

    def clear(self) -> None:
        """Delete messages and counters and restore the balance. Sessions stay."""
        with self._lock:
            self._start()

    def reset(self) -> None:
        """Delete messages, counters and sessions, and restore the account from the settings."""
        with self._lock:
            self._account.state = self.settings.account
            self._sessions.drop()
            self._start()

    def _start(self) -> None:
        self._account.start()
        self._call_log.clear()
        self._revision += 1
