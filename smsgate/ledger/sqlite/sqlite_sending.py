"""Claims and settlements in a campaign file: the two writes around each request.

Rules of this file: one transaction claims all requests of a group, and one settles all of a group.
A claim is synced when `claim` returns it. An outcome moves only recipients that are in flight with
the claim's own request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from itertools import groupby, islice
from typing import Any, NamedTuple

from ..arguments import OUTCOMES, check_outcomes
from ..records import Claim, JournalError, Seen, Settlement, Text
from ..states import Event, after, before
from ..stop_numbers import STOPPED, Stops
from .campaign_file import CampaignFile
from .connection import transaction
from .reader import SqliteReader

__all__ = ["SqliteSending"]

# As plain strings: sqlite3 asks each value of another class how to store it, which takes as long as
# the statement itself.
_MOVES = {event: (after(before(event), event).value, before(event).value) for event in OUTCOMES}
"""The state after each outcome, and the state before it."""


class _Next(NamedTuple):
    """Recipients of a next request: their keys and numbers."""

    alone: int
    text: int
    rows: list[tuple[int, str]]


class SqliteSending(SqliteReader):
    """The part of the journal that a run needs for each request."""

    _forget_texts: bool

    @staticmethod
    def _hook(step: str) -> None:
        """Do nothing. A test overrides this method to end the process at a step."""

    def __init__(self, file: CampaignFile) -> None:
        super().__init__(file.path, file.connection)
        self._file = file
        self._texts: dict[int, Text] = {}

    def claim(
        self,
        run: int,
        most: int,
        seen: Seen | None = None,
        *,
        requests: int = 1,
        lease: float = 0.0,  # noqa: ARG002 - the lock of the file is the lease
        stops: Stops | None = None,
    ) -> list[Claim]:
        """Move up to `most` pending recipients to in flight, durably: `requests` at most.

        Returns an empty list if no recipient is pending, or if `stops` has counted some that it has
        stopped: then others may be pending. `seen`, the last known balance, is stored with each
        claim. A claim lasts until the file is opened again, so it has no `lease`.
        """
        self._file.check_kept()
        claims: list[Claim] = []
        stopped = 0
        with self._transaction():
            for one in self._next(most, requests):
                gone = set[tuple[int, str]]() if stops is None else self._stop(stops, one)
                stopped += len(gone)
                if rows := [row for row in one.rows if row not in gone]:
                    claims.append(self._claim(run, one._replace(rows=rows), seen))
            self._hook("claiming")
        self._hook("claimed")
        if stops is not None:
            stops.count(stopped)
        return claims

    def _next(self, most: int, requests: int) -> list[_Next]:
        """Return the next requests, with `most` recipients at most in all of them."""
        found: list[_Next] = []
        # The cursor reads no more recipients than are needed.
        with closing(self._run("pending")) as cursor:
            for (alone, text, _), group in groupby(cursor, key=_together):
                rows = [(key, number) for _, _, key, number in islice(group, most + 1)]
                if len(rows) > most:
                    if found:  # the text is left for a later claim, so that it is not divided
                        break
                    rows.pop()
                found.append(_Next(alone, text, rows))
                most -= len(rows)
                if not most or len(found) == requests:
                    break
        return found

    def _claim(self, run: int, one: _Next, seen: Seen | None) -> Claim:
        """Move the recipients that were read to in flight, and return the new request."""
        added = self._run(
            "add_request",
            run=run,
            text=one.text,
            size=len(one.rows),
            now=self._clock(),
            balance=None if seen is None else str(seen.balance),
            balance_at=None if seen is None else seen.at,
        )
        request = int(added.lastrowid or 0)
        moved = self._run(
            "claim",
            target=after(before(Event.CLAIMED), Event.CLAIMED),
            request=request,
            alone=one.alone,
            text=one.text,
            first=one.rows[0][0],
            last=one.rows[-1][0],
        ).rowcount
        if moved != len(one.rows):
            raise JournalError("the claimed recipients are not the ones that were read")
        return Claim(request, self._text(one.text), one.alone, tuple(one.rows))

    def _stop(self, stops: Stops, one: _Next) -> set[tuple[int, str]]:
        """Abandon those of the pending recipients that are on a stop list, and return them."""
        listed = stops.listed([number for _, number in one.rows])
        stopped = {row for row in one.rows if row[1] in listed}
        if stopped:
            source = before(Event.LISTED)
            target = after(source, Event.LISTED)
            self._run_many("stop", [(target, STOPPED, key, source) for key, _ in stopped])
            self._run("add_stopped", now=self._clock(), recipients=len(stopped))
            if self._forget_texts:
                self._run("forget_text_of", text=one.text)
        return stopped

    def _text(self, text: int) -> Text:
        # The next claim often has the same text.
        if text not in self._texts:
            ((sender, body, wappush, parts),) = self._run("text", id=text)
            self._texts = {text: Text(sender, body, wappush, parts)}
        return self._texts[text]

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record the outcome of each recipient of these claims, in one transaction."""
        for one in settlements:
            check_outcomes(one.claim, one.outcomes)
        self._hook("settling")
        with self._transaction():
            for one in settlements:
                self._settle(one)
            self._hook("settled, not committed")
        self._hook("settled")

    def _settle(self, settlement: Settlement) -> None:
        request, end = settlement.claim.request, settlement.end
        counts = Counter(one.event for one in settlement.outcomes)
        rows = [
            (target, one.message_id, one.reason, int(one.alone), one.recipient, request, source)
            for one in settlement.outcomes
            for target, source in [_MOVES[one.event]]
        ]
        self._run_many("settle", rows)
        self._run(
            "settle_request",
            request=request,
            now=self._clock(),
            accepted=counts[Event.ACCEPTED],
            refused=counts[Event.REFUSED],
            in_doubt=counts[Event.IN_DOUBT],
            reason=end.reason,
            status=end.status,
            reply=end.reply,
        )
        if self._forget_texts:
            self._run("forget_text", request=request)

    # What a journal shares

    def _run_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once per row. Each run must find its recipient in the expected state."""
        changed = self._connection.executemany(self._sql[statement], rows).rowcount
        if changed != len(rows):
            raise JournalError(
                f"{len(rows) - changed} recipients are not in the state that was expected of them"
            )

    def _transaction(self) -> Any:
        return transaction(self._connection)


def _together(row: tuple[int, int, int, str]) -> tuple[int, int, int]:
    """Return what the recipients of one request have in common. One that is sent alone has none."""
    alone, text, key, _ = row
    return alone, text, key if alone else 0
