"""A gateway over real sockets that accepts each login and then fails in one chosen way.

It keeps each request that it got.

Each fault is a function that is given the accepted connection of a SendSMS; what it does there is
the fault. Auth is answered properly and its connection closed, so that the fault always meets a
connection of its own.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:ns1="http://turbosms.in.ua/api/Turbo"><SOAP-ENV:Body>{}</SOAP-ENV:Body></SOAP-ENV:Envelope>\n'
)
MESSAGE_ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"
COOKIE = "q4dq58tn0pmnm8pjso2c927tp2"
AUTHORISED = ENVELOPE.format(
    "<ns1:AuthResponse><ns1:AuthResult>Вы успешно авторизировались</ns1:AuthResult>"
    "</ns1:AuthResponse>"
).encode()
ACCEPTED = ENVELOPE.format(
    "<ns1:SendSMSResponse><ns1:SendSMSResult>"
    "<ns1:ResultArray>Сообщения успешно отправлены</ns1:ResultArray>"
    f"<ns1:ResultArray>{MESSAGE_ID}</ns1:ResultArray></ns1:SendSMSResult></ns1:SendSMSResponse>"
).encode()


class Gone(Exception):
    """The client has closed the connection."""


@dataclass
class Connection:
    """One accepted connection, read by hand."""

    socket: socket.socket
    server: FaultServer
    read_ahead: bytes = field(default=b"", repr=False)

    def receive(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise Gone
        return data

    def headers(self) -> str:
        """Read up to the empty line and return the headers."""
        while b"\r\n\r\n" not in self.read_ahead:
            self.read_ahead += self.receive()
        head, self.read_ahead = self.read_ahead.split(b"\r\n\r\n", 1)
        return head.decode("latin-1")

    def request(self) -> bytes:
        """Read one whole request, note that it came, and return its body."""
        head = self.headers()
        length = next(
            int(line.split(":")[1])
            for line in head.split("\r\n")
            if line.lower().startswith("content-length:")
        )
        while len(self.read_ahead) < length:
            self.read_ahead += self.receive()
        body, self.read_ahead = self.read_ahead[:length], self.read_ahead[length:]
        self.server.requests.append(Request(head, body))
        return body

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        self.send("\r\n".join([*head, "", ""]).encode() + body)

    def reset(self) -> None:
        """Close so that the other side gets RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(self.socket, ssl.SSLSocket):
            socket.socket(fileno=self.socket.detach()).close()
        else:
            self.socket.close()

    def hold(self, seconds: float = 10.0) -> None:
        """Say nothing until the client goes away."""
        self.socket.settimeout(seconds)
        while True:
            self.receive()


@dataclass(frozen=True)
class Request:
    head: str = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_send(self) -> bool:
        return b"<ns1:SendSMS>" in self.body

    @property
    def cookie(self) -> str | None:
        return next(
            (
                line.split(": ")[1]
                for line in self.head.split("\r\n")
                if line.lower().startswith("cookie:")
            ),
            None,
        )


Fault = Callable[[Connection], None]


@dataclass
class FaultServer:
    """Listens on a free loopback port while it is entered."""

    fault: Fault
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list, repr=False)
    connections: int = 0
    url: str = ""

    def sends(self) -> list[Request]:
        """The SendSMS requests that arrived whole."""
        return [request for request in self.requests if request.is_send]

    @contextmanager
    def running(self) -> Iterator[FaultServer]:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://localhost:{self._listener.getsockname()[1]}/api/soap.html"
        accepting = threading.Thread(target=self._accept, daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            self.stop_listening()
            accepting.join(5)
            for connection in self._open:
                connection.close()

    def stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(accepted)
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        connection = Connection(accepted, self)
        try:
            authorised = any(b"<ns1:Auth>" in request.body for request in self.requests)
            if authorised and getattr(self.fault, "before_tls", False):
                self.fault(connection)
                return
            if self.tls is not None:
                connection.socket = self.tls.wrap_socket(accepted, server_side=True)
                self._open.append(connection.socket)
            if authorised:
                self.fault(connection)
            else:
                connection.request()
                connection.answer(AUTHORISED, f"Set-Cookie: PHPSESSID={COOKIE}; path=/")
        except (OSError, Gone):
            pass
        finally:
            with suppress(OSError):
                connection.socket.close()


def before_tls(fault: Fault) -> Fault:
    """Mark a fault that strikes before the TLS handshake, if there is one."""
    fault.before_tls = True  # type: ignore[attr-defined]
    return fault


# --- faults before a request is read --------------------------------------------------------------


@before_tls
def reset_at_once(connection: Connection) -> None:
    connection.reset()


@before_tls
def close_at_once(connection: Connection) -> None:
    connection.socket.close()


@before_tls
def never_answer_the_handshake(connection: Connection) -> None:
    connection.hold()


@before_tls
def garbage_in_place_of_a_handshake(connection: Connection) -> None:
    connection.receive()
    connection.send(b"\x00\xff" * 4000)


def reset_after_the_headers(connection: Connection) -> None:
    connection.headers()
    connection.reset()


# --- faults after the whole request was read ------------------------------------------------------


def then(action: Callable[[Connection], None]) -> Fault:
    def fault(connection: Connection) -> None:
        if b"<ns1:Auth>" in connection.request():
            connection.answer(AUTHORISED, f"Set-Cookie: PHPSESSID={COOKIE}; path=/")
        else:
            action(connection)

    return fault


def answering(body: bytes, *headers: str, status: str = "200 OK") -> Fault:
    return then(lambda connection: connection.answer(body, *headers, status=status))


def _saying(data: bytes) -> Fault:
    return then(lambda connection: connection.send(data))


def _drip(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.send(b" ")
        time.sleep(0.02)


def _stream(size: int) -> Fault:
    def action(connection: Connection) -> None:
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 65536 + 1):
            connection.send(b"x" * 65536)

    return then(action)


def triple_gzip() -> bytes:
    """Fewer than 200 bytes that unpack to 100 MB."""
    # A file of gzip may consist of several, which saves compressing all of it.
    hundred_megabytes = gzip.compress(bytes(1_000_000)) * 100
    return gzip.compress(gzip.compress(hundred_megabytes))


FAULT_BODY = ENVELOPE.format(
    "<SOAP-ENV:Fault><faultcode>SOAP-ENV:Server</faultcode>"
    "<faultstring>Bad Request</faultstring></SOAP-ENV:Fault>"
).encode()
_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502</h1></center><hr>"
    b"</body></html>"
)

