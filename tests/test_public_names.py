"""Whatever a public call takes or returns can be imported by name from a public module."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import pytest

PUBLIC = [
    "smsgate",
    "smsgate.errors",
    "smsgate.campaign",
    "smsgate.outbox",
    "smsgate.sandbox",
    "smsgate.doctor",
    "smsgate.settings",
    "smsgate.integrations.fastapi",
    "smsgate.integrations.aiohttp",
    "smsgate.integrations.otel",
    "smsgate.integrations.procrastinate",
]
NAMES = [(module, name) for module in PUBLIC for name in importlib.import_module(module).__all__]
EXPORTED = {id(getattr(importlib.import_module(module), name)) for module, name in NAMES}
MADE_ELSEWHERE = {"SqliteJournal", "Campaign", "Runner", "Parallel"}
"""Classes that users never construct, so the arguments of their constructors are internal."""


def classes_in(hint: Any) -> Iterator[type]:
    """Yield each class of this package that stands in a type hint."""
    for part in (hint, typing.get_origin(hint)):
        if isinstance(part, type) and part.__module__.startswith("smsgate"):
            yield part
    for argument in typing.get_args(hint):
        yield from classes_in(argument)


def hints_of(public: Any) -> Iterator[dict[str, Any]]:
    """Yield the type hints of a public function, or of a class with its methods and properties."""
    if not inspect.isclass(public):
        if inspect.isfunction(public):
            yield typing.get_type_hints(public)
        return
    yield {
        name: hint
        for name, hint in typing.get_type_hints(public).items()
        if not name.startswith("_")
    }
    for name, member in vars(public).items():
        made = (
            name == "__init__"
            and not is_dataclass(public)
            and public.__name__ not in MADE_ELSEWHERE
        )
        if name.startswith("_") and not made:
            continue
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if inspect.isfunction(function):
            yield typing.get_type_hints(function)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_each_type_of_a_public_call_is_exported(module: str, name: str):
    public = getattr(importlib.import_module(module), name)
    used = {
        found for hints in hints_of(public) for hint in hints.values() for found in classes_in(hint)
    }
    assert {
        f"{found.__module__}.{found.__name__}" for found in used if id(found) not in EXPORTED
    } == set()
