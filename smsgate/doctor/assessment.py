"""Turn measurements into findings: pure functions and their limits.

Rule of this file: no I/O and no clock. Each function takes a measurement and returns one finding;
each limit has a name and a reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ..config import Timeouts, travels_in_clear
from ..errors import (
    OUTCOMES,
    REASONS,
    InDoubt,
    NotEnoughCredits,
    NotSent,
    Reason,
    SmsGateError,
    outcome_of,
)
from ..protocol.answers import DeliveryState
from .findings import Finding, Mark

__all__ = [
    "AT_ONCE",
    "LADDER",
    "CookieTimes",
    "Step",
    "assess_address",
    "assess_answer_time",
    "assess_certificate",
    "assess_clock",
    "assess_concurrency",
    "assess_connection",
    "assess_cookie",
    "assess_credits",
    "assess_environment_proxies",
    "assess_https",
    "assess_name",
    "assess_status",
    "failed",
    "https_address",
    "shown_address",
    "useful_concurrency",
    "worth_climbing",
]

AT_ONCE: Final = 4
"""Simultaneous calls in the cookie lock check."""
LADDER: Final = (1, 2, 4, 8)
"""Numbers of simultaneous requests to measure; the last one is the maximum."""

_EXPIRES_SOON = 14
"""Days. Automatic renewal replaces a certificate earlier."""
_REDIRECTS = (301, 302, 303, 307, 308)
_SLOW_CONNECT, _SLOW_CALL = 1 / 3, 1 / 6
"""Shares of a deadline, which covers connecting, logging in and a retry, so it needs room."""
_CLOCK_OFF = 30
"""Seconds. A smaller difference may come from the network."""
_SLOWEST = 2.0
"""Seconds per call. If calls are slower, more concurrency would take minutes to measure."""
_WORTH_IT = 1.15
"""More sessions are useful only if throughput grows by at least 15 %."""
_WORK_LEAST = 0.010
"""Seconds of work per call. With less, noise on this machine would hide a lock."""
_WORK_SURE = 0.050
"""Seconds of work per call from which "no call waited" proves that there is no lock.

With less, the measured time may come from this machine and the network, and a lock would be missed.
"""
_CROWDED = 2.0
"""How many times slower than a single call parallel calls with separate cookies may be.

If they are slower, something other than the cookie makes them wait."""
_LOCKED, _FREE = 0.6, 0.25
"""Shares of the waiting time that a lock would cause: 1 if each call waits for all calls before it,
0 if no call waits."""

_ON_THE_WAY = frozenset({Reason.NO_CONNECTION, Reason.TIMED_OUT, Reason.BAD_REQUEST})
"""Reasons that a proxy may cause, if one is used."""
_MOVED = (
    "SMSGATE_URL",
    "The server there redirects. smsgate follows no redirects: set the address it redirects to.",
)
_OF_CHECK = {
    "TLS": (
        "verify",
        (
            "If your own certificate authority signed the certificate, pass that authority as"
            " verify= (here --ca-file). Do not switch the verification off."
        ),
    )
}
"""Setting and advice for a failed check, where they are better than those of the error."""


@dataclass(frozen=True, slots=True)
class CookieTimes:
    """Seconds that balance calls took.

    Attributes:
        alone: one call.
        same: `AT_ONCE` simultaneous calls with the same cookie.
        apart: `AT_ONCE` simultaneous calls, each with its own cookie.
        round_trip: the part of a call that the network takes; None if it is not known.
    """

    alone: float
    same: float
    apart: float
    round_trip: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement: calls made at this concurrency in so many seconds, or the error."""

    concurrency: int
    calls: int = 0
    seconds: float = 0.0
    error: SmsGateError | None = None

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds if self.seconds else 0.0


