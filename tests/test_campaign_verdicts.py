"""What the answer to a request, or the lack of one, means for each recipient of a campaign and for the run."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from smsgate import errors
from smsgate.campaign import Event, Text
from smsgate.campaign.journal import BatchEnd, Claim, Verdict
from smsgate.campaign.verdicts import Judgement, Trouble, judge, judge_error
from smsgate.errors import Evidence, Reason
from smsgate.protocol.answers import Answer, ClassifiedAnswer
from smsgate.protocol.models import Message, RecipientResult, SendResult

TEXT = Text("Shop", "Hello", None)
NUMBERS = ("+380501110001", "+380501110002", "+380501110003")
ONE, TWO, THREE = NUMBERS


def claim(count: int, *, alone: int = 0) -> Claim:
    return Claim(1, TEXT, alone, tuple(enumerate(NUMBERS[:count], start=1)))


def events(judgement: Judgement) -> list[Event]:
    return [verdict.event for verdict in judgement.verdicts]


def reasons(judgement: Judgement) -> list[str | None]:
    return [verdict.reason for verdict in judgement.verdicts]


def result(*slots: RecipientResult) -> SendResult:
    return SendResult(text="raw", answers=(ClassifiedAnswer(answer=Answer.SENT, text="raw"),), recipients=slots)


def accepted(number: str, message_id: str) -> RecipientResult:
    return RecipientResult(destination=number, accepted=True, message_id=message_id)


def refused(number: str, answer: Answer, reason: str = "no") -> RecipientResult:
    return RecipientResult(destination=number, accepted=False, answer=answer, reason=reason)


def in_doubt(number: str) -> RecipientResult:
    return RecipientResult(destination=number, accepted=None)


ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"


def test_each_recipient_gets_the_verdict_of_its_own_slot():
    slots = (accepted(ONE, ID), refused(TWO, Answer.BAD_DESTINATION, f"bad number {TWO}"), in_doubt(THREE))
    judgement = judge(claim(3), result(*slots))
    assert judgement.verdicts == (
        Verdict(1, Event.ACCEPTED, ID),
        Verdict(2, Event.REJECTED, None, "bad number +380*****0002"),
        Verdict(3, Event.LOST),
    )
    assert judgement.end == BatchEnd("the answer does not say what became of some", 200, b"raw")
    assert (judgement.lost, judgement.trouble) == (True, Trouble.NONE)


def test_an_answer_that_says_everything_keeps_no_raw_reply():
    judgement = judge(claim(1), result(accepted(ONE, ID)))
    assert (judgement.end, judgement.trouble, judgement.lost) == (BatchEnd(None, 200, None), Trouble.NONE, False)


def test_a_recipient_that_was_not_paid_for_is_pending_again_and_the_run_pauses():
    judgement = judge(claim(2), result(accepted(ONE, ID), refused(TWO, Answer.NOT_ENOUGH_CREDITS)))
    assert events(judgement) == [Event.ACCEPTED, Event.NOT_SENT]
    assert reasons(judgement) == [None, None]
    assert judgement.trouble is Trouble.PAUSE
    assert "top it up" in judgement.why


def test_what_did_not_leave_is_pending_again_and_the_run_waits():
    judgement = judge_error(claim(2), errors.NotSent("no route"), left=True)
    assert (events(judgement), reasons(judgement)) == ([Event.NOT_SENT] * 2, [None] * 2)
    assert (judgement.trouble, judgement.why, judgement.unforeseen) == (Trouble.WAIT, "no route", False)


USELESS = (Reason.CLOSED, Reason.NOT_OPEN, Reason.OTHER_EVENT_LOOP)
"""With a session in this state, waiting helps nobody."""


@pytest.mark.parametrize(
    ("reason", "trouble"),
    [
        (reason, {Reason.OUTCOME_UNKNOWN: Trouble.NONE, **dict.fromkeys(USELESS, Trouble.PAUSE)}.get(reason, Trouble.WAIT))
        for reason in Reason
    ],
    ids=list(Reason),
)
def test_a_lost_answer_makes_everybody_unknown_and_keeps_what_came(reason: Reason, trouble: Trouble):
    error = errors.InDoubt("lost", reason=reason, evidence=Evidence(502, 4, (), b"<htm"))
    judgement = judge_error(claim(2), error, left=True)
    assert (events(judgement), reasons(judgement)) == ([Event.LOST] * 2, ["lost"] * 2)
    assert judgement.end == BatchEnd("lost", 502, b"<htm")
    assert (judgement.trouble, judgement.lost) == (trouble, True)
    assert judge_error(claim(1), errors.InDoubt("lost", reason=reason), left=True).end == BatchEnd("lost", None, None)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.NotEnoughCredits, "top it up"),
        (errors.BadCredentials, "correct them"),
        (errors.AccountSuspended, "talk to the provider"),
        (errors.NotAuthorised, "another program"),
        (errors.SenderForbidden, "have it approved"),
        (errors.BadSender, "a signature that the account lists"),
        (errors.MissingParameters, "please report it"),
    ],
)
@pytest.mark.parametrize("text", ["the gateway's words", ""])
def test_a_refusal_of_the_account_pauses_and_nobody_is_rejected(error: type[errors.Refused], advice: str, text: str):
    judgement = judge_error(claim(2), error("it refused", text=text), left=True)
    assert (events(judgement), reasons(judgement)) == ([Event.NOT_SENT] * 2, [None] * 2)
    assert not any(verdict.alone for verdict in judgement.verdicts)
    assert judgement.trouble is Trouble.PAUSE
    assert advice in judgement.why
    assert judgement.why.endswith(f"({text or 'it refused'})")


@pytest.mark.parametrize("error", [errors.BadDestination, errors.GatewayFailure, errors.Refused])
def test_one_sentence_for_several_recipients_has_each_tried_alone(error: type[errors.Refused]):
    judgement = judge_error(claim(2), error("it refused", text="no"), left=True)
    assert judgement.verdicts == (Verdict(1, Event.NOT_SENT, alone=True), Verdict(2, Event.NOT_SENT, alone=True))
    assert (judgement.end, judgement.trouble) == (BatchEnd("no"), Trouble.NONE)


def test_a_sentence_for_each_recipient_is_its_reason():
    judgement = judge_error(claim(2), errors.BadDestination("it refused", reasons=("bad", "worse")), left=True)
    assert judgement.verdicts == (Verdict(1, Event.REJECTED, reason="bad"), Verdict(2, Event.REJECTED, reason="worse"))


@pytest.mark.parametrize(("text", "reason"), [("no", "no"), ("", "it refused")])
def test_one_recipient_that_is_refused_is_rejected_in_the_words_of_the_gateway(text: str, reason: str):
    judgement = judge_error(claim(1), errors.BadDestination("it refused", text=text), left=True)
    assert judgement.verdicts == (Verdict(1, Event.REJECTED, reason=reason),)
    assert judgement.trouble is Trouble.NONE


@pytest.mark.parametrize("alone", range(5))
def test_a_gateway_that_fails_is_given_three_tries_for_one_recipient(alone: int):
    judgement = judge_error(claim(1, alone=alone), errors.GatewayFailure("it failed", text="not saved"), left=True)
    if alone < 3:
        assert judgement.verdicts == (Verdict(1, Event.NOT_SENT, alone=True),)
        assert (judgement.trouble, judgement.why) == (Trouble.WAIT, "it failed")
    else:
        assert judgement.verdicts == (Verdict(1, Event.REJECTED, reason="not saved"),)
        assert judgement.trouble is Trouble.NONE


def test_a_message_that_cannot_be_made_is_rejected_and_its_text_is_not_told():
    with pytest.raises(ValidationError) as caught:
        Message(sender="Shop", destinations="+380501110001", text="zymurgy\x00")
    judgement = judge_error(claim(1), caught.value, left=True)
    assert events(judgement) == [Event.REJECTED]
    assert judgement.end.reason == reasons(judgement)[0]
    assert judgement.end.reason
    assert "zymurgy" not in judgement.end.reason
    assert not judgement.unforeseen


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("zymurgy"), GeneratorExit()], ids=lambda e: type(e).__name__)
def test_what_nobody_foresaw_makes_everybody_unknown_and_goes_on_to_the_caller(error: BaseException):
    judgement = judge_error(claim(2), error, left=True)
    assert events(judgement) == [Event.LOST] * 2
    assert reasons(judgement) == ["interrupted while the request was under way"] * 2
    assert judgement.unforeseen


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("zymurgy"), GeneratorExit()], ids=lambda e: type(e).__name__)
def test_what_nobody_foresaw_before_anything_had_left_leaves_everybody_pending(error: BaseException):
    judgement = judge_error(claim(2), error, left=False)
    assert events(judgement) == [Event.NOT_SENT] * 2
    assert judgement.end.reason == "interrupted before anything of the request had left"
    assert judgement.unforeseen
    assert not judgement.lost
