"""The messages of an outbox in an SQLite file, which several processes of one machine may share.

Rules of this file: every change is one `BEGIN IMMEDIATE` transaction with synchronous=FULL, read
back. The file may be the database of an application: its tables and its journal mode are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from ..messages import MessageLedger
from ..records import JournalError
from ..sql_files import script, statements_of
from .connection import connection_to, transaction, use_log
from .statements import APPLICATION_ID

__all__ = ["MESSAGES_VERSION", "SqliteMessages"]

T = TypeVar("T")

MESSAGES_VERSION = 2
"""The newest version of the tables. The scripts in between migrate older ones."""
_WAIT = 30.0
"""Seconds to wait for another process that writes."""


class SqliteMessages(MessageLedger):
    """The messages in one SQLite file. The file is created, for its owner only, if it is missing.

    Raises `JournalError` if the file cannot be used, or `OSError` if it cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.sql: dict[str, str] = statements_of("sqlite", "messages.sql")
        self.path: Path = Path(path)
        if not self.path.exists():
            # Another process may create the file at the same moment.
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._connection = connection_to(
            self.path.absolute().as_uri(), timeout=_WAIT, kind="outbox", any_thread=True
        )
        try:
            self._prepare()
            self.identity: str = self._run("setting", name="identity")[0][0]
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        if execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
            raise JournalError("the file is a campaign: give the path of another file")
        if not execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            use_log(self._connection, _WAIT)
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA foreign_keys = ON")
        execute("PRAGMA secure_delete = ON")
        if execute("PRAGMA synchronous").fetchone() != (2,):  # pragma: no cover - needs a bad build
            raise JournalError("SQLite cannot set synchronous=FULL for this file")
        with transaction(self._connection):
            version = self._version()
            if version > MESSAGES_VERSION:
                raise JournalError(
                    f"the outbox has version {version}, and this smsgate supports versions up to"
                    f" {MESSAGES_VERSION}: install a newer smsgate"
                )
            for newer in range(version + 1, MESSAGES_VERSION + 1):
                for statement in script("sqlite", f"messages_{newer}.sql"):
                    execute(statement)
                self._run("set", name="version", value=str(newer))
            if not version:
                self._run("set", name="identity", value=token_hex(16))

    def _version(self) -> int:
        known = self._connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'smsgate_setting'"
        ).fetchone()
        return int(self._run("setting", name="version")[0][0]) if known else 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        with closing(self._connection.execute(self.sql[statement], values)) as cursor:
            return cursor.fetchall()

    def _step(self, work: Callable[[], T]) -> T:
        return self._within("IMMEDIATE", work)

    def _look(self, work: Callable[[], T]) -> T:
        return self._within("DEFERRED", work)

    def _within(self, kind: str, work: Callable[[], T]) -> T:
        if self._connection.in_transaction:
            return work()
        with transaction(self._connection, kind):
            return work()
