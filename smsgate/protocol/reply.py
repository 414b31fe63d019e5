"""From response bytes to values or errors; `envelope` does the opposite. Pure functions.

Rule of this file: an answer that neither accepts nor refuses clearly raises `InDoubt`. Elements are
found by namespace and local name, not by prefix or position (docs: wire format, "Replies"). An id
in a slot means that this number was accepted, whatever the first sentence says (docs: wire format,
"Slots").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from ..errors import (
    AccountSuspended,
    BadCredentials,
    InDoubt,
    MissingParameters,
    NotAuthorised,
    NotEnoughCredits,
    Outcome,
    Reason,
    Refused,
    ReplyEvidence,
)
from ..privacy import mask_numbers, sealed
from .answers import ANSWERS, Answer, ClassifiedAnswer, DeliveryState, classify, delivery_state
from .models import DeliveryStatus, Message, RecipientResult, SendResult, message_id
from .operation import NAMESPACE, Operation
from .xml import SOAP_11, Elsewhere, Node, Unreadable, find, parse, plain_texts, text_of

__all__ = [
    "Reply",
    "is_balance",
    "is_message_id",
    "is_nothing",
    "is_status",
    "read_auth",
    "read_balance",
    "read_new_messages",
    "read_reply",
    "read_send",
    "read_status",
    "shows_session",
    "unrecognised",
]

_BALANCE = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?\Z")
_ID = re.compile(rb"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_STATUS_MEANS = {
    407: "407 Proxy Authentication Required (the proxy asks for a user and a password)"
}
_LOOKED_AT = 16
"""How many items are searched for sentences that are logged or explain an unexpected answer."""
# Sentences that leave the outcome open.
_UNDECIDED = {
    Answer.OUTCOME_UNKNOWN: Reason.OUTCOME_UNKNOWN,
    Answer.NOT_SAVED: Reason.NOT_SAVED,
    Answer.UNRECOGNISED: Reason.UNRECOGNISED,
}

# Answers that the gateway may also give to a request without a session: those about the account
# as a whole, and any that is not in the table.
_OF_THE_ACCOUNT = (AccountSuspended, BadCredentials, MissingParameters, NotAuthorised)
_TO_STRANGERS = frozenset(
    {row.meaning for row in ANSWERS if row.error in _OF_THE_ACCOUNT} | {Answer.UNRECOGNISED}
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The strings of an answer.

    Attributes:
        items: the strings in order, None for an empty or nil element. An operation that answers
            with one string has one item.
        received: what came, without the ids in it.
        elsewhere: indices of items that are None although another element may have their text.
    """

    items: tuple[str | None, ...]
    received: ReplyEvidence
    elsewhere: frozenset[int] = frozenset()

    @property
    def evidence(self) -> ReplyEvidence:
        """What is known of the reply, for errors. Only then are its ids searched for."""
        ids = tuple(found.decode() for found in _ID.findall(self.received.reply))
        return replace(self.received, ids=ids)

    def __repr__(self) -> str:
        return f"Reply({len(self.items)} items, {self.evidence!r})"

    def in_doubt(self, reason: Reason, detail: str) -> InDoubt:
        """Return the error for an answer that leaves the outcome open."""
        return InDoubt(f"{reason}: {detail}", reason=reason, evidence=self.evidence)


@sealed
def read_reply(operation: Operation[object], body: bytes, status: int = 200) -> Reply:
    """Parse the reply to this operation.

    Args:
        operation: the operation that was called.
        body: the body of the HTTP response.
        status: the HTTP status.

    Raises:
        InDoubt: the HTTP status is not 2xx, or the body is not XML, is a SOAP fault, or has no
            answer to this operation.
    """
    received = ReplyEvidence(status, len(body), reply=body[: ReplyEvidence.LIMIT])
    nothing = Reply((), received)
    if not 200 <= status < 300:
        raise nothing.in_doubt(Reason.HTTP_STATUS, _STATUS_MEANS.get(status, str(status)))
    texts = plain_texts(body, _path(operation.name, array=operation.array))
    if texts and (operation.array or len(texts) == 1):
        return Reply(tuple(texts), received)
    try:
        tree = parse(body)
        if _is_fault(tree):
            raise nothing.in_doubt(Reason.FAULT, "the gateway answered with a fault")
        items, elsewhere = _items(operation, tree)
    except Unreadable as error:
        raise nothing.in_doubt(Reason.UNREADABLE, str(error)) from None
    return Reply(items, received, elsewhere)


