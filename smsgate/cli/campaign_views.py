"""The output of the campaign commands: figures, plan, progress, and recipients in doubt.

Rule of this file: as in `views.py`, a new result is a new row of `VIEWS`, and numbers are masked
unless the user asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..campaign import (
    Added,
    Costs,
    Event,
    Figures,
    LeftOut,
    Plan,
    PollProgress,
    Preview,
    Progress,
    RecipientInDoubt,
    RecipientRecord,
    RecipientState,
    RequestInDoubt,
    RunOutcome,
    RunResult,
    SendingWindow,
    Source,
)
from ..campaign.delimited import DELIMITER_NAMES
from ..campaign.planning import REQUEST_SECONDS
from ..campaign.window import ANY_TIME
from ..campaign.wording import (
    COSTS,
    DECISIONS,
    NO_REASON,
    PURGED,
    STATES,
    STATUS_GROUPS,
    STATUSES,
    Fact,
    character_names,
    duration,
    facts,
    findings,
    moment,
    named,
    on_average,
    reading,
    senders_in_words,
)
from ..known_sentences import retold
from ..languages import plural, say, spoken, translatable
from ..ledger.records import Evidence
from ..ledger.records import Text as TextOfOne
from ..privacy import mask_number, mask_numbers
from .price_list import (
    costs_document,
    countries_table,
    credits_words,
    list_words,
    money_words,
    parts_words,
)
from .rewriting_options import saving_lines, savings_document
from .views import VIEWS, Look, View, pairs, printable, table, unbroken
from .when_to_send import window_document, window_words

__all__ = [
    "LOOKS",
    "Advance",
    "Done",
    "InDoubtList",
    "Made",
    "Planned",
    "Polled",
    "Resolved",
    "Skipped",
    "Status",
    "states_table",
]

_S = RecipientState

LOOKS: dict[RecipientState, Look] = {
    state: Look(symbol, style, STATES[state])
    for state, symbol, style in (
        (_S.PENDING, "·", "cyan"),
        (_S.IN_FLIGHT, "→", "cyan"),
        (_S.ACCEPTED, "✓", "green"),
        (_S.REFUSED, "✗", "red"),
        (_S.IN_DOUBT, "?", "yellow"),
        (_S.ASSUMED_SENT, "✓", "green"),
        (_S.ABANDONED, "✗", "dim"),
        (_S.SKIPPED, "-", "dim"),
    )
}
"""The look of each state, in the order in which states are shown."""

_LISTED = 20
"""The number of requests in doubt that the screen lists at most; JSON has all."""
_WORTH_SAYING = 60.0
"""The plan names the gateway as the limit if it needs this many seconds."""
_NAMED = 5
"""The number of recipients that are named per request."""


@dataclass(frozen=True, slots=True)
class Made:
    """A campaign that was just created."""

    path: str
    added: Added
    plan: Plan
    source: Source
    preview: Preview
    show_numbers: bool
    left_out: Sequence[LeftOut] = ()
    window: SendingWindow = ANY_TIME


@dataclass(frozen=True, slots=True)
class Skipped:
    """The skipped recipients."""

    recipients: tuple[RecipientRecord, ...]
    show_numbers: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run is about to do."""

    plan: Plan
    rate: float | None
    window: SendingWindow = ANY_TIME


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a campaign. `paused` says why no machine may send, `rate` is their limit."""

    figures: Figures
    paused: str | None = None
    rate: float | None = None
    window: SendingWindow = ANY_TIME
    costs: Costs | None = None
    """What the whole list costs, whatever was sent; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Advance:
    """The progress of a run, where no bar can be drawn."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Done:
    """How a run ended."""

    end: RunResult
    path: str
    resume: bool
    """Whether the campaign is paused for all machines, so that `run` does not continue it."""


@dataclass(frozen=True, slots=True)
class InDoubtList:
    """Requests with recipients in doubt, and these recipients."""

    path: str
    requests: tuple[tuple[RequestInDoubt, tuple[RecipientInDoubt, ...]], ...]
    show_numbers: bool


@dataclass(frozen=True, slots=True)
class Resolved:
    """The decision of an operator, and how many recipients it changed."""

    recipients: int
    event: Event
    left: int


@dataclass(frozen=True, slots=True)
class Polled:
    """The delivery statuses after polling."""

    progress: PollProgress
    deliveries: Mapping[str, int]


# --- new, run -------------------------------------------------------------------------------------


def _made_screen(made: Made) -> RenderableType:
    next_step = (
        unbroken((say("To send:"), "dim"), f" smsgate campaign run {made.path}")
        if made.added.pending
        else Text(say("There is no recipient to send to."), "yellow")
    )
    recipients = plural(
        "{number} recipient. Nothing has been sent yet.",
        "{number} recipients. Nothing has been sent yet.",
        made.added.pending,
    )
    return Group(
        Text.assemble((made.path, "bold"), f": {recipients}\n"),
        *_skipped_counts(made),
        pairs(
            {
                say("list"): printable(_list(made.source, made.show_numbers)),
                **_plan_rows(Planned(made.plan, None, made.window), example=False),
            }
        ),
        *countries_table(made.plan.costs),
        Text(),
        *_savings(made),
        *_samples(made),
        next_step,
    )


def _savings(made: Made) -> list[RenderableType]:
    """Return what rewriting the texts would save."""
    plan = made.plan
    recipients = plan.pending if plan.figures.texts == 1 else 0
    lines = saving_lines(made.added.savings, plan.cost, recipients=recipients)
    return [*(Text(line, "yellow") for line in lines), Text()] if lines else []


def _samples(made: Made) -> list[RenderableType]:
    """Return what the user should check: numbers that look wrong, the longest text, some others."""
    blocks: list[RenderableType] = []
    if made.preview.doubtful:
        lines = ", ".join(map(spoken().count, made.preview.doubtful_lines))
        more = ", ..." if made.preview.doubtful > len(made.preview.doubtful_lines) else ""
        said = plural(
            "{number} number has a 0 after the calling code, which belongs to local numbers only:"
            " line {lines}",
            "{number} numbers have a 0 after the calling code, which belongs to local numbers only:"
            " line {lines}",
            made.preview.doubtful,
            lines=f"{lines}{more}",
        )
        blocks += [Text(said, "yellow"), Text()]
    samples = made.preview.samples
    for place, sample in enumerate(samples):
        kind = _RANDOM if place else _LONGEST if len(samples) > 1 else _ONLY
        head = say(
            "{text}: line {line}, {recipient}, {parts}",
            text=say(kind),
            line=spoken().count(sample.line),
            recipient=_number(sample.number, made.show_numbers),
            parts=plural("{number} part", "{number} parts", sample.text.parts),
        )
        blocks += [
            Text(head, "dim"),
            Text(printable(_sample_text(sample.text, sample.number, made.show_numbers))),
            Text(),
        ]
    return blocks


_ONLY, _LONGEST = translatable("the text"), translatable("the longest text")
_RANDOM = translatable("a random text")


def _sample_text(text_of_one: TextOfOne, number: str, show_numbers: bool) -> str:
    """Return a text in which only the recipient's own number is masked."""
    text = text_of_one.text or text_of_one.wappush or ""
    if show_numbers:
        return text
    digits = _BETWEEN_DIGITS.join(number[-_OWN_DIGITS:])
    own = re.compile(rf"\+?(?:[0-9]{_BETWEEN_DIGITS})*{digits}")
    return own.sub(lambda found: mask_number(re.sub(r"[^0-9+]", "", found[0])), text)


