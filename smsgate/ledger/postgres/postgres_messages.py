"""The messages of an outbox in PostgreSQL, which several machines may share.

Rule of this file: a claim compares the server's timeline with the one that the outbox knows. A
standby that took over may lack the record of a send, so nothing is sent after a failover until an
operator has accepted it (docs: outbox, "Failover").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import InDoubt, Reason
from ..messages import MessageClaim, MessageLedger
from ..records import LedgerError
from ..sql_files import statements_of
from ..states import Event, after, before
from ..stored_errors import stored
from .tables import PostgresTables

__all__ = ["FailedOver", "PostgresMessages"]

T = TypeVar("T")

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
        self._tables = PostgresTables(address, "messages.sql", "campaigns_after_failover.sql")
        try:
            self.identity: str = self._step(lambda: self._tables.setting("identity"))
        except BaseException:
            self._tables.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._tables.close()

    def claim(self, message: int, token: str, lease: float) -> MessageClaim | None:
        """Claim a pending message for `lease` seconds, as in `MessageLedger`.

        Raises:
            FailedOver: a standby took over, and no operator has accepted it yet.
        """

        def claim() -> MessageClaim | None:
            claimed = super(PostgresMessages, self).claim(message, token, lease)
            if claimed is None and self._tables.failed_over():
                raise FailedOver(
                    "the database failed over to a standby, which may lack the record of messages"
                    " that were sent. Nothing is sent until an operator has run"
                    " 'smsgate database accept-failover'"
                )
            return claimed

        return self._step(claim)

    def accept_failover(self, *, who: str) -> tuple[int, int]:
        """Accept that a standby took over.

        Pending messages and the pending recipients of campaigns are marked as in doubt, and running
        campaigns are paused. Returns how many messages and how many recipients.

        Raises:
            ValueError: the database has not failed over.
        """
        source = before(Event.FAILED_OVER)
        target = after(source, Event.FAILED_OVER)

        def accept() -> tuple[int, int]:
            self._run("set", name="timeline", value=self._tables.timeline())
            rows = self._run("doubt_pending", target=target, reason=str(_LOST), error=stored(_LOST))
            for (message,) in rows:
                self._run("add_decision", id=message, who=who, event=Event.FAILED_OVER, note="")
            self._run("pause_all", why=f"{_LOST}. An operator ({who}) has accepted that")
            moved = self._run("doubt_pending_recipients", target=target, reason=str(_LOST))
            return len(rows), len(moved)

        # A step of its own: the other one may be repeated, and then finds the new timeline.
        if not self._step(self._tables.failed_over):
            raise ValueError("the database has not failed over, so there is nothing to accept")
        with self._tables.connection.unhurried():
            return self._step(accept)

    def _run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._tables.run(statement, **values)

    def _step(self, work: Callable[[], T]) -> T:
        return self._tables.step(work)
