from __future__ import annotations

import random

from trivet.drivers.randomness import shared_rng


def test_one_source_for_everybody() -> None:
    assert shared_rng() is shared_rng()


def test_it_has_no_state_that_a_fork_would_duplicate() -> None:
    assert isinstance(shared_rng(), random.SystemRandom)


def test_it_draws_what_the_core_asks_for() -> None:
    rng = shared_rng()

    assert 0 <= rng.random() < 1
    assert 2 <= rng.uniform(2, 3) <= 3
    assert 0 <= rng.getrandbits(128) < 2**128
    assert len({rng.getrandbits(64) for _ in range(10)}) == 10
