"""`transport="aiohttp"`: what aiohttp does by itself sends nothing twice and mixes up no answer.

The faults that hold for every library are in test_faults, test_proof and test_transport.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import aiohttp.client
import anyio
import anyio.to_thread
import fault_server
import pytest
import trio
from connections import own_transport_of
from fault_server import AFTER_THE_REQUEST, FaultServer

import smsgate
from smsgate._client.aiohttp_transport import _Outgoing
from smsgate._client.exchange import Body, Exchange
from smsgate._client.transport import KEEP_ALIVE_OPTIONS, HttpReply, Transport
from smsgate.sandbox import Sandbox

pytestmark = [pytest.mark.anyio, pytest.mark.asyncio_only]

NUMBER = "+380501234567"
TIMEOUTS = smsgate.Timeouts(connect=5.0, read=20.0, send=20.0)


def session_at(url: str, **options: Any) -> smsgate.AsyncSession:
    options = {"sender": "Shop", "timeouts": TIMEOUTS, "concurrency": 1} | options
    return smsgate.AsyncSession("sandbox", "sandbox", url=url, transport="aiohttp", **options)


async def post(transport: Transport, exchange: Exchange | None = None) -> HttpReply:
    exchange = exchange or Exchange()
    return await transport.post(Body(b"<x/>"), {}, limit=1000, exchange=exchange)


# --- what aiohttp would repeat --------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset", "closed"])
async def test_aiohttp_cannot_retry_a_send(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if a later version of aiohttp retried every method, on connections that it reuses.
    methods = frozenset({*aiohttp.client.IDEMPOTENT_METHODS, "POST"})
    monkeypatch.setattr(aiohttp.client, "IDEMPOTENT_METHODS", methods)
    connections = []

    def once_and_then(connection: fault_server.Connection) -> None:
        connections.append(connection)
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        AFTER_THE_REQUEST[fault][0](connection)

    with straight_to(once_and_then) as server:
        transport = own_transport_of("aiohttp", server.url, keep_alive=60)
        assert (await post(transport)).body == b"ok"
        with pytest.raises(smsgate.InDoubt) as caught:
            await post(transport)
        await transport.aclose()
    assert caught.value.reason is smsgate.Reason.CONNECTION_LOST
    assert len(server.requests) == 1 + 2
    assert len(connections) == 1


async def test_redirect_is_not_followed_and_is_named() -> None:
    with FaultServer(AFTER_THE_REQUEST["307"][0]).running() as server:
        async with session_at(server.url) as session:
            with pytest.raises(smsgate.InDoubt) as caught:
                await session.send_sms(NUMBER, "hello")
    assert caught.value.reason is smsgate.Reason.HTTP_STATUS
    assert caught.value.evidence.status == 307
    assert (len(server.sends()), server.connections) == (1, 2)


# --- what belongs to another request --------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
SURPLUS = OK % (5, b"other")


More = Callable[[socket.socket, bytes, threading.Semaphore], None]


class Talkative:
    """Answers each request with its number, and says more than it was asked."""

    def __init__(self, more: More) -> None:
        self.more, self.connections = more, 0
        self.requests = list[bytes]()
        self.read = threading.Semaphore(0)
        """How many answers the client has read."""
        self.said = threading.Semaphore(0)
        """How often everything was said."""

    def __enter__(self) -> str:
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(accepted,), daemon=True).start()

    def serve(self, accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            while request := accepted.recv(65536):
                self.requests.append(request)
                number = str(len(self.requests)).encode()
                self.more(accepted, OK % (len(number), number), self.read)
                self.said.release()


def in_one_segment(accepted: socket.socket, answer: bytes, _read: threading.Semaphore) -> None:
    accepted.sendall(answer + SURPLUS)


def later(accepted: socket.socket, answer: bytes, read: threading.Semaphore) -> None:
    accepted.sendall(answer)
    read.acquire()
    accepted.sendall(SURPLUS)


def beginning_later(accepted: socket.socket, answer: bytes, read: threading.Semaphore) -> None:
    accepted.sendall(answer)
    read.acquire()
    accepted.sendall(SURPLUS[:9])


def nothing_more(accepted: socket.socket, answer: bytes, _read: threading.Semaphore) -> None:
    accepted.sendall(answer)


@pytest.mark.parametrize("seen", ["by the event loop", "in the socket"])
@pytest.mark.parametrize("more", [in_one_segment, later, beginning_later])
async def test_surplus_answer_is_not_taken_for_the_next(more: More, seen: str) -> None:
    talkative = Talkative(more)
    with talkative as url:
        transport = own_transport_of("aiohttp", url)
        for number in (b"1", b"2", b"3"):
            assert (await post(transport)).body == number
            talkative.read.release()
            if seen == "by the event loop":
                await anyio.to_thread.run_sync(talkative.said.acquire)
                await anyio.sleep(0.01)
            else:
                talkative.said.acquire()  # the event loop must not read it
        await transport.aclose()
    assert talkative.connections == 3


async def test_connection_is_used_again_if_nothing_came() -> None:
    talkative = Talkative(nothing_more)
    with talkative as url:
        transport = own_transport_of("aiohttp", url, keep_alive=60)
        for _ in range(3):
            await post(transport)
        await transport.aclose()
    assert talkative.connections == 1


async def test_idle_connection_is_used_only_within_keep_alive() -> None:
    talkative = Talkative(nothing_more)
    with talkative as url:
        transport = own_transport_of("aiohttp", url, keep_alive=0.1)
        await post(transport)
        time.sleep(0.2)  # noqa: ASYNC251 - no timer of the event loop closes it
        await post(transport)
        await transport.aclose()
    assert talkative.connections == 2


class Greeting(Talkative):
    """Speaks first on each connection, as soon as it may."""

    def __init__(self) -> None:
        super().__init__(nothing_more)
        self.may_speak, self.greeted = threading.Event(), threading.Semaphore(0)

    def serve(self, accepted: socket.socket) -> None:
        self.may_speak.wait()
        with suppress(OSError):
            accepted.sendall(SURPLUS)
        self.greeted.release()
        super().serve(accepted)


async def test_server_that_speaks_first_is_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = aiohttp.TCPConnector._create_connection
    greeting = Greeting()
    greeting.may_speak.set()

    async def greeted(*given: Any) -> Any:
        connection = await made(*given)
        await anyio.to_thread.run_sync(greeting.greeted.acquire)
        with anyio.fail_after(20):
            while not connection.should_close:  # noqa: ASYNC110 - aiohttp tells nobody
                await anyio.sleep(0.01)
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", greeted)
    with greeting as url:
        transport = own_transport_of("aiohttp", url)
        with pytest.raises(smsgate.NotSent) as caught:
            await post(transport)
        await transport.aclose()
    assert caught.value.reason is smsgate.Reason.NO_CONNECTION
    assert (greeting.connections, greeting.requests) == (2, [])


async def test_answer_before_the_request_is_not_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = aiohttp.ClientRequest.write_bytes
    greeting, ended = Greeting(), anyio.Event()

    async def late(self: aiohttp.ClientRequest, *given: Any) -> None:
        greeting.may_speak.set()
        await ended.wait()
        await written(self, *given)

    monkeypatch.setattr(aiohttp.ClientRequest, "write_bytes", late)
    with greeting as url:
        transport = own_transport_of("aiohttp", url)
        with pytest.raises(smsgate.InDoubt) as caught:
            await post(transport)
        ended.set()
        await transport.aclose()
    assert caught.value.reason is smsgate.Reason.CONNECTION_LOST
    assert greeting.requests == []


# --- what proves it -------------------------------------------------------------------------------


def straight_to(fault: fault_server.Fault, *given: Any) -> Any:
    """A server that fails from its first request on."""
    server = FaultServer(fault, *given)
    server.requests.append(fault_server.Request("", b"<ns1:Auth>"))
    return server.running()


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The events of aiohttp's own tracing, added as instrumentation adds it."""
    heard = list[str]()

    def listen(name: str) -> Any:
        async def hear(*_: object) -> None:
            heard.append(name)

        return hear

    made = aiohttp.ClientSession.__init__

    def traced(self: aiohttp.ClientSession, *given: Any, **named: Any) -> None:
        config = aiohttp.TraceConfig()
        for name in ("connection_create_start", "request_headers_sent", "request_chunk_sent"):
            getattr(config, f"on_{name}").append(listen(name))
        made(self, *given, trace_configs=[config], **named)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", traced)
    return heard


