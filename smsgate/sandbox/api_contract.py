"""The contract of the JSON API: schemas of its values, with an example each, as OpenAPI 3.1.

Rule of this file: it has data only. `api.py` names the parameters and schemas of each request, and
the tests compare both with the routes and with real replies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

from ..protocol.answers import DeliveryState
from ..protocol.operations import OPERATIONS
from .account_settings import AccountState
from .call_log import CallOutcome
from .faults import FAULTS

__all__ = ["EXAMPLES", "PARAMETERS", "SCHEMAS", "ContractRow", "openapi"]

Schema: TypeAlias = dict[str, Any]


class ContractRow(Protocol):
    """What the contract says about one request."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def path(self) -> str:
        """The path."""
        ...

    @property
    def summary(self) -> str:
        """What the request does."""
        ...

    @property
    def reply(self) -> str:
        """The name of the schema of its reply."""
        ...

    @property
    def body(self) -> str | None:
        """The name of the schema of its body, None without one."""
        ...

    @property
    def query(self) -> tuple[str, ...]:
        """The names of its query parameters."""
        ...


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "number", "description": "seconds since 1970"}
_CREDITS: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
_STATE: Schema = {"type": "string", "enum": list(DeliveryState)}
_ACCOUNT: Schema = {"type": "string", "enum": list(AccountState)}
_OUTCOME: Schema = {"type": "string", "enum": list(CallOutcome)}
_KIND: Schema = {"type": "string", "enum": list(FAULTS)}
_OPERATION: Schema = {"type": "string", "enum": list(OPERATIONS)}
_COUNTS: Schema = {"type": "object", "additionalProperties": _COUNT}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list_of(schema: Schema | str) -> Schema:
    return {"type": "array", "items": _named(schema) if isinstance(schema, str) else schema}


def _named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(fields: Schema, *, required: Iterable[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields if required is None else required),
        "additionalProperties": False,
    }


_MESSAGE: Schema = {
    "id": _TEXT,
    "sequence": {**_COUNT, "description": "counts accepted messages from 1"},
    "account": {**_TEXT, "description": "the login of the account that sent it"},
    "destination": _TEXT,
    "sender": _TEXT,
    "text": _or_null(_TEXT),
    "wappush": _or_null(_TEXT),
    "code": {**_or_null(_TEXT), "description": "the digits of a one-time code in the text"},
    "parts": _COUNT,
    "alphabet": _TEXT,
    "saving": _or_null(_object({"characters": _list_of(_TEXT), "parts": _COUNT})),
    "credits": _CREDITS,
    "accepted_at": _TIME,
    "state": _STATE,
    "final": _FLAG,
    "forced": {**_FLAG, "description": "whether the state was set by hand"},
}
_CALL: Schema = {
    "number": {**_COUNT, "description": "counts calls from 1"},
    "at": _TIME,
    "operation": _or_null(_OPERATION),
    "session": _TEXT,
    "outcome": _OUTCOME,
    "answer": _TEXT,
    "fault": _or_null(_KIND),
    "accepted": {**_COUNT, "description": "how many messages it accepted"},
}
_RAW: Schema = {"request": _or_null(_TEXT), "reply": _or_null(_TEXT)}
_FAULT: Schema = {
    "id": _COUNT,
    "kind": _KIND,
    "operation": _or_null(_OPERATION),
    "probability": {"type": "number"},
    "times": _or_null(_COUNT),
    "seconds": _or_null({"type": "number"}),
    "struck": _COUNT,
}
_SESSION: Schema = {
    "key": _TEXT,
    "authorised": _FLAG,
    "calls": _COUNT,
    "opened_at": _TIME,
    "used_at": _TIME,
}

