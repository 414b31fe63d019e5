"""Magic numbers with a fixed answer or delivery status, and the delivery schedule.

Rule of this file: tables and lookups, no clock and no state. A new magic number is a new row of
`MAGIC`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol.answers import Answer, DeliveryState
from ..protocol.numbers import is_international

__all__ = [
    "MAGIC",
    "SCHEDULE",
    "MagicNumber",
    "answer_to_all",
    "last_state",
    "refusal",
    "state_after",
]

SCHEDULE: tuple[tuple[float, DeliveryState], ...] = (
    (0.0, DeliveryState.SENT),
    (1 / 3, DeliveryState.ON_SERVER),
    (2 / 3, DeliveryState.IN_NETWORK),
)
"""The share of `delivery_seconds` after which a message enters a state.

After `delivery_seconds` the message enters its final state."""


@dataclass(frozen=True, slots=True)
class MagicNumber:
    """One number with a fixed answer or delivery status.

    Attributes:
        number: the number.
        note: what the number does.
        refuses: the refusal of this number; other numbers of the request are sent.
        answers_all: the one answer to the whole request; nothing is sent. Not every one of these
            answers is a refusal: some leave the outcome open, so a client must report doubt.
        ends: the last delivery state of a message to this number.
    """

    number: str
    note: str
    refuses: Answer | None = None
    answers_all: Answer | None = None
    ends: DeliveryState = DeliveryState.DELIVERED


MAGIC: tuple[MagicNumber, ...] = (
    # The number is refused, the others of the request are sent.
    MagicNumber("+380000000001", "valid, but not recognised", refuses=Answer.BAD_DESTINATION),
    MagicNumber("+380000000002", "the country is not served", refuses=Answer.COUNTRY_NOT_SERVED),
    MagicNumber(
        "+380000000003", "the link to the mobile operator is broken", refuses=Answer.CANNOT_SEND
    ),
    # The message is accepted and charged, but not delivered.
    MagicNumber("+380000000004", "not delivered", ends=DeliveryState.NOT_DELIVERED),
    MagicNumber("+380000000005", "expired", ends=DeliveryState.EXPIRED),
    MagicNumber(
        "+380000000006", "rejected by the mobile operator", ends=DeliveryState.REJECTED_BY_OPERATOR
    ),
    MagicNumber(
        "+380000000007", "deleted by the mobile operator", ends=DeliveryState.DELETED_BY_OPERATOR
    ),
    MagicNumber("+380000000008", "unknown status", ends=DeliveryState.UNKNOWN),
    MagicNumber("+380000000009", "failed, not sent", ends=DeliveryState.FAILED),
    MagicNumber("+380000000010", "cancelled", ends=DeliveryState.CANCELLED),
    MagicNumber("+380000000011", "deleted by the user", ends=DeliveryState.DELETED_BY_USER),
    MagicNumber(
        "+380000000012",
        "stays at not enough credits (not final)",
        ends=DeliveryState.NOT_ENOUGH_CREDITS,
    ),
    MagicNumber("+380000000013", "stays suspended (not final)", ends=DeliveryState.SUSPENDED),
    MagicNumber("+380000000014", "stays in the queue (not final)", ends=DeliveryState.QUEUED),
    # The whole request is answered with one sentence, and nothing is sent.
    MagicNumber("+380000000021", "the data could not be saved", answers_all=Answer.NOT_SAVED),
    MagicNumber(
        "+380000000022",
        "the gateway does not know the outcome",
        answers_all=Answer.OUTCOME_UNKNOWN,
    ),
    MagicNumber("+380000000023", "nothing can be sent", answers_all=Answer.CANNOT_SEND),
)

_BY_NUMBER = {row.number: row for row in MAGIC}
_ORDINARY = MagicNumber("", "any other number")


def refusal(number: str) -> Answer | None:
    """Return the refusal of this number, or None if the number is accepted."""
    if not is_international(number):
        return Answer.BAD_DESTINATION
    return _BY_NUMBER.get(number, _ORDINARY).refuses


def answer_to_all(numbers: list[str]) -> Answer | None:
    """Return the one answer to a request to these numbers, or None if each gets its own."""
    return next(
        (
            row.answers_all
            for number in numbers
            if (row := _BY_NUMBER.get(number)) and row.answers_all
        ),
        None,
    )


def last_state(number: str) -> DeliveryState:
    """Return the last delivery state of a message to this number."""
    return _BY_NUMBER.get(number, _ORDINARY).ends


def state_after(elapsed: float, delivery_seconds: float, ends: DeliveryState) -> DeliveryState:
    """Return the state of a message that was accepted `elapsed` seconds ago.

    Args:
        elapsed: seconds since the message was accepted.
        delivery_seconds: seconds until the last state.
        ends: the last state.
    """
    if elapsed >= delivery_seconds:
        return ends
    return next(
        (state for share, state in reversed(SCHEDULE) if elapsed >= share * delivery_seconds),
        SCHEDULE[0][1],
    )
