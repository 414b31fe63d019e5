"""What goes in and what comes out (docs:

wire format, "Destinations" and "Senders"). What is bad fails before it is sent.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any
from unicodedata import category

import needles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from shown import PYDANTIC_UNPICKLES, Hidden, frames_of, raised_by, shown_by

from smsgate.errors import Outcome
from smsgate.protocol.answers import Answer, ClassifiedAnswer, DeliveryState, classify
from smsgate.protocol.models import (
    SENDER_RULE,
    DeliveryStatus,
    Message,
    RecipientResult,
    SendResult,
    checked_again,
    invalid_message,
    is_sender,
    message_id,
)

NUMBER, OTHER = "+380501234567", "+380671234568"
ID = "0c306f85-57f5-f84a-1033-6075af2bcc6e"


def refusal(**arguments: Any) -> tuple[str, str]:
    """Return the field and the sentence with which a message is refused."""
    with pytest.raises(ValidationError) as caught:
        Message(**{"destinations": NUMBER, "text": "t", **arguments})
    (row,) = caught.value.errors()
    return ".".join(map(str, row["loc"])), row["msg"]


# Senders


def may_be_sender(value: str) -> bool:
    """Return by the letter of the rule whether a string is a signature or a phone number."""
    signature = 1 <= len(value) <= 11 and set(value) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-&"
    )
    digits = value.removeprefix("+")
    number = 8 <= len(digits) <= 15 and set(digits) <= set("0123456789") and digits[0] != "0"
    return signature or number


@pytest.mark.parametrize(
    "sender",
    [
        "S",
        "Shop",
        "A-B.C&D",
        "12345678901",
        "007",
        "380501234567",
        "+380501234567",
        "123456789012345",
        "....",
        "-&-",
    ],
)
def test_signature_or_phone_number_is_a_sender(sender: str):
    assert is_sender(sender)
    assert Message(sender=sender, destinations=NUMBER, text="t").sender == sender


@pytest.mark.parametrize(
    "sender",
    [
        "",
        " ",
        "TwelveChars!",
        "TwelveLetter",
        "Shop 24",
        "Shop_24",
        "Shop,24",
        "Shop/24",
        "Shop'24",
        "Shop(24",
        "a+b",
        "Shop\n",
        "380501234567\n",
        "\nShop",
        "Магазин",
        "Shоp",  # a Cyrillic о
        "٣٨٠٥٠",
        "+٣٨٠٥٠١٢٣٤٥٦",
        "+38050123456٧",
        "Shop²",
        "+1234567",
        "+",
        "++380501234567",
        "+0501234567",
        "0123456789012",
        "1234567890123456",
        "+1234567890123456",
    ],
)
def test_anything_else_is_no_sender(sender: str):
    assert not is_sender(sender)
    assert refusal(sender=sender) == ("sender", SENDER_RULE)


@pytest.mark.parametrize("sender", [b"Shop", 380501234567, True, ["Shop"]])
def test_sender_is_a_string(sender: Any):
    assert not is_sender(sender)
    assert refusal(sender=sender) == ("sender", SENDER_RULE)


def test_each_single_character_is_judged_as_a_sender_by_the_rule():
    """All characters of the Basic Multilingual Plane."""
    assert [
        chr(point) for point in range(0x10000) if is_sender(chr(point)) != may_be_sender(chr(point))
    ] == []


@given(
    st.one_of(
        st.text(st.sampled_from("AZaz09.-&+_, %'()*/\n٣я"), max_size=17),
        st.text("0123456789+٧", max_size=17),
        st.text(),
    )
)
def test_senders_are_judged_by_the_rule(sender: str):
    assert is_sender(sender) == may_be_sender(sender)


# Destinations

DECORATION = " ()-\t\u00a0\u2009\u202f\u3000\u2010\u2014\u2212\uff0d\u00ad\u200b\u200e\u2060\ufeff"


@pytest.mark.parametrize(
    ("given_", "taken"),
    [
        (NUMBER, (NUMBER,)),
        ("380501234567", (NUMBER,)),
        ("+38 (050) 123-45-67", (NUMBER,)),
        ("\u00a0+38\u00a0050\u00a0123\u00a045\u00a067 ", (NUMBER,)),
        (f"{NUMBER},{OTHER}", (NUMBER, OTHER)),
        (f" {OTHER} , {NUMBER} ", (OTHER, NUMBER)),
        ([NUMBER, OTHER], (NUMBER, OTHER)),
        ((NUMBER,), (NUMBER,)),
        ([f"{NUMBER},{OTHER}", "+12025550123"], (NUMBER, OTHER, "+12025550123")),
        ("+12345678", ("+12345678",)),
        ("+123456789012345", ("+123456789012345",)),
        ({NUMBER}, (NUMBER,)),
        (f"{NUMBER}\n", (NUMBER,)),
        (f"\r\n\t{NUMBER}\u2029, {OTHER}\r\n", (NUMBER, OTHER)),
        ("\ufeff+38\u200b050\u2060123\u00ad45\u200e67\u202c", (NUMBER,)),
        ("+38\u2009050\u202f123\u300045\t67", (NUMBER,)),
        ("+38\u2010050\u2013123\u221245\uff0d67\u2014", (NUMBER,)),
        ("12025550123", ("+12025550123",)),
        ("80 123 456 7890", ("+801234567890",)),
        ("+931234567", ("+931234567",)),
        ("+80671234567", ("+80671234567",)),
        ("+87011234567", ("+87011234567",)),
        ("84912345678", ("+84912345678",)),
        ("85291234567", ("+85291234567",)),
        ("870773123456", ("+870773123456",)),
        ("+3800501234567", ("+3800501234567",)),
    ],
)
def test_destinations_become_a_tuple_of_bare_numbers(given_: Any, taken: tuple[str, ...]):
    assert Message(destinations=given_, text="t").destinations == taken


def test_iterator_of_numbers_is_accepted():
    assert Message(destinations=iter([NUMBER, OTHER]), text="t").destinations == (NUMBER, OTHER)


RULE = "is not a phone number in the international format:"
LENGTH = f"{RULE} + and 8 to 15 digits, calling code first"
NO_DIGITS = f"{RULE} it has no digits; + and 8 to 15 digits, calling code first"
HELP = "write + and the calling code, or set a country"
LOCAL = f"{RULE} it begins with 0, as a local number does; {HELP}"
SHORT = f"{RULE} without a + it needs at least 11 digits; {HELP}"
OLD = f"{RULE} 80 and nine digits is the old long-distance format; {HELP}"
AT_HOME = f"{RULE} 8 and ten digits is the domestic format of Kazakhstan and Russia; {HELP}"
STRANGE = "is not a phone number: the character at position {} ({}) is not allowed"
BROKEN = "has a line break at position {} ({}); separate numbers by commas"


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ("", f"destination 1 {NO_DIGITS}"),
        (" ", f"destination 1 {NO_DIGITS}"),
        ("+", f"destination 1 {NO_DIGITS}"),
        ("()-\u200b", f"destination 1 {NO_DIGITS}"),
        (",", f"destination 1 {NO_DIGITS}"),
        (f"{NUMBER},", f"destination 2 {NO_DIGITS}"),
        (f",{NUMBER}", f"destination 1 {NO_DIGITS}"),
        (f"{NUMBER},,{OTHER}", f"destination 2 {NO_DIGITS}"),
        ("0501234567", f"destination 1 {LOCAL}"),
        ("0", f"destination 1 {LOCAL}"),
        ("012345678901", f"destination 1 {LOCAL}"),
        (
            "+0501234567",
            (
                f"destination 1 {RULE} no calling code begins with 0; + and 8 to 15 digits, "
                "calling code first"
            ),
        ),
        ("00380501234567", f"destination 1 {RULE} it begins with 00; write + in place of 00"),
        ("931234567", f"destination 1 {SHORT}"),
        ("687412345", f"destination 1 {SHORT}"),
        (f"{NUMBER}, 93 123-45-67", f"destination 2 {SHORT}"),
        ([NUMBER, "2025550123"], f"destination 2 {SHORT}"),
        ("1", f"destination 1 {SHORT}"),
        ("80671234567", f"destination 1 {OLD}"),
        ("8 (067) 123-45-67", f"destination 1 {OLD}"),
        ("87011234567", f"destination 1 {AT_HOME}"),
        ("8 (916) 123-45-67", f"destination 1 {AT_HOME}"),
        ("8 351 123 45 67", f"destination 1 {AT_HOME}"),
        ("+1234567", f"destination 1 {LENGTH}"),
        ("+1234567890123456", f"destination 1 {LENGTH}"),
        ("1234567890123456", f"destination 1 {LENGTH}"),
        (f"{NUMBER};{OTHER}", f"destination 1 {STRANGE.format(13, 'U+003B')}"),
        ("++380501234567", f"destination 1 {STRANGE.format(1, 'U+002B')}"),
        ("380+501234567", f"destination 1 {STRANGE.format(3, 'U+002B')}"),
        ("+٣٨٠٥٠١٢٣٤٥٦٧", f"destination 1 {STRANGE.format(1, 'U+0663')}"),
        ("+38050123456٧", f"destination 1 {STRANGE.format(12, 'U+0667')}"),
        ("+３８０", f"destination 1 {STRANGE.format(1, 'U+FF13')}"),
        ("\uff0b380501234567", f"destination 1 {STRANGE.format(0, 'U+FF0B')}"),
        ("+38050123456²", f"destination 1 {STRANGE.format(12, 'U+00B2')}"),
        ("+38050123456O", f"destination 1 {STRANGE.format(12, 'U+004F')}"),
        ("+38О501234567", f"destination 1 {STRANGE.format(3, 'U+041E')}"),
        ("+38050l234567", f"destination 1 {STRANGE.format(6, 'U+006C')}"),
        (f"{NUMBER}, tel:{OTHER}", f"destination 2 {STRANGE.format(1, 'U+0074')}"),
        ("+38050123456\ud83d", f"destination 1 {STRANGE.format(12, 'U+D83D')}"),
        (f"{NUMBER}\x00", f"destination 1 {STRANGE.format(13, 'U+0000')}"),
        ("+38050123456\U0001d7db", f"destination 1 {STRANGE.format(12, 'U+1D7DB')}"),
        ("12345678\n1234567", f"destination 1 {BROKEN.format(8, 'U+000A')}"),
        (f"\n{NUMBER}\r\n{OTHER}", f"destination 1 {BROKEN.format(14, 'U+000D')}"),
        (f"{NUMBER}\u2028{OTHER}", f"destination 1 {BROKEN.format(13, 'U+2028')}"),
        (f"{NUMBER},{NUMBER}", "destination 2 repeats destination 1"),
        ([OTHER, NUMBER, "380 50 1234567"], "destination 3 repeats destination 2"),
        ([NUMBER, 380671234568], "destination 2 is not a string"),
        ([None], "destination 1 is not a string"),
        ([NUMBER.encode()], "destination 1 is not a string"),
        ([[NUMBER]], "destination 1 is not a string"),
        ([], "at least one destination is needed"),
        (iter([]), "at least one destination is needed"),
        (5, "destinations are one string, with commas between numbers, or an iterable of strings"),
        (
            NUMBER.encode(),
            "destinations are one string, with commas between numbers, or an iterable of strings",
        ),
        (
            bytearray(b"+38"),
            "destinations are one string, with commas between numbers, or an iterable of strings",
        ),
        (
            {NUMBER: "name"},
            "destinations are one string, with commas between numbers, or an iterable of strings",
        ),
        (
            None,
            "destinations are one string, with commas between numbers, or an iterable of strings",
        ),
    ],
)
def test_invalid_number_is_refused_with_its_position(given_: Any, said: str):
    assert refusal(destinations=given_) == ("destinations", said)


BREAKS = "\n\r\v\f\x85\u2028\u2029"


def bare(written: str) -> str | None:
    """Return by the letter of the rule what a written number becomes, None if it is none."""
    inside = "".join(character for character in written if category(character) != "Cf").strip(
        BREAKS + DECORATION
    )
    left = [
        character
        for character in inside
        if character not in DECORATION and category(character) not in ("Zs", "Pd", "Cf")
    ]
    plus = left[:1] == ["+"]
    digits = "".join(left[1:] if plus else left)
    if not 8 <= len(digits) <= 15 or set(digits) - set("0123456789") or digits[0] == "0":
        return None
    return (
        "+" + digits
        if plus
        or (
            len(digits) >= 11 and not (len(digits) == 11 and digits[:2] in ("80", "83", "87", "89"))
        )
        else None
    )


@given(
    st.one_of(
        st.text(st.sampled_from("0123456789+" + DECORATION + BREAKS), max_size=22),
        st.text(st.sampled_from("0123456789"), min_size=7, max_size=17),
        st.text(st.sampled_from("80379"), min_size=10, max_size=12),
        st.text(st.sampled_from("1234567890٧"), min_size=7, max_size=17),
        st.text(),
    )
)
def test_destinations_are_judged_by_the_rule(written: str):
    if "," in written:
        return
    if expected := bare(written):
        assert Message(destinations=[written], text="t").destinations == (expected,)
    else:
        field, said = refusal(destinations=[written])
        assert (field, said.partition(" is ")[0].partition(" has ")[0]) == (
            "destinations",
            "destination 1",
        )


PLACES = st.lists(st.tuples(st.integers(0, 15), st.sampled_from(DECORATION)), max_size=6)


@given(
    st.integers(10**7, 10**15 - 1),
    PLACES,
    st.text(st.sampled_from(DECORATION + BREAKS), max_size=3),
)
def test_decoration_of_a_number_changes_nothing(
    digits: int, places: list[tuple[int, str]], tail: str
):
    written = f"+{digits}"
    for place, decoration in places:
        written = written[:place] + decoration + written[place:]
    assert Message(destinations=written + tail, text="t").destinations == (f"+{digits}",)


@given(st.text(st.sampled_from("0123456789"), min_size=6, max_size=18), st.characters(), st.data())
def test_no_complaint_quotes_the_number(digits: str, character: str, data: st.DataObject):
    place = data.draw(st.integers(0, len(digits)))
    with pytest.raises(ValidationError) as caught:
        Message(destinations=[digits[:place] + character + digits[place:], "+1"], text="t")
    shown = str(caught.value) + repr(caught.value.errors())
    assert digits not in shown
    assert not re.search(r"[0-9]{6}", shown.replace("errors.pydantic.dev", ""))


# Text and WAP push


@pytest.mark.parametrize(
    ("given_", "taken"),
    [
        ("Ваш код: 4815", "Ваш код: 4815"),
        ("a\r\nb\n\tc", "a\nb\n\tc"),
        (" a ", " a "),
        ("😀", "😀"),
        ("\u200b", "\u200b"),
    ],
)
def test_text_is_unchanged_except_that_cr_lf_becomes_lf(given_: str, taken: str):
    assert Message(destinations=NUMBER, text=given_).text == taken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a text must not be blank"),
        (" \n\t\u00a0", "a text must not be blank"),
        ("\r\n", "a text must not be blank"),
        ("a\rb", "the character at position 1 (U+000D) cannot be sent in an SMS"),
        ("a\r\nb\x00", "the character at position 4 (U+0000) cannot be sent in an SMS"),
        ("я\ud83d", "the character at position 1 (U+D83D) cannot be sent in an SMS"),
        ("\ufffe", "the character at position 0 (U+FFFE) cannot be sent in an SMS"),
        (5, "a text is a string"),
        (b"text", "a text is a string"),
        (["text"], "a text is a string"),
    ],
)
def test_blank_or_unsendable_text_is_refused(text: Any, said: str):
    assert refusal(text=text) == ("text", said)


@pytest.mark.parametrize(
    "wappush",
    [
        "http://example.com/a?b=c&d",
        "https://example.com",
        "HTTP://EXAMPLE.COM/",
        "http://приклад.укр/",
    ],
)
def test_wappush_alone_is_a_message(wappush: str):
    message = Message(destinations=NUMBER, wappush=wappush)
    assert (message.text, message.wappush) == (None, wappush)


@pytest.mark.parametrize(
    "wappush",
    [
        "",
        " ",
        "example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http:example.com",
        " http://example.com",
        "http://example.com/a b",
        "http://example.com/\n",
        "http://example.com/\u2003",
        "http://example.com/\x00",
        "http://[::1",
        5,
        b"http://example.com",
    ],
)
def test_invalid_web_address_is_no_wappush(wappush: Any):
    said = "a wappush is an address that begins with http:// or https:// and has no white space"
    assert refusal(wappush=wappush) == ("wappush", said)


def test_message_needs_a_text_or_a_wappush():
    assert refusal(text=None) == ("", "text or wappush must be given")


def test_text_and_wappush_may_be_combined():
    assert Message(destinations=NUMBER, text="t", wappush="http://example.com").text == "t"


# The model


def test_all_errors_are_reported_at_once():
    with pytest.raises(ValidationError) as caught:
        Message(sender="", destinations="", text="", wappush="")
    assert [row["loc"] for row in caught.value.errors()] == [
        ("sender",),
        ("destinations",),
        ("text",),
        ("wappush",),
    ]


def test_each_complaint_has_a_type_that_a_program_can_compare():
    with pytest.raises(ValidationError) as caught:
        Message(sender="", destinations="", text="", wappush="", flash=True)
    types = [row["type"] for row in caught.value.errors()]
    assert types == ["sender", "destination", "text_blank", "wappush", "extra_forbidden"]


def test_unknown_field_is_refused():
    assert refusal(flash=True) == ("flash", "Extra inputs are not permitted")


@pytest.mark.parametrize("name", ["self", "given", "unknown", "invalid"])
def test_field_named_like_an_internal_attribute_is_unknown(name: str):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Message.model_validate({"destinations": NUMBER, "text": "t", name: "x"})


def test_message_is_immutable_and_compares_by_value():
    message = Message(destinations=NUMBER, text="t")
    with pytest.raises(ValidationError):
        message.text = "other"  # type: ignore[misc]
    assert message == Message(destinations="380501234567", text="t")
    assert hash(message) == hash(Message(destinations=[NUMBER], text="t"))
    assert pickle.loads(pickle.dumps(message)) == message


BODY = {"sender": "Shop", "destinations": [NUMBER, OTHER], "text": "t"}


@pytest.mark.parametrize(
    "read",
    [
        TypeAdapter(Message).validate_python,
        Message.model_validate,
        lambda body: Message.model_validate_json(json.dumps(body)),
        lambda body: TypeAdapter(Message).validate_json(json.dumps(body)),
        lambda body: TypeAdapter(list[Message]).validate_python([body])[0],
    ],
)
def test_message_can_be_the_body_of_a_web_request(read: Callable[[Any], Message]):
    assert read(BODY) == Message(sender="Shop", destinations=[NUMBER, OTHER], text="t")
    assert read(BODY).model_dump(mode="json") == {**BODY, "wappush": None}
    with pytest.raises(ValidationError):
        read({**BODY, "text": ""})


@pytest.mark.parametrize(
    "body",
    [
        "secret +380501234567",
        '{"text": "secret"',
        b"\xff secret",
        '["secret"]',
        '{"text": "secret", "x": 1}',
    ],
)
def test_invalid_body_is_shown_nowhere(body: str | bytes):
    error = raised_by(
        lambda: Message.model_validate_json(Hidden(body) if isinstance(body, str) else body)
    )
    assert isinstance(error, ValidationError)
    assert "secret" not in str(error) + repr(error.errors()) + error.json()
    assert error.__context__ is None


def test_invalid_json_is_reported_with_the_place_of_the_error():
    with pytest.raises(
        ValidationError, match="Invalid JSON: EOF while parsing an object at line 1 column 17"
    ):
        Message.model_validate_json('{"text": "secret"')


class Order(Message, frozen=True):
    number: int = 0


@pytest.mark.parametrize(
    "message",
    [Message(**BODY), Order(**BODY, number=7), Message(**BODY).model_copy(update={"x": 1})],
)
def test_valid_message_stays_valid(message: Message):
    assert checked_again(message) == Message(**BODY)


def test_valid_message_is_not_made_anew():
    message = Message(**BODY)
    assert checked_again(message) is message


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({"text": "a\r\nb"}, {"text": "a\nb"}),
        ({"destinations": "380501234567"}, {"destinations": ("+380501234567",)}),
        ({"destinations": ("+38 050 123-45-67",)}, {"destinations": ("+380501234567",)}),
    ],
)
def test_copy_with_unusual_writing_is_made_anew(change: dict[str, Any], valid: dict[str, Any]):
    checked = checked_again(Message(**BODY).model_copy(update=change))
    assert isinstance(checked, Message)
    assert {name: getattr(checked, name) for name in valid} == valid


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sender": "Too long a sender"}, SENDER_RULE),
        ({"sender": 5}, SENDER_RULE),
        ({"text": ""}, "a text must not be blank"),
        ({"text": 5}, "a text is a string"),
        ({"text": None}, "text or wappush must be given"),
        ({"wappush": "ftp://secret"}, "a wappush is an address"),
        ({"destinations": None}, "destinations are one string"),
        ({"destinations": ()}, "at least one destination"),
        ({"destinations": ("secret",)}, "destination 1 is not a phone number"),
        ({"destinations": ("+380501234567",) * 2}, "destination 2 repeats destination 1"),
        ({"destinations": ("80501234567",)}, "destination 1 is not a phone number"),
        ({"text": "secret\x07"}, "cannot be sent"),
        ({"text": "secret\r"}, "cannot be sent"),
        ({"text": " "}, "a text must not be blank"),
    ],
)
def test_invalid_copy_is_refused_and_shows_nothing(change: dict[str, Any], said: str):
    copy = Message(**BODY).model_copy(update=change)
    error = checked_again(copy)
    assert isinstance(error, ValidationError)
    assert said in str(error)
    assert "secret" not in shown_by(error) + repr(copy)
    assert repr(copy).startswith("Message(")


def test_message_is_the_same_object_when_validated_again():
    message = Message(**BODY)
    assert TypeAdapter(Message).validate_python(message) is message


def test_json_schema_of_a_message_names_its_fields():
    schema = TypeAdapter(Message).json_schema()
    assert list(schema["properties"]) == ["sender", "country", "destinations", "text", "wappush"]
    assert schema["required"] == ["destinations"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["destinations"]["anyOf"] == [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
    ]
    for name in ("sender", "text", "wappush"):
        assert schema["properties"][name]["anyOf"] == [{"type": "string"}, {"type": "null"}]


# Privacy

NEEDLE, DIGITS = needles.TEXT, "5012345"
SECRET_TEXT, SPOILT_TEXT, SECRET_PUSH = (
    Hidden(NEEDLE),
    Hidden(f"{NEEDLE}\x00"),
    Hidden(f"ftp://{NEEDLE}"),
)
SECRET_NUMBER, SPOILT_NUMBER = Hidden(f"+380{DIGITS}67"), Hidden(f"+380{DIGITS}67x")


class Order(BaseModel):
    """A body of a user's own that holds a message."""

    message: Message


