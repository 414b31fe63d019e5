"""The languages: every sentence of the report is translated, and every translation is said.

The file that is read is the one that the translations make.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from xml.etree import ElementTree

import anyio
import pytest
from catalogue import COMPILED, Sentence, compiled, sentences, sentences_in, translations
from test_campaign_report import KYIV, MILLION, NOON, UNASKED, Made, S, page_of, parsed

from smsgate.campaign import Decision, Event, Evidence, Figures, RequestInDoubt, Text
from smsgate.campaign.wording import (
    STATES,
    STATUSES,
    clock,
    duration,
    left_out,
    moment,
    on_average,
    sentence,
    share,
)
from smsgate.languages import (
    ENGLISH,
    LANGUAGES,
    language_called,
    language_from,
    plural,
    say,
    speaking,
    spoken,
)
from smsgate.protocol.answers import DeliveryState

UKRAINIAN = language_called("uk")
FIELD = re.compile(r"{(\w*)}")


# The catalogue


def test_every_sentence_is_translated_and_every_translation_is_said():
    said, translated = sentences(), translations()
    assert sorted(said - set(translated), key=str) == [], "no translation"
    assert sorted(set(translated) - said, key=str) == [], "no such sentence"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('language.say("a {b}", b=1)', {"a {b}"}),
        ("x = f\"{page.say('in a string')}\"", {"in a string"}),
        ('page.plural("{number} a", "{number} b", 3)', {("{number} a", "{number} b")}),
        ('N = {1: translatable("two " "pieces")}', {"two pieces"}),
        ('N = translatable_plural("{number} a", "{number} b")', {("{number} a", "{number} b")}),
        ("page.say(name)", set()),
        ('page.said("raw")', set()),
    ],
)
def test_sentences_are_found_in_the_source(source: str, found: set[Sentence]):
    assert set(sentences_in(source)) == found


def test_translations_are_whole_and_keep_their_fields():
    for english, message in translations().items():
        pair = isinstance(english, tuple)
        forms = message.string if pair else (message.string,)
        assert len(forms) == (3 if pair else 1), english
        assert not message.fuzzy, english
        fields = set(FIELD.findall(english[1] if pair else english))
        for form in forms:
            assert form, english
            assert set(FIELD.findall(form)) == fields, english


def test_compiled_file_is_made_of_the_translations():
    """If this fails, run `python tests/catalogue.py`."""
    made = gettext.GNUTranslations(BytesIO(compiled()))
    with COMPILED.open("rb") as opened:
        read = gettext.GNUTranslations(opened)
    for english in translations():
        if isinstance(english, str):
            assert read.gettext(english) == made.gettext(english)
            continue
        for number in (1, 2, 5):
            assert read.ngettext(*english, number) == made.ngettext(*english, number)


def test_states_and_statuses_have_their_own_names():
    assert list(STATES.values()) == [str(state) for state in STATES]
    assert set(STATES) == set(S)
    assert dict(STATUSES) == {state: str(state) for state in DeliveryState}


# What Ukrainian readers expect


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 кредитів"), (1, "1 кредит"), (2, "2 кредити"), (4, "4 кредити"), (5, "5 кредитів"),
        (11, "11 кредитів"), (12, "12 кредитів"), (14, "14 кредитів"), (21, "21 кредит"),
        (22, "22 кредити"), (100, "100 кредитів"), (101, "101 кредит"), (111, "111 кредитів"),
        (1_002, "1\u00a0002 кредити"), (12_000, "12\u00a0000 кредитів"),
    ],
)  # fmt: skip
def test_ukrainian_noun_agrees_with_its_number(number: int, said: str):
    assert UKRAINIAN.plural("{number} credit", "{number} credits", number) == said


@pytest.mark.parametrize(
    ("number", "said"), [(1, "1 одержувач"), (2, "2 одержувачі"), (5, "5 одержувачів")]
)
def test_ukrainian_recipients_have_three_forms(number: int, said: str):
    found = UKRAINIAN.plural(
        "Request {id}: {number} recipient", "Request {id}: {number} recipients", number, id=7
    )
    assert found == f"Запит 7: {said}"


@pytest.mark.parametrize(
    ("given", "accepted", "said"),
    [
        (1, 1, "Шлюз прийняв повідомлення для 1 з 1 одержувача."),
        (2, 1, "Шлюз прийняв повідомлення для 1 з 2 одержувачів."),
        (21, 5, "Шлюз прийняв повідомлення для 5 з 21 одержувача."),
    ],
)
def test_ukrainian_summary_agrees_with_the_list(given: int, accepted: int, said: str):
    figures = replace(UNASKED, states={S.ACCEPTED: accepted, S.REFUSED: given - accepted})
    assert sentence(figures, UKRAINIAN) == said


@pytest.mark.parametrize(
    ("number", "english", "ukrainian"),
    [
        (1_234, "1,234", "1\u00a0234"),
        (-12_000, "\u221212,000", "\u221212\u00a0000"),
        (Decimal("1234.50"), "1,234.50", "1\u00a0234,50"),
    ],
)
def test_number_is_written_as_usual(number: int | Decimal, english: str, ukrainian: str):
    assert ENGLISH.count(number) == english
    assert UKRAINIAN.count(number) == ukrainian


def test_times_and_shares_are_written_as_usual_in_ukrainian():
    assert moment(NOON, KYIV, UKRAINIAN) == "6 березня 2026, 12:00:00 (UTC+02:00)"
    assert clock(NOON, KYIV, 90_000, UKRAINIAN) == "6 бер 12:00"
    assert clock(NOON, KYIV, 1, UKRAINIAN) == "12:00:00,0"
    assert share(1, 3, UKRAINIAN) == "33,3%"
    assert share(1, 1_000_000, UKRAINIAN) == "<0,1%"
    assert duration(7_800, UKRAINIAN) == "2 год 10 хв"
    assert duration(0.42, UKRAINIAN) == "0,4 с"
    assert duration(0, UKRAINIAN) == "менше ніж 0,1 с"
    assert on_average(1_234.5, UKRAINIAN) == "1\u00a0234"
    assert on_average(0.03, UKRAINIAN) == "менше ніж 0,1"
    assert left_out({"no number": 2}, UKRAINIAN) == {"немає номера": 2}


# Which language


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "uk_UA.UTF-8"}, "uk"),
        ({"LANG": "uk_UA"}, "uk"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "uk_UA.UTF-8"}, "uk"),
        ({"LANG": "uk_UA.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "uk_UA.UTF-8", "LC_ALL": ""}, "uk"),
        ({"LANG": "uk"}, "uk"),
        ({"LANG": "ukr_UA"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "uk_UA.UTF-8"}, "uk"),
        ({"LC_MESSAGES": "en_GB.UTF-8", "LC_ALL": "uk_UA@euro"}, "uk"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "uk"}, "uk"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "de:uk_UA:en"}, "uk"),
        ({"LANG": "uk_UA.UTF-8", "LANGUAGE": "de:en"}, "en"),
        ({"LANG": "uk_UA.UTF-8", "LANGUAGE": "de"}, "uk"),
        ({"LANGUAGE": "uk"}, "uk"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "uk"}, "en"),
        ({"LC_ALL": "POSIX", "LANG": "uk_UA.UTF-8"}, "en"),
    ],
)
def test_language_comes_from_the_environment(environment: Mapping[str, str], code: str):
    assert language_from(environment) == code


def test_unknown_language_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="language: must be one of en, uk"):
        language_called("de")
    assert [language_called(code).code for code in LANGUAGES] == ["en", "uk"]


def test_language_is_spoken_only_inside_of_its_block():
    assert (spoken().code, say("Recipients")) == ("en", "Recipients")
    with speaking("uk"):
        assert (spoken().code, say("Recipients")) == ("uk", "Одержувачі")
        assert plural("{number} credit", "{number} credits", 2) == "2 кредити"
        with speaking("en"):
            assert say("Recipients") == "Recipients"
        assert anyio.run(_said_in_a_task) == "Одержувачі"
    assert spoken() is ENGLISH
    with pytest.raises(ValueError, match="language"), speaking("de"):
        pass  # pragma: no cover - it is not entered


async def _said_in_a_task() -> str:
    said: list[str] = []

    async def speak() -> None:
        said.append(say("Recipients"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak)
    return said[0]


# The whole page

LOST = RequestInDoubt(
    7, NOON, NOON + 1, 100, 100, 200, "", 200, 5,
    Evidence(Decimal(900), NOON, 50, Decimal(650), NOON, 2, ("7",), 1, ("8",)),
)  # fmt: skip
EVERYTHING = replace(
    MILLION, name="100", skipped={"": 100}, refused={"": 100}, abandoned={"": 1}, ucs2=3,
    states=dict.fromkeys(S, 100), forced_by="ж", example=Text("1", "2", None),
    deliveries=dict.fromkeys(["", *DeliveryState], 1), costs=dict.fromkeys(S, 100),
    decisions=tuple(
        Decision(NOON, "1", event, "", request, line, 4)
        for event in (Event.RESEND, Event.FOUND, Event.ASSUME_SENT, Event.GIVE_UP, Event.CANCEL)
        for request, line in ((1, None), (None, 2), (None, None))
    ),
)  # fmt: skip
_NO_WORDS = {"UCS", "GSM", "HTTP", "UTC", "smsgate"}


@pytest.mark.parametrize(
    "figures",
    [
        EVERYTHING,
        replace(EVERYTHING, purged=True, last_outcome="paused", ucs2=0),
        replace(EVERYTHING, states={S.PENDING: 3}, runs=0, requests=0, first_claim=None),
        replace(UNASKED, name="3"),
    ],
    ids=["everything", "purged", "not started", "unasked"],
)
def test_ukrainian_page_has_no_english_words(figures: Figures, monkeypatch: pytest.MonkeyPatch):
    made = Made(figures, slots=60, requests=13)
    monkeypatch.setattr(made, "in_doubt", lambda: [LOST] * 13)
    root = parsed(page_of(made, language="uk"))
    assert root.get("lang") == "uk"
    assert set(re.findall("[A-Za-z]{2,}", " ".join(texts_of(root)))) <= _NO_WORDS


def texts_of(root: ElementTree.Element) -> list[str]:
    """Return all words of the page besides its style and the commands to copy."""
    commands = {id(one) for one in root.iter("code")} | {id(one) for one in root.iter("style")}
    return [
        text
        for one in root.iter()
        for text in (one.text if id(one) not in commands else None, one.tail)
        if text
    ]


def test_page_in_both_languages_has_the_same_figures():
    digits = [
        re.findall(r"\d+", re.sub("[\u00a0,.]", "", " ".join(texts_of(parsed(page)))))
        for page in (
            page_of(Made(UNASKED), language="en", now=NOON),
            page_of(Made(UNASKED), language="uk", now=NOON),
        )
    ]
    assert digits[0] == digits[1]
