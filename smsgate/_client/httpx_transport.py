"""The only file that uses httpx: connections of a session's own, and clients that the user lends.

What httpx does is known from the `trace` events of the request, which httpcore sends. None of its
events is "the first byte leaves", but `send_request_headers.started` comes before it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import Any, Protocol

import httpx
from anyio.lowlevel import checkpoint

from ..errors import Reason
from .exchange import Body, Exchange, causes_of
from .transport import KEEP_ALIVE_OPTIONS, Fault, Owned, Transport, closed_in_time

__all__ = [
    "FAULTS",
    "HttpClient",
    "client_of",
    "lent_transport",
    "own_transport",
    "ssl_settings",
]


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


_LOST, _TIME, _NONE = (
    Fault(Reason.CONNECTION_LOST),
    Fault(Reason.TIMED_OUT),
    Fault(Reason.NO_CONNECTION, connecting=True),
)
_BAD = Fault(Reason.BAD_REQUEST, connecting=True)

FAULTS: dict[str, Fault] = {
    # The connect phase.
    "ConnectError": _NONE,
    "ConnectTimeout": _NONE,
    "PoolTimeout": Fault(Reason.NO_FREE_CONNECTION, connecting=True),
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

_BEGINNINGS = (".send_request_headers.started", ".send_request_body.started")
"""The events of a request that begins to leave."""

_USUAL = (("Accept", "*/*"), ("Connection", "keep-alive"))
"""The headers that httpx adds to each request."""

_CORES = ("httpcore", "httpcore2")


class Trace:
    """Hears the trace events of httpcore for one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._connecting = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Record one event. A CONNECT to a proxy is not the request."""
        if event.endswith(".started"):
            self._connecting = getattr(info.get("request"), "method", b"") == b"CONNECT"
            if not self._connecting and event.endswith(_BEGINNINGS):
                self._exchange.begin()
            else:
                self._exchange.step()
        elif event.endswith(".failed"):
            self._exchange.fail(info["exception"])
        elif self._connecting and event.endswith(".receive_response_headers.complete"):
            self._exchange.tunnel_status = info["return_value"][1]


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


class _Response:
    """A response of httpx or httpx2."""

    finished = False  # it has to be closed whatever was read

    def __init__(self, response: Any) -> None:
        self._response = response

    @property
    def status(self) -> int:
        status: int = self._response.status_code
        return status

    @property
    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        headers: Iterable[tuple[bytes, bytes]] = self._response.headers.raw
        return headers

    async def read(self, limit: int) -> bytes:
        # A transport that answers from memory, as in users' tests, has already read its response.
        if self._response.is_stream_consumed:
            whole: bytes = await self._response.aread()
            return whole
        body = bytearray()
        try:
            # Not `aiter_raw`: it also closes the response, and a failed close would look like a
            # failed read.
            async for chunk in self._response.stream:
                if len(body) <= limit:
                    body += chunk
                else:
                    # Reading a closed response ends the library's generators. trio warns about
                    # generators that are dropped instead.
                    await closed_in_time(self._response.aclose)
        except Exception:
            if len(body) <= limit:
                raise
        return bytes(body)

    async def aclose(self) -> None:
        await self._response.aclose()


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
            socket_options=KEEP_ALIVE_OPTIONS,
        )

    return Transport(_Own(open_pool, connect), url)


def client_of(app: Callable[..., Awaitable[None]]) -> HttpClient:
    """Return a client that calls an ASGI application without a socket. It needs no closing."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), trust_env=False)


def lent_transport(url: str, client: HttpClient, *, connect: float) -> Transport:
    """Return a transport that uses the user's client."""
    return Transport(_Lent(client, connect), url)


class _Httpx:
    """What own connections and lent clients have in common."""

    faults = FAULTS

    def __init__(self, connect: float) -> None:
        self.connect = connect
        # In the order of httpx. The session sets the deadline of the whole call.
        self._timeout = {"connect": connect, "read": None, "write": None, "pool": connect}

    def waited_in_vain(self, error: Exception) -> bool:
        """Return whether httpcore reports that no connection became free: it sends no event."""
        return any(
            type(one).__name__ == "PoolTimeout" and type(one).__module__ in _CORES
            for one in causes_of(error)
        )


class _Lent(_Httpx):
    """The user's client, which is neither closed nor replaced here.

    Its own way of a request is kept, so its headers, hooks, mounts and proxies do what they do for
    any other request of its owner.
    """

    when_full = (
        "give the http_client at least as many connections as the concurrency of the session"
        " (httpx.Limits(max_connections=…)); if it has them, replace the client: httpx loses a"
        " connection for good when a call that waits for a connection is cancelled"
    )

    _IN_A_ROW = 16
    """Requests after which other tasks get a turn: a client in memory never waits for anything."""

    def __init__(self, client: HttpClient, connect: float) -> None:
        super().__init__(connect)
        self._client = client
        self._requests = 0

    async def ready(self) -> bool:
        self._requests += 1
        if self._requests % self._IN_A_ROW == 0:
            await checkpoint()
        return not self._client.is_closed

    def request(self, url: str, headers: Mapping[str, str], body: Body, exchange: Exchange) -> Any:
        request = self._client.build_request(
            "POST",
            url,
            content=_Outgoing(body, exchange),
            headers=headers,
            timeout=tuple(self._timeout.values()),
            extensions={"trace": Trace(exchange)},
        )
        # Not the client's cookie jar: a late "not authorised" answer overwrites its cookie.
        request.headers.pop("cookie", None)
        request.headers.update(
            {name: value for name, value in headers.items() if name.lower() == "cookie"}
        )
        return request

    async def send(self, request: Any) -> _Response:
        sent = self._client.send(request, stream=True, auth=None, follow_redirects=False)
        return _Response(await sent)

    def discard(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


@cache
def _address(url: str) -> tuple[httpx.URL, str]:
    """Return a URL as httpx parses it, and the Host header for it."""
    parsed = httpx.URL(url)
    return parsed, parsed.netloc.decode("ascii")


class _Own(_Httpx, Owned[httpx.AsyncHTTPTransport]):
    """A connection of our own.

    The transport of httpx is called without a client around it. Nothing that the client adds is
    wanted here: cookies, redirects, authentication, hooks, and a URL that is parsed for each
    request.
    """

    def __init__(self, open_pool: Callable[[], httpx.AsyncHTTPTransport], connect: float) -> None:
        _Httpx.__init__(self, connect)
        Owned.__init__(self, open_pool, lambda pool: pool.aclose())

    def request(
        self, url: str, headers: Mapping[str, str], body: Body, exchange: Exchange
    ) -> httpx.Request:
        address, host = _address(url)
        return httpx.Request(
            "POST",
            address,
            headers=[("Host", host), *_USUAL, *headers.items()],
            stream=_Outgoing(body, exchange),
            extensions={"timeout": self._timeout, "trace": Trace(exchange)},
        )

    async def send(self, request: httpx.Request) -> _Response:
        return _Response(await self.client.handle_async_request(request))
