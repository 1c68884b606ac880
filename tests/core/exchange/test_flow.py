from __future__ import annotations

import random

import pytest

from trivet.core.exchange.actions import SleepUntil
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow, sleep
from trivet.core.exchange.instant import Instant


@pytest.mark.parametrize(("now", "seconds", "when"), [(0.0, 2.0, 2.0), (10.5, 0.0, 10.5), (3.0, -1.0, 2.0)])
def test_sleep_waits_from_now(now: float, seconds: float, when: float) -> None:
    exchange = Exchange(sleep(seconds), rng=random.Random())

    assert exchange.start(Instant(now, 0.0)) == SleepUntil(when)
    done = exchange.receive(None, Instant(when, 0.0))

    assert isinstance(done, Done)
    assert done.result is None


def test_now_is_when_the_flow_gets_there() -> None:
    def twice() -> Flow[None]:
        yield from sleep(1.0)
        yield from sleep(1.0)

    exchange = Exchange(twice(), rng=random.Random())
    exchange.start(Instant(0.0, 0.0))

    # The first wait took longer than it should have; the second begins when that one ended.
    assert exchange.receive(None, Instant(5.0, 5.0)) == SleepUntil(6.0)


def test_an_instant_is_its_two_readings() -> None:
    now = Instant(1.5, 1_700_000_000.0)

    assert now == (1.5, 1_700_000_000.0)
    assert (now.monotonic, now.wall) == tuple(now)
