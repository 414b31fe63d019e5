"""The one way to every check: `nox` runs them all, `nox -s lint types` some, `nox -l` lists them."""

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
nox.options.default_venv_backend = "virtualenv"

PROJECT = nox.project.load_toml("pyproject.toml")
OLDEST = (3, 11)
EXTRAS = ",".join(PROJECT["project"]["optional-dependencies"])
# Every branch of these is covered; the commands and the sandbox are tested from outside.
COVERED = ["errors", "privacy", "options", "protocol/*", "transport", "logins", "parallel", "following", "spawn", "session"]
# With the lowest versions of our dependencies: whatever touches one of them.
LOWEST = [
    f"tests/test_{name}.py"
    for name in (
        "aiohttp", "campaign_journal", "campaign_lists", "campaign_polling", "campaign_runner", "cli", "cli_campaign", "fastapi",
        "faults", "models", "otel", "parallel", "phone", "reply", "sandbox", "sandbox_api", "sandbox_faults", "session",
        "settings", "testing", "transport", "xml",
    )
]  # fmt: skip
# Lints and formats JavaScript and CSS, by the rules in .ci/biome.jsonc.
BIOME = "@biomejs/biome@2.6.8"
MEASURED = Path(__file__).parent / ".nox/measured"


def interpreters() -> dict[str, Path]:
    """Return every CPython from 3.11 up that this machine has and that starts, by its version."""
    homes = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    homes += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    homes += sorted(Path.home().glob(".local/share/uv/python/cpython-*/bin"))
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": Path(sys.executable)}
    for candidate in (path for home in homes if home.is_dir() for path in sorted(home.glob("python3.*"))):
        version = re.fullmatch(r"python(3\.(\d+))", candidate.name)
        if version and int(version[2]) >= OLDEST[1] and version[1] not in found and starts(candidate):
            found[version[1]] = candidate
    return dict(sorted(found.items(), key=lambda item: age(item[0])))


def age(version: str) -> int:
    return int(version.split(".")[1])


def starts(python: Path) -> bool:
    """Tell a CPython from another Python, and from a shim that has nothing behind it."""
    program = "import platform, sys; sys.exit((platform.python_implementation(), sys.version_info[3]) != ('CPython', 'final'))"
    return subprocess.run([python, "-c", program], check=False, capture_output=True).returncode == 0


PYTHONS = interpreters()
# nox looks for `python3.12` on the path.
os.environ["PATH"] = os.pathsep.join([*dict.fromkeys(str(path.parent) for path in PYTHONS.values()), os.environ.get("PATH", "")])


def groups(*names: str) -> list[str]:
    return [requirement for name in names for requirement in nox.project.dependency_groups(PROJECT, name)]


BUILT: list[str] = []


def wheel_of(session: nox.Session) -> str:
    """Return the path of the wheel, which is built once for all sessions."""
    if not BUILT:
        wheels = Path(session.create_tmp()) / "wheel"
        shutil.rmtree(wheels, ignore_errors=True)
        session.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), ".", silent=True)
        BUILT.extend(str(wheel) for wheel in wheels.glob("*.whl"))
    (wheel,) = BUILT
    return wheel


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format and the rules of Python, JavaScript and CSS; `nox -s lint -- --fix` corrects what it can."""
    session.install(*groups("lint"))
    # npm and the node that runs it come from the group above, so the machine needs neither.
    folder = Path(session.create_tmp())
    session.run("npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder), BIOME)
    biome = ["node", str(folder / "node_modules/@biomejs/biome/bin/biome"), "check", "--config-path=.ci", "--error-on-warnings"]
    fix = "--fix" in session.posargs
    session.run("ruff", "format", *([] if fix else ["--check"]))
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run(*biome, *(["--write"] if fix else []), "smsgate")


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy inside, pyright as a second opinion, and the public API complete."""
    # Installed as users have it: `--verifytypes` does not look into a checkout.
    session.install(f".[{EXTRAS}]", *groups("types"))
    session.run("mypy")
    session.run("mypy", "noxfile.py", "tests/typing")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "smsgate", "--ignoreexternal")


