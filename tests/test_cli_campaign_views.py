"""What `smsgate campaign` shows:

a number is masked wherever it stands, and a text that must be checked is shown whole.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from rich.console import Console

from smsgate.campaign import (
    Campaign,
    Evidence,
    RecipientInDoubt,
    RequestInDoubt,
    Source,
    csv_source,
    file_source,
    rows_source,
)
from smsgate.campaign.wording import facts, findings, reading
from smsgate.cli.campaign_views import InDoubtList, Made, Planned, Status
from smsgate.cli.views import view_of

HEADER = "Phone 050 111-22-33"
DIGITS = "1112233", "111-22-33"


def screen(result: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(view_of(result).people(result))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def headed(folder: Path, rows: str = "+380501234567;Ann\n") -> Source:
    path = folder / "list.csv"
    path.write_text(f"{HEADER};name\n{rows}", "utf-8")
    return csv_source(path, header=True)


def made(folder: Path, source: Source, text: str, *, show_numbers: bool = False) -> Made:
    with Campaign.create(folder / "a.sms", source, sender="Shop", text=text) as campaign:
        assert campaign.added
        assert campaign.preview
        return Made(
            "a.sms", campaign.added, campaign.plan(), source, campaign.preview, show_numbers
        )


def test_number_in_a_column_name_is_masked(tmp_path: Path):
    result = made(tmp_path, headed(tmp_path), "Hi")
    document = view_of(result).machines(result)
    assert document["list"]["phone_column"] == "Phone 05******33"
    for said in (screen(result), json.dumps(document)):
        assert "Phone 05******33" in said
        assert not any(digits in said for digits in DIGITS)


def test_number_in_a_column_name_is_shown_on_request(tmp_path: Path):
    result = made(tmp_path, headed(tmp_path), "Hi", show_numbers=True)
    assert HEADER in screen(result)
    assert view_of(result).machines(result)["list"]["phone_column"] == HEADER


def test_number_in_a_column_name_is_masked_in_reasons_and_errors(tmp_path: Path):
    with pytest.raises(ValueError, match=r"the columns are Phone 05\*{6}33, name$") as absent:
        made(tmp_path, headed(tmp_path), "{absent}")
    path = tmp_path / "twice.csv"
    path.write_text(f"phone;{HEADER};{HEADER}\n+380501234567;a;b\n", "utf-8")
    with pytest.raises(ValueError, match="several columns are named Phone") as twice:
        made(tmp_path, csv_source(path, header=True), f"{{{HEADER}}}")
    path.write_text(f"phone;{HEADER}\n+380501234567;\n+380501234568;#N/A\n", "utf-8")
    made(tmp_path, csv_source(path, header=True), f"{{{HEADER}}}")
    with Campaign.open(tmp_path / "a.sms", writing=False) as campaign:
        reasons = [one.reason or "" for one in campaign.skipped()]
    column = "column Phone 05******33"
    assert reasons == [f"no value in the {column}", f"{column}: a failed formula"]
    for said in (str(absent.value), str(twice.value), *reasons):
        assert not any(digits in said for digits in DIGITS)


def test_number_in_the_name_of_a_hidden_column_is_masked(tmp_path: Path):
    book = openpyxl.Workbook()
    assert book.active
    book.active.append([HEADER, "name"])
    book.active.append(["+380501234567", "Ann"])
    book.active.column_dimensions["A"].hidden = True
    book.save(tmp_path / "list.xlsx")
    with pytest.raises(ValueError, match=r"a column with numbers is hidden in the sheet \(A\)"):
        file_source(tmp_path / "list.xlsx", header=True)


def test_run_shows_the_longest_text_whole_but_for_the_number(tmp_path: Path):
    """Only the number of the recipient is masked."""
    source = headed(tmp_path, "+380501234567;Ann\n+380507654321;Alexandra with a longer name\n")
    text = f"{{name}}, order 20260824, call 0800123456, you are {{{HEADER}}}" + "." * 100
    plan = made(tmp_path, source, text).plan
    said = screen(Planned(plan, None))
    assert "order 20260824, call 0800123456, you are +380*****" in said
    assert "501234567" not in said
    assert "507654321" not in said


def test_plan_words_its_duration_as_the_report_does(tmp_path: Path):
    plan = replace(made(tmp_path, headed(tmp_path), "Hi").plan, seconds=7_800)
    assert "2 h 10 min at 0.5 recipients per second" in screen(Planned(plan, 0.5))


def test_status_has_every_fact_of_the_report(tmp_path: Path):
    with Campaign.create(
        tmp_path / "a.sms", rows_source(["+380501234567"]), sender="Shop", text="Hi"
    ) as campaign:
        figures = replace(
            campaign.figures(),
            first_claim=1_800_000_000.0,
            last_answer=1_800_007_800.0,
            runs=2,
            requests=3,
        )
    rows = facts(figures, None)
    assert {row.what for row in rows} == {
        "Created",
        "First request",
        "Last answer",
        "Duration",
        "Rate",
        "Requests",
    }
    said = " ".join(screen(Status(figures)).split())
    for row in rows:
        assert f"{row.what.lower()} {row.figure}, {row.note}" in said
    assert "duration 2 h 10 min, pauses included" in said


def test_request_in_doubt_is_shown_with_the_reports_evidence():
    evidence = Evidence(
        Decimal(900), 1_800_000_000.0, 50, Decimal(650), 1_800_000_060.0, 1, ("x",), 7
    )
    request = RequestInDoubt(
        1, 1_800_000_000.0, None, 7, 7, 200, "connection lost", None, 0, evidence
    )
    recipients = tuple(RecipientInDoubt(line, f"+38050123456{line}", "") for line in range(1, 8))
    said = " ".join(
        screen(InDoubtList("a.sms", ((request, recipients),), show_numbers=False)).split()
    )
    for row in findings(request, None):
        assert f"{row.what}: {row.figure}" in said
    assert reading(request) in said
    assert "+380*****4561 (line 1)," in said
    assert "+380*****4565 (line 5) and 2 more" in said
