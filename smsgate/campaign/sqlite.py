"""The journal in one SQLite file, and the lock that lets only one run at it. The one importer of sqlite3.

Rules of this file: WAL with synchronous=FULL, read back; every change in one `BEGIN IMMEDIATE`; one writing connection for each
file; the file is its owner's alone (docs: how it is tested, "SQLite").
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sqlite3
import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from decimal import Decimal
from functools import wraps
from pathlib import Path
from secrets import token_hex
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from ..protocol.answers import DeliveryState
from .journal import (
    Added,
    Around,
    Claim,
    Decision,
    Entry,
    Evidence,
    Figures,
    JournalBusy,
    JournalError,
    JournalInUse,
    RecipientInDoubt,
    RecipientOutcome,
    RecipientRecord,
    RequestEnd,
    RequestInDoubt,
    Seen,
    Text,
    TimeSlot,
)
from .place import INDEX, LOCK, LOG, Place, beside
from .statements import SCHEMA_VERSION, schema, statements
from .states import OPERATOR_EVENTS, TRANSITIONS, Event, RecipientState, after, before

__all__ = ["ENDED_EARLY", "SqliteJournal"]

ENDED_EARLY = "the process ended before the answer was written"
_APPLICATION_ID = 0x534D5347  # SMSG
_MARK = "claims_in_log"
"""A setting that stands in the file while a run is at it: without its log the file does not know who was sent to."""
_MASKED = re.compile(r' ?"?\+?[0-9]*\*+[0-9]*"?')
_QUICK, _PATIENT = 200, 5_000
"""Milliseconds for which a lock is waited for: where whoever calls can wait by itself, and elsewhere."""
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
_OUTCOMES = {row.event for row in TRANSITIONS if row.source is RecipientState.IN_FLIGHT}


def _nothing(_step: str) -> None:
    pass


class SqliteJournal:
    """A journal in a file. Make one with `create` or `open`; used by one thread, and closed at the end.

    `clock` gives seconds since 1970. `hook` is called with a name at each step, so that a test can end the process there.
    """

    def __init__(
        self,
        place: Place,
        connection: sqlite3.Connection,
        clock: Callable[[], float],
        hook: Callable[[str], None],
        *,
        keeper: sqlite3.Connection | None = None,
        lock: _Lock | None = None,
    ) -> None:
        self.path: Path = place.path
        self._place = place
        self._connection = connection
        self._keeper = keeper
        self._clock = clock
        self._hook = hook
        self._sql = statements()
        self._texts: dict[int, Text] = {}
        self._saved = beside(place.path, f".saved-{token_hex(4)}")
        # The writing connection goes first: the last one merges the log into the file, also where the mark could not be removed.
        self._let_go = weakref.finalize(self, _close_all, connection, keeper, lock)
        settings = self._settings()
        self._marked = keeper is not None and _MARK in settings
        self._mark_in_file = False
        self._forget_texts = settings.get("forget_texts") == "1"
        if self._forget_texts:
            connection.execute("PRAGMA secure_delete = ON")

    @classmethod
    def create(cls, path: Path, *, clock: Callable[[], float] = time.time, hook: Callable[[str], None] = _nothing) -> Self:
        """Make a new file, readable by its owner alone. Raises `FileExistsError`, `OSError` or `JournalError`."""
        place = Place(path)
        place.check_new()
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600))
        with ExitStack() as made:
            made.callback(path.unlink, missing_ok=True)
            with ExitStack() as held:
                lock = held.enter_context(_Lock(path))
                connection = held.enter_context(closing(_connect(path)))
                with _transaction(connection):
                    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    _migrate(connection, 0)
                keeper = held.enter_context(closing(_connect_to_read(path)))
                journal = cls(place, connection, clock, hook, keeper=keeper, lock=lock)
                held.pop_all()
            made.pop_all()
        place.remember("", LOCK)
        return journal

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        writing: bool = True,
        clock: Callable[[], float] = time.time,
        hook: Callable[[str], None] = _nothing,
    ) -> Self:
        """Open the file of a campaign: for one run alone, or, with `writing=False`, to look at it while another runs.

        Whoever looks at a file whose last run was killed, or that is of an older version, gets a copy in memory in which
        recipients in flight are in doubt. Raises `FileNotFoundError` or `JournalError`.
        """
        place = Place(path)
        place.check()
        _check_log(path)
        journal = cls._open(place, clock, hook) if writing else cls._look(place, clock, hook)
        if "name" not in journal._settings():
            journal.close()
            raise JournalError("the campaign was not finished being made: delete the file and make it anew")
        return journal

    @classmethod
    def _open(cls, place: Place, clock: Callable[[], float], hook: Callable[[str], None]) -> Self:
        with ExitStack() as held:
            lock = held.enter_context(_Lock(place.path))
            # It is closed last if anything fails here, so that the log stays beside a file that has the mark.
            keeper = held.enter_context(closing(_connect_to_read(place.path)))
            version = _version_of(keeper)
            connection = held.enter_context(closing(_connect(place.path)))
            with _transaction(connection):
                _migrate(connection, version)
            keeper.execute("SELECT 1 FROM sqlite_master").fetchall()
            journal = cls(place, connection, clock, hook, keeper=keeper, lock=lock)
            place.remember("", LOCK)
            place.path.chmod(0o600)
            held.pop_all()
        return journal

    @classmethod
    def _look(cls, place: Place, clock: Callable[[], float], hook: Callable[[str], None]) -> Self:
        with ExitStack() as held:
            alone = not _in_use(place.path)
            source, frozen = _connect_to_look(place.path)
            held.enter_context(closing(source))
            version = _version_of(source)
            current = not frozen and version == SCHEMA_VERSION
            if current and not (alone and source.execute("SELECT 1 FROM request WHERE settled_at IS NULL").fetchone()):
                journal = cls(place, source, clock, hook)
                held.pop_all()
                return journal
            copy = _connection_to(":memory:")
            held.callback(copy.close)
            source.backup(copy)
            with _transaction(copy):
                _migrate(copy, version)
            journal = cls(place, copy, clock, hook)
            if alone and not _in_use(place.path):
                journal.recover()
            held.pop_all()
            source.close()
        return journal

    def close(self) -> None:
        """Close the file and let go of the lock, whatever else fails.

        Raises `JournalError` if the file was removed while a run was at it and what the run knew could not be saved.
        """
        try:
            if self._let_go.alive and self._merge() and self._keeper:
                self._keeper.close()
        finally:
            self._let_go()

    def _merge(self) -> bool:
        """Bring all that the log has into the file. False if the log must stay beside it."""
        if not self._marked:
            return True
        lost = self._place.lost()
        if lost == "":
            self._save()
            return False
        if lost == LOCK:
            return False  # another run may be at the file, and its mark must stay
        try:
            with self._transaction():
                self._run("unset", name=_MARK)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except JournalError:
            return False  # the log stays beside the file, so the mark may
        self._marked = False
        return True

    def _save(self) -> None:
        """Write all that the journal knows into another file, since its own has no name any more."""
        try:
            os.close(os.open(self._saved, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with self._transaction():
                self._run("unset", name=_MARK)
            self._connection.execute("VACUUM INTO ?", (str(self._saved),))
        except (JournalError, OSError) as error:
            raise JournalError(
                f"the file was removed, and what the run knew could not be saved as {self._saved.name}: {error}"
            ) from None

    def remove(self) -> None:
        """Close the file and delete it, since it was not finished being made."""
        self.close()
        for suffix in ("", LOG, INDEX, LOCK):
            beside(self.path, suffix).unlink(missing_ok=True)

    # Filling

    def add(self, entries: Iterable[Entry], *, name: str, forget_texts: bool) -> Added:
        """Fill a new journal, all or nothing."""
        pending, skipped = 0, Counter[str]()
        with self._transaction():
            for entry in entries:
                reason = entry.reason if entry.text is None else self._add(entry, self._text_id(entry.text))
                if reason:
                    self._run(
                        "add_skipped",
                        line=entry.line,
                        given=entry.number[:64].encode(errors="backslashreplace").decode(),
                        reason=reason,
                    )
                    skipped[_kind_of(reason)] += 1
                else:
                    pending += 1
            self._run("drop_texts")
            for key, value in (("name", name), ("created_at", repr(self._clock())), ("forget_texts", str(int(forget_texts)))):
                self._run("set", name=key, value=value)
        if forget_texts:
            self._forget_texts = True
            self._connection.execute("PRAGMA secure_delete = ON")
        return Added(pending, skipped)

    def _add(self, entry: Entry, text: int) -> str:
        if self._run("add_recipient", line=entry.line, number=entry.number, text=text).rowcount:
            return ""
        ((line,),) = self._run("find_line", number=entry.number)
        return f"repeats line {line}"

    def _text_id(self, text: Text) -> int:
        hashed = hashlib.sha256("\0".join((text.sender, text.text or "", text.wappush or "")).encode()).digest()
        given = {"sender": text.sender, "body": text.text, "wappush": text.wappush, "parts": text.parts}
        self._run("add_text", hash=hashed, alphabet=text.alphabet, forced_by=text.forced_by, **given)
        ((found,),) = self._run("find_text", hash=hashed)
        return int(found)

    # Sending

    def recover(self) -> int:
        """Put in doubt whoever was in flight when the last run ended. Returns how many."""
        source = before(Event.IN_DOUBT)
        with self._transaction():
            self._run("doubt_requests", now=self._clock(), reason=ENDED_EARLY)
            target = after(source, Event.IN_DOUBT)
            return self._run("doubt_recipients", source=source, target=target, reason=ENDED_EARLY).rowcount

    def start_run(self) -> int:
        """Note that a run begins and return its number. Raises `JournalBusy` while another program reads the file."""
        self._place.check_kept(self._saved)
        if not self._mark_in_file:
            self._marked = True
            with self._transaction():
                self._run("set", name=_MARK, value="1")
            self._bring_mark_into_file()
            self._place.remember(LOG, INDEX)
            self._mark_in_file = True
        with self._transaction():
            return int(self._run("start_run", now=self._clock()).lastrowid or 0)

    def _bring_mark_into_file(self) -> None:
        """Write the log into the file and leave it there: from now on it has the claims, and the file alone must say so."""
        self._connection.execute(f"PRAGMA busy_timeout = {_QUICK}")  # who calls can wait better
        ((busy, *_),) = self._connection.execute("PRAGMA wal_checkpoint(FULL)")
        self._connection.execute(f"PRAGMA busy_timeout = {_PATIENT}")
        if busy:
            raise JournalBusy("another program reads the file of the campaign (a report, an export, an SQLite program)")

    def end_run(self, run: int, outcome: str) -> None:
        """Note how a run ended."""
        with self._transaction():
            self._run("end_run", run=run, outcome=outcome, now=self._clock())

    def claim(self, run: int, most: int, seen: Seen | None = None) -> Claim | None:
        """Put up to `most` pending recipients of one text in flight, on the disk. None if none is pending.

        `seen` is the last balance that was seen; it is kept with the claim.
        """
        self._place.check_kept(self._saved)
        balance = {"balance": None, "balance_at": None} if seen is None else {"balance": str(seen.balance), "balance_at": seen.at}
        with self._transaction():
            first = self._run("first_pending").fetchone()
            if first is None:
                return None
            alone, text = first
            rows = self._run("pending", alone=alone, text=text, most=1 if alone else most).fetchall()
            added = self._run("add_request", run=run, text=text, size=len(rows), now=self._clock(), **balance)
            request = int(added.lastrowid or 0)
            together = {"alone": alone, "text": text, "most": 1 if alone else most}
            moved = self._run("claim", target=after(before(Event.CLAIMED), Event.CLAIMED), request=request, **together).rowcount
            if moved != len(rows):
                raise JournalError("others were claimed than were read")
            self._hook("claiming")
        self._hook("claimed")
        return Claim(request, self._text(text), alone, tuple(rows))

    def _text(self, text: int) -> Text:
        # The next claim is nearly always of the same text.
        if text not in self._texts:
            ((sender, body, wappush, parts),) = self._run("text", id=text)
            self._texts = {text: Text(sender, body, wappush, parts)}
        return self._texts[text]

    def settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> None:
        """Write what became of each recipient of a claim."""
        if sorted(outcome.recipient for outcome in outcomes) != sorted(key for key, _ in claim.recipients):
            raise ValueError("outcomes: one for each recipient of the claim")
        if foreign := {outcome.event for outcome in outcomes} - _OUTCOMES:
            raise ValueError(f"outcomes: {min(foreign)} is nothing that becomes of a request")
        moves = {event: (after(before(event), event), before(event)) for event in {outcome.event for outcome in outcomes}}
        rows = [
            (moves[one.event][0], one.message_id, one.reason, one.alone, one.recipient, claim.request, moves[one.event][1])
            for one in outcomes
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
        """Keep evidence with a request in doubt."""
        with self._transaction():
            self._run("set_evidence", request=request, evidence=json.dumps(asdict(evidence), default=str))

    def around(self, request: int, until: float) -> Around:
        """Return what is known around a request, until this moment."""
        ((balance, at, spent, others),) = self._run("around", request=request, until=until)
        return Around(None if balance is None else Seen(Decimal(balance), at), spent, others)

    def without_evidence(self) -> list[int]:
        """Return requests with recipients in doubt and no evidence, oldest first: the process ended before it could look."""
        return [request for (request,) in self._run("without_evidence")]

    def now(self) -> float:
        """Return the time by which everything is written down, in seconds since 1970."""
        return self._clock()

    def unrecorded_ids(self, message_ids: Sequence[str]) -> list[str]:
        """Return those of these message ids that no answer has told. It takes a while; any thread may ask."""
        if not message_ids:
            return []
        with closing(_connect_to_read(self.path)) as connection:
            known = {row[0] for row in connection.execute(self._sql["known_ids"], {"ids": json.dumps(message_ids)})}
        return [one for one in message_ids if one not in known]

    # The recipients in doubt

    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, oldest first."""
        with _transaction(self._connection, "DEFERRED"), _reading():
            found = [
                RequestInDoubt(
                    id=request,
                    claimed_at=claimed_at,
                    settled_at=settled_at,
                    size=size,
                    in_doubt=in_doubt,
                    cost=parts * in_doubt,
                    reason=reason or "",
                    status=status,
                    reply_size=reply_size or 0,
                    evidence=None if evidence is None else _evidence(json.loads(evidence)),
                )
                for request, claimed_at, settled_at, size, reason, status, reply_size, evidence, parts, in_doubt in self._run(
                    "requests_in_doubt"
                )
            ]
            if sum(one.in_doubt for one in found) != self._counted().get(RecipientState.IN_DOUBT, 0):
                raise JournalError(_DAMAGED)  # an index or a table has lost somebody
        return found

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request."""
        return [
            RecipientInDoubt(line, number or "", reason or "")
            for line, number, reason in self._run("recipients_in_doubt", request=request)
        ]

    def reply(self, request: int) -> bytes | None:
        """Return the raw reply of a request, as far as it was kept."""
        row = self._run("reply", request=request).fetchone()
        return row[0] if row else None

    def resolve(self, event: Event, *, who: str, note: str, request: int | None, line: int | None, message_id: str | None) -> int:
        """Do as the operator says, with whoever is where the event can happen: of one request, of one line, or with all.

        Returns how many it were.
        """
        if event not in OPERATOR_EVENTS:
            raise ValueError(f"event: one of {', '.join(OPERATOR_EVENTS)}")
        source = before(event)
        target = after(source, event)
        resend = target is RecipientState.PENDING
        with self._transaction():
            if message_id is not None and (owner := self._run("find_id", message_id=message_id).fetchone()):
                raise ValueError(f"message_id: line {owner[0]} has this id already, and an id belongs to one recipient")
            moved = self._run(
                "resolve",
                source=source,
                target=target,
                request=request,
                line=line,
                message_id=message_id,
                # The next loss then costs one.
                alone=int(resend),
                reason=None if resend else f"{event} by {who}",
            ).rowcount
            if message_id is not None and moved > 1:
                raise ValueError("message_id: it belongs to one recipient; name the line")
            if moved:
                said = {"who": who, "event": event, "note": note, "request": request, "line": line}
                self._run("add_decision", now=self._clock(), recipients=moved, **said)
                if self._forget_texts:
                    self._run("forget_texts")
        return moved

    # Delivery

    def to_ask(self, again: float, most: int) -> list[tuple[int, str]]:
        """Return accepted messages without a final status not asked for in the last `again` seconds, longest ago first."""
        now = self._clock()
        return self._run("to_ask", before=now - again, now=now, most=most).fetchall()

    def next_ask(self) -> tuple[int, float]:
        """Return how many statuses are not final, and for how many seconds the longest was not asked for."""
        ((count, asked_at),) = self._run("next_ask")
        return count, self._clock() - (asked_at or 0.0)

    def set_delivery(self, recipient: int, delivery: DeliveryState) -> None:
        """Write a delivery status."""
        final = int(delivery.final or delivery is DeliveryState.NOT_FOUND)
        with self._transaction():
            self._run("set_delivery", id=recipient, delivery=delivery, final=final, now=self._clock())

    def note_asked(self, recipient: int) -> None:
        """Note that a status was asked for in vain, so that the others come first."""
        with self._transaction():
            self._run("note_asked", id=recipient, now=self._clock())

    # Looking

    def states(self) -> dict[RecipientState, int]:
        """Return how many recipients are in each state."""
        with _reading():
            return {RecipientState(state): count for state, count in self._run("states")}

    def _counted(self) -> dict[RecipientState, int]:
        """Return the same, and make sure that nobody is missing: their keys are 1, 2, 3 and so on."""
        states = self.states()
        ((last,),) = self._run("last_recipient")
        if sum(states.values()) != last:
            raise JournalError(_DAMAGED)
        return states

    def figures(self, *, on_progress: Callable[[float], None] | None = None) -> Figures:
        """Return the campaign in figures. `on_progress` is called with the part that is done, from 0 to 1."""
        with _transaction(self._connection, "DEFERRED"), _reading():
            return self._figures(_Answered(on_progress))

    def _figures(self, done: _Answered) -> Figures:
        settings = done(self._settings())
        parts, ucs2, cost = Counter[int](), 0, Counter[str]()
        for state, count_of_parts, alphabet, count in done(self._run("parts").fetchall()):
            parts[count_of_parts] += count
            ucs2 += count if alphabet == "UCS-2" else 0
            cost[state] += count_of_parts * count
        ((texts, _),) = done(self._run("texts").fetchall())
        forced = Counter[str]()
        for characters, count in done(self._run("forced_by")):
            for character in characters:
                forced[character] += count
        *example, example_number = done(self._run("example").fetchone()) or (None,)
        ((first, last, requests),) = done(self._run("span").fetchall())
        runs = self._run("runs").fetchall()
        return Figures(
            name=settings["name"],
            created_at=float(settings["created_at"]),
            purged="purged_at" in settings,
            states=done(self._counted()),
            skipped=done(self._reasons(RecipientState.SKIPPED)),
            refused=done(self._reasons(RecipientState.REFUSED)),
            in_doubt=done(self._reasons(RecipientState.IN_DOUBT)),
            deliveries=done(dict(self._run("deliveries"))),
            parts=dict(sorted(parts.items())),
            ucs2=ucs2,
            texts=texts,
            forced_by="".join(character for character, _ in forced.most_common()),
            costs={RecipientState(state): paid for state, paid in cost.items()},
            example=Text(*example) if example else None,
            decisions=done(
                tuple(
                    Decision(at, who, Event(event), note, request, line, recipients)
                    for at, who, event, note, request, line, recipients in self._run("decisions")
                )
            ),
            runs=len(runs),
            requests=requests,
            first_claim=first,
            last_answer=last,
            last_outcome=runs[-1][3] if runs else None,
            example_number=example_number,
        )

    def _reasons(self, state: RecipientState) -> dict[str, int]:
        counts = Counter[str]()
        for reason, count in self._run("reasons", state=state):
            counts[_kind_of(reason)] += count
        return dict(counts.most_common())

    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most so many steps."""
        ((start, end, _),) = self._run("span")
        if start is None or end is None:
            return []
        step = max((end - start) / steps, 1e-3) * (1 + 1e-9)
        rows = {slot: counts for slot, *counts in self._run("timeline", start=start, step=step)}
        return [TimeSlot(start + slot * step, *rows.get(slot, (0, 0, 0))) for slot in range(max(rows, default=-1) + 1)]

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield everybody, in the order of the file."""
        for line, number, state, *rest in self._run("recipients"):
            with _reading():
                known = RecipientState(state)
            yield RecipientRecord(line, number, known, *rest)

    # Forgetting

    def purge(self) -> None:
        """Forget who it was and what was said, and keep the figures."""
        self._connection.execute("PRAGMA secure_delete = ON")
        with self._transaction():
            for name in ("purge_recipients", "purge_texts", "purge_requests", "purge_decisions"):
                self._run(name)
            self._run("set", name="purged_at", value=repr(self._clock()))
        # What was overwritten still stands in the log and in free pages.
        self._connection.execute("VACUUM")
        ((busy, *_),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise JournalError("another program reads the file, so what was forgotten still stands in its log: purge it again")

    # What they share

    def _settings(self) -> dict[str, str]:
        return dict(self._run("settings"))

    def _run(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        return self._connection.execute(self._sql[statement], values)

    def _run_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each row. Every one must find its recipient in the state that it expects."""
        changed = self._connection.executemany(self._sql[statement], rows).rowcount
        if changed != len(rows):
            raise JournalError(f"{len(rows) - changed} recipients are not in the state that the journal had for them")

    def _transaction(self) -> Any:
        return _transaction(self._connection)


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(JournalError):  # SQLite has already rolled back, or the first error is the one to tell
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _reading() -> Iterator[None]:
    """Say in our words that what was read cannot have been written by this package."""
    try:
        yield
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise JournalError(_DAMAGED) from None


