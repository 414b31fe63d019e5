"""Take the screenshots of a campaign's report.

Writes `docs/images/report-light.png` and `report-dark.png`. Needs playwright and chromium. For a
quick test: `--scale 0.1 --recipients 1000 --folder /tmp`. Rule of this file: the campaign is
invented, the random numbers are seeded and the clock is simulated, so each run gives the same
pictures.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from pictures import smaller
from playwright.sync_api import sync_playwright

from smsgate import DeliveryState
from smsgate.campaign import Campaign, Event, Evidence, SqliteJournal, html_report, rows_source
from smsgate.campaign.planning import entries_of
from smsgate.ledger.records import Claim, RecipientOutcome, RequestEnd

IMAGES = Path(__file__).parent / "images"
KYIV = timezone(timedelta(hours=2))
BEGIN = datetime(2026, 3, 6, 10, 0, tzinfo=KYIV).timestamp()
TEXT = "Вітаємо зі святом весни! До 10 березня −20% на все у «Книгарні на розі». Код: VESNA"
REFUSED = (
    "Номер вказано невірно",
    "Відправка у вказану країну неможлива",
    "Абонент у списку відмов",
)
FATES = (
    (DeliveryState.DELIVERED, 9_460),
    (DeliveryState.EXPIRED, 210),
    (DeliveryState.NOT_DELIVERED, 120),
    (DeliveryState.REJECTED_BY_OPERATOR, 31),
    (DeliveryState.IN_NETWORK, 96),
    (DeliveryState.UNKNOWN, 18),
)
REQUESTS = 250
LOST_AT = {61: 1.0, 62: 1.0, 143: 0.3, 201: 1.0}
"""Requests whose answer is lost, each with the share of its recipients in doubt."""
TROUBLE_AT = 104
"""The request before which the gateway is down for a while."""


class Clock:
    """A simulated clock with a seeded source of random numbers."""

    def __init__(self) -> None:
        self.now = BEGIN - 900
        self.chance = Random(8)  # noqa: S311 - seeded, for the same pictures each time

    def __call__(self) -> float:
        """Return the simulated time."""
        return self.now


def people(chance: Random, recipients: int) -> Iterator[dict[str, str]]:
    """Yield the rows of the list. Some repeat a number or have an invalid one."""
    for place in range(recipients):
        kind = chance.random()
        number = f"+38050{1_000_000 + place}"
        if kind < 0.006:
            number = f"+38050{1_000_000 + max(place - 40, 0)}"
        elif kind < 0.013:
            number = chance.choice(("38050123", "n/a", "", "+38 (050"))
        yield {"phone": number}


def outcomes(claim: Claim, lost: int, chance: Random) -> list[RecipientOutcome]:
    """Return the outcome of each recipient of a request."""
    said = []
    for place, (key, _) in enumerate(claim.recipients):
        if place >= len(claim.recipients) - lost:
            said.append(
                RecipientOutcome(
                    key, Event.IN_DOUBT, reason="the connection broke before an answer"
                )
            )
        elif chance.random() < 0.017:
            said.append(
                RecipientOutcome(key, Event.REFUSED, reason=chance.choices(REFUSED, (6, 2, 1))[0])
            )
        else:
            said.append(
                RecipientOutcome(key, Event.ACCEPTED, message_id=f"{chance.getrandbits(128):032x}")
            )
    return said


def evidence(clock: Clock, request: int, lost: int, *, sent: bool) -> Evidence:
    """Return the evidence of a request whose answer was lost."""
    before, spent, cost = Decimal(31_460 - 79 * request), 156, 2 * lost
    ids = tuple(
        f"{clock.chance.getrandbits(32):08x}-4c1d-11f1-9a51-0242ac120002"
        for _ in range(lost if sent else 0)
    )
    after = before - spent - (cost if sent else 0)
    return Evidence(
        before, clock.now - 31, spent, after, clock.now + 0.4, 0 if sent else 1, ids, len(ids)
    )


def send(journal: SqliteJournal, clock: Clock, each: int) -> None:
    """Send to all pending recipients, with some lost answers and refusals."""
    run = journal.start_run()
    while claim := journal.claim(run, each):
        clock.now += 140 if claim.request == TROUBLE_AT else clock.chance.uniform(2.2, 3.6)
        share = LOST_AT.get(claim.request, 0.0)
        lost = round(share * len(claim.recipients))
        reason = (
            "the connection broke before an answer"
            if share == 1
            else "the answer does not give the outcome of some recipients"
        )
        journal.settle(
            claim,
            outcomes(claim, lost, clock.chance),
            RequestEnd(reason, None if share == 1 else 200) if lost else RequestEnd(),
        )
        if lost:
            journal.add_evidence(
                claim.request, evidence(clock, claim.request, lost, sent=share == 1)
            )
    journal.end_run(run, "finished")


def follow(journal: SqliteJournal, clock: Clock, recipients: int) -> None:
    """Record delivery statuses: most messages are delivered."""
    states, weights = zip(*FATES, strict=True)
    for recipient, _ in journal.to_ask(clock.now, round(0.993 * recipients)):
        journal.set_delivery(recipient, clock.chance.choices(states, weights)[0])


def campaign(path: Path, recipients: int) -> Campaign:
    """Return the finished campaign."""
    each = recipients // REQUESTS
    clock = Clock()
    journal = type("Timed", (SqliteJournal,), {"_clock": staticmethod(clock)}).create(path)
    rows = entries_of(
        rows_source(people(clock.chance, recipients)), sender="Knyharnia", text=TEXT, wappush=None
    )
    journal.add(rows, name="Свято весни 2026", forget_texts=False)
    clock.now = BEGIN
    send(journal, clock, each)
    clock.now += 160
    journal.resolve(
        Event.RESEND,
        request=61,
        line=None,
        message_id=None,
        who="Ірина",
        note="Провайдер не бачить цього запиту",
    )
    send(journal, clock, each)
    clock.now += 90
    journal.resolve(
        Event.ASSUME_SENT,
        request=62,
        line=None,
        message_id=None,
        who="Ірина",
        note="Троє підтвердили, що отримали",
    )
    clock.now += 5_000
    follow(journal, clock, recipients)
    return Campaign(journal)


def main() -> None:
    """Write both screenshots, the page and its PDF."""
    parser = argparse.ArgumentParser(description="Take the screenshots of a campaign's report.")
    parser.add_argument(
        "--folder",
        type=Path,
        default=IMAGES,
        help="folder for the screenshots (default: %(default)s)",
    )
    parser.add_argument(
        "--page", type=Path, help="also save the page in this file, and its PDF beside it"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="device pixels per CSS pixel (default: %(default)s)",
    )
    parser.add_argument(
        "--recipients",
        type=int,
        default=10_000,
        help=f"recipients, at least {REQUESTS} (default: %(default)s)",
    )
    options = parser.parse_args()
    with (
        TemporaryDirectory() as folder,
        campaign(Path(folder) / "spring.sms", options.recipients) as made,
        sync_playwright() as playwright,
    ):
        page_path = (options.page or Path(folder) / "report.html").absolute()
        clock = made.figures().decisions[-1].at + 7_000
        page_path.write_text(
            "".join(html_report(made.journal, zone=KYIV, now=clock, place="spring.sms")),
            encoding="utf-8",
        )
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            shape = {"width": 860, "height": 1000}
            page = browser.new_page(
                viewport=shape, color_scheme=scheme, device_scale_factor=options.scale
            )
            page.goto(page_path.as_uri())
            path = options.folder / f"report-{scheme}.png"
            path.write_bytes(smaller(page.screenshot(full_page=True)))
            print(f"{path.name}: {path.stat().st_size // 1024} KB")  # noqa: T201 - a script
        page.pdf(path=page_path.with_suffix(".pdf"), prefer_css_page_size=True)
        browser.close()


if __name__ == "__main__":
    main()
