"""How many SMS a text is:

GSM 03.38 and its extension table, or UCS-2; 160 and 153, 70 and 67 (docs: parts).
"""

from __future__ import annotations

import needles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import Hidden, frames_of, raised_by, shown_by

from smsgate.protocol.characters import complaint
from smsgate.protocol.segments import Alphabet, segments

# GSM 03.38, sections 6.2.1 and 6.2.1.1, written as code points; 0x0D and the escape 0x1B are no
# characters of a text.
BASIC = {
    *range(0x20, 0x24), *range(0x25, 0x5B), *range(0x61, 0x7B), 0x0A, 0x24, 0x40, 0x5F,
    0xA1, 0xA3, 0xA4, 0xA5, 0xA7, 0xBF, 0xC4, 0xC5, 0xC6, 0xC7, 0xC9, 0xD1, 0xD6, 0xD8, 0xDC, 0xDF,
    0xE0, 0xE4, 0xE5, 0xE6, 0xE8, 0xE9, 0xEC, 0xF1, 0xF2, 0xF6, 0xF8, 0xF9, 0xFC,
    0x0393, 0x0394, 0x0398, 0x039B, 0x039E, 0x03A0, 0x03A3, 0x03A6, 0x03A8, 0x03A9,
}  # fmt: skip
EXTENSION = {0x5B, 0x5C, 0x5D, 0x5E, 0x7B, 0x7C, 0x7D, 0x7E, 0x20AC}

gsm = st.sampled_from([chr(point) for point in sorted(BASIC | EXTENSION)])
any_character = st.one_of(
    gsm,
    st.sampled_from("Їжак😀👍\U0001f1fa\u200b\t"),
    st.characters(exclude_categories=["Cs", "Cc", "Cn"]),
)
texts = st.builds(
    lambda start, filling, count, end: start + filling * count + end,
    st.text(any_character, max_size=30),
    st.text(any_character, min_size=1, max_size=3),
    st.integers(min_value=0, max_value=170),
    st.text(any_character, max_size=30),
).filter(lambda text: bool(text) and complaint(text) is None)


def units_of(text: str, alphabet: Alphabet) -> int:
    """Return by the letter of the standard how many septets or UTF-16 units a text takes."""
    if alphabet is Alphabet.UCS_2:
        return len(text.encode("utf-16-be")) // 2
    return sum(2 if ord(character) in EXTENSION else 1 for character in text)


def test_gsm_alphabet_of_this_file_has_the_standard_size():
    assert (len(BASIC), len(EXTENSION)) == (128 - 2, 9)


def test_each_character_is_counted_by_the_standard_alphabet():
    """All characters of the Basic Multilingual Plane."""
    for point in range(0x10000):
        character = chr(point)
        if complaint(character) is None:
            counted = segments(character)
            expected = (
                (Alphabet.GSM_7, 1)
                if point in BASIC
                else (Alphabet.GSM_7, 2)
                if point in EXTENSION
                else (Alphabet.UCS_2, 1)
            )
            assert (counted.alphabet, counted.units) == expected, hex(point)


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "parts", "free"),
    [
        ("a", Alphabet.GSM_7, 1, 1, 159),
        ("a" * 160, Alphabet.GSM_7, 160, 1, 0),
        ("a" * 161, Alphabet.GSM_7, 161, 2, 145),
        ("a" * 306, Alphabet.GSM_7, 306, 2, 0),
        ("a" * 307, Alphabet.GSM_7, 307, 3, 152),
        ("a" * 1530, Alphabet.GSM_7, 1530, 10, 0),
        ("€" * 80, Alphabet.GSM_7, 160, 1, 0),
        ("€" * 81, Alphabet.GSM_7, 162, 2, 143),
        ("a" * 152 + "€" + "a" * 151, Alphabet.GSM_7, 305, 2, 0),
        ("я", Alphabet.UCS_2, 1, 1, 69),
        ("я" * 70, Alphabet.UCS_2, 70, 1, 0),
        ("я" * 71, Alphabet.UCS_2, 71, 2, 63),
        ("я" * 134, Alphabet.UCS_2, 134, 2, 0),
        ("я" * 135, Alphabet.UCS_2, 135, 3, 66),
        ("😀" * 35, Alphabet.UCS_2, 70, 1, 0),
        ("😀" * 36, Alphabet.UCS_2, 72, 2, 61),
        ("я" * 66 + "😀" + "я" * 65, Alphabet.UCS_2, 133, 2, 0),
        ("a" * 69 + "я", Alphabet.UCS_2, 70, 1, 0),
        ("[a]", Alphabet.GSM_7, 5, 1, 155),
        ("a\tb", Alphabet.UCS_2, 3, 1, 67),
        ("`", Alphabet.UCS_2, 1, 1, 69),
        ("ç", Alphabet.UCS_2, 1, 1, 69),
        ("Ç", Alphabet.GSM_7, 1, 1, 159),
        ("\n", Alphabet.GSM_7, 1, 1, 159),
        (" ", Alphabet.GSM_7, 1, 1, 159),
    ],
)
def test_text_has_as_many_parts_as_the_standard_says(
    text: str, alphabet: Alphabet, units: int, parts: int, free: int
):
    counted = segments(text)
    assert (counted.alphabet, counted.units, counted.parts, counted.free) == (
        alphabet,
        units,
        parts,
        free,
    )


