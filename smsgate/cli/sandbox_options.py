"""The options of `smsgate sandbox`, in groups: behaviour, address, and what is outside of it.

Rule of this file: the sandbox and its libraries, an extra, are imported inside functions. An error
names the option and does not quote a password.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ..config import travels_in_clear
from .ages import age

if TYPE_CHECKING:
    from ..sandbox import OtherAccount, Settings

__all__ = ["Behaviour", "Listening", "Outside", "filled"]

_Choice = TypeVar("_Choice", bound=StrEnum)

_behaviour = partial(typer.Option, rich_help_panel="Behaviour of the sandbox")
_listening = partial(typer.Option, rich_help_panel="Address of the sandbox")
_outside = partial(typer.Option, rich_help_panel="File and webhook of the sandbox")
_CREDIT_DIGITS = 15
_MOST_DAYS = 366
_SAID = {
    "other_accounts": (
        'other-account: must have a login of 1 to 100 characters without spaces and : ; / ", which'
        " no other account has, a password, and 0 to 1,000,000,000,000,000 credits"
    )
}
"""Errors of settings in the words of their option."""


def _possible_age(text: str) -> float:
    seconds = age(text)
    if not 0 < seconds <= _MOST_DAYS * 86_400:
        raise typer.BadParameter(f"must be from 1s to {_MOST_DAYS}d")
    return seconds


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Settings of the sandbox, with the names of `smsgate.sandbox.Settings`."""

    login: Annotated[
        str,
        _behaviour(metavar="NAME", help="The login that the sandbox accepts."),
    ] = "sandbox"
    password: Annotated[
        str,
        _behaviour(
            metavar="WORD",
            help="The password that the sandbox accepts. Do not use a real password.",
        ),
    ] = "sandbox"  # noqa: S105 - a word for tests
    account: Annotated[
        str,
        _behaviour(
            metavar="STATE",
            help="State of the account: active, not activated, blocked or disabled.",
        ),
    ] = "active"
    credits: Annotated[
        int,
        _behaviour(metavar="N", min=0, help="Credits at the start. Each part costs one credit."),
    ] = 10_000
    other_account: Annotated[
        list[str] | None,
        _behaviour(
            metavar="ACCOUNT",
            help=(
                "Another account with a balance of its own: LOGIN:PASSWORD:CREDITS, or"
                " LOGIN:PASSWORD for 10000 credits. May be repeated."
            ),
        ),
    ] = None
    pay_in_part: Annotated[
        bool,
        _behaviour(
            "--pay-in-part",
            help="If credits run out, send to the first recipients and refuse only the rest.",
        ),
    ] = False
    senders: Annotated[
        str | None,
        _behaviour(metavar="NAMES", help="Approved senders, separated by commas. Default: all."),
    ] = None
    delivery_seconds: Annotated[
        float,
        _behaviour(metavar="S", min=0, help="Seconds from a send to its final delivery status."),
    ] = 3.0
    delivery_jitter: Annotated[
        float,
        _behaviour(
            metavar="SHARE",
            min=0,
            max=1,
            help="Vary the delivery time by up to this share, from 0 to 1.",
        ),
    ] = 0.0
    hold_seconds: Annotated[
        float,
        _behaviour(metavar="S", min=0, help="Delay each answer by this many seconds."),
    ] = 0.0
    session_idle_seconds: Annotated[
        float,
        _behaviour(metavar="S", min=0.1, help="Seconds after which an unused session expires."),
    ] = 1440.0
    session_calls: Annotated[
        int | None,
        _behaviour(
            metavar="N", min=1, help="Calls after which a session expires. Default: no limit."
        ),
    ] = None
    lock_cookies: Annotated[
        bool,
        _behaviour(
            "--lock/--no-lock", help="Process one request at a time per cookie, as PHP does."
        ),
    ] = True
    unauthorised: Annotated[
        str | None,
        _behaviour(
            metavar="TEXT", help="The answer for an expired session. Default: «Вы не авторизованы»."
        ),
    ] = None
    failed_slot: Annotated[
        str,
        _behaviour(
            metavar="KIND",
            help="What a refused number gets in place of a message id: sentence, empty or nil.",
        ),
    ] = "sentence"
    keep_messages: Annotated[
        int,
        _behaviour(metavar="N", min=1, help="How many messages to keep in memory (1 KB each)."),
    ] = 100_000
    keep_calls: Annotated[
        int,
        _behaviour(metavar="N", min=1, help="How many calls to keep in memory."),
    ] = 10_000
    keep_for: Annotated[
        float | None,
        _behaviour(
            metavar="AGE",
            parser=_possible_age,
            help="Delete older messages and calls: 7d, 12h, 45min or 90s. Default: no limit.",
        ),
    ] = None
    seed: Annotated[
        int | None,
        _behaviour(metavar="N", help="Seed for message ids and random faults. Default: random."),
    ] = None

    def settings(self) -> Settings:
        """Return the settings. Raises `ValueError`, which names the option."""
        from ..sandbox import AccountState, FailedSlot, Settings  # noqa: PLC0415 - another extra

        given = asdict(self) | {
            "account": _chosen("account", self.account, AccountState),
            "failed_slot": _chosen("failed-slot", self.failed_slot, FailedSlot),
            "senders": None if self.senders is None else _senders(self.senders),
            "other_accounts": tuple(map(_other_account, filled(self.other_account or ()))),
            "keep_seconds": self.keep_for,
        }
        del given["other_account"], given["keep_for"]
        if self.unauthorised is None:
            del given["unauthorised"]
        try:
            return Settings(**given)
        except ValueError as error:
            option, _, allowed = str(error).partition(": ")
            raise ValueError(_SAID.get(option, f"{option}: {allowed}")) from None


