"""Each public call has an example in its docstring, and each example runs as it stands."""

from __future__ import annotations

import inspect
import logging
import signal
import sqlite3
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing
from datetime import time
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from databases import database_of

import smsgate
from smsgate import campaign, errors, outbox, sandbox, stop_list
from smsgate.campaign import Campaign, rows_source
from smsgate.outbox import Outbox
from smsgate.sandbox import Sandbox, Settings
from smsgate.settings import SmsGateSettings
from smsgate.stop_list import StopList

CLASSES = (smsgate.AsyncSession, Outbox, Campaign, StopList, Sandbox)
SECTIONS = ("Args:", "Returns:", "Raises:", "Attributes:")
PARTS = (campaign, errors, outbox, sandbox, stop_list)
# The example of the constructor connects to the gateway itself.
LOGIN = ('"login", "password"', '"sandbox", "sandbox", url=sandbox.url')
ON_SERVERS = {"Campaign.start", "Campaign.pause", "Campaign.set_rate"}
NUMBER = "+380501234567"


def public_calls() -> Iterator[tuple[str, Callable[..., object]]]:
    for owner in CLASSES:
        yield owner.__name__, owner
        for name, member in vars(owner).items():
            call = getattr(member, "__func__", member)
            if not name.startswith("_") and inspect.isfunction(call):
                yield f"{owner.__name__}.{name}", call
    for name in smsgate.__all__:
        if inspect.isfunction(found := getattr(smsgate, name)):
            yield name, found


CALLS = dict(public_calls())


def example_of(call: Callable[..., object]) -> str:
    """Return the first indented block of the docstring, before its sections."""
    lines = takewhile(lambda line: line not in SECTIONS, (inspect.getdoc(call) or "").splitlines())
    blocks = "\n".join(lines).split("\n\n")
    return textwrap.dedent(next((one for one in blocks if one.startswith("    ")), ""))


@pytest.mark.parametrize("name", CALLS)
def test_each_public_call_has_an_example(name: str) -> None:
    assert example_of(CALLS[name])


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What an example may use, besides what `prepared` opens."""
    monkeypatch.chdir(tmp_path)
    Path("contacts.csv").write_text("phone,name\n+380501234567,Олена\n", "utf-8")
    Path("stop.csv").write_text("phone\n+380501234567\n", "utf-8")
    Path(".env").write_text("SMSGATE_COUNTRY=UA\n", "utf-8")
    with closing(sqlite3.connect("shop.db")) as connection:
        connection.execute("CREATE TABLE orders (number INTEGER)")
    return {
        **{name: getattr(smsgate, name) for name in smsgate.__all__},
        **{name: getattr(part, name) for part in PARTS for name in part.__all__},
        **{one.__name__: one for one in (Path, SmsGateSettings, closing, time)},
        **{one.__name__: one for one in (logging, signal, smsgate, sqlite3)},
        "code": "4815",
        "login": SimpleNamespace(id=7),
        "number": NUMBER,
    }


async def prepared(
    name: str, stack: AsyncExitStack, gateway: Sandbox, database: str | None
) -> dict[str, Any]:
    """Return an open session, outbox, stop list and campaign, with one message in doubt each."""
    session = await stack.enter_async_context(smsgate.AsyncSession.from_env())
    sent = await session.send_sms(NUMBER, "Ваш код: 4815")
    first = await stack.enter_async_context(Outbox(session, "shop.db"))
    await stack.enter_async_context(opened := StopList("stop.db"))
    await opened.add(NUMBER)
    rows = [{"phone": f"+38050123456{n}", "name": "Олена"} for n in ("0", "1", "")]
    made = Campaign.create(
        "shop" if database else "shop.sms",
        rows_source(rows),
        database=database,
        sender="Shop",
        text="Вітаємо, {name}!",
    )
    made.add_stop_list("stop.db")
    stack.callback(made.close)
    if database is None:
        if name != "Campaign":  # this example creates it itself
            Campaign.create("spring.sms", rows_source(rows), sender="Shop", text="Так").close()
        gateway.faults.add("reset after", operation="SendSMS", times=2)
        with pytest.raises(errors.InDoubt):
            await first.send(NUMBER, "Ваш код: 4815", key="order:16")
        await made.run(session, batch=1)
    return {
        "session": session,
        "outbox": first,
        "stop_list": opened,
        "campaign": made,
        "result": sent,
        "message_id": sent.message_ids[0],
        "messages": [smsgate.Message(destinations=NUMBER, text="Так")],
    }


@pytest.mark.parametrize("name", CALLS)
def test_example_of_each_public_call_runs(
    name: str,
    names: dict[str, Any],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = database_of(request) if name in ON_SERVERS else None
    code = "async def example():\n" + textwrap.indent(example_of(CALLS[name]), "    ")
    code = code.replace(*LOGIN)

    async def run(gateway: Sandbox) -> None:
        async with AsyncExitStack() as stack:
            given = names | {"sandbox": gateway} | await prepared(name, stack, gateway, database)
            exec(code, given)
            await given["example"]()

    with Sandbox(Settings(delivery_seconds=0)) as gateway:
        for variable, value in (
            ("LOGIN", "sandbox"),
            ("PASSWORD", "sandbox"),
            ("SENDER", "Shop"),
            ("URL", gateway.url),
        ):
            monkeypatch.setenv(f"SMSGATE_{variable}", value)
        anyio.run(run, gateway)
