"""What all tests share:

a deterministic hypothesis, and both event loops for every asynchronous test.
"""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import certifi
import hypothesis
import pytest
import redis_server
import soak
from postgres_cluster import Cluster, programs, template

hypothesis.settings.register_profile("smsgate", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("smsgate")

# A shell starts what it runs in the background with Ctrl-C switched off, and nohup switches off the
# signal of a closed terminal, which every command under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Each of the many clients that tests lend reads the certificates of all authorities, which takes
# longer than most tests. None of them is asked for, so one authority is enough.
END = "-----END CERTIFICATE-----\n"
AUTHORITY = Path(tempfile.mkdtemp(prefix="smsgate-tests-")) / "authority.pem"
AUTHORITY.write_text(Path(certifi.where()).read_text("utf-8").partition(END)[0] + END, "utf-8")
os.environ["SSL_CERT_FILE"] = str(AUTHORITY)


# Entered here, since the workers inherit the variable that it sets.
SHARED = ExitStack()
SHARED.enter_context(template())


def pytest_unconfigure() -> None:
    SHARED.close()
    AUTHORITY.unlink()
    AUTHORITY.parent.rmdir()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak",
        action="store_true",
        help="run the random tests with their full counts, which takes minutes",
    )


def pytest_configure(config: pytest.Config) -> None:
    soak.FULL = config.getoption("soak")
    # Thousands of tests stay to the end: none of them is garbage, so none is looked at again and
    # again.
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.hookimpl(tryfirst=True)  # before `-m` is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the random tests and what surrounds them, and begin with what takes longest.

    What works on asyncio only has no test on trio.
    """
    items[:] = [item for item in items if not _on_trio_in_vain(item)]
    names: dict[ModuleType, set[str]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and soak.count in vars(item.module).values():
            item.add_marker("random")
            if item.module not in names:
                names[item.module] = soak.counted(item.module)
            if item.originalname in names[item.module]:
                item.add_marker("soak")
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


def _on_trio_in_vain(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    backend = parameters.get("anyio_backend")
    return item.get_closest_marker("asyncio_only") is not None and backend == "trio"


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A cluster for all tests of this process. Ask for it by `databases.cluster_of`."""
    with Cluster() as cluster:
        yield cluster


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if programs() is None:
        terminalreporter.write_line(
            "PostgreSQL is not installed, so the tests of the outbox on PostgreSQL were skipped"
        )
    if redis_server.program() is None:
        terminalreporter.write_line(
            "Redis is not installed, so the tests of the Celery tasks were skipped"
        )
