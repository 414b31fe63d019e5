"""What a person at a terminal sees, and the commands that run for a while:

prompts, colour, sandbox, demo.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import trustme
from commands import NOBODY, Child, fork, run_command, text_of
from json_documents import kinds_of
from rich.console import Console, Group
from rich.padding import Padding
from test_cli import GOOD, PASSWORD, TEXT, clean_environment, start

from smsgate.cli.exits import Exit
from smsgate.cli.views import WIDEST, Rows
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.heavy

SGR = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3|9)[0-7](?:;[0-9;]*)?m")


class Terminal:
    """A child process at a terminal of 80 columns.

    `screen` is what came to it; standard output may be a pipe instead.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        variables: Mapping[str, str],
        *,
        pipe: bool,
        leads: bool,
    ) -> None:
        self.screen = ""
        self._master, slave = pty.openpty()
        outward, theirs = os.pipe() if pipe else (-1, os.dup(slave))
        process = fork(
            arguments,
            [os.dup(slave), theirs, os.dup(slave)],
            environment=clean_environment(
                **{"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"} | dict(variables)
            ),
            folder=cwd,
            terminal=os.ttyname(slave) if leads else NOBODY,
        )
        self.process = Child(process, text_of(outward) if pipe else None, None)
        os.close(slave)

    def type(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def read(self, until: str = "", seconds: float = 40.0) -> str:
        """Read until the screen holds this, or the child has gone."""
        deadline, raw = time.monotonic() + seconds, self.screen.encode()
        while not until or until not in self.screen:
            assert time.monotonic() < deadline, self.screen
            if not select.select([self._master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux says so when the last one at the other side has gone
                break
            if not data:
                break
            raw += data
            self.screen = raw.decode(errors="ignore")
        return self.screen

    def hang_up(self) -> None:
        """Close the terminal, as a window is closed:

        whoever it controls hears SIGHUP, and nothing can be written any more.
        """
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        if self._master >= 0:
            os.close(self._master)
        self.process.kill()
        if self.process.stdout:
            self.process.stdout.close()


@contextmanager
def terminal(
    *arguments: str,
    cwd: Path,
    variables: Mapping[str, str] = {},
    pipe: bool = False,
    leads: bool = False,
) -> Iterator[Terminal]:
    opened = Terminal(arguments, cwd, variables, pipe=pipe, leads=leads)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(login="shop", password=PASSWORD, delivery_seconds=0.3)) as running:
        yield running


# --- prompts --------------------------------------------------------------------------------------


def test_terminal_prompts_for_login_and_hidden_password(sandbox: Sandbox, tmp_path: Path) -> None:
    with terminal("balance", "-v", "--url", sandbox.url, cwd=tmp_path, pipe=True) as child:
        child.read(until="Login: ")
        child.type("shop")
        child.read(until="Password: ")
        child.type(PASSWORD)
        child.read()
        assert child.process.stdout
        assert child.process.stdout.read() == f"{sandbox.balance:,f} credits\n"
        assert child.process.wait(10) == 0
        assert "Login: shop" in child.screen
        assert "horse" not in child.screen


def test_no_prompt_for_what_the_environment_holds(sandbox: Sandbox, tmp_path: Path) -> None:
    with terminal(
        "balance", "--url", sandbox.url, cwd=tmp_path, variables={"SMSGATE_LOGIN": "shop"}
    ) as child:
        child.read(until="Password: ")
        child.type(PASSWORD)
        assert f"{sandbox.balance:,f} credits" in SGR.sub("", child.read())
        assert "Login: " not in child.screen


def test_invalid_message_is_reported_before_any_prompt(tmp_path: Path) -> None:
    for arguments in (("send", "12", "--text", TEXT), ("send", GOOD, "--text", TEXT)):
        with terminal(*arguments, cwd=tmp_path) as child:
            assert "error:" in child.read()
            assert child.process.wait(10) == Exit.USAGE
            assert "Login" not in child.screen


# --- colour ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"CLICOLOR": "0"}, False),
        ({"CLICOLOR": "1"}, True),
        ({"FORCE_COLOR": ""}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"CLICOLOR_FORCE": "1", "CLICOLOR": "0"}, False),
    ],
    ids=str,
)
def test_colour_is_used_on_a_terminal_unless_disabled(
    sandbox: Sandbox, tmp_path: Path, variables: dict[str, str], coloured: bool
) -> None:
    account = {
        "SMSGATE_LOGIN": "shop",
        "SMSGATE_PASSWORD": PASSWORD,
        "SMSGATE_URL": sandbox.url,
        "SMSGATE_SENDER": "Shop",
    }
    arguments = ("send", GOOD, "+380000000001", "--text", TEXT)
    with terminal(*arguments, cwd=tmp_path, variables=account | variables) as child:
        screen = child.read()
    assert bool(COLOUR.search(screen)) is coloured
    assert "✓ accepted" in SGR.sub("", screen)
    assert max(map(len, SGR.sub("", screen).splitlines())) <= 80


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, False),
        ({"CLICOLOR": "1"}, False),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "0"}, False),
        ({"CLICOLOR_FORCE": ""}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"CLICOLOR_FORCE": "1", "CLICOLOR": "0"}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("arguments", [["segments", "Привіт"], ["--help"]], ids=lambda one: one[0])
