"""The commands `smsgate campaign ...`: bulk sending that survives `kill -9`.

Rule of this file: a command opens the file, calls the campaign, and shows the answer. The first
signal waits for requests in flight, the second stops immediately.
"""

from __future__ import annotations

import getpass
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
    CampaignPaused,
    Event,
    Figures,
    HiddenRows,
    JournalError,
    Prices,
    RecipientInDoubt,
    RecipientState,
    RequestInDoubt,
    RunOutcome,
    RunResult,
    Source,
    file_source,
)
from ..campaign.pace import MOST_IN_REQUEST
from ..errors import InDoubt, NotSent
from ..known_sentences import retold
from ..languages import plural, say, spoken, translatable
from ..ledger.arguments import check_lines
from ..ledger.contract import shared
from ..ledger.records import Lines
from ..ledger.states import before
from ..session import AsyncSession
from .campaign_place import CampaignPlace
from .campaign_views import Done, InDoubtList, Made, Planned, Polled, Resolved, Skipped, Status
from .confirming import Yes, confirm
from .credentials import country_of, stop_list_of
from .escapes import Escape, unescaped
from .exits import Exit, RunInterrupted
from .help import SpeakingGroup
from .output import Output
from .preview_commands import preview, send_test
from .price_list import (
    MaxCost,
    PriceList,
    cost_limit,
    cost_words,
    credits_words,
    price_list,
)
from .progress import CampaignBar, working
from .rewriting_options import Rewrites
from .row_choices import RowChoices, chosen_states, state_option
from .shared_options import Account, Country, ShowNumbers, command, stopping
from .signals import SIGNALS
from .stop_options import DropStopList, LeaveOut, StopListPlace, warn_of_invalid
from .when_to_send import WhenToSend, night_warning

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    name="campaign",
    cls=SpeakingGroup,
    help=(
        "Send to many recipients. Every outcome is kept in a file or a database, even after"
        " kill -9."
    ),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_S = RecipientState

_RESUME = "smsgate campaign resume {}"

_NAMED = 10
"""The maximum number of requests that an error names."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The content of the messages, and how to read the list."""

    sender: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=(
                "The sender: an approved name or a phone number. Required unless --sender-column is"
                " given."
            ),
        ),
    ] = None
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="The text. {name} is replaced by the cell of the column 'name'."
        ),
    ] = None
    wappush: Annotated[
        str | None, typer.Option(metavar="URL", help="An http(s) address to send as a WAP push.")
    ] = None
    phone_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column with the numbers. Default: detected."),
    ] = None
    no_header: Annotated[
        bool,
        typer.Option(
            "--no-header",
            help=("The list has no header; the columns are {1}, {2} and so on. Default: detected."),
        ),
    ] = False
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The encoding of a CSV file. Default: detected."),
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(metavar="C", help="The delimiter of a CSV file. Default: detected."),
    ] = None
    sheet: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The sheet of a spreadsheet. Default: the first visible one.",
        ),
    ] = None
    hidden: Annotated[
        HiddenRows | None,
        typer.Option(
            help=(
                "Include or skip hidden rows and columns of a spreadsheet. Default: an error if any"
                " are hidden."
            )
        ),
    ] = None
    country: Country = None
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The campaign's name in reports. Default: the file's name."
        ),
    ] = None
    forget_texts: Annotated[
        bool, typer.Option("--forget-texts", help="Delete each text once it is sent.")
    ] = False

    def source(self, path: Path) -> Source:
        """Return the recipients of a list. Raises the errors of `file_source`."""
        return file_source(
            path,
            phone_column=self.phone_column,
            header=False if self.no_header else None,
            encoding=self.encoding,
            delimiter=self.delimiter,
            sheet=self.sheet,
            hidden=self.hidden,
        )


