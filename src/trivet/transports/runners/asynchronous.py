"""Carrying the transport's flows out in a task, under asyncio or trio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from httpcore import ConnectTimeout, ReadTimeout, WriteTimeout

from trivet.transports.content import close_chunks_async, next_chunk, next_chunk_async
from trivet.transports.flows.actions import (
    ConnectTCP,
    ConnectUnix,
    NextChunk,
    ReadSocket,
    SocketAction,
    SocketFlow,
    StartTLS,
    Upload,
    Wait,
    WriteSocket,
)
from trivet.transports.network.operation import Operation
from trivet.transports.runners.streams import READ_SIZE, time_left
from trivet.transports.runtime import run_in_thread

if TYPE_CHECKING:
    import httpcore

    from trivet.transports.flows.lane import Lane
    from trivet.transports.options import ConnectionOptions

T = TypeVar("T")

BACKGROUND_TIME: Final = 2.0
"""Seconds that something may take for which nobody waits."""


class AsyncRunner(ABC):
    """Runs flows over an asynchronous network backend, and makes the lane that they share."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, options: ConnectionOptions) -> None:
        self._backend = backend
        self._options = options
        self._others: dict[type[SocketAction[Any]], Callable[[Any, Operation], Awaitable[Any]]] = {
            ConnectTCP: self._connect_tcp,
            ConnectUnix: self._connect_unix,
            StartTLS: self._start_tls,
            Upload: self._upload,
            Wait: self._wait,
            NextChunk: self._next_chunk,
        }

    @abstractmethod
    def make_lane(self) -> Lane:
        """The lane of the running event loop."""

    async def run(self, flow: SocketFlow[T], operation: Operation) -> T:
        """Run the flow to its end and return its result. A cancellation closes it at once."""
        failure: Exception | None = None
        reply: Any = None
        try:
            action = next(flow)
            while True:
                try:
                    kind = type(action)
                    if kind is ReadSocket:
                        left = time_left(operation, ReadTimeout)
                        reply = await cast(ReadSocket, action).stream.read(READ_SIZE, left)
                    elif kind is WriteSocket:
                        write = cast(WriteSocket, action)
                        reply = await write.stream.write(write.data, time_left(operation, WriteTimeout))
                    else:
                        reply = await self._others[kind](action, operation)
                except Exception as error:
                    failure = error
                if failure is None:
                    action = flow.send(reply)
                else:
                    # Thrown here, where it is not being handled, it is not the context of what the flow makes of it.
                    thrown, failure = failure, None
                    try:
                        action = flow.throw(thrown)
                    finally:
                        del thrown  # else its traceback, which refers to this frame, would keep it alive
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            flow.close()
            if operation.chunks is not None:
                chunks, operation.chunks = operation.chunks, None
                await close_chunks_async(chunks)

    async def _in_background(
        self, make_flow: Callable[[Operation], SocketFlow[None]], monotonic: Callable[[], float]
    ) -> None:
        operation = Operation(monotonic() + BACKGROUND_TIME, monotonic)
        with suppress(Exception):  # the connection knows what is wrong with it
            await self.run(make_flow(operation), operation)

    async def _connect_tcp(self, action: ConnectTCP, operation: Operation) -> Any:
        options = self._options
        return await self._backend.connect_tcp(
            action.host,
            action.port,
            time_left(operation, ConnectTimeout),
            options.local_address,
            options.socket_options,
        )

    async def _connect_unix(self, action: ConnectUnix, operation: Operation) -> Any:
        return await self._backend.connect_unix_socket(
            action.path, time_left(operation, ConnectTimeout), self._options.socket_options
        )

    async def _start_tls(self, action: StartTLS, operation: Operation) -> Any:
        return await action.stream.start_tls(action.context, action.hostname, time_left(operation, ConnectTimeout))

    async def _upload(self, action: Upload, operation: Operation) -> bool:
        stream, left = action.stream, time_left(operation, WriteTimeout)
        if hasattr(stream, "upload"):
            return bool(await stream.upload(action.data, left))
        await stream.write(action.data, left)
        return True

    async def _next_chunk(self, action: NextChunk, operation: Operation) -> bytes | None:
        chunks = action.chunks
        if hasattr(chunks, "__anext__"):
            return await next_chunk_async(chunks)
        if action.blocking:
            return await run_in_thread(next_chunk, chunks)
        return next_chunk(chunks)

    @abstractmethod
    async def _wait(self, action: Wait, operation: Operation) -> bool: ...
