"""The commands `smsgate campaign ...`: bulk sending that survives `kill -9`.

Rule of this file: a command opens the file, asks the campaign, and shows the answer. The first signal waits for what is under
way, the second stops at once.
"""

from __future__ import annotations

import getpass
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer
from anyio.lowlevel import current_token

from .._client.spawn import call_soon
from ..campaign import (
    Campaign,
    Event,
    Figures,
    HiddenRows,
    JournalError,
    RecipientInDoubt,
    RecipientState,
    RequestInDoubt,
    RunOutcome,
    RunResult,
    Source,
    file_source,
)
from ..campaign.runner import MOST_IN_REQUEST
from ..campaign.wording import DECISIONS, as_sentence, things
from ..errors import InDoubt, NotSent
from ..ledger.states import before
from ..session import AsyncSession
from .campaign_views import Done, InDoubtList, Made, Planned, Polled, Resolved, Skipped, Status
from .credentials import at_terminal, country_of
from .exits import Exit, RunInterrupted
from .help import PlainGroup
from .output import Output
from .progress import CampaignBar, working
from .shared_options import Account, Country, ShowNumbers, command
from .signals import SIGNALS

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    name="campaign",
    cls=PlainGroup,
    help="Send to many from a file that survives kill -9, and see what became of everybody.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file of the campaign.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_S = RecipientState

_NAMED = 10
"""Requests that an error names at most."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is sent, and how the list is read."""

    sender: Annotated[str, typer.Option(metavar="NAME", help="Signature or number.")]
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="The text; {column} stands for a field of the list.")] = None
    wappush: Annotated[str | None, typer.Option(metavar="URL", help="An address to send as a WAP push.")] = None
    phone_column: Annotated[str | None, typer.Option(metavar="NAME", help="The column of the numbers, if not found.")] = None
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line is a recipient; columns are {1}, {2} ... Found where it is plain.")
    ] = False
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Encoding of a CSV file, if not found.")] = None
    delimiter: Annotated[str | None, typer.Option(metavar="C", help="Delimiter of a CSV file, if not found.")] = None
    sheet: Annotated[
        str | None, typer.Option(metavar="NAME", help="Sheet of a spreadsheet; the first visible one if absent.")
    ] = None
    hidden: Annotated[
        HiddenRows | None,
        typer.Option(help="Hidden rows and columns of a spreadsheet: use them, or leave them out. Refused if absent."),
    ] = None
    country: Country = None
    name: Annotated[str | None, typer.Option(metavar="NAME", help="A name for reports; that of the file if absent.")] = None
    forget_texts: Annotated[bool, typer.Option("--forget-texts", help="Drop texts once they are sent.")] = False

    def source(self, path: Path) -> Source:
        """Return the recipients of a list. Raises as `file_source` does."""
        return file_source(
            path,
            phone_column=self.phone_column,
            header=False if self.no_header else None,
            encoding=self.encoding,
            delimiter=self.delimiter,
            sheet=self.sheet,
            hidden=self.hidden,
        )


@command(app, changes=True)
def new(
    output: Output,
    file: File,
    contacts: Annotated[
        Path, typer.Argument(metavar="LIST", help="A CSV file or a spreadsheet; - reads CSV from standard input.")
    ],
    contents: Contents,
    show_numbers: ShowNumbers = False,
) -> None:
    """Make a campaign from a list. Nothing is sent yet."""
    with working(output, "Reading the list") as tell:
        source = contents.source(contacts)
        made = Campaign.create(
            file,
            source,
            sender=contents.sender,
            text=contents.text,
            wappush=contents.wappush,
            country=contents.country or country_of(None),
            name=contents.name,
            forget_texts=contents.forget_texts,
            on_progress=lambda rows: tell(source.part(), f"{rows:,} rows"),
        )
    with made as campaign:
        if campaign.added is not None and campaign.preview is not None:
            output.show(Made(shlex.quote(str(file)), campaign.added, campaign.plan(), source, campaign.preview, show_numbers))


@command(app)
def skipped(output: Output, file: File, show_numbers: ShowNumbers = False) -> None:
    """Show who is skipped: which line of the list, and why."""
    with Campaign.open(file, writing=False) as campaign:
        output.show(Skipped(tuple(campaign.skipped()), show_numbers))


@command(app, sends=True)
async def run(
    output: Output,
    file: File,
    account: Account,
    *,
    rate: Annotated[float | None, typer.Option(metavar="N", min=0.001, max=1e6, help="Recipients a second at most.")] = None,
    batch: Annotated[int, typer.Option(metavar="N", min=1, max=MOST_IN_REQUEST, help="Recipients in one request at most.")] = 100,
    yes: Yes = False,
) -> int:
    """Send to everybody who is pending. Run it again after any interruption."""
    quoted = shlex.quote(str(file))
    with Campaign.open(file) as campaign:
        async with account.session() as session:
            plan = campaign.plan(balance=await _balance(output, session), rate=rate)
            if not plan.pending:
                output.note("Nobody is pending.")
            else:
                output.stream(Planned(plan, rate))
                _ask(f"Send to {things(plan.pending, 'recipient')} for about {things(plan.cost, 'credit')}?", yes=yes)
            with CampaignBar(output, plan.pending) as shown:
                runner = campaign.runner(session, rate=rate, batch=batch, on_progress=shown.run)
                end: RunResult | None = None
                output.interrupted = partial(RunInterrupted, quoted)
                with _stopping(output, runner.stop, "Ctrl-C again stops at once; what may have left stays in doubt."):
                    end = await runner.run()
        if end is None:
            end = RunResult(RunOutcome.CUT_OFF, "stopped at once", campaign.journal.states())
            output.stream(InDoubtList(quoted, _in_doubt(campaign), show_numbers=False))
        output.stream(Done(end, quoted))
        return _exit_of(end)


