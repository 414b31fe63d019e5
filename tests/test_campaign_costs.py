"""What a campaign costs: by country and by parts, in money by a price list, and limits in money.

Tests with `places` run on both ledgers.
"""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import phonenumbers
import psycopg
import pytest
from databases import database_of
from test_campaign_ledgers import Places, claimed, numbers, settle

import smsgate
from smsgate.campaign import (
    CountryCosts,
    Event,
    Money,
    Prices,
    RecipientState,
    RunOutcome,
)
from smsgate.campaign.countries import _COUNTRIES, calling_code, country_name, country_of
from smsgate.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
S = RecipientState
UKRAINE, KYIVSTAR, POLAND, CANADA = "+380501110001", "+380671110002", "+48600100200", "+12042345678"
LIST = (
    "destination,price,currency\n"
    "UA,0.62,UAH\n"
    "+38050,0.65,UAH\n"
    "+380509,0.7,UAH\n"
    "+380,9,UAH\n"
    "PL,1.2,UAH\n"
    "+1,0.005,UAH\n"
    "CA,0.01,UAH\n"
)


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    if request.param == "sqlite":
        return Places(tmp_path, None)
    return Places(tmp_path, database_of(request))


def read(folder: Path, text: str) -> Prices:
    path = folder / "prices.csv"
    path.write_text(text, "utf-8")
    return Prices.read(path)


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    return read(tmp_path, LIST)


def uah(amount: str) -> Money:
    return Money(Decimal(amount), "UAH")


# By country and by parts


def test_costs_are_by_country_and_by_parts(places: Places, prices: Prices):
    rows = [
        {"phone": UKRAINE, "name": "я" * 71},
        {"phone": KYIVSTAR, "name": "Bob"},
        {"phone": POLAND, "name": "Jan"},
        {"phone": "12", "name": "Nobody"},
        {"phone": UKRAINE, "name": "twice"},
    ]
    with places.create("a", rows, text="{name}") as campaign:
        costs = campaign.plan().costs
        assert costs.countries == (CountryCosts("UA", 2, 3), CountryCosts("PL", 1, 1))
        assert [one.name for one in costs.countries] == ["Ukraine", "Poland"]
        assert (costs.by_parts, costs.parts) == ({1: 2, 2: 1}, campaign.plan().cost)
        assert (costs.money, costs.unpriced) == (None, 0)
        costs = campaign.plan(prices=prices).costs
        assert costs.countries == (
            CountryCosts("UA", 2, 3, uah("1.92")),  # 2 * 0.65 + 0.62
            CountryCosts("PL", 1, 1, uah("1.2")),
        )
        assert costs.money == uah("3.12")
        assert campaign.costs(prices=prices) == costs
        (text,) = {campaign.journal.planned_numbers()}
        assert not any(number in text for number in (UKRAINE, KYIVSTAR, POLAND))


def test_plan_of_a_later_run_counts_who_is_still_pending(places: Places):
    rows = [*numbers(4), POLAND]
    with places.create("a", rows) as campaign:
        claim = claimed(campaign.journal, 2)
        assert [one.recipients for one in campaign.plan().costs.countries] == [2, 1]
        assert campaign.plan().costs.parts == campaign.plan().cost
        settle(campaign.journal, claim, Event.ACCEPTED)
        claim = claimed(campaign.journal, 2)
        assert campaign.plan().costs.countries == (CountryCosts("PL", 1, 1),)
        settle(campaign.journal, claim, Event.ACCEPTED)
        settle(campaign.journal, claimed(campaign.journal), Event.ACCEPTED)
        assert campaign.plan().costs.countries == ()
        whole = campaign.costs()
        assert whole is not None
        assert [(one.country, one.recipients) for one in whole.countries] == [("UA", 4), ("PL", 1)]
        campaign.purge()
        assert campaign.costs() == whole


def test_campaign_of_an_older_version_counts_at_its_plan(places: Places):
    with places.create("a", [UKRAINE, POLAND]) as campaign:
        if places.database is None:
            campaign.journal._run("unset", name="number_groups")  # type: ignore[attr-defined]
            campaign.journal._connection.commit()  # type: ignore[attr-defined]
        else:
            with psycopg.connect(places.database) as connection:
                connection.execute("UPDATE smsgate.campaign SET number_groups = ''")
        assert campaign.costs() is None
        assert [one.country for one in campaign.plan().costs.countries] == ["PL", "UA"]


def test_calling_codes_are_those_of_the_numbering_plan():
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        assert calling_code(f"+{code}000000000"[:13]) == f"+{code}"
    for code, (country, name) in _COUNTRIES.items():
        assert phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)] == (country,)
        assert country_name(country) == name


