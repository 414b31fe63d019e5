"""Limits of a test environment with a real account: only listed numbers, or one for all.

Rule of this file: no error and no log names a number, except a masked one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import NotAllowed, Refused
from .privacy import mask_number
from .protocol.models import Message, SendResult

__all__ = ["Staging"]


@dataclass(frozen=True, slots=True)
class Staging:
    """To which numbers a session may send.

    Attributes:
        allowed_numbers: the only numbers that it sends to; None for all.
        redirect_to: the number that gets every message; None for the real destinations.
    """

    allowed_numbers: tuple[str, ...] | None = None
    redirect_to: str | None = None

    def words(self) -> str:
        """Return what is limited, "" if nothing is."""
        if self.redirect_to is not None:
            return f"all messages go to {mask_number(self.redirect_to)}, not to their destinations"
        if self.allowed_numbers is None:
            return ""
        numbers = len(self.allowed_numbers)
        return f"messages go to {numbers} allowed number{'s' * (numbers != 1)} only"

    def redirected(self, message: Message) -> Message:
        """Return the message as it is sent. Raises `NotAllowed`."""
        if self.redirect_to is not None:
            return message.model_copy(update={"destinations": (self.redirect_to,)})
        self._check(message.destinations)
        return message

    def _check(self, numbers: Sequence[str]) -> None:
        if self.allowed_numbers is None:
            return
        allowed = frozenset(self.allowed_numbers)
        positions = tuple(place for place, number in enumerate(numbers) if number not in allowed)
        barred = len(positions)
        if barred and len(numbers) == 1:
            raise NotAllowed
        if barred:
            raise NotAllowed(
                f"{barred} of {len(numbers)} numbers are not among the allowed numbers; nothing was"
                " sent",
                barred=barred,
                positions=positions,
            )

    def result_for(self, numbers: Sequence[str], result: SendResult) -> SendResult:
        """Return the result for the real destinations. All have the outcome of the one message."""
        if self.redirect_to is None:
            return result
        (one,) = result.recipients
        recipients = tuple(one.model_copy(update={"destination": number}) for number in numbers)
        return result.model_copy(update={"recipients": recipients})

    def refusal_for(self, numbers: Sequence[str], error: Refused) -> None:
        """Give a refusal of the one message a reason for each of the real destinations."""
        if self.redirect_to is not None and error.reasons:
            error.reasons = error.reasons[:1] * len(numbers)
