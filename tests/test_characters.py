"""Which characters a text may have (docs: how it is tested, "Outgoing characters")."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate.protocol.characters import complaint, normalise_lines


def can_be_sent(code_point: int) -> bool:
    """Return by the letter of the rule whether a character can be sent:

    no control, no surrogate, no noncharacter.
    """
    category = unicodedata.category(chr(code_point))
    noncharacter = 0xFDD0 <= code_point <= 0xFDEF or code_point & 0xFFFF in (0xFFFE, 0xFFFF)
    return code_point in (0x09, 0x0A) or (category not in ("Cc", "Cs") and not noncharacter)


def test_every_character_of_unicode_is_judged_by_the_rule():
    wrong = [
        hex(point)
        for point in range(sys.maxunicode + 1)
        if (complaint(chr(point)) is None) != can_be_sent(point)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "position", "code_point"),
    [
        ("\x00", 0, "U+0000"),
        ("abc\x1b", 3, "U+001B"),
        ("a\rb", 1, "U+000D"),
        ("a\r\nb", 1, "U+000D"),
        ("я\x7f", 1, "U+007F"),
        ("\x85", 0, "U+0085"),
        ("😀\ud800", 1, "U+D800"),
        ("\udfff\x00", 0, "U+DFFF"),
        ("a\ufffe", 1, "U+FFFE"),
        ("\uffff", 0, "U+FFFF"),
        ("\U0010ffff", 0, "U+10FFFF"),
    ],
)
def test_a_complaint_says_where_the_character_stands_and_which_it_is(
    text: str, position: int, code_point: str
):
    assert (
        complaint(text)
        == f"the character at position {position} ({code_point}) cannot be sent in an SMS"
    )


@pytest.mark.parametrize(
    "text", ["", "Ваш код: 4815", "a\tb\nc", "😀", "\ufeff\u200b\u202e", "\u2028", "]]><&>"]
)
def test_a_text_that_can_be_carried_has_no_complaint(text: str):
    assert complaint(text) is None


@given(before=st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"])), after=st.text())
def test_the_first_bad_character_is_the_one_that_is_told(before: str, after: str):
    assert (
        complaint(before + "\x01" + after)
        == f"the character at position {len(before)} (U+0001) cannot be sent in an SMS"
    )


def test_cr_lf_becomes_lf_and_a_lone_cr_stays():
    assert normalise_lines("a\r\nb\nc\rd\r\r\n") == "a\nb\nc\rd\r\n"


def test_where_cr_lf_is_to_be_mended_it_passes_and_positions_are_those_of_the_text_as_given():
    assert complaint("a\r\nb", cr_lf=True) is None
    assert (
        complaint("a\r\nb\x00", cr_lf=True)
        == "the character at position 4 (U+0000) cannot be sent in an SMS"
    )
    assert (
        complaint("a\r\r\n", cr_lf=True)
        == "the character at position 1 (U+000D) cannot be sent in an SMS"
    )
