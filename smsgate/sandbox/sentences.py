"""What the gateway says, looked up by meaning in the table that the client reads with.

Rule of this file: no sentence is written here; where the table has several for one meaning, the first is said.
"""

from __future__ import annotations

from ..protocol.answers import ANSWERS, STATUSES, Answer, DeliveryState

__all__ = ["NOT_AUTHORISED", "say", "say_in_slot", "say_state"]

_SENTENCES = {row.meaning: row.sentence for row in reversed(ANSWERS)}
_STATES = {row.state: row.sentence for row in reversed(STATUSES)}
_QUOTING = {row.meaning: row.sentence for row in ANSWERS if "{number}" in row.sentence}

NOT_AUTHORISED = tuple(row.sentence for row in ANSWERS if row.meaning is Answer.NOT_AUTHORISED)
"""Both spellings, the documented one first."""


def say(meaning: Answer, **filled: str) -> str:
    """Return the sentence for this meaning, with what the gateway fills in: `missing` credits or the `id` asked for."""
    sentence = _SENTENCES[meaning]
    return sentence.format(**filled) if filled else sentence


def say_in_slot(meaning: Answer, number: str) -> str:
    """Return the sentence as it stands in the slot of a number, which some sentences quote (docs: wire format, "Slots")."""
    quoting = _QUOTING.get(meaning)
    return quoting.format(number=number) if quoting else _SENTENCES[meaning]


def say_state(state: DeliveryState) -> str:
    """Return the sentence for a delivery status."""
    return _STATES[state]
