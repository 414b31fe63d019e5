"""Connections of the caller, in whose own transaction a message is added to an outbox.

Known are the connections of sqlite3, aiosqlite and psycopg (sync and async), and the connections
and sessions of SQLAlchemy (sync and async).

Rule of this file: a class is recognised by its name, so that no library is imported for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .sql_files import placeholders

__all__ = ["Rows", "rows_on"]

Rows = list[tuple[Any, ...]]
_Run = Callable[[Any, str, dict[str, Any]], Awaitable[Rows]]


async def _sqlite3(connection: Any, sql: str, values: dict[str, Any]) -> Rows:
    cursor = connection.cursor()
    cursor.row_factory = None
    rows: Rows = cursor.execute(sql, values).fetchall()
    return rows


async def _aiosqlite(connection: Any, sql: str, values: dict[str, Any]) -> Rows:
    async with connection.execute(sql, values) as cursor:
        cursor.row_factory = None
        return [tuple(row) for row in await cursor.fetchall()]


async def _psycopg(connection: Any, sql: str, values: dict[str, Any]) -> Rows:
    with connection.cursor(row_factory=_tuples) as cursor:
        cursor.execute(placeholders(sql), values)
        return cursor.fetchall() if cursor.description else []


async def _psycopg_async(connection: Any, sql: str, values: dict[str, Any]) -> Rows:
    async with connection.cursor(row_factory=_tuples) as cursor:
        await cursor.execute(placeholders(sql), values)
        return await cursor.fetchall() if cursor.description else []


async def _sqlalchemy(connection: Any, sql: str, values: dict[str, Any]) -> Rows:
    from sqlalchemy import text  # noqa: PLC0415 - the caller's own library

    found = connection.execute(text(sql), values)
    result = await found if isinstance(found, Awaitable) else found
    return [tuple(row) for row in result] if result.returns_rows else []


def _tuples(_cursor: Any) -> type[tuple[Any, ...]]:
    return tuple


_KINDS: dict[tuple[str, str], _Run] = {
    ("sqlite3", "Connection"): _sqlite3,
    ("aiosqlite", "Connection"): _aiosqlite,
    ("psycopg", "Connection"): _psycopg,
    ("psycopg", "AsyncConnection"): _psycopg_async,
    ("sqlalchemy", "Connection"): _sqlalchemy,
    ("sqlalchemy", "AsyncConnection"): _sqlalchemy,
    ("sqlalchemy", "Session"): _sqlalchemy,
    ("sqlalchemy", "AsyncSession"): _sqlalchemy,
    ("sqlalchemy", "scoped_session"): _sqlalchemy,
    ("sqlalchemy", "async_scoped_session"): _sqlalchemy,
}
"""How to run a statement, by the library and the class of a connection."""


async def rows_on(connection: Any, sql: str, values: dict[str, Any]) -> Rows:
    """Run a statement with parameters like `:name` on the caller's connection.

    Raises:
        TypeError: the connection is of an unknown class.
    """
    for kind in type(connection).__mro__:
        run = _KINDS.get((kind.__module__.partition(".")[0], kind.__name__))
        if run is not None:
            return await run(connection, sql, values)
    known = ", ".join(f"{library}.{name}" for library, name in _KINDS)
    raise TypeError(f"connection: must be one of {known}")
