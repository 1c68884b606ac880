"""A transport that plays a script: for tests of decisions, with no network and no time."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from trivet.core.errors import AttemptTimeout
from trivet.core.exchange.actions import ReadBody, SendRequest
from trivet.core.http.headers import HeadersInput
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.testing.clock import VirtualClock
from trivet.transports.protocol import Monotonic


@dataclass(frozen=True)
class After:
    """A reply, or a piece, that takes ``seconds`` of virtual time; beyond the deadline it becomes an `AttemptTimeout`."""

    seconds: float
    reply: Reply | bytes


@dataclass(frozen=True)
class Streamed:
    """A response whose content is read piece by piece; a piece may be an error, or take time (`After`)."""

    status: int
    headers: HeadersInput = ()
    pieces: Sequence[bytes | Exception | After] = ()


Reply: TypeAlias = "Response | Streamed | Exception | After | Callable[[Request], Reply]"


class ScriptedTransport:
    """Answers each request with the next reply of its script; the last one is repeated when it is ``forever``.

    ``requests`` are those it was sent; ``open`` the bodies that nobody has released.

    >>> import trivet
    >>> transport = ScriptedTransport(Response(503), Response(200, content=b"[1, 2]"))
    >>> with trivet.Client("https://api.example.com", transport=transport) as client:
    ...     client.get("/numbers", retry=trivet.Retry(backoff=trivet.Backoff(base=0)))
    [1, 2]
    >>> len(transport.requests)
    2
    """

    def __init__(self, *replies: Reply, clock: VirtualClock | None = None, forever: bool = False) -> None:
        self._script = deque(replies)
        self._clock = clock
        self._forever = forever
        self.requests: list[Request] = []
        self.open: dict[object, deque[bytes | Exception | After]] = {}
        self.closed = 0

    def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """Play the next reply."""
        self.requests.append(action.request)
        if not self._script:
            raise AssertionError(f"the script has no reply to {action.request!r}")
        reply = self._script[0] if self._forever and len(self._script) == 1 else self._script.popleft()
        return self._play(reply, action)

    def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """Give the next piece."""
        pieces = self.open[action.body]
        piece: object = pieces.popleft() if pieces else b""
        try:
            while isinstance(piece, After):
                self._spend(piece.seconds, action.deadline)
                piece = piece.reply
            if isinstance(piece, Exception):
                raise piece
        except Exception:
            del self.open[action.body]
            raise
        assert isinstance(piece, bytes)
        if not piece:
            del self.open[action.body]
        return piece

    def close_body(self, body: object) -> None:
        """Release a body."""
        self.open.pop(body, None)

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    async def asend(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """Play the next reply."""
        return self.send(action, monotonic)

    async def aread(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """Give the next piece."""
        return self.read(action, monotonic)

    async def aclose_body(self, body: object) -> None:
        """Release a body."""
        self.close_body(body)

    async def aclose(self) -> None:
        """Count it."""
        self.close()

    def _play(self, reply: Reply | bytes, action: SendRequest) -> Response:
        while not isinstance(reply, Response):
            if isinstance(reply, After):
                self._spend(reply.seconds, action.deadline)
                reply = reply.reply
            elif isinstance(reply, Streamed):
                body = object()
                self.open[body] = deque(reply.pieces)
                return Response(reply.status, reply.headers, body=body)
            elif isinstance(reply, Exception):
                raise reply
            elif isinstance(reply, bytes):
                raise AssertionError("bytes are a piece of a Streamed, not a reply to a request")
            else:
                reply = reply(action.request)
        # The core fills a response in, so each attempt gets one of its own.
        return copy.copy(reply)

    def _spend(self, seconds: float, deadline: float) -> None:
        if self._clock is None:
            raise AssertionError("a reply that takes time needs ScriptedTransport(clock=VirtualClock())")
        if not self._clock.spend(seconds, deadline):
            raise AttemptTimeout(f"no answer in time (it would have taken {seconds:g} s)", sent=True)
