"""`smsgate worker` as a process, on real databases and a real sandbox, and the tasks for an app."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import procrastinate
import psycopg
import pytest
from commands import Child, start_command
from databases import PostgresOutboxes
from test_cli import clean_environment

import smsgate
from smsgate.campaign import Campaign, rows_source
from smsgate.campaign.stopping import open_stop_list
from smsgate.cli.exits import Exit
from smsgate.integrations import due_passes
from smsgate.integrations.campaign_shifts import CampaignShifts
from smsgate.integrations.procrastinate import smsgate_tasks
from smsgate.outbox import Event, Outbox, RecipientState
from smsgate.sandbox import Sandbox

S = RecipientState
PATIENCE = 40.0
"""Seconds until a test gives up. No test measures time."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresOutboxes]:
    with closing(PostgresOutboxes(request)) as opened:
        yield opened


Start = Callable[..., Child]


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    """Start a worker, and wait until it says that it works."""
    started = list[Child]()

    def start(place: str, *arguments: str, **variables: str) -> Child:
        account = {
            "SMSGATE_LOGIN": "sandbox",
            "SMSGATE_PASSWORD": "sandbox",
            "SMSGATE_URL": sandbox.url,
        }
        child = start_command(
            ["worker", "--json", "--database", place, *arguments],
            environment=clean_environment(**account | variables),
            folder=tmp_path,
        )
        started.append(child)
        assert child.stdout is not None
        assert '"requests"' in child.stdout.readline()
        return child

    yield start
    for child in started:
        child.kill()
        for output in (child.stdout, child.stderr):
            if output and not output.closed:
                output.close()


def ended(child: Child) -> tuple[int, Any]:
    """Stop a worker gently and return its exit code and its counts."""
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(PATIENCE)
    assert child.returncode is not None
    return child.returncode, json.loads(out.splitlines()[0])


def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.05)


def with_outbox(
    sandbox: Sandbox, place: str, work: Callable[[Outbox], Awaitable[Any]], **named: Any
) -> Any:
    async def run() -> Any:
        async with (
            smsgate.AsyncSession(
                "sandbox", "sandbox", sender="Shop", url=sandbox.url, **named
            ) as session,
            Outbox(session, place) as outbox,
        ):
            return await work(outbox)

    return asyncio.run(run())


def add(sandbox: Sandbox, place: str, count: int = 1, first: int = 0) -> list[int]:
    async def work(outbox: Outbox) -> list[int]:
        return [
            (await outbox.add(f"+38050{n:07}", "Ваш код: 4815", key=f"order:{n}")).id
            for n in range(first, first + count)
        ]

    ids: list[int] = with_outbox(sandbox, place, work)
    return ids