@pytest.mark.parametrize(
    ("number", "country"),
    [
        (UKRAINE, "UA"),
        ("+380000000001", "UA"),
        (CANADA, "CA"),
        ("+12025550123", "US"),
        ("+77011234567", "KZ"),
        ("+10000000000", "+1"),
        ("+2900000000", "+290"),
        ("+81000000000", "JP"),
        ("+88216123456", "+882"),
        ("+21000000000", "+210"),
    ],
)
def test_country_is_that_of_the_number(number: str, country: str):
    assert country_of(number) == country


def test_country_without_the_extra_is_never_guessed():
    code = (
        "import sys; sys.modules['phonenumbers'] = None\n"
        "from smsgate.campaign.countries import country_of\n"
        "print(*map(country_of, ['+380501110001', '+48600100200', '+12042345678', '+77011234567']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["UA", "PL", "+1", "+7"]


# Prices


@pytest.mark.parametrize(
    ("number", "country", "price"),
    [
        ("+380501", "UA", "0.65"),
        ("+380509", "UA", "0.7"),
        ("+380671", "UA", "0.62"),
        ("+380671", "+380", "9"),
        ("+486001", "PL", "1.2"),
        ("+486001", "+48", None),
        ("+120423", "CA", "0.01"),
        ("+120255", "US", "0.005"),
        ("+447781", "GG", None),
    ],
)
def test_longest_beginning_wins(number: str, country: str, price: str | None, prices: Prices):
    assert prices.of(number, country) == (None if price is None else Decimal(price))


def test_numbers_without_a_price_are_told_and_are_not_free(places: Places, tmp_path: Path):
    prices = read(tmp_path, "destination,price,currency\n+38050,0.65,UAH\nPL,0,UAH\n")
    with places.create("a", [UKRAINE, KYIVSTAR, POLAND, CANADA]) as campaign:
        costs = campaign.plan(prices=prices).costs
        assert costs.countries == (
            CountryCosts("UA", 2, 2, uah("0.65"), unpriced=1),
            CountryCosts("CA", 1, 1, uah("0"), unpriced=1),
            CountryCosts("PL", 1, 1, uah("0")),
        )
        assert (costs.money, costs.unpriced) == (uah("0.65"), 2)


def test_price_list_of_a_spreadsheet_is_read(tmp_path: Path):
    path = tmp_path / "prices.csv"
    path.write_text("Currency;Destination; Price\r\n\r\nUAH;UA;0,62\r\n;;\r\n", "utf-8-sig")
    assert Prices.read(str(path)) == Prices("UAH", {"UA": Decimal("0.62")}, {})
    path.write_text("destination\tprice\tcurrency\n+1\t1\tUSD", "utf-8")
    assert Prices.read(path) == Prices("USD", {}, {"+1": Decimal(1)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "prices.csv: must have a line with a price after the header"),
        ("destination,price,currency\n", "must have a line with a price"),
        ("UA,0.62,UAH\n", "line 1: must be the header, with the columns destination, price, cur"),
        ("destination,price,currency\n\nUA,0,62,UAH\n", "line 3: must have 3 columns, not 4"),
        (
            "destination,price,currency\nUkraine,1,UAH\n",
            "line 2: destination: must be a two-letter",
        ),
        ("destination,price,currency\n+3805012,1,UAH\n", "line 2: destination: must be a two-lett"),
        ("destination,price,currency\n+0,1,UAH\n", "line 2: destination: must be"),
        ("destination,price,currency\nUA,-1,UAH\n", "line 2: price: must be the price of one part"),
        ("destination,price,currency\nUA,NaN,UAH\n", "line 2: price: must be"),
        ("destination,price,currency\nUA,,UAH\n", "line 2: price: must be"),
        ("destination,price,currency\nUA,1,hrn\n", "line 2: currency: must be a code of three"),
        (
            "destination,price,currency\nUA,1,UAH\nPL,1,EUR\n",
            "line 3: currency: must be the same on all lines; the first is UAH",
        ),
        (
            "destination,price,currency\nUA,1,UAH\nPL,1,UAH\nUA,2,UAH\n",
            "line 4: destination: has a price on line 2 already",
        ),
        ('destination,price,currency\nUA,"1,UAH\n', "prices.csv: unexpected end of data"),
        ("#" * 1_000_001, "prices.csv: must not be larger than 1 MB"),
    ],
)
def test_bad_price_list_names_line_and_column(text: str, said: str, tmp_path: Path):
    with pytest.raises(ValueError) as told:  # noqa: PT011 - the message is compared below
        read(tmp_path, text)
    assert said in str(told.value)


def test_price_list_of_the_documentation_is_one(tmp_path: Path):
    page = (ROOT / "docs" / "howto" / "campaign-cost.md").read_text("utf-8")
    (shown,) = re.findall(r"^```text\n(destination,.*?)^```", page, re.MULTILINE | re.DOTALL)
    prices = read(tmp_path, shown)
    assert (prices.currency, prices.countries["UA"]) == ("UAH", Decimal("0.62"))
    assert prices.of("+380501", "UA") == Decimal("0.65")
    assert len(prices.countries) + len(prices.beginnings) == shown.count("\n") - 1


