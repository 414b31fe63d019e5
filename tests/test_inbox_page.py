"""The inbox page in a real browser, with a real sandbox and the real SDK."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import anyio
import chromium
import needles
import pytest
from ports import refusing_port
from test_sandbox import User

import smsgate
from smsgate.protocol.answers import DeliveryState
from smsgate.sandbox import OtherAccount, Sandbox, Settings
from smsgate.sandbox.search import SEARCH_FIELDS

ONE, OTHER = "+380501234567", "+380671112233"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
pytestmark = [pytest.mark.heavy, pytest.mark.unmeasured]

SOON = 5_000
"""Milliseconds until what should be on the page is there, on a busy machine."""
MOST_NODES = 4_000
"""In the document, however many messages there are."""


def give_up(reason: str) -> None:
    """Say that there is no browser; where all is expected to be installed, that is a failure."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(
        f"the inbox page is not tested: {reason}"
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if find_spec("playwright") is None:
        give_up("playwright is not installed")
    from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 - only there if the page can be tested

    with sync_playwright() as playwright:
        try:
            started = chromium.launch(playwright)
        except Error as error:
            give_up(f"no chromium was found ({error.message.splitlines()[0]})")
        with started:
            yield started


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(Settings(delivery_seconds=1.5, credits=50_000)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@dataclass
class Seen:
    """What must not happen on any page:

    complaints of the browser, dialogs, requests to somewhere else.
    """

    origin: str
    wrong: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on(
            "console",
            lambda line: (
                self.wrong.append(f"console: {line.text}") if self.is_complaint(line) else None
            ),
        )
        page.on(
            "dialog",
            lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()),
        )
        page.on(
            "request",
            lambda request: (
                None if self.at_home(request.url) else self.wrong.append(f"request: {request.url}")
            ),
        )

    def is_complaint(self, line: Any) -> bool:
        # What the API refuses the page says in words, but the browser notes it too.
        return line.type in ("error", "warning") and "status of 400" not in line.text

    def at_home(self, url: str) -> bool:
        return url.startswith(("data:", self.origin))


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, sandbox: Sandbox) -> Iterator[Opened]:
    """Opens the page of the sandbox. At the end nothing may have gone wrong in it."""
    seen = Seen(sandbox.inbox_url)
    contexts = []

    def open_page(path: str = "", viewport: dict[str, int] = WIDE, **options: Any) -> Any:
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        context.set_default_timeout(SOON)
        page = context.new_page()
        seen.watch(page)
        page.goto(sandbox.inbox_url + path)
        page.wait_for_selector("body:not([data-view=loading])")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen.wrong == []


@pytest.fixture
def page(opened: Opened) -> Any:
    return opened()


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect as expected  # noqa: PLC0415 - only there if the page can be tested

    return expected(locator)


def with_sdk(sandbox: Sandbox, use: Callable[[smsgate.AsyncSession], Awaitable[Any]]) -> Any:
    """Let the SDK do something. Playwright's event loop is in this thread, so it gets another."""

    async def in_session() -> Any:
        async with smsgate.AsyncSession(
            "sandbox", "sandbox", sender="Shop", url=sandbox.url
        ) as session:
            return await use(session)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, in_session).result()


def send(sandbox: Sandbox, *messages: tuple[str, str]) -> list[str]:
    async def all_of_them(session: smsgate.AsyncSession) -> list[str]:
        return [(await session.send_sms(number, text)).message_ids[0] for number, text in messages]

    return list(with_sdk(sandbox, all_of_them))


def status(sandbox: Sandbox, message_id: str) -> DeliveryState:
    return DeliveryState(
        with_sdk(sandbox, lambda session: session.get_message_status(message_id)).state
    )


def row(page: Any, number: str) -> Any:
    return page.locator(f".row[data-number='{number}']")


def bubbles(page: Any) -> Any:
    return page.locator(".thread .bubble")


def open_panel(page: Any, tab: str) -> Any:
    page.get_by_role("button", name="Sandbox", exact=True).click()
    page.get_by_role("tab", name=tab).click()
    return page.get_by_role("dialog", name="Sandbox")


# Messages


def test_sent_message_appears_with_its_parts_and_credits(sandbox: Sandbox, page: Any):
    expect(page.get_by_role("heading", name="No messages yet")).to_be_visible()
    send(sandbox, (ONE, "Ваш код: 4815. " * 6))
    sent_at = time.monotonic()
    row(page, ONE).wait_for()
    assert time.monotonic() - sent_at < 3
    row(page, ONE).click()
    expect(bubbles(page)).to_have_text("Ваш код: 4815. " * 6)
    expect(page.locator(".thread .meta")).to_contain_text("2 parts")
    expect(page.locator(".thread .meta")).to_contain_text("2 credits")
    expect(page.locator(".thread .sender")).to_have_text("Shop")
    send(sandbox, (ONE, "і ще одне"))
    expect(bubbles(page).last).to_have_text("і ще одне")
    expect(page.locator("#count")).to_have_text("2")
    assert page.locator("#balance").inner_text().replace("\u202f", "") == "49997"


def test_page_names_the_character_that_forced_ucs2(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, f"It’s {'a' * 80}"))
    row(page, ONE).click()
    expect(page.locator(".thread .saving")).to_have_text("UCS-2; GSM: 1 part")
    page.locator(".thread .meta").click()
    said = "Only “’” forces UCS-2. In GSM, the text needs 1 part instead of 2."
    expect(page.locator(".details .hint")).to_have_text(said)


