"""The tables of the schema `smsgate` in a PostgreSQL database: their version, and their statements.

Rule of this file: after a failover to a standby, the record of a send may be lost. The tables know
the timeline of their server, and nothing is sent on another one until an operator has accepted it
(docs: outbox, "Failover").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any, TypeVar

from ..records import LedgerError
from ..sql_files import placeholders, script, statements_of
from .reconnection import PostgresConnection

__all__ = ["POSTGRES_VERSION", "PostgresTables"]

T = TypeVar("T")

POSTGRES_VERSION = 4
"""The newest version of the tables. The scripts in between migrate older ones."""
_MIGRATION_LOCK = 0x534D5347
"""The advisory lock of a migration: SMSG."""
_SHARED = ("set", "setting", "timeline")
"""Statements of the outbox about the whole database."""


class PostgresTables:
    """The tables, and a connection for one thread at a time. They are created if they are missing.

    Args:
        address: a URI or a connection string of libpq.
        files: the files of statements to run.

    Raises:
        LedgerError: the database cannot be used.
    """

    def __init__(self, address: str, *files: str) -> None:
        shared = {
            name: sql
            for name, sql in statements_of("postgres", "messages.sql").items()
            if name in _SHARED
        }
        self._sql = {
            name: placeholders(sql)
            for statements in (shared, *(statements_of("postgres", file) for file in files))
            for name, sql in statements.items()
        }
        self.connection: PostgresConnection = PostgresConnection(address)
        self._in_step = False
        try:
            self.step(self._prepare)
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement by its name, inside a step, and return its rows."""
        return self.connection.run(self._sql[statement], values)

    def stream(self, statement: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a long answer. Raises `LedgerError`."""
        return self.connection.stream(self._sql[statement], values)

    def step(self, work: Callable[[], T]) -> T:
        """Do the work in one transaction, and again if the connection is lost.

        A step inside a step is part of it. Raises `LedgerError`.
        """
        if self._in_step:
            return work()
        self._in_step = True
        try:
            return self.connection.step(work)
        finally:
            self._in_step = False

    def setting(self, name: str) -> str:
        """Return a setting, inside a step."""
        return str(self.run("setting", name=name)[0][0])

    def timeline(self) -> str:
        """Return the timeline of the server, inside a step."""
        return str(self.run("timeline")[0][0])

    def failed_over(self) -> bool:
        """Return whether a standby took over, inside a step."""
        return self.setting("timeline") != self.timeline()

    def _prepare(self) -> None:
        version = self._version()
        if version == POSTGRES_VERSION:
            return
        if version > POSTGRES_VERSION:
            raise LedgerError(
                f"the tables have version {version}, and this smsgate supports versions up to"
                f" {POSTGRES_VERSION}: install a newer smsgate"
            )
        self.connection.run("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _MIGRATION_LOCK})
        version = self._version()  # another process may have migrated
        for newer in range(version + 1, POSTGRES_VERSION + 1):
            for statement in script("postgres", f"schema_{newer}.sql"):
                self.connection.run(statement, {})
            self.run("set", name="version", value=str(newer))
        if not version:
            self.run("set", name="identity", value=token_hex(16))
            self.run("set", name="timeline", value=self.timeline())

    def _version(self) -> int:
        # Not to_regclass: its cache still lacks a table that another session made in the meantime.
        known = self.connection.run(
            "SELECT 1 FROM pg_tables WHERE schemaname = 'smsgate' AND tablename = 'setting'", {}
        )
        return int(self.setting("version")) if known else 0
