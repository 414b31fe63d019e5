"""Claims and settlements of a campaign in PostgreSQL: the two writes around each request.

Rules of this file:
- One statement claims all requests of a group, committed and on the server's disk before the first
  byte may leave. It checks the campaign's state and the server's timeline.
- Settling is fenced by the claim's token. What comes after the lease may move a recipient in doubt
  to accepted or refused, and nothing else.
- Every step may be repeated with the same tokens, since the answer of a database can be lost.
(docs: several machines)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from ..arguments import check_outcomes
from ..records import (
    CampaignPaused,
    Claim,
    JournalError,
    JournalLost,
    RecipientOutcome,
    RequestEnd,
    Seen,
    Settlement,
    Text,
)
from ..states import Event, RecipientState, after, before
from ..stop_numbers import STOPPED, Stops
from .postgres_reader import PostgresReader
from .ranges import ranges_of
from .tables import PostgresTables

__all__ = ["PostgresSending", "named_columns"]

_FAILED_OVER = (
    "the database failed over to a standby, which may lack the record of messages that were sent."
    " Nothing is sent until an operator has run 'smsgate database accept-failover'"
)


class PostgresSending(PostgresReader):
    """The part of the journal that a run needs for each request."""

    def __init__(self, tables: PostgresTables, campaign: int, *, forget_texts: bool) -> None:
        super().__init__(tables, campaign)
        self._forget_texts = forget_texts
        self._texts: dict[int, Text] = {}
        self._abandoned: list[str] = []
        """Tokens of claims whose answer was lost, and with which nothing was sent."""

    def claim(
        self,
        run: int,
        most: int,
        seen: Seen | None = None,
        *,
        requests: int = 1,
        lease: float = 330.0,
        stops: Stops | None = None,
    ) -> list[Claim]:
        """Move up to `most` pending recipients to in flight for `lease` seconds.

        They have `requests` requests at most. Returns an empty list if there is no recipient that
        this machine could claim now, or if `stops` has counted some that were stopped: then others
        may be left.

        Raises:
            CampaignPaused: the campaign is paused, or a failover has to be accepted.
        """
        self._give_back()
        tokens = [uuid4().hex for _ in range(requests)]
        tries = stopped = 0
        stops = stops or Stops()

        def work() -> list[Claim]:
            nonlocal tries, stopped
            tries += 1
            stopped = 0
            # If an earlier try was committed after all, these tokens have its claims.
            rows = self._run("claimed", tokens=tokens) if tries > 1 else []
            rows = rows or self._run(
                "claim",
                run=run,
                most=most,
                requests=requests,
                tokens=tokens,
                lease=lease,
                balance=None if seen is None else str(seen.balance),
                balance_at=None if seen is None else seen.at,
            )
            if not rows:
                self._check_standing()
                return []
            found = self._recipients_of(rows)
            gone = self._stop(stops, rows, found)
            stopped = len(gone)
            texts = self._texts_of({text for _, text, *_ in rows})
            return [
                Claim(request, texts[text], alone, tuple(left), token, seconds)
                for request, text, alone, *_, token, seconds in rows
                if (left := [row for row in found[request] if row[0] not in gone])
            ]

        try:
            claims = self._step(work)
        except CampaignPaused:
            raise
        except BaseException:
            self._abandoned += tokens
            raise
        if not claims and tries > 1:  # a lost try may still arrive
            self._abandoned += tokens
        stops.count(stopped)
        return claims

    def _recipients_of(self, rows: Sequence[tuple[Any, ...]]) -> dict[int, list[tuple[int, str]]]:
        """Return the keys and numbers of the recipients of claimed requests."""
        found: dict[int, list[tuple[int, str]]] = {request: [] for request, *_ in rows}
        ranges = [(request, first, last) for request, _, _, first, last, *_ in rows]
        for request, key, number in self._run(
            "of_requests", **named_columns(ranges, "requests firsts lasts")
        ):
            found[request].append((key, number))
        if any(len(found[request]) != size for request, *_, size, _, _ in rows):
            raise JournalError("the claimed recipients are not all pending: the data is damaged")
        return found

    def _stop(
        self,
        stops: Stops,
        rows: Sequence[tuple[Any, ...]],
        found: dict[int, list[tuple[int, str]]],
    ) -> set[int]:
        """Abandon those of the claimed recipients that are on a stop list, and return their keys.

        The range of such a request then has gaps, and its size says how many recipients are left.
        """
        numbers = [number for recipients in found.values() for _, number in recipients]
        own = self._run("stop_listed", numbers=[int(number[1:]) for number in numbers])
        listed = stops.listed(numbers) | {f"+{number}" for (number,) in own}
        stopped = set[int]()
        for request, text, *_ in rows:
            gone = [key for key, number in found[request] if number in listed]
            if gone:
                self._stop_some(request, text, gone, left=len(found[request]) - len(gone))
                stopped.update(gone)
        return stopped

    def _stop_some(self, request: int, text: int, gone: list[int], *, left: int) -> None:
        source = before(Event.LISTED)
        target = after(source, Event.LISTED)
        self._run("stop", source=source, target=target, reason=STOPPED, ids=gone)
        self._run("shrink_request" if left else "empty_request", request=request, gone=len(gone))
        self._run("add_stopped", recipients=len(gone))
        if self._forget_texts and not left:
            self._run("forget_text", text=text)

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
            ranges = named_columns([(request, first, last)], "requests firsts lasts")
            keys = [key for _, key, _ in self._run("of_requests", **ranges)]
            self._run("empty_request", request=request, gone=0)
            pieces = [(text, *one) for one in ranges_of(keys)]
            self._add_pending(pieces, alone, attempts - 1)

    def _check_standing(self) -> None:
        ((state, why, known),) = self._run("standing")
        if not known:
            raise CampaignPaused(_FAILED_OVER)
        if state == "paused":
            raise CampaignPaused(why or "an operator paused it")

    def _texts_of(self, texts: set[int]) -> dict[int, Text]:
        # The next claim often has the same text.
        if not texts <= self._texts.keys():
            self._texts = {
                text: Text(sender, body, wappush, parts)
                for text, sender, body, wappush, parts in self._run("texts_of", ids=list(texts))
            }
        return self._texts

    # Settling

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record the outcome of each recipient of these claims, in one transaction.

        Raises:
            JournalLost: an operator has decided on recipients meanwhile: their outcomes could not
                be recorded. The other outcomes are.
        """
        for one in settlements:
            check_outcomes(one.claim, one.outcomes)
        # In one order, so that two machines do not wait for each other's locks.
        ordered = sorted(settlements, key=lambda one: one.claim.request)
        late = self._step(lambda: [(one.claim.request, self._settle(one)) for one in ordered])
        for request, unrecorded in late:
            if unrecorded:
                raise JournalLost(
                    f"request {request}: the outcomes of {unrecorded} recipients came too late to"
                    " be recorded, as an operator has decided on them. Nothing more was sent"
                )

    def _settle(self, settlement: Settlement) -> int:
        """Record outcomes. Returns how many could not be recorded."""
        claim, outcomes = settlement.claim, settlement.outcomes
        rows = self._run("found_request", request=claim.request)
        token, state, text, attempts = rows[0] if rows else (None, "", 0, 0)
        said = _said(settlement.end)
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
            columns = named_columns(pieces, "texts firsts lasts")
            self._run("add_pending", **columns, alone=alone, attempts=attempts)


def _said(end: RequestEnd) -> dict[str, Any]:
    return {"reason": end.reason, "status": end.status, "reply": end.reply}


def named_columns(rows: Sequence[tuple[int, ...]], names: str) -> dict[str, list[int]]:
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
