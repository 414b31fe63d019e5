"""Compare what a call, a campaign and the start of a program cost with what else they could cost.

Run it with `nox -s bench -- speed`. All clients send to the same gateway, which only answers and
has a process of its own. They take turns, round by round, and the table has the medians of the CPU
time of this process. The figures are ratios within one run and say nothing about another machine.

The picture of the documentation is drawn by `nox -s bench -- speed --picture
docs/images/speed.svg`. `--campaigns 10000 100000 1000000` also measures large campaigns.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import speed_ledgers
from bar_charts import Bar, Chart, drawing
from postgres_cluster import Cluster, programs
from speed_clients import CLIENTS, Call
from static_gateway import running

Figures = dict[str, dict[str, float]]
"""Figures by what was measured: µs of CPU, or what the name says."""

OURS = ("smsgate", "smsgate on aiohttp", "smsgate on httpx2")
# anyio and pydantic import most of themselves when it is first used, so it is used here.
DEPENDENCIES = """
import anyio.lowlevel, anyio.to_thread, asyncio, httpx, xmltodict
from pydantic import BaseModel, Field, SecretStr
"""
TYPER = """
import typer
app = typer.Typer()
@app.command()
def one(text: str = ''): 'One.'
@app.command()
def two(text: str = ''): 'Two.'
app(['--help'], standalone_mode=False)
"""
STARTS = {
    "its four dependencies": ["-c", DEPENDENCIES],
    "import smsgate": ["-c", "import smsgate"],
    "import AsyncSession": ["-c", "from smsgate import AsyncSession"],
    "a bare typer program": ["-c", TYPER],
    "smsgate --help": ["-m", "smsgate", "--help"],
}


async def at_once(call: Call, width: int, calls: int, numbers: list[str]) -> None:
    """Make calls, at most `width` at once."""
    left = iter(range(calls))

    async def worker(place: int) -> None:
        for _ in left:
            await call(place, numbers)

    await asyncio.gather(*(worker(place) for place in range(width)))


async def calls_of(url: str, width: int, numbers: int, options: argparse.Namespace) -> Figures:
    """Return µs of CPU, and calls per second, of one call of each client."""
    given = [f"+38{500_000_000 + count:010}" for count in range(numbers)]
    calls = max(options.calls // numbers, width, 1)
    cpu: dict[str, list[float]] = {name: [] for name in options.clients}
    rate: dict[str, list[float]] = {name: [] for name in options.clients}
    for _ in range(options.rounds):
        for name in options.clients:
            async with CLIENTS[name](url, width) as call:
                await at_once(call, width, width, given)  # connections and logins
                gc.collect()
                wall, started = time.perf_counter(), time.process_time()
                await at_once(call, width, calls, given)
                cpu[name].append((time.process_time() - started) / calls * 1e6)
                rate[name].append(calls / (time.perf_counter() - wall))
    return {
        name: {
            "µs a call": statistics.median(cpu[name]),
            "calls a second": statistics.median(rate[name]),
        }
        for name in options.clients
    }


def cpu_of(arguments: Sequence[str]) -> float:
    """Return the milliseconds of CPU of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def starts(rounds: int) -> Figures:
    """Return the milliseconds of CPU that programs take to start, less those of Python alone."""
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(rounds):
        python = cpu_of(["-c", "pass"])
        for name, arguments in STARTS.items():
            taken[name].append(max(cpu_of(arguments) - python, 0.0))
    return {name: {"ms": statistics.median(values)} for name, values in taken.items()}


async def ledgers(url: str, folder: Path, options: argparse.Namespace) -> Figures:
    """Return what campaigns and the outbox cost on SQLite, and on PostgreSQL if it is installed."""
    found: Figures = {}
    places: dict[str, str | None] = {"SQLite": None}
    with ExitStack() as stack:
        if programs() is not None:
            places["PostgreSQL"] = stack.enter_context(Cluster(synced=True)).address
        else:
            print("PostgreSQL is not installed, so it is not measured")
        for ledger, address in places.items():
            for count in (min(100, *options.campaigns), *options.campaigns):  # the first warms up
                place = folder / f"{count}.sms" if address is None else f"one text {count}"
                name = f"{ledger}, one text, {count:,}"
                if name not in found:
                    found[name] = await speed_ledgers.campaign(
                        url, place, count, personal=False, database=address
                    )
            count = options.personal
            place = folder / "personal.sms" if address is None else "personal"
            found[f"{ledger}, personal texts, {count:,}"] = await speed_ledgers.campaign(
                url, place, count, personal=True, database=address
            )
            found[f"{ledger}, outbox, {count:,}"] = {
                "run, µs a recipient": await speed_ledgers.outbox(
                    url, address or folder / "outbox.db", count
                )
            }
    found[f"send_many, personal texts, {options.personal:,}"] = {
        "run, µs a recipient": await speed_ledgers.send_many(url, options.personal)
    }
    return found


