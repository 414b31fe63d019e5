"""The SQL of the journal, read from the folder `sql`: a schema for each version, and statements by name.

Rule of this file: no SQL is written in Python.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["SCHEMA_VERSION", "schema", "statements"]

SCHEMA_VERSION = 3
"""The newest version; a file of an older one is migrated by the scripts in between."""

_NAMED = re.compile(r"^-- name: (\w+)\n-- [^\n]+\n(.*?;)\n", re.MULTILINE | re.DOTALL)


def _read(name: str) -> str:
    return files("smsgate.campaign").joinpath("sql", name).read_text(encoding="utf-8")


def schema(version: int) -> str:
    """Return the script that leads from the version before to this one."""
    return _read(f"schema_{version}.sql")


@cache
def statements() -> dict[str, str]:
    """Return every statement by its name."""
    return dict(_NAMED.findall(_read("statements.sql") + "\n"))
