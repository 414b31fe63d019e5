"""AsyncSession: the five operations of the gateway, and what a backend needs on top of them.

Rules of this file: a send is repeated only if no byte of it left or the gateway itself answered that it did nothing; what
an operation may do is read from the operations table. No error that leaves this file has frames below the public call, so
that no traceback shows a password, a cookie, a number or a text.
"""

from __future__ import annotations

import logging
import os
import random
import ssl
import sys
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from traceback import extract_tb
from types import TracebackType
from typing import Any, Self, TypeVar
from warnings import warn

import anyio
from anyio.lowlevel import EventLoopToken, current_token
from pydantic import ValidationError

from ._client.delivery import Following
from ._client.logins import Credentials, Login, Logins
from ._client.observing import CallStart, Observation, Observer, end_of, end_of_error
from ._client.transport import Body, Exchange, HttpClient, Transport, lent_transport, own_transport, ssl_settings
from ._client.workers import Pace, Parallel
from .config import (
    GATEWAY_URL,
    GatewaySettings,
    SessionConfig,
    Timeouts,
    address_of,
    bad_grace,
    odd_credentials,
    positive,
    read_environment,
    travels_in_clear,
)
from .errors import InDoubt, MessageNotFound, NotAuthorised, NotSent, PlainHttpWarning, Reason, SmsGateError
from .privacy import mask_number, redact, seal, sealed
from .protocol.answers import DeliveryState
from .protocol.envelope import request_body
from .protocol.limits import REPLY_LIMIT, REPLY_LIMIT_MOST, reply_limit
from .protocol.models import SENDER_RULE, DeliveryStatus, Message, SendResult, checked_again, invalid_message, message_id
from .protocol.operation import Operation
from .protocol.operations import AUTH, GET_CREDIT_BALANCE, GET_MESSAGE_STATUS, GET_NEW_MESSAGES, SEND_SMS
from .protocol.reply import unrecognised
from .protocol.segments import segments

__all__ = ["GATEWAY_URL", "AsyncSession", "SendOutcome"]

_log = logging.getLogger("smsgate")
T = TypeVar("T")

