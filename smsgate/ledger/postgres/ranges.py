"""Ranges of ids, each with its first and last id, in ascending order. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from operator import itemgetter

__all__ = ["ALL", "Ranges", "common", "joined", "ranges_of"]

Ranges = list[tuple[int, int]]

ALL: Ranges = [(1, 2**63 - 1)]
"""Every id."""


def ranges_of(keys: Iterable[int]) -> Ranges:
    """Return the ranges of keys that follow each other."""
    return joined((key, key) for key in keys)


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return these ranges, with those that follow each other as one."""
    found: Ranges = []
    for first, last in sorted(ranges):
        if found and found[-1][1] == first - 1:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return found


def common(ranges: Ranges, first: int, last: int) -> tuple[int, int]:
    """Return what the first of these ranges that meets `first` to `last` has in common with it."""
    low, high = ranges[bisect_left(ranges, first, key=itemgetter(1))]
    return max(low, first), min(high, last)
