"""The look of each result: a table for people, a JSON document for machines.

Rule of this file: a new result is a new row of `VIEWS`. Numbers are masked on the screen unless the
user asks for them, and are full in JSON, which is the user's own data. No message text is shown.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..campaign.wording import NO_REASON
from ..errors import Outcome, ReplyEvidence
from ..known_sentences import retold
from ..languages import say, translatable
from ..privacy import mask_number, mask_numbers
from ..protocol.answers import DeliveryState
from ..protocol.models import DeliveryStatus, RecipientResult, SendResult
from ..protocol.rewriting import Savings
from ..protocol.rewriting import savings as savings_of_text
from ..protocol.segments import Segments
from .rewriting_options import saving_lines, savings_document

__all__ = [
    "OUTCOMES",
    "VIEWS",
    "WIDEST",
    "Balance",
    "Look",
    "NewMessages",
    "Pairs",
    "Sent",
    "Statuses",
    "TextSize",
    "View",
    "as_json",
    "in_doubt_document",
    "pairs",
    "printable",
    "state_look",
    "table",
    "unbroken",
    "view_of",
]


class Look(NamedTuple):
    """A word with a symbol and a colour, so that colour is never the only sign.

    The word is English, and in the catalogue. `more` follows it as it is.
    """

    symbol: str
    style: str
    word: str
    more: str = ""

    def text(self) -> Text:
        """Return the symbol and the word for the screen."""
        return Text(f"{self.symbol} {say(self.word)}{self.more}", self.style)


OUTCOMES: dict[Outcome, Look] = {
    Outcome.ACCEPTED: Look("✓", "green", "accepted"),
    Outcome.REFUSED: Look("✗", "red", "refused"),
    Outcome.IN_DOUBT: Look("?", "yellow", "in doubt"),
}

_PRINTED = "\n\u00a0"
"""Characters that Python does not count as printable, but that a terminal shows as they are."""
_CHARACTERS_SHOWN = 12
WIDEST: int = 10_000
"""More characters than any screen has in a line."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of a send."""

    result: SendResult
    show_numbers: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of the account."""

    credits: Decimal


@dataclass(frozen=True, slots=True)
class Statuses:
    """The delivery status of several messages."""

    statuses: tuple[DeliveryStatus, ...]


@dataclass(frozen=True, slots=True)
class NewMessages:
    """Ids of messages whose delivery status the gateway does not know yet."""

    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextSize:
    """The size of a text, and what rewriting it would save.

    `counts` is how often each character that forced UCS-2 occurs.
    """

    segments: Segments
    counts: Counter[str]
    savings: Savings

    @classmethod
    def of(cls, text: str, counted: Segments) -> TextSize:
        """Count the characters of a text."""
        forced = frozenset(counted.forced_by)
        return cls(
            counted,
            Counter(character for character in text if character in forced),
            savings_of_text(text),
        )


class View(NamedTuple):
    """The two ways to show a result."""

    people: Callable[[Any], RenderableType]
    machines: Callable[[Any], dict[str, Any]]


def view_of(value: Any) -> View:
    """Return the views of a result."""
    return VIEWS[type(value)]


def as_json(value: Any) -> Any:
    """Return a JSON value for a value that JSON does not support."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, ReplyEvidence):
        return {"status": value.status, "size": value.size, "ids": value.ids}
    return str(value)


def printable(text: str) -> str:
    """Return the text without terminal control characters, as some text is from the network."""
    return "".join(
        character if character.isprintable() or character in _PRINTED else "\ufffd"
        for character in text
    )


def unbroken(*parts: str | Text | tuple[str, str]) -> Text:
    """Return a line that is not wrapped, so that a user can copy it whole from the terminal."""
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")


