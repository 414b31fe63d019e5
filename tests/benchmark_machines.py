"""Measure what PostgreSQL gives to a campaign on several machines, as ratios within one run.

It prints how fast a list is added, compared with a plain COPY; how fast requests are claimed and
settled, compared with a plain UPDATE of as many rows; how several processes share the work with a
gateway that takes its time; how well they keep to one rate; and how long the figures, the report
and the purge of a large campaign take.

Run it with `nox -s bench -- machines`. The picture of the documentation is drawn by
`nox -s bench -- machines --added 1000000 --large 10000000 --picture
docs/images/several-machines.svg`. The server is a cluster of its own, which syncs every commit to
the disk. The figures are ratios and say nothing about another machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
import psycopg
from bar_charts import Bar, Chart, drawing
from postgres_cluster import Cluster, programs

import smsgate
from smsgate.campaign import Campaign, Event
from smsgate.ledger.postgres.postgres_journal import PostgresJournal
from smsgate.ledger.records import Entry, RecipientOutcome, RequestEnd, Text
from smsgate.sandbox import Sandbox, Settings

CONTEXT = multiprocessing.get_context("forkserver")
# Imported once, and not by each process.
CONTEXT.set_forkserver_preload(["smsgate.campaign", "smsgate.sandbox", PostgresJournal.__module__])


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
    """Return rows per second of a plain COPY, and of plain updates of a hundred rows each."""
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

        return recipients / timed(copy), min(recipients, 50_000) / timed(update)


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


# A campaign of which most is sent, as `settle` leaves it behind: one settled request for each
# hundred recipients, and each recipient with its outcome. One request in 500 is in doubt, with all
# its recipients. Of the others, two in a hundred recipients are refused, and ninety are delivered.
# The journal itself needs more than ten minutes for ten million recipients.
MIXED = (
    """
    INSERT INTO smsgate.request (
        campaign, id, text, first, last, size, attempts, state, token, run, claimed_at, lease_until,
        settled_at, accepted, refused, in_doubt, reason, status
    )
    SELECT run.campaign, nextval('smsgate.request_id_' || run.campaign), 1, 100 * n + 1,
        100 * n + 100, 100, 1, 'settled', md5(n::text), run.id, at, at + 330, at + 0.15,
        CASE WHEN lost THEN 0 ELSE 98 END, CASE WHEN lost THEN 0 ELSE 2 END,
        CASE WHEN lost THEN 100 ELSE 0 END, CASE WHEN lost THEN 'no answer' END,
        CASE WHEN lost THEN NULL ELSE 200 END
    FROM smsgate.run CROSS JOIN generate_series(0, %(sent)s / 100 - 1) AS n
    CROSS JOIN LATERAL (SELECT run.started_at + n * 0.1, mod(n, 500) = 0) AS one (at, lost)
    WHERE run.campaign = %(campaign)s ORDER BY n
    """,
    """
    DELETE FROM smsgate.request
    WHERE campaign = %(campaign)s AND state = 'pending' AND last <= %(sent)s
    """,
    "ANALYZE smsgate.request",
    """
    UPDATE smsgate.recipient AS one SET request = request.id, attempts = 1,
        state = CASE WHEN request.in_doubt > 0 THEN 'in doubt'
            WHEN mod(one.id, 100) >= 98 THEN 'refused' ELSE 'accepted' END,
        reason = CASE WHEN request.in_doubt > 0 THEN 'no answer'
            WHEN mod(one.id, 100) >= 98 THEN 'the number is invalid' END,
        message_id = CASE WHEN request.in_doubt = 0 AND mod(one.id, 100) < 98
            THEN gen_random_uuid()::text END,
        delivery = CASE WHEN request.in_doubt = 0 AND mod(one.id, 100) < 90
            THEN 'delivered' END,
        delivery_final = CASE WHEN request.in_doubt = 0 AND mod(one.id, 100) < 90
            THEN 1 ELSE 0 END
    FROM smsgate.request
    WHERE request.campaign = %(campaign)s AND request.state = 'settled'
    AND one.campaign = %(campaign)s AND one.id <= %(sent)s
    AND request.first = one.id - mod(one.id - 1, 100)
    """,
)
"""The mixed campaign: each statement needs the number of the campaign, and how many are sent."""


def mixed(address: str, name: str, recipients: int) -> None:
    """Create a campaign of which 95 % is sent."""
    created(address, name, recipients)
    with closing(PostgresJournal.open(address, name)) as journal:
        journal.start_run()
    sent = recipients * 95 // 100 // 1_000 * 1_000
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute("SELECT id FROM smsgate.campaign WHERE name = %s", (name,))
        ((campaign,),) = found.fetchall()
        for statement in MIXED:
            values = {"campaign": campaign, "sent": sent} if "%(" in statement else None
            connection.execute(statement, values)


def figures_at_size(address: str, recipients: int) -> Chart:
    """Measure what an operator waits for, with a large campaign."""
    mixed(address, "large", recipients)
    with (
        tempfile.TemporaryDirectory() as folder,
        Campaign.open("large", database=address) as campaign,
    ):
        steps: dict[str, Callable[[], object]] = {
            "status": campaign.journal.states,
            "figures": campaign.figures,
            "timeline": campaign.timeline,
            "report": lambda: campaign.write_report(Path(folder) / "report.html"),
            "settle those in doubt": lambda: campaign.resolve(Event.ASSUME_SENT, who="a"),
            "cancel those pending": lambda: campaign.resolve(Event.CANCEL, who="a"),
            "purge": campaign.purge,
        }
        seconds = {name: timed(step) for name, step in steps.items()}
        assert campaign.figures().purged
    for name, took in seconds.items():
        print(f"{recipients:,} recipients, {name}: {took:.2f} s")
    return Chart(
        f"A campaign of {recipients:,} recipients, seconds",
        [Bar(name, took, f"{took:.2f} s") for name, took in seconds.items()],
    )


def ledger_alone(address: str, options: argparse.Namespace) -> Iterator[Chart]:
    """Measure adding, claiming and settling, without a gateway."""
    copied, updated = plain(address, options.added)
    added = options.added / timed(lambda: created(address, "added", options.added))
    print(f"add: {added:,.0f} recipients per second, {added / copied:.0%} of a plain COPY")
    yield Chart(
        f"Add a list of {options.added:,}, recipients per second",
        [
            Bar("a plain COPY", copied, f"{copied:,.0f}", other=True),
            Bar("a new campaign", added, f"{added:,.0f} ({added / copied:.0%})"),
        ],
    )
    bars = [Bar("plain updates", updated, f"{updated:,.0f}", other=True)]
    for processes in options.processes:
        created(address, f"ledger {processes}", options.recipients)
        seconds = together(processes, claim_and_settle, address, f"ledger {processes}")
        rate = options.recipients / seconds
        print(
            f"claim and settle, {several(processes)}: {rate:,.0f} recipients per second,"
            f" {rate / updated:.0%} of plain updates"
        )
        bars.append(Bar(several(processes), rate, f"{rate:,.0f} ({rate / updated:.0%})"))
    yield Chart("Claim and settle without a gateway, recipients per second", bars)


def with_gateway(address: str, url: str, options: argparse.Namespace) -> Iterator[Chart]:
    """Measure how processes share the work, and how they keep to one rate."""
    rates: list[float] = []
    bars = []
    for processes in options.processes:
        created(address, f"gateway {processes}", options.sent * processes)
        seconds = together(processes, send, address, f"gateway {processes}", url)
        rates.append(options.sent * processes / seconds)
        ratio = f"{rates[-1] / rates[0]:.1f} times the first"
        print(
            f"with a gateway, {several(processes)}: {rates[-1]:,.0f} recipients per second, {ratio}"
        )
        bars.append(
            Bar(several(processes), rates[-1], f"{rates[-1]:,.0f} (×{rates[-1] / rates[0]:.1f})")
        )
    yield Chart(
        f"Send to a gateway that takes {options.hold * 1000:g} ms, recipients per second", bars
    )
    limit = rates[0] / 2
    created(address, "rate", options.sent)
    with Campaign.open("rate", database=address) as campaign:
        campaign.set_rate(limit)
        together(options.processes[-1], send, address, "rate", url)
        figures = campaign.figures()
    # The last request takes no time of its own.
    seconds = (figures.last_answer or 0) - (figures.first_claim or 0) - options.hold
    sent = (options.sent - 100) / max(seconds, 1e-9)
    print(f"rate: {sent:,.0f} per second at a limit of {limit:,.0f}, {sent / limit - 1:+.1%}")


def several(processes: int) -> str:
    return f"{processes} process{'es' if processes > 1 else ''}"


def measure(address: str, url: str, options: argparse.Namespace) -> None:
    charts = [
        *ledger_alone(address, options),
        *with_gateway(address, url, options),
        figures_at_size(address, options.large),
    ]
    if options.picture:
        machine = f"one machine with {os.cpu_count()} cores"
        options.picture.write_text(
            drawing(f"Campaigns in PostgreSQL, on {machine}", charts), encoding="utf-8"
        )


def main() -> None:
    """Measure all, and print the ratios."""
    parser = argparse.ArgumentParser(description="Measure campaigns on several machines.")
    for name, default, words in (
        ("--added", 200_000, "recipients of a list that is added"),
        ("--recipients", 200_000, "recipients that are claimed and settled without a gateway"),
        ("--sent", 12_000, "recipients per process that are sent to the gateway"),
        ("--large", 200_000, "recipients of the campaign whose figures are asked for"),
    ):
        parser.add_argument(name, type=int, default=default, help=f"{words} (default: {default})")
    parser.add_argument(
        "--hold", type=float, default=0.15, help="seconds of the gateway (default: %(default)s)"
    )
    parser.add_argument(
        "--processes",
        type=int,
        nargs="+",
        default=[1, 2, 4],
        help="how many processes work together, in turn (default: 1 2 4)",
    )
    parser.add_argument("--picture", type=Path, help="write the figures into this SVG file")
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
