"""An outbox whose PostgreSQL or network fails: a true sentence, and nothing sent twice."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from databases import new_database
from postgres_cluster import Cluster, programs
from test_outbox_ledger import ACCEPTED, LEASE, claimed, new, plant

from smsgate.ledger.postgres import reconnection
from smsgate.ledger.postgres.postgres_messages import FailedOver, PostgresMessages
from smsgate.ledger.records import LedgerError
from smsgate.ledger.states import RecipientState

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed"),
]
S = RecipientState


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that only this module stops and starts."""
    with Cluster() as running:
        yield running


@pytest.fixture
def address(cluster: Cluster) -> str:
    return cluster.address_of(new_database(cluster))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnection, "_PATIENCE", 3.0)
    monkeypatch.setattr(reconnection, "_WATCHED", 1.0)
    monkeypatch.setitem(reconnection._OPTIONS, "statement_timeout", "700")
    monkeypatch.setitem(reconnection._OPTIONS, "lock_timeout", "500")


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_restart_of_the_server_is_waited_for(cluster: Cluster, address: str, how: str):
    with closing(PostgresMessages(address)) as ledger:
        claim = claimed(ledger, ledger.add(new()).id)
        cluster.stop(how)
        started = threading.Timer(0.5, cluster.start)
        started.start()
        assert ledger.settle(claim, ACCEPTED).state is S.ACCEPTED
        started.join()
    with closing(PostgresMessages(address)) as ledger:
        assert ledger.by_id(claim.id).state is S.ACCEPTED


@pytest.mark.usefixtures("impatient")
def test_server_that_stays_away_is_told(cluster: Cluster, address: str):
    with closing(PostgresMessages(address)) as ledger:
        cluster.stop()
        try:
            with pytest.raises(LedgerError, match="the database cannot be reached"):
                ledger.states()
        finally:
            cluster.start()
        assert ledger.states() == {}


@pytest.mark.usefixtures("impatient")
def test_statement_that_is_stuck_is_given_up(address: str):
    with closing(PostgresMessages(address)) as ledger:
        message = ledger.add(new()).id
        with psycopg.connect(address) as other:
            other.execute("SELECT 1 FROM smsgate.message FOR UPDATE")
            with pytest.raises(LedgerError, match="another session of the database holds a lock"):
                ledger.claim(message, "a", LEASE)
            other.rollback()
        assert ledger.by_id(message).state is S.PENDING
        claimed(ledger, message, "b")


