"""A session of a test environment: it sends to allowed numbers only, or to one number."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from test_campaign_ledgers import Places, places_of

import smsgate
from smsgate.campaign import RecipientState, RunOutcome
from smsgate.config import read_environment
from smsgate.outbox import Outbox
from smsgate.sandbox import Sandbox

MINE, OTHER, THIRD = "+380501110001", "+380501110002", "+380501110003"
UNRECOGNISED = "+380000000001"
S = RecipientState


@asynccontextmanager
async def session_of(sandbox: Sandbox, **limits: Any) -> AsyncIterator[smsgate.AsyncSession]:
    async with smsgate.AsyncSession(
        "sandbox", "sandbox", url=sandbox.url, sender="Shop", **limits
    ) as session:
        yield session


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    return places_of(request, tmp_path)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "allowed",
    [lambda: "+380501110001, 380501110003", lambda: [MINE, THIRD], lambda: iter([MINE, THIRD])],
    ids=["string", "list", "iterator"],
)
async def test_only_allowed_numbers_are_sent_to(allowed: Any):
    with Sandbox() as sandbox:
        async with session_of(sandbox, allowed_numbers=allowed()) as session:
            with pytest.raises(smsgate.NotAllowed, match="the number is not allowed") as caught:
                await session.send_sms(OTHER, "Hi")
            assert (caught.value.sent, caught.value.barred) == (False, 1)
            two = "2 of 3 numbers are not among the allowed numbers; nothing was sent"
            with pytest.raises(smsgate.NotAllowed, match=two) as caught:
                await session.send_sms([OTHER, MINE, "+380501110004"], "Hi")
            assert caught.value.barred == 2
            assert sandbox.calls["SendSMS"] == 0
            await session.send_sms([MINE, THIRD], "Hi")
            messages = [smsgate.Message(destinations=one, text="Hi") for one in (MINE, OTHER)]
            errors = [type(one.error) async for one in session.send_many(messages)]
            assert sorted(error.__name__ for error in errors) == ["NoneType", "NotAllowed"]
        assert sorted(one.destination for one in sandbox.messages) == [MINE, MINE, THIRD]


@pytest.mark.anyio
async def test_all_messages_go_to_one_number():
    with Sandbox() as sandbox:
        async with session_of(sandbox, redirect_to="380501110001") as session:
            result = await session.send_sms([OTHER, THIRD], "Hi")
            assert [one.destination for one in result.recipients] == [OTHER, THIRD]
            assert len(set(result.message_ids)) == 1
            assert len(result.accepted) == 2
        assert [one.destination for one in sandbox.messages] == [MINE]


@pytest.mark.anyio
async def test_refusal_of_the_one_number_concerns_all_recipients():
    with Sandbox() as sandbox:
        async with session_of(sandbox, redirect_to=UNRECOGNISED) as session:
            with pytest.raises(smsgate.Refused) as caught:
                await session.send_sms([OTHER, THIRD], "Hi")
            assert len(caught.value.reasons) in (0, 2)
        async with session_of(sandbox) as session:
            with pytest.raises(smsgate.Refused) as alone:
                await session.send_sms(UNRECOGNISED, "Hi")
            assert set(caught.value.reasons) == set(alone.value.reasons)


@pytest.mark.anyio
async def test_campaign_refuses_numbers_that_are_not_allowed(places: Places):
    with places.create("a", [MINE, OTHER, THIRD]) as campaign, Sandbox() as sandbox:
        async with session_of(sandbox, allowed_numbers=MINE) as session:
            assert (await campaign.run(session)).outcome is RunOutcome.FINISHED
        found = [(one.state, one.reason) for one in campaign.recipients()]
        refused = S.REFUSED, "not among the allowed numbers of this test environment"
        assert found == [(S.ACCEPTED, None), refused, refused]
        assert [one.destination for one in sandbox.messages] == [MINE]


@pytest.mark.anyio
@pytest.mark.parametrize(("to", "state"), [(MINE, S.ACCEPTED), (UNRECOGNISED, S.REFUSED)])
async def test_campaign_can_go_to_one_number(to: str, state: RecipientState, places: Places):
    with places.create("a", [OTHER, THIRD]) as campaign, Sandbox() as sandbox:
        async with session_of(sandbox, redirect_to=to) as session:
            assert (await campaign.run(session)).outcome is RunOutcome.FINISHED
        assert campaign.journal.states() == {state: 2}
        assert {one.destination for one in sandbox.messages} <= {to}


@pytest.mark.anyio
async def test_outbox_settles_a_number_that_is_not_allowed(tmp_path: Path):
    with Sandbox() as sandbox:
        async with (
            session_of(sandbox, allowed_numbers=MINE) as session,
            Outbox(session, str(tmp_path / "sms.db")) as outbox,
        ):
            for _ in range(2):
                with pytest.raises(smsgate.NotAllowed):
                    await outbox.send(OTHER, "Hi", key="a")
        assert sandbox.calls["SendSMS"] == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"allowed_numbers": MINE}, "messages go to 1 allowed number only"),
        ({"allowed_numbers": [MINE, OTHER]}, "messages go to 2 allowed numbers only"),
        ({"redirect_to": MINE}, "all messages go to +380*****0001, not to their destinations"),
        ({}, None),
    ],
)
async def test_session_says_at_its_start_what_is_limited(
    limits: dict[str, Any], said: str | None, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING, "smsgate"), Sandbox() as sandbox:
        async with session_of(sandbox, **limits):
            pass
    assert caplog.messages == ([f"test environment: {said}"] if said else [])


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"allowed_numbers": ""}, "allowed_numbers: must be numbers in the international format"),
        ({"allowed_numbers": []}, "allowed_numbers: must be numbers .*, at least one"),
        ({"allowed_numbers": "0501110001"}, "allowed_numbers: must be numbers"),
        ({"allowed_numbers": [7]}, "allowed_numbers: must be numbers"),
        ({"redirect_to": f"{MINE},{OTHER}"}, "redirect_to: must be one number"),
        ({"redirect_to": "nobody"}, "redirect_to: must be one number"),
        ({"redirect_to": 380501110001}, "redirect_to: must be one number"),
        (
            {"redirect_to": MINE, "allowed_numbers": MINE},
            "redirect_to: cannot be used together with allowed_numbers",
        ),
    ],
)
def test_odd_limits_are_refused_without_showing_them(limits: dict[str, Any], rule: str):
    with pytest.raises(ValueError, match=rule) as caught:
        smsgate.AsyncSession("login", "password", **limits)
    assert "0501110001" not in str(caught.value)


@pytest.mark.anyio
async def test_limits_come_from_the_environment():
    account = {"SMSGATE_LOGIN": "sandbox", "SMSGATE_PASSWORD": "sandbox"}
    with Sandbox() as sandbox:
        limits = {"SMSGATE_URL": sandbox.url, "SMSGATE_ALLOWED_NUMBERS": f"{MINE},{OTHER}"}
        async with smsgate.AsyncSession.from_env(environ=account | limits) as session:
            with pytest.raises(smsgate.NotAllowed):
                await session.send_sms(THIRD, "Hi", sender="Shop")
        url = {"SMSGATE_URL": sandbox.url}
    settings = read_environment(account | url | {"SMSGATE_REDIRECT_TO": MINE})
    assert MINE not in repr(settings)
    assert MINE not in repr(smsgate.AsyncSession.from_settings(settings)._config)
