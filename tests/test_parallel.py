"""`send_many` and `wait_for_delivery`:

many calls at once, as an async iterator that may be left at any time.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import fault_server
import pytest
from fault_server import FaultServer
from pydantic import ValidationError

import smsgate
from smsgate._client import workers
from smsgate._client.workers import Parallel
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.anyio

UNYIELDED = "send_many: the loop ended before it yielded this outcome"


def message(number: int, **values: Any) -> smsgate.Message:
    return smsgate.Message(
        destinations=f"+38050{number:07}", **{"text": f"message {number}", **values}
    )


def session_at(sandbox: Sandbox, **options: Any) -> smsgate.AsyncSession:
    return smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=sandbox.url, **options)


class Counted:
    """An iterable that knows how far it was read."""

    def __init__(self, messages: list[smsgate.Message]) -> None:
        self.messages, self.read, self.closed = messages, 0, False

    def __iter__(self) -> Iterator[smsgate.Message]:
        try:
            for one in self.messages:
                self.read += 1
                yield one
        finally:
            self.closed = True


# --- send_many ------------------------------------------------------------------------------------


async def test_each_message_gets_exactly_one_outcome() -> None:
    messages = [message(number) for number in range(200)]
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            outcomes = [outcome async for outcome in session.send_many(messages)]
        assert sorted(outcome.message.text or "" for outcome in outcomes) == sorted(
            one.text or "" for one in messages
        )
        assert all(outcome.result and outcome.error is None for outcome in outcomes)
        assert len(sandbox.messages) == 200
        accepted = {one.destination: one.id for one in sandbox.messages}
        for outcome in outcomes:
            assert outcome.result is not None
            (recipient,) = outcome.result.recipients
            assert accepted[recipient.destination] == recipient.message_id


async def test_async_iterable_is_accepted() -> None:
    async def source() -> AsyncIterator[smsgate.Message]:
        for number in range(10):
            await anyio.lowlevel.checkpoint()
            yield message(number)

    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            outcomes = [outcome async for outcome in session.send_many(source())]
    assert len(outcomes) == 10


async def test_errors_are_values_each_with_its_message() -> None:
    refused = smsgate.Message(destinations="+380000000001", text="hello")
    with Sandbox() as sandbox:
        async with smsgate.AsyncSession("sandbox", "sandbox", url=sandbox.url) as session:
            messages = [
                message(1, sender="Shop"),
                refused.model_copy(update={"sender": "Shop"}),
                message(2),
            ]
            outcomes = {outcome.message: outcome async for outcome in session.send_many(messages)}
    assert outcomes[messages[0]].result is not None
    assert isinstance(outcomes[messages[1]].error, smsgate.BadDestination)
    assert "sender" in str(outcomes[messages[2]].error), "no sender anywhere"


async def test_all_logins_are_kept_busy() -> None:
    with Sandbox(Settings(hold_seconds=0.02)) as sandbox:
        async with session_at(sandbox, concurrency=4) as session:
            async for _ in session.send_many([message(number) for number in range(40)]):
                pass
        assert sandbox.calls["Auth"] == 4


async def test_source_is_read_only_as_fast_as_it_is_sent_and_taken() -> None:
    source = Counted([message(number) for number in range(1000)])
    taken = 0
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=4) as session:
            async for _ in session.send_many(source):
                taken += 1
                await anyio.sleep(0.005)
                assert source.read <= taken + 8, "four waiting to be taken, four on their way"
                if taken == 50:
                    break


async def test_leaving_the_loop_stops_it_and_cuts_nothing_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Counted([message(number) for number in range(1000)])
    with Sandbox(Settings(hold_seconds=0.05)) as sandbox:
        async with session_at(sandbox, concurrency=4) as session:
            taken = 0
            async for _ in session.send_many(source):
                taken += 1
                if taken == 6:
                    break
            gc.collect()
            assert await session.get_credit_balance() > 0, "the session goes on"
        assert 6 <= len(sandbox.messages) <= 14
        assert sandbox.calls["SendSMS"] == len(sandbox.messages), (
            "each one that was begun was answered"
        )
    assert source.closed
    left = [record for record in caplog.records if UNYIELDED in record.getMessage()]
    assert len(left) == len(sandbox.messages) - taken, (
        "whoever was sent and not taken is in the log"
    )
    assert all(
        "*****" in record.getMessage() and "accepted as" in record.getMessage() for record in left
    )


async def test_closing_the_iterator_waits_for_open_calls() -> None:
    source = Counted([message(number) for number in range(1000)])
    with Sandbox(Settings(hold_seconds=0.1)) as sandbox:
        async with session_at(sandbox, concurrency=4) as session:
            outcomes = session.send_many(source)
            await anext(outcomes)
            await outcomes.aclose()
            arrived = len(sandbox.messages)
            assert source.closed
            with pytest.raises(StopAsyncIteration):
                await anext(outcomes)
            await anyio.sleep(0.3)
            assert len(sandbox.messages) == arrived


async def test_iterator_that_was_never_begun_sends_nothing() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            outcomes = session.send_many([message(1)])
            await outcomes.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(outcomes)
            del outcomes
        assert not sandbox.calls


class Source:
    """An async generator, as its owner would write it, that records what happened to it."""

    def __init__(self) -> None:
        self.waiting, self.got, self.go_on = anyio.Event(), anyio.Event(), anyio.Event()
        self.cancelled = False

    async def __call__(self) -> AsyncGenerator[smsgate.Message]:
        try:
            yield message(1)
            self.waiting.set()
            await self.got.wait()
            held = message(2)  # taken out of the queue, and not handed over yet
            await self.go_on.wait()
            yield held
        except anyio.get_cancelled_exc_class():
            self.cancelled = True
            raise


async def test_item_held_by_the_source_is_sent_when_the_loop_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its outcome is logged."""
    source = Source()
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session, aclosing(source()) as messages:
            outcomes = session.send_many(messages)
            await anext(outcomes)
            source.got.set()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(outcomes.aclose)
                await anyio.lowlevel.checkpoint()
                source.go_on.set()
            assert not source.cancelled
        assert [one.text for one in sandbox.messages] == ["message 1", "message 2"]
    (record,) = [record for record in caplog.records if UNYIELDED in record.getMessage()]
    assert sandbox.messages[1].id in record.getMessage()


