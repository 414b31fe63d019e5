"""Evidence for requests in doubt: the balance before and after, and unrecorded message ids.

Rule of this file: evidence never decides anything, and missing evidence is not an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from anyio import to_thread

from ..errors import InDoubt, NotSent, Reason, SmsGateError, outcome_of
from ..ledger.contract import Journal
from ..ledger.records import Evidence, Seen
from ..session import AsyncSession
from .journal_steps import JournalSteps

__all__ = ["EvidenceCollector"]

_LISTED = 1_000
"""The maximum number of message ids that are stored with a request."""


@dataclass(slots=True)
class EvidenceCollector:
    """Collects evidence for requests in doubt, and remembers the last known balance."""

    session: AsyncSession
    journal: Journal
    steps: JournalSteps
    seen: Seen | None = None
    trouble: str = ""
    """Why the gateway did not work at the last check; "" if it worked."""
    session_ended: bool = False
    """The session is closed, so waiting for the gateway is useless."""
    _lists_ids: bool = True
    _earlier_done: bool = False

    async def check_gateway(self) -> bool:
        """Request the balance and return whether the gateway works, even if it refuses the account.

        The first balance is also evidence for requests of an earlier run that was killed before it
        could collect any.
        """
        after = await self._balance()
        if after is not None and not self._earlier_done:
            self._earlier_done = True
            if without_evidence := await self.steps(self.journal.without_evidence):
                unrecorded_ids = await self._unrecorded_ids()
                for request in without_evidence:
                    await self._keep(request, after, unrecorded_ids, ())
        return not self.trouble

    async def gather(self, request: int, reply_ids: tuple[str, ...]) -> None:
        """Collect evidence after a request without a readable answer, and store it."""
        after = await self._balance()
        await self._keep(request, after, await self._unrecorded_ids(), reply_ids)

    async def _balance(self) -> Seen | None:
        self.trouble = ""
        try:
            balance = await self.session.get_credit_balance()
        except SmsGateError as error:
            # A gateway that refuses this account works.
            self.trouble = str(error) if outcome_of(error).transient else ""
            self.session_ended = isinstance(error, NotSent | InDoubt) and error.reason.ends_session
        else:
            self.seen = Seen(balance, await self.steps(self.journal.now))
            return self.seen
        return None

    async def _keep(
        self,
        request: int,
        after: Seen | None,
        unrecorded_ids: list[str] | None,
        reply_ids: tuple[str, ...],
    ) -> None:
        until = await self.steps(self.journal.now) if after is None else after.at
        around = await self.steps(self.journal.around, request, until)
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
        await self.steps(self.journal.add_evidence, request, evidence)

    async def _unrecorded_ids(self) -> list[str] | None:
        if not self._lists_ids:
            return None
        try:
            listed = await self.session.get_new_messages()
            return await to_thread.run_sync(self.journal.unrecorded_ids, listed) if listed else []
        except InDoubt as error:
            # A list that is too long stays too long, so do not read it again.
            self._lists_ids = error.reason is not Reason.TOO_LARGE
        except SmsGateError:
            pass
        return None
