"""SQLite connections whose errors are `JournalError`s that say what to do.

Rule of this file: a connection for writing uses the write-ahead log and syncs every commit. Both
settings are read back after they are set (docs: how it is tested, "SQLite").
"""

from __future__ import annotations

import sqlite3
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..records import JournalBusy, JournalError
from .place import LOG, beside

__all__ = [
    "DAMAGED",
    "MARK",
    "PATIENT",
    "QUICK",
    "check_log",
    "connect",
    "connect_to_inspect",
    "connect_to_read",
    "connection_to",
    "reading",
    "transaction",
    "use_log",
]

MARK = "claims_in_log"
"""A setting in the file during a run: without the log, the file does not know all claims."""
QUICK = 200
"""Milliseconds to wait for a lock where the caller retries."""
PATIENT = 5_000
"""Milliseconds to wait for a lock elsewhere."""


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back already; in any case, report the first error.
        with suppress(JournalError):
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reading() -> Iterator[None]:
    """Raise `JournalError` for a value that this package cannot have written."""
    try:
        yield
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise JournalError(DAMAGED) from None


_DAMAGED = (
    "the file is damaged: restore it from a backup. A new {kind} would not know which recipients"
    " this one has sent to, and would send to them again"
)
DAMAGED = _DAMAGED.format(kind="campaign")
_OTHER_FILE = "the file is not {one}"
_ONE = {"campaign": "a campaign", "outbox": "an outbox", "stop list": "a stop list"}
_DAMAGED_LIST = "the file is damaged: restore it from a backup"
_BUSY = "another program holds the file: try again when that program has finished"
_SENTENCES: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space, then run the command again",
    sqlite3.SQLITE_IOERR: (
        "the disk cannot be read or written, or it is full: check the disk, then run the command"
        " again"
    ),
    sqlite3.SQLITE_READONLY: (
        "the file or its folder is read-only: copy the file to a folder that you can write to"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file, or its log in the same folder, cannot be opened: check the permissions of"
        " both files and of the folder"
    ),
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_NOTADB: _OTHER_FILE,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
}
"""What each SQLite error code means for the user. `kind` is what the file should be."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_R = TypeVar("_R")


def _damaged(kind: str) -> str:
    return _DAMAGED_LIST if kind == "stop list" else _DAMAGED.format(kind=kind)


def _journal_error(error: sqlite3.DatabaseError, kind: str) -> JournalError:
    """Return the `JournalError` for an error of SQLite. `kind` is what the file should be."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # undecodable text, which the original error would quote
        return JournalError(_damaged(kind))
    busy = code & 0xFF == sqlite3.SQLITE_BUSY
    sentence = _SENTENCES.get(code & 0xFF, f"{_OTHER_FILE}, or damaged")
    if sentence is _DAMAGED:
        sentence = _damaged(kind)
    sentence = sentence.format(kind=kind, one=_ONE[kind])
    return (JournalBusy if busy else JournalError)(f"{sentence} ({error})")


