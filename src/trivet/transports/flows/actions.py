"""What a flow of the transport may ask of its runner: operations on streams, and waiting.

These flows are one floor below those of `trivet.core`: there an action is a whole request, here it is one read or
one write. A stream is an object of httpcore's network interface (``NetworkStream``, ``AsyncNetworkStream``). The
runner performs each action with the time that the `Operation` it runs for has left, and throws into the flow what
the operation on the stream raises.

Whatever ends a flow early closes it: a flow frees what it holds in ``finally``, without a yield.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class SocketAction(Generic[R_co]):
    """Something for the runner to do. Its type parameter is what the runner replies."""

    __slots__ = ()

    def __iter__(self) -> Generator[SocketAction[Any], Any, R_co]:
        reply: R_co = yield self
        return reply


SocketFlow: TypeAlias = Generator[SocketAction[Any], Any, T]


class Waiter(Protocol):
    """What a flow waits on until another one wakes it. Made by the runner, for one wait."""

    def wake(self) -> None:
        """Let the flow go on. Waking twice does nothing."""
        ...


class ReadSocket(SocketAction[bytes]):
    """Read what is there, up to 64 KiB; ``b""`` when the peer has closed."""

    __slots__ = ("stream",)

    def __init__(self, stream: Any) -> None:
        self.stream = stream


class WriteSocket(SocketAction[None]):
    """Write all of the data."""

    __slots__ = ("data", "stream")

    def __init__(self, stream: Any, data: bytes) -> None:
        self.stream = stream
        self.data = data


class Upload(SocketAction[bool]):
    """Write all of the data, unless the peer sends something first.

    The reply is True when all was written, or the stream cannot do otherwise; False when there is something to be read
    first. The stream keeps the rest, which the next of these actions goes on with; ``data`` may be empty then.
    """

    __slots__ = ("data", "stream")

    def __init__(self, stream: Any, data: bytes) -> None:
        self.stream = stream
        self.data = data


class ConnectTCP(SocketAction[Any]):
    """Connect to a host, whichever of its addresses accepts. The reply is the stream."""

    __slots__ = ("host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port


class ConnectUnix(SocketAction[Any]):
    """Connect to a Unix socket. The reply is the stream."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class StartTLS(SocketAction[Any]):
    """Negotiate TLS on a stream. The reply is the stream to use from then on; a failure closes the old one."""

    __slots__ = ("context", "hostname", "stream")

    def __init__(self, stream: Any, context: ssl.SSLContext, hostname: str) -> None:
        self.stream = stream
        self.context = context
        self.hostname = hostname


class Wait(SocketAction[bool]):
    """Wait to be woken. The reply is False when time was up first."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter


class NextChunk(SocketAction["bytes | None"]):
    """Produce the next chunk of a request's content, from the iterator that `Stream.open` gave; None at the end.

    ``blocking``: producing it may read a file.
    """

    __slots__ = ("blocking", "chunks")

    def __init__(self, chunks: Any, blocking: bool) -> None:
        self.chunks = chunks
        self.blocking = blocking
