"""What users write, as type checkers see it. This file is never run."""

from __future__ import annotations

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import smsgate
from smsgate.integrations.otel import OtelObserver


def observed() -> None:
    smsgate.AsyncSession("login", "password", observer=OtelObserver())
    smsgate.AsyncSession.from_env(observer=OtelObserver(NoOpTracerProvider(), NoOpMeterProvider()))

    OtelObserver("tracer")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    OtelObserver(NoOpMeterProvider())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
