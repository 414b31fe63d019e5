"""The command in child processes against a real sandbox: results, documents, exit codes."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needles
import pytest
from command_tree import ROOT
from commands import Child, run_command, start_command
from fault_server import AFTER_THE_REQUEST, ENVELOPE, MESSAGE_ID, FaultServer, answering
from ports import refusing_port

from smsgate import errors
from smsgate.cli.exits import Exit, exit_of
from smsgate.sandbox import Sandbox, Settings

GOOD = "+380501234567"
NOT_RECOGNISED, COUNTRY, STAYS_QUEUED = "+380000000001", "+380000000002", "+380000000014"
NOWHERE = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"
TEXT = "Ваш код: 4815"
PASSWORD = needles.PASSWORD
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Smsgate = Callable[..., Finished]


def clean_environment(**variables: str) -> dict[str, str]:
    dropped = (
        "SMSGATE_",
        "COLUMNS",
        "NO_COLOR",
        "FORCE_COLOR",
        "CLICOLOR",
        "PYTHON",
        "LANG",
        "LC_",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"PYTHONIOENCODING": "utf-8", "LANG": "C.UTF-8"} | variables


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(login="shop", password=PASSWORD, delivery_seconds=0.3)) as running:
        yield running


@pytest.fixture
def account(sandbox: Sandbox) -> dict[str, str]:
    return {
        "SMSGATE_LOGIN": "shop",
        "SMSGATE_PASSWORD": PASSWORD,
        "SMSGATE_SENDER": "Shop",
        "SMSGATE_URL": sandbox.url,
    }


@pytest.fixture
def bare(tmp_path: Path) -> Smsgate:
    """The command with nothing set, in an empty folder."""

    def run(*arguments: str, stdin: str | bytes = b"", **variables: str) -> Finished:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = run_command(
            arguments, stdin=given, environment=clean_environment(**variables), folder=tmp_path
        )
        return Finished(done.code, done.out.decode(), done.err.decode())

    return run


@pytest.fixture
def smsgate(bare: Smsgate, account: dict[str, str]) -> Smsgate:
    """The command with an account."""

    def run(*arguments: str, stdin: str | bytes = b"", **variables: str) -> Finished:
        return bare(*arguments, stdin=stdin, **(account | variables))

    return run


@pytest.fixture
def message_id(smsgate: Smsgate) -> str:
    return str(
        smsgate("send", GOOD, "--text", TEXT, "--json").document["recipients"][0]["message_id"]
    )


def start(*arguments: str, cwd: Path, **variables: str) -> Child:
    return start_command(arguments, environment=clean_environment(**variables), folder=cwd)


# --- results --------------------------------------------------------------------------------------


def test_send_shows_each_masked_destination_with_its_outcome(
    smsgate: Smsgate, sandbox: Sandbox
) -> None:
    done = smsgate("send", GOOD, "--text", TEXT)
    assert (done.code, done.err) == (0, "")
    sent = sandbox.messages[-1]
    assert (sent.destination, sent.sender, sent.text) == (GOOD, "Shop", TEXT)
    assert re.search(rf"\+380\*{{5}}4567 +✓ accepted +{sent.id}", done.out)


def test_full_numbers_are_shown_only_on_request(smsgate: Smsgate) -> None:
    masked, full = (
        smsgate("send", GOOD, NOT_RECOGNISED, "--text", TEXT, *more)
        for more in ((), ("--show-numbers",))
    )
    assert GOOD not in masked.out + masked.err
    assert NOT_RECOGNISED not in masked.out + masked.err
    assert GOOD in full.out
    assert NOT_RECOGNISED in full.out


def test_json_of_a_send_has_full_numbers_and_all_outcomes(smsgate: Smsgate) -> None:
    done = smsgate("send", GOOD, NOT_RECOGNISED, "--text", TEXT, "--json")
    accepted, refused = done.document["recipients"]
    assert (accepted["destination"], accepted["outcome"], accepted["reason"]) == (
        GOOD,
        "accepted",
        None,
    )
    assert UUID.fullmatch(accepted["message_id"])
    assert (refused["destination"], refused["outcome"], refused["answer"]) == (
        NOT_RECOGNISED,
        "refused",
        "bad destination",
    )
    assert {name: done.document[name] for name in ("accepted", "refused", "in_doubt")} == {
        "accepted": 1,
        "refused": 1,
        "in_doubt": 0,
    }


def test_text_from_stdin_loses_its_last_line_feed(smsgate: Smsgate, sandbox: Sandbox) -> None:
    assert smsgate("send", GOOD, "--text", "-", stdin="Рядок 1\r\nРядок 2\n").code == 0
    assert sandbox.messages[-1].text == "Рядок 1\nРядок 2"


def test_text_is_never_echoed(smsgate: Smsgate) -> None:
    for arguments in (("-vv",), ("--json", "-vv")):
        done = smsgate("send", GOOD, NOT_RECOGNISED, "--text", "a word of mine", *arguments)
        assert "a word of mine" not in done.out + done.err


def test_wap_push_is_sent(smsgate: Smsgate, sandbox: Sandbox) -> None:
    assert (
        smsgate("send", GOOD, "--wappush", "https://example.com/x", "--sender", "Other").code == 0
    )
    assert (sandbox.messages[-1].wappush, sandbox.messages[-1].sender) == (
        "https://example.com/x",
        "Other",
    )


def test_balance_is_a_number_with_its_unit(smsgate: Smsgate, sandbox: Sandbox) -> None:
    assert smsgate("balance").out == f"{sandbox.balance:,f} credits\n"
    assert smsgate("balance", "--json").document == {"credits": sandbox.balance}


def test_status_is_shown_for_each_id_in_order(smsgate: Smsgate, message_id: str) -> None:
    time.sleep(0.3)
    done = smsgate("status", message_id, NOWHERE)
    assert re.search(rf"{message_id} +✓ delivered.*\n{NOWHERE} +✗ not found", done.out)
    assert done.code == Exit.IN_PART
    first, second = smsgate("status", message_id, NOWHERE, "--json").document["messages"]
    assert (first["state"], first["final"], first["delivered"]) == ("delivered", True, True)
    assert (second["message_id"], second["state"]) == (NOWHERE, "not found")


def test_follow_prints_a_line_per_change_until_delivery(smsgate: Smsgate, message_id: str) -> None:
    done = smsgate("status", message_id, "--follow", "--json")
    assert done.code == 0
    assert done.lines[-1]["state"] == "delivered"
    people = smsgate("status", message_id, "--follow")
    assert re.fullmatch(rf"\d\d:\d\d:\d\d  {message_id}  ✓ delivered\n", people.out)


def test_new_lists_bare_ids_or_nothing(smsgate: Smsgate, sandbox: Sandbox) -> None:
    time.sleep(0.3)
    assert smsgate("new").out == ""
    assert smsgate("new", "--json").document == {"message_ids": []}
    sent = smsgate("send", STAYS_QUEUED, "--text", TEXT, "--json").document["recipients"][0][
        "message_id"
    ]
    assert smsgate("new").out == f"{sent}\n"
    sandbox.clear()


def test_segments_show_which_characters_forced_ucs2(bare: Smsgate) -> None:
    done = bare("segments", "-", stdin="“Hello” ‘world’ “again”\tok\n")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"alphabet +UCS-2\nparts +1\nunits +26 used, 44 free", done.out)
    assert re.search(r"“ +LEFT DOUBLE QUOTATION MARK +U\+201C +2", done.out)
    assert re.search(r" CHARACTER TABULATION +U\+0009 +1", done.out)
    found = bare("segments", "Привіт 🚀", "--json").document
    assert found["forced_by"][-1] == {
        "character": "🚀",
        "name": "ROCKET",
        "code_point": "U+1F680",
        "times": 1,
    }
    assert bare("segments", "plain", "--json").document == {
        "alphabet": "GSM-7",
        "parts": 1,
        "units": 5,
        "free": 155,
        "forced_by": [],
        "savings": {"typographic": 0, "transliterated": 0, "both": 0, "language": "uk"},
    }


def test_long_character_list_is_cut_and_a_lone_accent_is_named(
    bare: Smsgate,
) -> None:
    text = "e\u0301" + "абвгдеєжзийк"
    done = bare("segments", text)
    assert re.search(r"◌\u0301 +COMBINING ACUTE ACCENT +U\+0301 +1", done.out)
    assert "and 1 more; --json lists all characters" in done.out
    assert len(bare("segments", text, "--json").document["forced_by"]) == 13


def test_stdin_that_is_not_utf8_is_a_usage_error(bare: Smsgate) -> None:
    done = bare("segments", "-", stdin=b"\xcf\xf0\xe8")
    assert (done.code, done.out, done.err) == (
        Exit.USAGE,
        "",
        "error: text: standard input is not UTF-8; convert it first\n",
    )


def test_version_is_printed(bare: Smsgate) -> None:
    assert re.fullmatch(r"smsgate \d+\.\d+\.\d+\S*\n", bare("--version").out)


# --- exit codes -----------------------------------------------------------------------------------


CLOSED = f"http://127.0.0.1:{refusing_port()}/api/soap.html"


ERRORS: tuple[tuple[tuple[int, str, str], tuple[str, ...], dict[str, str]], ...] = (
    ((2, "NoSuchOption", "usage"), ("balance", "--no-such-option"), {}),
    ((2, "ValidationError", "usage"), ("send", "12", "--text", "x"), {}),
    ((2, "ValidationError", "usage"), ("send", GOOD), {}),
    ((2, "ValueError", "usage"), ("status", "no-id"), {}),
    ((2, "ValueError", "usage"), ("segments", ""), {}),
    ((2, "ValueError", "usage"), ("balance",), {"SMSGATE_CONCURRENCY": "many"}),
    ((2, "ValueError", "usage"), ("send", GOOD, "--text", "x"), {"SMSGATE_SENDER": ""}),
    ((3, "MessageNotFound", "message not found"), ("status", NOWHERE, "--follow"), {}),
    ((3, "BadCredentials", "bad credentials"), ("balance",), {"SMSGATE_PASSWORD": "wrong"}),
    ((3, "BadDestination", "bad destination"), ("send", NOT_RECOGNISED, "--text", "x"), {}),
    (
        (3, "SenderForbidden", "sender forbidden"),
        ("send", GOOD, "--text", "x", "--sender", "Forbidden"),
        {},
    ),
    ((3, "MessageNotFound", "message not found"), ("status", NOWHERE), {}),
    ((4, "NotSent", "no connection"), ("send", GOOD, "--text", "x"), {"SMSGATE_URL": CLOSED}),
    (
        (5, "InDoubt", "gateway does not know the outcome"),
        ("send", "+380000000022", "--text", "x"),
        {},
    ),
)


@pytest.mark.parametrize(("expected", "arguments", "variables"), ERRORS)
def test_error_in_json_is_a_document_with_an_exit_code(
    smsgate: Smsgate,
    expected: tuple[int, str, str],
    arguments: tuple[str, ...],
    variables: dict[str, str],
) -> None:
    done = smsgate(*arguments, "--json", **variables)
    error = done.lines[-1]["error"]
    assert (done.code, error["class"], error.get("answer") or error["reason"]) == expected
    assert error["message"]
    assert error["sent"] is (None if done.code == Exit.IN_DOUBT else False)


@pytest.mark.parametrize(
    ("expected", "arguments", "variables"), {row[0][0]: row for row in ERRORS}.values()
)
def test_error_for_people_is_short_with_the_same_exit_code(
    smsgate: Smsgate,
    expected: tuple[int, str, str],
    arguments: tuple[str, ...],
    variables: dict[str, str],
) -> None:
    done = smsgate(*arguments, **variables)
    assert (done.code, done.out) == (expected[0], "")
    lines = [line for line in done.err.splitlines() if not line.startswith("warning:")]
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2


def test_lost_answer_is_in_doubt_and_not_repeated(smsgate: Smsgate) -> None:
    with FaultServer(AFTER_THE_REQUEST["closed"][0]).running() as server:
        done = smsgate("send", GOOD, "--text", TEXT, "--url", server.url)
        assert len(server.sends()) == 1
    assert (done.code, done.out) == (Exit.IN_DOUBT, "")
    assert "Before you send it again, check" in done.err


def test_send_in_doubt_lists_its_numbers_in_json(smsgate: Smsgate) -> None:
    with FaultServer(AFTER_THE_REQUEST["closed"][0]).running() as server:
        done = smsgate("send", GOOD, COUNTRY, "--text", TEXT, "--url", server.url, "--json")
    assert done.code == Exit.IN_DOUBT
    assert done.document["error"]["class"] == "InDoubt"
    assert done.document["recipients"] == [
        {
            "destination": number,
            "outcome": "in doubt",
            "message_id": None,
            "answer": None,
            "reason": None,
        }
        for number in (GOOD, COUNTRY)
    ]
    assert {name: done.document[name] for name in ("accepted", "refused", "in_doubt")} == {
        "accepted": 0,
        "refused": 0,
        "in_doubt": 2,
    }


def test_send_that_failed_for_certain_lists_nobody_in_doubt(smsgate: Smsgate) -> None:
    for variables in (
        {"SMSGATE_URL": CLOSED},
        {"SMSGATE_PASSWORD": "wrong"},
        {"SMSGATE_SENDER": ""},
    ):
        assert set(
            smsgate("send", GOOD, COUNTRY, "--text", TEXT, "--json", **variables).document
        ) == {"error"}


@pytest.mark.parametrize("arguments", [("balance",), ("send", GOOD, "--text", TEXT)])
def test_missing_page_hints_at_the_path(
    smsgate: Smsgate, sandbox: Sandbox, arguments: tuple[str, ...]
) -> None:
    done = smsgate(*arguments, "--url", sandbox.url.removesuffix("/api/soap.html"))
    assert done.code == Exit.NOT_SENT
    assert "The address of the gateway needs its path: --url http://.../api/soap.html" in done.err


def test_send_to_a_missing_page_is_in_doubt_and_hints_at_the_path(
    smsgate: Smsgate,
) -> None:
    for fault, hinted in (("404", True), ("502", False)):
        with FaultServer(AFTER_THE_REQUEST[fault][0]).running() as server:
            done = smsgate("send", GOOD, "--text", TEXT, "--url", server.url)
        assert done.code == Exit.IN_DOUBT
        assert "Before you send it again, check" in done.err
        assert ("needs its path" in done.err) is hinted


def test_login_retry_is_reported_without_alarm(smsgate: Smsgate) -> None:
    done = smsgate("send", GOOD, "--text", TEXT, "--url", CLOSED)
    assert (
        "warning: SendSMS to +380*****4567: trying again (1 of 3), since nothing has left: "
        in done.err
    )


def test_read_operation_in_doubt_may_be_repeated(smsgate: Smsgate) -> None:
    with FaultServer(AFTER_THE_REQUEST["HTML"][0]).running() as server:
        done = smsgate("balance", "--url", server.url)
    assert done.code == Exit.IN_DOUBT
    assert "It is safe to repeat this call." in done.err
    assert "Do not send" not in done.err


def test_partly_accepted_send_has_its_own_exit_code(smsgate: Smsgate) -> None:
    done = smsgate("send", GOOD, NOT_RECOGNISED, "--text", TEXT)
    assert done.code == Exit.IN_PART
    assert "✗ refused" in done.out
    assert done.err == ""


def test_complaint_about_no_recipient_is_shown_beside_the_table(
    smsgate: Smsgate,
) -> None:
    said = ("Не хватает 5 кредитов для отправки SMS | Сообщения успешно отправлены", MESSAGE_ID)
    slots = "".join(f"<ns1:ResultArray>{slot}</ns1:ResultArray>" for slot in said)
    body = ENVELOPE.format(
        f"<ns1:SendSMSResponse><ns1:SendSMSResult>{slots}</ns1:SendSMSResult></ns1:SendSMSResponse>"
    )
    with FaultServer(answering(body.encode())).running() as server:
        done = smsgate("send", GOOD, "--text", TEXT, "--url", server.url)
    assert done.code == 0
    assert (
        done.err
        == f"warning: the gateway also said (not enough credits): {said[0].split(' | ')[0]}\n"
    )


def test_unrecognised_status_is_shown_in_the_gateways_words(
    smsgate: Smsgate,
) -> None:
    result = "<ns1:GetMessageStatusResult>Летить голубом</ns1:GetMessageStatusResult>"
    body = ENVELOPE.format(f"<ns1:GetMessageStatusResponse>{result}</ns1:GetMessageStatusResponse>")
    with FaultServer(answering(body.encode())).running() as server:
        done = smsgate("status", MESSAGE_ID, "--url", server.url)
    assert f"{MESSAGE_ID}   ? unrecognised: Летить голубом" in done.out


def test_different_reasons_are_shown_per_destination(smsgate: Smsgate) -> None:
    done = smsgate("send", NOT_RECOGNISED, COUNTRY, "--text", TEXT)
    assert done.code == Exit.REFUSED
    assert re.search(r"^destination 2: Страна не поддерживается$", done.err, re.MULTILINE)


def test_follow_that_times_out_exits_as_partly_done(smsgate: Smsgate) -> None:
    sent = smsgate("send", STAYS_QUEUED, "--text", TEXT, "--json").document["recipients"][0][
        "message_id"
    ]
    done = smsgate("status", sent, "--follow", "--timeout", "8", "--json")
    assert done.code == Exit.IN_PART
    *changes, last = done.lines
    assert changes[-1]["state"] == "queued"
    assert last["error"] | {"message": ""} == {
        "class": "TimeoutError",
        "reason": "timed out",
        "message": "",
        "sent": None,
    }


@pytest.mark.parametrize(
    "name", [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]
)
def test_each_error_class_has_an_exit_code_and_advice(name: str) -> None:
    codes = {
        errors.Refused: Exit.REFUSED,
        errors.NotSent: Exit.NOT_SENT,
        errors.InDoubt: Exit.IN_DOUBT,
    }
    kind = getattr(errors, name)
    base = next((base for base in codes if issubclass(kind, base)), None)
    if base is None:
        return
    ended = exit_of(kind())
    assert ended.code is codes[base]
    assert all(ended.next_step(sends=sends) for sends in (True, False))


# --- Ctrl-C ---------------------------------------------------------------------------------------


def test_ctrl_c_during_a_send_reports_doubt(tmp_path: Path, account: dict[str, str]) -> None:
    with Sandbox(Settings(login="shop", password=PASSWORD, hold_seconds=2.5)) as slow:
        child = start(
            "send", GOOD, "--text", TEXT, cwd=tmp_path, **(account | {"SMSGATE_URL": slow.url})
        )
        wait_until(lambda: slow.calls["SendSMS"] == 1)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=10)
    assert (child.returncode, out) == (Exit.INTERRUPTED, "")
    assert "in doubt" in err
    assert "Before you send it again, check" in err


def test_ctrl_c_before_anything_was_sent_just_ends(tmp_path: Path, account: dict[str, str]) -> None:
    with Sandbox(Settings(login="shop", password=PASSWORD, hold_seconds=2.5)) as slow:
        child = start("balance", cwd=tmp_path, **(account | {"SMSGATE_URL": slow.url}))
        wait_until(lambda: slow.calls["Auth"] == 1)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=10)
    assert (child.returncode, out, err) == (Exit.INTERRUPTED, "", "error: interrupted by Ctrl-C\n")


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- streams --------------------------------------------------------------------------------------


def test_password_is_shown_nowhere_even_in_the_most_verbose_log(smsgate: Smsgate) -> None:
    for password, more in (
        (PASSWORD, ()),
        (needles.WRONG_PASSWORD, ()),
        (needles.WRONG_PASSWORD, ("--json",)),
    ):
        done = smsgate("send", GOOD, "--text", TEXT, "-vv", *more, SMSGATE_PASSWORD=password)
        assert "httpcore" in done.err
        assert not [
            secret for secret in (PASSWORD, needles.WRONG_PASSWORD) if secret in done.out + done.err
        ]


def test_log_shows_masked_numbers_and_no_cookie(smsgate: Smsgate) -> None:
    done = smsgate("send", GOOD, "--text", TEXT, "-vv")
    assert "SendSMS to +380*****4567" in done.err
    assert "501234567" not in done.err
    assert re.search(r"PHPSESSID=(?!\*)", done.err) is None


def test_plain_http_is_warned_of_once_in_one_line(smsgate: Smsgate, sandbox: Sandbox) -> None:
    done = smsgate("balance", "--url", sandbox.url.replace("127.0.0.1", "0.0.0.0"))
    assert done.code == 0
    assert done.err.splitlines() == [
        "warning: the gateway's address is plain http: login, password and texts are not encrypted"
    ]


def test_piped_output_has_no_control_codes(smsgate: Smsgate) -> None:
    for arguments in (
        ("send", GOOD, "--text", TEXT),
        ("segments", "Ї"),
        ("balance", "--no-such-option"),
        ("--help",),
    ):
        done = smsgate(*arguments, TERM="xterm-256color")
        assert "\x1b" not in done.out + done.err


def test_output_that_cannot_encode_a_symbol_does_not_fail(smsgate: Smsgate) -> None:
    done = smsgate("send", GOOD, "--text", TEXT, PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert "? accepted" in done.out
    assert (
        smsgate("segments", "Ї", "--json", PYTHONIOENCODING="ascii").document["forced_by"][0][
            "character"
        ]
        == "Ї"
    )


# --- credentials ----------------------------------------------------------------------------------


def test_missing_credentials_without_a_terminal_are_explained(
    bare: Smsgate,
) -> None:
    """One line says which variables to set."""
    done = bare("balance")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert done.err == (
        "error: SMSGATE_LOGIN and SMSGATE_PASSWORD must be set, in the environment or in an "
        ".env file (--env-file)\n"
    )


def write_env(path: Path, **variables: str) -> None:
    path.write_text(
        "".join(f"{name}='{value}'\n" for name, value in variables.items()), encoding="utf-8"
    )


def test_env_file_in_the_working_directory_is_read(
    bare: Smsgate, account: dict[str, str], tmp_path: Path
) -> None:
    write_env(tmp_path / ".env", **account)
    assert bare("balance").code == 0
    assert bare("send", GOOD, "--text", TEXT).code == 0


def test_other_env_file_replaces_the_default_one(
    bare: Smsgate, account: dict[str, str], tmp_path: Path
) -> None:
    write_env(tmp_path / ".env", **account, SMSGATE_CONCURRENCY="nonsense")
    write_env(tmp_path / "work.env", **account)
    assert bare("balance").code == Exit.USAGE
    assert bare("balance", "--env-file", "work.env").code == 0


def test_option_beats_environment_and_environment_beats_file(
    bare: Smsgate, account: dict[str, str], tmp_path: Path, sandbox: Sandbox
) -> None:
    write_env(
        tmp_path / ".env", **(account | {"SMSGATE_PASSWORD": "wrong", "SMSGATE_SENDER": "File"})
    )
    assert bare("balance").code == Exit.REFUSED
    assert bare("send", GOOD, "--text", TEXT, SMSGATE_PASSWORD=PASSWORD).code == 0
    assert sandbox.messages[-1].sender == "File"
    right = {
        "SMSGATE_PASSWORD": PASSWORD,
        "SMSGATE_SENDER": "Environment",
        "SMSGATE_URL": "http://127.0.0.1:1/",
    }
    assert (
        bare("send", GOOD, "--text", TEXT, "--url", sandbox.url, "--sender", "Option", **right).code
        == 0
    )
    assert sandbox.messages[-1].sender == "Option"


def test_empty_variable_counts_as_absent(
    bare: Smsgate, account: dict[str, str], tmp_path: Path
) -> None:
    write_env(tmp_path / ".env", **account)
    assert bare("balance", SMSGATE_PASSWORD="").code == 0


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"SMSGATE_LOGIN=\xff\xfe", "not UTF-8")]
)
def test_unreadable_env_file_is_named(
    bare: Smsgate, tmp_path: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "my.env").write_bytes(content)
    done = bare("balance", "--env-file", "my.env")
    assert done.code == Exit.USAGE
    assert "my.env" in done.err
    assert says in done.err


def test_password_in_a_file_is_taken_literally(bare: Smsgate, tmp_path: Path) -> None:
    with Sandbox(Settings(login="shop", password="a${HOME}b")) as odd:
        write_env(
            tmp_path / ".env",
            SMSGATE_LOGIN="shop",
            SMSGATE_PASSWORD="a${HOME}b",
            SMSGATE_URL=odd.url,
        )
        assert bare("balance").code == 0


def test_password_is_not_an_option(bare: Smsgate) -> None:
    for command in ("send", "balance", "status", "new"):
        assert "--password" not in bare(command, "--help").out


# --- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ca", ["campaign"]),
        ("s", ["sandbox", "segments", "send", "status"]),
        ("campaign re", ["report", "resolve", "resume"]),
        ("send --co", ["--country"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_offers_what_can_come_next(
    shell: str, typed: str, offered: list[str], bare: Smsgate
) -> None:
    line = f"smsgate {typed}"
    words = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    done = bare(**{"_SMSGATE_COMPLETE": f"complete_{shell}", **words[shell]})
    assert done.err == ""
    # A name ends its line, or is followed by the quote of zsh or the tab of fish, then by the help.
    assert (
        sorted(name for name in COMMANDS if re.search(rf'(?m)(?<![\w-]){name}(?="|\t|$)', done.out))
        == offered
    )


COMMANDS = [
    "campaign",
    "sandbox",
    "segments",
    "send",
    "status",
    "balance",
    "report",
    "resolve",
    "resume",
    "--country",
    "--text",
]


# --- extras ---------------------------------------------------------------------------------------

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {library!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = ["smsgate", *{arguments!r}]
from smsgate.cli import main
sys.exit(main())
"""


