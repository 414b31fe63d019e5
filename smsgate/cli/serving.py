"""The command `smsgate sandbox`: a gateway on this machine, until a signal stops it.

Rule of this file: the sandbox and its libraries are imported when they are asked for, since they are an extra of their own.
"""

from __future__ import annotations

import shlex
import ssl
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ..campaign.wording import things
from ..config import travels_in_clear
from ..privacy import mask_number
from .output import Output
from .shared_options import ShowNumbers
from .views import VIEWS, View, pairs, unbroken

if TYPE_CHECKING:
    from ..sandbox import SandboxMessage, Settings

__all__ = ["Behaviour", "Listening", "sandbox"]

_Choice = TypeVar("_Choice", bound=StrEnum)

_LOOK_AGAIN = 0.2
"""Seconds between two looks at what has arrived."""
_PANEL, _WHERE = "How the sandbox behaves", "Where it listens"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Settings of the sandbox that the command offers, by the names of `smsgate.sandbox.Settings`."""

    login: Annotated[str, typer.Option(metavar="NAME", help="Login that it takes.", rich_help_panel=_PANEL)] = "sandbox"
    password: Annotated[
        str, typer.Option(metavar="WORD", help="Password that it takes. For tests: no secret.", rich_help_panel=_PANEL)
    ] = "sandbox"  # noqa: S105 - a word for tests
    account: Annotated[
        str, typer.Option(metavar="STATE", help="active, not activated, blocked or disabled.", rich_help_panel=_PANEL)
    ] = "active"
    credits: Annotated[
        int, typer.Option(metavar="N", min=0, help="Credits at the start; a part costs one.", rich_help_panel=_PANEL)
    ] = 10_000
    pay_in_part: Annotated[
        bool, typer.Option("--pay-in-part", help="Send to the first that the credits pay for.", rich_help_panel=_PANEL)
    ] = False
    senders: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Approved signatures, with commas; all if absent.", rich_help_panel=_PANEL)
    ] = None
    delivery_seconds: Annotated[
        float, typer.Option(metavar="S", min=0, help="From a send to its final delivery status.", rich_help_panel=_PANEL)
    ] = 3.0
    delivery_jitter: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0, max=1, help="Arrive earlier or later by up to this share.", rich_help_panel=_PANEL),
    ] = 0.0
    hold_seconds: Annotated[
        float, typer.Option(metavar="S", min=0, help="Keep each answer back for so long.", rich_help_panel=_PANEL)
    ] = 0.0
    session_idle_seconds: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Forget a session that was not used for so long.", rich_help_panel=_PANEL)
    ] = 1440.0
    session_calls: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Forget a session after so many calls.", rich_help_panel=_PANEL)
    ] = None
    lock_cookies: Annotated[
        bool, typer.Option("--lock/--no-lock", help="One request at a time for each cookie, as PHP does.", rich_help_panel=_PANEL)
    ] = True
    unauthorised: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The sentence for a dead session, if the other.", rich_help_panel=_PANEL)
    ] = None
    failed_slot: Annotated[
        str,
        typer.Option(metavar="KIND", help="What a refused number gets: sentence, empty or nil.", rich_help_panel=_PANEL),
    ] = "sentence"
    keep_messages: Annotated[
        int, typer.Option(metavar="N", min=1, help="Remember so many messages; 1 KB of memory each.", rich_help_panel=_PANEL)
    ] = 100_000
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Make ids and chance the same in each run.", rich_help_panel=_PANEL)
    ] = None

    def settings(self) -> Settings:
        """Return the settings. Raises `ValueError`, which names the option."""
        from ..sandbox import AccountState, FailedSlot, Settings  # noqa: PLC0415 - another extra

        given = asdict(self) | {
            "account": _chosen("account", self.account, AccountState),
            "failed_slot": _chosen("failed-slot", self.failed_slot, FailedSlot),
            "senders": None if self.senders is None else frozenset(name.strip() for name in self.senders.split(",")),
        }
        if self.unauthorised is None:
            del given["unauthorised"]
        return Settings(**given)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the sandbox listens, and to whom."""

    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen.", rich_help_panel=_WHERE)] = "127.0.0.1"
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.", rich_help_panel=_WHERE)] = (
        8025
    )
    name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A host name under which it may be called.", rich_help_panel=_WHERE)
    ] = None
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Speak https with this certificate (PEM).", rich_help_panel=_WHERE)
    ] = None
    tls_key: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Its key, if it is in a file of its own.", rich_help_panel=_WHERE)
    ] = None

    @property
    def exposed(self) -> bool:
        """Other machines may reach it."""
        return travels_in_clear(f"http://[{self.host}]" if ":" in self.host else f"http://{self.host}")

    def tls(self) -> ssl.SSLContext | None:
        """Return the server's side of TLS, if there is a certificate. Raises `ValueError`, which names the option."""
        if self.tls_cert is None:
            if self.tls_key:
                raise ValueError("tls-key: it needs a certificate, --tls-cert")
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except OSError as error:  # of ssl, too
            raise ValueError(f"tls-cert: it cannot be used ({error.strerror or 'no certificate and key in PEM'})") from None
        return context


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that is running, and how to reach it."""

    inbox_url: str
    url: str
    wsdl_url: str
    login: str
    password: str
    faults: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that arrived in the sandbox."""

    message: SandboxMessage
    show_numbers: bool


