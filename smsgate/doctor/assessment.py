"""From measurements to findings: pure functions, and the limits that they assess by.

Rule of this file: no input and output, no clock. Each function takes what was measured and returns one finding; each limit has
a name and a reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ..config import Timeouts, travels_in_clear
from ..errors import OUTCOMES, REASONS, InDoubt, NotEnoughCredits, NotSent, Reason, SmsGateError, outcome_of
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
"""Calls that are made at once to find out about the lock of a cookie."""
LADDER: Final = (1, 2, 4, 8)
"""How many requests at once are tried, never more."""

_EXPIRES_SOON = 14
"""Days: whoever renews a certificate by a machine does it earlier than that."""
_REDIRECTS = (301, 302, 303, 307, 308)
_SLOW_CONNECT, _SLOW_CALL = 1 / 3, 1 / 6
"""Shares of a deadline. A call may connect, log in and be repeated within it, so it needs room."""
_CLOCK_OFF = 30
"""Seconds. Certificates and delivery times are told by the clock; below that it may be the network."""
_SLOWEST = 2.0
"""Seconds of a call from which on more requests at once are not measured: that would take minutes."""
_WORTH_IT = 1.15
"""A further login is worth its place if throughput grows by more than 15 %."""
_WORK_LEAST = 0.010
"""Seconds that the gateway must work on a call: below, a lock could not be told from the noise of this machine."""
_WORK_SURE = 0.050
"""Seconds of work from which calls that did not wait show that there is no lock. Below, what looks like work may be the time that
this machine and the network take, and a lock of a shorter work would not be seen."""
_CROWDED = 2.0
"""So many times slower than a call alone may calls with cookies of their own be; above, something else makes them wait."""
_LOCKED, _FREE = 0.6, 0.25
"""Shares of the waiting that a lock would cause: 1 if each call waits for all before it, 0 if none waits."""

_ON_THE_WAY = frozenset({Reason.NO_CONNECTION, Reason.TIMED_OUT, Reason.BAD_REQUEST})
"""What may be the fault of a proxy, if one is asked."""
_MOVED = ("SMSGATE_URL", "What answers there redirects, and smsgate never follows: set the address that it leads to.")
_OF_CHECK = {
    "TLS": (
        "verify",
        "If your own authority has signed the certificate, hand it on as verify= (here --ca-file). Do not switch the check off.",
    )
}
"""Where the check or the reason says more than the class of the error: the setting, and the advice."""


@dataclass(frozen=True, slots=True)
class CookieTimes:
    """Seconds that balance calls took: one `alone`, and `AT_ONCE` of them with the `same` cookie or each with its own, `apart`.

    `way` is what the network takes there and back, of which a lock knows nothing; None if it is not known.
    """

    alone: float
    same: float
    apart: float
    way: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """How many calls were made in how many seconds at this concurrency, or what went wrong."""

    concurrency: int
    calls: int = 0
    seconds: float = 0.0
    error: SmsGateError | None = None

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds if self.seconds else 0.0


def failed(check: str, error: SmsGateError, text: str, *, proxied: bool = False) -> Finding:
    """Return the problem that an error is. `text` is its message; `proxied` says that a proxy was asked."""
    if proxied and isinstance(error, NotSent) and error.reason in _ON_THE_WAY:
        return Finding(
            check, Mark.PROBLEM, text, error, "SMSGATE_PROXY", "Look at its address, and whether it lets this machine through."
        )
    if isinstance(error, NotSent | InDoubt):
        of_reason = (REASONS[error.reason].setting, REASONS[error.reason].advice)
    else:
        of_reason = (outcome_of(error).setting, "")
    if isinstance(error, InDoubt) and error.evidence.status in _REDIRECTS:
        of_reason = _MOVED
    setting, advice = _OF_CHECK.get(check, of_reason)
    return Finding(check, Mark.PROBLEM, text, error, setting, advice)


# --- the address --------------------------------------------------------------------------------------------------------


def _origin(parts: SplitResult, scheme: str, port: int | None) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{f':{port}' if port else ''}"


def shown_address(url: str) -> str:
    """Return the address without user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{_origin(parts, parts.scheme, parts.port)}{parts.path}"


def https_address(url: str) -> str | None:
    """Return where the same host would answer over https, at the usual port; None if the address is https already."""
    parts = urlsplit(url)
    return f"{_origin(parts, 'https', None)}{parts.path}" if parts.scheme == "http" else None


def assess_address(url: str, shown: str) -> Finding:
    """Assess whether the address can be read on the way."""
    if travels_in_clear(url):
        return Finding("address", Mark.NOTE, f"{shown} is plain http: login, password and texts can be read on the way")
    secure = urlsplit(url).scheme == "https"
    return Finding("address", Mark.OK, f"{shown}{'' if secure else ' is plain http, and on this machine'}")


def assess_name(addresses: int, seconds: float) -> Finding:
    """Assess the look-up of the host's name."""
    plural = "" if addresses == 1 else "es"
    facts = {"addresses": addresses, "seconds": seconds}
    return Finding("name", Mark.OK, f"found in {_time(seconds)}, with {addresses} address{plural}", facts=facts)


