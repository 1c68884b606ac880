"""One request and its response on a connection of HTTP/2: what has arrived for it so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from trivet.transports.flows.connection import Head
    from trivet.transports.network.operation import Operation

Failure: TypeAlias = "Callable[[Operation], Exception]"
"""Makes the exception to raise: each request gets one of its own, by its own facts."""


class Stream:
    """A stream as the flow of its request sees it.

    ``sending``: our side is still open. ``over``: there is nothing more to come, and the stream is forgotten by its
    session: the response has ended, or there is a ``failure``. ``received_before``: how many frames had been received
    on the connection when the request was sent.
    """

    __slots__ = (
        "chunks",
        "consumed",
        "declared",
        "failure",
        "head",
        "id",
        "interim",
        "interim_count",
        "interim_reported",
        "method",
        "operation",
        "over",
        "received",
        "received_before",
        "sending",
    )

    def __init__(self, stream_id: int, method: str, operation: Operation, received_before: int) -> None:
        self.id = stream_id
        self.method = method
        self.operation = operation
        self.received_before = received_before
        self.sending = True
        self.over = False
        self.failure: Failure | None = None
        self.interim: deque[Head] = deque()
        self.interim_count = 0
        self.interim_reported = 0
        self.head: Head | None = None
        self.chunks: list[bytes] = []
        # Bytes of content that have come, and that the Content-Length promises.
        self.received = 0
        self.declared: int | None = None
        # What the caller has taken but the peer has not been told of yet.
        self.consumed = 0

    @property
    def has_head_news(self) -> bool:
        """Whether whoever waits for the head has something to look at."""
        return self.head is not None or bool(self.interim) or self.over

    @property
    def has_content_news(self) -> bool:
        """Whether whoever waits for content has something to look at."""
        return bool(self.chunks) or self.over

    @property
    def refuses_content(self) -> bool:
        """Whether the rest of the request's content is of no use any more.

        A server may answer before it has read the request (RFC 9113 §8.1). After an error it will not use the rest;
        a success may depend on it, as where content is echoed.
        """
        return self.over or (self.head is not None and self.head.status >= 300)

    def take_head(self, head: Head) -> None:
        """The final head has come."""
        self.head = head
        if self.method == "HEAD" or head.status in (204, 304):
            # Whatever the Content-Length says there is no content (RFC 9110 §6.4.1).
            self.declared = 0
            return
        for name, value in head.fields:
            if name == b"content-length" and value.isdigit():
                self.declared = int(value)

    def length_problem(self, more: int, ended: bool) -> str | None:
        """What is wrong when ``more`` bytes of content come, and with them the end or not."""
        if self.declared is None:
            return None
        size = self.received + more
        if size > self.declared or (ended and size < self.declared):
            what = "ended after" if ended else "has at least"
            return f"the content {what} {size} bytes, but should have {self.declared}"
        return None

    def take_content(self) -> bytes:
        """All of the content that has come and has not been taken."""
        chunks = self.chunks
        content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.chunks = []
        return content

    def fail(self, failure: Failure) -> None:
        """There will be no (more of the) response."""
        self.over = True
        self.failure = failure

    def check(self, operation: Operation) -> None:
        """Raise what there is to raise."""
        if self.failure is not None:
            raise self.failure(operation)
