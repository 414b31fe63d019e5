"""Progress: a bar on a terminal, otherwise a line now and then, or nothing.

Rule of this file: all progress bars are created here. They go to standard error, and machines get
none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from ..campaign import PollProgress, Progress, RecipientState
from ..campaign.wording import duration, on_average
from ..known_sentences import retold
from ..languages import plural, say, spoken
from .campaign_views import LOOKS, Advance
from .output import Machines, Output

__all__ = ["CampaignBar", "DoneOfTotal", "bar_of", "working"]

_EVERY = {True: 1.0, False: 30.0}
"""Seconds between two progress lines without a terminal: True for machines, False for people."""
_WIDE = 80
"""Columns of a screen that has room for a long bar."""
_S = RecipientState


class DoneOfTotal(ProgressColumn):
    """A column of `bar_of`: `1,904 of 10,000`. It stays whole for counts up to `most`."""

    def __init__(self, most: int = 0) -> None:
        # A bar is drawn in a thread of its own, which speaks English.
        self._language = spoken()
        super().__init__(Column(no_wrap=True, min_width=self._said(most, most).cell_len))

    def render(self, task: Task) -> Text:
        """Return the text of the column."""
        return self._said(round(task.completed), round(task.total or 0))

    def _said(self, *counts: int) -> Text:
        done, total = map(self._language.count, counts)
        return Text(self._language.say("{done} of {total}", done=done, total=total))


def _words() -> ProgressColumn:
    """Return a column for words, in several lines if the screen is narrow."""
    return TextColumn("{task.description}", table_column=Column(overflow="fold"))


def bar_of(output: Output, *after: str | ProgressColumn, before: str = "") -> Bar:
    """Return a bar with columns before and after. It disappears when the work is done."""
    return Bar(
        *filter(None, [before]),
        BarColumn(
            bar_width=20 if output.messages.width >= _WIDE else 8,
            complete_style="cyan",
            finished_style="green",
        ),
        *after,
        console=output.messages,
        transient=True,
        disable=not output.at_terminal or isinstance(output, Machines),
    )


class Tell(Protocol):
    """Shows the part that is done, from 0 to 1 (0 if it is not known), and perhaps a few words."""

    def __call__(self, part: float, more: str = "") -> None: ...


@contextmanager
def working(output: Output, words: str) -> Iterator[Tell]:
    """Show progress while the block runs. Yields a function that updates the progress."""
    every, said_at = _EVERY[False], monotonic()
    bar = bar_of(output, "{task.fields[said]}", before="{task.description}")
    task = bar.add_task(words, total=None, said="")

    def tell(part: float, more: str = "") -> None:
        nonlocal said_at
        said = ", ".join(filter(None, (f"{part:.0%}" if part else "", more)))
        bar.update(task, total=1.0 if part else None, completed=part, said=said)
        if bar.disable and monotonic() - said_at >= every:
            said_at = monotonic()
            output.note(f"{words}: {said}")

    with bar:
        yield tell


class CampaignBar:
    """Shows the progress of a campaign with `total` recipients.

    Without a terminal, and for machines, it prints a line every `every` seconds, by default every
    second for machines and every 30 seconds for people.
    """

    def __init__(
        self, output: Output, total: int, *, before: str = "", every: float | None = None
    ) -> None:
        self._output = output
        self._total = total
        self._every = _EVERY[isinstance(output, Machines)] if every is None else every
        self._said_at = monotonic()
        self._bar = bar_of(output, DoneOfTotal(total), _words(), before=before)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> CampaignBar:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(None, None, None)

    def run(self, progress: Progress) -> None:
        """Show the progress of a run."""
        left, rate = progress.count(_S.PENDING, _S.IN_FLIGHT), progress.rate
        language = spoken()
        words = [
            f"[{look.style}]{look.symbol} {language.count(progress.count(state))}[/]"
            for state, look in LOOKS.items()
            if state in (_S.ACCEPTED, _S.REFUSED, _S.IN_DOUBT)
        ]
        if progress.waiting:
            words.append(_waiting(progress.waiting))
        else:
            words += [say("{rate}/s", rate=on_average(rate, language))] if rate else []
            words += [_left(left / rate)] if left and rate else []
        self._bar.update(
            self._task, completed=max(self._total - left, 0), description="  ".join(words)
        )
        self._say(Advance(progress))

    def poll(self, progress: PollProgress) -> None:
        """Show the progress of polling."""
        checked = plural("{number} checked", "{number} checked", progress.asked)
        said = _waiting(progress.waiting) if progress.waiting else checked
        self._bar.update(self._task, completed=progress.final, description=said)

    def _say(self, advance: Advance) -> None:
        now = monotonic()
        if not self._bar.disable or now - self._said_at < self._every:
            return
        self._said_at = now
        self._output.stream(advance)


def _left(seconds: float) -> str:
    return say("{duration} left", duration=duration(seconds, spoken()))


def _waiting(why: str) -> str:
    return f"[yellow]{retold(why).replace('[', '(')}[/]"
