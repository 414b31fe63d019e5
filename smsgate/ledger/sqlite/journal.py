"""The journal in one SQLite file: what is recorded, and when.

Rules of this file: WAL with synchronous=FULL, both read back; every change in one
`BEGIN IMMEDIATE`; one writing connection per file; only the owner may read the file
(docs: how it is tested, "SQLite").
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from ...protocol.answers import DeliveryState
from ...protocol.rewriting import Savings
from ..arguments import (
    OUTCOMES,
    check_decision,
    check_id_of_one,
    check_new_id,
    check_outcomes,
    decided,
    lines_of,
)
from ..records import (
    PLAIN_LIST,
    Added,
    Claim,
    Entry,
    Evidence,
    JournalError,
    Lines,
    Listing,
    RecipientOutcome,
    RequestEnd,
    Seen,
    Text,
)
from ..states import Event, RecipientState, after, before
from ..stop_numbers import STOPPED, Stops, places_of, places_text, without_place
from ..stored_records import evidence_text, kept_text, kind_of
from .campaign_file import CampaignFile
from .connection import reading, transaction
from .reader import SqliteReader

__all__ = ["ENDED_EARLY", "SqliteJournal"]

ENDED_EARLY = "the process ended before the answer was recorded"


class SqliteJournal(SqliteReader):
    """A journal in a file, for one thread. Call `create` or `open`, and `close` at the end."""

    shared: bool = False
    """One run at a time, and only the thread that opened the file may use it."""

    @staticmethod
    def _hook(step: str) -> None:
        """Do nothing. A test overrides this method to end the process at a step."""

    def __init__(self, file: CampaignFile) -> None:
        super().__init__(file.path, file.connection)
        self._file = file
        self._texts: dict[int, Text] = {}
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
        pending, skipped, savings = 0, Counter[str](), Savings()
        with self._transaction():
            for entry in entries:
                reason = (
                    entry.reason
                    if entry.text is None
                    else self._add(entry, self._text_id(entry.text), listing)
                )
                if reason:
                    self._run(
                        "add_skipped",
                        line=entry.line,
                        given=entry.number[:64].encode(errors="backslashreplace").decode(),
                        reason=reason,
                        kept=kept_text(entry.kept),
                    )
                    skipped[kind_of(reason)] += 1
                else:
                    pending += 1
                    if entry.text is not None and entry.text.savings is not None:
                        savings += entry.text.savings
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
        return Added(pending, skipped, savings)

    def _add(self, entry: Entry, text: int, listing: Listing) -> str:
        given = {"number": entry.number, "text": text, "each_text": int(listing.each_text)}
        if self._run(
            "add_recipient", line=entry.line, kept=kept_text(entry.kept), **given
        ).rowcount:
            return ""
        ((line,),) = self._run("find_line", **given)
        return f"repeats line {line}"

    def _text_id(self, text: Text) -> int:
        hashed = hashlib.sha256(
            "\0".join((text.sender, text.text or "", text.wappush or "")).encode()
        ).digest()
        given = {
            "sender": text.sender,
            "body": text.text,
            "wappush": text.wappush,
            "parts": text.parts,
        }
        self._run(
            "add_text", hash=hashed, alphabet=text.alphabet, forced_by=text.forced_by, **given
        )
        ((found,),) = self._run("find_text", hash=hashed)
        return int(found)

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

    def claim(
        self,
        run: int,
        most: int,
        seen: Seen | None = None,
        *,
        lease: float = 0.0,  # noqa: ARG002 - the lock of the file is the lease
        stops: Stops | None = None,
    ) -> Claim | None:
        """Move up to `most` pending recipients of one text to in flight, durably.

        Returns None if no recipient is pending, or if `stops` has counted some that it has stopped:
        then others may be pending. `seen`, the last known balance, is stored with the
        claim. The claim lasts until the file is opened again, so it has no `lease`.
        """
        self._file.check_kept()
        stopped = set[tuple[int, str]]()
        balance = (
            {"balance": None, "balance_at": None}
            if seen is None
            else {"balance": str(seen.balance), "balance_at": seen.at}
        )
        with self._transaction():
            first = self._run("first_pending").fetchone()
            if first is None:
                return None
            alone, text = first
            together = {"alone": alone, "text": text, "most": 1 if alone else most}
            rows = self._run("pending", **together).fetchall()
            if stops is not None:
                stopped = self._stop(stops, text, rows)
                rows = [row for row in rows if row not in stopped]
                together["most"] = len(rows)
            request = self._claim(run, rows, together, balance) if rows else 0
            self._hook("claiming")
        self._hook("claimed")
        if stops is not None:
            stops.count(len(stopped))
        return Claim(request, self._text(text), alone, tuple(rows)) if rows else None

    def _claim(
        self, run: int, rows: Sequence[Any], together: dict[str, Any], balance: dict[str, Any]
    ) -> int:
        """Move the recipients that were read to in flight, and return the new request."""
        added = self._run(
            "add_request",
            run=run,
            text=together["text"],
            size=len(rows),
            now=self._clock(),
            **balance,
        )
        request = int(added.lastrowid or 0)
        moved = self._run(
            "claim",
            target=after(before(Event.CLAIMED), Event.CLAIMED),
            request=request,
            **together,
        ).rowcount
        if moved != len(rows):
            raise JournalError("the claimed recipients are not the ones that were read")
        return request

    def _stop(
        self, stops: Stops, text: int, rows: Sequence[tuple[int, str]]
    ) -> set[tuple[int, str]]:
        """Abandon those of the pending recipients that are on a stop list, and return them."""
        listed = stops.listed([number for _, number in rows])
        stopped = {row for row in rows if row[1] in listed}
        if stopped:
            source = before(Event.LISTED)
            target = after(source, Event.LISTED)
            self._run_many("stop", [(target, STOPPED, key, source) for key, _ in stopped])
            self._run("add_stopped", now=self._clock(), recipients=len(stopped))
            if self._forget_texts:
                self._run("forget_text_of", text=text)
        return stopped

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

    def _text(self, text: int) -> Text:
        # The next claim nearly always has the same text.
        if text not in self._texts:
            ((sender, body, wappush, parts),) = self._run("text", id=text)
            self._texts = {text: Text(sender, body, wappush, parts)}
        return self._texts[text]

    def settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> None:
        """Record the outcome of each recipient of a claim."""
        check_outcomes(claim, outcomes)
        moves = {event: (after(before(event), event), before(event)) for event in OUTCOMES}
        rows = [
            (target, one.message_id, one.reason, one.alone, one.recipient, claim.request, source)
            for one in outcomes
            for target, source in [moves[one.event]]
        ]
        counts = Counter(outcome.event for outcome in outcomes)
        self._hook("settling")
        with self._transaction():
            self._run_many("settle", rows)
            self._run(
                "settle_request",
                request=claim.request,
                now=self._clock(),
                accepted=counts[Event.ACCEPTED],
                refused=counts[Event.REFUSED],
                in_doubt=counts[Event.IN_DOUBT],
                reason=end.reason,
                status=end.status,
                reply=end.reply,
            )
            if self._forget_texts:
                self._run("forget_text", request=claim.request)
            self._hook("settled, not committed")
        self._hook("settled")

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

    # What they share

    def _run_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once per row. Each run must find its recipient in the expected state."""
        changed = self._connection.executemany(self._sql[statement], rows).rowcount
        if changed != len(rows):
            raise JournalError(
                f"{len(rows) - changed} recipients are not in the state that was expected of them"
            )

    def _transaction(self) -> Any:
        return transaction(self._connection)
