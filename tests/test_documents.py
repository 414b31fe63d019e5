"""The README and the documentation say what is so:

their code runs, their commands are those of the checks.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path

import pytest
from command_tree import COMMANDS, command_of
from commands import run_command
from replies import sent

import smsgate
from smsgate.campaign import TRANSITIONS
from smsgate.cli.exits import Exit
from smsgate.config import GatewaySettings
from smsgate.extras import EXTRA_OF
from smsgate.ledger.states import ENTRIES
from smsgate.protocol.answers import ANSWERS, STATUSES
from smsgate.protocol.reply import read_send
from smsgate.sandbox import FAULTS, MAGIC, FaultRow, MagicNumber, Settings
from smsgate.sandbox.api import REQUESTS
from smsgate.sandbox.sentences import say

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
REFERENCE = (ROOT / "docs/reference.md").read_text("utf-8")
SANDBOX = (ROOT / "docs/sandbox.md").read_text("utf-8")
CAMPAIGNS = (ROOT / "docs/campaigns.md").read_text("utf-8")
HOW_IT_IS_TESTED = (ROOT / "docs/explanation/how-it-is-tested.md").read_text("utf-8")
WIRE_FORMAT = (ROOT / "docs/explanation/wire-format.md").read_text("utf-8")
GENERATED = ROOT / "docs/generated"  # by a build of the documentation, which checks it itself
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent != GENERATED),
]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


CODE = [
    pytest.param(block, id=f"{page.name}-{n}")
    for page in PAGES
    for n, block in enumerate(blocks(page.read_text("utf-8"), "python"))
]


@pytest.mark.parametrize("block", CODE)
def test_each_code_block_runs_as_it_stands(block: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block, "utf-8")
    ended = run_command([], script=str(script), environment=os.environ, folder=tmp_path)
    assert (ended.code, ended.err.decode()) == (0, "")


def test_front_page_shows_what_its_program_prints(tmp_path: Path) -> None:
    page = (ROOT / "docs/index.md").read_text("utf-8")
    (program,), (shown,) = blocks(page, "python"), blocks(page, "text")
    (tmp_path / "first.py").write_text(program, "utf-8")
    ended = run_command(
        [], script=str(tmp_path / "first.py"), environment=os.environ, folder=tmp_path
    )
    printed, expected = (
        re.sub(r"\b[0-9a-f-]{36}\b", "ID", said) for said in (ended.out.decode(), shown)
    )
    assert printed == expected
    assert "ID" in expected


def test_there_are_blocks_to_run() -> None:
    assert len(CODE) >= 3


def test_readme_has_two_one_line_commands_and_the_demo_is_first() -> None:
    demo, checks = blocks(README, "sh")
    assert demo.count("\n") == checks.count("\n") == 1
    assert demo.endswith("smsgate demo\n")
    assert checks.endswith("nox\n")


def test_readme_fits_on_a_page() -> None:
    assert README.count("\n") <= 100


def test_check_runs_the_second_command_of_the_readme() -> None:
    # Its own words: the line is taken out of the README, and nothing is installed beside it.
    script = (ROOT / ".ci/run").read_text("utf-8")
    awk = re.search(r"line=\$\((awk .*)\)$", script, re.MULTILINE)
    assert awk
    line = subprocess.run(
        ["bash", "-c", awk[1]], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    assert line == blocks(README, "sh")[1]


@pytest.mark.parametrize("name", [name for name in smsgate.__all__ if name != "__version__"])
def test_each_public_name_is_documented(name: str) -> None:
    assert re.search(rf"\b{name}\b", REFERENCE)


@pytest.mark.parametrize("row", MAGIC, ids=lambda row: row.number)
def test_each_magic_number_is_documented_with_its_meaning(row: MagicNumber) -> None:
    assert f"| `{row.number}` | {row.note} | " in SANDBOX


@pytest.mark.parametrize(
    "row", [row for row in MAGIC if row.answers_all], ids=lambda row: row.number
)
def test_magic_number_for_a_whole_request_documents_its_error(
    row: MagicNumber,
) -> None:
    sentence = say(row.answers_all)
    with pytest.raises(smsgate.SmsGateError) as caught:
        read_send(
            sent(sentence), smsgate.Message(destinations=[row.number, "+380501234567"], text="t")
        )
    word = {False: "refused", None: "in doubt"}[caught.value.sent]
    assert (
        f"| `{row.number}` | {row.note} | nothing is sent, and the client says {word}: {sentence} |"
        in SANDBOX
    )


def rows_of_reasons() -> list[tuple[str, str, str]]:
    """Return the documented reasons:

    each with its errors, and whether a call is retried after it.
    """
    (table,) = re.findall(r"^\| reason \|.*\n\|---.*\n((?:\|.*\n)+)", REFERENCE, re.MULTILINE)
    return re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|", table, re.MULTILINE)


def test_reasons_of_both_errors_are_documented() -> None:
    rows = rows_of_reasons()
    assert sorted(name for name, _, _ in rows) == sorted(smsgate.Reason.__members__)
    assert {errors for _, errors, _ in rows} == {"`NotSent`", "`InDoubt`", "`NotSent`, `InDoubt`"}
    # Those that depend on whether a byte had left.
    assert {name for name, errors, _ in rows if ", " in errors} == {"CLOSED", "TIMED_OUT"}


def test_reasons_that_are_retried_are_documented() -> None:
    retried = {name for name, _, retried in rows_of_reasons() if retried != "no"}
    assert retried == {reason.name for reason in smsgate.Reason if reason.transient}


@pytest.mark.parametrize("row", FAULTS.values(), ids=lambda row: row.kind)
def test_each_fault_is_documented_with_its_effect(row: FaultRow) -> None:
    assert f"| `{row.kind}` | {'yes' if row.works else 'no'} | {row.note} |" in SANDBOX


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_each_setting_of_the_sandbox_is_documented(name: str) -> None:
    assert re.search(rf"^\| [^|]*`{name}`", SANDBOX, re.MULTILINE)


@pytest.mark.parametrize(("method", "path"), [(row.method, row.path) for row in REQUESTS])
def test_each_request_of_the_api_is_documented(method: str, path: str) -> None:
    assert re.search(rf"^\| `{method} {re.escape(path)}[?`]", SANDBOX, re.MULTILINE)


def test_state_diagram_is_drawn_from_the_table() -> None:
    def name(state: str) -> str:
        return state.replace(" ", "_")

    edges = [
        (
            f"{name(row.source)} "
            f"--> {name(row.target)}: {row.event}{' (operator)' if row.operator else ''}"
        )
        for row in TRANSITIONS
    ]
    lines = [
        "stateDiagram-v2",
        *(f"    [*] --> {name(state)}" for state in ENTRIES),
        *(f"    {edge}" for edge in edges),
    ]
    assert blocks(CAMPAIGNS, "mermaid") == ["\n".join(lines) + "\n"]


@pytest.mark.parametrize("code", Exit)
def test_each_exit_code_is_documented(code: Exit) -> None:
    assert re.search(rf"^\| {code.value} \|", REFERENCE, re.MULTILINE)


def test_each_environment_variable_is_documented() -> None:
    variables = {f"SMSGATE_{name.upper()}" for name in GatewaySettings.model_fields}
    for page in (REFERENCE, (ROOT / "docs/howto/settings.md").read_text("utf-8")):
        assert (
            set(re.findall(r"`(SMSGATE_\w+)`", "".join(re.findall(r"^\|.*$", page, re.MULTILINE))))
            == variables
        )


def test_each_extra_is_documented() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    (table,) = re.findall(r"^## Extras\n\n\|.*\n\|---.*\n((?:\|.*\n)+)", REFERENCE, re.MULTILINE)
    assert set(
        re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()))
    ) == set(extras)
    assert set(EXTRA_OF.values()) <= set(extras)


LINES = [
    pytest.param(line, id=line)
    for page in PAGES
    # Every block is matched, or the end of one in another language would be taken for the beginning
    # of one.
    for language, block in re.findall(
        r"^```(.*?)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    if language in ("", "sh", "bash")
    for line in re.findall(r"^(?:\S*/)?smsgate .*$", block.replace("\\\n", ""), re.MULTILINE)
]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_has_an_example_that_parses(name: str) -> None:
    help_of = cleandoc(COMMANDS[name].help)
    examples = re.findall(r"^Example: smsgate (.*(?:\n.+)*)$", help_of, re.MULTILINE)
    assert examples
    for example in examples:
        command, words = command_of(shlex.split(example))
        assert command is COMMANDS[name]
        command.make_context(name, words)


@pytest.mark.parametrize("line", LINES)
def test_each_shown_command_exists_with_its_options(line: str) -> None:
    command, words = command_of(shlex.split(line, comments=True)[1:])
    options = {word for word in words if re.match("--?[a-z]", word)}
    assert options <= {name for option in command.params for name in option.opts}


def test_there_are_commands_to_check() -> None:
    assert len(LINES) >= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_to_a_file_works(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_wire_format_has_every_sentence_of_the_gateway() -> None:
    # A row may be half of a sentence, or two with a separator between them.
    whole = [row.sentence for row in ANSWERS if not re.search("both in one|line alone", row.note)]
    whole += [row.sentence for row in STATUSES]
    written = [re.sub(r"\{\w+\}", "X", sentence).replace("\n", "\\n") for sentence in whole]
    page = " ".join(WIRE_FORMAT.split())
    assert [sentence for sentence in written if f"`{sentence}`" not in page] == []


def test_each_file_that_how_it_is_tested_names_exists() -> None:
    named = set(re.findall(r"`(\w+\.py)`", HOW_IT_IS_TESTED))
    assert named - {path.name for path in (ROOT / "tests").iterdir()} == set()
    assert len(named) > 20


CITATION = re.compile(r'[Dd]ocs: ([a-z][a-z ]*[a-z])((?:(?:,| and)\s+"[^"\n]+")*)')


def citations() -> list[tuple[str, str, str]]:
    """Return every citation of a page in the code:

    the file, the page and the heading, which may be empty.
    """
    found = []
    for source in [*(ROOT / "smsgate").rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        if source.name == Path(__file__).name:
            continue
        text = re.sub(r"\n\s*#?\s*", " ", source.read_text("utf-8"))
        for page, named in CITATION.findall(text):
            found += [
                (source.name, page, heading) for heading in re.findall(r'"([^"]+)"', named) or [""]
            ]
    return found


@pytest.mark.parametrize(("source", "page", "heading"), citations())
def test_each_citation_in_the_code_has_a_target(source: str, page: str, heading: str) -> None:
    names = {path.stem: path for path in (ROOT / "docs").rglob("*.md")}
    target = names.get(page.replace(" ", "-"))
    assert target, f"{source} cites a page that is not there"
    headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
    assert not heading or heading in headings, f"{source} cites a heading that is not there"


def test_there_are_citations_to_check() -> None:
    assert len(citations()) > 40


def test_each_file_that_the_architecture_names_exists() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", page))
    absent = [
        name
        for name in named
        if not any((ROOT / top / name).exists() for top in ("", "smsgate", "tests"))
    ]
    assert absent == []
    assert len(named) > 25
