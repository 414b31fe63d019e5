"""How the rows of a list become messages: senders, repeated numbers, kept columns, and texts.

Rules of this file: an option that is absent changes nothing. A list that is an export of a campaign
is not sent to unless the caller names the states: its accepted recipients have the message already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from ..ledger.records import Listing
from ..ledger.states import RecipientState
from ..privacy import mask_numbers
from ..protocol.rewriting import Rewriting, Typographic
from ..protocol.transliteration import Language
from .export import COLUMNS
from .given_numbers import UnreadableRow
from .sources import Row, Source

__all__ = ["Duplicates", "RowOptions", "RowRules", "listing_of", "rules_of"]

Duplicates: TypeAlias = Literal["skip", "send"]
"""What to do if a number occurs again with another text."""

_STATE = "state"
_OF_AN_EXPORT = frozenset(COLUMNS)


class RowOptions(TypedDict, total=False):
    """How the rows of a list become messages. An option that is absent or None changes nothing."""

    sender_column: str | None
    """The column with each recipient's sender. An empty cell means the campaign's sender."""
    duplicates: Duplicates | None
    """`"skip"` (the default) skips a number that occurs again. `"send"` sends each different text
    to it; the same number with the same text is skipped in any case."""
    keep_columns: bool
    """Keep all columns of the list in the campaign, for its export."""
    states: Collection[RecipientState] | None
    """For a list that is an export of a campaign: send to recipients in these states only."""
    typographic: Typographic | None
    """`"replace"` replaces typographic characters, as `smsgate.replace_typography` does."""
    transliterate: Language | None
    """`"uk"` or `"ru"` writes texts in Latin letters, as `smsgate.transliterate` does."""


@dataclass(frozen=True, slots=True)
class RowRules:
    """The options, checked against the columns of a list."""

    rewriting: Rewriting
    sender_column: str | None
    kept: tuple[str, ...]
    states: frozenset[str] | None

    def check(self, row: Row) -> None:
        """Raise `UnreadableRow` if the row is in a state that was not chosen."""
        if self.states is None or (state := row.values.get(_STATE, "")) in self.states:
            return
        known = state if state in frozenset(RecipientState) else "unknown"
        raise UnreadableRow(f"its state in the list is {known}, which was not chosen")

    def sender_of(self, row: Row, otherwise: str | None) -> str:
        """Return the sender of a row. Raises `UnreadableRow` if it has none."""
        column = self.sender_column
        if column is None:
            return otherwise or ""
        if column in row.faults:
            raise UnreadableRow(f"column {mask_numbers(column)}: {row.faults[column]}")
        given = row.values.get(column, "").strip()
        if not given and otherwise is None:
            raise UnreadableRow(f"no sender in the column {mask_numbers(column)}")
        return given or otherwise or ""

    def kept_of(self, row: Row) -> tuple[str, ...]:
        """Return the cells to keep."""
        return tuple([row.values.get(name, "") for name in self.kept]) if self.kept else ()


def rules_of(options: RowOptions, source: Source) -> RowRules:
    """Return the rules for the rows of a list. Raises `ValueError` for a wrong option."""
    if options.get("duplicates") not in (None, "skip", "send"):
        raise ValueError("duplicates: must be skip or send")
    column = options.get("sender_column")
    if column is not None and column not in source.columns:
        known = mask_numbers(", ".join(source.columns))
        raise ValueError(f"sender column: no column has this name; the columns are {known}")
    if column in source.repeated:
        raise ValueError("sender column: several columns have this name; rename one of them")
    return RowRules(
        Rewriting(options.get("typographic"), options.get("transliterate")),
        column,
        source.columns if options.get("keep_columns") else (),
        _states(options, source),
    )


def listing_of(options: RowOptions, source: Source) -> Listing:
    """Return what a ledger has to know about the list."""
    kept = source.columns if options.get("keep_columns") else ()
    return Listing(each_text=options.get("duplicates") == "send", columns=kept)


def _states(options: RowOptions, source: Source) -> frozenset[str] | None:
    states = options.get("states")
    if states is None:
        if _OF_AN_EXPORT.issubset(source.columns):
            raise ValueError(
                "the list is an export of a campaign, and its accepted recipients have a message"
                " already: name the states to send to, such as --state refused"
            )
        return None
    known = frozenset(map(str, RecipientState))
    if isinstance(states, str) or not frozenset(map(str, states)) <= known:
        raise ValueError(f"states: must be a collection of {', '.join(RecipientState)}")
    if _STATE not in source.columns:
        raise ValueError("state: the list has no column 'state', so it is not an export")
    return frozenset(map(str, states))
