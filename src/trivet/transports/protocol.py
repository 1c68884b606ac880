"""What a transport is: the part of Trivet that moves bytes, and all that you write to bring another engine.

A transport performs the three network actions of `trivet.core` for a driver: it sends a request and returns
the head of the response, reads the content piece by piece, and lets go of content that nobody wants. It
decides nothing: no retries, no redirects, no decoding of content codings, no status that is an error.

**Deadlines.** An action carries its ``deadline`` on the clock ``monotonic``, which the driver hands over with
it (``math.inf``: none). Everything the transport waits for is cut off there: a free connection, name
resolution, connecting, the TLS handshake, each single write and each single read. A server that sends one byte
a second must not outlive the deadline by its last read. ``SendRequest.connect_timeout`` bounds opening a
connection, from resolving the name to the end of the TLS handshake, on top of that.

**Errors.** What goes wrong is raised as one of these, and as nothing else:

- `ConnectError` if there is no connection: the name, the route, the refusal, the certificate, the proxy;
  `ConnectTimeout` if there was none in time;
- `WriteError` and `ReadError` if the connection broke;
- `RemoteProtocolError` if the peer broke the rules, closed in the middle of a message, or sent a head beyond
  `Limits.max_header_bytes` or `Limits.max_fields`;
- `AttemptTimeout` if the deadline came first, whatever was being waited for;
- `InvalidRequest` if this transport cannot send such a request, before anything of it was sent.

An exception that the request's own content raises while it is produced propagates as it is. Cancellation
(``BaseException``) passes through, too; either way the connection is not used again.

**sent.** `TransportError.sent` and `AttemptTimeout.sent` say whether the server may have seen any byte of the
request. A retry of a request that is not idempotent depends on it, so say False only when you know.

**stale.** `TransportError.stale` says that a connection that had served a response before was closed by the
peer before the first byte of this one. Such a request is sent again at once.

**Releasing.** The handle in ``Response.body`` is any hashable object of your own; the driver only hands it
back. The transport releases it by itself when it was read to the end (``b""`` was returned) and when reading
it failed. Otherwise the driver calls ``close_body``, perhaps for a body that is released already: a second
release does nothing. Afterwards the connection is either fit for the next request or closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from trivet.core.exchange.actions import ReadBody, SendRequest
    from trivet.core.http.response import Response

Monotonic: TypeAlias = Callable[[], float]
"""A clock in seconds that never goes back, in whose time deadlines are given."""


class Transport(Protocol):
    """A transport for the sync driver. Called from any number of threads at once."""

    def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """Send the request; return the head of its response with the open ``body``, or with ``body=None`` and the
        content in it.

        1xx responses go to ``Request.on_interim``; the one that is returned is the final one.
        """
        ...

    def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """The next piece of the body as it came off the wire, of whatever size; ``b""`` at the end."""
        ...

    def close_body(self, body: object) -> None:
        """Release a body that was not read to the end, without waiting for the peer."""
        ...

    def close(self) -> None:
        """Close the connections. The transport may be used again, and then opens new ones."""
        ...


class AsyncTransport(Protocol):
    """A transport for the asyncio and the trio driver. Called from any number of tasks at once.

    The methods are those of `Transport`. Any of them may be cancelled at any await, and has freed what it held
    before the cancellation leaves it.
    """

    async def asend(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """See `Transport.send`."""
        ...

    async def aread(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """See `Transport.read`."""
        ...

    async def aclose_body(self, body: object) -> None:
        """See `Transport.close_body`. It is called also in a task that is being cancelled, and ends soon."""
        ...

    async def aclose(self) -> None:
        """See `Transport.close`."""
        ...
