"""Virtual time: a clock that waits by moving on."""

from __future__ import annotations

from math import inf

from trivet.core.exchange.instant import Instant


class VirtualClock:
    """A clock for any driver. Waiting takes no time: it moves the clock, and is noted in ``sleeps``.

    >>> clock = VirtualClock(wall=1_700_000_000.0)
    >>> clock.sleep(2.5)
    >>> clock.now(), clock.sleeps
    (Instant(monotonic=2.5, wall=1700000002.5), [2.5])
    """

    def __init__(self, monotonic: float = 0.0, wall: float = 0.0) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        """The virtual seconds."""
        return self._monotonic

    def now(self) -> Instant:
        """Both readings."""
        return Instant(self._monotonic, self._wall)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic += seconds
        self._wall += seconds

    def sleep(self, seconds: float) -> None:
        """Wait, for the sync driver."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait, for the asynchronous drivers."""
        self.sleep(seconds)

    def spend(self, seconds: float, deadline: float = inf) -> bool:
        """Let work take so many seconds, but stop at the deadline. Whether the work was done in time."""
        left = max(0.0, deadline - self._monotonic)
        self.advance(min(seconds, left))
        return seconds <= left
