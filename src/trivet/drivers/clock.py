"""The clocks of the three runtimes: each tells the core the time as an `Instant`, and waits.

A test, or a simulation, hands a driver a clock of its own.
"""

from __future__ import annotations

import time
from typing import Protocol

from trivet.core.exchange.instant import Instant


class Clock(Protocol):
    """Tells the time and waits."""

    def monotonic(self) -> float:
        """Seconds on the clock in which deadlines are given."""
        ...

    def now(self) -> Instant:
        """Both readings."""
        ...


class SyncClock(Clock, Protocol):
    """A clock for the sync driver."""

    def sleep(self, seconds: float, /) -> None:
        """Block for so long."""
        ...


class AsyncClock(Clock, Protocol):
    """A clock for an asynchronous driver."""

    async def asleep(self, seconds: float, /) -> None:
        """Suspend the task for so long."""
        ...


class ThreadClock:
    """The operating system's clocks, and `time.sleep`."""

    __slots__ = ()
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)

    def now(self) -> Instant:
        """Both readings."""
        return Instant(time.monotonic(), time.time())
