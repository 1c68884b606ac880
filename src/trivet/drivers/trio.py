"""The driver for trio."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any
from weakref import WeakKeyDictionary

import trio

from trivet.core.exchange.actions import CloseBody, Park
from trivet.core.exchange.call import Observer, Rng
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.drivers.asynchronous import AsyncDriver
from trivet.drivers.background import CLEANUP_GRACE
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


class _Job:
    """A background flow: its run, the scope to cancel it by, its task, and whether that has ended."""

    __slots__ = ("ended", "scope", "task", "token")

    def __init__(self) -> None:
        self.token = trio.lowlevel.current_trio_token()
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.task: trio.lowlevel.Task | None = None


class TrioDriver(AsyncDriver):
    """Runs flows in trio tasks."""

    def __init__(self, transport: AsyncTransport, *, rng: Rng, clock: AsyncClock | None = None) -> None:
        super().__init__(transport, rng=rng, clock=clock or TrioClock())
        self._jobs: set[_Job] = set()

    async def release(self, actions: list[CloseBody]) -> None:
        """Close bodies shielded from the cancellation that is under way."""
        with trio.move_on_after(CLEANUP_GRACE, shield=True):
            await self._close_all(actions)

    async def aclose(self) -> None:
        """Cancel what runs in the background, and wait for the end of what runs here."""
        ending = self._cancel_all()
        if ending:
            with trio.move_on_after(CLEANUP_GRACE, shield=True):
                for job in ending:
                    await job.ended.wait()

    def stop(self) -> None:
        """Cancel what runs in the background."""
        self._cancel_all()

    def _cancel_all(self) -> list[_Job]:
        """Cancel every background job but the one that asks for it; those of the present run."""
        self._closed = True
        inside = trio.lowlevel.in_trio_task()
        here = trio.lowlevel.current_trio_token() if inside else None
        asking = trio.lowlevel.current_task() if inside else None
        found: list[_Job] = []
        for job in list(self._jobs):
            if job.token is not here:
                with suppress(trio.RunFinishedError):
                    job.token.run_sync_soon(job.scope.cancel)
            elif job.task is not asking:
                job.scope.cancel()
                found.append(job)
        return found

    def _start(self, flow: Flow[object], observer: Observer | None) -> None:
        job = _Job()
        self._jobs.add(job)
        job.task = trio.lowlevel.spawn_system_task(
            self._work, job, flow, observer, name="trivet-background", context=copy_context()
        )

    async def _work(self, job: _Job, flow: Flow[object], observer: Observer | None) -> None:
        try:
            with job.scope:
                await self._in_background(flow, observer)
        except BaseException:
            # A system task that ends with an error would take the whole run with it.
            return
        finally:
            self._jobs.discard(job)
            job.ended.set()

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True)

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