_PAUSES = (0.25, 0.5, 1.0)
"""Seconds before each repeat, at most."""
_CLEANING_UP = 1.0
"""Seconds that `aclose` waits, after its grace is over, for the calls that it has ended to let go of their connections."""


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What became of one message of `send_many`: a result, or an error as a value.

    `error` is a `SmsGateError`, or a `pydantic.ValidationError` for a message that cannot be sent as it is.
    """

    message: Message
    result: SendResult | None = None
    error: SmsGateError | ValidationError | None = None


@dataclass(slots=True, eq=False)
class _Call:
    """One call of an operation on its way through logins and repeats."""

    operation: Operation[object]
    deadline: float
    """Seconds for the whole call."""
    body: Body = field(default=Body(b""), repr=False)
    limit: int = REPLY_LIMIT
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What the gateway may quote and no log may show."""
    subject: str = ""
    """To whom, for the log; masked."""
    asked: Message | str | None = field(default=None, repr=False)
    """What the answer is about: the message of a send, a message id, or nothing."""
    exchange: Exchange | None = None
    lasting: bool = False
    """The login failed in a way that will not be over the next moment."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """What the deadline and `aclose` end the call by."""
    waiting_since: float = 0.0
    """When the current try began to wait for a login."""
    closed_after: float | None = None
    """The grace of the `aclose` that ended the call."""

    @property
    def sent(self) -> Message | None:
        """The message, for a send."""
        return self.asked if isinstance(self.asked, Message) else None

    @property
    def left(self) -> bool:
        """The request may have left, and no answer has shown that it did nothing."""
        return self.exchange is not None and self.exchange.left

    def cut_off(self) -> NotSent | InDoubt:
        """Return the error of a call that was ended by its deadline or by `aclose`."""
        reason, after = (Reason.TIMED_OUT, self.deadline) if self.closed_after is None else (Reason.CLOSED, self.closed_after)
        if self.left and self.exchange is not None:
            return InDoubt(f"{reason} after {after:g} s, {self.exchange.doubt}", reason=reason)
        return NotSent(f"nothing was sent: {reason} after {after:g} s", reason=reason)


@dataclass(slots=True, eq=False)
class SendRecord:
    """Tells of one send whether its request may have left, also after it was cancelled."""

    begun: bool = False
    calls: list[_Call] = field(default_factory=list, repr=False)

    @property
    def left(self) -> bool:
        """The request may have left, and no answer has shown that it did nothing."""
        # A session with a `send` of its own may have sent in a way that is not seen here.
        return self.begun and (not self.calls or any(call.left for call in self.calls))


_RECORD: ContextVar[SendRecord | None] = ContextVar("_RECORD", default=None)


async def send_recorded(session: AsyncSession, message: Message, record: SendRecord) -> SendResult:
    """Call `session.send` for a caller that writes down what became of a send that was cancelled."""
    token = _RECORD.set(record)
    record.begun = True
    try:
        return await session.send(message)
    finally:
        _RECORD.reset(token)


class AsyncSession:
    """A session with the gateway: logs in by itself, keeps the cookies, and logs in again when the gateway forgets them.

    `login` and `password` are those of the gateway, set in the account's settings, not those of the website. `sender` is
    used for messages that name none. `concurrency` is how many requests are under way at once at
    most, each with a cookie and a connection of its own; further calls wait their turn. `proxy` is the address of an HTTP
    proxy; none is taken from the environment. `verify` is True, False, or an `ssl.SSLContext`. `http_client` is an
    `httpx.AsyncClient` or an `httpx2.AsyncClient` to use in place of our own connections; it is never closed here. `country` is
    the two-letter code of the country whose local numbers `send_sms` understands (extra `phone`). `observer` hears of every call,
    for traces and figures.

    Use it as `async with AsyncSession(...) as session`. Where no block fits, open it with `await session.__aenter__()` and call
    `aclose` at the end. All of it happens on one event loop; the session may be made anywhere. Leaving the block, and `aclose`,
    wait for calls that are under way: each has a deadline. `aclose(grace=...)` waits for a time that you choose.

    Raises `ValueError` or `TypeError` for a bad argument, by name and without its value. Warns with `PlainHttpWarning` if the
    address is plain http and not of this machine.
    """

    @sealed
    def __init__(
        self,
        login: str,
        password: str,
        *,
        sender: str | None = None,
        url: str = GATEWAY_URL,
        concurrency: int = 4,
        timeouts: Timeouts = Timeouts(),
        proxy: str | None = None,
        verify: bool | ssl.SSLContext = True,
        http_client: HttpClient | None = None,
        country: str | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._config = config = SessionConfig(
            login=login,
            password=password,
            sender=sender,
            url=url,
            concurrency=concurrency,
            timeouts=timeouts,
            proxy=proxy,
            verify=verify,
            http_client=http_client,
            country=country,
        )
        for odd in odd_credentials(login=login, password=password):
            warn(odd, stacklevel=_caller())
        self._observer = observer
        self._ssl: ssl.SSLContext | None = None
        # Made when the session is opened, as their locks are those of its event loop.
        self._logins: Logins
        self._token: EventLoopToken | None = None
        self._closed = False
        self._released = False
        self._under_way: set[_Call] = set()
        self._drained: anyio.Event | None = None
        if travels_in_clear(config.url):
            warn(
                "the gateway's address is plain http: login, password and texts travel in clear",
                PlainHttpWarning,
                stacklevel=_caller(),
            )

    @classmethod
    @sealed
    def from_env(
        cls,
        *,
        timeouts: Timeouts = Timeouts(),
        proxy: str | None = None,
        verify: bool | ssl.SSLContext = True,
        http_client: HttpClient | None = None,
        observer: Observer | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Return a session with the settings that the environment holds.

        `SMSGATE_LOGIN` and `SMSGATE_PASSWORD` must be there; `SMSGATE_SENDER`, `SMSGATE_URL`, `SMSGATE_CONCURRENCY`,
        `SMSGATE_PROXY` and `SMSGATE_COUNTRY` may be. A variable that is empty counts as absent, and `proxy` goes before its
        variable. Raises `ValueError` that names the variable. For an `.env` file and secret files see `from_settings`.
        """
        settings = read_environment(environ)
        if proxy is not None:
            settings = settings.model_copy(update={"proxy": proxy})
        return cls.from_settings(settings, timeouts=timeouts, verify=verify, http_client=http_client, observer=observer)

    @classmethod
    def from_settings(
        cls,
        settings: GatewaySettings,
        *,
        timeouts: Timeouts = Timeouts(),
        verify: bool | ssl.SSLContext = True,
        http_client: HttpClient | None = None,
        observer: Observer | None = None,
    ) -> Self:
        """Return a session with these settings, such as `smsgate.settings.SmsGateSettings()` finds them. Raises `ValueError`."""
        return cls(**settings.arguments(), timeouts=timeouts, verify=verify, http_client=http_client, observer=observer)

    def __repr__(self) -> str:
        held = vars(self)  # empty if the constructor refused its arguments, as a traceback with locals shows
        state = "closed" if held.get("_closed") else "open" if held.get("_token") else "not open"
        config: SessionConfig | None = held.get("_config")
        return f"<AsyncSession {config.url if config else ''} {state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a session cannot be pickled or copied: it holds connections and the password")

    async def __aenter__(self) -> Self:
        if self._token is not None or self._closed:
            raise NotSent("a session is opened once", reason=Reason.CLOSED if self._closed else Reason.NOT_OPEN)
        self._token = current_token()
        self._logins = Logins(
            Credentials(self._config.login, self._config.password), self._config.concurrency, self._open_transport
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self, *, grace: float | None = None) -> None:
        """Take no more calls, wait for those that are under way, and close the connections.

        Calling it again is harmless, also while another `aclose` waits. If the waiting is cancelled, each call that is under way
        closes its connection when it ends; calling this again waits for them.

        Args:
            grace: seconds to wait at most, 0 for none. Calls that have not ended by then are ended: each raises `InDoubt` if its
                request had begun to leave and `NotSent` if not, with the reason `Reason.CLOSED`. By default every call has the
                time of its own deadline.

        Raises:
            NotSent: this is another event loop than the session's, where its connections cannot be closed.
            ValueError: `grace` is not a number of seconds.
        """
        if found := bad_grace(grace):
            raise ValueError(found)
        if self._token is None or self._released:
            self._closed = True
            return
        if self._token != current_token():
            raise _misplaced()
        self._closed = True
        try:
            with anyio.move_on_after(grace):
                await self._drain()
            if self._under_way and grace is not None:
                self._end_calls(grace)
                with anyio.move_on_after(_CLEANING_UP):
                    await self._drain()
        finally:
            with anyio.CancelScope(shield=True):
                await self._logins.aclose()
        self._released = not self._under_way

    async def _drain(self) -> None:
        if self._under_way:
            self._drained = self._drained or anyio.Event()
            await self._drained.wait()

    def _end_calls(self, grace: float) -> None:
        _log.warning(
            "the session is closed: calls that have not ended after %g s and are ended now: %d", grace, len(self._under_way)
        )
        for call in self._under_way:
            call.closed_after = grace
            call.scope.cancel()

    @property
    def concurrency(self) -> int:
        """How many requests can be under way at once."""
        return self._config.concurrency

    # --- the five operations --------------------------------------------------------------------------------------------

    # Each takes `timeout`, so that nobody has to cut off a call from outside and then does not know what became of it.

    async def auth(self, *, timeout: float | None = None) -> None:
        """Log in now, to find out at start-up whether the gateway takes login and password. Nothing else needs it.

        A refusal is remembered for 30 seconds.

        Args:
            timeout: seconds for the whole call, repeats included; by default `timeouts.read`.

        Raises:
            BadCredentials, AccountSuspended: the gateway refuses the login.
            NotSent, InDoubt: the gateway could not be reached, or did not answer.
        """
        await self._run(_Call(AUTH, self._reading(timeout)), self._attempt_auth)

    async def get_credit_balance(self, *, timeout: float | None = None) -> Decimal:
        """Return the balance in credits; one part of an SMS costs about one.

        Args:
            timeout: seconds for the whole call, logging in and repeats included; by default `timeouts.read`.

        Raises:
            Refused, NotSent, InDoubt: there is no answer.
        """
        return await self._run_reading(GET_CREDIT_BALANCE, self._reading(timeout))

    @sealed
    async def send_sms(
        self,
        destination: str | Iterable[str],
        text: str | None = None,
        *,
        wappush: str | None = None,
        sender: str | None = None,
        timeout: float | None = None,
    ) -> SendResult:
        """Send one message to one or several numbers. It never sends twice by itself. See `Message` for what is allowed.

            result = await session.send_sms("+380501234567", "Ваш код: 4815", timeout=30)
            result.message_ids[0]

        Args:
            destination: one number, several in one string with commas, or an iterable of numbers.
            text: what is sent; or `wappush`, an http(s) address.
            sender: a signature or a number; by default the session's.
            timeout: seconds for the whole call, logging in included; by default `timeouts.send`. A send that runs out of time is
                in doubt if its request had begun to leave, and not sent if not. The gateway works on what it has received, so a
                short time saves nothing and costs the answer.

        Returns:
            What became of each number, if at least one was accepted; look at `refused` and `in_doubt` of the result where there
            are several.

        Raises:
            pydantic.ValidationError: the message cannot be sent as it is; nothing was sent.
            ValueError: `timeout` is not a number of seconds greater than 0; nothing was sent.
            Refused: the gateway refused all recipients.
            NotSent: nothing left this process.
            InDoubt: it is not known whether the message was sent.
        """
        message = Message(sender=sender, destinations=destination, text=text, wappush=wappush, country=self._config.country)
        return await self.send(message, timeout=timeout)

    async def send(self, message: Message, *, timeout: float | None = None) -> SendResult:
        """Send a message. Takes `timeout`, returns and raises as `send_sms` does.

        The message is checked again: a copy of a message may hold what no rule has seen.
        """
        checked = checked_again(_a_message(message))
        if isinstance(checked, ValidationError):
            raise checked
        call = self._call_of(checked, _deadline(timeout, self._config.timeouts.send))
        if (record := _RECORD.get()) is not None:
            record.calls.append(call)
        return await self._run(call, partial(self._attempt, SEND_SMS))

    async def get_new_messages(self, *, timeout: float | None = None) -> list[str]:
        """Return the ids of messages whose status the gateway does not know yet. These are not incoming SMS.

        The provider's page no longer lists this operation, so it may stop working.

        Args:
            timeout: seconds for the whole call, logging in and repeats included; by default `timeouts.read`.

        Raises:
            Refused, NotSent, InDoubt: there is no answer.
        """
        return await self._run_reading(GET_NEW_MESSAGES, self._reading(timeout), limit=REPLY_LIMIT_MOST)

    async def get_message_status(self, message_id: str, *, timeout: float | None = None) -> DeliveryStatus:
        """Return the delivery status of one message. A sentence that is not known gives `DeliveryState.UNRECOGNISED`.

        Args:
            message_id: as a send returned it.
            timeout: seconds for the whole call, logging in and repeats included; by default `timeouts.read`.

        Raises:
            ValueError: this is no message id, or no number of seconds.
            MessageNotFound: the gateway does not know the id: it is wrong, or too old.
            Refused, NotSent, InDoubt: there is no answer.
        """
        return await self._status(_checked_id(message_id), self._reading(timeout))

    async def _status(self, asked: str, deadline: float) -> DeliveryStatus:
        return await self._run_reading(GET_MESSAGE_STATUS, deadline, asked=asked, MessageId=asked)

    # --- on top of them -------------------------------------------------------------------------------------------------

    def send_many(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        *,
        rate: float | None = None,
        timeout: float | None = None,
    ) -> Parallel[Message, SendOutcome]:
        """Send many messages and iterate over what became of each, as it ends and so in no order. Errors come as values.

            async with session.send_many(messages, rate=10) as outcomes:
                async for outcome in outcomes:
                    print(outcome.message.text, outcome.result or outcome.error)

        Leaving the loop early stops the reading. Sends that are under way end by themselves; leaving the `async with` block, or
        `aclose()`, waits for them, and outcomes that nobody takes any more are logged. Nothing is ever cancelled in `messages`:
        if it is waiting for its next item when the loop is left, it goes on waiting, and what it still gives is sent and logged.
        An iterator or a generator that is handed over stays yours: it is not closed, and what is left in it was not touched.
        A campaign that must survive a crash needs a journal beside it.

        Args:
            messages: any iterable or async iterable. It is read only as fast as it is sent.
            rate: recipients a second at most; by default as fast as the gateway answers.
            timeout: seconds for each message, as in `send_sms`; by default `timeouts.send`.

        Raises:
            TypeError: `messages` is no iterable.
            ValueError: `rate` or `timeout` is not a number greater than 0.
            Exception: what `messages` raises is raised by the loop, after the outcomes of what had been read.
        """
        if rate is not None and not positive(rate):
            raise ValueError("rate: must be a number of recipients a second, greater than 0")
        deadline = _deadline(timeout, self._config.timeouts.send)
        if not isinstance(messages, (Iterable, AsyncIterable)):
            raise TypeError("messages: must be an iterable or an async iterable of smsgate.Message")
        return Parallel(
            messages,
            partial(self._outcome, deadline),
            width=self._config.concurrency,
            pace=None if rate is None else Pace(rate, _recipients),
            unclaimed=_unclaimed,
            named=_named,
            unused="nobody iterated over what send_many returned, so nothing was sent",
        )

    async def _outcome(self, deadline: float, message: Message) -> SendOutcome:
        try:
            return SendOutcome(message, result=await self.send(message, timeout=deadline))
        except (SmsGateError, ValidationError) as error:
            return SendOutcome(message, error=error)

    def wait_for_delivery(self, ids: str | Iterable[str], *, timeout: float) -> Parallel[str, DeliveryStatus]:
        """Follow messages and iterate over the changes of their delivery status, until each is final.

            async with session.wait_for_delivery(result.message_ids, timeout=60) as changes:
                async for status in changes:
                    print(status.message_id, status.state)

        Each message is asked for again after half a second at first and then less and less often, up to every 30 seconds. A
        fault of the transport is tried again in its turn. An id that the gateway does not know ends as `DeliveryState.NOT_FOUND`.
        The loop may be left at any time.

        Args:
            ids: one message id, or several.
            timeout: seconds for all of them together, from the first step of the loop on.

        Raises:
            ValueError: one is no message id, or `timeout` is not a number of seconds greater than 0.
            TimeoutError: raised by the loop if some are not final after `timeout` seconds.
            Refused: raised by the loop if the gateway refuses to answer at all.
        """
        if not positive(timeout):
            raise ValueError("timeout: must be a number of seconds greater than 0")
        following = Following([_checked_id(one) for one in ([ids] if isinstance(ids, str) else ids)], timeout)
        return Parallel(
            following,
            partial(self._followed, following),
            width=self._config.concurrency,
            unclaimed=_of_no_use,
            stop=following.stop,
            unused="nobody iterated over what wait_for_delivery returned, so nothing was asked",
        )

    async def _followed(self, following: Following, asked: str) -> DeliveryStatus | None:
        status: DeliveryStatus | None = None
        try:
            status = await self._status(asked, min(following.time_left(), self._config.timeouts.read))
        except MessageNotFound as error:
            status = DeliveryStatus(message_id=asked, state=DeliveryState.NOT_FOUND, text=error.text)
        except (NotSent, InDoubt):
            if self._unusable():
                raise
        return following.answered(asked, status)

    # --- a call on its way ----------------------------------------------------------------------------------------------

    def _call_of(self, message: Message, deadline: float) -> _Call:
        sender = message.sender or self._config.sender
        if sender is None:
            raise invalid_message(
                (("sender",), "missing", f"no sender: neither the message nor the session names one; {SENDER_RULE}")
            )
        numbers = message.destinations
        if _log.isEnabledFor(logging.DEBUG):
            size = f"{len(message.text)} characters in {segments(message.text).parts} parts" if message.text else "a WAP push"
            _log.debug("SendSMS%s: %s", _subject(message), size)
        return _Call(
            SEND_SMS,
            deadline,
            Body(
                request_body(SEND_SMS, sender=sender, destination=",".join(numbers), text=message.text, wappush=message.wappush)
            ),
            reply_limit(len(numbers)),
            (*numbers, *(number[1:] for number in numbers), message.text or "", message.wappush or ""),
            _subject(message),
            message,
        )

    def _reading(self, timeout: float | None) -> float:
        return _deadline(timeout, self._config.timeouts.read)

    async def _run_reading(
        self,
        operation: Operation[T],
        deadline: float,
        *,
        asked: str | None = None,
        limit: int = REPLY_LIMIT,
        **arguments: str,
    ) -> T:
        body = Body(request_body(operation, **arguments))
        call = _Call(operation, deadline, body, limit, asked=asked)
        return await self._run(call, partial(self._attempt, operation))

    async def _run(self, call: _Call, attempt: Callable[[_Call], Awaitable[T]]) -> T:
        """Make the call, and tell the observer of it."""
        if self._observer is None:
            return await self._run_in_time(call, attempt)
        observation = Observation(self._observer, CallStart(call.operation.name, *address_of(self._config.url)))
        try:
            result = await self._run_in_time(call, attempt)
        except BaseException as error:
            observation.ended(end_of_error(error, call.operation, call.sent, left=call.left))
            raise
        observation.ended(end_of(result, call.sent))
        return result

    async def _run_in_time(self, call: _Call, attempt: Callable[[_Call], Awaitable[T]]) -> T:
        """Make the call within its deadline. What it raises has no frames below this one."""
        failure = self._unusable()
        if failure is None:
            self._under_way.add(call)
            call.scope.deadline = anyio.current_time() + call.deadline
            try:
                with call.scope:
                    return await self._repeat(call, attempt)
                failure = call.cut_off()
                if call.closed_after is not None:
                    _log_doubt(call, "was ended by aclose")
            except SmsGateError as error:
                failure = error
            except anyio.get_cancelled_exc_class():
                _log_doubt(call, "was cancelled")
                raise
            except Exception as error:  # which nobody foresaw
                _log_doubt(call, "failed")
                error.add_note("the request may have left: in doubt" if call.left else "nothing of the request has left")
                # `send_sms` takes the frames away.
                where = ", ".join(f"{place.filename}:{place.lineno}" for place in extract_tb(error.__traceback__))
                _log.warning("%s%s failed unexpectedly in %s", call.operation.name, call.subject, where)
                raise
            finally:
                self._under_way.discard(call)
                if self._drained is not None and not self._under_way:
                    self._drained.set()
        raise seal(failure)

    def _unusable(self) -> SmsGateError | None:
        if self._closed:
            return NotSent("the session is closed", reason=Reason.CLOSED)
        if self._token is None:
            return NotSent("the session is not open: use it as 'async with'", reason=Reason.NOT_OPEN)
        if self._token != current_token():
            return _misplaced()
        return None

    async def _repeat(self, call: _Call, attempt: Callable[[_Call], Awaitable[T]]) -> T:
        for turn, pause in enumerate(_PAUSES, start=1):
            try:
                return await attempt(call)
            except (NotSent, InDoubt) as error:
                if call.lasting or not _may_repeat(call.operation, error):
                    raise
                harmless = "nothing of it has left" if isinstance(error, NotSent) else "asking twice does no harm"
                _log.warning(
                    "%s%s: trying again (%d of %d), as %s: %s",
                    call.operation.name,
                    call.subject,
                    turn,
                    len(_PAUSES),
                    harmless,
                    str(error),  # handlers keep what they are given, and an error holds frames
                )
                if error.reason is Reason.TIMED_OUT:
                    continue  # It has waited longer than any pause, and its deadline goes on.
            await anyio.sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311 - jitter, not a secret
        return await attempt(call)

    async def _attempt(self, operation: Operation[T], call: _Call) -> T:
        call.waiting_since = anyio.current_time()
        async with self._logins.lease() as login:
            call.exchange = None
            if not login.authenticated:
                await self._authenticate(login, call)
            try:
                return await self._ask(login, call, operation)
            except NotAuthorised:
                # The gateway answered before it did anything, so the request may go out once more.
                login.cookie = call.exchange = None
            call.waiting_since = anyio.current_time()
            await self._authenticate(login, call)
            try:
                return await self._ask(login, call, operation)
            except NotAuthorised:
                login.cookie = call.exchange = None
                raise

    async def _attempt_auth(self, call: _Call) -> None:
        call.waiting_since = anyio.current_time()
        async with self._logins.lease() as login:
            call.exchange = Exchange()
            await self._log_in(login, call.exchange, call)

    async def _log_in(self, login: Login, exchange: Exchange, call: _Call) -> None:
        """Make one Auth, soon enough to be able to repeat it: within the reading deadline, or half of it if no more is left."""
        read, left = self._config.timeouts.read, call.scope.deadline - anyio.current_time()
        within = min(read, max(left, read) / 2)
        await self._logins.authenticate(login, exchange, within=within, since=call.waiting_since)

    async def _authenticate(self, login: Login, call: _Call) -> None:
        """Log in on the way to another operation, of which nothing has left if this fails."""
        try:
            await self._log_in(login, Exchange(), call)
        except (NotSent, InDoubt) as error:
            call.lasting = not _passing(error)
            failure = NotSent(f"the login failed: {error}", reason=error.reason)
        else:
            return
        raise failure

    async def _ask(self, login: Login, call: _Call, operation: Operation[T]) -> T:
        call.exchange = Exchange()
        reply = await self._logins.ask(login, call.operation, call.body, call.limit, call.exchange)
        for sentence in unrecognised(operation, reply):
            # To a send the gateway may answer with half of its text, which no search for the whole would find.
            secrets = (self._config.login, self._config.password, *login.cookie_values, *call.secrets)
            shown = f"{len(sentence)} characters" if call.operation is SEND_SMS else redact(sentence, secrets)[:300]
            _log.warning("%s%s: answer not recognised: %s", call.operation.name, call.subject, shown)
        return operation.read(reply, call.asked)

    def _open_transport(self) -> Transport:
        config = self._config
        if config.http_client is not None:
            return lent_transport(config.url, config.http_client, connect=config.timeouts.connect)
        if self._ssl is None:
            self._ssl = ssl_settings(config.verify, config.url, config.proxy)
        times = config.timeouts
        return own_transport(config.url, self._ssl, proxy=config.proxy, connect=times.connect, keep_alive=times.keep_alive)


