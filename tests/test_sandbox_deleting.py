"""Deleting messages from the sandbox: one, those that a search finds, and all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from test_sandbox import GOOD, OTHER, User
from test_sandbox_api import call, got

from smsgate.sandbox import Sandbox, Settings


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    user = User(running)
    for number, text in ((GOOD, "one"), (OTHER, "two"), (GOOD, "three"), (OTHER, "код 4815")):
        user.send(number, text)
    return running


def texts(sandbox: Sandbox) -> list[Any]:
    return [message.text for message in sandbox.messages]


def conversations(sandbox: Sandbox) -> list[tuple[str, int, str]]:
    return [
        (row["number"], row["messages"], row["last"]["text"])
        for row in got(sandbox, "/sandbox/conversations")["conversations"]
    ]


def test_one_message_is_deleted_by_its_id(sandbox: Sandbox):
    id_ = sandbox.messages[1].id
    before = got(sandbox, "/sandbox/state")
    state = got(sandbox, f"/sandbox/messages/{id_}", "DELETE")
    assert texts(sandbox) == ["one", "three", "код 4815"]
    assert (state["messages"], state["accepted"], state["balance"]) == (3, 4, before["balance"])
    assert state["revision"] > before["revision"]
    assert call(sandbox, f"/sandbox/messages/{id_}")[0] == 404
    assert call(sandbox, f"/sandbox/messages/{id_}", "DELETE")[0] == 404
    user = User(sandbox)
    assert id_ in user.status(id_)  # the sentence for an unknown id quotes it
    assert id_ not in user.call("GetNewMessages").slots


def test_conversation_without_its_newest_message_takes_another_place(sandbox: Sandbox):
    assert conversations(sandbox) == [(OTHER, 2, "код 4815"), (GOOD, 2, "three")]
    got(sandbox, f"/sandbox/messages/{sandbox.messages[3].id}", "DELETE")
    assert conversations(sandbox) == [(GOOD, 2, "three"), (OTHER, 1, "two")]
    got(sandbox, f"/sandbox/messages/{sandbox.messages[1].id}", "DELETE")
    assert conversations(sandbox) == [(GOOD, 2, "three")]
    User(sandbox).send(OTHER, "again")
    assert conversations(sandbox) == [(OTHER, 1, "again"), (GOOD, 2, "three")]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("search=has:code", ["one", "two", "three"]),
        (f"search={quote('to:0501234567')}", ["two", "код 4815"]),
        (f"to={quote(GOOD)}", ["two", "код 4815"]),
        (f"to={quote(GOOD)}&search=three", ["one", "two", "код 4815"]),
        ("search=shop&before=3", ["three", "код 4815"]),
        ("before=3", ["three", "код 4815"]),
        ("search=nothing", ["one", "two", "three", "код 4815"]),
    ],
)
def test_what_a_search_finds_is_deleted(query: str, left: list[str], sandbox: Sandbox):
    balance = sandbox.balance
    reply = got(sandbox, f"/sandbox/messages?{query}", "DELETE")
    assert texts(sandbox) == left
    assert (reply["deleted"], reply["messages"]) == (4 - len(left), len(left))
    assert (sandbox.balance, sandbox.accepted, sandbox.calls["SendSMS"]) == (balance, 4, 4)


@pytest.mark.parametrize("search", ["", "   ", '""', '" "'])
def test_search_without_a_word_deletes_nothing(search: str, sandbox: Sandbox):
    status, document = call(sandbox, f"/sandbox/messages?search={quote(search)}", "DELETE")
    assert (status, document["error"]) == (
        400,
        "search: no word to search for, which would delete every message",
    )
    with pytest.raises(ValueError, match="search: no word"):
        sandbox.delete(search)
    assert len(sandbox.messages) == 4


@pytest.mark.parametrize("query", ["to=", "to=shop", "search=is:eaten", "before=x"])
def test_impossible_query_deletes_nothing(query: str, sandbox: Sandbox):
    status, document = call(sandbox, f"/sandbox/messages?{query}", "DELETE")
    assert (status, document["error"].split(":")[0]) == (400, query.split("=", maxsplit=1)[0])
    assert len(sandbox.messages) == 4


def test_without_a_query_everything_is_deleted_and_the_balance_restored(sandbox: Sandbox):
    reply = got(sandbox, "/sandbox/messages", "DELETE")
    assert (reply["deleted"], reply["messages"], reply["accepted"]) == (4, 0, 0)
    assert (sandbox.balance, sandbox.calls) == (10_000, {})


def test_program_deletes_what_a_search_finds(sandbox: Sandbox):
    assert sandbox.delete("to:0501234567") == 2
    assert texts(sandbox) == ["two", "код 4815"]


def test_raw_pair_stays_until_its_last_message_is_deleted(sandbox: Sandbox):
    user = User(sandbox)
    answered = user.send(f"{GOOD},{OTHER}", "both")
    first, second = (str(id_) for id_ in answered.slots[1:])
    got(sandbox, f"/sandbox/messages/{first}", "DELETE")
    assert got(sandbox, f"/sandbox/messages/{second}")["reply"] == answered.text


def test_oldest_is_deleted_above_the_limit_also_after_deletions():
    with Sandbox(Settings(keep_messages=3)) as small:
        user = User(small)
        for count in range(3):
            user.send(GOOD, f"{count}")
        small.delete("text:1")
        for count in range(3, 6):
            user.send(GOOD, f"{count}")
        assert texts(small) == ["3", "4", "5"]
        small.delete("text:3")
        assert texts(small) == ["4", "5"]
        user.send(GOOD, "6")
        user.send(GOOD, "7")
        assert texts(small) == ["5", "6", "7"]
