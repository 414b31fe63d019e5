"""A pytest plugin with fixtures for applications that send SMS. It loads with the package.

    async def test_the_code_is_sent(smsgate_sandbox, smsgate_session):
        async with smsgate_session as session:
            await session.send_sms("+380501234567", "Ваш код: 4815")
        assert smsgate_sandbox.messages[0].text == "Ваш код: 4815"

The fixtures are synchronous, so they work with anyio's plugin, pytest-asyncio, pytest-trio, or
none of them. They need the extra `sandbox`.

Rules of this file: the gateway's behaviour belongs to the sandbox, not here. pytest imports this
file in every run, so each fixture imports what it needs itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox, Settings
    from .session import AsyncSession

__all__ = [
    "pytest_configure",
    "smsgate_code",
    "smsgate_environment",
    "smsgate_sandbox",
    "smsgate_server",
    "smsgate_session",
    "smsgate_settings",
]

_MARKER = (
    "smsgate(**settings): configure the sandbox of the smsgate fixtures;"
    " takes the fields of smsgate.sandbox.Settings"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `smsgate`."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def smsgate_settings(request: pytest.FixtureRequest) -> Settings:
    """The settings of the sandbox: messages are delivered immediately, and ids repeat in each run.

    `smsgate(...)` markers change single settings; the marker closest to the test wins. Override
    the fixture to use settings of your own.

    Raises:
        ValueError: a marker has an invalid value. The message names the setting.
        TypeError: a marker has an unknown setting.
    """
    from .sandbox import Settings  # noqa: PLC0415 - the rule of this file

    given: dict[str, Any] = {"delivery_seconds": 0.0, "seed": 0}
    for marker in reversed(list(request.node.iter_markers("smsgate"))):
        given |= marker.kwargs
    return Settings(**given)


@pytest.fixture
def smsgate_sandbox(smsgate_settings: Settings) -> Sandbox:
    """A new sandbox for this test, in this process and without a socket.

    Use it to read the messages, change the account and add faults.
    """
    from .sandbox import Sandbox  # noqa: PLC0415 - the rule of this file

    return Sandbox(smsgate_settings)


@pytest.fixture
def smsgate_session(smsgate_sandbox: Sandbox) -> AsyncSession:
    """A session connected to `smsgate_sandbox`, with the sender Shop. It is not open yet.

    Open it in the test: `async with smsgate_session as session`.
    """
    from ._client.httpx_transport import client_of  # noqa: PLC0415 - only where it is used
    from .session import AsyncSession  # noqa: PLC0415 - the rule of this file

    settings, url = smsgate_sandbox.settings, smsgate_sandbox.in_process_url
    client = client_of(smsgate_sandbox.app)
    return AsyncSession(
        settings.login, settings.password, sender="Shop", url=url, http_client=client
    )


@pytest.fixture
def smsgate_server(smsgate_sandbox: Sandbox) -> Iterator[Sandbox]:
    """`smsgate_sandbox`, serving on a free port of 127.0.0.1, for clients that need a socket.

    `smsgate_server.url` is the address.
    """
    with smsgate_sandbox as running:
        yield running


def _digits(number: str) -> str:
    return "".join(character for character in number if character in "0123456789")


@pytest.fixture
def smsgate_code(smsgate_server: Sandbox) -> Callable[..., str]:
    """A function that returns the newest one-time code sent to a number, and waits for it.

    `smsgate_code("+380501234567")` waits up to 10 seconds; `timeout=` sets another time. Each code
    is returned once, so the next call waits for the next one. For end-to-end tests in a browser.
    """
    seen: dict[str, int] = {}

    def newest_code(number: str, *, timeout: float = 10.0) -> str:
        message = smsgate_server.wait_for_message(
            number, search="has:code", after=seen.get(_digits(number), 0), timeout=timeout
        )
        seen[_digits(number)] = message.sequence
        return str(message.code)

    return newest_code


@pytest.fixture
def smsgate_environment(smsgate_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the environment variables for `smsgate_server` during the test, and return them.

    `AsyncSession.from_env()` and the command line then use the sandbox. All other `SMSGATE_`
    variables are removed during the test, so that the machine's proxy or country cannot affect it.
    """
    from .config import GatewaySettings, variable  # noqa: PLC0415 - the rule of this file

    settings = smsgate_server.settings
    variables = {
        "SMSGATE_LOGIN": settings.login,
        "SMSGATE_PASSWORD": settings.password,
        "SMSGATE_SENDER": "Shop",
        "SMSGATE_URL": smsgate_server.url,
    }
    ours = {variable(name) for name in GatewaySettings.model_fields}
    for name in [name for name in os.environ if name.upper() in ours]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables
