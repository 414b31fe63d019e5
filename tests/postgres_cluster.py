"""A PostgreSQL cluster of the tests' own: Debian's programs, a free port on loopback, no container.

PostgreSQL refuses to run as root, so under root the cluster belongs to the user `postgres`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

from ports import server_port

__all__ = ["TEMPLATE", "Cluster", "programs", "template"]

TEMPLATE = "POSTGRES_TEMPLATE_OF_THE_TESTS"
"""The variable that holds a folder, in which the processes of a test run share an empty cluster.

To copy one takes a tenth of what `initdb` takes.
"""

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 32MB
wal_level = replica
max_wal_senders = 4
hot_standby = on
log_min_messages = fatal
"""


@cache
def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, None if it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def template() -> Iterator[None]:
    """Let this process and those that it starts share an empty cluster, unless they do already."""
    if TEMPLATE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="smsgate-cluster-") as folder:
        _hand_over(Path(folder))
        os.environ[TEMPLATE] = folder
        yield
        del os.environ[TEMPLATE]


def _hand_over(folder: Path) -> None:
    if os.getuid() == 0 and programs():
        shutil.chown(folder, "postgres", "postgres")


class Cluster:
    """A running cluster with a database `sms`, as a context manager."""

    def __init__(self, *, synced: bool = False) -> None:
        self._synced = synced
        self.folder = Path(tempfile.mkdtemp(prefix="smsgate-postgres-"))
        self.data = self.folder / "data"
        self.port: int = server_port()

    @property
    def address(self) -> str:
        return self.address_of("sms")

    def address_of(self, database: str, *, user: str = "tester") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self.own_folder()
        self.make()
        # Tests end processes, not the machine, so nothing needs to reach the disk.
        self.configure(f"{_SETTINGS}fsync = {'on' if self._synced else 'off'}\n")
        self.start()
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester", "sms")
        return self

    def make(self) -> None:
        """Make an empty cluster, or copy the one that was made first in this test run."""
        shared = os.environ.get(TEMPLATE)
        if shared is None:
            self.init()
            return
        made = Path(shared) / "data"
        with (made.parent / "lock").open("ab") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            if not made.exists():
                self.init()
                self.run("cp", "-a", str(self.data), f"{made}.part")
                Path(f"{made}.part").rename(made)
                return
        self.run("cp", "-a", str(made), str(self.data))

    def init(self) -> None:
        self.run("initdb", "-D", str(self.data), "-U", "tester", "-A", "trust", "-N", "-E", "UTF8")

    def own_folder(self) -> None:
        _hand_over(self.folder)

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def configure(self, settings: str) -> None:
        path = self.data / "postgresql.conf"
        path.write_text(path.read_text("utf-8") + settings + f"port = {self.port}\n", "utf-8")

    def start(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, how: str = "fast") -> None:
        """Stop the cluster: `fast` ends its sessions, `immediate` is a crash."""
        self.run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop", check=False)

    def run(self, program: str, *arguments: str, check: bool = True) -> None:
        folder = programs()
        assert folder is not None
        found = folder / program
        command = [str(found) if found.exists() else program, *arguments]
        if os.getuid() == 0:
            command = [
                "setpriv",
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                *command,
            ]
        ended = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if check and ended.returncode:
            raise RuntimeError(f"{program} failed: {ended.stderr.decode(errors='replace')}")