REFUSALS: dict[str, dict[str, Any]] = {
    "text": {"destinations": SECRET_NUMBER, "text": SPOILT_TEXT},
    "text of a wrong type": {"destinations": SECRET_NUMBER, "text": [SECRET_TEXT]},
    "number": {"destinations": SPOILT_NUMBER, "text": SECRET_TEXT},
    "second number": {"destinations": [SECRET_NUMBER, SPOILT_NUMBER], "text": SECRET_TEXT},
    "repeated number": {"destinations": [SECRET_NUMBER, SECRET_NUMBER], "text": SECRET_TEXT},
    "wappush": {"destinations": SECRET_NUMBER, "wappush": SECRET_PUSH},
    "sender": {"destinations": SECRET_NUMBER, "text": SECRET_TEXT, "sender": SPOILT_NUMBER},
    "nothing to say": {"destinations": SECRET_NUMBER},
    "no number": {"text": SECRET_TEXT},
    "unknown field": {"destinations": SECRET_NUMBER, "text": SECRET_TEXT, "flash": SECRET_TEXT},
}
READERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "Message": lambda body: Message(**body),
    "model_validate": Message.model_validate,
    "TypeAdapter": TypeAdapter(Message).validate_python,
    "TypeAdapter of a list": lambda body: TypeAdapter(list[Message]).validate_python([body]),
    "a field": lambda body: Order.model_validate({"message": body}),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("case", REFUSALS)
