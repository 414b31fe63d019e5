"""One machine of several that send the same campaign in PostgreSQL, and bugs to plant in it.

A test kills or stops the process at random.

Rule of this file: the bugs are subclasses, so nothing of them can be switched on outside of the
tests.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import anyio

import smsgate
from smsgate.campaign import LedgerError, Runner, RunOutcome
from smsgate.ledger.postgres import reconnection
from smsgate.ledger.postgres.postgres_journal import PostgresJournal

QUICK = smsgate.Timeouts(connect=5.0, read=0.5, send=0.5)
LEASE = QUICK.send + 1.0


class QuickRunner(Runner):
    """A run whose leases end soon after the deadline of a send."""

    _grace = LEASE - QUICK.send
    _pauses: Sequence[float] = (0.01,)


class PendingAgain(PostgresJournal):
    """Who was in flight when the lease passed is put back to pending."""

    def sweep(self) -> int:
        sql = self._tables._sql["sweep"]
        part = "SET state = 'in doubt', settled_at"
        assert part in sql
        self._tables._sql["sweep"] = sql.replace(part, "SET state = 'pending', settled_at").replace(
            "in_doubt = size,", "token = NULL,"
        )
        self._tables._sql["sweep"] = (
            self._tables._sql["sweep"].split("UPDATE smsgate.recipient")[0].rstrip()
            + " SELECT id FROM gone;"
        )
        self.sweep = super().sweep  # type: ignore[method-assign]
        return super().sweep()


BUGS: dict[str, type[PostgresJournal]] = {
    "": PostgresJournal,
    "in flight put back to pending": PendingAgain,
}


def run(address: str, name: str, url: str, bug: str, options: dict[str, Any]) -> None:
    """Send until the campaign is finished, and begin again after each error."""
    logging.disable()
    reconnection._CONNECT = 2
    reconnection._WATCHED = 3.0

    async def once() -> bool:
        journal = BUGS[bug].open(address, name)
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
