"""Journals and runs with a clock of the test and a hook at each step, where a test can exit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def stepped(
    kind: type[T],
    *,
    clock: Callable[[], float] | None = None,
    hook: Callable[[str], None] | None = None,
    pauses: tuple[float, ...] | None = None,
) -> type[T]:
    """Return the class with these in place of its own."""
    given: dict[str, Any] = {
        "_clock": clock and staticmethod(clock),
        "_hook": hook and staticmethod(hook),
        "_pauses": pauses,
    }
    return type(
        kind.__name__, (kind,), {name: value for name, value in given.items() if value is not None}
    )
