"""The search of the sandbox: numbers as people write them, fields, phrases and states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from test_sandbox import GOOD, OTHER, User
from test_sandbox_api import call, got

from smsgate.sandbox import Sandbox, Settings
from smsgate.sandbox.search import SEARCH_FIELDS

SUSPENDED = "+380000000013"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Settings(delivery_seconds=0)) as running:
        user = User(running)
        user.send(GOOD, "Ваш код: 4815")  # 1
        user.send(OTHER, "second https://shop.example/r/7")  # 2
        user.send(GOOD, "third, код надійшов", sender="Promo")  # 3
        user.send(SUSPENDED, "Call 0501234567 now", sender="380931112233")  # 4
        user.call("SendSMS", sender="Shop", destination=OTHER, wappush="https://push.example")  # 5
        yield running


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("   ", [1, 2, 3, 4, 5]),
        ("+380501234567", [1, 3]),
        ("+380 50 123 45 67", [1, 3]),
        ("+380\u00a050\u00a0123\u00a045\u00a067", [1, 3]),
        ("(050) 123-45-67", [1, 3]),
        ("050\u2011123\u201145\u201167", [1, 3]),
        ("050.123.45.67", [1, 3]),
        ("0501234567", [1, 3, 4]),
        ("to:0501234567", [1, 3]),
        ("to:+380 50 123 45 67", [1, 3]),
        ("to:(050)123-45-67 код надійшов", [3]),
        ('to:"050 123 45 67"', [1, 3]),
        ("КОД", [1, 3]),
        ("код надійшов", [3]),
        ("надійшов код", [3]),
        ('"код надійшов"', [3]),
        ('"надійшов код"', []),
        ('"надійшов', [3]),
        ('""', [1, 2, 3, 4, 5]),
        ("from:shop", [1, 2, 5]),
        ("from:38093", [4]),
        ("from:+380 93 111 22 33", [4]),
        ("text:shop", [2]),
        ("text:push.example", [5]),
        ('text:"ваш код"', [1]),
        ("text:0501234567", [4]),
        ("https://shop.example", [2]),
        ("is:delivered", [1, 2, 3, 5]),
        ("is:susp", [4]),
        ("is:not-delivered", []),
        ('is:"not delivered"', []),
        ("is:delivered from:promo", [3]),
        ("account:sandbox from:promo", [3]),
        ("account:promo", []),
        ("4815 2", []),
        ("text:", []),
        ("<script>", []),
    ],
)
def test_search_finds_what_is_asked_for(search: str, found: list[int], sandbox: Sandbox):
    page = got(sandbox, f"/sandbox/messages?search={quote(search)}")
    assert [message["sequence"] for message in page["messages"]] == found
    rows = got(sandbox, f"/sandbox/conversations?search={quote(search)}")["conversations"]
    assert sum(row["messages"] for row in rows) == len(found)
    assert [message.sequence for message in sandbox.find(search)] == found


def test_state_set_by_hand_is_found(sandbox: Sandbox):
    user = User(sandbox)
    (_, id_) = user.send().slots
    got(sandbox, f"/sandbox/messages/{id_}", "PUT", {"state": "not delivered"})
    assert [message.id for message in sandbox.find("is:not-delivered")] == [id_]
    got(sandbox, f"/sandbox/messages/{id_}", "PUT", {"state": None})
    assert sandbox.find("is:not-delivered") == ()


@pytest.mark.parametrize(
    ("search", "marks"),
    [
        ("(050) 123-45-67 КОД", ["0501234567", "код"]),
        ('to:050-12 text:"Ваш код" is:sent', ["05012", "ваш код"]),
        ("is:sent", []),
    ],
)
def test_reply_names_what_to_mark(search: str, marks: list[str], sandbox: Sandbox):
    for path in ("messages", "conversations"):
        assert got(sandbox, f"/sandbox/{path}?search={quote(search)}")["marks"] == marks


@pytest.mark.parametrize(
    ("search", "error"),
    [
        ("to:shop", "search: to: needs digits of a number"),
        ("has:number", "search: has: must be has:code"),
        ("is:eaten", "search: is: needs the beginning of a delivery status: sent, queued"),
        ("a" * 1_001, "search: at most 1,000 characters"),
    ],
)
def test_impossible_search_says_what_is_possible(search: str, error: str, sandbox: Sandbox):
    status, document = call(sandbox, f"/sandbox/messages?search={quote(search)}")
    assert status == 400
    assert document["error"].startswith(error)
    with pytest.raises(ValueError, match=re.escape(error)):
        sandbox.find(search)


def test_long_run_of_digits_is_searched_quickly(sandbox: Sandbox):
    # A pattern that tries all ways would not end within a day.
    assert sandbox.find("1 " * 499 + "x") == ()


def test_documentation_has_each_row_of_the_syntax():
    page = (Path(__file__).parents[1] / "docs" / "sandbox.md").read_text("utf-8")
    for row in SEARCH_FIELDS:
        assert f"| `{row.example}` | {row.note} |" in page
