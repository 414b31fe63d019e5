"""The encoding of a list is decided by all of it, and never guessed in silence."""

from __future__ import annotations

import io
import random
import tracemalloc
from pathlib import Path

import pytest
from soak import count

from smsgate.campaign import Campaign, csv_source
from smsgate.campaign.encodings import encoding_of

HEADER = "Ім'я;Телефон;Місто"
NAMES = [
    "Олена", "Іван", "Марія", "Яна", "Юлія", "Сергій", "Олексій", "Тетяна", "Наталія", "Андрій",
    "Єва", "Їжакевич", "Ґудзь", "Василь", "Оксана", "Дмитро", "Ірина", "Петро", "Богдан", "Софія",
    "Алексей", "Екатерина", "Юрий", "Шевченко", "Бондаренко", "Ткаченко", "Кравчук",
    "Щербак", "Чорновіл", "Жук",
]  # fmt: skip
CITIES = [
    "Київ",
    "Львів",
    "Одеса",
    "Харків",
    "Дніпро",
    "Запоріжжя",
    "Рівне",
    "Чернівці",
    "Ужгород",
    "Полтава",
    "Суми",
]
ONE_BYTE = ("cp1251", "cp1125", "koi8_u", "mac_cyrillic")


def row(number: int, name: str = "Олена", city: str = "Київ") -> str:
    return f"{name};+38050{number:07};{city}"


def text(rows: int, header: str = HEADER) -> str:
    return (
        "\r\n".join(
            [header, *(row(n, NAMES[n % len(NAMES)], CITIES[n % len(CITIES)]) for n in range(rows))]
        )
        + "\r\n"
    )


def found(content: bytes) -> str:
    return encoding_of(io.BytesIO(content))


@pytest.mark.parametrize("place", [0, 1, 150, 299])
def test_one_stray_byte_leaves_the_list_in_utf8_and_skips_its_row(place: int, tmp_path: Path):
    lines = text(300).encode().split(b"\r\n")
    lines[1 + place] = lines[1 + place].replace("К".encode(), b"\xca", 1) + b"\xff"
    path = tmp_path / "list.csv"
    path.write_bytes(b"\r\n".join(lines))
    with Campaign.create(
        tmp_path / "a.sms", csv_source(path), sender="Shop", text="{Ім'я}"
    ) as campaign:
        assert {one.line: one.reason for one in campaign.skipped()} == {
            2 + place: "bytes that are invalid in the encoding of the file"
        }
        assert campaign.added
        assert campaign.added.pending == 299
        assert campaign.preview
        assert {sample.text.text for sample in campaign.preview.samples} <= set(NAMES)


def test_stray_byte_far_from_the_beginning_is_found():
    content = text(20_000).encode()
    assert found(content + b"\xe0\xf1;+380501111111;\xca\r\n") == "utf-8"
    assert found(text(20_000).encode("cp1251") + row(1).encode() + b"\r\n") == "cp1251"


def test_list_in_two_encodings_is_an_error():
    with pytest.raises(
        ValueError, match=r"encoding: 10 lines are UTF-8 and 31 are not; .*--encoding"
    ):
        found(text(30).encode("cp1251") + text(9).encode())


UTF_8_ROW = "bytes in UTF-8, but the list is read as {}"


@pytest.mark.parametrize("encoding", [*ONE_BYTE, "cp866"])
@pytest.mark.parametrize("name", ["Олена", "ЄВА", "Müller", "«Shop»", "№ 5", "10°", "1\u00a0000"])
def test_utf8_row_in_a_single_byte_list_is_skipped(name: str, encoding: str, tmp_path: Path):
    rows = [
        f"{city};+38050{number:07};так".replace("і", "i") for number, city in enumerate(CITIES[:5])
    ]
    content = "\n".join(["Місто;Телефон;Знижка".replace("і", "i"), *rows]).encode(encoding)
    path = tmp_path / "list.csv"
    path.write_bytes(content + f"\n{name};+380502222222;1\n".encode())
    with Campaign.create(
        tmp_path / "a.sms", csv_source(path, encoding=encoding), sender="Shop", text="a"
    ) as campaign:
        assert {one.line: one.reason for one in campaign.skipped()} == {
            7: UTF_8_ROW.format(encoding)
        }


