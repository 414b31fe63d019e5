"""The commands `smsgate outbox ...`: the messages of an outbox, and decisions about them.

Rule of this file: a command opens the ledger, does one step, and shows the answer. Nothing is sent,
and no session with the gateway is opened.
"""

from __future__ import annotations

import getpass
import re
import time
from dataclasses import dataclass
from typing import Annotated

import typer

from ..campaign import Event, RecipientState
from ..campaign.wording import DECISIONS, as_sentence
from ..protocol.models import message_id
from .ages import age
from .confirming import Yes, confirm
from .databases import Database
from .exits import Exit
from .help import PlainGroup
from .outbox_views import (
    MessageDecided,
    MessagesInDoubt,
    MessagesListed,
    MessagesPurged,
    OneMessage,
)
from .output import Output
from .shared_options import ShowNumbers, command

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    name="outbox",
    cls=PlainGroup,
    help="Show the messages of an outbox, and resolve those in doubt.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_MOST = 1_000_000
"""The largest number of messages that one command lists."""
_WORDS = {state.replace(" ", "-"): state for state in RecipientState}


def _state(word: str) -> RecipientState:
    state = _WORDS.get(word.replace(" ", "-"))
    if state is None:
        raise typer.BadParameter(f"must be one of {', '.join(_WORDS)}")
    return state


def _id(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        raise typer.BadParameter("must be the id of a message, which is a whole number")
    return int(text)


@command(app, name="list")
def list_(
    output: Output,
    database: Database,
    *,
    state: Annotated[
        list[RecipientState] | None,
        typer.Option(
            metavar="STATE",
            parser=_state,
            help=f"Only messages in this state: {', '.join(_WORDS)}. May be repeated."
            " Default: all.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_MOST, help="The maximum number of messages.")
    ] = 100,
    after: Annotated[
        int | None,
        typer.Option(
            metavar="ID",
            parser=_id,
            help="Begin after the message with this id. Default: at the first one.",
        ),
    ] = None,
    show_numbers: ShowNumbers = False,
) -> None:
    """List messages, oldest first: state, reason, and since when.

    Example: smsgate outbox list --database sms.db --state refused --state in-doubt
    """
    with database.ledger() as ledger:
        found = ledger.in_states(state or tuple(RecipientState), limit + 1, after or 0)
    messages = tuple(OneMessage(one, show_numbers) for one in found[:limit])
    output.listing(MessagesListed(messages), messages)
    if len(found) > limit:
        output.note(f"There are more: --after {found[limit - 1].id} continues the list.")


@command(app)
def in_doubt(
    output: Output,
    database: Database,
    *,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_MOST, help="The maximum number of messages.")
    ] = 1000,
    show_numbers: ShowNumbers = False,
) -> int:
    """Show the messages in doubt: why, for how long, and how to decide.

    Example: smsgate outbox in-doubt --database sms.db
    """
    with database.ledger() as ledger:
        found = ledger.in_states([RecipientState.IN_DOUBT], limit)
        total = ledger.states().get(RecipientState.IN_DOUBT, 0)
    messages = tuple(OneMessage(one, show_numbers) for one in found)
    output.show(MessagesInDoubt(messages, total, time.time(), database.words()))
    return Exit.IN_DOUBT if total else Exit.DONE


@dataclass(frozen=True, slots=True)
class MessageDecision:
    """The decision of the operator: exactly one of these options."""

    found: Annotated[
        str | None,
        typer.Option(
            metavar="MESSAGE-ID", help="Mark the message as accepted, with this message id."
        ),
    ] = None
    sent: Annotated[
        bool, typer.Option("--sent", help=as_sentence(DECISIONS[Event.ASSUME_SENT]))
    ] = False
    resend: Annotated[bool, typer.Option("--resend", help=as_sentence(DECISIONS[Event.RESEND]))] = (
        False
    )
    give_up: Annotated[
        bool, typer.Option("--give-up", help=as_sentence(DECISIONS[Event.GIVE_UP]))
    ] = False
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Abandon a pending message: never send it.")
    ] = False

    @property
    def event(self) -> Event:
        """Return the decision. Raises `ValueError` unless exactly one option is given."""
        said = {
            Event.FOUND: self.found is not None,
            Event.ASSUME_SENT: self.sent,
            Event.RESEND: self.resend,
            Event.GIVE_UP: self.give_up,
            Event.CANCEL: self.cancel,
        }
        chosen = [event for event, given in said.items() if given]
        if len(chosen) != 1:
            raise ValueError(
                "give exactly one of --found MESSAGE-ID, --sent, --resend, --give-up and --cancel"
            )
        if self.found is not None and message_id(self.found) is None:
            raise ValueError("--found: must be a message id of the gateway, which is a UUID")
        return chosen[0]


_RISKS = {
    Event.RESEND: (
        "If the message was already sent, its recipient receives a second one, which costs again."
        " Send again?"
    ),
    Event.CANCEL: "A cancelled message is never sent. Continue?",
}


@command(app, changes=True)
def resolve(
    output: Output,
    message: Annotated[
        int,
        typer.Argument(
            metavar="ID", parser=_id, help="The id, as smsgate outbox in-doubt shows it."
        ),
    ],
    decision: MessageDecision,
    database: Database,
    *,
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason, recorded with the decision.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Record your decision on a message in doubt, or cancel a pending message.

    The operator (the user of this machine) and the time are recorded, too.

    Example: smsgate outbox resolve 17 --database sms.db --sent --note "seen on the website"
    """
    event, who = decision.event, getpass.getuser()
    with database.ledger() as ledger:
        if event in _RISKS:
            confirm(_RISKS[event], yes=yes)
        try:
            decided = ledger.resolve(
                event, message, who=who, note=note, message_id=message_id(decision.found)
            )
        except LookupError:
            raise ValueError(
                f"the outbox has no message {message}: check with 'smsgate outbox list'"
            ) from None
        left = ledger.states().get(RecipientState.IN_DOUBT, 0)
    output.show(MessageDecided(decided.id, event, decided.state, left))


@command(app, changes=True)
def purge(
    output: Output,
    database: Database,
    *,
    older_than: Annotated[
        float,
        typer.Option(
            metavar="AGE",
            parser=age,
            help="How long the outcome must have been final: 30d, 12h, 45min or 90s.",
        ),
    ],
    yes: Yes = False,
) -> None:
    """Delete messages with a final outcome, and their keys. Those in doubt or pending are kept.

    Example: smsgate outbox purge --database sms.db --older-than 30d
    """
    with database.ledger() as ledger:
        confirm(
            "The messages and their keys are deleted for good. A later call with such a key sends"
            " again. Continue?",
            yes=yes,
        )
        deleted = ledger.purge(older_than)
    output.show(MessagesPurged(deleted))
