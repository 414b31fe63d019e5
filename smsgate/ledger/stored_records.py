"""Records as the databases store them, and back. Both ledgers of campaigns use this. No I/O."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from .records import Decision, Evidence, RequestInDoubt, TimeSlot
from .states import Event

__all__ = [
    "decision_from",
    "evidence_text",
    "forced_by",
    "kept_cells",
    "kept_text",
    "kind_of",
    "request_in_doubt",
    "slots_between",
    "span_with",
    "step_of",
]

_MASKED = re.compile(r' ?"?\+?[0-9]*\*+[0-9]*"?')


def kind_of(reason: str) -> str:
    """Return a reason without line numbers and phone numbers, so that reasons can be counted."""
    return "repeats another line" if reason.startswith("repeats line ") else _MASKED.sub("", reason)


def decision_from(at: float, who: str, event: str, *rest: Any) -> Decision:
    """Return a decision from its row."""
    return Decision(at, who, Event(event), *rest)


def evidence_text(evidence: Evidence) -> str:
    """Return evidence as it is stored."""
    return json.dumps(asdict(evidence), default=str)


def _evidence(text: str) -> Evidence:
    stored = json.loads(text)
    balances = {
        name: Decimal(stored[name]) for name in ("before", "after") if stored[name] is not None
    }
    lists = {name: tuple(stored[name]) for name in ("new_ids", "reply_ids")}
    return Evidence(**{**stored, **balances, **lists})


def request_in_doubt(row: Iterable[Any]) -> RequestInDoubt:
    """Return a request in doubt from its row of the statement `requests_in_doubt`."""
    (
        request,
        claimed_at,
        settled_at,
        size,
        reason,
        status,
        reply_size,
        evidence,
        parts,
        in_doubt,
    ) = row
    return RequestInDoubt(
        id=request,
        claimed_at=claimed_at,
        settled_at=settled_at,
        size=size,
        in_doubt=in_doubt,
        cost=parts * in_doubt,
        reason=reason or "",
        status=status,
        reply_size=reply_size or 0,
        evidence=None if evidence is None else _evidence(evidence),
    )


def forced_by(rows: Iterable[tuple[str, int]]) -> str:
    """Return the characters that forced texts into UCS-2, the most frequent first."""
    forced = Counter[str]()
    for characters, count in rows:
        forced.update(dict.fromkeys(characters, count))
    return "".join(character for character, _ in forced.most_common())


def kept_text(cells: Sequence[str]) -> str | None:
    """Return the kept cells of a recipient, or the kept columns, as they are stored."""
    # PostgreSQL stores no NUL.
    return json.dumps([cell.replace("\0", "") for cell in cells]) if cells else None


def kept_cells(text: str | None) -> tuple[str, ...]:
    """Return kept cells as they were given."""
    return () if text is None else tuple(json.loads(text))


def step_of(start: float, end: float, steps: int) -> float:
    """Return the seconds of one of `steps` time slots between two times."""
    return max((end - start) / steps, 1e-3) * (1 + 1e-9)


def span_with(
    stopped: Sequence[tuple[float, int]], start: float | None, end: float | None
) -> tuple[float | None, float | None]:
    """Return a span of time, widened to when recipients were found on the stop list."""
    times = [at for at, _ in stopped]
    starts = times + ([] if start is None else [start])
    ends = times + ([] if end is None else [end])
    return min(starts, default=None), max(ends, default=None)


def slots_between(
    start: float,
    step: float,
    rows: Iterable[Iterable[Any]],
    stopped: Iterable[tuple[float, int]] = (),
) -> list[TimeSlot]:
    """Return all time slots, also the empty ones, from the rows of the others.

    `stopped` is when recipients were found on the stop list, and how many.
    """
    counts = {
        int(slot): (int(accepted), int(refused), int(in_doubt))
        for slot, accepted, refused, in_doubt in rows
    }
    stops = Counter[int]()
    for at, recipients in stopped:
        stops[max(int((at - start) / step), 0)] += recipients
    return [
        TimeSlot(start + slot * step, *counts.get(slot, (0, 0, 0)), stops[slot])
        for slot in range(max((*counts, *stops), default=-1) + 1)
    ]
