"""The phone number in a row of a list, or what is wrong with the row.

Rule of this file: it never guesses. The recipients of a campaign and the numbers of a stop list are
read by the same rules.
"""

from __future__ import annotations

from ..protocol.numbers import international_number, is_international, wrong_length
from .columns import SHORTENED, given_number, has_several_numbers, may_be_two_numbers
from .sources import Row

__all__ = ["UnreadableRow", "international_in", "number_in"]


class UnreadableRow(ValueError):
    """The row has no number that can be read. The message says why, without the number."""


def number_in(row: Row, country: str | None) -> str:
    """Return the number of a row, as written. Raises `UnreadableRow`."""
    if row.complaint:
        raise UnreadableRow(row.complaint)
    # Most lists have such numbers alone, and the other checks take ten times as long.
    if is_international(row.number):
        return row.number
    number = given_number(row.number)
    if not number:
        raise UnreadableRow("no number")
    if SHORTENED.match(number):
        raise UnreadableRow(
            "Excel has shortened this number: format the column as text and save the list again"
        )
    if "," in number or has_several_numbers(number):
        raise UnreadableRow("more than one number in one cell")
    if country is None and may_be_two_numbers(number):
        raise UnreadableRow(
            "perhaps two numbers in one cell; if it is one number, write it with + and the"
            " calling code, or set a country"
        )
    return number


def international_in(row: Row, country: str | None) -> str:
    """Return the number of a row as `+` and digits. Raises `UnreadableRow`.

    It need not be the number of a mobile phone: that matters only to whom is sent to.
    """
    number = number_in(row, country)
    if not is_international(number):
        number = _converted(number, country)
    if wrong := wrong_length(number):
        raise UnreadableRow(wrong)
    return number


def _converted(written: str, country: str | None) -> str:
    try:
        if country is None:
            return international_number(written)
        from ..phone import international  # noqa: PLC0415 - an optional extra

        return international(written, country)
    except ValueError as error:
        raise UnreadableRow(str(error).removeprefix("is ")) from None
