"""The ways in which a session is connected, for the tests that hold for each of them.

`each_connection` gives a test the name of each, `each_own_name` the name of those that the session
makes itself, and `each_own` their options. aiohttp works on asyncio only, so `conftest.py` leaves
out its tests on trio.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest

from smsgate._client.aiohttp_transport import aiohttp_transport
from smsgate._client.httpx_transport import lent_transport, own_transport, ssl_settings
from smsgate._client.transport import Transport

__all__ = [
    "AIOHTTP",
    "LENT",
    "connected",
    "each_connection",
    "each_own",
    "each_own_name",
    "own_transport_of",
    "transport_of",
]

LENT: dict[str, Any] = {"httpx": httpx, "httpx2": httpx2}
AIOHTTP = pytest.param("aiohttp", marks=pytest.mark.asyncio_only)

each_connection = pytest.mark.parametrize("connection", ["own", AIOHTTP, *LENT])
each_own_name = pytest.mark.parametrize("own", ["own", AIOHTTP])
each_own = pytest.mark.parametrize(
    "own",
    [
        pytest.param({}, id="own"),
        pytest.param({"transport": "aiohttp"}, id="aiohttp", marks=pytest.mark.asyncio_only),
    ],
)


@asynccontextmanager
async def connected(connection: str, **options: Any) -> AsyncIterator[dict[str, Any]]:
    """Give the arguments of a session for this connection. `options` are those of a lent client."""
    if connection in LENT:
        async with LENT[connection].AsyncClient(**options) as client:
            yield {"http_client": client}
    else:
        yield {} if connection == "own" else {"transport": connection}


def own_transport_of(connection: str, url: str, **options: Any) -> Transport:
    """Return a transport of a session's own."""
    made = aiohttp_transport if connection == "aiohttp" else own_transport
    options = {"proxy": None, "connect": 5.0, "keep_alive": 1.0} | options
    return made(url, ssl_settings(False, url), **options)


@asynccontextmanager
async def transport_of(connection: str, url: str) -> AsyncIterator[Transport]:
    """Give a transport to this address, and close it."""
    async with connected(connection) as options:
        client = options.get("http_client")
        transport = (
            lent_transport(url, client, connect=5.0)
            if client is not None
            else own_transport_of(connection, url)
        )
        try:
            yield transport
        finally:
            await transport.aclose()
