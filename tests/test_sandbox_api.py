"""The JSON API of the sandbox, what is remembered and for how long, and who is refused."""

from __future__ import annotations

import http.client
import json
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from test_sandbox import GOOD, OTHER, Clock, User, ask, request

from smsgate.protocol.answers import DeliveryState
from smsgate.sandbox import AccountState, Sandbox, Settings


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


def call(
    sandbox: Sandbox, path: str, method: str = "GET", body: Any = None, **headers: str
) -> tuple[int, Any]:
    address = urlsplit(sandbox.url)
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
    with closing(
        http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    ) as connection:
        connection.request(
            method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answered = connection.getresponse()
        read = answered.read()
        return answered.status, json.loads(
            read
        ) if answered.headers.get_content_type() == "application/json" else read


def got(sandbox: Sandbox, path: str, method: str = "GET", body: Any = None) -> Any:
    status, document = call(sandbox, path, method, body)
    assert status == 200, document
    return document


# What can be seen


def test_state_reports_everything_in_figures(sandbox: Sandbox):
    user = User(sandbox)
    user.send(f"{GOOD},{OTHER}")
    rule = sandbox.faults.add("html", operation="GetNewMessages")
    seen = got(sandbox, "/sandbox/state")
    assert (seen["url"], seen["wsdl_url"], seen["login"]) == (
        sandbox.url,
        sandbox.wsdl_url,
        "sandbox",
    )
    assert (seen["balance"], seen["account"]) == ("9998", "active")
    assert (seen["messages"], seen["accepted"], seen["forgotten"], seen["conversations"]) == (
        2,
        2,
        0,
        2,
    )
    assert seen["calls"] == {"Auth": 1, "SendSMS": 1}
    assert seen["moving"] is True
    assert [fault["id"] for fault in seen["faults"]] == [rule.id]
    (session,) = seen["sessions"]
    assert (session["authorised"], session["calls"], seen["session_count"]) == (True, 2, 1)
    assert user.cookie not in json.dumps(seen)


def test_revision_grows_with_each_change_and_not_with_reads(sandbox: Sandbox):
    def revision() -> int:
        return int(got(sandbox, "/sandbox/state")["revision"])

    user = User(sandbox)
    seen = [revision(), revision()]
    assert seen[0] == seen[1]
    for change in (
        user.send,
        lambda: sandbox.set_status(sandbox.messages[0].id, DeliveryState.EXPIRED),
        lambda: sandbox.faults.add("html", times=1),
        lambda: user.call("GetCreditBalance"),
        sandbox.drop_sessions,
        lambda: setattr(sandbox, "balance", 5),
        lambda: setattr(sandbox, "account", AccountState.BLOCKED),
        sandbox.clear,
        sandbox.reset,
    ):
        change()
        seen.append(revision())
        assert seen[-1] > seen[-2]


def test_conversations_are_per_number_and_the_latest_is_first(sandbox: Sandbox):
    user = User(sandbox)
    for number, text in ((GOOD, "one"), (OTHER, "two"), (GOOD, "three")):
        user.send(number, text)
    seen = got(sandbox, "/sandbox/conversations")
    assert seen["total"] == 2
    rows = [(row["number"], row["messages"], row["last"]["text"]) for row in seen["conversations"]]
    assert rows == [(GOOD, 2, "three"), (OTHER, 1, "two")]
    second = got(sandbox, "/sandbox/conversations?offset=1&limit=1")
    assert (second["total"], [row["number"] for row in second["conversations"]]) == (2, [OTHER])


def test_messages_are_read_in_pages_from_either_end(sandbox: Sandbox):
    user = User(sandbox)
    for count in range(1, 11):
        user.send(GOOD if count % 2 else OTHER, f"text {count}")

    def page(query: str) -> tuple[list[int], bool, bool, int]:
        seen = got(sandbox, f"/sandbox/messages?{query}")
        return (
            [message["sequence"] for message in seen["messages"]],
            seen["older"],
            seen["newer"],
            seen["total"],
        )

    assert page("limit=3") == ([8, 9, 10], True, False, 10)
    assert page("limit=3&before=8") == ([5, 6, 7], True, True, 10)
    assert page("limit=3&before=3") == ([1, 2], False, True, 10)
    assert page("limit=3&after=0") == ([1, 2, 3], False, True, 10)
    assert page("limit=3&after=8") == ([9, 10], True, False, 10)
    assert page("limit=9&after=2&before=6") == ([3, 4, 5], True, True, 10)
    assert page(f"limit=2&to={quote(GOOD)}") == ([7, 9], True, False, 5)
    # An address in which the plus was written as it is, or left out.
    assert page(f"limit=2&to={GOOD}") == page(f"limit=2&to={GOOD[1:]}") == ([7, 9], True, False, 5)
    assert page(f"limit=9&to={quote('+380000000000')}") == ([], False, False, 0)
    assert [message.sequence for message in sandbox.messages_after(8)] == [9, 10]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("4815", 1),
        ("ВАШ", 1),
        ("0671234567", 1),
        ("shop", 2),
        ("promo", 1),
        ("nothing", 0),
        ("", 3),
    ],
)
def test_search_finds_text_number_and_sender_in_any_case(search: str, found: int, sandbox: Sandbox):
    user = User(sandbox)
    user.send(GOOD, "Ваш код: 4815")
    user.send(OTHER, "second")
    user.send(GOOD, "third", sender="Promo")
    assert got(sandbox, f"/sandbox/messages?search={quote(search)}")["total"] == found
    threads = got(sandbox, f"/sandbox/conversations?search={quote(search)}")["conversations"]
    assert sum(thread["messages"] for thread in threads) == found


