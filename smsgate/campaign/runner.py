"""Sends a campaign: claim, send, record, with several requests in flight at the same time.

Rules of this file: no request leaves before its claim is on the disk. The outcome is recorded by a
step that no cancellation can prevent, in the frame that knows the outcome. A task that waits holds
no claim (docs: how it is tested, "Cancelled writes" and "SQLite").
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import TypedDict

import anyio
import anyio.lowlevel

from .._client.call import SendRecord, machine_seconds, send_recorded
from .._client.workers import side_by_side
from ..config import positive
from ..errors import InDoubt, NotSent, Reason, Refused
from ..ledger.contract import Journal, shared
from ..ledger.records import (
    CampaignPaused,
    Claim,
    JournalBusy,
    JournalError,
    JournalLost,
    LedgerError,
)
from ..ledger.states import Event, RecipientState, after, before
from ..ledger.stop_numbers import Stops
from ..protocol.models import Message, SendResult
from ..session import AsyncSession
from .costs import CountedNumbers
from .evidence import EvidenceCollector
from .journal_steps import JournalSteps
from .outcomes import RequestOutcome, Trouble, outcome_of_answer, outcome_of_error
from .pace import AccountSlots, OwnPace, SharedPace, check_pace
from .prices import Money, Prices
from .stopping import opened_stops
from .window import ANY_TIME, SendingWindow, zone_named
from .wording import duration, moment, things

__all__ = ["Progress", "RunOptions", "RunOutcome", "RunResult", "Runner"]

_log = logging.getLogger("smsgate")

_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between two checks of a gateway that does not work. The last value repeats."""
_FAILURES_TO_WAIT = 3
"""After this many failures in a row, the run waits for the gateway."""
_BUSY_PAUSE = 1.0
"""Seconds between two attempts to start while another program reads the file."""
_LOOK = 0.3
"""Seconds between two looks at what other machines do, at least."""
_WAITING = "other machines are sending to the last recipients"
_WINDOW_LOOK = 30.0
"""Seconds between two looks at the clock and at the hours, while the run waits for them."""
_LOOKING = 0.05
"""The part of the time that is spent on looking, at most: large campaigns take long to count."""


