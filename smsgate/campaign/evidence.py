"""Evidence around a request in doubt: the balance before and after, and message ids that no answer has told.

Rule of this file: what is seen never decides anything, and what cannot be seen is no error.
"""

from __future__ import annotations

from dataclasses import dataclass

from anyio import to_thread

from ..errors import InDoubt, NotSent, Reason, SmsGateError, outcome_of
from ..ledger.contract import Journal
from ..ledger.records import Evidence, Seen
from ..session import AsyncSession

__all__ = ["Lookout"]

_LISTED = 1_000
"""Message ids that are kept with a request."""


@dataclass(slots=True)
class Lookout:
    """Knows the last balance that was seen, and looks around when a request is in doubt."""

    session: AsyncSession
    journal: Journal
    seen: Seen | None = None
    trouble: str = ""
    """Why the gateway was not at work when it was looked at last; "" if it was."""
    session_ended: bool = False
    """The session itself is closed, so there is nothing to wait for."""
    _lists_ids: bool = True
    _looked_back: bool = False

    async def look(self) -> bool:
        """Ask for the balance, and return whether the gateway is at work. One that refuses this account is.

        The first balance is evidence for the requests of an earlier run, too, that was killed before it could look.
        """
        after = await self._balance()
        if after is not None and not self._looked_back:
            self._looked_back = True
            if without_evidence := self.journal.without_evidence():
                unrecorded_ids = await self._unrecorded_ids()
                for request in without_evidence:
                    self._keep(request, after, unrecorded_ids, ())
        return not self.trouble

    async def gather(self, request: int, reply_ids: tuple[str, ...]) -> None:
        """Look around after the answer to a request did not come, and keep what is seen with it."""
        after = await self._balance()
        self._keep(request, after, await self._unrecorded_ids(), reply_ids)

    async def _balance(self) -> Seen | None:
        self.trouble = ""
        try:
            balance = await self.session.get_credit_balance()
        except SmsGateError as error:
            # One that refuses this account is at work.
            self.trouble = str(error) if outcome_of(error).passing else ""
            self.session_ended = isinstance(error, NotSent | InDoubt) and error.reason.ends_session
        else:
            self.seen = Seen(balance, self.journal.now())
            return self.seen
        return None

    def _keep(self, request: int, after: Seen | None, unrecorded_ids: list[str] | None, reply_ids: tuple[str, ...]) -> None:
        around = self.journal.around(request, self.journal.now() if after is None else after.at)
        before = around.seen
        evidence = Evidence(
            before=before.balance if before else None,
            before_at=before.at if before else None,
            spent=around.spent,
            after=after.balance if after else None,
            after_at=after.at if after else None,
            others=around.others,
            new_ids=tuple((unrecorded_ids or [])[:_LISTED]),
            new_id_count=None if unrecorded_ids is None else len(unrecorded_ids),
            reply_ids=reply_ids,
        )
        self.journal.add_evidence(request, evidence)

    async def _unrecorded_ids(self) -> list[str] | None:
        if not self._lists_ids:
            return None
        try:
            listed = await self.session.get_new_messages()
            return await to_thread.run_sync(self.journal.unrecorded_ids, listed) if listed else []
        except InDoubt as error:
            # A list that is too long stays so, and reading it each time would cost more than it tells.
            self._lists_ids = error.reason is not Reason.TOO_LARGE
        except SmsGateError:
            pass
        return None
