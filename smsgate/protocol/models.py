"""Messages and results: frozen pydantic models, without personal data in their `repr`.

Rule of this file: an invalid message raises here, before anything is sent. The error names the
field and what is allowed, and does not quote the value.
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
from .numbers import international_number, is_international

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

SENDER_RULE = "a sender is a name of 1 to 11 characters out of A-Z a-z 0-9 . - & or a phone number"

# `\Z` because `$` also matches before a line feed; `[0-9]` because `\d` matches all scripts.
_SIGNATURE = re.compile(r"[A-Za-z0-9.\-&]{1,11}\Z")
_SENDER_NUMBER = re.compile(r"\+?[1-9][0-9]{7,14}\Z")
_MESSAGE_ID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\Z")


def message_id(text: str | None) -> str | None:
    """Return the message id in a slot, None if there is none.

    Any form of a UUID is accepted (docs: wire format, "Message ids").
    """
    if not text or _MESSAGE_ID.match(text):
        return text or None
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return text if _MESSAGE_ID.match(text) else None


def _refuse(kind: str, complaint_: str) -> PydanticCustomError:
    # Not a literal string: pydantic's own error types also pass through here.
    return PydanticCustomError(
        kind,  # pyright: ignore[reportArgumentType]
        "{complaint}",
        {"complaint": complaint_},
    )


def _string(value: Any, field: str, allowed: str) -> str:
    if isinstance(value, str):
        return value
    raise _refuse(f"{field}_type", allowed)


def is_sender(value: Any) -> bool:
    """Return whether the value is a valid sender (docs: wire format, "Senders")."""
    return isinstance(value, str) and bool(_SIGNATURE.match(value) or _SENDER_NUMBER.match(value))


def _sender(value: Any) -> str:
    if not is_sender(value):
        raise _refuse("sender", SENDER_RULE)
    return str(value)


def _country(value: Any) -> str:
    try:
        from ..phone import COUNTRY_RULE, is_country  # noqa: PLC0415 - an optional extra
    except MissingExtra as error:
        # A validation error: a server that parses messages from requests must not crash.
        raise _refuse("country_extra", str(error)) from None
    if not isinstance(value, str) or not is_country(value):
        raise _refuse("country", COUNTRY_RULE)
    return value


def _number_of(country: str | None, item: str, place: int) -> str:
    try:
        if country is None:
            return international_number(item)
        from ..phone import international  # noqa: PLC0415 - an optional extra

        return international(item, country)
    except ValueError as error:
        raise _refuse("destination", f"destination {place} {error}") from None


def _destinations(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    if "country" not in info.data:
        return ()  # the country was invalid, so the numbers cannot be parsed
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
            "destinations are one string, with commas between numbers, or an iterable of strings",
        )
    numbers: dict[str, int] = {}
    for place, item in enumerate(given, start=1):
        if place > MOST_RECIPIENTS:
            # Inside the loop, because an iterable may be endless.
            raise _refuse(
                "destinations_too_many",
                f"at most {MOST_RECIPIENTS} destinations in one message; send several messages",
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


class _Frozen(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True):
    """Base class of all models. A model is built when it is first used, not when it is imported."""


class Message(_Frozen, frozen=True):
    """One text, or one WAP push link, to one or several numbers.

    Spaces, dashes, brackets and invisible characters in numbers are dropped. A number without `+`
    needs at least 11 digits and must not begin with 0. Domestic formats that begin with 8
    (`80671234567`, `87011234567`) are invalid without a country, because they could be numbers of
    another country.

    Args:
        destinations: one number, several numbers in one string with commas, or an iterable of
            strings. The attribute is a tuple of numbers, each `+` and 8 to 15 digits. At most
            `smsgate.protocol.limits.MOST_RECIPIENTS` numbers are allowed.
        sender: a name of 1 to 11 characters out of `A-Z a-z 0-9 . - &`, or a phone number.
            None takes the sender of the session.
        text: the text; CR LF becomes LF. `text` or `wappush` is required.
        wappush: an http or https link, sent as a WAP push.
        country: a two-letter country code. Numbers may then be in the local format of this country,
            and numbers that cannot exist or are not mobile are invalid. It needs the extra `phone`,
            and `model_dump` omits it.

    Raises:
        pydantic.ValidationError: the message is invalid. The error shows no value of the message.
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
                del given  # inlined from `sealed`, which costs another call for each message
                raise invalid

        @classmethod
        @sealed
        def model_validate_json(cls, json_data: Any, **options: Any) -> Self:
            try:
                return super().model_validate_json(json_data, **options)
            except ValidationError as error:  # it quotes input that is not JSON
                raise _without_values(error) from None

        @sealed
        def __setattr__(self, name: str, value: object) -> None:
            # pydantic's own error would show the value.
            raise invalid_message(((name,), "frozen_instance", "a message cannot be changed"))

    @model_validator(mode="before")
    @classmethod
    def _an_object(cls, value: Any) -> Any:
        if isinstance(value, (dict, Message)):
            return value
        # A ready-made error: with a plain one, `errors()` would show the value.
        raise invalid_message(
            ((), "message_type", "a message is an object with destinations and a text or a wappush")
        )

    @model_validator(mode="after")
    def _something_to_say(self) -> Self:
        if self.text is None and self.wappush is None:
            raise _refuse("text_missing", "text or wappush must be given")
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Empty in an invalid model, which a traceback with locals may show.
        held = self.__dict__
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
    """Return what `repr` may show of a value, even if `model_copy` has set it unchecked."""
    return show(value) if isinstance(value, kind) else value and f"a {type(value).__name__}"


