"""The prices of an account: a CSV file that the user writes, with one price per part on each line.

Rules of this file: amounts are decimal numbers, never floats, of one currency. The longest
beginning wins. A number without a price has none: it is never 0.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from os import PathLike, fspath
from pathlib import Path
from typing import Self

from .countries import calling_code

__all__ = ["Money", "Prices"]

_COLUMNS = ("destination", "price", "currency")
_COUNTRY = re.compile(r"[A-Z]{2}")
_BEGINNING = re.compile(r"\+[1-9][0-9]{0,5}")
_AMOUNT = re.compile(r"[0-9]{1,12}(?:[.,][0-9]{1,6})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LONGEST_FILE = 1_000_000
_RULES = {
    "destination": (
        "must be a two-letter country code such as UA, or the beginning of numbers, such as +38050:"
        " + and 1 to 6 digits"
    ),
    "price": "must be the price of one part, 0 or more, such as 0.62",
    "currency": "must be a code of three capital letters, such as UAH",
}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of a currency.

    Attributes:
        amount: the amount, exact.
        currency: a code of three capital letters, such as `"UAH"`.

    Raises:
        ValueError: the amount is negative or not a finite `Decimal`, or the currency is no code.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not Decimal or not self.amount.is_finite() or self.amount < 0:
            raise ValueError("amount: must be a Decimal, 0 or more")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"currency: {_RULES['currency']}")

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the amount in a text such as `500 UAH`.

        Raises:
            ValueError: the text is not an amount and a currency.
        """
        amount, _, currency = text.strip().partition(" ")
        if not _AMOUNT.fullmatch(amount) or not _CURRENCY.fullmatch(currency.strip()):
            raise ValueError("must be an amount and a currency, such as '500 UAH'")
        return cls(_decimal(amount), currency.strip())

    def __str__(self) -> str:
        whole = self.amount == round(self.amount, 2)
        return (
            f"{self.amount:,.2f} {self.currency}" if whole else f"{self.amount:,f} {self.currency}"
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """What one part costs, by country or by the beginning of the number.

    For each number the longest beginning counts that has more digits than the calling code. If
    there is none, the country counts, and then the calling code.

    Example::

        prices = Prices.read("prices.csv")
        plan = campaign.plan(prices=prices)
        print(plan.costs.money, plan.costs.unpriced)

    Attributes:
        currency: the currency of all prices, such as `"UAH"`.
        countries: the price of one part by two-letter country code.
        beginnings: the price of one part by beginning, such as `"+38050"`.
    """

    currency: str
    countries: Mapping[str, Decimal]
    beginnings: Mapping[str, Decimal]

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """Read a price list: a CSV file in UTF-8 with the columns destination, price and currency.

        The delimiter is a comma, a semicolon or a tab.

        Args:
            path: the file.

        Raises:
            ValueError: the file is not such a list. The message names the line and the column.
            OSError: the file cannot be read.
        """
        name = Path(fspath(path))
        with name.open("rb") as opened:
            held = opened.read(_LONGEST_FILE + 1)
        try:
            if len(held) > _LONGEST_FILE:
                raise ValueError("must not be larger than 1 MB")
            return cls._of(held.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise ValueError(f"{name}: must be a text file in UTF-8") from None
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{name}: {error}") from None

    @classmethod
    def _of(cls, text: str) -> Self:
        known: dict[str, int] = {}
        prices: dict[str, Decimal] = {}
        currency = ""
        for line, row in _rows(text):
            for column in _COLUMNS:
                if not _FORMS[column].fullmatch(row[column]):
                    raise ValueError(f"line {line}: {column}: {_RULES[column]}")
            destination = row["destination"]
            if destination in known:
                first = known[destination]
                raise ValueError(f"line {line}: destination: has a price on line {first} already")
            if currency and row["currency"] != currency:
                raise ValueError(
                    f"line {line}: currency: must be the same on all lines; the first is {currency}"
                )
            known[destination], currency = line, row["currency"]
            prices[destination] = _decimal(row["price"])
        if not prices:
            raise ValueError("must have a line with a price after the header")
        return cls(
            currency,
            {name: price for name, price in prices.items() if not name.startswith("+")},
            {name: price for name, price in prices.items() if name.startswith("+")},
        )

    def of(self, number: str, country: str) -> Decimal | None:
        """Return the price of one part, None if the list has none.

        Args:
            number: `+` and digits, at least the first 6 digits.
            country: the two-letter code of the number's country, or its calling code.
        """
        code = len(calling_code(number))
        lengths = range(len(number), 0, -1)
        found = [self.beginnings.get(number[:length]) for length in lengths if length > code]
        found.append(self.countries.get(country))
        found += [self.beginnings.get(number[:length]) for length in lengths if length <= code]
        return next((price for price in found if price is not None), None)


_FORMS = {"destination": re.compile(f"{_COUNTRY.pattern}|{_BEGINNING.pattern}"), "price": _AMOUNT,
          "currency": _CURRENCY}  # fmt: skip


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each line that is not empty, with its number, as cells by column."""
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    header: list[str] = []
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if not header:
            header = [cell.lower() for cell in cells]
            if sorted(header) != sorted(_COLUMNS):
                raise ValueError(
                    f"line {reader.line_num}: must be the header, with the columns"
                    f" {', '.join(_COLUMNS)}"
                )
        elif len(cells) != len(header):
            raise ValueError(
                f"line {reader.line_num}: must have {len(header)} columns, not {len(cells)}"
            )
        else:
            yield reader.line_num, dict(zip(header, cells, strict=True))


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))
