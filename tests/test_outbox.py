"""The outbox: one key is one message, whoever asks, and whatever is killed.

The sandbox counts what was sent. What the database must do stands in test_outbox_ledger.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from databases import OUTBOXES
from outbox_child import QuickOutbox, number_of
from pydantic import ValidationError

import smsgate
from smsgate.errors import InDoubt, InFlight, KeyReused, NotSent, Reason
from smsgate.ledger.messages import MessageLedger
from smsgate.ledger.states import Event, RecipientState
from smsgate.outbox import LedgerError, Outbox, open_ledger
from smsgate.sandbox import AccountState, Sandbox

NUMBER = "+380501234567"
UNREACHABLE = "+380000000003"
"""A number to which the sandbox cannot send for now."""
TEXT = "Ваш код: 4815"
SOON = 3.0
"""The deadline of a send whose answer is lost, in seconds."""
S = RecipientState


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(params=OUTBOXES)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with OUTBOXES[request.param](request) as outboxes:
        yield outboxes.place


@asynccontextmanager
async def opened(
    sandbox: Sandbox, place: str, *, send: float = 60.0, observer: Any = None, **options: Any
) -> AsyncIterator[Outbox]:
    session = smsgate.AsyncSession(
        "sandbox",
        "sandbox",
        sender="Shop",
        url=sandbox.url,
        timeouts=smsgate.Timeouts(send=send),
        observer=observer,
    )
    async with session, QuickOutbox(session, place, **options) as outbox:
        yield outbox


async def called(sandbox: Sandbox, sends: int) -> None:
    with anyio.fail_after(60):
        while sandbox.calls["SendSMS"] < sends:  # noqa: ASYNC110 - the sandbox serves in a thread
            await anyio.sleep(0.01)


# --- send -----------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_same_key_sends_once_and_returns_the_same(sandbox: Sandbox, place: str):
    async with opened(sandbox, place) as outbox:
        first = await outbox.send(NUMBER, TEXT, key="login:1")
        async with opened(sandbox, place) as another:
            assert await another.send("+38 050 123-45-67", TEXT, key="login:1") == first
        assert await outbox.outcome("login:1") == first
        assert await outbox.outcome("login:2") is None
        assert await outbox.states() == {S.ACCEPTED: 1}
    assert first.state is S.ACCEPTED
    assert [message.id for message in sandbox.messages] == [first.message_id]


@pytest.mark.anyio
async def test_two_callers_with_one_key_at_once_get_one_outcome(sandbox: Sandbox, place: str):
    sandbox.faults.add("slow", operation="SendSMS", seconds=0.3)
    async with opened(sandbox, place) as one, opened(sandbox, place) as two:
        found = list[Any]()

        async def send(outbox: Outbox, wait: bool) -> None:
            try:
                found.append(await outbox.send(NUMBER, TEXT, key="a", wait=wait))
            except InFlight as error:
                found.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, one, True)
            await called(sandbox, 1)
            tasks.start_soon(send, two, True)
            tasks.start_soon(send, two, False)
    assert sorted(isinstance(one, InFlight) for one in found) == [False, False, True]
    assert len({one.message_id for one in found if not isinstance(one, InFlight)}) == 1
    assert len(sandbox.messages) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "change", [{"text": "another"}, {"destination": "+380501234568"}, {"sender": "Bank"}], ids=str
)
async def test_key_of_another_message_is_refused(
    sandbox: Sandbox, place: str, change: dict[str, str]
):
    async with opened(sandbox, place) as outbox:
        await outbox.send(NUMBER, TEXT, key="a")
        with pytest.raises(KeyReused):
            await outbox.send(**{"destination": NUMBER, "text": TEXT, "key": "a"} | change)
    assert len(sandbox.messages) == 1


@pytest.mark.anyio
async def test_lost_answer_is_in_doubt_for_every_caller(sandbox: Sandbox, place: str):
    sandbox.faults.add("silent after", operation="SendSMS", times=1)
    async with opened(sandbox, place, send=SOON) as outbox:
        for _ in range(3):
            with pytest.raises(InDoubt) as caught:
                await outbox.send(NUMBER, TEXT, key="a")
            assert caught.value.reason is Reason.TIMED_OUT
        (message,) = await outbox.in_doubt()
        for event, said in [
            ({"event": Event.FOUND, "who": "Olha"}, "message_id: must be given with Event.FOUND"),
            (
                {"event": Event.FOUND, "who": "Olha", "message_id": "x"},
                "message_id: must be a UUID",
            ),
            ({"event": Event.GIVE_UP, "who": " "}, "who: must not be blank"),
            ({"event": Event.ACCEPTED, "who": "Olha"}, "event: must be one of"),
        ]:
            with pytest.raises(ValueError, match=said):
                await outbox.resolve(message.id, **event)
        resolved = await outbox.resolve(message.id, Event.RESEND, who="Olha", note="not there")
        assert resolved.state is S.PENDING
        assert (await outbox.send(NUMBER, TEXT, key="a")).state is S.ACCEPTED
    assert len(sandbox.messages) == 2


@pytest.mark.anyio
async def test_refusal_of_the_message_is_final(sandbox: Sandbox, place: str):
    async with opened(sandbox, place) as outbox:
        for _ in range(2):
            with pytest.raises(smsgate.BadDestination) as caught:
                await outbox.send("+380000000001", TEXT, key="a")
            assert caught.value.text
        message = await outbox.outcome("a")
    assert message is not None
    assert message.state is S.REFUSED
    assert sandbox.calls["SendSMS"] == 1


@pytest.mark.anyio
async def test_refusal_of_the_account_lets_the_key_be_used_again(sandbox: Sandbox, place: str):
    sandbox.balance = 0
    async with opened(sandbox, place) as outbox:
        with pytest.raises(smsgate.NotEnoughCredits):
            await outbox.send(NUMBER, TEXT, key="a")
        sandbox.balance = 10
        assert (await outbox.send(NUMBER, TEXT, key="a")).attempts == 2
    assert len(sandbox.messages) == 1


@pytest.mark.anyio
async def test_what_was_proven_not_sent_is_sent_by_the_same_key(tmp_path: Path):
    with Sandbox() as gone:
        url = gone.url
    session = smsgate.AsyncSession("sandbox", "sandbox", sender="Shop", url=url)
    async with session, QuickOutbox(session, tmp_path / "sms.db") as outbox:
        with pytest.raises(NotSent):
            await outbox.send(NUMBER, TEXT, key="a")
        message = await outbox.outcome("a")
    assert message is not None
    assert message.state is S.PENDING
    with Sandbox() as sandbox:
        async with opened(sandbox, str(tmp_path / "sms.db")) as outbox:
            assert (await outbox.send(NUMBER, TEXT, key="a")).state is S.ACCEPTED


@pytest.mark.anyio
async def test_cancelled_send_is_recorded(sandbox: Sandbox, place: str):
    async with opened(sandbox, place) as outbox:
        await outbox.send(NUMBER, TEXT, key="first")
        sandbox.faults.add("slow", operation="SendSMS", seconds=5.0)
        before = sandbox.calls["SendSMS"]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: outbox.send(NUMBER, TEXT, key="a"))
            await called(sandbox, before + 1)
            tasks.cancel_scope.cancel()
        message = await outbox.outcome("a")
    assert message is not None
    assert message.state is S.IN_DOUBT


def test_outcome_is_recorded_also_if_asyncio_cancels_before_its_turn(sandbox: Sandbox, place: str):
    async def work() -> None:
        answered, busy = asyncio.Event(), threading.Event()

        class Answers:
            def begin(self, call: smsgate.CallStart) -> Callable[[smsgate.CallEnd], object]:
                return lambda _: answered.set() if call.operation == "SendSMS" else None

        async with opened(sandbox, place, observer=Answers()) as outbox:
            sandbox.faults.add("slow", operation="SendSMS", seconds=0.5)
            sending = asyncio.create_task(outbox.send(NUMBER, TEXT, key="a"))
            await called(sandbox, 1)
            waiting = asyncio.create_task(outbox._steps(busy.wait, 60))
            await asyncio.wait_for(answered.wait(), 60)
            await asyncio.sleep(0.1)
            sending.cancel()
            await asyncio.sleep(0.1)
            busy.set()
            await asyncio.wait([sending, waiting])
            assert sending.cancelled()
            message = await outbox.outcome("a")
            assert message is not None
            assert message.state is S.ACCEPTED

    asyncio.run(work())


def test_id_of_an_outcome_that_could_not_be_recorded_is_logged(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async def work() -> None:
        failing, may_fail = threading.Event(), threading.Event()

        def settle(*_: Any) -> None:
            failing.set()
            assert may_fail.wait(60)
            raise LedgerError("the disk is full")

        async with opened(sandbox, str(tmp_path / "sms.db")) as outbox:
            outbox._opened().settle = settle  # type: ignore[method-assign]  # the fault
            sending = asyncio.create_task(outbox.send(NUMBER, TEXT, key="a"))
            await anyio.to_thread.run_sync(failing.wait, 60)
            sending.cancel()
            await asyncio.sleep(0.05)
            may_fail.set()
            await asyncio.wait([sending])
            assert sending.cancelled()

    asyncio.run(work())
    assert f"message id {sandbox.messages[0].id} (the disk is full)" in caplog.text


@pytest.mark.anyio
async def test_waiting_steps_are_done_before_the_outbox_is_closed(sandbox: Sandbox, place: str):
    added = list[str]()
    async with opened(sandbox, place) as outbox, anyio.create_task_group() as tasks:

        async def add(key: str) -> None:
            added.append((await outbox.add(NUMBER, TEXT, key=key)).key)

        for number in range(5):
            tasks.start_soon(add, str(number))
        await anyio.wait_all_tasks_blocked()
        await outbox.aclose()
    assert sorted(added) == list("01234")


@pytest.mark.anyio
async def test_nothing_leaves_after_not_after(sandbox: Sandbox, place: str):
    sandbox.faults.add("slow", operation="Auth", seconds=0.8)
    async with opened(sandbox, place) as outbox:
        for _ in range(2):
            with pytest.raises(NotSent) as caught:
                await outbox.send(NUMBER, TEXT, key="a", not_after=0.3)
            assert caught.value.reason is Reason.TOO_LATE
        await anyio.sleep(0.3)
        message = await outbox.outcome("a")
    assert message is not None
    assert message.state is S.SKIPPED
    assert sandbox.calls["SendSMS"] == 0


@pytest.mark.anyio
async def test_text_is_forgotten_if_that_is_asked(sandbox: Sandbox, tmp_path: Path):
    path = tmp_path / "sms.db"
    async with opened(sandbox, str(path), forget_texts=True) as outbox:
        assert (await outbox.send(NUMBER, TEXT, key="a")).text is None
    with closing(sqlite3.connect(path)) as connection:
        assert TEXT not in "".join(connection.iterdump())


# --- add and deliver ------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_added_message_is_delivered_once(sandbox: Sandbox, place: str):
    async with opened(sandbox, place) as outbox, opened(sandbox, place) as another:
        added = [await outbox.add(number_of(str(n)), TEXT, key=str(n)) for n in range(6)]
        assert sandbox.calls["SendSMS"] == 0
        first = await outbox.deliver(added[0].id)
        assert first == await another.deliver(added[0].id)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outbox.deliver_due)
            tasks.start_soon(another.deliver_due)
        assert await outbox.states() == {S.ACCEPTED: 6}
        assert await outbox.deliver_due() == []
    assert len(sandbox.messages) == 6


@pytest.mark.anyio
async def test_message_that_cannot_be_sent_stays_for_later(sandbox: Sandbox, place: str):
    sandbox.account = AccountState.BLOCKED
    async with opened(sandbox, place) as outbox:
        await outbox.add(NUMBER, TEXT, key="a")
        (waiting,) = await outbox.deliver_due()
        assert waiting.state is S.PENDING
        sandbox.account = AccountState.ACTIVE
    async with opened(sandbox, place) as outbox:
        with anyio.fail_after(60):
            while not (found := await outbox.deliver_due()):  # noqa: ASYNC110 - due by the clock
                await anyio.sleep(0.1)
        assert [one.state for one in found] == [S.ACCEPTED]


@pytest.mark.anyio
async def test_messages_that_cannot_be_sent_do_not_block_newer_ones(sandbox: Sandbox, place: str):
    async with opened(sandbox, place) as outbox:
        for key in ("a", "b"):
            await outbox.add(UNREACHABLE, TEXT, key=key)
        newer = await outbox.add(NUMBER, TEXT, key="c")
        assert [one.state for one in await outbox.deliver_due(2)] == [S.PENDING, S.PENDING]
        assert [(one.id, one.state) for one in await outbox.deliver_due(2)] == [
            (newer.id, S.ACCEPTED)
        ]
        sent = sandbox.calls["SendSMS"]
        with pytest.raises(smsgate.GatewayFailure):  # a pause is for `deliver_due` only
            await outbox.send(UNREACHABLE, TEXT, key="a")
        assert sandbox.calls["SendSMS"] == sent + 1


@pytest.mark.anyio
async def test_message_of_an_order_is_delivered_if_it_was_committed(
    sandbox: Sandbox, tmp_path: Path
):
    path = tmp_path / "shop.db"
    async with opened(sandbox, str(path)) as outbox:
        with closing(sqlite3.connect(path)) as shop:
            shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
            kept = await outbox.add(NUMBER, TEXT, key="order:1", connection=shop)
            shop.commit()
            lost = await outbox.add(NUMBER, TEXT, key="order:2", connection=shop)
            shop.rollback()
        assert (await outbox.deliver(kept.id)).state is S.ACCEPTED
        with pytest.raises(LookupError):
            await outbox.deliver(lost.id)
    assert len(sandbox.messages) == 1


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"key": ""}, "key"),
        ({"key": "x" * 201}, "key"),
        ({"key": 17}, "key"),
        ({"not_after": 0}, "not_after"),
        ({"destination": f"{NUMBER},+380501234568"}, "destination"),
    ],
    ids=str,
)
async def test_bad_argument_is_named_and_not_quoted(
    sandbox: Sandbox, tmp_path: Path, arguments: dict[str, Any], named: str
):
    given: dict[str, Any] = {"destination": NUMBER, "text": TEXT, "key": "a"} | arguments
    async with opened(sandbox, str(tmp_path / "sms.db")) as outbox:
        with pytest.raises(ValueError, match=f"^{named}: must be") as caught:
            await outbox.send(**given)
        with pytest.raises(ValidationError):
            await outbox.send(NUMBER, key="a")
        assert await outbox.states() == {}
    assert NUMBER not in str(caught.value)


def test_other_databases_are_refused_without_their_password():
    with pytest.raises(ValueError, match="place: must be a path") as caught:
        open_ledger("mysql://user:needle@db/sms")
    assert "needle" not in str(caught.value)


@pytest.mark.anyio
async def test_closed_outbox_says_so(sandbox: Sandbox, tmp_path: Path):
    async with opened(sandbox, str(tmp_path / "sms.db")) as outbox:
        await outbox.aclose()
        with pytest.raises(RuntimeError, match="the outbox is not open"):
            await outbox.send(NUMBER, TEXT, key="a")


@pytest.mark.anyio
async def test_nothing_personal_is_shown_or_logged(
    sandbox: Sandbox, place: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, "smsgate")
    async with opened(sandbox, place) as outbox:
        message = await outbox.send(NUMBER, "needleword", key="needlekey")
    shown = f"{message!r} {outbox!r} {caplog.text}"
    assert not [word for word in ("1234567", "needleword", "needlekey") if word in shown]


@pytest.mark.anyio
async def test_old_messages_are_purged_and_older_than_is_checked(sandbox: Sandbox, place: str):
    async with opened(sandbox, place) as outbox:
        await outbox.send(NUMBER, TEXT, key="a")
        with pytest.raises(ValueError, match="older_than: must be a number of seconds"):
            await outbox.purge(older_than=-1)
        assert await outbox.purge(older_than=3600) == 0
        await anyio.sleep(0.05)
        assert await outbox.purge(older_than=0) == 1
        assert await outbox.outcome("a") is None


@pytest.mark.anyio
async def test_claim_whose_answer_is_lost_is_given_back(sandbox: Sandbox, tmp_path: Path):
    async with opened(sandbox, str(tmp_path / "sms.db")) as outbox:
        added = await outbox.add(NUMBER, TEXT, key="a")
        ledger = outbox._opened()
        claim = ledger.claim

        def lost(*arguments: Any) -> Any:
            claim(*arguments)
            raise LedgerError("the answer is lost")

        ledger.claim = lost  # type: ignore[method-assign]  # the fault under test
        with pytest.raises(LedgerError):
            await outbox.deliver(added.id)
        ledger.claim = claim  # type: ignore[method-assign]
        assert (await outbox.deliver(added.id)).state is S.ACCEPTED
    assert len(sandbox.messages) == 1


# --- an outcome that cannot be recorded -----------------------------------------------------------


@pytest.mark.anyio
async def test_outcome_that_cannot_be_recorded_is_logged_and_ends_in_doubt(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = str(tmp_path / "sms.db")
    async with opened(sandbox, path, send=SOON) as outbox:
        ledger: MessageLedger = outbox._opened()
        ledger.sql = ledger.sql | {"settle": "SELECT * FROM gone;"}
        with pytest.raises(LedgerError):
            await outbox.send(NUMBER, TEXT, key="a")
        (sent,) = sandbox.messages
        assert f"its outcome was not recorded: accepted, message id {sent.id}" in caplog.text
    async with opened(sandbox, path, send=SOON) as outbox:
        with pytest.raises(InDoubt) as caught:
            await outbox.send(NUMBER, TEXT, key="a")
        assert caught.value.reason is Reason.PROCESS_ENDED
    assert len(sandbox.messages) == 1
