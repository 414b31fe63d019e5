"""A call on its way: its deadline, the login that it needs, and repeats where these are harmless.

Rules of this file: nothing is sent again unless nothing of it had left, the gateway refused the cookie, or asking twice does no
harm. What a call raises holds no frame below `Calls.run`, since those frames hold numbers, texts and the password.
"""

from __future__ import annotations

import logging
import random
import ssl
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
from .logins import Credentials, Login, Logins
from .observing import CallStart, Observation, Observer, end_of, end_of_error
from .transport import Body, Exchange, Transport, lent_transport, own_transport, ssl_settings

__all__ = ["RECORD", "Calls", "OutgoingCall", "SendRecord", "send_recorded", "subject_of"]

_log = logging.getLogger("smsgate")
T = TypeVar("T")

_PAUSES = (0.25, 0.5, 1.0)
"""Seconds before each repeat, at most."""
_CLEANING_UP = 1.0
"""Seconds that `close` waits, after its grace is over, for the calls that it has ended to let go of their connections."""


@dataclass(slots=True, eq=False)
class OutgoingCall(Generic[T]):
    """One call of an operation on its way through logins and repeats."""

    operation: Operation[T]
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
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """What the deadline and `aclose` end the call by."""
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
        reason, after = (
            (Reason.TIMED_OUT, self.deadline)
            if self.closed_after is None
            else (Reason.CLOSED, self.closed_after)
        )
        if self.left and self.exchange is not None:
            return InDoubt(f"{reason} after {after:g} s, {self.exchange.doubt}", reason=reason)
        return NotSent(f"nothing was sent: {reason} after {after:g} s", reason=reason)


class _Sender(Protocol):
    async def send(self, message: Message) -> SendResult: ...


@dataclass(slots=True, eq=False)
class SendRecord:
    """Tells of one send whether its request may have left, also after it was cancelled."""

    begun: bool = False
    calls: list[OutgoingCall[Any]] = field(default_factory=list, repr=False)

    @property
    def left(self) -> bool:
        """The request may have left, and no answer has shown that it did nothing."""
        # A session with a `send` of its own may have sent in a way that is not seen here.
        return self.begun and (not self.calls or any(call.left for call in self.calls))


RECORD: ContextVar[SendRecord | None] = ContextVar("RECORD", default=None)


async def send_recorded(session: _Sender, message: Message, record: SendRecord) -> SendResult:
    """Call `session.send` for a caller that writes down what became of a send that was cancelled."""
    token = RECORD.set(record)
    record.begun = True
    try:
        return await session.send(message)
    finally:
        RECORD.reset(token)


