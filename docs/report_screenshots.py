"""Makes the pictures of a campaign's report, `docs/images/report-light.png` and `report-dark.png`, from a made-up campaign.

Rule of this file: nothing is sent, chance is seeded and the clock is set by hand, so the same pictures come out each time.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from smsgate import DeliveryState
from smsgate.campaign import Campaign, Event, Evidence, SqliteJournal, html_report, rows_source
from smsgate.campaign.journal import BatchEnd, Claim, Verdict
from smsgate.campaign.planning import entries_of

IMAGES = Path(__file__).parent / "images"
KYIV = timezone(timedelta(hours=2))
BEGIN = datetime(2026, 3, 6, 10, 0, tzinfo=KYIV).timestamp()
TEXT = "Вітаємо зі святом весни! До 10 березня −20% на все у «Книгарні на розі». Код: VESNA"
REFUSED = ("Номер вказано невірно", "Відправка у вказану країну неможлива", "Абонент у списку відмов")
FATES = (
    (DeliveryState.DELIVERED, 9_460),
    (DeliveryState.EXPIRED, 210),
    (DeliveryState.NOT_DELIVERED, 120),
    (DeliveryState.REJECTED_BY_OPERATOR, 31),
    (DeliveryState.IN_NETWORK, 96),
    (DeliveryState.UNKNOWN, 18),
)
LOST_AT = {61: 40, 62: 40, 143: 12, 201: 40}
"""Requests whose answer, or a part of it, is lost."""
TROUBLE_AT = 104
"""The request before which the gateway does not work for a while."""


class Clock:
    """A clock that is set by hand, and the chance that goes with it."""

    def __init__(self) -> None:
        self.now = BEGIN - 900
        self.chance = Random(8)  # noqa: S311 - the same pictures each time

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def people(chance: Random) -> Iterator[dict[str, str]]:
    """Yield 10,000 recipients, of whom some are no good."""
    for place in range(10_000):
        kind = chance.random()
        number = f"+38050{1_000_000 + place}"
        if kind < 0.006:
            number = f"+38050{1_000_000 + max(place - 40, 0)}"
        elif kind < 0.013:
            number = chance.choice(("38050123", "n/a", "", "+38 (050"))
        yield {"phone": number}


def verdicts(claim: Claim, lost: int, chance: Random) -> list[Verdict]:
    """Return what becomes of each recipient of a request."""
    said = []
    for place, (key, _) in enumerate(claim.recipients):
        if place >= len(claim.recipients) - lost:
            said.append(Verdict(key, Event.LOST, reason="the connection broke before an answer"))
        elif chance.random() < 0.017:
            said.append(Verdict(key, Event.REJECTED, reason=chance.choices(REFUSED, (6, 2, 1))[0]))
        else:
            said.append(Verdict(key, Event.ACCEPTED, message_id=f"{chance.getrandbits(128):032x}"))
    return said


def evidence(clock: Clock, batch: int, lost: int, *, sent: bool) -> Evidence:
    """Return what was seen around a lost answer."""
    before, spent, cost = Decimal(31_460 - 79 * batch), 156, 2 * lost
    ids = tuple(f"{clock.chance.getrandbits(32):08x}-4c1d-11f1-9a51-0242ac120002" for _ in range(lost if sent else 0))
    after = before - spent - (cost if sent else 0)
    return Evidence(before, clock.now - 31, spent, after, clock.now + 0.4, 0 if sent else 1, ids, len(ids))


def send(journal: SqliteJournal, clock: Clock) -> None:
    """Send it all, with some trouble on the way."""
    run = journal.start_run()
    while claim := journal.claim(run, 40):
        clock.now += 140 if claim.batch == TROUBLE_AT else clock.chance.uniform(2.2, 3.6)
        lost = LOST_AT.get(claim.batch, 0)
        reason = "the connection broke before an answer" if lost == 40 else "the answer does not say what became of some"
        journal.settle(
            claim, verdicts(claim, lost, clock.chance), BatchEnd(reason, 200 if lost == 12 else None) if lost else BatchEnd()
        )
        if lost:
            journal.add_evidence(claim.batch, evidence(clock, claim.batch, lost, sent=lost == 40))
    journal.end_run(run, "finished")


def follow(journal: SqliteJournal, clock: Clock) -> None:
    """Let most messages be delivered."""
    states, weights = zip(*FATES, strict=True)
    for recipient, _ in journal.to_ask(clock.now, 9_930):
        journal.set_delivery(recipient, clock.chance.choices(states, weights)[0])


def campaign(path: Path) -> Campaign:
    """Return the campaign in the end."""
    clock = Clock()
    journal = SqliteJournal.create(path, clock=clock)
    rows = entries_of(rows_source(people(clock.chance)), sender="Knyharnia", text=TEXT, wappush=None)
    journal.add(rows, name="Свято весни 2026", forget_texts=False)
    clock.now = BEGIN
    send(journal, clock)
    clock.now += 160
    journal.resolve(Event.RESEND, batch=61, line=None, message_id=None, who="Ірина", note="Провайдер не бачить цього запиту")
    send(journal, clock)
    clock.now += 90
    journal.resolve(Event.ASSUME_SENT, batch=62, line=None, message_id=None, who="Ірина", note="Троє підтвердили, що отримали")
    clock.now += 5_000
    follow(journal, clock)
    return Campaign(journal)


def squeezed(picture: bytes) -> bytes:
    """Return a PNG of the browser with 256 colours, which is a third of its size: its most frequent ones."""
    chunks, at = [], 8
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        chunks.append((picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]))
        at += 12 + length
    width, height, _, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    size = {2: 3, 6: 4}[kind]
    pixels = unfiltered(zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width * size, height, size)
    rows = [[row[x : x + 3] for x in range(0, len(row), size)] for row in pixels]
    colours = Counter(pixel for row in rows for pixel in row)
    palette = [colour for colour, _ in colours.most_common(256)]
    places = {colour: place for place, colour in enumerate(palette)}
    for colour in colours:
        if colour not in places:
            places[colour] = min(
                range(256), key=lambda place: sum((a - b) ** 2 for a, b in zip(palette[place], colour, strict=True))
            )
    body = b"".join(b"\0" + bytes(places[pixel] for pixel in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(body, 9)), (b"IEND", b""))
    return picture[:8] + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def unfiltered(data: bytes, length: int, height: int, size: int) -> Iterator[bytes]:
    """Yield the rows of a PNG as they were before each was filtered."""
    above = bytes(length)
    for place in range(height):
        start = place * (length + 1)
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        for x in range(length) if kind else ():
            left, up, corner = (row[x - size], above[x], above[x - size]) if x >= size else (0, above[x], 0)
            near = min((left, up, corner), key=lambda one: abs(left + up - corner - one)) if kind == 4 else 0
            row[x] = (row[x] + (0, left, up, (left + up) // 2, near)[kind]) & 255
        above = bytes(row)
        yield above


def main() -> None:
    """Write the pictures, and the page beside them if a name is given."""
    with TemporaryDirectory() as folder, campaign(Path(folder) / "spring.sms") as made, sync_playwright() as playwright:
        page_path = Path(sys.argv[1] if len(sys.argv) > 1 else f"{folder}/report.html").absolute()
        clock = made.figures().decisions[-1].at + 7_000
        page_path.write_text("".join(html_report(made.journal, zone=KYIV, now=clock)), encoding="utf-8")
        chromium = Path("/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium if chromium.exists() else None, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 860, "height": 1000}, color_scheme=scheme)
            page.goto(page_path.as_uri())
            (IMAGES / f"report-{scheme}.png").write_bytes(squeezed(page.screenshot(full_page=True)))
        page.pdf(path=page_path.with_suffix(".pdf"), prefer_css_page_size=True)
        browser.close()


if __name__ == "__main__":
    main()
