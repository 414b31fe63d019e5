"""What a campaign says before anything is sent:

to how many, for how many credits, for how long, and who is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from smsgate.campaign import Campaign, rows_source

LINK = "https://example.com/offer"


def made(path: Path, numbers: list[str], **what: Any) -> Campaign:
    return Campaign.create(path / "a.sms", rows_source(numbers), sender="Shop", **what)


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    """Two recipients with a text of two parts, and one whose number is no good."""
    with made(tmp_path, ["+380501110001", "12", "+380501110002"], text="я" * 71) as campaign:
        yield campaign


def test_plan_counts_pending_recipients_and_their_credits(campaign: Campaign):
    plan = campaign.plan()
    assert (plan.pending, plan.cost) == (2, 4)
    assert (plan.balance, plan.enough, plan.seconds) == (None, None, None)
    assert plan.figures == campaign.figures()


@pytest.mark.parametrize(("balance", "enough"), [("3.9", False), ("4", True), ("4.1", True)])
def test_plan_says_whether_the_balance_is_enough(balance: str, enough: bool, campaign: Campaign):
    assert campaign.plan(balance=Decimal(balance)).enough is enough


def test_plan_says_how_long_the_rate_takes(campaign: Campaign):
    assert campaign.plan(rate=0.5).seconds == 4


def test_plan_says_when_the_gateway_is_the_limit(tmp_path: Path):
    numbers = [f"+38050{number:07}" for number in range(2_500)]
    with made(tmp_path, numbers, text="Hello") as campaign:
        plan = campaign.plan(rate=100)
        assert (plan.requests, plan.gateway_limits) == (25, False)
        assert campaign.plan(batch=10).requests == 250
    people = [{"phone": number, "name": f"N{number}"} for number in numbers]
    with Campaign.create(
        tmp_path / "own.sms", rows_source(people), sender="Shop", text="Hello {name}"
    ) as campaign:
        plan = campaign.plan(rate=100, concurrency=2)
        assert (plan.requests, plan.gateway_limits) == (2_500, True)
        assert plan.gateway_seconds == pytest.approx(2_500 * 0.15 / 2)


def test_skipped_recipients_are_listed_with_line_and_reason(campaign: Campaign):
    (skipped,) = campaign.skipped()
    assert (skipped.line, skipped.number) == (2, "12")
    assert skipped.reason


def test_campaign_of_links_needs_no_text(tmp_path: Path):
    with made(tmp_path, ["+380501110001"], wappush=LINK) as campaign:
        plan = campaign.plan()
        assert (plan.pending, plan.cost) == (1, 1)
        example = campaign.figures().example
        assert example
        assert (example.text, example.wappush) == (None, LINK)
