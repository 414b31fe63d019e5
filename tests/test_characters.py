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


def test_each_unicode_character_is_judged_by_the_rule():
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
def test_complaint_names_the_character_and_its_position(text: str, position: int, code_point: str):
    assert (
        complaint(text)
        == f"the character at position {position} ({code_point}) cannot be sent in an SMS"
    )


@pytest.mark.parametrize(
    "text", ["", "Ваш код: 4815", "a\tb\nc", "😀", "\ufeff\u200b\u202e", "\u2028", "]]><&>"]
)
def test_sendable_text_has_no_complaint(text: str):
    assert complaint(text) is None


@given(before=st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"])), after=st.text())
def test_first_bad_character_is_reported(before: str, after: str):
    assert (
        complaint(before + "\x01" + after)
        == f"the character at position {len(before)} (U+0001) cannot be sent in an SMS"
    )


def test_cr_lf_becomes_lf_and_a_lone_cr_stays():
    assert normalise_lines("a\r\nb\nc\rd\r\r\n") == "a\nb\nc\rd\r\n"


def test_cr_lf_passes_if_allowed_and_positions_count_both():
    """Positions are those of the text as given."""
    assert complaint("a\r\nb", cr_lf=True) is None
    assert (
        complaint("a\r\nb\x00", cr_lf=True)
        == "the character at position 4 (U+0000) cannot be sent in an SMS"
    )
    assert (
        complaint("a\r\r\n", cr_lf=True)
        == "the character at position 1 (U+000D) cannot be sent in an SMS"
    )
