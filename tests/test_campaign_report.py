"""The report of a campaign and its CSV:

the figures are the journal's, nothing in them can be run, and nobody is named.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import chromium
import pytest
from hypothesis import given
from hypothesis import strategies as st

import smsgate
from smsgate import DeliveryState
from smsgate.campaign import (
    Campaign,
    Decision,
    Event,
    Evidence,
    Figures,
    RecipientInDoubt,
    RecipientRecord,
    RecipientState,
    RequestInDoubt,
    Text,
    TimeSlot,
    export_csv,
    html_report,
    rows_source,
    write_html,
)
from smsgate.campaign.atomic_file import write_whole
from smsgate.campaign.export import COLUMNS, csv_rows
from smsgate.campaign.report.charts import (
    Column,
    Part,
    bar,
    escape,
    stacked_bar,
    stacked_columns,
    ticks,
)
from smsgate.campaign.wording import (
    by_group,
    character_names,
    clock,
    count,
    duration,
    findings,
    left_out,
    masked,
    moment,
    offset,
    on_average,
    outlook,
    reading,
    round_times,
    sentence,
    share,
)
from smsgate.ledger.records import RecipientOutcome, RequestEnd
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.heavy

S = RecipientState
KYIV = timezone(timedelta(hours=2))
NOON = datetime(2026, 3, 6, 12, 0, tzinfo=KYIV).timestamp()
SCRIPT = "<script>alert(1)</script>"


def numbers(count: int, first: int = 1_000_000) -> list[str]:
    return [f"+38050{first + place}" for place in range(count)]


def made(path: Path, rows: Any, **options: Any) -> Campaign:
    return Campaign.create(
        path, rows_source(rows), **{"sender": "Shop", "text": "Hello", **options}
    )


async def sent_to_a_sandbox(campaign: Campaign, sandbox: Sandbox) -> None:
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=sandbox.url
    ) as session:
        await campaign.run(session, batch=10)
        await campaign.poll(session, rate=None, again=0.05, timeout=20)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """A campaign with every kind of outcome, sent to a sandbox that at first loses some answers."""
    rows = [
        *numbers(200),
        "+380000000001",
        "+380000000002",
        "+380000000004",
        "+380000000005",
        "n/a",
        numbers(1)[0],
        "",
    ]
    with (
        made(
            tmp_path_factory.mktemp("report") / "spring.sms",
            rows,
            text="Вітаємо!",
            name="Spring 2026-03-06",
        ) as campaign,
        Sandbox(Settings(seed=5, delivery_seconds=0.05)) as sandbox,
    ):
        sandbox.faults.add("drop after", operation="SendSMS", times=4)
        anyio.run(sent_to_a_sandbox, campaign, sandbox)
        first = campaign.in_doubt()[0]
        campaign.resolve(
            Event.ASSUME_SENT, who="Iryna", note="asked three of them", request=first.id
        )
        figures = campaign.figures()
        assert all(
            figures.count(state)
            for state in (S.SKIPPED, S.ACCEPTED, S.REFUSED, S.IN_DOUBT, S.ASSUMED_SENT)
        )
        yield campaign


def page_of(journal: Any, **options: Any) -> str:
    return "".join(html_report(journal, **{"now": NOON, "zone": KYIV, **options}))


def parsed(page: str) -> ElementTree.Element:
    """Read the page as XML, which forgives nothing:

    every element is closed and every attribute is quoted.
    """
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>").strip())


def words(element: ElementTree.Element) -> str:
    return re.sub(r" ([:,;.])", r"\1", " ".join(" ".join(element.itertext()).split()))


def by_id(root: ElementTree.Element, key: str) -> ElementTree.Element:
    (found,) = (element for element in root.iter() if element.get("id") == key)
    return found


def key_facts(root: ElementTree.Element) -> dict[str, str]:
    """Return the labelled figures of the first screen."""
    (facts,) = (one for one in next(root.iter("header")).iter("dl"))
    return {words(row[0]): words(row[1]) for row in facts}


def rows_of(root: ElementTree.Element, section: str) -> list[list[str]]:
    """Return the rows of a section's tables, the cells in words."""
    rows = (row for row in by_id(root, section).iter("tr") if row[0].get("scope") == "row")
    return [[words(cell) for cell in row] for row in rows]


class Made:
    """A journal of which only the figures are made."""

    def __init__(self, figures: Figures, *, slots: int = 0, requests: int = 0) -> None:
        self._figures, self._slots, self._requests = figures, slots, requests

    def figures(self) -> Figures:
        return self._figures

    def timeline(self, steps: int) -> list[TimeSlot]:
        return [
            TimeSlot(NOON + 10 * place, 16_000, 300, 20) for place in range(min(self._slots, steps))
        ]

    def in_doubt(self) -> list[RequestInDoubt]:
        return [UNSETTLED] * self._requests

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        return [
            RecipientInDoubt(line, number, f"request {request}")
            for line, number in enumerate(numbers(100), 1)
        ]


