"""The interface of a ledger: what a campaign needs from the store of its recipients' outcomes.

Rules of this contract: every method is synchronous and durable when it returns, so no write can be
cancelled half-way. A claim is on the disk before `claim` returns it. `recover` moves recipients in
flight to in doubt, never back to pending. A recipient moves only along an edge of
`states.TRANSITIONS`. `SqliteJournal` is the implementation for one machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ..protocol.answers import DeliveryState
from .records import (
    Added,
    Around,
    Claim,
    Entry,
    Evidence,
    Figures,
    RecipientInDoubt,
    RecipientOutcome,
    RecipientRecord,
    RequestEnd,
    RequestInDoubt,
    Seen,
    TimeSlot,
)
from .states import Event, RecipientState

__all__ = ["Journal"]


class Journal(Protocol):
    """The store in which a campaign records the outcome of each recipient."""

    def add(self, entries: Iterable[Entry], *, name: str, forget_texts: bool) -> Added:
        """Fill a new journal. Either all entries are added or none."""
        ...

    def recover(self) -> int:
        """Move recipients left in flight by the last run to in doubt. Returns their number."""
        ...

    def start_run(self) -> int:
        """Record the start of a run and return the run's number.

        Raises `JournalBusy` while another program reads the file.
        """
        ...

    def end_run(self, run: int, outcome: str) -> None:
        """Record how a run ended."""
        ...

    def claim(self, run: int, most: int, seen: Seen | None = None) -> Claim | None:
        """Move up to `most` pending recipients of one text to in flight, durably.

        Returns None if no recipient is pending. `seen`, the last known balance, is stored with the
        claim.
        """
        ...

    def settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> None:
        """Record the outcome of each recipient of a claim."""
        ...

    def add_evidence(self, request: int, evidence: Evidence) -> None:
        """Store evidence with a request in doubt."""
        ...

    def around(self, request: int, until: float) -> Around:
        """Return the balance before a request, costs since then, and overlapping requests."""
        ...

    def without_evidence(self) -> list[int]:
        """Return requests in doubt without evidence, oldest first: their process was killed."""
        ...

    def now(self) -> float:
        """Return the ledger's current time, in seconds since 1970."""
        ...

    def unrecorded_ids(self, message_ids: Sequence[str]) -> list[str]:
        """Return the message ids among these that no recorded answer contains.

        This is the one method that another thread may call.
        """
        ...

    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, oldest first."""
        ...

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request."""
        ...

    def reply(self, request: int) -> bytes | None:
        """Return the stored raw reply of a request, or None."""
        ...

    def resolve(
        self,
        event: Event,
        *,
        who: str,
        note: str,
        request: int | None,
        line: int | None,
        message_id: str | None,
    ) -> int:
        """Apply the operator's decision to recipients in the event's source state.

        The decision covers one request, one line of the list, or all such recipients. Returns the
        number of recipients changed.
        """
        ...

    def to_ask(self, again: float, most: int) -> list[tuple[int, str]]:
        """Return accepted messages due for a status check, those checked longest ago first.

        A message is due if its status is not final and was not checked in the last `again` seconds.
        """
        ...

    def next_ask(self) -> tuple[int, float]:
        """Return how many statuses are not final, and the seconds since the least recent check."""
        ...

    def set_delivery(self, recipient: int, delivery: DeliveryState) -> None:
        """Record a delivery status."""
        ...

    def note_asked(self, recipient: int) -> None:
        """Record a failed status check, so that other messages are checked first."""
        ...

    def states(self) -> dict[RecipientState, int]:
        """Return how many recipients are in each state."""
        ...

    def figures(self) -> Figures:
        """Return the campaign in figures."""
        ...

    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most `steps` time slots."""
        ...

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield all recipients, in the order of the list."""
        ...

    def purge(self) -> None:
        """Delete numbers, texts and replies, and keep the statistics."""
        ...

    def close(self) -> None:
        """Close the journal."""
        ...
