"""The journal's SQL, read from the folder `sql`: one schema script per version, and statements.

Rule of this file: SQL is written in `.sql` files, not in Python.
"""

from __future__ import annotations

import re
import sqlite3
from functools import cache
from importlib.resources import files

from ..records import JournalError

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "migrate", "schema", "statements", "version_of"]

APPLICATION_ID = 0x534D5347  # SMSG
"""The application id in the header of a campaign file."""
SCHEMA_VERSION = 3
"""The newest version. The scripts in between migrate a file of an older version."""

_NAMED = re.compile(r"^-- name: (\w+)\n-- [^\n]+\n(.*?;)\n", re.MULTILINE | re.DOTALL)


def _read(name: str) -> str:
    return files("smsgate.ledger.sqlite").joinpath("sql", name).read_text(encoding="utf-8")


def schema(version: int) -> str:
    """Return the script that migrates the previous version to this one."""
    return _read(f"schema_{version}.sql")


@cache
def statements() -> dict[str, str]:
    """Return every statement by its name."""
    return dict(_NAMED.findall(_read("statements.sql") + "\n"))


def version_of(connection: sqlite3.Connection) -> int:
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if application != APPLICATION_ID:
        raise JournalError("the file is not a campaign")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"the file has version {version}, and this smsgate supports versions up to"
            f" {SCHEMA_VERSION}: install a newer smsgate"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the schema up to date, inside a transaction."""
    for newer in range(version + 1, SCHEMA_VERSION + 1):
        for statement in schema(newer).split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newer}")
