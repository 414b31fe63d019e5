"""How long a call may take, its outcome, and what closing the session does to calls."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import fault_server
import httpx
import pytest
import trio
import trio.testing
from connections import each_own
from simulated_gateway import URL, SimulatedGateway, gateway_of

import smsgate
from smsgate._client import call, logins
from smsgate.sandbox import FaultKind, Sandbox, Settings

pytestmark = pytest.mark.anyio

NUMBER = "+380501234567"
Call = Callable[..., Awaitable[object]]

CALLS: dict[str, Callable[[smsgate.AsyncSession], Call]] = {
    "auth": lambda session: session.auth,
    "balance": lambda session: session.get_credit_balance,
    "send_sms": lambda session: lambda **options: session.send_sms(NUMBER, "hello", **options),
    "send": lambda session: (
        lambda **options: session.send(
            smsgate.Message(destinations=NUMBER, text="hello"), **options
        )
    ),
    "new messages": lambda session: session.get_new_messages,
    "status": lambda session: (
        lambda **options: session.get_message_status(fault_server.MESSAGE_ID, **options)
    ),
}


def session_at(sandbox: Sandbox, **options: Any) -> smsgate.AsyncSession:
    return smsgate.AsyncSession(
        "sandbox", "sandbox", url=sandbox.url, **{"sender": "Shop", **options}
    )


async def ending_of(call: Callable[[], Awaitable[object]]) -> object:
    """Return what the call returned or raised."""
    try:
        return await call()
    except smsgate.SmsGateError as error:
        return error


async def endings_of(*calls: Callable[[], Awaitable[object]]) -> list[object]:
    """Make the calls at once, in this order, and return how each ended."""
    endings: list[object] = [None] * len(calls)

    async def make(place: int, call: Callable[[], Awaitable[object]]) -> None:
        endings[place] = await ending_of(call)

    async with anyio.create_task_group() as tasks:
        for place, call in enumerate(calls):
            tasks.start_soon(make, place, call)
            await anyio.lowlevel.checkpoint()
    return endings


# --- an Auth whose answer is lost -----------------------------------------------------------------


@each_own
async def test_auth_with_a_lost_answer_is_repeated_on_a_new_connection(own: dict[str, Any]) -> None:
    with Sandbox() as sandbox:
        sandbox.faults.add("silent after", operation="Auth", times=1)
        async with session_at(
            sandbox, timeouts=smsgate.Timeouts(read=1.0, send=60.0), **own
        ) as session:
            await session.send_sms(NUMBER, "hello")
        assert sandbox.calls["Auth"] >= 2
        assert sandbox.calls["SendSMS"] == len(sandbox.messages) == 1


@each_own
async def test_other_calls_do_not_wait_for_a_hanging_auth(own: dict[str, Any]) -> None:
    with Sandbox() as sandbox:
        sandbox.faults.add("silent before", operation="Auth", times=1)
        async with session_at(
            sandbox, timeouts=smsgate.Timeouts(read=5.0, send=60.0), **own
        ) as session:
            with anyio.fail_after(20):
                endings = await endings_of(*[lambda: session.send_sms(NUMBER, "hello")] * 12)
        assert all(isinstance(ending, smsgate.SendResult) for ending in endings)
        assert sandbox.calls["SendSMS"] == len(sandbox.messages) == 12


@asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[tuple[SimulatedGateway, smsgate.AsyncSession]]:
    """A gateway in simulated time and a session with the usual deadlines (30 s, send: 300 s)."""
    gateway = SimulatedGateway(Random(1), Settings(seed=1), 0.0, lambda _: None)
    client = httpx.AsyncClient(transport=gateway, trust_env=False)
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=URL, http_client=client, **options
    ) as session:
        yield gateway, session


simulated_time = pytest.mark.parametrize(
    "anyio_backend",
    [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})],
    ids=["simulated time"],
)


@simulated_time
@pytest.mark.parametrize("name", ["auth", "balance", "send_sms"])
async def test_each_call_has_time_to_repeat_a_lost_auth(name: str) -> None:
    async with simulated() as (gateway, session):
        lost = iter([FaultKind.SILENT_AFTER])
        gateway.fault_of = lambda _: next(lost, None)
        began = trio.current_time()
        await CALLS[name](session)()
        assert gateway.gateway.calls["Auth"] == 2
        assert trio.current_time() - began < (32 if name == "send_sms" else 17)
        assert len(gateway.gateway.messages) == (name == "send_sms")


@simulated_time
@pytest.mark.parametrize("width", [1, 4])
async def test_gateway_that_swallows_each_auth_delays_no_call_for_long(width: int) -> None:
    async with simulated(concurrency=width) as (gateway, session):
        auths: list[float] = []

        def swallow(_: bytes) -> FaultKind | None:
            auths.append(trio.current_time())
            return FaultKind.SILENT_BEFORE

        gateway.fault_of = swallow
        began = trio.current_time()

        async def send() -> float:
            with pytest.raises(smsgate.NotSent, match="the login failed: timed out") as caught:
                await session.send_sms(NUMBER, "hello")
            assert caught.value.reason is smsgate.Reason.TIMED_OUT
            return trio.current_time() - began

        took = await endings_of(*[send] * 40)
        assert max(float(str(seconds)) for seconds in took) < 4 * 30 + 3, (
            "four tries of 30 s each, whoever else waits"
        )
        assert 4 <= len(auths) <= 12, "those that waited did not ask again themselves"
        gateway.fault_of = None
        assert isinstance(await session.send_sms(NUMBER, "hello"), smsgate.SendResult)


@simulated_time
async def test_call_waiting_for_another_auth_keeps_its_own_deadline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with simulated() as (gateway, session):
        gateway.fault_of = lambda _: FaultKind.SILENT_BEFORE
        leader, follower = await endings_of(
            lambda: session.send_sms(NUMBER, "hello"), session.get_credit_balance
        )
    assert isinstance(leader, smsgate.NotSent)
    assert isinstance(follower, smsgate.NotSent)
    assert "timed out after 15 s, waiting for the login of another call" in caplog.text


@simulated_time
async def test_failed_slow_connect_of_an_auth_is_shared_between_calls() -> None:
    tries = 0

    async def hang_and_fail(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        await request.extensions["trace"]("connection.connect_tcp.started", {"request": request})
        await trio.sleep(10)
        raise httpx.ConnectTimeout("")

    async with simulated(concurrency=1) as (gateway, session):
        gateway.handle_async_request = hang_and_fail  # type: ignore[method-assign]  # the fault under test
        began = trio.current_time()
        endings = await endings_of(*[lambda: session.send_sms(NUMBER, "hello")] * 20)
        took = trio.current_time() - began
    assert all(isinstance(ending, smsgate.NotSent) for ending in endings)
    assert took < 4 * 10 + 3
    assert tries < 20


def delayed(
    gateway: SimulatedGateway,
    delay: Callable[[int], float],
    status: Callable[[int], int] = lambda _: 200,
) -> list[float]:
    """Let the gateway answer the Auths late, and with a status, by their number.

    Returns when they came, which grows.
    """
    answer, came = gateway.handle_async_request, list[float]()

    async def late(request: httpx.Request) -> httpx.Response:
        number = len(came)
        if b"Auth>" in await request.aread():
            came.append(trio.current_time())
            await trio.sleep(delay(number))
            if status(number) != 200:
                await request.extensions["trace"](
                    "http11.send_request_headers.started", {"request": request}
                )
                return httpx.Response(status(number))
        return await answer(request)

    gateway.handle_async_request = late  # type: ignore[method-assign]  # the fault under test
    return came


@simulated_time
@pytest.mark.parametrize("status", [503, 404])
async def test_calls_that_share_a_failed_auth_share_its_outcome(status: int) -> None:
    async with simulated(concurrency=2) as (gateway, session):
        came = delayed(gateway, lambda _: 2, lambda number: 200 if number else status)
        first, *shared = await endings_of(*[session.auth] * 4)
    if status == 503:  # which may pass, so that each tries again
        assert [first, *shared] == [None] * 4
        assert len(came) > 1
        return
    assert len(came) == 1
    for error in (first, *shared):
        assert isinstance(error, smsgate.InDoubt)
        assert (error.reason, error.evidence.status) == (smsgate.Reason.HTTP_STATUS, 404)
    assert [str(error).endswith(" (the login of another call)") for error in (first, *shared)] == [
        False,
        True,
        True,
        True,
    ]


@simulated_time
async def test_auth_cut_off_by_a_short_timeout_fails_no_other_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The call that was cut off says that its time was too short."""
    async with simulated(concurrency=3) as (gateway, session):
        delayed(gateway, lambda number: 1.5 if number else 60)
        cut_off, late, send = await endings_of(
            partial(session.get_credit_balance, timeout=14.9),
            session.get_credit_balance,
            lambda: session.send_sms(NUMBER, "hello"),
        )
    assert isinstance(cut_off, smsgate.InDoubt | smsgate.NotSent)
    assert isinstance(late, Decimal)
    assert isinstance(send, smsgate.SendResult)
    assert (
        "timed out after 15 s, including 14.9 s waiting for the login of another call"
        in caplog.text
    )
    assert "SendSMS" not in caplog.text
    kept = [given for record in caplog.records for given in record.args or ()]
    assert kept
    assert not any(isinstance(given, BaseException) for given in kept), (
        "a handler would keep its frames"
    )


