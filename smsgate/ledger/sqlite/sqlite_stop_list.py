"""A stop list in an SQLite file, which other processes may read and change at the same time.

Rules of this file: a change is on the disk when it returns. A reader notices if the file was
replaced by another one, and then reads that one. The file may be the database of an application.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from ..records import JournalError, StopListError
from ..sql_files import statements_of
from ..stop_numbers import StopLedger
from .connection import connection_to, transaction, use_log
from .statements import APPLICATION_ID

__all__ = ["SqliteStopList"]

_WAIT = 30.0
"""Seconds to wait for another process that writes, before this one writes."""
_WAIT_TO_READ = 5.0
"""The same before this one reads. A campaign reads while its own database waits for the claim."""
_CACHE = 16_000
"""Kibibytes of memory for a temporary list, at most."""


class SqliteStopList(StopLedger):
    """The stop list in one SQLite file.

    Args:
        path: the file. With `writing`, it is created, for its owner only, if it is missing.
        writing: open the file to change it.

    Raises:
        StopListError: there is no such list, or the file cannot be used.
    """

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        self.name: str = str(path)
        self._path: Path | None = path
        self._writing = writing
        self._sql = statements_of("sqlite", "stop_list.sql")
        self._connection, self._identity = self._opened(path)

    @classmethod
    def temporary(cls, name: str) -> Self:
        """Return an empty list, which is gone when it is closed. `name` is for errors."""
        made = cls.__new__(cls)
        made.name, made._path, made._writing, made._identity = name, None, True, None
        made._sql = statements_of("sqlite", "stop_list.sql")
        made._connection = connection_to("", kind="stop list", any_thread=True)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE}"):
            made._connection.execute(f"PRAGMA {pragma}")
        made._connection.execute(made._sql["create"])
        return made

    def _opened(self, path: Path) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
        with self._naming():
            if path.is_dir():
                raise JournalError("this is a folder: give the path of a file")
            if self._writing and not path.exists():
                # Another process may create the file at the same moment.
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            identity = _identity(path)
            if identity is None:
                raise JournalError(
                    "there is no such file. A new list is created with 'smsgate stoplist add'; if"
                    " the list has moved, name its new place, for a campaign with 'campaign run"
                    " --stop-list NEW --drop-stop-list OLD'"
                )
            mode = "rw" if self._writing else "ro"
            connection = connection_to(
                f"{path.absolute().as_uri()}?mode={mode}",
                timeout=_WAIT if self._writing else _WAIT_TO_READ,
                kind="stop list",
                any_thread=True,
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        return connection, identity

    def _prepare(self, connection: sqlite3.Connection) -> None:
        execute = connection.execute
        if execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
            raise JournalError("the file is a campaign: give the path of another file")
        if self._writing:
            if not execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                use_log(connection, _WAIT)
            execute("PRAGMA synchronous = FULL")
            execute("PRAGMA secure_delete = ON")
            execute(self._sql["create"])
        elif not execute(self._sql["exists"]).fetchone():
            raise JournalError("the file has no stop list")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Name the list in an error."""
        try:
            yield
        except (JournalError, OSError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise StopListError(f"the stop list {self.name}: {said}") from None

    def _run(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        return self._connection.execute(self._sql[statement], values)

    def _ask(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        with self._naming():
            if self._path is not None and _identity(self._path) != self._identity:
                self._connection.close()
                self._identity = None  # if it cannot be opened now, try again at the next call
                self._connection, self._identity = self._opened(self._path)
            return self._run(statement, **values).fetchall()

    def _add(self, rows: Sequence[tuple[int, float, str]]) -> int:
        with self._naming(), transaction(self._connection):
            before = self._connection.total_changes
            self._connection.executemany(self._sql["add"], rows)
            return self._connection.total_changes - before

    def _remove(self, numbers: Sequence[int]) -> int:
        with self._naming(), transaction(self._connection):
            return self._run("remove", numbers=json.dumps(numbers)).rowcount

    def _listed(self, numbers: Sequence[int]) -> list[int]:
        return [number for (number,) in self._ask("listed", numbers=json.dumps(numbers))]

    def _rows(self, after: int, most: int) -> list[tuple[int, float, str]]:
        return [
            (number, added_at, reason)
            for number, added_at, reason in self._ask("rows", after=after, most=most)
        ]

    def count(self) -> int:
        """Return how many numbers are listed."""
        return int(self._ask("count")[0][0])


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