def test_refused_message_shows_no_value_anywhere(case: str, reader: str):
    error = raised_by(lambda: READERS[reader](REFUSALS[case]))
    assert isinstance(error, ValidationError)
    shown = shown_by(error)
    assert NEEDLE not in shown
    assert DIGITS not in shown
    assert (error.__cause__, error.__context__) == (None, None)


def test_our_frames_in_a_traceback_hold_no_value():
    error = raised_by(lambda: Message(destinations=SECRET_NUMBER, text=SPOILT_TEXT))
    assert [
        set(frame.f_locals) for frame in frames_of(error) if frame.f_code.co_name == "__init__"
    ] == [{"self", "invalid", "__class__"}]


def test_assignment_to_a_field_is_refused_without_the_value():
    with pytest.raises(ValidationError) as caught:
        Message(destinations=NUMBER, text="t").text = SECRET_TEXT  # type: ignore[misc]
    assert [(row["loc"], row["type"]) for row in caught.value.errors()] == [
        (("text",), "frozen_instance")
    ]
    assert NEEDLE not in shown_by(caught.value)
    assert all("value" not in frame.f_locals for frame in frames_of(caught.value))


def test_invalid_result_is_refused_without_the_value():
    with pytest.raises(ValidationError) as caught:
        RecipientResult(destination=NUMBER, accepted=NEEDLE)  # type: ignore[arg-type]
    assert NEEDLE not in str(caught.value)


