"""The accepted messages of the sandbox, by id, by number and in order, up to a limit.

Rule of this file: no clock and no lock; the gateway has both. Above the limit, the oldest message
is deleted, with all its data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import takewhile
from typing import TypeAlias

from ..protocol.answers import DeliveryState
from ..protocol.segments import Alphabet
from .codes import code_of
from .exchanges import Exchanges, RawExchange

__all__ = ["Finds", "SandboxMessage", "Saving", "Store", "message_document"]

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

    `account` is the login of the account that sent it. `accepted_at` is the time by the sandbox's
    clock. `state` is the delivery status at the time of
    reading; `forced` is True if it was set by hand. `sequence` counts accepted messages from 1.
    """

    id: str
    sequence: int
    account: str = field(repr=False)
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


def message_document(message: SandboxMessage) -> dict[str, object]:
    """Return a message as the JSON API and the webhook show it, without its raw pair."""
    return {
        "id": message.id,
        "sequence": message.sequence,
        "account": message.account,
        "destination": message.destination,
        "sender": message.sender,
        "text": message.text,
        "wappush": message.wappush,
        "code": message.code,
        "parts": message.parts,
        "alphabet": message.alphabet,
        "saving": None if message.saving is None else asdict(message.saving),
        "credits": f"{message.credits:f}",
        "accepted_at": message.accepted_at,
        "state": message.state,
        "final": message.state.final,
        "forced": message.forced,
    }


class Store:
    """The newest `keep` messages, oldest first."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._messages: dict[int, SandboxMessage] = {}
        self._sequences: dict[str, int] = {}
        # By newest message, oldest first. The sequences of each are the keys, in order.
        self._conversations: dict[str, dict[int, None]] = {}
        self._searched: dict[int, str] = {}
        self._exchanges = Exchanges(_RAW_TOTAL)
        self._call_of: dict[int, int] = {}
        self._messages_of: Counter[int] = Counter()
        self._oldest: int = 1
        self.last: int = 0
        """The sequence of the newest message ever, and so the number of all messages so far."""

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[SandboxMessage]:
        return iter(self._messages.values())

    def add(self, message: SandboxMessage) -> None:
        """Add a message, which must have a larger sequence; delete the oldest above the limit."""
        self.last = sequence = message.sequence
        if not self._messages:
            self._oldest = sequence
        self._messages[sequence] = message
        self._sequences[message.id] = sequence
        conversation = self._conversations.pop(message.destination, None)
        self._conversations[message.destination] = conversation = (
            {} if conversation is None else conversation
        )
        conversation[sequence] = None
        self._searched[sequence] = message.searched
        if len(self._messages) > self._keep:
            self._forget(self.first)

    def add_exchange(self, sequences: Iterable[int], call: int, exchange: RawExchange) -> None:
        """Store the raw request and answer of the call that accepted these messages."""
        self._exchanges.add(call, exchange)
        for sequence in sequences:
            if sequence in self._messages:
                self._call_of[sequence] = call
                self._messages_of[call] += 1

    @property
    def first(self) -> int:
        """The sequence of the oldest stored message, or the next one if there is none."""
        # The beginning of a dictionary that loses its oldest items is slow to find.
        while self._oldest not in self._messages and self._oldest <= self.last:
            self._oldest += 1
        return self._oldest

    @property
    def first_exchange(self) -> int | None:
        """The number of the oldest call whose request and answer are stored, None without one."""
        return self._exchanges.first

    def get(self, message_id: str) -> SandboxMessage | None:
        """Return the message with this id, None if it is not stored."""
        return self._messages.get(self._sequences.get(message_id, 0))

    def exchange_of(self, message: SandboxMessage) -> RawExchange | None:
        """Return the raw request and answer of a message, None if they are not stored."""
        return self._exchanges.get(self._call_of.get(message.sequence, 0))

    def replace(self, message: SandboxMessage) -> None:
        """Replace a stored message with a new version."""
        self._messages[message.sequence] = message

    def delete(self, sequences: Iterable[int]) -> None:
        """Delete the messages with these sequences, which must be stored."""
        moved = False
        for sequence in sequences:
            conversation = self._conversations[self._messages[sequence].destination]
            moved = moved or sequence == next(reversed(conversation))
            self._forget(sequence)
        if moved:
            # A conversation that has lost its newest message takes another place.
            rows = sorted(self._conversations.items(), key=lambda row: next(reversed(row[1])))
            self._conversations = dict(rows)

    def forget_before(self, moment: float) -> bool:
        """Delete the messages accepted before a time, and return whether there was one."""
        old = list(takewhile(lambda message: message.accepted_at < moment, self))
        for message in old:
            self._forget(message.sequence)
        return bool(old)

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
                (number, len(all_), next(reversed(all_)))
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
        del conversation[sequence]
        if not conversation:
            del self._conversations[message.destination]
        call = self._call_of.pop(sequence, None)
        if call is not None:
            self._messages_of[call] -= 1
            if not self._messages_of[call]:
                del self._messages_of[call]
                self._exchanges.remove(call)
