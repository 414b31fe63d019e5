"""What each operation of the gateway does, as a table of handlers.

A comment marks each decision that the gateway's documentation leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..protocol.answers import Answer
from ..protocol.models import is_sender
from .account_settings import FailedSlot
from .call_log import CallOutcome, Judged
from .magic_numbers import answer_to_all, refusal
from .message_centre import MessageCentre, size_of
from .sentences import STATE_SENTENCES, say_in_slot, say_state
from .sessions import PhpSession

__all__ = ["HANDLERS", "Handler", "Result", "judged_refusal"]

Result: TypeAlias = str | tuple[str | None, ...]
"""The result of an operation: a string, or the slots of an array; None is written as nil."""

_SLOTS: dict[FailedSlot, Callable[[str], str | None]] = {
    FailedSlot.SENTENCE: lambda sentence: sentence,
    FailedSlot.EMPTY: lambda _: "",
    FailedSlot.NIL: lambda _: None,
}
# Together with success, these get a general sentence (docs: wire format, "Joined sentences").
_BESIDE_SUCCESS = {
    Answer.COUNTRY_NOT_SERVED: Answer.PARTLY_SENT,
    Answer.CANNOT_SEND: Answer.PARTLY_SENT,
}


def _auth(centre: MessageCentre, session: PhpSession, arguments: Mapping[str, str]) -> Result:
    login, password = arguments.get("login"), arguments.get("password")
    if not login or not password:
        return centre.say(Answer.MISSING_PARAMETERS)
    account = centre.accounts.get(login)
    right = account is not None and password == account.password
    answer = account.state.answer if account and right else Answer.BAD_CREDENTIALS
    # Documented: after a failed Auth, the session is not authorised.
    session.login = login if answer is Answer.AUTHORISED else None
    return centre.say(answer)


def _get_credit_balance(
    centre: MessageCentre, session: PhpSession, _arguments: Mapping[str, str]
) -> Result:
    return f"{centre.account_of(session).credits:f}"


def _send_sms(centre: MessageCentre, session: PhpSession, arguments: Mapping[str, str]) -> Result:
    account = centre.account_of(session)
    sender, destination = arguments.get("sender"), arguments.get("destination")
    text, wappush = arguments.get("text") or None, arguments.get("wappush") or None
    if not sender or not destination or not (text or wappush):
        return (centre.say(Answer.MISSING_PARAMETERS),)
    numbers = destination.split(",")
    size = size_of(text)
    whole = _refusal_of_sender(centre, sender) or answer_to_all(numbers)
    if whole or size is None:
        return (centre.say(whole or Answer.NOT_SAVED),)
    refusals = [refusal(number) for number in numbers]
    payable = [position for position, refused in enumerate(refusals) if refused is None]
    paid = min(len(payable), int(account.credits // size.parts))
    missing = format(len(payable) * size.parts - account.credits, "f")
    unpaid = payable[paid:]
    if unpaid and not (centre.settings.pay_in_part and paid):
        return (centre.say(Answer.NOT_ENOUGH_CREDITS, missing=missing),)
    for position in unpaid:
        refusals[position] = Answer.NOT_ENOUGH_CREDITS
    slots = tuple(
        centre.accept(account, number, sender=sender, text=text, wappush=wappush, size=size)
        if refused is None
        else _failed_slot(centre, refused, number, missing)
        for number, refused in zip(numbers, refusals, strict=True)
    )
    return (_head(centre, refusals, missing), *slots)


def _get_new_messages(
    centre: MessageCentre, session: PhpSession, _arguments: Mapping[str, str]
) -> Result:
    account, now = centre.account_of(session), centre.clock()
    # Not documented: an id is listed until its status is final, not only once.
    account.unfinished = {
        id_: None
        for id_ in account.unfinished
        if (message := centre.store.get(id_)) is not None
        and not centre.state_of(message, now).final
    }
    return tuple(account.unfinished)


def _get_message_status(
    centre: MessageCentre, session: PhpSession, arguments: Mapping[str, str]
) -> Result:
    asked = arguments.get("MessageId")
    if not asked:
        return centre.say(Answer.MISSING_PARAMETERS)
    message = centre.store.get(asked)
    # Not documented: an account does not see the messages of others.
    if message is None or message.account != session.login:
        return centre.say(Answer.MESSAGE_NOT_FOUND, id=asked)
    return say_state(centre.state_of(message, centre.clock()))


def _head(centre: MessageCentre, refusals: list[Answer | None], missing: str) -> str:
    """Return the text before the slots: each error once, success last.

    See docs: wire format, "Joined sentences".
    """
    complaints = dict.fromkeys(refused for refused in refusals if refused)
    if None in refusals:
        complaints = dict.fromkeys(
            [
                *(_BESIDE_SUCCESS.get(complaint, complaint) for complaint in complaints),
                Answer.SENT,
            ]
        )
    return " | ".join(
        centre.say(meaning, missing=missing)
        if meaning is Answer.NOT_ENOUGH_CREDITS
        else centre.say(meaning)
        for meaning in complaints
    )


def _refusal_of_sender(centre: MessageCentre, sender: str) -> Answer | None:
    if not is_sender(sender):
        return Answer.BAD_SENDER
    approved = centre.settings.senders is None or sender in centre.settings.senders
    return (
        None
        if approved and sender not in centre.settings.forbidden_senders
        else Answer.SENDER_FORBIDDEN
    )


def _failed_slot(centre: MessageCentre, refused: Answer, number: str, missing: str) -> str | None:
    short = refused is Answer.NOT_ENOUGH_CREDITS
    sentence = (
        centre.say(refused, missing=missing)
        if short
        else centre.settings.sentences.get(refused) or say_in_slot(refused, number)
    )
    return _SLOTS[centre.settings.failed_slot](sentence)


def judged_refusal(result: Result) -> Judged:
    """Return the outcome of a call that was refused with this result."""
    return Judged(CallOutcome.REFUSED, (result if isinstance(result, str) else result[0]) or "")


def _done(result: Result) -> Judged:
    return Judged(CallOutcome.DONE, (result if isinstance(result, str) else result[0]) or "")


def _judge_auth(centre: MessageCentre, result: Result, _accepted: int) -> Judged:
    right = result == centre.say(Answer.AUTHORISED)
    return _done(result) if right else judged_refusal(result)


def _judge_balance(_centre: MessageCentre, result: Result, _accepted: int) -> Judged:
    return _done(result)


def _judge_send(_centre: MessageCentre, result: Result, accepted: int) -> Judged:
    if not accepted:
        return judged_refusal(result)
    done = _done(result)
    return done if accepted == len(result) - 1 else replace(done, outcome=CallOutcome.IN_PART)


def _judge_new_messages(_centre: MessageCentre, result: Result, _accepted: int) -> Judged:
    return Judged(CallOutcome.DONE, f"{len(result)} ids")


def _judge_status(_centre: MessageCentre, result: Result, _accepted: int) -> Judged:
    return _done(result) if result in STATE_SENTENCES else judged_refusal(result)


@dataclass(frozen=True, slots=True)
class Handler:
    """How one operation is answered.

    Attributes:
        answers: does the work and returns the result.
        judges: returns the outcome of a call, from the centre, the result, and the number of
            messages that it accepted.
        needs_login: whether the session must be logged in.
    """

    answers: Callable[[MessageCentre, PhpSession, Mapping[str, str]], Result]
    judges: Callable[[MessageCentre, Result, int], Judged]
    needs_login: bool = True


HANDLERS: dict[str, Handler] = {
    "Auth": Handler(_auth, _judge_auth, needs_login=False),
    "GetCreditBalance": Handler(_get_credit_balance, _judge_balance),
    "SendSMS": Handler(_send_sms, _judge_send),
    "GetNewMessages": Handler(_get_new_messages, _judge_new_messages),
    "GetMessageStatus": Handler(_get_message_status, _judge_status),
}
