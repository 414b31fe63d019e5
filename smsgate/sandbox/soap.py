"""Parse request bytes into a call, and write reply bytes exactly like PHP's SoapServer.

Rule of this file: pure functions, and one row of `_VERSIONS` for each version of SOAP. An answer
has the SOAP version of its request; the answer to an unreadable request has SOAP 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from ..protocol.operation import NAMESPACE, Operation
from ..protocol.operations import OPERATIONS
from ..protocol.xml import SOAP_11, SOAP_12, Node, Unreadable, parse, text_of
from .handlers import Result

__all__ = ["Call", "SoapFault", "SoapVersion", "fault_body", "read_call", "result_body"]

_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_NIL = '<ns1:ResultArray xsi:nil="true"/>'


@dataclass(frozen=True, slots=True)
class SoapVersion:
    """How PHP writes one version of SOAP.

    Fault codes are `client` for a bad request and `absent` for an unknown procedure.
    """

    key: str
    """The prefix of its namespace in the parsed tree."""
    prefix: str
    namespace: str
    content_type: str
    fault: str
    client: str
    absent: str
    absent_reason: str


_SOAP_11 = SoapVersion(
    key="soap",
    prefix="SOAP-ENV",
    namespace=SOAP_11,
    content_type="text/xml; charset=utf-8",
    fault="<faultcode>{code}</faultcode><faultstring>{reason}</faultstring>",
    client="SOAP-ENV:Client",
    absent="SOAP-ENV:Server",
    absent_reason="Procedure '{name}' not present",
)
_SOAP_12 = SoapVersion(
    key="soap12",
    prefix="env",
    namespace=SOAP_12,
    content_type="application/soap+xml; charset=utf-8",
    fault=(
        "<env:Code><env:Value>{code}</env:Value></env:Code><env:Reason><env:Text>{reason}</env:Text></env:Reason>"
    ),
    client="env:Sender",
    absent="rpc:ProcedureNotPresent",
    absent_reason="Procedure not present",
)
_VERSIONS = (_SOAP_11, _SOAP_12)


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed request: the SOAP version, the operation, and the arguments that are not empty."""

    version: SoapVersion
    operation: Operation[object]
    arguments: Mapping[str, str] = field(repr=False)


class SoapFault(Exception):
    """The request gets a SOAP fault, with this version, code and reason."""

    def __init__(self, version: SoapVersion, code: str, reason: str) -> None:
        super().__init__(code)
        self.version = version
        self.code = code
        self.reason = reason


def read_call(body: bytes) -> Call:
    """Parse a request.

    Raises:
        SoapFault: the request is not a SOAP envelope, or the procedure is unknown.
    """
    version = _SOAP_11
    try:
        document = parse(body)
        version = next(
            (version for version in _VERSIONS if f"{version.key}:Envelope" in document), version
        )
        return _call(version, document.get(f"{version.key}:Envelope"))
    except Unreadable:
        pass
    raise SoapFault(version, version.client, "Bad Request")


def _call(version: SoapVersion, envelope: Node) -> Call:
    body = next((node for name, node in _children(envelope) if name == f"{version.key}:Body"), None)
    qualified, content = next(_children(body), ("", None))
    if not qualified or isinstance(content, list):
        raise Unreadable("no procedure in the body, or several")
    prefix, _, name = qualified.rpartition(":")
    operation = OPERATIONS.get(name)
    if prefix != "turbo" or operation is None:
        raise SoapFault(version, version.absent, version.absent_reason.format(name=name))
    # PHP finds arguments by name, in any order and in any namespace.
    given = ((child.rpartition(":")[2], node) for child, node in _children(content))
    texts = {name: text_of(node) for name, node in given if name in operation.arguments}
    return Call(version, operation, {name: text for name, text in texts.items() if text})


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, dict):
        yield from (
            (name, child) for name, child in node.items() if not name.startswith(("@", "#"))
        )


def result_body(version: SoapVersion, operation: Operation[object], result: Result) -> bytes:
    """Return the reply with this result."""
    name, tag = operation.name, operation.result
    declared = f' xmlns:ns1="{NAMESPACE}"'
    if isinstance(result, str):
        inner = f"<ns1:{tag}>{_escaped(result)}</ns1:{tag}>"
    else:
        inner = (
            f"<ns1:{tag}>{''.join(map(_slot, result))}</ns1:{tag}>" if result else f"<ns1:{tag}/>"
        )
        declared += _XSI if None in result else ""
    return _envelope(version, declared, f"<ns1:{name}Response>{inner}</ns1:{name}Response>")


def fault_body(fault: SoapFault) -> bytes:
    """Return the reply with this fault. It is sent with HTTP status 500."""
    version = fault.version
    inner = version.fault.format(code=fault.code, reason=_escaped(fault.reason))
    return _envelope(version, "", f"<{version.prefix}:Fault>{inner}</{version.prefix}:Fault>")


def _envelope(version: SoapVersion, declared: str, inner: str) -> bytes:
    prefix = version.prefix
    return (
        f'{_PROLOG}<{prefix}:Envelope xmlns:{prefix}="{version.namespace}"{declared}>'
        f"<{prefix}:Body>{inner}</{prefix}:Body></{prefix}:Envelope>\n"
    ).encode()


def _slot(text: str | None) -> str:
    return _NIL if text is None else f"<ns1:ResultArray>{_escaped(text)}</ns1:ResultArray>"


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})  # like libxml; a parser turns a bare CR into a line feed
