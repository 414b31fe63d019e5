"""The journal of a campaign in PostgreSQL, on which several machines may work at the same time.

Rules of this file:
- A claim is one statement, committed and on the server's disk before the first byte may leave. It
  checks the campaign's state and the server's timeline.
- Settling is fenced by the claim's token. What comes after the lease may move a recipient in doubt
  to accepted or refused, and nothing else.
- Every step may be repeated with the same token, since the answer of a database can be lost.
(docs: several machines)
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import uuid4

from ...protocol.answers import DeliveryState
from ..arguments import (
    check_decision,
    check_id_of_one,
    check_new_id,
    check_outcomes,
    decided,
    lines_of,
)
from ..records import (
    PLAIN_LIST,
    Added,
    CampaignPaused,
    Claim,
    Entry,
    Evidence,
    JournalError,
    JournalLost,
    Lines,
    Listing,
    RecipientOutcome,
    RequestEnd,
    Seen,
    Text,
)
from ..sql_files import statements_of
from ..states import Event, RecipientState, after, before
from ..stop_numbers import STOPPED, Stops, places_of, places_text, without_place
from ..stored_records import evidence_text
from .postgres_filling import fill
from .postgres_reader import PostgresReader, one_step
from .ranges import ALL, Ranges, common, gaps, joined, ranges_of
from .tables import PostgresTables

__all__ = ["PostgresJournal"]

_FILES = ("campaigns.sql", "stop_list.sql")
"""The files of statements that a campaign needs."""
_ENDED_EARLY = "the process that was sending ended or stopped before it recorded the answer"
_FAILED_OVER = (
    "the database failed over to a standby, which may lack the record of messages that were sent."
    " Nothing is sent until an operator has run 'smsgate database accept-failover'"
)
_DECIDED = {
    Event.ASSUME_SENT: "assumed_sent",
    Event.GIVE_UP: "abandoned",
    Event.FOUND: "accepted",
}
"""The column of a request that counts what an operator decided."""


class _Slot(NamedTuple):
    """A slot that is held. `process` is the server's process, which holds the lock."""

    process: int
    account: int
    number: int


