"""What `smsgate database check` measures in a database. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PostgresHealth", "SqliteHealth"]


@dataclass(frozen=True, slots=True)
class SqliteHealth:
    """The settings of an SQLite file.

    Attributes:
        version: the version of the outbox's tables, None if there are none.
        newest: the newest version that this package supports.
        library: the version of SQLite, such as (3, 45, 1).
        journal_mode: the journal mode of the file, such as `wal`.
        synchronous: what the outbox's own setting is read back as; 2 is FULL.
    """

    version: int | None
    newest: int
    library: tuple[int, ...]
    journal_mode: str
    synchronous: int


@dataclass(frozen=True, slots=True)
class PostgresHealth:
    """The settings of a PostgreSQL server, as a connection of the outbox has them.

    Attributes:
        version: the version of the outbox's tables, None if there are none.
        newest: the newest version that this package supports.
        server: the version of the server.
        standby: the server is a standby, and cannot be written to.
        synchronous_commit, fsync, full_page_writes, synchronous_standby_names: settings.
        timeline: the timeline of the server, None for a standby.
        known_timeline: the timeline that the outbox knows, None if there are no tables.
    """

    version: int | None
    newest: int
    server: str
    standby: bool
    synchronous_commit: str
    fsync: str
    full_page_writes: str
    synchronous_standby_names: str
    timeline: str | None
    known_timeline: str | None
