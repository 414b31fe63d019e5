"""The results: findings with a mark, settings to change, and unrecognised sentences.

Rule of this file: no text here holds a secret. The gateway's own words are redacted before.
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
    """Worth knowing, but messages can be sent."""
    PROBLEM = "problem"
    SKIPPED = "skipped"
    """Not checked, because a check that it needs has failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the report.

    Attributes:
        check: name of the check.
        mark: how bad the finding is.
        text: what was found, for people.
        error: for a problem, the error that a session would raise.
        setting: the setting to change; empty if there is none.
        advice: what to do. If it is empty and there is an error, the advice for the error's class
            applies.
        facts: the measurements, for programs.
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
    """An unrecognised sentence of the gateway, redacted, and the operation that it answered."""

    operation: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, in the order of the checks. It holds no secret and can be published."""

    findings: tuple[Finding, ...]
    heard: tuple[Heard, ...]
    environment: Mapping[str, str]
    requests: int
    """Number of requests that the checks made."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that prevent sending, or that would end a session with an error."""
        return tuple(finding for finding in self.findings if finding.mark is Mark.PROBLEM)
