"""A process that claims recipients and is killed, and a bug to plant in its claim.

A child process imports this module by its name, so it is no test module.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

from smsgate.campaign.stopping import open_stop_list
from smsgate.ledger.records import Claim
from smsgate.ledger.sqlite.journal import SqliteJournal
from smsgate.ledger.stop_numbers import Stops


class CheckedAfterwards(SqliteJournal):
    """The stop list is read after the commit of the claim."""

    def claim(self, *given: Any, stops: Stops | None = None, **more: Any) -> Claim | None:
        claim = super().claim(*given, **more)
        if claim is not None and stops is not None:
            stops.listed([number for _, number in claim.recipients])
        return claim


BUGS: dict[str, type[SqliteJournal]] = {"": SqliteJournal, "checked late": CheckedAfterwards}


def die_in_flight(path: str, stop_list: str, bug: str) -> None:
    """Claim recipients and die."""
    journal = BUGS[bug].open(Path(path))
    with closing(open_stop_list(stop_list)) as opened:
        assert journal.claim(journal.start_run(), 6, stops=Stops([opened]))
        os.kill(os.getpid(), 9)
