"""A process that sends through an outbox, and bugs to plant in it. A test kills it at random.

Rule of this file: the bugs are subclasses, so nothing of them can be switched on outside of the
tests.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import anyio

import smsgate
from smsgate.ledger.messages import MessageAnswer
from smsgate.ledger.states import Event
from smsgate.outbox import Outbox, OutboxMessage
from smsgate.session import AsyncSession

QUICK = smsgate.Timeouts(connect=5.0, read=0.5, send=0.5)


class QuickOutbox(Outbox):
    """An outbox whose leases end soon after the deadline of a send."""

    _grace = 0.3


class PendingAgain(QuickOutbox):
    """Who was in flight when the process was killed is put back to pending."""

    async def sweep(self) -> int:
        ledger = self._opened()
        now = "(julianday('now') - 2440587.5) * 86400.0"
        if "smsgate.message" in ledger.sql["sweep"]:
            now = "extract(epoch FROM clock_timestamp())"
        table = ledger.sql["sweep"].split()[1]
        sql = (
            f"UPDATE {table} SET state = 'pending'"
            f" WHERE state = 'in flight' AND lease_until < {now} RETURNING id;"
        )
        ledger.sql = ledger.sql | {"sweep": sql}
        if tables := getattr(ledger, "_tables", None):
            tables._sql = tables._sql | {"sweep": sql}
        return await super().sweep()


class SentBeforeClaimed(QuickOutbox):
    """The message is sent first, and recorded afterwards, as a task queue does."""

    async def send(self, destination: str, text: str | None = None, **named: Any) -> OutboxMessage:
        key = named["key"]
        known = await self.outcome(key)
        if known is not None:
            return known
        result = await self._session.send_sms(destination, text)
        composed = self._session.compose(destination, text)
        message = self._new(composed, key, None, queued=False)
        step = self._opened().add_and_claim
        added, claim = await self._run(step, message, key, 60.0)
        if claim is None:
            return added
        return await self._settle(claim, MessageAnswer(Event.ACCEPTED, result.message_ids[0]))


BUGS: dict[str, Callable[..., Outbox]] = {
    "": QuickOutbox,
    "pending again": PendingAgain,
    "sent before claimed": SentBeforeClaimed,
}


def number_of(key: str) -> str:
    return f"+38050{int(key):07}"


def run(place: str, url: str, keys: list[str], told: Connection, bug: str) -> None:
    """Send to each key and tell each outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    anyio.run(_run, place, url, keys, told, bug)
    told.send(("finished", "", ""))
    os._exit(0)


async def _run(place: str, url: str, keys: list[str], told: Connection, bug: str) -> None:
    session = AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=url, timeouts=QUICK, concurrency=4
    )
    async with session, BUGS[bug](session, place) as outbox:
        limit = anyio.CapacityLimiter(4)

        async def one(key: str) -> None:
            async with limit:
                for _ in range(20):
                    try:
                        sent = await outbox.send(number_of(key), "Ваш код: 4815", key=key)
                    except smsgate.NotSent:
                        await anyio.sleep(0.05)  # the same key may be used again
                    except smsgate.SmsGateError as error:
                        told.send((key, type(error).__name__, ""))
                        return
                    else:
                        told.send((key, sent.state.value, sent.message_id or ""))
                        return

        async with anyio.create_task_group() as tasks:
            for key in keys:
                tasks.start_soon(one, key)
