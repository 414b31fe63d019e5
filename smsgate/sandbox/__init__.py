"""A gateway of the same protocol on this machine, for tests and for development. Needs the extra `sandbox`.

    with Sandbox() as sandbox:
        async with smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=sandbox.url) as session:
            await session.send_sms("+380501234567", "Ваш код: 4815")
        assert sandbox.messages[0].text == "Ваш код: 4815"

Any SOAP client in any language can use it: point it at another host, nothing else changes. Numbers that bring an answer on
demand stand in `MAGIC`. Rule of this package: it imports the protocol and never the client.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Self

from .app import SOAP_PATH, WSDL_PATH, ASGIApp, Endpoints
from .gateway import Gateway, SandboxMessage
from .journey import MAGIC, MagicNumber
from .server import ServerThread, listen
from .settings import AccountState, FailedSlot, Settings
from .turns import Turns

__all__ = ["MAGIC", "AccountState", "FailedSlot", "MagicNumber", "Sandbox", "SandboxMessage", "Settings"]

_DEFAULTS = Settings()
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound here, only translated


class Sandbox:
    """A whole gateway. As a context manager it serves from a thread of its own; `app` serves without a socket.

    `port` 0 takes a free one. `clock` gives seconds, for the life of sessions and for delivery. A host that other machines
    can reach needs `exposed=True`, or `ValueError` is raised.
    """

    def __init__(
        self,
        settings: Settings = _DEFAULTS,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        exposed: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not exposed and not _is_loopback(host):
            raise ValueError("host: other machines can reach it; say exposed=True if they should")
        self._host = host
        self._port = port
        self._gateway = Gateway(settings, clock)
        self._turns = Turns(locked=settings.lock_cookies)
        self._endpoints = Endpoints(self._gateway, self._turns)
        self._server: ServerThread | None = None
        self._origin: str | None = None

    def __enter__(self) -> Self:
        """Start serving. Raises `OSError`, which names host and port, if the port is in use."""
        if self._server:
            raise RuntimeError("the sandbox is running already")
        listener = listen(self._host, self._port)
        port = listener.getsockname()[1]
        self._endpoints.stopping = False
        self._server = ServerThread(self.app, listener)
        host = _LOOPBACK_OF.get(self._host, self._host)
        self._origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving, within a second. The state stays and can be looked at."""
        server, self._server, self._origin = self._server, None, None
        if server:
            self._endpoints.stopping = True
            server.stop()

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, to be served in this process (`httpx.ASGITransport`) or by another server."""
        return self._endpoints.app

    @property
    def url(self) -> str:
        """Where the five operations are called. Raises `RuntimeError` if the sandbox is not running."""
        return self._address(SOAP_PATH)

    @property
    def wsdl_url(self) -> str:
        """Where the WSDL is. Raises `RuntimeError` if the sandbox is not running."""
        return self._address(WSDL_PATH)

    def _address(self, path: str) -> str:
        if self._origin is None:
            raise RuntimeError("the sandbox is not running: it has an address inside its with block")
        return self._origin + path

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """Every accepted message, oldest first, each with its state at this moment."""
        return self._gateway.messages

    @property
    def balance(self) -> Decimal:
        """Credits that are left."""
        return self._gateway.balance

    @property
    def calls(self) -> Counter[str]:
        """How often each operation was called, refused or not, by its name."""
        return self._gateway.calls

    @property
    def most_in_flight(self) -> int:
        """The most requests that were ever on their way with one and the same cookie, those that wait for it included."""
        return self._turns.most

    def drop_sessions(self) -> None:
        """Forget every session at once, as the real gateway does now and then: each cookie is dead."""
        self._gateway.drop_sessions()

    def clear(self) -> None:
        """Forget messages and counters and restore the balance. Sessions live on."""
        self._gateway.clear()
        self._turns.most = 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
