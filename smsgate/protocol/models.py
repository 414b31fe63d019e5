"""What goes in and what comes out: pydantic models, frozen, with nothing personal in any `repr`.

Rule of this file: what is wrong with a message is found here, before anything is sent, and the complaint names the field
and what is allowed without quoting the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from ..errors import Outcome
from ..extras import MissingExtra
from ..privacy import mask_number, seal, sealed
from .answers import Answer, ClassifiedAnswer, DeliveryState
from .characters import complaint, normalise_lines
from .limits import MOST_RECIPIENTS
from .numbers import international_number

__all__ = [
    "SENDER_RULE",
    "DeliveryStatus",
    "Message",
    "RecipientResult",
    "SendResult",
    "checked_again",
    "invalid_message",
    "is_sender",
    "message_id",
]

SENDER_RULE = (
    "a sender is a signature of 1 to 11 characters out of A-Z a-z 0-9 . - & or a phone number"
)

# `\Z`, as `$` also matches before a line feed; `[0-9]`, as `\d` matches every script's digits.
_SIGNATURE = re.compile(r"[A-Za-z0-9.\-&]{1,11}\Z")
_SENDER_NUMBER = re.compile(r"\+?[1-9][0-9]{7,14}\Z")
_MESSAGE_ID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\Z")


def message_id(text: str | None) -> str | None:
    """Return the message id in a slot, None if there is none. Any UUID form will do (docs: wire format, "Message ids")."""
    text = (text or "").strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return text if _MESSAGE_ID.match(text) else None


def _refuse(kind: str, complaint_: str) -> PydanticCustomError:
    # The kind is no literal here, as pydantic's own kinds come through, too.
    return PydanticCustomError(kind, "{complaint}", {"complaint": complaint_})  # pyright: ignore[reportArgumentType]


def _string(value: Any, field: str, allowed: str) -> str:
    if isinstance(value, str):
        return value
    raise _refuse(f"{field}_type", allowed)


def is_sender(value: Any) -> bool:
    """Return whether the value can be a sender (docs: wire format, "Senders")."""
    return isinstance(value, str) and bool(_SIGNATURE.match(value) or _SENDER_NUMBER.match(value))


def _sender(value: Any) -> str:
    if not is_sender(value):
        raise _refuse("sender", SENDER_RULE)
    return str(value)


def _country(value: Any) -> str:
    try:
        from ..phone import COUNTRY_RULE, is_country  # noqa: PLC0415 - an extra, needed only where a country is set
    except MissingExtra as error:
        # As a complaint like any other: who reads messages from a request must not fail at what a stranger wrote.
        raise _refuse("country_extra", str(error)) from None
    if not isinstance(value, str) or not is_country(value):
        raise _refuse("country", COUNTRY_RULE)
    return value


def _number_of(country: str | None, item: str, place: int) -> str:
    try:
        if country is None:
            return international_number(item)
        from ..phone import international  # noqa: PLC0415 - as above

        return international(item, country)
    except ValueError as error:
        raise _refuse("destination", f"destination {place} {error}") from None


def _destinations(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    if "country" not in info.data:
        return ()  # it was refused, and how numbers are to be read is not known
    country: str | None = info.data["country"]
    if isinstance(value, str):
        given: Iterable[Any] = value.split(",")
    elif isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, dict)):
        given = (
            number
            for item in value
            for number in (item.split(",") if isinstance(item, str) else [item])
        )
    else:
        raise _refuse(
            "destinations_type",
            "destinations are a string, several in one string with commas, or an iterable of strings",
        )
    numbers: dict[str, int] = {}
    for place, item in enumerate(given, start=1):
        if place > MOST_RECIPIENTS:
            # Before the rest is looked at: an iterable may have no end.
            raise _refuse(
                "destinations_too_many",
                f"at most {MOST_RECIPIENTS} destinations in one message, as no longer answer is read; send several messages",
            )
        if not isinstance(item, str):
            raise _refuse("destinations_type", f"destination {place} is not a string")
        number = _number_of(country, item, place)
        if number in numbers:
            raise _refuse(
                "destination_repeated", f"destination {place} repeats destination {numbers[number]}"
            )
        numbers[number] = place
    if not numbers:
        raise _refuse("destinations_missing", "at least one destination is needed")
    return tuple(numbers)


def _message_text(value: Any) -> str:
    text = _string(value, "text", "a text is a string")
    if found := complaint(text, cr_lf=True):
        raise _refuse("text_character", found)
    if not text.strip():
        raise _refuse("text_blank", "a text must not be blank")
    return normalise_lines(text)


def _wappush(value: Any) -> str:
    allowed = "a wappush is an address that begins with http:// or https:// and has no white space"
    address = _string(value, "wappush", allowed)
    if complaint(address) or any(character.isspace() for character in address):
        raise _refuse("wappush", allowed)
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise _refuse("wappush", allowed)
    return address


class _Frozen(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """What all models share."""


class Message(_Frozen, frozen=True):
    """One text, or one WAP push, for one or several numbers.

    `sender` is a signature of 1 to 11 characters out of `A-Z a-z 0-9 . - &`, or a phone number; None takes the session's.
    `destinations` takes one string, several numbers in one string with commas, or an iterable of strings; spaces, dashes,
    brackets and invisible characters are dropped, and a tuple of `+` and 8 to 15 digits comes out. Without a `+`, a number needs
    at least 11 digits, must not begin with 0, and must not be as it is dialled at home after an 8 (`80671234567`, `87011234567`):
    it would be a number of another country. `text` or `wappush` must be there; CR LF in a text becomes LF. With a `country`, its
    two-letter code, numbers may be written as people there do, and those that cannot exist or are not of mobile phones are
    refused; it needs the extra `phone`, and is not part of what is dumped.

    More recipients than an answer is read for (`smsgate.protocol.limits.MOST_RECIPIENTS`) are refused.

    Raises `pydantic.ValidationError`, which shows no value of the message.
    """

    sender: Annotated[str, BeforeValidator(_sender, json_schema_input_type=str)] | None = Field(
        default=None, repr=False
    )
    country: Annotated[str, BeforeValidator(_country, json_schema_input_type=str)] | None = Field(
        default=None, exclude=True
    )
    destinations: Annotated[
        tuple[str, ...], BeforeValidator(_destinations, json_schema_input_type=str | list[str])
    ] = Field(repr=False)
    text: Annotated[str, BeforeValidator(_message_text, json_schema_input_type=str)] | None = Field(
        default=None, repr=False
    )
    wappush: Annotated[str, BeforeValidator(_wappush, json_schema_input_type=str)] | None = Field(
        default=None, repr=False
    )

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            destinations: str | Iterable[str],
            sender: str | None = None,
            text: str | None = None,
            wappush: str | None = None,
            country: str | None = None,
        ) -> None: ...

    else:

        def __init__(self, /, **given: Any) -> None:
            invalid: ValidationError | None = None
            try:
                super().__init__(**given)
            except ValidationError as error:
                invalid = _without_values(error)
            if invalid is not None:
                del given  # as `sealed` does, without the cost of another call for each message
                raise invalid

        @classmethod
        @sealed
        def model_validate_json(cls, json_data: Any, **options: Any) -> Self:
            try:
                return super().model_validate_json(json_data, **options)
            except ValidationError as error:  # which would show what is no JSON
                raise _without_values(error) from None

        @sealed
        def __setattr__(self, name: str, value: object) -> None:
            # pydantic's own complaint would show the value.
            raise invalid_message(((name,), "frozen_instance", "a message cannot be changed"))

    @model_validator(mode="before")
    @classmethod
    def _an_object(cls, value: Any) -> Any:
        if isinstance(value, (dict, Message)):
            return value
        # As an error of pydantic, since a plain complaint would show the value in `errors()`.
        raise invalid_message(
            ((), "message_type", "a message is an object with destinations and a text or a wappush")
        )

    @model_validator(mode="after")
    def _something_to_say(self) -> Self:
        if self.text is None and self.wappush is None:
            raise _refuse("text_missing", "text or wappush must be given")
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        held = (
            self.__dict__
        )  # empty in a model that was refused, which a traceback with locals shows
        destinations = held.get("destinations", ())
        yield (
            "sender",
            _shown(
                held.get("sender"),
                lambda sender: mask_number(sender) if _is_number(sender) else sender,
            ),
        )
        yield (
            "destinations",
            _shown(
                destinations,
                lambda numbers: [_shown(number, mask_number) for number in numbers],
                tuple,
            ),
        )
        yield "text", _shown(held.get("text"), _size)
        yield "wappush", _shown(held.get("wappush"), _size)


def _shown(value: Any, show: Callable[[Any], Any], kind: type = str) -> Any:
    """Return what may be shown of a value, also of one that `model_copy` put there unchecked."""
    return show(value) if isinstance(value, kind) else value and f"a {type(value).__name__}"


def _is_number(sender: str) -> bool:
    return sum(map(str.isdigit, sender)) >= 7


def _size(text: str) -> str:
    return f"{len(text)} characters"


def checked_again(message: Message) -> Message | ValidationError:
    """Return the message as its own rules make it, or what is wrong with it: `model_copy` and `model_construct` check nothing."""
    held: dict[str, Any] = {name: vars(message).get(name) for name in Message.model_fields}
    try:
        return Message(**held)
    except ValidationError as error:
        return seal(error)


def _without_values(error: ValidationError) -> ValidationError:
    """Return the same complaints without the values that they complain of: `errors()` and pickles would show them."""
    return invalid_message(
        *(
            (row["loc"], row["type"], row["msg"])
            for row in error.errors(include_url=False, include_input=False)
        )
    )


def invalid_message(*complaints: tuple[tuple[int | str, ...], str, str]) -> ValidationError:
    """Return pydantic's error for a `Message`, from rows of place, type and sentence."""
    rows = [
        InitErrorDetails(type=_refuse(kind, sentence), loc=place, input="(hidden)")
        for place, kind, sentence in complaints
    ]
    return ValidationError.from_exception_data("Message", rows, hide_input=True)