_DAMAGED = (
    "the file is damaged: restore it from a backup. A campaign made anew would not know to whom this one has sent, and send again"
)
_NO_CAMPAIGN = "the file is no campaign"
_BUSY = "another program holds the file: try again when it has ended"
_SENTENCES: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space, then do the same again",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written, or it is full: look at the disk, then do the same again",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only: copy the campaign to where you can write",
    sqlite3.SQLITE_CANTOPEN: "the file, or its log beside it, cannot be opened: look at the rights of both and of the folder",
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_NOTADB: _NO_CAMPAIGN,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
}
"""What each kind of error of SQLite means for the user."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_R = TypeVar("_R")


def _told(error: sqlite3.DatabaseError) -> JournalError:
    """Return our error for one of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return JournalError(_DAMAGED)  # a text that cannot be decoded; the error quotes it
    kind = JournalBusy if code & 0xFF == sqlite3.SQLITE_BUSY else JournalError
    return kind(f"{_SENTENCES.get(code & 0xFF, f'{_NO_CAMPAIGN}, or damaged')} ({error})")


def _plainly(method: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R]:
    """Make a method of sqlite3 raise our errors. `ProgrammingError` is a fault of ours and stays as it is."""

    @wraps(method)
    def call(self: _T, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
        try:
            return method(self, *arguments, **named)
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            raise _told(error) from None

    return call


class _Cursor(sqlite3.Cursor):
    """A cursor that raises our errors. SQLite reads as it goes, so a damaged page is often met only here."""

    execute = _plainly(sqlite3.Cursor.execute)
    executemany = _plainly(sqlite3.Cursor.executemany)
    fetchone = _plainly(sqlite3.Cursor.fetchone)  # pyright: ignore[reportAssignmentType] # nobody gives self by name
    fetchall = _plainly(sqlite3.Cursor.fetchall)  # pyright: ignore[reportAssignmentType] # nobody gives self by name

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            raise _told(error) from None


class _Connection(sqlite3.Connection):
    """A connection that raises our errors, and that is closed when it has been closed.

    SQLite puts off the end of a connection until the last of its cursors is gone, for which a traceback may care much later.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cursors = weakref.WeakSet[_Cursor]()

    def _cursor(self) -> _Cursor:
        made = self.cursor(_Cursor)
        self._cursors.add(made)
        return made

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        return self._cursor().execute(sql, values)

    def executemany(self, sql: str, values: Any, /) -> sqlite3.Cursor:
        return self._cursor().executemany(sql, values)

    def close(self) -> None:
        for cursor in tuple(self._cursors):
            cursor.close()
        super().close()

    backup = _plainly(sqlite3.Connection.backup)  # pyright: ignore[reportAssignmentType] # nobody gives self by name


def _connection_to(place: str, *, timeout: float = _PATIENT / 1000) -> sqlite3.Connection:
    return sqlite3.connect(place, isolation_level=None, timeout=timeout, uri=place.startswith("file:"), factory=_Connection)


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file for writing."""
    connection = _connection_to(path.absolute().as_uri())
    settings = [("journal_mode", "WAL", "wal"), ("synchronous", "FULL", 2)]
    if sys.platform == "darwin":  # pragma: no cover - only there does fsync not reach the disk
        settings.append(("fullfsync", "1", 1))
    try:
        for name, value, expected in settings:
            connection.execute(f"PRAGMA {name} = {value}")
            ((found,),) = connection.execute(f"PRAGMA {name}")
            if found != expected:  # pragma: no cover - a file system without shared memory, such as a network drive
                raise JournalError(f"SQLite does not take {name}={value} for this file; is it on a network drive?")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path, *options: str) -> sqlite3.Connection:
    """Open the file for reading. Such a connection never merges the log into the file."""
    connection = _connection_to("?".join([path.absolute().as_uri(), "&".join(["mode=ro", *options])]))
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_look(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open the file for reading, also where nothing can be written. Then the second value is True, and it must be copied."""
    try:
        return _connect_to_read(path), False
    except JournalError:
        # SQLite must write beside a file to share its log. A file without one can be read as it is.
        if _has_log(path):
            raise
    return _connect_to_read(path, "immutable=1"), True


def _close_all(connection: sqlite3.Connection, keeper: sqlite3.Connection | None, lock: _Lock | None) -> None:
    for one in (connection, keeper, lock):
        with suppress(sqlite3.Error):
            if one is not None:
                one.close()


def _version_of(connection: sqlite3.Connection) -> int:
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if application != _APPLICATION_ID:
        raise JournalError("the file is no campaign")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"the file is of version {version}, and this smsgate knows {SCHEMA_VERSION} at most: install a newer one"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the schema up to date, inside of a transaction."""
    for newer in range(version + 1, SCHEMA_VERSION + 1):
        for statement in schema(newer).split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newer}")


