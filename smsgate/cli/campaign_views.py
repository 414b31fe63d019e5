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
    STATUS_GROUPS,
    Fact,
    character_names,
    count,
    duration,
    facts,
    findings,
    moment,
    named,
    on_average,
    reading,
    senders_in_words,
    things,
)
from ..ledger.records import Evidence
from ..ledger.records import Text as TextOfOne
from ..privacy import mask_number, mask_numbers
from .price_list import costs_document, countries_table, list_words, money_words
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
    _S.PENDING: Look("·", "cyan", _S.PENDING),
    _S.IN_FLIGHT: Look("→", "cyan", _S.IN_FLIGHT),
    _S.ACCEPTED: Look("✓", "green", _S.ACCEPTED),
    _S.REFUSED: Look("✗", "red", _S.REFUSED),
    _S.IN_DOUBT: Look("?", "yellow", _S.IN_DOUBT),
    _S.ASSUMED_SENT: Look("✓", "green", _S.ASSUMED_SENT),
    _S.ABANDONED: Look("✗", "dim", _S.ABANDONED),
    _S.SKIPPED: Look("-", "dim", _S.SKIPPED),
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
        unbroken(("To send: ", "dim"), f"smsgate campaign run {made.path}")
        if made.added.pending
        else Text("There is no recipient to send to.", "yellow")
    )
    return Group(
        Text.assemble(
            (made.path, "bold"),
            f": {things(made.added.pending, 'recipient')}. Nothing has been sent yet.\n",
        ),
        *_skipped_counts(made),
        pairs(
            {
                "list": printable(_list(made.source, made.show_numbers)),
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
        numbers = things(made.preview.doubtful, "number has", "numbers have")
        lines = ", ".join(f"{line:,}" for line in made.preview.doubtful_lines)
        more = ", ..." if made.preview.doubtful > len(made.preview.doubtful_lines) else ""
        blocks += [
            Text(
                f"{numbers} a 0 after the calling code, which belongs to local numbers only:"
                f" line {lines}{more}",
                "yellow",
            )
        ]
        blocks += [Text()]
    samples = made.preview.samples
    for place, sample in enumerate(samples):
        kind = "a random text" if place else "the longest text" if len(samples) > 1 else "the text"
        number = _number(sample.number, made.show_numbers)
        head = f"{kind}: line {sample.line:,}, {number}, {things(sample.text.parts, 'part')}"
        blocks += [
            Text(head, "dim"),
            Text(printable(_sample_text(sample.text, sample.number, made.show_numbers))),
            Text(),
        ]
    return blocks


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
        f"numbers from the column {column!r}",
        "" if source.headed else "no header",
        source.sheet and f"sheet {source.sheet}",
        source.delimiter and f"delimiter {DELIMITER_NAMES.get(source.delimiter, source.delimiter)}",
        source.encoding,
    )
    return ", ".join(filter(None, read_as))


def _skipped_counts(made: Made) -> list[RenderableType]:
    if not made.added.skipped:
        return []
    counts = _counts_table("reason", made.added.skipped, NO_REASON, first="skipped")
    return [
        counts,
        unbroken((f"To list the lines: smsgate campaign skipped {made.path}\n", "dim")),
    ]


def _skipped_screen(skipped: Skipped) -> RenderableType:
    if not skipped.recipients:
        return Text("No recipient is skipped.")
    rows = table(">line", "number", "reason")
    for one in skipped.recipients:
        rows.add_row(
            f"{one.line:,}",
            Text(printable(_given(one, skipped))),
            Text(printable(one.reason or "")),
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
    plan, figures = planned.plan, planned.plan.figures
    parts = ", ".join(
        f"{things(parts, 'part')} for {things(number, 'recipient')}"
        for parts, number in figures.parts.items()
    )
    forced_by = printable(", ".join(character_names(figures.forced_by)))
    rows = {
        "recipients": f"{plan.pending:,} pending, {figures.count(_S.SKIPPED):,} skipped",
        "texts": f"{figures.texts:,}{' different' * (figures.texts > 1)}; {parts or 'none'}",
        "alphabet": f"{things(figures.ucs2, 'recipient')} in UCS-2, forced by {forced_by}"
        if figures.ucs2
        else "GSM-7",
        "cost": f"{things(plan.cost, 'credit')}, at one credit per part",
    }
    if plan.costs.money is not None:
        rows["price"] = money_words(plan.costs)
    if plan.balance is not None:
        rows["balance"] = things(plan.balance, "credit") + (
            "" if plan.enough else ": NOT ENOUGH, the run will pause"
        )
    if sends := window_words(planned.window):
        rows["sends"] = sends
    if plan.seconds is not None:
        rows["duration"] = f"{duration(plan.seconds)} at {planned.rate:g} recipients per second"
    if plan.gateway_limits and plan.gateway_seconds >= _WORTH_SAYING:
        rows["gateway"] = (
            f"{duration(plan.gateway_seconds)} or more: {things(plan.requests, 'request')}"
            + (", as texts differ" if plan.requests >= figures.texts > 1 else "")
            + f", if each takes {REQUEST_SECONDS:g} s"
        )
    longest = figures.example
    if longest is not None:
        several = len(figures.senders) > 1
        rows["sender"] = printable(
            senders_in_words(figures) if several else mask_numbers(longest.sender)
        )
        if example:
            number = figures.example_number
            whole = longest.text or longest.wappush or ""
            rows["longest text"] = printable(
                mask_numbers(whole) if number is None else _sample_text(longest, number, False)
            )
    return rows


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
    made = table("state", ">recipients")
    for state, look in LOOKS.items():
        if states.get(state):
            made.add_row(look.text(), f"{states[state]:,}")
    return made


_NEXT = {
    _S.IN_DOUBT: (
        "Messages to recipients in doubt may or may not have been sent. To list them:\n"
        "  smsgate campaign in-doubt {path}"
    ),
    _S.PENDING: "To continue: smsgate campaign {command} {path}",
    _S.ACCEPTED: "To follow the delivery: smsgate campaign poll {path}",
}


def _done_screen(done: Done) -> RenderableType:
    end = done.end
    hints = [
        unbroken((said.format(path=done.path, command="resume" if done.resume else "run"), "dim"))
        for state, said in _NEXT.items()
        if end.states.get(state)
    ]
    in_doubt = end.states.get(_S.IN_DOUBT, 0)
    said = Text.assemble(
        (str(end.outcome).capitalize(), "bold"),
        f", with {things(in_doubt, 'recipient')} in doubt" if in_doubt else "",
        f": {printable(end.why)}" if end.why else "",
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
    figures = status.figures
    rows = {
        "campaign": printable(figures.name),
        **{fact.what.lower(): _figure(fact) for fact in facts(figures, None)},
        "last run": printable(figures.last_outcome or "not ended")
        if figures.runs
        else "no run yet",
        "cost": "; ".join(
            f"{things(figures.cost(state), 'credit')} ({state}{note and f', {note}'})"
            for state, note in COSTS.items()
            if figures.cost(state) or state is _S.ACCEPTED
        ),
    }
    if status.costs is not None and status.costs.countries:
        rows["whole list"] = list_words(status.costs)
    if status.paused is not None:
        rows["paused"] = printable(status.paused)
    if status.rate is not None:
        rows["rate limit"] = f"{status.rate:g} recipients per second"
    if sends := window_words(status.window):
        rows["sends"] = sends
    if figures.purged:
        rows["purged"] = PURGED
    blocks: list[RenderableType] = [pairs(rows), Text(), states_table(figures.states)]
    if status.costs is not None:
        blocks += countries_table(status.costs)
    for title, counts, unnamed in (
        ("refused because", figures.refused, NO_REASON),
        ("in doubt because", figures.in_doubt, NO_REASON),
        ("skipped because", figures.skipped, NO_REASON),
        ("abandoned because", figures.abandoned, NO_REASON),
        ("delivery status", figures.deliveries, _UNASKED),
    ):
        if counts:
            blocks += [Text(), _counts_table(title, counts, unnamed)]
    return Group(*blocks)


_UNASKED = STATUS_GROUPS["unasked"]


def _counts_table(
    title: str, counts: Mapping[str, int], unnamed: str, *, first: str = "recipients"
) -> RenderableType:
    made = table(f">{first}", title)
    for name, number in counts.items():
        made.add_row(count(number), printable(name or unnamed))
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
        return Text("No recipient is in doubt.")
    total = sum(request.in_doubt for request, _ in in_doubt.requests)
    blocks: list[RenderableType] = [
        Text.assemble(
            (f"{things(total, 'recipient is', 'recipients are')} in doubt", "bold"),
            f", in {things(len(in_doubt.requests), 'request')}.\n",
        )
    ]
    for request, recipients in in_doubt.requests[:_LISTED]:
        blocks += [_request(request, recipients, show_numbers=in_doubt.show_numbers), Text()]
    if len(in_doubt.requests) > _LISTED:
        blocks.append(
            Text(
                f"and {things(len(in_doubt.requests) - _LISTED, 'more request')};"
                " --json lists all requests\n",
                "dim",
            )
        )
    resolve = f"  smsgate campaign resolve {in_doubt.path}"
    blocks += [
        Text("To decide about all recipients in doubt, one --request N or one --line N:", "dim"),
        unbroken((f"{resolve} --sent | --resend | --give-up", "dim")),
        Text("To record a message id that the provider found:", "dim"),
        unbroken((f"{resolve} --line N --found ID", "dim")),
        Text("The figures are evidence, not proof; --resend may deliver a second copy.", "dim"),
    ]
    return Group(*blocks)


def _request(
    request: RequestInDoubt, recipients: tuple[RecipientInDoubt, ...], *, show_numbers: bool
) -> RenderableType:
    about = Table.grid(padding=(0, 1, 0, 0))
    for label, said, style in (
        ("reason:", printable(request.reason), ""),
        ("for:", named(recipients, lambda number: _number(number, show_numbers), _NAMED), ""),
        (
            "evidence:",
            "\n".join(
                f"{fact.what}: {printable(_figure(fact))}" for fact in findings(request, None)
            ),
            "dim",
        ),
        ("", reading(request), "dim"),
    ):
        about.add_row(f"  {label}", Text(said, style))
    since = f"  {request.in_doubt:,} of {request.size:,}, since {moment(request.claimed_at, None)}"
    return Group(Text.assemble((f"? request {request.id}", "yellow"), since), about)


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
    decision = DECISIONS[resolved.event]
    return Text(
        f"{things(resolved.recipients, 'recipient')}: {decision}."
        f" Still in doubt: {resolved.left:,}."
    )


def _polled_screen(polled: Polled) -> RenderableType:
    made, left = _counts_table("delivery status", polled.deliveries, _UNASKED), polled.progress.open
    final = (
        f"{things(left, 'status', 'statuses')} may still change."
        if left
        else "Every status is final."
    )
    return Group(made, Text(), Text(final))


def _polled_document(polled: Polled) -> dict[str, Any]:
    return {
        "open": polled.progress.open,
        "asked": polled.progress.asked,
        "delivery": dict(polled.deliveries),
    }


def _advance_screen(advance: Advance) -> RenderableType:
    progress = advance.progress
    counts = ", ".join(
        f"{progress.states[state]:,} {state}" for state in LOOKS if progress.states.get(state)
    )
    waiting = f"; {progress.waiting}" if progress.waiting else ""
    return Text(f"{counts}; {on_average(progress.rate)} per second{waiting}")


VIEWS[Made] = View(_made_screen, _made_document)
VIEWS[Skipped] = View(_skipped_screen, _skipped_document)
VIEWS[Planned] = View(_plan_screen, _plan_document)
VIEWS[Status] = View(_status_screen, _status_document)
VIEWS[Advance] = View(_advance_screen, _advance_document)
VIEWS[Done] = View(_done_screen, _done_document)
VIEWS[InDoubtList] = View(_in_doubt_screen, _in_doubt_document)
VIEWS[Resolved] = View(_resolved_screen, asdict)
VIEWS[Polled] = View(_polled_screen, _polled_document)