@nox.session(python=list(PYTHONS))
def tests(session: nox.Session) -> None:
    """The tests, on the built wheel."""
    wheel = wheel_of(session)
    session.install("--force-reinstall", "--no-deps", wheel)
    session.install(f"{wheel}[{EXTRAS}]", *groups("test"))
    # The script and not `-m pytest`, which would import the package from the checkout and not from the wheel.
    # More workers than most machines have cores, since most tests wait for a socket.
    pytest = [str(Path(session.bin) / "pytest"), "-n", "4", "--dist", "worksteal", "--durations=15", *session.posargs]
    # Who names a file may name one with no test of this kind.
    codes = [0, 5] if session.posargs else [0]
    versions = list(PYTHONS)
    if session.python != versions[0]:
        light = "not heavy" if session.python == versions[-1] else "not heavy and not processes"
        session.run(*pytest, "-m", light, success_codes=codes)
        return
    # Measured under one Python, and only where every line that counts is run in the process of the test: it takes twice as long.
    shutil.rmtree(MEASURED, ignore_errors=True)
    MEASURED.mkdir(parents=True)
    data = {"COVERAGE_FILE": str(MEASURED / "coverage")}
    session.run("coverage", "run", *pytest, "-m", "not heavy and not processes", env=data, success_codes=codes)
    session.run(*pytest, "-m", "heavy or processes", success_codes=codes)


@nox.session
@nox.parametrize("extra", list(PROJECT["project"]["optional-dependencies"]))
def extras(session: nox.Session, extra: str) -> None:
    """Each extra alone: it works, and what the others bring is asked for in one line."""
    wheel = wheel_of(session)
    session.install("--force-reinstall", "--no-deps", wheel)
    session.install(f"{wheel}[{extra}]")
    # Outside of the checkout, so that the installed package is imported.
    script = Path("tests/extra_alone.py").resolve()
    session.cd(session.create_tmp())
    session.run("python", "-W", "error", str(script), extra)


@nox.session
def lowest(session: nox.Session) -> None:
    """The lowest versions that are allowed, of our own dependencies, with the tests that need nothing else."""
    lists = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
    pins = sorted({one.replace(">=", "==") for requirements in lists for one in requirements if ">=" in one})
    session.install(*pins, *groups("basic"))
    session.install("--no-deps", "--force-reinstall", ".")
    session.run("pytest", "-n", "4", "--dist", "worksteal", "-m", "not heavy", "-W", "default::DeprecationWarning", *LOWEST)


@nox.session
def coverage(session: nox.Session) -> None:
    """Every branch of the core is covered."""
    session.install("coverage[toml]")
    session.env["COVERAGE_FILE"] = str(Path(session.create_tmp()) / "coverage")
    session.run("coverage", "combine", "--keep", "--quiet", str(MEASURED))
    session.run("coverage", "report", "--fail-under=100", "--include", ",".join(f"*/smsgate/{name}.py" for name in COVERED))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation without a warning, and check its links without a network."""
    session.install(f".[{EXTRAS}]", *groups("docs"))
    session.install("--force-reinstall", "--no-deps", ".")
    built = Path(session.create_tmp()) / "html"
    session.run("sphinx-build", "-W", "--keep-going", "--quiet", "--fresh-env", "-b", "html", "docs", str(built))
    session.run("python", "docs/check_links.py", str(built))
    session.log(f"{built / 'index.html'}")


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Print figures of all benchmarks, or of one: `nox -s benchmarks -- campaign --large 100000`."""
    session.install(f".[{EXTRAS}]", *groups("test"))
    chosen = session.posargs[0] if session.posargs else "*"
    for script in sorted(Path("tests").glob(f"benchmark_{chosen}.py")):
        session.run("python", str(script), *session.posargs[1:])
