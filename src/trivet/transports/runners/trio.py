"""The runner for trio."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, cast

import trio

from trivet.transports.flows.actions import SocketFlow, Wait
from trivet.transports.flows.lane import Lane, Runtime
from trivet.transports.network.clamped_async import CLOSE_GRACE
from trivet.transports.network.operation import Operation
from trivet.transports.runners.asynchronous import AsyncRunner


class TaskWaiter:
    """What a task waits on."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = trio.Event()

    def wake(self) -> None:
        """Let the task go on."""
        self.event.set()


class TrioRunner(AsyncRunner):
    """Runs flows in trio tasks."""

    def make_lane(self) -> Lane:
        """The lane of the running trio."""
        token = trio.lowlevel.current_trio_token()

        def soon(function: Callable[[], None]) -> None:
            with suppress(trio.RunFinishedError):  # its connections are closed
                token.run_sync_soon(function)

        def background(make_flow: Callable[[Operation], SocketFlow[None]]) -> None:
            with suppress(RuntimeError):  # the run is over
                trio.lowlevel.spawn_system_task(self._in_background, make_flow, trio.current_time)

        runtime = Runtime(
            monotonic=trio.current_time,
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
        event = cast(TaskWaiter, action.waiter).event
        if operation.limit == inf:
            await event.wait()
        else:
            with trio.move_on_after(max(0.0, operation.limit - operation.monotonic())):
                await event.wait()
        return event.is_set()


def abort(stream: Any) -> None:
    """Close a stream at once; in a task of its own if the backend that it is from can only do it by waiting."""
    if hasattr(stream, "abort"):
        stream.abort()
        return
    with suppress(RuntimeError):  # the run is over
        trio.lowlevel.spawn_system_task(_close, stream)


async def _close(stream: Any) -> None:
    with suppress(Exception), trio.move_on_after(CLOSE_GRACE):
        await stream.aclose()
