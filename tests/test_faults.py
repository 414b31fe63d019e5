"""The table of faults: the outcome is right for each, and no foreign exception escapes.

The rule that may never break: never `NotSent` when the server got the whole request
(docs: how it is tested, "HTTP client"; docs: at most once, "The rule, exactly").
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

import fault_server
import httpx
import pytest
import trustme
from connections import connected, each_connection, each_own
from fault_server import AFTER_THE_REQUEST, BEFORE_THE_REQUEST, Fault, FaultServer
from ports import refusing_port

import smsgate

pytestmark = pytest.mark.anyio

SHORT = smsgate.Timeouts(connect=5.0, read=20.0, send=1.0)
LONG = smsgate.Timeouts(connect=5.0, read=20.0, send=20.0)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def outcome(session: smsgate.AsyncSession) -> smsgate.SmsGateError:
    with pytest.raises(smsgate.SmsGateError) as caught:
        await session.send_sms("+380501234567", "Ваш код: 4815")
    assert type(caught.value).__module__.startswith("smsgate.")
    return caught.value


@each_connection
@pytest.mark.parametrize("name", AFTER_THE_REQUEST)
async def test_fault_after_the_request_was_read_is_in_doubt(name: str, connection: str) -> None:
    fault, reason = AFTER_THE_REQUEST[name]
    timeouts = SHORT if reason == "timed out" else LONG
    with FaultServer(fault).running() as server:
        async with connected(connection) as given:
            options = {
                "sender": "Shop",
                "url": server.url,
                "timeouts": timeouts,
                **given,
            }
            async with smsgate.AsyncSession("login", "password", **options) as session:
                await session.auth()  # not in the short time that the send has
                error = await outcome(session)
    assert isinstance(error, smsgate.InDoubt)
    assert error.reason == reason
    assert error.sent is None
    assert len(server.sends()) == 1, "a send is never repeated"


@each_own
@pytest.mark.parametrize("name", AFTER_THE_REQUEST)
async def test_outcome_over_tls_is_the_same(
    name: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, own: dict[str, Any]
) -> None:
    fault, reason = AFTER_THE_REQUEST[name]
    timeouts = SHORT if reason == "timed out" else LONG
    with FaultServer(fault, server_tls).running() as server:
        options = {"sender": "Shop", "url": server.url, "timeouts": timeouts, "verify": client_tls}
        async with smsgate.AsyncSession("login", "password", **options, **own) as session:
            await session.auth()
            error = await outcome(session)
    assert isinstance(error, smsgate.InDoubt)
    assert error.reason == reason
    assert len(server.sends()) == 1


@each_connection
@pytest.mark.parametrize("name", BEFORE_THE_REQUEST)
async def test_fault_before_the_request_was_read_is_never_accepted(
    name: str, connection: str
) -> None:
    # Whether a byte had left is a race here, so both outcomes are right; the server got no request
    # that it could act on.
    with FaultServer(BEFORE_THE_REQUEST[name]).running() as server:
        async with connected(connection) as given:
            options = {
                "sender": "Shop",
                "url": server.url,
                "timeouts": LONG,
                **given,
            }
            async with smsgate.AsyncSession("login", "password", **options) as session:
                error = await outcome(session)
    assert isinstance(error, smsgate.NotSent | smsgate.InDoubt)
    assert server.sends() == []


TLS_FAULTS: dict[str, Fault] = {
    "reset in the handshake": fault_server.reset_at_once,
    "closed in the handshake": fault_server.close_at_once,
    "silence in the handshake": fault_server.never_answer_the_handshake,
    "garbage in the handshake": fault_server.garbage_in_place_of_a_handshake,
}


@each_own
@pytest.mark.parametrize("name", TLS_FAULTS)
async def test_failed_handshake_sends_nothing(
    name: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, own: dict[str, Any]
) -> None:
    with FaultServer(TLS_FAULTS[name], server_tls).running() as server:
        options = {
            "sender": "Shop",
            "url": server.url,
            "timeouts": smsgate.Timeouts(connect=0.2),
            "verify": client_tls,
        }
        async with smsgate.AsyncSession("login", "password", **options, **own) as session:
            error = await outcome(session)
    assert isinstance(error, smsgate.NotSent)
    assert error.reason is smsgate.Reason.NO_CONNECTION
    assert server.sends() == []


@each_own
async def test_untrusted_certificate_sends_nothing_and_is_named(
    server_tls: ssl.SSLContext, own: dict[str, Any]
) -> None:
    with FaultServer(fault_server.accept, server_tls).running() as server:
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url, timeouts=LONG, **own
        ) as session:
            error = await outcome(session)
    assert isinstance(error, smsgate.NotSent)
    assert "certificate" in str(error)
    assert server.requests == []


@each_connection
async def test_refused_connection_sends_nothing(connection: str) -> None:
    async with connected(connection) as given:
        options = {
            "sender": "Shop",
            "url": f"http://127.0.0.1:{refusing_port()}/",
            "timeouts": LONG,
            **given,
        }
        async with smsgate.AsyncSession("login", "password", **options) as session:
            error = await outcome(session)
    assert isinstance(error, smsgate.NotSent)
    assert error.reason is smsgate.Reason.NO_CONNECTION
    assert "refused" in str(error)


@each_own
async def test_connection_refused_after_the_login_sends_nothing(own: dict[str, Any]) -> None:
    with FaultServer(fault_server.accept).running() as server:
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url, timeouts=LONG, concurrency=1, **own
        ) as session:
            await session.auth()
            server.stop_listening()
            error = await outcome(session)
    assert isinstance(error, smsgate.NotSent)


@each_own
async def test_host_without_an_address_sends_nothing(own: dict[str, Any]) -> None:
    url = "https://no-such-host.invalid/api/soap.html"
    async with smsgate.AsyncSession(
        "login", "password", sender="Shop", url=url, timeouts=LONG, **own
    ) as session:
        error = await outcome(session)
    assert isinstance(error, smsgate.NotSent)
    assert "resolved" in str(error)


@each_own
async def test_server_that_accepts_no_more_connections_gets_nothing(own: dict[str, Any]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(3):  # fill the backlog, so that the next SYN gets no answer
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            waiting.append(filler)
        timeouts = smsgate.Timeouts(connect=0.1, send=5.0)
        async with smsgate.AsyncSession(
            "login",
            "password",
            sender="Shop",
            url=f"http://127.0.0.1:{port}/",
            timeouts=timeouts,
            **own,
        ) as session:
            error = await outcome(session)
        for filler in waiting:
            filler.close()
    assert isinstance(error, smsgate.NotSent)


def refusing_the_tunnel(status: str, tls: ssl.SSLContext | None) -> FaultServer:
    def refuse(connection: fault_server.Connection) -> None:
        assert connection.headers().startswith("CONNECT gateway.invalid:443 ")
        connection.send(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    server = FaultServer(refuse, tls)
    server.requests.append(fault_server.Request("", b"<ns1:Auth>"))  # straight to the fault
    return server


@each_own
@pytest.mark.parametrize(
    "refusal",
    [
        (407, smsgate.Reason.PROXY_REFUSED, 1),
        (403, smsgate.Reason.PROXY_REFUSED, 1),
        (502, smsgate.Reason.NO_CONNECTION, 4),
    ],
    ids=lambda refusal: str(refusal[0]),
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_refuses_the_tunnel_is_named_and_gets_nothing(
    refusal: tuple[int, smsgate.Reason, int],
    scheme: str,
    request: pytest.FixtureRequest,
    own: dict[str, Any],
) -> None:
    status, reason, times = refusal
    server_tls, client_tls = (
        request.getfixturevalue("server_tls"),
        request.getfixturevalue("client_tls"),
    )
    with refusing_the_tunnel(
        f"{status} secret", server_tls if scheme == "https" else None
    ).running() as server:
        proxy = server.url.removesuffix("/api/soap.html")
        options = {
            "url": "https://gateway.invalid/api/soap.html",
            "proxy": proxy,
            "timeouts": LONG,
            "verify": client_tls,
        }
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", **options, **own
        ) as session:
            error = await outcome(session)
    assert isinstance(error, smsgate.NotSent)
    assert error.reason is reason
    assert f"the proxy refused to connect: {status}" in str(error)
    assert "secret" not in str(error)
    assert server.connections == times


@each_own
async def test_https_proxy_uses_the_tls_settings_of_the_session(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, own: dict[str, Any]
) -> None:
    with FaultServer(fault_server.accept, server_tls).running() as server:
        options = {
            "url": "http://localhost/api/soap.html",
            "proxy": server.url.removesuffix("/api/soap.html"),
            "timeouts": LONG,
        }
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", verify=client_tls, **options, **own
        ) as session:
            assert (await session.send_sms("+380501234567", "hello")).message_ids == (
                fault_server.MESSAGE_ID,
            )
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", **options, **own
        ) as session:
            error = await outcome(session)
    assert isinstance(error, smsgate.NotSent)
    assert "certificate" in str(error)
    assert len(server.sends()) == 1


@each_own
async def test_proxy_that_wants_a_password_is_named_and_asked_once(own: dict[str, Any]) -> None:
    with FaultServer(fault_server.answering(b"", status="407 secret")).running() as server:
        proxy = server.url.removesuffix("/api/soap.html")
        options = {
            "url": "http://localhost/api/soap.html",
            "proxy": proxy,
            "timeouts": LONG,
            "concurrency": 1,
        }
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", **options, **own
        ) as session:
            for call in (session.send_sms("+380501234567", "hello"), session.get_credit_balance()):
                with pytest.raises(
                    smsgate.InDoubt, match="407 Proxy Authentication Required"
                ) as caught:
                    await call
                assert "secret" not in str(caught.value)
    assert len(server.requests) == 3, "one login, and each was asked once"


async def test_redirect_is_not_followed_even_by_a_client_that_would() -> None:
    fault, _ = AFTER_THE_REQUEST["307"]
    with FaultServer(fault).running() as server:
        async with httpx.AsyncClient(follow_redirects=True, auth=("user", "word")) as http_client:
            options = {
                "sender": "Shop",
                "url": server.url,
                "timeouts": LONG,
                "http_client": http_client,
            }
            async with smsgate.AsyncSession("login", "password", **options) as session:
                await outcome(session)
    assert len(server.sends()) == 1
    assert "authorization" not in server.sends()[0].head.lower()


@each_own
async def test_reply_in_another_declared_charset_is_read(own: dict[str, Any]) -> None:
    body = (
        fault_server.ACCEPTED.decode()
        .replace('encoding="UTF-8"', 'encoding="windows-1251"')
        .encode("cp1251")
    )
    with FaultServer(fault_server.answering(body)).running() as server:
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url, timeouts=LONG, **own
        ) as session:
            result = await session.send_sms("+380501234567", "Ваш код: 4815")
    assert result.message_ids == (fault_server.MESSAGE_ID,)


@each_connection
async def test_request_has_the_cookie_once_and_identity_encoding(connection: str) -> None:
    with FaultServer(fault_server.accept).running() as server:
        async with connected(connection) as given:
            options = {
                "sender": "Shop",
                "url": server.url,
                "timeouts": LONG,
                **given,
            }
            async with smsgate.AsyncSession("login", "password", **options) as session:
                await session.send_sms("+380501234567", "Ваш код: 4815")
    auth, send = server.requests
    assert auth.cookie is None
    assert send.cookie == f"PHPSESSID={fault_server.COOKIE}"
    assert send.head.lower().count("cookie:") == 1
    assert "accept-encoding: identity" in send.head.lower()
    assert 'soapaction: "http://turbosms.in.ua/api/turbo/sendsms"' in send.head.lower()


@each_own
async def test_read_operation_is_retried_a_few_times_then_gives_up(own: dict[str, Any]) -> None:
    with FaultServer(AFTER_THE_REQUEST["reset"][0]).running() as server:
        async with smsgate.AsyncSession(
            "login", "password", url=server.url, timeouts=LONG, concurrency=1, **own
        ) as session:
            with pytest.raises(smsgate.SmsGateError):
                await session.get_credit_balance()
    asked = [request for request in server.requests if b"GetCreditBalance" in request.body]
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("name", "times"), [("502", 4), ("404", 1), ("HTML", 1), ("fault with 200", 1)]
)
async def test_only_a_transient_fault_is_retried(name: str, times: int) -> None:
    with FaultServer(AFTER_THE_REQUEST[name][0]).running() as server:
        async with smsgate.AsyncSession(
            "login", "password", url=server.url, timeouts=LONG, concurrency=1
        ) as session:
            with pytest.raises(smsgate.InDoubt):
                await session.get_credit_balance()
    asked = [request for request in server.requests if b"GetCreditBalance" in request.body]
    assert len(asked) == times


@pytest.mark.parametrize(
    ("status", "times"),
    [("502 Bad Gateway", 4), ("404 Not Found", 1), ("302 Found", 1), ("200 OK", 1)],
)
@pytest.mark.parametrize("call", ["get_credit_balance", "send"])
async def test_login_before_a_call_is_retried_by_the_same_rule(
    call: str, status: str, times: int
) -> None:
    def answer(connection: fault_server.Connection) -> None:
        connection.request()
        connection.answer(b"<html>", status=status)

    server = FaultServer(answer)
    server.requests.append(fault_server.Request("", b"<ns1:Auth>"))  # straight to the fault
    message = smsgate.Message(destinations="+380501234567", text="hello")
    with server.running():
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url, timeouts=LONG
        ) as session:
            with pytest.raises(smsgate.NotSent, match="the login failed"):
                await getattr(session, call)(*([message] if call == "send" else []))
    asked = server.requests[1:]
    assert len(asked) == times
    assert all(b"<ns1:Auth>" in request.body for request in asked)
