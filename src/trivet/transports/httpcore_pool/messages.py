"""Between Trivet's requests and responses and those of httpcore."""

from __future__ import annotations

import sys
from math import inf
from typing import TYPE_CHECKING, Any

from trivet.core.errors import AttemptTimeout, InvalidRequest, LocalProtocolError
from trivet.core.http.framing import framed_fields
from trivet.core.http.headers import Headers
from trivet.core.http.response import Response
from trivet.core.limits import Limits
from trivet.transports.network.operation import Operation

if TYPE_CHECKING:
    from trivet.core.exchange.actions import SendRequest
    from trivet.core.http.request import Request
    from trivet.transports.httpcore_pool.content import AsyncContent, SyncContent
    from trivet.transports.protocol import Monotonic


class OpenBody:
    """The handle of a body: the response of the pool, and the iterator over its content.

    ``readable``: no read is under way, none has failed, and the body was not closed. An iterator that failed is at
    its end, which must not be taken for the end of the content.
    """

    __slots__ = ("chunks", "incoming", "operation", "readable", "released", "timeouts")

    def __init__(self, incoming: Any, chunks: Any, operation: Operation, timeouts: dict[str, float | None]) -> None:
        self.incoming = incoming
        self.chunks = chunks
        self.operation = operation
        self.timeouts = timeouts
        self.readable = True
        self.released = False

    def begin_read(self, deadline: float, monotonic: Monotonic) -> None:
        """Give the next read its deadline; the body is not readable until that read has succeeded."""
        if not self.readable:
            raise LocalProtocolError("this body cannot be read: it is closed, or another read has failed or goes on")
        self.readable = False
        operation = self.operation
        operation.monotonic = monotonic
        operation.extend(deadline)
        # Only a pool without our backends needs it, and it looks only before the first read.
        self.timeouts["read"] = _seconds(operation.time_left())

    def release(self) -> bool:
        """Note that the body is let go of, which is to be done once; False if it was already, or read to its end."""
        if self.released:
            return False
        self.released = True
        self.readable = False
        return True

    def may_run_out(self) -> bool:
        """Prepare to let go of the body: whether its iterator can be run to its end without waiting.

        What one read of the socket has brought already then comes out, and the next read fails at once, upon which
        httpcore closes the connection; a body that has arrived as a whole leaves it open. Over HTTP/2 the socket
        belongs to other requests as well, and in a pool without our backends nobody would make the read fail.

        It also ends the generators that httpcore nests over the content. Closing the outermost, as httpcore
        does, leaves the others to the garbage collector: late under asyncio, and with a warning under trio.
        """
        version: bytes = self.incoming.extensions.get("http_version", b"")
        if not (self.operation.sent and version.startswith(b"HTTP/1")):
            return False
        self.operation.expire()
        return True


def engine_of(pool: Any) -> Any:
    """The library that a pool is from, which makes the requests that the pool understands."""
    for kind in type(pool).__mro__:
        library = sys.modules.get(kind.__module__.partition(".")[0])
        if hasattr(library, "ConnectionPool") and hasattr(library, "Request"):
            return library
    import httpcore

    return httpcore


def begin(action: SendRequest, monotonic: Monotonic) -> Operation:
    """The operation for a request. Raises `InvalidRequest` for one that cannot be sent here."""
    request = action.request
    if request.on_interim is not None:
        raise InvalidRequest("on_interim is set, but HTTPCoreTransport cannot report interim responses")
    if request.method == "CONNECT":
        raise InvalidRequest("a tunnel is opened with the proxy setting, not with CONNECT")
    operation = Operation(action.deadline, monotonic, action.connect_timeout)
    operation.peer = request.url.authority
    if operation.time_left() <= 0:
        raise AttemptTimeout("no time was left to send the request", sent=False)
    return operation


def timeouts_of(operation: Operation) -> dict[str, float | None]:
    """Timeouts in the form of httpcore's extension. Our backends cut them to the time that is left by then."""
    left = _seconds(operation.time_left())
    connect = operation.connect_timeout
    if connect is None or (left is not None and left < connect):
        connect = left
    return {"connect": connect, "read": left, "write": left, "pool": left}


def outgoing(
    engine: Any, request: Request, content: SyncContent | AsyncContent, timeouts: dict[str, float | None]
) -> Any:
    """The request for the pool."""
    url = request.url
    return engine.Request(
        method=request.method,
        url=engine.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
        headers=framed_fields(request),
        content=content,
        extensions={"timeout": timeouts},
    )


def head_problem(incoming: Any, limits: Limits) -> str | None:
    """What is wrong with the head of a response."""
    if incoming.status < 200:
        # Nobody asked for another protocol, so the server may not switch to one (RFC 9110 §15.2.2).
        return f"the server answered with an interim status, {incoming.status}, as if it were the last"
    fields = incoming.headers
    if len(fields) > limits.max_fields:
        return (
            f"the head of the response has {len(fields)} fields; Limits(max_fields={limits.max_fields}) allows no more"
        )
    # Four bytes for the colon, the space and the end of a line.
    size = sum([len(name) + len(value) for name, value in fields]) + 4 * len(fields)
    if size > limits.max_header_bytes:
        return (
            f"the head of the response has {size} bytes; "
            f"Limits(max_header_bytes={limits.max_header_bytes}) allows no more"
        )
    return None


def received(incoming: Any, request: Request, body: OpenBody) -> Response:
    """The response for the exchange, with its body open."""
    extensions = incoming.extensions
    return Response(
        incoming.status,
        Headers.from_raw(incoming.headers),
        None,
        reason=extensions.get("reason_phrase", b"").decode("latin-1"),
        http_version=extensions.get("http_version", b"HTTP/1.1").decode("ascii", "replace"),
        request=request,
        body=body,
    )


def _seconds(left: float) -> float | None:
    return None if left == inf else left
