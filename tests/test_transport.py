"""The transport maps each exception of the HTTP library; without trace events nothing is proven.

Real sockets are tested in test_faults, and other tools around httpx in test_proof.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import fault_server
import httpx
import httpx2
import pytest
from connections import each_connection, each_own_name, own_transport_of, transport_of
from fault_server import FaultServer

import smsgate
from smsgate._client import aiohttp_transport, httpx_transport
from smsgate._client.exchange import Body, Exchange
from smsgate._client.httpx_transport import Trace, _Own, lent_transport, ssl_settings
from smsgate._client.transport import Fault, HttpReply, Transport, cause_of

pytestmark = pytest.mark.anyio

URL = "http://localhost/api/soap.html"
MODULES = {"httpx": httpx, "httpx2": httpx2}
FAULTS: dict[str, tuple[Any, type[Exception], dict[str, Fault]]] = {
    "httpx": (httpx, Exception, httpx_transport.FAULTS),
    "httpx2": (httpx2, Exception, httpx_transport.FAULTS),
    "aiohttp": (aiohttp, aiohttp.ClientError, aiohttp_transport.FAULTS),  # others are its server's
}


def exceptions_of(module: Any) -> list[type[Exception]]:
    found = [getattr(module, name) for name in dir(module)]
    return [one for one in found if isinstance(one, type) and issubclass(one, Exception)]


def made(kind: type[Exception]) -> Exception:
    """An instance, whatever its constructor wants."""
    for arguments in (("secret",), ("secret", "secret"), ()):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    error = kind.__new__(kind)
    Exception.__init__(error, "secret")
    return error


async def post(transport: Transport, exchange: Exchange) -> HttpReply:
    return await transport.post(Body(b"<x/>"), {"Cookie": "a=b"}, limit=1000, exchange=exchange)


async def outcome_on(module: Any, raised: BaseException) -> tuple[smsgate.SmsGateError, Exchange]:
    """The outcome of an exception in a client without trace events, as with a custom transport."""

    def fail(_: Any) -> Any:
        raise raised

    async with module.AsyncClient(transport=module.MockTransport(fail)) as client:
        transport = lent_transport(URL, client, connect=1.0)
        exchange = Exchange()
        with pytest.raises(smsgate.SmsGateError) as caught:
            await post(transport, exchange)
    return caught.value, exchange


@pytest.mark.parametrize("library", FAULTS)
def test_each_exception_of_the_library_has_a_row(library: str) -> None:
    module, base, faults = FAULTS[library]
    names = {kind.__name__ for kind in exceptions_of(module) if issubclass(kind, base)}
    assert names - faults.keys() == set()
    assert len(names) > 20


@pytest.mark.parametrize(
    ("module", "kind"),
    [(name, kind) for name, module in MODULES.items() for kind in exceptions_of(module)],
    ids=str,
)
async def test_without_trace_events_each_exception_is_in_doubt(
    module: str, kind: type[Exception]
) -> None:
    error, exchange = await outcome_on(MODULES[module], made(kind))
    assert isinstance(error, smsgate.InDoubt)
    assert "it is not known whether the request left" in str(error)
    assert exchange.left
    assert "secret" not in f"{error} {error!r} {error.args}"
    assert error.__context__ is None
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("secret"),
        OSError("secret"),
        ValueError("secret"),
        MemoryError(),
        RecursionError(),
        KeyError("secret"),
    ],
)
async def test_unexpected_exception_is_in_doubt(raised: Exception) -> None:
    error, _ = await outcome_on(httpx, raised)
    assert isinstance(error, smsgate.InDoubt)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "secret"), "Connection refused"),
        (socket.gaierror(-2, "secret"), "the name of the host could not be resolved"),
        (OSError("secret"), "ConnectError"),
        (ssl.SSLError(1, "secret"), "ConnectError"),
        (
            ExceptionGroup("secret", [ConnectionRefusedError(errno.ECONNREFUSED, "secret")]),
            "Connection refused",
        ),
        (ssl.SSLError(-5, "secret"), "ConnectError"),
    ],
)
async def test_reason_has_fixed_wording(cause: Exception, said: str) -> None:
    raised = httpx.ConnectError("secret")
    raised.__cause__ = cause
    error, _ = await outcome_on(httpx, raised)
    assert said in str(error)
    assert "secret" not in str(error)


@each_own_name
async def test_request_that_cannot_be_built_is_not_sent(own: str) -> None:
    transport = own_transport_of(own, "http://[::1/")
    exchange = Exchange()
    with pytest.raises(smsgate.NotSent) as caught:
        await post(transport, exchange)
    assert caught.value.reason is smsgate.Reason.BAD_REQUEST
    assert not exchange.left
    await transport.aclose()


@each_own_name
async def test_client_that_cannot_be_built_is_not_sent(own: str) -> None:
    transport = own_transport_of(own, URL, proxy="http://[::1secret/")
    exchange = Exchange()
    with pytest.raises(smsgate.NotSent) as caught:
        await post(transport, exchange)
    await transport.aclose()
    assert caught.value.reason is smsgate.Reason.BAD_REQUEST
    assert "secret" not in str(caught.value)
    assert not exchange.left


async def test_client_without_trace_events_has_sent_once_it_answers() -> None:
    seen: list[bool] = []

    def answer(_: httpx.Request) -> httpx.Response:
        seen.append(exchange.left)
        return httpx.Response(200, content=b"x")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        transport = lent_transport(URL, client, connect=1.0)
        exchange = Exchange()
        assert not exchange.left, "nobody has it yet"
        reply = await post(transport, exchange)
        assert (reply.status, reply.body) == (200, b"x")
        assert seen == [True]
        assert exchange.left


async def test_client_in_memory_lets_other_tasks_run() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"x")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        transport = lent_transport(URL, client, connect=1.0)
        with anyio.move_on_after(0.05) as scope:
            for _ in range(100_000):  # seconds of work that never waits
                await post(transport, Exchange())
    assert scope.cancelled_caught


async def test_connect_to_a_proxy_is_not_the_request() -> None:
    exchange = Exchange(handed_over=True)
    trace = Trace(exchange)
    await trace(
        "http11.send_request_headers.started",
        {"request": type("Request", (), {"method": b"CONNECT"})()},
    )
    assert not exchange.left
    await trace(
        "http11.send_request_headers.started",
        {"request": type("Request", (), {"method": b"POST"})()},
    )
    assert exchange.left


def looped(length: int) -> Exception:
    """An error whose chain has no end, as `raise error from error` makes it."""
    errors = [httpx.ReadTimeout("secret") for _ in range(length)]
    for error, following in zip(errors, [*errors[1:], errors[0]], strict=True):
        error.__cause__ = following
    return errors[0]


class Endless(Exception):
    """An error with a cause that is made anew each time that somebody looks."""

    @property
    def __cause__(self) -> Exception:  # type: ignore[override]
        return Endless()


@pytest.mark.parametrize(
    "error", [looped(1), looped(2), looped(7), Endless()], ids=["itself", "two", "seven", "endless"]
)
async def test_loop_in_an_exception_chain_ends(error: Exception) -> None:
    assert cause_of(error) == ""
    outcome, _ = await outcome_on(httpx, error)
    assert isinstance(outcome, smsgate.InDoubt)


@each_own_name
async def test_cancellation_before_anything_left_is_known_as_not_sent(own: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The server accepts, and never answers the handshake.
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        transport = own_transport_of(own, url, connect=30.0)
        exchange = Exchange()
        with anyio.move_on_after(0.2) as scope:
            await post(transport, exchange)
        assert scope.cancelled_caught
        assert not exchange.left
        await transport.aclose()
        with warnings.catch_warnings():
            # httpcore leaves the socket of a cancelled handshake to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@each_connection
@pytest.mark.parametrize("by", ["a scope", "its task"])
async def test_call_that_is_already_cancelled_sends_nothing(
    connection: str, by: str, anyio_backend_name: str
) -> None:
    """The connection is open, so nothing else would tell that nothing has left."""
    if (by, anyio_backend_name) == ("its task", "trio"):
        return  # tasks of trio are cancelled by scopes only
    with FaultServer(fault_server.accept).running() as server, anyio.fail_after(20):
        async with transport_of(connection, server.url) as transport:
            body = Body(b"<ns1:Auth>")
            await transport.post(body, {}, limit=10_000, exchange=Exchange())
            exchange = Exchange()
            if by == "a scope":
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await transport.post(body, {}, limit=10_000, exchange=exchange)
            else:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await transport.post(body, {}, limit=10_000, exchange=exchange)
                task.uncancel()
            assert not exchange.left
            assert len(server.requests) == 1


async def failing() -> None:
    raise OSError("secret")


class BadClosing(httpx.AsyncHTTPTransport):
    """A transport whose responses cannot be closed, and which cannot be closed itself."""

    def __init__(self, trouble: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.trouble = trouble
        self.closings = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        stream = BadStream(response.stream, self.trouble)
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    async def aclose(self) -> None:
        self.closings += 1
        await super().aclose()
        await self.trouble()


class BadStream(httpx.AsyncByteStream):
    def __init__(
        self, stream: httpx.AsyncByteStream, trouble: Callable[[], Awaitable[None]]
    ) -> None:
        self._stream = stream
        self._trouble = trouble

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
        await self._trouble()


@pytest.fixture(params=[failing, anyio.sleep_forever], ids=["closing fails", "closing hangs"])
def trouble(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Awaitable[None]]:
    monkeypatch.setattr(smsgate._client.transport, "CLOSING", 0.05)
    found: Callable[[], Awaitable[None]] = request.param
    return found


@asynccontextmanager
async def session_that_cannot_close(
    server: FaultServer, trouble: Callable[[], Awaitable[None]]
) -> AsyncIterator[smsgate.AsyncSession]:
    client = httpx.AsyncClient(transport=BadClosing(trouble))
    options = {"sender": "Shop", "url": server.url, "http_client": client}
    with anyio.fail_after(20):
        async with smsgate.AsyncSession("login", "password", **options) as session:
            yield session


async def test_reply_counts_though_its_connection_cannot_be_closed(
    trouble: Any,
) -> None:
    with FaultServer(fault_server.accept).running() as server:
        async with session_that_cannot_close(server, trouble) as session:
            assert (await session.send_sms("+380501234567", "hello")).message_ids == (
                fault_server.MESSAGE_ID,
            )
        assert len(server.sends()) == 1


async def test_reply_counts_though_the_deadline_passes_during_closing() -> None:
    with FaultServer(fault_server.accept).running() as server:

        async def at_the_last_moment() -> None:
            if server.sends():
                scope.cancel()
            await anyio.lowlevel.checkpoint()

        async with session_that_cannot_close(server, at_the_last_moment) as session:
            with anyio.CancelScope() as scope:
                result = await session.send_sms("+380501234567", "hello")
    assert scope.cancel_called
    assert result.message_ids == (fault_server.MESSAGE_ID,)


@pytest.mark.parametrize(
    ("fault", "reason", "status"),
    [
        (
            fault_server.answering(b"<br />", status="502 Bad Gateway"),
            smsgate.Reason.HTTP_STATUS,
            502,
        ),
        (fault_server.AFTER_THE_REQUEST["oversized"][0], smsgate.Reason.TOO_LARGE, 200),
    ],
    ids=["502", "oversized"],
)
async def test_evidence_of_an_undecided_answer_counts_too(
    fault: fault_server.Fault, reason: smsgate.Reason, status: int, trouble: Any
) -> None:
    with FaultServer(fault).running() as server:
        async with session_that_cannot_close(server, trouble) as session:
            with pytest.raises(smsgate.InDoubt) as caught:
                await session.send_sms("+380501234567", "hello")
    assert caught.value.reason is reason
    assert caught.value.evidence.status == status


async def test_client_that_cannot_be_closed_is_closed_once(
    trouble: Any,
) -> None:
    """No call is disturbed by it."""
    opened: list[BadClosing] = []

    def open_pool() -> httpx.AsyncHTTPTransport:
        opened.append(BadClosing(trouble))
        return opened[-1]

    with FaultServer(fault_server.accept).running() as server, anyio.fail_after(20):
        transport = Transport(_Own(open_pool, 1.0), server.url)
        for _ in range(3):
            assert (
                await transport.post(Body(b"<ns1:Auth>"), {}, limit=10_000, exchange=Exchange())
            ).status == 200
        await transport.aclose()
        await transport.aclose()
    assert [one.closings for one in opened] == [1] * 3


@pytest.mark.parametrize("verify", [True, False])
def test_tls_verifies_by_default(verify: bool) -> None:
    assert ssl_settings(verify, "HTTPS://gateway/").verify_mode is (
        ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    )
    assert ssl_settings(verify, "http://gateway/", "https://proxy/") is ssl_settings(
        verify, "https://gateway/", None
    )


def test_without_tls_no_ca_bundle_is_read() -> None:
    context = ssl_settings(True, "http://gateway/", None)
    assert (context.verify_mode, context.check_hostname, context.get_ca_certs()) == (
        ssl.CERT_REQUIRED,
        True,
        [],
    )


def test_tls_settings_of_the_user_are_used_unchanged() -> None:
    context = ssl.create_default_context()
    assert ssl_settings(context, "https://gateway/") is context


@pytest.mark.parametrize(
    "shown", [Body(b"secret"), HttpReply(200, b"secret", ("secret",))], ids=["Body", "HttpReply"]
)
def test_repr_shows_nothing_of_request_or_reply(shown: object) -> None:
    assert "secret" not in repr(shown)


async def test_long_reply_is_read_whole_and_in_a_thread() -> None:
    ids = [f"{n:08x}-0000-0000-0000-000000000000" for n in range(8000)]
    inner = "".join(f"<ns1:ResultArray>{one}</ns1:ResultArray>" for one in ids)
    answer: Callable[[str], str] = fault_server.ENVELOPE.format
    body = answer(
        f"<ns1:GetNewMessagesResponse><ns1:GetNewMessagesResult>{inner}</ns1:GetNewMessagesResult></ns1:GetNewMessagesResponse>"
    )
    with FaultServer(fault_server.answering(body.encode())).running() as server:
        async with smsgate.AsyncSession("login", "password", url=server.url) as session:
            assert await session.get_new_messages() == ids
