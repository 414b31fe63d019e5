"""The only file that talks to httpx: post bytes, get bytes, and the proof whether anything left.

Rule of this file: *not sent* is claimed only with proof. The proof is httpx's documented `trace` extension: as long as the
event that starts the request's headers has not come, not one byte was handed to the connection (reliability, sections 0
and 2.3). A client that gives no trace events proves nothing, whatever the class of its exception. Every exception is
mapped, and ours is raised outside the handler, so that it holds neither the foreign one nor its frames, in which the
request stands.

It works with `httpx` and with `httpx2`, so exceptions are told apart by the names of their classes.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol

import anyio
import httpx

from .errors import Evidence, InDoubt, NotSent, Reason, SmsGateError

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
]

_log = logging.getLogger("smsgate")


class HttpClient(Protocol):
    """What is used of an `httpx.AsyncClient` or an `httpx2.AsyncClient`. It is never closed by this package."""

    @property
    def is_closed(self) -> bool: ...

    def build_request(self, method: str, url: str, /, *, content: bytes, headers: Any, timeout: Any, extensions: Any) -> Any: ...

    async def send(self, request: Any, /, *, stream: bool, auth: None, follow_redirects: bool) -> Any: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """What an exception of the HTTP library means. `connecting`: it is named for the phase before anything is written.

    The name chooses the words; whether anything left is shown by the trace events alone.
    """

    reason: Reason
    connecting: bool = False


_LOST, _TIME, _NONE = Fault(Reason.CONNECTION_LOST), Fault(Reason.TIMED_OUT), Fault(Reason.NO_CONNECTION, connecting=True)
_BAD = Fault(Reason.BAD_REQUEST, connecting=True)

FAULTS: dict[str, Fault] = {
    # The connect phase.
    "ConnectError": _NONE,
    "ConnectTimeout": _NONE,
    "PoolTimeout": _NONE,
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

_KEEP_ALIVE_OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)  # they have other names outside Linux
]


@dataclass(slots=True)
class Exchange:
    """What is known of one request while it is under way and after it has failed.

    `traced` is True if the client is known to give trace events. Then `left` is exact; else it is True from the beginning,
    as nothing can be shown.
    """

    traced: bool
    left: bool = field(init=False)

    def __post_init__(self) -> None:
        self.left = not self.traced

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take one trace event of httpcore. A CONNECT to a proxy is not the request."""
        if not self.traced:
            self.traced, self.left = True, False
        request = info.get("request")
        if event.endswith(".send_request_headers.started") and getattr(request, "method", b"") != b"CONNECT":
            self.left = True


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a request. They hold everything that is secret, so no frame may show them."""

    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One HTTP response, read whole."""

    status: int
    body: bytes = field(repr=False)
    cookies: tuple[str, ...] = field(repr=False)
    """The values of its Set-Cookie headers."""
    date: str | None = None
    """Its Date header: the gateway's clock."""


def ssl_settings(verify: bool | ssl.SSLContext) -> ssl.SSLContext:
    """Return the TLS settings that all connections of a session share: making them costs 35 ms, so it is done once."""
    return verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify, trust_env=False)


def own_transport(url: str, context: ssl.SSLContext, *, proxy: str | None, connect: float, keep_alive: float) -> Transport:
    """Return a transport with a client of its own: one connection, HTTP/1.1, no redirects, no proxies from the environment.

    A connection that was idle for `keep_alive` seconds is not used again, as the server may be closing it at that moment
    (reliability, section 2.4). TCP keep-alive finds a dead network without limiting a slow gateway.
    """

    def open_client() -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=context,
            trust_env=False,
            proxy=proxy,
            http1=True,
            http2=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keep_alive),
            socket_options=_KEEP_ALIVE_OPTIONS,
        )
        no_jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, cookies=no_jar)

    return Transport(_Own(open_client), url, connect=connect, traced=True)


def client_of(app: Callable[..., Awaitable[None]]) -> HttpClient:
    """Return a client that calls an ASGI application in this process, without a socket. It holds nothing that needs closing."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), trust_env=False)


def lent_transport(url: str, client: HttpClient, *, connect: float) -> Transport:
    """Return a transport through the user's client, of which it is not known yet whether it gives trace events."""
    return Transport(_Lent(client), url, connect=connect, traced=False)


class _Lent:
    """The user's client, which we neither close nor replace."""

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
            with anyio.CancelScope(shield=True):
                await _closed(self._discarded.pop())

    async def aclose(self) -> None:
        self.discard()
        await self._close_discarded()


