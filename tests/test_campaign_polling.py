"""Following the delivery of a campaign, in simulated time:

whom it asks, how often, how fast, and when it ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from simulated_gateway import URL, SimulatedGateway

import smsgate
from smsgate.campaign import Campaign, Poller, PollProgress, RecipientState, polling, rows_source
from smsgate.protocol.answers import DeliveryState
from smsgate.sandbox import AccountState, FaultKind, Settings

pytestmark = pytest.mark.anyio

NUMBERS = [f"+38050111{number:04}" for number in range(40)]
STUCK = "+380000000013"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class World:
    """A campaign that was sent in simulated time, and what was asked about it, with the moment."""

    def __init__(
        self, campaign: Campaign, session: smsgate.AsyncSession, gateway: SimulatedGateway
    ) -> None:
        self.campaign = campaign
        self.session = session
        self.gateway = gateway

    def poller(self, **options: Any) -> Poller:
        return self.campaign.poller(self.session, **options)

    def deliveries(self) -> Counter[str]:
        return Counter(self.campaign.figures().deliveries)


class Told(SimulatedGateway):
    """Remembers which message was asked for when."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[tuple[float, bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        body = await request.aread()
        if b"GetMessageStatus" in body:
            self.asked.append((trio.current_time(), body.split(b"MessageId>")[1]))
        return await super().handle_async_request(request)


@asynccontextmanager
async def sent(folder: Path, *more: str, delivery_seconds: float = 60.0) -> AsyncIterator[World]:
    path = folder / "a.sms"
    Campaign.create(path, rows_source([*NUMBERS, *more]), sender="Shop", text="Вітаємо!").close()
    gateway = Told(
        Random(1), Settings(seed=1, delivery_seconds=delivery_seconds), 0.0, lambda _: None
    )
    client = httpx.AsyncClient(transport=gateway, trust_env=False)
    with Campaign.open(path) as campaign:
        campaign.journal._clock = trio.current_time
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", url=URL, concurrency=2, http_client=client
        ) as session:
            await campaign.run(session)
            yield World(campaign, session, gateway)


async def test_polling_continues_until_every_status_is_final(tmp_path: Path):
    async with sent(tmp_path, "+380000000004") as here:
        seen: list[tuple[int, int]] = []
        end = await here.poller(on_progress=lambda now: seen.append((now.final, now.open))).poll()
        assert (end.final, end.open) == (41, 0)
        assert here.deliveries() == {DeliveryState.DELIVERED: 40, DeliveryState.NOT_DELIVERED: 1}
        assert {final + open_ for final, open_ in seen} == {41}
        assert end.asked == len(here.gateway.asked) == len(seen)
        # Nothing is asked for again once it is final.
        assert (await here.poller().poll()).asked == 0


async def test_each_id_is_asked_in_turn_and_not_twice_within_the_pause(tmp_path: Path):
    async with sent(tmp_path) as here:
        await here.poller(again=15).poll()
        times: dict[bytes, list[float]] = {}
        for at, message in here.gateway.asked:
            times.setdefault(message, []).append(at)
        assert len(times) == 40
        # The answer, from which on it counts, comes later than the question.
        assert all(
            later - earlier >= 15 for one in times.values() for earlier, later in pairwise(one)
        )
        assert {len(one) for one in times.values()} <= {4, 5}


@pytest.mark.parametrize("rate", [1.0, 5.0])
async def test_polling_keeps_to_the_rate(rate: float, tmp_path: Path):
    async with sent(tmp_path, delivery_seconds=0) as here:
        began = trio.current_time()
        await here.poller(rate=rate).poll()
        for count, (at, _) in enumerate(here.gateway.asked):
            assert count <= rate * (at - began) + 1e-6


async def test_polling_ends_at_the_timeout_with_statuses_left(tmp_path: Path):
    async with sent(tmp_path, STUCK) as here:
        began = trio.current_time()
        end = await here.poller(timeout=600).poll()
        assert (end.final, end.open) == (40, 1)
        assert trio.current_time() - began == pytest.approx(600)
        assert here.deliveries()[DeliveryState.SUSPENDED] == 1


async def test_polling_can_be_stopped(tmp_path: Path):
    async with sent(tmp_path) as here:
        poller = here.poller(rate=1)

        def stop_at(progress: PollProgress) -> None:
            if progress.asked == 3:
                poller.stop()

        poller._on_progress = stop_at
        assert (await poller.poll()).asked <= 4


async def test_poller_stopped_before_it_begins_asks_nothing(tmp_path: Path):
    async with sent(tmp_path) as here:
        poller = here.poller()
        poller.stop()
        end = await poller.poll()
        assert (end.asked, end.final, end.open) == (0, 0, 40)


async def test_message_unknown_to_the_gateway_is_asked_for_once(tmp_path: Path):
    async with sent(tmp_path) as here:
        here.gateway.gateway.clear()
        end = await here.poller().poll()
        assert (end.final, end.asked) == (40, 40)
        assert here.deliveries() == {DeliveryState.NOT_FOUND: 40}


