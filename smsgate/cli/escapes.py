"""Escape sequences in a text that is typed in a shell."""

from __future__ import annotations

import re
from typing import Annotated

import typer

__all__ = ["Escape", "unescaped"]

Escape = Annotated[
    bool,
    typer.Option("--escape", help=r"Read \n in the text as a new line, \t as a tab, \\ as \."),
]

_SEQUENCE = re.compile(r"\\(.?)", re.DOTALL)
_MEANINGS = {"n": "\n", "t": "\t", "\\": "\\"}


def unescaped(text: str) -> str:
    """Return the text with its escape sequences replaced. Raises `ValueError` for another one."""

    def meaning(found: re.Match[str]) -> str:
        if found[1] not in _MEANINGS:
            raise ValueError(
                f"text: the backslash at position {found.start() + 1} must be followed by n, t or"
                " another backslash"
            )
        return _MEANINGS[found[1]]

    return _SEQUENCE.sub(meaning, text)
