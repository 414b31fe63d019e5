"""The stop list of a PostgreSQL database. Every campaign in the database honours it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..records import LedgerError, StopListError
from ..stop_numbers import StopLedger
from .tables import PostgresTables

__all__ = ["PostgresStopList"]

T = TypeVar("T")


class PostgresStopList(StopLedger):
    """The stop list in the schema `smsgate` of a database. Missing tables are created.

    Args:
        address: a URI of PostgreSQL.

    Raises:
        StopListError: the database cannot be used.
    """

    def __init__(self, address: str) -> None:
        self.name: str = _shown(address)
        self._tables: PostgresTables = self._named(lambda: PostgresTables(address, "stop_list.sql"))

    def close(self) -> None:
        """Close the connection."""
        self._tables.close()

    def _named(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except LedgerError as error:
            raise StopListError(f"the stop list in {self.name}: {error}") from None

    def _run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._named(lambda: self._tables.step(lambda: self._tables.run(statement, **values)))

    def _add(self, rows: Sequence[tuple[int, float, str]]) -> int:
        # A list may have a number twice, and a statement may not.
        once = {number: (added_at, reason) for number, added_at, reason in rows}
        return len(
            self._run(
                "stop_add",
                numbers=list(once),
                times=[added_at for added_at, _ in once.values()],
                reasons=[reason for _, reason in once.values()],
            )
        )

    def _remove(self, numbers: Sequence[int]) -> int:
        return len(self._run("stop_remove", numbers=list(numbers)))

    def _listed(self, numbers: Sequence[int]) -> list[int]:
        return [number for (number,) in self._run("stop_listed", numbers=list(numbers))]

    def _rows(self, after: int, most: int) -> list[tuple[int, float, str]]:
        return [
            (number, added_at, reason)
            for number, added_at, reason in self._run("stop_rows", after=after, most=most)
        ]

    def count(self) -> int:
        """Return how many numbers are listed."""
        return int(self._run("stop_count")[0][0])


def _shown(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "the database"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
