"""Words about a campaign: figures, times, the summary sentence, and what the evidence suggests.

Rules of this file: no I/O, English only, no markup. The report and the command both use these
functions, so their words are the same. Evidence is never called proof.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum

from pydantic import ValidationError

from ..ledger.records import Evidence, Figures, RecipientInDoubt, RequestInDoubt
from ..ledger.states import Event, RecipientState
from ..privacy import mask_numbers
from ..protocol.answers import DeliveryState

__all__ = [
    "COSTS",
    "DECISIONS",
    "NO_REASON",
    "PURGED",
    "STATUS_GROUPS",
    "Fact",
    "Outlook",
    "as_sentence",
    "by_group",
    "character_names",
    "clock",
    "complaints",
    "count",
    "duration",
    "facts",
    "findings",
    "masked",
    "moment",
    "named",
    "offset",
    "on_average",
    "outlook",
    "reading",
    "round_times",
    "senders_in_words",
    "sentence",
    "share",
    "things",
]

_S = RecipientState
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DATE = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9])(?![0-9])")
_ID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_STEPS = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900,
    1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
)  # fmt: skip
"""Seconds between two round times."""
_SECONDS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))

DECISIONS: Mapping[Event, str] = {
    Event.RESEND: "send again (a recipient may get the message twice)",
    Event.FOUND: "count as accepted",
    Event.ASSUME_SENT: "assume sent",
    Event.GIVE_UP: "abandon (never send again)",
    Event.CANCEL: "cancel (never send)",
}
"""The decisions of an operator, in words."""
COSTS: Mapping[RecipientState, str] = {
    _S.ACCEPTED: "",
    _S.ASSUMED_SENT: "decided by an operator",
    _S.IN_DOUBT: "if they were sent",
    _S.PENDING: "if they are sent",
}
"""The states that may cost credits, and the condition under which they do."""
NO_REASON = "no reason given"
PURGED = "numbers, texts and answers are deleted, and the figures are kept"


# Figures


def count(number: int | Decimal) -> str:
    """Return a number with thousands separators and a real minus sign."""
    return format(number, "," if isinstance(number, int) else ",f").replace("-", "\u2212")


def things(number: int | Decimal, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 recipient`, `2 recipients`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """Return a part of a whole in per cent. Rounding never gives 0% or 100%."""
    if not whole:
        return "\u2013"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.0f}%" if part in (0, whole) else f"{percent:.1f}%"


def on_average(rate: float) -> str:
    """Return a rate per second, suitably rounded: `1,200`, `3.4`, `under 0.1`."""
    return (
        f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:.1f}" if rate >= 0.1 else "under 0.1"
    )


def duration(seconds: float) -> str:
    """Return a duration in words: `0.4 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `1 d 4 h`."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds >= 0.1 else "under 0.1 s"
    whole = round(seconds)
    for size, unit, smaller, small_unit in _SECONDS:
        if whole >= size:
            rest = whole % size // smaller
            return (
                f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
            )
    return f"{whole} s"


def offset(at: float, zone: tzinfo | None) -> str:
    """Return the zone's offset from UTC at this time: `UTC+02:00`."""
    said = datetime.fromtimestamp(at, zone).astimezone(zone).strftime("%z")
    return f"UTC{said[:3]}:{said[3:5]}".replace("-", "\u2212")


def moment(at: float | None, zone: tzinfo | None) -> str:
    """Return a time in full, with its offset from UTC. None is the zone of this machine."""
    if at is None:
        return "\u2013"
    there = datetime.fromtimestamp(at, zone)
    day = f"{there.day} {_MONTHS[there.month - 1]} {there.year}"
    return f"{day}, {there:%H:%M:%S} ({offset(at, zone)})"


def round_times(
    begin: float, end: float, zone: tzinfo | None, most: int = 7
) -> list[tuple[float, str]]:
    """Return round times of a span, such as every hour, as places from 0 to 1 and words."""
    span = end - begin
    step = next(
        (step for step in _STEPS if span / step <= most),
        _STEPS[-1] * -(-span // (_STEPS[-1] * most)),
    )
    shift = (
        datetime.fromtimestamp(begin, zone).astimezone(zone).utcoffset() or timedelta()
    ).total_seconds()
    first = -(-(begin + shift) // step) * step - shift
    times = (
        [first + step * place for place in range(int((end - first) // step) + 1)]
        if first <= end
        else []
    )
    # As precise as the steps, and with the day if the span has several days.
    precision = (
        span
        if span >= 86_400
        else next(fits for least, fits in ((60, 7_200), (1, 60), (0, 0)) if step >= least)
    )
    return [((at - begin) / span, clock(at, zone, precision)) for at in times]


def clock(at: float, zone: tzinfo | None, span: float) -> str:
    """Return a time as precisely as an axis of `span` seconds needs it."""
    there = datetime.fromtimestamp(at, zone)
    if span >= 86_400:
        return f"{there.day} {_MONTHS[there.month - 1][:3]} {there:%H:%M}"
    if span < 60:
        return f"{there:%H:%M:%S}.{there.microsecond // 100_000}"
    return f"{there:%H:%M}" if span >= 7_200 else f"{there:%H:%M:%S}"


def as_sentence(text: str) -> str:
    """Return the text with a capital letter at the beginning and a full stop at the end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def complaints(error: ValidationError) -> list[str]:
    """Return what is wrong, without the wrong values."""
    return [
        row["msg"]
        for row in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def masked(text: str) -> str:
    """Return the text with possible phone numbers masked. Dates stay."""
    return "".join(
        piece if place % 2 else mask_numbers(piece) for place, piece in enumerate(_DATE.split(text))
    )


# The campaign


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled figure."""

    what: str
    figure: str
    note: str = ""
    strong: bool = False


def facts(figures: Figures, zone: tzinfo | None) -> list[Fact]:
    """Return when a campaign was created and sent, for how long, and how fast."""
    first, last = figures.first_claim, figures.last_answer
    times = (("Created", figures.created_at), ("First request", first), ("Last answer", last))
    rows = [_time(what, at, zone) for what, at in times if at is not None]
    if first is not None and last is not None:
        took = last - first
        outcomes = figures.count(
            _S.ACCEPTED, _S.REFUSED, _S.IN_DOUBT, _S.ASSUMED_SENT, _S.ABANDONED
        )
        rows.append(Fact("Duration", duration(took), "pauses included"))
        if took >= 1:
            rows.append(
                Fact("Rate", f"{on_average(outcomes / took)} recipients per second", "on average")
            )
    if len(figures.senders) > 1:
        rows.append(Fact("Senders", count(len(figures.senders)), senders_in_words(figures)))
    return [
        *rows,
        Fact(
            "Requests",
            count(figures.requests),
            f"in {things(figures.runs, 'run')}" if figures.runs else "",
        ),
    ]


def senders_in_words(figures: Figures, most: int = 3) -> str:
    """Return the most frequent senders, each with the number of its recipients."""
    first = [
        f"{mask_numbers(sender)} for {things(number, 'recipient')}"
        for sender, number in list(figures.senders.items())[:most]
    ]
    more = len(figures.senders) - most
    return ", ".join([*first, f"{count(more)} more"] if more > 0 else first)


def _time(what: str, at: float, zone: tzinfo | None) -> Fact:
    day, _, rest = moment(at, zone).partition(", ")
    return Fact(what, day, rest)


class Outlook(StrEnum):
    """The state of a campaign as a whole."""

    EMPTY = "No recipients"
    NOT_STARTED = "Not started"
    OPEN = "Running, or interrupted"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    CUT_OFF = "Cut off"
    UNFINISHED = "Not finished"
    IN_DOUBT = "Sent, with some in doubt"
    FINISHED = "Finished"


def outlook(figures: Figures) -> Outlook:
    """Return the state of a campaign."""
    outcome = (figures.last_outcome or "").partition(":")[0]
    waiting = figures.count(_S.PENDING, _S.IN_FLIGHT)
    rows = (
        (figures.recipients == figures.count(_S.SKIPPED), Outlook.EMPTY),
        (not figures.runs and not figures.requests, Outlook.NOT_STARTED),
        (bool(figures.count(_S.IN_FLIGHT)) or (bool(waiting) and not outcome), Outlook.OPEN),
        (
            bool(waiting),
            {"paused": Outlook.PAUSED, "stopped": Outlook.STOPPED, "cut off": Outlook.CUT_OFF}.get(
                outcome
            ),
        ),
        (bool(waiting), Outlook.UNFINISHED),
        (bool(figures.count(_S.IN_DOUBT)), Outlook.IN_DOUBT),
    )
    return next((found for fits, found in rows if fits and found), Outlook.FINISHED)


def sentence(figures: Figures) -> str:
    """Return a summary of a campaign in one sentence."""
    given, skipped = figures.recipients, figures.count(_S.SKIPPED)
    if not given:
        return "The list is empty, so nothing was sent."
    if skipped == given:
        all_were = "the only recipient was" if given == 1 else f"all {count(given)} recipients were"
        return f"Nothing was sent: {all_were} skipped."
    accepted, pending, flying, in_doubt = (
        figures.count(state) for state in (_S.ACCEPTED, _S.PENDING, _S.IN_FLIGHT, _S.IN_DOUBT)
    )
    if pending + skipped == given and not figures.requests:
        are = _verb(pending, "is", "are")
        return f"Nothing has been sent yet: {things(pending, 'recipient')} {are} pending."
    of_all = f"{count(accepted)} of {things(given, 'recipient')}"
    were = _verb(1 if given == 1 else accepted, "was", "were")
    said = [f"{of_all} {were} accepted"]
    if pending:
        said.append(f"{count(pending)} {_verb(pending, 'is', 'are')} pending")
    if flying:
        said.append(
            f"{count(flying)} {_verb(flying, 'is', 'are')} in a request that has no answer yet"
        )
    if in_doubt:
        whether = f"the {_verb(in_doubt, 'message', 'messages')} may or may not have been sent"
        said.append(f"{count(in_doubt)} {_verb(in_doubt, 'is', 'are')} in doubt: {whether}")
    return "; ".join(said) + "."


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many


# Delivery

STATUS_GROUPS: Mapping[str, str] = {
    "delivered": "delivered",
    "failed": "not delivered",
    "open": "on the way",
    "silent": "not known to the gateway",
    "unasked": "not requested yet",
}
"""The groups of delivery statuses, in the order in which they are shown."""


def _group_of(status: str) -> str:
    if not status:
        return "unasked"
    if status in (DeliveryState.UNKNOWN, DeliveryState.NOT_FOUND):
        return "silent"
    if status == DeliveryState.DELIVERED:
        return "delivered"
    return "failed" if status in list(DeliveryState) and DeliveryState(status).final else "open"


def by_group(deliveries: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return the delivery statuses by group, the most frequent first. A group may be empty."""
    groups: dict[str, dict[str, int]] = {group: {} for group in STATUS_GROUPS}
    for status, number in sorted(deliveries.items(), key=lambda row: -row[1]):
        groups[_group_of(status)][status] = number
    return groups


# Characters


def character_names(characters: str, most: int = 6) -> list[str]:
    """Return the characters that forced UCS-2: Cyrillic as one, each other one with its name."""
    cyrillic = [one for one in characters if unicodedata.name(one, "").startswith("CYRILLIC")]
    others = [one for one in characters if one not in cyrillic]
    shown = cyrillic[:most] + ["\u2026"] * (len(cyrillic) > most)
    said = [f"Cyrillic letters ({' '.join(shown)})"] if cyrillic else []
    said += [_name_of(one) for one in others[:most]]
    return [*said, f"{len(others) - most} more"] if len(others) > most else said


def _name_of(character: str) -> str:
    name = unicodedata.name(character, "").lower() or f"U+{ord(character):04X}"
    shown = unicodedata.category(character)[0] in "LNPS"
    return f"{character} ({name})" if shown else name


# Evidence


def named(recipients: Sequence[RecipientInDoubt], shown: Callable[[str], str], most: int) -> str:
    """Return the first recipients by number and line, and how many more there are."""
    first = ", ".join(f"{shown(one.number)} (line {count(one.line)})" for one in recipients[:most])
    return first + (f" and {count(len(recipients) - most)} more" if len(recipients) > most else "")


def findings(request: RequestInDoubt, zone: tzinfo | None) -> list[Fact]:
    """Return the evidence around one request in doubt, as labelled figures."""
    seen = request.evidence or Evidence()
    rows = []
    left = _unexplained(seen)
    if seen.before is not None:
        rows.append(Fact("Balance before", count(seen.before), _at(seen.before_at, zone)))
    if left is not None:
        rows.append(Fact("Cost of accepted messages", count(-seen.spent)))
    if seen.after is not None:
        rows.append(Fact("Balance after", count(seen.after), _at(seen.after_at, zone)))
    if left is not None:
        rows.append(Fact("Unexplained difference", count(left), strong=True))
    rows.append(
        Fact(
            "Cost of this request if it was sent",
            count(request.cost),
            "for the recipients in doubt",
            strong=True,
        )
    )
    if seen.new_id_count is not None:
        ids = _listed([*seen.new_ids])
        rows.append(
            Fact(
                "New message ids at the gateway that no answer contained",
                count(seen.new_id_count),
                ids,
            )
        )
    if seen.reply_ids:
        rows.append(
            Fact(
                "Message ids in the damaged answer",
                count(len(seen.reply_ids)),
                _listed(seen.reply_ids),
            )
        )
    if seen.others:
        rows.append(Fact("Other requests in flight or in doubt at that time", count(seen.others)))
    return rows


def _at(at: float | None, zone: tzinfo | None) -> str:
    return "" if at is None else f"at {clock(at, zone, 600)}"


def _listed(ids: Sequence[str], most: int = 3) -> str:
    shown = [one if _ID.fullmatch(one) else masked(one) for one in ids[:most]]
    return ", ".join(shown) + (" \u2026" if len(ids) > most else "")


def _unexplained(seen: Evidence) -> Decimal | None:
    return (
        None if seen.before is None or seen.after is None else seen.before - seen.after - seen.spent
    )


def reading(request: RequestInDoubt) -> str:
    """Return what the evidence suggests, in a sentence. It never proves anything."""
    if request.evidence is None:
        return "No evidence has been collected yet. The next run collects it."
    seen = request.evidence
    left, cost = _unexplained(seen), request.cost
    if left is None:
        return "The balance before or after is not known, so it suggests nothing."
    rows = (
        (
            left < 0,
            "The balance is higher than expected, perhaps after a top-up, so it suggests nothing.",
        ),
        (left == 0, "No credit is missing, as if nothing was sent."),
        (
            left == cost,
            "Exactly the cost of this request is missing, as if all of its messages were sent.",
        ),
        (
            left < cost,
            "Less than the cost of this request is missing, as if only some messages were sent.",
        ),
    )
    more = (
        "More than the cost of this request is missing: something else was paid from this account,"
        " so the balance suggests little."
    )
    said = next((words for fits, words in rows if fits), more)
    if seen.others:
        were = _verb(seen.others, "was", "were")
        others = things(seen.others, "other request")
        said += f" But {others} {were} in flight or in doubt, so this is less certain."
    return said
