"""How commands end:

by SIGINT, SIGTERM or SIGHUP in every phase, and when nobody reads what they print any more.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import anyio
import pytest
from commands import Child
from test_cli import GOOD, PASSWORD, TEXT, clean_environment, start, wait_until
from test_cli_terminal import terminal

from smsgate.campaign import Campaign, RecipientState, rows_source
from smsgate.cli.output import People
from smsgate.cli.shared_options import _in_loop
from smsgate.cli.signals import Signalled, Signals
from smsgate.cli.streams import Stream
from smsgate.sandbox import Sandbox, Settings

pytestmark = pytest.mark.heavy

ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LONG = 60.0
_S = RecipientState


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(Settings(login="shop", password=PASSWORD, delivery_seconds=LONG)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def account(sandbox: Sandbox) -> dict[str, str]:
    return {
        "SMSGATE_LOGIN": "shop",
        "SMSGATE_PASSWORD": PASSWORD,
        "SMSGATE_SENDER": "Shop",
        "SMSGATE_URL": sandbox.url,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spring.sms"
    rows = rows_source({"phone": f"+38050123{number:04}"} for number in range(30))
    Campaign.create(path, rows, sender="Shop", text="Hello").close()
    return path


def states(file: Path) -> dict[_S, int]:
    with Campaign.open(file, writing=False) as campaign:
        return {state: count for state, count in campaign.figures().states.items() if count}


Started = Child | subprocess.Popen[str]


def ended(child: Started) -> tuple[int, str, str]:
    out, err = child.communicate(timeout=60)
    assert child.returncode is not None
    return child.returncode, out, err


# --- a single command -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", ALL)
def test_signal_during_a_send_lists_who_is_in_doubt(
    number: int, sandbox: Sandbox, account: dict[str, str], tmp_path: Path
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=LONG)
    people = start("send", GOOD, "--text", TEXT, cwd=tmp_path, **account)
    machines = start("send", GOOD, "--text", TEXT, "--json", cwd=tmp_path, **account)
    wait_until(lambda: sandbox.calls["SendSMS"] == 2)
    people.send_signal(number)
    machines.send_signal(number)
    code, out, err = ended(people)
    assert (code, out) == (128 + number, "")
    assert "while the message was being sent, so its outcome is in doubt" in err
    assert "Before you send it again, check" in err
    code, out, _ = ended(machines)
    assert code == 128 + number
    told = json.loads(out)
    assert (told["error"]["class"], told["error"]["sent"]) == ("SendInterrupted", None)
    assert [(one["destination"], one["outcome"]) for one in told["recipients"]] == [
        (GOOD, "in doubt")
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_signal_before_a_send_left_claims_no_doubt(
    number: int, sandbox: Sandbox, account: dict[str, str], tmp_path: Path
) -> None:
    sandbox.faults.add("slow", operation="Auth", seconds=LONG)
    child = start("send", GOOD, "--text", TEXT, "--json", cwd=tmp_path, **account)
    wait_until(lambda: sandbox.calls["Auth"] == 1)
    child.send_signal(number)
    code, out, err = ended(child)
    assert (code, err) == (128 + number, "")
    assert json.loads(out)["error"]["sent"] is False
    assert "recipients" not in json.loads(out)


EVERY_ONE_INSISTS = """
import sys
from smsgate.cli import main, signals
for number, row in signals._ROWS.items():
    signals._ROWS[number] = row._replace(insists=0.0)
sys.exit(main())
"""


def start_impatient(*arguments: str, cwd: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the command so that each further signal counts, however soon it comes."""
    return subprocess.Popen(
        [sys.executable, "-c", EVERY_ONE_INSISTS, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**variables),
        cwd=cwd,
    )


def hit(child: Started, numbers: Sequence[int]) -> None:
    """Send the signals in quick succession, but one by one:

    two of a kind that nobody has taken yet are one.
    """
    for number in numbers:
        child.send_signal(number)
        time.sleep(0.001)


@pytest.mark.parametrize("begin", [start, start_impatient])
def test_two_quick_signals_during_a_send_report_doubt_once(
    begin: Callable[..., Started], sandbox: Sandbox, account: dict[str, str], tmp_path: Path
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=LONG)
    child = begin("send", GOOD, "--text", TEXT, "--json", cwd=tmp_path, **account)
    # Not the message alone: a request of an earlier test may be accepted late.
    wait_until(lambda: sandbox.calls["SendSMS"] == 1 and sandbox.accepted > 0)
    hit(child, [signal.SIGINT] * 2)
    code, out, _ = ended(child)
    assert abs(code) in (signal.SIGINT, 128 + signal.SIGINT)
    assert [json.loads(line)["error"]["sent"] for line in out.splitlines()] == [None]
    assert [one["outcome"] for one in json.loads(out)["recipients"]] == ["in doubt"]


