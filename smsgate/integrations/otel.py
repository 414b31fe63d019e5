"""OpenTelemetry: a client span for each call, and metrics by operation and outcome.

    session = AsyncSession.from_env(observer=OtelObserver())

Needs the extra `otel`. Names follow the semantic conventions for RPC (version 1.40); all other
names begin with `smsgate`.

Rule of this file: an attribute never holds a phone number, a text, a login or a message id.
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
"""Histogram buckets up to the deadline of a send; default buckets are often for milliseconds."""
_FAILED = {"refused", "not sent", "in doubt", "failed"}


class OtelObserver:
    """Records the calls of a session as OpenTelemetry spans and metrics.

    Each call is a span of kind client, for example `Service/SendSMS`, and is current during the
    call. Its attributes are `rpc.system.name`, `rpc.method`, `server.address`, `server.port`,
    `smsgate.outcome` and, if the call failed, `error.type`. A send also has the number of
    recipients by outcome and the number of accepted parts.

    The metrics are `rpc.client.call.duration` in seconds, `smsgate.recipients` by operation and
    outcome, `smsgate.parts` (accepted parts), and `smsgate.balance` in credits, updated by each
    balance call.

    Args:
        tracer_provider: the provider of the spans; None takes the global one.
        meter_provider: the provider of the metrics; None takes the global one.
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
            "Duration of a call, including retries.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._recipients = meter.create_counter(
            "smsgate.recipients", "{recipient}", "Recipients by outcome."
        )
        self._parts = meter.create_counter(
            "smsgate.parts", "{part}", "SMS parts that the gateway accepted."
        )
        self._balance = meter.create_gauge(
            "smsgate.balance", "{credit}", "Balance of the account at the last balance call."
        )

    def begin(self, call: CallStart) -> Callable[[CallEnd], None]:
        """Start a span, make it current, and return the function to call at the end."""
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