@simulated_time
@pytest.mark.parametrize("kind", ["refused", "hung"])
async def test_session_that_remembers_a_failed_auth_frees_its_caller(
    kind: str,
) -> None:
    class Held:
        pass

    async def call(session: smsgate.AsyncSession) -> weakref.ref[Held]:
        held = Held()
        with pytest.raises(smsgate.SmsGateError):
            await session.auth()
        return weakref.ref(held)

    async with simulated() as (gateway, session):
        if kind == "refused":
            gateway.gateway = gateway_of(Settings(password="another"))
        else:
            delayed(gateway, lambda _: 2, lambda _: 404)
        held = await call(session)
        await (
            trio.lowlevel.checkpoint()
        )  # trio holds the last cancellation of a task until its next step
        gc.collect()
        assert held() is None
        with pytest.raises(smsgate.SmsGateError):  # it is remembered
            await session.auth()


@simulated_time
async def test_slow_auth_is_waited_for_while_there_is_time() -> None:
    async with simulated() as (gateway, session):
        answer = gateway.handle_async_request

        async def late(request: httpx.Request) -> httpx.Response:
            response = await answer(request)
            await trio.sleep(25)
            return response

        gateway.handle_async_request = late  # type: ignore[method-assign]  # the delay under test
        assert isinstance(await session.send_sms(NUMBER, "hello"), smsgate.SendResult)
        assert gateway.gateway.calls["Auth"] == 1


