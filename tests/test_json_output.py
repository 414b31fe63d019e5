"""What the command prints with `--json`: every document is as its schema says.

Each command runs here, on a real sandbox and a real database, until it has printed each kind of
document that its schema knows.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
from command_tree import COMMANDS
from commands import run_command, start_command
from databases import cluster_of, new_database
from json_documents import (
    FAILURES,
    SCHEMAS,
    complaint,
    documents_of,
    kinds_of,
    named_by,
    read_all,
)
from jsonschema import Draft202012Validator
from ports import refusing_port
from test_cli import clean_environment
from test_cli_outbox import fill

from smsgate.campaign import RunOutcome
from smsgate.campaign.wording import DECISIONS
from smsgate.cli.exits import OWN
from smsgate.cli.views import OUTCOMES, VIEWS
from smsgate.doctor import Mark
from smsgate.errors import Outcome, Reason
from smsgate.ledger.states import RecipientState
from smsgate.protocol.answers import Answer, DeliveryState
from smsgate.protocol.segments import Alphabet
from smsgate.protocol.transliteration import Language
from smsgate.sandbox import CallOutcome, Sandbox, Settings

GOOD, NOT_RECOGNISED = "+380501234567", "+380000000001"
TEXT = "Ваш код: 4815"
WORDS = ("contacts.csv", "--sender", "Shop", "--text", "Hello, {name}!")
LIST = "phone,name\n+380501234567,Олена\n+380501234568,Тарас\n12,Ніхто\n"
PATIENCE = 60.0
DEFINITIONS: dict[str, Any] = SCHEMAS["$defs"]
OF_COMMANDS = {name: one for name, one in DEFINITIONS.items() if "anyOf" in one}
DOCUMENTS = {kind for name in OF_COMMANDS for kind in documents_of(name)}
FOR_PEOPLE = {"ListedNumbers", "MessagesListed"}
"""Lists of which JSON has a line for each row."""


# --- the schemas and the code ---------------------------------------------------------------------


def test_schemas_are_valid_and_each_command_has_one() -> None:
    Draft202012Validator.check_schema(SCHEMAS)
    assert set(map(named_by, COMMANDS)) == set(OF_COMMANDS)


def test_each_view_has_a_schema_and_no_schema_is_left_over() -> None:
    views = {kind.__name__ for kind in VIEWS}
    assert views >= FOR_PEOPLE
    assert views - FOR_PEOPLE == DOCUMENTS - FAILURES


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and all schemas in it, without its examples."""
    if isinstance(schema, dict):
        yield schema
    inner = schema.items() if isinstance(schema, dict) else enumerate(schema)
    for name, one in inner:
        if isinstance(one, (dict, list)) and name != "examples":
            yield from parts_of(one)


def test_each_part_of_the_schemas_is_used() -> None:
    used = {one["$ref"].rpartition("/")[2] for one in parts_of(DEFINITIONS) if "$ref" in one}
    assert used == set(DEFINITIONS) - set(OF_COMMANDS)


def described(schema: dict[str, Any]) -> bool:
    told = schema if "description" in schema else DEFINITIONS[schema["$ref"].rpartition("/")[2]]
    return bool(told["description"])


def test_schemas_are_strict_and_describe_each_key() -> None:
    for name, definition in DEFINITIONS.items():
        for one in parts_of(definition):
            if "properties" in one and isinstance(one.get("type"), str):
                assert one["additionalProperties"] is False, name
                assert all(map(described, one["properties"].values())), name
                if name != "error":
                    assert one["required"] == list(one["properties"]), name


ENUMS: dict[str, list[str]] = {
    "recipient_outcome": [*OUTCOMES],
    "outcome": [*Outcome],
    "answer": [*Answer],
    "delivery_state": [*DeliveryState],
    "state": [*RecipientState],
    "event": [*DECISIONS],
    "run_outcome": [*RunOutcome],
    "call_outcome": [*CallOutcome],
    "mark": [*Mark],
    "alphabet": [*Alphabet],
    "language": [*get_args(Language)],
    "error_reason": [*dict.fromkeys([*Reason, *(row.word for row in OWN.values())])],
}


