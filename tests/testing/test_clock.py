from __future__ import annotations

import asyncio
from math import inf

import pytest

from trivet.core.exchange.instant import Instant
from trivet.testing import VirtualClock


def test_a_clock_stands_still_until_somebody_waits() -> None:
    clock = VirtualClock(10.0, wall=1_700_000_000.0)

    assert clock.now() == clock.now() == Instant(10.0, 1_700_000_000.0)
    assert clock.monotonic() == 10.0
    assert clock.sleeps == []


def test_waiting_moves_both_readings_and_is_noted() -> None:
    clock = VirtualClock(wall=100.0)

    clock.sleep(2.5)
    asyncio.run(clock.asleep(0.5))

    assert clock.now() == Instant(3.0, 103.0)
    assert clock.sleeps == [2.5, 0.5]


def test_time_that_passes_by_itself_is_no_wait() -> None:
    clock = VirtualClock()

    clock.advance(5.0)

    assert clock.now() == Instant(5.0, 5.0)
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("seconds", "deadline", "done", "now"),
    [
        (3.0, inf, True, 13.0),
        (3.0, 20.0, True, 13.0),
        (3.0, 13.0, True, 13.0),
        (3.0, 12.0, False, 12.0),
        (3.0, 10.0, False, 10.0),
        (3.0, 5.0, False, 10.0),
        (0.0, 10.0, True, 10.0),
        (inf, 20.0, False, 20.0),
    ],
)
def test_work_ends_at_its_deadline(seconds: float, deadline: float, done: bool, now: float) -> None:
    clock = VirtualClock(10.0)

    assert clock.spend(seconds, deadline) is done
    assert clock.monotonic() == now
    assert clock.sleeps == []
