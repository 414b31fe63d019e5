"""The journal in one SQLite file: what is recorded, and when.

Rules of this file: WAL with synchronous=FULL, both read back; every change in one
`BEGIN IMMEDIATE`; one writing connection per file; only the owner may read the file
(docs: how it is tested, "SQLite").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from ...protocol.answers import DeliveryState
from ..arguments import (
    check_decision,
    check_id_of_one,
    check_new_id,
    decided,
    lines_of,
)
from ..records import (
    PLAIN_LIST,
    Added,
    Entry,
    Evidence,
    JournalError,
    Lines,
    Listing,
)
from ..states import Event, RecipientState, after, before
from ..stop_numbers import places_of, places_text, without_place
from ..stored_records import evidence_text, kept_text
from .campaign_file import CampaignFile
from .connection import reading
from .sqlite_filling import fill
from .sqlite_sending import SqliteSending

__all__ = ["ENDED_EARLY", "SqliteJournal"]

ENDED_EARLY = "the process ended before the answer was recorded"


class SqliteJournal(SqliteSending):
    """A journal in a file, for one thread. Call `create` or `open`, and `close` at the end."""

    shared: bool = False
    """One run at a time, and only the thread that opened the file may use it."""

    def __init__(self, file: CampaignFile) -> None:
        super().__init__(file)
        self._forget_texts = self._settings().get("forget_texts") == "1"
        if self._forget_texts:
            self._connection.execute("PRAGMA secure_delete = ON")

    @classmethod
    def create(cls, path: Path) -> Self:
        """Create a new file that only its owner can read.

        Raises `FileExistsError`, another `OSError`, or `JournalError`.
        """
        return cls(CampaignFile.create(path))

    @classmethod
    def open(cls, path: Path, *, writing: bool = True) -> Self:
        """Open a campaign file: for one run alone, or, with `writing=False`, to read during a run.

        With `writing=False`, a file whose last run was killed, or of an older version, is read from
        a copy in memory, in which recipients in flight are in doubt. Raises `FileNotFoundError` or
        `JournalError`.
        """
        file = CampaignFile.open(path) if writing else CampaignFile.open_to_read(path)
        with ExitStack() as opened:
            opened.callback(file.close)
            journal = cls(file)
            if file.killed:
                journal.sweep()
            if "name" not in journal._settings():
                raise JournalError(
                    "the campaign is incomplete, as its creation was interrupted: delete the file"
                    " and create the campaign again"
                )
            opened.pop_all()
        return journal

    def close(self) -> None:
        """Close the file and release the lock, whatever else fails.

        Raises `JournalError` if the file was removed during a run and its data could not be saved.
        """
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file, because its creation failed."""
        self._file.remove()

    # Filling

    def add(
        self,
        entries: Iterable[Entry],
        *,
        name: str,
        forget_texts: bool,
        listing: Listing = PLAIN_LIST,
    ) -> Added:
        """Fill a new journal. Either all entries are added or none."""
        with self._transaction():
            added = fill(self._connection, self._sql, entries, each_text=listing.each_text)
            self._run("drop_texts")
            for key, value in (
                ("name", name),
                ("created_at", repr(self._clock())),
                ("forget_texts", str(int(forget_texts))),
                ("stop_lists", places_text(listing.stop_lists, self.path.parent)),
                ("sending_window", listing.sending_window()),
                ("number_groups", listing.number_groups(self.pending_numbers())),
                ("kept_columns", kept_text(listing.columns) or "[]"),
            ):
                self._run("set", name=key, value=value)
        if forget_texts:
            self._forget_texts = True
            self._connection.execute("PRAGMA secure_delete = ON")
        return added

    # Sending

    def sweep(self) -> int:
        """Move recipients left in flight by the last run to in doubt. Returns their number."""
        source = before(Event.IN_DOUBT)
        with self._transaction():
            self._run("doubt_requests", now=self._clock(), reason=ENDED_EARLY)
            target = after(source, Event.IN_DOUBT)
            return self._run(
                "doubt_recipients", source=source, target=target, reason=ENDED_EARLY
            ).rowcount

    def start_run(self) -> int:
        """Record the start of a run and return the run's number.

        Raises `JournalBusy` while another program reads the file.
        """
        self._file.check_kept()
        self._file.mark()
        with self._transaction():
            return int(self._run("start_run", now=self._clock()).lastrowid or 0)

    def end_run(self, run: int, outcome: str) -> None:
        """Record how a run ended."""
        with self._transaction():
            self._run("end_run", run=run, outcome=outcome, now=self._clock())

    # Stop lists

    def stop_lists(self) -> tuple[str, ...]:
        """Return the stop lists of the campaign: paths and addresses."""
        return places_of(self._settings().get("stop_lists", "[]"), self.path.parent)

    def add_stop_list(self, place: str) -> None:
        """Let the campaign honour one more stop list from now on."""
        with self._transaction():
            kept = places_text([*self.stop_lists(), place], self.path.parent)
            self._run("set", name="stop_lists", value=kept)

    def remove_stop_list(self, place: str) -> None:
        """Let the campaign forget a stop list. Raises `ValueError` if it has no such list."""
        folder = self.path.parent
        with self._transaction():
            left = without_place(self.stop_lists(), place, folder)
            self._run("set", name="stop_lists", value=places_text(left, folder))

    def sending_window(self) -> str:
        """Return the stored text of when the campaign may send, "" if nothing is stored."""
        return self._settings().get("sending_window", "")

    def change_sending_window(self, change: Callable[[str], str]) -> None:
        """Store what `change` returns for the stored text."""
        with self._transaction():
            self._run("set", name="sending_window", value=change(self.sending_window()))

    def add_evidence(self, request: int, evidence: Evidence) -> None:
        """Store evidence with a request in doubt."""
        with self._transaction():
            self._run("set_evidence", request=request, evidence=evidence_text(evidence))

    def resolve(
        self,
        event: Event,
        *,
        who: str,
        note: str,
        request: int | None,
        line: Lines,
        message_id: str | None,
    ) -> int:
        """Apply the operator's decision to recipients in the event's source state.

        The decision covers one request, one line of the list or a range of them, or all such
        recipients. Returns the number of recipients changed.
        """
        check_decision(event)
        source = before(event)
        target = after(source, event)
        resend = target is RecipientState.PENDING
        with self._transaction():
            if message_id is not None:
                check_new_id(self._run("find_id", message_id=message_id).fetchall())
            moved = self._run(
                "resolve",
                source=source,
                target=target,
                request=request,
                **lines_of(line),
                message_id=message_id,
                # Sent alone, so that another lost answer concerns one recipient only.
                alone=int(resend),
                reason=None if resend else f"{event} by {who}",
            ).rowcount
            check_id_of_one(message_id, moved)
            if moved:
                said = decided(event, who, note, request, line)
                self._run("add_decision", now=self._clock(), recipients=moved, **said)
                if self._forget_texts:
                    self._run("forget_texts")
        return moved

    # Delivery

    def set_delivery(self, recipient: int, delivery: DeliveryState) -> None:
        """Record a delivery status."""
        final = int(delivery.final or delivery is DeliveryState.NOT_FOUND)
        with self._transaction():
            self._run(
                "set_delivery", id=recipient, delivery=delivery, final=final, now=self._clock()
            )

    def note_asked(self, recipient: int) -> None:
        """Record a failed status check, so that other messages are checked first."""
        with self._transaction():
            self._run("note_asked", id=recipient, now=self._clock())

    # Forgetting

    def purge(self) -> None:
        """Delete numbers, texts and replies, and keep the statistics."""
        with reading():
            self._counted()
        self._connection.execute("PRAGMA secure_delete = ON")
        with self._transaction():
            for name in ("purge_recipients", "purge_texts", "purge_requests", "purge_decisions"):
                self._run(name)
            self._run("set", name="purged_at", value=repr(self._clock()))
        # Overwritten data is still in the log and in free pages.
        self._connection.execute("VACUUM")
        ((busy, *_),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise JournalError(
                "another program reads the file, so its log still holds the deleted data: purge the"
                " campaign again when that program has finished"
            )
