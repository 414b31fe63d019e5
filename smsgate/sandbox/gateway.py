"""The gateway without I/O: the account, its messages, and a table of handlers for the operations.

Rule of this file: every public method takes the lock and every private method runs under it, so a
test can read the state while the server works. A comment marks each decision that the gateway's
documentation leaves open.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from random import Random, SystemRandom
from threading import Lock
from typing import NamedTuple, TypeAlias
from uuid import UUID

from ..protocol.answers import Answer, DeliveryState
from ..protocol.models import is_sender
from ..protocol.operation import Operation
from ..protocol.segments import Alphabet, Segments, segments
from .account_settings import AccountState, FailedSlot, Settings
from .magic_numbers import answer_to_all, last_state, refusal, state_after
from .sentences import say, say_in_slot, say_state
from .sessions import PhpSession, PhpSessions
from .store import RawExchange, SandboxMessage, Saving, Store

__all__ = ["HANDLERS", "Answered", "Gateway", "Overview", "Page", "Result", "Thread"]

Result: TypeAlias = str | tuple[str | None, ...]
"""The result of an operation: a string, or the slots of an array; None is written as nil."""

_SLOTS: dict[FailedSlot, Callable[[str], str | None]] = {
    FailedSlot.SENTENCE: lambda sentence: sentence,
    FailedSlot.EMPTY: lambda _: "",
    FailedSlot.NIL: lambda _: None,
}
# Together with success, these get a general sentence (docs: wire format, "Joined sentences").
_BESIDE_SUCCESS = {
    Answer.COUNTRY_NOT_SERVED: Answer.PARTLY_SENT,
    Answer.CANNOT_SEND: Answer.PARTLY_SENT,
}
_FEW = 3
"""Maximum number of characters that force UCS-2 for which the inbox shows a hint."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of an operation, and the sequences of the messages that it accepted."""

    result: Result
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
        self.settings = settings
        self._clock = clock
        self._lock = Lock()
        self._random = SystemRandom() if settings.seed is None else Random(settings.seed)  # noqa: S311 - repeatable on purpose
        self._sessions = PhpSessions(
            settings.session_idle_seconds, settings.session_calls, clock, self._random
        )
        self._revision = 0
        self._account = settings.account
        self._start()

    def _start(self) -> None:
        self._credits = Decimal(self.settings.credits)
        self._store = Store(self.settings.keep_messages)
        self._open: dict[str, None] = {}  # ids of messages not yet seen in a final state
        self._calls: Counter[str] = Counter()
        self._settled_at = 0.0

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
        handler, needs_login = HANDLERS[operation.name]
        with self._lock:
            self._calls[operation.name] += 1
            before = self._store.last
            if needs_login and not session.authorised:
                sentence = self.settings.sentences.get(
                    Answer.NOT_AUTHORISED, self.settings.unauthorised
                )
                result: Result = (sentence,) if operation.array else sentence
            else:
                result = handler(self, session, arguments)
            return Answered(result, range(before + 1, self._store.last + 1))

    def keep_exchange(self, accepted: range, exchange: RawExchange) -> None:
        """Store the raw request and answer of accepted messages."""
        with self._lock:
            self._store.add_exchange(accepted, exchange)

    # For tests and the inbox page

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """All stored messages with their current states, oldest first."""
        with self._lock:
            return self._seen(self._store)

    def page(
        self, *, number: str | None, search: str, before: int | None, after: int | None, limit: int
    ) -> Page:
        """Return at most `limit` matching messages: the oldest after `after`, else the newest.

        Args:
            number: only messages to this number; None for all.
            search: only messages that contain this text, in any case.
            before: only messages with a smaller sequence.
            after: only messages with a larger sequence.
            limit: maximum number of messages.
        """
        with self._lock:
            found = list(self._store.found(search, number))
            low = 0 if after is None else bisect_right(found, after)
            high = len(found) if before is None else bisect_left(found, before)
            start, stop = (
                (max(low, high - limit), high) if after is None else (low, min(high, low + limit))
            )
            return Page(
                len(found),
                self._seen(self._store.at(found[start:stop])),
                start > 0,
                stop < len(found),
            )

    def threads(self, search: str, offset: int, limit: int) -> tuple[int, tuple[Thread, ...]]:
        """Return the number of matching conversations, and `limit` of them, newest first."""
        with self._lock:
            rows = self._store.threads(search)
            shown = rows[offset : offset + limit]
            latest = self._seen(self._store.at(last for _, _, last in shown))
            return len(rows), tuple(
                Thread(row[0], row[1], last) for row, last in zip(shown, latest, strict=True)
            )

    def message(self, message_id: str) -> tuple[SandboxMessage, RawExchange | None]:
        """Return a message, and its raw request and answer if they are still stored.

        Raises:
            LookupError: there is no message with this id.
        """
        with self._lock:
            message = self._known(message_id)
            return self._seen([message])[0], self._store.exchange_of(message)

    def set_status(self, message_id: str, state: DeliveryState | None) -> SandboxMessage:
        """Set the state of a message from now on; None returns to the schedule.

        Raises:
            LookupError: there is no message with this id.
        """
        with self._lock:
            message = self._known(message_id)
            changed = replace(message, forced=state is not None, state=state or DeliveryState.SENT)
            self._store.replace(changed)
            self._open[message_id] = None
            self._revision += 1
            return self._seen([changed])[0]

    @property
    def balance(self) -> Decimal:
        """The balance in credits."""
        with self._lock:
            return self._credits

    @balance.setter
    def balance(self, value: Decimal) -> None:
        with self._lock:
            self._credits = value
            self._revision += 1

    @property
    def account(self) -> AccountState:
        """Whether the account may log in. Changing it ends all sessions, so it applies at once."""
        with self._lock:
            return self._account

    @account.setter
    def account(self, value: AccountState) -> None:
        with self._lock:
            self._account = value
            self._sessions.drop()
            self._revision += 1

    @property
    def calls(self) -> Counter[str]:
        """The number of calls of each operation, including refused ones."""
        with self._lock:
            return self._calls.copy()

    @property
    def overview(self) -> Overview:
        """The state, with counters."""
        with self._lock:
            now = self._clock()
            sessions = tuple(
                replace(session) for session in islice(self._sessions, self.SHOWN_SESSIONS)
            )
            return Overview(
                revision=self._revision,
                account=self._account,
                balance=self._credits,
                kept=len(self._store),
                accepted=self._store.last,
                conversations=self._store.conversations,
                moving=now < self._settled_at,
                calls=self._calls.copy(),
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
            self._revision += 1

    def reset(self) -> None:
        """Delete messages, counters and sessions, and restore the account from the settings."""
        with self._lock:
            self._account = self.settings.account
            self._sessions.drop()
            self._start()
            self._revision += 1

    # The five operations

    def _auth(self, session: PhpSession, arguments: Mapping[str, str]) -> Result:
        login, password = arguments.get("login"), arguments.get("password")
        if not login or not password:
            return self._say(Answer.MISSING_PARAMETERS)
        right = login == self.settings.login and password == self.settings.password
        answer = self._account.answer if right else Answer.BAD_CREDENTIALS
        # Documented: after a failed Auth, the session is not authorised.
        session.authorised = answer is Answer.AUTHORISED
        return self._say(answer)

    def _get_credit_balance(self, _session: PhpSession, _arguments: Mapping[str, str]) -> Result:
        return f"{self._credits:f}"

    def _send_sms(self, _session: PhpSession, arguments: Mapping[str, str]) -> Result:
        sender, destination = arguments.get("sender"), arguments.get("destination")
        text, wappush = arguments.get("text") or None, arguments.get("wappush") or None
        if not sender or not destination or not (text or wappush):
            return (self._say(Answer.MISSING_PARAMETERS),)
        numbers = destination.split(",")
        size = _size(text)
        whole = self._refusal_of_sender(sender) or answer_to_all(numbers)
        if whole or size is None:
            return (self._say(whole or Answer.NOT_SAVED),)
        refusals = [refusal(number) for number in numbers]
        payable = [position for position, refused in enumerate(refusals) if refused is None]
        paid = min(len(payable), int(self._credits // size.parts))
        missing = format(len(payable) * size.parts - self._credits, "f")
        unpaid = payable[paid:]
        if unpaid and not (self.settings.pay_in_part and paid):
            return (self._say(Answer.NOT_ENOUGH_CREDITS, missing=missing),)
        for position in unpaid:
            refusals[position] = Answer.NOT_ENOUGH_CREDITS
        slots = tuple(
            self._accept(number, sender, text, wappush, size)
            if refused is None
            else self._failed_slot(refused, number, missing)
            for number, refused in zip(numbers, refusals, strict=True)
        )
        return (self._head(refusals, missing), *slots)

    def _get_new_messages(self, _session: PhpSession, _arguments: Mapping[str, str]) -> Result:
        now = self._clock()
        # Not documented: an id is listed until its status is final, not only once.
        self._open = {
            id_: None
            for id_ in self._open
            if (message := self._store.get(id_)) is not None and not self._state(message, now).final
        }
        return tuple(self._open)

    def _get_message_status(self, _session: PhpSession, arguments: Mapping[str, str]) -> Result:
        asked = arguments.get("MessageId")
        if not asked:
            return self._say(Answer.MISSING_PARAMETERS)
        message = self._store.get(asked)
        if message is None:
            return self._say(Answer.MESSAGE_NOT_FOUND, id=asked)
        return say_state(self._state(message, self._clock()))

    # Helpers

    def _say(self, meaning: Answer, **filled: str) -> str:
        return self.settings.sentences.get(meaning) or say(meaning, **filled)

    def _head(self, refusals: list[Answer | None], missing: str) -> str:
        """Return the text before the slots: each error once, success last.

        See docs: wire format, "Joined sentences".
        """
        complaints = dict.fromkeys(refused for refused in refusals if refused)
        if None in refusals:
            complaints = dict.fromkeys(
                [
                    *(_BESIDE_SUCCESS.get(complaint, complaint) for complaint in complaints),
                    Answer.SENT,
                ]
            )
        return " | ".join(
            self._say(meaning, missing=missing)
            if meaning is Answer.NOT_ENOUGH_CREDITS
            else self._say(meaning)
            for meaning in complaints
        )

    def _refusal_of_sender(self, sender: str) -> Answer | None:
        if not is_sender(sender):
            return Answer.BAD_SENDER
        approved = self.settings.senders is None or sender in self.settings.senders
        return (
            None
            if approved and sender not in self.settings.forbidden_senders
            else Answer.SENDER_FORBIDDEN
        )

    def _accept(
        self, number: str, sender: str, text: str | None, wappush: str | None, size: _Size
    ) -> str:
        now, jitter = self._clock(), self.settings.delivery_jitter
        message = SandboxMessage(
            id=str(UUID(int=self._random.getrandbits(128), version=4)),
            sequence=self._store.last + 1,
            destination=number,
            sender=sender,
            text=text,
            wappush=wappush,
            parts=size.parts,
            alphabet=size.alphabet,
            saving=size.saving,
            credits=Decimal(size.parts),
            accepted_at=now,
            ends=last_state(number),
            takes=self.settings.delivery_seconds
            * (self._random.uniform(1 - jitter, 1 + jitter) if jitter else 1),
        )
        self._credits -= message.credits
        self._store.add(message)
        self._open[message.id] = None
        if len(self._open) > self.settings.keep_messages:
            del self._open[next(iter(self._open))]
        self._settled_at = max(self._settled_at, now + message.takes)
        return message.id

    def _failed_slot(self, refused: Answer, number: str, missing: str) -> str | None:
        short = refused is Answer.NOT_ENOUGH_CREDITS
        sentence = (
            self._say(refused, missing=missing)
            if short
            else self.settings.sentences.get(refused) or say_in_slot(refused, number)
        )
        return _SLOTS[self.settings.failed_slot](sentence)

    def _state(self, message: SandboxMessage, now: float) -> DeliveryState:
        return (
            message.state
            if message.forced
            else state_after(now - message.accepted_at, message.takes, message.ends)
        )

    def _seen(self, messages: Iterable[SandboxMessage]) -> tuple[SandboxMessage, ...]:
        now = self._clock()
        return tuple(replace(message, state=self._state(message, now)) for message in messages)

    def _known(self, message_id: str) -> SandboxMessage:
        message = self._store.get(message_id)
        if message is None:
            raise LookupError("id: no message has this id")
        return message


class _Size(NamedTuple):
    parts: int
    alphabet: Alphabet
    saving: Saving | None = None


def _size(text: str | None) -> _Size | None:
    """Return the parts and the alphabet of a text; None if a character cannot be sent.

    A link without a text is one part.
    """
    if text is None:
        return _Size(1, Alphabet.GSM_7)
    try:
        counted = segments(text)
    except ValueError:
        return None
    return _Size(counted.parts, counted.alphabet, _saving(text, counted))


def _saving(text: str, counted: Segments) -> Saving | None:
    forced_by = counted.forced_by
    if not 0 < len(forced_by) <= _FEW:
        return None
    parts = segments(text.translate(dict.fromkeys(map(ord, forced_by), "-"))).parts
    return Saving(forced_by, parts) if parts < counted.parts else None


HANDLERS: dict[str, tuple[Callable[[Gateway, PhpSession, Mapping[str, str]], Result], bool]] = {
    # operation: handler, whether it needs a session that is logged in
    "Auth": (Gateway._auth, False),
    "GetCreditBalance": (Gateway._get_credit_balance, True),
    "SendSMS": (Gateway._send_sms, True),
    "GetNewMessages": (Gateway._get_new_messages, True),
    "GetMessageStatus": (Gateway._get_message_status, True),
}
