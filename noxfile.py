"""All checks: `nox` runs all of them, `nox -s lint types` runs some, `nox -l` lists them.

uv creates the environments; it comes with `nox[uv]`.
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
# The minimum coverage of lines and branches in percent, by area.
COVERAGE = [
    (100, ["errors", "privacy", "config", "protocol/*", "_client/*", "session"]),
    (100, ["ledger/states", "ledger/records", "ledger/contract", "campaign/outcomes"]),
    (99, ["campaign/runner", "ledger/sqlite/*"]),
    (95, ["ledger/*", "ledger/postgres/*"]),
    (95, ["*"]),
    (95, ["campaign/*", "campaign/report/*"]),
    (95, ["cli/*"]),
    (95, ["doctor/*"]),
    (95, ["sandbox/*"]),
    (95, ["integrations/*"]),
]
# Tests that depend on the versions of Python and of libraries: event loops, sockets, models, files.
DEPENDENT = [
    f"tests/test_{name}.py"
    for name in (
        "aiohttp", "campaign_journal", "campaign_lists", "campaign_polling", "campaign_runner",
        "cli", "cli_campaign", "deadlines", "fastapi", "faults", "models", "otel", "parallel",
        "phone", "reply", "sandbox", "sandbox_api", "sandbox_faults", "session", "settings",
        "testing", "transport", "xml",
    )
]  # fmt: skip
# The tests which reach no line that others do not reach. To measure them would double their time.
REACHES_NOTHING_NEW = "unmeasured or (heavy and random)"
# The linter and formatter of JavaScript and CSS; its rules are in .ci/biome.jsonc.
BIOME = "@biomejs/biome@2.6.8"


def interpreters() -> dict[str, Path]:
    """Return each working CPython on this machine from 3.11 up, by version."""
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
    """Return whether this is a released CPython, not another Python or a broken shim."""
    program = (
        "import platform, sys; sys.exit((platform.python_implementation(), sys.version_info[3])"
        " != ('CPython', 'final'))"
    )
    return subprocess.run([python, "-c", program], check=False, capture_output=True).returncode == 0


PYTHONS = interpreters()
# Without compiled files, each of the many processes would compile everything again.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
# nox looks for interpreters such as `python3.12` in PATH.
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
    """Install the wheel, as users do, not the checkout. It is built once for all sessions."""
    if not BUILT:
        wheels = Path(session.create_tmp()) / "wheel"
        shutil.rmtree(wheels, ignore_errors=True)
        session.run("uv", "build", "--quiet", "--wheel", "--out-dir", str(wheels), silent=True)
        BUILT.extend(str(wheel) for wheel in wheels.glob("*.whl"))
    (wheel,) = BUILT
    session.install("--reinstall-package", "aiosmsgate", f"{wheel}{extras}", *requirements)


def install_for_tests(session: nox.Session, *requirements: str) -> None:
    # Compiled now, since workers that start together would each compile the same files.
    install_wheel(session, EVERYTHING, "--compile-bytecode", *requirements, *groups("test"))


def side_by_side(session: nox.Session, *commands: list[str]) -> None:
    """Run the commands at the same time, print the output of each, and fail if one fails."""
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


def pytest(session: nox.Session, *arguments: str, workers: int = 4) -> list[str]:
    """Return the command that runs tests on the installed wheel."""
    # Temporary files go to memory if possible, since each commit of a campaign waits for the disk.
    memory = Path("/dev/shm")
    if (
        memory.is_dir()
        and os.access(memory, os.W_OK)
        and shutil.disk_usage(memory).free > 2 * 1024**3
    ):
        session.env["PYTEST_DEBUG_TEMPROOT"] = str(memory)
    # Not `python -m pytest`, which would import the package from the checkout, not from the wheel.
    # More workers than many machines have cores, since many tests wait for a socket.
    return [
        f"{session.bin}/pytest",
        "-n",
        str(workers),
        "--dist",
        "worksteal",
        "--durations=15",
        *arguments,
        *session.posargs,
    ]


@nox.session
def lint(session: nox.Session) -> None:
    """Check format and rules of Python, JavaScript and CSS; `nox -s lint -- --fix` fixes them."""
    session.install(*groups("lint"))
    # npm and node come from the group above, so the machine needs neither.
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
    """Run mypy and pyright, and check that the public API is completely typed."""
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
    """Run all tests on the oldest Python, and all but the heavy ones on the newest.

    On the versions between, run the tests that depend on the versions of Python and of libraries,
    with the lowest allowed version of each dependency. If `CI` is set, the run on the oldest Python
    also measures the coverage.
    """
    oldest, *_, newest = [*PYTHONS, *PYTHONS]
    between = session.python not in (oldest, newest)
    install_for_tests(session, *(lowest() if between else ()))
    if session.python == oldest and os.environ.get("CI") and not session.posargs:
        run_measured(session)
        session.run(*pytest(session, "-m", REACHES_NOTHING_NEW))
    elif session.python == oldest:
        session.run(*pytest(session))
    elif session.posargs:
        # The files given may contain no such test, which is exit code 5.
        session.run(*pytest(session, "-m", "not heavy"), success_codes=[0, 5])
    elif between:
        # An old version of a library may use what is deprecated now.
        session.run(
            *pytest(session, "-m", "not heavy", "-W", "default::DeprecationWarning", *DEPENDENT)
        )
    else:
        session.run(*pytest(session, "-m", "not heavy"))


def lowest() -> list[str]:
    """Return the lowest allowed version of each dependency."""
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
    """Install each extra alone: it works, and one line says which other extra a feature needs."""
    install_wheel(session, f"[{extra}]")
    # Outside the checkout, so that the installed package is imported.
    script = Path("tests/extra_alone.py").resolve()
    session.cd(session.create_tmp())
    session.run("python", "-W", "error", str(script), extra)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, with warnings as errors, and check its links offline."""
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
    session.run("python", "docs/check_search.py", str(built))
    session.log(f"{built / 'index.html'}")


