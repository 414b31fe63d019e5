"""A stop list: the numbers of people who opted out.

    async with StopList("stop.db") as stop_list:
        await stop_list.add("+380501234567", reason="wrote STOP")

Campaigns, an outbox and a session honour it (docs: stop list). It is kept in an SQLite file, or in
a PostgreSQL database whose campaigns honour it by themselves.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from ._client.one_thread import OneThread
from .campaign import LeftOut, Row, StopListError
from .campaign.given_numbers import UnreadableRow, international_in
from .campaign.stopping import numbers_of, open_stop_list
from .ledger.stop_numbers import StopEntry, StopLedger, check_reason
from .stop_check import StopCheck, checked_stop_list

__all__ = ["StopEntry", "StopImport", "StopList", "StopListError"]

P = ParamSpec("P")
T = TypeVar("T")

_PIECE = 10_000


@dataclass(frozen=True, slots=True)
class StopImport:
    """What an import of numbers has done.

    Attributes:
        added: how many numbers were added.
        known: how many were on the list already.
        invalid: how many rows have no valid number.
        invalid_lines: the lines of the first such rows.
    """

    added: int
    known: int
    invalid: int
    invalid_lines: tuple[int, ...]


class StopList:
    """The numbers that nothing is sent to. Use it as `async with`.

        async with StopList("stop.db") as stop_list:
            await stop_list.add("+380501234567", reason="asked by phone")

    Args:
        place: the path of an SQLite file, which is created if it is missing, or a `postgresql://`
            URL (extra `postgres`).
        country: a country code such as `"UA"`, for numbers in the local format (extra `phone`).
        writing: False to open a file to read it; it must exist then.

    Raises:
        ValueError: `place` is neither a path nor a `postgresql://` URL.
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        country: str | None = None,
        writing: bool = True,
    ) -> None:
        self._place = place
        self._country = country
        self._writing = writing
        self._ledger: StopLedger | None = None
        self._steps: OneThread

    async def __aenter__(self) -> Self:
        self._steps = OneThread()
        self._ledger = await self._steps(open_stop_list, self._place, writing=self._writing)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection to the list.

        Example::

            stop_list = await StopList("stop.db").__aenter__()
            await stop_list.aclose()
        """
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await self._steps.last(ledger.close)

    async def add(self, *numbers: str, reason: str = "") -> int:
        """Add numbers. A number that is listed keeps its time and its reason.

            await stop_list.add("+380501234567", reason="asked by phone")

        Args:
            numbers: phone numbers, as in `AsyncSession.send_sms`.
            reason: why, at most 200 characters.

        Returns:
            How many numbers were added.

        Raises:
            ValueError: a number is invalid, or the reason is too long; nothing was added.
            StopListError: the list cannot be written.
        """
        check_reason("reason", reason)
        added, _ = await self._steps(self._opened().add, self._checked(numbers), reason)
        return added

    async def remove(self, *numbers: str) -> int:
        """Remove numbers, of people who want messages again.

            await stop_list.remove("+380501234567")

        Returns:
            How many numbers were on the list.

        Raises:
            ValueError: a number is invalid; nothing was removed.
            StopListError: the list cannot be written.
        """
        return await self._steps(self._opened().remove, self._checked(numbers))

    async def contains(self, number: str) -> bool:
        """Return whether a number is on the list. Raises `ValueError` if it is invalid.

        Example::

            if await stop_list.contains("+380501234567"):
                print("This person wants no messages.")
        """
        return bool(await self.listed(self._checked([number])))

    async def listed(self, numbers: Sequence[str]) -> set[str]:
        """Return those of the numbers, `+` and digits each, that are on the list.

        Example::

            found = await stop_list.listed(["+380501234567", "+380671234567"])
        """
        return await self._steps(self._opened().listed, numbers)

    async def count(self) -> int:
        """Return how many numbers are on the list.

        Example::

            print(await stop_list.count())
        """
        return await self._steps(self._opened().count)

    async def import_rows(self, rows: Iterable[Row], *, reason: str = "") -> StopImport:
        """Add the numbers of a list. Importing it again changes nothing.

            await stop_list.import_rows(file_source(Path("stop.csv")).rows)

        Args:
            rows: the rows of a `smsgate.campaign.Source`, read in a thread.
            reason: the reason of each number, at most 200 characters.

        Returns:
            How many numbers were added, known already, and invalid.

        Raises:
            ValueError: the reason is too long, or the list cannot be read to its end. Numbers
                before that are added.
            StopListError: the list cannot be written.
        """
        check_reason("reason", reason)
        told = LeftOut("")
        added, known = await self._steps(
            self._opened().add, numbers_of(rows, self._country, told), reason
        )
        return StopImport(added, known, told.invalid, tuple(told.invalid_lines))

    async def __aiter__(self) -> AsyncIterator[StopEntry]:
        """Yield all entries, in the order of their numbers."""
        entries = self._opened().entries()
        while piece := await self._steps(lambda: list(islice(entries, _PIECE))):
            for entry in piece:
                yield entry

    def _checked(self, numbers: Iterable[str]) -> list[str]:
        found = list[str]()
        for place, number in enumerate(numbers, start=1):
            try:
                found.append(international_in(Row(place, number, {}), self._country))
            except UnreadableRow as error:
                raise ValueError(f"number {place}: {error}") from None
        return found

    def _opened(self) -> StopLedger:
        if self._ledger is None:
            raise RuntimeError("the stop list is not open: use it as 'async with'")
        return self._ledger


@asynccontextmanager
async def opened(
    given: StopCheck | str | os.PathLike[str] | None,
) -> AsyncIterator[StopCheck | None]:
    """Give a stop list, opened for reading and then closed if a path or an address is given.

    Raises:
        ValueError: it is neither a stop list, nor a path, nor an address of PostgreSQL.
        StopListError: the list cannot be read.
    """
    if isinstance(given, str | os.PathLike):
        async with StopList(given, writing=False) as stop_list:
            yield stop_list
    else:
        yield checked_stop_list(given)
