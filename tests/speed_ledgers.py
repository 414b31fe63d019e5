"""What campaigns and the outbox cost, for the benchmark of speed.

Each function yields figures of CPU time of this process; the gateway and PostgreSQL have processes
of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from speed_clients import SENDER, TEXT

import smsgate
from smsgate.campaign import Campaign, rows_source
from smsgate.outbox import Outbox

__all__ = ["campaign", "outbox", "resident", "send_many"]

PERSONAL = "Ваш код: {code}"
T = TypeVar("T")


class Clock:
    """Adds up the CPU seconds that calls take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, method: Callable[..., T]) -> Callable[..., T]:
        """Return the method, which also adds the time that it takes."""

        def measured(*args: Any, **options: Any) -> T:
            started = time.process_time()
            try:
                return method(*args, **options)
            finally:
                self.seconds += time.process_time() - started

        return measured


def resident() -> float:
    """Return how many MB of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def numbers(count: int) -> Iterator[str]:
    return (f"+38{number:010}" for number in range(500_000_000, 500_000_000 + count))


def session_of(url: str) -> smsgate.AsyncSession:
    return smsgate.AsyncSession("login", "password", sender=SENDER, url=url, concurrency=4)


async def campaign(
    url: str, place: Path | str, count: int, *, personal: bool, database: str | None
) -> dict[str, float]:
    """Create a campaign and run it: µs per recipient, the journal's share, MB of memory."""
    rows: Iterator[Any] = numbers(count)
    if personal:
        rows = ({"phone": number, "code": number[-6:]} for number in rows)
    started = time.process_time()
    text = PERSONAL if personal else TEXT
    made = Campaign.create(place, rows_source(rows), sender=SENDER, text=text, database=database)
    created = time.process_time() - started
    made.close()
    clock = Clock()
    with Campaign.open(place, database=database) as opened:
        for name in ("claim", "settle"):
            setattr(opened.journal, name, clock.timed(getattr(opened.journal, name)))
        async with session_of(url) as session:
            wall, started = time.perf_counter(), time.process_time()
            end = await opened.run(session)
            seconds, wall = time.process_time() - started, time.perf_counter() - wall
        assert end.states == {"accepted": count}, end
    return {
        "new, µs a row": created / count * 1e6,
        "run, µs a recipient": seconds / count * 1e6,
        "run, recipients a second": count / wall,
        "journal, share of the run": clock.seconds / seconds,
        "memory, MB": resident(),
    }


async def send_many(url: str, count: int) -> float:
    """Send as many personal texts without a journal: µs per message."""
    messages = (
        smsgate.Message(sender=SENDER, destinations=number, text=f"Ваш код: {number[-6:]}")
        for number in numbers(count)
    )
    async with session_of(url) as session:
        await session.auth()
        started = time.process_time()
        async for outcome in session.send_many(messages):
            assert outcome.result is not None
        return (time.process_time() - started) / count * 1e6


async def outbox(url: str, place: Path | str, count: int) -> float:
    """Send single messages with a key: µs per message."""
    async with session_of(url) as session, Outbox(session, place) as opened:
        await session.auth()
        started = time.process_time()
        for number in numbers(count):
            await opened.send(number, TEXT, key=f"key {number}")
        return (time.process_time() - started) / count * 1e6
