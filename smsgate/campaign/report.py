"""The report of a campaign: one self-contained HTML page, for screen and paper, without a script.

Rules of this file: every word of the gateway or a user goes through `_Page.said`, which escapes it
and masks numbers. The size of the page does not grow with the number of recipients. A recipient
whose outcome is not known is called in doubt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from string import Template
from typing import Protocol

from ..ledger.records import Decision, Figures, RecipientInDoubt, RequestInDoubt, TimeSlot
from ..ledger.states import Event, RecipientState
from ..privacy import mask_number
from ..version import __version__
from .atomic_file import write_whole
from .charts import Column, Part, Stage, bar, escape, funnel, stacked_columns, swatch
from .wording import (
    COSTS,
    DECISIONS,
    NO_REASON,
    PURGED,
    STATUS_GROUPS,
    Fact,
    Outlook,
    as_sentence,
    by_group,
    character_names,
    clock,
    count,
    duration,
    facts,
    findings,
    masked,
    moment,
    named,
    offset,
    outlook,
    reading,
    round_times,
    sentence,
    share,
    things,
)

__all__ = ["Reportable", "html_report", "write_html"]

_S = RecipientState
_COLUMNS = 60
_REASONS, _REQUESTS, _NAMED, _DECISIONS = 12, 12, 4, 40
"""How many rows of each kind the page shows at most; the rest is counted."""

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
_GROUP_KINDS = {
    "delivered": "delivered",
    "failed": "refused",
    "open": "waiting",
    "silent": "skipped",
    "unasked": "skipped",
}
_CHOICES = (
    (Event.FOUND, "The provider shows the message. Give its id."),
    (Event.ASSUME_SENT, "The message was probably sent, or you do not want to risk a second copy."),
    (
        Event.RESEND,
        "You prefer the risk of a second copy to no copy. Only this decision sends again.",
    ),
    (Event.GIVE_UP, "The message does not matter any more."),
)


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


def write_html(
    journal: Reportable,
    path: str | PathLike[str],
    *,
    show_numbers: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Write the report to a file that only its owner can read. The write is atomic.

    An existing web page at this path is replaced.

    Args:
        journal: the campaign or its journal.
        path: the file to write.
        show_numbers: show phone numbers in full; by default they are masked.
        on_progress: called with the part of the work that is done, from 0 to 1.

    Raises:
        FileExistsError: the file exists and is not a web page.
        OSError: the file cannot be written.
        JournalError: the campaign cannot be read.
    """
    path = Path(path)
    write_whole(
        path,
        html_report(journal, show_numbers=show_numbers, on_progress=on_progress),
        overwrite=_is_page(path),
    )


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(15).lower() == b"<!doctype html>"


