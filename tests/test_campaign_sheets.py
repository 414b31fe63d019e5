"""Spreadsheets are read as they are shown: hidden rows and sheets, dates, percentages, booleans."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from smsgate.campaign import Campaign, csv_source, file_source
from smsgate.campaign.cellformats import shown

moment = partial(datetime, tzinfo=None)
"""A cell has no time zone."""

PEOPLE = [["phone", "name"], *([f"+38050111111{n}", f"Name {n}"] for n in range(1, 7))]


def saved(
    folder: Path, rows: Iterable[list[Any]], change: Callable[[Worksheet], None] = lambda _: None
) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet
    for row in rows:
        sheet.append(row)
    change(sheet)
    path = folder / "list.xlsx"
    book.save(path)
    return path


def hiding(*rows: int) -> Callable[[Worksheet], None]:
    def hide(sheet: Worksheet) -> None:
        for row in rows:
            sheet.row_dimensions[row].hidden = True

    return hide


# Hidden rows and sheets


def test_hidden_rows_are_refused_until_a_choice_is_made(tmp_path: Path):
    path = saved(tmp_path, PEOPLE, hiding(3, 5, 99))
    with pytest.raises(
        ValueError,
        match=(
            r"2 rows of the sheet 'Sheet' are hidden \(by a filter or by hand: 3, 5\); use "
            r"--hidden skip"
        ),
    ):
        file_source(path)
    assert [
        row.number[-1] for row in file_source(path, hidden="include").rows if not row.complaint
    ] == list("123456")
    with Campaign.create(
        tmp_path / "a.sms", file_source(path, hidden="skip"), sender="Shop", text="a"
    ) as campaign:
        assert {one.line: one.reason for one in campaign.skipped()} == dict.fromkeys(
            (3, 5), "the row is hidden in the sheet"
        )


def test_filtered_rows_are_hidden_rows(tmp_path: Path):
    def filtered(sheet: Worksheet) -> None:
        sheet.auto_filter.ref = "A1:B7"
        sheet.auto_filter.add_filter_column(1, ["Name 1"])
        hiding(*range(3, 8))(sheet)

    with pytest.raises(ValueError, match=r"5 rows of the sheet .*: 3, 4, 5, 6, 7\)"):
        file_source(saved(tmp_path, PEOPLE, filtered))


def test_empty_hidden_rows_do_not_matter(tmp_path: Path):
    assert len(list(file_source(saved(tmp_path, PEOPLE, hiding(20, 30))).rows)) == 6


def rewritten(path: Path, old: bytes, new: bytes) -> Path:
    """Change the XML of the sheet as no library writes it."""
    target = path.with_name("other.xlsx")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith("sheet1.xml"):
                assert old in content
                content = content.replace(old, new)
            after.writestr(name, content)
    return target


@pytest.mark.parametrize("attributes", [b'ht="0" customHeight="1"', b'ht="0.0"', b'hidden="true"'])
def test_row_of_zero_height_is_hidden(attributes: bytes, tmp_path: Path):
    path = rewritten(saved(tmp_path, PEOPLE), b'<row r="3"', b'<row r="3" ' + attributes)
    with pytest.raises(
        ValueError, match=r"a row of the sheet 'Sheet' is hidden \(by a filter or by hand: 3\)"
    ):
        file_source(path)
    assert [row.line for row in file_source(path, hidden="skip").rows if row.complaint] == [3]


OLD_PHONES = [
    ["phone", "name", "old"],
    ["+380501111111", "Ann", "+380502222222"],
    ["+380501111112", "Bob", "+380502222223"],
]


@pytest.mark.parametrize(
    "attributes", [b'hidden="1"', b'hidden="true"', b'width="0" customWidth="1"']
)
@pytest.mark.parametrize("column", ["C", "A"])
def test_numbers_in_a_hidden_column_need_an_explicit_choice(
    column: str, attributes: bytes, tmp_path: Path
):
    place = b"3" if column == "C" else b"1"
    cols = (
        b'<cols><col min="'
        + place
        + b'" max="'
        + place
        + b'" '
        + attributes
        + b"/></cols><sheetData>"
    )
    path = rewritten(saved(tmp_path, OLD_PHONES), b"<sheetData>", cols)
    with pytest.raises(
        ValueError,
        match=rf"a column with numbers is hidden in the sheet \({column}\); use --hidden skip",
    ):
        file_source(path)
    shown_column = "phone" if column == "C" else "old"
    assert file_source(path, hidden="skip").phone_column == shown_column
    with pytest.raises(ValueError, match=r"several columns may have the numbers \(phone, old\)"):
        file_source(path, hidden="include")
    assert [row.number[-1] for row in file_source(path, phone_column=shown_column).rows][:1] == [
        "1" if column == "C" else "2"
    ]
    hidden_column = "old" if column == "C" else "phone"
    with pytest.raises(ValueError, match="a column with numbers is hidden"):
        file_source(path, phone_column=hidden_column)
    assert (
        file_source(path, phone_column=hidden_column, hidden="include").phone_column
        == hidden_column
    )


def test_hidden_column_without_numbers_is_read_unless_skipped(tmp_path: Path):
    def hide(sheet: Worksheet) -> None:
        sheet.column_dimensions["B"].hidden = True

    path = saved(tmp_path, PEOPLE, hide)
    assert [row.values["name"] for row in file_source(path).rows][:1] == ["Name 1"]
    assert file_source(path, hidden="skip").columns == ("phone",)


def test_hidden_columns_keep_the_letters_of_the_sheet(tmp_path: Path):
    """The table begins further right."""

    def move(sheet: Worksheet) -> None:
        sheet.insert_cols(1, 27)
        sheet.column_dimensions["AD"].hidden = True

    with pytest.raises(ValueError, match=r"hidden in the sheet \(AD\)"):
        file_source(saved(tmp_path, OLD_PHONES, move))


@pytest.mark.parametrize(
    ("name", "found"), [(None, "Shown, the first visible of 3"), ("Old", "Old"), ("Other", "Other")]
)
def test_first_visible_sheet_or_the_named_one_is_used(name: str | None, found: str, tmp_path: Path):
    book = openpyxl.Workbook()
    assert book.active
    book.active.title, book.active.sheet_state = "Old", "hidden"
    for title in ("Shown", "Other"):
        book.create_sheet(title)
    for place, sheet in enumerate(book.worksheets):
        sheet.append(["phone"])
        sheet.append([f"+38050111111{place}"])
    book.save(tmp_path / "list.xlsx")
    source = file_source(tmp_path / "list.xlsx", sheet=name)
    assert source.sheet == found
    assert [row.number for row in source.rows] == [
        f"+38050111111{['Old', 'Shown', 'Other'].index(found.partition(',')[0])}"
    ]
    with pytest.raises(
        ValueError, match="sheet: no sheet has this name; the sheets are Old, Shown, Other"
    ):
        file_source(tmp_path / "list.xlsx", sheet="New")


def test_other_file_types_say_that_hidden_parts_are_undetected(tmp_path: Path):
    path = tmp_path / "list.ods"
    rows = "".join(
        '<table:table-row><table:table-cell office:value-type="string">'
        f"<text:p>{text}</text:p></table:table-cell></table:table-row>"
        for text in ("phone", "+380501111111")
    )
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="A">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    for hidden in (None, "skip"):
        with pytest.raises(
            ValueError,
            match=(
                r"hidden rows and columns cannot be detected in a file of this kind: save it as "
                r"XLSX, or use --hidden"
            ),
        ):
            file_source(path, hidden=hidden)
    assert [row.number for row in file_source(path, hidden="include").rows] == ["+380501111111"]


def test_spreadsheet_is_detected_by_content_not_by_name(tmp_path: Path):
    path = saved(tmp_path, PEOPLE).rename(tmp_path / "list.txt")
    assert [row.number[-1] for row in file_source(path).rows] == list("123456")
    with pytest.raises(ValueError, match="hidden: must be include or skip"):
        file_source(path, hidden="none")  # type: ignore[arg-type]


def test_doctype_in_a_spreadsheet_is_refused(tmp_path: Path):
    path = saved(tmp_path, PEOPLE)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "bad.xlsx", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, b"<!DOCTYPE a>" + content if name.endswith("sheet1.xml") else content
            )
    with pytest.raises(ValueError, match="the file is not a readable spreadsheet"):
        file_source(tmp_path / "bad.xlsx")


# Cells


def test_cells_in_a_text_look_as_in_the_sheet(tmp_path: Path):
    row = [
        date(2026, 8, 24),
        moment(2026, 8, 24, 9, 5),
        0.2,
        True,
        671234567,
        1250.5,
        0.1 + 0.2,
        20,
    ]
    formats = [
        "dd.mm.yyyy",
        "d/m/yy hh:mm",
        "0%",
        "General",
        "0000000000",
        '#,##0.00\\ "₴"',
        "General",
        "General",
    ]

    def format_cells(sheet: Worksheet) -> None:
        for place, code in enumerate(formats, start=1):
            sheet.cell(2, 1 + place).number_format = code

    names = [f"c{place}" for place in range(len(row))]
    path = saved(tmp_path, [["phone", *names], ["+380501111111", *row]], format_cells)
    (found,) = file_source(path).rows
    assert [found.values[name] for name in names] == [
        "24.08.2026", "24/8/26 09:05", "20%", "TRUE", "0671234567", "1 250.50 ₴", "0.3", "20",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (0.125, "0.0%", "12.5%"),
        (1, "0%", "100%"),
        (-5, "0.00;(0.00)", "(5.00)"),
        (0, "0;-0;\\-", "-"),
        (-5.25, "0.0", "-5.3"),
        (0.5, "#.##", ".5"),
        (7, "0.##", "7"),
        (1234567, "#,##0", "1 234 567"),
        (12, "_-* #,##0.00_-", "12.00"),
        (0.25, "[$-422]0.00", "0.25"),
        (380671234567, "\\+00\\(000\\)000\\-00\\-00", "+38(067)123-45-67"),
        (380671234567, "0.00E+00", "380671234567"),
        (380671234567.0, "General", "380671234567"),
        (0, "0;-0;;@", ""),
        (5, "0;-0;;@", "5"),
        (-5, "0;-0;;@", "-5"),
        ("Яна", "0;-0;;@", "Яна"),
        (0, "#,##0;;", ""),
        (-5, "0;;", ""),
        (0, "0;@", "0"),
        (-5, "0;@", "-5"),
        (5, ";;;", ""),
        ("Яна", ";;;", ""),
        (True, ";;;", ""),
        (True, "0;-0;;@", "TRUE"),
        ("Яна", '"пані "@', "пані Яна"),
        ("Яна", "0.00", "Яна"),
        ("a;b", '0" @;";-0', "a;b"),
        (0, '[=0]"";General', ""),
        (7, '[=0]"";General', "7"),
        (-7, '[>100]"багато";0', "-7"),
        (0, '[>5]"багато";[<0]"борг";"нема"', "нема"),
        (5551234, "[<=9999999]###\\-####;0", "555-1234"),
        (380671234567, "[<=9999999]###\\-####;0", "380671234567"),
        (1e-20, "General", "1e-20"),
        (0.5, "# ?/?", "0.5"),
        (1500, "0,", "1500"),
        (5, "@", "5"),
        (False, "0", "FALSE"),
        (None, "0", ""),
        (date(2026, 8, 4), "General", "04.08.2026"),
        (date(2026, 8, 4), "yyyy\\-m\\-d;@", "2026-8-4"),
        (moment(2026, 8, 4, 19, 5), "General", "04.08.2026 19:05"),
        (moment(2026, 8, 4, 19, 5), "h:mm AM/PM", "7:05 PM"),
        (moment(2026, 8, 4, 0, 5, 7), "hh:mm:ss a/p", "12:05:07 A"),
        (moment(2026, 8, 4, 19, 5, 7), "mm:ss", "05:07"),
        (time(9, 5), "h:mm", "9:05"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05"),
        (timedelta(hours=30), "General", "30:00"),
        (date(2026, 8, 4), 'd"-"m"-"yy', "4-8-26"),
    ],
)
def test_number_formats(value: Any, code: str, text: str):
    assert shown(value, code) == text


def test_date_with_a_month_name_skips_recipients_who_need_it(tmp_path: Path):
    def format_cells(sheet: Worksheet) -> None:
        sheet["B2"].number_format = "d mmmm yyyy"

    rows = [["phone", "till"], ["+380501111111", date(2026, 8, 24)], ["+380501111112", "завтра"]]
    path = saved(tmp_path, rows, format_cells)
    with Campaign.create(
        tmp_path / "a.sms", file_source(path), sender="Shop", text="{till}"
    ) as campaign:
        ((line, reason),) = [(one.line, one.reason) for one in campaign.skipped()]
        assert (line, (reason or "")[:50]) == (
            2,
            "column till: a date with the name of a month or a ",
        )
    with Campaign.create(
        tmp_path / "b.sms", file_source(path), sender="Shop", text="a"
    ) as campaign:
        assert not list(campaign.skipped())


def test_failed_formula_is_never_sent(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text(
        "phone,name,other\n+380501111111,#N/A,1\n+380501111112,Яна,#REF!\n+380501111113,#hashtag,1\n",
        "utf-8",
    )
    with Campaign.create(
        tmp_path / "a.sms", csv_source(path), sender="Shop", text="{name}"
    ) as campaign:
        assert {one.line: one.reason for one in campaign.skipped()} == {
            2: "column name: a failed formula"
        }
