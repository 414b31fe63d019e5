"""The progress of a run: counts that follow each claim and each outcome. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..ledger.states import Event, RecipientState, after, before

__all__ = ["Progress"]


@dataclass(slots=True)
class Progress:
    """The progress of a run.

    `states` is the number of recipients in each state, `under_way` the number of requests in
    flight. `waiting` says what the run waits for; "" if it does not wait. `closed` is whether it
    waits for the hours of the campaign.
    """

    states: dict[RecipientState, int]
    under_way: int = 0
    waiting: str = ""
    closed: bool = False
    _recent: deque[tuple[float, int]] = field(default_factory=deque, repr=False)

    WINDOW = 10.0
    """The seconds over which `rate` is averaged."""

    def count(self, *states: RecipientState) -> int:
        """Return how many recipients are in these states."""
        return sum(self.states.get(state, 0) for state in states)

    @property
    def rate(self) -> float:
        """Recipients per second, averaged over the last `WINDOW` seconds."""
        if len(self._recent) < 2:
            return 0.0
        seconds = self._recent[-1][0] - self._recent[0][0]
        return (
            (sum(count for _, count in self._recent) - self._recent[0][1]) / seconds
            if seconds > 0
            else 0.0
        )

    def move(self, event: Event, count: int) -> None:
        """Count an event of this many recipients."""
        source = before(event)
        for state, change in ((source, -count), (after(source, event), count)):
            self.states[state] = self.states.get(state, 0) + change

    def settled(self, count: int, now: float) -> None:
        """Count this many recipients for the rate."""
        self._recent.append((now, count))
        while now - self._recent[0][0] > self.WINDOW:
            self._recent.popleft()
