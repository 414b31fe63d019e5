"""An outbox whose calls are cancelled by asyncio itself, which no scope of anyio can prevent."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

import smsgate
from smsgate.ledger.sqlite.sqlite_messages import SqliteMessages
from smsgate.outbox import Outbox, RecipientState
from smsgate.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Crowd:
    """Counts the threads that are in the ledger at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside: list[int] = []
        self.most = 0
        step = SqliteMessages._step

        def counted(ledger: SqliteMessages, work: Callable[[], Any]) -> Any:
            self.inside.append(threading.get_ident())
            self.most = max(self.most, len(set(self.inside)))
            try:
                return step(ledger, work)
            finally:
                self.inside.remove(threading.get_ident())

        monkeypatch.setattr(SqliteMessages, "_step", counted)


async def test_claim_of_a_call_that_asyncio_cancelled_is_given_back(
    tmp_path: Path,
    smsgate_session: smsgate.AsyncSession,
    smsgate_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
):
    path = tmp_path / "sms.db"
    async with smsgate_session as session, Outbox(session, path) as outbox:
        crowd = Crowd(monkeypatch)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # the outbox waits for it
            first = asyncio.create_task(outbox.send("+380501234567", "hello", key="first"))
            while not crowd.inside:  # noqa: ASYNC110 - it is in a thread
                await anyio.sleep(0.01)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            second = asyncio.create_task(outbox.send("+380501234568", "hello", key="second"))
            await anyio.sleep(0.2)  # enough for a second thread to begin, if it may
            other.execute("ROLLBACK")
        assert (await second).state is RecipientState.ACCEPTED
        assert crowd.most == 1
        found = await outbox.outcome("first")
        assert found is None or found.state is RecipientState.PENDING
        assert (await outbox.send("+380501234567", "hello", key="first")).message_id
    assert smsgate_sandbox.accepted == 2
