"""The only file that talks to httpx: post bytes, get bytes, and the proof whether anything left.

Rule of this file: *not sent* is claimed only with proof, and the proof comes from this very exchange. Each of these proves it:

1. The request was never handed to the client: the client is closed, or the request could not be made.
2. All of this holds: nobody has taken the body from us (it is a stream of our own, so any client, tool or second line must
   take it before it can send it); at least one `trace` event of httpx came; no event says that the headers began to be
   written; and the exchange ended by cancellation while a step was under way, or in the very exception with which one of
   these events says that its step failed, or because a proxy refused the tunnel.
3. Nobody has taken the body, no headers began to be written, and httpcore itself says that no connection became free in
   time (`PoolTimeout`). It gives no event while a request waits for a connection.

Everything else is in doubt, whatever the class of the exception: a test double, a tool that replaces httpx's transport, a hook
that removes the `trace` extension, or a second line without events proves nothing. Earlier exchanges prove nothing either.

Every exception is mapped, and ours is sealed, so that it holds neither the foreign one nor its frames. It works with `httpx`
and with `httpx2`, so exceptions are told apart by the names of their classes.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import httpx

from ..errors import InDoubt, NotSent, Reason, ReplyEvidence, SmsGateError
from ..privacy import sealed

__all__ = [
    "FAULTS",
    "Body",
    "Exchange",
    "Fault",
    "HttpClient",
    "HttpReply",
    "Transport",
    "cause_of",
    "client_of",
    "lent_transport",
    "own_transport",
    "ssl_settings",
    "status_text",
]

_log = logging.getLogger("smsgate")


class HttpClient(Protocol):
    """What is used of an `httpx.AsyncClient` or an `httpx2.AsyncClient`. It is never closed by this package."""

    @property
    def is_closed(self) -> bool: ...

    def build_request(
        self,
        method: str,
        url: str,
        /,
        *,
        content: AsyncIterable[bytes],
        headers: Any,
        timeout: Any,
        extensions: Any,
    ) -> Any: ...

    async def send(
        self, request: Any, /, *, stream: bool, auth: None, follow_redirects: bool
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """What an exception of the HTTP library means. `connecting`: it is named for the phase before anything is written.

    The name chooses the words; whether anything left is shown by the exchange alone.
    """

    reason: Reason
    connecting: bool = False


_LOST, _TIME, _NONE = (
    Fault(Reason.CONNECTION_LOST),
    Fault(Reason.TIMED_OUT),
    Fault(Reason.NO_CONNECTION, connecting=True),
)
_BAD = Fault(Reason.BAD_REQUEST, connecting=True)
_FULL = Fault(Reason.NO_FREE_CONNECTION, connecting=True)
_FOREIGN = Fault(Reason.CLIENT_FAILED)
"""An exception that is not of the HTTP library: a hook raised it, or a tool."""

FAULTS: dict[str, Fault] = {
    # The connect phase.
    "ConnectError": _NONE,
    "ConnectTimeout": _NONE,
    "PoolTimeout": _FULL,
    "ProxyError": _NONE,
    "UnsupportedProtocol": _BAD,
    "InvalidURL": _BAD,
    # From the first byte on. ReadError hides a broken write, too (httpcore 1.0.9 swallows WriteError).
    "ReadError": _LOST,
    "WriteError": _LOST,
    "CloseError": _LOST,
    "RemoteProtocolError": _LOST,
    "LocalProtocolError": _LOST,
    "ReadTimeout": _TIME,
    "WriteTimeout": _TIME,
    "DecodingError": Fault(Reason.ENCODED),
    "TooManyRedirects": Fault(Reason.HTTP_STATUS),
    "HTTPStatusError": Fault(Reason.HTTP_STATUS),
    # Misuse of a response, which a hook of the user's client can cause; the response has come by then.
    "StreamError": _LOST,
    "StreamConsumed": _LOST,
    "StreamClosed": _LOST,
    "ResponseNotRead": _LOST,
    "RequestNotRead": _LOST,
    "CookieConflict": _LOST,
    "SSEError": _LOST,  # httpx2
    # Groups, which have both kinds in them.
    "TimeoutException": _TIME,
    "NetworkError": _LOST,
    "ProtocolError": _LOST,
    "TransportError": _LOST,
    "RequestError": _LOST,
    "HTTPError": _LOST,
}

CLOSING = 1.0
"""Seconds that closing a response or a client may take. What has not closed by then is given up."""

_CORES = ("httpcore", "httpcore2")
_LONGEST_CHAIN = 100

_KEEP_ALIVE_OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)  # they have other names outside Linux
]


@dataclass(slots=True, eq=False)
class Exchange:
    """What is known of one request: whether it, or a part of it, may have left this process."""

    handed_over: bool = False
    """The HTTP client has the request."""
    begun: bool = False
    """It is known to have begun to leave: an event says so, or a response came."""
    tunnel_status: int | None = None
    """What a proxy answered to CONNECT."""
    _taken: bool = False
    _heard: bool = False
    _failures: list[BaseException] = field(default_factory=list, repr=False)
    _between_steps: bool = False
    _connecting: bool = False
    _ended: bool | None = None

    @property
    def left(self) -> bool:
        """The request may have left. Exact while it is under way, and final once `end` was called."""
        if self._ended is not None:
            return self._ended
        # After a step that failed, who knows what the client has turned to.
        return self.handed_over and (
            self._taken or self.begun or self._between_steps or not self._heard
        )

    @property
    def doubt(self) -> str:
        """How to say that the request may have left."""
        return (
            "when the request had begun to leave"
            if self.begun
            else "and it is not known whether the request left"
        )

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take one trace event of httpcore. A CONNECT to a proxy is not the request."""
        self._heard = True
        step, _, stage = event.rpartition(".")
        if stage == "started":
            self._between_steps = False
            self._connecting = getattr(info.get("request"), "method", b"") == b"CONNECT"
            self.begun |= not self._connecting and step.endswith(
                (".send_request_headers", ".send_request_body")
            )
        elif stage == "failed":
            failure = info["exception"]
            self._failures.append(failure)
            self._between_steps = isinstance(failure, Exception)  # which a cancellation is not
        elif self._connecting and step.endswith(".receive_response_headers"):
            self.tunnel_status = info["return_value"][1]

    def take(self) -> None:
        """Note that somebody takes the body, and may send it by whatever way.

        Raises `NotSent` if it was said that nothing left: a transport that goes on in the background must not make that untrue.
        """
        if self._ended is False:
            raise NotSent(
                "this request was given up: nothing of it may leave any more", reason=Reason.CLOSED
            )
        self._taken = True

    def not_sent(self, error: Exception) -> bool:
        """Return whether it is proven that nothing of the request left, if this is the exception that came of it."""
        if not self.handed_over:
            return True
        if self._taken or self.begun:
            return False
        causes = list(_chain(error, lambda one: one.__cause__))
        if any(
            type(one).__name__ == "PoolTimeout" and type(one).__module__ in _CORES for one in causes
        ):
            return True
        # That an event came does not say which line failed in the end: the exception must be the one that it told of.
        return self._refused_tunnel or any(
            one is failure for one in causes for failure in self._failures
        )

    @property
    def _refused_tunnel(self) -> bool:
        return (
            self.tunnel_status is not None
            and not 200 <= self.tunnel_status < 300
            and not self._between_steps
        )

    def end(self, *, left: bool) -> None:
        """Settle it, and let go of the exceptions, in whose frames the request stands."""
        self._ended = left
        self._failures.clear()


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a request. They hold everything that is secret, so no frame may show them."""

    content: bytes = field(repr=False)


class _Outgoing:
    """The body on its way to the HTTP client, which may ask for it again. Whoever takes it is noted before the first byte."""

    def __init__(self, body: Body, exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._exchange.take()
        return _Once(self._body)


class _Once:
    """An iterator in place of a generator, which a client would leave to trio's garbage collector if writing fails."""

    def __init__(self, body: Body) -> None:
        self._body: Body | None = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._body is None:
            raise StopAsyncIteration
        content, self._body = self._body.content, None
        return content


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One HTTP response, read whole."""

    status: int
    body: bytes = field(repr=False)
    cookies: tuple[str, ...] = field(repr=False)
    """The values of its Set-Cookie headers."""
    date: str | None = None
    """Its Date header: the gateway's clock."""