@cache
def _path(name: str, *, array: bool) -> tuple[str, ...]:
    """Return the path of the elements of a usual answer, for `plain_texts`."""
    around = (f"{SOAP_11} Envelope", f"{SOAP_11} Body")
    answer = (f"{NAMESPACE} {name}Response", f"{NAMESPACE} {name}Result")
    return (*around, *answer, f"{NAMESPACE} ResultArray") if array else (*around, *answer)


def _is_fault(tree: Node) -> bool:
    return any(True for name in ("soap:Fault", "soap12:Fault") for _ in find(tree, name))


def _items(
    operation: Operation[object], tree: Node
) -> tuple[tuple[str | None, ...], frozenset[int]]:
    results = list(find(tree, f"turbo:{operation.result}"))
    if not results and operation.array and list(find(tree, f"turbo:{operation.name}Response")):
        return (), frozenset()  # null in place of the array
    if len(results) != 1:
        raise Unreadable(f"{len(results)} elements {operation.result} where one is expected")
    result = results[0]
    if not operation.array:
        return (text_of(result),), frozenset()
    if isinstance(result, dict) and "turbo:ResultArray" in result:
        slots = result["turbo:ResultArray"]
        return _slots(slots if isinstance(slots, list) else [slots])
    # Either an empty array, or a string although the WSDL declares an array.
    text = (text_of(result) or "").strip()
    return (text,) if text else (), frozenset()


def _slots(slots: list[Node]) -> tuple[tuple[str | None, ...], frozenset[int]]:
    items: list[str | None] = []
    elsewhere = set()
    for place, slot in enumerate(slots):
        try:
            items.append(text_of(slot))
        except Elsewhere:  # only this recipient is in doubt; the other slots stay valid
            items.append(None)
            elsewhere.add(place)
    return tuple(items), frozenset(elsewhere)


def is_nothing(_text: str) -> bool:
    """Return False: all strings of the answer are sentences."""
    return False


def is_balance(text: str) -> bool:
    """Return whether a string is a number of credits."""
    return bool(_BALANCE.match(text))


def is_message_id(text: str) -> bool:
    """Return whether a string is a message id."""
    return message_id(text) is not None


def is_status(text: str) -> bool:
    """Return whether a string is a delivery status in the table."""
    return delivery_state(text) is not DeliveryState.UNRECOGNISED


def unrecognised(operation: Operation[object], reply: Reply) -> list[str]:
    """Return the sentences of the answer that are in no table; the table may need a new row."""
    texts = [text for text in (item.strip() for item in reply.items[:_LOOKED_AT] if item) if text]
    return [
        sentence.text
        for text in texts
        if not operation.knows(text)
        for sentence in classify(text)
        if sentence.answer is Answer.UNRECOGNISED
    ]


def shows_session(operation: Operation[object], reply: Reply) -> bool:
    """Return whether the answer proves that the session was valid.

    It does if the gateway says nothing in it that it would also say without a session.
    """
    texts = [text for text in (item.strip() for item in reply.items if item) if text]
    return bool(texts) and all(
        operation.knows(text)
        or _TO_STRANGERS.isdisjoint(sentence.answer for sentence in classify(text))
        for text in texts
    )


def _refusal(answers: Sequence[ClassifiedAnswer], reasons: tuple[str, ...] = ()) -> Refused:
    # An expired session comes first, because logging in again fixes it.
    worst = next(
        (answer for answer in answers if answer.answer is Answer.NOT_AUTHORISED), answers[0]
    )
    kind = worst.error or Refused
    text = mask_numbers(worst.text)
    said = f"the gateway refused ({worst.answer}): {' '.join(text.split())}"
    if issubclass(kind, NotEnoughCredits):
        return kind(
            said,
            answer=worst.answer,
            text=text,
            reasons=reasons,
            missing=worst.missing or Decimal(0),
        )
    return kind(said, answer=worst.answer, text=text, reasons=reasons)


def _refused(answers: Sequence[ClassifiedAnswer]) -> bool:
    """Return whether the answer to a reading operation is a refusal.

    One "not authorised" is enough: the session has expired.
    """
    all_refuse = bool(answers) and all(answer.refusal for answer in answers)
    return all_refuse or any(answer.answer is Answer.NOT_AUTHORISED for answer in answers)