class PostgresJournal(PostgresReader):
    """A campaign in the schema `smsgate` of a database. Call `create` or `open`, then `close`."""

    shared: bool = True
    """Other machines may work on the campaign. Calls may wait for a network."""

    def __init__(self, tables: PostgresTables, campaign: int, *, forget_texts: bool) -> None:
        super().__init__(tables, campaign)
        self._forget_texts = forget_texts
        self._texts: dict[int, Text] = {}
        self._abandoned: list[str] = []
        """Tokens of claims whose answer was lost, and with which nothing was sent."""
        self._asks_indexed = False
        self._slots: set[_Slot] = set()

    @classmethod
    def create(
        cls,
        address: str,
        entries: Iterable[Entry],
        *,
        name: str,
        forget_texts: bool,
        listing: Listing = PLAIN_LIST,
    ) -> tuple[Self, Added]:
        """Create a campaign from a list.

        Raises:
            FileExistsError: the database has a campaign of this name.
            LedgerError: the database failed.
        """
        with ExitStack() as opened:
            tables = opened.enter_context(closing(PostgresTables(address, *_FILES)))
            campaign, added = fill(
                tables, entries, name=name, forget_texts=forget_texts, listing=listing
            )
            opened.pop_all()
        return cls(tables, campaign, forget_texts=forget_texts), added

    @classmethod
    def open(cls, address: str, name: str) -> Self:
        """Open a campaign.

        Raises:
            FileNotFoundError: the database has no campaign of this name.
            LedgerError: the database failed.
        """
        with ExitStack() as opened:
            tables = opened.enter_context(closing(PostgresTables(address, *_FILES)))
            found = tables.step(lambda: tables.run("campaign", name=name))
            if not found:
                raise FileNotFoundError(2, "the database has no campaign of this name", name)
            opened.pop_all()
        ((campaign, forget_texts),) = found
        return cls(tables, campaign, forget_texts=bool(forget_texts))

    @classmethod
    def running(cls, address: str) -> list[str]:
        """Return the names of campaigns that were started and have recipients to send to.

        Raises `LedgerError`.
        """
        with closing(PostgresTables(address, *_FILES)) as tables:
            rows = tables.step(lambda: tables.run("running"))
        return [name for (name,) in rows]

    def close(self) -> None:
        """Close the connection."""
        with self._one_at_a_time:
            self._tables.close()

    # Running

    @one_step
    def start(self) -> bool:
        """Let a new or paused campaign send. Returns False if it was running already."""
        return bool(self._run("start", states=["ready", "paused"]))

    @one_step
    def pause(self, why: str) -> None:
        """Let no machine claim anything more. Requests in flight end."""
        self._run("pause", why=why)

    @one_step
    def paused(self) -> str | None:
        """Return why the campaign is paused, None if it is not."""
        ((state, why, _),) = self._run("standing")
        return (why or "an operator paused it") if state == "paused" else None

    def sweep(self) -> int:
        """Move recipients of requests whose lease has passed to in doubt. Returns their number."""
        # A look first, because others may be writing and there is rarely anything to do.
        if not self._step(lambda: self._run("overdue")):
            return 0
        return self._step(self._sweep)

    def _sweep(self) -> int:
        target = after(before(Event.IN_DOUBT), Event.IN_DOUBT)
        moved = 0
        for request, first, last, attempts in self._run("sweep_requests", reason=_ENDED_EARLY):
            moved += len(
                self._run(
                    "sweep",
                    target=target,
                    reason=_ENDED_EARLY,
                    request=request,
                    first=first,
                    last=last,
                    attempts=attempts,
                )
            )
        return moved

    @one_step
    def start_run(self) -> int:
        """Record the start of a run and return the run's number.

        Raises:
            CampaignPaused: the campaign is paused.
        """
        self._run("start", states=["ready"])
        self._check_standing()
        machine = f"{socket.gethostname()}, process {os.getpid()}"
        return int(self._run("start_run", machine=machine)[0][0])

    @one_step
    def end_run(self, run: int, outcome: str) -> None:
        """Record how a run ended."""
        self._tables.run("end_run", run=run, outcome=outcome)

    def set_rate(self, rate: float | None) -> None:
        """Set the rate limit of all machines, in recipients per second. None means no limit."""
        statement = "unset_rate" if rate is None else "set_rate"
        values = {} if rate is None else {"rate": rate}
        self._step(lambda: self._run(statement, **values))

    @one_step
    def rate(self) -> float | None:
        """Return the rate limit, in recipients per second; None without a limit."""
        rows = self._run("rate")
        return float(rows[0][0]) if rows else None

    @one_step
    def reserve(self, most: int) -> tuple[int, float]:
        """Reserve time for the next request within the rate of all machines.

        Returns how many recipients it may have, and the seconds to wait before it.
        """
        # A reservation that a crash loses is harmless, so it need not wait for the disk.
        self._tables.connection.run("SET LOCAL synchronous_commit = off", {})
        rows = self._run("reserve", most=most)
        return (max(int(rows[0][0]), 1), max(float(rows[0][1]), 0.0)) if rows else (most, 0.0)

    @one_step
    def take_slot(self, account: int, most: int) -> _Slot | None:
        """Take one of the `most` slots of an account, of which each request in flight needs one.

        Returns None if other requests have them all. A slot is a lock of the connection: it is free
        again when it is freed or the connection ends.
        """
        ((process,),) = self._run("process")
        # The slots of an earlier connection are free, and its requests in flight have none.
        self._slots = {slot for slot in self._slots if slot.process == process}
        held = [slot.number for slot in self._slots if slot.account == account]
        rows = self._run("take_slot", account=account, most=most, held=held)
        if not rows:
            return None
        slot = _Slot(process, account, rows[0][0])
        self._slots.add(slot)
        return slot

    @one_step
    def free_slot(self, slot: object) -> None:
        """Free a slot that `take_slot` returned."""
        if isinstance(slot, _Slot) and slot in self._slots:
            self._slots.remove(slot)
            self._run("free_slot", **slot._asdict())

    def claim(
        self,
        run: int,
        most: int,
        seen: Seen | None = None,
        *,
        lease: float = 330.0,
        stops: Stops | None = None,
    ) -> Claim | None:
        """Move up to `most` pending recipients of one text to in flight for `lease` seconds.

        Returns None if there is no recipient that this machine could claim now, or if `stops` has
        counted some that were stopped: then others may be left.

        Raises:
            CampaignPaused: the campaign is paused, or a failover has to be accepted.
        """
        self._give_back()
        token = uuid4().hex
        tries = stopped = 0
        stops = stops or Stops()

        def work() -> Claim | None:
            nonlocal tries, stopped
            tries += 1
            stopped = 0
            # If an earlier try was committed after all, this token has its claim.
            rows = self._run("claimed", token=token) if tries > 1 else []
            rows = rows or self._run(
                "claim",
                run=run,
                most=most,
                token=token,
                lease=lease,
                balance=None if seen is None else str(seen.balance),
                balance_at=None if seen is None else seen.at,
            )
            if not rows:
                self._check_standing()
                return None
            ((request, text, alone, first, last, size, left),) = rows
            recipients = self._run("of_request", first=first, last=last)
            if len(recipients) != size:
                raise JournalError(
                    "the claimed recipients are not all pending: the data is damaged"
                )
            if gone := self._stop(stops, request, text, recipients):
                stopped = len(gone)
                recipients = [row for row in recipients if row[0] not in gone]
            if not recipients:
                return None
            return Claim(request, self._text(text), alone, tuple(recipients), token, left)

        try:
            claim = self._step(work)
        except CampaignPaused:
            raise
        except BaseException:
            self._abandoned.append(token)
            raise
        if claim is None and tries > 1:  # a lost try may still arrive
            self._abandoned.append(token)
        stops.count(stopped)
        return claim

    def _stop(
        self, stops: Stops, request: int, text: int, recipients: Sequence[tuple[Any, ...]]
    ) -> set[int]:
        """Abandon those of the claimed recipients that are on a stop list, and return their keys.

        The range of the request then has gaps, and its size says how many recipients are left.
        """
        numbers = [number for _, number in recipients]
        own = self._run("stop_listed", numbers=[int(number[1:]) for number in numbers])
        listed = stops.listed(numbers) | {f"+{number}" for (number,) in own}
        gone = {key for key, number in recipients if number in listed}
        if not gone:
            return gone
        source = before(Event.LISTED)
        target = after(source, Event.LISTED)
        self._run("stop", source=source, target=target, reason=STOPPED, ids=list(gone))
        left = len(recipients) - len(gone)
        self._run("shrink_request" if left else "empty_request", request=request, gone=len(gone))
        self._run("add_stopped", recipients=len(gone))
        if self._forget_texts and not left:
            self._run("forget_text", text=text)
        return gone

    @one_step
    def stop_lists(self) -> tuple[str, ...]:
        """Return the stop lists of the campaign, besides that of its own database."""
        return places_of(self._run("stop_lists")[0][0])

    @one_step
    def add_stop_list(self, place: str) -> None:
        """Let the campaign honour one more stop list from now on."""
        known = places_of(self._run("stop_lists_to_change")[0][0])
        self._run("set_stop_lists", places=places_text([*known, place]))

    @one_step
    def remove_stop_list(self, place: str) -> None:
        """Let the campaign forget a stop list. Raises `ValueError` if it has no such list."""
        known = places_of(self._run("stop_lists_to_change")[0][0])
        self._run("set_stop_lists", places=places_text(without_place(known, place)))

    @one_step
    def sending_window(self) -> str:
        """Return the stored text of when the campaign may send, "" if nothing is stored."""
        return str(self._run("sending_window")[0][0])

    @one_step
    def change_sending_window(self, change: Callable[[str], str]) -> None:
        """Store what `change` returns for the stored text, for all machines."""
        ((stored,),) = self._run("sending_window_to_change")
        self._run("set_sending_window", stored=change(stored))

    def _give_back(self) -> None:
        """Return claims whose answer was lost. One that fails is tried at the next claim."""
        for token in tuple(self._abandoned):
            self._step(partial(self._release, token))
            self._abandoned.remove(token)

    def _release(self, token: str) -> None:
        for request, text, first, last, size, alone, attempts in self._run("held", token=token):
            if size == last - first + 1:
                self._run("release", token=token)
                continue
            # Its range has gaps, as some of its recipients are on the stop list.
            keys = [key for key, _ in self._run("of_request", first=first, last=last)]
            self._run("empty_request", request=request, gone=0)
            pieces = [(text, *one) for one in ranges_of(keys)]
            self._add_pending(pieces, alone, attempts - 1)

    def _check_standing(self) -> None:
        ((state, why, known),) = self._run("standing")
        if not known:
            raise CampaignPaused(_FAILED_OVER)
        if state == "paused":
            raise CampaignPaused(why or "an operator paused it")

    def _text(self, text: int) -> Text:
        # The next claim nearly always has the same text.
        if text not in self._texts:
            ((sender, body, wappush, parts),) = self._run("text", id=text)
            self._texts = {text: Text(sender, body, wappush, parts)}
        return self._texts[text]

    # Settling

    def settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> None:
        """Record the outcome of each recipient of a claim.

        Raises:
            JournalLost: an operator has decided on recipients meanwhile: their outcomes could not
                be recorded.
        """
        check_outcomes(claim, outcomes)
        unrecorded = self._step(lambda: self._settle(claim, outcomes, end))
        if unrecorded:
            raise JournalLost(
                f"request {claim.request}: the outcomes of {unrecorded} recipients came too late to"
                " be recorded, as an operator has decided on them. Nothing more was sent"
            )

    def _settle(self, claim: Claim, outcomes: Sequence[RecipientOutcome], end: RequestEnd) -> int:
        """Record outcomes. Returns how many could not be recorded."""
        rows = self._run("found_request", request=claim.request)
        token, state, text, attempts = rows[0] if rows else (None, "", 0, 0)
        said = {"reason": end.reason, "status": end.status, "reply": end.reply}
        if token != claim.token:
            return sum(one.event in (Event.ACCEPTED, Event.REFUSED) for one in outcomes)
        if state == "settled":  # by an earlier try, whose answer was lost
            return 0
        if state != "in flight":
            return self._settle_late(claim, outcomes, said)
        counts = Counter(outcome.event for outcome in outcomes)
        self._run(
            "settle_request",
            request=claim.request,
            token=claim.token,
            accepted=counts[Event.ACCEPTED],
            refused=counts[Event.REFUSED],
            in_doubt=counts[Event.IN_DOUBT],
            **said,
        )
        moved = self._run("settle", request=claim.request, attempts=attempts, **_columns(outcomes))
        if len(moved) != len(outcomes):
            raise JournalError(
                f"{len(outcomes) - len(moved)} recipients are not in the state that was expected of"
                " them: the data is damaged"
            )
        for alone in (False, True):
            keys = [
                one.recipient
                for one in outcomes
                if one.event is Event.NOT_SENT and one.alone is alone
            ]
            ranges = [(key, key) for key in sorted(keys)] if alone else ranges_of(keys)
            self._add_pending([(text, *one) for one in ranges], claim.alone + alone, attempts)
        if self._forget_texts:
            self._run("forget_text", text=text)
        return 0

    def _settle_late(
        self, claim: Claim, outcomes: Sequence[RecipientOutcome], said: dict[str, Any]
    ) -> int:
        known = [one for one in outcomes if one.event in (Event.ACCEPTED, Event.REFUSED)]
        columns = _columns(known)
        moved = Counter(
            state for (state,) in self._run("settle_late", request=claim.request, **columns)
        )
        self._run(
            "settle_request_late",
            request=claim.request,
            accepted=moved[RecipientState.ACCEPTED],
            refused=moved[RecipientState.REFUSED],
            **said,
        )
        given = {name: columns[name] for name in ("ids", "states")}
        ((recorded,),) = self._run("recorded", request=claim.request, **given)
        return len(known) - int(recorded)

    def _add_pending(self, pieces: list[tuple[int, int, int]], alone: int, attempts: int) -> None:
        if pieces:
            columns = _named(pieces, "texts firsts lasts")
            self._run("add_pending", **columns, alone=alone, attempts=attempts)

    @one_step
    def add_evidence(self, request: int, evidence: Evidence) -> None:
        """Store evidence with a request in doubt."""
        self._run("set_evidence", request=request, evidence=evidence_text(evidence))

    # Deciding

    def resolve(
        self,
        event: Event,
        *,
        who: str,
        note: str,
        request: int | None,
        line: Lines,
        message_id: str | None,
    ) -> int:
        """Apply the operator's decision to recipients in the event's source state.

        The decision covers one request, one line of the list or a range of them, or all such
        recipients. Returns the number of recipients changed.
        """
        check_decision(event)
        said = decided(event, who, note, request, line)
        since: list[float] = []

        def work() -> int:
            if since:  # an earlier try may have been committed after all
                for (moved,) in self._run("decision_since", since=since[0], **said):
                    return int(moved)
            else:
                since.append(self.now())
            if message_id is not None:
                check_new_id(self._run("find_id", message_id=message_id))
            chosen = self._ranges_of(line)
            moved = (
                self._cancel(who, request, chosen)
                if event is Event.CANCEL
                else self._decide(event, who, request, chosen, message_id)
            )
            if moved:
                self._run("add_decision", recipients=moved, **said)
                if self._forget_texts:
                    self._run("forget_texts")
            return moved

        # A decision may concern millions.
        with self._one_at_a_time, self._tables.connection.unhurried():
            return self._step(work)

    def _ranges_of(self, line: Lines) -> Ranges:
        """Return the ranges of the recipients that a decision about lines concerns."""
        if line is None:
            return ALL
        return ranges_of(key for (key,) in self._run("ids_of_lines", **lines_of(line)))

    def _locked(self, statement: str, request: int | None, ranges: Ranges) -> list[tuple[Any, ...]]:
        lows, highs = [low for low, _ in ranges], [high for _, high in ranges]
        return self._run(statement, request=request, lows=lows, highs=highs)

    def _decide(
        self,
        event: Event,
        who: str,
        request: int | None,
        ranges: Ranges,
        message_id: str | None,
    ) -> int:
        source = before(event)
        locked = self._locked("lock_in_doubt", request, ranges)
        pieces = [
            (one, low, high, attempts)
            for one, first, last, attempts in locked
            for low, high in common(ranges, first, last)
        ]
        chosen = self._run(
            "chosen_in_doubt", source=source, **_named(pieces, "requests lows highs attempts")
        )
        check_id_of_one(message_id, len(chosen))
        if not chosen:
            return 0
        self._run(
            "resolve",
            ids=[key for key, *_ in chosen],
            target=after(source, event),
            reason=None if event is Event.RESEND else f"{event} by {who}",
            message_id=message_id,
        )
        counts = Counter(one for _, _, one, _ in chosen)
        self._run(
            "count_decision",
            requests=[*counts],
            counts=[*counts.values()],
            **{column: int(_DECIDED.get(event) == column) for column in _DECIDED.values()},
        )
        if event is Event.RESEND:
            self._resend(chosen)
        return len(chosen)

    def _resend(self, chosen: Sequence[Sequence[Any]]) -> None:
        by_text: dict[int, dict[int, list[int]]] = {}
        for key, text, _, attempts in chosen:
            by_text.setdefault(attempts, {}).setdefault(text, []).append(key)
        for attempts, texts in by_text.items():
            # Sent alone, so that another lost answer concerns one recipient only. Those that were
            # never claimed, but lost their record in a failover, go together.
            pieces = [
                (text, first, last)
                for text, keys in texts.items()
                for first, last in ([(key, key) for key in keys] if attempts else ranges_of(keys))
            ]
            self._add_pending(pieces, int(attempts > 0), attempts)

    def _cancel(self, who: str, request: int | None, ranges: Ranges) -> int:
        target = after(before(Event.CANCEL), Event.CANCEL)
        locked = self._locked("lock_pending", request, ranges)
        cut: list[tuple[int, int, int]] = []
        also: list[tuple[int, int, int]] = []
        cancelled: Ranges = []
        for one, text, first, last, alone, attempts in locked:
            pieces = common(ranges, first, last)
            cancelled += pieces
            cut.append((one, *pieces[0]))
            also += [(text, *piece) for piece in pieces[1:]]
            rest = [(text, *gap) for gap in gaps(pieces, first, last)]
            self._add_pending(rest, alone, attempts)
        self._run("cancel_requests", **_named(cut, "requests lows highs"))
        if also:
            self._run("add_cancelled", **_named(also, "texts lows highs"))
        reason = f"{Event.CANCEL} by {who}"
        return sum(
            len(self._run("cancel", target=target, reason=reason, first=first, last=last))
            for first, last in joined(cancelled)
        )

    # Delivery

    def to_ask(self, again: float, most: int) -> list[tuple[int, str]]:
        """Return accepted messages due for a status check, those checked longest ago first.

        A message is due if its status is not final and was not checked in the last `again` seconds.
        """
        self._index_asks()
        rows = self._step(lambda: self._run("to_ask", again=again, most=most))
        return [(key, message_id) for key, message_id in rows]

    def next_ask(self) -> tuple[int, float]:
        """Return how many statuses are not final, and the seconds since the least recent check."""
        self._index_asks()
        ((count, seconds),) = self._step(lambda: self._run("next_ask"))
        return int(count), float(seconds)

    def _index_asks(self) -> None:
        if self._asks_indexed:
            return
        sql = statements_of("postgres", "campaign_new.sql")["index_asks"]
        sql = sql.replace("{id}", str(self._campaign))
        with self._one_at_a_time, self._tables.connection.unhurried():
            if not self._step(lambda: self._run("settings"))[0][4]:
                self._step(lambda: self._tables.connection.run(sql, {}))
        self._asks_indexed = True

    @one_step
    def set_delivery(self, recipient: int, delivery: DeliveryState) -> None:
        """Record a delivery status."""
        final = int(delivery.final or delivery is DeliveryState.NOT_FOUND)
        self._run("set_delivery", id=recipient, delivery=delivery, final=final)

    @one_step
    def note_asked(self, recipient: int) -> None:
        """Record a failed status check, so that other messages are checked first."""
        self._run("note_asked", id=recipient)

    # Forgetting

    def purge(self) -> None:
        """Delete numbers, texts and replies, and keep the statistics."""
        sql = statements_of("postgres", "campaign_new.sql")

        def work() -> None:
            if self._run("settings")[0][4] is not None:
                return
            counted = self.counted()
            self.checked(counted)
            for name in ("purge_requests", "purge_decisions"):
                self._run(name)
            for name in ("drop_recipients", "drop_text_table"):
                self._tables.connection.run(sql[name].replace("{id}", str(self._campaign)), {})
            self._run("set_purged", counted=json.dumps(counted))

        with self._one_at_a_time, self._tables.connection.unhurried():
            self._step(work)


def _named(rows: Sequence[tuple[int, ...]], names: str) -> dict[str, list[int]]:
    """Return rows as columns with these names."""
    return {name: [row[place] for row in rows] for place, name in enumerate(names.split())}


def _columns(outcomes: Sequence[RecipientOutcome]) -> dict[str, Any]:
    """Return outcomes as the columns of one statement."""
    return {
        "ids": [one.recipient for one in outcomes],
        "states": [str(after(before(one.event), one.event)) for one in outcomes],
        "message_ids": [one.message_id for one in outcomes],
        "reasons": [one.reason for one in outcomes],
    }