@pytest.mark.parametrize("later", [signal.SIGHUP, signal.SIGTERM])
def test_signal_right_after_another_keeps_the_exit_code(later: int, tmp_path: Path) -> None:
    # The command has told its ending and still closes: that is when the later signal comes.
    script = """
import os, signal, sys
from smsgate.cli.signals import SIGNALS, Signalled
SIGNALS.listen()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except Signalled:
    SIGNALS.settled()
print("settled", flush=True)
sys.stdin.readline()
sys.exit(SIGNALS.code)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert child.stdout
    assert child.stdout.readline() == "settled\n"
    child.send_signal(later)
    assert ended(child)[0] == 128 + signal.SIGTERM


def test_later_signal_ends_a_command_that_has_its_result(tmp_path: Path) -> None:
    script = "import signal, sys; from smsgate.cli.signals import SIGNALS; SIGNALS.listen(); "
    script += (
        "SIGNALS.first = 15; SIGNALS.settled(); print('settled', flush=True); sys.stdin.readline()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert child.stdout
    assert child.stdout.readline() == "settled\n"
    child.send_signal(signal.SIGINT)
    assert ended(child)[0] == -signal.SIGINT


MESSAGE_ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"


@pytest.mark.parametrize(
    ("arguments", "operation", "number"),
    [
        (["balance"], "GetCreditBalance", signal.SIGHUP),
        (["new"], "GetNewMessages", signal.SIGINT),
        (["status", MESSAGE_ID, "--follow"], "GetMessageStatus", signal.SIGHUP),
        (["doctor"], "GetCreditBalance", signal.SIGTERM),
    ],
)
def test_signal_ends_a_read_command_with_one_line(
    arguments: list[str], operation: str, number: int, sandbox: Sandbox, account: dict[str, str]
) -> None:
    sandbox.faults.add("slow", operation=operation, seconds=LONG)
    child = start(*arguments, cwd=Path("/"), **account)
    wait_until(lambda: sandbox.calls[operation] == 1)
    child.send_signal(number)
    code, out, err = ended(child)
    assert (code, out) == (128 + number, "")
    assert re.fullmatch(
        r"error: (interrupted by Ctrl-C|ended by SIGTERM|the terminal was closed \(SIGHUP\))\n", err
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_password_prompt(
    number: int, account: dict[str, str], tmp_path: Path
) -> None:
    del account["SMSGATE_PASSWORD"]
    with terminal("balance", cwd=tmp_path, variables=account) as child:
        child.read(until="Password: ")
        child.process.send_signal(number)
        child.read()
        assert child.process.wait(20) == 128 + number
        assert "Traceback" not in child.screen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_the_command_loads_leaves_no_traceback(number: int, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(
        "import time\nprint('loading', flush=True)\ntime.sleep(60)\n", "utf-8"
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "smsgate", "balance"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(PYTHONPATH=str(tmp_path)),
        cwd=tmp_path,
    )
    assert child.stdout
    assert child.stdout.readline() == "loading\n"
    child.send_signal(number)
    code, _, err = ended(child)
    assert code == 128 + number
    assert re.fullmatch(r"smsgate: .*\n", err)


def ignoring(number: int, *arguments: str, cwd: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the command with a signal ignored, as `nohup` (SIGHUP) and shell jobs (SIGINT) do."""
    script = f'trap "" {signal.Signals(number).name.removeprefix("SIG")}; exec "$0" -m smsgate "$@"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**variables),
        cwd=cwd,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signal_ignored_from_the_start_stays_ignored(
    number: int, sandbox: Sandbox, account: dict[str, str], tmp_path: Path
) -> None:
    held = sandbox.faults.add("slow", operation="GetCreditBalance", seconds=0.5)
    child = ignoring(number, "balance", cwd=tmp_path, **account)
    wait_until(lambda: sandbox.faults.struck[held.kind] > 0)
    child.send_signal(number)
    assert ended(child) == (0, f"{sandbox.balance:,f} credits\n", "")


