"""From what was given to what is sent: entries for the journal, and what a campaign will cost before a credit is spent.

Rule of this file: what is wrong with one row becomes a reason to skip it and never stops the others; nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from pydantic import ValidationError

from ..protocol.models import Message
from ..protocol.segments import segments
from .journal import Entry, Figures, Text
from .sources import Row, Source
from .states import RecipientState
from .template import MissingField, Template

__all__ = ["Plan", "entries_of", "plan_of"]


_EXISTS = "+380501234567"
"""A number that can exist, so that only the country can be wrong."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do: to how many, in how many texts and parts, for how many credits, and for how long at least.

    `balance` and `seconds` are None if they are not known.
    """

    figures: Figures
    pending: int
    cost: int
    balance: Decimal | None
    seconds: float | None

    @property
    def enough(self) -> bool | None:
        """Whether the balance pays for it; None if it is not known. Likely, since a part costs about one credit."""
        return None if self.balance is None else self.balance >= self.cost


def plan_of(figures: Figures, *, balance: Decimal | None, rate: float | None) -> Plan:
    """Return what a run will do."""
    pending = figures.count(RecipientState.PENDING)
    return Plan(figures, pending, figures.cost(RecipientState.PENDING), balance, None if rate is None else pending / rate)


def entries_of(
    source: Source, *, sender: str, text: str | None, wappush: str | None, country: str | None = None
) -> Iterator[Entry]:
    """Yield an entry for each recipient. Raises `ValueError` before the first for what is wrong with all of them."""
    _check_all(sender, wappush, text, country)
    template = None if text is None else Template.of(text)
    if template is not None:
        template.check(source.columns)
    return _entries(source, template, _Alike(sender, wappush, country))


@dataclass(frozen=True, slots=True)
class _Alike:
    """What is the same for all."""

    sender: str
    wappush: str | None
    country: str | None


def _check_all(sender: str, wappush: str | None, text: str | None, country: str | None) -> None:
    """Find what would be wrong with every single message."""
    if not sender:
        raise ValueError("sender: a campaign needs one, a signature or a number")
    try:
        Message(sender=sender, destinations="+380000000000", text="-" if text is not None else None, wappush=wappush)
        if country is not None:
            Message(destinations=_EXISTS, text="-", country=country)
    except ValidationError as error:
        raise ValueError(_said(error)) from None


def _entries(source: Source, template: Template | None, alike: _Alike) -> Iterator[Entry]:
    known: dict[str | None, Text] = {}
    for row in source.rows:
        try:
            message = _message(row, template, alike)
        except MissingField as error:
            yield Entry(row.line, row.number, reason=str(error))
        except ValidationError as error:
            yield Entry(row.line, row.number, reason=_said(error))
        except _UnreadableRow as error:
            yield Entry(row.line, row.number, reason=str(error))
        else:
            if message.text not in known:
                # Texts of one kind come one after the other or all differ, so one is enough to remember.
                known = {message.text: _text_of(message)}
            yield Entry(row.line, message.destinations[0], known[message.text])


class _UnreadableRow(ValueError):
    pass


def _message(row: Row, template: Template | None, alike: _Alike) -> Message:
    if row.complaint:
        raise _UnreadableRow(row.complaint)
    if not row.number:
        raise _UnreadableRow("no number")
    if "," in row.number:
        raise _UnreadableRow("more than one number in one cell")
    text = None if template is None else template.fill(row.values)
    return Message(sender=alike.sender, destinations=row.number, text=text, wappush=alike.wappush, country=alike.country)


def _text_of(message: Message) -> Text:
    sender = message.sender or ""
    if message.text is None:
        return Text(sender, None, message.wappush)
    counted = segments(message.text)
    return Text(sender, message.text, message.wappush, counted.parts, counted.alphabet, "".join(counted.forced_by)[:100])


def _said(error: ValidationError) -> str:
    """Return what is wrong, without places that make no sense for one recipient and without the value."""
    rows = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(row["msg"].removeprefix("destination 1 ").removeprefix("is ") for row in rows)
