"""The database file of a sandbox: what is kept over a restart, in SQLite. The only importer of it.

Rules of this file: each change is committed before the gateway answers, so a killed process loses
nothing that was answered. One sandbox uses a file at a time. Only its owner may read the file,
because it holds numbers, texts and cookies. `database.sql` has the tables.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..protocol.answers import DeliveryState
from ..protocol.segments import Alphabet
from .account import SandboxAccount
from .account_settings import AccountState
from .call_log import CallOutcome, SandboxCall
from .exchanges import RawExchange
from .faults import FaultKind, FaultRule
from .keeping import CallChanges, Counters, Kept, KeptFrom, SandboxDatabaseError
from .sessions import PhpSession
from .store import SandboxMessage, Saving

__all__ = ["SandboxDatabase"]

_APPLICATION = 0x736D7362
"""Marks a file as that of a sandbox: `smsb` in ASCII."""
_VERSION = 1

_OTHER_FILE = "it is not the database of a sandbox; choose another file"
_DAMAGED = "the file is damaged; delete it or choose another file"
_READ_ONLY = "it cannot be written; check the permissions of the file and of its folder"
_WHY = {
    sqlite3.SQLITE_BUSY: "another sandbox uses it; stop that one or choose another file",
    sqlite3.SQLITE_LOCKED: "another sandbox uses it; stop that one or choose another file",
    sqlite3.SQLITE_NOTADB: _OTHER_FILE,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check it or choose another file",
}

_MESSAGE = (
    "sequence, call, id, account, destination, sender, text, wappush, parts, alphabet, saving,"
    " credits, accepted_at, state, forced, ends, takes"
)
_CALL = "number, at, operation, session, outcome, answer, fault, first, stop"
_SESSION = "id, opened_at, used_at, calls, login"
_FAULT = "id, kind, operation, probability, times, seconds, struck"


def _insert(table: str, columns: str) -> str:
    marks = ", ".join("?" * len(columns.split(",")))
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - only names of this file


_ADD_MESSAGE = _insert("messages", _MESSAGE)
_ADD_CALL = _insert("calls", _CALL)
_ADD_EXCHANGE = _insert("exchanges", "call, request, reply, fault")
_ADD_SESSION = _insert("sessions", _SESSION)
_ADD_FAULT = _insert("faults", _FAULT)
_SET_ACCOUNT = _insert("accounts", "login, state, credits")
_SET_COUNTERS = _insert("counters", "only, messages, calls, operations")


class SandboxDatabase:
    """An open database file.

    Args:
        path: the file; it is created if it does not exist.

    Raises:
        ValueError: the file cannot be used. The message begins with `database` and says why.
    """

    def __init__(self, path: Path) -> None:
        _check(path)
        self._kept = KeptFrom(0, 0, 0)
        self._faults: tuple[FaultRule, ...] = ()
        try:
            # The gateway's lock lets one thread at a time use it.
            self._connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise ValueError(f"database: {_why(error)}") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise ValueError(f"database: {_why(error)}") from None
        except ValueError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        # Kept until the end, and taken by the first statement that reads.
        run("PRAGMA locking_mode = EXCLUSIVE")
        application, version, tables = (
            run(statement).fetchone()[0]
            for statement in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_schema",
            )
        )
        if application != _APPLICATION and (application or version or tables):
            raise ValueError(f"database: {_OTHER_FILE}")
        if version > _VERSION:
            raise ValueError(
                "database: a newer version of smsgate has written this file; install that version"
                " or choose another file"
            )
        run("PRAGMA journal_mode = WAL")
        # A process that is killed loses nothing; only a power failure may undo the last changes.
        run("PRAGMA synchronous = NORMAL")
        # Deleted numbers and texts are overwritten.
        run("PRAGMA secure_delete = FAST")
        run("BEGIN EXCLUSIVE")
        if not application:
            run(f"PRAGMA application_id = {_APPLICATION}")
            run(f"PRAGMA user_version = {_VERSION}")
            schema = files("smsgate.sandbox").joinpath("database.sql").read_text("utf-8")
            for statement in schema.split(";\n"):
                run(statement)
        run("COMMIT")

    def load(self) -> Kept:
        """Return what is kept.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            self._faults = tuple(map(_fault, self._rows("faults", _FAULT, "id")))
            (counters,) = [
                Counters(messages, calls, json.loads(operations))
                for messages, calls, operations in self._rows(
                    "counters", "messages, calls, operations", "only"
                )
            ] or [Counters()]
            return Kept(
                messages=[
                    (_message(row), row[1]) for row in self._rows("messages", _MESSAGE, "sequence")
                ],
                calls=[_call(row) for row in self._rows("calls", _CALL, "number")],
                # Not in a list: they may be many megabytes, and only the newest stay in memory.
                exchanges=self._exchanges(),
                sessions=[PhpSession(*row) for row in self._rows("sessions", _SESSION, "used_at")],
                accounts={
                    login: (AccountState(state), Decimal(credits_))
                    for login, state, credits_ in self._rows(
                        "accounts", "login, state, credits", "login"
                    )
                },
                faults=self._faults,
                counters=counters,
            )
        except sqlite3.Error as error:
            raise ValueError(f"database: {_why(error)}") from None
        except (ValueError, TypeError, KeyError, InvalidOperation):
            raise ValueError(f"database: {_DAMAGED}") from None

    def _exchanges(self) -> Iterator[tuple[int, RawExchange]]:
        try:
            for number, *pair in self._rows("exchanges", "call, request, reply, fault", "call"):
                yield number, RawExchange(*pair)
        except sqlite3.Error as error:
            raise ValueError(f"database: {_why(error)}") from None

    def _rows(self, table: str, columns: str, order: str) -> Iterable[Any]:
        return self._connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}")  # noqa: S608 - only names of this file

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise SandboxDatabaseError(f"database: {_why(error)}") from None

    def add_call(self, changes: CallChanges) -> None:
        """Add a call and what it has changed, and delete the oldest."""
        call, exchange = changes.call, changes.exchange
        with self._transaction() as connection:
            run = connection.execute
            run(_ADD_CALL, _row_of_call(call))
            run(_ADD_EXCHANGE, (call.number, exchange.request, exchange.reply, exchange.fault))
            if changes.session is not None:
                run(_ADD_SESSION, _row_of_session(changes.session))
            if changes.messages:
                connection.executemany(
                    _ADD_MESSAGE, [_row_of_message(one, call.number) for one in changes.messages]
                )
            if changes.account is not None:
                run(_SET_ACCOUNT, _row_of_account(changes.account))
            self._count(changes.counters)
            self._trim(changes.kept_from)

    def set_message(self, message: SandboxMessage) -> None:
        """Store the state of a message."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE messages SET state = ?, forced = ? WHERE sequence = ?",
                (str(message.state), message.forced, message.sequence),
            )

    def delete_messages(self, sequences: Sequence[int]) -> None:
        """Delete these messages."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM messages WHERE sequence = ?", [(one,) for one in sequences]
            )

    def delete_old(self, kept: KeptFrom) -> None:
        """Delete what is older."""
        with self._transaction():
            self._trim(kept)

    def set_account(self, account: SandboxAccount, *, ends_sessions: bool) -> None:
        """Store state and balance of an account, and perhaps end its sessions."""
        with self._transaction() as connection:
            connection.execute(_SET_ACCOUNT, _row_of_account(account))
            if ends_sessions:
                connection.execute(
                    "DELETE FROM sessions WHERE login = ? OR login IS NULL", (account.login,)
                )

    def delete_session(self, session: PhpSession | None) -> None:
        """Delete a session, or all."""
        with self._transaction() as connection:
            if session is None:
                connection.execute("DELETE FROM sessions")
            else:
                connection.execute("DELETE FROM sessions WHERE id = ?", (session.id,))

    def set_faults(self, rules: tuple[FaultRule, ...]) -> None:
        """Store the faults that are kept."""
        if rules == self._faults:
            return
        with self._transaction() as connection:
            connection.execute("DELETE FROM faults")
            connection.executemany(_ADD_FAULT, map(_row_of_fault, rules))
        self._faults = rules

    def clear(
        self, accounts: Iterable[SandboxAccount], counters: Counters, *, sessions: bool
    ) -> None:
        """Delete messages and calls, and perhaps the sessions, and store the accounts."""
        with self._transaction() as connection:
            tables = ["messages", "calls", "exchanges"]
            for table in [*tables, "sessions"] if sessions else tables:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of this function
            connection.executemany(_SET_ACCOUNT, map(_row_of_account, accounts))
            self._count(counters)

    def close(self) -> None:
        """Write everything into the file itself and close it."""
        self._connection.close()

    def _count(self, counters: Counters) -> None:
        self._connection.execute(
            _SET_COUNTERS,
            (1, counters.messages, counters.calls, json.dumps(counters.operations)),
        )

    def _trim(self, kept: KeptFrom) -> None:
        for statement, limit, before in (
            ("DELETE FROM messages WHERE sequence < ?", kept.message, self._kept.message),
            ("DELETE FROM calls WHERE number < ?", kept.call, self._kept.call),
            ("DELETE FROM exchanges WHERE call < ?", kept.exchange, self._kept.exchange),
        ):
            if limit != before:
                self._connection.execute(statement, (limit,))
        self._kept = kept