UNSETTLED = RequestInDoubt(7, NOON, NOON + 1, 100, 100, 200, "the connection broke", None, 0, None)
NOTHING = Figures(
    name="empty", created_at=NOON, purged=False, states={}, skipped={}, refused={}, in_doubt={},
    deliveries={}, parts={}, ucs2=0, texts=0, forced_by="", costs={}, example=None, decisions=(),
    runs=0, requests=0, first_claim=None, last_answer=None, last_outcome=None,
)  # fmt: skip
MILLION = replace(
    NOTHING, name="million",
    states={S.ACCEPTED: 980_000, S.REFUSED: 18_000, S.IN_DOUBT: 1_200, S.SKIPPED: 800},
    skipped={f"reason {place}": 1 for place in range(800)}, refused={"no": 18_000},
    deliveries={"delivered": 900_000, "": 80_000}, parts={1: 999_200}, texts=999_200,
    costs={S.ACCEPTED: 980_000, S.IN_DOUBT: 1_200}, example=Text("Shop", "Hello", None),
    decisions=(Decision(NOON, "Iryna", Event.GIVE_UP, "", 3, None, 4),) * 500, runs=1,
    requests=10_000, first_claim=NOON, last_answer=NOON + 6_000, last_outcome="finished",
)  # fmt: skip


# The figures

_LEFT_OUT = (
    "Left out no number: 1 \u00b7 number or text is not valid: 1 \u00b7 repeated in the list: 1"
)


def test_figures_on_the_page_match_the_journal(campaign: Campaign):
    figures, root = campaign.figures(), parsed(page_of(campaign.journal))
    given, accepted = figures.recipients, figures.count(S.ACCEPTED)
    delivered = figures.deliveries["delivered"]
    shown = [(row[0], row[1], row[2]) for row in rows_of(root, "everyone")]
    assert shown == [
        (label, f"{number:,}", share(number, given))
        for label, number in (
            ("Accepted", accepted),
            ("Delivered", delivered),
            ("Not delivered", 2),
            ("Refused by the gateway", figures.count(S.REFUSED)),
            ("In doubt", figures.count(S.IN_DOUBT)),
            ("Assumed sent", figures.count(S.ASSUMED_SENT)),
            (
                _LEFT_OUT,
                figures.count(S.SKIPPED),
            ),
        )
    ]
    assert (
        key_facts(root)["Accepted"] == f"{accepted} {share(accepted, given)} of {given} recipients"
    )
    assert key_facts(root)["Delivered"] == (
        f"{delivered} {share(delivered, accepted)} of those accepted"
    )
    assert {row[0]: int(row[1]) for row in rows_of(root, "refused")} == figures.refused
    assert {row[0]: int(row[1]) for row in rows_of(root, "skipped")} == figures.skipped
    assert rows_of(root, "delivery")[0][:2] == ["Delivered", str(delivered)]
    assert rows_of(root, "cost")[:3] == [
        ["Accepted", str(accepted), str(figures.cost(S.ACCEPTED))],
        [
            "Assumed sent decided by an operator",
            str(figures.count(S.ASSUMED_SENT)),
            str(figures.cost(S.ASSUMED_SENT)),
        ],
        [
            "In doubt if they were sent",
            str(figures.count(S.IN_DOUBT)),
            str(figures.cost(S.IN_DOUBT)),
        ],
    ]
    ((_, who, decided, *_rest),) = rows_of(root, "decisions")
    assert (who, decided) == ("Iryna", "assume sent asked three of them")


def test_columns_over_time_add_up_to_the_journals_outcomes(campaign: Campaign):
    slots, root = campaign.timeline(), parsed(page_of(campaign.journal))
    rows = rows_of(root, "times")
    assert [sum(int(row[place]) for row in rows) for place in (1, 2, 3)] == [
        sum(slot.accepted for slot in slots),
        sum(slot.refused for slot in slots),
        sum(slot.in_doubt for slot in slots),
    ]


def test_each_request_in_doubt_has_evidence_that_is_no_proof(campaign: Campaign):
    """The page shows the evidence, and says that it proves nothing."""
    section = by_id(parsed(page_of(campaign.journal)), "in-doubt")
    articles = [words(article) for article in section.iter("article")]
    in_doubt = campaign.in_doubt()
    assert len(articles) == len(in_doubt)
    for request, said in zip(in_doubt, articles, strict=True):
        assert f"Request {request.id}: {request.in_doubt} recipients" in said
        assert request.evidence is not None
        assert (
            f"Balance before at {clock(request.evidence.before_at or 0, KYIV, 600)} "
            f"{request.evidence.before:,}" in said
        )
        assert (
            f"Cost of this request if it was sent for the recipients in doubt {request.cost}"
            in said
        )
        assert reading(request) in said
    assert "evidence, not proof" in words(section)


def test_campaign_and_its_journal_give_the_same_page(campaign: Campaign):
    assert page_of(campaign) == page_of(campaign.journal)


def test_first_sentence_says_how_many_are_in_doubt(campaign: Campaign):
    figures = campaign.figures()
    (lead,) = (
        element
        for element in parsed(page_of(campaign.journal)).iter("p")
        if element.get("class") == "lead"
    )
    assert words(lead) == sentence(figures)
    assert (
        f"{figures.count(S.IN_DOUBT)} recipients are in doubt: the messages may or may not have"
        " been sent." in words(lead)
    )


UNASKED = replace(
    NOTHING, name="unasked", states={S.ACCEPTED: 3}, deliveries={"": 3}, parts={1: 3}, texts=1,
    costs={S.ACCEPTED: 3}, runs=1, requests=1, first_claim=NOON, last_answer=NOON + 1,
    last_outcome="finished",
)  # fmt: skip