_OWN_DIGITS = 9
_BETWEEN_DIGITS = r"[ \-()\u00a0]{0,2}"


def _list(source: Source, show_numbers: bool) -> str:
    column = source.phone_column if show_numbers else mask_numbers(source.phone_column)
    read_as = (
        say("numbers from the column {column}", column=repr(column)),
        "" if source.headed else say("no header"),
        source.sheet and say("sheet {name}", name=source.sheet),
        source.delimiter and say("delimiter {name}", name=_delimiter(source.delimiter)),
        source.encoding,
    )
    return ", ".join(filter(None, read_as))


def _delimiter(delimiter: str) -> str:
    return retold(DELIMITER_NAMES.get(delimiter, delimiter))


def _skipped_counts(made: Made) -> list[RenderableType]:
    if not made.added.skipped:
        return []
    counts = _counts_table(say("reason"), made.added.skipped, NO_REASON, first=say("skipped"))
    to_list = f"{say('To list the lines:')} smsgate campaign skipped {made.path}\n"
    return [counts, unbroken((to_list, "dim"))]


def _skipped_screen(skipped: Skipped) -> RenderableType:
    if not skipped.recipients:
        return Text(say("No recipient is skipped."))
    rows = table(f">{say('line')}", say("number"), say("reason"))
    for one in skipped.recipients:
        rows.add_row(
            spoken().count(one.line),
            Text(printable(_given(one, skipped))),
            Text(printable(retold(one.reason or ""))),
        )
    return rows


