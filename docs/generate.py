"""Generate the pages and pictures that are drawn from the code.

They are made at each build and never committed. Rule of this file: every fact comes
from the package. This file only adds tables, headings and lines between boxes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from html import escape
from math import hypot
from pathlib import Path
from types import ModuleType
from typing import Any

import typer.main
from floors import ROOMS, below, floor_of
from pydantic import BaseModel

import smsgate
import smsgate.campaign
import smsgate.doctor
import smsgate.integrations.aiohttp
import smsgate.integrations.fastapi
import smsgate.integrations.otel
import smsgate.integrations.procrastinate
import smsgate.outbox
import smsgate.sandbox
import smsgate.settings
import smsgate.stop_list
import smsgate.testing
from smsgate.campaign import TRANSITIONS, Transition
from smsgate.cli.app import app
from smsgate.cli.exits import Exit
from smsgate.errors import OUTCOMES, ReplyEvidence
from smsgate.ledger.states import ENTRIES, RecipientState
from smsgate.protocol.answers import ANSWERS, STATUSES, Answer, AnswerRow
from smsgate.protocol.reply import Reply, read_send
from smsgate.sandbox import FAULTS, MAGIC, MagicNumber
from smsgate.sandbox.api import REQUESTS
from smsgate.sandbox.api_contract import EXAMPLES, PARAMETERS
from smsgate.sandbox.sentences import say, say_state

__all__ = ["states", "write"]


def write(folder: Path) -> None:
    """Write every generated page and picture into this folder."""
    folder.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        content = make()
        path = folder / name
        if (
            not path.exists() or path.read_text("utf-8") != content
        ):  # Sphinx does not rebuild an unchanged page
            path.write_text(content, "utf-8")


def sandbox_api() -> str:
    """Return the page of the sandbox's JSON API: parameters, body and reply of each request."""
    lines = [
        "# The JSON API of the sandbox",
        "",
        "The sandbox serves this contract as OpenAPI 3.1 at `GET /sandbox/openapi.json`.",
        "A request that fails gets the status 400 or 404 and an error:",
        *_example("Error"),
    ]
    for row in REQUESTS:
        lines += ["", f"## {row.method} {row.path}", "", f"{row.summary}."]
        if row.query:
            meanings = [(f"`{name}`", PARAMETERS[name][1]) for name in row.query]
            lines += ["", _table(("parameter", "meaning"), meanings)]
        if row.body:
            lines += ["", "Body:", *_example(row.body)]
        lines += ["", "Reply:", *_example(row.reply)]
    return "\n".join(lines) + "\n"


def _example(name: str) -> list[str]:
    return ["", "```json", json.dumps(EXAMPLES[name], ensure_ascii=False, indent=2), "```"]


