"""Texts that need fewer parts: what would be saved, and that nothing is rewritten unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_campaign_ledgers import Places, places
from test_cli import Smsgate, bare

import smsgate
from smsgate.protocol.characters import complaint
from smsgate.protocol.rewriting import Rewriting, savings_of
from smsgate.protocol.segments import part_count, segments
from smsgate.protocol.transliteration import language_of

__all__ = ["bare", "places"]

QUOTED = "Your order «1234» is ready — come to our shop. " + "It is open until nine. " * 4
LONG = "Вітаємо! Ваше замовлення прибуло до відділення. Заберіть його до п'ятого грудня."

any_text = st.text(
    st.sampled_from("aZ1 .,€«»—…'’\u00a0\u200bїщьЯюЖыёъ😀\n"), min_size=1, max_size=400
).filter(lambda text: complaint(text) is None)


@given(text=any_text)
def test_fast_count_of_parts_agrees_with_segments(text: str) -> None:
    assert part_count(text) == segments(text).parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a", 1), ("a" * 161, 2), ("я" * 70, 1), ("я" * 71, 2), ("€" * 81, 2), ("😀" * 36, 2)],
)
def test_fast_count_of_parts_knows_both_alphabets(text: str, parts: int) -> None:
    assert part_count(text) == parts


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("«a» “b” „c‟", '"a" "b" "c"'),
        ("it’s ‘a’ ʼb ‹c›", "it's 'a' 'b 'c'"),
        ("a – b — c\u2011d", "a - b - c-d"),
        ("5\u00a0грн".replace("грн", "UAH"), "5 UAH"),
        ("a\u200bb\u00adc\ufeff", "abc"),
        ("wait…", "wait..."),
    ],
)
def test_typographic_characters_become_those_of_a_typewriter(text: str, plain: str) -> None:
    assert smsgate.replace_typography(text) == plain


@pytest.mark.parametrize("text", ["Ваше «замовлення»", "a\u200d", "plain", "😀…", "\u200b"])
def test_text_that_gains_nothing_keeps_its_typography(text: str) -> None:
    assert smsgate.replace_typography(text) == text


def test_ucs_2_text_loses_zero_width_characters_if_that_saves_a_part() -> None:
    text = "я" * 70 + "\u200b"
    assert smsgate.replace_typography(text) == "я" * 70
    assert smsgate.savings(text).typographic == 1


@given(text=any_text, language=st.sampled_from(["uk", "ru"]))
def test_savings_are_those_of_the_rewritten_text(text: str, language: Any) -> None:
    found = smsgate.savings(text, language)
    parts = segments(text).parts
    if found.typographic:
        rewritten = smsgate.replace_typography(text)
        assert parts - segments(rewritten).parts == found.typographic
    if found.transliterated:
        rewritten = smsgate.transliterate(text, language)
        assert parts - segments(rewritten).parts == found.transliterated
    if found.both > max(found.transliterated, found.typographic):
        rewritten = Rewriting("replace", language)(text)
        assert parts - segments(rewritten).parts == found.both
    assert found.both >= max(found.transliterated, found.typographic)


@pytest.mark.parametrize(
    ("text", "typographic", "transliterated", "both"),
    [
        (QUOTED, 2, 0, 2),
        (LONG, 0, 1, 1),
        (LONG + " «Смак»", 0, 0, 1),
        (LONG + "😀", 0, 0, 0),
        ("Код", 0, 0, 0),
        ("x" * 200, 0, 0, 0),
        ("\u200b" * 71, 0, 0, 0),
    ],
)
def test_savings_are_counted_in_parts(
    text: str, typographic: int, transliterated: int, both: int
) -> None:
    found = smsgate.savings(text)
    assert (found.typographic, found.transliterated, found.both) == (
        typographic,
        transliterated,
        both,
    )


def test_savings_add_up_and_keep_the_language_that_saves() -> None:
    text = "Ваш заказ прибыл в отделение. " * 3
    one = savings_of(text, segments(text), "ru")
    total = one + smsgate.savings("Код")
    assert (total.transliterated, total.language) == (1, "ru")
    assert not smsgate.savings("Код")


def test_language_is_russian_only_if_its_letters_say_so() -> None:
    assert [language_of(text) for text in ("мышь", "їжак", "мышь і їжак", "так")] == [
        "ru", "uk", "uk", "uk",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "named"),
    [({"typographic": "drop"}, "typographic"), ({"transliterate": "be"}, "transliterate")],
)
def test_unknown_rewriting_is_an_error(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: must be"):
        Rewriting(**options)


def texts_of(places: Places, name: str) -> set[str | None]:
    with places.open(name) as campaign:
        example = campaign.figures().example
        return {example and example.text}


def test_campaign_rewrites_nothing_unless_asked(places: Places) -> None:
    with places.create("a", ["+380501234567"], text=LONG) as campaign:
        assert campaign.added is not None
        assert campaign.added.savings.transliterated == 1
    assert texts_of(places, "a") == {LONG}


def test_campaign_sends_the_rewritten_text_if_asked(places: Places) -> None:
    rows = [{"phone": "+380501234567", "name": "Їжак"}]
    text = "{name} «x» " + LONG
    with places.create("a", rows, text=text, transliterate="uk", typographic="replace") as campaign:
        assert campaign.added is not None
        assert not campaign.added.savings
        assert campaign.plan().cost == 1
    (sent,) = texts_of(places, "a")
    assert sent is not None
    assert sent.startswith('Yizhak "x" Vitaiemo!')


def test_savings_of_a_campaign_leave_out_repeated_numbers(places: Places) -> None:
    """They are counted over the texts that are sent, with each recipient's own words."""
    rows = [
        {"phone": "+380501234567", "text": LONG},
        {"phone": "+380501234567", "text": LONG + "!"},
        {"phone": "+380501234568", "text": "Код"},
        {"phone": "12", "text": LONG},
        {"phone": "+380501234569", "text": LONG + " «x»"},
    ]
    with places.create("a", rows, text="{text}") as campaign:
        assert campaign.added is not None
        found = campaign.added.savings
        assert (found.typographic, found.transliterated, found.both) == (0, 1, 2)


def test_segments_says_what_each_rewriting_saves(bare: Smsgate) -> None:
    said = bare("segments", QUOTED).out
    assert "Typographic replacements would save 2 of 3 parts" in said
    assert "  --typographic replace\n" in said
    document = bare("segments", LONG, "--transliterate", "uk", "--json").document
    assert (document["alphabet"], document["parts"]) == ("GSM-7", 1)
    assert bare("segments", LONG, "--json").document["savings"]["transliterated"] == 1


def test_new_campaign_says_what_would_be_saved(bare: Smsgate, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("phone\n+380501234567\n+380501234568\n", "utf-8")
    said = bare("campaign", "new", "a.sms", "list.csv", "--sender", "Shop", "--text", LONG).out
    assert "Transliteration would save 1 of 2 parts per message (2 of 4 parts):" in said
    assert "  --transliterate uk\n" in said
