"""The driver for asyncio."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from math import inf

from trivet.core.exchange.actions import CloseBody, Park
from trivet.core.exchange.call import Rng
from trivet.core.exchange.instant import Instant
from trivet.drivers.asynchronous import CLEANUP_GRACE, AsyncDriver
from trivet.drivers.clock import AsyncClock
from trivet.transports.protocol import AsyncTransport


class LoopClock:
    """The clock of the running event loop, so that a loop with virtual time is obeyed too."""

    __slots__ = ()

    def monotonic(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def now(self) -> Instant:
        """Both readings."""
        return Instant(asyncio.get_running_loop().time(), time.time())

    async def asleep(self, seconds: float) -> None:
        """Suspend the task."""
        await asyncio.sleep(seconds)


class AsyncioDriver(AsyncDriver):
    """Runs flows in asyncio tasks."""

    def __init__(self, transport: AsyncTransport, *, rng: Rng, clock: AsyncClock | None = None) -> None:
        super().__init__(transport, rng=rng, clock=clock or LoopClock())
        self._releasing: set[asyncio.Task[None]] = set()

    async def release(self, actions: list[CloseBody]) -> None:
        """Close bodies in a task of their own, which a second cancellation of the caller does not reach."""
        task = asyncio.get_running_loop().create_task(self._close_in_time(actions))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)
        await asyncio.shield(task)

    async def _close_in_time(self, actions: list[CloseBody]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_GRACE):
                await self._close_all(actions)

    async def _park(self, action: Park) -> bool:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop that parked is closed: nobody waits any more
                loop.call_soon_threadsafe(event.set)

        action.slot.on_wake(wake)
        try:
            async with asyncio.timeout_at(None if action.until == inf else action.until):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True
