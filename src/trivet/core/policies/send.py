"""The inner end of every pipeline: send the request, read the content."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from trivet.core.errors import AttemptTimeout, DecodingError, ResponseTooLarge, TransportError
from trivet.core.exchange.actions import SendRequest
from trivet.core.exchange.bodies import body_decoder, close_body, read_body
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.trace import ContentReceived
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.deadline import overdue

DRAIN_TIME = 1.0
"""Seconds that draining a response nobody wants may take: a connection is worth no more."""


def send(request: Request, call: Call) -> Flow[Response]:
    """Make one attempt. The content of the response is still to be read."""
    return SendRequest(request, attempt_deadline(call), call.connect_timeout).__iter__()


def attempt_deadline(call: Call) -> float:
    """The monotonic time at which an attempt that begins now is given up."""
    if call.attempt_timeout is None:
        return call.deadline
    return min(call.deadline, call.now.monotonic + call.attempt_timeout)


def read_content(
    response: Response, call: Call, *, limits: Limits = DEFAULT_LIMITS, deadline: float | None = None
) -> Flow[Response]:
    """Read the whole content, with its content codings removed, into the response.

    Raises `ResponseTooLarge` beyond ``limits.max_content`` decoded bytes. A response whose content is read
    already is returned as it is.
    """
    body = response.body
    if body is None:
        return response
    if deadline is None:
        deadline = min(attempt_deadline(call), read_deadline(response, call.now.monotonic))
    head_at = call.now.monotonic
    decoder = body_decoder(response, limits.max_codings)
    pieces: list[bytes] = []
    size = 0
    ended = False
    try:
        while not ended:
            data = yield from read_body(body, deadline)
            ended = not data
            if decoder is None:
                decoded: Iterable[bytes] = (data,)
            else:
                decoded = decoder.flush() if ended else decoder.decode(data)
            for piece in decoded:
                size += len(piece)
                if size > limits.max_content:
                    raise too_large(limits)
                pieces.append(piece)
    except (DecodingError, ResponseTooLarge) as error:
        error.locate(response.request.method, response.request.url.redacted)
        raise
    except AttemptTimeout as error:
        if is_overdue(response, call.now.monotonic):
            raise overdue(error, "while the content was read") from error
        raise
    response.complete(b"".join(pieces))
    response.elapsed += call.now.monotonic - head_at
    note_content(response, call)
    return response


def note_content(response: Response, call: Call) -> None:
    """Note that the whole content of the response is there."""
    size = len(response.content)
    call.record(ContentReceived, response, call.attempts, response.status, response.reason, response.elapsed, size)


def read_deadline(response: Response, now: float) -> float:
    """When the next read of an open body is given up; `Deadline` set it on a response that it handed out unread."""
    deadline = inf if response.read_deadline is None else response.read_deadline
    return deadline if response.read_timeout is None else min(deadline, now + response.read_timeout)


def is_overdue(response: Response, now: float) -> bool:
    """Whether the total of the call that an open body belongs to is spent."""
    return response.read_deadline is not None and now >= response.read_deadline


def discard(response: Response, call: Call, *, limits: Limits = DEFAULT_LIMITS) -> Flow[None]:
    """Let go of a response nobody wants: drain a short body so that its connection lives on, close a long one.

    Nothing is decoded, so that a compressed bomb in an abandoned response costs nothing.
    """
    body = response.body
    if body is None:
        return
    response.complete(b"")
    worth_it = _announced(response) <= limits.max_drain and limits.max_drain > 0
    drained = 0
    deadline = min(attempt_deadline(call), call.now.monotonic + DRAIN_TIME)
    try:
        while worth_it and drained <= limits.max_drain:
            data = yield from read_body(body, deadline)
            if not data:
                return
            drained += len(data)
        yield from close_body(body)
    except (TransportError, AttemptTimeout):
        return  # the connection is lost, the call is not


def _announced(response: Response) -> int:
    """How long the content says it is; 0 when it does not."""
    value = response.headers.get("Content-Length", "")
    # Beyond 18 digits it is nonsense, and Python refuses to read thousands of them.
    return int(value[:18]) if value.isdecimal() and value.isascii() else 0


def too_large(limits: Limits) -> ResponseTooLarge:
    """The error for content beyond ``limits.max_content``."""
    return ResponseTooLarge(
        f"the content is larger than {limits.max_content} bytes; iterate over a stream() instead, or raise "
        "Limits(max_content=…)"
    )
