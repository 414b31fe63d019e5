"""OpenTelemetry: a client span for each call, and figures by operation and outcome. Needs the extra `otel`.

    session = AsyncSession.from_env(observer=OtelObserver())

Names are those of the semantic conventions for RPC (version 1.40); what they do not have begins with `smsgate`. Rule of this
file: no number, no text, no login and no message id is ever an attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from .._client.observing import CallEnd, CallStart
from ..extras import missing
from ..version import __version__

try:
    from opentelemetry import context
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import (
        SpanKind,
        Status,
        StatusCode,
        TracerProvider,
        get_tracer,
        set_span_in_context,
    )
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.integrations.otel") from None

__all__ = ["OtelObserver"]

_SERVICE = "Service"
"""The port type of the gateway's WSDL (docs: wire format, "WSDL")."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 300.0)
"""Bounds of the histogram of durations, up to the deadline of a send. A library's own bounds are often of milliseconds."""
_FAILED = {"refused", "not sent", "in doubt", "failed"}


class OtelObserver:
    """Makes spans and figures of what a session does, for the global providers or for those that are given.

    A span is of kind client, named `Service/SendSMS` and so on, and is current during the call. It has `rpc.system.name`,
    `rpc.method`, `server.address`, `server.port`, `smsgate.outcome` and, if the call failed, `error.type`; a send also how many
    recipients it had by outcome, and how many parts were accepted.

    Figures: `rpc.client.call.duration` in seconds, `smsgate.recipients` by operation and outcome, `smsgate.parts` that were
    accepted, and `smsgate.balance` in credits, whenever it was asked for.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._tracer = get_tracer("smsgate", __version__, tracer_provider)
        meter = get_meter("smsgate", __version__, meter_provider)
        self._durations = meter.create_histogram(
            "rpc.client.call.duration",
            "s",
            "How long a call took, repeats included.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._recipients = meter.create_counter(
            "smsgate.recipients", "{recipient}", "Recipients by what became of them."
        )
        self._parts = meter.create_counter(
            "smsgate.parts", "{part}", "SMS parts that the gateway accepted."
        )
        self._balance = meter.create_gauge(
            "smsgate.balance", "{credit}", "Credits of the account, when last asked for."
        )

    def begin(self, call: CallStart) -> Callable[[CallEnd], None]:
        """Begin a span and make it current. Returns what ends both."""
        attributes: dict[str, str | int] = {
            "rpc.system.name": "soap",
            "rpc.method": f"{_SERVICE}/{call.operation}",
            "server.address": call.server_address,
            "server.port": call.server_port,
        }
        span = self._tracer.start_span(
            f"{_SERVICE}/{call.operation}", kind=SpanKind.CLIENT, attributes=attributes
        )
        token = context.attach(set_span_in_context(span))
        began = perf_counter()

        def ended(end: CallEnd) -> None:
            seconds = perf_counter() - began
            context.detach(token)
            attributes["smsgate.outcome"] = end.outcome
            if end.error is not None:
                attributes["error.type"] = end.error
            span.set_attributes(attributes)
            for name, count in end.recipients.items():
                span.set_attribute(f"smsgate.recipients.{name.replace(' ', '_')}", count)
                self._recipients.add(
                    count, {"rpc.method": attributes["rpc.method"], "smsgate.outcome": name}
                )
            if end.parts:
                span.set_attribute("smsgate.parts", end.parts)
                self._parts.add(end.parts)
            if end.balance is not None:
                self._balance.set(float(end.balance))
            if end.outcome in _FAILED:
                span.set_status(Status(StatusCode.ERROR, end.outcome))
            span.end()
            self._durations.record(seconds, attributes)

        return ended