def test_pipe_has_colour_only_if_it_is_forced(
    arguments: list[str], variables: dict[str, str], coloured: bool
) -> None:
    out = subprocess.check_output(
        [sys.executable, "-m", "smsgate", *arguments],
        text=True,
        env=clean_environment(TERM="xterm-256color", **variables)
        | {"GITHUB_ACTIONS": "", "PY_COLORS": ""},
    )
    assert ("\x1b[" in out) is coloured


def test_lines_of_a_pipe_are_whole_and_those_of_a_screen_fit(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("phone\n12\n+380501234567\n", "utf-8")
    words = ("list.csv", "--sender", "Shop", "--text", TEXT)
    skipped = ("campaign", "skipped", "a.sms")

    def piped(*arguments: str, **variables: str) -> list[str]:
        environment = clean_environment(**variables)
        done = run_command(arguments, environment=environment, folder=tmp_path)
        assert done.code == 0
        return done.out.decode().splitlines()

    database = ("--database", "sms.db")
    lines = piped("campaign", "new", "a.sms", *words) + piped("database", "migrate", *database)
    lines += piped("database", "check", *database)
    assert max(map(len, lines)) < 250, "no line is filled with spaces"
    whole = piped(*skipped)
    assert len(whole) == 3
    assert "not a phone number" in whole[-1]
    assert len(whole[-1]) > 100
    assert max(map(len, piped(*skipped, COLUMNS="60"))) <= 60
    with terminal(*skipped, cwd=tmp_path) as child:
        screen = child.read()
    assert max(map(len, SGR.sub("", screen).splitlines())) <= 80
    assert " ".join(screen.split()[-4:]) == " ".join(whole[-1].split()[-4:])


def test_error_is_red_with_aligned_lines(tmp_path: Path) -> None:
    with terminal("send", "12", "--text", TEXT, cwd=tmp_path) as child:
        screen = child.read()
    assert "\x1b[1;31merror:" in screen
    first, second, *_ = SGR.sub("", screen).splitlines()
    assert first.startswith("error: destination 1 is not a phone number")
    assert second.startswith(" " * 7)


# --- smsgate sandbox ------------------------------------------------------------------------------


def test_sandbox_runs_until_ctrl_c_and_says_how_to_reach_it(tmp_path: Path) -> None:
    child = start(
        "sandbox", "--port", "0", "--json", "--password", "a b", "--credits", "7", cwd=tmp_path
    )
    try:
        assert child.stdout
        running = json.loads(child.stdout.readline())
        with urlopen(running["wsdl_url"]) as answer:
            assert b"definitions" in answer.read()
        account = {
            "SMSGATE_URL": running["url"],
            "SMSGATE_LOGIN": running["login"],
            "SMSGATE_PASSWORD": running["password"],
            "SMSGATE_SENDER": "Shop",
        }
        sent = start("send", GOOD, "--text", TEXT, "--json", cwd=tmp_path, **account)
        out, _ = sent.communicate(timeout=30)
        calls = [json.loads(child.stdout.readline()) for _ in range(2)]
        assert [(call["event"], call["operation"], call["outcome"]) for call in calls] == [
            ("call", "Auth", "done"),
            ("call", "SendSMS", "done"),
        ]
        arrived = json.loads(child.stdout.readline())
        assert arrived["event"] == "message"
        assert arrived["message_id"] == json.loads(out)["recipients"][0]["message_id"]
        assert (arrived["destination"], arrived["sender"], arrived["parts"]) == (GOOD, "Shop", 1)
        balance, _ = start("balance", cwd=tmp_path, **account).communicate(timeout=30)
        assert balance == "6 credits\n"
    finally:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=10)
    assert child.returncode == 0
    assert [json.loads(line)["operation"] for line in out.splitlines()] == [
        "Auth",
        "GetCreditBalance",
    ]
    assert err == "Stopped. Calls: 4; messages: 1.\n"


