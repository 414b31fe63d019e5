"""Answers of the gateway as it writes them (docs:

wire format, "Replies"), for tests that read them.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from smsgate.protocol.operations import SEND_SMS
from smsgate.protocol.reply import Reply, read_reply

PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
SOAP_11 = (
    '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://turbosms.in.ua/api/Turbo"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><SOAP-ENV:Body>{}</SOAP-ENV:Body></SOAP-ENV:Envelope>\n'
)
NIL = '<ns1:ResultArray xsi:nil="true"/>'
ID = "0c306f85-57f5-f84a-1033-6075af2bcc6e"
OTHER_ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"


def envelope(inside: str) -> bytes:
    """Return a SOAP 1.1 document with this in its body."""
    return (PROLOG + SOAP_11.format(inside)).encode()


def string_reply(operation: str, text: str) -> bytes:
    """Return the answer of an operation that answers with one string."""
    return envelope(
        f"<ns1:{operation}Response><ns1:{operation}Result>{escape(text)}</ns1:{operation}Result></ns1:{operation}Response>"
    )


def array_reply(operation: str, *items: str | None) -> bytes:
    """Return the answer of an operation that answers with an array; None is nil."""
    slots = "".join(
        NIL if item is None else f"<ns1:ResultArray>{escape(item)}</ns1:ResultArray>"
        for item in items
    )
    return envelope(
        f"<ns1:{operation}Response><ns1:{operation}Result>{slots}</ns1:{operation}Result></ns1:{operation}Response>"
    )


def sent(*items: str | None) -> Reply:
    """Return the answer to SendSMS with these `ResultArray` elements, read."""
    return read_reply(SEND_SMS, array_reply("SendSMS", *items))
