"""The command line that the benchmarks with rounds share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from transport.cases import Case
from transport.rounds import Figures, compare, fingerprint

ROUNDS = 5


def names(text: str) -> list[str]:
    """What stands between the commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def main(
    description: str | None,
    package: str,
    all_cases: Sequence[Case],
    page: Callable[[Figures, Sequence[Case]], str],
    default_output: Path,
) -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, default=[], help="cases: " + ",".join(case.name for case in all_cases))
    parser.add_argument("--client", type=names, default=[], help="measure only these clients, as trivet,httpx")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS} if it is not given")
    parser.add_argument("--quick", action="store_true", help="a try: few requests, one round")
    parser.add_argument("--output", type=Path, help="where the report goes")
    wanted = parser.parse_args()
    if unknown := set(wanted.only) - {case.name for case in all_cases}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if unknown := set(wanted.client) - {client.partition("@")[0] for case in all_cases for client in case.clients}:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    cases = [case for case in all_cases if not wanted.only or case.name in wanted.only]
    rounds = wanted.rounds or (1 if wanted.quick else ROUNDS)
    before = fingerprint()
    report = page(compare(package, cases, rounds, wanted.client, quick=wanted.quick), cases)
    partial = wanted.only or wanted.client or wanted.quick or rounds < ROUNDS
    output = wanted.output or (None if partial else default_output)
    changed = fingerprint() != before
    if output is None or changed:
        print(report)
        if changed:
            sys.exit("Trivet's source changed meanwhile: these figures mix versions, and are not written to a file.")
    else:
        output.write_text(report, "utf-8")
