"""The settings of a sandbox: one frozen class, validated by one table.

Rule of this file: an invalid value raises when the settings are created. The error names the field
and does not quote the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ..protocol.answers import Answer
from .sentences import NOT_AUTHORISED, say

__all__ = ["AccountState", "FailedSlot", "OtherAccount", "Settings"]

_MOST = 10_000_000
"""The largest number of messages or calls."""
_MOST_SECONDS = 366 * 86_400
_MOST_CREDITS = 10**15
_MOST_ACCOUNTS = 1_000
_NAME = re.compile(r"[^\s:;/\"]{1,100}")
"""A login that can stand in an option, in a path and in a search."""


class FailedSlot(StrEnum):
    """The content of the slot of a refused number; sources differ (docs: wire format, "Slots")."""

    SENTENCE = "sentence"
    EMPTY = "empty"
    NIL = "nil"


class AccountState(StrEnum):
    """Whether the account may log in with the right password."""

    ACTIVE = "active"
    NOT_ACTIVATED = "not activated"
    BLOCKED = "blocked"
    DISABLED = "disabled"

    @property
    def answer(self) -> Answer:
        """The answer of Auth to the right password."""
        return _AUTH_ANSWERS[self]


_AUTH_ANSWERS = {
    AccountState.ACTIVE: Answer.AUTHORISED,
    AccountState.NOT_ACTIVATED: Answer.NOT_ACTIVATED,
    AccountState.BLOCKED: Answer.BLOCKED,
    AccountState.DISABLED: Answer.DISABLED,
}


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """One more account, with its own balance.

    Attributes:
        login: 1 to 100 characters, without spaces, quotes and `:`, `;`, `/`.
        credits: the balance at the start.
    """

    login: str
    password: str = field(repr=False)
    credits: Decimal | int = Decimal(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a sandbox behaves. An invalid value raises `ValueError`, which names the field."""

    login: str = "sandbox"
    password: str = field(default="sandbox", repr=False)
    account: AccountState = AccountState.ACTIVE
    """Every state except `ACTIVE` refuses the right password, with its own sentence."""

    credits: Decimal | int = Decimal(10_000)
    """The balance at the start. One part to one recipient costs one credit."""
    other_accounts: tuple[OtherAccount, ...] = ()
    """More accounts that may log in. Each has a balance and messages of its own."""
    pay_in_part: bool = False
    """What happens if there are too few credits for all recipients.

    False refuses the whole request. True sends to the first recipients and refuses the others; the
    answer has both sentences (docs: wire format, "Joined sentences")."""

    senders: frozenset[str] | None = None
    """The approved senders of the account; None approves all except the forbidden ones."""
    forbidden_senders: frozenset[str] = frozenset({"Forbidden"})

    delivery_seconds: float = 3.0
    """Seconds from acceptance to the final status; `SCHEDULE` has the states in between."""
    delivery_jitter: float = 0.0
    """Random variation of the delivery time, as a share of `delivery_seconds`, 0 to 1."""
    session_idle_seconds: float = 1440.0
    """Seconds after which an idle gateway session expires. The default is that of PHP."""
    session_calls: int | None = None
    """Number of calls after which a gateway session expires; None means no limit."""

    hold_seconds: float = 0.0
    """Seconds by which each answer is delayed, after the work, with the cookie locked."""
    lock_cookies: bool = True
    """Handle one request at a time for each cookie, as PHP does; other requests wait."""

    unauthorised: str = say(Answer.NOT_AUTHORISED)
    """The sentence for an expired gateway session: «Вы не авторизованы» (documented) or
    «Вы не авторизированы» (captured)."""
    failed_slot: FailedSlot = FailedSlot.SENTENCE
    sentences: Mapping[Answer, str] = field(default_factory=dict, hash=False)
    """Other sentences for some answers, to test a client with new wordings of the gateway."""

    keep_messages: int = 100_000
    """Maximum number of messages; the oldest are deleted. Each takes about 1 KB of memory."""
    keep_calls: int = 10_000
    """Maximum number of calls in the list of calls; the oldest are deleted."""
    keep_seconds: float | None = None
    """Seconds after which a message or a call is deleted; None means no limit."""
    keep_alive_seconds: float = 5.0
    """Seconds after which an idle connection is closed."""
    seed: int | None = None
    """Makes ids, cookies, delivery times and random faults repeatable for the same calls."""

    def __post_init__(self) -> None:
        for name, valid, expected in _CHECKS:
            if not valid(getattr(self, name)):
                raise ValueError(f"{name}: {expected}")
        logins = [self.login, *(one.login for one in self.other_accounts)]
        if len({login.casefold() for login in logins}) < len(logins):
            raise ValueError("other_accounts: two accounts have the same login")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_seconds(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= _MOST_SECONDS
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MOST


def _is_credits(value: Any) -> bool:
    return (
        isinstance(value, Decimal | int)
        and not isinstance(value, bool)
        and Decimal(value).is_finite()
        and 0 <= value <= _MOST_CREDITS
    )


def _is_accounts(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) <= _MOST_ACCOUNTS
        and all(
            isinstance(one, OtherAccount)
            and _is_text(one.login)
            and bool(_NAME.fullmatch(one.login))
            and _is_text(one.password)
            and _is_credits(one.credits)
            for one in value
        )
    )


