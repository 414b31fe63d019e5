"""The life of one recipient of a campaign, as a table of transitions. The picture in the documentation is drawn from it.

Rules of this file: no I/O and no clock. Only the operator's word leads from in doubt to a second send; nothing else leads out of
in flight to pending but the proof that nothing was sent (docs: campaigns, "States").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ENTRIES", "FINAL", "OPERATOR_EVENTS", "TRANSITIONS", "Event", "RecipientState", "Transition", "after", "before"]


class RecipientState(StrEnum):
    """Where a recipient stands."""

    SKIPPED = "skipped"
    """Never sent to: the number, a field or the text is no good."""
    PENDING = "pending"
    """Not sent yet."""
    IN_FLIGHT = "in flight"
    """A request with this recipient is about to leave, or under way."""
    ACCEPTED = "accepted"
    """The gateway took the message and gave an id."""
    REFUSED = "refused"
    """The gateway refused this number. Nothing was sent."""
    IN_DOUBT = "in doubt"
    """The request left and no answer tells what became of it. Never sent again by itself."""
    ASSUMED_SENT = "assumed sent"
    """The operator says that it was sent."""
    ABANDONED = "abandoned"
    """The operator gives it up."""


class Event(StrEnum):
    """What moves a recipient."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "proven not sent"
    IN_DOUBT = "in doubt"
    RESEND = "resend"
    ASSUME_SENT = "assume sent"
    GIVE_UP = "give up"
    FOUND = "found"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Transition:
    """One edge: in which state which event leads where, and whether only the operator may bring it about."""

    source: RecipientState
    event: Event
    target: RecipientState
    operator: bool = False
    note: str = ""


_S, _E = RecipientState, Event

ENTRIES: tuple[RecipientState, ...] = (_S.PENDING, _S.SKIPPED)
"""Where a recipient begins."""

TRANSITIONS: tuple[Transition, ...] = (
    Transition(_S.PENDING, _E.CLAIMED, _S.IN_FLIGHT, note="written and synced before the first byte"),
    Transition(_S.IN_FLIGHT, _E.ACCEPTED, _S.ACCEPTED, note="an id stands in its slot"),
    Transition(_S.IN_FLIGHT, _E.REFUSED, _S.REFUSED, note="the gateway's own words"),
    Transition(_S.IN_FLIGHT, _E.NOT_SENT, _S.PENDING, note="no byte left, or the gateway says that it did nothing"),
    Transition(_S.IN_FLIGHT, _E.IN_DOUBT, _S.IN_DOUBT, note="no readable answer, or the process ended"),
    Transition(_S.IN_DOUBT, _E.RESEND, _S.PENDING, operator=True, note="the only way to a second send"),
    Transition(_S.IN_DOUBT, _E.FOUND, _S.ACCEPTED, operator=True, note="with the id that the gateway gave"),
    Transition(_S.IN_DOUBT, _E.ASSUME_SENT, _S.ASSUMED_SENT, operator=True),
    Transition(_S.IN_DOUBT, _E.GIVE_UP, _S.ABANDONED, operator=True),
    Transition(_S.PENDING, _E.CANCEL, _S.ABANDONED, operator=True, note="nothing was sent"),
)

_TARGETS = {(row.source, row.event): row.target for row in TRANSITIONS}
_SOURCES = {row.event: row.source for row in TRANSITIONS}

OPERATOR_EVENTS: tuple[Event, ...] = tuple(row.event for row in TRANSITIONS if row.operator)
"""What only an operator may bring about."""

FINAL: frozenset[RecipientState] = frozenset(RecipientState) - {row.source for row in TRANSITIONS}
"""States that nothing leads out of."""


def after(state: RecipientState, event: Event) -> RecipientState:
    """Return where the event leads. Raises `ValueError` if it cannot happen in this state."""
    target = _TARGETS.get((state, event))
    if target is None:
        raise ValueError(f"event: {event} cannot happen to a recipient that is {state}")
    return target


def before(event: Event) -> RecipientState:
    """Return the one state in which the event can happen."""
    return _SOURCES[event]
