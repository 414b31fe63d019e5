"""The list of calls of the sandbox: what was refused too, without passwords, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import needles
import pytest
from test_sandbox import BAD, GOOD, OTHER, User, ask, envelope, request
from test_sandbox_api import call, got

from smsgate.sandbox import AccountState, CallOutcome, Sandbox, Settings


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


def calls(sandbox: Sandbox, query: str = "") -> list[dict[str, Any]]:
    return list(got(sandbox, f"/sandbox/calls{query}")["calls"])


CALLS = {
    "right login": ("Auth", {"login": "sandbox", "password": "sandbox"}, "done"),
    "wrong login": ("Auth", {"login": "sandbox", "password": "wrong"}, "refused"),
    "no login": ("Auth", {}, "refused"),
    "balance": ("GetCreditBalance", {}, "done"),
    "all accepted": (
        "SendSMS",
        {"sender": "Shop", "destination": f"{GOOD},{OTHER}", "text": "a"},
        "done",
    ),
    "one refused": (
        "SendSMS",
        {"sender": "Shop", "destination": f"{GOOD},{BAD}", "text": "a"},
        "done in part",
    ),
    "number refused": ("SendSMS", {"sender": "Shop", "destination": BAD, "text": "a"}, "refused"),
    "sender refused": (
        "SendSMS",
        {"sender": "Forbidden", "destination": GOOD, "text": "a"},
        "refused",
    ),
    "nothing to send": ("SendSMS", {"sender": "Shop", "destination": GOOD}, "refused"),
    "new messages": ("GetNewMessages", {}, "done"),
    "unknown id": ("GetMessageStatus", {"MessageId": "nothing"}, "refused"),
    "no id": ("GetMessageStatus", {}, "refused"),
}


@pytest.mark.parametrize("title", CALLS)
def test_call_is_listed_with_its_outcome_and_raw_pair(title: str, sandbox: Sandbox):
    operation, arguments, outcome = CALLS[title]
    user = User(sandbox)
    answered = user.call(operation, **arguments)
    listed = calls(sandbox)[0]
    (session, *_) = got(sandbox, "/sandbox/state")["sessions"]
    assert (listed["operation"], listed["outcome"], listed["fault"], listed["session"]) == (
        operation,
        outcome,
        None,
        session["key"],
    )
    whole = got(sandbox, f"/sandbox/calls/{listed['number']}")
    assert whole["reply"] == answered.text
    assert whole["request"].startswith("<e:Envelope ")
    assert listed == {name: whole[name] for name in listed}


def test_status_of_a_known_message_is_done(sandbox: Sandbox):
    user = User(sandbox)
    (_, id_) = user.send().slots
    user.status(str(id_))
    assert [(one["outcome"], one["accepted"]) for one in calls(sandbox)] == [
        ("done", 0),
        ("done", 1),
        ("done", 0),
    ]


def test_call_without_a_login_is_listed_as_refused(sandbox: Sandbox):
    for operation in ("SendSMS", "GetCreditBalance"):
        User(sandbox, login=False).call(operation)
        assert (calls(sandbox)[0]["outcome"], calls(sandbox)[0]["answer"]) == (
            "refused",
            "Вы не авторизованы",
        )


def test_answer_is_what_the_gateway_said(sandbox: Sandbox):
    user = User(sandbox)
    user.call("GetCreditBalance")
    user.send()
    user.call("GetNewMessages")
    assert [one["answer"] for one in reversed(calls(sandbox))] == [
        "Вы успешно авторизировались",
        "10000",
        "Сообщения успешно отправлены",
        "1 ids",
    ]


def test_calls_know_the_messages_that_they_accepted(sandbox: Sandbox):
    user = User(sandbox)
    user.send(f"{GOOD},{OTHER}", "one")
    user.send(BAD, "two")
    user.send(GOOD, "three")
    found = [[message.text for message in sandbox.messages_of(one)] for one in sandbox.call_log[1:]]
    assert found == [["one", "one"], [], ["three"]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<no soap>", "Bad Request"),
        (b"", "Bad Request"),
        (envelope("<t:Nothing/>"), "Procedure 'Nothing' not present"),
    ],
)
def test_unreadable_call_is_listed(body: bytes, reason: str, sandbox: Sandbox):
    answered = ask(sandbox.url, body)
    (listed,) = calls(sandbox)
    assert (listed["operation"], listed["outcome"], listed["answer"]) == (
        None,
        "unreadable",
        reason,
    )
    whole = got(sandbox, f"/sandbox/calls/{listed['number']}")
    assert (whole["request"], whole["reply"]) == (body.decode(), answered.text)


def test_call_that_used_another_host_name_is_listed(sandbox: Sandbox):
    status, _ = call(sandbox, "/api/soap.html", "POST", b"<x/>", Host="sms.example")
    (listed,) = calls(sandbox)
    assert (status, listed["outcome"], listed["session"]) == (403, "refused", "")
    assert "sms.example" not in listed["answer"]
    assert "Host" in listed["answer"]
    assert call(sandbox, "/sandbox/state", Host="sms.example")[0] == 403
    assert len(sandbox.call_log) == 1, "only calls of the gateway are listed"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("html", "done"), ("502 before", "not done"), ("drop after", "done"), ("slow", "done")],
)
def test_fault_that_applied_is_shown_with_its_call(kind: str, outcome: str, sandbox: Sandbox):
    user = User(sandbox)
    sandbox.faults.add(kind, operation="SendSMS", seconds=0 if kind == "slow" else None)
    try:
        user.send()
    except OSError:
        assert kind == "drop after"
    listed = calls(sandbox)[0]
    assert (listed["fault"], listed["outcome"]) == (kind, outcome)
    reply = got(sandbox, f"/sandbox/calls/{listed['number']}")["reply"]
    assert ("It works!" in reply, "nginx" in reply) == (kind == "html", kind == "502 before")


PASSWORDS = {
    "right": request("Auth", login="sandbox", password=needles.PASSWORD),
    "in capitals": request("Auth", login="sandbox", PassWord=needles.PASSWORD),
    "cdata": envelope(f"<t:Auth><t:password><![CDATA[{needles.PASSWORD}]]></t:password></t:Auth>"),
    "nested": envelope(
        f"<t:Auth><t:password a='>'><b>{needles.PASSWORD}</b></t:password></t:Auth>"
    ),
    "twice": envelope(
        f"<t:Auth><password>a</password><password>{needles.PASSWORD}</password></t:Auth>"
    ),
    "after an empty one": envelope(
        f"<t:Auth><password/><password>{needles.PASSWORD}</password></t:Auth>"
    ),
    "cut off": f"<Envelope><password>{needles.PASSWORD}".encode(),
    "unknown operation": request("Login", password=needles.PASSWORD),
    "in a header": (
        f"<e:Envelope><e:Header><wsse:Password Type='x'>{needles.PASSWORD}"
        "</wsse:Password></e:Header></e:Envelope>"
    ).encode(),
    "by position": envelope(
        f"<t:Auth><param0>sandbox</param0><param1>{needles.PASSWORD}</param1></t:Auth>"
    ),
    "array of PHP": envelope(
        "<t:Auth><param0><item><key>password</key>"
        f"<value>{needles.PASSWORD}</value></item></param0></t:Auth>"
    ),
    "array of PHP in a send": envelope(
        "<t:SendSMS><param0><item><key>password</key>"
        f"<value>{needles.PASSWORD}</value></item></param0></t:SendSMS>"
    ),
    "attribute": envelope(f"<t:Auth><password value='{needles.PASSWORD}'/></t:Auth>"),
    "attribute of a send": envelope(f"<t:SendSMS><password a='{needles.PASSWORD}'/></t:SendSMS>"),
    "after an inner one": envelope(
        f"<t:Auth><password><password>a</password>{needles.PASSWORD}</password></t:Auth>"
    ),
    "after an end in cdata": envelope(
        f"<t:Auth><password><![CDATA[</password>{needles.PASSWORD}]]></password></t:Auth>"
    ),
    "after an end in a comment": envelope(
        f"<t:Auth><password><!--</password>-->{needles.PASSWORD}</password></t:Auth>"
    ),
    "in a comment": envelope(f"<t:Auth><!-- {needles.PASSWORD} --><login>a</login></t:Auth>"),
    "in a nested login": envelope(f"<t:Auth><login><a>{needles.PASSWORD}</a></login></t:Auth>"),
    "by position, no envelope": f"<Auth><a>x</a><b>{needles.PASSWORD}</b></Auth>".encode(),
    "cut off in a tag": f"<Envelope><password value='{needles.PASSWORD}".encode(),
    "form": f"login=a&Password={needles.PASSWORD}".encode(),
    "json": f'{{"login": "a", "password": "{needles.PASSWORD}"}}'.encode(),
    "utf-16": request("Auth", password=needles.PASSWORD).decode().encode("utf-16"),
}


@pytest.mark.parametrize("title", PASSWORDS)
def test_password_is_in_no_listed_request(title: str, sandbox: Sandbox):
    ask(sandbox.url, PASSWORDS[title])
    whole = got(sandbox, f"/sandbox/calls/{sandbox.call_log[-1].number}")
    assert needles.PASSWORD not in whole["request"].replace("\0", "")
    withheld = title in ("utf-16", "form", "json")
    assert ("***" in whole["request"], "not shown" in whole["request"]) == (not withheld, withheld)
    assert needles.PASSWORD not in repr(sandbox.call_log)


def test_masking_keeps_the_rest_of_the_request(sandbox: Sandbox):
    body = request("Auth", login="someone", password="a")
    ask(sandbox.url, body)
    whole = got(sandbox, f"/sandbox/calls/{sandbox.call_log[-1].number}")
    assert whole["request"] == body.decode().replace(">a<", ">***<")


def test_password_beside_an_accepted_message_is_not_stored(sandbox: Sandbox):
    user = User(sandbox)
    body = request("SendSMS", sender="Shop", destination=GOOD, text="a", password=needles.PASSWORD)
    (_, id_) = user.post(body).slots
    seen = got(sandbox, f"/sandbox/messages/{id_}")["request"]
    assert (needles.PASSWORD in seen, "***" in seen) == (False, True)


def test_text_that_speaks_of_a_password_is_shown(sandbox: Sandbox):
    user = User(sandbox)
    user.send(GOOD, "Your password: 4815")
    assert "4815" in got(sandbox, f"/sandbox/calls/{sandbox.call_log[-1].number}")["request"]


def test_calls_are_filtered_and_the_newest_come_first(sandbox: Sandbox):
    user = User(sandbox)
    user.send()
    user.send(BAD)
    user.call("GetCreditBalance")
    first = sandbox.call_log[0].number

    def listed(query: str) -> list[int]:
        return [one["number"] - first for one in calls(sandbox, query)]

    assert listed("") == [3, 2, 1, 0]
    assert listed("?limit=2") == [3, 2]
    assert listed(f"?after={first + 1}") == [3, 2]
    assert listed("?outcome=refused") == [2]
    assert listed("?operation=SendSMS") == [2, 1]
    assert listed(f"?operation=SendSMS&outcome=done&after={first + 1}") == []
    assert got(sandbox, "/sandbox/calls?limit=1")["total"] == 4
    assert got(sandbox, "/sandbox/calls?operation=SendSMS&limit=1")["total"] == 2
    assert [one.number - first for one in sandbox.calls_after(first + 1)] == [2, 3]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/sandbox/calls?outcome=gone", 400, "outcome: one of done, "),
        ("/sandbox/calls?operation=Send", 400, "operation: one of Auth, "),
        ("/sandbox/calls?limit=x", 400, "limit: a whole number from 0 to 10000"),
        ("/sandbox/calls/0", 404, "number: no call has this number"),
        ("/sandbox/calls/x", 404, "number: no call has this number"),
        ("/sandbox/calls/999999", 404, "number: no call has this number"),
    ],
)
def test_bad_question_about_calls_says_what_is_allowed(
    path: str, status: int, error: str, sandbox: Sandbox
):
    User(sandbox)
    answered, document = call(sandbox, path)
    assert answered == status
    assert document["error"].startswith(error)


def test_call_before_any_other_is_unknown(sandbox: Sandbox):
    assert call(sandbox, "/sandbox/calls/1")[0] == 404


def test_only_the_newest_calls_are_kept():
    with Sandbox(Settings(keep_calls=3)) as sandbox:
        user = User(sandbox)
        for _ in range(5):
            user.call("GetCreditBalance")
        assert [one.number for one in sandbox.call_log] == [4, 5, 6]
        assert got(sandbox, "/sandbox/calls")["total"] == 3
        assert call(sandbox, "/sandbox/calls/3")[0] == 404
        assert got(sandbox, "/sandbox/calls/4")["request"]


def test_clear_deletes_calls_and_their_numbers_go_on(sandbox: Sandbox):
    user = User(sandbox)
    last = sandbox.call_log[-1].number
    sandbox.clear()
    assert (sandbox.call_log, calls(sandbox)) == ((), [])
    user.call("GetCreditBalance")
    assert [one.number for one in sandbox.calls_after(last)] == [last + 1]


def test_raw_pairs_of_calls_stay_within_their_limit():
    # Refused calls of 1 MB each, of which no message remembers the request.
    with Sandbox(Settings(account=AccountState.BLOCKED)) as sandbox:
        body = request("SendSMS", padding="y" * 1_000_000)

        def ask_often(times: int) -> int:
            for _ in range(times):
                ask(sandbox.url, body)
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            full = ask_often(70)
            later = ask_often(70)
        finally:
            tracemalloc.stop()
        first, last = sandbox.call_log[0].number, sandbox.call_log[-1].number
        assert got(sandbox, f"/sandbox/calls/{first}")["request"] is None
        assert len(got(sandbox, f"/sandbox/calls/{last}")["request"]) == 256 * 1024
    assert full < 30_000_000
    assert later - full < 3_000_000


def test_every_outcome_is_offered_by_the_tables(sandbox: Sandbox):
    assert got(sandbox, "/sandbox/tables")["outcomes"] == list(CallOutcome)
