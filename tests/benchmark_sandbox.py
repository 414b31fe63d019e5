"""How many messages a second the sandbox takes with its inbox open in a browser, and how much memory it keeps.

Run it by hand: `nox -s benchmarks`. Sender, sandbox and browser are processes of this one machine: the figure is theirs together.
"""

from __future__ import annotations

import multiprocessing
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
from playwright.sync_api import sync_playwright

import smsgate
from smsgate.sandbox import Sandbox, Settings

SENDS, EACH = 2_000, 20
KEPT = 10_000


def serve(told: Connection) -> None:
    def memory() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    with Sandbox(Settings(credits=10**9, keep_messages=KEPT)) as sandbox:
        told.send((sandbox.url, sandbox.inbox_url))
        while True:
            told.recv()
            told.send((sandbox.accepted, memory()))


def messages() -> Iterator[smsgate.Message]:
    for count in range(SENDS):
        numbers = [f"+38050{(count * EACH + place) % 500:07}" for place in range(EACH)]
        yield smsgate.Message(sender="Shop", destinations=numbers, text=f"Замовлення № {count} вже в дорозі")


async def send(url: str) -> float:
    async with smsgate.AsyncSession("sandbox", "sandbox", url=url, logins=8) as session:
        started = time.perf_counter()
        async for outcome in session.send_many(messages()):
            assert outcome.result is not None
        return time.perf_counter() - started


def main() -> None:
    """Measure with the page closed and with it open, and print both."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    sandbox = context.Process(target=serve, args=(theirs,), daemon=True)
    sandbox.start()
    url, inbox_url = ours.recv()

    def look() -> tuple[int, float]:
        ours.send(None)
        found: tuple[int, float] = ours.recv()
        return found

    try:
        closed = SENDS * EACH / anyio.run(send, url)
        _, full = look()
        with sync_playwright() as playwright, ThreadPoolExecutor() as threads:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(inbox_url)
            page.wait_for_timeout(1_000)
            sending = threads.submit(anyio.run, send, url)
            longest, ended = 0.0, threading.Event()
            sending.add_done_callback(lambda _: ended.set())
            while not ended.is_set():
                asked = time.perf_counter()
                page.evaluate("new Promise(resolve => requestAnimationFrame(resolve))")
                longest = max(longest, time.perf_counter() - asked)
                page.wait_for_timeout(50)
            opened = SENDS * EACH / sending.result()
            browser.close()
        accepted, later = look()
    finally:
        sandbox.kill()
        sandbox.join()
    print(f"page closed: {closed:,.0f} messages a second; open: {opened:,.0f} ({opened / closed:.0%})")
    print(f"the page drew a frame at least every {longest * 1e3:,.0f} ms")
    print(f"memory with {KEPT:,} kept: {full:.0f} MB after {accepted // 2:,}, {later:.0f} MB after {accepted:,}")


if __name__ == "__main__":
    main()
