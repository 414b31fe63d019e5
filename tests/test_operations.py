"""The five operations as the WSDL has them, and which may be repeated (docs: wire format, "Operations" and "Repeats")."""

from __future__ import annotations

import pytest

from smsgate.protocol.operations import NAMESPACE, OPERATIONS

TABLE = {
    "Auth": (("login", "password"), "AuthResult", False, True),
    "GetCreditBalance": ((), "GetCreditBalanceResult", False, True),
    "SendSMS": (("sender", "destination", "text", "wappush"), "SendSMSResult", True, False),
    "GetNewMessages": ((), "GetNewMessagesResult", True, True),
    "GetMessageStatus": (("MessageId",), "GetMessageStatusResult", False, True),
}


def test_the_operations_are_the_five_of_the_wsdl_and_a_send_is_never_repeated():
    assert {name: (row.arguments, row.result, row.array, row.repeatable) for name, row in OPERATIONS.items()} == TABLE


@pytest.mark.parametrize("name", TABLE)
def test_an_operation_is_found_by_its_own_name_and_its_action_is_the_namespace_and_the_name(name: str):
    assert OPERATIONS[name].name == name
    assert OPERATIONS[name].action == f"http://turbosms.in.ua/api/Turbo/{name}"


def test_the_namespace_has_no_slash_at_its_end():
    assert NAMESPACE == "http://turbosms.in.ua/api/Turbo"