def _is_number(sender: str) -> bool:
    return sum(map(str.isdigit, sender)) >= 7


def _size(text: str) -> str:
    return f"{len(text)} characters"


def checked_again(message: Message) -> Message | ValidationError:
    """Validate a message again, because `model_copy` and `model_construct` do not validate.

    Returns:
        The valid message, or the error.
    """
    if _is_valid(message):
        return message
    held: dict[str, Any] = {name: vars(message).get(name) for name in Message.model_fields}
    try:
        return Message(**held)
    except ValidationError as error:
        return seal(error)


def _is_valid(message: Message) -> bool:
    """Return whether the validators would change nothing, without calling them.

    False may also mean that it is not certain. With a country the numbers depend on a library.
    """
    held = vars(message)
    sender, numbers, text = held.get("sender"), held.get("destinations"), held.get("text")
    return (
        held.keys() == Message.model_fields.keys()
        and held["country"] is None
        and held["wappush"] is None
        and (sender is None or is_sender(sender))
        and type(text) is str
        and bool(text.strip())
        and "\r" not in text
        and complaint(text) is None
        and type(numbers) is tuple
        and 0 < len(numbers) <= MOST_RECIPIENTS
        and all(type(number) is str and is_international(number) for number in numbers)
        and len(set(numbers)) == len(numbers)
    )


def _without_values(error: ValidationError) -> ValidationError:
    """Return the same error without input values, which `errors()` and pickles would show."""
    return invalid_message(
        *(
            (row["loc"], row["type"], row["msg"])
            for row in error.errors(include_url=False, include_input=False)
        )
    )


def invalid_message(*complaints: tuple[tuple[int | str, ...], str, str]) -> ValidationError:
    """Return pydantic's error for a `Message`, from rows of location, type and sentence."""
    rows = [
        InitErrorDetails(type=_refuse(kind, sentence), loc=place, input="(hidden)")
        for place, kind, sentence in complaints
    ]
    return ValidationError.from_exception_data("Message", rows, hide_input=True)


class RecipientResult(_Frozen, frozen=True):
    """The outcome for one destination.

    Attributes:
        destination: the number.
        message_id: the id of the accepted message; None if it was not accepted.
        outcome: `ACCEPTED`, `REFUSED` if the gateway refused this number, or `IN_DOUBT` if the
            answer does not say.
        answer: the meaning of `reason`.
        reason: the gateway's sentence about this number. If its slot is empty, the sentence about
            the whole request.
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
    """The gateway's answer to one SendSMS with at least one accepted destination.

    Attributes:
        answers: the classified sentences of the answer. They may complain about some recipients.
        text: the sentences as the gateway wrote them.
        recipients: one result for each destination, in the same order.
    """

    answers: tuple[ClassifiedAnswer, ...] = Field(repr=False)
    text: str = Field(repr=False)
    recipients: tuple[RecipientResult, ...]

    @property
    def accepted(self) -> tuple[RecipientResult, ...]:
        """The accepted recipients, each with a message id."""
        return tuple(
            recipient for recipient in self.recipients if recipient.outcome is Outcome.ACCEPTED
        )

    @property
    def refused(self) -> tuple[RecipientResult, ...]:
        """The refused recipients."""
        return tuple(
            recipient for recipient in self.recipients if recipient.outcome is Outcome.REFUSED
        )

    @property
    def in_doubt(self) -> tuple[RecipientResult, ...]:
        """The recipients that may or may not have been sent to. Do not retry them automatically."""
        return tuple(
            recipient for recipient in self.recipients if recipient.outcome is Outcome.IN_DOUBT
        )

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The ids of the accepted messages, in the order of their destinations."""
        return tuple(recipient.message_id for recipient in self.recipients if recipient.message_id)


class DeliveryStatus(_Frozen, frozen=True):
    """The delivery status of one message.

    Attributes:
        message_id: the message id that was asked for.
        state: the delivery state.
        text: the gateway's sentence.
    """

    message_id: str
    state: DeliveryState
    text: str = Field(repr=False)

    @property
    def final(self) -> bool:
        """Whether the status can no longer change."""
        return self.state.final

    @property
    def delivered(self) -> bool:
        """Whether the message reached the phone."""
        return self.state.delivered
