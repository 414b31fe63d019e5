"""FastAPI: a session that lives as long as the application, a dependency that gives it, and errors as HTTP answers if you ask.

    app = FastAPI(lifespan=sms_lifespan())
    answer_errors(app)

    class Notice(BaseModel):
        number: str  # in the body, as addresses stand in access logs

    @app.post("/notices")
    async def notify(notice: Notice, sms: SmsSession) -> list[str]:
        return list((await sms.send_sms(notice.number, "Ваше замовлення готове")).message_ids)

Needs FastAPI. Rule of this file: the session decides what is sent; nothing here repeats a send.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from pydantic import ValidationError

from ..config import bad_grace
from ..errors import Outcome, SmsGateError, outcome_of
from ..extras import missing
from ..privacy import mask_numbers
from ..session import AsyncSession

try:
    from fastapi import Depends, FastAPI, Request
    from fastapi.requests import HTTPConnection
    from fastapi.responses import JSONResponse
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.integrations.fastapi") from None

__all__ = ["SmsSession", "answer_errors", "sms_lifespan", "sms_session"]

_log = logging.getLogger("smsgate")
_STATE = "smsgate"
_MISTAKES = {
    "destination",
    "destination_repeated",
    "destinations_missing",
    "destinations_too_many",
    "destinations_type",
    "text_blank",
    "text_character",
    "text_type",
    "wappush",
    "wappush_type",
}
"""What a caller may have got wrong, by the types of our own complaints. A sender that is missing is for the operator."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]


def sms_lifespan(make: Callable[[], AsyncSession] = AsyncSession.from_env, *, grace: float | None = 8.0) -> Lifespan:
    """Return a lifespan that opens a session when the application starts and closes it when it stops.

    In a lifespan of your own, hand on its state::

        async with sms_lifespan()(app) as state:
            yield {**state, "mine": ...}

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

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        # No `async with`: if the shutdown itself is cancelled, its own `aclose` would wait without a grace.
        session = await make().__aenter__()
        try:
            yield {_STATE: session}
        finally:
            await session.aclose(grace=grace)

    return lifespan


def sms_session(connection: HTTPConnection) -> AsyncSession:
    """Return the session of the application. A dependency; raises `RuntimeError` if the lifespan is not there."""
    session = getattr(connection.state, _STATE, None)
    if session is None:
        raise RuntimeError("the application has no SMS session: give it lifespan=sms_lifespan(), and start it with its lifespan")
    found: AsyncSession = session
    return found


SmsSession = Annotated[AsyncSession, Depends(sms_session)]
"""The session, as a parameter of a path operation."""


_RETRY_AFTER = "5"


def answer_errors(app: FastAPI) -> None:
    """Let the application answer errors of smsgate as `smsgate.errors.OUTCOMES` has it: `{"detail": ..., "sent": false or null}`.

    Only `NotSent` says that trying again is safe, so its answer has a `Retry-After`. A number or a text that `Message` refuses is
    answered with 422 and the reason. What the gateway said is not told to the caller, since it may quote numbers and speaks of
    your account; it is logged, with numbers masked.
    """
    app.add_exception_handler(SmsGateError, _answer)
    app.add_exception_handler(ValidationError, _answer_invalid)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SmsGateError)  # noqa: S101 - as registered
    row = outcome_of(error)
    _log.warning("answered with HTTP status %d: %s", row.http_status, mask_numbers(f"{type(error).__name__}: {error}"))
    headers = {"Retry-After": _RETRY_AFTER} if row.outcome is Outcome.NOT_SENT else None
    return JSONResponse({"detail": row.http_detail, "sent": error.sent}, row.http_status, headers)


async def _answer_invalid(_request: Request, error: Exception) -> JSONResponse:
    rows = (
        error.errors(include_url=False, include_input=False, include_context=False) if isinstance(error, ValidationError) else []
    )
    if not rows or getattr(error, "title", "") != "Message" or any(row["type"] not in _MISTAKES for row in rows):
        raise error
    return JSONResponse({"detail": "; ".join(row["msg"] for row in rows), "sent": False}, 422)
