"""The first screen of the page, for a manager: what happened, the cost, the delivery, what to do.

Rule of this file: a status that was never requested is called "not asked yet", never 0%.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from string import Template

from ...languages import translatable
from ...ledger.records import Figures
from ...ledger.states import RecipientState
from ...version import __version__
from ..wording import (
    PURGED,
    STATUS_GROUPS,
    Fact,
    Outlook,
    by_group,
    day,
    left_out,
    outlook,
    sentence,
    share,
)
from .charts import Part, escape, stacked_bar, swatch
from .elements import GROUP_KINDS, ReportPage, capital, cells, fact_row, packaged, section, table
from .next_steps import next_steps

__all__ = ["OPENING"]

_S = RecipientState
_TONES = {
    Outlook.FINISHED: "good",
    Outlook.IN_DOUBT: "waiting",
    Outlook.OPEN: "waiting",
    Outlook.UNFINISHED: "waiting",
    Outlook.STOPPED: "waiting",
    Outlook.PAUSED: "bad",
    Outlook.CUT_OFF: "bad",
}
_OTHERS = (
    (_S.REFUSED, "refused", translatable("Refused by the gateway")),
    (_S.IN_DOUBT, "in-doubt", translatable("In doubt")),
    (_S.ASSUMED_SENT, "assumed", translatable("Assumed sent")),
    (_S.IN_FLIGHT, "waiting", translatable("In a request without an answer yet")),
    (_S.PENDING, "waiting", translatable("Pending")),
    (_S.ABANDONED, "skipped", translatable("Abandoned")),
    (_S.SKIPPED, "skipped", translatable("Left out")),
)
"""The states besides accepted, with the colour and what a manager calls them."""
_REASONS = 3


def _head(page: ReportPage) -> Iterator[str]:
    figures, stands = page.figures, outlook(page.figures)
    name = page.said(figures.name)
    yield Template(packaged("report.html")).substitute(
        language=page.language.code,
        version=escape(__version__),
        title=f"{name} \u2013 {page.say('Campaign report')}",
        style=packaged("report.css"),
        tone=_TONES.get(stands, "none"),
        kicker=page.say("Campaign report"),
        outlook=page.say(stands),
        name=name,
        when=_when(page),
        sentence=escape(sentence(figures, page.language)),
        remarks="\n".join(f'<p class="remark">{remark}</p>' for remark in _remarks(page, stands)),
        facts="\n".join(map(fact_row, _key_facts(page))),
    )


def _when(page: ReportPage) -> str:
    figures = page.figures
    begin, end = figures.first_claim, figures.last_answer
    first = day(figures.created_at if begin is None else begin, page.zone, page.language)
    last = first if end is None else day(end, page.zone, page.language)
    if begin is None:
        return page.say("Created on {date}", date=first)
    return page.say("Sent on {date}", date=first) if first == last else f"{first} \u2013 {last}"


def _remarks(page: ReportPage, stands: Outlook) -> Iterator[str]:
    why = (page.figures.last_outcome or "").partition(": ")[2]
    if stands is Outlook.PAUSED and why:
        yield f"{page.say('Paused')}: {page.said(why)}"
    if stands is Outlook.OPEN:
        yield page.say(
            "A run is sending at this moment, or its process ended unexpectedly. The next run"
            " finds out."
        )
    if page.figures.purged:
        yield page.say("This campaign is purged: {what}.", what=page.language.say(PURGED))


# The key figures


def _key_facts(page: ReportPage) -> Iterator[Fact]:
    figures, language = page.figures, page.language
    accepted, given = figures.count(_S.ACCEPTED), figures.recipients
    if not figures.requests:
        return
    yield Fact(
        language.say("Accepted"),
        language.count(accepted),
        language.plural(
            "{share} of {number} recipient",
            "{share} of {number} recipients",
            given,
            share=share(accepted, given, language),
        ),
    )
    yield _delivered(page, accepted)
    yield _cost(page)


def _delivered(page: ReportPage, accepted: int) -> Fact:
    language, groups = page.language, _group_totals(page.figures)
    what, delivered = language.say("Delivered"), groups["delivered"]
    asked = accepted - groups["unasked"]
    if not accepted:
        return Fact(what, "\u2013", language.say("nothing was accepted"))
    if not asked:
        return Fact(what, language.say("Not asked yet"), language.say("see what to do next"))
    said = share(delivered, asked, language)
    if asked == accepted:
        note = language.say("{share} of those accepted", share=said)
    else:
        note = language.plural(
            "{share} of {asked} asked; {number} not asked yet",
            "{share} of {asked} asked; {number} not asked yet",
            accepted - asked,
            share=said,
            asked=language.count(asked),
        )
    return Fact(what, language.count(delivered), note)


def _cost(page: ReportPage) -> Fact:
    figures, language = page.figures, page.language
    spent, perhaps = figures.cost(_S.ACCEPTED, _S.ASSUMED_SENT), figures.cost(_S.IN_DOUBT)
    figure = language.plural("{number} credit", "{number} credits", spent)
    if not perhaps:
        return Fact(language.say("Cost"), figure, language.say("by our own count of the parts"))
    note = language.plural(
        "and {number} more if those in doubt were sent",
        "and {number} more if those in doubt were sent",
        perhaps,
    )
    return Fact(language.say("Cost"), figure, note)


def _group_totals(figures: Figures) -> dict[str, int]:
    return {group: sum(rows.values()) for group, rows in by_group(figures.deliveries).items()}


# All recipients


def _everyone(page: ReportPage) -> Iterator[str]:
    figures = page.figures
    given, accepted, groups = (
        figures.recipients,
        figures.count(_S.ACCEPTED),
        _group_totals(figures),
    )
    if not given:
        return
    asked = accepted > groups["unasked"]
    rows: list[str] = []
    parts: list[Part] = []

    def add(kind: str, label: str, value: int, *, note: str = "", css: str = "") -> None:
        parts.append(Part(kind, label, value))
        rows.append(_row(page, label, value, kind=kind, note=note, css=css))

    if asked:
        rows.append(_row(page, page.language.say("Accepted"), accepted, css="group"))
        for group, words in STATUS_GROUPS.items():
            if groups[group]:
                label = capital(page.language.say(words))
                add(GROUP_KINDS[group], label, groups[group], css="under")
    elif accepted:
        add("accepted", page.language.say("Accepted"), accepted)
    for state, kind, words in _OTHERS:
        if value := figures.count(state):
            add(kind, page.language.say(words), value, note=_why(page, state))
    heading = page.language.say("What happened to all recipients")
    heads = (
        ("", ""),
        ("number", page.say("Recipients")),
        ("number share", page.say("of all")),
    )
    drawn = stacked_bar("whole", parts, title=heading, said=page.count)
    yield from section("everyone", escape(heading), [drawn, *table(heads, rows, kind="counts")])


def _row(
    page: ReportPage, label: str, value: int, *, kind: str = "", note: str = "", css: str = ""
) -> str:
    said = escape(label)
    if kind == "in-doubt":
        said = f'<a href="#in-doubt">{said}</a>'
    small = f"<small>{note}</small>" if note else ""
    drawn = swatch(kind) if kind else ""
    head = f'<th scope="row"><div>{drawn}<span>{said}{small}</span></div></th>'
    shares = page.share(value, page.figures.recipients)
    columns = cells((("number", page.count(value)), ("number share", shares)))
    return f'<tr class="{css}">{head}{columns}</tr>'


def _why(page: ReportPage, state: RecipientState) -> str:
    """Return the most frequent reasons to leave recipients out, in plain words."""
    found = left_out(page.figures.skipped, page.language) if state is _S.SKIPPED else {}
    shown = dict(list(found.items())[:_REASONS])
    if more := sum(list(found.values())[_REASONS:]):
        shown[page.language.say("other reasons")] = more
    return " \u00b7 ".join(
        f"{escape(words)}:\u00a0{page.count(number)}" for words, number in shown.items()
    )


def _overview(page: ReportPage) -> Iterator[str]:
    yield '<div class="columns">'
    yield from _everyone(page)
    yield from _next(page)
    yield "</div>"


def _next(page: ReportPage) -> Iterator[str]:
    lines: list[str] = []
    for step in next_steps(page.figures, page.place, page.language):
        lines.append(f"<p>{escape(step.what)}</p>")
        if step.command:
            lines.append(f"<pre><code>{page.said(step.command)}</code></pre>")
    yield from section("next", page.say("What to do next"), lines)


OPENING: tuple[Callable[[ReportPage], Iterator[str]], ...] = (_head, _overview)
"""The sections of the first screen, in order."""
