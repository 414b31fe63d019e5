"""Faults: a table of all kinds, and the rules that say to which calls a fault applies.

Rule of this file: no I/O. The row of a fault has a pure function that changes the answer, or names
what happens to the connection, which `wire` does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from random import Random
from threading import Lock
from typing import Any

from ..protocol.operations import OPERATIONS

__all__ = [
    "FAULTS",
    "ConnectionEnd",
    "FaultKind",
    "FaultRow",
    "FaultRule",
    "Faults",
    "PreparedReply",
    "parse_rule",
]


class FaultKind(StrEnum):
    """The name of a fault.

    "before": the gateway has done nothing. "after": it has done the work, and a send is charged.
    """

    SLOW = "slow"
    SILENT_BEFORE = "silent before"
    SILENT_AFTER = "silent after"
    DROP_BEFORE = "drop before"
    DROP_AFTER = "drop after"
    RESET_BEFORE = "reset before"
    RESET_AFTER = "reset after"
    CUT_HEADERS = "cut headers"
    CUT_BODY = "cut body"
    BAD_GATEWAY_BEFORE = "502 before"
    BAD_GATEWAY_AFTER = "502 after"
    HTML = "html"
    EMPTY = "empty"
    GARBAGE = "garbage"
    NOT_HTTP = "not http"
    WRONG_CHARSET = "wrong charset"
    SHORT_ARRAY = "short array"
    SESSION_LOSS = "session loss"


class ConnectionEnd(Enum):
    """What happens to the connection instead of an answer."""

    CLOSED = "closed"
    RESET = "reset"
    CUT_HEADERS = "cut in the headers"
    CUT_BODY = "cut in the body"
    NOT_HTTP = "bytes that are no HTTP"
    SILENT = "held open, and nothing said"


@dataclass(frozen=True, slots=True)
class PreparedReply:
    """An answer of the gateway: what will be written to the connection."""

    status: int
    content_type: str
    body: bytes = field(repr=False)


_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    b"<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_BAD_GATEWAY = PreparedReply(502, "text/html", _PAGE)
_LAST_SLOT = re.compile(
    rb"<ns1:ResultArray(?:/>|>[^<]*</ns1:ResultArray>| xsi:nil=\"true\"/>)(?=</ns1:\w+Result>)"
)


def _bad_gateway(_: PreparedReply) -> PreparedReply:
    return _BAD_GATEWAY


def _html(reply: PreparedReply) -> PreparedReply:
    return replace(
        reply, content_type="text/html", body=b"<html><body><h1>It works!</h1></body></html>\n"
    )


def _empty(reply: PreparedReply) -> PreparedReply:
    return replace(reply, body=b"")


def _garbage(reply: PreparedReply) -> PreparedReply:
    return replace(reply, body=bytes(range(256)) * 2)


def _wrong_charset(reply: PreparedReply) -> PreparedReply:
    return replace(reply, body=reply.body.decode().encode("cp1251", "xmlcharrefreplace"))


def _short_array(reply: PreparedReply) -> PreparedReply:
    return replace(reply, body=_LAST_SLOT.sub(b"", reply.body))


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault: whether the gateway does the work, and what happens to answer or connection."""

    kind: FaultKind
    note: str
    works: bool
    changes: Callable[[PreparedReply], PreparedReply] | None = None
    ends: ConnectionEnd | None = None
    seconds: float | None = None
    """Default delay of the answer, in seconds; None for a fault without a delay."""
    forgets: bool = False
    """The session of the request is ended first."""


