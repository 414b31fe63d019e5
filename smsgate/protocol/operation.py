"""What one operation of the gateway is: a row of the table in `operations`. Nothing here acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["NAMESPACE", "Operation"]

NAMESPACE = "http://turbosms.in.ua/api/Turbo"

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Operation(Generic[T_co]):
    """One row: what is asked, where the answer stands and how it is read, and whether asking again is harmless."""

    name: str
    arguments: tuple[str, ...]
    array: bool
    """The answer is a list of `ResultArray` elements, not one string."""
    repeatable: bool
    """May be repeated by itself after a fault of the transport."""
    read: Callable[[Any, Any], T_co]
    """Makes a value of the `Reply` and of what was asked: a `Message`, a message id, or None. Raises `Refused` or `InDoubt`."""
    knows: Callable[[str], bool]
    """Whether a string of the answer is a value of this operation. Any other is looked up in the table of sentences."""

    @property
    def result(self) -> str:
        """Local name of the element that holds the answer."""
        return f"{self.name}Result"

    @property
    def action(self) -> str:
        """The SOAPAction, which the gateway does not read."""
        return f"{NAMESPACE}/{self.name}"
