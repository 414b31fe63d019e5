"""One extra alone, in an environment with nothing else:

`python extra_alone.py NAME`. Run by nox, once for each extra.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COUNTRYLESS = {"destinations": "+380501234567", "text": "Привіт"}


def core() -> None:
    import smsgate

    assert smsgate.Message(**COUNTRYLESS).destinations == ("+380501234567",)
    smsgate.AsyncSession("login", "password", url="https://gateway.test/")


def cli() -> None:
    done = command("segments", "Привіт")
    assert done.returncode == 0, done.stderr
    assert command("balance").returncode == 2


def sandbox() -> None:
    import smsgate
    from smsgate.sandbox import Sandbox

    async def send() -> None:
        with Sandbox() as gateway:
            async with smsgate.AsyncSession(
                "sandbox", "sandbox", sender="Shop", url=gateway.url
            ) as session:
                assert (await session.send_sms("+380501234567", "Привіт")).accepted

    asyncio.run(send())


def demo() -> None:
    cli()
    sandbox()


def tables() -> None:
    from smsgate.campaign import file_source

    with contextlib.suppress(ValueError), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.xlsx"
        path.write_bytes(b"no spreadsheet")
        file_source(path)


def settings() -> None:
    from smsgate.settings import SmsGateSettings

    assert SmsGateSettings.read(login="a", password="b").concurrency == 4


def phone() -> None:
    import smsgate

    smsgate.AsyncSession("login", "password", url="https://gateway.test/", country="UA")
    assert smsgate.Message(
        destinations="050 123-45-67", text="Привіт", country="UA"
    ).destinations == ("+380501234567",)


def fastapi() -> None:
    ours: Any = import_module("smsgate.integrations.fastapi")
    ours.answer_errors(ours.FastAPI(lifespan=ours.sms_lifespan()))


def aiohttp() -> None:
    ours: Any = import_module("smsgate.integrations.aiohttp")
    ours.web.Application().cleanup_ctx.append(ours.sms_context())


def otel() -> None:
    from smsgate._client.observing import CallEnd, CallStart
    from smsgate.integrations.otel import OtelObserver

    OtelObserver().begin(CallStart("SendSMS", "gateway.test", 443))(CallEnd("accepted"))


def postgres() -> None:
    from smsgate.outbox import LedgerError, open_ledger

    with contextlib.suppress(LedgerError):
        open_ledger("postgresql://127.0.0.1:1/sms?connect_timeout=1")


def procrastinate() -> None:
    ours: Any = import_module("smsgate.integrations.procrastinate")
    assert set(ours.smsgate_tasks(lambda: None).tasks) == {"deliver", "deliver_due", "rescue"}


def a_message_complains() -> None:
    """Check that the error of a message with a country names the missing extra."""
    import smsgate

    said = ""
    try:
        smsgate.Message(**COUNTRYLESS, country="UA")
    except ValueError as error:
        said = str(error)
    assert "pip install 'aiosmsgate[phone]'" in said, said


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    # No warning is an error there: it would be one of somebody else's.
    return subprocess.run(
        [sys.executable, "-m", "smsgate", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


WORKS: dict[str, Callable[[], None]] = {
    "cli": cli, "sandbox": sandbox, "demo": demo, "tables": tables, "settings": settings,
    "phone": phone, "fastapi": fastapi, "aiohttp": aiohttp, "otel": otel,
    "postgres": postgres, "procrastinate": procrastinate,
}  # fmt: skip


def brought() -> set[str]:
    """Return the extras whose libraries are all there, also because another library needs them."""
    from smsgate.extras import EXTRA_OF

    return set(EXTRA_OF.values()) - {
        extra for library, extra in EXTRA_OF.items() if find_spec(library) is None
    }


def complaint_of(extra: str) -> str:
    """Return what is said where the extra is missing."""
    try:
        if extra == "cli":
            return command("balance").stderr
        WORKS[extra]()
    except ModuleNotFoundError as error:
        return str(error)
    return ""


def main(installed: str) -> None:
    """Let the extra work, and those that came with it, and see what the others say."""
    core()
    there = {installed} | brought()
    for extra, work in WORKS.items():
        if extra in there:
            work()
        elif extra != "demo":
            said = complaint_of(extra)
            assert f"pip install 'aiosmsgate[{extra}]'" in said, (extra, said)
            assert len(said.splitlines()) == 1, (extra, said)
    if "phone" not in there:
        a_message_complains()
    print(f"{installed}: works alone")


if __name__ == "__main__":
    main(sys.argv[1])
