"""Lists and texts of a campaign:

what is found in a file, what is skipped with which reason, and what is an error for all.
"""

from __future__ import annotations

import csv
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from smsgate.campaign import Campaign, RecipientState, Source, csv_source, file_source, rows_source
from smsgate.campaign.template import MissingField, Template

UKRAINIAN = "ім'я;телефон\r\nОлена;+380501111111\r\n"


def written(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(source: Source) -> list[tuple[int, str, str]]:
    return [(row.line, row.number, row.complaint) for row in source.rows]


def skipped(folder: Path, source: Source, text: str = "a", sender: str = "Shop") -> dict[int, str]:
    with Campaign.create(folder / "x.sms", source, sender=sender, text=text) as campaign:
        return {
            one.line: one.reason or "" for one in campaign.recipients() if one.state == "skipped"
        }


# CSV


@pytest.mark.parametrize(
    ("content", "encoding", "delimiter"),
    [
        (UKRAINIAN.encode(), "utf-8", ";"),
        (UKRAINIAN.encode("utf-8-sig"), "utf-8-sig", ";"),
        (UKRAINIAN.encode("cp1251"), "cp1251", ";"),
        (UKRAINIAN.encode("utf-16"), "utf-16", ";"),
        (UKRAINIAN.replace(";", ",").encode(), "utf-8", ","),
        (UKRAINIAN.replace(";", "\t").encode(), "utf-8", "\t"),
        (UKRAINIAN.replace(";", "|").encode(), "utf-8", "|"),
        (UKRAINIAN.replace("\r\n", "\n").rstrip().encode(), "utf-8", ";"),
    ],
)
def test_encoding_delimiter_and_phone_column_are_found(
    content: bytes, encoding: str, delimiter: str, tmp_path: Path
):
    source = csv_source(written(tmp_path, content))
    assert (source.encoding, source.delimiter, source.phone_column) == (
        encoding,
        delimiter,
        "телефон",
    )
    (row,) = source.rows
    assert (row.line, row.number, row.values["ім'я"]) == (2, "+380501111111", "Олена")


@pytest.mark.parametrize(
    ("content", "delimiter", "column", "line"),
    [
        ("sep=;\r\nphone;a,b,c\r\n+380501111111;1\r\n", ";", "phone", 3),
        ("\ufeffsep=,\nphone;x,b\n1,+380501111111\n", ",", "b", 3),
        ("\r\n\r\nphone;b\r\n+380501111111;1\r\n", ";", "phone", 4),
        ('"phone";"a, b, c"\n+380501111111;1\n', ";", "phone", 2),
        ("phone;a, b, c\n+380501111111;1\n", ";", "phone", 2),
        ("phone;sum\n+380501111111;12,50\n", ";", "phone", 2),
        ("a, b, c;phone;x\n12,50;+380501111111;1,5\n", ";", "phone", 2),
        ("+380501111111;Lee, Ann, Dr\n", ";", "1", 1),
        ("note;phone\n1,2,3;+380501111111\n4,5,6;\n", ";", "phone", 2),
        ('phone;name\n+380501111111;"Lee, Ann\n1,2,3,4,5"\n', ";", "phone", 2),
        ("a|b,phone\nx|y|z,+380501111111\n", ",", "phone", 2),
        ("номер;мобільний\n1001;+380501111111\n", ";", "мобільний", 2),
        ("номер;заказ\n+380501111111;1001\n", ";", "номер", 2),
    ],
)
def test_lists_as_real_programs_write_them_are_read(
    content: str, delimiter: str, column: str, line: int, tmp_path: Path
):
    source = csv_source(written(tmp_path, content.encode()))
    assert (source.delimiter, source.phone_column) == (delimiter, column)
    assert [(row.line, row.number) for row in source.rows if row.number] == [
        (line, "+380501111111")
    ]


def test_two_numbers_in_each_cell_make_no_delimiter(tmp_path: Path):
    content = "phone;name\n" + "".join(f"+38050111111{n},+38050222222{n};Ann\n" for n in range(3))
    found = skipped(tmp_path, csv_source(written(tmp_path, content)))
    assert found == dict.fromkeys((2, 3, 4), "more than one number in one cell")


def test_two_possible_delimiters_are_an_error(tmp_path: Path):
    content = written(tmp_path, "+380501111111,a;+380502222222\n" * 3)
    with pytest.raises(
        ValueError,
        match="delimiter: it may be the comma or semicolon; name the right one with --delim",
    ):
        csv_source(content)
    assert csv_source(content, delimiter=",").phone_column == "1"


def test_file_cut_inside_a_character_is_reported(tmp_path: Path):
    cut = "phone;a\n+380501111111;1\n".encode("utf-16")[:-3]
    with pytest.raises(
        ValueError, match="the file ends in the middle of a character; is it complete"
    ):
        list(csv_source(written(tmp_path, cut)).rows)


def test_quotes_line_breaks_and_blank_lines_are_read(
    tmp_path: Path,
):
    """Row numbers are lines of the file."""
    content = 'phone,name\n+380501111111,"a, ""b""\nc"\n\n ,\n+380501111112,d\n'
    source = csv_source(written(tmp_path, content))
    found = list(source.rows)
    assert [(row.line, row.number, row.values["name"]) for row in found] == [
        (2, "+380501111111", 'a, "b"\nc'),
        (6, "+380501111112", "d"),
    ]


def test_bad_row_is_skipped_alone(tmp_path: Path):
    good = "+380501111111,a\n"
    content = f"phone,name\n{good}+380501111112,a,b\n+380501111113\n\xff,b\n,c\n+380501111115,d\n"
    source = csv_source(written(tmp_path, content.encode("latin-1")), encoding="utf-8")
    found = skipped(tmp_path, source)
    assert found.pop(3) == "more cells than the header"
    assert found.pop(5) == "bytes that are invalid in the encoding of the file"
    assert found.pop(6) == "no number"
    assert found == {}
    with Campaign.open(tmp_path / "x.sms") as campaign:
        pending = [one.line for one in campaign.recipients() if one.state == "pending"]
    assert pending == [2, 4, 7]


@pytest.mark.parametrize(
    ("content", "options", "complaint"),
    [
        ("", {}, "the file is empty"),
        ("\n", {}, "the file is empty"),
        ('phone,"na""me\n1,2\n', {}, "line 1: unreadable from here on"),
        ('phone,"na"me"\n1,2\n', {}, "line 1: unreadable from here on (misplaced quotes)"),
        ('phone,"na" me\n1,2\n', {}, "line 1: misplaced quotes, and this line may be the header"),
        (
            "phone,phone,x\n",
            {"phone_column": "phone"},
            "phone column: 2 columns have this name; rename one of them",
        ),
        ("a,b\nx,y\n", {}, "phone column: it cannot be determined; name it. The columns are a, b"),
        ("a,b\n+380501111111,+380501111112\n", {}, "phone column: it cannot be determined"),
        (
            "a,b\nx,y\n",
            {"phone_column": "c"},
            "phone column: no column has this name; the columns are a, b",
        ),
        ("phone\n", {"encoding": "nothing"}, "encoding: this encoding is unknown"),
        ("phone\n", {"delimiter": "ab"}, "delimiter: must be one character"),
        (
            "phone\n",
            {"delimiter": '"'},
            "delimiter: must be one character, not a quote and not a line break",
        ),
    ],
)
def test_bad_file_is_an_error(
    content: str, options: dict[str, str], complaint: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        csv_source(written(tmp_path, content), **options)


def test_list_error_names_the_file(tmp_path: Path):
    with pytest.raises(ValueError, match=r"^clients\.csv: phone column: it cannot be determined"):
        csv_source(written(tmp_path, "a,b\nx,y\n", "clients.csv"))
    many = "".join(f"+38050{number:07},a\n" for number in range(300))
    source = csv_source(
        written(tmp_path, f'phone,a\n{many}+380501111111,"Ann\nBob,x\n', "clients.csv")
    )
    with pytest.raises(ValueError, match=r"^clients\.csv: line 302: unreadable from here on"):
        list(source.rows)


def test_only_column_that_looks_like_numbers_is_the_phone_column(tmp_path: Path):
    assert (
        csv_source(written(tmp_path, "a,b\nx,+38 (050) 111-11-11\ny,380501111112\n")).phone_column
        == "b"
    )


# Spreadsheets and iterables


def test_spreadsheet_numbers_are_read_as_digits(tmp_path: Path):
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet
    for row in (
        ["Name", "Телефон", "percent"],
        ["Олена", 380501111111, 20],
        ["Іван", "+380501111112", 7.5],
        [None, None, None],
    ):
        sheet.append(row)
    path = tmp_path / "list.xlsx"
    book.save(path)
    found = list(file_source(path).rows)
    assert [(row.line, row.number, row.values["percent"]) for row in found] == [
        (2, "380501111111", "20"),
        (3, "+380501111112", "7.5"),
    ]


def test_table_may_start_anywhere_and_its_sheet_is_named(tmp_path: Path):
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet
    for cell, value in {"C4": "phone", "D4": "name", "C5": "+380501111111", "D5": "Олена"}.items():
        sheet[cell] = value
    book.create_sheet("Other")
    path = tmp_path / "list.xlsx"
    book.save(path)
    source = file_source(path)
    assert (source.columns, source.sheet) == (("phone", "name"), "Sheet, the first of 2")
    assert [(row.line, row.number) for row in source.rows] == [(5, "+380501111111")]


def test_file_that_is_no_spreadsheet_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="the file is not a readable spreadsheet"):
        file_source(written(tmp_path, "no", "list.xlsx"))


def test_any_iterable_is_accepted():
    assert rows(rows_source(["+380501111111", "+380501111112"])) == [
        (1, "+380501111111", ""),
        (2, "+380501111112", ""),
    ]
    source = rows_source([{"phone": 380501111111, "name": None}])
    (row,) = source.rows
    assert (row.number, row.values) == ("380501111111", {"phone": "380501111111", "name": ""})
    mixed: list[Any] = ["+380501111111", 5]
    assert rows(rows_source(mixed))[1] == (2, "", "neither a number nor a mapping")


def test_list_is_read_as_a_stream(tmp_path: Path):
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,name\n")
        file.writelines(f"+38050{number:07},Олена\n" for number in range(15_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in csv_source(path).rows) == 15_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_repeated_and_bad_numbers_are_skipped_with_the_reason(tmp_path: Path):
    found = skipped(
        tmp_path,
        rows_source(
            [
                "+38 (050) 111-11-11",
                "+380501111111",
                "12",
                "+380501111112,+380501111113",
                "380501111114",
            ]
        ),
    )
    assert found == {
        2: "repeats line 1",
        3: "not a phone number in the international format: "
        "without a + it needs at least 11 digits; "
        "write + and the calling code, or set a country",
        4: "more than one number in one cell",
    }


@pytest.mark.parametrize(
    "cell", ["12345 678901", "2345678\u00a09876543", "(38050)\t111-11-11", "380501 111111"]
)
def test_two_digit_groups_without_a_plus_may_be_two_numbers(cell: str, tmp_path: Path):
    found = skipped(tmp_path, rows_source([cell]))
    assert found == {
        1: (
            "perhaps two numbers in one cell; if it is one number, write it with + and the calling "
            "code, or set a country"
        )
    }


@pytest.mark.parametrize(
    "cell",
    [
        "38 050 1111111",
        "380 50 111 11 11",
        "+38050 1111111",
        "\u202a+38050 1111111",
        "380501111111",
    ],
)
def test_other_digit_groups_are_one_number(cell: str, tmp_path: Path):
    assert skipped(tmp_path, rows_source([cell])) == {}


def test_digit_groups_are_one_number_if_a_country_is_set(tmp_path: Path):
    source = rows_source(["050111 1111111", "05011 11111"])
    with Campaign.create(
        tmp_path / "x.sms", source, sender="Shop", text="a", country="UA"
    ) as campaign:
        assert [
            (one.line, one.number) for one in campaign.recipients() if one.state == "pending"
        ] == [(2, "+380501111111")]


@pytest.mark.parametrize(
    ("number", "digits"), [("+38050111111", 8), ("+3800501111111", 10), ("380 50 111 11 1", 8)]
)
def test_ukrainian_number_has_nine_digits(number: str, digits: int, tmp_path: Path):
    found = skipped(tmp_path, rows_source([number, "+380501111111", "+38970111111"]))
    assert found == {1: f"not a number of Ukraine: it has {digits} digits after +380, not 9"}


# Texts


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Вітаємо, {name}!", "Вітаємо, Олена!"),
        ("{ name }{name}", "ОленаОлена"),
        ("{{name}} {{}}", "{name} {}"),
        ("no fields", "no fields"),
    ],
)
def test_field_is_filled_and_a_double_brace_is_a_brace(text: str, filled: str):
    assert Template.of(text).fill({"name": " Олена "}) == filled


