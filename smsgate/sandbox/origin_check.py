"""Which requests come from another web page, and are refused.

Rule of this file: a pure function of headers. A page of some site may make its visitor's browser ask this machine, under its own
Origin or, with a name that suddenly resolves to 127.0.0.1, under a foreign Host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

__all__ = ["refusal_of"]

_NOT_PUBLIC = (".localhost", ".test", ".internal")  # RFC 6761, and reserved by ICANN


def refusal_of(headers: Mapping[str, str], names: Collection[str]) -> str | None:
    """Return why a request with these headers (names in lower case) is refused, or None.

    A Host may be what no site of the public network can be called (an IP address, a name without a dot such as `localhost` or
    that of a container, one under `.localhost`, `.test` or `.internal`), or one of `names`. An Origin must be the Host.
    """
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and not _is_known(host, names):
        return "Host: this name is not known here; start the sandbox with it as one of its names"
    if origin is not None and _place(origin) != (host or "").lower():
        return "Origin: requests from other web pages are refused"
    # Not every request of a page has an Origin; following a link to here is harmless.
    if (
        headers.get("sec-fetch-site") == "cross-site"
        and headers.get("sec-fetch-mode") != "navigate"
    ):
        return "Sec-Fetch-Site: requests from other web pages are refused"
    return None


def _is_known(host: str, names: Collection[str]) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return (
        ("." not in name and name != "")
        or name.endswith(_NOT_PUBLIC)
        or name in names
        or _is_address(name)
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
