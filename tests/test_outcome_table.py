"""The table of outcomes:

every error has a row, and a new error is one class and one row, wherever errors are told.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import smsgate
from smsgate import errors
from smsgate._client.observing import end_of_error
from smsgate.campaign import Event, Text
from smsgate.campaign.outcomes import Trouble, outcome_of_error
from smsgate.cli.exits import Exit, exit_of
from smsgate.doctor.assessment import failed
from smsgate.errors import OUTCOMES, REASONS, ErrorRow, Outcome, outcome_of
from smsgate.integrations.fastapi import answer_errors
from smsgate.ledger.records import Claim
from smsgate.protocol.models import Message
from smsgate.protocol.operations import SEND_SMS

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, smsgate.SmsGateError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_each_error_has_a_row_that_agrees_with_the_class(kind: type[smsgate.SmsGateError]):
    row = OUTCOMES[kind]
    assert (
        row.outcome
        in {False: {Outcome.REFUSED, Outcome.NOT_SENT}, None: {Outcome.IN_DOUBT}}[kind.sent]
    )
    assert all(
        text and text[-1] == "."
        for text in (row.advice, row.http_detail, row.next_step(sends=False))
    )
    assert not row.meaning.endswith(".")
    assert not (row.account and row.transient), "what concerns the account does not pass by itself"


def test_each_error_can_be_imported_from_the_package():
    assert {kind.__name__ for kind in CLASSES} <= set(smsgate.__all__)


def test_each_reason_has_a_row():
    assert set(REASONS) == set(smsgate.Reason)
    assert {reason for reason in smsgate.Reason if reason.ends_session} == {
        smsgate.Reason.NOT_OPEN,
        smsgate.Reason.OTHER_EVENT_LOOP,
        smsgate.Reason.CLOSED,
    }


class QuotaReached(smsgate.Refused):
    """The account has sent as much as it may in a day."""


ROW = ErrorRow(
    Outcome.REFUSED,
    "the account has reached its daily limit",
    "Wait until tomorrow.",
    429,
    "No more messages can be sent today.",
    setting="the limit of the account",
    account=True,
)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> smsgate.SmsGateError:
    """A new error: one class and one row."""
    monkeypatch.setitem(OUTCOMES, QuotaReached, ROW)
    return QuotaReached("not today")


def test_command_explains_a_new_error(limit: smsgate.SmsGateError):
    ended = exit_of(limit)
    assert (ended.code, ended.word) == (Exit.REFUSED, "refused")
    assert ended.next_step(sends=True) == "Wait until tomorrow. Nothing was sent."


@pytest.mark.anyio
async def test_web_application_explains_a_new_error(limit: smsgate.SmsGateError):
    app = FastAPI()
    answer_errors(app)

    @app.get("/")
    async def fail() -> None:
        raise limit

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()) == (
        429,
        {"detail": "No more messages can be sent today.", "sent": False},
    )


def test_campaign_pauses_at_a_new_error_of_the_account(limit: smsgate.SmsGateError):
    claim = Claim(1, Text("Shop", "Hi", None), 0, ((1, "+380501111111"),))
    outcome = outcome_of_error(claim, limit, left=True)
    assert (outcome.trouble, outcome.recipients[0].event) == (Trouble.PAUSE, Event.NOT_SENT)
    assert (
        outcome.why == "the account has reached its daily limit (not today). Wait until tomorrow."
    )


def test_doctor_names_the_setting_of_a_new_error(limit: smsgate.SmsGateError):
    assert failed("login", limit, "not today").setting == "the limit of the account"


def test_observer_gets_the_outcome_of_a_new_error(limit: smsgate.SmsGateError):
    message = Message(sender="Shop", destinations="+380501111111", text="Hi")
    end = end_of_error(limit, SEND_SMS, message, left=True)
    assert (end.outcome, end.error, end.recipients) == ("refused", "QuotaReached", {"refused": 1})


def test_class_without_a_row_uses_that_of_its_base():
    class Poorer(smsgate.NotEnoughCredits):
        pass

    assert outcome_of(Poorer(missing=Decimal(1))) is OUTCOMES[smsgate.NotEnoughCredits]


def test_each_promised_outcome_has_its_exit_code():
    codes: dict[str, Any] = {word: word.exit_code for word in Outcome}
    assert codes == {"accepted": 0, "refused": 3, "not sent": 4, "in doubt": 5}
