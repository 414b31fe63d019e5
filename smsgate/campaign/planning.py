"""Turns a list into entries for the journal, and computes the cost of a campaign beforehand.

Rule of this file: an error in one row becomes a reason to skip this row, and never stops the
others. Nothing is sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from pydantic import ValidationError

from ..ledger.records import Entry, Figures, Sample, Text
from ..ledger.states import RecipientState
from ..privacy import mask_numbers
from ..protocol.models import Message
from ..protocol.numbers import has_trunk_zero, wrong_length
from ..protocol.rewriting import savings_of
from ..protocol.segments import segments
from ..protocol.transliteration import Language, language_of
from .costs import Costs
from .given_numbers import UnreadableRow, number_in
from .row_options import RowOptions, RowRules, rules_of
from .sources import Row, Source
from .stopping import LeavingOut
from .template import MissingField, Template
from .wording import complaints

__all__ = ["REQUEST_SECONDS", "Plan", "Preview", "entries_of", "plan_of"]


_EXISTS = "+380501234567"
"""A valid number, for checks of everything but the number."""


REQUEST_SECONDS = 0.15
"""The seconds that a request probably takes, for an estimate; `smsgate doctor` measures it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: recipients, texts, parts, cost and shortest duration.

    `pending` is the number of recipients to send to, and `cost` is in credits. `balance` (in
    credits) and `seconds` (that the rate allows) are None if they are not known. `requests` is the
    least number of requests, because recipients with different texts need different ones, and
    `gateway_seconds` the time that a gateway needs for them if it takes `REQUEST_SECONDS` for each.
    `costs` says what the pending recipients cost by country, and in money if there are prices.
    """

    figures: Figures
    pending: int
    cost: int
    balance: Decimal | None
    seconds: float | None
    requests: int
    gateway_seconds: float
    costs: Costs

    @property
    def gateway_limits(self) -> bool:
        """Whether the gateway probably limits the run, and not the rate."""
        return self.gateway_seconds > (self.seconds or 0)

    @property
    def enough(self) -> bool | None:
        """Whether the balance probably covers the cost; None if the balance is not known.

        The cost is an estimate: one credit per part.
        """
        return None if self.balance is None else self.balance >= self.cost


class Preview:
    """Texts and numbers to check before a campaign runs.

    It holds the longest text, a few random ones, and numbers that look wrong, and is filled while
    the list is read.

    Args:
        on_progress: called every thousand rows with the number of rows read so far.
        random: the source of randomness, for tests.
    """

    _RANDOM = 3
    _EVERY = 1_000
    _LINES = 5

    def __init__(
        self, on_progress: Callable[[int], None] | None = None, *, random: Random | None = None
    ) -> None:
        self.longest: Sample | None = None
        self.doubtful: int = 0
        """How many numbers have a 0 after the calling code. These recipients are not skipped."""
        self.doubtful_lines: list[int] = []
        """The first lines with such a number."""
        self._drawn: list[Sample] = []
        self._on_progress = on_progress
        self._random = random or Random()  # noqa: S311 - a sample, not a secret
        self._read = self._pending = 0

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The longest text first, then random ones in the order of the list; each text once."""
        found: dict[Text, Sample] = {}
        for sample in ([self.longest] if self.longest else []) + sorted(
            self._drawn, key=lambda one: one.line
        ):
            found.setdefault(sample.text, sample)
        return tuple(found.values())

    def look_at(self, entry: Entry) -> None:
        """Add an entry."""
        self._read += 1
        if self._on_progress and self._read % self._EVERY == 0:
            self._on_progress(self._read)
        if entry.text is None:
            return
        if has_trunk_zero(entry.number):
            self.doubtful += 1
            if len(self.doubtful_lines) < self._LINES:
                self.doubtful_lines.append(entry.line)
        sample = Sample(entry.line, entry.number, entry.text)
        if self.longest is None or _size(sample) > _size(self.longest):
            self.longest = sample
        # Reservoir sampling: each row has the same chance, however many rows follow.
        self._pending += 1
        if len(self._drawn) < self._RANDOM:
            self._drawn.append(sample)
        elif (place := self._random.randrange(self._pending)) < self._RANDOM:
            self._drawn[place] = sample


def _size(sample: Sample) -> tuple[int, int]:
    return sample.text.parts, len(sample.text.text or sample.text.wappush or "")