def test_price_list_must_be_text(tmp_path: Path):
    path = tmp_path / "prices.csv"
    path.write_bytes("destination,price,currency\nУкраїна,1,UAH\n".encode("utf-16"))
    with pytest.raises(ValueError, match="must be a text file in UTF-8"):
        Prices.read(path)
    with pytest.raises(FileNotFoundError):
        Prices.read(tmp_path / "none.csv")


def test_money_is_read():
    assert Money.read(" 500 UAH") == Money.read("500,00  UAH") == uah("500")
    assert str(Money.read("1234567.8 EUR")) == "1,234,567.80 EUR"
    assert str(Money.read("2.464 EUR")) == "2.464 EUR", "more than 2.46 EUR"
    for text in ("500", "UAH", "500 uah", "-1 UAH", "1e3 UAH", "500 UAHS", "500 UAH x"):
        with pytest.raises(ValueError, match="must be an amount and a currency"):
            Money.read(text)


@pytest.mark.parametrize("amount", [1.5, Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_amount_of_money_is_an_exact_decimal(amount: Any):
    with pytest.raises(ValueError, match="amount: must be a Decimal, 0 or more"):
        Money(amount, "UAH")
    with pytest.raises(ValueError, match="currency: must be a code of three capital letters"):
        Money(Decimal(1), "hryvnia")


# Limits in money


@pytest.mark.anyio
async def test_run_that_would_cost_too_much_money_sends_nothing(places: Places, prices: Prices):
    with (
        places.create("a", [UKRAINE, KYIVSTAR, POLAND]) as campaign,
        Sandbox() as gateway,
    ):
        async with smsgate.AsyncSession("sandbox", "sandbox", url=gateway.url) as session:
            result = await campaign.run(session, max_cost=uah("2.46"), prices=prices)
            assert (result.outcome, result.why) == (
                RunOutcome.PAUSED,
                (
                    "sending to all pending recipients would cost about 2.47 UAH, and the most"
                    " allowed is 2.46 UAH"
                ),
            )
            assert campaign.journal.states() == {S.PENDING: 3}
            assert gateway.calls["SendSMS"] == 0
            result = await campaign.run(session, max_cost=uah("2.47"), prices=prices)
            assert result.outcome is RunOutcome.FINISHED
        assert gateway.accepted == 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("most", "why"),
    [
        (
            "0.5",
            (
                "sending to all pending recipients would cost about 0.65 UAH, while 1 recipient"
                " has no price, and the most allowed is 0.50 UAH"
            ),
        ),
        (
            "100",
            "1 recipient has no price in the price list, so the run may cost more than 100.00 UAH",
        ),
    ],
)
async def test_limit_in_money_needs_a_price_for_everyone(
    most: str, why: str, places: Places, tmp_path: Path
):
    prices = read(tmp_path, "destination,price,currency\nUA,0.65,UAH\n")
    with places.create("a", [UKRAINE, POLAND]) as campaign, Sandbox() as gateway:
        async with smsgate.AsyncSession("sandbox", "sandbox", url=gateway.url) as session:
            result = await campaign.run(session, max_cost=uah(most), prices=prices)
        assert (result.outcome, result.why) == (RunOutcome.PAUSED, why)
        assert gateway.calls["SendSMS"] == 0


@pytest.mark.anyio
async def test_limit_in_money_concerns_who_is_still_pending(places: Places, prices: Prices):
    with places.create("a", numbers(4)) as campaign, Sandbox() as gateway:
        settle(campaign.journal, claimed(campaign.journal, 2), Event.ACCEPTED)
        async with smsgate.AsyncSession("sandbox", "sandbox", url=gateway.url) as session:
            result = await campaign.run(session, max_cost=uah("1.30"), prices=prices)
            assert result.outcome is RunOutcome.FINISHED
            result = await campaign.run(session, max_cost=uah("0"), prices=prices)
            assert result.outcome is RunOutcome.FINISHED, "nothing is left to pay for"


def test_limit_in_money_must_be_in_the_currency_of_the_prices(places: Places, prices: Prices):
    with places.create("a", [UKRAINE]) as campaign:
        session: Any = smsgate.AsyncSession("sandbox", "sandbox", url="http://127.0.0.1:1/")
        with pytest.raises(ValueError, match="max_cost: an amount of money needs prices"):
            campaign.runner(session, max_cost=uah("1"))
        with pytest.raises(ValueError, match="max_cost: must be in UAH, the currency of the price"):
            campaign.runner(session, max_cost=Money(Decimal(1), "EUR"), prices=prices)
