"""procrastinate: tasks that send what is in an outbox, and the engine of `smsgate worker`.

    outbox = Outbox(session, address)
    app.add_tasks_from(smsgate_tasks(outbox), namespace="smsgate")

    message = await outbox.add(number, text, key="order:17", connection=connection)
    deliver = app.configure_task("smsgate:deliver", connection=connection)
    await deliver.defer_async(message=message.id)

Needs procrastinate and asyncio. Rule of this file: a job only says where to look. The row in the
database alone decides whether a message may be sent, so a job may run twice, late, or never.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio

from ..errors import NotSent, Reason, SmsGateError
from ..extras import missing
from ..ledger.records import LedgerError
from ..outbox import Outbox
from .campaign_shifts import CampaignShifts
from .due_passes import DuePasses

try:
    import procrastinate
    from procrastinate import exceptions
    from procrastinate.jobs import Job, Status
    from psycopg_pool import PoolTimeout
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.integrations.procrastinate") from None

__all__ = ["smsgate_tasks"]

_log = logging.getLogger("smsgate")

SCHEMA = "smsgate_jobs"
"""The schema with the jobs of `smsgate worker`."""
_NAMESPACE = "smsgate"
_QUEUE = "smsgate"
_OVER = (Reason.TOO_LATE, Reason.CANCELLED)
"""Reasons after which a message is never sent, so its job ends."""
_HEARTBEAT, _STALLED = 10.0, 30.0
"""Seconds between two heartbeats of a worker, and without one until it counts as dead."""
_LONGEST_RETRY = 300
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds until the engine is started again, at first and at most."""
_OTHER_JOBS = 4
"""How many jobs run beside those that send."""


