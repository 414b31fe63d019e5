"""Standard output and standard error, which may break while a command writes: a closed pipe, a closed terminal, a full disk.

Rule of this file: a stream that broke stays silent from then on, and nothing but its owner hears of it. An exception out of a
log line or a progress bar must not end a run that is sending.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from io import TextIOBase, TextIOWrapper
from typing import TextIO

__all__ = ["Stream"]


class Stream(TextIOBase):
    """A standard stream, or nothing if this process was started without it. `broke` is called once, when it breaks."""

    def __init__(self, file: TextIO | None, broke: Callable[[OSError], None]) -> None:
        super().__init__()
        # A symbol that the terminal cannot show is no reason to fail. JSON is ASCII there.
        if isinstance(file, TextIOWrapper):
            file.reconfigure(errors="replace")
        self._file = file
        self._broke = broke
        self._encoding = getattr(file, "encoding", None) or "utf-8"

    # Read only, which is all that anybody does with it.
    @property
    def encoding(self) -> str:  # type: ignore[override] # pyright: ignore[reportIncompatibleVariableOverride]
        """The encoding of what is written."""
        return self._encoding

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._file is not None and self._file.isatty()

    def write(self, text: str, /) -> int:
        """Write, as far as the stream still works."""
        if (file := self._open()) is not None:
            try:
                file.write(text)
            except OSError as error:
                self._break(file, error)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if (file := self._open()) is not None:
            try:
                file.flush()
            except OSError as error:
                self._break(file, error)

    def _open(self) -> TextIO | None:
        # Who gave us the file may close it first, and Python flushes this object once more when it is collected.
        return self._file if self._file is not None and not self._file.closed else None

    def _break(self, file: TextIO, error: OSError) -> None:
        self._file = None
        with suppress(OSError, ValueError):
            # Python flushes what is left when it ends, and would complain then.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, file.fileno())
            os.close(nowhere)
        self._broke(error)
