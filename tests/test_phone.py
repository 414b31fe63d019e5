"""Local numbers of a country: how they are read, and which are pointed out (extra `phone`)."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, ndd_prefix_for_region
from pydantic import ValidationError

import smsgate
from smsgate.campaign import Campaign, RecipientState, rows_source
from smsgate.phone import international
from smsgate.protocol.numbers import (
    has_trunk_zero,
    is_ukrainian,
    is_written_as_ukrainian,
    wrong_length,
)
from smsgate.sandbox import Sandbox

CANNOT_EXIST = "cannot exist: no operator in its country has such numbers"
NOT_MOBILE = "is not a mobile number"
UNREADABLE = "cannot be read as a phone number of UA"
STRANGE = "is not a phone number: the character at position {} ({}) is not allowed"
TRUNK = "has 0 after the calling code 380; remove the 0"


@pytest.mark.parametrize(
    "written",
    [
        "050 123-45-67",
        "0501234567",
        "(050) 123 45 67",
        "+380 50 123 45 67",
        "00380501234567",
        "50 123 45 67",
        "\u00a0050.123.45.67",
        "050/123\u201345\u221267",
        "\ufeff050\u200b123\u00ad45\u206067\r\n",
        "380501234567",
        "501234567",
    ],
)
def test_number_is_read_as_people_of_the_country_write_it(written: str):
    assert international(written, "UA") == "+380501234567"


def test_another_country_is_recognised_by_its_code():
    assert international("+48 512 345 678", "UA") == "+48512345678"
    assert international("512 345 678", "PL") == "+48512345678"
    assert international("8 916 123 45 67", "RU") == "+79161234567"
    assert (
        international("312 345 6789", "IT")
        == international("0039 312 345 6789", "UA")
        == "+393123456789"
    )


@pytest.mark.parametrize(
    ("written", "country", "read"),
    [
        ("011 1 650 253 0000", "US", "+16502530000"),
        ("01116502530000", "CA", "+16502530000"),
        ("1 650 253 0000", "US", "+16502530000"),
        ("011 380 50 123 45 67", "US", "+380501234567"),
        ("0011 61 412 345 678", "AU", "+61412345678"),
        ("810 7 701 123 45 67", "KZ", "+77011234567"),
        ("8 701 123 45 67", "KZ", "+77011234567"),
    ],
)
def test_international_prefix_is_no_part_of_a_number(written: str, country: str, read: str):
    assert international(written, country) == read


@pytest.mark.parametrize(
    ("written", "country", "trunk", "code"),
    [
        ("+1 1 650 253 0000", "US", 1, 1),
        ("011 1 1 650 253 0000", "US", 1, 1),
        ("0011 61 0412 345 678", "AU", 0, 61),
        ("810 7 8 701 123 45 67", "KZ", 8, 7),
    ],
)
def test_trunk_prefix_is_found_after_any_international_prefix(
    written: str, country: str, trunk: int, code: int
):
    with pytest.raises(
        ValueError, match=f"^has {trunk} after the calling code {code}; remove the {trunk}$"
    ):
        international(written, country)


def can_begin_with_zero(region: str) -> bool:
    """Return whether numbers of a region may begin with 0, by trying many."""
    plan = PhoneMetadata.metadata_for_region(region).general_desc
    pattern, choose = re.compile(plan.national_number_pattern), random.Random(region)
    return any(
        pattern.fullmatch(f"0{second}{''.join(choose.choices('0123456789', k=length - 2))}")
        for length in plan.possible_length
        for second in "0123456789"
        for _ in range(20)
    )


def test_trunk_zero_is_known_for_exactly_the_countries_that_use_it():
    expected = {
        code
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
        if {ndd_prefix_for_region(region, True) for region in regions} == {"0"}
        and not any(map(can_begin_with_zero, regions))
    }
    assert {
        code for code in COUNTRY_CODE_TO_REGION_CODE if has_trunk_zero(f"+{code}0501234567")
    } == expected
    assert {380, 44, 49} < expected
    assert not {39, 1, 7, 225, 242} & expected


def test_trunk_zero_follows_the_country_code_before_another_digit():
    assert has_trunk_zero("+3800501234567")
    assert not has_trunk_zero("+380501234567")
    assert not has_trunk_zero("+380000000001")


@pytest.mark.parametrize(
    ("number", "digits"),
    [("+380501234567", 9), ("+38050123456", 8), ("+3805012345678", 10), ("+48501234567", None)],
)
def test_ukrainian_number_is_plus_380_and_nine_digits(number: str, digits: int | None):
    assert is_ukrainian(number) == (digits == 9)
    wrong = (
        None
        if digits in {9, None}
        else f"not a number of Ukraine: it has {digits} digits after +380, not 9"
    )
    assert wrong_length(number) == wrong


@pytest.mark.parametrize(
    "written", ["38 (050) 123-45-67", "38(050)1234567", "380 (50) 123 45 67", "38050 1234567"]
)
def test_operator_code_of_a_ukrainian_number_may_be_set_apart(written: str):
    assert is_written_as_ukrainian(written)
    assert not is_written_as_ukrainian(written[:-1])
    assert not is_written_as_ukrainian(f"{written}8")
    assert not is_written_as_ukrainian(f"4{written[1:]}")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("044 123 45 67", NOT_MOBILE),
        ("0 800 500 111", NOT_MOBILE),
        ("050 123 45 678", CANNOT_EXIST),
        ("+380000000001", CANNOT_EXIST),
        ("12", CANNOT_EXIST),
        ("80671234567", CANNOT_EXIST),
        ("call me", STRANGE.format(0, "U+0063")),
        ("0501234567 ext. 5", STRANGE.format(11, "U+0065")),
        ("0800 FLOWERS", STRANGE.format(5, "U+0046")),
        ("٠٥٠1234567", STRANGE.format(0, "U+0660")),
        ("\uff0b380501234567", STRANGE.format(0, "U+FF0B")),
        ("0501234567;0671234567", STRANGE.format(10, "U+003B")),
        (
            "0501234567\n0671234567",
            "has a line break at position 10 (U+000A); separate numbers by commas",
        ),
        ("+3800501234567", TRUNK),
        ("3800501234567", TRUNK),
        ("00 380 (0)50 123 45 67", TRUNK),
        ("+44 (0)7911 123456", "has 0 after the calling code 44; remove the 0"),
        ("+7 8 916 123 45 67", "has 8 after the calling code 7; remove the 8"),
        ("+88213300655", NOT_MOBILE),
        ("", UNREADABLE),
        ("+", UNREADABLE),
    ],
)
def test_unsendable_number_is_explained_and_never_quoted(written: str, says: str):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared below
        international(written, "UA")
    assert str(caught.value) == says


@pytest.mark.parametrize(
    "written", ["6641234567.0", "6641234567,00", "436641234568.0", "+436641234567.000"]
)
def test_spreadsheet_decimals_are_no_digits_of_a_number(written: str):
    with pytest.raises(ValueError, match="has a decimal part, as spreadsheets add it"):
        international(written, "AT")


def test_message_with_a_country_takes_local_numbers():
    message = smsgate.Message(
        destinations=["050 123-45-67", "067 123 45 67"], text="Привіт", country="UA"
    )
    assert message.destinations == ("+380501234567", "+380671234567")
    assert message.model_dump() == {
        "sender": None,
        "destinations": message.destinations,
        "text": "Привіт",
        "wappush": None,
    }
    with pytest.raises(
        ValidationError, match="destination 1 is not a phone number in the international format"
    ):
        smsgate.Message(destinations="050", text="Привіт")
    with pytest.raises(ValidationError, match="destination 2 repeats destination 1"):
        smsgate.Message(destinations="0501234567,+380501234567", text="Привіт", country="UA")


@pytest.mark.parametrize(
    ("destinations", "country", "says"),
    [
        (["0501234567", "0441234567"], "UA", f"destination 2 {NOT_MOBILE}"),
        (
            "0501234567",
            "ua",
            "a country is its two-letter code of ISO 3166, in capitals, such as UA",
        ),
        (
            "0501234567",
            "XX",
            "a country is its two-letter code of ISO 3166, in capitals, such as UA",
        ),
        (
            "0501234567",
            380,
            "a country is its two-letter code of ISO 3166, in capitals, such as UA",
        ),
    ],
)
def test_complaint_does_not_contain_the_number(destinations: object, country: object, says: str):
    with pytest.raises(ValidationError) as caught:
        smsgate.Message(destinations=destinations, text="Привіт", country=country)  # type: ignore[arg-type]
    assert says in [row["msg"] for row in caught.value.errors()]
    assert "0441234567" not in str(caught.value) + repr(caught.value.errors())


def test_country_without_the_extra_is_an_unknown_field(monkeypatch: pytest.MonkeyPatch):
    # None is how Python itself marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    monkeypatch.delitem(sys.modules, "smsgate.phone")
    with pytest.raises(ValidationError) as caught:
        smsgate.Message(destinations="0501234567", text="Привіт", country="UA")
    (row,) = caught.value.errors()
    assert (row["loc"], row["type"]) == (("country",), "country_extra")
    assert (
        "a country needs phonenumbers, which is not installed: pip install 'aiosmsgate[phone]'"
        in row["msg"]
    )
    assert "0501234567" not in str(caught.value) + repr(caught.value.errors())


@pytest.mark.anyio
async def test_session_understands_numbers_of_its_country():
    with Sandbox() as sandbox:
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", sender="Shop", url=sandbox.url, country="UA"
        ) as session:
            await session.send_sms("050 123-45-67", "Привіт")
            with pytest.raises(ValidationError, match=NOT_MOBILE):
                await session.send_sms("044 123-45-67", "Привіт")
        assert [message.destination for message in sandbox.messages] == ["+380501234567"]


def test_campaign_skips_impossible_numbers(tmp_path: Path):
    rows = rows_source(["050 123-45-67", "+380501234567", "044 123 45 67", "050 123 45 678"])
    with Campaign.create(
        tmp_path / "a.sms", rows, sender="Shop", text="Привіт", country="UA"
    ) as campaign:
        seen = [(one.state, one.reason or one.number) for one in campaign.recipients()]
    assert seen[0] == (RecipientState.PENDING, "+380501234567")
    assert [reason for state, reason in seen[1:] if state is RecipientState.SKIPPED] == [
        "repeats line 1",
        NOT_MOBILE.removeprefix("is "),
        CANNOT_EXIST,
    ]


def test_invalid_country_is_an_error_before_a_file_is_made(tmp_path: Path):
    with pytest.raises(ValueError, match="two-letter code"):
        Campaign.create(
            tmp_path / "a.sms", rows_source(["1"]), sender="Shop", text="Привіт", country="UKR"
        )
    assert not list(tmp_path.iterdir())
