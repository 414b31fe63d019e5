"""Sends a campaign: claim, send, record, with several requests under way.

Rules of this file: nothing leaves before its claim is on the disk; the outcome is written by a plain synchronous call in the
frame that knows it, whatever is being cancelled; a task that waits holds no claim
(docs: how it is tested, "Cancelled writes" and "SQLite").
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypedDict

import anyio

from .._client.call import SendRecord, send_recorded
from .._client.workers import side_by_side
from ..config import positive
from ..errors import InDoubt
from ..ledger.contract import Journal
from ..ledger.records import Claim, JournalBusy, JournalError, JournalLost
from ..ledger.states import Event, RecipientState, after, before
from ..protocol.limits import MOST_RECIPIENTS
from ..protocol.models import Message, SendResult
from ..session import AsyncSession
from .evidence import Lookout
from .outcomes import RequestOutcome, Trouble, outcome_of_answer, outcome_of_error
from .wording import duration

__all__ = ["MOST_IN_REQUEST", "Progress", "RunOptions", "RunOutcome", "RunResult", "Runner"]

_log = logging.getLogger("smsgate")

_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between two tries of a gateway that does not work, the last for all further ones."""
_BAD_LUCK = 3
"""So many failures in a row, with no request in between that worked, are no bad luck any more."""
_BUSY_PAUSE = 1.0
"""Seconds between two tries to begin while another program reads the file."""


