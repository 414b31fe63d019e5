"""The interface of a ledger: what a campaign needs from the store of its recipients' outcomes.

Rules of this contract: every method is synchronous and durable when it returns, so no write can be
cancelled half-way. A claim is on the disk before `claim` returns it. `sweep` moves recipients in
flight to in doubt, never back to pending. A recipient moves only along an edge of
`states.TRANSITIONS`. `SqliteJournal` is the implementation for one run at a time on one machine,
`PostgresJournal` for any number of runs on several machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

from ..protocol.answers import DeliveryState
from .records import (
    Around,
    Claim,
    Evidence,
    Figures,
    Lines,
    NumberGroup,
    RecipientInDoubt,
    RecipientOutcome,
    RecipientRecord,
    RequestEnd,
    RequestInDoubt,
    Sample,
    Seen,
    TimeSlot,
)
from .states import Event, RecipientState
from .stop_numbers import Stops

__all__ = ["Journal", "SharedJournal", "shared"]


class Journal(Protocol):
    """The store in which a campaign records the outcome of each recipient."""

    shared: bool
    """Other runs may work on the campaign, too. Calls may wait for a network: use a thread."""

    def sweep(self) -> int:
        """Move recipients in flight whose run is gone to in doubt. Returns their number.

        A run is gone if it was killed, or, in a shared journal, if the lease of its claim passed.
        """
        ...

    def start_run(self) -> int:
        """Record the start of a run and return the run's number.

        Raises `JournalBusy` while another program reads the file, or `CampaignPaused`.
        """
        ...

    def end_run(self, run: int, outcome: str) -> None:
        """Record how a run ended."""
        ...

    def claim(
        self,
        run: int,
        most: int,
        seen: Seen | None = None,
        *,
        lease: float = ...,
        stops: Stops | None = ...,
    ) -> Claim | None:
        """Move up to `most` pending recipients of one text to in flight, durably.

        In the same transaction, recipients on one of the lists of `stops`, or on the stop list of
        the journal's own database, are abandoned and counted in `stops`.

        Returns None if no recipient can be claimed now; if some were stopped, others may be left.
        `seen`, the last known balance, is stored
        with the claim. A shared journal gives the claim `lease` seconds. Raises `CampaignPaused`.
        """
        ...

    def stop_lists(self) -> tuple[str, ...]:
        """Return the stop lists of the campaign, besides that of its own database."""
        ...

    def add_stop_list(self, place: str) -> None:
        """Let the campaign honour one more stop list from now on."""
        ...

    def remove_stop_list(self, place: str) -> None:
        """Let the campaign forget a stop list. Raises `ValueError` if it has no such list."""
        ...

    def sending_window(self) -> str:
        """Return the stored text of when the campaign may send, "" if nothing is stored."""
        ...

    def change_sending_window(self, change: Callable[[str], str]) -> None:
        """Store what `change` returns for the stored text. Nobody else changes it meanwhile."""
        ...

    def planned_numbers(self) -> str:
        """Return the text that `Listing.number_groups` returned, "" if nothing is stored."""
        ...

    def pending_numbers(self) -> list[NumberGroup]:
        """Count the pending recipients by how their numbers begin. Reads all recipients."""
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

        This is the one method that any thread may call, also if the journal is not shared.
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
        line: Lines,
        message_id: str | None,
    ) -> int:
        """Apply the operator's decision to recipients in the event's source state.

        The decision covers one request, one line of the list or a range of them, or all such
        recipients. Returns the number of recipients changed.
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

    def figures(self, *, on_progress: Callable[[float], None] | None = None) -> Figures:
        """Return the campaign in figures. `on_progress` gets the part that is done, from 0 to 1."""
        ...

    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most `steps` time slots."""
        ...

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield all recipients, in the order of the list."""
        ...

    def kept_columns(self) -> tuple[str, ...]:
        """Return the columns of the list that the campaign has kept."""
        ...

    def samples(self, most: int, line: int | None) -> list[Sample]:
        """Return up to `most` recipients with their texts, in the order of the list.

        They are spread over the campaign. With `line`, only the recipient on this line.
        """
        ...

    def purge(self) -> None:
        """Delete numbers, texts and replies, and keep the statistics."""
        ...

    def close(self) -> None:
        """Close the journal."""
        ...


class SharedJournal(Journal, Protocol):
    """A journal on which several machines work at the same time."""

    def start(self) -> bool:
        """Let a new or paused campaign send. Returns False if it was running already."""
        ...

    def pause(self, why: str) -> None:
        """Let no machine claim anything more. Requests in flight end."""
        ...

    def paused(self) -> str | None:
        """Return why the campaign is paused, None if it is not."""
        ...

    def set_rate(self, rate: float | None) -> None:
        """Set the most recipients per second, of all machines together. None means no limit."""
        ...

    def rate(self) -> float | None:
        """Return the most recipients per second, None without a limit."""
        ...

    def reserve(self, most: int) -> tuple[int, float]:
        """Reserve time for the next request within the rate of all machines.

        Returns how many recipients it may have, and the seconds to wait before it.
        """
        ...

    def take_slot(self, account: int, most: int) -> object | None:
        """Take one of the `most` slots of an account, of which each request in flight needs one.

        Returns None if other requests have them all. A slot is free again when it is freed, the
        journal is closed or the machine dies.
        """
        ...

    def free_slot(self, slot: object) -> None:
        """Free a slot that `take_slot` returned."""
        ...


def shared(journal: Journal) -> SharedJournal | None:
    """Return the journal if several machines may work on it, None if not."""
    return cast("SharedJournal", journal) if journal.shared else None
