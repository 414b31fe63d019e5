"""`smsgate campaign` in child processes against a real sandbox: from a list to a report."""

from __future__ import annotations

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run_command
from test_cli import PASSWORD, Finished, Smsgate, clean_environment, start

from smsgate.campaign import Campaign, RecipientState, rows_source
from smsgate.cli.exits import Exit
from smsgate.sandbox import Sandbox, Settings

NOT_RECOGNISED, OUTCOME_UNKNOWN = "+380000000001", "+380000000022"
TEXT = "Вітаємо, {name}! Знижка {percent}%"
LIST = "\ufeffname;phone;percent\r\n" + "".join(
    f"Олена {n};+38050{n:07};{n % 3}\r\n" for n in range(1, 31)
)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(Settings(login="shop", password=PASSWORD, delivery_seconds=0)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def account(sandbox: Sandbox) -> dict[str, str]:
    return {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": PASSWORD, "SMSGATE_URL": sandbox.url}


@pytest.fixture
def campaign(tmp_path: Path, account: dict[str, str]) -> Smsgate:
    """The command `smsgate campaign` with an account, in a folder with a list."""
    (tmp_path / "contacts.csv").write_text(LIST, "utf-8", newline="")

    def run(*arguments: str, stdin: str = "", **variables: str) -> Finished:
        environment = clean_environment(**(account | variables))
        done = run_command(
            ["campaign", *arguments], stdin=stdin.encode(), environment=environment, folder=tmp_path
        )
        return Finished(done.code, done.out.decode(), done.err.decode())

    return run


@pytest.fixture
def made(campaign: Smsgate) -> Smsgate:
    done = campaign("new", "spring.sms", "contacts.csv", "--sender", "Shop", "--text", TEXT)
    assert done.code == 0, done.err
    return campaign


def make(path: Path, *numbers: str, text: str = "Привіт") -> None:
    Campaign.create(path, rows_source(numbers), sender="Shop", text=text).close()


# --- from a list to a report ----------------------------------------------------------------------


def test_campaign_goes_from_a_list_to_a_report(campaign: Smsgate, sandbox: Sandbox, tmp_path: Path):
    with (tmp_path / "contacts.csv").open("a", encoding="utf-8") as contacts:
        contacts.write(
            f"Ніхто;12;5\r\nОлена;+380500000001;5\r\nБез;+380671112233;\r\nХтось;{NOT_RECOGNISED};5\r\n"
        )
    done = campaign("new", "spring.sms", "contacts.csv", "--sender", "Shop", "--text", TEXT)
    assert done.code == 0
    assert "31 recipients. Nothing has been sent yet." in done.out
    for reason in (
        "not a phone number in the international format",
        "repeats another line",
        "no value in the column percent",
    ):
        assert reason in " ".join(done.out.split())
    assert "numbers from the column 'phone', delimiter semicolon, utf-8-sig" in " ".join(
        done.out.split()
    )
    assert sandbox.calls == {}
    assert [
        (one["line"], one["destination"])
        for one in campaign("skipped", "spring.sms", "--json").document["skipped"]
    ] == [
        (32, "12"),
        (33, "+380*****0001"),
        (34, "+380*****2233"),
    ]
    assert "+380500000001" in campaign("skipped", "spring.sms", "--show-numbers").out

    done = campaign("run", "spring.sms", "--yes")
    assert done.code == Exit.IN_PART
    assert "balance       10,000 credits" in done.out
    assert "✓ accepted           30" in done.out
    assert min(message.text or "" for message in sandbox.messages) == "Вітаємо, Олена 1! Знижка 1%"
    assert len({message.destination for message in sandbox.messages}) == sandbox.accepted == 30

    assert "30 delivered" in " ".join(campaign("poll", "spring.sms").out.split())
    seen = campaign("status", "spring.sms", "--json").document
    assert seen["states"] == {"accepted": 30, "refused": 1, "skipped": 3}
    assert seen["delivery"] == {"delivered": 30}

    assert campaign("report", "spring.sms", "--html", "spring.html").code == 0
    assert "<svg" in (tmp_path / "spring.html").read_text("utf-8")
    assert campaign("export", "spring.sms", "out.csv").code == 0
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as exported:
        rows = list(csv.DictReader(exported))
    assert len(rows) == 34
    assert (
        campaign("export", "spring.sms", "masked.csv", "--mask-numbers", "--delimiter", ";").code
        == 0
    )
    masked = (tmp_path / "masked.csv").read_text("utf-8-sig")
    assert "+380500000001" not in masked
    assert masked.startswith("line;")
    assert {row["state"] for row in rows} == {"accepted", "refused", "skipped"}


def test_dry_run_shows_the_cost_without_asking_the_gateway(made: Smsgate, sandbox: Sandbox):
    done = made(
        "new", "other.sms", "contacts.csv", "--sender", "Shop", "--text", "x" * 161, "--json"
    )
    plan = done.document
    assert (plan["pending"], plan["texts"], plan["parts"], plan["cost"]) == (30, 1, {"2": 30}, 60)
    assert (plan["ucs2"], plan["balance"]) == (0, None)
    assert sandbox.calls == {}


def test_json_lines_of_a_run_begin_with_the_plan_and_end_with_states(made: Smsgate):
    done = made("run", "spring.sms", "--yes", "--json", "--rate", "20")
    first, *progress, last = done.lines
    assert (
        first["plan"]["pending"],
        first["plan"]["balance"],
        first["plan"]["enough"],
        first["plan"]["seconds"],
    ) == (
        30,
        10_000,
        True,
        1.5,
    )
    assert progress
    assert all(list(line) == ["progress"] for line in progress)
    assert last == {"outcome": "finished", "why": None, "states": {"accepted": 30}}
    assert done.code == 0


def test_status_is_readable_during_a_run_and_a_second_run_refused(
    made: Smsgate, sandbox: Sandbox, tmp_path: Path
):
    account = {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": PASSWORD, "SMSGATE_URL": sandbox.url}
    child = start(
        "campaign",
        "run",
        "spring.sms",
        "--yes",
        "--rate",
        "1",
        "--batch",
        "1",
        "--json",
        cwd=tmp_path,
        **account,
    )
    try:
        assert child.stdout
        assert "plan" in json.loads(child.stdout.readline())
        while sandbox.accepted < 2:
            time.sleep(0.02)
        assert made("status", "spring.sms", "--json").document["states"]["accepted"] >= 1
        second = made("run", "spring.sms", "--yes")
        assert second.code == Exit.USAGE
        assert "the campaign is in use by another run" in second.err
    finally:
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    last = json.loads(out.splitlines()[-1])
    assert (last["outcome"], child.returncode) == ("stopped", Exit.INTERRUPTED)
    assert set(last["states"]) == {"accepted", "pending"}, "what was in flight was waited for"
    assert made("run", "spring.sms", "--yes", "--json").lines[-1]["states"] == {"accepted": 30}
    assert sandbox.accepted == 30


@pytest.mark.usefixtures("made")
def test_second_ctrl_c_stops_at_once_and_lists_who_is_in_doubt(sandbox: Sandbox, tmp_path: Path):
    sandbox.faults.add("slow", operation="SendSMS", seconds=60)
    account = {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": PASSWORD, "SMSGATE_URL": sandbox.url}
    child = start(
        "campaign",
        "run",
        "spring.sms",
        "--yes",
        "--json",
        "--batch",
        "5",
        "--concurrency",
        "2",
        cwd=tmp_path,
        **account,
    )
    assert child.stdout
    assert child.stderr
    while sandbox.accepted < 2:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    # At night, a warning comes first.
    lines = iter(child.stderr.readline, "")
    assert any("Press Ctrl-C again to stop immediately." in line for line in lines)
    time.sleep(
        0.4
    )  # a second one that comes sooner than 0.3 s after the first is taken for the same
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    *_, in_doubt, last = map(json.loads, out.splitlines())
    assert (last["outcome"], child.returncode) == ("cut off", Exit.INTERRUPTED)
    listed = [one["line"] for request in in_doubt["requests"] for one in request["recipients"]]
    assert {int(message.destination[-4:]) + 1 for message in sandbox.messages} <= set(listed)
    assert last["states"]["in doubt"] == len(listed)


# --- recipients in doubt --------------------------------------------------------------------------


def test_recipients_in_doubt_are_shown_and_resolved_by_the_operator(
    campaign: Smsgate, sandbox: Sandbox, tmp_path: Path
):
    """They are shown with reason and evidence."""
    make(tmp_path / "a.sms", "+380501111111", "+380501111112", "+380501111113")
    sandbox.faults.add("drop after", operation="SendSMS", times=1)
    assert campaign("run", "a.sms", "--yes").code == Exit.IN_DOUBT
    seen = campaign("in-doubt", "a.sms")
    assert seen.code == Exit.IN_DOUBT
    said = " ".join(seen.out.split())
    assert "3 recipients are in doubt" in said
    assert "reason: connection lost" in said
    assert "+380*****1111 (line 1)" in said
    assert "+380501111111" not in said
    assert "Balance before: 10,000, at " in said
    assert "Unexplained difference: 3 Cost of this request if it was sent: 3," in said
    assert "Exactly the cost of this request is missing" in said
    assert "smsgate campaign export a.sms in-doubt.csv --state in-doubt" in said
    assert campaign("export", "a.sms", "in-doubt.csv", "--state", "in-doubt").code == 0
    listed = (tmp_path / "in-doubt.csv").read_text("utf-8-sig")
    assert all(number in listed for number in ("380501111111", "380501111112", "380501111113"))
    (request,) = campaign("in-doubt", "a.sms", "--json").document["requests"]
    assert [one["destination"] for one in request["recipients"]] == [
        "+380*****1111",
        "+380*****1112",
        "+380*****1113",
    ]
    (request,) = campaign("in-doubt", "a.sms", "--json", "--show-numbers").document["requests"]
    assert [one["destination"] for one in request["recipients"]] == [
        "+380501111111",
        "+380501111112",
        "+380501111113",
    ]

    message_id = sandbox.messages[0].id
    assert campaign("resolve", "a.sms", "--found", message_id, "--line", "1").code == 0
    assert (
        campaign("resolve", "a.sms", "--sent", "--line", "2", "--note", "seen on the phone").code
        == 0
    )
    assert campaign("resolve", "a.sms", "--resend", "--yes").code == 0
    seen = campaign("status", "a.sms", "--json").document
    assert seen["states"] == {"pending": 1, "accepted": 1, "assumed sent": 1}
    assert [(decision["event"], decision["note"]) for decision in seen["decisions"]] == [
        ("found", ""),
        ("assume sent", "seen on the phone"),
        ("resend", ""),
    ]
    assert campaign("run", "a.sms", "--yes").code == 0
    assert [message.destination for message in sandbox.messages].count("+380501111113") == 2, (
        "as the operator wished"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give exactly one of --sent, --resend, --give-up, --found ID and --cancel"),
        (
            ["--sent", "--give-up"],
            "give exactly one of --sent, --resend, --give-up, --found ID and --cancel",
        ),
        (["--found", "nothing"], "message_id: "),
        (
            ["--sent", "--request", "99"],
            "no recipient of request 99 is in doubt; recipients in doubt are in request 1",
        ),
        (["--resend"], "nobody can confirm: use --yes"),
        (["--cancel", "--yes"], "no recipient of this campaign is pending"),
    ],
)
def test_impossible_decision_changes_nothing(
    arguments: list[str], complaint: str, campaign: Smsgate, tmp_path: Path
):
    make(tmp_path / "a.sms", OUTCOME_UNKNOWN)
    campaign("run", "a.sms", "--yes")
    done = campaign("resolve", "a.sms", *arguments)
    assert done.code == Exit.USAGE
    assert complaint in done.err
    assert campaign("status", "a.sms", "--json").document["states"] == {"in doubt": 1}


# --- obstacles ------------------------------------------------------------------------------------


def test_run_without_credits_pauses_clearly_and_can_continue(
    campaign: Smsgate, sandbox: Sandbox, tmp_path: Path
):
    make(tmp_path / "a.sms", "+380501111111", "+380501111112")
    sandbox.balance = 1
    done = campaign("run", "a.sms", "--yes")
    assert done.code == Exit.REFUSED
    assert "NOT ENOUGH, the run will pause" in done.out
    assert "Paused: the account does not have enough credits (Не хватает" in done.out
    sandbox.balance = 100
    assert campaign("run", "a.sms", "--yes").code == 0
    assert sandbox.accepted == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["contacts.csv", "--sender", "Bad sender", "--text", "a"],
            "a sender is a name of 1 to 11 characters",
        ),
        (["contacts.csv", "--sender", "Shop"], "text or wappush must be given"),
        (
            ["contacts.csv", "--sender", "Shop", "--text", "{surname}"],
            "no column for the field {surname}",
        ),
        (
            ["contacts.csv", "--sender", "Shop", "--text", "{name.upper}"],
            "no column for the field {name.upper}",
        ),
        (["contacts.csv", "--sender", "Shop", "--text", "{"], "single brace at position 1"),
        (
            ["contacts.csv", "--sender", "Shop", "--text", "a", "--phone-column", "x"],
            "phone column: no column has this name",
        ),
        (
            ["contacts.csv", "--sender", "Shop", "--text", "a", "--encoding", "x"],
            "encoding: this encoding is unknown",
        ),
        (
            ["nowhere.csv", "--sender", "Shop", "--text", "a"],
            "nowhere.csv: No such file or directory",
        ),
        (["contacts.csv", "--text", "a"], "sender: must be given"),
    ],
)
def test_error_that_affects_all_is_shown_before_a_file_is_made(
    arguments: list[str], complaint: str, campaign: Smsgate, tmp_path: Path
):
    done = campaign("new", "a.sms", *arguments)
    assert done.code == Exit.USAGE
    assert complaint in done.err
    assert not list(tmp_path.glob("a.sms*"))


