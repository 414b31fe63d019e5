"""A child process that sends one message to a hostile gateway and says what the reply cost it.

Run by test_hostile_replies.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Literal

import anyio

import smsgate


async def main(url: str, transport: Literal["httpx", "aiohttp"]) -> None:
    async with smsgate.AsyncSession(
        "login", "password", sender="Shop", url=url, concurrency=1, transport=transport
    ) as session:
        await session.auth()
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            await session.send_sms("+380501234567", "hello")
            reason = ""
        except smsgate.InDoubt as error:
            reason = str(error.reason)
        seconds = time.process_time() - started
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    kilobytes = growth / 1000 if sys.platform == "darwin" else growth
    sys.stdout.write(
        json.dumps({"reason": reason, "seconds": seconds, "megabytes": kilobytes / 1000})
    )


anyio.run(main, *sys.argv[1:])
