"""Takes the screenshots of the inbox that the docs show: `python docs/screenshots.py`. Needs playwright and a chromium.

Rule of this file: what is on a picture was sent by the SDK to a real sandbox; only its clock is not of today.
"""

from __future__ import annotations

import shutil
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import anyio
from playwright.sync_api import Page, sync_playwright

import smsgate
from smsgate.sandbox import Sandbox, Settings

IMAGES = Path(__file__).parent / "images"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
ANNA = "+380501234567"
HOUR = 3600.0

# How long ago in hours, to whom, from whom, what.
STORY: tuple[tuple[float, str, str, str], ...] = (
    (29.0, ANNA, "NovaShop", "Дякуємо за замовлення №1042! Ми вже його збираємо."),
    (28.2, "+380931100218", "Barvinok", "Ваш столик на двох заброньовано на 19:30. До зустрічі!"),
    (27.5, ANNA, "NovaShop", "Замовлення №1042 передано кур'єру. Стежити: https://novashop.example/t/1042"),
    (
        25.0,
        "+380672223344",
        "Klinika",
        "Нагадуємо: завтра о 10:15 ви записані до лікаря Петренко О. І. Візьміть, будь ласка, паспорт.",
    ),
    (5.0, "+380000000004", "NovaShop", "Знижка 20 % на все до неділі"),
    (4.6, "+380685550147", "Barvinok", "Оцініть вечерю в нас: https://barvinok.example/v/8fk2"),
    (3.9, "+380991234588", "EnergoUA", "Показники прийнято: 4 182 кВт-год. До сплати 386,40 грн до 30.11."),
    (3.1, "+380957654321", "Bank", "Картка *4471: оплата 1 249,00 грн, NOVASHOP. Залишок 8 310,55 грн."),
    (2.4, ANNA, "NovaShop", "Кур'єр буде у вас між 14:00 та 16:00. Якщо плани змінилися, напишіть нам."),
    (1.5, "+380631112200", "Taxi", "Your car is 3 min away: grey Skoda Octavia, AA 4471 KT"),
    (0.9, "+380000000013", "EnergoUA", "Планове відключення 24.11 з 9:00 до 13:00."),
    (0.6, "+380672223344", "Klinika", "Результати ваших аналізів готові. Код доступу: 70213"),
    (0.25, ANNA, "Bank", "Код підтвердження: 481 502. Нікому його не кажіть, навіть працівнику банку."),
    (0.18, ANNA, "NovaShop", "Ваш код для входу: 4815"),
    (0.02, "+380507778899", "NovaShop", "Ваш код для входу: 1623"),
)


@dataclass
class Clock:
    """Seconds that can be turned back, so that a day passes at once."""

    ago: float = 0.0

    def __call__(self) -> float:
        return time.time() - self.ago * HOUR


async def tell(sandbox: Sandbox, clock: Clock, story: tuple[tuple[float, str, str, str], ...]) -> None:
    async with smsgate.AsyncSession("sandbox", "sandbox", url=sandbox.url) as session:
        for clock.ago, number, sender, text in story:
            await session.send_sms(number, text, sender=sender)
        clock.ago = 0.0
        await session.get_credit_balance()


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(500)  # what fades has faded
    path = IMAGES / f"inbox-{name}.png"
    path.write_bytes(smaller(page.screenshot(animations="disabled", caret="hide")))
    print(f"{path.name}: {path.stat().st_size // 1024} KB")  # noqa: T201 - a script


