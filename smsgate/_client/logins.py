"""Logins: authenticated cookies, each with a connection of its own and at most one request in flight.

A PHP gateway answers one request at a time per cookie (measured: 9.9 requests/s with one cookie, 64 with eight;
docs: concurrency, "One cookie, one request"), so the number of logins is the speed, and a second request on a busy cookie
only waits there.

Rules of this file: whoever has leased a login has it alone, so one Auth for it is made however many calls wait. Auth goes
out without a cookie, and its cookie is taken from that response only. A refused login is remembered for a while, not asked
again by every call. No call waits longer for the Auths of other calls than for one of its own: an Auth has a deadline, and
the calls that waited while it hung fail together with it instead of hanging one after the other.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.to_thread

from ..errors import AccountSuspended, BadCredentials, InDoubt, NotSent, Reason, Refused
from ..protocol.cookies import cookie_header, seconds_of
from ..protocol.envelope import request_body
from ..protocol.operation import Operation
from ..protocol.operations import AUTH
from ..protocol.reply import Reply, read_auth, read_reply, shows_session
from ..version import __version__
from .transport import Body, Exchange, HttpReply, Transport

__all__ = ["Credentials", "Login", "Logins", "headers_of"]

_log = logging.getLogger("smsgate")

REFUSAL_REMEMBERED = 30.0
"""Seconds for which a refused login is not tried again."""
SLOW_FAILURE = 1.0
"""Seconds. If an Auth takes at least this long to fail, the calls that waited meanwhile fail together with it.

An Auth that may not take that long at all has been given a fair chance after half of its time.
"""
COOKIE_TRUSTED = 20 * 60.0
"""Seconds of idleness after which a cookie counts as dead: below PHP's default of 24 minutes (docs: wire format, "Cookies")."""
AUTH_LIMIT = 64 * 1024
"""Bytes of a reply to Auth that are read at most."""
PARSED_IN_THREAD = 256 * 1024
"""Bytes from which on a reply is parsed in a worker thread, so that the event loop goes on."""
PARSING_THREADS = 1
"""Replies of a session that are parsed at once. More would gain nothing, as the interpreter runs one thread at a time."""
_WORTH_TELLING = 0.1
"""Seconds of waiting from which on a message tells of them."""

