"""Gateway sessions (`Login`): each has a cookie, a connection, and at most one request in flight.

A PHP gateway answers one request at a time per cookie (measured: 9.9 requests/s with one cookie, 64
with eight; docs: concurrency, "One cookie, one request"). So the number of sessions decides the
speed, and a second request on a busy cookie would only wait at the gateway.

Rules of this file:
- A leased session belongs to one call, so each session makes one Auth however many calls wait.
- Auth is sent without a cookie, and the new cookie is taken from its response only.
- A refused login is remembered for a while, so that not every call asks the gateway again.
- No call waits longer for the Auths of other calls than for one of its own. An Auth has a deadline,
  and if it hangs, the calls that waited for it fail with it instead of hanging one after another.
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
from .exchange import Body, Exchange
from .transport import HttpReply, Transport

__all__ = ["Credentials", "Login", "Logins", "headers_of"]

_log = logging.getLogger("smsgate")

REFUSAL_REMEMBERED = 30.0
"""Seconds during which a refused login is not tried again."""
SLOW_FAILURE = 1.0
"""Seconds. If an Auth takes at least this long to fail, the calls that waited for it fail with it.

For an Auth with a deadline below twice this value, half of the deadline counts instead.
"""
COOKIE_TRUSTED = 20 * 60.0
"""Idle seconds after which a cookie counts as expired: less than PHP's default of 24 minutes (docs:
wire format, "Cookies")."""
AUTH_LIMIT = 64 * 1024
"""The most bytes of a reply to Auth that are read."""
PARSED_IN_THREAD = 256 * 1024
"""Replies of at least this many bytes are parsed in a thread, not in the event loop."""
PARSING_THREADS = 1
"""Replies parsed at the same time. More gain nothing: the interpreter runs one thread at a time."""
_WAIT_SHOWN_FROM = 0.1
"""The wait in seconds from which an error mentions the wait."""

Failure = TypeVar("Failure", NotSent | InDoubt, Refused)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The login and the password of the gateway, kept out of every `repr`."""

    login: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(slots=True, eq=False)
class Login:
    """One gateway session: its cookie and its connection. `logged_in` counts successful Auths."""

    number: int
    transport: Transport = field(repr=False)
    cookie: str | None = field(default=None, repr=False)
    logged_in: int = 0
    last_used: float = 0.0

    @property
    def authenticated(self) -> bool:
        """Whether there is a cookie that was used recently enough to be valid."""
        return self.cookie is not None and anyio.current_time() - self.last_used < COOKIE_TRUSTED

    @property
    def cookie_values(self) -> list[str]:
        """The secrets in the cookie, for masking what the gateway quotes."""
        return [pair.partition("=")[2].strip('"') for pair in (self.cookie or "").split("; ")]


