"""Compare a campaign of a million recipients with one of ten thousand.

It prints the memory, the time per recipient, and the journal's share of the time.

Run it with `nox -s benchmarks -- campaign`. The gateway is a sandbox in a process of its own. The
figures are ratios within one run and say nothing about another machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio

import smsgate
from smsgate.campaign import Campaign, Runner, SqliteJournal, rows_source
from smsgate.sandbox import Sandbox, Settings


def serve(told: Connection) -> None:
    # It remembers little, as its memory is not what is measured.
    with Sandbox(Settings(credits=10**9, keep_messages=1_000, delivery_seconds=0)) as sandbox:
        told.send(sandbox.url)
        threading.Event().wait()


def timed(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method, which also adds the time that it takes to `seconds`."""

    def measured(journal: TimedJournal, /, *args: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(journal, *args, **options)
        finally:
            journal.seconds += time.perf_counter() - started

    return measured


class TimedJournal(SqliteJournal):
    """The journal, and how long it takes."""

    seconds = 0.0
    claim = timed(SqliteJournal.claim)
    settle = timed(SqliteJournal.settle)


def resident() -> float:
    """Return how many MB of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def measure(folder: Path, url: str, recipients: int) -> tuple[float, float, float]:
    """Return µs per recipient, the journal's share of them, and the memory at the end in MB."""
    path = folder / f"{recipients}.sms"
    started = time.perf_counter()
    rows = rows_source(f"+38{count:010}" for count in range(500_000_000, 500_000_000 + recipients))
    Campaign.create(path, rows, sender="Shop", text="Вітаємо!").close()
    made = time.perf_counter() - started

    async def main() -> tuple[float, float]:
        journal = TimedJournal.open(path)
        async with smsgate.AsyncSession("sandbox", "sandbox", url=url, concurrency=4) as session:
            started = time.perf_counter()
            end = await Runner(journal, session).run()
            seconds = time.perf_counter() - started
        journal.close()
        assert end.states == {"accepted": recipients}, end
        return seconds, journal.seconds

    seconds, in_journal = anyio.run(main)
    memory = resident()
    print(
        f"{recipients:>9,} recipients: made in {made:.1f} s; sent in {seconds:.1f} "
        f"s, {seconds / recipients * 1e6:.1f} µs each,"
        f" {recipients / seconds:,.0f} per second; journal {in_journal / seconds:.1%}; "
        f"memory {memory:.0f} MB;"
        f" file {path.stat().st_size / 1e6:.0f} MB"
    )
    return seconds / recipients * 1e6, in_journal / seconds, memory


def main() -> None:
    """Measure both sizes, and print the ratios."""
    parser = argparse.ArgumentParser(description="Compare a large campaign with a small one.")
    parser.add_argument(
        "--small",
        type=int,
        default=10_000,
        help="recipients of the small campaign (default: %(default)s)",
    )
    parser.add_argument(
        "--large",
        type=int,
        default=1_000_000,
        help="recipients of the large campaign (default: %(default)s)",
    )
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pipe, told = context.Pipe(duplex=False)
    gateway = context.Process(target=serve, args=(told,), daemon=True)
    gateway.start()
    url = pipe.recv()
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), url, min(1_000, options.small - 1))  # warm up
            small, _, memory = measure(Path(folder), url, options.small)
            large, share, grown = measure(Path(folder), url, options.large)
    finally:
        gateway.kill()
        gateway.join()
    print(f"time per recipient: {large / small - 1:+.1%} (at most +10 %)")
    print(f"memory: {grown - memory:+.0f} MB (at most +50)")
    print(f"journal: {share:.1%} of the whole (at most 25 %)")


if __name__ == "__main__":
    main()
