"""Fixtures for the tests of applications that send SMS. A pytest plugin: with the package installed, they are simply there.

    async def test_the_code_is_sent(smsgate_sandbox, smsgate_session):
        async with smsgate_session as session:
            await session.send_sms("+380501234567", "Ваш код: 4815")
        assert smsgate_sandbox.messages[0].text == "Ваш код: 4815"

The fixtures are synchronous, so that they work with anyio's plugin, pytest-asyncio, pytest-trio and without any of them. They
need the extra `sandbox`.

Rules of this file: no behaviour of its own, what the gateway does is the sandbox's. pytest imports this file in every run, so
everything else is imported inside the fixture that needs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox, Settings
    from .session import AsyncSession

__all__ = ["pytest_configure", "smsgate_environment", "smsgate_sandbox", "smsgate_server", "smsgate_session", "smsgate_settings"]

_MARKER = (
    "smsgate(**settings): settings of the sandbox that the fixtures of smsgate give, by the names of smsgate.sandbox.Settings"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def smsgate_settings(request: pytest.FixtureRequest) -> Settings:
    """How the sandbox behaves: delivered at once, the same ids in each run, and what the markers `smsgate(...)` say.

    The marker nearest to the test decides. Override the fixture for settings of your own. Raises `ValueError`, which names the
    setting, for a value that makes no sense, and `TypeError` for a setting that there is not.
    """
    from .sandbox import Settings  # noqa: PLC0415 - the rule of this file

    given: dict[str, Any] = {"delivery_seconds": 0.0, "seed": 0}
    for marker in reversed(list(request.node.iter_markers("smsgate"))):
        given |= marker.kwargs
    return Settings(**given)


@pytest.fixture
def smsgate_sandbox(smsgate_settings: Settings) -> Sandbox:
    """A gateway of this test alone, in this process and without a socket: its messages, its switches, its faults."""
    from .sandbox import Sandbox  # noqa: PLC0415 - the rule of this file

    return Sandbox(smsgate_settings)


@pytest.fixture
def smsgate_session(smsgate_sandbox: Sandbox) -> AsyncSession:
    """A session pointed at `smsgate_sandbox`, with the sender Shop. A test opens it: `async with smsgate_session as session`."""
    from ._client.transport import client_of  # noqa: PLC0415
    from .session import AsyncSession  # noqa: PLC0415 - the rule of this file

    settings, url = smsgate_sandbox.settings, smsgate_sandbox.in_process_url
    client = client_of(smsgate_sandbox.app)
    return AsyncSession(settings.login, settings.password, sender="Shop", url=url, http_client=client)


@pytest.fixture
def smsgate_server(smsgate_sandbox: Sandbox) -> Iterator[Sandbox]:
    """`smsgate_sandbox` again, now serving on a free port of 127.0.0.1, at its `url`, for clients that need a socket."""
    with smsgate_sandbox as running:
        yield running


@pytest.fixture
def smsgate_environment(smsgate_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that point `AsyncSession.from_env()` and the command at `smsgate_server`, set while the test runs.

    Others of `SMSGATE_` are taken away meanwhile: a proxy or a country of the machine must not decide whether a test passes.
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