def html_report(
    journal: Reportable,
    *,
    show_numbers: bool = False,
    now: float | None = None,
    zone: tzinfo | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[str]:
    """Yield the report in pieces.

    Args:
        journal: the campaign or its journal.
        show_numbers: show phone numbers in full; by default they are masked.
        now: the time of the report in seconds since 1970; by default the current time.
        zone: the time zone of the report; by default the zone of this machine.
        on_progress: called with the part of the work that is done, from 0 to 1.

    Raises:
        JournalError: the campaign cannot be read.
    """
    page = _Page(
        journal, journal.figures(), show_numbers, time.time() if now is None else now, zone
    )
    parts = (
        _head,
        _everyone,
        _times,
        _reasons,
        _delivery,
        _unknown,
        _decisions,
        _cost,
        _example,
        _foot,
    )
    for done, part in enumerate(parts, start=1):
        if on_progress:
            on_progress(done / (len(parts) + 1))  # the figures are the first part
        for line in part(page):
            yield f"{line}\n"
    if on_progress:
        on_progress(1.0)


@dataclass(frozen=True, slots=True)
class _Page:
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
def _file(name: str) -> str:
    return files("smsgate.campaign").joinpath(name).read_text(encoding="utf-8").strip()


# Helpers


def _section(key: str, heading: str, about: str, lines: Iterable[str]) -> Iterator[str]:
    yield f'<section id="{key}" aria-labelledby="{key}-heading">'
    yield f'<h2 id="{key}-heading">{escape(heading)}</h2>'
    yield f'<p class="about">{escape(about)}</p>'
    yield from lines
    yield "</section>"


def _fact(row: Fact) -> str:
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return f"<div><dt>{escape(row.what)}</dt><dd>{escape(row.figure)}{note}</dd></div>"


def _cells(row: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<td class="{kind}">{value}</td>' if kind else f"<td>{value}</td>" for kind, value in row
    )


def _table(
    heads: Sequence[tuple[str, str]], rows: Iterable[str], *, kind: str = ""
) -> Iterator[str]:
    yield f'<table class="{kind}">' if kind else "<table>"
    if heads:
        cells = "".join(f'<th scope="col" class="{css}">{escape(name)}</th>' for css, name in heads)
        yield f"<thead><tr>{cells}</tr></thead>"
    yield "<tbody>"
    yield from rows
    yield "</tbody></table>"


def _bar_row(label: str, value: int, whole: int, *, kind: str, most: int, css: str = "") -> str:
    drawn = bar(value, most, kind, f"{count(value)}, {share(value, whole)}")
    cells = _cells(
        (("number", count(value)), ("number share", escape(share(value, whole))), ("", drawn))
    )
    return f'<tr class="{css}"><th scope="row">{label}</th>{cells}</tr>'


# The parts of the page, from top to bottom


def _head(page: _Page) -> Iterator[str]:
    figures, stands = page.figures, outlook(page.figures)
    yield Template(_file("report.html")).substitute(
        version=escape(__version__),
        title=f"{page.said(figures.name)} \u2013 campaign report",
        style=_file("report.css"),
        tone=_TONES.get(stands, "none"),
        outlook=escape(stands),
        name=page.said(figures.name),
        sentence=_linked(figures),
        remarks="\n".join(f'<p class="remark">{remark}</p>' for remark in _remarks(page, stands)),
        facts="\n".join(map(_fact, facts(figures, page.zone))),
    )


def _linked(figures: Figures) -> str:
    """Return the summary sentence, with a link from "in doubt" to its explanation."""
    text = escape(sentence(figures))
    return (
        text.replace("in doubt:", '<a href="#in-doubt">in doubt</a>:')
        if figures.count(_S.IN_DOUBT)
        else text
    )


def _remarks(page: _Page, stands: Outlook) -> Iterator[str]:
    why = (page.figures.last_outcome or "").partition(": ")[2]
    if stands is Outlook.PAUSED and why:
        yield f"Paused: {page.said(why)}"
    if stands is Outlook.OPEN:
        yield (
            "A run is sending at this moment, or its process ended unexpectedly. The next run finds out."
        )
    if page.figures.purged:
        yield f"This campaign is purged: {PURGED}."


def _everyone(page: _Page) -> Iterator[str]:
    figures = page.figures
    given, skipped, accepted = (
        figures.recipients,
        figures.count(_S.SKIPPED),
        figures.count(_S.ACCEPTED),
    )
    groups = {group: sum(rows.values()) for group, rows in by_group(figures.deliveries).items()}
    leaving = tuple(Part(kind, state, figures.count(state)) for state, kind in _BRANCHES)
    outcomes_of_accepted = tuple(
        Part(_GROUP_KINDS[group], words, groups[group])
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
    yield from _section("everyone", heading, about, ['<div class="wide">', chart, "</div>"])


def _stage(label: str, value: int, given: int, kind: str, *branches: Part) -> Stage:
    return Stage(label, value, count(value), share(value, given), kind, branches)


def _times(page: _Page) -> Iterator[str]:
    figures, zone = page.figures, page.zone
    slots = page.journal.timeline(max(8, min(_COLUMNS, figures.requests)))
    busy = [slot for slot in slots if slot.accepted or slot.refused or slot.in_doubt]
    if not busy or figures.first_claim is None or figures.last_answer is None:
        return
    begin, end = figures.first_claim, figures.last_answer
    span = end - begin
    heading = "Sending over time"
    if len(busy) == 1:
        yield from _section(
            "times",
            heading,
            f"All answers arrived at {moment(end, zone)}, within {duration(span)}.",
            [],
        )
        return
    totals = [sum(values) for values in zip(*(_values(slot) for slot in slots), strict=True)]
    columns = [Column(_slot_name(slot, zone, span), _values(slot)) for slot in slots]
    peak = max(busy, key=lambda slot: sum(_values(slot)))
    step = duration(span / len(slots))
    about = f"Recipients by the time of their answer. Each column is {step} (times are {offset(begin, zone)})."
    described = (
        f"{len(slots)} columns of {step} from {moment(begin, zone)} to {moment(end, zone)}; "
        f"the highest is {count(sum(_values(peak)))} at {_slot_name(peak, zone, span)}."
    )
    axis = round_times(begin, end, zone)
    legend = "".join(
        f"<li>{swatch(kind)}{count(total)} {words}</li>"
        for (kind, words), total in zip(_OUTCOMES, totals, strict=True)
        if total
    )
    chart = stacked_columns(
        "timeline", columns, _OUTCOMES, title=heading, description=described, axis=axis
    )
    note = "The outcomes when the answers arrived. Later decisions of an operator are not included."
    yield from _section(
        "times",
        heading,
        about,
        [
            f'<ul class="legend">{legend}</ul>',
            '<div class="wide">',
            chart,
            "</div>",
            f'<p class="after">{note}</p>',
            "<details><summary>The same figures as a table</summary>",
            *_table(
                (("", "From"), *(("number", words.capitalize()) for _, words in _OUTCOMES)),
                (_slot_row(slot, _slot_name(slot, zone, span)) for slot in busy),
            ),
            "</details>",
        ],
    )


def _slot_row(slot: TimeSlot, name: str) -> str:
    cells = _cells([("number", count(value)) for value in _values(slot)])
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def _values(slot: TimeSlot) -> tuple[int, int, int]:
    return slot.accepted, slot.refused, slot.in_doubt


def _slot_name(slot: TimeSlot, zone: tzinfo | None, span: float) -> str:
    return clock(slot.start, zone, min(span, 7_199) if span < 86_400 else span)


def _reasons(page: _Page) -> Iterator[str]:
    for key, heading, about, reasons, kind in (
        (
            "refused",
            "Why recipients were refused",
            "In the gateway\u2019s own words. Nothing was sent to these recipients.",
            page.figures.refused,
            "refused",
        ),
        (
            "skipped",
            "Why recipients were skipped",
            "Found before anything was sent, so these recipients cost nothing.",
            page.figures.skipped,
            "skipped",
        ),
    ):
        if reasons:
            yield from _section(key, heading, about, _reason_table(page, reasons, kind))


def _reason_table(page: _Page, reasons: Mapping[str, int], kind: str) -> Iterator[str]:
    shown = list(reasons.items())[:_REASONS]
    rest = [number for _, number in list(reasons.items())[_REASONS:]]
    whole = sum(reasons.values())
    most = max(reasons.values())
    rows = [
        _bar_row(page.said(reason or NO_REASON), number, whole, most=most, kind=kind)
        for reason, number in shown
    ]
    if rest:
        rows.append(
            _bar_row(
                escape(f"{things(len(rest), 'other reason')}"),
                sum(rest),
                whole,
                most=max(most, sum(rest)),
                kind=kind,
            )
        )
    yield from _table((), rows, kind="bars")


def _delivery(page: _Page) -> Iterator[str]:
    accepted = page.figures.count(_S.ACCEPTED)
    if not accepted:
        return
    groups = by_group(page.figures.deliveries)
    about = f"The delivery status of the {things(accepted, 'message')} that the gateway accepted."
    yield from _section(
        "delivery", "Delivery", about, _table((), _status_rows(page, groups, accepted), kind="bars")
    )


def _status_rows(
    page: _Page, groups: Mapping[str, Mapping[str, int]], accepted: int
) -> Iterator[str]:
    for group, statuses in groups.items():
        total, words, kind = sum(statuses.values()), STATUS_GROUPS[group], _GROUP_KINDS[group]
        if not total:
            continue
        alone = (
            [page.said(status) for status in statuses if status and status != words]
            if len(statuses) == 1
            else []
        )
        label = escape(words.capitalize()) + "".join(
            f" <small>{status}</small>" for status in alone
        )
        yield _bar_row(label, total, accepted, most=accepted, kind=kind, css="group")
        if len(statuses) > 1:
            for status, number in statuses.items():
                yield _bar_row(
                    page.said(status), number, accepted, most=accepted, kind=kind, css="under"
                )


def _unknown(page: _Page) -> Iterator[str]:
    in_doubt = page.figures.count(_S.IN_DOUBT)
    if not in_doubt:
        return
    requests = page.journal.in_doubt()
    about = (
        f"{things(len(requests), 'request')} left, and no readable answer came back for"
        f" {things(in_doubt, 'recipient')}. The {'message' if in_doubt == 1 else 'messages'} may"
        " or may not have been sent. Nothing is sent again automatically, since a second copy"
        " cannot be undone. The figures around each request are evidence, not proof: they decide"
        " nothing."
    )
    lines = [line for request in requests[:_REQUESTS] for line in _request(page, request)]
    if more := requests[_REQUESTS:]:
        recipients = things(sum(request.in_doubt for request in more), "recipient")
        lines.append(
            f'<p class="after">And {things(len(more), "more request")} with {recipients}.'
            " To list them: smsgate campaign in-doubt.</p>"
        )
    yield from _section("in-doubt", "In doubt, and the evidence", about, [*lines, *_choices()])


def _request(page: _Page, request: RequestInDoubt) -> Iterator[str]:
    yield '<article class="request">'
    left = escape(moment(request.claimed_at, page.zone))
    recipients = things(request.in_doubt, "recipient")
    yield f"<h3>Request {request.id}: {recipients} <span>{left}</span></h3>"
    size = f" and {things(request.reply_size, 'byte')}" if request.reply_size else ""
    answer = f" The answer had HTTP status {request.status}{size}." if request.status else ""
    reason = as_sentence(request.reason.strip() or "no reason recorded")
    yield f"<p>{page.said(reason)}{answer}</p>"
    yield from _table((), (_finding(row) for row in findings(request, page.zone)))
    yield f'<p class="reading">{escape(reading(request))}</p>'
    in_doubt = named(page.journal.recipients_in_doubt(request.id), page.number, _NAMED)
    yield f'<p class="who">In doubt: {in_doubt}.</p>'
    yield "</article>"


def _finding(row: Fact) -> str:
    note = f" <small>{escape(row.note)}</small>" if row.note else ""
    css = ' class="total"' if row.strong else ""
    head = f'<th scope="row">{escape(row.what)}{note}</th>'
    return f'<tr{css}>{head}<td class="number">{escape(row.figure)}</td></tr>'


def _choices() -> Iterator[str]:
    yield '<div class="choices"><h3>What you can do</h3>'
    yield (
        "<p>Ask the provider, or one of the recipients. Then decide about all recipients in doubt,"
        " about one request or about one recipient:</p>"
    )
    yield "<dl>"
    for event, when in _CHOICES:
        yield f"<dt>{escape(DECISIONS[event].capitalize())}</dt><dd>{escape(when)}</dd>"
    yield "</dl></div>"


def _decisions(page: _Page) -> Iterator[str]:
    decisions = page.figures.decisions
    if not decisions:
        return
    heads = (("", "When"), ("", "Who"), ("", "Decision"), ("", "About"), ("number", "Recipients"))
    shown = decisions[-_DECISIONS:]
    earlier = (
        f" The last {len(shown)} of {count(len(decisions))}." if len(shown) < len(decisions) else ""
    )
    about = f"Decisions of operators about recipients, oldest first.{earlier}"
    yield from _section(
        "decisions", "Decisions", about, _table(heads, (_decision(page, one) for one in shown))
    )


def _decision(page: _Page, one: Decision) -> str:
    note = f"<br /><small>{page.said(one.note)}</small>" if one.note.strip() else ""
    day, _, clock_of_day = escape(moment(one.at, page.zone)).partition(", ")
    cells = (
        ("", page.said(one.who)),
        ("", f"{escape(DECISIONS.get(one.event, one.event))}{note}"),
        ("", _scope(one)),
        ("number", count(one.recipients)),
    )
    return f'<tr><th scope="row">{day}<br /><small>{clock_of_day}</small></th>{_cells(cells)}</tr>'


def _scope(one: Decision) -> str:
    said = [
        f"{name} {count(number)}"
        for name, number in (("request", one.request), ("line", one.line))
        if number is not None
    ]
    return ", ".join(said) or "all"


def _cost(page: _Page) -> Iterator[str]:
    figures = page.figures
    if not figures.parts:
        return
    spent = [
        _cost_row(figures, state, note)
        for state, note in COSTS.items()
        if figures.count(state) or state is _S.ACCEPTED
    ]
    heads = (("", ""), ("number", "Recipients"), ("number", "Credits"))
    whole = sum(figures.parts.values())
    sizes = [_size_row(parts, number, whole) for parts, number in figures.parts.items()]
    about = (
        "Estimated at one credit per part and recipient. The provider\u2019s bill is authoritative."
    )
    lines = [
        '<div class="pair"><div>',
        *_table(heads, spent),
        "</div><div>",
        *_table((("", "Length of the text"), ("number", "Recipients"), ("number", "")), sizes),
        "</div></div>",
        f'<p class="after">{page.said(_alphabet(figures, whole))}</p>',
    ]
    yield from _section("cost", "Cost", about, lines)


def _cost_row(figures: Figures, state: RecipientState, note: str) -> str:
    small = f"<br /><small>{note}</small>" if note else ""
    cells = _cells(
        (("number", count(figures.count(state))), ("number", count(figures.cost(state))))
    )
    return f'<tr><th scope="row">{state.capitalize()}{small}</th>{cells}</tr>'


def _size_row(parts: int, number: int, whole: int) -> str:
    cells = _cells((("number", count(number)), ("number share", escape(share(number, whole)))))
    return f'<tr><th scope="row">{things(parts, "part")}</th>{cells}</tr>'


def _alphabet(figures: Figures, whole: int) -> str:
    texts = f"{things(figures.texts, 'text')} for {things(whole, 'recipient')}. "
    if not figures.ucs2:
        return texts + "All are in the GSM alphabet, where a part holds 160 characters."
    characters = character_names(figures.forced_by)
    because = f" Characters that force UCS-2: {', '.join(characters)}." if characters else ""
    ucs2 = "in UCS-2, where a part holds 70 characters instead of 160."
    if figures.ucs2 == whole:
        return f"{texts}All are {ucs2}{because}"
    have = "has" if figures.ucs2 == 1 else "have"
    recipients = f"{things(figures.ucs2, 'recipient')} ({share(figures.ucs2, whole)})"
    return f"{texts}{recipients} {have} a text {ucs2}{because}"


def _example(page: _Page) -> Iterator[str]:
    example = page.figures.example
    if example is None:
        return
    about = "The longest text, as one recipient receives it. This report has no other text."
    body = "\n".join(part for part in (example.text, example.wappush) if part)
    lines = [
        f'<p class="sender">{page.said(example.sender)}</p>',
        f"<blockquote>{page.said(body)}</blockquote>",
    ]
    yield from _section("example", "Example", about, lines)


def _foot(page: _Page) -> Iterator[str]:
    hidden = (
        "Phone numbers are shown in full: do not share this page."
        if page.show_numbers
        else "Phone numbers are masked."
    )
    yield "<footer>"
    written = escape(moment(page.now, page.zone))
    yield f"<p>Written on {written} by smsgate {escape(__version__)}. {hidden}</p>"
    yield (
        "<p>This page loads nothing and runs no script. The figures are from the campaign file at that time.</p>"
    )
    yield "</footer></main></body></html>"
