"""Connections that speak our language: every error of SQLite becomes a `JournalError` that says what to do.

Rule of this file: a connection for writing has a log and syncs every commit, which is read back
(docs: how it is tested, "SQLite").
"""

from __future__ import annotations

import sqlite3
import sys
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
    "connect_to_look",
    "connect_to_read",
    "connection_to",
    "reading",
    "transaction",
]

MARK = "claims_in_log"
"""A setting that stands in the file while a run is at it: without its log the file does not know who was sent to."""
QUICK = 200
"""Milliseconds for which a lock is waited for where the caller can wait by itself."""
PATIENT = 5_000
"""Milliseconds for which a lock is waited for elsewhere."""


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(JournalError):  # SQLite has already rolled back, or the first error is the one to tell
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reading() -> Iterator[None]:
    """Say in our words that what was read cannot have been written by this package."""
    try:
        yield
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise JournalError(DAMAGED) from None


DAMAGED = (
    "the file is damaged: restore it from a backup. A campaign made anew would not know to whom this one has sent, and send again"
)
_NO_CAMPAIGN = "the file is no campaign"
_BUSY = "another program holds the file: try again when it has ended"
_SENTENCES: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space, then do the same again",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written, or it is full: look at the disk, then do the same again",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only: copy the campaign to where you can write",
    sqlite3.SQLITE_CANTOPEN: "the file, or its log beside it, cannot be opened: look at the rights of both and of the folder",
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_NOTADB: _NO_CAMPAIGN,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
}
"""What each kind of error of SQLite means for the user."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_R = TypeVar("_R")


def _told(error: sqlite3.DatabaseError) -> JournalError:
    """Return our error for one of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return JournalError(DAMAGED)  # a text that cannot be decoded; the error quotes it
    kind = JournalBusy if code & 0xFF == sqlite3.SQLITE_BUSY else JournalError
    return kind(f"{_SENTENCES.get(code & 0xFF, f'{_NO_CAMPAIGN}, or damaged')} ({error})")


def _plainly(method: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R]:
    """Make a method of sqlite3 raise our errors. `ProgrammingError` is a fault of ours and stays as it is."""

    @wraps(method)
    def call(self: _T, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
        try:
            return method(self, *arguments, **named)
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            raise _told(error) from None

    return call


class _Cursor(sqlite3.Cursor):
    """A cursor that raises our errors. SQLite reads as it goes, so a damaged page is often met only here."""

    execute = _plainly(sqlite3.Cursor.execute)
    executemany = _plainly(sqlite3.Cursor.executemany)
    fetchone = _plainly(sqlite3.Cursor.fetchone)  # pyright: ignore[reportAssignmentType] # nobody gives self by name
    fetchall = _plainly(sqlite3.Cursor.fetchall)  # pyright: ignore[reportAssignmentType] # nobody gives self by name

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            raise _told(error) from None


class _Connection(sqlite3.Connection):
    """A connection that raises our errors, and that is closed when it has been closed.

    SQLite puts off the end of a connection until the last of its cursors is gone, for which a traceback may care much later.
    """

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

    backup = _plainly(sqlite3.Connection.backup)  # pyright: ignore[reportAssignmentType] # nobody gives self by name


def connection_to(place: str, *, timeout: float = PATIENT / 1000) -> sqlite3.Connection:
    return sqlite3.connect(place, isolation_level=None, timeout=timeout, uri=place.startswith("file:"), factory=_Connection)


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
            if found != expected:  # pragma: no cover - a file system without shared memory, such as a network drive
                raise JournalError(f"SQLite does not take {name}={value} for this file; is it on a network drive?")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path, *options: str) -> sqlite3.Connection:
    """Open the file for reading. Such a connection never merges the log into the file."""
    connection = connection_to("?".join([path.absolute().as_uri(), "&".join(["mode=ro", *options])]))
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_look(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open the file for reading, also where nothing can be written. Then the second value is True, and it must be copied."""
    try:
        return connect_to_read(path), False
    except JournalError:
        # SQLite must write beside a file to share its log. A file without one can be read as it is.
        if has_log(path):
            raise
    return connect_to_read(path, "immutable=1"), True


def has_log(path: Path) -> bool:
    log = beside(path, LOG)
    return log.exists() and log.stat().st_size > 0


def check_log(path: Path) -> None:
    """Raise `JournalError` if a run was at the file and its log, which has the claims, is not beside it."""
    if has_log(path):
        return
    with closing(connect_to_read(path, "immutable=1")) as alone:
        ((tables,),) = alone.execute("SELECT count(*) FROM sqlite_master WHERE name = 'setting'")
        marked = tables and alone.execute("SELECT 1 FROM setting WHERE name = ?", (MARK,)).fetchone()
    if marked and not has_log(path):  # a run may have begun since
        raise JournalError(
            f"{beside(path, LOG).name} is missing, which has what the last run did: put it beside the file under this name."
            " Without it nobody knows who was sent to, and they would be sent to again. Only if another SQLite program opened the"
            f" file since, and so has merged it: delete the row {MARK!r} from the table 'setting' with that program"
        )
