"""The states of a recipient in a campaign or an outbox, as a table of transitions.

Rules of this file: no I/O and no clock. Only an operator's decision moves a recipient in doubt back
to pending. A late answer to the same request moves it to accepted or refused. A recipient in flight
returns to pending only with proof that nothing was sent (docs: campaigns, "States", whose diagram
is drawn from this table).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ENTRIES",
    "FINAL",
    "LATE",
    "OPERATOR_EVENTS",
    "TRANSITIONS",
    "Event",
    "RecipientState",
    "Transition",
    "after",
    "before",
]


class RecipientState(StrEnum):
    """The state of a recipient."""

    SKIPPED = "skipped"
    """Never sent to: the number, a field or the text is invalid, or its time was up."""
    PENDING = "pending"
    """Not sent yet."""
    IN_FLIGHT = "in flight"
    """A request with this recipient is about to leave or in flight."""
    ACCEPTED = "accepted"
    """The gateway took the message and gave an id."""
    REFUSED = "refused"
    """The gateway refused this recipient. Nothing was sent."""
    IN_DOUBT = "in doubt"
    """The request went out and no readable answer came back. Never sent again automatically."""
    ASSUMED_SENT = "assumed sent"
    """The operator decided to count the message as sent."""
    ABANDONED = "abandoned"
    """An operator gave this recipient up or cancelled it, or the number is on the stop list."""


class Event(StrEnum):
    """An event that moves a recipient to another state."""

    CLAIMED = "claimed"
    EXPIRED = "expired"
    LISTED = "on the stop list"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "proven not sent"
    IN_DOUBT = "in doubt"
    FAILED_OVER = "failed over"
    ACCEPTED_LATE = "accepted late"
    REFUSED_LATE = "refused late"
    RESEND = "resend"
    ASSUME_SENT = "assume sent"
    GIVE_UP = "give up"
    FOUND = "found"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Transition:
    """One edge of the table: source state, event, target state.

    `operator` is True if only an operator may trigger the event.
    """

    source: RecipientState
    event: Event
    target: RecipientState
    operator: bool = False
    note: str = ""


_S, _E = RecipientState, Event

ENTRIES: tuple[RecipientState, ...] = (_S.PENDING, _S.SKIPPED)
"""The states in which a recipient starts."""

TRANSITIONS: tuple[Transition, ...] = (
    Transition(
        _S.PENDING, _E.CLAIMED, _S.IN_FLIGHT, note="written and synced before the first byte"
    ),
    Transition(_S.PENDING, _E.EXPIRED, _S.SKIPPED, note="its time was up before it was sent"),
    Transition(
        _S.PENDING,
        _E.LISTED,
        _S.ABANDONED,
        note="the stop list is read again when a request is about to leave",
    ),
    Transition(
        _S.PENDING,
        _E.FAILED_OVER,
        _S.IN_DOUBT,
        note="a standby took over, and the record of a send may be lost",
    ),
    Transition(_S.IN_FLIGHT, _E.ACCEPTED, _S.ACCEPTED, note="its slot holds a message id"),
    Transition(_S.IN_FLIGHT, _E.REFUSED, _S.REFUSED, note="the gateway's own words"),
    Transition(
        _S.IN_FLIGHT,
        _E.NOT_SENT,
        _S.PENDING,
        note="no byte of the request went out, or the gateway did not process it",
    ),
    Transition(
        _S.IN_FLIGHT, _E.IN_DOUBT, _S.IN_DOUBT, note="no readable answer, or the process ended"
    ),
    Transition(_S.IN_DOUBT, _E.ACCEPTED_LATE, _S.ACCEPTED, note="a late answer to this request"),
    Transition(_S.IN_DOUBT, _E.REFUSED_LATE, _S.REFUSED, note="a late answer to this request"),
    Transition(_S.IN_DOUBT, _E.RESEND, _S.PENDING, operator=True, note="only this sends again"),
    Transition(
        _S.IN_DOUBT, _E.FOUND, _S.ACCEPTED, operator=True, note="with the id that the gateway gave"
    ),
    Transition(_S.IN_DOUBT, _E.ASSUME_SENT, _S.ASSUMED_SENT, operator=True),
    Transition(_S.IN_DOUBT, _E.GIVE_UP, _S.ABANDONED, operator=True),
    Transition(_S.PENDING, _E.CANCEL, _S.ABANDONED, operator=True, note="nothing was sent"),
)

_TARGETS = {(row.source, row.event): row.target for row in TRANSITIONS}
_SOURCES = {row.event: row.source for row in TRANSITIONS}

LATE: dict[Event, Event] = {_E.ACCEPTED: _E.ACCEPTED_LATE, _E.REFUSED: _E.REFUSED_LATE}
"""The event of an answer that comes when the recipient is already in doubt."""

OPERATOR_EVENTS: tuple[Event, ...] = tuple(row.event for row in TRANSITIONS if row.operator)
"""Events that only an operator may trigger."""

FINAL: frozenset[RecipientState] = frozenset(RecipientState) - {row.source for row in TRANSITIONS}
"""States without an outgoing transition."""


def after(state: RecipientState, event: Event) -> RecipientState:
    """Return the target state. Raises `ValueError` if the event cannot happen in this state."""
    target = _TARGETS.get((state, event))
    if target is None:
        raise ValueError(f"event: {event} cannot happen to a recipient that is {state}")
    return target


def before(event: Event) -> RecipientState:
    """Return the one state in which the event can happen."""
    return _SOURCES[event]