async def test_waiting_source_is_neither_cancelled_nor_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "_HANDING_OVER", 0.05)
    source = Source()
    with Sandbox() as sandbox:
        messages = source()
        async with session_at(sandbox) as session:
            async with session.send_many(messages) as outcomes:
                async for _ in outcomes:
                    break
                await source.waiting.wait()
            with pytest.raises(StopAsyncIteration):
                await anext(outcomes)
        source.got.set()
        source.go_on.set()
        with anyio.fail_after(20):
            while UNYIELDED not in caplog.text:  # noqa: ASYNC110 - a log record sets no event
                await anyio.sleep(0.01)
        assert not source.cancelled
        await messages.aclose()
        assert [one.text for one in sandbox.messages] == ["message 1"], (
            "the session was closed by then"
        )
    assert f"{UNYIELDED}: to +380*****0002: the session is closed" in caplog.text


async def test_source_is_waited_for_while_it_still_yields(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "_HANDING_OVER", 0.3)
    source = Source()
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            messages = source()
            outcomes = session.send_many(messages)
            await anext(outcomes)
            await source.waiting.wait()
            sandbox.faults.add("slow", operation="SendSMS", seconds=0.8)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(outcomes.aclose)
                await anyio.lowlevel.checkpoint()
                source.got.set()
                source.go_on.set()
            assert f"{UNYIELDED}: to +380*****0002: accepted as" in caplog.text
            await messages.aclose()