class Network:
    """A network between an outbox and its server, which can lose all that is sent."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.works = threading.Event()
        self.works.set()
        self._open = list[socket.socket]()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:  # the server is down
                    near.close()
                    continue
                self._open += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(65536):
                self.works.wait()
                target.sendall(received)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.works.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            one.close()


@contextmanager
def network(address: str, cluster: Cluster) -> Iterator[tuple[Network, str]]:
    with closing(Network(cluster.port)) as between:
        yield between, address.replace(f":{cluster.port}/", f":{between.port}/")


@pytest.mark.usefixtures("impatient")
def test_network_that_loses_all_is_left_after_a_while(cluster: Cluster, address: str):
    with (
        network(address, cluster) as (between, through),
        closing(PostgresMessages(through)) as ledger,
    ):
        message = ledger.add(new()).id
        between.works.clear()
        began = time.monotonic()
        with pytest.raises(LedgerError, match="the database"):
            ledger.claim(message, "lost", LEASE)
        assert time.monotonic() - began < 60
        between.works.set()
        ledger.release("lost")  # whatever became of the lost claim
        assert claimed(ledger, message, "b").token == "b"


@pytest.mark.usefixtures("impatient")
def test_step_is_repeated_when_the_network_is_back(cluster: Cluster, address: str):
    with (
        network(address, cluster) as (between, through),
        closing(PostgresMessages(through)) as ledger,
    ):
        claim = claimed(ledger, ledger.add(new()).id)
        between.works.clear()
        back = threading.Timer(1.5, between.works.set)
        back.start()
        assert ledger.settle(claim, ACCEPTED).state is S.ACCEPTED
        back.join()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("/nowhere", "the server has no such database or role"),
        ("user=nobody", "the server has no such database or role"),
    ],
)
def test_wrong_address_is_told_at_once(cluster: Cluster, change: str, said: str):
    address = (
        cluster.address_of("nowhere")
        if change == "/nowhere"
        else cluster.address_of("sms", user="nobody")
    )
    began = time.monotonic()
    with pytest.raises(LedgerError, match=said):
        PostgresMessages(address)
    assert time.monotonic() - began < 20


def test_role_without_rights_is_told(cluster: Cluster, address: str):
    PostgresMessages(address).close()
    name = address.rpartition("/")[2]
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS guest")
        admin.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(LedgerError, match="the role of the database lacks rights"):
        PostgresMessages(cluster.address_of(name, user="guest"))


def test_claims_are_synced_whatever_the_role_is_set_to(address: str):
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("ALTER ROLE tester SET synchronous_commit = off")
    try:
        with closing(PostgresMessages(address)) as ledger:
            ledger.states()
            found = ledger._tables.connection._connection
            assert found is not None
            assert found.execute("SHOW synchronous_commit").fetchone() == ("on",)
    finally:
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute("ALTER ROLE tester RESET synchronous_commit")


class Standby(Cluster):
    """A standby of another cluster, which can be promoted."""

    def __init__(self, primary: Cluster) -> None:
        super().__init__()
        self._primary = primary

    def __enter__(self) -> Any:
        self.own_folder()
        self.run(
            *("pg_basebackup", "-D", str(self.data), "-R", "-X", "stream", "-c", "fast"),
            *("-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "tester"),
        )
        self.configure("")
        self.start()
        return self

    def promote(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-w", "promote")


def until(connection: psycopg.Connection[Any], sql: str) -> None:
    """Wait until a query has a row."""
    assert connection.autocommit, "views such as pg_stat_activity do not change in a transaction"
    end = time.monotonic() + 60
    while not connection.execute(sql.encode()).fetchone():
        assert time.monotonic() < end, f"still without a row: {sql}"
        time.sleep(0.05)


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "without the check"])
def test_nothing_is_sent_after_a_failover_until_it_is_accepted(checked: bool):
    """The standby is behind: it lacks the record of a message that was sent."""
    with Cluster() as primary, Standby(primary) as standby:
        with closing(PostgresMessages(primary.address)) as ledger:
            message = ledger.add(new()).id
            with psycopg.connect(standby.address, autocommit=True) as behind:
                until(behind, "SELECT 1 FROM pg_class WHERE relname = 'message'")
                until(behind, "SELECT 1 FROM smsgate.message")
                behind.execute("ALTER SYSTEM SET primary_conninfo = ''")
                behind.execute("SELECT pg_reload_conf()")
                until(behind, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)")
            ledger.settle(claimed(ledger, message), ACCEPTED)  # sent
        primary.stop("immediate")
        standby.promote()
        with closing(PostgresMessages(standby.address)) as ledger:
            assert ledger.by_id(message).state is S.PENDING
            if not checked:  # the planted bug sends it twice
                sql = ledger.sql["claim"]
                plant(ledger, "claim", f"{sql[: sql.index('AND substr')]};")
                assert ledger.claim(message, "b", LEASE) is not None
                return
            with pytest.raises(FailedOver, match="accept-failover"):
                ledger.claim(message, "b", LEASE)
            assert ledger.accept_failover(who="Olha") == (1, 0)
            row = ledger.by_id(message)
            assert row.state is S.IN_DOUBT
            assert "failed over" in (row.reason or "")
            claimed(ledger, ledger.add(new("another")).id)
            with pytest.raises(ValueError, match="has not failed over"):
                ledger.accept_failover(who="Olha")
