"""Nothing that a call lets out contains the login, password, cookie, number or text.

Docs: how it is tested, "Where secrets leak". The peer is as indiscreet as it can be: it quotes what
it was sent.
"""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import fault_server
import httpx
import needles
import pytest
from connections import each_own
from fault_server import COOKIE, Connection, FaultServer
from pydantic import ValidationError
from shown import shown_by

import smsgate

pytestmark = pytest.mark.anyio

# Module constants, so that no frame of these tests holds them as a local.
LOGIN, PASSWORD = needles.LOGIN, needles.PASSWORD
DIGITS = "380501234567"
TEXT = needles.TEXT
SECRETS = {
    "login": LOGIN,
    "password": PASSWORD,
    "cookie": COOKIE,
    "number": DIGITS,
    "local number": DIGITS[3:],
    "text": TEXT,
    "half of the text": TEXT[:13],
    "escaped": TEXT.encode("unicode_escape").decode(),
    "bytes": repr(TEXT.encode())[2:-1],
}


def hits(shown: str) -> list[str]:
    return [name for name, secret in SECRETS.items() if secret in shown]


def answer_of(body: str) -> Callable[[Connection], None]:
    return fault_server.answering(body.encode())


def slots(*items: str) -> str:
    inside = "".join(f"<ns1:ResultArray>{item}</ns1:ResultArray>" for item in items)
    return fault_server.ENVELOPE.format(
        f"<ns1:SendSMSResponse><ns1:SendSMSResult>{inside}</ns1:SendSMSResult></ns1:SendSMSResponse>"
    )


QUOTED = f"{LOGIN} {PASSWORD} {COOKIE} +{DIGITS} {TEXT}"


def quote_the_request(connection: Connection) -> None:
    connection.answer(b"<html>" + connection.server.requests[-1].body + QUOTED.encode())


