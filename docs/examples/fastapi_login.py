"""A phone login with one-time codes in FastAPI. It never sends twice for one request.

To try it: run `smsgate sandbox`, set the variables that it prints in a second terminal, and run
`uvicorn fastapi_login:app --workers 4` there. The how-to page for FastAPI shows the requests.

Codes and messages are in one SQLite file, which all processes share and a crash does not harm.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

import smsgate
from smsgate.integrations.fastapi import IdempotencyKey, SmsOutbox, answer_errors, sms_lifespan

DATABASE = os.environ.get("SMSGATE_DATABASE", "login.db")
CODE_SECONDS, AGAIN_SECONDS, GUESSES = 300.0, 60.0, 5
PATIENCE = smsgate.Timeouts(send=30.0)
"""Shorter than the default of 300 s, which is too long for a visitor. On timeout: "perhaps"."""
TRY_SECONDS = 60.0
"""How long a request may be repeated to send a code that the first try could not send."""

TABLE = """CREATE TABLE IF NOT EXISTS login_code (
    message INTEGER PRIMARY KEY REFERENCES smsgate_message ON DELETE CASCADE, -- by outbox.purge
    number TEXT NOT NULL, key TEXT NOT NULL,
    hash BLOB NOT NULL, salt BLOB NOT NULL, guesses INTEGER NOT NULL DEFAULT 0,
    at REAL NOT NULL, -- when the send ended; during a send, its deadline; 0 if it was not sent
    UNIQUE (number, key))"""
NOT_SENT = 0.0


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """Return a connection on which no other process can write in between."""
    with closing(sqlite3.connect(DATABASE, timeout=30, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with db:  # commits, or rolls back after an error
            yield db


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    sms = sms_lifespan(
        lambda: smsgate.AsyncSession.from_env(timeouts=PATIENCE),
        outbox=DATABASE,
        forget_texts=True,
    )
    async with sms(app) as state:
        with transaction() as db:
            db.execute(TABLE)
        yield state


app = FastAPI(title="Phone login", lifespan=lifespan)
answer_errors(app)


class Asked(BaseModel, hide_input_in_errors=True):
    """A request for a code."""

    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{7,14}$", repr=False)]


class Guess(Asked):
    """The code that the visitor typed."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", repr=False)]


class Told(BaseModel):
    """The state of the code, and the seconds until the visitor may ask for another one."""

    state: Literal["sent", "perhaps"]
    again_in: int


def hashed(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(code.encode(), salt=salt, n=2**12, r=8, p=1)


def seconds_to_wait(db: sqlite3.Connection, number: str) -> int:
    """Return the seconds until another code may be sent to a number."""
    ((at,),) = db.execute("SELECT max(at) FROM login_code WHERE number = ?", (number,))
    return max(0, math.ceil((at or NOT_SENT) + AGAIN_SECONDS - time.time()))


async def prepare(number: str, key: str, outbox: SmsOutbox) -> int:
    """Return the message of a request: of its first try, or else a new one with a new code.

    The transactions run on the event loop, because `outbox.add` uses the connection there. Each
    takes milliseconds. In production, also limit how many phone numbers one client address may ask
    codes for.
    """
    with transaction() as db:
        message, at = db.execute(
            "SELECT message, at FROM login_code WHERE number = ? AND key = ?", (number, key)
        ).fetchone() or (None, NOT_SENT)
        if at == NOT_SENT and (wait := seconds_to_wait(db, number)):
            raise HTTPException(429, "A code was sent a moment ago.", {"Retry-After": str(wait)})
        if message is None:
            code, salt = f"{secrets.randbelow(10**6):06}", secrets.token_bytes(16)
            # Two visitors may choose the same key, so the number belongs to the key.
            added = await outbox.add(
                number,
                f"Ваш код: {code}",
                key=f"login:{number}:{key}",
                not_after=TRY_SECONDS,
                connection=db,
            )
            message = added.id
            db.execute(
                "INSERT INTO login_code (message, number, key, hash, salt, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (message, number, key, hashed(code, salt), salt, NOT_SENT),
            )
        if at == NOT_SENT:
            # If this process is killed, the code that may arrive still works.
            db.execute(
                "UPDATE login_code SET at = ? WHERE message = ?",
                (time.time() + PATIENCE.send, message),
            )
    return int(message)


def settle(db: sqlite3.Connection, message: int, at: float) -> None:
    """Record when a send ended, unless another request with the same key has done so."""
    db.execute(
        "UPDATE login_code SET at = ? WHERE message = ? AND (at = ? OR at > ?)",
        (at, message, NOT_SENT, time.time()),
    )


@app.post("/login", status_code=202)
async def ask_for_code(asked: Asked, outbox: SmsOutbox, key: IdempotencyKey) -> Told:
    """Send a code. A request with the same `Idempotency-Key` sends no second SMS."""
    message = await prepare(asked.number, key, outbox)
    state: Literal["sent", "perhaps"] = "sent"
    try:
        await outbox.deliver(message)  # at most once, whichever process is asked
    except smsgate.InDoubt:
        state = "perhaps"  # it may be on its way, and nothing is sent again
    except smsgate.SmsGateError:
        # Certainly not sent: allow the same request again, and keep an earlier code valid.
        with transaction() as db:
            settle(db, message, NOT_SENT)
        raise
    with transaction() as db:
        settle(db, message, time.time())
        return Told(state=state, again_in=seconds_to_wait(db, asked.number))


@app.post("/login/code", status_code=204, response_model=None)
def check_code(guess: Guess) -> None:
    """Check a code. A code is valid once, for five minutes and at most five attempts."""
    with transaction() as db:
        message, code, salt, guesses = db.execute(
            "SELECT message, hash, salt, guesses FROM login_code WHERE number = ? AND at > ?"
            " ORDER BY at DESC LIMIT 1",
            (guess.number, time.time() - CODE_SECONDS),
        ).fetchone() or (None, b"", b"", GUESSES)
        if guesses >= GUESSES:
            raise HTTPException(410, "Ask for a new code.")
        right = hmac.compare_digest(hashed(guess.code, salt), code)
        db.execute(
            "UPDATE login_code SET guesses = ? WHERE message = ?",
            (GUESSES if right else guesses + 1, message),  # a code works once
        )
    if not right:
        raise HTTPException(403, "The code is wrong.")
