"""Atomic writes of files that only their owner can read.

Rules of this file: a file appears under its name only when all of it is on the disk. An existing
file stays unless it may be replaced. A database is never replaced, as it may be a campaign.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from secrets import token_hex

__all__ = ["write_whole"]

_DATABASE = b"SQLite format 3\0"


def write_whole(path: Path, pieces: Iterable[str], *, overwrite: bool) -> None:
    """Write the pieces as UTF-8, without changing line ends.

    Raises `FileExistsError` or another `OSError`.
    """
    try:
        _write(path, pieces, overwrite=overwrite)
    except OSError as error:
        # Not the temporary file, whose name would tell a user nothing.
        raise type(error)(error.errno, error.strerror, str(path)) from None


def _write(path: Path, pieces: Iterable[str], *, overwrite: bool) -> None:
    _check(path, overwrite=overwrite)
    beside = path.with_name(f".{path.name[:100]}.{token_hex(6)}")
    descriptor = os.open(
        beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600
    )
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as opened:  # noqa: PTH123 - a descriptor has no path
            opened.writelines(pieces)
            opened.flush()
            os.fsync(opened.fileno())
        _check(path, overwrite=overwrite)
        if overwrite or not _linked(beside, path):
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _check(path: Path, *, overwrite: bool) -> None:
    if path.is_symlink() or path.exists():
        if not overwrite:
            raise FileExistsError(17, "the file exists already", str(path))
        if not path.is_file():
            raise FileExistsError(17, "this is not a file, so it cannot be replaced", str(path))
        with path.open("rb") as opened:
            if opened.read(len(_DATABASE)) == _DATABASE:
                raise FileExistsError(
                    17, "this is a database, perhaps a campaign, so it is not replaced", str(path)
                )


def _linked(beside: Path, path: Path) -> bool:
    """Give the file its name, unless another file has it. False if hard links are not supported."""
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        return False
    return True
