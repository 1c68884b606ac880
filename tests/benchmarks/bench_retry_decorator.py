"""What `@trivet.retry` adds to a call, beside tenacity, stamina and backoff.

Every measurement is a process of its own, rounds go through all subjects in
turn, and ratios are taken within a round: what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

ROUNDS = 7
SECONDS = 0.05
SUBJECTS = ("bare", "trivet", "tenacity", "stamina", "backoff")
SCENARIOS = ("success", "success, async", "two failures", "two failures, async")


class Subject:
    """Each method decorates a function with up to three retries, without waits between them."""

    def bare(self, function: Any) -> Any:
        return function

    def trivet(self, function: Any) -> Any:
        from trivet.patterns.retry import retry

        return retry(max_retries=3, base_delay=0, exceptions=OSError)(function)

    def tenacity(self, function: Any) -> Any:
        import tenacity

        return tenacity.retry(
            stop=tenacity.stop_after_attempt(4),
            wait=tenacity.wait_none(),
            retry=tenacity.retry_if_exception_type(OSError),
            reraise=True,
        )(function)

    def stamina(self, function: Any) -> Any:
        import stamina
        from stamina.instrumentation import set_on_retry_hooks

        set_on_retry_hooks(())
        return stamina.retry(on=OSError, attempts=4, timeout=None, wait_initial=0, wait_max=0, wait_jitter=0)(function)

    def backoff(self, function: Any) -> Any:
        import backoff

        return backoff.on_exception(backoff.constant, OSError, max_tries=4, interval=0, jitter=None, logger=None)(
            function
        )


def functions(decorate: Callable[[Any], Any], *, bare: bool) -> dict[str, Callable[[int], Any]]:
    """One function for each scenario. Failing, it fails twice and then works."""
    failures = 0

    def fail_twice() -> None:
        nonlocal failures
        failures = (failures + 1) % 3
        if failures:
            raise OSError

    def succeed(number: int) -> int:
        return number

    async def succeed_async(number: int) -> int:
        return number

    def flaky(number: int) -> int:
        fail_twice()
        return number

    async def flaky_async(number: int) -> int:
        fail_twice()
        return number

    def flaky_inline(number: int) -> int:
        while True:
            try:
                return flaky(number)
            except OSError:
                continue

    async def flaky_inline_async(number: int) -> int:
        while True:
            try:
                return await flaky_async(number)
            except OSError:
                # What all the others do between attempts as well.
                await asyncio.sleep(0)

    if bare:
        return dict(zip(SCENARIOS, (succeed, succeed_async, flaky_inline, flaky_inline_async), strict=True))
    plain = (succeed, succeed_async, flaky, flaky_async)
    return dict(zip(SCENARIOS, map(decorate, plain), strict=True))


def measure(name: str) -> dict[str, float]:
    """Nanoseconds of CPU per call in each scenario, the best of three."""
    found: dict[str, float] = {}
    for scenario, function in functions(getattr(Subject(), name), bare=name == "bare").items():

        def run(count: int, function: Callable[[int], Any] = function) -> int:
            started = time.process_time_ns()
            for _ in range(count):
                function(1)
            return time.process_time_ns() - started

        async def run_async(count: int, function: Callable[[int], Any] = function) -> int:
            started = time.process_time_ns()
            for _ in range(count):
                await function(1)
            return time.process_time_ns() - started

        def timed(count: int, scenario: str = scenario, run: Any = run, run_async: Any = run_async) -> int:
            return asyncio.run(run_async(count)) if "async" in scenario else run(count)

        count = max(100, int(SECONDS * 1e9 * 1000 / max(1, timed(1000))))
        found[scenario] = min(timed(count) for _ in range(3)) / count
    return found


def compare(rounds: int = ROUNDS) -> dict[str, dict[str, list[float]]]:
    """Nanoseconds that each subject adds to the bare call, by scenario, one figure a round."""
    names = [name for name in SUBJECTS if name in ("bare", "trivet") or find_spec(name)]
    added: dict[str, dict[str, list[float]]] = {scenario: {name: [] for name in names[1:]} for scenario in SCENARIOS}
    for _ in range(rounds):
        results = {
            name: json.loads(subprocess.check_output([sys.executable, __file__, "--measure", name])) for name in names
        }
        for scenario in SCENARIOS:
            for name in names[1:]:
                added[scenario][name].append(results[name][scenario] - results["bare"][scenario])
    return added


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios within each round."""
    return median(our / their for our, their in zip(ours, theirs, strict=True))


def report(added: dict[str, dict[str, list[float]]]) -> str:
    """A table of the medians, each with what trivet adds as a share of it."""
    names = list(added[SCENARIOS[0]])
    lines = [f"{'ns above the bare call':<24}" + "".join(f"{name:>20}" for name in names)]
    for scenario, figures in added.items():
        cells = [f"{median(figures['trivet']):,.0f}"] + [
            f"{median(figures[name]):,.0f} ({ratio(figures['trivet'], figures[name]):.3f})" for name in names[1:]
        ]
        lines.append(f"{scenario:<24}" + "".join(f"{cell:>20}" for cell in cells))
    lines.append("In brackets: trivet's as a share of it.")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2])))
    else:
        print(report(compare()))