@command(app, changes=True, speaks=True)
def new(
    output: Output,
    place: CampaignPlace,
    contacts: Annotated[
        Path,
        typer.Argument(
            metavar="LIST", help="A CSV file or a spreadsheet; - reads CSV from standard input."
        ),
    ],
    contents: Contents,
    leave_out: LeaveOut,
    *,
    when: WhenToSend,
    rewrites: Rewrites,
    rows: RowChoices,
    prices: PriceList = None,
    escape: Escape = False,
    show_numbers: ShowNumbers = False,
) -> None:
    """Create a campaign from a list. Nothing is sent yet.

    Example: smsgate campaign new spring.sms contacts.csv --sender Shop --text "Hello, {name}!"
    """
    listed = price_list(prices)
    with working(output, say("Reading the list")) as tell:
        source = contents.source(contacts)
        made = Campaign.create(
            place.file,
            source,
            database=place.database,
            sender=contents.sender,
            text=unescaped(contents.text) if escape and contents.text else contents.text,
            wappush=contents.wappush,
            country=contents.country or country_of(None),
            name=contents.name,
            forget_texts=contents.forget_texts,
            exclude=leave_out.exclusions(place.database, hidden=contents.hidden),
            stop_list=leave_out.place(),
            on_progress=lambda read: tell(
                source.part(), plural("{number} row", "{number} rows", read)
            ),
            **rows.options(rewrites),
            **when.options(),
        )
    with made as campaign:
        warn_of_invalid(output, campaign.left_out)
        if campaign.added is not None and campaign.preview is not None:
            output.show(
                Made(
                    place.words(),
                    campaign.added,
                    campaign.plan(prices=listed),
                    source,
                    campaign.preview,
                    show_numbers,
                    campaign.left_out,
                    campaign.sending_window,
                )
            )


command(app, speaks=True)(preview)
command(app, name="test", sends=True, speaks=True)(send_test)


@command(app, speaks=True)
def skipped(output: Output, place: CampaignPlace, show_numbers: ShowNumbers = False) -> None:
    """Show the skipped recipients: the line of the list and the reason.

    Example: smsgate campaign skipped spring.sms
    """
    with place.open(writing=False) as campaign:
        output.show(Skipped(tuple(campaign.skipped()), show_numbers))


@command(app, sends=True, speaks=True)
async def run(
    output: Output,
    place: CampaignPlace,
    account: Account,
    when: WhenToSend,
    *,
    any_time: Annotated[
        bool,
        typer.Option(
            "--any-time",
            help="Remove --between and --not-before from the campaign; send at any time.",
        ),
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0.001,
            max=1e6,
            help=(
                "The maximum number of recipients per second. With --database, all machines share"
                " this limit. Default: no limit, or the limit set with 'campaign rate'."
            ),
        ),
    ] = None,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=MOST_IN_REQUEST,
            help="The maximum number of recipients in one request.",
        ),
    ] = 100,
    max_cost: MaxCost = None,
    prices: PriceList = None,
    stop_list: StopListPlace = None,
    drop_stop_list: DropStopList = None,
    yes: Yes = False,
) -> int:
    """Send to all pending recipients. If a run is interrupted, start it again.

    Example: smsgate campaign run spring.sms --rate 50
    """
    quoted = place.words()
    limit, listed = cost_limit(max_cost), price_list(prices)
    with place.open() as campaign:
        if why := campaign.paused:
            raise CampaignPaused(
                f"the campaign is paused: {why}. To let it send again: {_RESUME.format(quoted)}"
            )
        window = when.window_of(campaign, any_time=any_time)
        async with account.session() as session:
            plan = campaign.plan(
                balance=await _balance(output, session),
                rate=rate,
                batch=batch,
                concurrency=session.concurrency,
                prices=listed,
            )
            if not plan.pending:
                output.note(say("No recipient is pending."))
            else:
                output.stream(Planned(plan, rate, window))
                if night := night_warning(window, plan):
                    output.warn(night)
                confirm(_question(plan.pending, cost_words(plan.costs)), yes=yes)
            # Not before: a run that is not confirmed changes nothing, not even for other machines.
            when.change(campaign, any_time=any_time)
            _change_stop_lists(campaign, place, stop_list, drop_stop_list)
            with CampaignBar(output, plan.pending) as shown:
                runner = campaign.runner(
                    session,
                    rate=rate,
                    batch=batch,
                    max_cost=limit,
                    prices=listed,
                    on_progress=shown.run,
                )
                end: RunResult | None = None
                output.interrupted = partial(RunInterrupted, quoted)
                with _stopping(
                    output,
                    runner.stop,
                    say(
                        "Press Ctrl-C again to stop immediately. Recipients of requests in flight"
                        " are then in doubt."
                    ),
                ):
                    end = await runner.run()
        if end is None:
            end = RunResult(RunOutcome.CUT_OFF, "stopped immediately", campaign.journal.states())
            output.stream(InDoubtList(quoted, _in_doubt(campaign), show_numbers=False))
        paused = end.outcome is RunOutcome.PAUSED and campaign.paused is not None
        output.stream(Done(end, quoted, resume=paused))
        return _exit_of(end)


def _question(recipients: int, cost: str) -> str:
    return plural(
        "Send to {number} recipient for about {cost}?",
        "Send to {number} recipients for about {cost}?",
        recipients,
        cost=cost,
    )