def test_delivery_that_was_never_asked_is_not_zero():
    root = parsed(page_of(Made(UNASKED), place="a.sms"))
    assert key_facts(root)["Delivered"] == "Not asked yet see what to do next"
    assert not re.search(r"(?<![\d.,])0%", words(next(root.iter("main"))))
    assert "elivered" not in words(by_id(root, "everyone"))
    assert "smsgate campaign poll a.sms" in words(by_id(root, "next"))


def test_delivery_share_counts_only_messages_that_were_asked():
    deliveries = {"delivered": 1, "expired": 1, "": 1}
    root = parsed(page_of(Made(replace(UNASKED, deliveries=deliveries))))
    assert key_facts(root)["Delivered"] == "1 50.0% of 2 asked; 1 not asked yet"


def test_nothing_accepted_means_no_delivery_at_all():
    figures = replace(UNASKED, states={S.REFUSED: 3}, deliveries={}, refused={"no": 3}, costs={})
    facts = key_facts(parsed(page_of(Made(figures))))
    assert facts["Delivered"] == "\u2013 nothing was accepted"
    assert facts["Cost"] == "0 credits by our own count of the parts"


def test_cost_names_what_those_in_doubt_may_add():
    figures = replace(
        UNASKED, states={S.ACCEPTED: 3, S.IN_DOUBT: 1}, costs={S.ACCEPTED: 1_200, S.IN_DOUBT: 2}
    )
    facts = key_facts(parsed(page_of(Made(figures))))
    assert facts["Cost"] == "1,200 credits and 2 more if those in doubt were sent"


@pytest.mark.parametrize(
    ("states", "deliveries", "commands"),
    [
        ({S.ACCEPTED: 2}, {"delivered": 1, "expired": 1}, []),
        ({S.ACCEPTED: 2}, {"delivered": 1, "in network": 1}, ["poll"]),
        ({S.IN_DOUBT: 1, S.PENDING: 1, S.ACCEPTED: 1}, {"": 1}, ["in-doubt", "run"]),
        ({S.IN_FLIGHT: 1, S.PENDING: 1, S.ACCEPTED: 1}, {"": 1}, ["run", "poll"]),
        ({S.PENDING: 1}, {}, ["run"]),
    ],
)
def test_page_says_what_to_do_next(
    states: dict[S, int], deliveries: dict[str, int], commands: list[str]
):
    figures = replace(UNASKED, states=states, deliveries=deliveries)
    section = by_id(parsed(page_of(Made(figures), place="'a b.sms'")), "next")
    assert [words(one) for one in section.iter("code")] == [
        f"smsgate campaign {command} 'a b.sms'" for command in commands
    ]
    assert ("Nothing: every recipient has a final outcome." in words(section)) == (not commands)


def test_purged_campaign_has_nothing_to_do():
    section = by_id(parsed(page_of(Made(replace(UNASKED, purged=True)))), "next")
    assert [words(one) for one in section.iter("code")] == []


def test_recorded_reasons_get_plain_words():
    reasons = {
        "repeats another line": 3,
        "not a phone number: x": 2,
        "has a line break": 5,
        "excluded: in a": 1,
        "excluded: in b": 1,
        "on the stop list": 4,
    }
    assert left_out(reasons) == {
        "number or text is not valid": 7,
        "on the stop list": 4,
        "repeated in the list": 3,
        "on an excluded list": 2,
    }
    figures = replace(UNASKED, states={S.SKIPPED: 17, S.ACCEPTED: 3}, skipped=reasons)
    said = words(by_id(parsed(page_of(Made(figures))), "everyone"))
    assert "other reasons: 2" in said


def test_timeline_is_folded_and_what_a_manager_needs_is_not(campaign: Campaign):
    root = parsed(page_of(campaign.journal))
    folded = {one.get("id") for fold in root.iter("details") for one in fold.iter()}
    assert {"times", "in-doubt", "refused", "skipped", "cost", "decisions"} <= folded
    assert not {"everyone", "next", "example"} & folded


# What may not be in it


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Campaign]:
    """A campaign of which every word was written by somebody who means ill."""
    rows = [{"phone": number, "who": SCRIPT} for number in numbers(3)]
    text = f"{{who}} \u202e ]]> -- & ' {numbers(1, 9_000_000)[0]}"
    with made(tmp_path / "hostile.sms", rows, text=text, name=f"{SCRIPT}\u202e'\"") as campaign:
        journal = campaign.journal
        run = journal.start_run()
        events = (Event.IN_DOUBT, Event.IN_DOUBT, Event.REFUSED)
        claim = journal.claim(run, 3)
        assert claim is not None
        said = f'{SCRIPT} "+380501234567" \x1b[31m\x00'
        outcomes = [
            RecipientOutcome(key, event, reason=said)
            for (key, _), event in zip(claim.recipients, events, strict=True)
        ]
        journal.settle(claim, outcomes, RequestEnd(said, 200, b"<x>"))
        ids = (SCRIPT, "380501234567", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
        journal.add_evidence(
            claim.request, Evidence(Decimal(9), NOON, 1, Decimal(8), NOON, 0, ids, 3, ids)
        )
        journal.resolve(
            Event.GIVE_UP,
            request=None,
            line=1,
            message_id=None,
            who=SCRIPT,
            note=f"{SCRIPT} 380501234567",
        )
        journal.end_run(run, f"paused: {SCRIPT}")
        yield campaign


def test_user_text_never_becomes_markup(hostile: Campaign):
    page = page_of(hostile.journal)
    root = parsed(page)
    assert "<script" not in page.lower()
    assert page.count("&lt;script&gt;") >= 6
    assert not [
        element.tag
        for element in root.iter()
        if element.tag in ("script", "iframe", "img", "object", "link", "form", "base")
    ]
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]
    assert not [
        address
        for element in root.iter()
        if (address := element.get("href")) and not address.startswith("#")
    ]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", page)


