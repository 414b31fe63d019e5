"""The settings of a session as one model, and how they are read from the environment.

Rule of this file: a complaint names the variable and what is allowed, and never quotes a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field, SecretStr, ValidationError

from .options import GATEWAY_URL, credential_flaw, in_quotes
from .privacy import sealed

__all__ = ["GatewaySettings", "complaint_of", "credential_complaint", "read_environment", "settings_in", "variable"]

_RULES = {"concurrency": "a whole number from 1 to 256"}


class GatewaySettings(BaseModel, extra="ignore", hide_input_in_errors=True):
    """What a session needs to know, each a variable of the environment: `SMSGATE_` and the name of the field in capitals.

    `login` and `password` are those of the gateway. `sender` is used for messages that name none, `url` is the whole address of
    the gateway, `concurrency` how many requests are sent at once, `proxy` the address of an HTTP proxy, and `country` the
    two-letter code of the country whose local numbers are understood. The rules of `AsyncSession` hold for all of them.
    """

    login: str = Field(repr=False)
    password: SecretStr
    sender: str | None = None
    url: str = GATEWAY_URL
    concurrency: int = Field(default=4, ge=1, le=256)
    proxy: str | None = Field(default=None, repr=False)
    country: str | None = None


def variable(name: str) -> str:
    """Return the variable of a setting."""
    return f"SMSGATE_{name.upper()}"


def settings_in(held: Mapping[str, str | None], names: Iterable[str]) -> dict[str, str]:
    """Return which of these settings are held, by their names. Variables may be written in small letters; empty is absent."""
    spelt = {**{name.upper(): value for name, value in held.items()}, **held}
    return {name: value for name in names if (value := spelt.get(variable(name)))}


@sealed
def read_environment(environ: Mapping[str, str]) -> GatewaySettings:
    """Return the settings that the environment holds. A variable that is empty counts as absent. Raises `ValueError`."""
    held = settings_in(environ, GatewaySettings.model_fields)
    if complaint := credential_complaint(held, variable):
        raise ValueError(complaint)
    try:
        return GatewaySettings.model_validate(held)
    except ValidationError as error:
        raise ValueError(complaint_of(error, "in the environment")) from None


def credential_complaint(held: Mapping[str, Any], place_of: Callable[[str], str], *, quotes_are_read: bool = False) -> str | None:
    """Return what is wrong with the login and the password in a mapping of settings, None if nothing is.

    `place_of` names the variable or the file of each. `quotes_are_read` if quotes around a value have been taken off already.
    """
    for name in ("login", "password"):
        value = held.get(name)
        if not isinstance(value, str):
            continue
        if flaw := credential_flaw(value):
            return f"{place_of(name)}: {flaw}"
        if in_quotes(value) and not quotes_are_read:
            return f"{place_of(name)}: has quotes around it, which would be part of it; write it without them"
    return None


def complaint_of(error: ValidationError, where: str) -> str:
    """Return what is wrong with settings: which are missing, and should be set `where`, or else the first that is no good."""
    rows = [
        (str(row["loc"][0]), row["type"]) for row in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    if absent := [variable(name) for name, kind in rows if kind == "missing"]:
        return f"{' and '.join(absent)} must be set {where}"
    name = rows[0][0]
    return f"{variable(name)}: {_RULES.get(name, 'a string')}"