def _change_stop_lists(
    campaign: Campaign, place: CampaignPlace, added: str | None, dropped: str | None
) -> None:
    """Change the stop lists of a campaign. The list of its own database is always honoured."""
    also = stop_list_of(added)
    if also is not None and also != place.database:
        campaign.add_stop_list(also)
    if dropped is not None:
        campaign.remove_stop_list(dropped)


async def _balance(output: Output, session: AsyncSession) -> Decimal | None:
    """Return the balance, or None if the gateway is not working: the run waits for it."""
    try:
        return await session.get_credit_balance()
    except (NotSent, InDoubt) as error:
        output.warn(say("The balance is not known: {error}", error=retold(str(error))))
        return None


@command(app, speaks=True)
def status(output: Output, place: CampaignPlace, *, prices: PriceList = None) -> None:
    """Show the state of a campaign, even during a run.

    Example: smsgate campaign status spring.sms
    """
    listed = price_list(prices)
    with _open_to_show(place) as campaign:
        output.show(_status_of(output, campaign, listed))


@command(app, changes=True, speaks=True)
def pause(
    output: Output,
    place: CampaignPlace,
    *,
    note: Annotated[str, typer.Option(metavar="TEXT", help="The reason, shown to others.")] = "",
) -> None:
    """Pause a campaign in a database on all machines. Requests in flight finish.

    Example: smsgate campaign pause spring --database postgresql://db.example/shop
    """
    with place.open() as campaign:
        campaign.pause(who=getpass.getuser(), note=note)
    output.note(say("Paused. To let it send again:"), command=_RESUME.format(place.words()))


@command(app, changes=True, speaks=True)
def resume(output: Output, place: CampaignPlace, *, yes: Yes = False) -> None:
    """Resume a paused campaign in a database, or let workers start a new one.

    Example: smsgate campaign resume spring --database postgresql://db.example/shop
    """
    with place.open() as campaign:
        if why := campaign.paused:
            output.note(say("The campaign is paused: {why}.", why=retold(why)))
        plan = campaign.plan()
        confirm(_question(plan.pending, credits_words(plan.cost)), yes=yes)
        campaign.start()
    output.note(
        say("Runs and workers may send now. To send from here, too:"),
        command=f"smsgate campaign run {place.words()}",
    )


@command(app, changes=True, speaks=True)
def rate(
    output: Output,
    place: CampaignPlace,
    limit: Annotated[
        str, typer.Argument(metavar="N", help="Recipients per second, or 'none' for no limit.")
    ],
) -> None:
    """Set the rate limit of a campaign in a database, for all machines, even during a run.

    Example: smsgate campaign rate spring 100 --database postgresql://db.example/shop
    """
    if limit != "none" and not limit.replace(".", "", 1).isdecimal():
        raise ValueError("N: must be a number of recipients per second, or 'none'")
    with place.open() as campaign:
        campaign.set_rate(None if limit == "none" else float(limit))
    most = spoken().figure(limit)
    output.note(
        say("No rate limit.")
        if limit == "none"
        else say("At most {rate} recipients per second.", rate=most)
    )


def _status_of(output: Output, campaign: Campaign, prices: Prices | None) -> Status:
    journal = shared(campaign.journal)
    limit = None if journal is None else journal.rate()
    counted = _counted(output, campaign)
    costs = campaign.costs(prices=prices)
    return Status(counted, campaign.paused, limit, campaign.sending_window, costs)


def _counted(output: Output, campaign: Campaign) -> Figures:
    with working(output, say("Counting")) as tell:
        return campaign.figures(on_progress=tell)


@command(app, speaks=True)
def in_doubt(output: Output, place: CampaignPlace, show_numbers: ShowNumbers = False) -> int:
    """Show the recipients in doubt: since when, why, and the evidence.

    Example: smsgate campaign in-doubt spring.sms
    """
    with _open_to_show(place) as campaign:
        requests = _in_doubt(campaign)
    output.show(InDoubtList(place.words(), requests, show_numbers))
    return Exit.IN_DOUBT if requests else Exit.DONE


def _open_to_show(place: CampaignPlace) -> Campaign:
    """Open a campaign to show it.

    If no run uses the file, recipients left in flight by a killed run are marked as in doubt.
    """
    with suppress(JournalError, OSError):
        return place.open()
    # A run uses the file, or the disk is read-only, or this call raises the right error.
    return place.open(writing=False)