def _skipped_document(skipped: Skipped) -> dict[str, Any]:
    return {
        "skipped": [
            {"line": one.line, "destination": _given(one, skipped), "reason": one.reason}
            for one in skipped.recipients
        ]
    }


def _given(one: RecipientRecord, skipped: Skipped) -> str:
    """Return the cell of the list, which may not be a number."""
    return (one.number or "") if skipped.show_numbers else mask_numbers(one.number or "")


def _number(number: str, show: bool) -> str:
    return number if show else mask_number(number)


def _plan_screen(planned: Planned) -> RenderableType:
    return Group(pairs(_plan_rows(planned)), *countries_table(planned.plan.costs))


def _plan_rows(planned: Planned, *, example: bool = True) -> dict[str, str]:
    plan, figures, language = planned.plan, planned.plan.figures, spoken()
    rows = {
        say("recipients"): say(
            "{pending} pending, {skipped} skipped",
            pending=language.count(plan.pending),
            skipped=language.count(figures.count(_S.SKIPPED)),
        ),
        say("texts"): "; ".join((_texts(figures.texts), parts_words(figures.parts) or say("none"))),
        say("alphabet"): _alphabet(figures),
        say("cost"): say("{credits}, at one credit per part", credits=credits_words(plan.cost)),
    }
    if plan.costs.money is not None:
        rows[say("price")] = money_words(plan.costs)
    if plan.balance is not None:
        balance = credits_words(plan.balance)
        rows[say("balance")] = (
            balance
            if plan.enough
            else say("{credits}: NOT ENOUGH, the run will pause", credits=balance)
        )
    if sends := window_words(planned.window):
        rows[say("sends")] = sends
    if plan.seconds is not None:
        rows[say("duration")] = say(
            "{duration} at {rate} recipients per second",
            duration=duration(plan.seconds, language),
            rate=language.figure(f"{planned.rate:g}"),
        )
    if plan.gateway_limits and plan.gateway_seconds >= _WORTH_SAYING:
        rows[say("gateway")] = _gateway(plan)
    longest = figures.example
    if longest is not None:
        several = len(figures.senders) > 1
        rows[say("sender")] = printable(
            senders_in_words(figures, language) if several else mask_numbers(longest.sender)
        )
        if example:
            number = figures.example_number
            whole = longest.text or longest.wappush or ""
            rows[say("longest text")] = printable(
                mask_numbers(whole) if number is None else _sample_text(longest, number, False)
            )
    return rows


def _texts(texts: int) -> str:
    if texts > 1:
        return plural("{number} different", "{number} different", texts)
    return spoken().count(texts)


def _alphabet(figures: Figures) -> str:
    if not figures.ucs2:
        return "GSM-7"
    return plural(
        "{number} recipient in UCS-2, forced by {characters}",
        "{number} recipients in UCS-2, forced by {characters}",
        figures.ucs2,
        characters=printable(", ".join(character_names(figures.forced_by, language=spoken()))),
    )


def _gateway(plan: Plan) -> str:
    """Return how long the gateway needs for the requests at least."""
    language = spoken()
    return say(
        translatable("{duration} or more: {requests}, as texts differ, if each takes {seconds}")
        if plan.requests >= plan.figures.texts > 1
        else translatable("{duration} or more: {requests}, if each takes {seconds}"),
        duration=duration(plan.gateway_seconds, language),
        requests=plural("{number} request", "{number} requests", plan.requests),
        seconds=duration(REQUEST_SECONDS, language),
    )


def _plan_document(planned: Planned) -> dict[str, Any]:
    plan, figures = planned.plan, planned.plan.figures
    return {
        "plan": {
            "pending": plan.pending,
            "skipped": dict(figures.skipped),
            "texts": figures.texts,
            "parts": {str(parts): number for parts, number in figures.parts.items()},
            "ucs2": figures.ucs2,
            "senders": {mask_numbers(name): count for name, count in figures.senders.items()},
            "forced_by": figures.forced_by,
            "cost": plan.cost,
            "costs": costs_document(plan.costs),
            "balance": plan.balance,
            "enough": plan.enough,
            "requests": plan.requests,
            "gateway_seconds": plan.gateway_seconds,
            "seconds": plan.seconds,
            "sends": window_document(planned.window),
        }
    }


