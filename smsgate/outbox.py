"""An outbox: each message has a key and is sent at most once, across processes and machines.

    async with smsgate.AsyncSession.from_env() as session, Outbox(session, "sms.db") as outbox:
        sent = await outbox.send("+380501234567", "Ваш код: 4815", key="login:7f3a", not_after=180)
        print(sent.message_id)

The gateway has no idempotency key, so the outbox has one: it claims a message in a database before
the first byte leaves the process, and records the outcome under the key. Another call with the same
key gets the recorded outcome (docs: outbox).

Rules of this file:
- Only the row in the database decides whether a message may be sent.
- The first byte never leaves after the claim's lease has expired, or after `not_after`.
- Once a request may have gone out, its outcome is recorded even if the task is cancelled.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar
from uuid import uuid4

import anyio

from ._client.call import SendRecord, machine_seconds, send_recorded
from ._client.one_thread import OneThread
from .config import positive
from .errors import (
    AccountSuspended,
    BadCredentials,
    InDoubt,
    InFlight,
    NotAuthorised,
    NotSent,
    OnStopList,
    Outcome,
    Reason,
    SmsGateError,
    outcome_of,
)
from .ledger.arguments import check_place, on_server
from .ledger.messages import (
    ClaimLost,
    MessageAnswer,
    MessageClaim,
    MessageLedger,
    NewMessage,
    OutboxMessage,
)
from .ledger.records import LedgerError
from .ledger.states import OPERATOR_EVENTS, Event, RecipientState
from .protocol.models import Message
from .protocol.models import message_id as checked_id
from .session import AsyncSession
from .stop_check import StopCheck, checked_stop_list

__all__ = ["ClaimLost", "Event", "LedgerError", "Outbox", "OutboxMessage", "RecipientState"]

_log = logging.getLogger("smsgate")
P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_KEY = 200
_SHORTEST_LOOK, _LONGEST_LOOK = 0.05, 1.0
"""Seconds between two looks at a message that another process is sending."""
_OPEN = (RecipientState.PENDING, RecipientState.IN_FLIGHT)
_NO_LOGIN = (BadCredentials, AccountSuspended, NotAuthorised)
"""After these, the next message would be refused too, and a provider may lock the account."""
_SENT = (RecipientState.ACCEPTED, RecipientState.ASSUMED_SENT)


def open_ledger(place: str | os.PathLike[str]) -> MessageLedger:
    """Open the ledger of an outbox, at a postgresql:// URL or the path of an SQLite file.

    Raises:
        LedgerError: the database cannot be used.
    """
    if isinstance(place, str):
        check_place("place", place)
    if isinstance(place, str) and on_server(place):
        from .ledger.postgres.postgres_messages import PostgresMessages  # noqa: PLC0415 - an extra

        return PostgresMessages(place)
    from .ledger.sqlite.sqlite_messages import SqliteMessages  # noqa: PLC0415 - loads sqlite3

    return SqliteMessages(place)


class Outbox:
    """Messages with keys in a database, and the session that sends them. Use it as `async with`.

        async with Outbox(session, "sms.db") as outbox:
            await outbox.send("+380501234567", "Ваш код: 4815", key="login:7f3a", not_after=180)

    Args:
        session: the open session that sends the messages. The outbox does not close it.
        place: the path of an SQLite file, for processes on one machine, or a `postgresql://` URL,
            for several machines (extra `postgres`). The file may be the database of your
            application; the tables begin with `smsgate_`.
        forget_texts: delete the text of a message once its outcome is final. A one-time code should
            not be kept in a database.
        stop_list: a stop list, such as an open `smsgate.stop_list.StopList`. A message to a number
            on it is not sent: `send` and `add` raise `OnStopList`, and a message that was added
            earlier is abandoned when its turn comes.

    Raises:
        ValueError: `place` is neither a path nor a `postgresql://` URL.
    """

    _grace = 30.0
    """Seconds of a lease beyond the deadline of a send, for recording the outcome."""

    def __init__(
        self,
        session: AsyncSession,
        place: str | os.PathLike[str],
        *,
        forget_texts: bool = False,
        stop_list: StopCheck | None = None,
    ) -> None:
        self._session = session
        self._place = place
        self._forget_texts = forget_texts
        self._stop_list = checked_stop_list(stop_list)
        self._ledger: MessageLedger | None = None
        self._steps: OneThread
        self._abandoned: list[str] = []
        """Tokens of claims whose step failed or was cancelled.

        The claim may exist in the database; nothing was sent.
        """

    async def __aenter__(self) -> Self:
        self._steps = OneThread()
        self._ledger = await self._steps(open_ledger, self._place)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection to the database.

        Example::

            outbox = await Outbox(session, "sms.db").__aenter__()
            await outbox.aclose()
        """
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await self._steps.last(ledger.close)

    @property
    def session(self) -> AsyncSession:
        """The session that sends the messages."""
        return self._session

    # Sending

    async def send(
        self,
        destination: str,
        text: str | None = None,
        *,
        key: str,
        wappush: str | None = None,
        sender: str | None = None,
        not_after: float | None = None,
        wait: bool = True,
    ) -> OutboxMessage:
        """Send a message now. If its key was used before, return the recorded outcome instead.

            sent = await outbox.send(number, f"Ваш код: {code}", key=f"login:{login.id}",
                                     not_after=180)

        If the message was certainly not sent (the gateway was not reached, or the account lacks
        credits), a later call with its key sends it.

        If the text has a random code, store the code with the key first and send the stored code:
        a new code with the same key raises `KeyReused`.

        Args:
            destination: one phone number, as in `AsyncSession.send_sms`.
            text: the text.
            key: identifies the message: the id of an order or a login, or the `Idempotency-Key` of
                a request. At most 200 characters.
            wappush: an http(s) address to send as a WAP push, in place of `text`.
            sender: an approved name or a phone number; by default the sender of the session.
            not_after: seconds from the first call with this key, within which the first byte must
                leave the process; by default no limit.
            wait: wait if another call with this key is sending. With False, `send` raises
                `InFlight` immediately.

        Returns:
            The message: accepted by the gateway, or recorded as sent by an operator.

        Raises:
            pydantic.ValidationError, ValueError: an argument is not allowed; nothing was sent.
            KeyReused: the key belongs to a message with another number, sender or text.
            InFlight: another call with this key is sending, and `wait` is False.
            OnStopList: the number is on the stop list; nothing was sent.
            Refused: the gateway refused the message.
            NotSent: the message was certainly not sent: no connection, too late for `not_after`, or
                cancelled by an operator.
            InDoubt: it is not known whether the message was sent. It is never sent again without an
                operator's decision: see `in_doubt` and `resolve`.
            LedgerError: the database failed. If it failed after the send, the message is in doubt
                once its lease has expired.
        """
        composed = self._session.compose(destination, text, wappush=wappush, sender=sender)
        message = self._new(composed, key, not_after, queued=False)
        await self._check_new(message)
        token, began, lease = self._new_claim()
        step = partial(self._opened().add_and_claim, message, token, lease)
        added, claim = await self._claimed(token, step)
        if claim is not None:
            return await self._send(claim, began)
        if added.state is RecipientState.PENDING:  # it was too late to claim it
            added = await self._run(self._opened().by_id, added.id)
        return await self._sent(added, wait=wait)

    async def add(
        self,
        destination: str,
        text: str | None = None,
        *,
        key: str,
        wappush: str | None = None,
        sender: str | None = None,
        not_after: float | None = None,
        connection: Any = None,
    ) -> OutboxMessage:
        """Add a message, to be sent later by `deliver`, `deliver_due` or a worker.

            with closing(sqlite3.connect("shop.db")) as db, db:  # one transaction for both
                db.execute("INSERT INTO orders VALUES (17)")
                await outbox.add(number, "Ваше замовлення готове", key="order:17", connection=db)

        Args:
            connection: your own connection to the same database. The message is added in your
                transaction: it exists only if you commit. Connections of sqlite3, aiosqlite and
                psycopg, and connections and sessions of SQLAlchemy are accepted. Without
                `connection`, the message is committed immediately.
            destination, text, key, wappush, sender, not_after: as in `send`.

        Returns:
            The new message, or the one that already has this key.

        Raises:
            pydantic.ValidationError, ValueError: an argument is not allowed.
            TypeError: `connection` is of an unknown class.
            KeyReused: the key belongs to a message with another number, sender or text.
            OnStopList: the number is on the stop list; nothing was added.
            LedgerError: the database failed.
        """
        composed = self._session.compose(destination, text, wappush=wappush, sender=sender)
        message = self._new(composed, key, not_after, queued=True)
        await self._check_new(message)
        if connection is not None:
            return await self._opened().add_on(connection, message)
        return await self._run(self._opened().add, message)

    async def deliver(self, message: int, *, wait: bool = True) -> OutboxMessage:
        """Send a message that `add` has added. Returns and raises as `send` does.

            added = await outbox.add("+380501234567", "Замовлення готове", key="order:18")
            sent = await outbox.deliver(added.id)

        Args:
            message: the `id` of the message.
            wait: as in `send`.

        Raises:
            LookupError: there is no message with this id, perhaps because its transaction was
                rolled back.
        """
        return await self._sent(await self._run(self._opened().by_id, message), wait=wait)

    async def deliver_due(
        self, most: int = 100, *, stop: Callable[[], bool] = lambda: False
    ) -> list[OutboxMessage]:
        """Send pending messages that were added and are due, oldest due first.

            for message in await outbox.deliver_due(most=20):
                print(message.key, message.state)

        Several processes may do this at the same time. The session's concurrency limits how many
        messages are sent at the same time. A message is due as soon as it is added. If it could not
        be sent, it stays pending and is due again after 1 second, then 2, 4 and so on up to 300
        seconds, so it does not block the messages behind it. `send` and `deliver` do not wait for
        this delay. If the gateway refuses the login or the whole account, no further message is
        started.

        Args:
            most: the maximum number of messages.
            stop: called before each message. Once it returns True, no further message is started.

        Returns:
            The messages, with their new state.

        Raises:
            LedgerError: the database failed.
        """
        await self.sweep()
        due = await self._run(self._opened().due, most)
        width = anyio.CapacityLimiter(self._session.concurrency)
        broken = list[LedgerError]()
        refused = list[SmsGateError]()

        async def one(message: int) -> None:
            async with width:
                if stop() or refused:
                    return
                with suppress(SmsGateError, LookupError):  # purged meanwhile
                    try:
                        await self.deliver(message, wait=False)
                    except _NO_LOGIN as error:
                        refused.append(error)
                    except LedgerError as error:
                        broken.append(error)

        async with anyio.create_task_group() as tasks:
            for message in due:
                tasks.start_soon(one, message)
        if broken:
            raise broken[0]
        found = list[OutboxMessage]()
        for message in due:
            with suppress(LookupError):
                found.append(await self._run(self._opened().by_id, message))
        return found

    # Asking and deciding

    async def outcome(self, key: str) -> OutboxMessage | None:
        """Return the message with this key, None if there is none. Nothing is sent.

        Example::

            message = await outbox.outcome("order:17")
            print("not added" if message is None else message.state)
        """
        _check_key(key)
        await self.sweep()
        return await self._run(self._opened().by_key, key)

    async def in_doubt(self, most: int = 1000) -> list[OutboxMessage]:
        """Return the messages in doubt, oldest first: an operator must decide on them.

        Example::

            for message in await outbox.in_doubt():
                print(message.id, message.key, message.reason)
        """
        return await self.messages(RecipientState.IN_DOUBT, most=most)

    async def messages(self, *states: RecipientState, most: int = 1000) -> list[OutboxMessage]:
        """Return the messages in these states, or in any state, oldest first.

        Example::

            waiting = await outbox.messages(RecipientState.PENDING, most=10)
        """
        await self.sweep()
        return await self._run(self._opened().in_states, states or tuple(RecipientState), most)

    async def states(self) -> dict[RecipientState, int]:
        """Return how many messages are in each state.

        Example::

            counts = await outbox.states()
            print(counts.get(RecipientState.IN_DOUBT, 0))
        """
        await self.sweep()
        return await self._run(self._opened().states)

    async def resolve(
        self, message: int, event: Event, *, who: str, note: str = "", message_id: str | None = None
    ) -> OutboxMessage:
        """Record an operator's decision on one message.

            for message in await outbox.in_doubt():
                await outbox.resolve(message.id, Event.RESEND, who="Olena")

        If the call fails, repeat it: the same decision of the same operator is recorded only once,
        and the message is returned again.

        Args:
            message: the `id` of the message.
            event: `Event.FOUND` with its `message_id`, `Event.ASSUME_SENT`, `Event.RESEND` or
                `Event.GIVE_UP` for a message in doubt; `Event.CANCEL` for a pending one.
            who: the name of the operator.
            note: why.
            message_id: the id that the gateway shows for the message; for `Event.FOUND` only.

        Raises:
            LookupError: there is no such message.
            ValueError: the message is not in a state for this decision, or `message_id` is missing
                or superfluous. If an operator has made another decision, the error says who and
                when.
        """
        if event not in OPERATOR_EVENTS:
            raise ValueError(f"event: must be one of {', '.join(OPERATOR_EVENTS)}")
        if not who.strip():
            raise ValueError("who: must not be blank; give the name of the operator")
        if (event is Event.FOUND) != (message_id is not None):
            raise ValueError("message_id: must be given with Event.FOUND, and with no other event")
        if message_id is not None and (message_id := checked_id(message_id)) is None:
            raise ValueError("message_id: must be a UUID, 32 hexadecimal digits in five groups")
        await self.sweep()
        resolve = partial(self._opened().resolve, who=who, note=note, message_id=message_id)
        return await self._run(resolve, event, message)

    async def sweep(self) -> int:
        """Mark messages as in doubt if their process ended before it recorded the outcome.

            print(await outbox.sweep(), "messages are in doubt now")

        The other methods do this themselves. Returns the number of messages.
        """
        return await self._run(self._opened().sweep)

    async def purge(self, *, older_than: float) -> int:
        """Delete messages whose outcome has been final for `older_than` seconds.

            deleted = await outbox.purge(older_than=30 * 86_400)

        The key of a deleted message is forgotten: a later call with it sends again.

        Returns:
            The number of deleted messages.
        """
        if older_than != 0 and not positive(older_than):
            raise ValueError("older_than: must be a number of seconds, 0 or more")
        return await self._run(self._opened().purge, older_than)

    # Helpers

    def _new(
        self, message: Message, key: str, not_after: float | None, *, queued: bool
    ) -> NewMessage:
        _check_key(key)
        if not_after is not None and not positive(not_after):
            raise ValueError("not_after: must be a number of seconds greater than 0")
        if len(message.destinations) != 1:
            raise ValueError("destination: must be one number; give each message its own key")
        return NewMessage(
            key=key,
            destination=message.destinations[0],
            sender=message.sender or "",
            text=message.text,
            wappush=message.wappush,
            not_after=not_after,
            queued=queued,
            forget_text=self._forget_texts,
        )

    async def _sent(self, message: OutboxMessage, *, wait: bool) -> OutboxMessage:
        """Send a message if it is pending, or wait until another process has. Raises its error."""
        pause = _SHORTEST_LOOK
        while message.state in _OPEN:
            if message.state is RecipientState.PENDING:
                if await self._listed(message.destination):
                    message = await self._run(self._opened().stop, message.id)
                    continue
                claim, began = await self._claim(message.id)
                if claim is not None:
                    return await self._send(claim, began)
            elif not wait:
                raise InFlight("another call is sending the message with this key")
            else:
                await anyio.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_LOOK)
                await self.sweep()
            message = await self._run(self._opened().by_id, message.id)
        return _raised(message)

    async def _listed(self, number: str) -> bool:
        return self._stop_list is not None and bool(await self._stop_list.listed([number]))

    async def _check_new(self, message: NewMessage) -> None:
        """Raise `OnStopList` for a listed number, unless the key has its outcome already."""
        if not await self._listed(message.destination):
            return
        known = await self._run(self._opened().by_key, message.key)
        if known is None:
            raise OnStopList
        if known.state is RecipientState.PENDING and known.destination == message.destination:
            stopped = await self._run(self._opened().stop, known.id)
            if stopped.state is RecipientState.ABANDONED:
                raise OnStopList

    def _new_claim(self) -> tuple[str, float, float]:
        """Return a token, the time before the claim, and the seconds of the lease."""
        return uuid4().hex, machine_seconds(), self._session.timeouts.send + self._grace

    async def _claim(self, message: int) -> tuple[MessageClaim | None, float]:
        token, began, lease = self._new_claim()
        step = partial(self._opened().claim, message, token, lease)
        return await self._claimed(token, step), began

    async def _claimed(self, token: str, step: Callable[[], T]) -> T:
        """Do a step that claims. If the step fails, the claim is released later."""
        await self._give_back()
        try:
            return await self._steps.whole(step)
        except SmsGateError:
            raise  # the step itself refused, so there is no claim
        except BaseException:
            self._abandoned.append(token)
            raise

    async def _send(self, claim: MessageClaim, began: float) -> OutboxMessage:
        record = SendRecord()
        failure: BaseException | None = None
        try:
            left = claim.first_byte_in - (machine_seconds() - began)
            if left <= 0:
                raise NotSent("nothing was sent: it is too late", reason=Reason.TOO_LATE)
            message = Message(
                sender=claim.sender,
                destinations=claim.destination,
                text=claim.text,
                wappush=claim.wappush,
            )
            result = await send_recorded(self._session, message, record, not_after=left)
            answer = MessageAnswer(Event.ACCEPTED, result.message_ids[0])
        except BaseException as error:
            failure = error
            answer = _answer_of(error, left=record.left)
        settled = await self._settle(claim, answer)
        if failure is not None and not isinstance(failure, SmsGateError):
            raise failure
        if isinstance(failure, SmsGateError) and settled.state is RecipientState.PENDING:
            raise failure
        return _raised(settled)

    async def _settle(self, claim: MessageClaim, answer: MessageAnswer) -> OutboxMessage:
        try:
            return await self._steps.surely(self._opened().settle, claim, answer)
        except BaseException as error:
            # If the task was cancelled meanwhile, the ledger's error is the `__cause__`.
            failure = error if isinstance(error, LedgerError) else error.__cause__
            if isinstance(failure, LedgerError):
                _log.error(
                    "outbox message %d: its outcome was not recorded: %s%s (%s)",
                    claim.id,
                    answer.event,
                    f", message id {answer.message_id}" if answer.message_id else "",
                    str(failure),
                )
            raise

    def _opened(self) -> MessageLedger:
        if self._ledger is None:
            raise RuntimeError("the outbox is not open: use it as 'async with'")
        return self._ledger

    async def _run(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Do one step of the ledger in a thread, one at a time."""
        await self._give_back()
        return await self._steps(step, *arguments, **named)

    async def _give_back(self) -> None:
        """Release the claims whose step failed. If a release fails, the next step tries again."""
        while self._abandoned:
            token = self._abandoned.pop()
            try:
                await self._steps.whole(self._opened().release, token)
            except BaseException as error:
                self._abandoned.append(token)
                if isinstance(error, LedgerError):
                    return
                raise


def _check_key(key: Any) -> None:
    if not isinstance(key, str) or not key.strip() or len(key) > _LONGEST_KEY:
        raise ValueError(f"key: must be a string of 1 to {_LONGEST_KEY} characters, not blank")


def _answer_of(error: BaseException, *, left: bool) -> MessageAnswer:
    """Return what an error of a send means for the message.

    A message that was certainly not sent is pending again, unless the gateway refused it.
    """
    if isinstance(error, SmsGateError):
        row = outcome_of(error)
        if row.outcome is Outcome.IN_DOUBT:
            return MessageAnswer(Event.IN_DOUBT, error=error)
        if row.outcome is Outcome.REFUSED and not row.account and not row.transient:
            return MessageAnswer(Event.REFUSED, error=error)
        return MessageAnswer(Event.NOT_SENT, error=error)
    if left:
        interrupted = InDoubt(
            "interrupted while the request was under way", reason=Reason.CLIENT_FAILED
        )
        return MessageAnswer(Event.IN_DOUBT, error=interrupted)
    return MessageAnswer(Event.NOT_SENT)


def _raised(message: OutboxMessage) -> OutboxMessage:
    """Return a message that was accepted. Raises the error of any other."""
    if message.state in _SENT:
        return message
    raise message.error or InDoubt(
        f"an operator has decided: {message.state}", reason=Reason.OUTCOME_UNKNOWN
    )
