"""What users write, as type checkers see it. This file is never run."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type

from fastapi import FastAPI

import smsgate
from smsgate.integrations.fastapi import SmsSession, answer_errors, sms_lifespan


async def a_path_operation(sms: SmsSession) -> None:
    assert_type(sms, smsgate.AsyncSession)
    assert_type(await sms.get_credit_balance(), Decimal)


def an_application() -> None:
    app = FastAPI(lifespan=sms_lifespan())
    FastAPI(lifespan=sms_lifespan(lambda: smsgate.AsyncSession("login", "password")))
    answer_errors(app)

    sms_lifespan(make="session")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    sms_lifespan(lambda: "session")  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    answer_errors("app")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