AFTER_THE_REQUEST: dict[str, tuple[Fault, str]] = {
    "reset": (then(Connection.reset), "connection lost"),
    "closed": (then(lambda _: None), "connection lost"),
    "silence": (then(Connection.hold), "timed out"),
    "drip": (then(_drip), "timed out"),
    "part of the headers": (_saying(b"HTTP/1.1 200 OK\r\nContent-Le"), "connection lost"),
    "cut body with a length": (
        _saying(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + ACCEPTED[:200]),
        "connection lost",
    ),
    "cut chunked body": (
        _saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<a"),
        "connection lost",
    ),
    "cut body without a length": (
        _saying(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + ACCEPTED[:-60]),
        "reply unreadable",
    ),
    "no HTTP": (_saying(b"\x00\x01 what is this?\r\n\r\n"), "connection lost"),
    "HTTP 0.9": (_saying(ACCEPTED), "connection lost"),
    "two lengths": (
        _saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        "connection lost",
    ),
    "endless header": (_saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000), "connection lost"),
    "301": (answering(b"", "Location: /elsewhere", status="301 Moved Permanently"), "HTTP status"),
    "302": (answering(b"", "Location: /login", status="302 Found"), "HTTP status"),
    "307": (
        answering(b"", "Location: /api/soap.html", status="307 Temporary Redirect"),
        "HTTP status",
    ),
    "308": (
        answering(ACCEPTED, "Location: /api/soap.html", status="308 Permanent Redirect"),
        "HTTP status",
    ),
    "400": (answering(_HTML, status="400 Bad Request"), "HTTP status"),
    "401": (
        answering(b"", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized"),
        "HTTP status",
    ),
    "404": (answering(_HTML, status="404 Not Found"), "HTTP status"),
    "429": (answering(b"", "Retry-After: 1", status="429 Too Many Requests"), "HTTP status"),
    "500 with a fault": (answering(FAULT_BODY, status="500 Internal Server Error"), "HTTP status"),
    "502": (answering(_HTML, status="502 Bad Gateway"), "HTTP status"),
    "503 around an acceptance": (
        answering(ACCEPTED, status="503 Service Unavailable"),
        "HTTP status",
    ),
    "fault with 200": (answering(FAULT_BODY), "SOAP fault"),
    "HTML": (answering(_HTML, "Content-Type: text/html"), "reply unreadable"),
    "empty body": (answering(b""), "reply unreadable"),
    "204": (answering(b"", status="204 No Content"), "reply unreadable"),
    "garbage": (answering(bytes(range(256)) * 4), "reply unreadable"),
    "wrong charset": (answering(ACCEPTED.decode().encode("cp1251")), "reply unreadable"),
    "PHP warning before the XML": (
        answering(b"<br />\n<b>Warning</b>: x in y\n" + ACCEPTED),
        "reply unreadable",
    ),
    "oversized": (_stream(10_000_000), "reply too large"),
    "oversized by its own word": (
        _saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000),
        "reply too large",
    ),
    "gzip": (answering(gzip.compress(ACCEPTED), "Content-Encoding: gzip"), "reply encoded"),
    "triple gzip": (
        answering(triple_gzip(), "Content-Encoding: gzip, gzip, gzip"),
        "reply encoded",
    ),
    "no gzip in spite of the header": (
        answering(ACCEPTED, "Content-Encoding: gzip"),
        "reply encoded",
    ),
    "an answer to something else": (answering(AUTHORISED), "reply unreadable"),
}

BEFORE_THE_REQUEST: dict[str, Fault] = {
    "reset at once": reset_at_once,
    "closed at once": close_at_once,
    "reset after the headers": reset_after_the_headers,
}

accept: Fault = answering(ACCEPTED)
