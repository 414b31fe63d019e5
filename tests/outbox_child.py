"""One caller of an outbox that is shared with others, and bugs to plant in it. A test kills it.

Rule of this file: the bugs are subclasses, so nothing of them can be switched on outside of the
tests.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from random import Random
from typing import Any

import anyio

import smsgate
from smsgate.errors import Outcome, outcome_of
from smsgate.ledger.messages import MessageAnswer, MessageClaim, MessageLedger
from smsgate.ledger.sql_files import placeholders
from smsgate.ledger.states import Event
from smsgate.outbox import LedgerError, Outbox, OutboxMessage
from smsgate.session import AsyncSession

TEXT = "Ваш код: 4815"
QUICK = smsgate.Timeouts(connect=5.0, read=1.5, send=2.0)


class QuickOutbox(Outbox):
    """An outbox whose leases end soon after the deadline of a send."""

    _grace = 0.3


class ToldOutbox(QuickOutbox):
    """An outbox that tells when it begins and ends to send."""

    told: Callable[[tuple[str, str, str]], None]

    async def _send(self, claim: MessageClaim, began: float) -> OutboxMessage:
        self.told(("sends", claim.destination, ""))
        try:
            return await super()._send(claim, began)
        finally:
            self.told(("has sent", claim.destination, ""))


class PendingAgain(ToldOutbox):
    """A message in flight is put back to pending when its lease has passed."""

    async def sweep(self) -> int:
        ledger = self._opened()
        sql = ledger.sql["sweep"]
        if "state = :target" in sql:
            plant(ledger, "sweep", sql.replace("state = :target", "state = 'pending'"))
        return await super().sweep()


class ClaimedInAnyState(ToldOutbox):
    """A claim does not look at the state of its message."""

    async def send(self, *arguments: Any, **named: Any) -> OutboxMessage:
        ledger = self._opened()
        sql = ledger.sql["claim"]
        if (part := "AND state = 'pending'") in sql:
            plant(ledger, "claim", sql.replace(part, ""))
        return await super().send(*arguments, **named)


class SentBeforeClaimed(ToldOutbox):
    """The message is sent first, and recorded afterwards, as a task queue does."""

    async def send(self, destination: str, text: str | None = None, **named: Any) -> OutboxMessage:
        key = named["key"]
        known = await self.outcome(key)
        if known is not None:
            return known
        self.told(("sends", destination, ""))
        result = await self._session.send_sms(destination, text)
        composed = self._session.compose(destination, text)
        message = self._new(composed, key, None, queued=False)
        step = self._opened().add_and_claim
        added, claim = await self._run(step, message, key, 1.0)
        if claim is None:
            return added
        return await self._settle(claim, MessageAnswer(Event.ACCEPTED, result.message_ids[0]))


class NotToldInDoubt(ToldOutbox):
    """A message whose lease has passed is skipped, so that no operator hears of it."""

    async def sweep(self) -> int:
        ledger = self._opened()
        sql = ledger.sql["sweep"]
        if "state = :target" in sql:
            plant(ledger, "sweep", sql.replace("state = :target", "state = 'skipped'"))
        return await super().sweep()


BUGS: dict[str, type[ToldOutbox]] = {
    "pending again": PendingAgain,
    "claimed in any state": ClaimedInAnyState,
    "sent before claimed": SentBeforeClaimed,
    "not told in doubt": NotToldInDoubt,
}


def plant(ledger: MessageLedger, name: str, sql: str) -> None:
    """Give one ledger another statement."""
    ledger.sql = ledger.sql | {name: sql}
    if tables := getattr(ledger, "_tables", None):
        tables._sql = tables._sql | {name: placeholders(sql)}


def number_of(key: str) -> str:
    """Return the number of a key. The gateway refuses that of every twentieth."""
    return "+380000000001" if int(key) % 20 == 19 else f"+38050{int(key):07}"


def run(place: str, url: str, keys: list[str], told: Connection, bug: str) -> None:
    """Ask for each key until there is an outcome, and tell it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable()
    anyio.run(_run, place, url, keys, told, bug)
    told.send(("finished", "", ""))
    os._exit(0)


async def _run(place: str, url: str, keys: list[str], told: Connection, bug: str) -> None:
    session = AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=url, timeouts=QUICK, concurrency=2
    )
    kind = BUGS[bug] if bug else ToldOutbox
    async with session, kind(session, place) as outbox:
        outbox.told = told.send
        random, limit = Random(), anyio.CapacityLimiter(2)

        async def ask(key: str) -> OutboxMessage:
            if random.random() < 0.7:
                return await outbox.send(number_of(key), TEXT, key=key)
            added = await outbox.add(number_of(key), TEXT, key=key)
            return await outbox.deliver(added.id)

        async def one(key: str) -> None:
            async with limit:
                while True:
                    try:
                        sent = await ask(key)
                        told.send((key, sent.state.value, sent.message_id or ""))
                    except LedgerError:  # the database was busy
                        await anyio.sleep(0.05)
                    except smsgate.SmsGateError as error:
                        row = outcome_of(error)
                        if row.outcome is Outcome.IN_DOUBT or not (row.account or row.transient):
                            told.send((key, row.outcome.value, ""))
                            return
                        await anyio.sleep(0.05)  # nothing was sent, so the key may be used again
                    else:
                        return

        async with anyio.create_task_group() as tasks:
            for key in keys:
                tasks.start_soon(one, key)
