"""A campaign file that is open: its connections, its lock, and the mark of a run.

Rules of this file: one writing connection per file; only the owner may read the file. During a run
the file itself holds a mark, so that it cannot be used without its log, which has the claims
(docs: how it is tested, "SQLite").
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from ..records import JournalBusy, JournalError
from .connection import (
    MARK,
    PATIENT,
    QUICK,
    check_log,
    connect,
    connect_to_inspect,
    connect_to_read,
    connection_to,
    transaction,
)
from .lock import Lock, in_use
from .place import INDEX, LOCK, LOG, Place, beside
from .statements import APPLICATION_ID, SCHEMA_VERSION, migrate, statements, version_of

__all__ = ["CampaignFile"]

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)


class CampaignFile:
    """An open campaign file. Call `create`, `open` or `open_to_read`, and `close` at the end.

    Attributes:
        path: the path of the file.
        connection: the connection of the journal; to a copy in memory if the file cannot be read
            as it is.
        killed: the file is a copy, and the process of its last run was killed.
    """

    def __init__(
        self,
        place: Place,
        connection: sqlite3.Connection,
        *,
        keeper: sqlite3.Connection | None = None,
        lock: Lock | None = None,
        killed: bool = False,
    ) -> None:
        self.path: Path = place.path
        self.connection = connection
        self.killed = killed
        self._place = place
        self._keeper = keeper
        self._saved = beside(place.path, f".saved-{token_hex(4)}")
        # The writing connection closes before the read-only keeper: if it closed last, it would
        # merge the log, even where the mark could not be removed.
        self._finalizer = weakref.finalize(self, _close_all, connection, keeper, lock)
        self._marked = keeper is not None and MARK in dict(self._run("settings"))
        self._mark_in_file = False

    @classmethod
    def create(cls, path: Path) -> Self:
        """Create a new file that only its owner can read.

        Raises `FileExistsError`, another `OSError`, or `JournalError`.
        """
        place = Place(path)
        place.check_new()
        os.close(os.open(path, _NEW, 0o600))
        with ExitStack() as made:
            made.callback(path.unlink, missing_ok=True)
            with ExitStack() as held:
                lock = held.enter_context(Lock(path))
                connection = held.enter_context(closing(connect(path)))
                with transaction(connection):
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    migrate(connection, 0)
                keeper = held.enter_context(closing(connect_to_read(path)))
                file = cls(place, connection, keeper=keeper, lock=lock)
                held.pop_all()
            made.pop_all()
        place.remember("", LOCK)
        return file

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file for one run alone. Raises `FileNotFoundError` or `JournalError`."""
        place = _checked(path)
        with ExitStack() as held:
            lock = held.enter_context(Lock(path))
            # Closes last if anything fails here, so that SQLite does not merge the log.
            keeper = held.enter_context(closing(connect_to_read(path)))
            version = version_of(keeper)
            connection = held.enter_context(closing(connect(path)))
            with transaction(connection):
                migrate(connection, version)
            keeper.execute("SELECT 1 FROM sqlite_master").fetchall()
            file = cls(place, connection, keeper=keeper, lock=lock)
            place.remember("", LOCK)
            path.chmod(0o600)
            held.pop_all()
        return file

    @classmethod
    def open_to_read(cls, path: Path) -> Self:
        """Open a file for reading, even during a run or on a read-only disk.

        A file whose last run was killed, or of an older version, is read from a copy in memory.
        Raises `FileNotFoundError` or `JournalError`.
        """
        place = _checked(path)
        with ExitStack() as held:
            alone = not in_use(path)
            source, frozen = connect_to_inspect(path)
            held.enter_context(closing(source))
            version = version_of(source)
            current = not frozen and version == SCHEMA_VERSION
            if current and not (
                alone
                and source.execute("SELECT 1 FROM request WHERE settled_at IS NULL").fetchone()
            ):
                file = cls(place, source)
                held.pop_all()
                return file
            copy = connection_to(":memory:")
            held.callback(copy.close)
            source.backup(copy)
            with transaction(copy):
                migrate(copy, version)
            file = cls(place, copy, killed=alone and not in_use(path))
            held.pop_all()
            source.close()
        return file

    def check_kept(self) -> None:
        """Raise `JournalLost` if one of the files was removed or replaced."""
        self._place.check_kept(self._saved)

    def mark(self) -> None:
        """Write the mark of a run into the file. Raises `JournalBusy` while somebody reads it."""
        if self._mark_in_file:
            return
        self._marked = True
        with transaction(self.connection):
            self._run("set", name=MARK, value="1")
        self._bring_mark_into_file()
        self._place.remember(LOG, INDEX)
        self._mark_in_file = True

    def _bring_mark_into_file(self) -> None:
        """Copy the mark from the log into the file itself, so that the file alone shows the run."""
        self.connection.execute(f"PRAGMA busy_timeout = {QUICK}")  # the caller retries
        ((busy, *_),) = self.connection.execute("PRAGMA wal_checkpoint(FULL)")
        self.connection.execute(f"PRAGMA busy_timeout = {PATIENT}")
        if busy:
            raise JournalBusy(
                "another program reads the campaign file (a report, an export, an SQLite program)"
            )

    def close(self) -> None:
        """Close the file and release the lock, whatever else fails.

        Raises `JournalError` if the file was removed during a run and its data could not be saved.
        """
        try:
            if self._finalizer.alive and self._merge() and self._keeper:
                self._keeper.close()
        finally:
            self._finalizer()

    def _merge(self) -> bool:
        """Merge the log into the file. Returns False if the log must stay."""
        if not self._marked:
            return True
        lost = self._place.lost()
        if lost == "":
            self._save()
            return False
        if lost == LOCK:
            return False  # another run may use the file, and its mark must stay
        try:
            with transaction(self.connection):
                self._run("unset", name=MARK)
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except JournalError:
            return False  # the log stays, so the mark may stay too
        self._marked = False
        return True

    def _save(self) -> None:
        """Write the journal into another file, because its own file has no name any more."""
        try:
            os.close(os.open(self._saved, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with transaction(self.connection):
                self._run("unset", name=MARK)
            self.connection.execute("VACUUM INTO ?", (str(self._saved),))
        except (JournalError, OSError) as error:
            raise JournalError(
                "the file was removed during the run, and its data could not be saved as"
                f" {self._saved.name}: {error}"
            ) from None

    def remove(self) -> None:
        """Close and delete the file, because its creation failed."""
        self.close()
        for suffix in ("", LOG, INDEX, LOCK):
            beside(self.path, suffix).unlink(missing_ok=True)

    def _run(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        return self.connection.execute(statements()[statement], values)


def _checked(path: Path) -> Place:
    place = Place(path)
    place.check()
    check_log(path)
    return place


def _close_all(
    connection: sqlite3.Connection, keeper: sqlite3.Connection | None, lock: Lock | None
) -> None:
    for one in (connection, keeper, lock):
        with suppress(sqlite3.Error):
            if one is not None:
                one.close()
