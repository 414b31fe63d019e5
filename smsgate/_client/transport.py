"""The only file that uses httpx: it posts bytes, reads replies, and proves whether a request left.

Rules of this file:
- *Not sent* needs proof, and the proof must come from the same exchange. There are three proofs:

  1. The client never got the request: the client is closed, or the request could not be built.
  2. All of these are true:
     - Nothing has read the body. (The body is our own stream, so any client or transport must read
       it before sending it.)
     - At least one `trace` event of httpx came, and none says that writing the headers began.
     - The exchange was cancelled during a step, or it raised the same exception that a `trace`
       event reported for a failed step, or a proxy refused the tunnel.
  3. Nothing has read the body, writing the headers has not begun, and httpcore reports that no
     connection became free in time (`PoolTimeout`). It sends no event during this wait.

- Everything else is in doubt, whatever the class of the exception. A test double, a tool that
  replaces httpx's transport, a hook that removes the `trace` extension, or a transport without
  events proves nothing.
- Every exception becomes one of our own. It is sealed: it holds neither the original exception nor
  its frames.
- Exceptions are recognised by their class names, since both `httpx` and `httpx2` are supported.
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
from typing import Any, Protocol

import anyio
import httpx

from ..errors import InDoubt, NotSent, Reason, ReplyEvidence, SmsGateError
from ..privacy import sealed
from .spawn import end_if_cancelled

__all__ = [
    "FAULTS",
    "TOO_LATE",
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
    """The part of `httpx.AsyncClient` and `httpx2.AsyncClient` that a session uses.

    The session never closes the client.
    """

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
    """What an exception of the HTTP library means.

    The exception chooses the words only. The `Exchange` alone decides whether anything left.

    Attributes:
        reason: the reason of our error.
        connecting: its name belongs to the phase before anything is written.
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
"""An exception from outside the HTTP library: a hook or a tool raised it."""

FAULTS: dict[str, Fault] = {
    # The connect phase.
    "ConnectError": _NONE,
    "ConnectTimeout": _NONE,
    "PoolTimeout": _FULL,
    "ProxyError": _NONE,
    "UnsupportedProtocol": _BAD,
    "InvalidURL": _BAD,
    # After the first byte. ReadError may hide a failed write (httpcore 1.0.9 swallows WriteError).
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
    # A hook of the user's client can misuse a response that has already come.
    "StreamError": _LOST,
    "StreamConsumed": _LOST,
    "StreamClosed": _LOST,
    "ResponseNotRead": _LOST,
    "RequestNotRead": _LOST,
    "CookieConflict": _LOST,
    "SSEError": _LOST,  # httpx2
    # Base classes, which cover both phases.
    "TimeoutException": _TIME,
    "NetworkError": _LOST,
    "ProtocolError": _LOST,
    "TransportError": _LOST,
    "RequestError": _LOST,
    "HTTPError": _LOST,
}

TOO_LATE = "nothing was sent: it is too late for the first byte to leave"

CLOSING = 1.0
"""The most seconds to wait for a response or a client to close."""

_BEGINNINGS = (".send_request_headers.started", ".send_request_body.started")
"""The events of a request that begins to leave."""

_USUAL = (("Accept", "*/*"), ("Connection", "keep-alive"))
"""The headers that httpx adds to each request."""

_CORES = ("httpcore", "httpcore2")
_LONGEST_CHAIN = 100

_KEEP_ALIVE_OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)  # the names differ outside Linux
]


