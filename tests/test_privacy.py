"""What may be shown of a number and of a cookie (docs: how it is tested, "Where secrets leak")."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate.privacy import mask_number, mask_numbers, redact, redact_http_logs

LOGGERS = {
    prefix + suffix
    for prefix, suffixes in {
        "httpx": ("", "2"),
        "httpcore": ("", "2"),
        "httpcore.": ("connection", "http11", "http2", "proxy", "socks"),
        "httpcore2.": ("connection", "http11", "http2", "proxy", "socks"),
    }.items()
    for suffix in suffixes
}


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+380501234567", "+380*****4567"),
        ("380501234567", "380*****4567"),
        ("+12025550123", "+120****0123"),
        ("+4912345678", "+49******78"),
        ("1234567", "12***67"),
        ("123456", "******"),
        ("+1234", "+****"),
        ("7", "*"),
        ("", ""),
        ("+", "+"),
    ],
)
def test_the_middle_of_a_number_is_hidden_and_a_short_one_whole(number: str, masked: str):
    assert mask_number(number) == masked


@given(plus=st.sampled_from(["", "+"]), digits=st.text("0123456789", max_size=20))
def test_a_mask_has_the_length_of_the_number_and_shows_three_digits_and_four_at_most(plus: str, digits: str):
    masked = mask_number(plus + digits)
    assert len(masked) == len(plus + digits)
    assert re.fullmatch(r"\+?(?:[0-9]{3}\*{4,}[0-9]{4}|[0-9]{2}\*{3,}[0-9]{2}|\*{0,6})", masked)


@given(number=st.text("0123456789", min_size=11, max_size=15), other=st.text("0123456789", min_size=8, max_size=8))
def test_two_numbers_that_differ_only_in_the_middle_look_the_same(number: str, other: str):
    middle = len(number) - 7
    assert mask_number(number) == mask_number(number[:3] + other[:middle] + number[3 + len(other[:middle]) :])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", ""),
        ("no number", "no number"),
        ('Не удалось распознать номер получателя "+380501234567"', 'Не удалось распознать номер получателя "+380*****4567"'),
        ("380501234567,380671234567", "380*****4567,380*****4567"),
        ("+38 050 123-45-67", "+380*****4567"),
        ("+38 (050) 123 45 67", "+380*****4567"),
        ("+38\u00a0050\u00a01234567", "+380*****4567"),
        ("1234567", "12***67"),
        ("код 123456", "код 123456"),
        ("Не хватает 2.56 кредитов", "Не хватает 2.56 кредитов"),
        ("٣٨٠٥٠١٢٣٤٥٦٧", "٣٨٠٥٠١٢٣٤٥٦٧"),
    ],
)
def test_whatever_may_be_a_number_in_a_text_is_masked(text: str, masked: str):
    assert mask_numbers(text) == masked


@given(
    before=st.text("абв \n", max_size=5),
    digits=st.text("0123456789", min_size=7, max_size=15),
    after=st.text("абв \n", max_size=5),
)
def test_no_run_of_seven_digits_is_left_in_a_text(before: str, digits: str, after: str):
    masked = mask_numbers(before + digits + after)
    assert not re.search("[0-9]{7}", masked)
    assert digits not in masked


def test_secrets_are_taken_out_the_longest_first_and_numbers_are_masked():
    assert redact("pass password +380501234567", ["pass", "password", ""]) == "*** *** +380*****4567"


def test_without_secrets_only_numbers_are_masked():
    assert redact("nothing to hide", []) == "nothing to hide"


@pytest.fixture
def redacted(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = {logger: list(logger.filters) for logger in loggers}
    redact_http_logs()
    with caplog.at_level(logging.DEBUG):
        yield caplog
    for logger, filters in before.items():
        logger.filters[:] = filters


@pytest.mark.parametrize("name", sorted(LOGGERS))
def test_no_logger_of_an_http_library_shows_a_cookie(name: str, redacted: pytest.LogCaptureFixture):
    logging.getLogger(name).debug(
        "receive_response_headers.complete return_value=%r", [(b"Set-Cookie", b"PHPSESSID=q4dq58tn; path=/")]
    )
    assert len(redacted.records) == 1
    assert "q4dq58tn" not in redacted.records[0].getMessage()
    assert redacted.records[0].getMessage() == "receive_response_headers.complete return_value=[(b'Set-Cookie', b'***')]"


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        ("headers=%r", ({"cookie": "PHPSESSID=secret"},), "headers={'cookie': '***'}"),
        (
            "headers=%r",
            ([(b"COOKIE", b"PHPSESSID=secret"), (b"Server", b"nginx")],),
            "headers=[(b'COOKIE', b'***'), (b'Server', b'nginx')]",
        ),
        ("Cookie: PHPSESSID=secret", (), "Cookie: ***"),
        ("Cookie: a=secret\r\nHost: x", (), "Cookie: ***\r\nHost: x"),
        ("set-cookie: 100%% %s", ("secret",), "set-cookie: ***"),
        (
            "headers=%r",
            ([(b"Set-Cookie", b"a='secret; path=/"), (b"A", b"b")],),
            "headers=[(b'Set-Cookie', b\"***\"), (b'A', b'b')]",
        ),
        ("headers=%r", ([(b"Set-Cookie", b"a=')\"secret")],), "headers=[(b'Set-Cookie', b'***')]"),
        ("headers=%r", ([(b"Set-Cookie", b"a=(1)secret")],), "headers=[(b'Set-Cookie', b'***')]"),
        ("headers=%r", (str([(b"Set-Cookie", b"a=secret")]),), "headers=\"[(b'Set-Cookie', b'***')]\""),
        ("headers=%r", (repr(str([(b"Cookie", b"a=\"'secret")])),), None),
        ('Cookie: a="quoted secret"; b=(secret)\r\nHost: x', (), "Cookie: ***\r\nHost: x"),
        ("Cookie:\r\nHost: x", (), "Cookie:\r\nHost: x"),
        ("(b'Cookie', b'a=secret cut off", (), "(b'Cookie', ***"),
    ],
)
def test_a_cookie_is_hidden_however_it_is_written(
    message: str, arguments: tuple[object, ...], shown: str | None, redacted: pytest.LogCaptureFixture
):
    logging.getLogger("httpcore.http11").debug(message, *arguments)
    assert "secret" not in redacted.records[0].getMessage()
    assert shown is None or redacted.records[0].getMessage() == shown


def test_a_line_without_a_cookie_stays_as_it_was(redacted: pytest.LogCaptureFixture):
    logging.getLogger("httpx").info('HTTP Request: POST %s "%s"', "http://host/", "HTTP/1.1 200 OK")
    assert redacted.records[0].args == ("http://host/", "HTTP/1.1 200 OK")
    assert redacted.records[0].getMessage() == 'HTTP Request: POST http://host/ "HTTP/1.1 200 OK"'


def test_asking_twice_adds_one_filter(redacted: pytest.LogCaptureFixture):
    before = {name: list(logging.getLogger(name).filters) for name in LOGGERS}
    redact_http_logs()
    assert {name: list(logging.getLogger(name).filters) for name in LOGGERS} == before
    assert all(len(filters) == 1 for filters in before.values())
    assert redacted.records == []