async def _balance(output: Output, session: AsyncSession) -> Decimal | None:
    """Return the balance. A gateway that does not work is no reason to end: the run waits for it."""
    try:
        return await session.get_credit_balance()
    except (NotSent, InDoubt) as error:
        output.warn(f"The balance is not known: {error}")
        return None


@command(app)
def status(output: Output, file: File) -> None:
    """Show where a campaign stands, also while it runs."""
    with _looked_at(file) as campaign:
        output.show(Status(_counted(output, campaign)))


def _counted(output: Output, campaign: Campaign) -> Figures:
    with working(output, "Counting") as tell:
        return campaign.figures(on_progress=tell)


@command(app)
def in_doubt(output: Output, file: File, show_numbers: ShowNumbers = False) -> int:
    """Show who is in doubt: since when, why, and with which evidence."""
    with _looked_at(file) as campaign:
        requests = _in_doubt(campaign)
    output.show(InDoubtList(shlex.quote(str(file)), requests, show_numbers))
    return Exit.IN_DOUBT if requests else Exit.DONE


def _looked_at(file: Path) -> Campaign:
    """Open a campaign to look at it. If no run is at it, who was in flight when the last one was killed is in doubt by now."""
    with suppress(JournalError, OSError):
        return Campaign.open(file)
    return Campaign.open(file, writing=False)  # a run is at it, or nothing can be written here, or it tells what is wrong


def _in_doubt(campaign: Campaign) -> tuple[tuple[RequestInDoubt, tuple[RecipientInDoubt, ...]], ...]:
    return tuple((request, tuple(campaign.recipients_in_doubt(request.id))) for request in campaign.in_doubt())


@dataclass(frozen=True, slots=True)
class Word:
    """What the operator says: one of these."""

    sent: Annotated[bool, typer.Option("--sent", help=as_sentence(DECISIONS[Event.ASSUME_SENT]))] = False
    resend: Annotated[bool, typer.Option("--resend", help=as_sentence(DECISIONS[Event.RESEND]))] = False
    give_up: Annotated[bool, typer.Option("--give-up", help=as_sentence(DECISIONS[Event.GIVE_UP]))] = False
    found: Annotated[str | None, typer.Option(metavar="ID", help="The gateway gave this id; for one --line.")] = None
    cancel: Annotated[bool, typer.Option("--cancel", help="Never send to those that are still pending.")] = False

    @property
    def event(self) -> Event:
        """Return it. Raises `ValueError` unless it is just one."""
        said = {
            Event.ASSUME_SENT: self.sent,
            Event.RESEND: self.resend,
            Event.GIVE_UP: self.give_up,
            Event.FOUND: self.found is not None,
            Event.CANCEL: self.cancel,
        }
        chosen = [event for event, given in said.items() if given]
        if len(chosen) != 1:
            raise ValueError("say one of --sent, --resend, --give-up, --found ID and --cancel")
        return chosen[0]


_RISKS = {
    Event.RESEND: "Whoever was sent to already will get it twice, and is paid for twice. Send again?",
    Event.CANCEL: "Those that are cancelled are never sent to. Go on?",
}


@command(app, changes=True)
def resolve(
    output: Output,
    file: File,
    word: Word,
    *,
    request: Annotated[int | None, typer.Option(metavar="N", help="Of this request alone.")] = None,
    line: Annotated[int | None, typer.Option(metavar="N", help="Of this line of the list alone.")] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is written down with who and when.")] = "",
    yes: Yes = False,
) -> int:
    """Say what becomes of the recipients in doubt, or cancel those that are pending. It is written down, with who and when."""
    event = word.event
    with Campaign.open(file) as campaign:
        if event in _RISKS:
            _ask(_RISKS[event], yes=yes)
        moved = campaign.resolve(event, request=request, line=line, who=getpass.getuser(), note=note, message_id=word.found)
        if not moved:
            raise ValueError(_not_there(campaign, before(event), request, line))
        left = campaign.figures().count(_S.IN_DOUBT)
    output.show(Resolved(moved, event, left))
    return Exit.DONE


