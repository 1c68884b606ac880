"""A stage for flows of HTTP/2 without I/O: a scripted server, a socket that does what it is told, and a scheduler."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from math import inf
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpcore

from trivet.core.http.request import Request
from trivet.core.http.stream import Stream
from trivet.core.limits import Limits
from trivet.transports.content import ContentFailed, next_chunk
from trivet.transports.flows.actions import NextChunk, ReadSocket, Wait, WriteSocket
from trivet.transports.http2.connection import HTTP2Connection
from trivet.transports.network.clamped import TOO_LATE
from trivet.transports.network.operation import Operation

URL = "https://api.example.com"


class Socket:
    """What the transport's own streams are to a connection. It keeps the rest of a write that was interrupted."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.rest = b""

    def get_extra_info(self, info: str) -> Any:
        return (bool(self.stage.inbox) or self.stage.ended) if info == "is_readable" else None

    # Together they say that it is a stream which keeps the rest of a write.

    def abort(self) -> None: ...

    async def aclose(self) -> None: ...

    def write(self, data: bytes) -> None:
        data, self.rest = self.rest + data, b""
        self.stage.server.receive(data)

    def interrupt(self, data: bytes, written: int) -> None:
        data = self.rest + data
        self.rest = data[written:]
        self.stage.server.receive(data[:written])


class ReadySocket(Socket):
    """A stream that can be read without waiting."""

    def read_ready(self, max_bytes: int) -> bytes | None:
        stage = self.stage
        if stage.broken is not None:
            raise stage.broken
        if not stage.inbox:
            return b"" if stage.ended else None
        data = bytes(stage.inbox[:max_bytes])
        del stage.inbox[:max_bytes]
        return data


class ForeignSocket(Socket):
    """A user's own stream, which loses the rest of a write."""

    abort = property()

    def close(self) -> None: ...

    def interrupt(self, data: bytes, written: int) -> None:
        self.stage.server.receive(data[:written])


