"""The pieces of the page that all sections use: a table, a row with a bar, a folded section.

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

from ...known_sentences import retold
from ...languages import Language
from ...ledger.records import Figures, RecipientInDoubt, RequestInDoubt, TimeSlot
from ...privacy import mask_number
from ..wording import NO_REASON, STATUSES, Fact, masked, share
from .charts import bar, escape

__all__ = [
    "GROUP_KINDS",
    "ReportPage",
    "Reportable",
    "bar_row",
    "capital",
    "cells",
    "fact_row",
    "folded",
    "packaged",
    "section",
    "table",
]

GROUP_KINDS = {
    "delivered": "delivered",
    "failed": "failed",
    "open": "open",
    "silent": "silent",
    "unasked": "accepted",
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
    language: Language
    place: str

    def say(self, sentence: str, **values: object) -> str:
        """Return a sentence in the language of the page, escaped."""
        return escape(self.language.say(sentence, **values))

    def plural(self, one: str, many: str, number: int, **values: object) -> str:
        """Return a sentence that agrees with a number, in the language of the page, escaped."""
        return escape(self.language.plural(one, many, number, **values))

    def count(self, number: int) -> str:
        return self.language.count(number)

    def share(self, part: int, whole: int) -> str:
        return escape(share(part, whole, self.language))

    def status(self, status: str) -> str:
        """Return a delivery status: in the language of the page, or in the gateway's own words."""
        known = STATUSES.get(status)
        return self.said(status) if known is None else self.say(known)

    def reason(self, reason: str) -> str:
        """Return a recorded reason: ours in the language of the page, others as recorded."""
        return self.said(retold(reason, self.language)) if reason.strip() else self.say(NO_REASON)

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


def section(key: str, heading: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a section that is always visible. The heading is escaped already."""
    yield f'<section id="{key}" aria-labelledby="{key}-heading">'
    yield f'<h2 id="{key}-heading">{heading}</h2>'
    yield from lines
    yield "</section>"


def folded(
    key: str, heading: str, about: str, lines: Iterable[str], *, printed: bool = False
) -> Iterator[str]:
    """Yield a section that the reader unfolds. Heading and `about` are escaped already.

    A link to `key` unfolds it, too. `printed` is whether it is unfolded on paper.
    """
    yield f'<details class="{"printed" if printed else "unprinted"}">'
    yield f"<summary><h2>{heading}</h2></summary>"
    yield f'<div id="{key}">'
    if about:
        yield f'<p class="about">{about}</p>'
    yield from lines
    yield "</div></details>"


def fact_row(row: Fact) -> str:
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return f"<div><dt>{escape(row.what)}</dt><dd>{escape(row.figure)}{note}</dd></div>"


def capital(words: str) -> str:
    """Return the words with a capital letter at the beginning."""
    return words[:1].upper() + words[1:]


def cells(row: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<td class="{kind}">{value}</td>' if kind else f"<td>{value}</td>" for kind, value in row
    )


def table(
    heads: Sequence[tuple[str, str]], rows: Iterable[str], *, kind: str = ""
) -> Iterator[str]:
    yield f'<table class="{kind}">' if kind else "<table>"
    if heads:
        titles = "".join(f'<th scope="col" class="{css}">{name}</th>' for css, name in heads)
        yield f"<thead><tr>{titles}</tr></thead>"
    yield "<tbody>"
    yield from rows
    yield "</tbody></table>"


def bar_row(
    page: ReportPage, label: str, value: int, whole: int, *, kind: str, most: int, css: str = ""
) -> str:
    """Return a row of a label, a number, its share and a bar. The label is escaped already."""
    said, part = page.count(value), share(value, whole, page.language)
    drawn = bar(value, most, kind, f"{said}, {part}")
    columns = cells((("number", said), ("number share", escape(part)), ("", drawn)))
    return f'<tr class="{css}"><th scope="row">{label}</th>{columns}</tr>'