# --- campaigns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_a_run_gracefully(
    number: int, sandbox: Sandbox, account: dict[str, str], file: Path, tmp_path: Path
) -> None:
    held = sandbox.faults.add("slow", operation="SendSMS", seconds=1)
    child = start(
        "campaign",
        "run",
        file.name,
        "--yes",
        "--batch",
        "5",
        "--concurrency",
        "2",
        "--json",
        cwd=tmp_path,
        **account,
    )
    wait_until(lambda: sandbox.faults.struck[held.kind] > 0)
    # A shell and the kernel both tell of a closed terminal, and `timeout` ends a process twice.
    # Nobody insists.
    child.send_signal(number)
    child.send_signal(number)
    code, out, err = ended(child)
    assert code == 128 + number
    assert err.count("waiting for requests in flight") == 1
    assert json.loads(out.splitlines()[-1])["outcome"] == "stopped"
    left = states(file)
    assert set(left) == {_S.ACCEPTED, _S.PENDING}
    assert left[_S.ACCEPTED] == sandbox.accepted


@pytest.mark.parametrize("begin", [start, start_impatient])
def test_three_quick_signals_never_claim_that_nothing_was_sent(
    begin: Callable[..., Started],
    sandbox: Sandbox,
    account: dict[str, str],
    file: Path,
    tmp_path: Path,
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=1)
    child = begin(
        "campaign",
        "run",
        file.name,
        "--yes",
        "--batch",
        "5",
        "--concurrency",
        "2",
        "--json",
        cwd=tmp_path,
        **account,
    )
    wait_until(lambda: sandbox.calls["SendSMS"] > 0 and sandbox.accepted > 0)
    hit(child, [signal.SIGINT] * 3)
    code, out, _ = ended(child)
    assert abs(code) in (signal.SIGINT, 128 + signal.SIGINT)
    last = json.loads(out.splitlines()[-1])
    if "error" in last:
        assert last["error"]["sent"] is None
        assert f"'smsgate campaign in-doubt {file.name}'" in last["error"]["message"]
    else:
        assert last["outcome"] in ("stopped", "cut off")
    assert sum(states(file).values()) == 30


def test_run_whose_terminal_closes_records_open_requests(
    sandbox: Sandbox, account: dict[str, str], file: Path, tmp_path: Path
) -> None:
    held = sandbox.faults.add("slow", operation="SendSMS", seconds=1)
    arguments = ("campaign", "run", file.name, "--yes", "--batch", "5", "--concurrency", "2")
    with terminal(*arguments, cwd=tmp_path, variables=account, leads=True) as child:
        wait_until(lambda: sandbox.faults.struck[held.kind] > 0)
        child.hang_up()
        assert child.process.wait(20) == 128 + signal.SIGHUP
    left = states(file)
    assert set(left) == {_S.ACCEPTED, _S.PENDING}
    assert left[_S.ACCEPTED] == sandbox.accepted


def test_signal_stops_a_poll(
    sandbox: Sandbox, account: dict[str, str], file: Path, tmp_path: Path
) -> None:
    assert ended(start("campaign", "run", file.name, "--yes", cwd=tmp_path, **account))[0] == 0
    child = start("campaign", "poll", file.name, "--json", cwd=tmp_path, **account)
    wait_until(lambda: sandbox.calls["GetMessageStatus"] > 0)
    child.send_signal(signal.SIGTERM)
    code, out, _ = ended(child)
    assert code == 128 + signal.SIGTERM
    assert json.loads(out)["open"] == 30


def test_signal_while_a_list_is_read_leaves_no_campaign(tmp_path: Path) -> None:
    pipe, file = tmp_path / "list.csv", tmp_path / "spring.sms"
    os.mkfifo(pipe)
    child = start(
        "campaign", "new", str(file), str(pipe), "--sender", "Shop", "--text", "Hello", cwd=tmp_path
    )
    with pipe.open(
        "w"
    ):  # open returns when the command opens the other end, and then waits for rows
        # Python hears a signal late that comes between its last look and the read that blocks: let
        # it get there.
        time.sleep(0.5)
        child.send_signal(signal.SIGTERM)
        code, out, err = ended(child)
    assert (code, out, err) == (128 + signal.SIGTERM, "", "error: ended by SIGTERM\n")
    assert not file.exists()


