"""The files of a campaign on the disk: which path is refused, and whether the open files are still the ones at that path.

Rule of this file: it looks at names and numbers only. To open and close a file here would drop the locks of SQLite on it.
"""

from __future__ import annotations

import stat
from pathlib import Path

from ..records import JournalError, JournalLost

__all__ = ["INDEX", "LOCK", "LOG", "Place", "beside"]

LOG = "-wal"
INDEX = "-shm"
LOCK = "-lock"
"""What SQLite and the lock of a run append to the name of the file."""

_GONE = {
    "": "what this run knows is saved in {saved} when it ends. Give that file its old name before you run the campaign again",
    LOG: "what it held is written into {file} when the run ends",
    INDEX: "what this run knows is written into {file} when the run ends",
    LOCK: "another run could have begun. Look with 'smsgate campaign status {file}' before you run the campaign again",
}
"""What happens after one of the files was removed or replaced."""


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a file that belongs to a campaign."""
    return path.with_name(path.name + suffix)


class Place:
    """The path of a campaign, and which files stood there when they were opened."""

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._known: dict[str, tuple[int, int] | None] = {}

    def check_new(self) -> None:
        """Raise `JournalError` if no campaign may be made here."""
        self._check_folder()
        log = beside(self.path, LOG)
        if log.exists():
            raise JournalError(
                f"{log.name} is here already: it is the log of another campaign that had this name and was moved or deleted."
                " Move it to that campaign's file, or choose another name"
            )

    def check(self) -> None:
        """Raise `FileNotFoundError` or `JournalError` if there is no campaign that may be opened."""
        if self.path.is_symlink():
            # The lock and the log go by the name.
            raise JournalError("this is a symbolic link, under which the campaign could be run at once: name the file itself")
        if not self.path.is_file():
            raise FileNotFoundError(2, "there is no campaign in this place", str(self.path))
        self._check_folder()
        if self.path.stat().st_nlink > 1:
            raise JournalError("the file has a second name (a hard link), under which it could be run at once: remove that")

    def _check_folder(self) -> None:
        mode = self.path.absolute().parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise JournalError("the folder can be written to by everybody, who could then put another file in this place")

    def remember(self, *suffixes: str) -> None:
        """Remember which files stand here now, since they have just been opened."""
        self._known.update({suffix: _identity(beside(self.path, suffix)) for suffix in suffixes})

    def lost(self) -> str | None:
        """Return the suffix of the first file that is not the one that was remembered, or None."""
        return next((end for end, known in self._known.items() if _identity(beside(self.path, end)) != known), None)

    def check_kept(self, saved: Path) -> None:
        """Raise `JournalLost` if a file was removed or replaced. `saved` is where the journal is saved then."""
        suffix = self.lost()
        if suffix is not None:
            then = _GONE[suffix].format(file=self.path.name, saved=saved.name)
            name = beside(self.path, suffix).name
            raise JournalLost(f"{name} was removed or replaced while a run was using it. Nothing more is sent; {then}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
