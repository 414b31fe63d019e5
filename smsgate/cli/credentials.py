"""Where login, password and settings come from: options, then the environment, then an .env file, then a prompt.

Rule of this file: a password is never an argument, and nothing here prints a value.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path

from dotenv import dotenv_values

__all__ = ["environment"]

_NAMES = ("login", "password", "sender", "url", "logins")


def environment(env_file: Path | None, optional: Mapping[str, object], needed: Mapping[str, object]) -> dict[str, str]:
    """Return the settings of a session, by the names of their variables.

    `env_file` None means `.env` in the working directory, if there is one. Options are given by their names, None for not
    given; what is empty counts as absent. Asks for login and password on a terminal. Raises `ValueError` if they are missing
    where there is none, if a needed option is nowhere found, and for a file that cannot be read.
    """
    options = {_variable(name): str(value) for name, value in {**optional, **needed}.items() if value is not None}
    found = {name: value for source in (_file(env_file), os.environ, options) for name, value in source.items() if value}
    settings = {name: found[name] for name in map(_variable, _NAMES) if name in found}
    for name in needed:
        if _variable(name) not in settings:
            raise ValueError(f"no {name}: give --{name}, or set {_variable(name)}")
    missing = {_variable(name): ask for name, ask in _PROMPTS.items() if _variable(name) not in settings}
    if missing and not sys.stdin.isatty():
        raise ValueError(f"{' and '.join(missing)} must be set, in the environment or in an .env file (--env-file)")
    try:
        return settings | {name: ask() for name, ask in missing.items()}
    except EOFError:
        raise ValueError(f"{' and '.join(missing)} must be given") from None


def _variable(name: str) -> str:
    return f"SMSGATE_{name.upper()}"


def _file(path: Path | None) -> dict[str, str | None]:
    if path is None and not Path(".env").is_file():
        return {}
    path = path or Path(".env")
    try:
        with path.open(encoding="utf-8-sig") as stream:
            # Without interpolation, as a password may hold "${".
            return dotenv_values(stream=stream, interpolate=False)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot read {path}: it is not UTF-8") from None


def _ask_login() -> str:
    print("Login: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\r\n")


def _ask_password() -> str:
    return getpass("Password: ", stream=sys.stderr)


_PROMPTS: dict[str, Callable[[], str]] = {"login": _ask_login, "password": _ask_password}
