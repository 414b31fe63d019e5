"""Values in, request bytes out: SOAP 1.1 envelopes from string templates.

See docs: wire format, "Requests". Rule of this file: a character that XML or an SMS cannot carry
raises an error, which names the argument and does not quote its value.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from ..privacy import sealed
from .characters import complaint
from .operation import NAMESPACE, Operation

__all__ = ["request_body"]

_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:ns1="{namespace}"><SOAP-ENV:Body>'
    "<ns1:{operation}>{arguments}</ns1:{operation}>"
    "</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
)
_ARGUMENT = "<ns1:{name}>{value}</ns1:{name}>"


@sealed
def request_body(operation: Operation[object], **arguments: str | None) -> bytes:
    """Return the request in UTF-8, with the arguments in the order of the WSDL.

    Args:
        operation: the operation to call.
        arguments: its arguments; None omits one.

    Raises:
        ValueError: an argument has a character that cannot be sent.
        TypeError: the operation has no such argument.
    """
    if unknown := arguments.keys() - set(operation.arguments):
        raise TypeError(f"{operation.name} has no argument {', '.join(sorted(unknown))}")
    given = [
        (name, value) for name in operation.arguments if (value := arguments.get(name)) is not None
    ]
    if found := next(
        (f"{name}: {reason}" for name, value in given if (reason := complaint(value))), None
    ):
        raise ValueError(found)
    inner = "".join(_ARGUMENT.format(name=name, value=escape(value)) for name, value in given)
    return _ENVELOPE.format(namespace=NAMESPACE, operation=operation.name, arguments=inner).encode()
