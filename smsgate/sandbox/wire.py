"""One connection, and what HTTP servers cannot do: close it early, reset it, write half an answer.

Rule of this file: it uses transports of asyncio and knows no HTTP server. The server adds the
connection to each request.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from .faults import ConnectionEnd, PreparedReply

__all__ = ["Wire"]

_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


class Wire:
    """The connection of a request."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def end(self, end: ConnectionEnd, reply: PreparedReply) -> None:
        """End the connection as the fault demands, instead of sending this answer."""
        partly = _PARTLY.get(end)
        if partly:
            self._transport.write(partly(_as_http(reply)))
        if end is ConnectionEnd.RESET:
            self._reset()
        else:
            self._transport.close()

    def _reset(self) -> None:
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
        self._transport.abort()


def _as_http(reply: PreparedReply) -> bytes:
    head = (
        f"HTTP/1.1 {reply.status} OK\r\n"
        f"Content-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n\r\n"
    )
    return head.encode() + reply.body


def _to_the_middle_of_the_headers(answer: bytes) -> bytes:
    return answer[: answer.index(b"\r\n\r\n") // 2]


def _to_the_middle_of_the_body(answer: bytes) -> bytes:
    start = answer.index(b"\r\n\r\n") + 4
    return answer[: start + (len(answer) - start) // 2]


_PARTLY: dict[ConnectionEnd, Callable[[bytes], bytes]] = {
    ConnectionEnd.CUT_HEADERS: _to_the_middle_of_the_headers,
    ConnectionEnd.CUT_BODY: _to_the_middle_of_the_body,
    ConnectionEnd.NOT_HTTP: lambda _: b"\x00\x01\xff what is this?\r\n\r\n",
}
