"""What a session and an outbox need of a stop list, and the check before a send.

Rule of this file: no error names a number, only how many are listed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol, cast

from .errors import OnStopList
from .privacy import sealed

__all__ = ["StopCheck", "check_not_listed", "checked_stop_list"]


class StopCheck(Protocol):
    """A stop list that numbers can be looked up in, such as `smsgate.stop_list.StopList`."""

    async def listed(self, numbers: Sequence[str]) -> Collection[str]:
        """Return those of the numbers, `+` and digits each, that are on the list.

        Any error that this raises ends the send before anything leaves.
        """
        ...


def checked_stop_list(given: Any) -> StopCheck | None:
    """Return a stop list that was given, None if none was.

    Raises:
        ValueError: it is not a stop list, for example a path.
    """
    if given is not None and not callable(getattr(given, "listed", None)):
        raise ValueError(
            "stop_list: must be an object with `async def listed(numbers)`, such as an open"
            " `smsgate.stop_list.StopList`"
        )
    return cast("StopCheck | None", given)


@sealed
async def check_not_listed(stop_list: StopCheck, numbers: Sequence[str]) -> None:
    """Raise `OnStopList` if one of the numbers is on the list."""
    found = frozenset(await stop_list.listed(numbers))
    if not found:
        return
    positions = tuple(place for place, number in enumerate(numbers) if number in found)
    listed = len(positions)
    if len(numbers) == 1:
        raise OnStopList
    verb = "is" if listed == 1 else "are"
    raise OnStopList(
        f"{listed} of {len(numbers)} numbers {verb} on the stop list; nothing was sent",
        listed=listed,
        positions=positions,
    )
