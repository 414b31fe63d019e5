"""The clients that the benchmark of speed compares: each sends the same messages.

Each is an async context manager. It is given the URL and how many calls are made at once, and it
returns a function that makes one call; `place` says which of the calls at once it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import zeep
from zeep.transports import AsyncTransport

import smsgate
from smsgate.config import MOST_CONCURRENCY, TransportName
from smsgate.protocol.envelope import request_body
from smsgate.protocol.operations import SEND_SMS

__all__ = ["CLIENTS", "SENDER", "TEXT", "Call"]

SENDER, TEXT = "Shop", "Ваше замовлення вже в дорозі. Дякуємо!"
HEADERS = {
    "Content-Type": "text/xml; charset=utf-8",
    "SOAPAction": f'"{SEND_SMS.action}"',
    "Cookie": "PHPSESSID=q4dq58tn0p",
}

Call = Callable[[int, list[str]], Awaitable[None]]
Client = Callable[[str, int], AbstractAsyncContextManager[Call]]


def body(numbers: list[str]) -> bytes:
    """Return the request as every client but zeep writes it."""
    return request_body(SEND_SMS, sender=SENDER, destination=",".join(numbers), text=TEXT)


def checked(status: int, reply: bytes, numbers: list[str]) -> None:
    """Check as little as anybody would."""
    assert (status, reply.count(b"-27d1-")) == (200, len(numbers))


def _concurrency(at_once: int) -> int:
    return min(at_once, MOST_CONCURRENCY)


def _own(transport: TransportName) -> Client:
    @asynccontextmanager
    async def opened(url: str, at_once: int) -> AsyncIterator[Call]:
        async with smsgate.AsyncSession(
            "login",
            "password",
            sender=SENDER,
            url=url,
            concurrency=_concurrency(at_once),
            transport=transport,
        ) as session:

            async def call(_place: int, numbers: list[str]) -> None:
                await session.send_sms(numbers, TEXT)

            yield call

    return opened


@asynccontextmanager
async def smsgate_lent(url: str, at_once: int) -> AsyncIterator[Call]:
    limits = httpx2.Limits(max_connections=_concurrency(at_once))
    async with (
        httpx2.AsyncClient(limits=limits, trust_env=False) as client,
        smsgate.AsyncSession(
            "login",
            "password",
            sender=SENDER,
            url=url,
            concurrency=_concurrency(at_once),
            http_client=client,
        ) as session,
    ):

        async def call(_place: int, numbers: list[str]) -> None:
            await session.send_sms(numbers, TEXT)

        yield call


def _one_each(library: Any) -> Client:
    @asynccontextmanager
    async def opened(url: str, at_once: int) -> AsyncIterator[Call]:
        context = library.create_ssl_context()
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(library.AsyncClient(verify=context))
                for _ in range(at_once)
            ]

            async def call(place: int, numbers: list[str]) -> None:
                response = await clients[place].post(url, content=body(numbers), headers=HEADERS)
                checked(response.status_code, response.content, numbers)

            yield call

    return opened


def _shared(library: Any) -> Client:
    @asynccontextmanager
    async def opened(url: str, at_once: int) -> AsyncIterator[Call]:
        limits = library.Limits(max_connections=_concurrency(at_once))
        # The clients of the libraries wait at most five seconds for a connection.
        async with library.AsyncClient(limits=limits, timeout=600, trust_env=False) as client:

            async def call(_place: int, numbers: list[str]) -> None:
                response = await client.post(url, content=body(numbers), headers=HEADERS)
                checked(response.status_code, response.content, numbers)

            yield call

    return opened


@asynccontextmanager
async def httpx_transport(url: str, at_once: int) -> AsyncIterator[Call]:
    context = httpx.create_ssl_context()
    async with AsyncExitStack() as stack:
        transports = [
            await stack.enter_async_context(httpx.AsyncHTTPTransport(verify=context))
            for _ in range(at_once)
        ]

        async def call(place: int, numbers: list[str]) -> None:
            request = httpx.Request("POST", url, content=body(numbers), headers=HEADERS)
            response = await transports[place].handle_async_request(request)
            checked(response.status_code, await response.aread(), numbers)
            await response.aclose()

        yield call


@asynccontextmanager
async def zeep_async(url: str, at_once: int) -> AsyncIterator[Call]:
    limits = httpx.Limits(max_connections=_concurrency(at_once))
    with httpx.Client() as reading:
        async with httpx.AsyncClient(limits=limits, timeout=600) as client:
            transport = AsyncTransport(client=client, wsdl_client=reading)
            service = zeep.AsyncClient(url.replace("soap", "wsdl"), transport=transport).service

            async def call(_place: int, numbers: list[str]) -> None:
                found = await service.SendSMS(
                    sender=SENDER, destination=",".join(numbers), text=TEXT, wappush=""
                )
                assert len(found) == len(numbers) + 1

            yield call


@asynccontextmanager
async def aiohttp_by_hand(url: str, at_once: int) -> AsyncIterator[Call]:
    connector = aiohttp.TCPConnector(limit=_concurrency(at_once))
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(_place: int, numbers: list[str]) -> None:
            async with session.post(url, data=body(numbers), headers=HEADERS) as response:
                checked(response.status, await response.read(), numbers)

        yield call


class _Raw(asyncio.Protocol):
    """A connection that knows only as much of HTTP as the static gateway."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    async def post(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self._read = b""
        self.transport.write(request)
        answer: bytes = await self._answer
        return answer

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, _, content = self._read.partition(b"\r\n\r\n")
        if content and len(content) == int(head.rpartition(b"Content-Length: ")[2]):
            self._answer.set_result(content)


@asynccontextmanager
async def raw_sockets(url: str, at_once: int) -> AsyncIterator[Call]:
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(_Raw, address.hostname, address.port) for _ in range(at_once)
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n{lines}".encode()

    async def call(place: int, numbers: list[str]) -> None:
        content = body(numbers)
        request = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(content), content)
        checked(200, await opened[place][1].post(request), numbers)

    yield call
    for transport, _ in opened:
        transport.close()


CLIENTS: Mapping[str, Client] = {
    "smsgate": _own("httpx"),
    "smsgate on aiohttp": _own("aiohttp"),
    "smsgate on httpx2": smsgate_lent,
    "httpx, one client each": _one_each(httpx),
    "httpx's transport": httpx_transport,
    "httpx2, one client each": _one_each(httpx2),
    "httpx2, one client": _shared(httpx2),
    "zeep": zeep_async,
    "aiohttp": aiohttp_by_hand,
    "raw sockets": raw_sockets,
}
