"""The driver for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from trivet.core.exchange.actions import CloseBody, Park
from trivet.core.exchange.call import Observer, Rng
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.drivers.asynchronous import AsyncDriver
from trivet.drivers.background import CLEANUP_GRACE
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
        self._background: set[asyncio.Task[None]] = set()

    async def release(self, actions: list[CloseBody]) -> None:
        """Close bodies in a task of their own, which a second cancellation of the caller does not reach."""
        task = asyncio.get_running_loop().create_task(self._close_in_time(actions))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)
        await asyncio.shield(task)

    async def aclose(self) -> None:
        """Cancel what runs in the background, and wait for the end of what runs in this loop."""
        ending = self._cancel_all()
        if ending:
            # A second cancellation ends the waiting only: those tasks come to their ends without it.
            await asyncio.wait(ending, timeout=CLEANUP_GRACE)

    def stop(self) -> None:
        """Cancel what runs in the background."""
        self._cancel_all()

    def _cancel_all(self) -> list[asyncio.Task[None]]:
        """Cancel every background task but the one that asks for it; those of the running loop."""
        self._closed = True
        here = _running_loop()
        asking = asyncio.current_task(here) if here is not None else None
        found: list[asyncio.Task[None]] = []
        for task in list(self._background):
            loop = task.get_loop()
            if loop is not here:
                with suppress(RuntimeError):  # that loop is closed, and the task will never go on
                    loop.call_soon_threadsafe(task.cancel)
            elif task is not asking:
                task.cancel()
                found.append(task)
        return found

    def _start(self, flow: Flow[object], observer: Observer | None) -> None:
        task = asyncio.get_running_loop().create_task(self._in_background(flow, observer), name="trivet-background")
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # to exit is up to the loop; it would complain of this too if nobody had looked at it

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, function)

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


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
