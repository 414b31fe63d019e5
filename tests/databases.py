"""Outboxes in an SQLite file and in PostgreSQL, for tests that run on both."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import aiosqlite
import psycopg
import pytest
from postgres_cluster import Cluster, programs

from smsgate.ledger.messages import MessageLedger
from smsgate.outbox import open_ledger

__all__ = ["OUTBOXES", "Outboxes", "cluster_of", "database_of", "new_database"]

_NUMBERS = itertools.count()
_USED: list[str] = []
"""Databases of the cluster of this test run whose test has ended."""

_DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# What was not there from the beginning has such an oid.
_REST = """
SELECT EXISTS (SELECT FROM pg_class WHERE oid >= 16384 UNION ALL
    SELECT FROM pg_proc WHERE oid >= 16384 UNION ALL
    SELECT FROM pg_type WHERE oid >= 16384 UNION ALL
    SELECT FROM pg_extension WHERE oid >= 16384 UNION ALL
    SELECT FROM pg_event_trigger UNION ALL
    SELECT FROM pg_default_acl UNION ALL
    SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname NOT LIKE 'pg\\_%' UNION ALL
    SELECT FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid
        WHERE datname = current_database())
"""


class Outboxes(Protocol):
    """One outbox, which may be opened several times."""

    place: str
    table: str
    """The table of the messages."""

    def ledger(self) -> MessageLedger: ...
    def content(self) -> str: ...
    def execute(self, sql: str) -> None: ...
    def connect(self) -> Any: ...
    def connect_async(self) -> Any: ...
    def sqlalchemy_address(self, asynchronous: bool) -> str: ...


class SqliteOutboxes:
    """Outboxes in one file."""

    table = "smsgate_message"

    def __init__(self, folder: Path) -> None:
        self.place = str(folder / f"sms-{next(_NUMBERS)}.db")
        self._opened: list[MessageLedger] = []

    def ledger(self) -> MessageLedger:
        self._opened.append(open_ledger(self.place))
        return self._opened[-1]

    def content(self) -> str:
        """Return all that the file and its log hold, as text."""
        self.execute("SELECT 1")
        with closing(self.connect()) as connection:
            return "\n".join(connection.iterdump())

    def execute(self, sql: str) -> None:
        with closing(self.connect()) as connection:
            connection.execute(sql.format(setting="smsgate_setting", message="smsgate_message"))
            connection.commit()

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.place)

    @asynccontextmanager
    async def connect_async(self) -> AsyncIterator[aiosqlite.Connection]:
        async with aiosqlite.connect(self.place) as connection:
            yield connection

    def sqlalchemy_address(self, asynchronous: bool) -> str:
        return f"sqlite{'+aiosqlite' if asynchronous else ''}:///{self.place}"

    def close(self) -> None:
        for ledger in self._opened:
            ledger.close()


class PostgresOutboxes:
    """Outboxes in one database of a cluster."""

    table = "smsgate.message"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.cluster = cluster_of(request)
        self.place = database_of(request)
        self.name = self.place.rpartition("/")[2]
        self._opened: list[MessageLedger] = []

    def ledger(self) -> MessageLedger:
        self._opened.append(open_ledger(self.place))
        return self._opened[-1]

    def content(self) -> str:
        """Return all that the tables hold, as text."""
        with psycopg.connect(self.place) as connection:
            return str(connection.execute("SELECT * FROM smsgate.message").fetchall())

    def execute(self, sql: str) -> None:
        with psycopg.connect(self.place) as connection:
            connection.execute(
                sql.format(setting="smsgate.setting", message="smsgate.message").encode()
            )

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.place)

    @asynccontextmanager
    async def connect_async(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with await psycopg.AsyncConnection.connect(self.place) as connection:
            yield connection

    def sqlalchemy_address(self, asynchronous: bool) -> str:  # noqa: ARG002 - one driver does both
        return self.place.replace("postgresql://", "postgresql+psycopg://")

    def close(self) -> None:
        for ledger in self._opened:
            ledger.close()


def new_database(cluster: Cluster) -> str:
    """Create an empty database and return its name."""
    name = f"sms{next(_NUMBERS)}"
    with psycopg.connect(cluster.address_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return name


def database_of(request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database, in the cluster of this test run.

    After the test, another one gets the same database, without its tables: to create a database
    takes longer than most tests.
    """
    cluster = cluster_of(request)
    name = ""
    while not name and _USED:
        name = _USED.pop()
        if not _emptied(cluster.address_of(name)):
            name = ""
    name = name or new_database(cluster)
    request.addfinalizer(lambda: _USED.append(name))
    return cluster.address_of(name)


def _emptied(address: str) -> bool:
    """Drop the tables of smsgate, and return whether the database is as it was created."""
    try:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(_DISCONNECT)
            connection.execute("DROP SCHEMA IF EXISTS smsgate CASCADE")
            row = connection.execute(_REST).fetchone()
    except psycopg.Error:
        return False
    return row == (False,)


def cluster_of(request: pytest.FixtureRequest) -> Cluster:
    """Return the cluster of this test run. Skips the test if PostgreSQL is not installed."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    return cluster


@contextmanager
def _sqlite(request: pytest.FixtureRequest) -> Iterator[SqliteOutboxes]:
    with closing(SqliteOutboxes(request.getfixturevalue("tmp_path"))) as opened:
        yield opened


@contextmanager
def _postgres(request: pytest.FixtureRequest) -> Iterator[PostgresOutboxes]:
    with closing(PostgresOutboxes(request)) as opened:
        yield opened


OUTBOXES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Any]]] = {
    "sqlite": _sqlite,
    "postgres": _postgres,
}
"""How to open an empty outbox, by its database."""
