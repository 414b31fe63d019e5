"""Each benchmark and each script of the documentation runs, with the smallest counts."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_cluster import programs

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"

BENCHMARKS = {
    "benchmark_campaign.py": (
        ["--small", "50", "--large", "100"],
        ["recipients", "time per recipient", "memory", "journal"],
    ),
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
    "check_links.py": "test_docs_build.py",
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
