"""Post bytes, read replies, and turn every exception of an HTTP library into one of our own.

Rules of this file:
- An exception of a library chooses the words of our error only. The `Exchange` alone decides
  whether anything left.
- Every error is sealed: it holds neither the original exception nor its frames.
- Exceptions are recognised by their class names, since several libraries are supported. A library
  is imported only by its adapter, such as `httpx_transport`.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar

import anyio

from ..errors import InDoubt, NotSent, Reason, ReplyEvidence, SmsGateError
from ..privacy import sealed
from .exchange import TOO_LATE, Body, Exchange, chain
from .spawn import end_if_cancelled

__all__ = [
    "KEEP_ALIVE_OPTIONS",
    "Connections",
    "Fault",
    "HttpReply",
    "Owned",
    "Response",
    "Transport",
    "cause_of",
    "closed_in_time",
    "status_text",
]

_log = logging.getLogger("smsgate")
Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class Fault:
    """What an exception of an HTTP library means.

    The exception chooses the words only. The `Exchange` alone decides whether anything left.

    Attributes:
        reason: the reason of our error.
        connecting: its name belongs to the phase before anything is written.
    """

    reason: Reason
    connecting: bool = False


_FOREIGN = Fault(Reason.CLIENT_FAILED)
"""An exception from outside the HTTP library: a hook or a tool raised it."""

CLOSING = 1.0
"""The most seconds to wait for a response or a client to close."""

KEEP_ALIVE_OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)  # the names differ outside Linux
]
"""Options of a connection: they detect a dead network without limiting a slow gateway."""


class Response(Protocol):
    """A response of an HTTP library, whose headers have been read."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Iterable[tuple[bytes, bytes]]: ...

    async def read(self, limit: int) -> bytes:
        """Return the raw body, or slightly more than `limit` bytes of a longer one."""
        ...

    @property
    def finished(self) -> bool:
        """Whether it was read to its end and has given its connection back: nothing is open."""
        ...

    async def aclose(self) -> None: ...


class Connections(Protocol):
    """The adapter of an HTTP library: how a request is made and sent.

    It tells the exchange of each request what the library does, as its proof.
    """

    @property
    def faults(self) -> Mapping[str, Fault]:
        """What the library's exceptions mean, by their class names."""
        ...

    @property
    def when_full(self) -> str:
        """What to do if no connection becomes free."""
        ...

    @property
    def connect(self) -> float:
        """The longest time to connect, in seconds."""
        ...

    async def ready(self) -> bool:
        """Prepare for a request, and return False if the client is closed."""
        ...

    def request(
        self, url: str, headers: Mapping[str, str], body: Body, exchange: Exchange
    ) -> Any: ...

    async def send(self, request: Any) -> Response: ...

    def waited_in_vain(self, error: Exception, /) -> bool:
        """Return whether the exception says that no connection became free in time."""
        ...

    def discard(self) -> None:
        """Do not use the connection of the last request again."""
        ...

    async def aclose(self) -> None: ...


class Owned(Generic[Client]):
    """A client of a session's own, with one connection, which is replaced after a failed request.

    A cancellation may interrupt the clean-up of a library: a task that is cancelled twice costs
    httpcore 1.0.9 a slot of its pool for good (measured). A new client costs less than a check.
    """

    when_full = "a new connection is made for the next call"

    def __init__(
        self, open_client: Callable[[], Client], close: Callable[[Client], Awaitable[None]]
    ) -> None:
        self._open_client = open_client
        self._close = close
        self._client: Client | None = None
        self._discarded: list[Client] = []

    @property
    def client(self) -> Client:
        """The client. `ready` comes first."""
        assert self._client is not None  # noqa: S101 - the order of the calls
        return self._client

    async def ready(self) -> bool:
        """Open a client if there is none."""
        await self._close_discarded()
        if self._client is None:
            self._client = self._open_client()
        return True

    def discard(self) -> None:
        """Open another client for the next request."""
        if self._client is not None:
            self._discarded.append(self._client)
            self._client = None

    async def _close_discarded(self) -> None:
        while self._discarded:
            await closed_in_time(partial(self._close, self._discarded.pop()))

    async def aclose(self) -> None:
        """Close all clients."""
        self.discard()
        await self._close_discarded()


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One HTTP response, read completely."""

    status: int
    body: bytes = field(repr=False)
    cookies: tuple[str, ...] = field(repr=False)
    """The values of its Set-Cookie headers."""
    date: str | None = None
    """Its Date header, the gateway's clock."""