@pytest.mark.parametrize("text", ["{", "}", "a{b", "{}", "{ }", "{a}}", "{{a}"])
def test_lone_brace_or_unnamed_field_is_an_error(text: str):
    with pytest.raises(ValueError, match=r"^text: "):
        Template.of(text)


@pytest.mark.parametrize(
    "text",
    ["{name.upper}", "{name[0]}", "{name!r}", "{name:>10}", "{0}", "{__class__}", "{number}"],
)
def test_field_is_a_column_name_and_nothing_more(text: str, tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"^text: no column for the field .*; the columns are phone, name$"
    ):
        Campaign.create(
            tmp_path / "x.sms",
            rows_source([{"phone": "+380501111111", "name": "a"}]),
            sender="Shop",
            text=text,
        )
    assert list(tmp_path.iterdir()) == []


def test_format_syntax_in_a_value_stays_text():
    assert (
        Template.of("{name}").fill({"name": "{phone} {name.__class__}"})
        == "{phone} {name.__class__}"
    )


def test_missing_field_or_unsendable_text_skips_one_recipient(tmp_path: Path):
    """The reason names the column or the character."""
    people = [
        {"phone": "+380501111111", "name": "a"},
        {"phone": "+380501111112", "name": " "},
        {"phone": "+380501111113", "name": "b\x00"},
        {"phone": "+380501111114"},
    ]
    found = skipped(tmp_path, rows_source(people), text="{name}")
    assert found[2] == found[4] == "no value in the column name"
    assert "U+0000" in found[3]
    with pytest.raises(MissingField):
        Template.of("{name}").fill({})


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"sender": "Bad sender", "text": "a"}, "a sender is a name of 1 to 11 characters"),
        ({"sender": "", "text": "a"}, "sender: must be given"),
        ({"sender": "Shop"}, "text or wappush must be given"),
        ({"sender": "Shop", "wappush": "ftp://x"}, "a wappush is an address"),
    ],
)
def test_error_in_every_message_is_raised_before_a_file_is_made(
    options: dict[str, str], complaint: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=complaint):
        Campaign.create(tmp_path / "x.sms", rows_source(["+380501111111"]), **options)
    assert list(tmp_path.iterdir()) == []


