"""The half of the transport that threads call."""

from __future__ import annotations

import weakref
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from trivet.transports.flows.calls import OpenBody, send
from trivet.transports.forks import generation
from trivet.transports.network.operation import Operation
from trivet.transports.network.sockets import SocketBackend
from trivet.transports.runners.sync import SyncRunner

if TYPE_CHECKING:
    from trivet.core.exchange.actions import ReadBody, SendRequest
    from trivet.core.http.response import Response
    from trivet.transports.flows.lane import Lane
    from trivet.transports.options import ConnectionOptions
    from trivet.transports.protocol import Monotonic


class SyncHalf:
    """Calls of any number of threads, on the connections of one lane."""

    __slots__ = ("__weakref__", "_finalizer", "_generation", "_lane", "_lock", "_runner")

    def __init__(self, options: ConnectionOptions, backend: Any) -> None:
        self._runner = SyncRunner(backend or SocketBackend(), options)
        self._lane: Lane | None = None
        self._lock = Lock()
        self._generation = generation.number
        self._finalizer: Any = None

    def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """See `Transport.send`."""
        operation = Operation(action.deadline, monotonic, action.connect_timeout)
        lane = self._lane
        if lane is None or self._generation != generation.number:
            lane = self._enter()
        return self._runner.run(send(lane, action.request, operation, action.content_welcome), operation)

    def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """See `Transport.read`."""
        body = cast(OpenBody, action.body)
        piece: bytes = body.lane.runtime.run(body.read(action.deadline, monotonic), body.operation)
        return piece

    def close_body(self, body: object) -> None:
        """See `Transport.close_body`."""
        if isinstance(body, OpenBody):
            body.lane.runtime.run(body.close(), body.operation)

    def close(self) -> None:
        """See `Transport.close`."""
        lane, self._lane = self._lane, None
        if lane is not None:
            self._finalizer.detach()
            lane.close()

    def _enter(self) -> Lane:
        if self._generation != generation.number:
            # The child of a fork: somebody may have held a lock at that moment.
            self._lock = Lock()
            inherited, self._lane = self._lane, None
            self._generation = generation.number
            if inherited is not None:
                self._finalizer.detach()
                inherited.disown()
        with self._lock:
            lane = self._lane
            if lane is None:
                lane = self._runner.make_lane()
                # A client that nobody closed closes its connections when it is collected, or at the end of the program.
                self._finalizer = weakref.finalize(self, _close_left_over, lane, generation.number)
                self._lane = lane
        return lane


def _close_left_over(lane: Lane, made_in: int) -> None:
    if made_in == generation.number:
        lane.close()
    else:
        lane.disown()
