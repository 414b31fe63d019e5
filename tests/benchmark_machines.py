"""Measure what PostgreSQL gives to a campaign on several machines, as ratios within one run.

It prints how fast a list is added, compared with a plain COPY; how fast requests are claimed and
settled, compared with a plain UPDATE of as many rows; how several processes share the work with a
gateway that takes its time; and how well they keep to one rate.

Run it with `nox -s benchmarks -- machines`. The server is a cluster of its own, which syncs every
commit to the disk. The figures are ratios and say nothing about another machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any

import anyio
import psycopg
from postgres_cluster import Cluster, programs

import smsgate
from smsgate.campaign import Campaign, Event
from smsgate.ledger.postgres.postgres_journal import PostgresJournal
from smsgate.ledger.records import Entry, RecipientOutcome, RequestEnd, Text
from smsgate.sandbox import Sandbox, Settings

PROCESSES = (1, 2, 4)
CONTEXT = multiprocessing.get_context("spawn")


def serve(told: Connection, seconds: float) -> None:
    settings = Settings(
        credits=10**9, keep_messages=1_000, delivery_seconds=0, hold_seconds=seconds
    )
    with Sandbox(settings) as sandbox:
        told.send(sandbox.url)
        threading.Event().wait()


def entries(recipients: int) -> Iterator[Entry]:
    text = Text("Shop", "Hello", None)
    return (Entry(n + 1, f"+38{500_000_000 + n:010}", text) for n in range(recipients))


def created(address: str, name: str, recipients: int) -> None:
    journal, _ = PostgresJournal.create(address, entries(recipients), name=name, forget_texts=False)
    journal.close()


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def plain(address: str, recipients: int) -> tuple[float, float]:
    """Return the seconds of a plain COPY, and of plain updates of a hundred rows each."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE plain (id bigint PRIMARY KEY, number text, state text)")

        def copy() -> None:
            with connection.cursor().copy("COPY plain FROM STDIN") as rows:
                for n in range(recipients):
                    rows.write_row((n, f"+38{500_000_000 + n:010}", "pending"))

        def update() -> None:
            for first in range(0, min(recipients, 50_000), 100):
                connection.execute(
                    "UPDATE plain SET state = 'sent' WHERE id BETWEEN %s AND %s",
                    (first, first + 99),
                )

        return timed(copy), timed(update) * recipients / min(recipients, 50_000)


def claim_and_settle(address: str, name: str, told: Connection) -> None:
    """Claim and settle all requests of a campaign, without a gateway."""
    with closing(PostgresJournal.open(address, name)) as journal:
        run, count = journal.start_run(), 0
        told.send(0)
        while claim := journal.claim(run, 100):
            outcomes = [
                RecipientOutcome(key, Event.ACCEPTED, f"bd37e03a-0396-435f-ab5e-{key:012x}")
                for key, _ in claim.recipients
            ]
            journal.settle(claim, outcomes, RequestEnd(None, 200))
            count += len(claim.recipients)
        told.send(count)


def send(address: str, name: str, told: Connection, url: str) -> None:
    """Run a campaign with four requests at once."""

    async def main() -> None:
        with Campaign.open(name, database=address) as campaign:
            async with smsgate.AsyncSession(
                "sandbox", "sandbox", url=url, concurrency=4
            ) as session:
                told.send(0)
                await campaign.run(session)

    anyio.run(main)
    told.send(1)


def together(processes: int, target: Callable[..., None], *arguments: Any) -> float:
    """Return the seconds that this many processes take together."""
    started = []
    for _ in range(processes):
        pipe, told = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=target, args=(*arguments[:2], told, *arguments[2:]))
        process.start()
        started.append((process, pipe))
    for _, pipe in started:
        pipe.recv()
    seconds = timed(lambda: [pipe.recv() for _, pipe in started])
    for process, _ in started:
        process.join()
    return seconds


def measure(address: str, url: str, options: argparse.Namespace) -> None:
    copied, updated = plain(address, options.recipients)
    added = timed(lambda: created(address, "added", options.recipients))
    print(
        f"add: {options.recipients / added:,.0f} recipients per second,"
        f" {copied / added:.0%} of a plain COPY"
    )
    rates = []
    for processes in PROCESSES:
        created(address, f"ledger {processes}", options.recipients)
        seconds = together(processes, claim_and_settle, address, f"ledger {processes}")
        rates.append(options.recipients / seconds)
        print(
            f"claim and settle, {processes} processes: {rates[-1]:,.0f} recipients per second,"
            f" {updated / seconds:.0%} of plain updates"
        )
    rates = []
    for processes in PROCESSES:
        created(address, f"gateway {processes}", options.sent * processes)
        seconds = together(processes, send, address, f"gateway {processes}", url)
        rates.append(options.sent * processes / seconds)
        print(
            f"with a gateway, {processes} processes: {rates[-1]:,.0f} recipients per second,"
            f" {rates[-1] / rates[0]:.1f} times one"
        )
    limit = rates[0] / 2
    created(address, "rate", options.sent)
    with Campaign.open("rate", database=address) as campaign:
        campaign.set_rate(limit)
        together(PROCESSES[-1], send, address, "rate", url)
        figures = campaign.figures()
    # The last request takes no time of its own.
    seconds = (figures.last_answer or 0) - (figures.first_claim or 0) - options.hold
    sent = (options.sent - 100) / max(seconds, 1e-9)
    print(f"rate: {sent:,.0f} per second at a limit of {limit:,.0f}, {sent / limit - 1:+.1%}")


def main() -> None:
    """Measure all, and print the ratios."""
    parser = argparse.ArgumentParser(description="Measure campaigns on several machines.")
    parser.add_argument("--recipients", type=int, default=200_000, help="of the ledger alone")
    parser.add_argument("--sent", type=int, default=12_000, help="per process, to the gateway")
    parser.add_argument("--hold", type=float, default=0.15, help="seconds of the gateway")
    options = parser.parse_args()
    if programs() is None:
        print("PostgreSQL is not installed, so nothing is measured")
        return
    pipe, told = CONTEXT.Pipe(duplex=False)
    gateway = CONTEXT.Process(target=serve, args=(told, options.hold), daemon=True)
    gateway.start()
    try:
        with Cluster(synced=True) as cluster:
            measure(cluster.address, pipe.recv(), options)
    finally:
        gateway.kill()
        gateway.join()


if __name__ == "__main__":
    main()
