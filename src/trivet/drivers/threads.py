"""The background flows of a sync client: each in a thread of its own, which can be told to stop."""

from __future__ import annotations

import time
from contextvars import copy_context
from threading import Event, Thread, current_thread
from typing import Any, Final

from trivet.core.exchange.actions import Action, SleepUntil
from trivet.core.exchange.call import Observer, Rng
from trivet.core.exchange.flow import Flow
from trivet.drivers.background import CLEANUP_GRACE, discarding
from trivet.drivers.clock import SyncClock, ThreadClock
from trivet.drivers.sync import SyncDriver
from trivet.transports.protocol import Transport

MAX_THREADS: Final = 8
"""How many background flows of one client run at a time."""


class Stopped(BaseException):
    """Ends a background flow when its client is closed: for a thread what a cancellation is for a task."""


class BackgroundDriver(SyncDriver):
    """Runs flows in threads of its own, until it is closed.

    A flow then ends before its next action, or at once if it sleeps or is parked. What blocks in the transport or in a
    store cannot be interrupted.
    """

    def __init__(self, transport: Transport, *, rng: Rng, clock: SyncClock) -> None:
        super().__init__(transport, rng=rng, clock=clock)
        self._running: set[Thread] = set()
        self._waits: set[Event] = set()

    def spawn(self, flow: Flow[object], observer: Observer | None = None) -> bool:
        """Run the flow in a thread; False if there is none to be had."""
        # Daemons, so that a client which nobody has closed does not keep the interpreter from ending.
        thread = Thread(
            target=copy_context().run, args=(self._work, flow, observer), name="trivet-background", daemon=True
        )
        with self._lock:
            if self._closed or len(self._running) >= MAX_THREADS:
                return False
            try:
                thread.start()
            except RuntimeError:
                return False  # the system has no more threads, or the interpreter is about to end
            self._running.add(thread)
        return True

    def close(self) -> None:
        """Have the flows end, and wait for that within `CLEANUP_GRACE`. None is started any more."""
        with self._lock:
            self._closed = True
            running, waits = list(self._running), list(self._waits)
        for event in waits:
            event.set()
        until = time.monotonic() + CLEANUP_GRACE
        for thread in running:
            if thread is not current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def perform(self, action: Action[Any]) -> Any:
        """Perform one action and return its reply. Raises `Stopped` once the driver is closed."""
        self._check()
        return super().perform(action)

    def _work(self, flow: Flow[object], observer: Observer | None) -> None:
        try:
            self.run(discarding(flow), observer)
        except BaseException:
            # The observer was told of the error, and nobody else waits for it: a thread that dies of it would print it.
            return
        finally:
            with self._lock:
                self._running.discard(current_thread())

    def _check(self) -> None:
        if self._closed:
            raise Stopped

    def _sleep(self, action: SleepUntil) -> None:
        if isinstance(self.clock, ThreadClock):
            self._wait(Event(), action.when)
        else:
            super()._sleep(action)

    def _wait(self, event: Event, until: float) -> bool:
        with self._lock:
            self._check()
            self._waits.add(event)
        try:
            woken = super()._wait(event, until)
        finally:
            with self._lock:
                self._waits.discard(event)
        self._check()
        return woken
