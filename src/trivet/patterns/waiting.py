"""Which clock to wait by, and the switch that lets tests not wait at all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from trivet.drivers.detect import current_runtime

if TYPE_CHECKING:
    from collections.abc import Generator

    from trivet.drivers.clock import AsyncClock, SyncClock

_skipping = False


def wait(clock: SyncClock, seconds: float) -> None:
    """Block for so long, by this clock."""
    if seconds and not _skipping:
        clock.sleep(seconds)


async def wait_async(clock: AsyncClock, seconds: float) -> None:
    """Suspend the task for so long, by this clock."""
    # Also a wait of no seconds passes through the event loop: a retry loop must be cancellable.
    await clock.asleep(0.0 if _skipping else seconds)


def async_clock() -> AsyncClock:
    """The clock of the runtime whose task is calling, so that virtual time like trio's MockClock is obeyed.

    Raises `RuntimeError` outside both runtimes.
    """
    if current_runtime() == "trio":
        from trivet.drivers.trio import TrioClock

        return TrioClock()
    from trivet.drivers.asyncio import LoopClock

    return LoopClock()


@contextmanager
def no_waiting() -> Generator[None]:
    """Within this block, in every thread, `retry` and `retry_call` retry without waiting: for tests.

    All else stays as it is, the decisions too: a retry that would not be made because of its delay is not
    made here either.

    >>> from trivet.patterns.retry import retry_call
    >>> replies = iter([OSError("down"), "up"])
    >>> def fetch():
    ...     reply = next(replies)
    ...     if isinstance(reply, OSError):
    ...         raise reply
    ...     return reply
    >>> with no_waiting():
    ...     retry_call(fetch, base_delay=60.0, jitter="none")
    'up'
    """
    global _skipping
    before, _skipping = _skipping, True
    try:
        yield
    finally:
        _skipping = before
