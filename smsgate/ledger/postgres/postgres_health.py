"""Measures a PostgreSQL server for `smsgate database check`. Nothing is created or changed."""

from __future__ import annotations

from contextlib import closing

from ..health import PostgresHealth
from ..sql_files import placeholders, statements_of
from .reconnection import PostgresConnection
from .tables import POSTGRES_VERSION

__all__ = ["postgres_health"]


def postgres_health(address: str) -> PostgresHealth:
    """Measure a server. Raises `LedgerError` if it cannot be reached."""
    sql = statements_of("postgres", "health.sql") | {
        name: placeholders(statement)
        for name, statement in statements_of("postgres", "messages.sql").items()
        if name in ("setting", "timeline")
    }
    with closing(PostgresConnection(address)) as connection:

        def measure() -> PostgresHealth:
            ((server, standby, commit, fsync, full_page_writes, standbys),) = connection.run(
                sql["server"], {}
            )
            ((tables,),) = connection.run(sql["tables"], {})
            known = {
                name: connection.run(sql["setting"], {"name": name})[0][0] if tables else None
                for name in ("version", "timeline")
            }
            return PostgresHealth(
                version=None if known["version"] is None else int(known["version"]),
                newest=POSTGRES_VERSION,
                server=server,
                standby=standby,
                synchronous_commit=commit,
                fsync=fsync,
                full_page_writes=full_page_writes,
                synchronous_standby_names=standbys,
                timeline=None if standby else connection.run(sql["timeline"], {})[0][0],
                known_timeline=known["timeline"],
            )

        return connection.step(measure)
