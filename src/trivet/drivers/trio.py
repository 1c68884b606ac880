"""The driver for trio."""

from __future__ import annotations

import time
from contextlib import suppress
from weakref import WeakKeyDictionary

import trio

from trivet.core.exchange.actions import CloseBody, Park
from trivet.core.exchange.call import Rng
from trivet.core.exchange.instant import Instant
from trivet.drivers.asynchronous import CLEANUP_GRACE, AsyncDriver
from trivet.drivers.clock import AsyncClock
from trivet.transports.protocol import AsyncTransport


class TrioClock:
    """Trio's own clock, so that ``trio.testing.MockClock`` is obeyed, set to the time of `time.monotonic`.

    Trio's clocks begin at a random time. What clients in different runtimes share, such as the expiry of a
    token, is only comparable on a common scale.
    """

    __slots__ = ("_last", "_offsets")

    def __init__(self) -> None:
        self._offsets: WeakKeyDictionary[trio.abc.Clock, float] = WeakKeyDictionary()
        # The clock that was asked last, which is nearly always the one that is asked next.
        self._last: tuple[trio.abc.Clock | None, float] = None, 0.0

    def monotonic(self) -> float:
        """The time of trio's clock, on the scale of `time.monotonic`."""
        current = trio.lowlevel.current_clock()
        clock, offset = self._last
        if current is not clock:
            offset = self.offset()
            self._last = current, offset
        return current.current_time() + offset

    def now(self) -> Instant:
        """Both readings."""
        return Instant(self.monotonic(), time.time())

    def offset(self) -> float:
        """What this clock shows more than the clock of the run."""
        clock = trio.lowlevel.current_clock()
        offset = self._offsets.get(clock)
        if offset is None:
            offset = self._offsets[clock] = time.monotonic() - trio.current_time()
        return offset

    async def asleep(self, seconds: float) -> None:
        """Suspend the task."""
        await trio.sleep(seconds)


class TrioDriver(AsyncDriver):
    """Runs flows in trio tasks."""

    def __init__(self, transport: AsyncTransport, *, rng: Rng, clock: AsyncClock | None = None) -> None:
        super().__init__(transport, rng=rng, clock=clock or TrioClock())

    async def release(self, actions: list[CloseBody]) -> None:
        """Close bodies shielded from the cancellation that is under way."""
        with trio.move_on_after(CLEANUP_GRACE, shield=True):
            await self._close_all(actions)

    async def _park(self, action: Park) -> bool:
        token = trio.lowlevel.current_trio_token()
        event = trio.Event()

        def wake() -> None:
            with suppress(trio.RunFinishedError):  # the run that parked is over: nobody waits any more
                token.run_sync_soon(event.set)

        action.slot.on_wake(wake)
        left = action.until - self.clock.monotonic()
        with trio.move_on_after(max(0.0, left)):
            await event.wait()
        return event.is_set()
