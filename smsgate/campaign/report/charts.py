"""Charts as SVG text: one stacked bar, stacked columns and a bar. The page sets the colours.

Rules of this file: no I/O; numbers and words go in, markup comes out. Every word is escaped, and
every chart has a role, a title and a description.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape as _escape

__all__ = [
    "Column",
    "Part",
    "bar",
    "escape",
    "stacked_bar",
    "stacked_columns",
    "swatch",
    "ticks",
]

_WIDTH = 720
_HATCHED = "in-doubt"
"""The kind that is also hatched, so that it stands out in black and white."""
_LEAST = 2.0
"""The smallest width or height of a part that is not 0."""
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a whole: its kind (the colour), its label and its number."""

    kind: str
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its label, and its values in the order of the kinds, from the ground up."""

    label: str
    values: tuple[int, ...]


def escape(text: str) -> str:
    """Return escaped text, without control characters and marks that change the text direction."""
    return _escape(_UNPRINTABLE.sub("\ufffd", text), quote=True)


def ticks(most: float, count: int = 4) -> list[int]:
    """Return about `count` round numbers, from 0 to the first that is not below `most`."""
    step = 1
    while step * count < most:
        step = next(size for size in _round_numbers(step) if size > step)
    return [step * place for place in range(-(-int(most) // step) + 1)] if most > 0 else [0]


def _round_numbers(above: int) -> Iterator[int]:
    size = 10 ** (len(str(above)) - 1)
    yield from (size, 2 * size, 5 * size, 10 * size)


def swatch(kind: str) -> str:
    """Return a small square in the colour of a kind, for a legend."""
    fill = f'<rect class="{kind}" width="10" height="10" rx="2"/>'
    hatch = _hatch(kind, 0, 0, 10, 10)
    return f'<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">{fill}{hatch}</svg>'


def bar(value: int, most: int, kind: str, title: str) -> str:
    """Return a bar for one row of a table. The row itself shows the figure."""
    width = max(100 * value / most, 0.7) if value and most else 0
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title>"
        f'<rect class="{kind}" width="{width:.2f}" height="8"/></svg>'
    )


def _open(
    key: str, height: float, title: str, description: str, *, stretched: bool = False
) -> Iterator[str]:
    kind = 'class="whole" preserveAspectRatio="none"' if stretched else 'class="chart"'
    yield (
        f'<svg {kind} viewBox="0 0 {_WIDTH} {height:g}" role="img"'
        f' aria-labelledby="{key}-title {key}-desc">'
    )
    yield (
        f'<title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(description)}</desc>'
    )


def _text(x: float, y: float, words: str, *classes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{" ".join(classes)}">{escape(words)}</text>'


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    shape = (
        f'<rect class="{kind}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"/>'
    )
    return shape + _hatch(kind, x, y, width, height)


def _hatch(kind: str, x: float, y: float, width: float, height: float) -> str:
    """Return diagonal lines over a rectangle of the hatched kind, clipped at its edges."""
    if kind != _HATCHED:
        return ""
    lines, at = [], 5.0
    while at < width + height:
        x1, x2 = max(0.0, at - height), min(at, width)
        lines.append(f"M{x + x1:.2f} {y + at - x1:.2f}L{x + x2:.2f} {y + at - x2:.2f}")
        at += 5.0
    return f'<path class="hatch" d="{"".join(lines)}"/>' if lines else ""


# One bar

_BAR = 30.0


def stacked_bar(key: str, parts: Sequence[Part], *, title: str, said: Callable[[int], str]) -> str:
    """Return one bar of all parts, to scale. A part that is not 0 is visible. `said` writes."""
    shown = [part for part in parts if part.value]
    whole = sum(part.value for part in shown)
    widths = [max(_WIDTH * part.value / whole, _LEAST) for part in shown]
    scale = _WIDTH / (sum(widths) or 1)
    described = ", ".join(f"{part.label}: {said(part.value)}" for part in shown)
    lines = [*_open(key, _BAR, title, described, stretched=True)]
    lines.append(f'<rect class="track" width="{_WIDTH}" height="{_BAR:g}"/>')
    x = 0.0
    for part, width in zip(shown, widths, strict=True):
        gap = 1.5 if width * scale > 6 and x else 0.0
        lines.append(f"<g><title>{escape(f'{part.label}: {said(part.value)}')}</title>")
        lines += [_rect(part.kind, x + gap, 0, width * scale - gap, _BAR), "</g>"]
        x += width * scale
    return "\n".join([*lines, "</svg>"])


# Columns

_HEIGHT, _GROUND, _TOP, _AXIS = 220.0, 178.0, 18.0, 52.0


def stacked_columns(
    key: str,
    columns: Sequence[Column],
    kinds: Sequence[tuple[str, str]],
    *,
    title: str,
    description: str,
    axis: Sequence[tuple[float, str]],
    said: Callable[[int], str],
) -> str:
    """Return stacked columns, each with its figures as a title, above an axis.

    `kinds` are pairs of kind and word. Each item of `axis` is a place from 0 to 1 and its label.
    `said` writes a number.
    """
    most = max((sum(column.values) for column in columns), default=0)
    marks = ticks(most)
    scale = (_GROUND - _TOP) / (marks[-1] or 1)
    lines = [*_open(key, _HEIGHT, title, description)]
    for mark in marks:
        y = _GROUND - mark * scale
        kind = "ground" if mark == 0 else "grid"
        lines.append(
            f'<line class="{kind}" x1="{_AXIS:g}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        lines.append(_text(_AXIS - 8, y + 4, said(mark), "quiet", "end"))
    step = (_WIDTH - _AXIS) / max(len(columns), 1)
    for place, column in enumerate(columns):
        if any(column.values):
            x = _AXIS + place * step + step * 0.12
            lines += _column(column, kinds, (x, step * 0.76), scale, said)
    for place, (where, words) in enumerate(axis):
        x = _AXIS + (_WIDTH - _AXIS) * where
        anchor = "end" if x > _WIDTH - 30 else "middle"
        lines.append(
            f'<line class="ground" x1="{x:.1f}" x2="{x:.1f}"'
            f' y1="{_GROUND:g}" y2="{_GROUND + 5:g}"/>'
        )
        # A phone has room for every other label.
        sparse = ("alternate",) * (place % 2)
        lines.append(_text(x, _GROUND + 21, words, "quiet", anchor, *sparse))
    return "\n".join([*lines, "</svg>"])


def _column(
    column: Column,
    kinds: Sequence[tuple[str, str]],
    place: tuple[float, float],
    scale: float,
    said: Callable[[int], str],
) -> Iterator[str]:
    x, width = place
    figures = ", ".join(
        f"{said(value)} {word}"
        for (_, word), value in zip(kinds, column.values, strict=True)
        if value
    )
    yield f"<g><title>{escape(f'{column.label}: {figures}')}</title>"
    y = _GROUND
    for (kind, _), value in zip(kinds, column.values, strict=True):
        if value:
            height = max(value * scale, _LEAST)
            y -= height
            yield _rect(kind, x, y, width, height)
    yield "</g>"
