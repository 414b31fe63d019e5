"""The checks as one table, and the examination that goes through it.

Rule of this file: a new check is a new row. A check returns a finding or raises what a session would raise; an error never stops
the checks that can still be made. Only what the gateway said in words of its own is redacted: a password that is a common word
would be told by the gap that it leaves in a line that everybody knows. Errors hold no secret by themselves.
"""

from __future__ import annotations

import platform
import ssl
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from ..config import travels_in_clear
from ..errors import InDoubt, MessageNotFound, NotSent, Refused, SmsGateError
from ..protocol.answers import DeliveryState
from ..protocol.operations import GET_CREDIT_BALANCE, GET_MESSAGE_STATUS, GET_NEW_MESSAGES
from ..version import __version__
from .assessment import (
    AT_ONCE,
    assess_address,
    assess_answer_time,
    assess_certificate,
    assess_clock,
    assess_concurrency,
    assess_connection,
    assess_cookie,
    assess_credits,
    assess_environment_proxies,
    assess_https,
    assess_name,
    assess_sender,
    assess_status,
    failed,
    https_address,
    shown_address,
    worth_climbing,
)
from .findings import Finding, Mark, Report
from .probes import Probe, Setup, probing

__all__ = ["CHECKS", "Check", "environment", "examine"]

