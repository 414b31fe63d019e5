"""Numbers as people write them, read with the numbering plan of a country. The one importer of phonenumbers.

Rule of this file: it is imported only where a country is set, and a complaint never quotes the number.
"""

from __future__ import annotations

import re

from .extras import missing

try:
    from phonenumbers import (
        SUPPORTED_REGIONS,
        NumberParseException,
        PhoneMetadata,
        PhoneNumberFormat,
        PhoneNumberType,
        format_number,
        is_valid_number,
        ndd_prefix_for_region,
        number_type,
        parse,
        region_code_for_number,
    )
except ModuleNotFoundError as _error:
    raise missing(_error, "a country") from None

from .protocol.numbers import bare_number

__all__ = ["COUNTRY_RULE", "international", "is_country"]

COUNTRY_RULE = "a country is its two-letter code of ISO 3166, in capitals, such as UA"

_ALSO_DROPPED = "./"
"""What people write between the digits of a local number, beside spaces, dashes and brackets."""
_DECIMALS = re.compile(r"\A\s*\+?[0-9]+[.,]0+\s*\Z")
_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""The second is what plans say that do not tell them apart, as the North American one."""


def is_country(value: str) -> bool:
    """Return whether this is the code of a country whose numbering plan is known."""
    return value in SUPPORTED_REGIONS


def international(number: str, country: str) -> str:
    """Return `+` and the digits of a number that is written as people of this country do, or internationally.

    Raises `ValueError` that goes on after "the number": that it cannot be read, cannot exist, or is not that of a mobile phone.
    """
    # Never handed over as it is written: letters would be read as the keys of a telephone, and extensions would be cut off.
    if _DECIMALS.search(number):
        raise ValueError("has decimals, as a spreadsheet writes them")
    bare = bare_number(number, also=_ALSO_DROPPED)
    try:
        parsed = parse(bare, country)
    except NumberParseException:
        parsed = None
    if parsed is None:
        raise ValueError(f"cannot be read as a phone number of {country}")
    if not is_valid_number(parsed):
        raise ValueError("cannot exist: no operator of its country has such numbers")
    if number_type(parsed) not in _MOBILE:
        raise ValueError("is not that of a mobile phone")
    found = str(format_number(parsed, PhoneNumberFormat.E164))
    trunk = ndd_prefix_for_region(region_code_for_number(parsed) or "", True)
    # What stands before must be a way to dial abroad, or the trunk prefix is only the end of one: 011 1 650… in the USA.
    wrong = trunk and re.fullmatch(
        f"(.*){parsed.country_code}{trunk}{parsed.national_number}", bare
    )
    if wrong and (wrong[1] in ("", "+") or re.fullmatch(_abroad(country), wrong[1])):
        raise ValueError(
            f"has {trunk} after the country code {parsed.country_code}, where it is not dialled; leave it out"
        )
    return found


def _abroad(country: str) -> str:
    """Return the pattern of what is dialled in this country before the code of another one."""
    return str(getattr(PhoneMetadata.metadata_for_region(country), "international_prefix", ""))