# --- the sandbox ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sandbox_stops_on_a_signal_with_its_closing_line(number: int, tmp_path: Path) -> None:
    child = ignoring(signal.SIGINT, "sandbox", "--port", "0", "--json", cwd=tmp_path)
    assert child.stdout
    child.stdout.readline()
    child.send_signal(number)
    assert ended(child) == (0, "", "Stopped. Calls: 0; messages: 0.\n")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the handlers from /proc")
def test_sandbox_installs_its_own_signal_handlers(
    tmp_path: Path,
) -> None:
    """Without them it would hear no signal as process 1 of a container."""
    child = ignoring(signal.SIGINT, "sandbox", "--port", "0", "--json", cwd=tmp_path)
    assert child.stdout
    child.stdout.readline()
    caught = int(
        re.findall(r"SigCgt:\s*(\w+)", Path(f"/proc/{child.pid}/status").read_text())[0], 16
    )
    child.send_signal(signal.SIGTERM)
    ended(child)
    assert all(caught >> (number - 1) & 1 for number in ALL)


# --- which signal counts --------------------------------------------------------------------------


def heard(numbers: Sequence[int]) -> list[str]:
    """Return what a loop with two reactions, one around the other, does on these signals."""
    did: list[str] = []
    signals = Signals()
    with (
        signals.reacting(lambda: did.append("outer")),
        signals.reacting(lambda: did.append("inner")),
    ):
        for number in numbers:
            try:
                signals._hear(number, None)
            except Signalled:
                did.append("raised")
    return did


@pytest.mark.parametrize(
    ("numbers", "did"),
    [
        ([signal.SIGTERM], ["inner"]),
        ([signal.SIGINT] * 3, ["inner"]),
        ([signal.SIGTERM] * 3, ["inner"]),
        ([signal.SIGHUP] * 3, ["inner"]),
        ([signal.SIGHUP, signal.SIGINT], ["inner"]),
    ],
)
def test_repeated_second_signal_counts(numbers: Sequence[int], did: list[str]) -> None:
    assert heard(numbers) == did


@pytest.mark.parametrize(
    ("numbers", "times", "did"),
    [
        ([signal.SIGTERM] * 2, [10.0, 11.5], ["inner", "outer"]),
        ([signal.SIGTERM] * 3, [10.0, 10.6, 11.2], ["inner", "outer"]),
        ([signal.SIGINT] * 3, [10.0, 10.5, 11.0], ["inner", "outer", "raised"]),
        ([signal.SIGINT] * 4, [10.0, 10.2, 10.4, 10.6], ["inner", "outer"]),
        ([signal.SIGHUP, signal.SIGINT], [10.0, 10.5], ["inner", "outer"]),
        ([signal.SIGHUP] * 2, [10.0, 99.0], ["inner"]),
    ],
)
def test_second_signal_counts_after_a_while(
    numbers: Sequence[int], times: list[float], did: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(times)
    monkeypatch.setattr("smsgate.cli.signals.monotonic", lambda: next(now))
    assert heard(numbers) == did


def test_signal_does_not_interrupt_the_final_output_unless_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After more than a second nobody seems to read the output."""
    now = iter([10.0, 10.4, 10.9, 11.1])
    monkeypatch.setattr("smsgate.cli.signals.monotonic", lambda: next(now))
    signals = Signals()
    with signals.telling():
        signals._hear(signal.SIGINT, None)
        signals._hear(signal.SIGTERM, None)
        with pytest.raises(Signalled):
            signals._hear(signal.SIGINT, None)


def test_second_signal_in_a_loop_does_not_interrupt_a_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Raised in the middle of a step, it broke cancel scopes, and some commands never ended."""
    now = iter([10.0, 12.0])
    monkeypatch.setattr("smsgate.cli.signals.monotonic", lambda: next(now))
    signals = Signals()
    monkeypatch.setattr("smsgate.cli.shared_options.SIGNALS", signals)
    did: list[str] = []

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            signals._hear(signal.SIGINT, None)
            signals._hear(signal.SIGINT, None)
            did.append("the step ended")
            await anyio.sleep_forever()

    with pytest.raises(Signalled):
        anyio.run(_in_loop, work, People(0, goes_on=False), did.append)
    assert did == ["the step ended"]


# --- a reader that is gone ------------------------------------------------------------------------


def into(
    reader: str, *arguments: str, cwd: Path, merged: bool = False, **variables: str
) -> tuple[int, str, str]:
    """Run the command in a pipe to a shell's `reader`.

    Returns the command's exit code, and the output and errors of both.
    """
    merging = "2>&1" if merged else ""
    script = f'{{ "$0" -m smsgate "$@" {merging}; echo $? >code; }} | {reader}'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(**variables),
        cwd=cwd,
        timeout=60,
        check=False,
    )
    return int((cwd / "code").read_text()), done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["segments", "Ї"]])