def _unhoped(reply: Reply, answers: Sequence[ClassifiedAnswer], what: str) -> Refused | InDoubt:
    """Return the error for an answer that is not the expected value."""
    return (
        _refusal(answers)
        if _refused(answers)
        else reply.in_doubt(Reason.UNRECOGNISED, f"the answer is not {what}")
    )


@sealed
def read_auth(reply: Reply, _asked: object = None) -> None:
    """Return None if the login succeeded.

    Raises:
        BadCredentials: login or password is wrong.
        AccountSuspended: the account is not activated, blocked or disabled.
        MissingParameters: login or password is empty.
        InDoubt: the answer is not recognised.
    """
    answers = tuple(classify(reply.items[0] or ""))
    if [answer.answer for answer in answers] != [Answer.AUTHORISED]:
        raise _unhoped(reply, answers, "one of a login")


@sealed
def read_balance(reply: Reply, _asked: object = None) -> Decimal:
    """Return the balance in credits (docs: wire format, "Balance").

    Raises:
        Refused: the gateway refused; `NotAuthorised` if the session has expired.
        InDoubt: the answer is not recognised.
    """
    text = (reply.items[0] or "").strip()
    if not _BALANCE.match(text):
        raise _unhoped(reply, tuple(classify(text)), "a number of credits")
    return Decimal(text.replace(",", "."))


@sealed
def read_new_messages(reply: Reply, _asked: object = None) -> list[str]:
    """Return the ids of messages without a final status (docs: wire format, "New messages").

    Raises:
        Refused: the gateway refused; `NotAuthorised` if the session has expired.
        InDoubt: the answer is not a list of message ids.
    """
    texts = [text for text in (item.strip() for item in reply.items if item) if text]
    ids = [found for found in map(message_id, texts) if found]
    if reply.elsewhere:
        raise reply.in_doubt(Reason.UNREADABLE, "the answer is not a list of message ids")
    if len(ids) != len(texts):
        strange = [text for text in texts if not message_id(text)]
        answers = tuple(answer for text in strange[:_LOOKED_AT] for answer in classify(text))
        raise _unhoped(reply, answers, "a list of message ids")
    return ids


@sealed
def read_status(reply: Reply, asked: str) -> DeliveryStatus:
    """Return the delivery status of the message with the id `asked`.

    Raises:
        Refused: the gateway refused; `MessageNotFound` if it does not know the id.
        InDoubt: the answer is empty.
    """
    text = (reply.items[0] or "").strip()
    if not text:
        raise reply.in_doubt(Reason.UNRECOGNISED, "the status is empty")
    answers = tuple(classify(text))
    if _refused(answers):
        raise _refusal(answers)
    return DeliveryStatus(message_id=asked, state=delivery_state(text), text=text)


@sealed
def read_send(reply: Reply, message: Message) -> SendResult:
    """Return the outcome for each destination, if at least one was accepted.

    Raises:
        Refused: the gateway refused all destinations.
        InDoubt: no destination was accepted, and not all were clearly refused. For example, the
            number of slots is wrong, two slots have the same id, a sentence is not recognised, or
            the answer says success without an id.
    """
    ids = [message_id(slot) for slot in reply.items[1:]]
    if misshapen := _misshapen(reply, len(message.destinations), ids):
        raise reply.in_doubt(*misshapen)
    head, *slots = reply.items
    answers = tuple(classify(head or ""))
    if not slots:
        raise _whole(reply, answers)
    if all(ids):
        return _all_accepted(message, ids, answers, head or "")
    answered = tuple(
        _recipient(destination, slot, found, answers, readable=place not in reply.elsewhere)
        for place, (destination, slot, found) in enumerate(
            zip(message.destinations, slots, ids, strict=True), start=1
        )
    )
    recipients = tuple(recipient for recipient, _ in answered)
    if any(recipient.outcome is Outcome.ACCEPTED for recipient in recipients):
        return SendResult(answers=answers, text=head or "", recipients=recipients)
    sentences = [*answers, *(said for _, said in answered if said)]
    if any(recipient.outcome is Outcome.IN_DOUBT for recipient in recipients):
        raise reply.in_doubt(*_doubt(sentences))
    dead = any(sentence.answer is Answer.NOT_AUTHORISED for sentence in sentences)
    # After "not authorised" the message is sent again, so a success in the same answer must count.
    if any(not answer.refusal for answer in answers) and (dead or not all(map(_filled, slots))):
        raise reply.in_doubt(Reason.CONTRADICTION, "success without a message id")
    refusals = [sentence for sentence in sentences if sentence.refusal]
    raise _refusal(refusals, tuple(mask_numbers(recipient.reason) for recipient in recipients))