FAULTS: dict[FaultKind, FaultRow] = {
    row.kind: row
    for row in (
        FaultRow(
            FaultKind.SLOW,
            "the answer is late; the gateway does the work immediately",
            works=True,
            seconds=5.0,
        ),
        FaultRow(
            FaultKind.SILENT_BEFORE,
            "no answer, and the gateway does nothing",
            works=False,
            ends=ConnectionEnd.SILENT,
        ),
        FaultRow(
            FaultKind.SILENT_AFTER,
            "no answer, but the gateway does the work",
            works=True,
            ends=ConnectionEnd.SILENT,
        ),
        FaultRow(
            FaultKind.DROP_BEFORE,
            "the connection is closed before the gateway does anything",
            works=False,
            ends=ConnectionEnd.CLOSED,
        ),
        FaultRow(
            FaultKind.DROP_AFTER,
            "the connection is closed after the work, without an answer",
            works=True,
            ends=ConnectionEnd.CLOSED,
        ),
        FaultRow(
            FaultKind.RESET_BEFORE,
            "the connection is reset before the gateway does anything",
            works=False,
            ends=ConnectionEnd.RESET,
        ),
        FaultRow(
            FaultKind.RESET_AFTER,
            "the connection is reset after the work, without an answer",
            works=True,
            ends=ConnectionEnd.RESET,
        ),
        FaultRow(
            FaultKind.CUT_HEADERS,
            "the answer ends in the middle of its headers",
            works=True,
            ends=ConnectionEnd.CUT_HEADERS,
        ),
        FaultRow(
            FaultKind.CUT_BODY,
            "the answer ends in the middle of its body",
            works=True,
            ends=ConnectionEnd.CUT_BODY,
        ),
        FaultRow(
            FaultKind.BAD_GATEWAY_BEFORE,
            "an HTML page with status 502, and the gateway does nothing",
            works=False,
            changes=_bad_gateway,
        ),
        FaultRow(
            FaultKind.BAD_GATEWAY_AFTER,
            "an HTML page with status 502, after the work",
            works=True,
            changes=_bad_gateway,
        ),
        FaultRow(
            FaultKind.HTML,
            "an HTML page with status 200, after the work",
            works=True,
            changes=_html,
        ),
        FaultRow(
            FaultKind.EMPTY,
            "an empty body with status 200, after the work",
            works=True,
            changes=_empty,
        ),
        FaultRow(
            FaultKind.GARBAGE,
            "bytes that are not XML, after the work",
            works=True,
            changes=_garbage,
        ),
        FaultRow(
            FaultKind.NOT_HTTP,
            "bytes that are not HTTP, after the work",
            works=True,
            ends=ConnectionEnd.NOT_HTTP,
        ),
        FaultRow(
            FaultKind.WRONG_CHARSET,
            "the answer is in windows-1251, but declares UTF-8",
            works=True,
            changes=_wrong_charset,
        ),
        FaultRow(
            FaultKind.SHORT_ARRAY,
            "the last slot of an array is missing, after the work",
            works=True,
            changes=_short_array,
        ),
        FaultRow(
            FaultKind.SESSION_LOSS,
            "the gateway session ends just before the work, so the call is not authorised",
            works=True,
            forgets=True,
        ),
    )
}
"""All faults, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """An active fault and the calls that it applies to.

    Attributes:
        id: number of the rule.
        kind: the fault.
        operation: the operation that it applies to; None for any.
        probability: probability for each call, more than 0 and at most 1.
        times: how many more times it applies; None means no limit.
        seconds: delay of the answer; None for a fault without a delay.
        struck: how many times it has applied.
        kept: whether the database of the sandbox, if it has one, keeps the rule.
    """

    id: int
    kind: FaultKind
    operation: str | None = None
    probability: float = 1.0
    times: int | None = None
    seconds: float | None = None
    struck: int = 0
    kept: bool = False

    @property
    def row(self) -> FaultRow:
        """The row of the fault in `FAULTS`."""
        return FAULTS[self.kind]


class Faults:
    """The active rules. Thread-safe.

    Args:
        seed: makes the random choices repeatable.
        changed: called after each change.
    """

    def __init__(self, seed: int | None = None, changed: Callable[[], None] = lambda: None) -> None:
        self._random = Random(seed)  # noqa: S311 - chance, not secrecy
        self._changed = changed
        self._lock = Lock()
        self._rules: dict[int, FaultRule] = {}
        self._last = 0
        self._struck: Counter[str] = Counter()

    def add(
        self,
        kind: FaultKind | str,
        *,
        operation: str | None = None,
        probability: float = 1.0,
        times: int | None = None,
        seconds: float | None = None,
        keep: bool = False,
    ) -> FaultRule:
        """Add a rule and return it. If several rules match a call, the oldest one applies.

        Args:
            kind: the fault.
            operation: the operation that it applies to; None for any.
            probability: probability for each call, more than 0 and at most 1.
            times: how many times it applies; None means no limit.
            seconds: delay of the answer, for faults with a delay; None takes the default.
            keep: keep the rule over a restart, if the sandbox has a database. The inbox and the
                JSON API do; the rules of a program and of `--fault` are set again by each start.

        Raises:
            ValueError: an argument is invalid. The message names it.
        """
        given = {
            "operation": operation,
            "probability": probability,
            "times": times,
            "seconds": seconds,
        }
        if kind not in list(FAULTS):
            raise ValueError(f"kind: one of {', '.join(FAULTS)}")
        row = FAULTS[FaultKind(kind)]
        for name, valid, allowed in _CHECKS:
            if not valid(given[name]):
                raise ValueError(f"{name}: {allowed}")
        if seconds is not None and row.seconds is None:
            raise ValueError(f"seconds: the fault {row.kind.value!r} has no delay")
        with self._lock:
            self._last += 1
            held = row.seconds if seconds is None else float(seconds)
            rule = FaultRule(
                self._last, row.kind, operation, float(probability), times, held, kept=keep
            )
            self._rules[rule.id] = rule
        self._changed()
        return rule

    def restore(self, rules: Iterable[FaultRule]) -> None:
        """Add rules of an earlier run, with their numbers and counts."""
        with self._lock:
            self._rules.update((rule.id, rule) for rule in rules)
            self._last = max(self._rules, default=0)

    def remove(self, rule_id: int) -> None:
        """Remove one rule. Raises `LookupError` if there is no active rule with this id."""
        with self._lock:
            if self._rules.pop(rule_id, None) is None:
                raise LookupError("id: no active fault has this id")
        self._changed()

    def clear(self) -> None:
        """Remove all rules and reset the counters."""
        with self._lock:
            self._rules.clear()
            self._struck.clear()
        self._changed()

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The active rules, oldest first."""
        with self._lock:
            return tuple(self._rules.values())

    @property
    def struck(self) -> Counter[str]:
        """How many times each kind of fault has applied, including removed rules."""
        with self._lock:
            return self._struck.copy()

    def strike(self, operation: str) -> FaultRule | None:
        """Return the rule that applies to this call, or None, and count it.

        A rule that has applied for the last time is removed.
        """
        with self._lock:
            for rule in self._rules.values():
                if rule.operation in (None, operation) and self._random.random() < rule.probability:
                    break
            else:
                return None
            left = None if rule.times is None else rule.times - 1
            self._rules[rule.id] = replace(rule, times=left, struck=rule.struck + 1)
            if left == 0:
                del self._rules[rule.id]
            self._struck[rule.kind] += 1
        self._changed()
        return rule


