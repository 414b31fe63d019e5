"""One run of a campaign in a separate process, and bugs to plant in it.

A test kills the process, or the process kills itself at a chosen step.

Rule of this file: the bugs are subclasses, so nothing of them can be switched on outside of the
tests.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
from stepped import stepped

import smsgate
from smsgate._client.call import SendRecord
from smsgate.campaign import Event, Runner, SqliteJournal
from smsgate.cli.app import run as command
from smsgate.ledger.records import Around, Claim, JournalInUse, RecipientOutcome, RequestEnd, Seen
from smsgate.protocol.models import SendResult

QUICK = smsgate.Timeouts(connect=5.0, read=0.5, send=0.5)


class PendingAgain(SqliteJournal):
    """Who was in flight when the process was killed is put back to pending."""

    def sweep(self) -> int:
        with self._transaction():
            moved = self._connection.execute(
                "UPDATE recipient SET state = 'pending' WHERE state = 'in flight'"
            ).rowcount
        super().sweep()
        return moved


class ClaimedAfterwards(SqliteJournal):
    """The claim is written after the request, together with its outcome."""

    def claim(
        self,
        run: int,
        most: int,
        seen: Seen | None = None,  # noqa: ARG002 - of the contract
        **_: float,
    ) -> Claim | None:
        self._hook("claiming")
        taken = self.__dict__.setdefault("taken", set())
        first = self._run("first_pending").fetchone()
        rows = (
            []
            if first is None
            else self._run("pending", alone=first[0], text=first[1], most=10**6).fetchall()
        )
        rows = [row for row in rows if row[0] not in taken][: 1 if first and first[0] else most]
        taken.update(row[0] for row in rows)
        self._hook("claimed")
        return Claim(-run, self._text(first[1]), first[0], tuple(rows)) if rows else None

    def settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> None:
        keys = [key for key, _ in claim.recipients]
        hook, self._hook = self._hook, lambda _: None
        with self._transaction():
            text = self._connection.execute(
                "SELECT text FROM recipient WHERE id = ?", keys[:1]
            ).fetchone()[0]
            request = self._run(
                "add_request",
                run=-claim.request,
                text=text,
                size=len(keys),
                now=0.0,
                balance=None,
                balance_at=None,
            ).lastrowid
            rows = [(request, key) for key in keys]
            self._connection.executemany(
                "UPDATE recipient SET state = 'in flight', request = ? WHERE id = ?", rows
            )
        super().settle(replace(claim, request=int(request or 0)), outcomes, end)
        self._hook = hook
        self.__dict__["taken"].difference_update(keys)

    def around(self, request: int, until: float) -> Around:
        return super().around(request, until) if request > 0 else Around(None, 0, 0)


class UnknownAgain(SqliteJournal):
    """Who is in doubt is put back to pending immediately."""

    def settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> None:
        again = [
            replace(one, event=Event.NOT_SENT) if one.event is Event.IN_DOUBT else one
            for one in outcomes
        ]
        super().settle(claim, again, end)


class ReadErrorNotSent(Runner):
    """A connection that is lost after the request counts as not sent."""

    async def _post(self, claim: Claim, began: float, record: SendRecord) -> SendResult:
        try:
            return await super()._post(claim, began, record)
        except smsgate.InDoubt as error:
            if error.reason is not smsgate.Reason.CONNECTION_LOST:
                raise
        raise smsgate.NotSent


BUGS: dict[str, tuple[type[SqliteJournal], type[Runner]]] = {
    "": (SqliteJournal, Runner),
    "in flight put back to pending": (PendingAgain, Runner),
    "claim written after the request": (ClaimedAfterwards, Runner),
    "one in doubt retried": (UnknownAgain, Runner),
    "a read error treated as not sent": (SqliteJournal, ReadErrorNotSent),
}


def steps(told: Connection, crash_at: int) -> Callable[[str], None]:
    """Return a hook that reports each step and kills the process at step `crash_at` (0: never)."""
    count = 0

    def step(name: str) -> None:
        nonlocal count
        count += 1
        told.send(name)
        if count == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def run(
    path: str,
    url: str,
    told: Connection,
    options: dict[str, Any],
    *,
    bug: str = "",
    crash_at: int = 0,
) -> None:
    """Run a campaign to its end, if it is let."""
    logging.disable()  # a warning for each fault, of which there are thousands
    journal_class, runner_class = BUGS[bug]
    hook = steps(told, crash_at)
    concurrency = options.pop("concurrency", 4)

    async def main() -> None:
        journal = stepped(journal_class, hook=hook).open(Path(path))
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", url=url, concurrency=concurrency, timeouts=QUICK
        ) as session:
            runner = stepped(runner_class, pauses=(0.01,), hook=hook)(journal, session, **options)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stop_when_asked, runner)
                await runner.run()
                tasks.cancel_scope.cancel()
        journal.close()

    anyio.run(main)
    told.send("finished")


async def stop_when_asked(runner: Runner) -> None:
    """Let SIGTERM and SIGHUP end the run as the command does: what is in flight is waited for."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        async for _ in signals:
            runner.stop()


def look(path: str, kind: str) -> None:
    """Do what an operator does between two runs, with the real command."""
    words = {
        "in-doubt": ["in-doubt"],
        "status": ["status"],
        "resolve": ["resolve", "--sent", "--note", "between two runs"],
    }[kind]
    logging.disable()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        code = command(["campaign", words[0], path, *words[1:]])
    sys.exit(code)


def die_in_flight(path: str, events: Sequence[Event] = (), message_id: str = "") -> None:
    """Settle two recipients with each of these events, claim two more, and die."""
    journal = SqliteJournal.open(Path(path))
    number = journal.start_run()
    for event in events:
        claim = journal.claim(number, 2)
        assert claim
        told = message_id if event is Event.ACCEPTED else None
        journal.settle(
            claim,
            [RecipientOutcome(key, event, told, "as the test says") for key, _ in claim.recipients],
            RequestEnd(),
        )
    journal.claim(number, 2)
    os.kill(os.getpid(), signal.SIGKILL)


def open_it(path: str, writing: bool) -> None:
    """Open a file. Exit with 1 if another run has it."""
    try:
        SqliteJournal.open(Path(path), writing=writing).close()
    except JournalInUse:
        sys.exit(1)
