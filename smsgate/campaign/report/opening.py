"""The first screen of the page: the summary, what happened to all recipients, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from string import Template

from ...ledger.records import Figures, TimeSlot
from ...ledger.states import RecipientState
from ...version import __version__
from ..wording import (
    PURGED,
    STATUS_GROUPS,
    Outlook,
    by_group,
    clock,
    count,
    duration,
    facts,
    moment,
    offset,
    outlook,
    round_times,
    sentence,
    share,
)
from .charts import Column, Part, Stage, escape, funnel, stacked_columns, swatch
from .elements import GROUP_KINDS, ReportPage, cells, fact_row, packaged, section, table

__all__ = ["OPENING"]

_S = RecipientState
_COLUMNS = 60
_TONES = {
    Outlook.FINISHED: "good",
    Outlook.IN_DOUBT: "open",
    Outlook.OPEN: "open",
    Outlook.UNFINISHED: "open",
    Outlook.STOPPED: "open",
    Outlook.PAUSED: "bad",
    Outlook.CUT_OFF: "bad",
}
_BRANCHES = (
    (_S.REFUSED, "refused"),
    (_S.IN_DOUBT, "in-doubt"),
    (_S.ASSUMED_SENT, "assumed"),
    (_S.ABANDONED, "skipped"),
    (_S.IN_FLIGHT, "waiting"),
    (_S.PENDING, "waiting"),
)
"""The states that leave the funnel before accepted, with the colour."""
_OUTCOMES = (("accepted", "accepted"), ("refused", "refused"), ("in-doubt", "in doubt"))


def _head(page: ReportPage) -> Iterator[str]:
    figures, stands = page.figures, outlook(page.figures)
    yield Template(packaged("report.html")).substitute(
        version=escape(__version__),
        title=f"{page.said(figures.name)} \u2013 campaign report",
        style=packaged("report.css"),
        tone=_TONES.get(stands, "none"),
        outlook=escape(stands),
        name=page.said(figures.name),
        sentence=_linked(figures),
        remarks="\n".join(f'<p class="remark">{remark}</p>' for remark in _remarks(page, stands)),
        facts="\n".join(map(fact_row, facts(figures, page.zone))),
    )


def _linked(figures: Figures) -> str:
    """Return the summary sentence, with a link from "in doubt" to its explanation."""
    text = escape(sentence(figures))
    return (
        text.replace("in doubt:", '<a href="#in-doubt">in doubt</a>:')
        if figures.count(_S.IN_DOUBT)
        else text
    )


def _remarks(page: ReportPage, stands: Outlook) -> Iterator[str]:
    why = (page.figures.last_outcome or "").partition(": ")[2]
    if stands is Outlook.PAUSED and why:
        yield f"Paused: {page.said(why)}"
    if stands is Outlook.OPEN:
        yield (
            "A run is sending at this moment, or its process ended unexpectedly. The next run"
            " finds out."
        )
    if page.figures.purged:
        yield f"This campaign is purged: {PURGED}."


def _everyone(page: ReportPage) -> Iterator[str]:
    figures = page.figures
    given, skipped, accepted = (
        figures.recipients,
        figures.count(_S.SKIPPED),
        figures.count(_S.ACCEPTED),
    )
    groups = {group: sum(rows.values()) for group, rows in by_group(figures.deliveries).items()}
    leaving = tuple(Part(kind, state, figures.count(state)) for state, kind in _BRANCHES)
    outcomes_of_accepted = tuple(
        Part(GROUP_KINDS[group], words, groups[group])
        for group, words in STATUS_GROUPS.items()
        if group != "delivered"
    )
    stages = [
        _stage("In the list", given, given, "given", Part("skipped", "skipped", skipped)),
        _stage("To be sent", given - skipped, given, "given", *leaving),
        _stage("Accepted", accepted, given, "accepted", *outcomes_of_accepted),
        _stage("Delivered", groups["delivered"], given, "delivered"),
    ]
    about = (
        "From all recipients in the list to those whose phone confirmed the message. Below each"
        " bar: the recipients that went no further."
    )
    heading = "What happened to all recipients"
    chart = funnel("funnel", stages, title=heading)
    yield from section("everyone", heading, about, ['<div class="wide">', chart, "</div>"])


def _stage(label: str, value: int, given: int, kind: str, *branches: Part) -> Stage:
    return Stage(label, value, count(value), share(value, given), kind, branches)


def _times(page: ReportPage) -> Iterator[str]:
    figures, zone = page.figures, page.zone
    slots = page.journal.timeline(max(8, min(_COLUMNS, figures.requests)))
    busy = [slot for slot in slots if slot.accepted or slot.refused or slot.in_doubt]
    begin, end = figures.first_claim, figures.last_answer
    if not busy or begin is None or end is None:
        return
    heading = "Sending over time"
    if len(busy) == 1:
        about = f"All answers arrived at {moment(end, zone)}, within {duration(end - begin)}."
        yield from section("times", heading, about, [])
        return
    about = (
        f"Recipients by the time of their answer. Each column is"
        f" {duration((end - begin) / len(slots))} (times are {offset(begin, zone)})."
    )
    note = "The outcomes when the answers arrived. Later decisions of an operator are not included."
    names = {slot.start: _slot_name(slot, zone, end - begin) for slot in slots}
    lines = [
        f'<ul class="legend">{_legend(slots)}</ul>',
        '<div class="wide">',
        _columns(slots, names, (begin, end), zone, heading),
        "</div>",
        f'<p class="after">{note}</p>',
        "<details><summary>The same figures as a table</summary>",
        *table(
            (("", "From"), *(("number", words.capitalize()) for _, words in _OUTCOMES)),
            (_slot_row(slot, names[slot.start]) for slot in busy),
        ),
        "</details>",
    ]
    yield from section("times", heading, about, lines)


def _legend(slots: Sequence[TimeSlot]) -> str:
    totals = [sum(values) for values in zip(*(_values(slot) for slot in slots), strict=True)]
    return "".join(
        f"<li>{swatch(kind)}{count(total)} {words}</li>"
        for (kind, words), total in zip(_OUTCOMES, totals, strict=True)
        if total
    )


def _columns(
    slots: Sequence[TimeSlot],
    names: Mapping[float, str],
    span: tuple[float, float],
    zone: tzinfo | None,
    title: str,
) -> str:
    begin, end = span
    peak = max(slots, key=lambda slot: sum(_values(slot)))
    described = (
        f"{len(slots)} columns of {duration((end - begin) / len(slots))} from"
        f" {moment(begin, zone)} to {moment(end, zone)}; the highest is"
        f" {count(sum(_values(peak)))} at {names[peak.start]}."
    )
    return stacked_columns(
        "timeline",
        [Column(names[slot.start], _values(slot)) for slot in slots],
        _OUTCOMES,
        title=title,
        description=described,
        axis=round_times(begin, end, zone),
    )


def _slot_row(slot: TimeSlot, name: str) -> str:
    columns = cells([("number", count(value)) for value in _values(slot)])
    return f'<tr><th scope="row">{escape(name)}</th>{columns}</tr>'


def _values(slot: TimeSlot) -> tuple[int, int, int]:
    return slot.accepted, slot.refused, slot.in_doubt


def _slot_name(slot: TimeSlot, zone: tzinfo | None, span: float) -> str:
    return clock(slot.start, zone, min(span, 7_199) if span < 86_400 else span)


OPENING: tuple[Callable[[ReportPage], Iterator[str]], ...] = (_head, _everyone, _times)
"""The sections of the first screen, in order."""
