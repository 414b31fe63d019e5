"""Sends one message for a command that a signal may end meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from .._client.observing import CallEnd, CallStart
from ..protocol.models import Message, SendResult
from ..session import AsyncSession
from .exits import Interrupted, SendInterrupted

__all__ = ["Ends", "send_once"]


class Ends(list[CallEnd]):
    """An observer that records how each call ended."""

    def begin(self, call: CallStart) -> Callable[[CallEnd], object]:  # noqa: ARG002 - of the interface
        """Return the function that records the end of a call."""
        return self.append


_MAYBE_SENT = {"accepted", "in doubt"}


async def send_once(session: AsyncSession, message: Message, ends: Sequence[CallEnd]) -> SendResult:
    """Send a message. If a signal cancels the send, the error says whether it may have left.

    Args:
        session: a session whose observer is `ends`.
        message: the message.
        ends: the ends of the session's calls.
    """
    try:
        return await session.send(message)
    except anyio.get_cancelled_exc_class():
        # Only a signal cancels here. Raise the error that tells the user what the signal means.
        raise (
            SendInterrupted
            if any(_MAYBE_SENT & end.recipients.keys() for end in ends)
            else Interrupted
        ) from None