def plan_of(
    figures: Figures,
    costs: Costs,
    *,
    balance: Decimal | None,
    rate: float | None,
    batch: int,
    concurrency: int,
) -> Plan:
    """Return what a run would do."""
    pending = figures.count(RecipientState.PENDING)
    requests = max(math.ceil(pending / batch), min(figures.texts, pending))
    return Plan(
        figures,
        pending,
        figures.cost(RecipientState.PENDING),
        balance,
        None if rate is None else pending / rate,
        requests,
        requests * REQUEST_SECONDS / concurrency,
        costs,
    )


def entries_of(
    source: Source,
    *,
    sender: str | None,
    text: str | None,
    wappush: str | None,
    country: str | None = None,
    preview: Preview | None = None,
    options: RowOptions | None = None,
    left_out: LeavingOut | None = None,
) -> Iterator[Entry]:
    """Yield an entry for each recipient. `left_out` leaves some out, with the reason.

    Raises `ValueError` before the first entry if an argument is wrong for all recipients.
    """
    rules = rules_of(options or {}, source)
    if rules.sender_column is None or sender is not None:
        _check_all(sender or "", wappush, text, country)
    else:
        _check_all("-", wappush, text, country)
    template = None if text is None else Template.of(text)
    if template is not None:
        for name in template.fields:
            if name in source.repeated:
                known = mask_numbers(name)
                raise ValueError(
                    f"text: several columns are named {known}, so the field {{{known}}} is"
                    " ambiguous; rename the columns"
                )
        template.check(source.columns)
    alike = _Alike(sender, wappush, country, rules, language_of(text or ""))
    entries = _entries(source, template, alike)
    return _looked_at(entries if left_out is None else left_out(entries), preview or Preview())


@dataclass(frozen=True, slots=True)
class _Alike:
    """The arguments that are the same for all recipients."""

    sender: str | None
    wappush: str | None
    country: str | None
    rules: RowRules
    language: Language
    """The table of a transliteration that could save parts."""


def _check_all(sender: str, wappush: str | None, text: str | None, country: str | None) -> None:
    """Raise `ValueError` for an argument that would make every message invalid."""
    if not sender:
        raise ValueError("sender: must be given: an approved name or a phone number")
    try:
        Message(
            sender=sender,
            destinations=_EXISTS,
            text="-" if text is not None else None,
            wappush=wappush,
        )
        if country is not None:
            Message(destinations=_EXISTS, text="-", country=country)
    except ValidationError as error:
        raise ValueError(_said(error)) from None


def _entries(source: Source, template: Template | None, alike: _Alike) -> Iterator[Entry]:
    known: dict[tuple[str | None, str | None], Text] = {}
    for row in source.rows:
        kept = alike.rules.kept_of(row)
        try:
            message = _message(row, template, alike)
        except ValidationError as error:
            entry = Entry(row.line, row.number, reason=_said(error), kept=kept)
        except (MissingField, UnreadableRow) as error:
            entry = Entry(row.line, row.number, reason=str(error), kept=kept)
        else:
            content = message.sender, message.text
            if content not in known:
                # Equal texts usually follow each other, so remember the last one only.
                known = {content: _text_of(message, alike.language)}
            entry = Entry(row.line, message.destinations[0], known[content], kept=kept)
        yield entry


def _looked_at(entries: Iterator[Entry], preview: Preview) -> Iterator[Entry]:
    for entry in entries:
        preview.look_at(entry)
        yield entry


def _message(row: Row, template: Template | None, alike: _Alike) -> Message:
    if not row.complaint:
        alike.rules.check(row)
    number = number_in(row, alike.country)
    text = None if template is None else alike.rules.rewriting(_filled(template, row))
    message = Message(
        sender=alike.rules.sender_of(row, alike.sender),
        destinations=number,
        text=text,
        wappush=alike.wappush,
        country=alike.country,
    )
    if wrong := wrong_length(message.destinations[0]):
        raise UnreadableRow(wrong)
    return message


def _filled(template: Template, row: Row) -> str:
    for name in template.fields if row.faults else ():
        if name in row.faults:
            raise UnreadableRow(f"column {mask_numbers(name)}: {row.faults[name]}")
    return template.fill(row.values)


def _text_of(message: Message, language: Language) -> Text:
    sender = message.sender or ""
    if message.text is None:
        return Text(sender, None, message.wappush)
    counted = segments(message.text)
    return Text(
        sender,
        message.text,
        message.wappush,
        counted.parts,
        counted.alphabet,
        "".join(counted.forced_by)[:100],
        savings_of(message.text, counted, language) if counted.parts > 1 else None,
    )


def _said(error: ValidationError) -> str:
    """Return what is wrong, without positions, which make no sense for one recipient."""
    return "; ".join(
        said.removeprefix("destination 1 ").removeprefix("is ") for said in complaints(error)
    )
