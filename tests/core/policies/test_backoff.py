from __future__ import annotations

import pickle
import random
from dataclasses import FrozenInstanceError, replace
from itertools import islice
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import ConfigError
from trivet.core.policies.backoff import Backoff, Jitter

JITTERS = get_args(Jitter)

seconds = st.floats(0, 1e308) | st.integers(0, 10**6)
factors = st.floats(1, 1e308) | st.integers(1, 10**6)
retry_numbers = st.integers(1, 50) | st.integers(1, 10**9)
seeds = st.integers(0, 2**32)
backoffs = st.builds(Backoff, base=seconds, factor=factors, cap=seconds, jitter=st.sampled_from(JITTERS))


class Loaded:
    """Dice that always fall on the same place between 0 and 1."""

    def __init__(self, place: float) -> None:
        self.place = place

    def random(self) -> float:
        return self.place

    def uniform(self, a: float, b: float, /) -> float:
        return a + (b - a) * self.place

    def getrandbits(self, k: int, /) -> int:
        raise AssertionError("a delay draws no bits")


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff(jitter="none"), [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]),
        (Backoff(base=1, factor=3, cap=20, jitter="none"), [1.0, 3.0, 9.0, 20.0, 20.0]),
        (Backoff(base=2.0, factor=1, cap=60.0, jitter="none"), [2.0, 2.0, 2.0]),
        (Backoff(base=0, jitter="none"), [0.0, 0.0, 0.0]),
        (Backoff(cap=0, jitter="none"), [0.0, 0.0, 0.0]),
        (Backoff(base=5.0, cap=2.0, jitter="none"), [2.0, 2.0, 2.0]),
    ],
)
def test_without_jitter(backoff: Backoff, delays: list[float]) -> None:
    assert list(islice(backoff.delays(random.Random()), len(delays))) == delays


@pytest.mark.parametrize(
    ("jitter", "retry_number", "previous", "bounds"),
    [
        ("none", 1, None, (1.0, 1.0)),
        ("none", 4, None, (8.0, 8.0)),
        ("none", 5, None, (10.0, 10.0)),
        ("full", 1, None, (0.0, 1.0)),
        ("full", 3, None, (0.0, 4.0)),
        ("full", 9, None, (0.0, 10.0)),
        ("equal", 1, None, (0.5, 1.0)),
        ("equal", 9, None, (5.0, 10.0)),
        ("proportional", 1, None, (0.75, 1.0)),
        ("proportional", 3, None, (3.0, 4.0)),
        ("proportional", 9, None, (7.5, 10.0)),
        ("decorrelated", 1, None, (1.0, 3.0)),
        ("decorrelated", 2, 2.0, (1.0, 6.0)),
        ("decorrelated", 3, 5.0, (1.0, 10.0)),
        ("decorrelated", 9, 10.0, (1.0, 10.0)),
        # Less than base: a wait that was given from elsewhere does not pull the range below it.
        ("decorrelated", 2, 0.0, (1.0, 1.0)),
        ("decorrelated", 2, 1e308, (1.0, 10.0)),
    ],
)
def test_where_a_delay_lies(
    jitter: Jitter, retry_number: int, previous: float | None, bounds: tuple[float, float]
) -> None:
    backoff = Backoff(base=1.0, factor=2.0, cap=10.0, jitter=jitter)

    assert backoff.bounds(retry_number, previous) == bounds
    shortest, longest = bounds
    for place in (0.0, 0.25, 1.0):
        expected = shortest + (longest - shortest) * place
        assert backoff.delay(retry_number, Loaded(place), previous) == pytest.approx(expected)


def test_a_cap_below_base_rules_decorrelated_too() -> None:
    assert Backoff(base=5.0, cap=2.0, jitter="decorrelated").bounds(1) == (2.0, 2.0)


@pytest.mark.parametrize("jitter", JITTERS)
def test_retry_numbers_too_large_for_a_power(jitter: Jitter) -> None:
    backoff = Backoff(base=1, factor=2, cap=8, jitter=jitter)

    assert backoff.bounds(5001, previous=8.0)[1] == 8.0
    assert backoff.bounds(10**18, previous=8.0)[1] == 8.0
    # 0 times infinity is 0 here.
    assert replace(backoff, base=0).bounds(10**18, previous=0.0) == (0.0, 0.0)


