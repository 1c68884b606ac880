"""Performing the network actions over an asynchronous pool, under asyncio and trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from trivet.core.errors import RemoteProtocolError
from trivet.core.limits import Limits
from trivet.transports.content import ContentFailed
from trivet.transports.failures import explain
from trivet.transports.httpcore_pool.content import AsyncContent
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
    from trivet.transports.httpcore_pool.pools import AsyncGivenPool, AsyncPools
    from trivet.transports.protocol import Monotonic


class AsyncCalls:
    """The half of the transport that tasks use."""

    __slots__ = ("_limits", "pools")

    def __init__(self, pools: AsyncPools | AsyncGivenPool, limits: Limits) -> None:
        self.pools = pools
        self._limits = limits

    async def send(self, action: SendRequest, monotonic: Monotonic) -> Response:
        """See `AsyncTransport.asend`."""
        request = action.request
        operation = begin(action, monotonic)
        pool = await self.pools.get(request.url)
        timeouts = timeouts_of(operation)
        content = AsyncContent(request.content)
        message = outgoing(self.pools.engine, request, content, timeouts)
        failed: Exception | None = None
        incoming: Any = None
        token = current_operation.set(operation)
        try:
            incoming = await pool.handle_async_request(message)
        except ContentFailed as failure:
            failed = failure.error
        except Exception as error:
            known = explain(error, operation)
            if known is None:
                raise
            raise known from error
        finally:
            current_operation.reset(token)
            try:
                await content.aclose()
            finally:
                if operation.opened is not None:
                    await operation.opened.aclose()
        if failed is not None:
            # Raised here, where no other exception is being handled, it gets no context that is not its own.
            try:
                raise failed
            finally:
                del failed
        body = OpenBody(incoming, incoming.stream.__aiter__(), operation, timeouts)
        problem = head_problem(incoming, self._limits)
        if problem is not None:
            await self.close_body(body)
            raise RemoteProtocolError(problem, sent=True)
        operation.step = Step.CONTENT
        return received(incoming, request, body)

    async def read(self, action: ReadBody, monotonic: Monotonic) -> bytes:
        """See `AsyncTransport.aread`."""
        body = cast(OpenBody, action.body)
        body.begin_read(action.deadline, monotonic)
        token = current_operation.set(body.operation)
        try:
            async for chunk in body.chunks:
                if chunk:
                    body.readable = True
                    return cast(bytes, chunk)
            await body.incoming.aclose()
            body.readable = body.released = True
        except Exception as error:
            known = explain(error, body.operation)
            if known is None:
                raise
            raise known from error
        finally:
            current_operation.reset(token)
        return b""

    async def close_body(self, body: object) -> None:
        """See `AsyncTransport.aclose_body`."""
        if not isinstance(body, OpenBody) or not body.release():
            return
        token = current_operation.set(body.operation)
        try:
            if body.may_run_out():
                async for _ in body.chunks:
                    pass
            elif hasattr(body.chunks, "aclose"):
                await body.chunks.aclose()
            await body.incoming.aclose()
        except Exception as error:
            # That the connection broke is nothing to a body that nobody wants.
            if explain(error, body.operation) is None:
                raise
        finally:
            current_operation.reset(token)