def test_existing_file_is_not_replaced(made: Smsgate):
    done = made("new", "spring.sms", "contacts.csv", "--sender", "Shop", "--text", "other")
    assert done.code == Exit.USAGE
    assert "spring.sms: the file exists already" in done.err
    assert made("status", "spring.sms").code == 0


@pytest.mark.parametrize(
    ("options", "variables", "language"),
    [
        ([], {"LANG": "C.UTF-8", "LC_ALL": ""}, "en"),
        ([], {"LANG": "uk_UA.UTF-8", "LC_ALL": ""}, "uk"),
        (["--language", "en"], {"LANG": "uk_UA.UTF-8", "LC_ALL": ""}, "en"),
        (["--language", "uk"], {"LANG": "C.UTF-8", "LC_ALL": ""}, "uk"),
    ],
)
def test_report_language_is_an_option_or_the_environment(
    campaign: Smsgate,
    tmp_path: Path,
    options: list[str],
    variables: dict[str, str],
    language: str,
):
    make(tmp_path / "a b.sms", "+380501234567")
    done = campaign("report", "a b.sms", "--html", "page.html", *options, **variables)
    assert done.code == 0, done.err
    page = (tmp_path / "page.html").read_text("utf-8")
    assert f'<html lang="{language}">' in page
    assert "<code>smsgate campaign run &#x27;a b.sms&#x27;</code>" in page