@nox.session(default=False, python=next(iter(PYTHONS)))
def coverage(session: nox.Session) -> None:
    """Measure the coverage of lines and branches, and check each area's minimum. Takes long."""
    install_for_tests(session)
    run_measured(session)


def run_measured(session: nox.Session) -> None:
    """Run the tests that reach all lines, and check the coverage of each area."""
    measured = Path(session.create_tmp()) / "coverage"
    shutil.rmtree(measured, ignore_errors=True)
    measured.mkdir()
    data = {"COVERAGE_FILE": str(measured / "data")}
    session.run("coverage", "run", *pytest(session, "-m", f"not ({REACHES_NOTHING_NEW})"), env=data)
    session.run("coverage", "combine", "--quiet", env=data)
    for broken in measured.glob("data.*"):
        broken.unlink()  # written by a process that was killed
    for least, names in COVERAGE:
        files = ",".join(f"*/smsgate/{name}.py" for name in names)
        session.run("coverage", "report", f"--fail-under={least}", "--include", files, env=data)


@nox.session(default=False, python=next(iter(PYTHONS)))
def soak(session: nox.Session) -> None:
    """Run the random tests with their full counts: kills, faults, cancellations, simulations."""
    install_for_tests(session)
    counted = [
        str(path)
        for path in sorted(Path("tests").glob("test_*.py"))
        if "from soak import" in path.read_text("utf-8")
    ]
    # Some of them wait for the most part, and others compute, so more of them fit beside another.
    session.run(*pytest(session, "--soak", "-m", "soak", *counted, workers=6))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run all benchmarks, or one: `nox -s bench -- speed --campaigns 100000`."""
    install_wheel(session, EVERYTHING, *groups("test"))
    chosen = session.posargs[0] if session.posargs else "*"
    for script in sorted(Path("tests").glob(f"benchmark_{chosen}.py")):
        session.run("python", str(script), *session.posargs[1:])
