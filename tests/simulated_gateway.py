"""A gateway in simulated time.

The sandbox's own gateway and table of faults stand behind an httpx transport, which draws each
delay and each fault from one seed. Requests and replies are the same as over a socket.

Rule of this file: no real clock and no real randomness, so that one seed gives one history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from random import Random
from typing import Any

import httpx
import trio

from smsgate.protocol.operations import SEND_SMS
from smsgate.sandbox import FAULTS, FaultKind, Settings
from smsgate.sandbox.faults import ConnectionEnd, FaultRow, PreparedReply
from smsgate.sandbox.gateway import Gateway
from smsgate.sandbox.keeping import NoDatabase
from smsgate.sandbox.soap import read_call, result_body

__all__ = ["URL", "SimulatedGateway", "gateway_of"]

URL = "https://gateway.test/api/soap.html"

_EXCEPTIONS: dict[ConnectionEnd, tuple[type[httpx.TransportError], str]] = {
    ConnectionEnd.CLOSED: (
        httpx.RemoteProtocolError,
        "Server disconnected without sending a response.",
    ),
    ConnectionEnd.RESET: (httpx.ReadError, ""),
    ConnectionEnd.CUT_HEADERS: (
        httpx.RemoteProtocolError,
        "Server disconnected without sending a response.",
    ),
    ConnectionEnd.CUT_BODY: (
        httpx.RemoteProtocolError,
        "peer closed connection without sending complete message body",
    ),
    ConnectionEnd.NOT_HTTP: (httpx.RemoteProtocolError, "illegal status line"),
}


def gateway_of(settings: Settings) -> Gateway:
    """Return a gateway in simulated time, which keeps nothing and tells nobody."""
    return Gateway(settings, trio.current_time, NoDatabase(), lambda _: None)


class SimulatedGateway(httpx.AsyncBaseTransport):
    """Answers requests after a while.

    `share` is how many meet a fault, or never reach the gateway; `told` hears what happens.
    `up_at` is when it can first be reached; `fault_of` chooses the fault for the body of a request
    in place of chance. `sentence` is what it answers to every send, once it is set. `left` are the
    bodies of the requests that have left.
    """

    up_at = 0.0
    fault_of: Callable[[bytes], FaultKind | None] | None = None
    sentence = ""

    def __init__(
        self, random: Random, settings: Settings, share: float, told: Callable[[str], None]
    ) -> None:
        self.gateway = gateway_of(settings)
        self.share = share
        self.left: list[bytes] = []
        self._random = random
        self._told = told

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, or raise what httpx would.

        Once it has left, the work may be done even if nobody waits for it.
        """
        trace = request.extensions["trace"]
        patience: float | None = request.extensions["timeout"]["read"]
        cookie = request.headers.get("cookie", "").removeprefix("PHPSESSID=") or None
        kind = None if self.fault_of else self._draw()
        await trace("connection.connect_tcp.started", {})
        await trio.sleep(self._random.uniform(0, 0.01))
        if trio.current_time() < self.up_at or self._random.random() < self.share / 4:
            refused = httpx.ConnectError("refused")
            await trace("connection.connect_tcp.failed", {"exception": refused})
            raise refused
        await trace("http11.send_request_headers.started", {"request": request})
        body = await request.aread()
        self.left.append(body)
        kind = self.fault_of(body) if self.fault_of else kind
        fault = FAULTS[kind] if kind else None
        done: list[httpx.Response] = []

        def work() -> httpx.Response:
            done.append(self._work(body, cookie, fault))
            return done[0]

        try:
            await trio.sleep(self._random.uniform(0, 0.2))
            answer = work()
            await trio.sleep(self._random.uniform(0, 0.2))
        except trio.Cancelled:
            # PHP goes on after its client has left, if it got as far as that.
            if not done and self._random.random() < 0.5:
                work()
            raise
        if fault and fault.ends is ConnectionEnd.SILENT:
            await trio.sleep(inf if patience is None else patience)
            raise httpx.ReadTimeout("")
        if fault and fault.ends:
            kind, message = _EXCEPTIONS[fault.ends]
            raise kind(message)
        return answer

    def pay_in(self, amount: int) -> None:
        """Add this number of credits to the balance."""
        (account,) = self.gateway.accounts
        self.gateway.set_account(balance=account.balance + amount)

    def _draw(self) -> FaultKind | None:
        return self._random.choice(list(FaultKind)) if self._random.random() < self.share else None

    def _work(self, body: bytes, cookie: str | None, fault: FaultRow | None) -> httpx.Response:
        call = read_call(body)
        session = self.gateway.open_session(cookie)
        if fault and fault.forgets:
            session = self.gateway.lose_session(session)
        reply, accepted = PreparedReply(200, "text/html", b""), range(0)
        if fault is None or fault.works:
            answered = self.gateway.call(session, call.operation, call.arguments)
            accepted = answered.accepted
            if self.sentence and call.operation is SEND_SMS:
                answered = replace(answered, result=(self.sentence,))
            reply = PreparedReply(
                200,
                call.version.content_type,
                result_body(call.version, call.operation, answered.result),
            )
        if fault and fault.changes:
            reply = fault.changes(reply)
        self._told(f"{call.operation.name} {fault.kind if fault else 'well'} {list(accepted)}")
        headers: dict[str, Any] = {"Content-Type": reply.content_type}
        if session.id != cookie:
            headers["Set-Cookie"] = f"PHPSESSID={session.id}; path=/"
        return httpx.Response(reply.status, headers=headers, content=reply.body)