class Server:
    """The peer: h2 from its other side. It answers a request when ``answer`` is called, or at once if ``prompt``."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        self.h2.initiate_connection()
        self.requests: dict[int, dict[str, str]] = {}
        self.contents: dict[int, bytes] = {}
        self.complete: set[int] = set()
        self.resets: dict[int, int] = {}
        self.answering: dict[int, bytes] = {}
        self.goaway: int | None = None
        self.acknowledging = True
        self.prompt: Callable[[int], None] | None = None
        self.raw = b""
        self.writes: list[bytes] = []
        self.flush()

    def receive(self, data: bytes) -> None:
        self.writes.append(data)
        events = self.h2.receive_data(data)
        # A stream that was given up at once is not answered.
        for event in sorted(events, key=lambda event: not isinstance(event, h2.events.StreamReset)):
            self.on(event)
        self.pump()

    def on(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = dict(event.headers)
            self.contents[event.stream_id] = b""
        elif isinstance(event, h2.events.DataReceived):
            self.contents[event.stream_id] += event.data
            if self.acknowledging:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.complete.add(event.stream_id)
            if self.prompt is not None:
                self.prompt(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.resets[event.stream_id] = event.error_code
            self.answering.pop(event.stream_id, None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code

    def answer(self, stream_id: int, content: bytes = b"", status: str = "200", *fields: tuple[str, str]) -> None:
        if stream_id in self.resets:
            return
        self.h2.send_headers(stream_id, [(":status", status), *fields], end_stream=not content)
        if content:
            self.answering[stream_id] = content
        self.pump()

    def pump(self) -> None:
        """Send what the windows allow."""
        for stream_id in list(self.answering):
            while rest := self.answering.get(stream_id, b""):
                size = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size, len(rest))
                if size <= 0:
                    break
                self.answering[stream_id] = rest[size:]
                self.h2.send_data(stream_id, rest[:size], end_stream=size == len(rest))
                if size == len(rest):
                    del self.answering[stream_id]
        self.flush()

    def flush(self) -> None:
        self.stage.inbox += self.h2.data_to_send()

    @property
    def room(self) -> int:
        """What the server may send on the connection."""
        return self.h2.outbound_flow_control_window


class Waiter:
    def __init__(self) -> None:
        self.woken = False

    def wake(self) -> None:
        self.woken = True


class Task:
    """A flow under way. ``action``: what it waits for; None once it is done."""

    def __init__(self, stage: Stage, flow: Generator[Any, Any, Any], operation: Operation) -> None:
        self.stage = stage
        self.flow = flow
        self.operation = operation
        self.action: Any = None
        self.result: Any = None
        self.error: Exception | None = None
        self.closed = False
        self.go(lambda: next(flow))

    def go(self, resume: Callable[[], Any]) -> None:
        self.action = None
        try:
            action = resume()
        except StopIteration as stop:
            self.result = stop.value
        except Exception as error:
            self.error = error
        else:
            self.action = action
            for kind in (ReadSocket, WriteSocket):
                others = [task for task in self.stage.tasks if task is not self and isinstance(task.action, kind)]
                assert not (isinstance(action, kind) and others), f"two flows do {kind.__name__} at a time"

    @property
    def done(self) -> bool:
        return self.action is None

    @property
    def ready(self) -> bool:
        action, stage = self.action, self.stage
        if isinstance(action, ReadSocket):
            return bool(stage.inbox) or stage.ended or stage.broken is not None
        return action is not None and (not isinstance(action, Wait) or action.waiter.woken)

    def step(self, size: int = 65_536) -> None:
        """Perform the action."""
        action, stage = self.action, self.stage
        if isinstance(action, ReadSocket):
            if stage.broken is not None:
                self.go(lambda: self.flow.throw(stage.broken))
                return
            data = bytes(stage.inbox[:size])
            del stage.inbox[:size]
            self.go(lambda: self.flow.send(data))
        elif isinstance(action, WriteSocket):
            if stage.deaf is not None:
                self.go(lambda: self.flow.throw(stage.deaf))
                return
            stage.socket.write(action.data)
            self.go(lambda: self.flow.send(None))
        elif isinstance(action, Wait):
            self.go(lambda: self.flow.send(True))
        else:
            assert isinstance(action, NextChunk)
            try:
                chunk = next_chunk(action.chunks)
            except ContentFailed as error:
                failed = error
                self.go(lambda: self.flow.throw(failed))
            else:
                self.go(lambda: self.flow.send(chunk))

    def time_out(self, written: int | None = 0) -> None:
        """``written``: the bytes of a write that get out; None if the stream is not even asked."""
        if isinstance(self.action, Wait):
            self.go(lambda: self.flow.send(False))
        elif isinstance(self.action, ReadSocket):
            self.go(lambda: self.flow.throw(httpcore.ReadTimeout("timed out")))
        else:
            text = "timed out" if written is not None else TOO_LATE
            if isinstance(self.action, WriteSocket) and written is not None:
                self.stage.socket.interrupt(self.action.data, written)
            self.go(lambda: self.flow.throw(httpcore.WriteTimeout(text)))

    def cancel(self, written: int = 0) -> None:
        if isinstance(self.action, WriteSocket):
            self.stage.socket.interrupt(self.action.data, written)
        self.action = None
        self.closed = True
        self.flow.close()


class Stage:
    """A connection, its server, and the flows on it."""

    def __init__(self, limits: Limits | None = None, socket: type[Socket] = Socket) -> None:
        self.inbox = bytearray()
        self.ended = False
        self.broken: Exception | None = None
        self.deaf: Exception | None = None
        self.tasks: list[Task] = []
        self.sizes: list[int] = []
        self.server = Server(self)
        self.socket = socket(self)
        self.connection = HTTP2Connection(self.socket, limits or Limits(), Waiter, self.sizes.append)

    def send(
        self,
        path: str = "/",
        content: bytes | Stream = b"",
        *,
        method: str | None = None,
        headers: Any = (),
        on_interim: Any = None,
    ) -> Task:
        operation = Operation(inf, lambda: 0.0)
        operation.sent = False
        request = Request(method or ("POST" if content else "GET"), URL + path, headers, content, on_interim=on_interim)
        return self.start(self.connection.send(request, operation), operation)

    def read(self, sent: Task) -> Task:
        return self.start(sent.result.read(sent.operation), sent.operation)

    def close(self, sent: Task) -> Task:
        return self.start(sent.result.close(sent.operation), sent.operation)

    def tidy(self) -> None:
        """What a runner does after it ended a flow early."""
        operation = Operation(inf, lambda: 0.0)
        self.start(self.connection.flush(operation), operation)

    def start(self, flow: Generator[Any, Any, Any], operation: Operation) -> Task:
        task = Task(self, flow, operation)
        self.tasks.append(task)
        return task

    def run(self, rng: random.Random | None = None) -> None:
        """Let all tasks go on as far as they get."""
        while ready := [task for task in self.tasks if task.ready]:
            if rng is None:
                ready[0].step()
            else:
                rng.choice(ready).step(rng.choice((1, 9, 100, 65_536)))
        self.tasks = [task for task in self.tasks if not task.done]

    def fetch(self, path: str = "/", content: bytes | Stream = b"", **options: Any) -> bytes:
        """A request from its beginning to its end."""
        task = self.send(path, content, **options)
        self.run()
        return self.rest_of(task)

    def ping(self) -> None:
        """Let the connection show that it is alive."""
        self.server.h2.ping(b"are you?")
        self.server.flush()
        self.run()

    def fetch_prompt(self) -> bytes:
        """A request that is answered at once."""
        self.server.prompt = lambda stream_id: self.server.answer(stream_id, b"again")
        return self.fetch()

    def rest_of(self, sent: Task) -> bytes:
        if sent.error is not None:
            raise sent.error
        assert sent.done, "no response has come"
        message = sent.result
        if message.content is not None:
            return message.content
        pieces = b""
        while True:
            task = self.read(sent)
            self.run()
            if task.error is not None:
                raise task.error
            assert task.done, "no content has come"
            if not task.result:
                return pieces
            pieces += task.result

    @property
    def leaked(self) -> int:
        """The bytes of the connection's window that have come and will never be acknowledged."""
        session = self.connection._session
        manager = session.h2._inbound_flow_control_window_manager
        pending = session._unacknowledged + manager._bytes_processed
        return 16 * 1024 * 1024 - manager.current_window_size - pending
