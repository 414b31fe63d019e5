"""The browser of the tests, without what only a person at a screen needs."""

from __future__ import annotations

import shutil
from typing import Any

__all__ = ["launch"]

# Chromium opens a window for each context. In each it loads two pages of its own for the address
# bar, which costs more than the page under test.
_OF_THE_WINDOW = ["WebUIOmniboxPopup", "WebUIOmniboxAimPopup"]
# The switch is given once, so this is also what playwright itself disables: what asks other
# servers, changes addresses, or paints late.
_OF_PLAYWRIGHT = [
    "AimEnabled",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
]
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def launch(playwright: Any) -> Any:
    """Start the machine's Chromium, or playwright's own if there is none, and return the browser.

    Raises playwright's `Error` if neither starts.
    """
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    disabled = ",".join(_OF_THE_WINDOW + _OF_PLAYWRIGHT + ["SpareRendererForSitePerProcess"])
    return playwright.chromium.launch(
        executable_path=found, args=["--no-sandbox", f"--disable-features={disabled}"]
    )
