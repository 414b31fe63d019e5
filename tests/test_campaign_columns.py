"""Which column has the numbers, is there a header, and what is the affair of one row."""

from __future__ import annotations

import random
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from smsgate.campaign import Campaign, Preview, Source, csv_source, file_source, rows_source
from smsgate.campaign.planning import entries_of


def of(folder: Path, content: str, **options: str) -> Source:
    path = folder / "list.csv"
    path.write_text(content, "utf-8", newline="")
    return csv_source(path, **options)  # type: ignore[arg-type]


def skipped(
    folder: Path, source: Source, text: str = "a", country: str | None = None
) -> dict[int, str]:
    (folder / "x.sms").unlink(missing_ok=True)
    with Campaign.create(
        folder / "x.sms", source, sender="Shop", text=text, country=country
    ) as campaign:
        return {one.line: one.reason or "" for one in campaign.skipped()}


# The column with the numbers


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("Номер;Телефон\n1;+380501111111\n2;+380501111112\n", "Телефон"),
        ("phone;id\n0501111111;48200012345\n0501111112;48200012346\n", "phone"),
        ("ІПН;Телефон\n3124567890;0501111111\n3124567891;0501111112\n", "Телефон"),
        ("телефон;дата\n+380501111111;2026-08-24\n", "телефон"),
        ("a;b\n1;'+380501111111\n2;tel:+380501111112\n", "b"),
        ("a;b\n2026-08-24;3,80671E+11\n2026-08-25;3,80671E+11\n", "b"),
        (
            "main;second\n"
            + "".join(f"+3805011111{n:02};\n" for n in range(20))
            + "+380502222222;+380503333333\n",
            "main",
        ),
        ("phone;name\n12;a\n", "phone"),
    ],
)
def test_phone_column_is_chosen_by_its_cells(content: str, column: str, tmp_path: Path):
    assert of(tmp_path, content).phone_column == column


@pytest.mark.parametrize(
    "content",
    [
        "Телефон;Телефон 2\n+380501111111;+380502222222\n",
        "phone;b\n+380501111111;+380502222222\n",
        "Номер;Телефон\n100123456789;0501111111\n",
        "Телефон;ІПН\n;3124567890\n;3124567891\n",
        "Телефон;Телефон\n+380501111111;+380502222222\n",
        "Номер;Контакт\n" + "".join(f"1001234{n};+38050111111{n}\n" for n in range(9)),
        "Номер;Контакт\n100123456789;380501111111\n100123456790;380501111112\n",
        "Ім'я;Телефон;Штрихкод\nA0;671234560;4820024700010\nA1;671234561;4820024700027\n",
        "Клієнт;Телефон;Менеджер\nA0;0671234560;+380502223330\nA1;0671234561;+380502223330\n",
        "Клієнт;Телефон;Менеджер\nA0;ask Olena;+380502223330\n",
        "Телефон;Дод\n0501111111;\n0501111112;\n0501111113;\n0501111114;\n0501111115;+380502222222\n",
        "Моб;Дод\n0501111111;\n0501111112;\n0501111113;\n0501111114;\n0501111115;+380502222222\n",
    ],
)
def test_two_possible_phone_columns_are_an_error(content: str, tmp_path: Path):
    with pytest.raises(
        ValueError,
        match=(
            r"phone column: it cannot be determined, as several columns may have the numbers "
            r"\(\w"
        ),
    ):
        of(tmp_path, content)


FIRST = 200
"""Rows by which the column is chosen while the list is read."""


@pytest.mark.parametrize(
    ("header", "first", "then", "says"),
    [
        (
            "Клієнт;Телефон;Менеджер",
            "A;;+380502223330",
            "A;+380501111{:03};+380502223330",
            r"several .* \(Телефон, Менеджер\)",
        ),
        ("main;second", "+380501111{:03};", ";+380502222{:03}", r"several .* \(main, second\)"),
        (
            "a;b",
            "100111{:03};x",
            "x;+380502222{:03}",
            "the first rows point to 'a', but all rows together to 'b'; name the right one",
        ),
    ],
)
def test_later_rows_do_not_change_the_phone_column(
    header: str, first: str, then: str, says: str, tmp_path: Path
):
    rows = [first.format(n) for n in range(FIRST)] + [then.format(n) for n in range(FIRST * 2)]
    source = of(tmp_path, "\n".join([header, *rows]))
    with pytest.raises(ValueError, match=f"phone column: .*{says}"):
        skipped(tmp_path, source)
    assert not (tmp_path / "x.sms").exists()
    named = of(tmp_path, "\n".join([header, *rows]), phone_column=source.phone_column)
    assert len(list(named.rows)) == FIRST * 3


