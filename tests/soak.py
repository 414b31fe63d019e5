"""How often the random tests try:

a small count in every run, the full one with `pytest --soak` (see `nox -s soak`).
"""

from __future__ import annotations

FULL = False
"""Set by `conftest.py` from the option `--soak`, before any test module is imported."""


def count(short: int, full: int) -> int:
    """Return `short`, or `full` in a soak run.

    Both must be large enough to find every planted bug.
    """
    return full if FULL else short
