"""Reads the SQL of a ledger: one schema script per version, and statements with names.

Rule of this file: SQL is written in `.sql` files, not in Python. Both databases have statements of
the same names, with parameters written as `:name`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["placeholders", "read_sql", "script", "statements_of"]

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_NAMED = re.compile(r"^-- name: (\w+)\n-- [^\n]+\n(.*?;)\n", re.MULTILINE | re.DOTALL)


def read_sql(database: str, name: str) -> str:
    """Return a file of the folder `ledger/{database}/sql`."""
    return files(f"smsgate.ledger.{database}").joinpath("sql", name).read_text(encoding="utf-8")


def script(database: str, name: str) -> list[str]:
    """Return the statements of a schema script."""
    return [one for one in read_sql(database, name).split(";\n") if one.strip()]


@cache
def statements_of(database: str, name: str) -> dict[str, str]:
    """Return every statement of a file by its name."""
    return dict(_NAMED.findall(read_sql(database, name) + "\n"))


def placeholders(sql: str) -> str:
    """Return a statement with psycopg's placeholders in place of `:name`."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
