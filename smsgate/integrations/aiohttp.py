"""aiohttp: a session that is open while the application runs, under a typed key.

    app = web.Application()
    app.cleanup_ctx.append(sms_context())

    async def notice(request: web.Request) -> web.Response:
        result = await request.app[SMS_SESSION].send_sms("+380501234567", "Ваше замовлення готове")
        return web.json_response(list(result.message_ids))

Needs aiohttp. Rule of this file: only the session retries; nothing here repeats a send.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable

from ..config import bad_grace
from ..extras import missing
from ..session import AsyncSession
from ..stop_check import StopCheck
from ..stop_list import opened

try:
    from aiohttp import web
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.integrations.aiohttp") from None

__all__ = ["SMS_SESSION", "sms_context"]

SMS_SESSION: web.AppKey[AsyncSession] = web.AppKey("smsgate", AsyncSession)
"""The key of the session: `request.app[SMS_SESSION]`.

In a sub-application, use `request.config_dict[SMS_SESSION]`."""


def sms_context(
    make: Callable[..., AsyncSession] = AsyncSession.from_env,
    *,
    stop_list: StopCheck | str | os.PathLike[str] | None = None,
    grace: float | None = 8.0,
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a cleanup context that opens a session at startup and closes it at shutdown.

    Args:
        make: creates the session; the default reads the environment. It is called without
            arguments, or with `stop_list=` if there is one.
        stop_list: the path, the address or the object of a stop list that the session honours. By
            default it honours none, because one-time codes must reach people who opted out, too.
        grace: seconds that calls in flight may still take at shutdown, see `AsyncSession.aclose`.
            The default, 8, is below the 10 seconds after which Docker kills the process. None
            waits until the deadline of each call.

    Raises:
        ValueError: `grace` is not a number of seconds.
    """
    # Checked here because the session would check it only at shutdown.
    if found := bad_grace(grace):
        raise ValueError(found)

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with opened(stop_list) as stops:
            made = make() if stops is None else make(stop_list=stops)
            # No `async with`: if the shutdown is cancelled, its `aclose` would ignore the grace.
            session = await made.__aenter__()
            try:
                app[SMS_SESSION] = session
                yield
            finally:
                await session.aclose(grace=grace)

    return context
