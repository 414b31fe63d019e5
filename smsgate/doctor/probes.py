"""Measure DNS, connections, TLS, and calls of the gateway that cost nothing.

Rule of this file: it never calls SendSMS. Until one Auth has succeeded, no other Auth is made. At
most eight requests are in flight. The calls use the same code as a session, so the results are
those that a session would get.
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

from .._client.exchange import Body, Exchange
from .._client.httpx_transport import ssl_settings
from .._client.logins import Credentials, Login, Logins, headers_of
from .._client.opener import Opener
from .._client.transport import HttpReply, Transport, cause_of
from ..config import SessionConfig, address_of
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
_DAY = 86_400
_TOKEN = re.compile(r"[0-9A-Za-z]{20,}")
"""A possible PHP session id. No sentence of the gateway contains such a word."""
_ALONE, _ROUNDS, _CALLS_EACH = 3, 2, 2
"""Single calls; rounds of simultaneous calls, of which the fastest counts; calls of each login at
each step of `LADDER`. Together about 60 requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(SessionConfig):
    """The settings of the session to check.

    An invalid setting raises `ValueError`, which names the setting and does not quote its value.
    """

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment in which to look for proxy variables of other programs.

    The report shows only their names."""

    @property
    def next_hop(self) -> tuple[str, int]:
        """Host and port that this machine connects to: those of the proxy, or of the gateway."""
        return address_of(self.proxy or self.url)


class Probe:
    """Makes the measurements, and collects what later checks need."""

    def __init__(self, setup: Setup, stack: AsyncExitStack) -> None:
        self.setup = setup
        self.heard: list[Heard] = []
        self.requests: int = 0
        self.round_trip: float = 0.0
        """Seconds that connecting took: about one network round trip."""
        self.clock: tuple[str, float] | None = None
        """A Date header, and the time of this machine at that moment."""
        self._stack = stack
        self._opener = Opener(setup)
        self._logins = Logins(
            Credentials(setup.login, setup.password), max(LADDER), self._opener.open_transport
        )
        self._leased: list[Login] = []
        self._secrets: set[str] = {setup.login, setup.password}
        if setup.proxy:
            parts = urlsplit(setup.proxy)
            self._secrets |= {secret for secret in (parts.username, parts.password) if secret}

    async def aclose(self) -> None:
        """Close every connection."""
        await self._logins.aclose()

    def redacted(self, text: str) -> str:
        """Return text from outside on one line, with secrets, numbers and cookies hidden."""
        # White space is collapsed in both first, so that a secret with two spaces is found.
        secrets = {" ".join(secret.split()) for secret in self._secrets}
        return _TOKEN.sub("***", redact(" ".join(text.split()), secrets))[:_SHOWN]

    # --- the network ---

    async def resolve(self) -> tuple[int, float]:
        """Return the number of addresses of the host, and the seconds that the lookup took.

        Raises:
            NotSent: the name cannot be resolved.
        """
        host, port = self.setup.next_hop
        started = anyio.current_time()
        try:
            with anyio.fail_after(self.setup.timeouts.connect):
                # With TCP only, each address is returned once.
                found = await anyio.getaddrinfo(host, port, proto=6)
        except (OSError, UnicodeError):
            raise NotSent("nothing was sent: the name of the host could not be resolved") from None
        return len(found), anyio.current_time() - started

    async def connect(self) -> float:
        """Return the seconds that a TCP connection took.

        Raises:
            NotSent: no connection could be made.
        """
        started = anyio.current_time()
        with anyio.move_on_after(self.setup.timeouts.connect):
            try:
                async with await anyio.connect_tcp(*self.setup.next_hop):
                    self.round_trip = anyio.current_time() - started
                    return self.round_trip
            except OSError as error:
                raise NotSent(
                    f"nothing was sent: no connection could be made{cause_of(error)}"
                ) from None
        raise NotSent(
            f"nothing was sent: no connection after {self.setup.timeouts.connect:g} s",
            reason=Reason.TIMED_OUT,
        )

    async def handshake(self) -> tuple[str, int | None]:
        """Return the TLS version and the days until the gateway's certificate expires.

        The days are None if the certificate is not verified: Python does not parse it then.

        Raises:
            NotSent: no TLS connection could be made, or the certificate is not trusted.
        """
        host, port = self.setup.next_hop
        failure = NotSent(
            "nothing was sent: no TLS connection could be made", reason=Reason.TIMED_OUT
        )
        with anyio.move_on_after(self.setup.timeouts.connect):
            try:
                async with await anyio.connect_tcp(host, port) as stream:
                    context = ssl_settings(self.setup.verify, f"https://{host}/")
                    secured = await TLSStream.wrap(
                        stream, hostname=host, ssl_context=context, standard_compatible=False
                    )
                    attributes = secured.extra_attributes
                    version, certificate = (
                        attributes[TLSAttribute.tls_version](),
                        attributes[TLSAttribute.peer_certificate](),
                    )
                    ends = (certificate or {}).get("notAfter")
                    left = ssl.cert_time_to_seconds(str(ends)) - time.time() if ends else None
                    return version, left if left is None else int(left // _DAY)
            except ssl.SSLCertVerificationError as error:
                failure = NotSent(
                    f"nothing was sent: the certificate is not trusted{cause_of(error)}"
                )
            except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
                failure = NotSent(
                    f"nothing was sent: no TLS connection could be made{cause_of(error)}"
                )
        raise failure

    # --- calls ---

    async def answer_time(self, url: str) -> float:
        """Ask for the balance twice, without a login, and return the seconds of the second call.

        The first call also includes connecting and other one-time work.

        Raises:
            NotSent: no connection could be made.
            InDoubt: the answer is not a SOAP envelope with a sentence of the gateway.
        """
        transport = self._opener.open_transport(url)
        try:
            http = await self._within(self._ask_without_login(transport))
            started = anyio.current_time()
            if http.status == 200:
                http = await self._within(self._ask_without_login(transport))
            seconds = anyio.current_time() - started
        finally:
            with anyio.CancelScope(shield=True):
                await transport.aclose()
        self._hear(GET_CREDIT_BALANCE, read_reply(GET_CREDIT_BALANCE, http.body, http.status))
        return seconds

    async def _ask_without_login(self, transport: Transport) -> HttpReply:
        self.requests += 1
        body = Body(request_body(GET_CREDIT_BALANCE))
        headers, before = headers_of(GET_CREDIT_BALANCE, None), time.time()
        http = await transport.post(body, headers, limit=REPLY_LIMIT_MOST, exchange=Exchange())
        if http.date is not None:
            self.clock = http.date, (before + time.time()) / 2
        return http

    async def log_in(self) -> None:
        """Make one Auth. Raises the same errors as the login of a session."""
        await self._authenticate(await self._lease())

    async def ask(self, operation: Operation[T], asked: str | None = None, **arguments: str) -> T:
        """Return the answer to an operation, made with the first login.

        Raises:
            Refused: the gateway refused.
            NotSent: the request did not leave.
            InDoubt: there was no readable answer.
        """
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

    # --- speed ---

    async def climb(self) -> AsyncGenerator[Step, None]:
        """Yield the speed of balance calls at each step of `LADDER`, up to the first failure."""
        for count in LADDER:
            try:
                await self._open(count)
                seconds, calls = await self._timed(
                    self._leased[:count], _ALONE if count == 1 else _CALLS_EACH
                )
            except SmsGateError as error:
                yield Step(count, error=error)
                return
            yield Step(count, calls, seconds)

    async def cookie_times(self) -> CookieTimes:
        """Measure the calls of the cookie lock check. Raises the same errors as `ask`."""
        await self._open(AT_ONCE)  # a login may have failed in `climb`
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
        # With a proxy, the measured connection ends there: the round trip is not known.
        round_trip = None if self.setup.proxy else self.round_trip
        return CookieTimes(alone, min(same), min(apart), round_trip)

    async def _open(self, count: int) -> None:
        while len(self._leased) < count:
            await self._lease()
        await _together(
            [self._authenticate(login) for login in self._leased[:count] if not login.authenticated]
        )

    async def _timed(self, logins: list[Login], each: int) -> tuple[float, int]:
        """Let all logins make `each` calls, one after another; return the seconds and all calls."""
        started = anyio.current_time()
        await _together([self._balances(login, each) for login in logins])
        return anyio.current_time() - started, each * len(logins)

    async def _balances(self, login: Login, times: int) -> None:
        for _ in range(times):
            reply = await self._ask(login, GET_CREDIT_BALANCE)
            with suppress(InDoubt):  # an unrecognised sentence does not affect the time
                GET_CREDIT_BALANCE.read(reply, None)


async def _together(calls: Iterable[Awaitable[object]]) -> None:
    """Run all calls at the same time, and raise the first error when all have ended."""
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
    """Open a probe for this setup, and close its connections at the end."""
    async with AsyncExitStack() as stack:
        probe = Probe(setup, stack)
        stack.push_async_callback(probe.aclose)
        yield probe
