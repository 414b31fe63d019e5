"""The campaign's files on the disk: refused paths, and files replaced while they are open.

Rule of this file: it reads only names and metadata. Opening and closing a file here would release
SQLite's locks on that file.
"""

from __future__ import annotations

import stat
from pathlib import Path

from ..records import JournalError, JournalLost

__all__ = ["INDEX", "LOCK", "LOG", "Place", "beside"]

LOG = "-wal"
INDEX = "-shm"
LOCK = "-lock"
"""Suffixes that SQLite and the lock append to the campaign's file name."""

_GONE = {
    "": (
        "the data of this run is saved in {saved} when the run ends. Rename that file to {file}"
        " before you run the campaign again"
    ),
    LOG: "its data is written into {file} when the run ends",
    INDEX: "the data of this run is written into {file} when the run ends",
    LOCK: (
        "another run may have begun. Check with 'smsgate campaign status {file}' before you run"
        " the campaign again"
    ),
}
"""What happens after one of the files was removed or replaced, by its suffix."""


def beside(path: Path, suffix: str) -> Path:
    """Return the path of the campaign's file with this suffix."""
    return path.with_name(path.name + suffix)


class Place:
    """The path of a campaign, and the identities of its files when they were opened."""

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._known: dict[str, tuple[int, int] | None] = {}

    def check_new(self) -> None:
        """Raise `FileExistsError` or `JournalError` if no campaign may be created here."""
        self._check_folder()
        # Before the log, which belongs to this file and may be in use.
        if self.path.is_symlink() or self.path.exists():
            raise FileExistsError(17, "the file exists already", str(self.path))
        log = beside(self.path, LOG)
        if log.exists():
            raise JournalError(
                f"{log.name} exists already: it is the log of another campaign of this name, which"
                " was moved or deleted. Move the log to that campaign's folder, or choose another"
                " name"
            )

    def check(self) -> None:
        """Raise `FileNotFoundError` or `JournalError` if the campaign may not be opened."""
        if self.path.is_symlink():
            # The lock and the log are found by name.
            raise JournalError(
                "this is a symbolic link, which would allow two runs at the same time: give the"
                " path of the file itself"
            )
        if not self.path.is_file():
            raise FileNotFoundError(2, "there is no campaign at this path", str(self.path))
        self._check_folder()
        if self.path.stat().st_nlink > 1:
            raise JournalError(
                "the file has a second name (a hard link), which would allow two runs at the"
                " same time: remove the other name"
            )

    def _check_folder(self) -> None:
        mode = self.path.absolute().parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise JournalError(
                "every user can write to this folder and could replace the file: remove the write"
                " permission for others, or use another folder"
            )

    def remember(self, *suffixes: str) -> None:
        """Store the identities of these files, which have just been opened."""
        self._known.update({suffix: _identity(beside(self.path, suffix)) for suffix in suffixes})

    def lost(self) -> str | None:
        """Return the suffix of the first file that was removed or replaced, or None."""
        return next(
            (
                end
                for end, known in self._known.items()
                if _identity(beside(self.path, end)) != known
            ),
            None,
        )

    def check_kept(self, saved: Path) -> None:
        """Raise `JournalLost` if a file was removed or replaced. `saved` is the copy's path."""
        suffix = self.lost()
        if suffix is not None:
            then = _GONE[suffix].format(file=self.path.name, saved=saved.name)
            name = beside(self.path, suffix).name
            raise JournalLost(
                f"{name} was removed or replaced while a run was using it. Nothing more is sent;"
                f" {then}"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
