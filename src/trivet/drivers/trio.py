"""The driver for trio."""

from __future__ import annotations

import time
from contextlib import suppress

import trio

from trivet.core.exchange.actions import CloseBody, Park
from trivet.core.exchange.call import Rng
from trivet.core.exchange.instant import Instant
from trivet.drivers.asynchronous import CLEANUP_GRACE, AsyncDriver
from trivet.drivers.clock import AsyncClock
from trivet.transports.protocol import AsyncTransport


class TrioClock:
    """Trio's own clock, so that ``trio.testing.MockClock`` is obeyed."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Trio's time."""
        return trio.current_time()

    def now(self) -> Instant:
        """Both readings."""
        return Instant(trio.current_time(), time.time())

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
        with trio.move_on_at(action.until):
            await event.wait()
        return event.is_set()