CALL_LINE = r"[\d:]{{8}}  {}  [0-9a-f]{{8}}  done\n"


def test_sandbox_prints_a_refused_call_with_the_sentence(tmp_path: Path) -> None:
    child = start("sandbox", "--port", "0", "--credits", "0", cwd=tmp_path)
    try:
        assert child.stdout
        lines: list[str] = []
        while "Calls and messages:\n" not in lines:
            lines.append(child.stdout.readline())
        url = next(line.split()[1] for line in lines if line.startswith("url"))
        account = {"SMSGATE_LOGIN": "sandbox", "SMSGATE_PASSWORD": "sandbox", "SMSGATE_URL": url}
        sent = start("send", GOOD, "--text", TEXT, "--sender", "Shop", cwd=tmp_path, **account)
        sent.communicate(timeout=30)
        assert sent.returncode == 3
        child.stdout.readline()
        assert re.fullmatch(CALL_LINE.format("Auth"), child.stdout.readline())
        said = r"[\d:]{8}  SendSMS  [0-9a-f]{8}  refused  Не хватает 1 .*\n"
        assert re.fullmatch(said, child.stdout.readline())
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)


def test_lines_printed_by_the_sandbox_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    child = start("sandbox", "--port", "0", "--password", "it's $HOME", cwd=tmp_path)
    try:
        assert child.stdout
        lines: list[str] = []
        while "Calls and messages:\n" not in lines:
            lines.append(child.stdout.readline())
        pasted = [line.strip() for line in lines if line.startswith("  ")]
        assert [line.split()[0] for line in pasted] == ["export", "export", "export", "smsgate"]
        script = "\n".join(pasted).replace("\nsmsgate", f"\n{sys.executable} -m smsgate")
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            capture_output=True,
            text=True,
            env=clean_environment(),
            cwd=tmp_path,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "✓ accepted" in done.stdout
        assert child.stdout.readline() == "\n"
        assert re.fullmatch(CALL_LINE.format("Auth"), child.stdout.readline())
        assert re.fullmatch(CALL_LINE.format("SendSMS"), child.stdout.readline())
        assert re.search(r"Shop → \+380\*{5}4567  1 part", child.stdout.readline())
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)


def test_port_in_use_is_a_usage_error(sandbox: Sandbox, tmp_path: Path) -> None:
    port = sandbox.url.split(":")[2].split("/")[0]
    child = start("sandbox", "--port", port, cwd=tmp_path)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (Exit.USAGE, "")
    assert re.match(rf"error: .*cannot listen on 127\.0\.0\.1 port {port}", err)