def measure(url: str, folder: Path, options: argparse.Namespace) -> dict[str, Figures]:
    """Measure all, print each table as soon as it is known, and return the figures."""
    found: dict[str, Figures] = {}

    def add(title: str, work: Callable[[], Figures], base: str | None = None) -> None:
        found[title] = work()
        print("\n".join(table(title, found[title], base)), flush=True)

    def run(work: Awaitable[Figures]) -> Figures:
        async def main() -> Figures:
            return await work

        return asyncio.run(main())

    for width in options.at_once:
        title = f"A call with one number, {width:,} at once"
        add(title, lambda width=width: run(calls_of(url, width, 1, options)), options.clients[0])
    for numbers in options.numbers:
        title = f"A call with {numbers:,} numbers, 10 at once"
        add(title, lambda n=numbers: run(calls_of(url, 10, n, options)), options.clients[0])
    add("Ledgers", lambda: run(ledgers(url, folder, options)))
    add("Start of a program", lambda: starts(options.rounds))
    return found


def table(title: str, figures: Figures, base: str | None) -> Iterator[str]:
    """Yield the lines of a table. The last column is how many times `base` costs a row."""
    yield f"\n{title}"
    first = figures[base]["µs a call"] if base else 0.0
    for name, row in figures.items():
        said = [f"{value:,.2f} {what}" for what, value in row.items()]
        ratio = [f"smsgate costs {first / row['µs a call']:.2f} of it"] if base else []
        yield f"  {name:34} {'; '.join([*said, *ratio])}"


def charts(found: dict[str, Figures]) -> Iterator[Chart]:
    for title, figures in found.items():
        (what, *_) = next(iter(figures.values()))
        if what == "µs a call":
            bars = [
                Bar(name, row[what], f"{row[what]:,.0f} µs", other=name not in OURS)
                for name, row in figures.items()
            ]
            yield Chart(f"{title}, CPU time", bars)


def counts(parser: argparse.ArgumentParser, name: str, default: list[int], words: str) -> None:
    shown = " ".join(map(str, default))
    words = f"{words} (default: {shown})"
    parser.add_argument(name, type=int, nargs="+", default=default, help=words)


def main() -> None:
    """Measure all, print the tables, and write what is asked for."""
    parser = argparse.ArgumentParser(description="Compare the speed of clients.")
    counts(parser, "--at-once", [1, 10, 100, 1000], "calls at once, in turn")
    counts(parser, "--numbers", [100, 1000], "numbers of a call, in turn")
    counts(parser, "--campaigns", [10_000], "recipients of the campaigns with one text")
    for name, default, words in (
        ("--calls", 1_000, "calls of a client in each round"),
        ("--rounds", 5, "rounds"),
        ("--personal", 1_000, "recipients with a text of their own, and messages of the outbox"),
    ):
        parser.add_argument(name, type=int, default=default, help=f"{words} (default: {default})")
    parser.add_argument(
        "--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS), help="the clients"
    )
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    parser.add_argument("--picture", type=Path, help="write the calls into this SVG file")
    options = parser.parse_args()
    with running() as url, tempfile.TemporaryDirectory() as folder:
        found = measure(url, Path(folder), options)
    if options.json:
        told: dict[str, Any] = {"cores": os.cpu_count(), "figures": found}
        options.json.write_text(json.dumps(told, ensure_ascii=False, indent=2), encoding="utf-8")
    if options.picture:
        machine = f"one machine with {os.cpu_count()} cores"
        picture = drawing(f"CPU time of a call, on {machine}", list(charts(found)))
        options.picture.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