def _caller() -> int:
    """Return how many frames above the function that asks the first one is that is neither of this file nor of `sealed`."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") in (__name__, sealed.__module__):
        level, frame = level + 1, frame.f_back
    return level


def _misplaced() -> NotSent:
    return NotSent("the session was opened on another event loop", reason=Reason.OTHER_EVENT_LOOP)


def _may_repeat(operation: Operation[object], error: NotSent | InDoubt) -> bool:
    return (isinstance(error, NotSent) or operation.repeatable) and _passing(error)


def _passing(error: NotSent | InDoubt) -> bool:
    """Return whether it may be over the next moment. A 404 will not be, a 502 may."""
    lasting = isinstance(error, InDoubt) and error.reason is Reason.HTTP_STATUS and (error.evidence.status or 0) < 500
    return error.reason.passing and not lasting


def _log_doubt(call: _Call, how: str) -> None:
    """Log a send that nobody may hear of: its task ends, too."""
    if call.left and call.operation is SEND_SMS:
        _log.warning("SendSMS%s %s, and the request may have left: in doubt", call.subject, how)


def _deadline(timeout: float | None, usual: float) -> float:
    if timeout is None:
        return usual
    if not positive(timeout):
        raise ValueError("timeout: must be a number of seconds greater than 0")
    return timeout


def _subject(message: Message) -> str:
    first, others = mask_number(message.destinations[0]), len(message.destinations) - 1
    return f" to {first}{f' and {others} more' if others else ''}"


def _a_message(message: Any) -> Message:
    if not isinstance(message, Message):
        raise TypeError("message: must be a smsgate.Message")
    return message


def _recipients(message: Message) -> int:
    checked = checked_again(_a_message(message))
    return len(checked.destinations) if isinstance(checked, Message) else 0


def _checked_id(text: Any) -> str:
    found = message_id(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("message_id: must be a UUID, 32 hexadecimal digits in five groups, as the gateway gives it")
    return found


def _named(message: Any) -> str:
    checked = checked_again(message) if isinstance(message, Message) else None
    return f"SendSMS{_subject(checked)}" if isinstance(checked, Message) else f"no valid message: a {type(message).__name__}"


def _of_no_use(status: DeliveryStatus) -> None:
    """Let go of a status that nobody took: the gateway will tell it again."""


def _unclaimed(outcome: SendOutcome) -> None:
    became = str(outcome.error or "") or f"accepted as {', '.join(outcome.result.message_ids) if outcome.result else ''}"
    checked = checked_again(outcome.message)
    subject = f"{_subject(checked)}:" if isinstance(checked, Message) else ""
    _log.warning("send_many was left before this was taken:%s %s", subject, became)
