"""The webhook of the sandbox: what is posted, and that the gateway never waits for it."""

from __future__ import annotations

import base64
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import needles
import pytest
from ports import refusing_port
from test_cli import start
from test_sandbox import GOOD, OTHER, User
from test_sandbox_api import got

from smsgate.sandbox import Sandbox, Settings
from smsgate.sandbox.webhook import WAITING


class Receiver:
    """A server that keeps what is posted to it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.status = 204
        self.go_on = threading.Event()
        self.go_on.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), json.loads(body)))
                receiver.go_on.wait()
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.go_on.set()
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def wait_until(holds: Callable[[], object]) -> None:
    for _ in range(1_000):
        if holds():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen within 20 seconds")


def test_each_message_is_posted_as_the_api_shows_it(receiver: Receiver):
    with Sandbox(webhook=f"{receiver.url}/sms?from=sandbox") as sandbox:
        User(sandbox).send(f"{GOOD},{OTHER}", "Ваш код: 4815")
        wait_until(lambda: sandbox.webhook and sandbox.webhook.delivered == 2)
        shown = got(sandbox, "/sandbox/messages")["messages"]
        counts = got(sandbox, "/sandbox/webhook")["webhook"]
    posted = [document for _, _, document in receiver.requests]
    assert [{**one, "state": None} for one in posted] == [{**one, "state": None} for one in shown]
    assert [one["state"] for one in posted] == ["sent", "sent"]
    path, headers, _ = receiver.requests[0]
    assert (path, headers["Content-Type"]) == ("/sms?from=sandbox", "application/json")
    assert headers["User-Agent"].startswith("smsgate-sandbox/")
    assert counts == {
        "url": f"{receiver.url}/sms?***",
        "delivered": 2,
        "failed": 0,
        "dropped": 0,
        "waiting": 0,
        "last_error": None,
    }


def test_refused_call_posts_nothing_and_a_lost_answer_posts(receiver: Receiver):
    with Sandbox(webhook=receiver.url) as sandbox:
        user = User(sandbox)
        user.send("+9873000")
        sandbox.faults.add("502 after", operation="SendSMS")
        user.send(GOOD, "accepted, and the client does not know")
        wait_until(lambda: receiver.requests)
    assert [one["text"] for _, _, one in receiver.requests] == [
        "accepted, and the client does not know"
    ]


def test_password_is_sent_as_basic_authorization_and_masked_where_shown(receiver: Receiver):
    address = receiver.url.replace("//", f"//bot:{needles.PASSWORD}%21@")
    with Sandbox(webhook=f"{address}/?token={needles.WORD}") as sandbox:
        User(sandbox).send()
        wait_until(lambda: receiver.requests)
        shown = json.dumps([got(sandbox, "/sandbox/webhook"), got(sandbox, "/sandbox/state")])
        shown += repr(sandbox.webhook)
    _, headers, _ = receiver.requests[0]
    scheme, given = headers["Authorization"].split()
    assert (scheme, base64.b64decode(given).decode()) == ("Basic", f"bot:{needles.PASSWORD}!")
    assert needles.PASSWORD not in shown
    assert needles.WORD not in shown
    assert "bot:***@127.0.0.1" in shown


@pytest.mark.parametrize(
    ("status", "error"), [(500, "status 500"), (302, "status 302"), (404, "status 404")]
)
def test_other_status_is_a_failure_that_is_not_repeated(
    status: int, error: str, receiver: Receiver
):
    receiver.status = status
    with Sandbox(webhook=receiver.url) as sandbox:
        User(sandbox).send()
        wait_until(lambda: sandbox.webhook and sandbox.webhook.failed == 1)
        assert got(sandbox, "/sandbox/state")["webhook"]["last_error"].endswith(error)
        receiver.status = 200
        User(sandbox).send()
        wait_until(lambda: sandbox.webhook and sandbox.webhook.delivered == 1)
        assert sandbox.webhook
        assert sandbox.webhook.last_error is None
    assert [path for path, _, _ in receiver.requests] == ["/", "/"]


def test_receiver_that_is_not_there_is_a_failure_and_the_send_works():
    with Sandbox(webhook=f"http://127.0.0.1:{refusing_port()}") as sandbox:
        assert len(User(sandbox).send().slots) == 2
        wait_until(lambda: sandbox.webhook and sandbox.webhook.failed == 1)
        assert sandbox.webhook
        assert sandbox.webhook.last_error == "Connection refused"


def test_receiver_that_does_not_speak_http_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"what is this?\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with Sandbox(webhook=f"http://127.0.0.1:{listener.getsockname()[1]}") as sandbox:
            User(sandbox).send()
            wait_until(lambda: sandbox.webhook and sandbox.webhook.failed == 1)
            assert sandbox.webhook
            assert sandbox.webhook.last_error == "the receiver did not answer with HTTP"
        thread.join()


def test_receiver_that_hangs_delays_no_send_and_the_queue_is_bounded(receiver: Receiver):
    receiver.go_on.clear()
    with Sandbox(webhook=receiver.url) as sandbox:
        user = User(sandbox)
        user.send()
        wait_until(lambda: receiver.requests)  # the only thread hangs in this one
        for _ in range(11):
            user.send(",".join(f"+38067{n:07}" for n in range(100)))
        assert sandbox.accepted == 1_101
        counts = got(sandbox, "/sandbox/webhook")["webhook"]
        assert (counts["waiting"], counts["dropped"]) == (WAITING, 100)
        assert len(receiver.requests) == 1
    # Stopping does not wait for the receiver; what waited is counted.
    assert sandbox.webhook
    assert (sandbox.webhook.waiting, sandbox.webhook.dropped) == (0, 1_100)


def test_without_a_webhook_nothing_is_shown():
    with Sandbox() as sandbox:
        User(sandbox).send()
        assert sandbox.webhook is None
        assert got(sandbox, "/sandbox/webhook") == {"webhook": None}
        assert not [one for one in threading.enumerate() if "webhook" in one.name]


def test_sandbox_without_a_socket_posts_too_and_goes_on_after_a_restart(receiver: Receiver):
    sandbox = Sandbox(Settings(), webhook=receiver.url)
    for count in (1, 2):
        with sandbox:
            User(sandbox).send()
            wait_until(lambda count=count: len(receiver.requests) == count)


IMPOSSIBLE = (
    "webhook: an address that begins with http:// or https://, such as http://127.0.0.1:3000/sms"
)


@pytest.mark.parametrize(
    "url",
    ["", "sms", "ftp://a/b", "http://", "http:///path", "http://[::1", "http://a:99999/",
     "http://a:0/", "http://a b/", "http://a/\r\nX: 1", "file:///etc/passwd", "http://a/ї"],
)  # fmt: skip
def test_impossible_address_is_an_error(url: str):
    with pytest.raises(ValueError, match=r"^webhook: an address that begins with") as error:
        Sandbox(webhook=url)
    assert str(error.value) == IMPOSSIBLE


def test_command_warns_of_failures_once_and_counts_them(tmp_path: Path):
    child = start(
        "sandbox", "--json", "--port", "0", cwd=tmp_path,
        SMSGATE_SANDBOX_WEBHOOK=f"http://bot:{needles.PASSWORD}@127.0.0.1:{refusing_port()}/sms",
    )  # fmt: skip
    assert child.stdout
    line = child.stdout.readline()
    running = json.loads(line)
    assert running["webhook"].startswith("http://bot:***@127.0.0.1:")

    class Running:
        url = running["url"]

    there: Any = Running()
    user = User(there)
    for count in range(1, 4):
        user.send()
        wait_until(lambda count=count: got(there, "/sandbox/webhook")["webhook"]["failed"] == count)
        time.sleep(0.5)
    child.send_signal(signal.SIGTERM)
    out, said = child.communicate(timeout=30)
    warned = " ".join(said.split())
    assert warned.count("not delivered to") == 2  # the first at once, the others at the end
    assert "webhook: 3 messages not delivered to http://bot:***@127.0.0.1" in warned
    assert needles.PASSWORD not in line + out + said