def test_error_in_the_source_leaves_no_file(tmp_path: Path):
    def failing() -> Iterator[str]:
        yield "+380501111111"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        Campaign.create(tmp_path / "x.sms", rows_source(failing()), sender="Shop", text="a")
    assert list(tmp_path.iterdir()) == []


# Rows that a quote has swallowed


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            'phone,name\n+380501111111,"Ann\n+380502222222,Bob\n+380503333333,Eve\n',
            "line 2: unreadable from here on",
        ),
        (
            'phone,name\n+380501111111,"Ann\n+380502222222,"Bob"\n',
            "line 2: unreadable from here on",
        ),
        (
            'phone,name\n+380501111111,"Ann\n+380502222222,Bob\n+380503333333,Eve"\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'sep=;\nphone;b;c\n+380501111111;"Ann\n+380502222222;Bob;1"\n',
            "line 3: a cell continues over other rows",
        ),
        (
            'phone,name\n"+380501111111,Ann\n+380502222222",Bob\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'phone,name,city\n+380501111111,"Ann\n+380502222222,Bob"\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'phone,name\n+380501111111,"Ann\n+380502222222,Bob,Kyiv,1"\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'phone,name\n+380501111111,"Ann\nмоб. 050 222-22-22,Bob"\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'phone,name\n+380501111111,"Ann\n+38050222222O,Bob"\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'phone,name\n+380501111111,"Ann\n050.222.22.22,Bob"\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'phone,name\n+3725123455,"Ann\n512 3456,Bob"\n',
            "line 2: a cell continues over other rows",
        ),
        (
            'phone,name\n+380501111111,"Ann\n'
            + "".join(f"+38050222222{n}\n" for n in range(4))
            + '"\n',
            "line 2: a cell continues over other rows",
        ),
    ],
)
def test_rows_that_would_be_lost_make_the_list_an_error(content: str, says: str, tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=says):
        Campaign.create(tmp_path / "a.sms", csv_source(path), sender="Shop", text="Привіт")
    assert not (tmp_path / "a.sms").exists()


