"""Parse local phone numbers with a country's numbering plan. The only importer of phonenumbers.

Rule of this file: it is imported only if a country is set, and no error quotes the number.
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
        region_codes_for_country_code,
    )
except ModuleNotFoundError as _error:
    raise missing(_error, "a country") from None

from .protocol.numbers import bare_number

__all__ = ["COUNTRY_RULE", "international", "is_country", "region", "time_zones"]

COUNTRY_RULE = "a country is its two-letter code of ISO 3166, in capitals, such as UA"

_ALSO_DROPPED = "./"
"""Separators in local numbers, in addition to spaces, dashes and brackets."""
_DECIMALS = re.compile(r"\A\s*\+?[0-9]+[.,]0+\s*\Z")
_ZONE_DIGITS = 9
"""The longest beginning of a number on which its time zones depend."""
_ZONES: dict[str, frozenset[str]] = {}
_MOST_ZONES = 100_000
_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""Some plans, such as the North American one, do not separate mobile from fixed-line numbers."""


def is_country(value: str) -> bool:
    """Return whether this is a country code whose numbering plan is known."""
    return value in SUPPORTED_REGIONS


def international(number: str, country: str) -> str:
    """Return a local or international number as `+` and digits.

    Args:
        number: the number as written.
        country: two-letter country code; a number without a calling code belongs to this country.

    Raises:
        ValueError: the number cannot be read, cannot exist, or is not a mobile number. The message
            is the predicate of a sentence that begins with "the number".
    """
    # `parse` gets only digits: it would read letters as telephone keys and drop extensions.
    if _DECIMALS.search(number):
        raise ValueError("has a decimal part, as spreadsheets add it")
    bare = bare_number(number, also=_ALSO_DROPPED)
    try:
        parsed = parse(bare, country)
    except NumberParseException:
        parsed = None
    if parsed is None:
        raise ValueError(f"cannot be read as a phone number of {country}")
    if not is_valid_number(parsed):
        raise ValueError("cannot exist: no operator in its country has such numbers")
    if number_type(parsed) not in _MOBILE:
        raise ValueError("is not a mobile number")
    found = str(format_number(parsed, PhoneNumberFormat.E164))
    trunk = ndd_prefix_for_region(region_code_for_number(parsed) or "", True)
    # Before the calling code, only an international prefix counts: 011 1 650… in the USA is valid.
    wrong = trunk and re.fullmatch(
        f"(.*){parsed.country_code}{trunk}{parsed.national_number}", bare
    )
    if wrong and (wrong[1] in ("", "+") or re.fullmatch(_abroad(country), wrong[1])):
        code = parsed.country_code
        raise ValueError(f"has {trunk} after the calling code {code}; remove the {trunk}")
    return found


def time_zones(number: str) -> frozenset[str]:
    """Return the time zones in which the owner of a number may be, none if they are not known.

    Args:
        number: `+` and digits.
    """
    beginning = number[: _ZONE_DIGITS + 1]
    if (known := _ZONES.get(beginning)) is not None:
        return known
    from phonenumbers.timezone import (  # noqa: PLC0415 - much data, which few need
        UNKNOWN_TIMEZONE,
        time_zones_for_number,
    )

    try:
        parsed = parse(number)
    except NumberParseException:
        return frozenset()
    zones = frozenset(time_zones_for_number(parsed)) - {UNKNOWN_TIMEZONE}
    if zones and len(_ZONES) < _MOST_ZONES:
        _ZONES[beginning] = zones
    return zones


def region(number: str) -> str:
    """Return the two-letter code of a number's country, "" if it is not known.

    Args:
        number: `+` and digits.
    """
    try:
        parsed = parse(number)
    except NumberParseException:
        return ""
    # If no operator has such numbers, a calling code of one country still tells which it is.
    alike = region_codes_for_country_code(parsed.country_code or 0)
    found = str(region_code_for_number(parsed) or (alike[0] if len(alike) == 1 else ""))
    return found if found.isalpha() else ""  # 001 stands for numbers of no country


def _abroad(country: str) -> str:
    """Return the pattern of the international prefix that is dialled in this country."""
    return str(getattr(PhoneMetadata.metadata_for_region(country), "international_prefix", ""))
