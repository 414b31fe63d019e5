"""Settings from arguments, environment, `.env` file and secret files, and their errors."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

import smsgate
from smsgate.config import GatewaySettings, read_environment
from smsgate.settings import SmsGateSettings

SECRET = "open sesame ${HOME}"
LOGIN = {"SMSGATE_LOGIN": "shop", "SMSGATE_PASSWORD": SECRET}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GatewaySettings.model_fields:
        monkeypatch.delenv(f"SMSGATE_{name.upper()}", raising=False)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "my.env"
    path.write_text(
        f"SMSGATE_LOGIN=file\nSMSGATE_PASSWORD='{SECRET}'\nSMSGATE_CONCURRENCY=7\nOTHER=1\n",
        "utf-8-sig",
    )
    return path


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "smsgate_password").write_text("from a secret file\n")
    (folder / "smsgate_sender").write_text("Shop\n")
    return folder


def test_each_source_wins_over_the_next(
    env_file: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
):
    read = SmsGateSettings.read(env_file=env_file, secrets_dir=secrets)
    assert (read.login, read.password.get_secret_value(), read.sender, read.concurrency) == (
        "file",
        SECRET,
        "Shop",
        7,
    )
    monkeypatch.setenv("SMSGATE_LOGIN", "environment")
    monkeypatch.setenv("SMSGATE_CONCURRENCY", "")
    read = SmsGateSettings.read(env_file=env_file, secrets_dir=secrets)
    assert (read.login, read.concurrency) == ("environment", 7)
    assert SmsGateSettings.read(env_file=env_file, login="argument").login == "argument"
    assert (
        SmsGateSettings.read(secrets_dir=secrets).password.get_secret_value()
        == "from a secret file"
    )


def test_variable_names_may_be_in_lower_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = {"smsgate_login": "shop", "Smsgate_Password": SECRET}
    assert read_environment(small).login == "shop"
    assert read_environment({**small, "SMSGATE_LOGIN": "great"}).login == "great"
    (tmp_path / ".env").write_text("smsgate_login=shop\n")
    monkeypatch.setenv("smsgate_password", SECRET)
    read = SmsGateSettings.read(env_file=tmp_path / ".env")
    assert (read.login, read.password.get_secret_value()) == ("shop", SECRET)


def test_unset_settings_have_the_defaults_of_a_session():
    read = read_environment(LOGIN)
    assert (read.sender, read.url, read.concurrency, read.proxy, read.country) == (
        None,
        smsgate.GATEWAY_URL,
        4,
        None,
        None,
    )


@pytest.mark.filterwarnings("ignore::smsgate.PlainHttpWarning")
def test_session_can_be_made_of_settings_from_any_source(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SMSGATE_URL", "https://gateway.test/api/soap.html")
    made = smsgate.AsyncSession.from_settings(SmsGateSettings.read(env_file=env_file))
    assert "https://gateway.test/api/soap.html" in repr(made)
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    assert "https://gateway.test/api/soap.html" in repr(smsgate.AsyncSession.from_env())


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "SMSGATE_LOGIN and SMSGATE_PASSWORD must be set in the environment"),
        ({"SMSGATE_LOGIN": SECRET}, "SMSGATE_PASSWORD must be set in the environment"),
        ({**LOGIN, "SMSGATE_PASSWORD": ""}, "SMSGATE_PASSWORD must be set in the environment"),
        (
            {**LOGIN, "SMSGATE_CONCURRENCY": "many"},
            "SMSGATE_CONCURRENCY: must be a whole number from 1 to 256",
        ),
        (
            {**LOGIN, "SMSGATE_CONCURRENCY": "0"},
            "SMSGATE_CONCURRENCY: must be a whole number from 1 to 256",
        ),
        (
            {**LOGIN, "SMSGATE_CONCURRENCY": "257"},
            "SMSGATE_CONCURRENCY: must be a whole number from 1 to 256",
        ),
        (
            {**LOGIN, "SMSGATE_ACCOUNT_CONCURRENCY": "many"},
            "SMSGATE_ACCOUNT_CONCURRENCY: must be a whole number from 1 to 256",
        ),
        (
            {**LOGIN, "SMSGATE_URL": "gateway"},
            "url: must be an address that begins with http:// or https://",
        ),
        (
            {**LOGIN, "SMSGATE_PROXY": "socks5://x"},
            "proxy: must be an address that begins with http:// or https://",
        ),
        (
            {**LOGIN, "SMSGATE_COUNTRY": "Ukraine"},
            "country: a country is its two-letter code of ISO 3166, in capitals, such as UA",
        ),
    ],
)
def test_complaint_names_the_setting_and_shows_no_value(
    environ: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
):
    def from_settings() -> Any:
        return smsgate.AsyncSession.from_settings(SmsGateSettings())

    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for make in (smsgate.AsyncSession.from_env, from_settings):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared below
            make()
        assert str(caught.value).startswith(says)
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        ours = "".join(line for line in shown.format() if "tests" not in line)
        assert "open sesame" not in ours


def test_repr_of_settings_has_no_password(env_file: Path):
    read = SmsGateSettings.read(env_file=env_file)
    for shown in (repr(read), str(read), str(read.model_dump()), read.model_dump_json()):
        assert "open sesame" not in shown
        assert "SecretStr('**********')" in shown or "**********" in shown


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"env_file": "gone.env"}, "cannot read gone.env: No such file or directory"),
        ({"env_file": "."}, "cannot read .: Is a directory"),
        ({"env_file": "latin.env"}, "cannot read latin.env: it is not UTF-8"),
        ({"secrets_dir": "gone"}, "gone: there is no such folder of secret files"),
    ],
)
def test_unreadable_file_is_named(
    given: dict[str, str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("latin.env").write_bytes(b"SMSGATE_LOGIN=\xff")
    with pytest.raises(ValueError, match=f"^{says}$"):
        SmsGateSettings.read(**given, login="a", password="b")


def test_settings_may_be_nested_in_application_settings(monkeypatch: pytest.MonkeyPatch):
    from pydantic import Field  # noqa: PLC0415 - as an application would
    from pydantic_settings import BaseSettings  # noqa: PLC0415 - the same

    class Application(BaseSettings):
        sms: SmsGateSettings = Field(default_factory=SmsGateSettings)

    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    assert Application().sms.login == "shop"


def test_explicit_proxy_wins_over_the_environment():
    environ = {
        **LOGIN,
        "SMSGATE_URL": "https://gateway.test/",
        "SMSGATE_PROXY": "http://environment.test:1",
    }
    assert (
        smsgate.AsyncSession.from_env(environ=environ)._config.proxy == "http://environment.test:1"
    )
    assert (
        smsgate.AsyncSession.from_env(environ=environ, proxy="http://given.test:2")._config.proxy
        == "http://given.test:2"
    )


# A login or password with something around it that is not part of it

SECRET_WORD = "Quagmire"
LINE = "{}: ends with a line break (U+000A); remove it"
QUOTES = "{}: is enclosed in quotes; write the value without them"


def said_by(make: Any) -> str:
    """Return the complaint, in which and in whose frames no value stands."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared by the caller
        make()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    # The test's own frames hold what it set.
    assert SECRET_WORD not in "".join(line for line in shown.format() if "/tests/" not in line)
    return str(caught.value)


