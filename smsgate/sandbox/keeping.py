"""What a sandbox keeps over a restart, and how it is told to keep it: the contract of a database.

Rule of this file: no I/O. The gateway calls it with its lock held, before anything is answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from .account import SandboxAccount
from .account_settings import AccountState
from .call_log import SandboxCall
from .exchanges import RawExchange
from .faults import FaultRule
from .sessions import PhpSession
from .store import SandboxMessage

__all__ = [
    "CallChanges",
    "Counters",
    "Keeping",
    "Kept",
    "KeptFrom",
    "NoDatabase",
    "SandboxDatabaseError",
]


class SandboxDatabaseError(Exception):
    """A change could not be written to the database. The message says why."""


@dataclass(frozen=True, slots=True)
class Counters:
    """How many messages and calls there were, and the calls of each operation."""

    messages: int = 0
    calls: int = 0
    operations: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeptFrom:
    """The oldest message, call, and raw request and reply that are kept."""

    message: int
    call: int
    exchange: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier run has left, oldest first. Each message is with the number of its call."""

    messages: Iterable[tuple[SandboxMessage, int]] = ()
    calls: Iterable[SandboxCall] = ()
    exchanges: Iterable[tuple[int, RawExchange]] = ()
    sessions: Iterable[PhpSession] = ()
    accounts: dict[str, tuple[AccountState, Decimal]] = field(default_factory=dict)
    faults: tuple[FaultRule, ...] = ()
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True, slots=True)
class CallChanges:
    """A call, and what it has changed.

    Attributes:
        session: its session, None if it was turned away.
        messages: the messages that it accepted.
        account: the account that has paid for them, None without messages.
        counters: the counters after it.
        kept_from: the oldest that is kept after it.
    """

    call: SandboxCall
    exchange: RawExchange
    session: PhpSession | None
    messages: Sequence[SandboxMessage]
    account: SandboxAccount | None
    counters: Counters
    kept_from: KeptFrom


class Keeping(Protocol):
    """A place that keeps what happens. Each method is one transaction.

    A change that could not be written raises `SandboxDatabaseError`.
    """

    def load(self) -> Kept:
        """Return what is kept."""
        ...

    def add_call(self, changes: CallChanges) -> None:
        """Add a call and what it has changed, and delete the oldest."""
        ...

    def set_message(self, message: SandboxMessage) -> None:
        """Store the state of a message."""
        ...

    def delete_messages(self, sequences: Sequence[int]) -> None:
        """Delete these messages."""
        ...

    def delete_old(self, kept: KeptFrom) -> None:
        """Delete what is older."""
        ...

    def set_account(self, account: SandboxAccount, *, ends_sessions: bool) -> None:
        """Store state and balance of an account, and perhaps end its sessions."""
        ...

    def delete_session(self, session: PhpSession | None) -> None:
        """Delete a session, or all."""
        ...

    def set_faults(self, rules: tuple[FaultRule, ...]) -> None:
        """Store the faults that are kept."""
        ...

    def clear(
        self, accounts: Iterable[SandboxAccount], counters: Counters, *, sessions: bool
    ) -> None:
        """Delete messages and calls, and perhaps the sessions, and store the accounts."""
        ...

    def close(self) -> None:
        """Write nothing more."""
        ...


class NoDatabase:
    """Keeps nothing: everything is gone when the process ends."""

    def load(self) -> Kept:
        return Kept()

    def add_call(self, changes: CallChanges) -> None:
        pass

    def set_message(self, message: SandboxMessage) -> None:
        pass

    def delete_messages(self, sequences: Sequence[int]) -> None:
        pass

    def delete_old(self, kept: KeptFrom) -> None:
        pass

    def set_account(self, account: SandboxAccount, *, ends_sessions: bool) -> None:
        pass

    def delete_session(self, session: PhpSession | None) -> None:
        pass

    def set_faults(self, rules: tuple[FaultRule, ...]) -> None:
        pass

    def clear(
        self, accounts: Iterable[SandboxAccount], counters: Counters, *, sessions: bool
    ) -> None:
        pass

    def close(self) -> None:
        pass