@dataclass(slots=True, eq=False)
class Exchange:
    """What is known about one request: whether any part of it may have left this process."""

    handed_over: bool = False
    """The HTTP client has been given the request."""
    begun: bool = False
    """The request has begun to leave: a trace event says so, or a response came."""
    may_begin: Callable[[], bool] = lambda: True
    """Called before the first byte leaves. False stops the request, and nothing has left then."""
    stopped: bool = False
    """`may_begin` has stopped the request."""
    tunnel_status: int | None = None
    """The HTTP status of a proxy's answer to CONNECT."""
    _taken: bool = False
    _heard: bool = False
    _failures: list[BaseException] = field(default_factory=list, repr=False)
    _between_steps: bool = False
    _connecting: bool = False
    _ended: bool | None = None

    @property
    def left(self) -> bool:
        """Whether the request may have left. Exact while it is in flight, final after `end`."""
        if self._ended is not None:
            return self._ended
        # After a failed step the client may already be doing anything else.
        return (
            self.handed_over
            and not self.stopped
            and (self._taken or self.begun or self._between_steps or not self._heard)
        )

    @property
    def doubt(self) -> str:
        """The words for an error that says that the request may have left."""
        return (
            "when the request had begun to leave"
            if self.begun
            else "and it is not known whether the request left"
        )

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Record one trace event of httpcore. A CONNECT to a proxy is not the request."""
        self._heard = True
        if event.endswith(".started"):
            self._between_steps = False
            self._connecting = getattr(info.get("request"), "method", b"") == b"CONNECT"
            if not self._connecting and event.endswith(_BEGINNINGS):
                self._check_may_begin()
                self.begun = True
        elif event.endswith(".failed"):
            failure = info["exception"]
            self._failures.append(failure)
            self._between_steps = isinstance(failure, Exception)  # a cancellation is not one
        elif self._connecting and event.endswith(".receive_response_headers.complete"):
            self.tunnel_status = info["return_value"][1]

    def _check_may_begin(self) -> None:
        """Raise `NotSent` if nothing has begun to leave and `may_begin` does not allow it now."""
        if self.stopped or not (self.begun or self._taken or self.may_begin()):
            self.stopped = True
            raise NotSent(TOO_LATE, reason=Reason.TOO_LATE)

    def take(self) -> None:
        """Record that the body is read, and so may be sent.

        Raises:
            NotSent: the exchange has ended as not sent, or may not begin any more. A transport
                that continues in the background must not send after that.
        """
        if self._ended is False:
            raise NotSent(
                "the request has ended as not sent, so its body cannot be read",
                reason=Reason.CLOSED,
            )
        self._check_may_begin()
        self._taken = True

    def not_sent(self, error: Exception) -> bool:
        """Return whether this exception of the exchange proves that nothing of the request left."""
        if not self.handed_over or self.stopped:
            return True
        if self._taken or self.begun:
            return False
        causes = list(_chain(error, lambda one: one.__cause__))
        if any(
            type(one).__name__ == "PoolTimeout" and type(one).__module__ in _CORES for one in causes
        ):
            return True
        # The client may have tried several connections: the exception must be one that an event
        # reported.
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
        """Make `left` final and release the exceptions, whose frames hold the request."""
        self._ended = left
        self._failures.clear()


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a request. They contain all secrets, so no `repr` shows them."""

    content: bytes = field(repr=False)


