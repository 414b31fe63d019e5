"""aiohttp:

the example of the documentation as a user runs it, on a sandbox, with warnings as errors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from examples import example

import smsgate
from smsgate.integrations.aiohttp import SMS_SESSION, sms_context
from smsgate.sandbox import Sandbox
from smsgate.stop_list import StopList

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("smsgate_environment")]

NUMBER, REFUSED = "+380501234567", "+380000000001"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # the only one that aiohttp knows


@asynccontextmanager
async def aiohttp_client(app: web.Application) -> AsyncIterator[Any]:
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    ("number", "fault", "status"),
    [(NUMBER, None, 200), ("12", None, 422), (REFUSED, None, 422), (NUMBER, "drop after", 504)],
)
async def test_a_notice_has_an_answer_for_each_outcome(
    number: str, fault: str | None, status: int, smsgate_sandbox: Sandbox
):
    if fault:
        smsgate_sandbox.faults.add(fault, operation="SendSMS")
    async with aiohttp_client(example("aiohttp_notices").make_app()) as client:
        answer = await client.post("/orders/4815/ready", data={"number": number})
        assert answer.status == status
        if status == 200:
            assert (await answer.json())["message_id"] == smsgate_sandbox.messages[0].id


async def test_account_problems_are_hidden_from_the_caller(
    smsgate_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
):
    smsgate_sandbox.balance = 0
    async with aiohttp_client(example("aiohttp_notices").make_app()) as client:
        answer = await client.post("/orders/4815/ready", data={"number": NUMBER})
        assert (answer.status, await answer.text()) == (503, "nothing was sent")
    assert "the gateway refuses to send: not enough credits" in caplog.text


async def test_session_is_closed_with_the_aiohttp_application():
    app = web.Application()
    app.cleanup_ctx.append(sms_context())
    async with aiohttp_client(app):
        session = app[SMS_SESSION]
        assert await session.get_credit_balance() == 10_000
    with pytest.raises(smsgate.NotSent, match="closed"):
        await session.get_credit_balance()


async def test_named_stop_list_holds_for_the_session(tmp_path: Path, smsgate_sandbox: Sandbox):
    async with StopList(tmp_path / "stop.db") as stop_list:
        await stop_list.add(NUMBER)
    app = web.Application()
    app.cleanup_ctx.append(sms_context(stop_list=tmp_path / "stop.db"))
    async with aiohttp_client(app):
        with pytest.raises(smsgate.OnStopList):
            await app[SMS_SESSION].send_sms(NUMBER, "Hello", sender="Shop")
    assert not smsgate_sandbox.messages


async def test_shutdown_cancels_calls_after_the_grace_and_logs_it(smsgate_sandbox: Sandbox):
    smsgate_sandbox.faults.add("silent after", operation="SendSMS")
    app = web.Application()
    app.cleanup_ctx.append(sms_context(grace=0.1))
    ended = []

    async def send(session: smsgate.AsyncSession) -> None:
        with pytest.raises(smsgate.InDoubt) as caught:
            await session.send_sms(NUMBER, "hello")
        ended.append(caught.value.reason)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks, aiohttp_client(app):
            tasks.start_soon(send, app[SMS_SESSION])
            while not smsgate_sandbox.messages:  # noqa: ASYNC110 - the sandbox serves in a thread
                await anyio.sleep(0.01)
    assert ended == [smsgate.Reason.CLOSED]


@pytest.mark.parametrize("grace", [-1, float("inf"), float("nan"), "8", True, False])
def test_bad_grace_is_refused_at_once_not_at_shutdown(grace: Any):
    with pytest.raises(
        ValueError, match=r"^grace: must be a number of seconds, 0 or more, or None"
    ):
        sms_context(grace=grace)