def smsgate_tasks(
    outbox: Outbox | Callable[[], Outbox],
    *,
    campaigns: str | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> procrastinate.Blueprint:
    """Return the tasks that send the messages of an outbox, to be added to your app.

        app.add_tasks_from(smsgate_tasks(outbox), namespace="smsgate")

    The tasks are in the queue `smsgate`:

    - `deliver(message=ID)` sends one message. It is tried again while nothing was sent. It ends if
      the message was refused, is in doubt, is being sent, or does not exist.
    - `deliver_due`, every 5 seconds, sends messages that have no job.
    - `rescue`, every 30 seconds, runs jobs of dead workers again, and moves messages that were in
      flight there to in doubt after their lease.
    - `campaign(name=NAME)`, with the argument `campaigns`, sends a campaign until nobody is pending
      or it is paused. Several workers may work on it at the same time.
    - `campaigns`, every 10 seconds, defers `campaign` for each campaign that is running.

    Args:
        outbox: the outbox in PostgreSQL, or a function that returns it. It must be open while a
            worker runs, on the worker's event loop; a process that only defers jobs may leave it
            closed.
        campaigns: the address of the database with campaigns, which the outbox's session sends.
        stop: once it returns True, no further request is begun. Use it for a short shutdown of a
            worker.
    """
    opened = (lambda: outbox) if isinstance(outbox, Outbox) else outbox
    return _Tasks(opened, campaigns, stop).blueprint


class _WhileNotSent(procrastinate.BaseRetryStrategy):
    """Try again, with growing pauses, if nothing was sent or the database failed."""

    def get_retry_decision(
        self, *, exception: BaseException, job: Job
    ) -> procrastinate.RetryDecision | None:
        if not isinstance(exception, (NotSent, LedgerError)):
            return None
        seconds = min(2 ** min(job.attempts + 1, 10), _LONGEST_RETRY)
        return procrastinate.RetryDecision(retry_in={"seconds": seconds})


class _Tasks:
    """The tasks of one outbox, and the jobs that run now in this process."""

    def __init__(
        self, outbox: Callable[[], Outbox], campaigns: str | None, stop: Callable[[], bool]
    ) -> None:
        self.running: set[asyncio.Task[Any]] = set()
        self.blueprint = procrastinate.Blueprint()
        self._outbox = outbox
        self.passes = DuePasses(outbox, stop)
        self._add_tasks()
        if campaigns is not None:
            shifts = CampaignShifts(campaigns, lambda: outbox().session, stop)
            self._add_campaigns(shifts)

    def _add_tasks(self) -> None:
        add = self.blueprint.task

        @add(name="deliver", queue=_QUEUE, retry=_WhileNotSent())
        async def deliver(message: int) -> None:
            with self._noted():
                await self._deliver(message)

        @self.blueprint.periodic(cron="* * * * * */5")
        @add(name="deliver_due", queue=_QUEUE, queueing_lock="smsgate:deliver_due")
        async def deliver_due(timestamp: int) -> None:  # noqa: ARG001 - of procrastinate
            with self._noted():
                await self.passes.once()

        @self.blueprint.periodic(cron="* * * * * */30")
        @add(name="rescue", queue=_QUEUE, queueing_lock="smsgate:rescue", pass_context=True)
        async def rescue(context: procrastinate.JobContext, timestamp: int) -> None:  # noqa: ARG001 - of procrastinate
            with self._noted():
                await _rescue(context.app, self.blueprint)
                with suppress(LedgerError):  # `deliver_due` logs it
                    await self._outbox().sweep()

    def _add_campaigns(self, shifts: CampaignShifts) -> None:
        add = self.blueprint.task

        @add(name="campaign", queue=_QUEUE)
        async def campaign(name: str) -> None:
            with self._noted():
                await shifts.shift(name)

        @self.blueprint.periodic(cron="* * * * * */10")
        @add(name="campaigns", queue=_QUEUE, queueing_lock="smsgate:campaigns")
        async def campaigns(timestamp: int) -> None:  # noqa: ARG001 - of procrastinate
            with self._noted(), suppress(LedgerError):  # the next one is in 10 seconds
                for name in await shifts.names():
                    shift = campaign.configure(queueing_lock=f"smsgate:campaign:{name}")
                    with suppress(exceptions.AlreadyEnqueued):
                        await shift.defer_async(name=name)

    async def _deliver(self, message: int) -> None:
        try:
            await self._outbox().deliver(message, wait=False)
        except NotSent as error:
            if error.reason not in _OVER:
                raise
        except (SmsGateError, LookupError) as error:
            _log.debug("message %d: its job ends: %s", message, type(error).__name__)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Note the current job as running while the block runs."""
        job = asyncio.current_task()
        assert job is not None  # noqa: S101 - procrastinate runs each job in a task
        self.running.add(job)
        try:
            yield
        finally:
            self.running.discard(job)


async def _rescue(app: procrastinate.App, blueprint: procrastinate.Blueprint) -> None:
    """Bury the jobs of dead workers, and defer each of them anew.

    `retry_job` would fail if the queueing lock of the job is taken by now. The new job comes first,
    so that none is lost if this process ends here: a job too many does no harm.
    """
    manager = app.job_manager
    await manager.prune_stalled_workers(_STALLED)
    periodic = {task.task.name for task in blueprint.periodic_registry.periodic_tasks.values()}
    for name, task in blueprint.tasks.items():
        stalled = await manager.get_stalled_jobs(task_name=name, seconds_since_heartbeat=_STALLED)
        for job in stalled:
            if name not in periodic:
                again = task.configure(
                    queue=job.queue, lock=job.lock, queueing_lock=job.queueing_lock
                )
                with suppress(exceptions.AlreadyEnqueued):
                    await again.defer_async(**job.task_kwargs)
            assert job.id is not None  # noqa: S101 - it comes from the database
            with suppress(exceptions.ConnectorException):  # another rescue has buried it
                await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)


# --- the engine of `smsgate worker` ---------------------------------------------------------------


async def run_engine(address: str, outbox: Outbox, stop: anyio.Event) -> None:
    """Send an outbox and campaigns until `stop` is set, with jobs in a schema of their own.

    Then wait for the jobs that run. If this is cancelled, they are cancelled too.

    Each worker also looks for pending messages itself: a periodic job goes to only one of them, and
    the engine may fail.

    Args:
        address: the address of the outbox's database.
        outbox: the open outbox.
        stop: set by the caller.
    """
    tasks = _Tasks(lambda: outbox, address, stop.is_set)
    connector = procrastinate.PsycopgConnector(
        conninfo=address, configure=_use_schema, min_size=1, max_size=4, timeout=10.0
    )
    app = procrastinate.App(connector=connector)
    app.add_tasks_from(tasks.blueprint, namespace=_NAMESPACE)
    async with anyio.create_task_group() as group:
        group.start_soon(tasks.passes.run, stop)
        await _keep_running(app, tasks, stop, outbox.session.concurrency)


async def _keep_running(
    app: procrastinate.App, tasks: _Tasks, stop: anyio.Event, concurrency: int
) -> None:
    """Start the engine again each time it fails, with growing pauses."""
    pause = _FIRST_PAUSE
    while not stop.is_set():
        began = anyio.current_time()
        why = "it stopped"
        try:
            async with app.open_async():
                await _prepare(app)
                await _work(app, tasks, stop, concurrency)
        except (exceptions.ConnectorException, PoolTimeout) as error:
            why = type(error.__cause__ or error).__name__
        if stop.is_set():
            return
        pause = _FIRST_PAUSE if anyio.current_time() - began > _STALLED else pause
        _log.warning("the engine of the jobs failed; it starts again in %g s: %s", pause, why)
        with anyio.move_on_after(pause):
            await stop.wait()
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _use_schema(connection: Any) -> None:
    await connection.execute(f"SET search_path TO {SCHEMA}")
    await connection.commit()


async def _prepare(app: procrastinate.App) -> None:
    """Create the tables of the engine if they are missing."""
    connector = app.connector
    table = f"SELECT to_regclass('{SCHEMA}.procrastinate_jobs')::text AS found"

    async def there() -> bool:
        return (await connector.execute_query_one_async(table))["found"] is not None

    if await there():
        return
    try:
        # One transaction, which waits for that of another worker that starts now.
        await connector.execute_query_async(
            "SELECT pg_advisory_xact_lock(hashtext('smsgate_jobs'));"
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};"
            + app.schema_manager.get_schema().replace("%", "%%")
        )
    except exceptions.ConnectorException:
        if not await there():
            raise


async def _work(app: procrastinate.App, tasks: _Tasks, stop: anyio.Event, concurrency: int) -> None:
    """Run a worker until `stop` is set or it fails. Then wait for its jobs."""
    worker = asyncio.create_task(
        app.run_worker_async(
            queues=[_QUEUE],
            concurrency=concurrency + _OTHER_JOBS,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=_HEARTBEAT,
            stalled_worker_timeout=_STALLED,
        )
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({worker, stopping}, return_when=asyncio.FIRST_COMPLETED)
        worker.cancel()  # once: it takes no new job, and waits for those that run
        await asyncio.wait({worker})
    finally:
        stopping.cancel()
        with anyio.CancelScope(shield=True):
            jobs = set(tasks.running)
            for task in {worker, *jobs}:
                task.cancel()
            await asyncio.wait({worker, *jobs})
    if not worker.cancelled():
        worker.result()
