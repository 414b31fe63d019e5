"""Set-Cookie to Cookie (RFC 6265):

deleted cookies, renewed ones, and the many ways in which servers write them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fault_server
import pytest
from connections import each_own
from fault_server import AUTHORISED, FaultServer
from hypothesis import given
from hypothesis import strategies as st
from replies import array_reply, envelope, string_reply

import smsgate
from smsgate.protocol.cookies import cookie_header, seconds_of

NOW = 1_800_000_000.0
LONG = "x" * 4000
OTHERS = tuple(f"other{number}=x" for number in range(20))


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        ((), None),
        (("PHPSESSID=abc; path=/",), "PHPSESSID=abc"),
        (("PHPSESSID=abc;path=/;HttpOnly;Secure;SameSite=Lax",), "PHPSESSID=abc"),
        (("\tPHPSESSID = abc ; path=/",), "PHPSESSID=abc"),
        (("a=b=c==",), "a=b=c=="),
        (('PHPSESSID="abc"',), 'PHPSESSID="abc"'),
        (('PHPSESSID="a b,c"; path=/',), 'PHPSESSID="a b,c"'),
        ((f"PHPSESSID={LONG}",), f"PHPSESSID={LONG}"),
        ((*OTHERS, "PHPSESSID=abc"), "; ".join((*OTHERS, "PHPSESSID=abc"))),
        # The last value of a name counts.
        (("PHPSESSID=old", "lang=uk", "PHPSESSID=new"), "lang=uk; PHPSESSID=new"),
        (("PHPSESSID=old", "phpsessid=new"), "PHPSESSID=old; phpsessid=new"),
        # Deleted, as PHP writes it and as others do.
        (("PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/",), None),
        (("PHPSESSID=deleted; Max-Age=0", "PHPSESSID=new"), "PHPSESSID=new"),
        (("PHPSESSID=new", "PHPSESSID=deleted; Max-Age=0"), None),
        (("PHPSESSID=abc", "lang=x; Max-Age=0"), "PHPSESSID=abc"),
        (("a=b; MAX-AGE=0",), None),
        (("a=b; max-age = 0 ",), None),
        (('a=b; Max-Age="0"',), None),
        (("a=b; Max-Age=00",), None),
        (("a=b; Max-Age=-1",), None),
        (("a=b; EXPIRES=Thu, 01 Jan 1970 00:00:00 GMT",), None),
        (("a=b; expires=Thursday, 01-Jan-70 00:00:01 GMT",), None),
        (("a=b; expires=Thu Jan  1 00:00:01 1970",), None),
        (("a=",), None),
        (("a=b", "a=; path=/"), None),
        (("a=b; Max-Age=1; Max-Age=0",), None),
        # Not deleted.
        (("a=b; Max-Age=3600",), "a=b"),
        (("a=b; Max-Age=99999999999999999999",), "a=b"),
        (("a=b; Max-Age=3600; expires=Thu, 01-Jan-1970 00:00:01 GMT",), "a=b"),
        (("a=b; expires=Thu, 01-Jan-2099 00:00:01 GMT",), "a=b"),
        (("a=b; expires=Thu, 01-Jan-69 00:00:01 GMT",), "a=b"),
        (("a=b; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=soon",), None),
        (("a=b; Max-Age=soon",), "a=b"),
        (("a=b; Max-Age",), "a=b"),
        (("a=b; expires=0",), "a=b"),
        (("a=b; expires=-1",), "a=b"),
        (("a=b; expires=Thu, 31-Feb-1970 00:00:01 GMT",), "a=b"),
        (("a=b; expires",), "a=b"),
        # What is no cookie, or cannot be sent in a header.
        (
            (
                "",
                ";",
                "=",
                "=b",
                "a",
                "a b=c",
                "ключ=c",
                "a=ключ",
                "a=b\x00",
                "a=b\nX: y",
                f"a={'x' * 4096}",
            ),
            None,
        ),
        (("a=b", "a=ключ"), "a=b"),
    ],
)
def test_cookies_that_are_set_and_not_deleted_are_sent_unchanged(
    lines: Sequence[str], sent: str | None
) -> None:
    assert cookie_header(lines, now=NOW) == sent


def test_held_cookie_stays_until_replaced_or_deleted() -> None:
    assert cookie_header((), now=NOW, held="a=1; b=2") == "a=1; b=2"
    assert cookie_header(("a=3; path=/",), now=NOW, held='a=1; b="2=2"') == 'b="2=2"; a=3'
    assert cookie_header(("a=; Max-Age=0",), now=NOW, held="a=1; b=2") == "b=2"
    assert cookie_header(("a=x; Max-Age=0",), now=NOW, held="a=1") is None


def test_cookie_expires_at_the_given_time() -> None:
    line = "a=b; expires=Fri, 15 Jan 2027 08:00:00 GMT"
    assert cookie_header([line], now=NOW - 1) == "a=b"
    assert cookie_header([line], now=NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 15 Jan 2027 08:00:00 GMT",
        "Fri, 15-Jan-2027 08:00:00 GMT",
        "Friday, 15-Jan-27 08:00:00 GMT",
        "Fri Jan 15 8:0:0 2027",
        "15 january 2027 08:00:00",
    ],
)
def test_date_is_read_in_every_form_that_servers_write(text: str) -> None:
    assert seconds_of(text) == NOW


@pytest.mark.parametrize(
    ("year", "read"), [("70", 1970), ("99", 1999), ("00", 2000), ("69", 2069), ("2100", 2100)]
)
def test_two_digit_year_is_from_1970_to_2069(year: str, read: int) -> None:
    assert seconds_of(f"01 Jan {year} 00:00:00") == seconds_of(f"01 Jan {read} 00:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "01 Jan 1970",
        "Jan 1970 00:00:00",
        "01 1970 00:00:00",
        "01 Jan 00:00:00",
        "01 Jan 1970 25:00:00",
    ],
)
def test_invalid_date_is_ignored(text: str) -> None:
    assert seconds_of(text) is None


@given(st.lists(st.text(st.characters(codec="latin-1")), max_size=5))
def test_sent_cookies_always_fit_into_a_header(lines: list[str]) -> None:
    sent = cookie_header(lines, now=NOW)
    assert sent is None or (
        sent.isascii() and sent.isprintable() and cookie_header((), now=NOW, held=sent) == sent
    )


# On the wire

BALANCE = string_reply("GetCreditBalance", "5")
UNAUTHORISED = string_reply("GetCreditBalance", "Вы не авторизированы")


def answering(*answers: Callable[[fault_server.Connection], None]) -> FaultServer:
    """Return a server that gives these answers in turn, the first to Auth."""
    left = list(answers)

    def fault(connection: fault_server.Connection) -> None:
        connection.request()
        left.pop(0)(connection)

    server = FaultServer(fault)
    server.requests.append(
        fault_server.Request("", b"<ns1:Auth>")
    )  # so that Auth is not answered by itself
    return server


def reply(
    body: bytes, *headers: str, status: str = "200 OK"
) -> Callable[[fault_server.Connection], None]:
    return lambda connection: connection.answer(body, *headers, status=status)


def cookies_of(server: FaultServer) -> list[str | None]:
    return [request.cookie for request in server.requests[1:]]


SET = "Set-Cookie: PHPSESSID="
LOGGED_IN = reply(AUTHORISED, f"{SET}first; path=/")


@each_own
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("renewing", "then"),
    [
        (reply(BALANCE, f"{SET}second; path=/"), ["PHPSESSID=second"]),
        (reply(BALANCE, f"{SET}gone; Max-Age=0", f"{SET}second"), ["PHPSESSID=second"]),
        (reply(BALANCE, "Set-Cookie: lang=uk"), ["PHPSESSID=first; lang=uk"]),
        (reply(BALANCE, "Set-Cookie: lang=uk; Max-Age=0"), ["PHPSESSID=first"]),
        (reply(BALANCE), ["PHPSESSID=first"]),
        # Deleted: there is no session any more, so the next call logs in first.
        (reply(BALANCE, f"{SET}gone; Max-Age=0"), [None, "PHPSESSID=first"]),
        # By the gateway's own clock, which may be slow.
        (
            reply(
                BALANCE,
                f"{SET}second; expires=Thu, 01 Jan 2026 01:00:00 GMT",
                "Date: Thu, 01 Jan 2026 00:00:00 GMT",
            ),
            ["PHPSESSID=second"],
        ),
        (
            reply(BALANCE, f"{SET}second; expires=Thu, 01 Jan 2026 01:00:00 GMT"),
            [None, "PHPSESSID=first"],
        ),
    ],
)
async def test_cookie_of_an_authorised_answer_is_used_from_then_on(
    renewing: Callable[[fault_server.Connection], None], then: list[str | None], own: dict[str, Any]
) -> None:
    again = [LOGGED_IN] if then[0] is None else []
    with answering(LOGGED_IN, renewing, *again, reply(BALANCE)).running() as server:
        async with smsgate.AsyncSession("login", "password", url=server.url, **own) as session:
            await session.get_credit_balance()
            await session.get_credit_balance()
    assert cookies_of(server) == [None, "PHPSESSID=first", *then]


STRANGE = envelope(
    "<ns1:GetCreditBalanceResponse><ns1:GetCreditBalanceResult/></ns1:GetCreditBalanceResponse>"
)


@each_own
@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        STRANGE,
        string_reply("GetCreditBalance", "Новая фраза"),
        string_reply("GetCreditBalance", "Неверный логин или пароль"),
    ],
)
async def test_cookie_of_an_answer_without_proof_of_session_is_not_used(
    body: bytes, own: dict[str, Any]
) -> None:
    with answering(LOGGED_IN, reply(body, f"{SET}stranger"), reply(BALANCE)).running() as server:
        async with smsgate.AsyncSession("login", "password", url=server.url, **own) as session:
            with pytest.raises(smsgate.SmsGateError):
                await session.get_credit_balance()
            await session.get_credit_balance()
    assert cookies_of(server) == [None, "PHPSESSID=first", "PHPSESSID=first"]


@pytest.mark.anyio
async def test_cookie_of_an_unauthorised_answer_is_not_used() -> None:
    second = reply(AUTHORISED, f"{SET}second")
    with answering(
        LOGGED_IN, reply(UNAUTHORISED, f"{SET}stranger"), second, reply(BALANCE)
    ).running() as server:
        async with smsgate.AsyncSession("login", "password", url=server.url) as session:
            await session.get_credit_balance()
    assert cookies_of(server) == [None, "PHPSESSID=first", None, "PHPSESSID=second"]


@pytest.mark.anyio
async def test_ids_prove_a_session_and_an_empty_list_does_not() -> None:
    ids = array_reply("GetNewMessages", fault_server.MESSAGE_ID)
    empty = array_reply("GetNewMessages")
    server = answering(
        LOGGED_IN, reply(empty, f"{SET}stranger"), reply(ids, f"{SET}second"), reply(empty)
    )
    with server.running():
        async with smsgate.AsyncSession("login", "password", url=server.url) as session:
            for _ in range(3):
                await session.get_new_messages()
    assert cookies_of(server) == [None, "PHPSESSID=first", "PHPSESSID=first", "PHPSESSID=second"]


@each_own
@pytest.mark.anyio
async def test_long_session_cookie_behind_many_others_logs_in(own: dict[str, Any]) -> None:
    lines = [
        *(f"Set-Cookie: {other}" for other in OTHERS),
        f'{SET}"{LONG}"; path=/',
        "Set-Cookie: old=x; Max-Age=0",
    ]
    with answering(reply(AUTHORISED, *lines), reply(BALANCE)).running() as server:
        async with smsgate.AsyncSession("login", "password", url=server.url, **own) as session:
            await session.get_credit_balance()
    assert cookies_of(server) == [None, "; ".join((*OTHERS, f'PHPSESSID="{LONG}"'))]