def test_country_is_read_from_every_settings_source(bare: Smsgate, tmp_path: Path) -> None:
    (tmp_path / "smsgate_country").write_text("UA")
    with Sandbox() as sandbox:
        account = {
            "SMSGATE_LOGIN": "sandbox",
            "SMSGATE_PASSWORD": "sandbox",
            "SMSGATE_URL": sandbox.url,
        }
        done = bare(
            "send",
            "050 123-45-67",
            "--text",
            "x",
            "--sender",
            "Shop",
            "--secrets-dir",
            str(tmp_path),
            **account,
        )
        assert done.code == 0, done.err
        assert [message.destination for message in sandbox.messages] == [GOOD]


@pytest.mark.parametrize(
    ("library", "arguments", "extra"),
    [
        ("typer", ["balance"], "cli"),
        ("rich", ["balance"], "cli"),
        ("dotenv", ["balance"], "settings"),
        ("pydantic_settings", ["balance"], "settings"),
        ("phonenumbers", ["send", "0501234567", "--text", "x", "--country", "UA"], "phone"),
        ("starlette", ["sandbox"], "sandbox"),
        ("uvicorn", ["sandbox"], "sandbox"),
        ("uvicorn", ["demo"], "sandbox"),
    ],
)
def test_missing_extra_is_one_line_that_says_what_to_install(
    library: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(library=library, arguments=arguments)],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert library in done.stderr
    assert f"pip install 'aiosmsgate[{extra}]'" in done.stderr


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_sandbox_without_its_extra_says_what_to_install(library: str) -> None:
    code = BLOCKED.partition("sys.argv")[0].format(library=library) + "import smsgate.sandbox"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    expected = (
        f"MissingExtra: smsgate.sandbox needs {library}, which is not installed: pip install "
        "'aiosmsgate[sandbox]'"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(expected)
    assert "During handling" not in done.stderr


def test_importing_the_package_loads_nothing_of_the_command() -> None:
    # click and rich are not looked for: httpx loads them where they are installed.
    others = {"typer", "dotenv", "starlette", "uvicorn", "smsgate.cli", "smsgate.sandbox"}
    loaded = f"import smsgate, sys; print(sorted({others!r} & set(sys.modules)))"
    assert (
        subprocess.check_output([sys.executable, "-c", loaded], text=True, env=clean_environment())
        == "[]\n"
    )


# --- output for people ----------------------------------------------------------------------------


def test_help_never_shows_a_python_type() -> None:
    code = (
        "import typer\nfrom smsgate.cli.app import app, run\n"
        "def names(command):\n"
        "    yield []\n"
        "    for name, inner in getattr(command, 'commands', {}).items():\n"
        "        yield from ([name, *more] for more in names(inner))\n"
        "for words in names(typer.main.get_command(app)): run([*words, '--help'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=True,
    )
    assert done.stdout.count("Show this message and exit.") > 15
    assert re.findall(r"<\w+(?:\[\w+\])?>", done.stdout) == []


@pytest.mark.parametrize("name", ROOT.commands)
def test_list_of_commands_says_what_the_help_of_each_begins_with(name: str) -> None:
    line = ROOT.get_command(None, name).help
    assert inspect.cleandoc(ROOT.commands[name].help).partition("\n\n")[0] == line


def test_list_of_commands_loads_none_of_them() -> None:
    code = (
        "import sys\nfrom smsgate.cli.app import COMMANDS, run\n"
        "{asked}\n"
        "modules = {{module for module, _ in COMMANDS.values()}}\n"
        "print([one for one in sorted(modules) if f'smsgate.cli.{{one}}' in sys.modules])"
    )
    for asked, loaded in (
        ("run(['--help'])", []),
        ("run(['balance', '--help'])", ["single_commands"]),
        ("run(['campaign', '--help'])", ["campaign_commands"]),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(asked=asked)],
            capture_output=True,
            text=True,
            env=clean_environment(),
            check=True,
        )
        assert done.stdout.splitlines()[-1] == str(loaded)


