"""Raw requests and answers, up to a total size; the oldest are deleted first.

Rule of this file: one exchange is cut to `_LIMIT` bytes in each direction, so a huge request takes
no more memory than others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

__all__ = ["Exchanges", "RawExchange"]

_LIMIT = 256 * 1024
"""Maximum bytes of a stored request or reply; a longer one is cut."""


@dataclass(frozen=True, slots=True)
class RawExchange:
    """The raw bytes of a request and its answer, and the fault that applied, if any."""

    request: bytes = field(repr=False)
    reply: bytes = field(repr=False)
    fault: str | None = None

    @classmethod
    def cut(cls, request: bytes, reply: bytes, fault: str | None = None) -> Self:
        """Return the exchange with at most `_LIMIT` bytes in each direction."""
        return cls(request[:_LIMIT], reply[:_LIMIT], fault)

    @property
    def size(self) -> int:
        """Bytes of request and reply together."""
        return len(self.request) + len(self.reply)


class Exchanges:
    """The newest exchanges by number, at most `total` bytes together."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._kept: dict[int, RawExchange] = {}
        self._size = 0

    def add(self, number: int, exchange: RawExchange) -> None:
        """Store an exchange, whose number must be new, and delete the oldest above the limit."""
        self._kept[number] = exchange
        self._size += exchange.size
        while self._size > self._total:
            self.remove(next(iter(self._kept)))

    @property
    def first(self) -> int | None:
        """The number of the oldest stored exchange, None without one."""
        return next(iter(self._kept), None)

    def get(self, number: int) -> RawExchange | None:
        """Return the exchange with this number, None if it is not stored."""
        return self._kept.get(number)

    def remove(self, number: int) -> None:
        """Delete the exchange with this number, if it is stored."""
        exchange = self._kept.pop(number, None)
        if exchange is not None:
            self._size -= exchange.size
