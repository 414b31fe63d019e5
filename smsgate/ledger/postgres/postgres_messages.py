"""The messages of an outbox in PostgreSQL, which several machines may share.

Rule of this file: a claim compares the server's timeline with the one that the outbox knows. A
standby that took over may lack the record of a send, so nothing is sent after a failover until an
operator has accepted it (docs: outbox, "Failover").
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any, TypeVar

from ...errors import InDoubt, Reason
from ..messages import MessageClaim, MessageLedger
from ..records import LedgerError
from ..sql_files import placeholders, script, statements_of
from ..states import Event, after, before
from ..stored_errors import stored
from .reconnection import PostgresConnection

__all__ = ["POSTGRES_VERSION", "FailedOver", "PostgresMessages"]

T = TypeVar("T")

POSTGRES_VERSION = 1
"""The newest version of the tables. The scripts in between migrate older ones."""
_MIGRATION_LOCK = 0x534D5347
"""The advisory lock of a migration: SMSG."""
_LOST = InDoubt(
    "the database failed over, and the record of a send may be lost", reason=Reason.FAILED_OVER
)


class FailedOver(LedgerError):
    """A standby took over, so the record of a send may be lost. An operator must accept it."""


class PostgresMessages(MessageLedger):
    """The messages in the schema `smsgate` of a database. The tables are made if they are missing.

    Args:
        address: a URI or a connection string of libpq.

    Raises:
        LedgerError: the database cannot be used.
    """

    def __init__(self, address: str) -> None:
        self.sql: dict[str, str] = statements_of("postgres", "messages.sql")
        self._sql = {name: placeholders(sql) for name, sql in self.sql.items()}
        self._connection = PostgresConnection(address)
        self._in_step = False
        try:
            self._step(self._prepare)
            self.identity: str = self._step(lambda: self._run("setting", name="identity"))[0][0]
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        version = self._version()
        if version == POSTGRES_VERSION:
            return
        if version > POSTGRES_VERSION:
            raise LedgerError(
                f"the outbox has version {version}, and this smsgate supports versions up to"
                f" {POSTGRES_VERSION}: install a newer smsgate"
            )
        self._connection.run("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _MIGRATION_LOCK})
        version = self._version()  # another process may have migrated
        for newer in range(version + 1, POSTGRES_VERSION + 1):
            for statement in script("postgres", f"messages_{newer}.sql"):
                self._connection.run(statement, {})
            self._run("set", name="version", value=str(newer))
        if not version:
            self._run("set", name="identity", value=token_hex(16))
            self._run("set", name="timeline", value=self._timeline())

    def _version(self) -> int:
        ((known,),) = self._connection.run("SELECT to_regclass('smsgate.setting')::text", {})
        return int(self._run("setting", name="version")[0][0]) if known else 0

    def _timeline(self) -> str:
        return str(self._run("timeline")[0][0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def claim(self, message: int, token: str, lease: float) -> MessageClaim | None:
        """Claim a pending message for `lease` seconds, as in `MessageLedger`.

        Raises:
            FailedOver: a standby took over, and no operator has accepted it yet.
        """

        def claim() -> MessageClaim | None:
            claimed = super(PostgresMessages, self).claim(message, token, lease)
            if claimed is None and self._run("setting", name="timeline")[0][0] != self._timeline():
                raise FailedOver(
                    "the database failed over to a standby, which may lack the record of messages"
                    " that were sent. Nothing is sent until an operator has run"
                    " 'smsgate database accept-failover'"
                )
            return claimed

        return self._step(claim)

    def accept_failover(self, *, who: str) -> int:
        """Accept that a standby took over. Pending messages become in doubt; returns their number.

        Raises:
            ValueError: the database has not failed over.
        """
        source = before(Event.FAILED_OVER)
        target = after(source, Event.FAILED_OVER)

        def failed_over() -> bool:
            return bool(self._run("setting", name="timeline")[0][0] != self._timeline())

        def accept() -> int:
            self._run("set", name="timeline", value=self._timeline())
            rows = self._run("doubt_pending", target=target, reason=str(_LOST), error=stored(_LOST))
            for (message,) in rows:
                self._run("add_decision", id=message, who=who, event=Event.FAILED_OVER, note="")
            return len(rows)

        # A step of its own: the other one may be repeated, and then finds the new timeline.
        if not self._step(failed_over):
            raise ValueError("the database has not failed over, so there is nothing to accept")
        return self._step(accept)

    def _run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._connection.run(self._sql[statement], values)

    def _step(self, work: Callable[[], T]) -> T:
        if self._in_step:
            return work()
        self._in_step = True
        try:
            return self._connection.step(work)
        finally:
            self._in_step = False
