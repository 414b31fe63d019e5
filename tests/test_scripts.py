"""Each benchmark and each script of the documentation runs, with the smallest counts."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from postgres_cluster import programs

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
def test_benchmark_runs_and_prints_its_figures(script: str):
    options, words = BENCHMARKS[script]
    printed = run(TESTS / script, *options)
    assert [word for word in words if word not in printed] == []


@pytest.mark.heavy
def test_benchmark_of_speed_writes_figures_and_picture(tmp_path: Path):
    small = [
        *("--at-once", "2", "--numbers", "2", "--calls", "4", "--rounds", "2"),
        *("--campaigns", "10", "--personal", "2", "--clients", "smsgate", "httpx's transport"),
    ]
    files = {"--json": tmp_path / "speed.json", "--picture": tmp_path / "speed.svg"}
    named = [word for name, path in files.items() for word in (name, str(path))]
    run(TESTS / "benchmark_speed.py", *small, *named)
    found = json.loads(files["--json"].read_text("utf-8"))["figures"]
    calls = found["A call with one number, 2 at once"]
    assert all(row["µs a call"] > 0 for row in calls.values())
    assert list(calls) == ["smsgate", "httpx's transport"]
    picture = ElementTree.fromstring(files["--picture"].read_text("utf-8"))
    assert "smsgate" in "".join(picture.itertext())


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
