"""The commands for single messages.

Rule of this file: a command reads its input, calls the session, and shows the answer; nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import anyio
import typer

from ..errors import MessageNotFound, SmsGateError
from ..protocol.answers import DeliveryState
from ..protocol.models import DeliveryStatus, Message
from ..protocol.segments import segments as count_segments
from ..session import AsyncSession
from ..stop_list import opened
from .escapes import Escape, unescaped
from .exits import SendInterrupted, exit_of_send, exit_of_statuses
from .help import PlainGroup
from .output import Output
from .rewriting_options import Rewrites
from .sending import Ends, send_once
from .shared_options import Account, Country, ShowNumbers, command
from .stop_options import AlsoStopList
from .views import Balance, NewMessages, Sent, Statuses, TextSize

__all__ = ["app"]

_FOLLOWED = 300.0
"""The default of `status --timeout`, in seconds."""

app: typer.Typer = typer.Typer(cls=PlainGroup)


@command(app, sends=True)
async def send(
    output: Output,
    numbers: Annotated[
        list[str],
        typer.Argument(metavar="NUMBER", help="Phone numbers in international format: +380..."),
    ],
    account: Account,
    *,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="The text of the message; - reads the text from standard input."
        ),
    ] = None,
    wappush: Annotated[
        str | None, typer.Option(metavar="URL", help="An http(s) address to send as a WAP push.")
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The sender: an approved name or a phone number. Default: SMSGATE_SENDER.",
        ),
    ] = None,
    country: Country = None,
    stop_list: AlsoStopList = None,
    rewrites: Rewrites,
    escape: Escape = False,
    show_numbers: ShowNumbers = False,
) -> int:
    """Send one message to one or several numbers.

    Example: smsgate send +380501234567 --text "Your order is ready."
    """
    given = _text(text)
    message = Message(
        sender=sender,
        destinations=numbers,
        text=_rewritten(unescaped(given) if escape and given else given, rewrites),
        wappush=wappush,
        country=account.country(country),
    )
    output.addressed = message.destinations
    ends = Ends()
    async with (
        opened(stop_list) as stops,
        account.session(observer=ends, stop_list=stops, sender=sender) as session,
    ):
        output.interrupted = SendInterrupted
        result = await send_once(session, message, ends)
    output.show(Sent(result, show_numbers))
    shown = {recipient.answer for recipient in result.recipients}
    for said in result.answers:
        if said.refusal and said.answer not in shown:
            output.warn(f"the gateway also said ({said.answer}): {said.text}")
    return exit_of_send(result)


@command(app)
async def balance(output: Output, account: Account) -> None:
    """Show the balance of the account, in credits.

    Example: smsgate balance
    """
    async with account.session() as session:
        output.show(Balance(await session.get_credit_balance()))


@command(app)
async def status(
    output: Output,
    ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="Message ids, as shown by smsgate send.")
    ],
    account: Account,
    *,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Show each change until every status is final."),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(metavar="S", min=0.1, help="With --follow: stop after this many seconds."),
    ] = _FOLLOWED,
) -> int:
    """Show the delivery status of messages.

    Example: smsgate status 6c65ca0a-3076-46d9-8082-d85d206a0db0 --follow
    """
    async with account.session() as session:
        if not follow:
            statuses = await _statuses(session, ids)
            code = exit_of_statuses(statuses)
            output.show(Statuses(statuses))
            return code
        latest: dict[str, DeliveryStatus] = {}
        async for change in session.wait_for_delivery(ids, timeout=timeout):
            output.stream(change)
            latest[change.message_id] = change
        return exit_of_statuses(latest.values())


@command(app)
async def new(output: Output, account: Account) -> None:
    """List the ids of sent messages that have no delivery status yet. Not incoming SMS.

    Example: smsgate new
    """
    async with account.session() as session:
        found = await session.get_new_messages()
    output.show(NewMessages(tuple(found)))
    if not found:
        output.note("There are no such messages.")


@command(app)
def segments(
    output: Output,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="The text; - reads the text from standard input.")
    ],
    rewrites: Rewrites,
) -> None:
    """Show how many SMS parts a text takes, and which characters force UCS-2.

    Example: smsgate segments "Ваш код: 4815"
    """
    read = _rewritten(_text(text), rewrites) or ""
    output.show(TextSize.of(read, count_segments(read)))


def _text(given: str | None) -> str | None:
    """Return the text, for `-` from standard input without the final line feed."""
    if given != "-":
        return given
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n")
    except UnicodeDecodeError:
        raise ValueError("text: standard input is not UTF-8; convert it first") from None


def _rewritten(text: str | None, rewrites: Rewrites) -> str | None:
    return rewrites.rewriting(text) if text else text


async def _statuses(session: AsyncSession, ids: Sequence[str]) -> tuple[DeliveryStatus, ...]:
    """Request all statuses at the same time. Returns them in order, even those of unknown ids."""
    found: dict[str, DeliveryStatus | SmsGateError | ValueError] = {}

    async def ask(one: str) -> None:
        try:
            found[one] = await session.get_message_status(one)
        except MessageNotFound as error:
            found[one] = DeliveryStatus(
                message_id=one, state=DeliveryState.NOT_FOUND, text=error.text
            )
        except (SmsGateError, ValueError) as error:
            found[one] = error

    async with anyio.create_task_group() as tasks:
        for one in ids:
            tasks.start_soon(ask, one)
    answers = [found[one] for one in ids]
    failed = next((answer for answer in answers if isinstance(answer, Exception)), None)
    if failed is not None:
        raise failed
    return tuple(answer for answer in answers if isinstance(answer, DeliveryStatus))
