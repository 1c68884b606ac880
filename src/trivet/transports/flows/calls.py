"""The three network actions of the core, as flows: send a request, read its content, let go of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from httpcore import PoolTimeout

from trivet.core.errors import AttemptTimeout, InvalidRequest, LocalProtocolError
from trivet.core.pool import OpenConnection, UseConnection
from trivet.transports.content import ContentFailed
from trivet.transports.failures import explain
from trivet.transports.flows.actions import Wait
from trivet.transports.flows.lane import Lane, Ticket, closed_error, warn_of_abandoned
from trivet.transports.flows.responses import make_response
from trivet.transports.network.operation import Operation

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response
    from trivet.core.http.url import URL
    from trivet.transports.flows.actions import SocketFlow
    from trivet.transports.flows.connection import Connection, Message
    from trivet.transports.flows.routes import Route
    from trivet.transports.protocol import Monotonic

CLOSE_GRACE: Final = 1.0
"""Seconds that saying goodbye to a stream of a shared connection may take."""


class OpenBody:
    """The handle of a body that is still to be read. One that is dropped unread gives its connection back."""

    __slots__ = ("_ahead", "_connection", "_ended", "_message", "_readable", "_released", "_url", "lane", "operation")

    def __init__(self, lane: Lane, connection: Connection, message: Message, operation: Operation, url: URL) -> None:
        self.lane = lane
        self._connection = connection
        self._message = message
        self._ahead = message.content or b""
        self.operation = operation
        self._url = url
        self._readable = True
        self._ended = False
        self._released = False

    def read(self, deadline: float, monotonic: Monotonic) -> SocketFlow[bytes]:
        """The next piece; ``b""`` at the end, upon which the connection is free again."""
        if self._ended:
            return b""
        if self._ahead and self._readable:
            ahead, self._ahead = self._ahead, b""
            return ahead
        if not self._readable:
            raise LocalProtocolError("this body cannot be read: it is closed, or another read has failed or goes on")
        self._readable = False
        operation = self.operation
        operation.monotonic = monotonic
        operation.extend(deadline)
        piece = b""
        try:
            piece = yield from self._message.read(operation)
            self._readable = True
            self._ended = not piece
        except Exception as error:
            raise_explained(error, operation)
        finally:
            if not piece:
                self._release()
        return piece

    def close(self) -> SocketFlow[None]:
        """Let go of what was not read. A second time does nothing."""
        if self._released:
            return
        self._readable = False
        operation = self.operation
        operation.extend(operation.monotonic() + CLOSE_GRACE)
        try:
            yield from self._message.close(operation)
        except Exception as error:
            # That the connection broke is nothing to a body that nobody wants.
            if explain(error, operation) is None:
                raise
        finally:
            self._release()

    def _release(self) -> None:
        if not self._released:
            self._released = True
            self._readable = False
            self.lane.release(self._connection)

    def __repr__(self) -> str:
        return f"<content of {self._url.redacted}>"

    def __del__(self) -> None:
        if not self._released:
            self._released = True
            self.lane.abandon(self._connection)
            warn_of_abandoned(self)  # which raises if warnings are errors


def send(lane: Lane, request: Request, operation: Operation, welcome: int) -> SocketFlow[Response]:
    """Send a request on a connection that is free, or on a new one; return the head of its response.

    Content that came along with the head is in the response already, up to ``welcome`` bytes and unless it has a
    coding that is still to be removed.
    """
    operation.sent = False
    if request.method == "CONNECT":
        raise InvalidRequest("a tunnel is opened with the proxy setting, not with CONNECT")
    if operation.time_left() <= 0:
        raise AttemptTimeout("no time was left to send the request", sent=False)
    connection: Connection | None = None
    message: Message | None = None
    failed: Exception | None = None
    try:
        connection = yield from _acquire(lane, lane.routes.find(request.url), operation)
        message = yield from connection.send(request, operation)
    except ContentFailed as failure:
        failed = failure.error
    except Exception as error:
        operation.stale = operation.reused and not operation.answered
        raise_explained(error, operation)
    finally:
        if message is None and connection is not None:
            lane.release(connection)
    if failed is not None:
        # Raised here, where no other exception is being handled, it gets no context that is not its own.
        try:
            raise failed
        finally:
            del failed
    assert connection is not None
    assert message is not None
    content = message.content
    if content is not None and len(content) <= welcome:
        response = make_response(message.head, request, content, None)
        if not content or "Content-Encoding" not in response.headers:
            lane.release(connection)
            return response
    body = OpenBody(lane, connection, message, operation, request.url)
    return make_response(message.head, request, None, body)


def raise_explained(error: Exception, operation: Operation) -> NoReturn:
    """Raise what the transport's user is to see of an error."""
    known = explain(error, operation)
    if known is None:
        raise error
    raise known from error


def _acquire(lane: Lane, route: Route, operation: Operation) -> SocketFlow[Connection]:
    while True:
        ticket = Ticket()
        lane.acquire(route.key, ticket, route.shared)
        granted = ticket.granted
        if granted is None:
            granted = yield from _wait(lane, ticket)
        if isinstance(granted, OpenConnection):
            return (yield from _open(lane, route, granted, operation))
        connection = granted.connection
        # It refers back to the ticket: without this line every call would leave work for the garbage collector.
        ticket.granted = None
        if connection.usable():
            return connection
        lane.release(connection, fit=False)


def _wait(lane: Lane, ticket: Ticket) -> SocketFlow[UseConnection[Ticket, Connection] | OpenConnection[Ticket]]:
    assert ticket.waiter is not None
    granted = None
    try:
        if not (yield Wait(ticket.waiter)):
            raise PoolTimeout
        granted = ticket.granted
        if granted is None:
            raise closed_error()
        return granted
    finally:
        if granted is None:
            lane.give_up(ticket)


def _open(lane: Lane, route: Route, opening: OpenConnection[Ticket], operation: Operation) -> SocketFlow[Connection]:
    opened = False
    try:
        connection = yield from lane.opener.open(route, operation, lane.resized)
        opened = True
    finally:
        if not opened:
            lane.failed(opening)
    lane.connected(opening, connection)
    granted = opening.ticket.granted
    if granted is None or isinstance(granted, OpenConnection):
        raise closed_error()
    return granted.connection
