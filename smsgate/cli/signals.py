"""Signals that end a command: one table, and the one handler that hears them.

Two modes. While a command blocks (imports, prompts, files), a signal raises `Signalled` where the program stands, as Ctrl-C
does in any Python program. While an event loop runs, a signal calls a reaction in the loop instead, so that nothing is torn in
the middle: a campaign first waits for what is under way, everything else is cancelled.

Rule of this file: the standard library only, and little of it, since it is loaded first. A new signal is a new row.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

__all__ = ["SIGNALS", "Signalled", "Signals", "StopSignal"]


class StopSignal(NamedTuple):
    """One signal that ends a command.

    `insists` is how many seconds after the last signal that counted it counts as a further one; None if it never does. A shell
    and the kernel both send SIGHUP when a terminal is closed, `timeout` sends SIGTERM twice, and wrappers pass on a Ctrl-C that
    the terminal sent already: that is nobody who insists.
    """

    name: str
    said: str
    insists: float | None


_TABLE = (
    StopSignal("SIGINT", "interrupted by Ctrl-C", 0.3),
    StopSignal("SIGTERM", "ended by SIGTERM", 1.0),
    StopSignal("SIGHUP", "the terminal was closed (SIGHUP)", None),
)
_ROWS = {int(getattr(signal, row.name)): row for row in _TABLE if hasattr(signal, row.name)}
_PIPE = getattr(signal, "SIGPIPE", None)
_TELLING = 1.0
"""Seconds in which an ending is told, unless nobody reads it."""


class Signalled(KeyboardInterrupt):
    """A signal arrived while the command blocked. Whatever handles Ctrl-C properly handles this one, too."""


class Signals:
    """Hears the signals of this process. `first` is the number of the first one that was heard, 0 for none."""

    def __init__(self) -> None:
        self.first: int = 0
        self._reactions: list[Callable[[], object]] = []
        self._counted_at = 0.0
        self._telling_until = 0.0
        self._settled = False

    def listen(self, *, serving: bool = False) -> None:
        """Hear the signals from now on.

        A signal that this process was started to ignore stays ignored (`nohup`, a background job of a script), except while
        `serving`: a server has no other end than a signal.
        """
        for number in _ROWS:
            if signal.getsignal(number) is not signal.SIG_IGN or (serving and number != getattr(signal, "SIGHUP", None)):
                signal.signal(number, self._hear)

    def pipes_end(self, *, it: bool) -> None:
        """Say whether writing to a pipe that nobody reads ends this process.

        It does while the arguments are parsed and help is shown. It must not when a command works: a socket is written to, too.
        """
        if _PIPE is not None:
            signal.signal(_PIPE, signal.SIG_DFL if it else signal.SIG_IGN)

    @contextmanager
    def reacting(self, reaction: Callable[[], object]) -> Iterator[None]:
        """Call `reaction` on a signal while the block runs, in place of raising. It is called once, and must only schedule.

        Where blocks are nested, the first signal calls the innermost reaction, the next signal that insists the one around it,
        and when none is left, a signal raises.
        """
        depth = len(self._reactions)
        self._reactions.append(reaction)
        try:
            yield
        finally:
            del self._reactions[depth:]

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Raise on a signal while the block runs: it waits for a line, and an event loop would hear the signal too late."""
        kept, self._reactions = self._reactions, []
        try:
            yield
        finally:
            self._reactions = kept

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Let no signal break into the block, which tells how a command ended. One that comes late does: perhaps nobody reads."""
        self._telling_until = monotonic() + _TELLING
        try:
            yield
        finally:
            self._telling_until = 0.0

    def settled(self) -> None:
        """Let a signal end the process at once: everything is told.

        After a first signal, only one that insists does. Any other would change the exit code that the first one decided.
        """
        self._settled = True
        for number, row in _ROWS.items():
            if signal.getsignal(number) != self._hear:
                continue
            if not self.first:
                signal.signal(number, signal.SIG_DFL)
            elif row.insists is None:
                signal.signal(number, signal.SIG_IGN)

    @property
    def code(self) -> int:
        """The exit code of a command that the first signal ended."""
        return 128 + (self.first or int(signal.SIGINT))

    @property
    def said(self) -> str:
        """What the first signal means, in words."""
        return _ROWS[self.first or int(signal.SIGINT)].said

    def _hear(self, number: int, _frame: object) -> None:
        now = monotonic()
        if now < self._telling_until:
            return
        if self.first:
            insists = _ROWS[number].insists
            if insists is None or now - self._counted_at < insists:
                return
        self._counted_at = now
        if self._settled:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.first = self.first or number
        if not self._reactions:
            raise Signalled
        self._reactions.pop()()


SIGNALS = Signals()
"""The signals of this process; there is one table of handlers in a process, so there is one of these."""
