"""One call: its deadline, the gateway session that it leases, its login and its retries.

Rules of this file:
- A request is sent again only if none of it had left, if the gateway refused the cookie, or if the
  operation sends no message.
- An error of a call holds no frames below `Calls.run`, since these hold numbers, texts and the
  password.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from traceback import extract_tb
from typing import Any, Generic, Protocol, TypeVar

import anyio
from anyio.lowlevel import EventLoopToken, current_token

from ..config import SessionConfig, address_of
from ..errors import InDoubt, NotAuthorised, NotSent, Reason, SmsGateError
from ..privacy import mask_number, redact, seal
from ..protocol.limits import REPLY_LIMIT
from ..protocol.models import Message, SendResult
from ..protocol.operation import Operation
from ..protocol.operations import SEND_SMS
from ..protocol.reply import Reply, unrecognised
from .exchange import TOO_LATE, Body, Exchange
from .logins import Credentials, Login, Logins
from .observing import CallStart, Observation, Observer
from .opener import Opener

__all__ = [
    "RECORD",
    "Calls",
    "OutgoingCall",
    "SendRecord",
    "machine_seconds",
    "send_recorded",
    "subject_of",
]

_log = logging.getLogger("smsgate")
T = TypeVar("T")

_PAUSES = (0.25, 0.5, 1.0)
"""The longest pause before each retry, in seconds."""
_CLEANING_UP = 1.0
"""Seconds that `close` waits for the calls that it has ended to release their connections."""


@dataclass(slots=True, eq=False)
class OutgoingCall(Generic[T]):
    """One call of an operation, with what its retries share."""

    operation: Operation[T]
    deadline: float
    """Seconds for the whole call, including logins and retries."""
    body: Body = field(default=Body(b""), repr=False)
    limit: int = REPLY_LIMIT
    asked: Message | str | None = field(default=None, repr=False)
    """The message of a send, the message id of a status request, or None."""
    exchange: Exchange | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """The scope that the deadline and `aclose` cancel."""
    not_after: float | None = None
    """Seconds in which the first byte must leave, None without a limit."""
    _started: tuple[float, float] = (0.0, 0.0)
    closed_after: float | None = None
    """The grace period of the `aclose` that ended the call, None if none did."""

    @property
    def sent(self) -> Message | None:
        """The message, if the call is a send."""
        return self.asked if isinstance(self.asked, Message) else None

    @property
    def subject(self) -> str:
        """The recipients, masked, for the log."""
        return "" if self.sent is None else subject_of(self.sent)

    @property
    def left(self) -> bool:
        """Whether the request may have left, and no answer shows that it had no effect."""
        return self.exchange is not None and self.exchange.left

    def start(self) -> None:
        """Start the deadline. The time for the first byte counts from now, too."""
        now = anyio.current_time()
        if self.not_after is None:
            self.scope.deadline = now + self.deadline
        else:
            self._started = now, machine_seconds()
            self.scope.deadline = now + min(self.deadline, self.not_after)

    def may_begin(self) -> bool:
        """Return whether the first byte may leave now. From then on only the deadline counts."""
        if self.not_after is None:
            return True
        if self._too_late():
            return False
        self.scope.deadline = self._started[0] + self.deadline
        return True

    def _too_late(self) -> bool:
        if self.not_after is None:
            return False
        # The clock of the event loop stands still while the machine is suspended.
        loop, machine = self._started
        passed = max(anyio.current_time() - loop, machine_seconds() - machine)
        return passed >= self.not_after

    def cut_off(self) -> NotSent | InDoubt:
        """Return the error of a call that its deadline or `aclose` has ended."""
        reason, after = (
            (Reason.TIMED_OUT, self.deadline)
            if self.closed_after is None
            else (Reason.CLOSED, self.closed_after)
        )
        if self.left and self.exchange is not None:
            return InDoubt(f"{reason} after {after:g} s, {self.exchange.doubt}", reason=reason)
        if self.closed_after is None and self._too_late():
            return NotSent(TOO_LATE, reason=Reason.TOO_LATE)
        return NotSent(f"nothing was sent: {reason} after {after:g} s", reason=reason)


def machine_seconds() -> float:
    """Return the seconds since this machine started, including those that it was suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Sender(Protocol):
    @property
    def send(self) -> Callable[..., Awaitable[SendResult]]: ...


@dataclass(slots=True, eq=False)
class SendRecord:
    """Records whether the request of one send may have left, even if the send was cancelled."""

    begun: bool = False
    calls: list[OutgoingCall[Any]] = field(default_factory=list, repr=False)

    @property
    def left(self) -> bool:
        """Whether the request may have left, and no answer shows that it had no effect."""
        # A session class with its own `send` may have sent without a call recorded here.
        return self.begun and (not self.calls or any(call.left for call in self.calls))


