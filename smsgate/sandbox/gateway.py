"""The gateway itself, without I/O: an account, its messages, and the five operations as a table of handlers.

Rule of this file: every public method takes the lock, every private one runs under it, so that a test may look while the
server works. What the gateway does not document is decided here and said beside the line that decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from threading import Lock
from typing import TypeAlias
from uuid import uuid4

from ..protocol.answers import Answer, DeliveryState
from ..protocol.models import is_sender
from ..protocol.operations import Operation
from ..protocol.segments import segments
from .journey import ending, refusal, refusal_of_all, state_after
from .sentences import say, say_in_slot, say_state
from .sessions import PhpSession, PhpSessions
from .settings import FailedSlot, Settings

__all__ = ["Gateway", "Result", "SandboxMessage"]

Result: TypeAlias = str | tuple[str | None, ...]
"""What an operation answers: a string, or the slots of an array, where None is written as nil."""

_SLOTS: dict[FailedSlot, Callable[[str], str | None]] = {
    FailedSlot.SENTENCE: lambda sentence: sentence,
    FailedSlot.EMPTY: lambda _: "",
    FailedSlot.NIL: lambda _: None,
}
# Beside success the gateway speaks of these in general words; alone, in their own (protocol, section 4.4).
_BESIDE_SUCCESS = {Answer.COUNTRY_NOT_SERVED: Answer.PARTLY_SENT, Answer.CANNOT_SEND: Answer.PARTLY_SENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxMessage:
    """One accepted message to one number. `accepted_at` is by the sandbox's clock, `state` that of the moment you look."""

    id: str
    destination: str = field(repr=False)
    sender: str = field(repr=False)
    text: str | None = field(repr=False)
    wappush: str | None = field(repr=False)
    parts: int
    credits: Decimal
    accepted_at: float
    state: DeliveryState = DeliveryState.SENT
    ends: DeliveryState = field(default=DeliveryState.DELIVERED, repr=False)


