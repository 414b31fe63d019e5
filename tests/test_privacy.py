"""What may be shown of a number and of a cookie (docs: how it is tested, "Where secrets leak")."""

from __future__ import annotations

import gc
import inspect
import logging
import pickle
import re
import types
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import needles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import Hidden, frames_of, outcome_of, raised_by, shown_by

from smsgate.privacy import mask_number, mask_numbers, redact, redact_http_logs, seal, sealed

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
def test_middle_of_a_number_is_masked_and_a_short_one_whole(number: str, masked: str):
    assert mask_number(number) == masked


@given(plus=st.sampled_from(["", "+"]), digits=st.text("0123456789", max_size=20))
def test_mask_keeps_the_length_and_shows_at_most_seven_digits(plus: str, digits: str):
    masked = mask_number(plus + digits)
    assert len(masked) == len(plus + digits)
    assert re.fullmatch(r"\+?(?:[0-9]{3}\*{4,}[0-9]{4}|[0-9]{2}\*{3,}[0-9]{2}|\*{0,6})", masked)


@given(
    number=st.text("0123456789", min_size=11, max_size=15),
    other=st.text("0123456789", min_size=8, max_size=8),
)
def test_numbers_that_differ_only_in_the_middle_look_the_same(number: str, other: str):
    middle = len(number) - 7
    assert mask_number(number) == mask_number(
        number[:3] + other[:middle] + number[3 + len(other[:middle]) :]
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", ""),
        ("no number", "no number"),
        (
            'Не удалось распознать номер получателя "+380501234567"',
            'Не удалось распознать номер получателя "+380*****4567"',
        ),
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
def test_possible_numbers_in_a_text_are_masked(text: str, masked: str):
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


def test_longest_secret_is_removed_first_and_numbers_are_masked():
    assert (
        redact("pass password +380501234567", ["pass", "password", ""]) == "*** *** +380*****4567"
    )


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
        "receive_response_headers.complete return_value=%r",
        [(b"Set-Cookie", b"PHPSESSID=q4dq58tn; path=/")],
    )
    assert len(redacted.records) == 1
    assert "q4dq58tn" not in redacted.records[0].getMessage()
    assert (
        redacted.records[0].getMessage()
        == "receive_response_headers.complete return_value=[(b'Set-Cookie', b'***')]"
    )


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
        (
            "headers=%r",
            (str([(b"Set-Cookie", b"a=secret")]),),
            "headers=\"[(b'Set-Cookie', b'***')]\"",
        ),
        ("headers=%r", (repr(str([(b"Cookie", b"a=\"'secret")])),), None),
        ('Cookie: a="quoted secret"; b=(secret)\r\nHost: x', (), "Cookie: ***\r\nHost: x"),
        ("Cookie:\r\nHost: x", (), "Cookie:\r\nHost: x"),
        ("(b'Cookie', b'a=secret cut off", (), "(b'Cookie', ***"),
    ],
)
def test_cookie_is_hidden_in_any_notation(
    message: str,
    arguments: tuple[object, ...],
    shown: str | None,
    redacted: pytest.LogCaptureFixture,
):
    logging.getLogger("httpcore.http11").debug(message, *arguments)
    assert "secret" not in redacted.records[0].getMessage()
    assert shown is None or redacted.records[0].getMessage() == shown


def test_line_without_a_cookie_is_unchanged(redacted: pytest.LogCaptureFixture):
    logging.getLogger("httpx").info('HTTP Request: POST %s "%s"', "http://host/", "HTTP/1.1 200 OK")
    assert redacted.records[0].args == ("http://host/", "HTTP/1.1 200 OK")
    assert redacted.records[0].getMessage() == 'HTTP Request: POST http://host/ "HTTP/1.1 200 OK"'


def test_second_call_adds_no_second_filter(redacted: pytest.LogCaptureFixture):
    before = {name: list(logging.getLogger(name).filters) for name in LOGGERS}
    redact_http_logs()
    assert {name: list(logging.getLogger(name).filters) for name in LOGGERS} == before
    assert all(len(filters) == 1 for filters in before.values())
    assert redacted.records == []


# --- sealed errors --------------------------------------------------------------------------------


