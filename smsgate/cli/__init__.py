"""The command `smsgate`.

Rule of this file: it imports nothing from the extra `cli`, so that a command without its libraries
can say in one line what to install. Signals are handled before the libraries are loaded, which
takes a second.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from ..extras import MissingExtra, missing
from .signals import SIGNALS, Signalled

__all__ = ["main"]


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    SIGNALS.listen()
    SIGNALS.pipes_end(it=True)
    _set_colour()
    try:
        from .app import run  # noqa: PLC0415 - needs the extra

        return run(sys.argv[1:])
    except Signalled:
        with suppress(OSError):
            print(f"smsgate: {SIGNALS.said}", file=sys.stderr)
        return SIGNALS.code
    except ModuleNotFoundError as error:
        needed = missing(error, "this command")
        if not isinstance(needed, MissingExtra):
            raise
        print(f"smsgate: {needed}", file=sys.stderr)
        return 2


def _set_colour() -> None:
    """Translate the variables for colour to the two that the libraries know.

    A variable that switches colour off wins. The libraries take an empty FORCE_COLOR for a no.
    """
    given = os.environ
    off = bool(given.get("NO_COLOR")) or given.get("CLICOLOR") == "0"
    forced = bool(given.get("FORCE_COLOR")) or given.get("CLICOLOR_FORCE", "") not in ("", "0")
    for name, holds in (("NO_COLOR", off), ("FORCE_COLOR", forced and not off)):
        if holds:
            given[name] = "1"
        else:
            given.pop(name, None)