def failed(check: str, error: SmsGateError, text: str, *, proxied: bool = False) -> Finding:
    """Return the finding for a check that raised an error.

    Args:
        check: name of the check.
        error: the error.
        text: the message of the error.
        proxied: whether a proxy is used.
    """
    if proxied and isinstance(error, NotSent) and error.reason in _ON_THE_WAY:
        return Finding(
            check,
            Mark.PROBLEM,
            text,
            error,
            "SMSGATE_PROXY",
            "Check the address of the proxy, and whether the proxy lets this machine through.",
        )
    if isinstance(error, NotSent | InDoubt):
        of_reason = (REASONS[error.reason].setting, REASONS[error.reason].advice)
    else:
        of_reason = (outcome_of(error).setting, "")
    if isinstance(error, InDoubt) and error.evidence.status in _REDIRECTS:
        of_reason = _MOVED
    setting, advice = _OF_CHECK.get(check, of_reason)
    return Finding(check, Mark.PROBLEM, text, error, setting, advice)


# --- the address ---


def _origin(parts: SplitResult, scheme: str, port: int | None) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{f':{port}' if port else ''}"


def shown_address(url: str) -> str:
    """Return the URL without user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{_origin(parts, parts.scheme, parts.port)}{parts.path}"


def https_address(url: str) -> str | None:
    """Return the https URL of the same host, at the default port; None if it is https already."""
    parts = urlsplit(url)
    return f"{_origin(parts, 'https', None)}{parts.path}" if parts.scheme == "http" else None


def assess_address(url: str, shown: str) -> Finding:
    """Assess whether requests to this address are encrypted."""
    if travels_in_clear(url):
        return Finding(
            "address",
            Mark.NOTE,
            f"{shown} is plain http: login, password and texts travel unencrypted",
        )
    secure = urlsplit(url).scheme == "https"
    return Finding(
        "address", Mark.OK, f"{shown}{'' if secure else ' is plain http, but on this machine'}"
    )


def assess_name(addresses: int, seconds: float) -> Finding:
    """Assess how long the DNS lookup took."""
    plural = "" if addresses == 1 else "es"
    facts = {"addresses": addresses, "seconds": seconds}
    return Finding(
        "name",
        Mark.OK,
        f"resolved in {_time(seconds)}, with {addresses} address{plural}",
        facts=facts,
    )


def assess_connection(seconds: float, timeouts: Timeouts, place: str = "") -> Finding:
    """Assess how long connecting took. `place` begins the text, if the target is a proxy."""
    text, facts = f"{place} reached in {_time(seconds)}".strip(), {"seconds": seconds}
    if seconds <= timeouts.connect * _SLOW_CONNECT:
        return Finding("connection", Mark.OK, text, facts=facts)
    advice = (
        f"Allow more than {timeouts.connect:g} s for connecting:"
        " timeouts=smsgate.Timeouts(connect=...)."
    )
    return Finding(
        "connection",
        Mark.NOTE,
        f"{text}, which is slow",
        setting="timeouts",
        advice=advice,
        facts=facts,
    )


def assess_certificate(version: str, days: int | None) -> Finding:
    """Assess the TLS version and the days until the certificate expires, None if not verified."""
    if days is None:
        text, advice = (
            f"{version}, and the certificate is not verified",
            "Verify it: without verification, anyone in between can pose as the gateway.",
        )
        return Finding(
            "TLS",
            Mark.NOTE,
            text,
            setting="verify",
            advice=advice,
            facts={"version": version, "days": None},
        )
    text = f"{version}, and the certificate is valid for {days} more day{'' if days == 1 else 's'}"
    facts = {"version": version, "days": days}
    if days >= _EXPIRES_SOON:
        return Finding("TLS", Mark.OK, text, facts=facts)
    advice = (
        "No setting needs to change: the gateway's certificate must be renewed."
        " Once it has expired, every call ends as not sent."
    )
    return Finding("TLS", Mark.NOTE, text, setting="the certificate", advice=advice, facts=facts)


def assess_https(address: str, shown: str, why_not: str | None) -> Finding:
    """Assess whether the gateway offers https. `why_not` is the error; None if it answered."""
    facts = {"offered": why_not is None}
    if why_not is not None:
        return Finding("https", Mark.OK, f"not offered at {shown} ({why_not})", facts=facts)
    advice = "The gateway answers at this address, and the connection is encrypted."
    return Finding(
        "https",
        Mark.NOTE,
        f"offered at {shown}",
        setting=f"SMSGATE_URL={address}",
        advice=advice,
        facts=facts,
    )


def assess_answer_time(seconds: float, timeouts: Timeouts) -> Finding:
    """Assess how long the gateway took to answer a call without a login."""
    text, facts = f"answers as expected, in {_time(seconds)}", {"seconds": seconds}
    if seconds <= timeouts.read * _SLOW_CALL:
        return Finding("gateway", Mark.OK, text, facts=facts)
    advice = f"Allow more than {timeouts.read:g} s for a call: timeouts=smsgate.Timeouts(read=...)."
    return Finding(
        "gateway",
        Mark.NOTE,
        f"{text}, which is slow",
        setting="timeouts",
        advice=advice,
        facts=facts,
    )


# --- the account ---


def assess_sender(sender: str | None) -> Finding:
    """Assess the default sender. Only a send shows whether the account may use it.

    See docs: wire format, "Senders".
    """
    if sender is None:
        return Finding(
            "sender",
            Mark.NOTE,
            "none is set: each message needs its own sender",
            facts={"set": False},
        )
    return Finding(
        "sender",
        Mark.OK,
        "a sender is set; only a send shows whether the account may use this sender",
        facts={"set": True},
    )


def assess_credits(balance: Decimal, *, show: bool) -> Finding:
    """Assess the balance. The report contains it only if `show` is set: others may read it."""
    facts = {"any": balance > 0, **({"credits": balance} if show else {})}
    shown = f" ({balance:,f})" if show else ""
    if balance > 0:
        return Finding("credits", Mark.OK, f"the account has credits{shown}", facts=facts)
    row = OUTCOMES[NotEnoughCredits]
    advice = f"{row.advice} Every send will be refused."
    return Finding(
        "credits", Mark.PROBLEM, f"none{shown}", NotEnoughCredits(), row.setting, advice, facts
    )


def assess_status(state: DeliveryState) -> Finding:
    """Assess the delivery status of a message that cannot exist; `NOT_FOUND` is expected."""
    check, facts = "status", {"state": state}
    if state is DeliveryState.NOT_FOUND:
        return Finding(
            check, Mark.OK, "the answer for an unknown message id is recognised", facts=facts
        )
    if state is DeliveryState.UNRECOGNISED:
        error = InDoubt(f"{Reason.UNRECOGNISED}: a delivery status", reason=Reason.UNRECOGNISED)
        return Finding(
            check,
            Mark.PROBLEM,
            "the answer for an unknown message id is not recognised",
            error,
            facts=facts,
        )
    return Finding(
        check, Mark.NOTE, f"a message id that cannot exist has the status «{state}»", facts=facts
    )


# --- speed ---


def assess_cookie(times: CookieTimes) -> Finding:
    """Assess whether the gateway serves one cookie one request at a time.

    With a lock, the last of several calls with one cookie waits for all other calls. The share of
    this waiting time that was measured decides. Waiting proves a lock. No waiting proves that there
    is no lock only if the gateway works long enough on a call, and longer than the network takes.
    """
    round_trip = times.round_trip or 0.0
    work = times.alone - round_trip
    sure = times.round_trip is not None and work >= max(_WORK_SURE, round_trip)
    waited = (times.same - times.apart) / ((AT_ONCE - 1) * work) if work > 0 else 0.0
    seen = (
        f"{AT_ONCE} calls at the same time took {_time(times.same)} with one cookie,"
        f" {_time(times.apart)} with {AT_ONCE}"
    )
    if work < _WORK_LEAST:
        outcome, why = "unknown", "the gateway answers too fast to measure the lock"
    elif times.apart > times.alone * _CROWDED:
        outcome, why = (
            "unknown",
            f"calls with separate cookies waited, too: one alone takes {_time(times.alone)}",
        )
    elif waited >= _LOCKED:
        outcome, why = "locked", "a cookie is served one call at a time"
    elif waited <= _FREE and not sure:
        outcome, why = (
            "unknown",
            "no call waited, but the calls are too short to show a lock at this latency",
        )
    elif waited <= _FREE:
        outcome, why = "not locked", "a cookie is served several calls at the same time"
    else:
        outcome, why = "unknown", "the calls waited too little for a lock, too much for none"
    facts = {
        "outcome": outcome,
        "calls": AT_ONCE,
        "alone_seconds": times.alone,
        "same_cookie_seconds": times.same,
        "own_cookies_seconds": times.apart,
    }
    mark = Mark.NOTE if outcome == "unknown" else Mark.OK
    return Finding("cookie lock", mark, f"{outcome}: {why}; {seen}", facts=facts)


def worth_climbing(step: Step) -> bool:
    """Return whether the calls are fast enough to measure a higher concurrency, too."""
    return step.error is None and step.seconds * step.concurrency <= _SLOWEST * step.calls


def useful_concurrency(steps: Sequence[Step]) -> int:
    """Return the smallest concurrency beyond which throughput grows by less than 15 %.

    The steps are in ascending order.
    """
    return next(
        step.concurrency
        for place, step in enumerate(steps)
        if all(later.rate < step.rate * _WORTH_IT for later in steps[place + 1 :])
    )


def assess_concurrency(steps: Sequence[Step], configured: int, error_text: str = "") -> Finding:
    """Assess which concurrency is useful. Only the last step may have an error.

    `error_text` is the message of that error.
    """
    sound = [step for step in steps if step.error is None]
    useful, most = useful_concurrency(sound), sound[-1].concurrency
    first, *others = [
        f"{_rate(step.rate)} calls per second with {step.concurrency}" for step in sound
    ]
    rates = ", ".join([first, *(other.replace(" calls per second", "") for other in others)])
    facts = {
        "useful": useful,
        "configured": configured,
        "calls_a_second": {str(step.concurrency): round(step.rate, 1) for step in sound},
    }
    found = partial(Finding, "concurrency", facts=facts)
    broken = steps[-1]
    text = rates if broken.error is None else f"{rates}; with {broken.concurrency}: {error_text}"
    if broken.error is not None and configured > most:
        advice = f"The gateway did not serve {broken.concurrency} sessions at the same time."
        return found(Mark.NOTE, text, setting=f"SMSGATE_CONCURRENCY={most}", advice=advice)
    if sound[0].rate * _WORK_LEAST > 1:
        return found(Mark.OK, f"{text}; the answers are too fast to compare")
    if useful > configured:
        advice = (
            f"{useful} requests at the same time are faster than {configured};"
            " this matters if you send many messages."
        )
        return found(Mark.NOTE, text, setting=f"SMSGATE_CONCURRENCY={useful}", advice=advice)
    enough = (
        f"; {useful} would be enough, {configured} are fine" if useful < configured <= most else ""
    )
    return found(Mark.OK, f"{text}{enough}")


# --- this machine ---


def assess_clock(ahead: float) -> Finding:
    """Assess how many seconds this machine's clock is ahead of the gateway's clock."""
    facts = {"ahead_seconds": round(ahead)}
    if abs(ahead) <= _CLOCK_OFF:
        return Finding(
            "clock", Mark.OK, "this machine and the gateway agree on the time", facts=facts
        )
    text = (
        f"this machine is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the gateway"
    )
    advice = "Synchronise it with a time server: certificates and delivery times depend on it."
    return Finding(
        "clock", Mark.NOTE, text, setting="the clock of this machine", advice=advice, facts=facts
    )


def assess_environment_proxies(proxy: str | None, found: Collection[str]) -> Finding:
    """Assess the proxy in use, and the variables of other programs that smsgate ignores."""
    facts: Mapping[str, object] = {"used": proxy, "ignored": sorted(found)}
    used = f"{proxy} is used" if proxy else "none is used"
    if not found:
        return Finding("proxy", Mark.OK, used, facts=facts)
    names = " and ".join(sorted(found))
    text = f"{used}; smsgate ignores {names} on purpose and reads its proxy from SMSGATE_PROXY only"
    return Finding("proxy", Mark.NOTE, text, facts=facts)


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if rate < 10 else f"{rate:,.0f}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
