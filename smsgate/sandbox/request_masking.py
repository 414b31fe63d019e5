"""Mask the passwords in a request before it is stored.

Rule of this file: if in doubt, more is masked. A password may be an argument by name or by
position, the value of an array of PHP, or an attribute; so in each request that may have one, every
text and attribute is masked, except the element `login` and what only XML needs. The request is not
parsed, because it may be cut off or not be XML.
"""

from __future__ import annotations

import re

__all__ = ["masked"]

_MASK = b"***"
_NOT_UTF_8 = b"(not shown: the request is not UTF-8, so a password in it cannot be masked)"
_NO_ENVELOPE = b"(not shown: the request is no SOAP envelope and speaks of a password)"

_ENVELOPE = re.compile(rb"<(?:[\w.-]+:)?Envelope\b")
_PASSWORD = re.compile(rb"password", re.IGNORECASE)
_PIECE = re.compile(
    rb"""
    (?P<kept> \A\s*<\?xml\s[^<>?]*\?>
        | </[^<>"'\s]*\s*>
        | <(?:[\w.-]+:)?login(?:\s+[\w.-]+:type\s*=\s*["'][\w.:-]*["'])?\s*>
            [^<]*</(?:[\w.-]+:)?login\s*> )
    | (?P<comment> <!--.*?(?:-->|\Z) )
    | (?P<cdata> <!\[CDATA\[.*?(?:\]\]>|\Z) )
    | (?P<tag> <[^\s<>/"'!?]++(?:"[^"]*"|'[^']*'|[^'">])*+> )
    | (?P<text> [^<]+ )
    | (?P<rest> <.*\Z )
    """,
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"""(?<![^\s=<>"'])([^\s=<>"']++)(\s*=\s*)("[^"]*"|'[^']*'|[^\s>"']+)""")
_FOR_XML = re.compile(rb"xmlns(?::.*)?|[\w.-]+:(?:type|nil|encodingStyle|mustUnderstand|arrayType)")


def masked(operation: str | None, request: bytes) -> bytes:
    """Return the request with `***` for everything that may be a password.

    Args:
        operation: the operation of the gateway that it calls, None if it is unreadable.
        request: the request, which may be cut off.
    """
    if b"\0" in request:  # UTF-16 or UTF-32, in which no name is found
        return _NOT_UTF_8
    if operation is None and not _ENVELOPE.search(request):
        if _PASSWORD.search(request):
            return _NO_ENVELOPE
        if not request.lstrip().startswith(b"<"):
            return request
    if operation not in (None, "Auth") and not _names_password(request):
        return request
    return _PIECE.sub(_masked_piece, request)


def _names_password(request: bytes) -> bool:
    """Return whether an element or attribute, or the whole text of an element, is a password's."""
    if not _PASSWORD.search(request):
        return False
    return any(
        _PASSWORD.search(piece[0])
        if piece.lastgroup == "tag"
        else _PASSWORD.fullmatch(piece[0].removeprefix(b"<![CDATA[").removesuffix(b"]]>").strip())
        for piece in _PIECE.finditer(request)
    )


def _masked_piece(found: re.Match[bytes]) -> bytes:
    piece = found[0]
    match found.lastgroup:
        case "kept":
            return piece
        case "tag":
            return _ATTRIBUTE.sub(_masked_attribute, piece)
        case "comment":
            return b"<!--" + _MASK + b"-->"
        case "text" if not piece.strip():
            return piece
        case _:
            return _MASK


def _masked_attribute(found: re.Match[bytes]) -> bytes:
    name, equals, value = found.groups()
    if _FOR_XML.fullmatch(name):
        return found[0]
    quote = value[:1] if value[:1] in (b'"', b"'") else b""
    return bytes(name + equals + quote + _MASK + quote)
