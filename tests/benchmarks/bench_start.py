"""What it costs to begin: importing the package, and making a client, beside httpx.

Imports are measured in fresh interpreters, in CPU milliseconds above the bare one; rounds go through all subjects
in turn. A client's size is what it allocates, its time the CPU time of its constructor, imports done.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

ROUNDS = 11
IMPORTS = {
    "import trivet": "import trivet",
    "import trivet.core": "import trivet.core",
    "trivet.Client": "import trivet; trivet.Client",
    "trivet.AsyncClient": "import trivet; trivet.AsyncClient",
    "trivet.retry": "import trivet; trivet.retry",
    "import httpx": "import httpx",
}
CLIENTS = {
    "trivet.Client(url)": "import trivet\nmake = lambda: trivet.Client('https://api.example.com')",
    "httpx.Client()": "import httpx\nmake = httpx.Client",
}
TIMED = "import time\nstarted = time.process_time()\n{}\nprint((time.process_time() - started) * 1e3)"
MADE = """{}
import time, tracemalloc
make()
count = 50
started = time.process_time()
kept = [make() for _ in range(count)]
milliseconds = (time.process_time() - started) * 1e3 / count
tracemalloc.start()
kept = [make() for _ in range(count)]
print(milliseconds, tracemalloc.get_traced_memory()[0] / count / 1024)
"""


def figures(program: str) -> list[float]:
    """The numbers that the program prints in an interpreter of its own."""
    return [float(word) for word in subprocess.check_output([sys.executable, "-c", program]).split()]


def main() -> None:
    """Measure and print."""
    costs: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(ROUNDS):
        for name, program in IMPORTS.items():
            costs[name] += figures(TIMED.format(program))
    print(f"{'CPU ms above a bare interpreter':<34}{'median':>10}{'of httpx':>10}")
    for name, found in costs.items():
        share = median(ours / theirs for ours, theirs in zip(found, costs["import httpx"], strict=True))
        print(f"{name:<34}{median(found):>10.1f}{share:>10.3f}")
    print(f"\n{'a client':<34}{'ms':>10}{'KiB':>10}")
    for name, setup in CLIENTS.items():
        rounds = [figures(MADE.format(setup)) for _ in range(5)]
        print(f"{name:<34}{median(r[0] for r in rounds):>10.3f}{median(r[1] for r in rounds):>10.1f}")


if __name__ == "__main__":
    main()
