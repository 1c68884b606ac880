"""What differs between asyncio and trio, for the transports."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def in_trio() -> bool:
    """Whether a trio task is calling. It imports nothing: what nobody has imported is not running."""
    # getattr, because another thread may be in the middle of importing the module.
    in_trio_task: Callable[[], bool] | None = getattr(sys.modules.get("trio.lowlevel"), "in_trio_task", None)
    return in_trio_task is not None and in_trio_task()


def current_run() -> Any:
    """The running event loop, or the token of the trio run: what a connection is bound to.

    Raises `RuntimeError` outside both.
    """
    if in_trio():
        import trio

        return trio.lowlevel.current_trio_token()
    import asyncio

    return asyncio.get_running_loop()


async def run_in_thread(function: Callable[..., T], *args: Any) -> T:
    """Call a function that blocks, in a worker thread."""
    if in_trio():
        import trio

        return await trio.to_thread.run_sync(function, *args)
    import asyncio

    return await asyncio.to_thread(function, *args)


async def give_up_after(seconds: float, function: Callable[[], Awaitable[None]]) -> None:
    """Await what the function returns, for so many seconds at most."""
    if in_trio():
        import trio

        with trio.move_on_after(seconds):
            await function()
    else:
        import asyncio

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await function()
