"""The command `smsgate demo`: shows in a few seconds, on this machine, what smsgate promises.

Rule of this file: it uses only a sandbox and a session, as any user could, and leaves nothing but
the campaign's report. Output on the way goes to the stage, which is silent for machines; the report
at the end is a result like any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import TimeElapsedColumn
from rich.text import Text

from ..campaign.wording import duration, things
from ..errors import Outcome
from ..privacy import mask_number
from ..protocol.models import Message
from ..protocol.segments import segments
from ..session import AsyncSession, SendOutcome
from .campaign_views import states_table
from .demo_campaign import RECIPIENTS, CampaignShown, campaign_scene, recipients_twice
from .exits import Exit, exit_of
from .help import PlainGroup
from .output import Output
from .progress import DoneOfTotal, bar_of
from .shared_options import command
from .views import OUTCOMES, VIEWS, Look, View, state_look, table

if TYPE_CHECKING:
    from ..sandbox import Sandbox

__all__ = ["app"]

app: typer.Typer = typer.Typer(cls=PlainGroup)

_SENDER = "Shop"
_NUMBER = "+380501234567"
_TEXT = (
    "Ваше замовлення № 4815 вже в дорозі. Кур’єр зателефонує сьогодні з 14:00 до 16:00."
    " Дякуємо, що обрали нас!"
)
_PATIENCE = 20.0
_PART_WIDTH = 72
_MANY, _CONCURRENCY = 1_000, 8
_TROUBLE_EVERY = 16
"""One in this many messages goes to a number that causes an error."""

_PROMISE = (
    "smsgate sends to each recipient at most once. For each recipient it reports one of"
    " three outcomes: accepted, with the message id; not sent, with the reason; or in doubt, with"
    " the evidence."
)


_LOOKS: dict[Exit, Look] = {
    Exit.DONE: OUTCOMES[Outcome.ACCEPTED],
    Exit.REFUSED: OUTCOMES[Outcome.REFUSED],
    Exit.NOT_SENT: Look("✗", "red", "not sent"),
    Exit.IN_DOUBT: OUTCOMES[Outcome.IN_DOUBT],
}
_LOOK_OF = {look.word: look for look in _LOOKS.values()}


@dataclass(frozen=True, slots=True)
class One:
    """The single message: its size, and when its delivery status changed."""

    message_id: str
    alphabet: str
    parts: int
    units: int
    changes: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many messages had one outcome, and what the program gets for each of them."""

    outcome: str
    gets: str
    messages: int


