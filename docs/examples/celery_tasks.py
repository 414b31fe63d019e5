"""Celery tasks that send each SMS at most once, however often Celery runs them.

To try it: run `smsgate sandbox`, set the variables that it prints in a second terminal, and run
`celery -A celery_tasks worker -B` there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

import smsgate
from smsgate.outbox import LedgerError, Outbox

DATABASE = os.environ.get("SMSGATE_DATABASE", "sms.db")
PATIENCE = smsgate.Timeouts(send=120.0)
"""How long a process of the worker may be busy with one message."""
USEFUL_SECONDS = 3600.0
"""After this time the message is not sent any more."""

app = Celery("shop", broker="redis://localhost")  # CELERY_BROKER_URL overrides the address
app.conf.task_acks_late = True  # if a worker is killed, its tasks run again
app.conf.task_ignore_result = True
app.conf.broker_transport_options = {"max_retries": 0}  # a web request does not wait for a broker
app.conf.beat_schedule = {
    "deliver due": {"task": "sms.deliver_due", "schedule": 60.0, "options": {"expires": 60.0}}
}


async def notify(outbox: Outbox, number: str, text: str, key: str) -> None:
    """Add a message and its task. The web process calls this, with an outbox of its own."""
    message = await outbox.add(number, text, key=key, not_after=USEFUL_SECONDS)
    with suppress(OperationalError):  # without a broker, deliver_due sends the message later
        await asyncio.to_thread(deliver.apply_async, (message.id,), retry=False)


@asynccontextmanager
async def opened() -> AsyncIterator[Outbox]:
    """Open a session and an outbox. Each task opens its own: asyncio.run makes a new loop."""
    async with (
        smsgate.AsyncSession.from_env(timeouts=PATIENCE) as session,
        Outbox(session, DATABASE) as outbox,
    ):
        yield outbox


@app.task(name="sms.deliver", bind=True, max_retries=5)
def deliver(self: Any, message: int) -> None:
    """Send one message that was added. If it was sent before, nothing happens."""

    async def send() -> None:
        async with opened() as outbox:
            await outbox.deliver(message, wait=False)

    try:
        asyncio.run(send())
    except smsgate.InFlight:
        pass  # another task sends this message now
    except (smsgate.NotSent, LedgerError) as error:  # no connection, or the database failed
        if isinstance(error, smsgate.NotSent) and not error.reason.transient:
            raise  # too late, for example
        raise self.retry(exc=error, countdown=5 * 2**self.request.retries) from error


@app.task(name="sms.deliver_due")
def deliver_due() -> None:
    """Send all messages that are still pending, for example because their task was lost."""

    async def send() -> None:
        async with opened() as outbox:
            await outbox.deliver_due()

    asyncio.run(send())
