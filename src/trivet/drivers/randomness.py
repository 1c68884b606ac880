"""The source of randomness for whoever brings none."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trivet.core.exchange.call import Rng


@cache
def shared_rng() -> Rng:
    """A generator that every thread and process may share, for jitter and for keys that nobody shall guess.

    It draws from the operating system, so it has no state that a fork would duplicate: processes that start
    together do not retry together. Its import waits for the first draw.
    """
    from random import SystemRandom

    return SystemRandom()