def test_search_finds_a_message_by_its_id(sandbox: Sandbox):
    user = User(sandbox)
    ids = [user.send().slots[1] for _ in range(3)]
    (found,) = got(sandbox, f"/sandbox/messages?search={ids[1]}")["messages"]
    assert found["id"] == ids[1]


def test_message_comes_with_its_raw_request_and_reply(sandbox: Sandbox):
    user = User(sandbox)
    body = request("SendSMS", sender="Shop", destination=f"{GOOD},{OTHER}", text="<b>&")
    answered = user.post(body)
    for id_ in answered.slots[1:]:
        seen = got(sandbox, f"/sandbox/messages/{id_}")
        assert (seen["request"], seen["reply"], seen["fault"]) == (
            body.decode(),
            answered.text,
            None,
        )
        assert (seen["text"], seen["parts"], seen["alphabet"], seen["credits"]) == (
            "<b>&",
            1,
            "GSM-7",
            "1",
        )


@pytest.mark.parametrize(
    ("text", "saving"),
    [
        (f"It’s {'a' * 80}", {"characters": ["’"], "parts": 1}),
        (f"«It’s» {'a' * 300}", {"characters": ["«", "’", "»"], "parts": 3}),
        (f"{'€' * 79}’", {"characters": ["’"], "parts": 1}),
        (f"{'€' * 80}’", None),
        ("It’s on its way", None),
        (f"Код {'a' * 80}ів", None),
        ("a" * 161, None),
    ],
    ids=["one", "three", "extension", "no part less", "one part", "too many", "in the alphabet"],
)
def test_characters_that_forced_ucs2_are_named_if_few(sandbox: Sandbox, text: str, saving: object):
    (_, id_) = User(sandbox).send(text=text).slots
    assert got(sandbox, f"/sandbox/messages/{id_}")["saving"] == saving


def test_tables_hold_what_a_page_offers(sandbox: Sandbox):
    tables = got(sandbox, "/sandbox/tables")
    assert {
        "kind": "slow",
        "note": "the answer is late; the gateway does the work immediately",
        "seconds": 5.0,
        "works": True,
    } in tables["faults"]
    assert {
        "state": "delivered",
        "sentence": "Сообщение доставлено получателю",
        "final": True,
    } in tables["states"]
    assert tables["accounts"] == ["active", "not activated", "blocked", "disabled"]
    assert tables["operations"][0] == "Auth"
    assert {"number": "+380000000004", "note": "not delivered"} in tables["magic"]


# What can be switched