def test_unknown_language_writes_no_report(campaign: Smsgate, tmp_path: Path):
    make(tmp_path / "a.sms", "+380501234567")
    done = campaign("report", "a.sms", "--html", "page.html", "--language", "de")
    assert done.code == Exit.USAGE
    assert "language: must be one of en, uk" in done.err
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("command", ["run", "status", "in-doubt", "poll", "report", "export"])
def test_file_that_is_no_campaign_is_reported_as_such(
    command: str, campaign: Smsgate, tmp_path: Path
):
    (tmp_path / "a.sms").write_text("not a campaign" * 1_000)
    more = ["out.csv"] if command == "export" else []
    done = campaign(command, "a.sms", *more)
    assert done.code == Exit.USAGE
    assert "the file is not a campaign" in done.err
    assert "there is no campaign at this path" in campaign(command, "b.sms", *more).err


def run_at_a_terminal(folder: Path, account: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a run that has a terminal to ask at, and return the other end of it, too."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "smsgate", "campaign", "run", "spring.sms"],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(**account),
        cwd=folder,
    )
    os.close(slave)
    return child, master


def test_run_asks_before_it_sends(
    made: Smsgate, sandbox: Sandbox, tmp_path: Path, account: dict[str, str]
):
    done = made("run", "spring.sms")
    assert done.code == Exit.USAGE
    assert "nobody can confirm: use --yes" in done.err
    child, master = run_at_a_terminal(tmp_path, account)
    os.write(master, b"n\n")
    _, err = child.communicate(timeout=30)
    os.close(master)
    assert child.returncode == Exit.USAGE
    assert b"Send to 30 recipients for about 30 credits? [y/N]" in err
    assert sandbox.accepted == 0