def test_page_shows_no_number_unless_requested(hostile: Campaign, campaign: Campaign):
    for given_numbers, journal in ((numbers(3), hostile.journal), (numbers(200), campaign.journal)):
        page = page_of(journal)
        assert [
            number
            for number in (*given_numbers, "501234567", "509000000")
            if number.removeprefix("+") in page
        ] == []
    assert "+380*****0001" in page_of(hostile.journal)
    assert "+380501000001" in page_of(hostile.journal, show_numbers=True)
    assert "+380509000000" in page_of(hostile.journal, show_numbers=True)
    assert "do not share this page" in page_of(hostile.journal, show_numbers=True)


def test_masking_a_number_never_changes_a_date():
    assert (
        masked("Spring 2026-03-06, call +380501234567") == "Spring 2026-03-06, call +380*****4567"
    )
    assert masked("2026-03-0650123456") != "2026-03-0650123456"


def test_only_one_text_is_shown_and_the_page_says_so(tmp_path: Path):
    rows = [
        {"phone": number, "who": name}
        for number, name in zip(numbers(3), ("Olena", "Iryna", "Andrii"), strict=True)
    ]
    with made(tmp_path / "c.sms", rows, text="Hello, {who}!") as campaign:
        page = page_of(campaign.journal)
    assert [name for name in ("Olena", "Iryna", "Andrii") if name in page] == ["Olena"]
    assert "No other text is shown." in page


# Small and large


def test_empty_campaign_has_a_report_without_empty_charts():
    root = parsed(page_of(Made(NOTHING)))
    assert "The list is empty, so nothing was sent." in words(root)
    assert [element.get("id") for element in root.iter("section")] == ["next", "details"]
    assert key_facts(root) == {}


def test_campaign_that_has_not_begun_says_so(tmp_path: Path):
    with made(tmp_path / "c.sms", numbers(3)) as campaign:
        said = words(parsed(page_of(campaign.journal)))
    assert "Nothing has been sent yet: 3 recipients are pending." in said
    assert "Not started" in said


def test_campaign_of_one_uses_the_singular(tmp_path: Path):
    with made(tmp_path / "c.sms", numbers(1)) as campaign:
        claim = campaign.journal.claim(campaign.journal.start_run(), 1)
        assert claim is not None
        campaign.journal.settle(
            claim,
            [RecipientOutcome(claim.recipients[0][0], Event.IN_DOUBT, reason="cut")],
            RequestEnd("cut"),
        )
        said = words(parsed(page_of(campaign.journal)))
    assert (
        "The gateway accepted the message for 0 of 1 recipient. 1 recipient is in doubt: the"
        " message may or may not have been sent." in said
    )
    assert not re.search(r"\b1 (recipients|requests|texts|parts|runs)\b", said)


def test_purged_campaign_keeps_figures_and_says_what_was_deleted(tmp_path: Path):
    def purged() -> str:
        with (
            made(tmp_path / "c.sms", numbers(5), text="Secret words") as campaign,
            Sandbox() as sandbox,
        ):
            anyio.run(run_only, campaign, sandbox)
            campaign.purge()
            return page_of(campaign.journal)

    # The browser, if it is open by now, has its event loop in this thread.
    with ThreadPoolExecutor(1) as pool:
        page = pool.submit(purged).result()
    said = words(parsed(page))
    assert "The gateway accepted the message for 5 of 5 recipients." in said
    assert "This campaign is purged" in said
    assert "Secret words" not in page
    assert "The message" not in said.replace("The messages", "")


async def run_only(campaign: Campaign, sandbox: Sandbox) -> None:
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=sandbox.url
    ) as session:
        await campaign.run(session)


def test_page_of_a_million_recipients_stays_small():
    page = page_of(Made(MILLION, slots=60, requests=300))
    root = parsed(page)
    assert len(page) < 120_000
    assert "98.0% of 1,000,000 recipients" in words(root)
    assert "788 other reasons" in words(by_id(root, "skipped"))
    assert "And 288 requests more, with 28,800 recipients." in words(by_id(root, "in-doubt"))
    assert "The last 40 of 500." in words(by_id(root, "decisions"))
    assert not re.search(r"\+38050\d", page)


# The file


