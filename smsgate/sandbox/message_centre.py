"""The message centre of the sandbox: accepted messages, their delivery, and the accounts.

Rule of this file: the gateway holds the lock. The first account is that of the settings' `login`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from random import Random, SystemRandom
from typing import NamedTuple
from uuid import UUID

from ..protocol.answers import Answer, DeliveryState
from ..protocol.segments import Alphabet, Segments, segments
from .account import SandboxAccount
from .account_settings import OtherAccount, Settings
from .magic_numbers import last_state, state_after
from .sentences import say
from .sessions import PhpSession
from .store import SandboxMessage, Saving, Store

__all__ = ["MessageCentre", "Size", "size_of"]

_FEW = 3
"""Maximum number of characters that force UCS-2 for which the inbox shows a hint."""


class MessageCentre:
    """The messages and the accounts. Not thread-safe: `Gateway` holds the lock."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.random: Random = SystemRandom() if settings.seed is None else Random(settings.seed)  # noqa: S311 - repeatable on purpose
        first = OtherAccount(settings.login, settings.password, settings.credits)
        self.accounts: dict[str, SandboxAccount] = {
            one.login: SandboxAccount(
                one.login,
                one.password,
                Decimal(one.credits),
                Decimal(one.credits),
                settings.account,
            )
            for one in (first, *settings.other_accounts)
        }
        """The accounts by login, in the order of the settings."""
        self.start()

    def start(self) -> None:
        """Begin without messages and counters, with the credits of the settings."""
        for account in self.accounts.values():
            account.credits = account.start_credits
            account.unfinished = {}
        self.store: Store = Store(self.settings.keep_messages)
        self.calls: Counter[str] = Counter()
        self.settled_at: float = 0.0
        """When the delivery schedule of the last message ends."""

    def account_of(self, session: PhpSession) -> SandboxAccount:
        """Return the account of a session that is logged in."""
        return self.accounts[session.login or self.settings.login]

    def say(self, meaning: Answer, **filled: str) -> str:
        return self.settings.sentences.get(meaning) or say(meaning, **filled)

    def accept(
        self,
        account: SandboxAccount,
        number: str,
        *,
        sender: str,
        text: str | None,
        wappush: str | None,
        size: Size,
    ) -> str:
        now, jitter = self.clock(), self.settings.delivery_jitter
        message = SandboxMessage(
            id=self._new_id(),
            sequence=self.store.last + 1,
            account=account.login,
            destination=number,
            sender=sender,
            text=text,
            wappush=wappush,
            parts=size.parts,
            alphabet=size.alphabet,
            saving=size.saving,
            credits=Decimal(size.parts),
            accepted_at=now,
            ends=last_state(number),
            takes=self.settings.delivery_seconds
            * (self.random.uniform(1 - jitter, 1 + jitter) if jitter else 1),
        )
        account.credits -= message.credits
        self.add(message)
        return message.id

    def _new_id(self) -> str:
        # With a seed, a kept message may have the same id.
        while self.store.get(made := str(UUID(int=self.random.getrandbits(128), version=4))):
            pass
        return made

    def add(self, message: SandboxMessage) -> None:
        """Add a message, which must have a larger sequence than all others."""
        self.store.add(message)
        # The account of a stored message may no longer be among the settings.
        if account := self.accounts.get(message.account):
            account.unfinished[message.id] = None
            if len(account.unfinished) > self.settings.keep_messages:
                del account.unfinished[next(iter(account.unfinished))]
        self.settled_at = max(self.settled_at, message.accepted_at + message.takes)

    def replace(self, message: SandboxMessage) -> None:
        """Replace a stored message with a new version, whose state may have become not final."""
        self.store.replace(message)
        if account := self.accounts.get(message.account):
            account.unfinished[message.id] = None

    def state_of(self, message: SandboxMessage, now: float) -> DeliveryState:
        return (
            message.state
            if message.forced
            else state_after(now - message.accepted_at, message.takes, message.ends)
        )

    def seen(self, messages: Iterable[SandboxMessage]) -> tuple[SandboxMessage, ...]:
        now = self.clock()
        return tuple(replace(message, state=self.state_of(message, now)) for message in messages)

    def known(self, message_id: str) -> SandboxMessage:
        message = self.store.get(message_id)
        if message is None:
            raise LookupError("id: no message has this id")
        return message


class Size(NamedTuple):
    parts: int
    alphabet: Alphabet
    saving: Saving | None = None


def size_of(text: str | None) -> Size | None:
    """Return the parts and the alphabet of a text; None if a character cannot be sent.

    A link without a text is one part.
    """
    if text is None:
        return Size(1, Alphabet.GSM_7)
    try:
        counted = segments(text)
    except ValueError:
        return None
    return Size(counted.parts, counted.alphabet, _saving(text, counted))


def _saving(text: str, counted: Segments) -> Saving | None:
    forced_by = counted.forced_by
    if not 0 < len(forced_by) <= _FEW:
        return None
    parts = segments(text.translate(dict.fromkeys(map(ord, forced_by), "-"))).parts
    return Saving(forced_by, parts) if parts < counted.parts else None
