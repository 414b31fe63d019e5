"""The command `smsgate worker`: sends what is in a database until a signal stops it.

Rule of this file: it decides nothing about a message. Each row in the database decides whether it
may be sent.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import anyio
import typer
from rich.console import RenderableType
from rich.text import Text

from .._client.observing import CallEnd, CallStart
from ..campaign.wording import things
from ..errors import OUTCOMES, Outcome, SmsGateError, outcome_of
from ..privacy import mask_numbers
from ..session import AsyncSession
from .databases import Database
from .help import PlainGroup
from .output import Output
from .shared_options import Account, command, stopping
from .stop_options import OutboxStopList
from .views import VIEWS, View, printable, unbroken

if TYPE_CHECKING:
    from ..outbox import Outbox

__all__ = ["app"]

app: typer.Typer = typer.Typer(cls=PlainGroup)

_log = logging.getLogger("smsgate")
_ENGINE_LOGS = ("procrastinate", "psycopg.pool")
_HTTP_LIBRARIES = 2
"""The number of `-v` that also shows the logs of the engine."""
_AGAIN = "Press Ctrl-C again to stop immediately. Messages in flight are then in doubt."
_PENDING_AGAIN = {kind.__name__ for kind, row in OUTCOMES.items() if row.account or row.transient}
"""Errors after which a refused message is pending again, so it is not counted as refused."""


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    """What a worker does, on which database."""

    database: str
    sends: str
    requests: int


@dataclass(frozen=True, slots=True)
class WorkerStopped:
    """What became of the recipients to whom this worker sent."""

    accepted: int
    refused: int
    in_doubt: int


class Tally:
    """An observer that counts recipients by their outcome."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def begin(self, call: CallStart) -> Callable[[CallEnd], object]:  # noqa: ARG002 - of the interface
        """Return the function that counts the recipients of a call at its end."""
        return self._count

    def _count(self, end: CallEnd) -> None:
        for outcome, recipients in end.recipients.items():
            if outcome != Outcome.REFUSED or end.error not in _PENDING_AGAIN:
                self._counts[outcome] += recipients

    def stopped(self) -> WorkerStopped:
        """Return the counts."""
        counts = self._counts
        return WorkerStopped(
            counts[Outcome.ACCEPTED], counts[Outcome.REFUSED], counts[Outcome.IN_DOUBT]
        )


@command(app, sends=True, serves=True)
async def worker(
    output: Output, database: Database, account: Account, *, stop_list: OutboxStopList = None
) -> None:
    """Send outbox messages and campaigns until stopped. You may run several workers.

    The first Ctrl-C or SIGTERM waits for requests in flight, the second stops immediately.

    Example: smsgate worker --database postgresql://db.example/shop
    """
    from ..outbox import Outbox  # noqa: PLC0415 - commands that need no outbox start faster
    from ..stop_list import opened  # noqa: PLC0415 - the same

    run = _run_engine if database.on_server() else _run_loop
    if database.on_server():
        from ..integrations import procrastinate as _  # noqa: PLC0415, F401 - fails without it
    elif not database.exists() or database.health().version is None:
        raise ValueError(
            f"{database.shown()}: there is no outbox at this path. To create it:"
            f" smsgate database migrate{database.words()}"
        )
    tally, stop = Tally(), anyio.Event()
    async with (
        opened(stop_list) as stops,
        account.session(observer=tally) as session,
        Outbox(session, database.place(), stop_list=stops) as outbox,
    ):
        await _log_in(session)
        output.stream(WorkerStarted(_shown(database), _sends(database), session.concurrency))
        try:
            # The second signal cancels the command: the scope of every command is around this one.
            with stopping(output, stop.set, _AGAIN), _engine_logs(output):
                await run(database, outbox, stop)
        finally:
            output.stream(tally.stopped())


async def _log_in(session: AsyncSession) -> None:
    """Check the account once. Raises the error of an account that cannot send."""
    try:
        await session.auth()
    except SmsGateError as error:
        if outcome_of(error).account:
            raise
        _log.warning("the gateway does not answer yet: %s", mask_numbers(str(error)))


async def _run_engine(database: Database, outbox: Outbox, stop: anyio.Event) -> None:
    from ..integrations.procrastinate import run_engine  # noqa: PLC0415 - an extra

    await run_engine(database.place(), outbox, stop)


async def _run_loop(_database: Database, outbox: Outbox, stop: anyio.Event) -> None:
    from ..integrations.due_passes import DuePasses  # noqa: PLC0415 - loads the outbox

    await DuePasses(lambda: outbox, stop.is_set).run(stop)


def _shown(database: Database) -> str:
    return database.shown().partition("://")[2] or database.shown()


def _sends(database: Database) -> str:
    return "outbox and campaigns" if database.on_server() else "outbox"


@contextmanager
def _engine_logs(output: Output) -> Iterator[None]:
    """Show errors of the engine as single lines, and all of its logs with `-vv`."""
    if output.verbosity >= _HTTP_LIBRARIES:
        yield
        return
    loggers = [logging.getLogger(name) for name in _ENGINE_LOGS]
    handler = _EngineErrors(logging.ERROR)
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


class _EngineErrors(logging.Handler):
    """Passes errors of the engine on, without their tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        said = mask_numbers(record.getMessage())
        _log.error("the engine of the jobs: %s%s", said, f" ({kind.__name__})" if kind else "")


def _started_line(started: WorkerStarted) -> RenderableType:
    requests = things(started.requests, "request")
    return unbroken(
        f"Worker on {printable(started.database)}: {started.sends}, {requests} at the same time."
        "\nStop with Ctrl-C."
    )


def _stopped_line(stopped: WorkerStopped) -> RenderableType:
    return Text(
        f"Stopped. Accepted: {stopped.accepted:,}; refused: {stopped.refused:,};"
        f" in doubt: {stopped.in_doubt:,}."
    )


VIEWS[WorkerStarted] = View(_started_line, asdict)
VIEWS[WorkerStopped] = View(_stopped_line, asdict)
