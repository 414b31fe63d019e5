"""AsyncSession: the five gateway operations, plus bulk sending and delivery tracking.

Rules of this file:
- A send is repeated only if no byte of its request has left the process, or if the gateway did not
  process the request.
  The table of operations says which operations may be repeated freely.
- The traceback of an error raised here ends at the public method that the user called. Internal
  frames are removed, so no traceback shows a password, a cookie, a number or a text.
"""

from __future__ import annotations

import logging
import os
import ssl
import sys
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from warnings import warn

import anyio
from pydantic import ValidationError

from ._client.call import RECORD, Calls, OutgoingCall, machine_seconds, subject_of
from ._client.delivery import Following
from ._client.exchange import Body
from ._client.httpx_transport import HttpClient
from ._client.observing import Observer
from ._client.workers import Pace, Parallel
from .config import (
    GATEWAY_URL,
    GatewaySettings,
    SessionConfig,
    Timeouts,
    TransportName,
    bad_grace,
    odd_credentials,
    positive,
    read_environment,
    travels_in_clear,
)
from .errors import (
    InDoubt,
    MessageNotFound,
    NotSent,
    PlainHttpWarning,
    Reason,
    Refused,
    SmsGateError,
)
from .privacy import sealed
from .protocol.answers import DeliveryState
from .protocol.envelope import request_body
from .protocol.limits import REPLY_LIMIT, REPLY_LIMIT_MOST, reply_limit
from .protocol.models import (
    SENDER_RULE,
    DeliveryStatus,
    Message,
    SendResult,
    checked_again,
    invalid_message,
    message_id,
)
from .protocol.operation import Operation
from .protocol.operations import (
    AUTH,
    GET_CREDIT_BALANCE,
    GET_MESSAGE_STATUS,
    GET_NEW_MESSAGES,
    SEND_SMS,
)
from .protocol.segments import segments
from .stop_check import StopCheck, check_not_listed, checked_stop_list

__all__ = ["GATEWAY_URL", "AsyncSession", "SendOutcome"]

_log = logging.getLogger("smsgate")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """The outcome of one message of `send_many`: a result or an error.

    Attributes:
        message: the message.
        result: the outcome of each recipient; None if there is an error.
        error: a `SmsGateError`, or a `pydantic.ValidationError` for an invalid message; None if
            there is a result.
    """

    message: Message
    result: SendResult | None = None
    error: SmsGateError | ValidationError | None = None