@simulated_time
async def test_auth_that_fails_at_once_is_tried_by_each_call() -> None:
    async with simulated(concurrency=1) as (gateway, session):
        failing = iter([FaultKind.DROP_BEFORE] * 3)
        gateway.fault_of = lambda _: next(failing, None)
        endings = await endings_of(*[lambda: session.send_sms(NUMBER, "hello")] * 10)
    assert all(isinstance(ending, smsgate.SendResult) for ending in endings)


# --- timeout= -------------------------------------------------------------------------------------


@each_own
@pytest.mark.parametrize("name", CALLS)
async def test_each_call_takes_a_timeout_and_ends_in_doubt_once_sent(
    name: str, own: dict[str, Any]
) -> None:
    timeout = 1.5 if name == "auth" else 0.3  # it makes the connection first
    with Sandbox() as sandbox:
        async with session_at(sandbox, **own) as session:
            if name != "auth":
                await session.auth()
            sandbox.faults.add("silent after")
            with (
                pytest.raises(smsgate.InDoubt, match=f"timed out after {timeout} s") as caught,
                anyio.fail_after(20),
            ):
                await CALLS[name](session)(timeout=timeout)
    assert caught.value.reason is smsgate.Reason.TIMED_OUT
    assert caught.value.sent is None
    assert caught.value.__context__ is caught.value.__cause__ is None


