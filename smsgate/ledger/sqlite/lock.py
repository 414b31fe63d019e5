"""The lock of a campaign file: one run, or one command that writes, at a time."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Self

from ..records import JournalBusy, JournalError, JournalInUse
from .connection import QUICK, connection_to
from .place import LOCK, beside

__all__ = ["Lock", "in_use"]

_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


def in_use(path: Path) -> bool:
    """Return whether a run, or a command that writes, holds the lock."""
    lock = beside(path, LOCK)
    try:
        with closing(connection_to(f"{lock.absolute().as_uri()}?mode=ro", timeout=0)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except JournalBusy:
        return True
    except (JournalError, sqlite3.Error):
        return False  # there is no lock, or it cannot be read
    return False


class Lock:
    """A lock for one process: a second SQLite file, held in an exclusive transaction.

    Every operating system releases this lock, however the process ends.
    """

    def __init__(self, path: Path) -> None:
        lock = beside(path, LOCK)
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            raise JournalError(
                f"the lock file {lock.name} cannot be written ({error.strerror}): copy the campaign"
                " to a folder that you can write to"
            ) from None
        self._connection = connection_to(str(lock), timeout=QUICK / 1000)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except JournalError as error:
            self._connection.close()
            if isinstance(error, JournalBusy):
                raise JournalInUse(
                    "the campaign is in use by another run; wait until that run ends, or stop it"
                    " with Ctrl-C"
                ) from None
            raise JournalError(f"{lock.name}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
