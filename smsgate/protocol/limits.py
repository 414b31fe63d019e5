"""Limits on the size of a reply, and the number of recipients of a call that follows from them.

Rule of this file: the reply to every call that we make must fit the limits. A reply has one slot
for each recipient, so the limits of a reply determine the number of recipients. No other file has
a limit of its own.
"""

from __future__ import annotations

__all__ = ["MAX_ELEMENTS", "MOST_RECIPIENTS", "REPLY_LIMIT", "REPLY_LIMIT_MOST", "reply_limit"]

REPLY_LIMIT = 64 * 1024
"""Maximum bytes of a reply without its slots."""
SLOT_LIMIT = 2048
"""Maximum bytes of one slot.

An id with its tags has about 75 bytes, the longest known sentence about 450 bytes in UTF-8, or
about 1,600 bytes if the gateway writes it as character references (`&#1053;`)."""
REPLY_LIMIT_MOST = 4 * 1024 * 1024
"""Maximum bytes of any reply."""
MAX_ELEMENTS = 70_000
"""Maximum XML elements of any reply."""
_ELEMENTS_AROUND = 100
"""Elements that are not slots: envelope, header, body, response, result, first sentence."""

MOST_RECIPIENTS = min(
    (REPLY_LIMIT_MOST - REPLY_LIMIT) // SLOT_LIMIT, MAX_ELEMENTS - _ELEMENTS_AROUND
)
"""Maximum recipients of one call. The reply fits even if every slot has the longest sentence."""


def reply_limit(recipients: int) -> int:
    """Return the maximum bytes of the reply to a call with this number of recipients."""
    return min(REPLY_LIMIT + SLOT_LIMIT * recipients, REPLY_LIMIT_MOST)