@pytest.mark.parametrize(
    "address",
    [
        "Київ,\nвул. Хрещатик, 1",
        "Київ\n+380441234567",
        "2026-08-24 10:15, дзвонили\n24.08.2026 10:15:30, відповіла",
        "UA213223130000026007233566001, ЄДРПОУ 12345678\nМФО 300001, 01001",
        "order 1234567890, paid\ncall later",
        "ТТН 20450012345678, НП\nok",
        "Kyiv\n50.4501234567, 30.523456789",
        "Сума 1 250 000 000, оплата\nok",
        "see\nhttps://shop.example/o?id=1234567890, ok",
    ],
)
def test_cell_with_line_breaks_makes_no_rows(address: str, tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text(f'phone,address\n+380501111111,"{address}"\n+380502222222,Львів\n', "utf-8")
    with Campaign.create(
        tmp_path / "a.sms", csv_source(path), sender="Shop", text="Привіт"
    ) as campaign:
        assert campaign.figures().states == {RecipientState.PENDING: 2}


# A quoted cell that the reader lost


LONG = "x" * 200_000
LONGER = "x" * 1_100_000


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (f'"{LONG}', "a cell is too long"),
        (f'"{LONGER}', "the line is too long"),
        ('"ТОВ "Ромашка"","вул. 1', "misplaced quotes"),
        ('"ТОВ "Ромашка", вул. 1', "misplaced quotes"),
        ('"a"b",x,"вул. 1', "misplaced quotes"),
    ],
)
def test_rest_of_an_unreadable_cell_is_never_read_as_rows(cell: str, says: str, tmp_path: Path):
    content = f'phone,a\n+380501111111,{cell}\n+380502222222,office"\n+380503333333,b\n'
    with pytest.raises(
        ValueError, match=rf"line 2: unreadable from here on \({says}\); is a quote missing"
    ):
        list(csv_source(written(tmp_path, content)).rows)


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (LONG, "a cell is too long"),
        (f'"{LONG}"', "a cell is too long"),
        (f'"a"" b","{LONG}"', "a cell is too long"),
        (LONGER, "the line is too long"),
        (f'"{LONGER}"', "the line is too long"),
        ('"ТОВ "Ромашка"", Київ', "misplaced quotes"),
    ],
)
def test_unreadable_cell_that_ends_in_its_line_skips_one_row(cell: str, says: str, tmp_path: Path):
    content = f"phone,a\n+380501111111,{cell}\n+380503333333,b\n"
    assert rows(csv_source(written(tmp_path, content))) == [(2, "", says), (3, "+380503333333", "")]


