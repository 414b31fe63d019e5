"""The contract of a ledger: what a campaign needs of the place where it writes down what became of everybody.

Rules of this contract: every method is synchronous and durable when it returns, so that nothing can be cancelled half-way; a
claim is on the disk before it is returned; `recover` puts in doubt what was in flight, never back to pending; and each recipient
moves only along an edge of `states.TRANSITIONS`. `SqliteJournal` is the one that is here; several machines could share another.
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
    """Where a campaign writes down what became of everybody."""

    def add(self, entries: Iterable[Entry], *, name: str, forget_texts: bool) -> Added:
        """Fill a new journal, all or nothing."""
        ...

    def recover(self) -> int:
        """Put in doubt whoever was in flight when the last run ended. Returns how many."""
        ...

    def start_run(self) -> int:
        """Note that a run begins and return its number. Raises `JournalBusy` while another program is in the way."""
        ...

    def end_run(self, run: int, outcome: str) -> None:
        """Note how a run ended."""
        ...

    def claim(self, run: int, most: int, seen: Seen | None = None) -> Claim | None:
        """Put up to `most` pending recipients of one text in flight, on the disk. None if none is pending.

        `seen` is the last balance that was seen; it is kept with the claim.
        """
        ...

    def settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> None:
        """Write what became of each recipient of a claim."""
        ...

    def add_evidence(self, request: int, evidence: Evidence) -> None:
        """Keep evidence with a request in doubt."""
        ...

    def around(self, request: int, until: float) -> Around:
        """Return what is known around a request, until this moment."""
        ...

    def without_evidence(self) -> list[int]:
        """Return requests with recipients in doubt and no evidence, oldest first: the process ended before it could look."""
        ...

    def now(self) -> float:
        """Return the time by which everything is written down, in seconds since 1970."""
        ...

    def unrecorded_ids(self, message_ids: Sequence[str]) -> list[str]:
        """Return those of these message ids that no answer has told. The one method that another thread may call."""
        ...

    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, oldest first."""
        ...

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request."""
        ...

    def reply(self, request: int) -> bytes | None:
        """Return the raw reply of a request, as far as it was kept."""
        ...

    def resolve(self, event: Event, *, who: str, note: str, request: int | None, line: int | None, message_id: str | None) -> int:
        """Do as the operator says, with whoever is where the event can happen: of one request, of one line, or with all.

        Returns how many it were.
        """
        ...

    def to_ask(self, again: float, most: int) -> list[tuple[int, str]]:
        """Return accepted messages without a final status not asked for in the last `again` seconds, longest ago first."""
        ...

    def next_ask(self) -> tuple[int, float]:
        """Return how many statuses are not final, and for how many seconds the longest was not asked for."""
        ...

    def set_delivery(self, recipient: int, delivery: DeliveryState) -> None:
        """Write a delivery status."""
        ...

    def note_asked(self, recipient: int) -> None:
        """Note that a status was asked for in vain, so that the others come first."""
        ...

    def states(self) -> dict[RecipientState, int]:
        """Return how many recipients are in each state."""
        ...

    def figures(self) -> Figures:
        """Return the campaign in figures."""
        ...

    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most so many steps."""
        ...

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield everybody, in the order of the file."""
        ...

    def purge(self) -> None:
        """Forget who it was and what was said, and keep the figures."""
        ...

    def close(self) -> None:
        """Let go of the journal."""
        ...
