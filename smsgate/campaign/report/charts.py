"""Charts as SVG text: a funnel, stacked columns and a bar. The page sets the colours, by class.

Rules of this file: no I/O; numbers and words go in, markup comes out. Every word is escaped, and
every chart has a role, a title and a description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape as _escape

__all__ = [
    "Column",
    "Part",
    "Stage",
    "bar",
    "escape",
    "funnel",
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
    """Recipients that leave the funnel at a stage: kind (the colour), label and number."""

    kind: str
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a funnel: label, number, number in words, share, and those that leave it here."""

    label: str
    value: int
    said: str
    share: str
    kind: str
    branches: tuple[Part, ...] = ()


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


def _open(key: str, height: float, title: str, description: str) -> Iterator[str]:
    yield (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height:g}" role="img"'
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


# The funnel

_STAGE, _BAR, _LEFT, _RIGHT = 74.0, 26.0, 120.0, 128.0
_EMS = {
    **dict.fromkeys("ijlI,. '", 0.29),
    **dict.fromkeys("frt", 0.36),
    **dict.fromkeys("mwMW", 0.82),
}


def funnel(key: str, stages: Sequence[Stage], *, title: str) -> str:
    """Return a funnel: one bar per stage, to scale, with the recipients that leave it below."""
    most = max((stage.value for stage in stages), default=0)
    described = "; ".join(
        f"{stage.label} {stage.said}"
        + "".join(f", {part.value:,} {part.label}" for part in stage.branches if part.value)
        for stage in stages
    )
    height = (
        _STAGE * (len(stages) - 1)
        + _BAR
        + (26 if any(part.value for part in stages[-1].branches) else 6)
    )
    lines = [*_open(key, height, title, described)]
    for place, stage in enumerate(stages):
        lines += _stage(
            stage,
            place * _STAGE,
            (_WIDTH - _LEFT - _RIGHT) / most if most else 0,
            last=place == len(stages) - 1,
        )
    return "\n".join([*lines, "</svg>"])


def _stage(stage: Stage, top: float, scale: float, *, last: bool) -> Iterator[str]:
    leaving = [part for part in stage.branches if part.value]
    going_on = stage.value - sum(part.value for part in leaving)
    whole = max(stage.value * scale, _LEAST) if stage.value else 0.0
    widths = [max(part.value * scale, _LEAST) for part in leaving]
    left = max(whole - sum(widths), _LEAST if going_on else 0.0)
    yield _text(0, top + _BAR / 2 + 5, stage.label, "stage")
    yield (
        f'<rect class="track" x="{_LEFT:g}" y="{top:g}"'
        f' width="{_WIDTH - _LEFT - _RIGHT:g}" height="{_BAR:g}"/>'
    )
    if left and not last:
        yield (
            f'<rect class="flow" x="{_LEFT:g}" y="{top + _BAR:g}"'
            f' width="{left:.2f}" height="{_STAGE - _BAR:g}"/>'
        )
    if left:
        yield _rect(stage.kind, _LEFT, top, left, _BAR)
    x = _LEFT + left
    for part, width in zip(leaving, widths, strict=True):
        gap = 1.0 if width > 3 else 0.0
        yield _rect(part.kind, x + gap, top, width - gap, _BAR)
        x += width
    yield _text(_WIDTH - 56, top + _BAR / 2 + 5, stage.said, "figure", "end")
    yield _text(_WIDTH, top + _BAR / 2 + 5, stage.share, "quiet", "end")
    yield from _branches(leaving, top + _BAR)


def _branches(leaving: Sequence[Part], top: float) -> Iterator[str]:
    """Label the recipients that leave the funnel, in two lines at most."""
    rows: list[list[Part]] = [[]]
    for part in leaving:
        if rows[-1] and sum(_room(other) for other in [*rows[-1], part]) > _WIDTH - _LEFT - 8:
            rows.append([])
        rows[-1].append(part)
    for place, row in enumerate(rows[:2]):
        x, y = _LEFT + 10, top + 18 + 16 * place
        for part in row:
            yield _rect(part.kind, x, y - 8, 9, 9)
            yield _text(x + 14, y, f"{part.value:,} {part.label}", "branch")
            x += _room(part)


def _room(part: Part) -> float:
    """Return the approximate width of a label, for a font of the usual proportions."""
    return 14 + 22 + 12.5 * sum(_EMS.get(letter, 0.57) for letter in f"{part.value:,} {part.label}")


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
) -> str:
    """Return stacked columns, each with its figures as a title, above an axis.

    `kinds` are pairs of kind and word. Each item of `axis` is a place from 0 to 1 and its label.
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
        lines.append(_text(_AXIS - 8, y + 4, f"{mark:,}", "quiet", "end"))
    step = (_WIDTH - _AXIS) / max(len(columns), 1)
    for place, column in enumerate(columns):
        if any(column.values):
            lines += _column(column, kinds, _AXIS + place * step + step * 0.12, step * 0.76, scale)
    for where, words in axis:
        x = _AXIS + (_WIDTH - _AXIS) * where
        anchor = "end" if x > _WIDTH - 30 else "middle"
        lines.append(
            f'<line class="ground" x1="{x:.1f}" x2="{x:.1f}"'
            f' y1="{_GROUND:g}" y2="{_GROUND + 5:g}"/>'
        )
        lines.append(_text(x, _GROUND + 21, words, "quiet", anchor))
    return "\n".join([*lines, "</svg>"])


def _column(
    column: Column, kinds: Sequence[tuple[str, str]], x: float, width: float, scale: float
) -> Iterator[str]:
    said = ", ".join(
        f"{value:,} {word}" for (_, word), value in zip(kinds, column.values, strict=True) if value
    )
    yield f"<g><title>{escape(f'{column.label}: {said}')}</title>"
    y = _GROUND
    for (kind, _), value in zip(kinds, column.values, strict=True):
        if value:
            height = max(value * scale, _LEAST)
            y -= height
            yield _rect(kind, x, y, width, height)
    yield "</g>"
