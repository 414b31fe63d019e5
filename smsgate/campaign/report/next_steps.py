"""What the reader of the report should do next: a sentence and the command to copy.

Rule of this file: no I/O and no markup. A command names the campaign as the user named it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...languages import Language
from ...ledger.records import Figures
from ...ledger.states import RecipientState
from ..wording import by_group

__all__ = ["NextStep", "next_steps"]

_S = RecipientState
_SHOWN = 2


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do, and the command for it; "" if there is none."""

    what: str
    command: str = ""


def next_steps(figures: Figures, place: str, language: Language) -> list[NextStep]:
    """Return what to do next, the most urgent first: two steps at most, at least one sentence."""
    steps = list(_steps(figures, place, language))[:_SHOWN]
    return steps or [NextStep(language.say("Nothing: every recipient has a final outcome."))]


def _steps(figures: Figures, place: str, language: Language) -> Iterator[NextStep]:
    if figures.purged:
        return
    if in_doubt := figures.count(_S.IN_DOUBT):
        yield NextStep(
            language.plural(
                "Ask the provider whether the message to {number} recipient in doubt was sent, and"
                " record your decision. To see the request and the evidence:",
                "Ask the provider whether the messages to {number} recipients in doubt were sent,"
                " and record your decision. To see the requests and the evidence:",
                in_doubt,
            ),
            f"smsgate campaign in-doubt {place}",
        )
    if flying := figures.count(_S.IN_FLIGHT):
        yield NextStep(
            language.plural(
                "{number} recipient is in a request without an answer yet. If no run is active,"
                " start one: it finds out.",
                "{number} recipients are in requests without an answer yet. If no run is active,"
                " start one: it finds out.",
                flying,
            ),
            f"smsgate campaign run {place}",
        )
    elif pending := figures.count(_S.PENDING):
        yield NextStep(
            language.plural(
                "Send to the {number} recipient that is pending:",
                "Send to the {number} recipients that are pending:",
                pending,
            ),
            f"smsgate campaign run {place}",
        )
    groups = by_group(figures.deliveries)
    waiting = sum(sum(groups[group].values()) for group in ("open", "unasked"))
    if waiting:
        yield NextStep(
            language.plural(
                "Ask the gateway whether {number} message was delivered:",
                "Ask the gateway whether {number} messages were delivered:",
                waiting,
            ),
            f"smsgate campaign poll {place}",
        )
