"""What a call costs on a real connection, beside other clients; written to docs/reference/benchmarks.md.

A run of everything takes about ten minutes, and wants two cores and a quiet machine. A run of a part prints its report,
unless `--output` names a file for it.
"""

from __future__ import annotations

from pathlib import Path

from transport.cases import CASES
from transport.command import main
from transport.report import page
from transport.server import CONTENT

PAGE = Path(__file__).parents[2] / "docs/reference/benchmarks.md"

if __name__ == "__main__":
    main(__doc__, "transport", CASES, lambda found, cases: page(found, cases, len(CONTENT)), PAGE)
