"""Spans and figures of a session, with OpenTelemetry's own exporters in memory (extra `otel`)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import cached_property
from typing import Any

import anyio
import needles
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

import smsgate
from smsgate._client.observing import CallEnd, CallStart
from smsgate.integrations.otel import OtelObserver
from smsgate.sandbox import FaultKind, Sandbox, Settings

pytestmark = pytest.mark.anyio

NUMBER, REFUSED, TEXT = "+380501234567", "+380000000001", needles.TEXT


class Seen:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.observer = OtelObserver(self.tracers, MeterProvider([self.reader]))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @cached_property
    def metrics(self) -> MetricsData:
        """What was counted until it is first asked for."""
        data = self.reader.get_metrics_data()
        assert data
        return data

    def points(self, name: str) -> list[Any]:
        return [
            point
            for resource in self.metrics.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def everything(self) -> str:
        spans = json.dumps([json.loads(span.to_json()) for span in self.spans], ensure_ascii=False)
        return spans + self.metrics.to_json()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(session_calls=5)) as running:
        yield running


@pytest.fixture
def seen() -> Seen:
    return Seen()


@asynccontextmanager
async def opened(
    sandbox: Sandbox, seen: Seen, **options: Any
) -> AsyncIterator[smsgate.AsyncSession]:
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=sandbox.url, observer=seen.observer, **options
    ) as session:
        yield session


async def test_each_call_is_one_client_span_named_by_the_conventions(sandbox: Sandbox, seen: Seen):
    async with opened(sandbox, seen) as session:
        await session.auth()
        await session.get_credit_balance()
        sent = await session.send_sms(NUMBER, TEXT)
        await session.get_new_messages()
        await session.get_message_status(sent.message_ids[0])
    assert [span.name for span in seen.spans] == [
        f"Service/{name}"
        for name in ("Auth", "GetCreditBalance", "SendSMS", "GetNewMessages", "GetMessageStatus")
    ]
    port = int(sandbox.url.split(":")[2].split("/")[0])
    for span in seen.spans:
        assert span.kind is SpanKind.CLIENT
        assert span.status.status_code is StatusCode.UNSET
        assert span.attributes
        assert span.attributes["rpc.system.name"] == "soap"
        assert span.attributes["rpc.method"] == span.name
        assert (span.attributes["server.address"], span.attributes["server.port"]) == (
            "127.0.0.1",
            port,
        )
    send = seen.spans[2].attributes
    assert send
    assert (
        send["smsgate.outcome"],
        send["smsgate.recipients.accepted"],
        send["smsgate.parts"],
    ) == ("accepted", 1, 1)


async def test_concurrent_calls_belong_to_their_callers(sandbox: Sandbox, seen: Seen):
    messages = [smsgate.Message(destinations=f"+38050123456{last}", text=TEXT) for last in range(8)]
    with seen.tracers.get_tracer("application").start_as_current_span("campaign") as above:
        async with opened(sandbox, seen) as session:
            async for _ in session.send_many(messages):
                pass
    sends = [span for span in seen.spans if span.name == "Service/SendSMS"]
    assert len(sends) == 8
    assert {span.parent and span.parent.span_id for span in sends} == {
        above.get_span_context().span_id
    }


async def test_duration_buckets_reach_from_milliseconds_to_the_deadline(
    sandbox: Sandbox, seen: Seen
):
    async with opened(sandbox, seen) as session:
        await session.get_credit_balance()
    (point,) = [
        point
        for point in seen.points("rpc.client.call.duration")
        if "GetCreditBalance" in str(point.attributes)
    ]
    assert sum(0 < bound < 1 for bound in point.explicit_bounds) >= 5
    assert point.explicit_bounds[-1] >= smsgate.Timeouts().send


@pytest.mark.parametrize(
    ("fault", "numbers", "outcome", "error", "recipients"),
    [
        (None, [REFUSED], "refused", "BadDestination", {"refused": 1}),
        (None, [NUMBER, REFUSED], "accepted in part", None, {"accepted": 1, "refused": 1}),
        (
            FaultKind.DROP_AFTER,
            [NUMBER],
            "in doubt",
            str(smsgate.Reason.CONNECTION_LOST),
            {"in doubt": 1},
        ),
        (
            FaultKind.BAD_GATEWAY_BEFORE,
            [NUMBER],
            "in doubt",
            str(smsgate.Reason.HTTP_STATUS),
            {"in doubt": 1},
        ),
        ("down", [NUMBER, REFUSED], "not sent", str(smsgate.Reason.NO_CONNECTION), {"not sent": 2}),
    ],
)
async def test_outcome_is_exported_with_its_error_and_recipients(  # noqa: PLR0917 - a table
    fault: Any,
    numbers: list[str],
    outcome: str,
    error: str | None,
    recipients: dict[str, int],
    sandbox: Sandbox,
    seen: Seen,
):
    async with opened(sandbox, seen) as session:
        if fault == "down":
            sandbox.__exit__(None, None, None)
        elif fault:
            sandbox.faults.add(fault, operation="SendSMS")
        try:
            await session.send_sms(numbers, TEXT)
        except smsgate.SmsGateError:
            pass
        else:
            assert error is None
    if fault == "down":
        sandbox.__enter__()
    (span,) = seen.spans
    assert span.attributes
    assert (span.attributes["smsgate.outcome"], span.attributes.get("error.type")) == (
        outcome,
        error,
    )
    assert (span.status.status_code is StatusCode.ERROR) == (error is not None)
    counted = {
        point.attributes["smsgate.outcome"]: point.value
        for point in seen.points("smsgate.recipients")
    }
    assert counted == recipients
    (duration,) = seen.points("rpc.client.call.duration")
    assert (duration.count, duration.attributes["smsgate.outcome"]) == (1, outcome)


async def test_parts_and_credits_add_up(sandbox: Sandbox, seen: Seen):
    async with opened(sandbox, seen) as session:
        await session.send_sms([NUMBER, "+380671234567"], "я" * 71)
        await session.send_sms(NUMBER, TEXT)
        assert await session.get_credit_balance() == Decimal(9_995)
    assert [point.value for point in seen.points("smsgate.parts")] == [5]
    assert [point.value for point in seen.points("smsgate.balance")] == [9_995]


async def test_cancelled_call_ends_its_span(sandbox: Sandbox, seen: Seen):
    sandbox.faults.add(FaultKind.SLOW, operation="SendSMS", seconds=30)
    async with opened(sandbox, seen) as session:
        await session.auth()
        with anyio.move_on_after(0.5):
            await session.send_sms(NUMBER, TEXT)
    assert seen.spans[-1].attributes
    assert seen.spans[-1].attributes["smsgate.outcome"] == "cancelled"
    assert seen.spans[-1].attributes["smsgate.recipients.in_doubt"] == 1
    assert get_current_span().get_span_context().span_id == 0


async def test_span_of_a_call_is_a_child_of_its_callers_span(sandbox: Sandbox, seen: Seen):
    tracer = seen.tracers.get_tracer("test")
    async with opened(sandbox, seen) as session:

        async def one(name: str) -> None:
            with tracer.start_as_current_span(name):
                await session.get_credit_balance()

        async with anyio.create_task_group() as tasks:
            for name in ("first", "second", "third"):
                tasks.start_soon(one, name)
    parents = {
        span.name: span.context.span_id
        for span in seen.spans
        if span.context and span.name in ("first", "second", "third")
    }
    children = [span.parent.span_id for span in seen.spans if span.parent]
    assert sorted(children) == sorted(parents.values())


async def test_nothing_personal_and_nothing_secret_is_exported(sandbox: Sandbox, seen: Seen):
    async with opened(sandbox, seen) as session:
        sent = await session.send_sms([NUMBER, REFUSED], TEXT)
        sandbox.faults.add(FaultKind.GARBAGE, operation="SendSMS")
        with pytest.raises(smsgate.InDoubt):
            await session.send_sms(NUMBER, TEXT)
        await session.get_message_status(sent.message_ids[0])
    said = seen.everything()
    assert "SendSMS" in said
    for secret in (NUMBER, NUMBER[1:], REFUSED, needles.WORD, "Shop", sent.message_ids[0]):
        assert secret not in said


class Clumsy:
    """Fails at the beginning, or at the end."""

    def __init__(self, at_begin: bool) -> None:
        self._at_begin = at_begin

    def begin(self, call: CallStart) -> Any:
        if self._at_begin:
            raise RuntimeError(call.operation)

        def ended(end: CallEnd) -> None:
            raise RuntimeError(end.outcome)

        return ended


@pytest.mark.parametrize("at_begin", [True, False])
async def test_failing_observer_changes_nothing_and_is_logged(
    at_begin: bool, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
):
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=sandbox.url, observer=Clumsy(at_begin)
    ) as session:
        assert (await session.send_sms(NUMBER, TEXT)).accepted
    assert sandbox.accepted == 1
    assert [record.message for record in caplog.records if record.name == "smsgate"] == [
        "the observer of a session failed"
    ]
