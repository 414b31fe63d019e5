"""A port at which nobody listens, and that no other test can take meanwhile."""

from __future__ import annotations

import socket

_HELD: list[socket.socket] = []


def refusing_port() -> int:
    """Return a port that refuses every connection: bound while this process lives, but closed."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    return int(held.getsockname()[1])
