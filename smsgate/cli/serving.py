"""The command `smsgate sandbox`: runs a gateway on this machine until a signal stops it.

Rule of this file: the sandbox and its libraries, an extra, are imported inside functions.
"""

from __future__ import annotations

import os
import shlex
import ssl
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ..campaign.wording import things
from ..config import travels_in_clear
from ..privacy import mask_number, mask_numbers
from .help import PlainGroup
from .output import Output
from .shared_options import ShowNumbers, command
from .views import VIEWS, View, pairs, unbroken

if TYPE_CHECKING:
    from ..sandbox import Sandbox, SandboxCall, SandboxMessage, Settings

__all__ = ["Behaviour", "Listening", "app"]

app: typer.Typer = typer.Typer(cls=PlainGroup)

_Choice = TypeVar("_Choice", bound=StrEnum)

_PREFIX = "SMSGATE_SANDBOX_"
"""The beginning of each variable of the sandbox."""
_POLL_INTERVAL = 0.2
"""Seconds between two checks for new messages."""
# By `smsgate.sandbox.CallOutcome`, which is an extra.
_CALL_STYLES = {
    "done": "green",
    "done in part": "yellow",
    "refused": "red",
    "unreadable": "red",
    "not done": "yellow",
}
_behaviour = partial(typer.Option, rich_help_panel="Behaviour of the sandbox")
_listening = partial(typer.Option, rich_help_panel="Address of the sandbox")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Settings of the sandbox, with the names of `smsgate.sandbox.Settings`."""

    login: Annotated[
        str,
        _behaviour(metavar="NAME", help="The login that the sandbox accepts."),
    ] = "sandbox"
    password: Annotated[
        str,
        _behaviour(
            metavar="WORD",
            help="The password that the sandbox accepts. Do not use a real password.",
        ),
    ] = "sandbox"  # noqa: S105 - a word for tests
    account: Annotated[
        str,
        _behaviour(
            metavar="STATE",
            help="State of the account: active, not activated, blocked or disabled.",
        ),
    ] = "active"
    credits: Annotated[
        int,
        _behaviour(metavar="N", min=0, help="Credits at the start. Each part costs one credit."),
    ] = 10_000
    pay_in_part: Annotated[
        bool,
        _behaviour(
            "--pay-in-part",
            help="If credits run out, send to the first recipients and refuse only the rest.",
        ),
    ] = False
    senders: Annotated[
        str | None,
        _behaviour(metavar="NAMES", help="Approved senders, separated by commas. Default: all."),
    ] = None
    delivery_seconds: Annotated[
        float,
        _behaviour(metavar="S", min=0, help="Seconds from a send to its final delivery status."),
    ] = 3.0
    delivery_jitter: Annotated[
        float,
        _behaviour(
            metavar="SHARE",
            min=0,
            max=1,
            help="Vary the delivery time by up to this share, from 0 to 1.",
        ),
    ] = 0.0
    hold_seconds: Annotated[
        float,
        _behaviour(metavar="S", min=0, help="Delay each answer by this many seconds."),
    ] = 0.0
    session_idle_seconds: Annotated[
        float,
        _behaviour(metavar="S", min=0.1, help="Seconds after which an unused session expires."),
    ] = 1440.0
    session_calls: Annotated[
        int | None,
        _behaviour(
            metavar="N", min=1, help="Calls after which a session expires. Default: no limit."
        ),
    ] = None
    lock_cookies: Annotated[
        bool,
        _behaviour(
            "--lock/--no-lock", help="Process one request at a time per cookie, as PHP does."
        ),
    ] = True
    unauthorised: Annotated[
        str | None,
        _behaviour(
            metavar="TEXT", help="The answer for an expired session. Default: «Вы не авторизованы»."
        ),
    ] = None
    failed_slot: Annotated[
        str,
        _behaviour(
            metavar="KIND",
            help="What a refused number gets in place of a message id: sentence, empty or nil.",
        ),
    ] = "sentence"
    keep_messages: Annotated[
        int,
        _behaviour(metavar="N", min=1, help="How many messages to keep in memory (1 KB each)."),
    ] = 100_000
    keep_calls: Annotated[
        int,
        _behaviour(metavar="N", min=1, help="How many calls to keep in memory."),
    ] = 10_000
    seed: Annotated[
        int | None,
        _behaviour(metavar="N", help="Seed for message ids and random faults. Default: random."),
    ] = None

    def settings(self) -> Settings:
        """Return the settings. Raises `ValueError`, which names the option."""
        from ..sandbox import AccountState, FailedSlot, Settings  # noqa: PLC0415 - another extra

        given = asdict(self) | {
            "account": _chosen("account", self.account, AccountState),
            "failed_slot": _chosen("failed-slot", self.failed_slot, FailedSlot),
            "senders": None if self.senders is None else _senders(self.senders),
        }
        if self.unauthorised is None:
            del given["unauthorised"]
        return Settings(**given)


@dataclass(frozen=True, slots=True)
class Listening:
    """The address on which the sandbox listens, and TLS."""

    host: Annotated[str, _listening(metavar="HOST", help="The address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int,
        _listening(
            metavar="PORT", min=0, max=65535, help="The port to listen on; 0 chooses a free port."
        ),
    ] = 8025
    name: Annotated[
        list[str] | None,
        _listening(
            metavar="NAME",
            help="Another host name to accept in the Host header. May be repeated.",
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        _listening(metavar="PATH", help="Serve https with this certificate (PEM)."),
    ] = None
    tls_key: Annotated[
        Path | None,
        _listening(metavar="PATH", help="The certificate's key (PEM), if it is in another file."),
    ] = None

    @property
    def exposed(self) -> bool:
        """Whether other machines may reach the sandbox."""
        return travels_in_clear(
            f"http://[{self.host}]" if ":" in self.host else f"http://{self.host}"
        )

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, None without a certificate.

        Raises `ValueError`, which names the option.
        """
        if self.tls_cert is None:
            if self.tls_key:
                raise ValueError("tls-key: needs a certificate; add --tls-cert")
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except OSError as error:  # includes ssl.SSLError
            why = error.strerror or "no certificate and key in PEM format"
            raise ValueError(f"tls-cert: the certificate cannot be used ({why})") from None
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


