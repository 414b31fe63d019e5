"""The command `smsgate`.

Rule of this file: it imports nothing of the extra `cli`, so that a command without its libraries says in one line what to
install. It is also the only place where that is said.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

_EXTRA_OF = {"typer": "cli", "click": "cli", "rich": "cli", "dotenv": "cli", "starlette": "sandbox", "uvicorn": "sandbox"}
"""Which extra brings a library."""


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    try:
        from .app import run  # noqa: PLC0415 - the guard is the point of this file

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _EXTRA_OF:
            raise
        print(
            f"smsgate: {library} is not installed, and this command needs it: pip install 'aiosmsgate[{_EXTRA_OF[library]}]'",
            file=sys.stderr,
        )
        return 2
