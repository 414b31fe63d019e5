"""All commands of `smsgate`, by their words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from smsgate.cli.app import app

__all__ = ["COMMANDS", "ROOT", "command_of"]

ROOT: Any = get_command(app)
"""The command `smsgate`."""


def _leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(words), command
        return
    for word, one in inner.items():
        yield from _leaves(one, (*words, word))


COMMANDS: dict[str, Any] = dict(_leaves(ROOT))
"""Each command that has no commands of its own: `campaign run`."""


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that these words after `smsgate` run, and its own words."""
    command, rest = ROOT, [*words]
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]
    return command, rest