class Transport:
    """Posts bytes to one address."""

    def __init__(self, connections: Connections, url: str) -> None:
        self._connections = connections
        self._url = url

    async def aclose(self) -> None:
        """Close the connections unless they are the user's."""
        await self._connections.aclose()

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
            self._connections.discard()
            raise
        finally:
            exchange.end(left=exchange.left)
        if isinstance(outcome, HttpReply):
            return outcome
        self._connections.discard()
        raise outcome

    async def _post(
        self, body: Body, headers: Mapping[str, str], limit: int, exchange: Exchange
    ) -> HttpReply | NotSent | InDoubt:
        # Returns our own errors, to distinguish them from those that a hook raises.
        if not await self._connections.ready():
            return NotSent("the HTTP client has been closed", reason=Reason.CLOSED)
        try:
            request = self._connections.request(
                self._url,
                {
                    "Accept-Encoding": "identity",
                    "Content-Length": str(len(body.content)),
                    **headers,
                },
                body,
                exchange,
            )
        except Exception as error:
            return NotSent(
                f"the request could not be made ({type(error).__name__})", reason=Reason.BAD_REQUEST
            )
        # A call that is already cancelled ends here, where nothing has left for certain.
        await end_if_cancelled()
        exchange.handed_over = True
        answer = await self._connections.send(request)
        try:
            exchange.begun = True  # a response proves it, whatever the client is
            return await _read(answer, limit)
        finally:
            # A failure to close costs the client, not the reply.
            if not (answer.finished or await closed_in_time(answer.aclose)):
                self._connections.discard()

    def _mapped(self, error: Exception, exchange: Exchange) -> SmsGateError:
        faults = self._connections.faults
        names = [kind.__name__ for kind in type(error).__mro__]
        fault = next((faults[name] for name in names if name in faults), _FOREIGN)
        detail = f"{type(error).__name__}{cause_of(error)}"
        if exchange.stopped:
            return NotSent(TOO_LATE, reason=Reason.TOO_LATE)
        # The class proves nothing: httpx-aiohttp raises `ConnectError` for a connection that it
        # lost after the request.
        waited_in_vain = self._connections.waited_in_vain(error)
        not_sent = exchange.not_sent(error, waited_in_vain=waited_in_vain)
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
        if fault.reason is Reason.NO_FREE_CONNECTION:
            return NotSent(
                "nothing was sent: no connection of the HTTP client became free within"
                f" {self._connections.connect:g} s: {self._connections.when_full}",
                reason=fault.reason,
            )
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


async def closed_in_time(close: Callable[[], Awaitable[None]]) -> bool:
    """Close a response or a client, and return whether closing succeeded.

    It takes at most `CLOSING` seconds and raises nothing. A deadline that ends during the closing
    does not cancel it, since the reply would be lost.
    """
    trouble = f"not closed after {CLOSING:g} s"
    with anyio.move_on_after(CLOSING, shield=True):
        try:
            await close()
        except Exception as error:
            trouble = type(error).__name__
        else:
            return True
    _log.debug("a connection could not be closed: %s", trouble)
    return False


async def _read(answer: Response, limit: int) -> HttpReply | InDoubt:
    cookies, date = [], None
    for name, value in answer.headers:
        match name.lower():
            case b"set-cookie":
                cookies.append(value.decode("latin-1"))
            case b"date":
                date = value.decode("latin-1")
            case b"content-encoding" if value.strip().lower() not in (b"", b"identity"):
                # A reply of 0.3 KB can unpack to gigabytes, and the request did not allow it.
                words = f"{Reason.ENCODED}, though the request did not allow it"
                return _doubt(answer, Reason.ENCODED, b"", words)
    body = await answer.read(limit)
    if len(body) > limit:
        return _doubt(
            answer, Reason.TOO_LARGE, body, f"{Reason.TOO_LARGE}: more than {limit} bytes"
        )
    return HttpReply(answer.status, body, tuple(cookies), date)


def _doubt(answer: Response, reason: Reason, body: bytes, message: str) -> InDoubt:
    return InDoubt(
        message,
        reason=reason,
        evidence=ReplyEvidence(answer.status, len(body), reply=body[: ReplyEvidence.LIMIT]),
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
    for one in chain(error, _cause):
        if isinstance(one, ssl.SSLCertVerificationError):
            # aiohttp derives a class from it that has no words of its own.
            if words := getattr(one, "verify_message", ""):
                return f" ({words})"
        elif isinstance(one, socket.gaierror):
            return " (the name of the host could not be resolved)"
        elif isinstance(one, OSError) and one.errno and one.errno > 0:
            # The numbers of TLS errors are not those of the operating system.
            return "" if isinstance(one, ssl.SSLError) else f" ({os.strerror(one.errno)})"
    return ""


def _cause(error: BaseException) -> BaseException | None:
    # trio raises a group with one error for each address of the host.
    return (
        error.exceptions[0]
        if isinstance(error, BaseExceptionGroup)
        else error.__cause__ or error.__context__
    )
