"""Measures an SQLite file for `smsgate database check`. Nothing is created or changed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ..health import SqliteHealth
from ..sql_files import statements_of
from .connection import connection_to
from .sqlite_messages import MESSAGES_VERSION

__all__ = ["sqlite_health"]


def sqlite_health(path: Path) -> SqliteHealth:
    """Measure a file, which must exist. Raises `JournalError` if it cannot be read."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    setting = statements_of("sqlite", "messages.sql")["setting"]
    with closing(connection_to(address, kind="outbox")) as connection:
        execute = connection.execute
        ((tables,),) = execute("SELECT count(*) FROM sqlite_master WHERE name = 'smsgate_setting'")
        ((library,),) = execute("SELECT sqlite_version()")
        ((journal_mode,),) = execute("PRAGMA journal_mode")
        execute("PRAGMA synchronous = FULL")
        ((synchronous,),) = execute("PRAGMA synchronous")
        return SqliteHealth(
            version=int(execute(setting, {"name": "version"}).fetchone()[0]) if tables else None,
            newest=MESSAGES_VERSION,
            library=tuple(int(part) for part in library.split(".")),
            journal_mode=journal_mode,
            synchronous=synchronous,
        )
