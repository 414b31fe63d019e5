"""Checks of what a caller gives to a journal, for both ledgers of campaigns. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .records import Claim, Lines, RecipientOutcome
from .states import OPERATOR_EVENTS, TRANSITIONS, Event, RecipientState

__all__ = [
    "OUTCOMES",
    "check_decision",
    "check_id_of_one",
    "check_lines",
    "check_new_id",
    "check_outcomes",
    "check_place",
    "checked_person",
    "decided",
    "lines_of",
    "on_server",
]

OUTCOMES = frozenset(row.event for row in TRANSITIONS if row.source is RecipientState.IN_FLIGHT)
"""The events that end a request for a recipient."""


def on_server(place: str) -> bool:
    """Return whether a place is an address of PostgreSQL, and not the path of a file."""
    return place.startswith(("postgresql://", "postgres://"))


def check_place(name: str, place: str) -> None:
    """Raise `ValueError` if a place is an address, but not one of PostgreSQL. It is not shown."""
    if "://" in place and not on_server(place):
        raise ValueError(
            f"{name}: must be a path, or a postgresql:// URL (from a URL for SQLAlchemy, remove the"
            " driver)"
        )


def check_outcomes(claim: Claim, outcomes: Sequence[RecipientOutcome]) -> None:
    """Raise `ValueError` if these are not the outcomes of all recipients of the claim."""
    if sorted(outcome.recipient for outcome in outcomes) != sorted(
        key for key, _ in claim.recipients
    ):
        raise ValueError("outcomes: one for each recipient of the claim")
    if foreign := {outcome.event for outcome in outcomes} - OUTCOMES:
        raise ValueError(f"outcomes: {min(foreign)} is not an outcome of a request")


def check_decision(event: Event) -> None:
    """Raise `ValueError` if an operator cannot decide this."""
    if event not in OPERATOR_EVENTS:
        raise ValueError(f"event: one of {', '.join(OPERATOR_EVENTS)}")


def check_new_id(owners: Sequence[tuple[int]]) -> None:
    """Raise `ValueError` if an operator's message id belongs to the recipient of a line already."""
    for (line,) in owners:
        raise ValueError(
            f"message_id: line {line} has this id already; an id belongs to one recipient"
        )


def check_id_of_one(message_id: str | None, recipients: int) -> None:
    """Raise `ValueError` if an operator's decision gives one message id to several recipients."""
    if message_id is not None and recipients > 1:
        raise ValueError("message_id: an id belongs to one recipient; give the recipient's line")


def checked_person(who: str) -> str:
    """Return the name of an operator. Raises `ValueError` if it is blank."""
    if not who.strip():
        raise ValueError("who: must not be blank; give the name of the operator, for the record")
    return who.strip()


def check_lines(line: Lines) -> None:
    """Raise `ValueError` if this is neither a line nor a range of lines."""
    if line is None:
        return
    first, last = line if isinstance(line, tuple) else (line, line)
    if not (type(first) is type(last) is int and 1 <= first <= last):
        raise ValueError("line: must be a line from 1, or a first and a last line such as (2, 500)")


def lines_of(line: Lines) -> dict[str, int | None]:
    """Return the first and the last line of a decision, for a statement."""
    first, last = line if isinstance(line, tuple) else (line, line)
    return {"first_line": first, "last_line": last}


def decided(event: Event, who: str, note: str, request: int | None, line: Lines) -> dict[str, Any]:
    """Return the record of a decision. A range of lines stands in its note."""
    if isinstance(line, tuple):
        note = f"lines {line[0]} to {line[1]}" + (f": {note}" if note else "")
        line = None
    return {"who": who, "event": event, "note": note, "request": request, "line": line}
