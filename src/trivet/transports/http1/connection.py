"""An HTTP/1.1 connection: one request after the other, each as a flow (RFC 9112)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from httpcore import ReadTimeout

from trivet.core.http.framing import framed_fields
from trivet.transports.flows.actions import NextChunk, ReadSocket, Upload, WriteSocket
from trivet.transports.flows.responses import report_interim
from trivet.transports.network.operation import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet.core.http.request import Request
    from trivet.core.http.stream import Stream
    from trivet.core.limits import Limits
    from trivet.transports.flows.actions import SocketFlow
    from trivet.transports.flows.connection import Connection, Head
    from trivet.transports.flows.forwarding import Forwarding
    from trivet.transports.http1.codec import Codec
    from trivet.transports.network.operation import Operation

# Up to this size head and content leave in one write, and before the server could object to the content.
_SMALL: Final = 65_536

_GO_AHEAD_TIME: Final = 1.0
"""Seconds that content waits for the server to want it, if the request expects that."""


class HTTP11Connection:
    """An open stream on which requests are sent one after the other.

    ``forwarding``: the proxy that the stream leads to, if it is to pass requests on; None: it leads to the origin.
    """

    __slots__ = (
        "_forwarding",
        "_go_ahead",
        "_interim",
        "_limits",
        "_lost",
        "_served",
        "_unwatched",
        "busy",
        "codec",
        "read_socket",
        "stream",
    )

    def __init__(self, stream: Any, codec: Codec, limits: Limits, forwarding: Forwarding | None = None) -> None:
        self.stream = stream
        self.codec = codec
        self._limits = limits
        self._forwarding = forwarding
        self.read_socket = ReadSocket(stream)
        self._served = False
        self._interim = 0
        self._go_ahead = False
        self._lost: Callable[[Connection], None] | None = None
        self._unwatched = False
        self.busy = False

    @property
    def capacity(self) -> int:
        """One request at a time."""
        return 1

    @property
    def leftover(self) -> bool:
        """There never is: a request that ends early takes its connection along."""
        return False

    @property
    def reusable(self) -> bool:
        """Whether the last exchange left it fit for another one (RFC 9112 §9.3)."""
        return self.codec.reusable

    def usable(self) -> bool:
        """Whether nothing can be read: neither the end of the stream nor bytes that answer no request."""
        return not self.stream.get_extra_info("is_readable")

    def watch(self, lost: Callable[[Connection], None]) -> None:
        """Call ``lost`` when something comes while no request is under way, if the stream can tell."""
        if hasattr(self.stream, "on_lost"):
            self._lost = lost
            self.stream.on_lost = self._stirred

    def _stirred(self) -> None:
        # A stream tells it once. While a response is being read it is nothing special.
        if self.busy:
            self._unwatched = True
        elif self._lost is not None:
            self._lost(self)

    def rest(self) -> None:
        """The exchange is over."""
        self.busy = False
        if self._unwatched:
            self._unwatched = False
            self.stream.on_lost = self._stirred

    def flush(self, operation: Operation) -> SocketFlow[None]:
        """There is nothing to be written."""
        return
        yield

    def send(self, request: Request, operation: Operation) -> SocketFlow[HTTP11Message]:
        """Send the request and receive the head of its response."""
        fields = framed_fields(request)
        target = request.url.target
        if self._forwarding is not None:
            target, fields = self._forwarding.apply(request, fields)
        content = request.content
        self.busy = True
        self._interim = 0
        self._go_ahead = False
        head: Head | None = None
        if isinstance(content, bytes) and len(content) <= _SMALL and not (content and "Expect" in request.headers):
            data = self.codec.message(request.method, target, fields, content)
            operation.begin_request(reused=self._served)
            yield WriteSocket(self.stream, data)
        else:
            head = yield from self._upload(request, target, fields, operation)
        while head is None:
            head = yield from self._hear(request, operation)
        operation.step = Step.CONTENT
        self._served = True
        return self._message(head)

    def _message(self, head: Head) -> HTTP11Message:
        codec = self.codec
        first = codec.content()
        if first is None:
            return HTTP11Message(self, head, None, b"")
        if not first:
            self.rest()
            return HTTP11Message(self, head, b"", b"")
        try:
            second = codec.content()
        except Exception as error:
            # What came before it is good, and whoever reads it gets it.
            return HTTP11Message(self, head, None, first, error)
        if second == b"":
            self.rest()
            return HTTP11Message(self, head, first, b"")
        return HTTP11Message(self, head, None, first if second is None else first + second)

    def _hear(self, request: Request, operation: Operation) -> SocketFlow[Head | None]:
        """Read once. The head of the response comes back if it is there then; interim ones are reported."""
        data: bytes = yield self.read_socket
        if data:
            operation.answered = True
        codec = self.codec
        codec.feed(data)
        while (head := codec.head()) is not None:
            if head.status >= 200:
                return head
            self._interim += 1
            self._go_ahead = self._go_ahead or head.status == 100
            report_interim(head, request, self._interim, self._limits)
        return None

    def _upload(
        self, request: Request, target: str, fields: list[tuple[bytes, bytes]], operation: Operation
    ) -> SocketFlow[Head | None]:
        """Send the content while listening: a server may refuse what it has not read yet (RFC 9112 §9.5).

        A head comes back if the server has answered for good before all was sent.
        """
        codec, content = self.codec, request.content
        head = None
        unsent = codec.begin(request.method, target, fields)
        expects = "Expect" in request.headers
        if expects or isinstance(content, bytes):
            operation.begin_request(reused=self._served)
            yield WriteSocket(self.stream, unsent)
            unsent = b""
        if expects:
            head = yield from self._await_go_ahead(request, operation)
        if head is not None:
            return head
        if not isinstance(content, bytes):
            return (yield from self._upload_stream(content, unsent, request, operation))
        head = yield from self._push(codec.chunk(content), request, operation)
        if head is None:
            codec.finish()
        return head

    def _upload_stream(
        self, content: Stream, unsent: bytes, request: Request, operation: Operation
    ) -> SocketFlow[Head | None]:
        """Send content that is produced meanwhile, after ``unsent``, the head.

        The head leaves with the first chunk: if there is none to be had, the server has seen nothing.
        """
        codec = self.codec
        chunks = content.open()
        operation.chunks = chunks
        while True:
            chunk: bytes | None = yield NextChunk(chunks, content.blocking)
            unsent += codec.finish() if chunk is None else codec.chunk(chunk)
            if operation.sent is False:
                operation.begin_request(reused=self._served)
            if unsent:
                head = yield from self._push(unsent, request, operation)
                if head is not None or chunk is None:
                    return head
            elif chunk is None:
                return None
            unsent = b""

    def _push(self, data: bytes, request: Request, operation: Operation) -> SocketFlow[Head | None]:
        """Write all of the data, unless an answer comes first."""
        while not (yield Upload(self.stream, data)):
            head = yield from self._hear(request, operation)
            if head is not None:
                return head
            data = b""  # the stream has kept what it could not send yet
        return None

    def _await_go_ahead(self, request: Request, operation: Operation) -> SocketFlow[Head | None]:
        """Hold back the content until the server wants it, but not for ever (RFC 9110 §10.1.1)."""
        limit = operation.limit
        operation.limit = min(limit, operation.monotonic() + _GO_AHEAD_TIME)
        head = None
        try:
            while head is None and not self._go_ahead:
                head = yield from self._hear(request, operation)
        except ReadTimeout:
            if operation.monotonic() >= limit:
                raise
        finally:
            operation.limit = limit
        return head


class HTTP11Message:
    """A response that is being received."""

    __slots__ = ("_ahead", "_connection", "_failure", "content", "head")

    def __init__(
        self,
        connection: HTTP11Connection,
        head: Head,
        content: bytes | None,
        ahead: bytes,
        failure: Exception | None = None,
    ) -> None:
        self._connection = connection
        self.head = head
        self.content = content
        self._ahead = ahead
        self._failure = failure

    def read(self, operation: Operation) -> SocketFlow[bytes]:
        """The next piece of the content; ``b""`` at the end."""
        if self._ahead:
            piece, self._ahead = self._ahead, b""
            return piece
        if self._failure is not None:
            raise self._failure
        connection = self._connection
        codec = connection.codec
        while (found := codec.content()) is None:
            codec.feed((yield connection.read_socket))
        if not found:
            connection.rest()
        return found

    def close(self, operation: Operation) -> SocketFlow[None]:
        """Take in what has arrived already: if that was all of it, the connection lives on."""
        if self._failure is None:
            codec = self._connection.codec
            while codec.content():
                pass
        self._connection.rest()
        return
        yield  # a generator, like its counterpart in HTTP/2