class Calls:
    """Makes the calls of one session, each on a login of its own, and knows which are under way."""

    def __init__(self, config: SessionConfig, observer: Observer | None) -> None:
        self.closed: bool = False
        self._config = config
        self._observer = observer
        self._address = address_of(config.url)
        self._tls: ssl.SSLContext | None = None
        # Made when the session is opened, as their locks are those of its event loop.
        self._logins: Logins
        self._token: EventLoopToken | None = None
        self._released = False
        self._under_way: set[OutgoingCall[Any]] = set()
        self._drained: anyio.Event | None = None

    # --- opening and closing --------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the session was opened, and not closed since."""
        return self._token is not None and not self.closed

    def open(self) -> None:
        """Open the session on this event loop. Raises `NotSent` if it was opened before."""
        if self._token is not None or self.closed:
            raise NotSent(
                "a session is opened once", reason=Reason.CLOSED if self.closed else Reason.NOT_OPEN
            )
        self._token = current_token()
        credentials = Credentials(self._config.login, self._config.password)
        self._logins = Logins(credentials, self._config.concurrency, self._open_transport)

    async def close(self, grace: float | None) -> None:
        """Take no more calls, wait for those under way, end them after `grace` seconds, and close the connections."""
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
            "the session is closed: calls that have not ended after %g s and are ended now: %d",
            grace,
            len(self._under_way),
        )
        for call in self._under_way:
            call.closed_after = grace
            call.scope.cancel()

    def unusable(self) -> NotSent | None:
        """Return why no call can be made now, None if one can."""
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
        """Make one Auth, for nothing else."""
        await self.run(call, self._attempt_auth)

    async def run(
        self,
        call: OutgoingCall[T],
        attempt: Callable[[OutgoingCall[T]], Awaitable[T]] | None = None,
    ) -> T:
        """Make the call within its deadline, and report it to the observer. What it raises has no frames below this one."""
        observation = Observation(self._observer, CallStart(call.operation.name, *self._address))
        failure: SmsGateError | None = self.unusable()
        if failure is None:
            self._under_way.add(call)
            call.scope.deadline = anyio.current_time() + call.deadline
            try:
                with call.scope:
                    result = await self._repeat(call, attempt or self._attempt)
                    observation.ended(end_of(result, call.sent))
                    return result
                failure = call.cut_off()
                if call.closed_after is not None:
                    _log_doubt(call, "was ended by aclose")
            except SmsGateError as error:
                failure = error
            except BaseException as error:
                _log_unforeseen(call, error)
                observation.ended(end_of_error(error, call.operation, call.sent, left=call.left))
                raise
            finally:
                self._under_way.discard(call)
                if self._drained is not None and not self._under_way:
                    self._drained.set()
        observation.ended(end_of_error(failure, call.operation, call.sent, left=call.left))
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
                harmless = (
                    "nothing of it has left"
                    if isinstance(error, NotSent)
                    else "asking twice does no harm"
                )
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

    async def _attempt(self, call: OutgoingCall[T]) -> T:
        """Ask with a login of the call's own, and once more with a new cookie if the gateway refuses the one it has."""
        began = anyio.current_time()
        async with self._logins.lease() as login:
            renewed = False
            while True:
                call.exchange = None
                if not login.authenticated:
                    await self._authenticate(login, call, began)
                call.exchange = Exchange()
                reply = await self._logins.ask(
                    login, call.operation, call.body, call.limit, call.exchange
                )
                self._log_unrecognised(call, login, reply)
                try:
                    return call.operation.read(reply, call.asked)
                except NotAuthorised:
                    # The gateway answered before it did anything, so the request may go out once more.
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
        """Make one Auth, soon enough to be able to repeat it: within the reading deadline, or half of it if no more is left."""
        read, left = self._config.timeouts.read, call.scope.deadline - anyio.current_time()
        within = min(read, max(left, read) / 2)
        await self._logins.authenticate(login, exchange, within=within, since=began)

    async def _authenticate(self, login: Login, call: OutgoingCall[Any], began: float) -> None:
        """Log in on the way to another operation, of which nothing has left if this fails."""
        try:
            await self._log_in(login, Exchange(), call, began)
        except (NotSent, InDoubt) as error:
            raise NotSent(f"the login failed: {error}", reason=error.reason) from error

    def _log_unrecognised(self, call: OutgoingCall[Any], login: Login, reply: Reply) -> None:
        for sentence in unrecognised(call.operation, reply):
            # To a send the gateway may answer with half of its text, which no search for the whole would find.
            secrets = (
                self._config.login,
                self._config.password,
                *login.cookie_values,
                *call.secrets,
            )
            shown = (
                f"{len(sentence)} characters"
                if call.operation is SEND_SMS
                else redact(sentence, secrets)[:300]
            )
            _log.warning(
                "%s%s: answer not recognised: %s", call.operation.name, call.subject, shown
            )

    def _open_transport(self) -> Transport:
        config, times = self._config, self._config.timeouts
        if config.http_client is not None:
            return lent_transport(config.url, config.http_client, connect=times.connect)
        if self._tls is None:
            self._tls = ssl_settings(config.verify, config.url, config.proxy)
        return own_transport(
            config.url,
            self._tls,
            proxy=config.proxy,
            connect=times.connect,
            keep_alive=times.keep_alive,
        )


def subject_of(message: Message) -> str:
    """Return to whom a message goes, for the log; masked."""
    first, others = mask_number(message.destinations[0]), len(message.destinations) - 1
    return f" to {first}{f' and {others} more' if others else ''}"


def _misplaced() -> NotSent:
    return NotSent("the session was opened on another event loop", reason=Reason.OTHER_EVENT_LOOP)


def _may_repeat(operation: Operation[Any], error: NotSent | InDoubt) -> bool:
    # A call whose login failed may be repeated if the login may.
    cause = error.__cause__ if isinstance(error.__cause__, NotSent | InDoubt) else error
    return (isinstance(error, NotSent) or operation.repeatable) and _passing(cause)


def _passing(error: NotSent | InDoubt) -> bool:
    """Return whether it may be over the next moment. A 404 will not be, a 502 may."""
    if (
        isinstance(error, InDoubt)
        and error.reason is Reason.HTTP_STATUS
        and (error.evidence.status or 0) < 500
    ):
        return False
    return error.reason.passing


def _log_doubt(call: OutgoingCall[Any], how: str) -> None:
    """Log a send that nobody may hear of: its task ends, too."""
    if call.left and call.operation is SEND_SMS:
        _log.warning("SendSMS%s %s, and the request may have left: in doubt", call.subject, how)


def _log_unforeseen(call: OutgoingCall[Any], error: BaseException) -> None:
    """Log a call that was cancelled, or that failed in a way that nobody foresaw."""
    if isinstance(error, anyio.get_cancelled_exc_class()):
        _log_doubt(call, "was cancelled")
    if not isinstance(error, Exception):
        return
    _log_doubt(call, "failed")
    error.add_note(
        "the request may have left: in doubt" if call.left else "nothing of the request has left"
    )
    # `send_sms` takes the frames away.
    where = ", ".join(
        f"{place.filename}:{place.lineno}" for place in extract_tb(error.__traceback__)
    )
    _log.warning("%s%s failed unexpectedly in %s", call.operation.name, call.subject, where)
