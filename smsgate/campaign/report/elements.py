"""The pieces of the page that all sections use: a table, a row with a bar, a section.

Rule of this file: every word of the gateway or a user goes through `ReportPage.said`, which escapes
it and masks numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from importlib.resources import files
from typing import Protocol

from ...ledger.records import Figures, RecipientInDoubt, RequestInDoubt, TimeSlot
from ...privacy import mask_number
from ..wording import Fact, count, masked, share
from .charts import bar, escape

__all__ = [
    "GROUP_KINDS",
    "ReportPage",
    "Reportable",
    "bar_row",
    "cells",
    "fact_row",
    "packaged",
    "section",
    "table",
]

GROUP_KINDS = {
    "delivered": "delivered",
    "failed": "refused",
    "open": "waiting",
    "silent": "skipped",
    "unasked": "skipped",
}
"""The colour of each group of delivery statuses."""


class Reportable(Protocol):
    """The part of a campaign or journal that a report needs."""

    def figures(self) -> Figures:
        """Return the campaign in figures."""
        ...

    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most `steps` time slots."""
        ...

    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, oldest first."""
        ...

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request."""
        ...


@dataclass(frozen=True, slots=True)
class ReportPage:
    journal: Reportable
    figures: Figures
    show_numbers: bool
    now: float
    zone: tzinfo | None

    def said(self, text: str) -> str:
        """Return a text of the gateway or a user, escaped and masked for the page."""
        return escape(text if self.show_numbers else masked(text))

    def number(self, number: str) -> str:
        return escape(
            number
            if self.show_numbers
            else mask_number(number)
            if number.lstrip("+").isdigit()
            else masked(number)
        )


@cache
def packaged(name: str) -> str:
    return files("smsgate.campaign.report").joinpath(name).read_text(encoding="utf-8").strip()


def section(key: str, heading: str, about: str, lines: Iterable[str]) -> Iterator[str]:
    yield f'<section id="{key}" aria-labelledby="{key}-heading">'
    yield f'<h2 id="{key}-heading">{escape(heading)}</h2>'
    yield f'<p class="about">{escape(about)}</p>'
    yield from lines
    yield "</section>"


def fact_row(row: Fact) -> str:
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return f"<div><dt>{escape(row.what)}</dt><dd>{escape(row.figure)}{note}</dd></div>"


def cells(row: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<td class="{kind}">{value}</td>' if kind else f"<td>{value}</td>" for kind, value in row
    )


def table(
    heads: Sequence[tuple[str, str]], rows: Iterable[str], *, kind: str = ""
) -> Iterator[str]:
    yield f'<table class="{kind}">' if kind else "<table>"
    if heads:
        titles = "".join(
            f'<th scope="col" class="{css}">{escape(name)}</th>' for css, name in heads
        )
        yield f"<thead><tr>{titles}</tr></thead>"
    yield "<tbody>"
    yield from rows
    yield "</tbody></table>"


def bar_row(label: str, value: int, whole: int, *, kind: str, most: int, css: str = "") -> str:
    drawn = bar(value, most, kind, f"{count(value)}, {share(value, whole)}")
    columns = cells(
        (("number", count(value)), ("number share", escape(share(value, whole))), ("", drawn))
    )
    return f'<tr class="{css}"><th scope="row">{label}</th>{columns}</tr>'
