"""From the heads that connections receive to the responses that the core works with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.errors import RemoteProtocolError
from trivet.core.http.headers import Headers
from trivet.core.http.response import Response
from trivet.transports.content import ContentFailed

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.core.limits import Limits
    from trivet.transports.flows.connection import Head


def make_response(head: Head, request: Request, content: bytes | None, body: object | None) -> Response:
    """The response for the exchange: complete, or with its body open."""
    return Response(
        head.status,
        Headers.from_raw(head.fields),
        content,
        reason=head.reason.decode("latin-1"),
        http_version=head.version,
        request=request,
        body=body,
    )


def report_interim(head: Head, request: Request, number: int, limits: Limits) -> None:
    """Hand an interim response to whoever asked for it (RFC 9110 §15.2), the ``number``-th of this request.

    Raises `RemoteProtocolError` beyond ``limits.max_interim``: a server that goes on so never answers.
    """
    if number > limits.max_interim:
        raise RemoteProtocolError(
            f"the server sent {number} interim responses; Limits(max_interim={limits.max_interim}) allows no more",
            sent=True,
        )
    if request.on_interim is not None:
        try:
            request.on_interim(make_response(head, request, b"", None))
        except Exception as error:
            raise ContentFailed(error) from error
