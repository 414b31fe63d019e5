"""Faults on demand: which there are, as one table, and the rules that say when they strike.

Rule of this file: no I/O. What a fault does to an answer is a pure function of its row; what it does to the connection is named
there and done by `wire`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from math import inf
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
    """The name of a fault. «before»: the gateway has done nothing; «after»: it has done the work, and a send is paid for."""

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
    """What becomes of the connection in place of an answer."""

    CLOSED = "closed"
    RESET = "reset"
    CUT_HEADERS = "cut in the headers"
    CUT_BODY = "cut in the body"
    NOT_HTTP = "bytes that are no HTTP"
    SILENT = "held open, and nothing said"


@dataclass(frozen=True, slots=True)
class PreparedReply:
    """An answer of the gateway before it is written to a connection."""

    status: int
    content_type: str
    body: bytes = field(repr=False)


_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
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
    """What a fault is: whether the work is done, and what then becomes of the answer or of the connection."""

    kind: FaultKind
    note: str
    works: bool
    changes: Callable[[PreparedReply], PreparedReply] | None = None
    ends: ConnectionEnd | None = None
    seconds: float | None = None
    """How long the answer is held unless the rule says otherwise; None for a fault that holds nothing."""
    forgets: bool = False
    """The session of the request is forgotten first."""


FAULTS: dict[FaultKind, FaultRow] = {
    row.kind: row
    for row in (
        FaultRow(
            FaultKind.SLOW,
            "the answer comes late, with the work done at once",
            works=True,
            seconds=5.0,
        ),
        FaultRow(
            FaultKind.SILENT_BEFORE,
            "no answer ever, and no work",
            works=False,
            ends=ConnectionEnd.SILENT,
        ),
        FaultRow(
            FaultKind.SILENT_AFTER,
            "no answer ever, with the work done",
            works=True,
            ends=ConnectionEnd.SILENT,
        ),
        FaultRow(
            FaultKind.DROP_BEFORE,
            "the connection is closed before the work",
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
            "the connection is reset before the work",
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
            "an HTML page with status 502, and no work",
            works=False,
            changes=_bad_gateway,
        ),
        FaultRow(
            FaultKind.BAD_GATEWAY_AFTER,
            "an HTML page with status 502, with the work done",
            works=True,
            changes=_bad_gateway,
        ),
        FaultRow(
            FaultKind.HTML,
            "an HTML page with status 200, with the work done",
            works=True,
            changes=_html,
        ),
        FaultRow(
            FaultKind.EMPTY,
            "an empty body with status 200, with the work done",
            works=True,
            changes=_empty,
        ),
        FaultRow(
            FaultKind.GARBAGE,
            "bytes that are no XML, with the work done",
            works=True,
            changes=_garbage,
        ),
        FaultRow(
            FaultKind.NOT_HTTP,
            "bytes that are no HTTP, with the work done",
            works=True,
            ends=ConnectionEnd.NOT_HTTP,
        ),
        FaultRow(
            FaultKind.WRONG_CHARSET,
            "the answer in windows-1251, which says UTF-8",
            works=True,
            changes=_wrong_charset,
        ),
        FaultRow(
            FaultKind.SHORT_ARRAY,
            "the last slot of an array is missing, with the work done",
            works=True,
            changes=_short_array,
        ),
        FaultRow(
            FaultKind.SESSION_LOSS,
            "the session is forgotten just before the work",
            works=True,
            forgets=True,
        ),
    )
}
"""Every fault, in the order in which it is shown."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """When a fault strikes. `times` is how often it may still strike, None without a limit; `struck` how often it did."""

    id: int
    kind: FaultKind
    operation: str | None = None
    probability: float = 1.0
    times: int | None = None
    seconds: float | None = None
    struck: int = 0

    @property
    def row(self) -> FaultRow:
        """What the fault is."""
        return FAULTS[self.kind]


class Faults:
    """The rules that are in force, the oldest first. Safe to use from several threads; a seed makes the draws repeatable."""

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
    ) -> FaultRule:
        """Put a rule in force and return it: each call of `operation` (None: of any) meets the fault with `probability`
        (0 to 1), at most `times` times; `seconds` is for faults that hold the answer.

        If several rules fit, the oldest that strikes is alone. Raises `ValueError`, which names the argument.
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
            raise ValueError(f"seconds: nothing is held by the fault {row.kind!r}")
        with self._lock:
            self._last += 1
            held = row.seconds if seconds is None else float(seconds)
            rule = FaultRule(self._last, row.kind, operation, float(probability), times, held)
            self._rules[rule.id] = rule
        self._changed()
        return rule

    def remove(self, rule_id: int) -> None:
        """Lift one rule. Raises `LookupError` if it is not in force (any more)."""
        with self._lock:
            if self._rules.pop(rule_id, None) is None:
                raise LookupError("id: no such fault is in force")
        self._changed()

    def clear(self) -> None:
        """Lift all rules and forget how often each fault has struck."""
        with self._lock:
            self._rules.clear()
            self._struck.clear()
        self._changed()

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules that are in force, the oldest first."""
        with self._lock:
            return tuple(self._rules.values())

    @property
    def struck(self) -> Counter[str]:
        """How often each kind of fault has struck, by rules that are gone too."""
        with self._lock:
            return self._struck.copy()

    def strike(self, operation: str) -> FaultRule | None:
        """Return the rule that this call meets, or None. A rule that has struck for the last time is lifted."""
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
    """Return the arguments of `Faults.add` for a rule in words: `reset after,SendSMS,10%`, `slow,5s`, `502 before,3x`.

    First the kind, then in any order an operation, a percentage, a number of times and a number of seconds. Raises `ValueError`.
    """
    kind, *words = (word.strip() for word in text.split(","))
    rule: dict[str, Any] = {"kind": kind}
    for word in words:
        name, value = next(
            ((name, read(word)) for name, pattern, read in _WORDS if pattern.fullmatch(word)),
            (None, None),
        )
        if name is None or name in rule:
            raise ValueError(
                f"fault: {text!r} is not like 'reset after,SendSMS,10%' or 'slow,5s' or '502 before,3x'"
            )
        rule[name] = value
    return rule


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
        lambda value: value is None or (_is_number(value) and 0 <= value < inf),
        "None or a number of seconds, 0 or more",
    ),
)
_WORDS: tuple[tuple[str, re.Pattern[str], Callable[[str], Any]], ...] = (
    ("operation", re.compile("|".join(OPERATIONS)), str),
    ("probability", re.compile(r"[0-9]+(\.[0-9]+)?%"), lambda word: float(word[:-1]) / 100),
    ("times", re.compile(r"[0-9]+x"), lambda word: int(word[:-1])),
    ("seconds", re.compile(r"[0-9]+(\.[0-9]+)?s"), lambda word: float(word[:-1])),
)