def test_csv_field_limit_of_another_module_has_no_effect(tmp_path: Path):
    old = csv.field_size_limit(1 << 30)
    try:
        found = rows(
            csv_source(written(tmp_path, f'phone,a\n+380501111111,"{LONG}"\n+380503333333,b\n'))
        )
    finally:
        csv.field_size_limit(old)
    assert found == [(2, "", "a cell is too long"), (3, "+380503333333", "")]


def test_space_before_a_quote_inside_a_cell_skips_nobody(tmp_path: Path):
    content = 'phone;name\n+380501111111; "Ромашка" ТОВ\n+380502222222;b\n'
    assert rows(csv_source(written(tmp_path, content))) == [
        (2, "+380501111111", ""),
        (3, "+380502222222", ""),
    ]


def test_empty_cell_between_spaces_moves_no_other_cell(tmp_path: Path):
    content = "name phone other\nA  +380671234568\nB +380501234567 +380671234569\n"
    source = csv_source(written(tmp_path, content), delimiter=" ", phone_column="phone")
    assert [row.number for row in source.rows] == ["", "+380501234567"]


@pytest.mark.parametrize(
    "number",
    [
        "38(050) 123-45-67",
        "380(50) 123-45-67",
        "38050 1234567",
        "380501234567.0",
        "380501234567,00",
        "+380501234567.00",
    ],
)
def test_number_in_any_common_notation_is_one_number(number: str, tmp_path: Path):
    source = csv_source(written(tmp_path, f'phone;name\n"{number}";a\n'))
    with Campaign.create(tmp_path / "a.sms", source, sender="Shop", text="Привіт") as campaign:
        assert [one.number for one in campaign.recipients()] == ["+380501234567"]


def test_late_second_number_column_does_not_refuse_the_list(tmp_path: Path):
    early = "".join(f"a;+38050{n:07};\n" for n in range(300))
    late = "".join(f"a;+38050{n:07};+38067{n:07}\n" for n in range(300, 400))
    source = csv_source(written(tmp_path, f"name;phone;phone2\n{early}{late}"))
    assert [row.number for row in source.rows] == [f"+38050{n:07}" for n in range(400)]


def test_quote_after_a_space_opens_a_cell(tmp_path: Path):
    content = (
        'phone, address\n+380501111111, "вул. Хрещатик\n+380441234567; офіс"\n+380503333333, b\n'
    )
    assert rows(csv_source(written(tmp_path, content))) == [
        (2, "+380501111111", ""),
        (4, "+380503333333", ""),
    ]


def test_number_that_no_text_can_hold_is_skipped(tmp_path: Path):
    rows = rows_source(["+380501111111", "\ud800abc"])
    with Campaign.create(tmp_path / "a.sms", rows, sender="Shop", text="Привіт") as campaign:
        assert campaign.figures().states == {RecipientState.PENDING: 1, RecipientState.SKIPPED: 1}
