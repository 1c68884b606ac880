"""Measuring in turn: round after round, every client of every case, each in a fresh process.

The server and the measurement are the modules `server` and `measure` of a package: of this one, or of another with
cases like these.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from transport.cases import Case
from transport.measure import STREAMED

# The figures of a client in a case, one for each round; empty where it failed.
Figures = dict[tuple[str, str], list[dict[str, float]]]

FOLDER = Path(__file__).parents[1]
# Seconds for one measurement.
PATIENCE, QUICK_PATIENCE = 90, 15
# Memory takes long to measure and varies little.
MEMORY_ROUNDS = 3


def fingerprint() -> str:
    """Of the source of Trivet: figures of a package that is being worked on are those of no version."""
    spec = find_spec("trivet")
    assert spec is not None
    assert spec.origin is not None
    files = sorted(Path(spec.origin).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@contextmanager
def server(package: str) -> Iterator[str]:
    """The URL of a server that runs meanwhile."""
    command = [sys.executable, "-m", f"{package}.server"]
    with subprocess.Popen(command, cwd=FOLDER, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def run(command: list[str], patience: float) -> subprocess.CompletedProcess[str]:
    """Run it to its end, or for so many seconds. What it leaves among the temporary files goes away."""
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder}
        return subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=patience)


def measure(package: str, url: str, case: Case, client: str, *, quick: bool) -> dict[str, float]:
    """One measurement. One that fails is told of, and the others go on."""
    name, _, how = client.partition("@")
    command = [sys.executable, "-m", f"{package}.measure", url, name, case.runtime, case.job, how or str(case.tasks)]
    command += ["--quick"] * quick
    patience = QUICK_PATIENCE if quick else PATIENCE
    try:
        done = run(command, patience)
    except subprocess.TimeoutExpired:
        print(f"{case.name}: {client} took more than {patience} s", file=sys.stderr)
        return {}
    if done.returncode != 0:
        print(f"{case.name}: {client} failed\n{done.stderr[-2000:]}", file=sys.stderr)
        return {}
    figures: dict[str, float] = json.loads(done.stdout)
    if case.job == "stream":
        # Bytes for a microsecond are megabytes for a second.
        figures["speed"] = STREAMED / figures["cpu"]
    return figures


def compare(
    package: str, cases: Iterable[Case], rounds: int, clients: Iterable[str] = (), *, quick: bool = False
) -> Figures:
    """Measure the cases, with all of their clients that are installed, or those of them that are named."""
    found: Figures = {}
    wanted = set(clients)
    with server(package) as url:
        for number in range(rounds):
            for case in cases:
                if case.job in ("growth", "peak") and number >= MEMORY_ROUNDS:
                    continue
                for client in case.clients:
                    name = client.partition("@")[0]
                    if find_spec(name) and (not wanted or name in wanted):
                        rounds_before = found.setdefault((case.name, client), [])
                        # Failing may take long, and what fails at once will fail again.
                        hopeless = bool(rounds_before) and not rounds_before[0]
                        figures = {} if hopeless else measure(package, url, case, client, quick=quick)
                        rounds_before.append(figures)
                        shown = " ".join(f"{key} {value:.2f}" for key, value in figures.items())
                        print(f"round {number + 1}: {case.name}: {client}: {shown}", file=sys.stderr, flush=True)
    return found
