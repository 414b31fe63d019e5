"""FastAPI:

the example of the documentation as a user runs it, on a sandbox, with warnings as errors.
"""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from examples import EXAMPLES, example
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError

import smsgate
from smsgate import session
from smsgate.errors import OUTCOMES, InFlight, KeyReused
from smsgate.integrations.fastapi import (
    _MISTAKES,
    IdempotencyKey,
    SmsOutbox,
    SmsSession,
    answer_errors,
    sms_lifespan,
    sms_outbox,
    sms_session,
)
from smsgate.ledger.records import JournalError
from smsgate.outbox import ClaimLost, LedgerError, Outbox, RecipientState
from smsgate.protocol import models
from smsgate.protocol.limits import MOST_RECIPIENTS
from smsgate.sandbox import Sandbox
from smsgate.stop_list import StopList, StopListError

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("smsgate_environment")]

NUMBER = "+380501234567"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # which FastAPI is made for


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application in this process, with its lifespan and the state that it gives."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=with_state), base_url="http://app"
        ) as client:
            yield client


def code_of(sandbox: Sandbox) -> str:
    found = re.search(r"\d{6}", sandbox.messages[-1].text or "")
    assert found
    return found[0]


def wrong_code(sandbox: Sandbox) -> str:
    return f"{(int(code_of(sandbox)) + 1) % 10**6:06}"


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SMSGATE_DATABASE", str(tmp_path / "login.db"))
    return example("fastapi_login")


async def test_visitor_logs_in_with_the_code_that_arrived(login: Any, smsgate_sandbox: Sandbox):
    async with client_of(login.app) as client:
        asked = await client.post(
            "/login", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8}
        )
        assert (asked.status_code, asked.json()["state"]) == (202, "sent")
        wrong = wrong_code(smsgate_sandbox)
        assert (
            await client.post("/login/code", json={"number": NUMBER, "code": wrong})
        ).status_code == 403
        right = {"number": NUMBER, "code": code_of(smsgate_sandbox)}
        assert (await client.post("/login/code", json=right)).status_code == 204
        assert (await client.post("/login/code", json=right)).status_code == 410, (
            "a code works once"
        )


async def test_repeated_request_never_sends_twice(login: Any, smsgate_sandbox: Sandbox):
    answers = []
    async with client_of(login.app) as client:

        async def ask() -> None:
            answers.append(
                await client.post(
                    "/login", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8}
                )
            )

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)
        await ask()
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["state"] for answer in answers} == {"sent"}
    assert smsgate_sandbox.accepted == 1


async def test_lost_answer_is_reported_as_perhaps_and_the_code_works(
    login: Any, smsgate_sandbox: Sandbox
):
    smsgate_sandbox.faults.add("drop after", operation="SendSMS")
    async with client_of(login.app) as client:
        for _ in range(3):
            asked = await client.post(
                "/login", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8}
            )
            assert (asked.status_code, asked.json()["state"]) == (202, "perhaps")
        code = {"number": NUMBER, "code": code_of(smsgate_sandbox)}
        assert (await client.post("/login/code", json=code)).status_code == 204
    assert smsgate_sandbox.accepted == 1


async def test_new_request_within_a_minute_must_wait(login: Any, smsgate_sandbox: Sandbox):
    async with client_of(login.app) as client:
        for key, status in (("a" * 8, 202), ("b" * 8, 429)):
            asked = await client.post(
                "/login", json={"number": NUMBER}, headers={"Idempotency-Key": key}
            )
            assert asked.status_code == status
    assert smsgate_sandbox.accepted == 1


