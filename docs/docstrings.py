"""Examples in docstrings: an indented block without any markup is code."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["with_examples"]


def with_examples(lines: list[str]) -> list[str]:
    """Return the lines of a docstring, with each indented block of its text marked as code."""
    return list(_with_examples(lines))


def _with_examples(lines: list[str]) -> Iterator[str]:
    before, blank, code, section = "", False, False, False
    for line in lines:
        indented = line.startswith("    ")
        if line.strip() and not indented:
            code, section = False, bool(re.fullmatch(r"[A-Z]\w+:", line))
        elif indented and blank and not code and not section and not before.endswith("::"):
            code = not before.lstrip().startswith(("-", "..", ":"))
            if code:
                yield from (".. code-block:: python", "")
        yield line
        blank = not line.strip()
        before = before if blank else line
