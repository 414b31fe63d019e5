"""The scripts that build the documentation:

pages have what the code has, and a broken link is found.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import check_search
import docstrings
import floors
import json_documents
import pytest

import smsgate
import smsgate.campaign
import smsgate.doctor
import smsgate.sandbox
from smsgate.campaign import TRANSITIONS
from smsgate.errors import OUTCOMES
from smsgate.protocol.answers import ANSWERS, STATUSES, Answer
from smsgate.sandbox import FAULTS, MAGIC

pytestmark = [pytest.mark.heavy, pytest.mark.unmeasured]

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    folder = tmp_path_factory.mktemp("generated")
    generate.write(folder)
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


BECOMES = {
    Answer.AUTHORISED: "| success |",
    Answer.SENT: "| success |",
    Answer.PARTLY_SENT: "| a result:",
    Answer.NOT_SAVED: "InDoubt",
    Answer.OUTCOME_UNKNOWN: "InDoubt",
}


def test_each_sentence_and_status_is_listed_with_its_meaning(pages: dict[str, str]):
    rows = pages["sentences.md"].splitlines()
    for answer in ANSWERS:
        becomes = answer.error.__name__ if answer.error else BECOMES[answer.meaning]
        start = " ".join(answer.sentence.split("{")[0].split())
        assert any(row.startswith(f"| {start}") and becomes in row for row in rows), answer.sentence
    for status in STATUSES:
        row = f"| {status.sentence} | `{status.state.name}` | {'yes' if status.final else 'no'} |"
        assert any(line.startswith(row) for line in rows), row


def test_each_magic_number_and_fault_is_listed(pages: dict[str, str]):
    assert all(f"| `{row.number}` | {row.note} |" in pages["numbers.md"] for row in MAGIC)
    assert all(
        f"| `{row.kind}` | {'yes' if row.works else 'no'} | {row.note} |" in pages["numbers.md"]
        for row in FAULTS.values()
    )


def test_each_transition_is_drawn_and_listed(pages: dict[str, str]):
    assert all(f">{row.event}</tspan>" in pages["states.md"] for row in TRANSITIONS)
    assert all(
        f"| {row.source} | {row.event} | {row.target} |" in pages["states.md"]
        for row in TRANSITIONS
    )


def test_each_error_is_listed_with_its_advice(pages: dict[str, str]):
    for kind, row in OUTCOMES.items():
        assert (
            f"{kind.__name__}` | {row.outcome} | {row.next_step(sends=True)} |" in pages["exits.md"]
        )


@pytest.mark.parametrize(
    ("page", "module"),
    [
        ("api.md", smsgate),
        ("api-sandbox.md", smsgate.sandbox),
        ("api-campaign.md", smsgate.campaign),
        ("api-doctor.md", smsgate.doctor),
    ],
    ids=["smsgate", "sandbox", "campaign", "doctor"],
)
def test_each_public_name_is_in_the_api(pages: dict[str, str], page: str, module: ModuleType):
    words = pages[page].replace("(", "\n").splitlines()
    for name in set(module.__all__) - {"__version__"}:
        assert any(
            line.startswith(".. ") and line.endswith(f":: {module.__name__}.{name}")
            for line in words
        ), name


@pytest.mark.parametrize(
    "line",
    [
        "smsgate send [OPTIONS] NUMBER...",
        "`--wappush URL`",
        "smsgate campaign resolve [OPTIONS] FILE",
    ],
)
def test_command_page_shows_arguments_and_options(pages: dict[str, str], line: str):
    assert line in pages["command.md"]


def test_json_page_has_each_command_and_document_once(pages: dict[str, str]):
    lines = pages["json-output.md"].splitlines()
    for schema in json_documents.SCHEMAS["$defs"].values():
        if "title" in schema:
            level = "##" if "anyOf" in schema else "###"
            assert lines.count(f"{level} {schema['title']}") == 1
    assert (
        "| `recipients[].outcome` | string | The outcome of a recipient: `accepted`,"
        in (pages["json-output.md"])
    )


def test_nothing_of_this_machine_gets_into_a_page(pages: dict[str, str]):
    said = "".join(pages.values())
    assert str(DOCS.parent) not in said
    assert os.environ["PATH"] not in said


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ('<a href="other.html#there">', ""),
        ('<a href="#here">', ""),
        ('<a href="https://example.com/">', ""),
        ('<img src="picture.png">', ""),
        ('<a href="missing.html">', "index.html: no such file: missing.html"),
        ('<a href="other.html#elsewhere">', "index.html: no such anchor: other.html#elsewhere"),
        ('<img src="gone.png">', "index.html: no such file: gone.png"),
        ('<script src="https://example.com/a.js">', "index.html loads https://example.com/a.js"),
        (
            '<link rel="stylesheet" href="//example.com/a.css">',
            "index.html loads //example.com/a.css",
        ),
    ],
)
def test_broken_and_external_links_are_found(tmp_path: Path, link: str, complaint: str):
    (tmp_path / "index.html").write_text(f'<p id="here">{link}', "utf-8")
    (tmp_path / "other.html").write_text('<p id="there">', "utf-8")
    (tmp_path / "picture.png").touch()
    command = [sys.executable, str(DOCS / "check_links.py"), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (int(bool(complaint)), complaint)


def test_example_of_a_docstring_is_code_and_nothing_else_is():
    docstring = [
        "Send.", "", "    await send()", "", "    more()", "", "- a list", "", "    continued", "",
        "Marked::", "", "    once()", "", "Args:", "    name: what", "", "        indented",
    ]  # fmt: skip
    marked = docstrings.with_examples(docstring)
    assert marked == [*docstring[:2], ".. code-block:: python", "", *docstring[2:]]


def test_word_without_an_answer_in_the_search_is_found(tmp_path: Path):
    index = {
        "docnames": ["uk", *sorted({*check_search.EXPECTED.values()} - {"uk"})],
        "indexentries": {"вебхук": [[0, "index-0", False]], "a retry": [[0, "index-1", False]]},
    }
    (tmp_path / "searchindex.js").write_text(f"Search.setIndex({json.dumps(index)})", "utf-8")
    assert check_search.faults(tmp_path) == [
        f"{word}: no index entry in {page}"
        for word, page in check_search.EXPECTED.items()
        if word != "вебхук"
    ]


def test_folder_without_pages_is_an_error(tmp_path: Path):
    command = [sys.executable, str(DOCS / "check_links.py"), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_floors_are_drawn_from_the_imports(pages: dict[str, str]):
    assert floors.below("session") == {"_client"}
    assert floors.floor_of("errors, privacy") == 0
    assert all(f">{room}</tspan>" in pages["rooms.svg"] for room in floors.ROOMS)
    assert "campaign imports from ledger, session" in pages["rooms.svg"]
