"""The two kinds of output: text for people, JSON for machines.

Rule of this file: only results go to standard output; notes, warnings and progress go to standard
error. Errors go to standard error for people, and to standard output, as JSON, for machines.
`views.py` defines the look of each result.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ..campaign.wording import NO_REASON, complaints
from ..errors import PlainHttpWarning
from ..known_sentences import retold
from ..languages import plural, say
from ..privacy import redact_http_logs
from .exits import Exit, ExitRow, Interrupted, NobodyReads, exit_of, hint_of
from .streams import Stream
from .views import WIDEST, as_json, in_doubt_document, printable, view_of

__all__ = ["Machines", "Output", "People"]

_LEVELS = (logging.WARNING, logging.DEBUG)
_SHOWN_OF_A_KIND = 3
"""The number of equal warnings shown without `-v`: as many as the repeats of one call."""
_HTTP_LIBRARIES = 2
"""The number of `-v` that also shows the logs of the HTTP libraries."""


class Output(ABC):
    """The output of a command. `stage` shows steps on the way to a result, to people only.

    `addressed` holds the destinations of a send: all are in doubt if the send ends in doubt.
    `goes_on` keeps the command running if its results cannot be written any more, because it does
    more than show them.
    """

    def __init__(self, verbosity: int = 0, *, goes_on: bool = False) -> None:
        self.verbosity = verbosity
        self.addressed: tuple[str, ...] = ()
        self.language: str = "en"
        """The language of the reader. Text for people is in it; JSON and logs are in English."""
        self.interrupted: Callable[[], Interrupted] = Interrupted
        """Creates the error for a signal. A command that starts to send sets another error."""
        self._goes_on = goes_on
        self._ended: int | None = None
        self._unread: NobodyReads | None = None
        self._out = Stream(sys.stdout, self._lost)
        err: Any = Stream(sys.stderr, lambda _: None)
        out: Any = self._out
        # Lines of a pipe are not wrapped: programs read them, and rich would assume 80 columns.
        wide = None if out.isatty() or os.environ.get("COLUMNS") else WIDEST
        self.results: Console = Console(file=out, highlight=False, width=wide)
        self.messages: Console = Console(file=err, stderr=True, highlight=False)
        self.at_terminal: bool = err.isatty() and self.messages.is_interactive
        """Whether messages go to a terminal.

        With FORCE_COLOR, rich would treat a log file as one.
        """
        self.stage: Console = self.results

    def _lost(self, error: OSError) -> None:
        self._unread = NobodyReads(error)
        if not self._goes_on:
            raise self._unread

    def end(self, error: Exception | None, code: int, *, sends: bool) -> int:
        """Show how the command ended, with an error or this exit code, and return the exit code.

        Only the first call counts: a later call shows nothing and returns the first exit code.
        """
        if self._ended is None:
            # Set before it is shown, because a signal may interrupt the output.
            self._ended = code if error is None else exit_of(error).code
            self._ended = self._show_end(error, code, sends=sends)
        return self._ended

    def _show_end(self, error: Exception | None, code: int, *, sends: bool) -> int:
        # If the end cannot be written, another error would not be seen either.
        stays, self._goes_on = self._goes_on, True
        if error is not None and error is not self._unread:
            code = self.fail(error, sends=sends)
        if self._unread is None or code != Exit.DONE:
            return code
        if self._unread.closed:
            return code if stays else self._unread.code
        advice = exit_of(self._unread).next_step(sends=sends)
        self._say(say("error:"), "bold red", retold(str(self._unread)), retold(advice))
        return self._unread.code

    @abstractmethod
    def show(self, value: Any) -> None:
        """Print a result."""

    @abstractmethod
    def stream(self, value: Any) -> None:
        """Print one result of a stream of results."""

    @abstractmethod
    def listing(self, whole: Any, rows: Iterable[Any]) -> None:
        """Print a list: `whole` for people, `rows` as JSON lines for machines."""

    @abstractmethod
    def fail(self, error: BaseException, *, sends: bool = False) -> int:
        """Print an error and return the exit code. `sends`: the command sends messages."""

    def note(self, text: str, *, command: str = "") -> None:
        """Print information for the user. A command is not wrapped, so that it can be copied."""
        if not command or not self.at_terminal:
            self._say("", "", f"{text} {command}".rstrip())
            return
        self._say("", "", text)
        self.messages.print(f"  {printable(command)}", soft_wrap=True, markup=False)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._say(say("warning:"), "bold yellow", text)

    def _say(self, word: str, style: str, *lines: str) -> None:
        lines = tuple(printable(line) for line in lines if line)
        if self.at_terminal:
            table = Table.grid(padding=(0, 1, 0, 0))
            for row, line in enumerate(lines):
                table.add_row(*([Text("" if row else word, style)] if word else []), Text(line))
            self.messages.print(table)
            return
        # A log is searched with grep, so do not wrap lines.
        for row, line in enumerate(lines):
            self.messages.print(
                Text.assemble((f"{word} " if word and not row else "", style), line), soft_wrap=True
            )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Show warnings and log records of the package as single lines while the block runs."""
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

                def show(
                    message: Warning | str, category: type[Warning], *where: Any, **others: Any
                ) -> None:
                    if issubclass(category, PlainHttpWarning):
                        self.warn(retold(str(message)))
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
        # In a group: rich ignores `no_wrap` of a text alone.
        self.results.print(Group(view_of(value).people(value)), crop=False)

    def stream(self, value: Any) -> None:
        self.show(value)

    def listing(self, whole: Any, rows: Iterable[Any]) -> None:  # noqa: ARG002 - for machines
        self.show(whole)

    def fail(self, error: BaseException, *, sends: bool = False) -> int:
        ended = exit_of(error)
        self._say(
            say("error:"),
            "bold red",
            *map(retold, _sentences(error)),
            *_distinct_reasons(error),
            retold(hint_of(error)),
            retold(ended.next_step(sends=sends)),
        )
        if ended.code is Exit.FAULT and self.verbosity:
            traceback.print_exception(error)
        return ended.code