def _check(path: Path) -> None:
    """Create the file if it does not exist. Raises `ValueError` if this is not possible."""
    try:
        if path.is_dir():
            raise ValueError("database: it is a folder; name a file, such as sandbox.db")
        if path.exists() and not path.is_file():
            raise ValueError("database: it is not a file; name a file, such as sandbox.db")
        if not path.parent.is_dir():
            raise ValueError("database: its folder does not exist; create the folder first")
        # Closing a file that is open elsewhere in this process would end SQLite's lock on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise ValueError(f"database: {_READ_ONLY} ({error.strerror})") from None


def _why(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _WHY.get(code, f"it cannot be used ({error})")


# Rows


def _row_of_message(message: SandboxMessage, call: int) -> tuple[Any, ...]:
    return (
        message.sequence,
        call,
        message.id,
        message.account,
        message.destination,
        message.sender,
        message.text,
        message.wappush,
        message.parts,
        str(message.alphabet),
        None if message.saving is None else json.dumps(asdict(message.saving)),
        f"{message.credits:f}",
        message.accepted_at,
        str(message.state),
        message.forced,
        str(message.ends),
        message.takes,
    )


def _message(row: Sequence[Any]) -> SandboxMessage:
    saving = None if row[10] is None else json.loads(row[10])
    return SandboxMessage(
        sequence=row[0],
        id=row[2],
        account=row[3],
        destination=row[4],
        sender=row[5],
        text=row[6],
        wappush=row[7],
        parts=row[8],
        alphabet=Alphabet(row[9]),
        saving=None if saving is None else Saving(tuple(saving["characters"]), saving["parts"]),
        credits=Decimal(row[11]),
        accepted_at=row[12],
        state=DeliveryState(row[13]),
        forced=bool(row[14]),
        ends=DeliveryState(row[15]),
        takes=row[16],
    )


def _row_of_call(call: SandboxCall) -> tuple[Any, ...]:
    return (
        call.number,
        call.at,
        call.operation,
        call.session,
        str(call.outcome),
        call.answer,
        call.fault,
        call.messages.start,
        call.messages.stop,
    )


def _call(row: Sequence[Any]) -> SandboxCall:
    number, at, operation, session, outcome, answer, fault, first, stop = row
    return SandboxCall(
        number=number,
        at=at,
        operation=operation,
        session=session,
        outcome=CallOutcome(outcome),
        answer=answer,
        fault=fault,
        messages=range(first, stop),
    )


def _row_of_session(session: PhpSession) -> tuple[Any, ...]:
    return session.id, session.opened_at, session.used_at, session.calls, session.login


def _row_of_account(account: SandboxAccount) -> tuple[str, str, str]:
    return account.login, str(account.state), f"{account.credits:f}"


def _row_of_fault(rule: FaultRule) -> tuple[Any, ...]:
    return (
        rule.id,
        str(rule.kind),
        rule.operation,
        rule.probability,
        rule.times,
        rule.seconds,
        rule.struck,
    )


def _fault(row: Sequence[Any]) -> FaultRule:
    id_, kind, operation, probability, times, seconds, struck = row
    return FaultRule(
        id=id_,
        kind=FaultKind(kind),
        operation=operation,
        probability=probability,
        times=times,
        seconds=seconds,
        struck=struck,
        kept=True,
    )