def _in_doubt(
    campaign: Campaign,
) -> tuple[tuple[RequestInDoubt, tuple[RecipientInDoubt, ...]], ...]:
    return tuple(
        (request, tuple(campaign.recipients_in_doubt(request.id)))
        for request in campaign.in_doubt()
    )


@dataclass(frozen=True, slots=True)
class DecisionOptions:
    """The decision of the operator: exactly one of these options."""

    sent: Annotated[bool, typer.Option("--sent", help="Assume that the messages were sent.")] = (
        False
    )
    resend: Annotated[
        bool,
        typer.Option(
            "--resend",
            help="Send again with the next 'campaign run'. A recipient may get the message twice.",
        ),
    ] = False
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Abandon: never send again, do not count as sent.")
    ] = False
    found: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Mark the recipient on --line as accepted, with this message id.",
        ),
    ] = None
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Abandon the pending recipients: never send to them.")
    ] = False

    @property
    def event(self) -> Event:
        """Return the decision. Raises `ValueError` unless exactly one option is given."""
        said = {
            Event.ASSUME_SENT: self.sent,
            Event.RESEND: self.resend,
            Event.GIVE_UP: self.give_up,
            Event.FOUND: self.found is not None,
            Event.CANCEL: self.cancel,
        }
        chosen = [event for event, given in said.items() if given]
        if len(chosen) != 1:
            raise ValueError(
                "give exactly one of --sent, --resend, --give-up, --found ID and --cancel"
            )
        return chosen[0]


_RISKS = {
    Event.RESEND: translatable(
        "Recipients who already got the message get it again, and you pay again. Send again?"
    ),
    Event.CANCEL: translatable("smsgate never sends to cancelled recipients. Continue?"),
}


@command(app, changes=True, speaks=True)
def resolve(
    output: Output,
    place: CampaignPlace,
    decision: DecisionOptions,
    *,
    request: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Only the recipients of this request. Default: all recipients."
        ),
    ] = None,
    line: Annotated[
        str,
        typer.Option(
            metavar="N[-M]",
            help="Only the recipient on this line of the list, or those on lines N to M."
            " Default: all.",
        ),
    ] = "",
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason, recorded with the decision.")
    ] = "",
    yes: Yes = False,
) -> int:
    """Record your decision on recipients in doubt, or cancel pending recipients.

    The operator (the user of this machine) and the time are recorded, too.

    Example: smsgate campaign resolve spring.sms --sent --request 7 --note "seen on the website"
    """
    event, lines = decision.event, _lines(line)
    with place.open() as campaign:
        if event in _RISKS:
            confirm(say(_RISKS[event]), yes=yes)
        moved = campaign.resolve(
            event,
            request=request,
            line=lines,
            who=getpass.getuser(),
            note=note,
            message_id=decision.found,
        )
        if not moved:
            raise ValueError(_not_there(campaign, before(event), request, line))
        left = campaign.figures().count(_S.IN_DOUBT)
    output.show(Resolved(moved, event, left))
    return Exit.DONE


def _lines(given: str) -> Lines:
    """Return the lines that an option names: `7` or `2-5000`; "" for all."""
    if not given:
        return None
    first, dash, last = given.partition("-")
    try:
        lines = (int(first), int(last)) if dash else int(first)
        check_lines(lines)
    except ValueError:
        raise ValueError("--line: must be a line of the list, or a range such as 2-5000") from None
    return lines


def _not_there(campaign: Campaign, state: RecipientState, request: int | None, line: str) -> str:
    """Return why a decision concerned no recipient."""
    of_request = None if request is None else f"request {request}"
    named = " of ".join(part for part in (f"line {line}" if line else None, of_request) if part)
    if not named or not campaign.figures().count(state):
        return f"no recipient of this campaign is {state}: check with 'smsgate campaign status'"
    others = [str(one.id) for one in campaign.in_doubt()] if state is _S.IN_DOUBT else []
    more = "" if len(others) <= _NAMED else f" and {len(others) - _NAMED} more"
    numbers = f"{', '.join(others[:_NAMED])}{more}"
    instead = f"; recipients in doubt are in request {numbers}" if others else ""
    return (
        f"no recipient of {named} is {state}{instead}: check with 'smsgate campaign in-doubt' or"
        " 'smsgate campaign export'"
    )


