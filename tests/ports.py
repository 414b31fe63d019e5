"""Ports of the tests' own: one at which nobody listens, and one for a server to be started."""

from __future__ import annotations

import fcntl
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import IO

_HELD: list[socket.socket] = []
_TAKEN: list[IO[bytes]] = []
_FOR_SERVERS = range(10_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, so that no connection takes one."""


def refusing_port() -> int:
    """Return a port that refuses every connection: bound while this process lives, but closed."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    return int(held.getsockname()[1])


def server_port() -> int:
    """Return a free port for a server. No other test gets it while this process lives."""
    taken = (Path(tempfile.gettempdir()) / "smsgate-test-ports").open("ab")
    _TAKEN.append(taken)
    while True:
        port = SystemRandom().choice(_FOR_SERVERS)
        with suppress(OSError):
            fcntl.lockf(taken, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            socket.create_server(("127.0.0.1", port)).close()
            return port