_ACCOUNT_ROW: Schema = {"login": _TEXT, "account": _ACCOUNT, "balance": _CREDITS}
_WEBHOOK: Schema = {
    "url": {**_TEXT, "description": "without its password and query"},
    "delivered": _COUNT,
    "failed": _COUNT,
    "dropped": {**_COUNT, "description": "not posted, because too many waited"},
    "waiting": _COUNT,
    "last_error": _or_null(_TEXT),
}
_STATE_FIELDS: Schema = {
    "revision": {**_COUNT, "description": "grows with each change"},
    "version": _TEXT,
    "url": _TEXT,
    "wsdl_url": _TEXT,
    "login": _TEXT,
    "password": _TEXT,
    "account": _ACCOUNT,
    "balance": _CREDITS,
    "accounts": {**_list_of("AccountRow"), "description": "the first one is that of `login`"},
    "messages": _COUNT,
    "accepted": _COUNT,
    "forgotten": _COUNT,
    "conversations": _COUNT,
    "moving": _FLAG,
    "calls": _COUNTS,
    "sessions": _list_of(_object(_SESSION)),
    "session_count": _COUNT,
    "faults": _list_of("Fault"),
    "webhook": _or_null(_named("WebhookCounts")),
    "now": _TIME,
}

SCHEMAS: dict[str, Schema] = {
    "Error": _object({"error": _TEXT}),
    "Health": _object({"status": {"const": "ok"}, "version": _TEXT}),
    "Contract": {"type": "object"},
    "Message": _object(_MESSAGE),
    "MessageWhole": _object({**_MESSAGE, **_RAW, "fault": _or_null(_KIND)}),
    "Messages": _object(
        {
            "revision": _COUNT,
            "total": _COUNT,
            "messages": _list_of("Message"),
            "code": _or_null(_TEXT),
            "older": _FLAG,
            "newer": _FLAG,
            "marks": _list_of(_TEXT),
        }
    ),
    "Conversations": _object(
        {
            "revision": _COUNT,
            "total": _COUNT,
            "conversations": _list_of(
                _object({"number": _TEXT, "messages": _COUNT, "last": _named("Message")})
            ),
            "marks": _list_of(_TEXT),
        }
    ),
    "Calls": _object(
        {"revision": _COUNT, "total": _COUNT, "calls": _list_of(_object(_CALL))},
    ),
    "CallWhole": _object({**_CALL, **_RAW}),
    "Account": _object({"account": _ACCOUNT, "balance": _CREDITS}),
    "AccountRow": _object(_ACCOUNT_ROW),
    "Accounts": _object({"accounts": _list_of("AccountRow")}),
    "Fault": _object(_FAULT),
    "Faults": _object({"faults": _list_of("Fault"), "struck": _COUNTS}),
    "State": _object(_STATE_FIELDS),
    "Deleted": _object(
        {**_STATE_FIELDS, "deleted": {**_COUNT, "description": "how many messages were deleted"}}
    ),
    "WebhookCounts": _object(_WEBHOOK),
    "Webhook": _object({"webhook": _or_null(_named("WebhookCounts"))}),
    "Tables": _object(
        {
            "faults": _list_of(
                _object(
                    {
                        "kind": _KIND,
                        "note": _TEXT,
                        "seconds": _or_null({"type": "number"}),
                        "works": _FLAG,
                    }
                )
            ),
            "operations": _list_of(_OPERATION),
            "states": _list_of(_object({"state": _STATE, "sentence": _TEXT, "final": _FLAG})),
            "accounts": _list_of(_ACCOUNT),
            "outcomes": _list_of(_OUTCOME),
            "search": _list_of(_object({"example": _TEXT, "note": _TEXT})),
            "magic": _list_of(_object({"number": _TEXT, "note": _TEXT})),
        }
    ),
    "NewState": _object({"state": _or_null(_STATE)}),
    "NewAccount": _object(
        {"account": _ACCOUNT, "balance": {"type": ["string", "integer"]}}, required=()
    ),
    "NewFault": _object(
        {
            "kind": _KIND,
            "operation": _or_null(_OPERATION),
            "probability": _or_null({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
            "times": _or_null({"type": "integer", "minimum": 1}),
            "seconds": _or_null({"type": "number", "minimum": 0, "maximum": 366 * 86_400}),
        },
        required=("kind",),
    ),
}
"""The schema of each value, by name."""

_EXAMPLE_MESSAGE = {
    "id": "c9482a41-27d1-44f8-bd5c-d34104ca5ba9",
    "sequence": 1,
    "account": "sandbox",
    "destination": "+380501234567",
    "sender": "Shop",
    "text": "Ваш код: 4815",
    "wappush": None,
    "code": "4815",
    "parts": 1,
    "alphabet": "UCS-2",
    "saving": None,
    "credits": "1",
    "accepted_at": 1795700000.5,
    "state": "delivered",
    "final": True,
    "forced": False,
}
_EXAMPLE_CALL = {
    "number": 2,
    "at": 1795700000.5,
    "operation": "SendSMS",
    "session": "4f9d4dbd",
    "outcome": "done",
    "answer": "Сообщения успешно отправлены",
    "fault": None,
    "accepted": 1,
}
_EXAMPLE_RAW = {"request": "<Envelope>...</Envelope>", "reply": "<Envelope>...</Envelope>"}
_EXAMPLE_FAULT = {
    "id": 1,
    "kind": "html",
    "operation": "SendSMS",
    "probability": 0.1,
    "times": 3,
    "seconds": None,
    "struck": 0,
}

_EXAMPLE_ACCOUNT = {"login": "sandbox", "account": "active", "balance": "9999"}
_EXAMPLE_WEBHOOK = {
    "url": "http://127.0.0.1:3000/sms",
    "delivered": 12,
    "failed": 1,
    "dropped": 0,
    "waiting": 0,
    "last_error": "Connection refused",
}
_EXAMPLE_STATE = {
    "revision": 5,
    "version": "1.0.0",
    "url": "http://127.0.0.1:8025/api/soap.html",
    "wsdl_url": "http://127.0.0.1:8025/api/wsdl.html",
    "login": "sandbox",
    "password": "sandbox",
    "account": "active",
    "balance": "9999",
    "accounts": [_EXAMPLE_ACCOUNT],
    "messages": 1,
    "accepted": 1,
    "forgotten": 0,
    "conversations": 1,
    "moving": False,
    "calls": {"Auth": 1, "SendSMS": 1},
    "sessions": [
        {
            "key": "4f9d4dbd",
            "authorised": True,
            "calls": 2,
            "opened_at": 1795700000.1,
            "used_at": 1795700000.5,
        }
    ],
    "session_count": 1,
    "faults": [_EXAMPLE_FAULT],
    "webhook": None,
    "now": 1795700009.0,
}

EXAMPLES: dict[str, Schema] = {
    "Error": {"error": "limit: a whole number from 0 to 10000"},
    "Health": {"status": "ok", "version": "1.0.0"},
    "Contract": {"openapi": "3.1.0"},
    "Message": _EXAMPLE_MESSAGE,
    "MessageWhole": {**_EXAMPLE_MESSAGE, **_EXAMPLE_RAW, "fault": None},
    "Messages": {
        "revision": 5,
        "total": 1,
        "messages": [_EXAMPLE_MESSAGE],
        "code": "4815",
        "older": False,
        "newer": False,
        "marks": [],
    },
    "Conversations": {
        "revision": 5,
        "total": 1,
        "conversations": [{"number": "+380501234567", "messages": 1, "last": _EXAMPLE_MESSAGE}],
        "marks": [],
    },
    "Calls": {"revision": 5, "total": 1, "calls": [_EXAMPLE_CALL]},
    "CallWhole": {**_EXAMPLE_CALL, **_EXAMPLE_RAW},
    "Account": {"account": "active", "balance": "9999"},
    "AccountRow": _EXAMPLE_ACCOUNT,
    "Accounts": {
        "accounts": [_EXAMPLE_ACCOUNT, {"login": "promo", "account": "active", "balance": "500"}]
    },
    "Fault": _EXAMPLE_FAULT,
    "Faults": {"faults": [_EXAMPLE_FAULT], "struck": {"html": 2}},
    "State": _EXAMPLE_STATE,
    "Deleted": {**_EXAMPLE_STATE, "deleted": 3},
    "WebhookCounts": _EXAMPLE_WEBHOOK,
    "Webhook": {"webhook": _EXAMPLE_WEBHOOK},
    "Tables": {
        "faults": [{"kind": "slow", "note": "the answer is late", "seconds": 5.0, "works": True}],
        "operations": ["Auth", "SendSMS"],
        "states": [
            {
                "state": "delivered",
                "sentence": "Сообщение доставлено получателю",
                "final": True,
            }
        ],
        "accounts": ["active", "blocked"],
        "outcomes": ["done", "refused"],
        "search": [{"example": "to:501234567", "note": "digits of the number"}],
        "magic": [{"number": "+380000000004", "note": "not delivered"}],
    },
    "NewState": {"state": "expired"},
    "NewAccount": {"account": "blocked", "balance": "5"},
    "NewFault": {"kind": "html", "operation": "SendSMS", "probability": 0.1, "times": 3},
}
"""An example of each schema."""

PARAMETERS: dict[str, tuple[Schema, str]] = {
    "to": (_TEXT, "only messages to this phone number, however it is written"),
    "search": (_TEXT, "only what this search finds, such as `is:delivered`"),
    "after": (_COUNT, "only messages with a larger sequence, or calls with a larger number"),
    "before": (_COUNT, "only messages with a smaller sequence"),
    "offset": (_COUNT, "how many of the newest to leave out"),
    "limit": ({**_COUNT, "maximum": 10_000, "default": 100}, "maximum number in the reply"),
    "wait": ({**_COUNT, "maximum": 60, "default": 0}, "seconds to wait for a message"),
    "outcome": (_OUTCOME, "only calls with this outcome"),
    "operation": (_OPERATION, "only calls of this operation"),
}
"""The query parameters by name: schema and meaning."""

_ERRORS = {
    "400": "What is wrong.",
    "403": "Why the Host or Origin header is not allowed.",
    "404": "What there is not.",
}


def _content(name: str) -> dict[str, Any]:
    return {
        "content": {"application/json": {"schema": _named(name), "example": EXAMPLES[name]}},
    }


def _errors(*statuses: str) -> Schema:
    return {status: {"description": _ERRORS[status], **_content("Error")} for status in statuses}


_EVENTS = {
    "summary": "Stream the state, now and after each change",
    "responses": {
        "200": {
            "description": "Server-sent events `state`, whose data is a State.",
            "content": {"text/event-stream": {"schema": _TEXT}},
        },
        **_errors("400", "403"),
    },
}


_ARRIVED = {
    "post": {
        "summary": "The sandbox posts each message that arrived to the address of --webhook",
        "requestBody": {"required": True, **_content("Message")},
        "responses": {"2XX": {"description": "Any other answer counts as failed. No retry."}},
    }
}


def openapi(rows: Iterable[ContractRow], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of these requests."""
    paths: dict[str, Any] = {"/sandbox/events": {"get": _EVENTS}}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {"title": "smsgate sandbox", "version": version},
        "paths": paths,
        "webhooks": {"message": _ARRIVED},
        "components": {
            "schemas": {
                name: {**schema, "examples": [EXAMPLES[name]]} for name, schema in SCHEMAS.items()
            }
        },
    }


def _operation(row: ContractRow) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": schema, "description": meaning}
        for name in row.query
        for schema, meaning in [PARAMETERS[name]]
    ]
    errors = ["400", "403"]
    if "{key}" in row.path:
        errors.append("404")
        parameters.append({"name": "key", "in": "path", "required": True, "schema": _TEXT})
    return {
        "summary": row.summary,
        "parameters": parameters,
        **({} if row.body is None else {"requestBody": {"required": True, **_content(row.body)}}),
        "responses": {
            "200": {"description": "The reply.", **_content(row.reply)},
            **_errors(*errors),
        },
    }
