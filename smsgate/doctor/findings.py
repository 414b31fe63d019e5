"""What an examination finds: rows with a mark, settings to change, and sentences that nobody knew.

Rule of this file: no text in here holds a secret. What the gateway says in words of its own is redacted before it gets here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import SmsGateError

__all__ = ["Finding", "Heard", "Mark", "Report"]


class Mark(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    """Good to know; messages can be sent."""
    PROBLEM = "problem"
    SKIPPED = "skipped"
    """Nothing is known, since a check that it needs has failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the report.

    `error` is what a session would have raised, for a problem. `setting` and `advice` say what to change; where there is an error
    and no advice, that of its class holds. `facts` are the measurements, for programs.
    """

    check: str
    mark: Mark
    text: str
    error: SmsGateError | None = None
    setting: str = ""
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """A sentence of the gateway that stands in no table, redacted, and what was asked."""

    operation: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings in the order of the checks. It can be pasted where everybody can read it."""

    findings: tuple[Finding, ...]
    heard: tuple[Heard, ...]
    environment: Mapping[str, str]
    requests: int
    """How many requests the examination took."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that keep messages from being sent, or that a session would end with."""
        return tuple(finding for finding in self.findings if finding.mark is Mark.PROBLEM)
