"""A Redis server of the tests' own: Debian's program, a free port on loopback, nothing on disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self

import pytest
from ports import server_port

__all__ = ["RedisServer", "program", "redis_server"]


@cache
def program() -> Path | None:
    """Return the path of Redis, None if it is not installed."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


class RedisServer:
    """A running server with an empty database, as a context manager."""

    def __init__(self) -> None:
        self.port: int = server_port()
        self._process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        self._process = subprocess.Popen(
            [
                str(program()),
                *(word for name, value in options.items() for word in (f"--{name}", value)),
            ],
            cwd=tempfile.gettempdir(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "Redis has ended"
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        with (
            suppress(ConnectionError),
            socket.create_connection(("127.0.0.1", self.port)) as connection,
        ):
            connection.sendall(b"PING\r\n")
            return connection.recv(16) == b"+PONG\r\n"
        return False

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def redis_server() -> RedisServer:
    """Return a server. Skips the test if Redis is not installed."""
    if program() is None:
        pytest.skip("Redis is not installed")
    return RedisServer()
