"""What a hit and a miss of the cache cost, beside other caches; written to docs/reference/benchmarks-cache.md.

A run of everything takes about ten minutes, and wants two cores and a quiet machine. A run of a part prints its report,
unless `--output` names a file for it.
"""

from __future__ import annotations

from pathlib import Path

from cache.cases import CASES
from cache.report import page
from transport.command import main

PAGE = Path(__file__).parents[2] / "docs/reference/benchmarks-cache.md"

if __name__ == "__main__":
    main(__doc__, "cache", CASES, page, PAGE)
