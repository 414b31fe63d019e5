"""Draw bar charts of a benchmark's figures in one SVG file.

Rule of this file: the picture has its own background, and colours for light and dark pages, so that
it can be read wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smsgate.campaign.report.charts import escape

__all__ = ["Bar", "Chart", "drawing"]

_WIDTH, _EDGE, _LEFT, _RIGHT = 720, 20, 200, 170
_TITLE, _ROW, _THICK = 34, 24, 14
_STYLE = """
.paper { fill: #ffffff; stroke: #e2e2de; }
.ours { fill: #2b6cb0; }
.other { fill: #a7b8cb; }
text { fill: #1b1c1e; font: 13px -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
.title { font-weight: 600; font-size: 14px; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #16181b; stroke: #30343a; }
  .ours { fill: #5b9ee0; }
  .other { fill: #566b85; }
  text { fill: #e7e7e4; }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label, its length, and the figure in words. `other` is what is compared to."""

    label: str
    value: float
    said: str
    other: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars with one scale, below a title."""

    title: str
    bars: Sequence[Bar]


def drawing(title: str, charts: Sequence[Chart]) -> str:
    """Return the charts as an SVG file, one below the other."""
    height = 2 * _EDGE + sum(_TITLE + _ROW * len(chart.bars) for chart in charts) - 16
    said = "; ".join(
        f"{chart.title}: {', '.join(f'{bar.label} {bar.said}' for bar in chart.bars)}"
        for chart in charts
    )
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img"',
        f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(said)}</desc>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>',
    ]
    top = _EDGE - 4
    for chart in charts:
        lines += _chart(chart, top)
        top += _TITLE + _ROW * len(chart.bars)
    return "\n".join([*lines, "</svg>", ""])


def _chart(chart: Chart, top: int) -> Iterator[str]:
    yield f'<text class="title" x="{_EDGE}" y="{top + 14}">{escape(chart.title)}</text>'
    most = max((bar.value for bar in chart.bars), default=0) or 1
    for row, bar in enumerate(chart.bars):
        y = top + _TITLE - 8 + row * _ROW
        width = max(bar.value / most * (_WIDTH - _LEFT - _RIGHT), 1)
        yield f'<text x="{_LEFT - 10}" y="{y + 12}" text-anchor="end">{escape(bar.label)}</text>'
        yield (
            f'<rect class="{"other" if bar.other else "ours"}" x="{_LEFT}" y="{y}"'
            f' width="{width:.1f}" height="{_THICK}" rx="2"/>'
        )
        yield f'<text x="{_LEFT + width + 8:.1f}" y="{y + 12}">{escape(bar.said)}</text>'