async def sandbox(
    output: Output,
    listening: Listening,
    behaviour: Behaviour,
    fault: Annotated[
        list[str],
        typer.Option(metavar="RULE", help="Misbehave: 'reset after,SendSMS,10%', 'slow,5s', '502 before,3x'. Repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    show_numbers: ShowNumbers = False,
) -> None:
    """Run a gateway of the same protocol on this machine, with an inbox in the browser, until Ctrl-C."""
    from ..sandbox import MAGIC, Sandbox, parse_rule  # noqa: PLC0415 - another extra, which only this command needs

    served = Sandbox(
        behaviour.settings(),
        host=listening.host,
        port=listening.port,
        exposed=listening.exposed,
        names=listening.name or (),
        tls=listening.tls(),
    )
    for words in fault:
        served.faults.add(**parse_rule(words))
    with served as running:
        numbers = tuple((row.number, row.note) for row in MAGIC)
        addresses = (running.inbox_url, running.url, running.wsdl_url)
        output.stream(Running(*addresses, behaviour.login, behaviour.password, tuple(fault), numbers))
        if listening.exposed:
            output.warn(
                f"it listens on {listening.host}, so other machines may reach it, read what arrives on the way and in the inbox,"
                " and send to it: use it in a network that you trust, and with no real data"
            )
        shown = 0
        try:
            while True:
                # After the inbox has cleared everything, counting starts again.
                shown = min(shown, running.accepted)
                for message in running.messages_after(shown):
                    output.stream(Arrived(message, show_numbers))
                    shown = message.sequence
                await anyio.sleep(_LOOK_AGAIN)
        except anyio.get_cancelled_exc_class():
            # A signal is how it ends, so it is no error.
            calls = sum(running.calls.values())
            output.note(f"Stopped. Calls: {calls:,}; messages: {running.accepted:,}.")


def _chosen(option: str, given: str, choices: type[_Choice]) -> _Choice:
    try:
        return choices(given)
    except ValueError:
        raise ValueError(f"{option}: one of {', '.join(choices)}") from None


def _running_screen(running: Running) -> RenderableType:
    credentials = {"SMSGATE_LOGIN": running.login, "SMSGATE_PASSWORD": running.password}
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in credentials.items())
    return Group(
        Text.assemble(("The sandbox is running.", "bold"), " Ctrl-C stops it.\n"),
        pairs({"inbox": running.inbox_url, "url": running.url, "WSDL": running.wsdl_url}),
        pairs({"login": running.login, "password": running.password, "faults": "; ".join(running.faults) or "none"}),
        Text("\nTry it from another terminal:\n", "bold"),
        unbroken(f"  export SMSGATE_URL={shlex.quote(running.url)}"),
        unbroken(f"  export {exports}"),
        Text("  export SMSGATE_SENDER=Shop"),
        unbroken('  smsgate send +380501234567 --text "Привіт"'),
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
    size = things(message.parts, "part")
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
