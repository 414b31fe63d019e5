"""Chooses recipients of a campaign whose messages are shown before anything is sent. No I/O.

Rule of this file: the recipients are spread over the campaign, and each occurs once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .records import Sample, Text

__all__ = ["spread_samples"]


def spread_samples(
    most: int, last: int, read: Callable[[int, int], Iterable[tuple[Any, ...]]]
) -> list[Sample]:
    """Return up to `most` recipients in the order of the list.

    Args:
        most: how many recipients.
        last: the greatest key of a recipient.
        read: returns up to so many rows (second argument) from a key on (first argument): the key,
            the line, the number and the columns of the text.
    """
    found: dict[int, Sample] = {}
    for place in range(most):
        start = max(1 + place * last // most, max(found, default=0) + 1)
        found.update(map(_sample, read(start, 1)))
    if len(found) < most:  # the last recipients may have no text
        for key, sample in map(_sample, read(1, most)):
            if len(found) < most:
                found.setdefault(key, sample)
    return sorted(found.values(), key=lambda one: one.line)


def _sample(row: tuple[Any, ...]) -> tuple[int, Sample]:
    key, line, number, *text = row
    return key, Sample(line, number, Text(*text))
