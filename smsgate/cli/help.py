"""How `--help` looks: in the words of a command line.

Rule of this file: the only place that knows how typer shows its parameters. A name of a Python type tells a user nothing.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["PlainCommand", "PlainGroup"]


def _plain(parameters: list[Any]) -> list[Any]:
    for one in parameters:
        if getattr(one, "is_flag", False):
            one.metavar = ""
        elif one.param_type_name == "argument":
            one.display_type_rich = _nothing
    return parameters


def _nothing(ctx: Any) -> None:
    """Show no type: the metavar says what an argument is."""


class PlainCommand(TyperCommand):
    """A command whose flags and arguments show no Python type."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return _plain(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return _plain(super().get_params(ctx))