RECORD: ContextVar[SendRecord | None] = ContextVar("RECORD", default=None)


async def send_recorded(
    session: _Sender, message: Message, record: SendRecord, **options: float
) -> SendResult:
    """Call `session.send` and record in `record` whether the request may have left."""
    token = RECORD.set(record)
    record.begun = True
    try:
        return await session.send(message, **options)
    finally:
        RECORD.reset(token)


class Calls:
    """Makes the calls of one `AsyncSession` and keeps the list of those in flight."""

    def __init__(self, config: SessionConfig, observer: Observer | None) -> None:
        self.closed: bool = False
        self._config = config
        self._observer = observer
        self._address = address_of(config.url)
        self._opener = Opener(config)
        # Created in `open`, since its locks belong to the event loop.
        self._logins: Logins
        self._token: EventLoopToken | None = None
        self._released = False
        self._under_way: set[OutgoingCall[Any]] = set()
        self._drained: anyio.Event | None = None

    # --- opening and closing --------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the session is open."""
        return self._token is not None and not self.closed

    def open(self) -> None:
        """Open the session on this event loop.

        Raises:
            NotSent: it has been opened before.
            ValueError: its transport does not work on this event loop.
        """
        if self._token is not None or self.closed:
            raise NotSent(
                "a session can be opened only once: create a new one",
                reason=Reason.CLOSED if self.closed else Reason.NOT_OPEN,
            )
        self._opener.check_event_loop()
        self._token = current_token()
        credentials = Credentials(self._config.login, self._config.password)
        self._logins = Logins(credentials, self._config.concurrency, self._opener.open_transport)

    async def close(self, grace: float | None) -> None:
        """Refuse new calls, wait for those in flight and close the connections.

        After `grace` seconds the remaining calls are ended. None waits without a limit.
        """
        if self._token is None or self._released:
            self.closed = True
            return
        if self._token != current_token():
            raise _misplaced()
        self.closed = True
        try:
            with anyio.move_on_after(grace):
                await self._drain()
            if self._under_way and grace is not None:
                self._end_all(grace)
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

    def _end_all(self, grace: float) -> None:
        _log.warning(
            "closing the session: calls that are still in flight after %g s and are ended now: %d",
            grace,
            len(self._under_way),
        )
        for call in self._under_way:
            call.closed_after = grace
            call.scope.cancel()

    def unusable(self) -> NotSent | None:
        """Return why calls cannot be made now, None if they can."""
        if self.closed:
            return NotSent("the session is closed", reason=Reason.CLOSED)
        if self._token is None:
            return NotSent(
                "the session is not open: use it as 'async with'", reason=Reason.NOT_OPEN
            )
        if self._token != current_token():
            return _misplaced()
        return None

    # --- one call -------------------------------------------------------------------------------

    async def log_in(self, call: OutgoingCall[None]) -> None:
        """Make one Auth and nothing else."""
        await self.run(call, self._attempt_auth)

    async def run(
        self,
        call: OutgoingCall[T],
        attempt: Callable[[OutgoingCall[T]], Awaitable[T]] | None = None,
    ) -> T:
        """Make the call within its deadline and report it to the observer.

        Errors of the package that it raises hold no frames below this function.
        """
        observation = Observation(self._observer, CallStart(call.operation.name, *self._address))
        failure: SmsGateError | None = self.unusable()
        if failure is None:
            self._under_way.add(call)
            call.start()
            try:
                with call.scope:
                    result = await self._repeat(call, attempt or self._attempt)
                    observation.answered(result, call.sent)
                    return result
                failure = call.cut_off()
                if call.closed_after is not None:
                    _log_doubt(call, "was ended by aclose")
            except SmsGateError as error:
                failure = error
            except BaseException as error:
                _log_unforeseen(call, error)
                observation.failed(error, call.operation, call.sent, left=call.left)
                raise
            finally:
                self._under_way.discard(call)
                if self._drained is not None and not self._under_way:
                    self._drained.set()
        observation.failed(failure, call.operation, call.sent, left=call.left)
        raise seal(failure)

    async def _repeat(
        self, call: OutgoingCall[T], attempt: Callable[[OutgoingCall[T]], Awaitable[T]]
    ) -> T:
        for turn, pause in enumerate(_PAUSES, start=1):
            try:
                return await attempt(call)
            except (NotSent, InDoubt) as error:
                if not _may_repeat(call.operation, error):
                    raise
                harmless = "nothing has left" if isinstance(error, NotSent) else "it sends nothing"
                _log.warning(
                    "%s%s: trying again (%d of %d), since %s: %s",
                    call.operation.name,
                    call.subject,
                    turn,
                    len(_PAUSES),
                    harmless,
                    str(error),  # log handlers keep their arguments, and an error holds frames
                )
                if error.reason is Reason.TIMED_OUT:
                    continue  # the attempt took longer than any pause
            await anyio.sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311 - jitter, not a secret
        return await attempt(call)

    async def _attempt(self, call: OutgoingCall[T]) -> T:
        """Make the request, and once more with a new cookie if the gateway refuses the cookie."""
        began = anyio.current_time()
        async with self._logins.lease() as login:
            renewed = False
            while True:
                call.exchange = None
                if not login.authenticated:
                    await self._authenticate(login, call, began)
                call.exchange = Exchange(may_begin=call.may_begin)
                reply = await self._logins.ask(
                    login, call.operation, call.body, call.limit, call.exchange
                )
                self._log_unrecognised(call, login, reply)
                try:
                    return call.operation.read(reply, call.asked)
                except NotAuthorised:
                    # The gateway checks the cookie first, so the request had no effect.
                    login.cookie = call.exchange = None
                    if renewed:
                        raise
                renewed, began = True, anyio.current_time()

    async def _attempt_auth(self, call: OutgoingCall[None]) -> None:
        began = anyio.current_time()
        async with self._logins.lease() as login:
            call.exchange = Exchange()
            await self._log_in(login, call.exchange, call, began)

    async def _log_in(
        self, login: Login, exchange: Exchange, call: OutgoingCall[Any], began: float
    ) -> None:
        """Make one Auth, within half of the call's remaining time so that it can be retried.

        It gets at least half of `timeouts.read` and at most `timeouts.read`.
        """
        read, left = self._config.timeouts.read, call.scope.deadline - anyio.current_time()
        within = min(read, max(left, read) / 2)
        await self._logins.authenticate(login, exchange, within=within, since=began)

    async def _authenticate(self, login: Login, call: OutgoingCall[Any], began: float) -> None:
        """Log in before another operation, of which nothing has left if the login fails."""
        try:
            await self._log_in(login, Exchange(), call, began)
        except (NotSent, InDoubt) as error:
            raise NotSent(f"the login failed: {error}", reason=error.reason) from error

    def _log_unrecognised(self, call: OutgoingCall[Any], login: Login, reply: Reply) -> None:
        for sentence in unrecognised(call.operation, reply):
            # The gateway may quote a part of a message's text, which `redact` would not find.
            secrets = (self._config.login, self._config.password, *login.cookie_values)
            shown = (
                f"{len(sentence)} characters"
                if call.operation is SEND_SMS
                else redact(sentence, secrets)[:300]
            )
            _log.warning(
                "%s%s: answer not recognised: %s", call.operation.name, call.subject, shown
            )


