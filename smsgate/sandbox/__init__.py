"""A local gateway with the same protocol, for tests and development. Needs the extra `sandbox`.

    with Sandbox() as sandbox:
        session = smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=sandbox.url)
        async with session:
            await session.send_sms("+380501234567", "Ваш код: 4815")
        assert sandbox.messages[0].text == "Ваш код: 4815"

Any SOAP client in any language can use it; only the host differs. `MAGIC` lists the numbers with a
fixed answer. Rule of this package: it imports the protocol and never the client.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from ..extras import missing
from ..protocol.answers import DeliveryState

try:
    from .account import AccountRow
    from .account_settings import AccountState, FailedSlot, OtherAccount, Settings
    from .api import Api
    from .call_log import CallOutcome, SandboxCall
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
    from .keeping import Keeping, NoDatabase
    from .magic_numbers import MAGIC, MagicNumber
    from .search import EVERYTHING, parse_narrow_search, parse_search
    from .server import ServerThread, listen
    from .session_lock import CookieLocks
    from .store import SandboxMessage, Saving
    from .waiting import STEP, Wait, number_of
    from .web import SOAP_PATH, WSDL_PATH, ASGIApp, Endpoints
    from .webhook import Webhook, WebhookCounts
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.sandbox") from None

__all__ = [
    "FAULTS",
    "MAGIC",
    "AccountRow",
    "AccountState",
    "CallOutcome",
    "ConnectionEnd",
    "FailedSlot",
    "FaultKind",
    "FaultRow",
    "FaultRule",
    "Faults",
    "MagicNumber",
    "OtherAccount",
    "PreparedReply",
    "Sandbox",
    "SandboxCall",
    "SandboxMessage",
    "Saving",
    "Settings",
    "WebhookCounts",
    "parse_rule",
]

_DEFAULTS = Settings()
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound here, only translated


class Sandbox:
    """A complete gateway, with an inbox page, a JSON API and faults.

        with Sandbox(Settings(credits=5)) as sandbox:
            session = AsyncSession("sandbox", "sandbox", sender="Shop", url=sandbox.url)
            async with session:
                await session.send_sms("+380501234567", "Ваш код: 4815")
            print(sandbox.messages[-1].text, sandbox.balance)

    As a context manager it serves from its own thread. `app` works without a socket. `faults` adds
    network failures and bad answers; the inbox at `inbox_url` shows the messages.

    Args:
        settings: how the sandbox behaves.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        exposed: must be True for a host that other machines can reach.
        names: more host names that requests may use. IP addresses and names that no public site
            can have, such as `localhost`, are always allowed. Other names are refused, so that web
            pages cannot reach the sandbox through a visitor's browser.
        tls: serves https with this context; None serves plain http.
        clock: returns seconds since 1970; sessions and deliveries use it.
        database: a file that keeps messages, calls, balances, sessions and faults over a restart;
            it is created if it does not exist. None keeps nothing. The sandbox closes it when the
            `with` block ends, and then keeps nothing more.
        webhook: an http or https address; each accepted message is posted to it, as JSON. The
            real gateway has no webhook.

    Raises:
        ValueError: other machines can reach the host, and `exposed` is False; or the database or
            the webhook cannot be used. The message names the argument.
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
        database: str | PathLike[str] | None = None,
        webhook: str | None = None,
    ) -> None:
        if not exposed and not _is_loopback(host):
            raise ValueError("host: other machines can reach it; set exposed=True to allow this")
        self._host = host
        self._port = port
        self._tls = tls
        self._faults = Faults(settings.seed, self._keep_faults)
        self._webhook = None if webhook is None else Webhook(webhook, self._touch)
        arrived = self._webhook.offer if self._webhook else _nobody_is_told
        keeping = _keeping(database)
        try:
            self._gateway = Gateway(settings, clock, keeping, arrived)
        except ValueError:
            keeping.close()
            raise
        self._faults.restore(self._gateway.kept_faults)
        self._cookie_locks = CookieLocks(locked=settings.lock_cookies)
        known = frozenset(name.lower() for name in (*names, host))
        api = Api(self._gateway, self._faults, self._webhook)
        self._endpoints = Endpoints(api, self._cookie_locks, known)
        self._has_database = database is not None
        self._database_closed = False
        self._server: ServerThread | None = None
        self._origin: str | None = None

    def __enter__(self) -> Self:
        """Start serving.

        Raises:
            OSError: it cannot listen, for example because the port is in use. The database is
                closed then.
            RuntimeError: the sandbox is already running, or has run and closed its database.
        """
        if self._server:
            raise RuntimeError("the sandbox is already running")
        if self._database_closed:
            raise RuntimeError("the sandbox has closed its database: make a new Sandbox")
        try:
            listener = listen(self._host, self._port)
            port = listener.getsockname()[1]
            self._endpoints.stopping = False
            keep_alive = self._gateway.settings.keep_alive_seconds
            self._server = ServerThread(
                self.app, listener, tls=self._tls, keep_alive_seconds=keep_alive
            )
        except BaseException:
            # Nobody will call `__exit__`, and the file would stay locked.
            self._close_database()
            raise
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
        """Stop serving, within a second. Messages and counters can still be read."""
        server, self._server, self._origin = self._server, None, None
        if server:
            self._endpoints.stopping = True
            server.stop()
        if self._webhook:
            self._webhook.stop()
        self._close_database()

    def _close_database(self) -> None:
        self._gateway.close()
        self._database_closed = self._has_database

    def _keep_faults(self) -> None:
        self._gateway.set_faults(tuple(rule for rule in self._faults.rules if rule.kept))

    def _touch(self) -> None:
        self._gateway.touch()

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, for `httpx.ASGITransport` or another server."""
        return self._endpoints.app

    @property
    def in_process_url(self) -> str:
        """The gateway's URL for a client that calls `app` in this process."""
        return f"http://localhost{SOAP_PATH}"

    @property
    def settings(self) -> Settings:
        """The settings of this sandbox."""
        return self._gateway.settings

    @property
    def url(self) -> str:
        """The URL of the gateway. Raises `RuntimeError` if the sandbox is not running."""
        return self._address(SOAP_PATH)

    @property
    def wsdl_url(self) -> str:
        """The URL of the WSDL. Raises `RuntimeError` if the sandbox is not running."""
        return self._address(WSDL_PATH)

    @property
    def inbox_url(self) -> str:
        """The URL of the inbox page. Raises `RuntimeError` if the sandbox is not running."""
        return self._address("/")

    def _address(self, path: str) -> str:
        if self._origin is None:
            raise RuntimeError("the sandbox is not running: use its URLs inside the with block")
        return self._origin + path

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """The newest `Settings.keep_messages` messages, oldest first, with their current states."""
        return self._gateway.messages

    def find(self, search: str) -> tuple[SandboxMessage, ...]:
        """Return the messages that a search finds, oldest first, as the inbox does.

            codes = sandbox.find("to:+380501234567 has:code")

        Args:
            search: words that must all match, such as `to:+380501234567 is:delivered "ваш код"`.

        Raises:
            ValueError: the search is not possible. The message says what is.
        """
        keep = self._gateway.settings.keep_messages
        return self._gateway.page(
            number=None, search=parse_search(search), before=None, after=0, limit=keep
        ).messages

    def wait_for_message(
        self,
        to: str | None = None,
        *,
        search: str = "",
        after: int = 0,
        timeout: float = 10.0,
    ) -> SandboxMessage:
        """Return the newest message that matches; wait for one if there is none yet.

            message = sandbox.wait_for_message("+380501234567", search="has:code")
            print(message.code)

        It blocks the thread, for tests that are not async, such as those of Playwright's sync API.

        Args:
            to: only messages to this number, however it is written; None for all.
            search: only messages that this search finds, such as `has:code`.
            after: only messages with a larger `sequence`.
            timeout: seconds to wait.

        Raises:
            TimeoutError: no such message arrived. The message says how many calls there were.
            ValueError: `to` is not a phone number, or the search is not possible.
        """
        wait = Wait(self._gateway, number_of(to), parse_search(search), after, timeout)
        while (found := wait.look()) is None:
            if wait.over:
                raise wait.timed_out()
            time.sleep(STEP)
        return found

    async def next_message(
        self,
        to: str | None = None,
        *,
        search: str = "",
        after: int = 0,
        timeout: float = 10.0,
    ) -> SandboxMessage:
        """Return the newest message that matches, as `wait_for_message` does, in an async test.

            message = await sandbox.next_message("+380501234567")
            print(message.text)

        Args:
            to: only messages to this number, however it is written; None for all.
            search: only messages that this search finds, such as `has:code`.
            after: only messages with a larger `sequence`.
            timeout: seconds to wait.

        Raises:
            TimeoutError: no such message arrived. The message says how many calls there were.
            ValueError: `to` is not a phone number, or the search is not possible.
        """
        wait = Wait(self._gateway, number_of(to), parse_search(search), after, timeout)
        while (found := wait.look()) is None:
            if wait.over:
                raise wait.timed_out()
            await anyio.sleep(STEP)
        return found

    def delete(self, search: str) -> int:
        """Delete the messages that a search finds, and return how many. Counters and balance stay.

            deleted = sandbox.delete("to:+380501234567")

        Args:
            search: words that must all match, as for `find`.

        Raises:
            ValueError: the search is empty or not possible. The message says what is.
        """
        return self._gateway.delete_found(
            number=None, search=parse_narrow_search(search), before=None
        )

    def messages_after(self, sequence: int) -> tuple[SandboxMessage, ...]:
        """Return the messages accepted after this sequence number, oldest first; 0 for all.

        Example::

            seen = sandbox.messages[-1].sequence
            await session.send_sms("+380671234567", "Ще одне")
            (new,) = sandbox.messages_after(seen)
        """
        keep = self._gateway.settings.keep_messages
        return self._gateway.page(
            number=None, search=EVERYTHING, before=None, after=sequence, limit=keep
        ).messages

    @property
    def accepted(self) -> int:
        """The number of messages accepted since the start, or since the last `clear`."""
        return self._gateway.overview.accepted

    def set_status(self, message_id: str, state: DeliveryState | None) -> None:
        """Set the delivery status of a message.

            sandbox.set_status(message_id, DeliveryState.NOT_DELIVERED)

        Args:
            message_id: the id of the message.
            state: the status from now on; None returns to the delivery schedule.

        Raises:
            LookupError: there is no such message.
        """
        self._gateway.set_status(message_id, state)

    @property
    def faults(self) -> Faults:
        """The active faults.

        Add one: `sandbox.faults.add("reset after", operation="SendSMS", times=1)`.
        """
        return self._faults

    @property
    def balance(self) -> Decimal:
        """The balance in credits. It can be set."""
        return self.accounts[0].balance

    @balance.setter
    def balance(self, value: Decimal | int) -> None:
        self._gateway.set_account(balance=Decimal(value))

    @property
    def account(self) -> AccountState:
        """Whether the account may log in. A change ends all gateway sessions and applies now."""
        return self.accounts[0].state

    @account.setter
    def account(self, state: AccountState) -> None:
        self._gateway.set_account(state=AccountState(state))

    @property
    def accounts(self) -> tuple[AccountRow, ...]:
        """Login, state and balance of each account, that of `Settings.login` first."""
        return self._gateway.accounts

    def set_account(
        self,
        login: str,
        *,
        state: AccountState | None = None,
        balance: Decimal | int | None = None,
    ) -> None:
        """Set state or balance of an account. A new state ends its sessions and applies now.

            sandbox.set_account("sandbox", balance=5)

        Args:
            login: the login of the account.
            state: the new state; None leaves it.
            balance: the new balance in credits; None leaves it.

        Raises:
            LookupError: no account has this login.
        """
        self._gateway.set_account(
            login,
            state=None if state is None else AccountState(state),
            balance=None if balance is None else Decimal(balance),
        )

    @property
    def calls(self) -> Counter[str]:
        """The number of calls of each operation, including refused ones."""
        return self._gateway.calls

    @property
    def call_log(self) -> tuple[SandboxCall, ...]:
        """The newest `Settings.keep_calls` calls, oldest first, including refused ones."""
        return self._gateway.call_log

    def calls_after(self, number: int) -> tuple[SandboxCall, ...]:
        """Return the stored calls after this number, oldest first; 0 for all.

        Example::

            seen = sandbox.call_log[-1].number
            await session.get_credit_balance()
            (call,) = sandbox.calls_after(seen)
        """
        keep = self._gateway.settings.keep_calls
        page = self._gateway.call_page(outcome=None, operation=None, after=number, limit=keep)
        return page.calls[::-1]

    def messages_of(self, call: SandboxCall) -> tuple[SandboxMessage, ...]:
        """Return the messages that this call accepted, oldest first, if they are still stored.

        Example::

            for call in sandbox.call_log:
                print(call.operation, len(sandbox.messages_of(call)))
        """
        return self._gateway.messages_of(call)

    @property
    def most_in_flight(self) -> int:
        """The maximum number of simultaneous requests with one cookie, including waiting ones."""
        return self._cookie_locks.most

    @property
    def idle_closed(self) -> int:
        """The number of idle connections that the running sandbox has closed."""
        return self._server.idle_closed if self._server else 0

    @property
    def webhook(self) -> WebhookCounts | None:
        """How the webhook is doing; None if there is none."""
        return self._webhook.counts if self._webhook else None

    def drop_sessions(self) -> None:
        """End all gateway sessions, as the gateway sometimes does: all cookies become invalid.

        Example::

            sandbox.drop_sessions()
            await session.get_credit_balance()  # logs in again
        """
        self._gateway.drop_sessions()

    def clear(self) -> None:
        """Delete messages and counters and restore the balance. Sessions and faults stay.

        Example::

            sandbox.clear()
        """
        self._gateway.clear()
        self._cookie_locks.most = 0

    def reset(self) -> None:
        """Delete messages, sessions, counters and faults, and restore the account's settings.

        Example::

            sandbox.reset()
        """
        self._faults.clear()
        self._gateway.reset()
        self._cookie_locks.most = 0


def _nobody_is_told(_: Sequence[SandboxMessage]) -> None:
    """There is no webhook."""


def _keeping(path: str | PathLike[str] | None) -> Keeping:
    if path is None:
        return NoDatabase()
    from .database import SandboxDatabase  # noqa: PLC0415 - loads sqlite3

    return SandboxDatabase(Path(path))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