@command(app, changes=True, speaks=True)
async def poll(
    output: Output,
    place: CampaignPlace,
    account: Account,
    *,
    rate: Annotated[
        float,
        typer.Option(
            metavar="N", min=0.001, help="The maximum number of status requests per second."
        ),
    ] = 50.0,
    again: Annotated[
        float,
        typer.Option(metavar="S", min=0.1, help="Seconds until the same message is checked again."),
    ] = 15.0,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.1, help="Stop after this many seconds. Default: no limit."),
    ] = None,
) -> int:
    """Request delivery statuses until every status is final.

    Example: smsgate campaign poll spring.sms --timeout 600
    """
    with place.open() as campaign:
        async with account.session() as session:
            with CampaignBar(output, campaign.journal.next_ask()[0]) as shown:
                poller = campaign.poller(
                    session, rate=rate, again=again, timeout=timeout, on_progress=shown.poll
                )
                with _stopping(output, poller.stop, say("Press Ctrl-C again to stop immediately.")):
                    await poller.poll()
        progress = poller.progress
        output.show(Polled(progress, campaign.figures().deliveries))
        if SIGNALS.first and progress.open:
            return SIGNALS.code
        return Exit.IN_PART if progress.open else Exit.DONE


@command(app, speaks=True)
def report(
    output: Output,
    place: CampaignPlace,
    *,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Write the report as an HTML page with charts to this file."
        ),
    ] = None,
    prices: PriceList = None,
    show_numbers: ShowNumbers = False,
) -> None:
    """Show a report on all recipients, or write the report as an HTML page with charts.

    Example: smsgate campaign report spring.sms --html spring.html --language uk
    """
    if html is not None and prices is not None:
        raise ValueError("--prices: cannot be used with --html, whose costs are in credits")
    listed = price_list(prices) if html is None else None
    with place.open(writing=False) as campaign:
        if html is None:
            output.show(_status_of(output, campaign, listed))
        else:
            with working(output, say("Writing the report")) as tell:
                campaign.write_report(
                    html, language=output.language, show_numbers=show_numbers, on_progress=tell
                )
            output.note(say("Written: {path}", path=html))


@command(app, speaks=True)
def export(
    output: Output,
    place: CampaignPlace,
    target: Annotated[Path, typer.Argument(metavar="CSV", help="The file to write.")],
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    mask_numbers: Annotated[
        bool, typer.Option("--mask-numbers", help="Mask the phone numbers.")
    ] = False,
    delimiter: Annotated[
        str,
        typer.Option(metavar="C", help="The delimiter; Excel in Ukraine expects a semicolon."),
    ] = ",",
    state: Annotated[list[str] | None, state_option("Write only recipients in this state")] = None,
) -> None:
    """Write all recipients, with full numbers, to a CSV file that is safe to open in Excel.

    Example: smsgate campaign export spring.sms spring.csv --delimiter ";"
    """
    states = chosen_states(state)
    with place.open(writing=False) as campaign:
        total = sum(campaign.journal.states().values()) or 1
        with working(output, say("Writing the list")) as tell:
            campaign.export(
                target,
                overwrite=overwrite,
                show_numbers=not mask_numbers,
                delimiter=delimiter,
                states=states,
                on_progress=lambda rows: tell(rows / total, _done_of(rows, total)),
            )
    output.note(say("Written: {path}", path=target))


def _done_of(done: int, total: int) -> str:
    return say("{done} of {total}", done=spoken().count(done), total=spoken().count(total))


@command(app, changes=True, speaks=True)
def purge(output: Output, place: CampaignPlace, *, yes: Yes = False) -> None:
    """Delete numbers, texts and message ids. Keep only the statistics.

    Example: smsgate campaign purge spring.sms
    """
    with place.open() as campaign:
        question = say("This deletes numbers, texts and message ids permanently. Continue?")
        confirm(question, yes=yes)
        campaign.purge()
        output.show(Status(campaign.figures()))


def _exit_of(end: RunResult) -> int:
    """Return the exit code of a run."""
    rows = (
        (end.outcome is RunOutcome.PAUSED, Exit.REFUSED),
        (end.outcome in (RunOutcome.STOPPED, RunOutcome.CUT_OFF), SIGNALS.code),
        (end.states.get(_S.IN_DOUBT, 0) > 0, Exit.IN_DOUBT),
        (end.states.get(_S.REFUSED, 0) > 0, Exit.IN_PART),
    )
    return next((code for fits, code in rows if fits), Exit.DONE)


@contextmanager
def _stopping(output: Output, stop: Callable[[], None], again: str) -> Iterator[None]:
    """Stop gently on the first signal, immediately on the second. `again` explains the second."""
    with (
        anyio.CancelScope() as scope,
        SIGNALS.reacting(partial(call_soon, current_token(), scope.cancel)),
        stopping(output, stop, again),
    ):
        yield
