"""The Celery tasks of the documentation with short times, and a task that sends directly.

A worker runs this file: `celery -A celery_child worker`. A test kills it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from celery.signals import task_prerun
from examples import example

import smsgate
from smsgate import outbox

outbox.Outbox._grace = 0.3
tasks = example("celery_tasks")
tasks.PATIENCE = smsgate.Timeouts(send=2.0)
app = tasks.app
# Seconds after which a task that was not acknowledged is given to a worker again.
app.conf.broker_transport_options["visibility_timeout"] = float(os.environ["VISIBLE_AFTER"])
app.conf.beat_schedule["deliver due"]["schedule"] = 2.0


@app.task(name="directly", acks_late=True, reject_on_worker_lost=True)
def send_directly(number: str, text: str) -> None:
    """Send in the task itself, as most programs do."""

    async def send() -> None:
        # However busy the machine is, it is no time-out that ends the task.
        async with smsgate.AsyncSession.from_env() as session:
            await session.send_sms(number, text)

    asyncio.run(send())


@task_prerun.connect
def note(task_id: str, **_: Any) -> None:
    """Append the id of each task that begins to the file `TASKS_BEGUN`."""
    with Path(os.environ["TASKS_BEGUN"]).open("a", encoding="ascii") as begun:
        begun.write(f"{task_id}\n")
