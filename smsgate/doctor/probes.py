"""The measuring: names, connections, TLS, and calls of the gateway that cost nothing.

Rule of this file: SendSMS does not stand in it, login and password go out in one Auth until that has succeeded, and never
more than eight requests are under way. Calls are made by the same code as a session's, so what is found is what a
session would meet.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
from anyio.streams.tls import TLSAttribute, TLSStream

from .._client.logins import Credentials, Login, Logins, headers_of
from .._client.transport import Body, Exchange, HttpReply, Transport, cause_of, own_transport, ssl_settings
from ..config import SessionConfig
from ..errors import InDoubt, NotSent, Reason, SmsGateError
from ..privacy import redact
from ..protocol.envelope import request_body
from ..protocol.limits import REPLY_LIMIT_MOST
from ..protocol.operation import Operation
from ..protocol.operations import AUTH, GET_CREDIT_BALANCE
from ..protocol.reply import Reply, read_reply, unrecognised
from .assessment import AT_ONCE, LADDER, CookieTimes, Step
from .findings import Heard

__all__ = ["Probe", "Setup", "probing"]

T = TypeVar("T")

_SHOWN = 300
_PORTS = {"http": 80, "https": 443}
_DAY = 86_400
_TOKEN = re.compile(r"[0-9A-Za-z]{20,}")
"""What looks like the id of a PHP session. No sentence of the gateway has such a word."""
_ALONE, _ROUNDS, _CALLS_EACH = 3, 2, 2
"""Calls alone; rounds of calls at once, of which the fastest counts; calls of each login on the ladder: 60 requests in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(SessionConfig):
    """What is examined: the settings of a session. Raises `ValueError` for a bad one, by name and without its value."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where variables that other programs take a proxy from are looked for; only their names are told."""

    @property
    def next_hop(self) -> tuple[str, int]:
        """Host and port that this machine connects to: the proxy's, or else the gateway's."""
        parts = urlsplit(self.proxy or self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]


