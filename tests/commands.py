"""The command `smsgate` in a process of its own, forked from one that has imported everything: a start costs no imports.

Each process has its own pipes, environment and folder, and ends as `python -m smsgate` does. What depends on the start itself (a
terminal, warnings of the interpreter, the time that imports take) is tested with `python -m smsgate`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["commands", "smsgate.cli.app", "smsgate.cli.demo", "campaign_child", "anyio._backends._asyncio"])


def start_fork_server() -> None:
    """Start the process that imports everything, if it is not there yet."""
    here = str(Path(__file__).parent)
    # Python 3.11 does not give the server its own path, and it would find nothing to import, and not say so. And it is to import
    # what is installed, not what the working directory holds.
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    os.environ.update(PYTHONPATH=here, PYTHONSAFEPATH="1")
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class Finished:
    """The exit code and what was written to the two outputs."""

    code: int
    out: bytes
    err: bytes


def _command(arguments: Sequence[str], environment: Mapping[str, str], folder: str, pipes: Sequence[Connection]) -> None:
    """Become `python -m smsgate` with these arguments. Runs in the forked process."""
    for number, pipe in enumerate(pipes):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115 - it ends with the process
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - the same
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115 - the same
    sys.argv = ["smsgate", *arguments]
    runpy.run_module("smsgate", run_name="__main__", alter_sys=True)


def run_command(
    arguments: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str], folder: Path, timeout: float = 60
) -> Finished:
    """Run the command to its end and return what it said. Raises `TimeoutError` after `timeout` seconds."""
    start_fork_server()
    ends = [os.pipe() for _ in range(3)]
    theirs = [ends[0][0], ends[1][1], ends[2][1]]
    inward, *outward = (os.fdopen(ends[0][1], "wb"), os.fdopen(ends[1][0], "rb"), os.fdopen(ends[2][0], "rb"))
    pipes = [Connection(one, readable=place == 0, writable=place > 0) for place, one in enumerate(theirs)]
    process = FORKS.Process(target=_command, args=(list(arguments), dict(environment), str(folder), pipes))
    process.start()
    for pipe in pipes:
        pipe.close()
    said: dict[int, bytes] = {}

    def write() -> None:
        with suppress(BrokenPipeError), inward:
            inward.write(stdin)

    def read(number: int, output: BinaryIO) -> None:
        with output:
            said[number] = output.read()

    threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=pair) for pair in enumerate(outward))]
    for thread in threads:
        thread.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"smsgate {' '.join(arguments)} has not ended within {timeout} s")
    for thread in threads:
        thread.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return Finished(code, said[0], said[1])
