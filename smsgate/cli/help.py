"""The look of `--help`: without names of Python types, which mean nothing to a user.

Rule of this file: no other file knows how typer shows its parameters.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup

from .linked_services import set_by_link

__all__ = [
    "PlainCommand",
    "PlainGroup",
    "SpeakingCommand",
    "SpeakingGroup",
    "reads_environment",
]


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


def _separated(option: Any, ctx: Any) -> list[str] | None:
    given: str | None = option.resolve_envvar_value(ctx)
    return None if given is None else given.split(";")


def _set_by_user(resolve: Any, name: str, ctx: Any) -> str | None:
    given: str | None = resolve(ctx)
    return None if given is None or set_by_link(name, given) else given


def reads_environment(prefix: str) -> type[PlainCommand]:
    """Return a command whose options are also environment variables.

    `--keep-messages` is the prefix and `KEEP_MESSAGES`. An option on the command line wins over its
    variable. A repeatable option takes values separated by `;`. A variable that is empty, or that a
    link of Docker or a service of Kubernetes has set, counts as absent.
    """

    class FromEnvironment(PlainCommand):
        def get_params(self, ctx: Any) -> list[Any]:
            parameters = super().get_params(ctx)
            for one in parameters:
                long = next((name for name in getattr(one, "opts", ()) if name[:2] == "--"), None)
                if long in (None, "--help"):
                    continue
                name = long[2:].replace("-", "_").upper()
                one.envvar = prefix + name
                one.resolve_envvar_value = partial(_set_by_user, one.resolve_envvar_value, name)
                if one.multiple:
                    # Without this, spaces separate the values, and a fault has spaces.
                    one.value_from_envvar = partial(_separated, one)
            return parameters

    return FromEnvironment


class PlainGroup(TyperGroup):
    """A group of commands whose flags and arguments show no Python type."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        return _plain(super().get_params(ctx))


class SpeakingGroup(PlainGroup):
    """A group of commands that speak the language of their reader."""
