"""The port that tests expect to refuse a connection stays held: no other test's server gets it."""

from __future__ import annotations

import errno
import socket

import pytest
from ports import refusing_port


def test_refusing_port_cannot_be_taken_and_refuses():
    port = refusing_port()
    with socket.socket() as other:
        with pytest.raises(OSError, match="in use") as caught:
            other.bind(("127.0.0.1", port))
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.1", port))