def engine(outboxes: PostgresOutboxes) -> tuple[int, int]:
    """Return when the engine last deferred a periodic job, and how many jobs it holds.

    A worker sends before the engine has created its tables, so it may not have any yet.
    """
    with psycopg.connect(outboxes.place) as connection:
        (ready,) = connection.execute(
            "SELECT to_regclass('smsgate_jobs.procrastinate_periodic_defers')"
        ).fetchone() or (None,)
        if ready is None:
            return 0, 0
        row = connection.execute(
            "SELECT (SELECT coalesce(max(defer_timestamp), 0)"
            " FROM smsgate_jobs.procrastinate_periodic_defers),"
            " (SELECT count(*) FROM smsgate_jobs.procrastinate_jobs)"
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def states(outboxes: PostgresOutboxes) -> dict[str, int]:
    with psycopg.connect(outboxes.place) as connection:
        rows = connection.execute("SELECT state, count(*) FROM smsgate.message GROUP BY state")
        return dict(rows.fetchall())


def copies(sandbox: Sandbox) -> list[str]:
    """Return the numbers that were sent to, in order, with each copy."""
    return sorted(message.destination for message in sandbox.messages)


def numbers(count: int) -> list[str]:
    return [f"+38050{n:07}" for n in range(count)]


# --- the command ----------------------------------------------------------------------------------


def test_added_rows_are_sent_without_a_job_and_counted(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    add(sandbox, postgres.place, 3)
    worker = start(postgres.place)
    add(sandbox, postgres.place, 2, first=3)
    until(lambda: states(postgres) == {S.ACCEPTED: 5})
    assert ended(worker) == (Exit.DONE, {"accepted": 5, "refused": 0, "in_doubt": 0})
    assert copies(sandbox) == numbers(5)


def test_two_workers_share_the_rows_and_send_each_once(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=0.1)
    workers = [start(postgres.place, "--concurrency", "2") for _ in range(2)]
    add(sandbox, postgres.place, 120)
    until(lambda: states(postgres) == {S.ACCEPTED: 120})
    counts = [ended(worker) for worker in workers]
    assert sum(said["accepted"] for _, said in counts) == 120
    assert all(said["accepted"] for _, said in counts), "both of them work"
    assert copies(sandbox) == numbers(120)


def campaign_of(
    postgres: PostgresOutboxes, recipients: int, name: str = "spring", **options: Any
) -> Campaign:
    rows = rows_source(numbers(recipients))
    return Campaign.create(
        name, rows, database=postgres.place, sender="Shop", text="Hello", **options
    )


def test_two_workers_send_a_campaign_once_it_is_started(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=0.02)
    with campaign_of(postgres, 300) as campaign:
        workers = [start(postgres.place, "--concurrency", "2") for _ in range(2)]
        add(sandbox, postgres.place, 1, first=900)
        until(lambda: states(postgres) == {S.ACCEPTED: 1})
        assert campaign.journal.states() == {S.PENDING: 300}, "nobody has started it"
        campaign.start()
        until(lambda: campaign.journal.states() == {S.ACCEPTED: 300})
        counts = [ended(worker) for worker in workers]
        assert sum(said["accepted"] for _, said in counts) == 301
        assert len(set(copies(sandbox))) == len(copies(sandbox)) == 301


def test_campaigns_that_wait_for_their_hours_hold_up_no_other(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    tomorrow = datetime.now().astimezone() + timedelta(days=1)
    waiting = [f"night {n}" for n in range(12)]
    with ExitStack() as held:
        for name in waiting:
            held.enter_context(campaign_of(postgres, 1, name, not_before=tomorrow)).start()
        worker = start(postgres.place, "--concurrency", "1")
        # Each has had its turn, and there are more of them than jobs that may run at once.
        until(lambda: engine(postgres)[0])
        campaign = held.enter_context(campaign_of(postgres, 3))
        campaign.start()
        until(lambda: campaign.journal.states() == {S.ACCEPTED: 3})
        assert ended(worker)[0] == Exit.DONE
    with psycopg.connect(postgres.place) as connection:
        runs = connection.execute("SELECT count(*) FROM smsgate.run").fetchone()
    assert runs == (1,), "a shift that sends nothing leaves no trace"
    assert len(copies(sandbox)) == 3


def test_shift_ends_when_the_hours_of_its_campaign_end(
    sandbox: Sandbox, postgres: PostgresOutboxes
) -> None:
    async def work(outbox: Outbox) -> None:
        with campaign_of(postgres, 2_000) as campaign:
            campaign.start()
            shifts = CampaignShifts(postgres.place, lambda: outbox.session, lambda: False)

            async def close() -> None:
                await anyio.to_thread.run_sync(until, lambda: sandbox.messages)
                tomorrow = datetime.now().astimezone() + timedelta(days=1)
                campaign.set_sending_window(not_before=tomorrow)

            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(close)
                    await shifts.shift("spring")
            assert campaign.journal.states().get(S.PENDING)

    sandbox.faults.add("slow", operation="SendSMS", seconds=0.2)
    with_outbox(sandbox, postgres.place, work, concurrency=1)


def test_worker_leaves_out_the_numbers_of_a_named_stop_list(
    sandbox: Sandbox, tmp_path: Path, start: Start
) -> None:
    place = str(tmp_path / "sms.db")
    stops = str(tmp_path / "stop.db")
    add(sandbox, place, 3)
    with closing(open_stop_list(stops, writing=True)) as opened:
        opened.add(numbers(2), "")
    worker = start(place, "--stop-list", stops)

    def found() -> dict[RecipientState, int]:
        found: dict[RecipientState, int] = with_outbox(sandbox, place, Outbox.states)
        return found

    until(lambda: found() == {S.ACCEPTED: 1, S.ABANDONED: 2})
    ended(worker)
    assert copies(sandbox) == numbers(3)[2:]


def test_signal_lets_requests_of_a_campaign_end(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=0.5)
    with campaign_of(postgres, 3_000) as campaign:
        campaign.start()
        worker = start(postgres.place, "--concurrency", "2")
        until(lambda: campaign.journal.states().get(S.IN_FLIGHT))
        code, said = ended(worker)
        found = campaign.journal.states()
        assert set(found) == {S.PENDING, S.ACCEPTED}
        assert (code, said["accepted"]) == (Exit.DONE, found[S.ACCEPTED])
        assert len(copies(sandbox)) == found[S.ACCEPTED]


def test_first_signal_lets_requests_in_flight_end(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=1.0)
    add(sandbox, postgres.place, 30)
    worker = start(postgres.place, "--concurrency", "2")
    until(lambda: states(postgres).get(S.IN_FLIGHT) == 2)
    code, said = ended(worker)
    assert code == Exit.DONE
    left = states(postgres)
    assert left == {S.ACCEPTED: said["accepted"], S.PENDING: 30 - said["accepted"]}
    assert left[S.PENDING] >= 20, "nothing new was begun"
    assert copies(sandbox) == numbers(said["accepted"])


def test_second_signal_stops_at_once_and_leaves_doubt(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=20.0)
    add(sandbox, postgres.place)
    worker = start(postgres.place)
    until(lambda: len(sandbox.messages) or states(postgres).get(S.IN_FLIGHT))
    until(lambda: sandbox.calls.get("SendSMS"))
    worker.send_signal(signal.SIGTERM)
    assert worker.stderr is not None
    assert "waiting for requests in flight" in worker.stderr.readline()
    time.sleep(1.1)  # a SIGTERM within a second is a duplicate
    assert ended(worker) == (Exit.TERMINATED, {"accepted": 0, "refused": 0, "in_doubt": 1})
    assert states(postgres) == {S.IN_DOUBT: 1}


def test_other_worker_goes_on_when_one_is_killed(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=20.0, times=1)
    (first,) = add(sandbox, postgres.place)
    killed = start(postgres.place)
    until(lambda: states(postgres).get(S.IN_FLIGHT) and sandbox.calls.get("SendSMS"))
    killed.kill()
    other = start(postgres.place)
    add(sandbox, postgres.place, 5, first=1)
    until(lambda: states(postgres) == {S.ACCEPTED: 5, S.IN_FLIGHT: 1})
    postgres.execute("UPDATE smsgate.message SET lease_until = 1 WHERE state = 'in flight'")
    until(lambda: states(postgres) == {S.ACCEPTED: 5, S.IN_DOUBT: 1})
    assert ended(other)[0] == Exit.DONE
    assert with_outbox(sandbox, postgres.place, Outbox.in_doubt)[0].id == first
    assert [copies(sandbox).count(number) for number in numbers(6)[1:]] == [1] * 5
    assert copies(sandbox).count(numbers(1)[0]) <= 1


def test_jobs_are_in_a_schema_of_their_own_and_deleted(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    add(sandbox, postgres.place)
    worker = start(postgres.place)
    until(lambda: states(postgres) == {S.ACCEPTED: 1})
    until(lambda: engine(postgres)[0] and engine(postgres)[1] == 0)
    assert ended(worker)[0] == Exit.DONE
    with psycopg.connect(postgres.place) as connection:
        rows = connection.execute(
            "SELECT DISTINCT table_schema FROM information_schema.tables"
            " WHERE table_name LIKE 'procrastinate%'"
        ).fetchall()
        assert rows == [("smsgate_jobs",)]
        rows = connection.execute("SELECT 1 FROM smsgate_jobs.procrastinate_workers").fetchall()
        assert rows == []


def test_worker_outlives_a_restart_of_its_connections(
    sandbox: Sandbox, postgres: PostgresOutboxes, start: Start
) -> None:
    add(sandbox, postgres.place)
    worker = start(postgres.place)
    until(lambda: states(postgres) == {S.ACCEPTED: 1} and engine(postgres)[0])
    with psycopg.connect(postgres.cluster.address_of("postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [postgres.name],
        )
    before = engine(postgres)[0]
    add(sandbox, postgres.place, 2, first=1)
    until(lambda: states(postgres) == {S.ACCEPTED: 3})
    until(lambda: engine(postgres)[0] > before)
    assert ended(worker)[0] == Exit.DONE
    assert copies(sandbox) == numbers(3)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_wrong_password_ends_the_worker_before_it_starts(
    sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    place = str(tmp_path / "sms.db")
    if database == "postgres":
        place = request.getfixturevalue("postgres").place
    add(sandbox, place)
    child = start_command(
        ["worker", "--database", place],
        environment=clean_environment(
            SMSGATE_LOGIN="sandbox", SMSGATE_PASSWORD="wrong", SMSGATE_URL=sandbox.url
        ),
        folder=tmp_path,
    )
    out, err = child.communicate(PATIENCE)
    assert (child.returncode, out) == (Exit.REFUSED, "")
    assert "Use the login and the password of the gateway" in err
    assert sandbox.accepted == 0


def test_sqlite_file_is_served_by_two_workers(
    sandbox: Sandbox, tmp_path: Path, start: Start
) -> None:
    place = str(tmp_path / "sms.db")
    add(sandbox, place, 40)
    workers = [start(place) for _ in range(2)]
    until(lambda: sandbox.accepted == 40)
    codes, counts = zip(*map(ended, workers), strict=True)
    assert codes == (Exit.DONE, Exit.DONE)
    assert sum(said["accepted"] for said in counts) == 40
    assert copies(sandbox) == numbers(40)


def test_worker_creates_no_file(sandbox: Sandbox, tmp_path: Path) -> None:
    child = start_command(
        ["worker", "--database", "missing.db"],
        environment=clean_environment(
            SMSGATE_LOGIN="sandbox", SMSGATE_PASSWORD="sandbox", SMSGATE_URL=sandbox.url
        ),
        folder=tmp_path,
    )
    _, err = child.communicate(PATIENCE)
    assert (child.returncode, err) == (
        Exit.USAGE,
        (
            "error: missing.db: there is no outbox at this path. To create it: smsgate database"
            " migrate --database missing.db\n"
        ),
    )
    assert list(tmp_path.iterdir()) == []


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("procrastinate", "psycopg_pool"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from smsgate.cli import main
sys.argv = ["smsgate", "worker", "--database", sys.argv[1]]
sys.exit(main())
"""


def test_missing_extra_is_named_before_anything_is_sent(sandbox: Sandbox) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "postgresql://127.0.0.1:1/sms"],
        env=clean_environment(
            SMSGATE_LOGIN="sandbox", SMSGATE_PASSWORD="sandbox", SMSGATE_URL=sandbox.url
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr.endswith("pip install 'aiosmsgate[procrastinate]'\n")
    assert done.stderr.count("\n") == 1


def test_sqlite_file_needs_no_engine(sandbox: Sandbox, tmp_path: Path) -> None:
    place = str(tmp_path / "sms.db")
    add(sandbox, place)
    with subprocess.Popen(
        [sys.executable, "-c", WITHOUT, place],
        env=clean_environment(
            SMSGATE_LOGIN="sandbox", SMSGATE_PASSWORD="sandbox", SMSGATE_URL=sandbox.url
        ),
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        until(lambda: sandbox.accepted == 1)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=PATIENCE)
    assert child.returncode == Exit.DONE
    assert out.splitlines() == [
        f"Worker on {place}: outbox, 4 requests at the same time.",
        "Stop with Ctrl-C.",
        "Stopped. Accepted: 1; refused: 0; in doubt: 0.",
    ]


# --- the tasks in an app of the user --------------------------------------------------------------


def app_of(outboxes: PostgresOutboxes, outbox: Outbox) -> procrastinate.App:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=outboxes.place))
    app.add_tasks_from(smsgate_tasks(lambda: outbox), namespace="smsgate")
    return app


async def catch_up(app: procrastinate.App, task: str = "") -> None:
    """Run the jobs of one task that wait now, or of all tasks. Periodic tasks are not deferred."""
    app.periodic_registry.periodic_tasks.clear()
    if task:
        await app.configure_task(task).defer_async(timestamp=0)
    await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="successful")


async def waiting(app: procrastinate.App) -> list[tuple[str, str]]:
    return sorted((job.task_name, job.status) for job in await app.job_manager.list_jobs_async())


def test_job_in_the_users_transaction_is_sent_if_it_commits(
    sandbox: Sandbox, postgres: PostgresOutboxes
) -> None:
    async def order(outbox: Outbox, app: procrastinate.App, n: int, *, fails: bool) -> None:
        connect = psycopg.AsyncConnection.connect
        async with await connect(postgres.place) as mine, mine.transaction():
            message = await outbox.add(f"+38050{n:07}", "hello", key=str(n), connection=mine)
            deliver = app.configure_task("smsgate:deliver", connection=mine)
            await deliver.defer_async(message=message.id)
            if fails:
                raise psycopg.Rollback

    async def work(outbox: Outbox) -> None:
        async with app_of(postgres, outbox).open_async() as app:
            await app.schema_manager.apply_schema_async()
            await order(outbox, app, 0, fails=False)
            await order(outbox, app, 1, fails=True)
            await catch_up(app)
            assert await waiting(app) == []

    with_outbox(sandbox, postgres.place, work)
    assert copies(sandbox) == numbers(1)


def test_job_that_runs_twice_or_has_no_row_sends_nothing_more(
    sandbox: Sandbox, postgres: PostgresOutboxes
) -> None:
    async def work(outbox: Outbox) -> None:
        message = await outbox.add(numbers(1)[0], "hello", key="0")
        refused = await outbox.add("+380000000001", "hello", key="1")
        async with app_of(postgres, outbox).open_async() as app:
            await app.schema_manager.apply_schema_async()
            for one in (message.id, message.id, refused.id, refused.id, 999):
                await app.configure_task("smsgate:deliver").defer_async(message=one)
            await catch_up(app)
            assert await waiting(app) == []

    with_outbox(sandbox, postgres.place, work)
    assert copies(sandbox) == numbers(1)


def test_job_is_tried_again_while_nothing_was_sent_and_no_longer(
    sandbox: Sandbox, postgres: PostgresOutboxes
) -> None:
    async def work(outbox: Outbox) -> None:
        message = await outbox.add(numbers(1)[0], "hello", key="0")
        async with app_of(postgres, outbox).open_async() as app:
            await app.schema_manager.apply_schema_async()
            await app.configure_task("smsgate:deliver").defer_async(message=message.id)
            await outbox.session.aclose()  # nothing leaves a closed session
            await catch_up(app)
            assert await waiting(app) == [("smsgate:deliver", "todo")]
            await outbox.resolve(message.id, Event.CANCEL, who="olena")
            await app.connector.execute_query_async(
                "UPDATE procrastinate_jobs SET scheduled_at = NULL"
            )
            await catch_up(app)
            assert await waiting(app) == []

    with_outbox(sandbox, postgres.place, work)
    assert sandbox.accepted == 0


@pytest.mark.parametrize("taken", [False, True], ids=["alone", "lock taken again"])
def test_job_of_a_dead_worker_runs_again(
    sandbox: Sandbox, postgres: PostgresOutboxes, taken: bool
) -> None:
    async def work(outbox: Outbox) -> None:
        message = await outbox.add(numbers(1)[0], "hello", key="0")
        async with app_of(postgres, outbox).open_async() as app:
            await app.schema_manager.apply_schema_async()
            # A queueing lock that was taken again is why such a job cannot be retried.
            locked = app.configure_task("smsgate:deliver", queueing_lock="0", lock="0")
            await locked.defer_async(message=message.id)
            dead = await app.job_manager.register_worker()
            assert await app.job_manager.fetch_job(queues=["smsgate"], worker_id=dead)
            if taken:
                await locked.defer_async(message=message.id)
            await app.connector.execute_query_async(
                "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
            )
            await catch_up(app, "smsgate:rescue")
            assert await waiting(app) == []

    with_outbox(sandbox, postgres.place, work)
    assert copies(sandbox) == numbers(1)


def test_periodic_task_of_an_app_finds_rows_without_a_job(
    sandbox: Sandbox, postgres: PostgresOutboxes
) -> None:
    add(sandbox, postgres.place, 3)

    async def work(outbox: Outbox) -> None:
        async with app_of(postgres, outbox).open_async() as app:
            await app.schema_manager.apply_schema_async()
            assert len(app.periodic_registry.periodic_tasks) == 2
            await catch_up(app, "smsgate:deliver_due")

    with_outbox(sandbox, postgres.place, work)
    assert copies(sandbox) == numbers(3)


def test_refused_login_begins_no_further_message_and_is_waited_for(
    sandbox: Sandbox, postgres: PostgresOutboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_passes, "_FIRST_PAUSE", 60.0)
    add(sandbox, postgres.place, 20)

    async def work() -> None:
        async with (
            smsgate.AsyncSession(
                "sandbox", "wrong", sender="Shop", url=sandbox.url, concurrency=1
            ) as session,
            Outbox(session, postgres.place) as outbox,
            app_of(postgres, outbox).open_async() as app,
        ):
            await app.schema_manager.apply_schema_async()
            for _ in range(5):
                with suppress(procrastinate.exceptions.AlreadyEnqueued):
                    await catch_up(app, "smsgate:deliver_due")

    asyncio.run(work())
    assert states(postgres) == {S.PENDING: 20}
    with psycopg.connect(postgres.place) as connection:
        row = connection.execute("SELECT sum(attempts) FROM smsgate.message").fetchone()
        assert row == (1,)


def test_messages_that_cannot_be_sent_do_not_block_newer_ones(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_passes, "_MOST", 2)

    async def work(outbox: Outbox) -> None:
        for key in range(4):
            await outbox.add("+380000000003", "Ваш код: 4815", key=f"unreachable:{key}")
        await outbox.add("+380501234567", "Ваш код: 4815", key="newer")
        passes, stop = due_passes.DuePasses(lambda: outbox, lambda: False), anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(passes.run, stop)
            with anyio.fail_after(PATIENCE):
                while S.ACCEPTED not in await outbox.states():  # noqa: ASYNC110 - of the gateway
                    await anyio.sleep(0.1)
            stop.set()

    with_outbox(sandbox, str(tmp_path / "sms.db"), work)
