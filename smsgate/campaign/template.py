"""Texts with `{column}` fields, without attribute access, indexes or format specifications.

Rules of this file: no I/O. A field without a column is found before any recipient is read. `{{` and
`}}` stand for braces.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..privacy import mask_numbers

__all__ = ["MissingField", "Template"]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class MissingField(ValueError):
    """A recipient has no value in a column that the text needs."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with fields."""

    text: str = field(repr=False)
    fields: tuple[str, ...] = ()
    same: str = field(default="", repr=False)
    """The text of each recipient, if there are no fields."""

    @classmethod
    def of(cls, text: str) -> Template:
        """Parse a text. Raises `ValueError` for a single brace or a field without a name."""
        names: dict[str, None] = {}
        for token in _TOKEN.finditer(text):
            if token[0] in ("{", "}"):
                raise ValueError(
                    f"text: single brace at position {token.start() + 1}; write it twice for a"
                    " literal brace"
                )
            if token[1] is not None:
                if not token[1].strip():
                    raise ValueError(f"text: the field at position {token.start() + 1} has no name")
                names[token[1].strip()] = None
        return cls(text, tuple(names), "" if names else _TOKEN.sub(_brace, text))

    def check(self, columns: Collection[str]) -> None:
        """Raise `ValueError` for a field without a column."""
        for name in self.fields:
            if name not in columns:
                known = mask_numbers(", ".join(columns))
                raise ValueError(
                    f"text: no column for the field {{{mask_numbers(name)}}}; the columns are"
                    f" {known}"
                )

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text of one recipient. Raises `MissingField` if a value is absent or blank."""
        if not self.fields:
            return self.same
        for name in self.fields:
            if not values.get(name, "").strip():
                raise MissingField(f"no value in the column {mask_numbers(name)}")
        return _TOKEN.sub(
            lambda token: _brace(token) if token[1] is None else values[token[1].strip()].strip(),
            self.text,
        )


def _brace(token: re.Match[str]) -> str:
    return token[0][0]
