"""The gateway's sentences by meaning, from the table that the client uses for parsing.

Rule of this file: it contains no sentence. If the table has several sentences for one meaning, the
first is used.
"""

from __future__ import annotations

from ..protocol.answers import ANSWERS, STATUSES, Answer, DeliveryState

__all__ = ["NOT_AUTHORISED", "STATE_SENTENCES", "say", "say_in_slot", "say_state"]

_SENTENCES = {row.meaning: row.sentence for row in reversed(ANSWERS)}
_STATES = {row.state: row.sentence for row in reversed(STATUSES)}
_QUOTING = {row.meaning: row.sentence for row in ANSWERS if "{number}" in row.sentence}

NOT_AUTHORISED = tuple(row.sentence for row in ANSWERS if row.meaning is Answer.NOT_AUTHORISED)
"""Both spellings of "not authorised", the documented one first."""
STATE_SENTENCES = frozenset(_STATES.values())
"""All sentences for delivery statuses."""


def say(meaning: Answer, **filled: str) -> str:
    """Return the sentence for this meaning.

    Args:
        meaning: what to say.
        filled: values of the placeholders: `missing` credits or the `id` of a message.
    """
    sentence = _SENTENCES[meaning]
    return sentence.format(**filled) if filled else sentence


def say_in_slot(meaning: Answer, number: str) -> str:
    """Return the sentence for the slot of a number; some sentences quote the number.

    See docs: wire format, "Slots".
    """
    quoting = _QUOTING.get(meaning)
    return quoting.format(number=number) if quoting else _SENTENCES[meaning]


def say_state(state: DeliveryState) -> str:
    """Return the sentence for a delivery status."""
    return _STATES[state]
