"""Which connections a session uses: its own, by httpx or by aiohttp, or a client of the user's."""

from __future__ import annotations

from ..config import SessionConfig
from .httpx_transport import lent_transport, own_transport, ssl_settings
from .spawn import on_asyncio
from .transport import Transport

__all__ = ["Opener"]


class Opener:
    """Opens transports with the settings of one session.

    Raises:
        MissingExtra: the settings ask for a library that is not installed.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._own = own_transport
        if config.transport == "aiohttp":
            from .aiohttp_transport import aiohttp_transport  # noqa: PLC0415 - an extra

            self._own = aiohttp_transport

    def check_event_loop(self) -> None:
        """Check that the library works on the event loop that runs this.

        Raises:
            ValueError: it does not.
        """
        if self._config.transport == "aiohttp" and not on_asyncio():
            raise ValueError('transport: "aiohttp" works on asyncio only; use "httpx" with trio')

    def open_transport(self, url: str | None = None) -> Transport:
        """Return a new transport to this address, by default to that of the settings."""
        config, times = self._config, self._config.timeouts
        url = url or config.url
        if config.http_client is not None:
            return lent_transport(url, config.http_client, connect=times.connect)
        return self._own(
            url,
            ssl_settings(config.verify, url, config.proxy),
            proxy=config.proxy,
            connect=times.connect,
            keep_alive=times.keep_alive,
        )
