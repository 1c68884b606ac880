"""The two readings of time that a driver gives the core: the core itself never asks a clock."""

from __future__ import annotations

from typing import NamedTuple


class Instant(NamedTuple):
    """One moment, read on both clocks.

    ``monotonic`` (seconds from an arbitrary start, never set back) measures waits and deadlines;
    ``wall`` (seconds since 1970-01-01 UTC) is for HTTP dates, such as a ``Retry-After`` date.

    >>> Instant(monotonic=12.5, wall=1_700_000_000.0).monotonic
    12.5
    """

    monotonic: float
    wall: float
