"""Queries of a campaign file. Nothing here changes the file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import starmap
from pathlib import Path
from typing import Any, TypeVar

from ..records import (
    Around,
    Figures,
    JournalError,
    NumberGroup,
    RecipientInDoubt,
    RecipientRecord,
    RequestInDoubt,
    Sample,
    Seen,
    Text,
    TimeSlot,
)
from ..samples import spread_samples
from ..states import RecipientState
from ..stored_records import (
    decision_from,
    forced_by,
    kept_cells,
    kind_of,
    request_in_doubt,
    slots_between,
    span_with,
    step_of,
)
from .connection import DAMAGED, connect_to_read, reading, transaction
from .statements import statements

__all__ = ["SqliteReader"]

_T = TypeVar("_T")


class SqliteReader:
    """Queries of a campaign file; see `Journal` for each of them."""

    _clock: Callable[[], float] = staticmethod(time.time)
    """Seconds since 1970. A test overrides the clock."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path: Path = path
        self._connection = connection
        self._sql = statements()

    # Around a request

    def around(self, request: int, until: float) -> Around:
        """Return the balance before a request, costs since then, and overlapping requests."""
        ((balance, at, spent, others),) = self._run("around", request=request, until=until)
        return Around(None if balance is None else Seen(Decimal(balance), at), spent, others)

    def without_evidence(self) -> list[int]:
        """Return requests in doubt without evidence, oldest first: their process was killed."""
        return [request for (request,) in self._run("without_evidence")]

    def now(self) -> float:
        """Return the ledger's current time, in seconds since 1970."""
        return self._clock()

    def unrecorded_ids(self, message_ids: Sequence[str]) -> list[str]:
        """Return the message ids among these that no recorded answer contains.

        The query reads all recipients, so it takes a while. Any thread may call it.
        """
        if not message_ids:
            return []
        with closing(connect_to_read(self.path)) as connection:
            known = {
                row[0]
                for row in connection.execute(
                    self._sql["known_ids"], {"ids": json.dumps(message_ids)}
                )
            }
        return [one for one in message_ids if one not in known]

    # In doubt

    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, oldest first."""
        with transaction(self._connection, "DEFERRED"), reading():
            found = [request_in_doubt(row) for row in self._run("requests_in_doubt")]
            if sum(one.in_doubt for one in found) != self._counted().get(
                RecipientState.IN_DOUBT, 0
            ):
                raise JournalError(DAMAGED)  # an index or a table lacks a recipient
        return found

    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request."""
        return [
            RecipientInDoubt(line, number or "", reason or "")
            for line, number, reason in self._run("recipients_in_doubt", request=request)
        ]

    def reply(self, request: int) -> bytes | None:
        """Return the stored raw reply of a request, or None."""
        row = self._run("reply", request=request).fetchone()
        return row[0] if row else None

    # Delivery

    def to_ask(self, again: float, most: int) -> list[tuple[int, str]]:
        """Return accepted messages due for a status check, those checked longest ago first.

        A message is due if its status is not final and was not checked in the last `again` seconds.
        """
        now = self._clock()
        return self._run("to_ask", before=now - again, now=now, most=most).fetchall()

    def next_ask(self) -> tuple[int, float]:
        """Return how many statuses are not final, and the seconds since the least recent check."""
        ((count, asked_at),) = self._run("next_ask")
        return count, self._clock() - (asked_at or 0.0)

    # Figures

    def states(self) -> dict[RecipientState, int]:
        """Return how many recipients are in each state."""
        with reading():
            return {RecipientState(state): count for state, count in self._run("states")}

    def _counted(self) -> dict[RecipientState, int]:
        """Return the states, and check that no recipient is missing: keys are 1, 2, 3 and so on."""
        states = self.states()
        ((last,),) = self._run("last_recipient")
        if sum(states.values()) != last:
            raise JournalError(DAMAGED)
        return states

    def figures(self, *, on_progress: Callable[[float], None] | None = None) -> Figures:
        """Return the campaign in figures. `on_progress` gets the part that is done, from 0 to 1."""
        with transaction(self._connection, "DEFERRED"), reading():
            return self._figures(_Answered(on_progress))

    def _figures(self, done: _Answered) -> Figures:
        settings = done(self._settings())
        sizes = done(self._run("parts").fetchall())
        parts, cost, senders = Counter[int](), Counter[str](), Counter[str]()
        for state, count_of_parts, _, sender, count in sizes:
            parts[count_of_parts] += count
            senders[sender] += count
            cost[state] += count_of_parts * count
        ((texts, _),) = done(self._run("texts").fetchall())
        forced = forced_by(done(self._run("forced_by")))
        *example, example_number = done(self._run("example").fetchone()) or (None,)
        ((first, last, requests),) = done(self._run("span").fetchall())
        runs = self._run("runs").fetchall()
        return Figures(
            name=settings["name"],
            created_at=float(settings["created_at"]),
            purged="purged_at" in settings,
            states=done(self._counted()),
            skipped=done(self._reasons(RecipientState.SKIPPED)),
            refused=done(self._reasons(RecipientState.REFUSED)),
            in_doubt=done(self._reasons(RecipientState.IN_DOUBT)),
            abandoned=done(self._reasons(RecipientState.ABANDONED)),
            deliveries=done(dict(self._run("deliveries"))),
            parts=dict(sorted(parts.items())),
            ucs2=sum(count for _, _, alphabet, _, count in sizes if alphabet == "UCS-2"),
            texts=texts,
            forced_by=forced,
            costs={RecipientState(state): paid for state, paid in cost.items()},
            example=Text(*example) if example else None,
            decisions=done(tuple(starmap(decision_from, self._run("decisions")))),
            runs=len(runs),
            requests=requests,
            first_claim=first,
            last_answer=last,
            last_outcome=runs[-1][3] if runs else None,
            senders=dict(senders.most_common()),
            example_number=example_number,
        )

    def _reasons(self, state: RecipientState) -> dict[str, int]:
        counts = Counter[str]()
        for reason, count in self._run("reasons", state=state):
            counts[kind_of(reason)] += count
        return dict(counts.most_common())

    def planned_numbers(self) -> str:
        """Return what is stored of the numbers of all recipients, "" if nothing is."""
        return self._settings().get("number_groups", "")

    def pending_numbers(self) -> list[NumberGroup]:
        """Count the pending recipients by how their numbers begin."""
        return list(starmap(NumberGroup, self._run("pending_numbers")))

    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most `steps` time slots."""
        ((start, end, _),) = self._run("span")
        stopped = self._run("stopped").fetchall()
        start, end = span_with(stopped, start, end)
        if start is None or end is None:
            return []
        step = step_of(start, end, steps)
        answered = self._run("timeline", start=start, step=step)
        return slots_between(start, step, answered, stopped)

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield all recipients, in the order of the list."""
        for line, number, state, *middle, kept in self._run("recipients"):
            with reading():
                known = RecipientState(state)
            rest: list[Any] = [*middle, kept_cells(kept)]
            yield RecipientRecord(line, number, known, *rest)

    def kept_columns(self) -> tuple[str, ...]:
        """Return the columns of the list that the campaign has kept."""
        return kept_cells(self._settings().get("kept_columns"))

    def samples(self, most: int, line: int | None) -> list[Sample]:
        """Return up to `most` recipients with their texts, spread over the campaign."""
        ((last,),) = self._run("last_recipient")
        return spread_samples(
            most, last, lambda start, count: self._run("samples", id=start, most=count, line=line)
        )

    # Helpers

    def _settings(self) -> dict[str, str]:
        return dict(self._run("settings"))

    def _run(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        return self._connection.execute(self._sql[statement], values)


class _Answered:
    """Reports which part of the queries for `figures` is done."""

    _QUESTIONS = 13

    def __init__(self, on_progress: Callable[[float], None] | None) -> None:
        self._on_progress = on_progress
        self._answered = 0

    def __call__(self, answer: _T) -> _T:
        self._answered += 1
        if self._on_progress:
            self._on_progress(self._answered / self._QUESTIONS)
        return answer
