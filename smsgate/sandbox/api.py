"""The JSON API of the sandbox, for the inbox page and other programs, as one table of requests.

Rule of this file: values in, values out, and no web framework. An invalid value raises
`ValueError`, which names the field. A missing object raises `LookupError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from ..protocol.answers import DeliveryState
from ..protocol.operations import OPERATIONS
from ..version import __version__
from .account import AccountRow
from .account_settings import AccountState
from .api_contract import openapi
from .call_log import CallOutcome, call_document
from .exchanges import RawExchange
from .faults import FAULTS, FaultRule, Faults
from .gateway import Gateway
from .magic_numbers import MAGIC
from .search import EVERYTHING, SEARCH_FIELDS, parse_narrow_search, parse_search
from .sentences import say_state
from .sessions import PhpSession
from .store import message_document
from .waiting import Wait, number_of
from .webhook import Webhook

__all__ = ["REQUESTS", "Api", "ApiRequest", "Asked", "Json", "state"]

Json: TypeAlias = dict[str, Any]

# A stored message is never `NOT_FOUND`, and the sandbox says only known sentences.
_STATES = [
    one for one in DeliveryState if one not in (DeliveryState.NOT_FOUND, DeliveryState.UNRECOGNISED)
]
_MOST = 10_000
"""Maximum messages or conversations in one answer."""
_DIGITS = 13
"""Maximum digits of a number."""
_LONGEST_WAIT = 60
"""Maximum seconds to wait for a message."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the API: key in the path, query, JSON body, and the URLs to show.

    `repeated` has the names of the query that are given more than once.
    """

    key: str = field(default="", repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)
    url: str = ""
    wsdl_url: str = ""
    repeated: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Api:
    """The objects that the requests use."""

    gateway: Gateway
    faults: Faults
    webhook: Webhook | None = None


def state(api: Api, asked: Asked) -> Json:
    """Return the state: account, counters, sessions and faults."""
    seen = api.gateway.overview
    return {
        "revision": seen.revision,
        "version": __version__,
        "url": asked.url,
        "wsdl_url": asked.wsdl_url,
        "login": api.gateway.settings.login,
        "password": api.gateway.settings.password,
        "account": seen.account,
        "balance": f"{seen.balance:f}",
        "accounts": [_account_row(row) for row in seen.accounts],
        "messages": seen.kept,
        "accepted": seen.accepted,
        "forgotten": seen.accepted - seen.kept,
        "conversations": seen.conversations,
        "moving": seen.moving,
        "calls": dict(seen.calls),
        "sessions": [_session(session) for session in seen.sessions],
        "session_count": seen.session_count,
        "faults": [_fault(rule) for rule in api.faults.rules],
        "webhook": _webhook_counts(api),
        "now": seen.now,
    }


def _webhook_counts(api: Api) -> Json | None:
    return asdict(api.webhook.counts) if api.webhook else None


def _webhook(api: Api, _asked: Asked) -> Json:
    return {"webhook": _webhook_counts(api)}


def _health(_api: Api, _asked: Asked) -> Json:
    return {"status": "ok", "version": __version__}


def _tables(api: Api, _asked: Asked) -> Json:
    several = len(api.gateway.accounts) > 1
    return {
        "faults": [
            {"kind": row.kind, "note": row.note, "seconds": row.seconds, "works": row.works}
            for row in FAULTS.values()
        ],
        "operations": list(OPERATIONS),
        "states": [
            {"state": one, "sentence": say_state(one), "final": one.final} for one in _STATES
        ],
        "accounts": list(AccountState),
        "outcomes": list(CallOutcome),
        "search": [
            {"example": row.example, "note": row.note}
            for row in SEARCH_FIELDS
            if several or row.name != "account:"
        ],
        "magic": [{"number": row.number, "note": row.note} for row in MAGIC],
    }


def _conversations(api: Api, asked: Asked) -> Json:
    offset, limit = _number(asked.query, "offset", 0), _number(asked.query, "limit", 100, _MOST)
    revision = api.gateway.revision
    search = parse_search(asked.query.get("search", ""))
    total, threads = api.gateway.threads(search, offset or 0, limit or 0)
    rows = [
        {
            "number": thread.number,
            "messages": thread.messages,
            "last": message_document(thread.last),
        }
        for thread in threads
    ]
    marks = list(search.marks)
    return {"revision": revision, "total": total, "conversations": rows, "marks": marks}


def _messages(api: Api, asked: Asked) -> Json:
    query = asked.query
    revision = api.gateway.revision
    search = parse_search(query.get("search", ""))
    page = api.gateway.page(
        number=number_of(query.get("to")),
        search=search,
        before=_number(query, "before", None),
        after=_number(query, "after", None),
        limit=_number(query, "limit", 100, _MOST) or 0,
    )
    messages = [message_document(message) for message in page.messages]
    codes = (message["code"] for message in reversed(messages) if message["code"])
    return {
        "revision": revision,
        "total": page.total,
        "messages": messages,
        "code": next(codes, None),
        "older": page.older,
        "newer": page.newer,
        "marks": list(search.marks),
    }


def _arrival(api: Api, asked: Asked) -> Wait | None:
    seconds = _number(asked.query, "wait", 0, _LONGEST_WAIT)
    if not seconds:
        return None
    number, search = number_of(asked.query.get("to")), parse_search(asked.query.get("search", ""))
    return Wait(api.gateway, number, search, _number(asked.query, "after", 0) or 0, seconds)


def _one_message(api: Api, asked: Asked) -> Json:
    message, exchange = api.gateway.message(asked.key)
    fault = exchange.fault if exchange else None
    return message_document(message) | _raw(exchange) | {"fault": fault}


def _calls(api: Api, asked: Asked) -> Json:
    query = asked.query
    revision = api.gateway.revision
    page = api.gateway.call_page(
        outcome=_choice(query, "outcome", list(CallOutcome)),
        operation=_choice(query, "operation", list(OPERATIONS)),
        after=_number(query, "after", 0) or 0,
        limit=_number(query, "limit", 100, _MOST) or 0,
    )
    calls = [call_document(call) for call in page.calls]
    return {"revision": revision, "total": page.total, "calls": calls}


def _one_call(api: Api, asked: Asked) -> Json:
    call, exchange = api.gateway.one_call(_number_in_path(asked))
    return call_document(call) | _raw(exchange)


def _set_status(api: Api, asked: Asked) -> Json:
    (given,) = _fields(asked, "state").values()
    if given is not None and given not in _STATES:
        raise ValueError(f"state: null or one of {', '.join(_STATES)}")
    return message_document(
        api.gateway.set_status(asked.key, None if given is None else DeliveryState(given))
    )


def _delete_messages(api: Api, asked: Asked) -> Json:
    query = asked.query
    if not query:
        kept = api.gateway.overview.kept
        api.gateway.clear()
        return state(api, asked) | {"deleted": kept}
    deleted = api.gateway.delete_found(
        number=number_of(query.get("to")),
        search=parse_narrow_search(query["search"]) if "search" in query else EVERYTHING,
        before=_number(query, "before", None),
    )
    return state(api, asked) | {"deleted": deleted}


def _delete_message(api: Api, asked: Asked) -> Json:
    api.gateway.delete_message(asked.key)
    return state(api, asked)


def _account(api: Api, _asked: Asked) -> Json:
    seen = api.gateway.overview
    return {"account": seen.account, "balance": f"{seen.balance:f}"}


def _set_account(api: Api, asked: Asked) -> Json:
    given = _fields(asked, "account", "balance", all_of_them=False)
    balance = _credits(given["balance"]) if "balance" in given else None
    if "account" in given and given["account"] not in list(AccountState):
        raise ValueError(f"account: one of {', '.join(AccountState)}")
    new_state = AccountState(given["account"]) if "account" in given else None
    api.gateway.set_account(asked.key or None, state=new_state, balance=balance)
    return state(api, asked)


def _accounts(api: Api, _asked: Asked) -> Json:
    return {"accounts": [_account_row(row) for row in api.gateway.accounts]}


def _end_sessions(api: Api, asked: Asked) -> Json:
    api.gateway.drop_sessions()
    return state(api, asked)


def _end_session(api: Api, asked: Asked) -> Json:
    api.gateway.drop_session(asked.key)
    return state(api, asked)


def _faults(api: Api, _asked: Asked) -> Json:
    return {
        "faults": [_fault(rule) for rule in api.faults.rules],
        "struck": dict(api.faults.struck),
    }


def _add_fault(api: Api, asked: Asked) -> Json:
    given = _fields(
        asked, "kind", "operation", "probability", "times", "seconds", all_of_them=False
    )
    kind = given.pop("kind", None)
    if given.get("probability", 1.0) is None:
        del given["probability"]
    try:
        return _fault(api.faults.add(kind if isinstance(kind, str) else "", **given, keep=True))
    except ValueError as error:
        raise ValueError(str(error).replace("None", "null")) from None  # as JSON writes it


def _lift_faults(api: Api, asked: Asked) -> Json:
    api.faults.clear()
    return state(api, asked)


def _lift_fault(api: Api, asked: Asked) -> Json:
    api.faults.remove(_number_in_path(asked))
    return state(api, asked)


def _clear(api: Api, asked: Asked) -> Json:
    api.faults.clear()
    api.gateway.reset()
    return state(api, asked)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request of the API.

    Attributes:
        method: the HTTP method.
        path: the path, with `{key}` if it names one object.
        summary: what it does.
        answers: returns the answer.
        reply: the name of the schema of its answer.
        body: the name of the schema of its body, None without one.
        query: the names of its query parameters; others are refused.
        waits: returns what to wait for before answering, or None.
    """

    method: str
    path: str
    summary: str
    answers: Callable[[Api, Asked], Json]
    reply: str
    body: str | None = None
    query: tuple[str, ...] = ()
    waits: Callable[[Api, Asked], Wait | None] = lambda _, __: None

    def check(self, asked: Asked) -> None:
        """Raise `ValueError` if the query has an unknown parameter, or one twice."""
        unknown = next((name for name in asked.query if name not in self.query), None)
        if unknown is not None:
            allowed = f"allowed are {', '.join(self.query)}" if self.query else "it takes none"
            raise ValueError(f"query: this request has no parameter {unknown!r}; {allowed}")
        for name in asked.repeated:
            raise ValueError(f"{name}: given more than once; give it once")


