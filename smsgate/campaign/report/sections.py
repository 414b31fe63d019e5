"""The sections below the first screen: the message, and what is folded for those who want details.

Rule of this file: what an engineer needs is folded. Reasons are shown as they were recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...known_sentences import retold
from ...languages import translatable
from ...ledger.records import Decision, Figures, RequestInDoubt
from ...ledger.states import Event, RecipientState
from ...version import __version__
from ..wording import (
    COSTS,
    DECISIONS,
    STATES,
    STATUS_GROUPS,
    Fact,
    as_sentence,
    by_group,
    character_names,
    findings,
    moment,
    named,
    reading,
    share,
)
from .charts import escape
from .elements import GROUP_KINDS, ReportPage, bar_row, capital, cells, folded, section, table
from .timeline import timeline

__all__ = ["SECTIONS"]

_S = RecipientState
_REASONS, _REQUESTS, _NAMED, _DECISIONS = 12, 12, 4, 40
"""How many rows of each kind the page shows at most; the rest is counted."""
_CHOICES = (
    (Event.FOUND, translatable("The provider shows the message. Give its id.")),
    (
        Event.ASSUME_SENT,
        translatable("The message was probably sent, or you do not want to risk a second copy."),
    ),
    (
        Event.RESEND,
        translatable(
            "You prefer the risk of a second copy to no copy. Only this decision sends again."
        ),
    ),
    (Event.GIVE_UP, translatable("The message does not matter any more.")),
)


def _example(page: ReportPage) -> Iterator[str]:
    example = page.figures.example
    if example is None:
        return
    body = "\n".join(part for part in (example.text, example.wappush) if part)
    if page.figures.texts > 1:
        note = page.say("The longest text, as one recipient receives it. No other text is shown.")
    else:
        note = page.say("The text, as each recipient receives it.")
    sender = page.said(page.language.say("From {sender}", sender=example.sender))
    lines = [
        f'<p class="sender">{sender}</p>',
        f"<blockquote>{page.said(body)}</blockquote>",
        f'<p class="after">{note}</p>',
    ]
    yield from section("example", page.say("The message"), lines)


def _reasons(page: ReportPage) -> Iterator[str]:
    for key, heading, about, reasons, kind in (
        (
            "refused",
            page.say("Why recipients were refused"),
            page.say("In the gateway\u2019s own words. Nothing was sent to these recipients."),
            page.figures.refused,
            "refused",
        ),
        (
            "skipped",
            page.say("Why recipients were left out"),
            page.say("Found before anything was sent, so these recipients cost nothing."),
            page.figures.skipped,
            "skipped",
        ),
        (
            "abandoned",
            page.say("Why recipients were abandoned"),
            page.say(
                "Given up or cancelled by an operator, or found on the stop list before a request."
            ),
            page.figures.abandoned,
            "skipped",
        ),
    ):
        if reasons:
            rows = _reasontable(page, reasons, kind)
            yield from folded(key, heading, about, rows, printed=key != "skipped")


def _reasontable(page: ReportPage, reasons: Mapping[str, int], kind: str) -> Iterator[str]:
    shown = list(reasons.items())[:_REASONS]
    rest = [number for _, number in list(reasons.items())[_REASONS:]]
    whole = sum(reasons.values())
    most = max(reasons.values())
    rows = [
        bar_row(page, page.reason(reason), number, whole, most=most, kind=kind)
        for reason, number in shown
    ]
    if rest:
        others = page.plural("{number} other reason", "{number} other reasons", len(rest))
        longest = max(most, sum(rest))
        rows.append(bar_row(page, others, sum(rest), whole, most=longest, kind=kind))
    yield from table((), rows, kind="bars")


def _delivery(page: ReportPage) -> Iterator[str]:
    accepted = page.figures.count(_S.ACCEPTED)
    groups = by_group(page.figures.deliveries)
    if accepted == sum(groups["unasked"].values()):
        return
    about = page.plural(
        "The delivery status of the {number} message that the gateway accepted.",
        "The delivery status of the {number} messages that the gateway accepted.",
        accepted,
    )
    rows = table((), _status_rows(page, groups, accepted), kind="bars")
    yield from folded("delivery", page.say("Delivery statuses"), about, rows, printed=True)


def _status_rows(
    page: ReportPage, groups: Mapping[str, Mapping[str, int]], accepted: int
) -> Iterator[str]:
    for group, statuses in groups.items():
        total, words, kind = sum(statuses.values()), STATUS_GROUPS[group], GROUP_KINDS[group]
        if not total:
            continue
        label = capital(page.say(words))
        if len(statuses) == 1:
            label += "".join(
                f" <small>{page.status(status)}</small>"
                for status in statuses
                if status and status != words
            )
        yield bar_row(page, label, total, accepted, most=accepted, kind=kind, css="group")
        if len(statuses) > 1:
            for status, number in statuses.items():
                said = page.status(status)
                yield bar_row(page, said, number, accepted, most=accepted, kind=kind, css="under")


def _in_doubt(page: ReportPage) -> Iterator[str]:
    in_doubt = page.figures.count(_S.IN_DOUBT)
    if not in_doubt:
        return
    requests = page.journal.in_doubt()
    about = " ".join(
        (
            page.plural(
                "{requests} without a readable answer, with {number} recipient.",
                "{requests} without a readable answer, with {number} recipients.",
                in_doubt,
                requests=page.language.plural(
                    "{number} request", "{number} requests", len(requests)
                ),
            ),
            page.say(
                "The messages may or may not have been sent. Nothing is sent again automatically,"
                " because a second copy cannot be undone. The figures around each request are"
                " evidence, not proof: they decide nothing."
            ),
        )
    )
    lines = [line for request in requests[:_REQUESTS] for line in _request(page, request)]
    if more := requests[_REQUESTS:]:
        said = page.plural(
            "And {requests} more, with {number} recipient. To list them:",
            "And {requests} more, with {number} recipients. To list them:",
            sum(request.in_doubt for request in more),
            requests=page.language.plural("{number} request", "{number} requests", len(more)),
        )
        command = page.said(f"smsgate campaign in-doubt {page.place}")
        lines.append(f'<p class="after">{said} <code>{command}</code></p>')
    heading = page.say("In doubt: requests and evidence")
    yield from folded("in-doubt", heading, about, [*lines, *_choices(page)])


def _request(page: ReportPage, request: RequestInDoubt) -> Iterator[str]:
    yield '<article class="request">'
    left = escape(moment(request.claimed_at, page.zone, page.language))
    heading = page.plural(
        "Request {id}: {number} recipient",
        "Request {id}: {number} recipients",
        request.in_doubt,
        id=request.id,
    )
    yield f"<h3>{heading} <span>{left}</span></h3>"
    recorded = retold(request.reason.strip(), page.language)
    reason = as_sentence(recorded or page.language.say("no reason recorded"))
    yield f"<p>{page.said(reason)}{_answer(page, request)}</p>"
    rows = findings(request, page.zone, page.language)
    yield from table((), (_finding(row) for row in rows))
    yield f'<p class="reading">{escape(reading(request, page.language))}</p>'
    in_doubt = named(
        page.journal.recipients_in_doubt(request.id), page.number, _NAMED, page.language
    )
    yield f'<p class="who">{page.say("In doubt")}: {in_doubt}.</p>'
    yield "</article>"


def _answer(page: ReportPage, request: RequestInDoubt) -> str:
    if not request.status:
        return ""
    if not request.reply_size:
        return " " + page.say("The answer had HTTP status {status}.", status=request.status)
    return " " + page.plural(
        "The answer had HTTP status {status} and {number} byte.",
        "The answer had HTTP status {status} and {number} bytes.",
        request.reply_size,
        status=request.status,
    )


def _finding(row: Fact) -> str:
    note = f" <small>{escape(row.note)}</small>" if row.note else ""
    css = ' class="total"' if row.strong else ""
    head = f'<th scope="row">{escape(row.what)}{note}</th>'
    return f'<tr{css}>{head}<td class="number">{escape(row.figure)}</td></tr>'


def _choices(page: ReportPage) -> Iterator[str]:
    yield f'<div class="choices"><h3>{page.say("What you can decide")}</h3>'
    about = page.say(
        "Ask the provider, or one of the recipients. Then decide on all recipients in doubt,"
        " on one request or on one recipient:"
    )
    yield f"<p>{about}</p><dl>"
    for event, when in _CHOICES:
        yield f"<dt>{capital(page.say(DECISIONS[event]))}</dt><dd>{page.say(when)}</dd>"
    yield "</dl></div>"


def _decisions(page: ReportPage) -> Iterator[str]:
    decisions = page.figures.decisions
    if not decisions:
        return
    heads = (
        ("", page.say("When")),
        ("", page.say("Who")),
        ("", page.say("Decision")),
        ("", page.say("About")),
        ("number", page.say("Recipients")),
    )
    shown = decisions[-_DECISIONS:]
    about = page.say("Decisions of operators about recipients, oldest first.")
    if len(shown) < len(decisions):
        about += " " + page.say(
            "The last {shown} of {all}.", shown=len(shown), all=page.count(len(decisions))
        )
    rows = table(heads, (_decision(page, one) for one in shown), kind="decisions")
    yield from folded("decisions", page.say("Decisions"), about, rows, printed=True)


def _decision(page: ReportPage, one: Decision) -> str:
    note = f"<br /><small>{page.said(one.note)}</small>" if one.note.strip() else ""
    date, _, clock_of_day = escape(moment(one.at, page.zone, page.language)).partition(", ")
    known = DECISIONS.get(one.event)
    row = (
        ("", page.said(one.who)),
        ("", f"{escape(one.event) if known is None else page.say(known)}{note}"),
        ("", _scope(page, one)),
        ("number", page.count(one.recipients)),
    )
    return f'<tr><th scope="row">{date}<br /><small>{clock_of_day}</small></th>{cells(row)}</tr>'


def _scope(page: ReportPage, one: Decision) -> str:
    said = []
    if one.request is not None:
        said.append(page.say("request {number}", number=page.count(one.request)))
    if one.line is not None:
        said.append(page.say("line {number}", number=page.count(one.line)))
    return ", ".join(said) or page.say("all")


def _cost(page: ReportPage) -> Iterator[str]:
    figures = page.figures
    if not figures.parts:
        return
    spent = [
        _cost_row(page, state, note)
        for state, note in COSTS.items()
        if figures.count(state) or state is _S.ACCEPTED
    ]
    credits_of = (
        ("", ""),
        ("number", page.say("Recipients")),
        ("number", page.say("Credits")),
    )
    lengths = (
        ("", page.say("Length of the text")),
        ("number", page.say("Recipients")),
        ("number", ""),
    )
    whole = sum(figures.parts.values())
    sizes = [_size_row(page, parts, number, whole) for parts, number in figures.parts.items()]
    about = page.say(
        "Estimated at one credit per part and recipient. The provider\u2019s bill is authoritative."
    )
    lines = [
        '<div class="pair"><div>',
        *table(credits_of, spent),
        "</div><div>",
        *table(lengths, sizes),
        "</div></div>",
        f'<p class="after">{_alphabet(page, figures, whole)}</p>',
    ]
    yield from folded("cost", page.say("Cost and alphabet"), about, lines)


def _cost_row(page: ReportPage, state: RecipientState, note: str) -> str:
    figures = page.figures
    small = f"<br /><small>{page.say(note)}</small>" if note else ""
    columns = cells(
        (
            ("number", page.count(figures.count(state))),
            ("number", page.count(figures.cost(state))),
        )
    )
    return f'<tr><th scope="row">{capital(page.say(STATES[state]))}{small}</th>{columns}</tr>'


def _size_row(page: ReportPage, parts: int, number: int, whole: int) -> str:
    columns = cells((("number", page.count(number)), ("number share", page.share(number, whole))))
    label = page.plural("{number} part", "{number} parts", parts)
    return f'<tr><th scope="row">{label}</th>{columns}</tr>'


def _alphabet(page: ReportPage, figures: Figures, whole: int) -> str:
    texts = page.plural(
        "{texts} for {number} recipient.",
        "{texts} for {number} recipients.",
        whole,
        texts=page.language.plural("{number} text", "{number} texts", figures.texts),
    )
    if not figures.ucs2:
        gsm = page.say("All are in the GSM alphabet, where a part holds 160 characters.")
        return f"{texts} {gsm}"
    if figures.ucs2 == whole:
        ucs2 = page.say("All are in UCS-2, where a part holds 70 characters instead of 160.")
    else:
        ucs2 = page.plural(
            "{number} recipient ({share}) has a text in UCS-2, where a part holds 70 characters"
            " instead of 160.",
            "{number} recipients ({share}) have a text in UCS-2, where a part holds 70 characters"
            " instead of 160.",
            figures.ucs2,
            share=share(figures.ucs2, whole, page.language),
        )
    characters = ", ".join(character_names(figures.forced_by, language=page.language))
    because = page.language.say("Characters that force UCS-2: {characters}.", characters=characters)
    return f"{texts} {ucs2} {page.said(because)}" if characters else f"{texts} {ucs2}"


def _foot(page: ReportPage) -> Iterator[str]:
    hidden = (
        page.say("Phone numbers are shown in full: do not share this page.")
        if page.show_numbers
        else page.say("Phone numbers are masked.")
    )
    written = page.say(
        "Written on {moment} by smsgate {version}.",
        moment=moment(page.now, page.zone, page.language),
        version=__version__,
    )
    loads = page.say(
        "This page loads nothing and runs no script. The figures are those of the campaign at that"
        " time."
    )
    yield f"</section><footer><p>{written} {hidden}</p>"
    yield f"<p>{loads}</p></footer></main></body></html>"


def _details(page: ReportPage) -> Iterator[str]:
    """Open the folded sections. They end before the foot."""
    yield f'<section id="details"><h2 class="rest">{page.say("Details")}</h2>'


SECTIONS: tuple[Callable[[ReportPage], Iterator[str]], ...] = (
    _example,
    _details,
    _reasons,
    _delivery,
    _in_doubt,
    _decisions,
    timeline,
    _cost,
    _foot,
)
"""The sections below the first screen, in order."""