Failure = TypeVar("Failure", NotSent | InDoubt, Refused)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Login and password of the gateway. Neither shows in a `repr`."""

    login: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(slots=True, eq=False)
class Login:
    """One cookie and its connection. `generation` counts the Auths that were made for it."""

    number: int
    transport: Transport = field(repr=False)
    cookie: str | None = field(default=None, repr=False)
    generation: int = 0
    last_used: float = 0.0

    @property
    def authenticated(self) -> bool:
        """The cookie is there and was used not long ago."""
        return self.cookie is not None and anyio.current_time() - self.last_used < COOKIE_TRUSTED

    @property
    def cookie_values(self) -> list[str]:
        """What no log may show if the gateway quotes it."""
        return [pair.partition("=")[2].strip('"') for pair in (self.cookie or "").split("; ")]


class Logins:
    """Up to `limit` logins, opened when the others are busy. Whoever leases one has it alone, first come first served."""

    def __init__(
        self, credentials: Credentials, limit: int, open_transport: Callable[[], Transport]
    ) -> None:
        self._credentials = credentials
        self._open_transport = open_transport
        self._free = anyio.Semaphore(limit)
        self._idle: deque[Login] = deque()
        self._opened = 0
        # Until one login has succeeded, one Auth is made at a time, so that a wrong password is tried once, not `limit` times.
        self._first = anyio.Lock()
        self._proven = False
        # Copies of what was raised: an error that was raised holds the frames of its caller.
        self._refusal: Refused | None = None
        self._refused_at = 0.0
        self._hung: NotSent | InDoubt | None = None
        self._hung_at = -math.inf
        # anyio's own limiter is the application's, too: if that fills it, replies would wait for the application.
        self._parsing = anyio.CapacityLimiter(PARSING_THREADS)
        self._closing = False

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Login]:
        """Lend a login, alone, for the time of the block."""
        async with self._free:
            login = self._idle.pop() if self._idle else self._open()
            try:
                yield login
            finally:
                # The one with a fresh cookie and a warm connection is taken next, one without a cookie last.
                (self._idle.append if login.cookie else self._idle.appendleft)(login)
                if self._closing:
                    with anyio.CancelScope(shield=True):
                        await self.aclose()

    def _open(self) -> Login:
        self._opened += 1
        return Login(self._opened, self._open_transport())

    async def aclose(self) -> None:
        """Close the connections that are idle; each of the others is closed when its lease ends."""
        self._closing = True
        while self._idle:
            await self._idle.pop().transport.aclose()

    async def authenticate(
        self, login: Login, exchange: Exchange, *, within: float = math.inf, since: float = math.inf
    ) -> None:
        """Make one Auth for the leased login.

        Args:
            login: the leased login.
            exchange: the record of the request.
            within: seconds for the whole, waiting for the Auth of another call included.
            since: when the call began to wait. If another call's Auth has hung since then, this call fails at once.

        Raises:
            BadCredentials, AccountSuspended: the gateway refuses the login, now or a short while ago.
            NotSent, InDoubt: the Auth failed, or took too long.
        """
        until = anyio.current_time() + within
        if self._proven:
            return await self._auth_until(until, within, login, exchange, since)
        held = False
        with anyio.CancelScope(deadline=until):
            await self._first.acquire()
            held = True
        if not held:
            raise NotSent(
                f"{Reason.TIMED_OUT} after {within:g} s, waiting for the login of another call",
                reason=Reason.TIMED_OUT,
            )
        try:
            if not self._proven:
                return await self._auth_until(until, within, login, exchange, since)
        finally:
            self._first.release()
        return await self._auth_until(until, within, login, exchange, since)

    async def _auth_until(
        self, until: float, within: float, login: Login, exchange: Exchange, since: float
    ) -> None:
        self._raise_known(since)
        started = anyio.current_time()
        failure: NotSent | InDoubt
        try:
            with anyio.CancelScope(deadline=until):
                return await self._auth(login, exchange)
            failure = _too_slow(exchange, within, waited=started + within - until)
        except (NotSent, InDoubt) as error:
            failure = error
        # What was left of the time of a call that had waited is no fair chance, and says nothing of the gateway.
        if anyio.current_time() - started >= min(SLOW_FAILURE, within / 2):
            self._hung, self._hung_at = _copied(failure), anyio.current_time()
        raise failure

    def _raise_known(self, since: float) -> None:
        if (
            self._refusal is not None
            and anyio.current_time() - self._refused_at < REFUSAL_REMEMBERED
        ):
            raise _copied(self._refusal)
        if self._hung is not None and self._hung_at > since:
            # With its evidence: the status says whether it may pass.
            raise _copied(self._hung, " (the login of another call)")

    async def _auth(self, login: Login, exchange: Exchange) -> None:
        login.cookie = None
        body = Body(
            request_body(AUTH, login=self._credentials.login, password=self._credentials.password)
        )
        http = await self._post(login, AUTH, body, AUTH_LIMIT, exchange)
        reply = await self._parsed(AUTH, http)
        try:
            read_auth(reply)
        except (BadCredentials, AccountSuspended) as refusal:
            self._refusal, self._refused_at, self._proven = (
                _copied(refusal),
                anyio.current_time(),
                False,
            )
            raise
        cookie = cookie_header(http.cookies, now=_clock_of(http))
        if cookie is None:
            raise InDoubt(
                "the gateway accepted the login and set no cookie",
                reason=Reason.UNREADABLE,
                evidence=reply.evidence,
            )
        login.cookie = cookie
        login.generation += 1
        self._refusal, self._hung, self._proven = None, None, True
        _log.info(
            "login %d %s",
            login.number,
            "opened" if login.generation == 1 else f"renewed for the {login.generation}. time",
        )

    async def ask(
        self, login: Login, operation: Operation[object], body: Body, limit: int, exchange: Exchange
    ) -> Reply:
        """Post the request with the login's cookie and return what stands in the reply. Raises `NotSent` or `InDoubt`.

        A cookie that comes with the answer is used from then on, if the answer shows that the gateway knew the session. Otherwise
        it is the cookie of a new session, which is not logged in.
        """
        http = await self._post(login, operation, body, limit, exchange)
        reply = await self._parsed(operation, http)
        if http.cookies and shows_session(operation, reply):
            login.cookie = cookie_header(http.cookies, now=_clock_of(http), held=login.cookie)
        return reply

    async def _post(
        self, login: Login, operation: Operation[object], body: Body, limit: int, exchange: Exchange
    ) -> HttpReply:
        whole = False
        try:
            http = await login.transport.post(
                body, headers_of(operation, login.cookie), limit=limit, exchange=exchange
            )
            whole = True
        finally:
            if exchange.left and not whole:
                # The gateway may still be at work on that request and would keep the next one on this cookie waiting.
                login.cookie = None
        login.last_used = anyio.current_time()
        return http

    async def _parsed(self, operation: Operation[object], http: HttpReply) -> Reply:
        if len(http.body) < PARSED_IN_THREAD:
            return read_reply(operation, http.body, http.status)
        # The answer has arrived: a deadline that ends now must not turn it into one that was lost.
        with anyio.CancelScope(shield=True):
            reply = await anyio.to_thread.run_sync(
                read_reply, operation, http.body, http.status, limiter=self._parsing
            )
        # To a type checker the scope might swallow an exception.
        return reply  # noqa: RET504 # pyright: ignore[reportPossiblyUnboundVariable]


def headers_of(operation: Operation[object], cookie: str | None) -> dict[str, str]:
    """Return the headers of a request. The gateway reads none of them but the cookie (docs: wire format, "HTTP")."""
    headers = {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": f'"{operation.action}"',
        "User-Agent": f"smsgate/{__version__}",
    }
    return headers if cookie is None else headers | {"Cookie": cookie}


def _clock_of(http: HttpReply) -> float:
    """Return the gateway's own time, by which its cookies expire, in seconds since 1970."""
    told = None if http.date is None else seconds_of(http.date)
    return time.time() if told is None else told


def _too_slow(exchange: Exchange, within: float, *, waited: float) -> NotSent | InDoubt:
    said = f"{Reason.TIMED_OUT} after {within:g} s"
    if waited >= _WORTH_TELLING:
        said = f"{said}, {waited:.1f} s of which passed in waiting for the login of another call"
    if exchange.left:
        return InDoubt(f"{said}, without an answer to Auth", reason=Reason.TIMED_OUT)
    return NotSent(f"{said}, before Auth was sent", reason=Reason.TIMED_OUT)


def _copied(error: Failure, more: str = "") -> Failure:
    """Return the error anew, with more words: without the traceback and the frames of the call that raised it."""
    made = copy(error)
    made.args = (f"{error}{more}",)
    return made
