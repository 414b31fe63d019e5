"""The one way to every check: `nox` runs them all, `nox -s lint types` runs some, `nox -l` lists them.

The environments are made by uv, which comes with `nox[uv]`. Sessions that use one core run two commands at a time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.default_venv_backend = "uv"

PROJECT = nox.project.load_toml("pyproject.toml")
OLDEST = (3, 11)
EXTRAS = list(PROJECT["project"]["optional-dependencies"])
EVERYTHING = f"[{','.join(EXTRAS)}]"
# The least percentage of branches and lines that the tests cover, by area.
COVERAGE = [
    (100, ["errors", "privacy", "config", "protocol/*", "_client/*", "session"]),
    (100, ["ledger/states", "ledger/records", "ledger/contract", "campaign/outcomes"]),
    (99, ["campaign/runner", "ledger/sqlite/*"]),
    (95, ["*"]),
    (95, ["campaign/*"]),
    (95, ["cli/*"]),
    (95, ["doctor/*"]),
    (95, ["sandbox/*"]),
    (95, ["integrations/*"]),
]
# What can differ from one Python to the next, and with the libraries under us: event loops, sockets, models, files.
DEPENDENT = [
    f"tests/test_{name}.py"
    for name in (
        "aiohttp", "campaign_journal", "campaign_lists", "campaign_polling", "campaign_runner", "cli", "cli_campaign",
        "deadlines", "fastapi", "faults", "models", "otel", "parallel", "phone", "reply", "sandbox", "sandbox_api",
        "sandbox_faults", "session", "settings", "testing", "transport", "xml",
    )
]  # fmt: skip
# Lints and formats JavaScript and CSS, by the rules in .ci/biome.jsonc.
BIOME = "@biomejs/biome@2.6.8"


def interpreters() -> dict[str, Path]:
    """Return every CPython from 3.11 up that this machine has and that starts, by its version."""
    homes = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    homes += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    homes += sorted(Path.home().glob(".local/share/uv/python/cpython-*/bin"))
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": Path(sys.executable)}
    for candidate in (
        path for home in homes if home.is_dir() for path in sorted(home.glob("python3.*"))
    ):
        version = re.fullmatch(r"python(3\.(\d+))", candidate.name)
        if (
            version
            and int(version[2]) >= OLDEST[1]
            and version[1] not in found
            and starts(candidate)
        ):
            found[version[1]] = candidate
    return dict(sorted(found.items(), key=lambda item: age(item[0])))


def age(version: str) -> int:
    return int(version.split(".")[1])


def starts(python: Path) -> bool:
    """Tell a CPython from another Python, and from a shim that has nothing behind it."""
    program = "import platform, sys; sys.exit((platform.python_implementation(), sys.version_info[3]) != ('CPython', 'final'))"
    return subprocess.run([python, "-c", program], check=False, capture_output=True).returncode == 0


PYTHONS = interpreters()
# Where Python may write no compiled files, each of the many processes would compile everything again.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
# nox looks for `python3.12` on the path.
os.environ["PATH"] = os.pathsep.join(
    [*dict.fromkeys(str(path.parent) for path in PYTHONS.values()), os.environ.get("PATH", "")]
)


def groups(*names: str) -> list[str]:
    return [
        requirement
        for name in names
        for requirement in nox.project.dependency_groups(PROJECT, name)
    ]


BUILT: list[str] = []


def install_wheel(session: nox.Session, extras: str, *requirements: str) -> None:
    """Install the wheel as users have it, and not the checkout. It is built once for all sessions."""
    if not BUILT:
        wheels = Path(session.create_tmp()) / "wheel"
        shutil.rmtree(wheels, ignore_errors=True)
        session.run("uv", "build", "--quiet", "--wheel", "--out-dir", str(wheels), silent=True)
        BUILT.extend(str(wheel) for wheel in wheels.glob("*.whl"))
    (wheel,) = BUILT
    session.install("--reinstall-package", "aiosmsgate", f"{wheel}{extras}", *requirements)


def install_for_tests(session: nox.Session, *requirements: str) -> None:
    # Workers that start at the same time would each compile the same files.
    install_wheel(session, EVERYTHING, "--compile-bytecode", *requirements, *groups("test"))


def side_by_side(session: nox.Session, *commands: list[str]) -> None:
    """Run the commands at the same time, print what each says when it has ended, and fail if one of them fails."""
    environment = os.environ | {"PATH": os.pathsep.join([session.bin, os.environ["PATH"]])}
    started = [
        subprocess.Popen(
            [f"{session.bin}/{command[0]}", *command[1:]],
            stdout=-1,
            stderr=-2,
            text=True,
            env=environment,
        )
        for command in commands
    ]
    for command, process in zip(commands, started, strict=True):
        said, _ = process.communicate()
        session.log(f"{' '.join(command)}\n{said}".rstrip())
    if any(process.returncode for process in started):
        session.error("a command failed")


def pytest(session: nox.Session, *arguments: str) -> list[str]:
    """Return the command that runs tests on the installed wheel."""
    # The files of tests go to memory where they can: every commit of a campaign waits for the disk otherwise.
    memory = Path("/dev/shm")
    if (
        memory.is_dir()
        and os.access(memory, os.W_OK)
        and shutil.disk_usage(memory).free > 2 * 1024**3
    ):
        session.env["PYTEST_DEBUG_TEMPROOT"] = str(memory)
    # The script and not `-m pytest`, which would import the package from the checkout and not from the wheel.
    # More workers than most machines have cores, since many tests wait for a socket.
    return [
        f"{session.bin}/pytest",
        "-n",
        "6",
        "--dist",
        "worksteal",
        "--durations=15",
        *arguments,
        *session.posargs,
    ]


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format and the rules of Python, JavaScript and CSS; `nox -s lint -- --fix` corrects what it can."""
    session.install(*groups("lint"))
    # npm and the node that runs it come from the group above, so the machine needs neither.
    folder = Path(session.create_tmp())
    session.run(
        "npm",
        "install",
        "--silent",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(folder),
        BIOME,
    )
    biome = [
        "node",
        str(folder / "node_modules/@biomejs/biome/bin/biome"),
        "check",
        "--config-path=.ci",
        "--error-on-warnings",
    ]
    fix = "--fix" in session.posargs
    session.run("ruff", "format", *([] if fix else ["--check"]))
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run(*biome, *(["--write"] if fix else []), "smsgate")


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy inside, pyright as a second opinion, and check that the public API is complete."""
    install_wheel(
        session, EVERYTHING, *groups("types")
    )  # `--verifytypes` does not look into a checkout
    side_by_side(session, ["mypy"], ["pyright"])
    side_by_side(
        session,
        ["mypy", "noxfile.py", "tests/typing"],
        ["pyright", "--verifytypes", "smsgate", "--ignoreexternal"],
    )


@nox.session(python=list(PYTHONS))
def tests(session: nox.Session) -> None:
    """Run all tests under the oldest Python and all but the heavy ones under the newest.

    Between them, run those that depend on Python and on the libraries under us, with the lowest versions of our dependencies.
    """
    oldest, *_, newest = [*PYTHONS, *PYTHONS]
    between = session.python not in (oldest, newest)
    install_for_tests(session, *(lowest() if between else ()))
    if session.python == oldest:
        session.run(*pytest(session))
    elif session.posargs:
        # Who names a file may name one with no test of this kind.
        session.run(*pytest(session, "-m", "not heavy"), success_codes=[0, 5])
    elif between:
        # A library of that age may use what is deprecated by now.
        session.run(
            *pytest(session, "-m", "not heavy", "-W", "default::DeprecationWarning", *DEPENDENT)
        )
    else:
        session.run(*pytest(session, "-m", "not heavy"))


def lowest() -> list[str]:
    """Return each of our dependencies in the lowest version that we allow."""
    lists = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
    ]
    return sorted(
        {one.replace(">=", "==") for requirements in lists for one in requirements if ">=" in one}
    )


@nox.session
@nox.parametrize("extra", EXTRAS)
def extras(session: nox.Session, extra: str) -> None:
    """Install each extra alone: it works, and what the others bring is asked for in one line."""
    install_wheel(session, f"[{extra}]")
    # Outside of the checkout, so that the installed package is imported.
    script = Path("tests/extra_alone.py").resolve()
    session.cd(session.create_tmp())
    session.run("python", "-W", "error", str(script), extra)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation without a warning, and check its links without a network."""
    install_wheel(session, EVERYTHING, *groups("docs"))
    built = Path(session.create_tmp()) / "html"
    session.run(
        "sphinx-build",
        "-W",
        "--keep-going",
        "--quiet",
        "--fresh-env",
        "-b",
        "html",
        "docs",
        str(built),
    )
    session.run("python", "docs/check_links.py", str(built))
    session.log(f"{built / 'index.html'}")


