"""The only file of the client that uses aiohttp: connections for `transport="aiohttp"`.

Rules of this file:
- An exchange gets one connection, once. `_Connector.connect` gives it, and no byte of a request
  leaves before: that is the moment at which the request begins to leave. So a retry or a redirect
  that aiohttp made by itself would find no connection.
- An idle connection is used again only if the server has said nothing on it since. aiohttp itself
  reads what a server sends on an idle connection, and takes it for the answer to the next request
  (measured with aiohttp 3.14.5).
- An answer that comes before the body of its request is read is not the answer to this request.

aiohttp works on asyncio only.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..errors import NotSent, Reason
from ..extras import missing
from .exchange import Body, Exchange
from .transport import KEEP_ALIVE_OPTIONS, Fault, Owned, Transport

try:
    import aiohttp
    from aiohttp.abc import AbstractStreamWriter
    from yarl import URL
except ModuleNotFoundError as _error:
    raise missing(_error, 'transport="aiohttp"') from None

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

__all__ = ["FAULTS", "aiohttp_transport"]

_LOST, _TIME, _NONE, _BAD, _STATUS = (
    Fault(Reason.CONNECTION_LOST),
    Fault(Reason.TIMED_OUT),
    Fault(Reason.NO_CONNECTION, connecting=True),
    Fault(Reason.BAD_REQUEST, connecting=True),
    Fault(Reason.HTTP_STATUS),
)

FAULTS: dict[str, Fault] = {
    # The connect phase.
    "ClientConnectorError": _NONE,
    "ClientConnectorDNSError": _NONE,
    "ClientConnectorSSLError": _NONE,
    "ClientConnectorCertificateError": _NONE,
    "ClientSSLError": _NONE,
    "ClientProxyConnectionError": _NONE,
    "ClientHttpProxyError": _NONE,
    "ConnectionTimeoutError": _NONE,
    "ServerFingerprintMismatch": _NONE,
    "UnixClientConnectorError": _NONE,
    "InvalidURL": _BAD,
    "InvalidUrlClientError": _BAD,
    "NonHttpUrlClientError": _BAD,
    # After the first byte.
    "ClientOSError": _LOST,
    "ClientConnectionResetError": _LOST,
    "ServerDisconnectedError": _LOST,
    "ServerConnectionError": _LOST,
    "ServerTimeoutError": _TIME,
    "SocketTimeoutError": _TIME,
    "ClientPayloadError": _LOST,
    "ClientResponseError": _LOST,  # a reply that is not HTTP
    "UploadAbortedError": _LOST,
    # A session asks for none of these.
    "ContentTypeError": _LOST,
    "TooManyRedirects": _STATUS,
    "RedirectClientError": _STATUS,
    "InvalidUrlRedirectClientError": _STATUS,
    "NonHttpUrlRedirectClientError": _STATUS,
    "WSServerHandshakeError": _STATUS,
    # Base classes, which cover both phases.
    "ClientConnectionError": _LOST,
    "ClientError": _LOST,
}

_HANDED_OUT = "aiohttp asked for a second connection for the same request"


class _Outgoing(aiohttp.Payload):
    """The body of a request. The exchange records each read of it beforehand."""

    _autoclose = True  # there is nothing to close

    def __init__(self, body: Body, exchange: Exchange) -> None:
        super().__init__(None)
        self._body = body
        self.exchange = exchange

    @property
    def size(self) -> int:
        return len(self._body.content)

    def decode(self, *_how: str, **_named: str) -> str:
        """Return nothing: tools that show requests call this."""
        return ""

    async def write(self, writer: AbstractStreamWriter) -> None:
        self.exchange.take()
        await writer.write(self._body.content)


@dataclass(frozen=True, slots=True)
class _Request:
    url: URL
    headers: Mapping[str, str] = field(repr=False)
    body: _Outgoing
    proxy: URL | None = field(repr=False)


class _Connector(aiohttp.TCPConnector):
    """Gives each exchange one connection: the last one again, or a new one."""

    _last: object = None

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        body = req.body
        assert isinstance(body, _Outgoing)  # noqa: S101 - `_Own.send` gives no other body
        exchange = body.exchange
        if exchange.begun:
            raise RuntimeError(_HANDED_OUT)
        exchange.step()
        try:
            connection = await self._silent(req, traces, timeout)
        except BaseException as error:
            if isinstance(error, aiohttp.ClientHttpProxyError):
                exchange.tunnel_status = error.status
            exchange.fail(error)
            raise
        try:
            exchange.begin()
        except NotSent:
            connection.close()
            raise
        return connection

    async def _silent(self, *given: Any) -> aiohttp.connector.Connection:
        """Return a connection on which the server says nothing without being asked."""
        for _ in range(2):
            connection = await super().connect(*given)
            protocol, again = connection.protocol, connection.protocol is self._last
            if not _has_spoken(connection, again=again):
                self._last = protocol
                _watch_while_idle(connection)
                return connection
            connection.close()
        raise aiohttp.ServerConnectionError


class _Idle:
    """Stands in for the protocol of a connection that no request uses. It must hear nothing."""

    def __init__(self, protocol: ResponseHandler) -> None:
        self._protocol = protocol

    def data_received(self, _data: bytes) -> None:
        self._protocol.force_close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)


def _watch_while_idle(connection: aiohttp.connector.Connection) -> None:
    protocol, transport = connection.protocol, connection.transport
    assert protocol is not None  # noqa: S101 - it has just been given
    assert transport is not None  # noqa: S101 - the same
    transport.set_protocol(protocol)
    connection.add_callback(lambda: transport.set_protocol(cast("Any", _Idle(protocol))))


def _has_spoken(connection: aiohttp.connector.Connection, *, again: bool) -> bool:
    """Return whether the server has said anything before it was asked, or closed the connection."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return True
    if not again:
        return False  # a new TLS connection may have data of its own to read
    # What the event loop has not read yet.
    place = transport.get_extra_info("socket").fileno()
    if not hasattr(select, "poll"):  # pragma: no cover - Windows has no poll
        return bool(select.select([place], [], [], 0)[0])
    waiting = select.poll()
    waiting.register(place, select.POLLIN)
    return bool(waiting.poll(0))


