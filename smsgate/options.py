"""What a session may be told: deadlines, and the checks of its arguments.

Rule of this file: a complaint names the argument and what is allowed, and never quotes the value.
"""

from __future__ import annotations

import math
import ssl
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from .protocol.characters import unsendable
from .protocol.models import SENDER_RULE, is_sender

__all__ = [
    "GATEWAY_URL",
    "Timeouts",
    "address_of",
    "bad_grace",
    "bad_option",
    "credential_flaw",
    "in_quotes",
    "odd_credentials",
    "positive",
    "travels_in_clear",
]

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
    return "grace: must be a number of seconds, 0 or more, or None to give each call its own deadline"


def bad_option(
    *,
    login: Any,
    password: Any,
    sender: Any,
    url: Any,
    concurrency: Any,
    timeouts: Any,
    proxy: Any,
    verify: Any,
    http_client: Any,
    country: Any,
) -> str | None:
    """Return what is wrong with the arguments of a session, None if nothing is."""
    checks = (
        _credential("login", login),
        _credential("password", password),
        sender is not None and not is_sender(sender) and f"sender: {SENDER_RULE}",
        _address("url", url),
        not (isinstance(concurrency, int) and not isinstance(concurrency, bool) and 1 <= concurrency <= 256)
        and "concurrency: must be a whole number from 1 to 256",
        not isinstance(timeouts, Timeouts) and "timeouts: must be a smsgate.Timeouts",
        proxy is not None and _address("proxy", proxy, schemes=("http", "https"), userinfo=True),
        not isinstance(verify, bool | ssl.SSLContext) and "verify: must be True, False or an ssl.SSLContext",
        http_client is not None
        and (proxy is not None or verify is not True)
        and "http_client: proxy and verify are settings of the client that is handed in",
        http_client is not None and _client(http_client),
        country is not None and _country(country),
    )
    return next((found for found in checks if found), None)


def _credential(name: str, value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return f"{name}: must be a string that is not blank"
    if flaw := credential_flaw(value):
        return f"{name}: {flaw}"
    found = unsendable(value)
    return found and f"{name}: must have no control character or other one that no request can carry, as that at {found}"


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


def _client(value: Any) -> str | None:
    rule = "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient"
    if isinstance(value, type):
        return f"{rule}, not the class itself: write {value.__name__}()"
    if not all(hasattr(value, name) for name in ("build_request", "send", "is_closed")):
        return rule
    # A client that is only entered and closed synchronously also sends synchronously, and would block the event loop.
    synchronous = hasattr(value, "__enter__") and not hasattr(value, "__aenter__")
    return f"{rule}, not a synchronous client" if synchronous else None


def _country(value: Any) -> str | None:
    from .phone import COUNTRY_RULE, is_country  # noqa: PLC0415 - an extra, needed only where a country is set

    return None if isinstance(value, str) and is_country(value) else f"country: {COUNTRY_RULE}"


def _address(name: str, value: Any, *, schemes: tuple[str, ...] = ("http", "https"), userinfo: bool = False) -> str | None:
    rule = f"{name}: must be an address that begins with http:// or https://"
    if not isinstance(value, str) or not value.isascii() or any(character <= " " or character == "\x7f" for character in value):
        return f"{rule}, in ASCII and without white space"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return rule
    if not usable:
        return rule
    if (parts.username is not None or parts.password is not None) and not userinfo:
        return f"{name}: must not hold a user or a password"
    # What stands in an address is logged by every library on the way.
    return f"{name}: must not have a query or a fragment" if parts.query or parts.fragment else None


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
