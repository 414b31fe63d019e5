"""The pytest plugin, as the tests of a user see it:

in a pytest of its own, with files of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree

import pytest

PAGE = Path(__file__).parent.parent / "docs/testing.md"
(EXAMPLE,) = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
)

FILES = {
    "the example of the documentation": (EXAMPLE, 5),
    "the example with another fault": (
        EXAMPLE.replace('operation="SendSMS")', 'operation="Auth")'),
        5,
    ),
    **{
        f"the session works on {backend} without any plugin": (
            f"""
            import anyio

            def test_it(smsgate_sandbox, smsgate_session):
                async def main():
                    async with smsgate_session as session:
                        result = await session.send_sms("+380501234567", "a")
                        status = await session.get_message_status(result.message_ids[0])
                        assert status.delivered
                anyio.run(main, backend="{backend}")
                assert [message.text for message in smsgate_sandbox.messages] == ["a"]
            """,
            1,
        )
        for backend in ("asyncio", "trio")
    },
    "each test has a gateway of its own with the same ids": (
        """
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
        """,
        3,
    ),
    "the nearest marker decides and the fixture can be overridden": (
        """
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
        """,
        2,
    ),
    "the environment is as it was after the test": (
        """
        import os, urllib.request

        def test_during(smsgate_environment, smsgate_server):
            assert os.environ["SMSGATE_URL"] == smsgate_server.url
            assert smsgate_environment["SMSGATE_URL"] == smsgate_server.url
            assert urllib.request.urlopen(smsgate_server.wsdl_url).status == 200

        def test_after():
            assert "SMSGATE_URL" not in os.environ
        """,
        2,
    ),
    "the settings of the machine do not decide whether a test passes": (
        """
        import anyio, os, smsgate

        def test_it(smsgate_environment):
            async def send():
                async with smsgate.AsyncSession.from_env() as session:
                    assert "SMSGATE_PROXY" not in os.environ and "smsgate_country" not in os.environ
                    await session.send_sms("+380501234567", "Привіт")
            anyio.run(send)

        def test_after():
            assert os.environ["SMSGATE_PROXY"] and os.environ["smsgate_country"]
        """,
        2,
    ),
    "a code is waited for and returned once": (
        """
        import threading
        import anyio, pytest, smsgate

        NUMBER = "+380501234567"

        async def send(text):
            async with smsgate.AsyncSession.from_env() as session:
                await session.send_sms(NUMBER, text)

        def test_it(smsgate_environment, smsgate_code):
            application = threading.Timer(0.2, anyio.run, [send, "Ваш код: 4815"])
            application.start()
            assert smsgate_code("+380 50 123 45 67") == "4815"
            application.join()
            with pytest.raises(TimeoutError, match="calls of SendSMS in this time: 0, refused: 0"):
                smsgate_code(NUMBER, timeout=0.1)
            anyio.run(send, "Ваш код: 1623")
            anyio.run(send, "Дякуємо!")
            assert smsgate_code(NUMBER) == "1623"
        """,
        1,
    ),
    "a setting with a wrong value": (
        """
        import pytest

        @pytest.mark.smsgate(credits=-1)
        def test_it(smsgate_sandbox):
            pass
        """,
        1,
    ),
    "a setting that is misspelled": (
        """
        import pytest

        @pytest.mark.smsgate(credit=1)
        def test_it(smsgate_sandbox):
            pass
        """,
        1,
    ),
}
"""The files of a user, each with the number of its tests."""

COMPLAINTS = {
    "the example with another fault": r"assert",
    "a setting with a wrong value": "ValueError: credits: a Decimal or an int, 0 to 1,000,",
    "a setting that is misspelled": "TypeError: .*'credit'",
}
"""The files with a test that must fail, and what it must say."""


def run_pytest(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--strict-markers",
        *arguments,
    ]
    environment = os.environ | variables
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        check=False,
        env=environment,
    )


def file_name(title: str) -> str:
    return f"test_{title.replace(' ', '_')}.py"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What one pytest says of each test in each file:

    nothing, or how it failed. Starting it takes longer than all the tests.
    """
    folder = tmp_path_factory.mktemp("user")
    for title, (source, _) in FILES.items():
        (folder / file_name(title)).write_text(textwrap.dedent(source), "utf-8")
    done = run_pytest(
        folder, "--junitxml=report.xml", SMSGATE_PROXY="http://127.0.0.1:9", smsgate_country="UA"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[str, list[str]] = {title: [] for title in FILES}
    for case in ElementTree.parse(folder / "report.xml").iter("testcase"):
        (title,) = [
            title
            for title in FILES
            if case.attrib["classname"].split(".")[0] == file_name(title).removesuffix(".py")
        ]
        found[title].append("".join(f"{part.get('message')}\n{part.text}" for part in case))
    return found


@pytest.mark.parametrize("title", FILES)
def test_plugin_keeps_its_promise(title: str, reports: dict[str, list[str]]):
    assert len(reports[title]) == FILES[title][1]
    failed = [said for said in reports[title] if said]
    if title not in COMPLAINTS:
        assert failed == []
    else:
        (said,) = failed
        assert re.search(COMPLAINTS[title], said)


def test_fixtures_are_listed_with_their_purpose(tmp_path: Path):
    said = run_pytest(tmp_path, "--fixtures").stdout + run_pytest(tmp_path, "--markers").stdout
    for name in (
        "smsgate_sandbox",
        "smsgate_session",
        "smsgate_server",
        "smsgate_code",
        "smsgate_environment",
        "smsgate_settings",
    ):
        assert re.search(rf"^{name} -- .*\n    \S", said, re.MULTILINE), name
    assert "smsgate(**settings)" in said


def test_plugin_imports_nothing_until_a_fixture_is_used(tmp_path: Path):
    (tmp_path / "test_user.py").write_text(
        textwrap.dedent("""
        import sys

        def test_it():
            assert not {"starlette", "uvicorn", "smsgate.sandbox"} & set(sys.modules)
        """),
        "utf-8",
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
