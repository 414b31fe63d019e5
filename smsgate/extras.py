"""Which extra brings which library, and the one line that says so where a library is missing."""

from __future__ import annotations

__all__ = ["EXTRA_OF", "MissingExtra", "missing"]

EXTRA_OF: dict[str, str] = {
    "aiohttp": "aiohttp",
    "click": "cli",
    "dotenv": "settings",
    "fastapi": "fastapi",
    "opentelemetry": "otel",
    "phonenumbers": "phone",
    "pydantic_settings": "settings",
    "python_calamine": "tables",
    "rich": "cli",
    "starlette": "sandbox",
    "typer": "cli",
    "uvicorn": "sandbox",
}
"""The extra to install for a library, by the name under which it is imported."""


class MissingExtra(ModuleNotFoundError):
    """A library is not installed that only some users need. The message says what to install."""


def missing(error: ModuleNotFoundError, what: str) -> ModuleNotFoundError:
    """Return the error that says what to install, for `what`, which needs the library; any other error as it is."""
    library = (error.name or "").partition(".")[0]
    if library not in EXTRA_OF or isinstance(error, MissingExtra):
        return error
    advice = f"{what} needs {library}, which is not installed: pip install 'aiosmsgate[{EXTRA_OF[library]}]'"
    return MissingExtra(advice, name=error.name)
