"""The values that a ledger stores and returns, and the errors that it raises. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ..protocol.rewriting import Savings
from .states import Event, RecipientState

__all__ = [
    "PLAIN_LIST",
    "Added",
    "Around",
    "CampaignPaused",
    "Claim",
    "Decision",
    "Entry",
    "Evidence",
    "Figures",
    "JournalBusy",
    "JournalError",
    "JournalInUse",
    "JournalLost",
    "LedgerError",
    "Lines",
    "Listing",
    "NumberGroup",
    "RecipientInDoubt",
    "RecipientOutcome",
    "RecipientRecord",
    "RequestEnd",
    "RequestInDoubt",
    "Sample",
    "Seen",
    "StopListError",
    "Text",
    "TimeSlot",
]

Lines: TypeAlias = int | tuple[int, int] | None
"""Which lines of the list a decision concerns: one, those from a first to a last one, or all."""


class LedgerError(Exception):
    """The database of a campaign or an outbox cannot be used. The message says what to do."""


class JournalError(LedgerError):
    """The campaign file cannot be used.

    It is not a campaign, is of a newer version, incomplete or damaged, or is in use by another run.
    """


class JournalInUse(JournalError):
    """Another run holds the campaign's lock."""


class JournalBusy(JournalError):
    """Another program reads the file, and a run cannot begin until that program has finished."""


class StopListError(LedgerError):
    """The stop list cannot be used. The message names it. Nothing is sent without it."""


class CampaignPaused(JournalError):
    """The campaign is paused for all machines. The message says why, and since what."""


class JournalLost(JournalError):
    """The journal failed during a run, so some outcomes are not recorded. Nothing more was sent."""


@dataclass(frozen=True, slots=True)
class Text:
    """The content of a message: the sender, a text or a WAP push, and its number of parts.

    `savings` says what rewriting the text would save, while a list is read; it is not stored.
    """

    sender: str
    text: str | None = field(repr=False)
    wappush: str | None = field(repr=False)
    parts: int = 1
    alphabet: str = ""
    forced_by: str = field(default="", repr=False)
    savings: Savings | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One recipient and its text, to be checked before anything is sent."""

    line: int
    number: str = field(repr=False)
    text: Text


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient to be added: with a text, or with the reason for skipping the recipient."""

    line: int
    number: str = field(repr=False)
    text: Text | None = None
    reason: str = ""
    kept: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class NumberGroup:
    """How many recipients have numbers that begin alike, and texts of as many parts.

    `beginning` is `+` and up to 6 digits, without the last 4 digits of a number. `example` is one
    of the numbers.
    """

    beginning: str
    parts: int
    recipients: int
    example: str = field(repr=False)


