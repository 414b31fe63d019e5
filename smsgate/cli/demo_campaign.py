"""The last scene of `smsgate demo`: a campaign that is killed half-way, goes on, and accounts for everybody.

Rule of this file: the kill is a real one, of a real process, and what is shown is read from the campaign's own file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from ..campaign import Campaign, RecipientState, rows_source
from .campaign_views import LOOKS

if TYPE_CHECKING:
    from ..sandbox import Sandbox
    from .output import Output

__all__ = ["RECIPIENTS", "CampaignShown", "campaign_scene"]

RECIPIENTS = 10_000
_RATE, _BATCH, _CONCURRENCY = 3_000, 25, 8
_KILLED_AT = 0.4
"""Which share has its outcome when the process is killed."""
_LOOK_AGAIN = 0.1
_HELD = 30.0
"""Seconds for which the gateway would keep an answer back at the kill, so that requests are under way whatever the machine."""
_REPORT = "report.html"
_S = RecipientState


@dataclass(frozen=True, slots=True)
class CampaignShown:
    """What the scene showed: the figures of the file, and those of the gateway's own book."""

    recipients: int
    settled_when_killed: int
    in_flight_when_killed: int
    states: dict[str, int]
    recipients_twice: int
    paid_and_not_listed: int
    report: str


@dataclass(frozen=True, slots=True)
class _Standing:
    """How many recipients of the file have their outcome, and how many are in a request."""

    settled: int
    in_flight: int
    in_doubt: int


async def campaign_scene(output: Output, sandbox: Sandbox) -> CampaignShown:
    """Make a campaign, kill the process that sends it, go on, and write the report."""
    stage = output.stage
    sandbox.faults.add("drop after", operation="SendSMS", probability=0.01)
    with tempfile.TemporaryDirectory(prefix="smsgate-demo-") as folder:
        file = Path(folder) / "spring.sms"
        rows = rows_source({"phone": f"+38067{number:07}", "name": f"Олено {number % 7}"} for number in range(RECIPIENTS))
        Campaign.create(file, rows, sender="Shop", text="{name}, знижка 20% лише сьогодні!").close()
        killed = await _run(output, file, sandbox, until=_KILLED_AT)
        at = f" with {killed.settled:,} of {RECIPIENTS:,} done, and {killed.in_flight:,} in requests under way"
        _say(stage, Text.assemble(("✗ kill -9", "red"), at))
        await _run(output, file, sandbox, until=None)
        _say(stage, Text.assemble(("✓ run again", "green"), ": it goes on where it stopped, and sends to nobody twice"))
        with Campaign.open(file) as campaign:
            states = campaign.figures().states
            report = Path(tempfile.mkdtemp(prefix="smsgate-demo-")) / _REPORT
            campaign.write_report(report)
            unlisted = _unlisted(campaign, sandbox)
    numbers = Counter(message.destination for message in sandbox.messages)
    return CampaignShown(
        recipients=RECIPIENTS,
        settled_when_killed=killed.settled,
        in_flight_when_killed=killed.in_flight,
        states={str(state): states[state] for state in LOOKS if states.get(state)},
        recipients_twice=sum(times > 1 for number, times in numbers.items() if number.startswith("+38067")),
        paid_and_not_listed=unlisted,
        report=str(report),
    )


def _say(stage: Console, said: Text) -> None:
    stage.print(Text("   ") + said)


def _unlisted(campaign: Campaign, sandbox: Sandbox) -> int:
    """Return how many messages the gateway took of whom the file does not say accepted or in doubt."""
    listed = {one.number for one in campaign.recipients() if one.state in (_S.ACCEPTED, _S.IN_DOUBT)}
    return sum(message.destination not in listed for message in sandbox.messages if message.destination.startswith("+38067"))


def _standing(campaign: Campaign) -> _Standing:
    states = campaign.journal.states()
    in_flight = states.get(_S.IN_FLIGHT, 0)
    return _Standing(RECIPIENTS - states.get(_S.PENDING, 0) - in_flight, in_flight, states.get(_S.IN_DOUBT, 0))


async def _run(output: Output, file: Path, sandbox: Sandbox, *, until: float | None) -> _Standing:
    """Let a process send, and show how far it is; kill it with requests under way when it has come so far. Returns how it left
    the file.
    """
    settings = sandbox.settings
    account = {"SMSGATE_LOGIN": settings.login, "SMSGATE_PASSWORD": settings.password, "SMSGATE_URL": sandbox.url}
    options = ["--rate", str(_RATE), "--batch", str(_BATCH), "--concurrency", str(_CONCURRENCY), "--yes", "--json"]
    command = [sys.executable, "-m", "smsgate", "campaign", "run", str(file), *options]
    bar = Bar(
        TextColumn("  "),
        BarColumn(bar_width=46, complete_style="cyan", finished_style="green"),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=output.messages,
        transient=True,
        disable=not output.at_terminal,
    )
    with Campaign.open(file, writing=False) as campaign:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - this very program; starting it takes no time
            command, env=os.environ | account, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=file.parent
        )
        try:
            with bar:
                task = bar.add_task("", total=RECIPIENTS)
                while process.poll() is None:
                    now = _standing(campaign)
                    bar.update(task, completed=now.settled, description=f"[yellow]? {now.in_doubt:,}" if now.in_doubt else "")
                    if until is not None and now.settled >= until * RECIPIENTS:
                        await _kill(process, sandbox)
                        break
                    await anyio.sleep(_LOOK_AGAIN)
        finally:
            process.kill()
            process.wait()
        return _standing(campaign)


async def _kill(process: subprocess.Popen[bytes], sandbox: Sandbox) -> None:
    """Kill the process while the gateway has a send of it in its hands: done, paid for, and not yet answered."""
    held = sandbox.faults.add("slow", operation="SendSMS", seconds=_HELD)
    while process.poll() is None and not sandbox.faults.struck[held.kind]:  # noqa: ASYNC110 - struck in the server's thread
        await anyio.sleep(_LOOK_AGAIN)
    process.kill()
    sandbox.faults.remove(held.id)
