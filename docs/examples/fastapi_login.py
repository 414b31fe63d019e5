"""A phone login with one-time codes in FastAPI, which never sends twice for one request.

Run it on the sandbox: `smsgate sandbox` in one terminal, then with the variables that it prints
`uvicorn fastapi_login:app`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import Annotated, Literal

import anyio
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

import smsgate
from smsgate.integrations.fastapi import SmsSession, answer_errors, sms_lifespan

CODE_SECONDS, AGAIN_SECONDS, GUESSES = 300.0, 60.0, 5

app = FastAPI(title="Phone login", lifespan=sms_lifespan())
answer_errors(app)


class Asked(BaseModel, hide_input_in_errors=True):
    """Who wants to log in."""

    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{7,14}$", repr=False)]


class Guess(Asked):
    """The code that the visitor typed."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", repr=False)]


class Told(BaseModel):
    """What became of the code: sent, or perhaps on its way, and when another may be asked for."""

    state: Literal["sent", "perhaps"]
    again_in: int


@dataclass
class Attempt:
    """One code for one number. `lock` lets one request at a time decide whether anything is sent."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    request: str = ""
    hashed: bytes = field(default=b"", repr=False)
    salt: bytes = field(default=b"", repr=False)
    state: Literal["sent", "perhaps"] | None = None
    at: float = 0.0
    guesses: int = 0

    def told(self) -> Told:
        return Told(state=self.state or "perhaps", again_in=max(0, round(self.at + AGAIN_SECONDS - time.monotonic())))


# One process keeps them in memory; several would keep them in Redis or a database, with the same rule.
ATTEMPTS: dict[str, Attempt] = {}


def hashed(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(code.encode(), salt=salt, n=2**12, r=8, p=1)


@app.post("/login", status_code=202)
async def ask_for_code(
    asked: Asked, sms: SmsSession, idempotency_key: Annotated[str, Header(min_length=8, max_length=64)]
) -> Told:
    """Send a code. The same `Idempotency-Key` again, as browsers and proxies do, gets the same answer and no second SMS."""
    attempt = ATTEMPTS.setdefault(asked.number, Attempt())
    async with attempt.lock:
        now = time.monotonic()
        if attempt.state and attempt.request == idempotency_key:
            return attempt.told()
        if attempt.state and now < attempt.at + AGAIN_SECONDS:
            raise HTTPException(429, "A code was sent a moment ago.", {"Retry-After": str(attempt.told().again_in)})
        code, salt = f"{secrets.randbelow(10**6):06}", secrets.token_bytes(16)
        # Written down before it is sent: if the answer is lost, the code that arrives still works.
        attempt.request, attempt.hashed, attempt.salt, attempt.at, attempt.guesses = (
            idempotency_key,
            hashed(code, salt),
            salt,
            now,
            0,
        )
        attempt.state = "perhaps"
        try:
            await sms.send_sms(asked.number, f"Ваш код: {code}")
            attempt.state = "sent"
        except smsgate.InDoubt:
            pass  # it may be on its way: the visitor waits, and nothing is sent again by itself
        except smsgate.SmsGateError:
            attempt.state = None  # certainly not sent, so the next request may try
            raise
        return attempt.told()


@app.post("/login/code", status_code=204, response_model=None)
async def check_code(guess: Guess) -> None:
    """Take the code, once, within five minutes, and after few wrong ones never."""
    attempt = ATTEMPTS.get(guess.number)
    if attempt is None or not attempt.state or time.monotonic() > attempt.at + CODE_SECONDS or attempt.guesses >= GUESSES:
        raise HTTPException(410, "Ask for a new code.")
    attempt.guesses += 1
    if not hmac.compare_digest(hashed(guess.code, attempt.salt), attempt.hashed):
        raise HTTPException(403, "This is not the code.")
    del ATTEMPTS[guess.number]
