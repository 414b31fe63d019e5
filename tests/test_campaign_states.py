"""The table of transitions, typed here once more (docs: campaigns, "States")."""

from __future__ import annotations

import pytest

from smsgate.ledger.states import (
    ENTRIES,
    FINAL,
    LATE,
    OPERATOR_EVENTS,
    TRANSITIONS,
    Event,
    RecipientState,
    after,
    before,
)

S = RecipientState


def test_only_the_operator_resolves_doubt_and_cancels_pending():
    """A late answer to the same request is no decision: it is what the gateway said."""
    assert {
        (row.event, row.target)
        for row in TRANSITIONS
        if row.source is S.IN_DOUBT and not row.operator
    } == {(Event.ACCEPTED_LATE, S.ACCEPTED), (Event.REFUSED_LATE, S.REFUSED)}
    assert {
        (row.source, row.target)
        for row in TRANSITIONS
        if row.operator and row.source is not S.IN_DOUBT
    } == {(S.PENDING, S.ABANDONED)}


def test_pending_is_reached_only_by_proof_or_the_operator():
    assert {(row.source, row.event) for row in TRANSITIONS if row.target is S.PENDING} == {
        (S.IN_FLIGHT, Event.NOT_SENT),
        (S.IN_DOUBT, Event.RESEND),
    }


def test_only_pending_recipients_are_sent_to():
    assert [row.source for row in TRANSITIONS if row.target is S.IN_FLIGHT] == [S.PENDING]


def test_pending_leaves_without_a_claim_only_unsent_or_in_doubt():
    assert {
        (row.event, row.target, row.operator)
        for row in TRANSITIONS
        if row.source is S.PENDING and row.event is not Event.CLAIMED
    } == {
        (Event.EXPIRED, S.SKIPPED, False),
        (Event.LISTED, S.ABANDONED, False),
        (Event.FAILED_OVER, S.IN_DOUBT, False),
        (Event.CANCEL, S.ABANDONED, True),
    }


@pytest.mark.parametrize(("event", "late"), LATE.items())
def test_late_answer_leads_where_the_answer_in_time_leads(event: Event, late: Event):
    assert (before(event), before(late)) == (S.IN_FLIGHT, S.IN_DOUBT)
    assert after(S.IN_FLIGHT, event) is after(S.IN_DOUBT, late)
    assert not {event, late} & set(OPERATOR_EVENTS)


def test_each_state_can_be_reached_and_final_ones_not_left():
    assert {row.target for row in TRANSITIONS} | set(ENTRIES) == set(S)
    assert set(FINAL) == {S.SKIPPED, S.ACCEPTED, S.REFUSED, S.ASSUMED_SENT, S.ABANDONED}


@pytest.mark.parametrize("event", Event)
def test_event_has_one_source_and_one_target(event: Event):
    (row,) = [row for row in TRANSITIONS if row.event is event]
    assert (before(event), after(row.source, event)) == (row.source, row.target)


def test_impossible_event_is_an_error():
    with pytest.raises(
        ValueError, match="event: resend cannot happen to a recipient that is accepted"
    ):
        after(S.ACCEPTED, Event.RESEND)
