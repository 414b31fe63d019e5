"""The commands `smsgate campaign preview` and `test`: see a message before recipients get it.

Rule of this file: the campaign is opened for reading only, so no recipient's state can change.
"""

from __future__ import annotations

from typing import Annotated

import typer

from ..campaign import Sample
from ..languages import plural, say, spoken
from ..privacy import mask_number
from ..protocol.models import Message
from .campaign_place import CampaignPlace
from .confirming import Yes, confirm
from .exits import SendInterrupted, exit_of_send
from .output import Output
from .preview_view import Previewed
from .price_list import credits_words
from .sending import Ends, send_once
from .shared_options import Account, Country, ShowNumbers
from .views import Sent

__all__ = ["preview", "send_test"]

Line = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Take the row on this line of the list."),
]


def preview(
    output: Output,
    place: CampaignPlace,
    *,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            "-n",
            metavar="N",
            min=1,
            max=1_000,
            help="The maximum number of messages.",
        ),
    ] = 5,
    line: Line = None,
    show_numbers: ShowNumbers = False,
) -> None:
    """Show messages of a campaign as on a phone, with their parts. Nothing is sent.

    Example: smsgate campaign preview spring.sms --limit 5
    """
    output.show(Previewed(tuple(_samples(place, limit, line)), show_numbers))


async def send_test(
    output: Output,
    place: CampaignPlace,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Your own number: +380...")],
    account: Account,
    *,
    line: Line = None,
    country: Country = None,
    show_numbers: ShowNumbers = False,
    yes: Yes = False,
) -> int:
    """Send the message of one row to yourself. No recipient's state changes.

    Example: smsgate campaign test spring.sms +380501234567 --line 2
    """
    sample = _samples(place, 1, line)[0]
    text = sample.text
    message = Message(
        sender=text.sender,
        destinations=[number],
        text=text.text,
        wappush=text.wappush,
        country=account.country(country),
    )
    output.addressed = message.destinations
    (own,) = message.destinations
    shown = own if show_numbers else mask_number(own)
    question = say(
        "Send the message of line {line} to {recipient} for about {credits} ({parts})?",
        line=spoken().count(sample.line),
        recipient=shown,
        credits=credits_words(text.parts),
        parts=plural("{number} part", "{number} parts", text.parts),
    )
    confirm(question, yes=yes)
    ends = Ends()
    async with account.session(observer=ends) as session:
        output.interrupted = SendInterrupted
        result = await send_once(session, message, ends)
    output.show(Sent(result, show_numbers))
    output.note(say("This message is not recorded in the campaign."))
    return exit_of_send(result)


def _samples(place: CampaignPlace, most: int, line: int | None) -> list[Sample]:
    with place.open(writing=False) as campaign:
        found = campaign.samples(most, line=line)
    if not found:
        raise ValueError(
            "the campaign has no recipient with a text: all are skipped, or texts were deleted"
            if line is None
            else f"--line: no recipient with a text is on line {line:,} of the list; 'smsgate"
            " campaign export' lists all lines"
        )
    return found
