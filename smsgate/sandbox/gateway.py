"""The gateway without a network: accounts, messages, sessions and calls, behind one lock.

Rule of this file: every public method takes the lock, so a test can read the state while the server
works.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from threading import Lock

from ..protocol.answers import Answer, DeliveryState
from ..protocol.operation import Operation
from .account import AccountRow
from .account_settings import AccountState, Settings
from .call_log import CallLog, CallPage, Judged, SandboxCall
from .exchanges import RawExchange
from .faults import FaultRule
from .handlers import HANDLERS, Result, judged_refusal
from .keeping import CallChanges, Counters, Keeping, Kept, KeptFrom, NoDatabase
from .message_centre import MessageCentre
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
    accounts: tuple[AccountRow, ...]
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
    """The accounts, messages, sessions and calls. Thread-safe."""

    SHOWN_SESSIONS = 50

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        database: Keeping,
        arrived: Callable[[Sequence[SandboxMessage]], None],
    ) -> None:
        """Begin with what the database keeps.

        Args:
            arrived: called with the messages of each call that accepted some. It must return at
                once.
        """
        self._lock = Lock()
        self._database = database
        self._arrived = arrived
        self._centre = MessageCentre(settings, clock)
        self._sessions = PhpSessions(
            settings.session_idle_seconds, settings.session_calls, clock, self._centre.random
        )
        self._call_log = CallLog(settings.keep_calls)
        self._revision = 0
        kept = database.load()
        self.kept_faults: tuple[FaultRule, ...] = kept.faults
        """The faults that an earlier run has left."""
        self._restore(kept)

    def _restore(self, kept: Kept) -> None:
        centre, log = self._centre, self._call_log
        for login, (state, balance) in kept.accounts.items():
            if account := centre.accounts.get(login):
                account.state, account.credits = state, balance
        sequences: dict[int, list[int]] = {}
        for message, call in kept.messages:
            centre.add(message)
            sequences.setdefault(call, []).append(message.sequence)
        log.last = kept.counters.calls
        known = set()
        for one in kept.calls:
            log.add(one, None)
            known.add(one.number)
        for number, exchange in kept.exchanges:
            if number in sequences:
                centre.store.add_exchange(sequences[number], number, exchange)
            if number in known:
                log.add_exchange(number, exchange)
        for session in kept.sessions:
            if session.login in (None, *centre.accounts):
                self._sessions.add(session)
        centre.store.last, log.last = kept.counters.messages, kept.counters.calls
        centre.calls.update(kept.counters.operations)
        self._forget_old()

    @property
    def settings(self) -> Settings:
        """The settings, which do not change."""
        return self._centre.settings

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
            self._database.delete_session(session)
            return self._sessions.open(None)

    def call(
        self, session: PhpSession, operation: Operation[object], arguments: Mapping[str, str]
    ) -> Answered:
        """Return the answer of an operation. A missing argument counts as empty."""
        handler = HANDLERS[operation.name]
        with self._lock:
            self._forget_old()
            self._centre.calls[operation.name] += 1
            before = self._centre.store.last
            if handler.needs_login and not session.authorised:
                sentence = self.settings.sentences.get(
                    Answer.NOT_AUTHORISED, self.settings.unauthorised
                )
                result: Result = (sentence,) if operation.array else sentence
                judged = judged_refusal(result)
            else:
                result = handler.answers(self._centre, session, arguments)
                judged = handler.judges(self._centre, result, self._centre.store.last - before)
            return Answered(result, judged, range(before + 1, self._centre.store.last + 1))

    def record(
        self,
        operation: str | None,
        session: PhpSession | None,
        judged: Judged,
        exchange: RawExchange,
        accepted: range = range(0),
    ) -> None:
        """Add a call to the list of calls, and its request and answer to the accepted messages.

        Everything that the call has changed is in the database when this returns. A password is
        never stored, whoever sent it and however wrong it was.

        Raises:
            SandboxDatabaseError: it could not be written.
        """
        exchange = replace(exchange, request=masked(operation, exchange.request))
        with self._lock:
            number, centre = self._call_log.last + 1, self._centre
            messages = centre.store.at(accepted)
            if messages:
                centre.store.add_exchange(accepted, number, exchange)
            call = SandboxCall(
                number=number,
                at=centre.clock(),
                operation=operation,
                session=session.key if session else "",
                outcome=judged.outcome,
                answer=judged.answer,
                fault=exchange.fault,
                messages=accepted,
            )
            self._call_log.add(call, exchange)
            self._forget_old()
            self._revision += 1
            account = centre.account_of(session) if session and messages else None
            self._database.add_call(
                CallChanges(
                    call, exchange, session, messages, account, self._counters, self._kept_from
                )
            )
            if messages:
                self._arrived(self._centre.seen(messages))

    @property
    def _counters(self) -> Counters:
        return Counters(self._centre.store.last, self._call_log.last, self._centre.calls)

    @property
    def _kept_from(self) -> KeptFrom:
        store, log = self._centre.store, self._call_log
        exchanges = [
            first for first in (store.first_exchange, log.first_exchange) if first is not None
        ]
        return KeptFrom(store.first, log.first, min(exchanges, default=log.last + 1))

    def _forget_old(self) -> None:
        """Delete what is older than the limit of the settings."""
        keep = self.settings.keep_seconds
        if keep is None:
            return
        moment = self._centre.clock() - keep
        messages = self._centre.store.forget_before(moment)
        if self._call_log.forget_before(moment) or messages:
            self._revision += 1
            self._database.delete_old(self._kept_from)

    # For tests and the inbox page

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """All stored messages with their current states, oldest first."""
        with self._lock:
            self._forget_old()
            return self._centre.seen(self._centre.store)

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
            self._forget_old()
            found = list(self._centre.store.found(self._finds(search), number))
            low = 0 if after is None else bisect_right(found, after)
            high = len(found) if before is None else bisect_left(found, before)
            start, stop = (
                (max(low, high - limit), high) if after is None else (low, min(high, low + limit))
            )
            return Page(
                len(found),
                self._centre.seen(self._centre.store.at(found[start:stop])),
                start > 0,
                stop < len(found),
            )

    def threads(self, search: Search, offset: int, limit: int) -> tuple[int, tuple[Thread, ...]]:
        """Return the number of matching conversations, and `limit` of them, newest first."""
        with self._lock:
            self._forget_old()
            rows = self._centre.store.threads(self._finds(search))
            shown = rows[offset : offset + limit]
            latest = self._centre.seen(self._centre.store.at(last for _, _, last in shown))
            return len(rows), tuple(
                Thread(row[0], row[1], last) for row, last in zip(shown, latest, strict=True)
            )

    def _finds(self, search: Search) -> Finds | None:
        if not search:
            return None
        now = self._centre.clock()

        def state_of(message: SandboxMessage) -> DeliveryState:
            return self._centre.state_of(message, now)

        return lambda message, searched: search.finds(message, searched, state_of)

    def message(self, message_id: str) -> tuple[SandboxMessage, RawExchange | None]:
        """Return a message, and its raw request and answer if they are still stored.

        Raises:
            LookupError: there is no message with this id.
        """
        with self._lock:
            self._forget_old()
            message = self._centre.known(message_id)
            return self._centre.seen([message])[0], self._centre.store.exchange_of(message)

    def set_status(self, message_id: str, state: DeliveryState | None) -> SandboxMessage:
        """Set the state of a message from now on; None returns to the schedule.

        Raises:
            LookupError: there is no message with this id.
        """
        with self._lock:
            message = self._centre.known(message_id)
            changed = replace(message, forced=state is not None, state=state or DeliveryState.SENT)
            self._centre.replace(changed)
            self._revision += 1
            self._database.set_message(changed)
            return self._centre.seen([changed])[0]

    def delete_message(self, message_id: str) -> None:
        """Delete one message. Counters and balance stay.

        Raises:
            LookupError: there is no message with this id.
        """
        with self._lock:
            self._delete([self._centre.known(message_id).sequence])

    def delete_found(self, *, number: str | None, search: Search, before: int | None) -> int:
        """Delete the messages that a search finds, and return how many. Counters and balance stay.

        Args:
            number: only messages to this number; None for all.
            search: only messages that it finds.
            before: only messages with a smaller sequence; None for all.
        """
        with self._lock:
            found = list(self._centre.store.found(self._finds(search), number))
            self._delete(found if before is None else found[: bisect_left(found, before)])
            return len(found) if before is None else bisect_left(found, before)

    def _delete(self, sequences: Sequence[int]) -> None:
        self._centre.store.delete(sequences)
        self._revision += 1
        self._database.delete_messages(sequences)

    @property
    def call_log(self) -> tuple[SandboxCall, ...]:
        """All stored calls, oldest first."""
        with self._lock:
            return tuple(self._call_log)

    def messages_of(self, call: SandboxCall) -> tuple[SandboxMessage, ...]:
        """Return the messages that this call accepted, oldest first, if they are still stored."""
        with self._lock:
            return self._centre.seen(self._centre.store.at(call.messages))

    def call_page(
        self, *, outcome: str | None, operation: str | None, after: int, limit: int
    ) -> CallPage:
        """Return the newest `limit` calls with this outcome and operation, newest first."""
        with self._lock:
            self._forget_old()
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
    def accounts(self) -> tuple[AccountRow, ...]:
        """Login, state and balance of each account, that of the settings' `login` first."""
        with self._lock:
            return self._account_rows()

    def _account_rows(self) -> tuple[AccountRow, ...]:
        return tuple(
            AccountRow(one.login, one.state, one.credits) for one in self._centre.accounts.values()
        )

    def set_account(
        self,
        login: str | None = None,
        *,
        state: AccountState | None = None,
        balance: Decimal | None = None,
    ) -> None:
        """Set state or balance of an account. A new state ends its sessions and applies now.

        Args:
            login: the account; None for the first one.

        Raises:
            LookupError: no account has this login.
        """
        with self._lock:
            account = self._centre.accounts.get(self.settings.login if login is None else login)
            if account is None:
                raise LookupError("key: no account has this login")
            if balance is not None:
                account.credits = balance
            if state is not None:
                account.state = state
                self._sessions.drop(account.login)
            self._revision += 1
            self._database.set_account(account, ends_sessions=state is not None)

    @property
    def calls(self) -> Counter[str]:
        """The number of calls of each operation, including refused ones."""
        with self._lock:
            return self._centre.calls.copy()

    @property
    def overview(self) -> Overview:
        """The state, with counters."""
        with self._lock:
            self._forget_old()
            now, first = self._centre.clock(), self._account_rows()[0]
            sessions = tuple(
                replace(session) for session in islice(self._sessions, self.SHOWN_SESSIONS)
            )
            return Overview(
                revision=self._revision,
                account=first.state,
                balance=first.balance,
                accounts=self._account_rows(),
                kept=len(self._centre.store),
                accepted=self._centre.store.last,
                conversations=self._centre.store.conversations,
                moving=now < self._centre.settled_at,
                calls=self._centre.calls.copy(),
                sessions=sessions,
                session_count=len(self._sessions),
                now=now,
            )

    @property
    def revision(self) -> int:
        """A number that grows with each change, but not with the delivery schedule."""
        if self.settings.keep_seconds is not None:
            with self._lock:
                self._forget_old()
        return self._revision

    def touch(self) -> None:
        """Increase the revision, because something else that the inbox shows has changed."""
        with self._lock:
            self._revision += 1

    def set_faults(self, rules: tuple[FaultRule, ...]) -> None:
        """Keep these faults. The revision grows, because the inbox shows them."""
        with self._lock:
            self._revision += 1
            self._database.set_faults(rules)

    def drop_sessions(self) -> None:
        """End all sessions: every cookie becomes invalid."""
        with self._lock:
            self._sessions.drop()
            self._revision += 1
            self._database.delete_session(None)

    def drop_session(self, key: str) -> None:
        """End the session with this key. Raises `LookupError` if there is none."""
        with self._lock:
            session = next((session for session in self._sessions if session.key == key), None)
            if session is None:
                raise LookupError("key: no session has this key")
            self._sessions.drop_one(session)
            self._revision += 1
            self._database.delete_session(session)

    def clear(self) -> None:
        """Delete messages and counters and restore the balances. Sessions stay."""
        with self._lock:
            self._start(sessions=False)

    def reset(self) -> None:
        """Delete messages, counters and sessions, and restore the accounts from the settings."""
        with self._lock:
            for account in self._centre.accounts.values():
                account.state = self.settings.account
            self._sessions.drop()
            self._start(sessions=True)

    def _start(self, *, sessions: bool) -> None:
        self._centre.start()
        self._call_log.clear()
        self._revision += 1
        accounts = self._centre.accounts.values()
        self._database.clear(accounts, self._counters, sessions=sessions)

    def close(self) -> None:
        """Write nothing more into the database. Messages and counters can still be read."""
        with self._lock:
            self._database.close()
            self._database = NoDatabase()