@dataclass(frozen=True, slots=True)
class Book:
    """The messages that the gateway recorded."""

    messages: int
    recipients_twice: int
    credits: Decimal


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did."""

    one: One
    messages: int
    concurrency: int
    seconds: float
    outcomes: tuple[Outcomes, ...]
    book: Book
    campaign: CampaignShown

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds


@command(app)
async def demo(output: Output) -> None:
    """Run a free local demo: one send, 1,000 sends, and a campaign that survives kill -9.

    Example: smsgate demo
    """
    from ..sandbox import MAGIC, Sandbox, Settings  # noqa: PLC0415 - another extra

    stage, settings = output.stage, Settings(credits=20_000)
    trouble = [row.number for row in MAGIC if row.refuses or row.answers_all]
    with Sandbox(settings) as sandbox:
        async with AsyncSession(
            settings.login,
            settings.password,
            sender=_SENDER,
            url=sandbox.url,
            concurrency=_CONCURRENCY,
        ) as session:
            await _log_in(stage, session, sandbox.url)
            one = await _send_one(stage, session)
            _heading(stage, 3, f"{_MANY:,} messages, {_CONCURRENCY} requests at the same time")
            started = perf_counter()
            outcomes = await _send_many(output, session, trouble)
            seconds = perf_counter() - started
            book = _book(sandbox)
            _show(stage, _outcomes_screen(outcomes, seconds, book))
        _heading(stage, 4, f"A campaign of {RECIPIENTS:,} recipients, killed half-way")
        shown = await campaign_scene(output, sandbox)
        output.show(DemoReport(one, _MANY, _CONCURRENCY, seconds, outcomes, book, shown))


def _heading(stage: Console, number: int, title: str) -> None:
    stage.print()
    stage.print(Text.assemble((f"{number}", "bold cyan"), (f"  {title}", "bold")))
    stage.print()


def _show(stage: Console, *said: RenderableType) -> None:
    stage.print(Padding(Group(*said), (0, 0, 0, 3), expand=False))


async def _log_in(stage: Console, session: AsyncSession, url: str) -> None:
    _heading(stage, 1, "A gateway on this machine")
    _show(
        stage,
        Text(url),
        Text("It answers as the real gateway does. Nothing leaves this machine.", "dim"),
        Text(),
    )
    await session.auth()
    _show(
        stage,
        Text.assemble(
            ("✓ logged in", "green"), f"   balance {await session.get_credit_balance():,f} credits"
        ),
    )


async def _send_one(stage: Console, session: AsyncSession) -> One:
    size = segments(_TEXT)
    _heading(stage, 2, f"One message to {mask_number(_NUMBER)}, in {size.parts} parts")
    for place, part in enumerate(size.texts, start=1):
        _show(stage, _part(part, f"part {place} of {size.parts}"))
    _show(
        stage,
        Text(f"{size.alphabet}, {size.units} units, {size.free} free in the last part\n", "dim"),
    )
    started = perf_counter()
    message_id = (await session.send_sms(_NUMBER, _TEXT)).message_ids[0]
    _show(stage, Text.assemble(OUTCOMES[Outcome.ACCEPTED].text(), f"   {message_id}\n"))
    changes: list[tuple[float, str]] = []
    async for change in session.wait_for_delivery(message_id, timeout=_PATIENCE):
        changes.append((round(perf_counter() - started, 2), change.state))
        _show(
            stage, Text.assemble((f"{changes[-1][0]:.1f} s   ", "dim"), state_look(change).text())
        )
    return One(message_id, size.alphabet, size.parts, size.units, tuple(changes))


def _part(text: str, title: str) -> Panel:
    return Panel(
        Text(text),
        title=title,
        title_align="left",
        box=box.ROUNDED,
        border_style="dim",
        width=_PART_WIDTH,
    )


def _messages(trouble: Sequence[str]) -> Iterator[Message]:
    for number in range(_MANY):
        turn, rest = divmod(number, _TROUBLE_EVERY)
        destination = (
            trouble[turn % len(trouble)] if rest == _TROUBLE_EVERY - 1 else f"+38050{number:07}"
        )
        yield Message(destinations=destination, text=f"Ваш код: {number:04}")


async def _send_many(
    output: Output, session: AsyncSession, trouble: Sequence[str]
) -> tuple[Outcomes, ...]:
    found: Counter[tuple[Exit, str]] = Counter()
    with bar_of(output, DoneOfTotal(), TimeElapsedColumn(), before="  ") as bar:
        task = bar.add_task("", total=_MANY)
        async for outcome in session.send_many(_messages(trouble)):
            found[_became(outcome)] += 1
            bar.advance(task)
    ordered = sorted(found.items(), key=lambda row: (row[0][0], -row[1], row[0][1]))
    return tuple(Outcomes(_LOOKS[code].word, gets, times) for (code, gets), times in ordered)


def _became(outcome: SendOutcome) -> tuple[Exit, str]:
    """Return the outcome of a message, and what the program gets for it."""
    error = outcome.error
    if error is None:
        return Exit.DONE, "a message id for each"
    why = getattr(error, "answer", None) or getattr(error, "reason", "")
    return exit_of(error).code, f"{type(error).__name__}: {why}"


def _book(sandbox: Sandbox) -> Book:
    messages = sandbox.messages
    return Book(
        len(messages),
        recipients_twice(messages),
        sum((message.credits for message in messages), Decimal(0)),
    )


def _outcomes_screen(rows: tuple[Outcomes, ...], seconds: float, book: Book) -> RenderableType:
    outcomes = table("outcome", ">messages", "what the program gets")
    for row in rows:
        outcomes.add_row(_LOOK_OF[row.outcome].text(), f"{row.messages:,}", row.gets)
    rate = Text.assemble(
        (f"{_MANY / seconds:,.0f} messages per second", "bold"),
        f", {_MANY:,} in {duration(seconds)} on this machine.",
    )
    return Group(outcomes, Text(), rate, Text(_book_sentence(book)))


def _report_screen(report: DemoReport) -> RenderableType:
    shown = report.campaign
    unlisted = (
        "the campaign lists every recipient that the gateway accepted"
        if not shown.paid_and_not_listed
        else f"{shown.paid_and_not_listed} ACCEPTED RECIPIENTS ARE NOT LISTED"
    )
    closing = Group(
        Text(),
        states_table(shown.states),
        Text(),
        Text(
            f"The gateway's records: {_twice(shown.recipients_twice)}; {unlisted}."
            " You decide on the recipients in doubt."
        ),
        Text.assemble("The report for a manager: ", (shown.report, "bold")),
    )
    return Group(Padding(closing, (0, 0, 0, 3), expand=False), Text(), Text(_PROMISE, "bold"))


def _book_sentence(book: Book) -> str:
    messages, twice = (
        f"{book.messages:,} messages (1 + {book.messages - 1:,})",
        _twice(book.recipients_twice),
    )
    return f"The gateway's records: {messages}, {twice}, {things(book.credits, 'credit')}."


def _twice(recipients: int) -> str:
    return f"{things(recipients, 'recipient')} twice" if recipients else "no recipient twice"


def _report_document(report: DemoReport) -> dict[str, Any]:
    one = report.one
    return {
        "one": asdict(one)
        | {"changes": [{"seconds": seconds, "state": state} for seconds, state in one.changes]},
        "many": {
            "messages": report.messages,
            "concurrency": report.concurrency,
            "seconds": round(report.seconds, 3),
            "rate": round(report.rate, 1),
            "outcomes": [asdict(row) for row in report.outcomes],
        },
        "book": asdict(report.book),
        "campaign": asdict(report.campaign),
    }


VIEWS[DemoReport] = View(_report_screen, _report_document)
