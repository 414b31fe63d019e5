"""How much of a reply is read, and how many recipients one call may therefore have.

Rule of this file: no call is paid for whose reply we could not read. A reply has one slot for each recipient, so the number of
recipients follows from the limits on the reply, and nowhere else is there another number for it.
"""

from __future__ import annotations

__all__ = ["MAX_ELEMENTS", "MOST_RECIPIENTS", "REPLY_LIMIT", "REPLY_LIMIT_MOST", "reply_limit"]

REPLY_LIMIT = 64 * 1024
"""Bytes of a reply that are read at most, without its slots."""
SLOT_LIMIT = 2048
"""Bytes of one slot: an id with its tags has about 75, the longest sentence that a gateway is known to give about 450 in UTF-8.
Written as character references (`&#1053;`), which a gateway may do, that sentence has about 1,600."""
REPLY_LIMIT_MOST = 4 * 1024 * 1024
"""Bytes of any reply that are read at most."""
MAX_ELEMENTS = 70_000
"""Elements of any reply that are read at most."""
_ELEMENTS_AROUND = 100
"""Elements of a reply that are no slots: envelope, header, body, response, result and the sentence before the slots."""

MOST_RECIPIENTS = min(
    (REPLY_LIMIT_MOST - REPLY_LIMIT) // SLOT_LIMIT, MAX_ELEMENTS - _ELEMENTS_AROUND
)
"""Recipients of one call at most: the reply can be read even if each of them gets the longest sentence."""


def reply_limit(recipients: int) -> int:
    """Return how many bytes of the reply to a call with so many recipients are read."""
    return min(REPLY_LIMIT + SLOT_LIMIT * recipients, REPLY_LIMIT_MOST)
