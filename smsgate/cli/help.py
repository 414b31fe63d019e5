"""Commands and groups as typer has them, with two changes.

`--help` shows no names of Python types, which mean nothing to a user, and a group can load its
commands when one of them is used.

Rule of this file: no other file knows how typer shows parameters and finds commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any

from typer import BadParameter
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from .linked_services import set_by_link

__all__ = [
    "PlainCommand",
    "PlainGroup",
    "SpeakingCommand",
    "SpeakingGroup",
    "UsageError",
    "group_loading",
    "reads_environment",
]


UsageError: type[Exception] = BadParameter.__mro__[1]
"""The error of an invalid command line. typer has its own copy of click and exports a subclass."""


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


@cache
def _group_of(module: str) -> Any:
    return get_group(import_module(f".{module}", __package__).app)


class _Loading(Mapping[str, Any]):
    """The commands of a group by name. One is imported when it is looked up."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def __getitem__(self, name: str) -> Any:
        group = _group_of(self._modules[name])
        return group.commands.get(name, group)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def group_loading(commands: Mapping[str, tuple[str, str]]) -> type[PlainGroup]:
    """Return a group that imports a command when it is run, not when the commands are listed.

    Args:
        commands: for each command, in the order of the list, the module beside this one whose `app`
            has it (or is it, if it is a group), and its line in the list.
    """

    class LoadingGroup(PlainGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands: Any = _Loading({name: module for name, (module, _) in commands.items()})

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - of the interface
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - of the interface
            """Return what the list shows of the command."""
            if cmd_name not in commands:
                return None
            return PlainCommand(cmd_name, help=commands[cmd_name][1])

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
            name, _, rest = super().resolve_command(ctx, args)
            return name, self.commands.get(name or ""), rest

    return LoadingGroup