class Gateway:
    """One account and its state. Safe to use from several threads."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self._clock = clock
        self._lock = Lock()
        self._sessions = PhpSessions(settings.session_idle_seconds, clock)
        self._start()

    def _start(self) -> None:
        self._credits = Decimal(self.settings.credits)
        self._messages: dict[str, SandboxMessage] = {}
        self._open: dict[str, SandboxMessage] = {}  # those that were not yet seen in a final state
        self._calls: Counter[str] = Counter()

    # What a server asks

    def open_session(self, session_id: str | None) -> PhpSession:
        """Return the session of this cookie. If its id differs, it is a new one and the client must be told."""
        with self._lock:
            return self._sessions.open(session_id)

    def call(self, session: PhpSession, operation: Operation, arguments: Mapping[str, str]) -> Result:
        """Return the answer of an operation. An absent argument is the same as an empty one."""
        handler, needs_login = _HANDLERS[operation.name]
        with self._lock:
            self._calls[operation.name] += 1
            if needs_login and not session.authorised:
                return (self.settings.unauthorised,) if operation.array else self.settings.unauthorised
            return handler(self, session, arguments)

    # What a test asks

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """Every accepted message with its state of now, oldest first."""
        with self._lock:
            now = self._clock()
            return tuple(replace(message, state=self._state(message, now)) for message in self._messages.values())

    @property
    def balance(self) -> Decimal:
        """Credits that are left."""
        with self._lock:
            return self._credits

    @property
    def calls(self) -> Counter[str]:
        """How often each operation was called, refused or not."""
        with self._lock:
            return self._calls.copy()

    def drop_sessions(self) -> None:
        """Forget all sessions: every cookie is dead."""
        with self._lock:
            self._sessions.drop()

    def clear(self) -> None:
        """Forget messages and counters and restore the balance. Sessions live on."""
        with self._lock:
            self._start()

    # The five operations

    def _auth(self, session: PhpSession, arguments: Mapping[str, str]) -> Result:
        login, password = arguments.get("login"), arguments.get("password")
        if not login or not password:
            return say(Answer.MISSING_PARAMETERS)
        right = login == self.settings.login and password == self.settings.password
        answer = self.settings.account.answer if right else Answer.BAD_CREDENTIALS
        # Documented: a session whose last Auth did not succeed is not authorised.
        session.authorised = answer is Answer.AUTHORISED
        return say(answer)

    def _get_credit_balance(self, _session: PhpSession, _arguments: Mapping[str, str]) -> Result:
        return f"{self._credits:f}"

    def _send_sms(self, _session: PhpSession, arguments: Mapping[str, str]) -> Result:
        sender, destination = arguments.get("sender"), arguments.get("destination")
        text, wappush = arguments.get("text") or None, arguments.get("wappush") or None
        if not sender or not destination or not (text or wappush):
            return (say(Answer.MISSING_PARAMETERS),)
        numbers = destination.split(",")
        parts = _parts(text)
        refused = self._refusal_of_sender(sender) or refusal_of_all(numbers) or (None if parts else Answer.NOT_SAVED)
        if refused:
            return (say(refused),)
        verdicts = [refusal(number) for number in numbers]
        payable = [position for position, verdict in enumerate(verdicts) if verdict is None]
        paid = min(len(payable), int(self._credits // parts))
        missing = format(len(payable) * parts - self._credits, "f")
        unpaid = payable[paid:]
        if unpaid and not (self.settings.pay_in_part and paid):
            return (say(Answer.NOT_ENOUGH_CREDITS, missing=missing),)
        for position in unpaid:
            verdicts[position] = Answer.NOT_ENOUGH_CREDITS
        slots = tuple(
            self._accept(number, sender, text, wappush, parts) if verdict is None else self._failed_slot(verdict, number, missing)
            for number, verdict in zip(numbers, verdicts, strict=True)
        )
        return (_head(verdicts, missing), *slots)

    def _get_new_messages(self, _session: PhpSession, _arguments: Mapping[str, str]) -> Result:
        now = self._clock()
        # Not documented: an id leaves the list when its status is final, not when it was listed.
        self._open = {id_: message for id_, message in self._open.items() if not self._state(message, now).final}
        return tuple(self._open)

    def _get_message_status(self, _session: PhpSession, arguments: Mapping[str, str]) -> Result:
        asked = arguments.get("MessageId")
        if not asked:
            return say(Answer.MISSING_PARAMETERS)
        message = self._messages.get(asked)
        if message is None:
            return say(Answer.MESSAGE_NOT_FOUND, id=asked)
        return say_state(self._state(message, self._clock()))

    # What they share

    def _refusal_of_sender(self, sender: str) -> Answer | None:
        if not is_sender(sender):
            return Answer.BAD_SENDER
        approved = self.settings.senders is None or sender in self.settings.senders
        return None if approved and sender not in self.settings.forbidden_senders else Answer.SENDER_FORBIDDEN

    def _accept(self, number: str, sender: str, text: str | None, wappush: str | None, parts: int) -> str:
        message = SandboxMessage(
            id=str(uuid4()),
            destination=number,
            sender=sender,
            text=text,
            wappush=wappush,
            parts=parts,
            credits=Decimal(parts),
            accepted_at=self._clock(),
            ends=ending(number),
        )
        self._credits -= message.credits
        self._messages[message.id] = self._open[message.id] = message
        return message.id

    def _failed_slot(self, verdict: Answer, number: str, missing: str) -> str | None:
        short = verdict is Answer.NOT_ENOUGH_CREDITS
        sentence = say(verdict, missing=missing) if short else say_in_slot(verdict, number)
        return _SLOTS[self.settings.failed_slot](sentence)

    def _state(self, message: SandboxMessage, now: float) -> DeliveryState:
        return state_after(now - message.accepted_at, self.settings.delivery_seconds, message.ends)


def _parts(text: str | None) -> int:
    """Return how many parts are charged, 0 for a text with characters that no SMS carries. A link without a text is one part."""
    if text is None:
        return 1
    try:
        return segments(text).parts
    except ValueError:
        return 0


def _head(verdicts: list[Answer | None], missing: str) -> str:
    """Return what stands before the slots: each complaint once, success last (protocol, section 4.4)."""
    complaints = dict.fromkeys(verdict for verdict in verdicts if verdict)
    if None in verdicts:
        complaints = dict.fromkeys([*(_BESIDE_SUCCESS.get(complaint, complaint) for complaint in complaints), Answer.SENT])
    return " | ".join(
        say(meaning, missing=missing) if meaning is Answer.NOT_ENOUGH_CREDITS else say(meaning) for meaning in complaints
    )


_HANDLERS: dict[str, tuple[Callable[[Gateway, PhpSession, Mapping[str, str]], Result], bool]] = {
    # operation: handler, whether it needs a session in which Auth succeeded
    "Auth": (Gateway._auth, False),
    "GetCreditBalance": (Gateway._get_credit_balance, True),
    "SendSMS": (Gateway._send_sms, True),
    "GetNewMessages": (Gateway._get_new_messages, True),
    "GetMessageStatus": (Gateway._get_message_status, True),
}
