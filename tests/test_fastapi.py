"""FastAPI:

the example of the documentation as a user runs it, on a sandbox, with warnings as errors.
"""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from examples import EXAMPLES, example
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError

import smsgate
from smsgate import session
from smsgate.errors import OUTCOMES
from smsgate.integrations.fastapi import (
    _MISTAKES,
    SmsSession,
    answer_errors,
    sms_lifespan,
    sms_session,
)
from smsgate.protocol import models
from smsgate.protocol.limits import MOST_RECIPIENTS
from smsgate.sandbox import Sandbox

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


@pytest.fixture
def login() -> Iterator[Any]:
    module = example("fastapi_login")
    yield module
    module.VISITORS.clear()


async def test_visitor_logs_in_with_the_code_that_arrived(login: Any, smsgate_sandbox: Sandbox):
    async with client_of(login.app) as client:
        asked = await client.post(
            "/login", json={"number": NUMBER}, headers={"Idempotency-Key": "a" * 8}
        )
        assert (asked.status_code, asked.json()["state"]) == (202, "sent")
        wrong = "000000" if code_of(smsgate_sandbox) != "000000" else "111111"
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
        right = code_of(smsgate_sandbox)
        wrong = f"{(int(right) + 1) % 10**6:06}"
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


def test_phone_login_works_with_the_commands_of_the_page(tmp_path: Path):
    page = (EXAMPLES.parent / "howto/fastapi.md").read_text("utf-8")
    _, start, ask, log_in = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shutil.copy(EXAMPLES / "fastapi_login.py", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with Sandbox() as sandbox:
        start = start.replace("http://127.0.0.1:8025/api/soap.html", sandbox.url).replace(
            ".venv/bin", str(Path(sys.executable).parent)
        )
        assert sandbox.url in start
        *variables, program = start.strip().splitlines()
        script = "\n".join([*variables, f"exec {program} --port {port}"])
        served = subprocess.Popen(["bash", "-ec", script], cwd=tmp_path, stderr=subprocess.PIPE)
        try:
            assert served.stderr
            while b"running on" not in (line := served.stderr.readline()):
                assert line, "it has ended"
            answers = [curl(ask.replace(":8000", f":{port}")) for _ in range(2)]
            assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [
                (202, "sent")
            ] * 2
            assert sandbox.accepted == 1
            answer = curl(log_in.replace(":8000", f":{port}").replace("000000", code_of(sandbox)))
            assert answer.status_code == 204
        finally:
            served.terminate()
            served.communicate()


def curl(command: str) -> httpx.Response:
    """Do what this command would."""
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
    assert ("Retry-After" in answer.headers) == (kind is smsgate.NotSent)
    # Who is paged finds the reason in the log, without a number.
    assert (
        f"answered with HTTP status {answer.status_code}: {kind.__name__}: a secret of the "
        "account: "
    ) in caplog.text
    assert "380501234567" not in caplog.text


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