@dataclass(frozen=True, slots=True)
class Called:
    """A call that the sandbox answered, or not."""

    call: SandboxCall
    show_numbers: bool


@command(app, serves=True, environment=_PREFIX)
async def sandbox(
    output: Output,
    context: typer.Context,
    listening: Listening,
    behaviour: Behaviour,
    *,
    fault: Annotated[
        list[str],
        typer.Option(
            metavar="RULE",
            help=(
                "Inject a fault: its kind, then an operation, a percentage, a count or a delay."
                " Examples: 'reset after,SendSMS,10%', 'slow,5s', '502 before,3x'. 'before' and"
                " 'after' mean before and after the gateway processes the request. May be"
                " repeated."
            ),
        ),
    ] = [],  # noqa: B006 - typer copies it
    show_numbers: ShowNumbers = False,
) -> None:
    """Run a local gateway for tests: the TurboSMS protocol, with an inbox in the browser.

    Press Ctrl-C to stop the sandbox. Each option is also an environment variable: --port is
    SMSGATE_SANDBOX_PORT. In a variable, separate the values of a repeatable option with ;.

    Example: smsgate sandbox --fault "reset after,SendSMS,10%"
    """
    from ..sandbox import MAGIC, Sandbox, parse_rule  # noqa: PLC0415 - another extra

    _warn_of_unknown_variables(context, output)
    rules = _filled(fault)
    served = Sandbox(
        behaviour.settings(),
        host=listening.host,
        port=listening.port,
        exposed=listening.exposed,
        names=_filled(listening.name or ()),
        tls=listening.tls(),
    )
    for words in rules:
        try:
            served.faults.add(**parse_rule(words))
        except ValueError as error:
            raise ValueError(f"fault: {str(error).removeprefix('fault: ')}") from None
    with served as running:
        numbers = tuple((row.number, row.note) for row in MAGIC)
        addresses = (running.inbox_url, running.url, running.wsdl_url)
        output.stream(Running(*addresses, behaviour.login, behaviour.password, rules, numbers))
        if listening.exposed:
            output.warn(
                f"the sandbox listens on {listening.host}, so other machines may reach it: they can"
                " read messages on the network and in the inbox, and send messages. Use it only in"
                " a network that you trust, and without real data"
            )
        shown = 0
        try:
            while True:
                shown = _show_calls(output, running, shown, show_numbers)
                await anyio.sleep(_POLL_INTERVAL)
        except anyio.get_cancelled_exc_class():
            # A signal is the normal end, not an error.
            _show_calls(output, running, shown, show_numbers)
            calls = sum(running.calls.values())
            output.note(f"Stopped. Calls: {calls:,}; messages: {running.accepted:,}.")