@pytest.mark.parametrize("name", ["LOGIN", "PASSWORD"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (f"{SECRET_WORD}\n", LINE),
        (f"{SECRET_WORD}\r\n", LINE),
        (f"{SECRET_WORD}\r", "{}: ends with a line break (U+000D); remove it"),
        (f"\n{SECRET_WORD}", "{}: begins with a line break (U+000A); remove it"),
        (f"{SECRET_WORD}\n{SECRET_WORD}", "{}: contains a line feed; it must be one line"),
        (f"\ufeff{SECRET_WORD}", "{}: begins with an invisible character (U+FEFF); remove it"),
        (f"{SECRET_WORD}\u200b", "{}: ends with an invisible character (U+200B); remove it"),
        (f'"{SECRET_WORD}"', QUOTES),
        (f"'{SECRET_WORD}'", QUOTES),
    ],
)
def test_variable_with_a_line_break_or_quotes_is_named(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
):
    environ = {**LOGIN, f"SMSGATE_{name}": value}
    for variable, held in environ.items():
        monkeypatch.setenv(variable, held)
    expected = says.format(f"SMSGATE_{name}")
    assert said_by(smsgate.AsyncSession.from_env) == expected
    assert said_by(SmsGateSettings) == expected


def test_secret_file_with_quotes_around_its_value_is_named(secrets: Path):
    (secrets / "smsgate_password").write_text(f"'{SECRET_WORD}'\n")
    made = said_by(lambda: SmsGateSettings.read(secrets_dir=secrets, login="shop"))
    assert made == QUOTES.format(secrets / "smsgate_password")


def test_env_file_value_with_a_line_break_is_named(
    tmp_path: Path,
):
    """Quotes that belong to the syntax of the file are removed, others are kept."""
    path = tmp_path / "my.env"
    path.write_text(f'SMSGATE_LOGIN=shop\nSMSGATE_PASSWORD="{SECRET_WORD}\\n"\n')
    assert said_by(lambda: SmsGateSettings.read(env_file=path)) == LINE.format(
        f"SMSGATE_PASSWORD in {path}"
    )
    path.write_text(f"SMSGATE_LOGIN=shop\nSMSGATE_PASSWORD='\"{SECRET_WORD}\"'\n")
    assert SmsGateSettings.read(env_file=path).password.get_secret_value() == f'"{SECRET_WORD}"'


def test_only_the_source_that_is_used_is_validated(
    env_file: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
):
    (secrets / "smsgate_password").write_text("'unused'")
    assert (
        SmsGateSettings.read(env_file=env_file, secrets_dir=secrets).password.get_secret_value()
        == SECRET
    )
    monkeypatch.setenv("SMSGATE_PASSWORD", "'unused'")
    assert (
        SmsGateSettings.read(
            secrets_dir=secrets, login="a", password="b"
        ).password.get_secret_value()
        == "b"
    )


HTTPS = "https://gateway.test/api/soap.html"


@pytest.mark.parametrize("name", ["login", "password"])
def test_constructor_refuses_line_breaks_and_warns_of_quotes(name: str):
    """It warns of white space at the ends, too."""

    def made(value: str) -> smsgate.AsyncSession:
        return smsgate.AsyncSession(**{"login": "a", "password": "b", name: value}, url=HTTPS)

    assert said_by(lambda: made(f"{SECRET_WORD}\n")) == LINE.format(name)
    for value, says in (
        (
            f'"{SECRET_WORD}"',
            f"{name}: is enclosed in quotes; remove them unless they are part of the {name}",
        ),
        (
            f"{SECRET_WORD} ",
            f"{name}: begins or ends with white space; remove it unless it is part of the {name}",
        ),
    ):
        with pytest.warns(UserWarning, match=f"^{name}: ") as warned:
            made(value)
        assert [(str(one.message), one.filename) for one in warned] == [(says, __file__)]
    made(f'"{SECRET_WORD}')
    made(f"{SECRET_WORD} {SECRET_WORD}'s")