def _is_senders(value: Any) -> bool:
    return isinstance(value, frozenset) and all(map(_is_text, value))


def _is_sentences(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(answer, Answer) and _is_text(said) for answer, said in value.items()
    )


_SECONDS = f"a number of seconds, 0 to {_MOST_SECONDS:,}"
_SOME_SECONDS = f"a number of seconds, more than 0, at most {_MOST_SECONDS:,}"
_SENDERS = "a frozenset of sender names, none of them empty"
_ACCOUNTS = (
    f"a tuple of at most {_MOST_ACCOUNTS:,} OtherAccount, each with a login of 1 to 100 characters"
    f' without spaces and : ; / ", a password, and 0 to {_MOST_CREDITS:,} credits'
)
_COUNT = f"a whole number from 1 to {_MOST:,}"

_CHECKS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("login", _is_text, "a string, not empty"),
    ("password", _is_text, "a string, not empty"),
    ("account", lambda value: isinstance(value, AccountState), "a member of AccountState"),
    ("credits", _is_credits, f"a Decimal or an int, 0 to {_MOST_CREDITS:,}"),
    ("other_accounts", _is_accounts, _ACCOUNTS),
    ("pay_in_part", _is_bool, "True or False"),
    ("senders", lambda value: value is None or _is_senders(value), f"None or {_SENDERS}"),
    ("forbidden_senders", _is_senders, _SENDERS),
    ("delivery_seconds", _is_seconds, _SECONDS),
    ("delivery_jitter", lambda value: _is_seconds(value) and value <= 1, "a number from 0 to 1"),
    (
        "session_idle_seconds",
        lambda value: _is_seconds(value) and value > 0,
        _SOME_SECONDS,
    ),
    ("session_calls", lambda value: value is None or _is_count(value), f"None or {_COUNT}"),
    ("hold_seconds", _is_seconds, _SECONDS),
    ("lock_cookies", _is_bool, "True or False"),
    ("unauthorised", lambda value: value in NOT_AUTHORISED, " or ".join(NOT_AUTHORISED)),
    ("failed_slot", lambda value: isinstance(value, FailedSlot), "a member of FailedSlot"),
    ("sentences", _is_sentences, "a mapping from smsgate.Answer to a string, not empty"),
    ("keep_messages", _is_count, _COUNT),
    ("keep_calls", _is_count, _COUNT),
    (
        "keep_seconds",
        lambda value: value is None or (_is_seconds(value) and value > 0),
        f"None or {_SOME_SECONDS}",
    ),
    (
        "keep_alive_seconds",
        lambda value: _is_seconds(value) and value > 0,
        _SOME_SECONDS,
    ),
    ("seed", lambda value: value is None or type(value) is int, "None or a whole number"),
)