class Ended(BaseException):
    """Stands for a cancellation, or for Ctrl-C."""


@types.coroutine
def pause() -> Generator[None]:
    yield


def fails(text: str, make: Callable[[], BaseException] | None = None) -> str:
    """Fail as a function does that handles a text."""
    inside = f"{text}!"
    try:
        raise KeyError(inside)
    except KeyError as cause:
        if make is not None:
            raise make() from cause
    return inside


@sealed
def at_once(text: str, make: Callable[[], BaseException] | None = None) -> str:
    """Return the text."""
    return fails(text, make)


@sealed
async def waiting(text: str, make: Callable[[], BaseException] | None = None) -> str:
    """Return the text, a little later."""
    await pause()
    return fails(text, make)


def finished(call: Coroutine[Any, Any, str]) -> str:
    """Return what a coroutine returns that pauses once."""
    call.send(None)
    try:
        call.send(None)
    except StopIteration as ended:
        return str(ended.value)
    raise AssertionError("it pauses once more")


KINDS: dict[str, Callable[..., str]] = {
    "at_once": at_once,
    "waiting": lambda *given: finished(waiting(*given)),
}
SECRET = Hidden(needles.TEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_sealed_error_is_the_same_object_without_values(kind: str):
    raised = ValueError("what is wrong")
    error = raised_by(lambda: KINDS[kind](SECRET, lambda: raised))
    assert error is raised
    assert (error.__cause__, error.__context__) == (None, None)
    assert needles.WORD not in shown_by(error)
    *_, left = frames_of(error)
    assert set(left.f_locals) == {"function", "kept"}
    assert pickle.loads(pickle.dumps(error)).args == ("what is wrong",)


@pytest.mark.parametrize("kind", KINDS)
def test_traceback_ends_in_the_sealed_function_by_name(kind: str):
    names = [
        frame.f_code.co_name
        for frame in frames_of(raised_by(lambda: KINDS[kind](SECRET, ValueError)))
    ]
    assert names[-1] == kind
    assert "fails" not in names
    assert "raised_by" in names or "outcome_of" in names, "the frames of the caller"


@pytest.mark.parametrize("kind", KINDS)
def test_exception_the_caller_was_handling_is_still_shown(kind: str):
    handled = KeyError("of the caller")

    def call() -> None:
        try:
            raise handled
        except KeyError:
            KINDS[kind](SECRET, ValueError)

    error = raised_by(call)
    assert error.__context__ is handled
    assert not error.__suppress_context__


@pytest.mark.parametrize("kind", KINDS)
def test_sealed_error_makes_no_cycle(kind: str):
    class Traced(ValueError):
        pass

    def raised() -> weakref.ref[Traced]:
        try:
            KINDS[kind](SECRET, Traced)
        except Traced as error:
            return weakref.ref(error)
        raise AssertionError

    gc.disable()
    try:
        assert raised()() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", KINDS)
def test_sealed_function_returns_as_before(kind: str):
    assert KINDS[kind]("text") == "text!"


def test_sealed_function_looks_as_before():
    assert (at_once.__name__, at_once.__doc__) == ("at_once", "Return the text.")
    assert list(inspect.signature(waiting).parameters) == ["text", "make"]
    assert inspect.iscoroutinefunction(waiting)
    assert not inspect.iscoroutinefunction(at_once)


def test_cancelled_coroutine_raises_the_same_exception_sealed():
    call, ended = waiting(SECRET), Ended()
    call.send(None)
    with pytest.raises(Ended) as caught:
        call.throw(ended)
    assert caught.value is ended
    _, left = frames_of(ended)
    assert left.f_code.co_name == "waiting"
    assert set(left.f_locals) == {"function", "kept"}


def test_ctrl_c_passes_through_a_plain_function():
    ended = Ended()
    with pytest.raises(Ended):
        at_once(SECRET, lambda: ended)
    assert [frame.f_code.co_name for frame in frames_of(ended)][1:] == [
        "at_once",
        "at_once",
        "fails",
    ]
    assert isinstance(ended.__cause__, KeyError)


def test_error_is_sealed_without_a_function():
    error = outcome_of(lambda: fails(SECRET, ValueError))
    assert isinstance(error, ValueError)
    assert seal(error) is error
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
