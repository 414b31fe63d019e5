"""The output of the outbox commands: messages, those in doubt, and decisions.

Rule of this file: as in `views.py`, a new result is a new row of `VIEWS`. Numbers are masked, even
in keys, unless the user asks for them, and no text is shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..campaign import Event, RecipientState
from ..campaign.wording import DECISIONS, NO_REASON, duration, moment, things
from ..privacy import mask_number, mask_numbers
from .campaign_views import LOOKS
from .views import VIEWS, View, printable, table, unbroken

if TYPE_CHECKING:
    from ..ledger.messages import OutboxMessage

__all__ = [
    "MessageDecided",
    "MessagesInDoubt",
    "MessagesListed",
    "MessagesPurged",
    "OneMessage",
]

_LISTED = 20
"""The number of messages in doubt that the screen lists at most; JSON has all."""


@dataclass(frozen=True, slots=True)
class OneMessage:
    """One message of an outbox."""

    message: OutboxMessage
    show_numbers: bool

    @property
    def destination(self) -> str:
        """The phone number, masked unless the user asked for it."""
        number = self.message.destination
        return number if self.show_numbers else mask_number(number)

    @property
    def sender(self) -> str:
        """The sender, which may be a phone number."""
        return self.masked(self.message.sender)

    @property
    def key(self) -> str:
        """The key, in which an application may have put a phone number."""
        return self.masked(self.message.key)

    @property
    def reason(self) -> str:
        """Why the message is not accepted."""
        return self.masked(self.message.reason or "")

    @property
    def since(self) -> float:
        """When the message came into its state."""
        one = self.message
        return max(at for at in (one.added_at, one.claimed_at, one.settled_at) if at is not None)

    def masked(self, text: str) -> str:
        """Return a text for the screen."""
        return printable(text if self.show_numbers else mask_numbers(text))


@dataclass(frozen=True, slots=True)
class MessagesListed:
    """Messages of an outbox."""

    messages: tuple[OneMessage, ...]


@dataclass(frozen=True, slots=True)
class MessagesInDoubt:
    """Messages in doubt.

    `total` counts also those that are not listed. `words` are those of a command line that give the
    same database again.
    """

    messages: tuple[OneMessage, ...]
    total: int
    now: float
    words: str


@dataclass(frozen=True, slots=True)
class MessageDecided:
    """The decision of an operator, and how many messages are still in doubt."""

    message: int
    event: Event
    state: RecipientState
    left: int


@dataclass(frozen=True, slots=True)
class MessagesPurged:
    """How many messages were deleted."""

    deleted: int


def _listed_screen(listed: MessagesListed) -> RenderableType:
    if not listed.messages:
        return Text("There are no such messages.")
    rows = table(">id", "state", "number", "sender", "since", "key and reason")
    for one in listed.messages:
        reason = " ".join(one.reason.split())
        rows.add_row(
            f"{one.message.id}",
            LOOKS[one.message.state].text(),
            one.destination,
            one.sender,
            f"{datetime.fromtimestamp(one.since):%Y-%m-%d %H:%M}",  # noqa: DTZ006 - the user's own
            Text.assemble(one.key, (f"\n{reason}" if reason else "", "dim")),
        )
    return rows


def _document(one: OneMessage) -> dict[str, Any]:
    message = one.message
    return {
        "id": message.id,
        "key": one.key,
        "destination": one.destination,
        "sender": one.sender,
        "state": message.state,
        "message_id": message.message_id,
        "reason": one.reason or None,
        "attempts": message.attempts,
        "added_at": message.added_at,
        "not_after": message.not_after,
        "claimed_at": message.claimed_at,
        "settled_at": message.settled_at,
    }


def _one_screen(one: OneMessage) -> RenderableType:
    return _listed_screen(MessagesListed((one,)))


def _listed_document(listed: MessagesListed) -> dict[str, Any]:
    return {"messages": [_document(one) for one in listed.messages]}


def _in_doubt_screen(in_doubt: MessagesInDoubt) -> RenderableType:
    if not in_doubt.total:
        return Text("No message is in doubt.")
    total = things(in_doubt.total, "message is", "messages are")
    blocks: list[RenderableType] = [Text(f"{total} in doubt.\n", "bold")]
    for one in in_doubt.messages[:_LISTED]:
        blocks += [_doubt(one, in_doubt.now), Text()]
    if in_doubt.total > _LISTED:
        blocks.append(
            Text(
                f"and {things(in_doubt.total - _LISTED, 'more message')}; --json lists more\n",
                "dim",
            )
        )
    blocks += [
        unbroken((f"To decide: smsgate outbox resolve ID{in_doubt.words} DECISION", "dim")),
        Text("  DECISION is --found MESSAGE-ID, --sent, --resend or --give-up", "dim"),
        Text(
            "First check on the provider's website whether the message is there; --resend may"
            " deliver a second copy.",
            "dim",
        ),
    ]
    return Group(*blocks)


def _doubt(one: OneMessage, now: float) -> RenderableType:
    about = Table.grid(padding=(0, 1, 0, 0))
    for label, said in (
        ("reason:", one.reason or NO_REASON),
        ("for:", f"{one.destination}, from {one.sender}"),
        ("key:", one.key),
    ):
        about.add_row(f"  {label}", Text(said))
    began = one.message.claimed_at or one.since
    since = f"  for {duration(max(now - began, 0))}, since {moment(began, None)}"
    return Group(Text.assemble((f"? message {one.message.id}", "yellow"), since), about)


def _in_doubt_document(in_doubt: MessagesInDoubt) -> dict[str, Any]:
    return {
        "in_doubt": in_doubt.total,
        "messages": [
            {
                **_document(one),
                "seconds": round(max(in_doubt.now - (one.message.claimed_at or one.since), 0), 1),
            }
            for one in in_doubt.messages
        ],
    }


def _decided_screen(decided: MessageDecided) -> RenderableType:
    return Text(
        f"Message {decided.message}: {DECISIONS[decided.event]}. Still in doubt: {decided.left:,}."
    )


def _purged_screen(purged: MessagesPurged) -> RenderableType:
    return Text(f"{things(purged.deleted, 'message')} deleted.")


VIEWS[OneMessage] = View(_one_screen, _document)
VIEWS[MessagesListed] = View(_listed_screen, _listed_document)
VIEWS[MessagesInDoubt] = View(_in_doubt_screen, _in_doubt_document)
VIEWS[MessageDecided] = View(_decided_screen, asdict)
VIEWS[MessagesPurged] = View(_purged_screen, asdict)
