"""The webhook of the sandbox: one POST for each message that arrived, for end-to-end tests.

Rules of this file: the gateway never waits for it. One thread posts one message after another, each
once and without redirects. If more than `WAITING` wait, new ones are dropped and counted. The real
gateway has no webhook.
"""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from urllib.parse import SplitResult, unquote, urlsplit

from ..version import __version__
from .store import SandboxMessage, message_document

__all__ = ["WAITING", "Webhook", "WebhookCounts"]

WAITING = 1_000
"""Maximum number of messages that wait to be posted."""
_SECONDS = 5.0
"""Maximum seconds to connect, and to wait for the next bytes of the answer."""
_GRACE_SECONDS = 0.3
"""Maximum seconds to wait for the thread when the sandbox stops."""
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class WebhookCounts:
    """How the webhook is doing.

    Attributes:
        url: its address; the password and the query are replaced by `***`.
        delivered: messages that were answered with a status from 200 to 299.
        failed: messages that were not.
        dropped: messages that were not posted, because too many waited or the sandbox stopped.
        waiting: messages that wait to be posted.
        last_error: why the last failed message failed; None if the last one was delivered.
    """

    url: str
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
    last_error: str | None = None


class Webhook:
    """Posts messages to an address.

    Args:
        url: an http or https address. A user and a password in it are sent as Basic authorization.
        changed: called after each message, from the thread of the webhook.

    Raises:
        ValueError: the address is not possible. The message begins with `webhook`.
    """

    def __init__(self, url: str, changed: Callable[[], None]) -> None:
        self._parts = _address(url)
        self._changed = changed
        self._queue: Queue[SandboxMessage] = Queue(WAITING)
        self._lock = Lock()
        self._counts = WebhookCounts(_masked(self._parts))
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def counts(self) -> WebhookCounts:
        """How it is doing."""
        with self._lock:
            return replace(self._counts, waiting=self._queue.qsize())

    def offer(self, messages: Sequence[SandboxMessage]) -> None:
        """Post these messages soon. Returns at once, also if the receiver does not answer."""
        with self._lock:
            for message in messages:
                try:
                    self._queue.put_nowait(message)
                except Full:
                    self._counts = replace(self._counts, dropped=self._counts.dropped + 1)
            if self._thread is None:
                self._stopping.clear()
                self._thread = Thread(target=self._run, name="smsgate-sandbox-webhook", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread. Messages that still wait are dropped and counted."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping.set()
        thread.join(_GRACE_SECONDS)
        with self._lock:
            while True:
                try:
                    self._queue.get_nowait()
                except Empty:
                    return
                self._counts = replace(self._counts, dropped=self._counts.dropped + 1)

    def _run(self) -> None:
        stopping = self._stopping
        while not stopping.is_set():
            try:
                message = self._queue.get(timeout=_LOOK_SECONDS)
            except Empty:
                continue
            error = self._post(message)
            with self._lock:
                now = self._counts
                self._counts = replace(
                    now,
                    delivered=now.delivered + (error is None),
                    failed=now.failed + (error is not None),
                    last_error=error,
                )
            self._changed()

    def _post(self, message: SandboxMessage) -> str | None:
        """Post a message, and return why this failed, None if it was delivered."""
        parts = self._parts
        body = json.dumps(message_document(message), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"smsgate-sandbox/{__version__}",
            "Connection": "close",
        }
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            with closing(_connection(parts)) as connection:
                connection.request("POST", path, body, headers)
                status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            return _why(error)
        return None if 200 <= status <= 299 else f"the receiver answered with status {status}"


def _connection(parts: SplitResult) -> HTTPConnection:
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        return HTTPSConnection(host, port, timeout=_SECONDS, context=ssl.create_default_context())
    return HTTPConnection(host, port, timeout=_SECONDS)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_SECONDS:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the receiver did not answer with HTTP"


def _address(url: str) -> SplitResult:
    parts = _parsed(url)
    if parts is None:
        raise ValueError(
            "webhook: an address that begins with http:// or https://, such as"
            " http://127.0.0.1:3000/sms"
        )
    return parts


def _parsed(url: str) -> SplitResult | None:
    if not all("!" <= character <= "~" for character in url):
        return None
    try:
        parts = urlsplit(url)
        possible = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if possible else None


def _masked(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    login = "" if parts.username is None else f"{parts.username}:***@"
    return f"{parts.scheme}://{login}{host}{parts.path}{'?***' if parts.query else ''}"
