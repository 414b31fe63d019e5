"""The arguments of a session:

what is allowed, and complaints that name the argument and quote nothing.
"""

from __future__ import annotations

import ssl
from dataclasses import MISSING, fields
from decimal import Decimal
from inspect import Parameter, signature
from typing import Any

import aiohttp.client
import httpx
import httpx2
import pytest
from pydantic_core import PydanticUndefined

import smsgate
from smsgate.config import (
    _RULES,
    GatewaySettings,
    SessionConfig,
    Timeouts,
    positive,
    travels_in_clear,
)
from smsgate.settings import SmsGateSettings

GOOD: dict[str, Any] = {
    "login": "login",
    "password": "password",
    "sender": "Shop",
    "url": "http://turbosms.in.ua/api/soap.html",
    "concurrency": 4,
    "timeouts": Timeouts(),
    "transport": "httpx",
    "proxy": None,
    "verify": True,
    "http_client": None,
    "country": None,
}


def complaint(**arguments: Any) -> str | None:
    """Return what is wrong with the arguments of a session, None if nothing is."""
    try:
        SessionConfig(**arguments)
    except ValueError as error:
        return str(error)
    return None


class SomethingElse:
    """No HTTP client: it has `send` alone."""

    def send(self) -> None: ...


def test_deadlines_have_the_documented_defaults():
    assert Timeouts() == Timeouts(connect=10.0, read=30.0, send=300.0, keep_alive=1.0)


@pytest.mark.parametrize("value", [1, 0.001, 300.0, 10**9])
def test_positive_number_is_accepted(value: float):
    assert positive(value) is True


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        -0.0,
        float("nan"),
        float("inf"),
        float("-inf"),
        True,
        False,
        "1",
        None,
        Decimal(1),
        1j,
    ],
)
def test_anything_but_a_finite_positive_number_is_refused(value: Any):
    assert positive(value) is False


@pytest.mark.parametrize("name", ["connect", "read", "send", "keep_alive"])
@pytest.mark.parametrize("value", [0, -5, float("nan"), float("inf"), True, None, "77"])
def test_each_deadline_must_be_a_positive_number(name: str, value: Any):
    with pytest.raises(
        ValueError, match=f"^timeouts: {name} must be a number of seconds greater than 0$"
    ):
        Timeouts(**{name: value})


def test_deadlines_are_immutable():
    with pytest.raises(AttributeError):
        Timeouts().send = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sender": None},
        {"sender": "+380501234567"},
        {"login": "логин"},
        {"password": " spaces around "},
        {"password": "<&>]]>\"'"},
        {"url": "https://gateway.example:8443/api/soap.html"},
        {"url": "http://[::1]:8080/"},
        {"url": "HTTP://127.0.0.1"},
        {"concurrency": 1},
        {"concurrency": 256},
        {"proxy": "http://user:password@proxy.example:3128"},
        {"verify": False},
        {"verify": ssl.create_default_context()},
    ],
)
def test_good_arguments_pass(change: dict[str, Any]):
    assert complaint(**{**GOOD, **change}) is None


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_client_of_either_library_passes(library: Any):
    assert complaint(**{**GOOD, "http_client": library.AsyncClient()}) is None


