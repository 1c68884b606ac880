"""Keeping asyncio's cancellation out of httpcore.

httpcore guards its clean-up with anyio's shields, and a native cancellation passes through those: a task that is
cancelled at the wrong moment leaves its connection in the pool for ever, until the pool is dead. So under asyncio
each call of a pool runs in a task of its own that nobody cancels. A caller who is cancelled stops the socket
operation instead, which fails as if it were out of time, and httpcore cleans up in peace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from trivet.transports.network.clamped_async import CLOSE_GRACE
from trivet.transports.network.interruption import Interruption, current_interruption

T = TypeVar("T")

_left_behind: set[asyncio.Task[Any]] = set()


async def detached(call: Coroutine[Any, Any, T], discard: Callable[[T], Coroutine[Any, Any, None]] | None = None) -> T:
    """Await the call in a task of its own; if the caller is cancelled, stop it, and ``discard`` what it still returns."""
    interruption = Interruption()
    token = current_interruption.set(interruption)
    try:
        task = asyncio.get_running_loop().create_task(_finish(call, interruption, discard))
    finally:
        current_interruption.reset(token)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stopped = interruption.request()
        if not task.done():
            _keep(task)
            if stopped:
                # It ends at once and frees the connection: whoever is cancelled leaves nothing behind. A task that
                # still waits for a connection is not waited for.
                await asyncio.wait({task}, timeout=CLOSE_GRACE)
        elif discard is not None and not task.cancelled() and task.exception() is None:
            _keep(asyncio.get_running_loop().create_task(discard(task.result())))
        raise


async def _finish(
    call: Coroutine[Any, Any, T], interruption: Interruption, discard: Callable[[T], Coroutine[Any, Any, None]] | None
) -> T:
    result = await call
    if interruption.requested and discard is not None:
        await discard(result)
    return result


def _keep(task: asyncio.Task[Any]) -> None:
    # The event loop itself holds tasks only weakly.
    _left_behind.add(task)
    task.add_done_callback(_left_behind.discard)
