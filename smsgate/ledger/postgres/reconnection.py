"""A connection to PostgreSQL that is made again when it is lost. The only importer of psycopg.

Rules of this file:
- A commit is on the server's disk: `synchronous_commit` is read back, and raised if it is lower.
- A step has a deadline of its own, also if the network takes the request and never answers. It is
  repeated on a new connection until then, so each step must be one that may be repeated.
- An error of the server becomes a `LedgerError` that says what to do and quotes no values.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, TypeVar

from ...extras import missing
from ..records import LedgerError

try:
    import psycopg
    from psycopg import errors as pg
except ModuleNotFoundError as _error:
    raise missing(_error, "PostgreSQL") from None

__all__ = ["PostgresConnection"]

_log = logging.getLogger("smsgate")
_T = TypeVar("_T")

_CONNECT = 5
"""Seconds to connect, at most."""
_STATEMENT = 10.0
"""Seconds for one step of the ledger, at most."""
_WATCHED = _STATEMENT * 1.5
"""Seconds after which a connection without an answer is broken."""
_STREAMED = 5_000
"""Rows of a long answer that are fetched at a time."""
_PATIENCE = 30.0
"""Seconds in which a step is repeated, at most."""
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two tries, at first and at most."""
_OPTIONS = {
    "statement_timeout": f"{_STATEMENT * 1000:.0f}",
    "lock_timeout": f"{_STATEMENT * 500:.0f}",
    "idle_in_transaction_session_timeout": f"{_STATEMENT * 1500:.0f}",
    "client_encoding": "UTF8",
}

_MAY_PASS: tuple[type[BaseException], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    pg.ReadOnlySqlTransaction,  # a primary that has become a standby
    pg.SerializationFailure,
    pg.DeadlockDetected,
    pg.QueryCanceled,
    pg.LockNotAvailable,
)
"""Errors after which a step is tried again, on a new connection if need be."""

_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (pg.DiskFull, "the disk of the database is full: free some space there"),
    (
        pg.InsufficientPrivilege,
        (
            "the role of the database lacks rights: it needs SELECT, INSERT, UPDATE and DELETE on"
            " the tables of the schema smsgate, and CREATE on the database the first time"
        ),
    ),
    (
        pg.UndefinedTable,
        "the database has no tables of an outbox: run 'smsgate database migrate'",
    ),
    (pg.InvalidSchemaName, "the schema smsgate is missing: run 'smsgate database migrate'"),
    (pg.TooManyConnections, "the database has no free connection: raise max_connections there"),
    (pg.ReadOnlySqlTransaction, "the server is a standby: give the address of the primary"),
    (pg.QueryCanceled, f"the database did not answer within {_STATEMENT:g} s"),
    (pg.LockNotAvailable, "another session of the database holds a lock on the tables of smsgate"),
    (psycopg.OperationalError, "the database cannot be reached, or the connection was lost"),
)
"""What each error means for the operator: the first row that fits."""
_CONNECTING: tuple[tuple[str, str], ...] = (
    (
        "authentication failed",
        "the database refuses user or password: correct them in the address, or in ~/.pgpass",
    ),
    ("no password supplied", "the database asks for a password: put it into ~/.pgpass"),
    ("no pg_hba.conf entry", "the database refuses connections from this machine (pg_hba.conf)"),
    ("does not exist", "the server has no such database or role: correct the address"),
)
"""What libpq says about a connection that the server refuses: it gives no code."""


class PostgresConnection:
    """One connection, for one thread at a time. It is opened when it is first used.

    Args:
        address: a URI or a connection string of libpq. It may hold a password, so it is not shown.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._reached = False
        self._hurried = True

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def step(self, work: Callable[[], _T]) -> _T:
        """Run a step in one transaction, and again if the connection is lost.

        Raises:
            LedgerError: the database refuses it, or cannot be reached within half a minute (at
                once, if it was never reached). The step may have been done all the same.
        """
        until, pause = time.monotonic() + _PATIENCE, _PAUSE
        while True:
            try:
                connection = self._opened()
                with self._watching(connection), connection.transaction():
                    if not self._hurried:
                        connection.execute("SET LOCAL statement_timeout = 0")
                        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                    return work()
            except _MAY_PASS as error:
                failure = _ledger_error(error)
                passes = self._reached and not isinstance(error, pg.DiskFull)
                if not passes or time.monotonic() + pause > until:
                    raise failure from None
                level = logging.WARNING if pause == _PAUSE else logging.DEBUG
                _log.log(level, "trying again for up to %g s: %s", _PATIENCE, str(failure))
                if not isinstance(error, pg.QueryCanceled | pg.LockNotAvailable):
                    self.close()
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except psycopg.Error as error:
                raise _ledger_error(error) from None

    def run(self, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement inside a step and return its rows."""
        assert self._connection is not None  # noqa: S101 - a step has opened it
        cursor = self._connection.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def copy(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Copy rows into a table, inside a step."""
        assert self._connection is not None  # noqa: S101 - a step has opened it
        with self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def stream(self, sql: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a long answer, on a connection of its own. Raises `LedgerError`."""
        other = PostgresConnection(self._address)
        try:
            connection = other._opened()
            connection.execute("SET statement_timeout = 0")
            with connection.transaction(), connection.cursor("rows") as cursor:
                cursor.itersize = _STREAMED
                cursor.execute(sql.encode(), values)
                yield from cursor
        except psycopg.Error as error:
            raise _ledger_error(error) from None
        finally:
            other.close()

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Let the steps within take as long as they need: filling, purging, indexing."""
        self._hurried = False
        try:
            yield
        finally:
            self._hurried = True

    def _watching(self, connection: psycopg.Connection[Any]) -> AbstractContextManager[None]:
        return _watching(connection) if self._hurried else nullcontext()

    def _opened(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        try:
            connection = psycopg.connect(
                self._address,
                autocommit=True,
                connect_timeout=_CONNECT,
                tcp_user_timeout=int(_STATEMENT * 1000),
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
                application_name="smsgate",
            )
        except psycopg.OperationalError as error:
            said = next((said for words, said in _CONNECTING if words in str(error)), None)
            if said is not None:
                raise LedgerError(said) from None
            raise
        try:
            with _watching(connection):
                for name, value in _OPTIONS.items():
                    connection.execute("SELECT set_config(%s, %s, false)", (name, value))
                if _setting(connection, "synchronous_commit") in ("off", "local"):
                    connection.execute("SET synchronous_commit = on")
                if _setting(connection, "synchronous_commit") in ("off", "local"):
                    raise LedgerError(
                        "the database does not allow synchronous_commit=on for this role"
                    )
        except BaseException:
            connection.close()
            raise
        self._connection, self._reached = connection, True
        return connection


def _setting(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


@contextmanager
def _watching(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Break a connection whose answer does not come, as in a network that lost its way.

    The server's own `statement_timeout` does not help there, because its answer is lost too.
    """
    timer = threading.Timer(_WATCHED, _break, [connection.fileno()])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _break(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
        copy.shutdown(socket.SHUT_RDWR)


def _ledger_error(error: BaseException) -> LedgerError:
    sentence = next(
        (said for kind, said in _SENTENCES if isinstance(error, kind)), "the database failed"
    )
    state = getattr(error, "sqlstate", None)
    return LedgerError(f"{sentence} ({type(error).__name__}{f', {state}' if state else ''})")
