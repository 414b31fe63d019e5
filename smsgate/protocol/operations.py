"""The five operations of the gateway as one table.

A new operation is a new row, with a reader in `reply`, a public call in `AsyncSession`, a handler
in `sandbox/handlers.py` and its description in `sandbox/wsdl.xml`. Names and order of arguments are
those of the WSDL (docs: wire format, "Operations"). An operation is retried automatically only if
calling it twice changes nothing and costs nothing.
"""

from __future__ import annotations

from typing import Any

from .operation import Operation
from .reply import (
    is_balance,
    is_message_id,
    is_nothing,
    is_status,
    read_auth,
    read_balance,
    read_new_messages,
    read_send,
    read_status,
)

__all__ = [
    "AUTH",
    "GET_CREDIT_BALANCE",
    "GET_MESSAGE_STATUS",
    "GET_NEW_MESSAGES",
    "OPERATIONS",
    "SEND_SMS",
]

AUTH = Operation("Auth", ("login", "password"), False, True, read_auth, is_nothing)
GET_CREDIT_BALANCE = Operation("GetCreditBalance", (), False, True, read_balance, is_balance)
SEND_SMS = Operation(
    "SendSMS", ("sender", "destination", "text", "wappush"), True, False, read_send, is_message_id
)
GET_NEW_MESSAGES = Operation("GetNewMessages", (), True, True, read_new_messages, is_message_id)
GET_MESSAGE_STATUS = Operation(
    "GetMessageStatus", ("MessageId",), False, True, read_status, is_status
)

_TABLE: tuple[Operation[Any], ...] = (
    AUTH,
    GET_CREDIT_BALANCE,
    SEND_SMS,
    GET_NEW_MESSAGES,
    GET_MESSAGE_STATUS,
)
OPERATIONS = {row.name: row for row in _TABLE}
