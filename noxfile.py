"""The checks of the project: `nox` runs those below, `nox -s NAME` runs one, `nox -l` lists them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
# The quick ones first, so that a slip is reported early; the tests last, so that their verdict is read last.
nox.options.sessions = ["lint", "types", "docs", "demo", "tests"]
nox.options.error_on_missing_interpreters = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
OLDEST, NEWEST = (3, 11), (3, 14)
# Tests wait more than they compute, so that two cores serve four.
WORKERS = "4"
# The servers that tests start: Debian's packages, and the programs of which one will do.
SERVERS = {"nginx-light": ["nginx"], "redis-server": ["redis-server", "valkey-server"]}


def group(name: str) -> list[str]:
    """The requirements of a PEP 735 dependency group, for a pip that does not know `--group` yet."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


def candidates() -> Iterator[Path]:
    """Where a Python may be: the running one, the search path, and what pyenv has installed."""
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        if Path(folder).is_dir():
            yield from sorted(f for f in Path(folder).iterdir() if re.fullmatch(r"python3\.\d+", f.name))
    pyenv_root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv_root.glob("versions/3.*/bin/python"), reverse=True)


def version_of(python: Path) -> tuple[int, ...] | None:
    """Ask the interpreter itself; None if it does not run, like a shim of pyenv for an unselected version."""
    program = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tuple(map(int, answer.stdout.split())) if answer.returncode == 0 else None


def find_interpreters() -> dict[str, Path]:
    """The first interpreter that runs, for each version that is supported, oldest version first."""
    found: dict[tuple[int, ...], Path] = {}
    for python in candidates():
        version = version_of(python)
        if version is not None and OLDEST <= version <= NEWEST:
            found.setdefault(version, python)
    return {".".join(map(str, version)): found[version] for version in sorted(found)}


INTERPRETERS = find_interpreters()
if not INTERPRETERS:
    sys.exit("Trivet needs Python 3.11 or newer, and none was found: install one, or put it on the PATH.")
# nox looks for `python3.x` on the PATH, where a shim that does not run may come first.
os.environ["PATH"] = os.pathsep.join(
    [*dict.fromkeys(str(python.parent) for python in INTERPRETERS.values()), os.environ["PATH"]]
)
MEASURED = next(iter(INTERPRETERS))


def ensure_servers(session: nox.Session) -> None:
    """The tests talk to a real nginx and a real Redis: use those that are there, or install Debian's where possible."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    missing = [
        package
        for package, programs in SERVERS.items()
        if not any(shutil.which(program, path=path) for program in programs)
    ]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        session.error(
            f"The tests need servers that are not installed: {' and '.join(missing)}. Install them (Debian and "
            f"Ubuntu: `sudo apt-get install {' '.join(missing)}`; Fedora: `sudo dnf install nginx valkey`; macOS: "
            "`brew install nginx redis`), then run nox again"
        )
    # RUNLEVEL=1 keeps the packages from starting servers of their own.
    environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    session.run("apt-get", "update", "-qq", external=True, env=environment)
    session.run("apt-get", "install", "-qq", "-y", *missing, external=True, env=environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, and those that its users see, with mypy and pyright."""
    session.install("-e", ".[all]", *group("types"))
    session.run("mypy")
    session.run("pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, where a warning is an error, and run the examples of the docstrings."""
    session.install("-e", ".[all]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")
    session.run("pytest", "-q", "--doctest-modules", "src")


@nox.session
def demo(session: nox.Session) -> None:
    """Install the package as its users do, and run the demonstration."""
    session.install(".[cli,trio]")
    session.run("trivet", "demo")


@nox.session(python=list(INTERPRETERS))
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is found; on the first, demand that they cover the package."""
    ensure_servers(session)
    session.install("-e", ".[all]", *group("test"))
    if session.posargs:
        session.run("pytest", *session.posargs)
    elif session.python != MEASURED:
        # What differs between Pythons shows in few examples, and not in the pools of other libraries.
        session.run("pytest", "-q", "-n", WORKERS, env={"TRIVET_BRIEF": "1"})
    else:
        session.run("pytest", "-q", "-n", WORKERS, "--cov", "--cov-report=")
        session.run("coverage", "report", "--include=src/trivet/core/*", "--fail-under=100")
        session.run("coverage", "report", "--fail-under=97")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what a call costs, beside other libraries; not a default, since it wants a quiet machine.

    All scripts run, or the one that is named, with its options. That of the transport writes docs/reference/benchmarks.md.
    """
    session.install(".[all]", *group("bench"))
    scripts = sorted(map(str, Path("tests/benchmarks").glob("bench_*.py")))
    for command in [session.posargs] if session.posargs else [[script] for script in scripts]:
        session.run("python", *command)
