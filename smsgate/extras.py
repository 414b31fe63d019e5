"""Which extra installs which library, and the error to raise when a library is missing."""

from __future__ import annotations

__all__ = ["EXTRA_OF", "MissingExtra", "missing"]

EXTRA_OF: dict[str, str] = {
    "aiohttp": "aiohttp",
    "click": "cli",
    "dotenv": "settings",
    "fastapi": "fastapi",
    "opentelemetry": "otel",
    "phonenumbers": "phone",
    "procrastinate": "procrastinate",
    "psycopg": "postgres",
    "pydantic_settings": "settings",
    "python_calamine": "tables",
    "rich": "cli",
    "starlette": "sandbox",
    "typer": "cli",
    "uvicorn": "sandbox",
}
"""The extra that installs a library, by the library's import name."""


class MissingExtra(ModuleNotFoundError):
    """An optional library is not installed. The message says which extra to install."""


def missing(error: ModuleNotFoundError, what: str) -> ModuleNotFoundError:
    """Return the error to raise when `what` could not import a library.

    Args:
        error: the import error.
        what: the feature that needs the library, as the message names it.

    Returns:
        A `MissingExtra` that says what to install. `error` itself if no extra has the library.
    """
    library = (error.name or "").partition(".")[0]
    if library not in EXTRA_OF or isinstance(error, MissingExtra):
        return error
    extra = EXTRA_OF[library]
    advice = f"{what} needs {library}, which is not installed: pip install 'aiosmsgate[{extra}]'"
    return MissingExtra(advice, name=error.name)