def parse_rule(text: str) -> dict[str, Any]:
    """Parse a rule, for example `reset after,SendSMS,10%`, `slow,5s` or `502 before,3x`.

    Args:
        text: the kind of fault; then, in any order, an operation, a percentage (`10%`), a number
            of times (`3x`) and a delay (`5s`).

    Returns:
        The arguments of `Faults.add`.

    Raises:
        ValueError: the text cannot be parsed.
    """
    kind, *words = (word.strip() for word in text.split(","))
    rule: dict[str, Any] = {"kind": kind}
    for word in words:
        name, value = next(
            ((name, read(word)) for name, pattern, read in _WORDS if pattern.fullmatch(word)),
            (None, None),
        )
        if name is None or name in rule:
            examples = "'reset after,SendSMS,10%' or 'slow,5s' or '502 before,3x'"
            raise ValueError(f"fault: {text!r} is not like {examples}")
        rule[name] = value
    return rule


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_MOST_SECONDS = 366 * 86_400
_CHECKS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (
        "operation",
        lambda value: value is None or value in list(OPERATIONS),
        f"None or one of {', '.join(OPERATIONS)}",
    ),
    ("probability", lambda value: _is_number(value) and 0 < value <= 1, "more than 0, at most 1"),
    (
        "times",
        lambda value: value is None or (type(value) is int and value > 0),
        "None or a whole number, 1 or more",
    ),
    (
        "seconds",
        lambda value: value is None or (_is_number(value) and 0 <= value <= _MOST_SECONDS),
        f"None or a number of seconds, 0 to {_MOST_SECONDS:,}",
    ),
)
_WORDS: tuple[tuple[str, re.Pattern[str], Callable[[str], Any]], ...] = (
    ("operation", re.compile("|".join(OPERATIONS)), str),
    ("probability", re.compile(r"[0-9]+(\.[0-9]+)?%"), lambda word: float(word[:-1]) / 100),
    ("times", re.compile(r"[0-9]+x"), lambda word: int(word[:-1])),
    ("seconds", re.compile(r"[0-9]+(\.[0-9]+)?s"), lambda word: float(word[:-1])),
)
