"""FastAPI: a session that is open while the application runs, its dependency, and error handlers.

    app = FastAPI(lifespan=sms_lifespan())
    answer_errors(app)

    class Notice(BaseModel):
        number: str  # in the body, because access logs show the URL

    @app.post("/notices")
    async def notify(notice: Notice, sms: SmsSession) -> list[str]:
        return list((await sms.send_sms(notice.number, "Ваше замовлення готове")).message_ids)

Needs FastAPI. Rule of this file: only the session retries; nothing here repeats a send.
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
"""Types of validation errors that the HTTP client can fix. A missing sender is not among them."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]


def sms_lifespan(
    make: Callable[[], AsyncSession] = AsyncSession.from_env, *, grace: float | None = 8.0
) -> Lifespan:
    """Return a lifespan that opens a session at startup and closes it at shutdown.

    In a lifespan of your own, pass its state on::

        async with sms_lifespan()(app) as state:
            yield {**state, "mine": ...}

    Args:
        make: creates the session; the default reads the environment.
        grace: seconds that calls in flight may still take at shutdown, see `AsyncSession.aclose`.
            The default, 8, is below the 10 seconds after which Docker kills the process. None
            waits until the deadline of each call.

    Raises:
        ValueError: `grace` is not a number of seconds.
    """
    # Checked here because the session would check it only at shutdown.
    if found := bad_grace(grace):
        raise ValueError(found)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        # No `async with`: if the shutdown is cancelled, its `aclose` would ignore the grace.
        session = await make().__aenter__()
        try:
            yield {_STATE: session}
        finally:
            await session.aclose(grace=grace)

    return lifespan


def sms_session(connection: HTTPConnection) -> AsyncSession:
    """Return the session of the application. Use it as a dependency.

    Raises:
        RuntimeError: the application does not run with `sms_lifespan`.
    """
    session = getattr(connection.state, _STATE, None)
    if session is None:
        raise RuntimeError(
            "the application has no SMS session: "
            "create it with lifespan=sms_lifespan(), and run it with its lifespan"
        )
    found: AsyncSession = session
    return found


SmsSession = Annotated[AsyncSession, Depends(sms_session)]
"""The type of a path operation's parameter that receives the session."""


_RETRY_AFTER = "5"


def answer_errors(app: FastAPI) -> None:
    """Add exception handlers that turn errors of smsgate into HTTP responses.

    Statuses and details are those of `smsgate.errors.OUTCOMES`; the body is
    `{"detail": ..., "sent": false or null}`. Only `NotSent` gets a `Retry-After` header, because
    only then a retry is safe. A number or a text that `Message` does not accept gives status 422
    with the reason. The gateway's words are logged, with numbers masked, and are not in the
    response: they may quote numbers and describe your account.
    """
    app.add_exception_handler(SmsGateError, _answer)
    app.add_exception_handler(ValidationError, _answer_invalid)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SmsGateError)  # noqa: S101 - as registered
    row = outcome_of(error)
    _log.warning(
        "answered with HTTP status %d: %s",
        row.http_status,
        mask_numbers(f"{type(error).__name__}: {error}"),
    )
    headers = {"Retry-After": _RETRY_AFTER} if row.outcome is Outcome.NOT_SENT else None
    return JSONResponse({"detail": row.http_detail, "sent": error.sent}, row.http_status, headers)


async def _answer_invalid(_request: Request, error: Exception) -> JSONResponse:
    rows = (
        error.errors(include_url=False, include_input=False, include_context=False)
        if isinstance(error, ValidationError)
        else []
    )
    if (
        not rows
        or getattr(error, "title", "") != "Message"
        or any(row["type"] not in _MISTAKES for row in rows)
    ):
        raise error
    return JSONResponse({"detail": "; ".join(row["msg"] for row in rows), "sent": False}, 422)