def test_report_is_written_whole_private_and_can_be_rewritten(campaign: Campaign, tmp_path: Path):
    path = tmp_path / "report.html"
    for _ in range(2):
        campaign.write_report(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text("utf-8").endswith("</html>\n")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_report_replaces_only_a_report(campaign: Campaign, tmp_path: Path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for path in (notes, campaign.journal.path):
        before = path.read_bytes()
        with pytest.raises(FileExistsError):
            write_html(campaign.journal, path)
        assert path.read_bytes() == before


def test_database_is_never_replaced_even_with_overwrite(campaign: Campaign):
    before = campaign.journal.path.read_bytes()
    with pytest.raises(FileExistsError, match="database"):
        campaign.export(campaign.journal.path, overwrite=True)
    assert campaign.journal.path.read_bytes() == before


def failing() -> Iterator[str]:
    yield "half"
    raise RuntimeError("in the middle")


def test_failed_write_keeps_the_older_file_and_no_partial_one(tmp_path: Path):
    path = tmp_path / "c.csv"
    path.write_text("older")
    with pytest.raises(RuntimeError):
        write_whole(path, failing(), overwrite=True)
    assert path.read_text() == "older"
    with pytest.raises(RuntimeError):
        write_whole(tmp_path / "new.csv", failing(), overwrite=False)
    assert [one.name for one in tmp_path.iterdir()] == ["c.csv"]


def taking_the_name(path: Path) -> Iterator[str]:
    yield "ours"
    path.write_text("theirs")


def test_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path):
    path = tmp_path / "c.csv"
    with pytest.raises(FileExistsError):
        write_whole(path, taking_the_name(path), overwrite=False)
    assert path.read_text() == "theirs"
    assert [one.name for one in tmp_path.iterdir()] == ["c.csv"]


def test_symbolic_link_is_not_followed(tmp_path: Path):
    target, link = tmp_path / "target.txt", tmp_path / "link.csv"
    target.write_text("theirs")
    link.symlink_to(target)
    with pytest.raises(FileExistsError):
        write_whole(link, ["ours"], overwrite=False)
    write_whole(link, ["ours"], overwrite=True)
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("theirs", "ours", False)


def test_folder_is_not_replaced_by_a_file(tmp_path: Path):
    folder = tmp_path / "c.csv"
    folder.mkdir()
    with pytest.raises(FileExistsError, match="not a file"):
        write_whole(folder, ["ours"], overwrite=True)
    assert folder.is_dir()
    assert [one.name for one in tmp_path.iterdir()] == ["c.csv"]


@pytest.mark.parametrize(
    "refused",
    [PermissionError(1, "no hard links here"), NotImplementedError()],
    ids=["EPERM", "none"],
)
def test_file_is_written_where_hard_links_are_unsupported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Exception
):
    def link(*_: Any, **__: Any) -> None:
        raise refused

    monkeypatch.setattr(os, "link", link)
    write_whole(tmp_path / "c.csv", ["ours"], overwrite=False)
    assert (tmp_path / "c.csv").read_text() == "ours"
    assert [one.name for one in tmp_path.iterdir()] == ["c.csv"]


# CSV


def record(line: int = 1, number: str | None = "+380501234567", **changes: Any) -> RecipientRecord:
    given_values = {
        "state": S.ACCEPTED, "reason": None, "message_id": "id", "delivery": None, "request": 1,
        "attempts": 1, "sender": "Shop", "parts": 1, **changes,
    }  # fmt: skip
    return RecipientRecord(line, number, **given_values)


def cells_of(
    one: RecipientRecord,
    delimiter: str = ",",
    *,
    show_numbers: bool = True,
    read_with: str | None = None,
) -> list[str]:
    lines = csv_rows([one], show_numbers=show_numbers, delimiter=delimiter)
    return list(
        csv.reader(io.StringIO("".join(lines), newline=""), delimiter=read_with or delimiter)
    )[1]


def test_export_lists_all_recipients_in_file_order(campaign: Campaign, tmp_path: Path):
    path = tmp_path / "all.csv"
    campaign.export(path)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfline,number,state,")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    everybody = list(campaign.recipients())
    assert [(row["line"], row["state"], row["attempts"]) for row in rows] == [
        (str(one.line), str(one.state), str(one.attempts)) for one in everybody
    ]
    assert [row["number"] for row in rows[:200]] == [
        number.removeprefix("+") for number in numbers(200)
    ]
    in_doubt = {(row["request"]) for row in rows if row["state"] == "in doubt"}
    assert in_doubt == {str(request.id) for request in campaign.in_doubt()}


def test_export_replaces_a_file_only_on_request(campaign: Campaign, tmp_path: Path):
    path = tmp_path / "all.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        campaign.export(path)
    assert path.read_text() == "mine"
    campaign.export(path, overwrite=True, byte_order_mark=False)
    assert path.read_text("utf-8").startswith("line,")


def test_export_to_a_stream_masks_numbers_on_request(campaign: Campaign):
    stream = io.StringIO()
    export_csv(campaign.journal, stream, show_numbers=False, delimiter=";")
    said = stream.getvalue()
    assert said.startswith("\ufeff" + ";".join(COLUMNS))
    assert [number for number in numbers(200) if number.removeprefix("+") in said] == []
    assert "380*****0001" in said


@pytest.mark.parametrize("delimiter", ["", "x", ",,", '"'])
def test_bad_delimiter_is_refused(campaign: Campaign, delimiter: str):
    with pytest.raises(ValueError, match="delimiter"):
        export_csv(campaign.journal, io.StringIO(), delimiter=delimiter)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\n=1",
        "\uff1d1",
        '"=1"',
        "\0=1",
    ],
)
def test_no_cell_begins_as_a_formula(text: str):
    for cells in (
        cells_of(record(number=text)),
        cells_of(record(reason=text)),
        cells_of(record(message_id=text)),
    ):
        assert [cell for cell in cells if re.match(r'[\s\0"]*[=+\-@\uff1d]', cell)] == []
        assert any(cell.startswith("'") for cell in cells)


