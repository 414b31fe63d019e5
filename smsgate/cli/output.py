"""Two ways to say the same: for people and for machines.

Rule of this file: only results go to standard output; notes, warnings and progress go to standard error. Errors go to
standard error for people, and are a document on standard output for machines. How a result looks is told in `views.py`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ..campaign.wording import NO_REASON, complaints
from ..errors import PlainHttpWarning
from ..privacy import redact_http_logs
from .exits import Exit, ExitRow, Interrupted, NobodyReads, exit_of, hint_of
from .streams import Stream
from .views import as_json, doubted_document, printable, view_of

__all__ = ["Machines", "Output", "People"]

_LEVELS = (logging.WARNING, logging.DEBUG)
_SHOWN_OF_A_KIND = 3
"""As many as the repeats of one call."""
_HTTP_LIBRARIES = 2
"""How often `-v` is given for what the libraries below log, too."""


class Output(ABC):
    """Where a command puts what it has to say. `stage` is for what only people want told on the way to a result.

    `addressed` is to whom a message goes: if the send ends in doubt, each of them is in doubt. `goes_on` says that the command
    goes on if nobody reads its results any more, as it does more than to show them.
    """

    def __init__(self, verbosity: int = 0, *, goes_on: bool = False) -> None:
        self.verbosity = verbosity
        self.addressed: tuple[str, ...] = ()
        self.interrupted: Callable[[], Interrupted] = Interrupted
        """Makes what is told of a signal that breaks out of the command. A command that begins to send sets another one."""
        self._goes_on = goes_on
        self._ended: int | None = None
        self._unread: NobodyReads | None = None
        self._out = Stream(sys.stdout, self._lost)
        err: Any = Stream(sys.stderr, lambda _: None)
        out: Any = self._out
        self.results: Console = Console(file=out, highlight=False)
        self.messages: Console = Console(file=err, stderr=True, highlight=False)
        self.at_terminal: bool = err.isatty() and self.messages.is_interactive
        """Somebody sits before the messages. Not asked of rich alone: there, FORCE_COLOR makes a terminal of a log file."""
        self.stage: Console = self.results

    def _lost(self, error: OSError) -> None:
        self._unread = NobodyReads(error)
        if not self._goes_on:
            raise self._unread

    def end(self, error: Exception | None, code: int, *, sends: bool) -> int:
        """Tell how the command ended, by an error or else with this exit code, and return the exit code.

        A command ends once: what a later call says is not told, and it returns the code of the first.
        """
        if self._ended is None:
            # Known before it is told: a signal may break out of the telling.
            self._ended = code if error is None else exit_of(error).code
            self._ended = self._tell_end(error, code, sends=sends)
        return self._ended

    def _tell_end(self, error: Exception | None, code: int, *, sends: bool) -> int:
        stays, self._goes_on = self._goes_on, True  # who does not hear the end has no use for another error
        if error is not None and error is not self._unread:
            code = self.fail(error, sends=sends)
        if self._unread is None or code != Exit.DONE:
            return code
        if self._unread.closed:
            return code if stays else self._unread.code
        self._say("error:", "bold red", str(self._unread), exit_of(self._unread).next_step(sends=sends))
        return self._unread.code

    @abstractmethod
    def show(self, value: Any) -> None:
        """Print a result."""

    @abstractmethod
    def stream(self, value: Any) -> None:
        """Print one of many results."""

    @abstractmethod
    def fail(self, error: BaseException, *, sends: bool = False) -> int:
        """Print an error and return the exit code. `sends` says that the command was about to send."""

    def note(self, text: str) -> None:
        """Print what is good to know."""
        self._say("", "", text)

    def warn(self, text: str) -> None:
        """Print what the user should look at."""
        self._say("warning:", "bold yellow", text)

    def _say(self, word: str, style: str, *lines: str) -> None:
        lines = tuple(printable(line) for line in lines if line)
        if self.at_terminal:
            table = Table.grid(padding=(0, 1, 0, 0))
            for row, line in enumerate(lines):
                table.add_row(*([Text("" if row else word, style)] if word else []), Text(line))
            self.messages.print(table)
            return
        # Somebody greps in it, so a line stays a line.
        for row, line in enumerate(lines):
            self.messages.print(Text.assemble((f"{word} " if word and not row else "", style), line), soft_wrap=True)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Show warnings and log records of the package as tidy lines while the block runs."""
        logger = logging.getLogger("smsgate" if self.verbosity < _HTTP_LIBRARIES else None)
        handler = _Handler(self)
        level = logger.level
        redact_http_logs()
        logger.addHandler(handler)
        logger.setLevel(_LEVELS[min(self.verbosity, 1)])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", PlainHttpWarning)
                usual = warnings.showwarning

                def show(message: Warning | str, category: type[Warning], *where: Any, **others: Any) -> None:
                    if issubclass(category, PlainHttpWarning):
                        self.warn(str(message))
                    else:
                        usual(message, category, *where, **others)

                warnings.showwarning = show
                yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            handler.close()


