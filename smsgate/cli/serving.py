"""The command `smsgate sandbox`: runs a gateway on this machine until a signal stops it.

Rule of this file: the sandbox and its libraries, an extra, are imported inside functions.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ..campaign.wording import things
from ..privacy import mask_number, mask_numbers
from .help import PlainGroup
from .linked_services import set_by_link
from .output import Output
from .sandbox_options import Behaviour, Listening, Outside, filled
from .shared_options import ShowNumbers, command
from .views import VIEWS, View, pairs, unbroken

if TYPE_CHECKING:
    from ..sandbox import Sandbox, SandboxCall, SandboxMessage

__all__ = ["app"]

app: typer.Typer = typer.Typer(cls=PlainGroup)

_PREFIX = "SMSGATE_SANDBOX_"
"""The beginning of each variable of the sandbox."""
_POLL_INTERVAL = 0.2
"""Seconds between two checks for new messages."""
_WEBHOOK_PAUSE = 10.0
"""Seconds between two warnings of the webhook."""
# By `smsgate.sandbox.CallOutcome`, which is an extra.
_CALL_STYLES = {
    "done": "green",
    "done in part": "yellow",
    "refused": "red",
    "unreadable": "red",
    "not done": "yellow",
}


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that is running, and how to reach it."""

    inbox_url: str
    url: str
    wsdl_url: str
    login: str
    password: str
    other_logins: tuple[str, ...]
    database: str | None
    webhook: str | None
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
    outside: Outside,
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

    Example: smsgate sandbox --database sandbox.db --fault "reset after,SendSMS,10%"
    """
    from ..sandbox import MAGIC, Sandbox, parse_rule  # noqa: PLC0415 - another extra

    _warn_of_unknown_variables(context, output)
    rules = filled(fault)
    served = Sandbox(
        behaviour.settings(),
        host=listening.host,
        port=listening.port,
        exposed=listening.exposed,
        names=filled(listening.name or ()),
        tls=listening.tls(),
        database=outside.database,
        webhook=outside.webhook,
    )
    for words in rules:
        try:
            served.faults.add(**parse_rule(words))
        except ValueError as error:
            raise ValueError(f"fault: {str(error).removeprefix('fault: ')}") from None
    started_with = served.call_log[-1].number if served.call_log else 0
    with served as running:
        numbers = tuple((row.number, row.note) for row in MAGIC)
        webhook = running.webhook
        output.stream(
            Running(
                running.inbox_url,
                running.url,
                running.wsdl_url,
                behaviour.login,
                behaviour.password,
                other_logins=tuple(row.login for row in running.accounts[1:]),
                database=None if outside.database is None else str(outside.database),
                webhook=None if webhook is None else webhook.url,
                faults=rules,
                numbers=numbers,
            )
        )
        if listening.exposed:
            output.warn(
                f"the sandbox listens on {listening.host}, so other machines may reach it: they can"
                " read messages on the network and in the inbox, and send messages. Use it only in"
                " a network that you trust, and without real data"
            )
        # An earlier run has shown those that the database has kept.
        shown, failures = started_with, _WebhookFailures(output, running)
        try:
            while True:
                shown = _show_calls(output, running, shown, show_numbers)
                failures.tell()
                await anyio.sleep(_POLL_INTERVAL)
        except anyio.get_cancelled_exc_class():
            # A signal is the normal end, not an error.
            _show_calls(output, running, shown, show_numbers)
            failures.tell(last=True)
            calls = sum(running.calls.values())
            output.note(f"Stopped. Calls: {calls:,}; messages: {running.accepted:,}.")


class _WebhookFailures:
    """Warns of messages that the webhook has not delivered, with a pause between two lines."""

    def __init__(self, output: Output, sandbox: Sandbox) -> None:
        self._output = output
        self._sandbox = sandbox
        self._told = 0
        self._told_at: float | None = None

    def tell(self, *, last: bool = False) -> None:
        """Warn if there are more than before. The `last` time, do not wait for the pause."""
        counts, now = self._sandbox.webhook, anyio.current_time()
        if counts is None or (lost := counts.failed + counts.dropped) == self._told:
            return
        if last or self._told_at is None or now - self._told_at >= _WEBHOOK_PAUSE:
            why = f" ({counts.last_error})" if counts.last_error else ""
            self._output.warn(
                f"webhook: {things(lost, 'message')} not delivered to {counts.url}{why}"
            )
            self._told, self._told_at = lost, now


def _show_calls(output: Output, running: Sandbox, after: int, show_numbers: bool) -> int:
    """Show each call after this number, with its messages, and return the number of the last."""
    for call in running.calls_after(after):
        output.stream(Called(call, show_numbers))
        for message in running.messages_of(call):
            output.stream(Arrived(message, show_numbers))
        after = call.number
    return after


def _warn_of_unknown_variables(context: typer.Context, output: Output) -> None:
    known = {str(one.envvar) for one in context.command.get_params(context) if one.envvar}
    for name in sorted(os.environ.keys() - known):
        if name.startswith(_PREFIX) and not set_by_link(
            name.removeprefix(_PREFIX), os.environ[name]
        ):
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else "; see smsgate sandbox --help"
            output.warn(f"{name}: the sandbox has no such setting, so it has no effect{hint}")


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
                **({"others": ", ".join(running.other_logins)} if running.other_logins else {}),
                "faults": "; ".join(running.faults) or "none",
                **({"database": running.database} if running.database else {}),
                **({"webhook": running.webhook} if running.webhook else {}),
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
        "account": message.account,
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
