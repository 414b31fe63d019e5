"""`smsgate doctor`: each mood of a gateway is found, no secret is told, and nothing is ever sent.

The command runs as a child process against a real sandbox on a socket. The assessment is pure and
tested as tables.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
import ssl
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import needles
import pytest
import trustme
from fault_server import COOKIE, ENVELOPE, FaultServer, Request, answering
from ports import refusing_port
from test_cli import Finished, Smsgate, bare

import smsgate
from smsgate.cli.exits import Exit
from smsgate.doctor import Finding, Mark, Setup, assessment, checks, examine
from smsgate.doctor.assessment import CookieTimes, Step
from smsgate.doctor.checks import CHECKS, NO_MESSAGE
from smsgate.doctor.probes import probing
from smsgate.protocol.answers import Answer, DeliveryState
from smsgate.sandbox import AccountState, Sandbox, Settings

__all__ = ["bare"]  # a fixture of the neighbour's

LOGIN, PASSWORD = needles.LOGIN, needles.PASSWORD
pytestmark = pytest.mark.heavy

NUMBER = "+380501234567"
HELD = 0.1
LOGGED_IN = Request("", b"<ns1:Auth>")
"""That server answers everything with a login until it has seen one."""

Doctor = Callable[..., Finished]


@pytest.fixture
def doctor(bare: Smsgate) -> Doctor:
    """The command with an account.

    Its concurrency is the highest that is tried, so a sound gateway leaves nothing to change.
    """

    def run(url: str, *arguments: str, **variables: str) -> Finished:
        account = {
            "SMSGATE_LOGIN": LOGIN,
            "SMSGATE_PASSWORD": PASSWORD,
            "SMSGATE_URL": url,
            "SMSGATE_CONCURRENCY": "8",
        }
        return bare("doctor", *arguments, **(account | variables))

    return run


def gateway(tls: ssl.SSLContext | None = None, **settings: Any) -> Sandbox:
    return Sandbox(Settings(login=LOGIN, password=PASSWORD, **settings), tls=tls)


def found(done: Finished) -> dict[str, Any]:
    return {check["check"]: check for check in done.document["checks"]}


def marks(done: Finished) -> dict[str, str]:
    return {name: check["mark"] for name, check in found(done).items()}


def on_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# --- states of a gateway --------------------------------------------------------------------------


def test_healthy_gateway_needs_no_change(doctor: Doctor) -> None:
    with gateway(hold_seconds=HELD) as sandbox:
        for _ in range(5):
            done = doctor(sandbox.url)
            shown = on_one_line(done.out)
            # A machine that stood still meanwhile cannot tell, and says so.
            if "unknown:" not in shown:
                break
        calls = sandbox.calls
        assert sandbox.most_in_flight == assessment.AT_ONCE
    assert (done.code, done.err) == (0, "")
    assert "problem" not in shown
    assert "locked: a cookie is served one call at a time" in shown
    assert "the account has credits" in shown
    assert shown.rstrip().endswith("Nothing needs to change.")
    assert calls["SendSMS"] == 0
    assert calls.total() < 80


def test_cookie_lock_is_detected_and_its_absence_too(doctor: Doctor) -> None:
    outcomes = {}
    for locked in (True, False):
        # Work that is short beside what a busy machine needs for a connection would leave it open.
        with gateway(hold_seconds=3 * HELD, lock_cookies=locked) as sandbox:
            done = doctor(sandbox.url, "--json")
            assert sandbox.calls["SendSMS"] == 0
        outcomes[locked] = found(done)["cookie lock"]["facts"]["outcome"]
        assert found(done)["concurrency"]["facts"]["useful"] == 8
    assert outcomes == {True: "locked", False: "not locked"}


def test_doctor_checks_with_the_transport_of_the_settings(doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(sandbox.url, SMSGATE_TRANSPORT="aiohttp")
        assert done.code == 0
        done = doctor(sandbox.url, SMSGATE_TRANSPORT="curl")
    assert (done.code, done.err) == (2, 'error: transport: must be "httpx" or "aiohttp"\n')


def test_useful_number_of_logins_is_reported_with_the_setting(doctor: Doctor) -> None:
    # Long, so that a busy machine does not blur it.
    with gateway(hold_seconds=4 * HELD) as sandbox:
        done = doctor(sandbox.url, SMSGATE_CONCURRENCY="2")
    assert done.code == 0
    assert (
        "What to change SMSGATE_CONCURRENCY=8: 8 requests at the same time are faster than 2"
        in on_one_line(done.out)
    )


def test_wrong_password_is_tried_once_and_explained(doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(sandbox.url, SMSGATE_PASSWORD=needles.WRONG_PASSWORD)
        assert sandbox.calls["Auth"] == 1
    assert done.code == Exit.REFUSED
    shown = on_one_line(done.out)
    assert "✗ problem login" in shown
    assert "SMSGATE_LOGIN, SMSGATE_PASSWORD: Use the login and the password of the gateway" in shown
    assert "enable SOAP in the settings of the account" in shown
    assert needles.WRONG_PASSWORD not in done.out


@pytest.mark.parametrize(
    "state", [state for state in AccountState if state is not AccountState.ACTIVE]
)
def test_suspended_account_is_reported_with_whom_to_contact(
    state: AccountState, doctor: Doctor
) -> None:
    with gateway(account=state) as sandbox:
        done = doctor(sandbox.url, "--json")
    assert done.code == Exit.REFUSED
    assert found(done)["login"]["error"] == "AccountSuspended"
    assert done.document["changes"] == [
        {"setting": "the account", "advice": "Contact the provider."}
    ]


def test_checks_that_need_a_login_are_skipped_without_one(doctor: Doctor) -> None:
    """The other checks run."""
    with gateway(account=AccountState.BLOCKED) as sandbox:
        seen = marks(doctor(sandbox.url, "--json"))
    assert {name for name, mark in seen.items() if mark == "skipped"} == {
        "credits",
        "new messages",
        "status",
        "concurrency",
        "cookie lock",
    }
    assert seen["clock"] == seen["gateway"] == seen["proxy"] == "ok"


def test_unknown_sentences_are_listed_to_be_reported(doctor: Doctor) -> None:
    words = {
        Answer.MESSAGE_NOT_FOUND: f"Нет такого сообщения для {NUMBER}, {LOGIN}",
        Answer.NOT_AUTHORISED: "Сначала войдите",
    }
    with gateway(sentences=words) as sandbox:
        people, machines = doctor(sandbox.url), doctor(sandbox.url, "--json")
    assert people.code == machines.code == Exit.IN_DOUBT
    assert machines.document["unrecognised"] == [
        {"operation": "GetCreditBalance", "sentence": "Сначала войдите"},
        {
            "operation": "GetMessageStatus",
            "sentence": "Нет такого сообщения для +380*****4567, ***",
        },
    ]
    assert marks(machines)["status"] == "problem"
    assert marks(machines)["credits"] == "ok"
    assert "Please report them" in people.out
    assert "GetCreditBalance: Сначала войдите" in people.out


def test_unknown_answer_to_the_login_is_listed(doctor: Doctor) -> None:
    with gateway(sentences={Answer.AUTHORISED: f"Добро пожаловать, {LOGIN}!"}) as sandbox:
        done = doctor(sandbox.url, "--json")
    assert done.code == Exit.IN_DOUBT
    assert found(done)["login"]["error"] == "InDoubt"
    assert done.document["unrecognised"] == [
        {"operation": "Auth", "sentence": "Добро пожаловать, ***!"}
    ]


def test_account_without_credits_is_a_problem(doctor: Doctor) -> None:
    with gateway(credits=0) as sandbox:
        done = doctor(sandbox.url, "--json")
    assert done.code == Exit.REFUSED
    assert found(done)["credits"]["text"] == "none"
    assert {
        "setting": "the account",
        "advice": "Top up the account. Every send will be refused.",
    } in done.document["changes"]


def test_balance_is_shown_only_on_request(doctor: Doctor) -> None:
    with gateway(credits=Decimal("4815.16")) as sandbox:
        for arguments in ((), ("--json",)):
            assert not re.search("4,?815", doctor(sandbox.url, *arguments).out)
        assert "the account has credits (4,815.16)" in on_one_line(
            doctor(sandbox.url, "--show-balance").out
        )
        assert (
            found(doctor(sandbox.url, "--show-balance", "--json"))["credits"]["facts"]["credits"]
            == 4815.16
        )


# --- the connection -------------------------------------------------------------------------------


def test_unreachable_gateway_skips_only_the_checks_that_need_it(doctor: Doctor) -> None:
    done = doctor(f"http://127.0.0.1:{refusing_port()}/api/soap.html", "--json")
    assert done.code == Exit.NOT_SENT
    seen = marks(done)
    assert (seen["name"], seen["connection"], seen["gateway"], seen["login"]) == (
        "ok",
        "problem",
        "skipped",
        "skipped",
    )
    assert seen["proxy"] == "ok"
    assert "Connection refused" in found(done)["connection"]["text"]
    assert done.document["changes"][0]["setting"] == "SMSGATE_URL"


def test_unresolvable_host_is_named(doctor: Doctor) -> None:
    done = doctor("http://gateway.invalid/api/soap.html", "--json")
    assert done.code == Exit.NOT_SENT
    assert "could not be resolved" in found(done)["name"]["text"]
    assert found(done)["address"]["mark"] == "note"
    assert found(done)["https"]["mark"] == "skipped"


def test_wrong_path_is_reported_with_the_right_one(doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(sandbox.url.replace("soap.html", "soup.html"))
    assert done.code == Exit.IN_DOUBT
    assert "needs its path: --url http://.../api/soap.html" in on_one_line(done.out)


def test_password_is_not_sent_to_anything_but_the_gateway(doctor: Doctor) -> None:
    server = FaultServer(
        answering(b"", "Location: https://gateway.test/", status="301 Moved Permanently"),
        requests=[LOGGED_IN],
    )
    with server.running():
        done = doctor(server.url, "--json")
    assert not any(PASSWORD.encode() in request.body for request in server.requests)
    assert done.code == Exit.IN_DOUBT
    assert marks(done)["login"] == "skipped"
    (change,) = [
        change for change in done.document["changes"] if change["setting"] == "SMSGATE_URL"
    ]
    assert "redirects" in change["advice"]


def test_sender_setting_is_checked_but_not_with_the_account(
    doctor: Doctor,
) -> None:
    """Only a send shows whether the account has the sender."""
    with gateway() as sandbox:
        assert found(doctor(sandbox.url, "--json"))["sender"]["mark"] == "note"
        told = found(doctor(sandbox.url, "--json", SMSGATE_SENDER="Shop"))["sender"]
    assert (told["mark"], told["facts"]) == ("ok", {"set": True})


def certified(authority: trustme.CA, **life: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", **life).configure_cert(context)
    return context


def test_https_is_checked_down_to_the_certificate(doctor: Doctor, tmp_path: Path) -> None:
    authority = trustme.CA()
    known = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(known)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=5, hours=1)
    for life, mark, days in (({}, "ok", None), ({"not_after": until}, "note", 5)):
        with gateway(tls=certified(authority, **life)) as sandbox:
            done = doctor(sandbox.url, "--json", "--ca-file", str(known))
        assert done.code == 0
        told = found(done)["TLS"]
        assert (told["mark"], told["facts"]["version"]) == (mark, "TLSv1.3")
        assert days is None or told["facts"]["days"] == days
        assert "https" not in found(done)


def test_untrusted_certificate_is_a_problem_and_no_login_is_sent(doctor: Doctor) -> None:
    with gateway(tls=certified(trustme.CA())) as sandbox:
        done = doctor(sandbox.url, "--json")
        assert not sandbox.calls
    assert done.code == Exit.NOT_SENT
    assert "the certificate is not trusted" in found(done)["TLS"]["text"]
    assert marks(done)["login"] == "skipped"
    assert done.document["changes"][0]["setting"] == "verify"


def test_wrong_clock_is_reported(doctor: Doctor) -> None:
    late = answering(b"nothing", "Date: Tue, 15 Nov 1994 08:12:31 GMT")
    with FaultServer(late, requests=[LOGGED_IN]).running() as server:
        done = doctor(server.url, "--json")
    assert found(done)["clock"]["mark"] == "note"
    assert "ahead of the gateway" in found(done)["clock"]["text"]


def test_unreadable_clock_is_skipped(doctor: Doctor) -> None:
    with FaultServer(
        answering(b"nothing", "Date: yesterday"), requests=[LOGGED_IN]
    ).running() as server:
        done = doctor(server.url, "--json")
    assert (
        found(done)["clock"]["text"] == "not checked: the Date header of the answer cannot be read"
    )
    assert found(done)["gateway"]["error"] == "InDoubt"
    assert done.document["changes"][0]["setting"] == "SMSGATE_URL"


def test_https_url_of_a_plain_http_server_is_a_problem(doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(sandbox.url.replace("http://", "https://"), "--json")
    assert done.code == Exit.NOT_SENT
    assert "no TLS connection could be made" in found(done)["TLS"]["text"]


def test_proxy_of_the_environment_is_named_as_unused(doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(
            sandbox.url, "--json", HTTPS_PROXY="http://user:hidden-4711@127.0.0.1:9", no_proxy=""
        )
        assert sandbox.calls["Auth"] > 0
    assert found(done)["proxy"]["facts"] == {"used": None, "ignored": ["HTTPS_PROXY"]}
    assert "hidden-4711" not in done.out


def test_used_proxy_is_shown_without_its_password(doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(sandbox.url, "--json", "--proxy", "http://user:hidden-4711@127.0.0.1:9")
    assert done.code == Exit.NOT_SENT
    assert found(done)["proxy"]["facts"]["used"] == "http://127.0.0.1:9"
    assert [change["setting"] for change in done.document["changes"]] == ["SMSGATE_PROXY"]
    assert "hidden-4711" not in done.out


# --- what the report holds ------------------------------------------------------------------------


def test_report_holds_no_secret_even_if_the_gateway_quotes_them(doctor: Doctor) -> None:
    quoted = f"{LOGIN} {PASSWORD} PHPSESSID={COOKIE} {NUMBER} {NUMBER[3:]}"
    answers = ENVELOPE.format(
        "".join(
            f"<ns1:{name}Response><ns1:{name}Result>{quoted}</ns1:{name}Result></ns1:{name}Response>"
            for name in ("GetCreditBalance", "GetMessageStatus")
        )
    )
    with FaultServer(answering(answers.encode()), requests=[LOGGED_IN]).running() as server:
        reports = [doctor(server.url, *arguments) for arguments in ((), ("--json",), ("-vv",))]
        assert not server.sends()
    assert reports[1].document["unrecognised"]
    for done in reports:
        for secret in (LOGIN, PASSWORD, COOKIE, NUMBER, NUMBER[3:]):
            assert secret not in done.out + done.err


def test_secret_is_hidden_even_if_its_white_space_changes(doctor: Doctor) -> None:
    spaced = "two  spaces\u00a0here"
    for sentence in (f"Пароль {spaced}?", "Пароль two spaces here?"):
        with Sandbox(
            Settings(login=LOGIN, password=spaced, sentences={Answer.AUTHORISED: sentence})
        ) as sandbox:
            done = doctor(sandbox.url, "--json", SMSGATE_PASSWORD=spaced)
        assert done.document["unrecognised"] == [{"operation": "Auth", "sentence": "Пароль ***?"}]


@pytest.mark.parametrize("word", ["bad", "gateway", "http"])
def test_secret_that_is_a_common_word_is_not_revealed_by_a_gap(word: str, doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(sandbox.url, SMSGATE_PASSWORD=word)
    assert "the gateway refused (bad credentials)" in on_one_line(done.out)
    assert "http://127.0.0.1" in done.out


def test_report_of_a_healthy_gateway_holds_no_secret(doctor: Doctor) -> None:
    with gateway(credits=Decimal(needles.CREDITS)) as sandbox:
        for arguments in ((), ("--json",)):
            done = doctor(sandbox.url, *arguments)
            balances = (needles.CREDITS, f"{int(needles.CREDITS):,}")
            assert not [
                secret for secret in (LOGIN, PASSWORD, "PHPSESSID", *balances) if secret in done.out
            ]
            assert not re.search(r"[0-9a-z]{26}", done.out)


def test_json_is_one_document_with_each_check_that_applies(doctor: Doctor) -> None:
    with gateway() as sandbox:
        done = doctor(sandbox.url, "--json")
    document = json.loads(done.out)
    assert list(document) == [
        "problems",
        "checks",
        "unrecognised",
        "changes",
        "environment",
        "requests",
    ]
    assert [check["check"] for check in document["checks"]] == [
        c.name for c in CHECKS if c.name not in ("TLS", "https")
    ]
    assert document["environment"]["smsgate"] == smsgate.__version__
    assert set(document["environment"]) >= {
        "Python",
        "platform",
        "httpx",
        "httpcore",
        "pydantic",
        "anyio",
        "OpenSSL",
    }
    assert document["requests"] < 80


@pytest.mark.parametrize(
    ("arguments", "variables", "complaint"),
    [
        (
            (),
            {"SMSGATE_CONCURRENCY": "many"},
            "SMSGATE_CONCURRENCY: must be a whole number from 1 to 256",
        ),
        (
            (),
            {"SMSGATE_SENDER": "Мій магазин"},
            "sender: a sender is a name of 1 to 11 characters",
        ),
        ((), {"SMSGATE_COUNTRY": "Ukraine"}, "country: "),
        (("--proxy", "socks5://x"), {}, "proxy: must be an address"),
        (
            ("--ca-file", "nowhere.pem"),
            {},
            "ca-file: the file cannot be read (No such file or directory)",
        ),
        (("--ca-file", "/dev/null"), {}, "ca-file: the file has no certificate"),
    ],
)
def test_invalid_setting_is_named(
    arguments: tuple[str, ...], variables: dict[str, str], complaint: str, doctor: Doctor
) -> None:
    done = doctor("http://127.0.0.1:9/", *arguments, **variables)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert complaint in done.err


def test_doctor_never_sends_a_message() -> None:
    folder = Path(smsgate.__file__).parent / "doctor"
    for path in folder.glob("*.py"):
        names = {
            node.id
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Name)
        }
        assert not names & {"SEND_SMS", "OPERATIONS"}


@pytest.mark.anyio
async def test_https_is_suggested_only_where_the_gateway_answers() -> None:
    """A web page on the HTTPS port does not count."""
    authority = trustme.CA()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    secure, page = (
        gateway(tls=certified(authority)),
        FaultServer(answering(b"<html>It works!</html>"), requests=[LOGGED_IN]),
    )
    setup = Setup(
        login=LOGIN, password=PASSWORD, url="http://gateway.example/api/soap.html", verify=trusted
    )
    with secure, page.running():
        async with probing(setup) as probe:
            assert await probe.answer_time(secure.url) > 0
            with pytest.raises(smsgate.InDoubt):
                await probe.answer_time(page.url)
        assert secure.calls == {"GetCreditBalance": 2}
    assert not [request for request in page.requests if PASSWORD.encode() in request.body]


@pytest.mark.anyio
async def test_doctor_can_be_called_from_code_on_both_event_loops() -> None:
    started: list[str] = []
    with gateway(hold_seconds=0.02) as sandbox:
        report = await examine(
            Setup(login=LOGIN, password=PASSWORD, url=sandbox.url), starting=started.append
        )
        assert sandbox.calls["SendSMS"] == 0
    assert not report.problems
    assert started == [finding.check for finding in report.findings]
    assert LOGIN not in repr(report)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("session_calls", "concurrency", "cookie"),
    [
        # Auth, three questions, then three calls alone, then two of each login: the session ends in
        # the first or second of these.
        (4, Mark.PROBLEM, "it needs the check «concurrency»"),
        (8, Mark.NOTE, f"it needs {assessment.AT_ONCE} sessions that work at the same time"),
    ],
)
async def test_sessions_lost_during_the_concurrency_check_are_reported(
    session_calls: int, concurrency: Mark, cookie: str
) -> None:
    with gateway(session_calls=session_calls) as sandbox:
        report = await examine(Setup(login=LOGIN, password=PASSWORD, url=sandbox.url))
    seen = {finding.check: finding for finding in report.findings}
    assert seen["status"].mark is Mark.OK
    assert seen["concurrency"].mark is concurrency
    assert isinstance(seen["concurrency"].error, smsgate.NotAuthorised) == (
        concurrency is Mark.PROBLEM
    )
    assert (seen["cookie lock"].mark, cookie in seen["cookie lock"].text) == (Mark.SKIPPED, True)


@pytest.mark.anyio
async def test_gateway_on_plain_http_is_tried_with_https_too() -> None:
    # This machine under an address that counts as one of the network.
    with Sandbox(Settings(login=LOGIN, password=PASSWORD), host="0.0.0.0", exposed=True) as sandbox:
        url = sandbox.url.replace("127.0.0.1", "0.0.0.0")
        report = await examine(Setup(login=LOGIN, password=PASSWORD, url=url))
    (https,) = (finding for finding in report.findings if finding.check == "https")
    assert https.mark is Mark.OK
    assert "https://0.0.0.0/api/soap.html" in https.text
    assert not report.problems


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_LIBRARIES", ("httpx", "no-such-library"))
    told = checks.environment()
    assert told["no-such-library"] == "not installed"
    assert told["httpx"] != "not installed"


# --- the outcomes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "outcome"),
    [
        # alone, four with one cookie, four with four, the way there and back
        (CookieTimes(0.10, 0.40, 0.10), "locked"),
        (CookieTimes(0.10, 0.10, 0.10), "not locked"),
        (CookieTimes(0.10, 0.12, 0.11), "not locked"),
        (CookieTimes(0.10, 0.22, 0.10), "unknown"),  # 40 % of the waiting
        (CookieTimes(0.10, 0.40, 0.40), "unknown"),  # everybody waits for everybody
        (CookieTimes(0.005, 0.020, 0.005), "unknown"),  # too fast
        # Most of the time is the network's: the ratio is 1.6, and yet every call waited for the
        # work on all others.
        (CookieTimes(0.10, 0.16, 0.10, round_trip=0.08), "locked"),
        # A lock would make the last call wait for 60 ms. That is less than one slow packet, so its
        # absence shows nothing.
        (CookieTimes(0.10, 0.10, 0.10, round_trip=0.08), "unknown"),
        (
            CookieTimes(0.16, 0.16, 0.16, round_trip=0.10),
            "unknown",
        ),  # 60 ms of work, and yet more is the network's
        (CookieTimes(0.30, 0.30, 0.30, round_trip=0.10), "not locked"),
        (
            CookieTimes(0.03, 0.03, 0.03),
            "unknown",
        ),  # as of a fast gateway that locks, asked by a busy machine
        (
            CookieTimes(0.10, 0.10, 0.10, round_trip=None),
            "unknown",
        ),  # behind a proxy all of it may be the network's
        (CookieTimes(0.10, 0.40, 0.10, round_trip=None), "locked"),
        (CookieTimes(0.10, 0.40, 0.10, round_trip=0.20), "unknown"),
    ],
)
def test_cookie_lock_is_judged_by_the_delay_it_would_cause(
    times: CookieTimes, outcome: str
) -> None:
    finding = assessment.assess_cookie(times)
    assert finding.facts["outcome"] == outcome
    assert finding.mark is (Mark.NOTE if outcome == "unknown" else Mark.OK)
    assert finding.text.startswith(outcome)


@pytest.mark.parametrize(
    ("step", "goes_on"),
    [
        (Step(1, 3, 6.0), True),
        (Step(1, 3, 6.1), False),
        (Step(4, 8, 4.0), True),
        (Step(4, 8, 4.1), False),
        (Step(4, error=smsgate.NotAuthorised("no")), False),
    ],
)
def test_slow_gateway_is_not_measured_for_minutes(step: Step, goes_on: bool) -> None:
    assert assessment.worth_climbing(step) is goes_on


def climbed(*rates: float) -> list[Step]:
    return [
        Step(at_once, 10, 10 / rate)
        for at_once, rate in zip(assessment.LADDER, rates, strict=False)
    ]


@pytest.mark.parametrize(
    ("rates", "useful"),
    [
        ((10, 20, 40, 80), 8),
        ((10, 20, 40, 44), 4),
        ((10, 20, 22, 22.9), 2),
        ((10, 11, 11, 10), 1),
        ((10, 9, 30, 31), 4),  # one slow step is no reason to stop
        ((10, 8), 1),
    ],
)
def test_more_logins_help_while_throughput_grows_by_15_per_cent(
    rates: tuple[float, ...], useful: int
) -> None:
    assert assessment.useful_concurrency(climbed(*rates)) == useful


@pytest.mark.parametrize(
    ("rates", "configured", "broken", "setting"),
    [
        ((10, 20, 40, 80), 8, False, ""),
        ((10, 20, 40, 80), 4, False, "SMSGATE_CONCURRENCY=8"),
        ((10, 20, 40, 80), 16, False, ""),  # beyond what was tried
        ((10, 11, 11, 10), 4, False, ""),  # idle sessions do no harm
        ((10,), 4, True, "SMSGATE_CONCURRENCY=1"),  # a second login ends the first
        ((10, 20), 1, True, "SMSGATE_CONCURRENCY=2"),
        ((300, 600), 1, False, ""),  # the noise of this machine
    ],
)
def test_advice_for_concurrency(
    rates: tuple[float, ...], configured: int, broken: bool, setting: str
) -> None:
    steps = climbed(*rates)
    if broken:
        steps.append(Step(steps[-1].concurrency * 2, error=smsgate.NotAuthorised("no")))
    finding = assessment.assess_concurrency(steps, configured, "no")
    assert finding.setting == setting
    assert bool(finding.advice) == bool(setting)


@pytest.mark.parametrize(
    ("url", "shown", "https"),
    [
        (
            "http://turbosms.in.ua/api/soap.html",
            "http://turbosms.in.ua/api/soap.html",
            "https://turbosms.in.ua/api/soap.html",
        ),
        ("http://u:p@h:8080/a?k=v#f", "http://h:8080/a", "https://h/a"),
        ("http://[::1]:80/a", "http://[::1]:80/a", "https://[::1]/a"),
        ("https://h/a", "https://h/a", None),
    ],
)
def test_address_is_shown_without_possible_secrets(url: str, shown: str, https: str | None) -> None:
    assert assessment.shown_address(url) == shown
    assert assessment.https_address(url) == https


DEADLINES = smsgate.Timeouts(connect=9.0, read=30.0)


@pytest.mark.parametrize(
    ("finding", "mark", "setting"),
    [
        (assessment.assess_address("http://h.example/", "h"), Mark.NOTE, ""),
        (assessment.assess_address("http://127.0.0.1/", "h"), Mark.OK, ""),
        (assessment.assess_address("https://h.example/", "h"), Mark.OK, ""),
        (
            assessment.assess_https("https://h/", "https://h/", None),
            Mark.NOTE,
            "SMSGATE_URL=https://h/",
        ),
        (assessment.assess_https("https://h/", "https://h/", "refused"), Mark.OK, ""),
        (assessment.assess_connection(3.0, DEADLINES, "it"), Mark.OK, ""),
        (assessment.assess_connection(3.1, DEADLINES, "it"), Mark.NOTE, "timeouts"),
        (assessment.assess_answer_time(5.0, DEADLINES), Mark.OK, ""),
        (assessment.assess_answer_time(5.1, DEADLINES), Mark.NOTE, "timeouts"),
        (assessment.assess_certificate("TLSv1.3", 14), Mark.OK, ""),
        (assessment.assess_certificate("TLSv1.3", 13), Mark.NOTE, "the certificate"),
        (assessment.assess_certificate("TLSv1.3", None), Mark.NOTE, "verify"),
        (assessment.assess_clock(30), Mark.OK, ""),
        (assessment.assess_clock(31), Mark.NOTE, "the clock of this machine"),
        (assessment.assess_clock(-31), Mark.NOTE, "the clock of this machine"),
        (assessment.assess_credits(Decimal("0.5"), show=False), Mark.OK, ""),
        (assessment.assess_credits(Decimal(0), show=False), Mark.PROBLEM, "the account"),
        (assessment.assess_credits(Decimal(-5), show=False), Mark.PROBLEM, "the account"),
        (assessment.assess_status(DeliveryState.NOT_FOUND), Mark.OK, ""),
        (assessment.assess_status(DeliveryState.UNRECOGNISED), Mark.PROBLEM, ""),
        (assessment.assess_status(DeliveryState.UNKNOWN), Mark.NOTE, ""),
        (assessment.assess_environment_proxies(None, []), Mark.OK, ""),
        (assessment.assess_environment_proxies(None, ["ALL_PROXY"]), Mark.NOTE, ""),
        (
            assessment.failed("login", smsgate.BadCredentials("x"), "x"),
            Mark.PROBLEM,
            "SMSGATE_LOGIN, SMSGATE_PASSWORD",
        ),
        (
            assessment.failed("login", smsgate.AccountSuspended("x"), "x"),
            Mark.PROBLEM,
            "the account",
        ),
        (assessment.failed("TLS", smsgate.NotSent("x"), "x"), Mark.PROBLEM, "verify"),
        (assessment.failed("connection", smsgate.NotSent("x"), "x"), Mark.PROBLEM, "SMSGATE_URL"),
        (
            assessment.failed("login", smsgate.InDoubt("x", reason=smsgate.Reason.TIMED_OUT), "x"),
            Mark.PROBLEM,
            "timeouts",
        ),
        (
            assessment.failed("status", smsgate.InDoubt("x", reason=smsgate.Reason.FAULT), "x"),
            Mark.PROBLEM,
            "SMSGATE_URL",
        ),
        (
            assessment.failed(
                "status", smsgate.InDoubt("x", reason=smsgate.Reason.CONNECTION_LOST), "x"
            ),
            Mark.PROBLEM,
            "the connection",
        ),
        (
            assessment.failed(
                "status", smsgate.InDoubt("x", reason=smsgate.Reason.UNRECOGNISED), "x"
            ),
            Mark.PROBLEM,
            "",
        ),
    ],
)
def test_measurement_has_one_verdict(finding: Finding, mark: Mark, setting: str) -> None:
    assert (finding.mark, finding.setting) == (mark, setting)
    assert not (mark is Mark.PROBLEM and finding.error is None)


@pytest.mark.parametrize("proxied", [False, True], ids=["directly", "through a proxy"])
@pytest.mark.parametrize("kind", [smsgate.NotSent, smsgate.InDoubt])
@pytest.mark.parametrize("reason", smsgate.Reason)
def test_each_reason_has_its_own_advice(reason: smsgate.Reason, kind: Any, proxied: bool) -> None:
    finding = assessment.failed("login", kind("x", reason=reason), "x", proxied=proxied)
    assert finding.advice
    assert finding.setting or reason is smsgate.Reason.UNRECOGNISED


@pytest.mark.parametrize(
    ("reason", "setting"),
    [
        (smsgate.Reason.NO_CONNECTION, "SMSGATE_PROXY"),
        (smsgate.Reason.TIMED_OUT, "SMSGATE_PROXY"),
        (smsgate.Reason.PROXY_REFUSED, "SMSGATE_PROXY"),
        (smsgate.Reason.NO_FREE_CONNECTION, "http_client"),
        (smsgate.Reason.CLIENT_FAILED, "http_client"),
        (smsgate.Reason.NOT_SAVED, "the gateway"),
    ],
)
def test_proxy_is_blamed_only_for_connection_faults(reason: smsgate.Reason, setting: str) -> None:
    assert (
        assessment.failed("login", smsgate.NotSent("x", reason=reason), "x", proxied=True).setting
        == setting
    )


def test_status_check_uses_an_id_that_no_gateway_gives() -> None:
    assert UUID(NO_MESSAGE).version == 4
    assert set(NO_MESSAGE) == set("048-")
