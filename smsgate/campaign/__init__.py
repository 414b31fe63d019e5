"""Bulk sending that survives `kill -9` and reports which recipients are in doubt.

A campaign is in a file or, under a name, in a PostgreSQL database that several machines use. Each
recipient's state is on the disk before the request leaves the process. After any crash,
`Campaign.open(...).run(...)` continues where the last run stopped. Recipients that were in flight
are then in doubt, and smsgate never sends to them again automatically
(docs: campaigns, "The promise").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from ..config import positive
from ..ledger.arguments import check_lines, checked_person, on_server
from ..ledger.contract import Journal, SharedJournal, shared
from ..ledger.records import (
    Added,
    Around,
    CampaignPaused,
    Claim,
    Decision,
    Entry,
    Evidence,
    Figures,
    JournalError,
    JournalLost,
    LedgerError,
    Lines,
    Listing,
    NumberGroup,
    RecipientInDoubt,
    RecipientOutcome,
    RecipientRecord,
    RequestEnd,
    RequestInDoubt,
    Sample,
    Seen,
    StopListError,
    Text,
    TimeSlot,
)
from ..ledger.states import TRANSITIONS, Event, RecipientState, Transition
from ..ledger.stop_numbers import StopEntry, StopLedger, Stops
from ..protocol.models import message_id as checked_id
from ..session import AsyncSession
from .command_words import place_in_words
from .costs import Costs, CountedNumbers, CountryCosts
from .export import Exportable, export_csv
from .pace import check_pace
from .planning import Plan, Preview, entries_of, plan_of
from .polling import Poller, PollOptions, PollProgress
from .prices import Money, Prices
from .recipient_zones import RecipientZones, WindowOptions, changed_window
from .report import Reportable, html_report, write_html
from .row_options import Duplicates, RowOptions, listing_of
from .runner import Progress, Runner, RunOptions, RunOutcome, RunResult
from .sources import ListOptions, Row, Source, csv_source, file_source, rows_source, table_source
from .spreadsheets import HiddenRows
from .stopping import (
    Exclusion,
    LeavingOut,
    LeftOut,
    excluded_campaign,
    excluded_file,
    open_stop_list,
)
from .window import ANY_TIME, SendingWindow

__all__ = [
    "TRANSITIONS",
    "Added",
    "Around",
    "Campaign",
    "CampaignOptions",
    "CampaignPaused",
    "Claim",
    "Costs",
    "CountryCosts",
    "Decision",
    "Duplicates",
    "Entry",
    "Event",
    "Evidence",
    "Exclusion",
    "Exportable",
    "Figures",
    "HiddenRows",
    "Journal",
    "JournalError",
    "JournalLost",
    "LedgerError",
    "LeftOut",
    "ListOptions",
    "Listing",
    "Money",
    "NumberGroup",
    "Plan",
    "PollOptions",
    "PollProgress",
    "Poller",
    "Preview",
    "Prices",
    "Progress",
    "RecipientInDoubt",
    "RecipientOutcome",
    "RecipientRecord",
    "RecipientState",
    "Reportable",
    "RequestEnd",
    "RequestInDoubt",
    "Row",
    "RowOptions",
    "RunOptions",
    "RunOutcome",
    "RunResult",
    "Runner",
    "Sample",
    "Seen",
    "SendingWindow",
    "SharedJournal",
    "Source",
    "SqliteJournal",
    "StopEntry",
    "StopLedger",
    "StopListError",
    "Stops",
    "Text",
    "TimeSlot",
    "Transition",
    "WindowOptions",
    "csv_source",
    "excluded_campaign",
    "excluded_file",
    "export_csv",
    "file_source",
    "html_report",
    "rows_source",
    "running_campaigns",
    "table_source",
    "write_html",
]

if TYPE_CHECKING:
    from ..ledger.postgres.postgres_journal import PostgresJournal
    from ..ledger.sqlite.journal import SqliteJournal

_log = logging.getLogger("smsgate")
_LONGEST_NAME = 200


class CampaignOptions(RowOptions, WindowOptions, total=False):
    """More options of `Campaign.create`."""


class Campaign:
    """A campaign in a file or a database: its recipients, and the outcome of each.

    Create one with `create`, or open one with `open`. Use it as a context manager, or call `close`.

    Example::

        source = file_source(Path("contacts.csv"))
        text = "Вітаємо, {name}!"
        with Campaign.create("spring.sms", source, sender="Shop", text=text) as campaign:
            async with smsgate.AsyncSession.from_env() as session:
                result = await campaign.run(session)
            for request in campaign.in_doubt():
                print(request.id, request.in_doubt, request.reason)
    """

    def __init__(
        self,
        journal: Journal,
        added: Added | None = None,
        preview: Preview | None = None,
        left_out: Sequence[LeftOut] = (),
    ) -> None:
        self.journal: Journal = journal
        self.added: Added | None = added
        """What `create` added; None after `open`."""
        self.preview: Preview | None = preview
        """Texts to check after `create`: the longest and some random ones; None after `open`."""
        self.left_out: Sequence[LeftOut] = left_out
        """What `create` has read from each list in `exclude`; empty after `open`."""
        self._place = "FILE"

    @classmethod
    def create(
        cls,
        place: str | PathLike[str],
        source: Source,
        *,
        database: str | None = None,
        sender: str | None = None,
        text: str | None = None,
        wappush: str | None = None,
        country: str | None = None,
        name: str | None = None,
        forget_texts: bool = False,
        exclude: Iterable[Exclusion] = (),
        stop_list: str | PathLike[str] | None = None,
        on_progress: Callable[[int], None] | None = None,
        **options: Unpack[CampaignOptions],
    ) -> Self:
        """Create a campaign. Nothing is sent yet. A new file can be read by its owner only.

            rows = [{"phone": "+380501234567", "name": "Олена"}]
            source, text = rows_source(rows), "Вітаємо, {name}!"
            with Campaign.create("autumn.sms", source, sender="Shop", text=text) as campaign:
                print(campaign.added)

        A recipient with an invalid number, field or text is skipped, and the reason is recorded.

        Args:
            place: the file to create; with `database`, the name of the campaign.
            database: a `postgresql://` URL, for a campaign that several machines send (extra
                `postgres`). By default the campaign is in a file.
            source: the recipients, from `file_source`, `csv_source`, `table_source` or
                `rows_source`.
            sender: the sender of every message, an approved name or a phone number. May be omitted
                with `sender_column`.
            text: the text. A field such as `{name}` stands for a column of the source; write `{{`
                for a brace.
            wappush: an http(s) address to send as a WAP push.
            country: a country code such as `"UA"`. Numbers in the local format of this country are
                accepted, and numbers that cannot exist or are not mobile are skipped.
            name: the name in reports; by default the name of the file. Not with `database`.
            forget_texts: delete each text as soon as no recipient needs it. The hash of the text is
                kept.
            exclude: lists and campaigns whose numbers are skipped, from `excluded_file` and
                `excluded_campaign`. They are read once.
            stop_list: the path or the `postgresql://` URL of a stop list. Its numbers are skipped
                now, and looked up again before each request. A campaign in a database always
                honours the stop list of that database, too.
            on_progress: called every thousand rows with the number of rows read so far.
            options: see `RowOptions` and `WindowOptions`.

        Returns:
            The open campaign. `added` holds the counts, `preview` some texts to check.

        Raises:
            ValueError: an argument is wrong for all recipients, or the list cannot be read.
            FileExistsError: the file exists, or the database has a campaign of this name.
            OSError: the file cannot be written.
            LedgerError: other users can write to the folder, or SQLite or the database failed.
            StopListError: the stop list cannot be read.

        If `create` raises, it leaves no campaign behind.
        """
        preview = Preview(on_progress)
        lists = [fspath(one) for one in [stop_list] if one not in (None, database)]
        own = [] if database is None else [database]
        zones = RecipientZones(options)
        with LeavingOut([*own, *lists], exclude, country=country) as left_out:
            entries = entries_of(
                source,
                sender=sender,
                text=text,
                wappush=wappush,
                country=country,
                preview=preview,
                options=options,
                left_out=left_out,
            )
            listing = replace(
                listing_of(options, source),
                stop_lists=lists,
                sending_window=lambda: zones.window().stored(),
                number_groups=lambda groups: CountedNumbers.of(groups).stored(),
            )
            entries = zones(entries)
            if database is not None:
                if name is not None:
                    raise ValueError(
                        "name: cannot be used with database; the name is the first argument,"
                        " `place`"
                    )
                made = _postgres_journal(database).create(
                    database,
                    entries,
                    name=_name_of(place),
                    forget_texts=forget_texts,
                    listing=listing,
                )
                return cls(*made, preview, left_out.lists)._at(place, database)
            path = Path(place)
            journal = _sqlite_journal().create(path)
            try:
                added = journal.add(
                    entries, name=name or path.stem, forget_texts=forget_texts, listing=listing
                )
            except BaseException:
                journal.remove()
                raise
        return cls(journal, added, preview, left_out.lists)._at(place, database)

    @classmethod
    def open(
        cls, place: str | PathLike[str], *, database: str | None = None, writing: bool = True
    ) -> Self:
        """Open a campaign.

            with Campaign.open("spring.sms", writing=False) as campaign:
                print(campaign.figures().states)

        Recipients that were in flight when a run was killed are marked as in doubt: immediately in
        a file; in a database, when the lease of their request expires.

        Args:
            place: the file of the campaign; with `database`, its name.
            database: a `postgresql://` URL.
            writing: True to open a file for this process alone. False to read it, even during a
                run: the file is not changed. Has no effect for a campaign in a database.

        Raises:
            FileNotFoundError: there is no campaign at this path, or of this name.
            LedgerError: the file is in use, damaged, of a newer version or not a campaign, or its
                `-wal` file is missing; or the database failed.
        """
        journal = (
            _sqlite_journal().open(Path(place), writing=writing)
            if database is None
            else _postgres_journal(database).open(database, _name_of(place))
        )
        try:
            opened = cls(journal)._at(place, database)
            in_doubt = journal.sweep() if writing else 0
        except BaseException:
            journal.close()
            raise
        if in_doubt:
            _log.warning(
                "the last run was interrupted while requests were in flight: %d recipients are"
                " in doubt",
                in_doubt,
            )
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _at(self, place: str | PathLike[str], database: str | None) -> Self:
        self._place = place_in_words(place, database)
        return self

    def close(self) -> None:
        """Close the file and release its lock.

        Example::

            campaign = Campaign.open("spring.sms")
            campaign.close()
        """
        self.journal.close()

    # Several machines

    def start(self) -> None:
        """Start or resume a campaign in a database, so that runs and workers send it.

            campaign.start()

        `run` starts a new campaign itself.

        Raises:
            ValueError: the campaign is in a file.
            LedgerError: the database failed.
        """
        self._shared("start").start()

    def pause(self, *, who: str, note: str = "") -> None:
        """Pause the campaign on all machines until `start` is called. Requests in flight finish.

            campaign.pause(who="Olena", note="wrong price in the text")

        Args:
            who: the name of the operator.
            note: why.

        Raises:
            ValueError: the campaign is in a file, or `who` is blank.
            LedgerError: the database failed.
        """
        by = f"by {checked_person(who)}"
        self._shared("pause").pause(by + (f" ({note})" if note else ""))

    def set_rate(self, rate: float | None) -> None:
        """Set the rate limit of all machines together, including those that are sending now.

            campaign.set_rate(50)

        Args:
            rate: the maximum number of recipients per second; None for no limit.

        Raises:
            ValueError: the campaign is in a file, or `rate` is not greater than 0.
            LedgerError: the database failed.
        """
        if rate is not None and not positive(rate):
            raise ValueError("rate: must be more than 0 recipients per second")
        self._shared("rate").set_rate(rate)

    @property
    def paused(self) -> str | None:
        """Why the campaign is paused; None if it is not paused or is in a file."""
        journal = shared(self.journal)
        return None if journal is None else journal.paused()

    def _shared(self, wish: str) -> SharedJournal:
        journal = shared(self.journal)
        if journal is None:
            raise ValueError(f"{wish}: only for a campaign in a database")
        return journal

    # Stop lists

    @property
    def stop_lists(self) -> tuple[str, ...]:
        """The stop lists that the campaign honours, besides that of its own database."""
        return self.journal.stop_lists()

    @property
    def sending_window(self) -> SendingWindow:
        """When the campaign may send."""
        return _window_in(self.journal.sending_window())

    def set_sending_window(self, **window: Unpack[WindowOptions]) -> None:
        """Change when the campaign may send, for this run and all later ones.

            campaign.set_sending_window(
                between=(time(9), time(20)), timezone="Europe/Kyiv"
            )

        Args:
            window: what to change, see `WindowOptions`. An option that is omitted or None is not
                changed.

        Raises:
            ValueError: an option is invalid, or the recipients' time zones are not known.
            LedgerError: the file or the database failed.
        """
        self.journal.change_sending_window(
            lambda stored: changed_window(_window_in(stored), window).stored()
        )

    def remove_sending_window(self) -> None:
        """Let the campaign send at any time. Raises `LedgerError`.

        Example::

            campaign.remove_sending_window()
        """
        self.journal.change_sending_window(
            lambda stored: SendingWindow(
                recipient_zones=_window_in(stored).recipient_zones
            ).stored()
        )

    def add_stop_list(self, place: str | PathLike[str]) -> None:
        """Honour one more stop list from the next run on.

            campaign.add_stop_list("stop.db")

        Args:
            place: the path of an SQLite file, or a `postgresql://` URL.

        Raises:
            ValueError: the URL has a password, or is not one of PostgreSQL.
            StopListError: the list cannot be read.
            LedgerError: the campaign cannot be written.
        """
        open_stop_list(place).close()
        self.journal.add_stop_list(fspath(place))

    # Sending

    def runner(self, session: AsyncSession, **options: Unpack[RunOptions]) -> Runner:
        """Return a runner, which can be stopped.

            runner = campaign.runner(session, batch=50)
            signal.signal(signal.SIGTERM, lambda *_: runner.stop())
            result = await runner.run()

        Args:
            session: the session that sends.
            options: see `Runner`.
        """
        return Runner(self.journal, session, **options)

    async def run(self, session: AsyncSession, **options: Unpack[RunOptions]) -> RunResult:
        """Send to all pending recipients.

            result = await campaign.run(session, rate=30)
            print(result.outcome, result.states)

        Args:
            session: the session that sends.
            options: see `Runner`.

        Returns:
            How the run ended, why, and how many recipients are in each state.

        Raises:
            LedgerError: see `Runner.run`.
            ValueError: an option is invalid.
        """
        return await self.runner(session, **options).run()

    def poller(self, session: AsyncSession, **options: Unpack[PollOptions]) -> Poller:
        """Return a poller, which can be stopped.

            poller = campaign.poller(session)
            await poller.poll()

        Args:
            session: the session that asks the gateway.
            options: see `Poller`.
        """
        return Poller(self.journal, session, **options)

    async def poll(self, session: AsyncSession, **options: Unpack[PollOptions]) -> PollProgress:
        """Request delivery statuses until each is final.

            progress = await campaign.poll(session)
            print(progress.final)

        Args:
            session: the session that asks the gateway.
            options: see `Poller`.

        Returns:
            How many statuses are final and how many are not.

        Raises:
            Refused, NotSent, InDoubt: see `Poller.poll`.
            ValueError: an option is invalid.
        """
        return await self.poller(session, **options).poll()

    def remove_stop_list(self, place: str | PathLike[str]) -> None:
        """Remove a stop list from the campaign, for example one that has moved.

            campaign.remove_stop_list(campaign.stop_lists[0])

        Args:
            place: the path or the URL, as in `stop_lists`.

        Raises:
            ValueError: the campaign has no such stop list.
            LedgerError: the file or the database failed.
        """
        self.journal.remove_stop_list(fspath(place))

    # Figures

    def plan(
        self,
        *,
        balance: Decimal | None = None,
        rate: float | None = None,
        batch: int = 100,
        concurrency: int = 4,
        prices: Prices | None = None,
    ) -> Plan:
        """Return what a run would do and cost.

            plan = campaign.plan(balance=await session.get_credit_balance())
            print(plan.pending, plan.cost)

        Args:
            balance: the balance to compare the cost with, in credits.
            rate: recipients per second, to estimate the duration.
            batch: the maximum number of recipients in one request.
            concurrency: how many requests are in flight at the same time.
            prices: a price list, for the cost in money.

        Raises:
            ValueError: `rate`, `batch` or `concurrency` is out of range.
        """
        check_pace(batch, rate)
        if type(concurrency) is not int or concurrency < 1:
            raise ValueError("concurrency: must be a whole number, 1 or more")
        figures = self.figures()
        return plan_of(
            figures,
            self._pending_numbers(figures).costs(prices),
            balance=balance,
            rate=rate,
            batch=batch,
            concurrency=concurrency,
        )

    def _pending_numbers(self, figures: Figures) -> CountedNumbers:
        waiting = RecipientState.PENDING, RecipientState.SKIPPED
        stored = self.journal.planned_numbers()
        if stored and figures.count(*waiting) == figures.recipients:
            return CountedNumbers.from_stored(stored)  # nothing has been sent
        return CountedNumbers.of(self.journal.pending_numbers())

    def costs(self, *, prices: Prices | None = None) -> Costs | None:
        """Return the cost of the whole list that `create` read, no matter what was sent.

            costs = campaign.costs()

        For the recipients still pending, see `plan`.

        Args:
            prices: a price list, for the cost in money.

        Returns:
            The cost by country and by parts; None for a campaign of an older version.
        """
        stored = self.journal.planned_numbers()
        return CountedNumbers.from_stored(stored).costs(prices) if stored else None

    def figures(self, *, on_progress: Callable[[float], None] | None = None) -> Figures:
        """Return the campaign's statistics.

            figures = campaign.figures()
            print(figures.states)

        Args:
            on_progress: called with the fraction of the work that is done, from 0 to 1.
        """
        return self.journal.figures(on_progress=on_progress)

    def timeline(self, steps: int = 60) -> list[TimeSlot]:
        """Return when recipients got their outcomes.

            for slot in campaign.timeline(steps=24):
                print(slot)

        Args:
            steps: the maximum number of time slots.
        """
        return self.journal.timeline(steps)

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield all recipients, in the order of the list.

        Example::

            for recipient in campaign.recipients():
                print(recipient.line, recipient.state)
        """
        return self.journal.recipients()

    def kept_columns(self) -> tuple[str, ...]:
        """Return the columns of the list that `create` kept with `keep_columns`.

        Example::

            columns = campaign.kept_columns()
        """
        return self.journal.kept_columns()

    def skipped(self) -> Iterator[RecipientRecord]:
        """Yield the skipped recipients, each with its line of the list and the reason.

        Example::

            for recipient in campaign.skipped():
                print(recipient.line, recipient.reason)
        """
        return (one for one in self.recipients() if one.state is RecipientState.SKIPPED)

    def samples(self, most: int = 5, *, line: int | None = None) -> list[Sample]:
        """Return recipients and their texts, spread over the campaign, to look at before a run.

            for sample in campaign.samples(3):
                print(sample.line, sample.text)

        Recipients whose number or text is deleted are left out.

        Args:
            most: the maximum number of recipients.
            line: return only the recipient on this line of the list.

        Raises:
            ValueError: `most` is not positive.
            LedgerError: the database failed.
        """
        if most < 1:
            raise ValueError("most: must be 1 or more")
        return self.journal.samples(most, line)

    # Files for others

    def report(self, *, language: str = "en", show_numbers: bool = False) -> str:
        """Return the report, one HTML page.

            page = campaign.report(language="uk")

        Args:
            language: `"en"` or `"uk"`.
            show_numbers: show phone numbers in full; by default they are masked.

        Raises:
            ValueError: there is no such language.
            LedgerError: the campaign cannot be read.
        """
        return "".join(
            html_report(
                self.journal, language=language, show_numbers=show_numbers, place=self._place
            )
        )

    def write_report(
        self,
        path: str | PathLike[str],
        *,
        language: str = "en",
        show_numbers: bool = False,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        """Write the report, one HTML page, to a file; see `write_html` for arguments and errors.

        Example::

            campaign.write_report("spring.html")
        """
        write_html(
            self.journal,
            path,
            language=language,
            show_numbers=show_numbers,
            place=self._place,
            on_progress=on_progress,
        )

    def export(
        self,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        show_numbers: bool = True,
        delimiter: str = ",",
        byte_order_mark: bool = True,
        states: Collection[RecipientState] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write all recipients to a CSV file; see `export_csv` for arguments and errors.

        Example::

            campaign.export("in-doubt.csv", states=[RecipientState.IN_DOUBT])
        """
        export_csv(
            self.journal,
            path,
            overwrite=overwrite,
            show_numbers=show_numbers,
            delimiter=delimiter,
            byte_order_mark=byte_order_mark,
            states=states,
            on_progress=on_progress,
        )

    # In doubt

    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, their reasons and evidence, oldest first.

        Example::

            for request in campaign.in_doubt():
                print(request.id, request.in_doubt, request.reason)
        """
        return self.journal.in_doubt()

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request.

        Example::

            for request in campaign.in_doubt():
                for recipient in campaign.recipients_in_doubt(request.id):
                    print(recipient.line)
        """
        return self.journal.recipients_in_doubt(request)

    def resolve(
        self,
        event: Event,
        *,
        who: str,
        note: str = "",
        request: int | None = None,
        line: Lines = None,
        message_id: str | None = None,
    ) -> int:
        """Record a decision on recipients in doubt, or cancel pending recipients.

            for request in campaign.in_doubt():
                campaign.resolve(Event.ASSUME_SENT, who="Olena", request=request.id)

        Args:
            event: `Event.RESEND` sends again: a recipient may get the message twice. `ASSUME_SENT`
                assumes that the messages were sent. `GIVE_UP` abandons the recipients. `FOUND`
                counts one recipient as accepted, with its `message_id`. `CANCEL` never sends to
                recipients that are still pending.
            who: the name of the operator.
            note: the reason for the decision.
            request: decide only on the recipients of this request.
            line: decide only on the recipient on this line of the list, or on those from a first to
                a last line: `line=(2, 5_000)`.
            message_id: the id that the gateway gave; for `Event.FOUND` only.

        Returns:
            The number of recipients changed.

        Raises:
            ValueError: `who` is blank, `line` is neither a line nor a range, `message_id` is
                missing or not used by this event, more than one recipient is selected, or another
                recipient has this id.
            LedgerError: the file or the database cannot be written.
        """
        person = checked_person(who)
        check_lines(line)
        found = checked_id(message_id)
        if (event is Event.FOUND) != (found is not None):
            raise ValueError(
                "message_id: Event.FOUND needs the id that the gateway gave; other events take none"
            )
        return self.journal.resolve(
            event, request=request, line=line, message_id=found, who=person, note=note
        )

    # Forgetting

    def purge(self) -> None:
        """Delete numbers, texts, message ids and raw replies, and keep the statistics.

            campaign.resolve(Event.GIVE_UP, who="Olena")  # whoever is in doubt
            campaign.purge()

        In a database, all recipients are deleted, so `recipients` yields nothing after that.

        Raises:
            ValueError: some recipients are pending, in flight or in doubt.
            LedgerError: another program reads the file, or the database failed.
        """
        states = self.journal.states()
        unfinished = sum(
            states.get(state, 0)
            for state in (RecipientState.PENDING, RecipientState.IN_FLIGHT, RecipientState.IN_DOUBT)
        )
        if unfinished:
            raise ValueError(
                f"purge: {unfinished} recipients are pending or in doubt; send, resolve or"
                " cancel them first"
            )
        self.journal.purge()


def _window_in(stored: str) -> SendingWindow:
    return SendingWindow.from_stored(stored) if stored else ANY_TIME


def _sqlite_journal() -> type[SqliteJournal]:
    from ..ledger.sqlite.journal import SqliteJournal  # noqa: PLC0415 - loads sqlite3

    return SqliteJournal


def __getattr__(name: str) -> type[SqliteJournal]:
    if name == "SqliteJournal":
        return _sqlite_journal()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _postgres_journal(database: str) -> type[PostgresJournal]:
    if not on_server(database):
        raise ValueError("database: must be a postgresql:// URL")
    from ..ledger.postgres.postgres_journal import PostgresJournal  # noqa: PLC0415 - an extra

    return PostgresJournal


def _name_of(place: str | PathLike[str]) -> str:
    name = fspath(place)
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"place: the name of a campaign must have 1 to {_LONGEST_NAME} printable characters"
        )
    return name


def running_campaigns(database: str) -> list[str]:
    """Return the names of campaigns that were started and have recipients to send to.

    Args:
        database: a `postgresql://` URL.

    Raises:
        LedgerError: the database failed.
    """
    return _postgres_journal(database).running(database)
