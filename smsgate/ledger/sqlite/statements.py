"""The version of a campaign file, and the scripts that migrate it."""

from __future__ import annotations

import sqlite3

from ..records import JournalError
from ..sql_files import read_sql, script, statements_of

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "migrate", "schema", "statements", "version_of"]

APPLICATION_ID = 0x534D5347  # SMSG
"""The application id in the header of a campaign file."""
SCHEMA_VERSION = 4
"""The newest version. The scripts in between migrate a file of an older version."""


def schema(version: int) -> str:
    """Return the script that migrates the previous version to this one."""
    return read_sql("sqlite", f"schema_{version}.sql")


def statements() -> dict[str, str]:
    """Return every statement by its name."""
    return statements_of("sqlite", "statements.sql")


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
        for statement in script("sqlite", f"schema_{newer}.sql"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newer}")
