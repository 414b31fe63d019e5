"""Modules import only from floors below their own; each foreign library has one importer.

The source is read, not run, so an import inside of a function counts too.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import smsgate

pytestmark = [pytest.mark.heavy, pytest.mark.unmeasured]

ROOT = Path(smsgate.__file__).parent

# A module may import what is lower. Two of the same floor may not import each other.
FLOORS: dict[str, float] = {
    "errors": 0,
    "privacy": 0,
    "version": 0,
    "extras": 0,
    "languages": 0,
    "known_sentences": 0.1,
    "protocol": 0.5,
    "protocol.cookies": 0.9,
    "protocol.limits": 0.9,
    "protocol.numbers": 0.9,
    "phone": 0.95,
    "protocol.characters": 1.0,
    "protocol.transliteration": 1.0,
    "protocol.operation": 1.1,
    "protocol.envelope": 1.2,
    "protocol.xml": 1.2,
    "protocol.segments": 1.2,
    "protocol.answers": 1.2,
    "protocol.rewriting": 1.25,
    "protocol.models": 1.3,
    "protocol.reply": 1.4,
    "protocol.operations": 1.45,
    "_client": 1.5,
    "_client.spawn": 1.6,
    "_client.one_thread": 1.7,
    "config": 2,
    "_client.observing": 2,
    "_client.transport": 2,
    "_client.delivery": 2,
    "_client.workers": 2,
    "_client.logins": 3,
    "_client.call": 3.5,
    "session": 4,
    "ledger": 3,
    "ledger.states": 3.1,
    "ledger.records": 3.2,
    "ledger.arguments": 3.3,
    "ledger.contract": 3.35,
    "ledger.samples": 3.3,
    "ledger.sql_files": 3.1,
    "ledger.fingerprints": 3.1,
    "ledger.health": 3.1,
    "ledger.foreign": 3.2,
    "ledger.stored_errors": 3.2,
    "ledger.stored_records": 3.3,
    "ledger.messages": 3.4,
    "ledger.stop_numbers": 3.32,
    "stop_check": 1.0,
    "staging": 1.4,
    "settings": 5.5,
    "": 5,  # the root package, for those that use it as its users do
}
# Inside of a package of this table its own files may import each other.
PACKAGES: dict[str, float] = {
    "sandbox": 2,
    "ledger.sqlite": 4,
    "ledger.postgres": 4,
    "doctor": 5.5,
    "campaign": 6,
    "outbox": 6,
    "stop_list": 6.5,
    "testing": 7,
    "integrations": 7,
    "cli": 8,
    "__main__": 9,
}

# In the core: a sandbox may know its web server's event loop.
ONE_IMPORTER = {
    "httpx": {"_client.transport"},
    "xmltodict": {"protocol.xml"},
    "asyncio": {"_client.spawn"},
    "trio": {"_client.spawn"},
}
PROTOCOL_MAY_IMPORT = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "pydantic",
    "pydantic_core",
    "re",
    "typing",
    "unicodedata",
    "urllib.parse",
    "xml.parsers",
    "xml.sax.saxutils",
    "xmltodict",
}
DEPENDENCIES = ("httpx", "xmltodict", "pydantic", "anyio")
NOT_LOADED = (
    "typer", "rich", "starlette", "uvicorn", "trio", "httpx2", "sqlite3", "psycopg", "dotenv",
    "phonenumbers", "pydantic_settings", "opentelemetry", "procrastinate",
)  # fmt: skip

PUBLIC = [
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
    "NotAuthorised",
    "NotAllowed",
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


def name_of(path: Path) -> str:
    """Return the name of a module below `smsgate`, empty for the root."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = sorted(SOURCES)


def package_of(module: str) -> str | None:
    """Return the package of `PACKAGES` that the module is in."""
    return next((package for package in PACKAGES if f"{module}.".startswith(f"{package}.")), None)


def floor_of(module: str) -> float:
    """Return the floor of a module. A module that is on none has to be given one."""
    package = package_of(module)
    if package is None:
        assert module in FLOORS, f"{module} is on no floor of the table"
        return FLOORS[module]
    return PACKAGES[package]


@cache
def imports_of(module: str) -> tuple[str, ...]:
    """Return the full name of each imported module, and of each name imported from a module."""
    path = SOURCES[module]
    package = ["smsgate", *(module.split(".") if module else [])]
    if path.name != "__init__.py":
        package = package[:-1]
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found += (f"{source}.{alias.name}" for alias in node.names)
    return tuple(found)


