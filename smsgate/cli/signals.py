"""Signals that end a command: one table and one handler.

There are two modes. While a command blocks (imports, prompts, files), a signal raises `Signalled`
at the current line, as Ctrl-C does in any Python program. While an event loop runs, a signal calls
a reaction in the loop instead: a campaign first waits for requests in flight, and everything else
is cancelled.

Rule of this file: it imports little, and only from the standard library: it is loaded first.
A new signal is a new row of the table.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple, NoReturn

__all__ = ["SIGNALS", "Signalled", "Signals", "StopSignal"]


class StopSignal(NamedTuple):
    """One signal that ends a command.

    `insists` is the number of seconds after the last counted signal from which this signal counts
    as a second one; None if it never does. Duplicates do not count: a shell and the kernel both
    send SIGHUP when a terminal is closed, `timeout` sends SIGTERM twice, and wrappers forward a
    Ctrl-C that the terminal has already sent.
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
"""Seconds in which the end of a command is shown without interruption by a signal."""


class Signalled(KeyboardInterrupt):
    """A signal arrived while the command blocked. Code that handles Ctrl-C handles it too."""


class Signals:
    """Handles the signals of this process. `first` is the first signal received, 0 for none.

    `raised` is whether one has raised `Signalled`. In an event loop, an error that comes later may
    be its consequence.
    """

    def __init__(self) -> None:
        self.first: int = 0
        self.raised: bool = False
        self._reactions: list[Callable[[], object]] = []
        self._counted_at = 0.0
        self._telling_until = 0.0
        self._settled = False

    def listen(self, *, serving: bool = False) -> None:
        """Install the handler.

        A signal that was ignored when this process started stays ignored (`nohup`, a background job
        of a script), except if `serving`: only a signal ends a server.
        """
        for number in _ROWS:
            if signal.getsignal(number) is not signal.SIG_IGN or (
                serving and number != getattr(signal, "SIGHUP", None)
            ):
                signal.signal(number, self._hear)

    def pipes_end(self, *, it: bool) -> None:
        """Set whether writing to a closed pipe ends this process.

        It does while arguments are parsed and help is shown. It must not during a command, because
        a command also writes to sockets.
        """
        if _PIPE is not None:
            signal.signal(_PIPE, signal.SIG_DFL if it else signal.SIG_IGN)

    @contextmanager
    def reacting(self, reaction: Callable[[], object]) -> Iterator[None]:
        """Call `reaction` on a signal while the block runs, instead of raising.

        The reaction is called once and must only schedule work. In nested blocks, the first signal
        calls the innermost reaction and the next counted signal the one around it. When none is
        left, a signal raises.
        """
        depth = len(self._reactions)
        self._reactions.append(reaction)
        try:
            yield
        finally:
            del self._reactions[depth:]

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Raise on a signal while the block runs, because reading a line blocks the event loop."""
        kept, self._reactions = self._reactions, []
        try:
            yield
        finally:
            self._reactions = kept

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Ignore signals while the block shows how a command ended, but for one second at most."""
        self._telling_until = monotonic() + _TELLING
        try:
            yield
        finally:
            self._telling_until = 0.0

    def settled(self) -> None:
        """Let a signal end the process immediately, because the end has been shown.

        After a first signal, only a counted second one does. Any other signal would change the exit
        code that the first one decided.
        """
        self._settled = True
        for number, row in _ROWS.items():
            if signal.getsignal(number) != self._hear:
                continue
            if not self.first:
                signal.signal(number, signal.SIG_DFL)
            elif row.insists is None:
                signal.signal(number, signal.SIG_IGN)

    def give_up(self) -> NoReturn:
        """Raise `Signalled`.

        As a callback of an event loop, this ends the loop between two steps of its tasks. Raised by
        the signal itself, it could come in the middle of one, such as the exit of a cancel scope,
        after which nothing can be relied upon: tasks that never end, for one.
        """
        self.raised = True
        raise Signalled

    @property
    def code(self) -> int:
        """The exit code of a command that the first signal ended."""
        return 128 + (self.first or int(signal.SIGINT))

    @property
    def said(self) -> str:
        """The first signal in words."""
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
            self.give_up()
        self._reactions.pop()()


SIGNALS = Signals()
"""The only instance, because a process has one table of signal handlers."""