def _contract(_api: Api, _asked: Asked) -> Json:
    return openapi(REQUESTS, __version__)


REQUESTS: tuple[ApiRequest, ...] = (
    ApiRequest("GET", "/healthz", "Say that the sandbox serves", _health, "Health"),
    ApiRequest("GET", "/sandbox/openapi.json", "Return this contract", _contract, "Contract"),
    ApiRequest(
        "GET", "/sandbox/state", "Return balance, counters, sessions, faults", state, "State"
    ),
    ApiRequest("GET", "/sandbox/tables", "Return what can be chosen", _tables, "Tables"),
    ApiRequest(
        "GET",
        "/sandbox/conversations",
        "List the numbers, newest first",
        _conversations,
        "Conversations",
        query=("search", "offset", "limit"),
    ),
    ApiRequest(
        "GET",
        "/sandbox/messages",
        "List messages in order, or wait for one",
        _messages,
        "Messages",
        query=("to", "search", "after", "before", "limit", "wait"),
        waits=_arrival,
    ),
    ApiRequest(
        "DELETE",
        "/sandbox/messages",
        "Delete what is found; without parameters also counters, and restore the balances",
        _delete_messages,
        "Deleted",
        query=("to", "search", "before"),
    ),
    ApiRequest(
        "GET",
        "/sandbox/messages/{key}",
        "Return one message by its id, with raw request and reply",
        _one_message,
        "MessageWhole",
    ),
    ApiRequest(
        "PUT",
        "/sandbox/messages/{key}",
        "Set the delivery status of a message; null resumes the schedule",
        _set_status,
        "Message",
        body="NewState",
    ),
    ApiRequest(
        "DELETE",
        "/sandbox/messages/{key}",
        "Delete one message by its id",
        _delete_message,
        "State",
    ),
    ApiRequest(
        "GET",
        "/sandbox/calls",
        "List calls, newest first",
        _calls,
        "Calls",
        query=("outcome", "operation", "after", "limit"),
    ),
    ApiRequest(
        "GET",
        "/sandbox/calls/{key}",
        "Return one call by its number, with raw request and reply",
        _one_call,
        "CallWhole",
    ),
    ApiRequest("GET", "/sandbox/account", "Return state and balance", _account, "Account"),
    ApiRequest(
        "PUT",
        "/sandbox/account",
        "Set the state of the account, or its balance, or both",
        _set_account,
        "State",
        body="NewAccount",
    ),
    ApiRequest(
        "GET",
        "/sandbox/accounts",
        "List login, state and balance of each account",
        _accounts,
        "Accounts",
    ),
    ApiRequest(
        "PUT",
        "/sandbox/accounts/{key}",
        "Set state or balance, or both, of the account with this login",
        _set_account,
        "State",
        body="NewAccount",
    ),
    ApiRequest("DELETE", "/sandbox/sessions", "End all sessions", _end_sessions, "State"),
    ApiRequest(
        "DELETE", "/sandbox/sessions/{key}", "End one session by its key", _end_session, "State"
    ),
    ApiRequest("GET", "/sandbox/faults", "List the active faults", _faults, "Faults"),
    ApiRequest("POST", "/sandbox/faults", "Add a fault", _add_fault, "Fault", body="NewFault"),
    ApiRequest("DELETE", "/sandbox/faults", "Remove all faults", _lift_faults, "State"),
    ApiRequest(
        "DELETE", "/sandbox/faults/{key}", "Remove one fault by its id", _lift_fault, "State"
    ),
    ApiRequest(
        "GET", "/sandbox/webhook", "Return the webhook's address and counters", _webhook, "Webhook"
    ),
    ApiRequest("POST", "/sandbox/clear", "Reset everything", _clear, "State"),
)