def test_words_of_the_schemas_are_those_of_the_code() -> None:
    assert {name: one["enum"] for name, one in DEFINITIONS.items() if "enum" in one} == ENUMS
    assert sum("enum" in one for one in parts_of(DEFINITIONS)) == len(ENUMS)


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_example_is_valid_and_no_other_key_is(kind: str) -> None:
    (example,) = DEFINITIONS[kind]["examples"]
    assert complaint(example, kind) == ""
    assert "surplus" in complaint(example | {"surplus": 1}, kind)
    for key in example:
        assert key in complaint({one: example[one] for one in example if one != key}, kind)


# --- the command ----------------------------------------------------------------------------------


class Shop:
    """The command with an account, in a folder with a list."""

    def __init__(self, folder: Path, sandbox: Sandbox, request: pytest.FixtureRequest) -> None:
        self.folder, self.sandbox, self._request = folder, sandbox, request
        (folder / "contacts.csv").write_text(LIST, "utf-8")
        self.environment = clean_environment(
            SMSGATE_LOGIN="sandbox",
            SMSGATE_PASSWORD="sandbox",
            SMSGATE_SENDER="Shop",
            SMSGATE_URL=sandbox.url,
        )

    def __call__(self, command: str, *arguments: str, fails: bool = False) -> str:
        """Run a command and return what it printed, all of it as its schema says."""
        done = run_command(
            [*command.split(), *arguments, "--json"],
            environment=self.environment,
            folder=self.folder,
        )
        printed = done.out.decode()
        assert bool(FAILURES.intersection(kinds_of(command, printed))) is fails, printed
        return printed

    def campaign(self, *more: str) -> str:
        """Make a campaign, and return its place."""
        self("campaign new", "a.sms", *WORDS, *more)
        return "a.sms"

    def address(self) -> str:
        """Return the address of an empty database of PostgreSQL."""
        cluster = cluster_of(self._request)
        return cluster.address_of(new_database(cluster))

    def outbox(self) -> str:
        """Make an outbox with a message of each outcome, and return its place."""
        place = str(self.folder / "sms.db")
        anyio.run(fill, self.sandbox, place)
        return place

    def in_doubt(self, *more: str) -> str:
        """Make a campaign whose recipients are in doubt, and return its place."""
        place = self.campaign(*more)
        self.sandbox.faults.add("drop after", operation="SendSMS", times=1)
        self("campaign run", place, "--yes")
        return place

    def signalled(
        self, command: str, *arguments: str, ready: Callable[[], bool], times: int
    ) -> str:
        """Run a command, send it signals once it is ready, and return what it printed."""
        child = start_command(
            [*command.split(), *arguments, "--json"],
            environment=self.environment,
            folder=self.folder,
        )
        end = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < end
            time.sleep(0.02)
        for place in range(times):
            # One that comes sooner after another is taken for the same.
            time.sleep(0.5 * (place > 0))
            child.send_signal(signal.SIGINT)
        printed, _ = child.communicate(PATIENCE)
        kinds_of(command, printed)
        return printed


@pytest.fixture
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    settings = Settings(login="sandbox", password="sandbox", delivery_seconds=0.3)
    with Sandbox(settings) as sandbox:
        yield Shop(tmp_path, sandbox, request)


# --- single messages ------------------------------------------------------------------------------


def send(shop: Shop) -> str:
    return shop("send", GOOD, NOT_RECOGNISED, "--text", TEXT)


def balance(shop: Shop) -> str:
    return shop("balance")


def status(shop: Shop) -> str:
    ids = [one["message_id"] for one in read_all(send(shop))[0]["recipients"][:1]]
    return shop("status", *ids) + shop("status", *ids, "--follow")


def new(shop: Shop) -> str:
    send(shop)
    return shop("new")


def segments(shop: Shop) -> str:
    return shop("segments", "Your code: 4815 \N{EN DASH} do not share it")


