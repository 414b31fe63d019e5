"""What users write, as type checkers see it. This file is never run.

mypy and pyright must accept the lines without a mark and reject those with one: a mark that is not
needed is an error, too.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import httpx
import httpx2

import smsgate
from smsgate._client.observing import CallEnd, CallStart
from smsgate.campaign import Campaign, Event, Figures
from smsgate.sandbox import FaultKind, FaultRule, Sandbox, SandboxMessage
from smsgate.settings import SmsGateSettings


async def the_five_operations(session: smsgate.AsyncSession) -> None:
    assert_type(await session.auth(), None)
    assert_type(await session.get_credit_balance(), Decimal)
    assert_type(await session.send_sms("+380501234567", "hello"), smsgate.SendResult)
    assert_type(
        await session.send_sms(["+380501234567"], wappush="https://example.com/", sender="Shop"),
        smsgate.SendResult,
    )
    assert_type(await session.get_new_messages(), list[str])
    assert_type(
        await session.get_message_status("c9482a41-27d1-44f8-bd5c-d34104ca5ba9"),
        smsgate.DeliveryStatus,
    )

    await session.send_sms("+380501234567", b"hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await session.send_sms("+380501234567", "hello", "Shop")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await session.send_sms(380501234567, "hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await session.send("hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await session.get_message_status(12)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def settings_and_observers() -> None:
    found = SmsGateSettings.read(env_file=".env", secrets_dir=Path("/run/secrets"), concurrency=2)
    assert_type(found, SmsGateSettings)
    assert_type(
        smsgate.AsyncSession.from_settings(found, observer=Counting()), smsgate.AsyncSession
    )
    assert_type(smsgate.AsyncSession.from_env(observer=Counting()), smsgate.AsyncSession)
    smsgate.Message(destinations="050 123-45-67", text="hello", country="UA")

    smsgate.AsyncSession.from_settings({})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    smsgate.AsyncSession("a", "b", observer=print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    smsgate.AsyncSession("a", "b", country=380)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SmsGateSettings.read(env_file=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Counting:
    calls = 0

    def begin(self, call: CallStart) -> Callable[[CallEnd], None]:
        self.calls += len(call.operation)
        return lambda end: print(end.outcome)


async def options_of_a_campaign(session: smsgate.AsyncSession, campaign: Campaign) -> None:
    await campaign.run(session, rate=10, batch=50)
    await campaign.run(session, ratee=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await campaign.poll(session, again="often")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def what_stands_on_top(session: smsgate.AsyncSession) -> None:
    async def source() -> AsyncIterator[smsgate.Message]:
        yield smsgate.Message(destinations="+380501234567", text="hello")

    async for outcome in session.send_many(
        [smsgate.Message(destinations=["+380501234567"], text="hello")], rate=10
    ):
        assert_type(outcome, smsgate.SendOutcome)
        if outcome.result is not None:
            assert_type(outcome.result.message_ids, tuple[str, ...])
            assert_type(outcome.result.recipients[0].outcome, smsgate.Outcome)
            assert_type(outcome.result.answers[0].answer, smsgate.Answer)
    async for outcome in session.send_many(source()):
        assert_type(outcome.message, smsgate.Message)
    async for status in session.wait_for_delivery(
        "c9482a41-27d1-44f8-bd5c-d34104ca5ba9", timeout=60
    ):
        assert_type(status, smsgate.DeliveryStatus)
        assert_type(status.state, smsgate.DeliveryState)
        assert_type(status.final, bool)

    await session.send_many([]).aclose()
    await session.wait_for_delivery([], timeout=60).aclose()

    session.send_many(["hello"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    session.wait_for_delivery("c9482a41-27d1-44f8-bd5c-d34104ca5ba9")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def sessions() -> None:
    smsgate.AsyncSession("login", "password")
    smsgate.AsyncSession(
        "login",
        "password",
        sender="Shop",
        concurrency=8,
        timeouts=smsgate.Timeouts(send=600),
        verify=ssl.create_default_context(),
    )
    smsgate.AsyncSession("login", "password", http_client=httpx.AsyncClient())
    smsgate.AsyncSession("login", "password", http_client=httpx2.AsyncClient())
    assert_type(smsgate.AsyncSession.from_env(), smsgate.AsyncSession)

    smsgate.AsyncSession("login")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    smsgate.AsyncSession("login", "password", "Shop")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    smsgate.AsyncSession("login", "password", timeouts=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    smsgate.AsyncSession("login", "password", http_client=httpx.Client())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def errors(error: smsgate.SmsGateError) -> None:
    assert_type(error.sent, bool | None)
    match error:
        case smsgate.NotEnoughCredits():
            assert_type(error.missing, Decimal)
        case smsgate.Refused():
            assert_type(error.text, str)
        case smsgate.InDoubt():
            assert_type(error.reason, smsgate.Reason)
            assert_type(error.evidence.ids, tuple[str, ...])
        case smsgate.NotSent():
            assert_type(error.reason, smsgate.Reason)
        case _:
            pass


def values() -> None:
    assert_type(smsgate.segments("hello").parts, int)
    assert_type(smsgate.segments("hello").alphabet, smsgate.Alphabet)
    message = smsgate.Message(destinations="+380501234567,+380671234567", text="hello")
    assert_type(message.destinations, tuple[str, ...])
    assert_type(message.sender, str | None)

    smsgate.Message(text="hello")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    smsgate.Message("+380501234567", "hello")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    message.text = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def campaigns(path: Path) -> None:
    with Campaign.open(path) as campaign:
        assert_type(campaign.figures(), Figures)
        assert_type(campaign.resolve(Event.GIVE_UP, who="me"), int)
        campaign.resolve("give up", who="me")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        campaign.resolve(Event.GIVE_UP)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def in_tests(sandbox: Sandbox) -> None:
    assert_type(sandbox.messages, tuple[SandboxMessage, ...])
    assert_type(sandbox.faults.add(FaultKind.RESET_AFTER, operation="SendSMS"), FaultRule)
    sandbox.faults.add("html", probability="often")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
