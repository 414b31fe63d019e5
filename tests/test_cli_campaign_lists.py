"""`smsgate campaign new` and `export` in child processes:

pipes, hidden rows, the preview, and progress at a terminal.
"""

from __future__ import annotations

import os
import pty
import re
import threading
from pathlib import Path

import openpyxl
import pytest
from commands import Child, fork, run_command, text_of
from test_cli import Finished, clean_environment

from smsgate.campaign import Campaign
from smsgate.cli.exits import Exit

ROWS = 6_000
LIST = "phone;name\n" + "".join(f"+38050{n:07};Олена {n}\n" for n in range(ROWS))
"""More than a pipe and the first look at a file hold."""


def campaign(folder: Path, *arguments: str, stdin: str = "") -> Finished:
    done = run_command(
        ["campaign", *arguments],
        stdin=stdin.encode(),
        environment=clean_environment(),
        folder=folder,
    )
    return Finished(done.code, done.out.decode(), done.err.decode())


def new(
    folder: Path, list_: str, *more: str, text: str = "Привіт, {name}", stdin: str = ""
) -> Finished:
    return campaign(
        folder, "new", "a.sms", list_, "--sender", "Shop", "--text", text, *more, stdin=stdin
    )


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_stdin_loses_no_row(name: str, tmp_path: Path):
    done = new(tmp_path, name, stdin=LIST)
    # Whoever waits for long is told how far the reading is.
    said = [line for line in done.err.splitlines() if not line.startswith("Reading the list: ")]
    assert (done.code, said) == (0, [])
    with Campaign.open(tmp_path / "a.sms", writing=False) as made:
        assert [one.number for one in made.recipients()] == [f"+38050{n:07}" for n in range(ROWS)]


def test_fifo_loses_no_row(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(LIST, "utf-8"))
    writer.start()
    done = new(tmp_path, "pipe", "--json")
    writer.join(30)
    assert (done.document["added"], done.document["list"]["phone_column"]) == (ROWS, "phone")


def test_hidden_rows_need_a_choice_and_a_sheet_can_be_named(tmp_path: Path):
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet
    for row in (["phone", "name"], ["+380501111111", "Олена"], ["+380501111112", "Іван"]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    book.create_sheet("Other").append(["phone"])
    book.save(tmp_path / "list.xlsx")
    refused = new(tmp_path, "list.xlsx")
    assert refused.code == Exit.USAGE
    assert "a row of the sheet 'Sheet' is hidden" in refused.err
    assert "use --hidden skip to leave them out, or --hidden include" in refused.err
    assert not list(tmp_path.glob("a.sms*"))
    done = new(tmp_path, "list.xlsx", "--hidden", "skip", "--sheet", "Sheet", "--json")
    assert (done.document["added"], done.document["skipped"]) == (
        1,
        {"the row is hidden in the sheet": 1},
    )
    assert new(tmp_path, "list.xlsx", "--hidden", "perhaps").code == Exit.USAGE


def test_preview_shows_full_texts_and_masks_only_the_recipient(tmp_path: Path):
    text = "{2}, ваше замовлення 20260824, тел. 0800123456, ваш номер {1}"
    (tmp_path / "list.csv").write_text("+380501111111,Олена\n+3590501111112,Олександра\n", "utf-8")
    done = new(tmp_path, "list.csv", text=text)
    said = " ".join(done.out.split())
    assert "the longest text: line 2, +359******1112, " in said
    assert "Олександра, ваше замовлення 20260824, тел. 0800123456, ваш номер +359" in said
    assert "a random text: line 1, +380*****1111" in said
    assert "no header" in said
    assert (
        "1 number has a 0 after the calling code, which belongs to local numbers only: line 2"
        in said
    )
    assert not re.search(r"0501111111|0501111112", said)
    (tmp_path / "a.sms").unlink()
    shown = new(tmp_path, "list.csv", "--show-numbers", "--no-header", text=text)
    assert "ваш номер +380501111111" in " ".join(shown.out.split())


@pytest.mark.heavy
@pytest.mark.parametrize("columns", ["80", "60"])
def test_progress_is_shown_on_a_terminal_and_erased(columns: str, tmp_path: Path):
    (tmp_path / "list.csv").write_text(LIST, "utf-8")
    for arguments, words in (
        (["new", "a.sms", "list.csv", "--sender", "Shop", "--text", "a"], "Reading the list"),
        (["export", "a.sms", "out.csv"], "Writing the list"),
        (["report", "a.sms", "--html", "out.html"], "Writing the report"),
        (["status", "a.sms"], "Counting"),
    ):
        master, slave = pty.openpty()
        ours, theirs = os.pipe()
        process = fork(
            ["campaign", *arguments],
            [os.open(os.devnull, os.O_RDONLY), theirs, slave],
            environment=clean_environment(COLUMNS=columns, TERM="xterm"),
            folder=tmp_path,
        )
        child = Child(process, text_of(ours), None)
        said = bytearray()
        try:
            while piece := os.read(master, 65_536):
                said += piece
        except OSError:
            pass  # Linux says so where the other end is closed
        os.close(master)
        assert child.stdout
        assert words not in child.stdout.read()
        child.stdout.close()
        assert child.wait(30) == 0
        assert re.search(words.encode() + rb".* [1-9][0-9]*%", said)
        lines = [
            re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line)
            for line in said.decode(errors="replace").splitlines()
        ]
        assert max(map(len, re.split(r"\r", "\r".join(lines)))) <= int(columns)