def test_status_set_by_hand_is_answered_until_released(sandbox: Sandbox):
    user = User(sandbox)
    (_, id_) = user.send().slots
    assert id_
    changed = got(sandbox, f"/sandbox/messages/{id_}", "PUT", {"state": "expired"})
    assert (changed["state"], changed["final"], changed["forced"]) == ("expired", True, True)
    assert user.status(id_) == "Истек срок сообщения"
    assert user.call("GetNewMessages").slots == []
    released = got(sandbox, f"/sandbox/messages/{id_}", "PUT", {"state": None})
    assert (released["state"], released["forced"]) == ("sent", False)
    assert user.call("GetNewMessages").slots == [id_]


def test_account_state_can_be_changed_and_affects_each_session(sandbox: Sandbox):
    user = User(sandbox)
    seen = got(sandbox, "/sandbox/account", "PUT", {"account": "blocked", "balance": "1.5"})
    assert (seen["account"], seen["balance"]) == ("blocked", "1.5")
    assert got(sandbox, "/sandbox/account") == {"account": "blocked", "balance": "1.5"}
    assert user.call("GetCreditBalance").result == "Вы не авторизованы"
    assert "заблокирована" in user.call("Auth", login="sandbox", password="sandbox").result
    assert (sandbox.account, sandbox.balance) == (AccountState.BLOCKED, Decimal("1.5"))
    sandbox.account = AccountState.ACTIVE
    sandbox.balance = 1
    assert "Не хватает" in str(User(sandbox).send(f"{GOOD},{OTHER}").slots[0])


def test_sessions_can_be_ended_one_by_one_and_all_at_once(sandbox: Sandbox):
    users = [User(sandbox) for _ in range(3)]
    keys = [session["key"] for session in got(sandbox, "/sandbox/state")["sessions"]]
    assert len(set(keys)) == 3
    # The last used stands first.
    got(sandbox, f"/sandbox/sessions/{keys[0]}", "DELETE")
    assert [user.call("GetCreditBalance").result for user in users] == [
        "10000",
        "10000",
        "Вы не авторизованы",
    ]
    assert call(sandbox, f"/sandbox/sessions/{keys[0]}", "DELETE") == (
        404,
        {"error": "key: no session has this key"},
    )
    assert got(sandbox, "/sandbox/sessions", "DELETE")["sessions"] == []
    assert users[0].call("GetCreditBalance").result == "Вы не авторизованы"


def test_forgetting_messages_keeps_sessions_and_faults(sandbox: Sandbox):
    user = User(sandbox)
    user.send()
    sandbox.faults.add("html", operation="Auth")
    seen = got(sandbox, "/sandbox/messages", "DELETE")
    assert (seen["messages"], seen["accepted"], seen["balance"], seen["calls"]) == (
        0,
        0,
        "10000",
        {},
    )
    assert (len(seen["sessions"]), len(seen["faults"])) == (1, 1)
    assert user.call("GetCreditBalance").result == "10000"


def test_clear_restores_the_initial_state(sandbox: Sandbox):
    User(sandbox).send()
    sandbox.faults.add("html")
    sandbox.account = AccountState.BLOCKED
    seen = got(sandbox, "/sandbox/clear", "POST")
    assert (seen["messages"], seen["sessions"], seen["faults"], seen["account"]) == (
        0,
        [],
        [],
        "active",
    )
    assert (seen["balance"], seen["calls"], seen["conversations"]) == ("10000", {}, 0)