def test_sandbox_open_to_other_machines_says_what_that_means(tmp_path: Path) -> None:
    child = start("sandbox", "--host", "0.0.0.0", "--port", "0", "--json", cwd=tmp_path)
    try:
        assert child.stdout
        json.loads(child.stdout.readline())
        assert child.stderr
        assert "other machines may reach it" in child.stderr.readline()
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)


@contextmanager
def running_sandbox(cwd: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    child = start("sandbox", "--port", "0", "--json", *arguments, cwd=cwd)
    try:
        assert child.stdout
        yield json.loads(child.stdout.readline())
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)


def got(running: dict[str, Any], path: str, **options: Any) -> Any:
    with urlopen(running["inbox_url"] + path, **options) as answer:
        return json.loads(answer.read())


def test_sandbox_starts_with_its_inbox_and_faults_in_force(
    tmp_path: Path,
) -> None:
    faults = ("--fault", "reset after,SendSMS,10%", "--fault", "slow,2s")
    with running_sandbox(tmp_path, *faults, "--account", "blocked", "--seed", "5") as running:
        assert running["faults"] == ["reset after,SendSMS,10%", "slow,2s"]
        with urlopen(running["inbox_url"]) as page:
            assert page.read().lower().startswith(b"<!doctype html>")
        seen = got(running, "sandbox/state")
        rules = [
            (rule["kind"], rule["operation"], rule["probability"], rule["seconds"])
            for rule in seen["faults"]
        ]
        assert rules == [("reset after", "SendSMS", 0.1, None), ("slow", None, 1.0, 2.0)]
        assert seen["account"] == "blocked"


def test_sandbox_speaks_https_with_a_certificate_of_the_user(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with running_sandbox(tmp_path, "--tls-cert", str(chain), "--tls-key", str(key)) as running:
        assert running["url"].startswith("https://127.0.0.1:")
        assert got(running, "sandbox/state", context=trusted)["url"] == running["url"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fault", "explode"], "kind: one of slow, silent before, "),
        (["--fault", "slow,often"], "fault: 'slow,often' is not like 'reset after,SendSMS,10%'"),
        (["--account", "gone"], "account: must be one of active, not activated, blocked, disabled"),
        (["--failed-slot", "gone"], "failed-slot: must be one of sentence, empty, nil"),
        (["--unauthorised", "no"], "unauthorised: Вы не авторизованы or "),
        (["--senders", "Shop,"], "senders: "),
        (["--tls-key", "key.pem"], "tls-key: needs a certificate; add --tls-cert"),
        (
            ["--tls-cert", "nowhere.pem"],
            "tls-cert: the certificate cannot be used (No such file or directory)",
        ),
    ],
)
def test_invalid_sandbox_option_is_named(
    arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    child = start("sandbox", "--port", "0", *arguments, cwd=tmp_path)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (Exit.USAGE, "")
    assert complaint in re.sub(r"\s+", " ", err)


def test_messages_after_a_cleared_inbox_are_still_printed(tmp_path: Path) -> None:
    child = start("sandbox", "--port", "0", "--json", cwd=tmp_path)
    try:
        assert child.stdout
        running = json.loads(child.stdout.readline())
        account = {
            "SMSGATE_URL": running["url"],
            "SMSGATE_LOGIN": "sandbox",
            "SMSGATE_PASSWORD": "sandbox",
            "SMSGATE_SENDER": "Shop",
        }
        shown = []
        for _ in range(2):
            start("send", GOOD, "--text", TEXT, "--json", cwd=tmp_path, **account).communicate(
                timeout=30
            )
            lines = [json.loads(child.stdout.readline()) for _ in range(3)]
            shown.append(lines[-1]["message_id"])
            with urlopen(Request(running["inbox_url"] + "sandbox/clear", method="POST")) as answer:
                assert json.loads(answer.read())["messages"] == 0
            time.sleep(0.5)  # longer than the command takes to look again
        assert shown[0] != shown[1]
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)


# --- smsgate demo ---------------------------------------------------------------------------------

SECONDS = 90
"""The demo takes fifteen; the tests run several at once, and under coverage."""