def _show_calls(output: Output, running: Sandbox, after: int, show_numbers: bool) -> int:
    """Show each call after this number, with its messages, and return the number of the last."""
    for call in running.calls_after(after):
        output.stream(Called(call, show_numbers))
        for message in running.messages_of(call):
            output.stream(Arrived(message, show_numbers))
        after = call.number
    return after


def _filled(values: Sequence[str]) -> tuple[str, ...]:
    """Return the values without spaces around them, and without empty ones."""
    return tuple(stripped for value in values if (stripped := value.strip()))


def _warn_of_unknown_variables(context: typer.Context, output: Output) -> None:
    known = {str(one.envvar) for one in context.command.get_params(context) if one.envvar}
    for name in sorted(os.environ.keys() - known):
        if name.startswith(_PREFIX):
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else "; see smsgate sandbox --help"
            output.warn(f"{name}: the sandbox has no such setting, so it has no effect{hint}")


def _senders(given: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in given.split(","))
    if "" in names:
        raise ValueError("senders: a name is missing; separate names by commas, such as Shop,Bank")
    return names


def _chosen(option: str, given: str, choices: type[_Choice]) -> _Choice:
    try:
        return choices(given)
    except ValueError:
        raise ValueError(f"{option}: must be one of {', '.join(choices)}") from None


def _running_screen(running: Running) -> RenderableType:
    credentials = {"SMSGATE_LOGIN": running.login, "SMSGATE_PASSWORD": running.password}
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in credentials.items())
    return Group(
        Text.assemble(("The sandbox is running.", "bold"), " Ctrl-C stops it.\n"),
        pairs({"inbox": running.inbox_url, "url": running.url, "WSDL": running.wsdl_url}),
        pairs(
            {
                "login": running.login,
                "password": running.password,
                "faults": "; ".join(running.faults) or "none",
            }
        ),
        Text("\nTry it from another terminal:\n", "bold"),
        unbroken(f"  export SMSGATE_URL={shlex.quote(running.url)}"),
        unbroken(f"  export {exports}"),
        Text("  export SMSGATE_SENDER=Shop"),
        unbroken('  smsgate send +380501234567 --text "Привіт"'),
        Text("\nNumbers with a fixed answer:\n", "bold"),
        pairs(dict(running.numbers)),
        Text("\nCalls and messages:\n", "bold"),
    )


def _running_document(running: Running) -> dict[str, Any]:
    document = asdict(running)
    return {"event": "running"} | document | {"numbers": dict(running.numbers)}


def _arrived_line(arrived: Arrived) -> RenderableType:
    message = arrived.message
    shown = str if arrived.show_numbers else mask_number
    at = datetime.fromtimestamp(message.accepted_at).astimezone()
    sender = (
        message.sender
        if arrived.show_numbers or not message.sender.lstrip("+").isdigit()
        else mask_number(message.sender)
    )
    size = things(message.parts, "part")
    return Text.assemble(
        (f"{at:%H:%M:%S}", "dim"),
        f"  {sender} → {shown(message.destination)}  {size}  ",
        (message.id, "dim"),
    )


def _arrived_document(arrived: Arrived) -> dict[str, Any]:
    message = arrived.message
    return {
        "event": "message",
        "at": message.accepted_at,
        "message_id": message.id,
        "destination": message.destination,
        "sender": message.sender,
        "parts": message.parts,
        "credits": Decimal(message.credits),
    }


def _called_line(called: Called) -> RenderableType:
    call = called.call
    at = datetime.fromtimestamp(call.at).astimezone()
    answer = call.answer if called.show_numbers else mask_numbers(call.answer)
    return Text.assemble(
        (f"{at:%H:%M:%S}", "dim"),
        "  ",
        (call.operation or "?", "bold"),
        f"  {call.session or 'no session'}  ",
        (call.outcome, _CALL_STYLES[call.outcome]),
        f"  {answer}" if answer and call.outcome != "done" else "",
        (f"  fault: {call.fault}" if call.fault else "", "yellow"),
    )


def _called_document(called: Called) -> dict[str, Any]:
    from ..sandbox.call_log import call_document  # noqa: PLC0415 - another extra

    return {"event": "call", **call_document(called.call)}


VIEWS[Running] = View(_running_screen, _running_document)
VIEWS[Arrived] = View(_arrived_line, _arrived_document)
VIEWS[Called] = View(_called_line, _called_document)
