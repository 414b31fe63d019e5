"""`smsgate campaign` says what a campaign costs: --prices, SMSGATE_PRICES and --max-cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cli import PASSWORD
from test_cli_stop_list import Folder

from smsgate.cli.exits import Exit
from smsgate.sandbox import Sandbox, Settings

NUMBERS = ["+380501110001", "+380671110002", "+48600100200", "+12042345678"]
PRICED = ["destination,price,currency", "UA,0.62,UAH", "+38050,0.65,UAH", "PL,1.2,UAH"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(login="shop", password=PASSWORD, delivery_seconds=0)) as running:
        yield running


@pytest.fixture
def folder(sandbox: Sandbox, tmp_path: Path) -> Folder:
    """A folder with a list of three countries and a price list that lacks one of them."""
    account = {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": PASSWORD, "SMSGATE_URL": sandbox.url}
    sandbox.reset()
    made = Folder(tmp_path, **account)
    made.write("list.csv", "phone", *NUMBERS)
    made.write("prices.csv", *PRICED)
    return made


def words(text: str) -> str:
    return " ".join(text.split())


def test_new_shows_costs_by_country_in_credits(folder: Folder):
    said = words(folder.new().out)
    assert "recipients parts credits country" in said
    assert "2 2 2 UA Ukraine 1 1 1 CA Canada 1 1 1 PL Poland" in said
    assert "UAH" not in said


def test_single_country_needs_no_table(folder: Folder):
    folder.write("list.csv", "phone", *NUMBERS[:2])
    assert "Ukraine" not in folder.new("--prices", "prices.csv").out


def test_new_shows_costs_in_money(folder: Folder):
    said = words(folder.new("--prices", "prices.csv").out)
    assert "cost 4 credits, at one credit per part" in said
    assert "price 2.47 UAH; 1 recipient without a price" in said
    assert "2 2 1.27 UA Ukraine 1 1 - CA Canada: 1 without a price 1 1 1.20 PL Poland" in said


def test_price_of_nobody_is_not_shown_as_nothing(folder: Folder):
    folder.write("prices.csv", PRICED[0], "DE,1,UAH")
    said = words(folder.new("--prices", "prices.csv").out)
    assert "price not known: 4 recipients without a price" in said
    assert "price 0" not in said


def test_many_countries_are_cut_short_on_the_screen(folder: Folder):
    codes = [30, 31, 32, 33, 34, 351, 353, 357, 359, 36, 370, 371, 372, 373, 374, 375, 380, 385,
             386, 40, 41, 420]  # fmt: skip
    folder.write("list.csv", "phone", *(f"+{code}1234567890"[:13] for code in codes))
    done = folder.new()
    assert "and 2 more; --json lists all countries" in done.out
    assert len(folder.document("campaign", "status", "a.sms")["costs"]["countries"]) == len(codes)


def test_prices_are_taken_from_the_environment(folder: Folder):
    folder.environment["SMSGATE_PRICES"] = "prices.csv"
    assert folder.new().code == 0
    costs = folder.document("campaign", "status", "a.sms")["costs"]
    assert costs["money"] == {"amount": "2.47", "currency": "UAH"}
    assert (costs["credits"], costs["unpriced"], costs["parts"]) == (4, 1, {"1": 4})
    assert costs["countries"][0] == {
        "country": "UA", "name": "Ukraine", "recipients": 2, "credits": 2, "unpriced": 0,
        "money": {"amount": "1.27", "currency": "UAH"},
    }  # fmt: skip
    assert folder.run("campaign", "report", "a.sms", "--html", "a.html").code == 0


def test_status_and_report_show_the_whole_list(folder: Folder):
    folder.new()
    assert folder.run("campaign", "run", "a.sms", "--yes").code == 0
    for command in ("status", "report"):
        said = words(folder.run("campaign", command, "a.sms", "--prices", "prices.csv").out)
        assert (
            "whole list 4 credits (2.47 UAH; 1 recipient without a price): 1 part for 4 recipients"
        ) in said
        assert "1 1 1.20 PL Poland" in said
    assert "UAH" not in folder.run("campaign", "status", "a.sms").out


def test_plan_of_a_run_shows_the_price(folder: Folder):
    folder.new()
    done = folder.run("campaign", "run", "a.sms", "--prices", "prices.csv")
    assert done.code == Exit.USAGE, "nobody can confirm"
    assert "price 2.47 UAH; 1 recipient without a price" in words(done.out)
    assert "2 2 1.27 UA Ukraine" in words(done.out)


def test_run_over_the_limit_pauses_and_sends_nothing(folder: Folder, sandbox: Sandbox):
    folder.write("list.csv", "phone", *NUMBERS[:3])
    folder.new()
    run = ["campaign", "run", "a.sms", "--yes", "--prices", "prices.csv", "--max-cost"]
    done = folder.run(*run, "2.46 UAH")
    assert done.code == Exit.REFUSED
    assert "would cost about 2.47 UAH, and the most allowed is 2.46 UAH" in words(done.out)
    assert sandbox.calls["SendSMS"] == 0
    assert folder.run(*run, "2").code == Exit.REFUSED
    assert sandbox.calls["SendSMS"] == 0
    assert folder.run(*run, "2.47 UAH").code == 0
    assert sandbox.accepted == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-cost", "much"], "--max-cost: must be a number of credits, 0 or more, or an amou"),
        (["--max-cost", "-1"], "--max-cost: must be a number of credits"),
        (["--max-cost", "5 UAH"], "max_cost: an amount of money needs prices"),
        (["--prices", "prices.csv", "--max-cost", "5 EUR"], "max_cost: must be in UAH"),
        (["--prices", "bad.csv"], "bad.csv: line 2: price: must be the price of one part"),
        (["--prices", "none.csv"], "none.csv"),
    ],
)
def test_bad_option_is_a_usage_error(
    options: list[str], said: str, folder: Folder, sandbox: Sandbox
):
    folder.write("bad.csv", PRICED[0], "UA,cheap,UAH")
    folder.new()
    done = folder.run("campaign", "run", "a.sms", "--yes", *options)
    assert done.code == Exit.USAGE
    assert said in words(done.err)
    assert sandbox.calls["SendSMS"] == 0


def test_html_report_takes_no_prices(folder: Folder):
    folder.new()
    done = folder.run("campaign", "report", "a.sms", "--html", "a.html", "--prices", "prices.csv")
    assert done.code == Exit.USAGE
    assert "--prices: cannot be used with --html" in words(done.err)


def test_bad_price_list_leaves_no_campaign(folder: Folder):
    folder.write("bad.csv", "phone", *NUMBERS)
    done = folder.new("--prices", "bad.csv")
    assert done.code == Exit.USAGE
    assert "bad.csv: line 1: must be the header" in words(done.err)
    assert not (folder.path / "a.sms").exists()
