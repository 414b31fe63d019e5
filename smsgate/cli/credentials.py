"""Reads login, password and settings from options, the environment, files, or a prompt.

Rule of this file: a password is never an argument, and no value is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ..config import variable
from ..languages import say
from ..settings import FileSettings, SmsGateSettings
from .signals import SIGNALS

__all__ = [
    "asked_settings",
    "at_terminal",
    "country_of",
    "database_of",
    "prices_of",
    "settings_of",
    "stop_list_of",
]


def settings_of(
    env_file: Path | None,
    secrets_dir: Path | None,
    optional: Mapping[str, Any],
    needed: Mapping[str, Any],
) -> SmsGateSettings:
    """Return the settings of a session.

    `env_file` None means `.env` in the working directory, if that file exists. `optional` and
    `needed` map names of options to their values; None and "" count as absent. On a terminal, the
    user is asked for a missing login or password. Raises `ValueError` if login, password or a
    needed option is missing, or if a file cannot be read.
    """
    given = {name: value for name, value in {**optional, **needed}.items() if value}
    found = _Optional.read(env_file=_existing(env_file), secrets_dir=secrets_dir, **given)
    for name in needed:
        if not getattr(found, name):
            raise ValueError(f"no {name}: use --{name}, or set {variable(name)}")
    return _Asking.read(env_file=_existing(env_file), secrets_dir=secrets_dir, **given)


def asked_settings(given: Mapping[str, Any]) -> SmsGateSettings:
    """Return settings from options and the environment, without files.

    On a terminal, the user is asked for a missing login, password or sender. Raises `ValueError`.
    """
    found = _Optional.read(**given)
    settings = _Asking.read(**given)
    if found.sender or not at_terminal():
        return settings
    sender = _ask(say("Sender (an approved name; leave it empty for none): "))
    return settings.model_copy(update={"sender": sender.strip() or None})


def country_of(env_file: Path | None, secrets_dir: Path | None = None) -> str | None:
    """Return the country from the environment, the `.env` file or a secret file. Never prompts."""
    return _Optional.read(env_file=_existing(env_file), secrets_dir=secrets_dir).country


def database_of(given: str | None) -> str:
    """Return the database: `given`, or that of the environment or the `.env` file.

    Raises `ValueError` if there is none.
    """
    found = given or _Place.read(env_file=_existing(None)).database
    if not found:
        raise ValueError(f"no database: use --database, or set {variable('database')}")
    return found


def stop_list_of(given: str | None) -> str | None:
    """Return the stop list: `given`, or that of the environment or the `.env` file."""
    return given or _Place.read(env_file=_existing(None)).stop_list


def prices_of(given: str | None) -> str | None:
    """Return the path of the price list: `given`, or that of the environment or `.env` file."""
    return given or _Place.read(env_file=_existing(None)).prices


class _Place(FileSettings):
    """The database of the outbox and the stop list, which may be addresses with a password, and
    the path of the price list.
    """

    database: str | None = None
    stop_list: str | None = None
    prices: str | None = None


class _Optional(FileSettings):
    """Settings that are read before the user is asked for login and password."""

    sender: str | None = None
    country: str | None = None


class _Asking(SmsGateSettings):
    """Settings whose login and password are asked for if no other source has them."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        *sources: PydanticBaseSettingsSource,
        **named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return *super().settings_customise_sources(settings_cls, *sources, **named), _Prompt(
            settings_cls
        )


class _Prompt(PydanticBaseSettingsSource):
    """A settings source that asks the user at the terminal."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - of the interface
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        absent = [name for name in _PROMPTS if not self.current_state.get(name)]
        said = " and ".join(map(variable, absent))
        if absent and not at_terminal():
            raise ValueError(
                f"{said} must be set, in the environment or in an .env file (--env-file)"
            )
        try:
            return {name: _PROMPTS[name]() for name in absent}
        except EOFError:
            raise ValueError(f"{said} must be given") from None


def _existing(path: Path | None) -> Path | None:
    return Path(".env") if path is None and Path(".env").is_file() else path


def at_terminal() -> bool:
    """Return whether standard input is a terminal. A process may have no standard input at all."""
    return sys.stdin is not None and sys.stdin.isatty()


def _ask(question: str) -> str:
    with SIGNALS.blocking():
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().rstrip("\r\n")


def _ask_login() -> str:
    return _ask(say("Login: "))


def _ask_password() -> str:
    with SIGNALS.blocking():
        return getpass(say("Password: "), stream=sys.stderr)


_PROMPTS: dict[str, Callable[[], str]] = {"login": _ask_login, "password": _ask_password}
