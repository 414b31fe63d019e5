"""The option --database, and the ledger in that database.

Rules of this file: an address may hold a password, so it is shown without user and parameters. A
command does not create a file or tables, unless that is what it is for.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from ..ledger.arguments import check_place, on_server
from ..ledger.health import PostgresHealth, SqliteHealth
from .credentials import database_of

if TYPE_CHECKING:
    from ..ledger.messages import MessageLedger

__all__ = ["Database", "shown_place"]


def shown_place(place: str) -> str:
    """Return a path as it is, and an address without user, password and parameters."""
    if not on_server(place):
        return place
    try:
        parts = urlsplit(place)
    except ValueError:
        return "the database"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Database:
    """The database of an outbox."""

    database: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help=(
                "The outbox: the path of an SQLite file, or a postgresql:// URL."
                " Default: SMSGATE_DATABASE."
            ),
        ),
    ] = None

    def place(self) -> str:
        """Return the path or the address. It may hold a password. Raises `ValueError`."""
        place = database_of(self.database)
        # "host=db password=..." is no name for a new file.
        parameters = "=" in place and not on_server(place) and not Path(place).exists()
        check_place("--database", "://" if parameters else place)
        return place

    def on_server(self) -> bool:
        """Return whether the database is on a server, and not in a file."""
        return on_server(self.place())

    def shown(self) -> str:
        """Return the path, or the address without user, password and parameters."""
        return shown_place(self.place())

    def words(self) -> str:
        """Return the words of a command line that give the same database again."""
        if self.database is None:
            return ""
        return f" --database {'URL' if self.on_server() else shlex.quote(self.database)}"

    def exists(self) -> bool:
        """Return whether there is a file, or an address that leads to a server."""
        return self.on_server() or Path(self.place()).exists()

    def health(self) -> SqliteHealth | PostgresHealth:
        """Measure the database.

        Raises `ValueError` if there is no such file, or `LedgerError`.
        """
        if self.on_server():
            from ..ledger.postgres.postgres_health import (  # noqa: PLC0415 - an extra
                postgres_health,
            )

            return postgres_health(self.place())
        if not self.exists():
            raise ValueError(f"{self.place()}: there is no such file")
        from ..ledger.sqlite.sqlite_health import sqlite_health  # noqa: PLC0415 - loads sqlite3

        return sqlite_health(Path(self.place()))

    @contextmanager
    def ledger(self, *, create: bool = False) -> Iterator[MessageLedger]:
        """Open the ledger of the outbox. `create` creates what is missing.

        Raises `ValueError` if there is no outbox, or `LedgerError`.
        """
        from ..outbox import open_ledger  # noqa: PLC0415 - loads sqlite3 or psycopg

        if not create and self.health().version is None:
            raise ValueError(
                f"{self.shown()}: there is no outbox in this database. To create it:"
                f" smsgate database migrate{self.words()}"
            )
        with closing(open_ledger(self.place())) as ledger:
            ledger.sweep()
            yield ledger
