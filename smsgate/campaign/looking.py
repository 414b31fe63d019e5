"""Evidence around a lost answer: the balance before and after, and message ids that no answer has told.

Rule of this file: what is seen never decides anything, and what cannot be seen is no error.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal

from anyio import to_thread

from ..errors import InDoubt, Reason, SmsGateError
from ..session import AsyncSession
from .journal import Evidence, Journal

__all__ = ["Glance", "Lookout"]

_LISTED = 1_000
"""Message ids that are kept with a request."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The last balance that was seen before a claim, and what accepted messages had cost in all by then."""

    balance: Decimal | None
    seen_at: float | None
    spent_then: int


@dataclass(slots=True)
class Lookout:
    """Knows the last balance that was seen, and what accepted messages have cost since."""

    session: AsyncSession
    journal: Journal
    balance: Decimal | None = None
    seen_at: float | None = None
    spent: int = 0
    """What accepted messages have cost in all."""
    _spent_then: int = 0
    _lists_ids: bool = True

    async def look(self) -> bool:
        """Ask for the balance, and return whether the gateway answered."""
        try:
            balance = await self.session.get_credit_balance()
        except SmsGateError:
            return False
        self.balance, self.seen_at, self._spent_then = balance, time.time(), self.spent
        return True

    def glance(self) -> Glance:
        """Return what is known at this moment, which must be before the claim whose answer may be lost."""
        return Glance(self.balance, self.seen_at, self._spent_then)

    async def gather(self, glance: Glance, others: int, reply_ids: tuple[str, ...]) -> Evidence:
        """Return what can be seen after an answer was lost, beside which so many other requests were under way."""
        before, before_at, spent = glance.balance, glance.seen_at, self.spent - glance.spent_then
        seen = await self.look()
        untold = await self._untold()
        return Evidence(
            before=before,
            before_at=before_at,
            spent=spent,
            after=self.balance if seen else None,
            after_at=self.seen_at if seen else None,
            others=others,
            new_ids=tuple((untold or [])[:_LISTED]),
            new_id_count=None if untold is None else len(untold),
            reply_ids=reply_ids,
        )

    async def _untold(self) -> list[str] | None:
        if not self._lists_ids:
            return None
        try:
            listed = await self.session.get_new_messages()
            return await to_thread.run_sync(self.journal.untold, listed) if listed else []
        except InDoubt as error:
            # A list that is too long stays so, and reading it each time would cost more than it tells.
            self._lists_ids = error.reason is not Reason.TOO_LARGE
        except SmsGateError:
            pass
        return None
