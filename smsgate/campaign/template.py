"""Texts with `{column}` fields, and nothing more: no attribute access, no indexes, no format specifications.

Rule of this file: pure, and a field that no recipient has is found before any recipient is read. `{{` and `}}` stand for braces.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..privacy import mask_numbers

__all__ = ["MissingField", "Template"]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class MissingField(ValueError):
    """A recipient has nothing in a column that the text needs."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with fields. Making one raises `ValueError` for a brace that stands alone or a field without a name."""

    text: str = field(repr=False)
    fields: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Template:
        """Read a template."""
        names: dict[str, None] = {}
        for token in _TOKEN.finditer(text):
            if token[0] in ("{", "}"):
                raise ValueError(f"text: a brace at position {token.start() + 1} stands alone; write it twice to mean a brace")
            if token[1] is not None:
                if not token[1].strip():
                    raise ValueError(f"text: the field at position {token.start() + 1} has no name")
                names[token[1].strip()] = None
        return cls(text, tuple(names))

    def check(self, columns: Collection[str]) -> None:
        """Raise `ValueError` for a field that is no column."""
        for name in self.fields:
            if name not in columns:
                known = mask_numbers(", ".join(columns))
                raise ValueError(f"text: there is no column for the field {{{mask_numbers(name)}}}; the columns are {known}")

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text of one recipient. Raises `MissingField`, which names the column, if it is absent or blank."""
        for name in self.fields:
            if not values.get(name, "").strip():
                raise MissingField(f"nothing in the column {mask_numbers(name)}")
        return _TOKEN.sub(lambda token: token[0][0] if token[1] is None else values[token[1].strip()].strip(), self.text)
