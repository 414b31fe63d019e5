"""Hostile and broken replies cost next to nothing and are in doubt (docs:

how it is tested, "Incoming XML").
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import fault_server
import hostile_documents
import pytest
from hostile_documents import GOOD, ID, READ, REFUSED
from hypothesis import given
from hypothesis import strategies as st
from shown import outcome_of, raised_by

from smsgate.config import TRANSPORTS
from smsgate.errors import InDoubt, Reason
from smsgate.protocol.operation import Operation
from smsgate.protocol.operations import OPERATIONS, SEND_SMS
from smsgate.protocol.reply import Reply, read_reply

# Only a defect breaks these: about 100 ms and 20 MB are normal.
SECONDS, MEGABYTES = 2.0, 150.0


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_or_broken_reply_is_in_doubt_and_nothing_else(name: str):
    document = REFUSED[name]()
    error = raised_by(lambda: read_reply(SEND_SMS, document))
    assert type(error) is InDoubt
    assert error.reason is Reason.UNREADABLE
    assert (error.evidence.status, error.evidence.size) == (200, len(document))
    assert (error.__cause__, error.__context__) == (None, None)
    assert len(str(error)) < 120


@pytest.mark.parametrize("name", REFUSED)
def test_error_contains_no_word_of_the_reply(name: str):
    document = REFUSED[name]()
    said = str(raised_by(lambda: read_reply(SEND_SMS, document)))
    assert not any(word in said for word in ("passwd", "KLINGON", "php", "nginx", "xxx", ID))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in REFUSED
        if any(word in name for word in ("billion", "entit", "DTD", "DOCTYPE"))
    ],
)
def test_document_type_is_refused_before_its_entities_matter(name: str):
    document = REFUSED[name]()
    error = raised_by(lambda: read_reply(SEND_SMS, document))
    assert str(error) == "reply unreadable: a document type declaration is not allowed"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a million nested elements", "more than 32 nested elements"),
        ("a million open elements", "more than 32 nested elements"),
        ("10 MB of siblings", "more than 70000 elements"),
        ("10 MB of slots", "more than 70000 elements"),
    ],
)
def test_reply_with_too_much_structure_is_refused_as_such(name: str, said: str):
    document = REFUSED[name]()
    assert str(raised_by(lambda: read_reply(SEND_SMS, document))) == f"reply unreadable: {said}"


@pytest.mark.parametrize("name", READ)
def test_large_reply_within_the_limits_is_read(name: str):
    assert read_reply(SEND_SMS, READ[name]()).items


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_same_limits_hold_for_every_operation(operation: Operation):
    for name in (
        "billion laughs",
        "nothing",
        "HTML that is well-formed",
        "a PHP warning in front",
        "an encoding of many bytes",
    ):
        document = REFUSED[name]()
        assert type(raised_by(lambda document=document: read_reply(operation, document))) is InDoubt


@pytest.mark.parametrize("end", range(len(GOOD) - 1))
def test_reply_cut_anywhere_is_in_doubt(end: int):
    # The last byte is the line feed after the document, so it may be missing.
    assert type(raised_by(lambda: read_reply(SEND_SMS, GOOD[:end]))) is InDoubt


def test_only_the_final_line_feed_may_be_missing():
    assert read_reply(SEND_SMS, GOOD[:-1]).items[1] == ID


@given(document=st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(document: bytes):
    assert type(raised_by(lambda: read_reply(SEND_SMS, document))) is InDoubt


@given(place=st.integers(0, len(GOOD) - 1), length=st.integers(0, 5), noise=st.binary(max_size=5))
def test_good_reply_with_changed_bytes_raises_nothing_else(place: int, length: int, noise: bytes):
    document = GOOD[:place] + noise + GOOD[place + length :]
    outcome = outcome_of(lambda: read_reply(SEND_SMS, document))
    assert type(outcome) in (InDoubt, Reply)
    assert outcome.evidence.reply == document  # type: ignore[attr-defined]


# What coverage costs is not what a reply costs.
UNTRACED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@pytest.mark.skipif(
    sys.platform == "win32", reason="memory of a child is measured with fork and getrusage"
)
def test_each_document_costs_little_time_and_memory():
    script = Path(hostile_documents.__file__)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=UNTRACED,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    print("\n      seconds  growth MB  size MB  outcome  document")
    for row in sorted(rows, key=lambda row: -row["seconds"]):
        print(
            f"{row['seconds']:13.4f}{row['megabytes']:11.1f}{row['size'] / 1e6:9.1f}"
            f"  {row['outcome']:7}  {row['name']}"
        )
    assert {row["name"]: row["outcome"] for row in rows} == dict.fromkeys(
        REFUSED, "InDoubt"
    ) | dict.fromkeys(READ, "read")
    assert [row for row in rows if row["seconds"] >= SECONDS or row["megabytes"] >= MEGABYTES] == []


OVER_THE_WIRE = {
    "0.3 KB that unpack to 100 MB": (
        fault_server.answering(fault_server.triple_gzip(), "Content-Encoding: gzip, gzip, gzip"),
        "reply encoded",
    ),
    "10 MB of siblings": (
        fault_server.answering(b"<x>" + b"<a></a>" * 1_430_000 + b"</x>"),
        "reply too large",
    ),
    "a million nested elements": (fault_server.answering(b"<a>" * 1_000_000), "reply too large"),
    "21,000 nested elements": (fault_server.answering(b"<a>" * 21_000), "reply unreadable"),
    "an entity bomb": (fault_server.answering(REFUSED["billion laughs"]()), "reply unreadable"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="memory of a child is measured with getrusage")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", OVER_THE_WIRE)
def test_whole_session_refuses_it_with_little_time_and_memory(name: str, transport: str):
    fault, reason = OVER_THE_WIRE[name]
    script = Path(__file__).with_name("hostile_session.py")
    with fault_server.FaultServer(fault).running() as server:
        done = subprocess.run(
            [sys.executable, str(script), server.url, transport],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=UNTRACED,
        )
    assert (done.returncode, done.stderr) == (0, "")
    row = json.loads(done.stdout)
    print(f"{row['seconds']:.4f} s, {row['megabytes']:.1f} MB: {name}")
    assert row["reason"] == reason
    assert row["seconds"] < SECONDS
    assert row["megabytes"] < MEGABYTES