class Transport:
    """Posts bytes to one address through one client."""

    def __init__(self, client: _Lent | _Own, url: str, *, connect: float, traced: bool) -> None:
        self._client = client
        self._url = url
        # connect, read, write, pool: the deadline of the whole call is the session's.
        self._timeout = (connect, None, None, connect)
        self._traced = traced

    def exchange(self) -> Exchange:
        """Return the record of a request that is about to be posted."""
        return Exchange(self._traced)

    async def aclose(self) -> None:
        """Close the client, if it is our own."""
        await self._client.aclose()

    async def post(self, body: Body, headers: Mapping[str, str], *, limit: int, exchange: Exchange) -> HttpReply:
        """Post the body and return the response, whatever its status.

        At most `limit` bytes of it are read. Raises `NotSent` or `InDoubt` and nothing else, save for cancellation.
        """
        failure: SmsGateError
        try:
            return await self._post(body, headers, limit, exchange)
        except SmsGateError as error:
            failure = error
        except Exception as error:
            failure = _mapped(error, exchange)
        except BaseException as error:  # cancelled: leave the frames in which the request stands
            error.__context__ = error.__cause__ = None
            self._client.discard()
            del body, headers
            raise error.with_traceback(None)  # noqa: B904 - it is the same one, without its frames
        finally:
            self._traced = exchange.traced
        self._client.discard()
        failure.__context__ = None
        del body, headers
        raise failure.with_traceback(None)

    async def _post(self, body: Body, headers: Mapping[str, str], limit: int, exchange: Exchange) -> HttpReply:
        client = await self._client.get()
        if client.is_closed:
            exchange.left = False
            raise NotSent("the HTTP client has been closed", reason=Reason.CLOSED)
        try:
            request = client.build_request(
                "POST",
                self._url,
                content=body.content,
                headers={"Accept-Encoding": "identity", **headers},
                timeout=self._timeout,
                extensions={"trace": exchange.trace},
            )
            # What the client's own cookie jar has collected is of no use: a late "not authorised" answer overwrites the
            # fresh session there (reliability, finding 7).
            request.headers.pop("cookie", None)
            request.headers.update({name: value for name, value in headers.items() if name.lower() == "cookie"})
        except Exception as error:
            exchange.left = False
            raise NotSent(f"the request could not be made ({type(error).__name__})", reason=Reason.BAD_REQUEST) from None
        response = await client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            exchange.left = True  # a response proves it, whoever the client is
            return await _read(response, limit)
        finally:
            # What was read counts: an error in closing costs the client, not the reply.
            if not await _closed(response):
                self._client.discard()


async def _closed(opened: Any) -> bool:
    """Close it, and return whether that went well. It is never tried again, and no call fails for it."""
    try:
        await opened.aclose()
    except Exception as error:
        _log.debug("a connection could not be closed: %s", type(error).__name__)
        return False
    return True


async def _read(response: Any, limit: int) -> HttpReply:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # A reply of 0.3 KB can unpack to gigabytes, and we asked for none of that (reliability, section 3.2).
        raise _doubt(response, Reason.ENCODED, b"", f"{Reason.ENCODED}, though identity was asked for")
    # A transport that answers from memory, as in tests of the user's, has read its response already.
    body = await response.aread() if response.is_stream_consumed else await _stream(response, limit)
    if len(body) > limit:
        raise _doubt(response, Reason.TOO_LARGE, body, f"{Reason.TOO_LARGE}: more than {limit} bytes")
    headers = response.headers
    return HttpReply(response.status_code, body, tuple(headers.get_list("set-cookie")), headers.get("date"))


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
                await response.aclose()
    except Exception:
        if len(body) <= limit:
            raise
    return bytes(body)


def _doubt(response: Any, reason: Reason, body: bytes, message: str) -> InDoubt:
    return InDoubt(message, reason=reason, evidence=Evidence(response.status_code, len(body), reply=body[: Evidence.LIMIT]))


def _mapped(error: Exception, exchange: Exchange) -> SmsGateError:
    names = [kind.__name__ for kind in type(error).__mro__]
    fault = next((FAULTS[name] for name in names if name in FAULTS), _LOST)
    detail = f"{type(error).__name__}{cause_of(error)}"
    # Without trace events nothing is shown: a foreign transport may call a connection that it lost after the request
    # by the name of one that was never made (httpx-aiohttp does).
    if not exchange.left:
        return NotSent(f"nothing was sent: {detail}", reason=fault.reason if fault.connecting else Reason.NO_CONNECTION)
    reason = Reason.CONNECTION_LOST if fault.connecting else fault.reason
    return InDoubt(f"{reason} after the request had begun to leave: {detail}", reason=reason)


def cause_of(error: BaseException | None) -> str:
    """Return what the operating system or TLS said,, or nothing, in fixed words: the exceptions' own texts may quote a header."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f" ({error.verify_message})"
        if isinstance(error, socket.gaierror):
            return " (the name of the host could not be resolved)"
        if isinstance(error, OSError) and error.errno:
            return f" ({os.strerror(error.errno)})" if error.errno > 0 else ""
        # trio gives a group with one error for each address of the host.
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__
    return ""
