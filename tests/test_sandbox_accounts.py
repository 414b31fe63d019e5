"""Several accounts of the sandbox: each has a login, a balance, a state and messages of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import needles
import pytest
from test_cli import start
from test_sandbox import GOOD, OTHER, Answered, User
from test_sandbox_api import call, got

from smsgate.sandbox import AccountRow, AccountState, OtherAccount, Sandbox, Settings

OTHERS = (OtherAccount("promo", needles.PASSWORD, 5), OtherAccount("bank", "pin"))


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(Settings(other_accounts=OTHERS, credits=100)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


class Person(User):
    """Someone of an account."""

    def __init__(self, sandbox: Sandbox, login: str, password: str) -> None:
        super().__init__(sandbox, login=False)
        self.answered: Answered = self.call("Auth", login=login, password=password)
        self.cookie = self.answered.cookie


def balances(sandbox: Sandbox) -> dict[str, Decimal]:
    return {row.login: row.balance for row in sandbox.accounts}


def test_each_account_pays_from_its_own_balance(sandbox: Sandbox):
    promo = Person(sandbox, "promo", needles.PASSWORD)
    User(sandbox).send(f"{GOOD},{OTHER}")
    promo.send(GOOD)
    assert balances(sandbox) == {"sandbox": 98, "promo": 4, "bank": 10_000}
    assert promo.call("GetCreditBalance").result == "4"
    assert "кредитов для отправки" in promo.send(",".join(f"+3806700000{n}" for n in "12345")).text
    assert [message.account for message in sandbox.messages] == ["sandbox", "sandbox", "promo"]


@pytest.mark.parametrize(
    ("login", "password"),
    [("promo", "sandbox"), ("promo", "pin"), ("bank", needles.PASSWORD), ("PROMO", "pin"),
     ("nobody", "sandbox")],
)  # fmt: skip
def test_password_of_another_account_is_wrong(login: str, password: str, sandbox: Sandbox):
    person = Person(sandbox, login, password)
    assert person.answered.result == "Неверный логин или пароль"
    assert person.call("GetCreditBalance").result == "Вы не авторизованы"


def test_account_does_not_see_messages_of_others(sandbox: Sandbox):
    mine, promo = User(sandbox), Person(sandbox, "promo", needles.PASSWORD)
    (_, id_) = mine.send().slots
    (_, own) = promo.send().slots
    assert promo.call("GetNewMessages").slots == [own]
    assert mine.call("GetNewMessages").slots == [id_]
    assert str(id_) in promo.status(str(id_))
    assert mine.status(str(id_)) == "Отправлено"


def test_session_can_log_in_to_another_account(sandbox: Sandbox):
    user = User(sandbox)
    user.call("Auth", login="bank", password="pin")
    assert user.call("GetCreditBalance").result == "10000"


def test_blocked_account_ends_only_its_own_sessions(sandbox: Sandbox):
    mine, promo = User(sandbox), Person(sandbox, "promo", needles.PASSWORD)
    sandbox.set_account("promo", state=AccountState.BLOCKED)
    assert promo.call("GetCreditBalance").result == "Вы не авторизованы"
    assert mine.call("GetCreditBalance").result == "100"
    assert Person(sandbox, "promo", needles.PASSWORD).answered.result != (
        "Вы успешно авторизировались"
    )
    assert [row.state for row in sandbox.accounts] == ["active", "blocked", "active"]


def test_api_lists_accounts_and_sets_one(sandbox: Sandbox):
    assert got(sandbox, "/sandbox/accounts")["accounts"][1] == {
        "login": "promo",
        "account": "active",
        "balance": "5",
    }
    body = {"balance": "7.5", "account": "disabled"}
    state = got(sandbox, "/sandbox/accounts/promo", "PUT", body)
    assert state["accounts"][1] == {"login": "promo", "account": "disabled", "balance": "7.5"}
    assert (state["account"], state["balance"]) == ("active", "100")
    assert sandbox.accounts[1] == AccountRow("promo", AccountState.DISABLED, Decimal("7.5"))
    # The first account is also where it always was.
    assert got(sandbox, "/sandbox/account", "PUT", {"balance": "3"})["balance"] == "3"
    assert got(sandbox, "/sandbox/accounts/sandbox", "PUT", {"balance": "4"})["balance"] == "4"


def test_unknown_account_is_an_error(sandbox: Sandbox):
    assert call(sandbox, "/sandbox/accounts/nobody", "PUT", {"balance": "3"}) == (
        404,
        {"error": "key: no account has this login"},
    )
    with pytest.raises(LookupError, match="no account has this login"):
        sandbox.set_account("nobody", balance=3)


def test_search_finds_the_messages_of_an_account(sandbox: Sandbox):
    User(sandbox).send(GOOD, "mine")
    Person(sandbox, "promo", needles.PASSWORD).send(GOOD, "from promo")
    assert [message.text for message in sandbox.find("account:Promo")] == ["from promo"]
    assert sandbox.find("account:prom") == ()
    assert got(sandbox, "/sandbox/messages?search=account:sandbox")["total"] == 1
    examples = [row["example"] for row in got(sandbox, "/sandbox/tables")["search"]]
    assert "account:promo" in examples


def test_single_account_shows_no_search_for_it():
    with Sandbox() as single:
        examples = [row["example"] for row in got(single, "/sandbox/tables")["search"]]
        assert "account:promo" not in examples
        assert len(got(single, "/sandbox/accounts")["accounts"]) == 1


def test_clear_restores_each_balance(sandbox: Sandbox):
    sandbox.set_account("promo", balance=1, state=AccountState.BLOCKED)
    sandbox.clear()
    assert (balances(sandbox)["promo"], sandbox.accounts[1].state) == (5, AccountState.BLOCKED)
    sandbox.reset()
    assert sandbox.accounts[1].state is AccountState.ACTIVE


def test_passwords_of_other_accounts_are_shown_nowhere(sandbox: Sandbox):
    Person(sandbox, "promo", needles.PASSWORD).send()
    shown = [repr(sandbox.settings), repr(OTHERS), repr(sandbox.accounts)]
    (last, *_) = reversed(sandbox.call_log)
    paths = ("state", "accounts", "account", "messages", "calls", f"calls/{last.number}", "tables")
    shown += [json.dumps(got(sandbox, f"/sandbox/{path}")) for path in paths]
    assert [text for text in shown if needles.PASSWORD in text] == []


BAD: dict[str, Any] = {
    "no tuple": [OtherAccount("promo", "x")],
    "no account": (("promo", "x"),),
    "no login": (OtherAccount("", "x"),),
    "colon": (OtherAccount("a:b", "x"),),
    "slash": (OtherAccount("a/b", "x"),),
    "space": (OtherAccount("a b", "x"),),
    "long": (OtherAccount("a" * 101, "x"),),
    "no password": (OtherAccount("promo", ""),),
    "no credits": (OtherAccount("promo", needles.PASSWORD, Decimal(-1)),),
    "twice": (OtherAccount("promo", "x"), OtherAccount("Promo", "y")),
    "same as the first": (OtherAccount("Sandbox", "x"),),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_accounts_are_an_error_that_names_the_setting(case: str):
    with pytest.raises(ValueError, match=r"^other_accounts: ") as error:
        Settings(other_accounts=BAD[case])
    assert needles.PASSWORD not in str(error.value)


@pytest.mark.smsgate(other_accounts=OTHERS)
def test_marker_gives_the_fixtures_more_accounts(smsgate_server: Sandbox):
    promo = Person(smsgate_server, "promo", needles.PASSWORD)
    promo.send()
    assert smsgate_server.messages[0].account == "promo"


# The command


def test_option_adds_accounts(tmp_path: Any):
    child = start(
        "sandbox", "--json", "--port", "0", cwd=tmp_path,
        SMSGATE_SANDBOX_OTHER_ACCOUNT=f"promo:{needles.PASSWORD}:500;bank:a:b:c:7;plain:word",
    )  # fmt: skip
    assert child.stdout
    line = child.stdout.readline()
    running = json.loads(line)
    assert running["other_logins"] == ["promo", "bank", "plain"]

    class Running:
        url = running["url"]

    there: Any = Running()
    for login, password, balance in (
        ("promo", needles.PASSWORD, "500"),
        ("bank", "a:b:c", "7"),
        ("plain", "word", "10000"),
    ):
        assert Person(there, login, password).call("GetCreditBalance").result == balance
    child.send_signal(signal.SIGTERM)
    out, said = child.communicate(timeout=30)
    assert needles.PASSWORD not in line + out + said


@pytest.mark.parametrize(
    "given", ["promo", "promo:", ":word", "promo:word:many", "promo:word:-1", "sandbox:word",
              "a b:word", f"promo:word:{'9' * 5_000}"],
)  # fmt: skip
def test_bad_account_is_a_usage_error_that_names_the_option(given: str, tmp_path: Any):
    child = start("sandbox", "--port", "0", "--other-account", given, cwd=tmp_path)
    out, said = child.communicate(timeout=30)
    assert (child.returncode, out) == (2, "")
    assert said.startswith("error: other-account: ")
    assert "word" not in said.replace("password", "").replace("PASSWORD", "")
