"""The commands `smsgate stoplist ...`, and the options of campaigns that leave people out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import run_command
from databases import database_of
from test_cli import Finished, clean_environment

from smsgate.campaign import Campaign, RecipientState
from smsgate.sandbox import Sandbox

NUMBERS = [f"+38050111000{digit}" for digit in range(6)]
LISTED = "on the stop list"
S = RecipientState


class Folder:
    """A working directory with lists, in which commands run."""

    def __init__(self, path: Path, **environment: str) -> None:
        self.path, self.environment = path, environment
        self.write("no.txt", *NUMBERS[:2], "nobody")
        self.write("list.csv", "name,phone", *(f"A,{number}" for number in NUMBERS))

    def write(self, name: str, *lines: str) -> None:
        (self.path / name).write_text("\n".join(lines) + "\n", "utf-8")

    def run(self, *arguments: str, **more: str) -> Finished:
        done = run_command(
            list(arguments),
            environment=clean_environment() | self.environment | more,
            folder=self.path,
        )
        return Finished(done.code, done.out.decode(), done.err.decode())

    def new(self, *more: str, name: str = "a.sms") -> Finished:
        words = ["campaign", "new", name, "list.csv", "--sender", "Shop", "--text", "Hello"]
        return self.run(*words, *more)

    def document(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, SMSGATE_STOP_LIST="stop.db")


def test_numbers_are_added_listed_and_removed(folder: Folder):
    done = folder.run("stoplist", "add", NUMBERS[0], NUMBERS[1], "--reason", "wrote STOP")
    assert done.out == "stop.db: 2 numbers added, 0 already there. The list has 2 numbers.\n"
    assert NUMBERS[0] not in folder.run("stoplist", "list").out
    shown = folder.run("stoplist", "list", "--show-numbers").out
    assert all(word in shown for word in (*NUMBERS[:2], "wrote STOP"))
    lines = folder.run("stoplist", "list", "--json", "--limit", "1").out.splitlines()
    (entry,) = map(json.loads, lines)
    assert (entry["number"], entry["reason"]) == ("+380*****0000", "wrote STOP")
    done = folder.run("stoplist", "list", "--limit", "1")
    assert done.err == "There is 1 more: give a larger --limit.\n"
    done = folder.run("stoplist", "remove", NUMBERS[0], NUMBERS[5])
    assert done.out == "stop.db: 1 number removed, 1 not on the list. The list has 1 number.\n"
    assert folder.document("stoplist", "remove", NUMBERS[1])["numbers"] == 0
    assert folder.run("stoplist", "list").out == "stop.db: the list is empty.\n"


def test_import_tells_what_it_did_and_may_be_repeated(folder: Folder):
    done = folder.run("stoplist", "import", "no.txt", "--reason", "old")
    assert done.out == (
        "stop.db: 2 numbers added, 0 already there. The list has 2 numbers.\n"
        "Not added: 1 row has no valid number (line 3).\n"
    )
    assert folder.document("stoplist", "import", "no.txt") == {
        "stop_list": "stop.db",
        "added": 0,
        "known": 2,
        "invalid": 1,
        "invalid_lines": [3],
        "numbers": 2,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list",), "the stop list stop.db: there is no such file"),
        (("remove", NUMBERS[0]), "the stop list stop.db: there is no such file"),
        (("add", "quokka"), "NUMBER 1: not a phone number"),
        (("add", NUMBERS[0], "--reason", "x" * 201), "--reason: must have at most 200"),
        (("add", NUMBERS[0], "--file", "mysql://x/y"), "stop list: must be a path"),
        (("import", "gone.csv"), "gone.csv"),
        (("import", "list.csv", "--phone-column", "x"), "list.csv: "),
    ],
)
def test_wrong_usage_says_what_is_wrong(folder: Folder, arguments: tuple[str, ...], said: str):
    done = folder.run("stoplist", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "quokka" not in done.err
    assert not (folder.path / "stop.db").exists()


def test_list_must_be_named(tmp_path: Path):
    done = Folder(tmp_path).run("stoplist", "list")
    assert done.err == "error: no stop list: use --file, or set SMSGATE_STOP_LIST\n"


def test_campaign_leaves_out_and_tells_it(folder: Folder):
    folder.run("stoplist", "add", NUMBERS[0])
    folder.write("other.csv", "Телефон", NUMBERS[1], "nobody")
    done = folder.new("--exclude", "no.txt", "--exclude", "other.csv")
    assert done.code == 0
    assert "on the stop list" in done.out
    assert "excluded: in no.txt" in done.out
    assert done.err.count("no valid number") == 2
    assert "other.csv: 1 row has no valid number (line 3)" in done.err
    document = folder.document("campaign", "status", "a.sms")
    assert document["skipped"] == {LISTED: 1, "excluded: in no.txt": 1}
    skipped = folder.document("campaign", "skipped", "a.sms")["skipped"]
    assert [(one["line"], one["reason"]) for one in skipped] == [
        (2, LISTED),
        (3, "excluded: in no.txt"),
    ]
    again = folder.new("--exclude", "a.sms", "--json", name="b.sms")
    assert json.loads(again.out)["skipped"] == {LISTED: 1, "excluded: in the campaign a.sms": 5}
    assert json.loads(again.out)["excluded"] == [
        {"name": "the campaign a.sms", "numbers": 6, "invalid": 0, "invalid_lines": []}
    ]


def test_column_of_an_excluded_list_can_be_named(folder: Folder):
    folder.write("two.csv", "phone,mobile", f"{NUMBERS[0]},{NUMBERS[1]}")
    done = folder.new("--exclude", "two.csv")
    assert (done.code, (folder.path / "a.sms").exists()) == (2, False)
    folder.run("stoplist", "add", "+380509999999")
    done = folder.new("--exclude", "two.csv", "--exclude-column", "mobile", "--json")
    assert done.code == 0
    with Campaign.open(folder.path / "a.sms") as campaign:
        assert [one.line for one in campaign.skipped()] == [3]


def test_campaign_needs_the_list_that_is_set(folder: Folder):
    done = folder.new()
    assert (done.code, done.out) == (2, "")
    assert "the stop list stop.db: there is no such file" in done.err
    assert not (folder.path / "a.sms").exists()


def test_run_honours_the_list_and_remembers_another(tmp_path: Path):
    with Sandbox() as sandbox:
        folder = Folder(
            tmp_path,
            SMSGATE_LOGIN="sandbox",
            SMSGATE_PASSWORD="sandbox",
            SMSGATE_URL=sandbox.url,
        )
        assert folder.new().code == 0
        folder.run("stoplist", "add", NUMBERS[2], "--file", "late.db")
        run = ("campaign", "run", "a.sms", "--yes")
        (folder.path / "gone.db").write_bytes(b"")
        done = folder.run(*run, "--stop-list", "gone.db")
        assert "the stop list gone.db: the file has no stop list" in done.err
        assert done.code == 2
        assert folder.run(*run, "--stop-list", "late.db", "--max-cost", "1").code != 0
        assert not sandbox.messages
        done = folder.run(*run)
        assert done.code == 0
        assert {message.destination for message in sandbox.messages} == {
            *NUMBERS[:2],
            *NUMBERS[3:],
        }
    status = folder.run("campaign", "status", "a.sms").out
    assert "abandoned because" in status
    assert LISTED in status
    assert folder.document("campaign", "status", "a.sms")["abandoned"] == {LISTED: 1}


def test_send_honours_a_list_only_if_it_is_named(tmp_path: Path):
    with Sandbox() as sandbox:
        folder = Folder(
            tmp_path,
            SMSGATE_LOGIN="sandbox",
            SMSGATE_PASSWORD="sandbox",
            SMSGATE_URL=sandbox.url,
            SMSGATE_STOP_LIST="stop.db",
        )
        folder.run("stoplist", "add", NUMBERS[0])
        send = ("send", NUMBERS[0], "--text", "Hello", "--sender", "Shop")
        refused = folder.run(*send, "--stop-list", "stop.db")
        assert (refused.code, len(sandbox.messages)) == (3, 0)
        assert "the number is on the stop list; nothing was sent" in refused.err
        missing = folder.run(*send, "--stop-list", "gone.db")
        assert (missing.code, len(sandbox.messages)) == (2, 0)
        assert "gone.db" in missing.err
        assert folder.run(*send).code == 0, "one-time codes go to everybody"
        assert len(sandbox.messages) == 1


def test_list_of_a_database_serves_its_campaigns(request: pytest.FixtureRequest, tmp_path: Path):
    address = database_of(request)
    folder = Folder(tmp_path, SMSGATE_STOP_LIST=address)
    done = folder.run("stoplist", "import", "no.txt")
    assert done.out.startswith(f"{address.rpartition('@')[0] and ''}postgresql://")
    assert folder.new("--database", address, name="first").code == 0
    with Campaign.open("first", database=address) as campaign:
        assert campaign.figures().skipped == {LISTED: 2}
        assert campaign.stop_lists == (), "it is the list of the database"
    done = folder.new("--database", address, "--exclude", "first", "--json", name="second")
    assert json.loads(done.out)["skipped"] == {LISTED: 2, "excluded: in the campaign first": 4}
    done = folder.new("--database", address, "--exclude", "gone", name="third")
    assert done.code == 2