def own_imports_of(module: str) -> Iterator[str]:
    """Yield the modules of this package that are imported, by their names below `smsgate`."""
    for name in imports_of(module):
        first, *below = name.split(".")
        if first == "smsgate":
            # What is imported is a module, or else a name inside of the nearest module above it.
            yield next(
                candidate
                for cut in range(len(below), -1, -1)
                if (candidate := ".".join(below[:cut])) in SOURCES
            )


def importers_of(library: str) -> set[str]:
    """Return the modules that import a foreign library or a part of it."""
    return {
        module
        for module in MODULES
        for name in imports_of(module)
        if f"{name}.".startswith(f"{library}.")
    }


def test_imports_are_found_in_the_source():
    assert "httpx" in set(imports_of("_client.transport"))
    assert {"errors", "protocol.models", "_client.transport"} <= set(own_imports_of("session"))
    assert "privacy" in set(own_imports_of("protocol.reply"))
    assert {"errors", "session"} <= set(own_imports_of(""))
    assert importers_of("trio") == {"_client.spawn"}


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_from_floors_below_its_own(module: str):
    for imported in own_imports_of(module):
        same_package = package_of(module) is not None and package_of(module) == package_of(imported)
        assert same_package or floor_of(imported) < floor_of(module), f"{module} imports {imported}"


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in MODULES
        if module in ("errors", "extras", "languages", "privacy", "version", "_client.spawn")
    ],
)
def test_ground_floor_imports_nothing_of_ours(module: str):
    assert set(own_imports_of(module)) == set()


def test_no_two_files_share_a_name():
    names = [module.rpartition(".")[2] for module in MODULES if module]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_two_public_classes_share_a_name():
    classes = [
        node.name
        for module in MODULES
        for node in ast.parse(SOURCES[module].read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert sorted({name for name in classes if classes.count(name) > 1}) == []


def test_table_has_no_module_that_is_gone():
    assert set(FLOORS) <= set(MODULES)


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("sandbox")])
def test_sandbox_knows_the_protocol_and_not_the_client(module: str):
    allowed = ("protocol", "errors", "extras", "privacy", "version", "sandbox")
    assert [
        imported for imported in own_imports_of(module) if imported.split(".")[0] not in allowed
    ] == []


@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_foreign_library_has_one_importer(library: str):
    assert {
        module for module in importers_of(library) if package_of(module) is None
    } == ONE_IMPORTER[library]


@pytest.mark.parametrize("library", ["httpx", "xmltodict", "trio"])
def test_packages_beside_the_core_do_not_import_its_libraries(library: str):
    assert {module for module in importers_of(library) if package_of(module) is not None} == set()


def test_databases_are_imported_only_in_their_ledgers():
    assert importers_of("psycopg") == {"ledger.postgres.reconnection"}
    assert {package_of(module) for module in importers_of("sqlite3")} == {
        "ledger.sqlite",
        "sandbox",
    }


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_web_framework_is_imported_in_one_file_of_the_sandbox(library: str):
    importers = importers_of(library)
    assert len(importers) <= 1
    assert all(module.startswith("sandbox") for module in importers)


@pytest.mark.parametrize("library", ["typer", "rich", "click"])
def test_command_libraries_are_imported_only_by_the_command(library: str):
    assert all(module.split(".")[0] in ("cli", "__main__") for module in importers_of(library))


@pytest.mark.parametrize(
    ("library", "importer"),
    [
        ("phonenumbers", "phone"),
        ("opentelemetry", "integrations.otel"),
        ("python_calamine", "campaign.spreadsheets"),
        ("fastapi", "integrations.fastapi"),
        ("aiohttp", "integrations.aiohttp"),
        ("procrastinate", "integrations.procrastinate"),
        ("psycopg_pool", "integrations.procrastinate"),
    ],
)
def test_optional_library_has_one_importer(library: str, importer: str):
    assert importers_of(library) == {importer}


def test_sqlite_is_imported_only_by_its_ledger_and_one_file_of_the_sandbox():
    importers = importers_of("sqlite3")
    assert {one for one in importers if package_of(one) != "ledger.sqlite"} == {"sandbox.database"}


@pytest.mark.parametrize(
    "module",
    [
        "ledger.states",
        "ledger.records",
        "ledger.contract",
        "campaign.outcomes",
        "campaign.template",
    ],
)
def test_campaign_decisions_do_no_io_and_read_no_clock(module: str):
    foreign = {name.split(".")[0] for name in imports_of(module)} - {"smsgate"}
    assert foreign <= {
        "__future__",
        "collections",
        "dataclasses",
        "decimal",
        "enum",
        "functools",
        "pydantic",
        "re",
        "string",
        "typing",
    }


