"""Standard streams that may fail while a command writes: closed pipe or terminal, full disk.

Rule of this file: a failed stream writes nothing more, and only its owner is notified. An exception
from a log line or a progress bar must not end a run that is sending.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from io import TextIOBase, TextIOWrapper
from typing import TextIO

__all__ = ["Stream"]


class Stream(TextIOBase):
    """A standard stream, or nothing if the process has no such stream.

    `broke` is called once, when the stream fails.
    """

    def __init__(self, file: TextIO | None, broke: Callable[[OSError], None]) -> None:
        super().__init__()
        # A symbol that the terminal cannot show must not raise. JSON is ASCII in this case.
        if isinstance(file, TextIOWrapper):
            file.reconfigure(errors="replace")
        self._file = file
        self._broke = broke
        self._encoding = getattr(file, "encoding", None) or "utf-8"

    # Read-only, as no code sets the encoding.
    @property
    def encoding(self) -> str:  # type: ignore[override] # pyright: ignore[reportIncompatibleVariableOverride]
        """The encoding of the output."""
        return self._encoding

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._file is not None and self._file.isatty()

    def write(self, text: str, /) -> int:
        """Write the text, unless the stream has failed."""
        if (file := self._open()) is not None:
            try:
                file.write(text)
            except OSError as error:
                self._break(file, error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, unless it has failed."""
        if (file := self._open()) is not None:
            try:
                file.flush()
            except OSError as error:
                self._break(file, error)

    def _open(self) -> TextIO | None:
        # The owner may close the file first, and Python flushes this object when it is collected.
        return self._file if self._file is not None and not self._file.closed else None

    def _break(self, file: TextIO, error: OSError) -> None:
        self._file = None
        with suppress(OSError, ValueError):
            # Python flushes the rest when it exits, and would report an error.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, file.fileno())
            os.close(nowhere)
        self._broke(error)
