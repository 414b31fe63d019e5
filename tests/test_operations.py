"""The five operations as the WSDL has them, and which may be repeated (docs:

wire format, "Operations" and "Repeats").
"""

from __future__ import annotations

import re

import pytest

from smsgate.errors import ReplyEvidence
from smsgate.protocol.operation import NAMESPACE, Operation
from smsgate.protocol.operations import OPERATIONS
from smsgate.protocol.reply import Reply, shows_session, unrecognised
from smsgate.sandbox.handlers import HANDLERS

ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"

TABLE = {
    "Auth": (("login", "password"), "AuthResult", False, True),
    "GetCreditBalance": ((), "GetCreditBalanceResult", False, True),
    "SendSMS": (("sender", "destination", "text", "wappush"), "SendSMSResult", True, False),
    "GetNewMessages": ((), "GetNewMessagesResult", True, True),
    "GetMessageStatus": (("MessageId",), "GetMessageStatusResult", False, True),
}


def test_operations_match_the_wsdl_and_a_send_is_never_repeated():
    assert {
        name: (row.arguments, row.result, row.array, row.repeatable)
        for name, row in OPERATIONS.items()
    } == TABLE


@pytest.mark.parametrize("name", TABLE)
def test_operation_has_its_own_name_and_its_soap_action(
    name: str,
):
    assert OPERATIONS[name].name == name
    assert OPERATIONS[name].action == f"http://turbosms.in.ua/api/Turbo/{name}"


def test_namespace_has_no_trailing_slash():
    assert NAMESPACE == "http://turbosms.in.ua/api/Turbo"


def test_sandbox_has_a_handler_for_each_operation():
    assert set(HANDLERS) == set(OPERATIONS)


def test_good_answer_to_a_new_operation_is_recognised():
    knows = re.compile(r"line [0-9]+").fullmatch
    lines = Operation(
        "GetLines",
        (),
        True,
        True,
        lambda reply, _: list(reply.items),
        lambda text: bool(knows(text)),
    )
    reply = Reply(("line 1", "line 2", "What is this?"), ReplyEvidence(200))
    assert unrecognised(lines, reply) == ["What is this?"]
    assert shows_session(lines, Reply(("line 1",), ReplyEvidence(200)))
    assert lines.read(reply, None) == ["line 1", "line 2", "What is this?"]


@pytest.mark.parametrize("name", TABLE)
def test_value_of_one_operation_is_none_of_another(name: str):
    statuses = ["Сообщение доставлено получателю"]
    values = {
        "GetCreditBalance": ["12.5"],
        "SendSMS": [ID],
        "GetNewMessages": [ID],
        "GetMessageStatus": statuses,
    }
    texts = {text for known in values.values() for text in known}
    assert {text for text in texts if OPERATIONS[name].knows(text)} == set(values.get(name, ()))