def sandbox(shop: Shop) -> str:
    child = start_command(
        ["sandbox", "--port", "0", "--json"], environment=shop.environment, folder=shop.folder
    )
    assert child.stdout
    lines = [child.stdout.readline()]
    shop("send", GOOD, "--text", TEXT, "--url", json.loads(lines[0])["url"])
    while json.loads(lines[-1])["event"] != "message":
        lines.append(child.stdout.readline())
    child.send_signal(signal.SIGINT)
    return "".join(lines) + child.communicate(PATIENCE)[0]


def worker(shop: Shop) -> str:
    place = shop.outbox()
    before = shop.sandbox.accepted
    return shop.signalled(
        "worker", "--database", place, ready=lambda: shop.sandbox.accepted > before, times=1
    )


def doctor(shop: Shop) -> str:
    return shop("doctor", "--show-balance")


def init(shop: Shop) -> str:
    return shop("init")


# --- campaigns ------------------------------------------------------------------------------------


def campaign_new(shop: Shop) -> str:
    (shop.folder / "other.csv").write_text("phone\n+380501234568\nnobody\n", "utf-8")
    more = ("--exclude", "other.csv", "--between", "09:00-21:00")
    return shop("campaign new", "a.sms", *WORDS, *more)


def campaign_preview(shop: Shop) -> str:
    place = shop.campaign()
    link = ("--wappush", "https://shop.example/spring")
    shop("campaign new", "b.sms", "contacts.csv", "--sender", "Shop", *link)
    return shop("campaign preview", place) + shop("campaign preview", "b.sms")


def campaign_test(shop: Shop) -> str:
    return shop("campaign test", shop.campaign(), GOOD, "--yes")


def campaign_skipped(shop: Shop) -> str:
    return shop("campaign skipped", shop.campaign())


def campaign_run(shop: Shop) -> str:
    place = shop.campaign()
    printed = shop("campaign run", place, "--yes", "--rate", "1", "--batch", "1")
    (shop.folder / place).unlink()
    shop.campaign()
    shop.sandbox.faults.add("slow", operation="SendSMS", seconds=60)
    before = shop.sandbox.accepted
    return printed + shop.signalled(
        "campaign run", place, "--yes", ready=lambda: shop.sandbox.accepted > before, times=2
    )


def campaign_status(shop: Shop) -> str:
    place = shop.in_doubt()
    shop("campaign resolve", place, "--sent", "--line", "2", "--note", "seen on the phone")
    (shop.folder / "prices.csv").write_text("destination,price,currency\nUA,0.62,UAH\n", "utf-8")
    return shop("campaign status", place, "--prices", "prices.csv")


def on_server(command: str, *arguments: str) -> Callable[[Shop], str]:
    """Return a run of a command on a campaign in PostgreSQL."""

    def run(shop: Shop) -> str:
        database = ("--database", shop.address())
        place = shop.campaign(*database)
        shop(command, place, *arguments, *database)
        shop("campaign pause", place, *database)
        (seen,) = read_all(shop("campaign status", place, *database))
        assert seen["paused"]
        return shop(command, place, *arguments, *database)

    return run


def campaign_in_doubt(shop: Shop) -> str:
    return shop("campaign in-doubt", shop.in_doubt())


def campaign_resolve(shop: Shop) -> str:
    return shop("campaign resolve", shop.in_doubt(), "--give-up")


def campaign_poll(shop: Shop) -> str:
    place = shop.campaign()
    shop("campaign run", place, "--yes")
    return shop("campaign poll", place, "--again", "0.1")


def campaign_report(shop: Shop) -> str:
    place = shop.campaign()
    return shop("campaign report", place) + shop("campaign report", place, "--html", "a.html")


def campaign_export(shop: Shop) -> str:
    return shop("campaign export", shop.campaign(), "out.csv")


def campaign_purge(shop: Shop) -> str:
    place = shop.campaign()
    shop("campaign run", place, "--yes")
    return shop("campaign purge", place, "--yes")


# --- outboxes, databases, stop lists --------------------------------------------------------------


def in_outbox(command: str, *arguments: str) -> Callable[[Shop], str]:
    """Return a run of a command on an outbox in a file."""
    return lambda shop: shop(command, *arguments, "--database", shop.outbox())