def _made_document(made: Made) -> dict[str, Any]:
    source = made.source
    return {
        "path": made.path,
        "added": made.added.pending,
        "list": {
            "phone_column": source.phone_column
            if made.show_numbers
            else mask_numbers(source.phone_column),
            "header": source.headed,
            "sheet": source.sheet or None,
            "delimiter": source.delimiter or None,
            "encoding": source.encoding or None,
        },
        "doubtful": {"numbers": made.preview.doubtful, "lines": made.preview.doubtful_lines},
        "excluded": [asdict(one) for one in made.left_out],
        "samples": [
            {
                "line": sample.line,
                "destination": _number(sample.number, made.show_numbers),
                "text": _sample_text(sample.text, sample.number, made.show_numbers),
                "parts": sample.text.parts,
            }
            for sample in made.preview.samples
        ],
        "savings": savings_document(made.added.savings),
        **_plan_document(Planned(made.plan, None, made.window))["plan"],
    }


def _advance_document(advance: Advance) -> dict[str, Any]:
    progress = advance.progress
    return {
        "progress": {
            "states": _states(progress.states),
            "under_way": progress.under_way,
            "rate": round(progress.rate, 1),
            "waiting": progress.waiting or None,
        }
    }


def _states(states: Mapping[RecipientState, int]) -> dict[str, int]:
    return {str(state): states[state] for state in LOOKS if states.get(state)}


def states_table(states: Mapping[RecipientState, int]) -> RenderableType:
    """Return how many recipients are in each state."""
    made = table(say("state"), f">{say('recipients')}")
    for state, look in LOOKS.items():
        if states.get(state):
            made.add_row(look.text(), spoken().count(states[state]))
    return made


_NEXT: dict[RecipientState, tuple[str, str]] = {
    _S.IN_DOUBT: (
        translatable(
            "Messages to recipients in doubt may or may not have been sent. To list them:"
        ),
        "  smsgate campaign in-doubt {path}",
    ),
    _S.PENDING: (translatable("To continue:"), " smsgate campaign {command} {path}"),
    _S.ACCEPTED: (translatable("To follow the delivery:"), " smsgate campaign poll {path}"),
}
_ENDS: dict[RunOutcome, str] = {
    RunOutcome.FINISHED: translatable("Finished"),
    RunOutcome.STOPPED: translatable("Stopped"),
    RunOutcome.PAUSED: translatable("Paused"),
    RunOutcome.CUT_OFF: translatable("Cut off"),
}


def _done_screen(done: Done) -> RenderableType:
    end, command = done.end, "resume" if done.resume else "run"
    hints: list[RenderableType] = []
    for state, (hint, words) in _NEXT.items():
        line = words.format(path=done.path, command=command)
        if end.states.get(state) and line.startswith("  "):
            hints += [Text(say(hint), "dim"), unbroken((line, "dim"))]
        elif end.states.get(state):
            hints.append(unbroken((say(hint) + line, "dim")))
    in_doubt = end.states.get(_S.IN_DOUBT, 0)
    with_doubt = plural(
        ", with {number} recipient in doubt", ", with {number} recipients in doubt", in_doubt
    )
    said = Text.assemble(
        (say(_ENDS[end.outcome]), "bold"),
        with_doubt if in_doubt else "",
        f": {printable(retold(end.why))}" if end.why else "",
    )
    return Group(said, Text(), states_table(end.states), Text(), *hints)


def _done_document(done: Done) -> dict[str, Any]:
    return {
        "outcome": done.end.outcome,
        "why": done.end.why or None,
        "states": _states(done.end.states),
    }


# --- status ---------------------------------------------------------------------------------------


