"""Bodies that are read through a flow: what stands between a caller who reads and the transport, or a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.exchange.actions import CloseBody, ReadBody
from trivet.core.http.coding import make_decoder

if TYPE_CHECKING:
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.coding import Decoder
    from trivet.core.http.response import Response


class FlowBody:
    """A body whose pieces come out of a flow. A policy may put one into ``Response.body``.

    ``handle``: the transport's body beneath it, for which the exchange answers; None if there is none.
    ``decoded``: whether its pieces come without the content codings that the response's fields name.
    """

    __slots__ = ()

    decoded: bool = False

    @property
    def handle(self) -> object | None:
        """The transport's body beneath."""
        return None

    def read(self, deadline: float) -> Flow[bytes]:
        """The next piece; ``b""`` at the end. After the end, and after an error, nothing is left to be released."""
        raise NotImplementedError

    def release(self) -> object | None:
        """Let go of it before its end, without waiting for anything; return the transport's body to be closed."""
        raise NotImplementedError


def read_body(body: object, deadline: float) -> Flow[bytes]:
    """Read the next piece of a body of either kind."""
    return body.read(deadline) if isinstance(body, FlowBody) else ReadBody(body, deadline).__iter__()


def close_body(body: object) -> Flow[None]:
    """Let go of a body of either kind."""
    handle = handle_to_close(body)
    if handle is not None:
        yield from CloseBody(handle)


def handle_to_close(body: object) -> object | None:
    """Let go of a body of either kind as far as nothing waits; what the transport is still to close, if anything."""
    return body.release() if isinstance(body, FlowBody) else body


def body_decoder(response: Response, max_codings: int) -> Decoder | None:
    """What undoes the content codings in which the pieces of the response's body come, if they come in any."""
    body = response.body
    return None if isinstance(body, FlowBody) and body.decoded else make_decoder(response.headers, max_codings)