def in_both(command: str) -> Callable[[Shop], str]:
    """Return a run of a command on a file and on PostgreSQL, before and after a migration."""

    def run(shop: Shop) -> str:
        printed = ""
        for place in (str(shop.folder / "other.db"), shop.address()):
            if command == "database migrate" or not place.endswith(".db"):
                printed += shop(command, "--database", place)
            shop("database migrate", "--database", place)
            printed += shop(command, "--database", place)
        return printed

    return run


def stop_list(command: str, *arguments: str) -> Callable[[Shop], str]:
    """Return a run of a command on a stop list with a number, in a file."""

    def run(shop: Shop) -> str:
        shop("stoplist add", GOOD, "--reason", "asked by mail", "--file", "stop.db")
        return shop(command, *arguments, "--file", "stop.db")

    return run


RUNS: dict[str, Callable[[Shop], str]] = {
    "send": send,
    "balance": balance,
    "status": status,
    "new": new,
    "segments": segments,
    "sandbox": sandbox,
    "worker": worker,
    "doctor": doctor,
    "init": init,
    "campaign new": campaign_new,
    "campaign preview": campaign_preview,
    "campaign test": campaign_test,
    "campaign skipped": campaign_skipped,
    "campaign run": campaign_run,
    "campaign status": campaign_status,
    "campaign pause": on_server("campaign pause"),
    "campaign resume": on_server("campaign resume", "--yes"),
    "campaign rate": on_server("campaign rate", "50"),
    "campaign in-doubt": campaign_in_doubt,
    "campaign resolve": campaign_resolve,
    "campaign poll": campaign_poll,
    "campaign report": campaign_report,
    "campaign export": campaign_export,
    "campaign purge": campaign_purge,
    "outbox list": in_outbox("outbox list"),
    "outbox in-doubt": in_outbox("outbox in-doubt"),
    "outbox resolve": in_outbox("outbox resolve", "3", "--sent"),
    "outbox purge": in_outbox("outbox purge", "--older-than", "0s", "--yes"),
    "database check": in_both("database check"),
    "database migrate": in_both("database migrate"),
    "stoplist add": stop_list("stoplist add", "+380671234567"),
    "stoplist remove": stop_list("stoplist remove", GOOD, "+380671234567"),
    "stoplist list": stop_list("stoplist list"),
    "stoplist import": stop_list("stoplist import", "contacts.csv"),
}
ELSEWHERE = {
    "demo": "test_cli_terminal.py",
    "database accept-failover": "test_cli_outbox.py",
}
"""Long runs, which another test checks as well."""


def test_each_command_is_run() -> None:
    assert {*RUNS, *ELSEWHERE} == {*COMMANDS}
    for command, name in ELSEWHERE.items():
        assert f'kinds_of("{command}"' in (Path(__file__).parent / name).read_text("utf-8")


@pytest.mark.parametrize("command", RUNS)
def test_command_prints_all_that_its_schema_says(shop: Shop, command: str) -> None:
    printed = kinds_of(command, RUNS[command](shop))
    assert set(printed) == {*documents_of(command)} - FAILURES


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_of_each_command_is_a_document(shop: Shop, command: str) -> None:
    (document,) = read_all(shop(command, "--nothing", fails=True))
    assert document["error"]["reason"] == "usage"


def test_errors_of_the_gateway_are_documents(shop: Shop) -> None:
    for arguments, kind, key in (
        (["send", NOT_RECOGNISED, "--text", TEXT], "Failed", "answer"),
        (["balance", "--url", f"http://127.0.0.1:{refusing_port()}/"], "Failed", "reason"),
        (["status", "c9482a41-27d1-44f8-bd5c-d34104ca5ba9"], "Failed", "answer"),
    ):
        printed = shop(*arguments, fails=True)
        assert kinds_of(arguments[0], printed) == [kind]
        assert key in read_all(printed)[0]["error"]
    shop.sandbox.faults.add("drop after", operation="SendSMS", times=1)
    assert kinds_of("send", shop("send", GOOD, "--text", TEXT, fails=True)) == ["FailedSend"]
