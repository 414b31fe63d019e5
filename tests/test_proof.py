"""What proves that nothing was sent: only the exchange itself.

Whatever test doubles, tools, hooks and fallback transports do to httpx, a request that somebody
took is in doubt and was handed over once, and a connection that was never made is `NotSent`. Each
double and each tool is the real one.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import anyio
import fault_server
import httpx
import httpx2
import pytest
import respx
import sentry_sdk
import sentry_sdk.integrations.aiohttp
import sentry_sdk.integrations.httpx
import sentry_sdk.integrations.httpx2
import sentry_sdk.transport
from connections import connected, each_connection, transport_of
from fault_server import FaultServer
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from ports import refusing_port
from pytest_httpx import HTTPXMock, httpx_mock

import smsgate
from smsgate._client.exchange import Body, Exchange
from smsgate._client.httpx_transport import client_of, lent_transport

__all__ = ["httpx_mock"]

pytestmark = pytest.mark.anyio

MODULES = {"httpx": httpx, "httpx2": httpx2}
TIMEOUTS = smsgate.Timeouts(connect=5.0, read=20.0, send=20.0)
# On a busy machine, too, the login and the beginning of the send need less.
QUICK = smsgate.Timeouts(connect=5.0, read=20.0, send=2.0)
IN_DOUBT = fault_server.AFTER_THE_REQUEST["reset"][0]
each_module = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
# httpcore leaves the socket of a request that was cancelled to the garbage collector.
leaves_sockets = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


async def send(
    url: str, client: Any = None, timeouts: smsgate.Timeouts = TIMEOUTS, **options: Any
) -> smsgate.SmsGateError:
    """Send one message and return the error that comes of it."""
    options = {
        "sender": "Shop",
        "url": url,
        "timeouts": timeouts,
        "concurrency": 1,
        "http_client": client,
    } | options
    with anyio.fail_after(60):
        async with smsgate.AsyncSession("login", "password", **options) as session:
            with pytest.raises(smsgate.SmsGateError) as caught:
                await session.send_sms("+380501234567", "hello")
    return caught.value


def in_doubt(error: smsgate.SmsGateError) -> smsgate.InDoubt:
    assert isinstance(error, smsgate.InDoubt), error
    return error


# --- doubles --------------------------------------------------------------------------------------


class Double:
    """Accepts each login and does `act` with each send, which it counts."""

    def __init__(self, module: Any, act: Callable[[], Awaitable[Any]], *, reading: bool) -> None:
        self.module, self.act, self.reading, self.sends = module, act, reading, 0

    async def handle_async_request(self, request: Any) -> Any:
        if b"auth" in request.headers["soapaction"].lower().encode():
            cookie = {"Set-Cookie": f"PHPSESSID={fault_server.COOKIE}"}
            return self.module.Response(
                200, headers=cookie, content=fault_server.AUTHORISED, request=request
            )
        self.sends += 1
        if self.reading:
            await request.aread()
        return await self.act()

    def transport(self) -> Any:
        methods = {"handle_async_request": lambda _, request: self.handle_async_request(request)}
        return type("DoubleTransport", (self.module.AsyncBaseTransport,), methods)()


def raising(error: Exception) -> Callable[[], Awaitable[Any]]:
    async def act() -> Any:
        raise error

    return act


async def hanging() -> Any:
    await anyio.sleep_forever()


NAMES = ["ReadTimeout", "ConnectError", "ConnectTimeout", "PoolTimeout", "ReadError"]


@each_module
@pytest.mark.parametrize("reading", [True, False], ids=["reads the body", "reads nothing"])
@pytest.mark.parametrize("name", NAMES)
async def test_exception_of_a_double_proves_nothing(module: Any, name: str, reading: bool) -> None:
    double = Double(module, raising(getattr(module, name)("secret")), reading=reading)
    async with module.AsyncClient(transport=double.transport()) as client:
        error = in_doubt(await send("http://localhost/", client))
    assert double.sends == 1
    assert "it is not known whether the request left" in str(error)


@each_module
@pytest.mark.parametrize("reading", [True, False], ids=["reads the body", "reads nothing"])
async def test_hanging_double_proves_nothing(module: Any, reading: bool) -> None:
    double = Double(module, hanging, reading=reading)
    async with module.AsyncClient(transport=double.transport()) as client:
        error = in_doubt(await send("http://localhost/", client, QUICK))
    assert error.reason is smsgate.Reason.TIMED_OUT
    assert double.sends == 1


@pytest.mark.parametrize("reading", [True, False], ids=["reads the body", "reads nothing"])
@pytest.mark.parametrize("name", NAMES)
async def test_own_connections_prove_nothing_if_httpx_was_replaced(
    name: str, reading: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = Double(httpx, raising(getattr(httpx, name)("secret")), reading=reading)
    monkeypatch.setattr(
        httpx.AsyncHTTPTransport,
        "handle_async_request",
        lambda _, request: double.handle_async_request(request),
    )
    in_doubt(await send("http://localhost/"))
    assert double.sends == 1


# respx replaces either httpcore or the client of httpx, and own connections have no client.
@pytest.mark.parametrize(
    ("made", "using"), [("own", "httpcore"), ("httpx", "httpcore"), ("httpx", "httpx")]
)
@pytest.mark.parametrize("name", NAMES)
async def test_exception_of_respx_proves_nothing(name: str, made: str, using: str) -> None:
    # respx raises every exception from itself, which makes a chain without an end.
    raised = getattr(httpx, name)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient()) if made == "httpx" else None
        with respx.mock(using=using, assert_all_called=False) as mocked:
            cookie = {"Set-Cookie": f"PHPSESSID={fault_server.COOKIE}"}
            mocked.post(
                "http://localhost/",
                headers__contains={"SOAPAction": '"http://turbosms.in.ua/api/Turbo/Auth"'},
            ).respond(200, headers=cookie, content=fault_server.AUTHORISED)
            sends = mocked.post("http://localhost/").mock(side_effect=raised)
            in_doubt(await send("http://localhost/", client))
    assert sends.call_count == 1


@pytest.mark.parametrize("made", ["own", "httpx"])
@pytest.mark.parametrize("name", NAMES)
async def test_exception_of_pytest_httpx_proves_nothing(
    name: str, made: str, httpx_mock: HTTPXMock
) -> None:
    cookie = {"Set-Cookie": f"PHPSESSID={fault_server.COOKIE}"}
    httpx_mock.add_response(content=fault_server.AUTHORISED, headers=cookie)
    httpx_mock.add_exception(getattr(httpx, name)("secret"))
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient()) if made == "httpx" else None
        in_doubt(await send("http://localhost/", client))
    assert len(httpx_mock.get_requests()) == 2


async def test_failing_in_process_application_proves_nothing() -> None:
    asked = []

    async def app(*given: Any) -> None:
        asked.append(given)
        raise httpx.ConnectError("secret")

    transport = lent_transport("http://localhost/", client_of(app), connect=1.0)
    exchange = Exchange()
    with pytest.raises(smsgate.InDoubt):
        await transport.post(Body(b"<x/>"), {}, limit=1000, exchange=exchange)
    assert len(asked) == 1


# --- hooks and fallback transports ----------------------------------------------------------------


@each_module
async def test_hook_that_removes_events_of_a_request_removes_its_proof(module: Any) -> None:
    async def sample(request: Any) -> None:
        if b"sendsms" in request.headers["soapaction"].lower().encode():
            del request.extensions["trace"]

    with FaultServer(IN_DOUBT).running() as server:
        async with module.AsyncClient(event_hooks={"request": [sample]}) as client:
            in_doubt(await send(server.url, client))
    assert len(server.sends()) == 1


@each_module
@pytest.mark.parametrize("when", ["request", "response"])
@pytest.mark.parametrize(
    "raised",
    [ValueError("secret"), smsgate.NotSent("secret"), None],
    ids=["ValueError", "NotSent", "wrong"],
)
async def test_hook_that_raises_leaves_the_send_in_doubt(
    module: Any, when: str, raised: Exception | None
) -> None:
    async def hook(given: Any) -> None:
        request = getattr(given, "request", given)
        if b"sendsms" in request.headers["soapaction"].lower().encode():
            if raised is not None:
                raise raised
            assert request.content, "which must be read first"

    with FaultServer(fault_server.accept).running() as server:
        async with module.AsyncClient(event_hooks={when: [hook]}) as client:
            error = in_doubt(await send(server.url, client))
    assert ("it is not known whether the request left" in str(error)) == (when == "request")
    assert "secret" not in str(error)
    assert len(server.sends()) == (when == "response")


def failing_over(module: Any, second: Any, *, then: str = "raise the second") -> Any:
    """A transport that uses a fallback without events, as its own proxy cannot be reached."""

    class FailingOver(module.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.first = module.AsyncHTTPTransport(proxy=f"http://127.0.0.1:{refusing_port()}")

        async def handle_async_request(self, request: Any) -> Any:
            try:
                return await self.first.handle_async_request(request)
            except module.ConnectError as error:
                first = error
            request.extensions = {
                name: value for name, value in request.extensions.items() if name != "trace"
            }
            try:
                return await second.handle_async_request(request)
            except Exception:
                if then == "raise the first":
                    raise first from None
                raise

        async def aclose(self) -> None:
            await self.first.aclose()
            await second.aclose()

    return FailingOver()


@each_module
@pytest.mark.parametrize("then", ["raise the second", "raise the first"])
async def test_fallback_transport_without_events_proves_nothing(module: Any, then: str) -> None:
    with FaultServer(IN_DOUBT).running() as server:
        async with module.AsyncClient(
            transport=failing_over(module, module.AsyncHTTPTransport(), then=then)
        ) as client:
            in_doubt(await send(server.url, client))
    assert len(server.sends()) == 1


@each_module
async def test_hanging_fallback_transport_proves_nothing(module: Any) -> None:
    with FaultServer(fault_server.AFTER_THE_REQUEST["silence"][0]).running() as server:
        async with module.AsyncClient(
            transport=failing_over(module, module.AsyncHTTPTransport())
        ) as client:
            in_doubt(await send(server.url, client, QUICK))
    assert len(server.sends()) <= 1


@each_module
@pytest.mark.parametrize("act", ["ReadTimeout", "hang"])
async def test_double_as_fallback_proves_nothing_though_it_reads_nothing(
    module: Any, act: str
) -> None:
    double = Double(
        module, hanging if act == "hang" else raising(getattr(module, act)("secret")), reading=False
    )
    async with module.AsyncClient(transport=failing_over(module, double.transport())) as client:
        in_doubt(await send("http://localhost/", client, QUICK if act == "hang" else TIMEOUTS))
    assert double.sends == 1


@each_module
async def test_fallback_transport_that_answers_is_believed(module: Any) -> None:
    with FaultServer(fault_server.accept).running() as server:
        async with module.AsyncClient(
            transport=failing_over(module, module.AsyncHTTPTransport())
        ) as client:
            options = {
                "sender": "Shop",
                "url": server.url,
                "timeouts": TIMEOUTS,
                "http_client": client,
            }
            async with smsgate.AsyncSession("login", "password", **options) as session:
                assert (await session.send_sms("+380501234567", "hello")).message_ids == (
                    fault_server.MESSAGE_ID,
                )


@each_module
async def test_earlier_exchange_proves_nothing_for_the_next(module: Any) -> None:
    double = Double(module, raising(module.ReadTimeout("secret")), reading=False)
    real = module.AsyncHTTPTransport()

    class Changing(module.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            handler = real if b"auth" in request.headers["soapaction"].lower().encode() else double
            return await handler.handle_async_request(request)

        async def aclose(self) -> None:
            await real.aclose()

    with FaultServer(fault_server.accept).running() as server:
        async with module.AsyncClient(transport=Changing()) as client:
            in_doubt(await send(server.url, client))
    assert double.sends == 1


# --- tools that wrap httpx ------------------------------------------------------------------------


def wrapped_by_nothing(_: pytest.MonkeyPatch) -> Iterator[None]:
    yield


def wrapped_by_opentelemetry(_: pytest.MonkeyPatch) -> Iterator[None]:
    instrumentors = (
        HTTPXClientInstrumentor(),
        HTTPX2ClientInstrumentor(),
        AioHttpClientInstrumentor(),
    )
    for one in instrumentors:
        one.instrument(tracer_provider=TracerProvider())
    yield
    for one in instrumentors:
        one.uninstrument()


class Nowhere(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope: Any) -> None:
        pass


def wrapped_by_sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in MODULES.values():
        for kind in (module.Client, module.AsyncClient):
            monkeypatch.setattr(kind, "send", kind.send)  # so that what sentry replaces comes back
    monkeypatch.setattr(aiohttp.ClientSession, "__init__", aiohttp.ClientSession.__init__)
    monkeypatch.setattr(aiohttp.web.Application, "_handle", aiohttp.web.Application._handle)
    monkeypatch.setattr(aiohttp.web.UrlDispatcher, "resolve", aiohttp.web.UrlDispatcher.resolve)
    integrations = [
        sentry_sdk.integrations.httpx.HttpxIntegration(),
        sentry_sdk.integrations.httpx2.Httpx2Integration(),
        sentry_sdk.integrations.aiohttp.AioHttpIntegration(),
    ]
    monkeypatch.setattr(sentry_sdk.integrations, "_processed_integrations", set())
    monkeypatch.setattr(sentry_sdk.integrations, "_installed_integrations", set())
    before, plain = httpx.AsyncClient.send, aiohttp.ClientSession.__init__
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(
            sentry_sdk.Client(
                dsn="http://key@localhost/1",
                integrations=integrations,
                default_integrations=False,
                traces_sample_rate=1.0,
                transport=Nowhere,
            )
        )
        assert httpx.AsyncClient.send is not before
        assert aiohttp.ClientSession.__init__ is not plain
        yield


TOOLS = {
    "nothing": wrapped_by_nothing,
    "opentelemetry": wrapped_by_opentelemetry,
    "sentry": wrapped_by_sentry,
}


@pytest.fixture(params=TOOLS)
def wrapped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from TOOLS[request.param](monkeypatch)


@each_connection
@pytest.mark.usefixtures("wrapped")
async def test_tool_that_wraps_the_library_changes_nothing(connection: str) -> None:
    async with connected(connection) as options:
        with FaultServer(IN_DOUBT).running() as server:
            error = in_doubt(await send(server.url, **options))
            assert error.reason is smsgate.Reason.CONNECTION_LOST
            assert len(server.sends()) == 1
    async with transport_of(connection, f"http://127.0.0.1:{refusing_port()}/") as transport:
        with pytest.raises(smsgate.NotSent, match="refused") as caught:
            await transport.post(Body(b"<x/>"), {}, limit=1000, exchange=Exchange())
        assert caught.value.reason is smsgate.Reason.NO_CONNECTION


# --- proof of a real exchange ---------------------------------------------------------------------


@leaves_sockets
@each_connection
async def test_cancellation_while_connecting_is_not_sent(connection: str) -> None:
    with (
        FaultServer(fault_server.accept).running() as server,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        async with connected(connection) as given:
            # The login is made in clear, then the gateway moves to where no TLS handshake is
            # answered.
            options = {
                "sender": "Shop",
                "url": server.url,
                "timeouts": TIMEOUTS,
                "concurrency": 1,
                **given,
            }
            async with smsgate.AsyncSession("login", "password", **options) as session:
                await session.auth()
                async with session._calls._logins.lease() as login:
                    login.transport._url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
                session._config = replace(
                    session._config, timeouts=smsgate.Timeouts(connect=5.0, read=20.0, send=0.3)
                )
                with pytest.raises(smsgate.NotSent) as caught:
                    await session.send_sms("+380501234567", "hello")
    gc.collect()
    assert caught.value.reason is smsgate.Reason.TIMED_OUT


@leaves_sockets
@each_module
async def test_lent_client_without_a_free_connection_says_what_to_do(module: Any) -> None:
    with FaultServer(fault_server.AFTER_THE_REQUEST["silence"][0]).running() as server:
        limits = module.Limits(max_connections=1)
        async with module.AsyncClient(limits=limits) as client, anyio.create_task_group() as tasks:
            held = lent_transport(server.url, client, connect=5.0)
            waiting = Exchange()
            body = Body(b"<ns1:SendSMS>")
            server.requests.append(fault_server.Request("", b"<ns1:Auth>"))  # straight to the fault

            async def hold() -> None:
                await held.post(body, {}, limit=1000, exchange=waiting)

            tasks.start_soon(hold)
            while not server.sends():  # noqa: ASYNC110 - the server runs in a thread
                await anyio.sleep(0.01)
            timeouts = smsgate.Timeouts(connect=0.05, read=20.0, send=20.0)
            error = await send(server.url, client, timeouts)
            tasks.cancel_scope.cancel()
    gc.collect()
    assert isinstance(error, smsgate.NotSent)
    assert error.reason is smsgate.Reason.NO_FREE_CONNECTION
    assert "as many connections as the concurrency of the session" in str(error)
    assert len(server.sends()) == 1


async def test_nothing_leaves_after_it_was_reported_as_not_sent() -> None:
    # A transport that goes on in the background must not make a lie of it.
    took: list[BaseException | None] = []

    class GoesOn(httpx.AsyncBaseTransport):
        def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
            self.tasks = tasks
            self.go = anyio.Event()

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if b"SendSMS" not in request.headers["soapaction"].encode().replace(
                b"sendsms", b"SendSMS"
            ):
                return httpx.Response(
                    200, content=fault_server.AUTHORISED, headers={"Set-Cookie": "PHPSESSID=abc"}
                )
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            self.tasks.start_soon(self.later, request)
            await anyio.sleep_forever()
            raise AssertionError

        async def later(self, request: httpx.Request) -> None:
            await self.go.wait()
            try:
                async for _ in request.stream:  # type: ignore[union-attr]
                    pass
                took.append(None)
            except BaseException as error:
                took.append(error)

    async with anyio.create_task_group() as tasks:
        transport = GoesOn(tasks)
        error = await send("http://127.0.0.1:9/", httpx.AsyncClient(transport=transport), QUICK)
        assert isinstance(error, smsgate.NotSent)
        transport.go.set()
    (given_up,) = took
    assert isinstance(given_up, smsgate.NotSent)
