"""The argument FILE of the campaign commands, and the option --database beside it.

Rule of this file: an address with a password is never shown, also not in a command to copy.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ..campaign import Campaign

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
            metavar="ADDRESS",
            help=(
                "A PostgreSQL database, for a campaign on several machines; the address begins with"
                " postgresql://. Put its password into ~/.pgpass."
            ),
        ),
    ] = None

    def open(self, *, writing: bool = True) -> Campaign:
        """Open the campaign. Raises what `Campaign.open` does."""
        return Campaign.open(self.file, database=self.database, writing=writing)

    def words(self) -> str:
        """Return the words of a command line that name the campaign, quoted for a shell."""
        name = shlex.quote(str(self.file))
        if self.database is None:
            return name
        address = "ADDRESS" if _has_password(self.database) else shlex.quote(self.database)
        return f"{name} --database {address}"


def _has_password(address: str) -> bool:
    try:
        return urlsplit(address).password is not None or "password=" in address
    except ValueError:
        return True