def subject_of(message: Message) -> str:
    """Return the recipients of a message, masked, for the log."""
    first, others = mask_number(message.destinations[0]), len(message.destinations) - 1
    return f" to {first}{f' and {others} more' if others else ''}"


def _misplaced() -> NotSent:
    return NotSent("the session was opened on another event loop", reason=Reason.OTHER_EVENT_LOOP)


def _may_repeat(operation: Operation[Any], error: NotSent | InDoubt) -> bool:
    # If the login failed, its error decides.
    cause = error.__cause__ if isinstance(error.__cause__, NotSent | InDoubt) else error
    return (isinstance(error, NotSent) or operation.repeatable) and _passing(cause)


def _passing(error: NotSent | InDoubt) -> bool:
    """Return whether the cause may pass within moments. A 502 may, a 404 does not."""
    if (
        isinstance(error, InDoubt)
        and error.reason is Reason.HTTP_STATUS
        and (error.evidence.status or 0) < 500
    ):
        return False
    return error.reason.transient


def _log_doubt(call: OutgoingCall[Any], how: str) -> None:
    """Log a send in doubt, since its task may end without reporting the error."""
    if call.left and call.operation is SEND_SMS:
        _log.warning("SendSMS%s %s, and the request may have left: in doubt", call.subject, how)


def _log_unforeseen(call: OutgoingCall[Any], error: BaseException) -> None:
    """Log a call that was cancelled or that failed with an unexpected error."""
    if isinstance(error, anyio.get_cancelled_exc_class()):
        _log_doubt(call, "was cancelled")
    if not isinstance(error, Exception):
        return
    _log_doubt(call, "failed")
    error.add_note(
        "the request may have left: in doubt" if call.left else "nothing of the request has left"
    )
    # `send_sms` removes the frames from the error, so the log keeps their places.
    where = ", ".join(
        f"{place.filename}:{place.lineno}" for place in extract_tb(error.__traceback__)
    )
    _log.warning("%s%s failed unexpectedly in %s", call.operation.name, call.subject, where)
