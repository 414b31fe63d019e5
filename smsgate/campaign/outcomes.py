"""What an answer, or a missing one, means for the recipients of a request and for the campaign.

Rules of this file: no I/O. A recipient that is not proven unsent is in doubt and is not sent to
again. A request that the gateway refused as a whole was not sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import ValidationError

from ..errors import (
    OUTCOMES,
    ErrorRow,
    InDoubt,
    NotAllowed,
    NotEnoughCredits,
    NotSent,
    OnStopList,
    Outcome,
    Reason,
    Refused,
    outcome_of,
)
from ..ledger.records import Claim, RecipientOutcome, RequestEnd
from ..ledger.states import Event
from ..ledger.stop_numbers import STOPPED
from ..privacy import mask_numbers
from ..protocol.answers import Answer
from ..protocol.models import RecipientResult, SendResult
from .wording import complaints

__all__ = [
    "INTERRUPTED",
    "INTERRUPTED_BEFORE",
    "RequestOutcome",
    "Trouble",
    "outcome_of_answer",
    "outcome_of_error",
]

INTERRUPTED = "interrupted while the request was in flight"
INTERRUPTED_BEFORE = "interrupted before any byte of the request went out"
NOT_ALLOWED = "not among the allowed numbers of this test environment"
_TRIES = 3
"""How often a recipient is tried alone before a failure of the gateway counts as a refusal."""


class Trouble(StrEnum):
    """What a request means for the whole campaign: go on, wait, or pause for the operator."""

    NONE = ""
    WAIT = "wait"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """The outcome of each recipient and of the request, and what it means for the campaign.

    `why` is a sentence for the operator.
    """

    recipients: tuple[RecipientOutcome, ...]
    end: RequestEnd
    trouble: Trouble = Trouble.NONE
    why: str = ""
    unforeseen: bool = False
    """The request was cancelled or failed unexpectedly: raise once the outcomes are recorded."""

    @property
    def in_doubt(self) -> bool:
        """Whether a recipient is in doubt."""
        return any(outcome.event is Event.IN_DOUBT for outcome in self.recipients)


_SLOT_EVENTS = {
    Outcome.ACCEPTED: Event.ACCEPTED,
    Outcome.REFUSED: Event.REFUSED,
    Outcome.IN_DOUBT: Event.IN_DOUBT,
}


def outcome_of_answer(claim: Claim, result: SendResult) -> RequestOutcome:
    """Return the outcome of an answer that accepted at least one recipient."""
    outcomes = tuple(
        _slot(key, slot) for (key, _), slot in zip(claim.recipients, result.recipients, strict=True)
    )
    unpaid = any(slot.answer == Answer.NOT_ENOUGH_CREDITS for slot in result.refused)
    reason = "the answer does not give the outcome of some recipients" if result.in_doubt else None
    end = RequestEnd(reason, 200, result.text.encode() if result.in_doubt else None)
    if not unpaid:
        return RequestOutcome(outcomes, end)
    return RequestOutcome(outcomes, end, Trouble.PAUSE, _why(OUTCOMES[NotEnoughCredits]))


def _slot(key: int, slot: RecipientResult) -> RecipientOutcome:
    if slot.outcome is Outcome.REFUSED and slot.answer == Answer.NOT_ENOUGH_CREDITS:
        return RecipientOutcome(key, Event.NOT_SENT)
    return RecipientOutcome(
        key, _SLOT_EVENTS[slot.outcome], slot.message_id, mask_numbers(slot.reason) or None
    )


def outcome_of_error(claim: Claim, error: BaseException, *, left: bool) -> RequestOutcome:
    """Return the outcome of a request that ended with this error.

    `left` is whether the request may have gone out. It decides if the error does not, as after a
    cancellation.
    """
    if isinstance(error, NotSent):
        trouble = Trouble.PAUSE if error.reason.ends_session else Trouble.WAIT
        if error.reason is Reason.TOO_LATE:  # this process was stopped for longer than its lease
            trouble = Trouble.NONE
        return _all(claim, Event.NOT_SENT, RequestEnd(str(error)), trouble, str(error))
    if isinstance(error, InDoubt):
        seen = error.evidence
        # A gateway that reports an unknown outcome works; an unreadable answer may mean trouble.
        trouble = Trouble.NONE if error.reason is Reason.OUTCOME_UNKNOWN else Trouble.WAIT
        trouble = Trouble.PAUSE if error.reason.ends_session else trouble
        return _all(
            claim,
            Event.IN_DOUBT,
            RequestEnd(str(error), seen.status, seen.reply or None),
            trouble,
            str(error),
        )
    if isinstance(error, Refused):
        return _refused(claim, error)
    if isinstance(error, OnStopList | NotAllowed):  # the rules of the session
        return _barred(claim, error)
    if isinstance(error, ValidationError):
        return _all(claim, Event.REFUSED, RequestEnd("; ".join(complaints(error))))
    # Cancelled, or an unexpected error.
    interrupted = (
        _all(claim, Event.IN_DOUBT, RequestEnd(INTERRUPTED))
        if left
        else _all(claim, Event.NOT_SENT, RequestEnd(INTERRUPTED_BEFORE))
    )
    return replace(interrupted, unforeseen=True)


def _refused(claim: Claim, error: Refused) -> RequestOutcome:
    row = outcome_of(error)
    end = RequestEnd(error.text or str(error))
    if row.account:
        return _all(claim, Event.NOT_SENT, end, Trouble.PAUSE, _why(row, error.text or str(error)))
    if len(claim.recipients) > 1 and not error.reasons:
        # One sentence for all recipients: one bad number may be the reason, so try each alone.
        outcomes = tuple(
            RecipientOutcome(key, Event.NOT_SENT, alone=True) for key, _ in claim.recipients
        )
        return RequestOutcome(outcomes, end)
    if row.transient and not error.reasons and claim.alone < _TRIES:
        outcomes = tuple(
            RecipientOutcome(key, Event.NOT_SENT, alone=True) for key, _ in claim.recipients
        )
        return RequestOutcome(outcomes, end, Trouble.WAIT, str(error))
    reasons = error.reasons or (error.text or str(error),) * len(claim.recipients)
    outcomes = tuple(
        RecipientOutcome(key, Event.REFUSED, reason=reason)
        for (key, _), reason in zip(claim.recipients, reasons, strict=True)
    )
    return RequestOutcome(outcomes, end)


def _barred(claim: Claim, error: OnStopList | NotAllowed) -> RequestOutcome:
    reason = STOPPED if isinstance(error, OnStopList) else NOT_ALLOWED
    barred = frozenset(error.positions)
    outcomes = tuple(
        RecipientOutcome(key, Event.REFUSED, reason=reason)
        if place in barred
        else RecipientOutcome(key, Event.NOT_SENT)
        for place, (key, _) in enumerate(claim.recipients)
    )
    return RequestOutcome(outcomes, RequestEnd(str(error)))


def _why(row: ErrorRow, said: str = "") -> str:
    """Return why a run pauses, and what the operator can do."""
    return f"{row.meaning}{f' ({said})' if said else ''}. {row.advice}"


def _all(
    claim: Claim, event: Event, end: RequestEnd, trouble: Trouble = Trouble.NONE, why: str = ""
) -> RequestOutcome:
    reason = None if event is Event.NOT_SENT else end.reason
    return RequestOutcome(
        tuple(RecipientOutcome(key, event, reason=reason) for key, _ in claim.recipients),
        end,
        trouble,
        why,
    )
