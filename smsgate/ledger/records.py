"""What a ledger writes down and tells, as plain values, and the errors that it raises. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from .states import Event, RecipientState

__all__ = [
    "Added",
    "Around",
    "Claim",
    "Decision",
    "Entry",
    "Evidence",
    "Figures",
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
