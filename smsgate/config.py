"""What a session may be set to: every setting once, with its rule, for arguments and for the environment.

`SessionConfig` holds the arguments of a session and checks them. `GatewaySettings` holds those of them that the environment,
an `.env` file and secret files may set. A new setting is a field and a rule here, and an argument of `AsyncSession`.

Rule of this file: a complaint names the argument or the variable and what is allowed, and never quotes the value.
"""

from __future__ import annotations

import math
import ssl
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError

from .privacy import sealed
from .protocol.characters import unsendable
from .protocol.models import SENDER_RULE, is_sender

__all__ = [
    "GATEWAY_URL",
    "MOST_CONCURRENCY",
    "GatewaySettings",
    "SessionConfig",
    "Timeouts",
    "address_of",
    "bad_grace",
    "complaint_of",
    "credential_complaint",
    "credential_flaw",
    "in_quotes",
    "odd_credentials",
    "positive",
    "read_environment",
    "settings_in",
    "travels_in_clear",
    "variable",
]

MOST_CONCURRENCY = 256
"""More sessions at once than any gateway of this kind answers."""
_CONCURRENCY_RULE = f"a whole number from 1 to {MOST_CONCURRENCY}"
GATEWAY_URL = "http://turbosms.in.ua/api/soap.html"
"""The documented address (docs: wire format, "Endpoint"): plain http, as no valid certificate is known of that host."""


def positive(value: Any) -> bool:
    """Return whether the value is a finite number greater than 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines in seconds. Every call takes `timeout=` for one of its own.

    Attributes:
        connect: one connection, TCP and TLS each.
        read: a whole call of a reading operation: waiting for a free login, logging in and repeats included. Also one login on
            the way to a send, which is repeated if its answer does not come: nothing of the send has left by then.
        send: a whole send: waiting for a free login, logging in and repeats included. A send that runs out of time after its
            first byte is in doubt, and the provider asks not to cut sends off, so leave it long.
        keep_alive: how long a connection may be idle and still be used again. Keep it well below the server's own limit, or
            sends end in doubt for nothing.
    """

    connect: float = 10.0
    read: float = 30.0
    send: float = 300.0
    keep_alive: float = 1.0

    def __post_init__(self) -> None:
        for name in ("connect", "read", "send", "keep_alive"):
            if not positive(getattr(self, name)):
                raise ValueError(f"timeouts: {name} must be a number of seconds greater than 0")


