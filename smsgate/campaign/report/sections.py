"""The sections below the first screen: reasons, delivery, recipients in doubt, decisions, cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...ledger.records import Decision, Figures, RequestInDoubt
from ...ledger.states import Event, RecipientState
from ...version import __version__
from ..wording import (
    COSTS,
    DECISIONS,
    NO_REASON,
    STATUS_GROUPS,
    Fact,
    as_sentence,
    by_group,
    character_names,
    count,
    findings,
    moment,
    named,
    reading,
    share,
    things,
)
from .charts import escape
from .elements import GROUP_KINDS, ReportPage, bar_row, cells, section, table

__all__ = ["SECTIONS"]

_S = RecipientState
_REASONS, _REQUESTS, _NAMED, _DECISIONS = 12, 12, 4, 40
"""How many rows of each kind the page shows at most; the rest is counted."""
_CHOICES = (
    (Event.FOUND, "The provider shows the message. Give its id."),
    (Event.ASSUME_SENT, "The message was probably sent, or you do not want to risk a second copy."),
    (
        Event.RESEND,
        "You prefer the risk of a second copy to no copy. Only this decision sends again.",
    ),
    (Event.GIVE_UP, "The message does not matter any more."),
)


def _reasons(page: ReportPage) -> Iterator[str]:
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
        (
            "abandoned",
            "Why recipients were abandoned",
            "Given up or cancelled by an operator, or found on the stop list before a request.",
            page.figures.abandoned,
            "skipped",
        ),
    ):
        if reasons:
            yield from section(key, heading, about, _reasontable(page, reasons, kind))


def _reasontable(page: ReportPage, reasons: Mapping[str, int], kind: str) -> Iterator[str]:
    shown = list(reasons.items())[:_REASONS]
    rest = [number for _, number in list(reasons.items())[_REASONS:]]
    whole = sum(reasons.values())
    most = max(reasons.values())
    rows = [
        bar_row(page.said(reason or NO_REASON), number, whole, most=most, kind=kind)
        for reason, number in shown
    ]
    if rest:
        rows.append(
            bar_row(
                escape(f"{things(len(rest), 'other reason')}"),
                sum(rest),
                whole,
                most=max(most, sum(rest)),
                kind=kind,
            )
        )
    yield from table((), rows, kind="bars")


def _delivery(page: ReportPage) -> Iterator[str]:
    accepted = page.figures.count(_S.ACCEPTED)
    if not accepted:
        return
    groups = by_group(page.figures.deliveries)
    about = f"The delivery status of the {things(accepted, 'message')} that the gateway accepted."
    yield from section(
        "delivery", "Delivery", about, table((), _status_rows(page, groups, accepted), kind="bars")
    )


def _status_rows(
    page: ReportPage, groups: Mapping[str, Mapping[str, int]], accepted: int
) -> Iterator[str]:
    for group, statuses in groups.items():
        total, words, kind = sum(statuses.values()), STATUS_GROUPS[group], GROUP_KINDS[group]
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
        yield bar_row(label, total, accepted, most=accepted, kind=kind, css="group")
        if len(statuses) > 1:
            for status, number in statuses.items():
                yield bar_row(
                    page.said(status), number, accepted, most=accepted, kind=kind, css="under"
                )


def _in_doubt(page: ReportPage) -> Iterator[str]:
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
    yield from section("in-doubt", "In doubt, and the evidence", about, [*lines, *_choices()])


def _request(page: ReportPage, request: RequestInDoubt) -> Iterator[str]:
    yield '<article class="request">'
    left = escape(moment(request.claimed_at, page.zone))
    recipients = things(request.in_doubt, "recipient")
    yield f"<h3>Request {request.id}: {recipients} <span>{left}</span></h3>"
    size = f" and {things(request.reply_size, 'byte')}" if request.reply_size else ""
    answer = f" The answer had HTTP status {request.status}{size}." if request.status else ""
    reason = as_sentence(request.reason.strip() or "no reason recorded")
    yield f"<p>{page.said(reason)}{answer}</p>"
    yield from table((), (_finding(row) for row in findings(request, page.zone)))
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


def _decisions(page: ReportPage) -> Iterator[str]:
    decisions = page.figures.decisions
    if not decisions:
        return
    heads = (("", "When"), ("", "Who"), ("", "Decision"), ("", "About"), ("number", "Recipients"))
    shown = decisions[-_DECISIONS:]
    earlier = (
        f" The last {len(shown)} of {count(len(decisions))}." if len(shown) < len(decisions) else ""
    )
    about = f"Decisions of operators about recipients, oldest first.{earlier}"
    yield from section(
        "decisions", "Decisions", about, table(heads, (_decision(page, one) for one in shown))
    )


def _decision(page: ReportPage, one: Decision) -> str:
    note = f"<br /><small>{page.said(one.note)}</small>" if one.note.strip() else ""
    day, _, clock_of_day = escape(moment(one.at, page.zone)).partition(", ")
    row = (
        ("", page.said(one.who)),
        ("", f"{escape(DECISIONS.get(one.event, one.event))}{note}"),
        ("", _scope(one)),
        ("number", count(one.recipients)),
    )
    return f'<tr><th scope="row">{day}<br /><small>{clock_of_day}</small></th>{cells(row)}</tr>'


def _scope(one: Decision) -> str:
    said = [
        f"{name} {count(number)}"
        for name, number in (("request", one.request), ("line", one.line))
        if number is not None
    ]
    return ", ".join(said) or "all"


def _cost(page: ReportPage) -> Iterator[str]:
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
        *table(heads, spent),
        "</div><div>",
        *table((("", "Length of the text"), ("number", "Recipients"), ("number", "")), sizes),
        "</div></div>",
        f'<p class="after">{page.said(_alphabet(figures, whole))}</p>',
    ]
    yield from section("cost", "Cost", about, lines)


def _cost_row(figures: Figures, state: RecipientState, note: str) -> str:
    small = f"<br /><small>{note}</small>" if note else ""
    columns = cells(
        (("number", count(figures.count(state))), ("number", count(figures.cost(state))))
    )
    return f'<tr><th scope="row">{state.capitalize()}{small}</th>{columns}</tr>'


def _size_row(parts: int, number: int, whole: int) -> str:
    columns = cells((("number", count(number)), ("number share", escape(share(number, whole)))))
    return f'<tr><th scope="row">{things(parts, "part")}</th>{columns}</tr>'


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


def _example(page: ReportPage) -> Iterator[str]:
    example = page.figures.example
    if example is None:
        return
    about = "The longest text, as one recipient receives it. This report has no other text."
    body = "\n".join(part for part in (example.text, example.wappush) if part)
    lines = [
        f'<p class="sender">{page.said(example.sender)}</p>',
        f"<blockquote>{page.said(body)}</blockquote>",
    ]
    yield from section("example", "Example", about, lines)


def _foot(page: ReportPage) -> Iterator[str]:
    hidden = (
        "Phone numbers are shown in full: do not share this page."
        if page.show_numbers
        else "Phone numbers are masked."
    )
    yield "<footer>"
    written = escape(moment(page.now, page.zone))
    yield f"<p>Written on {written} by smsgate {escape(__version__)}. {hidden}</p>"
    yield (
        "<p>This page loads nothing and runs no script. The figures are from the campaign file"
        " at that time.</p>"
    )
    yield "</footer></main></body></html>"


SECTIONS: tuple[Callable[[ReportPage], Iterator[str]], ...] = (
    _reasons,
    _delivery,
    _in_doubt,
    _decisions,
    _cost,
    _example,
    _foot,
)
"""The sections below the first screen, in order."""
