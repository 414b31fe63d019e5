"""Check the connection to the gateway and the account. It never sends a message.

    report = await examine(Setup(login="...", password="..."))
    assert not report.problems

The report says what works, what does not, and which setting to change. The command
`smsgate doctor` shows the same report. `probes` measures, `assessment` assesses, and `checks` is
the table of the checks.
"""

from __future__ import annotations

from .checks import examine
from .findings import Finding, Heard, Mark, Report
from .probes import Setup

__all__ = ["Finding", "Heard", "Mark", "Report", "Setup", "examine"]
