"""Child processes that cost no start-up:

a server that has imported everything, has one thread, and forks.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

__all__ = ["FORKS", "in_child", "start_server"]

FORKS = multiprocessing.get_context("forkserver")
# One server does for all tests of a process, so this is all that any of its children imports.
FORKS.set_forkserver_preload(
    [
        "commands",
        "campaign_child",
        "outbox_child",
        "machines_child",
        "smsgate.cli.app",
        "smsgate.cli.campaign_commands",
        "smsgate.cli.database_commands",
        "smsgate.cli.demo",
        "smsgate.cli.doctor_command",
        "smsgate.cli.init_command",
        "smsgate.cli.outbox_commands",
        "smsgate.cli.serving",
        "smsgate.cli.single_commands",
        "smsgate.cli.stop_list_commands",
        "smsgate.cli.worker_command",
        # What smsgate and its dependencies import once it is needed.
        "anyio._backends._asyncio",
        "encodings.idna",
        "httpcore",
        "httpx",
        "rich._emoji_codes",
        "rich.live",
        "rich.markdown",
        "rich.progress",
        "smsgate.integrations.procrastinate",
        "smsgate.ledger.postgres.postgres_health",
        "smsgate.ledger.postgres.postgres_messages",
        "smsgate.ledger.sqlite.sqlite_health",
        "smsgate.ledger.sqlite.sqlite_messages",
        "smsgate.sandbox.server",
        "typer._adapters",
        "typer._click.decorators",
        "typer.rich_utils",
        # Each child imports the program that was started, which may be pytest.
        "pytest",
        "preloaded",
    ]
)


def start_server() -> None:
    """Start the server, unless it runs."""
    with pytest.MonkeyPatch.context() as patch:
        # Python 3.11 does not give the server its own path: it would find nothing to import, and
        # say nothing. And it is to import what is installed, not what the working directory holds.
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("PYTHONSAFEPATH", "1")
        forkserver.ensure_running()


def in_child(target: Callable[..., None], *arguments: Any) -> int | None:
    """Call a function in a child process and return the exit code of that."""
    start_server()
    process = FORKS.Process(target=target, args=arguments, daemon=True)
    process.start()
    process.join()
    return process.exitcode