def test_duplicate_column_name_matters_only_if_the_text_uses_it(tmp_path: Path):
    content = "phone,note,note\n+380501111111,a,b\n"
    assert skipped(tmp_path, of(tmp_path, content)) == {}
    with pytest.raises(ValueError, match=r"text: several columns are named note"):
        skipped(tmp_path, of(tmp_path, content), text="{note}")
    source = of(tmp_path, "Телефон,Телефон\n,+380501111111\n")
    assert [row.number for row in source.rows] == ["", "+380501111111"][1:]


def test_number_in_the_header_is_masked_in_the_error(tmp_path: Path):
    with pytest.raises(ValueError, match=r"the columns are \+380\*\*\*\*\*4567") as caught:
        of(tmp_path, "+380501234567;Ivan\n+380501234568;Olga\n", header=True, phone_column="phone")  # type: ignore[arg-type]
    assert "1234567" not in str(caught.value)


# No header


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        ("+380501111111\n+380501111112\n", ["+380501111111", "+380501111112"]),
        ("380501111111\r\n380501111112", ["380501111111", "380501111112"]),
        ("+38 (050) 111-11-11\n\n+380501111112\n", ["+38 (050) 111-11-11", "+380501111112"]),
        ("12\n+380501111112\n", ["12", "+380501111112"]),
        ("+38050111111O\n+380501111112\n", ["+38050111111O", "+380501111112"]),
        ("Олена;+380501111111\nІван;+380501111112\n", ["+380501111111", "+380501111112"]),
        ("3,80671E+11\n", ["3,80671E+11"]),
        (
            "моб. +380501111111;Ivan\n+380501111112;Olga\n+380501111113;Eve",
            ["моб. +380501111111", "+380501111112", "+380501111113"],
        ),
        ("тел +380501111111\n+380501111112\n", ["тел +380501111111", "+380501111112"]),
        (
            "\uff0b380501111111;Ivan\n+380501111112;Olga\n+380501111113;Eve",
            ["\uff0b380501111111", "+380501111112", "+380501111113"],
        ),
        (
            "Ivan;(050) 111-11-11 дод. 3;Kyiv\nOlga;+380501111112;Kyiv\nEve;+380501111113;Lviv",
            ["(050) 111-11-11 дод. 3", "+380501111112", "+380501111113"],
        ),
    ],
)
def test_list_without_a_header_loses_no_row(content: str, numbers: list[str], tmp_path: Path):
    source = of(tmp_path, content, delimiter=";")
    assert (source.headed, [row.number for row in source.rows]) == (False, numbers)


@pytest.mark.parametrize("header", ["Телефон;2026", "Телефон;01.01.2026", "phone;v2", "№;тел;1"])
def test_header_with_digits_is_no_recipient(header: str, tmp_path: Path):
    source = of(
        tmp_path,
        f"{header}\n1;+380501111111;1\n"
        if header.count(";") > 1
        else f"{header}\n+380501111111;1\n",
    )
    assert (source.headed, [row.line for row in source.rows]) == (True, [2])


def test_header_can_be_ruled_out_and_columns_get_numbers(tmp_path: Path):
    source = of(tmp_path, "Олена;нема\nІван;+380501111112\n", header=False, phone_column="2")  # type: ignore[arg-type]
    assert (source.columns, source.phone_column) == (("1", "2"), "2")
    assert [(row.line, row.number, row.values["1"]) for row in source.rows] == [
        (1, "нема", "Олена"),
        (2, "+380501111112", "Іван"),
    ]
    with pytest.raises(
        ValueError, match=r"text: no column for the field {name}; the columns are 1, 2"
    ):
        skipped(tmp_path, of(tmp_path, "Олена;+380501111111\n"), text="{name}")


# What is the affair of one row


