"""aiohttp: a session that lives as long as the application, under a typed key.

    app = web.Application()
    app.cleanup_ctx.append(sms_context())

    async def notice(request: web.Request) -> web.Response:
        result = await request.app[SMS_SESSION].send_sms("+380501234567", "Ваше замовлення готове")
        return web.json_response(list(result.message_ids))

Needs aiohttp. Rule of this file: the session decides what is sent; nothing here repeats a send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from ..config import bad_grace
from ..extras import missing
from ..session import AsyncSession

try:
    from aiohttp import web
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.integrations.aiohttp") from None

__all__ = ["SMS_SESSION", "sms_context"]

SMS_SESSION: web.AppKey[AsyncSession] = web.AppKey("smsgate", AsyncSession)
"""The key of the session: `request.app[SMS_SESSION]`, or `request.config_dict[SMS_SESSION]` in a sub-application."""


def sms_context(
    make: Callable[[], AsyncSession] = AsyncSession.from_env, *, grace: float | None = 8.0
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a cleanup context that opens a session when the application starts and closes it when it stops.

    Args:
        make: makes the session; by default from the environment.
        grace: seconds that calls which are still under way have at shutdown, see `AsyncSession.aclose`. The default ends them
            before Docker kills the process, which it does after 10 seconds. None waits for each call's own deadline.

    Raises:
        ValueError: `grace` is not a number of seconds.
    """
    # Here, as the session itself would complain no sooner than at shutdown.
    if found := bad_grace(grace):
        raise ValueError(found)

    async def context(app: web.Application) -> AsyncIterator[None]:
        # No `async with`: if the shutdown itself is cancelled, its own `aclose` would wait without a grace.
        session = await make().__aenter__()
        try:
            app[SMS_SESSION] = session
            yield
        finally:
            await session.aclose(grace=grace)

    return context
