"""The entry point of all commands.

Rule of this file: it imports no command. Each command takes a good part of a second to load, so
only the one that is run is loaded, and the list of commands is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from signal import SIGINT
from typing import Annotated

import typer

from ..version import __version__
from .help import UsageError, group_loading
from .signals import SIGNALS

__all__ = ["COMMANDS", "run"]

COMMANDS: dict[str, tuple[str, str]] = {
    "send": ("single_commands", "Send one message to one or several numbers."),
    "balance": ("single_commands", "Show the balance of the account, in credits."),
    "status": ("single_commands", "Show the delivery status of messages."),
    "new": (
        "single_commands",
        "List the ids of sent messages that have no delivery status yet. Not incoming SMS.",
    ),
    "segments": (
        "single_commands",
        "Show how many SMS parts a text takes, and which characters force UCS-2.",
    ),
    "sandbox": (
        "serving",
        "Run a local gateway for tests: the TurboSMS protocol, with an inbox in the browser.",
    ),
    "worker": (
        "worker_command",
        "Send outbox messages and campaigns until stopped. You may run several workers.",
    ),
    "demo": (
        "demo",
        "Run a free local demo: one send, 1,000 sends, and a campaign that survives kill -9.",
    ),
    "doctor": (
        "doctor_command",
        "Check the connection and the account, and say what to change. Sends nothing.",
    ),
    "init": (
        "init_command",
        "Write your settings to an .env file, and check them like 'doctor'. Sends nothing.",
    ),
    "campaign": (
        "campaign_commands",
        (
            "Send to many recipients. Every outcome is kept in a file or a database, even after"
            " kill -9."
        ),
    ),
    "outbox": (
        "outbox_commands",
        "Show the messages of an outbox, and resolve those in doubt.",
    ),
    "database": (
        "database_commands",
        "Check the database of an outbox, or create and update its tables.",
    ),
    "stoplist": (
        "stop_list_commands",
        "Manage the numbers of people who opted out. Campaigns do not send to them.",
    ),
}
"""Each command in the order of `--help`: the module that has it, and its line in the list."""

app: typer.Typer = typer.Typer(
    name="smsgate",
    cls=group_loading(COMMANDS),
    help="Send SMS through the TurboSMS gateway, each at most once, and follow their delivery.",
    epilog=(
        "Exit codes: 0 done, 1 bug or output not written, 2 wrong usage, 3 refused, 4 not sent,"
        " 5 in doubt, 6 partly done, 128 + n ended by signal n."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code."""
    try:
        code = int(app(list(arguments), prog_name="smsgate", standalone_mode=False) or 0)
    except UsageError as error:
        return _refused(arguments, error)
    # Before a command starts, typer treats every signal as Ctrl-C.
    return SIGNALS.code if code == 128 + SIGINT else code


def _refused(arguments: Sequence[str], error: Exception) -> int:
    """Say why the command line is invalid, and return the exit code."""
    # Imported here, because it takes as long as a command.
    from ..languages import speaking  # noqa: PLC0415
    from .output import Machines, People  # noqa: PLC0415
    from .shared_options import language_asked  # noqa: PLC0415

    # The line could not be parsed, so look for --json and --language in the raw arguments.
    if "--json" in arguments:
        return Machines().fail(error)
    with speaking(language_asked(arguments, error)):
        return People().fail(error)


def _version(asked: bool) -> None:
    if asked:
        print(f"smsgate {__version__}")
        raise typer.Exit


@app.callback()
def smsgate(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
