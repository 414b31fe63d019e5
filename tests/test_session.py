"""AsyncSession against a gateway on a real socket:

logins, re-authentication, deadlines, cancellation, life and death.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import re
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import anyio.to_thread
import fault_server
import httpx
import httpx2
import pytest
from connections import each_own
from fault_server import FaultServer
from pydantic import ValidationError
from soak import count

import smsgate
from smsgate._client.call import SendRecord, send_recorded
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.anyio

NUMBER = "+380501234567"
CLIENTS: dict[str, Callable[..., Any]] = {"httpx": httpx.AsyncClient, "httpx2": httpx2.AsyncClient}


def session_at(sandbox: Sandbox, **options: Any) -> smsgate.AsyncSession:
    return smsgate.AsyncSession(
        "sandbox", "sandbox", url=sandbox.url, **{"sender": "Shop", **options}
    )


async def together(calls: int, call: Callable[[], Awaitable[object]]) -> list[object]:
    """Make so many calls at the same time; return what each gave or raised."""
    ended: list[object] = []

    async def one() -> None:
        try:
            ended.append(await call())
        except smsgate.SmsGateError as error:
            ended.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(calls):
            tasks.start_soon(one)
    return ended


# --- the five operations --------------------------------------------------------------------------


@each_own
async def test_five_operations_work_with_the_gateway(own: dict[str, Any]) -> None:
    with Sandbox(Settings(credits=Decimal(100), delivery_seconds=0.2)) as sandbox:
        async with session_at(sandbox, **own) as session:
            await session.auth()
            assert await session.get_credit_balance() == Decimal(100)
            result = await session.send_sms(NUMBER, "Ваш код: 4815")
            (recipient,) = result.recipients
            assert recipient.destination == NUMBER
            assert recipient.outcome is smsgate.Outcome.ACCEPTED
            assert recipient.message_id == result.message_ids[0]
            assert [answer.answer for answer in result.answers] == [smsgate.Answer.SENT]
            assert await session.get_credit_balance() == Decimal(99)
            assert set(await session.get_new_messages()) <= set(result.message_ids)
            await anyio.sleep(0.4)
            status = await session.get_message_status(result.message_ids[0])
            assert status.delivered
            assert status.final
            assert await session.get_new_messages() == []
        (message,) = sandbox.messages
        assert (message.destination, message.sender, message.text) == (
            NUMBER,
            "Shop",
            "Ваш код: 4815",
        )


async def test_wap_push_needs_no_text() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            await session.send_sms(NUMBER, wappush="http://example.com/a?b=1&c=<2>")
        assert sandbox.messages[0].wappush == "http://example.com/a?b=1&c=<2>"


async def test_destinations_keep_their_order_and_refused_ones_are_marked() -> None:
    numbers = ["+380501234567", "+380000000001", "+380501234569"]
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            result = await session.send_sms(numbers, "hello")
    assert [recipient.destination for recipient in result.recipients] == numbers
    assert [recipient.outcome for recipient in result.recipients] == [
        "accepted",
        "refused",
        "accepted",
    ]
    assert result.refused[0].answer is smsgate.Answer.BAD_DESTINATION
    assert len(result.message_ids) == 2


async def test_sender_of_the_message_wins_over_that_of_the_session() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            await session.send_sms(NUMBER, "hello", sender="Other")
            await session.send(smsgate.Message(destinations=NUMBER, text="hello"))
        assert [message.sender for message in sandbox.messages] == ["Other", "Shop"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (Settings(password="other"), smsgate.BadCredentials),
        (Settings(senders=frozenset({"Other"})), smsgate.SenderForbidden),
        (Settings(credits=Decimal(0)), smsgate.NotEnoughCredits),
    ],
)
async def test_refusal_has_its_own_error(settings: Settings, error: type[smsgate.Refused]) -> None:
    with Sandbox(settings) as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(error) as caught:
                await session.send_sms(NUMBER, "hello")
        assert caught.value.sent is False
        assert caught.value.answer
        assert caught.value.text
        assert sandbox.messages == ()


async def test_missing_credits_are_counted() -> None:
    with Sandbox(Settings(credits=Decimal("0.5"))) as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(smsgate.NotEnoughCredits) as caught:
                await session.send_sms(NUMBER, "hello")
    assert caught.value.missing == Decimal("0.5")


async def test_unknown_message_is_not_found() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(smsgate.MessageNotFound):
                await session.get_message_status(fault_server.MESSAGE_ID)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda session: session.send_sms("12", "hello"), "destination"),
        (lambda session: session.send_sms(NUMBER), "text"),
        (lambda session: session.send_sms(NUMBER, "hello", sender="Too long a sender"), "sender"),
        (lambda session: session.send_sms(NUMBER, "hello", wappush="ftp://x"), "wappush"),
        (lambda session: session.send_sms(NUMBER, "a\x00b"), "text"),
        (lambda session: session.get_message_status("12"), "message_id"),
        (lambda session: session.get_message_status(None), "message_id"),
    ],
)
async def test_bad_input_is_refused_by_name_before_anything_is_sent(
    call: Callable[[Any], Awaitable[object]], field: str
) -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(ValueError, match=field):
                await call(session)
        assert not sandbox.calls


async def test_message_without_a_sender_is_refused_before_sending() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, sender=None) as session:
            with pytest.raises(ValueError, match="sender"):
                await session.send_sms(NUMBER, "hello")
        assert not sandbox.calls


async def test_location_of_an_unforeseen_error_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: object, **__: object) -> None:
        raise KeyError

    monkeypatch.setattr("smsgate._client.call.unrecognised", defect)
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(KeyError) as caught:
                await session.send_sms(NUMBER, "hello")
    assert caught.traceback[-1].name == "send_sms", "no frame below the call is kept"
    assert re.search(
        rf"SendSMS to \+380\S+ failed unexpectedly in .*{re.escape(__file__)}:[0-9]+$",
        caplog.text,
        re.MULTILINE,
    )


async def test_invalid_copy_of_a_message_is_refused_before_sending() -> None:
    good = smsgate.Message(destinations=NUMBER, text="hello")
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            for change in (
                {"sender": "Too long a sender"},
                {"text": ""},
                {"destinations": ("12",)},
            ):
                with pytest.raises(ValidationError, match=next(iter(change))) as caught:
                    await session.send(good.model_copy(update=change))
                assert caught.value.__context__ is None
            assert not sandbox.calls
            await session.send(good.model_copy(update={"destinations": "+38 050 7654321"}))
        assert [one.destination for one in sandbox.messages] == ["+380507654321"]


async def test_anything_but_a_message_is_refused() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(TypeError, match="message"):
                await session.send("hello")  # type: ignore[arg-type]  # the mistake under test


# --- logins ---------------------------------------------------------------------------------------


@each_own
async def test_one_cookie_never_has_two_requests_in_flight(own: dict[str, Any]) -> None:
    with Sandbox(Settings(hold_seconds=0.01, lock_cookies=False)) as sandbox:
        async with session_at(sandbox, concurrency=4, **own) as session:
            ended = await together(60, session.get_credit_balance)
        assert len(ended) == 60
        assert sandbox.most_in_flight == 1
        assert sandbox.calls["Auth"] == 4


async def test_login_is_opened_only_when_the_others_are_busy() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=8) as session:
            for _ in range(10):
                await session.get_credit_balance()
        assert sandbox.calls["Auth"] == 1


async def test_eight_logins_are_about_eight_times_as_fast_as_one() -> None:
    """Where the gateway locks cookies."""

    async def seconds(concurrency: int) -> float:
        with Sandbox(Settings(hold_seconds=0.1)) as sandbox:
            async with session_at(sandbox, concurrency=concurrency) as session:
                await together(concurrency, session.get_credit_balance)
                started = time.perf_counter()
                await together(24, session.get_credit_balance)
                return time.perf_counter() - started

    ratio = await seconds(1) / await seconds(8)
    print(f"concurrency=8 is {ratio:.1f} times as fast as concurrency=1")
    assert ratio > 2, "one after the other would be 1, and a busy machine costs some of the 8"


async def test_calls_are_served_first_come_first_served() -> None:
    order: list[int] = []
    with Sandbox() as sandbox:
        async with (
            session_at(sandbox, concurrency=1) as session,
            anyio.create_task_group() as tasks,
        ):

            async def call(number: int) -> None:
                await session.get_credit_balance()
                order.append(number)

            for number in range(20):
                tasks.start_soon(call, number)
                await anyio.lowlevel.checkpoint()
    assert sorted(order) == list(range(20))
    if order[0] == 0:  # trio starts tasks in any order
        assert order == list(range(20))


# --- re-authentication ----------------------------------------------------------------------------


@each_own
async def test_each_session_loss_costs_one_login_however_many_calls_wait(
    own: dict[str, Any],
) -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=1, **own) as session:
            await session.auth()
            for loss in range(1, count(short=4, full=20) + 1):
                sandbox.drop_sessions()
                ended = await together(100, session.get_credit_balance)
                assert all(isinstance(one, Decimal) for one in ended)
                assert sandbox.calls["Auth"] == 1 + loss


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_wrong_password_is_tried_once_however_many_calls_wait(concurrency: int) -> None:
    with Sandbox() as sandbox:
        async with smsgate.AsyncSession(
            "sandbox", "wrong", sender="Shop", url=sandbox.url, concurrency=concurrency
        ) as session:
            ended = await together(100, lambda: session.send_sms(NUMBER, "hello"))
            assert all(isinstance(one, smsgate.BadCredentials) for one in ended)
            with pytest.raises(smsgate.BadCredentials):
                await session.auth()
        assert sandbox.calls["Auth"] == 1


async def test_changed_password_is_noticed_and_remembered() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=1) as session:
            await session.auth()
            session._calls._logins._credentials = type(session._calls._logins._credentials)(
                "sandbox", "changed meanwhile"
            )
            sandbox.drop_sessions()
            ended = await together(20, session.get_credit_balance)
            assert all(isinstance(one, smsgate.BadCredentials) for one in ended)
        assert sandbox.calls["Auth"] == 2


async def test_send_that_meets_a_dead_cookie_goes_out_once() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=1) as session:
            await session.auth()
            sandbox.drop_sessions()
            await session.send_sms(NUMBER, "hello")
        assert sandbox.calls["SendSMS"] == 2, "refused, then repeated"
        assert len(sandbox.messages) == 1


@pytest.mark.parametrize("sentence", ["Вы не авторизованы", "Вы не авторизированы"])
async def test_call_is_refused_after_one_new_login(sentence: str) -> None:
    body = fault_server.ACCEPTED.decode()
    head, rest = body.split("<ns1:ResultArray>", 1)
    tail = rest[rest.rindex("</ns1:ResultArray>") :]
    dead = f"{head}<ns1:ResultArray>{sentence}{tail}".encode()
    with FaultServer(fault_server.answering(dead)).running() as server:
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url
        ) as session:
            with pytest.raises(smsgate.NotAuthorised):
                await session.send_sms(NUMBER, "hello")
    assert len(server.sends()) == 2
    assert len(server.requests) == 4, "two logins"


async def test_login_without_a_cookie_sends_nothing() -> None:
    def no_cookie(connection: fault_server.Connection) -> None:
        connection.request()
        connection.answer(fault_server.AUTHORISED)

    server = FaultServer(no_cookie)
    server.requests.append(fault_server.Request("", b"<ns1:Auth>"))  # straight to the fault
    with server.running():
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url
        ) as session:
            with pytest.raises(smsgate.NotSent, match="cookie"):
                await session.send_sms(NUMBER, "hello")
            with pytest.raises(smsgate.InDoubt, match="cookie"):
                await session.auth()
    assert server.sends() == []


async def test_long_idle_cookie_is_renewed_before_use() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=1) as session:
            await session.auth()
            session._calls._logins._idle[0].last_used -= 20 * 60
            await session.send_sms(NUMBER, "hello")
        assert sandbox.calls["Auth"] == 2
        assert sandbox.calls["SendSMS"] == 1


# --- deadlines ------------------------------------------------------------------------------------


async def test_timed_out_send_is_in_doubt_and_a_queued_one_not_sent() -> None:
    with Sandbox(Settings(hold_seconds=1.0)) as sandbox:
        async with session_at(sandbox, concurrency=1) as session:
            await session.auth()
            session._config = replace(session._config, timeouts=smsgate.Timeouts(send=0.5))
            ended = await together(2, lambda: session.send_sms(NUMBER, "hello"))
        kinds = sorted(type(error).__name__ for error in ended)
        assert kinds == ["InDoubt", "NotSent"]
        assert {error.reason for error in ended} == {smsgate.Reason.TIMED_OUT}  # type: ignore[attr-defined]
        await anyio.sleep(0.8)
        assert len(sandbox.messages) == 1, "the gateway finishes what it received"


async def test_send_refused_for_its_cookie_is_not_sent_if_login_is_slow() -> None:
    dead = fault_server.ENVELOPE.format(
        "<ns1:SendSMSResponse><ns1:SendSMSResult>"
        "<ns1:ResultArray>Вы не авторизованы</ns1:ResultArray></ns1:SendSMSResult>"
        "</ns1:SendSMSResponse>"
    ).encode()

    def refuse_and_fall_silent(connection: fault_server.Connection) -> None:
        if b"<ns1:Auth>" in connection.request():
            connection.hold()
        connection.answer(dead)

    with FaultServer(refuse_and_fall_silent).running() as server:
        async with smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url, timeouts=smsgate.Timeouts(send=0.5)
        ) as session:
            with pytest.raises(smsgate.NotSent) as caught:
                await session.send_sms(NUMBER, "hello")
    assert caught.value.reason is smsgate.Reason.TIMED_OUT
    assert len(server.sends()) == 1


async def test_slow_login_sends_nothing() -> None:
    with Sandbox(Settings(hold_seconds=1.0)) as sandbox:
        async with session_at(sandbox, timeouts=smsgate.Timeouts(send=0.2)) as session:
            with pytest.raises(smsgate.NotSent) as caught:
                await session.send_sms(NUMBER, "hello")
    assert caught.value.reason is smsgate.Reason.TIMED_OUT


@pytest.mark.parametrize("name", ["connect", "read", "send", "keep_alive"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "1", True, None])
def test_deadline_is_a_number_of_seconds(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        smsgate.Timeouts(**{name: value})


# --- cancellation ---------------------------------------------------------------------------------


class CancelAt(logging.Handler):
    """Cancels a scope at the n-th event that httpcore logs, in the middle of the call."""

    def __init__(self, scope: anyio.CancelScope, n: int) -> None:
        super().__init__()
        self.scope, self.left, self.events = scope, n, list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(record.getMessage().split(" ")[0])
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


async def test_session_survives_cancellation_at_each_trace_event() -> None:
    logger = logging.getLogger("httpcore")
    level = logger.level
    n = 0
    reached: list[str] = []
    while True:
        n += 1
        with Sandbox() as sandbox:
            async with session_at(sandbox, concurrency=1) as session:
                scope = anyio.CancelScope()
                cancel = CancelAt(scope, n)
                logger.addHandler(cancel)
                logger.setLevel(logging.DEBUG)

                async def lead(
                    scope: anyio.CancelScope = scope, session: smsgate.AsyncSession = session
                ) -> None:
                    with scope:
                        await session.send_sms(NUMBER, "leading")

                try:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(lead)
                        await anyio.sleep(0.02)
                        for _ in range(5):
                            tasks.start_soon(session.send_sms, "+380671112233", "waiting")
                finally:
                    logger.removeHandler(cancel)
                    logger.setLevel(level)
                assert await session.get_credit_balance() > 0
            texts = [message.text for message in sandbox.messages]
            assert texts.count("waiting") == 5
            assert texts.count("leading") <= 1
            assert sandbox.calls["Auth"] <= 3
            assert sandbox.most_in_flight == 1
            if not scope.cancelled_caught:
                break
            reached.append(cancel.events[n - 1])
            if not any(
                event.startswith("send_request_headers.started") for event in cancel.events[:n]
            ):
                assert "leading" not in texts, "no byte had left"
    assert {
        "connect_tcp.started",
        "send_request_headers.started",
        "send_request_body.complete",
    } <= set(reached)
    assert len(reached) >= 12


class Step(Generator[Any, Any, Any]):
    """Runs a coroutine, and calls a function when it waits for the n-th time."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], n: int, call: Callable[[], None]
    ) -> None:
        self.coroutine, self.left, self.call = coroutine, n, call

    def send(self, value: Any) -> Any:
        return self.counted(self.coroutine.send(value))

    def throw(self, *given: Any) -> Any:
        return self.counted(self.coroutine.throw(*given))

    def counted(self, waiting: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            self.call()
        return waiting

    def __await__(self) -> Step:
        return self


@each_own
async def test_session_survives_cancellation_at_each_await(own: dict[str, Any]) -> None:
    n, in_doubt = 0, 0
    # An answer that came at once could come before the cancellation.
    with Sandbox(Settings(hold_seconds=0.05)) as sandbox:
        while True:
            n += 1
            async with session_at(sandbox, concurrency=1, **own) as session:
                record = SendRecord()
                with anyio.CancelScope() as scope:
                    message = smsgate.Message(destinations=NUMBER, text=f"{n}")
                    await Step(send_recorded(session, message, record), n, scope.cancel)
                assert await session.get_credit_balance() > 0
            texts = [message.text for message in sandbox.messages]
            assert texts.count(f"{n}") <= (1 if record.left else 0)
            if not scope.cancelled_caught:
                break
            in_doubt += record.left
    assert texts.count(f"{n}") == 1
    assert 1 <= in_doubt < n - 4
    assert sandbox.most_in_flight == 1


@each_own
async def test_cancelled_send_is_logged_as_in_doubt_once_it_left(
    caplog: pytest.LogCaptureFixture, own: dict[str, Any]
) -> None:
    with Sandbox(Settings(hold_seconds=0.5)) as sandbox:
        async with session_at(sandbox, concurrency=1, **own) as session:
            await session.auth()
            with anyio.move_on_after(0.2):
                await session.send_sms(NUMBER, "hello")
    (record,) = [record for record in caplog.records if "cancelled" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "+380*****4567" in record.getMessage()


@each_own
async def test_session_survives_many_random_cancellations(own: dict[str, Any]) -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox, concurrency=4, **own) as session:
            for turn in range(60):
                async with anyio.create_task_group() as tasks:
                    for number in range(8):

                        async def call(delay: float = (turn * 8 + number) % 97 / 4000) -> None:
                            with anyio.move_on_after(delay):
                                await session.get_credit_balance()

                        tasks.start_soon(call)
            ended = await together(40, session.get_credit_balance)
            assert all(isinstance(one, Decimal) for one in ended)
            assert len(session._calls._logins._idle) <= 4
        assert sandbox.most_in_flight == 1


@each_own
async def test_cookie_of_an_interrupted_request_is_not_used_again(own: dict[str, Any]) -> None:
    """The gateway may still be working on the request."""
    with Sandbox(Settings(hold_seconds=0.3)) as sandbox:
        async with session_at(sandbox, concurrency=1, **own) as session:
            await session.auth()
            with anyio.move_on_after(0.1):
                await session.send_sms(NUMBER, "hello")
            await session.get_credit_balance()
        assert sandbox.calls["SendSMS"] == 1
        assert sandbox.calls["Auth"] == 2
        assert sandbox.most_in_flight == 1


@each_own
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_session_survives_a_task_cancelled_twice(
    caplog: pytest.LogCaptureFixture, own: dict[str, Any]
) -> None:
    with Sandbox(Settings(hold_seconds=0.2)) as sandbox:
        async with session_at(
            sandbox, concurrency=1, timeouts=smsgate.Timeouts(connect=1.0), **own
        ) as session:
            for _ in range(5):
                await session.auth()
                task = asyncio.ensure_future(session.get_credit_balance())
                await asyncio.sleep(0.1)
                task.cancel()
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert isinstance(await session.get_credit_balance(), Decimal)
    assert "trying again" not in caplog.text, "no call had to wait in vain for a connection"


# --- opening and closing --------------------------------------------------------------------------


async def test_session_that_is_not_open_sends_nothing() -> None:
    with Sandbox() as sandbox:
        session = session_at(sandbox)
        with pytest.raises(smsgate.NotSent, match="async with") as caught:
            await session.send_sms(NUMBER, "hello")
        assert caught.value.reason is smsgate.Reason.NOT_OPEN
        assert not sandbox.calls


async def test_closed_session_sends_nothing_and_cannot_be_reopened() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            pass
        with pytest.raises(smsgate.NotSent, match="closed") as caught:
            await session.send_sms(NUMBER, "hello")
        assert caught.value.reason is smsgate.Reason.CLOSED
        with pytest.raises(smsgate.NotSent):
            await session.__aenter__()
        await session.aclose()
        assert not sandbox.calls


async def test_session_cannot_be_opened_twice() -> None:
    with Sandbox() as sandbox:
        async with session_at(sandbox) as session:
            with pytest.raises(smsgate.NotSent, match="once"):
                await session.__aenter__()


def test_session_on_another_event_loop_sends_nothing() -> None:
    with Sandbox() as sandbox:
        session = session_at(sandbox)

        async def use() -> Decimal:
            return await session.get_credit_balance()

        async def enter_and_use() -> None:
            await session.__aenter__()
            await use()

        with asyncio.Runner() as runner:
            runner.run(enter_and_use())
            for call in (use, session.aclose):
                with pytest.raises(smsgate.NotSent, match="event loop") as caught:
                    asyncio.run(call())
                assert caught.value.reason is smsgate.Reason.OTHER_EVENT_LOOP
            assert isinstance(runner.run(use()), Decimal)
            runner.run(session.aclose())


async def test_closing_waits_for_open_calls() -> None:
    ended: list[object] = []
    with Sandbox(Settings(hold_seconds=0.3)) as sandbox:
        session = await session_at(sandbox, concurrency=1).__aenter__()

        async def send() -> None:
            ended.append(await session.send_sms(NUMBER, "hello"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await anyio.sleep(0.1)
            await session.aclose()
            assert len(ended) == 1 or len(sandbox.messages) == 1
    assert isinstance(ended[0], smsgate.SendResult)


class Slow:
    """Accepts a message after a while, and records when the client closes the connection."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __call__(self, connection: fault_server.Connection) -> None:
        time.sleep(0.4)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(fault_server.ACCEPTED)}\r\n\r\n"
        connection.send(head.encode() + fault_server.ACCEPTED)
        try:
            connection.hold(5)
        except fault_server.Gone:
            self.closed.set()


async def sending(session: smsgate.AsyncSession, ended: list[object]) -> None:
    ended.append(await session.send_sms(NUMBER, "hello"))


async def test_interrupted_closing_is_finished_by_closing_again() -> None:
    ended: list[object] = []
    slow = Slow()
    with FaultServer(fault_server.then(slow)).running() as server:
        session = await smsgate.AsyncSession(
            "login", "password", sender="Shop", url=server.url
        ).__aenter__()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sending, session, ended)
            await anyio.sleep(0.2)
            with anyio.move_on_after(0.05) as cut_off:
                await session.aclose()
            assert cut_off.cancelled_caught
            with pytest.raises(smsgate.NotSent, match="closed"):
                await session.send_sms(NUMBER, "hello")
            assert not ended
            await session.aclose()
            assert len(server.sends()) == 1
            assert await anyio.to_thread.run_sync(slow.closed.wait, 2), "and its connection with it"
        await session.aclose()
    assert isinstance(ended[0], smsgate.SendResult)


async def test_call_that_outlives_interrupted_closing_closes_its_client() -> None:
    ended: list[object] = []
    slow = Slow()
    with FaultServer(fault_server.then(slow)).running() as server:
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(0.2):
                async with smsgate.AsyncSession(
                    "login", "password", sender="Shop", url=server.url
                ) as session:
                    tasks.start_soon(sending, session, ended)
                    await anyio.sleep(5)
        assert isinstance(ended[0], smsgate.SendResult), "it is not cut off"
        assert await anyio.to_thread.run_sync(slow.closed.wait, 2)


def test_session_may_be_made_and_opened_on_different_event_loops() -> None:
    async def make() -> smsgate.AsyncSession:
        return session_at(sandbox, concurrency=1)

    async def use(session: smsgate.AsyncSession) -> list[object]:
        async with session:
            return await together(5, session.get_credit_balance)

    with Sandbox() as sandbox:
        for made, opened in (("asyncio", "trio"), ("trio", "asyncio")):
            session = anyio.run(make, backend=made)
            assert all(isinstance(one, Decimal) for one in anyio.run(use, session, backend=opened))


async def test_error_in_the_block_is_raised_unchanged() -> None:
    with Sandbox(Settings(credits=Decimal(0))) as sandbox, pytest.raises(smsgate.NotEnoughCredits):
        async with session_at(sandbox) as session:
            await session.send_sms(NUMBER, "hello")


# --- clients that are passed in -------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS)
async def test_client_that_is_passed_in_is_used_and_not_closed(client: str) -> None:
    with Sandbox() as sandbox:
        async with CLIENTS[client]() as http_client:
            async with session_at(sandbox, http_client=http_client, concurrency=3) as session:
                ended = await together(30, lambda: session.send_sms(NUMBER, "hello"))
                sandbox.drop_sessions()
                ended += await together(30, lambda: session.send_sms(NUMBER, "hello"))
            assert not http_client.is_closed
        assert all(isinstance(one, smsgate.SendResult) for one in ended)
        assert len(sandbox.messages) == 60
        assert sandbox.most_in_flight == 1
        assert sandbox.calls["Auth"] <= 6


async def test_closed_client_sends_nothing() -> None:
    with Sandbox() as sandbox:
        async with httpx.AsyncClient() as http_client:
            pass
        async with session_at(sandbox, http_client=http_client) as session:
            with pytest.raises(smsgate.NotSent, match="closed"):
                await session.send_sms(NUMBER, "hello")


@pytest.mark.parametrize("module", [httpx, httpx2])
async def test_in_process_gateway_works_without_trace_events(module: Any) -> None:
    sandbox = Sandbox()
    async with module.AsyncClient(transport=module.ASGITransport(app=sandbox.app)) as http_client:
        url = "http://localhost/api/soap.html"
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", sender="Shop", url=url, http_client=http_client
        ) as session:
            result = await session.send_sms(NUMBER, "hello")
    assert sandbox.messages[0].id == result.message_ids[0]


async def test_address_that_the_client_cannot_use_sends_nothing() -> None:
    # urllib takes it, httpx does not.
    async with smsgate.AsyncSession(
        "login", "password", sender="Shop", url="http://[::1]x/"
    ) as session:
        with pytest.raises(smsgate.NotSent):
            await session.send_sms(NUMBER, "hello")


# --- settings -------------------------------------------------------------------------------------


def test_environment_gives_the_settings() -> None:
    environ = {
        "SMSGATE_LOGIN": "a",
        "SMSGATE_PASSWORD": "b",
        "SMSGATE_SENDER": "Shop",
        "SMSGATE_URL": "https://example.com/soap",
        "SMSGATE_CONCURRENCY": "7",
        "SMSGATE_TRANSPORT": "aiohttp",
    }
    session = smsgate.AsyncSession.from_env(environ=environ)
    assert repr(session) == "<AsyncSession https://example.com/soap not open>"
    assert session._config.sender == "Shop"
    assert session._config.concurrency == 7
    assert session._config.transport == "aiohttp"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "SMSGATE_LOGIN and SMSGATE_PASSWORD"),
        ({"SMSGATE_LOGIN": "a"}, "SMSGATE_PASSWORD"),
        ({"SMSGATE_LOGIN": "a", "SMSGATE_PASSWORD": ""}, "SMSGATE_PASSWORD"),
        (
            {"SMSGATE_LOGIN": "a", "SMSGATE_PASSWORD": "b", "SMSGATE_CONCURRENCY": "many"},
            "SMSGATE_CONCURRENCY",
        ),
    ],
)
def test_missing_environment_variables_are_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        smsgate.AsyncSession.from_env(environ=environ)


def test_constructor_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGATE_SENDER", "Other")
    monkeypatch.setenv("SMSGATE_URL", "https://example.com/soap")
    with pytest.warns(smsgate.PlainHttpWarning, match="password"):
        session = smsgate.AsyncSession("login", "password")
    assert session._config.sender is None
    assert session._config.url == smsgate.GATEWAY_URL


def test_plain_http_warning_points_at_the_callers_line() -> None:
    environ = {"SMSGATE_LOGIN": "a", "SMSGATE_PASSWORD": "b"}
    for make in (
        lambda: smsgate.AsyncSession("a", "b"),
        lambda: smsgate.AsyncSession.from_env(environ=environ),
    ):
        with pytest.warns(smsgate.PlainHttpWarning) as warned:
            make()
        assert [one.filename for one in warned] == [__file__]


@pytest.mark.parametrize(
    "url", ["https://example.com/", "http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/"]
)
def test_safe_address_is_not_warned_of(url: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        smsgate.AsyncSession("login", "password", url=url)


def test_session_can_be_neither_pickled_nor_copied() -> None:
    session = smsgate.AsyncSession("login", "password", url="https://example.com/")
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="session"):
            copied(session)
