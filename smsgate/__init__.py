"""smsgate: an async SDK for the SOAP gateway of TurboSMS that never sends twice by itself.

async with smsgate.AsyncSession("login", "password", sender="Shop") as session:
    result = await session.send_sms("+380501234567", "Ваш код: 4815")
"""

from .errors import (
    AccountSuspended,
    BadCredentials,
    BadDestination,
    BadSender,
    Evidence,
    GatewayFailure,
    InDoubt,
    MessageNotFound,
    MissingParameters,
    NotAuthorised,
    NotEnoughCredits,
    NotSent,
    PlainHttpWarning,
    Reason,
    Refused,
    SenderForbidden,
    SmsGateError,
)
from .options import Timeouts
from .privacy import redact_http_logs
from .protocol.answers import Answer, ClassifiedAnswer, DeliveryState
from .protocol.models import DeliveryStatus, Message, RecipientResult, SendResult
from .protocol.segments import Alphabet, Segments, segments
from .session import GATEWAY_URL, AsyncSession, SendOutcome
from .transport import HttpClient
from .version import __version__

__all__ = [
    "GATEWAY_URL",
    "AccountSuspended",
    "Alphabet",
    "Answer",
    "AsyncSession",
    "BadCredentials",
    "BadDestination",
    "BadSender",
    "ClassifiedAnswer",
    "DeliveryState",
    "DeliveryStatus",
    "Evidence",
    "GatewayFailure",
    "HttpClient",
    "InDoubt",
    "Message",
    "MessageNotFound",
    "MissingParameters",
    "NotAuthorised",
    "NotEnoughCredits",
    "NotSent",
    "PlainHttpWarning",
    "Reason",
    "RecipientResult",
    "Refused",
    "Segments",
    "SendOutcome",
    "SendResult",
    "SenderForbidden",
    "SmsGateError",
    "Timeouts",
    "__version__",
    "redact_http_logs",
    "segments",
]
