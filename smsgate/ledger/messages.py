"""The messages of an outbox: their records, and the steps that both databases share.

Rules of this file:
- A message is claimed with a new token and a lease before the first byte may leave, and the claim
  is on the disk when `claim` returns.
- Settling is fenced by the token: a message that another process has claimed meanwhile is not
  changed.
- After the lease, a message in flight is in doubt, never pending. A late answer with the same token
  may still move it to accepted or refused.
- Every step may be repeated with the same token, because a database may fail after its commit.
- A message that was not sent is due again after a pause, so that it does not block newer ones.
- Steps are synchronous and may wait for a disk or a network: call them in a worker thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..errors import InDoubt, KeyReused, NotSent, OnStopList, Reason, SmsGateError
from .fingerprints import fast_fingerprint, matches, slow_fingerprint
from .foreign import rows_on
from .records import LedgerError
from .states import FINAL, LATE, OPERATOR_EVENTS, Event, RecipientState, after, before
from .stored_errors import error_from, stored

__all__ = [
    "ENDED_EARLY",
    "FIRST_PAUSE",
    "LONGEST_PAUSE",
    "ClaimLost",
    "MessageAnswer",
    "MessageClaim",
    "MessageLedger",
    "NewMessage",
    "OutboxMessage",
]

P = ParamSpec("P")
T = TypeVar("T")
L = TypeVar("L", bound="MessageLedger")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
"""Seconds until a message that was not sent is due again: the pause doubles with each attempt."""
ENDED_EARLY = InDoubt(
    "the process that was sending ended or stopped before it recorded the answer",
    reason=Reason.PROCESS_ENDED,
)
"""The error of a message whose lease has passed."""


class ClaimLost(LedgerError):
    """The message was claimed by another process meanwhile: the outcome could not be recorded."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be added. `not_after` is in seconds from now; None is without a limit."""

    key: str = field(repr=False)
    destination: str = field(repr=False)
    sender: str
    text: str | None = field(repr=False)
    wappush: str | None = field(repr=False)
    not_after: float | None
    queued: bool
    """A worker may send it. False if only a call with its key may."""
    forget_text: bool
    """Delete the text once the outcome is final."""

    def content(self) -> tuple[str | None, ...]:
        """Return what must be the same if the key is used again."""
        return self.destination, self.sender, self.text, self.wappush


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message of an outbox and its current state. Times are seconds since 1970.

    Attributes:
        id: the number of the message in its outbox.
        key: the idempotency key.
        destination: the phone number.
        sender: the sender.
        text: the text; None for a WAP push or once the text is forgotten.
        wappush: the address of a WAP push.
        state: the state; see docs: outbox, "States".
        message_id: the gateway's id, if it accepted the message.
        reason: why the message is not accepted, in words.
        attempts: how often a send was begun.
        added_at: when the message was added.
        not_after: when the first byte must have left the process, None without a limit.
        claimed_at: when the last send was begun.
        settled_at: when the state was last decided.
        lease_until: until when the process that sends it may report the outcome.
    """

    id: int
    key: str = field(repr=False)
    destination: str = field(repr=False)
    sender: str
    text: str | None = field(repr=False)
    wappush: str | None = field(repr=False)
    state: RecipientState
    message_id: str | None
    reason: str | None
    attempts: int
    added_at: float
    not_after: float | None
    claimed_at: float | None
    settled_at: float | None
    lease_until: float | None
    _error: str | None = field(repr=False)

    @property
    def error(self) -> SmsGateError | None:
        """The error that a send of this message raises; None if it was or may yet be accepted."""
        return None if self._error is None else error_from(self._error)


@dataclass(frozen=True, slots=True)
class MessageClaim:
    """A message that this process may send now.

    Attributes:
        token: proves that an outcome belongs to this claim.
        first_byte_in: seconds in which the first byte must leave.
        forget_text: delete the text once the outcome is final.
    """

    id: int
    token: str
    destination: str = field(repr=False)
    sender: str
    text: str | None = field(repr=False)
    wappush: str | None = field(repr=False)
    first_byte_in: float
    forget_text: bool


@dataclass(frozen=True, slots=True)
class MessageAnswer:
    """What became of a claimed message: the event, and the id or the error that came with it."""

    event: Event
    message_id: str | None = None
    error: SmsGateError | None = None


@dataclass(frozen=True, slots=True)
class _Decision:
    """A decision of an operator."""

    who: str
    event: Event
    note: str


def _one_step(method: Callable[Concatenate[L, P], T]) -> Callable[Concatenate[L, P], T]:
    """Make a method one transaction of its ledger."""

    @wraps(method)
    def step(self: L, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._step(lambda: method(self, *arguments, **named))

    return step


def _one_look(method: Callable[Concatenate[L, P], T]) -> Callable[Concatenate[L, P], T]:
    """Make a method that only reads one transaction of its ledger."""

    @wraps(method)
    def look(self: L, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._look(lambda: method(self, *arguments, **named))

    return look


_CLAIM = tuple(MessageClaim.__dataclass_fields__)
_MESSAGE = tuple(OutboxMessage.__dataclass_fields__)


class MessageLedger(ABC):
    """The messages in one database. A subclass runs the statements of its folder `sql`.

    All methods but `add_on` are synchronous. Only one thread at a time may call them.
    """

    sql: dict[str, str]
    """The statements, with parameters like `:name`."""
    identity: str
    """A random word that only this outbox has."""

    @abstractmethod
    def _run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement of `sql/messages.sql` and return its rows."""

    @abstractmethod
    def _step(self, work: Callable[[], T]) -> T:
        """Do the work in one transaction, which is on the disk when this returns.

        The work may be repeated. A step inside a step is part of it.
        """

    def _look(self, work: Callable[[], T]) -> T:
        """Do work that only reads, in one transaction."""
        return self._step(work)

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    # Adding

    @_one_step
    def add(self, message: NewMessage) -> OutboxMessage:
        """Add a message, and return it, or the one that has its key already.

        Raises:
            KeyReused: the key belongs to another number, sender or text.
        """
        self._run("add", **_values_of(message))
        (row,) = self._run("by_key", key=message.key)
        return _same(row, message)

    async def add_on(self, connection: Any, message: NewMessage) -> OutboxMessage:
        """Add a message in the caller's own transaction.

        Raises:
            KeyReused: the key belongs to another number, sender or text.
            ValueError: the connection is to another database.
            TypeError: the connection is of an unknown class.
        """
        found = await rows_on(connection, self.sql["setting"], {"name": "identity"})
        if found != [(self.identity,)]:
            raise ValueError("connection: it is to another database than the outbox")
        await rows_on(connection, self.sql["add"], _values_of(message))
        (row,) = await rows_on(connection, self.sql["by_key"], {"key": message.key})
        return _same(row, message)

    # Sending

    @_one_step
    def add_and_claim(
        self, message: NewMessage, token: str, lease: float
    ) -> tuple[OutboxMessage, MessageClaim | None]:
        """Add a message and claim it in one step if it is pending. Raises as they do."""
        added = self.add(message)
        # In flight, too: if this step is repeated, the message is claimed with this token already.
        unsettled = added.state in (RecipientState.PENDING, RecipientState.IN_FLIGHT)
        return added, self.claim(added.id, token, lease) if unsettled else None

    @_one_step
    def claim(self, message: int, token: str, lease: float) -> MessageClaim | None:
        """Claim a pending message for `lease` seconds.

        Returns None if the message is not pending, or if its time was up; it is then skipped.
        """
        self._expire(message)
        target = after(before(Event.CLAIMED), Event.CLAIMED)
        self._run("claim", id=message, token=token, lease=lease, target=target)
        rows = self._run("claimed", id=message, token=token, state=target)
        if not rows:
            return None
        values: dict[str, Any] = dict(zip(_CLAIM, rows[0], strict=True))
        values["forget_text"] = bool(values["forget_text"])
        return MessageClaim(**values)

    @_one_step
    def stop(self, message: int) -> OutboxMessage:
        """Abandon a pending message to a number on the stop list, and return the message."""
        source = before(Event.LISTED)
        self._run(
            "resolve",
            id=message,
            source=source,
            target=after(source, Event.LISTED),
            message_id=None,
            reason=str(_LISTED),
            error=stored(_LISTED),
        )
        self._forget(message)
        return self.by_id(message)

    @_one_look
    def due(self, most: int) -> list[int]:
        """Return up to `most` pending messages that a worker may send now.

        The message that has been due longest comes first. A message is due once it was added, and
        again some time after an attempt that sent nothing.
        """
        return [message for (message,) in self._run("due", most=most)]

    def settle(self, claim: MessageClaim, answer: MessageAnswer) -> OutboxMessage:
        """Record what became of a claimed message, and return the message.

        Raises:
            ClaimLost: another process has claimed the message meanwhile, or an operator has
                decided.
        """
        target = after(before(answer.event), answer.event)
        # Outside the transaction, because a slow hash is slow.
        fingerprint = (
            slow_fingerprint(claim.destination, claim.sender, claim.text, claim.wappush)
            if claim.forget_text and target in FINAL
            else None
        )
        return self._step(lambda: self._settle(claim, answer, target, fingerprint))

    def _settle(
        self,
        claim: MessageClaim,
        answer: MessageAnswer,
        target: RecipientState,
        fingerprint: str | None,
    ) -> OutboxMessage:
        values = {
            "id": claim.id,
            "token": claim.token,
            "message_id": answer.message_id,
            "reason": None if answer.error is None else str(answer.error),
            "error": None if answer.error is None else stored(answer.error),
            "first_pause": FIRST_PAUSE,
            "longest_pause": LONGEST_PAUSE,
        }
        for event in filter(None, [answer.event, LATE.get(answer.event)]):
            source = before(event)
            self._run("settle", source=source, target=after(source, event), **values)
        ((token,),) = self._run("token", id=claim.id)
        row = self.by_id(claim.id)
        kept = token == claim.token and row.state in (target, RecipientState.IN_DOUBT)
        if not kept and answer.event is not Event.NOT_SENT:
            raise ClaimLost(
                f"message {claim.id}: its outcome ({target}) came too late to be recorded, as"
                " another process or an operator has decided on the message"
            )
        if answer.event is Event.NOT_SENT:
            self._expire(claim.id)
            return self.by_id(claim.id)
        if fingerprint is not None and row.state is target:
            self._run("forget", id=claim.id, fingerprint=fingerprint)
            return self.by_id(claim.id)
        return row

    def sweep(self) -> int:
        """Move messages whose lease has passed to in doubt, and skip those whose time is up.

        Returns the number of messages marked as in doubt.
        """
        # A look first, because others may be writing and there is rarely anything to do.
        return self._step(self._sweep) if self._overdue() else 0

    @_one_look
    def _overdue(self) -> bool:
        return bool(self._run("overdue"))

    def _sweep(self) -> int:
        for (message,) in self._run("expire_due", **_expired()):
            self._forget(message)
        source = before(Event.IN_DOUBT)
        return len(
            self._run(
                "sweep",
                source=source,
                target=after(source, Event.IN_DOUBT),
                reason=str(ENDED_EARLY),
                error=stored(ENDED_EARLY),
            )
        )

    @_one_step
    def release(self, token: str) -> None:
        """Return a claim whose answer was lost and with which nothing was sent."""
        source = before(Event.NOT_SENT)
        self._run(
            "release",
            token=token,
            source=source,
            target=after(source, Event.NOT_SENT),
        )

    # Asking

    @_one_look
    def by_key(self, key: str) -> OutboxMessage | None:
        """Return the message with this key, None if there is none."""
        rows = self._run("by_key", key=key)
        return _message(rows[0][1:]) if rows else None

    @_one_look
    def by_id(self, message: int) -> OutboxMessage:
        """Return a message. Raises `LookupError` if there is none with this id."""
        rows = self._run("by_id", id=message)
        if not rows:
            raise LookupError(f"id: the outbox has no message {message}")
        return _message(rows[0])

    @_one_look
    def in_states(
        self, states: Sequence[RecipientState], most: int, after_id: int = 0
    ) -> list[OutboxMessage]:
        """Return up to `most` messages in these states, oldest first, beginning after an id."""
        found = list[OutboxMessage]()
        for state in states:
            rows = self._run("by_state", state=state, after=after_id, most=most)
            found += map(_message, rows)
        return sorted(found, key=lambda one: one.id)[:most]

    @_one_look
    def states(self) -> dict[RecipientState, int]:
        """Return how many messages are in each state."""
        return {RecipientState(state): count for state, count in self._run("states")}

    # Deciding

    def resolve(
        self, event: Event, message: int, *, who: str, note: str, message_id: str | None
    ) -> OutboxMessage:
        """Apply an operator's decision to one message.

        The same operator may repeat a decision, because a database may fail after its commit.
        The repeated call changes nothing and returns the message.

        Raises:
            LookupError: there is no such message.
            ValueError: the message is not in a state for this decision, or the id belongs to
                another message.
        """
        if event not in OPERATOR_EVENTS:
            raise ValueError(f"event: one of {', '.join(OPERATOR_EVENTS)}")
        decision = _Decision(who, event, note)
        earlier = list[int]()

        def once() -> OutboxMessage:
            decisions = self._run("decisions", id=message)
            # If the commit was lost, the message may have been resent and be in doubt again by now.
            if earlier and decision in [_Decision(*one[1:]) for one in decisions[earlier[0] :]]:
                return self.by_id(message)
            earlier[:] = [len(decisions)]
            return self._resolve(decision, message, message_id, decisions)

        return self._step(once)

    def _resolve(
        self,
        decision: _Decision,
        message: int,
        message_id: str | None,
        decisions: Sequence[tuple[Any, ...]],
    ) -> OutboxMessage:
        event = decision.event
        source, row = before(event), self.by_id(message)
        if row.state is not source:
            said = f"message {message} is {row.state}; this decision is for one that is {source}"
            if not decisions:
                raise ValueError(said)
            at, who, known, _ = decisions[-1]
            if (who, known) == (decision.who, event) and message_id in (None, row.message_id):
                return row
            when = datetime.fromtimestamp(at, UTC)
            raise ValueError(f"{said}. {who} decided '{known}' on {when:%Y-%m-%d at %H:%M} UTC")
        if message_id is not None and (owner := self._run("find_id", message_id=message_id)):
            raise ValueError(
                f"message_id: message {owner[0][0]} has this id already; an id belongs to one"
                " message"
            )
        error = _ERRORS_OF_DECISIONS.get(event)
        self._run(
            "resolve",
            id=message,
            source=source,
            target=after(source, event),
            message_id=message_id,
            reason=None if event is Event.RESEND else f"{event} by {decision.who}",
            # What was in doubt and is given up stays in doubt for the caller.
            error=row._error if event is Event.GIVE_UP else error and stored(error),
        )
        self._run("add_decision", id=message, who=decision.who, event=event, note=decision.note)
        self._forget(message)
        return self.by_id(message)

    @_one_step
    def purge(self, older_than: float) -> int:
        """Delete messages that were settled more than `older_than` seconds ago.

        Pending messages, messages in flight and messages in doubt are kept. Returns their number.
        """
        return sum(len(self._run("purge", state=state, older_than=older_than)) for state in FINAL)

    # Helpers

    def _expire(self, message: int) -> None:
        if self._run("expire", id=message, **_expired()):
            self._forget(message)

    def _forget(self, message: int) -> None:
        """Delete the text of a message if that is wanted and its state is final."""
        (row,) = self._run("to_forget", id=message)
        state, wanted, *content = row
        if wanted and RecipientState(state) in FINAL:
            self._run("forget", id=message, fingerprint=slow_fingerprint(*content))


