"""The WSDL of the service, from the file `wsdl.xml` (docs: wire format, "WSDL").

Rule of this file: only the address of both ports is filled in.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from xml.sax.saxutils import escape

__all__ = ["wsdl"]


@cache
def _template() -> str:
    return files("smsgate.sandbox").joinpath("wsdl.xml").read_text(encoding="utf-8")


def wsdl(address: str) -> bytes:
    """Return the WSDL with this address of the service."""
    return _template().replace("{address}", escape(address, {'"': "&quot;"})).encode()