NO_MESSAGE = "00000000-0000-4000-8000-000000000000"
"""A message id of the right form that no gateway gives."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LIBRARIES = ("httpx", "httpcore", "pydantic", "anyio")


@dataclass(slots=True)
class _Room:
    """What the checks share: the probe, an option, and what earlier checks have found."""

    probe: Probe
    show_balance: bool
    most_at_once: int = 0

    @property
    def setup(self) -> Setup:
        return self.probe.setup


@dataclass(frozen=True, slots=True)
class Check:
    """One row: its name, what it does, which checks must be without a problem before it, and for which setups it makes sense."""

    name: str
    look: Callable[[_Room], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    applies: Callable[[Setup], bool] = lambda _: True


async def _address(room: _Room) -> Finding:
    return assess_address(room.setup.url, shown_address(room.setup.url))


async def _name(room: _Room) -> Finding:
    return assess_name(*await room.probe.resolve())


async def _connection(room: _Room) -> Finding:
    return assess_connection(await room.probe.connect(), room.setup.timeouts, "the proxy is" if room.setup.proxy else "")


async def _certificate(room: _Room) -> Finding:
    return assess_certificate(*await room.probe.handshake())


async def _gateway(room: _Room) -> Finding:
    return assess_answer_time(await room.probe.knock(room.setup.url), room.setup.timeouts)


async def _https(room: _Room) -> Finding:
    address = https_address(room.setup.url) or room.setup.url
    shown, why_not = shown_address(address), None
    try:
        await room.probe.knock(address)
    except (NotSent, InDoubt) as error:
        why_not = str(error)
    return assess_https(address, shown, why_not)


async def _login(room: _Room) -> Finding:
    await room.probe.log_in()
    return Finding("login", Mark.OK, "*** is accepted with its password")


async def _sender(room: _Room) -> Finding:
    return assess_sender(room.setup.sender)


async def _credits(room: _Room) -> Finding:
    return assess_credits(await room.probe.ask(GET_CREDIT_BALANCE), show=room.show_balance)


async def _new_messages(room: _Room) -> Finding:
    try:
        await room.probe.ask(GET_NEW_MESSAGES)
    except (Refused, InDoubt) as error:
        # The provider's page no longer lists the operation, and no send needs it.
        text = f"smsgate new will not work: {error}"
        return Finding("new messages", Mark.NOTE, text, facts={"error": type(error).__name__})
    return Finding("new messages", Mark.OK, "the answer is recognised")


async def _status(room: _Room) -> Finding:
    try:
        found = await room.probe.ask(GET_MESSAGE_STATUS, NO_MESSAGE, MessageId=NO_MESSAGE)
    except MessageNotFound:
        return assess_status(DeliveryState.NOT_FOUND)
    return assess_status(found.state)


async def _concurrency(room: _Room) -> Finding:
    steps = []
    # Closed here: trio complains of a generator that is left to the garbage collector.
    async with aclosing(room.probe.climb()) as climb:
        async for step in climb:
            steps.append(step)
            if step.error is None:
                room.most_at_once = step.concurrency
            if not worth_climbing(step):
                break
    if steps[0].error:
        raise steps[0].error
    last = steps[-1].error
    return assess_concurrency(steps, room.setup.concurrency, str(last) if last else "")


async def _cookie(room: _Room) -> Finding:
    if room.most_at_once < AT_ONCE:
        return _skipped("cookie lock", f"it needs {AT_ONCE} sessions that work at once, and fast answers")
    return assess_cookie(await room.probe.cookie_times())


async def _clock(room: _Room) -> Finding:
    if room.probe.clock is None:
        return _skipped("clock", "no answer told the time")
    date, here = room.probe.clock
    try:
        there = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return _skipped("clock", "the answer told no time that can be read")
    return assess_clock(here - there - 0.5)  # the header leaves out the fraction of a second: half of one on average


async def _proxy(room: _Room) -> Finding:
    proxy = room.setup.proxy
    found = {name for name in _PROXIES if room.setup.environ.get(name) or room.setup.environ.get(name.lower())}
    return assess_environment_proxies(proxy and shown_address(proxy), found)


CHECKS: tuple[Check, ...] = (
    Check("address", _address),
    Check("name", _name),
    Check("connection", _connection, ("name",)),
    Check("TLS", _certificate, ("connection",), lambda setup: not setup.proxy and urlsplit(setup.url).scheme == "https"),
    Check("gateway", _gateway, ("connection", "TLS")),
    # What is on this machine needs no https.
    Check("https", _https, ("name",), lambda setup: travels_in_clear(setup.url)),
    # The password goes to nobody who has just been found not to be the gateway.
    Check("login", _login, ("connection", "TLS", "gateway")),
    Check("sender", _sender),
    Check("credits", _credits, ("login",)),
    Check("new messages", _new_messages, ("login",)),
    Check("status", _status, ("login",)),
    Check("concurrency", _concurrency, ("login",)),
    Check("cookie lock", _cookie, ("login", "concurrency")),
    Check("clock", _clock),
    Check("proxy", _proxy),
)


async def examine(setup: Setup, *, show_balance: bool = False, starting: Callable[[str], None] = lambda _: None) -> Report:
    """Examine a setup and return what was found. It costs no credit and never sends; about 60 requests, 8 at once at most.

    `starting` is told the name of each check before it is made. No error of the gateway is raised: it becomes a finding.
    """
    findings: list[Finding] = []
    unsound: set[str] = set()
    async with probing(setup) as probe:
        room = _Room(probe, show_balance)
        for check in CHECKS:
            if not check.applies(setup):
                continue
            missing = next((need for need in check.needs if need in unsound), None)
            if missing is None:
                starting(check.name)
                finding = await _found(check, room)
            else:
                finding = _skipped(check.name, f"it needs the check «{missing}»")
            if finding.mark in (Mark.PROBLEM, Mark.SKIPPED):
                unsound.add(check.name)
            findings.append(finding)
        return Report(tuple(findings), tuple(probe.heard), environment(), probe.requests)


async def _found(check: Check, room: _Room) -> Finding:
    try:
        return await check.look(room)
    except SmsGateError as error:
        return failed(check.name, error, str(error), proxied=bool(room.setup.proxy))


def _skipped(check: str, why: str) -> Finding:
    return Finding(check, Mark.SKIPPED, f"not looked at: {why}")


def environment() -> dict[str, str]:
    """Return the versions of what a call goes through. Nothing in it names the machine."""
    return {
        "smsgate": __version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": f"{platform.system()} {platform.machine()}",
        **{name: _version(name) for name in _LIBRARIES},
        "OpenSSL": ssl.OPENSSL_VERSION.removeprefix("OpenSSL "),
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
