"""Faults on demand:

what each does on the wire and to the ledger, when it strikes, and how it is chosen.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from test_sandbox import GOOD, OTHER, User, ask, request

import smsgate
from smsgate.sandbox import FAULTS, FaultKind, Faults, Sandbox, Settings, parse_rule

SEND = request("SendSMS", sender="Shop", destination=f"{GOOD},{OTHER}", text="Ваш код: 4815")


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


def spoken(sandbox: Sandbox, cookie: str | None, *, patience: float = 5.0) -> bytes | str:
    """Send to two numbers over a raw socket; return all bytes received, or the error."""
    address = urlsplit(sandbox.url)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: PHPSESSID={cookie}\r\n"
    )
    length_of_body = f"Content-Length: {len(SEND)}\r\n\r\n"
    with closing(
        socket.create_connection((address.hostname or "", address.port or 0), timeout=patience)
    ) as connection:
        connection.sendall(head.encode() + length_of_body.encode() + SEND)
        heard = b""
        try:
            while True:
                data = connection.recv(65536)
                if not data:
                    return heard
                heard += data
                head_heard, end, body = heard.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head_heard.lower())
                if end and length and len(body) == int(length[1]):
                    return heard
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "silence"


def struck_by(
    sandbox: Sandbox, kind: FaultKind, *, patience: float = 5.0, **rule: Any
) -> bytes | str:
    user = User(sandbox)
    sandbox.faults.add(kind, operation="SendSMS", times=1, **rule)
    return spoken(sandbox, user.cookie, patience=patience)


# What each does


@pytest.mark.parametrize("kind", FAULTS)
def test_table_says_whether_the_work_is_done(kind: FaultKind, sandbox: Sandbox):
    row = FAULTS[kind]
    struck_by(sandbox, kind, patience=0.3, **({"seconds": 0.0} if row.seconds else {}))
    accepted = row.works and not row.forgets  # a session that is lost refuses
    assert [message.destination for message in sandbox.messages] == (
        [GOOD, OTHER] if accepted else []
    )
    assert sandbox.balance == Decimal(10_000 - (2 if accepted else 0))


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER])
def test_dropped_connection_is_closed_without_a_byte(kind: FaultKind, sandbox: Sandbox):
    assert struck_by(sandbox, kind) == b""


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER])
def test_reset_connection_is_reset(kind: FaultKind, sandbox: Sandbox):
    assert struck_by(sandbox, kind) == "reset"


@pytest.mark.parametrize("kind", [FaultKind.SILENT_BEFORE, FaultKind.SILENT_AFTER])
def test_silent_gateway_keeps_the_connection_open(kind: FaultKind, sandbox: Sandbox):
    assert struck_by(sandbox, kind, patience=0.3) == "silence"


def test_cut_headers_end_before_the_empty_line(sandbox: Sandbox):
    heard = struck_by(sandbox, FaultKind.CUT_HEADERS)
    assert isinstance(heard, bytes)
    assert heard.startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" not in heard


def test_cut_body_is_shorter_than_declared(sandbox: Sandbox):
    heard = struck_by(sandbox, FaultKind.CUT_BODY)
    assert isinstance(heard, bytes)
    head, _, body = heard.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length
    assert 0 < len(body) < int(length[1])
    assert body.startswith(b"<?xml")


def test_no_http_fault_answers_without_http(sandbox: Sandbox):
    heard = struck_by(sandbox, FaultKind.NOT_HTTP)
    assert isinstance(heard, bytes)
    assert heard
    assert not heard.startswith(b"HTTP")


CHANGED = {
    FaultKind.BAD_GATEWAY_BEFORE: (b"HTTP/1.1 502", b"<h1>502 Bad Gateway</h1>"),
    FaultKind.BAD_GATEWAY_AFTER: (b"HTTP/1.1 502", b"<h1>502 Bad Gateway</h1>"),
    FaultKind.HTML: (b"HTTP/1.1 200", b"<html>"),
    FaultKind.GARBAGE: (b"HTTP/1.1 200", b"\x00\x01\x02"),
    FaultKind.WRONG_CHARSET: (b"HTTP/1.1 200", "Сообщения успешно отправлены".encode("cp1251")),
    FaultKind.SESSION_LOSS: (b"HTTP/1.1 200", "Вы не авторизованы".encode()),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_changed_answer_has_the_status_and_body_of_its_fault(kind: FaultKind, sandbox: Sandbox):
    heard = struck_by(sandbox, kind)
    assert isinstance(heard, bytes)
    status, inside = CHANGED[kind]
    assert heard.startswith(status)
    assert inside in heard.partition(b"\r\n\r\n")[2]


def test_empty_answer_has_no_body(sandbox: Sandbox):
    heard = struck_by(sandbox, FaultKind.EMPTY)
    assert isinstance(heard, bytes)
    assert heard.startswith(b"HTTP/1.1 200")
    assert heard.endswith(b"\r\n\r\n")


def test_short_array_lacks_only_its_last_slot(sandbox: Sandbox):
    heard = struck_by(sandbox, FaultKind.SHORT_ARRAY)
    assert isinstance(heard, bytes)
    first, second = sandbox.messages
    assert heard.count(b"<ns1:ResultArray>") == 2
    assert first.id.encode() in heard
    assert second.id.encode() not in heard


def test_slow_answer_is_whole_and_late(sandbox: Sandbox):
    started = time.monotonic()
    heard = struck_by(sandbox, FaultKind.SLOW, seconds=0.3)
    assert time.monotonic() - started >= 0.3
    assert isinstance(heard, bytes)
    assert sandbox.messages[1].id.encode() in heard


def test_lost_session_kills_the_old_cookie_and_issues_a_new_one(sandbox: Sandbox):
    user = User(sandbox)
    sandbox.faults.add("session loss", times=1)
    lost = user.call("GetCreditBalance")
    assert lost.result == "Вы не авторизованы"
    assert lost.cookie not in (None, user.cookie)
    assert user.call("GetCreditBalance").result == "Вы не авторизованы"


def test_inbox_shows_the_answer_that_the_client_got(sandbox: Sandbox):
    struck_by(sandbox, FaultKind.HTML)
    seen = asked(sandbox, f"/sandbox/messages/{sandbox.messages[0].id}")
    assert (seen["fault"], seen["reply"]) == (
        "html",
        "<html><body><h1>It works!</h1></body></html>\n",
    )
    assert seen["request"] == SEND.decode()


@pytest.mark.parametrize("kind", [FaultKind.SILENT_AFTER, FaultKind.SLOW])
def test_stop_does_not_wait_for_a_fault(kind: FaultKind):
    with Sandbox() as sandbox:
        user = User(sandbox)
        sandbox.faults.add(kind, **({"seconds": 3600} if FAULTS[kind].seconds else {}))
        assert spoken(sandbox, user.cookie, patience=0.2) == "silence"
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 20


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "kind", [FaultKind.DROP_AFTER, FaultKind.RESET_AFTER, FaultKind.CUT_BODY, FaultKind.NOT_HTTP]
)
def test_in_process_a_lost_connection_is_in_doubt_too(kind: FaultKind, backend: str):
    sandbox = Sandbox()
    sandbox.faults.add(kind, operation="SendSMS")

    async def send() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app)) as client:
            url = "http://localhost/api/soap.html"
            async with smsgate.AsyncSession(
                "sandbox", "sandbox", sender="Shop", url=url, http_client=client
            ) as session:
                with pytest.raises(smsgate.InDoubt):
                    await session.send_sms(GOOD, "a")

    anyio.run(send, backend=backend)
    assert sandbox.accepted == 1


# When it strikes


def test_fault_applies_as_often_as_set_and_is_then_removed(sandbox: Sandbox):
    user = User(sandbox)
    sandbox.faults.add("502 before", times=2)
    assert [user.call("GetCreditBalance").status for _ in range(4)] == [502, 502, 200, 200]
    assert sandbox.faults.rules == ()
    assert sandbox.faults.struck == {"502 before": 2}


def test_fault_of_one_operation_leaves_the_others_alone(sandbox: Sandbox):
    sandbox.faults.add("502 before", operation="SendSMS")
    user = User(sandbox)
    assert user.call("GetCreditBalance").status == 200
    assert user.send().status == 502
    assert sandbox.faults.rules[0].struck == 1


def test_only_the_oldest_matching_rule_applies(sandbox: Sandbox):
    user = User(sandbox)
    sandbox.faults.add("502 after", times=1)
    sandbox.faults.add("html", times=1)
    assert [user.send().status for _ in range(3)] == [502, 200, 200]
    assert sandbox.accepted == 3


def test_removed_fault_no_longer_applies(sandbox: Sandbox):
    user = User(sandbox)
    kept = sandbox.faults.add("502 before", operation="Auth")
    lifted = sandbox.faults.add("502 before")
    assert user.call("GetCreditBalance").status == 502
    sandbox.faults.remove(lifted.id)
    assert user.call("GetCreditBalance").status == 200
    assert [rule.id for rule in sandbox.faults.rules] == [kept.id]
    with pytest.raises(LookupError, match=r"^id: "):
        sandbox.faults.remove(lifted.id)


def test_chance_is_drawn_per_call_and_repeats_with_a_seed():
    def draws(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add("slow", probability=0.25)
        return [faults.strike("Auth") is not None for _ in range(2_000)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
    assert 400 < sum(draws(1)) < 600


def test_request_that_is_no_call_meets_no_fault(sandbox: Sandbox):
    sandbox.faults.add("502 before")
    assert ask(sandbox.url, b"<no soap>").status == 500
    assert sandbox.faults.rules[0].struck == 0


# How it is chosen


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"kind": "nothing"}, "kind: one of slow, silent before,"),
        ({"kind": "html", "operation": "SendMMS"}, "operation: None or one of Auth,"),
        ({"kind": "html", "probability": 0}, "probability: more than 0, at most 1"),
        ({"kind": "html", "probability": 1.5}, "probability: more than 0, at most 1"),
        ({"kind": "html", "probability": True}, "probability: more than 0, at most 1"),
        ({"kind": "html", "times": 0}, "times: None or a whole number, 1 or more"),
        ({"kind": "html", "times": 1.5}, "times: None or a whole number, 1 or more"),
        ({"kind": "slow", "seconds": -1}, "seconds: None or a number of seconds, 0 to 31,622,400"),
        (
            {"kind": "slow", "seconds": float("nan")},
            "seconds: None or a number of seconds, 0 to 31,622,400",
        ),
        ({"kind": "html", "seconds": 1}, "seconds: the fault 'html' has no delay"),
    ],
)
def test_bad_rule_names_the_argument_and_what_is_allowed(arguments: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}"):
        Faults().add(**arguments)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("reset after", {"kind": "reset after"}),
        (
            "reset after,SendSMS,10%",
            {"kind": "reset after", "operation": "SendSMS", "probability": 0.1},
        ),
        ("slow, 5s, 0.5%", {"kind": "slow", "seconds": 5.0, "probability": 0.005}),
        ("502 before,3x,Auth", {"kind": "502 before", "times": 3, "operation": "Auth"}),
    ],
)
def test_rule_in_text_form_is_read(words: str, rule: dict[str, Any]):
    assert parse_rule(words) == rule
    Faults().add(**parse_rule(words))


@pytest.mark.parametrize("words", ["html,", "html,often", "html,1x,2x", "html,10", "html,%"])
def test_malformed_rule_is_refused_with_an_example(words: str):
    with pytest.raises(ValueError, match=r"^fault: .* is not like 'reset after,SendSMS,10%'"):
        parse_rule(words)


def asked(sandbox: Sandbox, path: str, method: str = "GET", body: Any = None) -> Any:
    address = urlsplit(sandbox.url)
    with closing(
        http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    ) as connection:
        connection.request(method, path, None if body is None else json.dumps(body))
        return json.loads(connection.getresponse().read())


def test_another_program_can_add_and_remove_a_fault(sandbox: Sandbox):
    user = User(sandbox)
    rule = asked(
        sandbox,
        "/sandbox/faults",
        "POST",
        {"kind": "502 before", "operation": "SendSMS", "times": 5},
    )
    assert rule == {
        "id": rule["id"],
        "kind": "502 before",
        "operation": "SendSMS",
        "probability": 1.0,
        "times": 5,
        "seconds": None,
        "struck": 0,
    }
    assert user.send().status == 502
    assert asked(sandbox, "/sandbox/faults") == {
        "faults": [rule | {"times": 4, "struck": 1}],
        "struck": {"502 before": 1},
    }
    assert asked(sandbox, f"/sandbox/faults/{rule['id']}", "DELETE")["faults"] == []
    assert user.send().status == 200
    asked(sandbox, "/sandbox/faults", "POST", {"kind": "html"})
    assert asked(sandbox, "/sandbox/faults", "DELETE")["faults"] == []


def test_seed_makes_a_run_repeatable():
    def run(seed: int) -> tuple[list[str], list[int], Counter[str]]:
        clock = iter(range(10**6)).__next__
        settings = Settings(seed=seed, delivery_seconds=1_000, delivery_jitter=0.5)
        with Sandbox(settings, clock=clock) as sandbox:
            sandbox.faults.add("502 before", probability=0.5)
            user = User(sandbox, login=False)
            cookies = [
                user.call("Auth", login="sandbox", password="sandbox").cookie for _ in range(5)
            ]
            sandbox.faults.clear()
            user = User(sandbox)
            ids = [id_ for _ in range(5) for id_ in user.send().slots[1:]]
            return (
                [*map(str, cookies), *map(str, ids)],
                [round(one.takes) for one in sandbox.messages],
                sandbox.calls,
            )

    assert run(7) == run(7)
    assert run(7)[0] != run(8)[0]
    assert len(set(run(7)[1])) > 1
    assert all(500 <= takes <= 1_500 for takes in run(7)[1])
