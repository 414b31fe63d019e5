"""The sandbox in containers and CI: variables, health, and the snippets of the docs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from command_tree import COMMANDS
from ports import server_port
from test_cli import clean_environment, start

pytestmark = [pytest.mark.heavy, pytest.mark.unmeasured]

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "sandbox-in-containers.md"


def variables() -> dict[str, str]:
    """Return each variable of `smsgate sandbox`, with its option."""
    command = COMMANDS["sandbox"]
    with command.make_context("sandbox", ["--port", "0"]) as context:
        parameters = command.get_params(context)
    return {one.envvar: one.opts[0] for one in parameters if one.envvar}


def test_each_option_has_a_variable():
    found = variables()
    assert found["SMSGATE_SANDBOX_KEEP_MESSAGES"] == "--keep-messages"
    assert found["SMSGATE_SANDBOX_JSON"] == "--json"
    done = subprocess.run(
        [sys.executable, "-m", "smsgate", "sandbox", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(COLUMNS="200"),
    )
    listed = set(re.findall(r"--[a-z][a-z-]+", done.stdout)) - {"--help", "--no-lock"}
    assert listed == set(found.values())


def test_other_commands_have_no_such_variables():
    command = COMMANDS["balance"]
    with command.make_context("balance", []) as context:
        assert [one.envvar for one in command.get_params(context) if one.envvar] == []


def test_variables_configure_the_sandbox(tmp_path: Path):
    child = start(
        "sandbox",
        "--login",
        "option",
        cwd=tmp_path,
        SMSGATE_SANDBOX_JSON="1",
        SMSGATE_SANDBOX_PORT="0",
        SMSGATE_SANDBOX_LOGIN="variable",
        SMSGATE_SANDBOX_PASSWORD="a b;c",
        SMSGATE_SANDBOX_FAULT="reset after,SendSMS,10%; ;502 before,3x;;",
        SMSGATE_SANDBOX_NAME=";",
        SMSGATE_SANDBOX_SEED="",
    )
    try:
        assert child.stdout
        running = json.loads(child.stdout.readline())
        assert (running["event"], running["login"], running["password"], running["faults"]) == (
            "running",
            "option",
            "a b;c",
            ["reset after,SendSMS,10%", "502 before,3x"],
        )
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=10)
    assert child.returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("CREDITS", "-1"),
        ("ACCOUNT", "gone"),
        ("FAULT", "no"),
        ("KEEP_CALLS", "9" * 20),
        ("KEEP_MESSAGES", "9" * 20),
        ("SENDERS", ",,"),
    ],
)
def test_bad_variable_is_a_usage_error_that_names_it(name: str, value: str, tmp_path: Path):
    child = start(
        "sandbox", cwd=tmp_path, **{"SMSGATE_SANDBOX_PORT": "0", f"SMSGATE_SANDBOX_{name}": value}
    )
    _, said = child.communicate(timeout=30)
    assert child.returncode == 2
    assert name in said.upper().replace("-", "_")
    assert "frozenset" not in said


def test_unknown_variable_is_a_warning_that_names_it(tmp_path: Path):
    child = start(
        "sandbox",
        "--json",
        cwd=tmp_path,
        SMSGATE_SANDBOX_PORT="0",
        SMSGATE_SANDBOX_KEEP_CALL="5",
        SMSGATE_SANDBOX_XYZ="5",
    )
    assert child.stdout
    assert json.loads(child.stdout.readline())["event"] == "running"
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=10)
    warned = " ".join(said.split())
    assert "SMSGATE_SANDBOX_KEEP_CALL: the sandbox has no such setting" in warned
    assert "did you mean SMSGATE_SANDBOX_KEEP_CALLS?" in warned
    assert "SMSGATE_SANDBOX_XYZ: the sandbox has no such setting" in warned
    assert "SMSGATE_SANDBOX_PORT" not in warned


LINKED = {
    "PORT": "tcp://172.17.0.2:8025",
    "PORT_8025_TCP": "tcp://172.17.0.2:8025",
    "PORT_8025_TCP_ADDR": "172.17.0.2",
    "PORT_8025_TCP_PORT": "8025",
    "PORT_8025_TCP_PROTO": "tcp",
    "SERVICE_HOST": "10.0.0.7",
    "SERVICE_PORT": "8025",
    "SERVICE_PORT_HTTP": "8025",
    "NAME": "/app/smsgate-sandbox",
    "ENV_PYTHON_VERSION": "3.13.1",
}
"""What Docker links and Kubernetes services called `smsgate-sandbox` set."""


def test_variables_of_a_link_or_service_are_ignored_quietly(tmp_path: Path):
    linked = {f"SMSGATE_SANDBOX_{name}": value for name, value in LINKED.items()}
    child = start("sandbox", "--json", cwd=tmp_path, **linked)
    try:
        assert child.stdout
        line = child.stdout.readline()
        # The port of the link is not taken for an option, so it is the default, which may be taken.
        if line:
            assert json.loads(line)["inbox_url"] == "http://127.0.0.1:8025/"
    finally:
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=30)
    assert "SMSGATE_SANDBOX" not in said
    assert (child.returncode, "cannot listen on 127.0.0.1 port 8025" in said) in (
        (0, False),
        (2, True),
    )


def test_health_is_ok_while_it_serves(tmp_path: Path):
    child = start("sandbox", "--json", cwd=tmp_path, SMSGATE_SANDBOX_PORT="0")
    try:
        assert child.stdout
        running = json.loads(child.stdout.readline())
        with urlopen(f"{running['inbox_url']}healthz") as answer:
            assert (answer.status, json.load(answer)["status"]) == (200, "ok")
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=10)
    assert child.returncode == 0


def test_snippet_of_the_ci_job_starts_it_and_waits(tmp_path: Path):
    (step,) = re.findall(
        r"name: Start the SMS sandbox\n    run: \|\n((?:      .*\n)+)", PAGE.read_text()
    )
    port = str(server_port())
    bin_ = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-e", "-c", f"{step.replace('8025', port)}\necho; kill $!; wait $!"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=clean_environment(
            SMSGATE_SANDBOX_PORT=port, PATH=f"{bin_}{os.pathsep}{os.environ['PATH']}"
        ),
    )
    assert (done.returncode, done.stdout.startswith('{"status":"ok"')) == (0, True), done.stderr
    (first, *_) = (tmp_path / "sandbox.log").read_text().splitlines()
    assert json.loads(first)["event"] == "running"


def test_compose_snippet_uses_variables_that_exist_and_a_health_check_that_works(tmp_path: Path):
    page = PAGE.read_text()
    named = set(re.findall(r"SMSGATE_SANDBOX_[A-Z_]*[A-Z]", page))
    assert len(named) > 4
    assert named <= set(variables())
    (check,) = re.findall(r'test: \[CMD, python, -c, "(.*)"\]', page)
    child = start("sandbox", "--json", "--port", "0", cwd=tmp_path)
    try:
        assert child.stdout
        url = json.loads(child.stdout.readline())["inbox_url"]
        ask = check.replace("http://localhost:8025/", url)
        assert subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=10)
    down = subprocess.run([sys.executable, "-c", ask], check=False, capture_output=True)
    assert down.returncode == 1
