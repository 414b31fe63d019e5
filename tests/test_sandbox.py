"""The sandbox over a real socket: raw SOAP in, bytes out (docs: wire format)."""

from __future__ import annotations

import http.client
import logging
import re
import socket
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import anyio
import httpx
import pytest

from smsgate.errors import BadSender, NotEnoughCredits, Refused
from smsgate.protocol.answers import (
    ANSWERS,
    STATUSES,
    Answer,
    DeliveryState,
    classify,
    delivery_state,
)
from smsgate.protocol.models import Message
from smsgate.protocol.operation import NAMESPACE
from smsgate.protocol.operations import AUTH, GET_NEW_MESSAGES, OPERATIONS, SEND_SMS
from smsgate.protocol.reply import read_auth, read_new_messages, read_reply, read_send
from smsgate.sandbox import MAGIC, AccountState, FailedSlot, Sandbox, Settings
from smsgate.sandbox.server import ServerThread, listen

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
LAYOUT_11 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://turbosms.in.ua/api/Turbo">'
    "<SOAP-ENV:Body>{}</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
)
LAYOUT_12 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:ns1="http://turbosms.in.ua/api/Turbo">'
    "<env:Body>{}</env:Body></env:Envelope>\n"
)
GOOD, OTHER, BAD = "+380501234567", "+380671234567", "+9873000"
SENT = "Сообщения успешно отправлены"
UNRECOGNISED_NUMBER = "Не удалось распознать номер получателя"
MISSING = "Не достаточно параметров для выполнения функции"
SLOTS = re.compile(
    r"<ns1:ResultArray>([^<]*)</ns1:ResultArray>|<ns1:ResultArray (xsi:nil)=\"true\"/>"
)
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Answered:
    """An HTTP response, and what stands in it."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def slots(self) -> list[str | None]:
        return [None if nil else found for found, nil in SLOTS.findall(self.text)]

    @property
    def result(self) -> str:
        found = re.search(r"<ns1:(\w+)Result>([^<]*)</ns1:\1Result>", self.text)
        assert found
        return found[2]

    @property
    def cookie(self) -> str | None:
        found = re.match(r"PHPSESSID=([^;]*)", self.headers["Set-Cookie"] or "")
        return found and found[1]


def envelope(inner: str, namespace: str = SOAP_11) -> bytes:
    return (
        f'<e:Envelope xmlns:e="{namespace}" xmlns:t="{NAMESPACE}"><e:Body>{inner}</e:Body>'
        "</e:Envelope>"
    ).encode()


def request(operation: str, namespace: str = SOAP_11, **arguments: str) -> bytes:
    inner = "".join(f"<t:{name}>{escape(value)}</t:{name}>" for name, value in arguments.items())
    return envelope(f"<t:{operation}>{inner}</t:{operation}>", namespace)


def ask(
    url: str, body: bytes | None, headers: Mapping[str, str] | None = None, method: str = "POST"
) -> Answered:
    parts = urlsplit(url)
    assert parts.hostname
    with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)) as connection:
        connection.request(method, parts.path, body, dict(headers or {}))
        return Answered(connection.getresponse())


class User:
    """Someone with a cookie, logged in unless told otherwise."""

    def __init__(self, sandbox: Sandbox, *, login: bool = True) -> None:
        self.url = sandbox.url
        self.cookie: str | None = None
        if login:
            self.cookie = self.call("Auth", login="sandbox", password="sandbox").cookie
            assert self.cookie

    def post(self, body: bytes) -> Answered:
        return ask(self.url, body, {"Cookie": f"PHPSESSID={self.cookie}"} if self.cookie else {})

    def call(self, operation: str, **arguments: str) -> Answered:
        return self.post(request(operation, **arguments))

    def send(
        self,
        destination: str = GOOD,
        text: str = "Ваш код: 4815",
        sender: str = "Shop",
        **more: str,
    ) -> Answered:
        return self.call("SendSMS", sender=sender, destination=destination, text=text, **more)

    def status(self, message_id: str) -> str:
        return self.call("GetMessageStatus", MessageId=message_id).result


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.clear()
    shared.drop_sessions()
    return shared


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Layout


def test_answer_has_exactly_the_bytes_of_php(sandbox: Sandbox) -> None:
    answered = User(sandbox, login=False).call("Auth", login="sandbox", password="sandbox")
    inner = (
        "<ns1:AuthResponse><ns1:AuthResult>Вы успешно авторизировались</ns1:AuthResult>"
        "</ns1:AuthResponse>"
    )
    assert answered.text == LAYOUT_11.format(inner)
    assert (answered.status, answered.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")


def test_balance_is_a_plain_decimal_with_a_dot() -> None:
    with Sandbox(Settings(credits=Decimal("2500.75"))) as sandbox:
        answered = User(sandbox).call("GetCreditBalance")
    inner = (
        "<ns1:GetCreditBalanceResponse>"
        "<ns1:GetCreditBalanceResult>2500.75</ns1:GetCreditBalanceResult>"
    )
    assert answered.text == LAYOUT_11.format(inner + "</ns1:GetCreditBalanceResponse>")


def test_send_answers_with_the_sentence_and_an_id_per_number(
    sandbox: Sandbox,
) -> None:
    answered = User(sandbox).send(f"{GOOD},{OTHER}")
    first, second = sandbox.messages
    array = "".join(
        f"<ns1:ResultArray>{slot}</ns1:ResultArray>" for slot in (SENT, first.id, second.id)
    )
    assert answered.text == LAYOUT_11.format(
        f"<ns1:SendSMSResponse><ns1:SendSMSResult>{array}</ns1:SendSMSResult></ns1:SendSMSResponse>"
    )
    assert (first.destination, second.destination) == (GOOD, OTHER)
    assert UUID.fullmatch(first.id)


def test_empty_array_is_an_empty_result_element(sandbox: Sandbox) -> None:
    inner = "<ns1:GetNewMessagesResponse><ns1:GetNewMessagesResult/></ns1:GetNewMessagesResponse>"
    assert User(sandbox).call("GetNewMessages").text == LAYOUT_11.format(inner)


def test_soap_12_is_answered_in_soap_12(sandbox: Sandbox) -> None:
    answered = User(sandbox, login=False).post(
        request("Auth", SOAP_12, login="sandbox", password="sandbox")
    )
    inner = (
        "<ns1:AuthResponse><ns1:AuthResult>Вы успешно авторизировались</ns1:AuthResult>"
        "</ns1:AuthResponse>"
    )
    assert answered.text == LAYOUT_12.format(inner)
    assert answered.headers["Content-Type"] == "application/soap+xml; charset=utf-8"


def test_client_reader_understands_the_answers(sandbox: Sandbox) -> None:
    user = User(sandbox, login=False)
    answered = user.call("Auth", login="sandbox", password="sandbox")
    read_auth(read_reply(AUTH, answered.body))
    user.cookie = answered.cookie
    message = Message(sender="Shop", destinations=[GOOD, OTHER], text="a")
    result = read_send(read_reply(SEND_SMS, user.send(f"{GOOD},{OTHER}").body), message)
    assert list(result.message_ids) == read_new_messages(
        read_reply(GET_NEW_MESSAGES, user.call("GetNewMessages").body)
    )


# Requests


@pytest.mark.parametrize("order", list(permutations(("sender", "destination", "text"))))
def test_arguments_may_have_any_order(sandbox: Sandbox, order: tuple[str, ...]) -> None:
    values = {"sender": "Shop", "destination": GOOD, "text": "a"}
    User(sandbox).call("SendSMS", **{name: values[name] for name in order})
    assert [(sent.sender, sent.destination, sent.text) for sent in sandbox.messages] == [
        ("Shop", GOOD, "a")
    ]


@pytest.mark.parametrize(
    "inner",
    [
        "<t:Auth><login>sandbox</login><password>sandbox</password></t:Auth>",
        f'<Auth xmlns="{NAMESPACE}"><login>sandbox</login><password>sandbox</password></Auth>',
        (
            f'<x:Auth xmlns:x="{NAMESPACE}"><login xmlns="urn:y">sandbox</login>\n'
            " <x:password>sandbox</x:password>\n</x:Auth>"
        ),
        (
            "<t:Auth><!-- hello --><t:login>sand<!-- wich -->box</t:login><t:password>"
            "<![CDATA[sandbox]]></t:password></t:Auth>"
        ),
    ],
)
def test_prefixes_comments_and_cdata_change_nothing(sandbox: Sandbox, inner: str) -> None:
    assert User(sandbox, login=False).post(envelope(inner)).result == "Вы успешно авторизировались"


@pytest.mark.parametrize(
    "headers",
    [
        {"SOAPAction": '"http://turbosms.in.ua/api/Turbo/SendSMS"', "Content-Type": "text/xml"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/xml", "Authorization": "Basic Og=="},
    ],
)
def test_soapaction_and_content_type_are_ignored(sandbox: Sandbox, headers: dict[str, str]) -> None:
    answered = ask(sandbox.url, request("Auth", login="sandbox", password="sandbox"), headers)
    assert answered.result == "Вы успешно авторизировались"


@pytest.mark.parametrize(
    "text",
    [
        "  leading and trailing  ",
        " \t ",
        "two\nlines\n",
        "<b> & \"quotes\" 'single' ]]>",
        "Привіт 🇺🇦 їжак",
        "a\u00a0b\u2028c",
        "&amp;",
    ],
)
def test_text_arrives_exactly_as_sent(sandbox: Sandbox, text: str) -> None:
    assert User(sandbox).send(text=text).slots[0] == SENT
    assert sandbox.messages[0].text == text


def test_only_an_escaped_carriage_return_survives(
    sandbox: Sandbox,
) -> None:
    """XML turns any other into a line feed."""
    user = User(sandbox)
    user.send(text="a\r\nb")
    user.post(
        request("SendSMS", sender="Shop", destination=GOOD, text="a\r\nb").replace(b"\r", b"&#13;")
    )
    assert [sent.text for sent in sandbox.messages] == ["a\nb", "a\r\nb"]


# Faults


def test_unknown_procedure_is_a_server_fault(sandbox: Sandbox) -> None:
    answered = User(sandbox).call("SendFax", destination=GOOD)
    fault = (
        "<faultcode>SOAP-ENV:Server</faultcode>"
        "<faultstring>Procedure 'SendFax' not present</faultstring>"
    )
    layout = LAYOUT_11.replace(f' xmlns:ns1="{NAMESPACE}"', "")
    assert answered.text == layout.format(f"<SOAP-ENV:Fault>{fault}</SOAP-ENV:Fault>")
    assert (answered.status, answered.headers["Content-Type"]) == (500, "text/xml; charset=utf-8")


def test_unknown_procedure_in_soap_12_is_a_soap_12_fault(sandbox: Sandbox) -> None:
    answered = User(sandbox).post(request("SendFax", SOAP_12))
    fault = "<env:Code><env:Value>rpc:ProcedureNotPresent</env:Value></env:Code>"
    reason = "<env:Reason><env:Text>Procedure not present</env:Text></env:Reason>"
    layout = LAYOUT_12.replace(f' xmlns:ns1="{NAMESPACE}"', "")
    assert answered.text == layout.format(f"<env:Fault>{fault}{reason}</env:Fault>")
    assert (answered.status, answered.headers["Content-Type"]) == (
        500,
        "application/soap+xml; charset=utf-8",
    )


def test_procedure_is_not_found_without_its_namespace(sandbox: Sandbox) -> None:
    answered = User(sandbox).post(envelope("<GetCreditBalance/>"))
    assert (answered.status, "Procedure 'GetCreditBalance' not present" in answered.text) == (
        500,
        True,
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"login=sandbox",
        b"<a><b></a>",
        b"<html/>",
        envelope("<t:Auth>")[:-20],
        envelope(""),
        f'<e:Envelope xmlns:e="{SOAP_11}"/>'.encode(),
        envelope("<t:Auth><t:login><t:deep/></t:login></t:Auth>"),
        envelope("<t:Auth><t:login>a</t:login><t:login>b</t:login></t:Auth>"),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + request("GetCreditBalance"),
    ],
)
def test_request_that_is_no_soap_is_a_bad_request(sandbox: Sandbox, body: bytes) -> None:
    answered = User(sandbox).post(body)
    assert answered.status == 500
    assert (
        "<faultcode>SOAP-ENV:Client</faultcode><faultstring>Bad Request</faultstring>"
        in answered.text
    )


def test_bad_soap_12_request_is_answered_in_soap_12(sandbox: Sandbox) -> None:
    answered = User(sandbox).post(envelope("", SOAP_12))
    assert "<env:Value>env:Sender</env:Value>" in answered.text


def test_get_on_the_endpoint_is_an_empty_page(sandbox: Sandbox) -> None:
    answered = ask(sandbox.url, None, method="GET")
    assert (answered.status, answered.body) == (200, b"")
    assert answered.headers["Content-Type"].startswith("text/html")


# Sessions


@pytest.mark.parametrize(
    "body",
    [
        request("Auth", login="sandbox", password="sandbox"),
        request("Auth", login="sandbox", password="wrong"),
        request("GetCreditBalance"),
        request("Nothing"),
        b"no xml",
    ],
)
def test_first_answer_sets_a_cookie_even_if_it_failed(sandbox: Sandbox, body: bytes) -> None:
    answered = User(sandbox, login=False).post(body)
    assert re.fullmatch(r"PHPSESSID=[a-z0-9]{26}; path=/", answered.headers["Set-Cookie"])
    assert answered.headers["Expires"] == "Thu, 19 Nov 1981 08:52:00 GMT"
    assert answered.headers["Cache-Control"] == "no-store, no-cache, must-revalidate"
    assert answered.headers["Pragma"] == "no-cache"


def test_known_cookie_is_not_set_again(sandbox: Sandbox) -> None:
    assert User(sandbox).call("GetCreditBalance").cookie is None


def test_each_client_without_a_cookie_gets_its_own(sandbox: Sandbox) -> None:
    assert len({User(sandbox).cookie for _ in range(5)}) == 5


@pytest.mark.parametrize(
    "header",
    [
        "PHPSESSID={}; path=/",
        "lang=ru; PHPSESSID={}",
        "PHPSESSID={}, PHPSESSID=other",
        "XPHPSESSID=1;PHPSESSID={}",
    ],
)
def test_cookie_is_found_among_others(sandbox: Sandbox, header: str) -> None:
    cookie = User(sandbox).cookie
    assert (
        ask(sandbox.url, request("GetCreditBalance"), {"Cookie": header.format(cookie)}).result
        == "10000"
    )


def test_unknown_cookie_is_not_adopted(sandbox: Sandbox) -> None:
    user = User(sandbox)
    user.cookie = "q4dq58tn0pmnm8pjso2c927tp2"
    answered = user.call("GetCreditBalance")
    assert answered.result == "Вы не авторизованы"
    assert answered.cookie not in (None, user.cookie)


def test_auth_on_a_new_session_makes_it_work(sandbox: Sandbox) -> None:
    user = User(sandbox, login=False)
    user.cookie = user.call("GetCreditBalance").cookie
    assert user.call("GetCreditBalance").result == "Вы не авторизованы"
    assert user.call("Auth", login="sandbox", password="sandbox").cookie is None
    assert user.call("GetCreditBalance").result == "10000"


def test_failed_auth_leaves_the_session_unauthorised(sandbox: Sandbox) -> None:
    user = User(sandbox)
    user.call("Auth", login="sandbox", password="wrong")
    assert user.call("GetCreditBalance").result == "Вы не авторизованы"


def test_session_lives_as_long_as_it_is_used(clock: Clock) -> None:
    with Sandbox(Settings(session_idle_seconds=100), clock=clock) as sandbox:
        user = User(sandbox)
        for _ in range(3):
            clock.now += 99
            assert user.call("GetCreditBalance").result == "10000"


@pytest.mark.parametrize("idle", [0, 1])
def test_idle_session_is_forgotten_and_another_is_issued(clock: Clock, idle: int) -> None:
    with Sandbox(Settings(session_idle_seconds=100), clock=clock) as sandbox:
        users = [User(sandbox), User(sandbox)]
        user, busy = users[idle], users[1 - idle]
        clock.now += 60
        busy.call("GetCreditBalance")
        clock.now += 60
        answered = user.call("GetCreditBalance")
        assert answered.result == "Вы не авторизованы"
        assert answered.cookie not in (None, user.cookie)
        assert busy.call("GetCreditBalance").result == "10000"


def test_dropping_sessions_ends_them_all_at_once(sandbox: Sandbox) -> None:
    users = [User(sandbox) for _ in range(3)]
    sandbox.drop_sessions()
    assert [user.call("GetCreditBalance").result for user in users] == ["Вы не авторизованы"] * 3


def test_sentence_can_be_replaced_wherever_it_is_used() -> None:
    words = {
        Answer.AUTHORISED: "Добро пожаловать",
        Answer.NOT_AUTHORISED: "Сначала войдите",
        Answer.MESSAGE_NOT_FOUND: "Нет такого {id}",
        Answer.SENT: "Готово",
        Answer.BAD_DESTINATION: "Не номер",
    }
    with Sandbox(Settings(sentences=words)) as sandbox:
        user = User(sandbox, login=False)
        assert user.call("GetCreditBalance").result == "Сначала войдите"
        answered = user.call("Auth", login="sandbox", password="sandbox")
        user.cookie = answered.cookie
        assert answered.result == "Добро пожаловать"
        assert user.call("GetMessageStatus", MessageId="x").result == "Нет такого {id}"
        assert user.send("+380501234567,+380000000001").slots[::2] == [
            "Не номер | Готово",
            "Не номер",
        ]


@pytest.mark.parametrize("spelling", ["Вы не авторизованы", "Вы не авторизированы"])
def test_without_auth_the_sentence_replaces_the_answer(spelling: str) -> None:
    with Sandbox(Settings(unauthorised=spelling)) as sandbox:
        user = User(sandbox, login=False)
        assert user.call("GetCreditBalance").result == spelling
        assert user.call("GetMessageStatus", MessageId="x").result == spelling
        assert user.send().slots == [spelling]
        assert user.call("GetNewMessages").slots == [spelling]
        assert sandbox.messages == ()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"login": "sandbox", "password": "wrong"}, "Неверный логин или пароль"),
        ({"login": "wrong", "password": "sandbox"}, "Неверный логин или пароль"),
        ({"login": "sandbox"}, MISSING),
        ({"password": "sandbox"}, MISSING),
        ({"login": "sandbox", "password": ""}, MISSING),
        ({}, MISSING),
    ],
)
def test_auth_says_what_is_wrong(sandbox: Sandbox, arguments: dict[str, str], answer: str) -> None:
    assert User(sandbox, login=False).call("Auth", **arguments).result == answer


@pytest.mark.parametrize(
    ("account", "meaning"),
    [
        (AccountState.NOT_ACTIVATED, Answer.NOT_ACTIVATED),
        (AccountState.BLOCKED, Answer.BLOCKED),
        (AccountState.DISABLED, Answer.DISABLED),
    ],
)
def test_suspended_account_may_not_log_in(account: AccountState, meaning: Answer) -> None:
    with Sandbox(Settings(account=account)) as sandbox:
        user = User(sandbox, login=False)
        answered = user.call("Auth", login="sandbox", password="sandbox")
        assert [said.answer for said in classify(answered.result)] == [meaning]
        user.cookie = answered.cookie
        assert user.call("GetCreditBalance").result == "Вы не авторизованы"


# One request at a time for each cookie


def together(*calls: Callable[[], Any]) -> float:
    """Make the calls at the same time and return how long they took."""
    start = time.monotonic()
    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()
    return time.monotonic() - start


def test_requests_with_one_cookie_are_answered_one_by_one() -> None:
    with Sandbox(Settings(hold_seconds=0.2)) as sandbox:
        user = User(sandbox)
        assert together(*[user.send] * 4) >= 0.8
        assert sandbox.most_in_flight == 4


def test_requests_with_different_cookies_are_answered_in_parallel() -> None:
    with Sandbox(Settings(hold_seconds=1.0)) as sandbox:
        users = [User(sandbox) for _ in range(4)]
        assert 1.0 <= together(*(user.send for user in users)) < 4.0
        assert sandbox.most_in_flight == 1


def test_cookie_lock_can_be_switched_off() -> None:
    with Sandbox(Settings(hold_seconds=1.0, lock_cookies=False)) as sandbox:
        user = User(sandbox)
        assert together(*[user.send] * 4) < 4.0
        assert sandbox.most_in_flight == 4


def test_sequential_requests_never_count_as_two_in_flight(sandbox: Sandbox) -> None:
    user = User(sandbox)
    for _ in range(20):
        user.send()
    assert sandbox.most_in_flight == 1


def test_work_is_done_even_if_the_client_leaves_early() -> None:
    with Sandbox(Settings(hold_seconds=0.2)) as sandbox:
        user = User(sandbox)
        with closing(
            http.client.HTTPConnection("127.0.0.1", urlsplit(sandbox.url).port)
        ) as connection:
            body = request("SendSMS", sender="Shop", destination=GOOD, text="a")
            connection.request(
                "POST", "/api/soap.html", body, {"Cookie": f"PHPSESSID={user.cookie}"}
            )
        assert user.call("GetCreditBalance").result == "9999"
        assert len(sandbox.messages) == 1


# SendSMS


@pytest.mark.parametrize(
    "arguments",
    [
        {"destination": GOOD, "text": "a"},
        {"sender": "Shop", "text": "a"},
        {"sender": "Shop", "destination": GOOD},
        {"sender": "Shop", "destination": GOOD, "text": "", "wappush": ""},
        {"sender": "", "destination": GOOD, "text": "a"},
    ],
)
def test_missing_argument_refuses_the_request_in_one_slot(
    sandbox: Sandbox, arguments: dict[str, str]
) -> None:
    assert User(sandbox).call("SendSMS", **arguments).slots == [MISSING]
    assert sandbox.messages == ()


def test_link_without_a_text_is_one_part(sandbox: Sandbox) -> None:
    User(sandbox).call(
        "SendSMS", sender="Shop", destination=GOOD, wappush="http://a.example/?b=1&c=2"
    )
    (sent,) = sandbox.messages
    assert (sent.text, sent.wappush, sent.parts) == (None, "http://a.example/?b=1&c=2", 1)


@pytest.mark.parametrize(
    "sender", ["twelve chars", "TwelveLetter", "Магазин", "a_b", "a b", "+0123456789"]
)
def test_malformed_sender_is_refused_in_two_lines(sandbox: Sandbox, sender: str) -> None:
    answered = User(sandbox).send(sender=sender)
    message = Message(sender="Shop", destinations=GOOD, text="a")
    with pytest.raises(BadSender):
        read_send(read_reply(SEND_SMS, answered.body), message)
    (slot,) = answered.slots
    assert slot
    assert slot.startswith("Неправильная подпись.\nПодпись отправителя")
    assert sandbox.messages == ()


@pytest.mark.parametrize("sender", ["Shop", "A-1.b&c", "380501234567", "+380501234567"])
def test_signatures_and_numbers_may_send(sandbox: Sandbox, sender: str) -> None:
    User(sandbox).send(sender=sender)
    assert [sent.sender for sent in sandbox.messages] == [sender]


def test_forbidden_sender_is_refused(sandbox: Sandbox) -> None:
    assert User(sandbox).send(sender="Forbidden").slots == [
        "Данная подпись запрещена администратором"
    ]
    assert sandbox.messages == ()


def test_only_listed_senders_may_send_if_there_is_a_list() -> None:
    with Sandbox(
        Settings(senders=frozenset({"Shop", "Both"}), forbidden_senders=frozenset({"Both"}))
    ) as sandbox:
        user = User(sandbox)
        heads = [user.send(sender=sender).slots[0] for sender in ("Shop", "Other", "Both")]
    assert heads == [SENT, *["Данная подпись запрещена администратором"] * 2]


@pytest.mark.parametrize(
    "number",
    [
        "380501234567",
        "+38050123456a",
        "+1234567",
        "+1234567890123456",
        "+0501234567",
        " +380501234567",
        "",
    ],
)
def test_number_that_is_not_international_is_refused_and_quoted(
    sandbox: Sandbox, number: str
) -> None:
    answered = User(sandbox).send(f"{GOOD},{number}")
    assert answered.slots == [
        f"{UNRECOGNISED_NUMBER} | {SENT}",
        sandbox.messages[0].id,
        f'{UNRECOGNISED_NUMBER} "{number}"',
    ]
    assert sandbox.balance == 9999


@pytest.mark.parametrize("number", ["+12345678", "+123456789012345"])
def test_number_has_eight_to_fifteen_digits(sandbox: Sandbox, number: str) -> None:
    assert User(sandbox).send(number).slots[0] == SENT


@pytest.mark.parametrize(
    ("style", "slot"),
    [
        (FailedSlot.SENTENCE, f'{UNRECOGNISED_NUMBER} "{BAD}"'),
        (FailedSlot.EMPTY, ""),
        (FailedSlot.NIL, None),
    ],
)
def test_failed_slot_is_a_sentence_or_empty_or_nil(style: FailedSlot, slot: str | None) -> None:
    with Sandbox(Settings(failed_slot=style)) as sandbox:
        answered = User(sandbox).send(f"{BAD},{GOOD}")
        assert answered.slots == [f"{UNRECOGNISED_NUMBER} | {SENT}", slot, sandbox.messages[0].id]
    result = read_send(
        read_reply(SEND_SMS, answered.body),
        Message(sender="Shop", destinations=[OTHER, GOOD], text="a"),
    )
    assert [recipient.outcome for recipient in result.recipients] == ["refused", "accepted"]


def test_nil_is_declared_on_the_envelope_as_php_does() -> None:
    with Sandbox(Settings(failed_slot=FailedSlot.NIL)) as sandbox:
        answered = User(sandbox).send(BAD)
    declared = f'xmlns:ns1="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    assert f"{declared}<SOAP-ENV:Body>" in answered.text
    assert '<ns1:ResultArray xsi:nil="true"/>' in answered.text


def test_without_a_valid_number_success_is_not_claimed(sandbox: Sandbox) -> None:
    assert User(sandbox).send(f"{BAD},1").slots == [
        UNRECOGNISED_NUMBER,
        f'{UNRECOGNISED_NUMBER} "{BAD}"',
        f'{UNRECOGNISED_NUMBER} "1"',
    ]
    assert sandbox.messages == ()
    assert sandbox.balance == 10_000


def test_quoted_number_is_escaped(sandbox: Sandbox) -> None:
    assert f'{UNRECOGNISED_NUMBER} "&lt;a&gt; &amp;"' in User(sandbox).send("<a> &").text


@pytest.mark.parametrize("text", ["a\u0085b", "a\ufdd0b"])
def test_text_with_unsendable_characters_cannot_be_saved(sandbox: Sandbox, text: str) -> None:
    assert User(sandbox).send(text=text).slots == [
        "Не удалось сохранить данные сообщения, свяжитесь с администрацией"
    ]
    assert sandbox.messages == ()


# Credits


@pytest.mark.parametrize(
    ("text", "parts"), [("a" * 160, 1), ("a" * 161, 2), ("я" * 70, 1), ("я" * 71, 2)]
)
def test_part_costs_one_credit_per_recipient(sandbox: Sandbox, text: str, parts: int) -> None:
    User(sandbox).send(f"{GOOD},{OTHER},{BAD}", text=text)
    assert [(sent.parts, sent.credits) for sent in sandbox.messages] == [
        (parts, Decimal(parts))
    ] * 2
    assert sandbox.balance == 10_000 - 2 * parts


def test_too_few_credits_send_nothing_and_the_lack_is_reported() -> None:
    with Sandbox(Settings(credits=Decimal("1.44"))) as sandbox:
        answered = User(sandbox).send(f"{GOOD},{OTHER},{BAD}", text="я" * 71)
        assert answered.slots == ["Не хватает 2.56 кредитов для отправки SMS"]
        assert (sandbox.messages, sandbox.balance) == ((), Decimal("1.44"))
    with pytest.raises(NotEnoughCredits) as caught:
        read_send(
            read_reply(SEND_SMS, answered.body), Message(sender="Shop", destinations=GOOD, text="a")
        )
    assert caught.value.missing == Decimal("2.56")


def test_last_credit_can_be_spent() -> None:
    with Sandbox(Settings(credits=2)) as sandbox:
        assert User(sandbox).send(f"{GOOD},{OTHER}").slots[0] == SENT
        assert sandbox.balance == 0


def test_lack_of_credits_can_be_combined_with_success() -> None:
    with Sandbox(Settings(credits=Decimal("2.5"), pay_in_part=True)) as sandbox:
        user = User(sandbox)
        lack = "Не хватает 0.5 кредитов для отправки SMS"
        answered = user.send(f"{GOOD},{OTHER},+380931234567")
        assert answered.slots == [f"{lack} | {SENT}", *(sent.id for sent in sandbox.messages), lack]
        assert (len(sandbox.messages), sandbox.balance) == (2, Decimal("0.5"))
        assert user.send().slots == [lack]


# Magic numbers


@pytest.mark.parametrize(
    ("number", "slot", "alone", "beside_success"),
    [
        (
            "+380000000001",
            f'{UNRECOGNISED_NUMBER} "+380000000001"',
            UNRECOGNISED_NUMBER,
            UNRECOGNISED_NUMBER,
        ),
        *(
            (number, sentence, sentence, "Не удалось отправить сообщение на некоторые номера")
            for number, sentence in (
                ("+380000000002", "Страна не поддерживается"),
                ("+380000000003", "Невозможно отправить SMS"),
            )
        ),
    ],
)
def test_some_magic_numbers_are_refused_alone(
    sandbox: Sandbox, number: str, slot: str, alone: str, beside_success: str
) -> None:
    user = User(sandbox)
    assert user.send(number).slots == [alone, slot]
    assert user.send(f"{number},{GOOD}").slots == [
        f"{beside_success} | {SENT}",
        slot,
        sandbox.messages[0].id,
    ]


@pytest.mark.parametrize("row", [row for row in MAGIC if row.answers_all], ids=lambda row: row.note)
def test_some_magic_numbers_answer_the_whole_request(sandbox: Sandbox, row: Any) -> None:
    (slot,) = User(sandbox).send(f"{GOOD},{row.number}").slots
    assert [said.answer for said in classify(slot or "")] == [row.answers_all]
    assert sandbox.messages == ()
    assert sandbox.balance == 10_000


@pytest.mark.parametrize(
    "row",
    [row for row in MAGIC if not row.refuses and not row.answers_all],
    ids=lambda row: row.note,
)
def test_some_magic_numbers_end_in_their_own_way(clock: Clock, row: Any) -> None:
    with Sandbox(clock=clock) as sandbox:
        user = User(sandbox)
        head, id_ = user.send(row.number).slots
        assert (head, user.status(id_ or "")) == (SENT, "Отправлено")
        clock.now += 3
        assert delivery_state(user.status(id_ or "")) is row.ends is not DeliveryState.DELIVERED
        assert user.call("GetNewMessages").slots == ([] if row.ends.final else [id_])


def test_each_documented_final_state_can_be_produced() -> None:
    passing = {
        DeliveryState.SENT,
        DeliveryState.ON_SERVER,
        DeliveryState.IN_NETWORK,
        DeliveryState.DELIVERED,
    }
    assert {row.ends for row in MAGIC} | passing == {row.state for row in STATUSES}


def test_each_answer_that_depends_on_the_number_can_be_produced(sandbox: Sandbox) -> None:
    user = User(sandbox)
    texts = [slot or "" for row in MAGIC for slot in user.send(f"{GOOD},{row.number}").slots]
    had = {said.answer for text in texts if not UUID.fullmatch(text) for said in classify(text)}
    others = {  # these depend on the account, the session, the arguments or the operation
        Answer.AUTHORISED,
        Answer.NOT_AUTHORISED,
        Answer.BAD_CREDENTIALS,
        Answer.NOT_ACTIVATED,
        Answer.BLOCKED,
        Answer.DISABLED,
        Answer.MISSING_PARAMETERS,
        Answer.BAD_SENDER,
        Answer.SENDER_FORBIDDEN,
        Answer.NOT_ENOUGH_CREDITS,
        Answer.MESSAGE_NOT_FOUND,
    }
    assert had == {row.meaning for row in ANSWERS} - others


def test_magic_numbers_are_distinct_and_explained() -> None:
    assert len({row.number for row in MAGIC}) == len(MAGIC) == len({row.note for row in MAGIC})


# Delivery over time


def test_message_passes_the_documented_states_in_order(clock: Clock) -> None:
    with Sandbox(clock=clock) as sandbox:
        user = User(sandbox)
        id_ = user.send().slots[1] or ""
        seen = []
        for _ in range(7):
            seen.append((user.status(id_), sandbox.messages[0].state))
            clock.now += 0.5
    assert seen == [
        *[("Отправлено", DeliveryState.SENT)] * 2,
        *[("Сообщение доставлено на сервер", DeliveryState.ON_SERVER)] * 2,
        *[("Сообщение передано в мобильную сеть", DeliveryState.IN_NETWORK)] * 2,
        ("Сообщение доставлено получателю", DeliveryState.DELIVERED),
    ]


def test_delivery_takes_as_long_as_configured(clock: Clock) -> None:
    with (
        Sandbox(Settings(delivery_seconds=3600), clock=clock) as slow,
        Sandbox(Settings(delivery_seconds=0), clock=clock) as fast,
    ):
        User(slow).send()
        User(fast).send()
        clock.now += 3599
        assert (slow.messages[0].state, fast.messages[0].state) == (
            DeliveryState.IN_NETWORK,
            DeliveryState.DELIVERED,
        )
        clock.now += 1
        assert slow.messages[0].state is DeliveryState.DELIVERED


def test_new_messages_are_those_without_a_final_state(clock: Clock) -> None:
    with Sandbox(clock=clock) as sandbox:
        user = User(sandbox)
        early = user.send().slots[1]
        clock.now += 2
        late = user.send().slots[1]
        assert [user.call("GetNewMessages").slots for _ in range(2)] == [[early, late]] * 2
        clock.now += 1
        assert user.call("GetNewMessages").slots == [late]
        clock.now += 2
        assert user.call("GetNewMessages").slots == []


def test_unknown_id_is_not_found_and_named(sandbox: Sandbox) -> None:
    id_ = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"
    assert User(sandbox).status(id_) == f"Сообщение с ID {id_} не найдено"


def test_status_needs_an_id(sandbox: Sandbox) -> None:
    user = User(sandbox)
    assert (user.status(""), user.call("GetMessageStatus").result) == (MISSING, MISSING)


# WSDL

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SCHEMA = "{http://www.w3.org/2001/XMLSchema}"


def test_wsdl_has_the_address_it_was_requested_at(sandbox: Sandbox) -> None:
    for headers, address in (
        ({}, sandbox.url),
        ({"Host": "sms.test:81"}, "http://sms.test:81/api/soap.html"),
    ):
        answered = ask(sandbox.wsdl_url, None, headers, "GET")
        assert (answered.status, answered.headers["Content-Type"]) == (
            200,
            "text/xml; charset=utf-8",
        )
        ports = {
            port.get("name"): port[0]
            for port in ET.fromstring(answered.text.encode()).iter(f"{WSDL}port")
        }
        assert {name: (port.tag, port.get("location")) for name, port in ports.items()} == {
            "ServiceSoap": ("{http://schemas.xmlsoap.org/wsdl/soap/}address", address),
            "ServiceSoap12": ("{http://schemas.xmlsoap.org/wsdl/soap12/}address", address),
        }


def test_wsdl_declares_the_arguments_that_the_client_sends(sandbox: Sandbox) -> None:
    root = ET.fromstring(ask(sandbox.wsdl_url, None, method="GET").body)
    schema = root.find(f"{WSDL}types/{SCHEMA}schema")
    assert schema is not None
    declared = {
        element.get("name"): [
            (child.get("name"), child.get("type")) for child in element.iter(f"{SCHEMA}element")
        ][1:]
        for element in schema.findall(f"{SCHEMA}element")
    }
    expected: dict[str | None, list[tuple[str, str]]] = {}
    for row in OPERATIONS.values():
        expected[row.name] = [(name, "xs:string") for name in row.arguments]
        expected[f"{row.name}Response"] = [
            (row.result, "tns:ArrayOfString" if row.array else "xs:string")
        ]
    assert declared == expected
    assert (schema.get("elementFormDefault"), schema.get("targetNamespace")) == (
        "qualified",
        NAMESPACE,
    )


def test_wsdl_binds_all_operations_twice_with_their_actions(sandbox: Sandbox) -> None:
    root = ET.fromstring(ask(sandbox.wsdl_url, None, method="GET").body)
    bindings = {
        binding.get("name"): [
            (operation.get("name"), operation[0].get("soapAction")) for operation in binding[1:]
        ]
        for binding in root.findall(f"{WSDL}binding")
    }
    actions = [(row.name, row.action) for row in OPERATIONS.values()]
    assert bindings == {"ServiceSoap": actions, "ServiceSoap12": actions}
    messages = {
        message.get("name"): message[0].get("element") for message in root.findall(f"{WSDL}message")
    }
    for row in OPERATIONS.values():
        assert (messages[f"{row.name}SoapIn"], messages[f"{row.name}SoapOut"]) == (
            f"tns:{row.name}",
            f"tns:{row.name}Response",
        )


# What a test can see and do


def test_operations_are_counted_whether_refused_or_not(sandbox: Sandbox) -> None:
    user = User(sandbox)
    User(sandbox, login=False).send()
    user.send()
    user.call("Unknown")
    assert sandbox.calls == {"Auth": 1, "SendSMS": 2}


def test_snapshot_does_not_change_afterwards(sandbox: Sandbox) -> None:
    user = User(sandbox)
    calls, messages = sandbox.calls, sandbox.messages
    user.send()
    assert (calls, messages) == ({"Auth": 1}, ())


def test_clear_forgets_messages_and_counters_and_keeps_sessions(sandbox: Sandbox) -> None:
    user = User(sandbox)
    id_ = user.send().slots[1] or ""
    sandbox.clear()
    assert sandbox.messages == ()
    assert sandbox.balance == 10_000
    assert not sandbox.calls
    assert sandbox.most_in_flight == 0
    assert user.status(id_) == f"Сообщение с ID {id_} не найдено"
    assert user.call("GetNewMessages").slots == []


def test_many_threads_may_send_while_another_reads(sandbox: Sandbox) -> None:
    users = [User(sandbox) for _ in range(4)]

    def send(user: User) -> None:
        for _ in range(25):
            user.send()

    def look() -> None:
        while len(sandbox.messages) < 100:
            # Both are read under one lock each; a message never shows before it was paid for.
            seen = len(sandbox.messages)
            assert seen <= 10_000 - sandbox.balance
            time.sleep(0.001)

    together(look, *(lambda user=user: send(user) for user in users))
    assert len({sent.id for sent in sandbox.messages}) == 100
    assert sandbox.balance == 9900


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_application_serves_in_process_without_a_socket(backend: str) -> None:
    sandbox = Sandbox()

    async def send() -> str:
        transport = httpx.ASGITransport(app=sandbox.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as client:
            await client.post(
                "/api/soap.html", content=request("Auth", login="sandbox", password="sandbox")
            )
            body = request("SendSMS", sender="Shop", destination=GOOD, text="a")
            return (await client.post("/api/soap.html", content=body)).text

    assert SENT in anyio.run(send, backend=backend)
    assert [sent.destination for sent in sandbox.messages] == [GOOD]


def test_nothing_personal_is_logged_or_shown(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    user = User(sandbox)
    user.send(f"{GOOD},{BAD}", text="secret text", sender="+380441112233")
    user.call("Unknown", text="secret text")
    user.post(request("SendSMS", text="secret text")[:-30])
    shown = caplog.text + repr(sandbox.messages) + repr(Settings(password="hidden"))
    assert user.cookie
    for personal in (GOOD, BAD, "secret text", "380441112233", "hidden", user.cookie):
        assert personal not in shown


# Starting and stopping


def test_stop_is_prompt_and_leaves_no_thread_and_no_socket() -> None:
    threads = threading.active_count()
    with Sandbox() as sandbox:
        url = urlsplit(sandbox.url)
        assert threading.active_count() == threads + 1
        with (
            closing(http.client.HTTPConnection("127.0.0.1", url.port)) as idle,
            closing(socket.create_connection(("127.0.0.1", url.port or 0))) as silent,
        ):
            idle.request("GET", url.path)
            assert idle.getresponse().read() == b""
            start = time.monotonic()
            sandbox.__exit__(None, None, None)
            assert time.monotonic() - start < 1
            assert silent.recv(1) == b""
    assert threading.active_count() == threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", url.port or 0))


def test_stop_does_not_wait_for_a_held_request() -> None:
    with Sandbox(Settings(hold_seconds=60)) as sandbox, ThreadPoolExecutor(1) as pool:
        answered = pool.submit(
            ask, sandbox.url, request("Auth", login="sandbox", password="sandbox")
        )
        while not sandbox.calls:
            time.sleep(0.01)
        start = time.monotonic()
        sandbox.__exit__(None, None, None)
        assert time.monotonic() - start < 1
        assert answered.result().result == "Вы успешно авторизировались"


def test_stop_does_not_wait_for_the_rest_of_a_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        Sandbox() as sandbox,
        closing(socket.create_connection(("127.0.0.1", urlsplit(sandbox.url).port or 0))) as slow,
    ):
        slow.sendall(b"POST /api/soap.html HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n<")
        ask(sandbox.url, None, method="GET")  # the server has read the first half by now
        start = time.monotonic()
        sandbox.__exit__(None, None, None)
        assert time.monotonic() - start < 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_sandbox_can_be_restarted_and_keeps_its_state() -> None:
    sandbox = Sandbox()
    with sandbox:
        user = User(sandbox)
        user.send()
    assert len(sandbox.messages) == 1
    with sandbox:
        user.url = sandbox.url
        assert user.call("GetCreditBalance").result == "9999"


def test_running_sandbox_cannot_be_started_twice(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="already running"):
        sandbox.__enter__()
    assert User(sandbox).call("GetCreditBalance").result == "10000"


def test_stopped_sandbox_has_no_address() -> None:
    sandbox = Sandbox()
    for name in ("url", "wsdl_url"):
        with pytest.raises(RuntimeError, match="not running"):
            getattr(sandbox, name)


def test_port_in_use_is_an_error_that_names_host_and_port(sandbox: Sandbox) -> None:
    port = urlsplit(sandbox.url).port or 0
    with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: "):
        Sandbox(port=port).__enter__()


def test_unresolvable_host_is_an_error_that_names_it() -> None:
    with pytest.raises(OSError, match=r"cannot listen on ::1%nowhere port 0: "):
        Sandbox(host="::1%nowhere", exposed=True).__enter__()


def test_idle_connection_is_closed_and_counted() -> None:
    with Sandbox(Settings(keep_alive_seconds=0.05)) as sandbox:
        address = urlsplit(sandbox.url)
        with closing(
            socket.create_connection(("127.0.0.1", address.port or 0), timeout=10)
        ) as client:
            client.sendall(f"GET {address.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = b""
            while received := client.recv(4096):
                answer += received
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert sandbox.idle_closed == 1
    assert sandbox.idle_closed == 0, "it is not running"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_server_that_cannot_start_says_so_and_leaves_no_thread() -> None:
    listener = listen("127.0.0.1", 0)
    listener.close()
    threads = threading.active_count()
    with pytest.raises(RuntimeError, match="could not start"):
        ServerThread(Sandbox().app, listener, tls=None, keep_alive_seconds=5)
    assert threading.active_count() == threads


def test_given_port_can_be_reused_at_once() -> None:
    with Sandbox() as first:
        port = urlsplit(first.url).port or 0
        idle = http.client.HTTPConnection("127.0.0.1", port)
        idle.request("GET", "/api/soap.html")
        idle.getresponse().read()
    idle.close()  # the server closed first, so its side of the connection lingers in TIME_WAIT
    with Sandbox(port=port) as second:
        assert second.url == f"http://127.0.0.1:{port}/api/soap.html"
        assert second.wsdl_url == f"http://127.0.0.1:{port}/api/wsdl.html"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "sms.example"])
def test_other_machines_are_admitted_only_on_request(host: str) -> None:
    with pytest.raises(ValueError, match=r"^host: .*exposed=True"):
        Sandbox(host=host)


def test_exposed_sandbox_has_an_address_usable_on_this_machine() -> None:
    with Sandbox(host="0.0.0.0", exposed=True) as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")
        User(sandbox)


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("login", ""),
        ("password", None),
        ("account", "active"),
        ("credits", Decimal(-1)),
        ("credits", Decimal("sNaN")),
        ("credits", 1.5),
        ("credits", True),
        ("pay_in_part", 1),
        ("senders", ["Shop"]),
        ("senders", frozenset({""})),
        ("forbidden_senders", None),
        ("delivery_seconds", -1),
        ("delivery_seconds", float("inf")),
        ("session_idle_seconds", 0),
        ("hold_seconds", float("nan")),
        ("hold_seconds", "1"),
        ("lock_cookies", None),
        ("sentences", {"sent": "Готово"}),
        ("sentences", {Answer.SENT: ""}),
        ("unauthorised", "Нет"),
        ("failed_slot", "blank"),
        ("keep_calls", 10_000_001),
        ("keep_calls", 10**20),
        ("keep_messages", 10**20),
        ("session_calls", 10**20),
        ("credits", 10**16),
        ("hold_seconds", 10**400),
        ("delivery_seconds", 1e300),
        ("keep_alive_seconds", 1e300),
    ],
)
def test_bad_setting_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        Settings(**{name: value})


def test_each_refusal_is_one_that_the_client_knows(sandbox: Sandbox) -> None:
    message = Message(sender="Shop", destinations=GOOD, text="a")
    answered = User(sandbox).send("+380000000002")
    with pytest.raises(Refused) as caught:
        read_send(read_reply(SEND_SMS, answered.body), message)
    assert caught.value.answer == Answer.COUNTRY_NOT_SERVED