def _all_accepted(
    message: Message, ids: Sequence[str | None], answers: Sequence[ClassifiedAnswer], text: str
) -> SendResult:
    """Return the result of a usual answer. pydantic makes all recipients in one call."""
    recipients = [
        {
            "destination": destination,
            "message_id": found,
            "outcome": Outcome.ACCEPTED,
            "answer": Answer.SENT,
        }
        for destination, found in zip(message.destinations, ids, strict=True)
    ]
    return SendResult.model_validate({"answers": answers, "text": text, "recipients": recipients})


def _misshapen(reply: Reply, expected: int, ids: Sequence[str | None]) -> tuple[Reason, str] | None:
    """Return why the slots do not match the destinations; None if they match or there are none."""
    if not reply.items:
        return Reason.SLOTS, "the answer is empty"
    slots = reply.items[1:]
    if slots and len(slots) != expected:
        return Reason.SLOTS, f"{len(slots)} for {expected} destinations"
    if message_id(reply.items[0]):
        return Reason.CONTRADICTION, "a message id where a sentence is expected"
    found = [one.casefold() for one in ids if one]
    return (
        (Reason.CONTRADICTION, "one message id for two destinations")
        if len(set(found)) != len(found)
        else None
    )


def _filled(slot: str | None) -> bool:
    return bool(slot and slot.strip())


def _whole(reply: Reply, answers: Sequence[ClassifiedAnswer]) -> Refused | InDoubt:
    """Return the error for an answer without slots (docs: wire format, "Slots")."""
    if answers and all(answer.refusal for answer in answers):
        return _refusal(answers)
    return reply.in_doubt(*_doubt(answers))


def _doubt(answers: Sequence[ClassifiedAnswer]) -> tuple[Reason, str]:
    for answer in answers:
        if answer.answer in _UNDECIDED:
            return _UNDECIDED[answer.answer], "the answer does not say which destinations were sent"
    if any(not answer.refusal for answer in answers):
        return Reason.CONTRADICTION, "success without a message id"
    return Reason.UNRECOGNISED, "the answer does not say which destinations were sent"


def _recipient(
    destination: str,
    slot: str | None,
    found: str | None,
    head: Sequence[ClassifiedAnswer],
    *,
    readable: bool,
) -> tuple[RecipientResult, ClassifiedAnswer | None]:
    """Return the result for one number, and the sentence that decided.

    A slot has an id, a sentence, or nothing. If it is empty, the sentences before the slots decide.

    Args:
        destination: the number.
        slot: the text of its slot.
        found: the message id in the slot.
        head: the sentences before the slots.
        readable: False if another element may have the text of the slot; the number is in doubt.
    """
    if not readable:
        return RecipientResult(destination=destination, outcome=Outcome.IN_DOUBT), None
    if found:
        return RecipientResult(
            destination=destination, message_id=found, outcome=Outcome.ACCEPTED, answer=Answer.SENT
        ), None
    said = tuple(classify(slot or ""))
    decisive: ClassifiedAnswer | None
    if said:
        refused = all(answer.refusal for answer in said)
        decisive = next((answer for answer in said if not answer.refusal), said[0])
    else:
        # An empty slot means "not recognised or not sent" (docs: wire format, "Slots"), unless the
        # sentences before the slots leave the outcome open.
        refused = bool(head) and not any(answer.answer in _UNDECIDED for answer in head)
        decisive = next((answer for answer in head if answer.refusal), None)
    outcome = Outcome.REFUSED if refused else Outcome.IN_DOUBT
    if decisive is None:
        return RecipientResult(destination=destination, outcome=outcome), None
    result = RecipientResult(
        destination=destination, outcome=outcome, answer=decisive.answer, reason=decisive.text
    )
    return result, decisive
