"""What a call costs on a real connection, beside other clients; written to docs/reference/benchmarks.md.

A run of everything takes about ten minutes, and wants two cores and a quiet machine. A run of a part prints its report,
unless `--output` names a file for it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transport.cases import CASES
from transport.report import page
from transport.rounds import compare, fingerprint
from transport.server import CONTENT

PAGE = Path(__file__).parents[2] / "docs/reference/benchmarks.md"
ROUNDS = 5


def names(text: str) -> list[str]:
    """What stands between the commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, default=[], help="cases: " + ",".join(case.name for case in CASES))
    parser.add_argument("--client", type=names, default=[], help="measure only these clients, as trivet,httpx")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS} if it is not given")
    parser.add_argument("--quick", action="store_true", help="a try: few requests, one round")
    parser.add_argument("--output", type=Path, help="where the report goes")
    wanted = parser.parse_args()
    if unknown := set(wanted.only) - {case.name for case in CASES}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if unknown := set(wanted.client) - {client for case in CASES for client in case.clients}:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    cases = [case for case in CASES if not wanted.only or case.name in wanted.only]
    rounds = wanted.rounds or (1 if wanted.quick else ROUNDS)
    before = fingerprint()
    report = page(compare(cases, rounds, wanted.client, quick=wanted.quick), cases, len(CONTENT))
    partial = wanted.only or wanted.client or wanted.quick or rounds < ROUNDS
    output = wanted.output or (None if partial else PAGE)
    changed = fingerprint() != before
    if output is None or changed:
        print(report)
        if changed:
            sys.exit("Trivet's source changed meanwhile: these figures mix versions, and are not written to a file.")
    else:
        output.write_text(report, "utf-8")


if __name__ == "__main__":
    main()
