"""Requests as bytes (docs:

wire format, "Requests"): the WSDL's order, any text that can be carried, and nothing that cannot.
"""

from __future__ import annotations

import needles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import Hidden, frames_of, raised_by, shown_by

from smsgate.protocol.characters import complaint
from smsgate.protocol.envelope import request_body
from smsgate.protocol.operation import Operation
from smsgate.protocol.operations import (
    AUTH,
    GET_CREDIT_BALANCE,
    GET_MESSAGE_STATUS,
    GET_NEW_MESSAGES,
    OPERATIONS,
    SEND_SMS,
)
from smsgate.protocol.xml import Node, parse, text_of

HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:ns1="http://turbosms.in.ua/api/Turbo"><SOAP-ENV:Body>'
)
TAIL = b"</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"

acceptable = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda text: complaint(text) is None
)


def arguments_of(body: bytes, operation: str) -> dict[str, Node]:
    """Return what the gateway would find inside of the operation."""
    envelope = parse(body)["soap:Envelope"]
    assert isinstance(envelope, dict)
    soap_body = envelope["soap:Body"]
    assert isinstance(soap_body, dict)
    inside = soap_body[f"turbo:{operation}"]
    return inside if isinstance(inside, dict) else {}


def test_auth_is_the_request_that_real_clients_send():
    body = request_body(AUTH, login="test", password="password")
    assert (
        body
        == HEAD
        + b"<ns1:Auth><ns1:login>test</ns1:login><ns1:password>password</ns1:password></ns1:Auth>"
        + TAIL
    )


@pytest.mark.parametrize(
    ("operation", "name"),
    [(GET_CREDIT_BALANCE, b"GetCreditBalance"), (GET_NEW_MESSAGES, b"GetNewMessages")],
)
def test_operation_without_arguments_is_an_empty_element(operation: Operation, name: bytes):
    assert request_body(operation) == HEAD + b"<ns1:" + name + b"></ns1:" + name + b">" + TAIL


def test_message_id_argument_begins_with_a_capital_m():
    body = request_body(GET_MESSAGE_STATUS, MessageId="abc")
    assert (
        body
        == HEAD
        + b"<ns1:GetMessageStatus><ns1:MessageId>abc</ns1:MessageId></ns1:GetMessageStatus>"
        + TAIL
    )


def test_arguments_are_in_wsdl_order_however_they_are_given():
    body = request_body(SEND_SMS, wappush="http://w", text="t", destination="+1", sender="s")
    inside = b"<ns1:sender>s</ns1:sender><ns1:destination>+1</ns1:destination><ns1:text>t</ns1:text><ns1:wappush>http://w</ns1:wappush>"
    assert body == HEAD + b"<ns1:SendSMS>" + inside + b"</ns1:SendSMS>" + TAIL


def test_none_is_omitted_and_an_empty_argument_is_sent_empty():
    body = request_body(SEND_SMS, sender="s", destination="+1", text="", wappush=None)
    assert b"wappush" not in body
    assert b"<ns1:text></ns1:text>" in body


def test_request_is_in_utf8():
    assert "<ns1:text>Ваш код: 4815 😀</ns1:text>".encode() in request_body(
        SEND_SMS, text="Ваш код: 4815 😀"
    )


def test_markup_in_a_value_stays_a_value():
    body = request_body(SEND_SMS, text="</ns1:text><ns1:wappush>&amp;]]>{operation}{0}")
    assert (
        b"<ns1:text>&lt;/ns1:text&gt;&lt;ns1:wappush&gt;&amp;amp;]]&gt;{operation}{0}</ns1:text>"
        in body
    )


@given(sender=acceptable, destination=acceptable, text=acceptable, wappush=acceptable)
def test_accepted_value_arrives_as_given(sender: str, destination: str, text: str, wappush: str):
    given_ = {"sender": sender, "destination": destination, "text": text, "wappush": wappush}
    arrived = arguments_of(request_body(SEND_SMS, **given_), "SendSMS")
    assert [(name, text_of(node) or "") for name, node in arrived.items()] == [
        (f"turbo:{name}", given_[name]) for name in given_
    ]


@given(password=st.text())
def test_value_is_sent_whole_or_refused(password: str):
    if complaint(password) is None:
        assert (
            text_of(
                arguments_of(request_body(AUTH, login="l", password=password), "Auth")[
                    "turbo:password"
                ]
            )
            or ""
        ) == password
    else:
        with pytest.raises(
            ValueError,
            match=f"^password: {complaint(password)}$".replace("(", r"\(")
            .replace(")", r"\)")
            .replace("+", r"\+"),
        ):
            request_body(AUTH, login="l", password=password)


@pytest.mark.parametrize("character", ["\x00", "\r", "\x0b", "\x7f", "\ud800", "\ufffe", "\uffff"])
@pytest.mark.parametrize("name", ["sender", "destination", "text", "wappush"])
def test_unsendable_character_is_refused_with_argument_and_place(name: str, character: str):
    error = raised_by(lambda: request_body(SEND_SMS, **{name: f"ab{character}"}))
    assert type(error) is ValueError
    assert (
        str(error)
        == f"{name}: the character at position 2 (U+{ord(character):04X}) cannot be sent in an SMS"
    )


@pytest.mark.parametrize("operation", OPERATIONS.values())
def test_argument_unknown_to_the_operation_is_refused(operation: Operation):
    with pytest.raises(TypeError, match=f"^{operation.name} has no argument flash, ttl$"):
        request_body(operation, ttl="1", flash="1")


NEEDLE = needles.TEXT
SECRET = Hidden(NEEDLE)
SPOILT = Hidden(f"{NEEDLE}\x00")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (AUTH, {"login": SPOILT, "password": SECRET}),
        (AUTH, {"login": SECRET, "password": SPOILT}),
        (SEND_SMS, {"sender": SECRET, "destination": SECRET, "text": SPOILT, "wappush": SECRET}),
        (SEND_SMS, {"text": SECRET, "flash": SECRET}),
    ],
)
def test_refusal_shows_no_value_even_in_a_traceback_with_locals(
    operation: Operation, arguments: dict[str, str]
):
    error = raised_by(lambda: request_body(operation, **arguments))
    assert NEEDLE not in shown_by(error)
    ours = [frame for frame in frames_of(error) if frame.f_code.co_name == "request_body"]
    assert len(ours) == 1
    assert not set(ours[0].f_locals) & {"arguments", "given", "value", "in_order"}
