"""The pytest plugin, as the tests of a user see it: in a pytest of its own, with a file of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs/testing.md"

Pytest = Callable[..., tuple[int, str]]


@pytest.fixture
def user(tmp_path: Path) -> Pytest:
    def run(test: str, *arguments: str) -> tuple[int, str]:
        (tmp_path / "test_user.py").write_text(textwrap.dedent(test), "utf-8")
        command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_example_of_the_documentation_runs(user: Pytest):
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    code, said = user(example)
    assert code == 0, said
    assert "5 passed" in said


def test_the_example_can_fail(user: Pytest):
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    code, said = user(example.replace('operation="SendSMS")', 'operation="Auth")'))
    assert code == 1
    assert "1 failed, 4 passed" in said


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_session_works_on_either_loop_without_any_plugin(user: Pytest, backend: str):
    code, said = user(f"""
        import anyio

        def test_it(smsgate_sandbox, smsgate_session):
            async def main():
                async with smsgate_session as session:
                    result = await session.send_sms("+380501234567", "a")
                    status = await session.get_message_status(result.message_ids[0])
                    assert status.delivered
            anyio.run(main, backend="{backend}")
            assert [message.text for message in smsgate_sandbox.messages] == ["a"]
    """)
    assert code == 0, said


def test_each_test_has_a_gateway_of_its_own_with_the_same_ids(user: Pytest):
    code, said = user("""
        import anyio, pytest

        seen = []

        @pytest.mark.parametrize("run", range(3))
        def test_it(smsgate_sandbox, smsgate_session, run):
            async def main():
                async with smsgate_session as session:
                    await session.send_sms("+380501234567", "a")
            anyio.run(main)
            (message,) = smsgate_sandbox.messages
            seen.append(message.id)
            assert len(set(seen)) == 1
    """)
    assert code == 0, said


def test_the_nearest_marker_decides_and_the_fixture_can_be_overridden(user: Pytest):
    code, said = user("""
        import pytest
        from smsgate.sandbox import Settings

        pytestmark = pytest.mark.smsgate(credits=5, login="shop")

        @pytest.mark.smsgate(credits=7)
        def test_marked(smsgate_sandbox):
            assert (smsgate_sandbox.balance, smsgate_sandbox.settings.login) == (7, "shop")

        class TestOverridden:
            @pytest.fixture
            def smsgate_settings(self):
                return Settings(credits=9)

            def test_it(self, smsgate_sandbox):
                assert smsgate_sandbox.balance == 9
    """)
    assert code == 0, said


def test_the_environment_is_as_it_was_after_the_test(user: Pytest):
    code, said = user("""
        import os, urllib.request

        def test_during(smsgate_environment, smsgate_server):
            assert os.environ["SMSGATE_URL"] == smsgate_server.url == smsgate_environment["SMSGATE_URL"]
            assert urllib.request.urlopen(smsgate_server.wsdl_url).status == 200

        def test_after():
            assert "SMSGATE_URL" not in os.environ
    """)
    assert code == 0, said


def test_the_settings_of_the_machine_do_not_decide_whether_a_test_passes(user: Pytest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMSGATE_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("smsgate_country", "UA")
    code, said = user("""
        import anyio, os, smsgate

        def test_it(smsgate_environment):
            async def send():
                async with smsgate.AsyncSession.from_env() as session:
                    assert "SMSGATE_PROXY" not in os.environ and "smsgate_country" not in os.environ
                    await session.send_sms("+380501234567", "Привіт")
            anyio.run(send)

        def test_after():
            assert os.environ["SMSGATE_PROXY"] and os.environ["smsgate_country"]
    """)
    assert code == 0, said


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [("credits=-1", "ValueError: credits: a Decimal or an int, 0 or more"), ("credit=1", "TypeError: .*'credit'")],
)
def test_a_wrong_marker_is_told_by_name(user: Pytest, marker: str, complaint: str):
    code, said = user(f"""
        import pytest

        @pytest.mark.smsgate({marker})
        def test_it(smsgate_sandbox):
            pass
    """)
    assert code == 1
    assert re.search(complaint, said)


def test_the_fixtures_are_listed_with_what_they_give(user: Pytest):
    _, said = user("", "--fixtures")
    for name in ("smsgate_sandbox", "smsgate_session", "smsgate_server", "smsgate_environment", "smsgate_settings"):
        assert re.search(rf"^{name} -- .*\n    \S", said, re.MULTILINE), name
    assert "smsgate(**settings)" in user("", "--markers")[1]


def test_the_plugin_asks_for_nothing_until_a_fixture_is_used(user: Pytest):
    code, said = user("""
        import sys

        def test_it():
            assert not {"starlette", "uvicorn", "smsgate.sandbox"} & set(sys.modules)
    """)
    assert code == 0, said
