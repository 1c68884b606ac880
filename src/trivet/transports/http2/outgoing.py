"""The content of a request on its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trivet.transports.flows.actions import NextChunk

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.transports.flows.actions import SocketFlow
    from trivet.transports.http2.session import Session
    from trivet.transports.http2.stream import Stream
    from trivet.transports.network.operation import Operation

_BATCH: Final = 65_536
"""How much is written at a time; between two writes comes a look at what the peer says."""


class Outgoing:
    """What is left to be sent. ``rest``: of the chunk at hand; ``last``: no other chunk follows."""

    __slots__ = ("_blocking", "_chunks", "last", "rest")

    def __init__(self, request: Request, operation: Operation) -> None:
        content = request.content
        self._chunks: Any = None
        self._blocking = False
        if isinstance(content, bytes):
            self.rest = memoryview(content)
            self.last = True
        else:
            self.rest = memoryview(b"")
            self.last = False
            # Whoever ends the operation closes it, which takes awaiting if it is asynchronous.
            self._chunks = operation.chunks = content.open()
            self._blocking = content.blocking

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return self.last and not self.rest

    def fill(self) -> SocketFlow[None]:
        """Get a chunk if none is at hand."""
        if not self.rest and not self.last:
            chunk = yield NextChunk(self._chunks, self._blocking)
            if chunk is None:
                self.last = True
            else:
                self.rest = memoryview(chunk)

    def send(self, session: Session, stream: Stream) -> None:
        """Queue as much as there is room for, and the end if that is all."""
        size = min(session.room(stream), _BATCH)
        if self.rest and size <= 0:
            return
        piece, self.rest = self.rest[:size], self.rest[size:]
        session.send_content(stream, piece, ended=self.empty)
