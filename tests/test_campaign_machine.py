"""The journal as a state machine that hypothesis drives.

Whatever is done to it, in any order, no recipient leaves the table of transitions, and only a
decision of the operator leads to a second send (docs: campaigns, "States").
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import campaign_child
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from soak import count

from smsgate.campaign import (
    TRANSITIONS,
    Campaign,
    Event,
    Journal,
    JournalError,
    RecipientState,
    SqliteJournal,
    Stops,
    rows_source,
)
from smsgate.ledger.records import Claim, RecipientOutcome, RequestEnd
from smsgate.ledger.sqlite.sqlite_stop_list import SqliteStopList
from smsgate.protocol.answers import DeliveryState

pytestmark = pytest.mark.unmeasured

S = RecipientState
NUMBERS = [f"+38050111111{digit}" for digit in range(8)]
ID = "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"
OUTCOMES = [row.event for row in TRANSITIONS if row.source is S.IN_FLIGHT]
WORDS = [row.event for row in TRANSITIONS if row.operator]
EDGES = {(row.source, row.event): row.target for row in TRANSITIONS}


class JournalMachine(RuleBasedStateMachine):
    """What the journal must be at each moment, beside the journal itself."""

    claims: Bundle[Claim] = Bundle("claims")
    journal_class: type[SqliteJournal] = SqliteJournal

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "machine.sms"
        rows = [{"phone": number, "name": "АБ"[place % 2]} for place, number in enumerate(NUMBERS)]
        rows += [{"phone": "nobody", "name": "А"}, {"phone": NUMBERS[0], "name": "А"}]
        self.journal = self.created(rows)
        self.run_number = self.journal.start_run()
        self.states: dict[int, RecipientState] = dict.fromkeys(
            range(1, 9), S.PENDING
        ) | dict.fromkeys((9, 10), S.SKIPPED)
        self.under_way: dict[int, Claim] = {}
        self.may_have_been_sent = Counter[int]()
        self.resent = Counter[int]()
        self.decisions = 0
        self.ids = 0
        self.purged = False
        self.stop_list = SqliteStopList(self.folder / "stop.db", writing=True)
        self.stops = Stops([self.stop_list])
        self.listed = set[int]()

    def created(self, rows: list[dict[str, str]]) -> Journal:
        """Create a campaign and open its journal."""
        Campaign.create(self.path, rows_source(rows), sender="Shop", text="Вітаємо, {name}").close()
        return self.journal_class.open(self.path)

    def teardown(self) -> None:
        self.journal.close()
        self.stop_list.close()
        shutil.rmtree(self.folder)

    def move(self, recipient: int, event: Event) -> None:
        self.states[recipient] = EDGES[self.states[recipient], event]

    # What a run does

    @rule(target=claims, most=st.integers(1, 4))
    def claim(self, most: int) -> Any:
        claim = self.journal.claim(self.run_number, most, stops=self.stops)
        stopped = self.stops.taken()
        self.leave_out_those_on_the_list(stopped)
        if claim is None:
            assert S.PENDING not in self.states.values() or stopped
            return multiple()
        assert not self.listed & {*self.lines_of(claim)}
        assert 1 <= len(claim.recipients) <= most
        for line in self.lines_of(claim):
            self.move(line, Event.CLAIMED)
            self.may_have_been_sent[line] += 1
            assert self.may_have_been_sent[line] <= 1 + self.resent[line]
        self.under_way[claim.request] = claim
        return claim

    def leave_out_those_on_the_list(self, stopped: int) -> None:
        """Move those whom a claim has found on the stop list. The journal says who they are."""
        seen = {one.line: one for one in self.journal.recipients()} if stopped else {}
        gone = [
            line
            for line, state in self.states.items()
            if state is S.PENDING and stopped and seen[line].state is S.ABANDONED
        ]
        assert len(gone) == stopped
        for line in gone:
            assert line in self.listed
            assert seen[line].reason == "on the stop list"
            self.move(line, Event.LISTED)

    def lines_of(self, claim: Claim) -> list[int]:
        """Return the lines of the list that a claim concerns, in its order."""
        return [NUMBERS.index(number) + 1 for _, number in claim.recipients]

    @rule(claim=claims, data=st.data())
    def settle(self, claim: Claim, data: st.DataObject) -> None:
        events = [data.draw(st.sampled_from(OUTCOMES)) for _ in claim.recipients]
        outcomes = [
            RecipientOutcome(
                key,
                event,
                ID if event is Event.ACCEPTED else None,
                "why",
                alone=event is Event.NOT_SENT,
            )
            for (key, _), event in zip(claim.recipients, events, strict=True)
        ]
        if self.under_way.get(claim.request) is not claim:
            self.settle_again(claim, outcomes)
            return
        self.journal.settle(claim, outcomes, RequestEnd("why"))
        del self.under_way[claim.request]
        for line, one in zip(self.lines_of(claim), outcomes, strict=True):
            self.move(line, one.event)
            self.may_have_been_sent[line] -= one.event is Event.NOT_SENT

    def settle_again(self, claim: Claim, outcomes: list[RecipientOutcome]) -> None:
        """Settle a claim that was settled before, or lost with its process."""
        with pytest.raises(JournalError, match="are not in the state"):
            self.journal.settle(claim, outcomes, RequestEnd())

    @rule(claim=consumes(claims), event=st.sampled_from(sorted(set(Event) - set(OUTCOMES))))
    def settle_with_what_no_answer_says(self, claim: Claim, event: Event) -> None:
        with pytest.raises(ValueError, match=r"outcomes: .* is not an outcome of a request"):
            self.journal.settle(
                claim, [RecipientOutcome(key, event) for key, _ in claim.recipients], RequestEnd()
            )
        with pytest.raises(ValueError, match="outcomes: one for each recipient"):
            self.journal.settle(claim, [], RequestEnd())
        if self.under_way.get(claim.request) is claim:
            self.settle_all(claim)

    def settle_all(self, claim: Claim) -> None:
        self.journal.settle(
            claim,
            [RecipientOutcome(key, Event.REFUSED) for key, _ in claim.recipients],
            RequestEnd(),
        )
        del self.under_way[claim.request]
        for line in self.lines_of(claim):
            self.move(line, Event.REFUSED)

    @rule()
    def end_and_begin_again(self) -> None:
        self.journal.close()
        self.journal = self.opened_again()
        lost = [line for claim in self.under_way.values() for line in self.lines_of(claim)]
        assert self.journal.sweep() == len(lost)
        for line in lost:
            self.move(line, Event.IN_DOUBT)
        self.under_way.clear()
        self.run_number = self.journal.start_run()

    def opened_again(self) -> Journal:
        """Open the journal after its process ended."""
        return self.journal_class.open(self.path)

    # What an operator does

    @rule(line=st.integers(1, 8), listed=st.booleans())
    def change_the_stop_list(self, line: int, listed: bool) -> None:
        number = NUMBERS[line - 1]
        if listed:
            self.stop_list.add([number])
            self.listed.add(line)
        else:
            self.stop_list.remove([number])
            self.listed.discard(line)

    @rule(event=st.sampled_from(WORDS), recipient=st.integers(1, 10))
    def decide(self, event: Event, recipient: int) -> None:
        # An id belongs to one recipient, and is told once.
        self.ids += event is Event.FOUND
        found = f"00000000-0000-4000-8000-{self.ids:012}" if event is Event.FOUND else None
        moved = self.journal.resolve(
            event, who="me", note="", request=None, line=recipient, message_id=found
        )
        assert moved == ((self.states[recipient], event) in EDGES)
        if moved:
            self.decisions += 1
            self.move(recipient, event)
            self.resent[recipient] += event is Event.RESEND

    @rule(event=st.sampled_from(sorted(set(Event) - set(WORDS))))
    def decide_what_no_operator_may(self, event: Event) -> None:
        with pytest.raises(ValueError, match="event: "):
            self.journal.resolve(event, who="me", note="", request=None, line=None, message_id=None)

    @rule(recipient=st.integers(1, 10), state=st.sampled_from(DeliveryState))
    def follow(self, recipient: int, state: DeliveryState) -> None:
        self.journal.set_delivery(self.key_of(recipient), state)

    def key_of(self, line: int) -> int:
        """Return the key of the recipient of a line."""
        return line

    @precondition(lambda self: not set(self.states.values()) & {S.PENDING, S.IN_FLIGHT, S.IN_DOUBT})
    @rule()
    def purge(self) -> None:
        self.journal.purge()
        self.purged = True

    # What is always true

    @invariant()
    def everybody_is_where_the_table_says(self) -> None:
        assert self.journal.states() == Counter(self.states.values())
        seen = list(self.journal.recipients())
        if self.purged and not seen:  # a purge in a database deletes the rows
            return
        assert [one.state for one in seen] == [self.states[key] for key in sorted(self.states)]
        for one in seen:
            assert (one.delivery is None) or one.state is S.ACCEPTED

    @invariant()
    def the_unknown_are_listed_with_their_reason(self) -> None:
        recipients = [
            loss
            for request in self.journal.in_doubt()
            for loss in self.journal.recipients_in_doubt(request.id)
        ]
        assert sorted(loss.line for loss in recipients) == [
            key for key, state in self.states.items() if state is S.IN_DOUBT
        ]
        assert all(loss.reason for loss in recipients)

    @invariant()
    def every_decision_is_written_down(self) -> None:
        assert len(self.journal.figures().decisions) == self.decisions


EFFORT = settings(max_examples=count(short=20, full=100), stateful_step_count=40)


def test_journal_follows_the_transition_table():
    run_state_machine_as_test(JournalMachine, settings=EFFORT)


@pytest.mark.parametrize("bug", ["in flight put back to pending", "one in doubt retried"])
def test_planted_bug_is_found(bug: str):
    class Buggy(JournalMachine):
        journal_class = campaign_child.BUGS[bug][0]

    with pytest.raises(AssertionError):
        # The shortest way to it is of no interest here.
        run_state_machine_as_test(
            Buggy, settings=settings(EFFORT, phases=[Phase.generate], report_multiple_bugs=False)
        )