@cache
def _made_ssl_settings(verify: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify, trust_env=False)


@cache
def _settings_that_trust_nobody() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def ssl_settings(verify: bool | ssl.SSLContext, *addresses: str | None) -> ssl.SSLContext:
    """Return the TLS settings for connections to these addresses.

    Reading the certificates of all authorities takes 15 ms or more. So it is done once for all sessions, and not for plain http.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    secure = any(address.lower().startswith("https:") for address in addresses if address)
    return _made_ssl_settings(verify) if secure else _settings_that_trust_nobody()


def own_transport(
    url: str, context: ssl.SSLContext, *, proxy: str | None, connect: float, keep_alive: float
) -> Transport:
    """Return a transport with a client of its own: one connection, HTTP/1.1, no redirects, no proxies from the environment.

    A connection that was idle for `keep_alive` seconds is not used again, as the server may be closing it at that moment. TCP
    keep-alive finds a dead network without limiting a slow gateway. `context` is used towards an https proxy as well.
    """

    def open_client() -> httpx.AsyncClient:
        through = None
        if proxy is not None:
            through = httpx.Proxy(
                proxy, ssl_context=context if proxy.lower().startswith("https:") else None
            )
        transport = httpx.AsyncHTTPTransport(
            verify=context,
            trust_env=False,
            proxy=through,
            http1=True,
            http2=False,
            limits=httpx.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=keep_alive
            ),
            socket_options=_KEEP_ALIVE_OPTIONS,
        )
        no_jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        return httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, cookies=no_jar
        )

    return Transport(_Own(open_client), url, connect=connect)


def client_of(app: Callable[..., Awaitable[None]]) -> HttpClient:
    """Return a client that calls an ASGI application in this process, without a socket. It holds nothing that needs closing."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), trust_env=False)