# --- tables ---------------------------------------------------------------------------------------


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    cells = [list(head)]
    cells += [["---"] * len(cells[0]), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def _api(name: str) -> str:
    return f"{{py:class}}`~smsgate.{name}`"


def sentences() -> str:
    """Return the page of the gateway's sentences and their meaning."""

    def becomes(row: AnswerRow) -> str:
        if row.error:
            return _api(row.error.__name__)
        return {
            Answer.AUTHORISED: "success",
            Answer.SENT: "success",
            Answer.PARTLY_SENT: "a result: a number without an id in its slot is refused",
        }.get(row.meaning, f"{_api('InDoubt')}, for numbers without an id in their slot")

    def filled(sentence: str) -> str:
        return re.sub(r"\{(\w+)\}", r"*\1*", sentence)

    answers = [
        (filled(row.sentence), f"`{row.meaning.name}`", becomes(row), row.note) for row in ANSWERS
    ]
    statuses = [
        (row.sentence, f"`{row.state.name}`", "yes" if row.final else "no", row.note)
        for row in STATUSES
    ]
    return f"""# Sentences of the gateway

This page lists every sentence of the gateway that smsgate knows. The gateway has no error codes: it
answers with Russian sentences, whatever the language of the account. The sandbox answers with the
same tables. smsgate compares whole sentences; it collapses white space, ignores case and reads ё as
е. The gateway fills in words in *italics*.

## Answers

An answer may contain several sentences, joined by a bar. Each becomes a member of {_api("Answer")}.
A message id in the slot of a number decides for that number, whatever the sentences say. An unknown
sentence is `UNRECOGNISED`: a send with this answer and without an id is {_api("InDoubt")}, because
it may have succeeded.

{_table(("sentence", "meaning", "becomes", "note"), answers)}
## Delivery statuses

Each becomes a member of {_api("DeliveryState")}. A final status does not change any more. An
unknown sentence is `UNRECOGNISED`, never an exception.

{_table(("sentence", "state", "final", "note"), statuses)}"""


def _said_of(answer: Answer) -> str:
    """Return the outcome of a send whose whole answer is this sentence."""
    reply = Reply((say(answer),), ReplyEvidence())
    try:
        read_send(reply, smsgate.Message(destinations="+380501234567", text="x"))
    except smsgate.Refused:
        return "refused"
    except smsgate.InDoubt:
        return "in doubt"
    raise AssertionError(f"{answer} is no answer to a whole request")


def numbers() -> str:
    """Return the page of the sandbox's magic numbers and faults."""

    def happens(row: MagicNumber) -> str:
        if row.refuses:
            return f"this number is refused: {say(row.refuses)}"
        if row.answers_all:
            return (
                "nothing is sent, and the client "
                f"says {_said_of(row.answers_all)}: {say(row.answers_all)}"
            )
        return f"accepted, and ends as: {say_state(row.ends)}"

    magic = [(f"`{row.number}`", row.note, happens(row)) for row in MAGIC]
    faults = [(f"`{row.kind}`", "yes" if row.works else "no", row.note) for row in FAULTS.values()]
    return f"""# Magic numbers and faults

This page lists the magic numbers and faults of [the sandbox](../sandbox.md). Every other
number is accepted and delivered.

## Magic numbers

{_table(("number", "meaning", "what happens"), magic)}
## Faults

Add a fault with `sandbox.faults.add("drop after", operation="SendSMS", times=1)`, or with
`smsgate sandbox --fault "drop after,SendSMS,1x"`. The column *worked* says whether the
gateway did the work before the fault occurred. A client cannot see this.

{_table(("fault", "worked", "what the client sees"), faults)}"""


def life() -> str:
    """Return the page of the states of a campaign's recipient."""
    edges = [
        (row.source, row.event, row.target, "yes" if row.operator else "no", row.note)
        for row in TRANSITIONS
    ]
    return f"""# States of a recipient

This page shows the states of one recipient of [a campaign](../campaigns.md), or of one message of
[an outbox](../outbox.md). Only a decision of the operator follows a dashed line.

```{{raw}} html
{states()}
```

{_table(("from", "event", "to", "operator", "note"), edges)}"""


def exits() -> str:
    """Return the page of errors and exit codes."""
    rows = [
        (
            _api(kind.__name__),
            row.outcome,
            row.next_step(sends=True),
            row.advice_if_nothing_sent,
            row.outcome.exit_code,
            row.http_status,
        )
        for kind, row in OUTCOMES.items()
    ]
    heads = (
        "error",
        "outcome",
        "after a send",
        "after another operation, if different",
        "exit code",
        "HTTP status",
    )
    codes = ", ".join(f"{code.value} {code.name.replace('_', ' ').lower()}" for code in Exit)
    return f"""# Errors and exit codes

The exit codes of the command are: {codes}. The table shows for each error what it means, what to
do, the exit code of the command, and the HTTP status of a FastAPI application:

{_table(heads, rows)}"""


# --- the command ----------------------------------------------------------------------------------


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for inner, sub in getattr(command, "commands", {}).items():
        yield from _commands(f"{name} {inner}", sub)


def _prose(text: str | None) -> str:
    return escape(inspect.cleandoc(text or ""), quote=False).replace("*", "\\*")


def command() -> str:
    """Return the page of the command, generated from its help."""
    parts = [
        "# The command\n",
        (
            "This page has the output of `smsgate COMMAND --help`. See also [exit "
            "codes](../reference.md#the-command) and"
            " [the environment](../reference.md#environment).\n"
        ),
    ]
    for name, one in _commands("smsgate", typer.main.get_command(app)):
        context = one.make_context(name, [], resilient_parsing=True)
        shown = [given for given in one.params if not given.hidden]
        arguments = [given for given in shown if not given.opts[0].startswith("-")]
        options = [given for given in shown if given not in arguments]
        words = [
            "[OPTIONS]",
            *(_argument(given) for given in arguments),
            *(["COMMAND ..."] if hasattr(one, "commands") else []),
        ]
        parts.append(
            f"## {name}\n\n{_help(one.help)}\n\n```text\n{' '.join([name, *words])}\n```\n"
        )
        rows = [(f"`{_argument(given)}`", _prose(given.help)) for given in arguments]
        rows += [
            (f"`{names}`", _prose(words))
            for names, words in (given.get_help_record(context) for given in options)
        ]
        parts.append(_table(("argument or option", "meaning"), rows))
    return "\n".join(parts)


def _help(text: str | None) -> str:
    """Return the help of a command, with its examples as code, which can be copied."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(
        f"Example:\n\n```sh\n{example}\n```" if (example := _example(one)) else _prose(one)
        for one in paragraphs
    )


def _example(paragraph: str) -> str:
    return " ".join(paragraph.removeprefix("Example: ").split()) if "Example: " in paragraph else ""


def _argument(given: Any) -> str:
    return (given.metavar or given.name.upper()) + ("..." if given.nargs == -1 else "")


# --- the JSON output ------------------------------------------------------------------------------

SCHEMAS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "schemas" / "output.json").read_text("utf-8")
)["$defs"]
FAILURES = ("Failed", "FailedSend")


def _named_by(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to, and without null, which stands beside its type."""
    found = schema if "$ref" not in schema else SCHEMAS[_named_by(schema)] | schema
    other = [one for one in found.get("oneOf", ()) if "required" not in one]
    return found if not other else _whole(other[0]) | {"description": found["description"]}


def _types(schema: dict[str, Any]) -> str:
    """Return the types of a value in words: `integer or null`, `list of string`."""
    found = SCHEMAS[_named_by(schema)] if "$ref" in schema else schema
    if other := [one for one in found.get("oneOf", ()) if "required" not in one]:
        return " or ".join(map(_types, other))
    kind = found["type"]
    if kind == "array":
        return f"list of {_types(found['items'])}"
    return kind if isinstance(kind, str) else " or ".join(kind)


def _keys(schema: dict[str, Any], before: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the key, the type and the meaning of each value in a document."""
    for key, value in schema["properties"].items():
        whole = _whole(value)
        words = whole.get("enum", ())
        listed = f": {', '.join(f'`{word}`' for word in words)}" if words else ""
        yield f"`{before}{key}`", _types(value), whole["description"].rstrip(".") + listed
        inner = _whole(whole["items"]) if whole["type"] == "array" else whole
        if "properties" in inner:
            brackets = "[]" if whole["type"] == "array" else ""
            yield from _keys(inner, f"{before}{key}{brackets}.")


def _document(kind: str, level: str) -> str:
    found = SCHEMAS[kind]
    example = json.dumps(found["examples"][0], ensure_ascii=False, indent=2)
    table = _table(("key", "type", "meaning"), _keys(found))
    title, said = found["title"], found["description"]
    return f"{level} {title}\n\n{said}\n\n{table}\n```json\n{example}\n```\n"


def json_output() -> str:
    """Return the page of what each command prints with `--json`."""
    parts = [
        """# JSON output

With `--json`, a command prints JSON to standard output: one document, or one document on each line.
Nothing else goes there; notes and warnings go to standard error. The
{download}`JSON Schema <../schemas/output.json>` of all documents has a definition for each command,
named by its words, such as `campaign-run`. A test of smsgate validates the output of every command.

- Times are seconds since 1970. Durations are in seconds.
- Credits are numbers. Amounts of money are strings, which no reader rounds.
- `null` means: there is none, or it is not known. A key is never left out, except in an error.
- Ignore keys that you do not know: a later version may add some.
- `send` and `sandbox` show numbers in full. Other commands mask them without `--show-numbers`.
- The [exit code](../reference.md#the-command) says how the command ended.

## Errors

The last document of a command that fails.
""",
        *(_document(kind, "###") for kind in FAILURES),
    ]
    shown: set[str] = set()
    for one in (one for one in SCHEMAS.values() if "anyOf" in one):
        parts.append(f"## {one['title']}\n\n{one['description']}\n")
        for kind in (_named_by(other) for other in one["anyOf"]):
            title = SCHEMAS[kind]["title"]
            if kind in shown:
                parts.append(f"- [{title}](#{title.lower().replace(' ', '-')})\n")
            elif kind not in FAILURES:
                parts.append(_document(kind, "###"))
                shown.add(kind)
    return "\n".join(parts)


# --- the API --------------------------------------------------------------------------------------

FIRST = (
    "AsyncSession",
    "Message",
    "SendResult",
    "RecipientResult",
    "SendOutcome",
    "DeliveryStatus",
    "segments",
    "Sandbox",
    "Campaign",
    "Outbox",
    "OutboxMessage",
)


DATA = {
    "GATEWAY_URL": f"The documented address of the gateway, ``{smsgate.GATEWAY_URL}``.",
    "FAULTS": "Every fault that the sandbox knows, by its kind: :doc:`numbers`.",
    "MAGIC": "Every magic number: :doc:`numbers`.",
    "TRANSITIONS": "The life of a recipient, as a table: :doc:`states`.",
    "SmsSession": (
        "The session of the application, as a parameter of a path operation: ``async def "
        "notice(sms: SmsSession)``."
    ),
    "SMS_SESSION": (
        "The key of the session: ``request.app[SMS_SESSION]``, or "
        "``request.config_dict[SMS_SESSION]`` in a sub-application."
    ),
}
"""Descriptions of the names that are neither a class nor a function, and so have no docstring."""


def _named(module: ModuleType) -> Iterator[str]:
    """Yield the public names of a module:

    those of `FIRST` first, then the others alphabetically.
    """
    names = [name for name in module.__all__ if name != "__version__"]
    return iter(
        sorted(
            names,
            key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name.casefold()),
        )
    )


def _directive(module: ModuleType, name: str) -> str:
    found = getattr(module, name)
    full = f"{module.__name__}.{name}"
    if name in DATA:
        return f".. py:data:: {full}\n\n   {DATA[name]}\n"
    if inspect.isclass(found):
        bases = "   :show-inheritance:\n" if issubclass(found, Exception) else ""
        values = "   :undoc-members:\n" if hasattr(found, "__members__") else ""
        # A class that several modules export is indexed on the page of the first.
        again = module is not smsgate.campaign and getattr(smsgate.campaign, name, None) is found
        index = "   :no-index:\n" if again else ""
        return f".. autoclass:: {full}{_arguments(found)}\n{bases}{values}{index}"
    return f".. autofunction:: {full}\n"


def _arguments(found: type) -> str:
    """Return the argument names of a model, as its annotations are for pydantic only."""
    fields = found.model_fields if issubclass(found, BaseModel) else {}
    if not any(field.metadata for field in fields.values()):
        return ""
    needed = [name for name, field in fields.items() if field.is_required()]
    return (
        f"(*, {', '.join([*needed, *(f'{name}=None' for name in fields if name not in needed)])})"
    )


def api_of(title: str, module: ModuleType, words: str) -> Callable[[], str]:
    """Return a function that makes the page of a module's public names."""

    def page() -> str:
        body = "\n".join(_directive(module, name) for name in _named(module))
        return (
            f"# {title}\n\n{words}\n\n```{{eval-rst}}\n.. currentmodule:: {module.__name__}\n"
            f"\n{body}```\n"
        )

    return page


def integrations() -> str:
    """Return the page of the integrations and settings."""
    parts = ["# Integrations and settings\n"]
    for module, names, words in INTEGRATIONS:
        body = "\n".join(_directive(module, name) for name in names or _named(module))
        parts += [
            f"## {module.__name__}\n\n{words}\n",
            f"```{{eval-rst}}\n.. currentmodule:: {module.__name__}\n\n{body}```\n",
        ]
    return "\n".join(parts)


INTEGRATIONS: tuple[tuple[ModuleType, tuple[str, ...], str], ...] = (
    (
        smsgate.integrations.fastapi,
        (
            "sms_lifespan",
            "SmsOutbox",
            "IdempotencyKey",
            "SmsSession",
            "sms_outbox",
            "sms_session",
            "answer_errors",
        ),
        "[FastAPI](../howto/fastapi.md), with the extra `fastapi`.",
    ),
    (
        smsgate.integrations.aiohttp,
        ("sms_context", "SMS_SESSION"),
        "[aiohttp](../howto/aiohttp.md), with the extra `aiohttp`.",
    ),
    (
        smsgate.integrations.otel,
        (),
        "[OpenTelemetry](../howto/opentelemetry.md), with the extra `otel`.",
    ),
    (
        smsgate.integrations.procrastinate,
        (),
        "[Workers](../howto/worker.md), with the extra `procrastinate`.",
    ),
    (
        smsgate.settings,
        (),
        (
            "[Settings](../howto/settings.md) from the environment and from files, with the extra "
            "`settings`."
        ),
    ),
)
"""Each module, its names in order (empty: alphabetically), and its description."""


def fixtures() -> str:
    """Return the page of the pytest fixtures."""
    parts = [
        "# smsgate.testing\n",
        (
            "This page lists the fixtures of the pytest plugin. [Testing your "
            "application](../testing.md) has examples.\n"
        ),
    ]
    for name in smsgate.testing.__all__:
        if name.startswith("smsgate_"):
            found = getattr(smsgate.testing, name)
            function = inspect.unwrap(
                getattr(found, "_get_wrapped_function", lambda found=found: found)()
            )
            gives = str(function.__annotations__["return"])
            parts.append(f"## {name}\n\nGives `{gives}`. {inspect.getdoc(function)}\n")
    return "\n".join(parts)


# --- pictures -------------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 148, 40
_STYLE = (
    'fill="none" stroke="currentColor" stroke-width="1.4" font-family="inherit" font-size="14" '
    'text-anchor="middle"'
    ' style="max-width:100%;height:auto"'
)
Place = tuple[float, float]


def _svg(label: str, size: Place, drawn: Iterable[str]) -> str:
    arrow = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="currentColor" stroke="none"/></marker></defs>'
    )
    width, height = size
    box = f'viewBox="0 0 {width} {height}" width="{width}"'
    return (
        f'<svg {box} role="img" aria-label="{escape(label)}" {_STYLE}>{arrow}{"".join(drawn)}</svg>'
    )


def _text(at: Place, words: str, *, small: bool = False) -> str:
    lines = words.split("\n")
    # A label on a line has an outline in the colour of the page.
    rim = (
        "paint-order:stroke;stroke:var(--color-background-primary,Canvas);"
        "stroke-width:10px;stroke-linejoin:round"
    )
    style = f' font-size="12" style="{rim}"' if small else ' stroke="none"'
    top = at[1] + 4.5 - 8 * (len(lines) - 1)
    spans = "".join(
        f'<tspan x="{at[0]:g}" y="{top + 16 * n:g}">{escape(line)}</tspan>'
        for n, line in enumerate(lines)
    )
    return f'<text fill="currentColor"{style}>{spans}</text>'


def _box(
    at: Place, words: str, *, wide: float = _WIDTH, high: float = _HEIGHT, strong: bool = False
) -> str:
    x, y = at[0] - wide / 2, at[1] - high / 2
    width = ' stroke-width="3"' if strong else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="8"{width}/>' + _text(
        at, words
    )


def _edge(start: Place, end: Place, words: str = "", *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    line = (
        f'<path d="M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}"{dash} '
        'marker-end="url(#head)"/>'
    )
    return line + (
        _text(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), words, small=True)
        if words
        else ""
    )


_PLACES: dict[RecipientState, Place] = {
    RecipientState.PENDING: (90, 85),
    RecipientState.SKIPPED: (690, 300),
    RecipientState.IN_FLIGHT: (370, 85),
    RecipientState.REFUSED: (690, 40),
    RecipientState.ACCEPTED: (690, 125),
    RecipientState.IN_DOUBT: (370, 240),
    RecipientState.ASSUMED_SENT: (690, 215),
    RecipientState.ABANDONED: (90, 300),
}


def _border(centre: Place, towards: Place) -> Place:
    """Return the point where a line from a box's centre towards another point leaves the box."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    length = hypot(dx, dy) or 1
    scale = min(
        (_WIDTH / 2 + 3) / abs(dx) if dx else 1e9,
        (_HEIGHT / 2 + 3) / abs(dy) if dy else 1e9,
        length,
    )
    return centre[0] + dx * scale, centre[1] + dy * scale


def _across(row: Transition, *, upright: bool) -> Place:
    """Return how far to move an edge aside from others between the same boxes."""
    alike = [one for one in TRANSITIONS if (one.source, one.target) == (row.source, row.target)]
    by = alike.index(row) - (len(alike) - 1) / 2
    return (100 * by, 0) if upright else (0, 24 * by)


def states() -> str:
    """Return a drawing of the table of transitions as SVG."""
    drawn = [_box(place, state, strong=state in ENTRIES) for state, place in _PLACES.items()]
    both = {(row.source, row.target) for row in TRANSITIONS}
    for row in TRANSITIONS:
        first, last = _PLACES[row.source], _PLACES[row.target]
        # Draw two edges between the same boxes side by side.
        aside = (-11 if first[0] < last[0] else 11) if (row.target, row.source) in both else 0
        across = _across(row, upright=first[0] == last[0])
        first = first[0] + across[0], first[1] + across[1] + aside
        last = last[0] + across[0], last[1] + across[1] + aside
        start, end = _border(first, last), _border(last, first)
        drawn.append(_edge(start, end, row.event, dashed=row.operator))
    label = "States of a recipient: " + "; ".join(
        f"{row.source} to {row.target}: {row.event}" for row in TRANSITIONS
    )
    return _svg(label, (790, 330), drawn)


def promise() -> str:
    """Return a drawing of the promise as SVG: the outcomes of a send."""
    small = {"wide": 200, "high": 52}
    drawn = [
        _box((130, 40), "a send", wide=200),
        _box((130, 150), "did a byte of the\nrequest leave?", **small),
        _box((130, 270), "did a readable\nanswer come?", **small),
        _box((130, 390), "what does it say\nabout this number?", **small),
        _box(
            (560, 150), "not sent: NotSent\ncertain, safe to retry", wide=260, high=52, strong=True
        ),
        _box(
            (560, 270),
            "in doubt: InDoubt, with evidence\nnever retried automatically",
            wide=260,
            high=52,
            strong=True,
        ),
        _box((560, 360), "accepted, with a message id", wide=260, strong=True),
        _box((560, 420), "refused: Refused, with the reason", wide=260, strong=True),
        _edge((130, 60), (130, 122)),
        _edge((130, 176), (130, 242), "yes"),
        _edge((130, 296), (130, 362), "yes"),
        _edge((230, 150), (428, 150), "no"),
        _edge((230, 270), (428, 270), "no, or it does not say"),
        _edge((230, 384), (428, 360), "an id"),
        _edge((230, 396), (428, 420), "no"),
        _edge((428, 140), (232, 44), "retried automatically", dashed=True),
    ]
    label = (
        "After a send each recipient is accepted with an id, not sent or refused with a reason, or "
        "in doubt with evidence"
    )
    return _svg(label, (700, 450), drawn)


def rooms() -> str:
    """Return the picture of the floors:

    an arrow leads from a room to one that it imports from, unless another lies between.
    """
    highest = max(map(floor_of, ROOMS))
    places = {
        room: (100 + 190 * column, 40 + 90 * (highest - floor_of(room)))
        for room, (column, _) in ROOMS.items()
    }
    drawn = [_box(place, room) for room, place in places.items()]
    for room, place in places.items():
        drawn += [
            _edge(_border(place, places[lower]), _border(places[lower], place))
            for lower in sorted(below(room))
        ]
    label = "; ".join(
        f"{room} imports from {', '.join(sorted(below(room)))}" for room in ROOMS if below(room)
    )
    return _svg(label, (770, 80 + 90 * highest), drawn)


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_of(
        "smsgate",
        smsgate,
        (
            "This page documents the package from its docstrings. [The reference](../reference.md) "
            "has tables."
        ),
    ),
    "sandbox-api.md": sandbox_api,
    "api-sandbox.md": api_of(
        "smsgate.sandbox",
        smsgate.sandbox,
        "A local gateway. [The sandbox](../sandbox.md) explains how to use it.",
    ),
    "api-campaign.md": api_of(
        "smsgate.campaign",
        smsgate.campaign,
        "Bulk sending. [Campaigns](../campaigns.md) explains how to use it.",
    ),
    "api-outbox.md": api_of(
        "smsgate.outbox",
        smsgate.outbox,
        "Single messages with a key. [The outbox](../outbox.md) explains how to use it.",
    ),
    "api-stop-list.md": api_of(
        "smsgate.stop_list",
        smsgate.stop_list,
        "People who opted out. [The stop list](../howto/stop-list.md) explains how to use it.",
    ),
    "api-doctor.md": api_of(
        "smsgate.doctor",
        smsgate.doctor,
        "`smsgate doctor` for programs. See [before the first send](../howto/doctor.md).",
    ),
    "api-integrations.md": integrations,
    "api-testing.md": fixtures,
    "command.md": command,
    "json-output.md": json_output,
    "exits.md": exits,
    "sentences.md": sentences,
    "numbers.md": numbers,
    "states.md": life,
    "promise.svg": promise,
    "rooms.svg": rooms,
}
"""The generated files: each name and the function that makes its content."""