class Rows:
    """A table whose last column wraps only between words, so that a user can copy an id whole.

    On a screen that is too narrow, the last cell of each row is below the others.
    """

    def __init__(self, *columns: str) -> None:
        self._columns = columns
        self._rows: list[tuple[Text, ...]] = []

    def add_row(self, *cells: Text | str) -> None:
        """Add a row with a cell for each column."""
        self._rows.append(tuple(cell if isinstance(cell, Text) else Text(cell) for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrowest = [
            (*first, Text(max(last.plain.split(), key=cell_len, default="")))
            for *first, last in self._rows
        ]
        if (
            console.measure(self._grid(narrowest), options=options.update(max_width=WIDEST)).maximum
            <= options.max_width
        ):
            yield self._grid(self._rows)
            return
        widths = [max(map(cell_len, column)) for column in self._plain()]
        for *first, last in self._rows:
            yield unbroken(Text("  ").join(map(_padded, first, widths, self._columns)))
            longest = max(map(cell_len, last.plain.split()), default=0)
            yield (
                Padding(last, (0, 0, 0, 2), expand=False)
                if longest <= options.max_width - 2
                else unbroken(last)
            )

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return how wide this is. Without it, what is around it fills each line with spaces."""
        return console.measure(self._grid(self._rows), options=options)

    def _plain(self) -> list[list[str]]:
        """Return the cells of each column but the last, as plain text."""
        return [[row[place].plain for row in self._rows] for place in range(len(self._columns) - 1)]

    def _grid(self, rows: Sequence[tuple[Text, ...]]) -> Table:
        grid = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
        for place, column in enumerate(self._columns, start=1):
            justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
            grid.add_column(
                column.removeprefix(">"), justify=justify, no_wrap=place < len(self._columns)
            )
        for row in rows:
            grid.add_row(*row)
        return grid


def _padded(cell: Text, width: int, column: str) -> Text:
    space = " " * (width - cell.cell_len)
    return Text.assemble(space, cell) if column.startswith(">") else Text.assemble(cell, space)


def table(*columns: str) -> Rows:
    """Return an empty table. A column whose name starts with `>` is aligned to the right."""
    return Rows(*columns)


class Pairs:
    """Names and values. A value that is too long for its line goes on below its beginning."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(map(cell_len, self._rows)) + 2
        room = options.max_width - width
        for name, value in self._rows.items():
            label = Text(name.ljust(width), "dim")
            if max(map(cell_len, value.split()), default=0) > room:
                yield Text.assemble(label, value)  # it has a word that a user can copy whole
                continue
            for line in Text(value).wrap(console, room):
                line.rstrip()
                yield Text.assemble(label, line)
                label = Text(" " * width)


def pairs(rows: Mapping[str, str]) -> RenderableType:
    """Return names and values, one pair per line."""
    return Pairs(rows)


# --- send -----------------------------------------------------------------------------------------


def _sent_table(sent: Sent) -> RenderableType:
    made = table(say("destination"), say("outcome"), say("id or reason"))
    for recipient in sent.result.recipients:
        number, reason = (
            recipient.destination,
            recipient.message_id or retold(recipient.reason) or _unexplained(recipient),
        )
        if not sent.show_numbers:
            number, reason = mask_number(number), recipient.message_id or mask_numbers(reason)
        made.add_row(
            Text(number),
            OUTCOMES[recipient.outcome].text(),
            Text(printable(" ".join(reason.split()))),
        )
    return made


def _unexplained(recipient: RecipientResult) -> str:
    refused = recipient.outcome is Outcome.REFUSED
    return say(NO_REASON if refused else translatable("the answer does not say"))


def _sent_document(sent: Sent) -> dict[str, Any]:
    result = sent.result
    return {
        **_recipients_document(result.recipients),
        "answers": [
            {"answer": said.answer, "text": said.text, "missing": said.missing}
            for said in result.answers
        ],
    }


def in_doubt_document(destinations: Sequence[str]) -> dict[str, Any]:
    """Return the document of a send whose recipients are all in doubt."""
    return _recipients_document(
        [RecipientResult(destination=one, outcome=Outcome.IN_DOUBT) for one in destinations]
    )


def _recipients_document(recipients: Sequence[RecipientResult]) -> dict[str, Any]:
    outcomes = Counter(recipient.outcome for recipient in recipients)
    return {
        "recipients": [
            {
                "destination": recipient.destination,
                "outcome": recipient.outcome,
                "message_id": recipient.message_id,
                "answer": recipient.answer,
                "reason": recipient.reason or None,
            }
            for recipient in recipients
        ],
        "accepted": outcomes[Outcome.ACCEPTED],
        "refused": outcomes[Outcome.REFUSED],
        "in_doubt": outcomes[Outcome.IN_DOUBT],
    }


# --- delivery status ------------------------------------------------------------------------------

_STATES: dict[DeliveryState, tuple[str, str]] = {
    DeliveryState.DELIVERED: ("✓", "green"),
    DeliveryState.UNKNOWN: ("?", "yellow"),
    DeliveryState.UNRECOGNISED: ("?", "yellow"),
}
_BY_FINALITY = {True: ("✗", "red"), False: ("·", "cyan")}


def state_look(status: DeliveryStatus) -> Look:
    """Return the look of a delivery status, with the gateway's own words if it is unrecognised."""
    symbol, style = _STATES.get(status.state, _BY_FINALITY[status.final])
    words = (
        f": {printable(mask_numbers(status.text))}"
        if status.state is DeliveryState.UNRECOGNISED
        else ""
    )
    return Look(symbol, style, status.state, words)


def _status_line(status: DeliveryStatus) -> RenderableType:
    now = datetime.now().astimezone()
    return unbroken(
        (f"{now:%H:%M:%S}", "dim"), f"  {status.message_id}  ", state_look(status).text()
    )


def _status_table(value: Statuses) -> RenderableType:
    made = table("id", "delivery status")
    for status in value.statuses:
        made.add_row(status.message_id, state_look(status).text())
    return made


def _status_document(status: DeliveryStatus) -> dict[str, Any]:
    return {
        "message_id": status.message_id,
        "state": status.state,
        "text": status.text,
        "final": status.final,
        "delivered": status.delivered,
    }


# --- segments -------------------------------------------------------------------------------------


def _name(character: str) -> str:
    # The tab is the only character without a name that a text may have.
    return unicodedata.name(character, "CHARACTER TABULATION" if character == "\t" else "no name")


def _glyph(character: str) -> str:
    """Return the character for a table: an accent on a circle, "" if it is not printable."""
    if unicodedata.category(character).startswith("M"):
        return f"◌{character}"
    return character if character.isprintable() else ""


def _size_table(size: TextSize) -> RenderableType:
    counted = size.segments
    measures = pairs(
        {
            "alphabet": str(counted.alphabet),
            "parts": f"{counted.parts}",
            "units": f"{counted.units} used, {counted.free} free in the last part",
        }
    )
    if not size.counts:
        return measures
    made = table("", "forced UCS-2", "code point", ">times")
    for character, times in list(size.counts.items())[:_CHARACTERS_SHOWN]:
        made.add_row(
            Text(_glyph(character)), _name(character), f"U+{ord(character):04X}", f"{times}"
        )
    rest = len(size.counts) - _CHARACTERS_SHOWN
    more = [Text(f"and {rest} more; --json lists all characters", "dim")] if rest > 0 else []
    saving = [Text(line) for line in saving_lines(size.savings, counted.parts)]
    return Group(measures, Text(), made, *more, *([Text(), *saving] if saving else []))


def _size_document(size: TextSize) -> dict[str, Any]:
    counted = size.segments
    return {
        "alphabet": counted.alphabet,
        "parts": counted.parts,
        "units": counted.units,
        "free": counted.free,
        "forced_by": [
            {
                "character": character,
                "name": _name(character),
                "code_point": f"U+{ord(character):04X}",
                "times": times,
            }
            for character, times in size.counts.items()
        ],
        "savings": savings_document(size.savings),
    }


# --- the table ------------------------------------------------------------------------------------

VIEWS: dict[type, View] = {
    Sent: View(_sent_table, _sent_document),
    Balance: View(
        lambda balance: Text.assemble((f"{balance.credits:,f}", "bold"), " credits"),
        lambda balance: {"credits": balance.credits},
    ),
    Statuses: View(
        _status_table,
        lambda value: {"messages": [_status_document(status) for status in value.statuses]},
    ),
    DeliveryStatus: View(_status_line, _status_document),
    NewMessages: View(
        lambda new: Group(*map(unbroken, new.message_ids)),
        lambda new: {"message_ids": new.message_ids},
    ),
    TextSize: View(_size_table, _size_document),
}
