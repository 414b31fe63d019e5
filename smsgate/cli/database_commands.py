"""The commands `smsgate database ...`: check, create and migrate the database of an outbox.

Rule of this file: `ledger/.../..._health.py` measures; this file judges and advises.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ..campaign import RecipientState
from ..campaign.wording import things
from ..doctor import Finding, Mark
from ..ledger.health import PostgresHealth, SqliteHealth
from .confirming import Yes, confirm
from .databases import Database
from .doctor_command import changes_to_make, table_of_findings
from .exits import Exit
from .help import PlainGroup
from .output import Output
from .shared_options import command
from .views import VIEWS, View, printable

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    name="database",
    cls=PlainGroup,
    help="Check the database of an outbox, or create and update its tables.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_OLDEST_SQLITE = (3, 35)
"""The oldest version of SQLite with RETURNING."""


@dataclass(frozen=True, slots=True)
class DatabaseChecked:
    """What a check of the database found."""

    database: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class DatabaseMigrated:
    """The version of the tables before and after. `before` is None if there were none."""

    database: str
    version: int
    before: int | None


@dataclass(frozen=True, slots=True)
class FailoverAccepted:
    """How many pending messages and recipients became in doubt, and the messages in doubt now."""

    database: str
    moved: int
    recipients: int
    in_doubt: int


@command(app)
def check(output: Output, database: Database) -> int:
    """Check the settings of the database, and say what to change. Changes nothing.

    Example: smsgate database check --database sms.db
    """
    findings = tuple(_findings(database.health(), database.words()))
    output.show(DatabaseChecked(database.shown(), findings))
    wrong = any(finding.mark is Mark.PROBLEM for finding in findings)
    return Exit.REFUSED if wrong else Exit.DONE


@command(app, changes=True)
def migrate(output: Output, database: Database) -> None:
    """Create the tables of an outbox, or bring them up to date.

    Example: smsgate database migrate --database sms.db
    """
    before = database.health().version if database.exists() else None
    with database.ledger(create=True):
        pass
    version = database.health().version
    output.show(DatabaseMigrated(database.shown(), version or 0, before))


@command(app, changes=True)
def accept_failover(output: Output, database: Database, *, yes: Yes = False) -> None:
    """Allow sending again after a failover. Pending messages are marked as in doubt.

    Example: smsgate database accept-failover --database postgresql://db.example/shop
    """
    if not database.on_server():
        raise ValueError("an SQLite file does not fail over: give a postgresql:// URL")
    with database.ledger() as ledger:
        from ..ledger.postgres.postgres_messages import (  # noqa: PLC0415 - an extra
            PostgresMessages,
        )

        assert isinstance(ledger, PostgresMessages)  # noqa: S101 - only one kind has an address
        pending = ledger.states().get(RecipientState.PENDING, 0)
        confirm(
            f"{things(pending, 'pending message becomes', 'pending messages become')} in doubt, and"
            " so do all pending recipients of campaigns, as the record of their send may be lost."
            " Continue?",
            yes=yes,
        )
        moved, recipients = ledger.accept_failover(who=getpass.getuser())
        in_doubt = ledger.states().get(RecipientState.IN_DOUBT, 0)
    output.show(FailoverAccepted(database.shown(), moved, recipients, in_doubt))


# --- findings -------------------------------------------------------------------------------------


def _findings(health: SqliteHealth | PostgresHealth, words: str) -> Iterator[Finding]:
    yield _tables(health, words)
    yield from _sqlite(health) if isinstance(health, SqliteHealth) else _postgres(health, words)


def _tables(health: SqliteHealth | PostgresHealth, words: str) -> Finding:
    migrate = f"Run 'smsgate database migrate{words}'."
    version, newest = health.version, health.newest
    facts = {"version": version, "newest": newest}
    if version is None:
        return Finding("tables", Mark.PROBLEM, "there is no outbox", advice=migrate, facts=facts)
    if version < newest:
        text = f"version {version}; this smsgate needs version {newest}"
        return Finding("tables", Mark.PROBLEM, text, advice=migrate, facts=facts)
    if version > newest:
        text = f"version {version}; this smsgate supports versions up to {newest}"
        advice = "Install a newer smsgate."
        return Finding("tables", Mark.PROBLEM, text, advice=advice, facts=facts)
    return Finding("tables", Mark.OK, f"version {version}", facts=facts)


def _sqlite(health: SqliteHealth) -> Iterator[Finding]:
    library = ".".join(map(str, health.library))
    facts = {"sqlite": library}
    if health.library < _OLDEST_SQLITE:
        advice = "Use a Python with SQLite 3.35 or newer."
        yield Finding("SQLite", Mark.PROBLEM, f"{library} is too old", advice=advice, facts=facts)
    else:
        yield Finding("SQLite", Mark.OK, library, facts=facts)
    mode, facts = health.journal_mode, {"journal_mode": health.journal_mode}
    if mode == "wal":
        text = "wal: others can read while one process writes"
        yield Finding("journal mode", Mark.OK, text, facts=facts)
    else:
        yield Finding(
            "journal mode",
            Mark.NOTE,
            f"{mode}: as safe as wal, but readers and the process that writes wait for each other",
            setting="journal_mode",
            advice="If your application allows it, run 'PRAGMA journal_mode = WAL' once.",
            facts=facts,
        )
    full = health.synchronous == 2
    yield Finding(
        "synchronous",
        Mark.OK if full else Mark.PROBLEM,
        "full: each commit is on the disk before a send" if full else "SQLite cannot set FULL here",
        advice="" if full else "Put the file on a local disk.",
        facts={"synchronous": health.synchronous},
    )


def _postgres(health: PostgresHealth, words: str) -> Iterator[Finding]:
    yield Finding(
        "server",
        Mark.PROBLEM if health.standby else Mark.OK,
        f"PostgreSQL {health.server}, {'a standby' if health.standby else 'a primary'}",
        advice="Give the address of the primary." if health.standby else "",
        facts={"server": health.server, "standby": health.standby},
    )
    yield from _durable(health)
    yield _timeline(health, words)
    names = health.synchronous_standby_names
    yield Finding(
        "standby",
        Mark.OK if names else Mark.NOTE,
        f"synchronous: {names}"
        if names
        else "no synchronous standby: a standby that takes over may lack the last records",
        setting="" if names else "synchronous_standby_names",
        advice="" if names else "Set it, if this server can fail over to a standby.",
        facts={"synchronous_standby_names": names},
    )


def _durable(health: PostgresHealth) -> Iterator[Finding]:
    commit = health.synchronous_commit
    safe = commit in ("on", "remote_apply", "remote_write")
    yield Finding(
        "commits",
        Mark.OK if safe else Mark.PROBLEM,
        f"synchronous_commit = {commit}"
        + ("" if safe else ": a crash of the server loses records of sends"),
        setting="" if safe else "synchronous_commit",
        advice="" if safe else "Set it to on for the role of the outbox.",
        facts={"synchronous_commit": commit},
    )
    off = [name for name in ("fsync", "full_page_writes") if getattr(health, name) != "on"]
    yield Finding(
        "disk",
        Mark.PROBLEM if off else Mark.OK,
        f"{' and '.join(off)} = off: a crash of the machine loses records of sends"
        if off
        else "fsync and full_page_writes are on",
        setting=" and ".join(off),
        advice="Set to on in the configuration of the server." if off else "",
        facts={"fsync": health.fsync, "full_page_writes": health.full_page_writes},
    )


def _timeline(health: PostgresHealth, words: str) -> Finding:
    now, known = health.timeline, health.known_timeline
    facts = {"timeline": now, "known_timeline": known}
    if now is None or known is None:
        return Finding("timeline", Mark.SKIPPED, "not checked", facts=facts)
    if now == known:
        return Finding(
            "timeline", Mark.OK, f"{now}: no failover since it was last accepted", facts=facts
        )
    return Finding(
        "timeline",
        Mark.PROBLEM,
        f"{now} in place of {known}: a standby took over. Nothing is sent until that is accepted",
        advice=f"Run 'smsgate database accept-failover{words}'.",
        facts=facts,
    )


# --- views ----------------------------------------------------------------------------------------


def _changes(checked: DatabaseChecked) -> dict[str, str]:
    return {
        finding.setting or f"about «{finding.check}»": finding.advice
        for finding in checked.findings
        if finding.advice
    }


def _checked_screen(checked: DatabaseChecked) -> RenderableType:
    return Group(
        Text(printable(checked.database), "bold"),
        Text(),
        table_of_findings(checked.findings),
        Text(),
        *changes_to_make(_changes(checked)),
    )


def _checked_document(checked: DatabaseChecked) -> dict[str, Any]:
    return {
        "database": checked.database,
        "problems": sum(finding.mark is Mark.PROBLEM for finding in checked.findings),
        "checks": [
            {
                "check": finding.check,
                "mark": finding.mark,
                "text": finding.text,
                "facts": dict(finding.facts),
            }
            for finding in checked.findings
        ],
        "changes": [
            {"setting": setting, "advice": advice} for setting, advice in _changes(checked).items()
        ],
    }


def _migrated_screen(migrated: DatabaseMigrated) -> RenderableType:
    version = f"version {migrated.version}"
    said = (
        f"tables of {version} created"
        if migrated.before is None
        else f"the tables have {version} already"
        if migrated.before == migrated.version
        else f"tables migrated from version {migrated.before} to {version}"
    )
    return Text(f"{printable(migrated.database)}: {said}.")


def _accepted_screen(accepted: FailoverAccepted) -> RenderableType:
    moved = things(accepted.moved, "pending message is", "pending messages are")
    said = (
        f"The failover is accepted, and messages are sent again. {moved} now in doubt; in all,"
        f" {accepted.in_doubt:,} in doubt. To list them: smsgate outbox in-doubt"
    )
    if accepted.recipients:
        pending = things(accepted.recipients, "pending recipient is", "pending recipients are")
        said += (
            f"\nCampaigns: {pending} now in doubt, and the campaigns are paused. To list them:"
            " smsgate campaign in-doubt NAME --database URL"
        )
    return Text(said)


VIEWS[DatabaseChecked] = View(_checked_screen, _checked_document)
VIEWS[DatabaseMigrated] = View(_migrated_screen, asdict)
VIEWS[FailoverAccepted] = View(_accepted_screen, asdict)