@given(text=texts)
def test_parts_make_up_the_text_and_each_is_as_full_as_possible(text: str):
    counted = segments(text)
    single, several = (160, 153) if counted.alphabet is Alphabet.GSM_7 else (70, 67)
    sizes = [units_of(part, counted.alphabet) for part in counted.texts]
    assert "".join(counted.texts) == text
    assert counted.units == sum(sizes) == units_of(text, counted.alphabet)
    assert counted.parts == len(counted.texts)
    assert all(counted.texts)
    if counted.units <= single:
        assert counted.texts == (text,)
        assert counted.free == single - counted.units
        return
    assert counted.parts > 1
    assert counted.free == several - sizes[-1] >= 0
    for size, following in zip(sizes[:-1], counted.texts[1:], strict=True):
        # A part ends before it is full only where the next character would not have fitted whole.
        assert size <= several < size + units_of(following[0], counted.alphabet)


@given(text=texts)
def test_text_is_ucs2_only_if_a_character_needs_it(
    text: str,
):
    """The characters that force UCS-2 are listed once each, in order."""
    dear = list(
        dict.fromkeys(character for character in text if ord(character) not in BASIC | EXTENSION)
    )
    assert segments(text).forced_by == tuple(dear)
    assert segments(text).alphabet is (Alphabet.UCS_2 if dear else Alphabet.GSM_7)


def test_cr_lf_counts_as_one_line_feed():
    assert segments("a\r\nb").units == 3
    assert segments("a\r\nb").texts == ("a\nb",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "text: is empty"),
        ("a\x00", "text: the character at position 1 (U+0000) cannot be sent in an SMS"),
        ("a\r\n\x00", "text: the character at position 3 (U+0000) cannot be sent in an SMS"),
        ("a\rb", "text: the character at position 1 (U+000D) cannot be sent in an SMS"),
        ("\ud83d", "text: the character at position 0 (U+D83D) cannot be sent in an SMS"),
        ("\x0c", "text: the character at position 0 (U+000C) cannot be sent in an SMS"),
    ],
)
def test_unsendable_text_cannot_be_counted(text: str, said: str):
    error = raised_by(lambda: segments(text))
    assert type(error) is ValueError
    assert str(error) == said


NEEDLE = needles.TEXT
SPOILT = Hidden(f"{NEEDLE}\x00")


def test_neither_a_count_nor_its_refusal_shows_the_text():
    assert needles.WORD not in repr(segments(NEEDLE))
    error = raised_by(lambda: segments(SPOILT))
    assert NEEDLE not in shown_by(error)
    assert [
        set(frame.f_locals) for frame in frames_of(error) if frame.f_code.co_name == "segments"
    ] == [{"function", "kept"}]


@pytest.mark.parametrize("alphabet", [("GSM-7", Alphabet.GSM_7), ("UCS-2", Alphabet.UCS_2)])
def test_alphabet_is_a_string(alphabet: tuple[str, Alphabet]):
    assert alphabet[0] == alphabet[1]
