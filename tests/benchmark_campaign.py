"""How a campaign of a million differs from one of ten thousand: memory, time per recipient, and what the journal costs.

Run it by hand: `nox -s benchmarks`. The gateway is a sandbox in a process of its own. Figures are ratios within one run, and say
nothing about another machine.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import anyio

import smsgate
from smsgate.campaign import Campaign, Runner, SqliteJournal, rows_source
from smsgate.campaign.journal import BatchEnd, Claim, Verdict
from smsgate.sandbox import Sandbox, Settings

SMALL, LARGE = 10_000, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


def serve(told: Connection) -> None:
    # It remembers little, as its memory is not what is measured.
    with Sandbox(Settings(credits=10**9, keep_messages=1_000, delivery_seconds=0)) as sandbox:
        told.send(sandbox.url)
        threading.Event().wait()


class TimedJournal(SqliteJournal):
    """The journal, and how long it takes."""

    seconds = 0.0

    def claim(self, run: int, most: int) -> Claim | None:
        started = time.perf_counter()
        try:
            return super().claim(run, most)
        finally:
            self.seconds += time.perf_counter() - started

    def settle(self, claim: Claim, verdicts: Sequence[Verdict], end: BatchEnd) -> None:
        started = time.perf_counter()
        super().settle(claim, verdicts, end)
        self.seconds += time.perf_counter() - started


def resident() -> float:
    """Return how many MB of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def measure(folder: Path, url: str, recipients: int) -> tuple[float, float, float]:
    """Return microseconds per recipient, the journal's share of them, and the memory at the end in MB."""
    path = folder / f"{recipients}.sms"
    started = time.perf_counter()
    rows = rows_source(f"+38{count:010}" for count in range(500_000_000, 500_000_000 + recipients))
    Campaign.create(path, rows, sender="Shop", text="Вітаємо!").close()
    made = time.perf_counter() - started

    async def main() -> tuple[float, float]:
        journal = TimedJournal.open(path)
        async with smsgate.AsyncSession("sandbox", "sandbox", url=url, logins=4) as session:
            started = time.perf_counter()
            end = await Runner(journal, session).run()
            seconds = time.perf_counter() - started
        journal.close()
        assert end.states == {"accepted": recipients}, end
        return seconds, journal.seconds

    seconds, in_journal = anyio.run(main)
    memory = resident()
    print(
        f"{recipients:>9,} recipients: made in {made:.1f} s; sent in {seconds:.1f} s, {seconds / recipients * 1e6:.1f} µs each,"
        f" {recipients / seconds:,.0f} a second; journal {in_journal / seconds:.1%}; memory {memory:.0f} MB;"
        f" file {path.stat().st_size / 1e6:.0f} MB"
    )
    return seconds / recipients * 1e6, in_journal / seconds, memory


def main() -> None:
    """Measure both, and print the ratios."""
    context = multiprocessing.get_context("spawn")
    pipe, told = context.Pipe(duplex=False)
    gateway = context.Process(target=serve, args=(told,), daemon=True)
    gateway.start()
    url = pipe.recv()
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), url, 1_000)  # to warm up
            small, _, memory = measure(Path(folder), url, SMALL)
            large, share, grown = measure(Path(folder), url, LARGE)
    finally:
        gateway.kill()
        gateway.join()
    print(f"time per recipient: {large / small - 1:+.1%} (at most +10 %)")
    print(f"memory: {grown - memory:+.0f} MB (at most +50)")
    print(f"journal: {share:.1%} of the whole (at most 25 %)")


if __name__ == "__main__":
    main()
