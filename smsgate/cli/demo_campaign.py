"""The last scene of `smsgate demo`: a campaign that is killed half-way and then continues.

Its delivery is followed before the report is written, so the report shows delivered messages.

Rule of this file: a real process is really killed, and the figures come from the campaign file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import anyio.to_thread
from rich.console import Console
from rich.text import Text

from ..campaign import Campaign, Progress, RecipientState, rows_source
from ..protocol.answers import DeliveryState
from ..session import AsyncSession
from .progress import CampaignBar

if TYPE_CHECKING:
    from ..sandbox import Sandbox, SandboxMessage
    from .output import Output

__all__ = ["RECIPIENTS", "CampaignShown", "campaign_scene", "recipients_twice"]

RECIPIENTS = 10_000
_PREFIX = "+38067"
"""The prefix of the campaign's numbers, and of no other number of the demo."""
_RATE, _BATCH, _CONCURRENCY = 3_000, 25, 8
_KILLED_AT = 0.4
"""The share of recipients that have an outcome when the process is killed."""
_POLL_INTERVAL = 0.1
_HELD = 30.0
"""Seconds by which the gateway delays answers before the kill, so that requests are in flight."""
_FOLLOWED = 10.0
"""The most seconds of following the delivery. The report says how many were not asked."""
_REPORT = "report.html"
_S = RecipientState


@dataclass(frozen=True, slots=True)
class CampaignShown:
    """What the scene showed: the figures of the campaign file, and of the gateway's records."""

    recipients: int
    settled_when_killed: int
    in_flight_when_killed: int
    states: Mapping[RecipientState, int]
    delivered: int
    recipients_twice: int
    paid_and_not_listed: int
    report: str


async def campaign_scene(output: Output, sandbox: Sandbox) -> CampaignShown:
    """Create a campaign, kill the process that sends it, continue, and write the report."""
    stage = output.stage
    sandbox.faults.add("drop after", operation="SendSMS", probability=0.01)
    with tempfile.TemporaryDirectory(prefix="smsgate-demo-") as folder:
        file = Path(folder) / "spring.sms"
        rows = rows_source(
            {"phone": f"{_PREFIX}{number:07}", "name": f"Олено {number % 7}"}
            for number in range(RECIPIENTS)
        )
        Campaign.create(file, rows, sender="Shop", text="{name}, знижка 20% лише сьогодні!").close()
        killed = await _run(output, file, sandbox, until=_KILLED_AT)
        settled, in_flight = _settled(killed), killed.count(_S.IN_FLIGHT)
        at = f" with {settled:,} of {RECIPIENTS:,} done, and {in_flight:,} in flight"
        _say(stage, Text.assemble(("✗ kill -9", "red"), at))
        await _run(output, file, sandbox, until=None)
        _say(
            stage,
            Text.assemble(
                ("✓ run again", "green"),
                ": continues where the first run stopped, and sends to no recipient twice",
            ),
        )
        with Campaign.open(file) as campaign:
            await _follow(output, campaign, sandbox)
            figures = campaign.figures()
            report = Path(tempfile.mkdtemp(prefix="smsgate-demo-")) / _REPORT
            campaign.write_report(report)
            listed = {
                one.number
                for one in campaign.recipients()
                if one.state in (_S.ACCEPTED, _S.IN_DOUBT)
            }
    paid = [message for message in sandbox.messages if message.destination.startswith(_PREFIX)]
    return CampaignShown(
        recipients=RECIPIENTS,
        settled_when_killed=settled,
        in_flight_when_killed=in_flight,
        states=figures.states,
        delivered=figures.deliveries.get(DeliveryState.DELIVERED, 0),
        recipients_twice=recipients_twice(paid),
        paid_and_not_listed=sum(message.destination not in listed for message in paid),
        report=str(report),
    )


async def _follow(output: Output, campaign: Campaign, sandbox: Sandbox) -> None:
    """Ask for the delivery of the messages until each status is final, or the time is over."""
    settings = sandbox.settings
    _say(output.stage, Text("… asking whether each message was delivered", "dim"))
    async with AsyncSession(
        settings.login, settings.password, url=sandbox.url, concurrency=_CONCURRENCY
    ) as session:
        with CampaignBar(output, campaign.journal.next_ask()[0], before="  ", every=inf) as bar:
            await campaign.poll(
                session, rate=None, again=1.0, timeout=_FOLLOWED, on_progress=bar.poll
            )


def _say(stage: Console, said: Text) -> None:
    stage.print(Text("   ") + said)


def recipients_twice(messages: Iterable[SandboxMessage]) -> int:
    """Return how many recipients got more than one of these messages."""
    return sum(times > 1 for times in Counter(message.destination for message in messages).values())


def _settled(progress: Progress) -> int:
    return RECIPIENTS - progress.count(_S.PENDING, _S.IN_FLIGHT)


async def _run(output: Output, file: Path, sandbox: Sandbox, *, until: float | None) -> Progress:
    """Run the real command and show its progress. At the share `until`, kill the process.

    The process is killed with requests in flight. Returns the recipients in each state afterwards.
    """
    settings = sandbox.settings
    account = {
        "SMSGATE_LOGIN": settings.login,
        "SMSGATE_PASSWORD": settings.password,
        "SMSGATE_URL": sandbox.url,
    }
    options = f"--rate {_RATE} --batch {_BATCH} --concurrency {_CONCURRENCY} --yes --json".split()
    command = [sys.executable, "-m", "smsgate", "campaign", "run", str(file), *options]
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - starting this program is fast
        command,
        env=os.environ | account,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=file.parent,
    )
    with process:
        try:
            if process.stdout:
                # After the first line, the run holds the file. Opened earlier, the campaign would
                # be a copy, which does not change.
                await anyio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)
            with (
                Campaign.open(file, writing=False) as campaign,
                CampaignBar(output, RECIPIENTS, before="  ", every=inf) as bar,
            ):
                progress = Progress(campaign.journal.states())
                while process.poll() is None:
                    bar.run(progress)
                    await anyio.sleep(_POLL_INTERVAL)
                    before, progress.states = _settled(progress), campaign.journal.states()
                    progress.settled(_settled(progress) - before, monotonic())
                    if until is not None and _settled(progress) >= until * RECIPIENTS:
                        await _kill(process, sandbox)
                return Progress(campaign.journal.states())
        finally:
            process.kill()


async def _kill(process: subprocess.Popen[bytes], sandbox: Sandbox) -> None:
    """Kill the process while the gateway delays an answer: the messages are sent and paid for."""
    held = sandbox.faults.add("slow", operation="SendSMS", seconds=_HELD)
    faults = sandbox.faults
    while process.poll() is None and not faults.struck[held.kind]:  # noqa: ASYNC110 - set elsewhere
        await anyio.sleep(_POLL_INTERVAL)
    process.kill()
    process.wait()
    faults.remove(held.id)