@pytest.mark.parametrize("body", [SECRET_TEXT, [SECRET_TEXT], 5, None, b"bytes"])
@pytest.mark.parametrize("reader", [TypeAdapter(Message).validate_python, Message.model_validate])
def test_body_that_is_no_object_is_refused_without_its_value(
    reader: Callable[[Any], object], body: Any
):
    error = raised_by(lambda: reader(body))
    assert isinstance(error, ValidationError)
    assert [row["type"] for row in error.errors()] == ["message_type"]
    assert {repr(row["input"]) for row in error.errors()} == {"'(hidden)'"}
    assert NEEDLE not in shown_by(error)


@pytest.mark.skipif(
    not PYDANTIC_UNPICKLES,
    reason="pydantic before 2.14 cannot read its own pickles of such complaints",
)
def test_refusal_survives_pickling():
    error = raised_by(lambda: Message(destinations="1", text=""))
    assert isinstance(error, ValidationError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.errors()) == (str(error), error.errors())


def test_refusal_is_built_from_rows():
    error = invalid_message(
        (("sender",), "sender_missing", "a sender is needed"), (("text",), "t", "{braces} stay")
    )
    assert [(row["loc"], row["type"], row["msg"], row["input"]) for row in error.errors()] == [
        (("sender",), "sender_missing", "a sender is needed", "(hidden)"),
        (("text",), "t", "{braces} stay", "(hidden)"),
    ]
    assert "hidden" not in str(error)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            Message(sender="Shop", destinations=[NUMBER, OTHER], text="Ваш код: 4815"),
            (
                "Message(sender='Shop', destinations=['+380*****4567', '+380*****4568'], text='13 "
                "characters', wappush=None)"
            ),
        ),
        (
            Message(destinations=NUMBER, wappush="http://example.com/secret"),
            (
                "Message(sender=None, destinations=['+380*****4567'], text=None, wappush='25 "
                "characters')"
            ),
        ),
        (
            Message(sender=NUMBER, destinations=OTHER, text="secret"),
            (
                "Message(sender='+380*****4567', destinations=['+380*****4568'], text='6 "
                "characters', wappush=None)"
            ),
        ),
    ],
)
def test_repr_of_a_message_has_neither_number_nor_text(message: Message, shown: str):
    assert repr(message) == shown
    assert str(message) in shown.replace(", sender", " sender").replace(
        ", destinations", " destinations"
    ).replace(", text", " text").replace(", wappush", " wappush")


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("50123456789", "501****6789"),
        ("050-1234567", "050****4567"),
        ("050.123.456", "050****.456"),
        ("0501234", "05***34"),
        ("4815", "4815"),
        ("Shop-24.7", "Shop-24.7"),
    ],
)
def test_sender_that_may_be_a_number_is_masked_in_any_notation(sender: str, shown: str):
    assert f"sender={shown!r}" in repr(Message(sender=sender, destinations=NUMBER, text="t"))


