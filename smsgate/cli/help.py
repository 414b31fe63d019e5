"""The look of `--help`: without names of Python types, which mean nothing to a user.

Rule of this file: no other file knows how typer shows its parameters.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["PlainCommand", "PlainGroup", "SpeakingCommand", "SpeakingGroup"]


def _plain(parameters: list[Any]) -> list[Any]:
    for one in parameters:
        if getattr(one, "is_flag", False):
            one.metavar = ""
        elif one.param_type_name == "argument":
            one.display_type_rich = _nothing
    return parameters


def _nothing(ctx: Any) -> None:
    """Show no type: the metavar describes the argument."""


class PlainCommand(TyperCommand):
    """A command whose flags and arguments show no Python type."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return _plain(super().get_params(ctx))


class SpeakingCommand(PlainCommand):
    """A command that speaks the language of its reader."""


class PlainGroup(TyperGroup):
    """A group of commands whose flags and arguments show no Python type."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return _plain(super().get_params(ctx))


class SpeakingGroup(PlainGroup):
    """A group of commands that speak the language of their reader."""
