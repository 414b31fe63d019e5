"""The timeline of a campaign: when it was sent and how fast, as figures, a chart and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo

from ...languages import translatable
from ...ledger.records import TimeSlot
from ..wording import clock, duration, facts, moment, offset, round_times
from .charts import Column, escape, stacked_columns, swatch
from .elements import ReportPage, cells, fact_row, folded, table

__all__ = ["timeline"]

_COLUMNS = 60
_OUTCOMES = (
    ("accepted", translatable("accepted")),
    ("refused", translatable("refused")),
    ("in-doubt", translatable("in doubt")),
)


def timeline(page: ReportPage) -> Iterator[str]:
    """Yield the section: facts, and the columns if the answers came at different times."""
    rows = "\n".join(map(fact_row, facts(page.figures, page.zone, page.language)))
    lines = [f'<dl class="facts small">{rows}</dl>', *_chart(page)]
    yield from folded("times", page.say("Sending over time"), "", lines)


def _chart(page: ReportPage) -> Iterator[str]:
    figures, zone, language = page.figures, page.zone, page.language
    slots = page.journal.timeline(max(8, min(_COLUMNS, figures.requests)))
    busy = [slot for slot in slots if slot.accepted or slot.refused or slot.in_doubt]
    begin, end = figures.first_claim, figures.last_answer
    if len(busy) < 2 or begin is None or end is None:
        return
    about = page.say(
        "Recipients by the time of their answer. Each column is {duration} (times are {offset}).",
        duration=duration((end - begin) / len(slots), language),
        offset=offset(begin, zone),
    )
    note = page.say(
        "The outcomes when the answers arrived. Later decisions of an operator are not included."
    )
    names = {slot.start: _slot_name(page, slot, end - begin) for slot in slots}
    heads = (
        ("", page.say("From")),
        *(("number", page.say(words)) for _, words in _OUTCOMES),
    )
    yield f'<p class="about">{about}</p>'
    yield f'<ul class="legend">{_legend(page, slots)}</ul>'
    yield _columns(page, slots, names, (begin, end), zone)
    yield f'<p class="after">{note}</p>'
    yield f"<details><summary>{page.say('The same figures as a table')}</summary>"
    yield from table(heads, (_slot_row(page, slot, names[slot.start]) for slot in busy))
    yield "</details>"


def _legend(page: ReportPage, slots: Sequence[TimeSlot]) -> str:
    totals = [sum(values) for values in zip(*(_values(slot) for slot in slots), strict=True)]
    return "".join(
        f"<li>{swatch(kind)}{page.count(total)} {page.say(words)}</li>"
        for (kind, words), total in zip(_OUTCOMES, totals, strict=True)
        if total
    )


def _columns(
    page: ReportPage,
    slots: Sequence[TimeSlot],
    names: Mapping[float, str],
    span: tuple[float, float],
    zone: tzinfo | None,
) -> str:
    begin, end = span
    language = page.language
    peak = max(slots, key=lambda slot: sum(_values(slot)))
    described = language.plural(
        "{number} column of {duration} from {begin} to {end}; the highest is {most} at {peak}.",
        "{number} columns of {duration} from {begin} to {end}; the highest is {most} at {peak}.",
        len(slots),
        duration=duration((end - begin) / len(slots), language),
        begin=moment(begin, zone, language),
        end=moment(end, zone, language),
        most=page.count(sum(_values(peak))),
        peak=names[peak.start],
    )
    return stacked_columns(
        "timeline",
        [Column(names[slot.start], _values(slot)) for slot in slots],
        [(kind, language.say(words)) for kind, words in _OUTCOMES],
        title=language.say("Sending over time"),
        description=described,
        axis=round_times(begin, end, zone, language=language),
        said=page.count,
    )


def _slot_row(page: ReportPage, slot: TimeSlot, name: str) -> str:
    columns = cells([("number", page.count(value)) for value in _values(slot)])
    return f'<tr><th scope="row">{escape(name)}</th>{columns}</tr>'


def _values(slot: TimeSlot) -> tuple[int, int, int]:
    return slot.accepted, slot.refused, slot.in_doubt


def _slot_name(page: ReportPage, slot: TimeSlot, span: float) -> str:
    shown = min(span, 7_199) if span < 86_400 else span
    return clock(slot.start, page.zone, shown, page.language)
