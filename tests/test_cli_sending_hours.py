"""The options of when to send: --between, --not-before, --timezone and --any-time."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from test_cli_stop_list import Folder
from test_cli_terminal import SGR, terminal

from smsgate.campaign import SendingWindow
from smsgate.cli.when_to_send import window_words
from smsgate.sandbox import Sandbox

HOURS = "--between", "09:00-20:00"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def account(sandbox: Sandbox) -> dict[str, str]:
    return {
        "SMSGATE_LOGIN": "sandbox",
        "SMSGATE_PASSWORD": "sandbox",
        "SMSGATE_URL": sandbox.url,
    }


def test_new_and_status_say_when_a_campaign_sends(folder: Folder):
    done = folder.new(*HOURS, "--not-before", "2999-12-01 09:00", "--timezone", "Europe/Kyiv")
    said = "09:00 to 20:00 (Europe/Kyiv); not before 1 December 2999, 09:00:00 (UTC+02:00)"
    assert said in " ".join(done.out.split())
    assert said in " ".join(folder.run("campaign", "status", "a.sms").out.split())
    sends = folder.document("campaign", "status", "a.sms")["sends"]
    assert sends["between"] == "09:00-20:00"
    assert (sends["not_before"], sends["zones"]) == (32501026800.0, ["Europe/Kyiv"])


def test_campaign_at_any_time_says_nothing_of_hours(folder: Folder):
    assert "sends" not in folder.new().out
    sends = folder.document("campaign", "status", "a.sms")["sends"]
    assert sends == {
        "between": None,
        "not_before": None,
        "zones": [],
        "recipient_zones": ["Europe/Kyiv"],
    }
    assert window_words(SendingWindow()) == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--between", "9-20"], "between: must be two times of day, such as 09:00-20:00"),
        (["--between", "20:00-09:00"], "between: must end later on the same day"),
        ([*HOURS, "--timezone", "Kyiv"], "timezone: must be a name of the IANA database"),
        (["--not-before", "soon"], "not_before: must be a date and a time"),
    ],
)
def test_odd_hours_are_refused_before_a_file_is_made(options: list[str], said: str, folder: Folder):
    done = folder.new(*options)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not (folder.path / "a.sms").exists()


def test_run_changes_when_to_send_and_removes_it(folder: Folder):
    folder.new(*HOURS)
    with Sandbox() as sandbox:
        run = "campaign", "run", "a.sms", "--yes"
        done = folder.run(*run, "--any-time", "--timezone", "Europe/Kyiv", **account(sandbox))
        assert (done.code, sandbox.calls["SendSMS"]) == (2, 0)
        assert "--any-time: cannot be used with another option" in " ".join(done.err.split())
        done = folder.run(*run, "--any-time", **account(sandbox))
        assert (done.code, sandbox.accepted) == (0, 6)
    sends = folder.document("campaign", "status", "a.sms")["sends"]
    assert (sends["between"], sends["zones"]) == (None, [])


def test_run_that_is_not_confirmed_changes_nothing(folder: Folder):
    folder.new(*HOURS)
    before = folder.document("campaign", "status", "a.sms")["sends"]
    with Sandbox() as sandbox:
        for options in (["--any-time"], ["--between", "10:00-11:00"]):
            done = folder.run("campaign", "run", "a.sms", *options, **account(sandbox))
            assert (done.code, sandbox.calls["SendSMS"]) == (2, 0)
    assert folder.document("campaign", "status", "a.sms")["sends"] == before


def test_run_warns_of_the_night_before_it_asks(folder: Folder):
    # At any time it is night in Kyiv, in New York or in Tokyo.
    folder.write("list.csv", "name,phone", "A,+380501110000", "B,+12125551234", "C,+819012345678")
    folder.new()
    with Sandbox() as sandbox:
        run = "campaign", "run", "a.sms"
        done = folder.run(*run, **account(sandbox))
        assert (done.code, sandbox.calls["SendSMS"]) == (2, 0)
        assert "It is night in " in done.err
        assert "use --between 09:00-20:00" in " ".join(done.err.split())
        hours = "--between", "00:00-23:59", "--timezone", "Europe/Kyiv"
        assert "It is night" not in folder.run(*run, *hours, **account(sandbox)).err


def test_bar_of_a_run_that_waits_is_whole_on_a_narrow_screen(folder: Folder):
    folder.write("list.csv", "phone", *(f"+38050{number:07}" for number in range(1_200)))
    folder.new("--not-before", "2999-12-01 09:00", "--timezone", "Europe/Kyiv")
    with (
        Sandbox() as sandbox,
        terminal(
            *("campaign", "run", "a.sms", "--yes"),
            cwd=folder.path,
            variables=account(sandbox) | {"COLUMNS": "60"},
        ) as child,
    ):
        child.read(until="it is not the time")
        screen = SGR.sub("", child.read(until="(UTC+02:00)"))
        assert re.search(r"0 of 1,200 +✓ 0  ✗ 0  \? 0  it is not the time", screen)
        child.process.send_signal(signal.SIGINT)
        child.read()
        assert child.process.wait(30) == 128 + signal.SIGINT