def bad_grace(value: Any) -> str | None:
    """Return what is wrong with the grace of a closing session, None if nothing is."""
    if value is None or (value == 0 and not isinstance(value, bool)) or positive(value):
        return None
    return (
        "grace: must be a number of seconds, 0 or more, or None to give each call its own deadline"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """The arguments of a session, checked. Raises `ValueError` that names the first one that is not allowed."""

    login: str = field(repr=False)
    password: str = field(repr=False)
    sender: str | None = None
    url: str = GATEWAY_URL
    concurrency: int = 4
    timeouts: Timeouts = Timeouts()
    proxy: str | None = field(default=None, repr=False)
    verify: bool | ssl.SSLContext = True
    http_client: Any = field(default=None, repr=False)
    country: str | None = None

    def __post_init__(self) -> None:
        complaint = next(
            (found for name, rule in _RULES.items() if (found := rule(name, getattr(self, name)))),
            None,
        )
        if (
            complaint is None
            and self.http_client is not None
            and (self.proxy is not None or self.verify is not True)
        ):
            complaint = "http_client: proxy and verify are settings of the client that is handed in"
        if complaint is not None:
            raise ValueError(complaint)


def _credential(name: str, value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return f"{name}: must be a string that is not blank"
    if flaw := credential_flaw(value):
        return f"{name}: {flaw}"
    found = unsendable(value)
    return (
        found
        and f"{name}: must have no control character or other one that no request can carry, as that at {found}"
    )


def credential_flaw(value: str) -> str | None:
    """Say why this can be no login and no password as it is, in words that go on after its name; None if it can be one."""
    for place, character in (("ends", value[-1:]), ("begins", value[:1])):
        if character.splitlines() == [""]:
            return f"{place} with a line break (U+{ord(character):04X}), as the line of a file does; remove it"
        if character and unicodedata.category(character) == "Cf":
            return f"{place} with an invisible character (U+{ord(character):04X}); remove it"
    return "has a line feed in it; it must be one line" if "\n" in value else None


def in_quotes(value: str) -> bool:
    """Return whether a value has the quotes around it with which it is written in an env file."""
    return len(value) > 2 and value[0] == value[-1] and value[0] in "'\""


def odd_credentials(**credentials: str) -> Iterator[str]:
    """Yield what is probably a mistake in each of these, by its name and without its value."""
    for name, value in credentials.items():
        if in_quotes(value):
            yield f"{name}: has quotes around it, which are part of it here; write it without them unless they are meant"
        if value != value.strip():
            yield f"{name}: begins or ends with white space, which is part of it here; remove it unless it is meant"


def _client(_name: str, value: Any) -> str | None:
    rule = "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient"
    if isinstance(value, type):
        return f"{rule}, not the class itself: write {value.__name__}()"
    if not all(hasattr(value, name) for name in ("build_request", "send", "is_closed")):
        return rule
    # A client that is only entered and closed synchronously also sends synchronously, and would block the event loop.
    synchronous = hasattr(value, "__enter__") and not hasattr(value, "__aenter__")
    return f"{rule}, not a synchronous client" if synchronous else None


def _country(_name: str, value: Any) -> str | None:
    from .phone import COUNTRY_RULE, is_country  # noqa: PLC0415 - an extra, needed only where a country is set

    return None if isinstance(value, str) and is_country(value) else f"country: {COUNTRY_RULE}"


def _address(name: str, value: Any, *, userinfo: bool = False) -> str | None:
    rule = f"{name}: must be an address that begins with http:// or https://"
    if (
        not isinstance(value, str)
        or not value.isascii()
        or any(character <= " " or character == "\x7f" for character in value)
    ):
        return f"{rule}, in ASCII and without white space"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return rule
    if not usable:
        return rule
    if (parts.username is not None or parts.password is not None) and not userinfo:
        return f"{name}: must not hold a user or a password"
    # What stands in an address is logged by every library on the way.
    return f"{name}: must not have a query or a fragment" if parts.query or parts.fragment else None


def _sender(_name: str, value: Any) -> str | None:
    return None if is_sender(value) else f"sender: {SENDER_RULE}"


def _concurrency(name: str, value: Any) -> str | None:
    allowed = (
        isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_CONCURRENCY
    )
    return None if allowed else f"{name}: must be {_CONCURRENCY_RULE}"


def _timeouts(name: str, value: Any) -> str | None:
    return None if isinstance(value, Timeouts) else f"{name}: must be a smsgate.Timeouts"


def _proxy(name: str, value: Any) -> str | None:
    return _address(name, value, userinfo=True)


def _verify(name: str, value: Any) -> str | None:
    return (
        None
        if isinstance(value, bool | ssl.SSLContext)
        else f"{name}: must be True, False or an ssl.SSLContext"
    )


def _if_set(rule: Callable[[str, Any], str | None]) -> Callable[[str, Any], str | None]:
    return lambda name, value: None if value is None else rule(name, value)


_RULES: dict[str, Callable[[str, Any], str | None]] = {
    "login": _credential,
    "password": _credential,
    "sender": _if_set(_sender),
    "url": _address,
    "concurrency": _concurrency,
    "timeouts": _timeouts,
    "proxy": _if_set(_proxy),
    "verify": _verify,
    "http_client": _if_set(_client),
    "country": _if_set(_country),
}
"""What is wrong with each argument of a session, None if nothing is."""


def travels_in_clear(url: str) -> bool:
    """Return whether a request to this address can be read on the way: plain http, and not to this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def address_of(url: str) -> tuple[str, int]:
    """Return host and port of an address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class GatewaySettings(BaseModel, extra="ignore", hide_input_in_errors=True):
    """What a session needs to know, each a variable of the environment: `SMSGATE_` and the name of the field in capitals.

    `login` and `password` are those of the gateway. `sender` is used for messages that name none, `url` is the whole address of
    the gateway, `concurrency` how many requests are sent at once, `proxy` the address of an HTTP proxy, and `country` the
    two-letter code of the country whose local numbers are understood. The rules of `AsyncSession` hold for all of them.
    """

    login: str = Field(repr=False)
    password: SecretStr
    sender: str | None = None
    url: str = GATEWAY_URL
    concurrency: int = Field(default=4, ge=1, le=MOST_CONCURRENCY)
    proxy: str | None = Field(default=None, repr=False)
    country: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return these settings as arguments of `AsyncSession`."""
        return {
            **{name: getattr(self, name) for name in GatewaySettings.model_fields},
            "password": self.password.get_secret_value(),
        }


def variable(name: str) -> str:
    """Return the variable of a setting."""
    return f"SMSGATE_{name.upper()}"


def settings_in(held: Mapping[str, str | None], names: Iterable[str]) -> dict[str, str]:
    """Return which of these settings are held, by their names. Variables may be written in small letters; empty is absent."""
    spelt = {**{name.upper(): value for name, value in held.items()}, **held}
    return {name: value for name in names if (value := spelt.get(variable(name)))}


@sealed
def read_environment(environ: Mapping[str, str]) -> GatewaySettings:
    """Return the settings that the environment holds. A variable that is empty counts as absent. Raises `ValueError`."""
    held = settings_in(environ, GatewaySettings.model_fields)
    if complaint := credential_complaint(held, variable):
        raise ValueError(complaint)
    try:
        return GatewaySettings.model_validate(held)
    except ValidationError as error:
        raise ValueError(complaint_of(error, "in the environment")) from None


def credential_complaint(
    held: Mapping[str, Any], place_of: Callable[[str], str], *, quotes_are_read: bool = False
) -> str | None:
    """Return what is wrong with the login and the password in a mapping of settings, None if nothing is.

    `place_of` names the variable or the file of each. `quotes_are_read` if quotes around a value have been taken off already.
    """
    for name in ("login", "password"):
        value = held.get(name)
        if not isinstance(value, str):
            continue
        if flaw := credential_flaw(value):
            return f"{place_of(name)}: {flaw}"
        if in_quotes(value) and not quotes_are_read:
            return f"{place_of(name)}: has quotes around it, which would be part of it; write it without them"
    return None


def complaint_of(error: ValidationError, where: str) -> str:
    """Return what is wrong with settings: which are missing, and should be set `where`, or else the first that is no good."""
    rows = [
        (str(row["loc"][0]), row["type"])
        for row in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    if absent := [variable(name) for name, kind in rows if kind == "missing"]:
        return f"{' and '.join(absent)} must be set {where}"
    name = rows[0][0]
    rule = _CONCURRENCY_RULE if name == "concurrency" else "a string"
    return f"{variable(name)}: {rule}"
