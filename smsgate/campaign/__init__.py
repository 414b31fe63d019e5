"""Bulk sending that survives `kill -9` and says what it does not know. A campaign is a file.

    with Campaign.create("spring.sms", file_source(Path("contacts.csv")), sender="Shop", text="Вітаємо, {name}!") as campaign:
        async with smsgate.AsyncSession.from_env() as session:
            end = await campaign.run(session)

Each recipient's state is on the disk before the request leaves. After any crash `Campaign.open(...).run(...)` goes on where it
stopped: who was in flight is in doubt then, never sent again by itself (docs: campaigns, "The promise").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from ..ledger.contract import Journal
from ..ledger.records import (
    Added,
    Around,
    Claim,
    Decision,
    Entry,
    Evidence,
    Figures,
    JournalError,
    JournalLost,
    RecipientInDoubt,
    RecipientOutcome,
    RecipientRecord,
    RequestEnd,
    RequestInDoubt,
    Seen,
    Text,
    TimeSlot,
)
from ..ledger.sqlite.journal import SqliteJournal
from ..ledger.states import TRANSITIONS, Event, RecipientState, Transition
from ..protocol.models import message_id as checked_id
from ..session import AsyncSession
from .export import Exportable, export_csv
from .planning import Plan, Preview, Sample, entries_of, plan_of
from .polling import Poller, PollOptions, PollProgress
from .report import Reportable, html_report, write_html
from .runner import Progress, Runner, RunOptions, RunOutcome, RunResult
from .sources import ListOptions, Row, Source, csv_source, file_source, rows_source, table_source
from .spreadsheets import HiddenRows

__all__ = [
    "TRANSITIONS",
    "Added",
    "Around",
    "Campaign",
    "Claim",
    "Decision",
    "Entry",
    "Event",
    "Evidence",
    "Exportable",
    "Figures",
    "HiddenRows",
    "Journal",
    "JournalError",
    "JournalLost",
    "ListOptions",
    "Plan",
    "PollOptions",
    "PollProgress",
    "Poller",
    "Preview",
    "Progress",
    "RecipientInDoubt",
    "RecipientOutcome",
    "RecipientRecord",
    "RecipientState",
    "Reportable",
    "RequestEnd",
    "RequestInDoubt",
    "Row",
    "RunOptions",
    "RunOutcome",
    "RunResult",
    "Runner",
    "Sample",
    "Seen",
    "Source",
    "SqliteJournal",
    "Text",
    "TimeSlot",
    "Transition",
    "csv_source",
    "export_csv",
    "file_source",
    "html_report",
    "rows_source",
    "table_source",
    "write_html",
]

_log = logging.getLogger("smsgate")


class Campaign:
    """One campaign and its journal. Make it with `create` or `open`, and use it as `with`, or call `close` at the end."""

    def __init__(self, journal: SqliteJournal, added: Added | None = None, preview: Preview | None = None) -> None:
        self.journal: SqliteJournal = journal
        self.added: Added | None = added
        """What was added when it was made; None if it was opened."""
        self.preview: Preview | None = preview
        """The longest text and some random ones, to be looked at when it was made; None if it was opened."""

    @classmethod
    def create(
        cls,
        path: str | PathLike[str],
        source: Source,
        *,
        sender: str,
        text: str | None = None,
        wappush: str | None = None,
        country: str | None = None,
        name: str | None = None,
        forget_texts: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> Self:
        """Make a campaign in a new file, readable by its owner alone. Nothing is sent yet.

        `text` may have fields, `{name}`, each a column of the source; `{{` means a brace. With `forget_texts` a text is dropped
        as soon as nobody needs it, and its hash stays. With a `country` local numbers are understood, and those that cannot exist
        or are not of mobile phones are skipped. What is wrong with one recipient makes it skipped, with the reason.
        `on_progress` is called with the number of rows read so far, every thousand rows. Raises `ValueError` for what is wrong
        with all, `FileExistsError`, `OSError` or `JournalError`; then there is no file.
        """
        path = Path(path)
        preview = Preview(on_progress)
        entries = entries_of(source, sender=sender, text=text, wappush=wappush, country=country, preview=preview)
        journal = SqliteJournal.create(path)
        try:
            added = journal.add(entries, name=name or path.stem, forget_texts=forget_texts)
        except BaseException:
            journal.remove()
            raise
        return cls(journal, added, preview)

    @classmethod
    def open(cls, path: str | PathLike[str], *, writing: bool = True) -> Self:
        """Open a campaign: for one user alone, or, with `writing=False`, to look at it while it runs.

        Recipients that were in flight when an earlier run was killed are in doubt from now on. With `writing=False` they are
        shown so, and the file stays as it is. Raises `FileNotFoundError`, or `JournalError` if the file is in use, damaged, of a
        newer version, without the log of its last run, or no campaign at all.
        """
        journal = SqliteJournal.open(Path(path), writing=writing)
        try:
            opened, in_doubt = cls(journal), journal.recover() if writing else 0
        except BaseException:
            journal.close()
            raise
        if in_doubt:
            _log.warning("the last run was cut off while requests were under way: %d recipients are in doubt", in_doubt)
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.journal.close()

    # Sending

    def runner(self, session: AsyncSession, **options: Unpack[RunOptions]) -> Runner:
        """Return a run that can be stopped; see `Runner` for the options."""
        return Runner(self.journal, session, **options)

    async def run(self, session: AsyncSession, **options: Unpack[RunOptions]) -> RunResult:
        """Send to everybody who is pending; see `Runner` for the options. Returns how it ended and where everybody stands."""
        return await self.runner(session, **options).run()

    def poller(self, session: AsyncSession, **options: Unpack[PollOptions]) -> Poller:
        """Return a poller that can be stopped; see `Poller` for the options."""
        return Poller(self.journal, session, **options)

    async def poll(self, session: AsyncSession, **options: Unpack[PollOptions]) -> PollProgress:
        """Ask for delivery statuses until each is final; see `Poller` for the options."""
        return await self.poller(session, **options).poll()

    # Looking

    def plan(self, *, balance: Decimal | None = None, rate: float | None = None) -> Plan:
        """Return what a run will do, and cost against this balance."""
        return plan_of(self.figures(), balance=balance, rate=rate)

    def figures(self, *, on_progress: Callable[[float], None] | None = None) -> Figures:
        """Return the campaign in figures. `on_progress` is called with the part that is done, from 0 to 1."""
        return self.journal.figures(on_progress=on_progress)

    def timeline(self, steps: int = 60) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most so many steps."""
        return self.journal.timeline(steps)

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield everybody, in the order of the file."""
        return self.journal.recipients()

    def skipped(self) -> Iterator[RecipientRecord]:
        """Yield those that are skipped, with the line of the list and the reason."""
        return (one for one in self.recipients() if one.state is RecipientState.SKIPPED)

    # Handing on

    def write_report(
        self, path: str | PathLike[str], *, show_numbers: bool = False, on_progress: Callable[[float], None] | None = None
    ) -> None:
        """Write the report, one HTML page, to a file; see `write_html`."""
        write_html(self.journal, path, show_numbers=show_numbers, on_progress=on_progress)

    def export(
        self,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        show_numbers: bool = True,
        delimiter: str = ",",
        byte_order_mark: bool = True,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write everybody to a CSV file; see `export_csv` for the options."""
        export_csv(
            self.journal,
            path,
            overwrite=overwrite,
            show_numbers=show_numbers,
            delimiter=delimiter,
            byte_order_mark=byte_order_mark,
            on_progress=on_progress,
        )

    # In doubt

    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, with the reason and the evidence, oldest first."""
        return self.journal.in_doubt()

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request."""
        return self.journal.recipients_in_doubt(request)

    def resolve(
        self,
        event: Event,
        *,
        who: str,
        note: str = "",
        request: int | None = None,
        line: int | None = None,
        message_id: str | None = None,
    ) -> int:
        """Say what becomes of recipients in doubt: of one request, of one line, or of all. It is written down with who and why.

        `Event.RESEND` sends again, and so perhaps twice; `ASSUME_SENT` counts them as sent; `GIVE_UP` gives them up; `FOUND` says
        that the gateway gave this `message_id`, which is for one recipient. `CANCEL` is for those that are still pending: they
        are never sent to. Returns how many it were. Raises `ValueError`.
        """
        if not who.strip():
            raise ValueError("who: must not be blank, as it is written down who decided")
        found = checked_id(message_id)
        if (event is Event.FOUND) != (found is not None):
            raise ValueError("message_id: the id that the gateway gave, for Event.FOUND and for nothing else")
        return self.journal.resolve(event, request=request, line=line, message_id=found, who=who.strip(), note=note)

    # Forgetting

    def purge(self) -> None:
        """Forget numbers, texts, message ids and raw replies, and keep the figures.

        Raises `ValueError` while somebody is pending, in flight or in doubt: who is forgotten could not be accounted for.
        """
        figures = self.figures()
        unfinished = figures.count(RecipientState.PENDING, RecipientState.IN_FLIGHT, RecipientState.IN_DOUBT)
        if unfinished:
            raise ValueError(f"purge: {unfinished} recipients are pending or in doubt; send, resolve or cancel them first")
        self.journal.purge()