# Values out


def _account_row(row: AccountRow) -> Json:
    return {"login": row.login, "account": row.state, "balance": f"{row.balance:f}"}


def _raw(exchange: RawExchange | None) -> Json:
    raw = (exchange.request, exchange.reply) if exchange else (None, None)
    request, reply = (None if one is None else one.decode(errors="replace") for one in raw)
    return {"request": request, "reply": reply}


def _session(session: PhpSession) -> Json:
    return {
        "key": session.key,
        "authorised": session.authorised,
        "calls": session.calls,
        "opened_at": session.opened_at,
        "used_at": session.used_at,
    }


def _fault(rule: FaultRule) -> Json:
    return {
        "id": rule.id,
        "kind": rule.kind,
        "operation": rule.operation,
        "probability": rule.probability,
        "times": rule.times,
        "seconds": rule.seconds,
        "struck": rule.struck,
    }


# Values in


def _number(
    query: Mapping[str, str], name: str, default: int | None, most: int = 10**12
) -> int | None:
    given = query.get(name, "")
    if not given:
        return default
    # Python refuses to convert thousands of digits, with words of its own.
    if not (_is_number(given) and int(given) <= most):
        raise ValueError(f"{name}: a whole number from 0 to {most}")
    return int(given)


def _is_number(given: str) -> bool:
    return given.isascii() and given.isdecimal() and len(given) <= _DIGITS


def _number_in_path(asked: Asked) -> int:
    """Return the number in the path, 0 if there is none, which no object has."""
    return int(asked.key) if _is_number(asked.key) else 0


def _choice(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    given = query.get(name) or None
    if given is not None and given not in choices:
        raise ValueError(f"{name}: one of {', '.join(choices)}")
    return given


def _fields(asked: Asked, *names: str, all_of_them: bool = True) -> dict[str, Any]:
    """Return the fields of the body, which may have only these names."""
    given = asked.body if isinstance(asked.body, dict) else {"": asked.body}
    if not given.keys() <= set(names):
        raise ValueError(f"body: a JSON object with only these fields: {', '.join(names)}")
    for name in names if all_of_them else ():
        if name not in given:
            raise ValueError(f"{name}: this field is required")
    return dict(given)


def _credits(given: Any) -> Decimal:
    try:
        value = (
            Decimal(given)
            if isinstance(given, str | int) and not isinstance(given, bool)
            else Decimal("NaN")
        )
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= 10**12:
        raise ValueError("balance: credits as a string, 0 or more")
    return value
