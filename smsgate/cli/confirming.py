"""Asks for a confirmation before a command does what cannot be undone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..languages import say
from .credentials import at_terminal
from .signals import SIGNALS

__all__ = ["Yes", "confirm"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str, *, yes: bool) -> None:
    """Return if the user confirms. Raises `ValueError` otherwise, or without a terminal."""
    if yes:
        return
    if not at_terminal():
        raise ValueError("standard input is not a terminal, so nobody can confirm: use --yes")
    with SIGNALS.blocking():
        print(f"{question} [{say('y/N')}] ", end="", file=sys.stderr, flush=True)
        said = sys.stdin.readline().strip().lower()
    if said not in ("y", "yes", "т", "так"):
        raise ValueError("not confirmed; nothing was done")
