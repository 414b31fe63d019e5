"""The settings of a session and their rules, for arguments and for environment variables.

`SessionConfig` holds the arguments of a session and checks them. `GatewaySettings` holds the
settings that the environment, an `.env` file and secret files may contain. A new setting is a field
of `SessionConfig`, a rule in `_RULES` and an argument of `AsyncSession`; it is also a field of
`GatewaySettings` if the environment may set it.

Rule of this file: an error names the argument or the variable and what is allowed, and never shows
the value.
"""

from __future__ import annotations

import math
import ssl
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, get_args
from urllib.parse import urlsplit
from zlib import crc32

from pydantic import BaseModel, Field, SecretStr, ValidationError

from .privacy import sealed
from .protocol.characters import unsendable
from .protocol.models import SENDER_RULE, is_sender
from .protocol.numbers import international_number
from .staging import Staging

__all__ = [
    "GATEWAY_URL",
    "MOST_CONCURRENCY",
    "TRANSPORTS",
    "GatewaySettings",
    "SessionConfig",
    "Timeouts",
    "TransportName",
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
"""The maximum: more concurrent requests than any gateway of this kind can answer."""
_CONCURRENCY_RULE = f"a whole number from 1 to {MOST_CONCURRENCY}"
TransportName = Literal["httpx", "aiohttp"]
TRANSPORTS: tuple[str, ...] = get_args(TransportName)
"""The libraries that can make a session's own connections. The first is the default."""
GATEWAY_URL = "http://turbosms.in.ua/api/soap.html"
"""The documented address (docs: wire format, "Endpoint"). Plain http, because no valid certificate
for that host is known."""


def positive(value: Any) -> bool:
    """Return whether the value is a finite number greater than 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The deadlines of a session, in seconds. A call may override its deadline with `timeout=`.

    Attributes:
        connect: for the TCP connection, and again for the TLS handshake; 10 by default.
        read: for a whole call that sends nothing, including the wait for a free session, the login
            and retries; 30 by default. It also limits each login before a send; such a login is
            retried, because the message itself has not been sent.
        send: for a whole send, including the wait for a free session, the login and retries; 300 by
            default. A send that runs out of time after its first byte is in doubt, so keep this
            deadline long.
        keep_alive: how long a connection may be idle and still be reused; 1 by default. Keep it
            well below the server's limit: a send on a connection that the server closes ends in
            doubt.
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
    """Return what is wrong with the grace period of `aclose`, None if it is allowed."""
    if value is None or (value == 0 and not isinstance(value, bool)) or positive(value):
        return None
    return (
        "grace: must be a number of seconds, 0 or more, or None to give each call its own deadline"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """The checked arguments of a session.

    Raises:
        ValueError: an argument is invalid. The message names the first one.
    """

    login: str = field(repr=False)
    password: str = field(repr=False)
    sender: str | None = None
    url: str = GATEWAY_URL
    concurrency: int = 4
    account_concurrency: int | None = None
    timeouts: Timeouts = Timeouts()
    transport: str = "httpx"
    proxy: str | None = field(default=None, repr=False)
    verify: bool | ssl.SSLContext = True
    http_client: Any = field(default=None, repr=False)
    country: str | None = None
    allowed_numbers: str | Iterable[str] | None = field(default=None, repr=False)
    redirect_to: str | None = field(default=None, repr=False)

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
            complaint = "http_client: set proxy and verify on this client, not on the session"
        if complaint is None and self.http_client is not None and self.transport != TRANSPORTS[0]:
            complaint = 'transport: cannot be "aiohttp" together with http_client'
        if complaint is None and None not in (self.allowed_numbers, self.redirect_to):
            complaint = "redirect_to: cannot be used together with allowed_numbers"
        if complaint is not None:
            raise ValueError(complaint)

    @property
    def staging(self) -> Staging:
        """The numbers to which the session may send."""
        return Staging(
            None if self.allowed_numbers is None else _numbers_in(self.allowed_numbers),
            None if self.redirect_to is None else international_number(self.redirect_to),
        )

    @property
    def account_key(self) -> int:
        """A number from 0 to 2**31 - 1 that is the same in all sessions of one account."""
        return crc32(f"{self.login}\n{self.url}".encode()) & 0x7FFFFFFF


def _credential(name: str, value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return f"{name}: must be a string that is not blank"
    if flaw := credential_flaw(value):
        return f"{name}: {flaw}"
    found = unsendable(value)
    return found and f"{name}: has a character that cannot be sent, at {found}; remove it"


def credential_flaw(value: str) -> str | None:
    """Return why the value cannot be a login or a password, as words to put after its name.

    Returns None if the value can be one.
    """
    for place, character in (("ends", value[-1:]), ("begins", value[:1])):
        if character.splitlines() == [""]:
            return f"{place} with a line break (U+{ord(character):04X}); remove it"
        if character and unicodedata.category(character) == "Cf":
            return f"{place} with an invisible character (U+{ord(character):04X}); remove it"
    return "contains a line feed; it must be one line" if "\n" in value else None


def in_quotes(value: str) -> bool:
    """Return whether the value is enclosed in quotes, as values in `.env` files often are."""
    return len(value) > 2 and value[0] == value[-1] and value[0] in "'\""


def odd_credentials(**credentials: str) -> Iterator[str]:
    """Yield a warning for each probable mistake. It shows the name and never the value."""
    for name, value in credentials.items():
        if in_quotes(value):
            yield f"{name}: is enclosed in quotes; remove them unless they are part of the {name}"
        if value != value.strip():
            yield (
                f"{name}: begins or ends with white space; remove it unless it is part of the"
                f" {name}"
            )


def _client(_name: str, value: Any) -> str | None:
    rule = "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient"
    if isinstance(value, type):
        return f"{rule}, not the class itself: write {value.__name__}()"
    if type(value).__module__.partition(".")[0] == "aiohttp":
        return f'{rule}; for aiohttp, omit it and set transport="aiohttp"'
    if not all(hasattr(value, name) for name in ("build_request", "send", "is_closed")):
        return rule
    # A client without `__aenter__` is synchronous and would block the event loop.
    synchronous = hasattr(value, "__enter__") and not hasattr(value, "__aenter__")
    return f"{rule}, not a synchronous client" if synchronous else None


def _country(_name: str, value: Any) -> str | None:
    from .phone import COUNTRY_RULE, is_country  # noqa: PLC0415 - an extra

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
        return f"{name}: must not contain a user or a password"
    # Libraries log the whole address.
    return f"{name}: must not have a query or a fragment" if parts.query or parts.fragment else None


def _sender(_name: str, value: Any) -> str | None:
    return None if is_sender(value) else f"sender: {SENDER_RULE}"


def _concurrency(name: str, value: Any) -> str | None:
    allowed = (
        isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_CONCURRENCY
    )
    return None if allowed else f"{name}: must be {_CONCURRENCY_RULE}"


def _numbers(name: str, value: Any) -> str | None:
    rule = f"{name}: must be numbers in the international format, separated by commas"
    try:
        return None if _numbers_in(value) else f"{rule}, at least one"
    except (AttributeError, TypeError, ValueError):
        return rule


def _numbers_in(value: str | Iterable[str]) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    return tuple(international_number(one) for one in given)


def _number(name: str, value: Any) -> str | None:
    valid = isinstance(value, str) and "," not in value and _numbers(name, value) is None
    return None if valid else f"{name}: must be one number in the international format"


def _transport(name: str, value: Any) -> str | None:
    allowed = " or ".join(f'"{one}"' for one in TRANSPORTS)
    return None if value in TRANSPORTS else f"{name}: must be {allowed}"


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
    "account_concurrency": _if_set(_concurrency),
    "timeouts": _timeouts,
    "transport": _transport,
    "proxy": _if_set(_proxy),
    "verify": _verify,
    "http_client": _if_set(_client),
    "country": _if_set(_country),
    "allowed_numbers": _if_set(_numbers),
    "redirect_to": _if_set(_number),
}
"""The rule of each argument. A rule returns what is wrong with a value, None if nothing is."""


def travels_in_clear(url: str) -> bool:
    """Return whether requests to this address are unencrypted and leave this machine."""
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


class GatewaySettings(BaseModel, extra="ignore", hide_input_in_errors=True, defer_build=True):
    """The settings of a session. The rules of `AsyncSession` apply to all of them.

    Each is an environment variable: `SMSGATE_` and the name of the field in capitals.

    Attributes:
        login: the login of the gateway.
        password: the password of the gateway.
        sender: the default sender, for messages without a sender.
        url: the complete URL of the gateway, including the path.
        concurrency: how many requests may be in flight at the same time, 4 by default.
        account_concurrency: for campaigns in PostgreSQL: the maximum number of requests in flight,
            on all machines together; by default no limit.
        transport: the library of the session's own connections, "httpx" or "aiohttp" (extra
            `aiohttp`).
        proxy: the URL of an HTTP proxy.
        country: the two-letter code of the country whose local numbers are accepted (extra
            `phone`).
        allowed_numbers: for a test environment: the only numbers to send to, separated by commas.
        redirect_to: for a test environment: the number that gets every message.
    """

    login: str = Field(repr=False)
    password: SecretStr
    sender: str | None = None
    url: str = GATEWAY_URL
    concurrency: int = Field(default=4, ge=1, le=MOST_CONCURRENCY)
    account_concurrency: int | None = Field(default=None, ge=1, le=MOST_CONCURRENCY)
    transport: str = "httpx"
    proxy: str | None = Field(default=None, repr=False)
    country: str | None = None
    allowed_numbers: str | None = Field(default=None, repr=False)
    redirect_to: str | None = Field(default=None, repr=False)

    def arguments(self) -> dict[str, Any]:
        """Return these settings as arguments of `AsyncSession`."""
        return {
            **{name: getattr(self, name) for name in GatewaySettings.model_fields},
            "password": self.password.get_secret_value(),
        }


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"SMSGATE_{name.upper()}"


def settings_in(held: Mapping[str, str | None], names: Iterable[str]) -> dict[str, str]:
    """Return the settings found in these variables, by name.

    Variables may be written in lower case. An empty variable counts as absent.
    """
    spelt = {**{name.upper(): value for name, value in held.items()}, **held}
    return {name: value for name in names if (value := spelt.get(variable(name)))}


@sealed
def read_environment(environ: Mapping[str, str]) -> GatewaySettings:
    """Return the settings found in the environment. An empty variable counts as absent.

    Raises:
        ValueError: a variable is missing or invalid. The message names the variable.
    """
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
    """Return what is wrong with the login or the password in these settings, None if nothing is.

    Args:
        held: the settings by name.
        place_of: returns the variable or the file of a setting, for the message.
        quotes_are_read: the source has already removed quotes around values.
    """
    for name in ("login", "password"):
        value = held.get(name)
        if not isinstance(value, str):
            continue
        if flaw := credential_flaw(value):
            return f"{place_of(name)}: {flaw}"
        if in_quotes(value) and not quotes_are_read:
            return f"{place_of(name)}: is enclosed in quotes; write the value without them"
    return None


def complaint_of(error: ValidationError, where: str) -> str:
    """Return which settings are missing and `where` to set them, or else the first invalid one."""
    rows = [
        (str(row["loc"][0]), row["type"])
        for row in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    if absent := [variable(name) for name, kind in rows if kind == "missing"]:
        return f"{' and '.join(absent)} must be set {where}"
    name = rows[0][0]
    rule = _CONCURRENCY_RULE if name.endswith("concurrency") else "a string"
    return f"{variable(name)}: must be {rule}"
