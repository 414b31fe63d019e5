"""The report of a campaign: one self-contained HTML page, for screen and paper, without a script.

Rules of this folder: the first screen is for a manager, and what is for engineers is folded. Every
sentence is in the catalogue of each language. Every word of the gateway or a user goes through
`ReportPage.said`, which escapes it and masks numbers. The size of the page does not grow with the
number of recipients. A recipient whose outcome is not known is called in doubt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import tzinfo
from os import PathLike
from pathlib import Path

from ...languages import language_called
from ..atomic_file import write_whole
from .elements import Reportable, ReportPage
from .opening import OPENING
from .sections import SECTIONS

__all__ = ["Reportable", "html_report", "write_html"]


def write_html(
    journal: Reportable,
    path: str | PathLike[str],
    *,
    show_numbers: bool = False,
    language: str = "en",
    place: str = "FILE",
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Write the report to a file that only its owner can read. The write is atomic.

    An existing web page at this path is replaced.

    Args:
        journal: the campaign or its journal.
        path: the file to write.
        show_numbers: show phone numbers in full; by default they are masked.
        language: `"en"` or `"uk"`.
        place: how the commands on the page name the campaign, quoted for a shell.
        on_progress: called with the part of the work that is done, from 0 to 1.

    Raises:
        ValueError: there is no such language.
        FileExistsError: the file exists and is not a web page.
        OSError: the file cannot be written.
        JournalError: the campaign cannot be read.
    """
    path = Path(path)
    write_whole(
        path,
        html_report(
            journal,
            show_numbers=show_numbers,
            language=language,
            place=place,
            on_progress=on_progress,
        ),
        overwrite=_is_page(path),
    )


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(15).lower() == b"<!doctype html>"


def html_report(
    journal: Reportable,
    *,
    show_numbers: bool = False,
    language: str = "en",
    place: str = "FILE",
    now: float | None = None,
    zone: tzinfo | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[str]:
    """Yield the report in pieces.

    Args:
        journal: the campaign or its journal.
        show_numbers: show phone numbers in full; by default they are masked.
        language: `"en"` or `"uk"`.
        place: how the commands on the page name the campaign, quoted for a shell.
        now: the time of the report in seconds since 1970; by default the current time.
        zone: the time zone of the report; by default the zone of this machine.
        on_progress: called with the part of the work that is done, from 0 to 1.

    Raises:
        ValueError: there is no such language.
        JournalError: the campaign cannot be read.
    """
    chosen = language_called(language)
    page = ReportPage(
        journal,
        journal.figures(),
        show_numbers,
        time.time() if now is None else now,
        zone,
        chosen,
        place,
    )
    parts = (*OPENING, *SECTIONS)
    for done, part in enumerate(parts, start=1):
        if on_progress:
            on_progress(done / (len(parts) + 1))  # the figures are the first part
        for line in part(page):
            yield f"{line}\n"
    if on_progress:
        on_progress(1.0)