async def test_status_with_a_lost_answer_is_asked_for_again(tmp_path: Path):
    async with sent(tmp_path, delivery_seconds=0) as here:
        lost = 0

        def lose(body: bytes) -> FaultKind | None:
            nonlocal lost
            lost += b"GetMessageStatus" in body
            return FaultKind.DROP_AFTER if b"GetMessageStatus" in body and lost <= 30 else None

        here.gateway.fault_of = lose
        assert (await here.poller().poll()).final == 40
        assert len(here.gateway.asked) == 70


async def test_stop_ends_every_kind_of_waiting_at_once(tmp_path: Path):
    async with sent(tmp_path, STUCK) as here:
        poller = here.poller(again=100_000)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def stop() -> None:
                await trio.sleep(5_000)
                poller.stop()

            await poller.poll()
        assert trio.current_time() - began < 5_010


async def test_gateway_that_is_down_is_polled_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """All ids are asked for in turn."""
    monkeypatch.setattr(polling, "_TAKEN", 4)
    async with sent(tmp_path, delivery_seconds=0) as here:
        here.gateway.asked.clear()
        here.gateway.up_at = trio.current_time() + 1_000
        here.gateway.fault_of = lambda _: None
        pauses = {"5 s": 5, "10 s": 10, "30 s": 30, "1 min": 60}
        waits: list[tuple[float, int]] = []
        tried: set[str] = set()
        ask = here.session.get_message_status

        async def noted(message_id: str) -> smsgate.DeliveryStatus:
            # What is asked, not what arrives: while the gateway is down, only logins are tried.
            if trio.current_time() < here.gateway.up_at:
                tried.add(message_id)
            return await ask(message_id)

        monkeypatch.setattr(here.session, "get_message_status", noted)

        def seen(now: PollProgress) -> None:
            if now.waiting:
                waits.append((trio.current_time(), pauses[now.waiting.rpartition(" in ")[2]]))

        poller = here.poller(again=15, on_progress=seen)
        assert (await poller.poll()).final == 40
        assert [pause for _, pause in waits[:4]] == [5, 10, 30, 60]
        assert {pause for _, pause in waits[4:]} == {60}
        assert all(later - earlier >= pause for (earlier, pause), (later, _) in pairwise(waits))
        assert poller.progress.waiting == ""
        assert len(tried) > 10, "one that fails keeps nobody else from being asked for"


async def test_closed_session_is_no_reason_to_wait(tmp_path: Path):
    async with sent(tmp_path) as here:
        await here.session.aclose()
        with pytest.raises(smsgate.NotSent, match="closed"), trio.fail_after(10):
            await here.poller().poll()


async def test_refusal_of_the_account_is_raised(tmp_path: Path):
    async with sent(tmp_path) as here:
        here.gateway.gateway.drop_sessions()
        here.gateway.gateway.set_account(state=AccountState.BLOCKED)
        with pytest.raises(smsgate.AccountSuspended):
            await here.poller().poll()
        assert here.campaign.figures().count(RecipientState.ACCEPTED) == 40


@pytest.mark.parametrize("option", ["rate", "again", "timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), True])
async def test_bad_option_is_named_with_what_is_allowed(option: str, value: float, tmp_path: Path):
    Campaign.create(
        tmp_path / "a.sms", rows_source(NUMBERS), sender="Shop", text="Вітаємо!"
    ).close()
    with Campaign.open(tmp_path / "a.sms", writing=False) as campaign:
        async with smsgate.AsyncSession("sandbox", "sandbox", url=URL) as session:
            with pytest.raises(ValueError, match=f"^{option}: must be a number greater than 0$"):
                campaign.poller(session, **{option: value})  # type: ignore[arg-type]


async def test_clock_set_back_an_hour_stalls_nothing(tmp_path: Path):
    async with sent(tmp_path, delivery_seconds=60.0) as here:
        await here.poller(again=15, timeout=10).poll()
        asked = len(here.gateway.asked)
        assert asked >= len(NUMBERS)
        here.campaign.journal._clock = lambda: trio.current_time() - 3_600
        began = trio.current_time()
        progress = await here.poller(again=15, timeout=3_000).poll()
        assert (progress.open, trio.current_time() - began < 600) == (0, True)
        assert here.deliveries() == {"delivered": len(NUMBERS)}


async def test_clock_set_back_for_a_moment_costs_one_pause(tmp_path: Path):
    async with sent(tmp_path, delivery_seconds=60.0) as here:
        await here.poller(again=15, timeout=10).poll()
        began = trio.current_time()
        steps = iter([0, 3_600])  # it is right again before the poller asks who is due
        here.campaign.journal._clock = lambda: trio.current_time() - next(steps, 0)
        assert (await here.poller(again=15, timeout=3_000).poll()).open == 0
        assert trio.current_time() - began < 600