def test_utf8_row_is_skipped_when_the_encoding_is_detected(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(text(300).encode("cp1251") + "Іван;+380502222222;Kyiv\r\n".encode())
    found = [(one.line, one.complaint) for one in csv_source(path).rows if one.complaint]
    assert found == [(302, UTF_8_ROW.format("cp1251"))]


def test_utf8_cell_in_a_row_of_another_encoding_is_found(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes("телефон;b;c\n+380501111111;Олена;".encode("cp1251") + "Київ\n".encode())
    (one,) = csv_source(path, encoding="cp1251").rows
    assert one.complaint == UTF_8_ROW.format("cp1251")


@pytest.mark.parametrize(
    "word",
    ["Ні", "Ви", "Рі", "НІ", "Лі", "Сі", "ні", "В", "«Він»", "№", "—", "1 000 грн", "Її", "К№1"],
)
def test_word_that_happens_to_be_valid_utf8_is_not_taken_for_it(word: str, tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(f"телефон;згода\n+380501111111;{word}\n".encode("cp1251"))
    (one,) = csv_source(path, encoding="cp1251").rows
    assert (one.complaint, one.values.get("згода")) == ("", word)


@pytest.mark.parametrize("answers", [["Ні"] * 5, ["Так", "Ні", "Ні", "Ні", "Так"]])
def test_windows1251_answers_are_never_misread_as_utf8(answers: list[str], tmp_path: Path):
    """Short words in Windows-1251 may happen to be valid UTF-8."""
    path = tmp_path / "list.csv"
    rows = "".join(f"+38050{number:07};{answer}\n" for number, answer in enumerate(answers))
    path.write_bytes(f"phone;active\n{rows}".encode("cp1251"))
    try:
        found = [row.values["active"] for row in csv_source(path).rows]
    except ValueError as error:
        assert "encoding: the list is not in UTF-8" in str(error)  # noqa: PT017 - either is right, and never another letter
    else:
        assert found == answers


@pytest.mark.parametrize("name", ["Γιώργος", "Прокопʼюк", "за́мок", "יוסף", "محمد"])
def test_names_in_any_script_leave_a_list_in_utf8(name: str, tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text(f"phone;name\n+380501111111;{name}\n", "utf-8")
    assert [row.values["name"] for row in csv_source(path).rows] == [name]


def test_utf8_row_with_an_apostrophe_is_skipped_in_windows1251(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes("телефон;прізвище\n+380501111111;".encode("cp1251") + "Прокопʼюк\n".encode())
    (one,) = csv_source(path, encoding="cp1251").rows
    assert one.complaint == UTF_8_ROW.format("cp1251")


def test_utf8_header_read_in_another_encoding_is_an_error(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(text(3).encode())
    with pytest.raises(
        ValueError,
        match=(
            r"line 1: bytes in UTF-8, but the list is read as cp1251; name another encoding with "
            r"--encoding"
        ),
    ):
        csv_source(path, encoding="cp1251")


@pytest.mark.parametrize("rows", [1, 3, 30, 3_000])
@pytest.mark.parametrize(
    "encoding", [*ONE_BYTE, "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encoding_is_recognised(encoding: str, rows: int, tmp_path: Path):
    written = text(rows)
    path = tmp_path / "list.csv"
    path.write_bytes(written.encode(encoding))
    source = csv_source(path)
    assert source.encoding == encoding
    assert [one.values["Ім'я"] for one in source.rows] == [
        NAMES[n % len(NAMES)] for n in range(rows)
    ]


def test_list_is_never_read_in_a_wrong_encoding():
    """Short random lists in any Cyrillic encoding are read right or refused, and mostly read."""
    draw = random.Random(12)
    asked = tried = 0
    # Each of these was read wrong once.
    for encoding, written in (
        ("mac_cyrillic", "phone;name\nалексей;1\nєва;1\n"),
        ("koi8_u", "ТЕЛЕФОН;ИМЯ\nПЕТРО;1;СУМИ\n"),
    ):
        assert found(written.encode(encoding)) == encoding
    for _ in range(count(short=60, full=3_000)):
        change = draw.choice([str, str.lower, str.upper])
        header = change(draw.choice([HEADER, "телефон;имя", "phone;name", "Номер;Прізвище;Місто"]))
        lines = [header] + [
            f"{change(draw.choice(NAMES))};+380501112233;{change(draw.choice(CITIES))}"
            for _ in range(draw.randint(1, 4))
        ]
        written = "\n".join(lines)
        for encoding in (*ONE_BYTE, "cp866", "iso8859_5", "utf-8", "utf-16-le"):
            try:
                content = written.encode(encoding)
            except UnicodeEncodeError:
                continue
            tried += 1
            try:
                assert content.decode(found(content)) == written, (encoding, written)
            except ValueError as error:
                assert "--encoding" in str(error)  # noqa: PT017 - it may be asked about
                asked += 1
    assert asked < tried / 20


@pytest.mark.parametrize(
    ("written", "encoding"),
    [("name\nMüller\nJäger\n", "cp1252"), ("imię\nŁukasz\nŻaneta\n", "cp1250")],
)
def test_western_letters_need_an_explicit_encoding(written: str, encoding: str):
    with pytest.raises(
        ValueError,
        match=r"its words make no sense in any Cyrillic encoding; name it with --encoding",
    ):
        found(written.encode(encoding))


def test_too_short_a_list_needs_an_explicit_encoding():
    with pytest.raises(
        ValueError, match=r"too short to tell whether it is .*; name it with --encoding"
    ):
        found("ім'я".encode("mac_cyrillic")[:1])


def test_encodings_that_agree_are_reported_as_the_usual_one():
    assert found("телефон\n".encode("mac_cyrillic")) == "cp1251"


@pytest.mark.parametrize("name", ["nothing", "hex", "rot13", "a\0b"])
def test_unknown_encoding_is_refused(name: str, tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text("phone\n+380501111111\n")
    with pytest.raises(ValueError, match="encoding: this encoding is unknown"):
        csv_source(path, encoding=name)


def test_header_unreadable_in_the_given_encoding_is_an_error(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(text(3).encode("cp1251"))
    with pytest.raises(
        ValueError,
        match=r"line 1: bytes that are invalid in the encoding of the file; name another",
    ):
        csv_source(path, encoding="utf-8")


def test_damaged_utf16_character_skips_its_row(tmp_path: Path):
    path = tmp_path / "list.csv"
    content = text(5).encode("utf-16-le")
    path.write_bytes(content.replace("Марія".encode("utf-16-le"), b"\x1c\xd8" * 5))
    complaint = "bytes that are invalid in the encoding of the file"
    assert [one.complaint for one in csv_source(path).rows] == ["", "", complaint, "", ""]


@pytest.mark.parametrize(
    "content",
    [b"\xd0\x9f" * 300_000, b"a" * 65_535 + "ї".encode() * 70_000, b"\xd0\xb0\r" * 200_000],
)
def test_long_lines_and_old_line_ends_are_no_damage(content: bytes):
    assert found(content) == "utf-8"


def test_detection_does_not_hold_the_list_in_memory():
    content = io.BytesIO(text(100_000).encode("cp1251"))
    tracemalloc.start()
    try:
        assert encoding_of(content) == "cp1251"
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