@pytest.mark.usefixtures("made")
def test_ctrl_c_at_a_question_ends_at_once(
    sandbox: Sandbox, tmp_path: Path, account: dict[str, str]
):
    child, master = run_at_a_terminal(tmp_path, account)
    assert child.stderr
    said = b""
    while b"[y/N]" not in said:
        said += child.stderr.read1()
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == Exit.INTERRUPTED, "though nobody has pressed Enter"
    os.close(master)
    assert sandbox.accepted == 0
    child.communicate()


def test_run_waits_for_a_gateway_that_is_down_at_the_start(made: Smsgate, sandbox: Sandbox):
    sandbox.faults.add("502 before", operation="GetCreditBalance", times=6)
    done = made("run", "spring.sms", "--yes")
    assert done.code == Exit.DONE
    assert "The balance is not known: " in done.err
    assert sandbox.accepted == 30


def test_cancelled_recipients_are_never_sent_to_and_can_be_purged(made: Smsgate, sandbox: Sandbox):
    assert made("resolve", "spring.sms", "--cancel", "--yes", "--note", "wrong text").code == 0
    assert made("run", "spring.sms", "--yes").code == 0
    assert sandbox.accepted == 0
    seen = made("status", "spring.sms", "--json").document
    assert (seen["states"], seen["decisions"][0]["note"]) == ({"abandoned": 30}, "wrong text")
    assert made("purge", "spring.sms", "--yes").code == 0