def test_decorrelated_delays_follow_each_other() -> None:
    backoff = Backoff(base=1.0, cap=20.0, jitter="decorrelated")

    assert list(islice(backoff.delays(Loaded(1.0)), 5)) == [3.0, 9.0, 20.0, 20.0, 20.0]
    assert list(islice(backoff.delays(Loaded(0.0)), 3)) == [1.0, 1.0, 1.0]


def test_a_draw_that_rounds_past_its_end_is_clamped() -> None:
    assert Backoff(base=1.0, jitter="full").delay(1, Loaded(1.0000001)) == 1.0


def test_the_same_seed_gives_the_same_delays() -> None:
    first, second = (list(islice(Backoff().delays(random.Random(7)), 10)) for _ in range(2))

    assert first == second
    assert len(set(first)) == 10


@pytest.mark.parametrize("retry_number", [0, -1])
def test_retries_are_counted_from_one(retry_number: int) -> None:
    with pytest.raises(ValueError, match=f"counted from 1, not from {retry_number}"):
        Backoff().delay(retry_number, random.Random())


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("base", -0.1, "finite number of seconds, 0 or more"),
        ("base", "0.5", "number of seconds, not str"),
        ("factor", 0.99, "finite number, 1 or more"),
        ("factor", float("nan"), "finite number, 1 or more"),
        ("cap", float("inf"), "finite number of seconds, 0 or more"),
        ("cap", None, "number of seconds, not NoneType"),
        ("jitter", "half", "one of 'full', 'equal', 'proportional', 'decorrelated', 'none'"),
        ("jitter", ["full"], "one of 'full'"),
    ],
)
def test_settings_that_make_no_sense(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Backoff(**{field: value})
    assert str(caught.value).startswith(f"Backoff({field}={value!r}) must be ")
    assert allowed in str(caught.value)


def test_it_is_a_value() -> None:
    backoff = Backoff(base=1.0)

    assert backoff == Backoff(base=1)
    assert hash(backoff) == hash(Backoff(base=1))
    assert pickle.loads(pickle.dumps(backoff)) == backoff
    assert repr(backoff) == "Backoff(base=1.0, factor=2.0, cap=8.0, jitter='full')"
    with pytest.raises(FrozenInstanceError):
        backoff.base = 2.0  # type: ignore[misc]  # the mistake under test


@given(backoffs, retry_numbers, seeds, st.none() | st.floats(0, 1e308))
def test_no_delay_is_negative_or_longer_than_the_cap(
    backoff: Backoff, retry_number: int, seed: int, previous: float | None
) -> None:
    delay = backoff.delay(retry_number, random.Random(seed), previous)

    assert isinstance(delay, float)
    assert 0 <= delay <= backoff.cap


@given(backoffs, retry_numbers, seeds, st.none() | st.floats(0, 1e308))
def test_every_delay_lies_in_its_bounds(backoff: Backoff, retry_number: int, seed: int, previous: float | None) -> None:
    shortest, longest = backoff.bounds(retry_number, previous)

    assert shortest <= backoff.delay(retry_number, random.Random(seed), previous) <= longest


@given(seconds, seconds, seeds)
def test_decorrelated_stays_between_base_and_three_times_the_previous(base: float, cap: float, seed: int) -> None:
    backoff = Backoff(base=base, cap=cap, jitter="decorrelated")

    previous: float = base
    for delay in islice(backoff.delays(random.Random(seed)), 20):
        assert min(base, cap) <= delay <= max(min(base, cap), 3.0 * previous)
        assert delay <= cap
        previous = delay


@given(backoffs, st.integers(1, 2000), seconds)
def test_a_higher_cap_never_shortens(backoff: Backoff, retry_number: int, cap: float) -> None:
    lower, higher = sorted((backoff.cap, cap))

    shorter = replace(backoff, cap=lower).bounds(retry_number)
    longer = replace(backoff, cap=higher).bounds(retry_number)

    assert shorter[0] <= longer[0]
    assert shorter[1] <= longer[1]


@given(backoffs, st.integers(1, 2000))
def test_bounds_never_shrink_from_one_retry_to_the_next(backoff: Backoff, retry_number: int) -> None:
    shortest, longest = backoff.bounds(retry_number)

    assert backoff.bounds(retry_number + 1) >= (shortest, longest)
