"""The five operations of the gateway as one table. Nothing here acts; envelopes and replies are made and read by it.

Names and order of arguments are the WSDL's (docs: wire format, "Operations"). An operation may be repeated by itself only if
doing it twice changes nothing and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AUTH",
    "GET_CREDIT_BALANCE",
    "GET_MESSAGE_STATUS",
    "GET_NEW_MESSAGES",
    "NAMESPACE",
    "OPERATIONS",
    "SEND_SMS",
    "Operation",
]

NAMESPACE = "http://turbosms.in.ua/api/Turbo"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: what is asked, in which element the answer stands, and whether asking again is harmless."""

    name: str
    arguments: tuple[str, ...]
    array: bool
    """The answer is a list of `ResultArray` elements, not one string."""
    repeatable: bool
    """May be repeated by itself after a fault of the transport."""

    @property
    def result(self) -> str:
        """Local name of the element that holds the answer."""
        return f"{self.name}Result"

    @property
    def action(self) -> str:
        """The SOAPAction, which the gateway does not read."""
        return f"{NAMESPACE}/{self.name}"


AUTH = Operation("Auth", ("login", "password"), array=False, repeatable=True)
GET_CREDIT_BALANCE = Operation("GetCreditBalance", (), array=False, repeatable=True)
SEND_SMS = Operation("SendSMS", ("sender", "destination", "text", "wappush"), array=True, repeatable=False)
GET_NEW_MESSAGES = Operation("GetNewMessages", (), array=True, repeatable=True)
GET_MESSAGE_STATUS = Operation("GetMessageStatus", ("MessageId",), array=False, repeatable=True)

OPERATIONS = {row.name: row for row in (AUTH, GET_CREDIT_BALANCE, SEND_SMS, GET_NEW_MESSAGES, GET_MESSAGE_STATUS)}
