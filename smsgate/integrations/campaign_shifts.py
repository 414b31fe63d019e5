"""Shifts on campaigns in PostgreSQL: one call of a runner, until there is nothing to send now.

Rule of this file: it decides nothing. The campaign in the database says whether it may be sent, and
its claims make shifts safe on many machines at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
import anyio.to_thread

from ..campaign import Campaign, Progress, Runner, running_campaigns
from ..session import AsyncSession

__all__ = ["CampaignShifts"]

_LOOK = 0.2
"""Seconds between two looks whether to stop."""


class CampaignShifts:
    """The shifts of this process, at most one for each campaign.

    Args:
        address: the address of the database.
        session: returns the open session.
        stop: once it returns True, the shifts end gently.
    """

    def __init__(
        self, address: str, session: Callable[[], AsyncSession], stop: Callable[[], bool]
    ) -> None:
        self._address = address
        self._session = session
        self._stop = stop
        self._names: set[str] = set()

    async def names(self) -> list[str]:
        """Return the campaigns that need a shift. Raises `LedgerError`."""
        return await anyio.to_thread.run_sync(running_campaigns, self._address)

    async def shift(self, name: str) -> None:
        """Send a campaign until nobody is pending, it is paused, or its hours are over.

        A shift does not wait for the hours of a campaign: the others would wait behind it.

        Raises:
            LedgerError: the database failed.
        """
        if name in self._names:
            return
        self._names.add(name)
        try:
            await self._run(name)
        finally:
            self._names.discard(name)

    async def _run(self, name: str) -> None:
        opened, campaign = await anyio.to_thread.run_sync(self._open, name)
        try:
            # Looked at before the runner begins, which records each of its runs.
            window = await anyio.to_thread.run_sync(lambda: campaign.sending_window)
            if window.wait(time.time()):
                return

            def progress(made: Progress) -> None:
                if made.closed:
                    runner.stop()

            runner = campaign.runner(self._session(), on_progress=progress)
            async with anyio.create_task_group() as group:
                group.start_soon(self._stopping, runner)
                await runner.run()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(opened.__exit__, None, None, None)

    def _open(self, name: str) -> tuple[Campaign, Campaign]:
        opened = Campaign.open(name, database=self._address)
        return opened, opened.__enter__()

    async def _stopping(self, runner: Runner) -> None:
        while not self._stop():  # noqa: ASYNC110 - a user's function may say it
            await anyio.sleep(_LOOK)
        runner.stop()
