"""Waiting for a message of the sandbox, and the one-time code in a text."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from test_sandbox import GOOD, OTHER, User
from test_sandbox_api import call, got

from smsgate.protocol.answers import DeliveryState
from smsgate.sandbox import Sandbox, Settings
from smsgate.sandbox.codes import code_of


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def later() -> Iterator[Any]:
    """Runs something in a moment, when the test already waits."""
    timers: list[threading.Timer] = []

    def run(task: Any) -> None:
        timers.append(threading.Timer(0.3, task))
        timers[-1].start()

    yield run
    for timer in timers:
        timer.join()


CODES = {
    "Ваш код: 4815": "4815",
    "Код підтвердження: 481 502. Нікому його не кажіть": "481502",
    "Your password is 123-456!": "123456",
    "PIN 12345678": "12345678",
    "Код: 1. Ні, 4815 чи 1623": "4815",
    "Код https://shop.example/4815 тут 1623": "1623",
    "Код на сайті https://shop.example/4815": None,
    "Код: 123": None,
    "Код: 123456789": None,
    "Код діє до 12.10.2026": None,
    "Код +380501234567": None,
    "Замовлення 4815": None,
    "Код:4815": "4815",
    "G-123456 is your Google verification code": "123456",
    "Код: 12 34 56": "123456",
    "Оплата 1500 грн. Код: 4815": "4815",
    "Замовлення 12345, код 4815": "4815",
    "Код-4815": "4815",
    "4815 — ваш код": "4815",
    "Use 4815 as your code, not as a password": "4815",
    "Підпис 2026, otp=4815": "4815",
    "промокод SALE2024 до 31 грудня": None,
    "промо-код 2024": None,
    "Кодування 1251 готове": None,
    "Код міста 044, тел 1234567": None,
    "Код надішлемо, тел. 1234567": None,
    "Сума 1500 грн, пароль змінено": None,
    "Накладна 12345 готова. Код надійде окремо": None,
    "Код 123 456 789": None,
    "Код діє до 12:30": None,
    "Spinning 4815": None,
    "": None,
}


@pytest.mark.parametrize("text", CODES)
def test_code_is_found_where_the_text_speaks_of_one(text: str):
    assert code_of(text) == CODES[text]


def test_link_without_a_text_has_no_code():
    assert code_of(None) is None


def test_reply_has_the_newest_code_of_the_number(sandbox: Sandbox):
    user = User(sandbox)
    for number, text in (
        (GOOD, "код 1111"),
        (GOOD, "код 2222"),
        (GOOD, "Дякуємо"),
        (OTHER, "код 3333"),
    ):
        user.send(number, text)
    seen = got(sandbox, f"/sandbox/messages?to={quote(GOOD)}")
    assert seen["code"] == "2222"
    assert [message["code"] for message in seen["messages"]] == ["1111", "2222", None]
    assert got(sandbox, "/sandbox/messages?to=380999999999")["code"] is None
    assert [message.code for message in sandbox.messages] == ["1111", "2222", None, "3333"]


@pytest.mark.parametrize("written", ["+380 50 123 45 67", "380501234567", "+380 (50) 123-45-67"])
def test_number_may_be_written_as_people_do(written: str, sandbox: Sandbox):
    User(sandbox).send(f"{GOOD},{OTHER}")
    assert got(sandbox, f"/sandbox/messages?to={quote(written)}")["total"] == 1
    assert sandbox.wait_for_message(written).destination == GOOD


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("to=0501234567", "to: a phone number with its calling code, such as +380501234567"),
        ("to=x", "to: a phone number with its calling code"),
        ("to=&wait=1", "to: a phone number with its calling code"),
        ("wait=61", "wait: a whole number from 0 to 60"),
        ("wait=1&search=is:eaten", "search: is: needs"),
        ("wait=1&after=x", "after: a whole number"),
    ],
)
def test_wait_for_the_impossible_is_refused_at_once(query: str, error: str, sandbox: Sandbox):
    status, document = call(sandbox, f"/sandbox/messages?{query}")
    assert status == 400
    assert document["error"].startswith(error)


def test_request_waits_until_the_message_is_there(sandbox: Sandbox, later: Any):
    user = User(sandbox)
    user.send(OTHER, "код 1111")
    later(lambda: (user.send(GOOD, "Дякуємо"), user.send(GOOD, "код 2222")))
    seen = got(sandbox, f"/sandbox/messages?to={quote(GOOD)}&search=has:code&wait=30")
    assert (seen["code"], seen["total"]) == ("2222", 1)


def test_message_that_is_there_is_returned_at_once(sandbox: Sandbox):
    User(sandbox).send(GOOD, "код 1111")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(got, sandbox, "/sandbox/messages?wait=60")
        assert asked.result(timeout=30)["code"] == "1111"


def test_wait_goes_on_for_messages_after_a_known_one(sandbox: Sandbox, later: Any):
    user = User(sandbox)
    user.send(GOOD, "код 1111")
    later(lambda: user.send(GOOD, "код 2222"))
    assert got(sandbox, "/sandbox/messages?after=1&wait=30")["code"] == "2222"


def test_wait_ends_empty_when_the_time_is_up(sandbox: Sandbox):
    seen = got(sandbox, "/sandbox/messages?wait=1")
    assert (seen["messages"], seen["code"]) == ([], None)


def test_wait_for_a_delivery_status_follows_the_schedule():
    with Sandbox(Settings(delivery_seconds=0.5)) as sandbox:
        User(sandbox).send()
        seen = got(sandbox, "/sandbox/messages?search=is:delivered&wait=30")
        assert [message["state"] for message in seen["messages"]] == ["delivered"]


def test_wait_ends_when_the_sandbox_stops(later: Any):
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, sandbox, "/sandbox/messages?wait=60")
        later(lambda: sandbox.__exit__(None, None, None))
        status, document = asked.result(timeout=30)
        assert (status, document["messages"]) == (200, [])


def test_program_waits_for_a_message(sandbox: Sandbox, later: Any):
    user = User(sandbox)
    later(user.send)
    assert sandbox.wait_for_message(GOOD, timeout=30).code == "4815"


def test_time_out_says_how_many_sends_were_refused(sandbox: Sandbox, later: Any):
    user = User(sandbox)
    user.send("+9873000")
    later(lambda: (user.send("+9873000"), user.send(OTHER), user.call("GetCreditBalance")))
    said = (
        "no message that matches arrived within 1 s; calls of SendSMS in this time: 2, refused: 1"
    )
    with pytest.raises(TimeoutError, match=re.escape(said)) as caught:
        sandbox.wait_for_message(GOOD, timeout=1)
    assert GOOD[-4:] not in str(caught.value)


@pytest.mark.anyio
async def test_async_program_waits_for_a_message(sandbox: Sandbox):
    user = User(sandbox)
    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            await anyio.sleep(0.2)
            await anyio.to_thread.run_sync(user.send)

        tasks.start_soon(send)
        message = await sandbox.next_message(search="has:code", timeout=30)
    assert (message.code, message.state) == ("4815", DeliveryState.SENT)
    with pytest.raises(TimeoutError):
        await sandbox.next_message(OTHER, timeout=0.1)
