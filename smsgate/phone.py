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
        PhoneNumberFormat,
        PhoneNumberType,
        format_number,
        is_valid_number,
        number_type,
        parse,
    )
except ModuleNotFoundError as _error:
    raise missing(_error, "a country") from None

__all__ = ["COUNTRY_RULE", "international", "is_country"]

COUNTRY_RULE = "a country is its two-letter code of ISO 3166, in capitals, such as UA"

# Letters would be read as the keys of a telephone, and an extension cannot be sent to.
_WRITTEN = re.compile(r"[0-9+ \u00a0().\-/\u2010-\u2015]+\Z")
_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""The second is what plans say that do not tell them apart, as the North American one."""


def is_country(value: str) -> bool:
    """Return whether this is the code of a country whose numbering plan is known."""
    return value in SUPPORTED_REGIONS


def international(number: str, country: str) -> str:
    """Return `+` and the digits of a number that is written as people of this country do, or internationally.

    Raises `ValueError` that goes on after "the number": that it cannot be read, cannot exist, or is not that of a mobile phone.
    """
    written = number.strip()
    try:
        parsed = parse(written, country) if _WRITTEN.match(written) else None
    except NumberParseException:
        parsed = None
    if parsed is None:
        raise ValueError(f"cannot be read as a phone number of {country}")
    if not is_valid_number(parsed):
        raise ValueError("cannot exist: no operator of its country has such numbers")
    if number_type(parsed) not in _MOBILE:
        raise ValueError("is not that of a mobile phone")
    return str(format_number(parsed, PhoneNumberFormat.E164))
