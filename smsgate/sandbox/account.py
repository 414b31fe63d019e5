"""One account of the sandbox: its login, its credits, and whether it may log in."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from .account_settings import AccountState

__all__ = ["AccountRow", "SandboxAccount"]


@dataclass(slots=True)
class SandboxAccount:
    """One account. The gateway holds the lock.

    Attributes:
        start_credits: the balance at the start, and after `clear`.
        unfinished: ids of its messages that were not yet seen in a final state.
    """

    login: str
    password: str = field(repr=False)
    start_credits: Decimal
    credits: Decimal
    state: AccountState
    unfinished: dict[str, None] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What is shown of an account."""

    login: str
    state: AccountState
    balance: Decimal
