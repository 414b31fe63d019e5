"""The contract of the sandbox's JSON API: it equals the routes, and real replies keep it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from ports import refusing_port
from test_sandbox import BAD, GOOD, OTHER, User, ask
from test_sandbox_api import call, got

from smsgate.sandbox import OtherAccount, Sandbox, Settings
from smsgate.sandbox.api import REQUESTS
from smsgate.sandbox.api_contract import EXAMPLES, PARAMETERS, SCHEMAS
from smsgate.sandbox.search import SEARCH_FIELDS


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    others, url = (OtherAccount("promo", "secret"),), f"http://127.0.0.1:{refusing_port()}"
    with Sandbox(Settings(other_accounts=others), webhook=url) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture(scope="module")
def contract(running: Sandbox) -> Any:
    return got(running, "/sandbox/openapi.json")


def complaints(contract: Any, schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": contract["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_contract_is_valid_openapi(contract: Any):
    validate(contract)


def test_contract_has_exactly_the_routes_that_are_served(contract: Any, sandbox: Sandbox):
    endpoints: Any = sandbox._endpoints  # starlette does not type its routes
    routes = {
        (method, route.path)
        for route in endpoints._routes.routes
        for method in route.methods - {"HEAD"}
        if route.path.startswith(("/sandbox", "/healthz"))
    }
    described = {
        (method.upper(), path) for path, methods in contract["paths"].items() for method in methods
    }
    assert described == routes


@pytest.mark.parametrize("name", SCHEMAS)
def test_example_of_each_schema_is_valid(name: str, contract: Any):
    assert complaints(contract, contract["components"]["schemas"][name], EXAMPLES[name]) == []


def test_each_schema_and_parameter_is_used(contract: Any):
    text = str(contract["paths"]) + str(contract["components"])
    assert [name for name in SCHEMAS if f"#/components/schemas/{name}'" not in text] == []
    assert {name for row in REQUESTS for name in row.query} == set(PARAMETERS)


def fill(sandbox: Sandbox) -> str:
    """Leave one of everything, also of what may be null, and return the id of a message."""
    user = User(sandbox)
    (_, id_) = user.send().slots
    user.send(f"{OTHER},{BAD}", f"It’s {'a' * 80}")
    user.call("SendSMS", sender="Shop", destination=GOOD, wappush="https://shop.example")
    ask(sandbox.url, b"<no soap>")
    sandbox.faults.add("slow", operation="SendSMS", probability=0.5, times=3, seconds=1)
    sandbox.faults.add("html", operation="Auth", times=2)
    User(sandbox, login=False).call("Auth", login="a", password="b")
    return str(id_)


@pytest.mark.parametrize(
    "row",
    [row for row in REQUESTS if row.reply != "Contract"],
    ids=lambda row: f"{row.method} {row.path}",
)
def test_real_reply_is_valid(row: Any, contract: Any, sandbox: Sandbox):
    id_ = fill(sandbox)
    session = got(sandbox, "/sandbox/state")["sessions"][0]["key"]
    keys = {
        "/sandbox/messages/{key}": id_,
        "/sandbox/calls/{key}": sandbox.call_log[-1].number,
        "/sandbox/sessions/{key}": session,
        "/sandbox/faults/{key}": sandbox.faults.rules[0].id,
        "/sandbox/accounts/{key}": "sandbox",
    }
    path = row.path.replace("{key}", str(keys.get(row.path)))
    reply = got(sandbox, path, row.method, row.body and EXAMPLES[row.body])
    described = contract["paths"][row.path][row.method.lower()]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": f"#/components/schemas/{row.reply}"}
    assert complaints(contract, schema, reply) == []


def test_every_call_of_the_log_is_valid(contract: Any, sandbox: Sandbox):
    fill(sandbox)
    for one in sandbox.call_log:
        whole = got(sandbox, f"/sandbox/calls/{one.number}")
        assert complaints(contract, SCHEMAS["CallWhole"], whole) == []


def test_error_is_valid_and_a_wrong_reply_is_not(contract: Any, sandbox: Sandbox):
    _, error = call(sandbox, "/sandbox/messages?limit=x")
    assert complaints(contract, SCHEMAS["Error"], error) == []
    state = got(sandbox, "/sandbox/state")
    for wrong in ({**state, "more": 1}, {**state, "balance": 5}, {**state, "sessions": [{}]}):
        assert complaints(contract, SCHEMAS["State"], wrong) != []


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: f"{row.method} {row.path}")
def test_unknown_parameter_is_an_error_that_names_those_allowed(row: Any, sandbox: Sandbox):
    path = row.path.replace("{key}", "1")
    status, document = call(sandbox, f"{path}?numbr=1", row.method)
    assert status == 400
    allowed = f"allowed are {', '.join(row.query)}" if row.query else "it takes none"
    assert document == {"error": f"query: this request has no parameter 'numbr'; {allowed}"}
    assert call(sandbox, "/sandbox/events?numbr=1")[0] == 400


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/sandbox/messages?limit=1&limit=1", {}, "400"),
        ("/sandbox/state", {"Host": "sms.example"}, "403"),
        ("/sandbox/events", {"Host": "sms.example"}, "403"),
        ("/sandbox/events?a=1", {}, "400"),
    ],
)
def test_contract_describes_each_error(
    path: str, headers: dict[str, str], status: str, contract: Any, sandbox: Sandbox
):
    answered, document = call(sandbox, path, **headers)
    described = contract["paths"][path.partition("?")[0]]["get"]["responses"][status]
    assert described["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
    assert (str(answered), list(document)) == (status, ["error"])


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_parameter_of_the_contract_is_read(name: str, sandbox: Sandbox):
    # A value that is wrong for each of them.
    wrong = {"search": "is:eaten"}.get(name, "☂")
    rows = [row for row in REQUESTS if name in row.query]
    assert rows
    for row in rows:
        status, document = call(sandbox, f"{row.path}?{name}={quote(wrong)}")
        assert (status, document["error"].split(":")[0]) == (400, name)


def test_tables_offer_each_example_of_the_search(sandbox: Sandbox):
    examples = [row["example"] for row in got(sandbox, "/sandbox/tables")["search"]]
    assert examples == [row.example for row in SEARCH_FIELDS]