class _Outgoing(httpx.AsyncByteStream):
    """The body as a stream for the HTTP client. The exchange records each read of it beforehand."""

    def __init__(self, body: Body, exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._exchange.take()
        return _Once(self._body)


class _Once:
    """An iterator that yields the body once.

    Not a generator: if writing fails, a client would drop it unclosed, which trio warns about.
    """

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
    """One HTTP response, read completely."""

    status: int
    body: bytes = field(repr=False)
    cookies: tuple[str, ...] = field(repr=False)
    """The values of its Set-Cookie headers."""
    date: str | None = None
    """Its Date header, the gateway's clock."""


@cache
def _made_ssl_settings(verify: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify, trust_env=False)


@cache
def _settings_without_authorities() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def ssl_settings(verify: bool | ssl.SSLContext, *addresses: str | None) -> ssl.SSLContext:
    """Return the TLS settings for connections to these addresses.

    Loading the certificates of all authorities takes 15 ms or more, so they are loaded once for all
    sessions, and never for plain http.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    secure = any(address.lower().startswith("https:") for address in addresses if address)
    return _made_ssl_settings(verify) if secure else _settings_without_authorities()


def own_transport(
    url: str, context: ssl.SSLContext, *, proxy: str | None, connect: float, keep_alive: float
) -> Transport:
    """Return a transport with its own client.

    The client uses one connection and HTTP/1.1, follows no redirects, and ignores proxies of the
    environment. TCP keep-alive detects a dead network without limiting a slow gateway.

    Args:
        url: the address to post to.
        context: the TLS settings, also for an https proxy.
        proxy: the URL of an HTTP proxy, or None.
        connect: the longest time to connect, in seconds.
        keep_alive: seconds after which an idle connection is not used again, since the server may
            be closing it.
    """

    def open_pool() -> httpx.AsyncHTTPTransport:
        through = None
        if proxy is not None:
            through = httpx.Proxy(
                proxy, ssl_context=context if proxy.lower().startswith("https:") else None
            )
        return httpx.AsyncHTTPTransport(
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

    return Transport(_Own(open_pool), url, connect=connect)


def client_of(app: Callable[..., Awaitable[None]]) -> HttpClient:
    """Return a client that calls an ASGI application without a socket. It needs no closing."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), trust_env=False)


def lent_transport(url: str, client: HttpClient, *, connect: float) -> Transport:
    """Return a transport that uses the user's client."""
    return Transport(_Lent(client), url, connect=connect)


class _Lent:
    """The user's client, which is neither closed nor replaced here.

    Its own way of a request is kept, so its headers, hooks, mounts and proxies do what they do for
    any other request of its owner.
    """

    WHEN_FULL = (
        "give the http_client at least as many connections as the concurrency of the session"
        " (httpx.Limits(max_connections=…)); if it has them, replace the client: httpx loses a"
        " connection for good when a call that waits for a connection is cancelled"
    )

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def ready(self) -> bool:
        return not self._client.is_closed

    def request(
        self,
        url: str,
        headers: Mapping[str, str],
        content: _Outgoing,
        timeout: Mapping[str, float | None],
        trace: Callable[..., Awaitable[None]],
    ) -> Any:
        request = self._client.build_request(
            "POST",
            url,
            content=content,
            headers=headers,
            timeout=tuple(timeout.values()),
            extensions={"trace": trace},
        )
        # Not the client's cookie jar: a late "not authorised" answer overwrites its cookie.
        request.headers.pop("cookie", None)
        request.headers.update(
            {name: value for name, value in headers.items() if name.lower() == "cookie"}
        )
        return request

    async def send(self, request: Any) -> Any:
        return await self._client.send(request, stream=True, auth=None, follow_redirects=False)

    def discard(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


@cache
def _address(url: str) -> tuple[httpx.URL, str]:
    """Return a URL as httpx parses it, and the Host header for it."""
    parsed = httpx.URL(url)
    return parsed, parsed.netloc.decode("ascii")


class _Own:
    """A connection of our own, which is replaced after a failed request.

    The transport of httpx is called without a client around it. Nothing that the client adds is
    wanted here: cookies, redirects, authentication, hooks, and a URL that is parsed for each
    request.

    A task that is cancelled twice interrupts the clean-up of httpcore, and a slot of its pool is
    then lost for good (measured with httpcore 1.0.9). A new pool costs less than a check.
    """

    WHEN_FULL = "a new connection is made for the next call"

    def __init__(self, open_pool: Callable[[], httpx.AsyncHTTPTransport]) -> None:
        self._open_pool = open_pool
        self._pool: httpx.AsyncHTTPTransport | None = None
        self._discarded: list[httpx.AsyncHTTPTransport] = []

    async def ready(self) -> bool:
        await self._close_discarded()
        if self._pool is None:
            self._pool = self._open_pool()
        return True

    def request(
        self,
        url: str,
        headers: Mapping[str, str],
        content: _Outgoing,
        timeout: Mapping[str, float | None],
        trace: Callable[..., Awaitable[None]],
    ) -> httpx.Request:
        address, host = _address(url)
        return httpx.Request(
            "POST",
            address,
            headers=[("Host", host), *_USUAL, *headers.items()],
            stream=content,
            extensions={"timeout": timeout, "trace": trace},
        )

    async def send(self, request: httpx.Request) -> httpx.Response:
        assert self._pool is not None  # noqa: S101 - `ready` comes first
        return await self._pool.handle_async_request(request)

    def discard(self) -> None:
        if self._pool is not None:
            self._discarded.append(self._pool)
            self._pool = None

    async def _close_discarded(self) -> None:
        while self._discarded:
            await _closed(self._discarded.pop())

    async def aclose(self) -> None:
        self.discard()
        await self._close_discarded()


class Transport:
    """Posts bytes to one address with one client."""

    def __init__(self, client: _Lent | _Own, url: str, *, connect: float) -> None:
        self._client = client
        self._url = url
        # In the order of httpx. The session sets the deadline of the whole call.
        self._timeout = {"connect": connect, "read": None, "write": None, "pool": connect}
        self._when_full = (
            f"no connection of the HTTP client became free within {connect:g} s: {client.WHEN_FULL}"
        )

    async def aclose(self) -> None:
        """Close the client unless it is the user's."""
        await self._client.aclose()

    @sealed
    async def post(
        self, body: Body, headers: Mapping[str, str], *, limit: int, exchange: Exchange
    ) -> HttpReply:
        """Post the body and return the response, whatever its status.

        Args:
            body: the request.
            headers: the headers of the request.
            limit: the most bytes of the response to accept.
            exchange: records whether the request may have left.

        Raises:
            NotSent, InDoubt: there is no response. No other error is raised.
        """
        outcome: HttpReply | SmsGateError
        try:
            outcome = await self._post(body, headers, limit, exchange)
        except Exception as error:  # even our own class: only a hook can raise it here
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
        # Returns our own errors, to distinguish them from those that a hook raises.
        if not await self._client.ready():
            return NotSent("the HTTP client has been closed", reason=Reason.CLOSED)
        try:
            request = self._client.request(
                self._url,
                {
                    "Accept-Encoding": "identity",
                    "Content-Length": str(len(body.content)),
                    **headers,
                },
                _Outgoing(body, exchange),
                self._timeout,
                exchange.trace,
            )
        except Exception as error:
            return NotSent(
                f"the request could not be made ({type(error).__name__})", reason=Reason.BAD_REQUEST
            )
        # A call that is already cancelled ends here, where nothing has left for certain.
        await end_if_cancelled()
        exchange.handed_over = True
        response = await self._client.send(request)
        try:
            exchange.begun = True  # a response proves it, whatever the client is
            return await _read(response, limit)
        finally:
            # A failure to close costs the client, not the reply.
            if not await _closed(response):
                self._client.discard()

    def _mapped(self, error: Exception, exchange: Exchange) -> SmsGateError:
        names = [kind.__name__ for kind in type(error).__mro__]
        fault = next((FAULTS[name] for name in names if name in FAULTS), _FOREIGN)
        detail = f"{type(error).__name__}{cause_of(error)}"
        if exchange.stopped:
            return NotSent(TOO_LATE, reason=Reason.TOO_LATE)
        # The class proves nothing: httpx-aiohttp raises `ConnectError` for a connection that it
        # lost after the request.
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
            # A server error may pass; a demand of the proxy does not.
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
    """Close a response or a client, and return whether closing succeeded.

    It takes at most `CLOSING` seconds and raises nothing. A deadline that ends during the closing
    does not cancel it, since the reply would be lost.
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
    cookies, date = [], None
    for name, value in response.headers.raw:
        match name.lower():
            case b"set-cookie":
                cookies.append(value.decode("latin-1"))
            case b"date":
                date = value.decode("latin-1")
            case b"content-encoding" if value.strip().lower() not in (b"", b"identity"):
                # A reply of 0.3 KB can unpack to gigabytes, and the request did not allow it.
                words = f"{Reason.ENCODED}, though the request did not allow it"
                return _doubt(response, Reason.ENCODED, b"", words)
    # A transport that answers from memory, as in users' tests, has already read its response.
    body = await response.aread() if response.is_stream_consumed else await _stream(response, limit)
    if len(body) > limit:
        return _doubt(
            response, Reason.TOO_LARGE, body, f"{Reason.TOO_LARGE}: more than {limit} bytes"
        )
    return HttpReply(response.status_code, body, tuple(cookies), date)


async def _stream(response: Any, limit: int) -> bytes:
    """Return the raw body, or slightly more than `limit` bytes of a longer one."""
    body = bytearray()
    try:
        # Not `aiter_raw`: it also closes the response, and a failed close would look like a failed
        # read.
        async for chunk in response.stream:
            if len(body) <= limit:
                body += chunk
            else:
                # Reading a closed response ends the library's generators. trio warns about
                # generators that are dropped instead.
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
    """Return an HTTP status with its registered name, not with the words of the response."""
    name = next((f" {one.phrase}" for one in HTTPStatus if one == status), "")
    wanted = (
        " (the proxy asks for a user and a password)"
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        else ""
    )
    return f"{status}{name}{wanted}"


def cause_of(error: BaseException | None) -> str:
    """Return the cause that the operating system or TLS reports, or "".

    Only in fixed words, since the text of an exception may quote a header.
    """
    for one in _chain(error, _cause):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f" ({one.verify_message})"
        if isinstance(one, socket.gaierror):
            return " (the name of the host could not be resolved)"
        if isinstance(one, OSError) and one.errno:
            return f" ({os.strerror(one.errno)})" if one.errno > 0 else ""
    return ""


def _cause(error: BaseException) -> BaseException | None:
    # trio raises a group with one error for each address of the host.
    return (
        error.exceptions[0]
        if isinstance(error, BaseExceptionGroup)
        else error.__cause__ or error.__context__
    )


def _chain(
    error: BaseException | None, after: Callable[[BaseException], BaseException | None]
) -> Iterator[BaseException]:
    """Yield an exception and its causes. The chain may be a cycle (`raise error from error`)."""
    seen: list[BaseException] = []
    while (
        error is not None and len(seen) < _LONGEST_CHAIN and not any(error is one for one in seen)
    ):
        yield error
        seen.append(error)
        error = after(error)