def recipients() -> Iterator[RecipientResult]:
    yield RecipientResult(
        destination=NUMBER, message_id=ID, outcome=Outcome.ACCEPTED, answer=Answer.SENT
    )
    yield RecipientResult(
        destination=OTHER,
        outcome=Outcome.REFUSED,
        answer=Answer.BAD_DESTINATION,
        reason=f'Не удалось распознать номер получателя "{OTHER}"',
    )
    yield RecipientResult(destination="+12025550123", outcome=Outcome.IN_DOUBT)


def result() -> SendResult:
    text = f'Не удалось распознать номер получателя "{OTHER}" | Сообщения успешно отправлены'
    return SendResult(answers=tuple(classify(text)), text=text, recipients=tuple(recipients()))


def test_repr_of_a_result_has_no_number_and_no_gateway_text():
    assert repr(result()) == (
        "SendResult(recipients=("
        f"RecipientResult(destination='+380*****4567', message_id='{ID}', outcome='accepted', "
        "answer='sent'),"
        " RecipientResult(destination='+380*****4568', message_id=None, outcome='refused', "
        "answer='bad destination'),"
        " RecipientResult(destination='+120****0123', message_id=None, outcome='in doubt', "
        "answer=None)))"
    )
    assert NUMBER not in str(result())
    assert OTHER not in str(result())


