"""The files at the root of the project do not go out of date:

the workflow, the commands of CONTRIBUTING.md, the names.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", CONTRIBUTING, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
]
TOP = {
    ".ci", ".editorconfig", ".github", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md",
    "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "docs", "noxfile.py",
    "pyproject.toml", "smsgate", "tests",
}  # fmt: skip


def test_top_level_has_only_what_a_project_needs():
    # What git ignores is nobody's business.
    ignored = {".git", ".venv", ".nox", "dist", "build", ".env", ".hypothesis", "PKG-INFO"}
    there = {
        path.name
        for path in ROOT.iterdir()
        if path.name not in ignored and not path.name.startswith(".coverage")
    }
    caches = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}
    assert there - caches <= TOP


@pytest.mark.parametrize("line", COMMANDS)
def test_command_of_the_contributing_guide_parses(line: str):
    bash = shutil.which("bash")
    assert bash
    assert (
        subprocess.run([bash, "-n", "-c", line], capture_output=True, check=False).returncode == 0
    )
    files = re.findall(r"\b(?:tests|docs|smsgate)/[\w/.]+", line)
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_contributing_guide_starts_with_commands_and_all_extras():
    assert len(COMMANDS) >= 6
    (extras,) = re.findall(r"\.\[([\w,]+)\]", COMMANDS[0])
    every = set(PROJECT["project"]["optional-dependencies"]) - {"demo"}
    assert set(extras.split(",")) == every, "demo is cli and sandbox"
    assert "--group dev" in COMMANDS[0]
    groups = PROJECT["dependency-groups"]
    assert {one["include-group"] for one in groups["dev"] if isinstance(one, dict)} >= {
        "docs",
        "lint",
        "types",
    }
    for session in re.findall(r"nox -s (\w+)", CONTRIBUTING):
        assert f"def {session}(session: nox.Session)" in (ROOT / "noxfile.py").read_text("utf-8")


def test_workflow_runs_the_same_command_on_each_supported_python():
    workflow = (ROOT / ".github/workflows/tests.yml").read_text("utf-8")
    assert "- run: bash .ci/run\n" in workflow
    assert (ROOT / ".ci/run").is_file()
    versions = [
        one.rsplit(" ", 1)[1]
        for one in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", one)
    ]
    assert re.findall(r"python install ([\d. ]+?) &&", workflow) == [" ".join(versions)]


def test_pre_commit_hooks_match_the_nox_session():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"(?:repo|entry): (.+)", hooks) == ["local", "nox -s lint"]