FAULTS: dict[str, fault_server.Fault] = {
    **{name: fault for name, (fault, reason) in AFTER_THE_REQUEST.items() if reason != "timed out"},
    **fault_server.BEFORE_THE_REQUEST,
    "accepted": fault_server.accept,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_proof_agrees_with_the_tracing_of_aiohttp(fault: str, events: list[str]) -> None:
    exchange = Exchange()
    with straight_to(FAULTS[fault]) as server:
        transport = own_transport_of("aiohttp", server.url)
        with contextlib.suppress(smsgate.SmsGateError):
            await post(transport, exchange)
        await transport.aclose()
    assert "connection_create_start" in events
    # The event comes before the first byte, though its name says that the headers were sent.
    assert exchange.left == ("request_headers_sent" in events)


async def test_connection_that_cannot_be_made_has_no_such_event(events: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = own_transport_of("aiohttp", f"http://127.0.0.1:{port}/")
    with pytest.raises(smsgate.NotSent):
        await post(transport)
    await transport.aclose()
    assert events == ["connection_create_start"]


EXCEPTIONS = [
    aiohttp.ServerTimeoutError(),
    aiohttp.ConnectionTimeoutError(),
    aiohttp.ServerDisconnectedError(),
    aiohttp.InvalidURL("secret"),
    OSError("secret"),
]


@pytest.mark.parametrize("raised", EXCEPTIONS, ids=lambda one: type(one).__name__)
async def test_own_connections_prove_nothing_if_aiohttp_was_replaced(
    raised: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As aioresponses and vcrpy do it."""
    asked = []

    async def replaced(_session: object, _method: str, url: Any, **_named: Any) -> Any:
        asked.append(url)
        raise raised

    monkeypatch.setattr(aiohttp.ClientSession, "_request", replaced)
    transport = own_transport_of("aiohttp", "http://127.0.0.1:9/")
    with pytest.raises(smsgate.InDoubt, match="it is not known whether the request left") as caught:
        await post(transport)
    await transport.aclose()
    assert len(asked) == 1
    assert "secret" not in str(caught.value)


# --- the connection and the session ---------------------------------------------------------------


async def test_connection_has_the_keep_alive_of_tcp() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox.url) as session:
            await session.auth()
            (login,) = session._calls._logins._idle
            client = login.transport._connections.client  # type: ignore[attr-defined]
            ((protocol, _),) = (one for idle in client.connector._conns.values() for one in idle)
            made = protocol.transport.get_extra_info("socket")
            found = [made.getsockopt(level, name) for level, name, _ in KEEP_ALIVE_OPTIONS]
    assert found == [value for _, _, value in KEEP_ALIVE_OPTIONS]


async def test_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    with Sandbox() as sandbox:
        async with session_at(sandbox.url) as session:
            assert (await session.send_sms(NUMBER, "hello")).accepted


def test_session_on_trio_says_what_to_do() -> None:
    async def main() -> None:
        async with session_at("http://127.0.0.1:9/"):
            pass

    with pytest.raises(ValueError, match='transport: "aiohttp" works on asyncio only; use "httpx"'):
        trio.run(main)


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "aiohttp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "smsgate._client.aiohttp_transport")
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        session_at("http://127.0.0.1:9/")
    assert str(caught.value) == (
        'transport="aiohttp" needs aiohttp, which is not installed:'
        " pip install 'aiosmsgate[aiohttp]'"
    )


async def test_body_shows_tools_its_size_and_nothing_else() -> None:
    body = _Outgoing(Body(b"secret"), Exchange())
    assert (body.size, body.decode()) == (6, "")
    assert "secret" not in repr(body)
