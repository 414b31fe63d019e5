"""What the pages of the API look like: examples as code, arguments and exceptions as tables.

A Sphinx extension.
"""

from __future__ import annotations

from typing import Any

from docstrings import with_examples
from docutils import nodes

__all__ = ["setup"]

_FIELDS = {"Parameters": ("argument", "meaning"), "Raises": ("exception", "when")}
_DASH = " \N{EN DASH} "


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
