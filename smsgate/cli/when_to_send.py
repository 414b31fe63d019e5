"""The options that say when a campaign may send, and what the commands say about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any

import typer

from ..campaign import Campaign, Plan, SendingWindow, WindowOptions
from ..campaign.recipient_zones import changed_window
from ..campaign.window import hours_in, moment_in, night_reached, zone_named
from ..campaign.wording import moment
from ..languages import say, spoken, translatable

__all__ = ["WhenToSend", "night_warning", "window_document", "window_words"]


@dataclass(frozen=True, slots=True)
class WhenToSend:
    """When a campaign may send. The campaign remembers it."""

    not_before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Send nothing before this time, such as '2026-12-01 09:00'. Default: no limit.",
        ),
    ] = None
    between: Annotated[
        str | None,
        typer.Option(
            metavar="HOURS",
            help=(
                "Send only during these hours, such as 09:00-20:00. Outside these hours, a run"
                " waits. Default: at any time."
            ),
        ),
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help=(
                "The time zone of --between and --not-before, such as Europe/Kyiv. Default for"
                " --between: send only while it is within these hours in every recipient's country."
                " Default for --not-before: the recipients' time zone if they have only one, else"
                " this machine's."
            ),
        ),
    ] = None

    def options(self) -> WindowOptions:
        """Return what was given. Raises `ValueError` if an option cannot be read."""
        return WindowOptions(
            not_before=None if self.not_before is None else moment_in(self.not_before),
            between=None if self.between is None else hours_in(self.between),
            timezone=self.timezone,
        )

    def window_of(self, campaign: Campaign, *, any_time: bool) -> SendingWindow:
        """Return when a campaign may send after `change`. Raises `ValueError`."""
        known = campaign.sending_window
        if any_time and self._given():
            raise ValueError("--any-time: cannot be used with another option of when to send")
        if any_time:
            return SendingWindow(recipient_zones=known.recipient_zones)
        return changed_window(known, self.options()) if self._given() else known

    def change(self, campaign: Campaign, *, any_time: bool) -> None:
        """Change when a campaign may send, if anything was given. Raises `ValueError`."""
        if any_time:
            campaign.remove_sending_window()
        elif self._given():
            campaign.set_sending_window(**self.options())

    def _given(self) -> bool:
        return any((self.not_before, self.between, self.timezone))


def window_words(window: SendingWindow) -> str:
    """Return when a campaign may send, "" if at any time."""
    said = []
    if window.opens is not None:
        begin, end = f"{window.opens:%H:%M}", f"{window.closes:%H:%M}"
        zones = ", ".join(window.zones)
        said.append(say("{begin} to {end} ({zones})", begin=begin, end=end, zones=zones))
    if window.not_before is not None:
        first = moment(window.not_before, window.zone, spoken())
        said.append(say("not before {moment}", moment=first))
    now = time.time()
    if (seconds := window.wait(now)) == inf:
        said.append(say("not in the next days: the hours do not overlap in all time zones"))
    elif seconds:
        following = moment(now + seconds, window.zone, spoken())
        said.append(say("next at {moment}", moment=following))
    return "; ".join(said)


def window_document(window: SendingWindow) -> dict[str, Any]:
    """Return when a campaign may send, for JSON."""
    hours = None if window.opens is None else f"{window.opens:%H:%M}-{window.closes:%H:%M}"
    return {
        "between": hours,
        "not_before": window.not_before,
        "zones": list(window.zones),
        "recipient_zones": list(window.recipient_zones),
    }


def night_warning(window: SendingWindow, plan: Plan) -> str:
    """Return a warning if a run that starts now would reach into the night, otherwise ""."""
    now = time.time()
    found = night_reached(window, now, max(plan.seconds or 0.0, plan.gateway_seconds))
    if found is None:
        return ""
    zone, at = found
    by_day = say("To send by day only, use --between 09:00-20:00.")
    night = (
        translatable("It is night in {zone}.")
        if at == now
        else translatable("The run would reach {moment} in {zone}.")
    )
    reached = moment(at, zone_named(zone), spoken())
    return f"{say(night, zone=zone, moment=reached)} {by_day}"
