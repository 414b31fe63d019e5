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
from ..protocol.numbers import has_trunk_zero, is_international, wrong_length
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
        if self.longest is None or (
            entry.text is not self.longest.text and _size(entry.text) > _size(self.longest.text)
        ):
            self.longest = Sample(entry.line, entry.number, entry.text)
        # Reservoir sampling: each row has the same chance, however many rows follow.
        self._pending += 1
        place = len(self._drawn)
        if place < self._RANDOM:
            self._drawn.append(Sample(entry.line, entry.number, entry.text))
        elif (place := int(self._random.random() * self._pending)) < self._RANDOM:
            self._drawn[place] = Sample(entry.line, entry.number, entry.text)


def _size(text: Text) -> tuple[int, int]:
    return text.parts, len(text.text or text.wappush or "")


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
    contents = _Contents(template, alike)
    for row in source.rows:
        kept = alike.rules.kept_of(row)
        try:
            number, text = contents.of(row)
        except ValidationError as error:
            entry = Entry(row.line, row.number, reason=_said(error), kept=kept)
        except (MissingField, UnreadableRow) as error:
            entry = Entry(row.line, row.number, reason=str(error), kept=kept)
        else:
            entry = Entry(row.line, number, text, kept=kept)
        yield entry


def _looked_at(entries: Iterator[Entry], preview: Preview) -> Iterator[Entry]:
    for entry in entries:
        preview.look_at(entry)
        yield entry


class _Contents:
    """What the rows of a list say to whom. Equal texts usually follow each other."""

    def __init__(self, template: Template | None, alike: _Alike) -> None:
        self._template = template
        self._alike = alike
        self._written: str | None = None
        self._rewritten: str | None = None
        self._content: tuple[str, str | None] | None = None
        self._text: Text

    def of(self, row: Row) -> tuple[str, Text]:
        """Return the number and the text of a row.

        Raises:
            MissingField, UnreadableRow, ValidationError: nothing can be sent for this row.
        """
        alike = self._alike
        if not row.complaint:
            alike.rules.check(row)
        number = number_in(row, alike.country)
        text = None if self._template is None else self._text_for(_filled(self._template, row))
        content = alike.rules.sender_of(row, alike.sender), text
        # The last content was valid, and such a number is. A message would say the same.
        if content != self._content or alike.country is not None or not is_international(number):
            number = self._checked(number, *content)
        if wrong := wrong_length(number):
            raise UnreadableRow(wrong)
        return number, self._text

    def _text_for(self, written: str) -> str:
        if self._rewritten is None or written != self._written:
            self._written, self._rewritten = written, self._alike.rules.rewriting(written)
        return self._rewritten

    def _checked(self, number: str, sender: str, text: str | None) -> str:
        message = Message(
            sender=sender,
            destinations=number,
            text=text,
            wappush=self._alike.wappush,
            country=self._alike.country,
        )
        if (sender, text) != self._content:
            self._text = _text_of(message, self._alike.language)
            self._content = sender, text
        return message.destinations[0]


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