@given(
    st.text(alphabet="=+-@ ,;|\t\r\n\"'a1", max_size=12),
    st.sampled_from(",;|"),
    st.sampled_from(",;|\t"),
)
def test_no_reason_becomes_a_formula_in_a_spreadsheet(reason: str, delimiter: str, read_with: str):
    lines = "".join(csv_rows([record(reason=reason)], show_numbers=True, delimiter=delimiter))
    for row in csv.reader(io.StringIO(lines, newline=""), delimiter=read_with):
        assert [cell for cell in row if re.match(r'[\s"]*[=+\-@]', cell)] == []


@given(st.text(alphabet="=+-@ ,;|\t\r\n\"'a1", max_size=12), st.sampled_from(",;|"))
def test_cell_is_read_back_unchanged_but_for_apostrophes(reason: str, delimiter: str):
    expected = reason.removeprefix("+") if re.fullmatch(r"\+?[0-9]+", reason) else reason
    assert cells_of(record(reason=reason), delimiter)[3].replace("'", "") == expected.replace(
        "'", ""
    )


def test_number_is_written_as_digits_and_a_missing_one_is_empty():
    assert cells_of(record())[1] == "380501234567"
    assert cells_of(record(number=None))[1] == ""
    assert cells_of(record(), show_numbers=False)[1] == "'+380*****4567"


def test_million_recipients_are_exported_in_constant_memory():
    lines = csv_rows((record(line) for line in range(1_000_000)), show_numbers=True, delimiter=",")
    next(lines)
    tracemalloc.start()
    try:
        seen = sum(1 for _, line in zip(range(50_000), lines, strict=False) if line)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == 50_000
    assert peak < 1_000_000


# Words


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "\u2013"),
        (0, 9, "0%"),
        (9, 9, "100%"),
        (1, 1_000_000, "<0.1%"),
        (999_999, 1_000_000, ">99.9%"),
        (1, 3, "33.3%"),
    ],
)
def test_share_never_rounds_a_small_amount_to_zero(part: int, whole: int, said: str):
    assert share(part, whole) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "under 0.1 s"), (0, "under 0.1 s"), (0.42, "0.4 s"), (5, "5 s"), (9.96, "10 s"),
     (42, "42 s"), (59.7, "1 min"), (185, "3 min 5 s"), (3_599, "59 min 59 s"), (3_599.6, "1 h"),
     (7_800, "2 h 10 min"), (7_859, "2 h 10 min"), (90_000, "1 d 1 h"), (86_400, "1 d")],
)  # fmt: skip
def test_duration_is_written_in_natural_units(seconds: float, said: str):
    assert duration(seconds) == said


def test_time_is_written_with_its_utc_offset():
    assert moment(NOON, KYIV) == "6 March 2026, 12:00:00 (UTC+02:00)"
    assert moment(NOON, UTC) == "6 March 2026, 10:00:00 (UTC+00:00)"
    assert moment(None, UTC) == "\u2013"
    assert offset(NOON, timezone(timedelta(hours=-3, minutes=-30))) == "UTC\u221203:30"
    assert re.fullmatch(r"UTC[+\u2212]\d\d:\d\d", offset(NOON, None))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0"),
        (1_234, "1,234"),
        (-5, "\u22125"),
        (Decimal("-1234.50"), "\u22121,234.50"),
        (Decimal("1E+4"), "10,000"),
    ],
)
def test_count_has_thousands_separators(number: int | Decimal, said: str):
    assert count(number) == said


@pytest.mark.parametrize(
    ("rate", "said"),
    [(1_234.5, "1,234"), (9.94, "9.9"), (0.1, "0.1"), (0.03, "under 0.1"), (0, "0")],
)
def test_rate_has_as_many_digits_as_matter(rate: float, said: str):
    assert on_average(rate) == said


@given(st.floats(0, 1e9), st.floats(0.5, 1e8))
def test_round_times_lie_between_the_ends_and_are_few(begin: float, span: float):
    times = round_times(begin, begin + span, KYIV)
    assert len(times) <= 8
    assert all(-1e-6 <= place <= 1 + 1e-6 for place, _ in times)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (None, "No evidence has been collected yet"),
        (Evidence(), "before or after is not known"),
        (Evidence(before=Decimal(9)), "before or after is not known"),
        (Evidence(Decimal(900), NOON, 50, Decimal(850), NOON), "if nothing was sent"),
        (
            Evidence(Decimal(900), NOON, 50, Decimal(650), NOON),
            "as if all of its messages were sent",
        ),
        (Evidence(Decimal(900), NOON, 50, Decimal(750), NOON), "only some"),
        (Evidence(Decimal(900), NOON, 50, Decimal(600), NOON), "something else was paid"),
        (Evidence(Decimal(900), NOON, 50, Decimal(950), NOON), "higher than expected"),
        (
            Evidence(Decimal(900), NOON, 50, Decimal(850), NOON, others=2),
            "2 other requests were in flight or in doubt, so the balance says nothing",
        ),
        (
            Evidence(Decimal(900), NOON, 50, Decimal(650), NOON, others=1),
            "1 other request was in flight or in doubt, so the balance says nothing",
        ),
        (
            Evidence(Decimal(900), NOON, 50, Decimal(850), NOON, 0, ("x",), 1),
            "but the gateway has new message ids",
        ),
    ],
)
def test_evidence_is_interpreted_cautiously(evidence: Evidence | None, said: str):
    assert said in reading(replace(UNSETTLED, evidence=evidence))