async def test_error_is_raised_though_the_source_waits_for_an_item() -> None:
    waiting, go_on = anyio.Event(), anyio.Event()
    unclaimed: list[int] = []

    async def source() -> AsyncGenerator[int]:
        yield 1
        waiting.set()
        await go_on.wait()
        yield 2

    async def work(item: int) -> int:
        if item == 1:
            await waiting.wait()
            raise KeyError(item)
        return item

    async with aclosing(source()) as numbers:
        results = Parallel(numbers, work, width=2, unclaimed=unclaimed.append)
        with pytest.raises(KeyError), anyio.fail_after(20):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        go_on.set()
        await results.aclose()
    assert unclaimed == [2], "it was read, so it was worked on and reported"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_source_with_an_internal_cancellation_does_not_seem_ended() -> None:
    async def source() -> AsyncIterator[smsgate.Message]:
        yield message(1)
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task
        yield message(2)

    taken = []
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(asyncio.CancelledError):
                async for outcome in session.send_many(source()):
                    taken.append(outcome)  # noqa: PERF401 - what came before the error counts
    assert len(taken) == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_leaving_the_block_waits_for_open_calls(fails: bool) -> None:
    with Sandbox(Settings(hold_seconds=0.1)) as sandbox:
        async with session_at(sandbox, concurrency=4) as session:
            with suppress(KeyError):
                async with session.send_many(
                    [message(number) for number in range(100)]
                ) as outcomes:
                    await anext(outcomes)
                    if fails:
                        raise KeyError
            arrived = len(sandbox.messages)
            assert sandbox.calls["SendSMS"] == arrived
            with pytest.raises(StopAsyncIteration):
                await anext(outcomes)


UNUSED = {
    "send_many": lambda session: session.send_many([message(1)]),
    "wait_for_delivery": lambda session: session.wait_for_delivery(
        fault_server.MESSAGE_ID, timeout=1
    ),
}


@pytest.mark.parametrize("name", UNUSED)
async def test_unused_iterator_warns_where_it_was_made(name: str) -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.warns(
                RuntimeWarning,
                match=f"the result of {name} was never iterated over, so nothing was",
            ) as warned:
                UNUSED[name](session)
            assert [one.filename for one in warned] == [__file__]
        assert not sandbox.calls


@pytest.mark.parametrize("name", UNUSED)
async def test_block_without_iteration_warns(name: str) -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.warns(RuntimeWarning, match=name) as warned:
                async with UNUSED[name](session):
                    pass
            assert [one.filename for one in warned] == [__file__]


async def test_closed_iterator_or_failed_block_does_not_warn() -> None:
    async with smsgate.AsyncSession("login", "password", url="https://example.com/") as session:
        for make in UNUSED.values():
            await make(session).aclose()
            with pytest.raises(KeyError):
                async with make(session):
                    raise KeyError
            gc.collect()


class Stepped:
    """An iterator that can do nothing but step: that is all that a loop asks of one."""

    def __init__(self, messages: list[smsgate.Message]) -> None:
        self.messages = iter(messages)

    def __next__(self) -> smsgate.Message:
        return next(self.messages)

    async def __anext__(self) -> smsgate.Message:
        for one in self.messages:
            return one
        raise StopAsyncIteration


class OpenedOnce:
    """An iterable that would begin anew whenever it is asked for an iterator."""

    def __init__(self, messages: list[smsgate.Message]) -> None:
        self.messages, self.opened = messages, 0

    def __iter__(self) -> Any:
        self.opened += 1
        assert self.opened == 1
        return Stepped(self.messages)


class OpenedOnceAwaited(OpenedOnce):
    """The same as an async iterator of itself: it has `__anext__`, too."""

    def __aiter__(self) -> Any:
        self.stepped = iter(self)
        return self

    async def __anext__(self) -> smsgate.Message:
        return await anext(self.stepped)


class SteppedAwaited(OpenedOnce):
    def __aiter__(self) -> Any:
        return iter(self)


@pytest.mark.parametrize("kind", [OpenedOnce, OpenedOnceAwaited, SteppedAwaited])
async def test_source_is_asked_for_its_iterator_once(kind: type[OpenedOnce]) -> None:
    source: Any = kind([message(number) for number in range(5)])
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session, session.send_many(source) as outcomes:
            assert len([outcome async for outcome in outcomes if outcome.result]) == 5
        assert len(sandbox.messages) == 5
    assert source.opened == 1