def test_status_changes_from_sent_to_delivered_by_itself(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Вже в дорозі"))
    row(page, ONE).click()
    shown = page.locator(".thread .status")
    expect(shown).to_have_text(re.compile("^(Sent|On server|In network)$"))
    expect(shown).to_have_text("Delivered")
    expect(shown.locator("svg")).to_be_visible()


def test_search_finds_words_of_a_text(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Ваш код: 4815"), (ONE, "Посилка чекає"), (OTHER, "Знижка 20 %"))
    expect(page.locator(".row")).to_have_count(2)
    page.get_by_role("searchbox").fill("ПОСИЛКА")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator("#found")).to_have_text("1 conversation with “ПОСИЛКА”")
    row(page, ONE).click()
    expect(bubbles(page)).to_have_text(["Посилка чекає"])
    expect(page.locator(".thread mark")).to_have_text("Посилка")
    page.get_by_role("button", name="Show all").click()
    expect(bubbles(page)).to_have_count(2)
    page.get_by_role("searchbox").fill("такого нема")
    expect(page.locator(".nothing")).to_be_visible()


def test_search_finds_a_number_as_the_page_shows_it(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Ваш код: 4815"), (OTHER, "Знижка"))
    shown = row(page, ONE).locator(".number").inner_text()
    assert shown == "+380 50 123 45 67".replace(" ", "\u00a0")
    page.get_by_role("searchbox").fill(shown)
    expect(page.locator(".row")).to_have_count(1)
    expect(row(page, ONE).locator("mark")).to_have_text(shown.removeprefix("+"))


def test_word_that_is_still_being_typed_is_no_error(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Ваш код: 4815"), (OTHER, "Знижка"))
    row(page, OTHER).wait_for()
    search = page.get_by_role("searchbox")
    for typed in ("h", "ha", "has", "has:", "has:c", "has:co", "has:cod", "has:code"):
        search.fill(typed)
        expect(page.locator(".row")).to_have_count(
            {"h": 2, "has:": 2, "ha": 0, "has": 0}.get(typed, 1)
        )
        expect(page.locator("#found")).not_to_contain_text("must be")
    search.fill("shop to:")
    expect(page.locator(".row")).to_have_count(2)
    search.fill("has:x")
    expect(page.locator("#found")).to_contain_text("has: must be has:code")


def test_page_shows_the_syntax_of_the_search(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Ваш код: 4815"), ("+380000000013", "Знижка"))
    page.get_by_role("button", name="What to search for").click()
    # One account needs no search for accounts.
    expect(page.locator(".syntax code")).to_have_count(len(SEARCH_FIELDS) - 1)
    expect(page.locator(".syntax")).to_contain_text("is:not-delivered")
    page.get_by_role("searchbox").fill("is:susp")
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("searchbox").fill("is:eaten")
    expect(page.locator("#found")).to_contain_text("is: needs the beginning of a delivery status")
    expect(page.locator("#toast")).to_be_hidden()
    page.get_by_role("button", name="What to search for").click()
    expect(page.locator(".syntax")).to_be_hidden()


def test_status_chosen_in_the_page_is_what_the_gateway_answers(sandbox: Sandbox, page: Any):
    (message_id,) = send(sandbox, (ONE, "Ваш код: 4815"))
    row(page, ONE).click()
    bubbles(page).click()
    expect(page.locator(".details .mono").first).to_have_text(message_id)
    page.get_by_label("Delivery status from now on").select_option("expired")
    expect(page.locator(".details .status")).to_have_text("Expired")
    expect(page.locator(".thread .status")).to_have_text("Expired")
    assert status(sandbox, message_id) is DeliveryState.EXPIRED
    page.get_by_label("Delivery status from now on").select_option("")
    expect(page.locator(".thread .status")).to_have_text("Delivered")
    assert status(sandbox, message_id) is DeliveryState.DELIVERED


def test_details_show_the_raw_request_and_the_reply(sandbox: Sandbox, page: Any):
    (message_id,) = send(sandbox, (ONE, "Ваш код: 4815 & <друзі>"))
    row(page, ONE).click()
    page.locator(".thread .meta").click()
    expect(page.get_by_label("Request, as XML")).to_contain_text(
        "Ваш код: 4815 &amp; &lt;друзі&gt;"
    )
    expect(page.get_by_label("Reply, as XML")).to_contain_text(message_id)
    page.reload()
    expect(page.locator(".details .mono").first).to_have_text(message_id)
    page.go_back()
    expect(page.locator(".details")).to_be_hidden()
    expect(bubbles(page)).to_be_visible()


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "\"'><img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>тут</a> javascript:alert(1)",
        "&lt;b&gt; &amp; </p></div><h1>A",
    ],
)
def test_text_is_shown_literally_and_runs_nothing(sandbox: Sandbox, page: Any, text: str):
    send(sandbox, (ONE, text))
    expect(row(page, ONE).locator(".last")).to_have_text(f"Shop: {text}")
    page.get_by_role("searchbox").fill(text[:12])
    row(page, ONE).click()
    expect(bubbles(page)).to_have_text(text)
    bubbles(page).click()
    expect(page.locator(".details .says")).to_have_text(text)
    assert page.locator(":is(.panes, .bubble) :is(script, img, h1, .bubble a)").count() == 0


def test_only_web_links_can_be_clicked(sandbox: Sandbox, page: Any):
    send(
        sandbox, (ONE, "Чек: https://shop.example/r/7?a=1&b=2. ftp://x.example javascript:alert(1)")
    )
    with_sdk(sandbox, lambda session: session.send_sms(ONE, wappush="https://shop.example/push"))
    User(sandbox).call("SendSMS", sender="Shop", destination=ONE, wappush="javascript:alert(1)")
    row(page, ONE).click()
    expect(bubbles(page)).to_have_count(3)
    links = page.locator(".thread a")
    expect(links).to_have_text(["https://shop.example/r/7?a=1&b=2", "https://shop.example/push"])
    assert [one.get_attribute("rel") for one in links.all()] == ["noreferrer noopener"] * 2
    expect(page.locator(".push")).to_have_text(["WAP push"] * 2)


# Calls


def test_refused_call_is_shown_with_its_request_and_reply(sandbox: Sandbox, page: Any):
    panel = open_panel(page, "Calls")
    expect(panel.get_by_text("No calls.")).to_be_visible()
    sandbox.faults.add("html", operation="SendSMS")
    User(sandbox).send(sender="Forbidden", text="Ваш код: 4815")
    call = panel.locator(".calls li").first
    expect(call.locator(".name")).to_have_text("SendSMS")
    expect(call.locator(".tag")).to_have_text(["Refused", "html"])
    call.get_by_role("button", name="SendSMS").click()
    expect(call.get_by_label("Request, as XML")).to_contain_text("Ваш код: 4815")
    expect(call.get_by_label("Reply, as XML")).to_contain_text("It works!")
    expect(call.locator(".hint")).to_contain_text("an HTML page with status 200")


def test_open_call_stays_while_new_calls_arrive(sandbox: Sandbox, page: Any):
    user = User(sandbox)
    user.call("GetCreditBalance")
    panel = open_panel(page, "Calls")
    calls = panel.locator(".calls li")
    expect(calls).to_have_count(2)
    calls.first.get_by_role("button", name="GetCreditBalance").click()
    expect(calls.first.get_by_label("Reply, as XML")).to_be_visible()
    user.send()
    panel.get_by_role("button", name="Show the new calls").click()
    expect(calls.locator(".name")).to_have_text(["SendSMS", "GetCreditBalance", "Auth"])
    expect(panel.get_by_role("button", name="Show the new calls")).to_be_hidden()


def test_calls_are_filtered_and_older_ones_loaded(sandbox: Sandbox, page: Any):
    user = User(sandbox)
    user.call("GetMessageStatus", MessageId="nothing")
    for _ in range(60):
        user.call("GetCreditBalance")
    panel = open_panel(page, "Calls")
    calls = panel.locator(".calls li")
    expect(calls).to_have_count(50)
    panel.get_by_role("button", name="Show older calls").click()
    expect(calls).to_have_count(62)
    panel.get_by_label("Outcome").select_option("refused")
    expect(calls.locator(".name")).to_have_text(["GetMessageStatus"])
    panel.get_by_label("Operation").select_option("Auth")
    expect(panel.get_by_text("No calls.")).to_be_visible()


# Many


def fill(sandbox: Sandbox) -> None:
    """Send 10,000 messages: 7,000 to one number, and the rest to as many numbers."""
    user = User(sandbox)
    for number in range(70):
        user.send(",".join([ONE] * 100), f"Повідомлення {number:05}")
    for block in range(30):
        user.send(",".join(f"+38067{block:02}{number:05}" for number in range(100)), "Знижка")


def nodes(page: Any) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def test_ten_thousand_messages_scroll_in_a_bounded_document(sandbox: Sandbox, page: Any):
    fill(sandbox)
    expect(page.locator("#list .row").first).to_have_attribute("aria-setsize", "3001")
    page.locator("#list").focus()
    page.keyboard.press("End")
    expect(row(page, ONE)).to_be_visible()  # it is the last of 3,001
    expect(row(page, ONE)).to_have_attribute("aria-posinset", "3001")
    page.keyboard.press("Enter")
    expect(bubbles(page).last).to_have_text("Повідомлення 00069")
    counts = [nodes(page)]
    scroller = page.locator(".thread .scroll")
    for _ in range(6):
        before = page.locator(".message").first.get_attribute("data-sequence")
        scroller.evaluate("node => { node.scrollTop = 0 }")
        page.wait_for_function(
            (
                "before => Number(document.querySelector('.message').dataset.sequence) < "
                "Number(before)"
            ),
            arg=before,
            timeout=SOON,
        )
        counts.append(nodes(page))
    bubbles(page).nth(100).scroll_into_view_if_needed()
    page.get_by_role("button", name="First message").click()
    expect(bubbles(page).first).to_have_text("Повідомлення 00000")
    expect(bubbles(page).first).to_be_in_viewport()
    expect(page.get_by_role("button", name="First message")).to_be_hidden()
    page.get_by_role("button", name="Newest").click()
    expect(bubbles(page).last).to_be_in_viewport()
    expect(bubbles(page).last).to_have_text("Повідомлення 00069")
    assert max(*counts, nodes(page)) < MOST_NODES


def test_new_messages_keep_the_scroll_position_and_are_counted(sandbox: Sandbox, page: Any):
    send(sandbox, *((ONE, f"Рядок {number}") for number in range(60)))
    row(page, ONE).click()
    expect(bubbles(page)).to_have_count(60)
    page.locator(".thread .scroll").evaluate("node => { node.scrollTop = 900 }")
    page.wait_for_timeout(300)
    seen = (
        "document.elementFromPoint(500, 400).closest('.message, "
        ".messages').getBoundingClientRect().top"
    )
    before = page.evaluate(seen)
    send(sandbox, *((ONE, f"Нове {number}") for number in range(3)))
    expect(page.locator(".new")).to_have_text("3 new")
    assert page.evaluate(seen) == before
    page.locator(".new").click()
    expect(bubbles(page).last).to_have_text("Нове 2")
    expect(bubbles(page).last).to_be_in_viewport()
    expect(page.locator(".new")).to_be_hidden()
    send(sandbox, (ONE, "Найновіше"))
    expect(bubbles(page).last).to_have_text("Найновіше")
    expect(bubbles(page).last).to_be_in_viewport()


HOLD_THE_ANSWER = """(text) => {
  const ask = window.fetch;
  window.fetch = async (path, options) => {
    const answered = await ask(path, options);
    if (!path.startsWith("sandbox/messages?")) return answered;
    const given = await answered.json();
    const hold = !window.release && given.messages.some((message) => message.text === text);
    if (hold) {
      await new Promise((release) => {
        window.release = release;
        document.body.dataset.held = "";
      });
    }
    return { ok: true, json: async () => given };
  };
}"""
"""The first answer that has this text comes when the test says so."""


def test_scroll_at_the_moment_of_an_update_counts(sandbox: Sandbox, page: Any):
    send(sandbox, *((ONE, f"Рядок {number}") for number in range(60)))
    row(page, ONE).click()
    expect(bubbles(page)).to_have_count(60)
    page.evaluate(HOLD_THE_ANSWER, "Нове")
    send(sandbox, (ONE, "Нове"))
    page.locator("body[data-held]").wait_for()
    # The new message is here before the browser tells the page that its reader has scrolled.
    page.locator(".thread .scroll").evaluate("node => { node.scrollTop = 900; window.release(); }")
    expect(bubbles(page)).to_have_count(61)
    expect(page.locator(".new")).to_have_text("1 new")
    assert page.locator(".thread .scroll").evaluate("node => node.scrollTop") == 900


def test_outdated_answer_changes_nothing(sandbox: Sandbox, page: Any):
    send(sandbox, (OTHER, "Інше"), *((ONE, f"Рядок {number}") for number in range(60)))
    late: list[Any] = []

    def hold_the_first(route: Any) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route("**/sandbox/messages?*", hold_the_first)
    for number in (ONE, OTHER, ONE):
        row(page, number).click()
        expect(page.locator(".thread .messages")).to_have_attribute(
            "aria-label", f"Messages to {number}"
        )
    send(sandbox, (ONE, "Нове"))
    expect(bubbles(page)).to_have_count(61)
    page.locator(".thread .scroll").evaluate("node => { node.scrollTop = 900 }")
    (route, answered) = late.pop()
    late.append(None)
    with page.expect_response("**/sandbox/messages?*"):
        route.fulfill(response=answered)
    page.wait_for_timeout(300)
    expect(bubbles(page)).to_have_count(61)
    assert page.locator(".thread .scroll").evaluate("node => node.scrollTop") == 900


def test_flood_of_messages_does_not_freeze_the_page(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Перше"))
    row(page, ONE).click()
    page.evaluate("""() => {
        window.longest = 0;
        let last = performance.now();
        const tick = () => {
            const now = performance.now();
            window.longest = Math.max(window.longest, now - last);
            last = now;
        };
        setInterval(tick, 10);
    }""")
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(fill, sandbox)
        while not flood.done():
            page.wait_for_timeout(50)
        flood.result()
    assert sandbox.accepted == 10_001
    expect(bubbles(page).last).to_have_text("Повідомлення 00069")
    assert page.evaluate("window.longest") < 1_500
    assert nodes(page) < MOST_NODES


# What can be switched


def test_sessions_are_ended_one_by_one_and_all_at_once(sandbox: Sandbox, page: Any):
    first, *others = [User(sandbox) for _ in range(3)]
    panel = open_panel(page, "Sessions")
    expect(panel.get_by_text("logged in", exact=True)).to_have_count(3)
    panel.get_by_role("button", name=re.compile("^End the session")).last.click()
    expect(panel.get_by_text("logged in", exact=True)).to_have_count(2)
    users = [first, *others]
    answers = [user.call("GetCreditBalance").result for user in users]
    assert sorted(answer.isdecimal() for answer in answers) == [False, True, True]
    panel.get_by_role("button", name="End all").click()
    expect(panel.get_by_text("There are no sessions")).to_be_visible()
    assert not any(user.call("GetCreditBalance").result.isdecimal() for user in users)


def test_fault_is_switched_on_applies_and_is_switched_off(sandbox: Sandbox, page: Any):
    panel = open_panel(page, "Faults")
    panel.get_by_label("Operation").select_option("SendSMS")
    panel.get_by_label("Applies to").select_option("The next calls only")
    panel.get_by_label("How many calls").fill("2")
    switch = panel.get_by_role("switch", name="reset after")
    switch.click()
    expect(switch).to_be_checked()
    expect(panel.locator(".items.on")).to_contain_text(
        "SendSMS · the next 2 calls · not applied yet"
    )
    with pytest.raises(smsgate.InDoubt):
        send(sandbox, (ONE, "Чи дійшло?"))
    expect(panel.locator(".items.on")).to_contain_text("SendSMS · the next 1 call · applied 1 time")
    expect(page.locator("#alarm")).to_have_text("1 fault on")
    panel.get_by_role("button", name="Switch off reset after").click()
    expect(switch).not_to_be_checked()
    assert sandbox.faults.rules == ()
    assert len(send(sandbox, (ONE, "Дійшло"))) == 1
    panel.get_by_label("Applies to").select_option("A share of the calls")
    panel.get_by_label("Percent of calls").fill("25")
    panel.get_by_label("Delay of slow in seconds").fill("0.5")
    panel.get_by_role("switch", name="slow").click()
    expect(panel.locator(".items.on")).to_contain_text("SendSMS · 25 % of calls · 0.5 s")
    panel.get_by_role("button", name="Remove all").click()
    expect(panel.locator(".items.on")).to_be_hidden()
    panel.get_by_role("button", name="Close the panel").click()
    row(page, ONE).click()
    page.locator(".message", has_text="Чи дійшло?").locator(".meta").click()
    expect(page.locator(".details")).to_contain_text(
        "The fault “reset after” applied to the answer"
    )


def test_account_is_blocked_and_its_balance_set(sandbox: Sandbox, page: Any):
    panel = open_panel(page, "Account")
    panel.get_by_label("Balance in credits").fill("a lot")
    panel.get_by_role("button", name="Set").click()
    expect(panel.get_by_role("alert")).to_have_text(
        "balance: credits as a string, 0 or more, at most 6 decimal places"
    )
    panel.get_by_label("Balance in credits").fill("1")
    panel.get_by_role("button", name="Set").click()
    expect(page.locator("#balance")).to_have_text("1")
    with pytest.raises(smsgate.NotEnoughCredits):
        send(sandbox, (ONE, "Ваш код: 4815"), (ONE, "Ваш код: 1623"))
    panel.get_by_label("State").select_option("blocked")
    expect(page.locator("#alarm")).to_have_text("Account blocked")
    with pytest.raises(smsgate.AccountSuspended):
        send(sandbox, (ONE, "Ваш код: 4815"))


def test_clear_all_asks_first_and_then_leaves_nothing(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Ваш код: 4815"))
    sandbox.faults.add("html", operation="GetNewMessages")
    row(page, ONE).click()
    page.get_by_role("button", name="Sandbox", exact=True).click()
    page.get_by_role("button", name="Clear everything…").click()
    question = page.get_by_role("dialog", name="Clear everything?")
    expect(question).to_contain_text("1 message, 1 session and 1 fault")
    question.get_by_role("button", name="Cancel").click()
    assert sandbox.accepted == 1
    page.get_by_role("button", name="Clear everything…").click()
    question.get_by_role("button", name="Clear everything").click()
    expect(page.get_by_role("heading", name="No messages yet")).to_be_visible()
    expect(page.locator("#count")).to_have_text("0")
    assert (sandbox.accepted, sandbox.balance, sandbox.faults.rules) == (0, 50_000, ())
    send(sandbox, (OTHER, "Знову"))
    row(page, OTHER).wait_for()


# Deleting


def test_one_message_is_deleted_in_its_details_and_in_other_pages(
    sandbox: Sandbox, page: Any, opened: Opened
):
    send(sandbox, (ONE, "Перше"), (ONE, "Друге"), (ONE, "Третє"))
    other = opened()
    for one in (page, other):
        row(one, ONE).click()
        expect(bubbles(one)).to_have_count(3)
    page.locator(".message", has_text="Друге").locator(".meta").click()
    page.get_by_role("button", name="Delete this message…").click()
    question = page.get_by_role("dialog", name="Delete this message?")
    question.get_by_role("button", name="Cancel").click()
    assert len(sandbox.messages) == 3
    page.get_by_role("button", name="Delete this message…").click()
    question.get_by_role("button", name="Delete it").click()
    for one in (page, other):
        expect(bubbles(one)).to_have_text(["Перше", "Третє"])
        expect(one.locator(".thread .about")).to_contain_text("2 messages")
        expect(row(one, ONE)).to_contain_text("Третє")
    expect(page.locator(".details")).to_be_hidden()
    assert [message.text for message in sandbox.messages] == ["Перше", "Третє"]


def test_what_a_search_finds_is_deleted_after_a_question_that_says_how_many(
    sandbox: Sandbox, page: Any, opened: Opened
):
    send(sandbox, (ONE, "Ваш код: 4815"), (ONE, "Знижка"), (OTHER, "Ваш код: 1623"))
    other = opened()
    row(other, OTHER).click()
    expect(bubbles(other)).to_have_count(1)
    expect(page.locator("#delete-found")).to_be_hidden()
    page.get_by_role("searchbox").fill("has:code")
    page.get_by_role("button", name="Delete…").click()
    question = page.get_by_role("dialog", name="Delete 2 messages?")
    expect(question).to_contain_text("found by “has:code”")
    # What arrives while the question is open stays.
    send(sandbox, (ONE, "Ваш код: 7777"))
    question.get_by_role("button", name="Delete 2 messages").click()
    expect(page.locator(".row")).to_have_count(1)
    assert [message.text for message in sandbox.messages] == ["Знижка", "Ваш код: 7777"]
    expect(row(other, OTHER)).to_have_count(0)
    expect(other.locator(".thread")).to_contain_text("No messages to this number.")
    page.get_by_role("searchbox").fill("код")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete 1 message", exact=True).click()
    expect(page.locator(".list")).to_contain_text("No message matches.")
    expect(page.locator("#delete-found")).to_be_hidden()


def test_deletion_keeps_the_scroll_position(sandbox: Sandbox, page: Any):
    user = User(sandbox)
    for count in range(150):
        user.send(ONE, f"Повідомлення {count:03}")
    row(page, ONE).click()
    bubbles(page).last.wait_for()
    page.locator(".scroll").evaluate("node => { node.scrollTop = node.scrollHeight / 2 }")
    page.wait_for_timeout(300)
    place = (
        "() => { const top = document.querySelector('.scroll').getBoundingClientRect().top;"
        " for (const one of document.querySelectorAll('.message')) {"
        " const at = one.getBoundingClientRect(); if (at.bottom > top)"
        " return [one.innerText.slice(0, 16), Math.round(at.top - top)]; } }"
    )
    before = page.evaluate(place)
    assert sandbox.delete('"Повідомлення 00"') == 10
    expect(page.locator(".thread .about")).to_contain_text("140 messages")
    page.wait_for_timeout(300)
    assert page.evaluate(place) == before


# Several accounts, and the webhook


def page_of(browser: Any, sandbox: Sandbox) -> Any:
    page = browser.new_page(viewport=WIDE)
    page.set_default_timeout(SOON)
    page.goto(sandbox.inbox_url)
    page.wait_for_selector("body:not([data-view=loading])")
    return page


def test_several_accounts_are_shown_found_and_set(browser: Any):
    others = (OtherAccount("promo", needles.PASSWORD, 500),)
    with Sandbox(Settings(other_accounts=others)) as sandbox:
        User(sandbox).send(ONE, "Перше")
        promo = User(sandbox, login=False)
        promo.cookie = promo.call("Auth", login="promo", password=needles.PASSWORD).cookie
        promo.send(ONE, "Друге")
        promo.send(OTHER, "Третє")
        page = page_of(browser, sandbox)
        expect(page.locator(".figures")).to_contain_text("Accounts")
        row(page, ONE).click()
        expect(page.locator(".sender")).to_have_text(
            ["Shop · account sandbox", "Shop · account promo"]
        )
        page.get_by_role("button", name="What to search for").click()
        expect(page.locator("#search-fields")).to_contain_text("account:promo")
        page.get_by_role("searchbox").fill("account:sandbox")
        expect(page.locator(".row")).to_have_count(1)
        page.get_by_role("searchbox").fill("")
        page.locator(".message", has_text="Друге").locator(".meta").click()
        expect(page.locator(".details .facts")).to_contain_text("promo")
        panel = open_panel(page, "Account")
        fields = panel.get_by_role("group", name="promo")
        expect(fields.get_by_role("textbox")).to_have_value("498")
        fields.get_by_role("textbox").fill("7")
        fields.get_by_role("button", name="Set").click()
        fields.get_by_label("State").select_option("blocked")
        expect(page.locator("#alarm")).to_contain_text("Account promo blocked")
        assert [(row.state, row.balance) for row in sandbox.accounts] == [
            ("active", 9_999),
            ("blocked", 7),
        ]
        assert needles.PASSWORD not in page.content()
        page.close()


def test_single_account_has_no_word_of_accounts(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Перше"))
    row(page, ONE).click()
    expect(page.locator(".sender")).to_have_text(["Shop"])
    page.get_by_role("button", name="What to search for").click()
    expect(page.locator("#search-fields")).not_to_contain_text("account")


def test_failures_of_the_webhook_are_shown(browser: Any):
    with Sandbox(webhook=f"http://bot:{needles.PASSWORD}@127.0.0.1:{refusing_port()}/") as sandbox:
        page = page_of(browser, sandbox)
        User(sandbox).send(ONE, "Перше")
        expect(page.locator("#alarm")).to_have_text("Webhook failed")
        page.locator("#alarm").click()
        panel = page.get_by_role("dialog", name="Sandbox")
        expect(panel).to_contain_text("0 messages delivered, 1 failed.")
        expect(panel).to_contain_text("The last one failed: Connection refused.")
        expect(panel).to_contain_text("http://***@127.0.0.1")
        page.close()


# Who reads it, and where


def test_everything_can_be_reached_by_keyboard(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Перше"), (ONE, "Друге"), (OTHER, "Інше"))
    expect(page.locator(".row")).to_have_count(2)
    # The list may have come before the stream said that there are messages: until then the page
    # shows its welcome, and no search.
    expect(page.get_by_role("searchbox")).to_be_visible()
    keyboard = page.keyboard
    keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keyboard.type("е")
    keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
    keyboard.press("ArrowDown")
    expect(page.get_by_role("listbox")).to_be_focused()
    expect(row(page, OTHER)).to_have_attribute("data-active", "")
    keyboard.press("ArrowDown")
    expect(row(page, ONE)).to_have_attribute("data-active", "")
    keyboard.press("Enter")
    expect(page.locator(".message", has_text="Друге").locator(".meta")).to_be_focused()
    keyboard.press("ArrowUp")
    expect(page.locator(".message", has_text="Перше").locator(".meta")).to_be_focused()
    send(sandbox, (ONE, "Третє"))
    expect(bubbles(page)).to_have_count(3)
    expect(page.locator(".message", has_text="Перше").locator(".meta")).to_be_focused()
    keyboard.press("Enter")
    expect(page.locator(".details .says")).to_have_text("Перше")
    expect(page.locator(".details h2")).to_be_focused()
    keyboard.press("Escape")
    expect(page.locator(".details")).to_be_hidden()
    expect(page.locator(".message", has_text="Перше").locator(".meta")).to_be_focused()
    keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_focused()
    expect(page.get_by_role("heading", name="Choose a conversation")).to_be_visible()


def test_screen_reader_is_told_of_a_new_message(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Перше"))
    expect(page.locator("#announcer")).to_have_text("New message from Shop to +380 50 123 45 67")
    assert page.locator("#announcer").get_attribute("aria-live") == "polite"
    unnamed = page.evaluate("""() =>
        [...document.querySelectorAll('button, input, select, [role=option]')]
            .filter((node) => !node.hidden)
            .filter((node) => !node.getAttribute('aria-label'))
            .filter((node) => !node.getAttribute('aria-labelledby'))
            .filter((node) => !node.textContent.trim())
            .filter((node) => ![...(node.labels ?? [])].some((label) => label.textContent.trim()))
            .map((node) => node.outerHTML)""")
    assert unnamed == []
    assert [
        page.get_by_role(role).count() for role in ("banner", "main", "navigation", "search")
    ] == [1, 1, 1, 1]


def test_no_line_begins_with_the_full_stop_after_a_code(sandbox: Sandbox, page: Any):
    send(sandbox, (ONE, "Код підтвердження: 481 502. Нікому його не кажіть."))
    row(page, ONE).click()
    lines_of_their_own = page.locator(".bubble .code").evaluate(
        """(button) => {
          const bubble = button.closest(".bubble");
          const nodes = document.createTreeWalker(bubble, NodeFilter.SHOW_TEXT);
          nodes.currentNode = button.lastChild;
          const stop = document.createRange();
          stop.setStart(nodes.nextNode(), 0);
          stop.setEnd(nodes.currentNode, 1);
          if (stop.toString() !== ".") throw new Error(`not a full stop: ${stop}`);
          const widths = Array.from({ length: 200 }, (_, more) => 150 + more);
          return widths.filter((width) => {
            bubble.style.width = `${width}px`;
            return stop.getBoundingClientRect().top > button.getBoundingClientRect().bottom - 3;
          });
        }"""
    )
    assert lines_of_their_own == []


def test_narrow_window_shows_one_pane_at_a_time(sandbox: Sandbox, opened: Opened):
    send(sandbox, (ONE, "Ваш код: 4815"))
    page = opened(viewport=NARROW)
    expect(page.locator(".thread")).to_be_hidden()
    row(page, ONE).click()
    expect(bubbles(page)).to_be_visible()
    expect(page.locator(".side")).to_be_hidden()
    bubbles(page).click(position={"x": 5, "y": 5})
    expect(page.locator(".details")).to_be_visible()
    assert page.locator(".details").bounding_box()["width"] == NARROW["width"]
    page.get_by_role("button", name="Close the details").click()
    page.get_by_role("button", name="Back to the conversations").click()
    expect(row(page, ONE)).to_be_visible()
    expect(page.locator(".thread")).to_be_hidden()
    page.go_back()
    expect(bubbles(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


CONTRAST = """() => {
    const channel = (value) =>
        (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([red, green, blue]) =>
        0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const colour = parse(getComputedStyle(node).backgroundColor);
            if ((colour[3] ?? 1) === 1) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const node of document.querySelectorAll('body *')) {
        const own = [...node.childNodes]
            .some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!own || !node.checkVisibility()) continue;
        const style = getComputedStyle(node);
        if (!style.color.startsWith('rgb')) continue;
        const [one, other] = [light(parse(style.color)), light(ground(node))].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        const name = node.className || node.tagName;
        if (ratio < 4.5) poor.push(`${name} ${ratio.toFixed(2)} ${node.textContent.slice(0, 30)}`);
    }
    return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(sandbox: Sandbox, opened: Opened, scheme: str):
    page = opened(color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []
    send(
        sandbox,
        (ONE, "Ваш код: 4815"),
        ("+380000000004", "Не дійде"),
        ("+380000000013", "Зупинено"),
    )
    sandbox.faults.add("html", operation="GetNewMessages")
    row(page, ONE).click()
    bubbles(page).click(position={"x": 5, "y": 5})
    expect(page.locator(".details .status")).to_have_text("Delivered")
    assert page.evaluate(CONTRAST) == []
    page.locator("#alarm").click()
    assert page.evaluate(CONTRAST) == []


def test_theme_follows_the_system_until_a_remembered_choice(opened: Opened):
    page = opened(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Theme: system").click()
    light = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(ground) == dark
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()


def test_empty_page_says_how_to_point_a_program_at_it(sandbox: Sandbox, page: Any):
    expect(page.locator(".address")).to_contain_text(sandbox.url)
    expect(page.locator(".snippet code")).to_contain_text(f'URL = "{sandbox.url}"')
    code = page.locator(".snippet code").inner_text()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(exec, compile(code, "the example", "exec"), {"__name__": "example"}).result()
    assert sandbox.accepted == 1
    row(page, ONE).wait_for()


def test_example_can_be_pasted_whatever_the_password(browser: Any):
    with Sandbox(Settings(login="shop", password='it\'s "$HOME" \\ n')) as sandbox:
        context = browser.new_context()
        page = context.new_page()
        page.goto(sandbox.inbox_url)
        code = page.locator(".snippet code").inner_text()
        context.close()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(
                exec, compile(code, "the example", "exec"), {"__name__": "example"}
            ).result()
        assert sandbox.accepted == 1


def test_lost_connection_is_shown_and_restored(browser: Any):
    with Sandbox() as first:
        port = urlsplit(first.url).port or 0
        context = browser.new_context()
        page = context.new_page()
        page.goto(first.inbox_url)
        expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#live")).to_have_text("Connection lost, trying again")
    with Sandbox(port=port) as second:
        expect(page.locator("#live")).to_have_text("Live", timeout=10_000)
        send(second, (ONE, "Знову тут"))
        row(page, ONE).wait_for()
        context.close()


# Everybody can use it, also on a phone


@cache
def axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def findings(page: Any) -> list[str]:
    """Return what axe-core complains of on the page as it is, and what is cut off at the right."""
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe())
    # What is well is only counted: to describe each such node, and to hand that over, takes most of
    # the time.
    passed, violations = page.evaluate(
        "axe.run({resultTypes: ['violations']}).then((f) => [f.passes.length, f.violations])"
    )
    assert passed > 10
    cut_off = page.evaluate(
        """[...document.querySelectorAll(".bar, .bar *, .tabs button, .page, .page .items")]
        .filter((node) => getComputedStyle(node).clipPath === "none")
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
        .map((node) => `cut off: ${node.className || node.id || node.tagName}`)"""
    )
    rules = [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in violations
        for node in rule["nodes"]
    ]
    return rules + list(cut_off)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_is_accessible_at_any_width_and_in_both_colours(
    width: int, scheme: str, sandbox: Sandbox, opened: Opened
):
    page = opened(viewport={"width": width, "height": 780}, color_scheme=scheme)
    found = {"empty": findings(page)}
    fill(sandbox)
    User(sandbox).send(ONE, "Ваш код: 4815")
    User(sandbox).send("+9873000", "Погане")
    sandbox.faults.add("html", operation="SendSMS")
    User(sandbox).send(ONE, "https://shop.example/r/7")
    row(page, ONE).wait_for()
    expect(page.locator("#count")).to_have_text("10\u202f002")
    expect(page.locator("#alarm")).to_be_visible()
    page.get_by_role("button", name="What to search for").click()
    page.get_by_role("searchbox").fill("ваш код")
    expect(page.locator(".row")).to_have_count(1)
    found["search"] = findings(page)
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog", name="Delete 1 message?").wait_for()
    found["delete"] = findings(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("searchbox").fill("")
    row(page, ONE).click()
    bubbles(page).last.wait_for()
    found["thread"] = findings(page)
    chosen = page.locator(".message", has=page.locator(".code"))
    chosen.locator(".meta").click()
    page.locator(".details header").wait_for()
    chosen.locator(".code").scroll_into_view_if_needed()
    found["details"] = findings(page)
    page.keyboard.press("Escape")
    tops = set()
    for tab in ("Calls", "Faults", "Account", "Sessions", "Connect"):
        panel = page.locator("dialog[open]")
        if panel.count():
            tops.add(panel.get_by_role("tab", name=tab).bounding_box()["y"])
            panel.get_by_role("tab", name=tab).click()
        else:
            panel = open_panel(page, tab)
        if tab == "Calls":
            panel.locator(".call").first.click()
            panel.get_by_label("Reply, as XML").wait_for()
        found[tab] = findings(page)
    assert len(tops) == 1, "the tabs are not in one line"
    page.get_by_role("button", name="Clear everything…").click()
    found["question"] = findings(page)
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


# Other web pages


class OtherSite(BaseHTTPRequestHandler):
    """A page of somebody else, on another port of this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another site</title>")

    def log_message(self, *_: Any) -> None:
        pass


ATTACKS = {
    "clear everything": ("sandbox/clear", {"method": "POST", "mode": "no-cors"}),
    "send by SOAP": ("api/soap.html", {"method": "POST", "mode": "no-cors", "body": "<no soap>"}),
    "read the messages": ("sandbox/messages", {"mode": "cors"}),
    "look without asking to read": ("sandbox/messages", {"mode": "no-cors"}),
    "switch a fault on": (
        "sandbox/faults",
        {"method": "POST", "mode": "no-cors", "body": '{"kind": "html"}'},
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_page_of_another_origin_is_refused(attack: str, sandbox: Sandbox, browser: Any):
    send(sandbox, (ONE, needles.TEXT))
    calls = sandbox.calls
    path, options = ATTACKS[attack]
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://localhost:{other.server_port}/")
        answers: list[int] = []
        page.on(
            "response",
            lambda answer: (
                answers.append(answer.status) if sandbox.inbox_url in answer.url else None
            ),
        )
        said = page.evaluate(
            (
                "([url, options]) => fetch(url, options).then(answer => answer.text(), error => "
                "error.message)"
            ),
            [sandbox.inbox_url + path, options],
        )
        page.wait_for_timeout(100)
        context.close()
        other.shutdown()
    assert set(answers) <= {403}, "what may not be read is not even told of"
    assert needles.WORD not in said
    assert (sandbox.accepted, sandbox.calls, sandbox.faults.rules) == (1, calls, ())
