"""The command `smsgate`.

Rule of this file: it imports nothing from the extra `cli`, so that a command without its libraries
can say in one line what to install. Signals are handled before the libraries are loaded, which
takes a second.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from ..extras import MissingExtra, missing
from .signals import SIGNALS, Signalled

__all__ = ["main"]


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    SIGNALS.listen()
    SIGNALS.pipes_end(it=True)
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