def _status_screen(status: Status) -> RenderableType:
    figures, language = status.figures, spoken()
    rows = {
        say("campaign"): printable(figures.name),
        **{fact.what.lower(): _figure(fact) for fact in facts(figures, None, language)},
        say("last run"): printable(retold(figures.last_outcome or say("not ended")))
        if figures.runs
        else say("no run yet"),
        say("cost"): "; ".join(
            _cost(figures.cost(state), state, note)
            for state, note in COSTS.items()
            if figures.cost(state) or state is _S.ACCEPTED
        ),
    }
    if status.costs is not None and status.costs.countries:
        rows[say("whole list")] = list_words(status.costs)
    if status.paused is not None:
        rows[say("paused")] = printable(retold(status.paused))
    if status.rate is not None:
        rate = language.figure(f"{status.rate:g}")
        rows[say("rate limit")] = say("{rate} recipients per second", rate=rate)
    if sends := window_words(status.window):
        rows[say("sends")] = sends
    if figures.purged:
        rows[say("purged")] = say(PURGED)
    blocks: list[RenderableType] = [pairs(rows), Text(), states_table(figures.states)]
    if status.costs is not None:
        blocks += countries_table(status.costs)
    for title, counts, unnamed in (
        (say("refused because"), figures.refused, NO_REASON),
        (say("in doubt because"), figures.in_doubt, NO_REASON),
        (say("skipped because"), figures.skipped, NO_REASON),
        (say("abandoned because"), figures.abandoned, NO_REASON),
        (say("delivery status"), _statuses(figures.deliveries), _UNASKED),
    ):
        if counts:
            blocks += [Text(), _counts_table(title, counts, unnamed)]
    return Group(*blocks)


def _cost(number: int, state: RecipientState, note: str) -> str:
    conditions = [say(words) for words in (STATES[state], note) if words]
    return f"{credits_words(number)} ({', '.join(conditions)})"


_UNASKED = STATUS_GROUPS["unasked"]


def _statuses(deliveries: Mapping[str, int]) -> dict[str, int]:
    """Return the delivery statuses in words. Unknown ones are in those of the gateway."""
    return {
        say(STATUSES[name]) if name in STATUSES else name: count
        for name, count in deliveries.items()
    }


def _counts_table(
    title: str, counts: Mapping[str, int], unnamed: str, *, first: str = ""
) -> RenderableType:
    made = table(f">{first or say('recipients')}", title)
    for name, number in counts.items():
        made.add_row(spoken().count(number), printable(retold(name) if name else say(unnamed)))
    return made


def _figure(fact: Fact) -> str:
    return ", ".join(filter(None, (fact.figure, fact.note)))


def _status_document(status: Status) -> dict[str, Any]:
    figures = status.figures
    return {
        "campaign": figures.name,
        "created_at": figures.created_at,
        "runs": figures.runs,
        "last_outcome": figures.last_outcome,
        "paused": status.paused,
        "rate": status.rate,
        "sends": window_document(status.window),
        "states": _states(figures.states),
        "skipped": dict(figures.skipped),
        "refused": dict(figures.refused),
        "in_doubt": dict(figures.in_doubt),
        "abandoned": dict(figures.abandoned),
        "delivery": dict(figures.deliveries),
        "cost": {str(state): figures.cost(state) for state in COSTS},
        "costs": costs_document(status.costs),
        "decisions": [asdict(decision) for decision in figures.decisions],
        "purged": figures.purged,
    }


# --- in doubt -------------------------------------------------------------------------------------


def _in_doubt_screen(in_doubt: InDoubtList) -> RenderableType:
    if not in_doubt.requests:
        return Text(say("No recipient is in doubt."))
    total = sum(request.in_doubt for request, _ in in_doubt.requests)
    recipients = plural("{number} recipient is in doubt", "{number} recipients are in doubt", total)
    requests = plural(", in {number} request.", ", in {number} requests.", len(in_doubt.requests))
    blocks: list[RenderableType] = [Text.assemble((recipients, "bold"), f"{requests}\n")]
    for request, of_request in in_doubt.requests[:_LISTED]:
        blocks += [_request(request, of_request, show_numbers=in_doubt.show_numbers), Text()]
    if len(in_doubt.requests) > _LISTED:
        more = plural(
            "and {number} more request; --json lists all requests",
            "and {number} more requests; --json lists all requests",
            len(in_doubt.requests) - _LISTED,
        )
        blocks.append(Text(f"{more}\n", "dim"))
    resolve = f"  smsgate campaign resolve {in_doubt.path}"
    export = f"  smsgate campaign export {in_doubt.path} in-doubt.csv --state in-doubt"
    decide = say(
        "To decide on all recipients in doubt (add --request N or --line N for some of them):"
    )
    proof = say("The figures are evidence, not proof; --resend may deliver a second copy.")
    blocks += [
        Text(say("To list all of them, with full numbers:"), "dim"),
        unbroken((export, "dim")),
        Text(decide, "dim"),
        unbroken((f"{resolve} --sent | --resend | --give-up", "dim")),
        Text(say("To record a message id that the provider found:"), "dim"),
        unbroken((f"{resolve} --line N --found ID", "dim")),
        Text(proof, "dim"),
    ]
    return Group(*blocks)


