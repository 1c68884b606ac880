"""What the tests of `retry` share: time that passes only when somebody waits, and functions that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

from trivet.core.exchange.instant import Instant
from trivet.patterns.retry import retry, retry_call


class VirtualClock:
    """A clock for sync and async code that jumps ahead instead of waiting, and remembers every wait."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def now(self) -> Instant:
        # Sun, 06 Nov 1994 08:49:37 GMT, when the clock starts.
        return Instant(self.time, 784111777.0 - 1000.0 + self.time)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


class Flaky:
    """Plays a list of outcomes, one per call: exceptions are raised, anything else is returned."""

    def __init__(self, *outcomes: Any, takes: float = 0.0, clock: VirtualClock | None = None) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0
        self.takes = takes
        self.clock = clock

    def play(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.clock is not None:
            self.clock.time += self.takes
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def sync(self) -> Callable[..., Any]:
        def fetch(*args: Any, **kwargs: Any) -> Any:
            return self.play(*args, **kwargs)

        return fetch

    def coroutine(self) -> Callable[..., Any]:
        async def fetch(*args: Any, **kwargs: Any) -> Any:
            return self.play(*args, **kwargs)

        return fetch


def run_sync(flaky: Any, *args: Any, **options: Any) -> Any:
    return retry(**options)(flaky.sync())(*args)


def run_asyncio(flaky: Any, *args: Any, **options: Any) -> Any:
    return asyncio.run(retry(**options)(flaky.coroutine())(*args))


def run_trio(flaky: Any, *args: Any, **options: Any) -> Any:
    return trio.run(partial(retry(**options)(flaky.coroutine()), *args))


def run_lambda(flaky: Any, *args: Any, **options: Any) -> Any:
    fetch = flaky.coroutine()
    return asyncio.run(retry_call(lambda: fetch(*args), **options))


@pytest.fixture(params=[run_sync, run_asyncio, run_trio, run_lambda])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Calls a flaky function under `retry` with these options, in each of the ways that there are."""
    return request.param


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def flaky() -> type[Flaky]:
    return Flaky
