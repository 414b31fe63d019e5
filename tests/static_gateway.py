"""A gateway that only answers: it reads no XML, keeps nothing, and is faster than any client.

It runs in a process of its own (`running`), so that the CPU time of a benchmark is the client's
alone. Each operation has one canned answer. The answer to SendSMS has a new message id for each
number, and nothing else in it changes.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from replies import array_reply, string_reply

from smsgate.sandbox.wsdl import wsdl

__all__ = ["running"]

_DESTINATION = re.compile(rb"destination>([^<]*)<")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_ACTION = re.compile(rb'\r\nsoapaction: *"[^"\r]*/([A-Za-z]+)"\r\n', re.IGNORECASE)
_STRINGS = {
    b"Auth": "Вы успешно авторизировались",
    b"GetCreditBalance": "1000000",
    b"GetMessageStatus": "Сообщение доставлено получателю",
}


def answer(body: bytes, *more: str) -> bytes:
    """Return an HTTP response with this body."""
    lines = ["HTTP/1.1 200 OK", *more, "Content-Type: text/xml", f"Content-Length: {len(body)}"]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + body


@cache
def accepted(numbers: int) -> bytes:
    """Return the answer to SendSMS; `00000000-` stands for what makes its ids new."""
    ids = (f"00000000-27d1-44f8-bd5c-{place:012x}" for place in range(numbers))
    return answer(array_reply("SendSMS", "Сообщения успешно отправлены", *ids))


@cache
def canned(operation: bytes) -> bytes:
    name = operation.decode()
    if operation in _STRINGS:
        return answer(string_reply(name, _STRINGS[operation]), "Set-Cookie: PHPSESSID=q4dq58tn0p")
    return answer(array_reply(name))


class _Connection(asyncio.Protocol):
    """One connection, on which the requests come one after another."""

    sends = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._read, 0, head + 2)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._read) < end:
                return
            request, self._read = self._read[:end], self._read[end:]
            self._transport.write(self._answer(request, head))

    def _answer(self, request: bytes, head: int) -> bytes:
        if request.startswith(b"GET"):
            host, port = self._transport.get_extra_info("sockname")
            return answer(wsdl(f"http://{host}:{port}/api/soap.html"))
        action = _ACTION.search(request, 0, head + 2)
        assert action is not None
        found = _DESTINATION.search(request, head)
        if found is None:
            return canned(action[1])
        _Connection.sends += 1
        return accepted(found[1].count(b",") + 1).replace(b"00000000-", b"%08x-" % self.sends)


async def serve() -> None:
    """Print the URL, and answer until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=2048)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/api/soap.html", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def running() -> Iterator[str]:
    """Run the gateway in a process of its own and return its URL."""
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


if __name__ == "__main__":
    asyncio.run(serve())