class Logins:
    """Up to `limit` sessions, leased in the order of the calls; a new one opens if all are busy."""

    def __init__(
        self, credentials: Credentials, limit: int, open_transport: Callable[[], Transport]
    ) -> None:
        self._credentials = credentials
        self._open_transport = open_transport
        # Without a switch to another task: a shared pool looks at each idle connection again for
        # each request, so a session should be leased again before others become idle.
        self._free = anyio.Semaphore(limit, fast_acquire=True)
        self._idle: deque[Login] = deque()
        self._opened = 0
        # Before the first success one Auth is made at a time: a wrong password is tried only once.
        self._first = anyio.Lock()
        self._proven = False
        # Copies of the errors, since a raised error holds the frames of its caller.
        self._refusal: Refused | None = None
        self._refused_at = 0.0
        self._hung: NotSent | InDoubt | None = None
        self._hung_at = -math.inf
        # Not anyio's default limiter: the application may use all of its threads.
        self._parsing = anyio.CapacityLimiter(PARSING_THREADS)
        self._closing = False

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Login]:
        """Lease a session to one call for the duration of the block."""
        async with self._free:
            login = self._idle.pop() if self._idle else self._open()
            try:
                yield login
            finally:
                # A session with a fresh cookie and a warm connection is leased next.
                (self._idle.append if login.cookie else self._idle.appendleft)(login)
                if self._closing:
                    with anyio.CancelScope(shield=True):
                        await self.aclose()

    def _open(self) -> Login:
        self._opened += 1
        return Login(self._opened, self._open_transport())

    async def aclose(self) -> None:
        """Close the idle connections; each other connection is closed when its lease ends."""
        self._closing = True
        while self._idle:
            await self._idle.pop().transport.aclose()

    async def authenticate(
        self,
        login: Login,
        exchange: Exchange,
        *,
        within: float = math.inf,
        since: float = math.inf,
    ) -> None:
        """Make one Auth for the leased session.

        Args:
            login: the leased session.
            exchange: the record of the request.
            within: seconds for the Auth, including the wait for the Auth of another call.
            since: when the call began to wait. If the Auth of another call has timed out since
                then, this call fails immediately.

        Raises:
            BadCredentials, AccountSuspended: the gateway refuses the login, or did so recently.
            NotSent, InDoubt: the Auth failed or took too long.
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
        # A call that waited has little time left, so its timeout says nothing about the gateway.
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
            # The copy keeps the evidence: its HTTP status decides about a retry.
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
        login.logged_in += 1
        self._refusal, self._hung, self._proven = None, None, True
        count = "" if login.logged_in == 1 else f" again ({login.logged_in})"
        _log.info("session %d: logged in%s", login.number, count)

    async def ask(
        self,
        login: Login,
        operation: Operation[object],
        body: Body,
        limit: int,
        exchange: Exchange,
    ) -> Reply:
        """Post the request with the session's cookie and return the parsed reply.

        A cookie in the answer replaces the old one if the answer shows that the gateway knew the
        session. Otherwise the cookie belongs to a new session, which is not logged in.

        Raises:
            NotSent, InDoubt: there is no readable reply.
        """
        http = await self._post(login, operation, body, limit, exchange)
        reply = await self._parsed(operation, http)
        if http.cookies and shows_session(operation, reply):
            login.cookie = cookie_header(http.cookies, now=_clock_of(http), held=login.cookie)
        return reply

    async def _post(
        self,
        login: Login,
        operation: Operation[object],
        body: Body,
        limit: int,
        exchange: Exchange,
    ) -> HttpReply:
        whole = False
        try:
            http = await login.transport.post(
                body, headers_of(operation, login.cookie), limit=limit, exchange=exchange
            )
            whole = True
        finally:
            if exchange.left and not whole:
                # The gateway may still process the request and would block the next one with this
                # cookie.
                login.cookie = None
        login.last_used = anyio.current_time()
        return http

    async def _parsed(self, operation: Operation[object], http: HttpReply) -> Reply:
        if len(http.body) < PARSED_IN_THREAD:
            return read_reply(operation, http.body, http.status)
        # The answer has arrived: a deadline that ends during parsing must not lose it.
        with anyio.CancelScope(shield=True):
            reply = await anyio.to_thread.run_sync(
                read_reply, operation, http.body, http.status, limiter=self._parsing
            )
        # Type checkers assume that the scope may swallow an exception.
        return reply  # noqa: RET504 # pyright: ignore[reportPossiblyUnboundVariable]


def headers_of(operation: Operation[object], cookie: str | None) -> dict[str, str]:
    """Return the headers of a request. Only the cookie matters (docs: wire format, "HTTP")."""
    headers = {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": f'"{operation.action}"',
        "User-Agent": f"smsgate/{__version__}",
    }
    return headers if cookie is None else headers | {"Cookie": cookie}


def _clock_of(http: HttpReply) -> float:
    """Return the gateway's clock in seconds since 1970. Its cookies expire by this clock."""
    date = None if http.date is None else seconds_of(http.date)
    return time.time() if date is None else date


def _too_slow(exchange: Exchange, within: float, *, waited: float) -> NotSent | InDoubt:
    said = f"{Reason.TIMED_OUT} after {within:g} s"
    if waited >= _WAIT_SHOWN_FROM:
        said = f"{said}, including {waited:.1f} s waiting for the login of another call"
    if exchange.left:
        return InDoubt(f"{said}, without an answer to Auth", reason=Reason.TIMED_OUT)
    return NotSent(f"{said}, before Auth was sent", reason=Reason.TIMED_OUT)


def _copied(error: Failure, more: str = "") -> Failure:
    """Return a copy of the error without its traceback, with `more` added to its text."""
    made = copy(error)
    made.args = (f"{error}{more}",)
    return made
