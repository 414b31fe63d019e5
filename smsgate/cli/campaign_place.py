"""The argument FILE of the campaign commands, and the option --database beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..campaign import Campaign
from ..campaign.command_words import place_in_words

__all__ = ["CampaignPlace"]


@dataclass(frozen=True, slots=True)
class CampaignPlace:
    """Where a campaign is: a file, or a name in a database."""

    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The campaign file; with --database, the campaign's name."
        ),
    ]
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=(
                "A PostgreSQL database, for a campaign on several machines: a postgresql:// URL."
                " Put its password into ~/.pgpass."
            ),
        ),
    ] = None

    def open(self, *, writing: bool = True) -> Campaign:
        """Open the campaign. Raises what `Campaign.open` does."""
        return Campaign.open(self.file, database=self.database, writing=writing)

    def words(self) -> str:
        """Return the words of a command line that name the campaign, quoted for a shell."""
        return place_in_words(self.file, self.database)