def assess_connection(seconds: float, timeouts: Timeouts, place: str = "") -> Finding:
    """Assess how long it took to connect to the gateway, or to the place that is named: a proxy."""
    text, facts = f"{place} reached in {_time(seconds)}".strip(), {"seconds": seconds}
    if seconds <= timeouts.connect * _SLOW_CONNECT:
        return Finding("connection", Mark.OK, text, facts=facts)
    advice = f"Give the session more time than {timeouts.connect:g} s to connect: timeouts=smsgate.Timeouts(connect=...)."
    return Finding("connection", Mark.NOTE, f"{text}, which is slow", setting="timeouts", advice=advice, facts=facts)


def assess_certificate(version: str, days: int | None) -> Finding:
    """Assess the TLS version and the days until the certificate expires, None if it is not verified."""
    if days is None:
        text, advice = f"{version}, and the certificate is not verified", "Verify it: now anybody on the way can be the gateway."
        return Finding("TLS", Mark.NOTE, text, setting="verify", advice=advice, facts={"version": version, "days": None})
    text = f"{version}, and the certificate is good for {days} more day{'' if days == 1 else 's'}"
    facts = {"version": version, "days": days}
    if days >= _EXPIRES_SOON:
        return Finding("TLS", Mark.OK, text, facts=facts)
    advice = "Nothing in your settings: have the gateway's certificate renewed, or every call will end as not sent."
    return Finding("TLS", Mark.NOTE, text, setting="the certificate", advice=advice, facts=facts)


def assess_https(address: str, shown: str, why_not: str | None) -> Finding:
    """Assess whether the gateway can be called over https. `why_not` is what went wrong there; None if it answered."""
    facts = {"offered": why_not is None}
    if why_not is not None:
        return Finding("https", Mark.OK, f"not offered at {shown} ({why_not})", facts=facts)
    advice = "The gateway answers there, and nobody on the way can read along."
    return Finding("https", Mark.NOTE, f"offered at {shown}", setting=f"SMSGATE_URL={address}", advice=advice, facts=facts)


def assess_answer_time(seconds: float, timeouts: Timeouts) -> Finding:
    """Assess how long the gateway took for the first answer, which no login was needed for."""
    text, facts = f"answers as it should, in {_time(seconds)}", {"seconds": seconds}
    if seconds <= timeouts.read * _SLOW_CALL:
        return Finding("gateway", Mark.OK, text, facts=facts)
    advice = f"Give the session more time than {timeouts.read:g} s for a call: timeouts=smsgate.Timeouts(read=...)."
    return Finding("gateway", Mark.NOTE, f"{text}, which is slow", setting="timeouts", advice=advice, facts=facts)


# --- the account --------------------------------------------------------------------------------------------------------


def assess_sender(sender: str | None) -> Finding:
    """Assess the default sender. Whether the account has it, only a send would tell (docs: wire format, "Senders")."""
    if sender is None:
        return Finding("sender", Mark.NOTE, "none is set: a message that names none is refused", facts={"set": False})
    return Finding("sender", Mark.OK, "one is set; whether the account has it, only a send would tell", facts={"set": True})


def assess_credits(balance: Decimal, *, show: bool) -> Finding:
    """Assess the balance, and tell it only if asked to: a report is read by others."""
    facts = {"any": balance > 0, **({"credits": balance} if show else {})}
    told = f" ({balance:,f})" if show else ""
    if balance > 0:
        return Finding("credits", Mark.OK, f"yes, there are credits{told}", facts=facts)
    row = OUTCOMES[NotEnoughCredits]
    advice = f"{row.advice} Every send will be refused."
    return Finding("credits", Mark.PROBLEM, f"none{told}", NotEnoughCredits(), row.setting, advice, facts)


def assess_status(state: DeliveryState) -> Finding:
    """Assess the delivery status of a message that cannot exist. `NOT_FOUND` is the answer that is expected."""
    check, facts = "status", {"state": state}
    if state is DeliveryState.NOT_FOUND:
        return Finding(check, Mark.OK, "the answer for an unknown message id is recognised", facts=facts)
    if state is DeliveryState.UNRECOGNISED:
        error = InDoubt(f"{Reason.UNRECOGNISED}: a delivery status", reason=Reason.UNRECOGNISED)
        return Finding(check, Mark.PROBLEM, "the answer for an unknown message id is not recognised", error, facts=facts)
    return Finding(check, Mark.NOTE, f"a message id that cannot exist has the status «{state}»", facts=facts)


# --- speed --------------------------------------------------------------------------------------------------------------