def test_list_without_recipients_says_so(campaign: Smsgate, tmp_path: Path):
    (tmp_path / "empty.csv").write_text("phone\n12\n")
    done = campaign("new", "a.sms", "empty.csv", "--sender", "Shop", "--text", "a")
    assert "There is no recipient to send to." in done.out
    assert "Send it" not in done.out


def test_purge_deletes_personal_data_and_keeps_figures(made: Smsgate, tmp_path: Path):
    done = made("purge", "spring.sms", "--yes")
    assert done.code == Exit.USAGE
    assert "30 recipients are pending or in doubt" in done.err
    made("run", "spring.sms", "--yes")
    assert made("purge", "spring.sms", "--yes").code == 0
    for file in tmp_path.glob("spring.sms*"):
        assert b"38050000" not in file.read_bytes()
        assert "Олена".encode() not in file.read_bytes()
    seen = made("status", "spring.sms", "--json").document
    assert (seen["purged"], seen["states"]) == (True, {"accepted": 30})


def test_killed_run_leaves_in_flight_recipients_in_doubt(
    made: Smsgate, sandbox: Sandbox, tmp_path: Path, account: dict[str, str]
):
    sandbox.faults.add("slow", operation="SendSMS", seconds=60)
    child = start(
        "campaign",
        "run",
        "spring.sms",
        "--yes",
        "--batch",
        "5",
        "--concurrency",
        "1",
        cwd=tmp_path,
        **account,
    )
    while sandbox.accepted < 1:
        time.sleep(0.02)
    child.kill()
    child.communicate(timeout=30)
    sandbox.faults.clear()
    done = made("run", "spring.sms", "--yes")
    assert done.code == Exit.IN_DOUBT
    assert "the last run was interrupted while requests were in flight" in done.err
    with Campaign.open(tmp_path / "spring.sms", writing=False) as seen:
        in_doubt = [one for one in seen.recipients() if one.state is RecipientState.IN_DOUBT]
    numbers = [message.destination for message in sandbox.messages]
    assert len(set(numbers)) == len(numbers)
    assert {one.reason for one in in_doubt} == {"the process ended before the answer was recorded"}
    # The killed process could not look around any more; the next run did.
    (request,) = made("in-doubt", "spring.sms", "--json").document["requests"]
    before, after, spent = (request["evidence"][name] for name in ("before", "after", "spent"))
    assert before - after - spent == request["cost"]


def test_refused_poll_says_why_in_one_line(made: Smsgate, sandbox: Sandbox):
    assert made("run", "spring.sms", "--yes").code == Exit.DONE
    sandbox.drop_sessions()
    refused = made("poll", "spring.sms", SMSGATE_PASSWORD="wrong")
    assert refused.code == Exit.REFUSED
    assert "the gateway refused (bad credentials)" in refused.err
    assert "group" not in refused.err.lower()
