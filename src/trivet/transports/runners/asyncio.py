"""The runner for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, cast

from trivet.transports.flows.actions import SocketFlow, Wait
from trivet.transports.flows.lane import Lane, Runtime
from trivet.transports.network.clamped_async import CLOSE_GRACE
from trivet.transports.network.operation import Operation
from trivet.transports.runners.asynchronous import AsyncRunner

_background: set[asyncio.Task[None]] = set()


class TaskWaiter:
    """What a task waits on."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Let the task go on."""
        if not self.future.done():
            self.future.set_result(True)

    def time_out(self) -> None:
        """Let the task go on without what it waited for."""
        if not self.future.done():
            self.future.set_result(False)


class AsyncioRunner(AsyncRunner):
    """Runs flows in asyncio tasks."""

    def make_lane(self) -> Lane:
        """The lane of the running event loop."""
        loop = asyncio.get_running_loop()

        def soon(function: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop is closed, and its connections with it
                loop.call_soon_threadsafe(function)

        def background(make_flow: Callable[[Operation], SocketFlow[None]]) -> None:
            _keep(loop.create_task(self._in_background(make_flow, loop.time)))

        runtime = Runtime(
            monotonic=loop.time,
            new_waiter=TaskWaiter,
            abort=abort,
            interrupt=abort,
            soon=soon,
            sharing=True,
            run=self.run,
            background=background,
        )
        return Lane(self._options, runtime)

    async def _wait(self, action: Wait, operation: Operation) -> bool:
        waiter = cast(TaskWaiter, action.waiter)
        if operation.limit == inf:
            return await waiter.future
        left = operation.limit - operation.monotonic()
        timer = asyncio.get_running_loop().call_later(max(0.0, left), waiter.time_out)
        try:
            return await waiter.future
        finally:
            timer.cancel()


def abort(stream: Any) -> None:
    """Close a stream at once; in a task of its own if the backend that it is from can only do it by waiting."""
    if hasattr(stream, "abort"):
        stream.abort()
        return
    with suppress(RuntimeError):  # no loop runs: its end has closed everything
        _keep(asyncio.get_running_loop().create_task(_close(stream)))


def _keep(task: asyncio.Task[None]) -> None:
    # The event loop itself holds tasks only weakly.
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _close(stream: Any) -> None:
    with suppress(Exception):  # a connection that nobody wants may break in any way
        async with asyncio.timeout(CLOSE_GRACE):
            await stream.aclose()
