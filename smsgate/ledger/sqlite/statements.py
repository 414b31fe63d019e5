"""The SQL of the journal, read from the folder `sql`: a schema for each version, and statements by name.

Rule of this file: no SQL is written in Python.
"""

from __future__ import annotations

import re
import sqlite3
from functools import cache
from importlib.resources import files

from ..records import JournalError

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "migrate", "schema", "statements", "version_of"]

APPLICATION_ID = 0x534D5347  # SMSG
"""What stands in the header of the file of a campaign."""
SCHEMA_VERSION = 3
"""The newest version; a file of an older one is migrated by the scripts in between."""

_NAMED = re.compile(r"^-- name: (\w+)\n-- [^\n]+\n(.*?;)\n", re.MULTILINE | re.DOTALL)


def _read(name: str) -> str:
    return files("smsgate.ledger.sqlite").joinpath("sql", name).read_text(encoding="utf-8")


def schema(version: int) -> str:
    """Return the script that leads from the version before to this one."""
    return _read(f"schema_{version}.sql")


@cache
def statements() -> dict[str, str]:
    """Return every statement by its name."""
    return dict(_NAMED.findall(_read("statements.sql") + "\n"))


def version_of(connection: sqlite3.Connection) -> int:
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if application != APPLICATION_ID:
        raise JournalError("the file is no campaign")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"the file is of version {version}, and this smsgate knows {SCHEMA_VERSION} at most: install a newer one"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the schema up to date, inside of a transaction."""
    for newer in range(version + 1, SCHEMA_VERSION + 1):
        for statement in schema(newer).split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newer}")