@dataclass(frozen=True, slots=True)
class Listening:
    """The address on which the sandbox listens, and TLS."""

    host: Annotated[str, _listening(metavar="HOST", help="The address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int,
        _listening(
            metavar="PORT", min=0, max=65535, help="The port to listen on; 0 chooses a free port."
        ),
    ] = 8025
    name: Annotated[
        list[str] | None,
        _listening(
            metavar="NAME",
            help="Another host name to accept in the Host header. May be repeated.",
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        _listening(metavar="PATH", help="Serve https with this certificate (PEM)."),
    ] = None
    tls_key: Annotated[
        Path | None,
        _listening(metavar="PATH", help="The certificate's key (PEM), if it is in another file."),
    ] = None

    @property
    def exposed(self) -> bool:
        """Whether other machines may reach the sandbox."""
        return travels_in_clear(
            f"http://[{self.host}]" if ":" in self.host else f"http://{self.host}"
        )

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, None without a certificate.

        Raises `ValueError`, which names the option.
        """
        if self.tls_cert is None:
            if self.tls_key:
                raise ValueError("tls-key: needs a certificate; add --tls-cert")
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except OSError as error:  # includes ssl.SSLError
            why = error.strerror or "no certificate and key in PEM format"
            raise ValueError(f"tls-cert: the certificate cannot be used ({why})") from None
        return context


@dataclass(frozen=True, slots=True)
class Outside:
    """What the sandbox writes to: a file, and another program."""

    database: Annotated[
        Path | None,
        _outside(
            metavar="FILE",
            help=(
                "Keep messages, calls, balances, sessions and faults over a restart in this file."
                " It is created if it does not exist."
            ),
        ),
    ] = None
    webhook: Annotated[
        str | None,
        _outside(
            metavar="URL",
            help=(
                "POST each accepted message to this address, as JSON. For end-to-end tests:"
                " the real gateway has no webhook."
            ),
        ),
    ] = None


def filled(values: Sequence[str]) -> tuple[str, ...]:
    """Return the values without spaces around them, and without empty ones."""
    return tuple(stripped for value in values if (stripped := value.strip()))


def _senders(given: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in given.split(","))
    if "" in names:
        raise ValueError("senders: a name is missing; separate names by commas, such as Shop,Bank")
    return names


def _chosen(option: str, given: str, choices: type[_Choice]) -> _Choice:
    try:
        return choices(given)
    except ValueError:
        raise ValueError(f"{option}: must be one of {', '.join(choices)}") from None


def _other_account(given: str) -> OtherAccount:
    """Return the account of `LOGIN:PASSWORD` or `LOGIN:PASSWORD:CREDITS`."""
    from ..sandbox import OtherAccount  # noqa: PLC0415 - another extra

    login, _, rest = given.partition(":")
    password, colon, credits_ = rest.rpartition(":") if ":" in rest else (rest, "", "")
    number = credits_.isascii() and credits_.isdecimal() and len(credits_) <= _CREDIT_DIGITS
    if not login or not password or (colon and not number):
        raise ValueError(
            "other-account: must be LOGIN:PASSWORD or LOGIN:PASSWORD:CREDITS, such as"
            " promo:secret:500"
        )
    return OtherAccount(login, password, int(credits_)) if colon else OtherAccount(login, password)
