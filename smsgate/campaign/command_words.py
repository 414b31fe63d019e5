"""How a command line names a campaign.

Rule of this file: an address with a password is never shown, not even in a command to copy.
"""

from __future__ import annotations

import shlex
from os import PathLike, fspath
from urllib.parse import urlsplit

__all__ = ["place_in_words"]


def place_in_words(place: str | PathLike[str], database: str | None) -> str:
    """Return the words of a command line that name a campaign, quoted for a shell.

    Args:
        place: the file of the campaign; with `database`, its name.
        database: the address of a database, or None.
    """
    name = shlex.quote(fspath(place))
    if database is None:
        return name
    address = "URL" if _has_password(database) else shlex.quote(database)
    return f"{name} --database {address}"


def _has_password(address: str) -> bool:
    try:
        return urlsplit(address).password is not None or "password=" in address
    except ValueError:
        return True
