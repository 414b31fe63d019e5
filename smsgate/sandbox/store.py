"""What the sandbox remembers of accepted messages: by id, by number, and in order, up to a limit.

Rule of this file: no clock and no lock; the gateway has both. The oldest is forgotten first, and everything about it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ..protocol.answers import DeliveryState
from ..protocol.segments import Alphabet

__all__ = ["RawExchange", "SandboxMessage", "Saving", "Store"]

_RAW_LIMIT = 256 * 1024
"""Bytes of a request or a reply that are kept; the rest of a longer one is not."""
_RAW_TOTAL = 48 * 1024 * 1024
"""Bytes of all of them together. Older ones are forgotten before their messages are."""


@dataclass(frozen=True, slots=True)
class Saving:
    """How many parts a text would take without the few characters that alone force it into UCS-2."""

    characters: tuple[str, ...] = field(repr=False)
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxMessage:
    """One accepted message to one number. `accepted_at` is by the sandbox's clock, `state` that of the moment you look.

    `sequence` counts the accepted messages from 1 on. `forced` is True if the state was set by hand.
    """

    id: str
    sequence: int
    destination: str = field(repr=False)
    sender: str = field(repr=False)
    text: str | None = field(repr=False)
    wappush: str | None = field(repr=False)
    parts: int
    alphabet: Alphabet
    saving: Saving | None = field(default=None, repr=False)
    credits: Decimal
    accepted_at: float
    state: DeliveryState = DeliveryState.SENT
    forced: bool = False
    ends: DeliveryState = field(default=DeliveryState.DELIVERED, repr=False)
    takes: float = field(default=0.0, repr=False)
    """Seconds from the acceptance to the final status."""

    @property
    def searched(self) -> str:
        """Everything that a search looks through, in lower case."""
        return "\n".join(
            filter(None, (self.destination, self.sender, self.text, self.wappush, self.id))
        ).casefold()


@dataclass(frozen=True, slots=True)
class RawExchange:
    """A request that was accepted and its answer, as bytes, and the fault that the answer met, if any."""

    request: bytes = field(repr=False)
    reply: bytes = field(repr=False)
    fault: str | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.request) + len(self.reply)


class Store:
    """The newest `keep` messages. Sequences are counted without gaps, so that a range of them is a page."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._messages: dict[int, SandboxMessage] = {}
        self._sequences: dict[str, int] = {}
        # Least recently written to first.
        self._conversations: dict[str, deque[int]] = {}
        self._searched: dict[int, str] = {}
        self._exchanges: dict[int, RawExchange] = {}
        self._exchange_of: dict[int, int] = {}
        self._raw = 0
        self.last: int = 0
        """How many were ever added, which is the sequence of the newest."""

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[SandboxMessage]:
        return iter(self._messages.values())

    def add(self, message: SandboxMessage) -> None:
        """Remember a message, whose sequence must be the next, and forget the oldest if there are too many."""
        self.last = sequence = message.sequence
        self._messages[sequence] = message
        self._sequences[message.id] = sequence
        conversation = self._conversations.pop(message.destination, None)
        self._conversations[message.destination] = conversation = (
            deque() if conversation is None else conversation
        )
        conversation.append(sequence)
        self._searched[sequence] = message.searched
        if len(self._messages) > self._keep:
            self._forget(next(iter(self._messages)))

    def add_exchange(self, sequences: range, exchange: RawExchange) -> None:
        """Remember the request that brought these messages, and the answer."""
        kept = replace(
            exchange, request=exchange.request[:_RAW_LIMIT], reply=exchange.reply[:_RAW_LIMIT]
        )
        first = sequences.start
        self._exchanges[first] = kept
        self._raw += kept.size
        for sequence in sequences:
            if sequence in self._messages:
                self._exchange_of[sequence] = first
        while self._raw > _RAW_TOTAL:
            oldest = next(iter(self._exchanges))
            self._raw -= self._exchanges.pop(oldest).size

    def get(self, message_id: str) -> SandboxMessage | None:
        """Return the message with this id, if it is remembered."""
        return self._messages.get(self._sequences.get(message_id, 0))

    def exchange_of(self, message: SandboxMessage) -> RawExchange | None:
        """Return the request and the answer of a message, if they are remembered."""
        return self._exchanges.get(self._exchange_of.get(message.sequence, 0))

    def replace(self, message: SandboxMessage) -> None:
        """Take the new version of a message that is remembered."""
        self._messages[message.sequence] = message

    @property
    def conversations(self) -> int:
        """How many numbers have messages."""
        return len(self._conversations)

    def found(self, search: str, number: str | None = None) -> Iterable[int]:
        """Return the sequences of messages that contain `search`, in any case, oldest first; of one number if given."""
        sequences: Iterable[int] = (
            self._messages if number is None else self._conversations.get(number, ())
        )
        needle = search.casefold().strip()
        if not needle:
            return sequences
        return [sequence for sequence in sequences if needle in self._searched[sequence]]

    def threads(self, search: str) -> list[tuple[str, int, int]]:
        """Return number, count and newest sequence for each conversation with a message that contains `search`, newest first."""
        if not search.strip():
            return [
                (number, len(all_), all_[-1])
                for number, all_ in reversed(self._conversations.items())
            ]
        counts: dict[str, tuple[int, int]] = {}
        for sequence in self.found(search):
            number = self._messages[sequence].destination
            counts[number] = (counts.get(number, (0, 0))[0] + 1, sequence)
        rows = [(number, count, last) for number, (count, last) in counts.items()]
        return sorted(rows, key=lambda row: row[2], reverse=True)

    def at(self, sequences: Iterable[int]) -> list[SandboxMessage]:
        """Return the messages with these sequences."""
        return [self._messages[sequence] for sequence in sequences]

    def _forget(self, sequence: int) -> None:
        message = self._messages.pop(sequence)
        del self._sequences[message.id]
        del self._searched[sequence]
        conversation = self._conversations[message.destination]
        conversation.popleft()
        if not conversation:
            del self._conversations[message.destination]
        first = self._exchange_of.pop(sequence, None)
        # The messages of one exchange stand together, so the next tells whether it is still needed.
        if (
            first is not None
            and self._exchange_of.get(sequence + 1) != first
            and first in self._exchanges
        ):
            self._raw -= self._exchanges.pop(first).size
