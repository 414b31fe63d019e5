"""The origin check: refuse requests from other web pages.

Rule of this file: a pure function of the headers. A web page can make the browser of its visitor
call this machine, with its own Origin (CSRF), or with a foreign Host that resolves to 127.0.0.1
(DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

__all__ = ["refusal_of"]

_NOT_PUBLIC = (".localhost", ".test", ".internal")  # RFC 6761, and reserved by ICANN


def refusal_of(headers: Mapping[str, str], names: Collection[str]) -> str | None:
    """Return why a request is refused, or None if it is allowed.

    The Host must be a name that no public site can have: an IP address, a name without a dot such
    as `localhost` or a container's name, a name under `.localhost`, `.test` or `.internal`, or one
    of `names`. An Origin must be equal to the Host.

    Args:
        headers: the headers of the request, with names in lower case.
        names: more allowed host names.
    """
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and not _is_known(host, names):
        return "Host: unknown name; start the sandbox with this name in its names"
    if origin is not None and _place(origin) != (host or "").lower():
        return "Origin: requests from other web pages are refused"
    # Not every request from a page has an Origin. Following a link to the sandbox is harmless.
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
