"""The checks as one table, and `examine`, which runs them.

Rule of this file: a new check is a new row. A check returns a finding or raises the error that a
session would raise; an error never stops the checks that do not depend on it. Only the gateway's
own words are redacted: in a sentence that everybody knows, `***` in place of a common word would
reveal that the word is the password. Our own errors hold no secret.
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
"""A valid message id that the gateway never issues."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LIBRARIES = ("httpx", "httpcore", "pydantic", "anyio")


@dataclass(slots=True)
class _Context:
    """What the checks share: the probe, an option, and the result of an earlier check."""

    probe: Probe
    show_balance: bool
    most_at_once: int = 0

    @property
    def setup(self) -> Setup:
        return self.probe.setup


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, its function, the checks that must pass first, and when it applies."""

    name: str
    look: Callable[[_Context], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    applies: Callable[[Setup], bool] = lambda _: True


async def _address(context: _Context) -> Finding:
    return assess_address(context.setup.url, shown_address(context.setup.url))


async def _name(context: _Context) -> Finding:
    return assess_name(*await context.probe.resolve())


async def _connection(context: _Context) -> Finding:
    return assess_connection(
        await context.probe.connect(),
        context.setup.timeouts,
        "the proxy is" if context.setup.proxy else "",
    )


async def _certificate(context: _Context) -> Finding:
    return assess_certificate(*await context.probe.handshake())


async def _gateway(context: _Context) -> Finding:
    return assess_answer_time(
        await context.probe.answer_time(context.setup.url), context.setup.timeouts
    )


async def _https(context: _Context) -> Finding:
    address = https_address(context.setup.url) or context.setup.url
    shown, why_not = shown_address(address), None
    try:
        await context.probe.answer_time(address)
    except (NotSent, InDoubt) as error:
        why_not = str(error)
    return assess_https(address, shown, why_not)


async def _login(context: _Context) -> Finding:
    await context.probe.log_in()
    return Finding("login", Mark.OK, "*** is accepted with its password")


async def _sender(context: _Context) -> Finding:
    return assess_sender(context.setup.sender)


async def _credits(context: _Context) -> Finding:
    return assess_credits(await context.probe.ask(GET_CREDIT_BALANCE), show=context.show_balance)


async def _new_messages(context: _Context) -> Finding:
    try:
        await context.probe.ask(GET_NEW_MESSAGES)
    except (Refused, InDoubt) as error:
        # Only a note: no send needs this operation, and the provider no longer documents it.
        text = f"smsgate new will not work: {error}"
        return Finding("new messages", Mark.NOTE, text, facts={"error": type(error).__name__})
    return Finding("new messages", Mark.OK, "the answer is recognised")


async def _status(context: _Context) -> Finding:
    try:
        found = await context.probe.ask(GET_MESSAGE_STATUS, NO_MESSAGE, MessageId=NO_MESSAGE)
    except MessageNotFound:
        return assess_status(DeliveryState.NOT_FOUND)
    return assess_status(found.state)


async def _concurrency(context: _Context) -> Finding:
    steps = []
    # Closed explicitly: trio warns if the garbage collector closes an async generator.
    async with aclosing(context.probe.climb()) as climb:
        async for step in climb:
            steps.append(step)
            if step.error is None:
                context.most_at_once = step.concurrency
            if not worth_climbing(step):
                break
    if steps[0].error:
        raise steps[0].error
    last = steps[-1].error
    return assess_concurrency(steps, context.setup.concurrency, str(last) if last else "")


async def _cookie(context: _Context) -> Finding:
    if context.most_at_once < AT_ONCE:
        return _skipped(
            "cookie lock",
            f"it needs {AT_ONCE} sessions that work at the same time, and fast answers",
        )
    return assess_cookie(await context.probe.cookie_times())


async def _clock(context: _Context) -> Finding:
    if context.probe.clock is None:
        return _skipped("clock", "no answer had a Date header")
    date, here = context.probe.clock
    try:
        there = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return _skipped("clock", "the Date header of the answer cannot be read")
    # The header drops the fraction of a second: half a second on average.
    return assess_clock(here - there - 0.5)


async def _proxy(context: _Context) -> Finding:
    proxy = context.setup.proxy
    found = {
        name
        for name in _PROXIES
        if context.setup.environ.get(name) or context.setup.environ.get(name.lower())
    }
    return assess_environment_proxies(proxy and shown_address(proxy), found)


CHECKS: tuple[Check, ...] = (
    Check("address", _address),
    Check("name", _name),
    Check("connection", _connection, ("name",)),
    Check(
        "TLS",
        _certificate,
        ("connection",),
        lambda setup: not setup.proxy and urlsplit(setup.url).scheme == "https",
    ),
    Check("gateway", _gateway, ("connection", "TLS")),
    # A gateway on this machine needs no https.
    Check("https", _https, ("name",), lambda setup: travels_in_clear(setup.url)),
    # No password is sent to an address that does not answer like the gateway.
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


async def examine(
    setup: Setup, *, show_balance: bool = False, starting: Callable[[str], None] = lambda _: None
) -> Report:
    """Check a setup and return the report. No message is sent and no credit is spent.

    It makes about 60 requests, at most 8 at the same time. An error of the gateway becomes a
    finding.

    Args:
        setup: the settings to check.
        show_balance: whether the report contains the balance; by default it does not.
        starting: called with the name of each check before the check runs.

    Returns:
        The report, with one finding for each check that applies to the setup.
    """
    findings: list[Finding] = []
    unsound: set[str] = set()
    async with probing(setup) as probe:
        context = _Context(probe, show_balance)
        for check in CHECKS:
            if not check.applies(setup):
                continue
            missing = next((need for need in check.needs if need in unsound), None)
            if missing is None:
                starting(check.name)
                finding = await _found(check, context)
            else:
                finding = _skipped(check.name, f"it needs the check «{missing}»")
            if finding.mark in (Mark.PROBLEM, Mark.SKIPPED):
                unsound.add(check.name)
            findings.append(finding)
        return Report(tuple(findings), tuple(probe.heard), environment(), probe.requests)


async def _found(check: Check, context: _Context) -> Finding:
    try:
        return await check.look(context)
    except SmsGateError as error:
        return failed(check.name, error, str(error), proxied=bool(context.setup.proxy))


def _skipped(check: str, why: str) -> Finding:
    return Finding(check, Mark.SKIPPED, f"not checked: {why}")


def environment() -> dict[str, str]:
    """Return the versions of Python, the platform and the libraries. Nothing names the machine."""
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
