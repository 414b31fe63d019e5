"""Queries of a campaign in PostgreSQL. Nothing here changes the campaign.

Rule of this file: what a report counts comes from request rows where possible, and else from one
reading of the recipients, so that ten million of them are counted within seconds.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import wraps
from itertools import starmap
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

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
from .tables import PostgresTables

__all__ = ["PostgresReader", "one_step"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_R = TypeVar("_R", bound="PostgresReader")
_S = RecipientState
_STATES = (
    _S.SKIPPED, _S.PENDING, _S.IN_FLIGHT, _S.ACCEPTED, _S.REFUSED, _S.IN_DOUBT, _S.ASSUMED_SENT,
    _S.ABANDONED,
)  # fmt: skip
"""The columns of the statement `states`."""

_Group = tuple[str, str, str, "int | None", "str | None", int]
"""State, kind of the reason, delivery status, parts, alphabet, and how many recipients."""


def one_step(method: Callable[Concatenate[_R, _P], _T]) -> Callable[Concatenate[_R, _P], _T]:
    """Make a method one transaction, which is repeated if the connection is lost."""

    @wraps(method)
    def step(self: _R, /, *arguments: _P.args, **named: _P.kwargs) -> _T:
        return self._step(lambda: method(self, *arguments, **named))

    return step


class PostgresReader:
    """Queries of one campaign; see `Journal` for each of them. Any thread may call them."""

    def __init__(self, tables: PostgresTables, campaign: int) -> None:
        self._tables = tables
        self._campaign = campaign
        self._one_at_a_time = RLock()

    # Around a request

    @one_step
    def around(self, request: int, until: float) -> Around:
        """Return the balance before a request, costs since then, and overlapping requests."""
        ((balance, at, spent, others),) = self._run("around", request=request, until=until)
        return Around(None if balance is None else Seen(Decimal(balance), at), int(spent), others)

    @one_step
    def without_evidence(self) -> list[int]:
        """Return requests in doubt without evidence, oldest first: their process was killed."""
        return [request for (request,) in self._run("without_evidence")]

    @one_step
    def now(self) -> float:
        """Return the server's current time, in seconds since 1970."""
        return float(self._run("now")[0][0])

    def unrecorded_ids(self, message_ids: Sequence[str]) -> list[str]:
        """Return the message ids among these that no recorded answer contains.

        The query reads all recipients, so it has a connection of its own.
        """
        if not message_ids:
            return []
        values = {"campaign": self._campaign, "ids": list(message_ids)}
        known = {one for (one,) in self._tables.stream("known_ids", values)}
        return [one for one in message_ids if one not in known]

    # In doubt

    @one_step
    def in_doubt(self) -> list[RequestInDoubt]:
        """Return requests with recipients in doubt, oldest first."""
        return [request_in_doubt(row) for row in self._run("requests_in_doubt")]

    @one_step
    def recipients_in_doubt(self, request: int) -> list[RecipientInDoubt]:
        """Return the recipients in doubt of one request."""
        return [
            RecipientInDoubt(line, number or "", reason or "")
            for line, number, reason in self._run("recipients_in_doubt", request=request)
        ]

    @one_step
    def reply(self, request: int) -> bytes | None:
        """Return the stored raw reply of a request, or None."""
        rows = self._run("reply", request=request)
        return rows[0][0] if rows else None

    # Figures

    @one_step
    def states(self) -> dict[RecipientState, int]:
        """Return how many recipients are in each state."""
        (row,) = self._run("states")
        return {state: int(count) for state, count in zip(_STATES, row, strict=True) if count}

    def figures(self, *, on_progress: Callable[[float], None] | None = None) -> Figures:
        """Return the campaign in figures. `on_progress` gets the part that is done, from 0 to 1."""
        with self._one_at_a_time, self._tables.connection.unhurried():
            found = self._step(self._figures)
        if on_progress:
            on_progress(1.0)
        return found

    def _figures(self) -> Figures:
        # All queries see the same moment, as other machines may be sending.
        self._tables.connection.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", {})
        ((name, _, _, created_at, purged_at, counted),) = self._run("settings")
        kept = self.counted() if counted is None else json.loads(counted)
        told = self.checked(kept)
        example = self._run("example") if counted is None else []
        ((first_claim, last_answer, requests),) = self._run("span")
        runs = self._run("runs")
        return Figures(
            name=name,
            created_at=created_at,
            purged=purged_at is not None,
            states=self.states(),
            skipped=told.reasons(_S.SKIPPED),
            refused=told.reasons(_S.REFUSED),
            in_doubt=told.reasons(_S.IN_DOUBT),
            abandoned=told.reasons(_S.ABANDONED),
            deliveries=dict(told.deliveries.most_common()),
            parts=dict(sorted(told.parts.items())),
            ucs2=told.ucs2,
            texts=kept["texts"],
            forced_by=kept["forced_by"],
            costs={state: cost for state, cost in told.costs.items() if cost},
            example=Text(*example[0][:3]) if example else None,
            decisions=tuple(starmap(decision_from, self._run("decisions"))),
            runs=len(runs),
            requests=requests,
            first_claim=first_claim,
            last_answer=last_answer,
            last_outcome=runs[-1][3] if runs else None,
            senders=kept.get("senders", {}),  # a campaign purged by an older version has none
            example_number=example[0][3] if example else None,
        )

    def checked(self, kept: dict[str, Any]) -> Counted:
        """Return what was counted, inside a step, if it agrees with the requests.

        Raises:
            JournalError: the campaign is damaged.
        """
        told = Counted(kept["groups"])
        for *_, parts, size in self._run("in_flight"):
            told.take_off(size, parts)
        if {state: count for state, count in told.states.items() if count} != self.states():
            raise JournalError(
                "the campaign is damaged: its requests and its recipients differ. Restore the"
                " database from a backup, and send nothing before"
            )
        return told

    def counted(self) -> dict[str, Any]:
        """Return what a report counts of recipients and texts, inside a step."""
        # For one simple statement, compiling takes longer than it saves.
        self._tables.connection.run("SET LOCAL jit = off", {})
        groups = Counter[tuple[Any, ...]]()
        for state, reason, *rest, count in self._run("counted"):
            groups[state, kind_of(reason), *rest] += count
        return {
            "groups": [(*group, count) for group, count in groups.items()],
            "texts": self._run("texts")[0][0],
            "forced_by": forced_by(self._run("forced_by")),
            "senders": self._senders(groups),
        }

    def _senders(self, groups: Counter[tuple[Any, ...]]) -> dict[str, int]:
        senders = [sender for sender, _ in self._run("senders_of_texts")]
        if len(senders) > 1:
            return dict(self._run("senders"))
        with_text = sum(count for (*_, parts, _), count in groups.items() if parts is not None)
        return dict.fromkeys(senders, with_text)

    @one_step
    def planned_numbers(self) -> str:
        """Return what is stored of the numbers of all recipients, "" if nothing is."""
        return str(self._run("planned_numbers")[0][0])

    def pending_numbers(self) -> list[NumberGroup]:
        """Count the pending recipients by how their numbers begin."""
        with self._one_at_a_time, self._tables.connection.unhurried():
            return self._step(self._pending_numbers)

    def _pending_numbers(self) -> list[NumberGroup]:
        # Both queries see the same moment, as other machines may be sending.
        self._tables.connection.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", {})
        self._tables.connection.run("SET LOCAL jit = off", {})
        in_flight = {(begin, parts): gone for begin, parts, gone in self._run("numbers_in_flight")}
        groups = starmap(NumberGroup, self._run("pending_numbers"))
        return [
            replace(group, recipients=left)
            for group in groups
            if (left := group.recipients - in_flight.get((group.beginning, group.parts), 0))
        ]

    @one_step
    def timeline(self, steps: int) -> list[TimeSlot]:
        """Return when recipients got their outcomes, in at most `steps` time slots."""
        ((start, end, _),) = self._run("span")
        stopped = [(at, recipients) for at, recipients in self._run("stopped")]
        start, end = span_with(stopped, start, end)
        if start is None or end is None:
            return []
        step = step_of(start, end, steps)
        answered = self._run("timeline_of_outcomes", start=start, step=step)
        return slots_between(start, step, answered, stopped)

    def recipients(self) -> Iterator[RecipientRecord]:
        """Yield all recipients, in the order of the list. After a purge there are none."""
        ranges = self._step(lambda: self._run("in_flight"))
        firsts = [row[0] for row in ranges]
        values = {"campaign": self._campaign}
        for key, line, number, state, reason, message_id, *rest in self._tables.stream(
            "recipients", values
        ):
            delivery, request, attempts, sender, parts, kept = rest
            known = _S(state)
            place = bisect_right(firsts, key) - 1
            if known is _S.PENDING and place >= 0 and key <= ranges[place][1]:
                known, request, attempts = _S.IN_FLIGHT, ranges[place][2], ranges[place][3]
            yield RecipientRecord(
                line,
                number,
                known,
                reason,
                message_id,
                delivery,
                request,
                attempts,
                sender,
                parts,
                kept_cells(kept),
            )

    @one_step
    def kept_columns(self) -> tuple[str, ...]:
        """Return the columns of the list that the campaign has kept."""
        return kept_cells(self._run("kept_columns")[0][0])

    @one_step
    def samples(self, most: int, line: int | None) -> list[Sample]:
        """Return up to `most` recipients with their texts, spread over the campaign."""
        ((last,),) = self._run("last_recipient")
        return spread_samples(
            most, last, lambda start, count: self._run("samples", id=start, most=count, line=line)
        )

    # Helpers

    def _run(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self._tables.run(statement, campaign=self._campaign, **values)

    def _step(self, work: Callable[[], _T]) -> _T:
        with self._one_at_a_time:
            return self._tables.step(work)


class Counted:
    """What a report counts, from groups of recipients that are alike."""

    def __init__(self, groups: Sequence[_Group]) -> None:
        self.states: Counter[_S] = Counter()
        self.costs: Counter[_S] = Counter()
        self.parts: Counter[int] = Counter()
        self.deliveries: Counter[str] = Counter()
        self.ucs2: int = 0
        self._reasons = {state: Counter[str]() for state in _S}
        for stored, reason, delivery, parts, alphabet, count in groups:
            state = _S(stored)
            self.states[state] += count
            self._reasons[state][reason] += count
            if state is _S.ACCEPTED:
                self.deliveries[delivery] += count
            if parts is not None:
                self.costs[state] += parts * count
                self.parts[parts] += count
                self.ucs2 += count if alphabet == "UCS-2" else 0

    def take_off(self, count: int, parts: int) -> None:
        """Count pending recipients as in flight: their row does not say so."""
        for table, amount in ((self.states, count), (self.costs, parts * count)):
            table[_S.PENDING] -= amount
            table[_S.IN_FLIGHT] += amount

    def reasons(self, state: RecipientState) -> dict[str, int]:
        """Return how many recipients of a state have each reason, the most frequent first."""
        return dict(self._reasons[state].most_common())
