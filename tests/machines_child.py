"""One process of several that send the same campaign, and bugs to plant in it.

Several send a campaign in PostgreSQL at once. A file has one at a time, for which the others wait.

A test kills or stops the process at random.

Rule of this file: the bugs are subclasses, so nothing of them can be switched on outside of the
tests.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import campaign_child

import smsgate
from smsgate.campaign import LedgerError, Runner, RunOutcome, SqliteJournal
from smsgate.ledger.postgres import reconnection
from smsgate.ledger.postgres.postgres_journal import PostgresJournal

QUICK = smsgate.Timeouts(connect=5.0, read=1.0, send=1.0)
LEASE = QUICK.send + 1.0


class QuickRunner(Runner):
    """A run whose leases end soon after the deadline of a send."""

    _grace = LEASE - QUICK.send
    _pauses: Sequence[float] = (0.01,)


class PendingAgain(PostgresJournal):
    """Who was in flight when the lease passed is put back to pending."""

    def sweep(self) -> int:
        sql = self._tables._sql["sweep_requests"]
        part = "SET state = 'in doubt', settled_at"
        assert part in sql
        self._tables._sql["sweep_requests"] = sql.replace(
            part, "SET state = 'pending', settled_at"
        ).replace("in_doubt = size,", "token = NULL,")
        self._tables._sql["sweep"] = "SELECT 1;"
        self.sweep = super().sweep  # type: ignore[method-assign]
        return super().sweep()


BUGS: dict[str, tuple[type[PostgresJournal], type[SqliteJournal]]] = {
    "": (PostgresJournal, SqliteJournal),
    "in flight put back to pending": (PendingAgain, campaign_child.PendingAgain),
}


def opened(place: str | Path, bug: str) -> PostgresJournal | SqliteJournal:
    """Open the campaign in a file, or the one of the name "trial" at an address."""
    of_server, of_file = BUGS[bug]
    if isinstance(place, str):
        return of_server.open(place, "trial")
    journal = of_file.open(place)
    holder(place).write_text(str(os.getpid()))
    return journal


def holder(file: Path) -> Path:
    """Return the file with the id of the process that has opened the campaign."""
    return file.with_suffix(".holder")


def run(place: str | Path, url: str, bug: str, options: dict[str, Any]) -> None:
    """Send until the campaign is finished, and begin again after each error."""
    logging.disable()
    reconnection._CONNECT = 2
    reconnection._WATCHED = 3.0

    async def once() -> bool:
        journal = opened(place, bug)
        try:
            async with smsgate.AsyncSession(
                "sandbox", "sandbox", url=url, concurrency=3, timeouts=QUICK
            ) as session:
                result = await QuickRunner(journal, session, **options).run()
        finally:
            journal.close()
        return result.outcome is RunOutcome.FINISHED

    while True:
        try:
            if anyio.run(once):
                return
        except LedgerError:
            pass
        time.sleep(0.1)
