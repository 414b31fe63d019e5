"""A thread that serves one ASGI application on one socket. The only importer of uvicorn.

Rule of this file: when `stop` returns, the thread has ended and all sockets are closed, whatever
the clients do.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .wire import Wire

__all__ = ["ServerThread", "listen"]

_BACKLOG = 2048
_GRACE_SECONDS = 0.3
_LOOK_SECONDS = 0.005
"""How often an ending server looks whether its last connection has ended."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free port.

    Raises:
        OSError: it cannot listen. The message names host and port.
    """
    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        # On Windows, this option would let two servers share one port.
        if os.name == "posix":  # pragma: no branch - the tests run on POSIX systems
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener:
            listener.close()
        raise OSError(
            error.errno, f"cannot listen on {host} port {port}: {error.strerror}"
        ) from error
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, with an event for "ready". It ends at once, and does not wait for clients.

    uvicorn itself looks ten times a second whether it should end, and then waits for a tenth of a
    second more.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._main: asyncio.Future[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        self._main = asyncio.ensure_future(super().main_loop())
        with suppress(asyncio.CancelledError):
            await self._main

    def end(self) -> None:
        """Let the main loop end. Call it from another thread."""
        self.should_exit = True  # for a main loop that has not begun
        if self._main:
            with suppress(RuntimeError):  # the event loop has ended
                self._main.get_loop().call_soon_threadsafe(self._main.cancel)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A client that has sent half of a request may never send the rest.
        asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._cut_off)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_LOOK_SECONDS)
        for server in self.servers:
            await server.wait_closed()

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _protocol(keep_alive_seconds: float, idle_closed: Callable[[], None]) -> type[H11Protocol]:
    """Return uvicorn's protocol; it adds the connection to each request and counts idle closes."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # uvicorn's setting takes only whole seconds, but its timer also takes fractions.
            self.timeout_keep_alive = keep_alive_seconds  # type: ignore[assignment]
            self.app_state = {**self.app_state, "wire": Wire(transport)}

        def timeout_keep_alive_handler(self) -> None:
            idle_closed()
            super().timeout_keep_alive_handler()

    return Protocol


class ServerThread:
    """One running server. The constructor starts it and returns when it serves."""

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None,
        keep_alive_seconds: float,
    ) -> None:
        self.idle_closed: int = 0
        """Number of connections that were closed because they were idle."""
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=_protocol(keep_alive_seconds, self._count_idle),
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            backlog=_BACKLOG,
            server_header=False,
        )
        config.load()
        config.ssl = tls
        self._listener = listener
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="smsgate-sandbox", daemon=True)
        self._thread.start()
        self._server.ready.wait()
        if not self._server.started:
            self.stop()
            raise RuntimeError("the sandbox could not start; see the log of uvicorn")

    def _count_idle(self) -> None:
        self.idle_closed += 1

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._server.ready.set()

    def stop(self) -> None:
        """End the thread and close every socket."""
        self._server.end()
        self._thread.join()
        self._listener.close()