def test_findings_are_the_steps_of_the_sum():
    rows = findings(
        replace(
            UNSETTLED, evidence=Evidence(Decimal(900), NOON, 50, Decimal(650), NOON, 1, ("x",), 7)
        ),
        KYIV,
    )
    assert [(row.what.split(" that")[0], row.figure) for row in rows] == [
        ("Balance before", "900"), ("Cost of accepted messages", "\u221250"),
        ("Balance after", "650"),
        ("Unexplained difference", "200"),
        ("Cost of this request if it was sent", "200"), ("New message ids at the gateway", "7"),
        ("Other requests in flight or in doubt at", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("skipped", "said"),
    [
        (1, "Nothing was sent: the only recipient was left out."),
        (2, "Nothing was sent: all 2 recipients were left out."),
    ],
)
def test_campaign_of_skipped_recipients_sends_nothing(skipped: int, said: str):
    assert sentence(replace(NOTHING, states={S.SKIPPED: skipped})) == said


@pytest.mark.parametrize(
    ("ucs2", "said"),
    [
        (
            0,
            (
                "1 text for 2 recipients. All are in the GSM alphabet, where a part holds 160 "
                "characters."
            ),
        ),
        (1, "1 text for 2 recipients. 1 recipient (50.0%) has a text in UCS-2"),
        (
            2,
            (
                "1 text for 2 recipients. All are in UCS-2, where a part holds 70 characters "
                "instead of 160."
            ),
        ),
    ],
)
def test_report_says_which_alphabet_the_texts_need(ucs2: int, said: str):
    figures = replace(
        NOTHING, states={S.ACCEPTED: 2}, runs=1, requests=1, texts=1, parts={1: 2}, ucs2=ucs2
    )
    assert said in words(by_id(parsed(page_of(Made(figures))), "cost"))


@pytest.mark.parametrize("state", [state for state in RecipientState if state is not S.SKIPPED])
@pytest.mark.parametrize("outcome", [None, "finished", "paused: no money", "stopped", "cut off"])
def test_each_state_has_a_matching_sentence_and_outlook(state: RecipientState, outcome: str | None):
    figures = replace(NOTHING, states={state: 2}, runs=1, requests=1, last_outcome=outcome)
    assert sentence(figures).endswith(".")
    finished = str(outlook(figures)) == "Finished"
    assert finished == (state not in (S.PENDING, S.IN_FLIGHT, S.IN_DOUBT))
    assert page_of(Made(figures, requests=1))


def test_each_delivery_status_belongs_to_one_group():
    groups = by_group(dict.fromkeys(["", "something new", *DeliveryState], 1))
    assert sum(len(rows) for rows in groups.values()) == len(DeliveryState) + 2
    assert set(groups["delivered"]) == {"delivered"}
    assert set(groups["unasked"]) == {""}
    assert "something new" in groups["open"]
    assert "expired" in groups["failed"]


def test_characters_that_forced_ucs2_are_named():
    assert character_names("ів\u2019\u200b") == [
        "Cyrillic letters (і в)",
        "\u2019 (right single quotation mark)",
        "zero width space",
    ]
    assert character_names("\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b")[-1] == "2 more"


# Charts


@given(st.integers(0, 10**9))
def test_axis_marks_are_few_and_round_and_reach_the_maximum(most: int):
    marks = ticks(most)
    assert marks[0] == 0
    assert marks[-1] >= most
    assert len(marks) <= 6
    assert all(mark % (marks[1] or 1) == 0 for mark in marks[1:])


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_bar_shows_every_part_and_stays_inside(values: list[int]):
    parts = [Part("accepted", f"part {place}", value) for place, value in enumerate(values)]
    root = ElementTree.fromstring(stacked_bar("w", parts, title="<b>", said=count))
    assert [words(root[0])] == ["<b>"]
    drawn = [(words(group[0]), group[1]) for group in root.iter("g")]
    assert [said for said, _ in drawn] == [
        f"{part.label}: {part.value:,}" for part in parts if part.value
    ]
    right = 0.0
    for _, rectangle in drawn:
        x, width = float(rectangle.get("x") or 0), float(rectangle.get("width") or 0)
        assert x >= right - 0.02
        assert width >= 1.9
        right = x + width
    assert right <= 720.05


@given(st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), max_size=70))
def test_columns_stay_inside_the_chart(values: list[tuple[int, int, int]]):
    kinds = (("accepted", "accepted"), ("refused", "refused"), ("in-doubt", "in doubt"))
    columns = [Column(f"{place}", one) for place, one in enumerate(values)]
    root = ElementTree.fromstring(
        stacked_columns(
            "t", columns, kinds, title="T", description="D", axis=[(0, "a"), (1, "b")], said=count
        )
    )
    for one in root.iter("rect"):
        x, y, width, height = (float(one.get(name) or 0) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + width <= 720
        assert y >= 0
        assert y + height <= 179
    assert [words(title) for title in root.iter("title")][1:] == [
        f"{place}: "
        + ", ".join(
            f"{value:,} {word}" for value, (_, word) in zip(one, kinds, strict=True) if value
        )
        for place, one in enumerate(values)
        if any(one)
    ]


def test_empty_bar_is_empty_and_a_label_is_escaped():
    assert 'width="0.00"' in bar(0, 10, "accepted", "0")
    assert 'width="0.00"' in bar(0, 0, "accepted", "0")
    assert ElementTree.fromstring(bar(1, 10**6, "accepted", SCRIPT))[0].text == SCRIPT
    assert escape("a\x00\u202e<'\"&") == "a\ufffd\ufffd&lt;&#x27;&quot;&amp;"


# The style


def colours(page: str, *, dark: bool) -> dict[str, str]:
    style = page[page.index("<style>") : page.index("</style>")]
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#\w{6});", blocks[int(dark)]))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_bars_contrast_with_the_background(dark: bool):
    named = colours(page_of(Made(NOTHING)), dark=dark)
    for ground in ("paper", "raised"):
        assert contrast(named["ink"], named[ground]) > 12
        assert contrast(named["quiet"], named[ground]) > 4.5
    assert all(
        contrast(named[kind], named["paper"]) > 3
        for kind in ("accepted", "refused", "delivered", "skipped")
    )
    # The colour of those in doubt is bright, so it is hatched.
    assert max(contrast(named[kind], named["paper"]) for kind in ("in-doubt", "hatch")) > 3


# In a browser


@pytest.fixture(scope="module")
def browser(campaign: Campaign) -> Iterator[Any]:  # noqa: ARG001 - it is made before a loop runs in this thread
    """A browser. While it is open, nothing else can run a loop in this thread."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be missing

        started = sync_playwright().start()
    except ImportError as error:
        missing(f"playwright is not installed ({error})")
    try:
        opened = chromium.launch(started)
    except Exception as error:
        started.stop()
        missing(f"Chromium does not start ({type(error).__name__})")
    yield opened
    opened.close()
    started.stop()


def missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and in CI it has to be there")
    pytest.skip(f"{what}: the report is not looked at in a browser")


@pytest.fixture(params=["light", "dark"])
def shown(
    request: pytest.FixtureRequest, browser: Any, campaign: Campaign, tmp_path: Path
) -> Iterator[Any]:
    """The page in a browser, which notes what it asks for and what it complains of."""
    path = tmp_path / "report.html"
    campaign.write_report(path)
    page = browser.new_page(color_scheme=request.param, viewport={"width": 1000, "height": 800})
    page.asked, page.complaints, page.scheme, page.own = [], [], request.param, path.as_uri()
    page.on("request", lambda one: page.asked.append(one.url))
    page.on("console", lambda one: page.complaints.append(one.text))
    page.on("pageerror", lambda one: page.complaints.append(str(one)))
    page.goto(path.as_uri())
    yield page
    page.close()


def test_page_loads_nothing_and_causes_no_browser_errors(shown: Any):
    shown.wait_for_load_state("networkidle")
    assert shown.asked == [shown.own]
    assert shown.complaints == []


def test_page_follows_the_theme_and_prints_light(shown: Any):
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    lightness = sum(int(part) for part in re.findall(r"\d+", shown.evaluate(ground))[:3])
    assert lightness < 200 if shown.scheme == "dark" else lightness > 600
    shown.emulate_media(media="print")
    assert shown.evaluate(ground) == "rgb(255, 255, 255)"


def test_page_prints_on_a_few_sheets_of_a4(shown: Any):
    printed = shown.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
    widths = {
        round(float(width)) for width in re.findall(rb"/MediaBox\s*\[\s*0 0 ([0-9.]+)", printed)
    }
    assert widths <= {595, 596}


def test_paper_shows_reasons_and_no_evidence(shown: Any):
    shown.emulate_media(media="print")
    for heading, printed in (
        ("Why recipients were refused", True),
        ("Delivery statuses", True),
        ("In doubt: requests and evidence", False),
        ("Cost and alphabet", False),
    ):
        assert shown.get_by_role("heading", name=heading).is_visible() == printed
    assert shown.locator("#refused table").is_visible()
    assert not shown.locator("#in-doubt article").first.is_visible()


def test_each_chart_has_a_name_for_screen_readers(shown: Any):
    charts = shown.get_by_role("img")
    shown.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert charts.count() >= 6
    assert shown.locator("svg:not([role=img]):not([aria-hidden=true])").count() == 0
    for chart in charts.all():
        assert chart.evaluate("one => (one.querySelector('title') || {}).textContent || ''").strip()
    assert shown.get_by_role("img", name="What happened to all recipients").count() == 1
    assert shown.get_by_role("img", name="Sending over time").count() == 1


@pytest.mark.parametrize("width", [360, 1000])
def test_page_fits_a_phone_and_a_desktop(shown: Any, width: int):
    shown.set_viewport_size({"width": width, "height": 800})
    shown.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    for figure in shown.locator("header dd, #everyone td").all():
        box = figure.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_words_in_doubt_link_to_the_evidence(shown: Any):
    assert not shown.get_by_text("Unexplained difference").first.is_visible()
    shown.get_by_role("link", name="in doubt").click()
    assert shown.get_by_text("Unexplained difference").first.is_visible()
    assert shown.evaluate("location.hash") == "#in-doubt"
    assert shown.evaluate("document.querySelector('#in-doubt').getBoundingClientRect().top") < 800


def test_hostile_page_runs_no_script(browser: Any, hostile: Campaign, tmp_path: Path):
    path = tmp_path / "hostile.html"
    hostile.write_report(path)
    page = browser.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda one: (dialogs.append(one.message), one.dismiss()))
    page.goto(path.as_uri())
    page.set_content(
        path.read_text("utf-8").replace(
            "<main>", f"<main>{SCRIPT}<img src='http://127.0.0.1:9/x' />"
        )
    )
    page.wait_for_timeout(200)
    assert dialogs == []
    page.close()
