"""The command `smsgate sandbox`: a gateway on this machine, until Ctrl-C.

Rule of this file: the sandbox and its libraries are imported when they are asked for, since they are an extra of their own.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ..options import travels_in_clear
from ..privacy import mask_number
from .options import ShowNumbers
from .output import Output
from .views import VIEWS, View, pairs

if TYPE_CHECKING:
    from ..sandbox import SandboxMessage

__all__ = ["Behaviour", "sandbox"]

_LOOK_AGAIN = 0.2
"""Seconds between two looks at what has arrived."""
_PANEL = "How the sandbox behaves"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Settings of the sandbox that the command offers, by the names of `smsgate.sandbox.Settings`."""

    login: Annotated[str, typer.Option(metavar="NAME", help="Login that it takes.", rich_help_panel=_PANEL)] = "sandbox"
    password: Annotated[
        str, typer.Option(metavar="WORD", help="Password that it takes. For tests: no secret.", rich_help_panel=_PANEL)
    ] = "sandbox"  # noqa: S105 - a word for tests
    credits: Annotated[
        int, typer.Option(metavar="N", min=0, help="Credits at the start; a part costs one.", rich_help_panel=_PANEL)
    ] = 10_000
    delivery_seconds: Annotated[
        float, typer.Option(metavar="S", min=0, help="From a send to its final delivery status.", rich_help_panel=_PANEL)
    ] = 3.0
    hold_seconds: Annotated[
        float, typer.Option(metavar="S", min=0, help="Keep each answer back for so long.", rich_help_panel=_PANEL)
    ] = 0.0
    session_idle_seconds: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Forget a session that was not used for so long.", rich_help_panel=_PANEL)
    ] = 1440.0
    pay_in_part: Annotated[
        bool, typer.Option("--pay-in-part", help="Send to the first that the credits pay for.", rich_help_panel=_PANEL)
    ] = False


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that is running, and how to reach it."""

    url: str
    wsdl_url: str
    login: str
    password: str
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that arrived in the sandbox."""

    message: SandboxMessage
    show_numbers: bool


async def sandbox(
    output: Output,
    behaviour: Behaviour,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 8025,
    show_numbers: ShowNumbers = False,
) -> None:
    """Run a gateway of the same protocol on this machine, until Ctrl-C."""
    from ..sandbox import MAGIC, Sandbox, Settings  # noqa: PLC0415 - another extra, which only this command needs

    exposed = travels_in_clear(f"http://[{host}]" if ":" in host else f"http://{host}")
    with Sandbox(Settings(**asdict(behaviour)), host=host, port=port, exposed=exposed) as running:
        numbers = tuple((row.number, row.note) for row in MAGIC)
        output.stream(Running(running.url, running.wsdl_url, behaviour.login, behaviour.password, numbers))
        if exposed:
            output.warn(
                f"it listens on {host}, so other machines may reach it, read what arrives on the way, and send to it:"
                " use it in a network that you trust, and with no real data"
            )
        shown = 0
        try:
            while True:
                for message in running.messages[shown:]:
                    output.stream(Arrived(message, show_numbers))
                    shown += 1
                await anyio.sleep(_LOOK_AGAIN)
        except anyio.get_cancelled_exc_class():
            # Ctrl-C is how it ends, so it is no error.
            calls = sum(running.calls.values())
            output.note(f"Stopped. Calls: {calls:,}; messages: {len(running.messages):,}.")


def _running_screen(running: Running) -> RenderableType:
    credentials = {"SMSGATE_LOGIN": running.login, "SMSGATE_PASSWORD": running.password}
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in credentials.items())
    return Group(
        Text.assemble(("The sandbox is running.", "bold"), " Ctrl-C stops it.\n"),
        pairs({"url": running.url, "WSDL": running.wsdl_url, "login": running.login, "password": running.password}),
        Text("\nTry it from another terminal:\n", "bold"),
        Text(f"  export SMSGATE_URL={shlex.quote(running.url)}"),
        Text(f"  export {exports}"),
        Text('  smsgate send +380501234567 --sender Shop --text "Привіт"'),
        Text("\nNumbers that bring an answer on demand:\n", "bold"),
        pairs(dict(running.numbers)),
        Text("\nWhat arrives:\n", "bold"),
    )


def _running_document(running: Running) -> dict[str, Any]:
    document = asdict(running)
    return document | {"numbers": dict(running.numbers)}


def _arrived_line(arrived: Arrived) -> RenderableType:
    message = arrived.message
    shown = str if arrived.show_numbers else mask_number
    at = datetime.fromtimestamp(message.accepted_at).astimezone()
    sender = message.sender if arrived.show_numbers or not message.sender.lstrip("+").isdigit() else mask_number(message.sender)
    size = f"{message.parts} part{'' if message.parts == 1 else 's'}"
    return Text.assemble((f"{at:%H:%M:%S}", "dim"), f"  {sender} → {shown(message.destination)}  {size}  ", (message.id, "dim"))


def _arrived_document(arrived: Arrived) -> dict[str, Any]:
    message = arrived.message
    return {
        "message_id": message.id,
        "destination": message.destination,
        "sender": message.sender,
        "parts": message.parts,
        "credits": Decimal(message.credits),
    }


VIEWS[Running] = View(_running_screen, _running_document)
VIEWS[Arrived] = View(_arrived_line, _arrived_document)
