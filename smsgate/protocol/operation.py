"""The class of one operation of the gateway; `operations` has the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["NAMESPACE", "Operation"]

NAMESPACE = "http://turbosms.in.ua/api/Turbo"

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Operation(Generic[T_co]):
    """One operation: its arguments, how its answer is parsed, and whether a retry is safe."""

    name: str
    arguments: tuple[str, ...]
    array: bool
    """The answer is a list of `ResultArray` elements, not one string."""
    repeatable: bool
    """A failed call may be retried automatically."""
    read: Callable[[Any, Any], T_co]
    """Parses a `Reply`. Raises `Refused` or `InDoubt`.

    The second argument is what was asked: a `Message`, a message id, or None."""
    knows: Callable[[str], bool]
    """Whether a string of the answer is a value of this operation.

    It must agree with `read`: any other string is looked up in the table of sentences."""

    @property
    def result(self) -> str:
        """The local name of the element with the answer."""
        return f"{self.name}Result"

    @property
    def action(self) -> str:
        """The SOAPAction header; the gateway ignores it."""
        return f"{NAMESPACE}/{self.name}"
