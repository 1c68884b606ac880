"""Performing the network actions over a synchronous pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from trivet.core.errors import RemoteProtocolError
from trivet.core.limits import Limits
from trivet.transports.content import ContentFailed
from trivet.transports.failures import explain
from trivet.transports.httpcore_pool.content import SyncContent
from trivet.transports.httpcore_pool.messages import (
    OpenBody,
    begin,
    head_problem,
    outgoing,
    received,
    timeouts_of,
)
from trivet.transports.network.operation import Step, current_operation

if TYPE_CHECKING:
    from trivet.core.exchange.actions import ReadBody, SendRequest
    from trivet.core.http.response import Response
    from trivet.transports.httpcore_pool.pools import GivenPool, SyncPools
    from trivet.transports.protocol import Monotonic


class SyncCalls:
    """The half of the transport that threads use."""

    __slots__ = ("_limits", "pools")

    def __init__(self, pools: SyncPools | GivenPool, limits: Limits) -> None:
        self.pools = pools
        self._limits = limits

    def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """See `Transport.send`."""
        request = action.request
        operation = begin(action, monotonic)
        pool = self.pools.get(request.url)
        timeouts = timeouts_of(operation)
        content = SyncContent(request.content)
        message = outgoing(self.pools.engine, request, content, timeouts)
        failed: Exception | None = None
        incoming: Any = None
        token = current_operation.set(operation)
        try:
            incoming = pool.handle_request(message)
        except ContentFailed as failure:
            failed = failure.error
        except Exception as error:
            known = explain(error, operation)
            if known is None:
                raise
            raise known from error
        finally:
            current_operation.reset(token)
            content.close()
            if operation.opened is not None:
                operation.opened.close()
        if failed is not None:
            # Raised here, where no other exception is being handled, it gets no context that is not its own.
            try:
                raise failed
            finally:
                del failed
        body = OpenBody(incoming, iter(incoming.stream), operation, timeouts)
        problem = head_problem(incoming, self._limits)
        if problem is not None:
            self.close_body(body)
            raise RemoteProtocolError(problem, sent=True)
        operation.step = Step.CONTENT
        return received(incoming, request, body)

    def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """See `Transport.read`."""
        body = cast(OpenBody, action.body)
        body.begin_read(action.deadline, monotonic)
        token = current_operation.set(body.operation)
        try:
            for chunk in body.chunks:
                if chunk:
                    body.readable = True
                    return cast(bytes, chunk)
            body.incoming.close()
            body.readable = body.released = True
        except Exception as error:
            known = explain(error, body.operation)
            if known is None:
                raise
            raise known from error
        finally:
            current_operation.reset(token)
        return b""

    def close_body(self, body: object) -> None:
        """See `Transport.close_body`."""
        if not isinstance(body, OpenBody) or not body.release():
            return
        token = current_operation.set(body.operation)
        try:
            if body.may_run_out():
                for _ in body.chunks:
                    pass
            body.incoming.close()
        except Exception as error:
            # That the connection broke is nothing to a body that nobody wants.
            if explain(error, body.operation) is None:
                raise
        finally:
            current_operation.reset(token)