class RunOutcome(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    """Nobody is pending."""
    STOPPED = "stopped"
    """It was asked to stop, and waited for what was under way."""
    PAUSED = "paused"
    """It makes no sense to go on before the operator has mended something."""
    CUT_OFF = "cut off"
    """It was cancelled, or broke; who was in a request that may have left is in doubt."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, why, and where everybody stands now."""

    outcome: RunOutcome
    why: str
    states: dict[RecipientState, int]


@dataclass(slots=True)
class Progress:
    """Where a run stands: recipients in each state, requests under way, and what it waits for, if it does."""

    states: dict[RecipientState, int]
    under_way: int = 0
    waiting: str = ""
    _recent: deque[tuple[float, int]] = field(default_factory=deque, repr=False)

    WINDOW = 10.0
    """Seconds over which the rate is taken."""

    def count(self, *states: RecipientState) -> int:
        """How many recipients are in these states."""
        return sum(self.states.get(state, 0) for state in states)

    @property
    def rate(self) -> float:
        """Recipients a second, of late."""
        if len(self._recent) < 2:
            return 0.0
        seconds = self._recent[-1][0] - self._recent[0][0]
        return (sum(count for _, count in self._recent) - self._recent[0][1]) / seconds if seconds > 0 else 0.0

    def move(self, event: Event, count: int) -> None:
        """Count an event of so many recipients."""
        source = before(event)
        for state, change in ((source, -count), (after(source, event), count)):
            self.states[state] = self.states.get(state, 0) + change

    def settled(self, count: int, now: float) -> None:
        """Count so many recipients into the rate."""
        self._recent.append((now, count))
        while now - self._recent[0][0] > self.WINDOW:
            self._recent.popleft()


class RunOptions(TypedDict, total=False):
    """The options of a `Runner`, for those who hand them on."""

    batch: int
    rate: float | None
    patience: float
    on_progress: Callable[[Progress], None]


MOST_IN_REQUEST = min(1_000, MOST_RECIPIENTS)
"""Recipients in one request of a campaign at most: so many are in doubt together if an answer is lost."""


class Runner:
    """One run of a campaign. `batch` is how many recipients go into one request at most, `rate` recipients a second at most.

    At a low rate requests are smaller, so that none has more recipients than a second allows.

    A gateway that does not work is tried again after longer and longer waits, `patience` seconds in all; then the run pauses.
    Another program that reads the file keeps the run from beginning; it is waited for as long.
    `on_progress` is called after each change.
    """

    _pauses: Sequence[float] = _PAUSES

    @staticmethod
    def _hook(step: str) -> None:
        """Do nothing. A test overrides it, to end the process at a step."""

    def __init__(
        self,
        journal: Journal,
        session: AsyncSession,
        *,
        batch: int = 100,
        rate: float | None = None,
        patience: float = 1800.0,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        for name, valid, allowed in (
            ("batch", type(batch) is int and 1 <= batch <= MOST_IN_REQUEST, f"a whole number from 1 to {MOST_IN_REQUEST}"),
            ("rate", rate is None or positive(rate), "recipients a second, more than 0"),
            ("patience", positive(patience), "seconds, more than 0"),
        ):
            if not valid:
                raise ValueError(f"{name}: {allowed}")
        self._journal = journal
        self._session = session
        self._batch = batch if rate is None else min(batch, max(int(rate), 1))
        self._rate = rate
        self._patience = patience
        self._on_progress = on_progress
        self._lookout = Lookout(session, journal)
        self._progress = Progress({})
        self._run = 0
        self._due = 0.0
        self._why = ""
        self._outcome: RunOutcome | None = None
        self._stop_asked: anyio.Event | None = None
        self._turn: anyio.Lock
        self._settled: anyio.Condition
        self._failures = 0
        self._failed = ""
        self._waited = 0.0
        self._broken: JournalError | None = None

    async def run(self) -> RunResult:
        """Send to everybody who is pending, and return when nobody is, or when it makes no sense to go on.

        Who was in flight when an earlier run was killed is in doubt from now on. A request that goes wrong raises nothing; if the
        run itself is cancelled, or `on_progress` fails, who is in a request that may have left is written down as in doubt first.
        If the journal fails, nothing more is sent, what is under way is waited for, and `JournalError` is raised:
        `JournalLost` if the journal does not say what became of some recipients.
        """
        self._stop_asked, self._turn, self._settled = anyio.Event(), anyio.Lock(), anyio.Condition()
        if lost := self._journal.recover():
            _log.warning("the last run was cut off while requests were under way: %d recipients are in doubt", lost)
        self._hook("recovered")
        self._progress = Progress(self._journal.states())
        if not await self._begin():
            return RunResult(RunOutcome.STOPPED, "", self._journal.states())
        self._on_progress(self._progress)
        try:
            try:
                if not await self._look():
                    # Nothing is risked on a gateway that cannot even tell the balance.
                    self._failures, self._failed = _BAD_LUCK, self._lookout.trouble
                await side_by_side(self._session.concurrency, self._work)
            except JournalError as error:
                await self._break(error)
            if self._broken is not None:
                raise self._what_broke(self._broken)
        except BaseException:
            with suppress(JournalError):  # the first error is the one to tell
                self._journal.end_run(self._run, RunOutcome.CUT_OFF)
            raise
        outcome = self._outcome or RunOutcome.FINISHED
        self._journal.end_run(self._run, f"{outcome}: {self._why}" if self._why else outcome)
        self._hook("ended")
        return RunResult(outcome, self._why, self._journal.states())

    async def _begin(self) -> bool:
        """Begin as soon as no other program is in the way. False if the run is stopped before."""
        waited = 0.0
        while True:
            try:
                self._run = self._journal.start_run()
            except JournalBusy as error:
                if waited >= self._patience:
                    raise JournalBusy(
                        f"{error}; the run has waited {duration(waited)} for it. Run it again when it has ended"
                    ) from None
                if not waited:
                    _log.warning("%s; the run begins when it has ended", str(error))
                self._progress.waiting = str(error)
                self._on_progress(self._progress)
            else:
                self._progress.waiting = ""
                return True
            await self._sleep(_BUSY_PAUSE)
            waited += _BUSY_PAUSE
            if self._outcome:
                return False

    async def _break(self, error: JournalError) -> None:
        """Send nothing more, since the journal does not work; what is under way is waited for."""
        if self._broken is None:
            self._broken = error
            self._end(RunOutcome.CUT_OFF, "")
        async with self._settled:
            self._settled.notify_all()

    def _what_broke(self, broken: JournalError) -> JournalError:
        left = self._progress.count(RecipientState.IN_FLIGHT)
        if not left or isinstance(broken, JournalLost):
            return broken
        return JournalLost(f"{broken}. What became of {left} recipients could not be written down: they are in doubt")

    def stop(self) -> None:
        """Send nothing more, and let `run` return when what is under way has ended."""
        self._end(RunOutcome.STOPPED, "")

    def _end(self, outcome: RunOutcome, why: str) -> None:
        if self._outcome is None:
            self._outcome, self._why = outcome, why
            if self._stop_asked is not None:
                self._stop_asked.set()

    async def _work(self) -> None:
        while True:
            await self._turn.acquire()
            in_turn = True
            try:
                await self._wait()
                claim = None if self._outcome else self._claim()
                if claim is not None:
                    # While the gateway is in trouble, one request at a time finds out whether it works again.
                    if self._failures < _BAD_LUCK:
                        self._turn.release()
                        in_turn = False
                    await self._send(claim)
                    continue
            except JournalError as error:
                await self._break(error)
            finally:
                if in_turn:
                    self._turn.release()
            if self._outcome or not self._progress.under_way:
                return
            # What is under way may come back as not sent.
            async with self._settled:
                if self._progress.under_way and not self._outcome:
                    await self._settled.wait()

    async def _wait(self) -> None:
        """Wait until a request is due and the gateway is expected to work, or until the end."""
        if self._progress.count(RecipientState.PENDING):
            await self._sleep(self._due - anyio.current_time())
        while self._failures >= _BAD_LUCK and not self._outcome:
            pause = self._pauses[min(self._failures - _BAD_LUCK, len(self._pauses) - 1)]
            if self._waited + pause > self._patience:
                self._end(RunOutcome.PAUSED, f"the gateway has not worked for {duration(self._waited)}: {self._failed}")
                return
            self._waited += pause
            self._progress.waiting = f"the gateway does not work ({self._failed}); next try in {duration(pause)}"
            self._on_progress(self._progress)
            await self._sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - jitter, not a secret
            self._progress.waiting = ""
            if await self._look():
                return
            self._failures += 1
            self._failed = self._lookout.trouble

    async def _look(self) -> bool:
        works = await self._lookout.look()
        if self._lookout.session_ended:
            self._end(RunOutcome.PAUSED, self._lookout.trouble)
        return works

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self._stop_asked is not None:
            with anyio.move_on_after(seconds):
                await self._stop_asked.wait()

    def _claim(self) -> Claim | None:
        claim = self._journal.claim(self._run, self._batch, self._lookout.seen)
        if claim is not None:
            if self._rate is not None:
                self._due = max(self._due, anyio.current_time()) + len(claim.recipients) / self._rate
            self._progress.under_way += 1
            self._progress.move(Event.CLAIMED, len(claim.recipients))
            self._on_progress(self._progress)
        return claim

    async def _send(self, claim: Claim) -> None:
        failure: BaseException | None = None
        record = SendRecord()
        try:
            self._hook("sending")
            result = await self._post(claim, record)
            outcome = outcome_of_answer(claim, result)
        except BaseException as error:  # cancelled, too: what it means for the recipients is written before anything else happens
            failure = error
            outcome = outcome_of_error(claim, error, left=record.left)
        self._hook("answered")
        self._write(claim, outcome)
        if outcome.unforeseen and failure is not None:
            raise failure
        await self._heed(claim, outcome, failure)

    async def _post(self, claim: Claim, record: SendRecord) -> SendResult:
        what = claim.text
        numbers = [number for _, number in claim.recipients]
        message = Message(sender=what.sender, destinations=numbers, text=what.text, wappush=what.wappush)
        return await send_recorded(self._session, message, record)

    def _write(self, claim: Claim, outcome: RequestOutcome) -> None:
        """Write down what became of everybody. Nothing is awaited here, so nothing can be cancelled."""
        self._journal.settle(claim, outcome.recipients, outcome.end)
        self._progress.under_way -= 1
        for recipient in outcome.recipients:
            self._progress.move(recipient.event, 1)
        settled = sum(recipient.event is not Event.NOT_SENT for recipient in outcome.recipients)
        self._progress.settled(settled, anyio.current_time())
        self._on_progress(self._progress)

    async def _heed(self, claim: Claim, outcome: RequestOutcome, failure: BaseException | None) -> None:
        """Let the others know, and draw the consequences for the run."""
        if outcome.trouble is Trouble.PAUSE:
            self._end(RunOutcome.PAUSED, outcome.why)
        elif outcome.trouble is Trouble.WAIT:
            self._failures += 1
            self._failed = outcome.why
        else:
            self._failures, self._waited = 0, 0.0
        async with self._settled:
            self._settled.notify_all()
        if outcome.in_doubt:
            ids = failure.evidence.ids if isinstance(failure, InDoubt) else ()
            await self._lookout.gather(claim.request, ids)
            self._hook("evidence")