def assess_cookie(times: CookieTimes) -> Finding:
    """Assess whether one cookie is served one request at a time.

    With a lock the last of the calls with one cookie waits for the work on all others, without one it waits for none. How much
    of that waiting was seen decides. Waiting that was seen shows a lock. That none was seen shows none only if the gateway works
    so long that the waiting could not have been missed, and longer than the network takes.
    """
    way = times.way or 0.0
    work = times.alone - way
    sure = times.way is not None and work >= max(_WORK_SURE, way)
    waited = (times.same - times.apart) / ((AT_ONCE - 1) * work) if work > 0 else 0.0
    seen = f"{AT_ONCE} at once took {_time(times.same)} with one cookie, {_time(times.apart)} with {AT_ONCE}"
    if work < _WORK_LEAST:
        outcome, why = "cannot be told", "the gateway answers too fast for that"
    elif times.apart > times.alone * _CROWDED:
        outcome, why = "cannot be told", f"calls with cookies of their own waited, too: one alone takes {_time(times.alone)}"
    elif waited >= _LOCKED:
        outcome, why = "locked", "a cookie is served one call at a time"
    elif waited <= _FREE and not sure:
        outcome, why = "cannot be told", "no call waited, but the gateway works too short for a lock to be seen at this latency"
    elif waited <= _FREE:
        outcome, why = "not locked", "a cookie is served several calls at once"
    else:
        outcome, why = "cannot be told", "from so few calls"
    facts = {
        "outcome": outcome,
        "calls": AT_ONCE,
        "alone_seconds": times.alone,
        "same_cookie_seconds": times.same,
        "own_cookies_seconds": times.apart,
    }
    mark = Mark.NOTE if outcome == "cannot be told" else Mark.OK
    return Finding("cookie lock", mark, f"{outcome}: {why}; {seen}", facts=facts)


def worth_climbing(step: Step) -> bool:
    """Return whether a higher concurrency can be measured in a time that a person waits for."""
    return step.error is None and step.seconds * step.concurrency <= _SLOWEST * step.calls


def useful_concurrency(steps: Sequence[Step]) -> int:
    """Return the smallest concurrency beyond which throughput grows by less than 15 %. Steps go up."""
    return next(
        step.concurrency
        for place, step in enumerate(steps)
        if all(later.rate < step.rate * _WORTH_IT for later in steps[place + 1 :])
    )


def assess_concurrency(steps: Sequence[Step], configured: int, error_text: str = "") -> Finding:
    """Assess which concurrency helps. A step with an error is the last one; `error_text` is its message."""
    sound = [step for step in steps if step.error is None]
    useful, most = useful_concurrency(sound), sound[-1].concurrency
    first, *others = [f"{_rate(step.rate)} calls a second with {step.concurrency}" for step in sound]
    rates = ", ".join([first, *(other.replace(" calls a second", "") for other in others)])
    facts = {
        "useful": useful,
        "configured": configured,
        "calls_a_second": {str(step.concurrency): round(step.rate, 1) for step in sound},
    }
    broken = steps[-1]
    text = rates if broken.error is None else f"{rates}; with {broken.concurrency}: {error_text}"
    if broken.error is not None and configured > most:
        advice = f"The gateway did not serve {broken.concurrency} sessions at once."
        return Finding("concurrency", Mark.NOTE, text, setting=f"SMSGATE_CONCURRENCY={most}", advice=advice, facts=facts)
    if sound[0].rate * _WORK_LEAST > 1:
        return Finding("concurrency", Mark.OK, f"{text}; answers as fast as these tell nothing about concurrency", facts=facts)
    if useful > configured:
        advice = f"{useful} requests at once are faster than {configured}; it matters if you send much."
        return Finding("concurrency", Mark.NOTE, text, setting=f"SMSGATE_CONCURRENCY={useful}", advice=advice, facts=facts)
    enough = f"; {useful} would do, and {configured} do no harm" if useful < configured <= most else ""
    return Finding("concurrency", Mark.OK, f"{text}{enough}", facts=facts)


# --- this machine -------------------------------------------------------------------------------------------------------


def assess_clock(ahead: float) -> Finding:
    """Assess how many seconds this machine's clock is ahead of the gateway's, which tells whole seconds only."""
    facts = {"ahead_seconds": round(ahead)}
    if abs(ahead) <= _CLOCK_OFF:
        return Finding("clock", Mark.OK, "this machine and the gateway agree on the time", facts=facts)
    text = f"this machine is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the gateway"
    advice = "Compare it with a time server: certificates and delivery times are assessed by it."
    return Finding("clock", Mark.NOTE, text, setting="the clock of this machine", advice=advice, facts=facts)


def assess_environment_proxies(proxy: str | None, found: Collection[str]) -> Finding:
    """Assess the proxy in use, as it is shown, against the variables that other programs take one from."""
    facts: Mapping[str, object] = {"used": proxy, "ignored": sorted(found)}
    used = f"{proxy} is used" if proxy else "none is used"
    if not found:
        return Finding("proxy", Mark.OK, used, facts=facts)
    names = " and ".join(sorted(found))
    text = f"{used}; {names} {'is' if len(found) == 1 else 'are'} set, which smsgate ignores on purpose: SMSGATE_PROXY is its own"
    return Finding("proxy", Mark.NOTE, text, facts=facts)


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if rate < 10 else f"{rate:,.0f}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
