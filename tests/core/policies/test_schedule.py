from __future__ import annotations

import random
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.policies.backoff import Backoff
from trivet.core.policies.schedule import RETRIED_STATUSES, GiveUp, next_delay

EVEN = Backoff(base=1.0, factor=2.0, cap=8.0, jitter="none")


@pytest.mark.parametrize(
    ("retry_number", "options", "verdict"),
    [
        (1, {}, 1.0),
        (3, {}, 4.0),
        (4, {}, GiveUp.NO_RETRIES_LEFT),
        (1, {"max_retries": 0}, GiveUp.NO_RETRIES_LEFT),
        # Retry-After is a floor: it may pass the cap of the backoff, and never shortens a delay.
        (3, {"retry_after": 0.0}, 4.0),
        (3, {"retry_after": 3.9}, 4.0),
        (3, {"retry_after": 4.1}, 4.1),
        (1, {"retry_after": 60.0}, 60.0),
        (1, {"retry_after": 60.5}, GiveUp.RETRY_AFTER_TOO_LONG),
        (1, {"retry_after": inf}, GiveUp.RETRY_AFTER_TOO_LONG),
        (1, {"retry_after": 100.0, "max_retry_after": 120.0}, 100.0),
        (1, {"retry_after": 0.5, "max_retry_after": 0.0}, GiveUp.RETRY_AFTER_TOO_LONG),
        (1, {"retry_after": 0.0, "max_retry_after": 0.0}, 1.0),
        # max_retry_after is about what the server asks for; the backoff has its own cap.
        (3, {"max_retry_after": 0.0}, 4.0),
        # The deadline: a wait that would end on it, or after it, is not begun.
        (1, {"time_left": 1.1}, 1.0),
        (1, {"time_left": 1.0}, GiveUp.NO_TIME_LEFT),
        (1, {"time_left": 0.0}, GiveUp.NO_TIME_LEFT),
        (1, {"time_left": -3.0}, GiveUp.NO_TIME_LEFT),
        (1, {"time_left": 10.0, "retry_after": 20.0}, GiveUp.NO_TIME_LEFT),
        (1, {"time_left": 10.0, "retry_after": 90.0}, GiveUp.RETRY_AFTER_TOO_LONG),
    ],
)
def test_verdicts(retry_number: int, options: dict[str, Any], verdict: float | GiveUp) -> None:
    assert next_delay(EVEN, retry_number, random.Random(), **{"max_retries": 3, **options}) == verdict


def test_the_previous_delay_is_passed_on() -> None:
    backoff = Backoff(base=1.0, cap=100.0, jitter="decorrelated")
    delays = {next_delay(backoff, 2, random.Random(seed), max_retries=3, previous=10.0) for seed in range(50)}

    assert max(delay for delay in delays if isinstance(delay, float)) > 15.0


def test_giving_up_draws_nothing() -> None:
    # The sequence of draws is part of what a seed reproduces.
    rng = random.Random(1)
    before = rng.getstate()

    next_delay(Backoff(), 4, rng, max_retries=3)
    next_delay(Backoff(), 1, rng, max_retries=3, retry_after=99.0)

    assert rng.getstate() == before


@pytest.mark.parametrize("reason", GiveUp)
def test_reasons_read_as_text(reason: GiveUp) -> None:
    assert str(reason) == reason.value
    assert str(reason).islower()


def test_retried_statuses() -> None:
    assert sorted(RETRIED_STATUSES) == [408, 429, 500, 502, 503, 504]


@given(
    retry_number=st.integers(1, 20),
    max_retries=st.integers(0, 10),
    retry_after=st.none() | st.floats(0, 1000),
    max_retry_after=st.floats(0, 1000),
    time_left=st.floats(-10, 1000) | st.just(inf),
    seed=st.integers(0, 1000),
    jitter=st.sampled_from(["full", "equal", "proportional", "decorrelated", "none"]),
)
def test_what_a_delay_promises(
    retry_number: int,
    max_retries: int,
    retry_after: float | None,
    max_retry_after: float,
    time_left: float,
    seed: int,
    jitter: Any,
) -> None:
    verdict = next_delay(
        Backoff(jitter=jitter),
        retry_number,
        random.Random(seed),
        max_retries=max_retries,
        retry_after=retry_after,
        max_retry_after=max_retry_after,
        time_left=time_left,
    )

    if isinstance(verdict, GiveUp):
        return
    assert retry_number <= max_retries
    assert verdict < time_left
    assert (retry_after or 0.0) <= verdict <= max(8.0, max_retry_after)
