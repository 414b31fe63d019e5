"""Ranges of ids, each with its first and last id, in ascending order. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from operator import itemgetter

__all__ = ["ALL", "Ranges", "common", "ranges_of"]

Ranges = list[tuple[int, int]]

ALL: Ranges = [(1, 2**63 - 1)]
"""Every id."""


def ranges_of(keys: Iterable[int]) -> Ranges:
    """Return the ranges of keys that follow each other."""
    found: Ranges = []
    for key in sorted(keys):
        if found and found[-1][1] == key - 1:
            found[-1] = found[-1][0], key
        else:
            found.append((key, key))
    return found


def common(ranges: Ranges, first: int, last: int) -> tuple[int, int]:
    """Return what the first of these ranges that meets `first` to `last` has in common with it."""
    low, high = ranges[bisect_left(ranges, first, key=itemgetter(1))]
    return max(low, first), min(high, last)
