"""Carrying the transport's flows out in a thread, by blocking."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast

from httpcore import ConnectTimeout, ReadTimeout, WriteTimeout

from trivet.core.errors import InvalidRequest
from trivet.transports.content import close_chunks, next_chunk
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
from trivet.transports.flows.lane import Lane, Runtime
from trivet.transports.forks import generation
from trivet.transports.network.operation import Operation
from trivet.transports.runners.streams import READ_SIZE, abort_sync, close_sync, interrupt_sync, time_left

if TYPE_CHECKING:
    import httpcore

    from trivet.transports.options import ConnectionOptions

T = TypeVar("T")


class ThreadWaiter:
    """What a thread waits on: a lock that is held until it is woken."""

    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = Lock()
        self.lock.acquire()

    def wake(self) -> None:
        """Let the thread go on."""
        with suppress(RuntimeError):  # it is awake already
            self.lock.release()


class SyncRunner:
    """Runs flows over a synchronous network backend, and makes the lane that they share."""

    __slots__ = ("_backend", "_options", "_others")

    def __init__(self, backend: httpcore.NetworkBackend, options: ConnectionOptions) -> None:
        self._backend = backend
        self._options = options
        self._others: dict[type[SocketAction[Any]], Callable[[Any, Operation], Any]] = {
            ConnectTCP: self._connect_tcp,
            ConnectUnix: self._connect_unix,
            StartTLS: self._start_tls,
            Upload: self._upload,
            Wait: self._wait,
            NextChunk: self._next_chunk,
        }

    def make_lane(self) -> Lane:
        """The lane of all threads."""
        made_in = generation.number

        def end(stream: Any, by: Callable[[Any], None]) -> None:
            # In the child of a fork, to shut the connection down would be the end of its parent's.
            (by if made_in == generation.number else close_sync)(stream)

        runtime = Runtime(
            monotonic=time.monotonic,
            new_waiter=ThreadWaiter,
            abort=partial(end, by=abort_sync),
            interrupt=partial(end, by=interrupt_sync),
            soon=lambda function: function(),
            # OpenSSL lets no two threads work on one connection at once, as sharing it would have them do.
            sharing=False,
            run=self.run,
            # What is left goes out with the next request: nobody else waits for it.
            background=lambda make_flow: None,
        )
        return Lane(self._options, runtime)

    def run(self, flow: SocketFlow[T], operation: Operation) -> T:
        """Run the flow to its end and return its result."""
        failure: Exception | None = None
        reply: Any = None
        try:
            action = next(flow)
            while True:
                try:
                    kind = type(action)
                    if kind is ReadSocket:
                        left = time_left(operation, ReadTimeout)
                        reply = cast(ReadSocket, action).stream.read(READ_SIZE, left)
                    elif kind is WriteSocket:
                        write = cast(WriteSocket, action)
                        reply = write.stream.write(write.data, time_left(operation, WriteTimeout))
                    else:
                        reply = self._others[kind](action, operation)
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
                close_chunks(chunks)

    def _connect_tcp(self, action: ConnectTCP, operation: Operation) -> Any:
        options = self._options
        return self._backend.connect_tcp(
            action.host,
            action.port,
            time_left(operation, ConnectTimeout),
            options.local_address,
            options.socket_options,
        )

    def _connect_unix(self, action: ConnectUnix, operation: Operation) -> Any:
        return self._backend.connect_unix_socket(
            action.path, time_left(operation, ConnectTimeout), self._options.socket_options
        )

    def _start_tls(self, action: StartTLS, operation: Operation) -> Any:
        return action.stream.start_tls(action.context, action.hostname, time_left(operation, ConnectTimeout))

    def _upload(self, action: Upload, operation: Operation) -> bool:
        stream, left = action.stream, time_left(operation, WriteTimeout)
        if hasattr(stream, "upload"):
            return bool(stream.upload(action.data, left))
        stream.write(action.data, left)
        return True

    def _wait(self, action: Wait, operation: Operation) -> bool:
        left = operation.clamp(None)
        return cast(ThreadWaiter, action.waiter).lock.acquire(timeout=-1 if left is None else max(0.0, left))

    def _next_chunk(self, action: NextChunk, operation: Operation) -> bytes | None:
        chunks = action.chunks
        if hasattr(chunks, "__anext__"):
            raise InvalidRequest("asynchronous content needs AsyncClient")
        return next_chunk(chunks)
