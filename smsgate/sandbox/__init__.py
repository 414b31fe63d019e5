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
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from types import TracebackType
from typing import Self

from ..extras import missing
from ..protocol.answers import DeliveryState

try:
    from .account_settings import AccountState, FailedSlot, Settings
    from .api import Api
    from .faults import (
        FAULTS,
        ConnectionEnd,
        FaultKind,
        FaultRow,
        FaultRule,
        Faults,
        PreparedReply,
        parse_rule,
    )
    from .gateway import Gateway
    from .magic_numbers import MAGIC, MagicNumber
    from .server import ServerThread, listen
    from .session_lock import Turns
    from .store import SandboxMessage, Saving
    from .web import SOAP_PATH, WSDL_PATH, ASGIApp, Endpoints
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.sandbox") from None

__all__ = [
    "FAULTS",
    "MAGIC",
    "AccountState",
    "ConnectionEnd",
    "FailedSlot",
    "FaultKind",
    "FaultRow",
    "FaultRule",
    "Faults",
    "MagicNumber",
    "PreparedReply",
    "Sandbox",
    "SandboxMessage",
    "Saving",
    "Settings",
    "parse_rule",
]

_DEFAULTS = Settings()
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound here, only translated


class Sandbox:
    """A whole gateway. As a context manager it serves from a thread of its own; `app` serves without a socket.

    `port` 0 takes a free one. `clock` gives seconds, for the life of sessions and for delivery. A host that other machines
    can reach needs `exposed=True`, or `ValueError` is raised. Requests are answered if they are addressed to an IP address, to
    `localhost`, or to one of `names`, so that no web page can have its visitor's browser ask. With `tls` it speaks https.

    Whatever happens on the wire is chosen with `faults`; the inbox at `inbox_url` shows what arrives.
    """

    def __init__(
        self,
        settings: Settings = _DEFAULTS,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        exposed: bool = False,
        names: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not exposed and not _is_loopback(host):
            raise ValueError("host: other machines can reach it; say exposed=True if they should")
        self._host = host
        self._port = port
        self._tls = tls
        self._gateway = Gateway(settings, clock)
        self._faults = Faults(settings.seed, self._gateway.touch)
        self._turns = Turns(locked=settings.lock_cookies)
        known = frozenset(name.lower() for name in (*names, host))
        self._endpoints = Endpoints(Api(self._gateway, self._faults), self._turns, known)
        self._server: ServerThread | None = None
        self._origin: str | None = None

    def __enter__(self) -> Self:
        """Start serving. Raises `OSError`, which names host and port, if the port is in use."""
        if self._server:
            raise RuntimeError("the sandbox is running already")
        listener = listen(self._host, self._port)
        port = listener.getsockname()[1]
        self._endpoints.stopping = False
        keep_alive = self._gateway.settings.keep_alive_seconds
        self._server = ServerThread(
            self.app, listener, tls=self._tls, keep_alive_seconds=keep_alive
        )
        host = _LOOPBACK_OF.get(self._host, self._host)
        scheme = "https" if self._tls else "http"
        self._origin = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
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
    def in_process_url(self) -> str:
        """The address of the five operations for a client that calls `app` in this process."""
        return f"http://localhost{SOAP_PATH}"

    @property
    def settings(self) -> Settings:
        """How it behaves."""
        return self._gateway.settings

    @property
    def url(self) -> str:
        """Where the five operations are called. Raises `RuntimeError` if the sandbox is not running."""
        return self._address(SOAP_PATH)

    @property
    def wsdl_url(self) -> str:
        """Where the WSDL is. Raises `RuntimeError` if the sandbox is not running."""
        return self._address(WSDL_PATH)

    @property
    def inbox_url(self) -> str:
        """Where the page with the messages is. Raises `RuntimeError` if the sandbox is not running."""
        return self._address("/")

    def _address(self, path: str) -> str:
        if self._origin is None:
            raise RuntimeError(
                "the sandbox is not running: it has an address inside its with block"
            )
        return self._origin + path

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """The accepted messages, oldest first, each with its state at this moment: the newest `Settings.keep_messages`."""
        return self._gateway.messages

    def messages_after(self, sequence: int) -> tuple[SandboxMessage, ...]:
        """The messages that were accepted after the one with this sequence, oldest first; 0 for all."""
        keep = self._gateway.settings.keep_messages
        return self._gateway.page(
            number=None, search="", before=None, after=sequence, limit=keep
        ).messages

    @property
    def accepted(self) -> int:
        """How many messages were accepted since the start, or since the last `clear`."""
        return self._gateway.overview.accepted

    def set_status(self, message_id: str, state: DeliveryState | None) -> None:
        """Give a message this delivery status from now on; None leaves it to the schedule again. Raises `LookupError`."""
        self._gateway.set_status(message_id, state)

    @property
    def faults(self) -> Faults:
        """The faults in force, and how to add one: `sandbox.faults.add("reset after", operation="SendSMS", times=1)`."""
        return self._faults

    @property
    def balance(self) -> Decimal:
        """Credits that are left. It can be set."""
        return self._gateway.balance

    @balance.setter
    def balance(self, value: Decimal | int) -> None:
        self._gateway.balance = Decimal(value)

    @property
    def account(self) -> AccountState:
        """Whether the account may log in. Setting it ends every session, so that it is felt at once."""
        return self._gateway.account

    @account.setter
    def account(self, state: AccountState) -> None:
        self._gateway.account = AccountState(state)

    @property
    def calls(self) -> Counter[str]:
        """How often each operation was called, refused or not, by its name."""
        return self._gateway.calls

    @property
    def most_in_flight(self) -> int:
        """The most requests that were ever on their way with one and the same cookie, those that wait for it included."""
        return self._turns.most

    @property
    def idle_closed(self) -> int:
        """How many idle connections were closed while it has been running."""
        return self._server.idle_closed if self._server else 0

    def drop_sessions(self) -> None:
        """Forget every session at once, as the real gateway does now and then: each cookie is dead."""
        self._gateway.drop_sessions()

    def clear(self) -> None:
        """Forget messages and counters and restore the balance. Sessions and faults live on."""
        self._gateway.clear()
        self._turns.most = 0

    def reset(self) -> None:
        """Make it as it was at the start: no messages, sessions, counters and faults, and the account as in the settings."""
        self._faults.clear()
        self._gateway.reset()
        self._turns.most = 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