def test_unreadable_row_does_not_stop_the_others(tmp_path: Path):
    content = (
        "phone,address\n"
        '"+380501111111\n+380501111112",a\n'
        '+380501111113,"вул. Хрещатик, 1\n+380441234567"\n'
        f"+380501111114,{'x' * 200_000}\n"
        f"+380501111115,{'x,' * 600_000}\n"
        '+380501111116,"ТОВ "Ромашка""\n'
        '"3,80671E+11",a\n'
        "+380501111117 +380501111118,a\n"
        "+380501111119/+380501111120,a\n"
        "'+380501111121,a\n"
        "tel:+380501111122,a\n"
        '"=""+380501111123""",a\n'
        '+380501111124,"Ann'
    )
    found = skipped(tmp_path, of(tmp_path, content))
    several = "more than one number in one cell"
    assert found == {
        2: several,
        6: "a cell is too long",
        7: "the line is too long",
        8: "misplaced quotes",
        9: "Excel has shortened this number: format the column as text and save the list again",
        10: several,
        11: several,
        15: "misplaced quotes",
    }
    with Campaign.open(tmp_path / "x.sms", writing=False) as campaign:
        pending = [
            (one.line, (one.number or "")[-2:])
            for one in campaign.recipients()
            if one.state == "pending"
        ]
    assert pending == [(4, "13"), (12, "21"), (13, "22"), (14, "23")]


@pytest.mark.parametrize(
    "content",
    [
        'phone\n"+380501111111\n+380501111112\n+380501111113\n+380501111114"\n',
        'name,phone\n"Ann,+380501111111\nBob,+380502222222\nEve",+380503333333\n',
    ],
)
def test_rows_inside_an_unclosed_quote_are_an_error(content: str, tmp_path: Path):
    with pytest.raises(ValueError, match="line 2: a cell continues over other rows"):
        skipped(tmp_path, of(tmp_path, content))


def test_endless_line_is_not_held_in_memory(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"phone,a\n+380501111111," + b"x" * 30_000_000 + b"\n+380501111112,a\n")
    tracemalloc.start()
    try:
        assert [row.complaint for row in file_source(path).rows] == ["the line is too long", ""]
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


# The preview


def test_preview_has_the_longest_text_and_three_random_ones():
    people = [
        {"phone": f"+38050{n:07}", "name": "a" * (40 if n == 7 else 1) + str(n)} for n in range(20)
    ]
    entries = list(entries_of(rows_source(people), sender="Shop", text="{name}", wappush=None))
    seen: set[int] = set()
    for seed in range(60):
        preview = Preview(random=random.Random(seed))
        for entry in entries:
            preview.look_at(entry)
        longest, *drawn = preview.samples
        assert (longest.line, longest.number, longest.text.text) == (
            8,
            "+380500000007",
            "a" * 40 + "7",
        )
        assert len(drawn) == 3 - (8 in {one.line for one in drawn}) or len(drawn) == 2
        seen.update(one.line for one in drawn)
    assert seen == set(range(1, 21)) - {8}, "each may be drawn"


def test_progress_is_reported_every_thousand_rows(tmp_path: Path):
    told: list[int] = []
    source = rows_source(f"+38050{n:07}" for n in range(2_500))
    with Campaign.create(
        tmp_path / "a.sms", source, sender="Shop", text="a", on_progress=told.append
    ) as campaign:
        campaign.export(tmp_path / "a.csv", on_progress=told.append)
    assert told == [1_000, 2_000] * 2


def test_figures_and_report_report_their_progress(tmp_path: Path):
    parts: list[float] = []
    with Campaign.create(
        tmp_path / "a.sms", rows_source(["+380501111111"]), sender="Shop", text="a"
    ) as campaign:
        for work in (campaign.figures, partial(campaign.write_report, tmp_path / "a.html")):
            parts.clear()
            work(on_progress=parts.append)
            assert parts == sorted(parts)
            assert (len(parts) > 10, 0 < parts[0] < 0.2, parts[-1]) == (True, True, 1.0)


def test_file_reports_progress_while_it_is_read(tmp_path: Path):
    source = of(tmp_path, "phone\n" + "".join(f"+38050{n:07}\n" for n in range(20_000)))
    parts = [source.part() for _ in source.rows]
    assert parts == sorted(parts)
    assert 0 < parts[0] < parts[len(parts) // 2] < parts[-1] == 1.0


def test_numbers_with_a_trunk_zero_are_reported_and_sent(tmp_path: Path):
    numbers = ["+380501111111", *(f"+490170111{n:04}" for n in range(7)), "12"]
    with Campaign.create(
        tmp_path / "a.sms", rows_source(numbers), sender="Shop", text="a"
    ) as campaign:
        assert campaign.preview
        assert (campaign.preview.doubtful, campaign.preview.doubtful_lines) == (7, [2, 3, 4, 5, 6])
        assert campaign.added
        assert campaign.added.pending == 8
        assert len(campaign.preview.samples) == 1, "all texts are the same"
