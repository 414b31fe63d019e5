"""Each benchmark and each script of the documentation runs, with the smallest counts."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from postgres_cluster import programs
from speed_clients import CLIENTS

pytestmark = pytest.mark.unmeasured

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"

BENCHMARKS = {
    "benchmark_machines.py": (
        [
            *("--added", "500", "--recipients", "500", "--sent", "200", "--large", "2000"),
            *("--hold", "0.01", "--processes", "1", "2"),
        ],
        [
            *("add", "claim and settle", "with a gateway, 2 processes", "rate"),
            *("status", "figures", "timeline", "report", "purge"),
        ]
        if programs()
        else ["not installed"],
    ),
    "benchmark_sandbox.py": (
        ["--sends", "3", "--numbers", "2", "--keep", "5"],
        ["page closed", "frame", "memory"],
    ),
    "benchmark_speed.py": (
        [
            *("--at-once", "1", "3", "--numbers", "5", "--calls", "5", "--rounds", "1"),
            *("--campaigns", "50", "100", "--personal", "5"),
        ],
        [
            *("3 at once", "5 numbers", "smsgate on httpx2", "zeep", "raw sockets"),
            *("SQLite, one text, 100", "personal texts", "outbox", "send_many", "--help"),
            *(["PostgreSQL, one text, 100"] if programs() else ["not installed"]),
        ],
    ),
}
"""The counts of a short run, and the words that its output has."""


def check_files_of_speed(folder: Path) -> None:
    found = json.loads((folder / "speed.json").read_text("utf-8"))["figures"]
    calls = found["A call with one number, 3 at once"]
    assert all(row["µs a call"] > 0 for row in calls.values())
    assert list(calls) == CHOSEN
    picture = ElementTree.fromstring((folder / "speed.svg").read_text("utf-8"))
    assert "smsgate" in "".join(picture.itertext())


# Not in the order in which they stand, so the option has chosen them.
CHOSEN = ["smsgate", *reversed([name for name in CLIENTS if name != "smsgate"])]
FILES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "benchmark_speed.py": (
        check_files_of_speed,
        ["--clients", *CHOSEN, "--json", "{folder}/speed.json", "--picture", "{folder}/speed.svg"],
    ),
}
"""The options with which a benchmark writes files into a folder, and what looks at the files."""

PICTURES = {
    "screenshots.py": [
        "inbox-empty",
        "inbox-light",
        "inbox-dark",
        "inbox-narrow",
        "inbox-details",
        "inbox-faults",
    ],
    "report_screenshots.py": ["report-light", "report-dark"],
}
"""The pictures that a script takes."""

TESTED_ELSEWHERE = {
    "conf.py": "the docs session builds with it",
    "generate.py": "test_docs_build.py",
    "api_pages.py": "the docs session builds with it",
    "check_links.py": "test_docs_build.py",
    "check_search.py": "test_docs_build.py",
    "docstrings.py": "test_docs_build.py",
    "floors.py": "test_docs_build.py",
    "pictures.py": "the scripts that import it",
}


def run(script: Path, *options: str) -> str:
    command = [sys.executable, str(script), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_each_script_is_run_by_a_test():
    assert {path.name for path in TESTS.glob("benchmark_*.py")} == set(BENCHMARKS)
    assert {path.name for path in DOCS.glob("*.py")} == PICTURES.keys() | TESTED_ELSEWHERE.keys()


@pytest.mark.heavy
@pytest.mark.parametrize("script", BENCHMARKS)
def test_benchmark_runs_and_prints_its_figures(script: str, tmp_path: Path):
    options, words = BENCHMARKS[script]
    check, more = FILES.get(script, (None, []))
    printed = run(TESTS / script, *options, *(word.format(folder=tmp_path) for word in more))
    assert [word for word in words if word not in printed] == []
    if check:
        check(tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("script", PICTURES)
def test_documentation_screenshots_can_be_taken(script: str, tmp_path: Path):
    more = ["--port", "0"] if script == "screenshots.py" else ["--recipients", "500"]
    run(DOCS / script, "--folder", str(tmp_path), "--scale", "0.1", *more)
    taken = {path.stem: path.read_bytes() for path in tmp_path.glob("*.png")}
    assert set(taken) == set(PICTURES[script])
    for picture in taken.values():
        width, height = struct.unpack(">II", picture[16:24])
        assert min(width, height) > 30
    # What the pages of the documentation show is what the script takes.
    assert all((DOCS / "images" / f"{name}.png").is_file() for name in taken)
