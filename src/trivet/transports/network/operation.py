"""One request on its way, as the sockets beneath it see it: how long it may still take, and what became of it.

A pool offers no way to hand a deadline to the socket operations it causes, nor to ask them what happened. So
whoever calls the pool puts an `Operation` in a context variable, and the backends of this package find it
there: pools run their socket operations in the caller's own context, in threads, asyncio tasks and trio tasks
alike. Without an operation the backends add nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from math import inf
from typing import Any


class Step(Enum):
    """What an operation was last seen doing."""

    QUEUE = "waiting for a connection"
    CONNECT = "connecting"
    HANDSHAKE = "in the TLS handshake"
    TUNNEL = "opening a tunnel through a proxy"
    EXCHANGE = "sending the request and waiting for the head of its response"
    CONTENT = "receiving the content of the response"


class Operation:
    """A request with its deadline on the clock ``monotonic``, and the facts that the streams note about it.

    ``sent``: whether a byte of the request may have left; None if the streams cannot tell, because they have
    not seen its connection open, or share it among requests (HTTP/2).
    ``reused``: its connection had carried a response before. ``answered``: a byte of its own response came.
    ``stale``: its reused connection ended before that. ``peer``: whom its connection is to, as text for people.
    ``opened``: the stream it opened, until the request has it; whoever ends the operation early closes it.
    ``chunks``: the iterator over the request's content, which whoever ends the operation closes.
    """

    __slots__ = (
        "answered",
        "began",
        "chunks",
        "connect_began",
        "connect_timeout",
        "deadline",
        "limit",
        "monotonic",
        "opened",
        "peer",
        "reused",
        "sent",
        "stale",
        "step",
    )

    def __init__(self, deadline: float, monotonic: Callable[[], float], connect_timeout: float | None = None) -> None:
        self.deadline = deadline
        self.monotonic = monotonic
        self.connect_timeout = connect_timeout
        # The deadline of the present step: while a connection is being opened, the earlier of two.
        self.limit = deadline
        self.began = self.connect_began = monotonic()
        self.step = Step.QUEUE
        self.sent: bool | None = None
        self.reused = False
        self.answered = False
        self.stale = False
        self.peer = "the server"
        self.opened: Any = None
        self.chunks: Any = None

    def time_left(self) -> float:
        """Seconds until the deadline; ``inf`` without one."""
        return self.deadline - self.monotonic() if self.deadline != inf else inf

    def clamp(self, timeout: float | None) -> float | None:
        """The timeout of one socket operation, cut to the time left. None: no limit; ≤ 0: it is too late."""
        if self.limit == inf:
            return timeout
        left = self.limit - self.monotonic()
        return left if timeout is None or left < timeout else timeout

    def extend(self, deadline: float) -> None:
        """Give the operation another deadline: the next read of its response has one of its own."""
        self.deadline = self.limit = deadline

    def expire(self) -> None:
        """Let every further socket operation fail at once, without touching the socket."""
        self.extend(-inf)

    def begin_connect(self, peer: str) -> None:
        """A connection is being opened: until the request leaves on it, the connect timeout rules too."""
        self.peer = peer
        self.step = Step.CONNECT
        self.connect_began = self.monotonic()
        if self.connect_timeout is not None:
            self.limit = min(self.deadline, self.connect_began + self.connect_timeout)
        if self.sent is None:
            self.sent = False

    def begin_handshake(self) -> None:
        """TLS is being negotiated on the connection; what was read so far was a proxy's."""
        self.step = Step.HANDSHAKE
        self.answered = False

    def begin_request(self, *, reused: bool) -> None:
        """The first byte of the request is about to leave."""
        self.step = Step.EXCHANGE
        self.limit = self.deadline
        self.sent = True
        self.reused = reused
        self.answered = False
        self.opened = None

    def share_connection(self) -> None:
        """The connection turned out to be one that requests share, so that others may send this one's bytes."""
        self.sent = None
        self.opened = None


current_operation: ContextVar[Operation | None] = ContextVar("trivet_operation", default=None)
"""The operation on whose behalf sockets are used in this context."""


class StreamHistory:
    """What one connection remembers, to tell an operation the facts."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader: Operation | None = None

    def writing(self, operation: Operation, data: bytes) -> None:
        """Bytes are about to be written for an operation none of whose bytes were sent yet."""
        # What opens a tunnel is no part of the request: CONNECT to an HTTP proxy, and the greeting of SOCKS,
        # whose messages begin with a version number where an HTTP message begins with a letter.
        if data[0] < 0x20 or data.startswith(b"CONNECT "):
            operation.step = Step.TUNNEL
        else:
            reader = self._reader
            operation.begin_request(reused=reader is not None and reader is not operation)

    def received(self, operation: Operation, data: bytes) -> None:
        """The peer sent data, or closed the connection if there is none."""
        if data:
            operation.answered = True
            operation.stale = False
            self._reader = operation
        else:
            self.broke(operation)

    def broke(self, operation: Operation) -> None:
        """The connection ended, for whatever reason."""
        if operation.reused and not operation.answered:
            operation.stale = True