class RecipientResult(_Frozen, frozen=True):
    """What became of one destination.

    `outcome` is `ACCEPTED` with a `message_id`, `REFUSED` if the gateway refused this number, `IN_DOUBT` if its answer does not
    say. `answer` is the meaning of the gateway's words about this number and `reason` those words; for an empty slot they are
    the complaint about the whole request, if there is one.
    """

    destination: str = Field(repr=False)
    message_id: str | None = None
    outcome: Outcome
    answer: Answer | None = None
    reason: str = Field(default="", repr=False)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield "destination", mask_number(self.destination)
        yield "message_id", self.message_id
        yield "outcome", str(self.outcome)
        yield "answer", self.answer and str(self.answer)


class SendResult(_Frozen, frozen=True):
    """The gateway's answer to one SendSMS of which at least one destination was accepted.

    `answers` are the classified sentences of the answer, complaints that came together with success among them; `text` is
    the raw sentence. `recipients` holds one result for each destination, in order.
    """

    answers: tuple[ClassifiedAnswer, ...] = Field(repr=False)
    text: str = Field(repr=False)
    recipients: tuple[RecipientResult, ...]

    @property
    def accepted(self) -> tuple[RecipientResult, ...]:
        """Those that the gateway took, each with its message id."""
        return tuple(
            recipient for recipient in self.recipients if recipient.outcome is Outcome.ACCEPTED
        )

    @property
    def refused(self) -> tuple[RecipientResult, ...]:
        """Those that the gateway refused."""
        return tuple(
            recipient for recipient in self.recipients if recipient.outcome is Outcome.REFUSED
        )

    @property
    def in_doubt(self) -> tuple[RecipientResult, ...]:
        """Those of whom the answer does not say whether they were sent. Do not send them again by yourself."""
        return tuple(
            recipient for recipient in self.recipients if recipient.outcome is Outcome.IN_DOUBT
        )

    @property
    def message_ids(self) -> tuple[str, ...]:
        """Ids of the accepted messages, in the order of their destinations."""
        return tuple(recipient.message_id for recipient in self.recipients if recipient.message_id)


class DeliveryStatus(_Frozen, frozen=True):
    """What the gateway says of one message: the state, the raw sentence, and whether it can still change."""

    message_id: str
    state: DeliveryState
    text: str = Field(repr=False)

    @property
    def final(self) -> bool:
        """The gateway will not change it any more."""
        return self.state.final

    @property
    def delivered(self) -> bool:
        """The message reached the phone."""
        return self.state.delivered