class People(Output):
    """Tables and colour."""

    def show(self, value: Any) -> None:
        # In a group, as rich would forget of a text alone that it is not to be broken.
        self.results.print(Group(view_of(value).people(value)), crop=False)

    def stream(self, value: Any) -> None:
        self.show(value)

    def fail(self, error: BaseException, *, sends: bool = False) -> int:
        ended = exit_of(error)
        self._say(
            "error:", "bold red", *_sentences(error), *_distinct_reasons(error), hint_of(error), ended.next_step(sends=sends)
        )
        if ended.code is Exit.FAULT and self.verbosity:
            traceback.print_exception(error)
        return ended.code


class Machines(Output):
    """JSON: one document, or one line for each of a stream of results."""

    def __init__(self, verbosity: int = 0, *, goes_on: bool = False) -> None:
        super().__init__(verbosity, goes_on=goes_on)
        self.stage: Console = Console(quiet=True)

    def show(self, value: Any) -> None:
        self._write(view_of(value).machines(value), indent=2)

    def stream(self, value: Any) -> None:
        self._write(view_of(value).machines(value), indent=None)

    def fail(self, error: BaseException, *, sends: bool = False) -> int:  # noqa: ARG002 - the document has no advice
        ended = exit_of(error)
        told = _error_document(error, ended)
        doubted = doubted_document(self.addressed) if self.addressed and told["sent"] is None else {}
        self._write({"error": told, **doubted}, indent=None)
        return ended.code

    def _write(self, document: Any, indent: int | None) -> None:
        ascii_only = self._out.encoding.lower().replace("-", "") != "utf8"
        print(json.dumps(document, ensure_ascii=ascii_only, indent=indent, default=as_json), file=self._out, flush=True)


class _Handler(logging.Handler):
    """Puts log records where the messages go, so that they do not tear a progress bar.

    While the gateway is out of order, each call of a campaign warns. Without `-v` the first few of a kind are shown, and how many
    there were stands at the end.
    """

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._counts: Counter[object] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING or self._output.verbosity:
            self._output.note(f"{record.levelname.lower()} {record.name}: {record.getMessage()}")
            return
        self._counts[record.msg] += 1
        if self._counts[record.msg] <= _SHOWN_OF_A_KIND:
            self._output.warn(record.getMessage())

    def close(self) -> None:
        """Say how many were not shown."""
        more = sum(count - _SHOWN_OF_A_KIND for count in self._counts.values() if count > _SHOWN_OF_A_KIND)
        if more:
            self._output.warn(f"and {more:,} more of the same kind; -v shows each")
        self._counts.clear()
        super().close()


def _sentences(error: BaseException) -> list[str]:
    """Return what is wrong, without a value that the user gave."""
    if isinstance(error, ValidationError):
        return complaints(error)
    if isinstance(error, OSError) and error.strerror and error.filename:
        return [f"{error.filename}: {error.strerror}"]
    format_message = getattr(error, "format_message", None)
    return [format_message() if format_message else str(error) or type(error).__name__]


def _distinct_reasons(error: BaseException) -> list[str]:
    reasons: tuple[str, ...] = getattr(error, "reasons", ())
    different = len(set(reasons)) > 1
    return [f"destination {place}: {reason or NO_REASON}" for place, reason in enumerate(reasons, start=1) if different]


_TOLD = ("answer", "reason", "text", "missing", "reasons", "evidence")
"""What an error can tell a program, where it has it."""


def _error_document(error: BaseException, ended: ExitRow) -> dict[str, Any]:
    told = {name: getattr(error, name) for name in _TOLD if hasattr(error, name)}
    return {
        "class": type(error).__name__,
        **({} if "answer" in told or "reason" in told else {"reason": ended.word}),
        **told,
        "message": "; ".join(_sentences(error)),
        "sent": getattr(error, "sent", False if ended.code is Exit.USAGE else None),
    }
