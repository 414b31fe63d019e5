"""The command `smsgate init`: writes an `.env` file with the account, and checks it. Never sends.

Rule of this file: a value is written only, never shown, and an existing file stays unless the user
says so.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..campaign.atomic_file import write_whole
from ..config import GATEWAY_URL, GatewaySettings
from ..languages import say
from ..session import AsyncSession
from ..settings import SmsGateSettings, env_file_text
from .credentials import asked_settings
from .doctor_command import doctor
from .help import PlainGroup
from .output import Output
from .shared_options import Account, Country, command

__all__ = ["app"]

app: typer.Typer = typer.Typer(cls=PlainGroup)

_DEFAULTS = {
    "url": GATEWAY_URL,
    "concurrency": GatewaySettings.model_fields["concurrency"].default,
}


@command(app, changes=True, speaks=True)
async def init(
    output: Output,
    account: Account,
    *,
    file: Annotated[Path, typer.Option("--file", metavar="PATH", help="The file to write.")] = Path(
        ".env"
    ),
    sender: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The default sender: an approved name. Default: SMSGATE_SENDER, or a prompt.",
        ),
    ] = None,
    country: Country = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> int:
    """Write your settings to an .env file, and check them like 'doctor'. Sends nothing.

    Login, password and sender come from the environment. At a terminal, you are asked for what is
    missing. Only you can read the file; do not commit it.

    Example: smsgate init
    """
    if file.is_dir():
        raise ValueError(f"{file}: this is a folder; give the path of a file")
    if (file.is_symlink() or file.exists()) and not overwrite:
        raise ValueError(f"{file}: the file exists; to replace it, use --overwrite")
    given = {
        "sender": sender,
        "country": country,
        "url": account.url,
        "concurrency": account.concurrency,
        "account_concurrency": account.account_concurrency,
    }
    settings = asked_settings({name: value for name, value in given.items() if value})
    AsyncSession.from_settings(settings)  # checks them
    write_whole(file, [env_file_text(_kept(settings))], overwrite=overwrite)
    output.note(
        say(
            "Written: {file}. Only you can read it; do not commit it. Now it is checked.",
            file=str(file),
        )
    )
    return await doctor(output, replace(account, env_file=file))


def _kept(settings: SmsGateSettings) -> dict[str, str]:
    """Return the settings that are not the default ones."""
    return {
        name: str(value)
        for name, value in settings.arguments().items()
        if value is not None and value != _DEFAULTS.get(name)
    }