ADDRESS = "url: must be an address that begins with http:// or https://"
PLAIN_ADDRESS = f"{ADDRESS}, in ASCII and without white space"
PROXY = "proxy: must be an address that begins with http:// or https://"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"login": ""}, "login: must be a string that is not blank"),
        ({"login": " \t"}, "login: must be a string that is not blank"),
        ({"login": None}, "login: must be a string that is not blank"),
        ({"login": b"login"}, "login: must be a string that is not blank"),
        (
            {"login": "qq\x00"},
            "login: has a character that cannot be sent, at position 2 (U+0000); remove it",
        ),
        ({"password": ""}, "password: must be a string that is not blank"),
        (
            {"password": "qq\r"},
            "password: ends with a line break (U+000D); remove it",
        ),
        (
            {"password": "qq\r\nqq"},
            "password: contains a line feed; it must be one line",
        ),
        (
            {"password": "qq\rqq"},
            ("password: has a character that cannot be sent, at position 2 (U+000D); remove it"),
        ),
        (
            {"password": "\ud800"},
            ("password: has a character that cannot be sent, at position 0 (U+D800); remove it"),
        ),
        (
            {"sender": ""},
            (
                "sender: a sender is a name of 1 to 11 characters out of A-Z a-z 0-9 . - & or "
                "a phone number"
            ),
        ),
        (
            {"sender": "twelve chars"},
            (
                "sender: a sender is a name of 1 to 11 characters out of A-Z a-z 0-9 . - & or "
                "a phone number"
            ),
        ),
        (
            {"sender": 5},
            (
                "sender: a sender is a name of 1 to 11 characters out of A-Z a-z 0-9 . - & or "
                "a phone number"
            ),
        ),
        ({"url": None}, PLAIN_ADDRESS),
        ({"url": "http://qq qq/"}, PLAIN_ADDRESS),
        ({"url": "http://qq\n/"}, PLAIN_ADDRESS),
        ({"url": "http://qq\x7f/"}, PLAIN_ADDRESS),
        ({"url": "http://шлюз/"}, PLAIN_ADDRESS),
        ({"url": ""}, ADDRESS),
        ({"url": "gateway.example"}, ADDRESS),
        ({"url": "ftp://gateway.example/"}, ADDRESS),
        ({"url": "http://"}, ADDRESS),
        ({"url": "http:///api"}, ADDRESS),
        ({"url": "http://gateway.example:0/"}, ADDRESS),
        ({"url": "http://gateway.example:65536/"}, ADDRESS),
        ({"url": "http://gateway.example:qq/"}, ADDRESS),
        ({"url": "http://[::1/"}, ADDRESS),
        ({"url": "http://qq@gateway.example/"}, "url: must not contain a user or a password"),
        ({"url": "http://:qq@gateway.example/"}, "url: must not contain a user or a password"),
        ({"url": "http://gateway.example\\@qq/"}, "url: must not contain a user or a password"),
        ({"url": "http://gateway.example/?qq=1"}, "url: must not have a query or a fragment"),
        ({"url": "http://gateway.example/#qq"}, "url: must not have a query or a fragment"),
        ({"concurrency": 0}, "concurrency: must be a whole number from 1 to 256"),
        ({"concurrency": 257}, "concurrency: must be a whole number from 1 to 256"),
        ({"concurrency": True}, "concurrency: must be a whole number from 1 to 256"),
        ({"concurrency": 4.0}, "concurrency: must be a whole number from 1 to 256"),
        ({"timeouts": 30}, "timeouts: must be a smsgate.Timeouts"),
        ({"proxy": "socks5://proxy.example"}, PROXY),
        ({"proxy": ""}, PROXY),
        ({"proxy": 3128}, f"{PROXY}, in ASCII and without white space"),
        ({"proxy": "http://proxy.example/?qq"}, "proxy: must not have a query or a fragment"),
        ({"verify": "ca.pem"}, "verify: must be True, False or an ssl.SSLContext"),
        ({"verify": 1}, "verify: must be True, False or an ssl.SSLContext"),
        ({"transport": "qq"}, 'transport: must be "httpx" or "aiohttp"'),
        ({"transport": ["httpx"]}, 'transport: must be "httpx" or "aiohttp"'),
        (
            {"http_client": httpx.AsyncClient(), "transport": "aiohttp"},
            'transport: cannot be "aiohttp" together with http_client',
        ),
        (
            {"http_client": type("ClientSession", (), {"__module__": aiohttp.client.__name__})()},
            (
                "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient; for aiohttp,"
                ' omit it and set transport="aiohttp"'
            ),
        ),
        (
            {"http_client": SomethingElse()},
            "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient",
        ),
        (
            {"http_client": httpx.AsyncClient},
            (
                "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient, not the class "
                "itself: write AsyncClient()"
            ),
        ),
        (
            {"http_client": httpx.Client()},
            (
                "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient, not a "
                "synchronous client"
            ),
        ),
        (
            {"http_client": httpx2.Client()},
            (
                "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient, not a "
                "synchronous client"
            ),
        ),
        (
            {"http_client": httpx.AsyncClient(), "verify": False},
            "http_client: set proxy and verify on this client, not on the session",
        ),
        (
            {"http_client": httpx.AsyncClient(), "proxy": "http://proxy.example"},
            "http_client: set proxy and verify on this client, not on the session",
        ),
    ],
)
def test_complaint_names_argument_and_rule_and_quotes_nothing(change: dict[str, Any], said: str):
    assert complaint(**{**GOOD, **change}) == said
    assert "qq" not in said


def test_first_of_several_complaints_is_reported():
    assert (
        complaint(**{**GOOD, "password": "", "url": "", "concurrency": 0})
        == "password: must be a string that is not blank"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://turbosms.in.ua/",
        "http://localhost:8080/",
        "http://LOCALHOST/",
        "http://gateway.localhost/",
        "http://127.0.0.1:1/",
        "http://127.1.2.3/",
        "http://[::1]/",
    ],
)
def test_https_and_localhost_are_not_sent_in_clear(url: str):
    assert travels_in_clear(url) is False


@pytest.mark.parametrize(
    "url",
    [
        "http://turbosms.in.ua/api/soap.html",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://[fe80::1]/",
        "http://localhost.example/",
        "http://notlocalhost/",
        "http:///",
    ],
)
def test_plain_http_to_another_machine_is_sent_in_clear(url: str):
    assert travels_in_clear(url) is True


def test_each_setting_has_one_rule_default_and_name():
    arguments = signature(smsgate.AsyncSession).parameters
    settings = {field.name: field.default for field in fields(SessionConfig)}
    assert set(arguments) - {"observer", "stop_list"} == set(settings) == set(_RULES)
    for name, default in settings.items():
        expected = Parameter.empty if default is MISSING else default
        assert arguments[name].default == expected, name
    for name, field in GatewaySettings.model_fields.items():
        expected = PydanticUndefined if settings[name] is MISSING else settings[name]
        assert field.default == expected, name
    assert set(SmsGateSettings.model_fields) == set(GatewaySettings.model_fields)
