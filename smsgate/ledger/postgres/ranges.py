"""Ranges of ids, each with its first and last id, in ascending order. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice, takewhile
from operator import itemgetter

__all__ = ["ALL", "Ranges", "common", "gaps", "joined", "ranges_of"]

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


def common(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return what these ranges have in common with the range `first` to `last`."""
    meeting = islice(ranges, bisect_left(ranges, first, key=itemgetter(1)), None)
    return [
        (max(low, first), min(high, last))
        for low, high in takewhile(lambda one: one[0] <= last, meeting)
    ]


def gaps(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return the rest of the range `first` to `last` without these ranges, which lie in it."""
    starts = [first, *(high + 1 for _, high in ranges)]
    ends = [*(low - 1 for low, _ in ranges), last]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]