# Results


def test_result_groups_recipients_by_outcome():
    first, second, third = recipients()
    assert (result().accepted, result().refused, result().in_doubt) == (
        (first,),
        (second,),
        (third,),
    )
    assert result().message_ids == (ID,)


def test_result_with_complaints_can_be_a_web_response():
    dumped = json.loads(result().model_dump_json())
    assert [answer["answer"] for answer in dumped["answers"]] == ["bad destination", "sent"]
    assert [recipient["message_id"] for recipient in dumped["recipients"]] == [ID, None, None]
    assert "recipients" in TypeAdapter(SendResult).json_schema(mode="serialization")["properties"]


def test_result_survives_pickling_and_is_immutable():
    assert pickle.loads(pickle.dumps(result())) == result()
    with pytest.raises(ValidationError):
        result().text = ""  # type: ignore[misc]
    assert isinstance(result().answers[0], ClassifiedAnswer)


@pytest.mark.parametrize(
    ("state", "final", "delivered"),
    [
        (DeliveryState.DELIVERED, True, True),
        (DeliveryState.FAILED, True, False),
        (DeliveryState.QUEUED, False, False),
    ],
)
def test_delivery_status_says_whether_it_is_final_and_delivered(
    state: DeliveryState, final: bool, delivered: bool
):
    status = DeliveryStatus(message_id=ID, state=state, text="secret")
    assert (status.final, status.delivered) == (final, delivered)
    assert "secret" not in repr(status)


# Message ids


@pytest.mark.parametrize(
    ("slot", "found"),
    [
        (ID, ID),
        (ID.upper(), ID.upper()),
        (f"{{{ID}}}", ID),
        (f" \n{ID}\t", ID),
        (f" {{{ID}}} ", ID),
        ("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
        (None, None),
        ("", None),
        ("{}", None),
        (f"{{{ID}", None),
        (f"{ID}}}", None),
        (f"{{{{{ID}}}}}", None),
        (f"{ID} {ID}", None),
        (f"{ID}1", None),
        (f"1{ID}", None),
        (ID[:-1], None),
        (ID.replace("-", ""), None),
        (ID.replace("0", "g"), None),
        (ID.replace("0", "٠"), None),
        (f"{{{ID}\n}}", None),
        ("Страна не поддерживается", None),
    ],
)
def test_id_is_any_uuid_in_any_case_with_or_without_braces(slot: str | None, found: str | None):
    assert message_id(slot) == found