class Machines(Output):
    """JSON: one document, or one line per result of a stream."""

    def __init__(self, verbosity: int = 0, *, goes_on: bool = False) -> None:
        super().__init__(verbosity, goes_on=goes_on)
        self.stage: Console = Console(quiet=True)

    def show(self, value: Any) -> None:
        self._write(view_of(value).machines(value), indent=2)

    def stream(self, value: Any) -> None:
        self._write(view_of(value).machines(value), indent=None)

    def listing(self, whole: Any, rows: Iterable[Any]) -> None:  # noqa: ARG002 - for people
        for row in rows:
            self.stream(row)

    def fail(self, error: BaseException, *, sends: bool = False) -> int:  # noqa: ARG002 - JSON has no advice
        ended = exit_of(error)
        document = _error_document(error, ended)
        in_doubt = (
            in_doubt_document(self.addressed) if self.addressed and document["sent"] is None else {}
        )
        self._write({"error": document, **in_doubt}, indent=None)
        return ended.code

    def _write(self, document: Any, indent: int | None) -> None:
        ascii_only = self._out.encoding.lower().replace("-", "") != "utf8"
        print(
            json.dumps(document, ensure_ascii=ascii_only, indent=indent, default=as_json),
            file=self._out,
            flush=True,
        )


class _Handler(logging.Handler):
    """Sends log records to the messages, so that they do not break a progress bar.

    While the gateway does not work, each call of a campaign logs a warning. Without `-v` only the
    first few of a kind are shown, and the number of the others at the end.
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
            self._output.warn(retold(record.getMessage()))

    def close(self) -> None:
        """Show how many warnings were left out."""
        more = sum(
            count - _SHOWN_OF_A_KIND for count in self._counts.values() if count > _SHOWN_OF_A_KIND
        )
        if more:
            self._output.warn(
                plural(
                    "and {number} more warning of the same kind; -v shows all",
                    "and {number} more warnings of the same kind; -v shows all",
                    more,
                )
            )
        self._counts.clear()
        super().close()


def _sentences(error: BaseException) -> list[str]:
    """Return what is wrong, without the user's values."""
    if isinstance(error, ValidationError):
        return complaints(error)
    if isinstance(error, OSError) and error.strerror and error.filename:
        return [f"{error.filename}: {error.strerror}"]
    format_message = getattr(error, "format_message", None)
    return [format_message() if format_message else str(error) or type(error).__name__]


def _distinct_reasons(error: BaseException) -> list[str]:
    reasons: tuple[str, ...] = getattr(error, "reasons", ())
    different = len(set(reasons)) > 1
    return [
        say("destination {place}: {reason}", place=place, reason=retold(reason or NO_REASON))
        for place, reason in enumerate(reasons, start=1)
        if different
    ]


_ERROR_FIELDS = ("answer", "reason", "text", "missing", "reasons", "evidence")
"""Attributes of an error that its JSON document has, if the error has them."""


def _error_document(error: BaseException, ended: ExitRow) -> dict[str, Any]:
    known = {name: getattr(error, name) for name in _ERROR_FIELDS if hasattr(error, name)}
    return {
        "class": type(error).__name__,
        **({} if "answer" in known or "reason" in known else {"reason": ended.word}),
        **known,
        "message": "; ".join(_sentences(error)),
        "sent": getattr(error, "sent", False if ended.code is Exit.USAGE else None),
    }
