"""Take the screenshots of the inbox for the documentation: `python docs/screenshots.py`.

Needs playwright and chromium. For a quick test: `--scale 0.1 --folder /tmp`.

Rule of this file: the SDK sends every message to a real sandbox. Only the clocks of the sandbox and
of the browser are fixed, so each run gives the same pictures.
"""

from __future__ import annotations

import argparse
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
from pictures import smaller
from playwright.sync_api import Page, sync_playwright

import smsgate
from smsgate.sandbox import Sandbox, Settings

IMAGES = Path(__file__).parent / "images"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
ANNA = "+380501234567"
HOUR = 3600.0
NOW = datetime.fromisoformat("2026-11-23T15:32:00+02:00")

# Hours ago, number, sender, text.
STORY: tuple[tuple[float, str, str, str], ...] = (
    (29.0, ANNA, "NovaShop", "Дякуємо за замовлення №1042! Ми вже його збираємо."),
    (28.2, "+380931100218", "Barvinok", "Ваш столик на двох заброньовано на 19:30. До зустрічі!"),
    (
        27.5,
        ANNA,
        "NovaShop",
        "Замовлення №1042 передано кур'єру. Стежити: https://novashop.example/t/1042",
    ),
    (
        25.0,
        "+380672223344",
        "Klinika",
        (
            "Нагадуємо: завтра о 10:15 ви записані до лікаря Петренко О. І. Візьміть, будь ласка, "
            "паспорт."
        ),
    ),
    (5.0, "+380000000004", "NovaShop", "Знижка 20 % на все до неділі"),
    (4.6, "+380685550147", "Barvinok", "Оцініть вечерю в нас: https://barvinok.example/v/8fk2"),
    (
        3.9,
        "+380991234588",
        "EnergoUA",
        "Показники прийнято: 4 182 кВт-год. До сплати 386,40 грн до 30.11.",
    ),
    (
        3.1,
        "+380957654321",
        "Bank",
        "Картка *4471: оплата 1 249,00 грн, NOVASHOP. Залишок 8 310,55 грн.",
    ),
    (
        2.4,
        ANNA,
        "NovaShop",
        "Кур'єр буде у вас між 14:00 та 16:00. Якщо плани змінилися, напишіть нам.",
    ),
    (1.5, "+380631112200", "Taxi", "Your car is 3 min away: grey Skoda Octavia, AA 4471 KT"),
    (0.9, "+380000000013", "EnergoUA", "Планове відключення 24.11 з 9:00 до 13:00."),
    (0.6, "+380672223344", "Klinika", "Результати ваших аналізів готові. Код доступу: 70213"),
    (
        0.25,
        ANNA,
        "Bank",
        "Код підтвердження: 481 502. Нікому його не кажіть, навіть працівнику банку.",
    ),
    (0.18, ANNA, "NovaShop", "Ваш код для входу: 4815"),
    (0.02, "+380507778899", "NovaShop", "Ваш код для входу: 1623"),
)


@dataclass
class Clock:
    """A clock that stands still at a number of hours before `NOW`."""

    ago: float = 0.0

    def __call__(self) -> float:
        return NOW.timestamp() - self.ago * HOUR


async def tell(
    sandbox: Sandbox, clock: Clock, story: tuple[tuple[float, str, str, str], ...]
) -> None:
    async with smsgate.AsyncSession("sandbox", "sandbox", url=sandbox.url) as session:
        for clock.ago, number, sender, text in story:
            await session.send_sms(number, text, sender=sender)
        clock.ago = 0.0
        await session.get_credit_balance()


def take(page: Page, folder: Path, name: str) -> None:
    page.evaluate(
        "Promise.allSettled(document.getAnimations().map((animation) => animation.finished))"
    )
    path = folder / f"inbox-{name}.png"
    path.write_bytes(smaller(page.screenshot(animations="disabled", caret="hide")))
    print(f"{path.name}: {path.stat().st_size // 1024} KB")  # noqa: T201 - a script


def open_thread(page: Page, number: str) -> None:
    page.locator(f".row[data-number='{number}']").click()
    page.locator(".bubble").first.wait_for()
    page.mouse.move(640, 20)


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description="Take the screenshots of the inbox.")
    parser.add_argument(
        "--folder",
        type=Path,
        default=IMAGES,
        help="folder for the screenshots (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="device pixels per CSS pixel (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8025,
        help="port of the sandbox, shown in a screenshot (default: %(default)s)",
    )
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(exist_ok=True)
    clock = Clock()
    found = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        Sandbox(
            Settings(delivery_seconds=6, session_idle_seconds=1e6, seed=1),
            port=options.port,
            clock=clock,
        ) as sandbox,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=found, args=["--no-sandbox"]) as browser,
    ):
        shape = {
            "locale": "en-GB",
            "timezone_id": "Europe/Kyiv",
            "device_scale_factor": options.scale,
        }
        wide = {
            scheme: browser.new_page(viewport=WIDE, color_scheme=scheme, **shape)
            for scheme in ("light", "dark")
        }
        narrow = browser.new_page(viewport=NARROW, color_scheme="light", **shape)
        for page in (*wide.values(), narrow):
            page.clock.set_fixed_time(NOW)
            page.goto(sandbox.inbox_url)
            page.get_by_text("No messages yet").wait_for()
        take(wide["light"], folder, "empty")
        with ThreadPoolExecutor(1) as pool:
            # anyio needs another thread: Playwright's event loop runs in this one.
            pool.submit(anyio.run, tell, sandbox, clock, STORY[:-2]).result()
            for page in (*wide.values(), narrow):
                page.reload()  # marks these messages as read
                page.locator(".row").first.wait_for()
            pool.submit(anyio.run, tell, sandbox, clock, STORY[-2:]).result()
        for scheme, page in wide.items():
            open_thread(page, ANNA)
            take(page, folder, scheme)
        open_thread(narrow, ANNA)
        take(narrow, folder, "narrow")
        page = wide["light"]
        page.locator(".message", has_text="Ваш код для входу").locator(".meta").click()
        page.get_by_label("Delivery status from now on").select_option("not delivered")
        page.mouse.move(640, 20)
        take(page, folder, "details")
        page.keyboard.press("Escape")
        sandbox.faults.add("reset after", operation="SendSMS", probability=0.1)
        sandbox.faults.add("slow", times=3)
        page.locator("#alarm").click()
        page.mouse.move(640, 20)
        take(page, folder, "faults")


if __name__ == "__main__":
    main()