class RunOutcome(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    """No recipient is pending."""
    STOPPED = "stopped"
    """`Runner.stop` was called, and the requests in flight have ended."""
    PAUSED = "paused"
    """The operator must fix something before the run can continue, or the gateway does not work, or
    the campaign was paused on another machine."""
    CUT_OFF = "cut off"
    """The run was cancelled or failed. Recipients of requests that may have left are in doubt."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, why, and how many recipients are in each state now."""

    outcome: RunOutcome
    why: str
    states: dict[RecipientState, int]


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


class RunOptions(TypedDict, total=False):
    """The options of a `Runner`, for functions that pass them on."""

    batch: int
    rate: float | None
    patience: float
    max_cost: int | Money | None
    prices: Prices | None
    on_progress: Callable[[Progress], None]


class Runner:
    """One run of a campaign. It can be stopped.

    Args:
        journal: the journal of the campaign.
        session: the session that sends.
        batch: the most recipients in one request, from 1 to 1,000. At a low `rate`, requests are
            smaller, so that none has more recipients than one second allows.
        rate: the maximum number of recipients per second. On several machines it is the limit of
            all together, also after this run. None for no limit, or the limit that is set already.
        patience: seconds in all to wait for a gateway that does not work, with growing pauses. Then
            the run pauses. The run also waits this long for another program that reads the file.
        max_cost: the most credits that the run may cost, at one credit per part. If sending to all
            pending recipients would cost more, the run pauses before it sends anything. `Money`
            is a limit of what they cost by `prices`; then the run also pauses if a recipient has no
            price. None for no limit.
        prices: the price list for a limit in money, in the same currency.
        on_progress: called after each change.

    Raises:
        ValueError: an option is out of range.
    """

    _pauses: Sequence[float] = _PAUSES
    _grace: float = 30.0
    """Seconds of a lease beyond the deadline of a send, for recording the outcome."""

    _time: Callable[[], float] = staticmethod(time.time)
    """The clock of the sending window, in seconds since 1970."""

    @staticmethod
    def _hook(step: str) -> None:
        """Do nothing. A test overrides this method to end the process at a step."""

    def __init__(
        self,
        journal: Journal,
        session: AsyncSession,
        *,
        batch: int = 100,
        rate: float | None = None,
        patience: float = 1800.0,
        max_cost: int | Money | None = None,
        prices: Prices | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        check_pace(batch, rate)
        for name, valid, allowed in (
            ("patience", positive(patience), "more than 0 seconds"),
            (
                "max_cost",
                max_cost is None
                or isinstance(max_cost, Money)
                or (type(max_cost) is int and max_cost >= 0),
                "a whole number of credits, 0 or more",
            ),
        ):
            if not valid:
                raise ValueError(f"{name}: must be {allowed}")
        if isinstance(max_cost, Money):
            _check_currency(max_cost, prices)
        self._journal = journal
        self._session = session
        self._steps = JournalSteps(journal)
        self._stops = Stops()
        self._window = ANY_TIME
        self._shared = shared(journal)
        self._pace = (
            OwnPace(batch, rate)
            if self._shared is None
            else SharedPace(self._shared, self._steps, batch)
        )
        self._slots = AccountSlots(
            self._shared, self._steps, session.account_key, session.account_concurrency
        )
        self._rate = rate
        self._most = batch
        self._next_look = 0.0
        self._unrecorded = 0
        self._patience = patience
        self._max_cost = max_cost
        self._prices = prices
        self._on_progress = on_progress
        self._evidence = EvidenceCollector(session, journal, self._steps)
        self._progress = Progress({})
        self._run = 0
        self._why = ""
        self._outcome: RunOutcome | None = None
        self._stop_asked: anyio.Event | None = None
        self._turn: anyio.Lock
        self._settled: anyio.Condition
        self._failures = 0
        self._failed = ""
        self._waited = 0.0
        self._broken: LedgerError | None = None

    async def run(self) -> RunResult:
        """Send until no recipient is pending, the run pauses, or `stop` is called.

        Recipients that were in flight when an earlier run was killed are in doubt from now on. A
        failed request raises nothing. If the run itself is cancelled, or `on_progress` fails,
        recipients of requests that may have left are first recorded as in doubt.

        Returns:
            How the run ended, why, and how many recipients are in each state.

        Raises:
            JournalLost: the journal failed, so some outcomes are not recorded.
            JournalBusy: another program read the file for longer than `patience`.
            StopListError: a stop list of the campaign cannot be read. Nothing was sent, or nothing
                more.
            LedgerError: the journal failed. Requests in flight have ended, and nothing more was
                sent.
        """
        self._stop_asked, self._turn, self._settled = anyio.Event(), anyio.Lock(), anyio.Condition()
        with opened_stops(await self._steps(self._journal.stop_lists)) as self._stops:
            return await self._run_all()

    async def _run_all(self) -> RunResult:
        if lost := await self._steps(self._journal.sweep):
            _log.warning(
                "the last run was interrupted while requests were in flight: %d recipients are"
                " in doubt",
                lost,
            )
        self._hook("swept")
        self._progress = Progress(await self._states())
        await self._read_window()
        if not await self._affordable() or not await self._begin():
            outcome = self._outcome or RunOutcome.STOPPED
            return RunResult(outcome, self._why, await self._states())
        self._on_progress(self._progress)
        try:
            try:
                if not await self._check_gateway():
                    # Send nothing to a gateway that cannot even report the balance.
                    self._failures, self._failed = _FAILURES_TO_WAIT, self._evidence.trouble
                await side_by_side(self._session.concurrency, self._work)
            except LedgerError as error:
                await self._break(error)
            if self._broken is not None:
                raise self._what_broke(self._broken)
        except BaseException:
            with suppress(LedgerError):  # report the first error
                await self._steps(self._journal.end_run, self._run, RunOutcome.CUT_OFF)
            raise
        outcome = self._outcome or RunOutcome.FINISHED
        said = f"{outcome}: {self._why}" if self._why else outcome
        await self._steps(self._journal.end_run, self._run, said)
        self._hook("ended")
        return RunResult(outcome, self._why, await self._states())

    async def _states(self) -> dict[RecipientState, int]:
        return await self._steps(self._journal.states)

    async def _affordable(self) -> bool:
        """End the run if it would cost more than it may."""
        if isinstance(self._max_cost, Money):
            await self._check_money(self._max_cost)
        elif self._max_cost is not None:
            cost = (await self._steps(self._journal.figures)).cost(RecipientState.PENDING)
            if cost > self._max_cost:
                self._end(
                    RunOutcome.PAUSED,
                    f"sending to all pending recipients would cost about {cost:,} credits, and the"
                    f" most allowed is {self._max_cost:,}",
                )
        return self._outcome is None

    async def _check_money(self, most: Money) -> None:
        groups = await self._steps(self._journal.pending_numbers)
        costs = CountedNumbers.of(groups).costs(self._prices)
        without = things(costs.unpriced, "recipient has", "recipients have")
        if costs.money is not None and costs.money.amount > most.amount:
            also = f", while {without} no price" if costs.unpriced else ""
            self._end(
                RunOutcome.PAUSED,
                f"sending to all pending recipients would cost about {costs.money}{also}, and the"
                f" most allowed is {most}",
            )
        elif costs.unpriced:
            self._end(
                RunOutcome.PAUSED,
                f"{without} no price in the price list, so the run may cost more than {most}",
            )

    async def _begin(self) -> bool:
        """Start as soon as no other program reads the file. False if `stop` was called before."""
        waited = 0.0
        if self._shared is not None and self._rate is not None:
            await self._steps(self._shared.set_rate, self._rate)
        while True:
            try:
                self._run = await self._steps(self._journal.start_run)
            except CampaignPaused as error:
                self._end(RunOutcome.PAUSED, str(error))
                return False
            except JournalBusy as error:
                if waited >= self._patience:
                    raise JournalBusy(
                        f"{error}; the run has waited {duration(waited)}. Run the campaign again"
                        " when that program has finished"
                    ) from None
                if not waited:
                    _log.warning("%s; the run starts when that program has finished", str(error))
                self._progress.waiting = str(error)
                self._on_progress(self._progress)
            else:
                self._progress.waiting = ""
                return True
            await self._sleep(_BUSY_PAUSE)
            waited += _BUSY_PAUSE
            if self._outcome:
                return False

    async def _break(self, error: LedgerError) -> None:
        """Send nothing more, since the journal failed. Requests in flight may still end."""
        if self._broken is None:
            self._broken = error
            self._end(RunOutcome.CUT_OFF, "")
        async with self._settled:
            self._settled.notify_all()

    def _what_broke(self, broken: LedgerError) -> LedgerError:
        left = self._unrecorded
        if not left or isinstance(broken, JournalLost):
            return broken
        return JournalLost(
            f"{broken}. The outcomes of {left} recipients could not be recorded: they are in doubt"
        )

    def stop(self) -> None:
        """Start no more requests. `run` returns when those in flight have ended."""
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
                claim, began = await self._next()
                if claim is not None:
                    # While the gateway fails, send one request at a time.
                    if self._failures < _FAILURES_TO_WAIT:
                        self._turn.release()
                        in_turn = False
                    try:
                        await self._send(claim, began)
                    finally:
                        await self._slots.free()
                    continue
                if await self._others_work():
                    continue
            except CampaignPaused as error:
                self._end(RunOutcome.PAUSED, str(error))
            except LedgerError as error:
                await self._break(error)
            finally:
                if in_turn:
                    self._turn.release()
            if self._outcome or not self._progress.under_way:
                return
            # Recipients of requests in flight may become pending again.
            async with self._settled:
                if self._progress.under_way and not self._outcome:
                    await self._settled.wait()

    async def _next(self) -> tuple[Claim | None, float]:
        """Return the next claim, None if there is none, and the time before it was made.

        A claim has a slot of the account, to be freed.
        """
        await self._wait()
        taken = False
        while not (taken or self._outcome):
            taken = await self._slots.take(self._sleep)
        claim, began = None, machine_seconds()
        try:
            if not self._outcome:
                claim = await self._claim()
        finally:
            if taken and claim is None:
                await self._slots.free()
        return claim, began

    async def _others_work(self) -> bool:
        """Return whether recipients are left for a later claim, and wait a little if so.

        On several machines, others may be claiming them at this moment, or be sending to them.
        """
        if self._shared is None or self._outcome:
            return False
        await self._sleep(self._next_look - anyio.current_time())
        await self._look()
        left = self._progress.count(RecipientState.PENDING, RecipientState.IN_FLIGHT)
        alone = left and not self._progress.under_way
        self._progress.waiting = _WAITING if alone else ""
        self._on_progress(self._progress)
        return bool(left)

    async def _look(self) -> None:
        """See what other machines did: what they sent, and who was left in flight by a dead one."""
        began = anyio.current_time()
        await self._steps(self._journal.sweep)
        self._progress.states = await self._states()
        await self._read_window()
        now = anyio.current_time()
        self._next_look = now + max(_LOOK, (now - began) / _LOOKING)

    async def _wait(self) -> None:
        """Wait until the next request is due and the gateway works, or until the run ends."""
        if self._progress.count(RecipientState.PENDING):
            self._most, seconds = await self._pace.next()
            await self._sleep(seconds)
            await self._wait_for_window()
        if self._shared is not None and anyio.current_time() > self._next_look:
            await self._look()
        while self._failures >= _FAILURES_TO_WAIT and not self._outcome:
            pause = self._pauses[min(self._failures - _FAILURES_TO_WAIT, len(self._pauses) - 1)]
            if self._waited + pause > self._patience:
                self._end(
                    RunOutcome.PAUSED,
                    f"the gateway has not worked for {duration(self._waited)}: {self._failed}",
                )
                return
            self._waited += pause
            self._progress.waiting = (
                f"the gateway does not work ({self._failed}); next attempt in {duration(pause)}"
            )
            self._on_progress(self._progress)
            await self._sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - jitter, not a secret
            self._progress.waiting = ""
            if await self._check_gateway():
                return
            self._failures += 1
            self._failed = self._evidence.trouble

    async def _read_window(self) -> None:
        if stored := await self._steps(self._journal.sending_window):
            self._window = SendingWindow.from_stored(stored)
            self._check_clocks(self._window)

    @staticmethod
    def _check_clocks(window: SendingWindow) -> None:
        try:
            for zone in (*window.zones, *window.recipient_zones):
                zone_named(zone)
        except ValueError as error:
            raise JournalError(
                f"the hours of the campaign cannot be computed here: {error}"
            ) from None

    async def _wait_for_window(self) -> None:
        """Wait until the campaign may send, or until the run ends."""
        while not self._outcome and (seconds := self._window.wait(self._time())):
            self._progress.waiting = "it is not the time to send; waiting until " + (
                "the hours have a minute in common in all time zones"
                if seconds == inf
                else moment(self._time() + seconds, self._window.zone)
            )
            self._progress.closed = True
            self._on_progress(self._progress)
            # The clock of this machine may be set, and the hours may be changed.
            await self._sleep(min(seconds, _WINDOW_LOOK))
            await self._read_window()
            self._progress.waiting, self._progress.closed = "", False

    async def _check_gateway(self) -> bool:
        works = await self._evidence.check_gateway()
        if self._evidence.session_ended:
            self._end(RunOutcome.PAUSED, self._evidence.trouble)
        return works

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self._stop_asked is not None:
            with anyio.move_on_after(seconds):
                await self._stop_asked.wait()

    async def _claim(self) -> Claim | None:
        claim, stopped = None, 1
        while claim is None and stopped and not self._outcome:
            claim = await self._steps.kept(
                self._journal.claim,
                self._run,
                self._most,
                self._evidence.seen,
                lease=self._session.timeouts.send + self._grace,
                stops=self._stops,
            )
            if stopped := self._stops.taken():
                self._progress.move(Event.LISTED, stopped)
                self._on_progress(self._progress)
            if claim is None:
                # Everybody of this claim was on the stop list, and others may be pending.
                await anyio.lowlevel.checkpoint()
        if claim is not None:
            self._pace.claimed(len(claim.recipients))
            self._unrecorded += len(claim.recipients)
            self._progress.waiting = ""
            self._progress.under_way += 1
            self._progress.move(Event.CLAIMED, len(claim.recipients))
            self._on_progress(self._progress)
        return claim

    async def _send(self, claim: Claim, began: float) -> None:
        failure: BaseException | None = None
        record = SendRecord()
        try:
            self._hook("sending")
            result = await self._post(claim, began, record)
            outcome = outcome_of_answer(claim, result)
        except BaseException as error:  # even cancelled: first record what it means
            failure = error
            outcome = outcome_of_error(claim, error, left=record.left)
        self._hook("answered")
        await self._write(claim, outcome)
        if outcome.unforeseen and failure is not None:
            raise failure
        await self._react(claim, outcome, failure)

    async def _post(self, claim: Claim, began: float, record: SendRecord) -> SendResult:
        what = claim.text
        numbers = [number for _, number in claim.recipients]
        message = Message(
            sender=what.sender, destinations=numbers, text=what.text, wappush=what.wappush
        )
        left = self._window.left(self._time())
        if claim.first_byte_in is not None:
            left = min(left, claim.first_byte_in - (machine_seconds() - began))
        if left == inf:
            return await send_recorded(self._session, message, record)
        if left <= 0:
            raise NotSent("nothing was sent: it is too late", reason=Reason.TOO_LATE)
        return await send_recorded(self._session, message, record, not_after=left)

    async def _write(self, claim: Claim, outcome: RequestOutcome) -> None:
        """Record the outcomes of a claim. No cancellation prevents that: see `JournalSteps`."""
        await self._steps(self._journal.settle, claim, outcome.recipients, outcome.end)
        self._unrecorded -= len(claim.recipients)
        self._progress.under_way -= 1
        for recipient in outcome.recipients:
            self._progress.move(recipient.event, 1)
        settled = sum(recipient.event is not Event.NOT_SENT for recipient in outcome.recipients)
        self._progress.settled(settled, anyio.current_time())
        self._on_progress(self._progress)

    async def _react(
        self, claim: Claim, outcome: RequestOutcome, failure: BaseException | None
    ) -> None:
        """Pause or slow down the run if needed, wake waiting workers, and collect evidence."""
        if outcome.trouble is Trouble.PAUSE:
            self._end(RunOutcome.PAUSED, outcome.why)
            # What the gateway says about the account concerns the other machines, too.
            if self._shared is not None and isinstance(failure, Refused | None):
                await self._steps(self._shared.pause, outcome.why)
        elif outcome.trouble is Trouble.WAIT:
            self._failures += 1
            self._failed = outcome.why
        else:
            self._failures, self._waited = 0, 0.0
        async with self._settled:
            self._settled.notify_all()
        if outcome.in_doubt:
            ids = failure.evidence.ids if isinstance(failure, InDoubt) else ()
            await self._evidence.gather(claim.request, ids)
            self._hook("evidence")


def _check_currency(most: Money, prices: Prices | None) -> None:
    """Raise `ValueError` if a limit in money cannot be compared with the prices."""
    if prices is None:
        raise ValueError("max_cost: an amount of money needs prices: a price list")
    if prices.currency != most.currency:
        raise ValueError(
            f"max_cost: must be in {prices.currency}, the currency of the price list, or in credits"
        )