@each_own
@pytest.mark.parametrize("name", CALLS)
async def test_call_that_times_out_in_the_queue_is_not_sent(name: str, own: dict[str, Any]) -> None:
    with Sandbox(Settings(hold_seconds=1.0)) as sandbox:
        async with (
            session_at(sandbox, concurrency=1, **own) as session,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(session.auth)
            await anyio.sleep(0.1)
            with pytest.raises(smsgate.NotSent, match=r"timed out after 0\.1 s") as caught:
                await CALLS[name](session)(timeout=0.1)
    assert caught.value.reason is smsgate.Reason.TIMED_OUT
    assert caught.value.sent is False


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "10", True])
async def test_timeout_is_validated_by_name_before_anything_is_sent(timeout: Any) -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            for call_of in CALLS.values():
                with pytest.raises(
                    ValueError, match=r"^timeout: must be a number of seconds greater than 0$"
                ):
                    await call_of(session)(timeout=timeout)
            with pytest.raises(ValueError, match=r"^timeout: "):
                session.send_many([], timeout=timeout)
        assert not sandbox.calls


@each_own
async def test_send_many_gives_each_message_its_own_timeout(own: dict[str, Any]) -> None:
    messages = [
        smsgate.Message(destinations=f"+38050123456{number}", text="hello") for number in range(3)
    ]
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=1, **own) as session:
            await session.auth()
            sandbox.faults.add("silent after", operation="SendSMS", times=1)
            async with session.send_many(messages, timeout=0.5) as outcomes:
                endings = [outcome async for outcome in outcomes]
        assert len(sandbox.messages) == 3
    (lost,) = [outcome.error for outcome in endings if outcome.error]
    assert isinstance(lost, smsgate.InDoubt)
    assert str(lost) == "timed out after 0.5 s, when the request had begun to leave"


@simulated_time
async def test_timeout_may_exceed_that_of_the_session() -> None:
    async with simulated(timeouts=smsgate.Timeouts(send=1.0)) as (gateway, session):
        answer = gateway.handle_async_request

        async def late(request: httpx.Request) -> httpx.Response:
            await trio.sleep(5)
            return await answer(request)

        gateway.handle_async_request = late  # type: ignore[method-assign]  # the delay under test
        assert isinstance(await session.send_sms(NUMBER, "hello", timeout=60), smsgate.SendResult)


@each_own
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("how", ["asyncio.timeout", "asyncio.wait_for"])
async def test_asyncio_timeout_around_a_send_is_explained_in_the_log(
    how: str, caplog: pytest.LogCaptureFixture, own: dict[str, Any]
) -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, **own) as session:
            await session.auth()
            sandbox.faults.add("silent after", operation="SendSMS")
            with pytest.raises(TimeoutError):
                if how == "asyncio.timeout":
                    async with asyncio.timeout(0.2):
                        await session.send_sms(NUMBER, "hello")
                else:
                    await asyncio.wait_for(session.send_sms(NUMBER, "hello"), 0.2)
    assert (
        "SendSMS to +380*****4567 was cancelled, and the request may have left: in doubt"
        in caplog.text
    )


@simulated_time
async def test_arrived_answer_is_read_though_the_deadline_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logins, "PARSED_IN_THREAD", 0)
    async with simulated() as (gateway, session):
        await session.auth()
        answer = gateway.handle_async_request

        async def at_the_last_moment(request: httpx.Request) -> httpx.Response:
            response = await answer(request)
            # The deadline ends while nothing else can run, between the answer and the thread that
            # parses it.
            scope.cancel()
            return response

        gateway.handle_async_request = at_the_last_moment  # type: ignore[method-assign]  # the moment under test
        with anyio.CancelScope() as scope:
            result = await session.send_sms(NUMBER, "hello")
    assert scope.cancel_called
    assert isinstance(result, smsgate.SendResult)


async def test_answer_is_read_though_the_thread_limiter_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logins, "PARSED_IN_THREAD", 0)
    answered = threading.Event()
    waited: list[bool] = []

    def hold() -> None:
        waited.append(answered.wait(5))

    limiter = anyio.to_thread.current_default_thread_limiter()
    monkeypatch.setattr(limiter, "total_tokens", 1)
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session, anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, hold)
            while not limiter.borrowed_tokens:
                await anyio.lowlevel.checkpoint()
            await session.send_sms(NUMBER, "hello")
            answered.set()
    assert waited == [True]


# --- aclose(grace=) -------------------------------------------------------------------------------


async def closing(session: smsgate.AsyncSession, sandbox: Sandbox, **options: Any) -> None:
    """Close the session as soon as the gateway has a send."""
    with anyio.fail_after(20):
        while not sandbox.calls["SendSMS"]:  # noqa: ASYNC110 - the sandbox serves in a thread
            await anyio.sleep(0.01)
        await session.aclose(**options)


