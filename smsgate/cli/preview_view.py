"""Messages as a phone shows them, with the borders between their parts.

Rule of this file: as in `views.py`. The parts are those of the whole text; then the recipient's own
number is masked, digit for digit, unless the user asks for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from ..campaign import Sample
from ..campaign.wording import character_names
from ..languages import plural, say, spoken
from ..privacy import mask_number
from ..protocol.segments import Alphabet, Segments, segments
from .views import VIEWS, View, printable

__all__ = ["Previewed"]

_WIDEST = 46
"""The columns of a bubble at most: about as many as a phone has."""
_FEW = 5
"""So many Cyrillic letters in a text of Latin ones are probably a mistake, so they are marked."""
_HIDDEN = re.compile("[0-9](?=(?:[^0-9]*[0-9]){4})")
"""A digit that at least four other digits follow."""
_OWN = 9
"""The digits that a number has in each format of its country."""
_BETWEEN = r"[ \-()\u00a0]{0,2}"


@dataclass(frozen=True, slots=True)
class Previewed:
    """Messages to some recipients of a campaign."""

    samples: tuple[Sample, ...]
    show_numbers: bool


def _shown_parts(sample: Sample, counted: Segments, *, show_numbers: bool) -> list[str]:
    """Return the parts of a text, in which the recipient's own number is masked."""
    whole = "".join(counted.texts)
    if not show_numbers:
        digits = _BETWEEN.join(sample.number[-_OWN:])
        whole = re.sub(
            rf"(?:[0-9]{_BETWEEN})*{digits}",
            lambda found: _HIDDEN.sub("*", found[0]),
            whole,
        )
    parts, start = [], 0
    for part in counted.texts:
        parts.append(whole[start : start + len(part)])
        start += len(part)
    return parts


def _marked_ones(counted: Segments) -> frozenset[str]:
    """Return the characters to mark. Not Cyrillic letters, if the whole text is Cyrillic."""
    cyrillic = frozenset(
        one for one in counted.forced_by if unicodedata.name(one, "").startswith("CYRILLIC")
    )
    count = sum(one in cyrillic for text in counted.texts for one in text)
    return frozenset(counted.forced_by) - (cyrillic if count > _FEW else frozenset())


class Bubble:
    """A message. On a screen without colours, marked characters stand in angle brackets."""

    def __init__(self, parts: Iterable[str], marked: frozenset[str]) -> None:
        self._parts = tuple(parts)
        self._marked = marked

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        coloured = console.color_system is not None and not console.no_color
        rows: list[RenderableType] = []
        for number, part in enumerate(self._parts, start=1):
            if len(self._parts) > 1:
                said = say("part {number} of {all}", number=number, all=len(self._parts))
                rows.append(Rule(said, style="dim"))
            row = Text()
            for one in part:
                if one not in self._marked:
                    row.append(printable(one))
                elif coloured:
                    row.append(_visible(one), "black on yellow")
                else:
                    row.append(f"\u27e8{_visible(one)}\u27e9")
            rows.append(row)
        width = min(options.max_width, _WIDEST)
        yield Panel(Group(*rows), box=box.ROUNDED, width=width, border_style="dim")


def _visible(character: str) -> str:
    """Return the character, or its code point if a screen shows nothing for it."""
    shown = character.isprintable() and unicodedata.category(character)[0] not in "MZ"
    return character if shown else f"U+{ord(character):04X}"


def _previewed_screen(previewed: Previewed) -> RenderableType:
    blocks: list[RenderableType] = []
    for sample in previewed.samples:
        number = sample.number if previewed.show_numbers else mask_number(sample.number)
        content = sample.text
        head = say(
            "line {line}: {recipient}, from {sender}",
            line=spoken().count(sample.line),
            recipient=number,
            sender=printable(content.sender),
        )
        blocks.append(Text(head))
        if content.text is not None:
            counted = segments(content.text)
            shown = _shown_parts(sample, counted, show_numbers=previewed.show_numbers)
            blocks += [Bubble(shown, _marked_ones(counted)), Text(_size(counted), "dim")]
            if counted.alphabet is Alphabet.UCS_2:
                names = character_names("".join(counted.forced_by), language=spoken())
                forced = say("UCS-2 is forced by {characters}", characters=", ".join(names))
                blocks.append(Text(printable(forced), "dim"))
        if content.wappush is not None:
            blocks.append(Text(say("WAP push: {address}", address=printable(content.wappush))))
        blocks.append(Text())
    return Group(*blocks[:-1])


def _size(counted: Segments) -> str:
    return plural(
        "{parts}, {alphabet}: {number} unit, {free} free in the last part",
        "{parts}, {alphabet}: {number} units, {free} free in the last part",
        counted.units,
        parts=plural("{number} part", "{number} parts", counted.parts),
        alphabet=counted.alphabet,
        free=counted.free,
    )


def _previewed_document(previewed: Previewed) -> dict[str, Any]:
    return {"messages": [_message(one, previewed.show_numbers) for one in previewed.samples]}


def _message(sample: Sample, show_numbers: bool) -> dict[str, Any]:
    counted = None if sample.text.text is None else segments(sample.text.text)
    return {
        "line": sample.line,
        "destination": sample.number if show_numbers else mask_number(sample.number),
        "sender": sample.text.sender,
        "wappush": sample.text.wappush,
        "parts": sample.text.parts,
        "texts": []
        if counted is None
        else _shown_parts(sample, counted, show_numbers=show_numbers),
        "alphabet": None if counted is None else counted.alphabet,
        "forced_by": [] if counted is None else list(counted.forced_by),
    }


VIEWS[Previewed] = View(_previewed_screen, _previewed_document)
