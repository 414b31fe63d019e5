"""The contract of a journal: what a campaign needs of the place where it writes down what became of everybody.

Rules of this contract: every method is synchronous and durable when it returns, so that nothing can be cancelled half-way; a
claim is on the disk before it is returned; `recover` puts in doubt what was in flight, never pending; and each recipient moves
only along an edge of `states.TRANSITIONS`. `SqliteJournal` is the one that is here; several machines could share another kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from ..protocol.answers import DeliveryState
from .states import Event, RecipientState

__all__ = [
    "Added",
    "Around",
    "Claim",
    "Decision",
    "Entry",
    "Evidence",
    "Figures",
    "Journal",
    "JournalBusy",
    "JournalError",
    "JournalInUse",
    "JournalLost",
    "RecipientInDoubt",
    "RecipientOutcome",
    "RecipientRecord",
    "RequestEnd",
    "RequestInDoubt",
    "Seen",
    "Text",
    "TimeSlot",
]


class JournalError(Exception):
    """The file of a campaign cannot be used: it is none, of a newer version, incomplete, damaged, or in use by another run."""


class JournalInUse(JournalError):
    """Another run has the lock of the campaign."""


class JournalBusy(JournalError):
    """Another program reads the file, and a run cannot begin before that has ended."""


class JournalLost(JournalError):
    """The journal failed while a run was using it, so it does not say what became of everybody. Nothing more was sent."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is sent: the sender, a text or a WAP push, and how many parts it takes."""

    sender: str
    text: str | None = field(repr=False)
    wappush: str | None = field(repr=False)
    parts: int = 1
    alphabet: str = ""
    forced_by: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient to be added: with a text, or with the reason why it is skipped."""

    line: int
    number: str = field(repr=False)
    text: Text | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """How many recipients were added, and how many skipped for which reason."""

    pending: int
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """Recipients of one request that is about to leave: their keys and numbers, in order, and what is sent.

    `alone` is how often they were refused together with others, or by a gateway that failed; then it is one recipient.
    """

    request: int
    text: Text
    alone: int
    recipients: tuple[tuple[int, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """What became of one recipient of a claim. `alone` asks that it is tried again without others."""

    recipient: int
    event: Event
    message_id: str | None = None
    reason: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class RequestEnd:
    """What became of a request: why it is in doubt or was refused, the HTTP status, and the raw reply, if it was unreadable."""

    reason: str | None = None
    status: int | None = None
    reply: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen around a request in doubt. It is evidence, not proof, and never decides by itself.

    `before` is the balance at `before_at`, `spent` what accepted messages cost between then and the loss, `after` the balance at
    `after_at`. `others` is how many other requests were under way. `new_ids` are message ids that the gateway lists and no
    answer has told, 1,000 at most of `new_id_count`. `reply_ids` are those that stood in the reply itself.
    """

    before: Decimal | None = None
    before_at: float | None = None
    spent: int = 0
    after: Decimal | None = None
    after_at: float | None = None
    others: int = 0
    new_ids: tuple[str, ...] = ()
    new_id_count: int | None = None
    reply_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A balance in credits, and when it was seen."""

    balance: Decimal
    at: float


@dataclass(frozen=True, slots=True)
class Around:
    """What is known around one request: the balance seen before it left, what was spent since, and how many others overlapped."""

    seen: Seen | None
    spent: int
    others: int


@dataclass(frozen=True, slots=True)
class RequestInDoubt:
    """One request with recipients in doubt. Times are seconds since 1970; `cost` is in credits, for those that are in doubt."""

    id: int
    claimed_at: float
    settled_at: float | None
    size: int
    in_doubt: int
    cost: int
    reason: str
    status: int | None
    reply_size: int
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class RecipientInDoubt:
    """One recipient in doubt."""

    line: int
    number: str = field(repr=False)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator has said: of one request, of one line of the list, or of all."""

    at: float
    who: str
    event: Event
    note: str
    request: int | None
    line: int | None
    recipients: int


@dataclass(frozen=True, slots=True)
class TimeSlot:
    """How many recipients got their outcome within one step of time, which begins `start` seconds since 1970."""

    start: float
    accepted: int
    refused: int
    in_doubt: int


@dataclass(frozen=True, slots=True)
class RecipientRecord:
    """One recipient as it stands."""

    line: int
    number: str | None = field(repr=False)
    state: RecipientState
    reason: str | None
    message_id: str | None
    delivery: str | None
    request: int | None
    attempts: int
    sender: str | None
    parts: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """A campaign in figures. Costs are in credits, one for each part of each recipient."""

    name: str
    created_at: float
    purged: bool
    states: Mapping[RecipientState, int]
    skipped: Mapping[str, int]
    refused: Mapping[str, int]
    in_doubt: Mapping[str, int]
    deliveries: Mapping[str, int]
    """Accepted recipients by delivery status; "" for those that were never asked for."""
    parts: Mapping[int, int]
    """How many recipients that are not skipped have a text of so many parts."""
    ucs2: int
    """How many of them have a text in UCS-2."""
    texts: int
    forced_by: str
    """The characters that forced texts into UCS-2, the most frequent first."""
    costs: Mapping[RecipientState, int]
    """What the recipients in each state cost, if they were sent to."""
    example: Text | None
    decisions: tuple[Decision, ...]
    runs: int
    requests: int
    first_claim: float | None
    last_answer: float | None
    last_outcome: str | None
    example_number: str | None = field(default=None, repr=False)
    """The number of a recipient of the example; None if it is not known any more."""

    @property
    def recipients(self) -> int:
        """All that were given, those that are skipped too."""
        return sum(self.states.values())

    def count(self, *states: RecipientState) -> int:
        """How many recipients are in these states."""
        return sum(self.states.get(state, 0) for state in states)

    def cost(self, *states: RecipientState) -> int:
        """What the recipients in these states cost, if they were sent to."""
        return sum(self.costs.get(state, 0) for state in states)


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