def test_command_whose_reader_is_gone_ends_quietly(arguments: list[str], tmp_path: Path) -> None:
    assert into("exec 0<&-", *arguments, cwd=tmp_path) == (128 + signal.SIGPIPE, "", "")


def test_follow_whose_reader_is_gone_ends_quietly(
    sandbox: Sandbox, account: dict[str, str], tmp_path: Path
) -> None:
    sent = start("send", GOOD, "--text", TEXT, "--json", cwd=tmp_path, **account)
    one = json.loads(ended(sent)[1])["recipients"][0]["message_id"]
    assert sandbox.accepted
    code, _, err = into("exec 0<&-", "status", one, "--follow", "--json", cwd=tmp_path, **account)
    assert (code, err) == (128 + signal.SIGPIPE, "")


def test_send_whose_reader_is_gone_exits_with_its_outcome(
    account: dict[str, str], tmp_path: Path
) -> None:
    assert into("exec 0<&-", "send", GOOD, "--text", TEXT, cwd=tmp_path, **account) == (0, "", "")
    code, _, err = into(
        "exec 0<&-", "send", "12", "--text", TEXT, "--json", cwd=tmp_path, **account
    )
    assert (code, err) == (2, "")


def test_run_whose_reader_is_gone_still_sends_to_all(
    sandbox: Sandbox, account: dict[str, str], file: Path, tmp_path: Path
) -> None:
    sandbox.faults.add(
        "502 before", operation="SendSMS", times=2
    )  # whatever is logged cannot be written, either
    arguments = ("campaign", "run", file.name, "--yes", "--batch", "5", "-vv")
    code, _, _ = into("exec 0<&-", *arguments, cwd=tmp_path, merged=True, **account)
    left = states(file)
    assert sum(left.values()) == 30
    assert _S.PENDING not in left
    assert code == (5 if _S.IN_DOUBT in left else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_send_whose_result_cannot_be_written_is_no_usage_error(
    more: list[str], sandbox: Sandbox, account: dict[str, str], tmp_path: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "smsgate", "send", GOOD, "--text", TEXT, *more],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(**account),
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
    assert sandbox.accepted == 1
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "error: standard output: No space left on device, so the output is incomplete"
    assert "Do not send it again" in second


def test_command_without_standard_streams_does_its_work(
    sandbox: Sandbox, account: dict[str, str], tmp_path: Path
) -> None:
    script = '"$0" -m smsgate "$@" <&- >&- 2>&-'
    command = ["/bin/sh", "-c", script, sys.executable, "send", GOOD, "--text", TEXT, "--json"]
    assert (
        subprocess.run(
            command, env=clean_environment(**account), cwd=tmp_path, timeout=60, check=False
        ).returncode
        == 0
    )
    assert sandbox.accepted == 1


def test_stream_closed_by_its_owner_stays_silent(tmp_path: Path) -> None:
    broke: list[OSError] = []
    with (tmp_path / "output").open("w") as file:
        stream = Stream(file, broke.append)
        stream.write("kept")
    stream.write("lost")
    stream.flush()
    stream.close()  # as Python does when it collects the object
    assert (tmp_path / "output").read_text() == "kept"
    assert broke == []


# --- colour without a terminal --------------------------------------------------------------------


def test_forced_colour_moves_no_cursor_in_a_log(
    sandbox: Sandbox, account: dict[str, str], file: Path, tmp_path: Path
) -> None:
    sandbox.faults.add("slow", operation="SendSMS", seconds=0.3)
    forced = account | {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    children = [
        start("campaign", "run", file.name, "--yes", "--batch", "10", cwd=tmp_path, **forced),
        start("doctor", cwd=tmp_path, **forced),
        start("send", "12", "--text", TEXT, cwd=tmp_path, **forced),
    ]
    told = [out + err for _, out, err in map(ended, children)]
    moved = re.compile(
        r"\r|\x1b\[[0-9;?]*[A-LN-Zac-ln-z]"
    )  # every control sequence but colour, which ends in m
    assert [moved.findall(one) for one in told] == [[], [], []]
    assert all("\x1b[" in one for one in told), "colour itself is what was asked for"