class Raising(logging.Filter):
    """A filter of the user's own that fails at some records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if self.name in record.getMessage():
            raise KeyError("secret")
        return True


@pytest.mark.parametrize(
    ("at", "left", "note"),
    [
        ("answer not recognised", True, "the request may have left: in doubt"),
        ("session 1: logged in", False, "nothing of the request has left"),
    ],
)
async def test_unforeseen_error_names_its_message_and_if_it_may_be_sent(
    at: str, left: bool, note: str, caplog: pytest.LogCaptureFixture
) -> None:
    log, raising = logging.getLogger("smsgate"), Raising()
    raising.name = at
    caplog.set_level(logging.INFO, "smsgate")
    log.addFilter(raising)
    strange = fault_server.answering(
        fault_server.ACCEPTED.replace(fault_server.MESSAGE_ID.encode(), "Щось нове".encode())
    )
    try:
        with FaultServer(strange).running() as server:
            async with smsgate.AsyncSession(
                "login", "password", sender="Shop", url=server.url
            ) as session:
                with pytest.raises(KeyError) as caught:
                    async for _ in session.send_many([message(1)]):
                        pass
    finally:
        log.removeFilter(raising)
    assert caught.value.__notes__ == [note, "SendSMS to +380*****0001"]
    assert (
        "SendSMS to +380*****0001 failed, and the request may have left: in doubt" in caplog.text
    ) == left


async def test_error_names_an_item_that_is_no_message() -> None:
    something: Any = "hello"
    async with smsgate.AsyncSession("login", "password", url="https://example.com/") as session:
        outcomes = session.send_many([something])
        with pytest.raises(TypeError) as caught:
            await anext(outcomes)
    assert caught.value.__notes__ == ["not a valid message: a str"]


async def test_error_of_the_source_is_raised_after_all_outcomes() -> None:
    def source() -> Iterator[smsgate.Message]:
        yield from (message(number) for number in range(5))
        raise KeyError("row 6")

    outcomes = []
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(KeyError, match="row 6"):
                async for outcome in session.send_many(source()):
                    outcomes.append(outcome)  # noqa: PERF401 - what came before the error counts
    assert len(outcomes) == 5


async def test_error_from_closing_a_source_is_raised_too() -> None:
    class Bad(Iterator[smsgate.Message]):
        def __next__(self) -> smsgate.Message:
            raise StopIteration

        def close(self) -> None:
            raise OSError("the file is gone")

    class Source:
        def __iter__(self) -> Iterator[smsgate.Message]:
            return Bad()

    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            outcomes = session.send_many(Source())
            with pytest.raises(OSError, match="gone"):
                await anext(outcomes)
            with pytest.raises(StopAsyncIteration):
                await anext(outcomes)


@pytest.mark.parametrize("rate", [None, 1000.0])
async def test_invalid_copy_of_a_message_comes_with_its_error(
    rate: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    bad = message(2).model_copy(update={"destinations": None})
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=1) as session:
            outcomes = [
                outcome
                async for outcome in session.send_many([message(1), bad, message(3)], rate=rate)
            ]
            left = session.send_many([message(4), bad])
            await anext(left)
            await anyio.sleep(0.2)
            await left.aclose()
        assert len(sandbox.messages) == 3
    assert [outcome.message for outcome in outcomes if outcome.error] == [bad]
    assert all(isinstance(outcome.error, ValidationError) for outcome in outcomes if outcome.error)
    assert f"{UNYIELDED}: 1 validation error" in caplog.text


async def test_item_that_is_no_message_ends_it_by_name() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(TypeError, match="Message"):
                async for _ in session.send_many(["hello"]):  # type: ignore[list-item]  # the mistake under test
                    pass


async def test_rate_counts_recipients() -> None:
    messages = [
        smsgate.Message(destinations=[f"+38050{n:07}", f"+38067{n:07}"], text="hello")
        for n in range(10)
    ]
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            started = time.perf_counter()
            outcomes = [outcome async for outcome in session.send_many(messages, rate=40)]
            seconds = time.perf_counter() - started
    assert len(outcomes) == 10
    assert seconds > 0.4, "twenty recipients at forty per second, the first immediately"


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan"), "10", True])
async def test_rate_is_a_positive_number(rate: Any) -> None:
    async with smsgate.AsyncSession("login", "password", url="https://example.com/") as session:
        with pytest.raises(ValueError, match="rate"):
            session.send_many([], rate=rate)


async def test_session_closed_meanwhile_reports_the_rest_as_not_sent() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=1) as session:
            outcomes = session.send_many([message(number) for number in range(10)])
            await anext(outcomes)
        rest = [outcome async for outcome in outcomes]
        sent = len(sandbox.messages)
    assert len(rest) == 9
    assert sum(isinstance(outcome.error, smsgate.NotSent) for outcome in rest) == 10 - sent


# --- wait_for_delivery ----------------------------------------------------------------------------


async def test_messages_are_followed_until_each_status_is_final() -> None:
    with Sandbox(Settings(delivery_seconds=1.0)) as sandbox:
        async with session_at(sandbox) as session:
            ids = [
                outcome.result.message_ids[0]
                async for outcome in session.send_many(map(message, range(5)))
                if outcome.result
            ]
            seen: dict[str, list[smsgate.DeliveryState]] = {one: [] for one in ids}
            async for status in session.wait_for_delivery(ids, timeout=30):
                seen[status.message_id].append(status.state)
    for states in seen.values():
        assert states[-1] is smsgate.DeliveryState.DELIVERED
        assert len(set(states)) == len(states), "only changes"


async def test_unknown_message_ends_as_not_found_and_stops_nobody() -> None:
    with Sandbox(Settings(delivery_seconds=0.2)) as sandbox:
        async with session_at(sandbox) as session:
            (known,) = (await session.send(message(1))).message_ids
            asked = [fault_server.MESSAGE_ID, known]
            last = {
                status.message_id: status
                async for status in session.wait_for_delivery(asked, timeout=30)
            }
    assert last[fault_server.MESSAGE_ID].state is smsgate.DeliveryState.NOT_FOUND
    assert last[fault_server.MESSAGE_ID].final
    assert last[known].delivered


async def test_timeout_says_how_many_are_left() -> None:
    with Sandbox(Settings(delivery_seconds=3600)) as sandbox:
        async with session_at(sandbox) as session:
            (one,) = (await session.send(message(1))).message_ids
            statuses = []
            with pytest.raises(
                TimeoutError, match=r"1 of 1 messages have no final delivery status after 0\.8 s"
            ):
                async for status in session.wait_for_delivery(one, timeout=0.8):
                    statuses.append(status)  # noqa: PERF401 - what came before the error counts
    assert len(statuses) == 1


async def test_transport_fault_is_retried_in_turn() -> None:
    status = fault_server.ENVELOPE.format(
        "<ns1:GetMessageStatusResponse><ns1:GetMessageStatusResult>Сообщение доставлено получателю"
        "</ns1:GetMessageStatusResult></ns1:GetMessageStatusResponse>"
    ).encode()
    asked = 0

    def sometimes(connection: fault_server.Connection) -> None:
        nonlocal asked
        asked += 1
        connection.answer(status if asked > 2 else b"no XML")

    with FaultServer(fault_server.then(sometimes)).running() as server:
        async with smsgate.AsyncSession("login", "password", url=server.url) as session:
            states = [
                one.state
                async for one in session.wait_for_delivery(fault_server.MESSAGE_ID, timeout=30)
            ]
    assert states == [smsgate.DeliveryState.DELIVERED]
    assert asked == 3


async def test_refusal_by_the_gateway_ends_the_wait() -> None:
    with Sandbox(Settings(password="other")) as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(smsgate.BadCredentials):
                async for _ in session.wait_for_delivery(fault_server.MESSAGE_ID, timeout=30):
                    pass


async def test_closed_session_ends_the_wait() -> None:
    with Sandbox(Settings(delivery_seconds=3600)) as sandbox:
        async with session_at(sandbox) as session:
            (one,) = (await session.send(message(1))).message_ids
            statuses = session.wait_for_delivery(one, timeout=30)
            await anext(statuses)
        with pytest.raises(smsgate.NotSent, match="closed"):
            await anext(statuses)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), "10", None])
async def test_timeout_is_a_positive_number(timeout: Any) -> None:
    async with smsgate.AsyncSession("login", "password", url="https://example.com/") as session:
        with pytest.raises(ValueError, match="timeout"):
            session.wait_for_delivery([], timeout=timeout)
        with pytest.raises(ValueError, match="message_id"):
            session.wait_for_delivery(["12"], timeout=1)


async def test_wait_may_be_left_at_any_time() -> None:
    with Sandbox(Settings(delivery_seconds=3600, hold_seconds=0.05)) as sandbox:
        async with session_at(sandbox) as session:
            ids = [
                outcome.result.message_ids[0]
                async for outcome in session.send_many(map(message, range(8)))
                if outcome.result
            ]
            async for _ in session.wait_for_delivery(ids, timeout=30):
                break
            gc.collect()
            asked = sandbox.calls["GetMessageStatus"]
            await anyio.sleep(1.0)
            assert sandbox.calls["GetMessageStatus"] <= asked + 4, "only what was in flight"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_iterator_that_outlives_its_event_loop_is_freed_silently(backend: str) -> None:
    async def leave() -> object:
        session = await session_at(sandbox, concurrency=2).__aenter__()
        outcomes = session.send_many([message(number) for number in range(100)])
        await anext(outcomes)
        await session.aclose()
        return outcomes

    with Sandbox() as sandbox:
        outcomes = anyio.run(leave, backend=backend)
        del outcomes
        gc.collect()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_sent_but_unread_outcomes_are_logged_at_program_end(
    backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def take_one() -> None:
        async with session_at(sandbox, concurrency=4) as session:
            outcomes = session.send_many([message(number) for number in range(100)])
            await anext(outcomes)
            await anyio.sleep(0.5)
            held.append(outcomes)

    held: list[object] = []
    with Sandbox() as sandbox:
        anyio.run(take_one, backend=backend)
        sent = len(sandbox.messages)
    assert sent > 1
    assert sum(UNYIELDED in record.getMessage() for record in caplog.records) == sent - 1


def test_iterator_of_a_closed_event_loop_is_freed_silently() -> None:
    async def begin() -> object:
        session = await smsgate.AsyncSession(
            "login", "password", sender="Shop", url="https://example.com/"
        ).__aenter__()

        async def source() -> AsyncIterator[smsgate.Message]:
            await anyio.sleep(3600)
            yield message(1)

        outcomes = session.send_many(source())
        with anyio.move_on_after(0.01):
            await anext(outcomes)
        return outcomes

    loop = asyncio.new_event_loop()
    outcomes = loop.run_until_complete(begin())
    left = asyncio.all_tasks(loop)
    loop.stop()
    loop.close()
    del outcomes
    gc.collect()
    for task in left:  # nobody else can end them any more
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # what asyncio would say is true and beside the point
    assert left


# --- the iterator itself --------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", range(6))
def test_cancellation_during_the_handover_loses_no_outcome(ticks: int) -> None:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        taken: list[int] = []
        lost: list[int] = []

        def cancel_in(steps: int) -> None:
            if steps:
                loop.call_soon(cancel_in, steps - 1)
            else:
                task.cancel()

        async def work(item: int) -> int:
            await asyncio.sleep(0)
            # In one of these steps the outcome is on its way and the waiting task has not woken up
            # yet.
            loop.call_soon(cancel_in, ticks)
            return item

        async def take() -> None:
            taken.append(await anext(outcomes))

        outcomes = Parallel(range(50), work, width=1, unclaimed=lost.append)
        for _ in range(20):
            task = loop.create_task(take())
            await asyncio.wait([task])
        return taken + [outcome async for outcome in outcomes]

    assert asyncio.run(run()) == list(range(50))


@pytest.mark.parametrize("ticks", range(1, 12))
async def test_no_outcome_is_lost_whenever_the_reader_is_cancelled(ticks: int) -> None:
    taken: list[int] = []
    lost: list[int] = []

    async def work(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        return item

    async def take(scope: anyio.CancelScope) -> None:
        with scope:
            async for outcome in outcomes:
                taken.append(outcome)

    outcomes = Parallel(range(200), work, width=3, unclaimed=lost.append)
    for _ in range(100):
        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()
            tasks.start_soon(take, scope)
            for _ in range(ticks):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
    taken += [outcome async for outcome in outcomes]
    assert sorted(taken) == list(range(200))


async def test_leaving_during_a_rate_pause_leaves_the_rest_in_the_source() -> None:
    rest = map(message, range(5))
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            outcomes = session.send_many(rest, rate=0.5)
            first = await anext(outcomes)
            await anyio.sleep(0.1)
            await outcomes.aclose()
        left = list(rest)
        assert len(sandbox.messages) == 1
    assert [first.message, *left] == list(map(message, range(5))), "nobody is dropped"


async def test_generator_that_is_passed_in_is_closed_by_its_maker() -> None:
    def numbered() -> Iterator[smsgate.Message]:
        yield from map(message, range(100))

    async def awaited() -> AsyncIterator[smsgate.Message]:
        for one in map(message, range(100)):
            yield one

    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=2) as session:
            plain, asynchronous = numbered(), awaited()
            for source in (plain, asynchronous):
                outcomes = session.send_many(source)
                await anext(outcomes)
                await outcomes.aclose()
            sent = {one.text for one in sandbox.messages}
            left = {one.text for one in plain}, {one.text async for one in asynchronous}
    assert all(sent | one == {f"message {number}" for number in range(100)} for one in left)


async def test_async_generator_made_here_is_closed_here() -> None:
    class Rows:
        closed = False

        async def __aiter__(self) -> AsyncIterator[smsgate.Message]:
            try:
                for number in range(100):
                    yield message(number)
            finally:
                self.closed = True

    rows = Rows()
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=2) as session:
            outcomes = session.send_many(rows)
            await anext(outcomes)
            await outcomes.aclose()
    assert rows.closed


async def test_source_that_cannot_be_iterated_is_refused_by_name() -> None:
    async with smsgate.AsyncSession("login", "password", url="https://example.com/") as session:
        with pytest.raises(
            TypeError,
            match=r"messages: must be an iterable or an async iterable of smsgate\.Message",
        ):
            session.send_many(5)  # type: ignore[arg-type]  # the mistake under test
        gc.collect()


# --- other answers --------------------------------------------------------------------------------


async def test_empty_list_of_ids_ends_at_once() -> None:
    async with smsgate.AsyncSession("login", "password", url="https://example.com/") as session:
        assert [status async for status in session.wait_for_delivery([], timeout=1)] == []


async def test_unrecognised_answer_is_logged_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    strange = fault_server.ENVELOPE.format(
        "<ns1:GetMessageStatusResponse>"
        "<ns1:GetMessageStatusResult>Абонент +380501234567 сменил пароль password"
        "</ns1:GetMessageStatusResult></ns1:GetMessageStatusResponse>"
    ).encode()
    with FaultServer(fault_server.answering(strange)).running() as server:
        async with smsgate.AsyncSession("login", "password", url=server.url) as session:
            status = await session.get_message_status(fault_server.MESSAGE_ID)
    assert status.state is smsgate.DeliveryState.UNRECOGNISED
    assert not status.final
    (record,) = [record for record in caplog.records if "not recognised" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "Абонент +380*****4567 сменил пароль ***" in record.getMessage()


async def test_balance_is_a_decimal() -> None:
    with Sandbox(Settings(credits=Decimal("2500.75"))) as sandbox:
        async with session_at(sandbox) as session:
            assert await session.get_credit_balance() == Decimal("2500.75")
