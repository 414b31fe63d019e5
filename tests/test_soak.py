"""A soak run has each test that tries more often there, and none that would only be repeated."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import soak

SOURCE = """
import pytest
from soak import count as times

MANY = times(short=1, full=2)
CHUNKS: range = range(2 * MANY)


@pytest.fixture
def made():
    return MANY


@pytest.mark.parametrize("chunk", CHUNKS)
def test_in_a_decorator(chunk): ...
def test_by_a_fixture(made): ...
async def test_by_a_helper():
    assert helper()
def helper():
    return times(1, 2)
class Trial:
    size = times(1, 2)
def test_by_a_class():
    Trial()
def test_of_another_name(times):
    MANY = times
    return MANY
def test_without(number=1):
    return number
"""


def test_what_a_count_changes_is_found(tmp_path: Path):
    path = tmp_path / "random_tests.py"
    path.write_text(SOURCE, "utf-8")
    spec = importlib.util.spec_from_file_location("random_tests", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert {name for name in soak.counted(module) if name.startswith("test_")} == {
        "test_in_a_decorator",
        "test_by_a_fixture",
        "test_by_a_helper",
        "test_by_a_class",
    }