def lent_transport(url: str, client: HttpClient, *, connect: float) -> Transport:
    """Return a transport through the user's client."""
    return Transport(_Lent(client), url, connect=connect)


class _Lent:
    """The user's client, which we neither close nor replace."""

    WHEN_FULL = (
        "give the client that was handed in at least as many connections as the concurrency of the session"
        " (httpx.Limits(max_connections=…)); if it has them, replace it: httpx loses a connection for good when a call that"
        " waits for one is cancelled"
    )

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def get(self) -> HttpClient:
        return self._client

    def discard(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class _Own:
    """A client of our own, which is replaced after a request that did not end well.

    A task that is cancelled twice interrupts httpcore's cleaning up, and the slot of its pool is then gone for good
    (measured with httpcore 1.0.9). A new client costs less than finding out.
    """

    WHEN_FULL = "a new connection is made for the next call"

    def __init__(self, open_client: Callable[[], httpx.AsyncClient]) -> None:
        self._open_client = open_client
        self._client: httpx.AsyncClient | None = None
        self._discarded: list[httpx.AsyncClient] = []

    async def get(self) -> HttpClient:
        await self._close_discarded()
        if self._client is None:
            self._client = self._open_client()
        return self._client

    def discard(self) -> None:
        if self._client is not None:
            self._discarded.append(self._client)
            self._client = None

    async def _close_discarded(self) -> None:
        while self._discarded:
            await _closed(self._discarded.pop())

    async def aclose(self) -> None:
        self.discard()
        await self._close_discarded()


class Transport:
    """Posts bytes to one address through one client."""

    def __init__(self, client: _Lent | _Own, url: str, *, connect: float) -> None:
        self._client = client
        self._url = url
        # connect, read, write, pool: the deadline of the whole call is the session's.
        self._timeout = (connect, None, None, connect)
        self._when_full = (
            f"no connection of the HTTP client became free within {connect:g} s: {client.WHEN_FULL}"
        )

    async def aclose(self) -> None:
        """Close the client, if it is our own."""
        await self._client.aclose()

    @sealed
    async def post(
        self, body: Body, headers: Mapping[str, str], *, limit: int, exchange: Exchange
    ) -> HttpReply:
        """Post the body and return the response, whatever its status.

        At most `limit` bytes of it are read. Raises `NotSent` or `InDoubt` and nothing else, save for cancellation.
        """
        outcome: HttpReply | SmsGateError
        try:
            outcome = await self._post(body, headers, limit, exchange)
        except Exception as error:  # an error of ours, too: it can only come from a hook, and says nothing of this request
            outcome = self._mapped(error, exchange)
        except BaseException:  # cancelled
            self._client.discard()
            raise
        finally:
            exchange.end(left=exchange.left)
        if isinstance(outcome, HttpReply):
            return outcome
        self._client.discard()
        raise outcome

    async def _post(
        self, body: Body, headers: Mapping[str, str], limit: int, exchange: Exchange
    ) -> HttpReply | NotSent | InDoubt:
        # Our own errors are returned, so that those which a hook raises are not taken for them.
        client = await self._client.get()
        if client.is_closed:
            return NotSent("the HTTP client has been closed", reason=Reason.CLOSED)
        try:
            request = client.build_request(
                "POST",
                self._url,
                content=_Outgoing(body, exchange),
                headers={
                    "Accept-Encoding": "identity",
                    "Content-Length": str(len(body.content)),
                    **headers,
                },
                timeout=self._timeout,
                extensions={"trace": exchange.trace},
            )
            # What the client's own cookie jar has collected is of no use: a late "not authorised" answer overwrites the
            # fresh session there.
            request.headers.pop("cookie", None)
            request.headers.update(
                {name: value for name, value in headers.items() if name.lower() == "cookie"}
            )
        except Exception as error:
            return NotSent(
                f"the request could not be made ({type(error).__name__})", reason=Reason.BAD_REQUEST
            )
        await (
            anyio.lowlevel.checkpoint()
        )  # a call that is already cancelled ends here, where it is known that nothing left
        exchange.handed_over = True
        response = await client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            exchange.begun = True  # a response proves it, whoever the client is
            return await _read(response, limit)
        finally:
            # What was read counts: trouble in closing costs the client, not the reply.
            if not await _closed(response):
                self._client.discard()

    def _mapped(self, error: Exception, exchange: Exchange) -> SmsGateError:
        names = [kind.__name__ for kind in type(error).__mro__]
        fault = next((FAULTS[name] for name in names if name in FAULTS), _FOREIGN)
        detail = f"{type(error).__name__}{cause_of(error)}"
        # The class proves nothing: a foreign transport may call a connection that it lost after the request by the name of
        # one that was never made (httpx-aiohttp does).
        not_sent = exchange.not_sent(error)
        exchange.end(left=not not_sent)
        if not_sent:
            return self._not_sent(fault, detail, exchange.tunnel_status)
        reason = (
            Reason.CONNECTION_LOST
            if fault.connecting or (fault is _FOREIGN and exchange.begun)
            else fault.reason
        )
        return InDoubt(f"{reason} {exchange.doubt}: {detail}", reason=reason)

    def _not_sent(self, fault: Fault, detail: str, tunnel_status: int | None) -> NotSent:
        if fault is _FULL:
            return NotSent(f"nothing was sent: {self._when_full}", reason=fault.reason)
        if tunnel_status is not None and not 200 <= tunnel_status < 300:
            # A gateway's own trouble may pass; what the proxy demands will not.
            reason = Reason.NO_CONNECTION if tunnel_status >= 500 else Reason.PROXY_REFUSED
            return NotSent(
                f"nothing was sent: the proxy refused to connect: {status_text(tunnel_status)}",
                reason=reason,
            )
        return NotSent(
            f"nothing was sent: {detail}",
            reason=fault.reason if fault.connecting else Reason.NO_CONNECTION,
        )


async def _closed(opened: Any) -> bool:
    """Close it, and return whether that went well. It is never tried again, and no call fails for it or waits long for it.

    A deadline that ends meanwhile does not cut it off: the reply that was read before would be lost with it.
    """
    trouble = f"not closed after {CLOSING:g} s"
    with anyio.move_on_after(CLOSING, shield=True):
        try:
            await opened.aclose()
        except Exception as error:
            trouble = type(error).__name__
        else:
            return True
    _log.debug("a connection could not be closed: %s", trouble)
    return False


async def _read(response: Any, limit: int) -> HttpReply | InDoubt:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # A reply of 0.3 KB can unpack to gigabytes, and we asked for none of that.
        return _doubt(
            response, Reason.ENCODED, b"", f"{Reason.ENCODED}, though identity was asked for"
        )
    # A transport that answers from memory, as in tests of the user's, has read its response already.
    body = await response.aread() if response.is_stream_consumed else await _stream(response, limit)
    if len(body) > limit:
        return _doubt(
            response, Reason.TOO_LARGE, body, f"{Reason.TOO_LARGE}: more than {limit} bytes"
        )
    headers = response.headers
    return HttpReply(
        response.status_code, body, tuple(headers.get_list("set-cookie")), headers.get("date")
    )


async def _stream(response: Any, limit: int) -> bytes:
    """Return the raw body, or a little more than `limit` bytes of it."""
    body = bytearray()
    try:
        # Not `aiter_raw`, which closes the response in the end: if that failed, it would look as if the reading had.
        async for chunk in response.stream:
            if len(body) <= limit:
                body += chunk
            else:
                # Reading on from a closed response ends the library's generators; dropping them would leave them to trio's
                # garbage collector, which complains.
                await _closed(response)
    except Exception:
        if len(body) <= limit:
            raise
    return bytes(body)


def _doubt(response: Any, reason: Reason, body: bytes, message: str) -> InDoubt:
    return InDoubt(
        message,
        reason=reason,
        evidence=ReplyEvidence(response.status_code, len(body), reply=body[: ReplyEvidence.LIMIT]),
    )


def status_text(status: int) -> str:
    """Return an HTTP status with its registered name: the words that came with it may be anything."""
    name = next((f" {one.phrase}" for one in HTTPStatus if one == status), "")
    wanted = (
        " (the proxy asks for a user and a password)"
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        else ""
    )
    return f"{status}{name}{wanted}"


def cause_of(error: BaseException | None) -> str:
    """Return what the operating system or TLS said, or nothing, in fixed words: the exceptions' own texts may quote a header."""
    for one in _chain(error, _cause):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f" ({one.verify_message})"
        if isinstance(one, socket.gaierror):
            return " (the name of the host could not be resolved)"
        if isinstance(one, OSError) and one.errno:
            return f" ({os.strerror(one.errno)})" if one.errno > 0 else ""
    return ""


def _cause(error: BaseException) -> BaseException | None:
    # trio gives a group with one error for each address of the host.
    return (
        error.exceptions[0]
        if isinstance(error, BaseExceptionGroup)
        else error.__cause__ or error.__context__
    )


def _chain(
    error: BaseException | None, after: Callable[[BaseException], BaseException | None]
) -> Iterator[BaseException]:
    """Yield an exception and what led to it. `raise error from error` makes a chain without an end."""
    seen: list[BaseException] = []
    while (
        error is not None and len(seen) < _LONGEST_CHAIN and not any(error is one for one in seen)
    ):
        yield error
        seen.append(error)
        error = after(error)
