"""FastAPI: a session and an outbox that are open while the application runs, and error handlers.

    app = FastAPI(lifespan=sms_lifespan(outbox="sms.db"))
    answer_errors(app)

    class Notice(BaseModel):
        number: str  # in the body, because access logs show the URL

    @app.post("/notices")
    async def notify(notice: Notice, outbox: SmsOutbox, key: IdempotencyKey) -> str | None:
        return (await outbox.send(notice.number, "Ваше замовлення готове", key=key)).message_id

Without an outbox, `SmsSession` is the session of the application.

Needs FastAPI. Rule of this file: only the session retries; nothing here repeats a send.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from pydantic import ValidationError

from ..config import bad_grace
from ..errors import InFlight, NotSent, Outcome, Reason, SmsGateError, outcome_of
from ..extras import missing
from ..outbox import LedgerError, Outbox
from ..privacy import mask_numbers
from ..session import AsyncSession
from ..stop_check import StopCheck
from ..stop_list import opened

try:
    from fastapi import Depends, FastAPI, Header, Request
    from fastapi.requests import HTTPConnection
    from fastapi.responses import JSONResponse
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.integrations.fastapi") from None

__all__ = [
    "IdempotencyKey",
    "SmsOutbox",
    "SmsSession",
    "answer_errors",
    "sms_lifespan",
    "sms_outbox",
    "sms_session",
]

_log = logging.getLogger("smsgate")
_SESSION, _OUTBOX = "smsgate", "smsgate_outbox"
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
    make: Callable[..., AsyncSession] = AsyncSession.from_env,
    *,
    outbox: str | os.PathLike[str] | None = None,
    forget_texts: bool = False,
    stop_list: StopCheck | str | os.PathLike[str] | None = None,
    grace: float | None = 8.0,
) -> Lifespan:
    """Return a lifespan that opens a session and an outbox at startup and closes them at shutdown.

    In a lifespan of your own, pass its state on::

        async with sms_lifespan()(app) as state:
            yield {**state, "mine": ...}

    Args:
        make: creates the session; the default reads the environment. It is called without
            arguments, or with `stop_list=` if there is one.
        outbox: the path of an SQLite file or a `postgresql://` URL, as in
            `smsgate.outbox.Outbox`. By default there is no outbox.
        forget_texts: delete texts from the outbox, see `smsgate.outbox.Outbox`.
        stop_list: the path, the address or the object of a stop list that the session and the
            outbox honour. By default they honour none, because one-time codes must reach people who
            opted out, too.
        grace: seconds that calls in flight may still take at shutdown, see `AsyncSession.aclose`.
            The default, 8, is below the 10 seconds after which Docker kills the process. None
            waits until the deadline of each call.

    Raises:
        ValueError: `grace` is not a number of seconds, or `forget_texts` is set without `outbox`.
    """
    # Checked here because the session would check it only at shutdown.
    if found := bad_grace(grace):
        raise ValueError(found)
    if forget_texts and outbox is None:
        raise ValueError("forget_texts: is for an outbox; set `outbox` too")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            stops = await stack.enter_async_context(opened(stop_list))
            session = make() if stops is None else make(stop_list=stops)
            state: dict[str, Any] = {_SESSION: session}
            # Opened first, so that it is closed last and records the outcomes of the last calls.
            if outbox is not None:
                state[_OUTBOX] = await stack.enter_async_context(
                    Outbox(session, outbox, forget_texts=forget_texts, stop_list=stops)
                )
            # No `async with`: if the shutdown is cancelled, its `aclose` would ignore the grace.
            await session.__aenter__()
            stack.push_async_callback(session.aclose, grace=grace)
            yield state

    return lifespan


def _of_application(connection: HTTPConnection, name: str, what: str, lifespan: str) -> Any:
    found = getattr(connection.state, name, None)
    if found is None:
        raise RuntimeError(
            f"the application has no {what}: "
            f"create it with lifespan={lifespan}, and run it with its lifespan"
        )
    return found


def sms_session(connection: HTTPConnection) -> AsyncSession:
    """Return the session of the application. Use it as a dependency.

    Raises:
        RuntimeError: the application does not run with `sms_lifespan`.
    """
    session: AsyncSession = _of_application(connection, _SESSION, "SMS session", "sms_lifespan()")
    return session


SmsSession = Annotated[AsyncSession, Depends(sms_session)]
"""The type of a path operation's parameter that receives the session."""


def sms_outbox(connection: HTTPConnection) -> Outbox:
    """Return the outbox of the application. Use it as a dependency.

    Raises:
        RuntimeError: the application does not run with `sms_lifespan(outbox=...)`.
    """
    outbox: Outbox = _of_application(
        connection, _OUTBOX, "SMS outbox", 'sms_lifespan(outbox="sms.db")'
    )
    return outbox


SmsOutbox = Annotated[Outbox, Depends(sms_outbox)]
"""The type of a path operation's parameter that receives the outbox."""

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=128,
        description="A new random value for each message. Repeat it if you repeat the request.",
    ),
]
"""The type of a parameter that receives the header `Idempotency-Key`, of 8 to 128 characters.

A request without it is answered with status 422. The client chooses the key, so two clients may
choose the same one: the second then gets an error, or the outcome of the first one's message. If
you have several clients, put the client into the key of the outbox, which may have 200 characters::

    await outbox.send(number, text, key=f"user:{user.id}:{key}")
"""


_RETRY_AFTER = "5"
_LEDGER_FAILED = "This service's database failed. If you asked for a message, it may still arrive."


def answer_errors(app: FastAPI) -> None:
    """Add exception handlers that turn errors of smsgate into HTTP responses.

    Statuses and details are those of `smsgate.errors.OUTCOMES`; the body is
    `{"detail": ..., "sent": false or null}`.

    - `NotSent` and `InFlight` get a `Retry-After` header, because only then a retry is safe and may
      succeed. A message that is too late or was cancelled gets none.
    - A number or a text that `Message` does not accept gives status 422 with the reason.
    - A `LedgerError`, from the database of an outbox or a campaign, gives status 503.

    The words of the gateway and of the database are logged, with numbers masked, and are not in the
    response: they may quote numbers and describe your account.
    """
    app.add_exception_handler(SmsGateError, _answer)
    app.add_exception_handler(LedgerError, _answer_ledger)
    app.add_exception_handler(ValidationError, _answer_invalid)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SmsGateError)  # noqa: S101 - as registered
    row = outcome_of(error)
    _log.warning(
        "answered with HTTP status %d: %s",
        row.http_status,
        mask_numbers(f"{type(error).__name__}: {error}"),
    )
    over = isinstance(error, NotSent) and error.reason in {Reason.TOO_LATE, Reason.CANCELLED}
    again = (row.outcome is Outcome.NOT_SENT and not over) or isinstance(error, InFlight)
    headers = {"Retry-After": _RETRY_AFTER} if again else None
    return JSONResponse({"detail": row.http_detail, "sent": error.sent}, row.http_status, headers)


async def _answer_ledger(_request: Request, error: Exception) -> JSONResponse:
    _log.error(
        "answered with HTTP status 503: %s", mask_numbers(f"{type(error).__name__}: {error}")
    )
    return JSONResponse({"detail": _LEDGER_FAILED, "sent": None}, 503)


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
