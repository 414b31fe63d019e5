"""What the measuring of coverage leaves out:

each line with a reason in words, and nothing by a pattern that nobody knows of.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import smsgate

ROOT = Path(smsgate.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
# The kinds of comment that coverage itself knows, in any case and with any spaces.
PRAGMA = re.compile(r"#\s*pragma[:\s]\s*no\s*(?:cover|branch)(?P<rest>.*)", re.IGNORECASE)
REASON = re.compile(r" - \S+(?: \S+){2,}")
"""A dash and three words at least."""


def without_a_reason(source: str) -> list[int]:
    """Return the numbers of the lines that are left out and do not say why."""
    lines = enumerate(source.splitlines(), start=1)
    return [
        number
        for number, line in lines
        if (found := PRAGMA.search(line)) and not REASON.fullmatch(found["rest"])
    ]


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # pragma: no cover",
        "x = 1  # pragma: no cover - Windows",
        "x = 1  # pragma: no cover only where os.name is nt",
        "x = 1  #pragma:no cover",
        "x = 1  # PRAGMA: NO COVER",
        "x = 1  # pragma: no branch",
    ],
)
def test_exclusion_without_a_reason_is_found(line: str):
    assert without_a_reason(f"\n{line}\n") == [2]


def test_exclusion_with_a_reason_is_accepted():
    assert (
        without_a_reason(
            "x = 1  # pragma: no cover - runs on Windows only\n"
            "y = 2  # a pragma would be wrong here\n"
        )
        == []
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_line_excluded_from_coverage_has_a_reason(path: Path):
    assert without_a_reason(path.read_text("utf-8")) == []


def test_only_known_patterns_are_excluded_from_coverage():
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))[
        "tool"
    ]["coverage"]
    assert not settings["run"].keys() & {"omit", "include"}
    assert not settings["report"].keys() & {
        "exclude_lines",
        "partial_branches",
        "omit",
        "include",
        "ignore_errors",
    }
    assert set(settings["report"]["exclude_also"]) == {"if TYPE_CHECKING:", "\\.\\.\\.$"}
