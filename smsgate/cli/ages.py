"""The duration of an option, such as `30d`."""

from __future__ import annotations

import re

import typer

__all__ = ["age"]

_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def age(text: str) -> float:
    """Return the seconds of a duration such as `30d`, `12h`, `45min` or `90s`."""
    found = re.fullmatch(r"([0-9]{1,9}) ?(s|min|h|d)", text, re.ASCII)
    if found is None:
        raise typer.BadParameter("must be a number with a unit: 90s, 45min, 12h or 30d")
    return float(found[1]) * _UNITS[found[2]]