_LISTED = OnStopList()
"""The error of a message to a number on the stop list."""
_ERRORS_OF_DECISIONS: dict[Event, SmsGateError] = {
    Event.CANCEL: NotSent("nothing was sent: an operator cancelled it", reason=Reason.CANCELLED),
}


def _values_of(message: NewMessage) -> dict[str, Any]:
    return {
        "key": message.key,
        "destination": message.destination,
        "sender": message.sender,
        "text": message.text,
        "wappush": message.wappush,
        "not_after": message.not_after,
        "queued": int(message.queued),
        "forget_text": int(message.forget_text),
        "fingerprint": fast_fingerprint(*message.content()),
        "state": RecipientState.PENDING,
    }


def _expired() -> dict[str, Any]:
    """Return the values of a message whose time was up."""
    late = NotSent("nothing was sent: the time for the message was up", reason=Reason.TOO_LATE)
    source = before(Event.EXPIRED)
    return {
        "source": source,
        "target": after(source, Event.EXPIRED),
        "reason": str(late),
        "error": stored(late),
    }


def _message(row: Sequence[Any]) -> OutboxMessage:
    values: dict[str, Any] = dict(zip(_MESSAGE, row, strict=True))
    values["state"] = RecipientState(values["state"])
    return OutboxMessage(**values)


def _same(row: Sequence[Any], message: NewMessage) -> OutboxMessage:
    """Return the stored message. Raises `KeyReused` if its content is not that of `message`."""
    fingerprint, *stored_message = row
    if not matches(fingerprint, *message.content()):
        raise KeyReused(
            "key: it belongs to a message with another number, sender or text; nothing was sent."
            " Use a new key for each message"
        )
    return _message(stored_message)
