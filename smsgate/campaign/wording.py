"""Words about a campaign: figures, times, the summary sentence, and what the evidence suggests.

Rules of this file: no I/O, no markup, and each sentence of the report in every language. The report
and the command both use these functions, so their words are the same; the command speaks English.
Evidence is never called proof.
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

from ..known_sentences import retold
from ..languages import ENGLISH, Language, translatable
from ..ledger.records import Evidence, Figures, RecipientInDoubt, RequestInDoubt
from ..ledger.states import Event, RecipientState
from ..privacy import mask_numbers
from ..protocol.answers import DeliveryState

__all__ = [
    "COSTS",
    "DECISIONS",
    "NO_REASON",
    "PURGED",
    "STATES",
    "STATUSES",
    "STATUS_GROUPS",
    "Fact",
    "Outlook",
    "as_sentence",
    "by_group",
    "character_names",
    "clock",
    "complaints",
    "count",
    "day",
    "duration",
    "facts",
    "findings",
    "left_out",
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
_DATE = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9])(?![0-9])")
_ID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_STEPS = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900,
    1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
)  # fmt: skip
"""Seconds between two round times."""
_SECONDS = (
    (86_400, translatable("{number} d"), 3_600, translatable("{number} h")),
    (3_600, translatable("{number} h"), 60, translatable("{number} min")),
    (60, translatable("{number} min"), 1, translatable("{number} s")),
)

DECISIONS: Mapping[Event, str] = {
    Event.RESEND: translatable("send again (a recipient may get the message twice)"),
    Event.FOUND: translatable("count as accepted"),
    Event.ASSUME_SENT: translatable("assume sent"),
    Event.GIVE_UP: translatable("abandon (never send again)"),
    Event.CANCEL: translatable("cancel (never send)"),
}
"""The decisions of an operator, in words."""
COSTS: Mapping[RecipientState, str] = {
    _S.ACCEPTED: "",
    _S.ASSUMED_SENT: translatable("decided by an operator"),
    _S.IN_DOUBT: translatable("if they were sent"),
    _S.PENDING: translatable("if they are sent"),
}
"""The states that may cost credits, and the condition under which they do."""
STATES: Mapping[RecipientState, str] = {
    _S.SKIPPED: translatable("skipped"),
    _S.PENDING: translatable("pending"),
    _S.IN_FLIGHT: translatable("in flight"),
    _S.ACCEPTED: translatable("accepted"),
    _S.REFUSED: translatable("refused"),
    _S.IN_DOUBT: translatable("in doubt"),
    _S.ASSUMED_SENT: translatable("assumed sent"),
    _S.ABANDONED: translatable("abandoned"),
}
"""The states, for every language."""
NO_REASON = translatable("no reason given")
PURGED = translatable("numbers, texts and answers are deleted, and the figures are kept")


# Figures


def count(number: int | Decimal) -> str:
    """Return a number with thousands separators and a real minus sign, in English."""
    return ENGLISH.count(number)


def things(number: int | Decimal, one: str, many: str = "") -> str:
    """Return a number with its noun, in English: `1 recipient`, `2 recipients`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def share(part: int, whole: int, language: Language = ENGLISH) -> str:
    """Return a part of a whole in per cent. Rounding never gives 0% or 100%."""
    if not whole:
        return "\u2013"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<" + language.figure("0.1%")
    if 99.9 < percent < 100:
        return ">" + language.figure("99.9%")
    return language.figure(f"{percent:.0f}%" if part in (0, whole) else f"{percent:.1f}%")


def on_average(rate: float, language: Language = ENGLISH) -> str:
    """Return a rate per second, suitably rounded: `1,200`, `3.4`, `under 0.1`."""
    if 0 < rate < 0.1:
        return language.say("under {number}", number=language.figure("0.1"))
    return language.figure(f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:.1f}")


