"""The journal in one SQLite file, and the lock that lets only one run at it. The one importer of sqlite3.

Rules of this file: WAL with synchronous=FULL, read back; every change in one `BEGIN IMMEDIATE`; one writing connection for each
file; the file is its owner's alone (reliability, section 2.6).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from ..protocol.answers import DeliveryState
from .journal import (
    Added,
    Around,
    BatchEnd,
    Claim,
    Decision,
    Entry,
    Evidence,
    Figures,
    JournalError,
    Loss,
    RecipientRecord,
    Seen,
    Text,
    TimeSlot,
    Unsettled,
    Verdict,
)
from .statements import SCHEMA_VERSION, schema, statements
from .states import OPERATOR_EVENTS, TRANSITIONS, Event, RecipientState, after, before

__all__ = ["ENDED_EARLY", "SqliteJournal"]

ENDED_EARLY = "the process ended before the answer was written"
_APPLICATION_ID = 0x534D5347  # SMSG
_MARK = "claims_in_log"
"""A setting that stands in the file while a run is at it: without its log the file does not know who was sent to."""
_MASKED = re.compile(r' ?"?\+?[0-9]*\*+[0-9]*"?')
_OUTCOMES = {row.event for row in TRANSITIONS if row.source is RecipientState.IN_FLIGHT}


def _nothing(_step: str) -> None:
    pass


class SqliteJournal:
    """A journal in a file. Make one with `create` or `open`; used by one thread, and closed at the end.

    `clock` gives seconds since 1970. `hook` is called with a name at each step, so that a test can end the process there.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: _Lock | None,
        clock: Callable[[], float],
        hook: Callable[[str], None],
    ) -> None:
        self.path: Path = path
        self._connection = connection
        self._lock = lock
        self._clock = clock
        self._hook = hook
        self._sql = statements()
        self._texts: dict[int, Text] = {}
        self._marked = False
        self._forget_texts = self._settings().get("forget_texts") == "1"
        if self._forget_texts:
            connection.execute("PRAGMA secure_delete = ON")

    @classmethod
    def create(cls, path: Path, *, clock: Callable[[], float] = time.time, hook: Callable[[str], None] = _nothing) -> Self:
        """Make a new file, readable by its owner alone. Raises `FileExistsError`, `OSError` or `JournalError`."""
        _check_folder(path)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600))
        with ExitStack() as held:
            lock = held.enter_context(_Lock(path))
            connection = held.enter_context(closing(_connect(path, writing=True)))
            with _transaction(connection):
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                _migrate(connection, 0)
            journal = cls(path, connection, lock, clock, hook)
            held.pop_all()
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

        Raises `FileNotFoundError` or `JournalError`.
        """
        if path.is_symlink():
            # The lock and the log go by the name.
            raise JournalError("this is a symbolic link, under which the campaign could be run at once: name the file itself")
        if not path.is_file():
            raise FileNotFoundError(2, "there is no campaign in this place", str(path))
        _check_folder(path)
        if path.stat().st_nlink > 1:
            raise JournalError("the file has a second name (a hard link), under which it could be run at once: remove that")
        with _damage():
            _check_log(path)
        with _damage(), ExitStack() as held:
            lock = held.enter_context(_Lock(path)) if writing else None
            connection = held.enter_context(closing(_connect(path, writing=writing)))
            version = _version_of(connection)
            if version < SCHEMA_VERSION and writing:
                with _transaction(connection):
                    _migrate(connection, version)
            elif version < SCHEMA_VERSION:
                raise JournalError("the file is of an older version: it is migrated when the campaign is run the next time")
            journal = cls(path, connection, lock, clock, hook)
            if "name" not in journal._settings():
                raise JournalError("the campaign was not finished being made: delete the file and make it anew")
            if writing:
                path.chmod(0o600)
            held.pop_all()
        return journal

    def close(self) -> None:
        """Close the file and let go of the lock."""
        if self._marked:
            self._marked = False
            with suppress(sqlite3.Error):  # if it cannot be written, the mark stays, which is on the safe side
                self._run("unset", name=_MARK)
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        if self._lock:
            self._lock.release()

    def remove(self) -> None:
        """Close the file and delete it, since it was not finished being made."""
        self.close()
        for suffix in ("", "-wal", "-shm", "-lock"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

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
        """Make unknown who was in flight when the last run ended. Returns how many."""
        source = before(Event.LOST)
        with self._transaction():
            self._run("lose_batches", now=self._clock(), reason=ENDED_EARLY)
            target = after(source, Event.LOST)
            return self._run("lose_recipients", source=source, target=target, reason=ENDED_EARLY).rowcount

    def start_run(self) -> int:
        """Note that a run begins and return its number."""
        with self._transaction():
            run = int(self._run("start_run", now=self._clock()).lastrowid or 0)
            self._run("set", name=_MARK, value=str(run))
        if self._marked:
            return run
        self._marked = True
        # From now on claims stand in the log, and the file alone must say so. RESTART leaves the log there, unlike TRUNCATE.
        ((busy, *_),) = self._connection.execute("PRAGMA wal_checkpoint(RESTART)")
        if busy:
            raise JournalError("another program reads the file and keeps it from being written; run it again when it has ended")
        return run

    def end_run(self, run: int, ending: str) -> None:
        """Note how a run ended."""
        with self._transaction():
            self._run("end_run", run=run, ending=ending, now=self._clock())

    def claim(self, run: int, most: int, seen: Seen | None = None) -> Claim | None:
        """Put up to `most` pending recipients of one text in flight, on the disk. None if none is pending.

        `seen` is the last balance that was seen; it is kept with the claim.
        """
        balance = {"balance": None, "balance_at": None} if seen is None else {"balance": str(seen.balance), "balance_at": seen.at}
        with self._transaction():
            first = self._run("first_pending").fetchone()
            if first is None:
                return None
            alone, text = first
            rows = self._run("pending", alone=alone, text=text, most=1 if alone else most).fetchall()
            added = self._run("add_batch", run=run, text=text, size=len(rows), now=self._clock(), **balance)
            batch = int(added.lastrowid or 0)
            together = {"alone": alone, "text": text, "most": 1 if alone else most}
            moved = self._run("claim", target=after(before(Event.CLAIMED), Event.CLAIMED), batch=batch, **together).rowcount
            if moved != len(rows):
                raise JournalError("others were claimed than were read")
            self._hook("claiming")
        self._hook("claimed")
        return Claim(batch, self._text(text), alone, tuple(rows))

    def _text(self, text: int) -> Text:
        # The next claim is nearly always of the same text.
        if text not in self._texts:
            ((sender, body, wappush, parts),) = self._run("text", id=text)
            self._texts = {text: Text(sender, body, wappush, parts)}
        return self._texts[text]

    def settle(self, claim: Claim, verdicts: Sequence[Verdict], end: BatchEnd) -> None:
        """Write what became of each recipient of a claim."""
        if sorted(verdict.recipient for verdict in verdicts) != sorted(key for key, _ in claim.recipients):
            raise ValueError("verdicts: one for each recipient of the claim")
        if foreign := {verdict.event for verdict in verdicts} - _OUTCOMES:
            raise ValueError(f"verdicts: {min(foreign)} is nothing that becomes of a request")
        moves = {event: (after(before(event), event), before(event)) for event in {verdict.event for verdict in verdicts}}
        rows = [
            (moves[one.event][0], one.message_id, one.reason, one.alone, one.recipient, claim.batch, moves[one.event][1])
            for one in verdicts
        ]
        counts = Counter(verdict.event for verdict in verdicts)
        self._hook("settling")
        with self._transaction():
            self._run_many("settle", rows)
            self._run(
                "settle_batch",
                batch=claim.batch,
                now=self._clock(),
                accepted=counts[Event.ACCEPTED],
                rejected=counts[Event.REJECTED],
                lost=counts[Event.LOST],
                reason=end.reason,
                status=end.status,
                reply=end.reply,
            )
            if self._forget_texts:
                self._run("forget_text", batch=claim.batch)
            self._hook("settled, not committed")
        self._hook("settled")

    def add_evidence(self, batch: int, evidence: Evidence) -> None:
        """Keep evidence with a request whose answer was lost."""
        with self._transaction():
            self._run("set_evidence", batch=batch, evidence=json.dumps(asdict(evidence), default=str))

    def around(self, batch: int, until: float) -> Around:
        """Return what is known around a request, until this moment."""
        ((balance, at, spent, others),) = self._run("around", batch=batch, until=until)
        return Around(None if balance is None else Seen(Decimal(balance), at), spent, others)

    def unseen(self) -> list[int]:
        """Return requests with unknown recipients and no evidence, oldest first: the process ended before it could look."""
        return [batch for (batch,) in self._run("unseen")]

    def now(self) -> float:
        """Return the time by which everything is written down, in seconds since 1970."""
        return self._clock()

    def untold(self, message_ids: Sequence[str]) -> list[str]:
        """Return those of these message ids that no answer has told. It takes a while; any thread may ask."""
        if not message_ids:
            return []
        with closing(_connect(self.path, writing=False)) as connection:
            known = {row[0] for row in connection.execute(self._sql["known_ids"], {"ids": json.dumps(message_ids)})}
        return [one for one in message_ids if one not in known]

    # The unknown

    def unknown(self) -> list[Unsettled]:
        """Return requests with unknown recipients, oldest first."""
        return [
            Unsettled(
                batch=batch,
                claimed_at=claimed_at,
                settled_at=settled_at,
                size=size,
                unknown=unknown,
                cost=parts * unknown,
                reason=reason or "",
                status=status,
                reply_size=reply_size or 0,
                evidence=None if evidence is None else _evidence(json.loads(evidence)),
            )
            for batch, claimed_at, settled_at, size, reason, status, reply_size, evidence, parts, unknown in self._run(
                "unknown_batches"
            )
        ]

    def losses(self, batch: int) -> list[Loss]:
        """Return the unknown recipients of one request."""
        return [Loss(line, number or "", reason or "") for line, number, reason in self._run("unknown_numbers", batch=batch)]

    def reply(self, batch: int) -> bytes | None:
        """Return the raw reply of a request, as far as it was kept."""
        row = self._run("reply", batch=batch).fetchone()
        return row[0] if row else None

    def resolve(self, event: Event, *, who: str, note: str, batch: int | None, line: int | None, message_id: str | None) -> int:
        """Do as the operator says, with whoever is where the event can happen: of one request, of one line, or with all.

        Returns how many it were.
        """
        if event not in OPERATOR_EVENTS:
            raise ValueError(f"event: one of {', '.join(OPERATOR_EVENTS)}")
        source = before(event)
        target = after(source, event)
        resend = target is RecipientState.PENDING
        with self._transaction():
            moved = self._run(
                "resolve",
                source=source,
                target=target,
                batch=batch,
                line=line,
                message_id=message_id,
                # The next loss then costs one.
                alone=int(resend),
                reason=None if resend else f"{event} by {who}",
            ).rowcount
            if message_id is not None and moved > 1:
                raise ValueError("message_id: it belongs to one recipient; name the line")
            if moved:
                said = {"who": who, "event": event, "note": note, "batch": batch, "line": line}
                self._run("add_decision", now=self._clock(), recipients=moved, **said)
                if self._forget_texts:
                    self._run("forget_texts")
        return moved

    # Delivery

    def to_ask(self, again: float, most: int) -> list[tuple[int, str]]:
        """Return accepted messages without a final status not asked for in the last `again` seconds, longest ago first."""
        return self._run("to_ask", before=self._clock() - again, most=most).fetchall()

    def next_ask(self) -> tuple[int, float]:
        """Return how many statuses are not final, and for how many seconds the longest was not asked for."""
        ((count, asked_at),) = self._run("next_ask")
        return count, self._clock() - (asked_at or 0.0)

    def set_delivery(self, recipient: int, delivery: DeliveryState) -> None:
        """Write a delivery status."""
        final = int(delivery.final or delivery is DeliveryState.NOT_FOUND)
        with self._transaction():
            self._run("set_delivery", id=recipient, delivery=delivery, final=final, now=self._clock())

    def put_off(self, recipient: int) -> None:
        """Note that a status was asked for in vain, so that the others come first."""
        with self._transaction():
            self._run("put_off", id=recipient, now=self._clock())

    # Looking

    def states(self) -> dict[RecipientState, int]:
        """Return how many recipients are in each state."""
        return {RecipientState(state): count for state, count in self._run("states")}

    def figures(self) -> Figures:
        """Return the campaign in figures."""
        with _transaction(self._connection, "DEFERRED"):
            return self._figures()

    def _figures(self) -> Figures:
        settings = self._settings()
        parts, ucs2, cost = Counter[int](), 0, Counter[str]()
        for state, count_of_parts, alphabet, count in self._run("parts"):
            parts[count_of_parts] += count
            ucs2 += count if alphabet == "UCS-2" else 0
            cost[state] += count_of_parts * count
        ((texts, _),) = self._run("texts")
        forced = Counter[str]()
        for characters, count in self._run("forced_by"):
            for character in characters:
                forced[character] += count
        example = self._run("example").fetchone()
        ((first, last, batches),) = self._run("span")
        runs = self._run("runs").fetchall()
        return Figures(
            name=settings["name"],
            created_at=float(settings["created_at"]),
            purged="purged_at" in settings,
            states=self.states(),
            skipped=self._reasons(RecipientState.SKIPPED),
            rejected=self._reasons(RecipientState.REJECTED),
            unknown=self._reasons(RecipientState.UNKNOWN),
            deliveries=dict(self._run("deliveries")),
            parts=dict(sorted(parts.items())),
            ucs2=ucs2,
            texts=texts,
            forced_by="".join(character for character, _ in forced.most_common()),
            costs={RecipientState(state): paid for state, paid in cost.items()},
            example=Text(*example) if example else None,
            decisions=tuple(
                Decision(at, who, Event(event), note, batch, line, recipients)
                for at, who, event, note, batch, line, recipients in self._run("decisions")
            ),
            runs=len(runs),
            batches=batches,
            first_claim=first,
            last_answer=last,
            last_ending=runs[-1][3] if runs else None,
        )

    def _reasons(self, state: RecipientState) -> dict[str, int]:
        counts = Counter[str]()
        for reason, count in self._run("reasons", state=state):
            counts[_kind_of(reason)] += count
        return dict(counts.most_common())

    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their verdicts, in at most so many steps."""
        ((start, end, _),) = self._run("span")
        if start is None or end is None:
            return []
        step = max((end - start) / steps, 1e-3) * (1 + 1e-9)
        rows = {slot: counts for slot, *counts in self._run("timeline", start=start, step=step)}
        return [TimeSlot(start + slot * step, *rows.get(slot, (0, 0, 0))) for slot in range(max(rows, default=-1) + 1)]

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield everybody, in the order of the file."""
        for line, number, state, *rest in self._run("recipients"):
            yield RecipientRecord(line, number, RecipientState(state), *rest)

    # Forgetting

    def purge(self) -> None:
        """Forget who it was and what was said, and keep the figures."""
        self._connection.execute("PRAGMA secure_delete = ON")
        with self._transaction():
            for name in ("purge_recipients", "purge_texts", "purge_batches", "purge_decisions"):
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
        with _damage():
            return self._connection.execute(self._sql[statement], values)

    def _run_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each row. Every one must find its recipient in the state that it expects."""
        with _damage():
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
        with _damage():
            connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _damage() -> Iterator[None]:
    """Say in our words what SQLite says of a file that it cannot read."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise JournalError(f"the file is no campaign, or damaged, or cannot be written ({error})") from None


def _connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    if not writing:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    settings = [("journal_mode", "WAL", "wal"), ("synchronous", "FULL", 2)]
    if sys.platform == "darwin":
        settings.append(("fullfsync", "1", 1))
    try:
        for name, value, expected in settings:
            connection.execute(f"PRAGMA {name} = {value}")
            ((found,),) = connection.execute(f"PRAGMA {name}")
            if found != expected:
                raise JournalError(f"SQLite does not take {name}={value} for this file; is it on a network drive?")
    except BaseException:
        connection.close()
        raise
    return connection


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


def _check_log(path: Path) -> None:
    """Raise `JournalError` if a run was at the file and its log, which has the claims, is not beside it."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        return
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as alone:
        ((tables,),) = alone.execute("SELECT count(*) FROM sqlite_master WHERE name = 'setting'")
        if tables and alone.execute("SELECT 1 FROM setting WHERE name = ?", (_MARK,)).fetchone():
            raise JournalError(
                f"{log.name} is missing, which has what the last run did: put it beside the file under this name. Without it"
                " nobody knows who was sent to, and they would be sent to again. Only if another SQLite program opened the file"
                f" since, and so has merged it: delete the row {_MARK!r} from the table 'setting' with that program"
            )


class _Lock:
    """Lets one process at a file. It is another SQLite file, held in an exclusive transaction.

    The system lets go of it however the process ends, and that on every system.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path.with_name(path.name + "-lock")
        descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
        os.close(descriptor)
        self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self._connection.close()
            raise JournalError("the campaign is in use by another run; wait for it, or stop it with Ctrl-C") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        self._connection.close()


def _check_folder(path: Path) -> None:
    mode = path.absolute().parent.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise JournalError("the folder can be written to by everybody, who could then put another file in this place")


def _kind_of(reason: str) -> str:
    """Return a reason without what is peculiar to one line, so that it can be counted."""
    return "repeats another line" if reason.startswith("repeats line ") else _MASKED.sub("", reason)


def _evidence(stored: dict[str, Any]) -> Evidence:
    balances = {name: Decimal(stored[name]) for name in ("before", "after") if stored[name] is not None}
    lists = {name: tuple(stored[name]) for name in ("new_ids", "reply_ids")}
    return Evidence(**{**stored, **balances, **lists})
