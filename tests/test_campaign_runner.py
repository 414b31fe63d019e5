"""The runner, in simulated time.

What pauses a campaign and what does not, how long it waits, how fast it sends, and what it records
around a lost answer (docs: how it is tested, "Evidence in doubt").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from simulated_gateway import URL, SimulatedGateway
from stepped import stepped

import smsgate
from smsgate.campaign import (
    Campaign,
    JournalError,
    JournalLost,
    Progress,
    RecipientState,
    Runner,
    RunOutcome,
    SqliteJournal,
    rows_source,
)
from smsgate.sandbox import FaultKind, Settings
from smsgate.sandbox.account_settings import AccountState

pytestmark = pytest.mark.anyio

S = RecipientState
NUMBERS = [f"+38050111{number:04}" for number in range(1_000)]
REFUSED = "+380000000001"


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture
def anyio_backend(autojump_clock: trio.testing.MockClock) -> tuple[str, dict[str, Any]]:
    return "trio", {"clock": autojump_clock}


class World:
    """A gateway, a session and a journal, all in simulated time."""

    def __init__(
        self,
        path: Path,
        numbers: Iterable[str],
        settings: Settings,
        *,
        text: str,
        sender: str,
        password: str,
        session: type[smsgate.AsyncSession],
    ) -> None:
        self.gateway = SimulatedGateway(Random(1), settings, 0.0, lambda _: None)
        self.account = self.gateway.gateway
        Campaign.create(path, rows_source(numbers), sender=sender, text=text).close()
        self.journal = stepped(SqliteJournal, clock=trio.current_time).open(path)
        self.session = session(
            "sandbox",
            password,
            url=URL,
            concurrency=2,
            http_client=httpx.AsyncClient(transport=self.gateway, trust_env=False),
        )

    def taken(self) -> Counter[str]:
        return Counter(message.destination for message in self.account.messages)


@asynccontextmanager
async def world(
    folder: Path,
    numbers: Iterable[str],
    *,
    text: str = "Вітаємо!",
    sender: str = "Shop",
    password: str = "sandbox",
    session: type[smsgate.AsyncSession] = smsgate.AsyncSession,
    **settings: Any,
) -> AsyncIterator[World]:
    account = Settings(seed=1, delivery_seconds=0, **settings)
    made = World(
        folder / "a.sms",
        numbers,
        account,
        text=text,
        sender=sender,
        password=password,
        session=session,
    )
    try:
        async with made.session:
            yield made
    finally:
        made.journal.close()


# A session with a `send` of its own


class Guarded(smsgate.AsyncSession):
    """Sends to nobody but two."""

    async def send(
        self, message: smsgate.Message, *, timeout: float | None = None
    ) -> smsgate.SendResult:
        if message.destinations[0].endswith("9"):
            raise smsgate.NotSent("not to this one", reason=smsgate.Reason.CLOSED)
        return await super().send(message, timeout=timeout)


class Elsewhere(smsgate.AsyncSession):
    """Sends by other means, which nobody here can see."""

    # As the session declares it.
    async def send(
        self,
        message: smsgate.Message,  # noqa: ARG002 - as declared
        *,
        timeout: float | None = None,  # noqa: ARG002 - the same
    ) -> smsgate.SendResult:
        await trio.sleep_forever()
        raise AssertionError


async def test_session_with_its_own_send_is_used(tmp_path: Path):
    async with world(tmp_path, ["+380501111111", "+380501111119"], session=Guarded) as made:
        await Runner(made.journal, made.session, batch=1).run()
        assert made.taken() == {"+380501111111": 1}


async def test_send_of_a_custom_session_is_in_doubt_once_cancelled(tmp_path: Path):
    async with world(tmp_path, ["+380501111111"], session=Elsewhere) as made:
        with trio.move_on_after(1):
            await Runner(made.journal, made.session).run()
        assert made.journal.states() == {RecipientState.IN_DOUBT: 1}


# What pauses a campaign


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"password": "wrong"}, "the gateway refuses the login or the password ("),
        ({"account": AccountState.NOT_ACTIVATED}, "the account is not active ("),
        ({"account": AccountState.BLOCKED}, "the account is not active ("),
        ({"sender": "Forbidden"}, "the sender is not approved for this account"),
        ({"credits": 0}, "the account does not have enough credits ("),
        ({"session_idle_seconds": 1e-6}, "the gateway ends each new session immediately"),
    ],
)
async def test_refusal_of_the_account_pauses_and_loses_nobody(
    how: dict[str, Any], why: str, tmp_path: Path
):
    async with world(tmp_path, NUMBERS[:20], **how) as here:
        end = await Runner(here.journal, here.session, batch=5).run()
        assert end.outcome is RunOutcome.PAUSED
        assert end.why.startswith(why)
        assert end.states == {S.PENDING: 20}
        assert here.account.calls["SendSMS"] <= 4, (
            "once for each login, and a second time after a new login"
        )
        assert here.journal.figures().last_outcome == f"paused: {end.why}"


async def test_paused_campaign_continues_after_a_top_up(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:20], credits=7, pay_in_part=True) as here:
        end = await Runner(here.journal, here.session, batch=5).run()
        assert (end.outcome, end.states) == (RunOutcome.PAUSED, {S.PENDING: 13, S.ACCEPTED: 7})
        here.account.set_account(balance=Decimal(100))
        end = await Runner(here.journal, here.session, batch=5).run()
        assert (end.outcome, end.why, end.states) == (RunOutcome.FINISHED, "", {S.ACCEPTED: 20})
        assert set(here.taken().values()) == {1}


# What does not


async def test_refused_numbers_stop_nobody_else(tmp_path: Path):
    refused = [REFUSED, "+380000000002", "+380000000003"]
    async with world(tmp_path, [*NUMBERS[:8], *refused]) as here:
        end = await Runner(here.journal, here.session, batch=4).run()
        assert (end.outcome, end.states) == (RunOutcome.FINISHED, {S.ACCEPTED: 8, S.REFUSED: 3})
        assert [
            one.number for one in here.journal.recipients() if one.state is S.REFUSED
        ] == refused
        assert all(one.reason for one in here.journal.recipients() if one.state is S.REFUSED)


async def test_number_that_spoils_its_batch_is_found_and_others_are_sent(
    tmp_path: Path,
):
    async with world(tmp_path, [*NUMBERS[:5], "+380000000023", *NUMBERS[5:10]]) as here:
        end = await Runner(here.journal, here.session, batch=4).run()
        assert (end.outcome, end.states) == (RunOutcome.FINISHED, {S.ACCEPTED: 10, S.REFUSED: 1})
        assert set(here.taken().values()) == {1}


@pytest.mark.parametrize(
    "number", ["+380000000021", "+380000000022"], ids=["not saved", "does not know"]
)
async def test_outcome_unknown_to_the_gateway_affects_one_batch_only(number: str, tmp_path: Path):
    async with world(tmp_path, [number, *NUMBERS[:9]]) as here:
        end = await Runner(here.journal, here.session, batch=5).run()
        assert (end.outcome, end.states) == (RunOutcome.FINISHED, {S.ACCEPTED: 5, S.IN_DOUBT: 5})
        (request,) = here.journal.in_doubt()
        assert (request.size, request.in_doubt, request.cost) == (5, 5, 5)
        assert here.account.calls["SendSMS"] == 2, "no recipient is tried again"


async def test_gateway_that_cannot_save_costs_few_recipients(
    tmp_path: Path,
):
    """The run waits for the gateway, with growing pauses."""
    async with world(tmp_path, NUMBERS[:100]) as here:
        here.gateway.sentence = "Не удалось сохранить данные сообщения, свяжитесь с администрацией"
        end = await Runner(here.journal, here.session, batch=5, patience=60).run()
        assert end.outcome is RunOutcome.PAUSED
        assert "gateway could not save the message" in end.why
        assert end.states[S.PENDING] >= 50
        assert end.states[S.PENDING] + end.states[S.IN_DOUBT] == 100
        assert here.account.calls["SendSMS"] * 5 == end.states[S.IN_DOUBT]


# A gateway that does not work


async def test_gateway_that_is_down_is_waited_for_with_growing_pauses(
    tmp_path: Path,
):
    """The run gives up in the end."""
    async with world(tmp_path, NUMBERS[:10]) as here:
        here.gateway.up_at = float("inf")
        waits: list[str] = []
        began = trio.current_time()

        def seen(progress: Progress) -> None:
            if progress.waiting and (not waits or waits[-1] != progress.waiting):
                waits.append(progress.waiting)

        end = await Runner(
            here.journal, here.session, batch=5, patience=100, on_progress=seen
        ).run()
        assert end.outcome is RunOutcome.PAUSED
        seconds = [int(wait.rsplit(" ", 2)[1]) for wait in waits]
        assert seconds == sorted(set(seconds))
        assert {5, 10, 30} <= set(seconds) <= {1, 2, 5, 10, 30}
        assert end.why.startswith(f"the gateway has not worked for {sum(seconds)} s: ")
        assert end.states == {S.PENDING: 10}
        assert 30 < trio.current_time() - began < 200


@pytest.mark.parametrize("when", ["before", "meanwhile", "in flight"])
async def test_closed_session_is_no_reason_to_wait(when: str, tmp_path: Path):
    async with world(tmp_path, NUMBERS[:40]) as here:
        began = trio.current_time()
        if when == "before":
            await here.session.aclose()

        def close(point: str) -> None:
            # Between two requests, or when the answer to one cannot come any more.
            if point == "sending" and here.account.messages:
                if when == "in flight":
                    here.gateway.fault_of = lambda body: (
                        FaultKind.SILENT_AFTER if b"SendSMS" in body else None
                    )
                tasks.start_soon(
                    partial(here.session.aclose, grace=1 if when == "in flight" else None)
                )

        async with trio.open_nursery() as tasks:
            end = await stepped(Runner, hook=close)(here.journal, here.session, batch=5).run()
        assert (end.outcome, trio.current_time() - began < 10) == (RunOutcome.PAUSED, True)
        assert "session" in end.why
        assert "closed" in end.why
        assert sum(end.states.values()) == 40
        assert (S.IN_DOUBT in end.states) == (when == "in flight")
        assert end.states.get(S.ACCEPTED, 0) == len(here.taken()) - end.states.get(S.IN_DOUBT, 0)


async def test_campaign_resumes_when_the_gateway_is_back(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:10]) as here:
        here.gateway.up_at = trio.current_time() + 3_600
        end = await Runner(here.journal, here.session, batch=5, patience=2 * 3_600).run()
        assert (end.outcome, end.states) == (RunOutcome.FINISHED, {S.ACCEPTED: 10})
        assert set(here.taken().values()) == {1}


async def test_nothing_is_sent_while_the_balance_cannot_be_read(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:10]) as here:
        began = trio.current_time()

        def cannot_tell(body: bytes) -> FaultKind | None:
            return (
                FaultKind.GARBAGE
                if b"GetCreditBalance" in body and trio.current_time() - began < 100
                else None
            )

        here.gateway.fault_of = cannot_tell
        end = await Runner(here.journal, here.session, batch=5).run()
        assert (end.outcome, end.states) == (RunOutcome.FINISHED, {S.ACCEPTED: 10})
        assert min(message.accepted_at for message in here.account.messages) - began > 100


async def test_wrong_password_is_no_reason_to_wait(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:10], password="wrong") as here:
        began = trio.current_time()
        here.gateway.up_at = began + 50
        end = await Runner(here.journal, here.session, batch=5).run()
        assert end.outcome is RunOutcome.PAUSED
        assert "the gateway refuses the login or the password" in end.why
        assert trio.current_time() - began < 200


async def test_few_losses_in_a_row_make_the_run_wait(
    tmp_path: Path,
):
    """The run waits until it sees that the gateway works."""
    async with world(tmp_path, NUMBERS[:100]) as here:
        here.gateway.fault_of = lambda body: FaultKind.DROP_AFTER if b"SendSMS" in body else None
        end = await Runner(here.journal, here.session, batch=5, patience=60).run()
        assert end.outcome is RunOutcome.PAUSED
        assert end.states[S.IN_DOUBT] <= 10 * 5, "one request for each pause"
        assert set(here.taken().values()) == {1}


# Stopping


async def test_stop_lets_requests_under_way_finish(tmp_path: Path):
    async with world(tmp_path, NUMBERS) as here:
        runner = Runner(here.journal, here.session, batch=5)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def stop() -> None:
                await trio.sleep(2)
                assert here.journal.states()[S.IN_FLIGHT] > 0
                runner.stop()

            end = await runner.run()
        assert end.outcome is RunOutcome.STOPPED
        assert set(end.states) == {S.PENDING, S.ACCEPTED}
        assert sum(here.taken().values()) == end.states[S.ACCEPTED]


async def test_stop_ends_every_kind_of_waiting_at_once(tmp_path: Path):
    async with world(tmp_path, NUMBERS) as here:
        here.gateway.up_at = float("inf")
        runner = stepped(Runner, pauses=(10_000.0,))(
            here.journal, here.session, batch=5, patience=100_000.0
        )
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def stop() -> None:
                await trio.sleep(5_000)
                runner.stop()

            assert (await runner.run()).outcome is RunOutcome.STOPPED
        assert trio.current_time() < 5_100


async def test_run_stopped_before_it_begins_sends_nothing(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:5]) as here:
        runner = Runner(here.journal, here.session)
        runner.stop()
        assert (await runner.run()).outcome is RunOutcome.STOPPED
        assert here.account.calls["SendSMS"] == 0


# Speed


@pytest.mark.parametrize("rate", [0.5, 7.0, 60.0])
async def test_rate_limits_recipients_per_second(rate: float, tmp_path: Path):
    async with world(tmp_path, NUMBERS[:60]) as here:
        began = trio.current_time()
        await Runner(here.journal, here.session, batch=20, rate=rate).run()
        arrivals = sorted(message.accepted_at for message in here.account.messages)
        # What a second allows may come at once, and no more, however large a request may be.
        size = min(20, max(int(rate), 1))
        assert all(
            count <= size + rate * (at - began) + 1e-6 for count, at in enumerate(arrivals, start=1)
        )
        assert arrivals[-1] - began <= 60 / rate + 20
        assert trio.current_time() - arrivals[-1] < 1, "nothing is waited for after the last"


async def test_progress_adds_up_throughout(tmp_path: Path):
    async with world(tmp_path, [*NUMBERS[:50], REFUSED]) as here:
        seen: list[tuple[int, int]] = []
        runner = Runner(
            here.journal,
            here.session,
            batch=5,
            rate=20,
            on_progress=lambda now: seen.append((sum(now.states.values()), now.under_way)),
        )
        await runner.run()
        assert {total for total, _ in seen} == {51}
        assert max(under_way for _, under_way in seen) == 2
        assert seen[-1][1] == 0
        assert 10 < runner._progress.rate < 30


def test_rate_is_measured_over_the_last_seconds():
    progress = Progress({})
    assert progress.rate == 0
    progress.settled(5, now=0.0)
    assert progress.rate == 0, "one moment is no span"
    progress.settled(10, now=0.0)
    assert progress.rate == 0, "neither are two of the same"
    progress.settled(20, now=5.0)
    assert progress.rate == (10 + 20) / 5
    progress.settled(3, now=14.0)
    assert progress.rate == 3 / 9, "the first two are too old"


# Errors of the caller's own


class Mine(Exception):
    pass


async def test_error_of_the_caller_ends_the_run_with_nobody_in_flight(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:50]) as here:

        def fail(progress: Progress) -> None:
            if progress.count(S.ACCEPTED) > 10:
                raise Mine

        with pytest.raises(Mine):
            await Runner(here.journal, here.session, batch=5, on_progress=fail).run()
        assert here.journal.sweep() == 0, "what was in flight was written"
        states = here.journal.states()
        assert states[S.ACCEPTED] + states.get(S.IN_DOUBT, 0) >= sum(here.taken().values())
        assert here.journal.figures().last_outcome == "cut off"
        assert (await Runner(here.journal, here.session).run()).outcome is RunOutcome.FINISHED
        assert set(here.taken().values()) == {1}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"batch": 0}, "batch: must be a whole number from 1 to 1000"),
        ({"batch": 1001}, "batch: must be a whole number from 1 to 1000"),
        ({"batch": True}, "batch: must be a whole number from 1 to 1000"),
        ({"rate": 0}, "rate: must be more than 0 recipients per second"),
        ({"rate": float("nan")}, "rate: must be more than 0 recipients per second"),
        ({"patience": -1}, "patience: must be more than 0 seconds"),
    ],
)
async def test_bad_option_is_named_with_what_is_allowed(
    options: dict[str, Any], complaint: str, tmp_path: Path
):
    async with world(tmp_path, NUMBERS[:1]) as here:
        with pytest.raises(ValueError, match=f"^{complaint}$"):
            Runner(here.journal, here.session, **options)


# Evidence


async def test_evidence_of_a_lost_answer_says_what_was_paid(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:20]) as here:
        sends = 0

        def lose_the_second(body: bytes) -> FaultKind | None:
            nonlocal sends
            sends += b"SendSMS" in body
            return FaultKind.BAD_GATEWAY_AFTER if b"SendSMS" in body and sends == 2 else None

        here.gateway.fault_of = lose_the_second
        await Runner(here.journal, here.session, batch=5).run()
        (lost,) = here.journal.in_doubt()
        assert (lost.in_doubt, lost.status, lost.cost) == (5, 502, 5)
        seen = lost.evidence
        assert seen
        assert seen.before == 10_000
        assert seen.after is not None
        # The gateway has taken what is in doubt, and the balance shows it; it is evidence only, as
        # others were in flight.
        assert seen.before - seen.after - seen.spent in {5, 10}
        assert 1 <= seen.others <= 3
        assert seen.new_ids == ()


async def test_run_marks_in_doubt_whoever_a_killed_run_had_in_flight(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with world(tmp_path, NUMBERS[:20]) as here:
        killed = here.journal.claim(here.journal.start_run(), 5)
        assert killed
        end = await Runner(here.journal, here.session, batch=5).run()
        assert (end.outcome, end.states) == (RunOutcome.FINISHED, {S.IN_DOUBT: 5, S.ACCEPTED: 15})
        assert (
            "the last run was interrupted while requests were in flight: 5 recipients are in doubt"
            in caplog.text
        )
        assert not here.taken().keys() & {number for _, number in killed.recipients}


async def test_next_run_collects_evidence_for_a_killed_one(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:20]) as here:
        first = Runner(
            here.journal,
            here.session,
            batch=5,
            on_progress=lambda now: None if now.count(S.ACCEPTED) < 10 else stop(),
        )

        def stop() -> None:
            raise MemoryError

        here.gateway.fault_of = lambda body: (
            FaultKind.BAD_GATEWAY_AFTER if b"SendSMS" in body and accepted() >= 10 else None
        )

        def accepted() -> int:
            return len(here.account.messages)

        with pytest.raises(MemoryError):
            await first.run()
        here.gateway.fault_of = lambda _: None
        requests = here.journal.in_doubt()
        assert requests
        assert [request.evidence for request in requests] == [None] * len(requests)
        await Runner(here.journal, here.session, batch=5).run()
        for request in here.journal.in_doubt():
            seen = request.evidence
            assert seen
            assert (seen.before, seen.others) == (10_000, 1)
            assert seen.after is not None
            assert 10_000 - seen.after - seen.spent in {0, 5}
            assert seen.new_id_count is not None


@pytest.mark.parametrize(
    ("fault", "requests"), [(FaultKind.BAD_GATEWAY_AFTER, 4), (FaultKind.SESSION_LOSS, 2)]
)
async def test_unreadable_message_list_is_requested_again(
    fault: FaultKind, requests: int, tmp_path: Path
):
    async with world(tmp_path, NUMBERS[:20]) as here:
        faults = {b"<ns1:SendSMS>": FaultKind.BAD_GATEWAY_AFTER, b"<ns1:GetNewMessages": fault}
        here.gateway.fault_of = lambda body: next(
            (kind for name, kind in faults.items() if name in body), None
        )
        await Runner(here.journal, here.session, batch=5).run()
        lost = here.journal.in_doubt()
        assert [request.in_doubt for request in lost] == [5] * 4
        for request in lost:
            assert request.evidence
            assert (request.evidence.new_ids, request.evidence.new_id_count) == ((), None)
            assert request.evidence.after is not None, "the balance is looked at all the same"
        assert here.account.calls["GetNewMessages"] == 4 * requests, (
            "after each loss, with the repeats of the session"
        )


async def test_overlong_message_list_is_not_requested_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with world(tmp_path, NUMBERS[:20]) as here:
        work = here.gateway._work

        def endless(body: bytes, *others: Any) -> httpx.Response:
            reply = work(body, *others)
            return (
                httpx.Response(200, content=b" " * 5_000_000)
                if b"<ns1:GetNewMessages" in body
                else reply
            )

        monkeypatch.setattr(here.gateway, "_work", endless)
        here.gateway.fault_of = lambda body: (
            FaultKind.BAD_GATEWAY_AFTER if b"<ns1:SendSMS>" in body else None
        )
        await Runner(here.journal, here.session, batch=5).run()
        lost = here.journal.in_doubt()
        assert [request.evidence.new_id_count for request in lost if request.evidence] == [None] * 4
        assert 1 <= here.account.calls["GetNewMessages"] <= 2, (
            "by the two that were in flight at the first loss"
        )


async def test_unwritable_journal_ends_the_run_before_the_next_send(
    tmp_path: Path,
):
    async with world(tmp_path, NUMBERS) as here:
        here.journal.close()
        here.journal = stepped(SqliteJournal, clock=trio.current_time).open(tmp_path / "a.sms")
        pages = here.journal._connection.execute("PRAGMA page_count").fetchone()[0]
        here.journal._connection.execute(f"PRAGMA max_page_count = {pages}")  # a disk that is full
        with pytest.raises(JournalError, match="full"):
            await Runner(here.journal, here.session, batch=1).run()
        here.journal.close()
        # What was claimed and could not be settled any more is in doubt; nobody else was sent to.
        with Campaign.open(tmp_path / "a.sms") as campaign:
            campaign.journal.sweep()
            for one in campaign.recipients():
                assert one.number
                taken = here.taken()[one.number]
                assert taken <= (one.state in {S.ACCEPTED, S.IN_DOUBT})


# The file


async def test_run_waits_for_a_program_that_reads_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with world(tmp_path, NUMBERS[:20]) as here:
        with Campaign.open(tmp_path / "a.sms", writing=False) as campaign:
            reading = campaign.recipients()
            next(reading)
            waits: list[str] = []

            def watch(progress: Progress) -> None:
                waits.append(progress.waiting)
                if len(waits) == 3:
                    reading.close()

            end = await Runner(here.journal, here.session, on_progress=watch).run()
        assert (end.outcome, end.states) == (RunOutcome.FINISHED, {S.ACCEPTED: 20})
        assert all("another program reads the campaign file" in wait for wait in waits[:3])
        assert set(waits[3:]) == {""}
        assert (
            sum("the run starts when that program has finished" in line for line in caplog.messages)
            == 1
        ), "it is said once"


async def test_run_waiting_for_a_reader_can_be_stopped_and_gives_up(tmp_path: Path):
    async with world(tmp_path, NUMBERS[:20]) as here:
        with Campaign.open(tmp_path / "a.sms", writing=False) as campaign:
            reading = campaign.recipients()
            next(reading)
            with pytest.raises(
                JournalError,
                match=(
                    r"another program reads the campaign file .*; the run has waited 5 s\. Run the "
                    r"campaign again"
                ),
            ):
                await Runner(here.journal, here.session, patience=5).run()
            runner = Runner(here.journal, here.session, on_progress=lambda _: runner.stop())
            assert (await runner.run()).outcome is RunOutcome.STOPPED
            reading.close()
        assert not here.taken()
        assert here.journal.figures().runs == 0


def saved_in(folder: Path) -> Path:
    (saved,) = folder.glob("a.sms.saved-*[0-9a-f]")
    return saved


async def test_file_that_disappears_stops_the_run_after_open_requests(
    tmp_path: Path,
):
    """Requests in flight are waited for."""
    path = tmp_path / "a.sms"
    async with world(tmp_path, NUMBERS[:100]) as here:

        def remove(progress: Progress) -> None:
            if progress.count(S.ACCEPTED) >= 20:
                path.unlink(missing_ok=True)

        with pytest.raises(
            JournalLost,
            match=r"a\.sms was removed or replaced while a run was using it\. Nothing more is sent",
        ):
            await Runner(here.journal, here.session, batch=5, on_progress=remove).run()
        here.journal.close()
        with Campaign.open(saved_in(tmp_path)) as campaign:
            accepted = {one.number for one in campaign.recipients() if one.state is S.ACCEPTED}
            assert set(campaign.figures().states) == {S.ACCEPTED, S.PENDING}
        assert accepted == set(here.taken())
        assert 20 <= len(accepted) < 40


@pytest.mark.parametrize(
    ("recipients", "doubted"),
    [(5, 5), (40, 10)],
    ids=["one worker waits for the other", "both send"],
)
async def test_answer_that_cannot_be_written_ends_the_run(
    recipients: int, doubted: int, tmp_path: Path
):
    async with world(tmp_path, NUMBERS[:recipients]) as here:
        settle = here.journal._sql["settle"]

        def fail(progress: Progress) -> None:
            if progress.under_way:  # from the first claim on
                here.journal._sql = here.journal._sql | {
                    "settle": settle.replace("recipient", "nobody")
                }

        with pytest.raises(
            JournalLost,
            match=f"The outcomes of {doubted} recipients could not be recorded: they are in doubt",
        ):
            with trio.fail_after(600):
                await Runner(here.journal, here.session, batch=5, on_progress=fail).run()
        here.journal.close()
        with Campaign.open(tmp_path / "a.sms") as campaign:
            states = campaign.figures().states
        assert (states[S.IN_DOUBT], states.get(S.PENDING, 0)) == (doubted, recipients - doubted)
