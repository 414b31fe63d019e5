"""The options --prices and --max-cost, and what the commands say about costs.

Rule of this file: recipients without a price are named wherever an amount of money is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from ..campaign import Costs, CountryCosts, Money, Prices
from ..known_sentences import retold
from ..languages import plural, say, spoken
from .credentials import prices_of
from .views import table

__all__ = [
    "MaxCost",
    "PriceList",
    "cost_limit",
    "cost_words",
    "costs_document",
    "countries_table",
    "credits_words",
    "list_words",
    "money_words",
    "parts_words",
    "price_list",
]

_LISTED = 20
"""The number of countries that the screen lists at most; JSON has all."""

PriceList = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help=(
            "A CSV file with the columns destination, price and currency, to show costs in money."
            " Default: SMSGATE_PRICES, or none."
        ),
    ),
]

MaxCost = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help=(
            "Send nothing if the run would cost more credits than this or, with --prices, more"
            " money, such as '500 UAH'. Default: no limit."
        ),
    ),
]


def price_list(given: str | None) -> Prices | None:
    """Return the price list, None without one. Raises `ValueError` or `OSError`."""
    path = prices_of(given)
    return None if path is None else Prices.read(path)


def cost_limit(given: str | None) -> int | Money | None:
    """Return the limit that an option says, None for no limit. Raises `ValueError`."""
    if given is None:
        return None
    if given.strip().isascii() and given.strip().isdecimal():
        return int(given)
    try:
        return Money.read(given)
    except ValueError:
        raise ValueError(
            "--max-cost: must be a number of credits, 0 or more, or an amount and a currency, such"
            " as '500 UAH'"
        ) from None


def list_words(costs: Costs) -> str:
    """Return what a whole list costs, and how many recipients get how many parts."""
    return ": ".join(filter(None, (cost_words(costs), parts_words(costs.by_parts))))


def parts_words(by_parts: Mapping[int, int]) -> str:
    """Return how many recipients get how many parts."""
    return ", ".join(
        plural(
            "{parts} for {number} recipient",
            "{parts} for {number} recipients",
            number,
            parts=plural("{number} part", "{number} parts", parts),
        )
        for parts, number in by_parts.items()
    )


def credits_words(amount: int | Decimal) -> str:
    """Return a number of credits."""
    whole = int(amount)
    if whole != amount:
        return say("{amount} credits", amount=spoken().count(amount))
    return plural("{number} credit", "{number} credits", whole)


def cost_words(costs: Costs) -> str:
    """Return the cost in credits and, with a price list, in money, for a question."""
    words = credits_words(costs.parts)
    return words if costs.money is None else f"{words} ({money_words(costs)})"


def money_words(costs: Costs) -> str:
    """Return the cost in money, and for how many recipients it is not known."""
    money = spoken().figure(str(costs.money))
    if not costs.unpriced:
        return money
    known = costs.unpriced < sum(costs.by_parts.values())
    without = plural(
        "{number} recipient without a price",
        "{number} recipients without a price",
        costs.unpriced,
    )
    return f"{money}; {without}" if known else say("not known: {why}", why=without)


def countries_table(costs: Costs) -> list[RenderableType]:
    """Return the costs by country after an empty line, nothing for a single country."""
    if len(costs.countries) < 2:
        return []
    money, count = costs.money, spoken().count
    amounts = say("credits") if money is None else money.currency
    made = table(f">{say('recipients')}", f">{say('parts')}", f">{amounts}", say("country"))
    for one in costs.countries[:_LISTED]:
        made.add_row(count(one.recipients), count(one.parts), _amount(one), _named(one))
    rest = len(costs.countries) - _LISTED
    if rest <= 0:
        return [Text(), made]
    more = plural(
        "and {number} more; --json lists all countries",
        "and {number} more; --json lists all countries",
        rest,
    )
    return [Text(), made, Text(more, "dim")]


def _amount(one: CountryCosts) -> str:
    if one.money is None:
        return spoken().count(one.parts)
    amount = str(one.money).partition(" ")[0]
    return "-" if one.unpriced == one.recipients else spoken().figure(amount)


def _named(one: CountryCosts) -> str:
    name = f"{one.country} {retold(one.name)}".rstrip()
    if not one.unpriced:
        return name
    return plural(
        "{country}: {number} without a price",
        "{country}: {number} without a price",
        one.unpriced,
        country=name,
    )


def costs_document(costs: Costs | None) -> dict[str, Any] | None:
    """Return the costs for JSON. Amounts of money are strings, which no reader rounds."""
    if costs is None:
        return None
    return {
        "credits": costs.parts,
        "money": _money_document(costs.money),
        "unpriced": costs.unpriced,
        "parts": {str(parts): number for parts, number in costs.by_parts.items()},
        "countries": [
            {
                "country": one.country,
                "name": one.name or None,
                "recipients": one.recipients,
                "credits": one.parts,
                "money": _money_document(one.money),
                "unpriced": one.unpriced,
            }
            for one in costs.countries
        ],
    }


def _money_document(money: Money | None) -> dict[str, str] | None:
    return None if money is None else {"amount": f"{money.amount:f}", "currency": money.currency}