@each_own
@pytest.mark.parametrize("grace", [0, 0.1])
async def test_calls_that_exceed_the_grace_end_in_doubt_or_not_sent(
    grace: float, caplog: pytest.LogCaptureFixture, own: dict[str, Any]
) -> None:
    with Sandbox() as sandbox:
        sandbox.faults.add("silent after", operation="SendSMS")
        async with session_at(sandbox, concurrency=1, **own) as session:
            await session.auth()
            *sends, _ = await endings_of(
                *[lambda: session.send_sms(NUMBER, "hello")] * 2,
                lambda: closing(session, sandbox, grace=grace),
            )
            with pytest.raises(smsgate.NotSent, match="closed"):
                await session.get_credit_balance()
        assert len(sandbox.messages) == 1
    (lost,) = [one for one in sends if isinstance(one, smsgate.InDoubt)]
    (kept,) = [one for one in sends if isinstance(one, smsgate.NotSent)]
    assert lost.reason is kept.reason is smsgate.Reason.CLOSED
    assert str(lost) == f"session closed after {grace:g} s, when the request had begun to leave"
    assert str(kept) == f"nothing was sent: session closed after {grace:g} s"
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [
        (
            f"closing the session: calls that are still in flight after {grace:g} s and are ended "
            "now: 2"
        ),
        "SendSMS to +380*****4567 was ended by aclose, and the request may have left: in doubt",
    ]


@each_own
async def test_calls_that_finish_within_the_grace_end_normally(
    caplog: pytest.LogCaptureFixture, own: dict[str, Any]
) -> None:
    with Sandbox(Settings(hold_seconds=0.2)) as sandbox:
        async with session_at(sandbox, **own) as session:
            sent, _ = await endings_of(
                lambda: session.send_sms(NUMBER, "hello"),
                lambda: closing(session, sandbox, grace=60),
            )
    assert isinstance(sent, smsgate.SendResult)
    assert not caplog.records


@each_own
async def test_grace_ends_calls_that_another_aclose_waits_for(own: dict[str, Any]) -> None:
    with Sandbox() as sandbox:
        sandbox.faults.add("silent after", operation="SendSMS")
        session = await session_at(sandbox, **own).__aenter__()
        sent, *_ = await endings_of(
            lambda: session.send_sms(NUMBER, "hello"),
            lambda: closing(session, sandbox),
            lambda: closing(session, sandbox, grace=0.1),
        )
    assert isinstance(sent, smsgate.InDoubt)


@pytest.mark.parametrize("grace", [-1, float("inf"), float("nan"), "10", True, False])
async def test_grace_is_validated_by_name(grace: Any) -> None:
    async with smsgate.AsyncSession("login", "password", url="https://example.com/") as session:
        with pytest.raises(
            ValueError, match=r"^grace: must be a number of seconds, 0 or more, or None"
        ):
            await session.aclose(grace=grace)


async def test_uncancellable_client_does_not_block_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call, "_CLEANING_UP", 0.1)
    let_go = anyio.Event()

    class Stubborn(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            with anyio.CancelScope(shield=True):
                await let_go.wait()
            return httpx.Response(200, content=fault_server.AUTHORISED)

    async with httpx.AsyncClient(transport=Stubborn()) as client:
        opened = await smsgate.AsyncSession(
            "a", "b", url="https://example.com/", http_client=client
        ).__aenter__()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ending_of, opened.auth)
            await anyio.sleep(0.05)
            with anyio.fail_after(20):
                await opened.aclose(grace=0.05)
            let_go.set()
        await opened.aclose()


@simulated_time
async def test_auth_that_was_not_sent_in_time_says_so() -> None:
    async with simulated() as (gateway, session):

        async def connect(request: httpx.Request) -> httpx.Response:
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            await trio.sleep_forever()
            raise AssertionError

        gateway.handle_async_request = connect  # type: ignore[method-assign]  # the fault under test
        with pytest.raises(
            smsgate.NotSent, match=r"the login failed: timed out after 30 s, before Auth was sent"
        ):
            await session.send_sms(NUMBER, "hello")
