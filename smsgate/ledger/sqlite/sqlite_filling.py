"""Fills a new campaign file from a list, in bulk.

Rule of this file: the list is read once and in pieces, so it may be larger than the memory. The
caller's transaction is around all of it: after an error there is no campaign.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from ...protocol.rewriting import Savings
from ..records import Added, Entry, Text
from ..states import RecipientState
from ..stored_records import kept_text, kind_of

__all__ = ["fill"]

_PIECE = 1_000
"""Rows of the list that are added at a time."""

# Plain strings, which sqlite3 stores faster than the members of an enumeration.
_PENDING, _SKIPPED = RecipientState.PENDING.value, RecipientState.SKIPPED.value

_Key: TypeAlias = "str | tuple[str, str | None, str | None]"
"""What occurs once in a campaign: a number, or a number with what its recipient reads."""


def fill(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    entries: Iterable[Entry],
    *,
    each_text: bool,
) -> Added:
    """Add the recipients of a list, and return how many were added.

    Args:
        connection: the connection, in a transaction.
        sql: the statements by their names.
        entries: the recipients.
        each_text: add a number again for each different text.
    """
    texts = _Texts(connection, sql)
    pending, skipped, savings = 0, Counter[str](), Savings()
    left = iter(entries)
    while piece := list(islice(left, _PIECE)):
        lines = _known_lines(connection, sql["known_numbers"], piece, each_text=each_text)
        rows: list[tuple[Any, ...]] = []
        for entry in piece:
            text = entry.text
            reason = entry.reason if text is None else _repeats(entry, text, lines, each_text)
            if text is None or reason:
                rows.append(_skipped(entry, reason))
                skipped[kind_of(reason)] += 1
                continue
            rows.append(
                (entry.line, entry.number, None, texts.number_of(text), _PENDING,
                 None, kept_text(entry.kept))
            )  # fmt: skip
            pending += 1
            if text.savings:
                savings += text.savings
        connection.executemany(sql["add_recipient"], rows)
    return Added(pending, skipped, savings)


def _key(number: str, body: str | None, wappush: str | None, *, each_text: bool) -> _Key:
    return (number, body, wappush) if each_text else number


def _known_lines(
    connection: sqlite3.Connection, sql: str, piece: Sequence[Entry], *, each_text: bool
) -> dict[_Key, int]:
    """Return the lines of those numbers of a piece that the campaign has already."""
    numbers = json.dumps([entry.number for entry in piece if entry.text is not None])
    found: dict[_Key, int] = {}
    for number, line, body, wappush in connection.execute(sql, {"numbers": numbers}):
        found.setdefault(_key(number, body, wappush, each_text=each_text), line)
    return found


def _repeats(entry: Entry, text: Text, lines: dict[_Key, int], each_text: bool) -> str:
    """Return which line an entry repeats. "" if none: then it is known from now on."""
    key = _key(entry.number, text.text, text.wappush, each_text=each_text)
    if key in lines:
        return f"repeats line {lines[key]}"
    lines[key] = entry.line
    return ""


def _skipped(entry: Entry, reason: str) -> tuple[Any, ...]:
    given = entry.number[:64].encode(errors="backslashreplace").decode()
    kept = kept_text(entry.kept)
    return entry.line, None, given, None, _SKIPPED, reason, kept


class _Texts:
    """Numbers the texts of a list: equal ones get the same number."""

    def __init__(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql
        self._last: tuple[Text, int] | None = None

    def number_of(self, text: Text) -> int:
        """Return the number of a text. It is added if it is new."""
        if self._last is None or self._last[0] is not text:
            self._last = text, self._added(text)
        return self._last[1]

    def _added(self, text: Text) -> int:
        hashed = hashlib.sha256(
            "\0".join((text.sender, text.text or "", text.wappush or "")).encode()
        ).digest()
        new = self._connection.execute(
            self._sql["add_text"],
            {
                "hash": hashed,
                "sender": text.sender,
                "body": text.text,
                "wappush": text.wappush,
                "parts": text.parts,
                "alphabet": text.alphabet,
                "forced_by": text.forced_by,
            },
        )
        if new.rowcount and new.lastrowid is not None:
            return new.lastrowid
        ((found,),) = self._connection.execute(self._sql["find_text"], {"hash": hashed})
        return int(found)