@pytest.mark.longest
@pytest.mark.unmeasured
def test_demo_as_json_is_one_document_and_leaves_only_the_report(
    tmp_path: Path,
) -> None:
    working, temporary = tmp_path / "working", tmp_path / "temporary"
    working.mkdir()
    temporary.mkdir()
    started = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "smsgate", "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(HOME=str(temporary), TMPDIR=str(temporary)),
        cwd=working,
        start_new_session=True,
    )
    out, err = child.communicate(timeout=SECONDS + 10)
    assert (child.returncode, err) == (0, b"")
    assert time.monotonic() - started < SECONDS
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
    assert kinds_of("demo", out.decode()) == ["DemoReport"]
    report = json.loads(out)
    assert not list(working.iterdir())
    assert [str(path) for path in temporary.rglob("*") if path.is_file()] == [
        report["campaign"]["report"]
    ]
    page = Path(report["campaign"]["report"]).read_text("utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert report["one"]["parts"] > 1
    assert report["one"]["changes"][-1]["state"] == "delivered"
    assert len(report["one"]["changes"]) > 2
    outcomes = report["many"]["outcomes"]
    assert sum(row["messages"] for row in outcomes) == report["many"]["messages"] == 1000
    assert {row["outcome"] for row in outcomes} == {"accepted", "refused", "in doubt"}
    accepted = sum(row["messages"] for row in outcomes if row["outcome"] == "accepted")
    assert report["book"] == {
        "messages": accepted + 1,
        "recipients_twice": 0,
        "credits": accepted + report["one"]["parts"],
    }
    campaign = report["campaign"]
    assert sum(campaign["states"].values()) == campaign["recipients"] == 10_000
    assert set(campaign["states"]) == {"accepted", "in doubt"}
    assert 0 < campaign["settled_when_killed"] < 10_000
    assert campaign["in_flight_when_killed"] > 0
    assert (campaign["recipients_twice"], campaign["paid_and_not_listed"]) == (0, 0)
    assert campaign["delivered"] > 0
    shown = re.search(r"<dt>Delivered</dt><dd>([\d,]+)<", page)
    assert shown is not None
    assert int(shown[1].replace(",", "")) == campaign["delivered"]


def test_indented_table_of_a_pipe_is_not_filled_with_spaces() -> None:
    rows = Rows("outcome", "why")
    rows.add_row("refused", "not a phone number")
    written = StringIO()
    indented = Padding(Group("refused:", rows), (0, 0, 0, 3), expand=False)
    Console(file=written, width=WIDEST).print(indented)
    assert max(map(len, written.getvalue().splitlines())) < 80


@pytest.mark.longest
def test_demo_shows_progress_and_fits_80_columns_and_a_pipe(
    tmp_path: Path,
) -> None:
    with terminal("demo", cwd=tmp_path, pipe=True) as child:
        screen = child.read(until=" 0:00:0", seconds=SECONDS)
        campaign = child.read(seconds=SECONDS)
        assert child.process.stdout
        out = child.process.stdout.read()
        assert child.process.wait(10) == 0
    assert re.search(r"\d of 1,000", screen)
    assert (
        max(int(done.replace(",", "")) for done in re.findall(r"([\d,]+) of 10,000", campaign))
        > 8_000
    ), "the bar moves after the kill, too"
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    for line in (
        "part 1 of 2",
        "✓ delivered",
        "? in doubt",
        "no recipient twice, 9",
        "✗ kill -9",
        "no recipient twice; the campaign lists",
        "? in doubt",
    ):
        assert line in out
    promise = "at most once. For each recipient it reports one of three outcomes:"
    assert re.search(re.escape(promise).replace(r"\ ", r"\s+") + r"[^.]*\.\n\Z", out)


def test_ctrl_c_ends_the_demo_at_once(tmp_path: Path) -> None:
    child = start("demo", cwd=tmp_path)
    assert child.stdout
    while "accepted" not in child.stdout.readline():
        pass
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (Exit.INTERRUPTED, "error: interrupted by Ctrl-C\n")
