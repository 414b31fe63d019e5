"""What users write, as type checkers see it. This file is never run."""

from __future__ import annotations

from typing import assert_type

import procrastinate

import smsgate
from smsgate.integrations.procrastinate import smsgate_tasks
from smsgate.outbox import Outbox


def an_application(session: smsgate.AsyncSession) -> None:
    outbox = Outbox(session, "postgresql://db.example/shop")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector())
    app.add_tasks_from(smsgate_tasks(outbox), namespace="smsgate")
    assert_type(smsgate_tasks(lambda: outbox, stop=lambda: False), procrastinate.Blueprint)

    smsgate_tasks("outbox")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    smsgate_tasks(lambda: session)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