def _forgotten(_groups: Iterable[NumberGroup]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What holds for all entries of a new campaign.

    `each_text` adds a number again for each different text. `columns` are the names of the cells
    that each entry has to keep. `stop_lists` are looked up again at each claim. `sending_window` is
    called when all entries were read, and returns when the campaign may send, as a stored text.
    `number_groups` is called with the groups of all pending recipients, and returns what to store
    of them.
    """

    each_text: bool = False
    columns: tuple[str, ...] = ()
    stop_lists: Sequence[str] = ()
    sending_window: Callable[[], str] = str
    number_groups: Callable[[Iterable[NumberGroup]], str] = _forgotten


PLAIN_LIST: Listing = Listing()
"""A list whose numbers occur once, and of which nothing is kept."""


@dataclass(frozen=True, slots=True)
class Added:
    """How many recipients were added as pending, and how many were skipped, by reason.

    `savings` are the parts that the pending recipients would save together if texts were rewritten.
    """

    pending: int
    skipped: Mapping[str, int]
    savings: Savings = field(default_factory=Savings)


@dataclass(frozen=True, slots=True)
class Claim:
    """The recipients of one request about to leave: their keys and numbers in order, and the text.

    `alone` counts the failed tries after which this recipient is sent alone: refusals of a whole
    request and failures of the gateway. If it is above 0, the claim has one recipient.

    Where several machines share a campaign, `token` proves that an outcome belongs to this claim,
    and the first byte must leave within `first_byte_in` seconds.
    """

    request: int
    text: Text
    alone: int
    recipients: tuple[tuple[int, str], ...] = field(repr=False)
    token: str = ""
    first_byte_in: float | None = None


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """The outcome of one recipient of a claim. `alone` asks for another try without others."""

    recipient: int
    event: Event
    message_id: str | None = None
    reason: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class RequestEnd:
    """The outcome of a request.

    `reason` says why the request is in doubt or was refused, `status` is the HTTP status, and
    `reply` is the raw reply, if the reply was unreadable.
    """

    reason: str | None = None
    status: int | None = None
    reply: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was observed around a request in doubt. It is evidence, not proof, and decides nothing.

    `before` is the balance at `before_at`, `after` the balance at `after_at`, and `spent` the cost
    of messages accepted in between, all in credits. `others` is the number of other requests in
    flight. `new_ids` are message ids that the gateway lists and no recorded answer contains: at
    most 1,000 of `new_id_count`. `reply_ids` are the message ids found in the damaged reply.
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
    """A balance in credits, and the time of the answer that contained it."""

    balance: Decimal
    at: float


@dataclass(frozen=True, slots=True)
class Around:
    """What is known around one request.

    `seen` is the last balance before the request left, `spent` the credits spent since then, and
    `others` the number of requests that overlapped with it.
    """

    seen: Seen | None
    spent: int
    others: int


@dataclass(frozen=True, slots=True)
class RequestInDoubt:
    """One request with recipients in doubt.

    Times are seconds since 1970. `cost` is the cost of the recipients in doubt, in credits.
    """

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
    """An operator's decision about one request, one line of the list, or all recipients."""

    at: float
    who: str
    event: Event
    note: str
    request: int | None
    line: int | None
    recipients: int


@dataclass(frozen=True, slots=True)
class TimeSlot:
    """How many recipients got their outcome in one time slot, starting at `start` (since 1970)."""

    start: float
    accepted: int
    refused: int
    in_doubt: int
    stopped: int = 0
    """How many were found on the stop list when a request was about to leave."""


@dataclass(frozen=True, slots=True)
class RecipientRecord:
    """One recipient and its current state."""

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
    kept: tuple[str, ...] = field(default=(), repr=False)
    """The cells of the list that the campaign has kept."""


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
    """Accepted recipients by delivery status; "" if the status was never requested."""
    parts: Mapping[int, int]
    """How many recipients that are not skipped have a text of each number of parts."""
    ucs2: int
    """How many recipients that are not skipped have a text in UCS-2."""
    texts: int
    forced_by: str
    """The characters that forced texts into UCS-2, the most frequent first."""
    costs: Mapping[RecipientState, int]
    """The cost of the recipients in each state, if they were sent to, in credits."""
    example: Text | None
    decisions: tuple[Decision, ...]
    runs: int
    requests: int
    first_claim: float | None
    last_answer: float | None
    last_outcome: str | None
    abandoned: Mapping[str, int] = field(default_factory=dict)
    """How many recipients were abandoned, by reason."""
    senders: Mapping[str, int] = field(default_factory=dict)
    """How many recipients that are not skipped have each sender, the most frequent first."""
    example_number: str | None = field(default=None, repr=False)
    """The number of a recipient of the example; None once numbers are purged."""

    @property
    def recipients(self) -> int:
        """The number of all recipients in the list, including the skipped ones."""
        return sum(self.states.values())

    def count(self, *states: RecipientState) -> int:
        """Return how many recipients are in these states."""
        return sum(self.states.get(state, 0) for state in states)

    def cost(self, *states: RecipientState) -> int:
        """Return the cost of the recipients in these states, if they were sent to, in credits."""
        return sum(self.costs.get(state, 0) for state in states)