def _translated(method: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R]:
    """Make a method of sqlite3 raise `JournalError`. `ProgrammingError`, a bug of ours, passes."""

    @wraps(method)
    def call(self: _T, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
        try:
            return method(self, *arguments, **named)
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            raise _journal_error(error, _kind_of(self)) from None

    return call


def _kind_of(opened: object) -> str:
    connection = opened.connection if isinstance(opened, sqlite3.Cursor) else opened
    return connection.kind if isinstance(connection, _Connection) else "campaign"


class _Cursor(sqlite3.Cursor):
    """A cursor that raises `JournalError`. SQLite often finds a damaged page only here."""

    execute = _translated(sqlite3.Cursor.execute)
    executemany = _translated(sqlite3.Cursor.executemany)
    fetchone = _translated(sqlite3.Cursor.fetchone)  # pyright: ignore[reportAssignmentType]
    fetchall = _translated(sqlite3.Cursor.fetchall)  # pyright: ignore[reportAssignmentType]

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            raise _journal_error(error, _kind_of(self)) from None


class _Connection(sqlite3.Connection):
    """A connection that raises `JournalError` and really closes when `close` is called.

    SQLite keeps a connection open until its last cursor is gone, and a traceback may hold a cursor
    for long. So `close` closes the cursors first.
    """

    kind = "campaign"
    """What the file should be, for errors."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cursors = weakref.WeakSet[_Cursor]()

    def _cursor(self) -> _Cursor:
        made = self.cursor(_Cursor)
        self._cursors.add(made)
        return made

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        return self._cursor().execute(sql, values)

    def executemany(self, sql: str, values: Any, /) -> sqlite3.Cursor:
        return self._cursor().executemany(sql, values)

    def close(self) -> None:
        for cursor in tuple(self._cursors):
            cursor.close()
        super().close()

    backup = _translated(sqlite3.Connection.backup)  # pyright: ignore[reportAssignmentType]


def connection_to(
    place: str, *, timeout: float = PATIENT / 1000, kind: str = "campaign", any_thread: bool = False
) -> sqlite3.Connection:
    """Return a connection to a file or URI.

    `timeout` is how many seconds to wait for a lock, `kind` what the file should be, for errors,
    and `any_thread` lets other threads use the connection, one at a time.
    """
    connection = sqlite3.connect(
        place,
        isolation_level=None,
        timeout=timeout,
        uri=place.startswith("file:"),
        factory=_Connection,
        check_same_thread=not any_thread,
    )
    connection.kind = kind
    return connection


def use_log(connection: sqlite3.Connection, wait: float) -> None:
    """Set the write-ahead log. SQLite itself does not wait for another process here."""
    until = time.monotonic() + wait
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except JournalBusy:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for writing."""
    connection = connection_to(path.absolute().as_uri())
    settings = [("journal_mode", "WAL", "wal"), ("synchronous", "FULL", 2)]
    if sys.platform == "darwin":  # pragma: no cover - only there does fsync not reach the disk
        settings.append(("fullfsync", "1", 1))
    try:
        for name, value, expected in settings:
            connection.execute(f"PRAGMA {name} = {value}")
            ((found,),) = connection.execute(f"PRAGMA {name}")
            if found != expected:  # pragma: no cover - needs a network drive
                raise JournalError(
                    f"SQLite cannot set {name}={value} for this file. Is the file on a network"
                    " drive? Copy the campaign to a local disk"
                )
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path, *options: str) -> sqlite3.Connection:
    """Open the file for reading. A reading connection never merges the log into the file."""
    connection = connection_to(
        "?".join([path.absolute().as_uri(), "&".join(["mode=ro", *options])])
    )
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_inspect(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open the file for reading, even on a read-only disk.

    The second value is True if the disk is read-only; then the caller must copy the data.
    """
    try:
        return connect_to_read(path), False
    except JournalError:
        # SQLite writes into the folder to share a log. A file without a log can be read as it is.
        if has_log(path):
            raise
    return connect_to_read(path, "immutable=1"), True


def has_log(path: Path) -> bool:
    log = beside(path, LOG)
    return log.exists() and log.stat().st_size > 0


def check_log(path: Path) -> None:
    """Raise `JournalError` if the log of an unfinished run, which has its claims, is missing."""
    if has_log(path):
        return
    with closing(connect_to_read(path, "immutable=1")) as alone:
        ((tables,),) = alone.execute("SELECT count(*) FROM sqlite_master WHERE name = 'setting'")
        marked = (
            tables and alone.execute("SELECT 1 FROM setting WHERE name = ?", (MARK,)).fetchone()
        )
    if marked and not has_log(path):  # a run may have begun since
        raise JournalError(
            f"{beside(path, LOG).name} is missing. It records what the last run did: put it back"
            " into the folder of the campaign under this name. Without it, recipients would be sent"
            " to again. If another SQLite program has opened the campaign since, and so merged the"
            f" log into it, delete the row {MARK!r} from the table 'setting' with that program"
        )
