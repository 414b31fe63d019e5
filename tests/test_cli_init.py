"""`smsgate init`: an `.env` file with the account, made by a person at a terminal or a script."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import assume, given
from hypothesis import strategies as st
from test_cli import Smsgate, bare
from test_cli_terminal import terminal

from smsgate.cli.exits import Exit
from smsgate.config import credential_flaw
from smsgate.sandbox import Sandbox, Settings
from smsgate.settings import SmsGateSettings, env_file_text

__all__ = ["bare"]  # a fixture of the neighbour's

PASSWORD = r"correct 'horse' \battery $HOME #1"
GATEWAY_OF_NOBODY = "http://127.0.0.1:9/"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(login="shop", password=PASSWORD)) as running:
        yield running


def test_person_is_asked_and_the_account_is_checked(sandbox: Sandbox, tmp_path: Path) -> None:
    with terminal("init", "--url", sandbox.url, cwd=tmp_path) as child:
        child.read(until="Login: ")
        child.type("shop")
        child.read(until="Password: ")
        child.type(PASSWORD)
        child.read(until="empty for none): ")
        child.type("Shop")
        screen = child.read(seconds=120)
        child.process.wait(30)
    assert "horse" not in screen
    assert "Written: .env. Only you can read it" in screen
    assert "nothing was sent, and no credit was spent" in screen
    written = tmp_path / ".env"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    found = SmsGateSettings.read(env_file=written)
    assert (found.login, found.password.get_secret_value()) == ("shop", PASSWORD)
    assert (found.sender, found.url) == ("Shop", sandbox.url)
    assert "CONCURRENCY" not in written.read_text("utf-8"), "the default need not be written"


def test_script_is_not_asked_and_learns_what_is_wrong(bare: Smsgate, tmp_path: Path) -> None:
    account = {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": "secret-word"}
    done = bare("init", "--url", GATEWAY_OF_NOBODY, "--file", "my.env", **account)
    assert done.code == Exit.NOT_SENT, "the file is written, and the gateway does not answer"
    assert SmsGateSettings.read(env_file=tmp_path / "my.env").url == GATEWAY_OF_NOBODY
    again = bare("init", "--url", GATEWAY_OF_NOBODY, "--file", "my.env", **account)
    assert (again.code, again.out) == (Exit.USAGE, "")
    assert "my.env: the file exists; to replace it, use --overwrite" in again.err
    other = {**account, "SMSGATE_LOGIN": "another"}
    bare("init", "--url", GATEWAY_OF_NOBODY, "--file", "my.env", "--overwrite", **other)
    assert SmsGateSettings.read(env_file=tmp_path / "my.env").login == "another"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "SMSGATE_LOGIN and SMSGATE_PASSWORD must be set"),
        (("--sender", "слово"), "sender"),
        (("--url", "gateway"), "url"),
    ],
)
def test_bad_account_is_refused_before_a_file_is_written(
    arguments: tuple[str, ...], said: str, bare: Smsgate, tmp_path: Path
) -> None:
    account = {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": "secret-word"} if arguments else {}
    done = bare("init", *arguments, **account)
    assert done.code == Exit.USAGE
    assert said in done.err
    assert not list(tmp_path.iterdir())


@given(st.text(min_size=1))
def test_value_reads_back_or_is_refused(value: str) -> None:
    assume(credential_flaw(value) is None)
    text = complaint = ""
    try:
        text = env_file_text({"login": value})
    except ValueError as error:
        complaint = str(error)
    if complaint:
        assert complaint == "SMSGATE_LOGIN: this value cannot be written to an .env file"
        assert any(not character.isprintable() for character in value)
    else:
        assert dotenv_values(stream=StringIO(text), interpolate=False) == {"SMSGATE_LOGIN": value}


def test_place_that_cannot_be_a_file_is_named(bare: Smsgate, tmp_path: Path) -> None:
    account = {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": "secret-word"}
    (tmp_path / ".env").symlink_to("gone.env")
    done = bare("init", "--url", GATEWAY_OF_NOBODY, **account)
    assert ".env: the file exists; to replace it, use --overwrite" in done.err
    done = bare("init", "--url", GATEWAY_OF_NOBODY, "--file", ".", **account)
    assert ".: this is a folder; give the path of a file" in done.err
    done = bare("init", "--url", GATEWAY_OF_NOBODY, "--file", "gone/my.env", **account)
    assert "gone/my.env" in done.err, "not the name of a temporary file"
    assert [path.name for path in tmp_path.iterdir()] == [".env"]
