"""What recipients cost: by country, by parts, and in money if there is a price list. No I/O.

Rule of this file: recipients without a price are counted apart and are in no sum of money.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from ..ledger.records import NumberGroup
from .countries import country_name, country_of
from .prices import Money, Prices

__all__ = ["Costs", "CountedNumbers", "CountryCosts"]


@dataclass(frozen=True, slots=True)
class CountryCosts:
    """What the recipients in one country cost.

    Attributes:
        country: the two-letter code, or the calling code if no more is known, such as `"+1"`.
        recipients: how many recipients the country has.
        parts: the parts of all their messages, which is also the cost in credits.
        money: the price of those who have one; None without a price list.
        unpriced: how many recipients the price list has no price for.
    """

    country: str
    recipients: int
    parts: int
    money: Money | None = None
    unpriced: int = 0

    @property
    def name(self) -> str:
        """The name of the country in English, "" if it is not known."""
        return country_name(self.country)


@dataclass(frozen=True, slots=True)
class Costs:
    """What recipients cost.

    Attributes:
        countries: the countries, that with the most recipients first.
        by_parts: how many recipients have a text of each number of parts.
    """

    countries: tuple[CountryCosts, ...]
    by_parts: Mapping[int, int]

    @property
    def parts(self) -> int:
        """The parts of all messages, which is also the cost in credits."""
        return sum(parts * recipients for parts, recipients in self.by_parts.items())

    @property
    def money(self) -> Money | None:
        """The price of the recipients who have one.

        It is None without a price list, or if there are no recipients.
        """
        sums = [one.money for one in self.countries if one.money is not None]
        total = sum((one.amount for one in sums), Decimal(0))
        return Money(total, sums[0].currency) if sums else None

    @property
    def unpriced(self) -> int:
        """How many recipients the price list has no price for."""
        return sum(one.unpriced for one in self.countries)


@dataclass(slots=True)
class CountedNumbers:
    """How many recipients have numbers that begin alike, in which country, and with which parts."""

    _counts: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    @classmethod
    def of(cls, groups: Iterable[NumberGroup]) -> Self:
        """Count the groups of a journal, and find the country of each."""
        counted = cls()
        for group in groups:
            country = country_of(group.example)
            counted._counts[country, group.beginning, group.parts] += group.recipients
        return counted

    def stored(self) -> str:
        """Return the counts as text, for a journal."""
        kept: dict[str, dict[str, dict[int, int]]] = {}
        for (country, beginning, parts), recipients in sorted(self._counts.items()):
            kept.setdefault(country, {}).setdefault(beginning, {})[parts] = recipients
        return json.dumps(kept, separators=(",", ":"))

    @classmethod
    def from_stored(cls, text: str) -> Self:
        """Return the counts that `stored` wrote."""
        return cls(
            Counter(
                {
                    (country, beginning, int(parts)): recipients
                    for country, beginnings in json.loads(text).items()
                    for beginning, by_parts in beginnings.items()
                    for parts, recipients in by_parts.items()
                }
            )
        )

    def costs(self, prices: Prices | None = None) -> Costs:
        """Return what these recipients cost, in money if there are prices."""
        by_parts = Counter[int]()
        groups: dict[str, list[tuple[int, int, Decimal | None]]] = {}
        for (country, beginning, parts), recipients in self._counts.items():
            by_parts[parts] += recipients
            price = None if prices is None else prices.of(beginning, country)
            groups.setdefault(country, []).append((recipients, parts, price))
        countries = [_costs_in(country, rows, prices) for country, rows in groups.items()]
        countries.sort(key=lambda one: (-one.recipients, one.country))
        return Costs(tuple(countries), dict(sorted(by_parts.items())))


def _costs_in(
    country: str, rows: Iterable[tuple[int, int, Decimal | None]], prices: Prices | None
) -> CountryCosts:
    rows = list(rows)
    recipients = sum(number for number, _, _ in rows)
    parts = sum(number * each for number, each, _ in rows)
    if prices is None:
        return CountryCosts(country, recipients, parts)
    amount = sum(_amounts(rows), Decimal(0))
    unpriced = sum(number for number, _, price in rows if price is None)
    return CountryCosts(country, recipients, parts, Money(amount, prices.currency), unpriced)


def _amounts(rows: Iterable[tuple[int, int, Decimal | None]]) -> Iterator[Decimal]:
    return (number * each * price for number, each, price in rows if price is not None)