def _not_there(campaign: Campaign, state: RecipientState, request: int | None, line: int | None) -> str:
    """Return why a word of the operator was about nobody."""
    of_request = None if request is None else f"request {request}"
    named = " of ".join(part for part in (None if line is None else f"line {line}", of_request) if part)
    if not named or not campaign.figures().count(state):
        return f"no recipient of this campaign is {state}: look with 'smsgate campaign status'"
    others = [str(one.id) for one in campaign.in_doubt()] if state is _S.IN_DOUBT else []
    more = "" if len(others) <= _NAMED else f" and {len(others) - _NAMED} more"
    instead = f"; they are in request {', '.join(others[:_NAMED])}{more}" if others else ""
    return f"no recipient of {named} is {state}{instead}: look with 'smsgate campaign in-doubt' or 'smsgate campaign export'"


@command(app, changes=True)
async def poll(
    output: Output,
    file: File,
    account: Account,
    *,
    rate: Annotated[float, typer.Option(metavar="N", min=0.001, help="Questions a second at most.")] = 50.0,
    again: Annotated[float, typer.Option(metavar="S", min=0.1, help="Seconds until the same is asked again.")] = 15.0,
    timeout: Annotated[float | None, typer.Option(metavar="S", min=0.1, help="Seconds at most.")] = None,
) -> int:
    """Ask for delivery statuses until each is final."""
    with Campaign.open(file) as campaign:
        async with account.session() as session:
            with CampaignBar(output, campaign.journal.next_ask()[0]) as shown:
                poller = campaign.poller(session, rate=rate, again=again, timeout=timeout, on_progress=shown.poll)
                with _stopping(output, poller.stop, "Ctrl-C again stops at once."):
                    await poller.poll()
        progress = poller.progress
        output.show(Polled(progress, campaign.figures().deliveries))
        if SIGNALS.first and progress.open:
            return SIGNALS.code
        return Exit.IN_PART if progress.open else Exit.DONE


@command(app)
def report(
    output: Output,
    file: File,
    *,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Write a page with charts, to be opened or printed.")] = None,
    show_numbers: ShowNumbers = False,
) -> None:
    """Show what became of everybody, or write it as a page with charts."""
    with Campaign.open(file, writing=False) as campaign:
        if html is None:
            output.show(Status(_counted(output, campaign)))
        else:
            with working(output, "Writing the report") as tell:
                campaign.write_report(html, show_numbers=show_numbers, on_progress=tell)
            output.note(f"Written: {html}")


@command(app)
def export(
    output: Output,
    file: File,
    target: Annotated[Path, typer.Argument(metavar="CSV", help="The file to write.")],
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    mask_numbers: Annotated[bool, typer.Option("--mask-numbers", help="Mask the numbers.")] = False,
    delimiter: Annotated[str, typer.Option(metavar="C", help="Delimiter; Excel in Ukraine expects a semicolon.")] = ",",
) -> None:
    """Write everybody to a CSV file that is safe to open in a spreadsheet. It has the numbers in full, unless told otherwise."""
    with Campaign.open(file, writing=False) as campaign:
        total = sum(campaign.journal.states().values()) or 1
        with working(output, "Writing the list") as tell:
            campaign.export(
                target,
                overwrite=overwrite,
                show_numbers=not mask_numbers,
                delimiter=delimiter,
                on_progress=lambda rows: tell(rows / total, f"{rows:,} of {total:,}"),
            )
    output.note(f"Written: {target}")


@command(app, changes=True)
def purge(output: Output, file: File, *, yes: Yes = False) -> None:
    """Forget numbers, texts and ids, and keep the figures."""
    with Campaign.open(file) as campaign:
        _ask("Numbers, texts and ids are forgotten for good. Go on?", yes=yes)
        campaign.purge()
        output.show(Status(campaign.figures()))


def _ask(question: str, *, yes: bool) -> None:
    """Return if the user agrees. Raises `ValueError` if not, or if there is nobody to ask."""
    if yes:
        return
    if not at_terminal():
        raise ValueError("nobody is there to agree: say --yes")
    with SIGNALS.blocking():
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        said = sys.stdin.readline().strip().lower()
    if said not in ("y", "yes", "т", "так"):
        raise ValueError("not agreed; nothing was done")


def _exit_of(end: RunResult) -> int:
    """Return the exit code of a run: the first row that fits."""
    rows = (
        (end.outcome is RunOutcome.PAUSED, Exit.REFUSED),
        (end.outcome in (RunOutcome.STOPPED, RunOutcome.CUT_OFF), SIGNALS.code),
        (end.states.get(_S.IN_DOUBT, 0) > 0, Exit.IN_DOUBT),
        (end.states.get(_S.REFUSED, 0) > 0, Exit.IN_PART),
    )
    return next((code for fits, code in rows if fits), Exit.DONE)


@contextmanager
def _stopping(output: Output, stop: Callable[[], None], again: str) -> Iterator[None]:
    """Let the first signal stop gently, and the second at once. `again` says what that means."""

    def gently() -> None:
        stop()
        output.note(f"Stopping ({SIGNALS.said}): waiting for what is under way. {again}")

    soon = partial(call_soon, current_token())
    with anyio.CancelScope() as scope, SIGNALS.reacting(partial(soon, scope.cancel)), SIGNALS.reacting(partial(soon, gently)):
        yield
