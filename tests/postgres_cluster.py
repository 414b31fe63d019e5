"""A PostgreSQL cluster of the tests' own: Debian's programs, a free port on loopback, no container.

PostgreSQL refuses to run as root, so under root the cluster belongs to the user `postgres`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Self

from ports import server_port

__all__ = ["Cluster", "programs"]

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
        self.run("initdb", "-D", str(self.data), "-U", "tester", "-A", "trust", "-N", "-E", "UTF8")
        # Tests end processes, not the machine, so nothing needs to reach the disk.
        self.configure(f"{_SETTINGS}fsync = {'on' if self._synced else 'off'}\n")
        self.start()
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester", "sms")
        return self

    def own_folder(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")

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
        command = [str(folder / program), *arguments]
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
