"""The options --prices and --max-cost, and what the commands say about costs.

Rule of this file: recipients without a price are named wherever an amount of money is shown.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from ..campaign import Costs, CountryCosts, Money, Prices
from ..campaign.wording import count, things
from .credentials import prices_of
from .views import table

__all__ = [
    "MaxCost",
    "PriceList",
    "cost_limit",
    "cost_words",
    "costs_document",
    "countries_table",
    "list_words",
    "money_words",
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
    parts = ", ".join(
        f"{things(parts, 'part')} for {things(number, 'recipient')}"
        for parts, number in costs.by_parts.items()
    )
    return ": ".join(filter(None, (cost_words(costs), parts)))


def cost_words(costs: Costs) -> str:
    """Return the cost in credits and, with a price list, in money, for a question."""
    words = things(costs.parts, "credit")
    return words if costs.money is None else f"{words} ({money_words(costs)})"


def money_words(costs: Costs) -> str:
    """Return the cost in money, and for how many recipients it is not known."""
    if not costs.unpriced:
        return str(costs.money)
    known = costs.unpriced < sum(costs.by_parts.values())
    without = f"{things(costs.unpriced, 'recipient')} without a price"
    return f"{costs.money}; {without}" if known else f"not known: {without}"


def countries_table(costs: Costs) -> list[RenderableType]:
    """Return the costs by country after an empty line, nothing for a single country."""
    if len(costs.countries) < 2:
        return []
    money = costs.money
    made = table(">recipients", ">parts", ">credits" if money is None else f">{money.currency}",
                 "country")  # fmt: skip
    for one in costs.countries[:_LISTED]:
        made.add_row(count(one.recipients), count(one.parts), _amount(one), _named(one))
    rest = len(costs.countries) - _LISTED
    more = [Text(f"and {rest} more; --json lists all countries", "dim")] if rest > 0 else []
    return [Text(), made, *more]


def _amount(one: CountryCosts) -> str:
    if one.money is None:
        return count(one.parts)
    return "-" if one.unpriced == one.recipients else str(one.money).partition(" ")[0]


def _named(one: CountryCosts) -> str:
    name = f"{one.country} {one.name}".rstrip()
    return f"{name}: {count(one.unpriced)} without a price" if one.unpriced else name


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