def _socket_of(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    for option in KEEP_ALIVE_OPTIONS:
        made.setsockopt(*option)
    return made


class _Response:
    """A response of aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        return self._response.raw_headers

    async def read(self, limit: int) -> bytes:
        body = b""
        while len(body) <= limit and (chunk := await self._response.content.readany()):
            body += chunk
        return body

    @property
    def finished(self) -> bool:
        return self._response.closed

    async def aclose(self) -> None:
        self._response.close()


def aiohttp_transport(
    url: str, context: ssl.SSLContext, *, proxy: str | None, connect: float, keep_alive: float
) -> Transport:
    """Return a transport with a client of its own. The arguments are those of `own_transport`.

    The client keeps no cookies, follows no redirects, unpacks nothing and ignores the environment.
    """

    def open_client() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(
                limit=1,
                ssl=context,
                keepalive_timeout=keep_alive,
                use_dns_cache=False,
                resolver=aiohttp.ThreadedResolver(),
                socket_factory=_socket_of,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            # The session sets the deadline of the whole call.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect),
        )

    return Transport(_Own(open_client, proxy, connect), url)


class _Own(Owned[aiohttp.ClientSession]):
    """A connection of a session's own."""

    faults = FAULTS

    def __init__(
        self, open_client: Callable[[], aiohttp.ClientSession], proxy: str | None, connect: float
    ) -> None:
        super().__init__(open_client, lambda client: client.close())
        self.connect = connect
        self._proxy = proxy

    def request(
        self, url: str, headers: Mapping[str, str], body: Body, exchange: Exchange
    ) -> _Request:
        proxy = None if self._proxy is None else URL(self._proxy)
        return _Request(URL(url), headers, _Outgoing(body, exchange), proxy)

    async def send(self, request: _Request) -> _Response:
        body = request.body
        response = await self.client.post(
            request.url,
            headers=request.headers,
            data=body,
            proxy=request.proxy,
            allow_redirects=False,
        )
        if body.exchange.begun and not body.exchange.taken:
            response.close()
            raise aiohttp.ClientPayloadError
        return _Response(response)

    def waited_in_vain(self, _error: Exception) -> bool:
        """Return False: nothing waits for a connection that is the session's own."""
        return False
