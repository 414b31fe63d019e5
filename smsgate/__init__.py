"""smsgate: an async SDK for the SOAP gateway of TurboSMS that never sends twice automatically.

async with smsgate.AsyncSession("login", "password", sender="Shop") as session:
    result = await session.send_sms("+380501234567", "Ваш код: 4815")

Rule of this file: a name is imported when it is first used. pytest imports this package in every
run for its plugin `smsgate.testing`, and a run that sends no SMS must not load httpx and pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from ._client.httpx_transport import HttpClient
    from ._client.observing import CallEnd, CallStart, Observer
    from ._client.workers import Parallel
    from .config import GatewaySettings, Timeouts
    from .errors import (
        AccountSuspended,
        BadCredentials,
        BadDestination,
        BadSender,
        GatewayFailure,
        InDoubt,
        InFlight,
        KeyReused,
        MessageNotFound,
        MissingParameters,
        NotAllowed,
        NotAuthorised,
        NotEnoughCredits,
        NotSent,
        OnStopList,
        Outcome,
        PlainHttpWarning,
        Reason,
        Refused,
        ReplyEvidence,
        SenderForbidden,
        SmsGateError,
    )
    from .privacy import redact_http_logs
    from .protocol.answers import Answer, ClassifiedAnswer, DeliveryState
    from .protocol.models import DeliveryStatus, Message, RecipientResult, SendResult
    from .protocol.rewriting import Savings, replace_typography, savings
    from .protocol.segments import Alphabet, Segments, segments
    from .protocol.transliteration import transliterate
    from .session import GATEWAY_URL, AsyncSession, SendOutcome
    from .stop_check import StopCheck

__all__ = [
    "GATEWAY_URL",
    "AccountSuspended",
    "Alphabet",
    "Answer",
    "AsyncSession",
    "BadCredentials",
    "BadDestination",
    "BadSender",
    "CallEnd",
    "CallStart",
    "ClassifiedAnswer",
    "DeliveryState",
    "DeliveryStatus",
    "GatewayFailure",
    "GatewaySettings",
    "HttpClient",
    "InDoubt",
    "InFlight",
    "KeyReused",
    "Message",
    "MessageNotFound",
    "MissingParameters",
    "NotAllowed",
    "NotAuthorised",
    "NotEnoughCredits",
    "NotSent",
    "Observer",
    "OnStopList",
    "Outcome",
    "Parallel",
    "PlainHttpWarning",
    "Reason",
    "RecipientResult",
    "Refused",
    "ReplyEvidence",
    "Savings",
    "Segments",
    "SendOutcome",
    "SendResult",
    "SenderForbidden",
    "SmsGateError",
    "StopCheck",
    "Timeouts",
    "__version__",
    "redact_http_logs",
    "replace_typography",
    "savings",
    "segments",
    "transliterate",
]

_HOMES: dict[str, tuple[str, ...]] = {
    "errors": (
        "AccountSuspended",
        "BadCredentials",
        "BadDestination",
        "BadSender",
        "ReplyEvidence",
        "GatewayFailure",
        "InDoubt",
        "InFlight",
        "KeyReused",
        "MessageNotFound",
        "MissingParameters",
        "NotAllowed",
        "NotAuthorised",
        "NotEnoughCredits",
        "NotSent",
        "OnStopList",
        "Outcome",
        "PlainHttpWarning",
        "Reason",
        "Refused",
        "SenderForbidden",
        "SmsGateError",
    ),
    "config": ("GatewaySettings", "Timeouts"),
    "privacy": ("redact_http_logs",),
    "protocol.answers": ("Answer", "ClassifiedAnswer", "DeliveryState"),
    "protocol.models": ("DeliveryStatus", "Message", "RecipientResult", "SendResult"),
    "protocol.rewriting": ("Savings", "replace_typography", "savings"),
    "protocol.segments": ("Alphabet", "Segments", "segments"),
    "protocol.transliteration": ("transliterate",),
    "session": ("GATEWAY_URL", "AsyncSession", "SendOutcome"),
    "stop_check": ("StopCheck",),
    "_client.httpx_transport": ("HttpClient",),
    "_client.observing": ("CallEnd", "CallStart", "Observer"),
    "_client.workers": ("Parallel",),
}
"""The public names by the module that defines them."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = {home.partition(".")[0] for home in _HOMES if not home.startswith("_")}

if not TYPE_CHECKING:  # with it, type checkers would accept any name

    def __getattr__(name: str) -> Any:
        """Import a public name, or a module such as `smsgate.errors`, when it is first used."""
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})