PEERS: dict[str, Callable[[Connection], None]] = {
    "HTML that quotes the request": fault_server.then(quote_the_request),
    "a sentence that quotes all": answer_of(slots(f"Что это: {QUOTED}")),
    "a slot that quotes all": answer_of(
        slots("Сообщения успешно отправлены", f"Что это: {QUOTED}")
    ),
    "a refusal that quotes the number": answer_of(
        slots(f'Не удалось распознать номер получателя "+{DIGITS}"')
    ),
    "a slot that quotes the number": answer_of(
        slots("x", f'Не удалось распознать номер получателя "+{DIGITS}"')
    ),
    "a refusal and a slot": answer_of(
        slots(
            "Не удалось распознать номер получателя",
            f'Не удалось распознать номер получателя "+{DIGITS}"',
        )
    ),
    "a refusal with the text in its quotes": answer_of(
        slots(f'Не удалось распознать номер получателя "{TEXT}"')
    ),
    "a dead cookie": answer_of(slots("Вы не авторизованы")),
    "a fault": answer_of(fault_server.FAULT_BODY.decode().replace("Bad Request", QUOTED)),
    "502": fault_server.answering(QUOTED.encode(), status="502 Bad Gateway"),
    "redirect": fault_server.answering(b"", "Location: http://localhost/login", status="302 Found"),
    "reset": fault_server.then(Connection.reset),
    "silence": fault_server.then(Connection.hold),
    "no HTTP": fault_server.then(lambda connection: connection.send(QUOTED.encode() * 9)),
    "oversized": fault_server.then(lambda connection: connection.answer(QUOTED.encode() * 3000)),
    "gzip": fault_server.answering(QUOTED.encode(), "Content-Encoding: gzip"),
    "no XML inside": answer_of(
        fault_server.ACCEPTED.decode().replace("</ns1:SendSMSResult>", QUOTED)
    ),
    "a cookie that no header may hold": fault_server.then(
        lambda connection: connection.answer(b"", f"Set-Cookie: PHPSESSID={COOKIE}\x01; path=/")
    ),
}


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    smsgate.redact_http_logs()
    loggers = [
        logging.getLogger(name)
        for name in ("smsgate", "httpx", "httpcore", "httpx2", "httpcore2", "aiohttp", "asyncio")
    ]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    yield caplog
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def shown_by_logs(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(
        f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records
    )


def chain(error: BaseException | None) -> list[BaseException]:
    """The error, and every other one that it keeps alive."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__]
    return found


@each_own
@pytest.mark.parametrize("name", PEERS)
async def test_error_shows_no_secret_anywhere(
    name: str, everything_logged: pytest.LogCaptureFixture, own: dict[str, Any]
) -> None:
    with (
        warnings.catch_warnings(record=True) as warned,
        FaultServer(PEERS[name]).running() as server,
    ):
        warnings.simplefilter("always")
        # Only a silent peer has to be given up; a busy machine may be slow to send.
        timeouts = smsgate.Timeouts(send=5.0 if name == "silence" else 30.0)
        async with smsgate.AsyncSession(
            LOGIN, PASSWORD, sender="Shop", url=server.url, timeouts=timeouts, **own
        ) as session:
            with pytest.raises(smsgate.SmsGateError) as caught:
                await session.send_sms(DIGITS, TEXT)
            assert hits(repr(session)) == []
    assert len(server.sends()) >= 1, "the peer got what it could quote"
    for error in chain(caught.value):
        assert hits(shown_by(error)) == []
    assert chain(caught.value) == [caught.value], "no foreign error is kept"
    assert own or "send_request_headers.complete" in everything_logged.text, (
        "httpcore's lines are among those searched"
    )
    assert hits(shown_by_logs(everything_logged)) == []
    assert hits("".join(str(warning.message) for warning in warned)) == []


def login_answer(sentence: str) -> Callable[[Connection], None]:
    body = (
        fault_server.AUTHORISED.decode().replace("Вы успешно авторизировались", sentence).encode()
    )

    def answer(connection: Connection) -> None:
        connection.request()
        connection.answer(body, f"Set-Cookie: PHPSESSID={COOKIE}")

    return answer


LOGINS = {
    "wrong password": login_answer("Неверный логин или пароль"),
    "a sentence that quotes all": login_answer(QUOTED),
    "success and more": login_answer(f"Вы успешно авторизировались | {QUOTED}"),
}


@pytest.mark.parametrize("name", LOGINS)
async def test_failed_login_shows_no_secret(
    name: str, everything_logged: pytest.LogCaptureFixture
) -> None:
    server = FaultServer(LOGINS[name])
    server.requests.append(fault_server.Request("", b"<ns1:Auth>"))  # straight to the fault
    with server.running():
        async with smsgate.AsyncSession(LOGIN, PASSWORD, sender="Shop", url=server.url) as session:
            for call in (session.auth, session.get_credit_balance, session.get_new_messages):
                with pytest.raises(smsgate.SmsGateError) as caught:
                    await call()
                assert chain(caught.value) == [caught.value]
                assert hits(shown_by(caught.value)) == []
    assert hits(shown_by_logs(everything_logged)) == []


async def test_successful_send_logs_masked_number_and_size_of_the_text(
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    with FaultServer(fault_server.accept).running() as server:
        async with smsgate.AsyncSession(LOGIN, PASSWORD, sender="Shop", url=server.url) as session:
            result = await session.send_sms(DIGITS, TEXT)
    assert hits(repr(result) + str(result)) == []
    assert hits(shown_by_logs(everything_logged)) == []
    assert "SendSMS to +380*****4567: 28 characters in 1 parts" in everything_logged.text
    assert "session 1: logged in" in everything_logged.text
    assert "Set-Cookie" in everything_logged.text, "httpcore logged the header, without its value"


async def test_without_the_helper_httpcore_logs_the_cookie() -> None:
    # If this fails, httpcore has learned to be discreet, and the helper can go.
    lines: list[str] = []

    async def trace(event: str, info: dict[str, Any]) -> None:
        lines.append(f"{event} {info.get('return_value')!r}")

    with FaultServer(fault_server.accept).running() as server:
        async with httpx.AsyncClient() as client:
            await client.post(server.url, content=b"<ns1:Auth>", extensions={"trace": trace})
    assert COOKIE in "".join(lines)


@pytest.mark.parametrize(
    "bad",
    [{"text": TEXT + "\x00"}, {"sender": TEXT}, {"wappush": TEXT}, {"destination": DIGITS + "x"}],
)
async def test_refused_message_shows_none_of_its_values(bad: dict[str, str]) -> None:
    async with smsgate.AsyncSession(
        LOGIN, PASSWORD, sender="Shop", url="https://example.com/"
    ) as session:
        with pytest.raises(ValidationError) as caught:
            await session.send_sms(**{"destination": DIGITS, "text": TEXT, **bad})
    del bad
    for error in chain(caught.value):
        shown = shown_by(error).replace(repr({"destination": DIGITS}), "")
        assert hits(shown) == []


@pytest.mark.parametrize(
    "options",
    [
        {"login": LOGIN + "\x00"},
        {"password": PASSWORD + "\x00"},
        {"url": f"https://{LOGIN}:{PASSWORD}@example.com/"},
        {"url": f"https://example.com/?login={LOGIN}&password={PASSWORD}"},
        {"proxy": f"ftp://{LOGIN}:{PASSWORD}@example.com/"},
        {"sender": TEXT},
    ],
    ids=["login", "password", "userinfo", "query", "proxy", "sender"],
)
def test_refused_session_shows_none_of_its_settings(
    options: dict[str, str], request: pytest.FixtureRequest
) -> None:
    with pytest.raises(ValueError, match=":") as caught:
        smsgate.AsyncSession(**{"login": LOGIN, "password": PASSWORD, **options})  # type: ignore[arg-type]  # the mistakes under test
    del options
    error = caught.value
    # The frame of this test holds its own parameters, which is no business of ours.
    frames = traceback.TracebackException(
        type(error), error, error.__traceback__ and error.__traceback__.tb_next, capture_locals=True
    )
    assert hits("".join(frames.format())) == []
    assert hits(f"{error!r} {error.args}") == []
    assert request.node.callspec.id.split("-")[0] in (
        "login",
        "password",
        "userinfo",
        "query",
        "proxy",
        "sender",
    )


@each_own
async def test_cancelled_call_shows_no_secret_in_its_frames(own: dict[str, Any]) -> None:
    caught: list[BaseException] = []
    with FaultServer(fault_server.then(Connection.hold)).running() as server:
        async with smsgate.AsyncSession(
            LOGIN, PASSWORD, sender="Shop", url=server.url, concurrency=1, **own
        ) as session:
            for seconds in (
                0.001,
                0.3,
            ):  # on the way to the login, and while the answer to the send is awaited
                with anyio.move_on_after(seconds):
                    try:
                        await session.send_sms(DIGITS, TEXT)
                    except BaseException as error:
                        caught.append(error)
                        raise
    assert len(caught) == 2
    for error in caught:
        frames = traceback.TracebackException(
            type(error),
            error,
            error.__traceback__ and error.__traceback__.tb_next,
            capture_locals=True,
        )
        assert hits("".join(frames.format())) == []
        for one in chain(error):
            assert hits(repr(one)) == []
