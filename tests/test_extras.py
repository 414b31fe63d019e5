"""A library that only some users need is not there:

each module says in one line what to install.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from smsgate.extras import EXTRA_OF, MissingExtra, missing

# The modules are imported by a process that finds none of the libraries, as in an environment
# without them.
PROGRAM = """
import contextlib, importlib, io, json, sys
from importlib.abc import MetaPathFinder
from pathlib import Path

absent, modules = json.loads(sys.argv[1]), json.loads(sys.argv[2])

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in absent or name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
said = {}
for module in modules:
    try:
        importlib.import_module(module)
    except Exception as error:
        said[module] = f"{type(error).__name__}: {error}"

from smsgate.campaign import file_source
try:
    file_source(Path(sys.argv[3]))
except Exception as error:
    said["list.xlsx"] = f"{type(error).__name__}: {error}"

from smsgate.cli import main
sys.argv = ["smsgate", "segments", "Hello"]
with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(io.StringIO()):
    try:
        said["exit code"] = main()
    except Exception as error:
        said["exit code"] = f"{type(error).__name__}: {error}"
said["command"] = err.getvalue()
print(json.dumps(said))
"""
NEEDED = {
    "smsgate.sandbox": ("uvicorn", "sandbox"),
    "smsgate.integrations.aiohttp": ("aiohttp", "aiohttp"),
    "smsgate.integrations.fastapi": ("fastapi", "fastapi"),
    "smsgate.integrations.otel": ("opentelemetry", "otel"),
    "smsgate.integrations.procrastinate": ("procrastinate", "procrastinate"),
    "smsgate.settings": ("dotenv", "settings"),
    "smsgate.phone": ("phonenumbers", "phone"),
    "smsgate.ledger.postgres.postgres_messages": ("psycopg", "postgres"),
}


def said_without(
    absent: Iterable[str], modules: Iterable[str], spreadsheet: Path
) -> dict[str, Any]:
    openpyxl.Workbook().save(spreadsheet)
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps(list(absent)),
        json.dumps(list(modules)),
        str(spreadsheet),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return said_without(EXTRA_OF, NEEDED, tmp_path_factory.mktemp("lists") / "list.xlsx")


@pytest.mark.parametrize("module", NEEDED)
def test_module_names_the_extra_that_it_needs(module: str, said: dict[str, Any]):
    library, extra = NEEDED[module]
    assert said[module].startswith("MissingExtra: ")
    assert said[module].endswith(
        f"needs {library}, which is not installed: pip install 'aiosmsgate[{extra}]'"
    )


def test_spreadsheet_names_the_extra_that_it_needs(said: dict[str, Any]):
    advice = (
        "a spreadsheet needs python_calamine, which is not installed: pip install "
        "'aiosmsgate[tables]'"
    )
    assert said["list.xlsx"] == f"MissingExtra: {advice}"


def test_command_names_the_extra_that_it_needs_in_one_line(said: dict[str, Any]):
    assert said["exit code"] == 2
    assert said["command"].startswith("smsgate: this command needs ")
    assert said["command"].endswith("which is not installed: pip install 'aiosmsgate[cli]'\n")
    assert said["command"].count("\n") == 1


def test_missing_module_that_belongs_to_no_extra_is_unchanged(tmp_path: Path):
    said = said_without(["smsgate.cli.views"], [], tmp_path / "list.xlsx")
    assert said["exit code"] == "ModuleNotFoundError: No module named 'smsgate.cli.views'"
    assert said["command"] == ""


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("no numpy", name="numpy"), ModuleNotFoundError("no name")]
)
def test_error_about_another_library_is_unchanged(error: ModuleNotFoundError):
    assert missing(error, "this") is error


def test_error_that_already_names_its_extra_is_unchanged():
    inner = missing(ModuleNotFoundError("no typer", name="typer.main"), "this command")
    assert isinstance(inner, MissingExtra)
    assert missing(inner, "another command") is inner