@pytest.mark.parametrize(
    ("asked", "body", "status", "error"),
    [
        ("GET /sandbox/messages?limit=x", None, 400, "limit: a whole number from 0 to 10000"),
        ("GET /sandbox/messages?limit=10001", None, 400, "limit: a whole number from 0 to 10000"),
        ("GET /sandbox/messages?after=-1", None, 400, "after: a whole number from 0 to "),
        ("GET /sandbox/messages/nothing", None, 404, "id: no message has this id"),
        (
            "PUT /sandbox/messages/{id}",
            {"state": "eaten"},
            400,
            "state: null or one of sent, queued, ",
        ),
        (
            "PUT /sandbox/messages/{id}",
            {"state": ["x"]},
            400,
            "state: null or one of sent, queued, ",
        ),
        ("PUT /sandbox/messages/{id}", {}, 400, "state: this field is required"),
        (
            "PUT /sandbox/messages/{id}",
            {"state": None, "x": 1},
            400,
            "body: a JSON object with only these fields: state",
        ),
        (
            "PUT /sandbox/messages/{id}",
            [1],
            400,
            "body: a JSON object with only these fields: state",
        ),
        ("PUT /sandbox/messages/{id}", b"{", 400, "body: not JSON"),
        ("PUT /sandbox/messages/{id}", b"\xff", 400, "body: not JSON"),
        ("PUT /sandbox/messages/{id}", b"[" * 100_000, 400, "body: "),
        ("PUT /sandbox/messages/nothing", {"state": "expired"}, 404, "id: no message has this id"),
        ("PUT /sandbox/account", {"account": "gone"}, 400, "account: one of active, "),
        ("PUT /sandbox/account", {"balance": "-1"}, 400, "balance: credits as a string, 0 or more"),
        (
            "PUT /sandbox/account",
            {"balance": "1e99"},
            400,
            "balance: credits as a string, 0 or more",
        ),
        (
            "PUT /sandbox/account",
            {"balance": "many"},
            400,
            "balance: credits as a string, 0 or more",
        ),
        ("PUT /sandbox/account", {"balance": True}, 400, "balance: credits as a string, 0 or more"),
        ("POST /sandbox/faults", {"kind": 5}, 400, "kind: one of slow, "),
        (
            "POST /sandbox/faults",
            {"kind": "html", "probability": "1"},
            400,
            "probability: more than 0, at most 1",
        ),
        (
            "POST /sandbox/faults",
            {"kind": "html", "operation": []},
            400,
            "operation: null or one of ",
        ),
        ("POST /sandbox/faults", {"kind": "html", "times": 0}, 400, "times: null or a whole"),
        ("POST /sandbox/faults", {"kind": "slow", "seconds": 10**400}, 400, "seconds: null or a"),
        (f"GET /sandbox/messages?limit={'9' * 5_000}", None, 400, "limit: a whole number from 0"),
        (f"GET /sandbox/messages?after={'0' * 5_000}", None, 400, "after: a whole number from 0"),
        (f"GET /sandbox/calls/{'9' * 5_000}", None, 404, "number: no call has this number"),
        (f"DELETE /sandbox/faults/{'9' * 5_000}", None, 404, "id: no active fault has this id"),
        ("GET /sandbox/calls/%C2%B2", None, 404, "number: no call has this number"),
        ("GET /sandbox/messages?limit=1&limit=2", None, 400, "limit: given more than once"),
        ("GET /sandbox/nothing", None, 404, "path: the sandbox has no such path"),
        ("GET /sandbox/clear", None, 405, "method: this path takes only POST"),
        ("PATCH /sandbox/faults", {}, 405, "method: this path takes only DELETE, GET, HEAD, POST"),
        ("POST /healthz", None, 405, "method: this path takes only "),
        ("DELETE /sandbox/faults/99", None, 404, "id: no active fault has this id"),
        ("DELETE /sandbox/faults/x", None, 404, "id: no active fault has this id"),
        ("DELETE /sandbox/sessions/x", None, 404, "key: no session has this key"),
    ],
)
def test_bad_request_is_told_what_is_allowed(
    asked: str, body: Any, status: int, error: str, sandbox: Sandbox
):
    (_, id_) = User(sandbox).send().slots
    method, path = asked.format(id=id_).split()
    answered, document = call(sandbox, path, method, body)
    assert (answered, list(document)) == (status, ["error"])
    assert document["error"].startswith(error)


def test_state_and_balance_of_the_account_are_set_separately(sandbox: Sandbox):
    assert got(sandbox, "/sandbox/account", "PUT", {"balance": "7"})["balance"] == "7"
    assert (sandbox.account, sandbox.balance) == (AccountState.ACTIVE, 7)
    assert got(sandbox, "/sandbox/account", "PUT", {"account": "blocked"})["account"] == "blocked"
    assert (sandbox.account, sandbox.balance) == (AccountState.BLOCKED, 7)


def test_fault_without_a_probability_always_applies(sandbox: Sandbox):
    assert (
        got(sandbox, "/sandbox/faults", "POST", {"kind": "html", "probability": None})[
            "probability"
        ]
        == 1.0
    )
    assert [rule.probability for rule in sandbox.faults.rules] == [1.0]


