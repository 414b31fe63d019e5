"""Polls the delivery status of each accepted message of a campaign until the status is final.

Rule of this file: the message whose last check is oldest comes first. No message is checked twice
within `again` seconds, and checks never exceed the rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import anyio

from .._client.workers import side_by_side
from ..config import positive
from ..errors import InDoubt, MessageNotFound, NotSent, SmsGateError, outcome_of
from ..ledger.contract import Journal
from ..protocol.answers import DeliveryState
from ..session import AsyncSession
from .journal_steps import JournalSteps
from .wording import duration

__all__ = ["PollOptions", "PollProgress", "Poller"]

_TAKEN = 256
"""The number of messages read from the journal at a time."""
_PAUSES = (5.0, 10.0, 30.0, 60.0)
"""Seconds to wait after a failed check. The last value is for all further failures in a row."""


@dataclass(slots=True)
class PollProgress:
    """The progress of polling.

    `final` statuses are final and `open` ones are not. `asked` counts the gateway's answers.
    `waiting` says why the poller waits; "" if it does not.
    """

    final: int
    open: int
    asked: int = 0
    waiting: str = ""


class PollOptions(TypedDict, total=False):
    """The options of a `Poller`, for functions that pass them on."""

    rate: float | None
    again: float
    timeout: float | None
    on_progress: Callable[[PollProgress], None]


class Poller:
    """Requests delivery statuses until all are final. It can be stopped.

    Args:
        journal: the journal of the campaign.
        session: the session that asks the gateway.
        rate: the maximum number of requests per second; None for no limit.
        again: seconds until the same message is checked again.
        timeout: the longest time in seconds, in all; None for no limit.
        on_progress: called after each answer and each failure.

    Raises:
        ValueError: an option is not a number greater than 0.
    """

    def __init__(
        self,
        journal: Journal,
        session: AsyncSession,
        *,
        rate: float | None = 50.0,
        again: float = 15.0,
        timeout: float | None = None,
        on_progress: Callable[[PollProgress], None] = lambda _: None,
    ) -> None:
        for name, value in (("rate", rate), ("again", again), ("timeout", timeout)):
            if value is not None and not positive(value):
                raise ValueError(f"{name}: must be a number greater than 0")
        self._journal = journal
        self._steps = JournalSteps(journal)
        self._session = session
        self._rate = rate
        self._again = again
        self._timeout = timeout
        self._on_progress = on_progress
        self._due = 0.0
        self._paused_until = 0.0
        self._failures = 0
        self._stopping = False
        self._stop_asked: anyio.Event | None = None
        self.progress: PollProgress = PollProgress(0, 0)
        """The progress so far, even after a cancellation."""

    async def poll(self) -> PollProgress:
        """Request statuses until all are final, the time is over, or `stop` is called.

        Returns:
            The progress.

        Raises:
            Refused: the gateway refuses to answer, for example because of a wrong password.
            NotSent: the session is closed.
            InDoubt: the session was closed during a request.
            LedgerError: the file or the database cannot be written.
        """
        progress = self.progress
        progress.open, _ = await self._steps(self._journal.next_ask)
        self._stop_asked = anyio.Event()
        with anyio.move_on_after(self._timeout):
            while not self._stopping:
                open_, longest = await self._steps(self._journal.next_ask)
                if not open_:
                    break
                waiting = await self._steps(self._journal.to_ask, self._again, _TAKEN)
                if waiting:
                    await self._ask_all(waiting, progress)
                else:
                    # At most `again` seconds, even if the journal's clock is set back.
                    await self._sleep(min(max(self._again - longest, 0.05), self._again))
        return progress

    def stop(self) -> None:
        """Start no more requests. `poll` returns when those in flight have ended."""
        self._stopping = True
        if self._stop_asked is not None:
            self._stop_asked.set()

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self._stop_asked is not None:
            with anyio.move_on_after(seconds):
                await self._stop_asked.wait()

    async def _ask_all(self, waiting: list[tuple[int, str]], progress: PollProgress) -> None:
        left = iter(waiting)

        async def work() -> None:
            for recipient, message_id in left:
                await self._wait_for_turn()
                if self._stopping:
                    return
                await self._ask(recipient, message_id, progress)

        await side_by_side(self._session.concurrency, work)

    async def _wait_for_turn(self) -> None:
        if self._rate is not None:
            now = anyio.current_time()
            due, self._due = max(self._due, now), max(self._due, now) + 1 / self._rate
            await self._sleep(due - now)
        # A failure in another worker may have prolonged the pause in the meantime.
        while not self._stopping and (left := self._paused_until - anyio.current_time()) > 0:
            await self._sleep(left)

    async def _ask(self, recipient: int, message_id: str, progress: PollProgress) -> None:
        try:
            state = (await self._session.get_message_status(message_id)).state
        except MessageNotFound:
            state = DeliveryState.NOT_FOUND
        except SmsGateError as error:
            ended = isinstance(error, NotSent | InDoubt) and error.reason.ends_session
            if ended or not outcome_of(error).transient:
                raise
            # Asking twice is harmless, so the message stays in the queue. The session has already
            # repeated the request a few times.
            await self._steps(self._journal.note_asked, recipient)
            self._pause(str(error))
            return
        self._failures, progress.waiting = 0, ""
        progress.asked += 1
        await self._steps(self._journal.set_delivery, recipient, state)
        if state.final or state is DeliveryState.NOT_FOUND:
            progress.final += 1
            progress.open -= 1
        self._on_progress(progress)

    def _pause(self, why: str) -> None:
        """Pause all workers, longer each time. Failures of concurrent requests count once."""
        now = anyio.current_time()
        if now < self._paused_until:
            return
        pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
        self._failures += 1
        self._paused_until = now + pause
        self.progress.waiting = (
            f"the gateway does not answer ({why}); next request in {duration(pause)}"
        )
        self._on_progress(self.progress)
