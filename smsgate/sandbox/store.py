"""The accepted messages of the sandbox, by id, by number and in order, up to a limit.

Rule of this file: no clock and no lock; the gateway has both. The oldest message is deleted first,
with all its data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ..protocol.answers import DeliveryState
from ..protocol.segments import Alphabet
from .codes import code_of
from .exchanges import Exchanges, RawExchange

__all__ = ["Finds", "SandboxMessage", "Saving", "Store"]

_RAW_TOTAL = 48 * 1024 * 1024
"""Maximum bytes of all stored requests and replies; the oldest are deleted first."""


@dataclass(frozen=True, slots=True)
class Saving:
    """The number of parts of a text without the few characters that force UCS-2."""

    characters: tuple[str, ...] = field(repr=False)
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxMessage:
    """One accepted message to one number.

    `accepted_at` is the time by the sandbox's clock. `state` is the delivery status at the time of
    reading; `forced` is True if it was set by hand. `sequence` counts accepted messages from 1.
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
    """Seconds from acceptance to the final status."""

    @property
    def code(self) -> str | None:
        """The digits of the one-time code in the text, None without one."""
        return code_of(self.text)

    @property
    def searched(self) -> str:
        """The text that a search uses, in lower case."""
        return "\n".join(
            filter(None, (self.destination, self.sender, self.text, self.wappush, self.id))
        ).casefold()


Finds: TypeAlias = Callable[[SandboxMessage, str], bool]
"""Whether a search finds a message, from the message and its `searched`."""


class Store:
    """The newest `keep` messages. Their sequences have no gaps."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._messages: dict[int, SandboxMessage] = {}
        self._sequences: dict[str, int] = {}
        # By newest message, oldest first.
        self._conversations: dict[str, deque[int]] = {}
        self._searched: dict[int, str] = {}
        self._exchanges = Exchanges(_RAW_TOTAL)
        self._exchange_of: dict[int, int] = {}
        self.last: int = 0
        """The sequence of the newest message, and so the number of all messages so far."""

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[SandboxMessage]:
        return iter(self._messages.values())

    def add(self, message: SandboxMessage) -> None:
        """Add a message, which must have the next sequence; delete the oldest above the limit."""
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
        """Store the raw request and answer of these messages."""
        first = sequences.start
        self._exchanges.add(first, exchange)
        for sequence in sequences:
            if sequence in self._messages:
                self._exchange_of[sequence] = first

    def get(self, message_id: str) -> SandboxMessage | None:
        """Return the message with this id, None if it is not stored."""
        return self._messages.get(self._sequences.get(message_id, 0))

    def exchange_of(self, message: SandboxMessage) -> RawExchange | None:
        """Return the raw request and answer of a message, None if they are not stored."""
        return self._exchanges.get(self._exchange_of.get(message.sequence, 0))

    def replace(self, message: SandboxMessage) -> None:
        """Replace a stored message with a new version."""
        self._messages[message.sequence] = message

    @property
    def conversations(self) -> int:
        """The number of phone numbers with messages."""
        return len(self._conversations)

    def found(self, finds: Finds | None, number: str | None = None) -> Iterable[int]:
        """Return the sequences of matching messages, oldest first.

        Args:
            finds: returns whether a message matches, from its `searched`; None for all.
            number: only messages to this number; None for all.
        """
        sequences: Iterable[int] = (
            self._messages if number is None else self._conversations.get(number, ())
        )
        if finds is None:
            return sequences
        messages, searched = self._messages, self._searched
        return [sequence for sequence in sequences if finds(messages[sequence], searched[sequence])]

    def threads(self, finds: Finds | None) -> list[tuple[str, int, int]]:
        """Return number, count and newest sequence of each matching conversation, newest first."""
        if finds is None:
            return [
                (number, len(all_), all_[-1])
                for number, all_ in reversed(self._conversations.items())
            ]
        counts: dict[str, tuple[int, int]] = {}
        for sequence in self.found(finds):
            number = self._messages[sequence].destination
            counts[number] = (counts.get(number, (0, 0))[0] + 1, sequence)
        rows = [(number, count, last) for number, (count, last) in counts.items()]
        return sorted(rows, key=lambda row: row[2], reverse=True)

    def at(self, sequences: Iterable[int]) -> list[SandboxMessage]:
        """Return the messages with these sequences, if they are stored."""
        return [self._messages[sequence] for sequence in sequences if sequence in self._messages]

    def _forget(self, sequence: int) -> None:
        message = self._messages.pop(sequence)
        del self._sequences[message.id]
        del self._searched[sequence]
        conversation = self._conversations[message.destination]
        conversation.popleft()
        if not conversation:
            del self._conversations[message.destination]
        first = self._exchange_of.pop(sequence, None)
        # The messages of one exchange are consecutive, so checking the next one is enough.
        if first is not None and self._exchange_of.get(sequence + 1) != first:
            self._exchanges.remove(first)
