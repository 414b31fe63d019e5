"""Any text arrives at the gateway as given, or is refused before a connection is opened.

Hypothesis makes the texts. The characters are those of the docs: how it is tested, "Outgoing
characters".
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import smsgate
from smsgate.sandbox import Sandbox

pytestmark = [pytest.mark.anyio, pytest.mark.unmeasured]

NUMBER = "+380501234567"
ANY_CHARACTER = st.characters(codec=None, categories=None)
NASTY = st.sampled_from(
    [
        "]]>",
        "</ns1:text>",
        "&amp;",
        "&#0;",
        "<!--",
        "\r\n",
        "\r",
        "\ufeff",
        "\x85",
        "\u2028",
        "😀",
        "\ud83d",
        "{",
        "\t",
        " ",
    ]
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def sendable(text: str) -> bool:
    """The rule of the design, said another way:

    what is no control, no surrogate and no noncharacter, and is not blank.
    """
    one_line_end = text.replace("\r\n", "\n")
    return bool(one_line_end.strip()) and not any(
        (ord(one) < 32 and one not in "\t\n")
        or 127 <= ord(one) < 160
        or 0xD800 <= ord(one) < 0xE000
        # The last two of each plane, and a block of 32.
        or ord(one) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(one) <= 0xFDEF
        for one in one_line_end
    )  # fmt: skip


@settings(max_examples=150)
@given(st.lists(ANY_CHARACTER | NASTY, max_size=30).map("".join))
@example("  leading and trailing  ")
@example("\n\tlines\n")
@example("a\r\nb")
@example("a\rb")
@example("x" * 5000)
async def test_text_arrives_as_given_or_is_refused_before_connecting(
    sandbox: Sandbox, text: str
) -> None:
    sandbox.clear()
    calls = sum(sandbox.calls.values())
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", sender="Shop", url=sandbox.url, verify=False
    ) as session:
        if sendable(text):
            await session.send_sms(NUMBER, text)
            assert [message.text for message in sandbox.messages] == [text.replace("\r\n", "\n")]
        else:
            with pytest.raises(ValidationError):
                await session.send_sms(NUMBER, text)
            assert sandbox.messages == ()
            assert sum(sandbox.calls.values()) == calls


@settings(max_examples=50)
# A line feed, an invisible character or a quote at an end is a mistake that `test_options.py` is
# about.
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="'\""),
        min_size=1,
        max_size=12,
    ).filter(lambda word: word != "sandbox")  # the right password
)
async def test_login_and_password_arrive_exactly_as_given(sandbox: Sandbox, word: str) -> None:
    async with smsgate.AsyncSession("sandbox", word, url=sandbox.url, verify=False) as session:
        with pytest.raises(smsgate.BadCredentials):  # and no fault, so the request was well-formed
            await session.auth()
