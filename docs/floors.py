"""The picture of the floors: which room of the package imports from which, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import smsgate

__all__ = ["ROOMS", "below", "floor_of"]

ROOMS: dict[str, tuple[float, tuple[str, ...]]] = {
    "errors, privacy": (
        1.5,
        ("errors", "privacy", "extras", "version", "stop_check", "languages", "known_sentences"),
    ),
    "protocol": (1.5, ("protocol", "phone")),
    "configuration": (1, ("config", "settings", "staging")),
    "_client": (1.5, ("_client",)),
    "session": (1, ("session", "")),
    "ledger": (0, ("ledger",)),
    "campaign": (0, ("campaign", "stop_list")),
    "outbox": (1, ("outbox",)),
    "sandbox": (3, ("sandbox",)),
    "doctor": (2, ("doctor",)),
    "integrations": (1, ("integrations",)),
    "testing": (3, ("testing",)),
    "cli": (2, ("cli", "__main__")),
}
"""Each room: its column in the picture, and the modules and packages below `smsgate` in it."""

_ROOT = Path(smsgate.__file__).parent


def _room_of(module: str) -> str:
    first = module.partition(".")[0]
    return next(room for room, (_, parts) in ROOMS.items() if first in parts)


def _imports(path: Path) -> Iterator[str]:
    """Yield the modules of this package that a file imports, by their names below `smsgate`."""
    package = ["smsgate", *path.relative_to(_ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (".".join([*above, name]).partition(".")[2] for name in names)


@cache
def direct() -> dict[str, frozenset[str]]:
    """Return for each room the rooms from which it imports."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in _ROOT.rglob("*.py"):
        module = (
            ".".join(path.relative_to(_ROOT).with_suffix("").parts)
            .removesuffix("__init__")
            .rstrip(".")
        )
        if not module:
            continue  # the root only names what is public
        found[_room_of(module)] |= {_room_of(name) for name in _imports(path)}
    return {room: frozenset(rooms - {room}) for room, rooms in found.items()}


def below(room: str) -> set[str]:
    """Return the rooms that a room imports from directly, without those it reaches by another."""
    through = {far for near in direct()[room] for far in _all_below(near)}
    return set(direct()[room]) - through


@cache
def _all_below(room: str) -> frozenset[str]:
    return frozenset(
        {*direct()[room], *(far for near in direct()[room] for far in _all_below(near))}
    )


def floor_of(room: str) -> int:
    """Return how many rooms lie below each other down to the ground."""
    return max((floor_of(near) + 1 for near in direct()[room]), default=0)