def test_nobody_imports_the_other_client_library():
    assert importers_of("httpx2") == set()


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("protocol")])
def test_protocol_does_no_io_and_reads_no_clock(module: str):
    foreign = {name for name in imports_of(module) if name.split(".")[0] != "smsgate"}
    assert [
        name
        for name in sorted(foreign)
        if not any(f"{name}.".startswith(f"{allowed}.") for allowed in PROTOCOL_MAY_IMPORT)
    ] == []


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in MODULES
        if package_of(module) is None and module and not module.startswith("ledger")
    ],
)
def test_nothing_below_the_root_imports_optional_packages(module: str):
    above = (
        "campaign",
        "outbox",
        "stop_list",
        "ledger",
        "sandbox",
        "integrations",
        "cli",
        "testing",
    )
    assert [
        imported for imported in own_imports_of(module) if imported.split(".")[0] in above
    ] == []


@pytest.mark.parametrize("module", MODULES)
def test_each_module_has_a_docstring_on_its_first_line(module: str):
    said = ast.get_docstring(ast.parse(SOURCES[module].read_text("utf-8")))
    assert said
    assert said.splitlines()[0].rstrip().endswith((".", ":", ",")) or len(said.splitlines()[0]) > 80


@pytest.mark.parametrize("module", MODULES)
def test_each_exported_name_exists(module: str):
    tree = ast.parse(SOURCES[module].read_text("utf-8"))
    exported = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__all__"
    ]
    if exported:
        defined = {
            node.name
            for node in tree.body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        }
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        annotated = {
            node.target.id
            for node in tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        imports = [
            node
            for top in tree.body
            for node in (top.body if isinstance(top, (ast.Try, ast.If)) else [top])
        ]
        taken = {
            alias.asname or alias.name
            for node in imports
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert set(exported[0]) <= defined | assigned | annotated | taken
        assert len(set(exported[0])) == len(exported[0])


def test_public_names_are_the_expected_ones():
    assert sorted(smsgate.__all__) == sorted(PUBLIC)
    assert all(getattr(smsgate, name) is not None for name in PUBLIC)


def test_type_checkers_and_programs_agree_on_public_names():
    """Both find each public name in the same module."""
    tree = ast.parse(SOURCES[""].read_text("utf-8"))
    (typed,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    checked = {
        (alias.name, node.module)
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    (table,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_HOMES" and node.value
    ]
    run = {(name, home) for home, names in ast.literal_eval(table).items() for name in names}
    assert checked == run
    assert {name for name, _ in run} == set(PUBLIC) - {"__version__"}


def test_public_name_is_found_however_it_is_requested():
    starred: dict[str, object] = {}
    exec("from smsgate import *", starred)
    assert set(PUBLIC) <= set(starred)
    assert set(PUBLIC) <= set(dir(smsgate))
    assert smsgate.errors.NotSent is smsgate.NotSent, "a module, too, needs no import of its own"
    with pytest.raises(AttributeError, match="has no attribute 'AsyncSessions'"):
        _ = smsgate.AsyncSessions


def test_package_declares_that_it_is_typed():
    assert (ROOT / "py.typed").is_file()


@pytest.mark.parametrize("plugin", ["smsgate.testing", "smsgate"])
def test_plugin_loads_nothing_in_a_pytest_run(plugin: str):
    loads = (
        f"import pytest, sys\nbefore = set(sys.modules)\nimport {plugin}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", loads],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == {"smsgate", "smsgate.version", plugin}


def test_importing_the_module_behind_python_m_runs_no_command():
    code = "import smsgate.__main__, sys; print('smsgate.cli.app' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_importing_the_package_loads_no_optional_library():
    # httpx itself loads rich, and httpcore loads trio, where they are installed: what counts is
    # what we add to our dependencies.
    code = (
        f"import sys\nfor name in {DEPENDENCIES!r}: __import__(name)\nbefore = set(sys.modules)\n"
        "import json, smsgate\n"
        "for name in smsgate.__all__: getattr(smsgate, name)\n"
        "print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, added = json.loads(done.stdout)
    assert "smsgate.session" in added
    assert "smsgate.session" not in before
    assert [name for name in added if name.split(".")[0] in NOT_LOADED] == []
    assert [
        name
        for name in added
        if name.startswith(
            (
                "smsgate.campaign",
                "smsgate.outbox",
                "smsgate.sandbox",
                "smsgate.integrations",
                "smsgate.cli",
            )
        )
    ] == []