def smaller(png: bytes) -> bytes:
    """Return the picture in 256 of its colours: a half of the bytes, and no eye sees it."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind) == (8, 2), "chromium writes three bytes a pixel"  # noqa: S101 - or this must be written anew
    chunks, at = b"", 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        chunks += png[at + 8 : at + 8 + size] if name == b"IDAT" else b""
        at += size + 12
    rows = unfiltered(zlib.decompress(chunks), width * 3)
    pixels = [[bytes(row[x : x + 3]) for x in range(0, len(row), 3)] for row in rows]
    counts = Counter(pixel for row in pixels for pixel in row)
    palette: list[bytes] = []
    for colour, _ in counts.most_common():
        # After the great areas a colour must be one of its own, or a small red icon would be lost among greys.
        if len(palette) < 32 or min(distance(colour, one) for one in palette) > 90:
            palette.append(colour)
    del palette[256:]
    nearest = {colour: min(range(len(palette)), key=lambda one: distance(palette[one], colour)) for colour in counts}
    data = zlib.compress(b"".join(b"\0" + bytes(nearest[pixel] for pixel in row) for row in pixels), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return png[:8] + b"".join(
        chunk(*one) for one in ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", data), (b"IEND", b""))
    )


def unfiltered(data: bytes, stride: int) -> list[bytearray]:
    """Undo the filters of PNG (RFC 2083, section 6), three bytes a pixel."""
    rows, above = [], bytearray(stride)
    for start in range(0, len(data), stride + 1):
        row = bytearray(data[start + 1 : start + 1 + stride])
        undo = _FILTERS[data[start]]
        if undo:
            for i in range(stride):
                left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
                row[i] = (row[i] + undo(left, above[i], corner)) & 255
        rows.append(row)
        above = row
    return rows


def paeth(left: int, up: int, corner: int) -> int:
    """Predict as the fourth filter does."""
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


_FILTERS: tuple[Callable[[int, int, int], int] | None, ...] = (
    None,
    lambda left, _up, _corner: left,
    lambda _left, up, _corner: up,
    lambda left, up, _corner: (left + up) // 2,
    paeth,
)


def distance(one: bytes, other: bytes) -> int:
    """Return how far apart two colours are."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def chunk(name: bytes, data: bytes) -> bytes:
    """Write one chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def open_thread(page: Page, number: str) -> None:
    page.locator(f".row[data-number='{number}']").click()
    page.locator(".bubble").first.wait_for()
    page.mouse.move(640, 20)


def main() -> None:
    """Take them all."""
    IMAGES.mkdir(exist_ok=True)
    clock = Clock()
    found = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        Sandbox(Settings(delivery_seconds=6, session_idle_seconds=1e6), port=8025, clock=clock) as sandbox,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=found, args=["--no-sandbox"]) as browser,
    ):
        wide = {scheme: browser.new_page(viewport=WIDE, color_scheme=scheme, locale="en-GB") for scheme in ("light", "dark")}
        narrow = browser.new_page(viewport=NARROW, color_scheme="light", locale="en-GB")
        for page in (*wide.values(), narrow):
            page.goto(sandbox.inbox_url)
            page.get_by_text("No messages yet").wait_for()
        take(wide["light"], "empty")
        with ThreadPoolExecutor(1) as pool:
            # Playwright's event loop is in this thread.
            pool.submit(anyio.run, tell, sandbox, clock, STORY[:-2]).result()
            for page in (*wide.values(), narrow):
                page.reload()  # so that these are read
                page.locator(".row").first.wait_for()
            pool.submit(anyio.run, tell, sandbox, clock, STORY[-2:]).result()
        for scheme, page in wide.items():
            open_thread(page, ANNA)
            take(page, scheme)
        open_thread(narrow, ANNA)
        take(narrow, "narrow")
        page = wide["light"]
        page.locator(".message", has_text="Ваш код для входу").locator(".meta").click()
        page.get_by_label("Delivery status from now on").select_option("not delivered")
        page.mouse.move(640, 20)
        take(page, "details")
        page.keyboard.press("Escape")
        sandbox.faults.add("reset after", operation="SendSMS", probability=0.1)
        sandbox.faults.add("slow", times=3)
        page.locator("#alarm").click()
        page.mouse.move(640, 20)
        take(page, "faults")


if __name__ == "__main__":
    main()
