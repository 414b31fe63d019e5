"""An examination of the way to the gateway: what works, what does not, and which setting to change. It never sends.

    report = await examine(Setup(login="...", password="..."))
    assert not report.problems

The command `smsgate doctor` shows the same report. `assessment` assesses, `probes` measures, `checks` is the table of the checks.
"""

from __future__ import annotations

from .checks import examine
from .findings import Finding, Heard, Mark, Report
from .probes import Setup

__all__ = ["Finding", "Heard", "Mark", "Report", "Setup", "examine"]
