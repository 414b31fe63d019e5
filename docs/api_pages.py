"""What the pages of the API look like: examples as code, arguments and exceptions as tables.

A Sphinx extension. In a docstring an example is an indented block, without any markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes

__all__ = ["setup"]

_FIELDS = {"Parameters": ("argument", "meaning"), "Raises": ("exception", "when")}
_DASH = " \N{EN DASH} "


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


def _rows(body: nodes.Element) -> list[tuple[list[nodes.Node], list[nodes.Node]]]:
    """Return the name and the meaning of each entry of a field."""
    rows = []
    for paragraph in body.findall(nodes.paragraph):
        name: list[nodes.Node] = []
        meaning: list[nodes.Node] = []
        split = False
        for child in paragraph.children:
            if not split and isinstance(child, nodes.Text) and _DASH in child:
                before, _, after = child.partition(_DASH)
                name.append(nodes.Text(before))
                meaning.append(nodes.Text(after))
                split = True
            else:
                (meaning if split else name).append(child)
        if not split:
            return []  # not an entry of the usual form
        rows.append((name, meaning))
    return rows


def _table(
    head: tuple[str, str], rows: list[tuple[list[nodes.Node], list[nodes.Node]]]
) -> nodes.table:
    def row(cells: tuple[list[nodes.Node], list[nodes.Node]]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))

    group = nodes.tgroup(
        "",
        nodes.colspec(colwidth=25),
        nodes.colspec(colwidth=75),
        nodes.thead("", row(([nodes.Text(head[0])], [nodes.Text(head[1])]))),
        nodes.tbody("", *map(row, rows)),
        cols=2,
    )
    return nodes.table("", group, classes=["fields"])


def _as_tables(*event: Any) -> None:
    """Turn the lists of arguments and of exceptions into tables."""
    doctree = event[1]
    for field in list(doctree.findall(nodes.field)):
        name, body = field.children
        head = _FIELDS.get(name.astext())
        if head and (rows := _rows(body)):
            body.children = []
            body += _table(head, rows)


def _mark_examples(*event: Any) -> None:
    lines = event[-1]
    lines[:] = with_examples(lines)


def setup(app: Any) -> dict[str, bool]:
    """Connect the handlers. Examples are marked before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _mark_examples, priority=400)
    app.connect("doctree-resolved", _as_tables)
    return {"parallel_read_safe": True}
