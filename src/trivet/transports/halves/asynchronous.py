"""The half of the transport that tasks call, under asyncio and trio."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from trivet.transports.flows.calls import OpenBody, send
from trivet.transports.forks import generation
from trivet.transports.network.operation import Operation
from trivet.transports.runtime import current_run, in_trio

if TYPE_CHECKING:
    from trivet.core.exchange.actions import ReadBody, SendRequest
    from trivet.core.http.response import Response
    from trivet.transports.flows.lane import Lane
    from trivet.transports.options import ConnectionOptions
    from trivet.transports.protocol import Monotonic
    from trivet.transports.runners.asynchronous import AsyncRunner

_inherited: Final[list[Any]] = []
"""What a forked child must neither use nor collect: the loops of the parent watch these sockets."""


class _Run(NamedTuple):
    """An event loop, or a trio run, in which the transport has connections."""

    lane: Lane
    guard: AsyncGenerator[None, None]


class AsyncHalf:
    """Calls of any number of tasks, with a lane for each event loop and trio run: a connection works only there.

    A lane is closed with its loop: each has a guard, an asynchronous generator that waits in the middle, and a loop
    that ends in order closes the asynchronous generators that are left. The lane of a loop that ended without that
    is dropped when another one is made. If nobody has the half any more its lanes are closed at once.
    """

    __slots__ = ("__weakref__", "_backend", "_generation", "_options", "_runs")

    def __init__(self, options: ConnectionOptions, backend: Any) -> None:
        self._options = options
        self._backend = backend
        self._runs: dict[Any, _Run] = {}
        self._generation = generation.number
        weakref.finalize(self, _close_left_over, self._runs, generation.number).atexit = False

    async def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """See `AsyncTransport.asend`."""
        operation = Operation(action.deadline, monotonic, action.connect_timeout)
        key = current_run()
        run = self._runs.get(key)
        if run is None or self._generation != generation.number:
            run = await self._enter(key)
        flow = send(run.lane, action.request, operation, action.content_welcome)
        response: Response = await run.lane.runtime.run(flow, operation)
        return response

    async def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """See `AsyncTransport.aread`."""
        body = cast(OpenBody, action.body)
        piece: bytes = await body.lane.runtime.run(body.read(action.deadline, monotonic), body.operation)
        return piece

    async def close_body(self, body: object) -> None:
        """See `AsyncTransport.aclose_body`."""
        if isinstance(body, OpenBody):
            await body.lane.runtime.run(body.close(), body.operation)

    async def close(self) -> None:
        """See `AsyncTransport.aclose`."""
        run = self._runs.pop(current_run(), None)
        if run is not None:
            await run.guard.aclose()

    async def _enter(self, key: Any) -> _Run:
        if self._generation != generation.number:
            self._runs = {}
            self._generation = generation.number
            weakref.finalize(self, _close_left_over, self._runs, generation.number).atexit = False
        for other in list(self._runs):
            if _ended(other):
                self._runs.pop(other, None)
        lane = _make_runner(self._backend, self._options).make_lane()
        run = self._runs[key] = _Run(lane, _close_at_the_end(self._runs, key, lane))
        await anext(run.guard)  # does not suspend, so that no other task comes in between
        return run


async def _close_at_the_end(runs: dict[Any, _Run], key: Any, lane: Lane) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        run = runs.get(key)
        if run is not None and run.lane is lane:
            del runs[key]
        lane.close()


def _close_left_over(runs: dict[Any, _Run], made_in: int) -> None:
    if made_in != generation.number:
        _inherited.append(runs)
        return
    for key, run in list(runs.items()):
        if not _ended(key):
            # Left to the garbage collector, the guard would have trio complain.
            run.lane.runtime.soon(partial(_finish, run.guard))


def _finish(guard: AsyncGenerator[None, None]) -> None:
    with suppress(StopIteration):
        guard.aclose().send(None)  # it does not suspend


def _ended(key: Any) -> bool:
    # The token of a trio run cannot be asked, and need not: trio always closes what is left.
    is_closed = getattr(key, "is_closed", None)
    return is_closed is not None and bool(is_closed())


def _make_runner(backend: Any, options: ConnectionOptions) -> AsyncRunner:
    if in_trio():
        from trivet.transports.network.trio_backend import TrioBackend
        from trivet.transports.runners.trio import TrioRunner

        return TrioRunner(backend or TrioBackend(), options)
    from trivet.transports.network.asyncio_backend import AsyncioBackend
    from trivet.transports.runners.asyncio import AsyncioRunner

    return AsyncioRunner(backend or AsyncioBackend(), options)
