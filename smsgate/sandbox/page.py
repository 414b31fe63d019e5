"""The files of the inbox page, from the folder `static`.

Rule of this file: only files of this folder are served, and the page loads nothing from elsewhere.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["HEADERS", "page_file"]

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

HEADERS: dict[str, str] = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every file of the page and every answer of the API."""


@cache
def _all() -> dict[str, tuple[bytes, str]]:
    found = (
        entry for entry in files("smsgate.sandbox").joinpath("static").iterdir() if entry.is_file()
    )
    return {
        entry.name: (entry.read_bytes(), _TYPES[suffix])
        for entry in found
        if (suffix := entry.name.rpartition(".")[2]) in _TYPES
    }


def page_file(name: str) -> tuple[bytes, str] | None:
    """Return bytes and content type of a file of the page, or None if there is no such file."""
    return _all().get(name)