def test_mistyped_command_is_named_with_the_one_meant(smsgate: Smsgate) -> None:
    done = smsgate("balanse")
    assert (done.code, "Did you mean 'balance'?" in done.err) == (Exit.USAGE, True)


def test_outage_is_reported_in_a_few_lines(smsgate: Smsgate) -> None:
    ids = [NOWHERE.replace("c9", f"c{place}") for place in range(5)]
    done = smsgate("status", *ids, "--url", CLOSED)
    assert done.code == Exit.NOT_SENT
    repeats = [line for line in done.err.splitlines() if "trying again" in line]
    assert len(repeats) == 3
    assert "warning: and 12 more warnings of the same kind; -v shows all\n" in done.err
    assert smsgate("status", *ids, "--url", CLOSED, "-v").err.count("trying again") == 15


@pytest.mark.parametrize("columns", ["80", "60", "30"])
def test_id_is_never_broken_on_a_narrow_screen(
    smsgate: Smsgate, message_id: str, columns: str
) -> None:
    sends, follows = (
        ("send", STAYS_QUEUED, NOT_RECOGNISED, "--text", TEXT),
        ("status", message_id, "--follow"),
    )
    for arguments in (sends, ("status", message_id, message_id), ("new",), follows):
        assert UUID.search(smsgate(*arguments, COLUMNS=columns).out), arguments