@nox.session(default=False, python=next(iter(PYTHONS)))
def coverage(session: nox.Session) -> None:
    """Measure the lines and branches that the tests reach, which doubles their time, and hold each area to its least."""
    install_for_tests(session)
    measured = Path(session.create_tmp()) / "coverage"
    shutil.rmtree(measured, ignore_errors=True)
    measured.mkdir()
    data = {"COVERAGE_FILE": str(measured / "data")}
    # What is random and heavy reaches nothing more.
    session.run("coverage", "run", *pytest(session, "-m", "not (heavy and soak)"), env=data)
    session.run("coverage", "combine", "--quiet", env=data)
    for broken in measured.glob("data.*"):
        broken.unlink()  # of a process that was killed while it wrote
    for least, names in COVERAGE:
        files = ",".join(f"*/smsgate/{name}.py" for name in names)
        session.run("coverage", "report", f"--fail-under={least}", "--include", files, env=data)


@nox.session(default=False, python=next(iter(PYTHONS)))
def soak(session: nox.Session) -> None:
    """Run the random tests with their full counts: kills, faults, cancellations, simulated lives."""
    install_for_tests(session)
    session.run(*pytest(session, "--soak", "-m", "soak"))


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Print figures of all benchmarks, or of one: `nox -s benchmarks -- campaign --large 100000`."""
    install_wheel(session, EVERYTHING, *groups("test"))
    chosen = session.posargs[0] if session.posargs else "*"
    for script in sorted(Path("tests").glob(f"benchmark_{chosen}.py")):
        session.run("python", str(script), *session.posargs[1:])