def duration(seconds: float, language: Language = ENGLISH) -> str:
    """Return a duration in words: `0.4 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `1 d 4 h`."""
    if seconds < 10:
        shown = language.figure(f"{max(seconds, 0.1):.1f}".removesuffix(".0"))
        said = language.say("{number} s", number=shown)
        return said if seconds >= 0.1 else language.say("under {number}", number=said)
    whole = round(seconds)
    for size, unit, smaller, small_unit in _SECONDS:
        if whole >= size:
            rest = whole % size // smaller
            said = language.say(unit, number=whole // size)
            return f"{said} {language.say(small_unit, number=rest)}" if rest else said
    return language.say("{number} s", number=whole)


def offset(at: float, zone: tzinfo | None) -> str:
    """Return the zone's offset from UTC at this time: `UTC+02:00`."""
    said = datetime.fromtimestamp(at, zone).astimezone(zone).strftime("%z")
    return f"UTC{said[:3]}:{said[3:5]}".replace("-", "\u2212")


def day(at: float, zone: tzinfo | None, language: Language = ENGLISH) -> str:
    """Return the date of a time: `6 March 2026`."""
    there = datetime.fromtimestamp(at, zone)
    return f"{there.day} {language.month(there.month)} {there.year}"


def moment(at: float | None, zone: tzinfo | None, language: Language = ENGLISH) -> str:
    """Return a time in full, with its offset from UTC. None is the zone of this machine."""
    if at is None:
        return "\u2013"
    there = datetime.fromtimestamp(at, zone)
    return f"{day(at, zone, language)}, {there:%H:%M:%S} ({offset(at, zone)})"


def round_times(
    begin: float,
    end: float,
    zone: tzinfo | None,
    most: int = 7,
    language: Language = ENGLISH,
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
    return [((at - begin) / span, clock(at, zone, precision, language)) for at in times]


def clock(at: float, zone: tzinfo | None, span: float, language: Language = ENGLISH) -> str:
    """Return a time as precisely as an axis of `span` seconds needs it."""
    there = datetime.fromtimestamp(at, zone)
    if span >= 86_400:
        return f"{there.day} {language.short_month(there.month)} {there:%H:%M}"
    if span < 60:
        return language.figure(f"{there:%H:%M:%S}.{there.microsecond // 100_000}")
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


def facts(figures: Figures, zone: tzinfo | None, language: Language = ENGLISH) -> list[Fact]:
    """Return when a campaign was created and sent, for how long, and how fast."""
    say, first, last = language.say, figures.first_claim, figures.last_answer
    times = (
        (say("Created"), figures.created_at),
        (say("First request"), first),
        (say("Last answer"), last),
    )
    rows = [_time(what, at, zone, language) for what, at in times if at is not None]
    if first is not None and last is not None:
        took = last - first
        outcomes = figures.count(
            _S.ACCEPTED, _S.REFUSED, _S.IN_DOUBT, _S.ASSUMED_SENT, _S.ABANDONED
        )
        rows.append(Fact(say("Duration"), duration(took, language), say("pauses included")))
        if took >= 1:
            rate = on_average(outcomes / took, language)
            rows.append(
                Fact(say("Rate"), say("{rate} recipients per second", rate=rate), say("on average"))
            )
    if len(figures.senders) > 1:
        number, names = language.count(len(figures.senders)), senders_in_words(figures, language)
        rows.append(Fact(say("Senders"), number, names))
    runs = language.plural("in {number} run", "in {number} runs", figures.runs)
    requests = language.count(figures.requests)
    return [*rows, Fact(say("Requests"), requests, runs if figures.runs else "")]


def senders_in_words(figures: Figures, language: Language = ENGLISH, most: int = 3) -> str:
    """Return the most frequent senders, each with the number of its recipients."""
    first = [
        language.plural(
            "{sender} for {number} recipient",
            "{sender} for {number} recipients",
            number,
            sender=mask_numbers(sender),
        )
        for sender, number in list(figures.senders.items())[:most]
    ]
    more = len(figures.senders) - most
    if more > 0:
        first.append(language.plural("{number} more", "{number} more", more))
    return ", ".join(first)


def _time(what: str, at: float, zone: tzinfo | None, language: Language) -> Fact:
    date, _, rest = moment(at, zone, language).partition(", ")
    return Fact(what, date, rest)


class Outlook(StrEnum):
    """The state of a campaign as a whole."""

    EMPTY = translatable("No recipients")
    NOT_STARTED = translatable("Not started")
    OPEN = translatable("Running, or interrupted")
    PAUSED = translatable("Paused")
    STOPPED = translatable("Stopped")
    CUT_OFF = translatable("Cut off")
    UNFINISHED = translatable("Not finished")
    IN_DOUBT = translatable("Sent, with some in doubt")
    FINISHED = translatable("Finished")


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


def sentence(figures: Figures, language: Language = ENGLISH) -> str:
    """Return a summary of a campaign in a few short sentences."""
    given, skipped = figures.recipients, figures.count(_S.SKIPPED)
    if not given:
        return language.say("The list is empty, so nothing was sent.")
    if skipped == given:
        return language.plural(
            "Nothing was sent: the only recipient was left out.",
            "Nothing was sent: all {number} recipients were left out.",
            given,
        )
    accepted, pending, flying, in_doubt = (
        figures.count(state) for state in (_S.ACCEPTED, _S.PENDING, _S.IN_FLIGHT, _S.IN_DOUBT)
    )
    if pending + skipped == given and not figures.requests:
        return language.plural(
            "Nothing has been sent yet: {number} recipient is pending.",
            "Nothing has been sent yet: {number} recipients are pending.",
            pending,
        )
    said = [
        language.plural(
            "The gateway accepted the message for {accepted} of {number} recipient.",
            "The gateway accepted the message for {accepted} of {number} recipients.",
            given,
            accepted=language.count(accepted),
        )
    ]
    if pending:
        said.append(
            language.plural(
                "{number} recipient is pending.", "{number} recipients are pending.", pending
            )
        )
    if flying:
        said.append(
            language.plural(
                "{number} recipient is in a request that has no answer yet.",
                "{number} recipients are in requests that have no answer yet.",
                flying,
            )
        )
    if in_doubt:
        said.append(
            language.plural(
                "{number} recipient is in doubt: the message may or may not have been sent.",
                "{number} recipients are in doubt: the messages may or may not have been sent.",
                in_doubt,
            )
        )
    return " ".join(said)


_LEFT_OUT: tuple[tuple[str, str], ...] = (
    ("on the stop list", translatable("on the stop list")),
    ("excluded: ", translatable("on an excluded list")),
    ("repeats another line", translatable("repeated in the list")),
    ("no number", translatable("no number")),
    ("no value in the column ", translatable("no value for a field of the text")),
    ("column ", translatable("no value for a field of the text")),
    ("cannot exist", translatable("number cannot exist")),
    ("", translatable("number or text is not valid")),
)
"""How a recorded reason begins, and what it is called for a reader who did not write the list."""


def left_out(reasons: Mapping[str, int], language: Language = ENGLISH) -> dict[str, int]:
    """Return in plain words why recipients were left out, the most frequent reason first."""
    found: dict[str, int] = {}
    for reason, number in reasons.items():
        called = language.say(next(words for begin, words in _LEFT_OUT if reason.startswith(begin)))
        found[called] = found.get(called, 0) + number
    return dict(sorted(found.items(), key=lambda row: (-row[1], row[0])))


# Delivery

STATUS_GROUPS: Mapping[str, str] = {
    "delivered": translatable("delivered"),
    "failed": translatable("not delivered"),
    "open": translatable("on the way"),
    "silent": translatable("not known to the gateway"),
    "unasked": translatable("not requested yet"),
}
"""The groups of delivery statuses, in the order in which they are shown."""
STATUSES: Mapping[str, str] = {
    DeliveryState.SENT: translatable("sent"),
    DeliveryState.QUEUED: translatable("queued"),
    DeliveryState.ON_SERVER: translatable("on server"),
    DeliveryState.IN_NETWORK: translatable("in network"),
    DeliveryState.DELIVERED: translatable("delivered"),
    DeliveryState.EXPIRED: translatable("expired"),
    DeliveryState.DELETED_BY_OPERATOR: translatable("deleted by operator"),
    DeliveryState.NOT_DELIVERED: translatable("not delivered"),
    DeliveryState.REJECTED_BY_OPERATOR: translatable("rejected by operator"),
    DeliveryState.UNKNOWN: translatable("unknown"),
    DeliveryState.FAILED: translatable("failed"),
    DeliveryState.NOT_ENOUGH_CREDITS: translatable("not enough credits"),
    DeliveryState.CANCELLED: translatable("cancelled"),
    DeliveryState.SUSPENDED: translatable("suspended"),
    DeliveryState.DELETED_BY_USER: translatable("deleted by user"),
    DeliveryState.NOT_FOUND: translatable("not found"),
    DeliveryState.UNRECOGNISED: translatable("unrecognised"),
}
"""The delivery statuses, for every language. Any other one is shown as the gateway says it."""


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


def character_names(characters: str, most: int = 6, language: Language = ENGLISH) -> list[str]:
    """Return the characters that forced UCS-2: Cyrillic as one, each other one with its name."""
    cyrillic = [one for one in characters if unicodedata.name(one, "").startswith("CYRILLIC")]
    others = [one for one in characters if one not in cyrillic]
    shown = cyrillic[:most] + ["\u2026"] * (len(cyrillic) > most)
    letters = language.say("Cyrillic letters ({letters})", letters=" ".join(shown))
    said = [letters] if cyrillic else []
    said += [_name_of(one, language) for one in others[:most]]
    more = language.plural("{number} more", "{number} more", len(others) - most)
    return [*said, more] if len(others) > most else said


def _name_of(character: str, language: Language) -> str:
    named = unicodedata.name(character, "").lower() or f"U+{ord(character):04X}"
    name = retold(named, language)
    shown = unicodedata.category(character)[0] in "LNPS"
    return f"{character} ({name})" if shown else name


# Evidence


def named(
    recipients: Sequence[RecipientInDoubt],
    shown: Callable[[str], str],
    most: int,
    language: Language = ENGLISH,
) -> str:
    """Return the first recipients by number and line, and how many more there are."""
    first = ", ".join(
        language.say(
            "{recipient} (line {line})", recipient=shown(one.number), line=language.count(one.line)
        )
        for one in recipients[:most]
    )
    more = len(recipients) - most
    if more <= 0:
        return first
    return language.plural(
        "{first} and {number} more", "{first} and {number} more", more, first=first
    )


def findings(
    request: RequestInDoubt, zone: tzinfo | None, language: Language = ENGLISH
) -> list[Fact]:
    """Return the evidence around one request in doubt, as labelled figures."""
    say, figure = language.say, language.count
    seen = request.evidence or Evidence()
    rows = []
    left = _unexplained(seen)
    if seen.before is not None:
        at = _at(seen.before_at, zone, language)
        rows.append(Fact(say("Balance before"), figure(seen.before), at))
    if left is not None:
        rows.append(Fact(say("Cost of accepted messages"), figure(-seen.spent)))
    if seen.after is not None:
        at = _at(seen.after_at, zone, language)
        rows.append(Fact(say("Balance after"), figure(seen.after), at))
    if left is not None:
        rows.append(Fact(say("Unexplained difference"), figure(left), strong=True))
    what, note = say("Cost of this request if it was sent"), say("for the recipients in doubt")
    rows.append(Fact(what, figure(request.cost), note, strong=True))
    if seen.new_id_count is not None:
        what = say("New message ids at the gateway that no answer contained")
        rows.append(Fact(what, figure(seen.new_id_count), _listed([*seen.new_ids])))
    if seen.reply_ids:
        what = say("Message ids in the damaged answer")
        rows.append(Fact(what, figure(len(seen.reply_ids)), _listed(seen.reply_ids)))
    if seen.others:
        what = say("Other requests in flight or in doubt at that time")
        rows.append(Fact(what, figure(seen.others)))
    return rows


def _at(at: float | None, zone: tzinfo | None, language: Language) -> str:
    return "" if at is None else language.say("at {time}", time=clock(at, zone, 600, language))


def _listed(ids: Sequence[str], most: int = 3) -> str:
    shown = [one if _ID.fullmatch(one) else masked(one) for one in ids[:most]]
    return ", ".join(shown) + (" \u2026" if len(ids) > most else "")


def _unexplained(seen: Evidence) -> Decimal | None:
    return (
        None if seen.before is None or seen.after is None else seen.before - seen.after - seen.spent
    )


def reading(request: RequestInDoubt, language: Language = ENGLISH) -> str:
    """Return what the evidence suggests, in a sentence. It never proves anything."""
    say = language.say
    if request.evidence is None:
        return say("No evidence has been collected yet. The next run collects it.")
    seen = request.evidence
    left, cost = _unexplained(seen), request.cost
    if left is None:
        return say("The balance before or after is not known, so it suggests nothing.")
    if seen.others:
        # The difference is that of all these requests together.
        return language.plural(
            "{number} other request was in flight or in doubt, so the balance says nothing about"
            " this one.",
            "{number} other requests were in flight or in doubt, so the balance says nothing about"
            " this one.",
            seen.others,
        )
    return say(next(words for fits, words in _readings(left, cost, seen.new_id_count or 0) if fits))


def _readings(left: Decimal, cost: int, new_ids: int) -> tuple[tuple[bool, str], ...]:
    return (
        (
            left < 0,
            translatable(
                "The balance is higher than expected, perhaps after a top-up, so it suggests"
                " nothing."
            ),
        ),
        (
            left == 0 and new_ids > 0,
            translatable(
                "No credit is missing, but the gateway has new message ids, so the balance suggests"
                " nothing."
            ),
        ),
        (left == 0, translatable("No credit is missing, as if nothing was sent.")),
        (
            left == cost,
            translatable(
                "Exactly the cost of this request is missing, as if all of its messages were sent."
            ),
        ),
        (
            left < cost,
            translatable(
                "Less than the cost of this request is missing, as if only some messages were sent."
            ),
        ),
        (
            True,
            translatable(
                "More than the cost of this request is missing: something else was paid from this"
                " account, so the balance suggests little."
            ),
        ),
    )
