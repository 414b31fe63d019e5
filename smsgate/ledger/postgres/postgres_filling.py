"""Fills a new campaign in PostgreSQL from a list, in bulk.

Rule of this file: the list is read once and in pieces, so it may be larger than the memory. All is
one transaction: after an error there is no campaign.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice, starmap
from typing import Any

from ...protocol.limits import MOST_RECIPIENTS
from ...protocol.rewriting import Savings
from ..records import Added, Entry, LedgerError, Listing, NumberGroup, Text
from ..sql_files import statements_of
from ..stop_numbers import places_text
from ..stored_records import kept_text, kind_of
from .tables import PostgresTables

__all__ = ["fill"]

_PIECE = 10_000
"""Rows of the list that are copied at a time."""
_REMEMBERED = 100_000
"""Texts whose number is remembered. An older one that occurs again gets another number."""
_LONGEST_REQUEST = min(1_000, MOST_RECIPIENTS)
_CREATED = (
    "add_tables", "add_recipient_table", "add_request_table", "add_list", "add_sequence",
)  # fmt: skip
_FINISHED = (
    "add_recipients", "drop_texts", "add_requests", "set_sequence", "index_texts",
    "index_recipients", "attach_texts", "attach_recipients", "attach_requests", "analyze",
)  # fmt: skip


def fill(
    tables: PostgresTables,
    entries: Iterable[Entry],
    *,
    name: str,
    forget_texts: bool,
    listing: Listing,
) -> tuple[int, Added]:
    """Create a campaign and return its number, and what was added.

    `listing.sending_window` is called when all entries were read.

    Raises:
        FileExistsError: the database has a campaign of this name.
        LedgerError: the database failed.
    """
    begun = False

    def work() -> tuple[int, Added]:
        nonlocal begun
        if begun:  # the list cannot be read again
            raise LedgerError(
                "the connection to the database was lost while the list was being read, so no"
                " campaign was created: run the command again"
            )
        begun = True
        made = _filled(tables, entries, name=name, forget_texts=forget_texts, listing=listing)
        campaign, _ = made
        tables.run("set_stop_lists", campaign=campaign, places=places_text(listing.stop_lists))
        tables.run("set_sending_window", campaign=campaign, stored=listing.sending_window())
        groups = starmap(NumberGroup, tables.run("pending_numbers", campaign=campaign))
        tables.run("set_planned_numbers", campaign=campaign, stored=listing.number_groups(groups))
        return made

    with tables.connection.unhurried():
        return tables.step(work)


def _filled(
    tables: PostgresTables,
    entries: Iterable[Entry],
    *,
    name: str,
    forget_texts: bool,
    listing: Listing,
) -> tuple[int, Added]:
    made = tables.run(
        "add_campaign",
        name=name,
        forget_texts=int(forget_texts),
        kept_columns=kept_text(listing.columns),
    )
    if not made:
        raise FileExistsError(17, "the database has a campaign of this name already", name)
    ((campaign,),) = made
    sql = {
        statement: text.replace("{id}", str(campaign)).replace("{most}", str(_LONGEST_REQUEST))
        for statement, text in statements_of("postgres", "campaign_new.sql").items()
    }

    def run(statement: str) -> list[tuple[Any, ...]]:
        return tables.connection.run(sql[statement], {})

    for statement in _CREATED:
        run(statement)
    texts = _Texts()
    place, savings = 0, Savings()
    left = iter(entries)
    while piece := list(islice(left, _PIECE)):
        rows = [
            (place + number, *_row(entry, texts, listing))
            for number, entry in enumerate(piece, start=1)
        ]
        place += len(piece)
        savings = sum(_savings(piece), savings)
        tables.connection.copy(
            sql["copy_texts"], ((campaign, *columns) for columns in texts.new_ones())
        )
        tables.connection.copy(sql["copy_list"], rows)
    for statement in _FINISHED:
        run(statement)
    if savings:
        # The list is read before the database knows which numbers it repeats.
        ((typographic, transliterated, both),) = run("repeated_savings")
        savings += Savings(-typographic, -transliterated, -both, savings.language)
    pending, skipped = 0, Counter[str]()
    for state, reason, count in run("count_skipped"):
        if state == "skipped":
            skipped[kind_of(reason)] += count
        else:
            pending += count
    tables.run("set_skipped", campaign=campaign, skipped=skipped.total())
    return campaign, Added(pending, skipped, savings)


class _Texts:
    """Numbers the texts of a list: equal ones get the same number."""

    def __init__(self) -> None:
        self._known = OrderedDict[bytes, int]()
        self._count = 0
        self._new: list[tuple[Any, ...]] = []
        self._last: tuple[Text, int] | None = None

    def number_of(self, text: Text) -> int:
        """Return the number of a text."""
        if self._last is not None and self._last[0] is text:
            return self._last[1]
        hashed = hashlib.sha256(
            "\0".join((text.sender, text.text or "", text.wappush or "")).encode()
        ).digest()
        number = self._known.get(hashed)
        if number is None:
            self._count += 1
            number = self._known[hashed] = self._count
            self._new.append(
                (number, text.sender, text.text, text.wappush, text.parts, text.alphabet,
                 text.forced_by)
            )  # fmt: skip
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._last = text, number
        return number

    def new_ones(self) -> Iterator[tuple[Any, ...]]:
        """Yield the texts that are new since the last call."""
        new, self._new = self._new, []
        yield from new


def _row(entry: Entry, texts: _Texts, listing: Listing) -> tuple[Any, ...]:
    text, kept = entry.text, kept_text(entry.kept)
    if text is None or entry.reason:
        given = entry.number[:64].encode(errors="backslashreplace").decode().replace("\0", "")
        return entry.line, given, None, None, None, entry.reason, 0, 0, 0, kept, None
    saved = text.savings or _NONE
    return (
        entry.line, entry.number, texts.number_of(text), text.parts, text.alphabet, None,
        saved.typographic, saved.transliterated, saved.both, kept,
        _content(text) if listing.each_text else None,
    )  # fmt: skip


def _content(text: Text) -> bytes:
    """Return the hash of what a recipient reads. Equal texts may have several numbers."""
    return hashlib.sha256("\0".join((text.text or "", text.wappush or "")).encode()).digest()


def _savings(entries: Iterable[Entry]) -> Iterator[Savings]:
    for entry in entries:
        if entry.text is not None and entry.text.savings is not None:
            yield entry.text.savings


_NONE = Savings()
