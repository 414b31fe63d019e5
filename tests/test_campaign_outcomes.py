"""What an answer, or the lack of one, means for each recipient of a campaign and for the run."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from smsgate import errors
from smsgate.campaign import Event, Text
from smsgate.campaign.outcomes import RequestOutcome, Trouble, outcome_of_answer, outcome_of_error
from smsgate.errors import Outcome, Reason, ReplyEvidence
from smsgate.ledger.records import Claim, RecipientOutcome, RequestEnd
from smsgate.protocol.answers import Answer, ClassifiedAnswer
from smsgate.protocol.models import Message, RecipientResult, SendResult

TEXT = Text("Shop", "Hello", None)
NUMBERS = ("+380501110001", "+380501110002", "+380501110003")
ONE, TWO, THREE = NUMBERS


def claim(count: int, *, alone: int = 0) -> Claim:
    return Claim(1, TEXT, alone, tuple(enumerate(NUMBERS[:count], start=1)))


def events(outcome: RequestOutcome) -> list[Event]:
    return [outcome.event for outcome in outcome.recipients]


def reasons(outcome: RequestOutcome) -> list[str | None]:
    return [outcome.reason for outcome in outcome.recipients]


def result(*slots: RecipientResult) -> SendResult:
    return SendResult(
        text="raw", answers=(ClassifiedAnswer(answer=Answer.SENT, text="raw"),), recipients=slots
    )


def accepted(number: str, message_id: str) -> RecipientResult:
    return RecipientResult(destination=number, outcome=Outcome.ACCEPTED, message_id=message_id)


def refused(number: str, answer: Answer, reason: str = "no") -> RecipientResult:
    return RecipientResult(
        destination=number, outcome=Outcome.REFUSED, answer=answer, reason=reason
    )


def in_doubt(number: str) -> RecipientResult:
    return RecipientResult(destination=number, outcome=Outcome.IN_DOUBT)


ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"


def test_each_recipient_gets_the_outcome_of_its_own_slot():
    slots = (
        accepted(ONE, ID),
        refused(TWO, Answer.BAD_DESTINATION, f"bad number {TWO}"),
        in_doubt(THREE),
    )
    outcome = outcome_of_answer(claim(3), result(*slots))
    assert outcome.recipients == (
        RecipientOutcome(1, Event.ACCEPTED, ID),
        RecipientOutcome(2, Event.REFUSED, None, "bad number +380*****0002"),
        RecipientOutcome(3, Event.IN_DOUBT),
    )
    assert outcome.end == RequestEnd(
        "the answer does not give the outcome of some recipients", 200, b"raw"
    )
    assert (outcome.in_doubt, outcome.trouble) == (True, Trouble.NONE)


def test_complete_answer_keeps_no_raw_reply():
    outcome = outcome_of_answer(claim(1), result(accepted(ONE, ID)))
    assert (outcome.end, outcome.trouble, outcome.in_doubt) == (
        RequestEnd(None, 200, None),
        Trouble.NONE,
        False,
    )


def test_unpaid_recipient_is_pending_again_and_the_run_pauses():
    outcome = outcome_of_answer(
        claim(2), result(accepted(ONE, ID), refused(TWO, Answer.NOT_ENOUGH_CREDITS))
    )
    assert events(outcome) == [Event.ACCEPTED, Event.NOT_SENT]
    assert reasons(outcome) == [None, None]
    assert outcome.trouble is Trouble.PAUSE
    assert outcome.why == "the account does not have enough credits. Top up the account."


def test_unsent_request_is_pending_again_and_the_run_waits():
    outcome = outcome_of_error(claim(2), errors.NotSent("no route"), left=True)
    assert (events(outcome), reasons(outcome)) == ([Event.NOT_SENT] * 2, [None] * 2)
    assert (outcome.trouble, outcome.why, outcome.unforeseen) == (Trouble.WAIT, "no route", False)


USELESS = (Reason.CLOSED, Reason.NOT_OPEN, Reason.OTHER_EVENT_LOOP)
"""With a session in this state, waiting helps nobody."""


@pytest.mark.parametrize(
    ("reason", "trouble"),
    [
        (
            reason,
            {Reason.OUTCOME_UNKNOWN: Trouble.NONE, **dict.fromkeys(USELESS, Trouble.PAUSE)}.get(
                reason, Trouble.WAIT
            ),
        )
        for reason in Reason
    ],
    ids=list(Reason),
)
def test_lost_answer_puts_all_in_doubt_and_keeps_the_reply(reason: Reason, trouble: Trouble):
    error = errors.InDoubt("lost", reason=reason, evidence=ReplyEvidence(502, 4, (), b"<htm"))
    outcome = outcome_of_error(claim(2), error, left=True)
    assert (events(outcome), reasons(outcome)) == ([Event.IN_DOUBT] * 2, ["lost"] * 2)
    assert outcome.end == RequestEnd("lost", 502, b"<htm")
    assert (outcome.trouble, outcome.in_doubt) == (trouble, True)
    assert outcome_of_error(
        claim(1), errors.InDoubt("lost", reason=reason), left=True
    ).end == RequestEnd("lost", None, None)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.NotEnoughCredits, "Top up the account"),
        (errors.BadCredentials, "Use the login and the password of the gateway"),
        (errors.AccountSuspended, "Contact the provider"),
        (errors.NotAuthorised, "another program"),
        (errors.SenderForbidden, "Ask for approval of the sender"),
        (errors.BadSender, "a sender that is listed on the provider's website"),
        (errors.MissingParameters, "Please report it"),
    ],
)
@pytest.mark.parametrize("text", ["the gateway's words", ""])
def test_refusal_of_the_account_pauses_and_rejects_nobody(
    error: type[errors.Refused], advice: str, text: str
):
    outcome = outcome_of_error(claim(2), error("it refused", text=text), left=True)
    assert (events(outcome), reasons(outcome)) == ([Event.NOT_SENT] * 2, [None] * 2)
    assert not any(outcome.alone for outcome in outcome.recipients)
    assert outcome.trouble is Trouble.PAUSE
    assert advice in outcome.why
    assert f" ({text or 'it refused'}). " in outcome.why


@pytest.mark.parametrize("error", [errors.BadDestination, errors.GatewayFailure, errors.Refused])
def test_one_sentence_for_several_recipients_has_each_tried_alone(error: type[errors.Refused]):
    outcome = outcome_of_error(claim(2), error("it refused", text="no"), left=True)
    assert outcome.recipients == (
        RecipientOutcome(1, Event.NOT_SENT, alone=True),
        RecipientOutcome(2, Event.NOT_SENT, alone=True),
    )
    assert (outcome.end, outcome.trouble) == (RequestEnd("no"), Trouble.NONE)


def test_sentence_for_each_recipient_is_its_reason():
    outcome = outcome_of_error(
        claim(2), errors.BadDestination("it refused", reasons=("bad", "worse")), left=True
    )
    assert outcome.recipients == (
        RecipientOutcome(1, Event.REFUSED, reason="bad"),
        RecipientOutcome(2, Event.REFUSED, reason="worse"),
    )


@pytest.mark.parametrize(("text", "reason"), [("no", "no"), ("", "it refused")])
def test_one_refused_recipient_gets_the_gateways_sentence(text: str, reason: str):
    outcome = outcome_of_error(claim(1), errors.BadDestination("it refused", text=text), left=True)
    assert outcome.recipients == (RecipientOutcome(1, Event.REFUSED, reason=reason),)
    assert outcome.trouble is Trouble.NONE


@pytest.mark.parametrize("alone", range(5))
def test_failing_gateway_gets_three_attempts_per_recipient(alone: int):
    outcome = outcome_of_error(
        claim(1, alone=alone), errors.GatewayFailure("it failed", text="not saved"), left=True
    )
    if alone < 3:
        assert outcome.recipients == (RecipientOutcome(1, Event.NOT_SENT, alone=True),)
        assert (outcome.trouble, outcome.why) == (Trouble.WAIT, "it failed")
    else:
        assert outcome.recipients == (RecipientOutcome(1, Event.REFUSED, reason="not saved"),)
        assert outcome.trouble is Trouble.NONE


def test_invalid_message_is_refused_without_quoting_its_text():
    with pytest.raises(ValidationError) as caught:
        Message(sender="Shop", destinations="+380501110001", text="zymurgy\x00")
    outcome = outcome_of_error(claim(1), caught.value, left=True)
    assert events(outcome) == [Event.REFUSED]
    assert outcome.end.reason == reasons(outcome)[0]
    assert outcome.end.reason
    assert "zymurgy" not in outcome.end.reason
    assert not outcome.unforeseen


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), RuntimeError("zymurgy"), GeneratorExit()],
    ids=lambda e: type(e).__name__,
)
def test_unforeseen_error_puts_all_in_doubt_and_is_raised(
    error: BaseException,
):
    outcome = outcome_of_error(claim(2), error, left=True)
    assert events(outcome) == [Event.IN_DOUBT] * 2
    assert reasons(outcome) == ["interrupted while the request was in flight"] * 2
    assert outcome.unforeseen


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), RuntimeError("zymurgy"), GeneratorExit()],
    ids=lambda e: type(e).__name__,
)
def test_unforeseen_error_before_sending_leaves_all_pending(
    error: BaseException,
):
    outcome = outcome_of_error(claim(2), error, left=False)
    assert events(outcome) == [Event.NOT_SENT] * 2
    assert outcome.end.reason == "interrupted before any byte of the request went out"
    assert outcome.unforeseen
    assert not outcome.in_doubt