def _has_log(path: Path) -> bool:
    log = beside(path, LOG)
    return log.exists() and log.stat().st_size > 0


def _check_log(path: Path) -> None:
    """Raise `JournalError` if a run was at the file and its log, which has the claims, is not beside it."""
    if _has_log(path):
        return
    with closing(_connect_to_read(path, "immutable=1")) as alone:
        ((tables,),) = alone.execute("SELECT count(*) FROM sqlite_master WHERE name = 'setting'")
        marked = tables and alone.execute("SELECT 1 FROM setting WHERE name = ?", (_MARK,)).fetchone()
    if marked and not _has_log(path):  # a run may have begun since
        raise JournalError(
            f"{beside(path, LOG).name} is missing, which has what the last run did: put it beside the file under this name."
            " Without it nobody knows who was sent to, and they would be sent to again. Only if another SQLite program opened the"
            f" file since, and so has merged it: delete the row {_MARK!r} from the table 'setting' with that program"
        )


def _in_use(path: Path) -> bool:
    """Return whether a run, or a command that writes, is at the file."""
    lock = beside(path, LOCK)
    try:
        with closing(_connection_to(f"{lock.absolute().as_uri()}?mode=ro", timeout=0)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except JournalBusy:
        return True
    except (JournalError, sqlite3.Error):
        return False  # there is no lock, or it cannot be read
    return False


class _Lock:
    """Lets one process at a file. It is another SQLite file, held in an exclusive transaction.

    The system lets go of it however the process ends, and that on every system.
    """

    def __init__(self, path: Path) -> None:
        lock = beside(path, LOCK)
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            raise JournalError(
                f"{lock.name} cannot be written beside the file ({error.strerror}): copy the campaign to where you can write"
            ) from None
        self._connection = _connection_to(str(lock), timeout=_QUICK / 1000)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except JournalError as error:
            self._connection.close()
            if isinstance(error, JournalBusy):
                raise JournalInUse("the campaign is in use by another run; wait for it, or stop it with Ctrl-C") from None
            raise JournalError(f"{lock.name}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()


def _kind_of(reason: str) -> str:
    """Return a reason without what is peculiar to one line, so that it can be counted."""
    return "repeats another line" if reason.startswith("repeats line ") else _MASKED.sub("", reason)


def _evidence(stored: dict[str, Any]) -> Evidence:
    balances = {name: Decimal(stored[name]) for name in ("before", "after") if stored[name] is not None}
    lists = {name: tuple(stored[name]) for name in ("new_ids", "reply_ids")}
    return Evidence(**{**stored, **balances, **lists})


class _Answered:
    """Tells how many of the questions about a campaign are answered."""

    _QUESTIONS = 12

    def __init__(self, on_progress: Callable[[float], None] | None) -> None:
        self._on_progress = on_progress
        self._answered = 0

    def __call__(self, answer: _T) -> _T:
        self._answered += 1
        if self._on_progress:
            self._on_progress(self._answered / self._QUESTIONS)
        return answer