def test_bad_account_changes_nothing_at_all(sandbox: Sandbox):
    assert call(sandbox, "/sandbox/account", "PUT", {"account": "gone", "balance": "5"})[0] == 400
    assert sandbox.balance == 10_000


# Events


def test_events_report_the_state_at_once_and_after_each_change(sandbox: Sandbox):
    user = User(sandbox)
    address = urlsplit(sandbox.url)
    with closing(
        http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    ) as connection:
        connection.request("GET", "/sandbox/events")
        stream = connection.getresponse()
        assert stream.headers.get_content_type() == "text/event-stream"

        def event() -> Any:
            lines = [stream.readline(), stream.readline(), stream.readline()]
            assert lines[0] == b"event: state\n"
            assert lines[2] == b"\n"
            return json.loads(lines[1].removeprefix(b"data: "))

        first = event()
        assert first | {"now": 0} == got(sandbox, "/sandbox/state") | {"now": 0}
        user.send()
        assert event()["accepted"] == 1


def test_events_continue_until_the_last_status_is_final():
    with Sandbox(Settings(delivery_seconds=1.2)) as sandbox:
        user = User(sandbox)
        user.send()
        address = urlsplit(sandbox.url)
        with closing(
            http.client.HTTPConnection(address.hostname or "", address.port, timeout=3)
        ) as connection:
            connection.request("GET", "/sandbox/events")
            stream = connection.getresponse()
            moving = []
            with pytest.raises(TimeoutError):
                while True:
                    line = stream.readline()
                    if line.startswith(b"data: "):
                        moving.append(json.loads(line.removeprefix(b"data: "))["moving"])
    assert moving[-1] is False
    assert moving.count(False) == 1
    assert len(moving) >= 2


def test_events_end_when_the_sandbox_stops():
    with Sandbox() as sandbox:
        address = urlsplit(sandbox.url)
        with closing(
            http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        ) as connection:
            connection.request("GET", "/sandbox/events")
            stream = connection.getresponse()
            assert stream.readline() == b"event: state\n"
            sandbox.__exit__(None, None, None)
            # The stream ends as a whole one does; one that was cut off would raise.
            assert stream.read().startswith(b"data: ")


