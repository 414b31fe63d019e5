"""A campaign on several machines: pauses, the common rate, late answers, failovers, the command.

The reasons are in the docs: several machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import psycopg
import pytest
from commands import run_command
from databases import cluster_of, database_of, new_database
from postgres_cluster import Cluster, programs
from psycopg import errors as pg
from test_cli import Finished, clean_environment
from test_outbox_postgres import Standby, until

import smsgate
from smsgate.campaign import (
    Campaign,
    CampaignPaused,
    Event,
    JournalLost,
    LedgerError,
    RecipientState,
    RunOutcome,
    rows_source,
    running_campaigns,
)
from smsgate.cli.exits import Exit
from smsgate.ledger.postgres import reconnection
from smsgate.ledger.postgres.postgres_journal import PostgresJournal
from smsgate.ledger.postgres.postgres_messages import PostgresMessages
from smsgate.ledger.records import Claim, RecipientOutcome, RequestEnd
from smsgate.ledger.sql_files import script
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
S = RecipientState
ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    return database_of(request)


def create(address: str, recipients: int = 20, name: str = "spring") -> None:
    rows = rows_source(f"+38050{number:07}" for number in range(recipients))
    Campaign.create(name, rows, database=address, sender="Shop", text="Hello").close()


def session(gateway: Sandbox) -> smsgate.AsyncSession:
    return smsgate.AsyncSession("sandbox", "sandbox", url=gateway.url, concurrency=2)


async def arrived(gateway: Sandbox) -> None:
    """Wait until the gateway has a message."""
    with anyio.fail_after(60):
        while not gateway.messages:  # noqa: ASYNC110 - the sandbox is in another thread
            await anyio.sleep(0.01)


def claimed(journal: PostgresJournal, most: int = 10) -> Claim:
    claim = journal.claim(journal.start_run(), most)
    assert claim is not None
    return claim


def all_of(claim: Claim, event: Event) -> list[RecipientOutcome]:
    return [RecipientOutcome(key, event, ID) for key, _ in claim.recipients]


def let_leases_pass(address: str) -> None:
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE smsgate.request SET lease_until = 0 WHERE state = 'in flight'")


# Figures


def test_figures_are_those_of_one_moment_while_others_send(address: str):
    create(address)
    with (
        closing(PostgresJournal.open(address, "spring")) as journal,
        Campaign.open("spring", database=address) as campaign,
        psycopg.connect(address) as other,
        ThreadPoolExecutor() as threads,
    ):
        claim = claimed(journal)
        # The figures count the recipients, and then wait for the texts.
        other.execute("LOCK TABLE smsgate.text")
        figures = threads.submit(campaign.figures)
        with psycopg.connect(address, autocommit=True) as third:
            until(
                third,
                "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE NOT granted AND datname = current_database()",
            )
        journal.settle(claim, all_of(claim, Event.ACCEPTED), RequestEnd())
        other.rollback()
        assert figures.result(60).states == {S.PENDING: 10, S.IN_FLIGHT: 10}
        assert campaign.figures().states == {S.PENDING: 10, S.ACCEPTED: 10}


# Runs


@pytest.mark.anyio
async def test_two_runs_share_the_recipients_of_one_campaign(address: str):
    create(address, 400)
    outcomes = []

    async def machine() -> None:
        with Campaign.open("spring", database=address) as campaign:
            async with session(gateway) as mine:
                outcomes.append((await campaign.run(mine, batch=10)).outcome)

    with Sandbox(Settings(credits=10**6, hold_seconds=0.02)) as gateway:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(machine)
            tasks.start_soon(machine)
        assert outcomes == [RunOutcome.FINISHED] * 2
        assert len(gateway.messages) == len({one.destination for one in gateway.messages}) == 400
    with Campaign.open("spring", database=address) as campaign:
        assert campaign.figures().runs == 2


@pytest.mark.anyio
async def test_pause_of_an_operator_ends_the_run_of_another_machine(address: str):
    create(address, 2_000)
    with (
        Sandbox(Settings(credits=10**6, hold_seconds=0.02)) as gateway,
        Campaign.open("spring", database=address) as campaign,
        Campaign.open("spring", database=address) as elsewhere,
    ):
        assert running_campaigns(address) == []
        async with session(gateway) as mine, anyio.create_task_group() as tasks:

            async def pause() -> None:
                await arrived(gateway)
                assert running_campaigns(address) == ["spring"]
                elsewhere.pause(who="Olha", note="wrong text")

            tasks.start_soon(pause)
            result = await campaign.run(mine, batch=10)
            assert (result.outcome, result.why) == (
                RunOutcome.PAUSED,
                "by Olha (wrong text)",
            )
            assert result.states[S.PENDING] > 0
            assert S.IN_FLIGHT not in result.states
            again = await campaign.run(mine, batch=10)
            assert again.outcome is RunOutcome.PAUSED, "a run does not undo a pause"
        assert elsewhere.paused == "by Olha (wrong text)"
        elsewhere.start()
        async with session(gateway) as mine:
            assert (await campaign.run(mine)).outcome is RunOutcome.FINISHED
        assert len({one.destination for one in gateway.messages}) == 2_000


@pytest.mark.anyio
async def test_account_without_credits_pauses_all_machines(address: str):
    create(address, 100)
    with (
        Sandbox(Settings(credits=30)) as gateway,
        Campaign.open("spring", database=address) as campaign,
    ):
        async with session(gateway) as mine:
            result = await campaign.run(mine, batch=10)
        assert result.outcome is RunOutcome.PAUSED
        with Campaign.open("spring", database=address) as elsewhere:
            assert elsewhere.paused == result.why
            with pytest.raises(CampaignPaused, match="credits"):
                elsewhere.journal.start_run()


def test_rate_is_reserved_for_all_machines_together(address: str):
    create(address, 1_000)
    with (
        closing(PostgresJournal.open(address, "spring")) as one,
        closing(PostgresJournal.open(address, "spring")) as other,
    ):
        assert one.reserve(100) == (100, 0.0), "there is no limit yet"
        one.set_rate(50)
        assert other.rate() == 50
        began = time.monotonic()
        waits = [journal.reserve(100) for journal in (one, other, one)]
        # Fifty recipients for each second, whoever asks.
        assert [size for size, _ in waits] == [50, 50, 50]
        passed = time.monotonic() - began
        for place, (_, seconds) in enumerate(waits):
            assert place - passed <= seconds + 0.01 <= place + 0.02
        other.set_rate(None)
        assert one.reserve(100) == (100, 0.0)


# Late answers


class Machine:
    """A machine in this process: a run with a session of its own. `url` is the gateway."""

    def __init__(self, address: str, name: str, gateway: Sandbox, most: int) -> None:
        self.address, self.name, self.gateway, self.most = address, name, gateway, most

    async def run(self) -> None:
        async with smsgate.AsyncSession(
            "sandbox",
            "sandbox",
            url=self.gateway.url,
            concurrency=3,
            account_concurrency=self.most,
        ) as one:
            with Campaign.open(self.name, database=self.address) as campaign:
                result = await campaign.run(one, batch=5)
        assert result.outcome is RunOutcome.FINISHED


@pytest.mark.anyio
async def test_account_has_one_concurrency_on_all_machines_and_campaigns(address: str):
    create(address, 60, "spring")
    create(address, 60, "autumn")
    most, seen = 4, list[int]()

    def look(connection: psycopg.Connection[tuple[int]]) -> None:
        rows = connection.execute("SELECT count(*) FROM smsgate.request WHERE state = 'in flight'")
        seen.append(rows.fetchall()[0][0])

    async def watch() -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            while True:
                await anyio.to_thread.run_sync(look, connection)
                await anyio.sleep(0.005)

    with Sandbox(Settings(hold_seconds=0.2)) as gateway:
        async with anyio.create_task_group() as watching:
            watching.start_soon(watch)
            async with anyio.create_task_group() as machines:
                for name in ("spring", "spring", "autumn"):
                    machines.start_soon(Machine(address, name, gateway, most).run)
            watching.cancel_scope.cancel()
        assert gateway.accepted == 120
    assert max(seen) == most


@pytest.mark.anyio
async def test_claim_that_is_cancelled_while_it_is_made_is_given_back(
    address: str, anyio_backend_name: str
):
    create(address)

    async def run() -> None:
        options: Any = {"url": gateway.url, "concurrency": 2, "account_concurrency": 2}
        async with smsgate.AsyncSession("sandbox", "sandbox", **options) as mine:
            await campaign.run(mine)

    def wait_for_a_claim() -> None:
        with psycopg.connect(address, autocommit=True) as third:
            until(
                third,
                "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE NOT granted AND datname = current_database()",
            )

    with (
        Sandbox() as gateway,
        Campaign.open("spring", database=address) as campaign,
        psycopg.connect(address) as other,
    ):
        other.execute("LOCK TABLE smsgate.request IN EXCLUSIVE MODE")
        async with anyio.create_task_group() as tasks:
            others = asyncio.all_tasks() if anyio_backend_name == "asyncio" else set()
            tasks.start_soon(run)
            await anyio.to_thread.run_sync(wait_for_a_claim)
            if anyio_backend_name == "asyncio":
                # What an event loop does at its end. No scope of anyio shields from it.
                for task in asyncio.all_tasks() - others:
                    task.cancel()
            else:
                tasks.cancel_scope.cancel()
            other.rollback()
        assert campaign.journal.states() == {S.PENDING: 20}
        assert not cast("PostgresJournal", campaign.journal)._slots
        assert not gateway.messages


def test_slot_of_a_connection_that_ended_is_free_and_freed_once(address: str):
    create(address)
    with (
        closing(PostgresJournal.open(address, "spring")) as dead,
        closing(PostgresJournal.open(address, "spring")) as other,
    ):
        lost = [dead.take_slot(7, 2) for _ in range(3)]
        assert [slot is not None for slot in lost] == [True, True, False]
        assert other.take_slot(7, 2) is None
        assert other.take_slot(8, 1) is not None, "another account"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(%s)",
                [lost[0].process],  # type: ignore[union-attr]
            )
            gone = "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {})"
            until(connection, gone.format(lost[0].process))  # type: ignore[union-attr]
        assert other.take_slot(7, 2) is not None
        again = dead.take_slot(7, 2)
        assert again is not None
        assert dead.take_slot(7, 2) is None
        for slot in lost[:2]:
            dead.free_slot(slot)  # of the connection that ended
        assert other.take_slot(7, 2) is None
        dead.free_slot(again)
        assert other.take_slot(7, 2) is not None


def test_late_answer_settles_those_in_doubt(address: str):
    create(address, 3)
    with closing(PostgresJournal.open(address, "spring")) as journal:
        claim = claimed(journal)
        assert journal.sweep() == 0, "the lease has not passed"
        let_leases_pass(address)
        assert journal.sweep() == 3
        assert journal.sweep() == 0
        for _ in range(2):  # the second time, since the answer of the database was lost
            journal.settle(claim, all_of(claim, Event.ACCEPTED), RequestEnd())
        assert journal.states() == {S.ACCEPTED: 3}
        assert journal.in_doubt() == []


def test_proof_that_comes_late_is_kept_but_sends_nothing_again(address: str):
    create(address, 3)
    with closing(PostgresJournal.open(address, "spring")) as journal:
        claim = claimed(journal)
        let_leases_pass(address)
        journal.sweep()
        end = RequestEnd("nothing was sent: it is too late")
        journal.settle(claim, all_of(claim, Event.NOT_SENT), end)
        assert journal.states() == {S.IN_DOUBT: 3}
        assert journal.in_doubt()[0].reason == end.reason


def test_answer_after_the_operators_decision_is_told_loudly(address: str):
    create(address, 3)
    with closing(PostgresJournal.open(address, "spring")) as journal:
        claim = claimed(journal)
        let_leases_pass(address)
        journal.sweep()
        decided = {"who": "Olha", "note": "", "request": None, "message_id": None}
        assert journal.resolve(Event.RESEND, line=1, **decided) == 1
        with pytest.raises(JournalLost, match="outcomes of 1 recipients came too late"):
            journal.settle(claim, all_of(claim, Event.ACCEPTED), RequestEnd())
        assert journal.states() == {S.PENDING: 1, S.ACCEPTED: 2}


@pytest.mark.anyio
async def test_process_that_sleeps_past_its_lease_sends_nothing(address: str):
    create(address, 3)
    with (
        Sandbox() as gateway,
        Campaign.open("spring", database=address) as campaign,
    ):
        async with session(gateway) as mine:
            runner = campaign.runner(mine)
            runner._grace = -mine.timeouts.send  # the lease has passed when the claim returns
            with anyio.move_on_after(1.0):
                await runner.run()
        assert not gateway.messages


def test_claim_that_arrives_twice_is_made_once(address: str):
    create(address, 250)
    with closing(PostgresJournal.open(address, "spring")) as journal:
        claim = claimed(journal)
        again = {
            "run": 1, "most": 10, "token": claim.token, "lease": 60, "balance": None,
            "balance_at": None,
        }  # fmt: skip
        with psycopg.connect(address) as connection, pytest.raises(pg.UniqueViolation):
            sql = journal._tables._sql["claim"]
            connection.execute(sql.encode(), again | {"campaign": journal._campaign})
        assert journal.states() == {S.PENDING: 240, S.IN_FLIGHT: 10}


# Failover


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "without the check"])
def test_failover_stops_a_campaign_until_it_is_accepted(checked: bool):
    """The standby is behind: it lacks the record of a request that was sent."""
    with Cluster() as primary, Standby(primary) as standby:
        create(primary.address, 30)
        with closing(PostgresJournal.open(primary.address, "spring")) as journal:
            run = journal.start_run()
            with psycopg.connect(standby.address, autocommit=True) as behind:
                until(behind, "SELECT 1 FROM pg_class WHERE relname = 'run'")
                until(behind, "SELECT 1 FROM smsgate.run")
                behind.execute("ALTER SYSTEM SET primary_conninfo = ''")
                behind.execute("SELECT pg_reload_conf()")
                until(behind, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)")
            sent = journal.claim(run, 10)
            assert sent is not None
            journal.settle(sent, all_of(sent, Event.ACCEPTED), RequestEnd())
        primary.stop("immediate")
        standby.promote()
        with closing(PostgresJournal.open(standby.address, "spring")) as journal:
            assert journal.states() == {S.PENDING: 30}
            if not checked:  # the planted bug sends to the same people
                tables = journal._tables
                sql = tables._sql["claim"].replace("AND smsgate.on_known_timeline() ", "")
                tables._sql["claim"] = sql
                again = journal.claim(run, 10)
                assert again is not None
                assert again.recipients == sent.recipients
                return
            with pytest.raises(CampaignPaused, match="accept-failover"):
                journal.claim(run, 10)
            with closing(PostgresMessages(standby.address)) as messages:
                assert messages.accept_failover(who="Olha") == (0, 30)
            assert "failed over" in (journal.paused() or "")
            assert journal.states() == {S.IN_DOUBT: 30}
            with Campaign(journal) as campaign:
                assert sum(one.in_doubt for one in campaign.in_doubt()) == 30
                assert campaign.figures().in_doubt
                assert campaign.resolve(Event.FOUND, who="Olha", line=1, message_id=ID) == 1
                assert campaign.resolve(Event.RESEND, who="Olha") == 29
                campaign.start()
                assert len(claimed(journal, 100).recipients) == 29, "they go together"


def test_second_failover_concerns_only_those_who_are_pending(address: str):
    create(address, 30)
    with (
        closing(PostgresMessages(address)) as messages,
        Campaign.open("spring", database=address) as campaign,
    ):
        for pending in (30, 20):
            with psycopg.connect(address) as connection:
                # A standby that takes over begins another timeline.
                connection.execute(
                    "UPDATE smsgate.setting SET value = 'earlier' WHERE name = 'timeline'"
                )
            assert messages.accept_failover(who="Olha") == (0, pending)
            assert campaign.journal.states()[S.IN_DOUBT] == pending
            listed = [
                len(campaign.recipients_in_doubt(request.id)) for request in campaign.in_doubt()
            ]
            assert sum(listed) == pending
            assert campaign.resolve(Event.RESEND, who="Olha") == pending
            campaign.start()
            claim = campaign.journal.claim(campaign.journal.start_run(), 10)
            assert claim is not None
            campaign.journal.settle(claim, all_of(claim, Event.REFUSED), RequestEnd())
        assert campaign.figures().states == {S.PENDING: 10, S.REFUSED: 20}


def test_failover_of_many_requests_compares_each_recipient_once(address: str):
    for name in ("spring", "autumn"):
        rows = rows_source({"phone": f"+38050{one:07}", "name": str(one)} for one in range(2_000))
        Campaign.create(name, rows, database=address, sender="Shop", text="Hello, {name}").close()
    with closing(PostgresMessages(address)) as messages, psycopg.connect(address) as connection:
        sql = messages._tables._sql["doubt_pending_recipients"]
        plan = connection.execute(
            f"EXPLAIN ANALYZE {sql}".encode(), {"target": S.IN_DOUBT, "reason": "why"}
        ).fetchall()
        connection.rollback()
        assert "Rows Removed by Join Filter" not in str(plan)
        connection.execute("UPDATE smsgate.setting SET value = 'earlier' WHERE name = 'timeline'")
        connection.commit()
        assert messages.accept_failover(who="Olha") == (0, 4_000)
    with Campaign.open("spring", database=address) as campaign:
        requests = {one.id for one in campaign.in_doubt()}
        assert {one.request for one in campaign.recipients()} == requests
        assert campaign.figures().states == {S.IN_DOUBT: 2_000}


def test_failover_is_accepted_however_long_it_takes(address: str, monkeypatch: pytest.MonkeyPatch):
    create(address)
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE smsgate.setting SET value = 'earlier' WHERE name = 'timeline'")
        connection.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER slow BEFORE UPDATE ON smsgate.request_1"
            " FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    monkeypatch.setitem(reconnection._OPTIONS, "statement_timeout", "300")
    monkeypatch.setattr(reconnection, "_PATIENCE", 0.0)
    with closing(PostgresMessages(address)) as messages:
        assert messages.accept_failover(who="Olha") == (0, 20)


# The tables


def test_tables_of_version_1_are_migrated(address: str):
    with psycopg.connect(address) as connection:
        for statement in script("postgres", "schema_1.sql"):
            connection.execute(statement.encode())
        connection.execute(
            "INSERT INTO smsgate.setting VALUES ('version', '1'), ('identity', 'me'),"
            " ('timeline', substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))"
        )
    create(address)
    with closing(PostgresMessages(address)) as messages:
        assert messages.identity == "me"


def test_unknown_name_and_bad_address_are_told(address: str, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no campaign of this name"):
        Campaign.open("nowhere", database=address)
    with pytest.raises(ValueError, match="must be a postgresql:// URL"):
        Campaign.open("spring", database="mysql://me:secret@127.0.0.1/sms")
    with pytest.raises(ValueError, match="place: the name of a campaign"):
        Campaign.open(" ", database=address)
    path = tmp_path / "a.sms"
    Campaign.create(path, rows_source(["+380501234567"]), sender="Shop", text="a").close()
    with Campaign.open(path) as campaign:
        assert campaign.paused is None
        with pytest.raises(ValueError, match="only for a campaign in a database"):
            campaign.pause(who="Olha")


def test_lost_connection_while_a_list_is_read_leaves_nothing(address: str):
    def rows():  # noqa: ANN202
        for number in range(30_000):
            if number == 25_000:
                with psycopg.connect(address, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
            yield f"+38050{number:07}"

    with pytest.raises(LedgerError, match="no campaign was created: run the command again"):
        Campaign.create("a", rows_source(rows()), database=address, sender="Shop", text="Hi")
    with pytest.raises(FileNotFoundError):
        Campaign.open("a", database=address)


class SmallDisk:
    """A tablespace on a disk of its own, which a test can fill."""

    def __init__(self, cluster: Cluster) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="disk-", dir=cluster.folder))
        if os.getuid() or not shutil.which("mount"):
            pytest.skip("only root can mount a small disk")
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(self.folder)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("a small disk cannot be mounted here")
        self._ballast = self.folder / "ballast"
        space = self.folder / "space"
        space.mkdir()
        shutil.chown(space, "postgres", "postgres")
        self.name = new_database(cluster)
        self._server = cluster.address_of("postgres")
        self._execute(f"CREATE TABLESPACE {self.name} LOCATION '{space}'")
        self._execute(f"ALTER DATABASE {self.name} SET TABLESPACE {self.name}")
        self.address: str = cluster.address_of(self.name)

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.encode())

    def fill(self, left: int = 0) -> None:
        """Fill the disk, except for this many bytes."""
        free = shutil.disk_usage(self.folder).free
        with contextlib.suppress(OSError), self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, free - left)

    def free(self) -> None:
        self._ballast.unlink()

    def close(self) -> None:
        self._execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        self._execute(f"DROP TABLESPACE {self.name}")
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    with closing(SmallDisk(cluster_of(request))) as small:
        yield small


FULL = "the disk of the database is full: free some space there"


def test_list_that_fills_the_disk_leaves_nothing(disk: SmallDisk):
    create(disk.address, 20)
    disk.fill(left=2 << 20)
    with pytest.raises(LedgerError, match=FULL):
        create(disk.address, 100_000, "autumn")
    disk.free()
    with pytest.raises(FileNotFoundError):
        Campaign.open("autumn", database=disk.address)
    create(disk.address, 100, "autumn")
    with Campaign.open("autumn", database=disk.address) as campaign:
        assert campaign.figures().states == {S.PENDING: 100}


def test_answer_that_finds_the_disk_full_is_in_doubt_and_may_come_late(disk: SmallDisk):
    create(disk.address)
    with closing(PostgresJournal.open(disk.address, "spring")) as journal:
        claim = claimed(journal)
        disk.fill()
        answer = RequestEnd(reply=random.Random(1).randbytes(1 << 20))
        with pytest.raises(LedgerError, match=FULL):
            journal.settle(claim, all_of(claim, Event.ACCEPTED), answer)
        assert journal.states() == {S.PENDING: 10, S.IN_FLIGHT: 10}
        disk.free()
        let_leases_pass(disk.address)
        assert journal.sweep() == 10
        journal.settle(claim, all_of(claim, Event.ACCEPTED), answer)
        assert journal.states() == {S.PENDING: 10, S.ACCEPTED: 10}


@pytest.mark.anyio
async def test_run_on_a_full_disk_ends_and_the_next_one_sends_to_the_rest(disk: SmallDisk):
    create(disk.address, 2_000)
    with (
        Sandbox(Settings(credits=10**6)) as gateway,
        Campaign.open("spring", database=disk.address) as campaign,
    ):
        # A request with one recipient is a new row, for which there is no space sooner or later.
        disk.fill()
        async with session(gateway) as mine:
            with pytest.raises(LedgerError, match=FULL):
                await campaign.run(mine, batch=1)
            disk.free()
            sent = {one.destination for one in gateway.messages}
            left = campaign.journal.states()
            assert left[S.PENDING] > 0
            assert left.get(S.ACCEPTED, 0) + left.get(S.IN_FLIGHT, 0) >= len(sent)
            let_leases_pass(disk.address)
            assert (await campaign.run(mine)).outcome is RunOutcome.FINISHED
        accepted = {one.number for one in campaign.recipients() if one.state is S.ACCEPTED}
        in_doubt = {one.number for one in campaign.recipients() if one.state is S.IN_DOUBT}
        messages = [one.destination for one in gateway.messages]
        assert len(messages) == len(set(messages)), "nobody is sent to twice"
        assert accepted <= set(messages) <= accepted | in_doubt
        assert len(accepted) + len(in_doubt) == 2_000
        assert campaign.figures().states[S.ACCEPTED] == len(accepted)


# The command


def smsgate_command(folder: Path, *arguments: str, **variables: str) -> Finished:
    done = run_command(arguments, environment=clean_environment(**variables), folder=folder)
    return Finished(done.code, done.out.decode(), done.err.decode())


def test_campaign_commands_work_on_a_database(address: str, tmp_path: Path):
    (tmp_path / "list.csv").write_text("phone\n+380501234567\n+380501234568\n", "utf-8")
    at = ("--database", address)
    with Sandbox() as gateway:
        account = {
            "SMSGATE_LOGIN": "sandbox",
            "SMSGATE_PASSWORD": "sandbox",
            "SMSGATE_URL": gateway.url,
        }

        def campaign(name: str, *arguments: str) -> Finished:
            return smsgate_command(tmp_path, "campaign", name, "spring", *arguments, *at, **account)

        made = campaign("new", "list.csv", "--sender", "Shop", "--text", "Hello")
        assert f"To send: smsgate campaign run spring --database {address}" in made.out
        assert campaign("pause", "--note", "wait for Olha").code == Exit.DONE
        refused = campaign("run", "--yes")
        assert refused.code == Exit.REFUSED
        assert "wait for Olha" in refused.err
        assert f"smsgate campaign resume spring --database {address}" in refused.err
        assert campaign("rate", "100").err == "At most 100 recipients per second.\n"
        shown = campaign("status", "--json").document
        assert (shown["rate"], shown["states"]) == (100.0, {"pending": 2})
        assert "wait for Olha" in shown["paused"]
        assert "wait for Olha" in campaign("status").out
        assert campaign("resume", "--yes").code == Exit.DONE
        assert campaign("run", "--yes").code == Exit.DONE
        assert len(gateway.messages) == 2
        assert campaign("in-doubt").code == Exit.DONE
        assert campaign("report", "--html", "spring.html").code == Exit.DONE
        assert campaign("export", "spring.csv").code == Exit.DONE
        assert len((tmp_path / "spring.csv").read_text("utf-8").splitlines()) == 3
        assert campaign("purge", "--yes").code == Exit.DONE
        assert campaign("rate", "none").err == "No rate limit.\n"
        assert "N: must be a number" in campaign("rate", "fast").err


def test_run_that_is_paused_points_to_resume(address: str, tmp_path: Path):
    create(address, 20)
    with Sandbox(Settings(credits=0)) as gateway:
        run = smsgate_command(
            tmp_path, "campaign", "run", "spring", "--yes", "--database", address,
            SMSGATE_LOGIN="sandbox", SMSGATE_PASSWORD="sandbox", SMSGATE_URL=gateway.url,
        )  # fmt: skip
    assert run.code == Exit.REFUSED
    assert f"To continue: smsgate campaign resume spring --database {address}" in run.out


def test_password_of_an_address_is_not_shown(address: str, tmp_path: Path):
    (tmp_path / "list.csv").write_text("phone\n+380501234567\n", "utf-8")
    with_password = address.replace("tester@", "tester:needle-of-a-password@")
    made = smsgate_command(
        tmp_path, "campaign", "new", "spring", "list.csv", "--sender", "Shop", "--text", "Hello",
        "--database", with_password,
    )  # fmt: skip
    assert "smsgate campaign run spring --database URL" in made.out
    assert "needle" not in made.out + made.err
