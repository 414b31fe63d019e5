"""A phone login with one-time codes in FastAPI. It never sends twice for one request.

To try it: run `smsgate sandbox`, set the variables that it prints in a second terminal, and run
`uvicorn fastapi_login:app` there. The how-to page for FastAPI shows the requests.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from dataclasses import dataclass, field
from typing import Annotated, Literal

import anyio
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field, ValidationError

import smsgate
from smsgate.integrations.fastapi import SmsSession, answer_errors, sms_lifespan

CODE_SECONDS, AGAIN_SECONDS, GUESSES = 300.0, 60.0, 5
PATIENCE = smsgate.Timeouts(send=30.0)
"""Shorter than the default of 300 s, which is too long for a visitor. On timeout: "perhaps"."""

app = FastAPI(
    title="Phone login",
    lifespan=sms_lifespan(lambda: smsgate.AsyncSession.from_env(timeouts=PATIENCE)),
)
answer_errors(app)


class Asked(BaseModel, hide_input_in_errors=True):
    """A request for a code."""

    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{7,14}$", repr=False)]


class Guess(Asked):
    """The code that the visitor typed."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", repr=False)]


State = Literal["sent", "perhaps"]


class Told(BaseModel):
    """The state of the code, and the seconds until the visitor may ask for another one."""

    state: State
    again_in: int


@dataclass
class Code:
    """A code that was sent, or perhaps sent, and when."""

    hashed: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    at: float


@dataclass
class Visitor:
    """The codes of one number. `lock` admits one request at a time."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    requests: dict[str, State] = field(default_factory=dict)
    code: Code | None = None
    guesses: int = 0

    def waits(self) -> int:
        """Return the seconds until another code may be sent."""
        return (
            max(0, math.ceil(self.code.at + AGAIN_SECONDS - time.monotonic())) if self.code else 0
        )


# This example keeps visitors in the memory of one process. With several processes, use a database:
# commit a row for the idempotency key before the SMS is sent, and delete rows after a day. In
# production, also limit the numbers per client address.
VISITORS: dict[str, Visitor] = {}


def hashed(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(code.encode(), salt=salt, n=2**12, r=8, p=1)


@app.post("/login", status_code=202)
async def ask_for_code(
    asked: Asked,
    sms: SmsSession,
    idempotency_key: Annotated[str, Header(min_length=8, max_length=64)],
) -> Told:
    """Send a code. A repeated `Idempotency-Key` gets the same answer and no second SMS."""
    visitor = VISITORS.setdefault(asked.number, Visitor())
    async with visitor.lock:
        if idempotency_key in visitor.requests:
            return Told(state=visitor.requests[idempotency_key], again_in=visitor.waits())
        if visitor.waits():
            raise HTTPException(
                429, "A code was sent a moment ago.", {"Retry-After": str(visitor.waits())}
            )
        digits, salt = f"{secrets.randbelow(10**6):06}", secrets.token_bytes(16)
        # Store the code before the send: if the answer is lost, the code that arrives still works.
        earlier = visitor.code, visitor.guesses
        visitor.code = code = Code(hashed(digits, salt), salt, time.monotonic())
        visitor.guesses = 0
        visitor.requests[idempotency_key] = "perhaps"
        try:
            await sms.send_sms(asked.number, f"Ваш код: {digits}")
            visitor.requests[idempotency_key] = "sent"
        except smsgate.InDoubt:
            pass  # it may be on its way: the answer is "perhaps", and nothing is sent again
        except (smsgate.SmsGateError, ValidationError):
            # Certainly not sent: allow the same request again, and keep an earlier code valid.
            del visitor.requests[idempotency_key]
            visitor.code, visitor.guesses = earlier
            raise
        finally:
            code.at = time.monotonic()  # count the minutes from the end of the send
        return Told(state=visitor.requests[idempotency_key], again_in=visitor.waits())


@app.post("/login/code", status_code=204, response_model=None)
async def check_code(guess: Guess) -> None:
    """Check a code. A code is valid once, for five minutes and at most five attempts."""
    visitor = VISITORS.get(guess.number)
    code = visitor.code if visitor else None
    if (
        visitor is None
        or code is None
        or time.monotonic() > code.at + CODE_SECONDS
        or visitor.guesses >= GUESSES
    ):
        raise HTTPException(410, "Ask for a new code.")
    visitor.guesses += 1
    if not hmac.compare_digest(hashed(guess.code, code.salt), code.hashed):
        raise HTTPException(403, "The code is wrong.")
    visitor.guesses = GUESSES  # a code works once
