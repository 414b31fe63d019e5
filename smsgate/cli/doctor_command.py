"""The command `smsgate doctor`: checks the connection to the gateway and the account. Never sends.

Rule of this file: it only shows results. `smsgate.doctor` measures and assesses; `errors.OUTCOMES`
says what to do after an error.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..doctor import Finding, Mark, Report, Setup, examine
from ..errors import Reason
from ..known_sentences import retold, retold_check
from ..languages import plural, say, translatable
from .exits import Exit, exit_of, hint_of
from .help import PlainGroup
from .output import Output
from .shared_options import Account, command
from .views import VIEWS, Look, View, pairs, printable

__all__ = ["app", "changes_to_make", "doctor", "table_of_findings"]

app: typer.Typer = typer.Typer(cls=PlainGroup)

_LOOKS: dict[Mark, Look] = {
    Mark.OK: Look("✓", "green", translatable("ok")),
    Mark.NOTE: Look("!", "yellow", translatable("note")),
    Mark.PROBLEM: Look("✗", "red", translatable("problem")),
    Mark.SKIPPED: Look("-", "dim", translatable("skipped")),
}
_NOTHING = translatable("Nothing needs to change.")


@command(app, speaks=True)
async def doctor(
    output: Output,
    account: Account,
    *,
    proxy: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The HTTP proxy to use. Default: SMSGATE_PROXY."),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A PEM file with the CA certificates to trust, as in your program's verify=.",
        ),
    ] = None,
    show_balance: Annotated[
        bool,
        typer.Option(
            "--show-balance",
            help="Show the balance. By default it is left out, so that you can share the report.",
        ),
    ] = False,
) -> int:
    """Check the connection and the account, and say what to change. Sends nothing.

    The report is safe to share: it has no password and, by default, no balance.

    Example: smsgate doctor --json
    """
    settings = account.settings()
    if proxy:
        settings = settings.model_copy(update={"proxy": proxy})
    setup = Setup(
        **settings.arguments(),
        verify=True if ca_file is None else _trusting(ca_file),
        environ=os.environ,
    )
    with _waiting(output) as starting:
        report = await examine(setup, show_balance=show_balance, starting=starting)
    output.show(report)
    return _exit_of(report)


def _trusting(path: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError("ca-file: the file has no certificate in PEM format") from None
    except OSError as error:
        raise ValueError(f"ca-file: the file cannot be read ({error.strerror})") from None


@contextmanager
def _waiting(output: Output) -> Iterator[Callable[[str], None]]:
    """Show on a terminal which check is under way, as all checks take some seconds."""
    if not output.at_terminal:
        yield lambda _: None
        return
    with output.messages.status("") as shown:
        yield lambda check: shown.update(f"{retold_check(check)} …")


def _exit_of(report: Report) -> Exit:
    """Return the exit code of the first problem."""
    return next(
        (exit_of(problem.error).code for problem in report.problems if problem.error), Exit.DONE
    )


def _changes(report: Report) -> dict[str, str]:
    """Return what to change, by setting. The first finding about a setting counts."""
    changes: dict[str, str] = {}
    for finding in report.findings:
        advice = _advice(finding)
        if advice and not (
            report.heard and getattr(finding.error, "reason", None) is Reason.UNRECOGNISED
        ):
            changes.setdefault(finding.setting or f"about «{finding.check}»", advice)
    return changes


def _advice(finding: Finding) -> str:
    if finding.error is None:
        return finding.advice
    return hint_of(finding.error) or finding.advice or exit_of(finding.error).next_step(sends=False)


def _screen(report: Report) -> RenderableType:
    said = plural(
        "{number} request; nothing was sent, and no credit was spent.",
        "{number} requests; nothing was sent, and no credit was spent.",
        report.requests,
    )
    summary = Text(said, "dim")
    parts: list[RenderableType] = [
        pairs({retold_check(name): retold(value) for name, value in report.environment.items()}),
        Text(),
        table_of_findings(report.findings),
        Text(),
        summary,
        Text(),
    ]
    if report.heard:
        unknown = say("Sentences of the gateway that smsgate does not know. Please report them:")
        parts += [Text(unknown, "bold")]
        parts += [_indented(heard.operation, printable(heard.sentence)) for heard in report.heard]
        parts += [Text()]
    return Group(*parts, *changes_to_make(_changes(report)))


def table_of_findings(findings: Iterable[Finding]) -> RenderableType:
    """Return a row for each finding: its mark, the check, and what was found."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True, style="dim")
    rows.add_column(overflow="fold")
    for finding in findings:
        look = _LOOKS[finding.mark]
        rows.add_row(
            look.text(),
            retold_check(finding.check),
            Text(printable(retold(finding.text))),
        )
    return rows


def changes_to_make(changes: Mapping[str, str]) -> list[RenderableType]:
    """Return what to change: advice by setting."""
    if not changes:
        return [Text(say(_NOTHING), "bold")]
    return [
        Text(say("What to change"), "bold"),
        *(_indented(retold_check(setting), retold(advice)) for setting, advice in changes.items()),
    ]


def _indented(name: str, text: str) -> RenderableType:
    return Padding(Text.assemble((name, "bold cyan"), ": ", text), (0, 0, 0, 2), expand=False)


def _document(report: Report) -> dict[str, Any]:
    return {
        "problems": len(report.problems),
        "checks": [
            {
                "check": finding.check,
                "mark": finding.mark,
                "text": finding.text,
                "error": type(finding.error).__name__ if finding.error else None,
                "facts": {
                    name: round(fact, 4) if isinstance(fact, float) else fact
                    for name, fact in finding.facts.items()
                },
            }
            for finding in report.findings
        ],
        "unrecognised": [
            {"operation": heard.operation, "sentence": heard.sentence} for heard in report.heard
        ],
        "changes": [
            {"setting": setting, "advice": advice} for setting, advice in _changes(report).items()
        ],
        "environment": dict(report.environment),
        "requests": report.requests,
    }


VIEWS[Report] = View(_screen, _document)
