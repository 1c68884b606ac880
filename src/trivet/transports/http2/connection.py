"""HTTP/2 on one connection that several requests share, each a flow (RFC 9113)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from httpcore import WriteTimeout

from trivet.transports.flows.responses import report_interim
from trivet.transports.http2.fields import request_fields
from trivet.transports.http2.outgoing import Outgoing
from trivet.transports.http2.session import Session
from trivet.transports.http2.wire import Wire
from trivet.transports.network.operation import Step

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.core.limits import Limits
    from trivet.transports.flows.actions import SocketFlow, Waiter
    from trivet.transports.flows.connection import Connection, Head
    from trivet.transports.http2.stream import Stream
    from trivet.transports.network.operation import Operation


class HTTP2Connection:
    """An open stream on which requests are sent side by side.

    ``new_waiter`` makes what a flow waits on; ``on_resize`` is told when the capacity changes. No request harms
    another: one that is cancelled or times out gives up its own stream only. What fails all of them is a broken
    connection, and a peer that breaks rules that the streams share.
    """

    __slots__ = ("_limits", "_session", "_wire", "stream")

    def __init__(
        self,
        stream: Any,
        limits: Limits,
        new_waiter: Callable[[], Waiter],
        on_resize: Callable[[int], None],
    ) -> None:
        self.stream = stream
        self._limits = limits
        self._session = Session(limits)
        self._wire = Wire(stream, self._session, limits, new_waiter, on_resize)

    @property
    def capacity(self) -> int:
        """How many requests it can carry at a time: 100, or less if the peer says so; 0 once it takes no more."""
        return self._session.capacity

    @property
    def reusable(self) -> bool:
        """Whether it may carry another request."""
        return self._session.accepts

    def usable(self) -> bool:
        """Whether it looks fit for a request.

        That something can be read is no reason against it, since a PING may be waiting. If it is the end, the next
        request finds that out before it is sent.
        """
        return self._session.accepts

    def watch(self, lost: Callable[[Connection], None]) -> None:
        """Frames may come at any time, and mean nothing bad; the end is found when the next request is sent."""

    @property
    def leftover(self) -> bool:
        """Whether something waits to be written, and nobody writes."""
        return self._wire.may_flush

    def flush(self, operation: Operation) -> SocketFlow[None]:
        """Write what waits to be written, if nobody else does.

        Whoever ends a request early runs this with a short deadline, best at once: the reset of its stream is told
        then, and what is left of an interrupted write goes out. Otherwise both wait for the next write, which is not
        to come as long as the others only wait for an answer, or for room that the peer would give for the rest.
        """
        if self._wire.may_flush:
            yield from self._wire.flush(operation)

    def send(self, request: Request, operation: Operation) -> SocketFlow[HTTP2Message]:
        """Send the request and receive the head of its response."""
        session, wire = self._session, self._wire
        fields = request_fields(request)
        stream: Stream | None = None
        message: HTTP2Message | None = None
        try:
            outgoing = Outgoing(request, operation)
            yield from outgoing.fill()
            yield from wire.refresh(operation)
            yield from wire.turn(operation)
            session.check_room()
            operation.begin_request(reused=session.answered)
            stream = session.open(request.method, fields, operation, ended=outgoing.empty)
            if stream.sending:
                outgoing.send(session, stream)
            yield from wire.flush(operation)
            if stream.sending:
                yield from self._upload(stream, outgoing, request, operation)
            head = yield from self._receive_head(stream, request, operation)
            operation.step = Step.CONTENT
            # What the peer waits for, such as the acknowledgement of its settings, may find no other occasion.
            yield from self.flush(operation)
            message = HTTP2Message(session, wire, stream, head)
            return message
        except Exception as error:
            if stream is not None:
                wire.suspect(error, operation, stream.received_before)
            raise
        finally:
            if message is None:
                if stream is not None:
                    session.drop(stream)
                wire.hand_over()

    def _upload(self, stream: Stream, outgoing: Outgoing, request: Request, operation: Operation) -> SocketFlow[None]:
        """Send the content as the windows allow (RFC 9113 §5.2), until the peer wants no more of it."""
        session, wire = self._session, self._wire

        def may_go_on() -> bool:
            return session.room(stream) > 0 or stream.refuses_content or bool(stream.interim) or wire.muted

        while stream.sending and not stream.refuses_content and not wire.muted:
            self._report_interim(stream, request)
            yield from outgoing.fill()
            if outgoing.rest and session.room(stream) <= 0:
                yield from wire.await_news(may_go_on, operation, WriteTimeout)
                continue
            yield from wire.turn(operation)
            if stream.sending and not stream.refuses_content:
                outgoing.send(session, stream)
                yield from wire.flush(operation)
            yield from wire.peek(operation)

    def _receive_head(self, stream: Stream, request: Request, operation: Operation) -> SocketFlow[Head]:
        while True:
            self._report_interim(stream, request)
            if stream.head is not None:
                return stream.head
            stream.check(operation)
            yield from self._wire.await_news(lambda: stream.has_head_news, operation)

    def _report_interim(self, stream: Stream, request: Request) -> None:
        while stream.interim:
            stream.interim_reported += 1
            report_interim(stream.interim.popleft(), request, stream.interim_reported, self._limits)


class HTTP2Message:
    """A response that is being received."""

    __slots__ = ("_session", "_stream", "_wire", "content", "head")

    def __init__(self, session: Session, wire: Wire, stream: Stream, head: Head) -> None:
        self._session = session
        self._wire = wire
        self._stream = stream
        self.head = head
        complete = stream.over and stream.failure is None
        self.content: bytes | None = stream.take_content() if complete else None

    def read(self, operation: Operation) -> SocketFlow[bytes]:
        """The next piece of the content; ``b""`` at the end."""
        stream, session, wire = self._stream, self._session, self._wire
        stream.operation = operation
        received_before = session.received
        done = False
        try:
            yield from wire.await_news(lambda: stream.has_content_news, operation)
            content = b""
            if stream.chunks:
                content = stream.take_content()
                session.consume(stream, len(content))
                if wire.may_flush:
                    # The caller may take its time, and the peer could send more meanwhile.
                    yield from wire.flush(operation)
            else:
                stream.check(operation)
            done = True
        except Exception as error:
            wire.suspect(error, operation, received_before)
            raise
        finally:
            if not done:
                session.drop(stream)
                wire.hand_over()
        return content

    def close(self, operation: Operation) -> SocketFlow[None]:
        """Let go of what was not read: the peer is told so if that is possible now, or else with what is sent next."""
        wire = self._wire
        self._session.drop(self._stream)
        wire.notify()
        if wire.may_flush:
            yield from wire.flush(operation)
