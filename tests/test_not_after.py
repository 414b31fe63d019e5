"""`not_after`: the first byte of a send leaves in time, or nothing leaves at all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import pytest
import trio
from connections import each_connection, transport_of
from simulated_gateway import SimulatedGateway

import smsgate
from smsgate._client.exchange import Body, Exchange
from smsgate._client.httpx_transport import lent_transport
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.anyio

NUMBER = "+380501234567"
URL = "http://localhost/api/soap.html"
TOO_LATE = smsgate.Reason.TOO_LATE

simulated_time = pytest.mark.parametrize(
    "anyio_backend",
    [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})],
    ids=["simulated time"],
)


class SlowLogin(SimulatedGateway):
    """A gateway whose answer to an Auth, or to a send, takes a number of seconds."""

    auth = send = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        slow = self.auth if b":Auth" in await request.aread() else self.send
        answer = await super().handle_async_request(request)
        await trio.sleep(slow)
        return answer


def simulated(gateway: SimulatedGateway) -> smsgate.AsyncSession:
    client = httpx.AsyncClient(transport=gateway, trust_env=False)
    return smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=URL, http_client=client)


def slow_gateway() -> SlowLogin:
    return SlowLogin(Random(1), Settings(seed=1), 0.0, lambda _: None)


@simulated_time
async def test_nothing_is_sent_after_not_after():
    gateway = slow_gateway()
    gateway.auth = 25.0
    async with simulated(gateway) as session:
        began = trio.current_time()
        with pytest.raises(smsgate.NotSent, match="too late") as caught:
            await session.send_sms(NUMBER, "code", not_after=20)
        assert caught.value.reason is TOO_LATE
        assert trio.current_time() - began == pytest.approx(20, abs=1)
    assert gateway.gateway.calls["SendSMS"] == 0


@simulated_time
async def test_send_that_began_in_time_keeps_its_whole_deadline():
    gateway = slow_gateway()
    gateway.send = 100.0
    async with simulated(gateway) as session:
        result = await session.send_sms(NUMBER, "code", not_after=20)
    assert result.accepted


@simulated_time
async def test_send_in_time_without_an_answer_is_in_doubt():
    gateway = slow_gateway()
    gateway.send = 1000.0
    async with simulated(gateway) as session:
        with pytest.raises(smsgate.InDoubt) as caught:
            await session.send_sms(NUMBER, "code", not_after=20)
    assert caught.value.reason is smsgate.Reason.TIMED_OUT


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), "60", True])
async def test_not_after_is_a_number_of_seconds(wrong: Any):
    async with smsgate.AsyncSession("a", "b", sender="Shop", url=URL) as session:
        with pytest.raises(ValueError, match="not_after: must be a number of seconds"):
            await session.send_sms(NUMBER, "code", not_after=wrong)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@each_connection
async def test_request_that_may_not_begin_puts_no_byte_on_the_wire(
    connection: str, listening: socket.socket
):
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    asked = list[bool]()

    def too_late() -> bool:
        asked.append(True)
        return False

    exchange = Exchange(may_begin=too_late)
    async with transport_of(connection, url) as transport:
        with pytest.raises(smsgate.NotSent) as caught:
            await transport.post(Body(b"<x/>"), {}, limit=1000, exchange=exchange)
        assert (caught.value.reason, asked, exchange.left) == (TOO_LATE, [True], False)
    accepted, _ = listening.accept()
    with accepted:
        accepted.settimeout(10)
        assert accepted.recv(1) == b""  # the connection was made, and nothing came over it


async def test_late_request_without_trace_events_is_stopped_unread():
    """The client is stopped before it reads the body of the request."""

    def app(_: httpx.Request) -> httpx.Response:
        raise AssertionError("the request has left")

    async with httpx.AsyncClient(transport=httpx.MockTransport(app)) as client:
        exchange = Exchange(may_begin=lambda: False)
        with pytest.raises(smsgate.NotSent) as caught:
            await lent_transport(URL, client, connect=1.0).post(
                Body(b"<x/>"), {}, limit=1000, exchange=exchange
            )
    assert caught.value.reason is TOO_LATE


STOPPED = """
import sys, anyio, smsgate
async def main():
    account = {"login": "sandbox", "password": "sandbox", "url": sys.argv[1]}
    async with smsgate.AsyncSession(**account, sender="Shop") as session:
        await session.auth()
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            await session.send_sms("+380501234567", "code", not_after=1)
        except smsgate.NotSent as error:
            print(error.reason, flush=True)
anyio.run(main)
"""


def test_process_suspended_past_not_after_sends_nothing():
    with Sandbox() as sandbox:
        # The session expires, so the send needs a new login, during which the process is stopped.
        sandbox.faults.add("slow", operation="Auth", seconds=1.0)
        child = subprocess.Popen(
            [sys.executable, "-c", STOPPED, sandbox.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        sandbox.drop_sessions()
        child.stdin.write("\n")
        child.stdin.flush()
        while sandbox.calls["Auth"] < 2:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(child.pid, signal.SIGCONT)
        said, _ = child.communicate(timeout=30)
        assert said == "too late\n"
        assert len(sandbox.messages) == 0