async def test_slow_gateway_does_not_shorten_the_life_of_a_code(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(login, "AGAIN_SECONDS", 1)
    monkeypatch.setattr(login, "CODE_SECONDS", 1)
    smsgate_sandbox.faults.add("slow", operation="SendSMS", seconds=1.2)
    answers: dict[str, httpx.Response] = {}
    async with client_of(login.app) as client:

        async def ask(key: str) -> None:
            answers[key] = await client.post(
                "/login", json={"number": NUMBER}, headers={"Idempotency-Key": key}
            )

        async with (
            anyio.create_task_group() as tasks
        ):  # a visitor who loads the page again while nothing happens
            tasks.start_soon(ask, "a" * 8)
            await anyio.sleep(0.1)
            tasks.start_soon(ask, "b" * 8)
        code = {"number": NUMBER, "code": code_of(smsgate_sandbox)}
        assert (await client.post("/login/code", json=code)).status_code == 204
    assert [answers[key * 8].status_code for key in "ab"] == [202, 429]
    assert smsgate_sandbox.accepted == 1


async def test_waiting_in_vain_is_reported_and_the_arriving_code_works(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(login, "PATIENCE", smsgate.Timeouts(send=1.0))
    monkeypatch.setattr(login, "CODE_SECONDS", 1)
    smsgate_sandbox.faults.add("silent after", operation="SendSMS")
    async with client_of(login.app) as client:
        asked = await client.post(
            "/login", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8}
        )
        assert (asked.status_code, asked.json()["state"]) == (202, "perhaps")
        code = {"number": NUMBER, "code": code_of(smsgate_sandbox)}
        assert (await client.post("/login/code", json=code)).status_code == 204
    assert asked.json()["again_in"] > 55, (
        "though its minute would be over for a gateway that never answers"
    )


async def test_late_request_sends_nothing(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    async with client_of(login.app) as client:

        async def ask(key: str) -> httpx.Response:
            return await client.post(
                "/login", json={"number": NUMBER}, headers={"Idempotency-Key": key}
            )

        assert (await ask("a" * 8)).status_code == 202
        right = {"number": NUMBER, "code": code_of(smsgate_sandbox)}
        assert (await client.post("/login/code", json=right)).status_code == 204
        assert (await ask("a" * 8)).status_code == 202, (
            "it was answered before, and the visitor is in by now"
        )
        assert smsgate_sandbox.accepted == 1
        monkeypatch.setattr(login, "AGAIN_SECONDS", 0)
        assert (await ask("b" * 8)).status_code == 202
        assert (await ask("a" * 8)).status_code == 202, "though another was answered meanwhile"
    assert smsgate_sandbox.accepted == 2


async def test_right_code_fails_after_a_few_wrong_ones(login: Any, smsgate_sandbox: Sandbox):
    async with client_of(login.app) as client:
        await client.post("/login", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8})
        right, wrong = code_of(smsgate_sandbox), wrong_code(smsgate_sandbox)
        codes = [
            await client.post("/login/code", json={"number": NUMBER, "code": wrong})
            for _ in range(login.GUESSES)
        ]
        assert {answer.status_code for answer in codes} == {403}
        assert (
            await client.post("/login/code", json={"number": NUMBER, "code": right})
        ).status_code == 410


async def test_earlier_code_works_if_a_later_one_could_not_be_sent(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(login, "AGAIN_SECONDS", 0)
    async with client_of(login.app) as client:
        for balance, key, status in ((10, "a" * 8, 202), (0, "b" * 8, 503)):
            smsgate_sandbox.balance = balance
            asked = await client.post(
                "/login", json={"number": NUMBER}, headers={"Idempotency-Key": key}
            )
            assert asked.status_code == status
        code = {"number": NUMBER, "code": code_of(smsgate_sandbox)}
        assert (await client.post("/login/code", json=code)).status_code == 204


async def test_number_refused_by_the_session_is_reported_and_not_kept(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SMSGATE_COUNTRY", "UA")
    async with client_of(login.app) as client:
        for _ in range(2):
            asked = await client.post(
                "/login", json={"number": "+380441234567"}, headers={"Idempotency-Key": "a" * 8}
            )
            assert (asked.status_code, asked.json()["sent"]) == (422, False)
            assert "mobile" in asked.json()["detail"]
            assert "380441234567" not in asked.text
    assert smsgate_sandbox.calls["SendSMS"] == 0


async def test_missing_sender_is_an_error_for_the_operator(
    login: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SMSGATE_SENDER")
    async with client_of(login.app) as client:
        with pytest.raises(ValidationError, match="no sender"):
            await client.post(
                "/login", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8}
            )


async def test_request_may_be_repeated_after_a_certain_failure(
    login: Any, smsgate_sandbox: Sandbox
):
    smsgate_sandbox.balance = 0
    async with client_of(login.app) as client:
        headers = {"Idempotency-Key": "a" * 8}
        asked = await client.post("/login", json={"number": NUMBER}, headers=headers)
        assert (asked.status_code, asked.json()["sent"]) == (503, False)
        smsgate_sandbox.balance = 10
        assert (await client.post("/login", json={"number": NUMBER}, headers=headers)).json()[
            "state"
        ] == "sent"


async def asked(
    client: httpx.AsyncClient, number: str = NUMBER, key: str = "a" * 8
) -> httpx.Response:
    return await client.post("/login", json={"number": number}, headers={"Idempotency-Key": key})


async def guessed(client: httpx.AsyncClient, code: str, number: str = NUMBER) -> int:
    return (await client.post("/login/code", json={"number": number, "code": code})).status_code


async def test_restart_keeps_codes_and_answers(login: Any, smsgate_sandbox: Sandbox):
    async with client_of(login.app) as client:
        first = await asked(client)
    async with client_of(example("fastapi_login").app) as client:
        second = await asked(client)
        assert await guessed(client, code_of(smsgate_sandbox)) == 204
    assert [answer.json()["state"] for answer in (first, second)] == ["sent"] * 2
    assert second.json()["again_in"] <= first.json()["again_in"]
    assert smsgate_sandbox.accepted == 1


async def test_repeated_request_sends_the_code_that_a_dead_process_did_not(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    async def dies(*_: Any) -> None:
        raise Killed

    async with client_of(login.app) as client:
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(Outbox, "deliver", dies)
            await asked(client)
        assert smsgate_sandbox.accepted == 0
        assert (await asked(client)).json()["state"] == "sent"
        assert await guessed(client, code_of(smsgate_sandbox)) == 204
    assert smsgate_sandbox.accepted == 1


async def test_code_ends_after_its_minutes(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    async with client_of(login.app) as client:
        await asked(client)
        monkeypatch.setattr(login, "CODE_SECONDS", 0)
        assert await guessed(client, code_of(smsgate_sandbox)) == 410


async def test_code_that_came_too_late_to_be_sent_is_not_sent(
    login: Any, smsgate_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    smsgate_sandbox.balance = 0
    async with client_of(login.app) as client:
        with monkeypatch.context() as patched:
            patched.setattr(login, "TRY_SECONDS", 0.01)
            await asked(client)
            await anyio.sleep(0.01)
        smsgate_sandbox.balance = 10
        answer = await asked(client)
        assert (answer.status_code, answer.json()["sent"]) == (503, False)
        assert "Retry-After" not in answer.headers, "a repeated request cannot succeed"
        assert (await asked(client, key="b" * 8)).status_code == 202, "but a new one can"
    assert smsgate_sandbox.accepted == 1


async def test_late_failure_does_not_end_a_code_that_another_request_has_sent(
    login: Any, smsgate_sandbox: Sandbox
):
    async with client_of(login.app) as client:
        await asked(client)
        with login.transaction() as db:
            ((message,),) = db.execute("SELECT message FROM login_code")
            login.settle(db, message, login.NOT_SENT)
        assert (await asked(client, key="b" * 8)).status_code == 429
        assert await guessed(client, code_of(smsgate_sandbox)) == 204


async def test_database_does_not_show_the_code(login: Any, smsgate_sandbox: Sandbox):
    async with client_of(login.app) as client:
        await asked(client)
        with login.transaction() as db:
            stored = [
                *db.execute("SELECT * FROM login_code"),
                *db.execute("SELECT text, fingerprint FROM smsgate_message"),
            ]
    assert code_of(smsgate_sandbox) not in str(stored)


@asynccontextmanager
async def served(
    application: str, processes: int
) -> AsyncIterator[list[tuple[subprocess.Popen[bytes], httpx.AsyncClient]]]:
    """Serve an application in several processes, which all start at the same time."""
    started = [start(application) for _ in range(processes)]
    try:
        async with AsyncExitStack() as stack:
            clients = []
            for process in started:
                address = await anyio.to_thread.run_sync(address_of, process)
                client = httpx.AsyncClient(base_url=address, timeout=120, trust_env=False)
                clients.append((process, await stack.enter_async_context(client)))
            yield clients
    finally:
        for process in started:
            process.terminate()
            process.communicate()


def start(application: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "uvicorn", application, "--port", "0"]
    return subprocess.Popen(
        [*command, "--app-dir", str(Path(__file__).parent)], stderr=subprocess.PIPE
    )


def address_of(process: subprocess.Popen[bytes]) -> str:
    """Return the address that a starting uvicorn names."""
    assert process.stderr
    for line in process.stderr:
        if found := re.search(rb"running on (\S+)", line):
            return found[1].decode()
    raise AssertionError("the process has ended")


async def test_four_processes_send_one_code_for_each_key(login: Any, smsgate_sandbox: Sandbox):
    smsgate_sandbox.faults.add("slow", operation="SendSMS", seconds=0.2)
    numbers = [f"+38050{index:07}" for index in range(1, 11)]
    answers: list[httpx.Response] = []
    statuses: list[int] = []
    guesses: list[int] = []

    async def ask(client: httpx.AsyncClient, index: int) -> None:
        answers.append(await asked(client, numbers[index], f"request {index}"))

    async def hurry(client: httpx.AsyncClient, index: int) -> None:
        statuses.append((await asked(client, key=f"hurry {index:02}")).status_code)

    async def guess(client: httpx.AsyncClient) -> None:
        guesses.append(await guessed(client, wrong))

    async with served("login_child:app", 4) as processes:
        clients = [client for _, client in processes]
        async with anyio.create_task_group() as tasks:
            for index in range(10):
                for client in clients:
                    tasks.start_soon(ask, client, index)
        assert {(answer.status_code, answer.json()["state"]) for answer in answers} == {
            (202, "sent")
        }
        assert sorted(message.destination for message in smsgate_sandbox.messages) == numbers

        async with anyio.create_task_group() as tasks:
            for index, client in enumerate(clients):
                tasks.start_soon(hurry, client, index)
        assert sorted(statuses) == [202, 429, 429, 429], "a number gets one code in a minute"
        assert smsgate_sandbox.accepted == 11

        wrong = wrong_code(smsgate_sandbox)
        async with anyio.create_task_group() as tasks:
            for client in clients * 3:
                tasks.start_soon(guess, client)
        assert (guesses.count(403), guesses.count(410)) == (login.GUESSES, 12 - login.GUESSES)


@pytest.mark.longest
async def test_killed_process_leaves_a_code_that_another_process_does_not_send_again(
    login: Any, smsgate_sandbox: Sandbox
):
    smsgate_sandbox.faults.add("silent after", operation="SendSMS", times=1)
    async with served("login_child:app", 2) as ((first, dying), (_, other)):

        async def die() -> None:
            with pytest.raises(httpx.TransportError):
                await asked(dying)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(die)
            while not smsgate_sandbox.messages:  # noqa: ASYNC110 - the sandbox serves in a thread
                await anyio.sleep(0.01)
            first.kill()
        assert await guessed(other, wrong_code(smsgate_sandbox)) == 403, "the code can be used"
        for _ in range(2):
            answer = await asked(other)
            assert (answer.status_code, answer.json()["state"]) == (202, "perhaps")
        assert await guessed(other, code_of(smsgate_sandbox)) == 204
    assert smsgate_sandbox.calls["SendSMS"] == 1
    async with Outbox(smsgate.AsyncSession.from_env(), login.DATABASE) as outbox:
        (message,) = await outbox.in_doubt()
    assert isinstance(message.error, smsgate.InDoubt)
    assert message.error.reason is smsgate.Reason.PROCESS_ENDED


@pytest.mark.heavy
def test_commands_of_the_page_work_in_an_empty_folder(tmp_path: Path):
    page = (EXAMPLES.parent / "howto/fastapi.md").read_text("utf-8")
    blocks = re.findall(r"^```(?:sh|python)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shop = next(block for block in blocks if block.lstrip().startswith("from fastapi"))
    commands = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    _, _, start_shop, notify, look, start_login, ask, log_in = commands
    (tmp_path / "shop.py").write_text(shop, "utf-8")
    shutil.copy(EXAMPLES / "fastapi_login.py", tmp_path)
    *variables, start_shop = start_shop.strip().splitlines()
    with Sandbox() as sandbox:
        exports = "\n".join(variables).replace("http://127.0.0.1:8025/api/soap.html", sandbox.url)
        assert sandbox.url in exports
        with page_server(tmp_path, exports, start_shop) as address:
            ids = {curl(notify, address).json() for _ in range(2)}
            assert ids == {message.id for message in sandbox.messages}
            assert sandbox.accepted == 1
        with page_server(tmp_path, exports, start_shop) as address:
            assert {curl(notify, address).json()} == ids
        look = look.replace(".venv/bin", str(Path(sys.executable).parent))
        told = subprocess.check_output(["bash", "-ec", look], cwd=tmp_path, text=True)
        assert "accepted" in told
        assert "order-17" in told
        assert sandbox.accepted == 1
        with page_server(tmp_path, exports, start_login.strip()) as address:
            replies = [curl(ask, address) for _ in range(2)]
            assert [(answer.status_code, answer.json()["state"]) for answer in replies] == [
                (202, "sent")
            ] * 2
            assert sandbox.accepted == 2
            answer = curl(log_in.replace("000000", code_of(sandbox)), address)
            assert answer.status_code == 204


@contextmanager
def page_server(folder: Path, exports: str, program: str) -> Iterator[str]:
    """Start a server as the page says, but on a free port. Yields its address."""
    program = program.replace(".venv/bin", str(Path(sys.executable).parent))
    script = f"{exports}\nexec {program} --port 0"
    process = subprocess.Popen(["bash", "-ec", script], cwd=folder, stderr=subprocess.PIPE)
    try:
        address = address_of(process)
        deadline = time.monotonic() + 120
        while not answers(address):  # uvicorn names the address before its workers listen
            assert time.monotonic() < deadline, "its workers do not start"
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.communicate()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/openapi.json", trust_env=False).status_code == 200
    except httpx.ConnectError:
        return False


def curl(command: str, address: str) -> httpx.Response:
    """Do what this command would, at another address."""
    command = command.replace("http://127.0.0.1:8000", address)
    _, _, url, *options = shlex.split(command.replace("\\\n", ""))
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ") for name, value in given if name == "-H")
    (data,) = [value for name, value in given if name == "-d"]
    with httpx.Client(trust_env=False) as client:
        return client.post(url, headers=headers, content=data)


@pytest.mark.parametrize("body", [{"number": "12"}, {"number": "+38050123456a"}, {}])
async def test_bad_number_is_refused_before_anything_is_sent(
    body: dict[str, str], login: Any, smsgate_sandbox: Sandbox
):
    async with client_of(login.app) as client:
        assert (
            await client.post("/login", json=body, headers={"Idempotency-Key": "a" * 8})
        ).status_code == 422
    assert smsgate_sandbox.calls["SendSMS"] == 0


STATUSES: dict[type[BaseException], int] = {
    smsgate.BadDestination: 422,
    smsgate.MessageNotFound: 404,
    smsgate.GatewayFailure: 502,
    smsgate.Refused: 503,
    smsgate.NotSent: 503,
    smsgate.InDoubt: 504,
    InFlight: 409,
    KeyReused: 422,
    smsgate.NotAllowed: 422,
    smsgate.OnStopList: 422,
    smsgate.SmsGateError: 500,
}
"""The status of a class, or else of its base."""


@pytest.mark.parametrize("kind", OUTCOMES, ids=lambda kind: kind.__name__)
async def test_each_error_has_an_answer_without_the_gateways_words(
    kind: Any, caplog: pytest.LogCaptureFixture
):
    error = kind("a secret of the account: +380501234567")
    app = FastAPI(lifespan=sms_lifespan())
    answer_errors(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    async with client_of(app) as client:
        answer = await client.get("/")
    assert answer.status_code == next(STATUSES[base] for base in kind.__mro__ if base in STATUSES)
    assert answer.json() == {"detail": OUTCOMES[kind].http_detail, "sent": error.sent}
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (kind in {smsgate.NotSent, InFlight})
    # Who is paged finds the reason in the log, without a number.
    assert (
        f"answered with HTTP status {answer.status_code}: {kind.__name__}: a secret of the "
        "account: "
    ) in caplog.text
    assert "380501234567" not in caplog.text


class Notice(BaseModel):
    number: str


def with_outbox(path: Path, **options: Any) -> FastAPI:
    """Return the application of the integration's docstring."""
    app = FastAPI(lifespan=sms_lifespan(outbox=path, **options))
    answer_errors(app)

    @app.post("/notices")
    async def notify(notice: Notice, outbox: SmsOutbox, key: IdempotencyKey) -> str | None:
        return (await outbox.send(notice.number, "Ваше замовлення готове", key=key)).message_id

    return app


async def notified(
    client: httpx.AsyncClient, number: str = NUMBER, key: str = "a" * 8
) -> httpx.Response:
    return await client.post("/notices", json={"number": number}, headers={"Idempotency-Key": key})


async def test_repeated_idempotency_key_gets_the_same_message_id(
    tmp_path: Path, smsgate_sandbox: Sandbox
):
    path = tmp_path / "sms.db"
    async with client_of(with_outbox(path)) as client:
        answers = [await notified(client) for _ in range(2)]
    async with client_of(with_outbox(path)) as client:  # the application was started again
        answers.append(await notified(client))
    (message,) = smsgate_sandbox.messages
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.json() for answer in answers} == {message.id}


@pytest.mark.parametrize(
    "headers", [{}, {"Idempotency-Key": "a" * 7}, {"Idempotency-Key": "a" * 129}]
)
async def test_request_without_a_usable_key_is_refused(
    headers: dict[str, str], tmp_path: Path, smsgate_sandbox: Sandbox
):
    async with client_of(with_outbox(tmp_path / "sms.db")) as client:
        answer = await client.post("/notices", json={"number": NUMBER}, headers=headers)
    assert answer.status_code == 422
    assert smsgate_sandbox.calls["SendSMS"] == 0


async def test_longest_key_fits_into_the_outbox_with_a_prefix(tmp_path: Path):
    app = FastAPI(lifespan=sms_lifespan(outbox=tmp_path / "sms.db"))

    @app.get("/")
    async def ask(outbox: SmsOutbox, key: IdempotencyKey) -> bool:
        return await outbox.outcome(f"user:{'0' * 36}:{key}") is None

    async with client_of(app) as client:
        assert (await client.get("/", headers={"Idempotency-Key": "a" * 128})).json() is True


async def test_key_of_another_message_is_refused(tmp_path: Path, smsgate_sandbox: Sandbox):
    async with client_of(with_outbox(tmp_path / "sms.db")) as client:
        assert (await notified(client)).status_code == 200
        answer = await notified(client, "+380501234568")
    assert (answer.status_code, answer.json()["sent"]) == (422, False)
    assert smsgate_sandbox.accepted == 1


async def test_proven_not_sent_may_be_repeated_with_the_same_key(
    tmp_path: Path, smsgate_sandbox: Sandbox
):
    smsgate_sandbox.balance = 0
    async with client_of(with_outbox(tmp_path / "sms.db")) as client:
        answer = await notified(client)
        assert (answer.status_code, answer.json()["sent"]) == (503, False)
        smsgate_sandbox.balance = 10
        assert (await notified(client)).status_code == 200
    assert smsgate_sandbox.accepted == 1


async def test_in_doubt_is_never_sent_again(tmp_path: Path, smsgate_sandbox: Sandbox):
    smsgate_sandbox.faults.add("drop after", operation="SendSMS", times=1)
    async with client_of(with_outbox(tmp_path / "sms.db")) as client:
        for _ in range(3):
            answer = await notified(client)
            assert (answer.status_code, answer.json()["sent"]) == (504, None)
    assert smsgate_sandbox.accepted == 1


@pytest.mark.parametrize("kind", [LedgerError, JournalError, ClaimLost])
async def test_trouble_of_the_database_is_answered_without_details(
    kind: type[LedgerError],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    async def fails(*_: Any, **__: Any) -> None:
        raise kind("the host secret.example does not answer for +380501234567")

    monkeypatch.setattr(Outbox, "send", fails)
    async with client_of(with_outbox(tmp_path / "sms.db")) as client:
        answer = await notified(client)
    assert (answer.status_code, answer.json()["sent"]) == (503, None)
    assert "secret" not in answer.text
    assert "Retry-After" not in answer.headers
    assert "secret.example" in caplog.text
    assert "380501234567" not in caplog.text


async def test_database_that_breaks_while_the_application_runs_sends_nothing(
    tmp_path: Path, smsgate_sandbox: Sandbox
):
    async with client_of(with_outbox(tmp_path / "sms.db")) as client:
        with closing(sqlite3.connect(tmp_path / "sms.db")) as other:
            other.execute("DROP TABLE smsgate_message")
        answer = await notified(client)
    assert (answer.status_code, answer.json()["sent"]) == (503, None)
    assert smsgate_sandbox.calls["SendSMS"] == 0


async def test_request_that_does_not_wait_is_told_to_come_again(
    tmp_path: Path, smsgate_sandbox: Sandbox
):
    smsgate_sandbox.faults.add("slow", operation="SendSMS", seconds=2)
    app = with_outbox(tmp_path / "sms.db")

    @app.post("/hurry")
    async def hurry(notice: Notice, outbox: SmsOutbox, key: IdempotencyKey) -> None:
        await outbox.send(notice.number, "Ваше замовлення готове", key=key, wait=False)

    async with client_of(app) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(notified, client)
        while not smsgate_sandbox.calls["SendSMS"]:  # noqa: ASYNC110 - it serves in a thread
            await anyio.sleep(0.01)
        answer = await client.post(
            "/hurry", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8}
        )
    assert (answer.status_code, answer.json()["sent"]) == (409, None)
    assert "Retry-After" in answer.headers
    assert smsgate_sandbox.accepted == 1


async def test_outbox_that_cannot_be_opened_prevents_the_start(
    tmp_path: Path, smsgate_server: Sandbox
):
    (tmp_path / "sms.db").write_text("this is no database, but long enough to look at" * 9)
    made: list[smsgate.AsyncSession] = []

    def make() -> smsgate.AsyncSession:
        made.append(smsgate.AsyncSession("sandbox", "sandbox", url=smsgate_server.url))
        return made[0]

    app = FastAPI(lifespan=sms_lifespan(make, outbox=tmp_path / "sms.db"))
    with pytest.raises(LedgerError, match=r"not an? outbox"):
        async with app.router.lifespan_context(app):
            pass
    with pytest.raises(smsgate.NotSent):
        await made[0].get_credit_balance()


@pytest.mark.parametrize("forget", [False, True])
async def test_lifespan_forgets_texts_if_it_is_told_to(forget: bool, tmp_path: Path):
    app = with_outbox(tmp_path / "sms.db", forget_texts=forget)
    async with client_of(app) as client:
        await notified(client)
    async with client_of(app), Outbox(smsgate.AsyncSession.from_env(), tmp_path / "sms.db") as box:
        (message,) = await box.messages()
    assert (message.text is None) is forget


def test_forgetting_texts_without_an_outbox_is_an_error():
    with pytest.raises(ValueError, match=r"^forget_texts: "):
        sms_lifespan(forget_texts=True)


async def test_missing_outbox_is_named_in_the_error():
    app = FastAPI(lifespan=sms_lifespan())

    @app.get("/")
    async def ask(outbox: SmsOutbox) -> None: ...

    async with client_of(app) as client:
        with pytest.raises(RuntimeError, match=r'lifespan=sms_lifespan\(outbox="sms.db"\)'):
            await client.get("/")
    assert sms_outbox.__doc__


async def test_shutdown_records_what_became_of_the_last_call(
    tmp_path: Path, smsgate_sandbox: Sandbox
):
    smsgate_sandbox.faults.add("silent after", operation="SendSMS")
    app = with_outbox(tmp_path / "sms.db", grace=0.1)
    ended = []

    async def send(outbox: Outbox) -> None:
        with pytest.raises(smsgate.InDoubt) as caught:
            await outbox.send(NUMBER, "hello", key="order:17")
        ended.append(caught.value.reason)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, app.router.lifespan_context(app) as state:
            tasks.start_soon(send, state["smsgate_outbox"])
            while not smsgate_sandbox.messages:  # noqa: ASYNC110 - the sandbox serves in a thread
                await anyio.sleep(0.01)
    async with Outbox(smsgate.AsyncSession.from_env(), tmp_path / "sms.db") as outbox:
        found = await outbox.outcome("order:17")
    assert found
    assert found.state is RecipientState.IN_DOUBT
    assert ended == [smsgate.Reason.CLOSED]


async def test_invalid_user_input_is_explained_and_internal_errors_not():
    app = FastAPI()
    answer_errors(app)

    class Message(BaseModel):
        text: str

    @app.get("/theirs")
    async def theirs(number: str) -> None:
        smsgate.Message(destinations=number, text="Привіт")

    @app.get("/own")
    async def own() -> None:
        Message.model_validate({"text": 1})

    async with client_of(app) as client:
        answer = await client.get("/theirs", params={"number": "12"})
        assert (answer.status_code, answer.json()["sent"]) == (422, False)
        with pytest.raises(ValidationError, match="valid string"):
            await client.get("/own")


async def test_too_many_recipients_is_an_error_of_the_caller():
    app = FastAPI()
    answer_errors(app)

    @app.post("/")
    async def notify(numbers: list[str]) -> None:
        smsgate.Message(destinations=numbers, text="Привіт")

    async with client_of(app) as client:
        answer = await client.post(
            "/", json=[f"+{380_500_000_000 + number}" for number in range(MOST_RECIPIENTS + 1)]
        )
    assert answer.status_code == 422
    assert answer.json()["sent"] is False
    assert answer.json()["detail"].startswith(
        f"at most {MOST_RECIPIENTS} destinations in one message"
    )
    assert f"{380_500_000_000}" not in answer.text


OF_THE_APPLICATION = {
    "sender",  # which is the operator's to set
    "missing",
    "country",
    "country_extra",
    "text_missing",  # what it hands over, and how
    "message_type",
    "frozen_instance",
}
"""Complaints about what the application itself does, which no caller can put right:

they stay errors of the server.
"""


def test_each_complaint_blames_the_caller_or_the_application():
    kinds: set[str] = set()
    for module in (models, session):
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
            if name == "_refuse" and isinstance(call.args[0], ast.Constant):
                kinds.add(call.args[0].value)
            elif name == "_string":  # which makes its kind of the name of the field
                kinds.add(f"{call.args[1].value}_type")
            elif name == "invalid_message":
                kinds |= {row.elts[1].value for row in call.args if isinstance(row, ast.Tuple)}
    assert {
        "destinations_too_many",
        "text_type",
        "wappush_type",
        "missing",
        "message_type",
    } <= kinds, "they are found"
    assert kinds - _MISTAKES == OF_THE_APPLICATION
    assert kinds >= _MISTAKES


async def test_session_is_open_only_while_the_application_runs(
    smsgate_server: Sandbox,
):
    seen: list[smsgate.AsyncSession] = []
    app = FastAPI(
        lifespan=sms_lifespan(
            lambda: smsgate.AsyncSession("sandbox", "sandbox", url=smsgate_server.url)
        )
    )

    @app.get("/")
    async def balance(sms: SmsSession) -> str:
        seen.append(sms)
        return str(await sms.get_credit_balance())

    async with client_of(app) as client:
        assert [(await client.get("/")).json() for _ in range(2)] == ["10000", "10000"]
    assert seen[0] is seen[1]
    with pytest.raises(smsgate.NotSent, match="closed"):
        await seen[0].get_credit_balance()


@pytest.mark.parametrize("opened", [False, True])
async def test_named_stop_list_holds_for_session_and_outbox(
    opened: bool, tmp_path: Path, smsgate_sandbox: Sandbox
):
    async with StopList(tmp_path / "stop.db") as stop_list:
        await stop_list.add(NUMBER)
        place = stop_list if opened else tmp_path / "stop.db"
        app = FastAPI(lifespan=sms_lifespan(outbox=tmp_path / "sms.db", stop_list=place))
        answer_errors(app)

        @app.post("/session")
        async def by_session(sms: SmsSession) -> None:
            await sms.send_sms(NUMBER, "Hello", sender="Shop")

        @app.post("/outbox")
        async def by_outbox(outbox: SmsOutbox) -> None:
            await outbox.send(NUMBER, "Hello", key="a", sender="Shop")

        async with client_of(app) as client:
            for path in ("/session", "/outbox"):
                answer = await client.post(path)
                assert (answer.status_code, answer.json()) == (
                    422,
                    {
                        "detail": OUTCOMES[smsgate.OnStopList].http_detail,
                        "sent": False,
                    },
                )
    assert not smsgate_sandbox.messages


async def test_stop_list_that_is_missing_prevents_the_start(tmp_path: Path):
    app = FastAPI(lifespan=sms_lifespan(stop_list=tmp_path / "gone.db"))
    with pytest.raises(StopListError, match="gone"):
        async with client_of(app):
            pass


async def test_missing_lifespan_is_named_in_the_error():
    app = FastAPI()

    @app.get("/")
    async def balance(sms: SmsSession) -> None: ...

    async with client_of(app) as client:
        with pytest.raises(RuntimeError, match=r"lifespan=sms_lifespan\(\)"):
            await client.get("/")
    assert sms_session.__doc__


@pytest.mark.parametrize("grace", [0.1, 0])
async def test_shutdown_cancels_calls_after_the_grace_and_logs_it(
    grace: float, smsgate_sandbox: Sandbox
):
    smsgate_sandbox.faults.add("silent after", operation="SendSMS")
    app = FastAPI(lifespan=sms_lifespan(grace=grace))
    ended = []

    async def send(session: smsgate.AsyncSession) -> None:
        with pytest.raises(smsgate.InDoubt) as caught:
            await session.send_sms(NUMBER, "hello")
        ended.append(caught.value.reason)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks, app.router.lifespan_context(app) as state:
            tasks.start_soon(send, state["smsgate"])
            while not smsgate_sandbox.messages:  # noqa: ASYNC110 - the sandbox serves in a thread
                await anyio.sleep(0.01)
    assert ended == [smsgate.Reason.CLOSED]


@pytest.mark.parametrize("grace", [-1, float("inf"), float("nan"), "8", True, False])
def test_bad_grace_is_refused_at_once_not_at_shutdown(grace: Any):
    with pytest.raises(
        ValueError, match=r"^grace: must be a number of seconds, 0 or more, or None"
    ):
        sms_lifespan(grace=grace)