class AsyncSession:
    """A session with the gateway. It logs in when needed, keeps the cookies and renews them.

        async with smsgate.AsyncSession("login", "password", sender="Shop") as session:
            result = await session.send_sms("+380501234567", "Ваш код: 4815")
            print(result.message_ids[0])

    If you cannot use `async with`, open the session with `await session.__aenter__()` and call
    `aclose` at the end. You may create a session anywhere, but open and use it on one event loop
    only. `aclose` waits for calls in flight; `aclose(grace=...)` limits this wait.

    Args:
        login: the login of the gateway, from the account's settings; not the login of the website.
        password: the password of the gateway.
        sender: the default sender, for messages without a sender.
        url: the complete URL of the gateway, including the path.
        concurrency: how many requests may be in flight at the same time, from 1 to 256. Each has
            its own cookie and connection; other calls wait.
        account_concurrency: for campaigns in PostgreSQL: the maximum number of requests in flight,
            from 1 to 256, on all machines together. By default there is no such limit (docs:
            several machines, "Requests at the same time").
        timeouts: the deadlines of calls, in seconds.
        transport: the library of the session's own connections: "httpx", or "aiohttp", which takes
            about half the CPU time of a call, works on asyncio only and needs the extra `aiohttp`.
        proxy: the URL of an HTTP proxy; by default no proxy. `HTTP_PROXY` and similar environment
            variables are ignored.
        verify: True, False, or an `ssl.SSLContext`.
        http_client: an `httpx.AsyncClient` or `httpx2.AsyncClient` to use in place of the session's
            own connections. The session never closes it.
        country: the two-letter code of the country whose local numbers `send_sms` accepts (extra
            `phone`).
        allowed_numbers: for a test environment: the only numbers to send to, as a string with
            commas or as an iterable. A send to another number raises `NotAllowed`.
        redirect_to: for a test environment: the number that gets every message. A send to several
            numbers sends one message to this number, and every recipient has its outcome.
        observer: an `Observer` of every call, for traces and metrics.
        stop_list: a stop list, such as an open `smsgate.stop_list.StopList`. A send to a number on
            it raises `OnStopList`. Then nothing is sent, not even to the other numbers.

    Raises:
        ValueError, TypeError: an argument is invalid. The message names the argument and never
            shows its value.

    Warns:
        PlainHttpWarning: the address is plain http and not on this machine.
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
        account_concurrency: int | None = None,
        timeouts: Timeouts = Timeouts(),
        transport: TransportName = "httpx",
        proxy: str | None = None,
        verify: bool | ssl.SSLContext = True,
        http_client: HttpClient | None = None,
        country: str | None = None,
        allowed_numbers: str | Iterable[str] | None = None,
        redirect_to: str | None = None,
        observer: Observer | None = None,
        stop_list: StopCheck | None = None,
    ) -> None:
        self._config = config = SessionConfig(
            login=login,
            password=password,
            sender=sender,
            url=url,
            concurrency=concurrency,
            account_concurrency=account_concurrency,
            timeouts=timeouts,
            transport=transport,
            proxy=proxy,
            verify=verify,
            http_client=http_client,
            country=country,
            allowed_numbers=_again(allowed_numbers),
            redirect_to=redirect_to,
        )
        self._staging = config.staging
        for odd in odd_credentials(login=login, password=password):
            warn(odd, stacklevel=_caller())
        self._calls = Calls(config, observer)
        self._stop_list = checked_stop_list(stop_list)
        if travels_in_clear(config.url):
            warn(
                "the gateway's address is plain http: login, password and texts are not encrypted",
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
        stop_list: StopCheck | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Return a session with the settings found in environment variables.

            async with AsyncSession.from_env() as session:
                print(await session.get_credit_balance())

        `SMSGATE_LOGIN` and `SMSGATE_PASSWORD` are required. `SMSGATE_SENDER`, `SMSGATE_URL`,
        `SMSGATE_CONCURRENCY`, `SMSGATE_ACCOUNT_CONCURRENCY`, `SMSGATE_TRANSPORT`, `SMSGATE_PROXY`,
        `SMSGATE_COUNTRY`, `SMSGATE_ALLOWED_NUMBERS` and `SMSGATE_REDIRECT_TO` are optional. An
        empty variable counts as absent. For an `.env` file and secret files see `from_settings`.

        Args:
            timeouts: as for `AsyncSession`.
            proxy: the URL of an HTTP proxy; overrides `SMSGATE_PROXY`.
            verify: as for `AsyncSession`.
            http_client: as for `AsyncSession`.
            observer: as for `AsyncSession`.
            stop_list: as for `AsyncSession`.
            environ: the variables; by default those of this process.

        Raises:
            ValueError: a variable is missing or invalid. The message names the variable.
        """
        settings = read_environment(environ)
        if proxy is not None:
            settings = settings.model_copy(update={"proxy": proxy})
        return cls.from_settings(
            settings,
            timeouts=timeouts,
            verify=verify,
            http_client=http_client,
            observer=observer,
            stop_list=stop_list,
        )

    @classmethod
    def from_settings(
        cls,
        settings: GatewaySettings,
        *,
        timeouts: Timeouts = Timeouts(),
        verify: bool | ssl.SSLContext = True,
        http_client: HttpClient | None = None,
        observer: Observer | None = None,
        stop_list: StopCheck | None = None,
    ) -> Self:
        """Return a session with these settings.

            settings = SmsGateSettings(_env_file=".env")
            async with AsyncSession.from_settings(settings) as session:
                print(await session.get_credit_balance())

        Args:
            settings: the settings, for example `smsgate.settings.SmsGateSettings()`.
            timeouts: as for `AsyncSession`.
            verify: as for `AsyncSession`.
            http_client: as for `AsyncSession`.
            observer: as for `AsyncSession`.
            stop_list: as for `AsyncSession`.

        Raises:
            ValueError: a setting is invalid. The message names the setting.
        """
        return cls(
            **settings.arguments(),
            timeouts=timeouts,
            verify=verify,
            http_client=http_client,
            observer=observer,
            stop_list=stop_list,
        )

    def __repr__(self) -> str:
        # If the constructor raised, both attributes are missing, and a traceback may call `repr`.
        config: SessionConfig | None = vars(self).get("_config")
        calls: Calls | None = vars(self).get("_calls")
        state = (
            "closed"
            if calls and calls.closed
            else "open"
            if calls and calls.is_open
            else "not open"
        )
        return f"<AsyncSession {config.url if config else ''} {state}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a session cannot be pickled or copied: it holds connections and the password"
        )

    async def __aenter__(self) -> Self:
        self._calls.open()
        if limits := self._staging.words():
            _log.warning("test environment: %s", limits)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self, *, grace: float | None = None) -> None:
        """Refuse new calls, wait for those in flight, and close the connections.

            await session.aclose(grace=10)

        You may call `aclose` again, even while another `aclose` waits. If you cancel `aclose`, the
        calls in flight continue, and each of them closes its own connection at the end. To wait for
        these calls, call `aclose` again.

        Args:
            grace: the maximum wait in seconds; with 0, `aclose` does not wait. A call that has not
                ended by then raises `InDoubt` if a byte of its request has left the process,
                otherwise `NotSent`, with the reason `Reason.CLOSED`. By default, `aclose` waits
                until the deadline of each call.

        Raises:
            NotSent: the session was opened on another event loop, so this call cannot close it.
            ValueError: `grace` is not a number of seconds.
        """
        if found := bad_grace(grace):
            raise ValueError(found)
        await self._calls.close(grace)

    @property
    def timeouts(self) -> Timeouts:
        """The deadlines of the session."""
        return self._config.timeouts

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight at the same time."""
        return self._config.concurrency

    @property
    def account_concurrency(self) -> int | None:
        """The maximum number of requests in flight for campaigns, on all machines, or None."""
        return self._config.account_concurrency

    @property
    def account_key(self) -> int:
        """A number that is the same in all sessions of one account, to use as a lock key."""
        return self._config.account_key

    # --- the five operations --------------------------------------------------------------------

    # Each has a `timeout`, so that callers do not need `asyncio.timeout`: a call that is cancelled
    # from outside cannot report its outcome.

    async def auth(self, *, timeout: float | None = None) -> None:
        """Log in now, to check login and password at start-up. No other call needs this.

            await session.auth()  # raises BadCredentials now, not at the first send

        After a refusal, further logins raise the same error for 30 seconds, without a request.

        Args:
            timeout: seconds for the whole call, including retries; by default `timeouts.read`.

        Raises:
            BadCredentials, AccountSuspended: the gateway refuses the login.
            NotSent, InDoubt: the gateway could not be reached or did not answer.
        """
        await self._calls.log_in(OutgoingCall(AUTH, self._reading(timeout)))

    async def get_credit_balance(self, *, timeout: float | None = None) -> Decimal:
        """Return the balance in credits. One part of an SMS costs about one credit.

            if await session.get_credit_balance() < 100:
                print("Top up the account.")

        Args:
            timeout: seconds for the whole call, including the login and retries; by default
                `timeouts.read`.

        Raises:
            Refused: the gateway refuses to answer.
            NotSent, InDoubt: the gateway could not be reached or did not answer.
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
        not_after: float | None = None,
    ) -> SendResult:
        """Send one message to one or several numbers. smsgate never sends it twice by itself.

            result = await session.send_sms("+380501234567", "Ваш код: 4815", timeout=30)
            result.message_ids[0]

        Args:
            destination: one number, several numbers in one string separated by commas, or an
                iterable of numbers. See `Message` for the allowed formats.
            text: the text of the SMS.
            wappush: an http(s) address to send as a WAP push, in place of `text`.
            sender: an approved name or a phone number; by default the sender of the session.
            timeout: seconds for the whole call, including the login and retries; by default
                `timeouts.send`. A send that times out raises `NotSent` if no byte of its request
                has left the process, otherwise `InDoubt`. A timeout does not stop the gateway, so
                the gateway may still send the message after `InDoubt`. A short timeout does not
                prevent the send: you only lose the answer.
            not_after: seconds within which the first byte of the request must leave the process; by
                default no limit except `timeout`. Use `not_after` for a message that is useless
                later, such as a one-time code. If the request has not begun by then, nothing is
                sent, and the call raises `NotSent`. Otherwise `not_after` has no effect.

        Returns:
            The outcome of each recipient, if at least one was accepted. After a send to several
            numbers, check `refused` and `in_doubt` of the result.

        Raises:
            pydantic.ValidationError: the message is invalid; nothing was sent.
            ValueError: `timeout` or `not_after` is not a number of seconds greater than 0; nothing
                was sent.
            OnStopList: a number is on the stop list of the session. The error says how many are.
                Nothing was sent, not even to the other numbers of the call.
            NotAllowed: a number is not among the `allowed_numbers` of the session. Nothing was
                sent, not even to the other numbers of the call.
            Refused: the gateway refused all recipients.
            NotSent: the message was certainly not sent. After `not_after` seconds, `reason` is
                `TOO_LATE`.
            InDoubt: it is not known whether the message was sent.
        """
        message = self._message(destination, text, wappush, sender)
        return await self.send(message, timeout=timeout, not_after=not_after)

    def compose(
        self,
        destination: str | Iterable[str],
        text: str | None = None,
        *,
        wappush: str | None = None,
        sender: str | None = None,
    ) -> Message:
        """Return the message that `send_sms` would send, with its sender. Nothing is sent.

            message = session.compose("+380501234567", "Ваш код: 4815")
            print(message.sender, message.destinations)

        Args:
            destination, text, wappush, sender: as in `send_sms`.

        Raises:
            pydantic.ValidationError: the message is invalid, or has no sender.
        """
        message = self._message(destination, text, wappush, sender or self._config.sender)
        if message.sender is None:
            raise _no_sender()
        return message

    def _message(
        self,
        destination: str | Iterable[str],
        text: str | None,
        wappush: str | None,
        sender: str | None,
    ) -> Message:
        return Message(
            sender=sender,
            destinations=destination,
            text=text,
            wappush=wappush,
            country=self._config.country,
        )

    async def send(
        self, message: Message, *, timeout: float | None = None, not_after: float | None = None
    ) -> SendResult:
        """Send a message. Returns and raises as `send_sms` does.

            message = smsgate.Message(destinations="+380501234567", text="Ваш код: 4815")
            result = await session.send(message, not_after=60)

        The message is validated again, because a copy of a message may hold unchecked values.

        Args:
            message: the message.
            timeout: seconds for the whole call, as in `send_sms`; by default `timeouts.send`.
            not_after: seconds within which the first byte must leave the process, as in `send_sms`.
        """
        if not_after is not None and not positive(not_after):
            raise ValueError("not_after: must be a number of seconds greater than 0")
        checked = checked_again(_a_message(message))
        if isinstance(checked, ValidationError):
            raise checked
        sent = self._staging.redirected(checked)
        deadline = _deadline(timeout, self._config.timeouts.send)
        if self._stop_list is not None:
            gone = await self._look_up(self._stop_list, checked, deadline, not_after)
            deadline -= gone
            not_after = None if not_after is None else not_after - gone
        call = self._call_of(sent, deadline)
        call.not_after = not_after
        if (record := RECORD.get()) is not None:
            record.calls.append(call)
        try:
            # The numbers have no name here: this frame is in the traceback of an error.
            return self._staging.result_for(checked.destinations, await self._calls.run(call))
        except Refused as error:
            self._staging.refusal_for(checked.destinations, error)
            raise

    async def _look_up(
        self,
        stop_list: StopCheck,
        message: Message,
        deadline: float,
        not_after: float | None,
    ) -> float:
        """Look the numbers of a message up in the stop list. Returns the seconds that it took."""
        began = machine_seconds()
        most = deadline if not_after is None else min(deadline, not_after)
        with anyio.move_on_after(most):
            await check_not_listed(stop_list, message.destinations)
        gone = machine_seconds() - began
        if gone >= most:
            raise NotSent(
                f"nothing was sent: the look-up in the stop list took {gone:.1f} s",
                reason=Reason.TIMED_OUT if most == deadline else Reason.TOO_LATE,
            )
        return gone

    async def get_new_messages(self, *, timeout: float | None = None) -> list[str]:
        """Return the ids of sent messages that have no status yet. These are not incoming SMS.

            for message_id in await session.get_new_messages():
                print(message_id)

        The provider no longer documents this operation, so it may stop working.

        Args:
            timeout: seconds for the whole call, including the login and retries; by default
                `timeouts.read`.

        Raises:
            Refused: the gateway refuses to answer.
            NotSent, InDoubt: the gateway could not be reached or did not answer.
        """
        return await self._run_reading(
            GET_NEW_MESSAGES, self._reading(timeout), limit=REPLY_LIMIT_MOST
        )

    async def get_message_status(
        self, message_id: str, *, timeout: float | None = None
    ) -> DeliveryStatus:
        """Return the delivery status of one message.

            status = await session.get_message_status(message_id)
            print(status.state, status.final)

        Args:
            message_id: the id from the result of a send.
            timeout: seconds for the whole call, including the login and retries; by default
                `timeouts.read`.

        Returns:
            The status. Its state is `DeliveryState.UNRECOGNISED` if smsgate does not know the
            gateway's sentence.

        Raises:
            ValueError: `message_id` is not a message id, or `timeout` is not a number of seconds
                greater than 0.
            MessageNotFound: the gateway does not know the id: the id is wrong, or the message is
                too old.
            Refused: the gateway refuses to answer.
            NotSent, InDoubt: the gateway could not be reached or did not answer.
        """
        return await self._status(_checked_id(message_id), self._reading(timeout))

    async def _status(self, asked: str, deadline: float) -> DeliveryStatus:
        return await self._run_reading(GET_MESSAGE_STATUS, deadline, asked=asked, MessageId=asked)

    # --- bulk sending and delivery tracking -----------------------------------------------------

    def send_many(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        *,
        rate: float | None = None,
        timeout: float | None = None,
    ) -> Parallel[Message, SendOutcome]:
        """Send many messages. Yields each outcome as soon as it is known, in no fixed order.

            async with session.send_many(messages, rate=10) as outcomes:
                async for outcome in outcomes:
                    print(outcome.message.text, outcome.result or outcome.error)

        If you leave the loop early, `send_many` reads no more messages (with one exception, see
        below), and sends in flight continue in the background. To wait for these sends, leave the
        block `async with session.send_many(...)`, or call `outcomes.aclose()`. Outcomes that the
        loop did not yield are logged.

        The exception: if `messages` is an async iterable, `send_many` may be waiting for the next
        message when you leave the loop. It does not cancel this wait. If the message arrives, it is
        still sent. `send_many` does not close an iterator or a generator that you pass, so you can
        read the remaining messages.

        `send_many` keeps no record of what was sent. To survive a crash, use `smsgate.campaign`.

        Args:
            messages: any iterable or async iterable, read only as fast as the messages are sent.
            rate: the maximum number of recipients per second; by default no limit.
            timeout: seconds for each message, as in `send_sms`; by default `timeouts.send`.

        Returns:
            An async iterator of `SendOutcome`, also an async context manager. An error of one
            message is the `error` of its outcome and does not end the loop.

        Raises:
            TypeError: `messages` is not an iterable.
            ValueError: `rate` or `timeout` is not a number greater than 0.
            Exception: any exception that `messages` raises. The loop raises it after it has yielded
                the outcomes of the messages already read.
        """
        if rate is not None and not positive(rate):
            raise ValueError("rate: must be a number of recipients per second, greater than 0")
        deadline = _deadline(timeout, self._config.timeouts.send)
        if not isinstance(messages, (Iterable, AsyncIterable)):
            raise TypeError("messages: must be an iterable or an async iterable of smsgate.Message")
        return Parallel(
            messages,
            partial(self._outcome, deadline),
            width=self._config.concurrency,
            pace=None if rate is None else Pace(rate, _recipients),
            unclaimed=_log_unclaimed,
            named=_named,
            unused="the result of send_many was never iterated over, so nothing was sent",
        )

    async def _outcome(self, deadline: float, message: Message) -> SendOutcome:
        try:
            return SendOutcome(message, result=await self.send(message, timeout=deadline))
        except (SmsGateError, ValidationError) as error:
            return SendOutcome(message, error=error)

    def wait_for_delivery(
        self, ids: str | Iterable[str], *, timeout: float
    ) -> Parallel[str, DeliveryStatus]:
        """Follow the delivery of messages. Yields each status change until all statuses are final.

            async with session.wait_for_delivery(result.message_ids, timeout=60) as changes:
                async for status in changes:
                    print(status.message_id, status.state)

        Each status is requested at growing intervals, from half a second up to 30 seconds. A failed
        request is repeated at the next interval. An id that the gateway does not know gets the
        state `DeliveryState.NOT_FOUND`. You can leave the loop at any time.

        Args:
            ids: one message id, or several.
            timeout: seconds for all messages together, from the first step of the loop.

        Returns:
            An async iterator of `DeliveryStatus`, also an async context manager.

        Raises:
            ValueError: `ids` contains anything other than message ids, or `timeout` is not a number
                of seconds greater than 0.
            TimeoutError: some statuses are not final after `timeout` seconds; raised by the loop.
            Refused: the gateway refuses to answer; raised by the loop.
            NotSent, InDoubt: the session is closed or not open; raised by the loop.
        """
        if not positive(timeout):
            raise ValueError("timeout: must be a number of seconds greater than 0")
        following = Following(
            [_checked_id(one) for one in ([ids] if isinstance(ids, str) else ids)], timeout
        )
        return Parallel(
            following,
            partial(self._followed, following),
            width=self._config.concurrency,
            unclaimed=_drop_status,
            stop=following.stop,
            unused=(
                "the result of wait_for_delivery was never iterated over, so nothing was requested"
            ),
        )

    async def _followed(self, following: Following, asked: str) -> DeliveryStatus | None:
        status: DeliveryStatus | None = None
        try:
            status = await self._status(
                asked, min(following.time_left(), self._config.timeouts.read)
            )
        except MessageNotFound as error:
            status = DeliveryStatus(
                message_id=asked, state=DeliveryState.NOT_FOUND, text=error.text
            )
        except (NotSent, InDoubt):
            if self._calls.unusable():
                raise
        return following.answered(asked, status)

    # --- shared helpers -------------------------------------------------------------------------

    def _call_of(self, message: Message, deadline: float) -> OutgoingCall[SendResult]:
        sender = message.sender or self._config.sender
        if sender is None:
            raise _no_sender()
        numbers = message.destinations
        if _log.isEnabledFor(logging.DEBUG):
            size = (
                f"{len(message.text)} characters in {segments(message.text).parts} parts"
                if message.text
                else "a WAP push"
            )
            _log.debug("SendSMS%s: %s", subject_of(message), size)
        return OutgoingCall(
            SEND_SMS,
            deadline,
            Body(
                request_body(
                    SEND_SMS,
                    sender=sender,
                    destination=",".join(numbers),
                    text=message.text,
                    wappush=message.wappush,
                )
            ),
            reply_limit(len(numbers)),
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
        return await self._calls.run(OutgoingCall(operation, deadline, body, limit, asked=asked))


def _caller() -> int:
    """Return the stack level of the first caller outside this file and `sealed`, for `warn`."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") in (
        __name__,
        sealed.__module__,
    ):
        level, frame = level + 1, frame.f_back
    return level


def _again(numbers: str | Iterable[str] | None) -> str | tuple[str, ...] | None:
    """Return the numbers so that they can be read several times."""
    return numbers if numbers is None or isinstance(numbers, str) else tuple(numbers)


def _no_sender() -> ValidationError:
    return invalid_message(
        (
            ("sender",),
            "missing",
            f"no sender: set one for the message or for the session; {SENDER_RULE}",
        )
    )


def _deadline(timeout: float | None, usual: float) -> float:
    if timeout is None:
        return usual
    if not positive(timeout):
        raise ValueError("timeout: must be a number of seconds greater than 0")
    return timeout


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
        raise ValueError("message_id: must be a UUID, 32 hexadecimal digits in five groups")
    return found


def _named(message: Any) -> str:
    checked = checked_again(message) if isinstance(message, Message) else None
    return (
        f"SendSMS{subject_of(checked)}"
        if isinstance(checked, Message)
        else f"not a valid message: a {type(message).__name__}"
    )


def _drop_status(status: DeliveryStatus) -> None:
    """Drop a status that was not taken: the gateway can be asked for it again."""


def _log_unclaimed(outcome: SendOutcome) -> None:
    became = (
        str(outcome.error or "")
        or f"accepted as {', '.join(outcome.result.message_ids) if outcome.result else ''}"
    )
    checked = checked_again(outcome.message)
    subject = f"{subject_of(checked)}:" if isinstance(checked, Message) else ""
    _log.warning("send_many: the loop ended before it yielded this outcome:%s %s", subject, became)
