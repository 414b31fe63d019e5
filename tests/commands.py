"""The command `smsgate` in a separate process.

The process is forked from one that has imported everything, so a start costs no imports.

Each process has its own pipes, environment and folder, and ends as `python -m smsgate` does. What
depends on the start itself (a terminal, warnings of the interpreter, the time that imports take) is
tested with `python -m smsgate`.
"""

from __future__ import annotations

import gc
import os
import runpy
import signal
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from forks import FORKS, start_server

NOBODY = "nobody"


@dataclass(frozen=True)
class Finished:
    """The exit code and what was written to the two outputs."""

    code: int
    out: bytes
    err: bytes


class Child:
    """A forked process, with as much of `subprocess.Popen` as tests use."""

    def __init__(
        self, process: BaseProcess, stdout: TextIOWrapper | None, stderr: TextIOWrapper | None
    ) -> None:
        self._process = process
        self.stdout, self.stderr = stdout, stderr
        assert process.pid
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return the exit code.

        Raises `TimeoutError` after `timeout` seconds, and kills the process then.
        """
        self._process.join(timeout)
        if (code := self.returncode) is None:
            self.kill()
            raise TimeoutError(f"a command has not ended within {timeout} s")
        return code

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it may have ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self._process.join()

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Return what is written from now on, when the process has ended.

        Raises `TimeoutError` as `wait` does.
        """
        said: dict[int, str] = {}

        def read(number: int, output: TextIOWrapper) -> None:
            with output:
                said[number] = output.read()

        outputs = [output for output in (self.stdout, self.stderr) if output]
        threads = [threading.Thread(target=read, args=pair) for pair in enumerate(outputs)]
        for thread in threads:
            thread.start()
        self.wait(timeout)
        for thread in threads:
            thread.join()
        return said[0], said[1]


@dataclass(frozen=True)
class _Start:
    """What a forked process becomes."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    script: str
    terminal: str


def _become(start: _Start, files: Sequence[Connection]) -> None:
    """Become `python -m smsgate` with these arguments, or a script, in the forked process."""
    if start.terminal:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
        file.close()
    if start.terminal and start.terminal != NOBODY:
        # Whoever leads a session and opens a terminal is controlled by it.
        os.close(os.open(start.terminal, os.O_RDWR))
    os.environ.clear()
    os.environ.update(start.environment)
    os.chdir(start.folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    encoding = start.environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115 - it ends with the process
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - the same
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115 - the same
    if start.script:
        warnings.simplefilter("error")
        sys.argv = [start.script, *start.arguments]
        sys.path.insert(0, start.folder)
        runpy.run_path(start.script, run_name="__main__")
        gc.collect()  # what was left open is complained of now
    else:
        sys.argv = ["smsgate", *start.arguments]
        runpy.run_module("smsgate", run_name="__main__", alter_sys=True)


def fork(
    arguments: Sequence[str],
    files: Sequence[int],
    *,
    environment: Mapping[str, str],
    folder: Path,
    script: str = "",
    terminal: str = "",
) -> BaseProcess:
    """Fork the command, or a script, with these three files, which are closed here.

    With the name of a terminal it leads a session that the terminal controls, and with `NOBODY` one
    that nothing controls.
    """
    start_server()
    given = [
        Connection(file, readable=place == 0, writable=place > 0)
        for place, file in enumerate(files)
    ]
    start = _Start(list(arguments), dict(environment), str(folder), script, terminal)
    process = FORKS.Process(target=_become, args=(start, given), daemon=True)
    process.start()
    for file in given:
        file.close()
    return process


def start_command(
    arguments: Sequence[str],
    *,
    stdin: int | None = None,
    environment: Mapping[str, str],
    folder: Path,
    script: str = "",
) -> Child:
    """Start the command, or a script.

    Its outputs are pipes; `stdin` is a file that is closed here, or nothing to read.
    """
    outputs = [os.pipe() for _ in range(2)]
    files = [
        os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin,
        outputs[0][1],
        outputs[1][1],
    ]
    process = fork(arguments, files, environment=environment, folder=folder, script=script)
    return Child(process, *(text_of(output[0]) for output in outputs))


def text_of(file: int) -> TextIOWrapper:
    return os.fdopen(file, encoding="utf-8", errors="surrogateescape", newline="")


def run_command(
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    environment: Mapping[str, str],
    folder: Path,
    timeout: float = 60,
    script: str = "",
) -> Finished:
    """Run the command, or a script, to its end and return what it said.

    Raises `TimeoutError` after `timeout` seconds.
    """
    theirs, ours = os.pipe()
    child = start_command(
        arguments, stdin=theirs, environment=environment, folder=folder, script=script
    )

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(ours, "wb") as inward:
            inward.write(stdin)

    writer = threading.Thread(target=write)
    writer.start()
    out, err = child.communicate(timeout)
    writer.join()
    assert child.returncode is not None
    return Finished(
        child.returncode, *(said.encode(errors="surrogateescape") for said in (out, err))
    )
