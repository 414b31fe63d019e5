"""What users write, as type checkers see it. This file is never run."""

from __future__ import annotations

from typing import assert_type

from aiohttp import web

import smsgate
from smsgate.integrations.aiohttp import SMS_SESSION, sms_context


async def a_handler(request: web.Request) -> None:
    assert_type(request.app[SMS_SESSION], smsgate.AsyncSession)


def an_application() -> None:
    app = web.Application()
    app.cleanup_ctx.append(sms_context())
    app.cleanup_ctx.append(sms_context(lambda: smsgate.AsyncSession("login", "password")))

    sms_context("session")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app[SMS_SESSION] = "session"  # type: ignore[misc]  # pyright: ignore