def test_idle_events_send_a_keep_alive(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("smsgate.sandbox.web._HEARTBEAT_SECONDS", 0.01)
    address = urlsplit(sandbox.url)
    with closing(
        http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    ) as connection:
        connection.request("GET", "/sandbox/events")
        stream = connection.getresponse()
        assert [stream.readline()[:6] for _ in range(3)] == [b"event:", b"data: ", b"\n"]
        assert [stream.readline() for _ in range(4)] == [b": still here\n", b"\n"] * 2


def test_client_that_leaves_mid_request_changes_nothing(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
):
    address = urlsplit(sandbox.url)
    for method, path in (("PUT", "/sandbox/account"), ("POST", address.path)):
        with socket.create_connection(
            (address.hostname or "", address.port or 0), timeout=10
        ) as client:
            client.sendall(
                (
                    f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
                    f'\r\n{{"balance"'
                ).encode()
            )
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b"", "the server has seen that the client is gone"
    assert (got(sandbox, "/sandbox/account")["balance"], sandbox.calls) == ("10000", {})
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# What is remembered


def test_only_the_newest_messages_are_kept():
    with Sandbox(Settings(keep_messages=3)) as sandbox:
        user = User(sandbox)
        ids = [
            str(user.send(f"+38050000000{count}", f"text {count}").slots[1]) for count in range(5)
        ]
        assert [message.id for message in sandbox.messages] == ids[2:]
        assert [message.sequence for message in sandbox.messages] == [3, 4, 5]
        seen = got(sandbox, "/sandbox/state")
        assert (seen["messages"], seen["accepted"], seen["forgotten"], seen["conversations"]) == (
            3,
            5,
            2,
            3,
        )
        assert user.status(ids[0]).startswith("Сообщение с ID")
        assert user.call("GetNewMessages").slots == ids[2:]
        assert got(sandbox, "/sandbox/messages?search=text")["total"] == 3
        assert sandbox.balance == 9_995


def test_request_to_more_numbers_than_are_kept_is_fully_answered():
    with Sandbox(Settings(keep_messages=3)) as sandbox:
        user = User(sandbox)
        slots = user.send(",".join(f"+38050000000{count}" for count in range(5))).slots
        assert len(slots) == 6
        assert got(sandbox, f"/sandbox/messages/{slots[5]}")["request"]


def test_memory_stays_within_the_limit():
    # 12,000 messages of 1 KB each, of which 1,000 are remembered.
    with Sandbox(Settings(keep_messages=1_000, credits=10**9)) as sandbox:
        user = User(sandbox)
        text = "x" * 1_000

        def send(calls: int) -> int:
            for _ in range(calls):
                user.send(",".join([GOOD] * 100), text)
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            full = send(15)
            later = send(105)
        finally:
            tracemalloc.stop()
        assert sandbox.accepted == 12_000
        assert later - full < 3_000_000


def test_large_raw_requests_are_dropped_before_messages(sandbox: Sandbox):
    user = User(sandbox)
    # More bytes than are kept of one, and more in all than are kept together.
    padding = "y" * 1_000_000
    ids = [
        str(
            user.call("SendSMS", sender="Shop", destination=GOOD, text="a", padding=padding).slots[
                1
            ]
        )
        for _ in range(210)
    ]
    first, last = (got(sandbox, f"/sandbox/messages/{id_}") for id_ in (ids[0], ids[-1]))
    assert (first["request"], first["reply"]) == (None, None)
    assert len(last["request"]) == 256 * 1024
    assert ids[-1] in last["reply"]


def test_session_ends_after_the_set_number_of_calls():
    with Sandbox(Settings(session_calls=3)) as sandbox:
        user = User(sandbox)
        answers = [user.call("GetCreditBalance").result for _ in range(3)]
        assert answers == ["10000", "10000", "Вы не авторизованы"]


def test_delivery_may_be_earlier_or_later_than_scheduled():
    clock = Clock()
    with Sandbox(
        Settings(delivery_seconds=100, delivery_jitter=0.5, seed=1), clock=clock
    ) as sandbox:
        User(sandbox).send(",".join(f"+3805000000{count:02}" for count in range(60)))
        final = []
        for now in (49, 100, 151):
            clock.now = 1_000_000.0 + now
            final.append(sum(message.state.final for message in sandbox.messages))
        assert final[0] == 0
        assert 15 < final[1] < 45
        assert final[2] == 60


# Who is refused


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://["},
    {"Host": "evil.example"},
    {"Host": "evil.example:8025", "Origin": "http://evil.example:8025"},
    {"Host": "localhost.evil.example"},
    {"Host": "["},
    {"Host": ""},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/sandbox/state"),
        ("GET", "/sandbox/events"),
        ("POST", "/sandbox/clear"),
        ("POST", "/api/soap.html"),
    ],
)
def test_request_of_another_web_page_is_refused(
    method: str, path: str, headers: dict[str, str], sandbox: Sandbox
):
    User(sandbox).send()
    status, said = call(sandbox, path, method, **headers)
    assert status in (400, 403)  # what is no Host at all is refused by the server itself
    if status == 403 and path.startswith("/sandbox/"):
        assert list(said) == ["error"]
    assert sandbox.accepted == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:8025", "Origin": "http://localhost:8025"},
        {"Host": "[::1]:8025"},
        {"Host": "192.168.1.5:8025", "Origin": "http://192.168.1.5:8025"},
        {"Host": "sandbox:8025"},
        {"Host": "sms.localhost"},
        {"Host": "host.docker.internal"},
        {"Host": "known.example", "Origin": "https://known.example"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
        {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"},
    ],
    ids=str,
)
def test_request_of_its_own_page_or_of_a_program_is_answered(headers: dict[str, str]):
    with Sandbox(names=["Known.example"]) as sandbox:
        assert call(sandbox, "/sandbox/state", **headers)[0] == 200


# The page


def test_page_has_headers_that_keep_everything_else_out(sandbox: Sandbox):
    answered = ask(sandbox.inbox_url, None, method="GET")
    assert (answered.status, answered.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answered.headers["Content-Security-Policy"]
    assert answered.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/static/nothing.js", "/static/..%2fapp.py", "/static/", "/sandbox", "/elsewhere"]
)
def test_nothing_but_the_page_is_served(path: str, sandbox: Sandbox):
    assert call(sandbox, path)[0] == 404