class Probe:
    """Everything that is measured, and what has come to light on the way."""

    def __init__(self, setup: Setup, stack: AsyncExitStack) -> None:
        self.setup = setup
        self.heard: list[Heard] = []
        self.requests: int = 0
        self.way: float = 0.0
        """Seconds that a connection took: about the time of the network there and back."""
        self.clock: tuple[str, float] | None = None
        """A Date header, and what time it was here."""
        self._stack = stack
        self._logins = Logins(Credentials(setup.login, setup.password), max(LADDER), self._transport)
        self._leased: list[Login] = []
        self._secrets: set[str] = {setup.login, setup.password}
        if setup.proxy:
            parts = urlsplit(setup.proxy)
            self._secrets |= {secret for secret in (parts.username, parts.password) if secret}

    def _transport(self) -> Transport:
        return self._transport_to(self.setup.url)

    def _transport_to(self, url: str) -> Transport:
        setup, timeouts = self.setup, self.setup.timeouts
        context = ssl_settings(setup.verify, url, setup.proxy)
        return own_transport(url, context, proxy=setup.proxy, connect=timeouts.connect, keep_alive=timeouts.keep_alive)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._logins.aclose()

    def redacted(self, text: str) -> str:
        """Return what came from outside as it may be shown: on one line, without secrets, numbers and cookies."""
        # White space goes first, on both sides, or a secret with two spaces in it would not be found in a line with one.
        secrets = {" ".join(secret.split()) for secret in self._secrets}
        return _TOKEN.sub("***", redact(" ".join(text.split()), secrets))[:_SHOWN]

    # --- the network --------------------------------------------------------------------------------------------------

    async def resolve(self) -> tuple[int, float]:
        """Return how many addresses the host has, and the seconds that finding them took. Raises `NotSent`."""
        host, port = self.setup.next_hop
        started = anyio.current_time()
        try:
            with anyio.fail_after(self.setup.timeouts.connect):
                found = await anyio.getaddrinfo(host, port, proto=6)  # TCP, so that each address is given once
        except (OSError, UnicodeError):
            raise NotSent("nothing was sent: the name of the host could not be resolved") from None
        return len(found), anyio.current_time() - started

    async def connect(self) -> float:
        """Return the seconds that a TCP connection took. Raises `NotSent`."""
        started = anyio.current_time()
        with anyio.move_on_after(self.setup.timeouts.connect):
            try:
                async with await anyio.connect_tcp(*self.setup.next_hop):
                    self.way = anyio.current_time() - started
                    return self.way
            except OSError as error:
                raise NotSent(f"nothing was sent: no connection could be made{cause_of(error)}") from None
        raise NotSent(f"nothing was sent: no connection after {self.setup.timeouts.connect:g} s", reason=Reason.TIMED_OUT)

    async def handshake(self) -> tuple[str, int | None]:
        """Return the TLS version and the days until the gateway's certificate expires. Raises `NotSent`.

        The days are None if the certificate is not verified, as nothing is told of it then.
        """
        host, port = self.setup.next_hop
        failure = NotSent("nothing was sent: no TLS connection could be made", reason=Reason.TIMED_OUT)
        with anyio.move_on_after(self.setup.timeouts.connect):
            try:
                async with await anyio.connect_tcp(host, port) as stream:
                    context = ssl_settings(self.setup.verify, f"https://{host}/")
                    secured = await TLSStream.wrap(stream, hostname=host, ssl_context=context, standard_compatible=False)
                    told = secured.extra_attributes
                    version, certificate = told[TLSAttribute.tls_version](), told[TLSAttribute.peer_certificate]()
                    ends = (certificate or {}).get("notAfter")
                    left = ssl.cert_time_to_seconds(str(ends)) - time.time() if ends else None
                    return version, left if left is None else int(left // _DAY)
            except ssl.SSLCertVerificationError as error:
                failure = NotSent(f"nothing was sent: the certificate is not trusted{cause_of(error)}")
            except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
                failure = NotSent(f"nothing was sent: no TLS connection could be made{cause_of(error)}")
        raise failure

    # --- calls --------------------------------------------------------------------------------------------------------

    async def knock(self, url: str) -> float:
        """Ask twice for the balance without a login, and return the seconds that the second answer took.

        The first one pays for the connection and for whatever is made once in a process. Raises `NotSent` or `InDoubt` if it is
        not answered as the gateway would: with a sentence in its envelope.
        """
        transport = self._transport_to(url)
        try:
            http = await self._within(self._knock(transport))
            started = anyio.current_time()
            if http.status == 200:
                http = await self._within(self._knock(transport))
            seconds = anyio.current_time() - started
        finally:
            with anyio.CancelScope(shield=True):
                await transport.aclose()
        self._hear(GET_CREDIT_BALANCE, read_reply(GET_CREDIT_BALANCE, http.body, http.status))
        return seconds

    async def _knock(self, transport: Transport) -> HttpReply:
        self.requests += 1
        body = Body(request_body(GET_CREDIT_BALANCE))
        headers, before = headers_of(GET_CREDIT_BALANCE, None), time.time()
        http = await transport.post(body, headers, limit=REPLY_LIMIT_MOST, exchange=Exchange())
        if http.date is not None:
            self.clock = http.date, (before + time.time()) / 2
        return http

    async def log_in(self) -> None:
        """Make one Auth. Raises what a session's login raises."""
        await self._authenticate(await self._lease())

    async def ask(self, operation: Operation[T], asked: str | None = None, **arguments: str) -> T:
        """Return what the gateway answers with the first login. Raises what its reader raises, `NotSent` or `InDoubt`."""
        return operation.read(await self._ask(self._leased[0], operation, **arguments), asked)

    async def _lease(self) -> Login:
        self._leased.append(await self._stack.enter_async_context(self._logins.lease()))
        return self._leased[-1]

    async def _authenticate(self, login: Login) -> None:
        self.requests += 1
        try:
            await self._within(self._logins.authenticate(login, Exchange()))
        except InDoubt as error:
            with suppress(InDoubt):
                self._hear(AUTH, read_reply(AUTH, error.evidence.reply, error.evidence.status or 0))
            raise
        self._secrets.update(login.cookie_values)

    async def _ask(self, login: Login, operation: Operation[object], **arguments: str) -> Reply:
        self.requests += 1
        body = Body(request_body(operation, **arguments))
        asked = self._logins.ask(login, operation, body, REPLY_LIMIT_MOST, Exchange())
        reply = await self._within(asked)
        self._hear(operation, reply)
        return reply

    async def _within(self, call: Awaitable[T]) -> T:
        deadline = self.setup.timeouts.read
        with anyio.move_on_after(deadline):
            return await call
        raise InDoubt(f"{Reason.TIMED_OUT} after {deadline:g} s", reason=Reason.TIMED_OUT)

    def _hear(self, operation: Operation[object], reply: Reply) -> None:
        for sentence in unrecognised(operation, reply):
            heard = Heard(operation.name, self.redacted(sentence))
            if heard not in self.heard:
                self.heard.append(heard)

    # --- speed --------------------------------------------------------------------------------------------------------

    async def climb(self) -> AsyncGenerator[Step, None]:
        """Yield how fast balance calls are with more and more requests at once, up to the first failure."""
        for count in LADDER:
            try:
                await self._open(count)
                seconds, calls = await self._timed(self._leased[:count], _ALONE if count == 1 else _CALLS_EACH)
            except SmsGateError as error:
                yield Step(count, error=error)
                return
            yield Step(count, calls, seconds)

    async def cookie_times(self) -> CookieTimes:
        """Return what a lock of the cookie is assessed by. Raises as a call does."""
        await self._open(AT_ONCE)  # one of them may have failed on the ladder
        alone = median([(await self._timed(self._leased[:1], 1))[0] for _ in range(_ALONE)])
        several = self._leased[:AT_ONCE]
        own = [login.cookie for login in several]
        same, apart = [], []
        for _ in range(_ROUNDS):
            apart.append((await self._timed(several, 1))[0])
            try:
                for login in several:
                    login.cookie = own[0]
                same.append((await self._timed(several, 1))[0])
            finally:
                for login, cookie in zip(several, own, strict=True):
                    login.cookie = cookie
        # The connection ended at the proxy, so the way from there to the gateway is in none of the times.
        return CookieTimes(alone, min(same), min(apart), None if self.setup.proxy else self.way)

    async def _open(self, count: int) -> None:
        while len(self._leased) < count:
            await self._lease()
        await _together([self._authenticate(login) for login in self._leased[:count] if not login.authenticated])

    async def _timed(self, logins: list[Login], each: int) -> tuple[float, int]:
        """Return the seconds and the number of the calls that these logins make, each one after the other."""
        started = anyio.current_time()
        await _together([self._balances(login, each) for login in logins])
        return anyio.current_time() - started, each * len(logins)

    async def _balances(self, login: Login, times: int) -> None:
        for _ in range(times):
            reply = await self._ask(login, GET_CREDIT_BALANCE)
            with suppress(InDoubt):  # a new sentence takes as long as a known one
                GET_CREDIT_BALANCE.read(reply, None)


async def _together(calls: Iterable[Awaitable[object]]) -> None:
    """Await all at once, and raise the first error when all have ended."""
    errors: list[SmsGateError] = []

    async def one(call: Awaitable[object]) -> None:
        try:
            await call
        except SmsGateError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(one, call)
    if errors:
        raise errors[0]


@asynccontextmanager
async def probing(setup: Setup) -> AsyncIterator[Probe]:
    """Give what measures this setup, and close its connections at the end."""
    async with AsyncExitStack() as stack:
        probe = Probe(setup, stack)
        stack.push_async_callback(probe.aclose)
        yield probe