def _request(
    request: RequestInDoubt, recipients: tuple[RecipientInDoubt, ...], *, show_numbers: bool
) -> RenderableType:
    about, language = Table.grid(padding=(0, 1, 0, 0)), spoken()
    whom = named(recipients, lambda number: _number(number, show_numbers), _NAMED, language)
    facts_known = findings(request, None, language)
    evidence = "\n".join(f"{fact.what}: {printable(_figure(fact))}" for fact in facts_known)
    for label, said, style in (
        (say("reason:"), printable(retold(request.reason)), ""),
        (say("for:"), whom, ""),
        (say("evidence:"), evidence, "dim"),
        ("", reading(request, language), "dim"),
    ):
        about.add_row(f"  {label}", Text(said, style))
    since = say(
        "{number} of {all}, since {moment}",
        number=language.count(request.in_doubt),
        all=language.count(request.size),
        moment=moment(request.claimed_at, None, language),
    )
    head = say("request {number}", number=request.id)
    return Group(Text.assemble((f"? {head}", "yellow"), f"  {since}"), about)


def _in_doubt_document(in_doubt: InDoubtList) -> dict[str, Any]:
    return {
        "requests": [
            {
                "request": request.id,
                "claimed_at": request.claimed_at,
                "size": request.size,
                "in_doubt": request.in_doubt,
                "cost": request.cost,
                "reason": request.reason,
                "status": request.status,
                "reply_bytes": request.reply_size,
                "evidence": None if request.evidence is None else _evidence(request.evidence),
                "recipients": [
                    {
                        "line": one.line,
                        "destination": _number(one.number, in_doubt.show_numbers),
                        "reason": one.reason,
                    }
                    for one in recipients
                ],
            }
            for request, recipients in in_doubt.requests
        ]
    }


def _evidence(seen: Evidence) -> dict[str, Any]:
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in asdict(seen).items()
    }


# --- resolve, poll --------------------------------------------------------------------------------


def _resolved_screen(resolved: Resolved) -> RenderableType:
    said = plural(
        "{number} recipient: {decision}. Still in doubt: {left}.",
        "{number} recipients: {decision}. Still in doubt: {left}.",
        resolved.recipients,
        decision=say(DECISIONS[resolved.event]),
        left=spoken().count(resolved.left),
    )
    return Text(said)


def _polled_screen(polled: Polled) -> RenderableType:
    deliveries, left = _statuses(polled.deliveries), polled.progress.open
    made = _counts_table(say("delivery status"), deliveries, _UNASKED)
    final = (
        plural("{number} status may still change.", "{number} statuses may still change.", left)
        if left
        else say("Every status is final.")
    )
    return Group(made, Text(), Text(final))


def _polled_document(polled: Polled) -> dict[str, Any]:
    return {
        "open": polled.progress.open,
        "asked": polled.progress.asked,
        "delivery": dict(polled.deliveries),
    }


def _advance_screen(advance: Advance) -> RenderableType:
    progress, language = advance.progress, spoken()
    counts = ", ".join(
        f"{language.count(progress.states[state])} {say(STATES[state])}"
        for state in LOOKS
        if progress.states.get(state)
    )
    rate = say("{rate} per second", rate=on_average(progress.rate, language))
    waiting = f"; {retold(progress.waiting)}" if progress.waiting else ""
    return Text(f"{counts}; {rate}{waiting}")


VIEWS[Made] = View(_made_screen, _made_document)
VIEWS[Skipped] = View(_skipped_screen, _skipped_document)
VIEWS[Planned] = View(_plan_screen, _plan_document)
VIEWS[Status] = View(_status_screen, _status_document)
VIEWS[Advance] = View(_advance_screen, _advance_document)
VIEWS[Done] = View(_done_screen, _done_document)
VIEWS[InDoubtList] = View(_in_doubt_screen, _in_doubt_document)
VIEWS[Resolved] = View(_resolved_screen, asdict)
VIEWS[Polled] = View(_polled_screen, _polled_document)
