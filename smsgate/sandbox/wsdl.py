"""The description of the service, as `wsdl.xml` beside this file has it (docs: wire format, "WSDL").

Rule of this file: the only thing that is filled in is the address of both ports.
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
    """Return the WSDL of a service that answers at this address."""
    return _template().replace("{address}", escape(address, {'"': "&quot;"})).encode()
