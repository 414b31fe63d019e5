"""Options of `campaign new` about the rows of the list, and states as options.

Rule of this file: states have the names of `ledger.states`, with a dash for the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from ..campaign import Duplicates, RecipientState, RowOptions
from .rewriting_options import Rewrites

__all__ = ["RowChoices", "chosen_states", "state_option"]

_STATES = {str(state).replace(" ", "-"): state for state in RecipientState}


def state_option(what: str) -> typer.models.OptionInfo:
    """Return the option `--state`, which may be repeated. `what` says what it does."""
    option: typer.models.OptionInfo = typer.Option(
        "--state", metavar="STATE", help=f"{what}: {', '.join(_STATES)}. May be repeated."
    )
    return option


def chosen_states(given: Sequence[str] | None) -> frozenset[RecipientState] | None:
    """Return the states that were named, None if none was. Raises `ValueError` for another word."""
    if not given:
        return None
    if any(name.replace(" ", "-") not in _STATES for name in given):
        raise ValueError(f"--state: must be one of {', '.join(_STATES)}")
    return frozenset(_STATES[name.replace(" ", "-")] for name in given)


@dataclass(frozen=True, slots=True)
class RowChoices:
    """What to do with the rows of the list."""

    sender_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The column with each row's sender. An empty cell means --sender.",
        ),
    ] = None
    duplicates: Annotated[
        Duplicates,
        typer.Option(
            help=(
                "What to do with a number that occurs again with a different text: skip the row, or"
                " send this text, too. A repeat with the same text is always skipped."
            )
        ),
    ] = "skip"
    keep_columns: Annotated[
        bool,
        typer.Option("--keep-columns", help="Keep all columns of the list, for 'campaign export'."),
    ] = False
    state: Annotated[
        list[str] | None,
        state_option("If the list is an export of a campaign, send to recipients in this state"),
    ] = None

    def options(self, rewrites: Rewrites) -> RowOptions:
        """Return the options of `Campaign.create`. Raises `ValueError` for an unknown state."""
        return RowOptions(
            sender_column=self.sender_column,
            duplicates=self.duplicates,
            keep_columns=self.keep_columns,
            states=chosen_states(self.state),
            typographic=rewrites.typographic,
            transliterate=rewrites.transliterate,
        )
