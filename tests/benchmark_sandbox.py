"""Measure the sandbox while its inbox is open in a browser: messages per second, and memory.

Run it with `nox -s bench -- sandbox`, and with `--database` for a sandbox that keeps everything in
a file. Sender, sandbox and browser share one machine: the messages per second are for all three,
the seconds of processor time for the sandbox alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import chromium
from playwright.sync_api import sync_playwright

import smsgate
from smsgate.sandbox import Sandbox, Settings


def serve(told: Connection, keep: int, database: str | None) -> None:
    def memory() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    with Sandbox(Settings(credits=10**9, keep_messages=keep), database=database) as sandbox:
        told.send((sandbox.url, sandbox.inbox_url))
        while True:
            told.recv()
            told.send((sandbox.accepted, memory(), time.process_time()))


def messages(sends: int, numbers_each: int) -> Iterator[smsgate.Message]:
    for count in range(sends):
        numbers = [
            f"+38050{(count * numbers_each + place) % 500:07}" for place in range(numbers_each)
        ]
        yield smsgate.Message(
            sender="Shop", destinations=numbers, text=f"Замовлення № {count} вже в дорозі"
        )


async def send(url: str, sends: int, numbers_each: int) -> float:
    async with smsgate.AsyncSession("sandbox", "sandbox", url=url, concurrency=8) as session:
        started = time.perf_counter()
        async for outcome in session.send_many(messages(sends, numbers_each)):
            assert outcome.result is not None
        return time.perf_counter() - started


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Send messages with the inbox closed, open, and showing the calls."
    )
    parser.add_argument(
        "--sends",
        type=int,
        default=2_000,
        help="requests of each of the three runs (default: %(default)s)",
    )
    parser.add_argument(
        "--numbers", type=int, default=20, help="recipients of each request (default: %(default)s)"
    )
    parser.add_argument(
        "--keep",
        type=int,
        default=10_000,
        help="messages that the sandbox keeps (default: %(default)s)",
    )
    parser.add_argument(
        "--database", action="store_true", help="keep everything in a file (default: in memory)"
    )
    return parser.parse_args()


def main() -> None:
    """Measure with the page closed, open, and with its list of calls, and print all three."""
    options = asked()
    total = options.sends * options.numbers
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    folder = TemporaryDirectory()
    database = f"{folder.name}/sandbox.db" if options.database else None
    sandbox = context.Process(target=serve, args=(theirs, options.keep, database), daemon=True)
    sandbox.start()
    url, inbox_url = ours.recv()

    def look() -> tuple[int, float, float]:
        ours.send(None)
        found: tuple[int, float, float] = ours.recv()
        return found

    try:
        closed = total / anyio.run(send, url, options.sends, options.numbers)
        _, full, processor_closed = look()
        with sync_playwright() as playwright, ThreadPoolExecutor() as threads:
            browser = chromium.launch(playwright)
            page = browser.new_page()
            page.goto(inbox_url)
            page.locator(".row").first.wait_for()

            def watched() -> tuple[float, float]:
                """Send, and return messages per second and the longest wait for a frame."""
                sending = threads.submit(anyio.run, send, url, options.sends, options.numbers)
                longest, ended = 0.0, threading.Event()
                sending.add_done_callback(lambda _: ended.set())
                while not ended.is_set():
                    asked = time.perf_counter()
                    page.evaluate("new Promise(resolve => requestAnimationFrame(resolve))")
                    longest = max(longest, time.perf_counter() - asked)
                    page.wait_for_timeout(50)
                return total / sending.result(), longest

            opened, longest = watched()
            _, _, processor_open = look()
            page.get_by_role("button", name="Sandbox", exact=True).click()
            page.get_by_role("tab", name="Calls").click()
            page.locator(".calls li").first.wait_for()
            calls, longest_of_calls = watched()
            browser.close()
        accepted, later, processor_calls = look()
    finally:
        sandbox.kill()
        sandbox.join()
        size = Path(database).stat().st_size / 1e6 if database else 0.0
        folder.cleanup()
    print(
        f"messages per second with the page closed: {closed:,.0f},"
        f" open: {opened:,.0f} ({opened / closed:.0%}),"
        f" with its calls: {calls:,.0f} ({calls / closed:.0%})"
    )
    print(
        f"the page drew a frame at least every {longest * 1e3:,.0f} ms,"
        f" with its calls every {longest_of_calls * 1e3:,.0f} ms"
    )
    print(
        f"processor time of the sandbox: {processor_closed:.1f} s closed,"
        f" {processor_open - processor_closed:.1f} s open,"
        f" {processor_calls - processor_open:.1f} s with its calls, for {total:,} messages each"
    )
    print(f"size of the database: {size:.0f} MB")
    print(
        f"memory with {options.keep:,} kept: {full:.0f} MB "
        f"after {accepted // 3:,}, {later:.0f} MB after {accepted:,}"
    )


if __name__ == "__main__":
    main()
